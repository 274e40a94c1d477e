//! What is kept over a restart: one .torrent and one JSON file for each torrent of a daemon.
//!
//! ```text
//! DIR/lock                  held while the program runs: two of them never share a folder
//! DIR/torrents/HASH.torrent what it is
//! DIR/torrents/HASH.json    how it is to go on: folder, limits, priorities, what was done so far
//! DIR/torrents/what-N.json  a link or a name whose metainfo is not here yet
//! DIR/statistics.json       what all runs did
//! ```
//! A file is written beside its place and renamed, so that it is whole or the old one. What cannot
//! be read is set aside as `NAME.bad` and named; its torrent is taken up with the usual settings
//! and checked, as every torrent is at start. Writing is done by the thread `keep`.

use super::job::Job;
use super::record::{Kept, MOST};
use crate::cli::exit::{CliError, Exit};
use crate::cli::item::Item;
use crate::cli::what::What;
use crate::clock::Moment;
use crate::control::view::Sum;
use crate::metainfo::Metainfo;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How often figures are written down while nothing else changes.
const FIGURES: Duration = Duration::from_mins(1);

/// Files that may wait to be written: all torrents of a large daemon at once.
const WAITING: usize = 4096;

/// The most of a JSON file that is read.
const LONGEST: u64 = 16 << 20;

/// A torrent of an earlier run.
pub struct Found {
    /// What it is.
    pub item: Item,
    /// How it is to go on.
    pub kept: Kept,
}

/// What an earlier run left.
#[derive(Default)]
pub struct Left {
    /// Its torrents, in the order of the queue.
    pub torrents: Vec<Found>,
    /// What all runs did.
    pub sum: Sum,
    /// What could not be read, in sentences.
    pub troubles: Vec<String>,
}

/// Keeps the torrents of a program in a folder.
pub struct Keeper {
    folder: PathBuf,
    /// Held until the program ends.
    _lock: File,
    writes: Sender<Errand>,
    thread: JoinHandle<()>,
    /// What was last written under which name, for each job.
    last: HashMap<u32, (String, Vec<u8>)>,
    next: Moment,
}

/// Something for the thread that writes.
enum Errand {
    Put(PathBuf, Vec<u8>),
    Gone(PathBuf),
}

impl Keeper {
    /// Takes the folder for this program, makes what is missing, and reads what is there.
    ///
    /// # Errors
    /// [`Exit::Disk`] when it cannot be used or another program uses it.
    pub fn open(folder: &Path) -> Result<(Self, Left), CliError> {
        let torrents = folder.join("torrents");
        let advice = "choose another --config-dir";
        fs::create_dir_all(&torrents)
            .map_err(|why| CliError::disk("make", &torrents, &why, advice))?;
        let lock = lock(folder)?;
        let left = read(folder);
        let (writes, to_write) = bounded(WAITING);
        let thread = Builder::new().name("keep".into()).spawn(move || write_all(&to_write));
        let thread = thread.map_err(|error| {
            CliError::new(Exit::Failed, format!("no thread to keep torrents: {error}"))
        })?;
        let folder = folder.to_owned();
        let last = HashMap::new();
        Ok((Self { folder, _lock: lock, writes, thread, last, next: Moment::START }, left))
    }

