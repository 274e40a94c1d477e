//! Secrets, made from the system's randomness; [`crate::logic::secret`] compares them.

use crate::ids::hex;
use rustix::rand::{GetRandomFlags, getrandom};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!(one.len(), 48);
        assert_ne!(one, other);
    }
}
