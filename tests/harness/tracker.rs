//! A tracker that keeps no rule, over HTTP or UDP.
//!
//! It follows a script: the n-th announce gets the n-th reply, and after the last the script begins
//! anew. It counts what it was asked and what it could send. Nothing here panics because a program
//! hangs up.

use super::relay::Relay;
use parking_lot::Mutex;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;
use swarmlet::protocol::announce::{Family, put_compact};
use swarmlet::protocol::tracker_udp::{Answer, Request};

/// How long a silent tracker keeps a connection.
const PATIENCE: Duration = Duration::from_mins(1);

/// What an endless answer would come to.
const GIGABYTE: u64 = 1 << 30;

/// The longest datagram that this tracker sends.
const LONGEST: usize = 60_000;

/// What a tracker says to an announce.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These peers; ask again after five seconds.
    Peers(Vec<SocketAddr>),
    /// The asker itself, by another way: the first asker's port behind a relay that counts.
    Asker,
    /// No peers, and such an interval.
    Interval(i64),
    /// A body that says it is compressed.
    Gzip,
    /// This body.
    Bytes(Vec<u8>),
    /// Nothing, for as long as the asker waits.
    Silence,
    /// A gigabyte; by UDP a thousand datagrams of 60 kB.
    Endless,
    /// Chunks whose sizes are no numbers, or none that can be.
    ChunkedJunk(&'static str),
    /// A redirect to a place that was not there before.
    RedirectLoop,
    /// A reset.
    Rst,
}

/// What both threads of a tracker see.
#[derive(Default)]
struct Stage {
    script: Vec<Reply>,
    asked: AtomicUsize,
    sent: AtomicU64,
    stop: AtomicBool,
    asker: Mutex<Option<Relay>>,
}

impl Stage {
    fn next(&self) -> (usize, Reply) {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        (n, self.script[n % self.script.len()].clone())
    }

    /// The first asker, behind a relay.
    fn asker(&self, port: u16) -> SocketAddr {
        let mut asker = self.asker.lock();
        let itself = (Ipv4Addr::LOCALHOST, port).into();
        asker.get_or_insert_with(|| Relay::start(itself, Duration::ZERO)).address
    }
}

/// A running tracker.
pub struct HostileTracker {
    /// Its announce URL.
    pub url: String,
    /// The same, as programs tell it.
    pub origin: String,
    address: SocketAddr,
    stage: Arc<Stage>,
    thread: Option<JoinHandle<()>>,
}

impl HostileTracker {
    /// One that is asked over HTTP.
    pub fn http(script: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the tracker");
        let address = listener.local_addr().expect("it listens");
        let stage = Arc::new(Stage { script: script.to_vec(), ..Stage::default() });
        let shared = stage.clone();
        let thread = spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stop.load(Ordering::Acquire) {
                    return;
                }
                let shared = shared.clone();
                // A program that hangs up on it is right.
                spawn(move || _ = answer(stream, &shared));
            }
        });
        Self::new("http", address, stage, thread)
    }

    /// One that is asked by UDP (BEP 15).
    pub fn udp(script: &[Reply]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port for the tracker");
        let address = socket.local_addr().expect("it has one");
        let stage = Arc::new(Stage { script: script.to_vec(), ..Stage::default() });
        let shared = stage.clone();
        let thread = spawn(move || {
            let mut question = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if shared.stop.load(Ordering::Acquire) {
                    return;
                }
                let _ = answer_datagram(&socket, from, &question[..length], &shared);
            }
        });
        Self::new("udp", address, stage, thread)
    }

    fn new(scheme: &str, address: SocketAddr, stage: Arc<Stage>, thread: JoinHandle<()>) -> Self {
        let origin = format!("{scheme}://{address}");
        let url = format!("{origin}/announce");
        Self { url, origin, address, stage, thread: Some(thread) }
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.stage.asked.load(Ordering::Relaxed)
    }

    /// Bytes of endless answers that somebody took.
    pub fn sent(&self) -> u64 {
        self.stage.sent.load(Ordering::Relaxed)
    }

    /// How often the asker was called by the way that [`Reply::Asker`] tells of.
    pub fn calls_to_the_asker(&self) -> usize {
        self.stage.asker.lock().as_ref().map_or(0, Relay::calls)
    }
}

