//! `peer magnet FILE ..`: the link that leads to a .torrent's content, one per line.
//!
//! A link in the place of a file is read and, with `--json`, taken apart.

use super::args::MagnetArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::print;
use super::several::each;
use super::torrent_file::read_torrent;
use crate::metainfo::magnet::Magnet;
use serde_json::json;
use std::path::Path;

/// `peer magnet`.
pub fn magnet(args: &MagnetArgs, env: &Env) -> Result<(), CliError> {
    each(&args.file, env, |file| {
        let mut magnet = match as_link(file) {
            Some(link) => link?,
            None => of_torrent(file, !args.peer.is_empty())?,
        };
        for peer in &args.peer {
            if !magnet.peers.contains(peer) {
                magnet.peers.push(peer.clone());
            }
        }
        print(env, &if args.json { as_json(&magnet) } else { format!("{magnet}\n") })
    })
}

fn of_torrent(file: &Path, with_peers: bool) -> Result<Magnet, CliError> {
    let metainfo = read_torrent(file)?;
    if metainfo.private && with_peers {
        return Err(CliError::usage(format!(
            "{} is private, its peers come from its trackers only: leave --peer out",
            file.display()
        )));
    }
    Ok(metainfo.magnet())
}

/// A word of the command line as a magnet link, if it is one or means to be.
pub fn as_link(word: &Path) -> Option<Result<Magnet, CliError>> {
    let text = word.to_str()?;
    let is_link = text.get(..7)?.eq_ignore_ascii_case("magnet:");
    let parse =
        || text.parse::<Magnet>().map_err(|why| CliError::new(Exit::BadTorrent, why.to_string()));
    is_link.then(parse)
}

fn as_json(magnet: &Magnet) -> String {
    let files: Vec<[u32; 2]> =
        magnet.select_only.iter().map(|range| [*range.start(), *range.end()]).collect();
    json!({
        "name": magnet.name,
        "magnet": magnet.to_string(),
        "info_hash_v1": magnet.info_hash_v1.map(|hash| hash.to_string()),
        "info_hash_v2": magnet.info_hash_v2.map(|hash| hash.to_string()),
        "length": magnet.length,
        "trackers": magnet.trackers,
        "native_trackers": magnet.native_trackers,
        "web_seeds": magnet.web_seeds,
        "peers": magnet.peers,
        "select_only": files,
    })
    .to_string()
        + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_link_by_its_scheme() {
        let hash = "c0fda1edafdbdbb96443424e0b3899af7159d10e";
        let link = as_link(Path::new(&format!("MAGNET:?xt=urn:btih:{hash}"))).expect("a link");
        assert_eq!(link.expect("good").info_hash_v1, hash.parse().ok());
        let bad = as_link(Path::new("magnet:?dn=x")).expect("it means to be one");
        assert_eq!(bad.expect_err("no hash").exit, Exit::BadTorrent);
        for file in ["x.torrent", "-", "é", "magnet"] {
            assert!(as_link(Path::new(file)).is_none(), "{file}");
        }
    }
}
