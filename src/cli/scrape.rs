//! `peer scrape FILE`: how many peers a torrent's trackers know of.
//!
//! All trackers are asked at the same time, each for the v1 hash and the truncated v2 hash, so
//! that a hybrid torrent has two lines per tracker. Who does not answer is named on stderr.

use super::args::ScrapeArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::show::{ShowError, read_torrent};
use super::style::printable;
use crate::ids::InfoHashV1;
use crate::metainfo::Metainfo;
use crate::node::trackers::ask::scrape as figures_of;
use crate::protocol::announce::Figures;
use serde_json::json;
use std::io::Write;
use std::thread::Builder;
use std::time::Instant;

/// The most trackers that are asked.
const MOST: usize = 32;

/// `peer scrape`: exit 3 when nobody answers.
pub fn scrape(args: &ScrapeArgs, env: &Env) -> Result<(), CliError> {
    let meta = read_torrent(&args.file)?;
    let named = if args.tracker.is_empty() { meta.trackers.concat() } else { args.tracker.clone() };
    if named.is_empty() {
        return Err(CliError::usage(format!(
            "{} names no http or udp tracker: give one with --tracker",
            args.file.display()
        )));
    }
    let hashes = hashes_of(&meta);
    let short: Vec<InfoHashV1> = hashes.iter().map(|(_, hash)| *hash).collect();
    let asked = named.into_iter().take(MOST).collect();
    let answers = ask_all(asked, &short, Instant::now() + args.timeout());
    let mut out = env.out.clone();
    let mut failures = Vec::new();
    for (url, answer) in &answers {
        match answer {
            Ok(figures) => {
                for ((version, hash), figures) in hashes.iter().zip(figures) {
                    let line = if args.json {
                        as_json(url, *hash, figures)
                    } else {
                        as_text(url, version, figures)
                    };
                    writeln!(out, "{line}").map_err(ShowError::Output)?;
                }
            }
            Err(why) => failures.push(format!("no figures from {url}: {why}")),
        }
    }
    out.flush().map_err(ShowError::Output)?;
    // When nobody answered the last of them is why the program ends.
    let error = if failures.len() == answers.len() { failures.pop() } else { None };
    for failure in failures {
        let _ = env.screen.line(&printable(&failure)); // a closed stderr stops nobody
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

/// The hashes that trackers know a torrent by.
fn hashes_of(meta: &Metainfo) -> Vec<(&'static str, InfoHashV1)> {
    let v1 = meta.info_hash_v1.map(|hash| ("v1", hash));
    let v2 = meta.info_hash_v2.map(|hash| ("v2", hash.truncated()));
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
