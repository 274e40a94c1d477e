//! Who gets the slots when many ask and never read.

use super::{ANN, Stage, at};
use crate::bitfield::Bitfield;
use crate::clock::Moment;
use crate::logic::PeerKey;
use crate::logic::choker::ChokerPolicy;
use crate::logic::swarm::{Action, Swarm};
use crate::protocol::Dialect;
use crate::protocol::message::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// So many never read.
const READERS: u64 = 40;

/// What somebody's socket takes that never reads.
const SOCKET: u64 = 100_000;

/// Somebody comes who has nothing and wants everything.
fn call(swarm: &mut Swarm, now: Moment, peer: PeerKey, host: u8, out: &mut Vec<Action>) {
    let address = SocketAddr::from(([127, 7, 7, host], peer.0 as u16));
    swarm.on_joined(now, peer, address, Dialect::BitTorrent);
    for message in [Message::HaveNone, Message::Interested] {
        swarm.on_message(now, peer, &message, out).unwrap();
    }
}

/// Forty share four slots with Ann, who comes last. They never read, and call again as soon as they
/// have lost a slot, or had it for half a minute. They ask for `much`, which fills their sockets, or
/// for so little that it finds room there. After how many seconds Ann has had a slot for the first
/// time, and for ten seconds in all.
fn secs_until_served(policy: ChokerPolicy, have: Bitfield, much: bool) -> (u64, u64) {
    let mut swarm = Stage::with(have, |params| {
        (params.choker, params.upload_slots) = (policy, 4);
    })
    .swarm;
    let (mut out, mut next) = (Vec::new(), 1000);
    // Where each is, and since when it has had a slot.
    let mut readers: BTreeMap<PeerKey, (u8, Option<u64>)> = BTreeMap::new();
    for host in 0..READERS {
        readers.insert(PeerKey(100 + host), (host as u8, None));
        call(&mut swarm, at(0), PeerKey(100 + host), host as u8, &mut out);
    }
    call(&mut swarm, Moment::after(Duration::from_millis(1)), ANN, 200, &mut out);
    let (mut is_served, mut first, mut served) = (false, None, 0);
    for half in 1..2000 {
        let now = Moment::after(Duration::from_millis(half * 500));
        for (&peer, (_, since)) in &readers {
            let full = since.map(|half| Moment::after(Duration::from_millis(half * 500)));
            let sent = full.map_or(0, |_| SOCKET);
            swarm.on_sent(now, peer, sent, full.is_some() && much);
            swarm.on_flow(now, peer, full.filter(|_| much), sent);
        }
        swarm.on_sent(now, ANN, served * 1000, is_served);
        swarm.on_flow(now, ANN, is_served.then_some(now), served * 1000);
        swarm.on_tick(now, &mut out);
        if half % 20 == 0 {
            swarm.on_round(now, &mut out);
        }
        while !out.is_empty() {
            let mut lost = Vec::new();
            for action in std::mem::take(&mut out) {
                match action {
                    Action::Say(ANN, Message::Unchoke) => is_served = true,
                    Action::Say(ANN, Message::Choke) => is_served = false,
                    Action::Say(peer, Message::Unchoke) => {
                        readers.entry(peer).and_modify(|(_, since)| *since = Some(half));
                    }
                    Action::Say(peer, Message::Choke) => lost.push(peer),
                    _ => {}
                }
            }
            let cut = |since: Option<u64>| since.is_some_and(|since| half - since >= 60);
            lost.extend(readers.iter().filter(|(_, reader)| cut(reader.1)).map(|(&peer, _)| peer));
            for peer in lost {
                let Some((host, _)) = readers.remove(&peer) else { continue };
                swarm.on_left(now, peer, &mut out);
                next += 1;
                readers.insert(PeerKey(next), (host, None));
                call(&mut swarm, now, PeerKey(next), host, &mut out);
            }
        }
        served += u64::from(is_served);
        first = first.or(is_served.then_some(half / 2));
        if served == 20 {
            return (first.unwrap(), half / 2);
        }
    }
    (first.unwrap_or(1000), 1000)
}

#[test]
fn forty_who_ask_and_never_read_keep_nobody_honest_waiting() {
    let seeder = || Bitfield::full(2);
    for (policy, have, much) in [
        (ChokerPolicy::TitForTat, seeder(), true),
        (ChokerPolicy::Legout, seeder(), true),
        (ChokerPolicy::RoundRobin, seeder(), true),
        (ChokerPolicy::TitForTat, Bitfield::new(2), true),
        (ChokerPolicy::TitForTat, seeder(), false),
        (ChokerPolicy::Legout, seeder(), false),
    ] {
        let whole = have.is_full();
        let (first, ten) = secs_until_served(policy, have, much);
        assert!(first <= 5, "{policy}, a seeder: {whole}, much: {much}: it waits {first} s");
        assert!(ten <= 25, "{policy}, a seeder: {whole}, much: {much}: ten seconds in {ten} s");
    }
}

