//! What a peer may not do.

use crate::bitfield::BitfieldError;
use crate::ids::{PieceIndex, Span};

/// The longest request of a BitTorrent peer, in bytes; many take one beyond 16 KiB for an attack.
pub const LONGEST_REQUEST: u32 = 128 * 1024;

/// Chunks nobody asked for that a peer may send (cancels cross with data) before it is let go.
pub(super) const UNASKED: u32 = 64;

/// Extension handshakes that a peer may make: it may change its mind, not talk of nothing else.
pub(super) const MOST_HANDSHAKES: u32 = 64;

/// A broken rule: the connection is closed and the peer remembered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A HAVE for a piece that the torrent does not have.
    #[error("have of {0}, which is out of range")]
    HaveOutOfRange(PieceIndex),
    /// A bitfield that does not fit the torrent.
    #[error("{0}")]
    Bitfield(#[from] BitfieldError),
    /// A bitfield, HAVE_ALL or HAVE_NONE after the peer had already said what it has.
    #[error("a second statement of all it has")]
    HadSpoken,
    /// A request that is empty, leaves its piece, or names a piece we do not have.
    #[error("request of {0}, which is out of range")]
    RequestOutOfRange(Span),
    /// A request longer than anybody may make.
    #[error("request of {0}, which is longer than {LONGEST_REQUEST} bytes")]
    RequestTooLong(Span),
    /// Requests of a peer that we never served, or went on long after our CHOKE.
    #[error("requests while it is choked")]
    RequestWhileChoked,
    /// Many chunks that were never asked for.
    #[error("{UNASKED} chunks that nobody asked for")]
    ChunksNotAsked,
    /// A message that has no place here.
    #[error("a second HELLO")]
    SecondHello,
    /// The extension handshake may come again, but it does not have to come without end.
    #[error("{MOST_HANDSHAKES} extension handshakes")]
    ManyHandshakes,
    /// A piece may get lost, but not all the time.
    #[error("it says too often that it has a piece no more")]
    ManyTakenBack,
}
