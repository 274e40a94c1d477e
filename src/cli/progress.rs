//! Progress for people: [`TorrentLine`] in, lines out.
//!
//! On a terminal one line per torrent, drawn anew in place; in a pipe plain lines every 5 s, in
//! Transmission's wording. Rendering is pure; [`Progress`] decides when, and hands the lines to
//! the [`Screen`].

use super::screen::Screen;
use super::style::{Terminal, columns, cut, printable};
use super::units;
use crate::clock::Moment;
use crate::ids::{Sha256Hash, hex};
use std::io;
use std::time::Duration;

/// How often a pipe gets its lines: nothing is silent for longer.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// How often a terminal is drawn: smooth to look at, and cheap.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);

/// The most lines a pipe gets at once; the torrents beyond them are counted in one more.
const MAX_PLAIN_LINES: usize = 10;

/// One torrent at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct TorrentLine {
    /// Its name, as it came.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// Bytes whose hash is right.
    pub done: u64,
    /// Bytes of the whole; zero while that is not known.
    pub total: u64,
    /// Bytes per second received.
    pub down: u64,
    /// Bytes per second sent.
    pub up: u64,
    /// Connections.
    pub peers: usize,
    /// Connections that send us data.
    pub senders: usize,
    /// Connections that we send data to.
    pub receivers: usize,
    /// Bytes sent per byte of content.
    pub ratio: f64,
    /// When it will be whole, if that can be told.
    pub eta: Option<Duration>,
}

/// What a torrent is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Checking data that was there before.
    Verifying {
        /// Bytes checked.
        done: u64,
        /// Bytes to check.
        total: u64,
    },
    /// Asking for it: whom, and with what result so far.
    Looking {
        /// `asking 127.0.0.1:6969`, `127.0.0.1:6969 does not know it yet`.
        what: String,
        /// Since when.
        waited: Duration,
    },
    /// Nobody sends.
    Waiting {
        /// `no peer has the missing pieces`.
        what: String,
        /// Since when.
        waited: Duration,
    },
    /// Data moves.
    Downloading,
    /// It is whole and served.
    Seeding,
    /// It cannot go on by itself.
    Halted {
        /// `cannot write downloads/x (no space left on device)`.
        why: String,
    },
}

impl TorrentLine {
    /// A torrent of which only the name is known.
    pub fn new(name: impl Into<String>, state: State) -> Self {
        Self {
            name: name.into(),
            state,
            done: 0,
            total: 0,
            down: 0,
            up: 0,
            peers: 0,
            senders: 0,
            receivers: 0,
            ratio: 0.0,
            eta: None,
        }
    }

    /// Per mille, rounded down: 100 % is said only of what is whole.
    fn per_mille(&self) -> u64 {
        match self.state {
            State::Verifying { done, total } => per_mille(done, total),
            _ => per_mille(self.done, self.total),
        }
    }
}

fn per_mille(done: u64, total: u64) -> u64 {
    match total {
        0 => 0,
        _ => (u128::from(done.min(total)) * 1000 / u128::from(total)) as u64,
    }
}

