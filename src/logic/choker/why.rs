//! Why a peer is served, in numbers, and in words for whoever asks.

use super::Words;
use std::fmt;

/// Why a peer is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is among the best of those who give.
    Gives {
        /// Its place among them, from 1.
        rank: usize,
        /// How many give.
        of: usize,
        /// Bytes per second from it.
        rate: u64,
    },
    /// It is on trial.
    Optimistic {
        /// How many might have been.
        among: usize,
    },
    /// We seed, and it stays in its slot.
    Kept {
        /// Seconds since it has been served.
        secs: u64,
    },
    /// We seed, and it was its turn.
    Turn {
        /// How many waited.
        among: usize,
    },
    /// The dice fell on it.
    Lot {
        /// How many might have been.
        among: usize,
    },
    /// It is its turn, by the time it waited.
    Waited {
        /// Seconds since it has waited, or been served.
        secs: u64,
    },
    /// Everybody is served.
    Everybody,
    /// It is worth its price.
    Bargain {
        /// Bytes per second that it is thought to give.
        gives: u64,
        /// Bytes per second that it is thought to want for it.
        costs: u64,
    },
    /// It is given back what it gave.
    Share {
        /// Thousandths of what we receive that are from it.
        permille: u64,
    },
    /// What a strategy of one's own says.
    Own(&'static str),
    /// What somebody's program says.
    Says(Words),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Gives { rank, of, rate } => {
                write!(f, "tit for tat: {} of {of} with {}", Place(rank), Rate(rate))
            }
            Self::Optimistic { among } => {
                write!(f, "optimistic: its turn among {among}, a newcomer is three times as likely")
            }
            Self::Kept { secs } => write!(f, "seeding: unchoked {secs} s ago"),
            Self::Turn { among } => write!(f, "seeding: its turn among {among}"),
            Self::Lot { among } => write!(f, "by lot among {among}"),
            Self::Waited { secs } => write!(f, "its turn: served or waiting for {secs} s"),
            Self::Everybody => f.write_str("everybody is served"),
            Self::Bargain { gives, costs } => {
                write!(f, "a bargain: {} for {}", Rate(gives), Rate(costs))
            }
            Self::Share { permille } => {
                write!(f, "its share: {}.{} % of what we receive", permille / 10, permille % 10)
            }
            Self::Own(words) => f.write_str(words),
            Self::Says(words) => words.fmt(f),
        }
    }
}

/// A place in a list, from 1.
struct Place(usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("first"),
            2 => f.write_str("second"),
            3 => f.write_str("third"),
            place => write!(f, "number {place}"),
        }
    }
}

/// Bytes per second.
struct Rate(u64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rate @ ..1000 => write!(f, "{rate} B/s"),
            rate => write!(f, "{} kB/s", rate / 1000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_few_words() {
        let check = |why: Why, words: &str| assert_eq!(why.to_string(), words);
        let third = Why::Gives { rank: 3, of: 12, rate: 512_000 };
        check(third, "tit for tat: third of 12 with 512 kB/s");
        check(Why::Gives { rank: 4, of: 4, rate: 7 }, "tit for tat: number 4 of 4 with 7 B/s");
        let trial = "optimistic: its turn among 7, a newcomer is three times as likely";
        check(Why::Optimistic { among: 7 }, trial);
        check(Why::Kept { secs: 8 }, "seeding: unchoked 8 s ago");
        check(Why::Turn { among: 3 }, "seeding: its turn among 3");
        check(Why::Lot { among: 3 }, "by lot among 3");
        check(Why::Waited { secs: 40 }, "its turn: served or waiting for 40 s");
        check(Why::Bargain { gives: 40_000, costs: 10_000 }, "a bargain: 40 kB/s for 10 kB/s");
        check(Why::Share { permille: 455 }, "its share: 45.5 % of what we receive");
    }
}
