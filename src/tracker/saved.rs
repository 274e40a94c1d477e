//! The catalogue as bytes in a file, and when it is handed over to be written.
//!
//! ```text
//! "swarmlet tracker state 1\n"
//! name length:u16be  name  .torrent length:u32be  .torrent      as often as there are entries
//! SHA-256 of all before: 32 bytes
//! ```
//! The loop never waits for a disk: [`Saving`] walks the catalogue [`ENTRIES_A_TURN`] entries at
//! a time, sharing the .torrents, and tries to put them into a channel. Whoever listens there
//! makes bytes of them. A .torrent says by itself what it is, so nothing else is kept.

use super::catalogue::Catalogue;
use crate::clock::Moment;
use crate::ids::InfoHashV2;
use crossbeam_channel::Sender;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// Entries looked at in one turn.
const ENTRIES_A_TURN: usize = 256;

/// Changes are saved so long after the first of them: a class that publishes at the same time is
/// saved once.
const SAVE_AFTER: Duration = Duration::from_secs(5);

/// How soon to try again when the writer was busy.
const BUSY: Duration = Duration::from_secs(10);

const OPENING: &[u8] = b"swarmlet tracker state 1\n";
const HASH: usize = 32;

/// One entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The name it was published under.
    pub name: String,
    /// The .torrent.
    pub torrent: Arc<[u8]>,
}

/// Why a file is no state of a tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadState {
    /// It begins otherwise.
    #[error("it does not begin like the state of a tracker")]
    Opening,
    /// It was cut off or altered.
    #[error("its last 32 bytes are not the SHA-256 of what stands before them")]
    Hash,
    /// An entry is longer than what is left.
    #[error("an entry is cut off")]
    Entry,
}

/// Writes entries as a file holds them.
pub fn write(entries: &[Saved], to: &mut impl Write) -> io::Result<()> {
    let mut hash = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hash.update(bytes);
        to.write_all(bytes)
    };
    put(OPENING)?;
    for Saved { name, torrent } in entries {
        put(&(name.len() as u16).to_be_bytes())?;
        put(name.as_bytes())?;
        put(&(torrent.len() as u32).to_be_bytes())?;
        put(torrent)?;
    }
    to.write_all(&hash.finalize())
}

/// Reads what [`write`] wrote.
pub fn read(bytes: &[u8]) -> Result<Vec<Saved>, BadState> {
    let (all, hash) = bytes.split_last_chunk::<HASH>().ok_or(BadState::Opening)?;
    let mut rest = all.strip_prefix(OPENING).ok_or(BadState::Opening)?;
    if Sha256::digest(all)[..] != hash[..] {
        return Err(BadState::Hash);
    }
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(entry(&mut rest).ok_or(BadState::Entry)?);
    }
    Ok(entries)
}

fn entry(rest: &mut &[u8]) -> Option<Saved> {
    let name_length = u16::from_be_bytes(*rest.split_off(..2)?.first_chunk()?);
    let name = String::from_utf8(rest.split_off(..name_length.into())?.to_vec()).ok()?;
    let length = u32::from_be_bytes(*rest.split_off(..4)?.first_chunk()?);
    let torrent = rest.split_off(..length as usize)?.into();
    Some(Saved { name, torrent })
}

/// When the catalogue is handed over, and how far that is.
pub struct Saving {
    to: Sender<Vec<Saved>>,
    /// The changes that the last one handed over has.
    saved: u64,
    due: Option<Moment>,
    walk: Option<Walk>,
}

/// A walk through the catalogue. What is published meanwhile it may miss; then it is a change.
struct Walk {
    changes: u64,
    after: Option<InfoHashV2>,
    entries: Vec<Saved>,
}

impl Walk {
    /// Goes on; true at the end.
    fn step(&mut self, catalogue: &Catalogue, limit: usize) -> bool {
        let before = self.entries.len();
        for (hash, entry) in catalogue.after(self.after).take(limit) {
            let (name, torrent) = (entry.published_as().to_owned(), Arc::clone(&entry.torrent));
            self.entries.push(Saved { name, torrent });
            self.after = Some(hash);
        }
        self.entries.len() - before < limit
    }
}

impl Saving {
    /// Hands over to `to` what changes from now on.
    pub fn new(to: Sender<Vec<Saved>>, catalogue: &Catalogue) -> Self {
        Self { to, saved: catalogue.changes(), due: None, walk: None }
    }

    /// Does a bounded part of what is due.
    pub fn on_tick(&mut self, now: Moment, catalogue: &Catalogue) {
        if self.walk.is_none() && catalogue.changes() != self.saved {
            let due = *self.due.get_or_insert(now + SAVE_AFTER);
            if due <= now {
                self.walk = Some(Self::walk(catalogue));
            }
        }
        let Some(walk) = &mut self.walk else { return };
        if walk.step(catalogue, ENTRIES_A_TURN) {
            let Some(walk) = self.walk.take() else { return };
            let taken = self.to.try_send(walk.entries).is_ok();
            if taken {
                self.saved = walk.changes;
            }
            self.due = (!taken).then_some(now + BUSY);
        }
    }

