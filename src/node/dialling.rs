//! Calls the peers that the dialer names, each on a thread of its own.

use crate::clock::Moment;
use crate::logic::dialer::{Dial, Load};
use crate::node::listener::STACK;
use crate::node::opening::Refused;
use crate::node::shared::{Shared, Torrent};
use crate::node::{connection, worker};
use crate::trace::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// The calls under way.
#[derive(Debug, Clone, Default)]
pub struct Dialling(Arc<AtomicUsize>);

impl Dialling {
    /// Calls whom a torrent's dialer names now, as far as there is room.
    pub fn dial(&self, shared: &Arc<Shared>, torrent: &Arc<Torrent>, now: Moment) {
        if torrent.failed.load(Ordering::Acquire) || !torrent.stay.is_in() {
            return;
        }
        let seeding = torrent.completed.load(Ordering::Acquire);
        let all = Load {
            most: shared.max_peers.load(Ordering::Acquire),
            connected: shared.connections.load(Ordering::Acquire),
            under_way: self.0.load(Ordering::Acquire),
        };
        let mut peers = torrent.peers.lock();
        let own = Load {
            most: torrent.max_peers(),
            connected: peers.connections.len(),
            under_way: torrent.calls.load(Ordering::Acquire),
        };
        let due = peers.dialer.next_dials(now, all.free_of(own, seeding), seeding);
        drop(peers);
        for dial in due {
            self.0.fetch_add(1, Ordering::AcqRel);
            torrent.calls.fetch_add(1, Ordering::AcqRel);
            let (shared, called, dialling) = (shared.clone(), torrent.clone(), self.clone());
            let thread = Builder::new().name(format!("peer-{}", dial.address)).stack_size(STACK);
            let spawned = thread.spawn(move || dialling.call(&shared, &called, dial));
            if let Err(error) = spawned {
                log::warn!("{}: no thread for it: {error}", dial.address);
                self.is_answered(torrent);
            }
        }
    }

    /// A dialling thread, which becomes the connection's worker when the peer answers.
    fn call(&self, shared: &Shared, torrent: &Arc<Torrent>, dial: Dial) {
        let Dial { address, dialect, why } = dial;
        log::debug!("{address}: called, {dialect}: {why}");
        if let Some(trace) = &shared.trace {
            trace.write(&Event::Dial { torrent: torrent.info_hash.short(), dial });
        }
        let answered = shared.guard.contain(|| connection::dial(shared, torrent, &dial));
        self.is_answered(torrent);
        match answered {
            Some(Ok((connection, buffer))) => worker::run(shared, &connection, buffer),
            // It panicked, which was said.
            None => torrent.peers.lock().dialer.on_failed(shared.clock.now(), address),
            Some(Err(refused)) => {
                log::debug!("{address}: no {dialect} connection: {refused}");
                if let Some(trace) = &shared.trace {
                    trace.write(&Event::Refused { peer: address, why: &refused.to_string() });
                }
                on_refused(shared, torrent, dial, &refused);
            }
        }
        let _ = shared.nudge.try_send(()); // a dial slot is free
    }

    /// A call less is under way.
    fn is_answered(&self, torrent: &Torrent) {
        self.0.fetch_sub(1, Ordering::AcqRel);
        torrent.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a call that led to nothing says of the address.
fn on_refused(shared: &Shared, torrent: &Torrent, dial: Dial, refused: &Refused) {
    let (now, address) = (shared.clock.now(), dial.address);
    let mut peers = torrent.peers.lock();
    match refused {
        Refused::Ourselves => peers.dialer.on_never(address),
        // Ours: the torrent was paused meanwhile.
        Refused::UnknownContent(_) => peers.dialer.on_paused(now, address),
        // It called us meanwhile, and that connection stays: this one was cut short for it.
        _ if peers.is_connected(address) => {}
        refused if refused.is_misunderstanding() => peers.dialer.on_misunderstood(now, address),
        refused if refused.is_answer() => peers.dialer.on_declined(now, address),
        _ => peers.dialer.on_failed(now, address),
    }
}
