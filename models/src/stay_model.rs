//! The real [`Stay`]: threads that take a torrent out and bring it back, and one that works for it.

use crate::check;
use crate::stay::Stay;
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

#[test]
fn who_leaves_leaves_once_and_a_late_worker_sees_it() {
    check(|| {
        let stay = Arc::new(Stay::default());
        let (left, came) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let movers = (0..2).map(|_| {
            let (stay, left, came) = (stay.clone(), left.clone(), came.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    left.fetch_add(stay.leave().into(), Ordering::SeqCst);
                    came.fetch_add(stay.come_back().into(), Ordering::SeqCst);
                }
            })
        });
        let movers: Vec<_> = movers.collect();
        let seen = [stay.number(), stay.number(), stay.number()];
        assert!(seen.is_sorted(), "a number came back: {seen:?}");
        movers.into_iter().for_each(|mover| mover.join().unwrap());
        let (left, came) = (left.load(Ordering::SeqCst), came.load(Ordering::SeqCst));
        assert_eq!((left + came) as u64, stay.number(), "each turn was somebody's");
        assert_eq!(left - came, usize::from(!stay.is_in()));
    });
}
