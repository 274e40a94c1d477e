//! What somebody types at `lab nc`: lines in, bytes to send and texts to print out.
//!
//! [`Typist`] remembers what the next message needs of what was said before: the number of the
//! next question, and the cookie. No socket here.

use super::spoken::{Half, Spoken, Value, bytes, words};
use std::fmt::Write;
use std::time::Duration;

/// The longest pause that can be typed.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What a line comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    /// Nothing: an empty line, a comment.
    Nothing,
    /// Something to read.
    Text(String),
    /// A message to send.
    Message(Spoken),
    /// Bytes to send as they are.
    Raw(Vec<u8>),
    /// Do nothing for a while but print what comes.
    Wait(Duration),
    /// The end.
    Quit,
}

/// Whoever types.
#[derive(Debug)]
pub struct Typist {
    half: Half,
    seq: u64,
    cookie: Option<Vec<u8>>,
}

impl Typist {
    /// Somebody who talks to a peer or to a tracker.
    pub fn new(half: Half) -> Self {
        Self { half, seq: 0, cookie: None }
    }

    /// What a line means, already taken apart into words.
    pub fn on_line(&mut self, line: &[String]) -> Result<Typed, String> {
        let Some((first, rest)) = line.split_first() else { return Ok(Typed::Nothing) };
        match first.to_ascii_lowercase().as_str() {
            "help" => help(self.half, rest.first().map(String::as_str)).map(Typed::Text),
            "quit" | "exit" => Ok(Typed::Quit),
            "wait" => wait(rest).map(Typed::Wait),
            "raw" => bytes(&rest.concat()).map(Typed::Raw),
            _ => {
                let (seq, cookie) = (self.seq + 1, self.cookie.clone());
                let spoken = Spoken::typed(self.half, line, |field| match field {
                    "seq" => Some(Value::Number(seq)),
                    "cookie" => cookie.clone().map(Value::Bytes),
                    _ => None,
                })?;
                if spoken.field("seq").is_some() {
                    self.seq = seq;
                }
                Ok(Typed::Message(spoken))
            }
        }
    }

    /// Notes what is of use later: a COOKIE's cookie.
    pub fn on_received(&mut self, spoken: &Spoken) {
        let is_cookie =
            words::numbered(self.half, spoken.kind()).is_some_and(|word| word.name == "COOKIE");
        if let (true, Some(Value::Bytes(cookie))) = (is_cookie, spoken.field("cookie")) {
            self.cookie = Some(cookie.clone());
        }
    }
}

fn wait(rest: &[String]) -> Result<Duration, String> {
    let text = rest.first().map_or("1s", String::as_str);
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1000),
    };
    let time = number.parse::<u64>().ok().map(|n| Duration::from_millis(n.saturating_mul(unit)));
    time.filter(|&time| time <= LONGEST_WAIT)
        .ok_or_else(|| format!("{text} is no time to wait: write 200ms or 2s, at most 60s"))
}

fn help(half: Half, name: Option<&str>) -> Result<String, String> {
    if let Some(name) = name {
        let word = words::named(half, name)
            .ok_or_else(|| format!("no message is called {name}: help lists them"))?;
        return Ok(format!("{}\n", word.usage()));
    }
    let mut text = String::new();
    for word in words::all(half) {
        let _ = writeln!(text, "{:#04x} {}", word.kind, word.usage());
    }
    text.push_str(
        "raw 00 00 00 02 11 80   these bytes as they are\n\
         wait 500ms              print what comes, and type nothing\n\
         help NAME, quit\n",
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::Frame;
    use crate::protocol::tracker_native as native;

    fn line(typist: &mut Typist, text: &str) -> Result<Typed, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        typist.on_line(&words)
    }

    #[test]
    fn a_cookie_is_remembered_and_questions_are_numbered() {
        let mut typist = Typist::new(Half::Tracker);
        let Ok(Typed::Message(hello)) = line(&mut typist, "hello") else { panic!("a HELLO") };
        assert_eq!(hello.datagram(), native::hello(1));
        let asked = "REQUEST info_hash=2b*32 port=6881";
        let refused = line(&mut typist, asked).expect_err("no cookie yet");
        assert!(refused.starts_with("REQUEST needs cookie"), "{refused}");
        let cookie = native::Cookie { seq: 1, cookie: crate::protocol::frame::Bin([7; 8]) };
        let cookie = native::Packet::bare(cookie).datagram();
        let frame = Frame::from_datagram(&cookie).expect("a datagram");
        typist.on_received(&Spoken::of_frame(&frame).expect("a message"));
        let Ok(Typed::Message(request)) = line(&mut typist, asked) else { panic!("a REQUEST") };
        let datagram = request.datagram();
        let packet = native::Packet::from_datagram(&datagram).expect("a request");
        let native::Message::Request(request) = packet.message else { panic!("a request") };
        assert_eq!((request.seq, request.cookie.0, request.wanted), (2, [7; 8], 50));
    }

    #[test]
    fn words_of_its_own_and_mistakes() {
        let mut typist = Typist::new(Half::Peer);
        assert_eq!(line(&mut typist, ""), Ok(Typed::Nothing));
        assert_eq!(line(&mut typist, "QUIT"), Ok(Typed::Quit));
        assert_eq!(line(&mut typist, "raw 00 00 0002"), Ok(Typed::Raw(vec![0, 0, 0, 2])));
        assert_eq!(line(&mut typist, "wait 20ms"), Ok(Typed::Wait(Duration::from_millis(20))));
        let check = |text: &str, expected: &str| {
            let refused = line(&mut Typist::new(Half::Peer), text).expect_err(text);
            assert_eq!(refused, expected);
        };
        check("wait long", "long is no time to wait: write 200ms or 2s, at most 60s");
        check(
            "wait 999999999999999999s",
            "999999999999999999s is no time to wait: write 200ms or 2s, at most 60s",
        );
        check("hepl", "no message is called hepl: help lists them");
        let Ok(Typed::Text(help)) = line(&mut typist, "help") else { panic!("a text") };
        assert!(help.starts_with("0x10 HELLO [version=1] info_hash=32 bytes"), "{help}");
    }
}
