//! What this machine moves over its loopback in a second: one connection, a third of a second.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How long it is tried.
const TRIAL: Duration = Duration::from_millis(300);

/// Bytes at once.
const CHUNK: usize = 256 * 1024;

/// Bytes per second.
pub fn measured() -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut to = TcpStream::connect(listener.local_addr()?)?;
    let (mut from, _) = listener.accept()?;
    let reader = Builder::new().name("capacity".into()).spawn(move || {
        let mut buffer = vec![0; CHUNK];
        let mut sum = 0_u64;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            sum += count as u64;
        }
        sum
    })?;
    let begun = Instant::now();
    let chunk = vec![0x5a; CHUNK];
    while begun.elapsed() < TRIAL {
        to.write_all(&chunk)?;
    }
    drop(to);
    // The reader ends with the connection, and never by a panic.
    let sum = reader.join().unwrap_or_default();
    Ok(sum as f64 / begun.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_moves_some_megabytes() {
        assert!(measured().expect("there is a loopback") > 1e6);
    }
}
