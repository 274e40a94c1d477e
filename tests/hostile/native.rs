//! Peers that keep no rule, against the real programs.
//!
//! Whatever they do, nothing crashes, memory grows by less than 8 MiB, a download beside them
//! ends with the right bytes, and an honest peer is served.

use crate::harness::bystander::Bystander;
use crate::harness::hostile::{Caller, Content, Hostile, Lie, bits_of};
use crate::harness::process::Process;
use crate::harness::programs::{
    Listening, address_of, create, leecher, peer, quick_tracker, seeder, tracker, wait_seeders,
};
use crate::harness::registry::{Claim, Claimant};
use crate::harness::relay::Relay;
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, alone, together};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use swarmlet::ids::{InfoHashV2, PeerId, PieceIndex, Sha256Hash, Span};
use swarmlet::protocol::frame::PEER_MAGIC;
use swarmlet::protocol::message::{Availability, HashRange, Message};

const MIB: u64 = 1024 * 1024;

/// How much anonymous memory hostile peers may cost.
const GROWTH: u64 = 8 * MIB;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const PIECE: u32 = 65536;

/// A file, its .torrent, a tracker.
struct Stage {
    scratch: Scratch,
    file: PathBuf,
    torrent: PathBuf,
    content: Arc<Content>,
    tracker: Listening,
}

impl Stage {
    fn new(name: &str, length: u64) -> Self {
        let scratch = Scratch::new(name);
        let file = scratch.file("src/film.bin", length as usize, 99);
        let torrent = scratch.at("film.torrent");
        create(&file, &torrent, "-s 64KiB");
        let content = Content::of(&file, PIECE);
        Self { scratch, file, torrent, content, tracker: quick_tracker() }
    }

    /// Of zeros, which take no room; it has many pieces and so a long metainfo.
    fn sparse(name: &str, length: u64, piece_length: u32) -> Self {
        let scratch = Scratch::new(name);
        let file = scratch.sparse("src/film.bin", length);
        let torrent = scratch.at("film.torrent");
        create(&file, &torrent, &format!("-s {piece_length}B"));
        let content = Content::of(&file, piece_length);
        Self { scratch, file, torrent, content, tracker: quick_tracker() }
    }

    fn seeder(&self, flags: &str) -> Listening {
        let flags = format!("--piece-length {}B {flags}", self.content.piece_length);
        seeder("honest", self.tracker.address, &self.file, &flags)
    }

    /// A leecher that has the .torrent and calls these peers first.
    fn victim(&self, peers: &[SocketAddr]) -> Process {
        let what = self.torrent.to_str().expect("UTF-8");
        let out = self.scratch.folder("out");
        let peers: Vec<String> = peers.iter().map(|peer| format!(" --peer {peer}")).collect();
        let peers = peers.concat();
        leecher("victim", self.tracker.address, what, &out, &format!("--seed-time 0{peers}"))
    }

    /// Has the tracker list an address, as a seeder's or as that of a peer that has nothing.
    fn claimant(&self, listens: SocketAddr, seeding: bool) -> Claimant {
        let claim = Claim {
            info_hash: self.content.info_hash,
            name: self.content.name.clone(),
            size: self.content.bytes.len() as u64,
            pieces: self.content.pieces,
            seeding,
        };
        Claimant::start(self.tracker.address, HERE, listens.port(), vec![claim])
    }

    fn expect_whole(&self, victim: &mut Process, within: Duration) {
        victim.wait_for("done", within);
        assert_same(&self.file, &self.scratch.path().join("out/film.bin"));
        victim.expect_exit(0, SOON);
    }

    /// Somebody finds it and looks at its metainfo.
    fn expect_found(&self, name: &str) {
        let out = self.scratch.folder(name);
        let mut user = leecher(name, self.tracker.address, "film.bin", &out, "--seed-time 0");
        user.wait_for("metadata", DOWNLOAD);
        user.kill();
    }

