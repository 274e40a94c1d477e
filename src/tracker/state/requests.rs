//! One frame of a TCP connection in, an answer out.
//!
//! An answer is short and goes into the connection's output at once, except for a .torrent,
//! which is fed to it frame by frame as the socket takes them ([`Feed`]).

use super::questions::Came;
use super::{PeersWanted, State, bare, error};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::ids::{InfoHash, InfoHashV1, InfoHashV2, PeerId};
use crate::logic::registry::Have;
use crate::protocol::frame::{Bin, MAX_BODY};
use crate::protocol::tracker_native::{
    self as wire, ErrorCode, Listing, MAX_TORRENT, Message, Packet, Publish, TORRENT_CHUNK,
    Torrent, put_candidate, put_peer,
};
use crate::tracker::allow::NOT_LISTED;
use crate::tracker::catalogue::{CatalogueError, split_choice};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Bytes of .torrents on their way in, over all connections.
const MAX_UPLOADING: usize = 64 << 20;

/// Contents of one name in an answer.
const MAX_NAMESAKES: usize = 64;

/// Published contents that wait for somebody to be told of them; perhaps nobody is.
const MOST_UNTOLD: usize = 64;

/// When to publish again if the tracker was busy.
const BUSY_RETRY_MS: u32 = 2000;

/// The longest body that still has room for one more entry.
const PAGE: usize = MAX_BODY - wire::listing::MAX_ENTRY;

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The asker's address.
    pub remote: IpAddr,
    /// The address by which it reached the tracker.
    pub local: IpAddr,
}

/// A .torrent on its way in, over one connection.
#[derive(Debug, Default)]
pub enum Upload {
    /// None.
    #[default]
    None,
    /// So many bytes are there.
    Taking(InfoHashV2, Vec<u8>),
    /// It was answered already: the rest is read and forgotten.
    Answered(InfoHashV2),
}

/// A .torrent on its way out.
#[derive(Debug)]
pub struct Feed {
    hash: InfoHashV2,
    torrent: Arc<[u8]>,
    offset: usize,
}

impl Feed {
    /// Appends the next frame; false when there is none.
    pub fn put_next(&mut self, out: &mut Vec<u8>) -> bool {
        let rest = &self.torrent[self.offset..];
        let Some(chunk) = rest.chunks(TORRENT_CHUNK).next() else { return false };
        let header = Torrent {
            info_hash: Bin(self.hash.0),
            offset: self.offset as u32,
            total: self.torrent.len() as u32,
        };
        Packet::new(header, chunk).put_frame(out);
        self.offset += chunk.len();
        true
    }
}

impl State {
    /// Answers a frame into `out`, or with a .torrent to be fed.
    pub fn on_frame(
        &mut self,
        now: Moment,
        asker: Asker,
        packet: &Packet<'_>,
        upload: &mut Upload,
        out: &mut Vec<u8>,
    ) -> Option<Feed> {
        self.counters.requests += 1;
        match &packet.message {
            Message::Fetch(m) => return self.on_fetch(InfoHashV2(m.info_hash.0), out),
            Message::Publish(m) => self.on_publish(m, packet.body, upload, out),
            Message::Lookup(m) => self.on_lookup(&m.name, out),
            Message::List(m) => self.on_list(m.after.map(|hash| InfoHashV2(hash.0)), out),
            Message::Peers(m) => self.on_peers(asker, m, out),
            Message::Have(m) => self.on_have(now, asker, m, packet.body, out),
            Message::Query(m) => {
                let from = SocketAddr::new(asker.remote, 0);
                self.on_query(now, from, m, Came::Frame(asker.local), out);
            }
            other => {
                let why = format!("{} does not travel by TCP", other.word());
                bare(error(0, ErrorCode::OutOfPlace, &why, 0)).put_frame(out);
            }
        }
        None
    }

    /// A connection is gone, and what it was publishing with it.
    pub fn on_upload_ended(&mut self, upload: &mut Upload) {
        if let Upload::Taking(_, bytes) = std::mem::take(upload) {
            self.uploading -= bytes.len();
        }
    }

