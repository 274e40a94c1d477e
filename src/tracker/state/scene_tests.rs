//! What those who watch are shown, without a socket.

use super::scenes::{LINKS_A_SCENE, NODES_A_SCENE};
use super::tests::{answer, ask, cookie, register, state};
use super::views::BITMAP_BYTES;
use super::*;
use crate::bitfield::Bitfield;
use crate::config::HierarchyConfig;
use crate::ids::{InfoHashV1, PeerId, hex};
use crate::logic::registry::Have;
use crate::protocol::frame::Bin;
use crate::protocol::tracker_native::{
    Beat, Keepalive, LinkStanding, Links, PeerLink, Register, Unregister, put_beat, put_link,
};
use crate::tracker::live::{EVERY, Scene};
use crate::tracker::pages::{Page, scene_at};
use proptest::prelude::*;
use serde_json::{Value, json};

const HASH: [u8; 32] = [7; 32];

fn at(millis: u64) -> Moment {
    Moment::after(Duration::from_millis(millis))
}

fn with_dashboard() -> State {
    state(|options| options.dashboard = true)
}

/// Registers a peer at port 6881 of a torrent with ten pieces, of 100 bytes.
fn join(s: &mut State, from: &str, left: u64, bits: &[u8]) -> Bin<8> {
    let cookie = cookie(s, from);
    let message = Register { info_hash: Bin(HASH), ..register(cookie, 0, left) };
    assert!(matches!(answer(s, from, message, bits), Message::Ack(_)));
    cookie
}

fn link(to: &str, rate: u32, standing: LinkStanding) -> PeerLink {
    PeerLink { to: to.parse().unwrap(), rate, standing }
}

/// Says whom a peer serves; there is never an answer.
fn say_links(s: &mut State, from: &str, cookie: Bin<8>, links: &[PeerLink]) {
    let mut body = Vec::new();
    links.iter().for_each(|link| put_link(&mut body, link));
    let message = Links { cookie, info_hash: Bin(HASH), port: 6881 };
    assert!(ask(s, from, &Packet::new(message, &body)).is_empty());
}

fn whole() -> Scene {
    Scene::Swarm(InfoHashV2(HASH).into())
}

