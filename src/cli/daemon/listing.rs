//! What changed in a folder between two looks: [`Listing`]. No file is touched here.
//!
//! An entry counts as new once two looks in a row found it the same: what is still being copied
//! changes its size or its date, and is left alone until it does not.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an entry looks like: its bytes, its files, and its newest date (nanoseconds of the epoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of all files.
    pub bytes: u64,
    /// How many files and folders.
    pub entries: u64,
    /// When one of them last changed.
    pub newest: u128,
}

/// What is to be done about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It is there, and rests.
    Came(PathBuf),
    /// It is another than it was, and rests.
    Changed(PathBuf),
    /// It is not there any more.
    Went(PathBuf),
}

/// A folder, as it was seen last.
#[derive(Debug, Default)]
pub struct Listing {
    seen: BTreeMap<PathBuf, Seen>,
}

#[derive(Debug)]
struct Seen {
    shape: Shape,
    /// The shape that was told of.
    told: Option<Shape>,
}

impl Listing {
    /// What is there now.
    pub fn on_look(&mut self, now: Vec<(PathBuf, Shape)>) -> Vec<News> {
        let now: BTreeMap<PathBuf, Shape> = now.into_iter().collect();
        let mut news = Vec::new();
        self.seen.retain(|path, seen| {
            let stays = now.contains_key(path);
            if !stays && seen.told.is_some() {
                news.push(News::Went(path.clone()));
            }
            stays
        });
        for (path, shape) in now {
            let Some(seen) = self.seen.get_mut(&path) else {
                self.seen.insert(path, Seen { shape, told: None });
                continue;
            };
            if seen.shape != shape {
                seen.shape = shape;
            } else if seen.told != Some(shape) {
                let is_new = seen.told.replace(shape).is_none();
                news.push(if is_new { News::Came(path) } else { News::Changed(path) });
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(listing: &mut Listing, now: &[(&str, u64)]) -> Vec<News> {
        let shape = |bytes| Shape { bytes, entries: 1, newest: 0 };
        listing.on_look(now.iter().map(|&(path, bytes)| (path.into(), shape(bytes))).collect())
    }

    #[test]
    fn what_is_still_being_copied_is_left_alone() {
        let mut listing = Listing::default();
        assert_eq!(look(&mut listing, &[("a", 1)]), []);
        assert_eq!(look(&mut listing, &[("a", 2)]), []);
        assert_eq!(look(&mut listing, &[("a", 2)]), [News::Came("a".into())]);
        assert_eq!(look(&mut listing, &[("a", 2)]), []);
    }

    #[test]
    fn what_changed_is_told_once_it_rests_and_what_went_at_once() {
        let mut listing = Listing::default();
        for _ in 0..2 {
            look(&mut listing, &[("a", 1), ("b", 1)]);
        }
        assert_eq!(look(&mut listing, &[("a", 5)]), [News::Went("b".into())]);
        assert_eq!(look(&mut listing, &[("a", 5)]), [News::Changed("a".into())]);
        assert_eq!(look(&mut listing, &[]), [News::Went("a".into())]);
        assert_eq!(look(&mut listing, &[]), []);
    }

    #[test]
    fn what_went_before_it_was_told_of_is_not_missed() {
        let mut listing = Listing::default();
        look(&mut listing, &[("a", 1)]);
        assert_eq!(look(&mut listing, &[]), []);
    }
}
