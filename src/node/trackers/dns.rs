//! A host's TXT records, asked of the system's name servers (RFC 1035).
//!
//! ```text
//! question by UDP, 512 bytes at most -> answer; cut off (TC) -> the same question by TCP
//! ```
//! An answer counts if it comes from the server that was asked, with the id and the question of
//! what was asked. A server that fails is followed by the next. The standard library asks for
//! addresses only, and goes on doing so.

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// Where the system says whom to ask.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Servers that are asked, as in the system's own resolver.
const MAX_SERVERS: usize = 3;

/// How long one server may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest part of a name (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

/// An answer by UDP without extensions; a longer one is cut off and asked for by TCP.
const MAX_UDP: usize = 512;

/// Why the records are not known.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The text cannot be a name.
    #[error("it is no name of the DNS")]
    Name,
    /// Nobody to ask.
    #[error("{RESOLV_CONF} names no server")]
    NoServer,
    /// No connection, or no answer in time.
    #[error("{}", super::reason(.0))]
    Io(#[from] io::Error),
    /// The server could not, or would not.
    #[error("the name server answered {0:?}")]
    Refused(RCODE),
    /// The bytes are no answer to what was asked.
    #[error("what the name server sent is no answer")]
    Nonsense,
}

/// The servers that the system asks.
pub fn system_servers() -> Vec<SocketAddr> {
    // A system without the file is one without servers.
    servers_in(&fs::read_to_string(RESOLV_CONF).unwrap_or_default())
}

fn servers_in(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default());
    let named = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let server = (words.next() == Some("nameserver")).then(|| words.next())??;
        server.parse::<IpAddr>().ok()
    });
    named.take(MAX_SERVERS).map(|ip| SocketAddr::new(ip, 53)).collect()
}

/// A host's TXT records, the character-strings of each joined; none if there is no such name.
/// Records that are no text are left out.
pub fn txt_records(
    host: &str,
    servers: &[SocketAddr],
    deadline: Instant,
) -> Result<Vec<String>, DnsError> {
    let id = fastrand::u16(..);
    let question = question(host, id).ok_or(DnsError::Name)?;
    let mut failure = DnsError::NoServer;
    for &server in servers {
        let until = deadline.min(Instant::now() + PATIENCE);
        match ask(server, &question, until) {
            Ok(records) => return Ok(records),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn question(host: &str, id: u16) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let host = host.strip_suffix('.').unwrap_or(host);
    if !host.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len())) {
        return None;
    }
    let name = Name::new(host).ok()?;
    let of = (QTYPE::TYPE(TYPE::TXT), QCLASS::CLASS(CLASS::IN));
    packet.questions.push(Question::new(name, of.0, of.1, false));
    packet.build_bytes_vec().ok()
}

fn ask(server: SocketAddr, question: &[u8], until: Instant) -> Result<Vec<String>, DnsError> {
    let any = if server.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    let socket = UdpSocket::bind((any, 0))?;
    // From here on the system hands over what this server sends, and nothing else.
    socket.connect(server)?;
    socket.send(question)?;
    let mut bytes = [0; MAX_UDP];
    loop {
        socket.set_read_timeout(Some(left(until)?))?;
        let length = match socket.recv(&mut bytes) {
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(late().into()),
            Err(e) => return Err(e.into()),
        };
        match read(&bytes[..length], question) {
            // Somebody guesses, or an answer comes twice: the true one may yet come.
            Err(DnsError::Nonsense) => {}
            Ok(None) => {
                let answer = ask_by_tcp(server, question, until)?;
                return read(&answer, question)?.ok_or(DnsError::Nonsense);
            }
            Ok(Some(records)) => return Ok(records),
            Err(error) => return Err(error),
        }
    }
}

/// Each message stands behind its length (RFC 1035, 4.2.2).
fn ask_by_tcp(server: SocketAddr, question: &[u8], until: Instant) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, left(until)?)?;
    stream.set_write_timeout(Some(left(until)?))?;
    let length = (question.len() as u16).to_be_bytes();
    stream.write_all(&[&length[..], question].concat())?;
    let mut length = [0; 2];
    read_all(&mut stream, &mut length, until)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    read_all(&mut stream, &mut answer, until)?;
    Ok(answer)
}

fn read_all(stream: &mut TcpStream, mut rest: &mut [u8], until: Instant) -> io::Result<()> {
    while !rest.is_empty() {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => rest = &mut rest[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// How long is left; an error once nothing is.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(late()) } else { Ok(left) }
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// The records in an answer; `None` if it was cut off.
fn read(bytes: &[u8], question: &[u8]) -> Result<Option<Vec<String>>, DnsError> {
    let nonsense = |_| DnsError::Nonsense;
    let asked = Packet::parse(question).map_err(nonsense)?;
    // A part of a record may be missing from what was cut off: its head is all that counts.
    let is_answer = bytes.len() >= 12 && bytes[..2] == question[..2] && bytes[2] & 0x80 != 0;
    if is_answer && bytes[2] & 0x02 != 0 {
        return Ok(None);
    }
    let answer = Packet::parse(bytes).map_err(nonsense)?;
    let same = |a: &Question<'_>, b: &Question<'_>| {
        let names = [a, b].map(|question| question.qname.to_string().to_ascii_lowercase());
        names[0] == names[1] && a.qtype == b.qtype && a.qclass == b.qclass
    };
    let same_question = match (&asked.questions[..], &answer.questions[..]) {
        ([a], [b]) => same(a, b),
        _ => false,
    };
    if !is_answer || !same_question {
        return Err(DnsError::Nonsense);
    }
    match answer.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        other => return Err(DnsError::Refused(other)),
    }
    let texts = answer.answers.into_iter().filter_map(|record| match record.rdata {
        RData::TXT(text) => String::try_from(text).ok(),
        _ => None,
    });
    Ok(Some(texts.collect()))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use tests::{Play, name_server};