#[test]
fn whoever_asks_a_seeder_for_nothing_leaves_its_slot_to_who_waits() {
    let mut s = Stage::seeder();
    for (peer, host) in [(3, 3), (4, 4)] {
        s.act(|swarm, now, out| call(swarm, now, PeerKey(peer), host, out));
    }
    s.told("peer 3 < Unchoke\npeer 4 < Unchoke");
    // The socket takes all that the first has asked for; the other goes on asking.
    let look = |s: &mut Stage, half: u64| {
        s.now = Moment::after(Duration::from_millis(half * 500));
        s.swarm.on_sent(s.now, PeerKey(3), SOCKET, false);
        s.swarm.on_sent(s.now, PeerKey(4), half * 1000, half.is_multiple_of(2));
        s.act(Swarm::on_tick);
    };
    (1..=20).for_each(|half| look(&mut s, half));
    s.told(""); // nobody else wants it
    s.act(|swarm, now, out| call(swarm, now, ANN, 1, out));
    s.told("peer 3 < Choke\n! UnqueueAll(PeerKey(3))\npeer 1 < Unchoke");
    // She asks for nothing at once, and has a slot nevertheless: there is room for another beside her.
    look(&mut s, 21);
    s.told("peer 3 < Unchoke");
    (22..=40).for_each(|half| look(&mut s, half));
    s.told(""); // nobody waits
    s.now = Moment::after(Duration::from_secs(20));
    s.act(|swarm, now, out| call(swarm, now, PeerKey(5), 5, out));
    s.told("peer 1 < Choke\n! UnqueueAll(PeerKey(1))\npeer 5 < Unchoke");
}

#[test]
fn whoever_gives_us_something_keeps_its_slot_though_it_asks_for_nothing() {
    let mut s = Stage::with(Bitfield::new(2), |params| params.upload_slots = 1);
    s.act(|swarm, now, out| call(swarm, now, PeerKey(3), 3, out));
    s.told("peer 3 < Unchoke");
    s.now = at(60);
    s.act(|swarm, now, out| call(swarm, now, ANN, 1, out));
    s.told("");
}

#[test]
fn whoever_takes_nothing_loses_its_slot_to_who_waits_and_keeps_it_from_nobody() {
    let mut s = Stage::seeder();
    for (peer, host) in [(3, 3), (4, 4)] {
        s.act(|swarm, now, out| call(swarm, now, PeerKey(peer), host, out));
    }
    s.told("peer 3 < Unchoke\npeer 4 < Unchoke");
    let look = |s: &mut Stage, half: u64, taken: [u64; 2]| {
        s.now = Moment::after(Duration::from_millis(half * 500));
        for (peer, taken) in [3, 4].map(PeerKey).into_iter().zip(taken) {
            s.swarm.on_flow(s.now, peer, Some(s.now), taken);
        }
        s.act(Swarm::on_tick);
    };
    (1..=4).for_each(|half| look(&mut s, half, [SOCKET, half * 1000]));
    s.told(""); // nobody else wants it
    s.act(|swarm, now, out| call(swarm, now, ANN, 1, out));
    s.told("peer 3 < Choke\n! UnqueueAll(PeerKey(3))\npeer 1 < Unchoke");
    s.act(|swarm, now, out| swarm.on_left(now, ANN, out));
    s.told(""); // it takes nothing: the slot is nobody's
    look(&mut s, 5, [SOCKET + 1, 5000]);
    s.told("peer 3 < Unchoke");
}

#[test]
fn a_newcomer_at_rest_leaves_room_for_another_beside_it_until_the_next_round() {
    let mut s = Stage::with(Bitfield::full(2), |params| params.upload_slots = 1);
    for (peer, host) in [(3, 3), (4, 4), (5, 5)] {
        s.act(|swarm, now, out| call(swarm, now, PeerKey(peer), host, out));
    }
    s.told("peer 3 < Unchoke");
    // The first fills its socket and reads nothing; the second takes all it can get.
    let look = |s: &mut Stage, half: u64| {
        s.now = Moment::after(Duration::from_millis(half * 500));
        let sent = [(3, SOCKET), (4, half * 1000), (5, 0)];
        for (peer, total) in sent.map(|(peer, total)| (PeerKey(peer), total)) {
            s.swarm.on_sent(s.now, peer, total, true);
            s.swarm.on_flow(s.now, peer, (peer.0 == 3).then_some(at(0)), total);
        }
        s.act(Swarm::on_tick);
    };
    look(&mut s, 1);
    s.told("peer 4 < Unchoke");
    look(&mut s, 2);
    s.told(""); // one slot is in use
    s.now = at(10);
    s.act(Swarm::on_round);
    s.told("peer 3 < Choke\n! UnqueueAll(PeerKey(3))\npeer 4 < Choke\n! UnqueueAll(PeerKey(4))\npeer 5 < Unchoke");
}

#[test]
fn who_was_seen_to_take_something_for_a_while_may_rest() {
    let mut s = Stage::with(Bitfield::full(2), |params| params.upload_slots = 1);
    for (peer, host) in [(3, 3), (4, 4)] {
        s.act(|swarm, now, out| call(swarm, now, PeerKey(peer), host, out));
    }
    s.told("peer 3 < Unchoke");
    let look = |s: &mut Stage, half: u64| {
        s.now = Moment::after(Duration::from_millis(half * 500));
        s.swarm.on_sent(s.now, PeerKey(3), half.min(3) * 1000, half < 3);
        s.act(Swarm::on_tick);
    };
    (1..=8).for_each(|half| look(&mut s, half));
    s.told("");
    look(&mut s, 9); // three seconds after it was last sent something
    s.told("peer 3 < Choke\n! UnqueueAll(PeerKey(3))\npeer 4 < Unchoke");
}
