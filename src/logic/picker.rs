//! Which block to ask for next: rarest first, a begun piece before a new one.
//!
//! ```text
//! a block:   wanted --asked--> asked --claimed--> claimed --written--> written
//!               ^---- void, lost, choked, late ----'                       |
//!               '-------------------- piece failed its hash ---------------'
//! ```
//! The order of choice (Cohen 2003, section 2.4) is: a piece already begun (strict priority), a
//! random piece when we have none at all, then the rarest. Nothing is asked twice, except in the
//! end game: when every missing block has been asked of someone, a peer with nothing left to do
//! is asked for what others still owe, at most two copies of a block in flight.
//!
//! Blocks survive choke, disconnect and a change of peer. A block is *claimed* before its bytes
//! are stored, by one frame only; what is not wanted any more is not granted and never stored.

use crate::bitfield::Bitfield;
use crate::geometry::Geometry;
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::logic::availability::Availability;
use std::fmt;
use std::str::FromStr;

/// Runs of whole pieces, for web seeds.
mod run;

/// The most blocks of one end game request: a frame. It is taken from the end of what another
/// peer owes, whose request is then cut short by a CANCEL of exactly that end.
const END_GAME_BLOCKS: usize = 8;

/// How a new piece is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The piece that the fewest connected peers have.
    #[default]
    Rarest,
    /// Any piece.
    Random,
    /// In order, for a viewer who reads along.
    Sequential,
}

impl FromStr for Policy {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "rarest" => Ok(Self::Rarest),
            "random" => Ok(Self::Random),
            "sequential" => Ok(Self::Sequential),
            _ => Err(format!("no picker is called {name}: try rarest, random or sequential")),
        }
    }
}

/// Why a span was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The piece was begun before.
    Begun,
    /// Our first piece: any will do, so that we soon have something to trade.
    RandomFirst,
    /// So many peers have it, and of those it lacks fewer than any other.
    Rarest(u32),
    /// The policy is to pick at random.
    Random,
    /// The policy is to pick in order.
    NextInOrder,
    /// Everything is asked for; this peer is idle and another still owes it.
    EndGame,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => f.write_str("strict priority: the piece is begun"),
            Self::RandomFirst => f.write_str("random first piece"),
            Self::Rarest(n) => write!(f, "rarest: availability {n}"),
            Self::Random => f.write_str("random"),
            Self::NextInOrder => f.write_str("sequential"),
            Self::EndGame => f.write_str("end game"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum BlockState {
    #[default]
    Wanted,
    Asked,
    Claimed,
    Written,
}

#[derive(Debug, Clone, Copy, Default)]
struct Block {
    state: BlockState,
    /// Who owes it to us; two in the end game.
    asked: [Option<PeerKey>; 2],
    /// Who sent what is stored.
    writer: Option<PeerKey>,
}

impl Block {
    fn is_asked_of(&self, peer: PeerKey) -> bool {
        self.asked.contains(&Some(peer))
    }

    fn ask(&mut self, peer: PeerKey) {
        if let Some(free) = self.asked.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(peer);
            self.state = BlockState::Asked;
        }
    }

    /// The peer does not owe it any more; true if the block is wanted again.
    fn forget(&mut self, peer: PeerKey) -> bool {
        for slot in &mut self.asked {
            if *slot == Some(peer) {
                *slot = None;
            }
        }
        let wanted = self.state == BlockState::Asked && self.asked == [None, None];
        if wanted {
            self.state = BlockState::Wanted;
        }
        wanted
    }
}

/// A piece of which something was asked and that is not verified yet.
#[derive(Debug, Clone)]
struct OpenPiece {
    piece: PieceIndex,
    blocks: Vec<Block>,
    wanted: u32,
    written: u32,
    /// Several peers wrote it and it failed: from now on one peer at a time is asked, so that the
    /// next failure has one writer.
    alone: bool,
}

impl OpenPiece {
    /// Whether a peer may be asked for its blocks.
    fn is_open_to(&self, peer: PeerKey) -> bool {
        let owed_by_others = |block: &Block| block.asked.iter().flatten().any(|&p| p != peer);
        let in_use = |block: &Block| block.state == BlockState::Claimed || owed_by_others(block);
        !self.alone || !self.blocks.iter().any(in_use)
    }

