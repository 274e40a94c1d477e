//! Names and the .torrents published under them.
//!
//! A .torrent enters only if its `info` hashes to the info-hash it is published for, so an entry
//! is what it says. It is found by its own name and by the name it was published under; several
//! contents may bear one name. The bytes and the number of entries are bounded: when there is no
//! room, the entry without peers that was published the longest ago gives way, and when all
//! have peers the newcomer is refused. No sockets and no files here.

/// What a .torrent says about itself.
pub mod inspect;

use crate::ids::{InfoHashV1, InfoHashV2};
use crate::protocol::tracker_native::{MAX_NAME, MAX_TORRENT};
use inspect::{Published, inspect};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// A published content.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The content's own name.
    pub name: String,
    /// Its v1 info-hash, unless it is v2 only.
    pub v1: Option<InfoHashV1>,
    /// Bytes.
    pub size: u64,
    /// Pieces.
    pub pieces: u32,
    /// The .torrent.
    pub torrent: Arc<[u8]>,
    /// The other name it was published under.
    alias: Option<String>,
    serial: u64,
}

/// Why a .torrent was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Longer than a .torrent may be.
    #[error("a .torrent of more than {MAX_TORRENT} bytes")]
    TooLong,
    /// The name is empty or longer than a name may be.
    #[error("a name has 1 to {MAX_NAME} bytes")]
    Name,
    /// It cannot be read.
    #[error("not a .torrent that can be shared here: {0}")]
    Unreadable(String),
    /// It is another content's.
    #[error("the .torrent's info does not hash to its info-hash")]
    OtherContent,
    /// No room.
    #[error("the catalogue is full")]
    Full,
}

/// The catalogue.
pub struct Catalogue {
    entries: BTreeMap<InfoHashV2, Entry>,
    names: BTreeSet<(String, InfoHashV2)>,
    /// Both 20 byte names of every entry.
    shorts: HashMap<InfoHashV1, InfoHashV2>,
    bytes: usize,
    max_bytes: usize,
    max_entries: usize,
    serial: u64,
}

impl Entry {
    /// The name it was published under.
    pub fn published_as(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

impl Catalogue {
    /// An empty one.
    pub fn new(max_entries: usize, max_bytes: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            names: BTreeSet::new(),
            shorts: HashMap::new(),
            bytes: 0,
            max_bytes,
            max_entries,
            serial: 0,
        }
    }

    /// Takes a .torrent in; one that is there already changes nothing. `has_peers` tells by v2 and
    /// v1 info-hash whose entries must stay.
    pub fn on_publish(
        &mut self,
        hash: InfoHashV2,
        name: &str,
        torrent: Vec<u8>,
        has_peers: impl Fn(&InfoHashV2, Option<InfoHashV1>) -> bool,
    ) -> Result<(), CatalogueError> {
        if self.entries.contains_key(&hash) {
            return Ok(());
        }
        if torrent.len() > MAX_TORRENT {
            return Err(CatalogueError::TooLong);
        }
        check_name(name)?;
        let published = inspect(&torrent).map_err(CatalogueError::Unreadable)?;
        if published.v2 != Some(hash) {
            return Err(CatalogueError::OtherContent);
        }
        check_name(&published.name)?;
        self.make_room(torrent.len(), has_peers)?;
        self.insert(hash, name, published, torrent.into());
        Ok(())
    }

    /// Takes in what an earlier run had, as far as it can be read and there is room.
    pub fn restore(&mut self, name: &str, torrent: Vec<u8>) -> Result<(), CatalogueError> {
        let published = inspect(&torrent).map_err(CatalogueError::Unreadable)?;
        let hash = published.v2.ok_or(CatalogueError::OtherContent)?;
        self.on_publish(hash, name, torrent, |_, _| true)
    }

    /// An entry.
    pub fn get(&self, hash: &InfoHashV2) -> Option<&Entry> {
        self.entries.get(hash)
    }

    /// Whose v1 info-hash this is, or whose v2 info-hash it begins.
    pub fn by_short(&self, short: &InfoHashV1) -> Option<InfoHashV2> {
        self.shorts.get(short).copied()
    }

    /// Who bears exactly this name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (InfoHashV2, &Entry)> {
        let from = (name.to_owned(), InfoHashV2([0; 32]));
        let to = (name.to_owned(), InfoHashV2([0xff; 32]));
        self.names.range(from..=to).filter_map(|(_, hash)| Some((*hash, self.get(hash)?)))
    }

