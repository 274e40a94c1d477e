//! Somebody who is no peer and is called all the same.

use crossbeam_channel::Receiver;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// Somebody who listens, is no peer, and hangs up on whoever calls.
pub struct Bystander {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who called.
    pub calls: Receiver<TcpStream>,
}

impl Bystander {
    /// Listens.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it listens");
        let (called, calls) = crossbeam_channel::unbounded();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = stream.shutdown(Shutdown::Write); // it may be gone already
                if called.send(stream).is_err() {
                    return;
                }
            }
        });
        Self { address, calls }
    }
}

impl Drop for Bystander {
    /// Ends its thread.
    fn drop(&mut self) {
        self.calls = crossbeam_channel::never();
        let _ = TcpStream::connect(self.address);
    }
}
