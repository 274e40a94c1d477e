//! The tracker's dashboard, as a browser and a stranger meet it: events, pages, bounds.

use crate::harness::programs::{Listening, leecher, seeder, tracker};
use crate::harness::scratch::Scratch;
use crate::harness::watch::Watch;
use crate::harness::{SOON, together, until};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};
use swarmlet::protocol::tracker_native::hello;

/// Listens to a stream of events.
fn listen(tracker: SocketAddr, target: &str) -> Watch {
    let watch = Watch::open(tracker, target);
    let head = &watch.head;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
    assert!(!head.to_lowercase().contains("access-control"), "{head}");
    watch
}

fn with_dashboard() -> Listening {
    tracker("--dashboard --keepalive 1s --expire 3s --interval 2s")
}

/// Asks once: the status and the rest.
fn ask(tracker: SocketAddr, target: &str, host: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(tracker).expect("the tracker listens");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("UTF-8 until the end");
    let status = answer.get(9..12).and_then(|digits| digits.parse().ok());
    (status.unwrap_or_else(|| panic!("{target}: {answer:?}")), answer)
}

fn nodes(swarm: &Value) -> Vec<String> {
    let nodes = swarm["nodes"].as_array().expect("a list");
    nodes.iter().map(|node| node["addr"].as_str().expect("an address").to_owned()).collect()
}

#[test]
fn the_tracker_tells_its_swarms_once_a_second_and_heartbeats_as_they_arrive() {
    let _turn = together();
    let scratch = Scratch::new("live-state");
    let tracker = tracker("--keepalive 1s --expire 3s");
    let mut stream = listen(tracker.address, "/live");
    let first = stream.wait("state");
    assert_eq!((&first["dashboard"], &first["swarms"]), (&false.into(), &Value::Array(vec![])));
    let file = scratch.file("big.zip", 100_000, 1);
    let seeder = seeder("seeder", tracker.address, &file, "");
    let beat = stream.wait("beats")["beats"][0].clone();
    assert_eq!((&beat["from"], &beat["left"]), (&seeder.address.to_string().into(), &0.into()));
    let state = until("the swarm is told", SOON, || {
        let state = stream.wait("state");
        (state["swarms"][0]["seeders"] == 1).then_some(state)
    });
    let swarm = &state["swarms"][0];
    assert_eq!((&swarm["name"], &swarm["size"]), (&"big.zip".into(), &100_000.into()));
    assert_eq!(swarm["hash"], beat["hash"]);
    assert_eq!(state["figures"]["peers"], 1);
    let next = stream.wait("state")["now_ms"].as_u64().expect("a time");
    let passed = next - state["now_ms"].as_u64().expect("a time");
    assert!((900..5000).contains(&passed), "{passed} ms between two events");
}

#[test]
fn two_nodes_are_seen_with_what_goes_from_one_to_the_other() {
    let _turn = together();
    let scratch = Scratch::new("live-swarm");
    let tracker = with_dashboard();
    let file = scratch.file("big.zip", 4_000_000, 1);
    let seeder = seeder("seeder", tracker.address, &file, "--uplimit 400k");
    let mut all = listen(tracker.address, "/live");
    let hash = until("the swarm is told", SOON, || {
        Some(all.wait("state")["swarms"][0]["hash"].as_str()?.to_owned())
    });
    let mut stream = listen(tracker.address, &format!("/live?swarm={hash}"));
    let _leecher = leecher("leecher", tracker.address, "big.zip", &scratch.at("out"), "");
    let swarm = until("a link with a rate", SOON * 2, || {
        let swarm = stream.wait("swarm");
        let links = swarm["links"].as_array().expect("a list");
        let flows = |link: &Value| link[2].as_u64() > Some(0) && link[3] != 0;
        links.iter().any(flows).then_some(swarm)
    });
    let nodes = nodes(&swarm);
    assert_eq!(nodes.len(), 2, "{swarm}");
    let links = swarm["links"].as_array().expect("a list");
    let link = links.iter().find(|link| link[2].as_u64() > Some(0)).expect("it was there");
    let from = link[0].as_u64().expect("a place") as usize;
    assert_eq!(nodes[from], seeder.address.to_string(), "{swarm}");
    assert_eq!(swarm["nodes"][from]["serves"], 1, "{swarm}");
    assert_eq!(swarm["nodes"][from]["progress"], 1.0, "{swarm}");
    assert_eq!((&swarm["hash"], &swarm["name"]), (&hash.into(), &"big.zip".into()));
    assert_eq!(stream.wait("beats")["beats"][0]["hash"], swarm["hash"]);
}

