//! A peer that keeps no rule, in the native dialect.
//!
//! As a server ([`Hostile`]) it answers HELLO properly, claims to have everything, serves whoever
//! asks, and then misbehaves as its [`Lie`] says. As a client ([`Caller`]) it is a script: each
//! test says what it sends and what it expects to read. Reads have a deadline; nothing here
//! panics because a program hangs up.

use super::read_more;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;
use swarmlet::ids::{InfoHashV2, PeerId, PieceIndex, Span};
use swarmlet::metainfo::Metainfo;
use swarmlet::metainfo::build::{BuildOptions, build};
use swarmlet::metainfo::draft::Version;
use swarmlet::protocol::frame::{Frame, PEER_MAGIC, put_frame};
use swarmlet::protocol::message::{Availability, Hello, MAX_CHUNK, Message, State, VERSION};
use swarmlet::storage::create::{HashOptions, hash_path};

/// How long a read may take.
const READ: Duration = Duration::from_secs(20);

/// What the hostile peer knows of a content.
pub struct Content {
    /// Which.
    pub info_hash: InfoHashV2,
    /// Its name.
    pub name: String,
    /// How many pieces it has.
    pub pieces: u32,
    /// Bytes of a piece.
    pub piece_length: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its .torrent.
    pub meta: Metainfo,
}

/// The v2 hash of what has only a v1 hash.
const NO_HASH: InfoHashV2 = InfoHashV2([0; 32]);

impl Content {
    /// Of a single file, with the piece length that the seeders of the test use.
    pub fn of(path: &Path, piece_length: u32) -> Arc<Self> {
        Self::of_version(path, piece_length, HashOptions::default().version)
    }

    /// The same of one version; with v1 alone it has no `info_hash`.
    pub fn of_version(path: &Path, piece_length: u32, version: Version) -> Arc<Self> {
        let options = HashOptions { piece_length: Some(piece_length), version };
        let draft = hash_path(path, &options, &mut |_, _| {}).expect("the test's file");
        let meta = build(&draft, &BuildOptions::default()).expect("the test's file is a torrent");
        Arc::new(Self {
            info_hash: meta.info_hash_v2.unwrap_or(NO_HASH),
            name: meta.name.clone(),
            pieces: meta.geometry().pieces(),
            piece_length,
            bytes: std::fs::read(path).expect("the test's file"),
            meta,
        })
    }

    /// Its bytes there, if it has them.
    pub fn span(&self, span: Span) -> Option<&[u8]> {
        let start = span.piece.0 as usize * self.piece_length as usize + span.offset as usize;
        self.bytes.get(start..start + span.length as usize)
    }
}

/// How a hostile server misbehaves once somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It flips a bit in every n-th chunk that it sends, and in the first.
    FlipsBits(usize),
    /// It takes requests and sends nothing.
    DeliversNothing,
    /// It refuses every request.
    RejectsAll,
    /// It sends its answer one byte a second.
    Drips,
    /// It sends half a chunk and falls silent.
    HalfAChunk,
    /// It sends bytes that are no frame.
    Garbage,
    /// It announces a frame of four gigabytes.
    HugeLength,
    /// Its bitfield has bits behind the last piece.
    SpareBits,
    /// It has a piece that the torrent does not have.
    HaveOutOfRange,
    /// It says HAVE_ALL, then HAVE_NONE, then HAVE_ALL ...
    SpeaksTwice,
    /// It sends chunks that nobody asked for.
    UnaskedChunks,
    /// It sends chunks of pieces that the torrent does not have.
    ChunksOutOfRange,
    /// It answers a request with a chunk whose end does not fit 32 bits.
    OverflowingChunks,
    /// It answers a request with its first block, as often as the request has blocks.
    RepeatsFirstBlock,
    /// It answers a request with chunks of one byte, one a second.
    DripsChunks,
    /// It sends a block every nine seconds, each just before it would be late.
    DripsBlocks,
    /// It reads nothing after HELLO.
    NeverReads,
    /// It answers HELLO with garbage.
    GarbageFirst,
    /// It accepts and hangs up.
    HangsUp,
    /// It names the caller itself, this address, and places that nobody may dial, as peers.
    NamesPeers(SocketAddr),
    /// It sends HAVE a hundred thousand times.
    FloodsHaves,
    /// It chokes and unchokes all the time.
    Flutters,
    /// It says in two ways what it has: a bitfield of nothing or of everything, then HAVE_ALL or
    /// HAVE_NONE, again and again.
    BothStatements {
        /// Whether its bitfield is full.
        full: bool,
        /// Whether it then says HAVE_ALL.
        all: bool,
    },
    /// It gives a metainfo of the right length with a wrong bit in it.
    WrongMetainfo,
    /// It does what it should.
    Honest,
}