    /// A new leecher gets everything from `seeder`, within `within`.
    fn expect_served(&self, name: &str, within: Duration) -> Duration {
        let out = self.scratch.folder(name);
        let start = Instant::now();
        let mut user = leecher(name, self.tracker.address, "film.bin", &out, "--seed-time 0");
        user.wait_for("done", within);
        let took = start.elapsed();
        assert_same(&self.file, &out.join("film.bin"));
        user.expect_exit(0, SOON);
        took
    }
}

/// A leecher meets hostile servers first, then an honest seeder comes.
fn check_servers(name: &str, lies: &[Lie]) -> (Vec<Hostile>, Process) {
    let _turn = together();
    let stage = Stage::new(name, 2 * MIB);
    let servers: Vec<Hostile> =
        lies.iter().map(|&lie| Hostile::start(HERE, stage.content.clone(), lie)).collect();
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let mut victim = stage.victim(&addresses);
    victim.wait_for("start", SOON);
    let base = victim.usage().memory;
    let watch = victim.watch();
    for server in &servers {
        crate::harness::until("the hostile peer is called", SOON, || {
            (server.calls() > 0).then_some(())
        });
    }
    let honest = stage.seeder("");
    stage.expect_whole(&mut victim, DOWNLOAD);
    let most = watch.most();
    // The download itself has buffers: 512 KiB a connection, and one frame an upload thread.
    let own = 2 * MIB + servers.len() as u64 * MIB;
    let limit = base + own + GROWTH;
    assert!(most.memory < limit, "{base} bytes before, {most:?}");
    let banned = victim.events_of("banned");
    let slandered = banned.iter().any(|e| e["address"] == honest.address.to_string());
    assert!(!slandered, "the honest seeder was banned: {banned:?}");
    (servers, victim)
}

fn expect_banned(servers: &[Hostile], victim: &Process) {
    let banned = victim.events_of("banned");
    for server in servers {
        let told = banned.iter().any(|event| event["address"] == server.address.to_string());
        assert!(told, "{} is not banned: {banned:?}", server.address);
    }
}

#[test]
fn a_peer_that_lies_in_every_chunk_is_banned() {
    let (servers, victim) = check_servers("lies", &[Lie::FlipsBits(1)]);
    expect_banned(&servers, &victim);
    let sent = servers[0].counts.sent.load(Ordering::Relaxed);
    assert!(sent <= 3 * PIECE as usize, "{sent} bytes were taken from a lone liar");
}

#[test]
fn a_peer_that_lies_now_and_then_is_banned() {
    let (servers, victim) = check_servers("lies-rarely", &[Lie::FlipsBits(7)]);
    expect_banned(&servers, &victim);
}

#[test]
fn four_liars_at_once_are_banned_and_the_download_ends() {
    let (servers, victim) = check_servers("liars", &[Lie::FlipsBits(1); 4]);
    expect_banned(&servers, &victim);
}

#[test]
fn a_peer_that_has_all_and_delivers_nothing_delays_little() {
    check_servers("nothing", &[Lie::DeliversNothing]);
}

#[test]
fn a_peer_that_rejects_everything_delays_nothing() {
    let (servers, _) = check_servers("rejects", &[Lie::RejectsAll]);
    assert!(servers[0].gets() < 10_000, "{} requests were made in vain", servers[0].gets());
}

#[test]
fn a_peer_that_drips_delays_little() {
    check_servers("drips", &[Lie::Drips]);
}

#[test]
fn chunks_of_one_byte_do_not_keep_a_request_open() {
    check_servers("one-byte", &[Lie::DripsChunks; 3]);
}

#[test]
fn half_a_chunk_and_then_silence_delays_little() {
    check_servers("half", &[Lie::HalfAChunk]);
}

#[test]
fn nine_stalled_peers_delay_little() {
    let mut lies = [Lie::DeliversNothing; 9];
    lies[3..6].fill(Lie::Drips);
    lies[6..].fill(Lie::HalfAChunk);
    check_servers("stalled", &lies);
}

