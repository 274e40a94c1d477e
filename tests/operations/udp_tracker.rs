//! Any bytes as a datagram of BitTorrent's tracker protocol, as the tracker reads it and as a
//! peer reads the answer.
//!
//! What was understood and is written again says the same, and nobody reads past the end.

use swarmlet::ids::InfoHashV1;
use swarmlet::protocol::announce::{Announce, Family};
use swarmlet::protocol::tracker_udp::{Answer, Head, MAX_ANSWER, MAX_SCRAPE, Question, Request};

/// Reads the bytes in both ways.
pub fn run(bytes: &[u8]) {
    if let Ok((head, request)) = Request::read(bytes) {
        let (same, question) = Question::read(bytes).expect("the same datagram");
        assert_eq!(head, same);
        if let Question::Scrape(hashes) = question {
            assert!((1..=MAX_SCRAPE).contains(&hashes.len()));
        }
        let mut out = Vec::new();
        request.put(head, &mut out);
        let again = Request::read(&out).expect("ours");
        assert_eq!(again.0.transaction_id, head.transaction_id);
        check_alike(again.1, request);
    }
    for family in [Family::V4, Family::V6] {
        let Ok((id, mut answer)) = Answer::read(bytes, family) else { continue };
        if bytes.len() > MAX_ANSWER {
            continue;
        }
        // An IPv4 address that an IPv6 answer holds as such is left out when it is written.
        if let Answer::Announce { peers, .. } = &mut answer {
            peers.retain(|peer| Family::of(peer.ip()) == family);
        }
        let mut out = Vec::new();
        answer.put(id, family, &mut out);
        assert_eq!(Answer::read(&out, family), Ok((id, answer)));
    }
}

/// Options are written whole: bytes of a path that were cut off are gone.
fn check_alike(again: Request, first: Request) {
    match (again, first) {
        (
            Request::Announce { announce, url_data },
            Request::Announce { announce: first, url_data: asked },
        ) => {
            assert_eq!(announce, first);
            assert!(asked.starts_with(&url_data));
        }
        (again, first) => assert_eq!(again, first),
    }
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let announce = Announce::new(InfoHashV1([7; 20]), swarmlet::ids::PeerId([8; 20]), 6881);
    let head = Head { connection_id: 9, transaction_id: 10 };
    let requests = [
        Request::Connect,
        Request::Announce { announce, url_data: b"/announce?key=x".to_vec() },
        Request::Scrape(vec![InfoHashV1([7; 20]); 3]),
    ];
    let questions = requests.iter().map(|request| {
        let mut out = Vec::new();
        request.put(head, &mut out);
        out
    });
    let answer =
        [&[0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 7, 8][..], &[0; 8], &[9, 9, 9, 9, 0, 99]].concat();
    let error = b"\0\0\0\x03\0\0\0\x0ano such torrent".to_vec();
    questions.chain([answer, error]).collect()
}