    /// Whether figures should be written down now; asks again a minute later.
    pub fn is_due(&mut self, now: Moment) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + FIGURES;
        }
        due
    }

    /// Writes down how a torrent is to go on, if that changed.
    pub fn keep(&mut self, job: &Job, place: usize) {
        let name = name_of(job);
        let kept = serde_json::to_vec_pretty(&Kept::of(job, place)).expect("it can be written");
        match self.last.get(&job.id) {
            Some((before, bytes)) if *before == name && *bytes == kept => return,
            Some((before, _)) if *before != name => {
                let before = self.path(before, "json");
                self.write(Errand::Gone(before));
            }
            _ => {}
        }
        self.write(Errand::Put(self.path(&name, "json"), kept.clone()));
        self.last.insert(job.id, (name, kept));
    }

    /// Writes a torrent's metainfo down.
    pub fn keep_torrent(&mut self, meta: &Metainfo) {
        let path = self.torrent_path(meta);
        if !path.exists() {
            self.write(Errand::Put(path, meta.to_torrent()));
        }
    }

    /// Where a torrent's metainfo is kept.
    pub fn torrent_path(&self, meta: &Metainfo) -> PathBuf {
        self.path(&meta.info_hash().to_string(), "torrent")
    }

    /// A torrent is no longer kept.
    pub fn forget(&mut self, job: &Job) {
        let name = name_of(job);
        for name in
            [Some(name), self.last.remove(&job.id).map(|(name, _)| name)].into_iter().flatten()
        {
            self.write(Errand::Gone(self.path(&name, "torrent")));
            self.write(Errand::Gone(self.path(&name, "json")));
        }
    }

    /// Writes down what all runs did.
    pub fn keep_sum(&mut self, sum: &Sum) {
        let kept = KeptSum {
            downloaded: sum.downloaded,
            uploaded: sum.uploaded,
            added: sum.added,
            runs: sum.runs,
            active_secs: sum.active.as_secs(),
        };
        let bytes = serde_json::to_vec_pretty(&kept).expect("numbers are JSON");
        self.write(Errand::Put(self.folder.join("statistics.json"), bytes));
    }

    /// Waits until everything is written.
    pub fn finish(self) {
        drop(self.writes);
        // It panics only on a bug, which has been said then.
        let _ = self.thread.join();
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join("torrents").join(format!("{name}.{ending}"))
    }

    fn write(&self, write: Errand) {
        if let Err(TrySendError::Full(_)) = self.writes.try_send(write) {
            log::warn!("{}: the disk is too slow: some state is not kept", self.folder.display());
        }
    }
}

/// What a torrent's files are called: by its hash, or by a hash of the word it was named by.
fn name_of(job: &Job) -> String {
    use sha2::{Digest, Sha256};
    if let Some(hash) = job.info_hash() {
        return hash.to_string();
    }
    let word = job.item.word().unwrap_or_else(|| job.label.clone());
    let digest: [u8; 32] = Sha256::digest(word.as_bytes()).into();
    format!("what-{}", crate::ids::hex(&digest[..8]))
}

fn lock(folder: &Path) -> Result<File, CliError> {
    let path = folder.join("lock");
    let advice = "choose another --config-dir";
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|why| CliError::disk("write", &path, &why, advice))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(CliError::new(
            Exit::Disk,
            format!(
                "{} is in use by another peer daemon: stop that one or {advice}",
                folder.display()
            ),
        )),
        Err(error) => Err(CliError::disk("lock", &path, &error.into(), advice)),
    }
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct KeptSum {
    downloaded: u64,
    uploaded: u64,
    added: u64,
    runs: u64,
    active_secs: u64,
}

fn read(folder: &Path) -> Left {
    let mut left = Left::default();
    let sum: KeptSum =
        read_json(&folder.join("statistics.json"), &mut left.troubles).unwrap_or_default();
    left.sum = Sum {
        downloaded: sum.downloaded.min(MOST),
        uploaded: sum.uploaded.min(MOST),
        added: sum.added.min(MOST),
        runs: sum.runs.min(MOST),
        active: Duration::from_secs(sum.active_secs.min(MOST)),
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.join("torrents"))
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    paths.sort();
    let ends_in = |path: &Path, ending: &str| path.extension().is_some_and(|e| e == ending);
    for path in paths.iter().filter(|path| ends_in(path, "torrent")) {
        match read_torrent(path) {
            Ok(meta) => {
                let json = path.with_extension("json");
                let kept = read_kept(&json, &mut left.troubles).unwrap_or_default();
                let item = match &kept.seed {
                    Some(seed) => Item::Seed(seed.clone()),
                    None => Item::Torrent(Arc::new(meta)),
                };
                left.torrents.push(Found { item, kept });
            }
            Err(why) => left.troubles.push(set_aside(path, &why)),
        }
    }
    for path in paths.iter().filter(|path| ends_in(path, "json")) {
        if path.with_extension("torrent").exists() || !path.exists() {
            continue;
        }
        let Some(kept) = read_kept(path, &mut left.troubles) else { continue };
        let item = match (&kept.what, &kept.seed) {
            (_, Some(seed)) => Some(Item::Seed(seed.clone())),
            (Some(word), None) => word.parse::<What>().ok().map(Item::Leech),
            (None, None) => None,
        };
        left.torrents.extend(item.map(|item| Found { item, kept }));
    }
    left.torrents.sort_by_key(|found| found.kept.place);
    left
}

