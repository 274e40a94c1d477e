//! A caller's bytes: heads and bodies cut out of what comes, each with a deadline.

use super::head::{self, Head, Length};
use super::options::Patience;
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bytes read at once.
const PART: usize = 16 * 1024;

/// The longest line that tells a chunk's size, extensions included.
const MAX_CHUNK_LINE: usize = 1024;

/// The longest lines behind the last chunk, all together.
const MAX_TRAILER: usize = 16 * 1024;

/// Why no more is read.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The caller went away, or said nothing more: nobody hears an answer.
    Gone,
    /// What came is no request of ours: the status to answer with.
    Refused(u16),
}

/// A connection's bytes that were not understood yet.
pub struct Inbox {
    stream: TcpStream,
    patience: Patience,
    waiting: Vec<u8>,
}

impl Inbox {
    /// Nothing was read yet.
    pub fn new(stream: TcpStream, patience: Patience) -> Self {
        Self { stream, patience, waiting: Vec::new() }
    }

    /// Whether nothing is there that was not understood.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next request's head. A caller who has said nothing when its time is over leaves in
    /// peace; one who has begun is told.
    pub fn head(&mut self) -> Result<Head, End> {
        let deadline = Instant::now() + self.patience.head;
        loop {
            // Empty lines may stand before a request (RFC 9112, 2.2).
            let blank = self.waiting.iter().take_while(|byte| b"\r\n".contains(byte)).count();
            self.waiting.drain(..blank);
            if !self.waiting.is_empty()
                && let Some((head, length)) = head::read(&self.waiting).map_err(End::Refused)?
            {
                self.waiting.drain(..length);
                return Ok(head);
            }
            match self.fill(deadline) {
                Err(End::Refused(408)) if self.waiting.is_empty() => return Err(End::Gone),
                other => other?,
            }
        }
    }

    /// Hands a body over as it comes, at most `limit` bytes of it; `sink` may refuse it.
    pub fn body(
        &mut self,
        length: Length,
        limit: u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), End>,
    ) -> Result<(), End> {
        let mut pace = Pace { start: Instant::now(), moved: 0, patience: self.patience };
        match length {
            Length::None => Ok(()),
            Length::Known(length) if length > limit => Err(End::Refused(413)),
            Length::Known(length) => self.pour(length, &mut pace, sink),
            Length::Chunked => loop {
                let length = self.chunk_size(&pace)?;
                if length == 0 {
                    return self.trailer(&pace);
                }
                if length > limit.saturating_sub(pace.moved) {
                    return Err(End::Refused(413));
                }
                self.pour(length, &mut pace, sink)?;
                self.end_of_chunk(&pace)?;
            },
        }
    }

    /// Reads and forgets until the caller has closed or the time is over, so that what was said
    /// last is not lost: a socket closed with unread bytes takes its own words back.
    pub fn linger(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        let mut left = 256_usize;
        while left > 0 && self.fill(deadline).is_ok() {
            self.waiting.clear();
            left -= 1;
        }
    }

    fn pour(
        &mut self,
        length: u64,
        pace: &mut Pace,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), End>,
    ) -> Result<(), End> {
        let mut left = length;
        while left > 0 {
            if self.waiting.is_empty() {
                self.fill(pace.deadline())?;
            }
            let part = left.min(self.waiting.len() as u64);
            sink(&self.waiting[..part as usize])?;
            self.waiting.drain(..part as usize);
            left -= part;
            pace.moved += part;
        }
        Ok(())
    }

    fn chunk_size(&mut self, pace: &Pace) -> Result<u64, End> {
        loop {
            match httparse::parse_chunk_size(&self.waiting) {
                Ok(httparse::Status::Complete((used, length))) => {
                    self.waiting.drain(..used);
                    return Ok(length);
                }
                Ok(httparse::Status::Partial) if self.waiting.len() <= MAX_CHUNK_LINE => {
                    self.fill(pace.deadline())?;
                }
                _ => return Err(End::Refused(400)),
            }
        }
    }

    fn end_of_chunk(&mut self, pace: &Pace) -> Result<(), End> {
        while self.waiting.len() < 2 {
            self.fill(pace.deadline())?;
        }
        let is_end = self.waiting.starts_with(b"\r\n");
        self.waiting.drain(..2);
        if is_end { Ok(()) } else { Err(End::Refused(400)) }
    }

    /// The lines behind the last chunk up to an empty one; what they say is not for us.
    fn trailer(&mut self, pace: &Pace) -> Result<(), End> {
        let mut seen = 0;
        loop {
            while let Some(end) = self.waiting.windows(2).position(|pair| pair == b"\r\n") {
                self.waiting.drain(..end + 2);
                if end == 0 {
                    return Ok(());
                }
                seen += end;
            }
            if seen + self.waiting.len() > MAX_TRAILER {
                return Err(End::Refused(431));
            }
            self.fill(pace.deadline())?;
        }
    }

    fn fill(&mut self, deadline: Instant) -> Result<(), End> {
        let mut part = [0; PART];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(End::Refused(408));
            }
            self.stream.set_read_timeout(Some(left)).map_err(|_| End::Gone)?;
            match self.stream.read(&mut part) {
                Ok(0) => return Err(End::Gone),
                Ok(read) => {
                    self.waiting.extend_from_slice(&part[..read]);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        return Err(End::Refused(408));
                    }
                    _ => return Err(End::Gone),
                },
            }
        }
    }
}