#[test]
fn without_dashboard_no_swarm_is_drawn() {
    let _turn = together();
    let plain = tracker("");
    let hash = "07".repeat(32);
    for target in ["/swarm-view", "/swarm-view.js", &format!("/live?swarm={hash}")] {
        let (status, text) = ask(plain.address, target, "localhost");
        assert_eq!(status, 404, "{target}");
        assert!(text.contains("--dashboard"), "{target}: {text}");
    }
    for target in ["/", "/tracker.js", "/style.css"] {
        assert_eq!(ask(plain.address, target, "localhost").0, 200, "{target}");
    }
    assert!(!ask(plain.address, "/", "localhost").1.contains("swarm-view"));
    let with = with_dashboard();
    let said = format!("dashboard at http://{}/swarm-view\n", with.address);
    with.wait_stderr("where the page is", SOON, |text| text.contains(&said));
    for target in ["/swarm-view", "/swarm-view.js"] {
        assert_eq!(ask(with.address, target, "localhost").0, 200, "{target}");
    }
    assert!(ask(with.address, "/", "localhost").1.contains("href=\"/swarm-view\""));
    let mut stream = listen(with.address, &format!("/live?swarm={hash}"));
    assert_eq!(nodes(&stream.wait("swarm")), [""; 0]);
}

#[test]
fn watchers_are_bounded_and_delay_nobody() {
    let _turn = together();
    let tracker = with_dashboard();
    let mut streams: Vec<_> = (0..32)
        .map(|n| match n % 2 {
            0 => listen(tracker.address, "/live"),
            _ => listen(tracker.address, &format!("/live?swarm={n:064x}")),
        })
        .collect();
    let (status, text) = ask(tracker.address, "/live", "localhost");
    assert_eq!(status, 503);
    assert!(text.ends_with("too many watchers: close one, or come back later\n"), "{text}");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    let asked = Instant::now();
    for seq in 0..100 {
        socket.send_to(&hello(seq), tracker.address).expect("it goes");
        socket.recv(&mut [0; 1500]).expect("a cookie");
    }
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    for (n, stream) in streams.iter_mut().enumerate() {
        stream.wait(if n % 2 == 0 { "state" } else { "swarm" });
    }
    streams.pop();
    until("there is room again", SOON, || {
        let mut socket = TcpStream::connect(tracker.address).expect("the tracker listens");
        socket.set_read_timeout(Some(SOON)).expect("a timeout");
        socket.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
        let mut status = [0; 12];
        socket.read_exact(&mut status).expect("a status");
        (&status == b"HTTP/1.1 200").then_some(())
    });
}

#[test]
fn a_page_whose_name_was_made_to_point_here_reads_nothing() {
    let _turn = together();
    let tracker = with_dashboard();
    let hash = "07".repeat(32);
    let swarm = format!("/live?swarm={hash}");
    let pages = ["/", "/live", &swarm, "/swarm-view", "/swarm-view.js", "/tracker.js"];
    let port = tracker.address.port();
    for target in pages.into_iter().chain(["/stats.json", "/metrics", "/style.css", "/swarm/07"]) {
        for host in
            ["evil.test", &format!("evil.test:{port}"), "localhost:1", "127.0.0.1.evil.test"]
        {
            let (status, text) = ask(tracker.address, target, host);
            assert_eq!(status, 421, "{target} as {host}");
            assert!(text.ends_with("\r\n\r\nMisdirected Request\n"), "{text}");
        }
        let is_stream = target.starts_with("/live");
        if !is_stream && target != "/swarm/07" {
            for host in ["localhost", &format!("localhost:{port}"), &format!("[::1]:{port}")] {
                assert_eq!(ask(tracker.address, target, host).0, 200, "{target} as {host}");
            }
        }
    }
    // Clients of BitTorrent are asked for no name.
    let query = "info_hash=12345678901234567890&peer_id=12345678901234567890&port=1&left=0";
    let (status, text) = ask(tracker.address, &format!("/announce?{query}"), "tracker.example");
    assert_eq!(status, 200);
    assert!(text.contains("8:interval"), "{text}");
}

#[test]
fn no_path_leads_out_of_the_pages() {
    let _turn = together();
    let tracker = with_dashboard();
    let climbs = ["../", "..%2f", "%2e%2e/", "..\\", "..%5c", "%252e%252e/", "..%c0%af", ".../"];
    let goals = ["etc/passwd", "Cargo.toml", "tracker.js", "style.css"];
    let mut count = 0;
    for start in ["/", "/live/", "/swarm-view/", "/swarm-view.js/", "/tracker.js/", "/pages/"] {
        for climb in climbs {
            for (depth, goal) in [1, 2, 8].into_iter().flat_map(|n| goals.map(|goal| (n, goal))) {
                let target = format!("{start}{}{goal}", climb.repeat(depth));
                let (status, text) = ask(tracker.address, &target, "localhost");
                assert_eq!(status, 404, "{target}: {text}");
                count += 1;
            }
        }
    }
    assert!(count > 300, "{count}");
}
