//! Which files of a torrent are wanted, and in which order its pieces are fetched: from the start
//! ([`NewTorrent`]) and while it runs ([`Node::set_priorities`], [`Node::set_picker`]).
//!
//! A choice goes to the disk first and to the swarm second, so that whatever the swarm asks for has
//! its place, and what the disk refuses is not asked for.

use super::shared::Torrent;
use super::{Node, web_seed};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::logic::picker::{Policy, Priority};
use crate::logic::swarm::Swarm;
use crate::metainfo::{FileKind, Metainfo};
use crate::storage::{Storage, StorageError};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A torrent for [`Node::add`].
#[derive(Debug)]
pub struct NewTorrent {
    /// What it is called for people: the name it was asked for by.
    pub name: String,
    /// What it is.
    pub meta: Metainfo,
    /// Native trackers that it names itself.
    pub trackers: Vec<SocketAddr>,
    /// Its files, opened with the same choice: see [`wanted_entries`].
    pub storage: Storage,
    /// The pieces that are verified.
    pub have: Bitfield,
    /// How much each of [`Metainfo::data_files`] is wanted; empty is all as usual, and a file that
    /// has no word is wanted as usual.
    pub priorities: Vec<Priority>,
    /// How its pieces are chosen, if not as the node's others.
    pub picker: Option<Policy>,
}

impl NewTorrent {
    /// A torrent under its own name, all of which is wanted, without trackers of its own.
    pub fn of(meta: &Metainfo, storage: Storage, have: Bitfield) -> Self {
        Self {
            name: meta.name.clone(),
            meta: meta.clone(),
            trackers: Vec::new(),
            storage,
            have,
            priorities: Vec::new(),
            picker: None,
        }
    }
}

impl Node {
    /// Chooses how much each of the torrent's data files is wanted, while it runs. What is no longer
    /// wanted is not asked for any more; when more is wanted the download goes on by itself.
    ///
    /// # Errors
    /// What [`Storage::set_wanted`] says, or that there is not one priority for each data file; then
    /// nothing changes.
    pub fn set_priorities(
        &self,
        torrent: &Arc<Torrent>,
        priorities: &[Priority],
    ) -> Result<(), StorageError> {
        if priorities.len() != torrent.meta.data_files().count() {
            return Err(StorageError::Inconsistent("not one priority per file"));
        }
        let _selecting = torrent.selecting.lock();
        torrent.storage.set_wanted(&wanted_entries(&torrent.meta, priorities))?;
        torrent.picker.lock().priorities = priorities.to_vec();
        self.choose(torrent, None);
        web_seed::start(&self.shared, torrent);
        self.announce();
        let _ = self.shared.nudge.try_send(()); // whoever has it is called at once
        Ok(())
    }

    /// Chooses how a torrent's pieces are chosen from now on; its priorities stay.
    pub fn set_picker(&self, torrent: &Arc<Torrent>, policy: Policy) {
        let _selecting = torrent.selecting.lock();
        self.choose(torrent, Some(policy));
    }

    /// How many verified bytes each data file has, in the torrent's order.
    pub fn file_progress(&self, torrent: &Torrent) -> Vec<u64> {
        torrent.meta.file_progress(&torrent.have())
    }

    /// The swarm hears what is wanted, with `selecting` held.
    fn choose(&self, torrent: &Arc<Torrent>, policy: Option<Policy>) {
        let files = pieces_of_files(&torrent.meta, &torrent.priorities());
        self.shared.decide(torrent, |swarm, now, out| {
            swarm.set_policy(now, policy.unwrap_or(swarm.policy()), &files, out);
            torrent.completed.store(swarm.is_satisfied(), Ordering::Release);
        });
    }
}

/// A swarm that was just made hears what is wanted of it; gives one priority for each data file.
pub(super) fn begin(
    swarm: &mut Swarm,
    now: Moment,
    meta: &Metainfo,
    mut priorities: Vec<Priority>,
) -> Vec<Priority> {
    priorities.resize(meta.data_files().count(), Priority::Normal);
    let as_usual = priorities.iter().all(|&priority| priority == Priority::Normal);
    if !as_usual || swarm.policy() == Policy::Sequential {
        let files = pieces_of_files(meta, &priorities);
        swarm.set_priorities(now, &files, &mut Vec::new()); // nobody is there who could be told
    }
    priorities
}

/// One word for each entry of the torrent's list, for [`crate::storage::StoragePlan::with_wanted`],
/// from the priorities of its data files; those that are missing are as usual.
pub fn wanted_entries(meta: &Metainfo, priorities: &[Priority]) -> Vec<bool> {
    of_entries(meta, priorities).map(|(_, priority)| priority > Priority::Skip).collect()
}

/// The pieces of each file that has any, and how much it is wanted. Pads are wanted when all files
/// are: a torrent is whole only with them.
fn pieces_of_files(meta: &Metainfo, priorities: &[Priority]) -> Vec<(Range<u32>, Priority)> {
    let all =
        of_entries(meta, priorities).map(|(entry, priority)| (meta.pieces_of(entry), priority));
    all.filter(|(pieces, _)| !pieces.is_empty()).collect()
}

/// Each entry of the torrent's list, by its place, and how much it is wanted.
fn of_entries<'a>(
    meta: &'a Metainfo,
    priorities: &'a [Priority],
) -> impl Iterator<Item = (usize, Priority)> + 'a {
    let of_pads = if priorities.contains(&Priority::Skip) { Priority::Skip } else { Priority::Low };
    let mut of_data = priorities.iter().copied();
    meta.files.iter().enumerate().map(move |(entry, file)| match file.kind {
        FileKind::Data => (entry, of_data.next().unwrap_or_default()),
        FileKind::Pad | FileKind::Link => (entry, of_pads),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::bencode::Encoder;
    use Priority::{High, Low, Normal, Skip};

    /// A v1 torrent in pieces of 16 KiB; a name that begins with a dot is a pad's (BEP 47).
    fn meta(files: &[(&str, i64)]) -> Metainfo {
        let total: i64 = files.iter().map(|&(_, length)| length).sum();
        let mut out = Encoder::new();
        out.dict().text("files").list();
        for &(name, length) in files {
            out.dict();
            if name.starts_with('.') {
                out.text("attr").text("p");
            }
            out.text("length").int(length).text("path").list().text(name).end().end();
        }
        out.end().text("name").text("t").text("piece length").int(16384);
        let pieces = total.unsigned_abs().div_ceil(16384) as usize;
        out.text("pieces").bytes(&vec![0; 20 * pieces]).end();
        Metainfo::from_info(&out.finish()).unwrap()
    }

    #[test]
    fn pads_are_wanted_only_when_all_files_are() {
        let meta = meta(&[("a", 10), (".pad", 40_000), ("b", 10)]);
        let files = pieces_of_files(&meta, &[Normal, High]);
        assert_eq!(files, [(0..1, Normal), (0..3, Low), (2..3, High)]);
        let files = pieces_of_files(&meta, &[Skip, Normal]);
        assert_eq!(files, [(0..1, Skip), (0..3, Skip), (2..3, Normal)]);
        assert_eq!(wanted_entries(&meta, &[Skip, Normal]), [false, false, true]);
        assert_eq!(wanted_entries(&meta, &[]), [true; 3]);
    }

    #[test]
    fn a_file_without_pieces_has_no_say_in_the_first_one() {
        let meta = meta(&[("a", 10), ("empty", 0), ("b", 20_000)]);
        assert_eq!(pieces_of_files(&meta, &[Skip, High, Low]), [(0..1, Skip), (0..2, Low)]);
    }
}
