//! BitTorrent peers that keep no rule, against the real programs.
//!
//! Each broken rule ends its connection, and the log names it; nothing crashes, memory grows by less
//! than 8 MiB, and an honest peer is served afterwards.

use crate::harness::bittorrent::{BtPeer, InfoLiar, InfoLie, any_id, message};
use crate::harness::hostile::{Content, Hostile, Lie, bits_of};
use crate::harness::process::{Process, say};
use crate::harness::programs::{
    Listening, address_of, create, leecher, listening, peer, quick_tracker, seeder, seeder_of,
};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, bt_hostile, count, pass, together};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use swarmlet::ids::{InfoHashV1, PeerId};
use swarmlet::metainfo::draft::Version;
use swarmlet::metainfo::hash_proof::Tree;
use swarmlet::protocol::handshake::{Handshake, PROTOCOL, Reserved};
use swarmlet::protocol::message::{Extensions, HashRange, Message, PeersChanged};

const MIB: u64 = 1024 * 1024;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How much anonymous memory hostile peers may cost.
const GROWTH: u64 = 8 * MIB;

/// Ten pieces, the last one shorter: two bytes of bitfield with six spare bits.
const LENGTH: usize = 9 * PIECE as usize + 1000;

const PIECE: u32 = 256 * 1024;

const PIECES: u32 = 10;

/// The id of a block.
const PIECE_ID: u8 = 7;

/// A file, its .torrent, a tracker.
struct Stage {
    scratch: Scratch,
    file: PathBuf,
    torrent: PathBuf,
    content: Arc<Content>,
    tracker: Listening,
}

impl Stage {
    fn new(name: &str) -> Self {
        Self::of(name, Version::Hybrid)
    }

    fn of(name: &str, version: Version) -> Self {
        let scratch = Scratch::new(name);
        let file = scratch.file("src/film.bin", LENGTH, 99);
        let torrent = scratch.at("src/film.torrent");
        let v1 = if version == Version::V1 { "--v1" } else { "" };
        create(&file, &torrent, &format!("-s 256KiB {v1}"));
        let content = Content::of_version(&file, PIECE, version);
        assert_eq!(content.pieces, PIECES);
        Self { scratch, file, torrent, content, tracker: quick_tracker() }
    }

    fn v1(&self) -> InfoHashV1 {
        self.content.meta.info_hash_v1.expect("it is hybrid")
    }

    fn seeder(&self, flags: &str) -> Listening {
        if self.content.meta.info_hash_v2.is_none() {
            let folder = self.file.parent().expect("a folder");
            return seeder_of("seeder", self.tracker.address, &[&self.torrent], folder, flags);
        }
        let flags = format!("--piece-length 256KiB {flags}");
        seeder("seeder", self.tracker.address, &self.file, &flags)
    }

    /// A leecher, not waited for, that only our callers know until a seeder comes.
    fn lone_leecher(&self, flags: &str) -> Listening {
        let victim = listening(self.leecher(flags));
        drop(BtPeer::greeted_soon(victim.address, self.v1()));
        victim
    }

    /// A leecher that has the .torrent.
    fn leecher(&self, flags: &str) -> Process {
        let what = self.torrent.to_str().expect("UTF-8");
        let out = self.scratch.folder("out");
        let flags = format!("--seed-time 0 --bind 127.0.0.1 {flags}");
        leecher("leecher", self.tracker.address, what, &out, &flags)
    }

    fn expect_whole(&self, leecher: &mut Process) {
        leecher.wait_for("done", DOWNLOAD);
        assert_same(&self.file, &self.scratch.path().join("out/film.bin"));
        leecher.expect_exit(0, SOON);
    }
}

/// Waits until the log says why the connection with `peer` ended.
fn expect_named(victim: &Process, peer: SocketAddr, reason: &str) {
    let is_it = |line: &str| line.contains(&format!("{peer}: ")) && line.contains(reason);
    let what = format!("\"{peer}: .. {reason}\"");
    victim.wait_stderr(&what, SOON, |log| log.lines().any(is_it));
}

fn request(piece: u32, offset: u32, length: u32) -> Vec<u8> {
    message(6, [piece, offset, length].map(u32::to_be_bytes).as_flattened())
}

