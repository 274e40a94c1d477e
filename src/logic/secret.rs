//! A secret as it is kept, compared in a time that tells nothing.

use sha2::{Digest, Sha256};
use std::hint::black_box;

/// A secret's digest: a comparison takes as long whatever is guessed.
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
    fn only_the_secret_itself_is_right() {
        let secret = Secret::of(b"user:word");
        assert!(secret.is(b"user:word"));
        for guess in [&b""[..], b"user:wor", b"user:wordx", b"User:word"] {
            assert!(!secret.is(guess));
        }
    }
}
