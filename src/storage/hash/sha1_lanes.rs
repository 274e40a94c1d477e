//! SHA-1 of several messages at once, one per SIMD lane.
//!
//! SHA-1 is one chain of dependent steps, so one message cannot be vectorised; sixteen can:
//!
//! ```text
//! vector register   a = | a of piece 0 | a of piece 1 | ... | a of piece 15 |
//! ```
//! [`Lanes`] keeps the states of up to [`Kernel::width`] messages of one length and is fed a
//! chunk of each in turn, so that pieces of any size are hashed from cache-sized buffers.
//! The kernels are chosen at run time; on a processor that can run none ([`Kernel::best`]) the
//! caller hashes one message after the other. Those with the SHA instructions take messages in
//! turns instead of in lanes; to a caller that is the same.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::{sha1_ni, sha1_x86};
use crate::ids::Sha1Hash;

/// The most messages any kernel hashes at once.
pub const MAX_LANES: usize = 16;

/// Bytes that SHA-1 takes at a time.
pub(super) const BLOCK: usize = 64;

/// The five words of every lane: `state[word][lane]`.
pub(super) type State = [[u32; MAX_LANES]; 5];

/// Equally long runs of bytes, one per lane.
pub(super) type Runs<'a> = [&'a [u8]; MAX_LANES];

/// Whether kernels are faster than the crates `sha1` and `tape-sha256`: only where they were
/// optimised, which those always are. The tests of this library try them nevertheless.
pub const PAY: bool = !cfg!(debug_assertions) || cfg!(test);

/// A way of hashing several messages at once on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The SHA instructions, two messages in turns.
    Sha,
    /// The SHA instructions and AVX-512's rotation, four messages in turns.
    ShaRotating,
    /// Eight lanes in 256-bit registers.
    Avx2,
    /// The same with AVX-512's rotation and three-input logic.
    Avx512Half,
    /// Sixteen lanes in 512-bit registers.
    Avx512,
}

