//! Nobody: takes what others give on trial or as seeders, and gives nothing.
//!
//! Locher, Moor, Schmid and Wattenhofer (*Free Riding in BitTorrent is Cheap*, 2006) built such a
//! client, BitThief, and finished their downloads with it. Sirivianos and others (*Free-riding in
//! BitTorrent Networks with the Large View Exploit*, 2007) add to connect to everyone.

use super::{Served, Strategy, View};

/// Nobody.
#[derive(Debug)]
pub struct FreeRide;

impl Strategy for FreeRide {
    fn next_round(&mut self, _: &View, _: &mut fastrand::Rng) -> Vec<Served> {
        Vec::new()
    }

    fn most(&self, _: usize) -> usize {
        0
    }
}
