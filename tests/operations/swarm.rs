//! A whole swarm among strangers who say anything in any order.
//!
//! Whatever they do: nothing panics, what is asked could be answered, what is served may be, the
//! counters are what a recount gives, and only liars are banned. In the end two honest peers with
//! everything must be able to finish the download, though the strangers stay.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use swarmlet::bitfield::Bitfield;
use swarmlet::clock::Moment;
use swarmlet::geometry::{BLOCK_LEN, Geometry};
use swarmlet::ids::{PieceIndex, Span};
use swarmlet::logic::PeerKey;
use swarmlet::logic::choker::ChokerPolicy;
use swarmlet::logic::picker::{Policy, Priority};
use swarmlet::logic::session::Fault;
use swarmlet::logic::swarm::web::WebTurn;
use swarmlet::logic::swarm::{Action, Params, Parting, Swarm};
use swarmlet::logic::timers::Timers;
use swarmlet::protocol::Dialect;
use swarmlet::protocol::message::{Extensions, HashRange, Message};

/// Places at which strangers come and go; the honest ones of the end have the next.
const PLACES: u8 = 4;
const HONEST: [u8; 2] = [PLACES, PLACES + 1];

/// The pieces of each file: four blocks a piece, the last of a file shorter.
const FILES: [Range<u32>; 3] = [0..4, 4..5, 5..8];
const LENGTHS: [u64; 3] = [3 * 65_536 + 20_000, 100, 2 * 65_536 + 40_000];
const PIECES: u32 = 8;

const POLICIES: [Policy; 3] = [Policy::Rarest, Policy::Sequential, Policy::Random];
const LEVELS: [Priority; 4] = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];

/// The web seed's key; peers count from 1.
const WEB: PeerKey = PeerKey(1 << 32);

/// More than a peer may be asked for, by any rule.
const MOST_IN_FLIGHT: u64 = 16 << 20;
const MOST_REQUESTS: usize = 500;

/// How long the honest may take in the end, in seconds: three times the ten that a stranger may
/// owe something, for each of those who stay, and a good part of that again.
const PATIENCE: u32 = 300;

/// Right and wrong bytes, as their hashes.
const RIGHT: [u8; 32] = [0; 32];
const WRONG: [u8; 32] = [1; 32];

/// What can happen to a swarm; peers, pieces and spans are numbers that the driver brings into
/// range, most of them.
#[derive(Debug, Clone, Copy)]
pub enum Operation {
    Join {
        peer: u8,
        native: bool,
    },
    Leave {
        peer: u8,
    },
    Say {
        peer: u8,
        word: u8,
        a: u8,
    },
    Request {
        peer: u8,
        piece: u8,
        offset: u8,
    },
    /// A piece that may be asked for while choked, by us or by them.
    Fast {
        peer: u8,
        piece: u8,
        ours: bool,
    },
    /// It answers so many blocks of a request, with right bytes or wrong ones.
    Answer {
        peer: u8,
        request: u8,
        blocks: u8,
        lies: bool,
    },
    /// It refuses a request.
    Refuse {
        peer: u8,
        request: u8,
    },
    /// Bytes that perhaps nobody asked for.
    Stray {
        peer: u8,
        piece: u8,
        offset: u8,
    },
    /// What was granted first is on disk.
    Write,
    Judge,
    Leaves,
    Wait {
        millis: u16,
    },
    Round,
    Sent {
        peer: u8,
        bytes: u8,
        waits: bool,
    },
    Priorities {
        wanted: u8,
    },
    /// The same, and pieces are chosen otherwise from now on.
    Policy {
        wanted: u8,
        policy: u8,
    },
    Limit {
        to: u8,
    },
    Web {
        turn: u8,
        lies: bool,
    },
}