fn percent(per_mille: u64) -> String {
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

fn peers(count: usize) -> String {
    if count == 1 { "1 peer".into() } else { format!("{count} peers") }
}

/// One torrent in a pipe, in Transmission's wording.
pub fn plain_line(line: &TorrentLine) -> String {
    let percent = percent(line.per_mille());
    match &line.state {
        State::Verifying { .. } => format!("Verifying local files ({percent})"),
        State::Looking { what, waited } => {
            format!("Looking for {}: {what} ({})", printable(&line.name), units::eta(*waited))
        }
        State::Waiting { what, waited } => {
            format!("Progress: {percent}, waiting: {what} ({})", units::eta(*waited))
        }
        State::Downloading => format!(
            "Progress: {percent}, dl from {} of {} ({}), ul to {} ({}) [{:.2}]",
            line.senders,
            peers(line.peers),
            units::rate(line.down),
            line.receivers,
            units::rate(line.up),
            line.ratio,
        ),
        State::Seeding => format!(
            "Seeding, uploading to {} of {} peer(s), {} [{:.2}]",
            line.receivers,
            line.peers,
            units::rate(line.up),
            line.ratio,
        ),
        State::Halted { why } => format!("Stopped at {percent}: {why}"),
    }
}

/// All torrents in a pipe. Names stand only where there are several; those that seed share a line.
pub fn plain_lines(lines: &[TorrentLine]) -> Vec<String> {
    if let [line] = lines {
        return vec![plain_line(line)];
    }
    let (seeding, busy): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line.state == State::Seeding);
    let named = |line: &&TorrentLine| match line.state {
        State::Looking { .. } => plain_line(line),
        _ => format!("{}: {}", printable(&line.name), plain_line(line)),
    };
    let mut text: Vec<String> = busy.iter().take(MAX_PLAIN_LINES).map(named).collect();
    if busy.len() > MAX_PLAIN_LINES {
        text.push(format!("and {} more", busy.len() - MAX_PLAIN_LINES));
    }
    match seeding.as_slice() {
        [] => {}
        [line] => text.push(named(line)),
        several => text.push(format!(
            "Seeding {} torrents, uploading to {} of {} peer(s), {}",
            several.len(),
            several.iter().map(|line| line.receivers).sum::<usize>(),
            several.iter().map(|line| line.peers).sum::<usize>(),
            units::rate(several.iter().map(|line| line.up).sum()),
        )),
    }
    text
}

/// The longest bar, in columns.
const MAX_BAR: usize = 30;

/// A bar shorter than this says less than the percentage beside it.
const MIN_BAR: usize = 5;

/// The most columns a name takes while there is something beside it.
const MAX_NAME: usize = 30;

/// The fewest columns that a name gives way to before the bar does.
const MIN_NAME: usize = 12;

/// One torrent on a terminal of `width` columns.
pub fn terminal_line(line: &TorrentLine, width: usize) -> String {
    let full_name = printable(&line.name);
    let name = cut(&full_name, MAX_NAME.min(width / 3));
    // The last column stays free: some terminals wrap when it is written.
    let width = width.saturating_sub(1);
    let percent = percent(line.per_mille());
    let with_bar = |right: String| {
        let room = width.saturating_sub(columns(&right) + columns("  100.0%") + BAR_ENDS + MIN_BAR);
        let name = cut(&full_name, room.clamp(MIN_NAME, MAX_NAME));
        with_bar(&format!("{name}  {percent:>6}"), &right, line.per_mille(), width)
    };
    let text = match &line.state {
        State::Verifying { done, total } => {
            with_bar(format!("{} verifying", units::bytes_of(*done, *total)))
        }
        State::Looking { what, waited } => format!("{name}  {what} ({})", units::eta(*waited)),
        State::Waiting { what, waited } => {
            format!("{name}  {percent:>6}  {what} ({})", units::eta(*waited))
        }
        State::Downloading => with_bar(format!(
            "{}  ↓ {} ↑ {}  {}  ETA {}",
            units::bytes_of(line.done, line.total),
            units::rate(line.down),
            units::rate(line.up),
            peers(line.peers),
            line.eta.map_or("-".to_string(), units::short_eta),
        )),
        State::Seeding => format!(
            "{name}  seeding {}  ↑ {}  {}  ratio {:.2}",
            units::bytes(line.total),
            units::rate(line.up),
            peers(line.peers),
            line.ratio,
        ),
        State::Halted { why } => format!("{name}  {percent:>6}  stopped: {why}"),
    };
    cut(&text, width)
}

/// The columns around a bar: its ends and a space on either side.
const BAR_ENDS: usize = 4;

/// A bar in the columns that are left between two texts, if they are enough for one.
fn with_bar(left: &str, right: &str, per_mille: u64, width: usize) -> String {
    let room = width.saturating_sub(columns(left) + columns(right) + BAR_ENDS);
    if room < MIN_BAR {
        return format!("{left}  {right}");
    }
    format!("{left} {} {right}", bar(per_mille, room.min(MAX_BAR)))
}

