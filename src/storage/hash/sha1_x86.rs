//! The SHA-1 kernels for x86-64: AVX2 (8 lanes) and AVX-512 (8 or 16 lanes).
//!
//! All are the same text, `rounds!`, over different registers. A block is loaded as one row per
//! lane and transposed, so that register `t` holds word `t` of every lane:
//!
//! ```text
//! lane 0 | w0 w1 w2 ... |          w0 | lane 0, lane 1, lane 2 ... |
//! lane 1 | w0 w1 w2 ... |   --->   w1 | lane 0, lane 1, lane 2 ... |
//! ```
#![allow(unsafe_code)]

// Arrays of registers are filled in loops: a closure under `map` is only inlined into a function
// with more features than its own when the optimiser is in the mood, and costs a third if not.
use std::arch::x86_64::{
    _mm256_loadu_si256, _mm256_setzero_si256, _mm256_storeu_si256, _mm512_loadu_si512,
    _mm512_setzero_si512, _mm512_storeu_si512,
};

use super::sha1_lanes::{BLOCK, Runs, State, check_runs};

/// Round constants (FIPS 180-4, 4.2.1).
const K: [i32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc_u32 as i32, 0xca62_c1d6_u32 as i32];

/// Whether this processor can run [`avx2`].
pub(super) fn has_avx2() -> bool {
    std::is_x86_feature_detected!("avx2")
}

/// Whether this processor can run [`avx512_half`].
pub(super) fn has_avx512_half() -> bool {
    has_avx2()
        && std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512vl")
}

/// Whether this processor can run [`avx512`].
pub(super) fn has_avx512() -> bool {
    std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512bw")
}

/// Feeds the runs into eight lanes.
///
/// # Panics
/// When the processor lacks AVX2 or the runs are not equally long multiples of 64 bytes.
pub(super) fn avx2(state: &mut State, runs: &Runs) {
    assert!(has_avx2());
    check_runs(runs);
    // SAFETY: AVX2 was just detected, and the runs are what the kernel asks for.
    unsafe { avx2_blocks(state, runs) }
}

/// Feeds the runs into eight lanes, with instructions of AVX-512.
///
/// # Panics
/// When the processor lacks AVX2 or AVX-512 F or VL, or the runs are not equally long multiples
/// of 64 bytes.
pub(super) fn avx512_half(state: &mut State, runs: &Runs) {
    assert!(has_avx512_half());
    check_runs(runs);
    // SAFETY: the features were just detected, and the runs are what the kernel asks for.
    unsafe { avx512_half_blocks(state, runs) }
}

/// Feeds the runs into sixteen lanes.
///
/// # Panics
/// When the processor lacks AVX-512 F or BW or the runs are not equally long multiples of 64
/// bytes.
pub(super) fn avx512(state: &mut State, runs: &Runs) {
    assert!(has_avx512());
    check_runs(runs);
    // SAFETY: AVX-512 F and BW were just detected, and the runs are what the kernel asks for.
    unsafe { avx512_blocks(state, runs) }
}

/// The eighty rounds over `$w`, the sixteen transposed words of a block, and the addition of the
/// result to `$state`. `$ops` names the module of vector operations.
macro_rules! rounds {
    ($ops:ident, $state:ident, $w:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e] = $state;
        macro_rules! step {
            ($t:expr, $f:ident) => {{
                const T: usize = $t;
                if T >= 16 {
                    let mixed = $ops::xor4(
                        $w[(T - 3) % 16],
                        $w[(T - 8) % 16],
                        $w[(T - 14) % 16],
                        $w[T % 16],
                    );
                    $w[T % 16] = $ops::rol::<1, 31>(mixed);
                }
                let kw = $ops::add($w[T % 16], $ops::all(K[T / 20]));
                // The newest word, `a`, is waited for last.
                let rest = $ops::add($ops::add(e, kw), $ops::$f(b, c, d));
                let next = $ops::add($ops::rol::<5, 27>(a), rest);
                e = d;
                d = c;
                c = $ops::rol::<30, 2>(b);
                b = a;
                a = next;
            }};
        }
        macro_rules! five {
            ($t:expr, $f:ident) => {
                step!($t, $f);
                step!($t + 1, $f);
                step!($t + 2, $f);
                step!($t + 3, $f);
                step!($t + 4, $f);
            };
        }
        macro_rules! twenty {
            ($t:expr, $f:ident) => {
                five!($t, $f);
                five!($t + 5, $f);
                five!($t + 10, $f);
                five!($t + 15, $f);
            };
        }
        twenty!(0, choose);
        twenty!(20, parity);
        twenty!(40, majority);
        twenty!(60, parity);
        $state = [
            $ops::add($state[0], a),
            $ops::add($state[1], b),
            $ops::add($state[2], c),
            $ops::add($state[3], d),
            $ops::add($state[4], e),
        ];
    }};
}

