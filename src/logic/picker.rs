//! Which block to ask for next: rarest first, a begun piece before a new one.
//!
//! The order of choice (Cohen 2003, section 2.4) is: a piece already begun (strict priority), a
//! random piece while we have none at all, then the rarest; pieces of files that the user wants
//! first come before others, and those of files that are not wanted are not fetched at all.
//! Strict priority has one exception: a peer that does not work on the begun piece is asked for a
//! rarer one, if it has any. To let a slow seed finish what others have too costs a swarm a third
//! of its time.
//! Nothing is asked twice, except in the end game: when every missing block has been asked of
//! someone, a peer with nothing left to do is asked for what others still owe, at most two copies
//! of a block in flight. A peer that is late, or has delivered nothing yet, is only *probed* with
//! what another owes: that is no copy anybody relies on, and keeps no block from those who deliver.
//!
//! Blocks survive choke, disconnect and a change of peer. A block is *claimed* before its bytes
//! are stored, by one frame only; what is not wanted any more is not granted and never stored.

use crate::bitfield::Bitfield;
use crate::geometry::Geometry;
use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::logic::availability::{Availability, Rank};
use open::{Block, BlockState, OpenPiece};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;

/// Copies of what another peer owes.
mod copies;
/// Pieces that were here and are not any more.
mod lost;
/// A piece that is being fetched.
mod open;
/// Runs of whole pieces, for web seeds.
mod run;
/// Every piece's state.
mod states;
/// What is wanted.
mod wanted;
/// Why a span was picked.
mod why;

pub use states::PieceState;
pub use wanted::Priority;
pub use why::Why;

/// How a new piece is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The piece that the fewest connected peers have.
    #[default]
    Rarest,
    /// Any piece.
    Random,
    /// In order, for somebody who watches or listens meanwhile; the ends of each file first.
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

/// What a peer may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What nobody was asked for.
    Fresh,
    /// That, or in the end game what another owes: the peer owes us nothing.
    Idle,
    /// The same, but it has delivered nothing so far: nobody relies on its copies.
    Untried,
    /// Only what another owes: the peer is late.
    Copy,
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
    /// Pieces of files that are wanted.
    selected: Bitfield,
    /// How many of them are not verified.
    lacking: u32,
    /// Bytes of all of them, and of those.
    selected_bytes: u64,
    lacking_bytes: u64,
    /// How urgent each piece is once it is listed; empty while all are as usual.
    ranks: Vec<Rank>,
    /// Pieces that are being fetched, in the order in which they were begun.
    open: Vec<OpenPiece>,
    /// Pieces that came and were wrong, until they are right.
    spoilt: BTreeSet<PieceIndex>,
    /// What each peer was asked for last: it goes on there.
    at_work: HashMap<PeerKey, PieceIndex>,
    /// Who has what; it lists the pieces that are wanted, not here and not open.
    availability: Availability,
    rng: fastrand::Rng,
}