/// A seeder and callers that break its rules, one after another; then an honest leecher.
struct Broken {
    stage: Stage,
    victim: Listening,
}

impl Broken {
    /// A caller that can do everything says `bytes`; it is let go for `reason`, and served nothing.
    fn check(&self, bytes: &[u8], reason: &str) {
        let caller = BtPeer::greeted(self.victim.address, self.stage.v1()).expect("it answers");
        self.check_of(caller, bytes, reason);
    }

    fn check_of(&self, mut caller: BtPeer, bytes: &[u8], reason: &str) {
        let address = caller.address();
        let _ = caller.send(bytes); // it may have hung up in the middle
        let heard = caller.until_end().unwrap_or_else(|e| panic!("{reason}: not let go: {e}"));
        let served = heard.iter().any(|message| message.first() == Some(&PIECE_ID));
        assert!(!served, "{reason}: it was served");
        expect_named(&self.victim, address, reason);
    }

    /// The same by a caller that is unchoked.
    fn check_unchoked(&self, bytes: &[u8], reason: &str) {
        let mut caller = BtPeer::greeted(self.victim.address, self.stage.v1()).expect("an answer");
        caller.say(&Message::HaveNone).expect("said");
        caller.say(&Message::Interested).expect("said");
        caller.expect(1).expect("a slot is free");
        self.check_of(caller, bytes, reason);
    }
}

/// A seeder and what breaks its rules, then an honest leecher; memory is measured.
fn check_seeder(name: &str, flags: &str, misbehave: impl FnOnce(&Broken)) {
    check_seeder_of(Version::Hybrid, name, flags, misbehave);
}

fn check_seeder_of(version: Version, name: &str, flags: &str, misbehave: impl FnOnce(&Broken)) {
    let _turn = together();
    let stage = Stage::of(name, version);
    let victim = stage.seeder(&format!("--log-level debug {flags}"));
    let mut warm = BtPeer::greeted(victim.address, stage.v1()).expect("it answers");
    warm.say(&Message::HaveNone).expect("said");
    warm.say(&Message::Interested).expect("said");
    warm.expect(1).expect("a slot is free");
    warm.send(&request(0, 0, 16384)).expect("said");
    warm.expect(PIECE_ID).expect("a block"); // its buffers are there from here on
    drop(warm);
    let broken = measured(stage, victim, misbehave);
    let mut honest = broken.stage.leecher(&format!("--peer {}", broken.victim.address));
    broken.stage.expect_whole(&mut honest);
}

fn measured(stage: Stage, victim: Listening, misbehave: impl FnOnce(&Broken)) -> Broken {
    let base = victim.usage().memory;
    let watch = victim.watch();
    let broken = Broken { stage, victim };
    misbehave(&broken);
    let most = watch.most().memory;
    assert!(most < base + GROWTH, "{base} bytes before, {most} then");
    broken
}

/// The same against a leecher that has nothing yet; then an honest seeder comes.
fn check_leecher_of(version: Version, name: &str, misbehave: impl FnOnce(&Broken)) {
    let _turn = together();
    let stage = Stage::of(name, version);
    let victim = stage.lone_leecher("--log-level debug");
    let mut broken = measured(stage, victim, misbehave);
    // What has only a v1 hash is not found in our tracker, so the seeder calls.
    let honest = broken.stage.seeder(&format!("--peer {}", broken.victim.address));
    broken.victim.wait_for("done", DOWNLOAD);
    assert_same(&broken.stage.file, &broken.stage.scratch.path().join("out/film.bin"));
    broken.victim.expect_exit(0, SOON);
    drop(honest);
}

