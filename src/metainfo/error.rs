//! Why a torrent is refused: [`MetainfoError`], which names the key or the rule.

use super::bencode::BencodeError;
use super::path::TooManyClashes;
use crate::geometry::GeometryError;

/// A torrent that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetainfoError {
    /// No bencode, or more of it than we read.
    #[error("not a torrent: {0}")]
    Bencode(#[from] BencodeError),
    /// The outermost value is no dictionary.
    #[error("not a torrent: the outermost value is not a dictionary")]
    NotADictionary,
    /// A key that must be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A key whose value is of another type.
    #[error("`{key}` is not {expected}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it should be, with its article.
        expected: &'static str,
    },
    /// A number that cannot be.
    #[error("`{key}` is out of range: {value}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What it says.
        value: i64,
    },
    /// Of a version that nobody has written yet.
    #[error("`meta version` is {0}; versions 1 and 2 are known")]
    UnknownVersion(i64),
    /// `file tree` in a torrent that does not say it is of version 2.
    #[error("`file tree` needs `meta version` 2")]
    TreeWithoutVersion,
    /// Keys inside `info` that do not rise, in a torrent of version 2.
    #[error("`info` has keys out of order, which version 2 does not allow")]
    UnsortedKeys,
    /// `name` holds nothing that a file could be called.
    #[error("`name` is empty or holds nothing that a file could be called")]
    Nameless,
    /// Not one entry.
    #[error("no files")]
    NoFiles,
    /// Version 1 cannot say that there is nothing.
    #[error("no bytes of content")]
    NoContent,
    /// The sizes of all files together do not fit.
    #[error("the files are too large in all")]
    TooLarge,
    /// Components below components.
    #[error("a path of more than {} components", super::path::MAX_DEPTH)]
    TooDeep,
    /// The names of all files together take more memory than we give them.
    #[error("the paths are too long in all")]
    PathsTooLong,
    /// Too many entries on one path.
    #[error(transparent)]
    Clashes(#[from] TooManyClashes),
    /// Pieces that cannot be.
    #[error("`piece length`: {0}")]
    Geometry(#[from] GeometryError),
    /// Version 2 cuts trees at powers of two.
    #[error("`piece length` of version 2 is not a power of two of at least 16 KiB: {0}")]
    PieceLengthOfV2(u32),
    /// `pieces` and the sizes disagree.
    #[error("`pieces` has {got} bytes where {wanted} were expected (20 for each piece)")]
    PieceCount {
        /// Bytes of `pieces`.
        got: u64,
        /// Bytes that the sizes ask for.
        wanted: u64,
    },
    /// A name of the tree that is a file and a folder, or the tree itself a file.
    #[error("`file tree` has a file where a folder is")]
    FileAndFolder,
    /// Version 2 has no pads.
    #[error("`file tree` has a pad file")]
    PadInTree,
    /// Both versions describe the content, and not alike.
    #[error("versions 1 and 2 disagree about {0}")]
    VersionsDiffer(&'static str),
    /// A piece layer that is not the one its file's root asks for.
    #[error("`piece layers`: {0}")]
    PieceLayers(&'static str),
    /// These bytes do not have the hash that was asked for.
    #[error("the info-hash does not match")]
    WrongInfoHash,
    /// The torrent has no version 2 hashes, which the native dialect needs.
    #[error("the torrent has no version 2 hashes")]
    NoV2,
}

impl MetainfoError {
    /// [`MetainfoError::WrongType`], shorter.
    pub(super) fn wrong(key: &'static str, expected: &'static str) -> Self {
        Self::WrongType { key, expected }
    }
}
