//! A scripted peer that speaks BitTorrent, and need not keep its rules.
//!
//! As a client ([`BtPeer`]) it sends what a test says, whole messages or bytes, and reads message by
//! message. As a server ([`InfoLiar`]) it offers the `info` of a torrent and lies about it. Reads
//! have a deadline; nothing here panics because a program hangs up.

use super::{SOON, pass, read_more, until};
use parking_lot::Mutex;
use sha1::{Digest, Sha1};
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};
use swarmlet::ids::{InfoHashV1, PeerId, PieceIndex};
use swarmlet::protocol::bittorrent::{Codec, OURS};
use swarmlet::protocol::handshake::{Handshake, LENGTH, Reserved};
use swarmlet::protocol::message::{Extensions, Message};
use swarmlet::protocol::mse::dh;
use swarmlet::protocol::mse::rc4::Rc4;
use swarmlet::protocol::mse::skey_hash;

/// How long a read may take.
const READ: Duration = Duration::from_secs(20);

/// Bytes of `info` in one message.
const INFO_PART: usize = 16 * 1024;

/// A fresh peer id.
pub fn any_id() -> PeerId {
    PeerId::generate(&mut fastrand::Rng::new())
}

/// A message of any id and payload.
pub fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32 + 1).to_be_bytes().to_vec();
    bytes.push(id);
    bytes.extend_from_slice(payload);
    bytes
}

/// One connection of a scripted peer.
pub struct BtPeer {
    stream: TcpStream,
    pending: Vec<u8>,
    /// How [`BtPeer::say`] writes: the extension messages by the numbers that we want them by.
    codec: Codec,
}

impl BtPeer {
    /// Connects and says nothing.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, READ)?)
    }

    /// Over a stream that is there.
    pub fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(READ))?;
        stream.set_write_timeout(Some(READ))?;
        stream.set_nodelay(true)?;
        let codec = Codec { pieces: 0, fast: true, extended: true, v2: true, theirs: OURS };
        Ok(Self { stream, pending: Vec::new(), codec })
    }

    /// Connects and shakes hands, as a peer that can do everything.
    pub fn greeted(address: SocketAddr, info_hash: InfoHashV1) -> io::Result<Self> {
        let mut peer = Self::connect(address)?;
        peer.shake_hands(Reserved::ours(), info_hash, any_id())?;
        Ok(peer)
    }

    /// The same, as soon as the other side knows the torrent: a program says that it has started a
    /// little earlier.
    pub fn greeted_soon(address: SocketAddr, info_hash: InfoHashV1) -> Self {
        until("it knows the torrent", SOON, || Self::greeted(address, info_hash).ok())
    }

    /// Connects and opens encrypted (MSE) for a torrent; `provide` is 1 for a stream in clear, 2 for
    /// one in RC4, 3 for either, and `first` is said within the opening. An error unless the stream
    /// goes on in clear.
    pub fn encrypted(
        address: SocketAddr,
        info_hash: InfoHashV1,
        provide: u32,
        first: &[u8],
    ) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut peer = Self::connect(address)?;
        let mut secret = [0; dh::SECRET];
        fastrand::fill(&mut secret);
        peer.send(&[&dh::public(&secret)[..], &[0x55; 37]].concat())?;
        while peer.pending.len() < dh::KEY {
            peer.read_more()?;
        }
        let theirs: Vec<u8> = peer.pending.drain(..dh::KEY).collect();
        let theirs = theirs.try_into().expect("as many as were drained");
        let shared = dh::shared(&secret, &theirs).ok_or_else(invalid)?;

        let digest = |parts: &[&[u8]]| <[u8; 20]>::from(Sha1::digest(parts.concat()));
        let mut ours = Rc4::new(&digest(&[b"keyA", &shared, &info_hash.0]));
        let mut cipher = Rc4::new(&digest(&[b"keyB", &shared, &info_hash.0]));
        let mask = digest(&[b"req3", &shared]);
        let mut name = skey_hash(&info_hash);
        name.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        let mut hidden = [&[0; 8][..], &provide.to_be_bytes(), &[0; 2]].concat();
        hidden.extend((first.len() as u16).to_be_bytes());
        hidden.extend_from_slice(first);
        ours.apply(&mut hidden);
        peer.send(&[&digest(&[b"req1", &shared])[..], &name, &hidden].concat())?;

        let mut zeros = [0; 8];
        cipher.apply(&mut zeros);
        let at = loop {
            let found = peer.pending.windows(8).position(|bytes| bytes == zeros);
            match found.filter(|at| peer.pending.len() >= at + 14) {
                Some(at) => break at,
                None => peer.read_more()?, // behind the padding
            }
        };
        let mut chosen: Vec<u8> = peer.pending.drain(..at + 14).skip(at + 8).collect();
        cipher.apply(&mut chosen);
        if chosen == [0, 0, 0, 1, 0, 0] { Ok(peer) } else { Err(invalid()) }
    }

    /// What the other side calls us.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("it is connected")
    }

    /// Sends a handshake and reads the answer.
    pub fn shake_hands(
        &mut self,
        reserved: Reserved,
        info_hash: InfoHashV1,
        peer_id: PeerId,
    ) -> io::Result<Handshake> {
        self.send(&Handshake { reserved, info_hash, peer_id }.to_bytes())?;
        self.hear_handshake()
    }

    /// Reads a handshake.
    pub fn hear_handshake(&mut self) -> io::Result<Handshake> {
        while self.pending.len() < LENGTH {
            self.read_more()?;
        }
        let bytes: Vec<u8> = self.pending.drain(..LENGTH).collect();
        let bytes = bytes.try_into().expect("as many as were drained");
        Handshake::read(&bytes).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a message.
    pub fn say(&mut self, message: &Message) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.codec.put(message, &mut bytes);
        assert!(!bytes.is_empty(), "{message:?}: BitTorrent has no word for it");
        self.send(&bytes)
    }

    /// Sends messages in one write.
    pub fn say_all(&mut self, messages: &[Message]) -> io::Result<()> {
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| self.codec.put(message, &mut bytes));
        self.send(&bytes)
    }

    /// Says that nothing more will come.
    pub fn shut_writing(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// The next message, without its length field; a keep-alive is empty.
    pub fn next(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = self.pending.first_chunk() {
                let end = 4 + u32::from_be_bytes(*length) as usize;
                if self.pending.len() >= end {
                    return Ok(self.pending.drain(..end).skip(4).collect());
                }
            }
            self.read_more()?;
        }
    }

    /// The payload of the next message with this id; others are passed over.
    pub fn expect(&mut self, id: u8) -> io::Result<Vec<u8>> {
        loop {
            let message = self.next()?;
            if message.first() == Some(&id) {
                return Ok(message[1..].to_vec());
            }
        }
    }

    /// Reads until the other end hangs up: the messages that came until then. An error if it does
    /// not hang up.
    pub fn until_end(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut messages = Vec::new();
        loop {
            match self.next() {
                Ok(message) => messages.push(message),
                Err(error) => {
                    let end = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
                    return if end.contains(&error.kind()) { Ok(messages) } else { Err(error) };
                }
            }
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        read_more(&mut self.stream, &mut self.pending)
    }
}

