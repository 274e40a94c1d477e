//! The parts of swarmlet that several threads share, under thousands of schedules.
//!
//! `build.rs` takes the real sources of [`stay`], [`threadpool`] and [`outbox`]; what they need of
//! the rest stands in `words`, made small. Where the real thing is a file on a disk, the model is a
//! faithful copy of its protocol and says so.

macro_rules! real {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[allow(missing_docs, dead_code)]
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    };
}

/// A bounded channel of many senders and receivers.
pub mod channel;

/// Locks that do not poison.
pub mod sync;

/// How much may wait unsent: the real source, which needs nothing of the rest.
#[path = "../../src/logic/ahead.rs"]
pub mod ahead;

mod words;

pub use words::{geometry, ids, logic, node, protocol};

real! {
    /// Whether a torrent is in its node.
    stay
}
real! {
    /// Workers over a bounded channel.
    threadpool
}
real! {
    /// What is to be sent to one peer.
    outbox
}

/// How many schedules each model is run under.
#[cfg(test)]
fn check(model: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("SCHEDULES").ok().and_then(|n| n.parse().ok());
    shuttle::check_random(model, schedules.unwrap_or(10_000));
}

#[cfg(test)]
mod outbox_model;
#[cfg(test)]
mod settle_model;
#[cfg(test)]
mod stay_model;
#[cfg(test)]
mod stop_model;
#[cfg(test)]
mod threadpool_model;
