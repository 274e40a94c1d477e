//! Peers that come and go as a fluid: Qiu and Srikant, *Modeling and performance analysis of
//! BitTorrent-like peer-to-peer networks*, SIGCOMM 2004.

/// What shapes such a swarm. The content is the unit: rates are contents per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fluid {
    /// lambda: leechers that come per second.
    pub arrivals: f64,
    /// theta: the rate at which a leecher gives up.
    pub aborts: f64,
    /// c: a peer's downlink.
    pub down: f64,
    /// mu: a peer's uplink.
    pub up: f64,
    /// gamma: the rate at which who has everything goes; infinite if it goes at once.
    pub departures: f64,
    /// eta: the share of the uplink that a leecher has use for.
    pub effectiveness: f64,
    /// s0: seeds that never go, in uplinks of a peer.
    pub permanent: f64,
}

/// Where such a swarm comes to rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rest {
    /// x: leechers.
    pub leechers: f64,
    /// y: seeds that came as leechers.
    pub seeds: f64,
    /// T: seconds from coming to having everything, or to giving up.
    pub time: f64,
}

impl Fluid {
    /// The rest in closed form:
    ///
    /// ```text
    /// 1/beta = max { 1/c , (1/eta)(1/mu - 1/gamma) } ;  T = 1/(theta + beta)
    /// x = lambda / (beta (1 + theta/beta)) ;  y = lambda / (gamma (1 + theta/beta))
    /// ```
    /// (section 3), and with seeds that stay and nobody who gives up
    /// `x = max { lambda/c , (lambda/mu - lambda/gamma - s0)/eta }`, T being x/lambda (Little).
    pub fn rest(&self) -> Rest {
        let Self { arrivals, aborts, down, up, departures, effectiveness, permanent } = *self;
        let stays = if departures > 0.0 { 1.0 / departures } else { f64::INFINITY };
        if permanent > 0.0 {
            let by_up = (arrivals / up - arrivals * stays - permanent) / effectiveness;
            let leechers = by_up.max(arrivals / down);
            return Rest { leechers, seeds: arrivals * stays, time: leechers / arrivals };
        }
        let slowest = (1.0 / down).max((1.0 / up - stays) / effectiveness);
        let share = 1.0 + aborts * slowest;
        let leechers = arrivals * slowest / share;
        Rest { leechers, seeds: arrivals * stays / share, time: slowest / share }
    }

    /// Leechers and seeds after so many seconds, from an empty swarm, in steps of `step` seconds:
    ///
    /// ```text
    /// dx/dt = lambda - theta x - min { c x , mu (eta x + y + s0) }
    /// dy/dt = min { c x , mu (eta x + y + s0) } - gamma y
    /// ```
    pub fn after(&self, seconds: f64, step: f64) -> (f64, f64) {
        let slope = |(x, y): (f64, f64)| {
            let sent = self.up * (self.effectiveness * x + y + self.permanent);
            let done = (self.down * x).min(sent).max(0.0);
            let gone = if self.departures.is_finite() { self.departures * y } else { done };
            (self.arrivals - self.aborts * x - done, done - gone)
        };
        let moved = |(x, y): (f64, f64), (dx, dy): (f64, f64), by: f64| (x + dx * by, y + dy * by);
        let mut now = (0.0, 0.0);
        for _ in 0..(seconds / step).round() as u64 {
            // Heun: the mean of the slopes at both ends.
            let first = slope(now);
            let second = slope(moved(now, first, step));
            now = moved(moved(now, first, step / 2.0), second, step / 2.0);
            now = (now.0.max(0.0), now.1.max(0.0));
        }
        now
    }
}

/// eta: the chance that a leecher has something for one of `neighbours` others, when the content
/// has so many pieces: `1 - (log M / M)^k` (section 3.2.2).
pub fn effectiveness(pieces: u32, neighbours: u32) -> f64 {
    let pieces = f64::from(pieces);
    let useless = (pieces.ln() / pieces).clamp(0.0, 1.0);
    if pieces <= 1.0 { 0.0 } else { 1.0 - useless.powi(neighbours as i32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sets of the paper, section 4: the content is the unit.
    const PAPER: Fluid = Fluid {
        arrivals: 0.04,
        aborts: 0.001,
        down: 0.002,
        up: 0.00125,
        departures: 0.001,
        effectiveness: 1.0,
        permanent: 0.0,
    };

    fn near(got: f64, right: f64) {
        assert!((got / right - 1.0).abs() < 0.003, "{got}, not {right}");
    }

    #[test]
    fn the_examples_of_the_paper() {
        near(PAPER.rest().time, 1000.0 / 3.0);
        near(Fluid { departures: 0.005, ..PAPER }.rest().time, 375.0);
    }

    #[test]
    fn the_equations_come_to_rest_where_the_closed_form_says() {
        for departures in [0.001, 0.005, f64::INFINITY] {
            for aborts in [0.0, 0.001] {
                let fluid = Fluid { aborts, departures, ..PAPER };
                let (x, _) = fluid.after(50_000.0, 1.0);
                near(x, fluid.rest().leechers);
                let seeded = Fluid { permanent: 2.0, aborts: 0.0, ..fluid };
                near(seeded.after(50_000.0, 1.0).0, seeded.rest().leechers);
            }
        }
    }

    #[test]
    fn the_time_does_not_depend_on_how_many_come() {
        let time = |arrivals| Fluid { arrivals, ..PAPER }.rest().time;
        near(time(0.01), time(10.0));
    }

    #[test]
    fn with_many_pieces_hardly_anybody_is_of_no_use() {
        assert!(effectiveness(512, 4) > 0.999_999);
        assert!((effectiveness(1, 4)).abs() < 1e-12, "who has the only piece is a seed");
    }
}
