//! The metainfo from a peer, for those who hold only its hash.
//!
//! In the native dialect the bytes are asked for in order; `info` is hashed before it is parsed, and each piece layer
//! is checked against its file's root ([`Metainfo::from_exchange`]), so that a peer can lie about
//! nothing but its willingness. A peer that hands it out in crumbs is given up: each answer holds
//! as much as one can, or all that is left.
//!
//! In BitTorrent `info` comes in parts of 16 KiB (BEP 9) and is hashed before it is parsed; what
//! has v2 hashes then needs its piece layers, each proved against its file's root (BEP 52). A
//! hybrid whose layers the peer does not have is the v1 torrent that it also is.

use crate::ids::{InfoHashV1, InfoHashV2, PeerId};
use crate::metainfo::hash_proof::{LayerAssembler, WrongHashes};
use crate::metainfo::{Metainfo, MetainfoError};
use crate::node::extensions::{CLIENT, INFO_PART};
use crate::node::opening::{Opening, Refused};
use crate::protocol::bittorrent::{Codec, OURS};
use crate::protocol::handshake::{Handshake, Reserved};
use crate::protocol::message::{
    ExtensionNumbers, Extensions, HashRange, Hello, MAX_CHUNK, Message, VERSION,
};
use crate::protocol::speech::Speech;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Parts, or ranges of hashes, that are asked for at once.
const PARTS_AT_ONCE: u32 = 4;

/// The longest metainfo we fetch: as long as a .torrent may be.
const LONGEST: u32 = 16 * 1024 * 1024;

/// How long a peer has for its first answer, and for whatever its link may lose.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// A peer that sends fewer bytes a second than this gives too little to be waited for.
const SLOWEST: u64 = 4 * 1024;

/// The time that a peer has, which grows with what it gives and not with what it promises.
#[derive(Debug, Clone, Copy)]
struct Budget {
    end: Instant,
}

impl Budget {
    fn start() -> Self {
        Self { end: Instant::now() + FIRST_ANSWER }
    }

    /// So many bytes came.
    fn on_bytes(&mut self, count: usize) {
        self.end += Duration::from_millis(count as u64 * 1000 / SLOWEST);
    }
}

/// Why a peer's metainfo was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum NoMetadata {
    /// The connection failed.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// What came does not match the hash, or is no torrent.
    #[error("{0}")]
    Metainfo(#[from] MetainfoError),
    /// It is longer than a torrent may be, or its length changed on the way.
    #[error("a metainfo of {0} bytes")]
    Length(u32),
    /// An answer was cut short, though there was more.
    #[error("an answer of {0} bytes, where {1} were to come")]
    Crumb(u32, u32),
    /// The time was up.
    #[error("the time was up")]
    Late,
    /// It does not have it, or does not give it away.
    #[error("it does not hand out the metadata")]
    NotOffered,
    /// The hashes that it sent prove nothing.
    #[error("{0}")]
    Hashes(WrongHashes),
}

impl NoMetadata {
    /// Whether the peer lied, and is not to be asked again.
    pub fn is_a_lie(&self) -> bool {
        matches!(self, Self::Metainfo(_) | Self::Length(_) | Self::Crumb(..) | Self::Hashes(_))
    }
}

/// Asks one peer for the metainfo of a hash. After `deadline` nothing more is asked; an answer that
/// was asked for before is waited for as long as the opening of a connection may take.
pub fn fetch(
    address: SocketAddr,
    bind: Option<IpAddr>,
    peer_id: PeerId,
    info_hash: InfoHashV2,
    deadline: Instant,
) -> Result<Metainfo, NoMetadata> {
    let hello = Hello { version: VERSION, info_hash, peer_id, port: 0, features: Vec::new() };
    let mut opening = Opening::call(address, bind, hello)?;
    let mut budget = Budget::start();
    let mut bytes: Vec<u8> = Vec::new();
    let mut lengths: Option<(u32, u32)> = None;
    loop {
        if Instant::now() >= deadline {
            return Err(NoMetadata::Late);
        }
        let offset = bytes.len() as u32;
        opening.end_at(budget.end);
        opening.ask(&Message::GetMetainfo { offset, length: MAX_CHUNK })?;
        let (total, info) = opening.expect_metainfo(offset, &mut bytes)?;
        let (total, info) = *lengths.get_or_insert((total, info));
        if total > LONGEST || info > total || bytes.len() > total as usize {
            return Err(NoMetadata::Length(total));
        }
        budget.on_bytes(bytes.len() - offset as usize);
        let (came, due) = (bytes.len() as u32 - offset, MAX_CHUNK.min(total - offset));
        if came < due {
            return Err(NoMetadata::Crumb(came, due));
        }
        if bytes.len() == total as usize {
            return Ok(Metainfo::from_exchange(&info_hash, info as usize, &bytes)?);
        }
    }
}

