//! Orders from outside, carried out. What has to wait for a disk or a tracker gets a thread of its
//! own, and the letter with it: the loop goes on meanwhile.

use super::adding;
use super::job::{Job, Stage};
use super::{Session, today};
use crate::control::order::{CatalogueEntry, Name, Order, Place, Refusal, Reply, Which};
use crate::control::view::Sum;
use crate::control::{Desk, Letter};
use crate::node::Torrent;
use crate::node::trackers::calls;
use crossbeam_channel::Sender;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

/// How long a change counts as recent.
pub const RECENTLY: Duration = Duration::from_mins(1);

/// What an order comes to.
pub(super) type Outcome = Result<Reply, Refusal>;

pub(super) fn no<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::No(why.into()))
}

impl Session<'_> {
    /// Somebody wants something done.
    pub(super) fn on_letter(&mut self, letter: Letter, desk: &Desk) {
        let Letter { order, answer } = letter;
        let order = match adding::from_web(order) {
            Ok((url, addition)) => {
                let (bind, desk) = (self.context.bind, desk.clone());
                return aside(answer, move || adding::fetch(bind, &url, addition, &desk));
            }
            Err(order) => order,
        };
        let looks = order.only_looks();
        let outcome = match order {
            Order::FreeSpace(path) => return aside(answer, move || room(&path)),
            Order::Catalogue => {
                let trackers = self.context.trackers.clone();
                return aside(answer, move || Ok(catalogue(&trackers)));
            }
            order => self.carry_out(order),
        };
        let _ = answer.send(outcome); // who asked may have gone
        if !looks {
            self.next_look = self.now();
            desk.ring();
        }
    }

    /// Carries out what can be done at once.
    pub fn carry_out(&mut self, order: Order) -> Outcome {
        match order {
            Order::Look { which, detail } => {
                let ids = self.these(&which);
                let torrents = ids.iter().filter_map(|&id| self.view(id, detail)).collect();
                let removed = match which {
                    Which::Recent => self.removed.iter().map(|&(_, id)| id).collect(),
                    _ => Vec::new(),
                };
                Ok(Reply::Torrents { torrents, removed })
            }
            Order::Session => Ok(Reply::Session(Box::new(self.session_view()))),
            Order::Statistics => Ok(Reply::Statistics(self.statistics())),
            Order::Board(id, layer) => Ok(Reply::Board(self.board(id, layer).map(Box::new))),
            Order::Past(id) => Ok(Reply::Past(Box::new(self.past(id)))),
            Order::Log(place) => Ok(Reply::Log(self.lines(place))),
            Order::Add(addition) => self.add(*addition),
            Order::Remove { which, with_data } => Ok(self.each(&which, |session, id| {
                session.remove_one(id, with_data);
            })),
            Order::Start(which) => Ok(self.each(&which, Self::start_one)),
            Order::Stop(which) => Ok(self.each(&which, Self::stop_one)),
            Order::Verify(which) => Ok(self.each(&which, Self::verify_one)),
            Order::Announce(which) => Ok(self.each(&which, |session, id| {
                if let Some(running) = session.find(id).and_then(Job::running) {
                    session.node.reannounce(&running.torrent);
                }
            })),
            Order::Change { which, change } => self.change(&which, &change),
            Order::Set(settings) => self.set(&settings),
            Order::Queue { which, to } => {
                let ids = self.these(&which);
                move_in_queue(&mut self.queue, &ids, to);
                Ok(Reply::Done)
            }
            Order::Locate { which, folder } => self.locate(&which, &folder),
            Order::FreeSpace(path) => room(&path),
            Order::Catalogue => Ok(catalogue(&self.context.trackers)),
            Order::Close => {
                self.closing = true;
                Ok(Reply::Done)
            }
        }
    }

    fn each(&mut self, which: &Which, mut what: impl FnMut(&mut Self, u32)) -> Reply {
        for id in self.these(which) {
            what(self, id);
        }
        Reply::Done
    }

    /// The numbers of the torrents that are meant.
    pub(super) fn these(&self, which: &Which) -> Vec<u32> {
        let now = self.now();
        let is_meant = |job: &&Job| match which {
            Which::All => true,
            Which::Recent => match &job.stage {
                Stage::Running(running) => {
                    running.is_moving() || now.since(running.moved) < RECENTLY
                }
                _ => true,
            },
            Which::These(names) => names.iter().any(|name| is_named(job, name)),
        };
        self.jobs.iter().filter(is_meant).map(|job| job.id).collect()
    }

    /// Lets a torrent go.
    pub(super) fn remove_one(&mut self, id: u32, with_data: bool) {
        let Some(at) = self.jobs.iter().position(|job| job.id == id) else { return };
        let job = self.jobs.remove(at);
        self.queue.retain(|&other| other != id);
        let now = self.now();
        self.removed.push((now, id));
        if let Some(keeper) = self.keeper.as_mut().filter(|_| job.kept) {
            keeper.forget(&job);
        }
        if let Some(hash) = job.info_hash() {
            self.context.forget(hash);
        }
        let past = job.now();
        self.sum_of_removed(&job, past);
        self.say(&format!("{}: removed", job.name()));
        let Stage::Running(running) = job.stage else { return };
        let torrent = running.torrent;
        self.node.remove(&torrent);
        self.node.forget(&torrent);
        let deletes = with_data && job.item.is_download();
        let spawned = Builder::new()
            .name("release".into())
            .spawn(move || if deletes { delete(&torrent) } else { make_durable(&torrent) });
        if let Err(error) = spawned {
            log::warn!("no thread to close files: {error}");
        }
    }

    pub(super) fn start_one(&mut self, id: u32) {
        let now = self.now();
        let Some(job) = self.find_mut(id) else { return };
        job.runs = true;
        job.served_out = false;
        match &mut job.stage {
            Stage::Running(running) if running.failed.is_some() => {
                self.reopen(id);
                return;
            }
            Stage::Running(running) if running.paused => {
                running.paused = false;
                (running.since, running.moved) = (now, now);
                running.whole_since = running.whole_since.map(|_| now);
                job.past.started = Some(today());
                let torrent = running.torrent.clone();
                self.node.resume(&torrent);
            }
            Stage::Running(_) | Stage::Preparing(..) => {}
            Stage::Waiting(_) | Stage::Failed(..) | Stage::Finished => self.begin(id),
        }
        self.keep(id);
    }

    /// Stops a torrent; it stays listed.
    pub(super) fn stop_one(&mut self, id: u32) {
        let Some(job) = self.find_mut(id) else { return };
        job.runs = false;
        match &mut job.stage {
            Stage::Running(running) if !running.paused => {
                running.paused = true;
                let torrent = running.torrent.clone();
                self.node.pause(&torrent);
            }
            Stage::Preparing(_, meta) => {
                let meta = meta.take();
                job.leash = None; // its thread ends and is not heard any more
                job.attempt += 1;
                job.stage = Stage::Waiting(meta);
                self.release(id);
            }
            _ => {}
        }
        self.keep(id);
    }

    /// The content of a torrent that is not open may be taken up again.
    fn release(&self, id: u32) {
        if let Some(hash) = self.find(id).and_then(Job::info_hash) {
            self.context.forget(hash);
        }
    }

    /// Opens a torrent's files again, and checks them; the node lets go of it first.
    fn reopen(&mut self, id: u32) {
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else { return };
        let past = job.now();
        self.sum.downloaded += past.downloaded - job.past.downloaded;
        self.sum.uploaded += past.uploaded - job.past.uploaded;
        job.past = past;
        let mut before = None;
        if let Stage::Running(running) = &job.stage {
            let (torrent, meta) = (running.torrent.clone(), running.torrent.meta.clone());
            job.stage = Stage::Waiting(Some(Arc::new(meta)));
            self.node.remove(&torrent);
            self.node.forget(&torrent);
            before = Some(torrent);
        }
        self.release(id);
        self.begin_after(id, before);
    }

    /// Checks what is on disk now: files are opened anew, as somebody may have replaced them.
    fn verify_one(&mut self, id: u32) {
        let Some(job) = self.find_mut(id) else { return };
        job.checks = true;
        if !matches!(job.stage, Stage::Preparing(..)) {
            self.reopen(id);
        }
    }

    fn locate(&mut self, which: &Which, folder: &Path) -> Outcome {
        if !folder.is_absolute() {
            return no(format!("{} is no absolute path", folder.display()));
        }
        for id in self.these(which) {
            let Some(job) = self.find_mut(id) else { continue };
            if !job.is_download() {
                return no(format!("{}: it is served from where it is", job.name()));
            }
            folder.clone_into(&mut job.folder);
            let is_open = !matches!(job.stage, Stage::Waiting(_));
            if is_open {
                self.reopen(id);
            }
            self.keep(id);
        }
        Ok(Reply::Done)
    }

    /// What removed torrents did still counts.
    fn sum_of_removed(&mut self, job: &Job, past: super::job::Past) {
        self.sum.downloaded += past.downloaded - job.past.downloaded;
        self.sum.uploaded += past.uploaded - job.past.uploaded;
    }

    /// What was done in this run.
    pub(super) fn sum_now(&self) -> Sum {
        let mut sum = self.sum;
        for job in &self.jobs {
            let now = job.now();
            sum.downloaded += now.downloaded - job.past.downloaded;
            sum.uploaded += now.uploaded - job.past.uploaded;
        }
        Sum { runs: 1, active: self.now().since(crate::clock::Moment::START), ..sum }
    }
}

