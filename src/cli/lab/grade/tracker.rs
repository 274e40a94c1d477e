//! The grader's tracker: the sockets of a [`Desk`].

use super::link::Journal;
use crate::lab::grade::desk::{Desk, Handout};
use crate::protocol::frame::{Frame, TRACKER_MAGIC};
use parking_lot::Mutex;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often a thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// How long somebody may take for a frame.
const SLOWEST: Duration = Duration::from_secs(5);

/// The most connections at once.
const MOST_CALLS: usize = 32;

/// Ports that are tried for one that is free by UDP and by TCP.
const TRIES: usize = 20;

/// A tracker at work on 127.0.0.1; dropped, it ends.
pub struct Tracker {
    /// Where it listens.
    pub address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Tracker {
    /// Starts it.
    pub fn open(desk: Desk, journal: &Journal) -> io::Result<Self> {
        let (datagrams, streams) = sockets()?;
        let address = datagrams.local_addr()?;
        let mut tracker = Self {
            address,
            desk: Arc::new(Mutex::new(desk)),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        datagrams.set_read_timeout(Some(LOOK))?;
        SockRef::from(&streams).set_read_timeout(Some(LOOK))?;
        let (desk, stop, clock) = (tracker.desk.clone(), tracker.stop.clone(), journal.clone());
        let run = move || answer_datagrams(&datagrams, &desk, &stop, &clock);
        tracker.threads.push(Builder::new().name("grade-datagrams".into()).spawn(run)?);
        let (desk, stop, clock) = (tracker.desk.clone(), tracker.stop.clone(), journal.clone());
        let run = move || accept(&streams, &desk, &stop, &clock);
        tracker.threads.push(Builder::new().name("grade-catalogue".into()).spawn(run)?);
        Ok(tracker)
    }

    /// Looks at what was said.
    pub fn look<T>(&self, at: impl FnOnce(&Desk) -> T) -> T {
        at(&self.desk.lock())
    }

    /// Ends it: what it was told.
    pub fn into_desk(mut self) -> Desk {
        self.end();
        let mut desk = self.desk.lock();
        std::mem::replace(&mut desk, Desk::new(None, Handout::Nothing, Vec::new()))
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It ends by a panic only, which has been reported.
            let _ = thread.join();
        }
    }

    /// Where the submission says it listens, once it has registered.
    pub fn submission(&self) -> Option<SocketAddr> {
        let port = self.look(|desk| desk.registered.as_ref().map(|known| known.1.port));
        port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.end();
    }
}

fn sockets() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let datagrams = UdpSocket::bind(("127.0.0.1", 0))?;
        match TcpListener::bind(datagrams.local_addr()?) {
            Ok(streams) => return Ok((datagrams, streams)),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn answer_datagrams(socket: &UdpSocket, desk: &Mutex<Desk>, stop: &AtomicBool, clock: &Journal) {
    let mut room = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut room) else { continue };
        let answer = desk.lock().on_datagram(clock.now(), from, &room[..length]);
        if let Some(answer) = answer {
            // An answer that is lost is asked for again.
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn accept(
    listener: &TcpListener,
    desk: &Arc<Mutex<Desk>>,
    stop: &Arc<AtomicBool>,
    clock: &Journal,
) {
    let calls = Arc::new(AtomicUsize::new(0));
    while !stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else { continue };
        if calls.fetch_add(1, Ordering::Relaxed) >= MOST_CALLS {
            calls.fetch_sub(1, Ordering::Relaxed);
            continue; // closed at once
        }
        let (desk, stop, clock) = (desk.clone(), stop.clone(), clock.clone());
        let call = calls.clone();
        let run = move || {
            // Whoever hangs up is gone.
            let _ = converse(stream, &desk, &stop, &clock);
            call.fetch_sub(1, Ordering::Relaxed);
        };
        // Without a thread the caller is closed.
        let _ = Builder::new().name("grade-call".into()).spawn(run);
    }
}

/// Answers the frames of one connection.
fn converse(
    mut stream: TcpStream,
    desk: &Mutex<Desk>,
    stop: &AtomicBool,
    clock: &Journal,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(SLOWEST))?;
    let (mut buffer, mut room, mut has_magic) = (Vec::new(), [0; 16_384], false);
    let mut heard = clock.now();
    while !stop.load(Ordering::Relaxed) && clock.now() < heard + SLOWEST {
        match stream.read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(count) => buffer.extend_from_slice(&room[..count]),
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => continue,
            Err(why) => return Err(why),
        }
        heard = clock.now();
        if !has_magic && buffer.len() >= 4 {
            has_magic = buffer.starts_with(&TRACKER_MAGIC);
            if !has_magic {
                let text = format!("a stream that opens with {:02x?}, not \"SWT1\"", &buffer[..4]);
                desk.lock().malformed = Some(text);
                return Ok(());
            }
            buffer.drain(..4);
        }
        if !has_magic {
            continue;
        }
        loop {
            let (answer, length) = match Frame::first_in(&buffer) {
                Ok(None) => break,
                Ok(Some((frame, length))) => (desk.lock().on_frame(clock.now(), &frame), length),
                Err(why) => {
                    desk.lock().malformed = Some(format!("a frame by TCP: {why}"));
                    return Ok(());
                }
            };
            buffer.drain(..length);
            stream.write_all(&answer)?;
        }
    }
    Ok(())
}
