//! What is to hold for a torrent or for all of them, changed while the session runs.

use super::job::Job;
use super::live;
use super::orders::{Outcome, no};
use super::{Session, today};
use crate::cli::choice;
use crate::cli::exit::CliError;
use crate::control::order::{Change, Refusal, Reply, Settings, TrackerName, Which};
use crate::logic::picker::Policy;
use crate::protocol::url::Url;

impl Session<'_> {
    /// Changes some torrents.
    pub(super) fn change(&mut self, which: &Which, change: &Change) -> Outcome {
        for id in self.these(which) {
            self.change_one(id, change)?;
            self.keep(id);
        }
        Ok(Reply::Done)
    }

    /// Changes one torrent: what should be is written down first, then the node obeys.
    pub(super) fn change_one(&mut self, id: u32, new: &Change) -> Result<(), Refusal> {
        let Some(job) = self.find_mut(id) else { return Ok(()) };
        let files = job.meta().map(|meta| meta.data_files().count());
        match files {
            Some(files) => {
                choice::apply(&mut job.priorities, &new.wanted, files).map_err(Refusal::No)?;
            }
            None => job.pending.extend(new.wanted.iter().cloned()),
        }
        if let Some(tiers) = new_tiers(job, new).map_err(Refusal::No)? {
            job.tiers = Some(tiers);
            job.past.edited = Some(today());
        }
        let settings = &mut job.settings;
        live::change(&mut settings.down, new.down);
        live::change(&mut settings.up, new.up);
        live::set(&mut settings.honours_limits, new.honours_limits);
        live::set(&mut settings.max_peers, new.max_peers);
        live::set(&mut settings.seed_ratio, new.seed_ratio);
        live::set(&mut settings.seed_idle, new.seed_idle);
        live::set(&mut settings.labels, new.labels.clone());
        live::set(&mut settings.sequential, new.sequential);
        live::set(&mut settings.bandwidth, new.bandwidth);
        if let Some(place) = new.queue {
            self.queue.retain(|&other| other != id);
            self.queue.insert(place.min(self.queue.len()), id);
        }
        self.settle(id);
        Ok(())
    }

    /// The node obeys what is to hold for a torrent.
    pub(super) fn settle(&mut self, id: u32) {
        let Some(job) = self.jobs.iter().find(|job| job.id == id) else { return };
        let Some(running) = job.running() else { return };
        let (torrent, settings) = (running.torrent.clone(), &job.settings);
        let (up, down) = (live::in_force(settings.up), live::in_force(settings.down));
        self.node.set_torrent_limits(&torrent, up, down);
        self.node.set_obeys_limits(&torrent, settings.honours_limits);
        self.node.set_torrent_max_peers(&torrent, Some(settings.max_peers.max(1)));
        if job.is_download() {
            if !job.priorities.is_empty()
                && let Err(error) = self.node.set_priorities(&torrent, &job.priorities)
            {
                let error = CliError::from(error);
                self.fail(id, error);
                return;
            }
            let usual = self.context.config.picker;
            let policy = if settings.sequential { Policy::Sequential } else { usual };
            self.node.set_picker(&torrent, policy);
        }
        if let Some(tiers) = &job.tiers {
            self.node.set_trackers(&torrent, tiers.clone());
        }
    }

    /// Changes the settings of all.
    pub(super) fn set(&mut self, new: &Settings) -> Outcome {
        if let Some(folder) = &new.download_dir
            && !folder.is_absolute()
        {
            return no(format!("{} is no absolute path", folder.display()));
        }
        if new.max_peers == Some(0) || new.max_peers_per_torrent == Some(0) {
            return no("a limit of no peers at all makes no sense: give at least 1");
        }
        self.live.change(new);
        self.live.apply(&self.node);
        if let Some(file) = &self.live.file
            && let Err(why) = live::write_down(file, &self.live, new)
        {
            self.say(&format!("peer: the settings hold, but are not kept: {why}"));
        }
        Ok(Reply::Done)
    }
}

/// The trackers that a torrent has after a change; `None` if it does not change them.
fn new_tiers(job: &Job, change: &Change) -> Result<Option<Vec<Vec<String>>>, String> {
    let changes = change.trackers.is_some()
        || !change.add_trackers.is_empty()
        || !change.remove_trackers.is_empty();
    if !changes {
        return Ok(None);
    }
    let named = || job.meta().map(|meta| meta.trackers.clone()).unwrap_or_default();
    let mut tiers = job.tiers.clone().unwrap_or_else(named);
    if let Some(all) = &change.trackers {
        tiers.clone_from(all);
    }
    let urls: Vec<String> = tiers.concat();
    for gone in &change.remove_trackers {
        let url = match gone {
            TrackerName::Id(id) => urls.get(*id),
            TrackerName::Url(url) => urls.iter().find(|known| *known == url),
        };
        let url = url.ok_or("there is no such tracker")?;
        tiers.iter_mut().for_each(|tier| tier.retain(|known| known != url));
    }
    for url in &change.add_trackers {
        if !tiers.concat().contains(url) {
            tiers.push(vec![url.clone()]);
        }
    }
    for url in tiers.iter().flatten() {
        Url::parse(url).map_err(|why| format!("{url}: {why}"))?;
    }
    tiers.retain(|tier| !tier.is_empty());
    Ok(Some(tiers))
}
