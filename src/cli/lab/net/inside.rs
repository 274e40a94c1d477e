//! `lab inside`, which help does not list: a process that makes a namespace and becomes a program.
//!
//! ```text
//! lab inside NODE ADDRESS DOOR -- PROGRAM WORDS..
//! lab inside probe                        whether this machine allows it
//!
//! connect to DOOR --> leave the network --> make tun0 --> its file to DOOR --> a byte --> PROGRAM
//! ```
//! The process id stays, so whoever started it has the program itself. The byte says that the lab
//! has the interface: no packet of the program is lost for want of somebody who reads it.

use super::interface;
use crate::cli::exit::{CliError, Exit, cause};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The word.
pub const COMMAND: &str = "inside";

/// Instead of a node: tries, and ends.
pub const PROBE: &str = "probe";

/// Where a program is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside {
    /// Nowhere: whether it could.
    Probe,
    /// In a namespace of its own.
    Run {
        /// The node's number.
        node: u32,
        /// Its address.
        address: Ipv4Addr,
        /// The abstract name of the socket that takes the interface.
        door: String,
        /// The program and its words.
        words: Vec<String>,
    },
}

impl Inside {
    /// Reads the words behind `inside`.
    pub fn read(words: &[String]) -> Result<Self, CliError> {
        match words {
            [word] if word == PROBE => Some(Self::Probe),
            [node, address, door, dashes, program @ ..]
                if dashes == "--" && !program.is_empty() =>
            {
                let (node, address) = (node.parse().ok(), address.parse().ok());
                node.zip(address).map(|(node, address)| Self::Run {
                    node,
                    address,
                    door: door.clone(),
                    words: program.to_vec(),
                })
            }
            _ => None,
        }
        .ok_or_else(|| CliError::usage("lab inside is for the lab itself: try lab --help"))
    }

    /// Becomes the program; returns only if nothing is to be run, or if it could not.
    pub fn enter(&self) -> Result<(), CliError> {
        self.become_it().map_err(|why| CliError::new(Exit::Failed, why))
    }

    fn become_it(&self) -> Result<(), String> {
        let Self::Run { node, address, door, words } = self else {
            interface::leave()?;
            return interface::make(Ipv4Addr::new(10, 0, 0, 1)).map(|_| ());
        };
        // Names of sockets belong to a network: this one is left next.
        let lab = SocketAddr::from_abstract_name(door).and_then(|at| UnixStream::connect_addr(&at));
        let no_lab = |why: io::Error| format!("the lab does not answer ({})", cause(&why));
        let mut lab = lab.map_err(no_lab)?;
        interface::leave()?;
        let tun = interface::make(*address)?;
        give(&lab, *node, tun.as_fd()).map_err(no_lab)?;
        lab.read_exact(&mut [0]).map_err(no_lab)?;
        drop((tun, lab));
        let (program, rest) = words.split_first().expect("read refuses none");
        let why = Command::new(program).args(rest).exec();
        Err(format!("cannot start {program} ({}): is it installed beside lab?", cause(&why)))
    }
}

/// Gives an interface's file to the lab, with the number of its node.
fn give(lab: &UnixStream, node: u32, file: BorrowedFd<'_>) -> io::Result<()> {
    let files = [file];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&files));
    let number = node.to_le_bytes();
    sendmsg(lab, &[IoSlice::new(&number)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_are_a_node_an_address_a_door_and_a_program() {
        let read = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Inside::read(&words).ok()
        };
        assert_eq!(read("probe"), Some(Inside::Probe));
        let run = Inside::Run {
            node: 3,
            address: Ipv4Addr::new(10, 0, 0, 4),
            door: "d".into(),
            words: vec!["peer".into(), "--".into(), "x".into()],
        };
        assert_eq!(read("3 10.0.0.4 d -- peer -- x"), Some(run));
        for line in ["", "probe x", "3 10.0.0.4 d --", "3 10.0.0.4 d peer x", "x 10.0.0.4 d -- p"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
