//! `--share` and `--watch-dir`: what lies in these folders becomes torrents, by orders at the desk
//! like anybody else's.
//!
//! The thread `folders` looks every two seconds; no notification of the system is needed, and a
//! folder on a network works as well.

use super::listing::{Listing, News, Shape};
use crate::control::Desk;
use crate::control::order::{Addition, Change, Name, Order, Refusal, Reply, Source, Which};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, UNIX_EPOCH};

/// How often the folders are looked at.
const PAUSE: Duration = Duration::from_secs(2);

/// The most entries of a tree that are looked at: what is larger rests when its top rests.
const MOST: usize = 100_000;

/// A folder that cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("cannot look into {} ({source}): check {flag}", path.display())]
pub struct FolderError {
    path: PathBuf,
    flag: &'static str,
    source: io::Error,
}

/// The folders that are looked at.
#[derive(Debug, Default)]
pub struct Folders {
    share: Option<PathBuf>,
    watch: Option<PathBuf>,
}

/// The thread that looks; it ends when this is dropped.
pub struct Watching {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // Its orders find nobody any more and come back at once.
            let _ = thread.join();
        }
    }
}

impl Folders {
    /// Checks that they are there.
    pub fn of(share: Option<&Path>, watch: Option<&Path>) -> Result<Self, FolderError> {
        let absolute = |path: Option<&Path>, flag| {
            let look = |path: &Path| {
                let source = |source| FolderError { path: path.to_owned(), flag, source };
                fs::read_dir(path).map_err(source)?;
                path.canonicalize().map_err(source)
            };
            path.map(look).transpose()
        };
        Ok(Self { share: absolute(share, "--share")?, watch: absolute(watch, "--watch-dir")? })
    }

    /// Starts to look.
    pub fn watch(self, desk: Desk) -> Result<Watching, FolderError> {
        if self.share.is_none() && self.watch.is_none() {
            return Ok(Watching { stop: None, thread: None });
        }
        let (stop, stopped) = bounded::<()>(0); // never sent on
        let thread = Builder::new().name("folders".into()).spawn(move || {
            let mut looks = Looks::new(self, desk);
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                looks.look();
            }
        });
        let source =
            |source| FolderError { path: ".".into(), flag: "the limit of threads", source };
        Ok(Watching { stop: Some(stop), thread: Some(thread.map_err(source)?) })
    }
}

struct Looks {
    folders: Folders,
    desk: Desk,
    shared: Listing,
    /// The torrents of what is shared.
    ids: BTreeMap<PathBuf, u32>,
    watched: Listing,
}

impl Looks {
    fn new(folders: Folders, desk: Desk) -> Self {
        let (shared, watched) = (Listing::default(), Listing::default());
        Self { folders, desk, shared, ids: BTreeMap::new(), watched }
    }

    fn look(&mut self) {
        if let Some(folder) = self.folders.share.clone() {
            let now = entries(&folder, |name| !is_left_out(name));
            let news = now.map(|now| self.shared.on_look(now));
            for news in said(&folder, news).unwrap_or_default() {
                self.on_shared(news);
            }
        }
        if let Some(folder) = self.folders.watch.clone() {
            let now = entries(&folder, is_torrent_or_link);
            let news = now.map(|now| self.watched.on_look(now));
            for news in said(&folder, news).unwrap_or_default() {
                if let News::Came(path) | News::Changed(path) = news {
                    self.on_watched(&path);
                }
            }
        }
    }

    fn on_shared(&mut self, news: News) {
        let (path, is_there) = match news {
            News::Came(path) | News::Changed(path) => (path, true),
            News::Went(path) => (path, false),
        };
        if let Some(id) = self.ids.remove(&path) {
            let which = Which::These(vec![Name::Id(id)]);
            self.order(&path, Order::Remove { which, with_data: false });
        }
        if is_there {
            let added = self.order(&path, add(Source::Seed(path.clone())));
            if let Some(Reply::Added { torrent, duplicate: false }) = added {
                self.ids.insert(path, torrent.id);
            }
        }
    }

    /// A .torrent, or a file with a link in it, is taken up once: it is renamed, or deleted.
    fn on_watched(&mut self, path: &Path) {
        let is_link = path.extension().is_some_and(|ending| ending == "magnet");
        let source = if is_link {
            let Some(text) = said(path, fs::read_to_string(path)) else { return };
            Source::What(text.trim().to_owned())
        } else {
            let Some(bytes) = said(path, fs::read(path)) else { return };
            Source::Torrent(bytes)
        };
        if self.order(path, add(source)).is_none() {
            return;
        }
        let deletes = matches!(
            self.desk.order(Order::Session),
            Ok(Reply::Session(session)) if session.delete_added
        );
        let done = if deletes {
            fs::remove_file(path)
        } else {
            let mut added = path.as_os_str().to_owned();
            added.push(".added");
            fs::rename(path, PathBuf::from(added))
        };
        let _ = said(path, done);
    }

    fn order(&self, path: &Path, order: Order) -> Option<Reply> {
        match self.desk.order(order) {
            Ok(reply) => Some(reply),
            Err(Refusal::Gone) => None,
            Err(refusal) => {
                log::warn!("{}: {refusal}", path.display());
                None
            }
        }
    }
}

fn add(source: Source) -> Order {
    let change = Change::default();
    Order::Add(Box::new(Addition { source, folder: None, paused: None, change }))
}

/// A result, or a warning that names the path.
fn said<T>(path: &Path, result: io::Result<T>) -> Option<T> {
    result.map_err(|error| log::warn!("{}: {error}", path.display())).ok()
}

/// What no share has: hidden files, downloads that are not whole, and what is not content.
fn is_left_out(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    name.starts_with('.') || matches!(ending, Some("part" | "torrent"))
}

fn is_torrent_or_link(name: &str) -> bool {
    let is = |ending| name.to_ascii_lowercase().ends_with(ending);
    !name.starts_with('.') && (is(".torrent") || is(".magnet"))
}

/// The entries of a folder whose names fit, and what they look like.
fn entries(folder: &Path, fits: impl Fn(&str) -> bool) -> io::Result<Vec<(PathBuf, Shape)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(&fits)
            && let Some(shape) = shape_of(&entry.path())
        {
            found.push((entry.path(), shape));
        }
    }
    Ok(found)
}

/// What a file or a tree looks like; none of what is neither, or is going just now.
fn shape_of(path: &Path) -> Option<Shape> {
    let mut shape = Shape { bytes: 0, entries: 0, newest: 0 };
    let mut rest = vec![path.to_owned()];
    while let Some(path) = rest.pop() {
        let meta = fs::symlink_metadata(&path).ok()?;
        if !meta.is_file() && !meta.is_dir() {
            continue;
        }
        shape.entries += 1;
        shape.bytes += if meta.is_file() { meta.len() } else { 0 };
        let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        shape.newest = shape.newest.max(changed.as_nanos());
        if meta.is_dir() && rest.len() < MOST {
            rest.extend(fs::read_dir(&path).ok()?.filter_map(|entry| Some(entry.ok()?.path())));
        }
    }
    (shape.entries > 0).then_some(shape)
}
