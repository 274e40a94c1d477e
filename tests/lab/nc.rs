//! `lab nc` from a pipe, against a real tracker and a real peer.

use crate::harness::process::Process;
use crate::harness::programs::{LAB, seeder, tracker};
use crate::harness::scratch::Scratch;
use crate::harness::{SOON, together};
use std::io::Write;
use std::net::SocketAddr;

/// Types lines; where one is `..WORDS`, it is waited until a line of the answer has these words. What
/// was printed on stdout, and on stderr.
fn talk(at: SocketAddr, flags: &str, lines: &str) -> (String, String) {
    let at = at.to_string();
    let mut words = vec!["nc", &at];
    words.extend(flags.split_whitespace());
    let (mut nc, mut stdin) = Process::start_spoken("nc", LAB, &words, &std::env::temp_dir());
    for line in lines.lines() {
        match line.strip_prefix("..") {
            Some(words) => {
                nc.wait_plain(0, SOON, |said| said.iter().any(|line| line.contains(words)));
            }
            None => writeln!(stdin, "{line}").expect("it reads"),
        }
    }
    drop(stdin);
    nc.expect_exit(0, SOON);
    (nc.plain().join("\n"), nc.stderr())
}

#[test]
fn a_tracker_is_spoken_to_by_datagrams_and_by_a_stream() {
    let _turn = together();
    let tracker = tracker("");
    // The cookie of the first answer goes into the second question.
    let lines = "HELLO\n..COOKIE\nREQUEST info_hash=2b*32 port=6881\nGETCOUNT\n..ERROR";
    let (said, mistakes) = talk(tracker.address, "--udp", lines);
    assert!(said.starts_with("> HELLO seq=1 version=1\n    0000  53 57 54 31 10 82"), "{said}");
    assert!(said.contains("\n< COOKIE seq=1 cookie="), "{said}");
    assert!(said.contains("\n> REQUEST seq=2 cookie="), "{said}");
    assert!(said.contains("\n< ERROR seq=2 code=2 message=\""), "{said}");
    assert!(mistakes.contains("no message is called GETCOUNT: help lists them"), "{mistakes}");
    let (said, _) =
        talk(tracker.address, "--tracker", "LOOKUP name=big.zip\n..LISTING\nhelp FETCH");
    assert!(
        said.starts_with("> the magic\n    0000  53 57 54 31\n> LOOKUP name=big.zip"),
        "{said}"
    );
    assert!(said.contains("\n< LISTING more=false\n    0000  00 00 00 08 21 81"), "{said}");
    assert!(said.contains("\nFETCH info_hash=32 bytes in hexadecimal, such as 2b*32"), "{said}");
}

#[test]
fn a_peer_is_spoken_to_in_words_and_in_bytes() {
    let _turn = together();
    let scratch = Scratch::new("nc");
    let tracker = tracker("");
    let file = scratch.file("a.bin", 100_000, 7);
    let peer = seeder("seeder", tracker.address, &file, "");
    let event = peer.wait_for("seeding", SOON);
    let hash = event["info_hash_v2"].as_str().expect("a hash").to_owned();
    let lines = format!(
        "HELLO info_hash={hash} peer_id=61*20\nHAVE_NONE\n..< HAVE\nraw 00 00 00 02 11 80\n\
         ..CHUNK_COUNT\nwait 1ms\nPING number=7\n..PONG number=7"
    );
    let (said, _) = talk(peer.address, "", &lines);
    assert!(
        said.contains("\n< the magic\n    0000  53 57 50 31\n< STATE state=available"),
        "{said}"
    );
    assert!(said.contains("\n< HAVE"), "{said}");
    assert!(said.contains("> bytes\n"), "{said}");
    assert!(said.contains("\n< CHUNK_COUNT count="), "{said}");
    assert!(said.contains("\n< PONG number=7\n"), "{said}");
    let (said, _) = talk(peer.address, "--no-magic", "raw 58*4\n..closed");
    assert!(said.ends_with("the other side closed the connection"), "{said}");
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let _turn = together();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let at = free.local_addr().expect("an address").to_string();
    drop(free);
    let mut nc = Process::start("nc", LAB, &["nc", &at], &std::env::temp_dir());
    nc.expect_exit(3, SOON);
    assert!(nc.stderr().contains(&format!("{at} does not answer")), "{}", nc.stderr());
}