/// A bar of `cells` columns between its ends, drawn to an eighth of a column.
fn bar(per_mille: u64, cells: usize) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = per_mille as usize * cells * 8 / 1000;
    let mut text = String::from("▕");
    text.extend(std::iter::repeat_n('█', eighths / 8));
    if eighths / 8 < cells {
        text.push(PARTS[eighths % 8]);
        text.extend(std::iter::repeat_n(' ', cells - eighths / 8 - 1));
    }
    text + "▏"
}

/// All torrents on a terminal: those that are busy first, as many as it has lines for.
pub fn terminal_lines(lines: &[TorrentLine], terminal: Terminal) -> Vec<String> {
    let (seeding, busy): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line.state == State::Seeding);
    // One line for the cursor, and one for the command that was typed.
    let room = terminal.height.saturating_sub(2).max(1);
    let shown = if lines.len() <= room { lines.len() } else { room - 1 };
    let mut text: Vec<String> = busy
        .into_iter()
        .chain(seeding)
        .take(shown)
        .map(|line| terminal_line(line, terminal.width))
        .collect();
    if shown < lines.len() {
        text.push(cut(&format!("and {} more", lines.len() - shown), terminal.width));
    }
    text
}

/// A download that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Bytes of the whole.
    pub bytes: u64,
    /// Bytes of content received in this run.
    pub fetched: u64,
    /// From the start of the download to its end.
    pub took: Duration,
    /// How many peers sent us pieces.
    pub sources: usize,
    /// The root of the content's Merkle tree, when it has one.
    pub root: Option<Sha256Hash>,
}

impl Finished {
    /// Bytes per second over the whole run.
    pub fn rate(&self) -> u64 {
        (self.fetched as f64 / self.took.as_secs_f64().max(1e-3)) as u64
    }
}

/// The last line of a download.
pub fn done_line(finished: &Finished) -> String {
    let bytes = units::bytes(finished.bytes);
    let root = finished.root.map_or(String::new(), |root| format!(", SHA-256 root {}", hex(&root)));
    if finished.fetched == 0 {
        return format!("done: {bytes}, nothing was missing{root}");
    }
    let sources = match finished.sources {
        1 => "1 source".to_string(),
        several => format!("{several} sources"),
    };
    format!(
        "done: {bytes} in {} ({}), {sources}{root}",
        units::took(finished.took),
        units::rate(finished.rate()),
    )
}

/// Where progress goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To a terminal that can draw in place.
    Terminal(Terminal),
    /// To a pipe, a file or a terminal that cannot.
    Plain,
    /// Nowhere: `-q`.
    Silent,
}

/// Shows progress, not more often than is good.
pub struct Progress {
    mode: Mode,
    screen: Screen,
    next: Moment,
}

impl Progress {
    /// Progress on `screen`.
    pub fn new(mode: Mode, screen: Screen) -> Self {
        Self { mode, screen, next: Moment::START }
    }

    /// Whether [`Progress::show`] would show anything now; spares the making of the lines.
    pub fn is_due(&self, now: Moment) -> bool {
        self.mode != Mode::Silent && now >= self.next
    }

    /// Shows these torrents, if it is time to.
    pub fn show(&mut self, now: Moment, lines: &[TorrentLine]) -> io::Result<()> {
        if !self.is_due(now) {
            return Ok(());
        }
        match self.mode {
            Mode::Terminal(terminal) => {
                self.next = now + DRAW_INTERVAL;
                self.screen.draw(terminal_lines(lines, terminal))
            }
            Mode::Plain => {
                self.next = now + PLAIN_INTERVAL;
                plain_lines(lines).iter().try_for_each(|line| self.screen.line(line))
            }
            Mode::Silent => Ok(()),
        }
    }

    /// Says something for good, such as a [`done_line`]; `-q` silences it too.
    pub fn say(&self, text: &str) -> io::Result<()> {
        if self.mode == Mode::Silent { Ok(()) } else { self.screen.line(text) }
    }