#[test]
fn garbage_ends_one_connection_only() {
    check_servers("garbage", &[Lie::Garbage, Lie::GarbageFirst, Lie::HugeLength]);
}

#[test]
fn wrong_bitfields_and_haves_end_one_connection_only() {
    check_servers("fields", &[Lie::SpareBits, Lie::HaveOutOfRange, Lie::SpeaksTwice]);
}

#[test]
fn a_bitfield_and_another_word_for_it_end_one_connection_only() {
    let both = |full, all| Lie::BothStatements { full, all };
    check_servers("both", &[both(false, false), both(false, true), both(true, false)]);
}

#[test]
fn chunks_that_nobody_asked_for_are_not_stored() {
    check_servers("unasked", &[Lie::UnaskedChunks, Lie::ChunksOutOfRange]);
}

#[test]
fn a_chunk_whose_end_overflows_is_not_stored() {
    check_servers("overflow", &[Lie::OverflowingChunks; 3]);
}

#[test]
fn a_block_sent_again_and_again_does_not_hide_those_that_are_missing() {
    let (servers, _) = check_servers("repeats", &[Lie::RepeatsFirstBlock; 3]);
    assert!(servers[0].gets() > 0, "it was never asked");
}

#[test]
fn floods_of_haves_and_chokes_do_no_harm() {
    check_servers("floods", &[Lie::FloodsHaves, Lie::Flutters]);
}

#[test]
fn a_peer_that_never_reads_does_no_harm() {
    check_servers("deaf", &[Lie::NeverReads]);
}

#[test]
fn a_peer_that_hangs_up_is_not_called_all_the_time() {
    let (servers, _) = check_servers("hangs-up", &[Lie::HangsUp]);
    assert!(servers[0].calls() <= 4, "{} calls", servers[0].calls());
}

/// A peer names the caller itself, one victim a thousand times, and places that nobody may dial.
#[test]
fn peers_that_a_peer_names_are_dialled_with_care() {
    let bystander = Bystander::start();
    let (_servers, victim) = check_servers("names", &[Lie::NamesPeers(bystander.address)]);
    let calls = bystander.calls.len();
    assert!(calls <= 3, "the bystander was called {calls} times");
    drop(victim);
}

/// A download that takes ten seconds, of which the tracker lists somebody who is no peer.
#[test]
fn a_bystander_whom_a_tracker_lists_is_called_once_in_each_dialect() {
    let _turn = together();
    let stage = Stage::new("bystander", 2 * MIB);
    let bystander = Bystander::start();
    let _claim = stage.claimant(bystander.address, true);
    let _honest = stage.seeder("--uplimit 200k");
    let mut victim = stage.victim(&[]);
    stage.expect_whole(&mut victim, DOWNLOAD);
    let calls = bystander.calls.len();
    assert_eq!(calls, 2, "the third call comes after a minute");
}

/// A tracker gives a leecher an address that leads to itself.
#[test]
fn a_leecher_calls_itself_once() {
    let _turn = together();
    let stage = Stage::new("itself", 2 * MIB);
    let _honest = stage.seeder("--uplimit 200k");
    let mut victim = stage.victim(&[]);
    let itself = Relay::start(address_of(&victim), Duration::ZERO);
    let _claim = stage.claimant(itself.address, true);
    stage.expect_whole(&mut victim, DOWNLOAD);
    assert_eq!(itself.calls(), 1);
}

/// Newcomers who know only each other would never meet a seed that waits to be called.
#[test]
fn a_seeder_calls_a_newcomer_that_calls_nobody() {
    let _turn = together();
    let stage = Stage::new("newcomer", MIB);
    let newcomer = Bystander::start();
    let _claim = stage.claimant(newcomer.address, false);
    let _honest = stage.seeder("");
    let mut call = newcomer.calls.recv_timeout(SOON).expect("the seeder calls");
    let mut magic = [0; 4];
    call.read_exact(&mut magic).expect("it says HELLO");
    assert_eq!(magic, PEER_MAGIC);
}