/// Does something on a thread of its own and answers from there.
fn aside(answer: Sender<Outcome>, job: impl FnOnce() -> Outcome + Send + 'static) {
    let unheard = answer.clone();
    let spawned = Builder::new().name("aside".into()).spawn(move || {
        let _ = answer.send(job()); // who asked may have gone
    });
    if let Err(error) = spawned {
        let _ = unheard.send(no(format!("no thread to look: {error}")));
    }
}

fn room(path: &Path) -> Outcome {
    match rustix::fs::statvfs(path) {
        Ok(found) => Ok(Reply::Room {
            free: found.f_bavail * found.f_frsize,
            total: found.f_blocks * found.f_frsize,
        }),
        Err(error) => no(format!("{}: {error}", path.display())),
    }
}

fn catalogue(trackers: &[SocketAddr]) -> Reply {
    let mut all: Vec<CatalogueEntry> = Vec::new();
    for tracker in trackers {
        for found in calls::list(*tracker, None).unwrap_or_default() {
            let info_hash = found.info_hash.to_string();
            if all.iter().all(|entry| entry.info_hash != info_hash) {
                all.push(CatalogueEntry {
                    name: found.name,
                    info_hash,
                    size: found.size,
                    seeders: found.seeders,
                    leechers: found.leechers,
                });
            }
        }
    }
    Reply::Catalogue(all)
}

