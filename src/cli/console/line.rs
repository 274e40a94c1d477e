//! What a line of the console says: [`Line`]. Pure: text in, a value or a sentence out.

use super::super::exit::CliError;
use super::super::units::{RateLimit, TimeSpan};
use crate::control::Which;
use crate::control::order::{FileChange, Name};
use crate::logic::picker::Priority;
use crate::nearest::nearest;
use std::time::Duration;

/// The commands: word, what stands behind it, what it does.
pub const COMMANDS: [(&str, &str, &str); 20] = [
    ("SEEDING", "PATH ..", "serve files or folders, one torrent each"),
    ("DOWNLOAD", "WHAT ..", "fetch: a name, a hash, a magnet, a .torrent or its URL"),
    ("MAKETORRENT", "PATH [FLAGS]", "make a .torrent; the flags are those of peer create"),
    ("LIST", "", "what the trackers list"),
    ("STATUS", "[ID ..]", "the torrents, by their numbers"),
    ("FILES", "[ID ..]", "their files"),
    ("PEERS", "[ID ..]", "who is connected, and who serves whom"),
    ("PIECES", "[ID ..]", "which pieces are here"),
    ("TRACKER", "[ID [URL]]", "the trackers and what they said; a URL is added"),
    ("WANT", "ID FILES", "fetch these files: 0,2-4"),
    ("SKIP", "ID FILES", "do not fetch these"),
    ("LIMIT", "[ID] DOWN UP", "rates: 500 (kB/s), 500k, 2M, 0 for none"),
    ("PAUSE", "ID ..", "stop torrents; they stay listed"),
    ("RESUME", "ID ..", "start them again"),
    ("VERIFY", "ID ..", "check what is on disk"),
    ("ANNOUNCE", "ID ..", "ask the trackers for peers now"),
    ("REMOVE", "ID .. [DATA]", "let torrents go; DATA deletes their files, too"),
    ("WAIT", "[TIME]", "until every download is whole"),
    ("HELP", "[COMMAND]", "this list"),
    ("QUIT", "", "end"),
];

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Serve these paths.
    Seeding(Vec<String>),
    /// Fetch these.
    Download(Vec<String>),
    /// What stands behind `peer create`.
    MakeTorrent(Vec<String>),
    /// The catalogue.
    List,
    /// How torrents stand.
    Status(Which),
    /// Their files.
    Files(Which),
    /// Their peers.
    Peers(Which),
    /// Their pieces.
    Pieces(Which),
    /// Their trackers.
    Trackers(Which),
    /// One more tracker.
    AddTracker(Which, String),
    /// Bytes per second, of torrents or of all together; `None` is no limit.
    Limit {
        /// Which torrents; `None`: all together.
        which: Option<Which>,
        /// Received.
        down: Option<u64>,
        /// Sent.
        up: Option<u64>,
    },
    /// What is wanted of a torrent.
    Want(Which, Vec<FileChange>),
    /// Stop.
    Pause(Which),
    /// Start.
    Resume(Which),
    /// Check.
    Verify(Which),
    /// Ask trackers.
    Announce(Which),
    /// Let go.
    Remove {
        /// Which torrents.
        which: Which,
        /// Whether their files go, too.
        with_data: bool,
    },
    /// Wait until every download is whole.
    Wait(Option<Duration>),
    /// The list of commands, or one of them.
    Help(Option<String>),
    /// End.
    Quit,
}

