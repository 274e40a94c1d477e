//! What the processes of a run say, and how they end.

use super::{GOODBYE, Stage, TICK, Whose};
use crate::cli::lab::child::{Child, News, What, Word};
use crate::cli::lab::proc::agenda::Item;
use crate::cli::lab::proc::place::Station;
use crate::cli::lab::proc::player::{Act, Player};
use crossbeam_channel::RecvTimeoutError;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

impl Stage<'_> {
    /// Hears what the processes say until a moment, or until one has said something.
    pub(super) fn hear(&mut self, until: Instant) {
        match self.news.1.recv_deadline(until) {
            Ok(news) => self.on_news(news),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(news) = self.news.1.try_recv() {
            self.on_news(news);
        }
    }

    pub(super) fn on_news(&mut self, news: News) {
        let Some(&whose) = self.whose.get(&news.run) else { return };
        match (whose, news.what) {
            (Whose::Tracker, What::Said(Word::Port(port))) => {
                let ip = self.place.address(Station::Tracker);
                self.hall.at = Some(SocketAddr::new(ip, port));
            }
            (Whose::Peer(at), What::Said(Word::Fault(text))) => {
                let player = &self.players[at];
                let log = (player.name.replace('/', "-"), player.folder.join("log"));
                let text = format!("{}: {text}", player.name);
                self.blame(text, Some(log));
            }
            (Whose::Peer(at), What::Said(word)) => {
                if matches!(word, Word::Progress(now) if now.fetched != self.players[at].now.fetched)
                {
                    self.moved = news.at;
                }
                let size = self.setting.content.size;
                if self.players[at].on_word(news.at, news.time, &word, size) {
                    self.on_whole(at);
                }
            }
            (_, What::Said(_)) => {}
            (whose, What::Ended(last)) => self.on_end(news.run, whose, &last),
        }
    }

    pub(super) fn on_whole(&mut self, at: usize) {
        let player = &self.players[at];
        if !player.is_leecher() || player.act != Act::Plays {
            return;
        }
        match player.member.stays {
            Some(Duration::ZERO) => self.leave(at),
            Some(stays) => {
                let when = self.begun.elapsed().saturating_add(stays);
                self.agenda.put(when, Item::Leave(at));
            }
            None => {}
        }
    }

    pub(super) fn on_end(&mut self, run: u32, whose: Whose, last: &str) {
        match whose {
            Whose::Errand(failure) => {
                let Some(at) = self.errands.iter().position(|child| child.run() == run) else {
                    return;
                };
                let mut errand = self.errands.remove(at);
                let how = errand.wait();
                if !errand.ended_well() {
                    self.blame(format!("{failure} ({how}): {last}"), None);
                }
            }
            Whose::Tracker => {
                let Some(child) = self.hall.child.as_mut().filter(|child| child.run() == run)
                else {
                    return;
                };
                let how = child.wait();
                if !self.hall.is_down {
                    let log = self.store.source().with_file_name("tracker").join("log");
                    let text = format!("the tracker ended by itself ({how}): {last}");
                    self.blame(text, Some(("tracker".into(), log)));
                }
            }
            Whose::Peer(at) => self.on_peer_end(at, run, last),
        }
    }

    pub(super) fn on_peer_end(&mut self, at: usize, run: u32, last: &str) {
        let player = &mut self.players[at];
        let Some(child) = player.child.as_mut().filter(|child| child.run() == run) else { return };
        let how = child.wait();
        match player.act {
            Act::Gone => {}
            Act::Changes => {
                player.on_new_process();
                player.act = if player.joined.is_some() { Act::Plays } else { Act::Waits };
                let rejoins = player.act == Act::Plays;
                let again = self.start_peer(at, true);
                let again = again.and_then(|()| if rejoins { self.join(at) } else { Ok(()) });
                if let Err(why) = again {
                    let name = &self.players[at].name;
                    self.blame(format!("{name} did not start again: {why}"), None);
                }
            }
            Act::Waits | Act::Plays => {
                let log = player.folder.join("log");
                let named = (player.name.replace('/', "-"), log);
                let text = format!("{} ended by itself ({how}): {last}", player.name);
                self.blame(text, Some(named));
            }
        }
    }

    /// The run does not count; the first reason stands.
    pub(super) fn blame(&mut self, text: String, log: Option<(String, PathBuf)>) {
        if self.trouble.is_none() {
            (self.trouble, self.log) = (Some(text), log);
        }
    }

    /// Stops all in good order, hears what they say last, and kills who takes too long.
    pub(in super::super) fn close(&mut self) {
        let deadline = Instant::now() + GOODBYE;
        for player in &mut self.players {
            player.act = Act::Gone;
            if let Some(child) = &mut player.child {
                child.stop();
                child.pause(false); // who stands still does not hear of it
            }
        }
        let ended = |player: &Player| player.child.as_ref().is_none_or(Child::has_ended);
        while Instant::now() < deadline && !self.players.iter().all(ended) {
            self.hear(deadline.min(Instant::now() + TICK));
        }
        self.hall.is_down = true;
        self.hall.child.iter_mut().for_each(Child::stop);
        // What is left is killed; the pipes end with their processes.
        self.players.iter_mut().for_each(|player| player.child.iter_mut().for_each(Child::kill));
        self.errands.iter_mut().for_each(Child::kill);
        if let Err(why) = self.place.close() {
            self.blame(why.to_string(), None);
        }
        while let Ok(news) = self.news.1.try_recv() {
            self.on_news(news);
        }
    }
}
