//! Which sockets can be read or written now: a safe door to the `polling` crate.
//!
//! A [`Readiness`] watches sockets it is given and hands back a [`Watched`], which owns the
//! socket, stops watching it when dropped, and lends it only by shared reference, so a socket
//! can never outlive its registration by accident. Readiness is *level* triggered: what was not
//! read is reported again. Nothing here reads or writes a socket.

use polling::{AsRawSource, AsSource, Event, Events, PollMode, Poller};
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// What to be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Nothing, for now.
    None,
    /// That there is something to read.
    Read,
    /// That there is room to write.
    Write,
}

impl Interest {
    fn event(self, key: usize) -> Event {
        match self {
            Self::None => Event::none(key),
            Self::Read => Event::readable(key),
            Self::Write => Event::writable(key),
        }
    }
}

/// A set of watched sockets.
pub struct Readiness {
    poller: Arc<Poller>,
    events: Events,
}

impl Readiness {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        Ok(Self { poller: Arc::new(Poller::new()?), events: Events::new() })
    }

    /// Watches a non-blocking socket under a key of the caller's choice (not `usize::MAX`).
    pub fn watch<S>(&self, source: S, key: usize, interest: Interest) -> io::Result<Watched<S>>
    where
        S: AsSource,
        for<'a> &'a S: AsRawSource,
    {
        self.watcher().watch(source, key, interest)
    }

    /// Waits until a socket is ready, [`Waker::wake`] is called, or `timeout` is over, and puts
    /// the keys of the ready sockets into `ready`. `None` waits for ever.
    pub fn wait(&mut self, ready: &mut Vec<usize>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        match self.poller.wait(&mut self.events, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
            _ => ready.extend(self.events.iter().map(|event| event.key)),
        }
        Ok(())
    }

    /// A handle that adds sockets from another thread, also during a [`wait`](Self::wait).
    pub fn watcher(&self) -> Watcher {
        Watcher(Arc::clone(&self.poller))
    }

    /// A handle that ends [`wait`](Self::wait) from another thread.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.poller))
    }
}

/// Adds sockets from another thread.
#[derive(Clone)]
pub struct Watcher(Arc<Poller>);

impl Watcher {
    /// As [`Readiness::watch`].
    pub fn watch<S>(&self, source: S, key: usize, interest: Interest) -> io::Result<Watched<S>>
    where
        S: AsSource,
        for<'a> &'a S: AsRawSource,
    {
        watch(&self.0, &source, interest.event(key))?;
        Ok(Watched { poller: Arc::clone(&self.0), source, key, interest })
    }
}

/// Ends a wait from another thread.
#[derive(Clone)]
pub struct Waker(Arc<Poller>);

impl Waker {
    /// Ends the current wait, or the next one if there is none.
    pub fn wake(&self) {
        if let Err(e) = self.0.notify() {
            log::debug!("waking a poll loop: {e}");
        }
    }
}

/// A socket and its registration, which end together.
pub struct Watched<S: AsSource> {
    poller: Arc<Poller>,
    source: S,
    key: usize,
    interest: Interest,
}

impl<S: AsSource> Watched<S> {
    /// Changes what is watched for; costs nothing when it does not change.
    pub fn set_interest(&mut self, interest: Interest) -> io::Result<()> {
        if interest == self.interest {
            return Ok(());
        }
        self.poller.modify_with_mode(&self.source, interest.event(self.key), PollMode::Level)?;
        self.interest = interest;
        Ok(())
    }
}

impl<S: AsSource> Deref for Watched<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.source
    }
}

impl<S: AsSource> Drop for Watched<S> {
    fn drop(&mut self) {
        if let Err(e) = self.poller.delete(&self.source) {
            log::debug!("no longer watching a socket: {e}");
        }
    }
}

#[expect(unsafe_code, reason = "polling asks its caller to keep a source alive until deleted")]
fn watch(poller: &Poller, source: impl AsRawSource, event: Event) -> io::Result<()> {
    // SAFETY: the only caller moves the source into a `Watched` at once, which owns it, lends it
    // by shared reference only, and deletes it from the poller before it is dropped.
    unsafe { poller.add_with_mode(source, event, PollMode::Level) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_socket_is_reported_until_it_is_read_and_a_dropped_one_no_more() {
        let mut readiness = Readiness::new().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let addr = socket.local_addr().unwrap();
        let watched = readiness.watch(socket, 7, Interest::Read).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", addr).unwrap();
        let mut ready = Vec::new();
        for _ in 0..2 {
            readiness.wait(&mut ready, Some(Duration::from_secs(5))).unwrap();
            assert_eq!(ready, [7]);
        }
        drop(watched);
        readiness.waker().wake();
        readiness.wait(&mut ready, Some(Duration::from_secs(5))).unwrap();
        assert!(ready.is_empty());
    }
}
