//! Web seeds (BEP 19): one thread for each URL of a torrent of which something is wanted.
//!
//! ```text
//! swarm.next_web_run -> ranges -> GET -> blocks -> claim, write, on_written -> .. -> run is over
//! ```
//! The swarm treats a web seed as a source that has everything; what is asked for, what an answer
//! is worth and how long to rest is decided in [`crate::logic::web_seed`]. What was fetched is
//! verified like any other piece: wrong bytes end it for this run of the program.

use crate::geometry::BLOCK_LEN;
use crate::ids::Span;
use crate::logic::PeerKey;
use crate::logic::swarm::Action;
use crate::logic::swarm::web::WebTurn;
use crate::logic::web_seed::{
    Answer, Ask, Pace, Trouble, asks_of, is_usable, judge, reach_of, url_of,
};
use crate::node::guard::Granted;
use crate::node::shared::{Shared, Torrent};
use crate::node::trackers::http::{Get, Head, HttpError, get};
use crate::protocol::url::{Url, shown};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;
use std::time::{Duration, Instant};

/// Web seeds of one torrent that are used; those that stand behind them are not.
const MOST: usize = 4;

/// Stored at once; a multiple of a block.
const CHUNK: usize = 128 * 1024;

/// A range must be there within this; what came of it by then is kept.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait when nothing is free, and at most until the torrent is looked at again.
const IDLE: Duration = Duration::from_secs(1);

/// Starts the threads of a torrent's web seeds that have none and were not given up, unless nothing
/// is wanted of them. They end when that is so, and are started again when more is wanted.
pub fn start(shared: &Arc<Shared>, torrent: &Arc<Torrent>) {
    let stay = torrent.stay.number();
    let spoilt = torrent.spoilt.lock().clone();
    let usable = torrent.meta.web_seeds.iter().filter(|url| is_usable(url)).enumerate();
    let urls = usable.filter(|(_, url)| !spoilt.contains(*url));
    for (n, url) in urls.take(MOST) {
        {
            let mut picker = torrent.picker.lock();
            if !picker.wants_web_seeds() || !picker.web_seeds.insert((stay, n)) {
                continue;
            }
        }
        let (shared, of, url) = (shared.clone(), torrent.clone(), url.clone());
        let thread = Builder::new().name(format!("webseed-{n}"));
        let spawned = thread.spawn(move || run(&shared, &of, (stay, n), &url));
        if let Err(error) = spawned {
            log::warn!("no thread for a web seed: {error}");
            torrent.picker.lock().web_seeds.remove(&(stay, n));
            return;
        }
    }
}

fn run(shared: &Shared, torrent: &Arc<Torrent>, turn: (u64, usize), base: &str) {
    let peer = PeerKey(shared.next_key.fetch_add(1, Ordering::Relaxed));
    let pace = Pace::new(torrent.meta.piece_length, fastrand::Rng::new());
    torrent.picker.lock().on_web_joined(peer);
    let shown = shown(base);
    log::debug!("{shown}: a web seed of {}", torrent.name);
    let mut source = Source { shared, torrent, turn, base, shown: &shown, peer, pace };
    match shared.guard.contain(|| source.fetch_all()) {
        None => log::warn!("{}: the web seed {shown} is given up", torrent.name),
        Some(Ok(())) => log::debug!("{shown}: nothing more is wanted of it"),
        Some(Err(trouble)) => {
            log::warn!("{}: the web seed {shown} is given up: {trouble}", torrent.name);
            if matches!(trouble, Trouble::WrongBytes) {
                torrent.spoilt.lock().insert(base.to_owned());
            }
        }
    }
    let is_gone = torrent.stay.number() != turn.0;
    if is_gone {
        torrent.picker.lock().web_seeds.remove(&turn);
    }
    shared.decide(torrent, |swarm, now, out| swarm.on_web_left(now, peer, out));
}

/// One web seed at work.
struct Source<'a> {
    shared: &'a Shared,
    torrent: &'a Arc<Torrent>,
    /// The torrent's stay that it was started in, and its place in the torrent's list.
    turn: (u64, usize),
    /// What `url-list` says.
    base: &'a str,
    /// What of it may stand in a log.
    shown: &'a str,
    peer: PeerKey,
    pace: Pace,
}