    /// Leaves the last lines on the terminal as they are.
    pub fn finish(&self) {
        self.screen.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downloading() -> TorrentLine {
        TorrentLine {
            done: 61_500_000,
            total: 500_000_000,
            down: 3_400_000,
            peers: 3,
            senders: 2,
            eta: Some(Duration::from_secs(129)),
            ..TorrentLine::new("big.zip", State::Downloading)
        }
    }

    fn seeding(name: &str) -> TorrentLine {
        TorrentLine {
            done: 500_000_000,
            total: 500_000_000,
            up: 1_200_000,
            peers: 3,
            receivers: 2,
            ratio: 0.5,
            ..TorrentLine::new(name, State::Seeding)
        }
    }

    fn waited(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_pipe_gets_transmissions_wording() {
        let check = |line: &TorrentLine, expected: &str| assert_eq!(plain_line(line), expected);
        check(
            &downloading(),
            "Progress: 12.3%, dl from 2 of 3 peers (3.4 MB/s), ul to 0 (0 kB/s) [0.00]",
        );
        check(&seeding("x"), "Seeding, uploading to 2 of 3 peer(s), 1.2 MB/s [0.50]");
        let verifying = State::Verifying { done: 1, total: 8 };
        check(&TorrentLine::new("x", verifying), "Verifying local files (12.5%)");
    }

    #[test]
    fn whoever_waits_is_told_for_what_and_since_when() {
        let check = |state: State, expected: &str| {
            assert_eq!(plain_line(&TorrentLine { state, ..downloading() }), expected);
        };
        check(
            State::Looking { what: "asking 127.0.0.1:6969".into(), waited: waited(12) },
            "Looking for big.zip: asking 127.0.0.1:6969 (12 s)",
        );
        check(
            State::Waiting { what: "no peer has the missing pieces".into(), waited: waited(75) },
            "Progress: 12.3%, waiting: no peer has the missing pieces (1 min 15 s)",
        );
        check(
            State::Halted { why: "cannot write x (no space left on device)".into() },
            "Stopped at 12.3%: cannot write x (no space left on device)",
        );
    }

    #[test]
    fn what_is_not_whole_is_not_at_a_hundred_percent() {
        let check = |done, total, expected: &str| {
            let line = TorrentLine { done, total, ..downloading() };
            assert_eq!(percent(line.per_mille()), expected);
        };
        check(499_999_999, 500_000_000, "99.9%");
        check(500_000_000, 500_000_000, "100.0%");
        check(0, 0, "0.0%");
        check(u64::MAX - 1, u64::MAX, "99.9%");
    }

    #[test]
    fn several_torrents_in_a_pipe_are_named_and_those_that_seed_share_a_line() {
        assert_eq!(
            plain_lines(&[downloading(), seeding("a"), seeding("b")]),
            [
                "big.zip: Progress: 12.3%, dl from 2 of 3 peers (3.4 MB/s), ul to 0 (0 kB/s) [0.00]",
                "Seeding 2 torrents, uploading to 4 of 6 peer(s), 2.4 MB/s",
            ]
        );
        let many = plain_lines(&vec![downloading(); 1000]);
        assert_eq!(many.len(), 11);
        assert_eq!(many[10], "and 990 more");
    }

    #[test]
    fn a_terminal_line_has_name_percent_bar_sizes_rates_peers_and_eta() {
        assert_eq!(
            terminal_line(&downloading(), 100),
            "big.zip   12.3% ▕███▌                         ▏ 61.5/500 MB  ↓ 3.4 MB/s ↑ 0 kB/s  3 peers  ETA 2:09"
        );
        assert_eq!(
            terminal_line(&seeding("big.zip"), 100),
            "big.zip  seeding 500 MB  ↑ 1.2 MB/s  3 peers  ratio 0.50"
        );
    }

    #[test]
    fn a_terminal_line_always_fits_its_terminal() {
        let long = TorrentLine { name: "漢字 and more of it, ".repeat(9), ..downloading() };
        let verifying =
            TorrentLine { state: State::Verifying { done: 1, total: 3 }, ..downloading() };
        for width in 0..200 {
            for line in [&long, &downloading(), &seeding("x"), &verifying] {
                let text = terminal_line(line, width);
                assert!(columns(&text) <= width.saturating_sub(1), "{width} {text}");
            }
        }
    }

    #[test]
    fn a_narrow_terminal_shortens_the_name_and_then_drops_the_bar() {
        let long = TorrentLine { name: "a-rather-long-name.zip".into(), ..downloading() };
        assert_eq!(
            terminal_line(&long, 80),
            "a-rather-lo~   12.3%  61.5/500 MB  ↓ 3.4 MB/s ↑ 0 kB/s  3 peers  ETA 2:09"
        );
        assert_eq!(
            terminal_line(&long, 82),
            "a-rather-lon~   12.3% ▕▌    ▏ 61.5/500 MB  ↓ 3.4 MB/s ↑ 0 kB/s  3 peers  ETA 2:09"
        );
    }

    #[test]
    fn a_bar_fills_by_eighths() {
        assert_eq!(bar(0, 4), "▕    ▏");
        assert_eq!(bar(500, 4), "▕██  ▏");
        assert_eq!(bar(1000, 4), "▕████▏");
        assert_eq!(bar(124, 1), "▕ ▏");
        assert_eq!(bar(125, 1), "▕▏▏");
        assert_eq!(bar(999, 1), "▕▉▏");
    }

    #[test]
    fn names_with_control_bytes_are_escaped() {
        let evil = TorrentLine { name: "a\x1b[2Jb".into(), ..downloading() };
        assert!(terminal_line(&evil, 100).starts_with("a\\u{1b}[2Jb  "));
        assert!(plain_lines(&[evil, downloading()])[0].starts_with("a\\u{1b}[2Jb: "));
    }

    #[test]
    fn more_torrents_than_lines_are_counted_and_the_busy_ones_come_first() {
        let terminal = Terminal { width: 100, height: 5, moves: true };
        let lines =
            terminal_lines(&[seeding("a"), seeding("b"), seeding("c"), downloading()], terminal);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("big.zip"));
        assert_eq!(lines[2], "and 2 more");
        let tiny = Terminal { width: 10, height: 0, moves: true };
        assert_eq!(terminal_lines(&[seeding("a"), seeding("b")], tiny), ["and 2 more"]);
    }

    #[test]
    fn the_last_line_sums_the_download_up() {
        let finished = Finished {
            bytes: 500_000_000,
            fetched: 500_000_000,
            took: Duration::from_millis(16_200),
            sources: 3,
            root: Some([0x3f; 32]),
        };
        let root = "3f".repeat(32);
        assert_eq!(
            done_line(&finished),
            format!("done: 500 MB in 16.2 s (30.9 MB/s), 3 sources, SHA-256 root {root}")
        );
        let one = Finished { sources: 1, root: None, ..finished.clone() };
        assert_eq!(done_line(&one), "done: 500 MB in 16.2 s (30.9 MB/s), 1 source");
        let none = Finished { fetched: 0, root: None, ..finished };
        assert_eq!(done_line(&none), "done: 500 MB, nothing was missing");
    }

    #[test]
    fn a_pipe_gets_lines_every_five_seconds_and_a_quiet_program_none() {
        let shown = |mode: Mode, millis: &[u64]| -> Vec<bool> {
            let mut progress = Progress::new(mode, Screen::silent());
            let moments = millis.iter().map(|&ms| Moment::after(Duration::from_millis(ms)));
            moments
                .map(|now| {
                    let due = progress.is_due(now);
                    progress.show(now, &[downloading()]).expect("a sink takes all");
                    due
                })
                .collect()
        };
        assert_eq!(
            shown(Mode::Plain, &[0, 100, 4_999, 5_000, 6_000]),
            [true, false, false, true, false]
        );
        assert_eq!(shown(Mode::Silent, &[0, 9_000]), [false, false]);
        let terminal = Terminal { width: 80, height: 24, moves: true };
        assert_eq!(shown(Mode::Terminal(terminal), &[0, 100, 200]), [true, false, true]);
    }
}
