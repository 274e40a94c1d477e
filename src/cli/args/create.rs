//! The flags of `peer create`.

use super::super::exit::CliError;
use super::super::units::PieceLength;
use super::{tracker_addr, web_url};
use crate::metainfo::draft::Version;
use crate::storage::content::Choice;
use crate::storage::glob::Glob;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;

/// Make a .torrent from a file or a folder.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer create big.zip -t 127.0.0.1:6969")]
pub struct CreateArgs {
    /// the file or folder
    #[argh(positional)]
    pub path: PathBuf,

    /// where to write it, - for stdout (NAME.torrent in the current folder); also --outfile
    #[argh(option, short = 'o', arg_name = "file")]
    pub output: Option<PathBuf>,

    /// replace a .torrent that is there
    #[argh(switch, short = 'f')]
    pub force: bool,

    /// a tracker: HOST:PORT of ours, or the URL of another; repeatable, each a tier of its own
    /// unless commas join them (also --tier)
    #[argh(option, short = 't', arg_name = "url", from_str_fn(tier))]
    pub tracker: Vec<Vec<String>>,

    /// a web seed: where the content is on the web; repeatable
    #[argh(option, short = 'w', arg_name = "url", from_str_fn(web_url))]
    pub webseed: Vec<String>,

    /// peers from its trackers only
    #[argh(switch, short = 'p')]
    pub private: bool,

    /// piece length: 512KiB, 1MiB, or a number of KiB (512KiB, growing above 1 GiB); also
    /// --piecesize
    #[argh(option, short = 's', arg_name = "size")]
    pub piece_length: Option<PieceLength>,

    /// a comment
    #[argh(option, short = 'c', arg_name = "text")]
    pub comment: Option<String>,

    /// where it belongs, for private trackers
    #[argh(option, short = 'r', arg_name = "text")]
    pub source: Option<String>,

    /// do not say when and by what it was made: the same content gives the same bytes
    #[argh(switch, short = 'x')]
    pub anonymize: bool,

    /// what to call it (the last part of PATH)
    #[argh(option, arg_name = "name", from_str_fn(one_component))]
    pub name: Option<String>,

    /// take hidden files and junk (Thumbs.db, desktop.ini, .DS_Store) too
    #[argh(switch)]
    pub include_hidden: bool,

    /// leave out files and folders of that name, or path if there is a slash in it; * and ? stand
    /// for letters, ** for folders; repeatable
    #[argh(option, arg_name = "glob")]
    pub exclude: Vec<Glob>,

    /// hash and write nothing: say which files there would be
    #[argh(switch)]
    pub dry_run: bool,

    /// print the magnet link
    #[argh(switch)]
    pub link: bool,

    /// print what peer show would
    #[argh(switch)]
    pub show: bool,

    /// SHA-1 pieces only
    #[argh(switch)]
    pub v1: bool,

    /// SHA-1 pieces and SHA-256 trees (the default)
    #[argh(switch)]
    pub hybrid: bool,

    /// SHA-256 trees only
    #[argh(switch)]
    pub v2: bool,

    /// print what was made as JSON
    #[argh(switch)]
    pub json: bool,

    /// no progress
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

impl CreateArgs {
    /// Which hashes the torrent is to carry.
    pub fn version(&self) -> Result<Version, CliError> {
        match (self.v1, self.hybrid, self.v2) {
            (true, false, false) => Ok(Version::V1),
            (false, _, false) => Ok(Version::Hybrid),
            (false, false, true) => Ok(Version::V2),
            _ => Err(CliError::usage("--v1, --hybrid and --v2 exclude each other: give one")),
        }
    }

