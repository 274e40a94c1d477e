//! A BitTorrent peer that listens and keeps no rule: the same [`Lie`]s as natively.
//!
//! It answers the handshake properly, claims to have everything, unchokes whoever comes, and then
//! misbehaves. Who calls natively is hung up on, so that it comes again in BitTorrent.

use super::bittorrent::{BtPeer, any_id, message};
use super::hostile::{Content, Counts, Hostile, Lie, bits_of};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use swarmlet::ids::{PieceIndex, Span};
use swarmlet::protocol::handshake::{Handshake, Reserved};
use swarmlet::protocol::message::{Message, PeersChanged};

/// The ids of messages.
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const REJECT: u8 = 16;

/// A block of zeros that nobody wants.
const JUNK: [u8; 16384] = [0; 16384];

/// Listens on any port of `ip`.
pub fn start(ip: IpAddr, content: Arc<Content>, lie: Lie) -> Hostile {
    Hostile::serving(ip, move |stream, counts, ended| {
        let mut first = [0];
        if lie != Lie::HangsUp && stream.peek(&mut first)? == 1 && first == [19] {
            let peer = BtPeer::over(stream)?;
            let content = content.clone();
            return Serving { peer, content, counts, ended, lie, blocks: 0 }.serve();
        }
        stream.shutdown(std::net::Shutdown::Both)
    })
}

/// One connection.
struct Serving {
    peer: BtPeer,
    content: Arc<Content>,
    counts: Arc<Counts>,
    ended: Receiver<()>,
    lie: Lie,
    /// How many blocks it has sent.
    blocks: usize,
}

fn piece(piece: u32, offset: u32, data: &[u8]) -> Vec<u8> {
    message(PIECE, &[&piece.to_be_bytes()[..], &offset.to_be_bytes(), data].concat())
}

impl Serving {
    fn serve(mut self) -> io::Result<()> {
        if self.lie == Lie::GarbageFirst {
            self.peer.send(&[0x5a; 5000])?;
            self.hold();
            return Ok(());
        }
        let theirs = self.peer.hear_handshake()?;
        self.counts.callers.lock().push(theirs.peer_id);
        let ours = Handshake { reserved: Reserved::ours(), peer_id: any_id(), ..theirs };
        self.peer.send(&ours.to_bytes())?;
        self.open()?;
        loop {
            let heard = self.peer.next()?;
            if let [REQUEST, payload @ ..] = &heard[..]
                && let ([piece, offset, length], []) = payload.as_chunks::<4>()
            {
                let number = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
                let piece = PieceIndex(number(piece));
                self.counts.gets.fetch_add(1, Ordering::Relaxed);
                self.answer(Span { piece, offset: number(offset), length: number(length) })?;
            }
        }
    }

    /// Keeps the connection open and does nothing.
    fn hold(&self) {
        let _ = self.ended.recv();
    }

    /// What it says about itself before anybody asks.
    fn open(&mut self) -> io::Result<()> {
        let pieces = self.content.pieces;
        match self.lie {
            Lie::SpareBits => {
                self.peer.send(&message(5, &vec![0xff; pieces.div_ceil(8) as usize + 1]))?;
            }
            Lie::HaveOutOfRange => {
                self.peer.say(&Message::HaveNone)?;
                self.peer.say(&Message::Have(PieceIndex(pieces)))?;
                self.peer.say(&Message::Have(PieceIndex(u32::MAX)))?;
            }
            Lie::SpeaksTwice => {
                for _ in 0..1000 {
                    self.peer.say_all(&[Message::HaveAll, Message::HaveNone])?;
                }
            }
            Lie::BothStatements { full, all } => {
                let word = if all { Message::HaveAll } else { Message::HaveNone };
                for _ in 0..20 {
                    self.peer.send(&message(5, &bits_of(pieces, full)))?;
                    self.peer.say(&word)?;
                }
            }
            _ => self.peer.say(&Message::HaveAll)?,
        }
        self.molest(pieces)?;
        self.peer.say(&Message::Unchoke)?;
        match self.lie {
            Lie::Garbage => {
                let mut garbage = vec![0; 256 * 1024];
                fastrand::Rng::with_seed(7).fill(&mut garbage);
                self.peer.send(&garbage)
            }
            Lie::HugeLength => {
                self.peer.send(&[0xff, 0xff, 0xff, 0xff, PIECE])?;
                self.peer.send(&vec![0; 100_000])
            }
            Lie::NeverReads => {
                self.hold();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What nobody asked for.
    fn molest(&mut self, pieces: u32) -> io::Result<()> {
        match self.lie {
            Lie::UnaskedChunks => {
                (0..2000).try_for_each(|n| self.peer.send(&piece(n % pieces, 0, &JUNK)))
            }
            Lie::ChunksOutOfRange => [pieces, u32::MAX].iter().try_for_each(|&n| {
                self.peer.send(&piece(n, 0, &JUNK))?;
                self.peer.send(&piece(0, u32::MAX, &JUNK))
            }),
            Lie::FloodsHaves => {
                (0..100_000).try_for_each(|n| self.peer.say(&Message::Have(PieceIndex(n % pieces))))
            }
            Lie::Flutters => {
                (0..10_000).try_for_each(|_| self.peer.say_all(&[Message::Unchoke, Message::Choke]))
            }
            Lie::NamesPeers(victim) => (0..50).try_for_each(|_| self.name_peers(victim)),
            _ => Ok(()),
        }
    }

    fn name_peers(&mut self, victim: SocketAddr) -> io::Result<()> {
        let added = vec![(victim, 0); 50];
        self.peer.say(&Message::PeersChanged(Box::new(PeersChanged { added, dropped: vec![] })))
    }

    fn answer(&mut self, asked: Span) -> io::Result<()> {
        let index = asked.piece.0;
        match self.lie {
            Lie::DeliversNothing => return Ok(()),
            Lie::RejectsAll => {
                let numbers = [index, asked.offset, asked.length].map(u32::to_be_bytes);
                return self.peer.send(&message(REJECT, numbers.as_flattened()));
            }
            Lie::OverflowingChunks => {
                for offset in [u32::MAX, u32::MAX - 16383, u32::MAX - 8191, u32::MAX - 1] {
                    self.peer.send(&piece(index, offset, &JUNK))?;
                }
                return Ok(());
            }
            Lie::DripsBlocks if self.waits_in_vain(Duration::from_secs(9)) => return Ok(()),
            _ => {}
        }
        let from = if self.lie == Lie::RepeatsFirstBlock { 0 } else { asked.offset };
        let content = self.content.clone();
        let data =
            content.span(Span { offset: from, ..asked }).ok_or(io::ErrorKind::InvalidData)?;
        let mut data = data.to_vec();
        self.blocks += 1;
        let flips = matches!(self.lie, Lie::FlipsBits(every) if self.blocks % every == 1 % every);
        data[asked.length as usize / 2] ^= u8::from(flips);
        let bytes = piece(index, from, &data);
        match self.lie {
            Lie::Drips => {
                for byte in bytes.chunks(1) {
                    self.peer.send(byte)?;
                    if self.waits_in_vain(Duration::from_secs(1)) {
                        break;
                    }
                }
                return Ok(());
            }
            Lie::HalfAChunk => {
                self.peer.send(&bytes[..bytes.len() / 2])?;
                self.hold();
                return Ok(());
            }
            _ => self.peer.send(&bytes)?,
        }
        self.counts.flips.fetch_add(usize::from(flips), Ordering::Relaxed);
        self.counts.sent.fetch_add(data.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Lets time pass; true if the test ended meanwhile.
    fn waits_in_vain(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
    }
}