    /// The entries after `after` in the order of their info-hashes.
    pub fn after(&self, after: Option<InfoHashV2>) -> impl Iterator<Item = (InfoHashV2, &Entry)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((from, Bound::Unbounded)).map(|(hash, entry)| (*hash, entry))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A number that every change makes larger.
    pub fn changes(&self) -> u64 {
        self.serial
    }

    /// How many bytes all .torrents take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn insert(&mut self, hash: InfoHashV2, alias: &str, published: Published, torrent: Arc<[u8]>) {
        let Published { name, v1, size, pieces, .. } = published;
        let alias = Some(alias.to_owned()).filter(|alias| *alias != name);
        self.names.insert((name.clone(), hash));
        self.names.extend(alias.clone().map(|alias| (alias, hash)));
        for short in v1.into_iter().chain([hash.truncated()]) {
            self.shorts.entry(short).or_insert(hash);
        }
        self.bytes += torrent.len();
        self.serial += 1;
        let serial = self.serial;
        self.entries.insert(hash, Entry { name, v1, size, pieces, torrent, alias, serial });
    }

    fn make_room(
        &mut self,
        bytes: usize,
        has_peers: impl Fn(&InfoHashV2, Option<InfoHashV1>) -> bool,
    ) -> Result<(), CatalogueError> {
        while self.entries.len() >= self.max_entries || self.bytes + bytes > self.max_bytes {
            let idle = self.entries.iter().filter(|(hash, entry)| !has_peers(hash, entry.v1));
            let oldest = idle.min_by_key(|(_, entry)| entry.serial).map(|(hash, _)| *hash);
            self.remove(&oldest.ok_or(CatalogueError::Full)?);
        }
        Ok(())
    }

    fn remove(&mut self, hash: &InfoHashV2) {
        let Some(entry) = self.entries.remove(hash) else { return };
        self.serial += 1;
        self.bytes -= entry.torrent.len();
        for short in entry.v1.into_iter().chain([hash.truncated()]) {
            if self.shorts.get(&short) == Some(hash) {
                self.shorts.remove(&short);
            }
        }
        self.names.remove(&(entry.name, *hash));
        if let Some(alias) = entry.alias {
            self.names.remove(&(alias, *hash));
        }
    }
}

fn check_name(name: &str) -> Result<(), CatalogueError> {
    let fits = !name.is_empty() && name.len() <= MAX_NAME;
    fits.then_some(()).ok_or(CatalogueError::Name)
}

