//! The stream cipher RC4, as Message Stream Encryption has it: its first 1024 bytes are dropped.
//!
//! It is broken as a cipher and good enough against a glance.

use std::fmt;

/// Bytes that are dropped, since they tell of the key.
const DROPPED: usize = 1024;

/// A stream of bytes that both sides know; what passes through it twice is as it was.
#[derive(Clone)]
pub struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    /// Begins the stream of a key of 1 to 256 bytes.
    pub fn new(key: &[u8]) -> Self {
        let mut cipher = Self::begin(key);
        cipher.apply(&mut [0; DROPPED]);
        cipher
    }

    fn begin(key: &[u8]) -> Self {
        let mut state: [u8; 256] = std::array::from_fn(|i| i as u8);
        let mut j = 0_u8;
        for i in 0..256 {
            j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
            state.swap(i, usize::from(j));
        }
        Self { state, i: 0, j: 0 }
    }

    /// Encrypts or decrypts in place.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.i = self.i.wrapping_add(1);
            let a = self.state[usize::from(self.i)];
            self.j = self.j.wrapping_add(a);
            let b = self.state[usize::from(self.j)];
            self.state[usize::from(self.i)] = b;
            self.state[usize::from(self.j)] = a;
            *byte ^= self.state[usize::from(a.wrapping_add(b))];
        }
    }
}

impl fmt::Debug for Rc4 {
    /// Tells nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rc4")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::hex;

    #[test]
    fn the_stream_is_that_of_rfc_6229() {
        let stream = |mut cipher: Rc4| {
            let mut bytes = [0; 16];
            cipher.apply(&mut bytes);
            hex(&bytes)
        };
        let key = [1, 2, 3, 4, 5];
        assert_eq!(stream(Rc4::begin(&key)), "b2396305f03dc027ccc3524a0a1118a8");
        assert_eq!(stream(Rc4::new(&key)), "30abbcc7c20b01609f23ee2d5f6bb7df", "from byte 1024");
    }

    #[test]
    fn what_passes_twice_is_as_it_was() {
        let mut bytes = *b"BitTorrent protocol";
        Rc4::new(b"key").apply(&mut bytes);
        assert_ne!(&bytes, b"BitTorrent protocol");
        Rc4::new(b"key").apply(&mut bytes);
        assert_eq!(&bytes, b"BitTorrent protocol");
    }
}
