//! What comes after the request: bytes from the socket, and the body cut out of them.

use super::{HttpError, left_until, nonsense};
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Instant;

/// Bytes read at once.
const PART: usize = 64 * 1024;

/// The longest line that tells a chunk's size, extensions included.
const MAX_CHUNK_LINE: usize = 1024;

/// Where a body ends.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// After so many bytes.
    Known(u64),
    /// After an empty chunk (RFC 9112, 7.1). What may follow it is not read.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// A connection's bytes that are not understood yet.
#[derive(Debug)]
pub struct Inbox {
    stream: TcpStream,
    deadline: Instant,
    waiting: Vec<u8>,
    scratch: Vec<u8>,
}

impl Inbox {
    /// Nothing was read yet.
    pub fn new(stream: TcpStream, deadline: Instant) -> Self {
        Self { stream, deadline, waiting: Vec::new(), scratch: vec![0; PART] }
    }

    /// What was read and not taken.
    pub fn bytes(&self) -> &[u8] {
        &self.waiting
    }

    /// The first `length` bytes were understood.
    pub fn take(&mut self, length: usize) {
        self.waiting.drain(..length);
    }

    /// Reads more; 0 when the other side has said all.
    pub fn fill(&mut self) -> Result<usize, HttpError> {
        loop {
            self.stream.set_read_timeout(Some(left_until(self.deadline)?))?;
            match self.stream.read(&mut self.scratch) {
                Ok(read) => {
                    self.waiting.extend_from_slice(&self.scratch[..read]);
                    return Ok(read);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(HttpError::Late),
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Err(HttpError::Late),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Hands a body over as it comes, at most `limit` bytes of it.
    pub fn pour(
        &mut self,
        body: Body,
        limit: u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        let mut room = limit;
        match body {
            Body::Known(length) if length > limit => Err(HttpError::Long(limit)),
            Body::Known(length) => self.pour_known(length, sink),
            Body::Chunked => loop {
                let length = self.chunk_size()?;
                if length == 0 {
                    return Ok(());
                }
                room = room.checked_sub(length).ok_or(HttpError::Long(limit))?;
                self.pour_known(length, sink)?;
                self.end_of_chunk()?;
            },
            Body::UntilClose => loop {
                let length = self.waiting.len() as u64;
                room = room.checked_sub(length).ok_or(HttpError::Long(limit))?;
                self.pour_known(length, sink)?;
                if self.fill()? == 0 {
                    return Ok(());
                }
            },
        }
    }

    fn pour_known(
        &mut self,
        length: u64,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), HttpError>,
    ) -> Result<(), HttpError> {
        let mut left = length;
        while left > 0 {
            if self.waiting.is_empty() && self.fill()? == 0 {
                return Err(HttpError::Cut);
            }
            let part = left.min(self.waiting.len() as u64);
            sink(&self.waiting[..part as usize])?;
            self.take(part as usize);
            left -= part;
        }
        Ok(())
    }

    fn chunk_size(&mut self) -> Result<u64, HttpError> {
        loop {
            match httparse::parse_chunk_size(&self.waiting) {
                Ok(httparse::Status::Complete((used, length))) => {
                    self.take(used);
                    return Ok(length);
                }
                Ok(httparse::Status::Partial) if self.waiting.len() < MAX_CHUNK_LINE => {}
                _ => return Err(nonsense("a chunk without a size")),
            }
            if self.fill()? == 0 {
                return Err(HttpError::Cut);
            }
        }
    }

    fn end_of_chunk(&mut self) -> Result<(), HttpError> {
        while self.waiting.len() < 2 {
            if self.fill()? == 0 {
                return Err(HttpError::Cut);
            }
        }
        if !self.waiting.starts_with(b"\r\n") {
            return Err(nonsense("a chunk of another size than announced"));
        }
        self.take(2);
        Ok(())
    }
}
