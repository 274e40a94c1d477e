//! Questions in which the submission fetches from seeders of ours.

use super::super::super::exit::CliError;
use super::caller::Caller;
use super::link::{Heard, Journal};
use super::seeders::Seeders;
use super::submission::{Submission, Task};
use super::tracker::Tracker;
use super::{Exam, failed};
use crate::bitfield::Bitfield;
use crate::geometry::BLOCK_LEN;
use crate::ids::{Span, hex};
use crate::lab::grade::check::{Fault, Verdict};
use crate::lab::grade::desk::{Desk, Handout};
use crate::lab::grade::judge;
use crate::lab::grade::log::{Line, Meaning};
use crate::lab::grade::paper::Content;
use crate::lab::grade::seeder::Manner;
use crate::protocol::frame::Frame;
use crate::protocol::message::Message;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::Duration;

/// How long is waited for what follows a whole file: the last HAVE, BECOME_SEEDER.
const AFTER: Duration = Duration::from_millis(1500);

/// The number of the connection that looks on, beside those of the seeders.
const WATCHER: usize = 99;

const PIECE: u32 = 2 * BLOCK_LEN;

/// What is asked.
struct Question<'a> {
    name: &'static str,
    /// What the submission is to fetch.
    content: &'a Content,
    /// What the seeders serve instead, if it is another.
    serves: &'a Content,
    handout: Handout,
    manners: Vec<Manner>,
    /// What is waited for once the file is whole.
    after: After,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum After {
    Nothing,
    Completed,
    /// Somebody who has nothing looks on, and every piece was announced to it.
    Announced,
}

/// What was seen.
struct Seen {
    lines: Vec<Line>,
    desk: Desk,
    /// What is wrong with the file, if anything is.
    output: Result<(), Fault>,
    /// What is wrong with a file that was said to be whole.
    claim: Result<(), Fault>,
    watched: Option<Watched>,
}

/// What somebody who has nothing saw.
struct Watched {
    told: BTreeSet<u32>,
    served: Result<(), Fault>,
}

/// All of them.
pub fn questions(exam: &Exam<'_>) -> Result<Vec<Verdict>, CliError> {
    let mut verdicts = Vec::new();
    exam.say("one seeder");
    match alone(exam, &mut verdicts)? {
        Ok(()) => rest(exam, &mut verdicts)?,
        // Whoever does not get this far is not asked the rest.
        Err(why) => exam.say(&format!("the rest is not asked: {}", why.got)),
    }
    let is_whole = |verdict: &Verdict| WHOLE.contains(&verdict.id) && verdict.passed();
    if !verdicts.iter().any(is_whole) {
        let fault = Fault::new("no file ever became whole", "a file with all its bytes");
        verdicts.push(Verdict::new("output.identical", Err(fault)));
    }
    Ok(verdicts)
}

/// The checks that pass only if a file became whole.
const WHOLE: [&str; 6] = [
    "leech.one-to-one",
    "leech.frames-split-at-every-byte",
    "leech.metainfo-from-peers",
    "leech.corrupt-piece",
    "leech.lost-peer",
    "leech.choked-waits",
];

fn rest(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    exam.say("frames that arrive byte by byte");
    split(exam, verdicts)?;
    exam.say("a forged .torrent, and none");
    forged(exam, verdicts)?;
    bare(exam, verdicts)?;
    exam.say("several seeders");
    many(exam, verdicts)?;
    exam.say("a seeder that lies, one that dies, one that chokes");
    corrupt(exam, verdicts)?;
    lost(exam, verdicts)?;
    choked(exam, verdicts)
}

