//! What is on disk of a torrent, by every hash that the torrent has: [`Audit`].
//!
//! A node believes the v2 hashes and wants all files to be there. An audit is for people who ask
//! what is wrong: files may be missing, and the pieces of a hybrid are held against SHA-1 and the
//! SHA-256 tree at once, over the same bytes. Nothing is written.
//!
//! ```text
//! files    | a            | b (missing)  | c         |
//! pieces   | right | wrong | absent | absent | right |     absent: some byte of it is not there
//! ```

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::hash::stream::{Buffer, Found, GROUP, Work};
use super::open::{self, Troubles};
use super::path::Folder;
use super::verify::run_on;
use super::views::Views;
use super::{Storage, StorageError, StoragePlan};
use crate::geometry::Geometry;
use crate::ids::{PieceIndex, Sha256Hash};
use crate::metainfo::{Metainfo, PieceHash};

/// What was found of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A file that it has bytes of is missing, or has another size.
    Absent,
    /// All its bytes were hashed. At least one of the two is there.
    Hashed {
        /// Whether SHA-1 agrees; `None` when the torrent has none for it.
        v1: Option<bool>,
        /// Whether the SHA-256 tree agrees; `None` when the torrent has none for it.
        v2: Option<bool>,
    },
}

impl Verdict {
    /// Whether it is there, and all its hashes agree.
    pub fn is_right(self) -> bool {
        match self {
            Self::Absent => false,
            Self::Hashed { v1, v2 } => v1 != Some(false) && v2 != Some(false),
        }
    }

    /// Whether one hash agrees and the other does not: then the torrent contradicts itself.
    pub fn is_contradiction(self) -> bool {
        matches!(self, Self::Hashed { v1: Some(v1), v2: Some(v2) } if v1 != v2)
    }
}

/// The files of a torrent as they are.
#[derive(Debug)]
pub struct Audit {
    storage: Storage,
    troubles: Troubles,
    /// The tree of each piece and the bytes below it; none where the torrent does not say.
    trees: Vec<Option<Tree>>,
}

#[derive(Debug, Clone, Copy)]
struct Tree {
    root: Sha256Hash,
    leaves: u32,
    length: u32,
}

impl Audit {
    /// Looks for a torrent's files below `root`.
    ///
    /// # Errors
    /// `Inconsistent` for a v2 torrent without its piece layers; that some or all files are
    /// missing is no error.
    pub fn open(meta: &Metainfo, root: PathBuf) -> Result<Self, StorageError> {
        let both = meta.info_hash_v1.is_some() && meta.info_hash_v2.is_some();
        // Without a byte of content there is no v1 torrent.
        let (plan, trees) = if both && meta.total_size() > 0 {
            let as_v1 = meta.as_v1().map_err(|_| CONTRADICTION)?;
            (StoragePlan::of(&as_v1, root)?, trees(meta))
        } else {
            let plan = StoragePlan::of(meta, root)?;
            let trees = if meta.info_hash_v2.is_some() { trees(meta) } else { Vec::new() };
            (plan, trees)
        };
        if !trees.is_empty() && trees.len() != plan.geometry.pieces() as usize {
            return Err(CONTRADICTION);
        }
        let layout = plan.layout()?;
        let folder = Folder::open(&plan.root)?;
        let (files, troubles) = open::present(&folder, &plan, &layout);
        Ok(Self { storage: Storage::of(plan, folder, layout, files, None), troubles, trees })
    }

    /// What is wrong with an entry of the torrent's list beside its bytes: it is missing, has
    /// another size or cannot be read.
    pub fn trouble(&self, entry: usize) -> Option<&StorageError> {
        self.troubles.get(entry)?.as_ref()
    }

