//! What happens in a node: an [`Event`] for those who watch.

use crate::ids::PieceIndex;
use crate::node::shared::Torrent;
use crate::storage::StorageError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What happens in a node, for people.
pub enum Event {
    /// A connection was made.
    Connected {
        /// About this torrent.
        torrent: Arc<Torrent>,
        /// The peer.
        address: SocketAddr,
        /// Which program it is, by its id (BEP 20).
        client: String,
    },
    /// A connection ended.
    Disconnected {
        /// About this torrent.
        torrent: Arc<Torrent>,
        /// The peer.
        address: SocketAddr,
        /// In words.
        why: String,
    },
    /// A piece was verified.
    Piece {
        /// Of this torrent.
        torrent: Arc<Torrent>,
        /// The piece.
        piece: PieceIndex,
    },
    /// A piece did not match its hash.
    VerifyFailed {
        /// Of this torrent.
        torrent: Arc<Torrent>,
        /// The piece.
        piece: PieceIndex,
    },
    /// A peer that sent wrong bytes was banned.
    Banned {
        /// For this torrent.
        torrent: Arc<Torrent>,
        /// The peer.
        address: SocketAddr,
        /// The piece.
        piece: PieceIndex,
    },
    /// Everything is here and verified.
    Complete {
        /// This torrent.
        torrent: Arc<Torrent>,
    },
    /// The disk failed, in a way that may pass: it is tried again, and meanwhile nothing is asked for.
    Halted {
        /// This torrent.
        torrent: Arc<Torrent>,
        /// How.
        error: StorageError,
    },
    /// A disk that failed works again: the torrent goes on.
    Recovered {
        /// This torrent.
        torrent: Arc<Torrent>,
    },
    /// The disk failed, in a way that somebody has to mend.
    Failed {
        /// This torrent.
        torrent: Arc<Torrent>,
        /// How.
        error: StorageError,
    },
    /// Pieces that were here are not right any more: somebody else changed a file, or the disk does not
    /// give it.
    Lost {
        /// Of this torrent.
        torrent: Arc<Torrent>,
        /// The pieces.
        pieces: Vec<PieceIndex>,
        /// The file of the first of them.
        file: PathBuf,
        /// Whether they are fetched again; else they are not served any more.
        again: bool,
    },
    /// A tracker knows the torrent.
    Registered {
        /// This torrent.
        torrent: Arc<Torrent>,
        /// The tracker.
        tracker: SocketAddr,
    },
    /// A tracker does not answer.
    TrackerLost {
        /// The tracker.
        tracker: String,
        /// In words.
        why: String,
    },
    /// A tracker answers (again).
    TrackerFound {
        /// The tracker.
        tracker: String,
    },
    /// A tracker has something to say to the user.
    TrackerWarned {
        /// The tracker.
        tracker: String,
        /// What it says.
        text: String,
    },
    /// A thread that every torrent needs panics again and again: nothing goes on any more.
    Bug {
        /// Which.
        thread: &'static str,
    },
}

impl Event {
    /// Whether the same is told again soon, or can be seen otherwise.
    pub(crate) fn repeats_itself(&self) -> bool {
        matches!(self, Self::Connected { .. } | Self::Disconnected { .. } | Self::Piece { .. })
    }
}
