//! The list of what a tracker serves, where it does not serve everything.
//!
//! ```text
//! # lectures, 2026                       a line is an info-hash of 40 or 64 hexadecimal digits,
//! 3fa2..(64 digits)  week-1.zip          what follows it is for people; `#` begins a comment
//! 91bc..(40 digits)
//! ```
//! A v2 info-hash stands for its first 20 bytes too, because BitTorrent's peers announce it so.
//! A hybrid torrent that BitTorrent's peers announce by its v1 info-hash needs a line for each:
//! nobody's word joins them. No file and no socket here.

use crate::ids::{InfoHash, InfoHashV1, InfoHashV2};
use std::collections::HashSet;

/// What somebody is told whose info-hash is not on the list.
pub const NOT_LISTED: &str = "not on this tracker's list";

/// Which info-hashes are served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(HashSet<InfoHashV1>);

/// A line that is no info-hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {word:?} is no info-hash of 40 or 64 hexadecimal digits")]
pub struct BadLine {
    /// Its number, from 1.
    pub line: usize,
    /// What stands where the info-hash should be, its beginning.
    pub word: String,
}

/// As much of a wrong line as is repeated.
const REPEATED: usize = 70;

impl AllowList {
    /// Reads a list; the first wrong line makes it none.
    pub fn read(text: &str) -> Result<Self, BadLine> {
        let mut hashes = HashSet::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let Some(word) = line.split_whitespace().next() else { continue };
            let long = word.parse().map(|hash: InfoHashV2| hash.truncated());
            let hash = long.or_else(|_| word.parse());
            let word = || word.chars().take(REPEATED).collect();
            hashes.insert(hash.map_err(|_| BadLine { line: number, word: word() })?);
        }
        Ok(Self(hashes))
    }

    /// Whether it is served.
    pub fn allows(&self, hash: &InfoHash) -> bool {
        self.0.contains(&hash.short())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is served.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_info_hash_and_what_is_for_people() {
        let (one, two) = ("Ab".repeat(20), "cd".repeat(32));
        let text = format!("# ours\n\n  {one}  week 1\n{two}# week 2\r\n");
        let list = AllowList::read(&text).unwrap();
        assert_eq!(list.len(), 2);
        assert!(list.allows(&InfoHashV1([0xab; 20]).into()));
        assert!(list.allows(&InfoHashV2([0xcd; 32]).into()));
        assert!(list.allows(&InfoHashV1([0xcd; 20]).into()), "as BitTorrent's peers announce it");
        assert!(!list.allows(&InfoHashV1([0xef; 20]).into()));
        assert_eq!(AllowList::read("# nothing\n").map(|list| list.is_empty()), Ok(true));
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let good = "ab".repeat(20);
        for word in ["x", &"ab".repeat(19), &"ab".repeat(33), &"g".repeat(40)] {
            let wrong = AllowList::read(&format!("# a\n{good}\n{word} b\n"));
            assert_eq!(wrong, Err(BadLine { line: 3, word: word.into() }));
        }
        let long = AllowList::read(&"é".repeat(1000)).unwrap_err();
        assert_eq!(long.word.chars().count(), REPEATED);
    }
}
