//! Searches: whose metainfo is taken, and what BitTorrent trackers hear of them.

use super::*;
use crate::cli::prepare::tests::context_of;
use crate::config::PeerConfig;
use crate::ids::InfoHashV1;
use crate::metainfo::build::{BuildOptions, build};
use crate::metainfo::draft::{Draft, DraftFile, Version};
use crate::protocol::tracker_http::AnnounceQuery;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

const HOUR: Duration = Duration::from_hours(1);

fn named(name: &str) -> Metainfo {
    let file =
        DraftFile { path: vec![name.into()], length: 5, root: Some([1; 32]), layer: Vec::new() };
    let draft = Draft {
        name: name.into(),
        version: Version::V2,
        piece_length: 32768,
        single_file: true,
        files: vec![file],
        v1_pieces: Vec::new(),
    };
    build(&draft, &BuildOptions::default()).unwrap()
}

/// The name of what is taken of these answers; `more` says that others are still asked.
fn taken(answers: Vec<Result<Given, NoMetadata>>, grace: Duration, more: bool) -> Option<String> {
    let (sender, heard) = bounded(answers.len());
    let peer = "192.0.2.1:1".parse().unwrap();
    answers.into_iter().for_each(|answer| sender.send((peer, answer)).unwrap());
    let kept = more.then_some(sender);
    let best = best(&heard, grace, |_, _| {}, || {}, || false);
    drop(kept);
    best.map(|meta| meta.name)
}

#[test]
fn a_hybrid_with_its_layers_is_preferred_to_one_without() {
    let as_v1 = |name| Ok(Given::AsV1(named(name)));
    let whole = || Ok(Given::Whole(named("whole")));
    let nothing = || Err(NoMetadata::NotOffered);
    let check = |answers, grace, more, expected: Option<&str>| {
        assert_eq!(taken(answers, grace, more).as_deref(), expected);
    };
    check(vec![as_v1("a"), nothing(), whole()], HOUR, true, Some("whole"));
    check(vec![nothing(), whole(), as_v1("a")], HOUR, true, Some("whole"));
    check(vec![as_v1("a"), nothing(), as_v1("b")], HOUR, false, Some("a"));
    check(vec![as_v1("a")], Duration::ZERO, true, Some("a"));
    check(vec![nothing()], HOUR, false, None);
}

fn tiers(urls: &[&str]) -> Vec<Vec<String>> {
    urls.iter().map(|url| vec![(*url).into()]).collect()
}

#[test]
fn trackers_are_asked_again_after_15_seconds_and_nearby_ones_after_5() {
    let start = Instant::now();
    let check = |urls: &[&str], seconds: u64| {
        let mut announced = Announced::default();
        assert!(announced.is_due(start, &tiers(urls)), "at first");
        announced.on_found(start, &tiers(urls), 1, FoundPeers::default());
        let due = |millis| announced.is_due(start + Duration::from_millis(millis), &tiers(urls));
        assert!(!due(seconds * 1000 - 1) && due(seconds * 1000), "{urls:?}");
    };
    check(&["http://127.0.0.1:1/announce", "udp://192.168.1.1:1"], 5);
    check(&["http://127.0.0.1:1/announce", "udp://192.0.2.1:1"], 15);
    check(&["udp://tracker.example:1"], 15);
}

#[test]
fn found_peers_are_kept_and_who_counts_us_is_told_the_end() {
    let tiers = tiers(&["http://a/announce?k=1", "udp://b:1", "no url"]);
    let peers = |n: u8| vec![SocketAddr::from(([192, 0, 2, n], 1))];
    let no = |who: &str| (who.to_string(), "no answer in time".to_string());
    let (a, b) = ("http://a", "udp://b:1");
    let mut announced = Announced::default();
    let mut on_found = |peers: Vec<SocketAddr>, failures: &[&str]| {
        let failures = failures.iter().map(|who| no(who)).collect();
        announced.on_found(Instant::now(), &tiers, 2, FoundPeers { peers, failures });
        (announced.event(), announced.found.peers.clone(), announced.farewells(&tiers).concat())
    };
    assert_eq!(on_found(vec![], &[a, b, a, b]), (Event::Started, vec![], vec![]));
    // `b` refused one of the two hashes, and knows the other.
    let (event, found, farewells) = on_found(peers(1), &[a, b, a]);
    assert_eq!((event, found), (Event::None, peers(1)));
    assert!(farewells.len() == 1 && farewells[0].starts_with(b), "{farewells:?}");
    let (_, found, farewells) = on_found(vec![], &[b, b]);
    assert_eq!((found, farewells.len()), (peers(1), 2));
    assert!(farewells[0].ends_with("/announce?k=1"), "{farewells:?}");
    assert_eq!(on_found(peers(2), &[a, b, a, b]).1, peers(2));
}

/// An HTTP tracker on the loopback that knows no peers, and ends with the test's process. What it
/// is told comes over the channel.
fn tracker() -> (String, Receiver<Event>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    let (sender, told) = bounded(99);
    let play = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let question: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let query = question[0].split(['?', ' ']).nth(2).unwrap();
            let event = AnnounceQuery::read(query.as_bytes()).unwrap().announce.event;
            sender.send(event).unwrap();
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nd8:intervali9e5:peers0:e");
        }
    };
    Builder::new().name("tracker".into()).spawn(play).unwrap();
    (url, told)
}

#[test]
fn a_search_that_finds_nothing_is_started_once_and_stopped() {
    let (url, told) = tracker();
    let context = context_of(PeerConfig {
        timeout: Duration::from_millis(100),
        retry_interval: Duration::from_millis(5),
        ..PeerConfig::default()
    });
    let hash = InfoHashV1([7; 20]);
    let what = What::HashV1(hash);
    let sought = Sought {
        what: &what,
        wanted: Some(wanted(hash.into())),
        trackers: Vec::new(),
        tiers: vec![vec![url]],
        peers: Vec::new(),
    };
    let looks = std::cell::Cell::new(0);
    let error = ask(&context, &sought, &|_| looks.set(looks.get() + 1)).unwrap_err();
    assert_eq!(error.exit, Exit::NotFound, "{error}");
    assert!(looks.get() > 1, "peers are looked for again and again");
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [Event::Started, Event::Stopped]);
}
