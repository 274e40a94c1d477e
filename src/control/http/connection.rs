//! One caller: its requests one after the other, each judged by its head before its body is read.

use super::guard::{Failures, Guard, Proof};
use super::head::{Head, Length, Method};
use super::inbox::{End, Inbox};
use super::options::Patience;
use super::reply::Reply;
use super::site::{self, Site};
use crate::control::Desk;
use crate::control::dashboard::{self, MAX_WATCHERS, Outlet, Teller, Watch};
use crate::control::rpc::Rpc;
use crate::control::rpc::session::SNAKE_VERSION;
use log::{debug, warn};
use parking_lot::Mutex;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The longest body: a .torrent of 16 MB in base64, with room. It is kept as it comes, never
/// allocated beforehand.
pub const MAX_BODY: u64 = 24 * 1024 * 1024;

/// Up to here every caller's body is read; of longer ones there are [`MAX_LARGE`] at a time.
const LARGE: usize = 1024 * 1024;

/// How many callers may send long bodies at once.
const MAX_LARGE: usize = 2;

/// How long what a caller still sends is read after the last answer.
const LINGER: Duration = Duration::from_millis(500);

/// Bytes sent at once.
const PART: usize = 64 * 1024;

/// What all callers of one door share.
pub struct Room {
    /// Who may speak.
    pub guard: Guard,
    /// Who guessed.
    pub failures: Mutex<Failures>,
    /// The program.
    pub desk: Desk,
    /// Who answers.
    pub rpc: Rpc,
    /// The session id, for those who do not know it yet.
    pub session: String,
    /// A web page for Transmission.
    pub site: Option<Site>,
    /// `swarmlet 0.1.0`.
    pub program: String,
    /// How long callers are waited for.
    pub patience: Patience,
    /// Whether the door is being closed: answers are the last on their connections.
    pub is_closing: AtomicBool,
    /// Long bodies that are being read.
    pub large: AtomicUsize,
    /// Callers that watch.
    pub watching: AtomicUsize,
}

/// Answers a caller until it leaves or makes no sense.
pub fn serve(room: &Room, stream: TcpStream) -> io::Result<()> {
    let from = stream.peer_addr()?.ip().to_canonical();
    stream.set_nodelay(true)?;
    let inbox = Inbox::new(stream.try_clone()?, room.patience);
    Caller { room, from, stream, inbox }.run();
    Ok(())
}

struct Caller<'a> {
    room: &'a Room,
    from: IpAddr,
    stream: TcpStream,
    inbox: Inbox,
}

/// What is to be done about a request, by its head alone.
enum Verdict<'a> {
    /// It is answered so, whatever its body says.
    Reply(Reply<'a>),
    /// Its body is for the RPC.
    Rpc,
    /// It is told what happens until it leaves.
    Watch(Watch),
}

impl<'a> Caller<'a> {
    fn run(&mut self) {
        loop {
            let went = self.inbox.head().and_then(|head| self.one(&head));
            match went {
                Ok(true) => {}
                Ok(false) => break,
                Err(End::Gone) => return,
                Err(End::Refused(status)) => {
                    debug!("{}: {status}", self.from);
                    let bytes = Reply::status(status).bytes(false, false);
                    if self.send(&bytes).is_err() {
                        return;
                    }
                    break;
                }
            }
        }
        // The caller has nothing more to hear; its end of what it says is waited for.
        let _ = self.stream.shutdown(Shutdown::Write);
        self.inbox.linger(LINGER);
    }

    /// One request; whether another may follow.
    fn one(&mut self, head: &Head) -> Result<bool, End> {
        let room = self.room;
        let (reply, keep) = match judge(room, head, self.from, Instant::now()) {
            Verdict::Rpc => (self.rpc(head)?, true),
            Verdict::Watch(watch) => {
                if let Some(_watching) = Permit::take(&room.watching, MAX_WATCHERS) {
                    return self.show(head, &watch);
                }
                let reply = Reply::plain(503, "too many watchers, close another page first");
                (reply.with("Retry-After", "5"), false)
            }
            // Whoever waits for a word before it sends its body sends none now.
            Verdict::Reply(reply) if head.waits && self.inbox.is_empty() => (reply, false),
            Verdict::Reply(reply) => {
                self.inbox.body(head.length, MAX_BODY, &mut |_| Ok(()))?;
                (reply, true)
            }
        };
        let keep = keep && head.keep && !room.is_closing.load(Ordering::Relaxed);
        // Neither a query nor a stranger's path is logged.
        debug!("{}: {:?} {}", self.from, head.method, reply.status);
        self.send(&reply.bytes(head.method == Method::Head, keep)).map_err(|_| End::Gone)?;
        Ok(keep)
    }

    /// Tells what happens until the caller leaves; then nothing else is said.
    fn show(&mut self, head: &Head, watch: &Watch) -> Result<bool, End> {
        let room = self.room;
        let stream = Reply::stream().bytes(true, false);
        self.send(&stream).map_err(|_| End::Gone)?;
        if head.method == Method::Head {
            return Ok(false);
        }
        let out = Outlet {
            desk: &room.desk,
            send: &mut |text| self.send(text.as_bytes()),
            is_over: &|| room.is_closing.load(Ordering::Relaxed),
        };
        let teller = Teller { program: &room.program, session: &room.session };
        dashboard::watch(watch, teller, out).map_err(|_| End::Gone)?;
        Ok(false)
    }

