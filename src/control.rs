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

/// What a page shows besides.
pub mod board;

/// The page.
pub mod dashboard;

/// The door.
pub mod http;

/// Kinds of content by name.
pub mod mime;

/// What can be ordered, and what comes back.
pub mod order;

/// Transmission's RPC over a desk.
pub mod rpc;

/// Tokens that nobody guesses.
pub mod secret;

/// Torrents, peers and trackers as they are shown.
pub mod view;

pub use order::{Addition, Order, Refusal, Reply, Which};

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    bell: Arc<Bell>,
}

/// Rung when something happened that whoever looks wants to see at once.
#[derive(Debug, Default)]
struct Bell {
    rings: Mutex<u64>,
    rang: Condvar,
}

impl Desk {
    /// A desk, and the other end of it for the loop that carries orders out.
    pub fn open() -> (Self, Receiver<Letter>) {
        let (letters, received) = bounded(WAITING);
        (Self { letters, bell: Arc::default() }, received)
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

    /// Something happened.
    pub fn ring(&self) {
        *self.bell.rings.lock() += 1;
        self.bell.rang.notify_all();
    }

    /// Waits until something happens, or until a deadline; `heard` counts what happened so far, and
    /// is 0 at first.
    pub fn wait(&self, heard: &mut u64, deadline: Instant) {
        let mut rings = self.bell.rings.lock();
        while *rings == *heard && !self.bell.rang.wait_until(&mut rings, deadline).timed_out() {}
        *heard = *rings;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_hears_the_bell_and_what_rang_before() {
        let (desk, _letters) = Desk::open();
        let (other, mut heard) = (desk.clone(), 0);
        other.ring();
        let long = Instant::now() + Duration::from_mins(10);
        desk.wait(&mut heard, long);
        let ringing = std::thread::Builder::new().name("bell".into()).spawn(move || other.ring());
        desk.wait(&mut heard, long);
        assert_eq!(heard, 2);
        ringing.unwrap().join().unwrap();
        desk.wait(&mut heard, Instant::now());
        assert_eq!(heard, 2, "nothing more happened");
    }

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
