//! One of our torrents, and what a tracker is known to know of it.

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::node::trackers::TorrentReport;
use crate::node::trackers::status::LastAnnounce;
use crate::protocol::tracker_native::{MAX_DATAGRAM_BITMAP, MAX_NAME};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The tracker does not list us.
    Unknown,
    /// It does, as far as we know.
    Listed,
}

/// One of our torrents, and what the tracker knows of it.
pub(super) struct Tracked {
    pub report: TorrentReport,
    pub standing: Standing,
    /// REGISTER again although listed: too much news for a heartbeat, or another name or size.
    pub refresh: bool,
    /// Not before.
    pub register_at: Moment,
    /// The pieces that the tracker knows we have.
    pub told: Bitfield,
    pub told_seeding: bool,
    pub asked_peers: Option<Moment>,
    pub errand_peers: Option<Moment>,
    /// What the tracker answered last.
    pub last: Option<LastAnnounce>,
    /// Peers are wanted at once: somebody asked for them.
    pub hurry: bool,
    pub leaving: bool,
}

/// More new pieces than this are told by a bitmap.
const MAX_NEWS: usize = 40;

impl Tracked {
    pub fn new(report: &TorrentReport, now: Moment) -> Self {
        Self {
            told: Bitfield::new(report.have.pieces()),
            report: report.clone(),
            standing: Standing::Unknown,
            refresh: false,
            register_at: now,
            told_seeding: false,
            asked_peers: None,
            errand_peers: None,
            last: None,
            hurry: false,
            leaving: false,
        }
    }

    pub fn on_report(&mut self, report: &TorrentReport) {
        let same = |r: &TorrentReport| (r.size, r.pieces, r.have.pieces());
        self.refresh |= same(&self.report) != same(report) || self.report.name != report.name;
        self.refresh |= self.told_seeding && !report.seeding;
        self.report = report.clone();
        self.leaving = false;
    }

    pub fn is_listed(&self) -> bool {
        self.standing == Standing::Listed
    }

    pub fn is_staying(&self) -> bool {
        self.is_listed() && !self.leaving
    }

    pub fn wants_register(&self) -> bool {
        !self.leaving && (!self.is_listed() || self.refresh)
    }

    pub fn forgotten(&mut self, now: Moment) {
        self.standing = Standing::Unknown;
        self.register_at = now;
    }

    /// The pieces that the tracker does not know of yet; none if they are too many for a beat or
    /// if it believes too much: then the bitmap is due.
    pub fn news(&mut self, room: usize) -> Vec<PieceIndex> {
        let have = &self.report.have;
        let lost = self.told.iter().any(|piece| !have.has(piece));
        let new = have.iter().filter(|&piece| !self.told.has(piece));
        let news: Vec<PieceIndex> = new.take(MAX_NEWS + 1).collect();
        if self.report.seeding {
            return Vec::new();
        }
        if lost || news.len() > MAX_NEWS {
            self.refresh = true;
            return Vec::new();
        }
        news.into_iter().take(room).collect()
    }

    /// The bitmap, when it is due and no datagram holds it.
    pub fn takes_errand(&mut self) -> Option<Bitfield> {
        let large = self.report.have.as_bytes().len() > MAX_DATAGRAM_BITMAP;
        let due = large && self.refresh && self.told.pieces() == self.report.have.pieces();
        due.then(|| {
            self.refresh = false;
            self.report.have.clone()
        })
    }
}

/// A torrent that is not whole lacks something, even if it wants no more of it.
pub(super) fn left(report: &TorrentReport) -> u64 {
    if report.seeding { 0 } else { report.left.max(1) }
}

/// The name within the protocol's limit, cut between characters; the hash while it is unknown.
pub(super) fn fitting_name(report: &TorrentReport) -> String {
    if report.name.is_empty() {
        return report.info_hash.to_string();
    }
    let end = (0..=MAX_NAME).rev().find(|&end| report.name.is_char_boundary(end));
    report.name[..end.unwrap_or(0).min(report.name.len())].to_owned()
}
