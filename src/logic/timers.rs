//! The timers of the choker, as values: what a time scale divides, and nothing else.

use std::time::Duration;

/// How often whom to serve is decided, and how far back such a decision looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// How often the slots are given out anew. Default: 10 s (Cohen 2003, section 3.2).
    pub round: Duration,
    /// How long an optimistic slot stays with its peer. Default: 30 s (section 3.3).
    pub optimistic: Duration,
    /// Who sent nothing for so long does not serve us. Default: 60 s (section 3.4).
    pub snub: Duration,
    /// Over how long it is measured what a peer gives. Default: 20 s (section 3.2).
    pub rate_window: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            round: Duration::from_secs(10),
            optimistic: Duration::from_secs(30),
            snub: Duration::from_mins(1),
            rate_window: Duration::from_secs(20),
        }
    }
}

impl Timers {
    /// These timers in a world that runs `time_scale` times as fast.
    #[must_use]
    pub fn scaled(self, time_scale: f64) -> Self {
        Self {
            round: self.round.div_f64(time_scale),
            optimistic: self.optimistic.div_f64(time_scale),
            snub: self.snub.div_f64(time_scale),
            rate_window: self.rate_window.div_f64(time_scale),
        }
    }

    /// For how many rounds an optimistic slot stays with its peer, at least one. Rounds are
    /// counted, because a round may come a little early or late.
    pub fn optimistic_rounds(&self) -> u32 {
        self.optimistic.div_duration_f64(self.round).round().max(1.0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_scale_divides_every_timer_and_no_relation_between_them() {
        let scaled = Timers::default().scaled(60.0);
        assert_eq!(scaled.snub, Duration::from_secs(1));
        assert_eq!(scaled.optimistic, Duration::from_millis(500));
        for time_scale in [0.01, 0.3, 1.0, 7.0, 56.0, 1e6] {
            assert_eq!(Timers::default().scaled(time_scale).optimistic_rounds(), 3, "{time_scale}");
        }
    }
}
