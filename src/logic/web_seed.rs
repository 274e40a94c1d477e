//! A web seed (BEP 19): what its server is asked for, how much at once, and when again.
//!
//! ```text
//! run:  piece 3 | piece 4 | piece 5          spans from the swarm, that follow each other
//! asks: a.bin 98304-131071 | b.bin 0-65535   ranges of files; what is a pad is zeros, not asked
//! ```
//! [`asks_of`] cuts a run into ranges, [`url_of`] says where they are, [`judge`] what an answer's
//! head is worth, and [`Pace`] how much to ask for next and when. A source is given up when it will
//! never do: see [`Trouble::is_final`]. Nothing here does I/O.

use crate::clock::Moment;
use crate::ids::Span;
use crate::logic::reach::Reach;
use crate::metainfo::Metainfo;
use crate::protocol::url::Url;
use std::fmt::Write;
use std::time::Duration;

/// The most bytes of a run, unless a single piece is longer.
pub const LONGEST_RUN: u64 = 8 * 1024 * 1024;

/// A run that takes less is followed by one twice as long.
const QUICK: Duration = Duration::from_secs(2);

/// A run that takes longer is followed by one half as long.
const SLOW: Duration = Duration::from_secs(10);

/// The first pause after trouble; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause of our own choice.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// The longest pause that a server may ask for (Retry-After).
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Bytes of a run that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The entry in the torrent's list of files; `None` is zeros, of which nobody is asked.
    pub entry: Option<usize>,
    /// The first byte of the entry.
    pub first: u64,
    /// Bytes, at least one.
    pub length: u64,
}

impl Ask {
    /// The first and the last byte, as in a Range header.
    pub fn range(&self) -> (u64, u64) {
        (self.first, self.first + self.length.max(1) - 1)
    }
}

/// The ranges that a run of spans is, in order. The spans follow each other.
pub fn asks_of(metainfo: &Metainfo, run: &[Span]) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for part in run.iter().flat_map(|&span| metainfo.parts(span)) {
        let entry = Some(part.entry).filter(|&entry| metainfo.is_stored(entry));
        match asks.last_mut().filter(|last| last.entry == entry) {
            Some(last) if entry.is_none() || last.first + last.length == part.offset => {
                last.length += part.length;
            }
            _ => asks.push(Ask { entry, first: part.offset, length: part.length }),
        }
    }
    asks
}

/// Where a file of the torrent is, for a web seed's URL (BEP 19): a folder torrent's URL is the
/// folder that holds the torrent's; a single file's is the file itself, or a folder if it ends in a
/// slash.
pub fn url_of(base: &str, metainfo: &Metainfo, entry: usize) -> Option<String> {
    let path = &metainfo.files.get(entry)?.path;
    let mut url = base.to_owned();
    if metainfo.is_single_file() {
        if base.ends_with('/') {
            escape(&metainfo.name, &mut url);
        }
        return Some(url);
    }
    for (nth, component) in path.iter().enumerate() {
        if nth > 0 || !base.ends_with('/') {
            url.push('/');
        }
        escape(component, &mut url);
    }
    Some(url)
}

/// Escapes all but what never needs it (RFC 3986, 2.3).
fn escape(component: &str, url: &mut String) {
    for byte in component.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("a String takes all");
        }
    }
}

/// Whether a URL of `url-list` is one that we can fetch from; others are passed over (BEP 19).
pub fn is_usable(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https"))
}

/// Where a web seed's URL may lead: with a query not to our own machine or network, because that is
/// how services there are told what to do, and a .torrent may come from anybody. Files are served
/// there without one.
pub fn reach_of(url: &Url) -> Reach {
    if url.target.contains('?') { Reach::Outside } else { Reach::Anywhere }
}

/// What a server answers, before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The status: 200, 206, 404, ..
    pub status: u16,
    /// The first and the last byte that come (206).
    pub range: Option<(u64, u64)>,
    /// Bytes of the body, if told.
    pub length: Option<u64>,
    /// How long to stay away (Retry-After).
    pub retry_after: Option<Duration>,
}

