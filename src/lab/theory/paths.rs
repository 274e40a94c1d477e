//! What one connection carries, and how long its end takes.

/// Bytes per second of one connection with `in_flight` requests under way:
///
/// ```text
/// min { C , q B / (RTT + B/C) }
/// ```
/// With q = 1 it is the utilisation of stop-and-wait, (L/R)/(RTT + L/R) (Kurose and Ross, section
/// 3.4); Cohen, *Incentives Build Robustness in BitTorrent*, 2003, section 2.3, keeps five.
pub fn pipelined(capacity: f64, in_flight: f64, block: f64, round_trip: f64) -> f64 {
    if capacity.is_infinite() {
        return if round_trip > 0.0 { in_flight * block / round_trip } else { capacity };
    }
    capacity.min(in_flight * block / (round_trip + block / capacity))
}

/// Bytes per second of one TCP connection that loses a share of its packets:
/// `MSS/RTT sqrt(3/2) / sqrt(p)` (Mathis, Semke, Mahdavi and Ott, *The macroscopic behavior of the
/// TCP congestion avoidance algorithm*, CCR 1997).
pub fn mathis(segment: f64, round_trip: f64, loss: f64) -> f64 {
    segment / round_trip * 1.5_f64.sqrt() / loss.sqrt()
}

/// Seconds that the last requests take at most when they are with a slow peer and nobody else is
/// asked: `q B / r_slow`.
pub fn tail_alone(in_flight: f64, block: f64, slow: f64) -> f64 {
    in_flight * block / slow
}

/// The same when a fast peer is asked for them, too (Cohen 2003, section 2.4.4): at most
/// `RTT + B/r_fast` for each block that it fetches.
pub fn tail_helped(round_trip: f64, block: f64, fast: f64) -> f64 {
    round_trip + block / fast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_filled_once_so_much_is_under_way_as_it_holds() {
        // 20 Mbit/s, 41 ms, blocks of 16 KiB: filled from 7.3 on.
        let rate = |q: f64| pipelined(2.5e6, q, 16384.0, 0.041);
        assert!((rate(1.0) - 16384.0 / 0.047_553_6).abs() < 1.0);
        assert!(rate(7.0) < 2.5e6 && (rate(8.0) - 2.5e6).abs() < 1e-6);
        // Five fill 64 KiB of bandwidth times round trip, and at 100 ms no more than 655 kB/s
        // and the block that is being sent.
        assert!((pipelined(f64::INFINITY, 5.0, 16384.0, 0.1) - 819_200.0).abs() < 1.0);
        assert!((pipelined(655_360.0, 5.0, 16384.0, 0.1) - 655_360.0).abs() < 1e-6);
    }

    #[test]
    fn a_lossy_connection_is_as_slow_as_mathis_says() {
        // 1460 bytes, 100 ms, 1 %: 1.2247 * 10 * 14600.
        assert!((mathis(1460.0, 0.1, 0.01) - 178_812.0).abs() < 10.0);
    }

    #[test]
    fn five_blocks_of_a_slow_peer_take_ten_seconds() {
        assert!((tail_alone(5.0, 16384.0, 8000.0) - 10.24).abs() < 1e-9);
        assert!(tail_helped(0.1, 16384.0, 1e6) < 0.12);
    }
}
