//! Where the console's lines come from: a terminal with a prompt, history and completion, or a pipe.

use super::line::COMMANDS;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, ExternalPrinter, Helper};
use std::fs;
use std::io::{self, BufRead, Write};

/// What stands before a line.
const PROMPT: &str = "peer> ";

/// The most entries of a folder that are offered.
const OFFERED: usize = 1000;

/// Where lines come from.
pub enum Reader {
    /// Somebody types.
    Terminal(Box<Editor<Words, DefaultHistory>>, Option<Box<dyn Write + Send>>),
    /// A program writes.
    Pipe,
}

impl Reader {
    /// A terminal if somebody sits there.
    pub fn open(is_terminal: bool) -> Result<Self, ReadlineError> {
        if !is_terminal {
            return Ok(Self::Pipe);
        }
        let mut editor = Editor::new()?;
        editor.set_helper(Some(Words));
        // Without it lines stand in the middle of what is typed, no more.
        let above = editor.create_external_printer().ok();
        let above = above.map(|printer| Box::new(Above { printer, line: Vec::new() }) as Box<_>);
        Ok(Self::Terminal(Box::new(editor), above))
    }

    /// Whether somebody types.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(..))
    }

    /// Where lines go that are to stand above the one that is typed.
    pub fn printer(&mut self) -> Option<Box<dyn Write + Send>> {
        match self {
            Self::Terminal(_, above) => above.take(),
            Self::Pipe => None,
        }
    }

    /// The next line; none at the end, or when somebody typed Ctrl-C or Ctrl-D.
    pub fn next_line(&mut self) -> Option<String> {
        match self {
            Self::Terminal(editor, _) => {
                let line = editor.readline(PROMPT).ok()?;
                // A line that is not remembered is only not remembered.
                let _ = editor.add_history_entry(&line);
                Some(line)
            }
            Self::Pipe => {
                let mut line = String::new();
                match io::stdin().lock().read_line(&mut line) {
                    Ok(0) | Err(_) => None,
                    Ok(_) => Some(line),
                }
            }
        }
    }
}

/// Writes whole lines above the one that is typed.
struct Above<P> {
    printer: P,
    line: Vec<u8>,
}

impl<P: ExternalPrinter> Write for Above<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(end) = self.line.iter().rposition(|&byte| byte == b'\n') {
            let lines: Vec<u8> = self.line.drain(..=end).collect();
            let text = String::from_utf8_lossy(&lines).into_owned();
            self.printer.print(text).map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Completes the words of a line: commands first, paths behind those that take them.
pub struct Words;

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete(&line[..at]))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}
impl Validator for Words {}
impl Helper for Words {}

/// Where the last word of a line begins, and what it may become.
fn complete(line: &str) -> (usize, Vec<String>) {
    let (start, quote, word) = last_word(line);
    let first = line.split_whitespace().next().unwrap_or_default().to_uppercase();
    let is_first = line[..start].trim().is_empty();
    if is_first || first == "HELP" {
        let upper = word.to_uppercase();
        let fits =
            COMMANDS.iter().map(|(word, ..)| *word).filter(|known| known.starts_with(&upper));
        return (start, fits.map(|word| format!("{word} ")).collect());
    }
    let takes_paths = ["SEEDING", "SEED", "DOWNLOAD", "LEECH", "MAKETORRENT", "CREATE"];
    if takes_paths.contains(&first.as_str()) {
        let written = |path: String| match quote {
            Some(quote) => format!("{quote}{path}"),
            None => escaped(&path),
        };
        return (start, paths(&word).into_iter().map(written).collect());
    }
    (start, Vec::new())
}

/// Where the last word begins, the quote that it stands in if it begins with one, and the word as
/// the console will read it.
fn last_word(line: &str) -> (usize, Option<char>, String) {
    let (mut start, mut opened, mut quote) = (0, None, None);
    let mut word = String::new();
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.extend(letters.next().map(|(_, letter)| letter)),
            (None, '"' | '\'') => {
                opened = (at == start).then_some(letter);
                quote = Some(letter);
            }
            (None, _) if letter.is_whitespace() => {
                (start, opened) = (at + letter.len_utf8(), None);
                word.clear();
            }
            _ => word.push(letter),
        }
    }
    (start, opened.filter(|_| quote.is_some()), word)
}

/// A word as it is typed without quotes.
fn escaped(word: &str) -> String {
    let mut typed = String::new();
    for letter in word.chars() {
        if letter.is_whitespace() || "\\'\"#".contains(letter) {
            typed.push('\\');
        }
        typed.push(letter);
    }
    typed
}

fn paths(word: &str) -> Vec<String> {
    let (folder, name) = word.rsplit_once('/').map_or(("", word), |(folder, name)| (folder, name));
    let shown = if word.contains('/') { format!("{folder}/") } else { String::new() };
    let real = if shown.is_empty() { "." } else { &shown };
    let Ok(entries) = fs::read_dir(real) else { return Vec::new() };
    let mut fits: Vec<String> = entries
        .take(OFFERED)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let found = entry.file_name().into_string().ok()?;
            let is_hidden = found.starts_with('.') && !name.starts_with('.');
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (found.starts_with(name) && !is_hidden).then(|| format!("{shown}{found}{slash}"))
        })
        .collect();
    fits.sort();
    fits
}

#[cfg(test)]
mod tests {
    use super::super::line::words;
    use super::*;

    #[test]
    fn commands_are_completed_in_any_case_and_only_as_the_first_word() {
        assert_eq!(complete("se"), (0, vec!["SEEDING ".into()]));
        assert_eq!(complete("P"), (0, vec!["PEERS ".into(), "PIECES ".into(), "PAUSE ".into()]));
        assert_eq!(complete("STATUS se"), (7, vec![]));
        assert_eq!(complete("HELP lim"), (5, vec!["LIMIT ".into()]));
        assert_eq!(complete("zz"), (0, vec![]));
    }

    #[test]
    fn paths_are_completed_behind_the_commands_that_take_them() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let (at, found) = complete(&format!("SEEDING {folder}/Cargo.t"));
        assert_eq!((at, found), (8, vec![format!("{folder}/Cargo.toml")]));
        let (_, found) = complete(&format!("SEEDING {folder}/sr"));
        assert_eq!(found, [format!("{folder}/src/")]);
    }

    #[test]
    fn what_is_completed_is_read_as_the_path_that_was_meant() {
        assert_eq!(last_word(r"SEEDING a\ b"), (8, None, "a b".into()));
        assert_eq!(last_word("SEEDING 'a b"), (8, Some('\''), "a b".into()));
        assert_eq!(last_word("SEEDING 'a b' c"), (14, None, "c".into()));
        assert_eq!(last_word("SEEDING "), (8, None, String::new()));
        assert_eq!(escaped("a b#'c"), r"a\ b\#\'c");
        let read = words(&format!("SEEDING {}", escaped("a b#'c\\\"é"))).unwrap();
        assert_eq!(read, ["SEEDING", "a b#'c\\\"é"]);
    }
}
