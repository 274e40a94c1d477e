//! Questions to a hierarchy of trackers.

/// How often a cache knows the answer, when questions come by lot at `rate` per second and an answer
/// is kept for `ttl` seconds: `lambda T / (1 + lambda T)` (Jung, Berger and Balakrishnan, *Modeling
/// TTL-based Internet caches*, INFOCOM 2003). Each miss is followed by lambda T hits on average.
pub fn hit_ratio(rate: f64, ttl: f64) -> f64 {
    let hits = rate * ttl;
    if hits.is_finite() { hits / (1.0 + hits) } else { 1.0 }
}

/// How peers ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// A peer walks by itself.
    Iterative,
    /// A peer asks a resolver, which walks.
    Recursive,
    /// A peer asks a resolver, which asks the root, which asks the zone, which asks the authority.
    Chain,
}

impl std::str::FromStr for Ways {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "iterative" => Ok(Self::Iterative),
            "recursive" => Ok(Self::Recursive),
            "chain" => Ok(Self::Chain),
            _ => Err("expected iterative, recursive or chain".into()),
        }
    }
}

/// Messages that a question costs over a peer, a resolver, the root, one zone and an authority
/// (Kurose and Ross, section 2.4): when nobody knows anything, when the resolver knows whom to ask,
/// and when it knows the answer.
pub fn messages(ways: Ways) -> [f64; 3] {
    match ways {
        Ways::Iterative => [6.0, 6.0, 6.0],
        // In a chain an answer names who has authority: the resolver asks there itself the next time.
        Ways::Recursive | Ways::Chain => [8.0, 4.0, 2.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_knows_the_more_the_more_is_asked() {
        assert!((hit_ratio(0.1, 30.0) - 0.75).abs() < 1e-12);
        assert!((hit_ratio(0.02, 30.0) - 0.375).abs() < 1e-12);
        assert!((hit_ratio(1.0, 30.0) - 0.9677).abs() < 1e-4);
        assert!(hit_ratio(1.0, 0.0).abs() < 1e-12);
    }
}
