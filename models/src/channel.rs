//! A bounded channel of many senders and receivers, as crossbeam's, over locks that the scheduler
//! knows: who sends waits while it is full, who receives ends once it is empty and every sender is
//! gone.

use shuttle::sync::{Arc, Condvar, Mutex};
use std::collections::VecDeque;
use std::fmt;

struct State<T> {
    queue: VecDeque<T>,
    senders: usize,
    receivers: usize,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    bound: usize,
}

/// A way in.
pub struct Sender<T>(Arc<Shared<T>>);

/// A way out.
pub struct Receiver<T>(Arc<Shared<T>>);

/// Nobody receives; the value comes back.
#[derive(Debug)]
pub struct SendError<T>(T);

impl<T> SendError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Why a value was not taken.
#[derive(Debug)]
pub enum TrySendError<T> {
    /// There is no room.
    Full(T),
    /// Nobody receives.
    Disconnected(T),
}

/// A channel with room for so many.
pub fn bounded<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
    let state = Mutex::new(State { queue: VecDeque::new(), senders: 1, receivers: 1 });
    let shared = Arc::new(Shared { state, changed: Condvar::new(), bound });
    (Sender(shared.clone()), Receiver(shared))
}

impl<T> Sender<T> {
    /// Waits for room.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.0.state.lock().unwrap();
        while state.receivers > 0 && state.queue.len() >= self.0.bound {
            state = self.0.changed.wait(state).unwrap();
        }
        if state.receivers == 0 {
            return Err(SendError(value));
        }
        state.queue.push_back(value);
        self.0.changed.notify_all();
        Ok(())
    }

    /// Does not wait.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut state = self.0.state.lock().unwrap();
        if state.receivers == 0 {
            return Err(TrySendError::Disconnected(value));
        }
        if state.queue.len() >= self.0.bound {
            return Err(TrySendError::Full(value));
        }
        state.queue.push_back(value);
        self.0.changed.notify_all();
        Ok(())
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.state.lock().unwrap().queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Receiver<T> {
    /// The next one; none once all senders are gone and nothing waits.
    pub fn next(&self) -> Option<T> {
        let mut state = self.0.state.lock().unwrap();
        loop {
            if let Some(value) = state.queue.pop_front() {
                self.0.changed.notify_all();
                return Some(value);
            }
            if state.senders == 0 {
                return None;
            }
            state = self.0.changed.wait(state).unwrap();
        }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Box<dyn Iterator<Item = T> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(std::iter::from_fn(|| self.next()))
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().unwrap().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.state.lock().unwrap().receivers += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().senders -= 1;
        self.0.changed.notify_all();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().receivers -= 1;
        self.0.changed.notify_all();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}