/// The next event: its name and what it says.
fn event(s: &mut State, now: Moment) -> Option<(String, Value)> {
    let event = s.next_event(now)?;
    s.on_tick(now, 0);
    let text = str::from_utf8(&event.text).unwrap();
    let rest = text.strip_prefix("event: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
    let (name, data) = rest.split_once("\ndata: ").unwrap();
    assert!(!data.contains('\n'), "{data}");
    Some((name.to_owned(), serde_json::from_str(data).unwrap()))
}

#[test]
fn a_swarm_is_its_nodes_by_address_and_who_serves_whom() {
    let mut s = with_dashboard();
    let two = join(&mut s, "10.0.0.2:1", 50, &[0xf8, 0]);
    let one = join(&mut s, "10.0.0.1:1", 0, &[]);
    join(&mut s, "[fd00::3]:1", 100, &[]);
    say_links(
        &mut s,
        "10.0.0.1:1",
        one,
        &[
            link("10.0.0.2:6881", 900, LinkStanding::Served),
            link("[fd00::3]:6881", 5, LinkStanding::OnTrial),
            link("10.9.9.9:1", 7, LinkStanding::Served),
        ],
    );
    say_links(&mut s, "10.0.0.2:1", two, &[link("[fd00::3]:6881", 0, LinkStanding::Choked)]);
    s.on_watcher(at(3000), whole()).unwrap();
    let (name, swarm) = event(&mut s, at(3000)).unwrap();
    let node = |addr: &str, progress: f64, bar: &str, serves: Value| {
        json!({"addr": addr, "progress": progress, "bar": bar, "down": 0, "up": 0,
               "age_ms": 2000, "serves": serves})
    };
    let expected = json!({
        "now_ms": 3000, "hash": hex(&HASH), "name": "big.zip", "size": 100, "pieces": 10,
        "nodes": [
            node("10.0.0.1:6881", 1.0, "ffffffffff", 3.into()),
            node("10.0.0.2:6881", 0.5, "fffff00000", 0.into()),
            node("[fd00::3]:6881", 0.0, "0000000000", Value::Null),
        ],
        "links": [[0, 1, 900, 1], [0, 2, 5, 2], [1, 2, 0, 0]],
        "more": 0,
    });
    assert_eq!((name.as_str(), swarm), ("swarm", expected));
    let message =
        Unregister { seq: 1, cookie: one, info_hash: Bin(HASH), peer_id: Bin([5; 20]), port: 6881 };
    answer(&mut s, "10.0.0.1:1", message, &[]);
    join(&mut s, "10.0.0.1:1", 0, &[]);
    assert_eq!(event(&mut s, at(4000)).unwrap().0, "beats", "it came again");
    let (_, swarm) = event(&mut s, at(4000)).unwrap();
    assert_eq!(swarm["links"], json!([[1, 2, 0, 0]]), "what it said went with it");
}

#[test]
fn a_swarm_that_nobody_knows_has_no_nodes_and_a_short_name_leads_to_the_whole_one() {
    let mut s = with_dashboard();
    let short = Scene::Swarm(InfoHash::V1(InfoHashV1([7; 20])));
    s.on_watcher(at(1000), short).unwrap();
    let (_, swarm) = event(&mut s, at(1000)).unwrap();
    let expected = (json!("07".repeat(20)), json!([]), json!(""));
    assert_eq!((swarm["hash"].clone(), swarm["nodes"].clone(), swarm["name"].clone()), expected);
    join(&mut s, "10.0.0.1:1", 0, &[]);
    let (name, beats) = event(&mut s, at(1500)).unwrap();
    assert_eq!((name.as_str(), &beats["beats"][0]["hash"]), ("beats", &json!(hex(&HASH))));
    let (_, swarm) = event(&mut s, at(2000)).unwrap();
    assert_eq!((&swarm["hash"], swarm["nodes"].as_array().unwrap().len()), (&json!(hex(&HASH)), 1));
}

#[test]
fn the_tracker_is_figures_swarms_and_heartbeats_as_they_arrive() {
    let mut s = state(|_| {});
    let cookie = join(&mut s, "10.0.0.1:1", 50, &[]);
    s.on_watcher(at(2000), Scene::Tracker).unwrap();
    let (name, state) = event(&mut s, at(2000)).unwrap();
    assert_eq!(
        (name.as_str(), &state["dashboard"], &state["hierarchy"]),
        ("state", &json!(false), &Value::Null)
    );
    assert_eq!(
        (&state["figures"]["peers"], &state["now_ms"], &state["more"]),
        (&json!(1), &json!(2000), &json!(0))
    );
    let row = json!({"name": "big.zip", "hash": hex(&HASH), "size": 100, "pieces": 10,
                     "seeders": 0, "leechers": 1, "published": false});
    assert_eq!(state["swarms"], json!([row]));
    let mut body = Vec::new();
    let info_hash = InfoHashV1([7; 20]);
    put_beat(&mut body, &Beat { info_hash, left: 40, down: 9, up: 8, news: Vec::new() });
    let message = Keepalive { seq: 1, cookie, port: 6881 };
    let mut out = Vec::new();
    let datagram = Packet::new(message, &body).datagram();
    s.on_datagram(at(2100), "10.0.0.1:1".parse().unwrap(), &datagram, &mut out);
    let beat = json!({"at_ms": 2100, "from": "10.0.0.1:6881", "hash": hex(&HASH), "left": 40,
                      "down": 9, "up": 8});
    let told = event(&mut s, at(2100));
    assert_eq!(told, Some(("beats".to_owned(), json!({"beats": [beat], "more": 0}))));
    assert_eq!(s.deadline().map(|due| due.min(at(3000))), Some(at(3000)));
}

#[test]
fn peers_are_asked_whom_they_serve_under_dashboard_only_and_often_while_somebody_looks() {
    let links_ms = |s: &mut State| {
        let cookie = cookie(s, "10.0.0.1:1");
        match answer(s, "10.0.0.1:1", register(cookie, 7, 5), &[]) {
            Message::Ack(ack) => ack.links_ms,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(links_ms(&mut state(|_| {})), None);
    let mut s = with_dashboard();
    assert_eq!(links_ms(&mut s), Some(5000));
    let (all, _) = s.on_watcher(at(0), Scene::Tracker).unwrap();
    assert_eq!(links_ms(&mut s), Some(5000));
    let (one, _) = s.on_watcher(at(0), whole()).unwrap();
    assert_eq!(links_ms(&mut s), Some(1000));
    s.on_watcher_left(one);
    s.on_watcher_left(all);
    assert_eq!(links_ms(&mut s), Some(5000));
}

#[test]
fn what_strangers_say_of_whom_they_serve_is_not_kept() {
    let to = [link("10.0.0.2:6881", 900, LinkStanding::Served)];
    let links = |s: &mut State| {
        s.on_watcher(at(3000), whole()).unwrap();
        event(s, at(3000)).unwrap().1["links"].clone()
    };
    let mut s = with_dashboard();
    let one = join(&mut s, "10.0.0.1:1", 0, &[]);
    let other = join(&mut s, "10.0.0.2:1", 50, &[]);
    let nobody = cookie(&mut s, "10.0.0.3:1");
    say_links(&mut s, "10.0.0.3:1", nobody, &to);
    say_links(&mut s, "10.0.0.1:1", other, &to);
    assert_eq!(links(&mut s), json!([]), "not registered, or another's cookie");
    say_links(&mut s, "10.0.0.1:1", one, &to);
    s.on_tick(at(4000), 0);
    assert_eq!(event(&mut s, at(4000)).unwrap().1["links"], json!([[0, 1, 900, 1]]));
    let mut closed = state(|_| {});
    let one = join(&mut closed, "10.0.0.1:1", 0, &[]);
    join(&mut closed, "10.0.0.2:1", 50, &[]);
    say_links(&mut closed, "10.0.0.1:1", one, &to);
    assert_eq!(links(&mut closed), json!([]), "there is no --dashboard");
}

#[test]
fn an_event_is_made_once_for_all_who_watch_and_one_a_turn() {
    let mut s = with_dashboard();
    let (one, _) = s.on_watcher(at(0), whole()).unwrap();
    let (same, _) = s.on_watcher(at(0), whole()).unwrap();
    let (other, _) = s.on_watcher(at(0), Scene::Tracker).unwrap();
    assert!(one == same && one != other);
    assert_eq!(s.next_event(at(0)).map(|event| event.scene), Some(one));
    assert_eq!(s.next_event(at(0)), None, "this turn has made one");
    assert!(!s.may_make_page());
    s.on_tick(at(0), 0);
    assert!(!s.may_make_page(), "who was put off has the next turn");
    assert_eq!(s.next_event(at(0)).map(|event| event.scene), Some(other));
    s.on_tick(at(0), 0);
    assert!(s.may_make_page());
    assert_eq!((s.next_event(at(0)), s.next_event(Moment::START + EVERY)), (None, None));
    s.on_tick(at(1000), 0);
    assert!(s.next_event(Moment::START + EVERY).is_some());
}

#[test]
fn of_a_large_swarm_a_bounded_part_is_shown_and_all_bars_in_turn() {
    let mut s = with_dashboard();
    let pieces = 20_000;
    let have = Bitfield::from_bytes(&vec![0xaa; pieces as usize / 8], pieces).unwrap();
    let count = NODES_A_SCENE as u32 + 5;
    for n in 0..count {
        let from = format!("10.0.{}.{}:1", n / 200, n % 200 + 1);
        let cookie = cookie(&mut s, &from);
        let message =
            Register { pieces, size: 1 << 30, info_hash: Bin(HASH), ..register(cookie, 0, 5) };
        answer(&mut s, &from, message, &[]);
        let addr = from.replace(":1", ":6881").parse().unwrap();
        let have = Have::Some(have.clone());
        assert!(s.registry.on_have(
            at(1000),
            &InfoHashV2(HASH).into(),
            addr,
            PeerId([5; 20]),
            have
        ));
        let to = |n: u32| link(&format!("10.0.0.{}:6881", n + 1), 1, LinkStanding::Served);
        say_links(&mut s, &from, cookie, &(0..64).map(to).collect::<Vec<_>>());
    }
    s.on_watcher(at(2000), whole()).unwrap();
    let seen = BITMAP_BYTES / (pieces as usize / 8);
    let mut known = Vec::new();
    for second in 2..6 {
        let (_, swarm) = event(&mut s, at(second * 1000)).unwrap();
        let nodes = swarm["nodes"].as_array().unwrap();
        assert_eq!((nodes.len(), &swarm["more"]), (NODES_A_SCENE, &json!(5)));
        assert!(swarm["links"].as_array().unwrap().len() <= LINKS_A_SCENE);
        known.push(nodes.iter().filter(|node| node["bar"].is_string()).count());
    }
    assert_eq!(known, [seen, 2 * seen, 3 * seen, NODES_A_SCENE].map(|n| n.min(NODES_A_SCENE)));
}

#[test]
fn a_hierarchy_is_shown_with_what_the_resolver_remembers() {
    let mut s = state(|options| {
        options.federation = HierarchyConfig {
            resolver: true,
            delegations: vec![(".".parse().unwrap(), "127.0.0.2:1".parse().unwrap())],
            ..HierarchyConfig::default()
        }
    });
    s.on_watcher(at(0), Scene::Tracker).unwrap();
    let (_, state) = event(&mut s, at(0)).unwrap();
    let expected = json!({"zone": null, "resolver": true, "parent": "127.0.0.2:1",
                          "delegations": [], "cache": [], "cache_more": 0});
    // What it was told at the start is remembered like an answer, or not at all.
    let mut hierarchy = state["hierarchy"].clone();
    let cache = std::mem::replace(&mut hierarchy["cache"], json!([]));
    assert_eq!(hierarchy, expected);
    assert!(cache.as_array().unwrap().iter().all(|entry| entry["op"] == "NS"), "{cache}");
    let home = Page::at("/", at(0), &mut s).body;
    assert!(
        home.contains("<h2>Hierarchy</h2>") && home.contains("<code>127.0.0.2:1</code>"),
        "{home}"
    );
}

#[test]
fn where_only_this_machine_is_listened_to_a_stranger_s_name_is_not_ours() {
    let at_address = |listen: &str| state(|options| options.listen = listen.parse().unwrap());
    let local = at_address("127.0.0.1:6969");
    for host in [None, Some("localhost:6969"), Some("127.0.0.1:6969"), Some("localhost")] {
        assert!(local.is_called(host), "{host:?}");
    }
    for host in ["evil.test", "evil.test:6969", "localhost:80", "", "localhost.evil.test"] {
        assert!(!local.is_called(Some(host)), "{host}");
    }
    assert!(at_address("0.0.0.0:6969").is_called(Some("tracker.example")));
    assert!(!at_address("[::1]:6969").is_called(Some("tracker.example")));
}

#[test]
fn who_watches_a_lab_is_told_its_controls_and_nobody_else_is() {
    let mut s = with_dashboard();
    s.on_watcher(at(0), Scene::Tracker).expect("room");
    let (_, told) = event(&mut s, at(0)).expect("a first event");
    assert!(told.get("controls").is_none(), "{told}");
    let (orders, received) = crossbeam_channel::bounded(1);
    let controls = Controls { token: "t0".into(), actions: &["kill", "add"], orders };
    let sayings = s.steer(controls);
    sayings.send("peer 1 \"is\" <added>\n\n".into()).expect("room");
    s.on_tick(at(700), 0);
    let (_, told) = event(&mut s, at(1000)).expect("the next event");
    let expected = json!({
        "actions": ["kill", "add"],
        "token": "t0",
        "said": [{ "at_ms": 700, "text": "peer 1 \"is\" <added>\n\n" }],
    });
    assert_eq!(told["controls"], expected);
    let [here, near, far] = ["127.0.0.1", "10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
    let text = "POST /control HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Token: t0\r\nContent-Length: 16\r\n\r\n\
                {\"action\":\"add\"}";
    let status = |remote, local| match s.on_order(Asker { remote, local }, text.as_bytes()) {
        Some(Step::Answer(status, _)) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status(far, near), 403, "another machine");
    assert_eq!(status(near, near), 202, "this one, called by its address");
    assert_eq!(status(here, here), 503, "there was room for one");
    assert_eq!(received.len(), 1);
}

#[test]
fn what_is_watched_is_named_in_the_target() {
    let scene = |target: &str| scene_at(target, true);
    assert_eq!(scene("/live"), Some(Ok(Scene::Tracker)));
    assert_eq!(scene("/live?x=1"), Some(Ok(Scene::Tracker)));
    let hash = "07".repeat(32);
    assert_eq!(scene(&format!("/live?swarm={hash}")), Some(Ok(whole())));
    let short = scene(&format!("/live?x&swarm={}", "07".repeat(20)));
    assert_eq!(short, Some(Ok(Scene::Swarm(InfoHash::V1(InfoHashV1([7; 20]))))));
    for strange in ["/live?swarm=", "/live?swarm=../x", "/live?swarm=%00"] {
        assert!(matches!(scene(strange), Some(Err((400, _)))), "{strange}");
    }
    for other in ["/", "/live/", "/live.json", "//live", "/live/../live"] {
        assert_eq!(scene(other), None, "{other}");
    }
    assert!(matches!(scene_at(&format!("/live?swarm={hash}"), false), Some(Err((404, _)))));
}

proptest! {
    /// Whatever a registered peer says of whom it serves, there is no answer and a scene.
    #[test]
    fn no_links_are_too_strange(body in proptest::collection::vec(any::<u8>(), 0..1100)) {
        let mut s = with_dashboard();
        let cookie = join(&mut s, "10.0.0.1:1", 0, &[]);
        let message = Links { cookie, info_hash: Bin(HASH), port: 6881 };
        prop_assert!(ask(&mut s, "10.0.0.1:1", &Packet::new(message, &body)).is_empty());
        s.on_watcher(at(2000), whole()).unwrap();
        prop_assert!(event(&mut s, at(2000)).is_some());
    }
}
