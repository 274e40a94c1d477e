//! Why a span was picked.

use std::fmt;

/// Why a span was picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The piece was begun before.
    Begun,
    /// We have no piece yet: any will do, so that we soon have something to trade.
    RandomFirst,
    /// Of those it has and we lack, this is one of the rarest.
    Rarest {
        /// How many connected peers have it.
        availability: u32,
        /// How many pieces are as rare.
        ties: u32,
    },
    /// The policy is to pick at random.
    Random,
    /// The policy is to pick in order.
    NextInOrder,
    /// In order, but the ends of a file come first: players read them before the rest.
    Edge,
    /// A longest gap, for a source that gives large ranges.
    Gap,
    /// Everything is asked for; this peer is idle and another still owes it.
    EndGame,
    /// This peer is late with what it owes: only what another owes too is asked of it.
    Probe,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => f.write_str("strict priority: the piece is begun"),
            Self::RandomFirst => f.write_str("random first piece"),
            Self::Rarest { availability, ties } => {
                write!(f, "rarest: availability {availability}, tie of {ties}")
            }
            Self::Random => f.write_str("random"),
            Self::NextInOrder => f.write_str("sequential"),
            Self::Edge => f.write_str("sequential: the ends of a file first"),
            Self::Gap => f.write_str("the longest gap"),
            Self::EndGame => f.write_str("end game"),
            Self::Probe => f.write_str("probe: it is late, another owes this too"),
        }
    }
}
