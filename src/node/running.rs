//! The threads of a node that are waited for when it stops.

use crossbeam_channel::Sender;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How soon a thread is asked for again where there was none left.
const NO_THREAD: Duration = Duration::from_millis(20);

/// The threads that are waited for when the node stops: each holds the sender while it runs.
pub(super) struct Running(pub(super) Sender<()>);

impl Running {
    /// Starts one.
    pub(super) fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let running = self.0.clone();
        Builder::new().name(name.to_owned()).spawn(move || {
            body();
            drop(running);
        })?;
        Ok(())
    }

    /// Where the system may have no thread left it is asked again until then: those of the peers
    /// are about to end.
    pub(super) fn until(&self, deadline: Instant) -> Patient<'_> {
        Patient { running: self, deadline }
    }
}

/// Starts threads for which there may be no room yet.
pub(super) struct Patient<'a> {
    running: &'a Running,
    deadline: Instant,
}

impl Patient<'_> {
    /// Starts one.
    pub(super) fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let body = Arc::new(Mutex::new(Some(body)));
        loop {
            let one = body.clone();
            let begin = move || {
                let body = one.lock().take();
                if let Some(body) = body {
                    body();
                }
            };
            match self.running.spawn(name, begin) {
                Err(_) if Instant::now() < self.deadline => {
                    let _ = crossbeam_channel::after(NO_THREAD).recv();
                }
                spawned => return spawned,
            }
        }
    }
}
