//! Completion for bash: three tables made from the tree, and one function that reads the line.
//!
//! The script needs nothing but bash 3.2: not the package bash-completion. In the tables a case is
//! a command and a flag, `"peer create -o"`, and its text says what follows: `words`, the kind of a
//! path, or nothing that could be guessed.

use super::super::argv::Takes;
use super::super::vocabulary::{Command, Flag, Value};
use std::fmt::Write;

/// The script.
pub fn script(program: &Command) -> String {
    let name = program.word();
    let commands = program.and_all_below();
    let mut text = format!(
        "# Completion of {name} for bash, made by: {name} completions bash\n\
         # It is found in ~/.local/share/bash-completion/completions/{name}, or sourced.\n\n"
    );
    let below: Vec<String> = commands[1..].iter().map(|c| format!("\"{}\"", c.line())).collect();
    table(
        &mut text,
        name,
        "command",
        "Whether a command is called so.",
        &[Case { of: below.join("|"), then: "return 0".into() }],
    );
    let flags = commands.iter().map(|command| Case {
        of: format!("\"{}\"", command.line()),
        then: format!("list='{}'", all_spellings(command).join(" ")),
    });
    table(&mut text, name, "flags", "The flags of a command.", &flags.collect::<Vec<_>>());
    let words: Vec<Case> = commands.iter().filter_map(|command| words(command)).collect();
    table(&mut text, name, "bare", "What stands without a flag behind a command.", &words);
    let values: Vec<Case> = commands.iter().flat_map(|command| values(command)).collect();
    table(&mut text, name, "value", "What stands behind a flag of a command.", &values);
    text + &READER.replace("NAME", name)
}

/// One case of a table.
struct Case {
    of: String,
    then: String,
}

/// A function of a case statement; it fails when no case fits.
fn table(text: &mut String, name: &str, table: &str, about: &str, cases: &[Case]) {
    let _ = write!(text, "# {about}\n_{name}_{table}() {{\n    case $1 in\n");
    for Case { of, then } in cases {
        let _ = writeln!(text, "        {of}) {then} ;;");
    }
    text.push_str("        *) return 1 ;;\n    esac\n}\n\n");
}

fn all_spellings(command: &Command) -> Vec<String> {
    command.flags.iter().flat_map(Flag::spellings).collect()
}

/// What the first bare word of a command is: a command below it or a word of its own.
fn words(command: &Command) -> Option<Case> {
    let of = format!("\"{}\"", command.line());
    if command.commands.is_empty() {
        let word = command.positionals.first()?;
        return Some(Case { of, then: kind(&word.value) });
    }
    // A line may begin with a command, or with a flag that takes bare words.
    let lists = command.flags.iter().filter(|flag| flag.takes == Takes::Words);
    let begin = command.commands.iter().map(Command::word).chain(lists.map(|flag| flag.long));
    let begin: Vec<_> = begin.collect();
    Some(Case { of, then: format!("kind=words list='{}'", begin.join(" ")) })
}

/// The flags with a value, those with the same kind in one case.
fn values(command: &Command) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for flag in command.flags.iter().filter(|flag| flag.takes != Takes::Nothing) {
        let line = command.line();
        let of: Vec<_> = flag.spellings().iter().map(|s| format!("\"{line} {s}\"")).collect();
        let of = of.join("|");
        let many = if flag.takes == Takes::Words { " many=yes" } else { "" };
        let then = kind(&flag.value) + many;
        match cases.iter_mut().find(|case| case.then == then) {
            Some(case) => case.of = format!("{}|\\\n        {of}", case.of),
            None => cases.push(Case { of, then }),
        }
    }
    cases
}

fn kind(value: &Value) -> String {
    match value {
        Value::Anything => "kind=nothing".into(),
        Value::Path | Value::File => "kind=file".into(),
        Value::Torrent => "kind=torrent".into(),
        Value::Folder => "kind=folder".into(),
        Value::OneOf(_) | Value::Page => {
            format!("kind=words list='{}'", value.choices().unwrap_or_default().join(" "))
        }
    }
}

