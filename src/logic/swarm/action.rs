//! What a swarm wants done.

use crate::ids::{PieceIndex, Span};
use crate::logic::PeerKey;
use crate::protocol::message::Message;
use std::net::SocketAddr;

/// A peer that let so many deadlines pass in a row is let go.
pub(super) const MISSES: u32 = 3;

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
    /// All blocks of a piece are stored: hash it.
    Verify(PieceIndex),
    /// End a connection.
    Disconnect(PeerKey, Parting),
    /// Never talk to this address again: it sent wrong bytes of this piece.
    Ban(SocketAddr, PieceIndex),
    /// Every piece is here and verified.
    Complete,
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
    /// It sent wrong bytes.
    #[error("it sent bytes that do not match their hash")]
    Banned,
}
