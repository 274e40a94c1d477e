//! The real [`ThreadPool`] over a channel that the scheduler knows.

use crate::check;
use crate::threadpool::ThreadPool;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

#[test]
fn what_was_taken_is_done_when_the_pool_is_closed_and_closing_ends() {
    check(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let pool = ThreadPool::new("model", 2, 1, move |_: usize| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let pool = pool.expect("threads of the model");
        let sender = pool.sender().expect("it is open");
        let other = thread::spawn(move || (0..3).filter(|&job| sender.send(job).is_ok()).count());
        let mut taken = (0..2).filter(|&job| pool.submit(job).is_ok()).count();
        taken += usize::from(pool.try_submit(9).is_ok());
        assert_eq!(pool.close(), 0);
        taken += other.join().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), taken, "a job was taken and not done");
        assert!(taken >= 5, "an open pool took {taken} jobs");
    });
}
