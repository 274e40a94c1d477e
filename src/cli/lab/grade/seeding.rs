//! Questions in which the submission serves a file, and we call: well-behaved, mistaken, and rude.

use super::super::super::exit::CliError;
use super::caller::Caller;
use super::link::Journal;
use super::rude;
use super::submission::{Submission, Task};
use super::tracker::Tracker;
use super::{Exam, failed};
use crate::geometry::BLOCK_LEN;
use crate::ids::{InfoHashV2, PieceIndex, Span};
use crate::lab::grade::check::{CHECKS, Fault, Verdict};
use crate::lab::grade::desk::{Desk, EXPIRE, Handout, KEEPALIVE};
use crate::lab::grade::judge;
use crate::lab::grade::paper::Content;
use crate::metainfo::Metainfo;
use crate::protocol::message::{MAX_CHUNK, Message};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long heartbeats are counted at least.
const BEATS: Duration = Duration::from_millis(2500);

/// How long UNREGISTER and the end may take.
const LEAVING: Duration = Duration::from_secs(4);

/// Numbers of connections in the journal.
const FIRST_CALL: usize = 1;

/// The submission at work.
struct Served<'a> {
    content: &'a Content,
    journal: &'a Journal,
    at: SocketAddr,
    info_hash: InfoHashV2,
    calls: usize,
}

/// All of them.
pub fn questions(exam: &Exam<'_>) -> Result<Vec<Verdict>, CliError> {
    exam.say("a file to be served");
    let content = exam.paper.content("seed", 13, 2 * BLOCK_LEN);
    let folder = exam.folder("seed")?;
    let file = folder.join(&content.name);
    std::fs::write(&file, &content.bytes)
        .map_err(|why| CliError::disk("write", &file, &why, "is the disk full?"))?;
    let journal = Journal::new();
    let desk = Desk::new(None, Handout::Nothing, Vec::new());
    let tracker =
        Tracker::open(desk, &journal).map_err(|why| failed("no port for a tracker", &why))?;
    let words = exam.template.words(tracker.address, &Task::Seed(&file));
    let mut submission = match Submission::start(&words, &exam.running) {
        Ok(submission) => submission,
        Err(why) => return Ok(all_failed(&Fault::new(why, "a program that runs"))),
    };
    let end = Instant::now() + exam.patience;
    let wait = |submission: &mut Submission, is: &dyn Fn(&Desk) -> bool, end: Instant| {
        while !tracker.look(is) {
            if submission.ended().is_some() || Instant::now() > end {
                return Ok::<_, CliError>(false);
            }
            exam.pause()?;
        }
        Ok(true)
    };
    if !wait(&mut submission, &|desk| desk.registered.is_some(), end)? {
        let got = tracker.look(Desk::last_said) + &submission.how_and_last_words();
        return Ok(all_failed(&Fault::new(got, "REGISTER by whoever serves")));
    }
    let mut verdicts = vec![Verdict::new("tracker.register", registered(&tracker, &content))];
    let soon = Instant::now() + Duration::from_secs(3);
    wait(&mut submission, &|desk| desk.is_published, soon.min(end))?;
    let (register, published) =
        tracker.look(|desk| (desk.registered.clone(), desk.published.clone()));
    let (since, register) = register.expect("it was waited for");
    let mut served = Served {
        content: &content,
        journal: &journal,
        at: SocketAddr::from(([127, 0, 0, 1], register.port)),
        info_hash: InfoHashV2(register.info_hash.0),
        calls: FIRST_CALL,
    };
    let torrent = served.published(&tracker, &published);
    verdicts.push(Verdict::new("seed.publishes", torrent.clone().map(drop)));
    let exchanged = served.metainfo();
    verdicts.push(Verdict::new("seed.metainfo", exchanged.clone().map(drop)));
    exam.go_on()?;
    let meta = torrent.or(exchanged);
    verdicts.push(Verdict::new("seed.choke", served.choke()));
    let whole = meta.clone().and_then(|meta| served.whole(&meta));
    verdicts.push(Verdict::new("seed.serves", whole));
    let mut other = served.info_hash;
    other.0[0] ^= 1;
    let unknown = served.refused(other, 1, 404);
    verdicts.push(Verdict::new("seed.handshake-unknown-content", unknown));
    let version = served.refused(served.info_hash, 2, 426);
    verdicts.push(Verdict::new("seed.handshake-version", version));
    exam.say("callers who break the rules");
    let pieces = meta.map(|meta| content.bytes.len().div_ceil(meta.piece_length as usize) as u32);
    for (id, went) in served.rude(exam, pieces)? {
        verdicts.push(Verdict::new(id, went));
    }
    exam.say("heartbeats, and the end");
    while journal.now() < since + BEATS {
        exam.pause()?;
    }
    let beats = tracker.look(|desk| desk.beats.clone());
    let went = judge::heartbeat(since, &beats, journal.now(), KEEPALIVE, EXPIRE);
    verdicts.push(Verdict::new("tracker.heartbeat", went));
    verdicts.push(Verdict::new("tracker.leave", leave(exam, &tracker, &mut submission)?));
    Ok(verdicts)
}

