//! The real [`Outbox`]: two that push, two pool threads, an upload limit that holds it back.
//!
//! What the pool and the limit do is a faithful copy of `node/uploads.rs` and `node/limits.rs`: a
//! turn sends until nothing waits, who is held is parked under the outbox's lock, and who unparks
//! schedules.

use crate::channel::{Receiver, Sender, bounded};
use crate::check;
use crate::ids::Span;
use crate::outbox::{Frame, Next, Outbox, Pushed};
use crate::protocol::message::Message;
use crate::protocol::speech::Speech;
use crate::sync::Mutex;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

struct Stage {
    outbox: Outbox,
    ready: Mutex<Option<Sender<()>>>,
    /// How often it waits for a pool thread.
    queued: AtomicUsize,
    limit: Mutex<Limit>,
    said: Mutex<Vec<u8>>,
    sent: AtomicUsize,
}

/// The upload limit.
#[derive(Default)]
struct Limit {
    /// It lets frames begin.
    is_open: bool,
    /// It keeps the outbox until it does.
    parked: bool,
}

impl Stage {
    fn schedule(&self) {
        assert_eq!(self.queued.fetch_add(1, Ordering::SeqCst), 0, "scheduled twice at once");
        let ready = self.ready.lock().clone().expect("the pool is there");
        assert!(ready.send(()).is_ok());
    }

    fn follow(&self, pushed: Pushed) {
        match pushed {
            Pushed::Schedule => self.schedule(),
            Pushed::Unpark => self.unpark(),
            Pushed::Noted => {}
            Pushed::Full => panic!("there is room"),
        }
    }

    fn unpark(&self) {
        let was_parked = std::mem::take(&mut self.limit.lock().parked);
        if was_parked {
            self.schedule();
        }
    }

    /// From now on frames may begin.
    fn open_limit(&self) {
        self.limit.lock().is_open = true;
        self.unpark();
    }

    fn turn(&self) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
        let mut sending = self.outbox.sending.lock();
        loop {
            let may_begin = |_| {
                let mut limit = self.limit.lock();
                limit.parked = !limit.is_open;
                limit.is_open
            };
            match self.outbox.next(16_384, may_begin) {
                Next::Frame(frame) => *sending = Some(frame),
                Next::Later => return,
                Next::Idle | Next::Ended => return,
            }
            match sending.take().expect("just put there") {
                Frame::Control { bytes, .. } => self.said.lock().extend(bytes),
                Frame::Chunks { chunks, .. } => {
                    self.sent.fetch_add(chunks.len(), Ordering::SeqCst);
                }
            }
        }
    }
}

fn pool(stage: &Arc<Stage>, jobs: &Receiver<()>) {
    while jobs.next().is_some() {
        stage.turn();
    }
}

#[test]
fn nothing_that_was_pushed_is_forgotten_and_one_thread_sends_at_a_time() {
    check(|| {
        let (ready, jobs) = bounded(4);
        let stage = Arc::new(Stage {
            outbox: Outbox::new(Speech::Native),
            ready: Mutex::new(Some(ready)),
            queued: AtomicUsize::new(0),
            limit: Mutex::default(),
            said: Mutex::default(),
            sent: AtomicUsize::new(0),
        });
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (stage, jobs) = (stage.clone(), jobs.clone());
                thread::spawn(move || pool(&stage, &jobs))
            })
            .collect();
        let talker = stage.clone();
        let talker = thread::spawn(move || {
            for word in [1, 2, 3] {
                talker.follow(talker.outbox.say(&Message(word)));
            }
        });
        let opener = stage.clone();
        let opener = thread::spawn(move || {
            opener.follow(opener.outbox.open());
            opener.open_limit();
        });
        for piece in 0..2 {
            let span = Span { piece, offset: 0, length: 16_384 };
            stage.follow(stage.outbox.upload(span));
        }
        talker.join().unwrap();
        opener.join().unwrap();
        *stage.ready.lock() = None;
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*stage.said.lock(), [1, 2, 3], "words were lost or changed places");
        assert_eq!(stage.sent.load(Ordering::SeqCst), 2, "a block was forgotten");
    });
}