    /// What others wrote of a piece that one peer is to write alone is wanted again.
    fn leave_to(&mut self, peer: PeerKey) {
        for block in self.blocks.iter_mut().filter(|_| self.alone) {
            if block.state == BlockState::Written && block.writer != Some(peer) {
                *block = Block::default();
                self.written -= 1;
                self.wanted += 1;
            }
        }
    }
}

/// What the arrival of a frame leads to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// What may be stored now; empty if nothing of it is wanted.
    pub granted: Vec<Span>,
    /// Who was asked for the same and need not send it.
    pub cancel: Vec<(PeerKey, Span)>,
}

impl Claim {
    /// Notes that `peer` need not send a block; blocks that follow each other become one span.
    fn cancel(&mut self, peer: PeerKey, block: Span) {
        match self.cancel.last_mut() {
            Some((last, span)) if *last == peer && span.end() == Some(block.offset) => {
                span.length += block.length;
            }
            _ => self.cancel.push((peer, block)),
        }
    }
}

/// Who wrote each block of a piece that failed its hash.
pub type Writers = Vec<Option<PeerKey>>;

/// Which blocks we have, want and asked for, of one torrent.
#[derive(Debug, Clone)]
pub struct Picker {
    geometry: Geometry,
    policy: Policy,
    have: Bitfield,
    /// Pieces in `open`.
    begun: Bitfield,
    open: Vec<OpenPiece>,
    availability: Availability,
    rng: fastrand::Rng,
}

impl Picker {
    /// A picker for a torrent of which `have` is already there and verified.
    pub fn new(geometry: Geometry, have: Bitfield, policy: Policy, mut rng: fastrand::Rng) -> Self {
        let begun = Bitfield::new(geometry.pieces());
        let availability = Availability::new(geometry.pieces(), &mut rng);
        Self { geometry, policy, have, begun, open: Vec::new(), availability, rng }
    }

    /// The verified pieces.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// The torrent's geometry.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// How many connected peers have a piece.
    pub fn availability(&self, piece: PieceIndex) -> u32 {
        self.availability.of(piece)
    }

    /// A peer came with these pieces.
    pub fn on_joined(&mut self, have: &Bitfield) {
        self.availability.on_joined(have, &mut self.rng);
    }

    /// A peer with these pieces left; what it owed is handed back with [`Picker::on_void`].
    pub fn on_left(&mut self, have: &Bitfield) {
        self.availability.on_left(have, &mut self.rng);
    }

    /// A peer got one more piece; `have` already holds it.
    pub fn on_have(&mut self, piece: PieceIndex, have: &Bitfield) {
        self.availability.on_have(piece, have, &mut self.rng);
    }

    /// A peer lost a piece; `have` holds it no more.
    pub fn on_dont_have(&mut self, piece: PieceIndex, have: &Bitfield) {
        self.availability.on_dont_have(piece, have, &mut self.rng);
    }

    /// Whether a peer with these pieces has one that we lack.
    pub fn is_interesting(&self, theirs: &Bitfield) -> bool {
        let ours = self.have.as_bytes();
        theirs.as_bytes().iter().zip(ours).any(|(theirs, ours)| theirs & !ours != 0)
    }

    /// The next bytes to ask of `peer`, at most `most`; they count as asked from now on.
    /// An `idle` peer owes us nothing and may join the end game.
    pub fn next_span(
        &mut self,
        peer: PeerKey,
        theirs: &Bitfield,
        most: u64,
        idle: bool,
    ) -> Option<(Span, Why)> {
        let blocks = (most / u64::from(crate::geometry::BLOCK_LEN)).max(1) as u32;
        if let Some(at) = self.begun_piece(peer, theirs) {
            return Some((self.ask(at, peer, blocks), Why::Begun));
        }
        if let Some((piece, why)) = self.new_piece(theirs) {
            let at = self.begin(piece);
            return Some((self.ask(at, peer, blocks), why));
        }
        if idle {
            self.end_game(peer, theirs, blocks).map(|span| (span, Why::EndGame))
        } else {
            None
        }
    }

    /// `peer` will not send this: choked, rejected, late or gone. True if anything is wanted again.
    pub fn on_void(&mut self, peer: PeerKey, span: Span) -> bool {
        let Some((first, count)) = self.geometry.blocks_of_span(span) else { return false };
        let Some(open) = self.open_mut(span.piece) else { return false };
        let mut back = 0;
        for block in &mut open.blocks[first as usize..(first + count) as usize] {
            back += u32::from(block.forget(peer));
        }
        open.wanted += back;
        back > 0
    }

