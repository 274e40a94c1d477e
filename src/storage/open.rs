//! Bringing a torrent's files into being, or finding them.
//!
//! Nothing is written before it is clear that everything can be: names are looked at and locked,
//! then the room is asked for, then files are made and their space is reserved. Where that fails
//! after all, what was made is taken away again.

use super::disk::Io;
use super::error::StorageError;
use super::layout::Layout;
use super::others::Others;
use super::path::{Access, Folder};
use super::place::{Names, hidden_folder};
use super::plan::{PlannedFile, StoragePlan};
use super::space;
use super::stored::{Stored, size_of};
use crate::metainfo::FileKind;
use std::sync::Arc;

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
    let files = all_files(plan, layout);
    for (entry, stored) in plan.files.iter().zip(&files) {
        open_one(folder, entry, stored.as_ref())?;
    }
    Ok(files)
}

/// Why each entry is not there as the torrent says; nothing for those that are.
pub(super) type Troubles = Vec<Option<StorageError>>;

/// The same, of which some may be missing or something else.
pub(super) fn present(folder: &Folder, plan: &StoragePlan, layout: &Layout) -> (Files, Troubles) {
    let entries = plan.files.iter().zip(all_files(plan, layout));
    let open = |(entry, stored): (&PlannedFile, Option<Stored>)| match open_one(
        folder,
        entry,
        stored.as_ref(),
    ) {
        Ok(()) => (stored, None),
        Err(trouble) => (None, Some(trouble)),
    };
    entries.map(open).unzip()
}

fn open_one(
    folder: &Folder,
    entry: &PlannedFile,
    stored: Option<&Stored>,
) -> Result<(), StorageError> {
    if entry.kind != FileKind::Data {
        return Ok(());
    }
    let file = folder.file(&entry.path, Access::Read)?;
    let path = folder.shown(&entry.path);
    let size = size_of(&file, &path)?;
    if size != entry.length {
        return Err(StorageError::Changed { path, size, wanted: entry.length });
    }
    if let Some(stored) = stored {
        stored.take_whole(file);
    }
    Ok(())
}

/// Finds or makes every file that is wanted, with its space reserved; what there is of the others
/// is found and put aside.
pub(super) fn create_or_resume(
    folder: &Folder,
    plan: &StoragePlan,
    layout: &Layout,
    io: Io,
) -> Result<Files, StorageError> {
    let files = all_files(plan, layout);
    for stored in files.iter().flatten() {
        stored.find(folder, io)?;
    }
    let (wanted, others): (Vec<_>, Vec<_>) =
        files.iter().flatten().partition(|stored| stored.is_wanted());
    ask_for_room(folder, &wanted)?;
    others.iter().try_for_each(|stored| stored.unwant(folder))?;
    want_all(folder, &wanted, io)?;
    let chosen = plan.files.iter().enumerate().filter(|&(entry, _)| plan.wants(entry));
    chosen.map(|(_, file)| file).try_for_each(|file| make_if_empty(folder, file))?;
    Ok(files)
}

/// Makes all of these wanted; if one cannot be, those are given up that were not before.
pub(super) fn want_all(folder: &Folder, all: &[&Stored], io: Io) -> Result<(), StorageError> {
    let mut done = Vec::new();
    for &stored in all {
        let is_new = stored.is_absent() || !stored.is_wanted();
        if let Err(e) = stored.want(folder, io) {
            for made in done {
                give_up(folder, made);
            }
            return Err(named(e, folder, stored.length()));
        }
        done.extend(is_new.then_some(stored));
    }
    Ok(())
}

/// Takes away what was made in vain, or puts it aside again.
fn give_up(folder: &Folder, made: &Stored) {
    if let Err(e) = made.unwant(folder) {
        log::warn!("{e}");
    }
}

/// Whether there is room for all of these.
pub(super) fn ask_for_room(folder: &Folder, wanted: &[&Stored]) -> Result<(), StorageError> {
    let (mut need, mut first) = (0_u64, None);
    for stored in wanted {
        let more = stored.space_needed(folder)?;
        first = first.or_else(|| (more > 0).then_some(stored));
        need = need.saturating_add(more);
    }
    let need = space::with_margin(need);
    match (folder.free(), first) {
        (Some(have), Some(first)) if have < need => {
            Err(StorageError::Full { path: first.path(folder), need, have })
        }
        _ => Ok(()),
    }
}

/// Empty files have no pieces: they are right as soon as they are there.
pub(super) fn make_if_empty(folder: &Folder, entry: &PlannedFile) -> Result<(), StorageError> {
    if entry.kind != FileKind::Data || entry.length > 0 {
        return Ok(());
    }
    let Some(file) = folder.file_if_there(&entry.path, Access::Read)? else {
        return folder.file(&entry.path, Access::Create).map(|_| ());
    };
    let path = folder.shown(&entry.path);
    match size_of(&file, &path)? {
        0 => Ok(()),
        size => Err(StorageError::Exists { path, size, wanted: 0 }),
    }
}

/// The files of a plan, of which nothing is opened yet. Those that are wanted are kept open first.
fn all_files(plan: &StoragePlan, layout: &Layout) -> Files {
    let others = Arc::<Others>::default();
    let is_stored = |file: &PlannedFile| file.kind == FileKind::Data && file.length > 0;
    let entries = || plan.files.iter().enumerate().filter(|(_, file)| is_stored(file));
    let wanted = entries().filter(|&(entry, _)| plan.wants(entry)).count();
    let (mut first, mut then) = (0, wanted);
    let hidden = hidden_folder(plan);
    let stored = |(entry, file): (usize, &PlannedFile)| {
        if !is_stored(file) {
            return None;
        }
        let wants = plan.wants(entry);
        let nth = if wants { &mut first } else { &mut then };
        *nth += 1;
        let keep = *nth <= MAX_OPEN;
        let names = Names::of(&file.path, entry, &hidden);
        let pieces = layout.pieces_of(entry).len() as u32;
        Some(Stored::new(names, file.length, pieces, (wants, keep), others.clone()))
    };
    plan.files.iter().enumerate().map(stored).collect()
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