    /// Hashes all that is there, on `threads` threads. `progress` is told bytes as they are done,
    /// from any thread, those that are not there as well.
    pub fn run(
        &self,
        threads: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<Verdict>, StorageError> {
        let (present, absent) = self.storage.pieces_with_data()?;
        let length = |&piece: &PieceIndex| u64::from(self.storage.geometry.length_of(piece));
        progress(absent.iter().map(length).sum());
        let verdicts = vec![Verdict::Absent; self.storage.geometry.pieces() as usize];
        let (verdicts, failed) = (Mutex::new(verdicts), Mutex::new(None));
        let groups: Vec<&[PieceIndex]> = present.chunks(GROUP).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut buffer = Buffer::default();
            while failed.lock().is_none() {
                let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
                match self.check(group, &mut buffer) {
                    Ok(found) => {
                        let mut verdicts = verdicts.lock();
                        group.iter().zip(found).for_each(|(piece, v)| verdicts[piece.at()] = v);
                    }
                    Err(e) => _ = failed.lock().get_or_insert(e),
                }
                let lengths = group.iter().map(|&piece| self.storage.geometry.length_of(piece));
                progress(lengths.map(u64::from).sum());
            }
        };
        run_on(threads.min(groups.len()), "check", work)
            .map_err(|e| StorageError::of(Path::new("."), "start a thread", e))?;
        failed.into_inner().map_or(Ok(verdicts.into_inner()), Err)
    }

    fn check(
        &self,
        group: &[PieceIndex],
        buffer: &mut Buffer,
    ) -> Result<Vec<Verdict>, StorageError> {
        let storage = &self.storage;
        let works: Vec<Work> = group.iter().map(|&piece| self.work(piece)).collect();
        let spans = group.iter().map(|&piece| storage.whole(piece));
        let views = Views::new(&storage.layout, spans, |entry| storage.map(entry));
        let read = |n: usize, offset, bytes: &mut [u8]| storage.read(group[n], offset, bytes);
        let found = views.hash(buffer, &works, read)?;
        Ok(group.iter().zip(found).map(|(&piece, found)| self.verdict(piece, found)).collect())
    }

    fn work(&self, piece: PieceIndex) -> Work {
        let tree = self.tree(piece);
        Work {
            sha1: self.sha1(piece).map(|_| self.storage.geometry.length_of(piece)),
            tree: tree.map(|tree| tree.length),
            leaves: tree.map_or(0, |tree| tree.leaves),
        }
    }

    fn verdict(&self, piece: PieceIndex, found: Found) -> Verdict {
        let v1 = self.sha1(piece).map(|hash| found.sha1 == Some(hash));
        let v2 = self.tree(piece).map(|tree| found.root == Some(tree.root));
        Verdict::Hashed { v1, v2 }
    }

    fn sha1(&self, piece: PieceIndex) -> Option<[u8; 20]> {
        match self.storage.hashes[piece.at()] {
            PieceHash::V1(hash) => Some(hash),
            PieceHash::V2 { .. } => None,
        }
    }

    fn tree(&self, piece: PieceIndex) -> Option<Tree> {
        *self.trees.get(piece.at())?
    }
}

const CONTRADICTION: StorageError =
    StorageError::Inconsistent("versions 1 and 2 do not describe the same pieces");

fn trees(meta: &Metainfo) -> Vec<Option<Tree>> {
    let geometry: Geometry = meta.geometry();
    let tree = |piece| match meta.piece_hash(piece)? {
        PieceHash::V2 { root, leaves } => {
            Some(Tree { root, leaves, length: geometry.length_of(piece) })
        }
        PieceHash::V1(_) => None,
    };
    (0..geometry.pieces()).map(PieceIndex).map(tree).collect()
}

#[cfg(test)]
mod tests {
    use super::super::create::{HashOptions, hash_path};
    use super::super::scratch::Scratch;
    use super::*;
    use crate::metainfo::build::{BuildOptions, build};
    use crate::metainfo::draft::Version;
    use std::fs;

    const PIECE: usize = 16384;

