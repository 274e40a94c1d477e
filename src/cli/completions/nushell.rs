//! Completion for nushell: an `extern` for each command, whose types are what it may be given.
//!
//! nushell knows no list of words behind a flag, so `--seed a b` has rest parameters for `b`.

use super::super::argv::Takes;
use super::super::vocabulary::{Command, Flag, Value};
use std::fmt::Write;

/// The script, a module to `use` or `source`.
pub fn script(program: &Command) -> String {
    let name = program.word();
    let mut text = format!(
        "# Completion of {name} for nushell, made by: {name} completions nushell\n\
         # It is used in config.nu: use {name}-completions.nu *\n"
    );
    for command in program.and_all_below() {
        let mut lists = Vec::new();
        let signature = signature(command, &mut lists);
        for (list, choices) in lists {
            let choices: Vec<_> = choices.iter().map(|word| format!("{word:?}")).collect();
            let _ = write!(text, "\ndef \"{list}\" [] {{ [{}] }}\n", choices.join(" "));
        }
        let _ = write!(
            text,
            "\n# {}\nexport extern \"{}\" [\n{signature}]\n",
            command.summary(),
            command.line()
        );
    }
    text
}

/// Lists of choices with their names.
type Lists = Vec<(String, Vec<String>)>;

fn signature(command: &Command, lists: &mut Lists) -> String {
    let mut text = String::new();
    let mut rest = None;
    for word in &command.positionals {
        let name = word.name.to_lowercase();
        let of = typed(&word.value, &format!("nu-complete {} {name}", command.line()), lists);
        if word.repeats {
            rest = Some((of, word.about));
        } else {
            let mark = if word.optional { "?" } else { "" };
            let _ = writeln!(text, "    {name}{mark}: {of}  # {}", word.about);
        }
    }
    for flag in &command.flags {
        let _ = writeln!(text, "    {}", parameter(command, flag, lists));
        if flag.takes == Takes::Words {
            rest = Some(("path".into(), "more of these"));
        }
    }
    if let Some((of, about)) = rest {
        let _ = writeln!(text, "    ...rest: {of}  # {about}");
    }
    text
}

fn parameter(command: &Command, flag: &Flag, lists: &mut Lists) -> String {
    let short = flag.short.map_or(String::new(), |letter| format!("(-{letter})"));
    let of = if flag.takes == Takes::Nothing {
        String::new()
    } else {
        let list = format!("nu-complete {} {}", command.line(), &flag.long[2..]);
        format!(": {}", typed(&flag.value, &list, lists))
    };
    format!("{}{short}{of}  # {}", flag.long, flag.about)
}

/// The type of a value; what is one of a few words names the list of these.
fn typed(value: &Value, list: &str, lists: &mut Lists) -> String {
    match value {
        Value::Anything => "string".into(),
        Value::Path | Value::File | Value::Torrent => "path".into(),
        Value::Folder => "directory".into(),
        Value::OneOf(_) | Value::Page => {
            lists.push((list.to_owned(), value.choices().unwrap_or_default()));
            format!("string@\"{list}\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn a_command_becomes_a_signature() {
        let expected = r#"# Completion of toy for nushell, made by: toy completions nushell
# It is used in config.nu: use toy-completions.nu *

def "nu-complete toy how" [] { ["quick" "slow"] }

# Play.
export extern "toy" [
    --seed: path  # what to share: a path
    --dir(-w): directory  # where
    --how: string@"nu-complete toy how"  # quick or slow
    --port(-p): string  # a port
    ...rest: path  # more of these
]

# Say what's in it.
export extern "toy show" [
    file: path  # the .torrent
    --json  # one [JSON] object
]
"#;
        assert_eq!(script(&toy()), expected);
    }
}
