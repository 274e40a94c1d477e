//! What was written becomes durable, what is whole gets its name, and what others did to our files is
//! put right: [`Storage::settle`] and [`Storage::mend`].
//!
//! ```text
//! settle:  mend -> sync the data -> name what is whole -> sync the names     (not the verifier's time)
//! mend:    cut, grown, replaced, removed, written by others?  -> ours again, its pieces hashed anew
//! ```
//! A name comes after its bytes: what a power cut leaves under a final name is whole. In memory
//! (tmpfs) nothing is synced. A failed sync is never tried again and believed: the system may have
//! thrown away what it could not write, so all pieces of that file are lost.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::hash::stream::GROUP;
use super::stored::Named;
use super::{Storage, StorageError};
use crate::ids::PieceIndex;

/// How often it is looked again when others write to a file as fast as we look.
const ROUNDS: usize = 4;

/// With more files to be synced than this, all of the disk is, once.
const MANY: usize = 32;

/// What others did, or a failing disk.
#[derive(Debug, Default)]
pub struct Damage {
    /// Pieces that were right and are not any more.
    pub lost: Vec<PieceIndex>,
    /// Pieces of the files that somebody was at: what was written of them may be gone.
    pub doubtful: Vec<Range<u32>>,
    /// What could not be put right.
    pub trouble: Option<StorageError>,
}

/// What [`Storage::settle`] did.
#[derive(Debug, Default)]
pub struct Settled {
    /// Whether everything that was written before it began is durable, and what was whole has its
    /// name.
    pub all: bool,
    /// The files that got their names.
    pub named: Vec<PathBuf>,
    /// What was found to be wrong.
    pub damage: Damage,
}

impl Storage {
    /// Makes everything written so far durable, as long as `go_on` says so, and gives the files that
    /// are whole their names. May take as long as the disk does; blocks come and go meanwhile.
    pub fn settle(&self, go_on: &dyn Fn() -> bool) -> Settled {
        let mut settled = Settled { all: true, ..Settled::default() };
        if self.io.is_none() {
            return settled;
        }
        let _one_at_a_time = self.settling.lock();
        self.unsynced.store(0, Ordering::Release);
        for _ in 0..ROUNDS {
            settled.damage.add(self.mend(false));
            settled.all = self.sync(go_on, &mut settled.damage) && go_on();
            if !settled.all || settled.damage.trouble.is_some() {
                settled.all = false;
                break;
            }
            self.look_twice(&mut settled.damage);
            settled.all = self.name_all(&mut settled);
            if settled.all || settled.damage.trouble.is_some() {
                break;
            }
        }
        settled
    }

    /// Bytes written since [`Storage::settle`] began last.
    pub fn unsynced(&self) -> u64 {
        self.unsynced.load(Ordering::Acquire)
    }

    /// Looks at all files that are written. What others cut, made longer, replaced, removed or wrote
    /// to is made ours again, and its pieces are hashed anew. When something is `suspected`, so is
    /// every file that somebody opened or that cannot be watched.
    pub fn mend(&self, suspected: bool) -> Damage {
        let mut damage = Damage::default();
        let Some(io) = self.io else { return damage };
        let _choosing = self.choosing.lock();
        if let Some(any) = self.files.iter().flatten().next() {
            any.look_at_others();
        }
        let files = self.files.iter().enumerate().filter_map(|(n, file)| Some((n, file.as_ref()?)));
        let disturbed: Vec<_> =
            files.filter(|(_, file)| file.is_disturbed(&self.folder, suspected)).collect();
        if disturbed.is_empty() {
            return damage;
        }
        // What is being judged meanwhile has its verdict first, and is looked at here again.
        let _alone = self.judging.write();
        for (entry, file) in disturbed {
            log::info!("{}: somebody else was at it", file.path(&self.folder).display());
            damage.doubtful.push(self.layout.pieces_of(entry));
            if let Err(error) = file.repair(&self.folder, io) {
                damage.trouble.get_or_insert(error);
            }
        }
        self.check_again(&mut damage);
        damage
    }

    /// Whether a file of this piece was opened by somebody else since this was last asked: then a
    /// wrong piece is nobody's fault who can be named.
    pub fn was_opened(&self, piece: PieceIndex) -> bool {
        if self.io.is_none() || piece.0 >= self.geometry.pieces() {
            return false;
        }
        self.files_of(piece).fold(false, |opened, file| {
            file.look_at_others();
            file.was_opened() || opened
        })
    }

