//! Which files of a torrent are wanted: what the user said, applied to the files there are.

use super::exit::CliError;
use super::select::{Selection, chosen_by_magnet};
use crate::control::order::FileChange;
use crate::logic::picker::Priority;
use crate::metainfo::Metainfo;
use std::ops::RangeInclusive;

/// What the user said before the files were known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// How much each data file is wanted; empty: all as usual.
    pub priorities: Vec<Priority>,
    /// What is to change in that.
    pub changes: Vec<FileChange>,
    /// `--select`.
    pub select: Option<String>,
    /// What a magnet selects (BEP 53); nothing is all.
    pub by_magnet: Vec<RangeInclusive<u32>>,
}

impl Choice {
    /// How much each data file of a torrent is wanted; empty: all as usual.
    ///
    /// # Errors
    /// A file that the torrent does not have, in a sentence.
    pub fn of(&self, meta: &Metainfo) -> Result<Vec<Priority>, CliError> {
        let files = meta.data_files().count();
        let mut priorities = self.priorities.clone();
        if let Some(list) = &self.select {
            let list: Selection = list.parse().map_err(|why: String| usage(&why))?;
            let paths: Vec<String> = meta.data_files().map(|file| file.path.join("/")).collect();
            priorities = only(&list.chosen(&paths).map_err(|why| usage(&why))?);
        } else if priorities.is_empty() && !self.by_magnet.is_empty() {
            priorities = only(&chosen_by_magnet(&self.by_magnet, files));
        }
        apply(&mut priorities, &self.changes, files).map_err(CliError::usage)?;
        if !priorities.is_empty() {
            priorities.resize(files, Priority::Normal);
        }
        Ok(priorities)
    }
}

/// These are wanted as usual, and no others.
fn only(chosen: &[bool]) -> Vec<Priority> {
    let priority = |&is: &bool| if is { Priority::Normal } else { Priority::Skip };
    chosen.iter().map(priority).collect()
}

fn usage(why: &str) -> CliError {
    CliError::usage(format!("--select: {why}"))
}

/// Applies changes to the priorities of so many files; what is not wanted keeps no priority.
///
/// # Errors
/// A file that does not exist.
pub fn apply(now: &mut Vec<Priority>, changes: &[FileChange], files: usize) -> Result<(), String> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut new = now.clone();
    new.resize(files, Priority::Normal);
    for change in changes {
        let (FileChange::Want(list) | FileChange::Skip(list) | FileChange::Rate(_, list)) = change;
        if let Some(out) = list.iter().find(|&&file| file >= files) {
            return Err(format!("there is no file {out}: the torrent has {files}, from 0"));
        }
        let all: Vec<usize> = if list.is_empty() { (0..files).collect() } else { list.clone() };
        for file in all {
            new[file] = match (change, new[file]) {
                (FileChange::Want(_), Priority::Skip) => Priority::Normal,
                (FileChange::Want(_), as_before) => as_before,
                (FileChange::Skip(_), _) | (FileChange::Rate(..), Priority::Skip) => Priority::Skip,
                (FileChange::Rate(priority, _), _) => *priority,
            };
        }
    }
    *now = new;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_wanted_is_not_made_wanted_by_its_priority() {
        let (high, low) = (Priority::High, Priority::Low);
        let mut now = Vec::new();
        let changes = [
            FileChange::Skip(Vec::new()),
            FileChange::Want(vec![1, 2]),
            FileChange::Rate(high, vec![0, 2]),
        ];
        assert_eq!(apply(&mut now, &changes, 3), Ok(()));
        assert_eq!(now, [Priority::Skip, Priority::Normal, high]);
        assert_eq!(apply(&mut now, &[FileChange::Rate(low, Vec::new())], 3), Ok(()));
        assert_eq!(now, [Priority::Skip, low, low]);
    }

    #[test]
    fn a_file_that_does_not_exist_changes_nothing() {
        let mut now = Vec::new();
        let changes = [FileChange::Skip(vec![0]), FileChange::Want(vec![3])];
        let why = apply(&mut now, &changes, 3).unwrap_err();
        assert_eq!(why, "there is no file 3: the torrent has 3, from 0");
        assert!(now.is_empty());
    }
}
