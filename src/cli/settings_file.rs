//! A settings file is flags, written down: each key is a flag without its dashes.
//!
//! ```toml
//! # most that is received: kB/s, or 500k, 2M; 0 = no limit (0)
//! downlimit = "2M"
//! tracker = ["127.0.0.1:6969", "udp://t.example:6969"]
//! paused = true
//! ```
//! The file's values become words before those of the command line, and are read by the same
//! parser with the same checks and the same sentences; a flag on the command line goes before the
//! same key of the file. The documentation of a key is the description of its flag, and what
//! [`printed`] prints is read back as what it was made from.

use super::argv::{Flag, Takes};
use super::exit::{CliError, Exit, cause};
use crate::nearest::nearest;
use argh::{CommandInfoWithArgs, FlagInfoKind};
use std::fmt::Write as _;
use std::path::Path;
use toml_edit::{Array, DocumentMut, Item, Value};

/// Flags that no file can set: they say where the file is, or what is to be done with it.
const NOT_KEYS: [&str; 4] = ["--config", "--config-dir", "--dump-settings", "--help"];

/// The most of a settings file that is read.
const LONGEST: u64 = 1 << 20;

/// The words of a settings file, and where they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Flags and their values.
    pub words: Vec<String>,
    /// The flags, and the lines that name them.
    lines: Vec<(&'static str, usize)>,
}

impl Words {
    /// The line that a sentence about a flag is about: `--port "x" makes no sense: ..`.
    pub fn line_of(&self, sentence: &str) -> Option<usize> {
        let flag = sentence.split(' ').next()?;
        self.lines.iter().find(|(long, _)| *long == flag).map(|&(_, line)| line)
    }
}

/// The words of a settings file, for the flags that are not `given` on the command line.
///
/// # Errors
/// [`Exit::Disk`] when it cannot be read, [`Exit::Usage`] when it makes no sense: with the file,
/// the line and the key.
pub fn words(path: &Path, flags: &[Flag], given: &[String]) -> Result<Words, CliError> {
    let advice = "check --config";
    let size = std::fs::metadata(path).map_err(|e| CliError::disk("read", path, &e, advice))?;
    if size.len() > LONGEST {
        let why = format!("{} has {} bytes: it is no settings file", path.display(), size.len());
        return Err(CliError::usage(why));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::new(
            Exit::Disk,
            format!("cannot read {} ({}): {advice}", path.display(), cause(&error)),
        )
    })?;
    words_of(&text, flags, given)
        .map_err(|why| CliError::usage(format!("{}: {why}", path.display())))
}

/// The same of a text.
pub fn words_of(text: &str, flags: &[Flag], given: &[String]) -> Result<Words, String> {
    let document = text.parse::<DocumentMut>().map_err(|error| {
        let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        format!("line {line}: {}", error.message().lines().next().unwrap_or_default())
    })?;
    let mut found = Words::default();
    for (key, item) in document.iter() {
        let line = line_of(text, key);
        let flag = flag_of(flags, key).ok_or_else(|| {
            let keys = flags.iter().filter(|flag| is_key(flag)).map(|flag| &flag.long[2..]);
            match nearest(key, keys) {
                Some(known) => format!("line {line}: unknown key {key}: did you mean {known}?"),
                None => format!("line {line}: unknown key {key}: --dump-settings lists the keys"),
            }
        })?;
        if !given.iter().any(|word| word == flag.long) {
            let words = words_of_key(flag, item).map_err(|why| format!("line {line}: {why}"))?;
            found.words.extend(words);
            found.lines.push((flag.long, line));
        }
    }
    Ok(found)
}

fn is_key(flag: &Flag) -> bool {
    !NOT_KEYS.contains(&flag.long)
}

fn flag_of<'a>(flags: &'a [Flag], key: &str) -> Option<&'a Flag> {
    flags.iter().find(|flag| is_key(flag) && flag.long.strip_prefix("--") == Some(key))
}

/// The line that a key stands in: the reader of the document keeps no positions once it is mutable.
fn line_of(text: &str, key: &str) -> usize {
    let names = |line: &str| {
        let left = line.split('=').next().unwrap_or_default().trim();
        left.trim_matches(['"', '\'', '[', ']']) == key
    };
    text.lines().position(names).map_or(1, |at| at + 1)
}

/// A key and its value as words of the command line.
fn words_of_key(flag: &Flag, item: &Item) -> Result<Vec<String>, String> {
    let key = &flag.long[2..];
    let long = || flag.long.to_owned();
    match (flag.takes, item.as_value()) {
        (Takes::Nothing, Some(Value::Boolean(on))) => {
            Ok(if *on.value() { vec![long()] } else { Vec::new() })
        }
        (Takes::Nothing, Some(Value::Integer(times))) if (0..=9).contains(times.value()) => {
            Ok(vec![long(); *times.value() as usize])
        }
        (Takes::Nothing, _) => Err(format!("{key} is true or false")),
        (Takes::Endpoint, Some(Value::Boolean(on))) => {
            Ok(if *on.value() { vec![long(), String::new()] } else { Vec::new() })
        }
        (Takes::Values | Takes::Words, Some(Value::Array(all))) => {
            let each = all.iter().map(|value| scalar(key, value));
            let each: Vec<String> = each.collect::<Result<_, _>>()?;
            Ok(each.into_iter().flat_map(|value| [long(), value]).collect())
        }
        (_, Some(value)) => Ok(vec![long(), scalar(key, value)?]),
        (_, None) => Err(format!("{key} is a value, and no table")),
    }
}

fn scalar(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.value().clone()),
        Value::Integer(number) => Ok(number.value().to_string()),
        Value::Float(number) => Ok(number.value().to_string()),
        _ => Err(format!("{key} is a text or a number")),
    }
}

