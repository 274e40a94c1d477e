//! The flags of `peer show`.

use super::super::show::Sections;
use super::super::units::TimeSpan;
use super::commands::SCRAPE_TIMEOUT;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;
use std::time::Duration;

/// Say what a .torrent holds.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(FromArgs, ArgsInfo, Debug, PartialEq, Default)]
#[argh(help_triggers("--help"), example = "peer show big.zip.torrent")]
pub struct ShowArgs {
    /// the .torrent files; - for stdin
    #[argh(positional)]
    pub file: Vec<PathBuf>,

    /// the magnet link only
    #[argh(switch, short = 'm')]
    pub magnet: bool,

    /// ask its trackers how many seed and fetch it
    #[argh(switch, short = 's')]
    pub scrape: bool,

    /// how long to wait for the trackers (5s)
    #[argh(option, arg_name = "time")]
    pub timeout: Option<TimeSpan>,

    /// the piece map too: which pieces each file spans
    #[argh(switch)]
    pub pieces: bool,

    /// the files in the order of the .torrent
    #[argh(switch, short = 'u')]
    pub unsorted: bool,

    /// sizes in bytes
    #[argh(switch, short = 'b')]
    pub bytes: bool,

    /// only the header, the name and the file; these can be joined: -if
    #[argh(switch, short = 'd')]
    pub header: bool,

    /// only the general facts
    #[argh(switch, short = 'i')]
    pub info: bool,

    /// only the trackers and web seeds
    #[argh(switch, short = 't')]
    pub trackers: bool,

    /// only the files
    #[argh(switch, short = 'f')]
    pub files: bool,

    /// not the header
    #[argh(switch, short = 'D')]
    pub no_header: bool,

    /// not the general facts
    #[argh(switch, short = 'I')]
    pub no_info: bool,

    /// not the trackers and web seeds
    #[argh(switch, short = 'T')]
    pub no_trackers: bool,

    /// not the files
    #[argh(switch, short = 'F')]
    pub no_files: bool,

    /// one JSON object per line and .torrent
    #[argh(switch)]
    pub json: bool,
}

impl ShowArgs {
    /// Which parts are wanted: those named, or all, without those named by their opposite.
    pub fn sections(&self) -> Sections {
        let pieces = self.pieces;
        let all = !(self.header || self.info || self.trackers || self.files);
        Sections {
            header: (all || self.header) && !self.no_header,
            info: (all || self.info) && !self.no_info,
            trackers: (all || self.trackers) && !self.no_trackers,
            files: (all || self.files) && !self.no_files,
            pieces,
        }
    }

    /// How long to wait for the trackers.
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(SCRAPE_TIMEOUT, |TimeSpan(time)| time)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, PeerCommand, peer};

    #[test]
    fn sections_are_all_unless_some_are_named_or_taken_away() {
        let check = |flags: &str, expected: &str| {
            let words = ["show", "x", flags].map(str::to_owned);
            let given = if flags.is_empty() { &words[..2] } else { &words[..] };
            let Ok(Parsed::Command(PeerCommand::Show(args))) = peer(given) else { panic!("show") };
            let s = args.sections();
            let letters = [
                (s.header, 'd'),
                (s.info, 'i'),
                (s.trackers, 't'),
                (s.files, 'f'),
                (s.pieces, 'p'),
            ];
            let shown: String = letters.iter().filter(|(is, _)| *is).map(|(_, c)| c).collect();
            assert_eq!(shown, expected, "{flags}");
        };
        check("", "ditf");
        check("-i", "i");
        check("-if", "if");
        check("-DT", "if");
        check("-fF", "");
        check("--pieces", "ditfp");
        check("--no-files", "dit");
    }
}
