//! A door into a running program: what can be asked of it and what it can be told, from outside.
//!
//! ```text
//! transmission-remote, a web page, peer remote          peer console
//!            | HTTP                                          |
//!            v                                               v
//!          http -> rpc (JSON <-> values)        Order  ->  [`Desk`]  ->  the program's own loop
//!                                               Reply  <-
//! ```
//! An [`Order`] is a value and so is its [`Reply`]: whoever speaks another language than Rust has
//! them translated in one place, and the program that carries them out never sees JSON. A [`Desk`]
//! is a channel to that program: one order at a time, answered within [`PATIENCE`].
//!
//! Never here: a lock of the node, a file named by a URL, a decision about torrents.

/// Bytes as letters.
pub mod base64;

/// The door.
pub mod http;

/// Kinds of content by name.
pub mod mime;

/// What can be ordered, and what comes back.
pub mod order;

/// Transmission's RPC over a desk.
pub mod rpc;

mod secret;

/// Torrents, peers and trackers as they are shown.
pub mod view;

pub use order::{Addition, Order, Refusal, Reply, Which};

use crossbeam_channel::{Receiver, Sender, bounded};
use std::time::Duration;

/// How long an order may take: the program's loop never waits for a tracker or a disk, so a longer
/// silence means that it is on its way out.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Orders that may wait for the loop; whoever gives one waits for its answer, so there are never
/// more than there are doors.
const WAITING: usize = 64;

/// An order on its way, and where its answer goes.
#[derive(Debug)]
pub struct Letter {
    /// What is to be done.
    pub order: Order,
    /// Where the answer is waited for.
    pub answer: Sender<Result<Reply, Refusal>>,
}

/// Where orders are handed in.
#[derive(Debug, Clone)]
pub struct Desk {
    letters: Sender<Letter>,
}

impl Desk {
    /// A desk, and the other end of it for the loop that carries orders out.
    pub fn open() -> (Self, Receiver<Letter>) {
        let (letters, received) = bounded(WAITING);
        (Self { letters }, received)
    }

    /// Hands an order in and waits for its answer.
    ///
    /// # Errors
    /// What the program says, or [`Refusal::Gone`] when it says nothing.
    pub fn order(&self, order: Order) -> Result<Reply, Refusal> {
        let (answer, answered) = bounded(1);
        let letter = Letter { order, answer };
        self.letters.send_timeout(letter, PATIENCE).map_err(|_| Refusal::Gone)?;
        answered.recv_timeout(PATIENCE).unwrap_or(Err(Refusal::Gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_answered_by_whoever_reads_the_letters() {
        let (desk, letters) = Desk::open();
        let loops = std::thread::Builder::new().name("loop".into());
        let loops = loops.spawn(move || {
            let letter = letters.recv().unwrap();
            assert_eq!(letter.order, Order::Close);
            letter.answer.send(Ok(Reply::Done)).unwrap();
        });
        assert_eq!(desk.order(Order::Close), Ok(Reply::Done));
        loops.unwrap().join().unwrap();
        assert_eq!(desk.order(Order::Close), Err(Refusal::Gone), "nobody reads any more");
    }
}
