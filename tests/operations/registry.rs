//! The tracker's tables beside a plain map that follows the same rules: whatever happens, they agree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use swarmlet::clock::Moment;
use swarmlet::ids::{InfoHash, InfoHashV2, PeerId};
use swarmlet::logic::registry::{
    Caller, Have, Params, Refused, Registration, Registry, Report, Wanted,
};
use swarmlet::protocol::announce::put_compact;

const MOST_TORRENTS: usize = 3;
const MOST_PEERS: usize = 90;
const MOST_OF_A_TORRENT: usize = 50;

/// Patience and tick of native peers and of those that announce themselves, in milliseconds.
const TIMES: [(u64, u64); 2] = [(15_000, 10), (900_000, 1000)];

/// How long a process may stand still before the times of native peers go round, in milliseconds; who
/// was silent for longer may be taken for somebody who was just heard of.
const LONGEST: u64 = 80 * 60 * 1000;

/// What can happen to the tables.
#[derive(Debug, Clone, Copy)]
enum Event {
    Register {
        torrent: u8,
        peer: u8,
        seeds: bool,
    },
    Announce {
        torrent: u8,
        peer: u8,
        seeds: bool,
    },
    Stop {
        torrent: u8,
        peer: u8,
    },
    Draw {
        torrent: u8,
        asker: u8,
        wanted: usize,
    },
    /// Some of those whose time has come are dropped.
    Turn {
        millis: u64,
        limit: usize,
    },
    /// All of them are.
    Turns {
        millis: u64,
    },
}

impl From<[u8; 4]> for Event {
    fn from([kind, torrent, peer, c]: [u8; 4]) -> Self {
        let (torrent, peer, seeds) = (torrent % 6, peer % 60, c % 2 == 0);
        let millis = u64::from(u16::from_be_bytes([torrent, c])) * 13;
        match kind % 17 {
            0..4 => Self::Register { torrent, peer, seeds },
            4..12 => Self::Announce { torrent, peer, seeds },
            12 => Self::Stop { torrent, peer },
            13 | 14 => Self::Draw { torrent, asker: peer, wanted: usize::from(c) % 60 },
            15 => Self::Turn { millis, limit: usize::from(peer) % 5 },
            _ => Self::Turns { millis: millis << (peer % 8) },
        }
    }
}

/// Four bytes are an event.
pub fn run(bytes: &[u8]) {
    let mut pair = Pair::new();
    for &event in bytes.as_chunks().0 {
        pair.happen(&Event::from(event));
        pair.check();
    }
}

/// A history in which every cap is reached.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut dice = fastrand::Rng::with_seed(1);
    let history = |length| std::iter::repeat_with(|| dice.u8(..)).take(length).collect();
    [40, 400, 1600].map(history).into()
}

/// Native torrents are the even ones.
fn name(torrent: u8) -> InfoHash {
    let full = InfoHashV2([torrent; 32]);
    if torrent.is_multiple_of(2) { full.into() } else { full.truncated().into() }
}

/// Every fifth peer has an IPv6 address.
fn addr(peer: u8) -> SocketAddr {
    let ip: IpAddr = match peer % 5 {
        0 => [0x2001, 0xdb8, peer.into(), 0, 0, 0, 0, 1].into(),
        _ => [9, 9, 9, peer].into(),
    };
    (ip, 1000).into()
}

fn at(millis: u64) -> Moment {
    Moment::after(Duration::from_millis(millis))
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    due: u64,
    proven: bool,
    seeds: bool,
}

struct Pair {
    tables: Registry,
    model: BTreeMap<(u8, u8), Entry>,
    now: u64,
    /// When all of those whose time had come were dropped last.
    dropped: u64,
}

impl Pair {
    fn new() -> Self {
        let params = Params {
            max_torrents: MOST_TORRENTS,
            max_peers: MOST_PEERS,
            max_peers_per_torrent: MOST_OF_A_TORRENT,
            ..Params::default()
        };
        Self { tables: Registry::new(params), model: BTreeMap::new(), now: 1, dropped: 1 }
    }

    fn of(&self, torrent: u8) -> impl Iterator<Item = (u8, Entry)> {
        let range = self.model.range((torrent, 0)..=(torrent, u8::MAX));
        range.map(|(&(_, peer), &entry)| (peer, entry))
    }

