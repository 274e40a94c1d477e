//! The command line as people type it, made into the one form the parser knows.
//!
//! ```text
//! --port=6881  -p6881  -p=6881      ->  --port 6881
//! -vvq                              ->  -v -v -q
//! --seed a b c                      ->  --seed a --seed b --seed c
//! --web 9091 x                      ->  --web 9091 x       the next word is a port
//! --web --json                      ->  --web "" --json    no port: the default
//! ```
//! Unknown flags, missing values and flags given twice are found here, so that each gets a
//! sentence of its own. Pure: words in, words out.

use super::exit::CliError;
use crate::nearest::nearest;
use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};
use std::collections::HashSet;

/// What follows a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it is a switch.
    Nothing,
    /// One value, once.
    Value,
    /// One value, as often as one likes.
    Values,
    /// Every word up to the next flag.
    Words,
    /// The next word if it is a port or an address; the parser is given an empty text otherwise.
    Endpoint,
}

/// A flag as the normaliser sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// With its dashes: `--port`.
    pub long: &'static str,
    /// Its letter, without the dash.
    pub short: Option<char>,
    /// What follows it.
    pub takes: Takes,
}

impl Flag {
    /// The flags of a command, from what its argument struct declares.
    pub fn all_of(command: &CommandInfoWithArgs) -> Vec<Self> {
        command.flags.iter().map(Self::declared).collect()
    }

    /// One flag, from what its struct declares.
    pub(super) fn declared(info: &FlagInfo<'static>) -> Self {
        let takes = match (info.long, &info.kind, &info.optionality) {
            ("--seed" | "--leech", _, Optionality::Repeating) => Takes::Words,
            ("--web", ..) => Takes::Endpoint,
            (_, FlagInfoKind::Switch, _) => Takes::Nothing,
            (_, _, Optionality::Repeating) => Takes::Values,
            _ => Takes::Value,
        };
        Self { long: info.long, short: info.short, takes }
    }
}

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `-h` or `--help`.
    Help,
    /// `-V` or `--version`.
    Version,
    /// To run, with these words for the parser.
    Run(Vec<String>),
}

/// Other names of some flags, known to those who come from Transmission.
const ALIASES: [(&str, &str); 3] =
    [("--outfile", "--output"), ("--piecesize", "--piece-length"), ("--tier", "--tracker")];

/// Brings `words` (without the program's name) into the form `--flag value`.
///
/// `elsewhere` are flags of other commands, each with a sentence on what to write here.
pub fn normalise(
    words: &[String],
    flags: &[Flag],
    elsewhere: &[(&str, &str)],
) -> Result<Asked, CliError> {
    let (seen, out, bare) = (HashSet::new(), Vec::new(), Vec::new());
    Normaliser { flags, elsewhere, rest: words, seen, out, bare }.run()
}

/// A flag as it was typed.
struct Typed {
    flag: Flag,
    /// The word's own spelling, for messages.
    name: String,
    /// What was attached to it: `6881` of `--port=6881` and `-p6881`.
    value: Option<String>,
}

struct Normaliser<'a> {
    flags: &'a [Flag],
    elsewhere: &'a [(&'a str, &'a str)],
    rest: &'a [String],
    seen: HashSet<&'static str>,
    out: Vec<String>,
    /// Words that belong to no flag.
    bare: Vec<String>,
}

