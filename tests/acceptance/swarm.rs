//! The acceptance tests about what a swarm does: liars, deaths, names, many and slow peers.
//!
//! The numbers in the comments are those of the list of acceptance tests; the others are in
//! `acceptance_tracker.rs` and `acceptance_files.rs`.

use crate::harness::hostile::{Caller, Content, Hostile, Lie};
use crate::harness::process::{Process, Usage};
use crate::harness::programs::{
    create, leecher, leecher_of, peer, quick_tracker, seeder, seeder_of, tracker, tracker_at,
    wait_seeders,
};
use crate::harness::relay::Relay;
use crate::harness::scratch::{Scratch, assert_same, copy};
use crate::harness::{DOWNLOAD, SOON, alone, together, until};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};
use swarmlet::ids::{PieceIndex, Span};
use swarmlet::protocol::message::Message;

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// Where a hostile peer listens.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Quick timers, small pieces: what a test of seconds needs.
const PIECES: &str = "--piece-length 64KiB";

fn number(event: &serde_json::Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("no {field} in {event}"))
}

fn decimal(event: &serde_json::Value, field: &str) -> f64 {
    event[field].as_f64().unwrap_or_else(|| panic!("no {field} in {event}"))
}

/// Waits until it is whole, has left, and has the right bytes.
fn expect_whole(peer: &mut Process, source: &Path, got: &Path) -> serde_json::Value {
    let done = peer.wait_for("done", DOWNLOAD);
    assert_same(source, got);
    peer.expect_exit(0, SOON);
    done
}

/// Test 1: a flipped byte in what the only seeder sends. It is banned and named to the user; when an
/// honest seeder comes the download ends, and what arrived is right. (A seeder of ours does not send
/// what is wrong, see `changed_files.rs`.)
#[test]
fn a_lone_seeder_with_a_flipped_byte_is_banned_and_the_user_sees_why() {
    let _turn = together();
    let scratch = Scratch::new("flip");
    let good = scratch.file("good/film.bin", 2 * MIB, 1);
    let torrent = scratch.at("film.torrent");
    create(&good, &torrent, "-s 64KiB");
    let tracker = quick_tracker();
    let liar = Hostile::start(HERE, Content::of(&good, 65536), Lie::FlipsBits(20));
    let out = scratch.folder("out");
    let flags = format!("--seed-time 0 --peer {}", liar.address);
    let what = torrent.to_str().expect("UTF-8");
    let mut user = leecher("user", tracker.address, what, &out, &flags);
    let banned = user.wait_for("banned", SOON);
    assert_eq!(banned["address"], liar.address.to_string());
    user.wait_stderr("who was banned and why", SOON, |text| {
        text.lines().any(|line| {
            line.contains("banned")
                && line.contains(&liar.address.to_string())
                && line.contains("hash")
        })
    });
    let _honest = seeder("honest", tracker.address, &good, PIECES);
    expect_whole(&mut user, &good, &out.join("film.bin"));
}

/// Test 1, in company: a liar with a wrong byte in every piece among two honest seeders is found,
/// whoever sent the other blocks of its pieces, and nobody else is banned.
#[test]
fn a_liar_among_honest_seeders_is_found_and_only_it_is_banned() {
    let _turn = together();
    let scratch = Scratch::new("company");
    let good = scratch.file("a/film.bin", 4 * MIB, 2);
    let other = copy(&good, &scratch.at("b/film.bin"));
    let torrent = scratch.at("film.torrent");
    create(&good, &torrent, "-s 64KiB");
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 2M";
    let _a = seeder("honest a", tracker.address, &good, flags);
    let _b = seeder("honest b", tracker.address, &other, flags);
    let liar = Hostile::start(HERE, Content::of(&good, 65536), Lie::FlipsBits(1));
    wait_seeders(tracker.address, "film.bin", 2, SOON);
    let out = scratch.folder("out");
    let flags = format!("--seed-time 0 --peer {}", liar.address);
    let what = torrent.to_str().expect("UTF-8");
    let mut user = leecher("user", tracker.address, what, &out, &flags);
    expect_whole(&mut user, &good, &out.join("film.bin"));
    let banned = user.events_of("banned");
    assert!(!banned.is_empty(), "the liar was in the swarm and nobody was banned");
    for event in banned {
        assert_eq!(event["address"], liar.address.to_string());
    }
}

