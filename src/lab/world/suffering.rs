//! What is done to the peers of a world from outside.

use super::World;
use super::events::Event;
use super::peer::Honesty;
use crate::clock::Moment;
use crate::lab::setting::Deed;

impl World {
    /// Something will be done to a peer; what is done to the tracker is done to it for all.
    pub fn plan(&mut self, at: Moment, peer: usize, deed: Deed) {
        self.agenda.plan(at, Event::Suffers(peer, deed));
    }

    /// It is done now.
    pub(super) fn suffer(&mut self, peer: usize, deed: Deed) {
        match deed {
            Deed::TrackerDown(time) => {
                self.tracker_down_until = self.tracker_down_until.max(self.now + time);
            }
            Deed::Kill => self.leave(peer),
            _ if self.peers[peer].report.left.is_some() => {}
            Deed::Pause(time) => {
                if self.peers[peer].paused.is_none() {
                    self.peers[peer].paused = Some(Vec::new());
                    self.agenda.plan(self.now + time, Event::Resumes(peer));
                }
            }
            Deed::Partition(time) => {
                let until = self.now + time;
                let cut = &mut self.peers[peer].cut_until;
                *cut = until.max(*cut);
            }
            Deed::Corrupt => self.peers[peer].options.honesty = Honesty::Liar,
            Deed::Rate(rate) => {
                self.peers[peer].options.up = Some(rate);
                self.peers[peer].uplink.set_rate(Some(rate));
            }
            Deed::FreeRide => {
                self.peers[peer].options.upload_slots = 0;
                self.drive(peer, |swarm, now, out| swarm.set_upload_slots(now, 0, out));
            }
        }
    }

    /// A paused peer goes on: what happened to it meanwhile happens now, in its order.
    pub(super) fn resume(&mut self, peer: usize) {
        let missed = self.peers[peer].paused.take().unwrap_or_default();
        missed.into_iter().for_each(|event| self.happen(event));
    }

    /// Keeps what happens to a peer during a pause, unless it is done to it from outside.
    pub(super) fn unless_paused(&mut self, event: Event) -> Option<Event> {
        let peer = match &event {
            Event::Ticks(peer)
            | Event::Rounds(peer)
            | Event::Sent(peer)
            | Event::Hears(peer, ..)
            | Event::Forgets(peer, _)
            | Event::Announces(peer) => *peer,
            Event::Joins(_) | Event::Leaves(_) | Event::Suffers(..) | Event::Resumes(_) => {
                return Some(event);
            }
        };
        match &mut self.peers[peer].paused {
            Some(missed) => {
                missed.push(event);
                None
            }
            None => Some(event),
        }
    }
}
