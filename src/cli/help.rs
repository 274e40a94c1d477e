//! What `--help` prints: a first screen written by hand, and tables made from the flags.
//!
//! The first screen holds two examples and fits 24 lines of 80 columns; a test keeps it so, and
//! checks that it names no flag that does not exist.

use super::args::{
    LAB_COMMANDS, LabArgs, NodeArgs, PEER_COMMANDS, Subcommand, TRACKER_COMMANDS, TrackerArgs,
};
use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};
use std::fmt::Write;

/// The first screen of `peer --help`.
pub const PEER: &str = "\
Share and fetch files together with other peers.

  peer --seed big.zip        hash it, publish it, serve it until Ctrl-C
  peer --leech big.zip       find it by its name, fetch it, then serve it too

  --seed PATH ..             files or folders to share, one torrent each
  --leech WHAT ..            name, name@hashprefix, file.torrent or info-hash
  -t, --tracker TRACKER      HOST:PORT, or a udp or http URL (127.0.0.1:6969)
  -w, --download-dir DIR     where downloads go (./downloads)
  -p, --port N               0 = any (6881, then the next free up to 6889)
  -d, --downlimit RATE       kB/s, or 500k, 2M; 0 = no limit
  -u, --uplimit RATE         likewise
  --timeout TIME             until a tracker knows the name (60s)
  --seed-time TIME           how long to serve what is fetched; 0 = not at all
  --web [PORT]               a page that shows it all, http://127.0.0.1:9091/
  --json                     events as JSON lines on stdout
  -q, -v, -vv                no progress; more of the log; all of it

Commands: create PATH, list, and show, edit, verify, magnet, scrape FILE ..
          daemon, console, remote COMMAND, completions SHELL, man
  peer help all              every flag
  peer help COMMAND          one command
";

/// The first screen of `tracker --help`.
pub const TRACKER: &str = "\
Tell peers of each other, and keep the catalogue of what they share.
BitTorrent clients are answered too, at http://HOST:PORT/announce and udp://.

  tracker                          for peers on this machine: 127.0.0.1:6969
  tracker --listen 0.0.0.0:6969    for peers on other machines too

  --listen ADDR:PORT         UDP and TCP; port 0 = any, which is printed
  --keepalive TIME           how often a peer says that it is there (5s)
  --expire TIME              how long a silent peer stays listed (15s)
  --interval TIME            how often a peer asks for more peers (30s)
  --announce-interval TIME   how often a BitTorrent client announces itself (2m)
  --max-torrents N, --max-peers N, --max-peers-per-torrent N, --max-per-ip N
  --allow FILE               serve these info-hashes only; SIGHUP reads it again
  --state FILE               keep what is published over a restart
  --dashboard                show whole swarms at http://HOST:PORT/swarm-view
  --json                     events as JSON lines on stdout
  -q, -v, -vv                errors only; more of the log; all of it

  tracker dig KEY [+trace]   ask a hierarchy of trackers, like dig
  tracker completions SHELL, tracker man, tracker help
";

