//! Answers of the console for people: values in, lines out. Strangers' words cannot steer the
//! terminal.

use super::super::style::printable;
use super::super::units;
use super::line::priority_in_words;
use crate::bitfield::Bitfield;
use crate::control::order::CatalogueEntry;
use crate::control::view::{PeerView, State, TorrentView, Trouble};
use crate::tracker::pages::strip;
use std::fmt::Write as _;

/// What the trackers list.
pub fn catalogue(all: &[CatalogueEntry]) -> String {
    if all.is_empty() {
        return "nothing is shared there\n".into();
    }
    let line = |entry: &CatalogueEntry| {
        format!(
            "{:>10}  {:>3} seeding {:>3} fetching  {}  {}\n",
            units::bytes(entry.size),
            entry.seeders,
            entry.leechers,
            entry.info_hash.get(..8).unwrap_or_default(),
            printable(&entry.name)
        )
    };
    all.iter().map(line).collect()
}

/// The torrents.
pub fn status(torrents: &[TorrentView]) -> String {
    if torrents.is_empty() {
        return "no torrents: SEEDING PATH or DOWNLOAD WHAT\n".into();
    }
    let mut text =
        String::from(" ID     %       DOWN         UP  PEERS  RATIO  STATE        NAME\n");
    for torrent in torrents {
        // A String takes all.
        let _ = writeln!(
            text,
            "{:>3}  {:>4}  {:>9}  {:>9}  {:>5}  {:>5.2}  {:<11}  {}",
            torrent.id,
            percent(torrent),
            units::rate(torrent.down),
            units::rate(torrent.up),
            torrent.crowd.connected,
            torrent.uploaded as f64 / torrent.total.max(1) as f64,
            state(torrent),
            printable(&torrent.name)
        );
        if torrent.trouble.is_some() {
            let _ = writeln!(text, "     {}", trouble(torrent));
        }
    }
    text
}

fn percent(torrent: &TorrentView) -> String {
    match torrent.wanted {
        0 => "-".into(),
        wanted => format!("{}%", (wanted - torrent.left.min(wanted)) * 100 / wanted),
    }
}

fn state(torrent: &TorrentView) -> &'static str {
    match torrent.state {
        State::Stopped if has_failed(torrent) => "failed",
        State::Stopped if torrent.is_finished => "finished",
        State::Stopped => "paused",
        State::WaitsToCheck => "opening",
        State::Checking { .. } => "checking",
        State::Looking => "looking",
        State::Downloading => "downloading",
        State::Seeding => "seeding",
    }
}

/// Whether it cannot go on.
pub fn has_failed(torrent: &TorrentView) -> bool {
    matches!(torrent.trouble, Some(Trouble::Local(_)))
}

/// Whether its data is looked at.
pub fn is_checking(torrent: &TorrentView) -> bool {
    matches!(torrent.state, State::WaitsToCheck | State::Checking { .. })
}

/// What is wrong, in words.
pub fn trouble(torrent: &TorrentView) -> String {
    match &torrent.trouble {
        Some(Trouble::Local(why) | Trouble::TrackerError(why)) => printable(why),
        Some(Trouble::TrackerWarning(text)) => format!("the tracker warns: {}", printable(text)),
        None => String::new(),
    }
}

fn heading(torrent: &TorrentView) -> String {
    format!("{}  {}\n", torrent.id, printable(&torrent.name))
}

/// A torrent's files.
pub fn files(torrent: &TorrentView) -> String {
    let mut text = heading(torrent);
    for (n, file) in torrent.files.iter().enumerate() {
        let done = (file.done * 100).checked_div(file.length).unwrap_or(100);
        let _ = writeln!(
            text,
            "{n:>5}  {done:>3}%  {:>10}  {:<6}  {}",
            units::bytes(file.length),
            priority_in_words(file.wanted, file.priority),
            printable(&file.name)
        );
    }
    text
}

/// A torrent's peers.
pub fn peers(torrent: &TorrentView) -> String {
    let mut text = heading(torrent);
    for peer in &torrent.peers {
        let _ = writeln!(
            text,
            "  {:<21}  {:>3.0}%  down {:>9}  up {:>9}  {:<10}  {}  {}",
            peer.address.to_string(),
            peer.progress * 100.0,
            units::rate(peer.gives),
            units::rate(peer.takes),
            if peer.is_native { "native" } else { "BitTorrent" },
            standing(peer),
            printable(&peer.client)
        );
    }
    if torrent.peers.is_empty() {
        text += "  nobody is connected\n";
    }
    text
}

/// Who serves whom, and why.
fn standing(peer: &PeerView) -> String {
    let we = match (peer.am_choking, peer.is_optimistic) {
        (true, _) => "we choke it".to_owned(),
        (false, true) => "we serve it on trial".into(),
        (false, false) if peer.why.is_empty() => "we serve it".into(),
        (false, false) => format!("we serve it: {}", peer.why),
    };
    let it = match (peer.peer_choking, peer.am_interested) {
        (true, true) => "it chokes us",
        (true, false) => "we want nothing of it",
        (false, true) => "it serves us",
        (false, false) => "it would serve us",
    };
    format!("{we}, {it}")
}

/// Which pieces are here, as a row of shades.
pub fn pieces(torrent: &TorrentView) -> String {
    let mut text = heading(torrent);
    let Ok(have) = Bitfield::from_bytes(&torrent.pieces, torrent.piece_count) else {
        return text + "  not known yet\n";
    };
    let (here, all) = (have.count(), torrent.piece_count);
    let scarce = torrent.availability.iter().filter(|&&copies| copies == 0).count();
    let _ = writeln!(text, "  {}", strip::draw(&strip::shares(&have)));
    let _ = writeln!(text, "  {here} of {all} are here; {scarce} are with nobody who is connected");
    text
}

/// A torrent's trackers and what they said.
pub fn trackers(torrent: &TorrentView) -> String {
    let mut text = heading(torrent);
    for tracker in &torrent.trackers {
        let said = match &tracker.outcome {
            _ if tracker.is_asking => "is being asked".to_owned(),
            None if tracker.is_backup => "is not needed".into(),
            None => "was not asked yet".into(),
            Some(Ok(1)) => "named 1 peer".into(),
            Some(Ok(peers)) => format!("named {peers} peers"),
            Some(Err(why)) => printable(why),
        };
        let figure = |n: Option<u32>| n.map_or_else(|| "-".into(), |n| n.to_string());
        let _ = writeln!(
            text,
            "  tier {}  {}  {said}  ({} seed, {} fetch)",
            tracker.tier,
            printable(&tracker.url),
            figure(tracker.seeders),
            figure(tracker.leechers)
        );
    }
    if torrent.trackers.is_empty() {
        text += "  no trackers\n";
    }
    text
}
