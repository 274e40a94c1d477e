//! What a file costs to hash, to download and to check: `cargo bench --bench storage -- FILE`.
//!
//! The file is hashed as a new torrent, then written piece by piece in random order, 128 KiB at a
//! time, into a folder beside it, and each piece checked at once, through the map and by
//! position; on one thread, without a network. The copy is removed again.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use swarmlet::geometry::Geometry;
use swarmlet::ids::PieceIndex;
use swarmlet::metainfo::draft::{Draft, Version};
use swarmlet::metainfo::{FileKind, PieceHash};
use swarmlet::storage::create::{HashOptions, hash_path};
use swarmlet::storage::layout::Order;
use swarmlet::storage::{Io, PlannedFile, Storage, StoragePlan};

fn main() {
    let Some(path) = std::env::args().skip(1).find(|arg| !arg.starts_with("--")) else {
        println!("usage: cargo bench --bench storage -- FILE");
        return;
    };
    let path = Path::new(&path);
    let bytes = std::fs::metadata(path).expect("a file to measure with").len();
    let row = |name: &str, start: Instant| {
        let took = start.elapsed().as_secs_f64();
        println!("{name:<36} {took:>6.2} s {:>6.2} GB/s", bytes as f64 / took / 1e9);
    };
    let mut drafts = Vec::new();
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let start = Instant::now();
        let options = HashOptions { piece_length: None, version };
        drafts.push(hash_path(path, &options, &mut |_, _| {}).expect("it can be hashed"));
        row(&format!("hash_path, {version:?}"), start);
    }
    let folder = path.with_extension("bench");
    // Once without looking: a virtual machine gets its memory from the host on first use.
    let warm = Storage::create_or_resume(plan(&drafts[1], &folder), Io::Pread).expect("room");
    download(path, &warm);
    drop(warm);
    std::fs::remove_dir_all(&folder).expect("our own folder");
    for draft in &drafts[..2] {
        for io in [Io::Mmap, Io::Pread] {
            let name = format!("{:?}, {io:?}", draft.version);
            let start = Instant::now();
            let storage = Storage::create_or_resume(plan(draft, &folder), io).expect("room");
            row(&format!("reserve, {name}"), start);
            let start = Instant::now();
            download(path, &storage);
            row(&format!("write and check, {name}"), start);
            drop(storage);
            let storage = Storage::open_existing(plan(draft, &folder)).expect("it is whole");
            let start = Instant::now();
            let right = storage.verify_all(2, &|_| {}, &AtomicBool::new(false));
            assert!(right.is_ok_and(|right| right.is_full()), "all pieces are right");
            row(&format!("verify_all on 2 threads, {name}"), start);
            std::fs::remove_dir_all(&folder).expect("our own folder");
        }
    }
}

fn plan(draft: &Draft, root: &Path) -> StoragePlan {
    let file = &draft.files[0];
    let leaves = draft.piece_length / 16384;
    let v2 = |&root| PieceHash::V2 { root, leaves };
    let (order, hashes) = match draft.version {
        Version::V1 => {
            (Order::Contiguous, draft.v1_pieces.iter().map(|&hash| PieceHash::V1(hash)).collect())
        }
        _ => (Order::Aligned, file.layer.iter().map(v2).collect()),
    };
    StoragePlan {
        root: root.to_owned(),
        files: vec![PlannedFile {
            path: file.path.clone(),
            length: file.length,
            kind: FileKind::Data,
        }],
        order,
        geometry: Geometry::v1(draft.piece_length, file.length).expect("as it was hashed"),
        hashes,
        wanted: Vec::new(),
    }
}

fn download(source: &Path, storage: &Storage) {
    let source = std::fs::File::open(source).expect("it was just hashed");
    let geometry = storage.geometry();
    let mut pieces: Vec<PieceIndex> = (0..geometry.pieces()).map(PieceIndex).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut pieces);
    let mut frame = vec![0; 128 * 1024];
    // Sixteen finished pieces wait for the verifier, as they do when two threads share the work.
    for group in pieces.chunks(16) {
        for &piece in group {
            let length = geometry.length_of(piece);
            for offset in (0..length).step_by(frame.len()) {
                let frame = &mut frame[..(length - offset).min(128 * 1024) as usize];
                let at = u64::from(piece.0) * u64::from(geometry.piece_length());
                source.read_exact_at(frame, at + u64::from(offset)).expect("unchanged");
                storage.write(piece, offset, frame).expect("room");
            }
        }
        let right = storage.check(group).expect("readable");
        assert!(right.iter().all(|&ok| ok), "what was written is right");
        for &piece in group {
            storage.piece_is_verified(piece);
        }
    }
    assert!(storage.settle(&|| true).all, "renamed");
}
