//! Any bytes as what programs wrote down of themselves: the tracker's catalogue, and a torrent of
//! the peer's daemon.
//!
//! A file that somebody else wrote is read whole or not at all, in memory that it pays for, and
//! what was read of it is written the same.

use sha2::{Digest, Sha256};
use swarmlet::cli::session::record::Kept;
use swarmlet::tracker::saved::{self, BadState, Saved};

/// The first byte says whose file it is, and whether somebody made its checksum right.
pub fn run(bytes: &[u8]) {
    let Some((&way, rest)) = bytes.split_first() else { return };
    match way % 3 {
        0 => drop(catalogue(rest)),
        1 => {
            let whole = [OPENING, rest].concat();
            let hash: [u8; 32] = Sha256::digest(&whole).into();
            let read = catalogue(&[&whole[..], &hash].concat());
            assert!(!matches!(read, Err(BadState::Opening | BadState::Hash)));
            let at = rest.len() % hash.len();
            let mut wrong = hash;
            wrong[at] ^= 1;
            assert_eq!(saved::read(&[&whole[..], &wrong].concat()), Err(BadState::Hash));
        }
        _ => torrent(rest),
    }
}

const OPENING: &[u8] = b"swarmlet tracker state 1\n";

fn catalogue(bytes: &[u8]) -> Result<Vec<Saved>, BadState> {
    let read = saved::read(bytes);
    if let Ok(entries) = &read {
        let mut out = Vec::new();
        saved::write(entries, &mut out).expect("a Vec takes all");
        assert_eq!(out, bytes, "written again");
    }
    read
}

fn torrent(bytes: &[u8]) {
    let Ok(kept) = serde_json::from_slice::<Kept>(bytes) else { return };
    let written = serde_json::to_vec(&kept).expect("plain fields");
    let again: Kept = serde_json::from_slice(&written).expect("ours");
    assert_eq!(serde_json::to_vec(&again).expect("plain fields"), written);
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let entries = [
        Saved { name: "ab".into(), torrent: b"xyz"[..].into() },
        Saved { name: String::new(), torrent: [][..].into() },
    ];
    let mut state = Vec::new();
    saved::write(&entries, &mut state).expect("a Vec takes all");
    let inner = state[OPENING.len()..state.len() - 32].to_vec();
    let kept = serde_json::to_vec(&Kept::default()).expect("plain fields");
    let changed = br#"{"version":1,"folder":"/x","priorities":"-lnh","seed_ratio":277775555555555555554,"seed_ratio_mode":1,"labels":["a"],"tiers":[["udp://t:1"]],"down":[5,true]}"#;
    vec![
        [&[0], &state[..]].concat(),
        [&[1], &inner[..]].concat(),
        [&[2], &kept[..]].concat(),
        [&[2], &changed[..]].concat(),
    ]
}
