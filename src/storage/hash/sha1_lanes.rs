//! SHA-1 of several messages at once, one per SIMD lane.
//!
//! SHA-1 is one chain of dependent steps, so one message cannot be vectorised; sixteen can:
//!
//! ```text
//! vector register   a = | a of piece 0 | a of piece 1 | ... | a of piece 15 |
//! ```
//! [`Lanes`] keeps the states of up to [`Kernel::width`] messages of one length and is fed a
//! chunk of each in turn, so that pieces of any size are hashed from cache-sized buffers.
//! The kernels are chosen at run time; without AVX2 there is none ([`Kernel::best`]) and the
//! caller hashes one message after the other.

use crate::ids::Sha1Hash;

/// The most messages any kernel hashes at once.
pub const MAX_LANES: usize = 16;

/// Bytes that SHA-1 takes at a time.
const BLOCK: usize = 64;

/// The five words of every lane: `state[word][lane]`.
pub(super) type State = [[u32; MAX_LANES]; 5];

/// One block's worth of equally long runs of bytes, one per lane.
pub(super) type Runs<'a> = [&'a [u8]; MAX_LANES];

/// A way of hashing several messages at once on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Eight lanes in 256-bit registers.
    Avx2,
    /// Sixteen lanes in 512-bit registers.
    Avx512,
}

impl Kernel {
    /// All kernels this processor can run, narrowest first.
    pub fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            if !std::is_x86_feature_detected!("avx2") {
                return &[];
            }
            if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512bw")
            {
                return &[Self::Avx2, Self::Avx512];
            }
            &[Self::Avx2]
        }
        #[cfg(not(target_arch = "x86_64"))]
        &[]
    }

    /// The cheapest kernel for `messages` at once; `None` when one after the other is cheaper.
    ///
    /// A kernel costs the same however few of its lanes are used. GB/s on one core, by
    /// `benches/hash.rs`: 16 lanes of AVX-512 6.0 and 8 of AVX2 2.9, against one message at a
    /// time 1.6 with the SHA instructions (4.1, 2.5 and 0.5 on an older core without them).
    /// So the wide kernel pays for more than eight messages, the narrow one from five on, or
    /// from two without the SHA instructions.
    pub fn best(messages: usize) -> Option<Self> {
        let least = if has_sha_instructions() { 5 } else { 2 };
        let enough = |kernel: &&Self| match kernel {
            Self::Avx512 => messages > 8,
            Self::Avx2 => messages >= least,
        };
        Self::available().iter().rev().find(enough).copied()
    }

    /// How many messages are hashed at once.
    pub fn width(self) -> usize {
        match self {
            Self::Avx2 => 8,
            Self::Avx512 => 16,
        }
    }

    /// Feeds runs of one length, a multiple of 64 bytes, into the lanes.
    fn compress(self, state: &mut State, runs: &Runs) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::sha1_x86::avx2(state, runs),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => super::sha1_x86::avx512(state, runs),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no kernel is available here: {} {}", state.len(), runs.len()),
        }
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
        assert!(runs.len() == self.messages && runs[0].len().is_multiple_of(BLOCK));
        assert!(runs.iter().all(|run| run.len() == runs[0].len()), "equally long runs");
        self.hashed += runs[0].len() as u64;
        // Unused lanes repeat the first message; their digests are dropped.
        let all: Runs = std::array::from_fn(|i| *runs.get(i).unwrap_or(&runs[0]));
        self.kernel.compress(&mut self.state, &all);
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

/// The end of a message of `bits` bits: a one, zeros, and the length (FIPS 180-4, 5.1.1), in one
/// or two blocks.
fn padded(rest: &[u8], bits: u64) -> ([u8; 2 * BLOCK], usize) {
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
                for messages in [1, 2, kernel.width() - 1, kernel.width()] {
                    let data: Vec<_> = (0..messages).map(|i| noise(i as u64, length)).collect();
                    let runs: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
                    let got = Lanes::new(kernel, messages).finish(&runs);
                    let expected: Vec<_> = runs.iter().map(|m| reference(m)).collect();
                    assert_eq!(got, expected, "{kernel:?}, {messages} of {length} bytes");
                }
            }
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
