//! The rules of coming in, and two peers that call each other in every order of events.

use super::*;
use std::collections::VecDeque;

const ROOM: Room = Room { free: 9, per_ip: 2 };

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

fn id(n: u8) -> PeerId {
    PeerId([n; 20])
}

fn line(key: u64, peer: u8, ip: &str, dialled: bool) -> Line {
    let ip = ip.parse().unwrap();
    Line { key: PeerKey(key), peer_id: id(peer), ip, dialled, since: at(0) }
}

/// We are 5; 1 was there first.
fn check(old: Line, new: Line, expected: Entry) {
    assert_eq!(admit(id(5), &new, &[old], ROOM), expected, "{old:?} {new:?}");
}

#[test]
fn of_two_crossed_calls_the_one_dialled_by_the_greater_id_stays() {
    for (peer, ours_stays) in [(1, true), (9, false)] {
        let crossed =
            |ours: bool| (line(1, peer, "9.9.9.9", !ours), line(2, peer, "9.9.9.9", ours));
        let (old, new) = crossed(ours_stays);
        check(old, new, Entry::Replaces(PeerKey(1)));
        let (old, new) = crossed(!ours_stays);
        check(old, new, Entry::Duplicate(PeerKey(1)));
    }
}

#[test]
fn a_second_call_in_the_same_direction_is_a_duplicate() {
    for dialled in [true, false] {
        let (first, second) = (line(1, 9, "9.9.9.9", dialled), line(2, 9, "9.9.9.9", dialled));
        check(first, second, Entry::Duplicate(PeerKey(1)));
    }
}

#[test]
fn one_id_may_come_from_two_addresses() {
    check(line(1, 9, "9.9.9.9", true), line(2, 9, "9.9.9.8", false), Entry::Enters);
    check(line(1, 9, "9.9.9.9", false), line(2, 9, "9.9.9.8", false), Entry::Enters);
    check(line(1, 9, "9.9.9.9", false), line(2, 8, "9.9.9.9", false), Entry::Enters);
}

#[test]
fn who_has_been_there_for_a_while_is_not_given_up_for_a_caller() {
    let old = line(1, 9, "9.9.9.9", true);
    check(old, Line { since: at(9), ..line(2, 9, "9.9.9.9", false) }, Entry::Replaces(PeerKey(1)));
    check(
        old,
        Line { since: at(10), ..line(2, 9, "9.9.9.9", false) },
        Entry::Duplicate(PeerKey(1)),
    );
    // Who took our call has decided that already.
    let old = line(1, 1, "9.9.9.9", false);
    check(old, Line { since: at(99), ..line(2, 1, "9.9.9.9", true) }, Entry::Replaces(PeerKey(1)));
}

#[test]
fn a_peer_that_we_dial_over_both_families_is_one_peer() {
    let (v4, v6) = ("203.0.113.7", "2001:db8::7");
    let old = line(1, 1, v4, true);
    check(old, line(2, 1, v6, true), Entry::Duplicate(PeerKey(1)));
    check(line(1, 1, v6, true), line(2, 1, v4, true), Entry::Duplicate(PeerKey(1)));
    check(old, line(2, 2, v6, true), Entry::Enters); // another id
    check(old, line(2, 1, "203.0.113.8", true), Entry::Enters); // the same family
    check(old, line(2, 1, v6, false), Entry::Enters); // it called
    check(line(1, 1, v4, false), line(2, 1, v6, true), Entry::Enters); // it called
}

#[test]
fn there_is_room_for_so_many_in_all_and_for_few_of_one_address() {
    let full = Room { free: 0, ..ROOM };
    let new = line(9, 9, "9.9.9.9", false);
    assert_eq!(admit(id(5), &new, &[], ROOM), Entry::Enters);
    assert_eq!(admit(id(5), &new, &[], full), Entry::Full);
    let crossed = [line(1, 9, "9.9.9.9", true)];
    assert_eq!(admit(id(5), &new, &crossed, full), Entry::Replaces(PeerKey(1)), "one for one");
    let two = [line(1, 1, "9.9.9.9", false), line(2, 2, "9.9.9.9", true)];
    assert_eq!(admit(id(5), &new, &two, ROOM), Entry::Full);
    assert_eq!(admit(id(5), &new, &two, Room { per_ip: 0, ..ROOM }), Entry::Enters);
    let near = two.map(|line| Line { ip: "10.0.0.1".parse().unwrap(), ..line });
    assert_eq!(admit(id(5), &Line { ip: near[0].ip, ..new }, &near, ROOM), Entry::Enters);
}

