//! One peer of a world: what it is told to be, what it is, and what became of it.

use super::events::Event;
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::geometry::{BLOCK_LEN, Geometry};
use crate::ids::{PieceIndex, Span};
use crate::lab::link::{Downlink, Uplink};
use crate::logic::PeerKey;
use crate::logic::choker::ChokerPolicy;
use crate::logic::neighbours::{Neighbours, PATIENCE};
use crate::logic::picker::Policy;
use crate::logic::session::Fault;
use crate::logic::swarm::{Params, Swarm};
use crate::logic::timers::Timers;
use crate::protocol::Dialect;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What a peer has when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Seed,
    /// Nothing.
    Leecher,
}

/// When a peer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// It stays.
    Never,
    /// At a moment, whatever it has.
    At(Moment),
    /// So long after it has everything.
    AfterCompletion(Duration),
}

/// Whether a peer sends what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Honesty {
    /// The right bytes.
    Honest,
    /// Wrong bytes, and no leaf hashes.
    Liar,
}

/// What one peer is told to be.
#[derive(Debug, Clone)]
pub struct PeerOptions {
    /// What it has when it comes.
    pub role: Role,
    /// When it comes.
    pub joins: Moment,
    /// When it goes.
    pub leaves: Leaves,
    /// Bytes per second that it sends at most; `None` is as fast as can be.
    pub up: Option<u64>,
    /// How many pieces a leecher lacks when it comes, the first of the content; `None`: all of them.
    pub lacks: Option<u32>,
    /// Bytes per second that it receives at most; its swarm knows that and asks for no more, as
    /// under `--downlimit`.
    pub down: Option<u64>,
    /// How many it serves at once; a free rider serves nobody.
    pub upload_slots: usize,
    /// How it chooses pieces.
    pub picker: Policy,
    /// How it chooses whom to serve.
    pub choker: ChokerPolicy,
    /// Whether it shows its pieces one by one while it is the only seeder.
    pub super_seeding: bool,
    /// Whether it keeps what it has of a piece when the peer that sent it chokes.
    pub keeps_partial: bool,
    /// What it speaks; two peers speak the native dialect only if both do.
    pub dialect: Dialect,
    /// Whether it sends the right bytes.
    pub honesty: Honesty,
    /// Whether it calls everybody, those included that come later, whatever the degree.
    pub large_view: bool,
    /// The most blocks that it has asked of one peer; `None`: as many as the peer's rate is worth.
    pub pipeline: Option<u32>,
    /// Whether it asks for copies of what slow peers owe at the end.
    pub endgame: bool,
}

impl PeerOptions {
    /// A leecher that comes at once, stays, serves four and sends `up` bytes per second.
    pub fn leecher(up: u64) -> Self {
        Self {
            role: Role::Leecher,
            joins: Moment::START,
            leaves: Leaves::Never,
            up: Some(up),
            lacks: None,
            down: None,
            upload_slots: 4,
            picker: Policy::Rarest,
            choker: ChokerPolicy::default(),
            super_seeding: false,
            keeps_partial: true,
            dialect: Dialect::Native,
            honesty: Honesty::Honest,
            large_view: false,
            pipeline: None,
            endgame: true,
        }
    }

    /// The same with everything.
    pub fn seed(up: u64) -> Self {
        Self { role: Role::Seed, ..Self::leecher(up) }
    }
}

/// What became of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerReport {
    /// What it had when it came.
    pub role: Role,
    /// When it came.
    pub joined: Option<Moment>,
    /// When it had everything; a seed never gets there, it begins there.
    pub completed: Option<Moment>,
    /// When it went.
    pub left: Option<Moment>,
    /// Bytes of content that it sent.
    pub sent: u64,
    /// Bytes of content that came.
    pub received: u64,
    /// Bytes of what came that were of no use: a second copy, a piece that failed its hash, or too
    /// late.
    pub wasted: u64,
    /// How many connections it ended because the other sent wrong bytes.
    pub bans: u32,
    /// Whose connections it ended because they broke a rule, and which.
    pub faults: Vec<(usize, Fault)>,
    /// When its first and its last byte of content came.
    pub bytes_came: Option<(Moment, Moment)>,
    /// When it had 95 of 100 of what it lacked, in bytes of use.
    pub nearly: Option<Moment>,
}