/// Four peers give a wrong metainfo, which are as many as are asked at a time; the fifth does not.
#[test]
fn whoever_gives_a_wrong_metainfo_is_passed_over() {
    let _turn = together();
    let stage = Stage::new("wrong-metainfo", MIB);
    let honest = stage.seeder("");
    let liars: [_; 4] =
        std::array::from_fn(|_| Hostile::start(HERE, stage.content.clone(), Lie::WrongMetainfo));
    let addresses = liars.each_ref().map(|liar| liar.address);
    let peers: Vec<String> =
        addresses.iter().chain([&honest.address]).map(|at| format!(" --peer {at}")).collect();
    let out = stage.scratch.folder("out");
    let magnet = format!("magnet:?xt=urn:btmh:1220{}", stage.content.info_hash);
    let action = ["--leech", &magnet, "--download-dir", out.to_str().expect("UTF-8")];
    let flags = format!("--seed-time 0 --log-level debug{}", peers.concat());
    let mut user = peer("user", &action, stage.scratch.path(), &flags);
    stage.expect_whole(&mut user, DOWNLOAD);
    let log = user.stderr();
    let found_out = |liar: &&Hostile| log.contains(&format!("{}: no metainfo: ", liar.address));
    let found_out: Vec<_> = liars.iter().filter(found_out).collect();
    assert!(!found_out.is_empty(), "no liar was found out");
    assert!(found_out.iter().all(|liar| liar.gets() == 1), "who lied was asked again");
}

/// Hostile seeders that the tracker lists, found by name like any other.
#[test]
fn hostile_seeders_on_the_trackers_list_do_not_stop_a_download() {
    let _turn = together();
    let stage = Stage::new("listed", 2 * MIB);
    let lies = [Lie::FlipsBits(1), Lie::DeliversNothing, Lie::RejectsAll, Lie::GarbageFirst];
    let servers = lies.map(|lie| Hostile::start(HERE, stage.content.clone(), lie));
    let honest = stage.seeder("--uplimit 1M");
    wait_seeders(stage.tracker.address, "film.bin", 1, SOON);
    let address = stage.tracker.address;
    let claimants = servers.each_ref().map(|server| stage.claimant(server.address, true));
    wait_seeders(address, "film.bin", 5, SOON);
    stage.expect_served("user", DOWNLOAD);
    let called = servers.iter().filter(|server| server.calls() > 0).count();
    assert_eq!(called, servers.len(), "all were tried");
    drop((honest, claimants));
}

/// A seeder, hostile callers, then an honest leecher.
fn check_callers(name: &str, flags: &str, misbehave: impl FnOnce(SocketAddr, &Arc<Content>)) {
    let _turn = together();
    let stage = Stage::new(name, MIB);
    let victim = stage.seeder(flags);
    stage.expect_served("before", DOWNLOAD); // its buffers are there from here on
    let base = victim.usage().memory;
    let watch = victim.watch();
    misbehave(victim.address, &stage.content);
    stage.expect_served("after", DOWNLOAD);
    let most = watch.most();
    assert!(most.memory < base + GROWTH, "{base} bytes before, {most:?}");
}

fn span(piece: u32, offset: u32, length: u32) -> Span {
    Span { piece: PieceIndex(piece), offset, length }
}

