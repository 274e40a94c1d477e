//! Diffie-Hellman keys of 768 bits, as Message Stream Encryption has them: 2 to the secret, modulo a
//! prime that is its own.
//!
//! A number is twelve words of 64 bits, the least first. Powers are made of Montgomery products:
//! each gives `a * b / R` modulo the prime with R = 2^768, and needs no division. The secret guards
//! nothing of worth, so nothing here takes care to be constant in time.

/// Bytes of a public key and of the shared secret, big-endian.
pub const KEY: usize = 96;

/// Bytes of a secret, big-endian.
pub const SECRET: usize = 20;

const WORDS: usize = 12;

type Number = [u64; WORDS];

/// The prime.
const P: Number = [
    0x0000_0000_0009_0563,
    0xf44c_42e9_a63a_3621,
    0xe485_b576_625e_7ec6,
    0x4fe1_356d_6d51_c245,
    0x302b_0a6d_f25f_1437,
    0xef95_19b3_cd3a_431b,
    0x514a_0879_8e34_04dd,
    0x020b_bea6_3b13_9b22,
    0x2902_4e08_8a67_cc74,
    0xc4c6_628b_80dc_1cd1,
    0xc90f_daa2_2168_c234,
    0xffff_ffff_ffff_ffff,
];

/// What times the prime's last word is -1 modulo 2^64; each round of Newton's doubles the bits.
const INVERSE: u64 = {
    let mut inverse = 1_u64;
    let mut bits = 1;
    while bits < 64 {
        let error = 2_u64.wrapping_sub(P[0].wrapping_mul(inverse));
        inverse = inverse.wrapping_mul(error);
        bits *= 2;
    }
    inverse.wrapping_neg()
};

const ONE: Number = small(1);

/// The public key of a secret.
pub fn public(secret: &[u8; SECRET]) -> [u8; KEY] {
    to_bytes(&power(&small(2), secret))
}

/// The secret that two share; `None` for a key that everybody could guess it from: 0, 1, -1, or
/// one beyond the prime.
pub fn shared(secret: &[u8; SECRET], theirs: &[u8; KEY]) -> Option<[u8; KEY]> {
    let theirs = from_bytes(theirs);
    let (minus_one, _) = subtract(&P, &ONE);
    let guessable = is_less(&theirs, &small(2)) || !is_less(&theirs, &minus_one);
    (!guessable).then(|| to_bytes(&power(&theirs, secret)))
}

/// `base` to the exponent, by squaring.
fn power(base: &Number, exponent: &[u8]) -> Number {
    // R * R modulo the prime: 1, doubled once for each bit of both.
    let square_of_r = (0..2 * 64 * WORDS).fold(ONE, |number, _| double(&number));
    let base = product(base, &square_of_r);
    let mut result = product(&ONE, &square_of_r);
    for byte in exponent {
        for bit in (0..8).rev() {
            result = product(&result, &result);
            if byte >> bit & 1 == 1 {
                result = product(&result, &base);
            }
        }
    }
    product(&result, &ONE)
}

/// `a * b / R` modulo the prime.
fn product(a: &Number, b: &Number) -> Number {
    let mut sum = [0; WORDS];
    let mut top = 0; // the word above the sum
    for &word in b {
        let mut carry = 0;
        for (s, &a) in sum.iter_mut().zip(a) {
            (*s, carry) = multiply_add(a, word, *s, carry);
        }
        let (above, overflow) = carry.overflowing_add(top);

        // So many times the prime makes the last word zero, and it falls out.
        let times = sum[0].wrapping_mul(INVERSE);
        let mut carry = multiply_add(times, P[0], sum[0], 0).1;
        for i in 1..WORDS {
            (sum[i - 1], carry) = multiply_add(times, P[i], sum[i], carry);
        }
        let (last, again) = above.overflowing_add(carry);
        sum[WORDS - 1] = last;
        top = u64::from(overflow) + u64::from(again);
    }
    reduce(sum, top)
}

fn double(a: &Number) -> Number {
    let mut carry = 0;
    let sum = a.map(|word| {
        let doubled = word << 1 | carry;
        carry = word >> 63;
        doubled
    });
    reduce(sum, carry)
}

