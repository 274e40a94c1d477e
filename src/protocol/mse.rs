//! The answering side of Message Stream Encryption, as a state machine.
//!
//! Some programs never call in clear. What they say first looks random, and this is its order:
//!
//! ```text
//! caller A                                          answerer B (we)
//! Ya, PadA                                     -->                     96 bytes, 0 to 512
//!                                              <--  Yb, PadB
//! HASH('req1', S)                              -->                     found behind PadA
//! HASH('req2', SKEY) xor HASH('req3', S)       -->                     names the torrent
//! ENCRYPT(VC, provide, len PadC, PadC, len IA, IA)
//!                                              <--  ENCRYPT(VC, select, len PadD, PadD)
//! the stream, in clear or in RC4                    the stream, in clear or in RC4
//! ```
//! S is the Diffie-Hellman secret ([`dh`]), SKEY the info-hash, VC eight zeros, IA the caller's first
//! bytes, as a rule its handshake. ENCRYPT is RC4 ([`rc4`]) with a key for each direction. This
//! hides what is said from a glance, no more: nothing is authenticated, and the dice need not be
//! strong. Source: the page "Message Stream Encryption" of the Vuze wiki. Nothing here does I/O;
//! the deadline is the caller's.

use super::frame::PEER_MAGIC;
use super::handshake::PROTOCOL;
use crate::ids::{InfoHashV1, Sha1Hash};
use rc4::Rc4;
use sha1::{Digest, Sha1};

/// Keys of 768 bits.
pub mod dh;

/// The stream cipher.
pub mod rc4;

/// The most padding anywhere.
const MAX_PAD: usize = 512;

/// The most first bytes that we wait for: a handshake and a few messages.
const MAX_INITIAL: usize = 4 * 1024;

/// Bytes by which a public key is told from what is no opening at all.
const TELLING: usize = 8;

/// Zeros in cipher: that the other side has the same key.
const VERIFICATION: [u8; 8] = [0; 8];

/// Bytes of the encrypted part up to PadC: VC, provide and a length.
const HEAD: usize = 8 + 4 + 2;

/// How the stream goes on after the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crypto {
    /// In clear.
    Plain = 1,
    /// In RC4.
    Rc4 = 2,
}

/// Why an opening is none; the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MseError {
    /// A public key that makes the secret a known number.
    #[error("encrypted opening: a worthless public key")]
    WorthlessKey,
    /// HASH('req1', S) is not behind the key and its padding.
    #[error("encrypted opening: no proof of the key within {MAX_PAD} bytes")]
    NoProof,
    /// No torrent of ours has this SKEY.
    #[error("encrypted opening: for a torrent that is not served here")]
    UnknownTorrent,
    /// VC is not zeros.
    #[error("encrypted opening: the verification constant is wrong")]
    WrongConstant,
    /// PadC beyond its limit.
    #[error("encrypted opening: {length} bytes of padding where at most {MAX_PAD} are allowed")]
    LongPad {
        /// Bytes.
        length: usize,
    },
    /// IA beyond what we wait for.
    #[error("encrypted opening: {length} first bytes where at most {MAX_INITIAL} are read")]
    LongInitial {
        /// Bytes.
        length: usize,
    },
    /// Nothing that the caller can do is allowed here.
    #[error("encrypted opening: no way to go on that both sides allow")]
    NothingInCommon,
}

/// What to do after some bytes have come.
#[derive(Debug)]
pub enum Progress {
    /// Read more.
    NeedMore,
    /// Send these, then read more.
    Send(Vec<u8>),
    /// The opening is over.
    Done(Box<Opened>),
}

/// A stream after its opening.
#[derive(Debug)]
pub struct Opened {
    /// To be sent first, as it is.
    pub send: Vec<u8>,
    /// The torrent, as `skeys` named it.
    pub info_hash: InfoHashV1,
    /// What the caller has said already, in clear.
    pub received: Vec<u8>,
    /// What the stream passes through from here on; `None` is a stream in clear.
    pub ciphers: Option<Ciphers>,
}

/// A stream in RC4.
#[derive(Debug)]
pub struct Ciphers {
    /// For what we send.
    pub encrypt: Rc4,
    /// For what comes.
    pub decrypt: Rc4,
}

