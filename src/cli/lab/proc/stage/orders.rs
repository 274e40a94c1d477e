//! What is done in a run: processes started and stopped, orders given to peers.

use super::{ANSWER, Stage, Whose, failed};
use crate::cli::lab::child::{Child, Start};
use crate::cli::lab::proc::agenda::Item;
use crate::cli::lab::proc::place::Station;
use crate::cli::lab::proc::player::Act;
use crate::cli::lab::proc::words;
use crate::cli::remote::Client;
use crate::lab::outcome::RunError;
use crate::lab::setting::Deed;
use serde_json::json;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

impl Stage<'_> {
    pub(super) fn carry_out(&mut self, item: Item) -> Result<(), RunError> {
        match item {
            Item::Join(at) if self.players[at].act == Act::Waits => self.join(at),
            Item::Leave(at) if self.players[at].act == Act::Plays => {
                self.leave(at);
                Ok(())
            }
            Item::Join(_) | Item::Leave(_) => Ok(()),
            Item::Resume(at) => {
                self.players[at].child.iter().for_each(|child| child.pause(false));
                Ok(())
            }
            Item::TrackerStops(time) => {
                self.hall.is_down = true;
                self.hall.child.iter_mut().for_each(Child::stop);
                self.agenda.put(self.begun.elapsed() + time, Item::TrackerStarts);
                Ok(())
            }
            Item::TrackerStarts => {
                self.hall.child = None;
                self.hall.is_down = false;
                let port = self.hall.at.map_or(0, |at| at.port());
                self.start_tracker(port)
            }
            Item::Deed(deed, at) => self.deed(deed, at),
        }
    }

    pub(super) fn deed(&mut self, deed: Deed, at: usize) -> Result<(), RunError> {
        if self.players[at].act == Act::Gone || self.place.on_deed(deed, Station::Peer(at))? {
            return Ok(());
        }
        let player = &mut self.players[at];
        match deed {
            Deed::Kill => {
                player.act = Act::Gone;
                player.left = Some(Instant::now());
                player.child.iter_mut().for_each(Child::kill);
                Ok(())
            }
            Deed::Pause(time) => {
                player.child.iter().for_each(|child| child.pause(true));
                self.agenda.put(self.begun.elapsed() + time, Item::Resume(at));
                Ok(())
            }
            Deed::Rate(rate) => self.limit(at, rate),
            Deed::FreeRide => {
                player.act = Act::Changes;
                player.child.iter_mut().for_each(Child::stop);
                Ok(())
            }
            Deed::Corrupt => self.store.spoil(&player.folder).map_err(failed),
            Deed::Partition(_) | Deed::TrackerDown(_) => {
                Err(RunError::Unsupported(format!("{} cannot have that done", player.name)))
            }
        }
    }

    /// Tells a peer of the torrent, which it waits for.
    pub(super) fn join(&mut self, at: usize) -> Result<(), RunError> {
        let torrent = self.store.torrent();
        let player = &mut self.players[at];
        player.act = Act::Plays;
        player.joined.get_or_insert_with(Instant::now);
        let told = player.child.as_mut().map(|child| child.tell(&torrent.to_string_lossy()));
        // Who has just ended hears nothing; that is told by its pipe.
        told.transpose().map(drop).or_else(|why| match why.kind() {
            ErrorKind::BrokenPipe => Ok(()),
            _ => Err(RunError::Failed(format!("{} hears nothing: {why}", player.name))),
        })
    }

    /// Has a peer send so much at most.
    fn limit(&mut self, at: usize, rate: u64) -> Result<(), RunError> {
        let player = &self.players[at];
        let obeys = player.door.ok_or_else(|| "it takes no orders yet".to_owned());
        let told = obeys.and_then(|door| {
            let rate = words::in_kilobytes(rate);
            let what = json!({ "speed-limit-up-enabled": true, "speed-limit-up": rate });
            let mut client = Client::new(&door.to_string(), None).within(ANSWER);
            client.ask("session-set", &what).map_err(|why| why.message)
        });
        told.map(drop)
            .map_err(|why| RunError::Failed(format!("{} was not limited: {why}", player.name)))
    }

    pub(super) fn leave(&mut self, at: usize) {
        let player = &mut self.players[at];
        player.act = Act::Gone;
        player.left = Some(Instant::now());
        player.child.iter_mut().for_each(Child::stop);
    }

    pub(super) fn start_tracker(&mut self, port: u16) -> Result<(), RunError> {
        let folder = self.store.source().with_file_name("tracker");
        if !folder.exists() {
            self.store.folder("tracker").map_err(failed)?;
        }
        let listen = SocketAddr::new(self.place.address(Station::Tracker), port);
        let words = words::tracker(self.programs, listen);
        let words = self.place.wrap(Station::Tracker, words);
        self.hall.child = Some(self.start(&words, &folder, Whose::Tracker)?);
        Ok(())
    }

    pub(super) fn start_peer(&mut self, at: usize, rides: bool) -> Result<(), RunError> {
        let player = &self.players[at];
        let (folder, trace) = (player.folder.clone(), player.trace.clone());
        let start = words::Start {
            who: at,
            folder: &folder,
            tracker: self.hall.at.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
            port: player.port,
            rides,
            trace: trace.as_deref(),
            obeys: self.place.is_near(),
        };
        let group = &self.setting.groups[player.member.group];
        let words = words::peer(self.programs, self.setting, group, self.place.as_ref(), &start);
        let words = self.place.wrap(Station::Peer(at), words);
        self.players[at].child = Some(self.start(&words, &folder, Whose::Peer(at))?);
        Ok(())
    }

    pub(super) fn start(
        &mut self,
        words: &[String],
        folder: &Path,
        whose: Whose,
    ) -> Result<Child, RunError> {
        let Some((program, words)) = words.split_first() else {
            return Err(RunError::Failed("there is no program to start".into()));
        };
        self.started += 1;
        let listens = matches!(whose, Whose::Peer(_));
        let lies = if let Whose::Peer(at) = &whose {
            self.setting.groups[self.players[*at].member.group].lies
        } else {
            false
        };
        let start = Start {
            program: Path::new(program),
            words,
            folder,
            run: self.started,
            lies,
            listens,
            moves: false,
        };
        self.whose.insert(self.started, whose);
        Child::start(&start, &self.running, self.news.0.clone()).map_err(failed)
    }
}