/// What was fetched goes to the disk, before its files are closed.
pub(super) fn make_durable(torrent: &Torrent) {
    if let Some(error) = torrent.storage.settle(&|| true).damage.trouble {
        log::warn!("{error}");
    }
}

/// Takes a torrent's files away.
fn delete(torrent: &Torrent) {
    if let Err(error) = torrent.storage.remove_files() {
        log::warn!("{error}");
    }
}

fn is_named(job: &Job, name: &Name) -> bool {
    match name {
        Name::Id(id) => job.id == *id,
        Name::Hash(digits) => {
            let digits = digits.to_ascii_lowercase();
            let is_it = |hash: String| hash == digits;
            job.info_hash().is_some_and(|hash| is_it(hash.to_string()))
                || job.info_hash().is_some_and(|hash| is_it(hash.short().to_string()))
                || job.meta().is_some_and(|m| m.short_hashes().any(|h| is_it(h.to_string())))
        }
    }
}

/// Moves some torrents in the queue; they stay in order among themselves.
fn move_in_queue(queue: &mut [u32], ids: &[u32], to: Place) {
    let is_moved = |id: &u32| ids.contains(id);
    match to {
        Place::Top => queue.sort_by_key(|id| !is_moved(id)),
        Place::Bottom => queue.sort_by_key(is_moved),
        Place::Up => {
            for at in 1..queue.len() {
                if is_moved(&queue[at]) && !is_moved(&queue[at - 1]) {
                    queue.swap(at, at - 1);
                }
            }
        }
        Place::Down => {
            for at in (1..queue.len()).rev() {
                if is_moved(&queue[at - 1]) && !is_moved(&queue[at]) {
                    queue.swap(at, at - 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torrents_move_in_the_queue_and_keep_their_order() {
        let check = |ids: &[u32], to, expected: [u32; 5]| {
            let mut queue = vec![1, 2, 3, 4, 5];
            move_in_queue(&mut queue, ids, to);
            assert_eq!(queue, expected, "{ids:?} {to:?}");
        };
        check(&[3, 5], Place::Top, [3, 5, 1, 2, 4]);
        check(&[1, 3], Place::Bottom, [2, 4, 5, 1, 3]);
        check(&[3, 4], Place::Up, [1, 3, 4, 2, 5]);
        check(&[1], Place::Up, [1, 2, 3, 4, 5]);
        check(&[2, 3], Place::Down, [1, 4, 2, 3, 5]);
        check(&[5], Place::Down, [1, 2, 3, 4, 5]);
        check(&[9], Place::Top, [1, 2, 3, 4, 5]);
    }
}
