//! The metainfo from a peer, for those who hold only its hash.
//!
//! The bytes are asked for in order; `info` is hashed before it is parsed, and each piece layer
//! is checked against its file's root ([`Metainfo::from_exchange`]), so that a peer can lie about
//! nothing but its willingness. A peer that hands it out in crumbs is given up: each answer holds
//! as much as one can, or all that is left.

use crate::ids::{InfoHashV2, PeerId};
use crate::metainfo::{Metainfo, MetainfoError};
use crate::node::opening::{Opening, Refused};
use crate::protocol::message::{Hello, MAX_CHUNK, Message, VERSION};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// The longest metainfo we fetch: as long as a .torrent may be.
const LONGEST: u32 = 16 * 1024 * 1024;

/// Why a peer's metainfo was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum NoMetadata {
    /// The connection failed.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// What came does not match the hash, or is no torrent.
    #[error("{0}")]
    Metainfo(#[from] MetainfoError),
    /// It is longer than a torrent may be, or its length changed on the way.
    #[error("a metainfo of {0} bytes")]
    Length(u32),
    /// An answer was cut short, though there was more.
    #[error("an answer of {0} bytes, where {1} were to come")]
    Crumb(u32, u32),
    /// The time was up.
    #[error("the time was up")]
    Late,
}

/// Asks one peer for the metainfo of a hash. After `deadline` nothing more is asked; an answer that
/// was asked for before is waited for as long as the opening of a connection may take.
pub fn fetch(
    address: SocketAddr,
    bind: Option<IpAddr>,
    peer_id: PeerId,
    info_hash: InfoHashV2,
    deadline: Instant,
) -> Result<Metainfo, NoMetadata> {
    let hello = Hello { version: VERSION, info_hash, peer_id, port: 0, features: Vec::new() };
    let mut opening = Opening::call(address, bind, hello)?;
    let mut bytes: Vec<u8> = Vec::new();
    let mut lengths: Option<(u32, u32)> = None;
    loop {
        if Instant::now() >= deadline {
            return Err(NoMetadata::Late);
        }
        let offset = bytes.len() as u32;
        opening.ask(&Message::GetMetainfo { offset, length: MAX_CHUNK })?;
        let (total, info) = opening.expect_metainfo(offset, &mut bytes)?;
        let (total, info) = *lengths.get_or_insert((total, info));
        if total > LONGEST || info > total || bytes.len() > total as usize {
            return Err(NoMetadata::Length(total));
        }
        let (came, due) = (bytes.len() as u32 - offset, MAX_CHUNK.min(total - offset));
        if came < due {
            return Err(NoMetadata::Crumb(came, due));
        }
        if bytes.len() == total as usize {
            return Ok(Metainfo::from_exchange(&info_hash, info as usize, &bytes)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::PEER_MAGIC;
    use crate::protocol::message::{Availability, State};
    use crate::protocol::reader::FrameBuffer;
    use std::io::{self, Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    const OURS: PeerId = PeerId([1; 20]);
    const THEIRS: PeerId = PeerId([2; 20]);

    /// Answers each GET_METAINFO with `data`, until the caller leaves.
    fn answer(mut stream: TcpStream, total: u32, data: &[u8]) -> io::Result<()> {
        let mut hello = PEER_MAGIC.to_vec();
        let state = State { state: Availability::Connected, peer_id: THEIRS };
        Message::State(state).put(&mut hello);
        stream.write_all(&hello)?;
        let mut buffer = FrameBuffer::default();
        let mut magic_is_to_come = true;
        loop {
            let count = stream.read(buffer.room())?;
            if count == 0 {
                return Ok(());
            }
            buffer.filled(count);
            if magic_is_to_come && buffer.take(PEER_MAGIC.len()).is_none() {
                continue;
            }
            magic_is_to_come = false;
            while let Some(frame) = buffer.next_frame().expect("frames") {
                let message = Message::read(&frame).expect("a message");
                if let Some(Message::GetMetainfo { offset, .. }) = message {
                    let mut bytes = Vec::new();
                    Message::Metainfo { offset, total, info: 1, data }.put(&mut bytes);
                    stream.write_all(&bytes)?;
                }
            }
        }
    }

    /// What becomes of a fetch from a peer whose every answer is `data`.
    fn fetch_from(total: u32, data: &'static [u8], deadline: Instant) -> NoMetadata {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let peer = std::thread::Builder::new().name("peer".into());
        let peer = peer.spawn(move || answer(listener.accept().unwrap().0, total, data)).unwrap();
        let fetched = fetch(address, None, OURS, InfoHashV2([7; 32]), deadline);
        // It ends when the caller leaves, be it in the middle of an answer.
        let _ = peer.join().expect("the peer does not panic");
        fetched.expect_err("nothing of it is a torrent")
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn a_peer_that_sends_a_byte_at_a_time_is_given_up() {
        let given_up = fetch_from(1_000_000, b"x", in_a_minute());
        assert!(matches!(given_up, NoMetadata::Crumb(1, MAX_CHUNK)), "{given_up}");
        let given_up = fetch_from(3, b"x", in_a_minute());
        assert!(matches!(given_up, NoMetadata::Crumb(1, 3)), "{given_up}");
    }

    #[test]
    fn an_answer_that_is_all_there_is_may_be_short() {
        let refused = fetch_from(3, b"d1e", in_a_minute());
        assert!(matches!(refused, NoMetadata::Metainfo(_)), "{refused}");
    }

    #[test]
    fn after_the_deadline_nothing_is_asked() {
        let given_up = fetch_from(3, b"d1e", Instant::now());
        assert!(matches!(given_up, NoMetadata::Late), "{given_up}");
    }
}