/// Takes the prime away once, where the number, with the word above it, is not less.
fn reduce(number: Number, top: u64) -> Number {
    if top == 0 && is_less(&number, &P) { number } else { subtract(&number, &P).0 }
}

/// `a - b`, and whether that is below zero.
fn subtract(a: &Number, b: &Number) -> (Number, bool) {
    let mut borrow = false;
    let difference = std::array::from_fn(|i| {
        let (less, first) = a[i].overflowing_sub(b[i]);
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        borrow = first || second;
        less
    });
    (difference, borrow)
}

fn is_less(a: &Number, b: &Number) -> bool {
    subtract(a, b).1
}

/// `a * b + c + d`, as its low and its high word; the sum fits two words.
fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let sum = u128::from(a) * u128::from(b) + u128::from(c) + u128::from(d);
    (sum as u64, (sum >> 64) as u64)
}

const fn small(number: u64) -> Number {
    let mut words = [0; WORDS];
    words[0] = number;
    words
}

fn from_bytes(bytes: &[u8; KEY]) -> Number {
    let (words, _) = bytes.as_chunks();
    std::array::from_fn(|i| u64::from_be_bytes(words[WORDS - 1 - i]))
}

fn to_bytes(number: &Number) -> [u8; KEY] {
    let mut bytes = [0; KEY];
    let (words, _) = bytes.as_chunks_mut();
    words.iter_mut().zip(number.iter().rev()).for_each(|(word, n)| *word = n.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{hex, unhex};

    // 2 to the secrets 01 02 .. 14 and e0 e1 .. f3, and what both share, by Python's pow().
    const SECRETS: [u8; 2] = [0x01, 0xe0];
    const PUBLIC: [&str; 2] = [
        "96e112dab29e8c5272accb9b17b26887ce54a144a4e3b697c7d159b7a817e556\
         b0918db2b4c658e02a87f7e5fb14b18a553e084cbf3dad2d30f16596ccb982d4\
         06258c61b30c5c1dae2ddc60bdbd48d79896312aad63238c39e1a633821eb693",
        "0ea62a95b26014261302f4a54230bd43aa7978516e64620692b900d038941292\
         165159199f7d5e2b7ebeff80f34b2257e23c1aca4c7e6c804d56a33f1efbdae7\
         6c4ad1702e434a518d0913a924053f88dcb077a82654aaf6074e39ed9c83cc13",
    ];
    const SHARED: &str = "98bf6643f2134d0d0cb48f0d73dea070d980162e7eba88e127dfe58217377e5f\
         2b37c4c1d9f541509dce279e45897e974c4526d9eeb6b0ca8c39fa6d327eceb6\
         fc3b719a1c479c8f759740314f4c66a61a86ee97c2572fb12ed4da1b368a99ac";

    fn secret(first: u8) -> [u8; SECRET] {
        std::array::from_fn(|i| first + i as u8)
    }

    fn key(text: &str) -> [u8; KEY] {
        unhex(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn powers_are_those_of_another_program() {
        for (first, public_key) in SECRETS.into_iter().zip(PUBLIC) {
            assert_eq!(hex(&public(&secret(first))), public_key);
        }
        for (mine, theirs) in [(SECRETS[0], PUBLIC[1]), (SECRETS[1], PUBLIC[0])] {
            let shared = shared(&secret(mine), &key(theirs)).expect("a key");
            assert_eq!(hex(&shared), SHARED);
        }
    }

    #[test]
    fn a_prime_obeys_fermat() {
        let (exponent, _) = subtract(&P, &ONE);
        assert_eq!(power(&small(3), &to_bytes(&exponent)), ONE);
    }

    #[test]
    fn keys_that_give_the_secret_away_are_refused() {
        let (minus_one, _) = subtract(&P, &ONE);
        for bad in [[0; KEY], to_bytes(&ONE), to_bytes(&minus_one), to_bytes(&P), [0xff; KEY]] {
            assert_eq!(shared(&secret(1), &bad), None, "{}", hex(&bad));
        }
        assert!(shared(&secret(1), &to_bytes(&small(2))).is_some());
    }
}