impl From<[u8; 4]> for Operation {
    fn from([kind, peer, a, b]: [u8; 4]) -> Self {
        match kind % 33 {
            0 | 1 => Self::Join { peer, native: a % 2 == 0 },
            2 => Self::Leave { peer },
            3..=12 => Self::Say { peer, word: kind % 33 - 3, a },
            13 => Self::Request { peer, piece: a, offset: b },
            14 => Self::Fast { peer, piece: a, ours: b % 2 == 0 },
            15..=18 => Self::Answer { peer, request: a, blocks: b % 8, lies: b >= 224 },
            19 => Self::Refuse { peer, request: a },
            20 => Self::Stray { peer, piece: a, offset: b },
            21 | 22 => Self::Write,
            23 => Self::Judge,
            24 => Self::Leaves,
            25 | 26 => Self::Wait { millis: u16::from_le_bytes([a, b]) / 4 },
            27 => Self::Round,
            28 => Self::Sent { peer, bytes: a, waits: b % 2 == 0 },
            29 => Self::Priorities { wanted: a },
            30 => Self::Limit { to: a },
            31 => Self::Policy { wanted: a, policy: b },
            _ => Self::Web { turn: a, lies: b >= 224 },
        }
    }
}

/// Runs a swarm through the operations; panics where it breaks a rule. The first numbers choose
/// its strategies and what it has.
pub fn run(setup: [u8; 4], operations: impl IntoIterator<Item = Operation>) {
    let mut driver = Driver::new(setup);
    for operation in operations {
        driver.step(operation);
        driver.check_books();
    }
    driver.finish();
}

#[derive(Debug)]
struct Peer {
    key: PeerKey,
    dialect: Dialect,
    have: Bitfield,
    /// What was said to it last: whether we want something, and whether we serve it.
    we_want: bool,
    we_serve: bool,
    wants: bool,
    serves: bool,
    /// It may have been told of pieces to be asked for while it chokes us.
    gave_fast: bool,
    /// Pieces that it may ask for although we choke it.
    given_fast: Vec<PieceIndex>,
    /// What it was asked for; a CANCEL takes that back.
    requests: VecDeque<Span>,
}

#[derive(Debug)]
struct Driver {
    swarm: Swarm,
    geometry: Geometry,
    slots: usize,
    everybody: bool,
    now: Moment,
    peers: BTreeMap<u8, Peer>,
    wanted: Vec<bool>,
    /// Granted, and not on disk yet: by whom, what, and whether the bytes are right.
    granted: VecDeque<(PeerKey, Vec<Span>, bool)>,
    /// Blocks on disk whose bytes are wrong.
    wrong: BTreeSet<(PieceIndex, u32)>,
    liars: BTreeSet<PeerKey>,
    to_judge: VecDeque<PieceIndex>,
    open_cases: BTreeSet<PieceIndex>,
    /// What the web seed was given and did not bring.
    web_run: Option<VecDeque<Span>>,
    /// To be carried out; the first one is under way.
    actions: VecDeque<Action>,
    next_key: u64,
}

impl Driver {
    fn new([seed, strategy, slots, have]: [u8; 4]) -> Self {
        let geometry = Geometry::v2(65_536, LENGTHS).expect("a small torrent");
        assert_eq!(geometry.pieces(), PIECES);
        let have = drawn(if have < 128 { 0 } else { have });
        let choker = ChokerPolicy::ALL[usize::from(strategy) % ChokerPolicy::ALL.len()];
        let upload_slots = usize::from(slots) % 4;
        let params = Params {
            policy: POLICIES[usize::from(seed) % POLICIES.len()],
            choker,
            upload_slots,
            timers: Timers::default(),
            up_limit: (slots >= 128).then_some(100_000),
            super_seeding: strategy >= 128,
            pipeline: (strategy % 16 == 3).then_some(2),
            endgame: strategy % 16 != 5,
            keeps_partial: seed < 192,
            trace: false,
            down_limit: None,
            seed: seed.into(),
        };
        let unbound = [ChokerPolicy::All, ChokerPolicy::PropShare, ChokerPolicy::BitTyrant];
        Self {
            swarm: Swarm::new(geometry.clone(), have, params),
            geometry,
            slots: if choker == ChokerPolicy::FreeRide { 0 } else { upload_slots },
            everybody: upload_slots > 0 && unbound.contains(&choker),
            now: Moment::START,
            peers: BTreeMap::new(),
            wanted: vec![true; PIECES as usize],
            granted: VecDeque::new(),
            wrong: BTreeSet::new(),
            liars: BTreeSet::new(),
            to_judge: VecDeque::new(),
            open_cases: BTreeSet::new(),
            web_run: None,
            actions: VecDeque::new(),
            next_key: 0,
        }
    }

    fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Join { peer, native } => self.join(peer % PLACES, native),
            Operation::Leave { peer } => self.leave(peer % PLACES),
            Operation::Say { peer, word, a } => self.say(peer % PLACES, word, a),
            Operation::Request { peer, piece, offset } => {
                let (piece, block) = (PieceIndex(u32::from(piece) % (PIECES + 1)), offset / 8 % 6);
                let length = [BLOCK_LEN, 100, 3616, 65_536, 0, 1 << 31][usize::from(offset) % 6];
                let span = Span { piece, offset: u32::from(block) * BLOCK_LEN, length };
                _ = self.hear(peer % PLACES, &Message::Get(span));
            }
            Operation::Fast { peer, piece, ours } => {
                let piece = PieceIndex(u32::from(piece) % (PIECES + 1));
                match self.peers.get_mut(&(peer % PLACES)) {
                    Some(peer) if ours && piece.0 < PIECES => {
                        peer.given_fast = vec![piece];
                        let key = peer.key;
                        self.act(|swarm, _, out| swarm.allow_fast(key, &[piece], out));
                    }
                    Some(other) => {
                        other.gave_fast = true;
                        _ = self.hear(peer % PLACES, &Message::AllowedFast(piece));
                    }
                    None => {}
                }
            }
            Operation::Answer { peer, request, blocks, lies } => {
                _ = self.answer(peer % PLACES, request.into(), u32::from(blocks) + 1, lies);
            }
            Operation::Refuse { peer, request } => {
                let Some(stranger) = self.peers.get_mut(&(peer % PLACES)) else { return };
                let open = stranger.requests.len().max(1);
                if let Some(span) = stranger.requests.remove(usize::from(request) % open) {
                    _ = self.hear(peer % PLACES, &Message::Reject(span));
                }
            }
            Operation::Stray { peer, piece, offset } => {
                let piece = PieceIndex(u32::from(piece) % (PIECES + 1));
                let offset = u32::from(offset % 5) * BLOCK_LEN;
                _ = self.chunk(peer % PLACES, Span { piece, offset, length: BLOCK_LEN }, false);
            }
            Operation::Write => self.write(),
            Operation::Judge => self.judge(),
            Operation::Leaves => {
                if let Some(piece) = self.open_cases.pop_first() {
                    let right = vec![RIGHT; self.geometry.blocks_of(piece) as usize];
                    self.act(|swarm, now, out| swarm.on_leaves(now, piece, &right, out));
                }
            }
            Operation::Wait { millis } => {
                self.now = self.now + Duration::from_millis(millis.into());
                self.act(Swarm::on_tick);
            }
            Operation::Round => self.round(),
            Operation::Sent { peer, bytes, waits } => {
                let Some(key) = self.peers.get(&(peer % PLACES)).map(|peer| peer.key) else {
                    return;
                };
                self.swarm.on_sent(self.now, key, u64::from(bytes) << 14, waits);
            }
            Operation::Priorities { wanted } => {
                self.prioritise(None, |file| LEVELS[usize::from(wanted >> (2 * file)) % 4]);
            }
            Operation::Policy { wanted, policy } => {
                let policy = POLICIES[usize::from(policy) % POLICIES.len()];
                self.prioritise(Some(policy), |file| LEVELS[usize::from(wanted >> (2 * file)) % 4]);
            }
            Operation::Limit { to } => {
                self.swarm.set_down_limit((to % 2 == 0).then_some(u64::from(to) << 13));
            }
            Operation::Web { turn, lies } => self.web(turn, lies),
        }
    }

    fn join(&mut self, place: u8, native: bool) {
        self.leave(place);
        self.next_key += 1;
        let key = PeerKey(self.next_key);
        let dialect = if native { Dialect::Native } else { Dialect::BitTorrent };
        self.swarm.on_joined(self.now, key, address_of(key), dialect);
        let peer = Peer {
            key,
            dialect,
            have: Bitfield::new(PIECES),
            we_want: false,
            we_serve: false,
            wants: false,
            serves: false,
            gave_fast: false,
            given_fast: Vec::new(),
            requests: VecDeque::new(),
        };
        self.peers.insert(place, peer);
    }

    fn leave(&mut self, place: u8) {
        if let Some(peer) = self.peers.remove(&place) {
            self.act(|swarm, now, out| swarm.on_left(now, peer.key, out));
        }
    }

    /// What a stranger says in one word and a number.
    fn say(&mut self, place: u8, word: u8, a: u8) {
        let piece = PieceIndex(u32::from(a) % (PIECES + 1));
        let bits = [a];
        let most_requests = Some(u32::from(a) * 8);
        let message = match word {
            0 => Message::Bitfield { first: 0, bits: &bits[..usize::from(a != 7)] },
            1 if a < 250 => Message::HaveAll,
            1 => Message::HaveNone,
            2 | 3 => Message::Have(piece),
            4 => Message::DontHave(piece),
            5 => Message::Unchoke,
            6 if !a.is_multiple_of(4) => Message::Unchoke,
            6 => Message::Choke,
            7 if !a.is_multiple_of(4) => Message::Interested,
            7 => Message::NotInterested,
            8 => {
                Message::Extensions(Box::new(Extensions { most_requests, ..Extensions::default() }))
            }
            _ => Message::Cancel(Span { piece, offset: 0, length: BLOCK_LEN }),
        };
        _ = self.hear(place, &message);
    }

    /// The swarm hears a message of a peer; one that breaks a rule ends the connection.
    fn hear(&mut self, place: u8, message: &Message) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&place) else { return Ok(()) };
        let key = peer.key;
        peer.on_said(message);
        let mut heard = Ok(());
        self.act(|swarm, now, out| {
            heard = swarm.on_message(now, key, message, out);
            if heard.is_err() {
                swarm.on_left(now, key, out);
            }
        });
        if heard.is_err() {
            self.peers.remove(&place);
        }
        heard
    }

    fn answer(&mut self, place: u8, request: usize, blocks: u32, lies: bool) -> Result<(), Fault> {
        let Some(peer) = self.peers.get_mut(&place) else { return Ok(()) };
        let open = peer.requests.len().max(1);
        let Some(span) = peer.requests.get_mut(request % open) else { return Ok(()) };
        let part = Span { length: span.length.min(blocks * BLOCK_LEN), ..*span };
        (span.offset, span.length) = (span.offset + part.length, span.length - part.length);
        if span.length == 0 {
            peer.requests.remove(request % open);
        }
        self.chunk(place, part, lies)
    }

    fn chunk(&mut self, place: u8, chunk: Span, lies: bool) -> Result<(), Fault> {
        let Some(key) = self.peers.get(&place).map(|peer| peer.key) else { return Ok(()) };
        if lies {
            self.liars.insert(key);
        }
        let mut granted = Ok(Vec::new());
        self.act(|swarm, now, out| {
            granted = swarm.claim(now, key, chunk, out);
            if granted.is_err() {
                swarm.on_left(now, key, out);
            }
        });
        match granted {
            Ok(spans) => {
                self.granted.push_back((key, spans, !lies));
                Ok(())
            }
            Err(fault) => {
                self.peers.remove(&place);
                Err(fault)
            }
        }
    }

    fn write(&mut self) {
        let Some((key, spans, right)) = self.granted.pop_front() else { return };
        for &span in &spans {
            assert!(!self.swarm.have().has(span.piece), "{span} is here and was granted");
            let (first, count) = self.geometry.blocks_of_span(span).expect("whole blocks");
            for block in (first..first + count).map(|block| (span.piece, block)) {
                _ = if right { self.wrong.remove(&block) } else { self.wrong.insert(block) };
            }
        }
        self.act(|swarm, now, out| swarm.on_written(now, key, &spans, out));
        self.swarm.on_ready(self.now, key); // its worker reads on
    }

    /// The piece that was whole first is hashed.
    fn judge(&mut self) {
        let Some(piece) = self.to_judge.pop_front() else { return };
        let blocks = self.geometry.blocks_of(piece);
        let hash = |block| if self.wrong.contains(&(piece, block)) { WRONG } else { RIGHT };
        let found: Vec<_> = (0..blocks).map(hash).collect();
        if found.contains(&WRONG) {
            let (index, count) = (0, blocks);
            let range = HashRange { root: RIGHT, base: 0, index, count, proof: 0 };
            self.act(|swarm, now, out| swarm.on_failed(now, piece, found, Some(range), out));
        } else {
            self.act(|swarm, now, out| swarm.on_verified(now, piece, out));
        }
        if self.swarm.wants_leaves(piece) {
            self.open_cases.insert(piece);
        }
    }

    fn round(&mut self) {
        self.act(Swarm::on_round);
        let served = self.peers.values().filter(|peer| peer.we_serve);
        assert!(served.clone().all(|peer| peer.wants), "somebody who wants nothing is served");
        assert!(self.everybody || served.count() <= self.slots);
    }

    fn prioritise(&mut self, policy: Option<Policy>, of_file: impl Fn(usize) -> Priority) {
        let files: Vec<_> =
            FILES.into_iter().enumerate().map(|(at, range)| (range, of_file(at))).collect();
        for (range, priority) in &files {
            let wanted = *priority > Priority::Skip;
            range.clone().for_each(|piece| self.wanted[piece as usize] = wanted);
        }
        let was_satisfied = self.swarm.is_satisfied();
        let mut says_complete = false;
        self.act(|swarm, now, out| {
            match policy {
                Some(policy) => swarm.set_policy(now, policy, &files, out),
                None => swarm.set_priorities(now, &files, out),
            }
            says_complete = out.contains(&Action::Complete);
        });
        assert_eq!(says_complete, self.swarm.is_satisfied() && !was_satisfied);
    }

    /// The web seed's life goes on by a step.
    fn web(&mut self, turn: u8, lies: bool) {
        match &mut self.web_run {
            None => {
                self.swarm.on_web_joined(WEB);
                self.web_run = Some(VecDeque::new());
            }
            Some(run) if run.is_empty() || turn < 32 => {
                run.clear();
                self.act(|swarm, now, out| swarm.on_web_run_over(now, WEB, out));
                if turn.is_multiple_of(8) {
                    self.web_run = None;
                    self.act(|swarm, now, out| swarm.on_web_left(now, WEB, out));
                } else if let WebTurn::Fetch(spans) =
                    self.swarm.next_web_run(WEB, u64::from(turn) << 12)
                {
                    self.web_run = Some(spans.into());
                }
            }
            Some(run) => {
                let span = run.pop_front().expect("it is not empty");
                let part = Span { length: span.length.min(BLOCK_LEN), ..span };
                if part != span {
                    let (offset, length) = (span.offset + part.length, span.length - part.length);
                    run.push_front(Span { offset, length, ..span });
                }
                let mut granted = Vec::new();
                self.act(|swarm, now, out| granted = swarm.claim_from_web(now, WEB, part, out));
                self.granted.push_back((WEB, granted, !lies));
                if lies {
                    self.liars.insert(WEB);
                }
            }
        }
    }

    /// Does something with the swarm and carries out what it wants done.
    fn act(&mut self, something: impl FnOnce(&mut Swarm, Moment, &mut Vec<Action>)) {
        let mut out = Vec::new();
        something(&mut self.swarm, self.now, &mut out);
        let is_busy = !self.actions.is_empty();
        self.actions.extend(out);
        // What follows from an action comes after the actions that were there before.
        while !is_busy && let Some(action) = self.actions.front().cloned() {
            self.carry_out(action);
            self.actions.pop_front();
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Say(key, message) => {
                let Some(peer) = self.peers.values_mut().find(|peer| peer.key == key) else {
                    return;
                };
                if let Message::Get(span) = &message {
                    assert!(!self.swarm.have().has(span.piece), "{span} is here and is asked for");
                    assert!(self.geometry.contains(*span), "{span}");
                }
                peer.on_told(&message);
            }
            Action::Upload(key, span) => {
                let Some(peer) = self.peers.values().find(|peer| peer.key == key) else { return };
                assert!(peer.we_serve || peer.given_fast.contains(&span.piece), "{key} is choked");
                assert!(self.swarm.have().has(span.piece), "{span} is not here");
                let end = span.end().expect("it fits");
                assert!(span.length > 0 && end <= self.geometry.padded_length_of(span.piece));
            }
            Action::Verify(piece) => {
                assert!(!self.to_judge.contains(&piece), "{piece} is hashed twice");
                self.to_judge.push_back(piece);
            }
            Action::Disconnect(key, parting) => {
                let place = self.peers.iter().find(|(_, peer)| peer.key == key);
                let place = place.map(|(&place, _)| place);
                if let Some(place) = place {
                    assert!(parting == Parting::BothSeed || !HONEST.contains(&place), "{parting}");
                    self.leave(place);
                }
            }
            Action::Ban(address, piece) => {
                let lied = self.liars.iter().any(|&liar| address_of(liar) == address);
                assert!(lied, "{address} is banned for {piece} and never lied");
            }
            Action::Complete => assert!(self.swarm.is_satisfied()),
            Action::Unqueue(..)
            | Action::UnqueueAll(_)
            | Action::Weigh(..)
            | Action::Decided(_) => {}
        }
    }

    /// The swarm's counters are what a recount gives.
    fn check_books(&self) {
        let lacking = |piece: &u32| {
            self.wanted[*piece as usize] && !self.swarm.have().has(PieceIndex(*piece))
        };
        let satisfied = (0..PIECES).filter(lacking).count() == 0;
        assert_eq!(self.swarm.is_satisfied(), satisfied);
        let statuses = self.swarm.peers(self.now);
        assert_eq!(statuses.len(), self.peers.len());
        for status in statuses {
            let peer = self.peers.values().find(|peer| peer.key == status.peer);
            let peer = peer.expect("whom the swarm knows");
            let has = |piece: &u32| lacking(piece) && peer.have.has(PieceIndex(*piece));
            let wanted = (0..PIECES).filter(has).count() as u32;
            assert_eq!((status.wanted, status.pieces), (wanted, peer.have.count()), "{peer:?}");
            assert_eq!((status.am_interested, peer.we_want), (wanted > 0, wanted > 0), "{peer:?}");
            assert_eq!(status.peer_choking, !peer.serves);
            assert!(status.requests <= MOST_REQUESTS && status.in_flight <= MOST_IN_FLIGHT);
            assert_eq!(status.requests == 0, status.in_flight == 0, "{status:?}");
        }
    }

    /// The user wants everything, the strangers fall silent but stay, and two honest peers come:
    /// they must be able to bring it all, and are never blamed for anything.
    fn finish(&mut self) {
        self.prioritise(None, |_| Priority::Normal);
        self.swarm.set_down_limit(None);
        if self.web_run.take().is_some() {
            self.act(|swarm, now, out| swarm.on_web_left(now, WEB, out));
        }
        for (place, native) in HONEST.into_iter().zip([true, false]) {
            self.join(place, native);
            self.hear(place, &Message::HaveAll).expect("it is the first word");
            self.hear(place, &Message::Unchoke).expect("anybody may");
        }
        for second in 0..PATIENCE {
            if self.swarm.is_complete() {
                return;
            }
            for place in HONEST {
                self.be_honest(place, second);
            }
            while !self.granted.is_empty() {
                self.write();
            }
            while !self.to_judge.is_empty() {
                self.judge();
            }
            self.now = self.now + Duration::from_secs(1);
            self.act(Swarm::on_tick);
            if second % 10 == 0 {
                self.round();
            }
            self.check_books();
        }
        assert!(self.swarm.is_complete(), "stuck: {self:#?}");
    }

    /// What an honest peer does in a second: it answers in order, and now and then it chokes us,
    /// whereupon what it was asked for is void.
    fn be_honest(&mut self, place: u8, second: u32) {
        let honest = "an honest peer breaks no rule";
        for _ in 0..6 {
            self.answer(place, 0, 2, false).expect(honest);
        }
        if second % 7 == u32::from(place) && self.peers.contains_key(&place) {
            self.hear(place, &Message::Choke).expect(honest);
            let peer = self.peers.get_mut(&place);
            let refused = peer.map(|peer| std::mem::take(&mut peer.requests)).unwrap_or_default();
            for span in refused {
                self.hear(place, &Message::Reject(span)).expect(honest);
            }
            self.hear(place, &Message::Unchoke).expect(honest);
        }
    }
}

