//! How the torrents of a session stand, as values for whoever looks from outside.

use super::job::{Job, Running, Stage};
use super::{Session, today};
use crate::clock::Moment;
use crate::control::order::Detail;
use crate::control::view::{
    Crowd, Dates, FileView, From, Limit, Origin, PeerView, Session as SessionView, Spent, State,
    Statistics, Sum, TorrentView, TrackerView, Trouble,
};
use crate::ids::InfoHash;
use crate::logic::dialer::Source;
use crate::logic::picker::Priority;
use crate::logic::swarm::Standing;
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::Magnet;
use crate::node::standing;
use crate::node::trackers::status::{Told, TrackerStatus};
use crate::protocol::Dialect;

use std::time::Duration;

/// After so long without a byte a torrent that should move counts as stalled.
const STALLED: Duration = Duration::from_secs(30);

impl Session<'_> {
    /// How a torrent stands now.
    pub(super) fn view(&self, id: u32, detail: Detail) -> Option<TorrentView> {
        let job = self.jobs.iter().find(|job| job.id == id)?;
        let queue = self.queue.iter().position(|&other| other == id).unwrap_or_default();
        let mut view = outline(job, queue);
        if let Some(meta) = job.meta() {
            describe(&mut view, meta);
            view.wanted = wanted_of(job, meta);
            view.left = view.wanted;
            if detail.files {
                view.files = files_of(job, meta, None);
            }
        }
        if let Some(tiers) = &job.tiers {
            view.tiers.clone_from(tiers);
        }
        if let Some(running) = job.running() {
            self.fill(&mut view, job, running, detail);
        }
        Some(view)
    }

    /// What the node knows.
    fn fill(&self, view: &mut TorrentView, job: &Job, running: &Running, detail: Detail) {
        let now = self.node.now();
        let (torrent, last) = (&running.torrent, &running.last);
        view.wanted = last.wanted;
        view.left = last.left;
        view.have = last.have;
        view.corrupt = last.corrupt;
        (view.down, view.up) = if running.paused { (0, 0) } else { (last.down, last.up) };
        view.eta = last.left.checked_div(view.down).map(Duration::from_secs);
        let halted = running.halted.as_ref().map(|error| &error.message);
        if let Some(why) = running.failed.as_ref().or(halted) {
            view.trouble = Some(Trouble::Local(why.clone()));
        }
        let quiet = self.now().since(running.moved) >= STALLED;
        view.is_stalled = !running.paused && quiet && view.trouble.is_none();
        view.torrent_file = self.keeper.as_ref().map(|keeper| keeper.torrent_path(&torrent.meta));
        view.tiers.clone_from(&torrent.tiers.lock());
        let trackers = view.tiers.concat();
        view.magnet = Magnet { trackers, ..torrent.meta.magnet() }.to_string();
        let peers = self.node.peers(torrent);
        view.crowd = crowd(&peers, last.web_seeds);
        let trackers = self.node.trackers(torrent);
        view.trouble = view.trouble.take().or_else(|| trouble_of(&trackers));
        // `left` may be of a moment ago: what came since then counts as available.
        let unavailable = if last.left > 0 { self.node.unavailable(torrent) } else { 0 };
        view.available = last.left.saturating_sub(unavailable);
        if detail.peers {
            view.peers = peers.into_iter().map(peer_view).collect();
        }
        if detail.trackers {
            view.trackers =
                trackers.into_iter().enumerate().map(|t| tracker_view(now, t)).collect();
        }
        if detail.files {
            view.files = files_of(job, &torrent.meta, Some(&self.node.file_progress(torrent)));
        }
        if detail.pieces {
            view.pieces = torrent.have().as_bytes().to_vec();
            view.availability = self.node.availability(torrent);
        }
    }

    /// The program and its settings.
    pub(super) fn session_view(&self) -> SessionView {
        let live = &self.live;
        let slow = |rate| Limit { rate, on: live.slow };
        let config = &self.context.config;
        let urls = config.announce_urls.iter().cloned();
        SessionView {
            version: concat!("swarmlet ", env!("CARGO_PKG_VERSION")).to_owned(),
            config_dir: live.config_dir.clone(),
            download_dir: std::path::absolute(&live.download_dir)
                .unwrap_or_else(|_| live.download_dir.clone()),
            free_space: free_at(&live.download_dir),
            peer_port: self.node.port(),
            down: live.down,
            up: live.up,
            slow_down: slow(live.slow_down),
            slow_up: slow(live.slow_up),
            max_peers: live.max_peers,
            max_peers_per_torrent: live.max_peers_per_torrent,
            seed_ratio: live.seed_ratio,
            seed_idle: live.seed_idle,
            start_added: live.start_added,
            delete_added: live.delete_added,
            on_done: live.on_done.clone(),
            trackers: config.trackers.iter().map(ToString::to_string).chain(urls).collect(),
        }
    }

    /// What was done.
    pub(super) fn statistics(&self) -> Statistics {
        let current = self.sum_now();
        let is_active = |job: &&Job| {
            matches!(state_of(job), State::Downloading | State::Seeding | State::Looking)
        };
        let rates = self.jobs.iter().filter_map(Job::running).filter(|running| !running.paused);
        let (down, up) = rates.fold((0, 0), |(down, up), r| (down + r.last.down, up + r.last.up));
        let before = &self.before;
        Statistics {
            active: self.jobs.iter().filter(is_active).count(),
            paused: self.jobs.iter().filter(|job| state_of(job) == State::Stopped).count(),
            down,
            up,
            current,
            all: Sum {
                downloaded: before.downloaded + current.downloaded,
                uploaded: before.uploaded + current.uploaded,
                added: before.added + current.added,
                runs: before.runs + 1,
                active: before.active + current.active,
            },
        }
    }
}

