//! Callers who break the rules: each must be let go, and others served on.

use super::caller::{Caller, SOON};
use super::link::Journal;
use crate::ids::{InfoHashV2, PeerId, PieceIndex, Span};
use crate::lab::grade::check::Fault;
use crate::protocol::frame::PEER_MAGIC;
use crate::protocol::message::{Hello, Message, VERSION};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes with a name, behind which the submission must close.
pub struct Rudeness {
    /// The check.
    pub id: &'static str,
    /// What is sent, in words.
    pub what: &'static str,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// Whether the caller hangs up itself behind it.
    pub hangs_up: bool,
}

/// All that can be said in an opening.
pub fn all(info_hash: InfoHashV2) -> Vec<Rudeness> {
    let peer_id = PeerId::generate(&mut fastrand::Rng::new());
    let hello = Hello { version: VERSION, info_hash, peer_id, port: 0, features: Vec::new() };
    let hello = Message::Hello(hello).to_bytes();
    let behind_magic = |bytes: &[u8]| [&PEER_MAGIC[..], bytes].concat();
    vec![
        Rudeness {
            id: "rude.oversized-frame",
            what: "the magic and a frame of 2,147,483,647 bytes (byte 4)",
            bytes: behind_magic(&[0x7f, 0xff, 0xff, 0xff, 0x10, 0x80]),
            hangs_up: false,
        },
        Rudeness {
            id: "rude.garbage",
            what: "GARBAGE in the place of the magic (byte 0)",
            bytes: b"GARBAGE".repeat(16),
            hangs_up: false,
        },
        Rudeness {
            id: "rude.truncated-frame",
            what: "the first half of a HELLO, and hangs up (byte 4)",
            bytes: behind_magic(&hello[..hello.len() / 2]),
            hangs_up: true,
        },
        Rudeness {
            id: "rude.deep-messagepack",
            what: "a HELLO of arrays in arrays, 3,000 deep (byte 4)",
            bytes: behind_magic(&deep()),
            hangs_up: false,
        },
    ]
}

/// A HELLO whose header is nested.
fn deep() -> Vec<u8> {
    let content = [&[0x10, 0x81, 0xa1, b'x'][..], &[0x91; 3000], &[0xc0]].concat();
    [&(content.len() as u32).to_be_bytes()[..], &content].concat()
}

/// Says it, and waits until the submission closes.
pub fn be_rude(at: SocketAddr, rudeness: &Rudeness) -> Result<(), Fault> {
    let expected = "a closed connection";
    let failed = |why: std::io::Error| Fault::new(format!("no connection: {why}"), expected);
    let mut stream = TcpStream::connect_timeout(&at, SOON).map_err(failed)?;
    stream.set_write_timeout(Some(SOON)).map_err(failed)?;
    // Whoever closes early need not read the rest.
    let _ = stream.write_all(&rudeness.bytes);
    if rudeness.hangs_up {
        let _ = stream.shutdown(Shutdown::Both);
        return Ok(());
    }
    if is_closed(&mut stream) {
        return Ok(());
    }
    let secs = SOON.as_secs();
    let got = format!("we sent {}, and after {secs} s the connection is still open", rudeness.what);
    Err(Fault::new(got, expected))
}

/// Whether the other side closes soon; what it says before is passed over.
fn is_closed(stream: &mut TcpStream) -> bool {
    let (end, mut room) = (Instant::now() + SOON, [0; 4096]);
    while Instant::now() < end {
        let wait = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match stream.set_read_timeout(Some(wait)).and_then(|()| stream.read(&mut room)) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(why) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&why.kind()) => {}
            Err(_) => return true,
        }
    }
    false
}

/// Asks for a piece that is not there, unchoked; the submission must close.
pub fn out_of_range(
    at: SocketAddr,
    number: usize,
    journal: &Journal,
    info_hash: InfoHashV2,
    pieces: u32,
) -> Result<(), Fault> {
    let mut caller = Caller::open(at, number, journal, info_hash)?;
    caller.be_unchoked()?;
    let span = Span { piece: PieceIndex(pieces), offset: 0, length: 16_384 };
    caller.say(&Message::Get(span))?;
    let went = caller.expect("ERROR 400, or a closed connection", |message| match message {
        Message::Error(_) => Some(Ok(())),
        Message::Chunk { .. } => Some(Err(Fault::new(
            format!("CHUNK_DATA of a piece that is not there, behind GET piece={pieces}"),
            "a closed connection",
        ))),
        _ => None,
    });
    match went {
        Ok(answer) => answer,
        Err(fault) if fault.got.contains("it closed") || fault.got.contains("it reset") => Ok(()),
        Err(fault) => Err(Fault::new(format!("GET piece={pieces}: {}", fault.got), fault.expected)),
    }
}
