//! Namespaces: programs of this machine, each as if on a machine of its own, joined by links that
//! are slow, long and lossy as a scenario says.
//!
//! ```text
//!  namespace of node 0                  thread `lab-net`                 namespace of node 1
//!  peer -- its kernel's TCP -- tun0 <=====> emulator <=====> tun0 -- its kernel's TCP -- peer
//!       10.0.0.1                              |                      10.0.0.2
//!                                        a capture
//! ```
//! Namespaces are made by processes of our own hidden command ([`inside`]), which end at once and
//! leave us the files that keep them alive; the same command runs a program in one. A node is a
//! machine: its programs come and go. Once [`Net`] and its programs are gone nothing is left, no
//! process, no interface, no file.

/// `lab inside`: makes a namespace, or runs a program in one.
pub mod inside;

/// The thread between all interfaces.
mod forward;

/// Interfaces, from the inside of their namespace.
mod interface;

/// Messages to the kernel's table of interfaces.
mod netlink;

pub use crate::lab::emulator::NetLink;
pub use forward::Tally;

use crate::cli::exit::cause;
use crate::clock::Clock;
use crate::lab::emulator::Emulator;
use crate::lab::outcome::RunError;
use forward::Forwarder;
use parking_lot::Mutex;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio, id};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// The most nodes: each is a namespace with its own tables, and a process.
pub const MOST_NODES: usize = 64;

/// Nodes in each block of 256 addresses: none ends in 0 or 255.
const IN_BLOCK: usize = 250;

/// Nodes that are joined; dropped, nothing is left.
pub struct Net {
    /// Our own program, which runs others inside.
    lab: String,
    /// What keeps each node's namespace alive.
    rooms: Vec<Room>,
    /// The emulator's clock.
    clock: Clock,
    emulator: Arc<Mutex<Emulator>>,
    /// Closed to end the forwarder.
    stop: Option<UnixStream>,
    forwarder: Option<JoinHandle<Tally>>,
}

/// A namespace, by its file and by that of its users, if they are others.
struct Room {
    net: OwnedFd,
    user: Option<OwnedFd>,
}

impl Net {
    /// Joins as many nodes as there are links, in which nothing runs yet. `seed` is where the dice
    /// of loss and jitter come from; `capture` is a new file for what is delivered.
    ///
    /// # Errors
    /// This machine does not allow it, and why.
    pub fn open(links: &[NetLink], seed: u64, capture: Option<&Path>) -> Result<Self, RunError> {
        let lab = std::env::current_exe().map_err(|why| failed("find the lab's program", &why))?;
        Self::open_with(&lab, links, seed, capture)
    }

    /// The same from a program that is not the lab: `lab` is where that is.
    ///
    /// # Errors
    /// As for [`Net::open`].
    pub fn open_with(
        lab: &Path,
        links: &[NetLink],
        seed: u64,
        capture: Option<&Path>,
    ) -> Result<Self, RunError> {
        if links.len() > MOST_NODES {
            let asked = links.len();
            return Err(RunError::Refused(format!(
                "{asked} nodes are too many for network namespaces: at most {MOST_NODES}, the \
                 tracker among them (the backends sim and proc have room for more)"
            )));
        }
        let lab = lab.to_str().ok_or_else(|| {
            let place = lab.display();
            RunError::Refused(format!("the path {place} is not UTF-8: move the programs"))
        })?;
        let (mut nodes, mut rooms) = (Vec::new(), Vec::new());
        for address in (0..links.len()).map(address) {
            let (interface, room) = make(lab, address)?;
            nodes.push((address, interface));
            rooms.push(room);
        }
        let (stop, stopped) = UnixStream::pair().map_err(|why| failed("open a socket", &why))?;
        let clock = Clock::start(1.0);
        let emulator = Arc::new(Mutex::new(Emulator::new(links, seed)));
        let mut forwarder = Forwarder::new(stopped, nodes, Arc::clone(&emulator), clock)
            .map_err(|why| failed("watch the interfaces", &why))?;
        if let Some(path) = capture {
            let place = path.display();
            forwarder
                .capture_to(path)
                .map_err(|why| failed(&format!("write the capture {place}"), &why))?;
        }
        let thread = Builder::new().name("lab-net".into()).spawn(move || forwarder.run());
        let thread = thread.map_err(|why| failed("start a thread", &why))?;
        let (stop, forwarder) = (Some(stop), Some(thread));
        Ok(Self { lab: lab.into(), rooms, clock, emulator, stop, forwarder })
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.rooms.len()
    }

