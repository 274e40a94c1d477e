//! SHA-256 of several messages at once: [`hash_many`].
//!
//! Sixteen messages of one length go through AVX-512 lanes of ours, which take blocks as the
//! SHA-1 lanes do; all others, and other processors, are left to `tape-sha256`. On one core with
//! both, pieces of 512 KiB take 3.7 GB/s this way and 3.3 by the library (`benches/hash.rs`).

use crate::ids::Sha256Hash;

/// SHA-256 of every message; sixteen in a row of equal length share lanes.
///
/// # Panics
/// When `out` is not as long as `messages`.
pub fn hash_many(messages: &[&[u8]], out: &mut [Sha256Hash]) {
    assert_eq!(messages.len(), out.len(), "one digest per message");
    #[cfg(target_arch = "x86_64")]
    if super::sha1_lanes::PAY && super::sha256_x86::is_available() {
        return in_lanes(messages, out);
    }
    tape_sha256::hash_many(messages, out);
}

/// Runs of equal length by sixteens, what is left over by the library.
#[cfg(target_arch = "x86_64")]
fn in_lanes(messages: &[&[u8]], out: &mut [Sha256Hash]) {
    let mut out = out;
    for run in messages.chunk_by(|one, other| one.len() == other.len()) {
        let (digests, later) = out.split_at_mut(run.len());
        let (full, rest) = run.as_chunks::<16>();
        let (full_digests, rest_digests) = digests.as_chunks_mut::<16>();
        for (sixteen, digests) in full.iter().zip(full_digests) {
            *digests = lanes(sixteen);
        }
        tape_sha256::hash_many(rest, rest_digests);
        out = later;
    }
}

/// Sixteen messages of one length: whole blocks where they lie, then the padded ends.
#[cfg(target_arch = "x86_64")]
fn lanes(messages: &[&[u8]; 16]) -> [Sha256Hash; 16] {
    use super::sha1_lanes::{BLOCK, padded};
    use super::sha256_x86::{START, compress};
    let length = messages[0].len();
    let whole = length - length % BLOCK;
    let mut state = START.map(|word| [word; 16]);
    compress(&mut state, &messages.map(|message| &message[..whole]));
    let ends = messages.map(|message| padded(&message[whole..], length as u64 * 8));
    compress(&mut state, &ends.each_ref().map(|(end, used)| &end[..*used]));
    std::array::from_fn(|lane| {
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(&state) {
            bytes.copy_from_slice(&word[lane].to_be_bytes());
        }
        digest
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::hex;
    use sha2::{Digest, Sha256};

    /// FIPS 180-2, appendix B: one block, two blocks, a million bytes.
    #[test]
    fn the_examples_of_the_standard_come_out_in_every_lane() {
        let million = vec![b'a'; 1_000_000];
        let examples: [(&[u8], &str); 3] = [
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ];
        for (message, expected) in examples {
            for count in [1, 16, 17] {
                let mut digests = vec![[0; 32]; count];
                hash_many(&vec![message; count], &mut digests);
                for digest in digests {
                    assert_eq!(hex(&digest), expected, "{} bytes, {count} at once", message.len());
                }
            }
        }
    }

    #[test]
    fn every_message_gets_its_own_digest_whatever_its_neighbours_are() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut lengths: Vec<usize> = (0..200).flat_map(|length| vec![length; 16]).collect();
        lengths.extend((0..300).map(|_| rng.usize(..300)));
        lengths.extend([16384; 40]);
        let data: Vec<Vec<u8>> =
            lengths.iter().map(|&length| (0..length).map(|_| rng.u8(..)).collect()).collect();
        let messages: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        let mut digests = vec![[0; 32]; messages.len()];
        hash_many(&messages, &mut digests);
        for (message, digest) in messages.iter().zip(digests) {
            assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(message)), "{}", message.len());
        }
    }
}