/// A kernel of eight lanes. Given AVX-512 the compiler makes three shifts and logic operations
/// of [`ops8`] into one.
macro_rules! eight_lanes {
    ($name:ident, $features:literal) => {
        /// # Safety
        /// The processor has the features; all runs have the same length, a multiple of 64.
        #[target_feature(enable = $features)]
        unsafe fn $name(state: &mut State, runs: &Runs) {
            let mut h = [_mm256_setzero_si256(); 5];
            for (words, row) in h.iter_mut().zip(&*state) {
                // SAFETY: a row has 16 words, of which the first 8 are used.
                *words = unsafe { _mm256_loadu_si256(row.as_ptr().cast()) };
            }
            for offset in (0..runs[0].len()).step_by(BLOCK) {
                let mut w = [_mm256_setzero_si256(); 16];
                for half in 0..2 {
                    let mut rows = [_mm256_setzero_si256(); 8];
                    for (row, run) in rows.iter_mut().zip(runs) {
                        // SAFETY: every run has a whole block at `offset`, and a half is 32 bytes.
                        *row = unsafe {
                            _mm256_loadu_si256(run.as_ptr().add(offset + half * 32).cast())
                        };
                    }
                    w[half * 8..][..8].copy_from_slice(&ops8::transpose(&rows));
                }
                rounds!(ops8, h, w);
            }
            for (row, words) in state.iter_mut().zip(h) {
                // SAFETY: a row has room for 16 words, the first 8 are written.
                unsafe { _mm256_storeu_si256(row.as_mut_ptr().cast(), words) }
            }
        }
    };
}

eight_lanes!(avx2_blocks, "avx2");
eight_lanes!(avx512_half_blocks, "avx2,avx512f,avx512vl");

/// # Safety
/// The processor has AVX-512 F and BW; all runs have the same length, a multiple of 64.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn avx512_blocks(state: &mut State, runs: &Runs) {
    let mut h = [_mm512_setzero_si512(); 5];
    for (words, row) in h.iter_mut().zip(&*state) {
        // SAFETY: a row has 16 words.
        *words = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    for offset in (0..runs[0].len()).step_by(BLOCK) {
        let mut rows = [_mm512_setzero_si512(); 16];
        for (row, run) in rows.iter_mut().zip(runs) {
            // SAFETY: every run has a whole block of 64 bytes at `offset`.
            *row = unsafe { _mm512_loadu_si512(run.as_ptr().add(offset).cast()) };
        }
        let mut w = ops16::transpose(&rows);
        rounds!(ops16, h, w);
    }
    for (row, words) in state.iter_mut().zip(h) {
        // SAFETY: a row has room for 16 words.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), words) }
    }
}

