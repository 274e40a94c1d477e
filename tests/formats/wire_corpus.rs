//! Peers' streams that nobody in this project wrote, against the running program.
//!
//! Each file of the corpus is what one BitTorrent peer says of a torrent of a hundred pieces: the
//! eight reserved bytes of its handshake, then messages, most of them wrong. The folder lies outside
//! the project, at `SWARMLET_SHARED` or in `../shared`; where it is absent a few streams that stand
//! here take its place.

use crate::harness::bittorrent::{BtPeer, any_id, message};
use crate::harness::hostile::Content;
use crate::harness::process::say;
use crate::harness::programs::{address_of, create, leecher, quick_tracker, seeder};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, alone};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use swarmlet::ids::InfoHashV1;
use swarmlet::protocol::handshake::Reserved;

/// Pieces of the torrent that the streams are about.
const PIECES: usize = 100;

const PIECE: u32 = 16384;

/// How much anonymous memory the streams may cost.
const GROWTH: u64 = 8 * 1024 * 1024;

/// Streams at a time.
const AT_ONCE: usize = 4;

/// Streams after which the program's buffers are there.
const WARM_UP: usize = 100;

/// The corpus, if it is there; else what stands here.
fn streams(scratch: &Scratch) -> Vec<Vec<u8>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("SWARMLET_SHARED").map_or_else(beside, PathBuf::from);
    let archive = shared.join("corpus/wire/peer_conn.tar.gz");
    if !archive.is_file() {
        say(&format!("no corpus at {} (set SWARMLET_SHARED): own streams", archive.display()));
        return own_streams();
    }
    let folder = scratch.folder("corpus");
    let mut tar = Command::new("tar");
    let status = tar.arg("-xzf").arg(&archive).arg("-C").arg(&folder).status();
    assert!(status.is_ok_and(|status| status.success()), "tar cannot read {}", archive.display());
    let files = crate::harness::scratch::listing(&folder).into_iter().map(|name| folder.join(name));
    let streams: Vec<Vec<u8>> = files
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).expect("a file that was just unpacked"))
        .collect();
    assert!(streams.len() > WARM_UP && streams.iter().all(|stream| stream.len() >= 8));
    streams
}

/// Every id with lengths around the right ones, behind each kind of reserved bytes; some bencode
/// that is none, and pieces, bitfields and hash requests out of all bounds.
fn own_streams() -> Vec<Vec<u8>> {
    let full = [0, 0, 0, 0, 0, 0x10, 0, 0x14];
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for id in 0..=24 {
        for length in [0, 1, 3, 4, 5, 8, 12, 13, 14, 48, 49, 300] {
            bodies.push(message(id, &vec![0xff; length]));
            bodies.push(message(id, &vec![0; length]));
        }
    }
    for number in 0..=4 {
        for text in ["", "d", "d1:md11:ut_metadatai3ee13:metadata_sizei2147483647ee", "i1e", "le"] {
            bodies.push(message(20, &[&[number][..], text.as_bytes()].concat()));
        }
        bodies.push(message(20, &[&[number][..], &vec![b'l'; 60_000]].concat()));
    }
    bodies.push(vec![0xff; 100]);
    bodies.push(vec![0; 4000]);
    bodies.push(message(5, &[0xff; 13]));
    bodies.push(message(14, &[]).repeat(2));
    bodies
        .push([message(14, &[]), message(1, &[]), message(7, &vec![0; 16392]).repeat(70)].concat());
    let opened = |reserved: [u8; 8], body: &Vec<u8>| [&reserved[..], body].concat();
    let all = bodies.iter().flat_map(|body| [opened(full, body), opened([0; 8], body)]);
    all.collect()
}

/// Says one stream and waits until the program hangs up.
fn replay_one(address: SocketAddr, info_hash: InfoHashV1, stream: &[u8]) -> io::Result<()> {
    let (reserved, messages) = stream.split_first_chunk().expect("at least the reserved bytes");
    let mut peer = BtPeer::connect(address)?;
    peer.shake_hands(Reserved(*reserved), info_hash, any_id())?;
    // It may hang up before all is said.
    let _ = peer.send(messages).and_then(|()| peer.shut_writing());
    peer.until_end().map(|_| ())
}