    /// A folder `it` of three files, and its torrent.
    fn it(version: Version) -> (Scratch, Metainfo) {
        let scratch = Scratch::new();
        let root = scratch.path().join("it");
        fs::create_dir(&root).unwrap();
        for (name, length) in [("a", 2 * PIECE + 5), ("b", PIECE), ("c", 7), ("empty", 0)] {
            fs::write(root.join(name), vec![name.as_bytes()[0]; length]).unwrap();
        }
        let options = HashOptions { piece_length: Some(PIECE as u32), version };
        let draft = hash_path(&root, &options, &mut |_, _| {}).unwrap();
        (scratch, build(&draft, &BuildOptions::default()).unwrap())
    }

    /// `.` right, `x` wrong, `!` a contradiction, `-` absent.
    fn found(meta: &Metainfo, root: &Path) -> String {
        let audit = Audit::open(meta, root.to_owned()).unwrap();
        let done = AtomicUsize::new(0);
        let verdicts = audit.run(2, &|bytes| _ = done.fetch_add(bytes as usize, Ordering::Relaxed));
        assert_eq!(done.into_inner() as u64, audit.storage.total(), "all bytes were told");
        let letter = |verdict: Verdict| match verdict {
            Verdict::Absent => '-',
            _ if verdict.is_right() => '.',
            _ if verdict.is_contradiction() => '!',
            Verdict::Hashed { .. } => 'x',
        };
        verdicts.unwrap().into_iter().map(letter).collect()
    }

    fn flip(path: &Path, at: usize) {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn each_piece_is_right_wrong_or_absent() {
        for version in [Version::V1, Version::Hybrid, Version::V2] {
            let (scratch, meta) = it(version);
            let one_shares = version == Version::V1;
            let check = |expected: [&str; 2]| {
                let expected = expected[usize::from(one_shares)];
                assert_eq!(found(&meta, scratch.path()), expected, "{version:?}");
            };
            check([".....", "...."]);
            flip(&scratch.path().join("it/a"), PIECE + 1);
            check([".x...", ".x.."]);
            fs::remove_file(scratch.path().join("it/b")).unwrap();
            check([".x.-.", ".x--"]);
            fs::write(scratch.path().join("it/c"), "longer by far").unwrap();
            check([".x.--", ".x--"]);
            let audit = Audit::open(&meta, scratch.path().to_owned()).unwrap();
            let entry = |name| meta.files.iter().position(|file| file.path[1] == name).unwrap();
            assert!(matches!(audit.trouble(entry("b")), Some(StorageError::Missing { .. })));
            let sizes = Some((13, 7));
            let found = match audit.trouble(entry("c")) {
                Some(&StorageError::Changed { size, wanted, .. }) => Some((size, wanted)),
                _ => None,
            };
            assert_eq!(found, sizes);
            assert!(audit.trouble(entry("a")).is_none() && audit.trouble(entry("empty")).is_none());
        }
    }

    #[test]
    fn a_hybrid_is_held_against_both_its_hashes() {
        let (scratch, mut meta) = it(Version::Hybrid);
        let at = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|w| w == part);
        let sha1 = at(&meta.info, &meta.v1_pieces[3]).unwrap();
        meta.info[sha1] ^= 1;
        let torrent = meta.to_torrent();
        let meta = Metainfo::parse(&torrent).unwrap();
        assert_eq!(found(&meta, scratch.path()), "...!.");
        flip(&scratch.path().join("it/b"), 0);
        assert_eq!(found(&meta, scratch.path()), "...x.");
    }

    #[test]
    fn without_layers_a_hybrid_still_has_its_v1_hashes() {
        let (scratch, meta) = it(Version::Hybrid);
        let bare = Metainfo::from_info(&meta.info).unwrap();
        flip(&scratch.path().join("it/a"), 0);
        assert_eq!(found(&bare, scratch.path()), "x....");
        let (scratch, meta) = it(Version::V2);
        let bare = Metainfo::from_info(&meta.info).unwrap();
        let refused = Audit::open(&bare, scratch.path().to_owned());
        assert!(matches!(refused, Err(StorageError::Inconsistent(_))), "{refused:?}");
    }
}
