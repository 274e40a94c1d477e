//! What the books promise: lower bounds on the time that a file takes to reach everybody.
//!
//! Sizes and rates may be in any unit, if it is the same one: bits and bits per second, or bytes
//! and bytes per second. Times are in seconds, unless a function says otherwise.

/// Questions to a hierarchy of trackers.
pub mod asking;
/// Peers that come and go.
pub mod fluid;
/// Every bound that applies to a setting.
mod measures;
/// The missing piece.
pub mod missing;
/// One connection.
pub mod paths;

pub use measures::measures;

/// The least time in which a server alone gives a file to `peers` peers:
///
/// ```text
/// D_cs >= max { N F / u_s , F / d_min }
/// ```
/// Kurose and Ross, *Computer Networking*, 8th edition, section 2.5. It is attained.
pub fn client_server(size: f64, peers: u32, seed_up: f64, least_down: f64) -> f64 {
    (f64::from(peers) * size / seed_up).max(size / least_down)
}

/// The least time in which a seed and the peers themselves, which upload at `peer_ups`, give a
/// file to all of them:
///
/// ```text
/// D_p2p >= max { F / u_s , F / d_min , N F / (u_s + sum u_i) }
/// ```
/// Kurose and Ross, section 2.5; that a fluid attains it: Kumar and Ross, *Peer-assisted file
/// distribution: the minimum distribution time*, HotWeb 2006. Pieces and blocks cannot go below.
pub fn peer_to_peer(size: f64, seed_up: f64, peer_ups: &[f64], least_down: f64) -> f64 {
    let all_ups = seed_up + peer_ups.iter().sum::<f64>();
    (size / seed_up).max(size / least_down).max(peer_ups.len() as f64 * size / all_ups)
}

/// The fewest rounds in which a server and `peers` peers, each of which uploads one part in a
/// round, give `parts` parts to all of them; a part may be passed on only when it is whole:
///
/// ```text
/// M + floor(log2 N)
/// ```
/// Mundinger, Weber and Weiss, *Optimal scheduling of peer-to-peer file dissemination*, Journal of
/// Scheduling 11 (2008). The last part can leave the server after M - 1 rounds at the earliest, and
/// who has a part at most doubles in a round.
pub fn fewest_rounds(peers: u32, parts: u32) -> u32 {
    parts + peers.max(1).ilog2()
}