/// Counters of a hostile server.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections accepted.
    pub calls: AtomicUsize,
    /// Requests heard.
    pub gets: AtomicUsize,
    /// Bytes of content sent.
    pub sent: AtomicUsize,
    /// Chunks sent in which a bit is wrong.
    pub flips: AtomicUsize,
    /// Who called, by the port each says it listens on.
    pub callers: Mutex<Vec<PeerId>>,
}

/// A hostile peer that listens.
pub struct Hostile {
    /// Where.
    pub address: SocketAddr,
    /// What it met with.
    pub counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    /// Dropped to wake those who wait.
    over: Option<Sender<()>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    /// One for each connection: joined at the end, so that no panic of theirs is lost.
    servants: Arc<Mutex<Vec<JoinHandle<()>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    /// Listens on any port of `ip`.
    pub fn start(ip: IpAddr, content: Arc<Content>, lie: Lie) -> Self {
        Self::serving(ip, move |stream, counts, ended| {
            let id = PeerId::generate(&mut fastrand::Rng::new());
            let content = content.clone();
            Serving { stream, content, counts, ended, lie, id }.serve()
        })
    }

    /// Listens on any port of `ip`; a thread serves each connection, until the receiver ends.
    pub fn serving<S>(ip: IpAddr, serve: S) -> Self
    where
        S: Fn(TcpStream, Arc<Counts>, Receiver<()>) -> io::Result<()> + Clone + Send + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).expect("a port for the hostile peer");
        let address = listener.local_addr().expect("it listens");
        let (over, ended) = bounded(0);
        let stop = Arc::new(AtomicBool::new(false));
        let streams = Arc::new(Mutex::new(Vec::<TcpStream>::new()));
        let counts = Arc::new(Counts::default());
        let servants = Arc::new(Mutex::new(Vec::<JoinHandle<()>>::new()));
        let (stopped, kept, counted) = (stop.clone(), streams.clone(), counts.clone());
        let serving = servants.clone();
        let thread = spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                counted.calls.fetch_add(1, Ordering::Relaxed);
                let Ok(own) = stream.try_clone() else { continue };
                kept.lock().push(own);
                let (serve, counts, ended) = (serve.clone(), counted.clone(), ended.clone());
                let servant = spawn(move || {
                    // A program that hangs up on it is right.
                    let _ = serve(stream, counts, ended);
                });
                serving.lock().push(servant);
            }
        });
        let (over, thread) = (Some(over), Some(thread));
        Self { address, counts, stop, over, streams, servants, thread }
    }

    /// Connections accepted.
    pub fn calls(&self) -> usize {
        self.counts.calls.load(Ordering::Relaxed)
    }

    /// Requests heard.
    pub fn gets(&self) -> usize {
        self.counts.gets.load(Ordering::Relaxed)
    }

    /// Chunks sent in which a bit is wrong.
    pub fn flips(&self) -> usize {
        self.counts.flips.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.over = None;
        for stream in self.streams.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address); // wakes the thread
        let _ = self.thread.take().map(JoinHandle::join);
        let ends: Vec<_> = self.servants.lock().drain(..).map(JoinHandle::join).collect();
        let panicked = ends.iter().any(Result::is_err);
        assert!(!panicked || std::thread::panicking(), "the hostile peer itself panicked");
    }
}