/// A .torrent that is what its name says.
fn read_torrent(path: &Path) -> Result<Metainfo, String> {
    let meta = crate::cli::show::read_torrent(path).map_err(|error| error.to_string())?;
    let named = path.file_stem().is_some_and(|stem| *stem == *meta.info_hash().to_string());
    if named { Ok(meta) } else { Err(format!("it is another torrent, {}", meta.info_hash())) }
}

/// How a torrent is to go on, in a form that we know.
fn read_kept(path: &Path, troubles: &mut Vec<String>) -> Option<Kept> {
    let kept: Kept = read_json(path, troubles)?;
    let Some(why) = kept.is_foreign() else { return Some(kept) };
    troubles.push(set_aside(path, &why));
    None
}

/// A JSON file of ours; `None` if it is not there, or cannot be read: then it is set aside.
fn read_json<T: for<'de> Deserialize<'de>>(path: &Path, troubles: &mut Vec<String>) -> Option<T> {
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Ok(meta) if meta.len() > LONGEST => Err(format!("it has {} bytes", meta.len())),
        _ => fs::read(path).map_err(|error| error.to_string()),
    };
    let value =
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    match value {
        Ok(value) => Some(value),
        Err(why) => {
            troubles.push(set_aside(path, &why));
            None
        }
    }
}

/// Renames what cannot be read, and says so.
fn set_aside(path: &Path, why: &str) -> String {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".bad");
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        Ok(()) => format!(
            "{} cannot be read ({why}): it is set aside as {}; what it said begins anew",
            path.display(),
            aside.display()
        ),
        Err(error) => format!("{} cannot be read ({why}) nor renamed ({error})", path.display()),
    }
}

/// The `keep` thread.
fn write_all(writes: &Receiver<Errand>) {
    for write in writes {
        let done = match &write {
            Errand::Put(path, bytes) => put(path, bytes).map_err(|error| (path, error)),
            Errand::Gone(path) => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err((path, error)),
                _ => Ok(()),
            },
        };
        if let Err((path, error)) = done {
            log::warn!("{} cannot be kept: {error}", path.display());
        }
    }
}

