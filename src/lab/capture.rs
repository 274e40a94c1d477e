//! A capture made up from a trace: the packets that must have carried its messages.
//!
//! ```text
//!  events in order --> Capture --> SYN, SYN+ACK, ACK          when a connection is first spoken of
//!                              --> segments of <= 1460 bytes  when a message leaves
//!                              --> ACK                        when it has come
//!                              --> FIN                        when an end closes
//! ```
//! A trace has no content, so bytes of pieces, hashes and metainfo are zeros, and addresses in lists
//! are those that are kept for documents (192.0.2.0/24, RFC 5737). What a trace does not say is made
//! up as little as can be: `capture/words.rs` has the list. Packets begin with an IPv4 header; an address that
//! is not IPv4 gets one of 198.18.0.0/15 (RFC 2544). The messages themselves are written by the
//! library's own encoders, so a reader of the protocol finds nothing in a capture that a peer would
//! not say. Nothing is read or written here; memory goes with connections, not with messages.

use super::pcapng;
use super::record::cast::Cast;
use super::record::merge::Timed;
use super::record::{Datagram, Decided, Name, Names, Said, Verb, Way, What};
use crate::protocol::Dialect;
use addresses::Addresses;
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddrV4;
use std::time::Duration;
use words::{Holder, Speaker};

/// Addresses of a capture.
mod addresses;

/// Packets, with their checksums.
pub(super) mod packet;

/// Messages as bytes.
mod words;

/// Bytes of a segment's payload: what an Ethernet frame holds beside both headers.
const MOST_PAYLOAD: usize = 1460;

/// Messages of one direction whose arrival is awaited, so that it can be acknowledged.
const MOST_UNHEARD: usize = 4096;

/// How many messages are in a capture, and how many could not be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Messages of the trace.
    pub messages: u64,
    /// First words that the trace does not have: a simulated world has none.
    pub added: u64,
    /// Messages whose numbers no protocol allows.
    pub left_out: u64,
}

/// Makes packets of events.
pub struct Capture<'a> {
    cast: &'a Cast,
    addresses: Addresses,
    holder: Holder,
    streams: HashMap<usize, Stream>,
    over: HashSet<usize>,
    counts: Counts,
    ip_id: u16,
    spare: Vec<u8>,
}

/// A connection, as TCP sees it.
struct Stream {
    ends: [SocketAddrV4; 2],
    speakers: [Speaker; 2],
    /// Which side dialled.
    dialler: usize,
    /// The next sequence number of each side.
    next: [u32; 2],
    /// Up to where each side has acknowledged what the other said.
    acked: [u32; 2],
    /// Whether a side's first words are said.
    opened: [bool; 2],
    /// What each side said and the other did not tell that it heard: number, end.
    unheard: [VecDeque<(u64, u32)>; 2],
    finished: [bool; 2],
}

impl<'a> Capture<'a> {
    /// Of what this cast did.
    pub fn new(cast: &'a Cast) -> Self {
        Self {
            cast,
            addresses: Addresses::default(),
            holder: Holder::default(),
            streams: HashMap::new(),
            over: HashSet::new(),
            counts: Counts::default(),
            ip_id: 0,
            spare: Vec::new(),
        }
    }

    /// The next event in the order of time; its packets are appended to `out`, as blocks of
    /// [`pcapng`].
    pub fn on_event(&mut self, timed: &Timed, names: &Names, out: &mut Vec<u8>) {
        match &timed.event.what {
            What::Said(said) => self.on_said(timed, said, names, out),
            What::Close { conn, .. } => self.on_close(timed, *conn, names, out),
            What::Datagram(datagram) => self.on_datagram(timed, datagram, names, out),
            What::Decided(decided) => self.on_decided(timed.event.node, decided),
            _ => {}
        }
    }

