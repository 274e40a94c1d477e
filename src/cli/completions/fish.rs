//! Completion for fish: a line for each flag, each under the condition of its command.

use super::super::argv::Takes;
use super::super::vocabulary::{Command, Flag, Value};
use super::quoted;
use std::fmt::Write;

/// The script.
pub fn script(program: &Command) -> String {
    let name = program.word();
    let commands = program.and_all_below();
    let below: Vec<String> = commands[1..].iter().map(|c| quoted(&c.line())).collect();
    let reader = READER.replace("NAME", name).replace("COMMANDS", &below.join(" "));
    let mut text = format!(
        "# Completion of {name} for fish, made by: {name} completions fish\n\
         # It is found in ~/.config/fish/completions/{name}.fish, or sourced.\n\n{reader}\n"
    );
    for command in commands {
        lines(&mut text, name, command);
    }
    text
}

/// `__fish_peer_at COMMAND` and `__fish_peer_behind COMMAND FLAG ..`.
const READER: &str = "\
# The command that the line has come to.
function __fish_NAME_command
    set -l words (commandline -opc)
    set -l command NAME
    for word in $words[2..-1]
        contains -- \"$command $word\" COMMANDS
        or break
        set command \"$command $word\"
    end
    echo $command
end

# Whether the line has come to this command.
function __fish_NAME_at
    test (__fish_NAME_command) = \"$argv[1]\"
end

# Whether the cursor is at the first word behind this command.
function __fish_NAME_first
    __fish_NAME_at $argv[1]
    and test (count (commandline -opc)) -eq (count (string split ' ' $argv[1]))
end

# Whether the last flag is one of these.
function __fish_NAME_behind
    __fish_NAME_at $argv[1]
    or return
    set -l flags (commandline -opc | string match -- '-*')
    contains -- \"$flags[-1]\" $argv[2..-1]
end

complete -c NAME -f
";

fn lines(text: &mut String, name: &str, command: &Command) {
    let line = command.line();
    let at = format!("complete -c {name} -n \"__fish_{name}_at '{line}'\"");
    for below in &command.commands {
        // Behind a flag no command may stand.
        let _ = writeln!(
            text,
            "complete -c {name} -n \"__fish_{name}_first '{line}'\" -a {} -d {}",
            below.word(),
            described(below.summary())
        );
    }
    for flag in &command.flags {
        let short = flag.short.map_or(String::new(), |letter| format!(" -s {letter}"));
        let long = flag.long.trim_start_matches('-');
        let value = if flag.takes == Takes::Nothing { String::new() } else { taken(&flag.value) };
        let _ = writeln!(text, "{at}{short} -l {long}{value} -d {}", described(flag.about));
        if flag.takes == Takes::Words {
            more_words(text, name, &line, flag);
        }
    }
    if let Some(word) = command.positionals.first().filter(|_| command.commands.is_empty())
        && let Some(offer) = offered(&word.value)
    {
        let _ = writeln!(text, "{at}{offer}");
    }
}

/// The second word behind `--seed`, and those after it.
fn more_words(text: &mut String, name: &str, line: &str, flag: &Flag) {
    let spellings: Vec<_> = flag.spellings();
    let behind = format!("__fish_{name}_behind '{line}' {}", spellings.join(" "));
    if let Some(offer) = offered(&flag.value) {
        let _ = writeln!(text, "complete -c {name} -n \"{behind}\"{offer}");
    }
}

/// A text in single quotes, between which fish takes a backslash for its own.
fn described(text: &str) -> String {
    quoted(&text.replace('\\', "\\\\"))
}

/// What a flag requires.
fn taken(value: &Value) -> String {
    match value {
        Value::Path | Value::File => " -r -F".into(),
        Value::Anything => " -x".into(),
        other => format!(" -x{}", offered(other).unwrap_or_default()),
    }
}

/// What may stand there, if the shell can know.
fn offered(value: &Value) -> Option<String> {
    Some(match value {
        Value::Anything => return None,
        Value::Path | Value::File => " -F".into(),
        Value::Torrent => " -a '(__fish_complete_suffix .torrent)'".into(),
        Value::Folder => " -a '(__fish_complete_directories)'".into(),
        Value::OneOf(_) | Value::Page => {
            format!(" -a {}", quoted(&value.choices().unwrap_or_default().join(" ")))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn each_flag_stands_under_its_command() {
        let expected = r#"
complete -c toy -f

complete -c toy -n "__fish_toy_first 'toy'" -a show -d 'Say what'\''s in it.'
complete -c toy -n "__fish_toy_at 'toy'" -l seed -r -F -d 'what to share: a path'
complete -c toy -n "__fish_toy_behind 'toy' --seed" -F
complete -c toy -n "__fish_toy_at 'toy'" -s w -l dir -x -a '(__fish_complete_directories)' -d 'where'
complete -c toy -n "__fish_toy_at 'toy'" -l how -x -a 'quick slow' -d 'quick or slow'
complete -c toy -n "__fish_toy_at 'toy'" -s p -l port -x -d 'a port'
complete -c toy -n "__fish_toy_at 'toy show'" -l json -d 'one [JSON] object'
complete -c toy -n "__fish_toy_at 'toy show'" -a '(__fish_complete_suffix .torrent)'
"#;
        let script = script(&toy());
        assert!(script.ends_with(expected), "{script}");
        assert!(script.contains("contains -- \"$command $word\" 'toy show'\n"), "{script}");
        assert!(!script.contains("NAME") && !script.contains("COMMANDS"));
    }
}