/// Reads a line; `None` if it is empty or a comment.
///
/// # Errors
/// One sentence.
pub fn parse(text: &str) -> Result<Option<Line>, String> {
    let words = words(text)?;
    let Some((command, rest)) = words.split_first() else { return Ok(None) };
    let needs = |what: &str| {
        let word = command.to_uppercase();
        if rest.is_empty() {
            Err(format!("{word} needs {what}: HELP {word} shows how"))
        } else {
            Ok(())
        }
    };
    let line = match command.to_uppercase().as_str() {
        "SEEDING" | "SEED" => {
            needs("a path")?;
            Line::Seeding(rest.to_vec())
        }
        "DOWNLOAD" | "LEECH" => {
            needs("what to fetch")?;
            Line::Download(rest.to_vec())
        }
        "MAKETORRENT" | "CREATE" => {
            needs("a path")?;
            Line::MakeTorrent(rest.to_vec())
        }
        "LIST" => Line::List,
        "STATUS" => Line::Status(which(rest)?),
        "FILES" => Line::Files(which(rest)?),
        "PEERS" => Line::Peers(which(rest)?),
        "PIECES" => Line::Pieces(which(rest)?),
        "TRACKER" | "TRACKERS" => match rest {
            [id, url] if url.contains("://") => {
                Line::AddTracker(which(std::slice::from_ref(id))?, url.clone())
            }
            ids => Line::Trackers(which(ids)?),
        },
        "WANT" | "SKIP" => {
            let [id, files] = rest else {
                let word = command.to_uppercase();
                return Err(format!("{word} needs a torrent and files: {word} 1 0,2-4"));
            };
            let files = numbers(files)?;
            let change = if command.eq_ignore_ascii_case("WANT") {
                FileChange::Want(files)
            } else {
                FileChange::Skip(files)
            };
            Line::Want(which(std::slice::from_ref(id))?, vec![change])
        }
        "LIMIT" => limit(rest)?,
        "PAUSE" | "STOP" => {
            needs("a torrent")?;
            Line::Pause(which(rest)?)
        }
        "RESUME" | "START" => {
            needs("a torrent")?;
            Line::Resume(which(rest)?)
        }
        "VERIFY" => {
            needs("a torrent")?;
            Line::Verify(which(rest)?)
        }
        "ANNOUNCE" => {
            needs("a torrent")?;
            Line::Announce(which(rest)?)
        }
        "REMOVE" => {
            needs("a torrent")?;
            let with_data = rest.last().is_some_and(|word| word.eq_ignore_ascii_case("DATA"));
            let ids = &rest[..rest.len() - usize::from(with_data)];
            if ids.is_empty() {
                return Err("REMOVE needs a torrent: REMOVE 1 DATA".into());
            }
            Line::Remove { which: which(ids)?, with_data }
        }
        "WAIT" => match rest {
            [] => Line::Wait(None),
            [time] => {
                let TimeSpan(time) = time.parse().map_err(|e| format!("WAIT {time}: {e}"))?;
                Line::Wait(Some(time))
            }
            _ => return Err("WAIT takes one time: WAIT 30s".into()),
        },
        "HELP" | "?" => Line::Help(rest.first().cloned()),
        "QUIT" | "EXIT" => Line::Quit,
        _ => return Err(unknown(command).message),
    };
    Ok(Some(line))
}

/// A word that is no command.
pub fn unknown(word: &str) -> CliError {
    let upper = word.to_uppercase();
    let known = COMMANDS.iter().map(|(word, ..)| *word);
    CliError::usage(match nearest(&upper, known) {
        Some(command) => format!("unknown command {word}: did you mean {command}?"),
        None => format!("unknown command {word}: HELP lists the commands"),
    })
}

/// The words of a line, as a shell takes them apart: quotes, and a backslash before a character.
///
/// # Errors
/// A quote that does not end.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} does not end"));
    }
    words.extend(word);
    Ok(words)
}

/// Torrents by their numbers or hashes; all if none is named.
fn which(words: &[String]) -> Result<Which, String> {
    if words.is_empty() || matches!(words, [only] if only.eq_ignore_ascii_case("all")) {
        return Ok(Which::All);
    }
    let name = |word: &String| {
        let is_hash = [40, 64].contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit());
        match word.parse() {
            Ok(id) => Ok(Name::Id(id)),
            Err(_) if is_hash => Ok(Name::Hash(word.to_ascii_lowercase())),
            Err(_) => Err(format!("{word} is no torrent: give its number, STATUS lists them")),
        }
    };
    let names: Result<Vec<Name>, String> = words.iter().map(name).collect();
    names.map(Which::These)
}