    /// How many there were.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn on_decided(&mut self, node: Name, decided: &Decided) {
        if let (Verb::Verify, true, Some(piece)) = (decided.verb, decided.ok, decided.piece) {
            self.holder.on_verified(node, decided.torrent, piece);
        }
    }

    fn on_said(&mut self, timed: &Timed, said: &Said, names: &Names, out: &mut Vec<u8>) {
        let Some(end) = self.cast.end(timed.file, timed.event.node, said.conn) else { return };
        let (line, forth) = self.cast.direction(end, said.way);
        let side = usize::from(!forth);
        if self.over.contains(&line) {
            return;
        }
        let is_new = said.way == Way::Out || !self.cast.is_told_by_sender(end, said.seq);
        if is_new {
            self.open(line, timed.t, names, out);
            self.say(line, side, timed.t, said, names, out);
        } else {
            self.hear(line, side, timed.t, said.seq, out);
        }
    }

    /// A side says something.
    fn say(
        &mut self,
        line: usize,
        side: usize,
        t: Duration,
        said: &Said,
        names: &Names,
        out: &mut Vec<u8>,
    ) {
        let word = names.text(said.word);
        let Some(stream) = self.streams.get_mut(&line) else { return };
        if stream.finished[side] {
            return;
        }
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        // A world begins with what peers have; a stream begins with who they are.
        if !words::is_opening(word) {
            for first in [stream.dialler, 1 - stream.dialler] {
                if stream.opened[first] || (first != stream.dialler && first != side) {
                    continue;
                }
                stream.opened[first] = true;
                bytes.clear();
                stream.speakers[first].put_opening(first == stream.dialler, &mut bytes);
                self.counts.added += 1;
                stream.send(first, t, &bytes, &mut self.ip_id, &mut self.counts, out);
                stream.acknowledge(
                    1 - first,
                    stream.next[first],
                    t,
                    &mut self.ip_id,
                    &mut self.counts,
                    out,
                );
            }
            bytes.clear();
        }
        stream.opened[side] = true;
        if stream.speakers[side].put(said, word, names, &self.holder, &mut bytes) {
            self.counts.messages += 1;
            stream.send(side, t, &bytes, &mut self.ip_id, &mut self.counts, out);
            let until = stream.next[side];
            let other = self.cast.others[line].is_some();
            if other && said.way == Way::Out && stream.unheard[side].len() < MOST_UNHEARD {
                stream.unheard[side].push_back((said.seq, until));
            } else {
                stream.acknowledge(1 - side, until, t, &mut self.ip_id, &mut self.counts, out);
            }
        } else {
            self.counts.left_out += 1;
        }
        self.spare = bytes;
    }

    /// What a side said has come.
    fn hear(&mut self, line: usize, side: usize, t: Duration, seq: u64, out: &mut Vec<u8>) {
        let Some(stream) = self.streams.get_mut(&line) else { return };
        let mut until = None;
        while let Some(&(number, end)) =
            stream.unheard[side].front().filter(|(number, _)| *number <= seq)
        {
            until = Some(end);
            stream.unheard[side].pop_front();
            if number == seq {
                break;
            }
        }
        if let Some(until) = until {
            stream.acknowledge(1 - side, until, t, &mut self.ip_id, &mut self.counts, out);
        }
    }

    /// The three packets that make a connection.
    fn open(&mut self, line: usize, t: Duration, names: &Names, out: &mut Vec<u8>) {
        if self.streams.contains_key(&line) {
            return;
        }
        let mut stream = self.stream(line, names);
        let dialler = stream.dialler;
        let steps = [
            (dialler, packet::SYN, 3),
            (1 - dialler, packet::SYN | packet::ACK, 2),
            (dialler, packet::ACK, 1),
        ];
        for (side, flags, before) in steps {
            let at = t.saturating_sub(Duration::from_micros(before));
            stream.acked[side] = stream.next[1 - side];
            stream.packet(side, flags, at, &[], &mut self.ip_id, &mut self.counts, out);
            if flags & packet::SYN != 0 {
                stream.next[side] = stream.next[side].wrapping_add(1);
            }
        }
        self.streams.insert(line, stream);
    }

    fn stream(&mut self, line: usize, names: &Names) -> Stream {
        let cast = self.cast;
        let end = &cast.ends[line];
        let other = cast.others[line].map(|other| &cast.ends[other]);
        let open = end.open.as_ref();
        let is_ours = open.map(|open| open.dialled);
        let is_ours = is_ours.or_else(|| Some(!other?.open.as_ref()?.dialled)).unwrap_or(true);
        let dialler = usize::from(!is_ours);
        let peer = cast.peers[line].or(end.with).unwrap_or(end.node);
        let who = [end.node, peer];
        let listens = who.map(|node| {
            self.addresses.of_node(names.text(cast.listens.get(&node).copied().unwrap_or(node)))
        });
        let sockets = open.and_then(|open| open.ends).map(|(here, there)| [here, there]);
        let mut ends = sockets.map_or(listens, |both| both.map(|end| self.addresses.of(end)));
        // In a world both ends are where peers listen; a caller has a port of its own.
        if ends[dialler] == listens[dialler] {
            let port = 49152 + (end.conn % 16384) as u16;
            ends[dialler].set_port(port);
        }
        let torrent = open.and_then(|open| open.torrent);
        let ids = [
            cast.ids.get(&end.node).copied(),
            open.and_then(|open| open.id).or_else(|| cast.ids.get(&peer).copied()),
        ];
        let dialect = cast.dialect(line);
        let speaker = |side: usize| {
            let id = ids[side].map(|id| names.text(id));
            Speaker::new(
                who[side],
                names.text(who[side]),
                id,
                dialect,
                torrent,
                names,
                listens[side].port(),
            )
        };
        let next = [0, 1]
            .map(|side: u32| (line as u32).wrapping_mul(2_654_435_761).wrapping_add(side << 20));
        Stream {
            ends,
            speakers: [speaker(0), speaker(1)],
            dialler,
            next,
            acked: [0; 2],
            opened: [false; 2],
            unheard: [VecDeque::new(), VecDeque::new()],
            finished: [false; 2],
        }
    }

    /// An end is closed: its side says no more.
    fn on_close(&mut self, timed: &Timed, conn: u64, names: &Names, out: &mut Vec<u8>) {
        let Some(end) = self.cast.end(timed.file, timed.event.node, conn) else { return };
        let (line, forth) = self.cast.direction(end, Way::Out);
        if self.over.contains(&line) {
            return;
        }
        self.open(line, timed.t, names, out);
        let is_alone = self.cast.others[line].is_none();
        let side = usize::from(!forth);
        let sides = if is_alone { vec![side, 1 - side] } else { vec![side] };
        let Some(stream) = self.streams.get_mut(&line) else { return };
        for side in sides {
            if stream.finished[side] {
                continue;
            }
            stream.packet(
                side,
                packet::FIN | packet::ACK,
                timed.t,
                &[],
                &mut self.ip_id,
                &mut self.counts,
                out,
            );
            stream.next[side] = stream.next[side].wrapping_add(1);
            stream.finished[side] = true;
            let until = stream.next[side];
            stream.unheard[side].clear();
            stream.acknowledge(1 - side, until, timed.t, &mut self.ip_id, &mut self.counts, out);
        }
        if stream.finished == [true; 2] {
            self.streams.remove(&line);
            self.over.insert(line);
        }
    }

    fn on_datagram(&mut self, timed: &Timed, said: &Datagram, names: &Names, out: &mut Vec<u8>) {
        let (node, other) = (timed.event.node, self.cast.node(said.with));
        if said.way == Way::In && self.cast.traced.contains(&other) {
            return; // its sender tells of it
        }
        let [node, other] = [node, other].map(|name| self.addresses.of_node(names.text(name)));
        let (from, to) = if said.way == Way::Out { (node, other) } else { (other, node) };
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        if words::put_datagram(said, names, &mut bytes) {
            self.counts.messages += 1;
            self.counts.packets += 1;
            self.ip_id = self.ip_id.wrapping_add(1);
            let packet = packet::udp(from, to, self.ip_id, &bytes);
            pcapng::packet(out, timed.t, &packet);
        } else {
            self.counts.left_out += 1;
        }
        self.spare = bytes;
    }
}

