//! Descriptors: the soft limit goes up to the hard one, and what a node opens stays below it.
//!
//! Half of what there is belongs to connections, so that files, trackers and callers who have not
//! said who they are find some, too. When there are none left all the same, nobody is hurt: see
//! [`crate::node::listener`] and [`crate::node::recovery`].

use crate::node::MOST_PEERS;
use crate::storage::handles;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a node has open that is neither a connection nor a file of a torrent.
const OWN: usize = 32;

/// However few there are, so many connections there may be.
const LEAST: usize = 4;

/// Lets the process have as many descriptors as it may.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some() && current != maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        raised.unwrap_or_else(|error| log::debug!("the limit of descriptors stays: {error}"));
    }
}

/// The most connections that there are descriptors for.
pub fn most_peers() -> usize {
    MOST_PEERS.min((handles::limit().saturating_sub(OWN) / 2).max(LEAST))
}

/// The most callers who may be in their opening at once: each has two descriptors.
pub fn most_handshakes(usual: usize) -> usize {
    usual.min((handles::limit() / 16).max(LEAST))
}