/// Test 2: two contents of one name and one size.
#[test]
fn two_contents_of_one_name_are_told_apart_by_their_hash() {
    let _turn = together();
    let scratch = Scratch::new("names");
    let tracker = quick_tracker();
    let files = [1, 2].map(|n| scratch.file(&format!("{n}/same.bin"), 300 * KIB, n));
    let seeders = files.each_ref().map(|file| seeder("seeder", tracker.address, file, PIECES));
    let hashes = seeders.each_ref().map(|seeder| {
        let start = seeder.wait_for("start", SOON);
        start["info_hash_v2"].as_str().expect("a hybrid torrent").to_owned()
    });
    until("both are listed", SOON, || {
        (crate::harness::registry::catalogue(tracker.address).len() == 2).then_some(())
    });
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "same.bin", &out, "--timeout 15s");
    user.expect_exit(4, Duration::from_secs(10));
    let words = user.stderr();
    for hash in &hashes {
        assert!(words.contains(&format!("same.bin@{}", &hash[..8])), "{words}");
    }
    for (n, hash) in hashes.iter().enumerate() {
        let what = format!("same.bin@{}", &hash[..8]);
        let out = scratch.folder(&format!("out-{n}"));
        let mut user = leecher("chooser", tracker.address, &what, &out, "--seed-time 0");
        expect_whole(&mut user, &files[n], &out.join("same.bin"));
    }
}

/// Test 2, on disk: fetching the other content of that name into the same folder must not harm
/// the one that is there.
#[test]
fn a_second_content_of_one_name_does_not_harm_the_first_in_the_same_folder() {
    let _turn = together();
    let scratch = Scratch::new("clobber");
    let tracker = quick_tracker();
    let mine = scratch.file("out/same.bin", 300 * KIB, 1);
    let kept = copy(&mine, &scratch.at("kept/same.bin"));
    let theirs = scratch.file("theirs/same.bin", 300 * KIB, 2);
    let _seeder = seeder("seeder", tracker.address, &theirs, PIECES);
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "same.bin", &out, "--seed-time 0");
    let code = user.wait_exit(DOWNLOAD);
    assert_same(&kept, &mine);
    assert_ne!(code, 0, "it cannot have two contents in one file");
}

/// Test 3: what was fetched is served on, two files on one port.
#[test]
fn a_peer_serves_on_two_files_on_one_port() {
    let _turn = together();
    let scratch = Scratch::new("reseed");
    let tracker = quick_tracker();
    let one = scratch.file("src/one.bin", 700 * KIB, 1);
    let two = scratch.file("src/two.bin", 900 * KIB + 1, 2);
    let mut source =
        seeder_of("source", tracker.address, &[&one, &two], &scratch.folder("src"), PIECES);
    let middle_out = scratch.folder("middle");
    let names = ["one.bin", "two.bin"];
    let middle = leecher_of("middle", tracker.address, &names, &middle_out, "");
    until("both are there", DOWNLOAD, || (middle.events_of("seeding").len() == 2).then_some(()));
    source.stop(0);
    let ports: Vec<_> = middle.events_of("start").iter().map(|e| number(e, "port")).collect();
    assert_eq!(ports[0], ports[1]);
    for (name, file) in [("one.bin", &one), ("two.bin", &two)] {
        let out = scratch.folder(&format!("third-{name}"));
        let mut third = leecher("third", tracker.address, name, &out, "--seed-time 0");
        expect_whole(&mut third, file, &out.join(name));
    }
}

