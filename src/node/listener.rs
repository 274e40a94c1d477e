//! The listener: takes connections and gives each a thread of its own.
//!
//! A connection that has not said who it is counts as a pending handshake. At most 64 of them may
//! be pending, fewer where descriptors are few: one more and the oldest is shut, so that slow callers
//! never keep others out. Of one address that is neither loopback nor private at most 8 may be
//! pending; a ninth is dropped. When the process runs out of descriptors or threads it backs off
//! instead of spinning, and a descriptor that is kept for that tells those who call that there is no
//! room.

use crate::logic::dialer::canonical;
use crate::logic::is_local;
use crate::node::shared::Shared;
use crate::node::{connection, descriptors, worker};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

/// Connections that may be in their opening at once.
const HANDSHAKES: usize = 64;

/// Those of one address that is neither loopback nor private.
const HANDSHAKES_PER_IP: usize = 8;

/// What a spare descriptor is open on.
const NOWHERE: &str = "/dev/null";

/// How long to wait when the system has no descriptor or thread left.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A connection's thread needs little: its parsers do not recurse, its buffer is on the heap.
pub const STACK: usize = 256 * 1024;

/// Accepts until the node stops.
pub fn run(shared: &Arc<Shared>, listener: &TcpListener) {
    let most = descriptors::most_handshakes(HANDSHAKES);
    let pending = Arc::new(Mutex::new(Pending::of(most)));
    let mut reserve = Reserve::new();
    loop {
        let accepted = listener.accept();
        if shared.is_stopping() {
            return;
        }
        let taken = match accepted {
            Ok((stream, from)) => take(shared, &pending, stream, canonical(from)),
            Err(error) => Err(error),
        };
        match taken {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                reserve.on_shortage(&e, listener);
                if shared.wait(BACK_OFF) {
                    return;
                }
            }
            Err(_) => {}
            Ok(()) => reserve.on_plenty(),
        }
    }
}

/// Gives a connection its thread.
fn take(
    shared: &Arc<Shared>,
    pending: &Arc<Mutex<Pending<TcpStream>>>,
    stream: TcpStream,
    from: SocketAddr,
) -> io::Result<()> {
    let ip = from.ip();
    let Some((number, oldest)) = pending.lock().enter(ip, stream.try_clone()?) else {
        log::debug!("{from}: dropped: {HANDSHAKES_PER_IP} handshakes of {ip} are pending");
        return Ok(());
    };
    let handshake = Handshake { pending: pending.clone(), number };
    if let Some(oldest) = oldest {
        log::debug!("the oldest handshake makes room for {from}");
        // It fails only when the other end was faster. Its thread wakes and ends.
        let _ = oldest.shutdown(Shutdown::Both);
    }
    let owned = shared.clone();
    let thread = Builder::new().name(format!("peer-{from}")).stack_size(STACK);
    thread.spawn(move || {
        let answered = owned.guard.contain(|| connection::answer(&owned, stream, from));
        drop(handshake);
        match answered {
            Some(Ok((connection, buffer))) => worker::run(&owned, &connection, buffer),
            Some(Err(refused)) => log::debug!("{from}: not let in: {refused}"),
            None => {} // it panicked, which was said
        }
    })?;
    Ok(())
}

/// A descriptor that is given up when there is no other, so that a caller can be taken and closed:
/// it need not wait for an answer that nobody gives, and we are not woken for it again.
struct Reserve {
    spare: Option<File>,
    /// Since it was last said that there is a shortage nobody came in.
    is_short: bool,
}

impl Reserve {
    fn new() -> Self {
        Self { spare: File::open(NOWHERE).ok(), is_short: false }
    }

    /// No caller can be let in: one is shed, and that is said once.
    fn on_shortage(&mut self, error: &io::Error, listener: &TcpListener) {
        if std::mem::replace(&mut self.is_short, true) {
            log::debug!("accepting failed: {error}");
        } else {
            log::warn!("accepting failed: {error}: callers are sent away until that is over");
        }
        if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
            self.shed(listener);
        }
        if self.spare.is_none() {
            self.spare = File::open(NOWHERE).ok();
        }
    }

    fn shed(&mut self, listener: &TcpListener) {
        self.spare = None;
        // Whoever called may have gone: that is not waited for.
        if listener.set_nonblocking(true).is_ok() {
            drop(listener.accept());
        }
        if let Err(error) = listener.set_nonblocking(false) {
            log::error!("the listener does not wait any more: {error}");
        }
    }

    fn on_plenty(&mut self) {
        self.is_short = false;
    }
}

/// A pending handshake; however its thread ends, it is one less.
struct Handshake {
    pending: Arc<Mutex<Pending<TcpStream>>>,
    number: u64,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.pending.lock().callers.remove(&self.number);
    }
}

/// The callers that have not said who they are, by number: the oldest comes first.
struct Pending<Stream> {
    most: usize,
    callers: BTreeMap<u64, (IpAddr, Stream)>,
    next: u64,
}

impl<Stream> Pending<Stream> {
    /// Nobody is pending; so many may be.
    fn of(most: usize) -> Self {
        Self { most, callers: BTreeMap::new(), next: 0 }
    }

    /// Takes note of a caller: its number, and the caller that has to go for it. `None` when its
    /// address has its share already.
    fn enter(&mut self, ip: IpAddr, stream: Stream) -> Option<(u64, Option<Stream>)> {
        let from_there = self.callers.values().filter(|(other, _)| *other == ip).count();
        if from_there >= HANDSHAKES_PER_IP && !is_local(ip) {
            return None;
        }
        let full = self.callers.len() >= self.most;
        let oldest = if full { self.callers.pop_first() } else { None };
        let number = self.next;
        self.next += 1;
        self.callers.insert(number, (ip, stream));
        Some((number, oldest.map(|(_, (_, stream))| stream)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn stranger(number: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, number])
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_caller_goes() {
        let mut pending = Pending::of(HANDSHAKES);
        for name in 0..HANDSHAKES as u64 {
            assert_eq!(pending.enter(HOME, name), Some((name, None)));
        }
        pending.callers.remove(&0); // it said who it is
        assert_eq!(pending.enter(HOME, 64), Some((64, None)));
        assert_eq!(pending.enter(HOME, 65), Some((65, Some(1))));
        assert_eq!(pending.enter(HOME, 66), Some((66, Some(2))));
        assert_eq!(pending.callers.len(), HANDSHAKES);
    }

    #[test]
    fn one_address_from_outside_has_eight_places_and_pushes_nobody_out() {
        let mut pending = Pending::of(HANDSHAKES);
        for name in 0..HANDSHAKES_PER_IP {
            assert!(pending.enter(stranger(1), name).is_some());
        }
        assert_eq!(pending.enter(stranger(1), 8), None);
        assert!(pending.enter(stranger(2), 9).is_some());
        pending.callers.remove(&0);
        assert!(pending.enter(stranger(1), 10).is_some());
    }

    #[test]
    fn a_handshake_counts_no_more_when_its_thread_panics() {
        let pending = Arc::new(Mutex::new(Pending::of(HANDSHAKES)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (number, _) = pending.lock().enter(HOME, stream).unwrap();
        let handshake = Handshake { pending: pending.clone(), number };
        let thread = Builder::new().name("peer-that-panics".into()).spawn(move || {
            let _handshake = handshake;
            panic!("on purpose");
        });
        assert!(thread.unwrap().join().is_err());
        assert!(pending.lock().callers.is_empty());
    }
}
