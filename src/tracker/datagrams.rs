//! Datagrams in batches: many received, answered and sent by two calls of the system.
//!
//! ```text
//! recvmmsg -> | datagram 1 | .. | datagram 64 | -> State::on_datagram -> answers -> sendmmsg
//! ```
//! Buffers are kept from one batch to the next, and the time is read once for each. Where the
//! system has no such calls, a datagram at a time does. Nothing here waits.

use crate::clock::Moment;
use crate::protocol::frame::MAX_DATAGRAM;
use std::net::{SocketAddr, UdpSocket};

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) use many::Batch;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) use one::Batch;

/// Datagrams in a batch.
const BATCH: usize = 64;

/// Bytes of a datagram that are read; a longer one is no message of ours. A scrape of as many
/// torrents as it may name is the longest.
const LONGEST: usize = 2048;

const _: () = assert!(LONGEST > MAX_DATAGRAM, "what is cut off was too long anyway");

/// An IPv4 asker of a socket for both families is an IPv4 asker.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
mod many {
    use super::{BATCH, LONGEST, MAX_DATAGRAM, Moment, SocketAddr, UdpSocket, canonical};
    use nix::errno::Errno;
    use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
    use std::io::{IoSlice, IoSliceMut};
    use std::os::fd::AsRawFd;

    /// Room for a batch and its answers.
    pub struct Batch {
        received: Box<[[u8; LONGEST]]>,
        askers: Vec<Option<SockaddrStorage>>,
        lengths: Vec<usize>,
        answers: Vec<Vec<u8>>,
        receiving: MultiHeaders<SockaddrStorage>,
        sending: MultiHeaders<SockaddrStorage>,
    }

    impl Batch {
        pub fn new() -> Self {
            Self {
                received: vec![[0; LONGEST]; BATCH].into(),
                askers: Vec::with_capacity(BATCH),
                lengths: Vec::with_capacity(BATCH),
                answers: (0..BATCH).map(|_| Vec::with_capacity(MAX_DATAGRAM)).collect(),
                receiving: MultiHeaders::preallocate(BATCH, None),
                sending: MultiHeaders::preallocate(BATCH, None),
            }
        }

        /// Answers what has arrived; false once the socket is empty.
        pub fn turn(
            &mut self,
            socket: &UdpSocket,
            now: Moment,
            mut answer: impl FnMut(Moment, SocketAddr, &[u8], &mut Vec<u8>),
        ) -> bool {
            match self.receive(socket) {
                Ok(()) => {}
                Err(Errno::EAGAIN) => return false,
                // An earlier answer was refused by its receiver: nothing to do with the next.
                Err(_) => return true,
            }
            let mut answered = 0;
            for n in 0..self.lengths.len() {
                let Some(asker) = self.askers[n].as_ref().and_then(address) else { continue };
                let bytes = &self.received[n][..self.lengths[n].min(LONGEST)];
                let out = &mut self.answers[answered];
                out.clear();
                answer(now, canonical(asker), bytes, out);
                if !out.is_empty() {
                    self.askers[answered] = self.askers[n];
                    answered += 1;
                }
            }
            self.send(socket, answered);
            self.lengths.len() == BATCH
        }

        fn receive(&mut self, socket: &UdpSocket) -> nix::Result<()> {
            self.lengths.clear();
            self.askers.clear();
            let mut parts = self.received.as_mut_array::<BATCH>().expect("a batch").each_mut();
            let mut parts = parts.each_mut().map(|part| [IoSliceMut::new(&mut part[..])]);
            let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            for one in recvmmsg(fd, &mut self.receiving, parts.iter_mut(), flags, None)? {
                self.lengths.push(one.bytes);
                self.askers.push(one.address);
            }
            Ok(())
        }

