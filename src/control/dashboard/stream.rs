//! How everything stands, to whoever watches: once a second, and at once when something happened.

use super::map::Drawn;
use super::{Outlet, Teller, facts};
use crate::control::board::{Board, Layer};
use crate::control::order::{Detail, Name, Order, Reply, Which};
use crate::control::view::{FileView, TorrentView};
use serde_json::json;
use std::io;
use std::time::{Duration, Instant};

/// The least time between two tellings, however much happens, and the rest of a second.
const AT_ONCE: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_millis(800);

/// How often rates over time are told anew; the page goes on with them by itself meanwhile.
const HISTORY: Duration = Duration::from_secs(10);

/// Files that are told.
const FILES: usize = 2000;

/// What a watcher was told, so that it is told changes only.
struct Watcher<'a> {
    out: Outlet<'a>,
    torrent: Option<u32>,
    layer: Layer,
    files: Vec<FileView>,
    map: Option<Drawn>,
    history: Option<Instant>,
}

/// Why a stream ends.
enum End {
    /// The program does not answer any more.
    Gone,
    /// The watcher is gone.
    Lost(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// Tells how everything stands until the watcher leaves or the program ends.
pub fn run(
    teller: Teller<'_>,
    torrent: Option<u32>,
    layer: Layer,
    mut out: Outlet<'_>,
) -> io::Result<()> {
    let hello = json!({
        "program": teller.program,
        "session": teller.session,
        "torrent": torrent,
        "layer": layer.name(),
    });
    out.event("hello", &hello)?;
    let mut watcher = Watcher { out, torrent, layer, files: Vec::new(), map: None, history: None };
    let mut heard = 0;
    loop {
        match watcher.tell() {
            Ok(()) => {}
            Err(End::Gone) => return Ok(()),
            Err(End::Lost(error)) => return Err(error),
        }
        if !watcher.out.pause(&mut heard, AT_ONCE) || !watcher.out.wait(&mut heard, REST) {
            return Ok(());
        }
    }
}

impl Watcher<'_> {
    fn ask(&self, order: Order) -> Result<Reply, End> {
        self.out.desk.order(order).map_err(|_| End::Gone)
    }

    fn look(&self, which: Which, detail: Detail) -> Result<Vec<TorrentView>, End> {
        match self.ask(Order::Look { which, detail })? {
            Reply::Torrents { torrents, .. } => Ok(torrents),
            _ => Err(End::Gone),
        }
    }

    /// Everything that is due.
    fn tell(&mut self) -> Result<(), End> {
        self.tell_history()?;
        let Reply::Session(session) = self.ask(Order::Session)? else { return Err(End::Gone) };
        let Reply::Statistics(sums) = self.ask(Order::Statistics)? else { return Err(End::Gone) };
        let torrents = self.look(Which::All, Detail::default())?;
        let torrent = self.closely()?;
        let board = torrent.as_ref().map(|torrent| self.board(torrent.id)).transpose()?.flatten();
        let both = torrent.as_ref().zip(board.as_deref());
        let detail = both.map(|(torrent, board)| facts::detail(torrent, board));
        let state = facts::state(&session, &sums, &torrents, detail.as_ref());
        self.out.event("state", &state)?;
        if let Some(torrent) = &torrent {
            self.tell_files(torrent)?;
        }
        both.map_or(Ok(()), |(torrent, board)| self.tell_map(torrent.id, board))
    }

    /// The torrent that is looked at closely, if there is one.
    fn closely(&self) -> Result<Option<TorrentView>, End> {
        let Some(id) = self.torrent else { return Ok(None) };
        let detail = Detail { files: true, peers: true, trackers: true, pieces: false };
        Ok(self.look(Which::These(vec![Name::Id(id)]), detail)?.pop())
    }

    /// What the node knows of it, if it is at work.
    fn board(&self, id: u32) -> Result<Option<Box<Board>>, End> {
        match self.ask(Order::Board(id, self.layer))? {
            Reply::Board(board) => Ok(board),
            _ => Err(End::Gone),
        }
    }

    fn tell_history(&mut self) -> Result<(), End> {
        if self.history.is_some_and(|told| told.elapsed() < HISTORY) {
            return Ok(());
        }
        self.history = Some(Instant::now());
        let Reply::Past(past) = self.ask(Order::Past(self.torrent))? else {
            return Err(End::Gone);
        };
        Ok(self.out.event("history", &facts::past(&past))?)
    }

    fn tell_files(&mut self, torrent: &TorrentView) -> io::Result<()> {
        if self.files == torrent.files {
            return Ok(());
        }
        self.files.clone_from(&torrent.files);
        let files: Vec<_> = torrent.files.iter().take(FILES).map(facts::file).collect();
        let more = torrent.files.len() - files.len();
        let event = json!({ "id": torrent.id, "files": files, "more": more });
        self.out.event("files", &event)
    }

    fn tell_map(&mut self, id: u32, board: &Board) -> Result<(), End> {
        let drawn = Drawn::of(&board.map);
        if let Some(news) = drawn.news(self.map.as_ref(), id, self.layer.name()) {
            self.out.event("map", &news)?;
        }
        self.map = Some(drawn);
        Ok(())
    }
}