#[test]
fn a_wrong_magic_or_content_is_refused_at_once() {
    check_callers("magic", "", |victim, _| {
        let start = Instant::now();
        for opening in [&b"SWQ1"[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &[0xff; 5000]] {
            let mut caller = Caller::connect(victim).expect("it listens");
            let _ = caller.send(opening); // it may have hung up at the first byte
            caller.expect_end().expect("what is no peer is let go");
        }
        let mut stranger = Caller::connect(victim).expect("it listens");
        let answer = stranger.greet(InfoHashV2([7; 32])).expect("an answer");
        assert!(answer.is_err(), "unknown content: {answer:?}");
        stranger.expect_end().expect("it is let go");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    });
}

#[test]
fn frames_that_break_the_rules_end_the_connection_by_name() {
    check_callers("frames", "", |victim, content| {
        let [have_all, have_none] = [Message::HaveAll, Message::HaveNone].map(|m| m.to_bytes());
        let bits = vec![0xff; content.pieces.div_ceil(8) as usize + 3];
        let mut deep = vec![0x33, 0x81, 0xa1, b'a'];
        deep.extend([0x91; 4000]);
        let mut nested = (deep.len() as u32).to_be_bytes().to_vec();
        nested.extend(deep);
        let spare = bits_of(content.pieces, true).len() + 1;
        let have = |piece| Message::Have(PieceIndex(piece)).to_bytes();
        let get = |piece, offset, length| Message::Get(span(piece, offset, length)).to_bytes();
        let (range, twice) = ("out of range", "a second statement of all it has");
        let refused: Vec<(Vec<u8>, &str)> = vec![
            (vec![0xff; 8], "bytes announced where at most"),
            (vec![0, 0, 0, 0], "an empty frame"),
            (vec![0, 0, 0, 2, 0x99, 0x80], "unknown message type 0x99"),
            (vec![0, 0, 0, 2, 0x37, 0xc1], "the header is not a MessagePack map"),
            (vec![0, 0, 0, 3, 0x37, 0x80, 1], "a body of 1 bytes does not fit it"),
            (vec![0, 0, 0, 2, 0x33, 0x80], "a header field is missing"),
            (
                vec![0, 0, 0, 7, 0x33, 0x81, 0xdb, 0xff, 0xff, 0xff, 0xff],
                "the header does not end inside its frame",
            ),
            (nested, "the header is nested deeper than"),
            (Message::Bitfield { first: 0, bits: &bits }.to_bytes(), "bitfield of"),
            (Message::Bitfield { first: 0, bits: &vec![0; spare] }.to_bytes(), "bitfield of"),
            (Message::Bitfield { first: 8, bits: &[0xff] }.to_bytes(), twice),
            (have(content.pieces), range),
            (have(u32::MAX), range),
            // A seeder has nothing more to say to whoever has everything, so nothing comes first.
            (have_none.repeat(2), twice),
            ([have_none, have_all].concat(), twice),
            (get(0, 0, PIECE + 16384), range),
            (get(0, u32::MAX - 16383, 16384), range),
            (get(0, 0, 0), range),
            (get(0, 1, 16384), range),
            (get(content.pieces, 0, 16384), range),
            (get(u32::MAX, 0, 16384), range),
        ];
        for (bytes, reason) in refused {
            let mut caller = Caller::connect(victim).expect("it listens");
            assert!(caller.greet(content.info_hash).expect("an answer").is_ok());
            let _ = caller.send(&bytes); // it may have hung up in the middle
            let head = bytes[..bytes.len().min(16)].to_vec();
            let said = caller.expect(|message| match message {
                Message::Error(error) => Some((error.code, error.message.clone())),
                _ => None,
            });
            let (code, why) = said.unwrap_or_else(|error| panic!("{head:02x?}: {error}"));
            assert!(code == 400 && why.contains(reason), "{head:02x?}: {code}, {why}");
            caller.expect_end().unwrap_or_else(|error| panic!("{head:02x?}: not let go: {error}"));
        }
    });
}

#[test]
fn a_request_while_choked_is_rejected() {
    check_callers("choked", "", |victim, content| {
        let mut caller = Caller::connect(victim).expect("it listens");
        assert!(caller.greet(content.info_hash).expect("an answer").is_ok());
        caller.say(&Message::HaveNone).expect("sent");
        for _ in 0..1000 {
            caller.say(&Message::Get(span(0, 0, PIECE))).expect("sent");
        }
        for _ in 0..1000 {
            let rejected = caller
                .expect(|message| match message {
                    Message::Reject(_) => Some(true),
                    Message::Chunk { .. } => Some(false),
                    _ => None,
                })
                .expect("an answer");
            assert!(rejected, "it was choked and got a chunk");
        }
    });
}

#[test]
fn a_flood_of_requests_is_bounded() {
    check_callers("flood", "", |victim, content| {
        let mut caller = Caller::interested(victim, content.info_hash).expect("it listens");
        caller.expect(|m| (*m == Message::Unchoke).then_some(())).expect("a slot is free");
        let all: Vec<u8> = (0..10_000)
            .flat_map(|n| Message::Get(span(n % content.pieces, 0, PIECE)).to_bytes())
            .collect();
        // Sent without reading a byte; it may be let go before all is sent.
        let _ = caller.send(&all);
    });
}

#[test]
fn questions_whose_answers_are_never_read_are_bounded() {
    check_callers("deaf-caller", "", |victim, content| {
        let root: Sha256Hash = content.meta.root().expect("one file has a root");
        let leaves = HashRange { root, base: 0, index: 0, count: 4, proof: 0 };
        let wild =
            HashRange { root: [9; 32], base: u32::MAX, index: u32::MAX, count: u32::MAX, proof: 0 };
        let edge = HashRange { root, base: 0, index: u32::MAX, count: u32::MAX, proof: 0 };
        let questions = [
            Message::GetMetainfo { offset: 0, length: u32::MAX },
            Message::GetMetainfo { offset: u32::MAX, length: u32::MAX },
            Message::GetHashes(leaves),
            Message::GetHashes(wild),
            Message::GetHashes(edge),
            Message::Peers,
            Message::GetCount,
            Message::Ping(u64::MAX),
            Message::Cancel(span(u32::MAX, u32::MAX, u32::MAX)),
            Message::Reject(span(u32::MAX, u32::MAX, u32::MAX)),
        ];
        for question in questions {
            let mut caller = Caller::connect_narrow(victim).expect("it listens");
            assert!(caller.greet(content.info_hash).expect("an answer").is_ok());
            let flood: Vec<u8> = (0..2000).flat_map(|_| question.to_bytes()).collect();
            let _ = caller.send(&flood); // it may be let go
        }
    });
}

/// Fifty callers ask for as much metainfo as a message may hold, again and again, read nothing and
/// then break a rule: what they would hear is not kept for them.
#[test]
fn metainfo_that_is_never_read_and_a_broken_rule_cost_little() {
    let _turn = together();
    let stage = Stage::sparse("metainfo", 64 * MIB, 16384);
    let victim = stage.seeder("");
    stage.expect_found("before"); // its metainfo is laid out from here on
    let (base, watch) = (victim.usage(), victim.watch());
    let question = Message::GetMetainfo { offset: 0, length: u32::MAX }.to_bytes();
    // The system itself takes a MiB of it for each.
    let flood = [question.repeat(16), vec![0xff; 8]].concat();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let mut caller = Caller::connect_narrow(victim.address).expect("it listens");
            assert!(caller.greet(stage.content.info_hash).expect("an answer").is_ok());
            caller.send(&flood).expect("it is short");
            caller
        })
        .collect();
    let most_descriptors = base.descriptors + 5;
    crate::harness::until("they are gone", Duration::from_secs(10), || {
        (victim.usage().descriptors <= most_descriptors).then_some(())
    });
    let most = watch.most();
    drop(callers);
    let growth = most.memory.saturating_sub(base.memory);
    crate::harness::process::say(&format!(
        "{growth} bytes for fifty who ask for metainfo, {most:?}"
    ));
    assert!(growth < 2 * GROWTH, "{base:?} before, {most:?}");
}

