//! Transmission's RPC from a test: one POST at a time, and the answer's arguments.

use super::process::Process;
use super::programs::PEER;
use super::{SOON, until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// A daemon, and the door to it.
pub struct Daemon {
    /// The program.
    pub process: Process,
    /// Where its remote control listens.
    pub at: SocketAddr,
}

/// A remote control.
pub struct Remote {
    at: SocketAddr,
    session: String,
}

impl Daemon {
    /// Starts `peer daemon` with these words in `folder`, which it keeps everything in.
    pub fn start(folder: &Path, words: &[&str]) -> Self {
        let own =
            ["daemon", "--config-dir", "state", "--web", "127.0.0.1:0", "--port", "0", "--json"];
        let words: Vec<&str> = own.iter().chain(words).copied().collect();
        Self::of(Process::start("daemon", PEER, &words, folder))
    }

    /// The door that a program said it opened.
    pub fn of(process: Process) -> Self {
        const SAID: &str = "remote control at http://";
        process.wait_stderr("where its door is", SOON, |said| said.contains(SAID));
        let said = process.stderr();
        let rest = said.split(SAID).nth(1).expect("it was just said");
        let at = rest.split('/').next().expect("an address").parse().expect("an address");
        Self { process, at }
    }

    /// A remote control.
    pub fn remote(&self) -> Remote {
        Remote { at: self.at, session: String::new() }
    }
}

impl Remote {
    /// Calls a method that succeeds; gives the answer's arguments.
    pub fn call(&mut self, method: &str, arguments: impl Into<Value>) -> Value {
        let arguments = arguments.into();
        let answer = self.try_call(method, arguments.clone());
        assert_eq!(answer["result"], "success", "{method} {arguments}: {answer}");
        answer["arguments"].clone()
    }

    /// Calls a method; gives the whole answer.
    pub fn try_call(&mut self, method: &str, arguments: impl Into<Value>) -> Value {
        let arguments = arguments.into();
        let body = json!({ "method": method, "arguments": arguments }).to_string();
        let (mut status, mut head, mut answer) = self.post(&body);
        if status == 409 {
            let token = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("X-Transmission-Session-Id").then(|| value.trim())
            });
            token.expect("409 comes with a session id").clone_into(&mut self.session);
            (status, head, answer) = self.post(&body);
        }
        assert_eq!(status, 200, "{head}");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn post(&self, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.at).expect("the door is open");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let head = format!(
            "POST /transmission/rpc HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\n\
             X-Transmission-Session-Id: {}\r\n\r\n",
            self.at,
            body.len(),
            self.session
        );
        stream.write_all(head.as_bytes()).expect("a head");
        stream.write_all(body.as_bytes()).expect("a body");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, head.to_owned(), body.to_owned())
    }

    /// Some fields of all torrents.
    pub fn torrents(&mut self, fields: &[&str]) -> Vec<Value> {
        let found = self.call("torrent-get", json!({ "fields": fields }));
        found["torrents"].as_array().expect("a list").clone()
    }

    /// Some fields of one torrent.
    pub fn torrent(&mut self, id: u64, fields: &[&str]) -> Value {
        let found = self.call("torrent-get", json!({ "ids": [id], "fields": fields }));
        found["torrents"][0].clone()
    }

    /// Adds a torrent; gives its number.
    pub fn add(&mut self, arguments: impl Into<Value>) -> u64 {
        let added = self.call("torrent-add", arguments);
        added["torrent-added"]["id"].as_u64().unwrap_or_else(|| panic!("not added: {added}"))
    }

    /// Waits until a field of a torrent is so.
    pub fn wait(&mut self, id: u64, field: &str, within: Duration, is: impl Fn(&Value) -> bool) {
        until(&format!("{field} of torrent {id}"), within, || {
            is(&self.torrent(id, &[field])[field]).then_some(())
        });
    }
}
