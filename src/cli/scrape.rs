//! `peer scrape FILE ..`: how many peers a torrent's trackers know of.
//!
//! All trackers are asked at the same time, each for the v1 hash and the truncated v2 hash, so
//! that a hybrid torrent has two lines per tracker. Who does not answer is named on stderr.

use super::args::ScrapeArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::magnet::as_link;
use super::print;
use super::several::each;
use super::style::printable;
use super::torrent_file::read_torrent;
use crate::ids::{InfoHashV1, InfoHashV2};
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::Magnet;
use crate::node::trackers::ask::scrape as figures_of;
use crate::protocol::announce::Figures;
use serde_json::json;
use std::path::Path;
use std::thread::Builder;
use std::time::{Duration, Instant};

/// The most trackers that are asked.
const MOST: usize = 32;

/// `peer scrape`: exit 3 when nobody answers.
pub fn scrape(args: &ScrapeArgs, env: &Env) -> Result<(), CliError> {
    each(&args.file, env, |file| {
        let target = match as_link(file) {
            Some(link) => Target::of_link(&link?),
            None => Target::of(&read_torrent(file)?, file),
        };
        report(&target, &args.tracker, args.timeout(), args.json, args.quiet, env)
    })
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What to call it when it names no tracker.
    label: String,
    /// The hashes that trackers know it by.
    hashes: Vec<(&'static str, InfoHashV1)>,
    trackers: Vec<String>,
}

impl Target {
    /// A torrent that was read from a file.
    pub fn of(meta: &Metainfo, file: &Path) -> Self {
        Self {
            label: file.display().to_string(),
            hashes: hashes(meta.info_hash_v1, meta.info_hash_v2),
            trackers: meta.trackers.concat(),
        }
    }

    fn of_link(magnet: &Magnet) -> Self {
        Self {
            label: "the magnet link".into(),
            hashes: hashes(magnet.info_hash_v1, magnet.info_hash_v2),
            trackers: magnet.trackers.clone(),
        }
    }
}

/// Asks the target's trackers, or these if there are any, and prints what they say.
///
/// # Errors
/// `NoAnswer` when nobody answers.
pub fn report(
    target: &Target,
    instead: &[String],
    timeout: Duration,
    json: bool,
    quiet: bool,
    env: &Env,
) -> Result<(), CliError> {
    let named = if instead.is_empty() { &target.trackers } else { instead };
    if named.is_empty() {
        return Err(CliError::usage(format!(
            "{} names no http or udp tracker: give one with peer scrape --tracker",
            target.label
        )));
    }
    let short: Vec<InfoHashV1> = target.hashes.iter().map(|(_, hash)| *hash).collect();
    let asked = named.iter().take(MOST).cloned().collect();
    let answers = ask_all(asked, &short, Instant::now() + timeout);
    let (mut text, mut failures) = (String::new(), Vec::new());
    for (url, answer) in &answers {
        match answer {
            Ok(figures) => {
                for ((version, hash), figures) in target.hashes.iter().zip(figures) {
                    text += &if json {
                        as_json(url, *hash, figures)
                    } else {
                        as_text(url, version, figures)
                    };
                    text.push('\n');
                }
            }
            Err(why) => failures.push(format!("no figures from {url}: {why}")),
        }
    }
    print(env, &text)?;
    // When nobody answered the last of them is why the program ends.
    let error = if failures.len() == answers.len() { failures.pop() } else { None };
    for failure in failures.iter().filter(|_| !quiet) {
        let _ = env.screen.line(&printable(failure)); // a closed stderr stops nobody
    }
    error.map_or(Ok(()), |message| Err(CliError::new(Exit::NoAnswer, message)))
}

/// What each tracker says, in the order of `urls`.
fn ask_all(
    urls: Vec<String>,
    hashes: &[InfoHashV1],
    deadline: Instant,
) -> Vec<(String, Result<Vec<Figures>, String>)> {
    std::thread::scope(|scope| {
        let start = |(n, url): (usize, String)| {
            let own = url.clone();
            let ask = move || figures_of(&own, hashes, None, deadline).map_err(|e| e.to_string());
            (url, Builder::new().name(format!("scrape-{n}")).spawn_scoped(scope, ask))
        };
        let running: Vec<_> = urls.into_iter().enumerate().map(start).collect();
        let wait = running.into_iter().map(|(url, thread)| {
            let answer = match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err("it broke off".into())),
                Err(error) => Err(error.to_string()),
            };
            (url, answer)
        });
        wait.collect()
    })
}

fn hashes(v1: Option<InfoHashV1>, v2: Option<InfoHashV2>) -> Vec<(&'static str, InfoHashV1)> {
    let v1 = v1.map(|hash| ("v1", hash));
    let v2 = v2.map(|hash| ("v2", hash.truncated()));
    v1.into_iter().chain(v2).collect()
}

fn as_json(url: &str, hash: InfoHashV1, figures: &Figures) -> String {
    json!({
        "tracker": url,
        "info_hash": hash.to_string(),
        "seeders": figures.seeders,
        "leechers": figures.leechers,
        "completed": figures.completed,
    })
    .to_string()
}

fn as_text(url: &str, version: &str, figures: &Figures) -> String {
    let Figures { seeders, leechers, completed } = figures;
    let url = printable(url);
    format!(
        "{seeders:>3} seeding {leechers:>3} fetching {completed:>3} completed  {version}  {url}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_figures_the_hash_and_the_tracker() {
        let figures = Figures { seeders: 3, leechers: 12, completed: 150 };
        let text = as_text("udp://t:1\u{1b}", "v1", &figures);
        assert_eq!(text, "  3 seeding  12 fetching 150 completed  v1  udp://t:1\\u{1b}");
        let hash = InfoHashV1([0xab; 20]);
        let expected = format!(
            "{{\"completed\":150,\"info_hash\":\"{hash}\",\"leechers\":12,\"seeders\":3,\
             \"tracker\":\"udp://t:1\"}}"
        );
        assert_eq!(as_json("udp://t:1", hash, &figures), expected);
    }
}
