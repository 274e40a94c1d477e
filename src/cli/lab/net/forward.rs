//! The thread `lab-net`: reads packets from all interfaces, asks the emulator, and writes them when
//! they are due.
//!
//! ```text
//! interfaces -> packet -> Emulator::on_packet        } one poll, which ends when the next packet
//! Emulator::next_delivery -> packet -> interface     } is due; no turn without work
//! ```
//! The buffers of packets are used again. A packet that an interface does not take is lost, as on
//! any link.

use crate::clock::{Clock, Moment};
use crate::lab::emulator::{Delivery, Emulator, Verdict, Why};
use crate::lab::{packet, pcapng};
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::thread::set_current_timer_slack;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

/// The longest packet: the interface's MTU is shorter.
const LONGEST: usize = 2048;

/// Packets that are read from one interface before the others have their turn.
const TURN: usize = 16;

/// Buffers that are kept for packets to come.
const SPARE: usize = 1024;

/// Room for a packet.
type Buffer = Box<[u8; LONGEST]>;

/// A packet on its way.
struct Packet {
    buffer: Buffer,
    len: usize,
}

impl Packet {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

/// What passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that reached their node.
    pub delivered: u64,
    /// Bytes of those, headers included.
    pub bytes: u64,
    /// Packets that were lost by lot.
    pub lost: u64,
    /// Packets that were refused, and their senders told.
    pub refused: u64,
    /// Packets that found a full queue.
    pub crowded_out: u64,
    /// Packets that came while nothing passed.
    pub parted: u64,
    /// Packets for an address that nobody has, or nobody at present, and what is no IPv4.
    pub unknown: u64,
    /// Why it ended before its time, or the capture is not whole; a sentence.
    pub failed: Option<String>,
}

/// All interfaces, and what is between them.
pub struct Forwarder {
    stopped: UnixStream,
    /// Those that failed are gone.
    interfaces: Vec<Option<OwnedFd>>,
    nodes: HashMap<Ipv4Addr, usize>,
    emulator: Arc<Mutex<Emulator>>,
    clock: Clock,
    /// The packets on their way, by number.
    packets: HashMap<u64, Packet>,
    spare: Vec<Buffer>,
    capture: Option<BufWriter<File>>,
    block: Vec<u8>,
    tally: Tally,
}

impl Forwarder {
    /// Nodes with these addresses and interfaces.
    pub fn new(
        stopped: UnixStream,
        nodes: Vec<(Ipv4Addr, OwnedFd)>,
        emulator: Arc<Mutex<Emulator>>,
        clock: Clock,
    ) -> io::Result<Self> {
        let (addresses, interfaces): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        for file in &interfaces {
            fcntl_setfl(file, OFlags::NONBLOCK | OFlags::RDWR)?;
        }
        Ok(Self {
            stopped,
            interfaces: interfaces.into_iter().map(Some).collect(),
            nodes: addresses.into_iter().zip(0..).collect(),
            emulator,
            clock,
            packets: HashMap::new(),
            spare: Vec::new(),
            capture: None,
            block: Vec::with_capacity(LONGEST),
            tally: Tally::default(),
        })
    }