#[test]
fn chunks_and_hashes_that_a_seeder_did_not_ask_for_are_dropped() {
    check_callers("pushes", "", |victim, content| {
        let mut caller = Caller::connect(victim).expect("it listens");
        assert!(caller.greet(content.info_hash).expect("an answer").is_ok());
        let root = content.meta.root().expect("one file has a root");
        let range = HashRange { root, base: 0, index: 0, count: 4, proof: 0 };
        caller.say(&Message::Hashes(range, &[0xaa; 128])).expect("sent");
        let data = vec![0xaa; 16384];
        for n in 0..1000 {
            let piece = PieceIndex(n % content.pieces);
            if caller.say(&Message::Chunk { piece, offset: 0, data: &data }).is_err() {
                break; // it was let go
            }
        }
        caller.expect_end().expect("it is let go");
    });
}

#[test]
fn one_id_may_call_from_two_addresses_and_from_one_only_once() {
    check_callers("one-id", "", |victim, content| {
        let id = PeerId([7; 20]);
        let greet = |ip: [u8; 4]| {
            let mut caller = Caller::connect_from(ip.into(), victim).expect("it listens");
            let answer = caller.greet_as(id, content.info_hash).expect("an answer");
            (caller, answer.expect("it knows the content"))
        };
        let calls = [[127, 0, 0, 1], [127, 0, 0, 1], [127, 0, 0, 2]].map(greet);
        let let_in = calls.each_ref().map(|(_, answer)| *answer != Availability::Unavailable);
        assert_eq!(let_in, [true, false, true]);
    });
}

