//! Hashing a file or folder into a new torrent: [`hash_path`], and [`hash_content`] when something
//! else than the usual is to be part of it (see [`super::content`]).
//!
//! Every byte is looked at once and hashed both ways, on all processors: where it lies in memory
//! (see [`super::views`]), else from one cache-sized buffer (see [`super::hash::stream`]). In a
//! hybrid the v1 pieces see each file but the last padded with zeros to a whole piece (BEP 47), so
//! that v1 and v2 pieces are the same:
//!
//! ```text
//! files      | a           | b   |              | c         |
//! v1 pieces  | 0    | 1 ..0| 2    ...........0..| 3    | 4  |      (BEP 3 over files and pads)
//! v2 trees   | a: 0 | a: 1 | b: 0 |             | c: 0 | c:1|      (BEP 52, pads do not exist)
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;

use super::StorageError;
use super::content::{Choice, Content, Source};
use super::hash::stream::{Buffer, Found, GROUP, Work};
use super::hash::{empty_root, root};
use super::layout::{Layout, Order, Place};
use super::mapped::Mapped;
use super::verify::run_on;
use super::views::{self, Views};
use crate::geometry::{BLOCK_LEN, Geometry, MAX_PIECE_LEN};
use crate::ids::{PieceIndex, Sha256Hash, Span};
use crate::metainfo::FileKind;
use crate::metainfo::draft::{Draft, DraftFile, Version};

/// The piece length of content up to [`DEFAULT_PIECES`] pieces of it.
const DEFAULT_PIECE_LENGTH: u32 = 512 * 1024;

/// Beyond this many pieces the default length doubles: 1 GiB at 512 KiB.
const DEFAULT_PIECES: u64 = 2048;

/// How a new torrent is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HashOptions {
    /// Bytes in a piece: a power of two from 16 KiB on; `None` for [`default_piece_length`].
    pub piece_length: Option<u32>,
    /// Which hashes to compute.
    pub version: Version,
}

/// The piece length for so many bytes of content: 512 KiB, above 1 GiB the power of two that
/// makes 1,024 to 2,048 pieces.
pub fn default_piece_length(total: u64) -> u32 {
    let mut length = DEFAULT_PIECE_LENGTH;
    while total > DEFAULT_PIECES * u64::from(length) && length < MAX_PIECE_LEN {
        length *= 2;
    }
    length
}

