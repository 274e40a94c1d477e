//! What a running tracker has besides its loop: a file it keeps, a list it obeys, news it tells.
//!
//! ```text
//!  loop ---- catalogue ---> `state`     writes --state
//!       ---- news --------> `news`      prints --json
//!       <--- a list ------- `reload`    reads --allow, at SIGHUP
//! ```
//! Each is a thread over a bounded channel, so that the loop waits for no disk and no pipe.

/// `--allow`.
mod allow_file;

/// `--state`.
mod state_file;

use super::env::Env;
use super::exit::{CliError, Exit};
use super::json::Event;
use crate::config::TrackerConfig;
use crate::tracker::Tracker;
use crate::tracker::news::News;
use crossbeam_channel::bounded;
use std::thread::{Builder, JoinHandle};

/// News that wait to be printed; who reads slower than this misses some.
const NEWS_WAITING: usize = 256;

/// What is to be waited for when the tracker has ended.
pub struct Services {
    state: Option<JoinHandle<()>>,
}

impl Services {
    /// Waits until the last state is on disk. The process ends meanwhile if its time is over
    /// ([`super::signals::PATIENCE`]); then the state before stays.
    pub fn finish(self) {
        if let Some(state) = self.state {
            // If it panicked it has said so.
            let _ = state.join();
        }
    }
}

/// Starts what the settings ask for; the tracker must be dropped before [`Services::finish`].
pub fn start(
    config: &TrackerConfig,
    json: bool,
    env: &Env,
    tracker: &mut Tracker,
) -> Result<Services, CliError> {
    if let Some(path) = &config.allow {
        allow_file::start(path, tracker)?;
    }
    let state = match &config.state {
        Some(path) => Some(state_file::start(path, tracker)?),
        None => None,
    };
    if json {
        print_news(env, tracker)?;
    }
    Ok(Services { state })
}

fn print_news(env: &Env, tracker: &mut Tracker) -> Result<(), CliError> {
    let (to, news) = bounded(NEWS_WAITING);
    tracker.tell(to);
    let (mut events, clock) = (env.events(true), env.clock);
    let print = move || {
        for news in news {
            let event = match news {
                News::Published { name, info_hash } => {
                    Event::Published { name, info_hash_v2: info_hash }
                }
                News::Expired(count) => Event::Expired { count },
                News::Refused(count) => Event::Refused { count },
                News::Unverified(count) => Event::Unverified { count },
                News::Malformed(count) => Event::Malformed { count },
            };
            if events.emit(clock.now(), &event).is_err() {
                return; // nobody reads any more
            }
        }
    };
    Builder::new().name("news".into()).spawn(print).map(drop).map_err(|e| no_thread(&e))
}

fn no_thread(why: &std::io::Error) -> CliError {
    CliError::new(Exit::Failed, format!("no thread to start: {why}"))
}
