//! A crowd of callers: thousands of sockets in one thread, none of which does anything sensible.
//!
//! Each calls from one of the loopback's many addresses, says its opening words, drips bytes if it
//! is to, and is let go or not; when, is written down. Beside it [`CloseWaits`] looks how long a
//! program keeps sockets that the other end has closed.

use super::pass;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};
use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(5);

/// The `n`-th address of a network of this machine that no program of a test listens on.
pub fn stranger(network: u8, n: usize) -> IpAddr {
    IpAddr::from([127, 77, network, (n % 250 + 1) as u8])
}

/// What each caller does.
pub struct Manner {
    /// From where the n-th calls.
    pub from: fn(usize) -> IpAddr,
    /// What the n-th says first.
    pub opening: Box<dyn Fn(usize) -> Vec<u8> + Send>,
    /// A byte that is said again and again, and how often.
    pub drip: Option<(Duration, u8)>,
}

/// One caller.
struct Caller {
    stream: TcpStream,
    since: Instant,
    dripped: Instant,
    /// How long it was there, once it was let go.
    lasted: Option<Duration>,
}

/// Callers on a thread of their own.
pub struct Crowd {
    connected: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Vec<Duration>>>,
}

impl Crowd {
    /// Begins to call; `count` in all, as fast as the system lets them.
    pub fn call(address: SocketAddr, count: usize, manner: Manner) -> Self {
        let (connected, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (stop, stopped) = bounded(0);
        let (called, gone) = (connected.clone(), ended.clone());
        let thread = spawn(move || {
            let mut callers = Vec::new();
            let is_over =
                || stopped.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected);
            for n in 0..count {
                if is_over() {
                    break;
                }
                if let Ok(stream) = call_from((manner.from)(n), address) {
                    let _ = (&stream).write(&(manner.opening)(n)); // it may be let go already
                    let now = Instant::now();
                    callers.push(Caller { stream, since: now, dripped: now, lasted: None });
                }
                called.store(n + 1, Ordering::Release);
                if n % 64 == 63 {
                    look(&mut callers, Duration::ZERO, manner.drip);
                }
            }
            while stopped.recv_timeout(Duration::ZERO) == Err(RecvTimeoutError::Timeout) {
                look(&mut callers, Duration::from_millis(50), manner.drip);
                let left = callers.iter().filter(|caller| caller.lasted.is_none()).count();
                gone.store(callers.len() - left, Ordering::Release);
            }
            callers.iter().filter_map(|caller| caller.lasted).collect()
        });
        Self { connected, ended, stop: Some(stop), thread: Some(thread) }
    }

    /// How many have called.
    pub fn called(&self) -> usize {
        self.connected.load(Ordering::Acquire)
    }

    /// How many were let go.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Acquire)
    }

    /// Hangs up; how long each of those that were let go had been there.
    pub fn end(mut self) -> Vec<Duration> {
        self.stop = None;
        let thread = self.thread.take().expect("it is ended once");
        thread.join().expect("the crowd does not panic")
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Calls from an address of this machine, with a receive buffer as small as the system allows.
pub fn narrow_from(ip: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    socket.bind(&SocketAddr::new(ip, 0).into())?;
    socket.connect_timeout(&address.into(), CALL)?;
    Ok(socket.into())
}

fn call_from(ip: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(ip, 0).into())?;
    socket.connect_timeout(&address.into(), CALL)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Drips, hears what there is, and takes note of those that were let go.
fn look(callers: &mut [Caller], wait: Duration, drip: Option<(Duration, u8)>) {
    let mut there: Vec<&mut Caller> =
        callers.iter_mut().filter(|caller| caller.lasted.is_none()).collect();
    if there.is_empty() {
        return pass(wait);
    }
    let readable: Vec<bool> = {
        let streams = there.iter().map(|caller| PollFd::new(&caller.stream, PollFlags::IN));
        let mut streams: Vec<PollFd> = streams.collect();
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos() as i64 };
        if poll(&mut streams, Some(&wait)).is_err() {
            return; // interrupted
        }
        streams.iter().map(|stream| !stream.revents().is_empty()).collect()
    };
    let now = Instant::now();
    for (caller, readable) in there.iter_mut().zip(readable) {
        if readable && !hear(&mut caller.stream) {
            caller.lasted = Some(now - caller.since);
        }
        let Some((every, byte)) = drip else { continue };
        if now - caller.dripped >= every {
            caller.dripped = now;
            let _ = caller.stream.write(&[byte]); // it hears that it was let go
        }
    }
}

/// Reads what there is; false when the other end is gone.
fn hear(stream: &mut TcpStream) -> bool {
    let mut block = [0; 4096];
    loop {
        match stream.read(&mut block) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// Watches for sockets that the other end has closed and the program has not (CLOSE_WAIT).
pub struct CloseWaits {
    stop: Option<Sender<()>>,
    thread: JoinHandle<Duration>,
}

impl CloseWaits {
    /// Watches a process.
    pub fn watch(id: u32) -> Self {
        let (stop, stopped) = bounded::<()>(0);
        let thread = spawn(move || {
            let (mut since, mut longest) = (HashMap::<u64, Instant>::new(), Duration::ZERO);
            while stopped.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout)
            {
                let now = Instant::now();
                let waiting = close_waits(id);
                since.retain(|inode, _| waiting.contains(inode));
                for inode in waiting {
                    longest = longest.max(now - *since.entry(inode).or_insert(now));
                }
            }
            longest
        });
        Self { stop: Some(stop), thread }
    }

    /// The longest that one was seen.
    pub fn longest(mut self) -> Duration {
        self.stop = None;
        self.thread.join().expect("it only reads /proc")
    }
}

/// The sockets of a process in CLOSE_WAIT, by inode.
fn close_waits(id: u32) -> HashSet<u64> {
    let tcp = std::fs::read_to_string(format!("/proc/{id}/net/tcp")).unwrap_or_default();
    let waiting: HashSet<u64> = tcp
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.get(3) == Some(&"08")).then(|| words.get(9)?.parse().ok())?
        })
        .collect();
    if waiting.is_empty() {
        return waiting;
    }
    let Ok(files) = std::fs::read_dir(format!("/proc/{id}/fd")) else { return HashSet::new() };
    let own = files.flatten().filter_map(|file| {
        let target = std::fs::read_link(file.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    });
    own.filter(|inode| waiting.contains(inode)).collect()
}
