//! Reasons as objects: a rule by its name, and the numbers that it went by.

use super::line::Line;
use crate::logic::ban::Verdict;
use crate::logic::swarm::Parting;
use crate::logic::{choker, dialer, neighbours, picker};

/// Why a span was picked.
pub(super) fn of_pick(line: &mut Line, why: picker::Why) {
    line.text(
        "rule",
        match why {
            picker::Why::Begun => "begun",
            picker::Why::RandomFirst => "random-first",
            picker::Why::Rarest { .. } => "rarest",
            picker::Why::Random => "random",
            picker::Why::NextInOrder => "in-order",
            picker::Why::Edge => "edge",
            picker::Why::Gap => "gap",
            picker::Why::EndGame => "end-game",
            picker::Why::Probe => "probe",
        },
    );
    if let picker::Why::Rarest { availability, ties } = why {
        line.number("avail", availability).number("ties", ties);
    }
}

/// Why a peer is served.
pub(super) fn of_slot(line: &mut Line, why: choker::Why) {
    match why {
        choker::Why::Gives { rank, of, rate } => {
            let line = line.text("rule", "gives").number("rank", rank as u64);
            line.number("of", of as u64).number("rate", rate)
        }
        choker::Why::Optimistic { among } => {
            line.text("rule", "optimistic").number("among", among as u64)
        }
        choker::Why::Kept { secs } => line.text("rule", "kept").number("secs", secs),
        choker::Why::Turn { among } => line.text("rule", "turn").number("among", among as u64),
        choker::Why::Lot { among } => line.text("rule", "lot").number("among", among as u64),
        choker::Why::Waited { secs } => line.text("rule", "waited").number("secs", secs),
        choker::Why::Everybody => line.text("rule", "everybody"),
        choker::Why::Bargain { gives, costs } => {
            line.text("rule", "bargain").number("gives", gives).number("costs", costs)
        }
        choker::Why::Share { permille } => line.text("rule", "share").number("permille", permille),
        choker::Why::Own(words) => line.text("rule", "own").text("says", words),
        choker::Why::Says(words) => line.text("rule", "own").text("says", words.as_str()),
    };
}

/// Why an address is called.
pub(super) fn of_dial(line: &mut Line, why: dialer::Why) {
    line.text(
        "rule",
        match why.source {
            dialer::Source::Given => "given",
            dialer::Source::Tracker => "tracker",
            dialer::Source::Caller => "caller",
            dialer::Source::Gossip(_) => "gossip",
        },
    );
    if let dialer::Source::Gossip(from) = why.source {
        line.shown("from", from);
    }
    if why.retry > 0 {
        line.number("retry", why.retry).number("after", why.after.as_secs());
    }
}

/// Why a neighbour is let go for somebody new.
pub(super) fn of_change(line: &mut Line, why: neighbours::Why) {
    line.text(
        "rule",
        match why {
            neighbours::Why::WantsNothing => "wants-nothing",
            neighbours::Why::HasNothing => "has-nothing",
            neighbours::Why::ServesNothing => "serves-nothing",
        },
    );
}

/// Why a connection is ended in good order.
pub(super) fn of_parting(line: &mut Line, why: Parting) {
    line.text(
        "rule",
        match why {
            Parting::BothSeed => "both-seed",
            Parting::Snubbed => "snubbed",
            Parting::Refuses => "refuses",
            Parting::Lost => "lost-piece",
            Parting::Banned => "banned",
        },
    );
}

/// What is known of who is to blame for a wrong piece.
pub(super) fn of_verdict(line: &mut Line, verdict: Verdict) {
    match verdict {
        Verdict::Guilty(peer) => line.text("rule", "one-writer").number("conn", peer.0),
        Verdict::NeedLeaves => line.text("rule", "many-writers"),
        Verdict::Nobody => line.text("rule", "no-writer"),
    };
}
