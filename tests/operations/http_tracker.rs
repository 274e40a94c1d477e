//! Any bytes as the head of a request to the tracker, as a query in it, and as a URL.
//!
//! A head is not longer than what was sent, and a query that was understood says the same when it
//! is asked again.

use swarmlet::protocol::announce::Announce;
use swarmlet::protocol::tracker_http::query::parameter;
use swarmlet::protocol::tracker_http::{
    AnnounceQuery, read_scrape_query, scrape_query, scrape_url,
};
use swarmlet::protocol::url::Url;
use swarmlet::tracker::http;

/// Reads the bytes in all these ways.
pub fn run(bytes: &[u8]) {
    match http::read(bytes) {
        Ok(Some((request, length))) => {
            assert!(length <= bytes.len() && length <= http::MAX_HEAD);
            assert!(request.target.starts_with('/'), "{}", request.target);
            // Lines without anything may stand before a later request, and open no stream.
            let is_first = !bytes.starts_with(b"\r") && !bytes.starts_with(b"\n");
            assert_eq!(http::opens(bytes) == Some(true), is_first);
        }
        Ok(None) => assert!(bytes.len() <= http::MAX_HEAD),
        Err(status) => assert!((400..600).contains(&status)),
    }
    if let Ok(query) = AnnounceQuery::read(bytes) {
        let again = AnnounceQuery::read(query.query().as_bytes());
        // Who cannot say what it lacks says the most that other trackers can read.
        let unknown = query.announce.left == Announce::UNKNOWN_LEFT;
        let left = if unknown { i64::MAX as u64 } else { query.announce.left };
        let wanted = AnnounceQuery { announce: Announce { left, ..query.announce }, ..query };
        assert_eq!(again, Ok(wanted));
    }
    if let Ok(hashes) = read_scrape_query(bytes) {
        let asked = scrape_query(&hashes);
        assert_eq!(read_scrape_query(asked.as_bytes()).as_ref(), Ok(&hashes));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = (parameter(text, "left"), scrape_url(text));
    if let Ok(url) = Url::parse(text) {
        assert_eq!(Url::parse(&url.to_string()).as_ref(), Ok(&url));
        let _ = url.join(text).map(|next| next.origin());
    }
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let hash = "%aa".repeat(20);
    let query = format!(
        "info_hash={hash}&peer_id=-SW0100-abcdefghijkl&port=6881&left=5&compact=1&event=started"
    );
    vec![
        query.clone().into_bytes(),
        format!("info_hash={hash}&info_hash={}", "a".repeat(20)).into_bytes(),
        format!("GET /announce?{query} HTTP/1.1\r\nHost: t:1\r\nConnection: close\r\n\r\n")
            .into_bytes(),
        b"http://[2001:db8::1]:80/announce?key=%2f#x".to_vec(),
        b"udp://tracker.example:6969".to_vec(),
    ]
}
