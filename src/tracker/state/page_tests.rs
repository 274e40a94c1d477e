//! The tracker's pages, without a socket.

use super::tests::{answer, at, cookie, publish, register, state};
use super::views::{BITMAP_BYTES, CONTENTS_A_PAGE, NODES_A_PAGE};
use super::*;
use crate::ids::hex;
use crate::logic::registry::Have;
use crate::protocol::frame::Bin;
use crate::protocol::tracker_native::Register;
use crate::tracker::pages::Page;
use proptest::prelude::*;
use serde_json::Value;

/// Registers a peer of a torrent with ten pieces, of 100 bytes.
fn join(s: &mut State, from: &str, hash: [u8; 32], name: &str, left: u64, bits: &[u8]) {
    let cookie = cookie(s, from);
    let message = Register { name: name.into(), info_hash: Bin(hash), ..register(cookie, 0, left) };
    assert!(matches!(answer(s, from, message, bits), Message::Ack(_)));
}

fn page(s: &mut State, target: &str) -> Page {
    assert!(Page::is_at(target), "{target}");
    Page::at(target, at(9), s)
}

fn text(s: &mut State, target: &str) -> String {
    let page = page(s, target);
    assert_eq!(page.status, 200, "{target}: {}", page.body);
    page.body
}

fn answer_to(page: &Page, head_only: bool) -> String {
    let mut out = Vec::new();
    page.put(&mut out, true, head_only);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_first_page_has_the_figures_and_the_contents_with_who_has_what() {
    let mut s = state(|_| {});
    assert!(text(&mut s, "/").contains("Nothing is shared"));
    let published = publish(&mut s, "film.bin", 1);
    join(&mut s, "10.0.0.1:1", [7; 32], "big.zip", 0, &[]);
    join(&mut s, "10.0.0.2:1", [7; 32], "big.zip", 50, &[0xf8, 0]);
    let home = text(&mut s, "/");
    for part in ["<dt>swarms<dd>1</div>", "<dt>peers<dd>2</div>", "<dt>seeders<dd>1</div>"] {
        assert!(home.contains(part), "{part} in {home}");
    }
    assert!(home.contains(&format!("<a href=\"/swarm/{}\">film.bin</a>", hex(&published))));
    assert!(home.contains("<code class=strip>█████▒▒▒▒▒</code>"), "{home}");
    let renewal = "<noscript><meta http-equiv=refresh content=5></noscript>\n\
                   <script src=\"/tracker.js\" defer></script>";
    assert!(home.contains(renewal) && home.matches("<script").count() == 1, "{home}");
    assert!(home.contains("<dl id=figures>") && home.contains("<table id=contents>"), "{home}");
    assert!(home.contains("<section id=beats></section>\n<section id=hierarchy></section>"));
}

#[test]
fn a_swarm_page_has_a_row_of_pieces_for_every_node() {
    let mut s = state(|_| {});
    join(&mut s, "10.0.0.1:1", [7; 32], "big.zip", 0, &[]);
    join(&mut s, "[fd00::2]:1", [7; 32], "big.zip", 50, &[0xf8, 0]);
    let target = format!("/swarm/{}", "07".repeat(32));
    let page = text(&mut s, &target);
    let row = |part: &str| assert!(page.contains(part), "{part} in {page}");
    row("<code>10.0.0.1:6881</code><td class=n>100 %");
    row("<td class=n>8 s ago<td><code class=strip>██████████</code>");
    row("<code>[fd00::2]:6881</code><td class=n>50 %");
    row("<code class=strip>█████·····</code>");
    assert_eq!(text(&mut s, &format!("/swarm/{}", "07".repeat(20))).matches("<tr>").count(), 3);
    let json: Value = serde_json::from_str(&text(&mut s, &format!("{target}.json"))).unwrap();
    assert_eq!((&json["pieces"], &json["seeders"]), (&10.into(), &1.into()));
    let have: Vec<_> = json["nodes"].as_array().unwrap().iter().map(|n| &n["have"]).collect();
    assert_eq!(have, ["all", "f800"]);
}

#[test]
fn what_is_not_there_is_said_with_its_status() {
    let mut s = state(|_| {});
    let status = |s: &mut State, target: &str| page(s, target).status;
    assert_eq!(status(&mut s, &format!("/swarm/{}", "07".repeat(32))), 404);
    assert_eq!(status(&mut s, "/swarm/07"), 400);
    assert_eq!(status(&mut s, "/swarm/../etc/passwd"), 400);
    assert_eq!(status(&mut s, "/?after=x"), 400);
    for target in ["/swarm-view", "/swarm-view.js", "/swarm-view?x"] {
        assert_eq!(status(&mut s, target), 404, "{target}: there is no --dashboard");
    }
    for target in ["/announce", "/announce?info_hash=x", "/scrape", "/x", "/stats.jsonx", "//"] {
        assert!(!Page::is_at(target), "{target}");
    }
}

#[test]
fn an_answer_has_its_type_and_forbids_strange_scripts_and_a_head_has_no_body() {
    let mut s = state(|options| options.dashboard = true);
    let kinds = [
        ("/", "text/html; charset=utf-8"),
        ("/stats.json", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/tracker.js", "text/javascript; charset=utf-8"),
        ("/swarm-view", "text/html; charset=utf-8"),
        ("/swarm-view.js", "text/javascript; charset=utf-8"),
    ];
    for (target, kind) in kinds {
        let page = page(&mut s, target);
        let whole = answer_to(&page, false);
        let (head, body) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
        for line in [
            &format!("Content-Type: {kind}"),
            &format!("Content-Length: {}", body.len()),
            "X-Content-Type-Options: nosniff",
        ] {
            assert!(head.lines().any(|l| l == line), "{line} in {head}");
        }
        let policy = "Content-Security-Policy: default-src 'none'; script-src 'self'; \
                      style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
        assert!(head.lines().any(|line| line == policy), "{head}");
        assert!(!head.to_lowercase().contains("access-control"), "nobody else may read it");
        assert_eq!(answer_to(&page, true), format!("{head}\r\n\r\n"));
    }
}

#[test]
fn a_name_is_a_strangers_text_on_every_page() {
    let mut s = state(|_| {});
    let evil = "</title><script>alert(1)</script>\" onload='x";
    join(&mut s, "10.0.0.1:1", [7; 32], evil, 0, &[]);
    for target in ["/".to_owned(), format!("/swarm/{}", "07".repeat(32))] {
        let page = text(&mut s, &target);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x"));
        assert!(!page.contains("<script>") && !page.contains("onload='"), "{page}");
    }
}

#[test]
fn the_contents_come_a_page_at_a_time_each_once() {
    let mut s = state(|_| {});
    let count = 2 * CONTENTS_A_PAGE + 7;
    for n in 0..count {
        publish(&mut s, &format!("file-{n:04}"), n as u32);
    }
    let (mut target, mut rows, mut pages) = ("/".to_owned(), Vec::new(), 0);
    loop {
        let page = text(&mut s, &target);
        let links = page.split("<a href=\"/swarm/").skip(1).map(|rest| rest[..64].to_owned());
        rows.extend(links);
        pages += 1;
        let Some((_, rest)) = page.split_once("<a href=\"/?after=") else { break };
        target = format!("/?after={}", &rest[..64]);
    }
    assert!(rows.is_sorted());
    rows.dedup();
    assert_eq!((rows.len(), pages), (count, 3));
}

#[test]
fn swarms_of_bittorrent_clients_alone_come_a_page_at_a_time_each_once() {
    let mut s = state(|_| {});
    let asker = Asker { remote: [10, 0, 0, 1].into(), local: [10, 0, 0, 9].into() };
    let count = CONTENTS_A_PAGE + 7;
    for n in 0..=count {
        // The last one is also a content that is listed under its v2 info-hash.
        let hash = if n == count { "%07".repeat(20) } else { format!("{n:020}") };
        let id = "x".repeat(20);
        let query = format!("/announce?info_hash={hash}&peer_id={id}&port=1&left=0");
        assert_eq!(s.on_http(at(1), asker, &query).0, 200);
    }
    join(&mut s, "10.0.0.1:1", [7; 32], "big.zip", 0, &[]);
    let (mut target, mut listed) = ("/".to_owned(), Vec::new());
    loop {
        let page = text(&mut s, &target);
        let links = page.split("<a href=\"/swarm/").skip(1).map(|rest| &rest[..40]);
        listed.extend(links.filter(|hash| !hash.starts_with("0707")).map(str::to_owned));
        let Some((_, next)) = page.split_once("/?swarms=") else { break };
        target = format!("/?swarms={}", next.split_once('"').unwrap().0);
    }
    listed.sort();
    let expected = (0..count).map(|n| hex(format!("{n:020}").as_bytes()));
    assert_eq!(listed, expected.collect::<Vec<_>>());
}

#[test]
fn a_page_looks_at_a_bounded_part_of_a_large_swarm() {
    let mut s = state(|_| {});
    let pieces = 40_000;
    for n in 1..=NODES_A_PAGE as u32 + 5 {
        let from = format!("10.0.{}.{}:1", n / 200, n % 200 + 1);
        let cookie = cookie(&mut s, &from);
        let message = Register {
            pieces,
            size: u64::from(pieces),
            info_hash: Bin([7; 32]),
            ..register(cookie, 0, 5)
        };
        answer(&mut s, &from, message, &[]);
        let have = vec![0xaa; pieces as usize / 8];
        let have = crate::bitfield::Bitfield::from_bytes(&have, pieces).unwrap();
        let addr = from.replace(":1", ":6881").parse().unwrap();
        let id = crate::ids::PeerId([5; 20]);
        let hash = InfoHashV2([7; 32]).into();
        assert!(s.registry.on_have(at(1), &hash, addr, id, Have::Some(have)));
    }
    let view = s.swarm_view(at(9), InfoHashV2([7; 32]).into()).unwrap();
    let known = view.nodes.iter().filter(|node| matches!(node.have, Have::Some(_))).count();
    assert_eq!((view.nodes.len(), known), (NODES_A_PAGE, BITMAP_BYTES / (pieces as usize / 8)));
    let page = text(&mut s, &format!("/swarm/{}", "07".repeat(32)));
    assert!(page.contains("100 of about 105 nodes.") && page.contains("not told"));
}

#[test]
fn the_metrics_are_well_formed_and_say_what_the_json_says() {
    let mut s = state(|_| {});
    join(&mut s, "10.0.0.1:1", [7; 32], "a", 0, &[]);
    s.on_datagram(at(2), "10.0.0.9:1".parse().unwrap(), b"garbage", &mut Vec::new());
    let json: Value = serde_json::from_str(&text(&mut s, "/stats.json")).unwrap();
    let expected =
        [("torrents", 1), ("peers", 1), ("seeders", 1), ("leechers", 0), ("malformed", 1)];
    for (name, value) in expected {
        assert_eq!(json[name], value, "{name}");
    }
    let metrics = text(&mut s, "/metrics");
    let mut lines = metrics.lines().peekable();
    let mut seen = Vec::new();
    while let Some(help) = lines.next() {
        let name = help.strip_prefix("# HELP ").and_then(|l| l.split(' ').next()).expect(help);
        let kind = lines.next().unwrap();
        assert!([" gauge", " counter"].map(|k| format!("# TYPE {name}{k}")).contains(&kind.into()));
        assert_eq!(name.ends_with("_total"), kind.ends_with("counter"), "{name}");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (metric, value) = sample.rsplit_once(' ').unwrap();
            assert_eq!(metric.split('{').next(), Some(name));
            assert!(value.parse::<f64>().unwrap().is_finite());
            seen.push(sample.to_owned());
        }
    }
    for sample in ["swarmlet_tracker_torrents 1", "swarmlet_tracker_malformed_total 1"] {
        assert!(seen.iter().any(|line| line == sample), "{sample}");
    }
}

#[test]
fn rates_are_means_over_the_last_seconds() {
    let mut s = state(|_| {});
    let mut out = Vec::new();
    let hear = |s: &mut State, count, out: &mut Vec<u8>| {
        for _ in 0..count {
            s.on_datagram(at(1), "10.0.0.9:1".parse().unwrap(), b"garbage", out);
        }
    };
    let rate = |s: &mut State, secs| format!("{:.1}", s.figures_now(at(secs)).datagrams_per_sec);
    hear(&mut s, 100, &mut out);
    assert_eq!(rate(&mut s, 20), "5.0");
    assert_eq!(rate(&mut s, 40), "0.0", "since second 20");
    hear(&mut s, 50, &mut out);
    assert_eq!(rate(&mut s, 45), "2.0", "since second 20 still");
}

proptest! {
    /// Whatever is asked for, there is a page or there is none.
    #[test]
    fn no_target_is_too_strange(target in "/(swarm/|\\?after=)?[0-9a-f%.é<]{0,70}(\\.json)?") {
        let mut s = state(|_| {});
        let page = Page::at(&target, at(9), &mut s);
        prop_assert!([200, 400, 404].contains(&page.status));
    }
}