#[test]
fn requests_that_break_the_rules_end_the_connection_by_name() {
    check_seeder("bt-requests", "", |broken| {
        let too_long = "longer than 131072 bytes";
        broken.check_unchoked(&request(0, 0, 128 * 1024 + 1), too_long);
        broken.check_unchoked(&request(0, 0, PIECE), too_long);
        for (piece, offset, length) in [
            (PIECES, 0, 16384),
            (u32::MAX, 0, 16384),
            (0, PIECE, 16384),
            (0, PIECE - 1, 2),
            (0, u32::MAX, 16384),
            (0, 0, 0),
            (0, 0, u32::MAX),
        ] {
            broken.check_unchoked(&request(piece, offset, length), "which is out of range");
        }
        // Without the fast extension nothing is allowed while it is choked.
        let mut plain = BtPeer::connect(broken.victim.address).expect("it takes the call");
        let reserved = Reserved([0; 8]);
        plain.shake_hands(reserved, broken.stage.v1(), any_id()).expect("it answers");
        broken.check_of(plain, &request(0, 0, 16384), "requests while it is choked");
        broken.check_unchoked(&message(6, &[0; 11]), "message 'request': 12 bytes");
    });
}

fn break_fields(broken: &Broken) {
    for length in [0, 1, 3, 5000] {
        broken.check(&message(5, &vec![0; length]), "message 'bitfield'");
    }
    broken.check(&message(5, &[0xff, 0xff]), "a spare bit of the bitfield is set");
    broken.check(&message(5, &[0, 1]), "a spare bit of the bitfield is set");
    let second = "a second statement of all it has";
    broken.check(&message(5, &[0, 0]).repeat(18), second); // some send it again and again
    let (have_all, have_none) = (message(14, &[]), message(15, &[]));
    broken.check(&[&have_none[..], &have_all].concat(), second);
    broken.check(&have_all.repeat(2), second);
    for full in [true, false] {
        for word in [&have_all, &have_none] {
            let both = [message(5, &bits_of(PIECES, full)), word.clone()].concat();
            broken.check(&both.repeat(2), second);
        }
    }
    for piece in [PIECES, u32::MAX] {
        broken.check(&message(4, &piece.to_be_bytes()), "have of piece");
    }
}

fn push_blocks(broken: &Broken) {
    let blocks = message(PIECE_ID, &vec![0; 8 + 16384]).repeat(65);
    broken.check(&blocks, "64 chunks that nobody asked for");
}

#[test]
fn bitfields_and_haves_that_break_the_rules_end_the_connection_by_name() {
    check_seeder("bt-fields", "", break_fields);
}

#[test]
fn blocks_that_nobody_asked_for_end_the_connection_by_name() {
    check_seeder("bt-unasked", "", push_blocks);
}

/// Requests for pieces that it lacks, and all that a seeder refuses too.
fn break_rules_of_leecher(broken: &Broken) {
    for request in [request(0, 0, 16384), request(PIECES, 0, 16384), request(0, 0, 0)] {
        broken.check(&request, "which is out of range");
    }
    break_fields(broken);
    push_blocks(broken);
    broken.check(&[0xff; 4], "announced where at most");
}

#[test]
fn a_leecher_ends_connections_that_break_the_rules_by_name() {
    check_leecher_of(Version::Hybrid, "bt-leecher", break_rules_of_leecher);
}

#[test]
fn a_leecher_of_what_has_only_a_v1_hash_does_so_too() {
    check_leecher_of(Version::V1, "bt-leecher-v1", |broken| {
        break_rules_of_leecher(broken);
        speak_of_hashes(broken);
    });
}

#[test]
fn a_seeder_of_what_has_only_a_v1_hash_does_so_too() {
    check_seeder_of(Version::V1, "bt-seeder-v1", "", |broken| {
        break_fields(broken);
        push_blocks(broken);
        broken.check_unchoked(&request(PIECES, 0, 16384), "which is out of range");
        speak_of_hashes(broken);
    });
}

/// The messages of BEP 52 have no place where there is no v2 hash, whatever the caller claims.
fn speak_of_hashes(broken: &Broken) {
    for claims in [true, false] {
        for (id, length) in [(21, 48), (22, 80), (23, 48)] {
            let mut caller = BtPeer::connect(broken.victim.address).expect("it listens");
            let reserved = Reserved::ours().with_v2(claims);
            caller.shake_hands(reserved, broken.stage.v1(), any_id()).expect("an answer");
            let reason = format!("message {id} without BitTorrent v2");
            broken.check_of(caller, &message(id, &vec![0; length]), &reason);
        }
    }
}