fn alone(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<Result<(), Fault>, CliError> {
    let content = exam.paper.content("alone", 9, PIECE);
    let question = Question {
        after: After::Completed,
        ..Question::honest("alone", &content, vec![Manner::default()])
    };
    let seen = run(exam, &question)?;
    let registered = registered(&seen, &content);
    verdicts.push(Verdict::new("tracker.register", registered.clone()));
    let completed = seen.desk.completed.map(drop);
    let completed = completed.ok_or_else(|| {
        Fault::new(seen.desk.last_said(), "BECOME_SEEDER when the last piece was right")
    });
    verdicts.push(Verdict::new("tracker.completed", completed));
    verdicts.push(Verdict::new("leech.handshake", judge::handshake(&seen.lines)));
    verdicts.push(Verdict::new("leech.one-to-one", seen.output.clone()));
    verdicts.push(Verdict::new("output.identical", seen.claim));
    // Somebody who registers wrongly may still fetch.
    Ok(if seen.output.is_ok() || seen.desk.registered.is_some() { Ok(()) } else { registered })
}

fn registered(seen: &Seen, content: &Content) -> Result<(), Fault> {
    let Some((_, register)) = &seen.desk.registered else {
        let got = match &seen.output {
            Err(fault) => format!("{}; {}", seen.desk.last_said(), fault.got),
            Ok(()) => seen.desk.last_said(),
        };
        return Err(Fault::new(got, "HELLO, then REGISTER with the cookie"));
    };
    let size = content.bytes.len() as u64;
    let is_right = register.size == size
        && register.pieces == content.pieces()
        && register.left <= size
        && register.port != 0;
    if is_right {
        return Ok(());
    }
    let (got, left, port) = (register.size, register.left, register.port);
    Err(Fault::new(
        format!("REGISTER size={got} pieces={} left={left} port={port}", register.pieces),
        format!("size={size} pieces={} left={size} and a port", content.pieces()),
    ))
}

fn split(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    let content = exam.paper.content("split", 2, BLOCK_LEN);
    let manner = Manner { splits: true, ..Manner::default() };
    let seen = run(exam, &Question::honest("split", &content, vec![manner]))?;
    verdicts.push(Verdict::new("leech.frames-split-at-every-byte", seen.output));
    verdicts.push(Verdict::new("output.identical", seen.claim));
    Ok(())
}

/// The tracker hands out another .torrent under the hash, and the seeder serves what that says.
fn forged(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    let content = exam.paper.content("forged", 3, PIECE);
    let other = exam.paper.content("forgery", 3, PIECE);
    let forgery = Content { name: content.name.clone(), ..other };
    let question = Question {
        name: "forged",
        content: &content,
        serves: &forgery,
        handout: Handout::Torrent(forgery.meta.to_torrent()),
        manners: vec![Manner::default()],
        after: After::Nothing,
    };
    let seen = run(exam, &question)?;
    let (other, said) = (hex(&forgery.hash().0), seen.desk.last_said());
    let believes = |line: &&Line| match line.meaning {
        Meaning::Get(_) => line.is_theirs(),
        Meaning::Hello => line.text.contains(&other),
        _ => false,
    };
    let accepted = seen.lines.iter().find(believes).map(Line::to_string).or(seen.desk.foreign);
    let went = match (accepted, seen.desk.fetched) {
        (Some(got), _) => Err(Fault::new(
            got,
            "an end: SHA-256 of the `info` in the .torrent is not the info-hash of the LISTING",
        )),
        (None, None) => Err(Fault::new(said, "LOOKUP, then FETCH")),
        (None, Some(_)) => Ok(()),
    };
    verdicts.push(Verdict::new("leech.metainfo-verified", went));
    Ok(())
}

/// The tracker has no .torrent.
fn bare(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    let content = exam.paper.content("bare", 3, PIECE);
    let question = Question {
        handout: Handout::Nothing,
        ..Question::honest("bare", &content, vec![Manner::default()])
    };
    let seen = run(exam, &question)?;
    verdicts.push(Verdict::new("leech.metainfo-from-peers", seen.output));
    verdicts.push(Verdict::new("output.identical", seen.claim));
    Ok(())
}

fn many(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    let content = exam.paper.content("many", 48, PIECE);
    let manner = Manner { pace: Duration::from_millis(60), ..Manner::default() };
    let question =
        Question { after: After::Announced, ..Question::honest("many", &content, vec![manner; 4]) };
    let seen = run(exam, &question)?;
    let lines = &seen.lines;
    verdicts.push(Verdict::new("leech.many-to-one", judge::many_to_one(lines, 3)));
    verdicts.push(Verdict::new("leech.pipelining", judge::pipelining(lines)));
    let once = judge::no_duplicates(lines, content.blocks());
    verdicts.push(Verdict::new("leech.no-duplicates", once));
    let (announced, served) = if let Some(watched) = seen.watched {
        (judge::announced(&watched.told, content.pieces()), watched.served)
    } else {
        let fault = Fault::new(seen.desk.last_said(), "REGISTER with a port that is open");
        (Err(fault.clone()), Err(fault))
    };
    verdicts.push(Verdict::new("leech.have-announced", announced));
    verdicts.push(Verdict::new("seed.reseeds-while-leeching", served));
    verdicts.push(Verdict::new("output.identical", seen.claim));
    Ok(())
}

fn corrupt(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    let content = exam.paper.content("corrupt", 12, PIECE);
    let liar = exam.paper.draw("corrupt", 3);
    // The others serve later, so that the liar is asked.
    let pace = Duration::from_millis(15);
    let honest = Manner { waits: Duration::from_millis(200), pace, ..Manner::default() };
    let mut manners = vec![honest; 3];
    manners[liar] = Manner { lies: true, pace, ..Manner::default() };
    let seen = run(exam, &Question::honest("corrupt", &content, manners))?;
    let went = seen.output.and_then(|()| judge::refetched(&seen.lines, liar));
    verdicts.push(Verdict::new("leech.corrupt-piece", went));
    verdicts.push(Verdict::new("output.identical", seen.claim));
    Ok(())
}

fn lost(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    let content = exam.paper.content("lost", 16, PIECE);
    let pace = Duration::from_millis(30);
    let mut manners = vec![Manner { pace, ..Manner::default() }; 3];
    manners[exam.paper.draw("lost", 3)].dies_after = Some(2);
    let seen = run(exam, &Question::honest("lost", &content, manners))?;
    verdicts.push(Verdict::new("leech.lost-peer", seen.output));
    verdicts.push(Verdict::new("output.identical", seen.claim));
    Ok(())
}

fn choked(exam: &Exam<'_>, verdicts: &mut Vec<Verdict>) -> Result<(), CliError> {
    let content = exam.paper.content("choked", 12, PIECE);
    let manner = Manner {
        waits: Duration::from_millis(400),
        chokes_after: Some(4),
        chokes_for: Duration::from_millis(600),
        pace: Duration::from_millis(25),
        ..Manner::default()
    };
    let seen = run(exam, &Question::honest("choked", &content, vec![manner]))?;
    let went = judge::choked_waits(&seen.lines).and(seen.output);
    verdicts.push(Verdict::new("leech.choked-waits", went));
    verdicts.push(Verdict::new("output.identical", seen.claim));
    Ok(())
}

impl<'a> Question<'a> {
    /// A tracker and seeders that say the truth.
    fn honest(name: &'static str, content: &'a Content, manners: Vec<Manner>) -> Self {
        Self {
            name,
            content,
            serves: content,
            handout: Handout::Torrent(content.meta.to_torrent()),
            manners,
            after: After::Nothing,
        }
    }

    /// How long the submission may take to do nothing, where nothing is right.
    fn is_refused_after(&self) -> Option<Duration> {
        (!std::ptr::eq(self.content, self.serves)).then_some(Duration::from_millis(1200))
    }
}

/// Asks one question.
fn run(exam: &Exam<'_>, question: &Question<'_>) -> Result<Seen, CliError> {
    let content = question.content;
    let folder = exam.folder(question.name)?;
    let journal = Journal::new();
    let seeders =
        Seeders::open(question.serves, content.hash(), question.manners.clone(), &journal)
            .map_err(|why| failed("no port for a seeder", &why))?;
    let desk = Desk::new(Some(content), question.handout.clone(), seeders.addresses.clone());
    let tracker =
        Tracker::open(desk, &journal).map_err(|why| failed("no port for a tracker", &why))?;
    let words = exam.template.words(tracker.address, &Task::Leech(&content.name, &folder));
    let mut output = Err(Fault::new(String::new(), String::new()));
    let mut watched = None;
    let started = Submission::start(&words, &exam.running);
    let mut gone = None;
    if let Ok(mut submission) = started {
        let whole_at =
            wait(exam, question, &tracker, &journal, &mut submission, &folder, &mut watched)?;
        output = match whole_at {
            Some(_) => Ok(()),
            None => Err(not_whole(exam, question, &folder, &mut submission)),
        };
        gone = submission.ended().map(str::to_owned);
    } else if let Err(why) = started {
        output = Err(Fault::new(why, "a program that runs"));
    }
    drop(seeders);
    let lines = journal.lines();
    let claims = tracker.look(|desk| desk.completed.is_some())
        || gone.is_some_and(|how| how.ends_with("exit code 0"));
    let claim = match &output {
        Err(fault) if claims => {
            Err(Fault::new(format!("in {:?}: {}", question.name, fault.got), "the file, or none"))
        }
        _ => Ok(()),
    };
    let desk = tracker.into_desk();
    Ok(Seen { lines, desk, output, claim, watched: watched.and_then(Watch::end) })
}

/// Waits until the file is whole and what is to follow followed; when it was whole.
fn wait(
    exam: &Exam<'_>,
    question: &Question<'_>,
    tracker: &Tracker,
    journal: &Journal,
    submission: &mut Submission,
    folder: &Path,
    watch: &mut Option<Watch>,
) -> Result<Option<Duration>, CliError> {
    let file = folder.join(&question.content.name);
    let mut whole_at = None;
    while journal.now() < exam.patience {
        if question.after == After::Announced && watch.is_none() {
            *watch = tracker.submission().and_then(|at| Watch::open(at, question, journal));
        }
        if whole_at.is_none() && difference(&file, &question.content.bytes).is_ok() {
            whole_at = Some(journal.now());
            if let Some(watch) = watch {
                watch.whole.store(true, Ordering::Relaxed);
            }
        }
        if let Some(at) = whole_at {
            let is_done = match question.after {
                After::Nothing => true,
                After::Completed => tracker.look(|desk| desk.completed.is_some()),
                After::Announced => watch.as_ref().is_none_or(Watch::is_done),
            };
            if is_done || journal.now() > at + AFTER {
                return Ok(whole_at);
            }
        }
        if submission.ended().is_some() && whole_at.is_none() {
            // What it wrote last may have come between the two looks.
            return Ok(difference(&file, &question.content.bytes).ok().map(|()| journal.now()));
        }
        let fetched = tracker.look(|desk| desk.fetched);
        if let (Some(after), Some(fetched)) = (question.is_refused_after(), fetched)
            && journal.now() > fetched + after
        {
            return Ok(None);
        }
        exam.pause()?;
    }
    Ok(whole_at)
}

/// What is wrong, in a question whose file did not become whole.
fn not_whole(
    exam: &Exam<'_>,
    question: &Question<'_>,
    folder: &Path,
    submission: &mut Submission,
) -> Fault {
    let file = folder.join(&question.content.name);
    let wrong = difference(&file, &question.content.bytes).err().unwrap_or_default();
    let mut got = wrong;
    if submission.ended().is_none() {
        got = format!("{got} after {} s", exam.patience.as_secs());
    }
    got += &submission.how_and_last_words();
    let length = question.content.bytes.len();
    Fault::new(got, format!("{} with the {length} bytes that were served", question.content.name))
}

/// Whether a file has these bytes; what is wrong with it otherwise.
fn difference(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().display();
    let length = std::fs::metadata(path).map_err(|_| format!("no file {name}"))?.len();
    if length != bytes.len() as u64 {
        return Err(format!("{name} has {length} of {} bytes", bytes.len()));
    }
    let mut found = Vec::new();
    File::open(path)
        .and_then(|file| file.take(length).read_to_end(&mut found))
        .map_err(|why| format!("{name} cannot be read: {why}"))?;
    match found.iter().zip(bytes).position(|(found, byte)| found != byte) {
        None if found.len() == bytes.len() => Ok(()),
        at => Err(format!("{name} differs at byte {}", at.unwrap_or(found.len()))),
    }
}

/// Somebody who has nothing: hears what is announced, and asks for one piece.
struct Watch {
    whole: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Watched>,
}

impl Watch {
    fn open(at: SocketAddr, question: &Question<'_>, journal: &Journal) -> Option<Self> {
        let (whole, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (content, journal) = (question.content.clone(), journal.clone());
        let (is_whole, is_done) = (whole.clone(), done.clone());
        let run = move || {
            let mut told = BTreeSet::new();
            let served = watch(at, &content, &journal, &is_whole, &is_done, &mut told);
            is_done.store(true, Ordering::Relaxed);
            Watched { told, served }
        };
        let thread = Builder::new().name("grade-watcher".into()).spawn(run).ok()?;
        Some(Self { whole, done, thread })
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    fn end(self) -> Option<Watched> {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().ok()
    }
}

/// Notes what is announced, until everything was or the question ends; whether a piece was served
/// while others were missing.
fn watch(
    at: SocketAddr,
    content: &Content,
    journal: &Journal,
    is_whole: &AtomicBool,
    is_done: &AtomicBool,
    told: &mut BTreeSet<u32>,
) -> Result<(), Fault> {
    const EXPECTED: &str = "UNCHOKE, and CHUNK_DATA of a piece that was announced";
    let mut caller = Caller::open(at, WATCHER, journal, content.hash())?;
    caller.say(&Message::Interested)?;
    let (mut unchoked, mut asked, mut served) = (false, None::<Span>, None);
    while !is_done.load(Ordering::Relaxed) && told.len() < content.pieces() as usize {
        let bytes = match caller.hear(Duration::from_millis(20)) {
            Heard::Quiet => continue,
            Heard::Over(why) => {
                served.get_or_insert(Err(Fault::new(why, EXPECTED)));
                break;
            }
            Heard::Frame(bytes) => bytes,
        };
        let Ok(Some((frame, _))) = Frame::first_in(&bytes) else { continue };
        match Message::read(&frame) {
            Ok(Some(Message::Have(piece))) => drop(told.insert(piece.0)),
            Ok(Some(Message::HaveAll)) => told.extend(0..content.pieces()),
            Ok(Some(Message::Bitfield { first, bits })) => {
                if let Ok(have) = Bitfield::from_bytes(bits, bits.len() as u32 * 8) {
                    told.extend(have.iter().map(|piece| first.saturating_add(piece.0)));
                }
            }
            Ok(Some(Message::Unchoke)) => unchoked = true,
            Ok(Some(Message::Choke)) => (unchoked, asked) = (false, None),
            Ok(Some(Message::Chunk { piece, offset, data })) => {
                let span = Span { piece, offset, length: data.len() as u32 };
                let is_right = content.slice(span) == Some(data);
                served.get_or_insert(match (is_right, is_whole.load(Ordering::Relaxed)) {
                    (true, false) => Ok(()),
                    (true, true) => Err(Fault::new("a piece after it had everything", EXPECTED)),
                    (false, _) => Err(Fault::new(format!("wrong bytes of {span}"), EXPECTED)),
                });
            }
            _ => {}
        }
        told.retain(|&piece| piece < content.pieces());
        if unchoked
            && asked.is_none()
            && let Some(&piece) = told.iter().next()
        {
            let span = content.piece(piece);
            asked = Some(span);
            caller.say(&Message::Get(span))?;
        }
    }
    served.unwrap_or_else(|| {
        let got = if unchoked { "UNCHOKE, but no CHUNK_DATA" } else { "no UNCHOKE" };
        Err(Fault::new(got, EXPECTED))
    })
}
