//! A namespace of our own with one interface, made by a process that does nothing else.
//!
//! The process must have one thread: a namespace of users is refused to more.

use super::netlink::{self, Table};
use crate::cli::exit::cause;
use nix::sched::{CloneFlags, unshare};
use rustix::process::{getegid, geteuid};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use tappers::Interface;
use tappers::linux::Tun;

/// What it is called inside.
const NAME: &str = "tun0";

/// All nodes are in one network: nobody needs a route.
const PREFIX: u8 = 8;

/// How the kernel's TCP reacts to loss inside, the first that may be had: what books describe, so that
/// a scenario says the same on machines whose own choice is another. One whose kernel allows neither
/// keeps its own.
const CONGESTION: [&str; 2] = ["cubic", "reno"];

/// The index of `lo`, which every namespace has first.
const LOOPBACK: u32 = 1;

/// Leaves this machine's network for one of our own, which has nothing yet; whether for other users
/// as well.
///
/// # Errors
/// A sentence: this machine does not allow it.
pub fn leave() -> Result<bool, String> {
    let refused = |why: nix::Error| {
        let why = cause(&io::Error::from(why));
        format!("network namespaces are not allowed here (unshare: {why})")
    };
    // Who has no right to do it has it in a namespace of users of its own.
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return Ok(false);
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).map_err(refused)?;
    // In it we are who we were.
    let say = |file: &str, text: String| {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).map_err(|why| {
            format!("network namespaces are not allowed here ({path}: {})", cause(&why))
        })
    };
    say("setgroups", "deny".into())?;
    say("uid_map", format!("{user} {user} 1"))?;
    say("gid_map", format!("{group} {group} 1"))?;
    Ok(true)
}

/// Makes the interface, with an address, in use. Its packets are read from and written to what is
/// returned; it goes when that is closed everywhere.
///
/// # Errors
/// A sentence: this machine does not allow it.
pub fn make(address: Ipv4Addr) -> Result<Tun, String> {
    let refused = |step: &str| {
        let step = step.to_owned();
        move |why: io::Error| {
            format!("no TUN interface is to be had here ({step}: {})", cause(&why))
        }
    };
    let name = Interface::new(NAME).map_err(refused(NAME))?;
    let tun = Tun::create_named(name).map_err(refused("/dev/net/tun"))?;
    let index = name.index().map_err(refused(NAME))?;
    // A setting of this network alone.
    let set = |name: &str| fs::write("/proc/sys/net/ipv4/tcp_congestion_control", name).is_ok();
    CONGESTION.iter().any(|name| set(name));
    let table = Table::open().map_err(refused("netlink"))?;
    // A program that calls itself does so over the loopback, whatever the address.
    table.ask(&netlink::up(LOOPBACK)).map_err(refused("lo"))?;
    table.ask(&netlink::address(index, address, PREFIX)).map_err(refused("address"))?;
    table.ask(&netlink::up(index)).map_err(refused("up"))?;
    Ok(tun)
}
