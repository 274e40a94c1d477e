//! The rules of these: who may order, what an order is, what becomes of it.

use super::*;
use proptest::prelude::{any, prop, prop_assert, proptest};
use std::time::Duration;

const ACTIONS: &[&str] = &["kill", "limit", "add"];

/// Controls with the token `secret` and room for one order.
fn helm() -> (Helm, Sender<String>, Receiver<Order>) {
    let (orders, received) = bounded(1);
    let (helm, sayings) = Helm::new(Controls { token: "secret".into(), actions: ACTIONS, orders });
    (helm, sayings, received)
}

/// A request with these fields besides the right ones, which come after them.
fn request(fields: &str, body: &str) -> String {
    let length = body.len();
    let usual = [
        ("Host", "127.0.0.1:7000".to_owned()),
        ("X-Token", "secret".to_owned()),
        ("Content-Length", length.to_string()),
    ];
    let missing = usual.iter().filter(|(name, _)| !fields.contains(&format!("{name}:")));
    let usual: Vec<_> = missing.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let usual = usual.concat();
    format!("POST /control HTTP/1.1\r\n{fields}{usual}\r\n{body}")
}

const KILL: &str = r#"{"action":"kill","addr":"127.0.0.1:6881"}"#;

#[test]
fn an_order_is_an_action_an_address_and_a_rate() {
    let check = |body: &str, action, addr: Option<&str>, rate| {
        let addr = addr.map(|addr| addr.parse().expect("an address"));
        assert_eq!(order(body.as_bytes(), ACTIONS), Ok(Order { action, addr, rate }), "{body}");
    };
    check(KILL, "kill", Some("127.0.0.1:6881"), None);
    check(r#"{"action":"add","addr":null}"#, "add", None, None);
    check(r#" {"rate":0,"addr":"[::1]:1","action":"limit"} "#, "limit", Some("[::1]:1"), Some(0));
}

#[test]
fn what_is_no_order_is_refused_in_words() {
    let check = |body: &str, begins: &str| match order(body.as_bytes(), ACTIONS) {
        Err(Step::Answer(400, words)) => assert!(words.starts_with(begins), "{body}: {words}"),
        other => panic!("{body}: {other:?}"),
    };
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"action":7}"#,
        r#"{"action":"kill","addr":"localhost:1"}"#,
        r#"{"action":"limit","rate":-1}"#,
        r#"{"action":"limit","rate":1.5}"#,
        r#"{"action":"kill","path":"/etc"}"#,
        r#"{"action":"kill","action":"add"}"#,
        r#"{"action":"kill"} {}"#,
    ] {
        check(body, "the body is no order: expected {\"action\":");
    }
    check(r#"{"action":"eval"}"#, "there is no such action: expected kill, limit, add");
    check(&"[".repeat(1024), "the body is no order");
}

#[test]
fn an_order_goes_out_once_and_no_more_than_there_is_room_for() {
    let (helm, _sayings, orders) = helm();
    let text = request("", KILL);
    let step = |bytes: &[u8]| step(Some(&helm), bytes, true, 7000);
    for cut in OPENING.len()..text.len() {
        assert_eq!(step(&text.as_bytes()[..cut]), Some(Step::More), "cut at {cut}");
    }
    assert!(orders.is_empty());
    assert_eq!(step(text.as_bytes()), Some(refused(202, "asked")));
    assert_eq!(
        step(text.as_bytes()),
        Some(refused(503, "too much is to be done: try again in a moment"))
    );
    assert_eq!(orders.recv().expect("it went out").action, "kill");
    assert_eq!(step(text.as_bytes()), Some(refused(202, "asked")));
    drop(orders);
    assert_eq!(step(text.as_bytes()), Some(refused(503, "the lab is ending")));
}

#[test]
fn only_our_own_page_with_the_token_may_order() {
    let (helm, _sayings, orders) = helm();
    let check = |fields: &str, near: bool, status: u16| {
        let text = request(fields, KILL);
        match step(Some(&helm), text.as_bytes(), near, 7000) {
            Some(Step::Answer(got, _)) => assert_eq!(got, status, "{fields:?} {near}"),
            other => panic!("{fields:?}: {other:?}"),
        }
        assert_eq!(orders.try_recv().is_ok(), status == 202, "{fields:?} {near}");
    };
    check("", true, 202);
    check("", false, 403);
    check("Origin: http://127.0.0.1:7000\r\nSec-Fetch-Site: same-origin\r\n", true, 202);
    check("Host: localhost:7000\r\n", true, 202);
    for host in ["evil.test", "evil.test:7000", "127.0.0.1:7001", "", "\u{e9}"] {
        check(&format!("Host: {host}\r\n"), true, 421);
    }
    for origin in ["http://evil.test", "null", "http://localhost:7000", "http://127.0.0.1:7001"] {
        check(&format!("Origin: {origin}\r\n"), true, 403);
    }
    check("Sec-Fetch-Site: cross-site\r\n", true, 403);
    check("Sec-Fetch-Site: same-site\r\n", true, 403);
    check("Origin: http://127.0.0.1:7000\r\nOrigin: http://127.0.0.1:7000\r\n", true, 400);
    for token in ["", "secre", "secretx", "Secret"] {
        check(&format!("X-Token: {token}\r\n"), true, 403);
    }
}

#[test]
fn a_request_without_host_or_token_orders_nothing() {
    let (helm, _sayings, orders) = helm();
    let head = |fields: &str| format!("POST /control HTTP/1.1\r\n{fields}\r\n\r\n");
    let answer = |text: &str| step(Some(&helm), text.as_bytes(), true, 7000);
    let Some(Step::Answer(421, _)) = answer(&head("X-Token: secret")) else { panic!("no host") };
    let Some(Step::Answer(403, _)) = answer(&head("Host: localhost")) else { panic!("no token") };
    assert!(orders.is_empty());
}

#[test]
fn a_body_is_short_and_says_how_long_it_is() {
    let (helm, _sayings, orders) = helm();
    let check = |fields: &str, body: &str, status: u16| {
        let text = request(fields, body);
        match step(Some(&helm), text.as_bytes(), true, 7000) {
            Some(Step::Answer(got, _)) => assert_eq!(got, status, "{fields:?}"),
            other => panic!("{fields:?}: {other:?}"),
        }
    };
    check("Content-Length: 1025\r\n", "", 413);
    check("Content-Length: 99999999999999999999999\r\n", "", 413);
    check("Content-Length: -1\r\n", "", 400);
    check("Content-Length: +1\r\n", "", 400);
    check("Content-Length: 1\r\nContent-Length: 2\r\n", "{}", 400);
    check("Transfer-Encoding: chunked\r\n", KILL, 400);
    check(&"a: b\r\n".repeat(MAX_FIELDS), "", 431);
    check(&format!("a: {}\r\n", "b".repeat(MAX_HEAD)), "", 431);
    assert!(orders.is_empty());
    let whole = format!("{KILL:1024}");
    check("", &whole, 202);
}

#[test]
fn without_controls_there_is_nothing_to_order() {
    let text = request("", KILL);
    let answer = step(None, text.as_bytes(), true, 7000);
    assert_eq!(answer, Some(refused(404, "no lab is steered here")));
    let (helm, ..) = helm();
    for other in
        ["POST /announce HTTP/1.1\r\n\r\n", "GET /control HTTP/1.1\r\n\r\n", "POST /contro"]
    {
        assert_eq!(step(Some(&helm), other.as_bytes(), true, 7000), None, "{other}");
    }
}

#[test]
fn the_last_sayings_are_kept_with_their_moments() {
    let (mut helm, sayings, _orders) = helm();
    for n in 0..10 {
        sayings.send(format!("saying {n}")).expect("room");
    }
    let now = Moment::after(Duration::from_secs(3));
    helm.on_tick(now);
    let view = helm.view();
    assert_eq!((view.actions, view.token.as_str()), (ACTIONS, "secret"));
    assert_eq!(view.said.len(), MOST_SAID);
    assert_eq!(view.said[0], (now, "saying 2".to_owned()));
    assert_eq!(view.said[7], (now, "saying 9".to_owned()));
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(
        fields in "[ -~\r\n]{0,200}",
        body in prop::collection::vec(any::<u8>(), 0..1200),
    ) {
        let (helm, _sayings, _orders) = helm();
        let mut bytes = format!("POST /control HTTP/1.1\r\nHost: localhost\r\n{fields}").into_bytes();
        bytes.extend_from_slice(&body);
        prop_assert!(step(Some(&helm), &bytes, true, 7000).is_some());
        let _ = order(&body, ACTIONS);
    }
}