/// Hashes a file, or all files of a folder but what is left out by default, so that everybody who
/// shares the same folder shares the same torrent. `progress` is told (bytes done, bytes in all)
/// as it goes; pads count.
///
/// # Errors
/// `BadName` for a name that is no UTF-8; `Changed` when a file is shorter or longer at the end
/// than at the start; whatever reading runs into.
pub fn hash_path(
    path: &Path,
    options: &HashOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Draft, StorageError> {
    let content = Content::find(path, &Choice::default())?;
    if let Some(left_out) = content.left_out_in_words() {
        log::warn!("{}: {left_out}", path.display());
    }
    hash_content(&content, options, progress)
}

/// Hashes what was found at a path; see [`hash_path`].
pub fn hash_content(
    content: &Content,
    options: &HashOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Draft, StorageError> {
    let plan = plan_of(content, options)?;
    let results = hash_all(&content.files, &plan, progress)?;
    for source in &content.files {
        source.unchanged(&source.open()?)?;
    }
    Ok(Draft {
        name: content.name.clone(),
        version: options.version,
        piece_length: plan.piece_length,
        single_file: content.single,
        v1_pieces: results.iter().filter_map(|piece| piece.sha1).collect(),
        files: draft_files(&content.files, &plan, &results),
    })
}

/// The piece length, and how many pieces there will be; nothing is read.
pub fn pieces_of(content: &Content, options: &HashOptions) -> Result<(u32, u32), StorageError> {
    let plan = plan_of(content, options)?;
    Ok((plan.piece_length, plan.pieces.len() as u32))
}

fn plan_of(content: &Content, options: &HashOptions) -> Result<Plan, StorageError> {
    let piece_length =
        options.piece_length.unwrap_or_else(|| default_piece_length(content.total()));
    if !piece_length.is_power_of_two() || !(BLOCK_LEN..=MAX_PIECE_LEN).contains(&piece_length) {
        return Err(StorageError::Inconsistent(
            "the piece length must be a power of two, 16 KiB to 512 MiB",
        ));
    }
    Plan::new(&content.files, piece_length, options.version)
}

/// Which bytes make up which piece.
struct Plan {
    layout: Layout,
    /// The entry of the layout that each file is: pads stand between them.
    entries: Vec<usize>,
    /// The file that an entry is.
    files: Vec<Option<usize>>,
    pieces: Vec<Work>,
    /// Bytes of all pieces, pads included.
    bytes: u64,
    piece_length: u32,
    tree_leaves: u32,
    version: Version,
}

impl Plan {
    fn new(sources: &[Source], piece_length: u32, version: Version) -> Result<Self, StorageError> {
        let (mut lengths, mut entries, mut files) = (Vec::new(), Vec::new(), Vec::new());
        let last = sources.iter().rposition(|source| source.length > 0);
        for (n, source) in sources.iter().enumerate() {
            entries.push(lengths.len());
            lengths.push((source.length, FileKind::Data));
            files.push(Some(n));
            let rest = source.length % u64::from(piece_length);
            if version == Version::Hybrid && rest > 0 && Some(n) != last {
                lengths.push((u64::from(piece_length) - rest, FileKind::Pad));
                files.push(None);
            }
        }
        let many = |_| StorageError::Inconsistent("too many pieces: choose a longer piece length");
        let data = || sources.iter().map(|source| source.length);
        let all = lengths.iter().map(|&(length, _)| length).sum();
        let v1 = Geometry::v1(piece_length, all).map_err(many)?;
        let v2 = Geometry::v2(piece_length, data()).map_err(many)?;
        let order = if version == Version::V2 { Order::Aligned } else { Order::Contiguous };
        let layout = Layout::new(order, piece_length, lengths);
        let mut plan = Self {
            layout,
            entries,
            files,
            bytes: if version == Version::V2 { v2.total() } else { all },
            piece_length,
            tree_leaves: piece_length / BLOCK_LEN,
            version,
            pieces: Vec::new(),
        };
        let count = if version == Version::V1 { v1.pieces() } else { v2.pieces() };
        plan.pieces = (0..count)
            .map(PieceIndex)
            .map(|piece| Work {
                sha1: (version != Version::V2).then(|| v1.length_of(piece)),
                tree: (version != Version::V1).then(|| v2.length_of(piece)),
                leaves: plan.tree_leaves,
            })
            .collect();
        if version != Version::V1 {
            plan.narrow_small_files(sources, piece_length);
        }
        Ok(plan)
    }

    /// The tree of a file no longer than a piece is as wide as the file, not as the piece.
    fn narrow_small_files(&mut self, sources: &[Source], piece_length: u32) {
        for (source, &entry) in sources.iter().zip(&self.entries) {
            if source.length > 0 && source.length <= u64::from(piece_length) {
                let piece = self.layout.pieces_of(entry).start as usize;
                let blocks = source.length.div_ceil(u64::from(BLOCK_LEN)) as u32;
                self.pieces[piece].leaves = blocks.next_power_of_two();
            }
        }
    }

    /// What some pieces can be seen through while they are hashed.
    fn views(&self, sources: &[Source], first: usize, works: &[Work]) -> Views {
        let spans = (first..).zip(works).map(|(n, work)| {
            let length = work.sha1.or(work.tree).unwrap_or(0);
            Span { piece: PieceIndex(n as u32), offset: 0, length }
        });
        Views::new(&self.layout, spans, |entry| {
            let source = &sources[self.files[entry]?];
            let file = (source.length >= views::LEAST).then(|| source.open().ok())??;
            Mapped::new(&file, source.length).ok()
        })
    }

    /// Reads some bytes of a piece, through the files that one thread keeps open.
    fn read(
        &self,
        sources: &[Source],
        open: &mut Handles,
        span: Span,
        bytes: &mut [u8],
    ) -> Result<(), StorageError> {
        let mut rest = bytes;
        for part in self.layout.parts(span) {
            let (now, later) = rest.split_at_mut(part.length);
            let file = match part.place {
                Place::File(entry) => self.files[entry],
                Place::Zeros => None,
            };
            match file {
                Some(n) => open.read(n, &sources[n], part.offset, now)?,
                None => now.fill(0),
            }
            rest = later;
        }
        Ok(())
    }
}

/// The files a group of pieces is read from; few are open at a time.
#[derive(Default)]
struct Handles(Vec<(usize, File)>);

impl Handles {
    fn read(
        &mut self,
        n: usize,
        source: &Source,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<(), StorageError> {
        let known = self.0.iter().position(|&(open, _)| open == n);
        let at = if let Some(at) = known {
            at
        } else {
            if self.0.len() >= GROUP {
                self.0.remove(0);
            }
            self.0.push((n, source.open()?));
            self.0.len() - 1
        };
        let file = &self.0[at].1;
        file.read_exact_at(bytes, offset).map_err(|e| match source.unchanged(file) {
            Err(changed) => changed,
            Ok(()) => StorageError::of(&source.real, "read", e),
        })
    }
}

fn hash_all(
    sources: &[Source],
    plan: &Plan,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Found>, StorageError> {
    let threads = thread::available_parallelism().map_or(2, usize::from);
    // Small content is shared evenly; otherwise as many pieces together as lanes take.
    let group = plan.pieces.len().div_ceil(threads).clamp(1, GROUP);
    let threads = threads.min(plan.pieces.len().div_ceil(group));
    let (next, results) =
        (AtomicUsize::new(0), Mutex::new(vec![Found::default(); plan.pieces.len()]));
    let failed = Mutex::new(None);
    // One message per group; a slow terminal may hold the hashing up a little, never memory.
    let (done, reports) = bounded(4 * threads.max(1));
    let work = |done: &Sender<u64>| {
        let (mut buffer, mut open) = (Buffer::default(), Handles::default());
        while failed.lock().is_none() {
            let first = next.fetch_add(group, Ordering::Relaxed);
            let Some(works) = plan.pieces.get(first..) else { return };
            let works = &works[..group.min(works.len())];
            if works.is_empty() {
                return;
            }
            let read = |n: usize, offset, bytes: &mut [u8]| {
                let piece = PieceIndex((first + n) as u32);
                let span = Span { piece, offset, length: bytes.len() as u32 };
                plan.read(sources, &mut open, span, bytes)
            };
            match plan.views(sources, first, works).hash(&mut buffer, works, read) {
                Ok(found) => results.lock()[first..first + found.len()].copy_from_slice(&found),
                Err(e) => _ = failed.lock().get_or_insert(e),
            }
            let bytes = works.iter().map(|w| u64::from(w.sha1.or(w.tree).unwrap_or(0))).sum();
            let _ = done.send(bytes);
        }
    };
    thread::scope(|scope| {
        let hashing = thread::Builder::new().name("hash".into()).spawn_scoped(scope, || {
            let done = done;
            run_on(threads, "hash", || work(&done))
        });
        let hashing = hashing?;
        let mut so_far = 0;
        for bytes in reports {
            so_far += bytes;
            progress(so_far, plan.bytes);
        }
        hashing.join().expect("hashing threads do not panic")
    })
    .map_err(|e| StorageError::of(Path::new("."), "start a thread", e))?;
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(results.into_inner()),
    }
}

fn draft_files(sources: &[Source], plan: &Plan, results: &[Found]) -> Vec<DraftFile> {
    let padding = empty_root(plan.tree_leaves);
    let draft = |(source, &entry): (&Source, &usize)| {
        let pieces = plan.layout.pieces_of(entry);
        let mut layer: Vec<Sha256Hash> = Vec::new();
        if plan.version != Version::V1 {
            let found = &results[pieces.start as usize..pieces.end as usize];
            layer.extend(found.iter().filter_map(|piece| piece.root));
        }
        let top = match layer.as_slice() {
            [] => None,
            [one] => Some(*one),
            all => Some(root(all, all.len().next_power_of_two() as u32, padding)),
        };
        if layer.len() == 1 {
            layer.clear();
        }
        DraftFile { path: source.path.clone(), length: source.length, root: top, layer }
    };
    sources.iter().zip(&plan.entries).map(draft).collect()
}

#[cfg(test)]
mod tests {
    use super::super::hash::{PieceInput, piece_roots};
    use super::super::scratch::Scratch;
    use super::*;
    use sha1::{Digest, Sha1};
    use std::fs;
    use std::path::PathBuf;

    const PIECE: u32 = 2 * BLOCK_LEN;
    const P: usize = PIECE as usize;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        fastrand::Rng::with_seed(length as u64).fill(&mut bytes);
        bytes
    }

    /// A folder `it` with files of these lengths.
    fn folder(files: &[(&str, usize)]) -> (Scratch, PathBuf) {
        let scratch = Scratch::new();
        let root = scratch.path().join("it");
        for &(name, length) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, noise(length)).unwrap();
        }
        (scratch, root)
    }

    fn hash(path: &Path, version: Version) -> Result<Draft, StorageError> {
        let options = HashOptions { piece_length: Some(PIECE), version };
        let mut last = None;
        let draft = hash_path(path, &options, &mut |done, all| last = Some((done, all)));
        assert!(last.is_none_or(|(done, all)| draft.is_err() || done == all), "{last:?}");
        draft
    }

    fn sha1_pieces(bytes: &[u8]) -> Vec<[u8; 20]> {
        bytes.chunks(P).map(|piece| Sha1::digest(piece).into()).collect()
    }

    /// The root of a file's tree over all its leaves at once, as BEP 52 defines it.
    fn tree_root(data: &[u8]) -> Sha256Hash {
        let blocks = data.len().div_ceil(BLOCK_LEN as usize) as u32;
        let leaves = blocks.next_power_of_two();
        let mut root = [[0; 32]];
        piece_roots(&[PieceInput { data, leaves }], &mut root);
        root[0]
    }

    #[test]
    fn a_hybrid_pads_every_file_but_the_last_that_is_not_empty() {
        let sizes = [("a", 3 * P + 5), ("b/c", 0), ("b/d", P), ("e", 1), ("f", P + 9), ("g", 0)];
        let (_scratch, root) = folder(&sizes);
        let draft = hash(&root, Version::Hybrid).unwrap();
        let mut line = Vec::new();
        for (name, size) in [sizes[0], sizes[2], sizes[3]] {
            assert!(line.len() % P == 0, "{name} starts a piece");
            line.extend(noise(size));
            line.resize(line.len().next_multiple_of(P), 0);
        }
        line.extend(noise(P + 9));
        assert_eq!(draft.v1_pieces, sha1_pieces(&line));
        assert_eq!((draft.name.as_str(), draft.single_file), ("it", false));
        for (file, (name, size)) in draft.files.iter().zip(sizes) {
            assert_eq!((file.path.join("/").as_str(), file.length), (name, size as u64));
            let root = (size > 0).then(|| tree_root(&noise(size)));
            assert_eq!(file.root, root, "{name}");
            let pieces = size.div_ceil(P);
            assert_eq!(file.layer.len(), if pieces > 1 { pieces } else { 0 }, "{name}");
        }
    }

    #[test]
    fn v1_runs_over_the_files_without_pads_and_v2_has_no_pieces_of_v1() {
        let (_scratch, root) = folder(&[("a", P + 5), ("b", 77), ("c", 3 * P)]);
        let all = [noise(P + 5), noise(77), noise(3 * P)].concat();
        let v1 = hash(&root, Version::V1).unwrap();
        assert_eq!(v1.v1_pieces, sha1_pieces(&all));
        assert!(v1.files.iter().all(|file| file.root.is_none() && file.layer.is_empty()));
        let v2 = hash(&root, Version::V2).unwrap();
        assert!(v2.v1_pieces.is_empty());
        assert_eq!(v2.files, hash(&root, Version::Hybrid).unwrap().files);
    }

    #[test]
    fn one_file_of_any_length_hashes_as_the_definitions_say() {
        for size in [0, 1, 16383, 16384, 16385, P, P + 1, 5 * P, 40 * P + 16385] {
            let (_scratch, root) = folder(&[("file", size)]);
            let draft = hash(&root.join("file"), Version::Hybrid).unwrap();
            assert_eq!(draft.v1_pieces, sha1_pieces(&noise(size)), "{size} bytes");
            let [file] = draft.files.as_slice() else { panic!("one file: {draft:?}") };
            assert_eq!(file.root, (size > 0).then(|| tree_root(&noise(size))), "{size} bytes");
            assert_eq!((file.path.as_slice(), draft.name.as_str()), (&["file".into()][..], "file"));
            assert!(draft.single_file);
        }
    }

    #[test]
    fn files_come_in_tree_order_and_what_is_left_out_by_default_stays_out() {
        let (_scratch, root) = folder(&[
            ("a.b", 1),
            ("a/x", 2),
            ("a/X", 3),
            ("é", 4),
            (".hidden", 5),
            ("x.part", 6),
            (".t.1a2b3c4d.parts/0", 7),
        ]);
        let draft = hash(&root, Version::Hybrid).unwrap();
        let paths: Vec<String> = draft.files.iter().map(|file| file.path.join("/")).collect();
        assert_eq!(paths, ["a/X", "a/x", "a.b", "é"]);
    }

    #[test]
    fn a_file_that_changes_its_size_meanwhile_is_an_error() {
        let (_scratch, root) = folder(&[("a", 40 * P), ("b", 1)]);
        for size in [P as u64, 41 * P as u64] {
            let options = HashOptions { piece_length: Some(PIECE), version: Version::Hybrid };
            let found = hash_path(&root, &options, &mut |_, _| {
                File::options().write(true).open(root.join("a")).unwrap().set_len(size).unwrap();
            });
            assert!(matches!(found, Err(StorageError::Changed { .. })), "{found:?}");
            fs::write(root.join("a"), noise(40 * P)).unwrap();
        }
    }

    #[test]
    fn what_is_missing_or_no_file_is_named() {
        let (_scratch, root) = folder(&[("a", 1)]);
        let missing = hash(&root.join("b"), Version::V1);
        assert!(matches!(missing, Err(StorageError::Missing { .. })), "{missing:?}");
        let device = hash(Path::new("/dev/null"), Version::V1);
        assert!(matches!(device, Err(StorageError::NotRegular { .. })), "{device:?}");
        let odd = HashOptions { piece_length: Some(20_000), version: Version::V1 };
        assert!(hash_path(&root, &odd, &mut |_, _| {}).is_err());
    }

    #[test]
    fn pieces_grow_with_the_content() {
        const KIB: u32 = 1024;
        for (total, expected) in [
            (0, 512 * KIB),
            (1 << 30, 512 * KIB),
            ((1 << 30) + 1, 1024 * KIB),
            (2 << 30, 1024 * KIB),
            (100 << 30, 64 * 1024 * KIB),
            (u64::MAX, MAX_PIECE_LEN),
        ] {
            assert_eq!(default_piece_length(total), expected, "{total} bytes");
        }
    }
}
