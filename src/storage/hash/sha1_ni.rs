//! The SHA-1 kernels for processors with the SHA instructions: a few messages in turns.
//!
//! One instruction does four rounds, but the next must wait for its result; the rounds of other
//! messages fill that time. Unlike in lanes, a message that is not there costs nothing.
//!
//! ```text
//! one:  | a 0-3 |.......| a 4-7 |.......| a 8-11|
//! two:  | a 0-3 | b 0-3 | a 4-7 | b 4-7 | a 8-11| b 8-11|
//! ```
//! The instruction for the second half of the message schedule is slower on Intel's cores than
//! the four rounds themselves; with AVX-512's rotation (and its registers) it is done without.
#![allow(unsafe_code)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_extract_epi32, _mm_loadu_si128, _mm_rol_epi32, _mm_set_epi32,
    _mm_set_epi64x, _mm_setzero_si128, _mm_sha1msg1_epu32, _mm_sha1msg2_epu32, _mm_sha1nexte_epu32,
    _mm_sha1rnds4_epu32, _mm_shuffle_epi8, _mm_slli_si128, _mm_srli_si128, _mm_xor_si128,
};

use super::sha1_lanes::{BLOCK, State, check_runs};

/// Whether this processor can run [`plain`].
pub(super) fn has_sha() -> bool {
    std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("ssse3")
        && std::is_x86_feature_detected!("sse4.1")
}

/// Whether this processor can run [`rotating`].
pub(super) fn has_sha_and_rotation() -> bool {
    has_sha()
        && std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512vl")
}

/// Feeds one or two runs into the first lanes of the state.
///
/// # Panics
/// When the processor lacks the instructions, there are more runs, or they are not equally long
/// multiples of 64 bytes.
pub(super) fn plain(state: &mut State, runs: &[&[u8]]) {
    assert!(has_sha());
    check_runs(runs);
    match *runs {
        // SAFETY: the instructions were just detected, and the runs are what the kernel asks for.
        [a] => unsafe { plain_blocks(state, [a]) },
        // SAFETY: as above.
        [a, b] => unsafe { plain_blocks(state, [a, b]) },
        _ => unreachable!("a kernel's width of messages"),
    }
}

/// Feeds one to four runs into the first lanes of the state, with AVX-512's rotation.
///
/// # Panics
/// As [`plain`].
pub(super) fn rotating(state: &mut State, runs: &[&[u8]]) {
    assert!(has_sha_and_rotation());
    check_runs(runs);
    match *runs {
        // SAFETY: the instructions were just detected, and the runs are what the kernel asks for.
        [a] => unsafe { rotating_blocks(state, [a]) },
        // SAFETY: as above.
        [a, b] => unsafe { rotating_blocks(state, [a, b]) },
        // SAFETY: as above.
        [a, b, c] => unsafe { rotating_blocks(state, [a, b, c]) },
        // SAFETY: as above.
        [a, b, c, d] => unsafe { rotating_blocks(state, [a, b, c, d]) },
        _ => unreachable!("a kernel's width of messages"),
    }
}

/// A kernel over `N` runs. `$msg2(mixed, before)` is the second half of the schedule.
macro_rules! kernel {
    ($name:ident, $features:literal, $msg2:ident) => {
        /// # Safety
        /// The processor has the features; all runs have the same length, a multiple of 64.
        #[target_feature(enable = $features)]
        unsafe fn $name<const N: usize>(state: &mut State, runs: [&[u8]; N]) {
            let (mut abcd, mut e) = load::<N>(state);
            for offset in (0..runs[0].len()).step_by(BLOCK) {
                let before = (abcd, e);
                // Words 4i to 4i + 3 of each message, the first in the highest place.
                let mut w = [[_mm_setzero_si128(); N]; 4];
                macro_rules! four {
                    ($group:expr) => {
                        for n in 0..N {
                            const G: usize = $group;
                            w[G % 4][n] = if G < 4 {
                                // SAFETY: every run has a whole block at `offset`.
                                in_order(unsafe {
                                    _mm_loadu_si128(runs[n].as_ptr().add(offset + 16 * G).cast())
                                })
                            } else {
                                let first = _mm_sha1msg1_epu32(w[G % 4][n], w[(G + 1) % 4][n]);
                                let mixed = _mm_xor_si128(first, w[(G + 2) % 4][n]);
                                $msg2(mixed, w[(G + 3) % 4][n])
                            };
                            let ew = match G {
                                0 => _mm_add_epi32(e[n], w[0][n]),
                                _ => _mm_sha1nexte_epu32(e[n], w[G % 4][n]),
                            };
                            e[n] = abcd[n];
                            abcd[n] = _mm_sha1rnds4_epu32::<{ G as i32 / 5 }>(abcd[n], ew);
                        }
                    };
                }
                macro_rules! twenty {
                    ($group:expr) => {
                        four!($group);
                        four!($group + 1);
                        four!($group + 2);
                        four!($group + 3);
                        four!($group + 4);
                    };
                }
                twenty!(0);
                twenty!(5);
                twenty!(10);
                twenty!(15);
                for n in 0..N {
                    abcd[n] = _mm_add_epi32(abcd[n], before.0[n]);
                    e[n] = _mm_sha1nexte_epu32(e[n], before.1[n]);
                }
            }
            store(state, abcd, e);
        }
    };
}

kernel!(plain_blocks, "sha,ssse3,sse4.1", _mm_sha1msg2_epu32);
kernel!(rotating_blocks, "sha,ssse3,sse4.1,avx512f,avx512vl", msg2);

/// What `sha1msg2` does: each word is the mix with the one three before it, turned left by one;
/// for the last of four that is the first of them (FIPS 180-4, 6.1.2).
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn msg2(mixed: __m128i, before: __m128i) -> __m128i {
    let mixed = _mm_xor_si128(mixed, _mm_slli_si128::<4>(before));
    let first = _mm_srli_si128::<12>(_mm_rol_epi32::<2>(mixed));
    _mm_xor_si128(_mm_rol_epi32::<1>(mixed), first)
}

/// Four big-endian words as native ones, the first in the highest place.
#[inline]
#[target_feature(enable = "ssse3")]
fn in_order(words: __m128i) -> __m128i {
    let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    _mm_shuffle_epi8(words, reverse)
}

#[inline]
#[target_feature(enable = "sse2")]
fn load<const N: usize>(state: &State) -> ([__m128i; N], [__m128i; N]) {
    let (mut abcd, mut e) = ([_mm_setzero_si128(); N], [_mm_setzero_si128(); N]);
    for n in 0..N {
        let word = |i: usize| state[i][n] as i32;
        abcd[n] = _mm_set_epi32(word(0), word(1), word(2), word(3));
        e[n] = _mm_set_epi32(word(4), 0, 0, 0);
    }
    (abcd, e)
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn store<const N: usize>(state: &mut State, abcd: [__m128i; N], e: [__m128i; N]) {
    for n in 0..N {
        state[0][n] = _mm_extract_epi32::<3>(abcd[n]) as u32;
        state[1][n] = _mm_extract_epi32::<2>(abcd[n]) as u32;
        state[2][n] = _mm_extract_epi32::<1>(abcd[n]) as u32;
        state[3][n] = _mm_extract_epi32::<0>(abcd[n]) as u32;
        state[4][n] = _mm_extract_epi32::<3>(e[n]) as u32;
    }
}