/// How fast a body has to come.
struct Pace {
    start: Instant,
    moved: u64,
    patience: Patience,
}

impl Pace {
    fn deadline(&self) -> Instant {
        self.start + self.patience.for_bytes(self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{Ipv4Addr, Shutdown, TcpListener};

    /// A body as it is read from what a caller sends before it closes its side.
    fn body(length: Length, limit: u64, sent: &[u8]) -> (Result<(), End>, Vec<u8>, Vec<u8>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        caller.write_all(sent).unwrap();
        caller.shutdown(Shutdown::Write).unwrap();
        let mut inbox = Inbox::new(stream, Patience::default());
        let mut got = Vec::new();
        let went = inbox.body(length, limit, &mut |part| {
            got.extend_from_slice(part);
            Ok(())
        });
        (went, got, inbox.waiting)
    }

    #[test]
    fn a_body_ends_where_it_says_and_the_next_request_stays() {
        let (went, got, rest) = body(Length::Known(3), 3, b"abcGET /");
        assert_eq!((went, got.as_slice(), rest.as_slice()), (Ok(()), &b"abc"[..], &b"GET /"[..]));
        let chunks = b"2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\nGET /";
        let (went, got, rest) = body(Length::Chunked, 3, chunks);
        assert_eq!((went, got.as_slice(), rest.as_slice()), (Ok(()), &b"abc"[..], &b"GET /"[..]));
    }

    #[test]
    fn a_body_that_is_too_long_cut_or_malformed_is_refused() {
        let check = |length, sent: &[u8], expected| {
            assert_eq!(body(length, 4, sent).0, Err(expected), "{:?}", sent.escape_ascii());
        };
        check(Length::Known(5), b"abcde", End::Refused(413));
        check(Length::Known(u64::MAX), b"", End::Refused(413));
        check(Length::Known(3), b"ab", End::Gone);
        check(Length::Chunked, b"5\r\nabcde\r\n0\r\n\r\n", End::Refused(413));
        check(Length::Chunked, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", End::Refused(413));
        check(Length::Chunked, b"ffffffffffffffff\r\n", End::Refused(413));
        check(Length::Chunked, b"fffffffffffffffff\r\n", End::Refused(400));
        check(Length::Chunked, b"x\r\n", End::Refused(400));
        check(Length::Chunked, b"2\r\nabcd", End::Refused(400));
        check(Length::Chunked, b"2\r\nab\r\n", End::Gone);
        let line = [b"1;".as_slice(), &[b'x'; 2000]].concat();
        check(Length::Chunked, &line, End::Refused(400));
        let lines = [b"0\r\n".as_slice(), &b"x: y\r\n".repeat(5000)].concat();
        check(Length::Chunked, &lines, End::Refused(431));
    }
}