/// What is wrong with the `info` that a liar offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InfoLie {
    /// A bit of it.
    WrongBit,
    /// Each part ends too soon.
    Short,
    /// It is said to have so many bytes.
    Length(u32),
    /// Each part comes under the number of the one behind it.
    OtherIndex,
    /// It talks of other things all the time, and gives no part.
    Chatter,
    /// Each part comes nine seconds after it was asked for, and it is said to have a thousand.
    SlowParts,
}

/// A peer that listens, and offers a false `info`.
pub struct InfoLiar {
    /// Where.
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    current: Arc<Mutex<Option<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl InfoLiar {
    /// Listens; `info` is the right one.
    pub fn start(info: Vec<u8>, lie: InfoLie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the liar");
        let address = listener.local_addr().expect("it listens");
        let (asked, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let current = Arc::new(Mutex::new(None));
        let (counted, stopped, kept) = (asked.clone(), stop.clone(), current.clone());
        let thread = spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                *kept.lock() = stream.try_clone().ok();
                // A program that hangs up on it is right.
                let _ = lie_about(&info, stream, lie, (&counted, &stopped));
            }
        });
        Self { address, asked, stop, current, thread: Some(thread) }
    }

    /// How often its `info` was asked for, or offered in vain.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for InfoLiar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.current.lock().take().map(|stream| stream.shutdown(Shutdown::Both));
        let _ = TcpStream::connect(self.address); // wakes the thread
        let ended = self.thread.take().map(JoinHandle::join);
        let panicked = ended.is_some_and(|end| end.is_err());
        assert!(!panicked || std::thread::panicking(), "the liar itself panicked");
    }
}

fn lie_about(
    info: &[u8],
    stream: TcpStream,
    lie: InfoLie,
    (asked, stopped): (&AtomicUsize, &AtomicBool),
) -> io::Result<()> {
    let mut peer = BtPeer::over(stream)?;
    let theirs = peer.hear_handshake()?;
    let ours = Handshake { peer_id: any_id(), reserved: Reserved::ours(), ..theirs };
    peer.send(&ours.to_bytes())?;
    let mut info = info.to_vec();
    let mut length = info.len() as u32;
    match lie {
        InfoLie::WrongBit => info[20] ^= 1,
        InfoLie::Short | InfoLie::OtherIndex | InfoLie::Chatter => {}
        InfoLie::Length(said) => length = said,
        InfoLie::SlowParts => {
            length = 1000 * INFO_PART as u32;
            info.resize(length as usize, 0);
        }
    }
    let numbers = OURS;
    let offer = Extensions { numbers, info_length: Some(length), ..Extensions::default() };
    peer.say(&Message::Extensions(Box::new(offer)))?;
    asked.fetch_add(1, Ordering::Relaxed);
    if lie == InfoLie::Chatter {
        // Until it is hung up on.
        loop {
            peer.say(&Message::Have(PieceIndex(0)))?;
            pass(Duration::from_millis(100));
        }
    }
    loop {
        let message = peer.next()?;
        let codec = Codec { extended: true, fast: true, v2: true, ..Codec::default() };
        if let Ok(Some(Message::GetInfo(index))) = codec.read(&message) {
            let part = info.chunks(INFO_PART).nth(index as usize).unwrap_or_default();
            let data = if lie == InfoLie::Short { &part[..part.len() / 2] } else { part };
            let index = index + u32::from(lie == InfoLie::OtherIndex);
            let due = Instant::now() + Duration::from_secs(9);
            while lie == InfoLie::SlowParts && Instant::now() < due {
                if stopped.load(Ordering::Acquire) {
                    return Ok(());
                }
                pass(Duration::from_millis(100));
            }
            peer.say(&Message::Info { index, total: length, data })?;
        }
    }
}