impl Picker {
    /// A picker for a torrent of which `have` is already there and verified.
    pub fn new(geometry: Geometry, have: Bitfield, policy: Policy, mut rng: fastrand::Rng) -> Self {
        let pieces = geometry.pieces();
        let mut availability = Availability::new(pieces);
        for piece in have.missing() {
            availability.list(piece, Rank::Normal, &mut rng);
        }
        let mut picker = Self {
            selected_bytes: geometry.total(),
            lacking_bytes: 0,
            geometry,
            policy,
            lacking: pieces - have.count(),
            have,
            selected: Bitfield::full(pieces),
            ranks: Vec::new(),
            open: Vec::new(),
            spoilt: BTreeSet::new(),
            at_work: HashMap::new(),
            availability,
            rng,
        };
        picker.lacking_bytes = picker.left();
        picker
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

    /// How many connected peers have everything.
    pub fn full_peers(&self) -> u32 {
        self.availability.full_peers()
    }

    /// A peer came with these pieces.
    pub fn on_joined(&mut self, have: &Bitfield) {
        self.availability.on_joined(have, &mut self.rng);
    }

    /// A peer with these pieces left; what it owed is handed back with [`Picker::on_void`].
    pub fn on_left(&mut self, have: &Bitfield) {
        self.availability.on_left(have, &mut self.rng);
    }

    /// A peer is gone for good.
    pub fn on_gone(&mut self, peer: PeerKey) {
        self.at_work.remove(&peer);
    }

    /// A peer got one more piece; `have` already holds it.
    pub fn on_have(&mut self, piece: PieceIndex, have: &Bitfield) {
        self.availability.on_have(piece, have, &mut self.rng);
    }

    /// A peer lost a piece; `have` holds it no more.
    pub fn on_dont_have(&mut self, piece: PieceIndex, have: &Bitfield) {
        self.availability.on_dont_have(piece, have, &mut self.rng);
    }

    /// The next bytes to ask of `peer`, at most `most`; they count as asked from now on.
    pub fn next_span(
        &mut self,
        peer: PeerKey,
        theirs: &Bitfield,
        most: u64,
        ask: Ask,
    ) -> Option<(Span, Why)> {
        let blocks = (most / u64::from(crate::geometry::BLOCK_LEN)).max(1) as u32;
        if ask == Ask::Copy {
            return self.probe(peer, theirs, blocks).map(|span| (span, Why::Probe));
        }
        let begun = self.begun_piece(peer, theirs);
        let new = if begun.is_some_and(|(_, mine)| mine) { None } else { self.new_piece(theirs) };
        if let Some((piece, why)) = new
            && begun.is_none_or(|(at, _)| self.is_rarer(piece, self.open[at].piece))
        {
            let at = self.begin(piece);
            return Some((self.ask(at, peer, blocks), why));
        }
        if let Some((at, _)) = begun {
            return Some((self.ask(at, peer, blocks), Why::Begun));
        }
        let copied = match ask {
            Ask::Idle if self.is_end_game() => self.copy(peer, theirs, blocks),
            Ask::Untried if self.is_end_game() => self.probe(peer, theirs, blocks),
            _ => None,
        };
        copied.map(|span| (span, Why::EndGame))
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
        if back > 0 && self.at_work.get(&peer) == Some(&span.piece) {
            self.at_work.remove(&peer);
        }
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
                (block.state, block.writer) = (BlockState::Claimed, Some(peer));
                let owing = block.asked.iter_mut().chain([&mut block.probed]);
                for other in owing.filter_map(Option::take) {
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
                (block.state, block.writer) = (BlockState::Written, Some(peer));
                open.written += 1;
            }
        }
        open.is_whole().then_some(span.piece)
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

    /// A piece whose blocks are all stored has no verdict, because it could not be read: it is
    /// fetched again.
    pub fn on_not_judged(&mut self, piece: PieceIndex) {
        if self.place_of(piece).is_some_and(|at| self.open[at].is_whole()) {
            self.close(piece);
            if self.selected.has(piece) {
                self.availability.list(piece, self.rank_of(piece), &mut self.rng);
            }
        }
    }

    /// The files were checked again: this is verified, and nothing else. What is wanted stays so;
    /// begun pieces are forgotten. Nobody is connected meanwhile.
    pub fn on_checked(&mut self, have: Bitfield) {
        self.have = have;
        self.open.clear();
        self.at_work.clear();
        (self.lacking, self.lacking_bytes) = (0, 0);
        for piece in (0..self.geometry.pieces()).map(PieceIndex) {
            self.availability.unlist(piece);
            if self.lacks(piece) {
                self.lacking += 1;
                self.lacking_bytes += u64::from(self.geometry.length_of(piece));
                self.availability.list(piece, self.rank_of(piece), &mut self.rng);
            }
        }
    }

    /// Whether something is being stored, or waits for its verdict.
    pub fn is_writing(&self) -> bool {
        self.open.iter().any(|open| open.is_whole() || open.is_claimed())
    }

    /// What `peer` sent of pieces that nobody works on is fetched again.
    pub fn drop_partial(&mut self, peer: PeerKey) {
        self.open.iter_mut().for_each(|open| open.drop_what_came_from(peer));
    }

    /// The piece matched its hash: it is ours. Gives who wrote its blocks.
    pub fn on_verified(&mut self, piece: PieceIndex) -> Writers {
        if self.lacks(piece) {
            self.lacking -= 1;
            self.lacking_bytes -= u64::from(self.geometry.length_of(piece));
        }
        self.have.set(piece);
        self.spoilt.remove(&piece);
        self.availability.unlist(piece);
        self.close(piece).map(writers_of).unwrap_or_default()
    }

    /// The piece did not match its hash: all of it is wanted again. Gives who wrote its blocks.
    pub fn on_failed(&mut self, piece: PieceIndex) -> Writers {
        self.spoilt.insert(piece);
        let closed = self.close(piece);
        let was_alone = closed.as_ref().is_some_and(|open| open.alone);
        let writers = closed.map(writers_of).unwrap_or_default();
        let first = writers.iter().flatten().next();
        let several = writers.iter().flatten().any(|writer| Some(writer) != first);
        let at = self.begin(piece);
        self.open[at].alone = was_alone || several;
        writers
    }

    /// A begun piece that the peer has and that has blocks nobody was asked for, and whether the
    /// peer works on it already. If it works on none, the most urgent and then the rarest; of equals
    /// the one begun first.
    fn begun_piece(&self, peer: PeerKey, theirs: &Bitfield) -> Option<(usize, bool)> {
        let fits = |open: &OpenPiece| {
            let here = open.wanted > 0 && theirs.has(open.piece);
            here && self.selected.has(open.piece) && open.is_open_to(peer)
        };
        let mine = self.at_work.get(&peer).and_then(|&piece| self.place_of(piece));
        if let Some(at) = mine.filter(|&at| fits(&self.open[at])) {
            return Some((at, true));
        }
        let fitting = self.open.iter().enumerate().filter(|(_, open)| fits(open));
        let rarest = match self.policy {
            Policy::Rarest => fitting.min_by_key(|(_, open)| {
                (Reverse(self.rank_of(open.piece)), self.availability.of(open.piece))
            }),
            Policy::Random | Policy::Sequential => fitting.min_by_key(|&(at, _)| at),
        };
        rarest.map(|(at, _)| (at, false))
    }

    /// Whether a new piece goes before a begun one: whoever has something rare, a seed above all,
    /// is not asked to finish what others have too.
    fn is_rarer(&self, new: PieceIndex, begun: PieceIndex) -> bool {
        let rarer = self.availability.of(new) < self.availability.of(begun);
        let as_urgent = self.rank_of(new) >= self.rank_of(begun);
        self.policy == Policy::Rarest && !self.have.is_empty() && rarer && as_urgent
    }

    fn rank_of(&self, piece: PieceIndex) -> Rank {
        self.ranks.get(piece.at()).copied().unwrap_or_default()
    }

    fn new_piece(&mut self, theirs: &Bitfield) -> Option<(PieceIndex, Why)> {
        let fits = |piece: &PieceIndex| theirs.has(*piece);
        match self.policy {
            Policy::Sequential => {
                let piece = self.availability.first_of(theirs)?;
                let is_edge = self.availability.rank(piece) == Some(Rank::Edge);
                Some((piece, if is_edge { Why::Edge } else { Why::NextInOrder }))
            }
            Policy::Random => {
                self.availability.anywhere(&mut self.rng).find(fits).map(|p| (p, Why::Random))
            }
            Policy::Rarest if self.have.is_empty() => {
                self.availability.anywhere(&mut self.rng).find(fits).map(|p| (p, Why::RandomFirst))
            }
            Policy::Rarest => {
                let piece = self.availability.rarest_first().find(fits)?;
                let availability = self.availability.of(piece);
                Some((piece, Why::Rarest { availability, ties: self.availability.ties(piece) }))
            }
        }
    }

    /// Marks the first run of wanted blocks of an open piece as asked of `peer`.
    fn ask(&mut self, at: usize, peer: PeerKey, most: u32) -> Span {
        let open = &mut self.open[at];
        open.leave_to(peer);
        let wanted = |block: &Block| block.is_wanted_of(peer);
        let first = open.blocks.iter().position(wanted).expect("the piece is open to the peer");
        let run = open.blocks[first..].iter().take_while(|block| wanted(block)).count();
        let count = run.min(most as usize);
        open.blocks[first..first + count].iter_mut().for_each(|block| block.ask(peer));
        open.wanted -= count as u32;
        self.at_work.insert(peer, open.piece);
        self.geometry.span_of_blocks(open.piece, first as u32, count as u32)
    }

    fn begin(&mut self, piece: PieceIndex) -> usize {
        self.availability.unlist(piece);
        self.open.push(OpenPiece::new(piece, self.geometry.blocks_of(piece)));
        self.open.len() - 1
    }

    fn close(&mut self, piece: PieceIndex) -> Option<OpenPiece> {
        self.place_of(piece).map(|at| self.open.remove(at))
    }

    fn place_of(&self, piece: PieceIndex) -> Option<usize> {
        self.open.iter().position(|open| open.piece == piece)
    }

    fn open_mut(&mut self, piece: PieceIndex) -> Option<&mut OpenPiece> {
        self.open.iter_mut().find(|open| open.piece == piece)
    }
}

fn writers_of(open: OpenPiece) -> Writers {
    open.blocks.into_iter().map(|block| block.writer).collect()
}

#[cfg(test)]
mod tests;
