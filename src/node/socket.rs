//! The few calls that std's sockets do not offer: dial from an address, send without waiting,
//! wait until a socket takes more.

use crate::node::shared::Connection;
use crate::readiness::{Interest, Readiness, Waker, Watched, Watcher};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on an address; port 0 is any free one. A port of our choice may still have connections of
/// the program that had it before; one of the system's choice must be nobody else's, not even that
/// of another caller who is about to listen. Once it listens, its connections are no bar to whoever
/// listens there next: they inherit what is set here.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(address.port() != 0)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_reuse_address(true)?;
    Ok(socket.into())
}

/// A TCP socket for calling an address, from `bind` if that is given and of the same family.
pub fn socket_to(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(ip) = bind.filter(|ip| ip.is_ipv4() == address.is_ipv4() && !ip.is_unspecified()) {
        socket.bind(&SocketAddr::new(ip, 0).into())?;
    }
    Ok(socket)
}

/// Calls a peer, from `bind` if given.
pub fn dial(address: SocketAddr, bind: Option<IpAddr>, timeout: Duration) -> io::Result<TcpStream> {
    let socket = socket_to(address, bind)?;
    socket.connect_timeout(&address.into(), timeout)?;
    Ok(socket.into())
}

/// Wakes the thread that is in `accept`; no more connections are taken.
pub fn stop_listening(listener: &TcpListener) {
    // An error here means that nothing listens any more, which is what is wanted.
    let _ = SockRef::from(listener).shutdown(std::net::Shutdown::Both);
}

/// What the system has taken to send and the other end does not take for so long ends the
/// connection, as far as the system knows of that (TCP_USER_TIMEOUT, RFC 5482).
pub fn set_patience(stream: &TcpStream, time: Duration) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(stream, time.as_millis() as u32)?;
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, time);
    Ok(())
}

/// The system takes no more to send while so many bytes wait unsent, whatever room it has for bytes
/// that are on their way (TCP_NOTSENT_LOWAT, tcp(7)).
pub fn set_ahead(stream: &TcpStream, bytes: u32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_notsent_lowat(bytes)?;
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, bytes);
    Ok(())
}

/// Sends what the socket takes at once; `Ok(0)` means that it takes nothing now.
pub fn send_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match SockRef::from(stream).send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// Connections whose sockets take no more now: the `writable` thread waits for them.
pub struct Parked {
    /// Locked by that thread alone, while it waits.
    readiness: Mutex<Readiness>,
    watcher: Watcher,
    waker: Waker,
    stalled: Mutex<HashMap<usize, Stalled>>,
}

struct Stalled {
    connection: Arc<Connection>,
    deadline: Instant,
    /// None for one that could not be watched: it was shut, and comes back at its deadline.
    _watched: Option<Watched<Arc<Connection>>>,
}

impl Parked {
    /// Nobody waits.
    pub fn new() -> io::Result<Self> {
        let readiness = Readiness::new()?;
        let (watcher, waker) = (readiness.watcher(), readiness.waker());
        let stalled = Mutex::default();
        Ok(Self { readiness: Mutex::new(readiness), watcher, waker, stalled })
    }

    /// Parks a connection until its socket takes more, at the latest until the deadline: who reads
    /// nothing for so long is let go. It comes back from [`Parked::wait`].
    pub fn park(&self, connection: &Arc<Connection>, deadline: Instant) {
        let key = connection.key.0 as usize;
        // Held until it is there: whoever is told of it looks for it.
        let mut stalled = self.stalled.lock();
        stalled.remove(&key);
        let watched = self.watcher.watch(connection.clone(), key, Interest::Write).ok();
        if watched.is_none() {
            connection.shut();
        }
        let connection = connection.clone();
        stalled.insert(key, Stalled { connection, deadline, _watched: watched });
    }

    /// Wakes the waiting thread.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Waits until some can be sent to, or their time is up; at most `longest`.
    /// Those past their deadline are shut; they too come back, to find that out.
    pub fn wait(&self, longest: Duration) -> io::Result<Vec<Arc<Connection>>> {
        let next = self.stalled.lock().values().map(|stalled| stalled.deadline).min();
        let pause = next.map_or(longest, |at| at.saturating_duration_since(Instant::now()));
        let mut ready = Vec::new();
        self.readiness.lock().wait(&mut ready, Some(pause.min(longest)))?;
        let now = Instant::now();
        let mut stalled = self.stalled.lock();
        ready.extend(stalled.iter().filter(|(_, one)| one.deadline <= now).map(|(&key, _)| key));
        let mut awake = Vec::new();
        for key in ready {
            let Some(Stalled { connection, deadline, .. }) = stalled.remove(&key) else { continue };
            if deadline <= now {
                connection.shut();
            }
            awake.push(connection);
        }
        Ok(awake)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_port_of_the_systems_choice_is_shared_with_nobody() {
        let any = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let refused = listen(any.local_addr().unwrap()).expect_err("it is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn connections_of_the_program_before_are_no_bar_to_listen() {
        let any = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = any.local_addr().unwrap();
        let other = TcpStream::connect(port).unwrap();
        let (ours, _) = any.accept().unwrap();
        // Closed first by us, its end is remembered by the system for a minute.
        drop((ours, any));
        let again = listen(port).unwrap();
        drop(other);
        assert_eq!(again.local_addr().unwrap(), port);
    }
}
