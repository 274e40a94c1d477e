//! All that a program can be told, as a tree: commands, their flags, their words, and what may
//! stand behind each.
//!
//! ```text
//! args (tables of argh) -> vocabulary -> completions, man
//! ```
//! Nothing is listed here that a command declares itself. What a value is follows from its name:
//! `FILE` is a file, `DIR` a folder; and a few names (`HOW`, `SHELL`) are one of the words that the
//! description ends with: `which piece comes next: rarest, random or sequential (rarest)`.

use super::args::{LAB_COMMANDS, LabArgs, NodeArgs, PEER_COMMANDS, TRACKER_COMMANDS, TrackerArgs};
use super::argv::{self, Takes};
use argh::{
    ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo,
    SubCommandInfo,
};

/// A program or one of its commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// How it is called: `["peer", "create"]`.
    pub words: Vec<&'static str>,
    /// What it does, in one sentence or a few.
    pub about: &'static str,
    /// Its flags, `--help` and `--version` last.
    pub flags: Vec<Flag>,
    /// The words that stand without a flag.
    pub positionals: Vec<Positional>,
    /// Lines that a user may type.
    pub examples: Vec<String>,
    /// The commands below it.
    pub commands: Vec<Self>,
}

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// With its dashes: `--port`.
    pub long: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// How much follows it.
    pub takes: Takes,
    /// Whether it may be given more than once.
    pub repeats: bool,
    /// What its value is called, as help prints it: `N`; empty for a switch.
    pub arg: String,
    /// What may stand there.
    pub value: Value,
    /// What it does.
    pub about: &'static str,
}

/// A word without a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positional {
    /// As help prints it: `FILE`.
    pub name: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether more than one may stand there.
    pub repeats: bool,
    /// What may stand there.
    pub value: Value,
    /// What it is.
    pub about: &'static str,
}

/// What a word on the command line may be, as far as a shell can help with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nobody but the user knows: a number, an address, a name.
    Anything,
    /// A file or a folder.
    Path,
    /// A file.
    File,
    /// A file whose name ends with `.torrent`.
    Torrent,
    /// A folder.
    Folder,
    /// One of these words.
    OneOf(Vec<&'static str>),
    /// The name of a manual page: one of [`pages`].
    Page,
}

impl Value {
    /// The words to choose from, if it is one of a few.
    pub fn choices(&self) -> Option<Vec<String>> {
        match self {
            Self::OneOf(words) => Some(words.iter().map(|&word| word.to_owned()).collect()),
            Self::Page => Some(pages().iter().map(Command::page).collect()),
            _ => None,
        }
    }
}

/// `peer` and its commands.
pub fn peer() -> Command {
    let commands = PEER_COMMANDS.iter().map(|command| (command.name, (command.info)()));
    program("peer", &NodeArgs::get_args_info(), commands)
}

/// `tracker` and its commands.
pub fn tracker() -> Command {
    let commands = TRACKER_COMMANDS.iter().map(|command| (command.name, (command.info)()));
    program("tracker", &TrackerArgs::get_args_info(), commands)
}

/// `lab` and its commands.
pub fn lab() -> Command {
    let commands = LAB_COMMANDS.iter().map(|command| (command.name, (command.info)()));
    program("lab", &LabArgs::get_args_info(), commands)
}

/// The program of that name, `peer` if it is none of the others.
pub fn of(program: &str) -> Command {
    match program {
        "tracker" => tracker(),
        "lab" => lab(),
        _ => peer(),
    }
}

/// Everything that has a manual page of its own: the programs, each followed by its commands.
pub fn pages() -> Vec<Command> {
    [peer(), tracker(), lab()].iter().flat_map(Command::and_all_below).cloned().collect()
}

