//! `--json`: events as JSON lines on stdout.
//!
//! ```text
//! {"time":0.113,"event":"progress","info_hash_v2":"3fa2..","bytes":524288,"total":1048576,...}
//! ```
//! Every line is one object with `event` and `time` (seconds since the program's start), written
//! with one write and flushed, so that a reader never sees half of one. Info-hashes and roots are
//! lower-case hexadecimal or null.

use super::exit::CliError;
use crate::clock::Moment;
use crate::ids::{InfoHashV1, InfoHashV2, Sha256Hash, hex};
use crate::metainfo::Metainfo;
use serde::{Serialize, Serializer};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Which torrent: null is a hash that it does not have, or that is not known yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hashes {
    /// Its v1 info-hash.
    #[serde(serialize_with = "text_or_null")]
    pub info_hash_v1: Option<InfoHashV1>,
    /// Its v2 info-hash.
    #[serde(serialize_with = "text_or_null")]
    pub info_hash_v2: Option<InfoHashV2>,
}

impl From<&Metainfo> for Hashes {
    fn from(meta: &Metainfo) -> Self {
        Self { info_hash_v1: meta.info_hash_v1, info_hash_v2: meta.info_hash_v2 }
    }
}

/// Something that happened, for programs that watch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A torrent is taken up, or a tracker listens.
    Start {
        /// The torrent's name; null while only its hash is known, and for a tracker.
        name: Option<String>,
        /// Its info-hashes.
        #[serde(flatten)]
        hashes: Hashes,
        /// The port that the program listens on.
        port: u16,
    },
    /// What the torrent holds is known from here on.
    Metadata {
        /// Its name.
        name: String,
        /// Its info-hashes.
        #[serde(flatten)]
        hashes: Hashes,
        /// Bytes.
        total: u64,
        /// Bytes.
        piece_length: u32,
        /// How many pieces.
        pieces: u32,
        /// How many files.
        files: usize,
    },
    /// A connection came up or went away.
    Peer {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// The other end.
        address: SocketAddr,
        /// Whether it is up.
        connected: bool,
        /// The program at the other end, by its peer id (BEP 20); null when it goes.
        client: Option<String>,
    },
    /// A piece arrived and its hash is right.
    Piece {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// Which piece.
        piece: u32,
        /// Bytes.
        length: u32,
    },
    /// How far a torrent is; at least ten a second while data moves.
    Progress {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// Bytes whose hash is right.
        bytes: u64,
        /// Bytes of the whole.
        total: u64,
        /// Bytes per second received.
        down: u64,
        /// Bytes per second sent.
        up: u64,
        /// Connections.
        peers: usize,
        /// Bytes of content received in this run, those of no use included.
        fetched: u64,
        /// Bytes of content sent in this run.
        sent: u64,
        /// Bytes of pieces whose hash was wrong.
        corrupt: u64,
    },
    /// The disk failed in a way that may pass: nothing is asked for until it works again.
    Halted {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// What the disk said.
        message: String,
    },
    /// The disk works again: the torrent goes on.
    Recovered {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
    },
    /// A tracker lists us with the torrent from here on.
    Registered {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// The tracker.
        tracker: String,
    },
    /// A piece arrived and its hash is wrong.
    VerifyFailed {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// Which piece.
        piece: u32,
    },
    /// A peer lied and is talked to no more.
    Banned {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// Who.
        address: SocketAddr,
        /// What it did.
        reason: String,
    },
    /// A download is whole.
    Done {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// Its name.
        name: String,
        /// Where it lies.
        path: PathBuf,
        /// Bytes of the whole.
        bytes: u64,
        /// Bytes of content received in this run.
        fetched: u64,
        /// Seconds from the start of the download to its end.
        secs: f64,
        /// Bytes per second: `fetched` over `secs`.
        rate: u64,
        /// How many peers sent us pieces.
        sources: usize,
        /// The root of the content's Merkle tree; null when it has several files or none.
        #[serde(serialize_with = "hash_or_null")]
        root: Option<Sha256Hash>,
    },
    /// A torrent is whole and served.
    Seeding {
        /// The torrent.
        #[serde(flatten)]
        hashes: Hashes,
        /// Its name.
        name: String,
        /// Bytes of the whole.
        bytes: u64,
    },
    /// A .torrent was published at this tracker.
    Published {
        /// The name that it was published under.
        name: String,
        /// Its info-hash.
        #[serde(serialize_with = "as_text")]
        info_hash_v2: InfoHashV2,
    },
    /// Peers fell silent, and this tracker dropped them.
    Expired {
        /// How many since it was last said.
        count: u64,
    },
    /// This tracker refused registrations, announces or .torrents.
    Refused {
        /// How many since it was last said.
        count: u64,
    },
    /// Datagrams came to this tracker without a valid cookie.
    Unverified {
        /// How many since it was last said.
        count: u64,
    },
    /// Datagrams came to this tracker that were no message to it.
    Malformed {
        /// How many since it was last said.
        count: u64,
    },
    /// The program ends, and not well.
    Error {
        /// The sentence that is also on stderr.
        message: String,
        /// The exit code.
        exit: u8,
    },
}