/// What is known of any torrent.
fn outline(job: &Job, queue: usize) -> TorrentView {
    let past = job.now();
    let hash = job.info_hash();
    TorrentView {
        id: job.id,
        name: job.name().to_owned(),
        hash: hash.map(|hash| hash.short().to_string()).unwrap_or_default(),
        hash_v2: hash.and_then(|hash| hash.v2()).map(|hash| hash.to_string()),
        state: state_of(job),
        trouble: match &job.stage {
            Stage::Failed(why, _) => Some(Trouble::Local(why.clone())),
            _ => None,
        },
        total: 0,
        wanted: 0,
        left: 0,
        have: 0,
        available: 0,
        corrupt: 0,
        downloaded: past.downloaded,
        uploaded: past.uploaded,
        down: 0,
        up: 0,
        eta: None,
        dates: Dates {
            added: past.added,
            done: past.done,
            started: past.started,
            active: past.active,
            edited: past.edited,
        },
        spent: Spent { downloading: past.downloading, seeding: past.seeding },
        origin: Origin::default(),
        magnet: job.item.word().filter(|word| word.starts_with("magnet:")).unwrap_or_default(),
        folder: std::path::absolute(&job.folder).unwrap_or_else(|_| job.folder.clone()),
        torrent_file: None,
        settings: job.settings.clone(),
        queue,
        piece_length: 0,
        piece_count: 0,
        pieces: Vec::new(),
        availability: Vec::new(),
        files: Vec::new(),
        file_count: 0,
        peers: Vec::new(),
        crowd: Crowd::default(),
        trackers: Vec::new(),
        tiers: Vec::new(),
        web_seeds: Vec::new(),
        is_finished: !job.runs && past.done.is_some() && job.served_out,
        is_stalled: false,
    }
}

pub(in crate::cli) fn free_at(folder: &std::path::Path) -> Option<u64> {
    // Where there is no folder yet, the room is that of the one that it will be made in.
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let there = if there.as_os_str().is_empty() { std::path::Path::new(".") } else { there };
    rustix::fs::statvfs(there).ok().map(|found| found.f_bavail * found.f_frsize)
}

fn state_of(job: &Job) -> State {
    use crate::cli::progress::State as Doing;
    match &job.stage {
        Stage::Waiting(_) | Stage::Failed(..) | Stage::Finished => State::Stopped,
        Stage::Preparing(Doing::Verifying { done, total }, _) => {
            State::Checking { done: *done as f64 / (*total).max(1) as f64 }
        }
        Stage::Preparing(_, Some(_)) => State::WaitsToCheck,
        Stage::Preparing(_, None) => State::Looking,
        Stage::Running(running) if running.paused || running.failed.is_some() => State::Stopped,
        Stage::Running(running) if running.is_seeding() => State::Seeding,
        Stage::Running(_) => State::Downloading,
    }
}

/// What the metainfo says.
fn describe(view: &mut TorrentView, meta: &Metainfo) {
    let v1 = meta.info_hash_v1.map(InfoHash::from);
    view.hash = v1.unwrap_or(meta.info_hash()).short().to_string();
    view.hash_v2 = meta.info_hash_v2.map(|hash| hash.to_string());
    view.total = meta.total_size();
    view.origin = Origin {
        comment: meta.comment.clone().unwrap_or_default(),
        creator: meta.created_by.clone().unwrap_or_default(),
        created: meta.creation_date,
        is_private: meta.private,
    };
    let magnet: Magnet = meta.magnet();
    view.magnet = magnet.to_string();
    view.piece_length = meta.piece_length;
    view.piece_count = meta.geometry().pieces();
    view.file_count = meta.data_files().count();
    view.tiers.clone_from(&meta.trackers);
    view.web_seeds.clone_from(&meta.web_seeds);
}

