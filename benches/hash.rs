//! What hashing costs on one core of this machine: `cargo bench --bench hash`.
//!
//! A small table, best of five, in GB/s; 16 pieces of 512 KiB at a time.

use std::hint::black_box;
use std::time::Instant;

use sha1::Digest;
use swarmlet::storage::hash::sha1_lanes::{Kernel, Lanes, has_sha_instructions};
use swarmlet::storage::hash::{PieceInput, piece_roots, sha1_many, stream};

const PIECE: usize = 512 * 1024;

fn rate(bytes: usize, work: impl Fn()) -> f64 {
    let once = || {
        let start = Instant::now();
        (0..8).for_each(|_| work());
        8.0 * bytes as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

fn row(name: &str, rate: f64) {
    println!("{name:<44} {rate:>6.2} GB/s");
}

fn main() {
    let mut data = vec![0; 16 * PIECE];
    fastrand::Rng::with_seed(7).fill(&mut data);
    let pieces: Vec<&[u8]> = data.chunks(PIECE).collect();

    println!("SHA instructions: {}", if has_sha_instructions() { "yes" } else { "no" });
    row("SHA-1, sha1 crate", rate(PIECE, || _ = black_box(sha1::Sha1::digest(pieces[0]))));
    for &kernel in Kernel::available() {
        for count in [1, 2, 4, 8, 16].into_iter().filter(|&count| count <= kernel.width()) {
            let runs = &pieces[..count];
            let work = || drop(black_box(Lanes::new(kernel, count).finish(runs)));
            row(&format!("SHA-1, {kernel:?} of {count}"), rate(count * PIECE, work));
        }
    }
    for count in [1, 2, 3, 4, 5, 8, 9, 10, 16] {
        let work = || sha1_many(&pieces[..count], black_box(&mut [[0; 20]; 16][..count]));
        row(&format!("SHA-1, sha1_many of {count}"), rate(count * PIECE, work));
    }
    row("SHA-256, sha2 crate", rate(PIECE, || _ = black_box(sha2::Sha256::digest(pieces[0]))));
    for count in [1, 4, 16] {
        let inputs: Vec<PieceInput> =
            pieces[..count].iter().map(|data| PieceInput { data, leaves: 32 }).collect();
        let work = || piece_roots(&inputs, black_box(&mut [[0; 32]; 16][..count]));
        let name = format!("SHA-256 trees of {count} ({})", tape_sha256::backend());
        row(&name, rate(count * PIECE, work));
    }
    for (name, v1, v2) in [("SHA-1", 1, 0), ("SHA-256", 0, 1), ("both", 1, 1)] {
        let some = |wanted| (wanted == 1).then_some(PIECE as u32);
        let group = [stream::Work { sha1: some(v1), tree: some(v2), leaves: 32 }; 16];
        let buffer = std::cell::RefCell::new(stream::Buffer::default());
        let work = || {
            let found = buffer.borrow_mut().hash(&group, |n, offset, bytes| {
                bytes.copy_from_slice(&pieces[n][offset as usize..][..bytes.len()]);
                Ok::<_, ()>(None)
            });
            drop(black_box(found));
        };
        row(&format!("copied and hashed in chunks, {name}"), rate(16 * PIECE, work));
    }
}
