//! What can be passed or failed: [`CHECKS`], and how one came out: [`Verdict`].

/// Something that a submission must do.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name in a rubric.
    pub id: &'static str,
    /// What is asked, in a sentence without its subject.
    pub asks: &'static str,
    /// The heading of PROTOCOL.md that says so.
    pub place: &'static str,
}

/// What spoke against a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What came instead: a message with its frame and its byte, or what did not come.
    pub got: String,
    /// What was expected.
    pub expected: String,
}

impl Fault {
    /// Something that came, and what was expected instead.
    pub fn new(got: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { got: got.into(), expected: expected.into() }
    }
}

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which check.
    pub id: &'static str,
    /// What spoke against it; nothing if it passed.
    pub fault: Option<Fault>,
}

impl Verdict {
    /// The verdict on the check that is called so.
    pub fn new(id: &'static str, went: Result<(), Fault>) -> Self {
        debug_assert!(CHECKS.iter().any(|check| check.id == id), "{id} is a check");
        Self { id, fault: went.err() }
    }

    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.fault.is_none()
    }
}

const fn check(id: &'static str, asks: &'static str, place: &'static str) -> Check {
    Check { id, asks, place }
}

/// All checks, in the order in which they are printed.
pub const CHECKS: [Check; 30] = [
    check("tracker.register", "registers by UDP, with a cookie", "REGISTER"),
    check("tracker.heartbeat", "says KEEPALIVE as often as the ACK asks", "KEEPALIVE"),
    check("tracker.completed", "says BECOME_SEEDER once it has everything", "BECOME_SEEDER"),
    check("tracker.leave", "says UNREGISTER and ends at SIGTERM", "UNREGISTER"),
    check("leech.handshake", "opens with the magic and a HELLO", "HELLO"),
    check(
        "leech.metainfo-verified",
        "refuses a .torrent that does not hash to its info-hash",
        "A leecher finds a name",
    ),
    check(
        "leech.metainfo-from-peers",
        "asks peers for the metainfo that the tracker lacks",
        "GET_METAINFO",
    ),
    check("leech.one-to-one", "fetches a file from one seeder", "A download, from HELLO to done"),
    check(
        "leech.frames-split-at-every-byte",
        "understands frames that arrive byte by byte",
        "Framing",
    ),
    check("leech.many-to-one", "fetches from several seeders at once", "GET"),
    check("leech.pipelining", "has several requests on their way at once", "GET"),
    check("leech.no-duplicates", "asks nobody for what another was asked for", "GET"),
    check("leech.have-announced", "says HAVE of each piece to those who lack it", "HAVE"),
    check(
        "leech.corrupt-piece",
        "fetches a piece that came wrong from somebody else",
        "A failed piece and the ban",
    ),
    check("leech.lost-peer", "goes on when a seeder dies in the middle of a frame", "GET"),
    check("leech.choked-waits", "asks for nothing while it is choked, and goes on after", "CHOKE"),
    check("seed.publishes", "publishes the .torrent that the tracker lacks", "PUBLISH"),
    check("seed.metainfo", "gives its metainfo to a choked peer", "METAINFO"),
    check("seed.serves", "serves every piece to who is unchoked", "CHUNK_DATA"),
    check("seed.choke", "answers a GET of a choked peer by REJECT", "REJECT"),
    check(
        "seed.handshake-unknown-content",
        "answers a HELLO for another content by ERROR 404",
        "ERROR",
    ),
    check("seed.handshake-version", "answers a HELLO of another version by ERROR 426", "ERROR"),
    check(
        "seed.reseeds-while-leeching",
        "serves the pieces that it has while it fetches others",
        "Between two peers",
    ),
    check("rude.oversized-frame", "closes on a frame that is too long, and serves on", "Limits"),
    check("rude.garbage", "closes on bytes that are no magic, and serves on", "The opening"),
    check("rude.silent", "serves others while a caller says nothing", "Silence and slowness"),
    check("rude.truncated-frame", "serves on when a stream ends inside a frame", "Framing"),
    check("rude.deep-messagepack", "closes on a header nested too deep, and serves on", "Limits"),
    check("rude.out-of-range-piece", "closes on a GET beyond the last piece, and serves on", "GET"),
    check("output.identical", "never leaves a whole file with a wrong byte", "METAINFO"),
];

/// The check that is called so.
pub fn named(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const PAGE: &str = include_str!("../../../PROTOCOL.md");
    const TABLE: &str = include_str!("../../../docs/grading.md");

    #[test]
    fn every_check_names_a_heading_of_the_page_and_stands_in_the_table() {
        for check in &CHECKS {
            let heading = |level: &str| PAGE.contains(&format!("\n{level} {}\n", check.place));
            assert!(heading("##") || heading("###"), "{}: {}", check.id, check.place);
        }
        for check in &CHECKS {
            let row = format!("\n| `{}` | {} |\n", check.id, check.asks);
            assert!(TABLE.contains(&row), "{row}");
        }
        let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        assert_eq!(named("rude.silent").map(|check| check.place), Some("Silence and slowness"));
        assert_eq!(named("rude"), None);
    }
}