/// Test 4: one of three seeders dies in mid-file.
#[test]
fn the_death_of_one_of_three_seeders_costs_no_byte() {
    let _turn = together();
    let scratch = Scratch::new("death");
    let file = scratch.file("src/film.bin", 8 * MIB, 4);
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 700k";
    let mut seeders: Vec<_> =
        (0..3).map(|n| seeder(&format!("seeder {n}"), tracker.address, &file, flags)).collect();
    wait_seeders(tracker.address, "film.bin", 3, SOON);
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "film.bin", &out, "--seed-time 0");
    user.wait_bytes(2 * MIB as u64, DOWNLOAD);
    seeders[1].kill();
    let done = expect_whole(&mut user, &file, &out.join("film.bin"));
    let wasted = number(&done, "fetched") - 8 * MIB as u64;
    assert!(wasted <= 2 * MIB as u64, "{wasted} bytes were fetched twice");
}

/// Test 5: the only seeder dies; the user is told within seconds, and it goes on when one is back.
#[test]
fn without_its_only_seeder_a_download_says_so_and_goes_on_when_one_returns() {
    let _turn = together();
    let scratch = Scratch::new("alone");
    let file = scratch.file("src/film.bin", 4 * MIB, 5);
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 1M";
    let mut first = seeder("first", tracker.address, &file, flags);
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "film.bin", &out, "--seed-time 0");
    user.wait_bytes(MIB as u64, DOWNLOAD);
    first.kill();
    user.wait_stderr("that nobody has it", Duration::from_secs(12), |text| {
        text.contains("no peer has it now")
    });
    assert!(user.is_running());
    let _second = seeder("second", tracker.address, &file, PIECES);
    let back = Instant::now();
    expect_whole(&mut user, &file, &out.join("film.bin"));
    assert!(back.elapsed() < Duration::from_secs(15), "it went on after {:?}", back.elapsed());
}

/// Test 9: fifty leechers on one seeder, beside a silent client and one that leaves at once.
#[test]
fn fifty_leechers_are_served_beside_silent_and_leaving_clients() {
    let _turn = alone();
    let scratch = Scratch::in_memory("fifty", 1 << 30);
    let file = scratch.file("src/film.bin", 2 * MIB, 9);
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --time-scale 10";
    let source = seeder("source", tracker.address, &file, flags);
    let content = Content::of(&file, 65536);
    let _silent = Caller::connect(source.address).expect("it listens");
    let mut greeted = Caller::connect(source.address).expect("it listens");
    assert!(greeted.greet(content.info_hash).expect("an answer").is_ok());
    drop(Caller::connect(source.address).expect("it listens"));
    let mut leechers: Vec<_> = (0..50)
        .map(|n| {
            let out = scratch.folder(&format!("out-{n}"));
            let flags = "--time-scale 10 --seed-time 0";
            leecher(&format!("leecher {n}"), tracker.address, "film.bin", &out, flags)
        })
        .collect();
    for (n, user) in leechers.iter_mut().enumerate() {
        expect_whole(user, &file, &scratch.path().join(format!("out-{n}/film.bin")));
    }
    assert!(source.usage().threads < 40, "{:?}", source.usage());
}

/// Two hundred peers that ask for everything take little, and leave nothing behind when they go.
#[test]
fn two_hundred_peers_take_little_memory_and_leave_no_thread_and_no_descriptor_behind() {
    const WAVES: usize = 3;
    let _turn = alone();
    let scratch = Scratch::in_memory("waves", 1 << 30);
    let file = scratch.file("src/film.bin", 4 * MIB, 20);
    let tracker = quick_tracker();
    let source = seeder("source", tracker.address, &file, PIECES);
    let content = Content::of(&file, 65536);
    let mut after = Vec::new();
    let quiet = source.usage();
    for _ in 0..WAVES {
        let callers: Vec<Caller> = (0..200)
            .map(|_| {
                let mut caller =
                    Caller::interested(source.address, content.info_hash).expect("it is let in");
                for piece in (0..content.pieces).map(PieceIndex) {
                    let all = Span { piece, offset: 0, length: content.piece_length };
                    caller.say(&Message::Get(all)).expect("it reads on");
                }
                caller
            })
            .collect();
        let busy = source.usage();
        assert!(busy.threads >= quiet.threads + 200, "{busy:?}");
        assert!(busy.memory < 96 << 20, "{busy:?}");
        drop(callers);
        let left = until("they are gone", SOON, || {
            let now = source.usage();
            let same = |of: fn(&Usage) -> u64| of(&now) <= of(&quiet);
            (same(|u| u.threads) && same(|u| u.descriptors)).then_some(now)
        });
        crate::harness::process::say(&format!(
            "with 200 peers {busy:?}, when they are gone {left:?}"
        ));
        after.push(left.memory);
    }
    assert!(after[WAVES - 1] <= after[0] + (2 << 20), "bytes after each wave: {after:?}");
}

