//! The SHA-256 kernel for x86-64: sixteen lanes of AVX-512.
//!
//! A block is loaded as one row per lane and transposed, as the SHA-1 kernels do it, so that
//! register `t` holds word `t` of every lane; the sixteen words and the eight of the state stay in
//! registers for all 64 rounds.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    _mm512_loadu_si512, _mm512_ror_epi32, _mm512_setzero_si512, _mm512_srli_epi32,
    _mm512_storeu_si512,
};

use super::sha1_lanes::{BLOCK, check_runs};
use super::sha1_x86::{has_avx512, ops16};
use ops16::{add, all, choose, majority, parity};

/// The first state (FIPS 180-4, 5.3.3).
#[rustfmt::skip]
pub(super) const START: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// Round constants (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The eight words of every lane: `state[word][lane]`.
pub(super) type State = [[u32; 16]; 8];

/// Whether this processor can run [`compress`].
pub(super) fn is_available() -> bool {
    has_avx512()
}

/// Feeds runs of one length, a multiple of 64 bytes, into the lanes.
///
/// # Panics
/// When the processor lacks AVX-512 F or BW or the runs are not equally long multiples of 64
/// bytes.
pub(super) fn compress(state: &mut State, runs: &[&[u8]; 16]) {
    assert!(is_available());
    check_runs(runs);
    // SAFETY: the features were just detected, and the runs are what the kernel asks for.
    unsafe { blocks(state, runs) }
}

/// # Safety
/// The processor has AVX-512 F and BW; all runs have the same length, a multiple of 64.
#[target_feature(enable = "avx512f,avx512bw")]
#[expect(clippy::many_single_char_names, reason = "they are those of FIPS 180-4")]
unsafe fn blocks(state: &mut State, runs: &[&[u8]; 16]) {
    let mut words = [_mm512_setzero_si512(); 8];
    for (word, row) in words.iter_mut().zip(&*state) {
        // SAFETY: each row of the state has 16 words.
        *word = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    for offset in (0..runs[0].len()).step_by(BLOCK) {
        let mut rows = [_mm512_setzero_si512(); 16];
        for (row, run) in rows.iter_mut().zip(runs) {
            // SAFETY: every run has a whole block of 64 bytes at `offset`.
            *row = unsafe { _mm512_loadu_si512(run.as_ptr().add(offset).cast()) };
        }
        let mut w = ops16::transpose(&rows);
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = words;
        // A macro and no function: the words must not leave their registers.
        macro_rules! rounds {
            ($first:literal) => {
                rounds!(@ $first, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
            };
            (@ $first:literal, $($i:literal)*) => {$({
                if $first > 0 {
                    let (x, y) = (w[($i + 1) % 16], w[($i + 14) % 16]);
                    let small0 = parity(
                        _mm512_ror_epi32::<7>(x),
                        _mm512_ror_epi32::<18>(x),
                        _mm512_srli_epi32::<3>(x),
                    );
                    let small1 = parity(
                        _mm512_ror_epi32::<17>(y),
                        _mm512_ror_epi32::<19>(y),
                        _mm512_srli_epi32::<10>(y),
                    );
                    w[$i] = add(add(w[$i], w[($i + 9) % 16]), add(small0, small1));
                }
                let large1 = parity(
                    _mm512_ror_epi32::<6>(e),
                    _mm512_ror_epi32::<11>(e),
                    _mm512_ror_epi32::<25>(e),
                );
                let large0 = parity(
                    _mm512_ror_epi32::<2>(a),
                    _mm512_ror_epi32::<13>(a),
                    _mm512_ror_epi32::<22>(a),
                );
                let kw = add(w[$i], all(K[$first + $i] as i32));
                let one = add(add(add(h, kw), choose(e, f, g)), large1);
                let two = add(large0, majority(a, b, c));
                (h, g, f, e) = (g, f, e, add(d, one));
                (d, c, b, a) = (c, b, a, add(one, two));
            })*};
        }
        rounds!(0);
        rounds!(16);
        rounds!(32);
        rounds!(48);
        for (word, more) in words.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *word = add(*word, more);
        }
    }
    for (row, word) in state.iter_mut().zip(words) {
        // SAFETY: a row has room for 16 words.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), word) }
    }
}
