//! A picker under any sequence of events, beside a model that keeps books block by block.
//!
//! After every event the picker's public answers must be those of the model, and what it picks
//! must be allowed by its rules: rarest first, nothing twice but as a copy, nothing that is here.
//! In the end two honest peers with everything must be able to finish the download.

use std::collections::BTreeMap;
use std::ops::Range;

use swarmlet::bitfield::Bitfield;
use swarmlet::geometry::{BLOCK_LEN, Geometry};
use swarmlet::ids::{PieceIndex, Span};
use swarmlet::logic::PeerKey;
use swarmlet::logic::picker::{Ask, Picker, Policy, Priority, Why};

/// Places at which peers come and go.
const PLACES: u8 = 5;

/// The pieces of each file: four blocks a piece, the last of a file shorter.
const FILES: [Range<u32>; 4] = [0..4, 4..5, 5..7, 7..9];
const LENGTHS: [u64; 4] = [3 * 65_536 + 20_000, 100, 2 * 65_536, 5 * 16_384];
const PIECES: u32 = 9;

/// The most blocks of a copy, see `src/logic/picker/copies.rs`.
const COPIED_BLOCKS: u32 = 8;

const POLICIES: [Policy; 3] = [Policy::Rarest, Policy::Sequential, Policy::Random];

/// What can happen to a picker. Peers, pieces and spans are numbers that the driver brings into
/// range, so that any bytes are operations.
#[derive(Debug, Clone, Copy)]
pub enum Operation {
    /// A peer comes; its pieces are drawn from a seed, at 255 it has all.
    Join {
        peer: u8,
        pieces: u8,
    },
    Leave {
        peer: u8,
    },
    Have {
        peer: u8,
        piece: u8,
    },
    DontHave {
        peer: u8,
        piece: u8,
    },
    /// It will send nothing of what it owes, and perhaps what it sent is not kept.
    Choke {
        peer: u8,
        drop: bool,
    },
    /// It is asked for something.
    Next {
        peer: u8,
        blocks: u8,
        ask: Ask,
    },
    /// A web seed is asked for a run; it has the place of a peer.
    Run {
        peer: u8,
        blocks: u8,
        idle: bool,
    },
    /// So many blocks of what it owes arrive, from the start of a span.
    Deliver {
        peer: u8,
        span: u8,
        blocks: u8,
    },
    /// A block arrives that it may or may not owe.
    Stray {
        peer: u8,
        piece: u8,
        block: u8,
    },
    /// What was granted first is on disk, or could not be put there.
    Write {
        lost: bool,
    },
    /// One span will not come.
    Void {
        peer: u8,
        span: u8,
    },
    /// A whole piece was hashed.
    Judge {
        right: bool,
    },
    /// What the user wants, two bits for each file.
    Priorities {
        wanted: u8,
    },
    /// Pieces are chosen otherwise from now on.
    Policy {
        policy: u8,
    },
}

impl From<[u8; 4]> for Operation {
    fn from([kind, peer, a, b]: [u8; 4]) -> Self {
        match kind % 25 {
            0 | 1 => Self::Join { peer, pieces: a },
            2 => Self::Leave { peer },
            3 | 4 => Self::Have { peer, piece: a },
            5 => Self::DontHave { peer, piece: a },
            6 => Self::Choke { peer, drop: a % 2 == 0 },
            7 if b % 2 == 0 => Self::Next { peer, blocks: a, ask: Ask::Copy },
            7 => Self::Next { peer, blocks: a, ask: Ask::Untried },
            8 | 9 => Self::Next { peer, blocks: a, ask: Ask::Idle },
            10..=13 => Self::Next { peer, blocks: a, ask: Ask::Fresh },
            14 => Self::Run { peer, blocks: a, idle: b % 2 == 0 },
            15..=17 => Self::Deliver { peer, span: a, blocks: b },
            18 => Self::Stray { peer, piece: a, block: b },
            19 | 20 => Self::Write { lost: a % 8 == 0 },
            21 => Self::Void { peer, span: a },
            22 => Self::Judge { right: a % 3 > 0 },
            23 => Self::Priorities { wanted: a },
            _ => Self::Policy { policy: a },
        }
    }
}

