//! A stranger's stream, in either dialect, from its bytes to what a swarm makes of them.
//!
//! It comes in cuts that the first bytes choose, and once more in one piece: the same is heard, and
//! ends for the same reason. The receive buffer never holds more than twice what was sent and a
//! little, and the swarm asks for nothing that is not there.

use std::net::SocketAddr;

use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Moment;
use swarmlet::geometry::Geometry;
use swarmlet::ids::{PieceIndex, Span};
use swarmlet::logic::PeerKey;
use swarmlet::logic::swarm::{Action, Params, Swarm};
use swarmlet::metainfo::hash_proof::Tree;
use swarmlet::metainfo::{FileEntry, FileKind};
use swarmlet::protocol::Dialect;
use swarmlet::protocol::bittorrent::{Codec, OURS};
use swarmlet::protocol::message::{Extensions, HashRange, Message};
use swarmlet::protocol::reader::FrameBuffer;
use swarmlet::protocol::speech::Speech;

const PIECE: u32 = 65_536;
const LENGTHS: [u64; 3] = [3 * 65_536 + 20_000, 100, 2 * 65_536 + 40_000];

/// Room that a buffer may have though nothing was sent: one small one, and what fills it half.
const SMALL: usize = 2 * 8 * 1024;

/// The most that any buffer has.
const LARGE: usize = 512 * 1024;

const STRANGER: PeerKey = PeerKey(1);

/// Four bytes of setup, then the stream.
pub fn run(dialect: Dialect, bytes: &[u8]) {
    let Some((setup, stream)) = bytes.split_first_chunk::<4>() else { return };
    let mut whole = Listener::new(dialect, *setup);
    let end = whole.hear(stream);
    whole.check(stream.len());

    let mut cuts = fastrand::Rng::with_seed(setup[1].into());
    let mut parts = Listener::new(dialect, *setup);
    let (mut rest, mut part_end) = (stream, Ok(()));
    while !rest.is_empty() && part_end.is_ok() {
        let longest = 1 << (cuts.u32(0..14) * u32::from(setup[1] % 4) / 3);
        let (part, after) = rest.split_at(cuts.usize(1..=longest).min(rest.len()));
        part_end = parts.hear(part);
        rest = after;
        parts.check(stream.len());
    }
    let (part_end, end) = (part_end.map_err(|e| reason(&e)), end.map_err(|e| reason(&e)));
    assert_eq!((&parts.heard, part_end), (&whole.heard, end), "however it is cut");
}

/// Why it hangs up. A length is judged as soon as it is too much for whatever the message may turn out
/// to be, so an extended message may be refused before it is known which one it is.
fn reason(why: &str) -> String {
    let length = why.split_once(" bytes where ").and_then(|(head, _)| head.rsplit(' ').next());
    length.map_or(why.to_owned(), |length| format!("a message of {length} bytes"))
}

struct Listener {
    speech: Speech,
    buffer: FrameBuffer,
    swarm: Swarm,
    geometry: Geometry,
    tree: Tree,
    /// Bytes that came.
    sent: usize,
    /// What was said: messages with their long parts as lengths.
    heard: Vec<String>,
}

impl Listener {
    fn new(dialect: Dialect, [flags, _, have, seed]: [u8; 4]) -> Self {
        let geometry = Geometry::v2(PIECE, LENGTHS).expect("a small torrent");
        let pieces = geometry.pieces();
        let knows = flags & 16 == 0;
        let codec = Codec {
            pieces: if knows { pieces } else { 0 },
            fast: flags & 1 == 0,
            extended: flags & 2 == 0,
            v2: flags & 4 == 0,
            theirs: OURS,
        };
        let mut ours = Bitfield::new(pieces);
        (0..pieces).filter(|n| have >> (n % 8) & 1 == 1).for_each(|n| _ = ours.set(PieceIndex(n)));
        let params = Params { seed: seed.into(), ..Params::default() };
        let mut swarm = Swarm::new(geometry.clone(), ours, params);
        let address = SocketAddr::from(([9, 9, 9, 9], 99));
        swarm.on_joined(Moment::START, STRANGER, address, dialect);
        let speech = match dialect {
            Dialect::Native => Speech::Native,
            Dialect::BitTorrent => Speech::BitTorrent(codec),
        };
        let file = FileEntry {
            path: vec!["a".into()],
            length: LENGTHS[0],
            kind: FileKind::Data,
            root: Some([3; 32]),
            layer: Vec::new(),
        };
        let tree = Tree::of(&file, PIECE).expect("a file with a root");
        let (buffer, heard) = (FrameBuffer::default(), Vec::new());
        Self { speech, buffer, swarm, geometry, tree, sent: 0, heard }
    }