/// A leecher calls hostile servers, names what they did wrong, and gets its file from an honest one.
fn check_servers(name: &str, version: Version, lies: &[(Lie, &str)]) {
    let _turn = together();
    let stage = Stage::of(name, version);
    let start = |&(lie, _): &(Lie, &str)| bt_hostile::start(HERE, stage.content.clone(), lie);
    let servers: Vec<Hostile> = lies.iter().map(start).collect();
    let calls: Vec<String> = servers.iter().map(|s| format!(" --peer {}", s.address)).collect();
    let victim = stage.leecher(&format!("--log-level debug{}", calls.concat()));
    let victim = listening(victim);
    let base = victim.usage().memory;
    let watch = victim.watch();
    for (server, (_, reason)) in servers.iter().zip(lies) {
        expect_named(&victim, server.address, reason);
    }
    let most = watch.most().memory;
    let own = servers.len() as u64 * MIB; // their connections' buffers
    assert!(most < base + own + GROWTH, "{base} bytes before, {most} then");
    let mut broken = Broken { stage, victim };
    let honest = broken.stage.seeder(&format!("--peer {}", broken.victim.address));
    broken.stage.expect_whole(&mut broken.victim);
    drop(honest);
}

const RUDE: [(Lie, &str); 9] = [
    (Lie::HugeLength, "announced where at most"),
    (Lie::Garbage, "closed: "),
    (Lie::SpareBits, "message 'bitfield'"),
    (Lie::HaveOutOfRange, "have of piece"),
    (Lie::SpeaksTwice, "a second statement of all it has"),
    (Lie::UnaskedChunks, "64 chunks that nobody asked for"),
    (Lie::BothStatements { full: true, all: false }, "a second statement of all it has"),
    (Lie::BothStatements { full: false, all: true }, "a second statement of all it has"),
    (Lie::GarbageFirst, "no BitTorrent connection: "),
];

#[test]
fn servers_that_break_the_rules_are_let_go_by_name() {
    check_servers("bt-servers", Version::Hybrid, &RUDE);
}

#[test]
fn servers_of_what_has_only_a_v1_hash_are_let_go_by_name() {
    check_servers("bt-servers-v1", Version::V1, &RUDE);
}

#[test]
fn what_is_too_long_ends_the_connection_at_its_fifth_byte() {
    check_seeder("bt-lengths", "", |broken| {
        broken.check(&[0, 0, 1, 0, 4], "message 'have': 256 bytes");
        broken.check(&[0, 2, 0, 0x0a, PIECE_ID], "message 'piece': 131082 bytes");
        broken.check(&[0, 1, 0, 1, 20, 0], "message 'extended': 65537 bytes");
        broken.check(&[0, 0, 0x44, 3, 20, 1], "message 'ut_metadata': 17411 bytes");
        broken.check(&[0xff; 4], "announced where at most");
        broken.check(&[0, 0x10, 0, 0], "announced where at most");
        broken.check(&PROTOCOL, "announced where at most"); // a second handshake
    });
}

#[test]
fn what_was_not_agreed_on_ends_the_connection_by_name() {
    check_seeder("bt-agreed", "", |broken| {
        for (bytes, reason) in [
            (message(14, &[]), "message 14 without the fast extension"),
            (message(20, b"\0de"), "message 20 without the extension protocol"),
            (message(21, &[0; 48]), "message 21 without BitTorrent v2"),
        ] {
            let mut caller = BtPeer::connect(broken.victim.address).expect("it listens");
            let shaken = caller.shake_hands(Reserved([0; 8]), broken.stage.v1(), any_id());
            shaken.expect("an answer");
            broken.check_of(caller, &bytes, reason);
        }
        broken.check(&message(20, b"\0i1e"), "message 'extension handshake' is no dictionary");
        broken.check(&message(20, b"\0d1:"), "message 'extension handshake' is no bencode");
        broken.check(&message(20, b"\x01de"), "message 'ut_metadata' without a valid 'msg_type'");
    });
}

