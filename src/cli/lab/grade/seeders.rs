//! The grader's seeders: the sockets of [`Seeder`]s.

use super::link::{Heard, Journal, Link};
use crate::ids::{InfoHashV2, PeerId};
use crate::lab::grade::log::SEEDERS;
use crate::lab::grade::paper::Content;
use crate::lab::grade::seeder::{Manner, Seeder, Step};
use crate::protocol::frame::Frame;
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long a connection waits for a word before it looks what else is to be done.
const LOOK: Duration = Duration::from_millis(5);

/// The most connections of one seeder.
const MOST_CALLS: usize = 64;

/// What the connections of one seeder share.
struct Shared {
    content: Content,
    name: InfoHashV2,
    manner: Manner,
    id: PeerId,
    number: usize,
    /// The question is over, or this seeder is dead.
    gone: Arc<AtomicBool>,
    journal: Journal,
}

/// Seeders at work on 127.0.0.1; dropped, they end.
pub struct Seeders {
    /// Where each listens.
    pub addresses: Vec<SocketAddr>,
    gone: Vec<Arc<AtomicBool>>,
    threads: Vec<JoinHandle<()>>,
}

impl Seeders {
    /// One seeder of a content for each manner; they answer to `name`.
    pub fn open(
        content: &Content,
        name: InfoHashV2,
        manners: Vec<Manner>,
        journal: &Journal,
    ) -> io::Result<Self> {
        let mut seeders = Self { addresses: Vec::new(), gone: Vec::new(), threads: Vec::new() };
        for (number, manner) in manners.into_iter().enumerate() {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            SockRef::from(&listener).set_read_timeout(Some(LOOK))?;
            seeders.addresses.push(listener.local_addr()?);
            let gone = Arc::new(AtomicBool::new(false));
            seeders.gone.push(gone.clone());
            let id = PeerId::generate(&mut fastrand::Rng::new());
            let (content, journal) = (content.clone(), journal.clone());
            let shared = Arc::new(Shared { content, name, manner, id, number, gone, journal });
            let run = move || accept(&listener, &shared);
            seeders.threads.push(Builder::new().name("grade-seeder".into()).spawn(run)?);
        }
        Ok(seeders)
    }
}

impl Drop for Seeders {
    fn drop(&mut self) {
        for gone in &self.gone {
            gone.store(true, Ordering::Relaxed);
        }
        for thread in self.threads.drain(..) {
            // It ends by a panic only, which has been reported.
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut links = Vec::new();
    while !shared.gone.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) if links.len() < MOST_CALLS => {
                let own = shared.clone();
                let number = shared.number + SEEDERS * links.len();
                let run = move || {
                    // Whoever hangs up is gone.
                    let _ = converse(stream, number, &own);
                };
                links.extend(Builder::new().name("grade-link".into()).spawn(run));
            }
            _ => {} // nobody called, or too many
        }
    }
    for link in links {
        let _ = link.join();
    }
}

fn converse(stream: TcpStream, number: usize, shared: &Shared) -> io::Result<()> {
    let mut link = Link::new(stream, number, shared.journal.clone())?;
    let mut seeder = Seeder::new(shared.name, shared.id, shared.manner.clone());
    let content = &shared.content;
    while !shared.gone.load(Ordering::Relaxed) {
        while let Some(step) = seeder.next(link.now(), content) {
            match step {
                Step::Send(bytes) => link.send(&bytes, seeder.splits())?,
                Step::Die(bytes) => {
                    link.send_raw(&bytes, false)?;
                    shared.gone.store(true, Ordering::Relaxed);
                    link.over("the seeder died");
                    return Ok(());
                }
                Step::Close => return Ok(()),
            }
        }
        match link.hear(LOOK) {
            Heard::Quiet => {}
            Heard::Over(_) => return Ok(()),
            Heard::Frame(bytes) => {
                if let Ok(Some((frame, _))) = Frame::first_in(&bytes) {
                    seeder.on_frame(link.now(), &frame, content);
                }
            }
        }
    }
    Ok(())
}
