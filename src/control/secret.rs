//! Secrets: made from the system's randomness, compared in a time that tells nothing.

use crate::ids::hex;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::io;

/// Bytes of a token: 192 bits.
const TOKEN: usize = 24;

/// A new token, in hexadecimal digits.
pub fn token() -> io::Result<String> {
    let mut bytes = [0; TOKEN];
    let mut filled = 0;
    while filled < TOKEN {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(more) => filled += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(hex(&bytes))
}

/// A secret as it is kept: its digest, so that a comparison takes as long whatever is guessed.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Of the secret itself.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Whether a guess is right.
    pub fn is(&self, guess: &[u8]) -> bool {
        let guess: [u8; 32] = Sha256::digest(guess).into();
        let pairs = self.0.iter().zip(&guess);
        black_box(pairs.fold(0, |differs, (a, b)| differs | (a ^ b))) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!(one.len(), 48);
        assert_ne!(one, other);
    }

    #[test]
    fn only_the_secret_itself_is_right() {
        let secret = Secret::of(b"user:word");
        assert!(secret.is(b"user:word"));
        for guess in [&b""[..], b"user:wor", b"user:wordx", b"User:word"] {
            assert!(!secret.is(guess));
        }
    }
}
