//! Completion for zsh: a function of `_arguments` for each command.

use super::super::argv::Takes;
use super::super::vocabulary::{Command, Flag, Positional, Value};
use super::quoted;
use std::fmt::Write;

/// The script; it can be a file `_peer` on the `fpath`, or be sourced.
pub fn script(program: &Command) -> String {
    let name = program.word();
    let mut text = format!(
        "#compdef {name}\n\
         # Completion of {name} for zsh, made by: {name} completions zsh\n\
         # It is found as a file _{name} in a folder of $fpath, or sourced after compinit.\n\n"
    );
    for command in program.and_all_below() {
        function(&mut text, command);
    }
    let _ = write!(
        text,
        "if [[ $funcstack[1] == _{name} ]]; then\n    _{name} \"$@\"\nelse\n    \
         compdef _{name} {name}\nfi\n"
    );
    text
}

/// `_peer_create() { ... }`.
fn function(text: &mut String, command: &Command) {
    let name = command.words.join("_");
    let _ = writeln!(text, "_{name}() {{");
    if !command.commands.is_empty() {
        text.push_str("    if (( CURRENT > 2 )); then\n        case $words[2] in\n");
        for below in &command.commands {
            let word = below.word();
            let _ = writeln!(
                text,
                "            {word}) shift words; (( CURRENT-- )); _{name}_{word}; return ;;"
            );
        }
        text.push_str("        esac\n    fi\n");
        // Behind a flag no command may stand.
        let first = quoted(&format!("1: :{}", words(command)));
        let _ = writeln!(text, "    local -a first\n    (( CURRENT == 2 )) && first=({first})");
    }
    text.push_str("    _arguments -s -S :");
    for flag in &command.flags {
        let _ = write!(text, " \\\n        {}", specification(flag));
    }
    if command.commands.is_empty() {
        for word in &command.positionals {
            let _ = write!(text, " \\\n        {}", quoted(&of_word(word)));
        }
    } else {
        text.push_str(" \\\n        $first");
    }
    text.push_str("\n}\n\n");
}

/// `'(-w --dir)'{-w+,--dir=}'[where]:dir:_files -/'`.
fn specification(flag: &Flag) -> String {
    let about = format!("[{}]", escaped(flag.about));
    let value = match flag.takes {
        Takes::Nothing => String::new(),
        // All words up to the next one that begins with a dash.
        Takes::Words => format!(":*-*:{}:{}", flag.arg.to_lowercase(), action(&flag.value)),
        Takes::Endpoint => format!("::{}:", flag.arg.to_lowercase()),
        Takes::Value | Takes::Values => {
            format!(":{}:{}", escaped(&flag.arg.to_lowercase()), action(&flag.value))
        }
    };
    let (after_short, after_long) = match flag.takes {
        Takes::Nothing | Takes::Words => ("", ""),
        _ => ("+", "="),
    };
    // `-vv` is a switch twice.
    let repeats = flag.repeats || flag.long == "--verbose";
    let tail = quoted(&format!("{about}{value}"));
    let long = flag.long;
    match (flag.short, repeats) {
        (Some(letter), false) => {
            format!("'(-{letter} {long})'{{-{letter}{after_short},{long}{after_long}}}{tail}")
        }
        (Some(letter), true) => {
            format!("'*'{{-{letter}{after_short},{long}{after_long}}}{tail}")
        }
        (None, false) => quoted(&format!("{long}{after_long}{about}{value}")),
        (None, true) => quoted(&format!("*{long}{after_long}{about}{value}")),
    }
}

/// `:file:_files`, `::file:_files` if it may be left out, `*:file:_files` for any number.
fn of_word(word: &Positional) -> String {
    let place = match (word.repeats, word.optional) {
        (true, _) => "*:",
        (false, true) => "::",
        (false, false) => ":",
    };
    let name = word.name.to_lowercase();
    format!("{place}{}:{}", escaped(&name), action(&word.value))
}

/// The commands below one, with what they do.
fn words(command: &Command) -> String {
    let row = |below: &Command| {
        let about = escaped(below.summary()).replace('"', "\\\"");
        format!("{}\\:\"{about}\"", below.word())
    };
    let rows: Vec<_> = command.commands.iter().map(row).collect();
    format!("(({}))", rows.join(" "))
}

fn action(value: &Value) -> String {
    match value {
        Value::Anything => String::new(),
        Value::Path | Value::File => "_files".into(),
        Value::Torrent => "_files -g \"*.torrent(-.)\"".into(),
        Value::Folder => "_files -/".into(),
        Value::OneOf(_) | Value::Page => {
            format!("({})", value.choices().unwrap_or_default().join(" "))
        }
    }
}

/// `_arguments` takes colons and brackets for its own.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if "\\:[]".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn a_command_becomes_a_function() {
        let expected = r#"#compdef toy
# Completion of toy for zsh, made by: toy completions zsh
# It is found as a file _toy in a folder of $fpath, or sourced after compinit.

_toy() {
    if (( CURRENT > 2 )); then
        case $words[2] in
            show) shift words; (( CURRENT-- )); _toy_show; return ;;
        esac
    fi
    local -a first
    (( CURRENT == 2 )) && first=('1: :((show\:"Say what'\''s in it."))')
    _arguments -s -S : \
        '*--seed[what to share\: a path]:*-*:path:_files' \
        '(-w --dir)'{-w+,--dir=}'[where]:dir:_files -/' \
        '--how=[quick or slow]:how:(quick slow)' \
        '(-p --port)'{-p+,--port=}'[a port]:n:' \
        $first
}

_toy_show() {
    _arguments -s -S : \
        '--json[one \[JSON\] object]' \
        ':file:_files -g "*.torrent(-.)"'
}

if [[ $funcstack[1] == _toy ]]; then
    _toy "$@"
else
    compdef _toy toy
fi
"#;
        assert_eq!(script(&toy()), expected);
    }
}
