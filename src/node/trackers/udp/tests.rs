//! Conversations with a tracker that the test plays, over real sockets.

use super::*;
use crate::ids::{InfoHashV1, PeerId};
use crate::protocol::announce::Event;
use crossbeam_channel::{Receiver, bounded};
use std::thread::{Builder, JoinHandle};

/// What the played tracker sends back to one datagram: datagrams.
type Reply = Vec<Vec<u8>>;

/// A tracker on the loopback. `reply` gets the number of the datagram, its head and its request;
/// it ends after `datagrams` of them. The requests come over the channel.
fn tracker(
    at: &str,
    datagrams: usize,
    reply: impl Fn(usize, Head, &Request) -> Reply + Send + 'static,
) -> (Url, Receiver<(Head, Request)>, JoinHandle<()>) {
    let socket = UdpSocket::bind(at).unwrap();
    let url = Url::parse(&format!("udp://{}/announce?k=v", socket.local_addr().unwrap())).unwrap();
    let (sender, requests) = bounded(datagrams);
    let thread = Builder::new().name("tracker".into()).spawn(move || {
        let mut bytes = [0; 2048];
        for n in 0..datagrams {
            let (length, from) = socket.recv_from(&mut bytes).unwrap();
            let (head, request) = Request::read(&bytes[..length]).unwrap();
            for datagram in reply(n, head, &request) {
                socket.send_to(&datagram, from).unwrap();
            }
            sender.send((head, request)).unwrap();
        }
    });
    (url, requests, thread.unwrap())
}

fn datagram(answer: &Answer, transaction_id: u32, family: Family) -> Vec<u8> {
    let mut out = Vec::new();
    answer.put(transaction_id, family, &mut out);
    out
}

fn peer(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A tracker's usual answers; the connection id is 7.
fn usual(head: Head, request: &Request, family: Family) -> Vec<u8> {
    let peers = vec![peer("10.1.2.3:4"), peer("[2001:db8::1]:5")];
    let answer = match request {
        Request::Connect => Answer::Connect { connection_id: 7 },
        Request::Announce { .. } => {
            Answer::Announce { interval: 1800, leechers: 1, seeders: 2, peers }
        }
        Request::Scrape(hashes) => {
            let figures =
                (0..hashes.len() as u32).map(|n| Figures { seeders: n, completed: 2, leechers: 3 });
            Answer::Scrape(figures.collect())
        }
    };
    datagram(&answer, head.transaction_id, family)
}

fn announce() -> Announce {
    let event = Event::Started;
    Announce { event, ..Announce::new(InfoHashV1([1; 20]), PeerId([2; 20]), 6881) }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn an_announce_is_a_connect_and_a_question_and_the_next_one_keeps_the_connection() {
    let (url, heard, thread) =
        tracker("127.0.0.1:0", 4, |_, head, request| vec![usual(head, request, Family::V4)]);
    let client = UdpClient::new(None);
    let answer = client.announce(&url, announce(), soon()).unwrap();
    let peers = vec![peer("10.1.2.3:4")];
    assert_eq!(answer, Announced { interval: 1800, leechers: 1, seeders: 2, peers });
    client.announce(&url, announce(), soon()).unwrap();
    let hashes = [InfoHashV1([1; 20]), InfoHashV1([2; 20])];
    let figures = client.scrape(&url, &hashes, soon()).unwrap();
    assert_eq!(figures[1], Figures { seeders: 1, completed: 2, leechers: 3 });
    thread.join().unwrap();
    let heard: Vec<_> = heard.iter().collect();
    assert_eq!(heard[0].1, Request::Connect);
    let url_data = b"/announce?k=v".to_vec();
    for (head, request) in &heard[1..3] {
        assert_eq!(head.connection_id, 7);
        let expected = Request::Announce { announce: announce(), url_data: url_data.clone() };
        assert_eq!(*request, expected);
    }
    assert_eq!((heard[3].0.connection_id, &heard[3].1), (7, &Request::Scrape(hashes.to_vec())));
}

#[test]
fn peers_of_a_tracker_on_ipv6_are_ipv6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return; // this machine has no IPv6
    }
    let (url, _heard, thread) =
        tracker("[::1]:0", 2, |_, head, request| vec![usual(head, request, Family::V6)]);
    let bind = Some(IpAddr::from([127, 0, 0, 1]));
    let answer = UdpClient::new(bind).announce(&url, announce(), soon()).unwrap();
    assert_eq!(answer.peers, [peer("[2001:db8::1]:5")]);
    thread.join().unwrap();
}

