//! Announces to trackers that the test plays.

use super::*;
use crate::protocol::tracker_http::{AnnounceAnswer, AnnounceQuery, HttpPeer, PeersAs};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};

const PATIENCE: Duration = Duration::from_secs(20);

/// An HTTP tracker on the loopback that gives one peer, and ends with the test's process. What it
/// is asked comes over the channel.
fn tracker() -> (String, Receiver<AnnounceQuery>) {
    tracker_of(vec!["10.0.0.1:1".parse().unwrap()])
}

/// One that gives these.
fn tracker_of(peers: Vec<SocketAddr>) -> (String, Receiver<AnnounceQuery>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce?k=v", listener.local_addr().unwrap());
    let (sender, heard) = bounded(99);
    let answer = move || {
        let peers = peers.iter().map(|&addr| HttpPeer { addr, id: None }).collect();
        AnnounceAnswer { interval: 1800, peers, ..AnnounceAnswer::default() }
    };
    let play = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let question: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let query = question[0].split(['?', ' ']).nth(2).unwrap();
            assert!(query.starts_with("k=v&"), "{query}");
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
            let _ = stream.write_all(&answer().encode(PeersAs::Compact));
            let _ = sender.send(AnnounceQuery::read(query.as_bytes()).unwrap());
        }
    };
    Builder::new().name("tracker".into()).spawn(play).unwrap();
    (url, heard)
}

/// A tracker that never answers.
fn silent() -> (String, UdpSocket) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    (format!("udp://{}/announce", socket.local_addr().unwrap()), socket)
}

fn me() -> AnnounceIdentity {
    AnnounceIdentity {
        bind: None,
        port: 6881,
        peer_id: PeerId([7; 20]),
        key: 5,
        numwant: 50,
        dns_prefs: false,
    }
}

fn config(always: &[&str]) -> AnnounceConfig {
    let always = always.iter().map(|url| (*url).into()).collect();
    AnnounceConfig { me: me(), always, clock: Clock::start(1.0), guard: Guard::default() }
}

fn report(url: &str) -> AnnounceReport {
    AnnounceReport {
        key: InfoHash::V1(InfoHashV1([1; 20])),
        hashes: vec![InfoHashV1([1; 20])],
        tiers: vec![vec![url.into()]],
        left: 30,
        uploaded: 10,
        downloaded: 20,
        complete: false,
        wants_peers: false,
        partial_seed: false,
        private: false,
    }
}

type Reports = Arc<Mutex<Vec<AnnounceReport>>>;

fn start(
    config: AnnounceConfig,
    reports: Vec<AnnounceReport>,
) -> (Announcers, Reports, Receiver<AnnounceEvent>) {
    let reports = Arc::new(Mutex::new(reports));
    let (events, told) = bounded(99);
    let source = reports.clone();
    let source = Box::new(move || source.lock().clone());
    (Announcers::start(config, source, events).unwrap(), reports, told)
}

#[test]
fn a_torrent_is_started_completed_and_stopped() {
    let (url, heard) = tracker();
    let (announcers, reports, told) = start(config(&[]), vec![report(&url)]);
    let started = heard.recv_timeout(PATIENCE).unwrap().announce;
    let expected = Announce {
        event: Event::Started,
        left: 30,
        uploaded: 10,
        downloaded: 20,
        numwant: Some(50),
        key: 5,
        ..Announce::new(InfoHashV1([1; 20]), PeerId([7; 20]), 6881)
    };
    assert_eq!(started, expected);
    let origin = url.strip_suffix("/announce?k=v").unwrap().to_string();
    let found = AnnounceEvent::Found { tracker: origin.clone() };
    assert_eq!(told.recv_timeout(PATIENCE), Ok(found));
    let (key, peers) = (report(&url).key, vec!["10.0.0.1:1".parse().unwrap()]);
    let event = AnnounceEvent::Peers { key, tracker: origin, peers };
    assert_eq!(told.recv_timeout(PATIENCE), Ok(event));
    *reports.lock() = vec![AnnounceReport { left: 0, complete: true, ..report(&url) }];
    announcers.nudge();
    let completed = heard.recv_timeout(PATIENCE).unwrap().announce;
    assert_eq!((completed.event, completed.left), (Event::Completed, 0));
    announcers.stop(PATIENCE);
    let stopped = heard.recv_timeout(PATIENCE).unwrap().announce;
    assert_eq!((stopped.event, stopped.numwant), (Event::Stopped, Some(0)));
}