fn program(
    name: &'static str,
    flags: &CommandInfoWithArgs,
    commands: impl Iterator<Item = (&'static str, CommandInfoWithArgs)>,
) -> Command {
    let below = commands.map(|(word, info)| Command::declared(vec![name, word], &info)).collect();
    Command { commands: below, ..Command::declared(vec![name], flags) }
}

impl Command {
    /// What a command declares of itself.
    fn declared(words: Vec<&'static str>, info: &CommandInfoWithArgs) -> Self {
        let line = words.join(" ");
        let below = |command: &SubCommandInfo| {
            Self::declared([&words[..], &[command.name]].concat(), &command.command)
        };
        let own = info.flags.iter().filter(|flag| flag.long != "--help" && !flag.hidden);
        let shown = info.positionals.iter().filter(|word| !word.hidden);
        Self {
            about: info.description,
            flags: own.map(Flag::declared).chain(Flag::of_every_command()).collect(),
            positionals: shown.map(Positional::declared).collect(),
            examples: info.examples.iter().flat_map(|example| lines(example, &line)).collect(),
            commands: info.commands.iter().map(below).collect(),
            words,
        }
    }

    /// How it is called: `peer create`.
    pub fn line(&self) -> String {
        self.words.join(" ")
    }

    /// The name of its manual page: `peer-create`.
    pub fn page(&self) -> String {
        self.words.join("-")
    }

    /// Its own word: `create`.
    pub fn word(&self) -> &'static str {
        self.words.last().copied().unwrap_or_default()
    }

    /// The first sentence of what it does.
    pub fn summary(&self) -> &'static str {
        self.about.split_once(". ").map_or(self.about, |(first, _)| first)
    }

    /// Itself and all commands below it, each before those below it.
    pub fn and_all_below(&self) -> Vec<&Self> {
        let below = self.commands.iter().flat_map(Self::and_all_below);
        std::iter::once(self).chain(below).collect()
    }

    /// Itself with the command `help`, which every program has besides those of its table.
    #[must_use]
    pub fn with_help(mut self) -> Self {
        let words: Vec<&'static str> = self.commands.iter().map(Self::word).collect();
        // `tracker help` explains everything at once.
        let takes_word = self.word() == "peer";
        let topic = Positional {
            name: "COMMAND".into(),
            optional: true,
            repeats: false,
            value: Value::OneOf([&["all"], &words[..]].concat()),
            about: "which command",
        };
        self.commands.push(Self {
            words: [&self.words[..], &["help"]].concat(),
            about: "Explain every flag.",
            flags: Vec::new(),
            positionals: if takes_word { vec![topic] } else { Vec::new() },
            examples: Vec::new(),
            commands: Vec::new(),
        });
        self
    }
}

impl Flag {
    fn declared(info: &FlagInfo<'static>) -> Self {
        let name = match info.kind {
            FlagInfoKind::Switch => "",
            FlagInfoKind::Option { arg_name } => arg_name,
        };
        Self {
            long: info.long,
            short: info.short,
            takes: argv::Flag::declared(info).takes,
            repeats: info.optionality == Optionality::Repeating,
            arg: name.to_uppercase(),
            value: value(name, info.description),
            about: info.description,
        }
    }

    /// What the normaliser knows beside the flags of a command.
    fn of_every_command() -> [Self; 2] {
        let switch = |long, letter, about| Self {
            long,
            short: Some(letter),
            takes: Takes::Nothing,
            repeats: false,
            arg: String::new(),
            value: Value::Anything,
            about,
        };
        [switch("--help", 'h', "explain the flags"), switch("--version", 'V', "the version")]
    }

    /// Both spellings, the letter first: `["-p", "--port"]`.
    pub fn spellings(&self) -> Vec<String> {
        let short = self.short.map(|letter| format!("-{letter}"));
        short.into_iter().chain([self.long.to_owned()]).collect()
    }
}

impl Positional {
    fn declared(info: &PositionalInfo<'static>) -> Self {
        Self {
            name: info.name.to_uppercase(),
            optional: info.optionality != Optionality::Required,
            repeats: matches!(info.optionality, Optionality::Repeating | Optionality::Greedy),
            value: match value(info.name, info.description) {
                Value::File if info.description.contains(".torrent") => Value::Torrent,
                other => other,
            },
            about: info.description,
        }
    }
}

/// The command lines of an example: one struct has one text, in which help's own heading parts them.
fn lines(example: &str, command: &str) -> Vec<String> {
    let lines = example.split("\nExample: ");
    lines.map(|line| line.trim().replace("{command_name}", command)).collect()
}

/// Names of values that are one of the words which the description lists.
const CHOSEN: [&str; 6] = ["name", "how", "level", "when", "shell", "command"];

/// What a value is, by what it is called and how it is described.
fn value(name: &str, about: &'static str) -> Value {
    match name {
        "file" | "files" => Value::File,
        "dir" => Value::Folder,
        "path" | "paths" => Value::Path,
        "what" | "torrent" | "torrents" => Value::Torrent,
        "page" => Value::Page,
        chosen if CHOSEN.contains(&chosen) => listed(about).map_or(Value::Anything, Value::OneOf),
        _ => Value::Anything,
    }
}