/// Everything that this question asks, failed for one reason.
fn all_failed(fault: &Fault) -> Vec<Verdict> {
    let own = ["tracker.register", "tracker.heartbeat", "tracker.leave"];
    let asked = CHECKS.iter().filter(|check| {
        own.contains(&check.id)
            || check.id.starts_with("rude.")
            || (check.id.starts_with("seed.") && check.id != "seed.reseeds-while-leeching")
    });
    asked.map(|check| Verdict::new(check.id, Err(fault.clone()))).collect()
}

fn registered(tracker: &Tracker, content: &Content) -> Result<(), Fault> {
    let register = tracker.look(|desk| desk.registered.clone()).expect("it was waited for").1;
    let size = content.bytes.len() as u64;
    if (register.size, register.left) == (size, 0) && register.port != 0 {
        return Ok(());
    }
    let (got, left, port) = (register.size, register.left, register.port);
    Err(Fault::new(
        format!("REGISTER size={got} left={left} port={port} of who serves"),
        format!("size={size} left=0 and a port"),
    ))
}

fn leave(
    exam: &Exam<'_>,
    tracker: &Tracker,
    submission: &mut Submission,
) -> Result<Result<(), Fault>, CliError> {
    let before = submission.ended().map(str::to_owned);
    submission.terminate();
    let end = Instant::now() + LEAVING;
    let has_left = || tracker.look(|desk| desk.left.is_some());
    while Instant::now() < end && !(has_left() && submission.ended().is_some()) {
        exam.pause()?;
        if submission.ended().is_some() && !has_left() {
            exam.pause()?; // the last datagram may be on its way
            break;
        }
    }
    let expected = "UNREGISTER with the id that registered, then the end, within 4 s";
    Ok(match (before, has_left(), submission.ended()) {
        (Some(how), ..) => Err(Fault::new(format!("before SIGTERM {how}"), expected)),
        (None, true, Some(_)) => Ok(()),
        (None, true, None) => Err(Fault::new("UNREGISTER, but it runs on", expected)),
        (None, false, how) => {
            let how = how.unwrap_or("it runs on").to_owned();
            let last = tracker.look(Desk::last_said);
            Err(Fault::new(format!("{how}; the last word to the tracker: {last}"), expected))
        }
    })
}