impl PeerReport {
    /// How long it took from coming to having everything.
    pub fn took(&self) -> Option<Duration> {
        Some(self.completed?.since(self.joined?))
    }
}

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub options: PeerOptions,
    pub swarm: Swarm,
    pub uplink: Uplink,
    /// Which word the block is that the uplink sends.
    pub sending: u64,
    pub downlink: Downlink,
    pub address: SocketAddr,
    /// All connections it ever had, unless it forgot those that ended.
    pub connections: Vec<PeerKey>,
    /// What it looks for when nobody serves it.
    pub neighbours: Neighbours,
    /// Whom the tracker named, and it did not call yet; the last is called first.
    pub named: Vec<usize>,
    /// When it looked at its neighbours last.
    pub looked: Moment,
    /// Nothing passes between it and others until then.
    pub cut_until: Moment,
    /// What happened to it during a pause.
    pub paused: Option<Vec<Event>>,
    pub report: PeerReport,
    geometry: Geometry,
    /// Who wrote what is stored, block by block, as many for each piece.
    writers: Vec<Option<Honesty>>,
}

impl Peer {
    /// The `index`th peer of a world, who has not come yet.
    pub fn new(
        index: usize,
        options: PeerOptions,
        geometry: &Geometry,
        scale: f64,
        seed: u64,
        traced: bool,
    ) -> Self {
        let params = Params {
            policy: options.picker,
            choker: options.choker,
            upload_slots: options.upload_slots,
            timers: Timers::default().scaled(scale),
            up_limit: options.up,
            super_seeding: options.super_seeding,
            keeps_partial: options.keeps_partial,
            trace: traced,
            down_limit: options.down,
            pipeline: options.pipeline,
            endgame: options.endgame,
            seed,
        };
        let have = match options.role {
            Role::Seed => Bitfield::full(geometry.pieces()),
            Role::Leecher => Bitfield::all_but(geometry.pieces(), options.lacks),
        };
        // A network each: what is allowed to a choked peer goes by its network (BEP 6).
        let [.., high, low] = (index as u32).to_be_bytes();
        let report = PeerReport {
            role: options.role,
            joined: None,
            completed: None,
            left: None,
            sent: 0,
            received: 0,
            wasted: 0,
            bans: 0,
            faults: Vec::new(),
            bytes_came: None,
            nearly: None,
        };
        let per_piece = geometry.piece_length().div_ceil(BLOCK_LEN);
        Self {
            swarm: Swarm::new(geometry.clone(), have, params),
            uplink: Uplink::new(options.up),
            sending: 0,
            downlink: Downlink::new(options.down),
            address: SocketAddr::from((Ipv4Addr::new(10, high, low, 1), 6881)),
            connections: Vec::new(),
            neighbours: Neighbours::new(PATIENCE.div_f64(scale)),
            named: Vec::new(),
            looked: Moment::START,
            cut_until: Moment::START,
            paused: None,
            report,
            geometry: geometry.clone(),
            writers: vec![None; (geometry.pieces() * per_piece) as usize],
            options,
        }
    }

    pub fn is_leeching(&self) -> bool {
        self.is_present() && self.is_waited_for()
    }

    pub fn is_present(&self) -> bool {
        self.report.joined.is_some() && self.report.left.is_none()
    }

    /// Whether it still is to get something, now or when it comes.
    pub fn is_waited_for(&self) -> bool {
        self.options.role == Role::Leecher
            && self.report.completed.is_none()
            && self.report.left.is_none()
    }

    /// Bytes came, of which these spans were stored. Of no use is what was not stored, and what was
    /// there before, because the piece failed its hash.
    pub fn on_received(&mut self, now: Moment, bytes: u32, stored: &[Span], writer: Honesty) {
        let (mut of_use, per_piece) = (0, self.blocks_per_piece());
        for span in stored {
            for offset in (0..span.length).step_by(BLOCK_LEN as usize) {
                let block = ((span.offset + offset) / BLOCK_LEN) as usize;
                let was = self.writers[span.piece.at() * per_piece + block].replace(writer);
                of_use += was.map_or(BLOCK_LEN.min(span.length - offset), |_| 0);
            }
        }
        self.report.received += u64::from(bytes);
        self.report.wasted += u64::from(bytes - of_use);
        let first = self.report.bytes_came.map_or(now, |(first, _)| first);
        self.report.bytes_came = Some((first, now));
        let of_use = self.report.received - self.report.wasted;
        if of_use * 100 >= self.geometry.total() * 95 {
            self.report.nearly.get_or_insert(now);
        }
    }

    /// Who wrote each block of a piece that is whole.
    pub fn writers_of(&self, piece: PieceIndex) -> impl Iterator<Item = Honesty> + '_ {
        let start = piece.at() * self.blocks_per_piece();
        let count = self.geometry.blocks_of(piece) as usize;
        self.writers[start..start + count].iter().map(|block| block.expect("the piece is whole"))
    }

    fn blocks_per_piece(&self) -> usize {
        self.geometry.piece_length().div_ceil(BLOCK_LEN) as usize
    }
}