    /// The address of a node, as it and all others see it.
    pub fn address(&self, node: usize) -> Ipv4Addr {
        address(node)
    }

    /// The words that run a program inside a node: they are a process that becomes the program.
    ///
    /// # Panics
    /// There is no such node.
    pub fn wrap(&self, node: usize, words: &[String]) -> Vec<String> {
        let room = &self.rooms[node];
        let path = |file: &OwnedFd| format!("/proc/{}/fd/{}", id(), file.as_raw_fd());
        let user = room.user.as_ref().map_or_else(|| inside::NONE.into(), path);
        let mut all = vec![self.lab.clone(), inside::COMMAND.into(), inside::RUN.into()];
        all.extend([path(&room.net), user, "--".into()]);
        all.extend(words.iter().cloned());
        all
    }

    /// Nothing passes between a node and all others until then; what is on its way is lost.
    pub fn partition(&self, node: usize, until: Instant) {
        let length = until.saturating_duration_since(Instant::now());
        self.emulator.lock().partition(node, self.clock.now() + length);
    }

    /// What a node sends and receives from now on has these rates, in bytes per second; `None` is
    /// as fast as can be.
    pub fn set_rate(&self, node: usize, up: Option<u64>, down: Option<u64>) {
        self.emulator.lock().set_rate(node, up, down);
    }

    /// Ends it: what passed.
    ///
    /// # Errors
    /// The forwarder failed, or the capture is not whole: what passed is not what was to pass.
    pub fn close(mut self) -> Result<Tally, RunError> {
        let tally = self.end().unwrap_or_default();
        match &tally.failed {
            Some(why) => Err(RunError::Failed(why.clone())),
            None => Ok(tally),
        }
    }

    fn end(&mut self) -> Option<Tally> {
        drop(self.stop.take());
        // It ends by a panic only, which has been reported.
        self.forwarder.take().and_then(|thread| thread.join().ok())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.end();
    }
}

/// The address of a node: in 10.0.0.0/8, which is nobody's but ours inside.
fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, (node / IN_BLOCK) as u8, (node % IN_BLOCK + 1) as u8)
}

/// Makes a node's namespace: its interface's file, and what keeps it alive.
fn make(lab: &str, address: Ipv4Addr) -> Result<(OwnedFd, Room), RunError> {
    let (ours, theirs) = UnixStream::pair().map_err(|why| failed("open a socket", &why))?;
    let mut command = Command::new(lab);
    command.args([inside::COMMAND, inside::MAKE, &address.to_string()]);
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(|why| failed(&format!("start {lab}"), &why))?;
    // Its end of the socket is not to be waited for.
    drop(command);
    if !output.status.success() {
        return Err(refusal(&String::from_utf8_lossy(&output.stderr)));
    }
    let mut files = receive(&ours).map_err(|why| failed("take an interface", &why))?.into_iter();
    let (Some(interface), Some(net)) = (files.next(), files.next()) else {
        return Err(RunError::Failed("lab inside made no interface".into()));
    };
    Ok((interface, Room { net, user: files.next() }))
}

/// The files that a process has sent.
fn receive(from: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut byte)];
    recvmsg(from, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    Ok(files.flatten().collect())
}

/// Why this machine does not allow it, from what the process said that tried.
fn refusal(said: &str) -> RunError {
    let why = said.lines().last().unwrap_or("lab inside said nothing");
    let why = why.strip_prefix("lab: ").unwrap_or(why);
    RunError::Refused(format!(
        "{why}: run as root, or ask who runs this machine for user namespaces and /dev/net/tun; \
         the backends sim and proc need no rights"
    ))
}

fn failed(what: &str, why: &io::Error) -> RunError {
    RunError::Failed(format!("cannot {what}: {}", cause(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_an_address_of_its_own() {
        let all: std::collections::BTreeSet<_> = (0..1000).map(address).collect();
        assert_eq!(all.len(), 1000);
        assert_eq!(address(0), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(address(249), Ipv4Addr::new(10, 0, 0, 250));
        assert_eq!(address(250), Ipv4Addr::new(10, 0, 1, 1));
    }
}
