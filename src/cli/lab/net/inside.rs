//! `lab inside`, which help does not list: processes of the lab that leave this machine's network.
//!
//! ```text
//! lab inside make ADDRESS              a new namespace with an interface; their files go out by
//!                                      the socket that stdin is, and keep them alive
//! lab inside run NET USER -- PROGRAM   into a namespace by its file in /proc; USER is - if it is
//!                                      one of this machine's users; then it becomes PROGRAM
//! ```
//! The process id stays, so whoever starts a program so has the program itself.

use super::interface;
use crate::cli::exit::{CliError, Exit, cause};
use nix::sched::{CloneFlags, setns};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The word.
pub const COMMAND: &str = "inside";

/// Makes a namespace.
pub const MAKE: &str = "make";

/// Runs a program in one.
pub const RUN: &str = "run";

/// No file.
pub const NONE: &str = "-";

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside {
    /// A namespace is to be made, for a node with this address.
    Make(Ipv4Addr),
    /// A program is to run in one.
    Run {
        /// The namespace's file.
        net: String,
        /// That of its users, if they are others.
        user: Option<String>,
        /// The program and its words.
        words: Vec<String>,
    },
}

impl Inside {
    /// Reads the words behind `inside`.
    pub fn read(words: &[String]) -> Result<Self, CliError> {
        let read = match words {
            [word, address] if word == MAKE => address.parse().ok().map(Self::Make),
            [word, net, user, dashes, words @ ..]
                if word == RUN && dashes == "--" && !words.is_empty() =>
            {
                let user = (user != NONE).then(|| user.clone());
                Some(Self::Run { net: net.clone(), user, words: words.to_vec() })
            }
            _ => None,
        };
        read.ok_or_else(|| CliError::usage("lab inside is for the lab itself: try lab --help"))
    }

    /// Does it; a program that was started does not return.
    pub fn enter(&self) -> Result<(), CliError> {
        let done = match self {
            Self::Make(address) => make(*address),
            Self::Run { net, user, words } => run(net, user.as_deref(), words),
        };
        done.map_err(|why| CliError::new(Exit::Failed, why))
    }
}

fn make(address: Ipv4Addr) -> Result<(), String> {
    let has_users = interface::leave()?;
    let tun = interface::make(address)?;
    let of = |kind: &str| {
        let path = format!("/proc/self/ns/{kind}");
        File::open(&path).map_err(|why| format!("cannot open {path}: {}", cause(&why)))
    };
    let net = of("net")?;
    let user = if has_users { Some(of("user")?) } else { None };
    let mut files = vec![tun.as_fd(), net.as_fd()];
    files.extend(user.as_ref().map(AsFd::as_fd));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&files));
    // A message has one byte at least.
    let sent = sendmsg(io::stdin(), &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL);
    sent.map(|_| ()).map_err(|why| format!("stdin is no socket of the lab ({why})"))
}

fn run(net: &str, user: Option<&str>, words: &[String]) -> Result<(), String> {
    // Open both before the first is entered: the other users may not.
    let open = |path: &str| {
        File::open(path).map_err(|why| format!("the lab is gone ({path}: {})", cause(&why)))
    };
    let net = open(net)?;
    let user = user.map(open).transpose()?;
    let enter = |file: &File, kind: CloneFlags| {
        setns(file, kind).map_err(|why| {
            let why = cause(&io::Error::from(why));
            format!("network namespaces are not allowed here (setns: {why})")
        })
    };
    user.iter().try_for_each(|user| enter(user, CloneFlags::CLONE_NEWUSER))?;
    enter(&net, CloneFlags::CLONE_NEWNET)?;
    let (program, rest) = words.split_first().expect("read refuses none");
    let why = Command::new(program).args(rest).exec();
    Err(format!("cannot start {program} ({}): is it installed beside lab?", cause(&why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_are_those_that_the_lab_makes() {
        let read = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Inside::read(&words).ok()
        };
        assert_eq!(read("make 10.0.0.4"), Some(Inside::Make(Ipv4Addr::new(10, 0, 0, 4))));
        let words = vec!["peer".into(), "--".into(), "x".into()];
        let run = Inside::Run { net: "/a".into(), user: None, words: words.clone() };
        assert_eq!(read("run /a - -- peer -- x"), Some(run));
        let run = Inside::Run { net: "/a".into(), user: Some("/b".into()), words };
        assert_eq!(read("run /a /b -- peer -- x"), Some(run));
        for line in ["", "make", "make x", "make ::1", "run /a - --", "run /a -- peer", "run"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
