//! What networks do to swarms: loss, partitions, links that go down, resets that somebody forges, and
//! addresses of both families. The real programs run in namespaces that emulated links join; where
//! this machine allows no namespaces the test says so.
//!
//! `scripts/faults/network.sh` runs the same at length, by these variables: `NETWORK_MIB` and
//! `NETWORK_LEECHERS`, `NETWORK_LOSS` in thousandths, `NETWORK_MBIT`, `NETWORK_CONGESTION` and
//! `NETWORK_APART`, the seconds for which peers are cut off.

use crate::harness::process::{Process, listening_at, say};
use crate::harness::programs::{
    LAB, PEER, TRACKER, create, leecher, list, quick_tracker, seeder, tracker_at, wait_seeders,
};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, not_run, pass, together};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use std::env;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use swarmlet::cli::lab::net::{Net, NetLink};
use swarmlet::lab::outcome::RunError;

/// The program's own promise: bytes move again at most so long after a link is back.
const RESUMES: Duration = Duration::from_secs(30);

/// What a leecher receives a second, at least, of what one bare TCP connection does over the same
/// links. Over few bytes the dice of loss weigh more than programs do; several leechers divide what
/// their seeder sends, so that a swarm's figure is said and not held against anything.
const SHARE: f64 = 0.7;
const SHARE_OF_LITTLE: f64 = 0.4;

const PLAIN: NetLink = NetLink {
    up: Some(1_000_000),
    down: Some(1_000_000),
    rtt: Duration::from_millis(20),
    queue: 1 << 16,
    ..NetLink::FREE
};

/// The tracker's.
const FREE: NetLink = NetLink { up: None, down: None, ..PLAIN };

