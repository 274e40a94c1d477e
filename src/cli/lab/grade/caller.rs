//! Calls to the submission: a peer that has nothing, asks, and says what came instead.

use super::link::{Heard, Journal, Link};
use crate::ids::{InfoHashV2, PeerId, Span};
use crate::lab::grade::check::Fault;
use crate::lab::grade::log::understand;
use crate::protocol::frame::{Frame, PEER_MAGIC};
use crate::protocol::message::{Hello, Message, VERSION};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take.
pub const SOON: Duration = Duration::from_secs(4);

/// A peer that called.
pub struct Caller {
    link: Link,
    last: String,
}

impl Caller {
    /// Dials, and says what opens a stream with this HELLO.
    pub fn dial(at: SocketAddr, number: usize, journal: &Journal) -> Result<Self, Fault> {
        let expected = "an open port, as REGISTER says";
        let failed =
            |why: std::io::Error| Fault::new(format!("no connection to {at}: {why}"), expected);
        let stream = TcpStream::connect_timeout(&at, SOON).map_err(failed)?;
        let link = Link::new(stream, number, journal.clone()).map_err(failed)?;
        Ok(Self { link, last: "nothing".into() })
    }

    /// Dials for a content, and opens the connection as somebody who has nothing.
    pub fn open(
        at: SocketAddr,
        number: usize,
        journal: &Journal,
        info_hash: InfoHashV2,
    ) -> Result<Self, Fault> {
        let mut caller = Self::dial(at, number, journal)?;
        caller.hello(info_hash, VERSION)?;
        caller.expect("STATE behind the magic", |message| match message {
            Message::State(_) => Some(()),
            _ => None,
        })?;
        caller.say(&Message::HaveNone)?;
        Ok(caller)
    }

    /// Says HELLO behind the magic.
    pub fn hello(&mut self, info_hash: InfoHashV2, version: u32) -> Result<(), Fault> {
        let peer_id = PeerId::generate(&mut fastrand::Rng::new());
        let hello = Hello { version, info_hash, peer_id, port: 0, features: Vec::new() };
        let bytes = [&PEER_MAGIC[..], &Message::Hello(hello).to_bytes()].concat();
        self.send(&bytes)
    }

    /// Says something.
    pub fn say(&mut self, message: &Message<'_>) -> Result<(), Fault> {
        self.send(&message.to_bytes())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let sent = self.link.send(bytes, false);
        sent.map_err(|_| Fault::new("it closed the connection", "an open connection"))
    }

    /// Waits for a message of which `of` makes something; the fault says what came last instead.
    pub fn expect<T>(
        &mut self,
        expected: &str,
        mut of: impl FnMut(&Message<'_>) -> Option<T>,
    ) -> Result<T, Fault> {
        let end = Instant::now() + SOON;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let secs = SOON.as_secs();
                return Err(Fault::new(
                    format!("{} and then silence for {secs} s", self.last),
                    expected,
                ));
            }
            match self.hear(left) {
                Heard::Quiet => {}
                Heard::Over(why) => {
                    return Err(Fault::new(format!("{}, then {why}", self.last), expected));
                }
                Heard::Frame(bytes) => {
                    if let Ok(Some((frame, _))) = Frame::first_in(&bytes)
                        && let Ok(Some(message)) = Message::read(&frame)
                        && let Some(found) = of(&message)
                    {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// The next frame; a PING is answered.
    pub fn hear(&mut self, wait: Duration) -> Heard {
        let heard = self.link.hear(wait);
        if let Heard::Frame(bytes) = &heard
            && let Ok(Some((frame, _))) = Frame::first_in(bytes)
        {
            self.last = understand(&frame).0;
            if let Ok(Some(Message::Ping(number))) = Message::read(&frame) {
                // If it is gone, the next word says so.
                let _ = self.say(&Message::Pong(number));
            }
        }
        heard
    }

    /// Asks for a span, until all of it came; the connection must be unchoked.
    pub fn get(&mut self, span: Span) -> Result<Vec<u8>, Fault> {
        self.say(&Message::Get(span))?;
        let mut bytes = vec![None; span.length as usize];
        let expected = format!("CHUNK_DATA of {span}");
        self.expect(&expected, |message| {
            if let &Message::Chunk { piece, offset, data } = message
                && piece == span.piece
                && let Some(start) = offset.checked_sub(span.offset)
            {
                for (to, from) in bytes.iter_mut().skip(start as usize).zip(data) {
                    *to = Some(*from);
                }
            }
            bytes.iter().all(Option::is_some).then_some(())
        })?;
        Ok(bytes.into_iter().flatten().collect())
    }

    /// Says INTERESTED and waits for UNCHOKE.
    pub fn be_unchoked(&mut self) -> Result<(), Fault> {
        self.say(&Message::Interested)?;
        self.expect("UNCHOKE behind INTERESTED", |message| {
            matches!(message, Message::Unchoke).then_some(())
        })
    }
}