/// Bytes of the files that are wanted.
fn wanted_of(job: &Job, meta: &Metainfo) -> u64 {
    let is_wanted = |n: usize| job.priorities.get(n).is_none_or(|&p| p != Priority::Skip);
    meta.data_files().enumerate().filter(|(n, _)| is_wanted(*n)).map(|(_, file)| file.length).sum()
}

fn files_of(job: &Job, meta: &Metainfo, done: Option<&[u64]>) -> Vec<FileView> {
    let files = meta.data_files().enumerate().map(|(n, file)| {
        let priority = job.priorities.get(n).copied().unwrap_or_default();
        FileView {
            name: file.path.join("/"),
            length: file.length,
            done: done.and_then(|done| done.get(n).copied()).unwrap_or(0),
            wanted: priority != Priority::Skip,
            priority: if priority == Priority::Skip { Priority::Normal } else { priority },
        }
    });
    files.collect()
}

fn crowd(peers: &[standing::PeerView], web_seeds: usize) -> Crowd {
    let from = |from: From| peers.iter().filter(|peer| named_by(peer.source) == from).count();
    Crowd {
        connected: peers.len(),
        giving: peers.iter().filter(|peer| peer.status.gives > 0).count(),
        taking: peers.iter().filter(|peer| peer.status.takes > 0).count(),
        web_seeds,
        from_tracker: from(From::Tracker),
        from_incoming: from(From::Incoming),
        from_gossip: from(From::Gossip),
        from_given: from(From::Given),
    }
}

fn named_by(source: Source) -> From {
    match source {
        Source::Given => From::Given,
        Source::Tracker => From::Tracker,
        Source::Caller => From::Incoming,
        Source::Gossip(_) => From::Gossip,
    }
}

fn peer_view(peer: standing::PeerView) -> PeerView {
    let status = peer.status;
    PeerView {
        address: peer.address,
        client: peer.client,
        is_native: peer.dialect == Dialect::Native,
        is_incoming: !peer.dialled,
        is_encrypted: false, // an encrypted opening goes on in clear
        from: named_by(peer.source),
        progress: peer.progress,
        gives: status.gives,
        takes: status.takes,
        given: status.given,
        taken: peer.sent,
        am_choking: status.standing == Standing::Choked,
        is_optimistic: status.standing == Standing::Optimistic,
        why: status.why.map(|why| why.to_string()).unwrap_or_default(),
        am_interested: status.am_interested,
        peer_choking: status.peer_choking,
        peer_interested: status.peer_interested,
        is_snubbed: status.snubbed,
        requests: status.requests,
        in_flight: status.in_flight,
        window: status.window,
        round_trip: status.round_trip,
        connected: peer.connected,
        number: status.peer.0,
    }
}

fn tracker_view(now: Moment, (id, tracker): (usize, TrackerStatus)) -> TrackerView {
    let told = tracker.last.as_ref().and_then(|last| last.outcome.as_ref().ok());
    let figure = |of: fn(&Told) -> Option<u32>| told.and_then(of);
    TrackerView {
        id,
        tier: tracker.tier,
        url: tracker.url.clone(),
        is_backup: tracker.backup,
        is_asking: tracker.under_way,
        last: tracker.last.as_ref().map(|last| date(now, last.at)),
        outcome: tracker.last.as_ref().map(|last| match &last.outcome {
            Ok(told) => Ok(told.peers),
            Err(why) => Err(why.clone()),
        }),
        next: tracker.next.map(|next| date(now, next)),
        seeders: figure(|told| told.seeders),
        leechers: figure(|told| told.leechers),
        completed: figure(|told| told.completed),
    }
}

/// What is wrong with a torrent's trackers: nothing while one of them answers.
fn trouble_of(trackers: &[TrackerStatus]) -> Option<Trouble> {
    let outcomes = || trackers.iter().filter_map(|tracker| tracker.last.as_ref());
    if outcomes().any(|last| last.outcome.is_ok()) {
        return None;
    }
    let failed = outcomes().find_map(|last| last.outcome.as_ref().err());
    failed.map(|why| Trouble::TrackerError(why.clone()))
}

/// The date of a moment, for people elsewhere.
fn date(now: Moment, at: Moment) -> i64 {
    today() + at.since(now).as_secs() as i64 - now.since(at).as_secs() as i64
}