/// The hashes of what is wanted; at least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The v1 hash.
    pub v1: Option<InfoHashV1>,
    /// The v2 hash.
    pub v2: Option<InfoHashV2>,
}

impl Wanted {
    /// The names by which BitTorrent knows it.
    pub fn short(&self) -> Vec<InfoHashV1> {
        self.v1.into_iter().chain(self.v2.map(|hash| hash.truncated())).collect()
    }

    /// Whether these bytes are its `info`: they must fit every hash that is known.
    pub fn is_info(&self, info: &[u8]) -> bool {
        let v1 = self.v1.is_none_or(|hash| <[u8; 20]>::from(Sha1::digest(info)) == hash.0);
        let v2 = self.v2.is_none_or(|hash| <[u8; 32]>::from(Sha256::digest(info)) == hash.0);
        v1 && v2
    }
}

/// What a BitTorrent peer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// All of the metainfo.
    Whole(Metainfo),
    /// A hybrid without its piece layers, as the v1 torrent that it also is: another peer may have
    /// more.
    AsV1(Metainfo),
}

/// Asks one BitTorrent peer for the metainfo of a hash, as [`fetch`] does natively.
pub fn fetch_in_bittorrent(
    address: SocketAddr,
    bind: Option<IpAddr>,
    peer_id: PeerId,
    wanted: &Wanted,
    deadline: Instant,
) -> Result<Given, NoMetadata> {
    let mut source = Source::call(address, bind, peer_id, wanted, deadline)?;
    let metainfo = Metainfo::from_info(&source.info(wanted)?)?;
    if metainfo.layers_complete() {
        return Ok(Given::Whole(metainfo));
    }
    let (v1, v2) = (metainfo.info_hash_v1, metainfo.info_hash_v2);
    let mut layers = source.layers(metainfo.clone());
    if matches!(layers, Err(NoMetadata::NotOffered)) && wanted.v2.is_none() {
        // It knows us by the v1 hash alone; by the v2 hash, which we know now, it may say more. For
        // a while it takes us for connected still, so this is another peer that calls.
        let by_v2 = Wanted { v1: None, v2 };
        let another = PeerId::generate(&mut fastrand::Rng::new());
        let again = Source::call(address, bind, another, &by_v2, deadline);
        layers = again.and_then(|mut source| source.layers(metainfo.clone()));
    }
    match layers {
        Err(error) if v1.is_some() && !error.is_a_lie() => {
            log::info!("{address}: has no piece layers of {}", metainfo.name);
            Ok(Given::AsV1(metainfo.as_v1()?))
        }
        other => other.map(Given::Whole),
    }
}

/// A BitTorrent peer that is asked for metadata and nothing else.
struct Source {
    opening: Opening,
    codec: Codec,
    budget: Budget,
    deadline: Instant,
}