/// Test 10: the leecher comes first, then the tracker, then the seeder.
#[test]
fn a_leecher_may_be_started_before_the_tracker_and_the_seeder() {
    let _turn = together();
    let scratch = Scratch::new("early");
    let file = scratch.file("src/film.bin", 500 * KIB, 10);
    let mut gone = quick_tracker();
    let address = gone.address;
    gone.stop(0);
    let out = scratch.folder("out");
    let mut user = leecher("user", address, "film.bin", &out, "--seed-time 0");
    user.wait_stderr("that no tracker answers", Duration::from_secs(8), |text| {
        text.contains("no tracker answered")
    });
    let tracker = tracker_at(address, "--keepalive 1s --expire 3s");
    let _seeder = seeder("seeder", tracker.address, &file, PIECES);
    expect_whole(&mut user, &file, &out.join("film.bin"));
}

/// Test 12: one slow seeder among fast ones.
#[test]
fn one_slow_seeder_among_three_fast_ones_costs_little() {
    let _turn = alone();
    let scratch = Scratch::in_memory("slow", 1 << 30);
    let file = scratch.file("src/film.bin", 24 * MIB, 12);
    let tracker = quick_tracker();
    let fast: Vec<_> = (0..3)
        .map(|n| {
            let flags = "--piece-length 256KiB --uplimit 3M";
            seeder(&format!("fast {n}"), tracker.address, &file, flags)
        })
        .collect();
    wait_seeders(tracker.address, "film.bin", 3, SOON);
    let run = |name: &str| {
        let out = scratch.folder(name);
        let mut user = leecher(name, tracker.address, "film.bin", &out, "--seed-time 0");
        decimal(&expect_whole(&mut user, &file, &out.join("film.bin")), "secs")
    };
    let alone_secs = run("without");
    let flags = "--piece-length 256KiB --uplimit 100k";
    let slow = seeder("slow", tracker.address, &file, flags);
    wait_seeders(tracker.address, "film.bin", 4, SOON);
    let with_secs = run("with");
    drop((fast, slow));
    crate::harness::process::say(&format!(
        "without the slow one {alone_secs} s, with it {with_secs} s"
    ));
    assert!(with_secs <= alone_secs * 1.3 + 1.5, "{alone_secs} s alone, {with_secs} s with it");
}

/// Test 13: with 20 ms each way far more than one chunk per round trip is under way.
#[test]
fn a_long_wire_is_kept_full() {
    let _turn = alone();
    let scratch = Scratch::in_memory("wire", 1 << 30);
    let file = scratch.file("src/film.bin", 16 * MIB, 13);
    let tracker_of_seeder = tracker("");
    let seeder = seeder("seeder", tracker_of_seeder.address, &file, PIECES);
    let relay = Relay::start(seeder.address, Duration::from_millis(20));
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "-s 64KiB");
    let empty = tracker("");
    let out = scratch.folder("out");
    let flags = format!("--seed-time 0 --peer {}", relay.address);
    let what = torrent.to_str().expect("UTF-8");
    let mut user = leecher("user", empty.address, what, &out, &flags);
    let done = expect_whole(&mut user, &file, &out.join("film.bin"));
    // 256 pieces, one per round trip, would take more than ten seconds.
    let secs = decimal(&done, "secs");
    crate::harness::process::say(&format!("16 MiB over a 40 ms round trip: {secs} s"));
    assert!(secs < 4.0, "{secs} s");
}