    /// Bytes of `peer` are here: which of them may be stored? Each block is granted once.
    /// Only blocks of a begun piece are granted; whether this peer was asked is its session's
    /// business.
    pub fn claim(&mut self, peer: PeerKey, span: Span) -> Claim {
        let mut claim = Claim::default();
        let Some((first, count)) = self.geometry.blocks_of_span(span) else { return claim };
        let geometry = &self.geometry;
        let Some(open) = self.open.iter_mut().find(|open| open.piece == span.piece) else {
            return claim;
        };
        let mut run: Option<(u32, u32)> = None;
        for index in first..first + count {
            let block = &mut open.blocks[index as usize];
            if matches!(block.state, BlockState::Wanted | BlockState::Asked) {
                open.wanted -= u32::from(block.state == BlockState::Wanted);
                block.state = BlockState::Claimed;
                for other in block.asked.iter_mut().filter_map(Option::take) {
                    if other != peer {
                        claim.cancel(other, geometry.span_of_blocks(span.piece, index, 1));
                    }
                }
                run = Some((run.map_or(index, |(start, _)| start), index + 1));
            } else {
                block.forget(peer);
                claim
                    .granted
                    .extend(run.take().map(|(a, b)| geometry.span_of_blocks(span.piece, a, b - a)));
            }
        }
        claim.granted.extend(run.map(|(a, b)| geometry.span_of_blocks(span.piece, a, b - a)));
        claim
    }

    /// What was granted is stored. Gives the piece when that was its last block.
    pub fn on_written(&mut self, peer: PeerKey, span: Span) -> Option<PieceIndex> {
        let (first, count) = self.geometry.blocks_of_span(span)?;
        let open = self.open_mut(span.piece)?;
        for block in &mut open.blocks[first as usize..(first + count) as usize] {
            if block.state == BlockState::Claimed {
                *block = Block { state: BlockState::Written, writer: Some(peer), ..*block };
                open.written += 1;
            }
        }
        (open.written as usize == open.blocks.len()).then_some(span.piece)
    }

    /// What was granted could not be stored: it is wanted again.
    pub fn on_not_written(&mut self, span: Span) {
        let Some((first, count)) = self.geometry.blocks_of_span(span) else { return };
        let Some(open) = self.open_mut(span.piece) else { return };
        for block in &mut open.blocks[first as usize..(first + count) as usize] {
            if block.state == BlockState::Claimed {
                *block = Block::default();
                open.wanted += 1;
            }
        }
    }

    /// The piece matched its hash: it is ours. Gives who wrote its blocks.
    pub fn on_verified(&mut self, piece: PieceIndex) -> Writers {
        self.have.set(piece);
        self.close(piece)
    }

    /// The piece did not match its hash: all of it is wanted again. Gives who wrote its blocks.
    pub fn on_failed(&mut self, piece: PieceIndex) -> Writers {
        let was_alone = self.open_mut(piece).is_some_and(|open| open.alone);
        let writers = self.close(piece);
        let first = writers.iter().flatten().next();
        let several = writers.iter().flatten().any(|writer| Some(writer) != first);
        let at = self.begin(piece);
        self.open[at].alone = was_alone || several;
        writers
    }

    /// Bytes that are not verified yet.
    pub fn left(&self) -> u64 {
        if self.have.count() * 2 > self.have.pieces() {
            self.have.missing().map(|piece| u64::from(self.geometry.length_of(piece))).sum()
        } else {
            let had = self.have.iter().map(|p| u64::from(self.geometry.length_of(p)));
            self.geometry.total() - had.sum::<u64>()
        }
    }

    /// A begun piece that the peer has and that has blocks nobody was asked for: first one that
    /// this peer works on already, else the one begun first.
    fn begun_piece(&self, peer: PeerKey, theirs: &Bitfield) -> Option<usize> {
        let open = || {
            let pieces = self.open.iter().enumerate();
            let fits = move |open: &OpenPiece| open.wanted > 0 && theirs.has(open.piece);
            pieces.filter(move |(_, open)| fits(open) && open.is_open_to(peer))
        };
        let mine = |open: &OpenPiece| open.blocks.iter().any(|block| block.is_asked_of(peer));
        open().find(|(_, open)| mine(open)).or_else(|| open().next()).map(|(at, _)| at)
    }

