//! Any bytes as a request to the door for remote controls: its head, its proofs, its RPC.
//!
//! A head is no longer than may be, a stranger proves nothing, and the RPC answers everything with
//! JSON, or nothing where nothing is wanted.

use std::sync::LazyLock;

use swarmlet::control::http::guard::{Guard, Proof};
use swarmlet::control::http::head::{self, Head};
use swarmlet::control::rpc::Rpc;
use swarmlet::control::{Desk, base64};

/// Of a program that is gone: each order is refused at once.
static RPC: LazyLock<Rpc> = LazyLock::new(|| {
    let (desk, letters) = Desk::open();
    drop(letters);
    Rpc::new(desk, "id")
});

/// Nobody guesses them.
const LOGIN: (&str, &str) = ("user", "8b2c41d0a7");
const SESSION: &str = "f00dfeedc0ffee";

/// The first byte says whether the rest is a head or a body.
pub fn run(bytes: &[u8]) {
    let Some((&way, rest)) = bytes.split_first() else { return };
    match way % 3 {
        0 => check_head(rest),
        1 => check_rpc(rest),
        _ => {
            let text = String::from_utf8_lossy(rest);
            if let Some(decoded) = base64::decode(&text) {
                assert_eq!(base64::decode(&base64::encode(&decoded)), Some(decoded));
            }
        }
    }
}

fn check_head(bytes: &[u8]) {
    match head::read(bytes) {
        Ok(Some((head, length))) => {
            assert!(length <= bytes.len().min(head::MAX_HEAD));
            check_guard(&head);
            check_rpc(&bytes[length..]);
        }
        Ok(None) => assert!(bytes.len() <= head::MAX_HEAD),
        Err(status) => assert!((400..600).contains(&status)),
    }
}

fn check_guard(head: &Head) {
    let login = (LOGIN.0.to_owned(), LOGIN.1.to_owned());
    let guard = Guard::new(9091, &["box.local".to_owned()], Some(&login), SESSION);
    assert_ne!(guard.check_login(head), Proof::Right);
    assert!(!guard.knows_session(head));
    if let Err(status) = guard.check_page(head) {
        assert!([403, 421].contains(&status));
    } else {
        assert!(head.host.is_some(), "who names no host is let in nowhere");
    }
}

fn check_rpc(body: &[u8]) {
    if let Some(answer) = RPC.answer(body) {
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        assert!(answer.is_object() || answer.is_array());
    }
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "\0POST /transmission/rpc?x=1 HTTP/1.1\r\nHost: localhost:9091\r\nOrigin: http://localhost:9091\r\nAuthorization: Basic eDp5\r\nX-Transmission-Session-Id: abc\r\nContent-Length: 2\r\n\r\n{}",
        "\0GET / HTTP/1.1\r\nhost: box.local\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\x01{\"method\":\"torrent-get\",\"arguments\":{\"fields\":[\"id\",\"name\"],\"ids\":[1,\"recently-active\"]},\"tag\":1}",
        "\x01{\"method\":\"torrent-set\",\"arguments\":{\"ids\":1,\"downloadLimit\":5,\"files-wanted\":[0],\"trackerList\":\"udp://t:1\\n\\nudp://u:1\"}}",
        "\x01{\"method\":\"session-set\",\"arguments\":{\"speed-limit-down\":5,\"alt-speed-enabled\":true,\"seedRatioLimit\":2.5}}",
        "\x01{\"method\":\"torrent-add\",\"arguments\":{\"metainfo\":\"ZDQ6aW5mb2RlZQ==\",\"paused\":true,\"download-dir\":\"/x\"}}",
        "\x01[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"torrent_get\",\"params\":{\"fields\":[\"id\"]}},{\"jsonrpc\":\"2.0\",\"method\":\"session_get\"}]",
        "\x02ZDQ6aW5mb2RlZQ==",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
