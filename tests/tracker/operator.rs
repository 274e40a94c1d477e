//! What an operator expects of the tracker's program: pages, a state, a list, lines of JSON.

use crate::harness::process::Process;
use crate::harness::programs::{Listening, PEER, TRACKER, create, seeder, tracker, wait_seeders};
use crate::harness::scratch::Scratch;
use crate::harness::{SOON, together, until};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use swarmlet::ids::InfoHashV2;
use swarmlet::node::trackers::{TrackerError, calls};

/// A v2 .torrent of one small file, and its info-hash.
fn torrent(name: &str, salt: u32) -> (InfoHashV2, Vec<u8>) {
    let length = name.len();
    let info = format!(
        "d9:file treed{length}:{name}d0:d6:lengthi40000e11:pieces root32:{salt:032}eee\
         12:meta versioni2e4:name{length}:{name}12:piece lengthi65536ee"
    );
    let hash = InfoHashV2(Sha256::digest(&info).into());
    (hash, format!("d4:info{info}e").into_bytes())
}

fn publish(tracker: &Listening, name: &str, salt: u32) -> InfoHashV2 {
    let (hash, bytes) = torrent(name, salt);
    calls::publish(tracker.address, None, hash, name, &bytes).expect("it is taken");
    hash
}

fn names(tracker: SocketAddr) -> Vec<String> {
    let mut names: Vec<_> =
        calls::list(tracker, None).expect("a list").into_iter().map(|c| c.name).collect();
    names.sort();
    names
}

/// Asks over HTTP: head and body.
fn http(tracker: SocketAddr, method: &str, target: &str) -> (String, String) {
    let mut stream = TcpStream::connect(tracker).expect("the tracker listens");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8 until the end");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

fn announce(tracker: SocketAddr, hash: &str, port: u16) -> String {
    let bytes: Vec<_> = (0..hash.len()).step_by(2).map(|at| &hash[at..at + 2]).collect();
    let hash = format!("%{}", bytes.join("%"));
    let fields = "peer_id=12345678901234567890&uploaded=0&downloaded=0&left=5&compact=1";
    http(tracker, "GET", &format!("/announce?info_hash={hash}&port={port}&{fields}")).1
}

fn with_state(file: &Path) -> Listening {
    tracker(&format!("--state {}", file.display()))
}

#[test]
fn the_pages_answer_over_http_and_a_head_has_no_body() {
    let _turn = together();
    let tracker = tracker("");
    let hash = publish(&tracker, "film.bin", 1);
    let swarm = format!("/swarm/{hash}");
    for (target, part) in [
        ("/", "film.bin"),
        (&swarm, "film.bin"),
        ("/stats.json", "\"published\":1"),
        ("/metrics", "\nswarmlet_tracker_published 1\n"),
        ("/style.css", "prefers-color-scheme"),
    ] {
        let (head, body) = http(tracker.address, "GET", target);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {head}");
        assert!(body.contains(part), "{target}: {body}");
        let (only, nothing) = http(tracker.address, "HEAD", target);
        assert!(only.starts_with("HTTP/1.1 200 OK\r\n") && nothing.is_empty(), "{target}");
    }
    let (head, _) = http(tracker.address, "GET", "/nothing");
    assert!(head.starts_with("HTTP/1.1 404 "));
}

#[test]
fn what_was_published_is_there_after_a_stop_and_what_was_there_long_after_a_crash() {
    let _turn = together();
    let scratch = Scratch::new("state");
    let file = scratch.at("tracker.state");
    let mut first = with_state(&file);
    publish(&first, "film.bin", 1);
    publish(&first, "big.zip", 2);
    let asked = Instant::now();
    first.stop(0);
    assert!(asked.elapsed() < Duration::from_secs(3), "a stop takes {:?}", asked.elapsed());
    let mut second = with_state(&file);
    assert_eq!(names(second.address), ["big.zip", "film.bin"]);
    let (hash, bytes) = torrent("film.bin", 1);
    assert_eq!(calls::fetch(second.address, None, hash), Ok(bytes));
    let before = fs::read(&file).expect("it is there");
    publish(&second, "third", 3);
    until("the change is saved", SOON, || {
        (fs::read(&file).expect("never gone, never half") != before).then_some(())
    });
    second.kill();
    assert_eq!(names(with_state(&file).address), ["big.zip", "film.bin", "third"]);
    assert!(!scratch.at("tracker.state.new").exists());
}

#[test]
fn a_corrupt_state_is_put_aside_and_named_and_the_tracker_starts_without_it() {
    let _turn = together();
    let scratch = Scratch::new("corrupt");
    let file = scratch.at("tracker.state");
    let mut first = with_state(&file);
    publish(&first, "film.bin", 1);
    first.stop(0);
    let mut bytes = fs::read(&file).expect("it was written");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).expect("it can be altered");
    let second = with_state(&file);
    assert_eq!(names(second.address), [""; 0]);
    let aside = scratch.at("tracker.state.corrupt");
    assert_eq!(fs::read(&aside).expect("it was kept"), bytes);
    let words = format!("{} is no state", file.display());
    second.wait_stderr("which file it is", SOON, |text| text.contains(&words));
    assert_eq!(second.stderr().matches("WARN").count(), 1, "{}", second.stderr());
}

#[test]
fn a_state_that_cannot_be_written_is_said_at_the_start() {
    let _turn = together();
    let words = ["--listen", "127.0.0.1:0", "--state", "/nowhere/tracker.state"];
    let mut refused = Process::start("tracker", TRACKER, &words, &std::env::temp_dir());
    refused.expect_exit(8, SOON);
    let said = refused.stderr();
    assert!(said.contains("cannot write /nowhere/tracker.state.new (no such file"), "{said}");
}

