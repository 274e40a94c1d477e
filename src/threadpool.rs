//! A fixed set of workers over a bounded channel.
//!
//! ```text
//! submit(job) -> | job | job | job |  -> upload-0, upload-1, upload-2, upload-3
//!                  at most `bound`       one closure, called by every worker
//! ```
//! A full queue makes [`ThreadPool::submit`] wait: back-pressure, not memory. A job that panics
//! is counted and logged, and its worker goes on with the next. Closing the channel stops the
//! workers: what is queued is still done, then they end and are joined.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// Named worker threads that all run the same closure on the jobs they are sent.
#[derive(Debug)]
pub struct ThreadPool<Job: Send + 'static> {
    /// `None` once the pool is closing.
    queue: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
    panics: Arc<AtomicU64>,
}

/// Why a job was not taken; the job comes back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken<Job> {
    /// As many jobs wait as the pool was given room for.
    #[error("the job queue is full")]
    Full(Job),
    /// No worker is left.
    #[error("the job queue is closed")]
    Closed(Job),
}

impl<Job: Send + 'static> ThreadPool<Job> {
    /// Starts `threads` workers called `name-0`, `name-1`...; at most `bound` jobs wait.
    ///
    /// # Errors
    /// What the system says when it starts no thread; those started before are stopped again.
    pub fn new<W>(name: &str, threads: usize, bound: usize, worker: W) -> std::io::Result<Self>
    where
        W: Fn(Job) + Send + Sync + 'static,
    {
        let (queue, jobs) = bounded(bound);
        let (worker, panics) = (Arc::new(worker), Arc::new(AtomicU64::new(0)));
        let mut pool = Self { queue: Some(queue), workers: Vec::new(), panics };
        for n in 0..threads {
            let (jobs, worker, panics) = (jobs.clone(), worker.clone(), pool.panics.clone());
            let thread = Builder::new()
                .name(format!("{name}-{n}"))
                .spawn(move || run(&jobs, worker.as_ref(), &panics))?;
            pool.workers.push(thread);
        }
        Ok(pool)
    }

    /// Hands in a job; waits while the queue is full.
    ///
    /// # Errors
    /// The job comes back when no worker is left.
    pub fn submit(&self, job: Job) -> Result<(), NotTaken<Job>> {
        match &self.queue {
            Some(queue) => queue.send(job).map_err(|e| NotTaken::Closed(e.into_inner())),
            None => Err(NotTaken::Closed(job)),
        }
    }

    /// Hands in a job, or gives it back at once when the queue is full.
    ///
    /// # Errors
    /// The job comes back when the queue is full or no worker is left.
    pub fn try_submit(&self, job: Job) -> Result<(), NotTaken<Job>> {
        match &self.queue {
            Some(queue) => queue.try_send(job).map_err(|e| match e {
                TrySendError::Full(job) => NotTaken::Full(job),
                TrySendError::Disconnected(job) => NotTaken::Closed(job),
            }),
            None => Err(NotTaken::Closed(job)),
        }
    }

    /// Another way in, to be kept by threads that hand in jobs. The pool can only stop when all
    /// of these are dropped.
    pub fn sender(&self) -> Option<Sender<Job>> {
        self.queue.clone()
    }

    /// How many workers there are.
    pub fn threads(&self) -> usize {
        self.workers.len()
    }

    /// How many jobs wait for a worker.
    pub fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, Sender::len)
    }

    /// How many jobs panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Takes no more jobs, waits until those queued are done and the workers have ended; says
    /// how many jobs panicked in the pool's life.
    pub fn close(mut self) -> u64 {
        self.stop();
        self.panics()
    }

    fn stop(&mut self) {
        self.queue = None;
        for worker in self.workers.drain(..) {
            // Jobs run under catch_unwind, so a worker itself does not panic.
            let _ = worker.join();
        }
    }
}

impl<Job: Send + 'static> Drop for ThreadPool<Job> {
    /// Waits for the workers, unless a panic is on its way: then whoever holds a sender may be
    /// waiting for this thread.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.queue = None;
        } else {
            self.stop();
        }
    }
}

fn run<Job>(jobs: &Receiver<Job>, worker: &(impl Fn(Job) + ?Sized), panics: &AtomicU64) {
    for job in jobs {
        // The closure is shared and sees jobs one by one; what a panicking job leaves half done
        // is its own (locks here do not poison).
        if catch_unwind(AssertUnwindSafe(|| worker(job))).is_err() {
            panics.fetch_add(1, Ordering::Relaxed);
            let thread = std::thread::current();
            log::error!("{}: a job panicked", thread.name().unwrap_or("worker"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[test]
    fn every_job_is_done_by_a_worker_with_the_pools_name() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let pool = ThreadPool::new("upload", 4, 2, move |job: u32| {
            let name = std::thread::current().name().map(str::to_owned);
            log.lock().push((job, name.expect("workers are named")));
        })
        .unwrap();
        (0..100).for_each(|job| pool.submit(job).unwrap());
        assert_eq!((pool.threads(), pool.close()), (4, 0));
        let mut seen = seen.lock().clone();
        seen.sort();
        assert!(seen.iter().map(|(job, _)| *job).eq(0..100));
        assert!(seen.iter().all(|(_, name)| name.starts_with("upload-")), "{seen:?}");
    }

    #[test]
    fn a_job_that_panics_is_counted_and_its_worker_goes_on() {
        let done = Arc::new(AtomicU64::new(0));
        let count = done.clone();
        let pool = ThreadPool::new("verify", 1, 8, move |job: u32| {
            assert!(job != 1, "job one is broken");
            count.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
        (0..4).for_each(|job| pool.submit(job).unwrap());
        assert_eq!(pool.close(), 1);
        assert_eq!(done.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_full_queue_gives_the_job_back() {
        let (open, gate) = bounded::<()>(0);
        let (report, started) = bounded::<()>(9);
        let pool = ThreadPool::new("slow", 1, 1, move |_: u32| {
            report.send(()).expect("the test listens");
            let _ = gate.recv();
        })
        .unwrap();
        pool.submit(0).unwrap();
        started.recv().unwrap();
        pool.submit(1).unwrap();
        assert_eq!(pool.waiting(), 1);
        assert_eq!(pool.try_submit(2), Err(NotTaken::Full(2)));
        drop(open);
        assert_eq!(pool.close(), 0);
    }

    #[test]
    fn dropping_the_pool_joins_its_workers() {
        let alive = Arc::new(());
        let held = alive.clone();
        let pool = ThreadPool::new("gone", 3, 1, move |_: u32| {
            let _ = &held;
        })
        .unwrap();
        drop(pool);
        assert_eq!(Arc::strong_count(&alive), 1, "the closure went with the last worker");
    }
}