/// The value of a key in a printed file.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A fraction.
    Fraction(f64),
    /// A switch.
    Switch(bool),
    /// Several texts.
    List(Vec<String>),
    /// Not set: the key stands there as a comment.
    Unset,
}

impl Setting {
    fn value(&self) -> Option<Value> {
        Some(match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Fraction(number) => (*number).into(),
            Self::Switch(on) => (*on).into(),
            Self::List(all) => Value::Array(all.iter().map(String::as_str).collect::<Array>()),
            Self::Unset => return None,
        })
    }
}

/// A whole settings file: every key of the command with its documentation and its value.
pub fn printed(command: &CommandInfoWithArgs, value: impl Fn(&str) -> Setting) -> String {
    let mut text = format!(
        "# {}\n# Each key is a flag of the command line, which goes before what stands here.\n",
        command.description
    );
    for flag in command.flags.iter().filter(|flag| !NOT_KEYS.contains(&flag.long)) {
        let key = flag.long.trim_start_matches('-');
        let description = flag.description.split_whitespace().collect::<Vec<_>>().join(" ");
        // A String takes all.
        let _ = write!(text, "\n# {description}\n");
        let _ = match (value(key).value(), &flag.kind) {
            (Some(value), _) => writeln!(text, "{key} = {value}"),
            (None, FlagInfoKind::Switch) => writeln!(text, "# {key} = true"),
            (None, FlagInfoKind::Option { arg_name }) => {
                writeln!(text, "# {key} = \"{}\"", arg_name.to_uppercase())
            }
        };
    }
    text
}

/// A settings file with some keys changed; everything else, comments too, stays as it is.
///
/// # Errors
/// In words, when the text is no TOML.
pub fn changed(text: &str, changes: &[(&str, Setting)]) -> Result<String, String> {
    let mut document = text.parse::<DocumentMut>().map_err(|error| error.message().to_owned())?;
    for (key, setting) in changes {
        match (setting.value(), document.get_mut(key).and_then(Item::as_value_mut)) {
            (Some(value), Some(old)) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            (Some(value), None) => document[key] = Item::Value(value),
            (None, _) => _ = document.remove(key),
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 5] = [
        Flag { long: "--downlimit", short: Some('d'), takes: Takes::Value },
        Flag { long: "--tracker", short: Some('t'), takes: Takes::Values },
        Flag { long: "--paused", short: None, takes: Takes::Nothing },
        Flag { long: "--seed-ratio", short: None, takes: Takes::Value },
        Flag { long: "--config", short: None, takes: Takes::Value },
    ];

    fn check(text: &str, given: &str, expected: Result<&str, &str>) {
        let given: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
        let words = words_of(text, &FLAGS, &given).map(|found| found.words.join(" "));
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(words, expected, "{text}");
    }

    #[test]
    fn keys_become_the_flags_of_the_same_name() {
        check("downlimit = 500", "", Ok("--downlimit 500"));
        check("downlimit = \"2M\" # fast", "", Ok("--downlimit 2M"));
        check("tracker = [\"a:1\", \"b:2\"]", "", Ok("--tracker a:1 --tracker b:2"));
        check("tracker = \"a:1\"\nseed-ratio = 1.5", "", Ok("--tracker a:1 --seed-ratio 1.5"));
        check("paused = true", "", Ok("--paused"));
        check("paused = false\n", "", Ok(""));
        check("# nothing\n\n", "", Ok(""));
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        check("downlimit = 500\npaused = true", "--downlimit 7", Ok("--paused"));
        check("tracker = [\"a:1\"]", "--tracker b:2", Ok(""));
    }

    #[test]
    fn mistakes_name_the_line_and_the_key() {
        let unknown = "line 2: unknown key downlimt: did you mean downlimit?";
        check("\ndownlimt = 5", "", Err(unknown));
        check("x9 = 1", "", Err("line 1: unknown key x9: --dump-settings lists the keys"));
        let own = "line 1: unknown key config: --dump-settings lists the keys";
        check("config = \"x\"", "", Err(own));
        check("paused = \"yes\"", "", Err("line 1: paused is true or false"));
        check("[downlimit]\nx = 1", "", Err("line 1: downlimit is a value, and no table"));
        check("downlimit = [1, 2]", "", Err("line 1: downlimit is a text or a number"));
        assert!(words_of("a = 1\ndownlimit = ", &FLAGS, &[]).unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_found_in_its_line() {
        let found = words_of("# x\npaused = true\ndownlimit = \"x\"\n", &FLAGS, &[]).unwrap();
        assert_eq!(found.line_of("--downlimit \"x\" makes no sense: expected a rate"), Some(3));
        assert_eq!(found.line_of("--tracker \"x\" makes no sense: expected"), None);
    }

    #[test]
    fn a_change_keeps_comments_and_everything_else() {
        let text = "# mine\ndownlimit = 500 # slow\n\ntracker = [\"a:1\"]\n";
        let changes = [
            ("downlimit", Setting::Text("2M".into())),
            ("seed-ratio", Setting::Fraction(2.0)),
            ("tracker", Setting::Unset),
        ];
        let expected = "# mine\ndownlimit = \"2M\" # slow\nseed-ratio = 2.0\n";
        assert_eq!(changed(text, &changes).as_deref(), Ok(expected));
        assert_eq!(
            changed("", &[("paused", Setting::Switch(true))]).as_deref(),
            Ok("paused = true\n")
        );
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(text in "[a-z=\"\\[\\]{}. 0-9\n#-]{0,80}") {
            let _ = words_of(&text, &FLAGS, &[]);
        }
    }
}