    /// Writes what is delivered to a new file.
    pub fn capture_to(&mut self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create_new(path)?);
        file.write_all(&pcapng::header())?;
        self.capture = Some(file);
        Ok(())
    }

    /// Forwards until the other end of `stopped` is closed.
    pub fn run(mut self) -> Tally {
        // Else the kernel wakes us up to 50 microseconds late, to spare a laptop's battery.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut ready = Vec::new();
        let ended = loop {
            self.deliver();
            match self.wait(&mut ready) {
                Ok(true) => break Ok(()),
                Ok(false) => ready.iter().for_each(|&node| self.collect(node)),
                Err(Errno::INTR) => {}
                Err(why) => break Err(why),
            }
        };
        let flushed = self.capture.take().map_or(Ok(()), |mut file| file.flush());
        if let Err(why) = ended {
            self.fail("the emulated links ended", &why.into());
        }
        if let Err(why) = flushed {
            self.fail("the capture is not whole", &why);
        }
        self.tally
    }

    /// Waits for packets, no longer than until the next one is due: the nodes that send; whether it
    /// is to end.
    fn wait(&self, ready: &mut Vec<usize>) -> rustix::io::Result<bool> {
        let interfaces =
            || self.interfaces.iter().zip(0..).filter_map(|(file, n)| Some((file.as_ref()?, n)));
        let mut polled = vec![PollFd::new(&self.stopped, PollFlags::IN)];
        polled.extend(interfaces().map(|(file, _)| PollFd::new(file, PollFlags::IN)));
        let due = self.emulator.lock().next_due();
        let left = due.map(|due| due.since(self.clock.now()));
        // What no kernel can wait for is asked for again in a second.
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        let left = left.map(|left| Timespec::try_from(left).unwrap_or(second));
        poll(&mut polled, left.as_ref())?;
        let has_news = |at: usize| !polled[at].revents().is_empty();
        ready.clear();
        ready.extend(interfaces().zip(1..).filter(|(_, at)| has_news(*at)).map(|((_, n), _)| n));
        Ok(has_news(0))
    }

    /// Reads what a node sends.
    fn collect(&mut self, node: usize) {
        let now = self.clock.now();
        for _ in 0..TURN {
            let mut buffer = self.spare.pop().unwrap_or_else(|| Box::new([0; LONGEST]));
            let Some(file) = &self.interfaces[node] else { return };
            match read(file, &mut buffer[..]) {
                Ok(len) if len > 0 => self.on_packet(now, node, Packet { buffer, len }),
                Err(Errno::AGAIN | Errno::INTR) => {
                    self.spare.push(buffer);
                    return;
                }
                Ok(_) | Err(_) => {
                    // Nobody but us takes an interface away; whatever it is, it is over.
                    self.interfaces[node] = None;
                    return;
                }
            }
        }
    }

    fn on_packet(&mut self, now: Moment, from: usize, packet: Packet) {
        let to =
            packet::header(packet.bytes()).and_then(|header| self.nodes.get(&header.to).copied());
        let verdict = match to {
            None => Verdict::Dropped(Why::Nobody),
            Some(to) => self.emulator.lock().on_packet(now, from, to, packet.len),
        };
        match verdict {
            Verdict::Taken(number) => {
                self.packets.insert(number, packet);
            }
            Verdict::Dropped(why) => {
                self.count(why);
                if why == Why::Reset {
                    self.refuse(from, packet.bytes());
                }
                self.reuse(packet.buffer);
            }
        }
    }

    /// Tells a node at once that a packet of TCP's was refused.
    fn refuse(&self, node: usize, packet: &[u8]) {
        let interface = self.interfaces.get(node).and_then(Option::as_ref);
        if let (Some(file), Some(answer)) = (interface, packet::reset(packet)) {
            // What an interface does not take is lost.
            let _ = write(file, &answer);
        }
    }

    /// Writes what is due.
    fn deliver(&mut self) {
        let now = self.clock.now();
        loop {
            // Not held while a packet is written.
            let next = self.emulator.lock().next_delivery(now);
            let Some(Delivery { packet, to, at, dropped }) = next else { return };
            let Some(packet) = self.packets.remove(&packet) else { continue };
            let interface = self.interfaces.get(to).and_then(Option::as_ref);
            match (dropped, interface) {
                (Some(why), _) => self.count(why),
                (None, Some(file)) if write(file, packet.bytes()).is_ok() => {
                    self.tally.delivered += 1;
                    self.tally.bytes += packet.len as u64;
                    self.capture(at, packet.bytes());
                }
                (None, _) => self.count(Why::Nobody),
            }
            self.reuse(packet.buffer);
        }
    }

    fn capture(&mut self, at: Moment, bytes: &[u8]) {
        let Some(file) = &mut self.capture else { return };
        self.block.clear();
        pcapng::packet(&mut self.block, at.elapsed(), bytes);
        if let Err(why) = file.write_all(&self.block) {
            self.capture = None;
            self.fail("the capture is not whole", &why);
        }
    }

    fn count(&mut self, why: Why) {
        let counter = match why {
            Why::Queue => &mut self.tally.crowded_out,
            Why::Loss => &mut self.tally.lost,
            Why::Reset => &mut self.tally.refused,
            Why::Partition => &mut self.tally.parted,
            Why::Nobody => &mut self.tally.unknown,
        };
        *counter += 1;
    }

    fn reuse(&mut self, buffer: Buffer) {
        if self.spare.len() < SPARE {
            self.spare.push(buffer);
        }
    }

    /// Remembers what went wrong first.
    fn fail(&mut self, what: &str, why: &io::Error) {
        let why = crate::cli::exit::cause(why);
        self.tally.failed.get_or_insert_with(|| format!("{what}: {why}"));
    }
}
