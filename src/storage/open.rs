//! Bringing a torrent's files into being, or finding them.
//!
//! Nothing is written before it is clear that everything can be: names are looked at and locked,
//! then the room is asked for, then files are made and their space is reserved. Where that fails
//! after all, what was made is taken away again.

use std::fs::File;

use super::disk::Io;
use super::error::StorageError;
use super::layout::Layout;
use super::path::{Access, Folder};
use super::plan::{PlannedFile, StoragePlan};
use super::space;
use super::stored::{Found, Stored, size_of};
use crate::metainfo::FileKind;

/// Files kept open; those behind them are opened for each use, so that a torrent of many
/// thousands does not use up our descriptors.
const MAX_OPEN: usize = 512;

/// The stored file of each entry; none for empty files, pads and links.
pub(super) type Files = Vec<Option<Stored>>;

/// Opens what is there for reading; every file must have its name and its size.
pub(super) fn existing(
    folder: &Folder,
    plan: &StoragePlan,
    layout: &Layout,
) -> Result<Files, StorageError> {
    let mut kept = 0;
    let open = |(index, entry)| open_one(folder, layout, index, entry, &mut kept);
    plan.files.iter().enumerate().map(open).collect()
}

/// Why each entry is not there as the torrent says; nothing for those that are.
pub(super) type Troubles = Vec<Option<StorageError>>;

/// The same, of which some may be missing or something else.
pub(super) fn present(folder: &Folder, plan: &StoragePlan, layout: &Layout) -> (Files, Troubles) {
    let mut kept = 0;
    let open = |(index, entry)| match open_one(folder, layout, index, entry, &mut kept) {
        Ok(file) => (file, None),
        Err(trouble) => (None, Some(trouble)),
    };
    plan.files.iter().enumerate().map(open).unzip()
}

fn open_one(
    folder: &Folder,
    layout: &Layout,
    index: usize,
    entry: &PlannedFile,
    kept: &mut usize,
) -> Result<Option<Stored>, StorageError> {
    if entry.kind != FileKind::Data {
        return Ok(None);
    }
    let file = folder.file(&entry.path, Access::Read)?;
    let path = folder.shown(&entry.path);
    let size = size_of(&file, &path)?;
    if size != entry.length {
        return Err(StorageError::Changed { path, size, wanted: entry.length });
    }
    if entry.length == 0 {
        return Ok(None);
    }
    let pieces = layout.pieces_of(index).len() as u32;
    let mut stored = Stored::new(folder, &entry.path, entry.length, pieces);
    *kept += 1;
    stored.use_whole((*kept <= MAX_OPEN).then_some(file));
    Ok(Some(stored))
}

/// Finds or makes every file, with its space reserved.
pub(super) fn create_or_resume(
    folder: &Folder,
    plan: &StoragePlan,
    layout: &Layout,
    io: Io,
) -> Result<Files, StorageError> {
    let (files, work) = look(folder, plan, layout)?;
    ask_for_room(folder, &files, &work)?;
    let mut made = Vec::new();
    for Task { entry, keep, new, part, .. } in work {
        let stored = files[entry].as_ref().expect("a task has a stored file");
        let file = match part {
            Some(file) => Ok(file),
            None if new => stored.make(folder).inspect(|_| made.push(entry)),
            None => stored.find_part(folder),
        };
        if let Err(e) = file.and_then(|file| stored.take(file, io, keep)) {
            for entry in made {
                files[entry].iter().for_each(|stored| stored.unmake(folder));
            }
            return Err(named(e, folder, plan.files[entry].length));
        }
    }
    make_empty_files(folder, plan)?;
    Ok(files)
}

/// A file to be made, or found incomplete.
struct Task {
    entry: usize,
    /// Whether it stays open.
    keep: bool,
    /// Whether there is none yet.
    new: bool,
    /// The incomplete file, if it stays open.
    part: Option<File>,
    /// Bytes to be reserved.
    need: u64,
}

fn look(
    folder: &Folder,
    plan: &StoragePlan,
    layout: &Layout,
) -> Result<(Files, Vec<Task>), StorageError> {
    let (mut files, mut work, mut kept) = (Vec::new(), Vec::new(), 0);
    for (index, entry) in plan.files.iter().enumerate() {
        if entry.kind != FileKind::Data || entry.length == 0 {
            files.push(None);
            continue;
        }
        let mut stored =
            Stored::new(folder, &entry.path, entry.length, layout.pieces_of(index).len() as u32);
        kept += 1;
        let keep = kept <= MAX_OPEN;
        let task = |new, part, need| Task { entry: index, keep, new, part, need };
        match stored.find(folder)? {
            Found::Nothing => work.push(task(true, None, entry.length)),
            Found::Whole(file) => stored.use_whole(keep.then_some(file)),
            Found::Part(file) => {
                let need = stored.space_needed(&file)?;
                work.push(task(false, keep.then_some(file), need));
            }
        }
        files.push(Some(stored));
    }
    Ok((files, work))
}

fn ask_for_room(folder: &Folder, files: &Files, work: &[Task]) -> Result<(), StorageError> {
    let need = work.iter().fold(0_u64, |sum, task| sum.saturating_add(task.need));
    let need = space::with_margin(need);
    match folder.free() {
        Some(have) if have < need => {
            let first = files[work[0].entry].as_ref().expect("a task has a stored file");
            Err(StorageError::Full { path: first.shown_now(folder), need, have })
        }
        _ => Ok(()),
    }
}

/// Empty files have no pieces: they are right as soon as they are there.
fn make_empty_files(folder: &Folder, plan: &StoragePlan) -> Result<(), StorageError> {
    for entry in plan.files.iter().filter(|f| f.kind == FileKind::Data && f.length == 0) {
        let Some(file) = folder.file_if_there(&entry.path, Access::Read)? else {
            folder.file(&entry.path, Access::Create)?;
            continue;
        };
        let path = folder.shown(&entry.path);
        let size = size_of(&file, &path)?;
        if size != 0 {
            return Err(StorageError::Exists { path, size, wanted: 0 });
        }
    }
    Ok(())
}

/// Puts the figures into a `Full` that the system raised without them.
fn named(error: StorageError, folder: &Folder, length: u64) -> StorageError {
    match error {
        StorageError::Full { path, .. } => {
            StorageError::Full { path, need: length, have: folder.free().unwrap_or(0) }
        }
        other => other,
    }
}