    fn on_fetch(&self, hash: InfoHashV2, out: &mut Vec<u8>) -> Option<Feed> {
        let entry = self.catalogue.get(&hash).filter(|_| self.allows(&hash.into()));
        let Some(entry) = entry else {
            let none = "no .torrent has been published for it";
            bare(error(0, ErrorCode::NotPublished, none, BUSY_RETRY_MS)).put_frame(out);
            return None;
        };
        Some(Feed { hash, torrent: Arc::clone(&entry.torrent), offset: 0 })
    }

    fn on_publish(&mut self, m: &Publish, chunk: &[u8], upload: &mut Upload, out: &mut Vec<u8>) {
        let hash = InfoHashV2(m.info_hash.0);
        if matches!(upload, Upload::Answered(answered) if *answered == hash && m.offset > 0) {
            return;
        }
        match self.take_chunk(hash, m, chunk, upload) {
            Ok(None) => return,
            Ok(Some(torrent)) => self.finish_publish(hash, &m.name, torrent, out),
            Err(refusal) => {
                self.counters.refused += 1;
                self.on_upload_ended(upload);
                bare(refusal).put_frame(out);
            }
        }
        *upload = Upload::Answered(hash);
    }

    /// Adds a chunk to what is there; the whole .torrent when it was the last.
    fn take_chunk(
        &mut self,
        hash: InfoHashV2,
        m: &Publish,
        chunk: &[u8],
        upload: &mut Upload,
    ) -> Result<Option<Vec<u8>>, wire::Error> {
        let (offset, total) = (m.offset as usize, m.total as usize);
        if total > MAX_TORRENT {
            return Err(error(0, ErrorCode::BadTorrent, &CatalogueError::TooLong, 0));
        }
        if !self.allows(&hash.into()) {
            return Err(error(0, ErrorCode::UnknownTorrent, NOT_LISTED, 0));
        }
        if offset == 0 {
            self.on_upload_ended(upload);
            *upload = Upload::Taking(hash, Vec::new());
        }
        let out_of_order = || error(0, ErrorCode::BadField, "chunks come whole and in order", 0);
        let Upload::Taking(taking, bytes) = upload else { return Err(out_of_order()) };
        let whole = chunk.len() == TORRENT_CHUNK.min(total.saturating_sub(offset));
        if *taking != hash || bytes.len() != offset || !whole {
            return Err(out_of_order());
        }
        if self.uploading + chunk.len() > MAX_UPLOADING {
            let busy = "too many .torrents are on their way in";
            return Err(error(0, ErrorCode::Busy, busy, BUSY_RETRY_MS));
        }
        bytes.extend_from_slice(chunk);
        self.uploading += chunk.len();
        if bytes.len() < total {
            return Ok(None);
        }
        self.uploading -= bytes.len();
        Ok(Some(std::mem::take(bytes)))
    }

    fn finish_publish(
        &mut self,
        hash: InfoHashV2,
        name: &str,
        torrent: Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let registry = &self.registry;
        let has_peers = |v2: &InfoHashV2, v1: Option<InfoHashV1>| {
            let names = v1.into_iter().chain([v2.truncated()]).map(InfoHash::V1);
            names.chain([(*v2).into()]).any(|name| registry.swarm(&name).is_some())
        };
        let answer = match self.catalogue.on_publish(hash, name, torrent, has_peers) {
            Ok(()) => {
                log::info!("published {name:?} as {hash}");
                if self.published.len() < MOST_UNTOLD {
                    self.published.push((name.to_owned(), hash));
                }
                self.ack(0, vec![], vec![])
            }
            Err(e @ CatalogueError::Full) => error(0, ErrorCode::Full, &e, BUSY_RETRY_MS).into(),
            Err(e @ CatalogueError::Name) => error(0, ErrorCode::BadField, &e, 0).into(),
            Err(e) => error(0, ErrorCode::BadTorrent, &e, 0).into(),
        };
        bare(answer).put_frame(out);
    }