#[test]
fn callers_for_unknown_content_and_ourselves_are_not_let_in() {
    check_seeder("bt-strangers", "", |broken| {
        let (address, v1) = (broken.victim.address, broken.stage.v1());
        let mut stranger = BtPeer::connect(address).expect("it listens");
        let answer = stranger.shake_hands(Reserved::ours(), InfoHashV1([7; 20]), any_id());
        assert!(answer.is_err(), "{answer:?}");
        expect_named(&broken.victim, stranger.address(), "not let in: unknown content");

        let mut first = BtPeer::connect(address).expect("it listens");
        let theirs = first.shake_hands(Reserved::ours(), v1, any_id()).expect("an answer");
        let mut mirror = BtPeer::connect(address).expect("it listens");
        mirror.shake_hands(Reserved::ours(), v1, theirs.peer_id).expect("an answer");
        mirror.until_end().expect("it is let go");
        expect_named(&broken.victim, mirror.address(), "not let in: this is ourselves");

        let twin = any_id();
        let mut one = BtPeer::connect(address).expect("it listens");
        one.shake_hands(Reserved::ours(), v1, twin).expect("an answer");
        let mut other = BtPeer::connect(address).expect("it listens");
        assert!(other.shake_hands(Reserved::ours(), v1, twin).is_err(), "it is there already");
        expect_named(&broken.victim, other.address(), "not let in: connected already");
        assert_answers(&mut one);
    });
}

/// It is alive: asked for the first part of `info`, it sends it.
fn assert_answers(peer: &mut BtPeer) {
    peer.say(&Message::Extensions(Box::new(Extensions {
        numbers: swarmlet::protocol::bittorrent::OURS,
        ..Extensions::default()
    })))
    .expect("said");
    peer.say(&Message::GetInfo(0)).expect("said");
    while !peer.expect(20).expect("an answer").starts_with(b"\x01d8:msg_typei1e") {}
}

#[test]
fn extension_handshakes_without_end_end_the_connection() {
    check_seeder("bt-handshakes", "", |broken| {
        let offers = |n: u32| {
            let text = format!("\0d1:md11:ut_metadatai{}ee4:reqqi{n}ee", n % 256);
            message(20, text.as_bytes())
        };
        let flood: Vec<u8> = (0..10_000).flat_map(offers).collect();
        broken.check(&flood, "64 extension handshakes");
        let huge = b"\0d1:md11:ut_metadatai1ee13:metadata_sizei2147483648e1:pi0ee";
        let mut caller = BtPeer::greeted(broken.victim.address, broken.stage.v1()).expect("up");
        caller.send(&message(20, huge)).expect("said");
        assert_answers(&mut caller);
    });
}

#[test]
fn parts_of_info_that_are_not_there_are_refused() {
    check_seeder("bt-info", "", |broken| {
        let mut caller = BtPeer::greeted(broken.victim.address, broken.stage.v1()).expect("up");
        assert_answers(&mut caller);
        for index in [1, 1000, u32::MAX] {
            caller.say(&Message::GetInfo(index)).expect("said");
            let answer = caller.expect(20).expect("an answer");
            assert!(answer.starts_with(b"\x01d8:msg_typei2e"), "{index}: {answer:?}");
        }
    });
}

#[test]
fn hash_requests_that_make_no_sense_are_rejected() {
    check_seeder("bt-hashes", "", |broken| {
        let meta = &broken.stage.content.meta;
        let short = meta.info_hash_v2.expect("it is hybrid").truncated();
        let mut caller = BtPeer::connect(broken.victim.address).expect("it listens");
        let reserved = Reserved::ours().with_v2(true);
        let theirs = caller.shake_hands(reserved, short, any_id()).expect("an answer");
        assert_eq!(theirs.info_hash, short, "both go on in v2");
        let tree = Tree::of(&meta.files[0], meta.piece_length).expect("it has a root");
        let good = tree.layer_requests().next().expect("it has a piece layer");
        for bad in [
            HashRange { root: [7; 32], ..good },
            HashRange { base: 0, index: 0, count: u32::MAX, ..good },
            HashRange { base: u32::MAX, ..good },
            HashRange { index: u32::MAX, ..good },
            HashRange { index: 1, ..good },
            HashRange { count: 0, ..good },
            HashRange { count: 3, ..good },
            HashRange { count: 1 << 31, ..good },
            HashRange { proof: u32::MAX, ..good },
            HashRange { base: 0, index: 1 << 31, count: 1 << 31, ..good },
        ] {
            caller.say(&Message::GetHashes(bad)).expect("said");
            let rejected = caller.expect(23).unwrap_or_else(|error| panic!("{bad:?}: {error}"));
            assert_eq!(rejected[..32], bad.root, "{bad:?}");
            let numbers = [bad.base, bad.index, bad.count, bad.proof].map(u32::to_be_bytes);
            assert_eq!(&rejected[32..], numbers.as_flattened(), "{bad:?}");
        }
        caller.say(&Message::GetHashes(good)).expect("said");
        assert!(caller.expect(22).expect("hashes").len() > 48 + 10 * 32);
    });
}