#[test]
fn a_list_is_obeyed_and_read_again_at_sighup_and_a_wrong_one_changes_nothing() {
    let _turn = together();
    let scratch = Scratch::new("allow");
    let file = scratch.at("list");
    let (one, two) = ("01".repeat(20), "02".repeat(20));
    fs::write(&file, format!("# one\n{one}\n")).expect("a list");
    let mut tracker = tracker(&format!("--allow {}", file.display()));
    let refused = |answer: &str| answer.contains("not on this tracker's list");
    assert!(!refused(&announce(tracker.address, &one, 7)));
    assert!(refused(&announce(tracker.address, &two, 7)));
    let (hash, bytes) = torrent("film.bin", 1);
    let error = calls::publish(tracker.address, None, hash, "film.bin", &bytes).unwrap_err();
    let TrackerError::Refused { .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains("not on this tracker's list"), "{error}");

    fs::write(&file, format!("{two}\n{hash} film.bin\n")).expect("another");
    tracker.signal("HUP");
    until("the other list holds", SOON, || {
        (!refused(&announce(tracker.address, &two, 7))).then_some(())
    });
    assert!(refused(&announce(tracker.address, &one, 7)));
    calls::publish(tracker.address, None, hash, "film.bin", &bytes).expect("it is listed");

    fs::write(&file, format!("{one}\n\nnonsense\n")).expect("a wrong one");
    tracker.signal("HUP");
    let words = "line 3: \"nonsense\" is no info-hash";
    tracker.wait_stderr("which line is wrong", SOON, |text| text.contains(words));
    assert!(refused(&announce(tracker.address, &one, 7)) && tracker.is_running());
    assert!(!refused(&announce(tracker.address, &two, 7)));
    tracker.stop(0);

    let words = ["--listen", "127.0.0.1:0", "--allow", file.to_str().expect("UTF-8")];
    let mut wrong = Process::start("tracker", TRACKER, &words, &std::env::temp_dir());
    wrong.expect_exit(2, SOON);
    assert!(wrong.stderr().contains("line 3"), "{}", wrong.stderr());
}

#[test]
fn the_pieces_of_every_node_are_listed_and_a_clients_swarm_is_scraped() {
    let _turn = together();
    let scratch = Scratch::new("pieces");
    let tracker = tracker("");
    let file = scratch.file("src/film.bin", 1 << 20, 5);
    let torrent = scratch.at("film.torrent");
    let seeder = seeder("seeder", tracker.address, &file, "--piece-length 64KiB");
    wait_seeders(tracker.address, "film.bin", 1, SOON);
    let list = |flags: &str| {
        let words = format!("list --tracker {} {flags}", tracker.address);
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut list = Process::start("list", PEER, &words, scratch.path());
        list.expect_exit(0, SOON);
        (list.plain(), list.events())
    };
    let (lines, _) = list("--pieces");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let node = format!("{} ", seeder.address);
    assert!(lines[1].contains(&node) && lines[1].ends_with(&"█".repeat(16)), "{lines:?}");
    let (_, objects) = list("--pieces --json");
    assert_eq!(objects[0]["nodes"][0]["have"], "all");
    assert_eq!(list("--json").1[0]["nodes"], serde_json::Value::Null);

    create(&file, &torrent, "--piece-length 64KiB");
    let url = format!("udp://{}/announce", tracker.address);
    let words = ["scrape", "film.torrent", "--json", "--tracker", &url];
    let mut scrape = Process::start("scrape", PEER, &words, scratch.path());
    scrape.expect_exit(0, SOON);
    let seeders: Vec<_> = scrape.events().iter().map(|e| e["seeders"].clone()).collect();
    assert_eq!(seeders, [1, 1], "by its v1 hash and by its v2 hash");
}

#[test]
fn what_happens_is_lines_of_json_and_a_flood_of_garbage_is_one_line() {
    let _turn = together();
    let tracker = tracker("--max-per-ip 1 --max-torrents 1 --max-peers 1");
    let hash = publish(&tracker, "film.bin", 1);
    let event = tracker.wait_for("published", SOON);
    assert_eq!(
        (&event["name"], &event["info_hash_v2"]),
        (&"film.bin".into(), &hash.to_string().into())
    );
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    // A million say so in SWARMLET_GARBAGE.
    let count = std::env::var("SWARMLET_GARBAGE").ok().and_then(|count| count.parse().ok());
    let mut rng = fastrand::Rng::with_seed(2);
    let mut noise = vec![0; 1500];
    rng.fill(&mut noise);
    for _ in 0..count.unwrap_or(10_000) {
        let datagram = &noise[rng.usize(..1400)..][..rng.usize(..100)];
        // A queue that is full loses it, which is the system's business.
        let _ = socket.send_to(datagram, tracker.address);
    }
    let heard = |kind: &str| {
        tracker.events_of(kind).iter().filter_map(|event| event["count"].as_u64()).sum::<u64>()
    };
    // The system drops what a socket has no room for.
    let counted = || {
        let figures: serde_json::Value =
            serde_json::from_str(&http(tracker.address, "GET", "/stats.json").1).expect("JSON");
        figures["malformed"].as_u64().expect("a number")
    };
    let told = until("all is told", SOON, || {
        let told = heard("malformed");
        (told > 0 && told == counted()).then_some(told)
    });
    let lines = tracker.events_of("malformed").len() as u64;
    assert!(told > 100 && lines * 10 < told, "{lines} lines for {told} datagrams");
    assert_eq!(tracker.stderr().lines().count(), 2, "{}", tracker.stderr());
    let lengths = tracker.events().iter().map(|event| event.to_string().len()).sum::<usize>();
    let said = lengths + tracker.stderr().len();
    assert!(said < 1 << 20, "{said} bytes of words");
}