/// The words that a description ends with: `a, b or c`, the default in brackets not counted.
fn listed(about: &'static str) -> Option<Vec<&'static str>> {
    let choices = about.rsplit_once(": ").map_or(about, |(_, choices)| choices);
    let choices = choices.rsplit_once(" (").map_or(choices, |(choices, _)| choices);
    let (others, last) = choices.rsplit_once(" or ")?;
    let words: Vec<_> = others.split(", ").chain([last]).collect();
    words.iter().all(|word| is_word(word)).then_some(words)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::super::args;
    use super::*;
    use crate::logic::choker::ChokerPolicy;

    fn flag_of(command: &Command, long: &str) -> Flag {
        let found = command.flags.iter().find(|flag| flag.long == long);
        found.unwrap_or_else(|| panic!("{}: {long}", command.line())).clone()
    }

    fn below(root: &Command, word: &str) -> Command {
        root.commands.iter().find(|c| c.word() == word).expect("a command").clone()
    }

    #[test]
    fn every_command_of_the_tables_is_in_the_tree() {
        let words: Vec<_> = peer().commands.iter().map(Command::word).collect();
        assert_eq!(words, PEER_COMMANDS.iter().map(|c| c.name).collect::<Vec<_>>());
        let pages: Vec<_> = pages().iter().map(Command::page).collect();
        for page in ["peer", "peer-create", "peer-man", "tracker", "tracker-dig"] {
            assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
        }
    }

    #[test]
    fn what_a_value_is_follows_from_its_name() {
        let (peer, tracker) = (peer(), tracker());
        let check = |command: &Command, long: &str, expected: Value| {
            assert_eq!(flag_of(command, long).value, expected, "{} {long}", command.line());
        };
        check(&peer, "--seed", Value::Path);
        check(&peer, "--leech", Value::Torrent);
        check(&peer, "--download-dir", Value::Folder);
        check(&peer, "--logfile", Value::File);
        check(&peer, "--port", Value::Anything);
        check(&peer, "--tracker", Value::Anything);
        check(&peer, "--picker", Value::OneOf(vec!["rarest", "random", "sequential"]));
        check(&peer, "--choker", Value::OneOf(ChokerPolicy::ALL.map(ChokerPolicy::name).to_vec()));
        check(&peer, "--io", Value::OneOf(vec!["mmap", "pread"]));
        check(&peer, "--resolve", Value::OneOf(vec!["iterative", "recursive", "chain"]));
        check(&peer, "--super-seeding", Value::OneOf(vec!["auto", "off"]));
        check(&tracker, "--color", Value::OneOf(vec!["auto", "always", "never"]));
        let levels = vec!["error", "warn", "info", "debug", "trace"];
        check(&tracker, "--log-level", Value::OneOf(levels));
        check(&below(&peer, "create"), "--output", Value::File);
        let word = |command: &str| below(&peer, command).positionals[0].value.clone();
        assert_eq!(word("show"), Value::Torrent);
        assert_eq!(word("create"), Value::Path);
        assert_eq!(word("completions"), Value::OneOf(vec!["bash", "zsh", "fish", "nushell"]));
        assert_eq!(word("man"), Value::Page);
    }

    #[test]
    fn an_example_may_be_several_lines() {
        let text = "{command_name} list\nExample: {command_name} stop all";
        assert_eq!(lines(text, "peer remote"), ["peer remote list", "peer remote stop all"]);
    }

    #[test]
    fn only_a_list_of_single_words_is_a_choice() {
        let check = |about, expected: &[&str]| {
            assert_eq!(listed(about).unwrap_or_default(), expected, "{about}");
        };
        check("mmap or pread", &["mmap", "pread"]);
        check("how: a, b or c-d (a)", &["a", "b", "c-d"]);
        check("kB/s, or 500k, 2M; 0 = no limit (0)", &[]);
        check("a name or an id", &[]);
        check("what it is called", &[]);
        check("", &[]);
    }

    /// The parser has the last word: what is offered is taken, and anything else is refused.
    #[test]
    fn every_choice_that_is_offered_is_accepted_and_no_other_is() {
        let refused = |words: &[String]| match words[0].as_str() {
            "peer" => args::peer(&words[1..]).err(),
            "lab" => args::lab(&words[1..]).err(),
            _ => args::tracker(&words[1..]).err(),
        };
        let makes_sense = |command: &Command, words: &[&str]| {
            let line: Vec<String> =
                command.words.iter().chain(words).map(|&word| word.to_owned()).collect();
            refused(&line).is_none_or(|error| !error.message.contains("makes no sense"))
        };
        let mut seen = 0;
        for command in pages() {
            for flag in &command.flags {
                let Value::OneOf(choices) = &flag.value else { continue };
                seen += 1;
                for choice in choices {
                    assert!(makes_sense(&command, &[flag.long, choice]), "{} {choice}", flag.long);
                }
                assert!(!makes_sense(&command, &[flag.long, "nonsense"]), "{}", flag.long);
            }
            for word in &command.positionals {
                let Value::OneOf(choices) = &word.value else { continue };
                for choice in choices {
                    assert!(makes_sense(&command, &[choice]), "{} {choice}", command.line());
                }
            }
        }
        assert!(seen >= 7, "the flags with choices are found: {seen}");
    }

    #[test]
    fn help_is_a_command_too_and_takes_the_others() {
        let with_help = peer().with_help();
        let help = with_help.commands.last().expect("help");
        assert_eq!(help.line(), "peer help");
        let choices = help.positionals[0].value.choices().expect("words");
        assert_eq!(choices[..2], ["all", "create"]);
        for choice in choices {
            assert!(args::peer(&["help".into(), choice.clone()]).is_ok(), "{choice}");
        }
        let tracker = tracker().with_help();
        assert!(tracker.commands.last().expect("help").positionals.is_empty());
    }
}
