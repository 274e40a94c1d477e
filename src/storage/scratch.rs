//! For tests: a temporary folder, removed when dropped, and what somebody does to it meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A new, empty folder.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Below the system's temporary folder.
    pub(super) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// Below a folder of the test's choice.
    pub(super) fn below(folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("swarmlet-storage-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).expect("a temporary folder can be made");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Does `meddle` again and again on a thread of its own until `job` is over, or has failed.
pub(super) fn while_others<R>(mut meddle: impl FnMut() + Send, job: impl FnOnce() -> R) -> R {
    std::thread::scope(|scope| {
        let running = Arc::new(());
        let watched = Arc::downgrade(&running);
        scope.spawn(move || {
            while watched.strong_count() > 0 {
                meddle();
            }
        });
        let done = job();
        drop(running); // as it is when the job fails
        done
    })
}
