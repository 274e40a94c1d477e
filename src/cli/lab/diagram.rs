//! `lab diagram FILE ..`: a sequence diagram of traces, as Mermaid or as a picture.

use super::super::args::{DiagramArgs, Format};
use super::super::env::Env;
use super::super::exit::CliError;
use super::super::units::TimeSpan;
use super::traces::{Traces, say};
use crate::lab::diagram::{Gather, Talk, TooMuch, Window, mermaid, svg};
use crate::lab::record::Name;
use crate::nearest::nearest;
use std::fs;

/// Runs `lab diagram`.
pub fn diagram(args: &DiagramArgs, env: &Env) -> Result<(), CliError> {
    let traces = Traces::read(&args.file, env)?;
    let window = Window {
        peers: peers(args, &traces)?,
        from: args.from.map(|TimeSpan(from)| from),
        to: args.to.map(|TimeSpan(to)| to),
        words: list(args.types.as_deref()).map(str::to_uppercase).collect(),
    };
    let mut gather = Gather::new(&traces.cast, window);
    traces.each(|timed, names| gather.on_event(timed, names).map_err(|why| too_much(&why)))?;
    let talk = gather.finish();
    if talk.is_empty() {
        return Err(CliError::usage(
            "nothing is said there: choose more with --peers, --from, --to or --types",
        ));
    }
    let text = draw(args, env, &traces, &talk)?;
    match &args.out {
        None => super::super::print(env, &text),
        Some(path) => fs::write(path, text)
            .map_err(|why| CliError::disk("write", path, &why, "choose another --out")),
    }
}

fn draw(args: &DiagramArgs, env: &Env, traces: &Traces, talk: &Talk) -> Result<String, CliError> {
    let names = traces.names();
    if args.format() != Some(Format::Svg) {
        let diagram = talk.fold(&traces.cast, &names, mermaid::MOST_ARROWS);
        if let Some(text) = mermaid::text(&diagram) {
            return Ok(text);
        }
        let arrows = diagram.arrows.len();
        if args.format() == Some(Format::Mermaid) {
            return Err(CliError::usage(format!(
                "{arrows} arrows are too much for Mermaid, which takes {} and {} characters here: \
                 choose fewer with --peers, --from, --to or --types, or --format svg, which has room",
                mermaid::MOST_ARROWS,
                mermaid::MOST_TEXT
            )));
        }
        say(
            env,
            &format!(
                "{arrows} arrows are too much for Mermaid, so it is a picture: --format svg says so"
            ),
        );
    }
    let diagram = talk.fold(&traces.cast, &names, svg::GOOD_ARROWS);
    let first = traces.first().display().to_string();
    let more = args.file.len() - 1;
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    svg::text(&diagram, &format!("{first}{more}")).map_err(|why| too_much(&why))
}

fn too_much(why: &TooMuch) -> CliError {
    CliError::usage(why.to_string())
}

/// The words of a list.
fn list(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// The peers that are meant: each by its whole name, by its IP address, or by an end that no other has.
fn peers(args: &DiagramArgs, traces: &Traces) -> Result<Vec<Name>, CliError> {
    let names = traces.names();
    let everybody = &traces.cast.everybody;
    let mut chosen = Vec::new();
    for word in list(args.peers.as_deref()) {
        let exact = everybody.iter().find(|&&name| names.text(name) == word);
        let ends = |name: &Name| {
            let text = names.text(*name);
            text.ends_with(word)
                || text.strip_prefix(word).is_some_and(|rest| rest.starts_with(':'))
        };
        let ending: Vec<Name> = everybody.iter().copied().filter(ends).collect();
        chosen.push(match (exact, &ending[..]) {
            (Some(name), _) | (None, [name]) => *name,
            (None, []) => {
                let all = everybody.iter().map(|&name| names.text(name));
                let near = nearest(word, all).map(|near| format!(": did you mean {near}?"));
                let near = near.unwrap_or_else(|| {
                    let some: Vec<&str> =
                        everybody.iter().take(5).map(|&name| names.text(name)).collect();
                    format!(": there are {}", some.join(", "))
                });
                return Err(CliError::usage(format!("no peer is called {word}{near}")));
            }
            (None, several) => {
                return Err(CliError::usage(format!(
                    "{} peers are called {word}: write more of the one that is meant",
                    several.len()
                )));
            }
        });
    }
    Ok(chosen)
}
