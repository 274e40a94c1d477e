//! Programs in network namespaces, joined by emulated links: a transfer at a distance, and what is
//! left of it; where this machine does not allow it, that it says so.

use crate::harness::process::Process;
use crate::harness::programs::{LAB, PEER, TRACKER};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{SOON, together};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use swarmlet::cli::lab::net::{Net, NetLink};
use swarmlet::lab::outcome::RunError;

const RTT: Duration = Duration::from_millis(20);

const LINK: NetLink = NetLink { up: Some(2_000_000), rtt: RTT, queue: 1 << 20, ..NetLink::FREE };

/// What a refusal must say: why, and what to try.
fn is_plain(refusal: &RunError) -> bool {
    let text = refusal.to_string();
    let says_why = ["network namespaces are not allowed", "no TUN interface"];
    matches!(refusal, RunError::Refused(_))
        && says_why.iter().any(|why| text.contains(why))
        && text.ends_with("the backends sim and proc need no rights")
}

/// A program with these words in a node.
fn start(net: &Net, node: usize, name: &str, words: &[&str], folder: &Path) -> Process {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let wrapped = net.wrap(node, &words);
    Process::start(name, &wrapped[0], &wrapped[1..], folder)
}

/// The packets of a capture: when each arrived, and its bytes.
fn packets(capture: &[u8]) -> Vec<(Duration, &[u8])> {
    let word = |at: usize| {
        u32::from_le_bytes(capture[at..at + 4].try_into().expect("four bytes")) as usize
    };
    let (mut at, mut found) = (0, Vec::new());
    while at < capture.len() {
        // Enhanced Packet Block: type, length, interface, time in two halves, length, length.
        if word(at) == 6 {
            let nanos = (word(at + 12) as u64) << 32 | word(at + 16) as u64;
            let bytes = &capture[at + 28..at + 28 + word(at + 20)];
            found.push((Duration::from_nanos(nanos), bytes));
        }
        at += word(at + 4);
    }
    found
}

/// When the first TCP packet with exactly these flags arrived that the host 10.0.0.x had sent.
fn first(packets: &[(Duration, &[u8])], from: u8, flags: u8) -> Duration {
    let is_it = |bytes: &[u8]| bytes[9] == 6 && bytes[15] == from && bytes[33] == flags;
    let found = packets.iter().find(|(_, bytes)| is_it(bytes));
    found.unwrap_or_else(|| panic!("no packet with flags {flags:#x}")).0
}

#[test]
fn peers_in_namespaces_exchange_a_file_over_a_distance_that_the_capture_shows() {
    let _turn = together();
    let scratch = Scratch::new("lab-net");
    let capture = scratch.at("net.pcapng");
    let net = match Net::open_with(Path::new(LAB), &[LINK; 3], 1, Some(&capture)) {
        Ok(net) => net,
        Err(refusal) => {
            assert!(is_plain(&refusal), "{refusal}");
            return;
        }
    };
    let file = scratch.file("talk.bin", 300_000, 1);
    let at = format!("{}:6969", net.address(0));
    let tracker = [TRACKER, "--json", "--listen", &at];
    let mut tracker = start(&net, 0, "tracker", &tracker, scratch.path());
    tracker.wait_for("start", SOON);
    let from = file.to_str().expect("a path in UTF-8");
    let seeder = [PEER, "--json", "--tracker", &at, "--seed", from];
    let mut seeder = start(&net, 1, "seeder", &seeder, scratch.path());
    seeder.wait_for("seeding", SOON);
    let into = scratch.folder("into");
    let leecher = [PEER, "--json", "--tracker", &at, "--leech", "talk.bin", "--seed-time", "0"];
    let leecher = [&leecher[..], &["--download-dir", into.to_str().expect("UTF-8")]].concat();
    let mut leecher = start(&net, 2, "leecher", &leecher, scratch.path());
    leecher.expect_exit(0, SOON);
    seeder.stop(0);
    tracker.stop(0);
    assert_same(&file, &into.join("talk.bin"));
    let tally = net.close().expect("nothing failed");
    assert!(tally.bytes > 300_000, "{tally:?}");
    let capture = fs::read(&capture).expect("the capture is there");
    let packets = packets(&capture);
    assert_eq!(packets.len() as u64, tally.delivered);
    assert!(packets.iter().all(|(_, bytes)| bytes[0] == 0x45), "every packet is IPv4");
    let (syn, answer) = (first(&packets, 3, 0x02), first(&packets, 2, 0x12));
    assert!(answer >= syn + RTT / 2, "SYN {syn:?}, SYN and ACK {answer:?}");
}

#[test]
fn a_node_too_many_is_refused_before_anything_is_tried() {
    let begun = Instant::now();
    let refusal = Net::open_with(Path::new("/nowhere/lab"), &[LINK; 65], 1, None).err();
    let text = refusal.expect("65 are too many").to_string();
    assert!(text.starts_with("65 nodes are too many"), "{text}");
    assert!(begun.elapsed() < SOON);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let _turn = together();
    let scratch = Scratch::new("lab-net-nobody");
    let net = match Net::open_with(Path::new(LAB), &[LINK], 1, None) {
        Ok(net) => net,
        Err(refusal) => {
            assert!(is_plain(&refusal), "{refusal}");
            return;
        }
    };
    let mut nobody = start(&net, 0, "nobody", &["/nowhere/peer"], scratch.path());
    nobody.expect_exit(1, SOON);
    let said = nobody.stderr();
    assert!(said.contains("cannot start /nowhere/peer"), "{said}");
    drop(net);
}