/// One opening that we answer.
pub struct Answer {
    /// Our half of the Diffie-Hellman exchange.
    secret: [u8; dh::SECRET],
    pad: Vec<u8>,
    /// What we allow, best first.
    preferred: &'static [Crypto],
    /// Bytes that came and are not used yet.
    pending: Vec<u8>,
    stage: Stage,
}

/// What is to come next.
enum Stage {
    /// The caller's public key.
    Key,
    /// The proof of the shared secret, behind PadA.
    Proof { shared: [u8; dh::KEY] },
    /// The torrent's name and what the caller can do.
    Torrent { shared: [u8; dh::KEY] },
    /// PadC and a length.
    Pad { agreed: Agreed, length: usize },
    /// The caller's first bytes.
    Initial { agreed: Agreed, length: usize },
    /// Nothing.
    Over,
}

/// What both sides know once the torrent is named.
struct Agreed {
    info_hash: InfoHashV1,
    crypto: Crypto,
    encrypt: Rc4,
    decrypt: Rc4,
}

/// Whether a stream that begins so, and fits no dialect, may be an encrypted opening; `None` while
/// that cannot be told.
///
/// A public key looks random, and this says no to few of them: those that open like a dialect gone
/// wrong (one in 30,000), those that begin with eight letters, as HTTP and people do (one in
/// 2,000), and those that begin with one byte over and over.
pub fn may_open(prefix: &[u8]) -> Option<bool> {
    if prefix.starts_with(&PEER_MAGIC[..2]) || prefix.starts_with(&PROTOCOL[..2]) {
        return Some(false);
    }
    let first = prefix.first_chunk::<TELLING>()?;
    let is_text = first.iter().all(|&byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    let is_one_byte = first.iter().all(|&byte| byte == first[0]);
    Some(!is_text && !is_one_byte)
}

/// HASH('req2', SKEY): by this a caller names a torrent.
pub fn skey_hash(info_hash: &InfoHashV1) -> Sha1Hash {
    hash(*b"req2", &[&info_hash.0])
}

fn hash(word: [u8; 4], parts: &[&[u8]]) -> Sha1Hash {
    let start = Sha1::new().chain_update(word);
    parts.iter().fold(start, Sha1::chain_update).finalize().into()
}

impl Answer {
    /// Begins to answer; of `preferred` the first that the caller can do is taken.
    pub fn new(rng: &mut fastrand::Rng, preferred: &'static [Crypto]) -> Self {
        let mut secret = [0; dh::SECRET];
        rng.fill(&mut secret);
        let mut pad = vec![0; rng.usize(0..=MAX_PAD)];
        rng.fill(&mut pad);
        Self::with(secret, pad, preferred)
    }

    fn with(secret: [u8; dh::SECRET], pad: Vec<u8>, preferred: &'static [Crypto]) -> Self {
        Self { secret, pad, preferred, pending: Vec::new(), stage: Stage::Key }
    }

    /// Takes bytes of the caller; `skeys` finds a torrent by its [`skey_hash`].
    ///
    /// After [`Progress::Done`] there is nothing more to take.
    pub fn on_bytes(
        &mut self,
        bytes: &[u8],
        skeys: impl Fn(&Sha1Hash) -> Option<InfoHashV1>,
    ) -> Result<Progress, MseError> {
        self.pending.extend_from_slice(bytes);
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Key => return self.on_key(),
                Stage::Proof { shared } => {
                    if !self.find_proof(&shared)? {
                        self.stage = Stage::Proof { shared };
                        return Ok(Progress::NeedMore);
                    }
                    self.stage = Stage::Torrent { shared };
                }
                Stage::Torrent { shared } => match self.take(20 + HEAD) {
                    None => {
                        self.stage = Stage::Torrent { shared };
                        return Ok(Progress::NeedMore);
                    }
                    Some(bytes) => self.stage = self.on_torrent(&shared, &bytes, &skeys)?,
                },
                Stage::Pad { mut agreed, length } => match self.take(length + 2) {
                    None => {
                        self.stage = Stage::Pad { agreed, length };
                        return Ok(Progress::NeedMore);
                    }
                    Some(mut pad) => {
                        agreed.decrypt.apply(&mut pad);
                        let length =
                            usize::from(u16::from_be_bytes([pad[length], pad[length + 1]]));
                        if length > MAX_INITIAL {
                            return Err(MseError::LongInitial { length });
                        }
                        self.stage = Stage::Initial { agreed, length };
                    }
                },
                Stage::Initial { agreed, length } => match self.take(length) {
                    None => {
                        self.stage = Stage::Initial { agreed, length };
                        return Ok(Progress::NeedMore);
                    }
                    Some(initial) => return Ok(self.done(agreed, initial)),
                },
                Stage::Over => return Ok(Progress::NeedMore),
            }
        }
    }

    /// Takes the caller's key, and answers with ours.
    fn on_key(&mut self) -> Result<Progress, MseError> {
        let Some(theirs) = self.take(dh::KEY) else {
            self.stage = Stage::Key;
            return Ok(Progress::NeedMore);
        };
        let theirs = theirs.try_into().expect("as many as were taken");
        let shared = dh::shared(&self.secret, &theirs).ok_or(MseError::WorthlessKey)?;
        self.stage = Stage::Proof { shared };
        let mut send = dh::public(&self.secret).to_vec();
        send.append(&mut self.pad);
        Ok(Progress::Send(send))
    }

    /// Looks for the proof behind PadA, and drops both; false while it may still come.
    fn find_proof(&mut self, shared: &[u8; dh::KEY]) -> Result<bool, MseError> {
        let proof = hash(*b"req1", &[shared]);
        let window = &self.pending[..self.pending.len().min(MAX_PAD + proof.len())];
        match window.windows(proof.len()).position(|bytes| bytes == proof) {
            Some(at) => {
                self.pending.drain(..at + proof.len());
                Ok(true)
            }
            None if window.len() == MAX_PAD + proof.len() => Err(MseError::NoProof),
            None => Ok(false),
        }
    }

    fn on_torrent(
        &self,
        shared: &[u8; dh::KEY],
        bytes: &[u8],
        skeys: &impl Fn(&Sha1Hash) -> Option<InfoHashV1>,
    ) -> Result<Stage, MseError> {
        let (name, head) = bytes.split_first_chunk::<20>().expect("20 and the head were taken");
        let mask = hash(*b"req3", &[shared]);
        let wanted = std::array::from_fn(|i| name[i] ^ mask[i]);
        let info_hash = skeys(&wanted).ok_or(MseError::UnknownTorrent)?;
        let mut decrypt = Rc4::new(&hash(*b"keyA", &[shared, &info_hash.0]));
        let encrypt = Rc4::new(&hash(*b"keyB", &[shared, &info_hash.0]));

        let mut head: [u8; HEAD] = head.try_into().expect("20 and the head were taken");
        decrypt.apply(&mut head);
        let [v0, v1, v2, v3, v4, v5, v6, v7, p0, p1, p2, p3, high, low] = head;
        if [v0, v1, v2, v3, v4, v5, v6, v7] != VERIFICATION {
            return Err(MseError::WrongConstant);
        }
        let provided = u32::from_be_bytes([p0, p1, p2, p3]);
        let allowed = self.preferred.iter().find(|&&crypto| provided & crypto as u32 != 0);
        let crypto = *allowed.ok_or(MseError::NothingInCommon)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_PAD {
            return Err(MseError::LongPad { length });
        }
        Ok(Stage::Pad { agreed: Agreed { info_hash, crypto, encrypt, decrypt }, length })
    }

    fn done(&mut self, agreed: Agreed, initial: Vec<u8>) -> Progress {
        let Agreed { info_hash, crypto, mut encrypt, mut decrypt } = agreed;
        let mut received = initial;
        decrypt.apply(&mut received);
        let mut rest = std::mem::take(&mut self.pending);

        let mut send = VERIFICATION.to_vec();
        send.extend((crypto as u32).to_be_bytes());
        send.extend([0; 2]); // no PadD
        encrypt.apply(&mut send);

        if crypto == Crypto::Rc4 {
            decrypt.apply(&mut rest);
        }
        received.append(&mut rest);
        let ciphers = (crypto == Crypto::Rc4).then_some(Ciphers { encrypt, decrypt });
        Progress::Done(Box::new(Opened { send, info_hash, received, ciphers }))
    }

    /// The next bytes, once so many are there.
    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        (self.pending.len() >= count).then(|| self.pending.drain(..count).collect())
    }
}

#[cfg(test)]
mod tests;