/// Reads the line up to the cursor and offers what may stand there.
const READER: &str = r#"# Offers what may stand at the cursor.
_NAME() {
    local cur=${COMP_WORDS[COMP_CWORD]} flag= before= prefix= at=1 i name
    local command=NAME kind= list= many= only_words=
    COMPREPLY=()
    # The command: the first words, as far as they are some.
    while ((at < COMP_CWORD)) && _NAME_command "$command ${COMP_WORDS[at]}"; do
        command="$command ${COMP_WORDS[at]}"
        ((at++))
    done
    # The flag that the cursor is behind; a list takes all words up to the next flag.
    for ((i = COMP_CWORD - 1; i >= at; i--)); do
        [[ ${COMP_WORDS[i]} == -- ]] && only_words=yes
        if [[ -z $flag && ${COMP_WORDS[i]} == -?* ]]; then
            flag=${COMP_WORDS[i]}
            before=$((COMP_CWORD - i))
        fi
    done
    # bash takes --flag=value apart, unless COMP_WORDBREAKS was changed.
    if [[ -n $flag && ${COMP_WORDS[COMP_CWORD - before + 1]} == "=" ]]; then
        [[ $cur == "=" ]] && cur= || ((before--))
    elif [[ $cur == --*=* ]]; then
        flag=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=} before=1
    elif [[ $cur == : || ${COMP_WORDS[COMP_CWORD - 1]} == : ]]; then
        return
    fi
    if [[ -z $only_words && -n $flag ]] && _NAME_value "$command $flag" &&
        [[ $before == 1 || ($many == yes && $cur != -*) ]]; then
        :
    elif [[ -z $only_words && $cur == -* ]]; then
        kind=words
        _NAME_flags "$command"
    elif [[ $command == NAME && $at -lt $COMP_CWORD ]]; then
        kind=nothing
    else
        _NAME_bare "$command" || kind=nothing
    fi
    case $kind in
        words)
            while IFS= read -r name; do
                COMPREPLY+=("$prefix$name")
            done < <(compgen -W "$list" -- "$cur")
            ;;
        file | folder | torrent)
            # An error outside of a completion, as in a test.
            compopt -o filenames 2>/dev/null
            while IFS= read -r name; do
                COMPREPLY+=("$prefix$name")
            done < <(
                case $kind in
                    file) compgen -f -- "$cur" ;;
                    torrent) compgen -f -X '!*.torrent' -- "$cur" ;;
                esac
                [[ $kind == file ]] || compgen -d -- "$cur"
            )
            ;;
    esac
}

complete -F _NAME NAME
"#;

#[cfg(test)]
mod tests {
    use super::super::toy;
    use super::*;

    #[test]
    fn the_tables_are_those_of_the_tree() {
        let expected = r#"# Completion of toy for bash, made by: toy completions bash
# It is found in ~/.local/share/bash-completion/completions/toy, or sourced.

# Whether a command is called so.
_toy_command() {
    case $1 in
        "toy show") return 0 ;;
        *) return 1 ;;
    esac
}

# The flags of a command.
_toy_flags() {
    case $1 in
        "toy") list='--seed -w --dir --how -p --port' ;;
        "toy show") list='--json' ;;
        *) return 1 ;;
    esac
}

# What stands without a flag behind a command.
_toy_bare() {
    case $1 in
        "toy") kind=words list='show --seed' ;;
        "toy show") kind=torrent ;;
        *) return 1 ;;
    esac
}

# What stands behind a flag of a command.
_toy_value() {
    case $1 in
        "toy --seed") kind=file many=yes ;;
        "toy -w"|"toy --dir") kind=folder ;;
        "toy --how") kind=words list='quick slow' ;;
        "toy -p"|"toy --port") kind=nothing ;;
        *) return 1 ;;
    esac
}

"#;
        let script = script(&toy());
        let (tables, reader) = script.split_once("# Offers what").expect("tables, then the reader");
        assert_eq!(tables, expected);
        assert!(reader.contains("complete -F _toy toy") && !reader.contains("NAME"));
    }
}
