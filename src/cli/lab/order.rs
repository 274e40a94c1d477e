//! From an order of the page to what the lab is to do: values in, values out.

use crate::tracker::controls::Order;
use std::net::SocketAddr;

/// What can be ordered, by the names that the page knows.
pub const ACTIONS: &[&str] = &["kill", "limit", "free-rider", "add"];

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// End a peer as a power cut would.
    Kill(SocketAddr),
    /// Let a peer send so many bytes a second at most; none is no limit.
    Limit(SocketAddr, Option<u64>),
    /// Let a peer go on without serving anybody.
    FreeRide(SocketAddr),
    /// Start another peer.
    Add,
}

/// What an order means; the error is a sentence for the page.
pub fn deed(order: &Order) -> Result<Deed, String> {
    let whom = || {
        let action = order.action;
        order.addr.ok_or_else(|| format!("{action} needs a peer: choose one on the circle first"))
    };
    match order.action {
        "add" => Ok(Deed::Add),
        "kill" => whom().map(Deed::Kill),
        "free-rider" => whom().map(Deed::FreeRide),
        "limit" => {
            let rate = order.rate.ok_or("limit needs a rate: give it in kB/s, 0 for no limit")?;
            Ok(Deed::Limit(whom()?, (rate > 0).then_some(rate)))
        }
        other => Err(format!("this lab knows no {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_what_it_needs() {
        let peer = SocketAddr::from(([127, 0, 0, 1], 6881));
        let check = |action: &'static str, addr: Option<SocketAddr>, rate, expected: &str| {
            let order = Order { action, addr, rate };
            let found = deed(&order).map_or_else(|why| why, |deed| format!("{deed:?}"));
            assert_eq!(found, expected, "{order:?}");
        };
        check("kill", Some(peer), None, "Kill(127.0.0.1:6881)");
        check("free-rider", Some(peer), Some(1), "FreeRide(127.0.0.1:6881)");
        check("add", None, None, "Add");
        check("limit", Some(peer), Some(1), "Limit(127.0.0.1:6881, Some(1))");
        check("limit", Some(peer), Some(0), "Limit(127.0.0.1:6881, None)");
        check("limit", Some(peer), None, "limit needs a rate: give it in kB/s, 0 for no limit");
        check("kill", None, None, "kill needs a peer: choose one on the circle first");
        check("limit", None, Some(1), "limit needs a peer: choose one on the circle first");
    }

    #[test]
    fn every_action_that_the_page_is_told_is_understood() {
        for &action in ACTIONS {
            let addr = Some(SocketAddr::from(([127, 0, 0, 1], 1)));
            assert!(deed(&Order { action, addr, rate: Some(1) }).is_ok(), "{action}");
        }
    }
}
