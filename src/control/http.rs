//! The door for remote controls: a small HTTP server that speaks Transmission's RPC.
//!
//! ```text
//! let door = Door::open(DoorOptions::default(), desk)?;     // listens on 127.0.0.1:9091
//! door.address();                                           // where it is
//! drop(door);                                               // every caller is let go within 1 s
//! ```
//! One thread takes callers in, at most [`MAX_CALLERS`] at a time, each with a thread of its own that
//! waits for nothing longer than [`Patience`] allows. Whoever comes when all are busy is sent away.
//! Callers are judged by [`guard`] before anything of theirs is read but a head.
//!
//! Never here: a file named by a URL, a word of CORS, a password or a query in a log.

/// One caller.
mod connection;

/// Who may speak.
pub mod guard;

/// Heads of requests.
pub mod head;

mod inbox;

/// How the door is opened.
pub mod options;

/// Answers as bytes.
pub mod reply;

/// A web page in memory.
pub mod site;

pub use connection::MAX_BODY;
pub use options::{DoorError, DoorOptions, Patience};

use super::rpc::Rpc;
use super::{Desk, secret};
use crate::node::socket::{listen, stop_listening};
use connection::Room;
use crossbeam_channel::{Receiver, Sender, bounded};
use guard::{Failures, Guard};
use log::{debug, warn};
use parking_lot::{Condvar, Mutex};
use reply::Reply;
use site::Site;
use std::collections::HashMap;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// The most callers at a time.
pub const MAX_CALLERS: usize = 16;

/// How long callers may go on after the door was closed: those who are being answered first hear
/// the answer, then nobody is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);
const CLOSING: Duration = Duration::from_millis(900);

/// How long no caller is taken in after the system refused one (it has no file left).
const PAUSE: Duration = Duration::from_millis(50);

/// An open door. Dropped, it closes.
pub struct Door {
    address: SocketAddr,
    hall: Arc<Hall>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads share.
struct Hall {
    listener: TcpListener,
    room: Room,
    /// Callers by the number of their place.
    callers: Mutex<HashMap<usize, TcpStream>>,
    /// A caller left.
    left: Condvar,
}

impl Door {
    /// Opens it: orders of callers are handed in at the desk.
    ///
    /// # Errors
    /// When [`DoorOptions::check`] forbids it, or the system does.
    pub fn open(options: DoorOptions, desk: Desk) -> Result<Self, DoorError> {
        options.check().map_err(DoorError::Forbidden)?;
        let site = options.web_home.as_deref().map(Site::read).transpose()?;
        let refused = |why| DoorError::listen(options.address, why);
        let listener = listen(options.address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let session = secret::token().map_err(DoorError::Start)?;
        let room = Room {
            guard: Guard::new(address.port(), &options.hosts, options.auth.as_ref(), &session),
            failures: Mutex::new(Failures::default()),
            rpc: Rpc::new(desk.clone(), session.as_str()),
            desk,
            session,
            site,
            program: options.program,
            patience: options.patience,
            is_closing: AtomicBool::new(false),
            large: AtomicUsize::new(0),
            watching: AtomicUsize::new(0),
        };
        let callers = Mutex::new(HashMap::new());
        let hall = Arc::new(Hall { listener, room, callers, left: Condvar::new() });
        let (stop, stopped) = bounded(0);
        let thread = Builder::new().name("control".into()).spawn({
            let hall = hall.clone();
            move || hall.take_in(&stopped)
        });
        let thread = Some(thread.map_err(DoorError::Start)?);
        Ok(Self { address, hall, stop: Some(stop), thread })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let start = Instant::now();
        self.hall.room.is_closing.store(true, Ordering::Relaxed);
        self.stop = None;
        self.hall.room.desk.ring(); // whoever watches looks up
        stop_listening(&self.hall.listener);
        if let Some(thread) = self.thread.take() {
            // It ends by a panic only, which has been reported.
            let _ = thread.join();
        }
        self.hall.let_go(Shutdown::Read, start + LAST_WORDS);
        self.hall.let_go(Shutdown::Both, start + CLOSING);
    }
}

impl Hall {
    /// The thread `control`: takes callers in until the door is closed.
    fn take_in(self: &Arc<Self>, stopped: &Receiver<()>) {
        while !self.room.is_closing.load(Ordering::Relaxed) {
            match self.listener.accept() {
                Ok((stream, _)) => self.welcome(stream),
                Err(error) => {
                    if !self.room.is_closing.load(Ordering::Relaxed) {
                        warn!("the remote control cannot take a caller in: {error}");
                    }
                    // Ends at once when the door is closed.
                    let _ = stopped.recv_timeout(PAUSE);
                }
            }
        }
    }

    /// Gives a caller a place, or sends it away.
    fn welcome(self: &Arc<Self>, stream: TcpStream) {
        let Some(n) = self.place(&stream) else {
            debug!("all {MAX_CALLERS} places of the remote control are taken");
            return send_away(stream);
        };
        let hall = self.clone();
        let talk = move || {
            let place = Place { hall, n };
            if let Err(error) = connection::serve(&place.hall.room, stream) {
                debug!("a caller of the remote control was lost: {error}");
            }
        };
        if let Err(error) = Builder::new().name(format!("control-{n}")).spawn(talk) {
            warn!("the remote control has no thread for a caller: {error}");
            self.callers.lock().remove(&n);
        }
    }

    /// The lowest free place, taken.
    fn place(&self, stream: &TcpStream) -> Option<usize> {
        let mut callers = self.callers.lock();
        let n = (1..=MAX_CALLERS).find(|n| !callers.contains_key(n))?;
        callers.insert(n, stream.try_clone().ok()?);
        Some(n)
    }

    /// Shuts all callers' connections, and waits until they are gone or time is up.
    fn let_go(&self, how: Shutdown, deadline: Instant) {
        let mut callers = self.callers.lock();
        for stream in callers.values() {
            // One that is gone already needs no shutting.
            let _ = stream.shutdown(how);
        }
        while !callers.is_empty() && !self.left.wait_until(&mut callers, deadline).timed_out() {}
    }
}

/// A caller's place; dropped, also by a panic, it is free.
struct Place {
    hall: Arc<Hall>,
    n: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hall.callers.lock().remove(&self.n);
        self.hall.left.notify_all();
    }
}

/// Tells a caller that there is no place, without waiting for it.
fn send_away(mut stream: TcpStream) {
    let reply = Reply::plain(503, "too many callers, try again").with("Retry-After", "1");
    let sent = stream
        .set_nonblocking(true)
        .and_then(|()| stream.write_all(&reply.bytes(false, false)))
        .and_then(|()| stream.shutdown(Shutdown::Write));
    if let Err(error) = sent {
        debug!("a caller without a place was not told so: {error}");
    }
}