    fn torrents(&self) -> BTreeSet<u8> {
        self.model.keys().map(|(torrent, _)| *torrent).collect()
    }

    /// Somebody was heard of, and either is there now or was refused with reason.
    fn heard(
        &mut self,
        torrent: u8,
        peer: u8,
        seeds: bool,
        proves: bool,
        said: Result<(), Refused>,
    ) {
        let (patience, tick) = TIMES[usize::from(torrent % 2)];
        let due = self.now.div_ceil(tick) * tick + patience;
        let known = self.model.get(&(torrent, peer)).copied();
        let gone = self.gone();
        if let Err(refused) = said {
            let whole: Vec<Entry> = match refused {
                Refused::Torrent => self.of(torrent).map(|(_, entry)| entry).collect(),
                _ => self.model.values().copied().collect(),
            };
            let is_proven = |torrent: u8| self.of(torrent).any(|(_, entry)| entry.proven);
            match refused {
                Refused::Torrents => assert!(self.torrents().into_iter().all(is_proven)),
                _ => assert!(whole.iter().all(|entry| entry.proven), "{refused}"),
            }
            assert!(known.is_none() && gone.is_empty());
            return;
        }
        if !gone.is_empty() {
            self.check_who_went(torrent, &gone);
        }
        self.model.retain(|key, _| !gone.contains(key));
        let again = known.is_some_and(|entry| entry.proven || proves);
        self.model.insert((torrent, peer), Entry { due, proven: again, seeds });
    }

    /// Only for a cap that was reached, and only who was not heard of again.
    fn check_who_went(&self, torrent: u8, gone: &BTreeSet<(u8, u8)>) {
        assert!(gone.iter().all(|key| !self.model[key].proven), "{gone:?} were heard of again");
        let first = *gone.first().expect("somebody went");
        if gone.len() == 1 && self.of(torrent).count() == MOST_OF_A_TORRENT {
            let fresh = self.of(torrent).filter(|(_, entry)| !entry.proven);
            let oldest = fresh.map(|(_, entry)| entry.due).min();
            assert_eq!((first.0, Some(self.model[&first].due)), (torrent, oldest));
        } else if self.of(torrent).next().is_none() && self.torrents().len() == MOST_TORRENTS {
            let whole: BTreeSet<_> = self.of(first.0).map(|(peer, _)| (first.0, peer)).collect();
            assert_eq!(*gone, whole, "a torrent goes as a whole");
        } else {
            assert_eq!((gone.len(), self.model.len()), (1, MOST_PEERS), "no cap was reached");
        }
    }

