//! Who said what, and when: [`Line`], with the place in its stream that a fault can name.

use crate::ids::Span;
use crate::lab::spoken::{Half, describe};
use crate::protocol::frame::Frame;
use crate::protocol::message::Message;
use std::fmt;
use std::time::Duration;

/// More than there are seeders in any question.
pub const SEEDERS: usize = 100;

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The program that is graded.
    Submission,
    /// Us.
    Grader,
}

/// What a message means to whoever judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// HELLO.
    Hello,
    /// GET.
    Get(Span),
    /// CHUNK_DATA.
    Chunk(Span),
    /// CANCEL.
    Cancel(Span),
    /// REJECT.
    Reject(Span),
    /// CHOKE.
    Choke,
    /// UNCHOKE.
    Unchoke,
    /// HAVE.
    Have(u32),
    /// The connection is over.
    Closed,
    /// Anything else.
    Other,
}

/// One message, or the end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Since the run began.
    pub at: Duration,
    /// Which connection: of a seeder its number and [`SEEDERS`] for each connection before.
    pub link: usize,
    /// Whose word.
    pub from: Speaker,
    /// What it means.
    pub meaning: Meaning,
    /// The message in words.
    pub text: String,
    /// Which frame of its stream, from 1.
    pub frame: u32,
    /// The byte of the stream at which it begins, the magic counted.
    pub offset: u64,
}

impl Line {
    /// Which of the grader's seeders the connection belongs to.
    pub fn seeder(&self) -> usize {
        self.link % SEEDERS
    }

    /// Whether the submission said it.
    pub fn is_theirs(&self) -> bool {
        self.from == Speaker::Submission
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, frame, offset) = (&self.text, self.frame, self.offset);
        let time = self.at.as_secs_f64();
        write!(f, "{text} (frame {frame}, byte {offset}, connection {}, {time:.3} s)", self.link)
    }
}

/// Counts one direction of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    frame: u32,
    offset: u64,
}

impl Default for Place {
    /// Behind the magic.
    fn default() -> Self {
        Self { frame: 0, offset: 4 }
    }
}

impl Place {
    /// Where the next frame stands, of so many bytes; what follows stands behind it.
    pub fn next(&mut self, length: usize) -> (u32, u64) {
        self.frame += 1;
        let at = self.offset;
        self.offset += length as u64;
        (self.frame, at)
    }
}

/// What a frame between peers says: in words, and to whoever judges.
pub fn understand(frame: &Frame<'_>) -> (String, Meaning) {
    let meaning = match Message::read(frame) {
        Ok(Some(message)) => meaning(&message),
        Ok(None) | Err(_) => Meaning::Other,
    };
    (describe(Half::Peer, frame), meaning)
}

fn meaning(message: &Message<'_>) -> Meaning {
    match message {
        Message::Hello(_) => Meaning::Hello,
        &Message::Get(span) => Meaning::Get(span),
        &Message::Chunk { piece, offset, data } => {
            Meaning::Chunk(Span { piece, offset, length: data.len() as u32 })
        }
        &Message::Cancel(span) => Meaning::Cancel(span),
        &Message::Reject(span) => Meaning::Reject(span),
        Message::Choke => Meaning::Choke,
        Message::Unchoke => Meaning::Unchoke,
        Message::Have(piece) => Meaning::Have(piece.0),
        _ => Meaning::Other,
    }
}
