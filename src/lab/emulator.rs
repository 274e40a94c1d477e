//! Links for real packets: a node's uplink and downlink with a rate, a delay, jitter, loss and a
//! queue, in virtual time.
//!
//! ```text
//! node a                                                                      node b
//!   on_packet -> [queue] rate ----> lost? ----> delay + jitter ----> [queue] rate -> next_delivery
//!                 its uplink                   in its order           its downlink
//! ```
//! Only lengths come here: whoever has the bytes keeps them under the number of the packet until
//! [`Emulator::next_delivery`] says what became of it. Every die is seeded by the node that sends,
//! so that the same packets of a node are lost whatever the others do. What a rate admits is
//! counted to the nanosecond and rounded up: it is never exceeded.

/// One direction of one node: a rate behind a queue.
mod lane;

#[cfg(test)]
mod tests;

use crate::clock::Moment;
use fastrand::Rng;
use lane::Lane;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How much later a packet comes that others overtake: as long as ten full ones take at 1 MB/s.
pub const HELD_UP: Duration = Duration::from_millis(15);

/// How a node is joined to all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetLink {
    /// Bytes per second that it sends at most, headers included; `None`: as fast as can be.
    pub up: Option<u64>,
    /// Bytes per second that it receives at most.
    pub down: Option<u64>,
    /// From this node to one with the same delay and back, without queues.
    pub rtt: Duration,
    /// The most by which a packet that it sends may be later than that; order is kept.
    pub jitter: Duration,
    /// The share of what it sends that is lost on the way, 0 to 1.
    pub loss: f64,
    /// The share of what it sends that is refused on the way, 0 to 1, as by a firewall that wants a
    /// connection to end: it is lost, and whoever sent it is told by a reset of TCP's.
    pub reset: f64,
    /// The share of what it sends that is held up on the way, 0 to 1: [`HELD_UP`] later than the
    /// others, which overtake it.
    pub held_up: f64,
    /// Bytes that wait before its uplink at most, and as many before its downlink; what comes then
    /// is dropped. A packet that needs not wait is never dropped.
    pub queue: u64,
}

impl NetLink {
    /// As fast as can be, without delay, loss or faults, with a queue of 256 KiB.
    pub const FREE: Self = Self {
        up: None,
        down: None,
        rtt: Duration::ZERO,
        jitter: Duration::ZERO,
        loss: 0.0,
        reset: 0.0,
        held_up: 0.0,
        queue: 256 * 1024,
    };
}

/// What becomes of a packet that a node sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is on its way; [`Emulator::next_delivery`] has the last word, under this number.
    Taken(u64),
    /// It is dropped.
    Dropped(Why),
}

/// Why a packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A queue was full.
    Queue,
    /// It was its lot.
    Loss,
    /// It was refused, which its sender is to be told.
    Reset,
    /// Nothing passes between the two at present.
    Partition,
    /// Nobody has that address.
    Nobody,
}

/// The end of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Its number, of [`Verdict::Taken`].
    pub packet: u64,
    /// Who is to receive it.
    pub to: usize,
    /// When it is there; the machine may be asked later.
    pub at: Moment,
    /// Why it is not: before the downlink's queue or a partition.
    pub dropped: Option<Why>,
}

/// A packet on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Moment,
    /// Packets of one moment are in the order in which they were sent.
    packet: u64,
    from: usize,
    to: usize,
    len: u64,
    /// Whether it has passed the downlink, or has just come to it.
    is_through: bool,
}

/// A node: its two lanes and its dice.
#[derive(Debug)]
struct Node {
    link: NetLink,
    up: Lane,
    down: Lane,
    dice: Rng,
    /// When the last packet that it sent comes to its downlink: order is kept.
    latest: Moment,
    /// Until when nothing passes.
    parted: Moment,
}

/// All nodes and what is between them.
#[derive(Debug)]
pub struct Emulator {
    nodes: Vec<Node>,
    flights: BinaryHeap<Reverse<Flight>>,
    next: u64,
}