/// A stream of frames.
struct Frames {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Frames {
    fn read_more(&mut self) -> io::Result<()> {
        read_more(&mut self.stream, &mut self.pending)
    }

    fn magic(&mut self) -> io::Result<()> {
        while self.pending.len() < PEER_MAGIC.len() {
            self.read_more()?;
        }
        if self.pending[..4] != PEER_MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.pending.drain(..4);
        Ok(())
    }

    /// Hands the next message to `understand`.
    fn next<T>(&mut self, understand: impl Fn(&Message) -> T) -> io::Result<T> {
        loop {
            let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
            if let Some((frame, used)) = Frame::first_in(&self.pending).map_err(invalid)? {
                let answer = Message::read(&frame).map_err(invalid)?.map(|m| understand(&m));
                self.pending.drain(..used);
                match answer {
                    Some(answer) => return Ok(answer),
                    None => continue, // a type from the future
                }
            }
            self.read_more()?;
        }
    }
}

/// The header of CHUNK_DATA with whatever numbers; the library's own writer keeps the rules.
#[derive(serde::Serialize)]
struct AnyChunk {
    piece: u32,
    offset: u32,
    length: u32,
}

/// CHUNK_DATA's type byte.
const CHUNK_DATA: u8 = 0x20;

/// A bitfield of everything or of nothing.
pub fn bits_of(pieces: u32, full: bool) -> Vec<u8> {
    let mut bits = vec![if full { 0xff } else { 0 }; pieces.div_ceil(8) as usize];
    let spare = pieces.next_multiple_of(8) - pieces;
    bits.last_mut().into_iter().for_each(|last| *last &= 0xff << spare);
    bits
}

/// What a server does about a message.
enum Heard {
    Get(Span),
    GetMetainfo(u32, u32),
    Ping(u64),
    Other,
}

/// One connection of a hostile server.
struct Serving {
    stream: TcpStream,
    content: Arc<Content>,
    counts: Arc<Counts>,
    ended: Receiver<()>,
    lie: Lie,
    id: PeerId,
}

impl Serving {
    fn say(&mut self, message: &Message) -> io::Result<()> {
        self.stream.write_all(&message.to_bytes())
    }

    /// CHUNK_DATA, whether it makes sense or not.
    fn say_chunk(&mut self, piece: u32, offset: u32, data: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let header = AnyChunk { piece, offset, length: data.len() as u32 };
        put_frame(&mut bytes, CHUNK_DATA, &header, data);
        self.stream.write_all(&bytes)
    }

    /// Natively whoever is asked for metainfo gives it, but for a liar's bit.
    fn say_metainfo(&mut self, offset: u32, length: u32) -> io::Result<()> {
        self.counts.gets.fetch_add(1, Ordering::Relaxed);
        let mut bytes = self.content.meta.exchange_bytes();
        if self.lie == Lie::WrongMetainfo {
            bytes[20] ^= 1;
        }
        let (total, info) = (bytes.len() as u32, self.content.meta.info.len() as u32);
        let start = (offset as usize).min(bytes.len());
        let end = (start + length.min(MAX_CHUNK) as usize).min(bytes.len());
        let data = &bytes[start..end];
        self.say(&Message::Metainfo { offset, total, info, data })
    }

    /// Keeps the connection open and does nothing.
    fn hold(&self) {
        let _ = self.ended.recv();
    }

