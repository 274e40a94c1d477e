//! The missing piece: Hajek and Zhu, *The missing piece syndrome in peer-to-peer communication*,
//! ISIT 2010 (arXiv 1002.3493); Zhu and Hajek, IEEE Transactions on Information Theory, 2012.

/// Leechers that may come per second before their number grows without end, when who has everything
/// goes after `dwell` seconds on average:
///
/// ```text
/// lambda < U_s / (1 - mu/gamma)   if mu < gamma ,   any lambda otherwise
/// ```
/// `seed` is U_s and `peer` is mu, in pieces per second; gamma is 1/dwell. Whoever stays for long
/// enough to give one piece more, on average, repays what it took of the seed's rarest piece.
pub fn threshold(seed: f64, peer: f64, dwell: f64) -> f64 {
    let given = peer * dwell;
    if given < 1.0 { seed / (1.0 - given) } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stays_to_give_one_piece_more_is_enough() {
        assert!((threshold(1.0, 0.05, 0.0) - 1.0).abs() < 1e-12);
        assert!((threshold(1.0, 0.05, 10.0) - 2.0).abs() < 1e-12);
        assert!(threshold(1.0, 0.05, 20.0).is_infinite());
    }
}