    /// What of a folder is taken.
    pub fn choice(&self) -> Choice {
        Choice { include_hidden: self.include_hidden, exclude: self.exclude.clone() }
    }
}

/// A tier: trackers joined by commas. A comma inside a URL parts nothing unless another URL
/// follows it.
pub(super) fn tier(text: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    for part in text.split(',') {
        match words.last_mut() {
            Some(last) if last.contains("://") && !part.contains("://") => {
                last.push(',');
                last.push_str(part);
            }
            _ => words.push(part.to_owned()),
        }
    }
    words.iter().map(|word| tracker_or_url(word)).collect()
}

/// A URL as it is; a tracker of ours with its port.
fn tracker_or_url(text: &str) -> Result<String, String> {
    if text.contains("://") {
        return Ok(text.to_owned());
    }
    tracker_addr(text).map(|tracker| tracker.to_string())
}

/// A name that is one component of a path.
fn one_component(text: &str) -> Result<String, String> {
    let is_one = !matches!(text, "" | "." | "..") && !text.contains(['/', '\0']);
    if is_one { Ok(text.to_owned()) } else { Err("expected a name without a slash".into()) }
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, PeerCommand, peer};
    use super::*;

    fn create(line: &str) -> Result<CreateArgs, CliError> {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        match peer(&words)? {
            Parsed::Command(PeerCommand::Create(args)) => Ok(args),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn check(line: &str) -> CreateArgs {
        create(line).expect(line)
    }

    #[test]
    fn create_takes_a_path_and_where_to_write() {
        let args = check("create -t a:1 big.zip -t udp://b/announce -s1MiB -o -");
        assert_eq!(args.path, PathBuf::from("big.zip"));
        assert_eq!(args.output, Some(PathBuf::from("-")));
        assert_eq!(args.tracker, [["a:1"], ["udp://b/announce"]]);
        assert_eq!(args.piece_length, Some(PieceLength(1 << 20)));
        assert_eq!(check("create -- -odd-").path, PathBuf::from("-odd-"));
        assert_eq!(check("create help").path, PathBuf::from("help"));
    }

    #[test]
    fn the_words_of_transmission_create_mean_the_same() {
        let args =
            check("create -p -o x -s 256 -c hey -t http://a/ -t http://b/ -w http://c/ -x d");
        assert!(args.private && args.anonymize);
        assert_eq!(args.piece_length, Some(PieceLength(256 * 1024)));
        assert_eq!(
            (args.comment.as_deref(), args.webseed.as_slice()),
            (Some("hey"), &["http://c/".to_owned()][..])
        );
        let long =
            check("create --private --outfile=x --piecesize=256 --tracker http://a/ --source s d");
        assert_eq!(long.piece_length, Some(PieceLength(256 * 1024)));
        assert_eq!((long.output, long.source.as_deref()), (Some("x".into()), Some("s")));
        assert_eq!(check("create --tier http://a/ -t b:1 d").tracker, [["http://a/"], ["b:1"]]);
        let twice = create("create -s 256 --piecesize 512 d").expect_err("twice");
        assert_eq!(twice.message, "--piece-length is given twice: once is enough");
    }

    #[test]
    fn commas_join_trackers_to_a_tier_and_stay_inside_a_url() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(tier(text).expect(text), expected, "{text}");
        };
        check(
            "http://a/,udp://b:1,http://c/?x=1,2",
            &["http://a/", "udp://b:1", "http://c/?x=1,2"],
        );
        check("a:1,b", &["a:1", "b:6969"]);
        check("a:1,http://b/", &["a:1", "http://b/"]);
        assert!(tier("a:1,").is_err());
    }

    #[test]
    fn a_new_torrent_is_hybrid_unless_one_version_is_asked_for() {
        let version = |flags: &str, expected: Option<Version>| {
            let args = check(&format!("create x {flags}"));
            assert_eq!(args.version().ok(), expected, "{flags}");
        };
        version("", Some(Version::Hybrid));
        version("--hybrid", Some(Version::Hybrid));
        version("--v1", Some(Version::V1));
        version("--v2", Some(Version::V2));
        version("--v1 --v2", None);
        version("--v1 --hybrid", None);
        version("--hybrid --v2", None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "create x --name a/b",
            "create x --name ..",
            "create x --exclude a//b",
            "create x -w udp://t:1",
            "create x -w x",
            "create x -s 500",
        ] {
            assert_eq!(create(line).expect_err(line).exit.code(), 2, "{line}");
        }
    }
}