impl From<&CliError> for Event {
    fn from(error: &CliError) -> Self {
        Self::Error { message: error.message.clone(), exit: error.exit.code() }
    }
}

fn as_text<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn text_or_null<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn hash_or_null<S: Serializer>(value: &Option<Sha256Hash>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(hash) => to.serialize_str(&hex(hash)),
        None => to.serialize_none(),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: f64,
    #[serde(flatten)]
    event: &'a Event,
}

/// Seconds for JSON: to the millisecond.
pub fn secs(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e3).round() / 1e3
}

/// Writes events; under a command line without `--json` it writes nothing.
pub struct Events {
    out: Option<Box<dyn Write + Send>>,
}

impl Events {
    /// Events on `out`.
    pub fn on(out: Box<dyn Write + Send>) -> Self {
        Self { out: Some(out) }
    }

    /// No events.
    pub fn off() -> Self {
        Self { out: None }
    }

    /// Whether anybody gets them; spares the making of events that are many.
    pub fn are_on(&self) -> bool {
        self.out.is_some()
    }

    /// Writes one line.
    pub fn emit(&mut self, now: Moment, event: &Event) -> io::Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let line = Line { time: secs(now.elapsed()), event };
        // A path that is not UTF-8 is the only thing that serde_json cannot write.
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        out.write_all(&line)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use parking_lot::Mutex;
    use std::sync::Arc;

    /// Remembers every write on its own.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<String>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().push(String::from_utf8_lossy(bytes).into());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.0.lock().push("flush".into());
            Ok(())
        }
    }

    fn check(event: &Event, expected: &str) {
        let writes = Writes::default();
        let now = Moment::after(Duration::from_micros(1_234_567));
        Events::on(Box::new(writes.clone())).emit(now, event).expect("a buffer takes all");
        let line = format!("{{\"time\":1.235,{expected}}}\n");
        assert_eq!(*writes.0.lock(), [line, "flush".to_string()]);
    }

    const BOTH: Hashes =
        Hashes { info_hash_v1: Some(InfoHashV1([1; 20])), info_hash_v2: Some(InfoHashV2([2; 32])) };

    fn both() -> String {
        format!(r#""info_hash_v1":"{}","info_hash_v2":"{}""#, "01".repeat(20), "02".repeat(32))
    }

    #[test]
    fn a_start_names_the_torrent_and_the_port() {
        check(
            &Event::Start { name: Some("x".into()), hashes: BOTH, port: 1 },
            &format!(r#""event":"start","name":"x",{},"port":1"#, both()),
        );
        check(
            &Event::Start { name: None, hashes: Hashes::default(), port: 6969 },
            r#""event":"start","name":null,"info_hash_v1":null,"info_hash_v2":null,"port":6969"#,
        );
    }

    #[test]
    fn progress_carries_verified_bytes_and_rates() {
        let event = Event::Progress {
            hashes: BOTH,
            bytes: 5,
            total: 9,
            down: 3,
            up: 0,
            peers: 2,
            fetched: 6,
            sent: 7,
            corrupt: 1,
        };
        let rest =
            r#""bytes":5,"total":9,"down":3,"up":0,"peers":2,"fetched":6,"sent":7,"corrupt":1"#;
        check(&event, &format!(r#""event":"progress",{},{rest}"#, both()));
    }

    #[test]
    fn done_and_seeding_say_what_is_whole() {
        let event = Event::Done {
            hashes: Hashes::default(),
            name: "x".into(),
            path: "downloads/x".into(),
            bytes: 10,
            fetched: 4,
            secs: 0.5,
            rate: 8,
            sources: 3,
            root: Some([3; 32]),
        };
        let root = "03".repeat(32);
        check(
            &event,
            &format!(
                r#""event":"done","info_hash_v1":null,"info_hash_v2":null,"name":"x","path":"downloads/x","bytes":10,"fetched":4,"secs":0.5,"rate":8,"sources":3,"root":"{root}""#
            ),
        );
        check(
            &Event::Seeding { hashes: BOTH, name: "x".into(), bytes: 10 },
            &format!(r#""event":"seeding",{},"name":"x","bytes":10"#, both()),
        );
    }

    #[test]
    fn a_bad_piece_and_its_sender_are_told() {
        let liar = SocketAddr::from(([127, 0, 0, 2], 6881));
        check(
            &Event::VerifyFailed { hashes: BOTH, piece: 7 },
            &format!(r#""event":"verify_failed",{},"piece":7"#, both()),
        );
        check(
            &Event::Banned { hashes: BOTH, address: liar, reason: "bad data".into() },
            &format!(
                r#""event":"banned",{},"address":"127.0.0.2:6881","reason":"bad data""#,
                both()
            ),
        );
    }

    #[test]
    fn an_error_carries_its_sentence_and_its_code() {
        let error = CliError::new(Exit::NoAnswer, "no tracker answered\n\"x\"");
        check(
            &Event::from(&error),
            r#""event":"error","message":"no tracker answered\n\"x\"","exit":3"#,
        );
    }

    #[test]
    fn without_the_flag_nothing_is_written() {
        let mut events = Events::off();
        assert!(!events.are_on());
        let error = Event::from(&CliError::usage("x"));
        events.emit(Moment::START, &error).expect("nothing is written");
    }
}