impl Stream {
    /// Bytes in segments, each pushed when it is the last of its message.
    fn send(
        &mut self,
        side: usize,
        t: Duration,
        bytes: &[u8],
        ip_id: &mut u16,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) {
        let mut parts = bytes.chunks(MOST_PAYLOAD).peekable();
        while let Some(part) = parts.next() {
            let push = if parts.peek().is_none() { packet::PSH } else { 0 };
            self.packet(side, packet::ACK | push, t, part, ip_id, counts, out);
            self.next[side] = self.next[side].wrapping_add(part.len() as u32);
        }
    }

    /// A side has everything that the other said up to a sequence number.
    fn acknowledge(
        &mut self,
        side: usize,
        until: u32,
        t: Duration,
        ip_id: &mut u16,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) {
        // Differences of sequence numbers are signed (RFC 9293, 3.4).
        if until.wrapping_sub(self.acked[side]) as i32 > 0 {
            self.acked[side] = until;
            self.packet(side, packet::ACK, t, &[], ip_id, counts, out);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a packet has that many parts")]
    fn packet(
        &self,
        side: usize,
        flags: u8,
        t: Duration,
        payload: &[u8],
        ip_id: &mut u16,
        counts: &mut Counts,
        out: &mut Vec<u8>,
    ) {
        *ip_id = ip_id.wrapping_add(1);
        counts.packets += 1;
        let acked = if flags & packet::ACK == 0 { 0 } else { self.acked[side] };
        let head = packet::Segment {
            from: self.ends[side],
            to: self.ends[1 - side],
            seq: self.next[side],
            ack: acked,
            flags,
        };
        pcapng::packet(out, t, &packet::tcp(&head, *ip_id, payload));
    }
}

/// Whether this dialect has words of its own for the trace's.
fn is_native(dialect: Dialect) -> bool {
    dialect == Dialect::Native
}

#[cfg(test)]
mod tests;
