//! What a torrent asks of the disk: [`StoragePlan`].

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::StorageError;
use super::layout::{Layout, Order};
use crate::geometry::Geometry;
use crate::ids::PieceIndex;
use crate::metainfo::{FileKind, PieceHash};

/// A torrent's files, pieces and hashes, and the folder they go to.
#[derive(Debug, Clone)]
pub struct StoragePlan {
    /// The output folder.
    pub root: PathBuf,
    /// The entries in the torrent's order, pads and links included.
    pub files: Vec<PlannedFile>,
    /// Whether files follow each other ([`Order::Contiguous`], with [`Geometry::v1`]) or each
    /// starts a piece ([`Order::Aligned`], with [`Geometry::v2`]).
    pub order: Order,
    /// Where pieces begin and end.
    pub geometry: Geometry,
    /// What each piece must hash to.
    pub hashes: Vec<PieceHash>,
}

/// One entry of a [`StoragePlan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFile {
    /// Safe components below the output folder.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// What the entry is.
    pub kind: FileKind,
}

impl StoragePlan {
    /// Lays the files out, after checking that all parts of the plan speak of the same torrent.
    pub(super) fn layout(&self) -> Result<Layout, StorageError> {
        let wrong = |why| Err(StorageError::Inconsistent(why));
        if self.hashes.len() != self.geometry.pieces() as usize {
            return wrong("not one hash per piece");
        }
        let contents = self.files.iter().filter(|file| match self.order {
            Order::Contiguous => true,
            Order::Aligned => file.kind == FileKind::Data,
        });
        let total = contents.map(|file| u128::from(file.length)).sum::<u128>();
        if total != u128::from(self.geometry.total()) {
            return wrong("the files are not as long as the pieces");
        }
        let fits = |(index, hash): (u32, &PieceHash)| match *hash {
            PieceHash::V1(_) => true,
            PieceHash::V2 { leaves, .. } => {
                leaves.is_power_of_two() && leaves >= self.geometry.blocks_of(PieceIndex(index))
            }
        };
        if !(0..).zip(&self.hashes).all(fits) {
            return wrong("a piece has more blocks than its tree has leaves");
        }
        let mut seen = HashSet::new();
        let data = self.files.iter().filter(|file| file.kind == FileKind::Data);
        if !data.map(|file| &file.path).all(|path| seen.insert(path)) {
            return wrong("two files have one path");
        }
        let entries = self.files.iter().map(|file| (file.length, file.kind));
        Ok(Layout::new(self.order, self.geometry.piece_length(), entries))
    }
}