/// Vector operations on eight 32-bit words.
mod ops8 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_or_si256, _mm256_permute2x128_si256,
        _mm256_set_epi8, _mm256_set1_epi32, _mm256_shuffle_epi8, _mm256_slli_epi32,
        _mm256_srli_epi32, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
        _mm256_unpacklo_epi64, _mm256_xor_si256,
    };

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn all(word: i32) -> __m256i {
        _mm256_set1_epi32(word)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn add(x: __m256i, y: __m256i) -> __m256i {
        _mm256_add_epi32(x, y)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn rol<const LEFT: i32, const RIGHT: i32>(x: __m256i) -> __m256i {
        _mm256_or_si256(_mm256_slli_epi32::<LEFT>(x), _mm256_srli_epi32::<RIGHT>(x))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn xor4(x: __m256i, y: __m256i, z: __m256i, v: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(z, v))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn choose(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn parity(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_xor_si256(_mm256_xor_si256(x, y), z)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn majority(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        _mm256_or_si256(_mm256_and_si256(x, y), _mm256_and_si256(z, _mm256_or_si256(x, y)))
    }

    /// Eight rows of eight big-endian words become eight columns of native ones.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn transpose(rows: &[__m256i; 8]) -> [__m256i; 8] {
        let order = _mm256_set_epi8(
            12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11, 4,
            5, 6, 7, 0, 1, 2, 3,
        );
        let (mut r, mut words, mut quads, mut columns) = (*rows, *rows, *rows, *rows);
        for row in &mut r {
            *row = _mm256_shuffle_epi8(*row, order);
        }
        // Pairs of rows, interleaved by words, then by double words within 128-bit halves.
        for i in 0..4 {
            words[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
            words[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
        }
        for i in [0, 1, 4, 5] {
            let to = i + i % 4;
            quads[to] = _mm256_unpacklo_epi64(words[i], words[i + 2]);
            quads[to + 1] = _mm256_unpackhi_epi64(words[i], words[i + 2]);
        }
        for i in 0..4 {
            columns[i] = _mm256_permute2x128_si256::<0x20>(quads[i], quads[i + 4]);
            columns[i + 4] = _mm256_permute2x128_si256::<0x31>(quads[i], quads[i + 4]);
        }
        columns
    }
}

/// Vector operations on sixteen 32-bit words.
pub(super) mod ops16 {
    use std::arch::x86_64::{
        __m512i, _mm_set_epi8, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_rol_epi32,
        _mm512_set1_epi32, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_ternarylogic_epi32,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
        _mm512_xor_si512,
    };

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn all(word: i32) -> __m512i {
        _mm512_set1_epi32(word)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn add(x: __m512i, y: __m512i) -> __m512i {
        _mm512_add_epi32(x, y)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn rol<const LEFT: i32, const RIGHT: i32>(x: __m512i) -> __m512i {
        _mm512_rol_epi32::<LEFT>(x)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn xor4(x: __m512i, y: __m512i, z: __m512i, v: __m512i) -> __m512i {
        _mm512_xor_si512(_mm512_ternarylogic_epi32::<0x96>(x, y, z), v)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn choose(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0xca>(x, y, z)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn parity(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0x96>(x, y, z)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn majority(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        _mm512_ternarylogic_epi32::<0xe8>(x, y, z)
    }

    /// Sixteen rows of sixteen big-endian words become sixteen columns of native ones.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn transpose(rows: &[__m512i; 16]) -> [__m512i; 16] {
        let order = _mm512_broadcast_i32x4(_mm_set_epi8(
            12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3,
        ));
        let (mut r, mut words, mut quads, mut columns) = (*rows, *rows, *rows, *rows);
        for row in &mut r {
            *row = _mm512_shuffle_epi8(*row, order);
        }
        for i in 0..8 {
            words[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
            words[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
        }
        // quads[4g + j]: words j, j+4, j+8, j+12 of rows 4g..4g+4, one 128-bit lane each.
        for i in [0, 1, 4, 5, 8, 9, 12, 13] {
            let to = i + i % 4;
            quads[to] = _mm512_unpacklo_epi64(words[i], words[i + 2]);
            quads[to + 1] = _mm512_unpackhi_epi64(words[i], words[i + 2]);
        }
        // A 4 x 4 transpose of 128-bit lanes for each j.
        for j in 0..4 {
            let [q0, q1, q2, q3] = [quads[j], quads[j + 4], quads[j + 8], quads[j + 12]];
            let low = _mm512_shuffle_i32x4::<0x44>(q0, q1);
            let high = _mm512_shuffle_i32x4::<0xee>(q0, q1);
            let low2 = _mm512_shuffle_i32x4::<0x44>(q2, q3);
            let high2 = _mm512_shuffle_i32x4::<0xee>(q2, q3);
            columns[j] = _mm512_shuffle_i32x4::<0x88>(low, low2);
            columns[j + 4] = _mm512_shuffle_i32x4::<0xdd>(low, low2);
            columns[j + 8] = _mm512_shuffle_i32x4::<0x88>(high, high2);
            columns[j + 12] = _mm512_shuffle_i32x4::<0xdd>(high, high2);
        }
        columns
    }
}
