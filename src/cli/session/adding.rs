//! A torrent that is ordered: read at once where that takes no time, so that a bad one is refused
//! and never listed.

use super::Session;
use super::job::Job;
use super::orders::{Outcome, no};
use crate::cli::args::is_torrent;
use crate::cli::item::Item;
use crate::cli::prepare::fetch_torrent;
use crate::cli::torrent_file::read_torrent;
use crate::cli::what::What;
use crate::control::Desk;
use crate::control::order::{Addition, Detail, Order, Refusal, Reply, Source};
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::Magnet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

impl Session<'_> {
    /// Takes a torrent up; one that is there already is told, and nothing changes.
    pub(super) fn add(&mut self, addition: Addition) -> Outcome {
        let Addition { source, folder, paused, change } = addition;
        let (item, file) = match source {
            Source::Torrent(bytes) => match Metainfo::parse(&bytes) {
                Ok(meta) => (Item::Torrent(Arc::new(meta)), None),
                Err(error) => return no(format!("invalid or corrupt torrent file: {error}")),
            },
            Source::What(word) => item_of(&word)?,
            Source::Seed(path) if is_torrent(&path) => {
                (Item::Torrent(Arc::new(torrent_at(&path)?)), None)
            }
            Source::Seed(path) if !path.exists() => {
                return no(format!("{}: there is no such file or folder", path.display()));
            }
            Source::Seed(path) => (Item::Seed(path), None),
        };
        if let Some(known) = self.known(&item) {
            let torrent = self.view(known, Detail::default());
            let torrent = Box::new(torrent.expect("it is listed"));
            return Ok(Reply::Added { torrent, duplicate: true });
        }
        let mut job = self.job(item);
        if let Some(folder) = folder {
            if !folder.is_absolute() {
                return no(format!("{} is no absolute path", folder.display()));
            }
            job.folder = folder;
        }
        job.runs = !paused.unwrap_or(!self.live.start_added);
        let (id, runs) = (self.next_id, job.runs);
        let mut change = change;
        if job.meta().is_none() {
            job.pending = std::mem::take(&mut change.wanted);
        }
        job.runs = false;
        self.take(job);
        if let Err(why) = self.change_one(id, &change) {
            self.remove_one(id, false);
            return Err(why);
        }
        if runs {
            self.start_one(id);
        }
        self.sum.added += 1;
        self.keep_torrent(id);
        if let Some(file) = file.filter(|_| self.live.delete_added) {
            // Where it stays it is only read again by hand.
            let _ = std::fs::remove_file(file);
        }
        let job = self.find(id).expect("it was taken up");
        self.say(&format!("{}: added", job.name()));
        let torrent = self.view(id, Detail::default());
        Ok(Reply::Added { torrent: Box::new(torrent.expect("it is listed")), duplicate: false })
    }

    /// The torrent that is the same as an item, as far as that can be told now.
    fn known(&self, item: &Item) -> Option<u32> {
        let same = |job: &&Job| match (item, &job.item) {
            (Item::Torrent(meta), _) => has_hash(job, meta),
            (Item::Seed(path), Item::Seed(other)) => path == other,
            _ => {
                item.info_hash().is_some_and(|hash| {
                    job.info_hash() == Some(hash)
                        || job.meta().is_some_and(|m| m.short_hashes().any(|h| h == hash.short()))
                }) || (item.word().is_some() && item.word() == job.item.word())
            }
        };
        self.jobs.iter().find(same).map(|job| job.id)
    }
}

/// How long a web server has for a .torrent, while somebody waits for the answer to an order.
const FETCH: Duration = Duration::from_secs(8);

/// An addition by the address of a .torrent, and that address; any other order as it is.
pub(super) fn from_web(order: Order) -> Result<(String, Box<Addition>), Order> {
    match order {
        Order::Add(addition) => match &addition.source {
            Source::What(word) => match word.parse() {
                Ok(What::Url(url)) => Ok((url, addition)),
                _ => Err(Order::Add(addition)),
            },
            _ => Err(Order::Add(addition)),
        },
        order => Err(order),
    }
}

/// Fetches the .torrent of an addition and hands the order in again; a server that does not answer
/// is told to whoever gave the order.
pub(super) fn fetch(
    bind: Option<IpAddr>,
    url: &str,
    addition: Box<Addition>,
    desk: &Desk,
) -> Outcome {
    let bytes = fetch_torrent(bind, url, FETCH).map_err(|error| Refusal::No(error.message))?;
    let source = Source::Torrent(bytes);
    desk.order(Order::Add(Box::new(Addition { source, ..*addition })))
}

/// What a word names; a .torrent is read at once, so that a bad one is refused and not listed.
fn item_of(word: &str) -> Result<(Item, Option<PathBuf>), Refusal> {
    let what: What = word.parse().expect("every word is something");
    match what {
        What::Torrent(path) => {
            let meta = torrent_at(&path)?;
            Ok((Item::Torrent(Arc::new(meta)), Some(path)))
        }
        What::Magnet(link) => match link.parse::<Magnet>() {
            Ok(_) => Ok((Item::Leech(What::Magnet(link)), None)),
            Err(error) => no(format!("bad magnet link: {error}")),
        },
        What::Name { ref name, .. } if name.trim().is_empty() => no("no torrent is named"),
        what => Ok((Item::Leech(what), None)),
    }
}

/// A .torrent on disk; only a plain file is opened, as a pipe would keep everybody waiting.
fn torrent_at(path: &Path) -> Result<Metainfo, Refusal> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return no(format!("{} is no file", path.display())),
        Err(error) => return no(format!("cannot read {}: {error}", path.display())),
    }
    read_torrent(path).map_err(|error| Refusal::No(error.to_string()))
}

fn has_hash(job: &Job, meta: &Metainfo) -> bool {
    let hash = job.info_hash();
    hash.is_some_and(|hash| meta.short_hashes().any(|short| short == hash.short()))
}
