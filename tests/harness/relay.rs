//! A slow wire: a TCP relay that delivers every byte a fixed time after it came.

use crossbeam_channel::{Receiver, Sender, at, bounded};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// Runs that may be under way in one direction: with runs of 64 KiB more than any pipe holds.
const UNDER_WAY: usize = 4096;

type Run = (Instant, Vec<u8>);

/// A relay to one address.
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    calls: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts it; each direction is delayed by `delay`.
    pub fn start(to: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the relay");
        let address = listener.local_addr().expect("it listens");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let thread = spawn(move || {
            for near in listener.incoming().flatten() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let Ok(far) = TcpStream::connect(to) else { continue };
                for (from, into) in [(&near, &far), (&far, &near)] {
                    let (Ok(from), Ok(into)) = (from.try_clone(), into.try_clone()) else {
                        continue;
                    };
                    let (sender, receiver) = bounded(UNDER_WAY);
                    spawn(move || take(from, &sender, delay));
                    spawn(move || give(into, &receiver));
                }
            }
        });
        Self { address, calls, stop, thread: Some(thread) }
    }

    /// Connections accepted.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address); // wakes the thread
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn take(mut from: TcpStream, runs: &Sender<Run>, delay: Duration) {
    let _ = from.set_nodelay(true);
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if runs.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn give(mut into: TcpStream, runs: &Receiver<Run>) {
    let _ = into.set_nodelay(true);
    for (due, bytes) in runs {
        let _ = at(due).recv();
        if into.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = into.shutdown(Shutdown::Write);
}