impl Emulator {
    /// Nodes with these links; `seed` is where the dice of loss and jitter come from.
    pub fn new(links: &[NetLink], seed: u64) -> Self {
        let mut dice = Rng::with_seed(seed);
        let node = |link: &NetLink| Node {
            link: *link,
            up: Lane::new(link.up, link.queue),
            down: Lane::new(link.down, link.queue),
            dice: dice.fork(),
            latest: Moment::START,
            parted: Moment::START,
        };
        Self { nodes: links.iter().map(node).collect(), flights: BinaryHeap::new(), next: 0 }
    }

    /// A node sends `len` bytes, headers included, to another.
    pub fn on_packet(&mut self, now: Moment, from: usize, to: usize, len: usize) -> Verdict {
        let Some(further) = self.nodes.get(to).map(|node| node.link.rtt / 4) else {
            return Verdict::Dropped(Why::Nobody);
        };
        if self.is_parted(now, from, to) {
            return Verdict::Dropped(Why::Partition);
        }
        let Some(node) = self.nodes.get_mut(from) else {
            return Verdict::Dropped(Why::Nobody);
        };
        let len = len as u64;
        let Some(left) = node.up.pass(now, len) else { return Verdict::Dropped(Why::Queue) };
        // Both dice roll for every packet: the pattern of loss does not depend on the jitter.
        let (lot, late) = (node.dice.f64(), node.dice.f64());
        if lot < node.link.loss {
            return Verdict::Dropped(Why::Loss);
        }
        // Rolled only where it matters: what is lost elsewhere stays what it was.
        if node.link.reset > 0.0 && node.dice.f64() < node.link.reset {
            return Verdict::Dropped(Why::Reset);
        }
        // A quarter of each end's round trip lies at each end, in each direction.
        let delay = node.link.rtt / 4 + further + node.link.jitter.mul_f64(late);
        node.latest = node.latest.max(left + delay);
        let is_held_up = node.link.held_up > 0.0 && node.dice.f64() < node.link.held_up;
        let at = if is_held_up { node.latest + HELD_UP } else { node.latest };
        let packet = self.next;
        self.next += 1;
        self.flights.push(Reverse(Flight { at, packet, from, to, len, is_through: false }));
        Verdict::Taken(packet)
    }

    /// When [`Emulator::next_delivery`] is to be asked again; `None`: nothing is on its way.
    pub fn next_due(&self) -> Option<Moment> {
        self.flights.peek().map(|Reverse(flight)| flight.at)
    }

    /// The next packet whose way has ended by now, in the order of time.
    pub fn next_delivery(&mut self, now: Moment) -> Option<Delivery> {
        while self.next_due().is_some_and(|due| due <= now) {
            let Reverse(flight) = self.flights.pop()?;
            let Flight { at, packet, from, to, len, is_through } = flight;
            if is_through {
                return Some(Delivery { packet, to, at, dropped: None });
            }
            let through = match self.nodes.get_mut(to) {
                None => Err(Why::Nobody),
                Some(node) => node.down.pass(at, len).ok_or(Why::Queue),
            };
            let dropped = if self.is_parted(at, from, to) { Err(Why::Partition) } else { through };
            match dropped {
                Err(why) => return Some(Delivery { packet, to, at, dropped: Some(why) }),
                Ok(at) => self.flights.push(Reverse(Flight { at, is_through: true, ..flight })),
            }
        }
        None
    }

    /// Nothing passes between a node and all others until then; what is on its way is lost.
    pub fn partition(&mut self, node: usize, until: Moment) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.parted = until;
        }
    }

    /// A node's uplink and downlink have these rates for what comes from now on; what waits already
    /// keeps its time.
    pub fn set_rate(&mut self, node: usize, up: Option<u64>, down: Option<u64>) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.up.set_rate(up);
            node.down.set_rate(down);
        }
    }

    fn is_parted(&self, now: Moment, from: usize, to: usize) -> bool {
        let parted = |node: usize| self.nodes.get(node).is_some_and(|node| now < node.parted);
        parted(from) || parted(to)
    }
}
