//! What happens to the torrents of a session, and what is said of it: news of the threads that
//! prepare, events of the node, and what a look at a torrent finds.

use super::job::{Job, Running, Stage};
use super::{Session, on_done, today};
use crate::cli::exit::{CliError, Exit};
use crate::cli::json::{Event, secs};
use crate::cli::prepare::{News, Prepared};
use crate::cli::progress::{Finished, State, done_line};
use crate::cli::units;
use crate::clock::Moment;
use crate::ids::PieceIndex;
use crate::node::{self, NewTorrent, Torrent, TorrentStatus};
use crate::protocol::Dialect;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

impl Session<'_> {
    /// A thread that prepares or checks a torrent says something.
    pub(super) fn on_news(&mut self, id: u32, attempt: u32, word: News) {
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id && job.attempt == attempt)
        else {
            return; // it was stopped or removed meanwhile
        };
        match word {
            News::State(state) => on_state(job, state),
            News::Ready(prepared) => self.on_ready(id, *prepared),
            News::Failed(error) => self.on_failed(id, error),
        }
    }

    fn on_failed(&mut self, id: u32, error: CliError) {
        let Some(job) = self.find_mut(id) else { return };
        job.leash = None;
        let meta = job.meta().cloned().map(Arc::new);
        job.stage = Stage::Failed(error.message.clone(), meta);
        self.fail(id, error);
        self.keep(id);
    }

    /// The first failure is what a program in the foreground ends with; all are said.
    pub(super) fn fail(&mut self, id: u32, error: CliError) {
        self.next_look = self.now();
        if self.manner.ends && self.failure.is_none() && self.jobs.len() == 1 {
            self.failure = Some(error);
            return;
        }
        let name = self.find(id).map(Job::name).unwrap_or_default();
        let message = &error.message;
        let named = message.contains(name);
        let said = if named { message.clone() } else { format!("{name}: {message}") };
        self.say(&format!("peer: {said}"));
        self.failure.get_or_insert(error);
    }

    fn on_ready(&mut self, id: u32, prepared: Prepared) {
        let Prepared { name, meta, storage, have, path, trackers, peers, priorities, .. } =
            prepared;
        let hashes = (&meta).into();
        self.emit(&Event::Start { name: Some(name.clone()), hashes, port: self.node.port() });
        self.emit(&Event::Metadata {
            name: name.clone(),
            hashes,
            total: meta.total_size(),
            piece_length: meta.piece_length,
            pieces: meta.geometry().pieces(),
            files: meta.data_files().count(),
        });
        let picker = None;
        let new = NewTorrent {
            name,
            meta,
            trackers,
            storage,
            have,
            priorities: priorities.clone(),
            picker,
        };
        let runs = self.find(id).is_some_and(|job| job.runs);
        let torrent = if runs { self.node.add(new) } else { self.node.add_paused(new) };
        for &liar in self.context.liars.lock().iter() {
            self.node.ban(&torrent, liar);
        }
        for &peer in &self.context.config.peers {
            self.node.add_peer(&torrent, peer, Dialect::Native);
        }
        for &peer in &peers {
            self.node.add_peer(&torrent, peer, Dialect::BitTorrent);
        }
        let now = self.now();
        let last = self.node.status(&torrent);
        let whole = last.left == 0;
        let Some(job) = self.find_mut(id) else { return };
        job.leash = None;
        job.opened = true;
        job.priorities = priorities;
        job.pending.clear();
        if runs {
            job.past.started = Some(today());
        }
        job.stage = Stage::Running(Box::new(Running {
            last,
            torrent: torrent.clone(),
            path,
            since: now,
            whole_since: None,
            told: 0,
            moved: now,
            looked: now,
            failed: None,
            halted: None,
            paused: !runs,
        }));
        self.settle(id);
        self.next_look = now;
        self.say_what_is_right(id);
        if whole && runs {
            self.on_whole(&torrent);
        }
        self.keep(id);
        self.keep_torrent(id);
    }

    /// How a check went that somebody asked for; what was whole before needs no other word.
    fn say_what_is_right(&mut self, id: u32) {
        let now = self.now();
        let Some(job) = self.find_mut(id).filter(|job| job.checks) else { return };
        job.checks = false;
        let was_whole = job.past.done.is_some();
        let Some(running) = job.running_mut() else { return };
        let last = &running.last;
        let right = units::bytes_of(last.wanted - last.left, last.wanted);
        if was_whole && last.left == 0 && !running.paused {
            running.whole_since = Some(now);
        }
        let text = format!("{}: checked: {right} are right", running.torrent.name);
        self.say(&text);
    }

    fn running(&mut self, torrent: &Torrent) -> Option<(u32, &mut Running)> {
        self.jobs.iter_mut().find_map(|job| match &mut job.stage {
            Stage::Running(running) if running.torrent.info_hash == torrent.info_hash => {
                Some((job.id, running.as_mut()))
            }
            _ => None,
        })
    }

    /// The node says what happened.
    pub(super) fn on_event(&mut self, event: node::Event) {
        match event {
            node::Event::Connected { torrent, address, client } => {
                self.on_peer(&torrent, address, Some(client));
            }
            node::Event::Disconnected { torrent, address, .. } => {
                self.on_peer(&torrent, address, None);
            }
            node::Event::Piece { torrent, piece } => self.emit(&Event::Piece {
                hashes: (&torrent.meta).into(),
                piece: piece.0,
                length: torrent.geometry.length_of(piece),
            }),
            node::Event::VerifyFailed { torrent, piece } => {
                let name = &torrent.name;
                self.say(&format!("{name}: {piece} does not match its hash: it is fetched again"));
                self.emit(&Event::VerifyFailed { hashes: (&torrent.meta).into(), piece: piece.0 });
            }
            node::Event::Banned { torrent, address, piece } => {
                let reason = format!("it sent bytes of {piece} that do not match their hash");
                self.say(&format!("{}: {address} is banned: {reason}", torrent.name));
                self.emit(&Event::Banned { hashes: (&torrent.meta).into(), address, reason });
            }
            node::Event::Complete { torrent } => {
                self.node.announce();
                self.on_whole(&torrent);
            }
            node::Event::Halted { torrent, error } => self.on_halted(&torrent, error.into()),
            node::Event::Recovered { torrent } => self.on_recovered(&torrent),
            node::Event::Failed { torrent, error } => {
                let why = error.to_string();
                let Some((id, running)) = self.running(&torrent) else { return };
                (running.failed, running.halted) = (Some(why), None);
                self.fail(id, error.into());
            }
            node::Event::Lost { torrent, pieces, file, again } => {
                self.on_lost(&torrent, &pieces, &file, again);
            }
            node::Event::Bug { thread } => self.on_bug(thread),
            node::Event::TrackerLost { why, .. } => self.say(&format!("peer: {why}")),
            node::Event::TrackerWarned { tracker, text } => {
                self.say(&format!("peer: {tracker} says: {text}"));
            }
            node::Event::TrackerFound { tracker } => log::info!("{tracker}: the tracker answers"),
            node::Event::Registered { torrent, tracker } => {
                log::info!("{tracker}: knows {}", torrent.name);
                let hashes = (&torrent.meta).into();
                self.emit(&Event::Registered { hashes, tracker: tracker.to_string() });
            }
        }
    }

    /// Pieces are not right any more: somebody else was at the file.
    fn on_lost(&mut self, torrent: &Torrent, pieces: &[PieceIndex], file: &Path, again: bool) {
        let what = match pieces {
            [one] => one.to_string(),
            all => format!("{} pieces from {} on", all.len(), all[0]),
        };
        let then = if again { "fetched again" } else { "not served any more" };
        let file = file.display();
        self.say(&format!("{}: {file}: changed by somebody else: {what}: {then}", torrent.name));
        for piece in pieces {
            self.emit(&Event::VerifyFailed { hashes: (&torrent.meta).into(), piece: piece.0 });
        }
    }

    /// The disk failed, and is tried again: a full one is no reason to end.
    fn on_halted(&mut self, torrent: &Torrent, error: CliError) {
        let Some((_, running)) = self.running(torrent) else { return };
        running.halted = Some(error.clone());
        let message = error.message;
        self.say(&format!(
            "{}: disk error: {message}; it goes on by itself after that",
            torrent.name
        ));
        self.emit(&Event::Halted { hashes: (&torrent.meta).into(), message });
    }

    fn on_recovered(&mut self, torrent: &Torrent) {
        let now = self.now();
        let Some((_, running)) = self.running(torrent) else { return };
        (running.halted, running.moved) = (None, now);
        self.say(&format!("{}: the disk works again: it goes on", torrent.name));
        self.emit(&Event::Recovered { hashes: (&torrent.meta).into() });
    }

    /// Without this thread nothing would go on: the program says so and ends.
    fn on_bug(&mut self, thread: &str) {
        let message =
            format!("the {thread} thread panics again and again: this is a bug, please report it");
        self.failure = Some(CliError::new(Exit::Failed, message));
        (self.broken, self.closing) = (true, true);
    }

    /// A peer that runs `client` came, or one went.
    fn on_peer(&mut self, torrent: &Torrent, address: SocketAddr, client: Option<String>) {
        let (hashes, connected) = ((&torrent.meta).into(), client.is_some());
        self.emit(&Event::Peer { hashes, address, connected, client });
    }

    fn on_whole(&mut self, torrent: &Arc<Torrent>) {
        let now = self.now();
        let status = self.node.status(torrent);
        let Some((id, running)) = self.running(torrent) else { return };
        if running.whole_since.replace(now).is_some() {
            return;
        }
        running.last = status.clone();
        // What a look has seen here it does not report again.
        let progress = running.progress();
        let (path, since) = (running.path.clone(), running.since);
        let fetched = status.fetched - std::mem::replace(&mut running.told, status.fetched);
        let finished = Finished {
            bytes: status.wanted,
            fetched,
            took: now.since(since),
            sources: status.sources,
            root: torrent.meta.root().filter(|_| status.have == status.total),
        };
        self.next_look = now;
        let (name, hashes) = (torrent.name.clone(), (&torrent.meta).into());
        self.emit(&progress);
        let Some(job) = self.find_mut(id) else { return };
        if job.is_download() {
            let is_news = finished.fetched > 0;
            job.past.done.get_or_insert_with(today);
            self.say(&format!("{name}: {}", done_line(&finished)));
            self.emit(&Event::Done {
                hashes,
                name: name.clone(),
                path,
                bytes: finished.bytes,
                fetched: finished.fetched,
                secs: secs(finished.took),
                rate: finished.rate(),
                sources: finished.sources,
                root: finished.root,
            });
            if is_news {
                self.run_on_done(id);
            }
        } else {
            let (size, hash) = (units::bytes(finished.bytes), torrent.info_hash.to_string());
            self.say(&format!("{name}: serving {size}, info-hash {hash}"));
        }
        self.emit(&Event::Seeding { hashes, name, bytes: finished.bytes });
        self.keep(id);
    }

    /// `--on-done`, for a download that became whole.
    fn run_on_done(&self, id: u32) {
        let (Some(command), Some(job)) = (&self.live.on_done, self.find(id)) else { return };
        let Some(running) = job.running() else { return };
        on_done::run(command, &on_done::Variables::of(job, running));
    }

    /// Looks at one torrent.
    pub(super) fn look_at(&mut self, now: Moment, at: usize) {
        let Some(running) = self.jobs[at].running() else { return };
        let torrent = running.torrent.clone();
        if running.whole_since.is_none() && !running.paused && torrent.is_settled() {
            // The event that says so is dropped when stdout is not read for a while.
            self.node.announce();
            self.on_whole(&torrent);
        }
        let status = self.node.status(&torrent);
        let usual = self.live.ends();
        let job = &mut self.jobs[at];
        let Stage::Running(running) = &mut job.stage else { return };
        if running.whole_since.is_some() && status.left > 0 {
            running.whole_since = None; // more is wanted now
        }
        let counts = |s: &TorrentStatus| (s.fetched, s.uploaded, s.left);
        let moved = counts(&status) != counts(&running.last);
        let news = moved || status.peers.len() != running.last.peers.len();
        running.last = status;
        if moved {
            running.moved = now;
            job.past.active = Some(today());
        }
        let passed = now.since(std::mem::replace(&mut running.looked, now));
        if !running.paused && running.last.left > 0 {
            job.past.downloading += passed;
        } else if !running.paused {
            job.past.seeding += passed;
        }
        let progress = running.progress();
        let failed = running.failed.is_some();
        let over = failed || job.is_served_out(now, &job.ends(&usual));
        if news {
            self.emit(&progress);
        }
        if over && self.manner.ends {
            self.node.remove(&torrent);
            let job = &mut self.jobs[at];
            let failed = job.running().and_then(|running| running.failed.clone());
            job.stage = failed.map_or(Stage::Finished, |why| Stage::Failed(why, None));
        } else if over && !failed {
            let id = self.jobs[at].id;
            self.say(&format!("{}: served as long as was asked: it is stopped", torrent.name));
            self.jobs[at].served_out = true;
            self.stop_one(id);
        }
    }

    /// Keeps the .torrent of a job.
    pub(super) fn keep_torrent(&mut self, id: u32) {
        let job = self.jobs.iter().find(|job| job.id == id && job.kept);
        if let (Some(keeper), Some(meta)) = (&mut self.keeper, job.and_then(Job::meta)) {
            keeper.keep_torrent(meta);
        }
    }
}

fn on_state(job: &mut Job, state: State) {
    if let Stage::Preparing(now, _) = &mut job.stage {
        *now = state;
    }
}

impl Running {
    fn progress(&self) -> Event {
        Event::Progress {
            hashes: (&self.torrent.meta).into(),
            bytes: self.last.wanted - self.last.left,
            total: self.last.wanted,
            down: self.last.down,
            up: self.last.up,
            peers: self.last.peers.len(),
            fetched: self.last.fetched,
            sent: self.last.uploaded,
            corrupt: self.last.corrupt,
        }
    }
}
