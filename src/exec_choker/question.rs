//! What a program is told each round: one object on one line.

use crate::clock::Moment;
use crate::logic::choker::{Candidate, View};
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
struct Question {
    now: f64,
    round: u32,
    seeding: bool,
    slots: usize,
    upload_capacity: Option<u64>,
    dice: u64,
    timers: Timers,
    peers: Vec<Neighbour>,
}

#[derive(Serialize)]
struct Timers {
    round: f64,
    optimistic: f64,
    snub: f64,
    rate_window: f64,
}

#[derive(Serialize)]
struct Neighbour {
    peer: u64,
    interested: bool,
    unchoked: bool,
    serves_us: bool,
    gives: u64,
    takes: u64,
    since: f64,
    joined: f64,
    last_block: Option<f64>,
    pending: bool,
    share: u32,
}

/// The line for a round. Times are seconds since the start, rates bytes per second, shares
/// thousandths; `dice` is a random number below 2^53, which every language's numbers hold.
pub(super) fn line(view: &View, dice: u64) -> Vec<u8> {
    let question = Question {
        now: at(view.now),
        round: view.round,
        seeding: view.seeding,
        slots: view.slots,
        upload_capacity: view.upload_capacity,
        dice,
        timers: Timers {
            round: secs(view.timers.round),
            optimistic: secs(view.timers.optimistic),
            snub: secs(view.timers.snub),
            rate_window: secs(view.timers.rate_window),
        },
        peers: view.peers.iter().map(peer).collect(),
    };
    let mut line = serde_json::to_vec(&question).expect("plain numbers and names");
    line.push(b'\n');
    line
}

fn peer(p: &Candidate) -> Neighbour {
    Neighbour {
        peer: p.peer.0,
        interested: p.interested,
        unchoked: p.unchoked,
        serves_us: p.serves_us,
        gives: p.gives,
        takes: p.takes,
        since: at(p.since),
        joined: at(p.joined),
        last_block: p.last_block.map(at),
        pending: p.pending,
        share: p.share,
    }
}

fn at(moment: Moment) -> f64 {
    secs(moment.since(Moment::START))
}

/// To the microsecond, so that lines stay short.
fn secs(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::PeerKey;
    use crate::logic::timers;

    /// examples/choker/README.md shows this line.
    #[test]
    fn a_round_is_one_line_with_everything_that_is_known() {
        let at = |secs| Moment::after(Duration::from_secs(secs));
        let ann = Candidate {
            gives: 81_200,
            takes: 20_000,
            serves_us: true,
            unchoked: true,
            last_block: Some(at(29)),
            pending: true,
            share: 250,
            ..Candidate::new(PeerKey(3), at(2))
        };
        let view = View {
            now: at(30),
            round: 3,
            seeding: false,
            slots: 4,
            upload_capacity: None,
            timers: timers::Timers::default(),
            peers: &[ann, Candidate::new(PeerKey(5), at(21))],
        };
        let line = String::from_utf8(line(&view, 815)).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"now":30.0,"round":3,"seeding":false,"slots":4,"upload_capacity":null,"#,
                r#""dice":815,"timers":{"round":10.0,"optimistic":30.0,"snub":60.0,"#,
                r#""rate_window":20.0},"peers":[{"peer":3,"interested":true,"unchoked":true,"#,
                r#""serves_us":true,"gives":81200,"takes":20000,"since":2.0,"joined":2.0,"#,
                r#""last_block":29.0,"pending":true,"share":250},{"peer":5,"interested":true,"#,
                r#""unchoked":false,"serves_us":false,"gives":0,"takes":0,"since":21.0,"#,
                r#""joined":21.0,"last_block":null,"pending":false,"share":0}]}"#,
                "\n"
            )
        );
        let page = include_str!("../../examples/choker/README.md");
        assert!(page.contains(&line), "the page shows another line");
    }
}