/// Splits `name@hashprefix`; `None` if what follows the last `@` is no beginning of a hash.
pub fn split_choice(text: &str) -> Option<(&str, &str)> {
    let (name, prefix) = text.rsplit_once('@')?;
    let is_prefix =
        (1..=64).contains(&prefix.len()) && prefix.bytes().all(|c| c.is_ascii_hexdigit());
    (is_prefix && !name.is_empty()).then_some((name, prefix))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// A v2 .torrent of one file, and its info-hash.
    pub fn torrent(name: &str, size: u64) -> (InfoHashV2, Vec<u8>) {
        let info = format!(
            "d9:file treed{}:{name}d0:d6:lengthi{size}e11:pieces root32:{}eee\
             12:meta versioni2e4:name{}:{name}12:piece lengthi16384ee",
            name.len(),
            "r".repeat(32),
            name.len(),
        );
        let hash = InfoHashV2(Sha256::digest(&info).into());
        (hash, format!("d4:info{info}e").into_bytes())
    }

    fn catalogue() -> Catalogue {
        Catalogue::new(3, 10_000)
    }

    #[test]
    fn a_torrent_is_found_by_its_own_name_and_the_one_it_was_published_under() {
        let mut c = catalogue();
        let (hash, bytes) = torrent("big.zip", 16_000);
        assert_eq!(c.on_publish(hash, "other.zip", bytes.clone(), |_, _| true), Ok(()));
        for name in ["big.zip", "other.zip"] {
            let (found, entry) = c.named(name).next().expect("found by either name");
            assert_eq!((found, entry.name.as_str()), (hash, "big.zip"));
            assert_eq!((entry.size, entry.pieces, entry.v1), (16_000, 1, None));
            assert_eq!(entry.torrent[..], bytes);
        }
        assert_eq!(c.named("big.zi").count(), 0);
    }

    #[test]
    fn a_torrent_without_its_piece_layers_is_refused() {
        let (hash, bytes) = torrent("big.zip", 40_000);
        let refused = catalogue().on_publish(hash, "big.zip", bytes, |_, _| true);
        assert_eq!(refused, Err(CatalogueError::Unreadable("it has no piece layers".into())));
    }

    #[test]
    fn two_contents_may_bear_one_name() {
        let mut c = catalogue();
        for size in [1, 2] {
            let (hash, bytes) = torrent("big.zip", size);
            c.on_publish(hash, "big.zip", bytes, |_, _| true).unwrap();
        }
        assert_eq!(c.named("big.zip").count(), 2);
    }

    #[test]
    fn a_torrent_that_is_not_what_it_is_published_as_is_refused() {
        let mut c = catalogue();
        let (hash, bytes) = torrent("a", 1);
        let other = InfoHashV2([1; 32]);
        let mut publish = |hash, name: &str, bytes: &[u8]| {
            c.on_publish(hash, name, bytes.to_vec(), |_, _| true).unwrap_err()
        };
        assert_eq!(publish(other, "a", &bytes), CatalogueError::OtherContent);
        assert_eq!(publish(hash, "", &bytes), CatalogueError::Name);
        assert_eq!(publish(hash, &"n".repeat(256), &bytes), CatalogueError::Name);
        for cut in 0..bytes.len() {
            let error = publish(hash, "a", &bytes[..cut]);
            assert!(matches!(error, CatalogueError::Unreadable(_)), "cut at {cut}: {error:?}");
        }
    }

    #[test]
    fn when_it_is_full_the_oldest_without_peers_gives_way() {
        let mut c = catalogue();
        let torrents: Vec<_> = (1..=5).map(|n| torrent("a", n)).collect();
        for (hash, bytes) in &torrents[..3] {
            c.on_publish(*hash, "a", bytes.clone(), |_, _| true).unwrap();
        }
        let (hash, bytes) = torrents[3].clone();
        let full = c.on_publish(hash, "a", bytes.clone(), |_, _| true);
        assert_eq!(full, Err(CatalogueError::Full));
        c.on_publish(hash, "a", bytes, |other, _| *other == torrents[0].0).unwrap();
        assert!(c.get(&torrents[0].0).is_some() && c.get(&torrents[1].0).is_none());
        assert_eq!((c.len(), c.names.len(), c.shorts.len()), (3, 3, 3));
        assert_eq!(c.by_short(&torrents[0].0.truncated()), Some(torrents[0].0));
        assert_eq!(c.by_short(&torrents[1].0.truncated()), None);
        assert_eq!(c.bytes(), c.after(None).map(|(_, e)| e.torrent.len()).sum::<usize>());
    }

    #[test]
    fn a_choice_is_a_name_and_the_beginning_of_a_hash() {
        assert_eq!(split_choice("big.zip@3fA2"), Some(("big.zip", "3fA2")));
        assert_eq!(split_choice("me@home@3f"), Some(("me@home", "3f")));
        for text in ["big.zip", "me@home", "@3f", "a@", &format!("a@{}", "0".repeat(65))] {
            assert_eq!(split_choice(text), None, "{text}");
        }
    }
}
