//! One connection between the grader and the submission: whole frames, each noted in the journal.

use crate::lab::grade::log::{Line, Meaning, Place, Speaker, understand};
use crate::protocol::frame::{Frame, PEER_MAGIC};
use parking_lot::Mutex;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most lines that are kept of one question.
const MOST_LINES: usize = 20_000;

/// Who said what in one question.
#[derive(Clone)]
pub struct Journal {
    begun: Instant,
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Journal {
    /// An empty one; time begins now.
    pub fn new() -> Self {
        Self { begun: Instant::now(), lines: Arc::default() }
    }

    /// Since it began.
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What was said so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().clone()
    }

    fn note(&self, link: usize, from: Speaker, text: String, meaning: Meaning, at: (u32, u64)) {
        let mut lines = self.lines.lock();
        if lines.len() < MOST_LINES {
            let (frame, offset) = at;
            lines.push(Line { at: self.now(), link, from, meaning, text, frame, offset });
        }
    }
}

/// What came.
pub enum Heard {
    /// A whole frame, its length field included.
    Frame(Vec<u8>),
    /// Nothing, or not enough of it.
    Quiet,
    /// The end, and why.
    Over(String),
}

/// A connection.
pub struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
    has_magic: bool,
    number: usize,
    journal: Journal,
    sent: Place,
    heard: Place,
}

impl Link {
    /// A connection with its number in the journal.
    pub fn new(stream: TcpStream, number: usize, journal: Journal) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let (sent, heard) = (Place::default(), Place::default());
        Ok(Self { stream, buffer: Vec::new(), has_magic: false, number, journal, sent, heard })
    }

    /// The time of its journal.
    pub fn now(&self) -> Duration {
        self.journal.now()
    }

    /// Sends frames, perhaps behind the magic; byte by byte if they are to be split.
    pub fn send(&mut self, bytes: &[u8], splits: bool) -> io::Result<()> {
        let mut rest = bytes.strip_prefix(&PEER_MAGIC).unwrap_or(bytes);
        while let Ok(Some((frame, length))) = Frame::first_in(rest) {
            let (text, meaning) = understand(&frame);
            let at = self.sent.next(length);
            self.journal.note(self.number, Speaker::Grader, text, meaning, at);
            rest = &rest[length..];
        }
        self.send_raw(bytes, splits)
    }

    /// Sends bytes that are no whole frames.
    pub fn send_raw(&mut self, bytes: &[u8], splits: bool) -> io::Result<()> {
        if !splits {
            return self.stream.write_all(bytes);
        }
        bytes.iter().try_for_each(|byte| self.stream.write_all(&[*byte]))
    }

    /// The next frame, waited for at most so long.
    pub fn hear(&mut self, wait: Duration) -> Heard {
        match self.take() {
            Heard::Quiet => {}
            heard => return heard,
        }
        let wait = wait.max(Duration::from_millis(1));
        let mut room = [0; 16_384];
        let read =
            self.stream.set_read_timeout(Some(wait)).and_then(|()| self.stream.read(&mut room));
        match read {
            Ok(0) => self.over("it closed the connection"),
            Ok(count) => {
                self.buffer.extend_from_slice(&room[..count]);
                self.take()
            }
            Err(why)
                if [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted]
                    .contains(&why.kind()) =>
            {
                Heard::Quiet
            }
            Err(_) => self.over("it reset the connection"),
        }
    }

    fn take(&mut self) -> Heard {
        if !self.has_magic {
            let known = self.buffer.len().min(4);
            if self.buffer[..known] != PEER_MAGIC[..known] {
                let text = format!("it opens with {:02x?}, not \"SWP1\"", &self.buffer[..known]);
                return self.over(&text);
            }
            if known < 4 {
                return Heard::Quiet;
            }
            self.buffer.drain(..4);
            self.has_magic = true;
        }
        match Frame::first_in(&self.buffer) {
            Ok(None) => Heard::Quiet,
            Ok(Some((frame, length))) => {
                let (text, meaning) = understand(&frame);
                let at = self.heard.next(length);
                self.journal.note(self.number, Speaker::Submission, text, meaning, at);
                let rest = self.buffer.split_off(length);
                Heard::Frame(std::mem::replace(&mut self.buffer, rest))
            }
            Err(why) => {
                let at = self.heard.next(0);
                self.over(&format!("frame {}, byte {}: {why}", at.0, at.1))
            }
        }
    }

    /// Notes that it is over.
    pub fn over(&mut self, why: &str) -> Heard {
        let at = self.heard.next(0);
        self.journal.note(self.number, Speaker::Submission, why.to_owned(), Meaning::Closed, at);
        Heard::Over(why.to_owned())
    }
}
