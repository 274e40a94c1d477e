//! The listener: takes connections and gives each a thread of its own.
//!
//! A connection that has not said who it is counts as a pending handshake; beyond 64 of them new
//! ones are dropped. When the process runs out of descriptors or threads it backs off instead of
//! spinning.

use crate::node::shared::Shared;
use crate::node::{connection, worker};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Builder;
use std::time::Duration;

/// Connections that may be in their opening at once.
const HANDSHAKES: usize = 64;

/// How long to wait when the system has no descriptor or thread left.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A connection's thread needs little: its parsers do not recurse, its buffer is on the heap.
pub const STACK: usize = 256 * 1024;

/// Accepts until the node stops.
pub fn run(shared: &Arc<Shared>, listener: &TcpListener) {
    loop {
        let accepted = listener.accept();
        if shared.is_stopping() {
            return;
        }
        match accepted {
            Ok((stream, from)) => on_accepted(shared, stream, from),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                log::warn!("accepting failed: {error}");
                if shared.wait(BACK_OFF) {
                    return;
                }
            }
        }
    }
}

fn on_accepted(shared: &Arc<Shared>, stream: TcpStream, from: SocketAddr) {
    if shared.handshakes.fetch_add(1, Ordering::AcqRel) >= HANDSHAKES {
        shared.handshakes.fetch_sub(1, Ordering::AcqRel);
        log::debug!("{from}: dropped: {HANDSHAKES} handshakes are pending");
        return;
    }
    let owned = shared.clone();
    let thread = Builder::new().name(format!("peer-{from}")).stack_size(STACK);
    let spawned = thread.spawn(move || {
        let answered = connection::answer(&owned, stream, from);
        owned.handshakes.fetch_sub(1, Ordering::AcqRel);
        match answered {
            Ok((connection, buffer)) => worker::run(&owned, &connection, buffer),
            Err(refused) => log::debug!("{from}: not let in: {refused}"),
        }
    });
    if let Err(error) = spawned {
        shared.handshakes.fetch_sub(1, Ordering::AcqRel);
        log::warn!("{from}: no thread for it: {error}");
        shared.wait(BACK_OFF);
    }
}
