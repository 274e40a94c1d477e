//! The page for people: three files, and streams of what happens (server-sent events).
//!
//! ```text
//! GET /  /dashboard.css  /dashboard.js          the page, embedded in the program
//! GET /events?torrent=3&layer=state             how everything stands, once a second and at once
//! GET /log?peer=127.0.0.1:6882&types=HAVE,pick  the trace as it passes
//! ```
//! What the page changes it orders by the RPC ([`super::rpc`]), with its session id. Whoever reads
//! a stream costs a look at the program a second, and nothing when nobody does. docs/dashboard.md
//! shows the page and has the events.
//!
//! ```text
//! hello | history | state {torrents, detail {peers, choking, ..}} | files | map {runs or changes}
//! ```

/// Values as JSON.
mod facts;

/// The trace as it passes.
mod log;

/// Maps as runs and changes.
mod map;

/// How everything stands, again and again.
mod stream;

use super::Desk;
use super::board::Layer;
use crate::protocol::tracker_http::query::parameter;
use std::io;
use std::time::{Duration, Instant};

/// Watchers at a time: the door has room for others, too.
pub const MAX_WATCHERS: usize = 8;

/// The files of the page: path, kind, text.
const PAGES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("dashboard/dashboard.html")),
    ("/dashboard.css", "text/css; charset=utf-8", include_str!("dashboard/dashboard.css")),
    ("/dashboard.js", "text/javascript; charset=utf-8", include_str!("dashboard/dashboard.js")),
];

/// The kind and the text of the file at a path.
pub fn page(path: &str) -> Option<(&'static str, &'static str)> {
    PAGES.iter().find(|(known, ..)| *known == path).map(|&(_, kind, text)| (kind, text))
}

/// What a watcher wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watch {
    /// How everything stands.
    Events {
        /// The torrent that is looked at closely.
        torrent: Option<u32>,
        /// What its map shows.
        layer: Layer,
    },
    /// The trace as it passes.
    Log {
        /// Only what has to do with this address.
        peer: Option<String>,
        /// Only messages and events of these names.
        types: Option<Vec<String>>,
    },
}

impl Watch {
    /// What a path and its query ask for; the error is a sentence.
    pub fn at(path: &str, query: &str) -> Option<Result<Self, &'static str>> {
        let given = |name| parameter(query, name).filter(|value| !value.is_empty());
        match path {
            "/events" => Some(Self::events(given("torrent").as_deref(), given("layer").as_deref())),
            "/log" => {
                let types = given("types");
                let types = types.map(|all| all.split(',').map(str::to_owned).collect());
                Some(Ok(Self::Log { peer: given("peer").map(Into::into), types }))
            }
            _ => None,
        }
    }

    fn events(torrent: Option<&str>, layer: Option<&str>) -> Result<Self, &'static str> {
        let torrent = match torrent.map(str::parse) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return Err("torrent is the number of one"),
        };
        let layer = layer.map_or(Some(Layer::State), Layer::named);
        let layer = layer.ok_or("layer is state, source or availability")?;
        Ok(Self::Events { torrent, layer })
    }
}

/// Who tells it.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// `swarmlet 0.1.0`.
    pub program: &'a str,
    /// The session id for changes. Pages of others cannot read it: they get no stream.
    pub session: &'a str,
}

/// Where a stream is written, and until when.
pub struct Outlet<'a> {
    /// The program that is looked at.
    pub desk: &'a Desk,
    /// Sends text, or fails when the watcher is gone or takes nothing.
    pub send: &'a mut dyn FnMut(&str) -> io::Result<()>,
    /// Whether the door is being closed.
    pub is_over: &'a dyn Fn() -> bool,
}

impl Outlet<'_> {
    /// Sends one event. JSON has no line ends, so that its data is one line.
    fn event(&mut self, name: &str, data: &serde_json::Value) -> io::Result<()> {
        (self.send)(&format!("event: {name}\ndata: {data}\n\n"))
    }

    /// Waits until something happens or some time is over; false when the door is being closed.
    fn wait(&self, heard: &mut u64, pause: Duration) -> bool {
        self.desk.wait(heard, Instant::now() + pause);
        !(self.is_over)()
    }

    /// Waits some time, whatever happens.
    fn pause(&self, heard: &mut u64, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        while Instant::now() < end && !(self.is_over)() {
            self.desk.wait(heard, end);
        }
        !(self.is_over)()
    }
}

/// Writes what a watcher wants to see until it leaves, the door is closed or the program ends.
pub fn watch(watch: &Watch, teller: Teller<'_>, out: Outlet<'_>) -> io::Result<()> {
    match watch {
        Watch::Events { torrent, layer } => stream::run(teller, *torrent, *layer, out),
        Watch::Log { peer, types } => log::run(&log::Filter::new(peer.clone(), types.clone()), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_looked_at() {
        let check = |path: &str, query: &str, expected: Watch| {
            assert_eq!(Watch::at(path, query), Some(Ok(expected)), "{path}?{query}");
        };
        let events = |torrent, layer| Watch::Events { torrent, layer };
        check("/events", "", events(None, Layer::State));
        check("/events", "torrent=3&layer=source", events(Some(3), Layer::Source));
        check("/events", "torrent=&layer=", events(None, Layer::State));
        let peer = Some("127.0.0.1:6882".to_owned());
        check("/log", "peer=127.0.0.1%3A6882", Watch::Log { peer, types: None });
        let types = Some(vec!["HAVE".to_owned(), "pick".to_owned()]);
        check("/log", "types=HAVE,pick", Watch::Log { peer: None, types });
        assert_eq!(Watch::at("/event", ""), None);
        assert!(Watch::at("/events", "torrent=-1").unwrap().is_err());
        assert!(Watch::at("/events", "layer=x").unwrap().is_err());
    }

    #[test]
    fn the_page_is_three_files_of_less_than_150_kib() {
        let sizes = ["/", "/dashboard.css", "/dashboard.js"].map(|at| page(at).unwrap().1.len());
        assert!(sizes.iter().sum::<usize>() < 150 * 1024, "{sizes:?}");
        for path in ["", "/dashboard.html", "/Dashboard.js", "/dashboard.js/", "//"] {
            assert_eq!(page(path), None, "{path}");
        }
    }
}