/// Peers that nobody may dial, thousands of times, and then one that may be dialled, told by another.
#[test]
fn a_flood_of_peers_that_nobody_may_dial_is_ignored() {
    let _turn = together();
    let stage = Stage::new("bt-pex");
    let mut victim = stage.leecher("--log-level debug");
    let address = address_of(&victim);
    let base = victim.usage().memory;
    let watch = victim.watch();
    let bystander = TcpListener::bind("127.0.0.1:0").expect("a port");
    let bad = [
        "127.0.0.1:0",
        "224.0.0.1:6881",
        "239.1.2.3:6881",
        "255.255.255.255:6881",
        "0.0.0.0:6881",
        "[::]:6881",
        "[ff02::1]:6881",
        "[::1]:0",
    ];
    let bad: Vec<(SocketAddr, u8)> =
        bad.iter().cycle().take(48).map(|text| (text.parse().expect("an address"), 0)).collect();
    let mut caller = BtPeer::greeted_soon(address, stage.v1());
    for _ in 0..2000 {
        let changed = PeersChanged { added: bad.clone(), dropped: Vec::new() };
        caller.say(&Message::PeersChanged(Box::new(changed))).expect("said");
    }
    let mapped = [&[0; 10][..], &[0xff, 0xff, 224, 0, 0, 1], &6881_u16.to_be_bytes()].concat();
    let pex = [&b"\x02d6:added618:"[..], &mapped, b"e"].concat();
    let mut second = BtPeer::greeted_soon(address, stage.v1());
    second.send(&message(20, &pex)).expect("said");
    let mut third = BtPeer::greeted_soon(address, stage.v1());
    let added = vec![(bystander.local_addr().expect("it listens"), 0)];
    let changed = PeersChanged { added, dropped: Vec::new() };
    third.say(&Message::PeersChanged(Box::new(changed))).expect("said");
    let (stream, _) = bystander.accept().expect("the last one is called");
    drop((stream, bystander));
    let most = watch.most().memory;
    assert!(most < base + GROWTH, "{base} bytes before, {most} then");

    let honest = stage.seeder("");
    stage.expect_whole(&mut victim);
    let log = victim.stderr();
    for named in ["224.0.0.1", "239.1.2.3", "255.255.255.255", " 0.0.0.0:6881", "ff02", ":0: "] {
        let line = log.lines().find(|line| line.contains(named));
        assert_eq!(line, None, "{named} was dialled");
    }
    drop(honest);
}

#[test]
fn a_caller_that_encrypts_its_opening_goes_on_in_clear() {
    check_seeder("bt-encrypted", "", |broken| {
        let (address, v1) = (broken.victim.address, broken.stage.v1());
        let hello = || {
            let handshake =
                Handshake { reserved: Reserved::ours(), info_hash: v1, peer_id: any_id() };
            handshake.to_bytes()
        };
        let mut at_once = BtPeer::encrypted(address, v1, 3, &hello()).expect("an answer");
        assert_eq!(at_once.hear_handshake().expect("an answer").info_hash, v1);
        assert_answers(&mut at_once);

        let v2 = broken.stage.content.meta.info_hash_v2.expect("it is hybrid").truncated();
        let mut later = BtPeer::encrypted(address, v2, 1, &[]).expect("an answer");
        later.send(&hello()).expect("sent");
        assert_eq!(later.hear_handshake().expect("an answer").info_hash, v1);
        assert_answers(&mut later);
    });
}