impl Source {
    fn call(
        address: SocketAddr,
        bind: Option<IpAddr>,
        peer_id: PeerId,
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<Self, NoMetadata> {
        let names = wanted.short();
        let reserved = Reserved::ours().with_v2(wanted.v2.is_some());
        let ours = Handshake { reserved, info_hash: names[0], peer_id };
        let (opening, theirs) = Opening::shake_hands(address, bind, &ours, &names)?;
        if !theirs.reserved.has_extensions() {
            return Err(NoMetadata::NotOffered);
        }
        let v2 = wanted.v2.map(|hash| hash.truncated());
        let codec = Codec {
            pieces: 0,
            fast: theirs.reserved.has_fast(),
            extended: true,
            v2: v2 == Some(theirs.info_hash),
            theirs: ExtensionNumbers::default(),
        };
        Ok(Self { opening, codec, budget: Budget::start(), deadline })
    }

    fn ask(&mut self, message: &Message) -> Result<(), NoMetadata> {
        self.opening.end_at(self.budget.end);
        Ok(self.opening.ask_in(Speech::BitTorrent(self.codec), message)?)
    }

    /// Waits for a message that `understand` takes; others are passed over.
    fn hear<T>(
        &mut self,
        mut understand: impl FnMut(&Message) -> Option<T>,
    ) -> Result<T, NoMetadata> {
        loop {
            if Instant::now() >= self.deadline {
                return Err(NoMetadata::Late);
            }
            let speech = Speech::BitTorrent(self.codec);
            let heard =
                self.opening.hear_in(speech, |message| message.as_ref().and_then(&mut understand));
            if let Some(found) = heard? {
                return Ok(found);
            }
        }
    }

    /// The `info` dictionary, hashed before anybody looks into it.
    fn info(&mut self, wanted: &Wanted) -> Result<Vec<u8>, NoMetadata> {
        let numbers = ExtensionNumbers { metadata: OURS.metadata, ..ExtensionNumbers::default() };
        let client = Some(CLIENT.to_owned());
        let hello = Extensions { numbers, client, ..Extensions::default() };
        self.ask(&Message::Extensions(Box::new(hello)))?;
        let (numbers, length) = self.hear(|message| match message {
            Message::Extensions(said) => Some((said.numbers, said.info_length)),
            _ => None,
        })?;
        self.codec.theirs = numbers;
        let length = length.filter(|_| numbers.metadata != 0).ok_or(NoMetadata::NotOffered)?;
        if length == 0 || length > LONGEST {
            return Err(NoMetadata::Length(length));
        }
        let (mut parts, mut asked) = (Parts::new(length), 0);
        while !parts.is_whole() {
            while asked < parts.window().end {
                self.ask(&Message::GetInfo(asked))?;
                asked += 1;
            }
            self.hear(|message| match message {
                Message::Info { index, data, .. } => parts.take(*index, data),
                Message::InfoReject(index) if parts.window().contains(index) => {
                    Some(Err(NoMetadata::NotOffered))
                }
                _ => None,
            })??;
            self.budget.on_bytes(INFO_PART);
        }
        let info = parts.bytes;
        if wanted.is_info(&info) { Ok(info) } else { Err(MetainfoError::WrongInfoHash.into()) }
    }

    /// The piece layers of its files, each proved against the file's root.
    fn layers(&mut self, metainfo: Metainfo) -> Result<Metainfo, NoMetadata> {
        if !self.codec.v2 {
            return Err(NoMetadata::NotOffered);
        }
        let mut assembler = LayerAssembler::new(&metainfo);
        let missing: Vec<HashRange> = assembler.missing().collect();
        let (mut missing, mut asked) = (missing.into_iter(), Vec::new());
        loop {
            while asked.len() < PARTS_AT_ONCE as usize {
                let Some(range) = missing.next() else { break };
                self.ask(&Message::GetHashes(range))?;
                asked.push(range);
            }
            if asked.is_empty() {
                break;
            }
            let (range, hashes) = self.hear(|message| match message {
                Message::Hashes(of, hashes) if asked.contains(of) => {
                    Some(Ok((*of, hashes.as_chunks::<32>().0.to_vec())))
                }
                Message::HashReject(of) if asked.contains(of) => Some(Err(NoMetadata::NotOffered)),
                _ => None,
            })??;
            self.budget.on_bytes(hashes.len() * 32);
            asked.retain(|other| *other != range);
            assembler.on_hashes(&range, &hashes).map_err(NoMetadata::Hashes)?;
        }
        Ok(assembler.attach(metainfo)?)
    }
}

/// The parts of `info` that came, put in order. Of those in the window each may come first.
#[derive(Debug)]
struct Parts {
    length: u32,
    /// It grows with what comes, not with what is promised.
    bytes: Vec<u8>,
    /// The part that goes on where `bytes` ends.
    next: u32,
    /// What came before its turn.
    early: BTreeMap<u32, Vec<u8>>,
}

impl Parts {
    fn new(length: u32) -> Self {
        Self { length, bytes: Vec::new(), next: 0, early: BTreeMap::new() }
    }

    fn count(&self) -> u32 {
        self.length.div_ceil(INFO_PART as u32)
    }

    fn is_whole(&self) -> bool {
        self.next == self.count()
    }

    /// The parts that may be asked for now.
    fn window(&self) -> Range<u32> {
        self.next..self.count().min(self.next + PARTS_AT_ONCE)
    }

