//! `[[group]]`: peers that are alike.

use super::super::setting::{After, Group, Joins, LinkSetting, Role};
use super::fields::Fields;
use super::tree::Fault;
use super::units::{self, Term};
use crate::config::ChokerChoice;
use crate::protocol::Dialect;
use std::time::Duration;

/// The keys of a group.
pub const KEYS: [&str; 16] = [
    "name",
    "role",
    "count",
    "lacks",
    "up",
    "down",
    "slots",
    "picker",
    "choker",
    "super_seeding",
    "keeps_partial",
    "lies",
    "large_view",
    "dialect",
    "join",
    "after",
];

/// The most peers of a setting.
pub const MOST_PEERS: usize = 2_000_000;

/// The most pieces that a peer may lack.
const MOST_PIECES: usize = 1 << 24;

/// A group at one point of the sweep.
pub fn group(name: &str, fields: &Fields<'_>, link: &LinkSetting) -> Result<Group, Fault> {
    let role = fields.must("role", "\"seed\" or \"leech\"", role)?;
    let (joins, flash) = fields.read("join", joins)?.unwrap_or((Joins::At(Duration::ZERO), None));
    let count = fields.read("count", |term| units::whole(term, 1, MOST_PEERS))?;
    let count = match (count, flash, joins) {
        (Some(count), Some(flash), _) if count != flash => {
            return Err(fields.fault(format!(
                "{name} has count {count} and joins in a flash of {flash}: leave one of them out"
            )));
        }
        (None, None, Joins::Poisson(_)) => {
            return Err(fields.fault(format!(
                "{name} has no count: of a Poisson process it is the most that may come"
            )));
        }
        (count, flash, _) => count.or(flash).unwrap_or(1),
    };
    let lacks = fields.read("lacks", |term| units::whole(term, 1, MOST_PIECES))?;
    if lacks.is_some() && role == Role::Seed {
        return Err(fields.fault(format!("{name} is a seed, and lacks nothing")));
    }
    let flag = |key, usual| Ok(fields.read(key, units::flag)?.unwrap_or(usual));
    let usual = Group::new(name, role, count);
    Ok(Group {
        lacks: lacks.map(|pieces| pieces as u32),
        up: fields.read("up", units::rate)?.unwrap_or(link.up),
        down: fields.read("down", units::rate)?.unwrap_or(link.down),
        slots: fields.read("slots", |term| units::whole(term, 0, 100_000))?.unwrap_or(usual.slots),
        picker: fields.named("picker")?.unwrap_or_default(),
        choker: fields.named::<ChokerChoice>("choker")?.unwrap_or_default(),
        super_seeding: flag("super_seeding", usual.super_seeding)?,
        keeps_partial: flag("keeps_partial", usual.keeps_partial)?,
        lies: flag("lies", usual.lies)?,
        large_view: flag("large_view", usual.large_view)?,
        dialect: fields.read("dialect", dialect)?.unwrap_or(usual.dialect),
        joins,
        after: fields.read("after", after)?.unwrap_or(usual.after),
        ..usual
    })
}

fn role(term: &Term) -> Result<Role, String> {
    match word(term)? {
        "seed" => Ok(Role::Seed),
        "leech" => Ok(Role::Leech),
        _ => Err("expected seed or leech".into()),
    }
}

fn dialect(term: &Term) -> Result<Dialect, String> {
    match word(term)? {
        "native" => Ok(Dialect::Native),
        "bittorrent" => Ok(Dialect::BitTorrent),
        _ => Err("expected native or bittorrent".into()),
    }
}

/// When peers come, and how many do in a flash.
fn joins(term: &Term) -> Result<(Joins, Option<usize>), String> {
    const EXPECTED: &str = "expected at 5s, uniform 0s..60s, poisson 0.5/s or flash 30 at 10s";
    let words: Vec<&str> = word(term)?.split_whitespace().collect();
    match words.as_slice() {
        ["at", at] => Ok((Joins::At(time(at)?), None)),
        ["uniform", span] => {
            let (from, to) = span.split_once("..").ok_or(EXPECTED)?;
            // As a book writes it: 0..60s.
            let unit = to.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            let is_bare = from.parse::<f64>().is_ok();
            let from = if is_bare { format!("{from}{unit}") } else { from.to_owned() };
            let (from, to) = (time(&from)?, time(to)?);
            if from > to {
                return Err("the span ends before it begins".into());
            }
            Ok((Joins::Uniform(from, to), None))
        }
        ["poisson", rate] => {
            let rate = rate.strip_suffix("/s").ok_or(EXPECTED)?;
            let rate = units::number(&Term::Text(rate.into()), 1e-6, 1e6)?;
            Ok((Joins::Poisson(rate), None))
        }
        ["flash", count, "at", at] => {
            let count = units::whole(&Term::Text((*count).into()), 1, MOST_PEERS)?;
            Ok((Joins::At(time(at)?), Some(count)))
        }
        _ => Err(EXPECTED.into()),
    }
}

fn after(term: &Term) -> Result<After, String> {
    let words: Vec<&str> = word(term)?.split_whitespace().collect();
    match words.as_slice() {
        ["stay"] => Ok(After::Stay),
        ["leave"] => Ok(After::Leave),
        ["exp", mean] => Ok(After::Exp(time(mean)?)),
        ["for", span] => Ok(After::For(time(span)?)),
        _ => Err("expected stay, leave, exp 30s or for 30s".into()),
    }
}

/// A time within a text.
pub fn time(text: &str) -> Result<Duration, String> {
    units::time(&Term::Text(text.to_owned()))
}

/// The text of a term.
pub fn word(term: &Term) -> Result<&str, String> {
    match term {
        Term::Text(text) => Ok(text.trim()),
        _ => Err("expected a text".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(text: &str) -> Term {
        Term::Text(text.into())
    }

    #[test]
    fn peers_come_at_once_by_lot_or_one_after_another() {
        let seconds = Duration::from_secs;
        let check = |text: &str, expected| assert_eq!(joins(&term(text)), Ok(expected), "{text}");
        check("at 5s", (Joins::At(seconds(5)), None));
        check("uniform 0..60s", (Joins::Uniform(seconds(0), seconds(60)), None));
        check("uniform 1..2min", (Joins::Uniform(seconds(60), seconds(120)), None));
        check("poisson 0.5/s", (Joins::Poisson(0.5), None));
        check("flash 30 at 10s", (Joins::At(seconds(10)), Some(30)));
        for wrong in ["", "at", "uniform 5s", "uniform 9s..1s", "poisson 0/s", "poisson 5", "now"] {
            assert!(joins(&term(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_is_complete_stays_or_goes() {
        let check = |text: &str, expected| assert_eq!(after(&term(text)), Ok(expected), "{text}");
        check("stay", After::Stay);
        check("leave", After::Leave);
        check("exp 30s", After::Exp(Duration::from_secs(30)));
        check("for 2min", After::For(Duration::from_mins(2)));
        assert!(after(&term("go")).is_err());
    }
}
