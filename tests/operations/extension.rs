//! Any bytes as what travels in BitTorrent's extension protocol: its handshake, parts of `info`,
//! peers that came and went.
//!
//! What is understood is within its bounds, and says the same when it is said again.

use std::net::SocketAddr;

use swarmlet::protocol::bittorrent::{Codec, OURS};
use swarmlet::protocol::message::{ExtensionNumbers, Extensions, MAX_PEERS, Message, PeersChanged};

/// Peers that came, and that went, in one message of ours.
const MOST_SAID: usize = 50;

const PART: usize = 16 * 1024;

/// The id under which all of it travels.
const EXTENDED: u8 = 20;

/// Reads the bytes as the message of the extension with the first byte's number.
pub fn run(bytes: &[u8]) {
    let codec = Codec { pieces: 9, fast: true, extended: true, v2: true, theirs: OURS };
    let message = [&[EXTENDED], bytes].concat();
    let Ok(Some(said)) = codec.read(&message) else { return };
    match &said {
        Message::Extensions(extensions) => check_handshake(extensions),
        Message::Info { data, .. } => assert!(data.len() <= PART),
        Message::PeersChanged(changed) => {
            assert!(changed.added.len() <= MAX_PEERS && changed.dropped.len() <= MAX_PEERS);
            return check_peers(&codec, changed);
        }
        _ => {}
    }
    let mut out = Vec::new();
    codec.put(&said, &mut out);
    let length = codec.check(&out).expect("ours").expect("whole");
    assert_eq!((length, codec.read(&out[4..])), (out.len() - 4, Ok(Some(said))));
}

fn check_handshake(extensions: &Extensions) {
    let name = extensions.client.as_deref().unwrap_or("x");
    assert!(!name.chars().any(char::is_control) && (1..=64).contains(&name.chars().count()));
    assert!(extensions.port != Some(0) && extensions.info_length != Some(0));
}

/// Ours are shorter, and have the families apart.
fn check_peers(codec: &Codec, changed: &PeersChanged) {
    let mut out = Vec::new();
    codec.put(&Message::PeersChanged(Box::new(changed.clone())), &mut out);
    let Ok(Some(Message::PeersChanged(again))) = codec.read(&out[4..]) else {
        panic!("{out:?} says nothing of {changed:?}");
    };
    assert_eq!(again.added.len(), changed.added.len().min(MOST_SAID));
    assert_eq!(again.dropped.len(), changed.dropped.len().min(MOST_SAID));
    assert!(again.added.iter().all(|peer| changed.added.contains(peer)));
    assert!(again.dropped.iter().all(|peer| changed.dropped.contains(peer)));
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let codec = Codec { pieces: 9, fast: true, extended: true, v2: true, theirs: OURS };
    let addresses: [SocketAddr; 2] =
        ["9.9.9.9:99", "[2001:db8::1]:9"].map(|text| text.parse().expect("an address"));
    let messages = [
        Message::Extensions(Box::new(Extensions {
            numbers: ExtensionNumbers { metadata: 3, peers: 1, dont_have: 7, upload_only: 2 },
            client: Some("swarmlet".into()),
            port: Some(6881),
            most_requests: Some(250),
            info_length: Some(40_000),
            your_ip: Some(addresses[1].ip()),
            upload_only: true,
        })),
        Message::GetInfo(2),
        Message::Info { index: 0, total: 9, data: b"d1:ai1ee " },
        Message::InfoReject(1),
        Message::PeersChanged(Box::new(PeersChanged {
            added: addresses.map(|address| (address, 0x10)).to_vec(),
            dropped: addresses.to_vec(),
        })),
        Message::DontHave(swarmlet::ids::PieceIndex(3)),
        Message::UploadOnly(true),
    ];
    let bytes = messages.iter().map(|message| {
        let mut out = Vec::new();
        codec.put(message, &mut out);
        out.split_off(5)
    });
    let steering = b"\0d1:v12:\x1b]0;x\xe2\x80\xaeycom1:pi-1e4:reqqi0e6:yourip3:abce".to_vec();
    bytes.chain([steering]).collect()
}