    fn new_piece(&mut self, theirs: &Bitfield) -> Option<(PieceIndex, Why)> {
        if self.have.count() as usize + self.open.len() >= self.have.pieces() as usize {
            return None;
        }
        let (have, begun) = (&self.have, &self.begun);
        let fits =
            |piece: &PieceIndex| theirs.has(*piece) && !have.has(*piece) && !begun.has(*piece);
        let pieces = self.have.pieces();
        let anywhere = |rng: &mut fastrand::Rng| {
            let start = rng.u32(0..pieces);
            (start..pieces).chain(0..start).map(PieceIndex).find(fits)
        };
        if self.policy == Policy::Sequential {
            return (0..pieces).map(PieceIndex).find(fits).map(|p| (p, Why::NextInOrder));
        }
        if self.policy == Policy::Random {
            return anywhere(&mut self.rng).map(|p| (p, Why::Random));
        }
        if self.have.is_empty() && self.open.is_empty() {
            return anywhere(&mut self.rng).map(|p| (p, Why::RandomFirst));
        }
        let rarest = self.availability.rarest_first().find(fits)?;
        Some((rarest, Why::Rarest(self.availability.of(rarest))))
    }

    /// The last run of blocks that exactly one other peer owes us, once nothing is unasked.
    fn end_game(&mut self, peer: PeerKey, theirs: &Bitfield, most: u32) -> Option<Span> {
        let all_begun = self.have.count() as usize + self.open.len() == self.have.pieces() as usize;
        if !all_begun || self.open.iter().any(|open| open.wanted > 0) {
            return None;
        }
        let owed = |block: &Block| {
            block.state == BlockState::Asked
                && !block.is_asked_of(peer)
                && block.asked.iter().flatten().count() == 1
        };
        let open = self
            .open
            .iter_mut()
            .find(|open| !open.alone && theirs.has(open.piece) && open.blocks.iter().any(owed))?;
        let last = open.blocks.iter().rposition(owed)?;
        let run = open.blocks[..=last].iter().rev().take_while(|block| owed(block)).count();
        let count = run.min(most as usize).min(END_GAME_BLOCKS);
        let first = last + 1 - count;
        open.blocks[first..=last].iter_mut().for_each(|block| block.ask(peer));
        Some(self.geometry.span_of_blocks(open.piece, first as u32, count as u32))
    }

    /// Marks the first run of wanted blocks of an open piece as asked of `peer`.
    fn ask(&mut self, at: usize, peer: PeerKey, most: u32) -> Span {
        let open = &mut self.open[at];
        open.leave_to(peer);
        let wanted = |block: &Block| block.state == BlockState::Wanted;
        let first = open.blocks.iter().position(wanted).expect("an open piece with wanted > 0");
        let run = open.blocks[first..].iter().take_while(|block| wanted(block)).count();
        let count = run.min(most as usize);
        open.blocks[first..first + count].iter_mut().for_each(|block| block.ask(peer));
        open.wanted -= count as u32;
        self.geometry.span_of_blocks(open.piece, first as u32, count as u32)
    }

    fn begin(&mut self, piece: PieceIndex) -> usize {
        let blocks = self.geometry.blocks_of(piece);
        self.begun.set(piece);
        self.open.push(OpenPiece {
            piece,
            blocks: vec![Block::default(); blocks as usize],
            wanted: blocks,
            written: 0,
            alone: false,
        });
        self.open.len() - 1
    }

    fn close(&mut self, piece: PieceIndex) -> Writers {
        self.begun.clear(piece);
        match self.open.iter().position(|open| open.piece == piece) {
            Some(at) => self.open.remove(at).blocks.iter().map(|block| block.writer).collect(),
            None => Vec::new(),
        }
    }

