//! What a swarm wants done.

use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::logic::ban::Verdict;
use crate::logic::{choker, picker};
use crate::protocol::message::Message;
use std::net::SocketAddr;

/// A peer that let so many deadlines pass in a row is let go.
pub(super) const MISSES: u32 = 3;

/// A peer that serves us and refused so many requests in a row is let go.
pub(super) const MOST_REFUSALS: u32 = 32;

/// Something to be done, after the lock is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Put a message into a peer's outbox.
    Say(PeerKey, Message<'static>),
    /// Put bytes of a piece into a peer's outbox.
    Upload(PeerKey, Span),
    /// Take a request back out of a peer's outbox.
    Unqueue(PeerKey, Span),
    /// Take all bytes that wait out of a peer's outbox: it is choked, or wants nothing.
    UnqueueAll(PeerKey),
    /// This peer's share of our upload from now on, in thousandths of an equal one.
    Weigh(PeerKey, u32),
    /// All blocks of a piece are stored: hash it.
    Verify(PieceIndex),
    /// End a connection.
    Disconnect(PeerKey, Parting),
    /// Never talk to this address again: it sent wrong bytes of this piece.
    Ban(SocketAddr, PieceIndex),
    /// Every piece that is wanted is here and verified.
    Complete,
    /// Why something is done, when [`super::Params::trace`] asks for it.
    Decided(Decision),
}

/// A decision and its reason, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A peer is asked for this.
    Pick(PeerKey, Span, picker::Why),
    /// These are served from now on, and those no longer.
    Choke {
        /// Who has a slot, and why.
        served: Vec<(PeerKey, choker::Why)>,
        /// Who had one and lost it.
        dropped: Vec<PeerKey>,
    },
    /// A peer is given a slot that became free.
    FreeSlot(PeerKey, choker::Why),
    /// A leecher is shown a piece that so many others have or were shown.
    Show(PeerKey, PieceIndex, u32),
    /// A peer let a deadline pass: so many bytes are asked of others.
    Missed(PeerKey, u64),
    /// A peer is slower than was thought: so many bytes are asked of others.
    Overdue(PeerKey, u64),
    /// A piece matched its hash.
    Verified(PieceIndex),
    /// A piece did not match its hash, and what is known of who is to blame.
    Failed(PieceIndex, Verdict),
}

/// Why a connection is ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Parting {
    /// Neither side needs the other.
    #[error("both are seeders")]
    BothSeed,
    /// It let several deadlines pass.
    #[error("it answered none of {MISSES} requests in time")]
    Snubbed,
    /// It refused whatever it was asked for.
    #[error("it refused {MOST_REFUSALS} requests in a row for pieces that it says it has")]
    Refuses,
    /// It was told of a piece that we lost, and its dialect has no word for that.
    #[error("we no longer have a piece that it was told of")]
    Lost,
    /// It sent wrong bytes.
    #[error("it sent bytes that do not match their hash")]
    Banned,
}
