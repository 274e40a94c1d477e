//! `peer man`: manual pages, made from the same tables as help and completions.
//!
//! ```text
//! vocabulary (flags) + words (prose) -> page -> roff       a function, text out
//! ```
//! `peer man PAGE` prints one page, `peer man --dir DIR` writes all of all programs: `peer.1`,
//! `peer-create.1`, .., `lab-demo.1`.

/// roff, and escaping for it.
pub mod roff;

/// Prose.
pub mod words;

use super::args::ManArgs;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::vocabulary::{self, Command, Flag, Positional};
use crate::nearest::nearest;
use roff::{Page, bold, escaped, italic};
use std::fs;
use std::path::Path;

/// `peer man`, `tracker man`.
pub fn man(program: &str, args: &ManArgs, env: &Env) -> Result<(), CliError> {
    let pages = vocabulary::pages();
    let named = args.page.as_deref().map(|name| find(&pages, program, name)).transpose()?;
    match (&args.dir, named) {
        (Some(dir), Some(one)) => write(dir, &[one], &pages),
        (Some(dir), None) => write(dir, &pages.iter().collect::<Vec<_>>(), &pages),
        (None, Some(one)) => super::print(env, &page(one, &pages)),
        (None, None) => super::print(env, &page(find(&pages, program, program)?, &pages)),
    }
}

/// The page that is meant: by its whole name, or by the word of a command of this program.
fn find<'a>(pages: &'a [Command], program: &str, name: &str) -> Result<&'a Command, CliError> {
    let of_program = format!("{program}-{name}");
    let is = |wanted: &str| pages.iter().find(|command| command.page() == wanted);
    is(name).or_else(|| is(&of_program)).ok_or_else(|| {
        let names: Vec<String> = pages.iter().map(Command::page).collect();
        let advice = nearest(name, names.iter().map(String::as_str))
            .or_else(|| nearest(&of_program, names.iter().map(String::as_str)));
        CliError::usage(match advice {
            Some(page) => format!("there is no page {name}: did you mean {page}?"),
            None => format!("there is no page {name}: try one of {}", names.join(", ")),
        })
    })
}

fn write(dir: &Path, wanted: &[&Command], pages: &[Command]) -> Result<(), CliError> {
    const ADVICE: &str = "choose another folder with --dir";
    fs::create_dir_all(dir).map_err(|why| CliError::disk("make", dir, &why, ADVICE))?;
    for command in wanted {
        let file = dir.join(format!("{}.1", command.page()));
        fs::write(&file, page(command, pages))
            .map_err(|why| CliError::disk("write", &file, &why, ADVICE))?;
    }
    Ok(())
}

/// The source of one page; `pages` are all there are.
pub fn page(command: &Command, pages: &[Command]) -> String {
    let version = concat!("swarmlet ", env!("CARGO_PKG_VERSION"));
    let mut page = Page::new(&command.page(), version);
    let extra = words::extra(&command.page());
    page.section("NAME");
    page.text(&format!("{} - {}", command.page(), clause(command.summary())));
    page.section("SYNOPSIS");
    page.raw(&match extra.map(|extra| extra.synopsis).filter(|lines| !lines.is_empty()) {
        Some(lines) => lines.iter().map(|line| synopsis(line)).collect::<Vec<_>>().join("\n.br\n"),
        None => synopsis(&usage(command)),
    });
    page.section("DESCRIPTION");
    page.text(command.about);
    extra.iter().flat_map(|extra| extra.description).for_each(|text| page.paragraph(text));
    for word in &command.positionals {
        page.item(&italic(&word.name), word.about);
    }
    options(&mut page, command);
    commands(&mut page, command);
    page.section("EXIT STATUS");
    for exit in Exit::ALL {
        page.item(&bold(&exit.code().to_string()), exit.meaning());
    }
    page.section("ENVIRONMENT");
    for variable in words::ENVIRONMENT.iter().filter(|known| known.is_on(&command.page())) {
        page.item(&bold(variable.name), variable.about);
    }
    let files = extra.map_or(&[][..], |extra| extra.files);
    if !files.is_empty() {
        page.section("FILES");
        files.iter().for_each(|(path, about)| page.item(&italic(path), about));
    }
    examples(&mut page, command, extra);
    see_also(&mut page, command, pages);
    page.finish()
}