/// The first screen of `lab --help`.
pub const LAB: &str = "\
Run swarms, hold them against theory, and take them apart.

  lab demo                   a swarm of real processes, steered in a browser:
                             open http://127.0.0.1:6969/swarm-view
  lab run FILE               an experiment: experiments/*/scenario.toml
  lab compare FILE --set peer.choker=random --seeds 10
                             what one change makes of it, and how sure that is

  lab check FILE             what an experiment asks of this machine
  lab theory FILE            what the books say of it
  lab diagram TRACE..        who said what to whom, as a sequence diagram
  lab pcap TRACE.. -o FILE   the same as a capture, for Wireshark
  lab grade --exec COMMAND   points for a peer in any language
  lab nc HOST:PORT           messages typed by hand
  lab quiz                   questions with numbers of one's own
  lab completions SHELL, lab man

lab help COMMAND has every flag of a command, lab help all has them all.
docs/course leads from three processes to a figure of one's own.
";

/// What the exit codes mean, for the long help.
const EXIT_CODES: &str = "\
Exit codes:
  0  done                      5  data does not match its hashes
  1  anything else             6  bad torrent or magnet
  2  usage                     7  stopped before the download was whole
  3  nobody answered in time   8  disk or permission
  4  not found, or ambiguous   9  port in use         130  second interrupt
";

/// `peer 0.1.0`.
pub fn version(program: &str) -> String {
    format!("{program} {} (swarmlet)\n", env!("CARGO_PKG_VERSION"))
}

/// `peer help all`: every flag and every command.
pub fn peer_all() -> String {
    let own = table_of("peer --seed PATH .. --leech WHAT ..", &NodeArgs::get_args_info());
    all("peer", own, &PEER_COMMANDS)
}

/// `tracker help`: every flag.
pub fn tracker_all() -> String {
    all("tracker", table_of("tracker", &TrackerArgs::get_args_info()), &TRACKER_COMMANDS)
}

/// `lab help`: every flag.
pub fn lab_all() -> String {
    all("lab", table_of("lab COMMAND", &LabArgs::get_args_info()), &LAB_COMMANDS)
}

/// A program's own table, those of its commands, and the exit codes.
fn all<C>(program: &str, own: String, commands: &[Subcommand<C>]) -> String {
    let mut text = own;
    for command in commands {
        text.push('\n');
        text.push_str(&table_of(&format!("{program} {}", command.name), &(command.info)()));
    }
    text + "\n" + EXIT_CODES
}

/// Usage, flags and examples of one command.
pub fn of_command<T: ArgsInfo>(command: &str) -> String {
    table_of(command, &T::get_args_info())
}

/// The same of what a command declares.
pub fn table_of(command: &str, info: &CommandInfoWithArgs) -> String {
    let words: String = info.positionals.iter().map(positional).collect();
    let description = wrapped(info.description, WIDTH);
    let mut text = format!("Usage: {command}{words} [flags]\n\n{description}\n\n");
    for word in info.positionals {
        row(&mut text, &word.name.to_uppercase(), word.description);
    }
    for flag in info.flags.iter().filter(|flag| flag.long != "--help") {
        row(&mut text, &spelling(flag), flag.description);
    }
    row(&mut text, "-h, --help", "this text");
    row(&mut text, "-V, --version", "the version");
    for example in info.examples {
        let _ = write!(text, "\nExample: {}\n", example.replace("{command_name}", command));
    }
    text
}

fn positional(word: &PositionalInfo) -> String {
    let name = word.name.to_uppercase();
    match word.optionality {
        Optionality::Required => format!(" {name}"),
        Optionality::Repeating => format!(" {name} .."),
        _ => format!(" [{name}]"),
    }
}

/// `-p, --port N`.
fn spelling(flag: &FlagInfo) -> String {
    let short = flag.short.map_or(String::new(), |letter| format!("-{letter}, "));
    match flag.kind {
        FlagInfoKind::Switch => format!("{short}{}", flag.long),
        FlagInfoKind::Option { arg_name } => {
            format!("{short}{} {}", flag.long, arg_name.to_uppercase())
        }
    }
}

/// Where the descriptions start.
const INDENT: usize = 29;

/// The width that help is written for.
const WIDTH: usize = 80;

/// A text in lines of at most `width` columns.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let fits = column > 0 && column + 1 + length <= width;
        if column > 0 {
            lines.push(if fits { ' ' } else { '\n' });
        }
        lines.push_str(word);
        column = if fits { column + 1 + length } else { length };
    }
    lines
}

/// One flag and what it does, wrapped at [`WIDTH`].
fn row(text: &mut String, left: &str, right: &str) {
    let mut line = format!("  {left:<width$}", width = INDENT - 3);
    if line.len() > INDENT - 1 {
        text.push_str(line.trim_end());
        text.push('\n');
        line = " ".repeat(INDENT - 1);
    }
    for word in right.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(INDENT - 1);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::args::{CompareArgs, GradeArgs, MagnetArgs};
    use super::*;

    #[test]
    fn the_first_screen_fits_a_small_terminal_and_holds_two_examples() {
        for (screen, program) in
            [(PEER, "  peer --"), (TRACKER, "  tracker  "), (LAB, "  lab demo")]
        {
            assert!(screen.lines().count() <= 24, "{screen}");
            assert!(screen.lines().all(|line| line.chars().count() <= WIDTH), "{screen}");
            assert!(screen.contains(program), "{screen}");
        }
        assert_eq!(PEER.lines().filter(|line| line.starts_with("  peer --")).count(), 2);
    }

    #[test]
    fn the_first_screen_names_no_flag_that_does_not_exist() {
        let check = |screen: &str, infos: &[CommandInfoWithArgs]| {
            let named = screen.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            for word in named.filter(|word| word.len() > 2 && word.starts_with("--")) {
                let mut flags = infos.iter().flat_map(|info| info.flags);
                assert!(flags.any(|flag| flag.long == word), "{word}");
            }
        };
        check(PEER, &[NodeArgs::get_args_info()]);
        check(TRACKER, &[TrackerArgs::get_args_info()]);
        check(LAB, &[CompareArgs::get_args_info(), GradeArgs::get_args_info()]);
    }

    #[test]
    fn the_long_help_has_every_flag_and_every_exit_code_within_the_width() {
        let text = peer_all();
        for flag in NodeArgs::get_args_info().flags {
            assert!(text.contains(flag.long), "{}", flag.long);
        }
        for exit in super::super::exit::Exit::ALL {
            assert!(EXIT_CODES.contains(&format!("{}  ", exit.code())), "{exit:?}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }

    #[test]
    fn a_command_is_explained_by_usage_flags_and_an_example() {
        let expected = "\
Usage: peer magnet FILE .. [flags]

Print the magnet link of a .torrent.

  FILE                       the .torrent files, - for stdin; or a magnet link,
                             to be explained by --json
  --peer HOST:PORT           a peer that the link is to name (x.pe), HOST:PORT;
                             repeatable
  --json                     one JSON object per line and .torrent: what the
                             link says
  -h, --help                 this text
  -V, --version              the version

Example: peer magnet big.zip.torrent
";
        assert_eq!(of_command::<MagnetArgs>("peer magnet"), expected);
    }
}