impl Kernel {
    /// All kernels this processor can run, narrowest first.
    pub fn available() -> &'static [Self] {
        static AVAILABLE: OnceLock<Vec<Kernel>> = OnceLock::new();
        AVAILABLE.get_or_init(|| {
            let all = [Self::Sha, Self::ShaRotating, Self::Avx2, Self::Avx512Half, Self::Avx512];
            all.into_iter().filter(|kernel| kernel.is_available()).collect()
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        match self {
            Self::Sha => sha1_ni::has_sha(),
            Self::ShaRotating => sha1_ni::has_sha_and_rotation(),
            Self::Avx2 => sha1_x86::has_avx2(),
            Self::Avx512Half => sha1_x86::has_avx512_half(),
            Self::Avx512 => sha1_x86::has_avx512(),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        false
    }

    /// The cheapest kernel for `messages` at once; `None` when this processor has none.
    ///
    /// Lanes cost the same however few of them are used, turns only as much as there is. GB/s on
    /// one core of 3.6 GHz with AVX-512 and the SHA instructions, by `benches/hash.rs` (the
    /// `sha1` crate, one message after the other: 1.9):
    ///
    /// | messages      | 1   | 2   | 4   | 5   | 8   | 16  |
    /// |---------------|-----|-----|-----|-----|-----|-----|
    /// | `Sha`         | 1.9 | 2.2 |     |     |     |     |
    /// | `ShaRotating` | 2.0 | 2.6 | 2.6 |     |     |     |
    /// | `Avx2`        | 0.4 | 0.9 | 1.8 | 2.2 | 3.4 |     |
    /// | `Avx512Half`  | 0.6 | 1.3 | 2.5 | 3.1 | 5.0 |     |
    /// | `Avx512`      | 0.4 | 0.9 | 1.8 | 2.2 | 3.5 | 6.8 |
    ///
    /// Nine are one of eight and one alone. Without the SHA instructions one message at a time
    /// is 0.5 on an older core, so that lanes pay from two on. In a build that is not optimised none
    /// pays, see [`PAY`].
    pub fn best(messages: usize) -> Option<Self> {
        if !PAY {
            return None;
        }
        let turns = Self::Sha.is_available();
        let enough = |kernel: &&Self| match kernel {
            Self::Sha | Self::ShaRotating => messages >= 1,
            Self::Avx2 => messages >= if turns { 6 } else { 2 },
            Self::Avx512Half => messages >= if turns { 5 } else { 2 },
            Self::Avx512 => messages >= 10,
        };
        Self::available().iter().rev().find(enough).copied()
    }

    /// How many messages are hashed at once.
    pub fn width(self) -> usize {
        match self {
            Self::Sha => 2,
            Self::ShaRotating => 4,
            Self::Avx2 | Self::Avx512Half => 8,
            Self::Avx512 => 16,
        }
    }

    /// Feeds runs of one length, a multiple of 64 bytes, into the first lanes.
    #[cfg(target_arch = "x86_64")]
    fn compress(self, state: &mut State, runs: &[&[u8]]) {
        // Unused lanes repeat the first message; their digests are dropped.
        let lanes = || std::array::from_fn(|i| *runs.get(i).unwrap_or(&runs[0]));
        match self {
            Self::Sha => sha1_ni::plain(state, runs),
            Self::ShaRotating => sha1_ni::rotating(state, runs),
            Self::Avx2 => sha1_x86::avx2(state, &lanes()),
            Self::Avx512Half => sha1_x86::avx512_half(state, &lanes()),
            Self::Avx512 => sha1_x86::avx512(state, &lanes()),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn compress(self, _: &mut State, _: &[&[u8]]) {
        unreachable!("no kernel is available here");
    }
}

/// Whether one message is hashed by instructions made for it (then lanes must be fuller to pay).
pub fn has_sha_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("sha");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Several messages of one length on their way through a kernel.
#[derive(Debug, Clone)]
pub struct Lanes {
    kernel: Kernel,
    messages: usize,
    state: State,
    hashed: u64,
}

impl Lanes {
    /// Starts `messages` messages, at most the kernel's width.
    ///
    /// # Panics
    /// When there are none or more than the kernel has lanes.
    pub fn new(kernel: Kernel, messages: usize) -> Self {
        assert!((1..=kernel.width()).contains(&messages), "a kernel's width of messages");
        let start = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        Self { kernel, messages, state: start.map(|word| [word; MAX_LANES]), hashed: 0 }
    }

    /// Takes the next bytes of every message: one length for all, a multiple of 64.
    ///
    /// # Panics
    /// When the runs differ in number or length from that.
    pub fn update(&mut self, runs: &[&[u8]]) {
        assert_eq!(runs.len(), self.messages, "a run of each message");
        check_runs(runs);
        self.hashed += runs[0].len() as u64;
        self.kernel.compress(&mut self.state, runs);
    }

    /// Takes the last bytes of every message, one length of any size for all, and gives the
    /// digests in the messages' order.
    ///
    /// # Panics
    /// As [`Lanes::update`].
    pub fn finish(mut self, tails: &[&[u8]]) -> Vec<Sha1Hash> {
        let length = tails.first().map_or(0, |tail| tail.len());
        assert!(tails.iter().all(|tail| tail.len() == length), "equally long tails");
        let whole = length - length % BLOCK;
        let heads: Vec<&[u8]> = tails.iter().map(|tail| &tail[..whole]).collect();
        self.update(&heads);
        let bits = (self.hashed + (length - whole) as u64) * 8;
        let ends: Vec<_> = tails.iter().map(|tail| padded(&tail[whole..], bits)).collect();
        let ends: Vec<&[u8]> = ends.iter().map(|(end, used)| &end[..*used]).collect();
        self.update(&ends);
        (0..self.messages).map(|lane| self.digest(lane)).collect()
    }

    fn digest(&self, lane: usize) -> Sha1Hash {
        let mut digest = [0; 20];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(&self.state) {
            bytes.copy_from_slice(&word[lane].to_be_bytes());
        }
        digest
    }
}

/// What every kernel asks of its runs: one length for all, a multiple of a block.
///
/// # Panics
/// When they are not so.
pub(super) fn check_runs(runs: &[&[u8]]) {
    let length = runs[0].len();
    assert!(length.is_multiple_of(BLOCK), "whole blocks");
    assert!(runs.iter().all(|run| run.len() == length), "equally long runs");
}

/// The end of a message of `bits` bits: a one, zeros, and the length (FIPS 180-4, 5.1.1), in one
/// or two blocks.
pub(super) fn padded(rest: &[u8], bits: u64) -> ([u8; 2 * BLOCK], usize) {
    let mut end = [0; 2 * BLOCK];
    end[..rest.len()].copy_from_slice(rest);
    end[rest.len()] = 0x80;
    let used = if rest.len() + 9 <= BLOCK { BLOCK } else { 2 * BLOCK };
    end[used - 8..used].copy_from_slice(&bits.to_be_bytes());
    (end, used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::{Digest, Sha1};

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bytes = vec![0; length];
        rng.fill(&mut bytes);
        bytes
    }

    fn reference(message: &[u8]) -> Sha1Hash {
        Sha1::digest(message).into()
    }

    #[test]
    fn every_kernel_agrees_with_the_reference_at_every_length() {
        for &kernel in Kernel::available() {
            for length in (0..260).chain([511, 512, 513, 4096, 16383, 16384, 16385]) {
                for messages in (1..=4).chain([7, 8, 15, 16]).filter(|&n| n <= kernel.width()) {
                    let data: Vec<_> = (0..messages).map(|i| noise(i as u64, length)).collect();
                    let runs: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
                    let got = Lanes::new(kernel, messages).finish(&runs);
                    let expected: Vec<_> = runs.iter().map(|m| reference(m)).collect();
                    assert_eq!(got, expected, "{kernel:?}, {messages} of {length} bytes");
                }
            }
        }
    }

    /// The examples of FIPS 180: one block, two blocks, a million times `a`.
    #[test]
    fn every_kernel_gives_the_digests_that_the_standard_prints() {
        let million = vec![b'a'; 1_000_000];
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let examples: [(&[u8], [u32; 5]); 3] = [
            (b"abc", [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c, 0x9cd0_d89d]),
            (two_blocks, [0x8498_3e44, 0x1c3b_d26e, 0xbaae_4aa1, 0xf951_29e5, 0xe546_70f1]),
            (&million, [0x34aa_973c, 0xd4c4_daa4, 0xf61e_eb2b, 0xdbad_2731, 0x6534_016f]),
        ];
        for &kernel in Kernel::available() {
            for (message, words) in examples {
                let digest: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
                let got = Lanes::new(kernel, 2).finish(&[message, message]);
                assert!(got.iter().all(|got| got[..] == digest), "{kernel:?}: {got:x?}");
            }
        }
    }

    #[test]
    fn there_is_a_kernel_for_any_number_of_messages_where_there_is_one_for_few() {
        for messages in 2..40 {
            let any = !Kernel::available().is_empty();
            assert_eq!(Kernel::best(messages).is_some(), any, "{messages} messages");
        }
    }

    #[test]
    fn a_message_may_come_in_chunks() {
        for &kernel in Kernel::available() {
            let data = [noise(1, 1000), noise(2, 1000)];
            let part = |from: usize, to: usize| data.each_ref().map(|d| &d[from..to]);
            let mut lanes = Lanes::new(kernel, 2);
            lanes.update(&part(0, 64));
            lanes.update(&part(64, 64));
            lanes.update(&part(64, 512));
            let got = lanes.finish(&part(512, 1000));
            assert_eq!(got, data.each_ref().map(|d| reference(d)), "{kernel:?}");
        }
    }
}
