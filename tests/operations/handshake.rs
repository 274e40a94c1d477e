//! Any bytes as the opening of a connection, in clear and in Message Stream Encryption.
//!
//! However the bytes are cut, the same comes of them. A caller that keeps to the encryption gets
//! through, whatever its padding; one that bends a field is refused, and nothing else happens.

use sha1::{Digest, Sha1};
use swarmlet::ids::InfoHashV1;
use swarmlet::protocol::handshake::{Handshake, LENGTH, fits};
use swarmlet::protocol::mse::{Answer, Crypto, MseError, Opened, Progress, may_open, skey_hash};

const TORRENT: InfoHashV1 = InfoHashV1([0xaa; 20]);

const ALLOWED: [&[Crypto]; 3] = [&[Crypto::Plain, Crypto::Rc4], &[Crypto::Rc4], &[Crypto::Plain]];

/// The most padding that the encryption allows.
const MAX_PAD: u16 = 512;

const KEY: usize = 96;

/// The first byte says which way the rest is taken.
pub fn run(bytes: &[u8]) {
    let Some((&way, rest)) = bytes.split_first() else { return };
    match way % 3 {
        0 => in_clear(rest),
        1 => garbage(rest, way),
        _ => encrypted(rest, way),
    }
}

fn in_clear(bytes: &[u8]) {
    let fitting = (0..=bytes.len()).take_while(|&end| fits(&bytes[..end])).count();
    assert!((fitting..=bytes.len()).all(|end| !fits(&bytes[..end])), "once wrong, wrong for ever");
    if may_open(bytes) == Some(true) {
        assert!(bytes.len() < 2 || !fits(&bytes[..2]), "it is one of the dialects");
    }
    let Some(first) = bytes.first_chunk::<LENGTH>() else { return };
    match Handshake::read(first) {
        Ok(handshake) => assert_eq!(handshake.to_bytes(), *first),
        Err(_) => assert!(!fits(first)),
    }
}

/// A stranger who does not know how it goes on.
fn garbage(bytes: &[u8], way: u8) {
    let mut answer = Answer::new(&mut fastrand::Rng::with_seed(way.into()), ALLOWED[0]);
    let mut sent = 0;
    for part in bytes.chunks(usize::from(way) + 1) {
        match answer.on_bytes(part, skeys) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Send(bytes)) => sent += bytes.len(),
            Ok(Progress::Done(opened)) => panic!("{opened:?} by chance"),
            Err(_) => break,
        }
    }
    assert!(sent <= KEY + usize::from(MAX_PAD), "our key and its padding, once");
}

fn skeys(wanted: &[u8; 20]) -> Option<InfoHashV1> {
    (*wanted == skey_hash(&TORRENT)).then_some(TORRENT)
}

/// What a caller says who knows how, and may bend it.
struct Caller {
    pad_a: u16,
    pad_c: u16,
    constant: [u8; 8],
    provide: u32,
    initial: Vec<u8>,
    stream: Vec<u8>,
}

fn encrypted(bytes: &[u8], way: u8) {
    let Some((setup, rest)) = bytes.split_first_chunk::<8>() else { return };
    let [a, b, c, d, bent, provide, cut, split] = *setup;
    let mut constant = [0; 8];
    constant[usize::from(bent) % 8] = if bent >= 224 { bent } else { 0 };
    let (initial, stream) = rest.split_at(rest.len() * usize::from(split) / 255);
    let caller = Caller {
        pad_a: u16::from_be_bytes([a, b]) % (MAX_PAD + 40),
        pad_c: u16::from_be_bytes([c, d]) % (MAX_PAD + 40),
        constant,
        provide: provide.into(),
        initial: initial.to_vec(),
        stream: stream.to_vec(),
    };
    let allowed = ALLOWED[usize::from(way / 3) % 3];
    let whole = caller.talk(allowed, usize::MAX);
    let in_parts = caller.talk(allowed, usize::from(cut) + 1);
    match (whole, in_parts) {
        (Ok(whole), Ok(part)) => {
            caller.check(&whole, allowed);
            assert_eq!((&whole.send, whole.info_hash), (&part.send, part.info_hash));
            assert!(whole.received.starts_with(&part.received), "what has come so far");
        }
        (Err(whole), Err(part)) => {
            assert_eq!(whole, part);
            caller.check_refusal(whole, allowed);
        }
        (whole, part) => panic!("{whole:?} at once, {part:?} in parts"),
    }
}