    /// When something is to be done.
    pub fn deadline(&self) -> Option<Moment> {
        if self.walk.is_some() { Some(Moment::START) } else { self.due }
    }

    /// Hands over the last state, if it is another than the last one; waits for the writer.
    pub fn finish(self, catalogue: &Catalogue) {
        if catalogue.changes() != self.saved {
            let mut walk = Self::walk(catalogue);
            walk.step(catalogue, usize::MAX);
            // A writer that is gone has said why.
            let _ = self.to.send(walk.entries);
        }
    }

    fn walk(catalogue: &Catalogue) -> Walk {
        Walk { changes: catalogue.changes(), after: None, entries: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::catalogue::tests::torrent;
    use crossbeam_channel::bounded;
    use proptest::prelude::*;

    fn at(secs: u64) -> Moment {
        Moment::after(Duration::from_secs(secs))
    }

    fn bytes_of(entries: &[Saved]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(entries, &mut bytes).unwrap();
        bytes
    }

    fn publish(catalogue: &mut Catalogue, name: &str, size: u64) {
        let (hash, bytes) = torrent("big.zip", size);
        catalogue.on_publish(hash, name, bytes, |_, _| true).unwrap();
    }

    fn saved(name: &str, torrent: &[u8]) -> Saved {
        Saved { name: name.into(), torrent: torrent.into() }
    }

    #[test]
    fn a_state_has_its_opening_its_entries_and_their_hash() {
        let golden = [
            &b"swarmlet tracker state 1\n"[..],
            b"\x00\x02ab\x00\x00\x00\x03xyz",
            b"\x00\x00\x00\x00\x00\x00",
        ]
        .concat();
        let golden = [&golden[..], &Sha256::digest(&golden)].concat();
        let entries = [saved("ab", b"xyz"), saved("", b"")];
        assert_eq!(bytes_of(&entries), golden);
        assert_eq!(read(&golden), Ok(entries.to_vec()));
    }

    #[test]
    fn a_file_that_was_cut_or_altered_is_no_state() {
        let whole = bytes_of(&[saved("ab", b"xyz")]);
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
            let mut altered = whole.clone();
            altered[cut] ^= 1;
            assert!(read(&altered).is_err(), "altered at {cut}");
        }
        let lies = [OPENING, &[0, 9, b'a']].concat();
        assert_eq!(read(&[&lies[..], &Sha256::digest(&lies)].concat()), Err(BadState::Entry));
    }

    #[test]
    fn changes_are_handed_over_once_and_a_busy_writer_is_asked_again() {
        let mut catalogue = Catalogue::new(10, 10_000);
        publish(&mut catalogue, "first", 1);
        let (to, heard) = bounded(1);
        let mut saving = Saving::new(to, &catalogue);
        saving.on_tick(at(1), &catalogue);
        assert_eq!(saving.deadline(), None, "what was there at the start is saved");
        publish(&mut catalogue, "second", 2);
        saving.on_tick(at(2), &catalogue);
        assert_eq!(saving.deadline(), Some(at(7)));
        saving.on_tick(at(7), &catalogue);
        assert_eq!((heard.len(), saving.deadline()), (1, None));
        publish(&mut catalogue, "third", 3);
        saving.on_tick(at(8), &catalogue);
        saving.on_tick(at(13), &catalogue);
        assert_eq!(saving.deadline(), Some(at(23)), "nobody took the last one yet");
        let names = |entries: Vec<Saved>| {
            let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
            names.sort();
            names
        };
        assert_eq!(names(heard.recv().unwrap()), ["first", "second"]);
        saving.on_tick(at(23), &catalogue);
        assert_eq!(names(heard.recv().unwrap()), ["first", "second", "third"]);
        saving.finish(&catalogue);
        assert!(heard.try_recv().is_err(), "the last state was saved already");
    }

    #[test]
    fn a_large_catalogue_is_walked_in_turns_and_all_of_it_at_the_end() {
        let mut catalogue = Catalogue::new(10_000, 10_000_000);
        let count = ENTRIES_A_TURN * 2 + 1;
        let (to, heard) = bounded(1);
        let mut saving = Saving::new(to, &catalogue);
        for n in 0..count {
            publish(&mut catalogue, "x", n as u64 + 1);
        }
        for (now, there) in [(0, 0), (5, 0), (5, 0), (5, 1)] {
            saving.on_tick(at(now), &catalogue);
            assert_eq!(heard.len(), there, "at {now} s");
        }
        assert_eq!(heard.recv().unwrap().len(), count);
        publish(&mut catalogue, "y", count as u64 + 1);
        saving.finish(&catalogue);
        assert_eq!(heard.recv().unwrap().len(), count + 1);
    }

    proptest! {
        #[test]
        fn garbage_behind_a_right_hash_is_entries_or_none(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let all = [OPENING, &bytes].concat();
            let whole = [&all[..], &Sha256::digest(&all)].concat();
            if let Ok(entries) = read(&whole) {
                prop_assert_eq!(bytes_of(&entries), whole);
            }
        }
    }
}