    /// Takes a part, whose length must be right. `None` if it was not to come, or came before.
    fn take(&mut self, index: u32, data: &[u8]) -> Option<Result<(), NoMetadata>> {
        if !self.window().contains(&index) || self.early.contains_key(&index) {
            return None;
        }
        let due = (self.length - index * INFO_PART as u32).min(INFO_PART as u32);
        if data.len() as u32 != due {
            return Some(Err(NoMetadata::Crumb(data.len() as u32, due)));
        }
        self.early.insert(index, data.to_vec());
        while let Some(data) = self.early.remove(&self.next) {
            self.bytes.extend_from_slice(&data);
            self.next += 1;
        }
        Some(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_time_grows_with_what_it_gives() {
        let mut budget = Budget::start();
        let first = budget.end;
        budget.on_bytes(INFO_PART);
        assert_eq!(budget.end - first, Duration::from_secs(4));
        budget.on_bytes(1);
        assert_eq!(budget.end - first, Duration::from_secs(4), "crumbs buy nothing");
    }
    use crate::protocol::frame::PEER_MAGIC;
    use crate::protocol::message::{Availability, State};
    use crate::protocol::reader::FrameBuffer;
    use std::io::{self, Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    const OURS: PeerId = PeerId([1; 20]);
    const THEIRS: PeerId = PeerId([2; 20]);

    /// Answers each GET_METAINFO with `data`, until the caller leaves.
    fn answer(mut stream: TcpStream, total: u32, data: &[u8]) -> io::Result<()> {
        let mut hello = PEER_MAGIC.to_vec();
        let state = State { state: Availability::Connected, peer_id: THEIRS };
        Message::State(state).put(&mut hello);
        stream.write_all(&hello)?;
        let mut buffer = FrameBuffer::default();
        let mut magic_is_to_come = true;
        loop {
            let count = stream.read(buffer.room())?;
            if count == 0 {
                return Ok(());
            }
            buffer.filled(count);
            if magic_is_to_come && buffer.take(PEER_MAGIC.len()).is_none() {
                continue;
            }
            magic_is_to_come = false;
            while let Some(frame) = buffer.next_frame().expect("frames") {
                let message = Message::read(&frame).expect("a message");
                if let Some(Message::GetMetainfo { offset, .. }) = message {
                    let mut bytes = Vec::new();
                    Message::Metainfo { offset, total, info: 1, data }.put(&mut bytes);
                    stream.write_all(&bytes)?;
                }
            }
        }
    }

    /// What becomes of a fetch from a peer whose every answer is `data`.
    fn fetch_from(total: u32, data: &'static [u8], deadline: Instant) -> NoMetadata {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let peer = std::thread::Builder::new().name("peer".into());
        let peer = peer.spawn(move || answer(listener.accept().unwrap().0, total, data)).unwrap();
        let fetched = fetch(address, None, OURS, InfoHashV2([7; 32]), deadline);
        // It ends when the caller leaves, be it in the middle of an answer.
        let _ = peer.join().expect("the peer does not panic");
        fetched.expect_err("nothing of it is a torrent")
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn a_peer_that_sends_a_byte_at_a_time_is_given_up() {
        let given_up = fetch_from(1_000_000, b"x", in_a_minute());
        assert!(matches!(given_up, NoMetadata::Crumb(1, MAX_CHUNK)), "{given_up}");
        let given_up = fetch_from(3, b"x", in_a_minute());
        assert!(matches!(given_up, NoMetadata::Crumb(1, 3)), "{given_up}");
    }

    #[test]
    fn an_answer_that_is_all_there_is_may_be_short() {
        let refused = fetch_from(3, b"d1e", in_a_minute());
        assert!(matches!(refused, NoMetadata::Metainfo(_)), "{refused}");
    }

    #[test]
    fn after_the_deadline_nothing_is_asked() {
        let given_up = fetch_from(3, b"d1e", Instant::now());
        assert!(matches!(given_up, NoMetadata::Late), "{given_up}");
    }
    #[test]
    fn parts_of_info_may_come_in_any_order_within_the_window() {
        let info: Vec<u8> = (0..6 * INFO_PART + 5).map(|n| (n / INFO_PART) as u8).collect();
        let part = |n: u32| info.chunks(INFO_PART).nth(n as usize).unwrap();
        let mut parts = Parts::new(info.len() as u32);
        for (n, window) in [(3, 0..4), (1, 0..4), (0, 2..6), (5, 2..6), (4, 2..6), (2, 6..7)] {
            assert!(matches!(parts.take(n, part(n)), Some(Ok(()))), "{n}");
            assert_eq!(parts.window(), window, "after {n}");
        }
        assert!(!parts.is_whole());
        assert!(matches!(parts.take(6, part(6)), Some(Ok(()))));
        assert!(parts.is_whole() && parts.bytes == info);
    }

    #[test]
    fn parts_of_info_that_are_not_to_come_are_passed_over_and_crumbs_are_not() {
        let part = [1; INFO_PART];
        let mut parts = Parts::new(5 * INFO_PART as u32 + 1);
        assert!(parts.take(4, &part).is_none(), "beyond the window");
        assert!(parts.take(2, &part).is_some() && parts.take(2, &[2; INFO_PART]).is_none());
        let crumb = parts.take(1, &part[1..]);
        assert!(matches!(crumb, Some(Err(NoMetadata::Crumb(16383, 16384)))), "{crumb:?}");
        (0..2).for_each(|n| assert!(parts.take(n, &part).is_some()));
        assert!(parts.take(0, &part).is_none(), "it came before");
        assert!(parts.take(6, &part).is_none() && parts.take(u32::MAX, &part).is_none());
        let long = parts.take(5, &part);
        assert!(matches!(long, Some(Err(NoMetadata::Crumb(16384, 1)))), "{long:?}");
    }
}