#[test]
fn encrypted_openings_that_lead_nowhere_end_the_connection_by_name() {
    check_seeder("bt-encrypted-badly", "", |broken| {
        let (address, v1) = (broken.victim.address, broken.stage.v1());
        let only_rc4 = BtPeer::encrypted(address, v1, 2, &[]).map(|_| ());
        assert!(only_rc4.is_err(), "{only_rc4:?}");
        let unknown = BtPeer::encrypted(address, InfoHashV1([7; 20]), 3, &[]).map(|_| ());
        assert!(unknown.is_err(), "{unknown:?}");
        let said = |reason: &str| {
            broken.victim.wait_stderr(reason, SOON, |log| log.contains(reason));
        };
        said("not let in: encrypted opening: no way to go on that both sides allow");
        said("not let in: encrypted opening: for a torrent that is not served here");

        let start = Instant::now();
        let half_a_key: Vec<u8> = (1..48).collect();
        let no_proof: Vec<u8> = (0..2000_u32).map(|n| (n * 7 + 1) as u8).collect();
        for (bytes, reason) in [
            (&half_a_key[..], "no complete opening in time"),
            (&no_proof[..], "no proof of the key"),
            (&[0xff; 96][..], "does not open with the protocol's magic"),
            (&b"GET /announce HTTP/1.1\r\n\r\n"[..], "does not open with the protocol's magic"),
        ] {
            let caller = BtPeer::connect(address).expect("it listens");
            broken.check_of(caller, bytes, reason);
        }
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    });
}

/// Four peers lie about `info`, which are as many as are asked at a time; the fifth does not.
fn check_info_liars(name: &str, lie: InfoLie, reason: &str) {
    let _turn = together();
    let stage = Stage::new(name);
    let honest = stage.seeder("");
    let info = stage.content.meta.info.clone();
    let liars: [_; 4] = std::array::from_fn(|_| InfoLiar::start(info.clone(), lie));
    let magnet = format!("magnet:?xt=urn:btih:{}", stage.v1());
    let mut peers: Vec<SocketAddr> = liars.iter().map(|liar| liar.address).collect();
    peers.push(honest.address);
    let peers: Vec<String> = peers.iter().map(|peer| format!(" --peer {peer}")).collect();
    let peers = peers.concat();
    let out = stage.scratch.folder("out");
    let action = ["--leech", &magnet, "--download-dir", out.to_str().expect("UTF-8")];
    let flags = format!("--seed-time 0 --log-level debug{peers}");
    let mut user = peer("user", &action, stage.scratch.path(), &flags);
    stage.expect_whole(&mut user);
    let log = user.stderr();
    let is_named = |liar: &&InfoLiar| {
        let start = format!("{}: no metainfo: ", liar.address);
        log.lines().any(|line| line.contains(&start) && line.contains(reason))
    };
    let found_out: Vec<&InfoLiar> = liars.iter().filter(is_named).collect();
    assert!(!found_out.is_empty(), "no liar was found out");
    let calls: Vec<usize> = found_out.iter().map(|liar| liar.asked()).collect();
    assert!(calls.iter().all(|&calls| calls == 1), "who lied was called again: {calls:?}");
    assert!(!log.contains("is taken as v1"), "the honest seeder has the piece layers");
    drop(honest);
}

#[test]
fn whoever_offers_a_wrong_info_is_passed_over() {
    check_info_liars("bt-wrong-info", InfoLie::WrongBit, "the info-hash does not match");
}

#[test]
fn whoever_offers_a_short_info_is_passed_over() {
    check_info_liars("bt-short-info", InfoLie::Short, "where");
}

#[test]
fn whoever_offers_an_info_of_another_length_is_passed_over() {
    check_info_liars("bt-long-info", InfoLie::Length(40_000), "where");
}

#[test]
fn whoever_offers_an_info_of_two_gigabytes_is_passed_over() {
    check_info_liars("bt-huge-info", InfoLie::Length(1 << 31), "a metainfo of 2147483648 bytes");
}

#[test]
fn whoever_offers_an_info_of_one_byte_is_passed_over() {
    check_info_liars("bt-tiny-info", InfoLie::Length(1), "where");
}