    fn open_mut(&mut self, piece: PieceIndex) -> Option<&mut OpenPiece> {
        self.open.iter_mut().find(|open| open.piece == piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerKey = PeerKey(1);
    const BEN: PeerKey = PeerKey(2);
    const EVE: PeerKey = PeerKey(3);

    /// Four pieces of four blocks, the last piece one and a half.
    fn picker() -> Picker {
        let geometry = Geometry::v1(65536, 3 * 65536 + 24576).unwrap();
        Picker::new(geometry, Bitfield::new(4), Policy::Rarest, fastrand::Rng::with_seed(3))
    }

    fn pieces(list: &[u32]) -> Bitfield {
        let mut have = Bitfield::new(4);
        list.iter().for_each(|&p| assert!(have.set(PieceIndex(p))));
        have
    }

    fn span(piece: u32, offset: u32, length: u32) -> Span {
        Span { piece: PieceIndex(piece), offset, length }
    }

    fn next(picker: &mut Picker, peer: PeerKey, have: &Bitfield, blocks: u64) -> Option<Span> {
        picker.next_span(peer, have, blocks * 16384, false).map(|(span, _)| span)
    }

    fn fetch(picker: &mut Picker, peer: PeerKey, span: Span) -> Option<PieceIndex> {
        assert_eq!(picker.claim(peer, span).granted, [span]);
        picker.on_written(peer, span)
    }

    #[test]
    fn rarer_pieces_come_first() {
        let mut p = picker();
        let all = Bitfield::full(4);
        for have in [&pieces(&[0, 1]), &pieces(&[0, 1, 3]), &all] {
            p.on_joined(have);
        }
        p.on_verified(PieceIndex(0)); // not our first piece any more
        let why = p.next_span(ANN, &all, 65536, false).unwrap();
        assert_eq!(why, (span(2, 0, 65536), Why::Rarest(1)));
        let why = p.next_span(ANN, &all, 65536, false).unwrap();
        assert_eq!(why, (span(3, 0, 24576), Why::Rarest(2)));
    }

    #[test]
    fn a_begun_piece_is_finished_before_another_is_begun() {
        let mut p = picker();
        let all = Bitfield::full(4);
        let first = next(&mut p, ANN, &all, 1).unwrap();
        let (second, why) = p.next_span(BEN, &all, 16384, false).unwrap();
        assert_eq!((second.piece, why), (first.piece, Why::Begun));
        assert_ne!(second, first);
    }

    #[test]
    fn no_block_is_asked_twice_outside_the_end_game() {
        let mut p = picker();
        let all = Bitfield::full(4);
        let mut asked = std::collections::HashSet::new();
        let mut turn = 0;
        while let Some(span) = next(&mut p, PeerKey(turn % 3), &all, 1) {
            assert!(asked.insert((span.piece, span.offset)));
            turn += 1;
        }
        assert_eq!(asked.len(), 14);
    }

    #[test]
    fn only_an_idle_peer_joins_the_end_game_and_there_are_at_most_two_copies() {
        let mut p = picker();
        let all = Bitfield::full(4);
        while next(&mut p, ANN, &all, 4).is_some() {}
        assert_eq!(p.next_span(BEN, &all, 65536, false), None);
        let (copy, why) = p.next_span(BEN, &all, 16384, true).unwrap();
        assert_eq!(why, Why::EndGame);
        assert_eq!(p.next_span(ANN, &all, 65536, true), None, "Ann owes it all already");
        while let Some((other, _)) = p.next_span(EVE, &all, 16384, true) {
            assert_ne!(other, copy, "two copies are in flight already");
        }
        let claim = p.claim(BEN, copy);
        assert_eq!((claim.granted, claim.cancel), (vec![copy], vec![(ANN, copy)]));
        assert_eq!(p.claim(ANN, copy).granted, [], "a block is stored once");
    }

    #[test]
    fn blocks_of_a_lost_peer_are_asked_of_another() {
        let mut p = picker();
        let all = Bitfield::full(4);
        let lost = next(&mut p, ANN, &all, 2).unwrap();
        assert!(p.on_void(ANN, lost));
        assert_eq!(next(&mut p, BEN, &all, 2), Some(lost));
        assert!(!p.on_void(ANN, lost), "Ben owes it now");
    }

    #[test]
    fn blocks_already_written_survive_the_loss_of_their_peer() {
        let mut p = picker();
        let all = Bitfield::full(4);
        let got = next(&mut p, ANN, &all, 2).unwrap();
        assert_eq!(fetch(&mut p, ANN, got), None);
        p.on_void(ANN, got);
        let rest = next(&mut p, BEN, &all, 4).unwrap();
        assert_eq!((rest.piece, rest.offset), (got.piece, 32768));
    }

    #[test]
    fn a_piece_is_whole_when_its_last_block_is_written() {
        let mut p = picker();
        let only = pieces(&[3]);
        let first = next(&mut p, ANN, &only, 1).unwrap();
        let second = next(&mut p, ANN, &only, 1).unwrap();
        assert_eq!(second, span(3, 16384, 8192));
        assert_eq!(fetch(&mut p, ANN, second), None);
        assert_eq!(fetch(&mut p, ANN, first), Some(PieceIndex(3)));
        assert_eq!(p.on_verified(PieceIndex(3)), [Some(ANN), Some(ANN)]);
        assert_eq!(next(&mut p, ANN, &only, 1), None);
        assert_eq!(p.left(), 3 * 65536);
    }

    #[test]
    fn a_piece_that_fails_its_hash_is_wanted_again_and_its_writers_are_known() {
        let mut p = picker();
        let only = pieces(&[3]);
        let first = next(&mut p, ANN, &only, 1).unwrap();
        let second = next(&mut p, BEN, &only, 1).unwrap();
        fetch(&mut p, ANN, first);
        fetch(&mut p, BEN, second);
        assert_eq!(p.on_failed(PieceIndex(3)), [Some(ANN), Some(BEN)]);
        assert_eq!(next(&mut p, EVE, &only, 4), Some(span(3, 0, 24576)));
    }

    #[test]
    fn a_piece_that_several_spoiled_is_asked_of_one_at_a_time() {
        let mut p = picker();
        let only = pieces(&[0]);
        let first = next(&mut p, ANN, &only, 2).unwrap();
        let second = next(&mut p, BEN, &only, 2).unwrap();
        fetch(&mut p, ANN, first);
        fetch(&mut p, BEN, second);
        p.on_failed(PieceIndex(0));
        let again = next(&mut p, ANN, &only, 2).unwrap();
        assert_eq!(next(&mut p, BEN, &only, 2), None, "Ann is at it");
        fetch(&mut p, ANN, again);
        let rest = next(&mut p, ANN, &only, 1).unwrap();
        p.on_void(ANN, rest); // she is gone
        let whole = next(&mut p, BEN, &only, 4).unwrap();
        assert_eq!(whole, span(0, 0, 65536), "what she wrote is not mixed with what Ben writes");
        assert_eq!(fetch(&mut p, BEN, whole), Some(PieceIndex(0)));
        assert_eq!(p.on_failed(PieceIndex(0)), [Some(BEN); 4]);
    }

    #[test]
    fn what_was_never_asked_of_anyone_is_not_stored() {
        let mut p = picker();
        assert_eq!(p.claim(EVE, span(0, 0, 16384)), Claim::default());
        assert_eq!(p.claim(EVE, span(9, 0, 16384)), Claim::default());
        assert_eq!(p.claim(EVE, span(0, 5, 16384)), Claim::default());
    }

    #[test]
    fn a_frame_that_is_partly_wanted_is_partly_granted() {
        let mut p = picker();
        let all = Bitfield::full(4);
        let whole = next(&mut p, ANN, &all, 4).unwrap();
        let middle = Span { offset: 16384, length: 16384, ..whole };
        fetch(&mut p, ANN, middle);
        let rest = p.claim(ANN, whole).granted;
        let ends =
            [Span { length: 16384, ..whole }, Span { offset: 32768, length: 32768, ..whole }];
        // The last piece is shorter; the seed of this test picks a whole one.
        assert_eq!(rest, ends);
    }

    #[test]
    fn bytes_that_could_not_be_stored_are_wanted_again() {
        let mut p = picker();
        let all = Bitfield::full(4);
        let got = next(&mut p, ANN, &all, 1).unwrap();
        p.claim(ANN, got);
        p.on_not_written(got);
        assert_eq!(next(&mut p, BEN, &all, 1), Some(got));
    }

    #[test]
    fn sequential_goes_in_order() {
        let mut p = picker();
        p.policy = Policy::Sequential;
        let all = Bitfield::full(4);
        let order: Vec<u32> = (0..4).map(|_| next(&mut p, ANN, &all, 4).unwrap().piece.0).collect();
        assert_eq!(order, [0, 1, 2, 3]);
    }
}
