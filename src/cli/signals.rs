//! Ctrl-C, SIGTERM and a closed terminal as messages on a channel.
//!
//! The first asks the program to stop in good order, and is the last word three seconds later even
//! if nobody listens (a pipe that nobody reads can hold any thread), with the code that the program
//! would have ended with; the second ends it at once with code 130, whatever the other threads are
//! doing.

use super::exit::{CodeSoFar, Exit};
use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Somebody wants the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// How long a program has for stopping in good order.
pub const PATIENCE: Duration = Duration::from_millis(2900);

/// Starts the `signals` thread; the first signal arrives as a [`Stop`], and ends the program
/// after `patience` if it has not ended by then.
pub fn watch(patience: Duration) -> io::Result<Receiver<Stop>> {
    watch_for(&[SIGINT, SIGTERM], patience, &CodeSoFar::default(), || ())
}

/// The same for a peer, which a closed terminal (SIGHUP) ends in good order too, unless it was
/// started by `nohup`.
pub fn watch_of_peer(patience: Duration, code: &CodeSoFar) -> io::Result<Receiver<Stop>> {
    watch_for(with_hangup(), patience, code, || ())
}

/// The same for a program with children: whatever ends it before it has ended by itself does
/// `last_deed` first.
pub fn watch_also_hangup(
    patience: Duration,
    last_deed: impl Fn() + Send + Sync + 'static,
) -> io::Result<Receiver<Stop>> {
    watch_for(with_hangup(), patience, &CodeSoFar::default(), last_deed)
}

fn with_hangup() -> &'static [i32] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if ignores(&status, SIGHUP) { &[SIGINT, SIGTERM] } else { &[SIGINT, SIGTERM, SIGHUP] }
}

/// Whether whoever started the process had it ignore a signal: a mask in `/proc/self/status`.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn watch_for(
    which: &[i32],
    patience: Duration,
    code: &CodeSoFar,
    last_deed: impl Fn() + Send + Sync + 'static,
) -> io::Result<Receiver<Stop>> {
    let code = code.clone();
    let mut signals = Signals::new(which)?;
    let last_deed = Arc::new(last_deed);
    // One message at most: the second signal never gets as far as the channel.
    let (stop, stopped) = bounded(1);
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut arriving = signals.forever();
        if arriving.next().is_some() {
            // A program that no longer listens is ending already.
            let _ = stop.send(Stop);
            let last_deed = last_deed.clone();
            // Without a thread for it the second signal still ends the program.
            let _ = thread::Builder::new().name("patience".into()).spawn(move || {
                let _ = crossbeam_channel::after(patience).recv();
                last_deed();
                low_level::exit(i32::from(code.code()));
            });
        }
        if arriving.next().is_some() {
            last_deed();
            // Without destructors: they may wait for a thread that hangs.
            low_level::exit(i32::from(Exit::Interrupted.code()));
        }
    })?;
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_asks_to_stop() {
        let stopped = watch(Duration::MAX).expect("signals can be watched");
        low_level::raise(SIGTERM).expect("a process may signal itself");
        assert_eq!(stopped.recv_timeout(Duration::from_secs(10)), Ok(Stop));
    }

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        let check = |mask: &str, expected| {
            let status = format!("Name:\tpeer\nSigIgn:\t{mask}\nSigCgt:\tffffffffffffffff\n");
            assert_eq!(ignores(&status, SIGHUP), expected, "{mask}");
        };
        check("0000000000000001", true);
        check("0000000000001001", true);
        check("0000000000001000", false);
        check("", false);
        assert!(!ignores("", SIGHUP));
    }
}