/// Says all streams of a torrent of both kinds, a few at a time: where its v2 hash is named, the
/// messages of v2 are understood too.
fn replay(address: SocketAddr, content: &Content, streams: &Arc<Vec<Vec<u8>>>) {
    let names: Vec<InfoHashV1> = content.meta.short_hashes().collect();
    assert_eq!(names.len(), 2, "it is hybrid");
    names.into_iter().for_each(|name| replay_as(address, name, streams));
}

fn replay_as(address: SocketAddr, info_hash: InfoHashV1, streams: &Arc<Vec<Vec<u8>>>) {
    let next = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (next, streams) = (next.clone(), streams.clone());
            std::thread::spawn(move || {
                while let Some(stream) = streams.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let head = &stream[..stream.len().min(64)];
                    let ended = replay_one(address, info_hash, stream);
                    assert!(ended.is_ok(), "{head:02x?} ..: {ended:?}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("each stream ends"));
}

/// A file of a hundred pieces and its .torrent.
fn stage(scratch: &Scratch) -> (PathBuf, PathBuf, Arc<Content>) {
    let file = scratch.file("src/film.bin", PIECES * PIECE as usize - 5, 7);
    let torrent = scratch.at("film.torrent");
    create(&file, &torrent, "-s 16KiB");
    let content = Content::of(&file, PIECE);
    assert_eq!(content.pieces as usize, PIECES);
    (file, torrent, content)
}

#[test]
fn a_seeder_survives_every_stream_and_serves_on() {
    let _turn = alone();
    let scratch = Scratch::new("corpus-seeder");
    let (file, torrent, content) = stage(&scratch);
    let streams = Arc::new(streams(&scratch));
    let tracker = quick_tracker();
    let victim = seeder("victim", tracker.address, &file, "--piece-length 16KiB -q");
    replay(victim.address, &content, &Arc::new(streams[..WARM_UP].to_vec()));

    let (base, watch, start) = (victim.usage().memory, victim.watch(), Instant::now());
    replay(victim.address, &content, &streams);
    let most = watch.most().memory;
    say(&format!("{} streams in {:?}, {base} bytes, then {most}", streams.len(), start.elapsed()));
    assert!(most < base + GROWTH, "{base} bytes before, {most} then");

    let out = scratch.folder("out");
    let what = torrent.to_str().expect("UTF-8");
    let mut honest = leecher("honest", tracker.address, what, &out, "--seed-time 0");
    honest.wait_for("done", DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
    honest.expect_exit(0, SOON);
}

#[test]
fn a_leecher_survives_every_stream_and_gets_its_file() {
    let _turn = alone();
    let scratch = Scratch::new("corpus-leecher");
    let (file, torrent, content) = stage(&scratch);
    let streams = Arc::new(streams(&scratch));
    let tracker = quick_tracker();
    let (what, out) = (torrent.to_str().expect("UTF-8"), scratch.folder("out"));
    // Everything outgoing starts at the loopback: whom the streams name is not reached from there.
    let flags = "--bind 127.0.0.1 --seed-time 0 -q";
    let mut victim = leecher("victim", tracker.address, what, &out, flags);
    let address = address_of(&victim);
    drop(BtPeer::greeted_soon(address, content.meta.short_hashes().next().expect("two")));
    replay(address, &content, &Arc::new(streams[..WARM_UP].to_vec()));

    let (base, watch, start) = (victim.usage().memory, victim.watch(), Instant::now());
    replay(address, &content, &streams);
    let most = watch.most().memory;
    say(&format!("{} streams in {:?}, {base} bytes, then {most}", streams.len(), start.elapsed()));
    assert!(most < base + GROWTH, "{base} bytes before, {most} then");

    let honest = seeder("honest", tracker.address, &file, "--piece-length 16KiB");
    victim.wait_for("done", DOWNLOAD);
    assert_same(&file, &out.join("film.bin"));
    victim.expect_exit(0, SOON);
    drop(honest);
}