    fn serve(mut self) -> io::Result<()> {
        let mut frames = Frames { stream: self.stream.try_clone()?, pending: Vec::new() };
        match self.lie {
            Lie::HangsUp => return self.stream.shutdown(Shutdown::Both),
            Lie::GarbageFirst => {
                self.stream.write_all(&[0x5a; 5000])?;
                self.hold();
                return Ok(());
            }
            _ => {}
        }
        frames.magic()?;
        let hello = frames.next(|message| match message {
            Message::Hello(hello) => Some(hello.clone()),
            _ => None,
        })?;
        let hello = hello.ok_or(io::ErrorKind::InvalidData)?;
        self.counts.callers.lock().push(hello.peer_id);
        let mut opening = PEER_MAGIC.to_vec();
        Message::State(State { state: Availability::Available, peer_id: self.id })
            .put(&mut opening);
        self.stream.write_all(&opening)?;
        self.open(&hello)?;
        let mut chunks = 0;
        loop {
            let heard = frames.next(|message| match message {
                Message::Get(span) => Heard::Get(*span),
                &Message::GetMetainfo { offset, length } => Heard::GetMetainfo(offset, length),
                Message::Ping(number) => Heard::Ping(*number),
                _ => Heard::Other,
            })?;
            match heard {
                Heard::Get(span) => {
                    self.counts.gets.fetch_add(1, Ordering::Relaxed);
                    self.answer(span, &mut chunks)?;
                }
                Heard::GetMetainfo(offset, length) => self.say_metainfo(offset, length)?,
                Heard::Ping(number) => self.say(&Message::Pong(number))?,
                Heard::Other => {}
            }
        }
    }