/// Runs a picker through the operations; panics where it breaks a rule.
pub fn run(seed: u8, operations: impl IntoIterator<Item = Operation>) {
    let mut driver = Driver::new(seed);
    for operation in operations {
        driver.step(operation);
        driver.check_books();
    }
    driver.finish();
}

/// Where the model thinks that a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Not here; perhaps somebody owes it.
    #[default]
    Absent,
    Claimed(PeerKey),
    Written(PeerKey),
}

#[derive(Debug, Clone, Default)]
struct Block {
    state: State,
    owed_by: Vec<PeerKey>,
    /// Who was asked as well, to see whether it answers.
    probed: Option<PeerKey>,
}

impl Block {
    fn is_free(&self) -> bool {
        self.state == State::Absent && self.owed_by.is_empty()
    }

    /// The same, and the peer was not probed with it.
    fn is_wanted_of(&self, peer: PeerKey) -> bool {
        self.is_free() && self.probed != Some(peer)
    }

    /// Exactly one other peer owes it.
    fn may_be_copied_by(&self, peer: PeerKey) -> bool {
        let one_owes = self.owed_by.len() == 1 && self.owed_by[0] != peer;
        self.state == State::Absent && one_owes && self.probed != Some(peer)
    }

    /// The same, and nobody is probed with it.
    fn may_probe(&self, peer: PeerKey) -> bool {
        self.may_be_copied_by(peer) && self.probed.is_none()
    }

    fn is_asked_of(&self, peer: PeerKey) -> bool {
        self.owed_by.contains(&peer) || self.probed == Some(peer)
    }

    /// True if it owed it.
    fn forget(&mut self, peer: PeerKey) -> bool {
        self.probed.take_if(|probed| *probed == peer);
        let owed = self.owed_by.contains(&peer);
        self.owed_by.retain(|&other| other != peer);
        owed
    }
}

#[derive(Debug, Clone, Default)]
struct Piece {
    had: bool,
    begun: bool,
    /// It failed with several writers: one peer at a time.
    alone: bool,
    /// Between its last block and its hash.
    is_judged: bool,
    wanted: Priority,
    blocks: Vec<Block>,
}

impl Piece {
    fn is_open_to(&self, peer: PeerKey) -> bool {
        let in_use = |b: &Block| {
            matches!(b.state, State::Claimed(other) if other != peer)
                || b.owed_by.iter().any(|&other| other != peer)
        };
        !self.alone || !self.blocks.iter().any(in_use)
    }

    fn is_whole(&self) -> bool {
        self.blocks.iter().all(|b| matches!(b.state, State::Written(_)))
    }
}

#[derive(Debug)]
struct Peer {
    key: PeerKey,
    have: Bitfield,
    /// What it was asked for and has not answered, in full.
    owes: Vec<Span>,
}

struct Driver {
    picker: Picker,
    policy: Policy,
    geometry: Geometry,
    pieces: Vec<Piece>,
    peers: BTreeMap<u8, Peer>,
    /// Granted and not on disk yet.
    granted: Vec<(PeerKey, Span)>,
    /// Priorities were said: in order, the ends of files come first from then on.
    has_edges: bool,
    /// What was said of each file last.
    files: Vec<(Range<u32>, Priority)>,
    next_key: u64,
}

impl Driver {
    fn new(seed: u8) -> Self {
        let geometry = Geometry::v2(65_536, LENGTHS).expect("a small torrent");
        assert_eq!(geometry.pieces(), PIECES);
        let policy = POLICIES[usize::from(seed) % POLICIES.len()];
        let have = drawn(if seed < 128 { 0 } else { seed });
        let rng = fastrand::Rng::with_seed(seed.into());
        let piece = |index: PieceIndex| Piece {
            had: have.has(index),
            blocks: vec![Block::default(); geometry.blocks_of(index) as usize],
            wanted: Priority::Normal,
            ..Piece::default()
        };
        let pieces = (0..PIECES).map(PieceIndex).map(piece).collect();
        Self {
            picker: Picker::new(geometry.clone(), have.clone(), policy, rng),
            policy,
            geometry,
            pieces,
            peers: BTreeMap::new(),
            granted: Vec::new(),
            has_edges: false,
            files: FILES.into_iter().map(|file| (file, Priority::Normal)).collect(),
            next_key: 0,
        }
    }

    fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Join { peer, pieces } => self.join(peer % PLACES, drawn(pieces)),
            Operation::Leave { peer } => self.leave(peer % PLACES),
            Operation::Have { peer, piece } => self.have(peer % PLACES, piece, true),
            Operation::DontHave { peer, piece } => self.have(peer % PLACES, piece, false),
            Operation::Choke { peer, drop } => self.choke(peer % PLACES, drop),
            Operation::Next { peer, blocks, ask } => {
                _ = self.next(peer % PLACES, blocks % 10, ask);
            }
            Operation::Run { peer, blocks, idle } => self.run(peer % PLACES, blocks % 20, idle),
            Operation::Deliver { peer, span, blocks } => {
                self.deliver(peer % PLACES, span, u32::from(blocks % 6));
            }
            Operation::Stray { peer, piece, block } => {
                let Some(peer) = self.peers.get(&(peer % PLACES)) else { return };
                let (key, piece) = (peer.key, PieceIndex(u32::from(piece) % PIECES));
                let block = u32::from(block) % self.geometry.blocks_of(piece);
                self.claim(key, self.geometry.span_of_blocks(piece, block, 1));
            }
            Operation::Write { lost } => self.write(lost),
            Operation::Void { peer, span } => {
                let Some(peer) = self.peers.get_mut(&(peer % PLACES)) else { return };
                if !peer.owes.is_empty() {
                    let span = peer.owes.remove(usize::from(span) % peer.owes.len());
                    let key = peer.key;
                    self.void(key, span);
                }
            }
            Operation::Judge { right } => {
                let whole = self.pieces.iter().position(|piece| piece.is_judged);
                whole.into_iter().for_each(|at| self.judge(PieceIndex(at as u32), right));
            }
            Operation::Priorities { wanted } => {
                let levels = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
                let of_file = |file: usize| levels[usize::from(wanted >> (2 * file)) % 4];
                self.prioritise(of_file);
            }
            Operation::Policy { policy } => {
                self.policy = POLICIES[usize::from(policy) % POLICIES.len()];
                self.picker.set_policy(self.policy, &self.files.clone());
                self.has_edges = true;
            }
        }
    }

    fn join(&mut self, place: u8, have: Bitfield) {
        self.leave(place);
        self.next_key += 1;
        self.picker.on_joined(&have);
        let key = PeerKey(self.next_key);
        self.peers.insert(place, Peer { key, have, owes: Vec::new() });
    }

    fn leave(&mut self, place: u8) {
        let Some(peer) = self.peers.remove(&place) else { return };
        peer.owes.iter().for_each(|&span| self.void(peer.key, span));
        self.picker.on_left(&peer.have);
        self.picker.on_gone(peer.key);
    }

    fn have(&mut self, place: u8, piece: u8, has: bool) {
        let Some(peer) = self.peers.get_mut(&place) else { return };
        let piece = PieceIndex(u32::from(piece) % PIECES);
        if has && peer.have.set(piece) {
            self.picker.on_have(piece, &peer.have);
        } else if !has && peer.have.clear(piece) {
            self.picker.on_dont_have(piece, &peer.have);
        }
    }

    fn choke(&mut self, place: u8, drop: bool) {
        let Some(peer) = self.peers.get_mut(&place) else { return };
        let key = peer.key;
        let owed = std::mem::take(&mut peer.owes);
        owed.into_iter().for_each(|span| self.void(key, span));
        if drop {
            self.picker.drop_partial(key);
            let idle = |b: &Block| !matches!(b.state, State::Claimed(_)) && b.owed_by.is_empty();
            for piece in self.pieces.iter_mut().filter(|p| p.begun && !p.is_whole()) {
                if piece.blocks.iter().all(idle) {
                    let mine = piece.blocks.iter_mut().filter(|b| b.state == State::Written(key));
                    mine.for_each(|block| *block = Block::default());
                }
            }
        }
    }

    /// Asks for something, checks that it may be, and gives whether there was something.
    fn next(&mut self, place: u8, blocks: u8, ask: Ask) -> bool {
        let Some(peer) = self.peers.get(&place) else { return false };
        let (key, theirs) = (peer.key, peer.have.clone());
        let most = u64::from(blocks) * u64::from(BLOCK_LEN);
        let was_end_game = self.is_end_game();
        let Some((span, why)) = self.picker.next_span(key, &theirs, most, ask) else {
            self.check_nothing_is_left(key, &theirs, ask);
            return false;
        };
        let (_, count) = self.geometry.blocks_of_span(span).expect("a span of whole blocks");
        assert!(count <= u32::from(blocks).max(1), "{span} is more than {blocks} blocks");
        assert!(theirs.has(span.piece), "{key} does not have {}", span.piece);
        assert!(self.is_lacking(span.piece), "{} is here or not wanted", span.piece);
        if matches!(why, Why::EndGame | Why::Probe) {
            assert_eq!(why == Why::Probe, ask == Ask::Copy, "{why}");
            let may_double = was_end_game && matches!(ask, Ask::Idle | Ask::Untried);
            assert!(why == Why::Probe || may_double, "no end game yet");
            assert!(count <= COPIED_BLOCKS && !self.piece(span.piece).alone);
            let (copied, is_probe) = (self.blocks(span), ask != Ask::Idle);
            let may = |b: &Block| if is_probe { b.may_probe(key) } else { b.may_be_copied_by(key) };
            assert!(copied.iter().all(may), "{span}: {copied:?}");
            if is_probe {
                self.blocks_mut(span).iter_mut().for_each(|block| block.probed = Some(key));
                self.note(key, span);
                return true;
            }
        } else {
            assert!(ask != Ask::Copy, "asked for a copy, given {why}");
            self.check_choice(key, &theirs, span, why);
            self.leave_to(key, span);
        }
        self.owe(key, span);
        true
    }

    fn run(&mut self, place: u8, blocks: u8, idle: bool) {
        let Some(peer) = self.peers.get(&place) else { return };
        let key = peer.key;
        let most = u64::from(blocks) * u64::from(BLOCK_LEN);
        let run = self.picker.next_run(key, most, idle);
        let is_copy = |b: &Block| b.may_be_copied_by(key);
        for (at, &span) in run.iter().enumerate() {
            assert!(self.is_lacking(span.piece), "{} is here or not wanted", span.piece);
            if at > 0 {
                let last = run[at - 1];
                assert_eq!((last.piece.0 + 1, 0), (span.piece.0, span.offset), "{last}, {span}");
                assert_eq!(last.end(), Some(self.geometry.length_of(last.piece)), "{last}");
            }
            if at == 0 && idle && self.blocks(span).iter().all(is_copy) {
                assert!(self.is_end_game(), "a copy of {span}");
            } else {
                self.leave_to(key, span);
                assert!(self.blocks(span).iter().all(Block::is_free), "{span} is asked twice");
            }
            self.owe(key, span);
        }
        if run.is_empty() {
            let ask = if idle { Ask::Idle } else { Ask::Fresh };
            self.check_nothing_is_left(key, &Bitfield::full(PIECES), ask);
        }
    }

    fn deliver(&mut self, place: u8, span: u8, blocks: u32) {
        let Some(peer) = self.peers.get_mut(&place) else { return };
        if peer.owes.is_empty() {
            return;
        }
        let at = usize::from(span) % peer.owes.len();
        let (key, span) = (peer.key, peer.owes[at]);
        let part = Span { length: span.length.min(blocks.max(1) * BLOCK_LEN), ..span };
        if part == span {
            peer.owes.remove(at);
        } else {
            let (offset, length) = (span.offset + part.length, span.length - part.length);
            peer.owes[at] = Span { offset, length, ..span };
        }
        self.claim(key, part);
    }

    /// A frame arrives: exactly what is absent of a begun piece is granted, and exactly those who
    /// owe the same are told.
    fn claim(&mut self, key: PeerKey, span: Span) {
        let claim = self.picker.claim(key, span);
        let (first, count) = self.geometry.blocks_of_span(span).expect("whole blocks");
        let geometry = self.geometry.clone();
        let one = |index| geometry.span_of_blocks(span.piece, index, 1);
        let piece = &mut self.pieces[span.piece.at()];
        let (mut granted, mut cancelled) = (Vec::new(), Vec::new());
        for index in first..first + count {
            let block = &mut piece.blocks[index as usize];
            if piece.begun && block.state == State::Absent {
                block.state = State::Claimed(key);
                granted.push(one(index));
                let others = block.owed_by.drain(..).chain(block.probed.take());
                let others = others.filter(|&other| other != key);
                cancelled.extend(others.map(|other| (other, one(index))));
            }
            block.forget(key);
        }
        let cut = |span: &Span| blocks_of(&geometry, *span);
        assert_eq!(claim.granted.iter().flat_map(cut).collect::<Vec<_>>(), granted, "{span}");
        let each =
            |(who, span): &(PeerKey, Span)| cut(span).into_iter().map(|s| (*who, s)).collect();
        let mut said: Vec<_> = claim.cancel.iter().flat_map::<Vec<_>, _>(each).collect();
        let order = |(who, span): &(PeerKey, Span)| (*who, span.offset);
        said.sort_by_key(order);
        cancelled.sort_by_key(order);
        assert_eq!(said, cancelled, "{span}");
        self.granted.extend(claim.granted.into_iter().map(|span| (key, span)));
    }

    fn write(&mut self, lost: bool) {
        if self.granted.is_empty() {
            return;
        }
        let (key, span) = self.granted.remove(0);
        let state = if lost { State::Absent } else { State::Written(key) };
        for block in self.blocks_mut(span) {
            assert_eq!(std::mem::replace(&mut block.state, state), State::Claimed(key));
        }
        if lost {
            self.picker.on_not_written(span);
        } else {
            let whole = self.picker.on_written(key, span);
            let piece = &mut self.pieces[span.piece.at()];
            piece.is_judged = piece.is_whole();
            assert_eq!(whole, piece.is_judged.then_some(span.piece));
        }
    }

    fn void(&mut self, key: PeerKey, span: Span) {
        let mut back = false;
        for block in self.blocks_mut(span) {
            back |= block.forget(key) && block.is_free();
        }
        assert_eq!(self.picker.on_void(key, span), back, "{span} of {key} is wanted again");
    }

    fn judge(&mut self, index: PieceIndex, right: bool) {
        let writer = |b: &Block| if let State::Written(key) = b.state { Some(key) } else { None };
        let piece = &mut self.pieces[index.at()];
        let writers: Vec<_> = piece.blocks.iter().map(writer).collect();
        piece.blocks.fill(Block::default());
        piece.is_judged = false;
        (piece.begun, piece.had) = (!right, right);
        piece.alone |= !right && writers.iter().any(|writer| *writer != writers[0]);
        let said =
            if right { self.picker.on_verified(index) } else { self.picker.on_failed(index) };
        assert_eq!(said, writers);
    }

    fn prioritise(&mut self, of_file: impl Fn(usize) -> Priority) {
        let files: Vec<_> =
            FILES.into_iter().enumerate().map(|(at, range)| (range, of_file(at))).collect();
        self.picker.set_priorities(&files);
        self.has_edges = true;
        self.files.clone_from(&files);
        for (range, priority) in files {
            range.for_each(|piece| self.pieces[piece as usize].wanted = priority);
        }
    }

    /// What was picked and is no copy was nobody's, and nothing that comes before it was left.
    fn check_choice(&self, key: PeerKey, theirs: &Bitfield, span: Span, why: Why) {
        let piece = self.piece(span.piece);
        let others_wrote =
            |b: &Block| matches!(b.state, State::Written(writer) if piece.alone && writer != key);
        let blocks = self.blocks(span);
        let may = |b: &Block| b.is_wanted_of(key) || others_wrote(b);
        assert!(blocks.iter().all(may), "{span}: {blocks:?}");
        assert!(piece.is_open_to(key), "{} is another's alone", span.piece);
        assert_eq!(why == Why::Begun, piece.begun, "{}: {why}", span.piece);
        if piece.begun {
            return;
        }
        // A begun piece comes first, unless the new one is rarer and as urgent.
        let availability = match why {
            Why::Rarest { availability, .. } => availability,
            _ => u32::MAX,
        };
        let rank = self.rank(span.piece);
        let is_rarer = |p| availability < self.holders(p);
        let gives_way = |p| self.rank(p) < rank || (self.rank(p) == rank && is_rarer(p));
        let mut begun = Self::pieces().filter(|&p| self.is_fit(p, key, theirs));
        assert!(matches!(why, Why::Rarest { .. }) || begun.next().is_none(), "{why}");
        assert!(begun.all(gives_way), "a begun piece comes first");
        let rivals = || {
            let new = |p: PieceIndex| !self.piece(p).begun && self.is_lacking(p);
            Self::pieces().filter(move |&p| new(p) && theirs.has(p))
        };
        assert!(rivals().all(|p| self.rank(p) <= rank), "{} is not urgent", span.piece);
        let mut same = rivals().filter(|&p| self.rank(p) == rank);
        match why {
            Why::Rarest { availability, .. } => {
                assert_eq!(availability, self.holders(span.piece));
                assert!(
                    same.all(|p| self.holders(p) >= availability),
                    "{} is no rarest",
                    span.piece
                );
            }
            Why::NextInOrder | Why::Edge => assert_eq!(same.next(), Some(span.piece)),
            _ => {}
        }
    }

    /// Nothing was picked: then there must be nothing.
    fn check_nothing_is_left(&self, key: PeerKey, theirs: &Bitfield, ask: Ask) {
        let may = |b: &Block| match ask {
            Ask::Fresh => false,
            Ask::Idle => b.may_be_copied_by(key),
            Ask::Untried | Ask::Copy => b.may_probe(key),
        };
        let copied = |p: PieceIndex| {
            let piece = self.piece(p);
            piece.blocks.iter().any(may) && !piece.alone && self.is_lacking(p) && theirs.has(p)
        };
        if ask == Ask::Copy || self.is_end_game() {
            assert!(!Self::pieces().any(copied), "a copy was to be had");
        }
        if ask != Ask::Copy {
            let new = |p: PieceIndex| !self.piece(p).begun && self.is_lacking(p) && theirs.has(p);
            assert!(!Self::pieces().any(new), "a new piece was to be had");
            assert!(!Self::pieces().any(|p| self.is_fit(p, key, theirs)), "more of a begun piece");
        }
    }

    /// Whether a begun piece has something for this peer.
    fn is_fit(&self, index: PieceIndex, key: PeerKey, theirs: &Bitfield) -> bool {
        let piece = self.piece(index);
        let has_some = piece.begun && piece.blocks.iter().any(|b| b.is_wanted_of(key));
        has_some && self.is_lacking(index) && theirs.has(index) && piece.is_open_to(key)
    }

    fn is_end_game(&self) -> bool {
        let asked = |p: PieceIndex| {
            let piece = self.piece(p);
            piece.begun && !piece.blocks.iter().any(Block::is_free)
        };
        Self::pieces().filter(|&p| self.is_lacking(p)).all(asked)
    }

    /// Whatever happened: the picker's answers are the model's.
    fn check_books(&self) {
        for piece in Self::pieces() {
            assert_eq!(self.picker.availability(piece), self.holders(piece), "{piece}");
            assert_eq!(self.picker.lacks(piece), self.is_lacking(piece), "{piece}");
            assert_eq!(self.picker.have().has(piece), self.piece(piece).had, "{piece}");
            assert!(self.piece(piece).blocks.iter().all(|b| b.owed_by.len() <= 2), "{piece}");
        }
        let lacking = Self::pieces().filter(|&p| self.is_lacking(p));
        assert_eq!(self.picker.is_satisfied(), lacking.count() == 0);
        assert_eq!(self.picker.is_end_game(), self.is_end_game());
        let left = Self::pieces().filter(|&p| !self.piece(p).had);
        let left: u64 = left.map(|p| u64::from(self.geometry.length_of(p))).sum();
        assert_eq!(self.picker.left(), left);
        let bytes = |p: PieceIndex| u64::from(self.geometry.length_of(p));
        let wanted = Self::pieces().filter(|&p| self.piece(p).wanted > Priority::Skip);
        assert_eq!(self.picker.wanted_total(), wanted.map(bytes).sum::<u64>());
        let missing = Self::pieces().filter(|&p| self.is_lacking(p));
        assert_eq!(self.picker.left_of_wanted(), missing.map(bytes).sum::<u64>());
        for peer in self.peers.values() {
            let wanted = Self::pieces().filter(|&p| self.is_lacking(p) && peer.have.has(p)).count();
            assert_eq!(self.picker.lacking_of(&peer.have) as usize, wanted, "{}", peer.key);
            let mut blocks = self.pieces.iter().flat_map(|piece| &piece.blocks);
            let owes = blocks.any(|block| block.is_asked_of(peer.key));
            assert_eq!(self.picker.is_owed_by(peer.key), owes, "{}", peer.key);
        }
    }

    /// Those who are here fall silent, the user wants everything: two honest peers bring it all.
    fn finish(&mut self) {
        (0..PLACES).for_each(|place| self.choke(place, false));
        while !self.granted.is_empty() {
            self.write(false);
        }
        self.prioritise(|_| Priority::Normal);
        for place in [PLACES, PLACES + 1] {
            self.join(place, Bitfield::full(PIECES));
        }
        let all_blocks: u32 = Self::pieces().map(|p| self.geometry.blocks_of(p)).sum();
        for _ in 0..4 * all_blocks {
            let asked = [PLACES, PLACES + 1].map(|place| self.next(place, 3, Ask::Idle));
            [PLACES, PLACES + 1].into_iter().for_each(|place| self.deliver(place, 0, 5));
            while !self.granted.is_empty() {
                self.write(false);
            }
            let whole: Vec<_> = Self::pieces().filter(|&p| self.piece(p).is_judged).collect();
            whole.iter().for_each(|&piece| self.judge(piece, true));
            self.check_books();
            if asked == [false; 2] && whole.is_empty() {
                break;
            }
        }
        assert!(self.picker.have().is_full(), "stuck with {:?}", self.picker.have());
    }

    /// A piece that one peer is to write alone: what others wrote is wanted again.
    fn leave_to(&mut self, key: PeerKey, span: Span) {
        let piece = &mut self.pieces[span.piece.at()];
        piece.begun = true;
        for block in piece.blocks.iter_mut().filter(|_| piece.alone) {
            if matches!(block.state, State::Written(writer) if writer != key) {
                *block = Block::default();
            }
        }
    }

    fn owe(&mut self, key: PeerKey, span: Span) {
        self.blocks_mut(span).iter_mut().for_each(|block| block.owed_by.push(key));
        self.note(key, span);
    }

    fn note(&mut self, key: PeerKey, span: Span) {
        let peer = self.peers.values_mut().find(|peer| peer.key == key);
        peer.into_iter().for_each(|peer| peer.owes.push(span));
    }

    fn pieces() -> impl Iterator<Item = PieceIndex> + use<> {
        (0..PIECES).map(PieceIndex)
    }

    fn piece(&self, piece: PieceIndex) -> &Piece {
        &self.pieces[piece.at()]
    }

    fn is_lacking(&self, piece: PieceIndex) -> bool {
        !self.piece(piece).had && self.piece(piece).wanted > Priority::Skip
    }

    fn holders(&self, piece: PieceIndex) -> u32 {
        self.peers.values().filter(|peer| peer.have.has(piece)).count() as u32
    }

    /// How urgent a piece is, in the order of urgency.
    fn rank(&self, piece: PieceIndex) -> (bool, Priority) {
        let ends = FILES.iter().any(|file| [file.start, file.end - 1].contains(&piece.0));
        let is_edge = self.has_edges && ends && self.policy == Policy::Sequential;
        (is_edge, if is_edge { Priority::Normal } else { self.piece(piece).wanted })
    }

    fn range(&self, span: Span) -> Range<usize> {
        let (first, count) = self.geometry.blocks_of_span(span).expect("a span of whole blocks");
        first as usize..(first + count) as usize
    }

    fn blocks(&self, span: Span) -> &[Block] {
        &self.pieces[span.piece.at()].blocks[self.range(span)]
    }

    fn blocks_mut(&mut self, span: Span) -> &mut [Block] {
        let range = self.range(span);
        &mut self.pieces[span.piece.at()].blocks[range]
    }
}

/// A bitfield by a number: nothing, everything, or something in between.
fn drawn(number: u8) -> Bitfield {
    let mut have = Bitfield::new(PIECES);
    let mut dice = fastrand::Rng::with_seed(number.into());
    let has = |_: &PieceIndex| number == 255 || (number > 15 && dice.bool());
    (0..PIECES).map(PieceIndex).filter(has).for_each(|piece| _ = have.set(piece));
    have
}

fn blocks_of(geometry: &Geometry, span: Span) -> Vec<Span> {
    let (first, count) = geometry.blocks_of_span(span).expect("a span of whole blocks");
    (first..first + count).map(|index| geometry.span_of_blocks(span.piece, index, 1)).collect()
}
