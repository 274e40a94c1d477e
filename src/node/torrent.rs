//! One torrent of a node: what it is, its files, its peers and its decisions, each under its lock.

use super::leaves::LeafCache;
use super::limits::DownLimit;
use super::shared::{Connection, Peers, Picking};
use super::stay::Stay;
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::geometry::Geometry;
use crate::ids::{InfoHash, PieceIndex};
use crate::logic::picker::Priority;
use crate::logic::rate::Rate;
use crate::logic::retry::Retry;
use crate::metainfo::Metainfo;
use crate::storage::{Storage, StorageError};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// One torrent of a node.
pub struct Torrent {
    /// What it is called for people: the name it was asked for by.
    pub name: String,
    /// What it is.
    pub meta: Metainfo,
    /// Which of its hashes names it here.
    pub info_hash: InfoHash,
    /// The native trackers that it names itself.
    pub trackers: Vec<SocketAddr>,
    /// The URLs of its BitTorrent trackers, in tiers; at first those that the metainfo names.
    pub tiers: Mutex<Vec<Vec<String>>>,
    /// The trackers of a hierarchy that have authority for it, once they have been found: it is
    /// registered with the first, and its .torrent is published to all.
    pub authorities: Mutex<Vec<SocketAddr>>,
    /// Its pieces' places.
    pub geometry: Geometry,
    /// Its files.
    pub storage: Storage,
    /// Connections, dialer and neighbours.
    pub peers: Mutex<Peers>,
    /// Bitmap, picker, choker, sessions, and where to say what they decide.
    pub picker: Mutex<Picking>,
    /// Whether everything that is wanted is here; changes under `picker`.
    pub completed: AtomicBool,
    /// Whether that is still to be made durable, and told.
    pub unsettled: AtomicBool,
    /// Whether some file may be whole that has not its name yet.
    pub has_whole_files: AtomicBool,
    /// Whether a file that is served was changed: its pieces are to be checked.
    pub doubted: AtomicBool,
    /// Whether an error says that somebody else was at its files.
    pub suspected: AtomicBool,
    /// How often in a row that was so, and nothing could be seen of it.
    pub in_vain: AtomicU32,
    /// Held while files are chosen, also while they are moved: one choice at a time.
    pub selecting: Mutex<()>,
    /// Whether the disk failed: nothing more is asked for.
    pub failed: AtomicBool,
    /// When a disk that failed is tried again.
    pub retry: Mutex<Retry>,
    /// Whether it is in its node, or was paused or taken out.
    pub stay: Stay,
    /// The most connections of it; `usize::MAX` is no limit of its own.
    pub max_peers: AtomicUsize,
    /// Calls about it that are under way.
    pub calls: AtomicUsize,
    /// Whether the limits of all torrents hold for it, too.
    pub obeys_limits: AtomicBool,
    /// Web seeds that sent wrong bytes: they are never asked again.
    pub spoilt: Mutex<HashSet<String>>,
    /// Bytes of content sent.
    pub uploaded: AtomicU64,
    /// How fast content is sent.
    pub up: Mutex<Rate>,
    /// Bytes per second that may be received of it.
    pub down_limit: DownLimit,
    /// When it was added.
    pub added: Moment,
    /// The leaf hashes that were asked for lately.
    pub leaves: Mutex<LeafCache>,
    /// What GET_METAINFO hands out, once somebody asked: see [`Torrent::exchange_bytes`].
    pub exchange: OnceLock<Vec<u8>>,
}

impl Torrent {
    /// Whether only the trackers that it names may know of it (BEP 27). Once it named some this holds,
    /// also when the user has taken them away.
    pub fn keeps_to_its_trackers(&self) -> bool {
        let names_some = || self.tiers.lock().iter().any(|tier| !tier.is_empty());
        self.meta.keeps_to_its_trackers() || self.meta.private && names_some()
    }

    /// The most connections of it.
    pub fn max_peers(&self) -> usize {
        self.max_peers.load(Ordering::Acquire)
    }

    /// Bytes of content were sent.
    pub fn on_uploaded(&self, now: Moment, bytes: u64) {
        self.uploaded.fetch_add(bytes, Ordering::Relaxed);
        self.up.lock().add(now, bytes);
    }

    /// What GET_METAINFO hands out, made when it is first asked for.
    pub fn exchange_bytes(&self) -> &[u8] {
        self.exchange.get_or_init(|| self.meta.exchange_bytes())
    }

    /// Whether everything that is wanted is here, on the disk and under its name.
    pub fn is_settled(&self) -> bool {
        self.completed.load(Ordering::Acquire) && !self.unsettled.load(Ordering::Acquire)
    }

    /// Reads bytes of a piece; behind its end are a hybrid's pads, which are zeros.
    pub fn read(&self, piece: PieceIndex, offset: u32, out: &mut [u8]) -> Result<(), StorageError> {
        let real = self.geometry.length_of(piece).saturating_sub(offset) as usize;
        let (real, pads) = out.split_at_mut(real.min(out.len()));
        pads.fill(0);
        if real.is_empty() { Ok(()) } else { self.storage.read(piece, offset, real) }
    }

    /// The swarm hears what was sent to whom: the upload pool does not lock it for each frame.
    pub fn tell_what_was_sent(&self, now: Moment) {
        let mut picker = self.picker.lock();
        let Picking { swarm, lines, .. } = &mut *picker;
        for (&peer, connection) in lines {
            let total = connection.uploaded.load(Ordering::Relaxed);
            swarm.on_sent(now, peer, total, connection.outbox.is_waiting());
            let (full, taken) = connection.outbox.flow();
            swarm.on_flow(now, peer, full.map(|since| now - since.elapsed()), taken);
        }
    }

    /// How much each data file is wanted, in the torrent's order.
    pub fn priorities(&self) -> Vec<Priority> {
        self.picker.lock().priorities.clone()
    }

    /// A copy of the verified bitmap.
    pub fn have(&self) -> Bitfield {
        self.picker.lock().have().clone()
    }

    /// All live connections.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.peers.lock().connections.values().cloned().collect()
    }
}