/// Test 16: a download that is stopped goes on with what is missing.
#[test]
fn a_stopped_download_fetches_only_what_is_missing() {
    let _turn = together();
    let scratch = Scratch::new("stop");
    let file = scratch.file("src/film.bin", 8 * MIB, 16);
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 2M";
    let _seeder = seeder("seeder", tracker.address, &file, flags);
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "film.bin", &out, "");
    user.wait_bytes(3 * MIB as u64, DOWNLOAD);
    user.stop(7);
    let verified = user.last_bytes();
    assert!(!out.join("film.bin").exists(), "it is not whole and must not bear its name");
    let mut again = leecher("again", tracker.address, "film.bin", &out, "--seed-time 0");
    let done = expect_whole(&mut again, &file, &out.join("film.bin"));
    let fetched = number(&done, "fetched");
    assert!(fetched <= 8 * MIB as u64 - verified, "{fetched} fetched, {verified} were there");
    assert!(fetched > 0);
}

/// Test 16 with `kill -9`: what was verified is still there.
#[test]
fn a_killed_download_fetches_only_what_is_missing() {
    let _turn = together();
    let scratch = Scratch::new("kill");
    let file = scratch.file("src/film.bin", 8 * MIB, 17);
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 2M";
    let _seeder = seeder("seeder", tracker.address, &file, flags);
    let out = scratch.folder("out");
    let mut user = leecher("user", tracker.address, "film.bin", &out, "");
    user.wait_bytes(3 * MIB as u64, DOWNLOAD);
    user.kill();
    let verified = user.last_bytes();
    let mut again = leecher("again", tracker.address, "film.bin", &out, "--seed-time 0");
    let done = expect_whole(&mut again, &file, &out.join("film.bin"));
    let fetched = number(&done, "fetched");
    assert!(fetched <= 8 * MIB as u64 - verified, "{fetched} fetched, {verified} were there");
}

/// Two leechers of one content in one folder: the second says so and harms nothing.
#[test]
fn two_programs_on_one_output_do_not_harm_each_other() {
    let _turn = together();
    let scratch = Scratch::new("twice");
    let file = scratch.file("src/film.bin", 4 * MIB, 18);
    let tracker = quick_tracker();
    let flags = "--piece-length 64KiB --uplimit 1M";
    let _seeder = seeder("seeder", tracker.address, &file, flags);
    let out = scratch.folder("out");
    let mut first = leecher("first", tracker.address, "film.bin", &out, "--seed-time 0");
    first.wait_bytes(MIB as u64, DOWNLOAD);
    let mut second = leecher("second", tracker.address, "film.bin", &out, "--seed-time 0");
    second.expect_exit(8, SOON);
    expect_whole(&mut first, &file, &out.join("film.bin"));
}

/// A peer that only holds the .torrent and an address needs no tracker at all.
#[test]
fn a_torrent_file_and_an_address_are_enough() {
    let _turn = together();
    let scratch = Scratch::new("direct");
    let file = scratch.file("src/film.bin", MIB, 19);
    let elsewhere = tracker("");
    let seeder = seeder("seeder", elsewhere.address, &file, PIECES);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "-s 64KiB");
    let mut gone = tracker("");
    let nobody = gone.address.to_string();
    gone.stop(0);
    let out = scratch.folder("out");
    let what = ["--leech", torrent.to_str().expect("UTF-8"), "--tracker", &nobody, "-w"];
    let mut action = what.to_vec();
    action.push(out.to_str().expect("UTF-8"));
    let flags = format!("--seed-time 0 --peer {}", seeder.address);
    let mut user = peer("user", &action, scratch.path(), &flags);
    expect_whole(&mut user, &file, &out.join("film.bin"));
}