    /// What it says about itself before anybody asks.
    fn open(&mut self, hello: &Hello) -> io::Result<()> {
        let pieces = self.content.pieces;
        match self.lie {
            Lie::SpareBits => {
                let bits = vec![0xff; pieces.div_ceil(8) as usize + 1];
                self.say(&Message::Bitfield { first: 0, bits: &bits })?;
            }
            Lie::HaveOutOfRange => {
                self.say(&Message::HaveNone)?;
                self.say(&Message::Have(PieceIndex(pieces)))?;
                self.say(&Message::Have(PieceIndex(u32::MAX)))?;
            }
            Lie::SpeaksTwice => {
                for _ in 0..1000 {
                    self.say(&Message::HaveAll)?;
                    self.say(&Message::HaveNone)?;
                }
            }
            Lie::BothStatements { full, all } => {
                let bits = bits_of(pieces, full);
                let word = if all { Message::HaveAll } else { Message::HaveNone };
                for _ in 0..20 {
                    self.say(&Message::Bitfield { first: 0, bits: &bits })?;
                    self.say(&word)?;
                }
            }
            _ => self.say(&Message::HaveAll)?,
        }
        match self.lie {
            Lie::UnaskedChunks => {
                for n in 0..2000 {
                    let data = vec![0xaa; 16384];
                    let piece = PieceIndex(n % pieces);
                    self.say(&Message::Chunk { piece, offset: 0, data: &data })?;
                }
            }
            Lie::ChunksOutOfRange => {
                for piece in [pieces, u32::MAX] {
                    let data = vec![0xaa; 16384];
                    self.say_chunk(piece, 0, &data)?;
                    self.say_chunk(0, u32::MAX, &data)?;
                }
            }
            Lie::FloodsHaves => {
                for n in 0..100_000 {
                    self.say(&Message::Have(PieceIndex(n % pieces)))?;
                }
            }
            Lie::Flutters => {
                for _ in 0..10_000 {
                    self.say(&Message::Unchoke)?;
                    self.say(&Message::Choke)?;
                }
            }
            Lie::NamesPeers(victim) => {
                let own = SocketAddr::new(victim.ip(), hello.port);
                let odd = ["0.0.0.0:6881", "224.0.0.1:6881", "255.255.255.255:6881", "127.0.0.1:0"];
                let mut list: Vec<SocketAddr> =
                    odd.iter().map(|text| text.parse().expect("an address")).collect();
                list.push(own);
                list.extend(vec![victim; 150]);
                for _ in 0..50 {
                    self.say(&Message::PeerList(list.clone()))?;
                }
            }
            _ => {}
        }
        self.say(&Message::Unchoke)?;
        match self.lie {
            Lie::Garbage => {
                let mut garbage = vec![0; 256 * 1024];
                fastrand::Rng::with_seed(7).fill(&mut garbage);
                self.stream.write_all(&garbage)
            }
            Lie::HugeLength => {
                self.stream.write_all(&[0xff, 0xff, 0xff, 0xff, 0x20])?;
                self.stream.write_all(&vec![0; 100_000])
            }
            Lie::NeverReads => {
                self.hold();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn answer(&mut self, asked: Span, chunks: &mut usize) -> io::Result<()> {
        match self.lie {
            Lie::DeliversNothing => return Ok(()),
            Lie::RejectsAll => return self.say(&Message::Reject(asked)),
            Lie::OverflowingChunks => {
                for offset in [u32::MAX, u32::MAX - 16383, u32::MAX - 8191, u32::MAX - 1] {
                    let data = vec![0xaa; 16384];
                    self.say_chunk(asked.piece.0, offset, &data)?;
                }
                return Ok(());
            }
            _ => {}
        }
        let content = self.content.clone();
        if self.lie == Lie::DripsChunks {
            for n in 0..asked.length {
                let span = Span { offset: asked.offset + n, length: 1, ..asked };
                let data = content.span(span).ok_or(io::ErrorKind::InvalidData)?;
                self.say_chunk(span.piece.0, span.offset, data)?;
                if self.waits_in_vain(Duration::from_secs(1)) {
                    break;
                }
            }
            return Ok(());
        }
        if self.lie == Lie::DripsBlocks {
            for from in (0..asked.length).step_by(16384) {
                if self.waits_in_vain(Duration::from_secs(9)) {
                    break;
                }
                let length = (asked.length - from).min(16384);
                let span = Span { offset: asked.offset + from, length, ..asked };
                let data = content.span(span).ok_or(io::ErrorKind::InvalidData)?;
                self.say_chunk(span.piece.0, span.offset, data)?;
            }
            return Ok(());
        }
        if self.lie == Lie::RepeatsFirstBlock {
            let first = Span { length: asked.length.min(16384), ..asked };
            let data = content.span(first).ok_or(io::ErrorKind::InvalidData)?;
            for _ in 0..asked.length.div_ceil(16384) {
                self.say_chunk(first.piece.0, first.offset, data)?;
            }
            return Ok(());
        }
        let mut at = 0;
        while at < asked.length {
            let length = (asked.length - at).min(MAX_CHUNK);
            let span = Span { piece: asked.piece, offset: asked.offset + at, length };
            at += length;
            let mut data = content.span(span).ok_or(io::ErrorKind::InvalidData)?.to_vec();
            *chunks += 1;
            let flips = matches!(self.lie, Lie::FlipsBits(every) if *chunks % every == 1 % every);
            data[length as usize / 2] ^= u8::from(flips);
            self.counts.flips.fetch_add(usize::from(flips), Ordering::Relaxed);
            let chunk = Message::Chunk { piece: span.piece, offset: span.offset, data: &data };
            let bytes = chunk.to_bytes();
            match self.lie {
                Lie::Drips => self.drip(&bytes)?,
                Lie::HalfAChunk => {
                    self.stream.write_all(&bytes[..bytes.len() / 2])?;
                    self.hold();
                    return Ok(());
                }
                _ => self.stream.write_all(&bytes)?,
            }
            self.counts.sent.fetch_add(length as usize, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lets time pass; true if the test ended meanwhile.
    fn waits_in_vain(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
    }

    /// One byte a second, until the test is over.
    fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes.chunks(1) {
            self.stream.write_all(byte)?;
            if self.waits_in_vain(Duration::from_secs(1)) {
                break;
            }
        }
        Ok(())
    }
}

/// A hostile peer that calls.
pub struct Caller {
    frames: Frames,
}

impl Caller {
    /// Connects and says nothing.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, READ)?;
        stream.set_read_timeout(Some(READ))?;
        stream.set_write_timeout(Some(READ))?;
        stream.set_nodelay(true)?;
        Ok(Self { frames: Frames { stream, pending: Vec::new() } })
    }

    /// Over a stream that is there.
    pub fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(READ))?;
        stream.set_write_timeout(Some(READ))?;
        Ok(Self { frames: Frames { stream, pending: Vec::new() } })
    }

    /// Connects from an address of this machine.
    pub fn connect_from(ip: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(ip, 0).into())?;
        socket.connect_timeout(&address.into(), READ)?;
        socket.set_read_timeout(Some(READ))?;
        socket.set_write_timeout(Some(READ))?;
        Ok(Self { frames: Frames { stream: socket.into(), pending: Vec::new() } })
    }

    /// Connects with a receive buffer as small as the system allows.
    pub fn connect_narrow(address: SocketAddr) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_recv_buffer_size(4096)?;
        socket.connect_timeout(&address.into(), READ)?;
        socket.set_read_timeout(Some(READ))?;
        socket.set_write_timeout(Some(READ))?;
        Ok(Self { frames: Frames { stream: socket.into(), pending: Vec::new() } })
    }

