//! A node that stops while connections open: a faithful copy of the protocol of `node.rs` and
//! `node/connection.rs`, whose connections are sockets.
//!
//! ```text
//! enter    take a place under the lock of the lines, unless the node stops; asked again inside
//! stop     say that it stops, then under the same lock shut everybody who is there
//! ```

use crate::check;
use crate::sync::Mutex;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;

#[derive(Default)]
struct Stage {
    stopping: AtomicBool,
    lines: Mutex<Vec<Arc<AtomicBool>>>,
    entered: AtomicUsize,
}

impl Stage {
    /// The connection, if it got in: whether it was shut.
    fn enter(&self) -> Option<Arc<AtomicBool>> {
        if self.stopping.load(Ordering::Acquire) {
            return None;
        }
        let mut lines = self.lines.lock();
        if self.stopping.load(Ordering::Acquire) {
            return None;
        }
        let shut = Arc::new(AtomicBool::new(false));
        lines.push(shut.clone());
        self.entered.fetch_add(1, Ordering::SeqCst);
        Some(shut)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.lines.lock().iter().for_each(|line| line.store(true, Ordering::Release));
    }
}

#[test]
fn nobody_who_enters_while_the_node_stops_is_forgotten() {
    check(|| {
        let stage = Arc::new(Stage::default());
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let stage = stage.clone();
                thread::spawn(move || stage.enter())
            })
            .collect();
        stage.stop();
        let entered: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        let in_it: Vec<_> = entered.into_iter().flatten().collect();
        assert_eq!(in_it.len(), stage.entered.load(Ordering::SeqCst));
        assert!(in_it.iter().all(|shut| shut.load(Ordering::Acquire)), "a line was left open");
    });
}