    /// Hashes what counted as right of the doubtful pieces.
    fn check_again(&self, damage: &mut Damage) {
        let doubtful: BTreeSet<u32> = damage.doubtful.iter().cloned().flatten().collect();
        let claimed = doubtful.into_iter().map(PieceIndex).filter(|&piece| self.is_verified(piece));
        let claimed: Vec<PieceIndex> = claimed.collect();
        for group in claimed.chunks(GROUP) {
            let verdicts = match self.check(group) {
                Ok(verdicts) => verdicts,
                Err(error) => {
                    if !error.is_foreign() {
                        damage.trouble.get_or_insert(error);
                    }
                    vec![false; group.len()]
                }
            };
            let wrong = group.iter().zip(verdicts).filter(|&(_, right)| !right);
            damage.lose(self, wrong.map(|(&piece, _)| piece));
        }
    }

    /// Makes the data durable; false if not all of it is.
    fn sync(&self, go_on: &dyn Fn() -> bool, damage: &mut Damage) -> bool {
        let files = self.files.iter().enumerate().filter_map(|(n, file)| Some((n, file.as_ref()?)));
        let dirty: Vec<_> = files.filter(|(_, file)| file.is_dirty()).collect();
        if dirty.len() > MANY && !self.folder.is_memory() {
            dirty.iter().for_each(|(_, file)| file.set_dirty(false));
            if let Err(error) = self.folder.sync_all() {
                dirty.iter().for_each(|&(entry, _)| self.distrust(entry, damage));
                damage.trouble.get_or_insert(error);
                return false;
            }
            return true;
        }
        for (entry, file) in dirty {
            match file.sync(&self.folder, go_on) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) if error.is_foreign() => return false,
                Err(error) => {
                    self.distrust(entry, damage);
                    damage.trouble.get_or_insert(error);
                    return false;
                }
            }
        }
        true
    }

    /// A file could not be made durable: nobody knows what of it is on the disk.
    fn distrust(&self, entry: usize, damage: &mut Damage) {
        let (Some(file), Some(io)) = (&self.files[entry], self.io) else { return };
        let _alone = self.judging.write();
        let pieces = self.layout.pieces_of(entry);
        damage.doubtful.push(pieces.clone());
        damage.lose(self, pieces.map(PieceIndex));
        file.set_dirty(true);
        file.forget_memory(&self.folder, io);
    }

    /// Hashes files once more that are whole now and could not be watched.
    fn look_twice(&self, damage: &mut Damage) {
        for (entry, file) in self.files.iter().enumerate() {
            if file.as_ref().is_some_and(super::Stored::is_due_unwatched) {
                let _alone = self.judging.write();
                let mut found =
                    Damage { doubtful: vec![self.layout.pieces_of(entry)], ..Damage::default() };
                self.check_again(&mut found);
                if !found.lost.is_empty() {
                    damage.add(found);
                }
            }
        }
    }

    /// Gives what is whole its name; false if something is to be looked at again.
    fn name_all(&self, settled: &mut Settled) -> bool {
        let (mut all, mut trouble, mut folders) = (true, None, BTreeSet::new());
        for (entry, file) in self.files.iter().enumerate() {
            let Some(file) = file else { continue };
            match file.finish(&self.folder) {
                Ok(Named::Not) => all &= !file.is_due_and_dirty(),
                Ok(Named::Doubtful) => all = false,
                Ok(Named::As(path)) => {
                    settled.named.push(path);
                    folders.insert(self.entries[entry].path.split_last().map(|(_, above)| above));
                }
                Err(error) => _ = trouble.get_or_insert(error),
            }
        }
        for folder in folders.into_iter().flatten().filter(|_| !self.folder.is_memory()) {
            trouble = trouble.or(self.folder.sync_folder(folder).err());
        }
        settled.damage.trouble = settled.damage.trouble.take().or(trouble);
        all && settled.damage.trouble.is_none()
    }
}

impl Damage {
    /// Whether nothing is wrong.
    pub fn is_none(&self) -> bool {
        self.lost.is_empty() && self.doubtful.is_empty() && self.trouble.is_none()
    }

    /// Takes in what else was found.
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.doubtful.extend(other.doubtful);
        self.trouble = self.trouble.take().or(other.trouble);
    }

    fn lose(&mut self, storage: &Storage, pieces: impl Iterator<Item = PieceIndex>) {
        for piece in pieces.filter(|&piece| storage.is_verified(piece)) {
            storage.piece_is_lost(piece);
            self.lost.push(piece);
        }
    }
}