impl Drop for HostileTracker {
    fn drop(&mut self) {
        self.stage.stop.store(true, Ordering::Release);
        // Both wake the thread; one of them reaches nobody.
        let _ = TcpStream::connect(self.address);
        let waker = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.send_to(b"", self.address));
        let ended = waker.ok().and_then(|_| self.thread.take()).map(JoinHandle::join);
        let panicked = ended.is_some_and(|end| end.is_err());
        assert!(!panicked || std::thread::panicking(), "the tracker itself panicked");
    }
}

/// A body of compact peers.
fn peers_body(interval: i64, peers: &[SocketAddr]) -> Vec<u8> {
    let mut compact = Vec::new();
    peers.iter().for_each(|peer| put_compact(&mut compact, *peer));
    let mut body = format!("d8:intervali{interval}e5:peers{}:", compact.len()).into_bytes();
    body.extend(compact);
    body.push(b'e');
    body
}

/// Answers one request over HTTP.
fn answer(mut stream: TcpStream, stage: &Stage) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let port = read_port(&mut stream)?;
    let (n, reply) = stage.next();
    let plain = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    let body = match reply {
        Reply::Peers(peers) => peers_body(5, &peers),
        Reply::Asker => peers_body(5, &[stage.asker(port)]),
        Reply::Interval(interval) => peers_body(interval, &[]),
        Reply::Bytes(body) => body,
        Reply::Gzip => {
            let head = format!("{plain}Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n");
            return stream.write_all(&[head.as_bytes(), &[0x1f, 0x8b], &[0; 18]].concat());
        }
        Reply::Silence => return stream.read_to_end(&mut Vec::new()).map(drop),
        Reply::Rst => return SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
        Reply::ChunkedJunk(junk) => {
            let head = format!("{plain}Transfer-Encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            return stream.write_all(junk.as_bytes());
        }
        Reply::RedirectLoop => {
            let head = format!("HTTP/1.1 302 Found\r\nLocation: /announce/{n}\r\n\r\n");
            return stream.write_all(head.as_bytes());
        }
        Reply::Endless => {
            stream.write_all(format!("{plain}\r\nd5:peers{GIGABYTE}:").as_bytes())?;
            let much = vec![b'x'; 1 << 16];
            while stage.sent.load(Ordering::Relaxed) < GIGABYTE {
                stream.write_all(&much)?;
                stage.sent.fetch_add(much.len() as u64, Ordering::Relaxed);
            }
            return Ok(());
        }
    };
    let head = format!("{plain}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.into_bytes(), body].concat())
}

/// Reads a request's head: the port that the asker names.
fn read_port(stream: &mut TcpStream) -> io::Result<u16> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        super::read_more(stream, &mut head)?;
    }
    let head = String::from_utf8_lossy(&head);
    let port = head.split(['?', '&', ' ']).find_map(|field| field.strip_prefix("port="));
    Ok(port.and_then(|port| port.parse().ok()).unwrap_or(0))
}

/// Answers one datagram.
fn answer_datagram(
    socket: &UdpSocket,
    from: SocketAddr,
    question: &[u8],
    stage: &Stage,
) -> io::Result<()> {
    let Ok((head, question)) = Request::read(question) else { return Ok(()) };
    let mut out = Vec::new();
    let mut put = |answer: Answer| answer.put(head.transaction_id, Family::V4, &mut out);
    let announce = match question {
        Request::Connect => {
            put(Answer::Connect { connection_id: 7 });
            return socket.send_to(&out, from).map(drop);
        }
        Request::Announce { announce, .. } => announce,
        Request::Scrape(_) => return Ok(()),
    };
    let mut put_peers = |interval, peers| {
        put(Answer::Announce { interval, leechers: 1, seeders: 1, peers });
    };
    match stage.next().1 {
        Reply::Peers(peers) => put_peers(5, peers),
        Reply::Asker => put_peers(5, vec![stage.asker(announce.port)]),
        Reply::Interval(interval) => put_peers(interval as u32, vec![]),
        Reply::Bytes(bytes) => {
            let action_and_transaction = [0, 0, 0, 1, 0, 0, 0, 0];
            out.extend(action_and_transaction);
            out[4..].copy_from_slice(&head.transaction_id.to_be_bytes());
            out.extend(bytes);
        }
        Reply::Endless => {
            let datagram = vec![1; LONGEST];
            for _ in 0..1000 {
                stage.sent.fetch_add(socket.send_to(&datagram, from)? as u64, Ordering::Relaxed);
            }
            return Ok(());
        }
        Reply::Silence => return Ok(()),
        other => panic!("{other:?} is said over HTTP"),
    }
    socket.send_to(&out, from).map(drop)
}
