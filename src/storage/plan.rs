//! What a torrent asks of the disk: [`StoragePlan`].

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::StorageError;
use super::layout::{Layout, Order};
use crate::geometry::Geometry;
use crate::ids::PieceIndex;
use crate::metainfo::{FileKind, Metainfo, PieceHash};

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
    /// Which entries are wanted, for [`super::Storage::create_or_resume`]; empty is all.
    pub wanted: Vec<bool>,
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
    /// The plan of a torrent whose files go below `root`.
    ///
    /// # Errors
    /// `Inconsistent` when the torrent came without its piece layers.
    pub fn of(meta: &Metainfo, root: PathBuf) -> Result<Self, StorageError> {
        let geometry = meta.geometry();
        let hashes: Option<Vec<PieceHash>> =
            (0..geometry.pieces()).map(|piece| meta.piece_hash(PieceIndex(piece))).collect();
        let hashes = hashes.ok_or(StorageError::Inconsistent("the torrent has no piece layers"))?;
        let files = meta.files.iter().map(|file| PlannedFile {
            path: file.path.clone(),
            length: file.length,
            kind: file.kind,
        });
        let aligned = meta.info_hash_v2.is_some();
        let order = if aligned { Order::Aligned } else { Order::Contiguous };
        Ok(Self { root, files: files.collect(), order, geometry, hashes, wanted: Vec::new() })
    }

    /// Gives the data files the names they have on disk, which may be names that a torrent must
    /// not give to others.
    #[must_use]
    pub fn with_names(mut self, names: impl IntoIterator<Item = Vec<String>>) -> Self {
        let data = self.files.iter_mut().filter(|file| file.kind == FileKind::Data);
        data.zip(names).for_each(|(file, name)| file.path = name);
        self
    }

    /// Chooses what is wanted: one word for each entry of the plan. An entry that is not wanted is
    /// not made and has no room reserved; what a pad is called does not matter.
    #[must_use]
    pub fn with_wanted(mut self, wanted: Vec<bool>) -> Self {
        self.wanted = wanted;
        self
    }

    /// Whether an entry is wanted.
    pub(super) fn wants(&self, entry: usize) -> bool {
        self.wanted.get(entry).is_none_or(|&wanted| wanted)
    }

    /// Lays the files out, after checking that all parts of the plan speak of the same torrent.
    pub(super) fn layout(&self) -> Result<Layout, StorageError> {
        let wrong = |why| Err(StorageError::Inconsistent(why));
        if self.hashes.len() != self.geometry.pieces() as usize {
            return wrong("not one hash per piece");
        }
        if ![0, self.files.len()].contains(&self.wanted.len()) {
            return wrong("not one choice per file");
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
