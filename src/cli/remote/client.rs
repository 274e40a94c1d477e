//! One question to a running peer: a POST to its RPC, and the answer's arguments.
//!
//! The session id is learnt from the first answer (409), and the question asked again.

use super::super::exit::{CliError, Exit, cause};
use crate::control::base64;
use serde_json::{Map, Value, json};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How long a connection may take: a peer is near.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may take; the peer itself gives an order ten seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// The longest answer that is read: a list of a hundred thousand torrents.
const MAX_ANSWER: u64 = 128 * 1024 * 1024;

/// A running peer, from outside.
pub struct Client {
    at: String,
    auth: Option<String>,
    session: String,
    patience: Duration,
}

/// An answer of HTTP.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    session: Option<String>,
    body: Vec<u8>,
}

impl Client {
    /// A peer at `HOST:PORT`; `auth` is `USER:PASSWORD`.
    pub fn new(at: &str, auth: Option<String>) -> Self {
        let at = if at.contains(':') { at.to_owned() } else { format!("{at}:9091") };
        Self { at, auth, session: String::new(), patience: ANSWER }
    }

    /// The same for whoever cannot wait so long for an answer.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asks, and gives the arguments of the answer.
    ///
    /// # Errors
    /// [`Exit::NoAnswer`] when nobody answers, [`Exit::Failed`] with the peer's own sentence when
    /// it refuses.
    pub fn ask(&mut self, method: &str, arguments: &Value) -> Result<Map<String, Value>, CliError> {
        let body = json!({ "method": method, "arguments": arguments }).to_string();
        let mut answer = self.post(&body)?;
        if answer.status == 409
            && let Some(session) = answer.session.take()
        {
            self.session = session;
            answer = self.post(&body)?;
        }
        if answer.status != 200 {
            return Err(self.refused(&answer));
        }
        let odd = || self.no_peer("its answer is no JSON");
        let answer: Value = serde_json::from_slice(&answer.body).map_err(|_| odd())?;
        match (answer["result"].as_str(), &answer["arguments"]) {
            (Some("success"), Value::Object(arguments)) => Ok(arguments.clone()),
            (Some("success"), _) => Ok(Map::new()),
            (Some(why), _) => Err(CliError::new(Exit::Failed, format!("the peer refuses: {why}"))),
            _ => Err(odd()),
        }
    }

    fn post(&self, body: &str) -> Result<Answer, CliError> {
        let mut stream = self.connect()?;
        let lost = |why: &io::Error| self.silent(why);
        let deadline = Instant::now() + self.patience;
        stream.set_write_timeout(Some(self.patience)).map_err(|why| lost(&why))?;
        // A peer that refuses may close before it has read all; its answer is there all the same.
        let sent = stream.write_all(self.request(body).as_bytes());
        let mut bytes = Vec::new();
        let read = read_all(&mut stream, deadline, &mut bytes);
        match answer(&bytes) {
            Some(answer) => Ok(answer),
            None => match sent.and(read) {
                Err(why) => Err(lost(&why)),
                Ok(()) => Err(self.no_peer("it does not speak HTTP")),
            },
        }
    }

