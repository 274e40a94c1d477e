//! Pages for people and figures for programs, over HTTP on the tracker's own port.
//!
//! ```text
//! /               the contents, a page of them        /stats.json   figures as JSON
//! /?after=HASH    the next ones                        /metrics      figures for Prometheus
//! /swarm/HASH     one content: nodes x pieces          /style.css    how the pages look
//! /swarm/HASH.json                                     /tracker.js   makes the first page live
//! /live           figures and contents, once a second  /live?swarm=HASH   one swarm, likewise
//! /swarm-view     the whole swarm, drawn               /swarm-view.js
//! ```
//! What is drawn is there under `--dashboard` only. [`events`] has what is told to those who watch.
//! A page is text made of values ([`super::state::views`]): nothing here reads a table, and the
//! values hold a bounded part of the tables, so that a page delays nobody's announce. Whatever a
//! stranger may have written is escaped ([`html`]); the only scripts are our own files, and the
//! headers forbid any other.

/// Events for those who watch.
pub mod events;

/// Pages for people.
pub mod html;

/// Figures for programs.
pub mod metrics;

/// Bitmaps as a row of shades.
pub mod strip;

use super::live::Scene;
use super::state::State;
use super::state::views::Part;
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1, InfoHashV2};

/// The one style sheet.
const STYLE: &str = include_str!("pages/style.css");

/// The scripts, and the page of whole swarms.
const TRACKER_JS: &str = include_str!("pages/tracker.js");
const SWARM_VIEW: &str = include_str!("pages/swarm-view.html");
const SWARM_VIEW_JS: &str = include_str!("pages/swarm-view.js");

/// No script but our own files, no frame, no form, nothing from elsewhere.
const HEADERS: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; \
                       style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
                       X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n";

/// An answer with a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// 200, 400 or 404.
    pub status: u16,
    /// Its `Content-Type`.
    pub kind: &'static str,
    /// Its text.
    pub body: String,
}

/// `Content-Type`s.
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const EVENTS: &str = "text/event-stream";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where pages are, besides those of single swarms.
const PATHS: [&str; 7] =
    ["/", "/stats.json", "/metrics", "/style.css", "/tracker.js", "/swarm-view", "/swarm-view.js"];

impl Page {
    fn new(kind: &'static str, body: impl Into<String>) -> Self {
        Self { status: 200, kind, body: body.into() }
    }

    fn refused(status: u16, why: &str) -> Self {
        Self { status, kind: HTML, body: html::refusal(why) }
    }

    /// Whether a page answers a request for this target.
    pub fn is_at(target: &str) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        PATHS.contains(&path) || path.starts_with("/swarm/")
    }

    /// The page at a request's target.
    pub fn at(target: &str, now: Moment, state: &mut State) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/" => match part(query) {
                Ok(part) => Self::new(HTML, html::home(&state.overview(now, part))),
                Err(page) => page,
            },
            "/stats.json" => Self::new(JSON, metrics::json(&state.figures_now(now))),
            "/metrics" => Self::new(PROMETHEUS, metrics::prometheus(&state.figures_now(now))),
            "/style.css" => Self::new(CSS, STYLE),
            "/tracker.js" => Self::new(JS, TRACKER_JS),
            "/swarm-view" | "/swarm-view.js" if !state.has_dashboard() => {
                Self::refused(404, NO_DASHBOARD)
            }
            "/swarm-view" => Self::new(HTML, SWARM_VIEW),
            "/swarm-view.js" => Self::new(JS, SWARM_VIEW_JS),
            _ => Self::of_swarm(path.trim_start_matches("/swarm/"), now, state),
        }
    }

    fn of_swarm(hash: &str, now: Moment, state: &State) -> Self {
        let (hash, as_json) = match hash.strip_suffix(".json") {
            Some(hash) => (hash, true),
            None => (hash, false),
        };
        let Some(hash) = info_hash(hash) else {
            return Self::refused(400, "an info-hash has 40 or 64 hexadecimal digits");
        };
        match state.swarm_view(now, hash) {
            None => Self::refused(404, "nobody shares that here, and it is not published"),
            Some(swarm) if as_json => Self::new(JSON, metrics::swarm_json(&swarm)),
            Some(swarm) => Self::new(HTML, html::swarm(&swarm, state.has_dashboard())),
        }
    }

    /// Appends the head of the answer, and the page itself unless only the head is wanted.
    pub fn put(&self, out: &mut Vec<u8>, keep: bool, head_only: bool) {
        let reason = match self.status {
            200 => "OK",
            404 => "Not Found",
            _ => "Bad Request",
        };
        // Figures age at once; how they look does not.
        let cache = if self.kind == CSS { "max-age=3600" } else { "no-store" };
        let connection = if keep { "keep-alive" } else { "close" };
        let head = format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{HEADERS}\
             Cache-Control: {cache}\r\nConnection: {connection}\r\n\r\n",
            self.status,
            self.kind,
            self.body.len(),
        );
        out.extend(head.as_bytes());
        if !head_only {
            out.extend(self.body.as_bytes());
        }
    }
}

/// Why swarms are not drawn.
const NO_DASHBOARD: &str = "whole swarms are shown by a tracker that was started with --dashboard";

/// What is asked for at `/live`; nothing if the target is another. The error is an answer.
pub fn scene_at(target: &str, dashboard: bool) -> Option<Result<Scene, (u16, &'static str)>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != "/live" {
        return None;
    }
    let Some(hash) = query.split('&').find_map(|field| field.strip_prefix("swarm=")) else {
        return Some(Ok(Scene::Tracker));
    };
    if !dashboard {
        return Some(Err((404, NO_DASHBOARD)));
    }
    let hash = info_hash(hash).map(Scene::Swarm);
    Some(hash.ok_or((400, "an info-hash has 40 or 64 hexadecimal digits")))
}

/// Appends the head of an answer that is events without an end.
pub fn put_events_head(out: &mut Vec<u8>) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\n{HEADERS}\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    out.extend(head.as_bytes());
}

/// Where the page begins.
fn part(query: &str) -> Result<Part, Page> {
    let field = |name| query.split('&').find_map(|field| field.strip_prefix(name));
    if let Some(hash) = field("after=") {
        let hash = hash.parse();
        let hash = hash.map_err(|_| Page::refused(400, "`after` has 64 hexadecimal digits"))?;
        return Ok(Part::Contents(Some(hash)));
    }
    let Some(place) = field("swarms=") else { return Ok(Part::Contents(None)) };
    place.parse().map(Part::Announced).map_err(|_| Page::refused(400, "`swarms` is a number"))
}

/// A name of either length.
fn info_hash(text: &str) -> Option<InfoHash> {
    let long = text.parse::<InfoHashV2>().ok().map(InfoHash::V2);
    long.or_else(|| text.parse::<InfoHashV1>().ok().map(InfoHash::V1))
}