    /// Takes bytes as they come and does what they ask for; the error is why it hangs up.
    fn hear(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let room = self.buffer.room();
            assert!(!room.is_empty(), "a read needs room");
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.buffer.filled(count);
            self.sent += count;
            bytes = &bytes[count..];
            let buffer = std::mem::take(&mut self.buffer);
            let heard = self.take_all(&buffer);
            self.buffer = buffer;
            heard?;
        }
        Ok(())
    }

    fn take_all(&mut self, buffer: &FrameBuffer) -> Result<(), String> {
        let speech = self.speech;
        while let Some(message) = speech.next_message(buffer).map_err(|bad| bad.to_string())? {
            let Some(message) = message else { continue };
            self.heard.push(word_of(&message));
            self.on_message(&message)?;
        }
        let pending = buffer.pending();
        let needed = speech.announced_length(pending).unwrap_or(0);
        assert!(needed == 0 || pending.len() < needed + 4, "a whole message stays unread");
        Ok(())
    }

    fn on_message(&mut self, message: &Message<'_>) -> Result<(), String> {
        let (now, mut out) = (Moment::START, Vec::new());
        match *message {
            Message::Chunk { piece, offset, data } => {
                let chunk = Span { piece, offset, length: data.len() as u32 };
                let granted = self.swarm.claim(now, STRANGER, chunk, &mut out);
                let granted = granted.map_err(|fault| fault.to_string())?;
                for span in &granted {
                    let start = (span.offset - chunk.offset) as usize;
                    let _ = &data[start..start + span.length as usize];
                }
                self.swarm.on_written(now, STRANGER, &granted, &mut out);
            }
            Message::GetHashes(range) => drop(self.tree.needs(&range)),
            Message::Hashes(range, hashes) => self.on_hashes(&range, hashes),
            ref other => {
                let heard = self.swarm.on_message(now, STRANGER, other, &mut out);
                heard.map_err(|fault| fault.to_string())?;
            }
        }
        self.carry_out(out);
        Ok(())
    }

    fn on_hashes(&self, range: &HashRange, hashes: &[u8]) {
        let (hashes, _) = hashes.as_chunks::<32>();
        assert!(self.tree.check_answer(range, hashes).is_err(), "a root out of thin air");
    }

    /// Pieces of even numbers are right.
    fn carry_out(&mut self, mut actions: Vec<Action>) {
        while let Some(action) = actions.pop() {
            match action {
                Action::Say(_, Message::Get(span)) => {
                    assert!(self.geometry.contains(span), "{span} is asked for");
                }
                Action::Upload(_, span) => {
                    assert!(self.geometry.contains(span), "{span} is served");
                    assert!(self.swarm.have().has(span.piece), "{span} is served and not here");
                }
                Action::Verify(piece) if piece.0.is_multiple_of(2) => {
                    self.swarm.on_verified(Moment::START, piece, &mut actions);
                }
                Action::Verify(piece) => {
                    let found = vec![[1; 32]; self.geometry.blocks_of(piece) as usize];
                    self.swarm.on_failed(Moment::START, piece, found, None, &mut actions);
                }
                _ => {}
            }
        }
    }

    /// What is held, beside what was sent.
    fn check(&mut self, longest: usize) {
        let held = self.buffer.pending().len() + self.buffer.room().len();
        assert!(held <= (2 * self.sent + SMALL).min(LARGE), "{held} bytes for {} sent", self.sent);
        assert!(self.sent <= longest);
    }
}

/// A message, its long parts as lengths.
fn word_of(message: &Message<'_>) -> String {
    match message {
        Message::Chunk { piece, offset, data } => format!("chunk {piece} {offset} {}", data.len()),
        Message::Info { index, data, .. } => format!("info {index} {}", data.len()),
        Message::Metainfo { offset, data, .. } => format!("metainfo {offset} {}", data.len()),
        Message::Hashes(range, hashes) => format!("hashes {range:?} {}", hashes.len()),
        Message::Bitfield { first, bits } => format!("bitfield {first} {}", bits.len()),
        other => format!("{other:?}"),
    }
}

/// Good bytes.
pub fn seeds(dialect: Dialect) -> Vec<Vec<u8>> {
    let span = |piece, offset, length| Span { piece: PieceIndex(piece), offset, length };
    let chunk = vec![7; 16_384];
    let hashes = vec![1; 32 * 6];
    let range = HashRange { root: [3; 32], base: 2, index: 0, count: 4, proof: 1 };
    let conversation = [
        Message::HaveAll,
        Message::Extensions(Box::new(Extensions {
            client: Some("x".into()),
            ..Extensions::default()
        })),
        Message::Unchoke,
        Message::Interested,
        Message::Get(span(1, 0, 16_384)),
        Message::Cancel(span(1, 0, 16_384)),
        Message::Chunk { piece: PieceIndex(0), offset: 0, data: &chunk },
        Message::Reject(span(0, 0, 16_384)),
        Message::AllowedFast(PieceIndex(2)),
        Message::Suggest(PieceIndex(2)),
        Message::GetHashes(range),
        Message::Hashes(range, &hashes),
        Message::HashReject(range),
        Message::GetInfo(0),
        Message::GetCount,
        Message::GetMetainfo { offset: 0, length: 100 },
        Message::Peers,
        Message::PeerList(vec!["9.9.9.9:99".parse().expect("an address")]),
        Message::Ping(5),
        Message::DontHave(PieceIndex(1)),
        Message::UploadOnly(true),
        Message::Choke,
        Message::NotInterested,
        Message::Bye,
    ];
    let codec = Codec { pieces: 8, fast: true, extended: true, v2: true, theirs: OURS };
    let speech = match dialect {
        Dialect::Native => Speech::Native,
        Dialect::BitTorrent => Speech::BitTorrent(codec),
    };
    let mut all = vec![0, 3, 0, 1];
    conversation.iter().for_each(|message| speech.put(message, &mut all));
    let bits = Message::Bitfield { first: 0, bits: &[0xa5] };
    let mut short = vec![1, 0, 0xff, 2];
    let words =
        [bits, Message::Have(PieceIndex(3)), Message::Interested, Message::Get(span(3, 0, 100))];
    words.iter().for_each(|message| speech.put(message, &mut short));
    vec![all, short]
}