    /// Reads a body and has it answered.
    fn rpc(&mut self, head: &Head) -> Result<Reply<'a>, End> {
        match head.length {
            Length::None => return Err(End::Refused(411)),
            Length::Known(length) if length > MAX_BODY => return Err(End::Refused(413)),
            _ => {}
        }
        if head.waits && self.inbox.is_empty() {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(|_| End::Gone)?;
        }
        let room = self.room;
        let mut permit = None;
        let mut body = Vec::new();
        self.inbox.body(head.length, MAX_BODY, &mut |part| {
            if permit.is_none() && body.len() + part.len() > LARGE {
                permit = Some(Permit::take(&room.large, MAX_LARGE).ok_or(End::Refused(503))?);
            }
            body.extend_from_slice(part);
            Ok(())
        })?;
        let reply = match room.rpc.answer(&body) {
            Some(answer) => Reply::new(200, "application/json; charset=utf-8", answer),
            None => Reply::new(204, "", Vec::new()),
        };
        Ok(reply.with("X-Transmission-Rpc-Version", SNAKE_VERSION.1))
    }

    /// Sends all of it, or fails: a caller that takes nothing does not hold the thread.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let start = Instant::now();
        let mut sent = 0;
        while sent < bytes.len() {
            let deadline = start + self.room.patience.for_bytes(sent as u64);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_write_timeout(Some(left))?;
            let part = &bytes[sent..bytes.len().min(sent + PART)];
            match self.stream.write(part) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// One of some places: for long bodies, for watchers.
struct Permit<'a>(&'a AtomicUsize);

impl<'a> Permit<'a> {
    fn take(places: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |taken| (taken < most).then_some(taken + 1);
        places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(places))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Judges a request by its head: who speaks, then to what, then whether it may.
fn judge<'a>(room: &'a Room, head: &Head, from: IpAddr, now: Instant) -> Verdict<'a> {
    if let Err(status) = room.guard.check_page(head) {
        let why = match status {
            421 => "this program is called localhost or by its address, or by a name it was given",
            _ => "pages of others may not speak to this program",
        };
        return Verdict::Reply(Reply::plain(status, why));
    }
    if let Some(reply) = refuse_stranger(room, head, from, now) {
        return Verdict::Reply(reply);
    }
    if !head.path.starts_with('/') {
        return Verdict::Reply(Reply::status(400));
    }
    if matches!(head.path.as_str(), "/transmission/rpc" | "/transmission/rpc/") {
        return judge_rpc(room, head);
    }
    let is_look = matches!(head.method, Method::Get | Method::Head);
    if let Some(watch) = Watch::at(&head.path, &head.query).filter(|_| is_look) {
        return watch.map_or_else(|why| Verdict::Reply(Reply::plain(400, why)), Verdict::Watch);
    }
    let page = match (head.path.as_str(), &room.site) {
        (path, _) if let Some((kind, text)) = dashboard::page(path) => {
            Reply::new(200, kind, text.as_bytes())
        }
        // Browsers ask for it, and a 404 would stand in their logs.
        ("/favicon.ico", _) => Reply::new(204, "", &b""[..]),
        ("/transmission" | "/transmission/" | "/transmission/web", Some(_)) => {
            Reply::plain(301, "the page is below").with("Location", site::PLACE)
        }
        (path, Some(site)) => match site.page(path) {
            Some(page) => Reply::new(200, page.kind, page.body.as_slice()).foreign(),
            None => Reply::status(404),
        },
        _ => Reply::status(404),
    };
    if !is_look && page.status != 404 {
        return Verdict::Reply(Reply::status(405).with("Allow", "GET, HEAD"));
    }
    Verdict::Reply(page)
}

/// An answer to whoever has no password, or guesses.
fn refuse_stranger<'a>(room: &Room, head: &Head, from: IpAddr, now: Instant) -> Option<Reply<'a>> {
    let mut failures = room.failures.lock();
    if failures.bars(from, now) {
        let why = "too many wrong passwords, try again in a minute";
        return Some(Reply::plain(429, why).with("Retry-After", "60"));
    }
    match room.guard.check_login(head) {
        Proof::Right => return None,
        Proof::Missing => {}
        Proof::Wrong => {
            warn!("a wrong password for the remote control came from {from}");
            failures.on_wrong(from, now);
        }
    }
    let realm = "Basic realm=\"swarmlet\", charset=\"UTF-8\"";
    Some(Reply::plain(401, "a user and a password are needed").with("WWW-Authenticate", realm))
}

/// The session id comes before the method, as in Transmission: whoever asks learns it by any.
fn judge_rpc<'a>(room: &'a Room, head: &Head) -> Verdict<'a> {
    if !room.guard.knows_session(head) {
        let why = "send the X-Transmission-Session-Id of this answer with the next request";
        let reply = Reply::plain(409, why)
            .with("X-Transmission-Session-Id", room.session.as_str())
            .with("X-Transmission-Rpc-Version", SNAKE_VERSION.1);
        return Verdict::Reply(reply);
    }
    if head.method == Method::Post {
        return Verdict::Rpc;
    }
    Verdict::Reply(Reply::status(405).with("Allow", "POST"))
}
