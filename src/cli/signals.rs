//! Ctrl-C and SIGTERM as messages on a channel.
//!
//! The first asks the program to stop in good order; the second ends it at once with code 130,
//! whatever the other threads are doing.

use super::exit::Exit;
use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use std::io;
use std::thread;

/// Somebody wants the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// Starts the `signals` thread; the first signal arrives as a [`Stop`].
pub fn watch() -> io::Result<Receiver<Stop>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    // One message at most: the second signal never gets as far as the channel.
    let (stop, stopped) = bounded(1);
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut arriving = signals.forever();
        if arriving.next().is_some() {
            // A program that no longer listens is ending already.
            let _ = stop.send(Stop);
        }
        if arriving.next().is_some() {
            // Without destructors: they may wait for a thread that hangs.
            low_level::exit(i32::from(Exit::Interrupted.code()));
        }
    })?;
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_first_signal_asks_to_stop() {
        let stopped = watch().expect("signals can be watched");
        low_level::raise(SIGTERM).expect("a process may signal itself");
        assert_eq!(stopped.recv_timeout(Duration::from_secs(10)), Ok(Stop));
    }
}
