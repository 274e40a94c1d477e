//! Orders from the page of whole swarms, for a program that drives one: `lab demo`.
//!
//! ```text
//! page  -- POST /control {"action":"kill","addr":"127.0.0.1:6881"} -->  Order, on a channel
//! page  <-- "controls" of the event `state`: actions, token, what was said  --  Narrator
//! ```
//! A tracker knows the names of the actions and nothing of what they do; `tracker` itself has none,
//! and then `/control` is not there. Whoever asks must sit at this machine, call us by a name of
//! ours, come from no page of others, and know the token, which only a page of ours can have read.
//! No sockets here.

use super::http::{MAX_FIELDS, MAX_HEAD};
use crate::clock::Moment;
use crate::logic::hosts::{is_own_page, names_us};
use crate::logic::secret::Secret;
use crate::readiness::Waker;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::Deserialize;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// The longest body of an order.
pub const MOST_BODY: usize = 1024;

/// How many of the last sayings a page is shown.
pub const MOST_SAID: usize = 8;

/// Sayings that wait for the loop's next turn.
const SAYINGS_WAITING: usize = 64;

/// What a request for an order begins with.
const OPENING: &[u8] = b"POST /control ";

/// How a tracker is steered from the page.
#[derive(Debug, Clone)]
pub struct Controls {
    /// What a page must show with each order.
    pub token: String,
    /// What can be ordered.
    pub actions: &'static [&'static str],
    /// Where orders go; while there is no room they are refused.
    pub orders: Sender<Order>,
}

/// What somebody at the page wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// One of the actions.
    pub action: &'static str,
    /// Which peer it is about.
    pub addr: Option<SocketAddr>,
    /// Bytes per second; 0 is no limit.
    pub rate: Option<u64>,
}

/// What a page is told of the controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlsView {
    /// What can be ordered.
    pub actions: &'static [&'static str],
    /// What is to be shown with each order.
    pub token: String,
    /// What became of orders, the oldest first, and when that was said.
    pub said: Vec<(Moment, String)>,
}

/// Says on the page what became of orders, from another thread.
#[derive(Clone)]
pub struct Narrator {
    pub(super) sayings: Sender<String>,
    pub(super) waker: Waker,
}

impl Narrator {
    /// Says a sentence; the tracker takes it in its next turn.
    pub fn say(&self, text: &str) {
        // A tracker that has ended tells nobody.
        let _ = self.sayings.send(text.to_owned());
        self.waker.wake();
    }
}

/// What a request for an order comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is not all there.
    More,
    /// Status and words; the connection ends with them.
    Answer(u16, String),
}

/// The controls at work.
pub(super) struct Helm {
    controls: Controls,
    secret: Secret,
    sayings: Receiver<String>,
    said: VecDeque<(Moment, String)>,
}

impl Helm {
    /// And where to put what is to be said.
    pub fn new(controls: Controls) -> (Self, Sender<String>) {
        let (sender, sayings) = bounded(SAYINGS_WAITING);
        let secret = Secret::of(controls.token.as_bytes());
        (Self { controls, secret, sayings, said: VecDeque::new() }, sender)
    }

    /// Takes in what was said.
    pub fn on_tick(&mut self, now: Moment) {
        for text in self.sayings.try_iter() {
            self.said.push_back((now, text));
        }
        while self.said.len() > MOST_SAID {
            self.said.pop_front();
        }
    }

    pub fn view(&self) -> ControlsView {
        let Controls { token, actions, .. } = &self.controls;
        let said = self.said.iter().cloned().collect();
        ControlsView { actions, token: token.clone(), said }
    }

    /// Passes an order on, unless something is against it.
    fn order(&self, posted: &Posted<'_>, near: bool, port: u16) -> Result<(), Step> {
        posted.check(near, port)?;
        if !posted.token.is_some_and(|said| self.secret.is(said)) {
            return Err(refused(403, "the token is wrong: load the page again"));
        }
        let order = order(posted.body()?, self.controls.actions)?;
        self.controls.orders.try_send(order).map_err(|why| match why {
            TrySendError::Full(_) => refused(503, "too much is to be done: try again in a moment"),
            TrySendError::Disconnected(_) => refused(503, "the lab is ending"),
        })
    }
}