fn guest(key: u64, ip: &str) -> Guest {
    Guest { key: PeerKey(key), ip: ip.parse().unwrap(), since: at(key), busy: false }
}

/// Who makes way for a caller from `ip`; the guests came in this order.
fn makes_way_of(ip: &str, guests: &[&str]) -> Option<u64> {
    let guests: Vec<_> = (0..).zip(guests).map(|(key, ip)| guest(key, ip)).collect();
    makes_way(ip.parse().unwrap(), &guests).map(|key| key.0)
}

#[test]
fn the_youngest_of_a_crowded_network_makes_way_for_one_from_elsewhere() {
    let crowd = ["10.0.0.1", "9.9.9.1", "9.9.9.2", "9.9.9.3", "8.8.8.8"];
    assert_eq!(makes_way_of("7.7.7.7", &crowd), Some(3));
    assert_eq!(makes_way_of("10.0.0.2", &crowd), Some(3), "three are more than one and one");
    assert_eq!(makes_way_of("9.9.9.4", &crowd), None, "it is of the crowd itself");
    let v6 = ["2001:db8:1:2::1", "2001:db8:1:3::1", "::ffff:9.9.9.1"];
    assert_eq!(makes_way_of("2001:db8:2::1", &v6), Some(1));
}

#[test]
fn in_one_network_the_youngest_of_a_crowded_machine_makes_way() {
    let crowd = ["9.9.9.1", "9.9.9.1", "9.9.9.2"];
    assert_eq!(makes_way_of("9.9.9.3", &crowd), Some(1));
    assert_eq!(makes_way_of("9.9.9.2", &crowd), None);
    // Whoever has many addresses in one network does not push a shared one elsewhere out.
    let shared = ["9.9.9.1", "9.9.9.1", "8.8.8.1", "8.8.8.2", "8.8.8.3"];
    assert_eq!(makes_way_of("8.8.8.4", &shared), None);
    let site = ["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:3::1"];
    assert_eq!(makes_way_of("2001:db8:1:4::1", &site), Some(1));
}

#[test]
fn nobody_makes_way_who_serves_or_is_served_or_where_all_have_their_share() {
    let mut guests = [1, 2, 3].map(|key| guest(key, "9.9.9.9"));
    guests[2].busy = true;
    let ip = "7.7.7.7".parse().unwrap();
    assert_eq!(makes_way(ip, &guests), Some(PeerKey(2)));
    assert_eq!(makes_way(ip, &guests.map(|guest| Guest { busy: true, ..guest })), None);
    assert_eq!(makes_way_of("7.7.7.7", &["9.9.9.9", "8.8.8.8"]), None);
    assert_eq!(makes_way_of("7.7.7.7", &[]), None);
}

#[test]
fn callers_of_two_networks_come_to_share_the_places_and_then_change_nothing() {
    let mut guests: Vec<Guest> = (0..10).map(|n| guest(n, "9.9.9.9")).collect();
    for n in 10..30 {
        let new = guest(n, "8.8.8.8");
        let Some(old) = makes_way(new.ip, &guests) else { continue };
        guests.retain(|guest| guest.key != old);
        guests.push(new);
    }
    let newcomers = guests.iter().filter(|guest| guest.key >= PeerKey(10)).count();
    assert_eq!((guests.len(), newcomers), (10, 5));
    assert_eq!(makes_way("9.9.9.9".parse().unwrap(), &guests), None, "nor back again");
}

/// What is under way on one stream, in one direction.
#[derive(Debug, Clone)]
enum Word {
    Call,
    Answer,
    Refusal,
    Hangup,
}

/// What may happen next at an end: it calls, or hears a word on a stream.
#[derive(Debug, Clone, Copy)]
enum Event {
    Calls(usize),
    Hears(usize, usize),
}

/// Two ends that call each other: stream 0 is dialled by end 0, stream 1 by end 1. Whoever is called
/// enters the connection before it answers, the caller when the answer comes, as `node::connection`
/// does in either dialect.
#[derive(Debug, Clone)]
struct Pair {
    ids: [u8; 2],
    /// How long it takes until something happens.
    pace: Duration,
    now: Moment,
    /// The connections of each end.
    here: [Vec<Line>; 2],
    /// The words on their way to an end, by stream.
    words: [[VecDeque<Word>; 2]; 2],
    /// Which ends have yet to call.
    calls: [bool; 2],
    history: Vec<Event>,
}