/// A number that a longer run sets.
fn number(name: &str, usual: u64) -> u64 {
    env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// A tracker's node and one for each of these links; none where this machine does not allow it.
fn net(test: &str, peers: &[NetLink]) -> Option<Net> {
    let links = [&[FREE], peers].concat();
    match Net::open_with(Path::new(LAB), &links, 1, None) {
        Ok(net) => Some(net),
        Err(RunError::Refused(why)) => {
            not_run(test, &why);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A program in a node.
fn start(net: &Net, node: usize, name: &str, words: &[&str], folder: &Path) -> Process {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let wrapped = net.wrap(node, &words);
    Process::start(name, &wrapped[0], &wrapped[1..], folder)
}

/// A command in a node, which ends well.
fn run(net: &Net, node: usize, words: &[&str]) {
    start(net, node, words[0], words, &env::temp_dir()).expect_exit(0, SOON);
}

/// A thread of this program inside a node; none where that is in a namespace of other users, which
/// only a process with one thread may enter.
fn inside<T: Send + 'static>(
    net: &Net,
    node: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<JoinHandle<T>> {
    let words = net.wrap(node, &[]);
    let (room, users) = (&words[3], &words[4]);
    if users != "-" {
        return None;
    }
    let room = File::open(room).expect("the namespace is there");
    let body = move || {
        setns(room, CloneFlags::CLONE_NEWNET).expect("the namespace may be entered");
        work()
    };
    Some(Builder::new().name("inside".into()).spawn(body).expect("a thread"))
}

/// Bytes per second of one bare TCP connection from node 1 to node 2.
fn bare_copy(net: &Net, bytes: u64) -> Option<f64> {
    let at = SocketAddr::new(net.address(1).into(), 9);
    let sender = inside(net, 1, move || {
        let (mut stream, _) =
            TcpListener::bind(at).expect("nobody is there").accept().expect("a call");
        let block = vec![7; 64 * 1024];
        let mut left = bytes;
        while left > 0 {
            let sent = stream.write(&block[..block.len().min(left as usize)]).expect("it is read");
            left -= sent as u64;
        }
    })?;
    let receiver = inside(net, 2, move || {
        let mut stream = crate::harness::until("it listens", SOON, || TcpStream::connect(at).ok());
        let (begun, mut block, mut got) = (Instant::now(), vec![0; 64 * 1024], 0);
        while let Ok(read @ 1..) = stream.read(&mut block) {
            got += read as u64;
        }
        assert_eq!(got, bytes);
        bytes as f64 / begun.elapsed().as_secs_f64()
    })?;
    sender.join().expect("everything was sent");
    Some(receiver.join().expect("everything came"))
}

/// A tracker in node 0, whose peers beat every second, and where it is.
fn tracker(net: &Net, folder: &Path) -> (Process, String) {
    let at = format!("{}:6969", net.address(0));
    let flags = ["--keepalive", "1s", "--expire", "3s", "--interval", "2s"];
    let words = [&[TRACKER, "--json", "--listen", &at][..], &flags].concat();
    let tracker = start(net, 0, "tracker", &words, folder);
    tracker.wait_for("start", SOON);
    (tracker, at)
}

fn seed(net: &Net, node: usize, at: &str, file: &Path) -> Process {
    let path = file.to_str().expect("a path in UTF-8");
    let words = [PEER, "--json", "--tracker", at, "--seed", path, "--piece-length", "64KiB"];
    let folder = file.parent().expect("it lies in a folder");
    let seeder = start(net, node, &format!("seeder-{node}"), &words, folder);
    seeder.wait_for("seeding", SOON);
    seeder
}

/// A leecher that serves on when it has everything.
fn leech(net: &Net, node: usize, at: &str, what: &str, scratch: &Scratch) -> Process {
    let name = format!("leecher-{node}");
    let into = scratch.folder(&name);
    let into = into.to_str().expect("a path in UTF-8");
    let words = [PEER, "--json", "--tracker", at, "--leech", what, "--download-dir", into];
    start(net, node, &name, &words, scratch.path())
}

/// Where a leecher's file is.
fn fetched(scratch: &Scratch, node: usize, name: &str) -> std::path::PathBuf {
    scratch.path().join(format!("leecher-{node}")).join(name)
}

fn check_nobody_banned(peers: &[Process]) {
    for peer in peers {
        assert_eq!(peer.events_of("banned"), [] as [Value; 0]);
    }
}

#[test]
fn a_swarm_over_lossy_links_keeps_up_with_a_bare_copy_and_is_exact() {
    const NAME: &str = "a_swarm_over_lossy_links_keeps_up_with_a_bare_copy_and_is_exact";
    let _turn = together();
    let (mib, leechers) = (number("NETWORK_MIB", 3), number("NETWORK_LEECHERS", 1) as usize);
    let (loss, mbit) = (number("NETWORK_LOSS", 10), number("NETWORK_MBIT", 20));
    let rate = Some(mbit * 125_000);
    let link = NetLink { up: rate, down: rate, loss: loss as f64 / 1000.0, ..PLAIN };
    let Some(net) = net(NAME, &vec![link; leechers + 1]) else { return };
    if let Ok(congestion) = env::var("NETWORK_CONGESTION") {
        let order = format!("echo {congestion} > /proc/sys/net/ipv4/tcp_congestion_control");
        for node in 0..net.nodes() {
            let order = ["sh", "-c", &order];
            let mut order = start(&net, node, "congestion", &order, &env::temp_dir());
            if order.wait_exit(SOON) != 0 {
                return not_run(
                    NAME,
                    &format!("no namespace of this kernel may have {congestion}"),
                );
            }
        }
    }
    let bare = bare_copy(&net, mib.min(32) << 20);
    let scratch = Scratch::new("network-loss");
    let (tracker, at) = tracker(&net, scratch.path());
    let file = scratch.file("src/big.bin", (mib << 20) as usize + 1, 1);
    let mut peers = vec![tracker, seed(&net, 1, &at, &file)];
    peers.extend((2..leechers + 2).map(|node| leech(&net, node, &at, "big.bin", &scratch)));
    let apart = number("NETWORK_APART", 0);
    if apart > 0 {
        // The last leecher's link goes down; the others are measured.
        peers[leechers + 1].wait_bytes(mib << 18, DOWNLOAD * 60);
        cut_and_heal(&net, leechers + 1, Duration::from_secs(apart), &peers[leechers + 1]);
    }
    let measured = if apart > 0 && leechers > 1 { leechers - 1 } else { leechers };
    let mut slowest = f64::INFINITY;
    for (n, peer) in peers[2..].iter().enumerate() {
        let done = peer.wait_for("done", DOWNLOAD * 60);
        assert_same(&file, &fetched(&scratch, n + 2, "big.bin"));
        if n < measured {
            slowest = slowest.min(done["rate"].as_f64().expect("a number"));
        }
    }
    check_nobody_banned(&peers);
    peers.iter_mut().rev().for_each(|peer| peer.stop(0));
    let tally = net.close().expect("the links held");
    assert!(tally.lost > 0, "nothing was lost: {tally:?}");
    let Some(bare) = bare else {
        return not_run(NAME, "its bare copy: the namespaces are those of other users");
    };
    let share = slowest / bare;
    say(&format!(
        "{mib} MiB, {leechers} leechers, {mbit} Mbit/s, {loss} of 1000 lost: bare copy {:.0} kB/s, \
         slowest leecher {:.0} kB/s, {share:.2} of it; {} packets lost",
        bare / 1000.0,
        slowest / 1000.0,
        tally.lost
    ));
    let least = if mib >= 16 { SHARE } else { SHARE_OF_LITTLE };
    assert!(leechers > 1 || share >= least, "{share:.2} of a bare copy");
}

/// Takes a node's link down for a while, and waits until bytes come to its leecher again.
fn cut_and_heal(net: &Net, node: usize, apart: Duration, leecher: &Process) {
    run(net, node, &["ip", "link", "set", "tun0", "down"]);
    pass(apart);
    run(net, node, &["ip", "link", "set", "tun0", "up"]);
    wait_until_it_moves(leecher, leecher.last_bytes(), "link down and up");
}

fn wait_until_it_moves(leecher: &Process, had: u64, what: &str) {
    let healed = Instant::now();
    leecher.wait_event_within(RESUMES, |event| {
        event["event"] == "progress" && event["bytes"].as_u64() > Some(had)
    });
    say(&format!("{what}: bytes came again after {:.1} s", healed.elapsed().as_secs_f64()));
}

#[test]
fn who_was_cut_off_goes_on_soon_after_and_is_exact() {
    const NAME: &str = "who_was_cut_off_goes_on_soon_after_and_is_exact";
    let _turn = together();
    let apart = Duration::from_secs(number("NETWORK_APART", 4));
    let size = 3_000_000 + 750_000 * apart.as_secs() as usize;
    let Some(net) = net(NAME, &[PLAIN; 5]) else { return };
    let scratch = Scratch::new("network-cut");
    let (tracker, at) = tracker(&net, scratch.path());
    let file = scratch.file("src/big.bin", size, 2);
    let mut peers = vec![tracker, seed(&net, 1, &at, &file)];
    peers.extend((2..6).map(|node| leech(&net, node, &at, "big.bin", &scratch)));
    // Half of the leechers: one whose link goes down, and one that hears nothing and does not know.
    let (down, parted) = (2, 3);
    for node in [down, parted] {
        peers[node].wait_bytes(200_000, DOWNLOAD);
    }
    let has_ip = Path::new("/usr/sbin/ip").exists() || Path::new("/sbin/ip").exists();
    net.partition(parted, Instant::now() + apart);
    if has_ip {
        run(&net, down, &["ip", "link", "set", "tun0", "down"]);
    } else {
        not_run(NAME, "its link that goes down: there is no ip, it is parted as the other");
        net.partition(down, Instant::now() + apart);
    }
    pass(apart);
    if has_ip {
        run(&net, down, &["ip", "link", "set", "tun0", "up"]);
    }
    for (node, what) in [(parted, "partition"), (down, "link down and up")] {
        wait_until_it_moves(&peers[node], peers[node].last_bytes(), what);
    }
    for (node, peer) in peers.iter().enumerate().skip(2) {
        peer.wait_for("done", DOWNLOAD);
        assert_same(&file, &fetched(&scratch, node, "big.bin"));
    }
    check_nobody_banned(&peers);
    peers.iter_mut().rev().for_each(|peer| peer.stop(0));
    let tally = net.close().expect("the links held");
    assert!(tally.parted > 0, "nothing was cut off: {tally:?}");
}

#[test]
fn resets_that_somebody_forges_delay_a_download_and_ban_nobody() {
    let _turn = together();
    let reset = number("NETWORK_RESET", 2) as f64 / 1000.0;
    let mib = number("NETWORK_MIB", 2).min(16);
    let link = NetLink { reset, ..PLAIN };
    let name = "resets_that_somebody_forges_delay_a_download_and_ban_nobody";
    let Some(net) = net(name, &[link; 4]) else { return };
    let scratch = Scratch::new("network-reset");
    let (tracker, at) = tracker(&net, scratch.path());
    let file = scratch.file("src/big.bin", (mib << 20) as usize, 3);
    let mut peers = vec![tracker];
    peers.extend((1..4).map(|node| seed(&net, node, &at, &file)));
    peers.push(leech(&net, 4, &at, "big.bin", &scratch));
    let done = peers[4].wait_for("done", DOWNLOAD * 10);
    assert_same(&file, &fetched(&scratch, 4, "big.bin"));
    check_nobody_banned(&peers);
    let lost = peers[4].events_of("peer").iter().filter(|peer| peer["connected"] == false).count();
    peers.iter_mut().rev().for_each(|peer| peer.stop(0));
    let tally = net.close().expect("the links held");
    assert!(tally.refused > 0, "nothing was refused: {tally:?}");
    say(&format!(
        "{mib} MiB in {} s: {} resets, {lost} connections lost",
        done["secs"], tally.refused
    ));
}

#[test]
fn packets_that_overtake_each_other_cost_no_byte_and_little_time() {
    let _turn = together();
    let held_up = number("NETWORK_HELD_UP", 100) as f64 / 1000.0;
    let mib = number("NETWORK_MIB", 2).min(32);
    let link = NetLink { held_up, ..PLAIN };
    let name = "packets_that_overtake_each_other_cost_no_byte_and_little_time";
    let Some(net) = net(name, &[link; 3]) else { return };
    let scratch = Scratch::new("network-order");
    let (tracker, at) = tracker(&net, scratch.path());
    let file = scratch.file("src/big.bin", (mib << 20) as usize, 5);
    let mut peers = vec![tracker, seed(&net, 1, &at, &file)];
    peers.extend((2..4).map(|node| leech(&net, node, &at, "big.bin", &scratch)));
    let done: Vec<Value> = peers[2..].iter().map(|peer| peer.wait_for("done", DOWNLOAD)).collect();
    for node in [2, 3] {
        assert_same(&file, &fetched(&scratch, node, "big.bin"));
    }
    check_nobody_banned(&peers);
    peers.iter_mut().rev().for_each(|peer| peer.stop(0));
    net.close().expect("the links held");
    let secs = done.iter().map(|done| done["secs"].as_f64().expect("a number")).fold(0.0, f64::max);
    let bare = mib as f64 * 1.048_576; // of one copy over a link of 1 MB/s
    say(&format!("{mib} MiB, {held_up} of all held up: {secs:.1} s, {:.2} of a link", bare / secs));
    assert!(secs < 4.0 * bare, "{secs} s");
}

#[test]
fn an_announce_by_udp_that_is_lost_is_made_again() {
    let _turn = together();
    let Some(net) = net("an_announce_by_udp_that_is_lost_is_made_again", &[PLAIN; 2]) else {
        return;
    };
    let scratch = Scratch::new("network-udp");
    let (mut tracker, at) = tracker(&net, scratch.path());
    let at = format!("udp://{at}/announce");
    let file = scratch.file("src/big.bin", 200_000, 4);
    let torrent = scratch.at("big.torrent");
    create(&file, &torrent, "--piece-length 64KiB");
    let mut seeder = seed(&net, 1, &at, &file);
    net.partition(2, Instant::now() + DOWNLOAD);
    let torrent = torrent.to_str().expect("a path in UTF-8");
    let mut leecher = leech(&net, 2, &at, torrent, &scratch);
    leecher.wait_for("start", SOON);
    pass(Duration::from_secs(1));
    net.partition(2, Instant::now());
    leecher.wait_for("done", DOWNLOAD);
    assert_same(&file, &fetched(&scratch, 2, "big.bin"));
    leecher.stop(0);
    seeder.stop(0);
    tracker.stop(0);
    let tally = net.close().expect("the links held");
    assert!(tally.parted > 0, "no announce was lost: {tally:?}");
}

/// Whether this machine has IPv6 at all.
fn has_ipv6(test: &str) -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    if !has {
        not_run(test, "there is no IPv6");
    }
    has
}

#[test]
fn peers_of_an_ipv6_tracker_listen_where_it_lists_them_and_go_on_after_a_kill() {
    if !has_ipv6("peers_of_an_ipv6_tracker_listen_where_it_lists_them_and_go_on_after_a_kill") {
        return;
    }
    let _turn = together();
    let scratch = Scratch::new("network-ipv6");
    let file = scratch.file("src/six.bin", 2_000_000, 5);
    let near = "[::1]:0".parse().expect("an address");
    let tracker = tracker_at(near, "--keepalive 1s --expire 3s --interval 2s");
    let source = seeder("source", tracker.address, &file, "--piece-length 64KiB");
    wait_seeders(tracker.address, "six.bin", 1, SOON);
    for at in listening_at(source.id()) {
        assert!(at.ip().is_loopback() && at.is_ipv6(), "it listens at {at}");
    }
    let out = scratch.folder("out");
    let mut first = leecher("first", tracker.address, "six.bin", &out, "--downlimit 500k");
    first.wait_bytes(200_000, DOWNLOAD);
    first.kill();
    let mut again = leecher("again", tracker.address, "six.bin", &out, "--seed-time 0");
    again.expect_exit(0, DOWNLOAD);
    assert_same(&file, &out.join("six.bin"));
    let done = again.wait_for("done", SOON);
    assert!(done["fetched"].as_u64() < Some(2_000_000), "what was there is not fetched again");
}

#[test]
fn both_families_meet_at_a_dual_stack_tracker_and_no_address_is_listed_in_disguise() {
    if !has_ipv6("both_families_meet_at_a_dual_stack_tracker_and_no_address_is_listed_in_disguise")
    {
        return;
    }
    let _turn = together();
    let scratch = Scratch::new("network-dual");
    let file = scratch.file("src/dual.bin", 500_000, 6);
    let any = "[::]:0".parse().expect("an address");
    let tracker = tracker_at(any, "--keepalive 1s --expire 3s --interval 2s");
    let at = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), tracker.address.port());
    // It listens in both families, and is known by its IPv4 address.
    let _source = seeder("source", at("127.0.0.1"), &file, "--bind ::");
    wait_seeders(at("::1"), "dual.bin", 1, SOON);
    for (name, tracker) in [("four", "127.0.0.1"), ("six", "::1"), ("mapped", "::ffff:127.0.0.1")] {
        let out = scratch.folder(name);
        let mut user = leecher(name, at(tracker), "dual.bin", &out, "--seed-time 0");
        user.expect_exit(0, DOWNLOAD);
        assert_same(&file, &out.join("dual.bin"));
        for peer in user.events_of("peer") {
            let address: SocketAddr = peer["address"].as_str().unwrap_or("").parse().expect("one");
            assert_eq!(address.ip(), IpAddr::from(Ipv4Addr::LOCALHOST), "{name}: {peer}");
        }
    }
    assert_eq!(list(at("::1")).len(), 1);
}

#[test]
fn a_tracker_that_cannot_send_anybody_to_us_is_named_and_hears_nothing() {
    let _turn = together();
    if !has_ipv6("a_tracker_that_cannot_send_anybody_to_us_is_named_and_hears_nothing") {
        return;
    }
    let scratch = Scratch::new("network-deaf");
    let file = scratch.file("src/x.bin", 100_000, 7);
    let six = tracker_at("[::1]:0".parse().expect("an address"), "");
    let four = quick_tracker();
    let flags = format!("--tracker {} --bind 127.0.0.1", six.address);
    let source = seeder("source", four.address, &file, &flags);
    wait_seeders(four.address, "x.bin", 1, SOON);
    source.wait_stderr("that it cannot be found there", SOON, |said| {
        said.contains(&format!("{} cannot send others to 127.0.0.1", six.address))
    });
    assert_eq!(list(six.address), [] as [Value; 0]);
}