/// What to say to a request that begins with these bytes; nothing if it is not for us. `near` says
/// that it comes from this machine, `port` is ours.
pub(super) fn step(helm: Option<&Helm>, bytes: &[u8], near: bool, port: u16) -> Option<Step> {
    if !bytes.starts_with(OPENING) {
        return None;
    }
    let Some(helm) = helm else { return Some(refused(404, "no lab is steered here")) };
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let went = Posted::read(bytes, &mut fields).and_then(|it| helm.order(&it, near, port));
    Some(went.map_or_else(|step| step, |()| refused(202, "asked")))
}

fn refused(status: u16, words: &str) -> Step {
    Step::Answer(status, format!("{words}\n"))
}

/// The head of a request, and as much of its body as is there.
struct Posted<'a> {
    host: Option<&'a str>,
    origin: Option<&'a str>,
    fetch_site: Option<&'a str>,
    token: Option<&'a [u8]>,
    /// What it says of its body's length; an error if that is not one number.
    length: Result<usize, ()>,
    there: &'a [u8],
}

impl<'a> Posted<'a> {
    fn read(
        bytes: &'a [u8],
        fields: &mut [httparse::Header<'a>; MAX_FIELDS],
    ) -> Result<Self, Step> {
        const TOO_LONG: &str = "the head of the request is too long";
        const ONCE: [&str; 4] = ["host", "origin", "sec-fetch-site", "x-token"];
        let mut head = httparse::Request::new(fields);
        let end = match head.parse(bytes) {
            Ok(httparse::Status::Complete(end)) if end <= MAX_HEAD => end,
            Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Err(Step::More),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(refused(431, TOO_LONG)),
            Err(_) => return Err(refused(400, "that is no request")),
        };
        let values = |name: &'static str| {
            let named = head.headers.iter().filter(move |f| f.name.eq_ignore_ascii_case(name));
            named.map(|field| field.value.trim_ascii())
        };
        if ONCE.into_iter().any(|name| values(name).count() > 1) {
            return Err(refused(400, "a field of the request is there twice"));
        }
        // What is no text is nothing of ours; it must not pass for a field that is not there.
        let text = |name| values(name).next().map(|value| str::from_utf8(value).unwrap_or("?"));
        let mut lengths = values("content-length");
        let length = match (lengths.next(), lengths.next(), text("transfer-encoding")) {
            (Some(digits), None, None) => number(digits).ok_or(()),
            _ => Err(()),
        };
        Ok(Self {
            host: text("host"),
            origin: text("origin"),
            fetch_site: text("sec-fetch-site"),
            token: values("x-token").next(),
            length,
            there: &bytes[end..],
        })
    }

    /// Whether it comes from our own page, or from no page, of this machine.
    fn check(&self, near: bool, port: u16) -> Result<(), Step> {
        let Some(host) = self.host.filter(|host| names_us(host, port, &[])) else {
            return Err(refused(421, "this tracker is not called that: ask it by its address"));
        };
        if !near {
            return Err(refused(403, "a lab is steered from its own machine only"));
        }
        if is_own_page(host, self.origin, self.fetch_site) {
            Ok(())
        } else {
            Err(refused(403, "a page of somebody else's may order nothing"))
        }
    }

    /// The whole body, if it is no longer than it may be.
    fn body(&self) -> Result<&'a [u8], Step> {
        let Ok(length) = self.length else {
            return Err(refused(400, "the body's length is not said: give one Content-Length"));
        };
        if length > MOST_BODY {
            return Err(refused(413, "the body is too long: an order has at most 1024 bytes"));
        }
        self.there.get(..length).ok_or(Step::More)
    }
}

/// Digits and nothing else; beyond what is representable it is too much anyway.
fn number(digits: &[u8]) -> Option<usize> {
    let digits = str::from_utf8(digits).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

/// The body of an order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    action: &'a str,
    addr: Option<SocketAddr>,
    rate: Option<u64>,
}

/// From a body to the order that it holds.
fn order(body: &[u8], actions: &'static [&'static str]) -> Result<Order, Step> {
    const FORM: &str = r#"the body is no order: expected {"action":"limit","addr":"127.0.0.1:6881","rate":100000}"#;
    let body: Body<'_> = serde_json::from_slice(body).map_err(|_| refused(400, FORM))?;
    let action = actions.iter().find(|&&action| action == body.action).ok_or_else(|| {
        refused(400, &format!("there is no such action: expected {}", actions.join(", ")))
    })?;
    Ok(Order { action, addr: body.addr, rate: body.rate })
}

#[cfg(test)]
mod tests;