impl Caller {
    /// The whole opening. Our secret is 1, so that our key is 2, and what both know is their key.
    fn talk(&self, allowed: &'static [Crypto], step: usize) -> Result<Opened, MseError> {
        let mut answer = Answer::new(&mut fastrand::Rng::with_seed(1), allowed);
        let mut key = vec![0; KEY];
        key[KEY - 1] = 2;
        let Ok(Progress::Send(theirs)) = answer.on_bytes(&key, skeys) else {
            panic!("a key is answered by a key");
        };
        let rest = self.rest(&theirs[..KEY], allowed);
        for part in rest.chunks(step.min(rest.len())) {
            match answer.on_bytes(part, skeys)? {
                Progress::NeedMore => {}
                Progress::Send(bytes) => panic!("{bytes:?} were not asked for"),
                Progress::Done(opened) => return Ok(*opened),
            }
        }
        panic!("the opening does not end")
    }

    fn rest(&self, shared: &[u8], allowed: &[Crypto]) -> Vec<u8> {
        let mut send = Rc4::new(&hash(*b"keyA", &[shared, &TORRENT.0]));
        let mut bytes = vec![0x66; self.pad_a.into()];
        bytes.extend(hash(*b"req1", &[shared]));
        let mask = hash(*b"req3", &[shared]);
        bytes.extend(skey_hash(&TORRENT).iter().zip(mask).map(|(a, b)| a ^ b));
        let mut secret = self.constant.to_vec();
        secret.extend(self.provide.to_be_bytes());
        secret.extend(self.pad_c.to_be_bytes());
        secret.extend(vec![0; self.pad_c.into()]);
        secret.extend((self.initial.len() as u16).to_be_bytes());
        secret.extend(&self.initial);
        send.apply(&mut secret);
        bytes.extend(secret);
        let mut stream = self.stream.clone();
        if self.chosen(allowed) == Some(Crypto::Rc4) {
            send.apply(&mut stream);
        }
        bytes.extend(stream);
        // Whoever looks for the proof must see that none comes.
        bytes.extend(vec![0; usize::from(MAX_PAD) * 2]);
        bytes
    }

    fn chosen(&self, allowed: &[Crypto]) -> Option<Crypto> {
        allowed.iter().copied().find(|&crypto| self.provide & crypto as u32 != 0)
    }

    fn check(&self, opened: &Opened, allowed: &[Crypto]) {
        assert_eq!(opened.info_hash, TORRENT);
        assert_eq!((self.constant, self.pad_a.max(self.pad_c) <= MAX_PAD), ([0; 8], true));
        let said = [&self.initial[..], &self.stream].concat();
        assert!(opened.received.starts_with(&said), "all that was said, in clear");
        let is_rc4 = self.chosen(allowed).expect("something both allow") == Crypto::Rc4;
        assert_eq!(opened.ciphers.is_some(), is_rc4);
    }

    fn check_refusal(&self, why: MseError, allowed: &[Crypto]) {
        let is_bent = match why {
            MseError::NoProof => self.pad_a > MAX_PAD,
            MseError::WrongConstant => self.constant != [0; 8],
            MseError::NothingInCommon => self.chosen(allowed).is_none(),
            MseError::LongPad { length } => {
                length > MAX_PAD.into() && length == usize::from(self.pad_c)
            }
            MseError::LongInitial { length } => length == self.initial.len() % (1 << 16),
            MseError::WorthlessKey | MseError::UnknownTorrent => false,
        };
        assert!(is_bent, "{why}");
    }
}

fn hash(word: [u8; 4], parts: &[&[u8]]) -> [u8; 20] {
    let start = Sha1::new().chain_update(word);
    parts.iter().fold(start, Sha1::chain_update).finalize().into()
}

/// RC4 from the book, its first kilobyte thrown away.
struct Rc4([u8; 256], u8, u8);

impl Rc4 {
    fn new(key: &[u8]) -> Self {
        let mut state: [u8; 256] = std::array::from_fn(|i| i as u8);
        let mut j = 0_u8;
        for i in 0..256 {
            j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
            state.swap(i, j.into());
        }
        let mut cipher = Self(state, 0, 0);
        cipher.apply(&mut [0; 1024]);
        cipher
    }

    fn apply(&mut self, bytes: &mut [u8]) {
        let Self(state, i, j) = self;
        for byte in bytes {
            *i = i.wrapping_add(1);
            *j = j.wrapping_add(state[usize::from(*i)]);
            state.swap((*i).into(), (*j).into());
            let at = state[usize::from(*i)].wrapping_add(state[usize::from(*j)]);
            *byte ^= state[usize::from(at)];
        }
    }
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let clear = [
        &[0, 19][..],
        b"BitTorrent protocol\0\0\0\0\0\x10\0\x04",
        &[0xaa; 20],
        b"-SW0100-abcdefghijkl",
    ];
    let opening =
        |way: u8| [&[way, 0, 100, 0, 5, 0, 3, 7, 128][..], b"hello, and what follows"].concat();
    let random = [&[1][..], &[0x5a; 120]].concat();
    vec![clear.concat(), opening(2), opening(5), opening(8), random]
}