/// The same in units of F/u, the time in which one uplink sends the file: `1 + floor(log2 N) / M`.
pub fn least_makespan(peers: u32, parts: u32) -> f64 {
    f64::from(fewest_rounds(peers, parts)) / f64::from(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// As it is printed: to `digits` places.
    fn near(got: f64, printed: f64, digits: i32) {
        assert!((got - printed).abs() <= 0.5001 * 10f64.powi(-digits), "{got}, not {printed}");
    }

    #[test]
    fn the_curves_of_kurose_and_ross_figure_2_23() {
        // F/u is an hour, u_s = 10u, d_min >= u_s.
        let printed = [
            (1, 0.1, 0.1),
            (2, 0.2, 0.1667),
            (5, 0.5, 0.3333),
            (10, 1.0, 0.5),
            (15, 1.5, 0.6),
            (20, 2.0, 0.6667),
            (25, 2.5, 0.7143),
            (30, 3.0, 0.75),
            (35, 3.5, 0.7778),
        ];
        for (n, alone, together) in printed {
            near(client_server(1.0, n, 10.0, 10.0), alone, 4);
            near(peer_to_peer(1.0, 10.0, &vec![1.0; n as usize], 10.0), together, 4);
        }
    }

    #[test]
    fn the_homework_of_kurose_and_ross_in_seconds() {
        const NS: [u32; 3] = [10, 100, 1000];
        let check = |gigabits: f64, up: f64, printed: [f64; 3]| {
            for (n, printed) in NS.into_iter().zip(printed) {
                near(peer_to_peer(gigabits * 1e9, 30e6, &vec![up; n as usize], 2e6), printed, 0);
            }
        };
        check(15.0, 300e3, [7500.0, 25000.0, 45455.0]);
        check(15.0, 700e3, [7500.0, 15000.0, 20548.0]);
        check(15.0, 2e6, [7500.0, 7500.0, 7500.0]);
        check(20.0, 300e3, [10000.0, 33333.0, 60606.0]);
        check(20.0, 700e3, [10000.0, 20000.0, 27397.0]);
        check(20.0, 2e6, [10000.0, 10000.0, 10000.0]);
        check(15.0, 500e3, [7500.0, 18750.0, 28302.0]);
        check(15.0, 1e6, [7500.0, 11538.0, 14563.0]); // some print 11539; it is 11538.46
        for (n, of_15, of_20) in
            [(10, 7500.0, 10000.0), (100, 50000.0, 66667.0), (1000, 500_000.0, 666_667.0)]
        {
            near(client_server(15e9, n, 30e6, 2e6), of_15, 0);
            near(client_server(20e9, n, 30e6, 2e6), of_20, 0);
        }
    }

    #[test]
    fn the_interactive_example_of_kurose_and_ross() {
        let ups = [24.0, 23.0, 27.0, 25.0, 18.0, 29.0, 27.0];
        let least_down = 17.0;
        near(peer_to_peer(7000.0, 84.0, &ups, least_down), 411.76, 2);
        near(client_server(7000.0, 7, 84.0, least_down), 583.33, 2);
    }

    #[test]
    fn one_part_doubles_its_holders_every_round() {
        for (n, rounds) in [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (1023, 10)] {
            assert_eq!(fewest_rounds(n, 1), rounds, "{n}");
        }
        near(least_makespan(31, 100), 1.04, 4);
    }

    #[test]
    fn it_is_the_time_of_a_broadcast_with_simultaneous_sends_and_receives() {
        for n in 1u32..200 {
            let to_reach = (n + 1).next_power_of_two().ilog2(); // ceil(log2(n + 1))
            assert_eq!(fewest_rounds(n, 9), 9 - 1 + to_reach, "{n}");
        }
    }

    #[test]
    fn no_schedule_of_a_small_swarm_is_faster_and_some_schedule_is_as_fast() {
        for (n, m) in [(1, 1), (2, 1), (3, 1), (4, 1), (1, 3), (2, 2), (2, 3), (3, 2)] {
            assert_eq!(searched(n, m), fewest_rounds(n, m), "{n} peers, {m} parts");
        }
    }

    /// The fewest rounds, by trying every schedule. A state is who has what, as bits.
    fn searched(n: u32, m: u32) -> u32 {
        let full = (1u8 << m) - 1;
        let mut states = HashSet::from([vec![0u8; n as usize]]);
        for round in 1.. {
            let mut after = HashSet::new();
            for state in &states {
                send(state, full, 0, &mut state.clone(), &mut after);
            }
            if after.contains(&vec![full; n as usize]) {
                return round;
            }
            states = after;
        }
        unreachable!("some round is the last")
    }

    /// Lets uploader `who` (0 is the server) send any part that it had to anybody, or nothing.
    fn send(before: &[u8], full: u8, who: usize, now: &mut Vec<u8>, after: &mut HashSet<Vec<u8>>) {
        if who > before.len() {
            let mut state = now.clone();
            state.sort_unstable(); // peers are alike
            after.insert(state);
            return;
        }
        send(before, full, who + 1, now, after);
        let has = if who == 0 { full } else { before[who - 1] };
        for part in (0..8).map(|part| 1u8 << part).filter(|part| has & part != 0) {
            for to in 0..now.len() {
                if now[to] & part == 0 {
                    now[to] |= part;
                    send(before, full, who + 1, now, after);
                    now[to] &= !part;
                }
            }
        }
    }
}