impl Pair {
    fn new(ids: [u8; 2], pace: u64) -> Self {
        let (pace, now) = (Duration::from_secs(pace), at(0));
        let (here, words, history) = Default::default();
        Self { ids, pace, now, here, words, calls: [true; 2], history }
    }

    fn next_events(&self) -> Vec<Event> {
        let calls = (0..2).filter(|&end| self.calls[end]).map(Event::Calls);
        let lines = [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter();
        let heard = lines.filter(|&(end, stream)| !self.words[end][stream].is_empty());
        calls.chain(heard.map(|(end, stream)| Event::Hears(end, stream))).collect()
    }

    fn happen(&mut self, event: Event) {
        self.now = self.now + self.pace;
        self.history.push(event);
        let (end, stream) = match event {
            Event::Calls(end) => {
                self.calls[end] = false;
                return self.words[1 - end][end].push_back(Word::Call);
            }
            Event::Hears(end, stream) => (end, stream),
        };
        match self.words[end][stream].pop_front().expect("it is on its way") {
            Word::Call => {
                let answer = if self.enters(end, stream) { Word::Answer } else { Word::Refusal };
                self.words[1 - end][stream].push_back(answer);
            }
            Word::Answer => {
                if !self.enters(end, stream) {
                    self.words[1 - end][stream].push_back(Word::Hangup);
                }
            }
            Word::Refusal => {}
            Word::Hangup => self.here[end].retain(|line| line.key.0 != stream as u64),
        }
    }

    fn enters(&mut self, end: usize, stream: usize) -> bool {
        let new = Line {
            key: PeerKey(stream as u64),
            peer_id: id(self.ids[1 - end]),
            ip: [9, 9, 9, 9].into(),
            dialled: stream == end,
            since: self.now,
        };
        match admit(id(self.ids[end]), &new, &self.here[end], ROOM) {
            Entry::Enters => {}
            Entry::Replaces(old) => {
                self.here[end].retain(|line| line.key != old);
                self.words[1 - end][old.0 as usize].push_back(Word::Hangup);
            }
            Entry::Duplicate(_) | Entry::Full => return false,
        }
        self.here[end].push(new);
        true
    }

    /// The streams that each end has.
    fn left(&self) -> [Vec<u64>; 2] {
        self.here.each_ref().map(|lines| lines.iter().map(|line| line.key.0).collect())
    }
}

/// All orders in which two calls can end; how many there are.
fn every_order(ids: [u8; 2], pace: u64, check: impl Fn(&Pair)) -> usize {
    let mut open = vec![Pair::new(ids, pace)];
    let mut orders = 0;
    while let Some(pair) = open.pop() {
        let events = pair.next_events();
        if events.is_empty() {
            check(&pair);
            orders += 1;
        }
        open.extend(events.into_iter().map(|event| {
            let mut next = pair.clone();
            next.happen(event);
            next
        }));
    }
    orders
}

#[test]
fn one_connection_survives_a_simultaneous_open_in_every_order_of_events() {
    for (ids, greater) in [([1, 2], 1), ([2, 1], 0)] {
        let orders = every_order(ids, 0, |pair| {
            assert_eq!(pair.left(), [vec![greater], vec![greater]], "{:?}", pair.history);
        });
        assert!(orders > 40, "only {orders} orders");
    }
}

#[test]
fn one_connection_survives_two_slow_calls_of_which_one_comes_late() {
    for pace in [1, 3, 4, 5, 9, 99] {
        every_order([1, 2], pace, |pair| {
            let [ours, theirs] = pair.left();
            assert_eq!(ours, theirs, "{:?}", pair.history);
            assert_eq!(ours.len(), 1, "{:?}", pair.history);
        });
    }
}

#[test]
fn when_fewer_may_be_there_the_youngest_go() {
    let there = || vec![(at(3), PeerKey(1)), (at(1), PeerKey(2)), (at(2), PeerKey(3))];
    for (most, go) in [(0, &[2, 3, 1][..]), (1, &[3, 1]), (2, &[1]), (3, &[]), (9, &[])] {
        let go: Vec<_> = go.iter().map(|&key| PeerKey(key)).collect();
        assert_eq!(surplus(there(), most), go, "{most}");
    }
}