impl Normaliser<'_> {
    fn run(mut self) -> Result<Asked, CliError> {
        while let Some((word, rest)) = self.rest.split_first() {
            self.rest = rest;
            match word.as_str() {
                "--" => return Ok(self.finish(rest)),
                "-h" | "--help" => return Ok(Asked::Help),
                "-V" | "--version" => return Ok(Asked::Version),
                long if long.starts_with("--") => self.long(long)?,
                letters if is_flag(letters) => {
                    if let Some(asked) = self.letters(&letters[1..])? {
                        return Ok(asked);
                    }
                }
                bare => self.bare.push(bare.to_string()),
            }
        }
        Ok(self.finish(&[]))
    }

    /// Flags first, then the bare words. The parser takes a lone dash, which is a file's name for
    /// us, for a flag unless it stands behind `--`.
    fn finish(mut self, literal: &[String]) -> Asked {
        let has_dash = self.bare.iter().any(|word| word == "-");
        let (before, behind) =
            if has_dash { (Vec::new(), self.bare) } else { (self.bare, Vec::new()) };
        self.out.extend(before);
        if has_dash || !literal.is_empty() {
            self.out.push("--".into());
        }
        self.out.extend(behind);
        self.out.extend_from_slice(literal);
        Asked::Run(self.out)
    }

    fn long(&mut self, word: &str) -> Result<(), CliError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (word, None),
        };
        let known = |name: &str| self.flags.iter().find(|flag| flag.long == name);
        let meant = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, flag)| *flag);
        let flag = known(name).or_else(|| known(meant?));
        let flag = *flag.ok_or_else(|| self.unknown(name))?;
        self.emit(Typed { flag, name: name.to_string(), value })
    }

    /// One word of letters: switches, and at most one flag with a value, which takes what is left.
    fn letters(&mut self, letters: &str) -> Result<Option<Asked>, CliError> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            match letter {
                'h' => return Ok(Some(Asked::Help)),
                'V' => return Ok(Some(Asked::Version)),
                _ => {}
            }
            let name = format!("-{letter}");
            let flag = self.flags.iter().find(|flag| flag.short == Some(letter));
            let flag = *flag.ok_or_else(|| self.unknown(&name))?;
            if flag.takes == Takes::Nothing {
                self.emit(Typed { flag, name, value: None })?;
                continue;
            }
            let value = rest.as_str();
            let value = value.strip_prefix('=').unwrap_or(value).to_string();
            let value = (!rest.as_str().is_empty()).then_some(value);
            self.emit(Typed { flag, name, value })?;
            break;
        }
        Ok(None)
    }

    /// Writes a flag and what follows it.
    fn emit(&mut self, typed: Typed) -> Result<(), CliError> {
        let Typed { flag, name, value } = typed;
        let once = matches!(flag.takes, Takes::Value | Takes::Endpoint);
        if once && !self.seen.insert(flag.long) {
            return Err(CliError::usage(format!("{} is given twice: once is enough", flag.long)));
        }
        match flag.takes {
            Takes::Nothing if value.is_some() => {
                Err(CliError::usage(format!("{name} takes no value: write {name} alone")))
            }
            Takes::Nothing => {
                self.out.push(flag.long.to_string());
                Ok(())
            }
            Takes::Value | Takes::Values => {
                let value = value.or_else(|| self.next_word());
                self.pair(&flag, value.ok_or_else(|| missing(&name))?);
                Ok(())
            }
            Takes::Words => self.words(&flag, &name, value),
            Takes::Endpoint => {
                let value = value.or_else(|| self.next_endpoint()).unwrap_or_default();
                self.pair(&flag, value);
                Ok(())
            }
        }
    }

    fn words(&mut self, flag: &Flag, name: &str, first: Option<String>) -> Result<(), CliError> {
        let before = self.out.len();
        if let Some(first) = first {
            self.pair(flag, first);
        }
        while let Some(word) = self.next_word() {
            self.pair(flag, word);
        }
        // After `--` no word is a flag, so the list goes on to the end.
        if self.rest.first().is_some_and(|word| word == "--") {
            for word in std::mem::take(&mut self.rest).iter().skip(1) {
                self.pair(flag, word.clone());
            }
        }
        if self.out.len() == before { Err(missing(name)) } else { Ok(()) }
    }

    fn pair(&mut self, flag: &Flag, value: String) {
        self.out.push(flag.long.to_string());
        self.out.push(value);
    }

    fn next_word(&mut self) -> Option<String> {
        let (word, rest) = self.rest.split_first().filter(|(word, _)| !is_flag(word))?;
        self.rest = rest;
        Some(word.clone())
    }

    fn next_endpoint(&mut self) -> Option<String> {
        let (word, rest) = self.rest.split_first().filter(|(word, _)| is_endpoint(word))?;
        self.rest = rest;
        Some(word.clone())
    }

    fn unknown(&self, name: &str) -> CliError {
        if let Some((_, instead)) = self.elsewhere.iter().find(|(known, _)| *known == name) {
            return CliError::usage(format!("{name} is {instead}"));
        }
        let known = self.flags.iter().map(|flag| flag.long).chain(["--help", "--version"]);
        match nearest(name, known) {
            Some(flag) => CliError::usage(format!("unknown flag {name}: did you mean {flag}?")),
            None => CliError::usage(format!("unknown flag {name}: --help lists the flags")),
        }
    }
}

fn missing(name: &str) -> CliError {
    CliError::usage(format!(
        "{name} needs a value: write {name}=VALUE if the value starts with a dash"
    ))
}

/// A lone dash is a value: standard input or output.
fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