#[test]
fn what_is_no_answer_to_our_question_is_ignored() {
    let (url, _heard, thread) = tracker("127.0.0.1:0", 2, |_, head, request| {
        let error = Answer::Error("not for you".into());
        vec![
            Vec::new(),
            b"garbage".to_vec(),
            vec![0xff; 1000],
            datagram(&error, head.transaction_id.wrapping_add(1), Family::V4),
            usual(head, request, Family::V4),
        ]
    });
    let answer = UdpClient::new(None).announce(&url, announce(), soon()).unwrap();
    assert_eq!(answer.interval, 1800);
    thread.join().unwrap();
}

#[test]
fn a_lost_datagram_is_sent_again_with_the_same_number() {
    let (url, heard, thread) = tracker("127.0.0.1:0", 4, |n, head, request| match n {
        0 | 2 => Vec::new(),
        _ => vec![usual(head, request, Family::V4)],
    });
    let started = Instant::now();
    UdpClient::new(None).announce(&url, announce(), soon()).unwrap();
    assert!(started.elapsed() >= 2 * FIRST_REPEAT_NEARBY, "the answer to the connect began anew");
    thread.join().unwrap();
    let heard: Vec<_> = heard.iter().collect();
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[2], heard[3]);
    assert_ne!(heard[0].0.transaction_id, heard[2].0.transaction_id);
}

#[test]
fn a_tracker_that_forgot_the_connection_is_connected_to_again() {
    let (url, heard, thread) = tracker("127.0.0.1:0", 5, |n, head, request| match n {
        2 => vec![datagram(&Answer::Error("bad id".into()), head.transaction_id, Family::V4)],
        _ => vec![usual(head, request, Family::V4)],
    });
    let client = UdpClient::new(None);
    client.announce(&url, announce(), soon()).unwrap();
    client.announce(&url, announce(), soon()).unwrap();
    thread.join().unwrap();
    let kinds: Vec<_> = heard.iter().map(|(_, request)| request == Request::Connect).collect();
    assert_eq!(kinds, [true, false, false, true, false]);
}

#[test]
fn a_refusal_is_passed_on_and_an_answer_to_another_question_is_none() {
    let check = |answer: Answer, expected: &str| {
        let (url, _heard, thread) = tracker("127.0.0.1:0", 2, move |n, head, request| match n {
            0 => vec![usual(head, request, Family::V4)],
            _ => vec![datagram(&answer, head.transaction_id, Family::V4)],
        });
        let error = UdpClient::new(None).announce(&url, announce(), soon()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        thread.join().unwrap();
    };
    let text = "unregistered torrent".to_string();
    check(Answer::Error(text), "the tracker refuses: unregistered torrent");
    let nonsense = "what answered is no tracker: an answer to another question";
    check(Answer::Scrape(Vec::new()), nonsense);
    check(Answer::Connect { connection_id: 8 }, nonsense);
}

#[test]
fn silence_ends_at_the_deadline_and_nobody_there_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("udp://{}", socket.local_addr().unwrap())).unwrap();
    let deadline = Instant::now() + Duration::from_millis(50);
    let error = UdpClient::new(None).announce(&url, announce(), deadline).unwrap_err();
    assert!(matches!(error, UdpError::Late), "{error}");
    drop(socket);
    let error = UdpClient::new(None).announce(&url, announce(), soon()).unwrap_err();
    assert_eq!(error.to_string(), "connection refused");
}

#[test]
fn the_call_starts_at_the_bound_address() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let line = Line::open(address, Some(IpAddr::from([127, 0, 0, 5]))).unwrap();
    assert_eq!(line.socket.local_addr().unwrap().ip(), IpAddr::from([127, 0, 0, 5]));
}