impl Peer {
    /// It says something; whether it may, the swarm finds out.
    fn on_said(&mut self, message: &Message) {
        match message {
            Message::Bitfield { bits, .. } if bits.len() == 1 => {
                let said = (0..PIECES).filter(|piece| bits[0] & (0x80 >> piece) != 0);
                said.for_each(|piece| _ = self.have.set(PieceIndex(piece)));
            }
            Message::HaveAll => self.have = Bitfield::full(PIECES),
            &Message::Have(piece) => _ = self.have.set(piece),
            &Message::DontHave(piece) => _ = self.have.clear(piece),
            Message::Unchoke => self.serves = true,
            Message::Choke => self.serves = false,
            Message::Interested => self.wants = true,
            Message::NotInterested => self.wants = false,
            _ => {}
        }
    }

    /// It is told something: no news is told twice, and it is asked only for what it may be.
    fn on_told(&mut self, message: &Message) {
        let news = |told: &mut bool, now: bool| assert!(std::mem::replace(told, now) != now);
        match message {
            Message::Interested => news(&mut self.we_want, true),
            Message::NotInterested => news(&mut self.we_want, false),
            Message::Unchoke => news(&mut self.we_serve, true),
            Message::Choke => news(&mut self.we_serve, false),
            &Message::Get(span) => {
                assert!(self.have.has(span.piece), "{span} of {self:?}");
                assert!(self.we_want && (self.serves || self.gave_fast), "{span} of {self:?}");
                assert!(self.dialect == Dialect::Native || span.length <= BLOCK_LEN, "{span}");
                self.requests.push_back(span);
            }
            &Message::Cancel(span) => self.on_cancel(span),
            _ => {}
        }
    }

    /// The end of a request, or all of it, need not be answered.
    fn on_cancel(&mut self, cancelled: Span) {
        let is_hit = |r: &Span| r.piece == cancelled.piece && r.end() <= cancelled.end();
        let meant = |r: &Span| is_hit(r) && r.end() > Some(cancelled.offset);
        if let Some(at) = self.requests.iter().position(meant) {
            let request = &mut self.requests[at];
            request.length = cancelled.offset.saturating_sub(request.offset);
            if request.length == 0 {
                self.requests.remove(at);
            }
        }
    }
}

/// Everybody has an address of its own, so that a ban hits one.
fn address_of(key: PeerKey) -> SocketAddr {
    let [.., a, b, c] = key.0.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 6881))
}

/// A bitfield by a number: nothing, everything, or something in between.
fn drawn(number: u8) -> Bitfield {
    let mut have = Bitfield::new(PIECES);
    let mut dice = fastrand::Rng::with_seed(number.into());
    let has = |_: &PieceIndex| number > 223 || (number > 0 && dice.bool());
    (0..PIECES).map(PieceIndex).filter(has).for_each(|piece| _ = have.set(piece));
    have
}