    /// HELLO for a content, with a fresh id; not yet answered.
    pub fn hello(&mut self, info_hash: InfoHashV2) -> io::Result<()> {
        self.hello_as(PeerId::generate(&mut fastrand::Rng::new()), info_hash)
    }

    fn hello_as(&mut self, peer_id: PeerId, info_hash: InfoHashV2) -> io::Result<()> {
        let mut opening = PEER_MAGIC.to_vec();
        let features = Vec::new();
        Message::Hello(Hello { version: VERSION, info_hash, peer_id, port: 0, features })
            .put(&mut opening);
        self.send(&opening)
    }

    /// HELLO, and the answer: how busy the peer is, or why it refuses.
    pub fn greet(&mut self, info_hash: InfoHashV2) -> io::Result<Result<Availability, String>> {
        self.greet_as(PeerId::generate(&mut fastrand::Rng::new()), info_hash)
    }

    /// The same under a certain id.
    pub fn greet_as(
        &mut self,
        peer_id: PeerId,
        info_hash: InfoHashV2,
    ) -> io::Result<Result<Availability, String>> {
        self.hello_as(peer_id, info_hash)?;
        self.frames.magic()?;
        self.frames.next(|message| match message {
            Message::State(state) => Ok(state.state),
            Message::Error(error) => Err(error.message.clone()),
            other => Err(format!("{other:?}")),
        })
    }

    /// Reads the magic that opens the other end's stream.
    pub fn skip_magic(&mut self) -> io::Result<()> {
        self.frames.magic()
    }

    /// Connects, greets, says that it has nothing and is interested.
    pub fn interested(address: SocketAddr, info_hash: InfoHashV2) -> io::Result<Self> {
        Self::connect(address)?.into_interested(info_hash)
    }

    /// Greets, says that it has nothing and is interested; an error if it is refused.
    pub fn into_interested(mut self, info_hash: InfoHashV2) -> io::Result<Self> {
        self.greet(info_hash)?.map_err(io::Error::other)?;
        self.say(&Message::HaveNone)?;
        self.say(&Message::Interested)?;
        Ok(self)
    }

    /// Sends a message.
    pub fn say(&mut self, message: &Message) -> io::Result<()> {
        self.send(&message.to_bytes())
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.stream.write_all(bytes)
    }

    /// Reads until a message fits.
    pub fn expect<T>(&mut self, wanted: impl Fn(&Message) -> Option<T>) -> io::Result<T> {
        loop {
            if let Some(answer) = self.frames.next(&wanted)? {
                return Ok(answer);
            }
        }
    }

    /// Reads until the other end hangs up; an error if it does not.
    pub fn expect_end(&mut self) -> io::Result<()> {
        loop {
            match self.frames.read_more() {
                Ok(()) => self.frames.pending.clear(),
                Err(error) => {
                    let end = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
                    return if end.contains(&error.kind()) { Ok(()) } else { Err(error) };
                }
            }
        }
    }
}