/// A sentence as part of another: `Make a .torrent.` becomes `make a .torrent`.
fn clause(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// `peer show FILE [options]`.
fn usage(command: &Command) -> String {
    let word = |word: &Positional| {
        let many = if word.repeats { " .." } else { "" };
        let (before, after) = if word.optional { ("[", "]") } else { ("", "") };
        format!(" {before}{}{many}{after}", word.name)
    };
    let words: String = command.positionals.iter().map(word).collect();
    format!("{}{words} [options]", command.line())
}

/// A line of usage: capitals stand for something else, all other words are typed.
fn synopsis(line: &str) -> String {
    let word = |word: &str| {
        let name = word.trim_matches(['[', ']']);
        let is_name = name.chars().all(|c| c.is_ascii_uppercase());
        if word == "[options]" {
            format!("[{}]", italic("options"))
        } else if name.is_empty() || !name.contains(char::is_alphanumeric) {
            escaped(word)
        } else {
            let (before, after) = word.split_once(name).unwrap_or_default();
            format!("{before}{}{after}", if is_name { italic(name) } else { bold(name) })
        }
    };
    let words: Vec<_> = line.split_whitespace().map(word).collect();
    words.join(" ")
}

fn options(page: &mut Page, command: &Command) {
    page.section("OPTIONS");
    for flag in &command.flags {
        page.item(&spelling(flag), flag.about);
    }
}

/// `-p, --port N`.
fn spelling(flag: &Flag) -> String {
    let spellings: Vec<_> = flag.spellings().iter().map(|text| bold(text)).collect();
    let arg = if flag.arg.is_empty() { String::new() } else { format!(" {}", italic(&flag.arg)) };
    spellings.join(", ") + &arg
}

fn commands(page: &mut Page, command: &Command) {
    if command.commands.is_empty() {
        return;
    }
    page.section("COMMANDS");
    for below in &command.commands {
        let about = below.summary().trim_end_matches('.');
        page.item(&bold(&below.line()), &format!("{about}. See {}(1).", below.page()));
    }
}

fn examples(page: &mut Page, command: &Command, extra: Option<&words::Extra>) {
    let own = extra.map_or(&[][..], |extra| extra.examples);
    if own.is_empty() && command.examples.is_empty() {
        return;
    }
    page.section("EXAMPLES");
    for (index, (line, about)) in own.iter().enumerate() {
        if index == 0 {
            page.text(about);
        } else {
            page.paragraph(about);
        }
        page.example(line);
    }
    command.examples.iter().for_each(|line| page.example(line));
}

/// The other pages of the program, and the other programs.
fn see_also(page: &mut Page, command: &Command, pages: &[Command]) {
    let program = command.words[0];
    let others = pages.iter().filter(|other| {
        other.words != command.words && (other.words[0] == program || other.words.len() == 1)
    });
    let names: Vec<_> = others.map(|other| format!("{}(1)", bold(&other.page()))).collect();
    page.section("SEE ALSO");
    page.raw(&names.join(",\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_made_from_what_the_command_declares() {
        let pages = [vocabulary::peer(), vocabulary::tracker()];
        let command =
            find(&vocabulary::pages(), "peer", "completions").expect("it is there").clone();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#".TH PEER\-COMPLETIONS 1 "" "swarmlet {version}" "User Commands"
.SH NAME
peer\-completions \- print a script that completes commands, flags and their
values in a shell
.SH SYNOPSIS
\fBpeer\fR \fBcompletions\fR \fISHELL\fR [\fIoptions\fR]
.SH DESCRIPTION
Print a script that completes commands, flags and their values in a shell.
.TP
\fISHELL\fR
bash, zsh, fish or nushell
.SH OPTIONS
.TP
\fB\-h\fR, \fB\-\-help\fR
explain the flags
.TP
\fB\-V\fR, \fB\-\-version\fR
the version
.SH EXIT STATUS
.TP
\fB0\fR
done
.TP
\fB1\fR
anything not below
.TP
\fB2\fR
usage
.TP
\fB3\fR
no tracker or peer answered within \-\-timeout
.TP
\fB4\fR
not found on the tracker within \-\-timeout, or the name is ambiguous
.TP
\fB5\fR
the data does not match its hashes
.TP
\fB6\fR
bad torrent or magnet
.TP
\fB7\fR
stopped before the download was whole
.TP
\fB8\fR
disk or permission
.TP
\fB9\fR
port in use
.TP
\fB130\fR
second interrupt
.SH ENVIRONMENT
.TP
\fBRUST_LOG\fR
which messages are logged, before \-q, \-v and \-\-log\-level
.TP
\fBNO_COLOR\fR
if set, nothing is coloured unless \-\-color always says so
.TP
\fBTERM\fR
dumb: progress is printed line by line, and nothing is drawn over
.SH EXAMPLES
.RS 4
.EX
eval \(dq$(peer completions bash)\(dq
.EE
.RE
.SH SEE ALSO
\fBpeer\fR(1),
\fBtracker\fR(1)
"#
        );
        assert_eq!(page(&command, &pages), expected);
    }

    #[test]
    fn the_page_of_a_program_has_its_flags_and_its_commands() {
        let pages = vocabulary::pages();
        let source = page(&pages[0], &pages);
        for flag in &pages[0].flags {
            assert!(source.contains(&spelling(flag)), "{}", flag.long);
        }
        for command in &pages[0].commands {
            let name = command.page().replace('-', "\\-");
            assert!(source.contains(&format!("{name}(1).")), "{name}");
            assert!(source.contains(&format!("\\fB{name}\\fR(1)")), "{name}");
        }
        assert!(source.contains(".SH FILES\n.TP\n\\fI\\&./downloads\\fR\n"), "{source}");
        assert!(
            source.contains("\\fBpeer\\fR \\fB\\-\\-seed\\fR \\fIPATH\\fR \\&.. ["),
            "{source}"
        );
    }

    #[test]
    fn a_page_is_found_by_its_name_or_by_the_word_of_a_command() {
        let pages = vocabulary::pages();
        let check = |program, name, expected: &str| {
            assert_eq!(find(&pages, program, name).expect(name).page(), expected);
        };
        check("peer", "create", "peer-create");
        check("peer", "peer-create", "peer-create");
        check("peer", "tracker", "tracker");
        check("peer", "tracker-dig", "tracker-dig");
        check("tracker", "dig", "tracker-dig");
        check("tracker", "tracker", "tracker");
        let error = find(&pages, "peer", "creat").expect_err("no such page");
        assert_eq!(error.message, "there is no page creat: did you mean peer-create?");
        assert_eq!(error.exit, Exit::Usage);
        assert!(find(&pages, "tracker", "nonsense").is_err());
    }
}
