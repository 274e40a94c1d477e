//! Questions on how long it takes until all have a file: Kurose and Ross, Mundinger and others.

use super::super::theory;
use super::{Question, pick, show};
use fastrand::Rng;

const CLIENT_SERVER: &str =
    "D_cs = max { N F / u_s , F / d_min } (Kurose and Ross, 8th edition, section 2.5)";

const PEER_TO_PEER: &str = "D_p2p = max { F / u_s , F / d_min , N F / (u_s + sum of all u_i) } \
                            (Kurose and Ross, 8th edition, section 2.5)";

const DISTRIBUTION: &str = "distribution time";

/// A swarm of the homework: sizes in Gbit, rates in Mbit/s.
struct Homework {
    size: f64,
    peers: u32,
    seed_up: f64,
    up: f64,
    down: f64,
}

impl Homework {
    fn of(dice: &mut Rng, size: f64) -> Self {
        Self {
            size,
            peers: pick(dice, &[10, 20, 50, 100, 200, 500, 1000]),
            seed_up: pick(dice, &[20.0, 25.0, 30.0, 40.0, 50.0]),
            up: pick(dice, &[0.2, 0.3, 0.5, 0.7, 1.0, 1.5]),
            down: pick(dice, &[2.0, 3.0, 4.0]),
        }
    }

    fn bits(&self) -> f64 {
        self.size * 1000.0
    }

    fn text(&self, who: &str) -> String {
        format!(
            "A server with u_s = {} Mbit/s gives F = {} Gbit (1 Gbit = 1000 Mbit) to N = {} peers. \
             Each can receive d = {} Mbit/s and send u = {} Mbit/s. How long does it take at least \
             until all have it, {who}?",
            show(self.seed_up),
            show(self.size),
            self.peers,
            show(self.down),
            show(self.up)
        )
    }

    fn p2p(&self) -> f64 {
        let ups = vec![self.up; self.peers as usize];
        theory::peer_to_peer(self.bits(), self.seed_up, &ups, self.down)
    }

    fn p2p_working(&self) -> String {
        let bits = self.bits();
        let (peers, sum) = (f64::from(self.peers), f64::from(self.peers) * self.up);
        format!(
            "max {{ {bits}/{} = {} , {bits}/{} = {} , {peers} x {bits}/({} + {}) = {} }} = {}",
            show(self.seed_up),
            show(bits / self.seed_up),
            show(self.down),
            show(bits / self.down),
            show(self.seed_up),
            show(sum),
            show(peers * bits / (self.seed_up + sum)),
            show(self.p2p())
        )
    }
}

/// The homework, when nobody helps.
pub(super) fn client_server(dice: &mut Rng) -> Question {
    let size = pick(dice, &[5.0, 10.0, 15.0, 25.0, 30.0]);
    let swarm = Homework::of(dice, size);
    let answer = theory::client_server(swarm.bits(), swarm.peers, swarm.seed_up, swarm.down);
    let (bits, n) = (swarm.bits(), f64::from(swarm.peers));
    Question {
        topic: DISTRIBUTION,
        text: swarm.text("if only the server sends"),
        unit: "s",
        exact: false,
        answer,
        formula: CLIENT_SERVER,
        working: format!(
            "max {{ {n} x {bits}/{} = {} , {bits}/{} = {} }} = {}",
            show(swarm.seed_up),
            show(n * bits / swarm.seed_up),
            show(swarm.down),
            show(bits / swarm.down),
            show(answer)
        ),
        trap: Some((swarm.p2p(), "that is the time when the peers send too")),
    }
}

/// The homework, when the peers send too.
pub(super) fn peer_to_peer(dice: &mut Rng) -> Question {
    let size = pick(dice, &[5.0, 10.0, 15.0, 25.0, 30.0]);
    let swarm = Homework::of(dice, size);
    let alone = theory::client_server(swarm.bits(), swarm.peers, swarm.seed_up, swarm.down);
    Question {
        topic: DISTRIBUTION,
        text: swarm.text("if the peers send too"),
        unit: "s",
        exact: false,
        answer: swarm.p2p(),
        formula: PEER_TO_PEER,
        working: swarm.p2p_working(),
        trap: Some((alone, "that is the time when only the server sends")),
    }
}

/// The homework with 20 Gbit, to which many answer F/u_s with 1 Gbit = 1024 Mbit: 682.67 s.
pub(super) fn twenty_gigabits(dice: &mut Rng) -> Question {
    let peers = pick(dice, &[10, 100, 1000]);
    let up = pick(dice, &[0.3, 0.7, 2.0]);
    let swarm = Homework { size: 20.0, peers, seed_up: 30.0, up, down: 2.0 };
    Question {
        topic: DISTRIBUTION,
        text: swarm.text("if the peers send too"),
        unit: "s",
        exact: false,
        answer: swarm.p2p(),
        formula: PEER_TO_PEER,
        working: swarm.p2p_working(),
        trap: Some((
            20.0 * 1024.0 / 30.0,
            "that is F/u_s alone, with 1 Gbit taken for 1024 Mbit: a popular answer that forgets \
             the downlinks and the sum of all uplinks",
        )),
    }
}

