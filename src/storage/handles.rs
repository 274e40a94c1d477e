//! How many descriptors there are, and how many of them are files kept open.
//!
//! A handle is kept where a file is used again and again; without one it is opened for each use,
//! which is slower and nothing else. So that files never take what connections need, handles are
//! kept up to a quarter of what the process may have open.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};

/// Kept by all torrents of the process.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// How many descriptors the process may have open.
pub fn limit() -> usize {
    let most = getrlimit(Resource::Nofile).current;
    most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// Whether one more file may be kept open.
pub(super) fn is_room() -> bool {
    KEPT.load(Ordering::Acquire) < limit() / 4
}

/// A handle that is kept; it counts until it is dropped.
#[derive(Debug)]
pub(super) struct Kept(());

impl Kept {
    pub(super) fn one() -> Self {
        KEPT.fetch_add(1, Ordering::AcqRel);
        Self(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::AcqRel);
    }
}