/// Writes a file whole or not at all.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metainfo::build::{BuildOptions, build};
    use crate::storage::create::{HashOptions, hash_path};

    /// A folder as a daemon leaves it, of one torrent.
    struct Folder {
        path: PathBuf,
        torrent: PathBuf,
        json: PathBuf,
    }

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("swarmlet-kept-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(path.join("torrents")).unwrap();
            let content = path.join("film.bin");
            fs::write(&content, vec![7; 40_000]).unwrap();
            let options = HashOptions { piece_length: Some(16384), ..HashOptions::default() };
            let draft = hash_path(&content, &options, &mut |_, _| {}).unwrap();
            let meta = build(&draft, &BuildOptions::default()).unwrap();
            let at = |ending| path.join(format!("torrents/{}.{ending}", meta.info_hash()));
            let (torrent, json) = (at("torrent"), at("json"));
            fs::write(&torrent, meta.to_torrent()).unwrap();
            let mut kept = serde_json::to_value(Kept::default()).unwrap();
            kept["folder"] = "/srv/downloads".into();
            kept["downloaded"] = 123_456_789.into();
            kept["downloading_secs"] = 17.into();
            kept["labels"] = vec!["lecture"].into();
            kept["priorities"] = "n".into();
            fs::write(&json, serde_json::to_vec_pretty(&kept).unwrap()).unwrap();
            Self { path, torrent, json }
        }

        /// What is read once `file` holds `bytes`; the file is as before afterwards. A torrent is
        /// taken up, or what is wrong was set aside under its name.
        fn read_with(&self, file: &Path, bytes: &[u8]) -> Left {
            let before = fs::read(file).unwrap();
            fs::write(file, bytes).unwrap();
            let left = read(&self.path);
            let aside = PathBuf::from(format!("{}.bad", file.display()));
            let is_aside = aside.exists();
            let is_named = left.troubles.iter().any(|t| t.contains(file.to_str().unwrap()));
            assert_eq!(is_aside, is_named, "{:?}", left.troubles);
            if file == self.torrent {
                assert_ne!(left.torrents.is_empty(), !is_aside, "{:?}", left.troubles);
            } else {
                assert_eq!(left.torrents.len(), 1, "its .torrent is whole");
            }
            let _ = fs::remove_file(aside);
            fs::write(file, before).unwrap();
            left
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.path);
        }
    }

    #[test]
    fn every_truncation_is_taken_up_or_set_aside_by_name() {
        let folder = Folder::new("cut");
        for file in [&folder.torrent, &folder.json] {
            let whole = fs::read(file).unwrap();
            for length in 0..whole.len() {
                let left = folder.read_with(file, &whole[..length]);
                assert_eq!(left.troubles.len(), 1, "{length} bytes of {}", file.display());
            }
            assert_eq!(folder.read_with(file, &whole).troubles, [""; 0]);
        }
    }

    #[test]
    fn a_thousand_flipped_bits_are_taken_up_or_set_aside_by_name() {
        let folder = Folder::new("flip");
        let mut random = fastrand::Rng::with_seed(11);
        for file in [&folder.torrent, &folder.json] {
            let whole = fs::read(file).unwrap();
            for _ in 0..1000 {
                let mut bytes = whole.clone();
                bytes[random.usize(..whole.len())] ^= 1 << random.u32(..8);
                folder.read_with(file, &bytes);
            }
        }
    }

    #[test]
    fn what_another_version_wrote_is_set_aside() {
        let folder = Folder::new("version");
        for version in ["0", "2", "4294967295"] {
            let kept = format!("{{\"version\": {version}, \"downloaded\": 5}}");
            let left = folder.read_with(&folder.json, kept.as_bytes());
            assert!(
                left.troubles[0].contains(&format!("version {version}")),
                "{:?}",
                left.troubles
            );
        }
    }

    #[test]
    fn a_torrent_under_the_name_of_another_is_set_aside() {
        let (folder, other) = (Folder::new("name"), Folder::new("other"));
        let mut bytes = fs::read(&other.torrent).unwrap();
        while let Some(at) = bytes.windows(8).position(|window| window == b"film.bin") {
            bytes[at] = b'F';
        }
        let left = folder.read_with(&folder.torrent, &bytes);
        assert!(left.troubles[0].contains("another torrent"), "{:?}", left.troubles);
    }

    #[test]
    fn figures_that_no_run_can_have_reached_do_no_harm() {
        let folder = Folder::new("figures");
        let most = u64::MAX;
        let kept = format!(
            "{{\"downloaded\": {most}, \"uploaded\": {most}, \"downloading_secs\": {most}, \
             \"seeding_secs\": {most}, \"place\": {most}}}"
        );
        let left = folder.read_with(&folder.json, kept.as_bytes());
        assert_eq!(left.troubles, [""; 0]);
        let sum = folder.path.join("statistics.json");
        fs::write(&sum, format!("{{\"active_secs\": {most}, \"runs\": {most}}}")).unwrap();
        let left = read(&folder.path);
        assert_eq!(left.sum.active + Duration::from_hours(1), Duration::from_secs(MOST + 3600));
        assert_eq!(left.sum.runs + 1, MOST + 1);
    }
}
