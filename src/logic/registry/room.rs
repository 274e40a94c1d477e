//! Who may come, and who gives way: the bounds of the tables.

use super::details;
use super::members::{Mark, Standing};
use super::queue::Id;
use super::torrent::{About, Place, Torrent};
use super::wheel::is_before;
use super::{At, Refused, Registration, Registry, kind};
use crate::clock::Moment;
use std::net::IpAddr;

/// Peers of a torrent, and torrents, looked at to find one that gives way.
const LOOKS: usize = 64;

impl Registry {
    /// Whether an address may announce now.
    pub(super) fn check_pace(&mut self, now: Moment, ip: IpAddr) -> Result<(), Refused> {
        if self.is_exempt(ip) || self.pace.allows(now, ip) { Ok(()) } else { Err(Refused::Pace) }
    }

    /// Whether an address may have one registration more.
    pub(super) fn check_address(&self, ip: IpAddr) -> Result<(), Refused> {
        let cap = self.params.max_per_address;
        if cap > 0 && !self.is_exempt(ip) && self.crowd.count(ip) >= cap {
            return Err(Refused::Address);
        }
        Ok(())
    }

    /// Makes room for what a native newcomer says of itself, and of its torrent if that is new;
    /// says whether somebody went.
    pub(super) fn make_room_aside(
        &mut self,
        newcomer: Option<&Registration>,
    ) -> Result<bool, Refused> {
        let Some(newcomer) = newcomer else { return Ok(false) };
        let before = self.peers;
        for _ in 0..LOOKS {
            if self.has_room_aside(newcomer) {
                break;
            }
            let Some((id, addr)) = self.details.next_in_line() else { break };
            let torrent = self.torrents.try_get(id);
            let Some(place) = torrent.and_then(|torrent| torrent.find(&self.hasher, addr)) else {
                continue;
            };
            let Standing { marks, .. } = self.torrents.get(id).standing(place);
            if kind(&self.torrents.get(id).name) == 1 {
                self.set_detail((id, place), addr, None);
            } else if !marks.has(Mark::PROVEN) {
                self.remove((id, place));
            }
        }
        if self.has_room_aside(newcomer) { Ok(self.peers < before) } else { Err(Refused::Memory) }
    }

    /// Whether there is room for a newcomer's details, and for its torrent's name unless that is
    /// there: it may have gone with who gave way.
    fn has_room_aside(&self, newcomer: &Registration) -> bool {
        let is_known = self.torrents.find(&self.hasher, &newcomer.info_hash).is_some();
        let about = if is_known { 0 } else { About::cost(&newcomer.name) };
        self.details.has_room(details::COST + about)
    }

    /// Makes room for a newcomer to a torrent, or for a new torrent; says whether somebody went.
    pub(super) fn make_room(&mut self, torrent: Option<Id>) -> Result<bool, Refused> {
        let before = self.peers;
        match torrent {
            None if self.torrents.len() >= self.params.max_torrents => {
                self.remove_torrent(self.unproven.first().ok_or(Refused::Torrents)?);
            }
            Some(id) if self.torrents.get(id).len() >= self.params.max_peers_per_torrent => {
                let oldest = self.oldest_fresh_of(id).ok_or(Refused::Torrent)?;
                self.remove((id, oldest));
            }
            _ => {}
        }
        if self.peers >= self.params.max_peers {
            let oldest = self.next_to_give_way().ok_or(Refused::Peers)?;
            self.remove(oldest);
        }
        Ok(self.peers < before)
    }

    /// Who goes when there are too many peers.
    fn next_to_give_way(&mut self) -> Option<At> {
        if let Some(id) = self.unproven.first() {
            return self.oldest_fresh_of(id).map(|place| (id, place));
        }
        for _ in 0..self.torrents.places().min(LOOKS) {
            let id = self.hand;
            self.hand = (id + 1) % self.torrents.places() as Id;
            let has_fresh = |torrent: &Torrent| (torrent.proven as usize) < torrent.len();
            if self.torrents.try_get(id).is_some_and(has_fresh)
                && let Some(place) = self.oldest_fresh_of(id)
            {
                return Some((id, place));
            }
        }
        None
    }

    /// The first to expire of those not heard of again; in a large torrent, of some of them.
    fn oldest_fresh_of(&mut self, id: Id) -> Option<Place> {
        let torrent = self.torrents.get(id);
        let (length, four) = (torrent.len(), torrent.count(false));
        let start = if length > LOOKS { self.rng.usize(..length) } else { 0 };
        let mut oldest: Option<(Place, Standing)> = None;
        for n in 0..length.min(LOOKS) {
            let position = (start + n) % length;
            let six = position >= four;
            let place = Place { six, at: if six { position - four } else { position } };
            let standing = torrent.standing(place);
            let is_older = oldest.is_none_or(|(_, than)| is_before(standing.due, than.due));
            if !standing.marks.has(Mark::PROVEN) && is_older {
                oldest = Some((place, standing));
            }
        }
        oldest.map(|(place, _)| place)
    }
}
