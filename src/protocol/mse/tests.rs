//! Openings by a calling side that only stands here, and golden bytes of another program.

use super::*;
use crate::ids::unhex;
use proptest::prelude::*;

const TORRENT: InfoHashV1 = InfoHashV1([0xaa; 20]);
const BOTH: &[Crypto] = &[Crypto::Plain, Crypto::Rc4];
const ONLY_RC4: &[Crypto] = &[Crypto::Rc4];

fn skeys(wanted: &Sha1Hash) -> Option<InfoHashV1> {
    (*wanted == skey_hash(&TORRENT)).then_some(TORRENT)
}

fn secret(first: u8) -> [u8; dh::SECRET] {
    std::array::from_fn(|i| first + i as u8)
}

fn answer(preferred: &'static [Crypto]) -> Answer {
    Answer::with(secret(0xe0), vec![0x55; 7], preferred)
}

/// What a caller says, and may get wrong.
struct Caller {
    torrent: InfoHashV1,
    pad_a: usize,
    constant: [u8; 8],
    provide: u32,
    pad_c: u16,
    initial: Vec<u8>,
    /// What follows the opening, encrypted only if RC4 is chosen.
    stream: Vec<u8>,
    /// How the caller expects the stream to go on.
    expects: Crypto,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            torrent: TORRENT,
            pad_a: 100,
            constant: VERIFICATION,
            provide: 3,
            pad_c: 5,
            initial: b"hello".to_vec(),
            stream: Vec::new(),
            expects: Crypto::Plain,
        }
    }
}

impl Caller {
    /// The caller's two ciphers: for what it sends, and for what comes.
    fn ciphers(&self, shared: &[u8; dh::KEY]) -> (Rc4, Rc4) {
        let key = |word| Rc4::new(&hash(word, &[shared, &self.torrent.0]));
        (key(*b"keyA"), key(*b"keyB"))
    }

    fn shared() -> [u8; dh::KEY] {
        dh::shared(&secret(1), &dh::public(&secret(0xe0))).unwrap()
    }

    /// The first thing it says: Ya and PadA.
    fn first(&self) -> Vec<u8> {
        let mut bytes = dh::public(&secret(1)).to_vec();
        bytes.extend(vec![0x66; self.pad_a]);
        bytes
    }

    /// The rest, which needs the answerer's key.
    fn second(&self) -> Vec<u8> {
        let shared = Self::shared();
        let (mut send, _) = self.ciphers(&shared);
        let mut bytes = hash(*b"req1", &[&shared]).to_vec();
        let mask = hash(*b"req3", &[&shared]);
        bytes.extend(skey_hash(&self.torrent).iter().zip(mask).map(|(a, b)| a ^ b));
        let mut secret = self.constant.to_vec();
        secret.extend(self.provide.to_be_bytes());
        secret.extend(self.pad_c.to_be_bytes());
        secret.extend(vec![0; self.pad_c.into()]);
        secret.extend((self.initial.len() as u16).to_be_bytes());
        secret.extend(&self.initial);
        send.apply(&mut secret);
        bytes.extend(secret);
        let mut stream = self.stream.clone();
        if self.expects == Crypto::Rc4 {
            send.apply(&mut stream);
        }
        bytes.extend(stream);
        bytes
    }

    /// Both sides' opening, the caller's bytes coming `step` at a time.
    fn talk(&self, preferred: &'static [Crypto], step: usize) -> Result<Opened, MseError> {
        let mut answer = answer(preferred);
        let mut sent = Vec::new();
        for chunk in self.first().chunks(step) {
            match answer.on_bytes(chunk, skeys)? {
                Progress::NeedMore => {}
                Progress::Send(bytes) => sent = bytes,
                Progress::Done(opened) => panic!("{opened:?} before the proof"),
            }
        }
        let expected = [&dh::public(&secret(0xe0))[..], &[0x55; 7]].concat();
        assert_eq!(sent, expected, "our key and its padding");
        for chunk in self.second().chunks(step) {
            match answer.on_bytes(chunk, skeys)? {
                Progress::NeedMore => {}
                Progress::Send(bytes) => panic!("{bytes:?} were not asked for"),
                Progress::Done(opened) => return Ok(*opened),
            }
        }
        panic!("the opening does not end")
    }
}

#[test]
fn an_opening_is_byte_for_byte_that_of_another_program() {
    // Computed with Python's hashlib and an RC4 of its own.
    let said = "825cb308011f29011e857dcd88296d3ba048f84a\
                61478574e238b94aa98df8f2e0f1aec862a27231\
                b093daee8c967f1e50609494e7773e31b2565d7eff";
    let caller = Caller { pad_a: 0, pad_c: 0, ..Caller::default() };
    assert_eq!(caller.second(), unhex(said).unwrap());
    for (preferred, answered) in
        [(BOTH, "e38f8471d9b9d6fd6f06278a1f30"), (ONLY_RC4, "e38f8471d9b9d6fd6f0627891f30")]
    {
        let mut answer = answer(preferred);
        assert!(matches!(answer.on_bytes(&caller.first(), skeys), Ok(Progress::Send(_))));
        let Ok(Progress::Done(opened)) = answer.on_bytes(&unhex(said).unwrap(), skeys) else {
            panic!("the opening does not end")
        };
        assert_eq!(opened.send, unhex(answered).unwrap());
        assert_eq!((opened.info_hash, &opened.received[..]), (TORRENT, &b"hello"[..]));
    }
}