    /// Who is in the model and no longer in the tables.
    fn gone(&self) -> BTreeSet<(u8, u8)> {
        let there = |(torrent, peer): (u8, u8)| self.tables.knows(&name(torrent), addr(peer));
        self.model.keys().copied().filter(|&key| !there(key)).collect()
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Register { torrent, peer, seeds } if torrent.is_multiple_of(2) => {
                let peer_id = PeerId([peer; 20]);
                let registration = Registration {
                    info_hash: name(torrent),
                    addr: addr(peer),
                    peer_id,
                    name: "x".into(),
                    size: 9,
                    pieces: 1,
                    left: u64::from(!seeds),
                    uploaded: 0,
                    downloaded: 0,
                    have: Have::Unknown,
                    native: true,
                    bittorrent: false,
                };
                let said = self.tables.on_register(at(self.now), registration);
                self.heard(torrent, peer, seeds, false, said);
            }
            Event::Announce { torrent, peer, seeds } if !torrent.is_multiple_of(2) => {
                let info_hash = name(torrent).short();
                let (addr, completed) = (addr(peer), false);
                let caller = Caller { peer_id: PeerId([peer; 20]), key: 1 };
                let details = None;
                let report = Report { info_hash, addr, caller, details, seeds, completed };
                let said = self.tables.on_announce(at(self.now), &report);
                self.heard(torrent, peer, seeds, true, said);
            }
            Event::Register { .. } | Event::Announce { .. } => {}
            Event::Stop { torrent, peer } => {
                let there = self.model.remove(&(torrent, peer)).is_some();
                let id = PeerId([peer; 20]);
                let stopped = match name(torrent) {
                    InfoHash::V1(name) => {
                        self.tables.on_left(name, addr(peer), Caller { peer_id: id, key: 1 })
                    }
                    full @ InfoHash::V2(_) => self.tables.on_stopped(&full, addr(peer), id),
                };
                assert_eq!(stopped, there);
            }
            Event::Draw { torrent, asker, wanted } => self.draw(torrent, asker, wanted),
            Event::Turn { millis, limit } => {
                self.pass(millis);
                let dropped = self.tables.on_tick(at(self.now), limit);
                let gone = self.gone();
                assert!(dropped <= limit && gone.len() == dropped);
                assert!(gone.iter().all(|key| self.model[key].due <= self.now), "too early");
                self.model.retain(|key, _| !gone.contains(key));
            }
            Event::Turns { millis } => {
                self.pass(millis);
                while self.tables.deadline().is_some_and(|deadline| deadline <= at(self.now)) {
                    self.tables.on_tick(at(self.now), 7);
                }
                self.model.retain(|_, entry| entry.due > self.now);
                self.dropped = self.now;
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now = (self.now + millis).min(self.dropped + LONGEST);
    }

    fn draw(&mut self, torrent: u8, asker: u8, peers: usize) {
        let wanted = Wanted { asker: Some(addr(asker)), family: None, peers };
        let mut given = Vec::new();
        self.tables.next_peers(&[name(torrent)], wanted, |peer| {
            given.push((peer.addr, peer.seed));
            true
        });
        let others = self.of(torrent).filter(|(peer, _)| *peer != asker);
        let others: BTreeMap<_, _> = others.map(|(p, entry)| (addr(p), entry.seeds)).collect();
        assert_eq!(given.len(), peers.min(others.len()));
        assert!(given.iter().all(|(addr, seeds)| others.get(addr) == Some(seeds)));
        let distinct: BTreeSet<_> = given.iter().map(|(addr, _)| addr).collect();
        assert_eq!(distinct.len(), given.len(), "each once");
        let has_seeder = others.values().any(|seeds| *seeds);
        assert!(given.is_empty() || !has_seeder || given.iter().any(|(_, seeds)| *seeds));
        if !torrent.is_multiple_of(2) {
            self.draw_compact(torrent, asker, peers, &others);
        }
    }

    /// The same of one family, as it travels.
    fn draw_compact(
        &mut self,
        torrent: u8,
        asker: u8,
        peers: usize,
        others: &BTreeMap<SocketAddr, bool>,
    ) {
        let mut drawn = Vec::new();
        self.tables.next_compact(&name(torrent), addr(asker), peers, &mut drawn);
        let length = if addr(asker).is_ipv4() { 6 } else { 18 };
        let given: Vec<Vec<u8>> = drawn.chunks(length).map(<[u8]>::to_vec).collect();
        let alike = others.iter().filter(|(a, _)| a.is_ipv4() == addr(asker).is_ipv4());
        let alike: BTreeMap<Vec<u8>, bool> = alike
            .map(|(a, seeds)| {
                let mut bytes = Vec::new();
                put_compact(&mut bytes, *a);
                (bytes, *seeds)
            })
            .collect();
        let distinct: BTreeSet<_> = given.iter().collect();
        assert_eq!((given.len(), distinct.len()), (peers.min(alike.len()), given.len()));
        assert!(given.iter().all(|peer| alike.contains_key(peer)));
        let has_seeder = alike.values().any(|seeds| *seeds);
        assert!(given.is_empty() || !has_seeder || given.iter().any(|peer| alike[peer]));
    }

    fn check(&self) {
        assert_eq!(self.gone(), BTreeSet::new());
        assert_eq!(self.tables.peers(), self.model.len());
        assert_eq!(self.tables.torrents(), self.torrents().len());
        assert!(self.model.len() <= MOST_PEERS && self.torrents().len() <= MOST_TORRENTS);
        for torrent in self.torrents() {
            let seeders = self.of(torrent).filter(|(_, entry)| entry.seeds).count();
            let all = self.of(torrent).count();
            let swarm = self.tables.swarm(&name(torrent)).expect("it has peers");
            let counted = (swarm.seeders as usize, swarm.leechers as usize);
            assert_eq!(counted, (seeders, all - seeders));
            assert!(all <= MOST_OF_A_TORRENT);
        }
    }
}