/// A seeder has room for two, and two who want nothing have taken it.
#[test]
fn callers_that_want_nothing_do_not_keep_a_full_seeder_from_others() {
    check_callers("idle", "--max-peers 2 --time-scale 60", |victim, content| {
        let enter = |_| {
            crate::harness::until("the caller is let in", SOON, || {
                let mut caller = Caller::connect(victim).expect("it listens");
                let answer = caller.greet(content.info_hash).expect("an answer");
                (answer != Ok(Availability::Unavailable)).then_some(caller)
            })
        };
        let mut callers = [0, 1, 2].map(enter);
        callers[0].expect(|m| (*m == Message::Bye).then_some(())).expect("it is let go");
    });
}

/// Slow, silent and garbage clients of a tracker do not delay the others.
#[test]
fn a_tracker_answers_at_once_beside_slow_and_hostile_clients() {
    let _turn = alone();
    let tracker = tracker("");
    let base = tracker.usage().memory;
    let watch = tracker.watch();
    let mut streams = Vec::new();
    for n in 0..300_u32 {
        let Ok(mut stream) = TcpStream::connect(tracker.address) else { continue };
        let mut random = fastrand::Rng::with_seed(n.into());
        let opening: Vec<u8> = match n % 6 {
            0 => Vec::new(),
            1 => b"SWT1".to_vec(),
            2 => b"SWT1\0\x02\0\0\x13".to_vec(),
            3 => b"SWT1\xff\xff\xff\xff\x13".to_vec(),
            4 => b"GET /announce?info_hash=".to_vec(),
            _ => (0..2000).map(|_| random.u8(..)).collect(),
        };
        let _ = stream.write_all(&opening); // it may be let go
        streams.push(stream);
    }
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut random = fastrand::Rng::with_seed(1);
    for n in 0..3000_usize {
        let mut datagram = b"SWT1".to_vec();
        datagram.extend((0..n % 1400).map(|_| random.u8(..)));
        let _ = udp.send_to(&datagram, tracker.address);
    }
    let start = Instant::now();
    let entries = crate::harness::registry::catalogue(tracker.address);
    let took = start.elapsed();
    assert!(entries.is_empty());
    assert!(took < Duration::from_secs(1), "it answered after {took:?}");
    let most = watch.most();
    assert!(most.memory < base + GROWTH, "{base} bytes before, {most:?}");
}