#[test]
fn a_stream_goes_on_in_clear_where_the_caller_can() {
    for step in [1, 3, 50, 4000] {
        let caller = Caller { stream: b" and more".to_vec(), ..Caller::default() };
        let opened = caller.talk(BOTH, step).unwrap();
        assert!(b"hello and more".starts_with(&opened.received), "step {step}");
        assert!(opened.received.starts_with(b"hello"));
        assert!(opened.ciphers.is_none());
        let mut send = opened.send;
        caller.ciphers(&Caller::shared()).1.apply(&mut send);
        assert_eq!(send, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}

#[test]
fn a_stream_goes_on_in_rc4_where_the_caller_can_do_nothing_else() {
    let stream = b" and more".to_vec();
    let caller = Caller { provide: 2, expects: Crypto::Rc4, stream, ..Caller::default() };
    let opened = caller.talk(BOTH, 4000).unwrap();
    assert_eq!(opened.received, b"hello and more");
    let Ciphers { mut encrypt, mut decrypt } = opened.ciphers.expect("RC4");

    let (mut to_us, mut from_us) = caller.ciphers(&Caller::shared());
    let mut answered = opened.send;
    let mut later = b"to the caller".to_vec();
    encrypt.apply(&mut later);
    answered.extend(later);
    from_us.apply(&mut answered);
    assert_eq!(answered, b"\0\0\0\0\0\0\0\0\0\0\0\x02\0\0to the caller");

    let said = 8 + 4 + 2 + 5 + 2 + b"hello and more".len();
    to_us.apply(&mut vec![0; said]);
    let mut later = b"to us".to_vec();
    to_us.apply(&mut later);
    decrypt.apply(&mut later);
    assert_eq!(later, b"to us");
}

#[test]
fn padding_has_its_limits() {
    for (pad_a, pad_c) in [(0, 0), (512, 512)] {
        let caller = Caller { pad_a, pad_c, ..Caller::default() };
        assert_eq!(caller.talk(BOTH, 97).unwrap().received, b"hello");
    }
    let refused = |caller: Caller| caller.talk(BOTH, 97).map(|_| ()).unwrap_err();
    assert_eq!(refused(Caller { pad_a: 513, ..Caller::default() }), MseError::NoProof);
    let long = MseError::LongPad { length: 513 };
    assert_eq!(refused(Caller { pad_c: 513, ..Caller::default() }), long);
}

#[test]
fn a_caller_that_does_not_keep_the_rules_is_refused() {
    let refused = |caller: Caller| caller.talk(ONLY_RC4, 97).map(|_| ()).unwrap_err();
    let unknown = Caller { torrent: InfoHashV1([0xbb; 20]), ..Caller::default() };
    assert_eq!(refused(unknown), MseError::UnknownTorrent);
    let wrong = Caller { constant: [0, 0, 0, 0, 0, 0, 0, 1], ..Caller::default() };
    assert_eq!(refused(wrong), MseError::WrongConstant);
    for provide in [0, 1, 4] {
        let nothing = Caller { provide, ..Caller::default() };
        assert_eq!(refused(nothing), MseError::NothingInCommon);
    }
    let chatty = Caller { initial: vec![0; MAX_INITIAL + 1], ..Caller::default() };
    assert_eq!(refused(chatty), MseError::LongInitial { length: MAX_INITIAL + 1 });
    let key = answer(BOTH).on_bytes(&[0; dh::KEY], skeys).map(|_| ()).unwrap_err();
    assert_eq!(key, MseError::WorthlessKey);
}

#[test]
fn text_zeros_and_dialects_gone_wrong_are_no_encrypted_opening() {
    let no: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"hello\r\n\r\n",
        &[0; 8],
        &[0xff; 96],
        b"SW",
        b"SWQ1",
        b"\x13B",
    ];
    for prefix in no {
        assert_eq!(may_open(prefix), Some(false), "{prefix:02x?}");
    }
    for (prefix, verdict) in [(&b"GET / H"[..], None), (b"GET / H\x01", Some(true)), (b"", None)] {
        assert_eq!(may_open(prefix), verdict, "{prefix:02x?}");
    }
}

#[test]
fn public_keys_may_open() {
    for first in 0..=235 {
        let key = dh::public(&secret(first));
        let told = (0..key.len()).find_map(|cut| may_open(&key[..cut]));
        assert_eq!(told, Some(true), "the key of secret {first}: {key:02x?}");
    }
}

#[test]
fn our_key_and_padding_are_drawn_anew_each_time() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut said = || match Answer::new(&mut rng, BOTH).on_bytes(&Caller::default().first(), skeys)
    {
        Ok(Progress::Send(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    let (first, second) = (said(), said());
    assert_ne!(first[..dh::KEY], second[..dh::KEY]);
    for bytes in [first, second] {
        assert!((dh::KEY..=dh::KEY + MAX_PAD).contains(&bytes.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever comes behind a key is understood, refused or waited for.
    #[test]
    fn garbage_never_panics(
        garbage in proptest::collection::vec(any::<u8>(), 0..700),
        flip in 0..100_usize,
        step in 1..200_usize,
    ) {
        let mut second = Caller::default().second();
        let at = flip % second.len();
        second[at] ^= 1;
        for bytes in [garbage, second] {
            let mut answer = answer(BOTH);
            let mut talk = Caller::default().first();
            talk.extend(bytes);
            for chunk in talk.chunks(step) {
                if answer.on_bytes(chunk, skeys).is_err() {
                    break;
                }
            }
        }
    }
}