/// Whether a word is a port, an address or both, and so not a path or a name.
fn is_endpoint(word: &str) -> bool {
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let is_host = |text: &str| {
        text == "localhost" || text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
    };
    match word.rsplit_once(':') {
        Some((host, port)) if is_port(port) && is_host(host) => true,
        _ => is_port(word) || is_host(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: [Flag; 8] = [
        Flag { long: "--seed", short: None, takes: Takes::Words },
        Flag { long: "--leech", short: None, takes: Takes::Words },
        Flag { long: "--tracker", short: Some('t'), takes: Takes::Values },
        Flag { long: "--port", short: Some('p'), takes: Takes::Value },
        Flag { long: "--web", short: None, takes: Takes::Endpoint },
        Flag { long: "--verbose", short: Some('v'), takes: Takes::Nothing },
        Flag { long: "--quiet", short: Some('q'), takes: Takes::Nothing },
        Flag { long: "--output", short: Some('o'), takes: Takes::Value },
    ];

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    fn asked(line: &str) -> Result<Asked, CliError> {
        normalise(&words(line), &FLAGS, &[("--trace", "a flag of trace: leave it out")])
    }

    /// In the expectation, `""` stands for the empty word.
    fn check(line: &str, expected: &str) {
        let expected = words(&expected.replace("\"\"", "EMPTY"));
        let expected: Vec<_> = expected.into_iter().map(|w| w.replace("EMPTY", "")).collect();
        assert_eq!(asked(line), Ok(Asked::Run(expected)), "{line}");
    }

    fn check_refused(line: &str, expected: &str) {
        let error = asked(line).expect_err(line);
        assert_eq!(error.message, expected, "{line}");
        assert_eq!(error.exit.code(), 2);
    }

    #[test]
    fn values_may_be_attached() {
        check("--port=6881", "--port 6881");
        check("--port 6881", "--port 6881");
        check("-p6881", "--port 6881");
        check("-p=6881", "--port 6881");
        check("-p 6881", "--port 6881");
        check("--port=-1", "--port -1");
        check("--port=", "--port \"\"");
        check("-o -", "--output -");
        check("-o-", "--output -");
    }

    #[test]
    fn a_lone_dash_is_a_word_wherever_it_stands() {
        check("- -p 1 b", "--port 1 -- - b");
        check("a - -- -b", "-- a - -b");
        check("a -p 1", "--port 1 a");
    }

    #[test]
    fn a_flag_may_have_another_name_where_it_exists() {
        check("--outfile=x --tier a --tracker b", "--output x --tracker a --tracker b");
        check_refused("--piecesize 1", "unknown flag --piecesize: --help lists the flags");
        check_refused("-o x --outfile y", "--output is given twice: once is enough");
    }

    #[test]
    fn letters_may_be_joined() {
        check("-vv", "--verbose --verbose");
        check("-q", "--quiet");
        check("-qvp6881", "--quiet --verbose --port 6881");
        check("-vp 6881", "--verbose --port 6881");
    }

    #[test]
    fn bare_words_after_seed_and_leech_go_to_them() {
        check("--seed a b c", "--seed a --seed b --seed c");
        check("--seed=a b", "--seed a --seed b");
        check("--seed a -p 1 --leech x y", "--seed a --port 1 --leech x --leech y");
        check("--seed a --seed b", "--seed a --seed b");
        check("--seed a -- -b --port", "--seed a --seed -b --seed --port");
        check("--seed -- -b", "--seed -b");
    }

    #[test]
    fn only_seed_and_leech_take_more_than_one_word() {
        check("--tracker a b", "--tracker a b");
        check("-t a -t b --tracker=c", "--tracker a --tracker b --tracker c");
        check("-p 1 b -- -c", "--port 1 b -- -c");
    }

    #[test]
    fn web_takes_the_next_word_only_if_it_is_a_port_or_an_address() {
        check("--web 9091 x", "--web 9091 x");
        check("--web 127.0.0.1:9091", "--web 127.0.0.1:9091");
        check("--web [::1]:9091", "--web [::1]:9091");
        check("--web localhost:0", "--web localhost:0");
        check("--web 0.0.0.0", "--web 0.0.0.0");
        check("--web=dash:1", "--web dash:1");
        check("--web big.zip", "--web \"\" big.zip");
        check("--web 99999", "--web \"\" 99999");
        check("--web -v", "--web \"\" --verbose");
        check("--web", "--web \"\"");
    }

    #[test]
    fn help_and_version_are_found_wherever_a_flag_may_stand() {
        assert_eq!(asked("--seed a -h"), Ok(Asked::Help));
        assert_eq!(asked("-vh"), Ok(Asked::Help));
        assert_eq!(asked("--help"), Ok(Asked::Help));
        assert_eq!(asked("-V"), Ok(Asked::Version));
        assert_eq!(asked("x --version"), Ok(Asked::Version));
        check("-- --help", "-- --help");
        check("--port=--help", "--port --help");
    }

    #[test]
    fn mistakes_get_a_sentence_of_their_own() {
        check_refused("--leach x", "unknown flag --leach: did you mean --leech?");
        check_refused("--prot=1", "unknown flag --prot: did you mean --port?");
        check_refused("--trace x", "--trace is a flag of trace: leave it out");
        check_refused("--nonsense", "unknown flag --nonsense: --help lists the flags");
        check_refused("-x", "unknown flag -x: --help lists the flags");
        check_refused("-vx", "unknown flag -x: --help lists the flags");
        check_refused("--quiet=yes", "--quiet takes no value: write --quiet alone");
        check_refused("-p 1 --port 2", "--port is given twice: once is enough");
        check_refused(
            "--seed",
            "--seed needs a value: write --seed=VALUE if the value starts with a dash",
        );
        check_refused("-p -v", "-p needs a value: write -p=VALUE if the value starts with a dash");
        check_refused(
            "--leech --seed a",
            "--leech needs a value: write --leech=VALUE if the value starts with a dash",
        );
    }

    proptest::proptest! {
        #[test]
        fn no_command_line_makes_the_normaliser_panic(line in proptest::collection::vec("[-=a-z0-9:é]{0,6}", 0..6)) {
            let _ = normalise(&line, &FLAGS, &[]);
        }
    }
}