/// Why a source did not give what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// 404, 410, and whatever else says that it is not to be had.
    #[error("the server answered {0}: it does not have the file, or not for us")]
    Gone(u16),
    /// A range was asked for and the file came from its start.
    #[error("the server does not serve ranges")]
    NoRanges,
    /// The file there is shorter than the torrent's.
    #[error("the server's file has another length")]
    OtherLength,
    /// Wrong bytes, as a piece's hash says.
    #[error("its bytes do not match their hash")]
    WrongBytes,
    /// The source cannot be used at all.
    #[error("{0}")]
    Unusable(String),
    /// 429 and 503.
    #[error("the server is busy ({status})")]
    Busy {
        /// The status.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Other statuses.
    #[error("the server answered {0}")]
    Status(u16),
    /// The connection failed, broke off, or took too long.
    #[error("{0}")]
    Broken(String),
}

impl Trouble {
    /// Whether the source is given up: asking again will not help.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Busy { .. } | Self::Status(_) | Self::Broken(_))
    }
}

/// Whether an answer's body is what was asked for, or begins with it: a server without ranges
/// (200) will do where the file's start is wanted.
pub fn judge(ask: &Ask, answer: &Answer) -> Result<(), Trouble> {
    let (first, last) = ask.range();
    match answer.status {
        206 => match answer.range {
            Some((from, to)) if from == first && to >= last => Ok(()),
            Some((from, _)) if from == first => Err(Trouble::OtherLength),
            _ => Err(Trouble::NoRanges),
        },
        200 if first > 0 => Err(Trouble::NoRanges),
        200 if answer.length.is_some_and(|length| length <= last) => Err(Trouble::OtherLength),
        200 => Ok(()),
        416 => Err(Trouble::OtherLength),
        status @ (429 | 503) => Err(Trouble::Busy { status, retry_after: answer.retry_after }),
        status @ (408 | 425) => Err(Trouble::Status(status)),
        status @ 400..=499 => Err(Trouble::Gone(status)),
        status => Err(Trouble::Status(status)),
    }
}

/// How much to ask of a source at once, and when to ask again.
#[derive(Debug, Clone)]
pub struct Pace {
    piece_length: u64,
    run: u64,
    failures: u32,
    not_before: Moment,
    rng: fastrand::Rng,
}

impl Pace {
    /// A source of which nothing is known: it is asked for one piece, at once.
    pub fn new(piece_length: u32, rng: fastrand::Rng) -> Self {
        let piece_length = u64::from(piece_length);
        Self { piece_length, run: piece_length, failures: 0, not_before: Moment::START, rng }
    }

    /// The most bytes to ask for now.
    pub fn next_run(&self) -> u64 {
        self.run
    }

    /// How long to wait before that; zero is now.
    pub fn next_pause(&self, now: Moment) -> Duration {
        self.not_before.since(now)
    }

    /// A run of `asked` bytes came whole within `took`.
    pub fn on_run(&mut self, took: Duration, asked: u64) {
        self.failures = 0;
        let longest = LONGEST_RUN.max(self.piece_length);
        if took < QUICK && asked * 2 > self.run {
            self.run = (self.run * 2).min(longest);
        } else if took > SLOW {
            self.run = (self.run / 2).max(self.piece_length);
        }
    }

    /// A run ended before its time; `got` bytes of it came. False when the source is given up.
    pub fn on_trouble(&mut self, now: Moment, trouble: &Trouble, got: u64) -> bool {
        if trouble.is_final() {
            return false;
        }
        self.run = self.piece_length;
        if got > 0 {
            self.failures = 0; // a slow source is a source
        }
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(10));
        self.failures += 1;
        // Those whom one outage hit do not all come back at once.
        let mut pause = pause.min(LONGEST_PAUSE).mul_f64(0.75 + self.rng.f64() / 2.0);
        if let &Trouble::Busy { retry_after: Some(wish), .. } = trouble {
            pause = pause.max(wish.min(LONGEST_RETRY_AFTER));
        }
        self.not_before = now + pause;
        true
    }
}

#[cfg(test)]
mod tests;