    fn connect(&self) -> Result<TcpStream, CliError> {
        let addresses = self.at.to_socket_addrs().map_err(|why| self.silent(&why))?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => return Ok(stream),
                Err(why) => last = why,
            }
        }
        Err(self.silent(&last))
    }

    fn request(&self, body: &str) -> String {
        let auth = self.auth.as_ref().map_or(String::new(), |pair| {
            format!("Authorization: Basic {}\r\n", base64::encode(pair.as_bytes()))
        });
        format!(
            "POST /transmission/rpc HTTP/1.1\r\nHost: {}\r\n{auth}X-Transmission-Session-Id: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.at,
            self.session,
            body.len()
        )
    }

    fn silent(&self, why: &io::Error) -> CliError {
        let why = match why.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it takes too long".into(),
            _ => cause(why),
        };
        let at = &self.at;
        CliError::new(
            Exit::NoAnswer,
            format!("no peer answers at {at} ({why}): is peer daemon running?"),
        )
    }

    fn no_peer(&self, why: &str) -> CliError {
        let at = &self.at;
        CliError::new(Exit::NoAnswer, format!("what answers at {at} is no peer: {why}"))
    }

    fn refused(&self, answer: &Answer) -> CliError {
        let at = &self.at;
        let message = match answer.status {
            401 if self.auth.is_none() => format!(
                "the peer at {at} wants a user and a password: give them with --auth \
                 USER:PASSWORD or in PEER_AUTH"
            ),
            401 => format!("the peer at {at} takes neither this user nor this password"),
            404 => return self.no_peer("it has no /transmission/rpc"),
            _ => {
                let said = String::from_utf8_lossy(&answer.body);
                let said = said.lines().next().unwrap_or_default().trim().to_owned();
                format!("the peer at {at} refuses: {said}")
            }
        };
        CliError::new(Exit::Failed, message)
    }
}

/// Reads until the other side closes.
fn read_all(stream: &mut TcpStream, deadline: Instant, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut part = vec![0; 64 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(read) if bytes.len() as u64 + read as u64 > MAX_ANSWER => {
                return Err(io::Error::other("its answer is too long"));
            }
            Ok(read) => bytes.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Takes an answer apart; none if it is no whole one.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else { return None };
    let field = |name: &str| {
        let found = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        found.and_then(|field| std::str::from_utf8(field.value).ok()).map(str::trim)
    };
    let body = &bytes[length..];
    let body = match field("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) => body.get(..length)?.to_vec(),
        Some(Err(_)) => return None,
        None if field("transfer-encoding").is_some() => unchunked(body)?,
        None => body.to_vec(),
    };
    let session = field("x-transmission-session-id").map(str::to_owned);
    Some(Answer { status: head.code?, session, body })
}

/// The chunks of a body in one piece; Transmission itself sends such answers when they are long.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((used, length))) = httparse::parse_chunk_size(rest)
        else {
            return None;
        };
        let end = used.checked_add(usize::try_from(length).ok()?)?;
        body.extend_from_slice(rest.get(used..end)?);
        if length == 0 {
            return Some(body);
        }
        rest = rest.get(end..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_is_status_session_and_body() {
        let check = |text: &str, expected: Option<(u16, Option<&str>, &str)>| {
            let got = answer(text.as_bytes());
            let got = got.as_ref().map(|answer| {
                let body = std::str::from_utf8(&answer.body).unwrap();
                (answer.status, answer.session.as_deref(), body)
            });
            assert_eq!(got, expected, "{text:?}");
        };
        let busy = "HTTP/1.1 409 Conflict\r\nx-transmission-session-id: abc \r\n\r\n<html>";
        check(busy, Some((409, Some("abc"), "<html>")));
        let known = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}rest";
        check(known, Some((200, None, "{}")));
        check(&known[..known.len() - 5], None);
        let chunks =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
        check(chunks, Some((200, None, "{}")));
        check(&chunks[..chunks.len() - 8], None);
        check("SSH-2.0-OpenSSH_9\r\n", None);
        check("", None);
    }

    #[test]
    fn a_request_carries_what_the_door_asks_for() {
        let mut client = Client::new("box", Some("me:secret".into()));
        client.session = "abc".into();
        let golden = "POST /transmission/rpc HTTP/1.1\r\nHost: box:9091\r\n\
            Authorization: Basic bWU6c2VjcmV0\r\nX-Transmission-Session-Id: abc\r\n\
            Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        assert_eq!(client.request("{}"), golden);
    }

    proptest! {
        #[test]
        fn garbage_is_no_answer_and_never_panics(bytes: Vec<u8>, tail in "[0-9a-f\r\n]{0,30}") {
            let _ = answer(&bytes);
            let _ = unchunked(tail.as_bytes());
        }
    }
}
