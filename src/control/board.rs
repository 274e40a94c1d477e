//! What a page shows besides the facts of a torrent: its map, the choker's board, rates, the log.

use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::logic::history::History;
use crate::logic::picker::PieceState;
use crate::logic::swarm;
use std::net::SocketAddr;
use std::time::Duration;

/// What a map shows of each piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layer {
    /// How far it is.
    #[default]
    State,
    /// From whom it came.
    Source,
    /// How many connected peers have it.
    Availability,
}

impl Layer {
    /// Its name in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Source => "source",
            Self::Availability => "availability",
        }
    }

    /// The layer of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::State, Self::Source, Self::Availability].into_iter().find(|l| l.name() == name)
    }
}

/// Something of each piece of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Map {
    /// [`Layer::State`].
    State(Vec<PieceState>),
    /// [`Layer::Source`].
    Source {
        /// The pieces that are here.
        have: Bitfield,
        /// Everyone that a piece came from; `None` stands for web seeds.
        sources: Vec<Option<SocketAddr>>,
        /// For each piece a place in that list, if it is known.
        places: Vec<Option<u16>>,
    },
    /// [`Layer::Availability`].
    Availability(Vec<u32>),
}

/// One torrent, looked at closely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// When this was so; decisions are told by when they were.
    pub now: Moment,
    /// How long until the next round of that.
    pub next_round: Duration,
    /// How upload slots are given out.
    pub choking: swarm::Board,
    /// Which pieces each connected peer has, by [`super::view::PeerView::number`].
    pub bars: Vec<(u64, String)>,
    /// How many pieces have 0, 1, 2 .. copies among connected peers.
    pub copies: Vec<u32>,
    /// Something of each piece.
    pub map: Map,
}

/// How fast things went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// All torrents together.
    pub session: History,
    /// The one that was asked for.
    pub torrent: Option<History>,
}