/// The interactive example: seven peers that differ.
pub(super) fn seven_peers(dice: &mut Rng) -> Question {
    let ups: Vec<f64> = (0..7).map(|_| f64::from(dice.u32(15..=30))).collect();
    let downs: Vec<f64> = (0..7).map(|_| f64::from(dice.u32(15..=40))).collect();
    let size = f64::from(dice.u32(3..=9)) * 1000.0;
    let seed_up = f64::from(dice.u32(60..=95));
    let least = downs.iter().copied().fold(f64::MAX, f64::min);
    let answer = theory::peer_to_peer(size, seed_up, &ups, least);
    let sum = seed_up + ups.iter().sum::<f64>();
    let listed =
        |rates: &[f64]| rates.iter().map(|&rate| show(rate)).collect::<Vec<_>>().join(", ");
    Question {
        topic: DISTRIBUTION,
        text: format!(
            "A server with u_s = {} Mbit/s and seven peers share F = {} Gbit (1 Gbit = 1000 Mbit). \
             Their uplinks are {} Mbit/s, their downlinks {} Mbit/s. How long does it take at least \
             until all have it?",
            show(seed_up),
            show(size / 1000.0),
            listed(&ups),
            listed(&downs)
        ),
        unit: "s",
        exact: false,
        answer,
        formula: PEER_TO_PEER,
        working: format!(
            "max {{ {size}/{seed_up} = {} , {size}/{least} = {} , 7 x {size}/{sum} = {} }} = {}",
            show(size / seed_up),
            show(size / least),
            show(7.0 * size / sum),
            show(answer)
        ),
        trap: Some((
            theory::client_server(size, 7, seed_up, least),
            "that is the time when only the server sends",
        )),
    }
}

/// A point of figure 2.23.
pub(super) fn figure(dice: &mut Rng) -> Question {
    let peers: u32 = dice.u32(4..=60);
    let n = f64::from(peers);
    let answer = theory::peer_to_peer(1.0, 10.0, &vec![1.0; peers as usize], 10.0) * 60.0;
    Question {
        topic: DISTRIBUTION,
        text: format!(
            "One peer's uplink would send the file in an hour (F/u = 1 h), the server's is ten times \
             as fast (u_s = 10 u), and downlinks do not limit (d_min >= u_s). How many minutes does \
             it take at least until N = {peers} peers have it, if they send too?"
        ),
        unit: "min",
        exact: false,
        answer,
        formula: PEER_TO_PEER,
        working: format!("60 x max {{ 0.1 , {n}/(10 + {n}) }} = {}", show(answer)),
        trap: Some((n / 10.0 * 60.0, "that is the time when only the server sends")),
    }
}

const ROUNDS: &str = "M + floor(log2 N) rounds (Mundinger, Weber and Weiss 2008); one part doubles \
                      its holders each round";

/// Rounds of the uplink-sharing model.
pub(super) fn rounds(dice: &mut Rng) -> Question {
    let (peers, parts) = (dice.u32(5..=2000), pick(dice, &[10, 20, 50, 100, 256, 400]));
    let answer = f64::from(theory::fewest_rounds(peers, parts));
    Question {
        topic: "rounds",
        text: format!(
            "A server and N = {peers} peers have equal uplinks and free downlinks; in a round each \
             sends one part, and a part can be sent on only when it is whole. What is the least \
             number of rounds until all have a file of M = {parts} parts?"
        ),
        unit: "rounds",
        exact: true,
        answer,
        formula: ROUNDS,
        working: format!("{parts} + floor(log2 {peers}) = {parts} + {} = {answer}", peers.ilog2()),
        trap: Some((
            f64::from(parts) * (1.0 + f64::from(peers.ilog2())),
            "that sends the whole file before anybody sends it on: parts make a pipeline",
        )),
    }
}

/// A flash crowd and a file in one part.
pub(super) fn doubling(dice: &mut Rng) -> Question {
    let peers = dice.u32(20..=50_000);
    let answer = f64::from(theory::fewest_rounds(peers, 1));
    Question {
        topic: "rounds",
        text: format!(
            "A file is one part, and every peer that has it sends it to one other in a round. Only \
             the server has it at first, and N = {peers} peers want it. In how many rounds do all \
             have it?"
        ),
        unit: "rounds",
        exact: true,
        answer,
        formula: ROUNDS,
        working: format!("1 + floor(log2 {peers}) = 1 + {} = {answer}", peers.ilog2()),
        trap: Some((f64::from(peers), "that is the server alone: who has it sends it on")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    #[test]
    fn the_popular_answer_to_20_gigabits_is_recognised() {
        for seed in 0..20 {
            let question = twenty_gigabits(&mut Rng::with_seed(seed));
            assert!(matches!(question.mark(682.67), Mark::Trapped(why) if why.contains("1024")));
        }
    }

    #[test]
    fn the_working_of_the_homework_names_every_term() {
        let swarm = Homework { size: 15.0, peers: 1000, seed_up: 30.0, up: 0.3, down: 2.0 };
        assert_eq!(
            swarm.p2p_working(),
            "max { 15000/30 = 500 , 15000/2 = 7500 , 1000 x 15000/(30 + 300) = 45454.5 } = 45454.5"
        );
    }
}