#[test]
fn a_torrent_that_is_taken_out_is_stopped_alone() {
    let (url, heard) = tracker();
    let (announcers, reports, told) = start(config(&[]), vec![report(&url)]);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap().announce.event, Event::Started);
    // The announce has come back when its news is there.
    told.recv_timeout(PATIENCE).unwrap();
    reports.lock().clear();
    announcers.nudge();
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap().announce.event, Event::Stopped);
    announcers.stop(PATIENCE);
    assert!(heard.try_recv().is_err(), "nothing is said twice");
}

#[test]
fn a_tracker_that_keeps_silent_delays_neither_the_others_nor_the_end() {
    let (url, heard) = tracker();
    let silent: Vec<_> = (0..3).map(|_| silent()).collect();
    let always: Vec<&str> = silent.iter().map(|(url, _)| &**url).collect();
    let (announcers, _, told) = start(config(&always), vec![report(&url)]);
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap().announce.event, Event::Started);
    told.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    announcers.stop(Duration::from_millis(200));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap().announce.event, Event::Stopped);
}

#[test]
fn all_trackers_of_a_magnet_are_asked_at_once() {
    let ((good, heard), (mute, _socket)) = (tracker(), silent());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}/announce", listener.local_addr().unwrap());
    drop(listener);
    let tiers = [vec![mute, dead.clone()], vec![good, "nonsense".into()]];
    let began = Instant::now();
    let found = ask_once(
        &me(),
        &[InfoHashV1([1; 20]), InfoHashV1([2; 20])],
        &tiers,
        Event::Started,
        PATIENCE,
    );
    assert!(began.elapsed() < PATIENCE / 2, "one second more when one has brought peers");
    assert_eq!(found.peers, ["10.0.0.1:1".parse().unwrap()]);
    let refused = (dead.strip_suffix("/announce").unwrap().into(), "connection refused".into());
    assert_eq!(found.failures, [&refused; 2].map(Clone::clone));
    let asked: Vec<_> = (0..2).map(|_| heard.recv_timeout(PATIENCE).unwrap().announce).collect();
    assert!(asked.iter().all(|a| a.event == Event::Started && a.left > 0), "{asked:?}");
    assert_ne!(asked[0].info_hash, asked[1].info_hash);
}

#[test]
fn who_does_not_answer_in_time_is_named() {
    let (mute, _socket) = silent();
    let tiers = [vec![mute.clone()]];
    let found =
        ask_once(&me(), &[InfoHashV1([1; 20])], &tiers, Event::Started, Duration::from_millis(50));
    let origin = mute.strip_suffix("/announce").unwrap().to_string();
    assert_eq!(found.failures, [(origin, "no answer in time".to_string())]);
}

#[test]
fn without_trackers_nobody_is_waited_for() {
    let began = Instant::now();
    assert_eq!(
        ask_once(&me(), &[InfoHashV1([1; 20])], &[], Event::Started, PATIENCE),
        FoundPeers::default()
    );
    assert!(began.elapsed() < PATIENCE / 2);
}

#[test]
fn of_one_answer_200_peers_are_taken_and_of_all_together_1000() {
    let peers = |net: u8| -> Vec<SocketAddr> {
        (0..=255).map(|host| SocketAddr::from(([10, 0, net, host], 1))).collect()
    };
    let ask = |nets: &[u8]| {
        let urls: Vec<String> = nets.iter().map(|&net| tracker_of(peers(net)).0).collect();
        ask_once(&me(), &[InfoHashV1([1; 20])], &[urls], Event::Started, PATIENCE).peers
    };
    assert_eq!(ask(&[1]), peers(1)[..200]);
    assert_eq!(ask(&[1, 1]).len(), 200, "each once");
    assert_eq!(ask(&[1, 2, 3, 4, 5, 6]).len(), 1000);
}
