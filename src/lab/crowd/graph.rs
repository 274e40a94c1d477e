//! Who knows whom: a random graph in flat arrays.
//!
//! ```text
//! first  0     2  3        ends of peer 0: 0 and 1, of peer 1: 2, ..
//! to     1  2  0  ..       whom each end leads to
//! back   2  4  0  ..       the other end of the same acquaintance
//! ```
//! A newcomer calls half as many as it is to know, drawn from those who are there by then (all who
//! come at the same moment are); as many call it later on average. Nobody is known to more than
//! [`MOST`], or a seed that was there first would know everybody.

use std::ops::Range;

/// The most neighbours, so that a byte counts them.
pub(super) const MOST: usize = 250;

/// Draws in vain after which a newcomer is content with fewer, for each call.
const TRIES: usize = 16;

/// Who knows whom.
#[derive(Debug)]
pub(super) struct Graph {
    /// Where the ends of each peer begin.
    first: Vec<u32>,
    /// The peer that an end leads to.
    pub to: Vec<u32>,
    /// The same acquaintance's other end.
    pub back: Vec<u32>,
}

impl Graph {
    /// A graph of peers that come at these times and know `degree` others on average; `None`: all.
    pub fn drawn(joins: &[u64], degree: Option<usize>, rng: &mut fastrand::Rng) -> Self {
        let mut order: Vec<u32> = (0..joins.len() as u32).collect();
        order.sort_by_key(|&peer| joins[peer as usize]);
        let most = degree.map_or(joins.len(), |degree| degree.div_ceil(2));
        let mut calls = Calls { most, made: vec![0; joins.len()], ..Calls::default() };
        calls.of.resize(joins.len() * most, 0);
        calls.known.resize(joins.len(), 0);
        let mut there = 0;
        for &peer in &order {
            let now = joins[peer as usize];
            while there < order.len() && joins[order[there] as usize] <= now {
                there += 1;
            }
            // An odd degree is two whole numbers of calls in turns.
            let wanted = degree.map_or(there, |degree| usize::midpoint(degree, peer as usize % 2));
            if there - 1 <= wanted {
                order[..there].iter().for_each(|&other| _ = calls.make(peer, other));
                continue;
            }
            let mut tries = wanted * TRIES;
            while usize::from(calls.made[peer as usize]) < wanted && tries > 0 {
                tries -= 1;
                calls.make(peer, order[rng.usize(..there)]);
            }
        }
        calls.into_graph()
    }

    /// How many ends there are: twice as many as acquaintances.
    pub fn ends(&self) -> usize {
        self.to.len()
    }

    /// The ends of a peer.
    pub fn of(&self, peer: usize) -> Range<usize> {
        self.first[peer] as usize..self.first[peer + 1] as usize
    }

    /// Bytes of the arrays.
    pub fn bytes(&self) -> usize {
        (self.first.capacity() + self.to.capacity() + self.back.capacity()) * size_of::<u32>()
    }
}

/// Who called whom.
#[derive(Default)]
struct Calls {
    /// Places for each peer's calls.
    most: usize,
    of: Vec<u32>,
    made: Vec<u16>,
    /// How many know each peer.
    known: Vec<u16>,
}

impl Calls {
    fn by(&self, peer: u32) -> &[u32] {
        let start = peer as usize * self.most;
        &self.of[start..start + usize::from(self.made[peer as usize])]
    }

    /// False if they know each other already, or one knows enough.
    fn make(&mut self, peer: u32, other: u32) -> bool {
        let is_full = |peer: u32| usize::from(self.known[peer as usize]) >= MOST;
        let strangers = !self.by(peer).contains(&other) && !self.by(other).contains(&peer);
        if peer == other || !strangers || is_full(peer) || is_full(other) {
            return false;
        }
        let place = peer as usize * self.most + usize::from(self.made[peer as usize]);
        self.of[place] = other;
        self.made[peer as usize] += 1;
        [peer, other].into_iter().for_each(|one| self.known[one as usize] += 1);
        true
    }

    fn into_graph(self) -> Graph {
        let mut first = Vec::with_capacity(self.known.len() + 1);
        first.push(0);
        let mut sum = 0;
        for &known in &self.known {
            sum += u32::from(known);
            first.push(sum);
        }
        let mut next = first.clone();
        let (mut to, mut back) = (vec![0; sum as usize], vec![0; sum as usize]);
        for peer in 0..self.known.len() as u32 {
            for &other in self.by(peer) {
                let (here, there) = (next[peer as usize], next[other as usize]);
                (to[here as usize], back[here as usize]) = (other, there);
                (to[there as usize], back[there as usize]) = (peer, here);
                next[peer as usize] += 1;
                next[other as usize] += 1;
            }
        }
        Graph { first, to, back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(joins: &[u64], degree: Option<usize>) -> Graph {
        let graph = Graph::drawn(joins, degree, &mut fastrand::Rng::with_seed(3));
        for peer in 0..joins.len() {
            let mut others: Vec<u32> = graph.to[graph.of(peer)].to_vec();
            for end in graph.of(peer) {
                let back = graph.back[end] as usize;
                assert_eq!((graph.to[back] as usize, graph.back[back] as usize), (peer, end));
            }
            others.sort_unstable();
            assert!(others.windows(2).all(|two| two[0] < two[1]), "nobody is known twice");
            assert!(!others.contains(&(peer as u32)), "nobody knows itself");
            assert!(others.len() <= MOST);
        }
        graph
    }

    #[test]
    fn peers_know_as_many_as_the_degree_says_on_average() {
        for degree in [7, 30, 40] {
            let graph = check(&[0; 2000], Some(degree));
            let mean = graph.ends() as f64 / 2000.0;
            assert!((mean - degree as f64).abs() < 0.01, "{degree}: {mean}");
        }
    }

    #[test]
    fn who_knows_all_knows_all() {
        assert_eq!(check(&[0; 30], None).ends(), 30 * 29);
        assert_eq!(check(&[0; 12], Some(40)).ends(), 12 * 11);
        assert_eq!(check(&[0], Some(40)).ends(), 0);
    }

    #[test]
    fn a_newcomer_knows_those_who_were_there_and_nobody_knows_too_many() {
        let joins: Vec<u64> = (0..3000).collect();
        let graph = check(&joins, Some(30));
        assert_eq!(graph.to[graph.of(2999)].len(), 15, "nobody came after it");
        let most = (0..3000).map(|peer| graph.of(peer).len()).max();
        assert!(most.is_some_and(|most| most > 60), "the first know the most: {most:?}");
    }
}