/// `0,2-4`, or `all`, which is none.
fn numbers(text: &str) -> Result<Vec<usize>, String> {
    /// A range is written out; no torrent has more files.
    const MOST: usize = 1 << 20;
    if text.eq_ignore_ascii_case("all") {
        return Ok(Vec::new());
    }
    let bad = || format!("{text} names no files: write 0,2-4 or all");
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.parse().map_err(|_| bad())?;
        let last: usize = last.parse().map_err(|_| bad())?;
        if last < first || last - first >= MOST || numbers.len() >= MOST {
            return Err(bad());
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

fn limit(words: &[String]) -> Result<Line, String> {
    let rate = |word: &String| {
        let RateLimit(rate) = word.parse().map_err(|e| format!("LIMIT {word}: {e}"))?;
        Ok::<_, String>(rate)
    };
    match words {
        [down, up] => Ok(Line::Limit { which: None, down: rate(down)?, up: rate(up)? }),
        [id, down, up] => {
            let which = Some(which(std::slice::from_ref(id))?);
            Ok(Line::Limit { which, down: rate(down)?, up: rate(up)? })
        }
        _ => Err("LIMIT takes two rates, received and sent: LIMIT 500k 0".into()),
    }
}

/// How much a file is wanted, as it is shown.
pub fn priority_in_words(wanted: bool, priority: Priority) -> &'static str {
    match (wanted, priority) {
        (false, _) | (true, Priority::Skip) => "skip",
        (true, Priority::Low) => "low",
        (true, Priority::Normal) => "normal",
        (true, Priority::High) => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Line) {
        assert_eq!(parse(text), Ok(Some(expected)), "{text}");
    }

    fn check_refused(text: &str, expected: &str) {
        assert_eq!(parse(text), Err(expected.into()), "{text}");
    }

    fn these(ids: &[u32]) -> Which {
        Which::These(ids.iter().map(|&id| Name::Id(id)).collect())
    }

    #[test]
    fn commands_are_words_in_any_case_with_quotes_as_in_a_shell() {
        check(
            "seeding a 'b c' \"d e\" f\\ g",
            Line::Seeding(vec!["a".into(), "b c".into(), "d e".into(), "f g".into()]),
        );
        check("DOWNLOAD big.zip # the large one", Line::Download(vec!["big.zip".into()]));
        check("MakeTorrent x --v1", Line::MakeTorrent(vec!["x".into(), "--v1".into()]));
        check("status", Line::Status(Which::All));
        check("PEERS 1 2", Line::Peers(these(&[1, 2])));
        check("QUIT", Line::Quit);
        assert_eq!(parse("  # nothing"), Ok(None));
        assert_eq!(parse(""), Ok(None));
    }

    #[test]
    fn limits_are_of_all_torrents_or_of_one() {
        check("LIMIT 500 0", Line::Limit { which: None, down: Some(500_000), up: None });
        let one = Some(these(&[3]));
        check(
            "LIMIT 3 2M 10k",
            Line::Limit { which: one, down: Some(2_000_000), up: Some(10_000) },
        );
        check("REMOVE 1 2 data", Line::Remove { which: these(&[1, 2]), with_data: true });
        check("WANT 1 0,2-3", Line::Want(these(&[1]), vec![FileChange::Want(vec![0, 2, 3])]));
        check("WAIT 2s", Line::Wait(Some(Duration::from_secs(2))));
    }

    #[test]
    fn a_mistake_gets_a_sentence() {
        check_refused("DOWNLAOD x", "unknown command DOWNLAOD: did you mean DOWNLOAD?");
        check_refused("xyzzy", "unknown command xyzzy: HELP lists the commands");
        check_refused("DOWNLOAD", "DOWNLOAD needs what to fetch: HELP DOWNLOAD shows how");
        check_refused("PAUSE one", "one is no torrent: give its number, STATUS lists them");
        check_refused("SEEDING 'a", "the quote ' does not end");
        check_refused("LIMIT 5", "LIMIT takes two rates, received and sent: LIMIT 500k 0");
        check_refused("WANT 1 3-1", "3-1 names no files: write 0,2-4 or all");
        check_refused("skip 1", "SKIP needs a torrent and files: SKIP 1 0,2-4");
        check_refused("REMOVE data", "REMOVE needs a torrent: REMOVE 1 DATA");
    }

    #[test]
    fn every_command_of_the_help_is_read() {
        for (word, ..) in COMMANDS {
            if let Err(why) = parse(word) {
                assert!(!why.starts_with("unknown"), "{word}: {why}");
            }
        }
    }

    #[test]
    fn the_page_of_the_command_line_has_the_same_table() {
        let page = include_str!("../../../docs/cli.md");
        let (_, section) = page.split_once("\n## The console\n").expect("a section");
        let section = section.split("\n## ").next().expect("it ends");
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let rows: Vec<&str> = rows.collect();
        let expected = COMMANDS.map(|(word, rest, what)| match rest {
            "" => format!("| `{word}` | | {what} |"),
            rest => format!("| `{word}` | {rest} | {what} |"),
        });
        assert_eq!(rows, expected);
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_the_console_panic(line in "[A-Za-z0-9'\"\\\\ #,:é-]{0,40}") {
            let _ = parse(&line);
        }
    }
}