/// Four peers give `info` too slowly or not at all, which are as many as are asked at a time: those
/// behind them are asked all the same.
fn check_slow_info(name: &str, lies: [InfoLie; 4]) {
    let _turn = together();
    let stage = Stage::new(name);
    let honest = stage.seeder("");
    let info = stage.content.meta.info.clone();
    let slow = lies.map(|lie| InfoLiar::start(info.clone(), lie));
    let mut peers: Vec<SocketAddr> = slow.iter().map(|slow| slow.address).collect();
    peers.push(honest.address);
    let peers: Vec<String> = peers.iter().map(|peer| format!("&x.pe={peer}")).collect();
    let magnet = format!("magnet:?xt=urn:btih:{}{}", stage.v1(), peers.concat());
    let out = stage.scratch.folder("out");
    let action = ["--leech", &magnet, "--download-dir", out.to_str().expect("UTF-8")];
    let start = Instant::now();
    let flags = "--seed-time 0 --log-level debug";
    let mut user = peer("user", &action, stage.scratch.path(), flags);
    let found = user.wait_for("metadata", DOWNLOAD);
    let took = start.elapsed();
    say(&format!("beside {lies:?} the metadata came after {took:?}: {}", found["name"]));
    assert!(took < Duration::from_secs(9), "{took:?}");
    stage.expect_whole(&mut user);
    let asked = slow.iter().filter(|slow| slow.asked() > 0).count();
    assert!(asked > 0, "none of the slow ones was asked");
}

#[test]
fn four_who_give_an_info_too_slowly_keep_nobody_waiting() {
    check_slow_info("bt-slow-info", [InfoLie::SlowParts; 4]);
}

#[test]
fn four_who_talk_and_give_no_info_keep_nobody_waiting() {
    let (chatter, other) = (InfoLie::Chatter, InfoLie::OtherIndex);
    check_slow_info("bt-chatter", [chatter, other, chatter, other]);
}

/// We are dialled and dial back under the same id: one connection stays, by a rule both know.
fn check_simultaneous_open(stage: &Stage, ours: PeerId, dialled_by_victim_stays: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.local_addr().expect("it listens");
    let victim = stage.leecher(&format!("--log-level debug --peer {own}"));
    let address = address_of(&victim);
    let mut dialled = answered(&listener, ours);
    let mut called = BtPeer::connect(address).expect("it listens");
    let answer = called.shake_hands(Reserved::ours(), stage.v1(), ours);
    if dialled_by_victim_stays {
        assert!(answer.is_err(), "ours was let in: {answer:?}");
        expect_named(&victim, called.address(), "not let in: connected already");
        assert_answers(&mut dialled);
    } else {
        answer.expect("ours is let in");
        dialled.until_end().expect("its own call is given up");
        assert_answers(&mut called);
    }
    let survivor = if dialled_by_victim_stays { &mut dialled } else { &mut called };
    listener.set_nonblocking(true).expect("a socket");
    pass(Duration::from_millis(200));
    let again = listener.accept().map(|(_, from)| from);
    assert!(again.is_err(), "it called again: {again:?}");
    assert_answers(survivor);
}

/// Takes calls until one is in BitTorrent, and answers it.
fn answered(listener: &TcpListener, ours: PeerId) -> BtPeer {
    loop {
        let (stream, _): (TcpStream, _) = listener.accept().expect("a call");
        let mut peer = BtPeer::over(stream).expect("a stream");
        let Ok(theirs) = peer.hear_handshake() else { continue };
        let answer = Handshake { reserved: Reserved::ours(), peer_id: ours, ..theirs };
        peer.send(&answer.to_bytes()).expect("sent");
        peer.expect(20).expect("its extension handshake");
        return peer;
    }
}

#[test]
fn of_two_connections_opened_at_once_the_one_dialled_by_the_greater_id_stays() {
    let _turn = together();
    let stage = Stage::new("bt-crossed");
    for _ in 0..count("HOSTILE_ROUNDS", 1) {
        check_simultaneous_open(&stage, PeerId([0; 20]), true);
        check_simultaneous_open(&stage, PeerId([0xff; 20]), false);
    }
}