impl Source<'_> {
    /// Fetches until nothing more is wanted; an error is why the source is given up.
    fn fetch_all(&mut self) -> Result<(), Trouble> {
        while !self.is_let_go() {
            let pause = self.pace.next_pause(self.shared.clock.now());
            if !pause.is_zero() {
                self.shared.wait(pause.min(IDLE));
                continue;
            }
            let (peer, most) = (self.peer, self.pace.next_run());
            match self.shared.decide(self.torrent, |swarm, _, _| swarm.next_web_run(peer, most)) {
                WebTurn::Fetch(run) => self.fetch_run(&run)?,
                WebTurn::Wait => _ = self.shared.wait(IDLE),
                WebTurn::Done if self.may_end() => return Ok(()),
                WebTurn::Done => {}
                WebTurn::Banned(piece) => {
                    log::info!("{}: banned: {piece} does not match its hash", self.shown);
                    return Err(Trouble::WrongBytes);
                }
            }
        }
        Ok(())
    }

    /// Whether it ends because the disk failed or the torrent was let go; then a thread is started
    /// for it once it goes on.
    fn is_let_go(&self) -> bool {
        // Under the lock: whoever lets it go on starts what has no thread by then.
        let mut picker = self.torrent.picker.lock();
        let over = self.is_over();
        if over {
            picker.web_seeds.remove(&self.turn);
        }
        over
    }

    /// Whether nothing is wanted of it. Then it has no thread any more: whoever wants more starts one.
    fn may_end(&self) -> bool {
        let mut picker = self.torrent.picker.lock();
        let wanted = picker.wants_web_seeds();
        if !wanted {
            picker.web_seeds.remove(&self.turn);
        }
        !wanted
    }

    /// Whether the node or the torrent ends, or the torrent was paused.
    fn is_over(&self) -> bool {
        let torrent = self.torrent;
        self.shared.is_stopping()
            || torrent.stay.number() != self.turn.0
            || torrent.failed.load(Ordering::Acquire)
    }

    fn fetch_run(&mut self, run: &[Span]) -> Result<(), Trouble> {
        let begun = self.shared.clock.now();
        let mut intake = Intake::new(self, run);
        let asked = intake.left();
        let asks = asks_of(&self.torrent.meta, run);
        let fetched = asks.iter().try_for_each(|ask| self.fetch(ask, &mut intake));
        intake.keep_whole_blocks();
        let got = asked - intake.left();
        let peer = self.peer;
        self.shared.decide(self.torrent, |swarm, now, out| swarm.on_web_run_over(now, peer, out));
        let now = self.shared.clock.now();
        match fetched {
            Ok(()) => self.pace.on_run(now.since(begun), asked),
            Err(End::NotWanted) => {}
            Err(End::Trouble(trouble)) => {
                log::info!("{}: {trouble}", self.shown);
                if !self.pace.on_trouble(now, &trouble, got) {
                    return Err(trouble);
                }
            }
        }
        Ok(())
    }

    /// Fetches one range of one file.
    fn fetch(&self, ask: &Ask, intake: &mut Intake<'_>) -> Result<(), End> {
        let Some(entry) = ask.entry else { return intake.take_zeros(ask.length) };
        let unusable = |why: String| End::Trouble(Trouble::Unusable(why));
        let url = url_of(self.base, &self.torrent.meta, entry)
            .ok_or_else(|| unusable("the file is not in the torrent".to_owned()))?;
        let url = Url::parse(&url).map_err(|error| unusable(error.to_string()))?;
        let question = Get {
            url: &url,
            bind: self.shared.bind,
            range: Some(ask.range()),
            limit: u64::MAX, // it is cut below, where the body of a whole file may go on
            deadline: Instant::now() + PATIENCE,
        };
        let mut left = ask.length;
        let mut end = None;
        let answered = get(&question, reach_of(&url), &mut |head, bytes| {
            let useful = bytes.len().min(left as usize);
            let taken = judge(ask, &answer(head))
                .map_err(End::Trouble)
                .and_then(|()| intake.take(&bytes[..useful]));
            if let Err(stop) = taken {
                end = Some(stop);
                return Err(String::new());
            }
            left -= useful as u64;
            // All is there; what would follow is not waited for.
            if left == 0 { Err(String::new()) } else { Ok(()) }
        });
        match (end, answered) {
            (Some(end), _) => Err(end),
            (None, _) if left == 0 => Ok(()),
            (None, Ok(head)) => {
                judge(ask, &answer(&head)).map_err(End::Trouble)?;
                Err(End::Trouble(Trouble::Broken("the answer is shorter than asked".to_owned())))
            }
            (None, Err(error)) => Err(End::Trouble(trouble_of(&error))),
        }
    }
}

/// Why a range did not come whole.
enum End {
    /// Others were faster, the node stops, or the disk failed.
    NotWanted,
    /// The source is to blame.
    Trouble(Trouble),
}