impl Served<'_> {
    fn call(&mut self) -> Result<Caller, Fault> {
        self.calls += 1;
        Caller::open(self.at, self.calls, self.journal, self.info_hash)
    }

    /// What it published.
    fn published(&self, tracker: &Tracker, torrent: &[u8]) -> Result<Metainfo, Fault> {
        let expected = "PUBLISH with the .torrent, since the ACK asked for it";
        if torrent.is_empty() {
            return Err(Fault::new(tracker.look(Desk::last_said), expected));
        }
        let meta = Metainfo::parse(torrent)
            .map_err(|why| Fault::new(format!("a .torrent that is none: {why}"), expected))?;
        self.is_of_file(meta)
    }

    /// A metainfo must be that of the file, under the hash that registered.
    fn is_of_file(&self, meta: Metainfo) -> Result<Metainfo, Fault> {
        let length: u64 = meta.files.iter().map(|file| file.length).sum();
        if meta.info_hash_v2 != Some(self.info_hash) {
            let expected = format!("one that hashes to {}, as REGISTER says", self.info_hash);
            return Err(Fault::new("metainfo with another info-hash", expected));
        }
        if length != self.content.bytes.len() as u64 || !meta.layers_complete() {
            let expected = format!("{} bytes and a hash for each piece", self.content.bytes.len());
            return Err(Fault::new(format!("metainfo of {length} bytes"), expected));
        }
        Ok(meta)
    }

    /// What it says when it is asked for its metainfo, while we are choked.
    fn metainfo(&mut self) -> Result<Metainfo, Fault> {
        let mut caller = self.call()?;
        let (mut bytes, mut all, mut info_length) = (Vec::new(), 1, 0);
        while bytes.len() < all {
            let offset = bytes.len() as u32;
            caller.say(&Message::GetMetainfo { offset, length: MAX_CHUNK })?;
            let part = caller.expect("METAINFO", |message| match message {
                &Message::Metainfo { offset: at, total, info, data } if at == offset => {
                    Some((total as usize, info as usize, data.to_vec()))
                }
                _ => None,
            })?;
            (all, info_length) = (part.0.min(4 << 20), part.1);
            if part.2.is_empty() && bytes.len() < all {
                let got = format!("METAINFO without a byte at {offset} of {all}");
                return Err(Fault::new(got, "the bytes that were asked for"));
            }
            bytes.extend(part.2);
        }
        let read = Metainfo::from_exchange(&self.info_hash, info_length, &bytes);
        let meta = read.map_err(|why| {
            Fault::new(format!("METAINFO that is not believed: {why}"), "`info`, then the layers")
        })?;
        self.is_of_file(meta)
    }

    /// What it answers to a GET before anybody was unchoked.
    fn choke(&mut self) -> Result<(), Fault> {
        let mut caller = self.call()?;
        let span = Span { piece: PieceIndex(0), offset: 0, length: BLOCK_LEN };
        caller.say(&Message::Get(span))?;
        caller.expect("REJECT of the GET, since nobody was unchoked", |message| match message {
            Message::Reject(rejected) if *rejected == span => Some(Ok(())),
            Message::Chunk { .. } => Some(Err(Fault::new("CHUNK_DATA to a choked peer", "REJECT"))),
            _ => None,
        })?
    }

    /// Fetches everything.
    fn whole(&mut self, meta: &Metainfo) -> Result<(), Fault> {
        let mut caller = self.call()?;
        caller.be_unchoked()?;
        let all = &self.content.bytes;
        for (piece, bytes) in all.chunks(meta.piece_length as usize).enumerate() {
            let length = bytes.len() as u32;
            let span = Span { piece: PieceIndex(piece as u32), offset: 0, length };
            let found = caller.get(span)?;
            if let Some(at) = found.iter().zip(bytes).position(|(found, byte)| found != byte) {
                let expected = format!("{:#04x} there", bytes[at]);
                let got = format!("{:#04x} at byte {at} of {}", found[at], span.piece);
                return Err(Fault::new(got, expected));
            }
        }
        caller.say(&Message::Bye)
    }

    /// A good caller is served one block.
    fn serves_on(&mut self) -> Result<(), Fault> {
        let mut caller = self.call()?;
        caller.be_unchoked()?;
        let span = Span { piece: PieceIndex(0), offset: 0, length: BLOCK_LEN };
        let found = caller.get(span)?;
        // It is served; how it takes the goodbye is not asked here.
        let _ = caller.say(&Message::Bye);
        if found == self.content.bytes[..BLOCK_LEN as usize] {
            return Ok(());
        }
        Err(Fault::new("wrong bytes of piece 0", "CHUNK_DATA of piece 0"))
    }

    /// A HELLO that must be refused with a code.
    fn refused(&mut self, info_hash: InfoHashV2, version: u32, code: u32) -> Result<(), Fault> {
        self.calls += 1;
        let mut caller = Caller::dial(self.at, self.calls, self.journal)?;
        caller.hello(info_hash, version)?;
        let expected = format!("ERROR {code} in the place of STATE");
        caller.expect(&expected, |message| match message {
            Message::Error(error) if error.code == code => Some(Ok(())),
            Message::Error(error) => {
                Some(Err(Fault::new(format!("ERROR {}", error.code), expected.clone())))
            }
            Message::State(_) => Some(Err(Fault::new("STATE", expected.clone()))),
            _ => None,
        })?
    }

    /// All who break the rules, each followed by somebody who does not.
    #[allow(clippy::type_complexity)] // checks and how they went
    fn rude(
        &mut self,
        exam: &Exam<'_>,
        pieces: Result<u32, Fault>,
    ) -> Result<Vec<(&'static str, Result<(), Fault>)>, CliError> {
        let mut went = Vec::new();
        let silent = std::net::TcpStream::connect(self.at);
        let silence = self.serves_on().map_err(|fault| {
            let got = format!("while a caller that says nothing is connected: {}", fault.got);
            Fault::new(got, fault.expected)
        });
        went.push(("rude.silent", silence));
        for rudeness in rude::all(self.info_hash) {
            exam.go_on()?;
            let after = rude::be_rude(self.at, &rudeness).and_then(|()| {
                self.serves_on().map_err(|fault| {
                    let got = format!("after we sent {}: {}", rudeness.what, fault.got);
                    Fault::new(got, fault.expected)
                })
            });
            went.push((rudeness.id, after));
        }
        self.calls += 1;
        let (at, number, hash) = (self.at, self.calls, self.info_hash);
        let range = pieces
            .and_then(|pieces| rude::out_of_range(at, number, self.journal, hash, pieces))
            .and_then(|()| self.serves_on());
        went.push(("rude.out-of-range-piece", range));
        drop(silent);
        Ok(went)
    }
}