        /// Sends the first answers. One that does not fit is lost like any datagram, and asked
        /// for again.
        fn send(&mut self, socket: &UdpSocket, answered: usize) {
            let mut from = 0;
            while from < answered {
                let answers = &self.answers[from..answered];
                let part = |n: usize| [IoSlice::new(answers.get(n).map_or(&[], Vec::as_slice))];
                let parts: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(part);
                let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
                let (parts, askers) = (parts[..answers.len()].iter(), &self.askers[from..answered]);
                match sendmmsg(fd, &mut self.sending, parts, askers, [], flags) {
                    Ok(sent) => from += sent.count().max(1),
                    Err(Errno::EAGAIN) => return,
                    Err(_) => from += 1,
                }
            }
        }
    }

    fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
        let four = of.as_sockaddr_in().map(|four| SocketAddr::from((four.ip(), four.port())));
        four.or_else(|| of.as_sockaddr_in6().map(|six| (six.ip(), six.port()).into()))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
mod one {
    use super::{BATCH, LONGEST, Moment, SocketAddr, UdpSocket, canonical};
    use std::io;

    /// Room for a datagram and its answer.
    pub struct Batch {
        received: Box<[u8; LONGEST]>,
        answer: Vec<u8>,
    }

    impl Batch {
        pub fn new() -> Self {
            Self { received: Box::new([0; LONGEST]), answer: Vec::new() }
        }

        /// Answers what has arrived; false once the socket is empty.
        pub fn turn(
            &mut self,
            socket: &UdpSocket,
            now: Moment,
            mut answer: impl FnMut(Moment, SocketAddr, &[u8], &mut Vec<u8>),
        ) -> bool {
            for _ in 0..BATCH {
                let (length, from) = match socket.recv_from(&mut self.received[..]) {
                    Ok(received) => received,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                    Err(_) => continue,
                };
                self.answer.clear();
                answer(now, canonical(from), &self.received[..length], &mut self.answer);
                if !self.answer.is_empty() {
                    let _ = socket.send_to(&self.answer, from);
                }
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Whoever asks hears its own words again, as many as it said.
    fn check_echo(listen: &str, asker: &str, at: &str) {
        let Ok(socket) = UdpSocket::bind(listen) else {
            assert!(listen.starts_with('['), "IPv4 is everywhere");
            return;
        };
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let client = UdpSocket::bind(asker).unwrap();
        client.connect((at, port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut batch = Batch::new();
        let expected = client.local_addr().unwrap();
        for round in [1, 3, 100] {
            (0..round).for_each(|n| _ = client.send(&[n, 7]).unwrap());
            let mut seen = 0;
            while seen < round {
                batch.turn(&socket, Moment::START, |_, from, bytes, out| {
                    assert_eq!(from, expected);
                    out.extend_from_slice(bytes);
                    seen += 1;
                });
            }
            for n in 0..round {
                let mut heard = [0; 9];
                assert_eq!((client.recv(&mut heard).unwrap(), heard[0]), (2, n));
            }
        }
        let is_more = batch.turn(&socket, Moment::START, |_, _, _, _| panic!("nobody asks"));
        assert!(!is_more);
    }

    #[test]
    fn every_datagram_is_answered_in_batches_and_one_by_one() {
        check_echo("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1");
    }

    #[test]
    fn a_socket_for_both_families_hears_ipv4_askers_as_such() {
        check_echo("[::]:0", "127.0.0.1:0", "127.0.0.1");
        check_echo("[::]:0", "[::1]:0", "::1");
    }

    #[test]
    fn silence_is_not_sent() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(socket.local_addr().unwrap()).unwrap();
        (0..3).for_each(|n| _ = client.send(&[n]).unwrap());
        let mut seen = 0;
        Batch::new().turn(&socket, Moment::START, |_, _, bytes, out| {
            seen += 1;
            out.extend(bytes.iter().filter(|byte| **byte == 1));
        });
        let mut heard = [0; 9];
        assert_eq!((seen, client.recv(&mut heard).unwrap(), heard[0]), (3, 1, 1));
        client.set_nonblocking(true).unwrap();
        assert!(client.recv(&mut heard).is_err(), "one answer only");
    }
}
