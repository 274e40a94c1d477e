//! A page that listens: server-sent events over a socket, one after the other.

use super::SOON;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A stream of events.
pub struct Watch {
    stream: BufReader<TcpStream>,
    /// What stood before the first event: status line and fields.
    pub head: String,
}

impl Watch {
    /// Asks for a path.
    pub fn open(at: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(at).expect("somebody listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let ask = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n");
        stream.write_all(ask.as_bytes()).expect("a request");
        let mut watch = Self { stream: BufReader::new(stream), head: String::new() };
        while !watch.head.ends_with("\r\n\r\n") {
            let read = watch.stream.read_line(&mut watch.head).expect("a head");
            assert!(read > 0, "the connection was closed: {}", watch.head);
        }
        watch
    }

    /// The status of the answer.
    pub fn status(&self) -> u16 {
        let code = self.head.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.expect("a status")
    }

    /// The next event: its name (`message` if it has none) and its data.
    pub fn next(&mut self) -> (String, Value) {
        let (mut name, mut data) = ("message".to_owned(), None);
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line).expect("an event in time");
            assert!(read > 0, "the stream has ended");
            let line = line.trim_end();
            if let Some(said) = line.strip_prefix("event: ") {
                said.clone_into(&mut name);
            } else if let Some(said) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(said).expect("JSON"));
            } else if line.is_empty()
                && let Some(data) = data.take()
            {
                return (name, data);
            }
        }
    }

    /// The next event of this name.
    pub fn wait(&mut self, name: &str) -> Value {
        self.wait_for(name, |_| true)
    }

    /// The next event of this name that is as it should be.
    pub fn wait_for(&mut self, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + SOON;
        loop {
            let (got, data) = self.next();
            if got == name && is(&data) {
                return data;
            }
            assert!(std::time::Instant::now() < deadline, "no such event {name}: last {data}");
        }
    }

    /// Whether the stream ends.
    pub fn ends(mut self) -> bool {
        self.stream.read_to_end(&mut Vec::new()).is_ok()
    }
}