fn answer(head: &Head) -> Answer {
    Answer {
        status: head.status,
        range: head.range,
        length: head.length,
        retry_after: head.retry_after,
    }
}

fn trouble_of(error: &HttpError) -> Trouble {
    match error {
        HttpError::Url(_) | HttpError::Scheme(_) | HttpError::NoTls | HttpError::Inside(_) => {
            Trouble::Unusable(error.to_string())
        }
        _ => Trouble::Broken(error.to_string()),
    }
}

/// The bytes of a run on their way into the files.
struct Intake<'a> {
    shared: &'a Shared,
    torrent: &'a Arc<Torrent>,
    stay: u64,
    peer: PeerKey,
    /// What is still to come; the first is cut as it comes.
    spans: VecDeque<Span>,
    /// Bytes that are no whole blocks yet.
    buffer: Vec<u8>,
}

impl<'a> Intake<'a> {
    fn new(source: &Source<'a>, run: &[Span]) -> Self {
        Self {
            shared: source.shared,
            torrent: source.torrent,
            stay: source.turn.0,
            peer: source.peer,
            spans: run.iter().copied().collect(),
            buffer: Vec::with_capacity(CHUNK),
        }
    }

    /// Bytes that are still to come.
    fn left(&self) -> u64 {
        let spans: u64 = self.spans.iter().map(|span| u64::from(span.length)).sum();
        spans - self.buffer.len() as u64
    }

    fn take_zeros(&mut self, mut length: u64) -> Result<(), End> {
        while length > 0 {
            let now = length.min(CHUNK as u64);
            self.put(&vec![0; now as usize])?; // they were not received
            length -= now;
        }
        Ok(())
    }

    /// Takes bytes as they come, and no faster than the download limits let them in.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            let is_over = || self.torrent.stay.number() != self.stay;
            let most = self.shared.may_receive(self.torrent, bytes.len(), &is_over);
            if most == 0 {
                return Err(End::NotWanted); // the node stops, or the torrent was paused
            }
            let (now, later) = bytes.split_at(most);
            self.put(now)?;
            bytes = later;
        }
        Ok(())
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        while let Some(&span) = self.spans.front() {
            let chunk = (span.length as usize).min(CHUNK);
            let now = (chunk - self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..now]);
            bytes = &bytes[now..];
            if self.buffer.len() < chunk {
                return Ok(());
            }
            let stored = self.store(Span { length: chunk as u32, ..span });
            self.advance(chunk as u32);
            stored?;
        }
        Ok(())
    }

    /// What the buffer held is done with.
    fn advance(&mut self, length: u32) {
        self.buffer.clear();
        let Some(span) = self.spans.front_mut() else { return };
        span.offset += length;
        span.length -= length;
        if span.length == 0 {
            self.spans.pop_front();
        }
    }

    /// The run ended: what is no whole block of the rest is lost.
    fn keep_whole_blocks(&mut self) {
        let whole = self.buffer.len() / BLOCK_LEN as usize * BLOCK_LEN as usize;
        self.buffer.truncate(whole);
        if let Some(&span) = self.spans.front().filter(|_| whole > 0) {
            // Whether more is wanted no longer matters.
            let _ = self.store(Span { length: whole as u32, ..span });
        }
        self.advance(whole as u32);
    }

    /// Claims what the buffer holds, copies it, and says that it is written: as a worker does.
    fn store(&mut self, chunk: Span) -> Result<(), End> {
        let (shared, torrent, peer) = (self.shared, self.torrent, self.peer);
        let mut granted = Granted::new(shared, torrent);
        granted.spans =
            shared.decide(torrent, |swarm, now, out| swarm.claim_from_web(now, peer, chunk, out));
        shared.guard.point("webseed");
        let written = granted.spans.iter().try_for_each(|span| {
            let start = (span.offset - chunk.offset) as usize;
            let bytes = &self.buffer[start..start + span.length as usize];
            torrent.storage.write(span.piece, span.offset, bytes)
        });
        let granted = granted.take();
        if let Err(error) = written {
            shared.decide(torrent, |swarm, _, _| swarm.on_not_written(&granted));
            shared.disk_failed(torrent, error);
            return Err(End::NotWanted);
        }
        let is_last = self.left() == 0;
        let goes_on = shared.decide(torrent, |swarm, now, out: &mut Vec<Action>| {
            swarm.on_written(now, peer, &granted, out);
            is_last || swarm.wants_web_run(peer)
        });
        if goes_on { Ok(()) } else { Err(End::NotWanted) }
    }
}