    /// The whole text as a name first: a name may contain an `@`.
    fn on_lookup(&self, text: &str, out: &mut Vec<u8>) {
        let mut found: Vec<InfoHashV2> = self.catalogue.named(text).map(|(hash, _)| hash).collect();
        if let (true, Some((name, prefix))) = (found.is_empty(), split_choice(text)) {
            let prefix = prefix.to_ascii_lowercase();
            let chosen = |hash: &InfoHashV2| hash.to_string().starts_with(&prefix);
            found = self.catalogue.named(name).map(|(hash, _)| hash).filter(chosen).collect();
        }
        let mut body = Vec::new();
        for hash in found.iter().take(MAX_NAMESAKES) {
            self.candidate(*hash).inspect(|candidate| put_candidate(&mut body, candidate));
        }
        Packet::new(Listing { more: found.len() > MAX_NAMESAKES }, &body).put_frame(out);
    }

    fn on_list(&self, after: Option<InfoHashV2>, out: &mut Vec<u8>) {
        let mut contents = self.contents_after(after);
        let mut body = Vec::new();
        while body.len() <= PAGE {
            let Some(hash) = contents.next() else { break };
            self.candidate(hash).inspect(|candidate| put_candidate(&mut body, candidate));
        }
        Packet::new(Listing { more: contents.next().is_some() }, &body).put_frame(out);
    }

    /// Published contents and those that only have peers, in the order of their info-hashes.
    pub(super) fn contents_after(
        &self,
        after: Option<InfoHashV2>,
    ) -> impl Iterator<Item = InfoHashV2> + '_ {
        let mut published = self.catalogue.after(after).map(|(hash, _)| hash).peekable();
        let mut shared = self.registry.swarms_after(after).map(|(hash, _)| hash).peekable();
        std::iter::from_fn(move || match (published.peek().copied(), shared.peek().copied()) {
            (Some(a), Some(b)) => {
                published.next_if(|hash| *hash <= b);
                shared.next_if(|hash| *hash <= a);
                Some(a.min(b))
            }
            _ => published.next().or_else(|| shared.next()),
        })
    }

    fn on_peers(&mut self, asker: Asker, m: &wire::Peers, out: &mut Vec<u8>) {
        let hash = InfoHashV2(m.info_hash.0);
        if !self.has_content(&hash) {
            let none = "no such torrent here";
            return bare(error(0, ErrorCode::UnknownTorrent, none, 0)).put_frame(out);
        }
        let question = PeersWanted {
            hash,
            asker: SocketAddr::new(asker.remote, m.port),
            reached: Some(asker.local),
            wanted: m.wanted.into(),
            limit: MAX_BODY / wire::peer_list::MAX_ENTRY,
        };
        let (list, peers) = self.peers_for(0, &question);
        let mut body = Vec::with_capacity(8 * peers.len());
        for peer in &peers {
            put_peer(&mut body, peer);
        }
        Packet::new(list, &body).put_frame(out);
    }

    fn on_have(
        &mut self,
        now: Moment,
        asker: Asker,
        m: &wire::Have,
        bits: &[u8],
        out: &mut Vec<u8>,
    ) {
        let addr = SocketAddr::new(asker.remote, m.port);
        let (hash, id) = (InfoHashV2(m.info_hash.0), PeerId(m.peer_id.0));
        let bits = match Bitfield::from_bytes(bits, m.pieces) {
            Ok(bits) => bits,
            Err(e) => return bare(error(0, ErrorCode::BadField, &e, 0)).put_frame(out),
        };
        let answer = if self.registry.on_have(now, &hash.into(), addr, id, Have::Some(bits)) {
            self.ack(0, vec![], vec![])
        } else {
            error(0, ErrorCode::UnknownPeer, "not registered for this torrent", 0).into()
        };
        bare(answer).put_frame(out);
    }
}
