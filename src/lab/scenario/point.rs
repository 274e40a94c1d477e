//! The points of a sweep, each as a setting.
//!
//! ```toml
//! [sweep]
//! N = [1, 10, 35]
//! mode = ["client-server", "p2p"]
//!
//! [variant.mode.client-server]     # at the points where mode is client-server
//! "peer.slots" = 0
//! ```
//! The last variable changes fastest. Everything that a point changes is filled in by
//! [`super::fields`]; what comes of it is checked here, point by point.

use super::super::setting::{
    Content, Group, HierarchySetting, Joins, LIMIT, LinkSetting, Model, Planned, Setting, Value,
};
use super::fields::{Fields, Scope};
use super::tree::{Fault, Kind, Tree, list, unknown};
use super::units::{self, Term};
use super::{event, group};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most points of a sweep, runs of all of them apart.
pub const MOST_POINTS: usize = 10_000;

/// The most groups, and the most events.
const MOST_TABLES: usize = 1000;

/// The most pieces: a bit each, for every peer.
const MOST_PIECES: u64 = 1 << 22;

/// Bytes of a block: what one request asks for.
pub const BLOCK: u64 = 16 * 1024;

/// Sections that a change or a variant may name; no group is called so.
pub const SECTIONS: [&str; 15] = [
    "schema",
    "name",
    "about",
    "backends",
    "seeds",
    "content",
    "link",
    "hierarchy",
    "sweep",
    "variant",
    "measure",
    "expect",
    "plot",
    "event",
    "group",
];

/// Values of the top that a point may change.
const SCALARS: [&str; 4] = ["time_scale", "limit", "runs_to_limit", "model"];

const CONTENT: [&str; 5] = ["size", "piece", "pieces", "block", "fill"];

const LINK: [&str; 10] =
    ["up", "down", "rtt", "jitter", "loss", "queue", "degree", "refresh", "pipeline", "endgame"];

/// How a question finds its answer.
const WAYS: [&str; 3] = ["iterative", "recursive", "chain"];

const HIERARCHY: [&str; 5] = ["resolve", "ttl", "rate", "questions", "keys"];

/// The sweep's variables with their values, in the order of the file.
pub type Sweep = Vec<(String, Vec<Value>)>;

/// The variables of `[sweep]`.
pub fn sweep(root: &Tree, reserved: &[&str]) -> Result<Sweep, Fault> {
    let Some(table) = root.get("sweep") else { return Ok(Vec::new()) };
    if !matches!(table.kind, Kind::Table(_)) {
        return Err(Fault::new(table.line, "sweep is a table: write [sweep] and N = [1, 2]"));
    }
    let mut sweep = Vec::new();
    let mut points = 1_usize;
    for entry in table.entries() {
        let name = &entry.key;
        let fault = |why: &str| Fault::new(entry.line, format!("the variable {name} {why}"));
        if !is_name(name) {
            return Err(fault("has a name that is no word: use letters, digits and _"));
        }
        if reserved.contains(&name.as_str()) {
            return Err(fault("has the name of a measure: choose another"));
        }
        let values: Result<Vec<Value>, Fault> =
            entry.value.items().iter().map(sweep_value).collect();
        let values = values?;
        if values.is_empty() {
            return Err(fault("has no value"));
        }
        if values.iter().enumerate().any(|(at, value)| values[..at].contains(value)) {
            return Err(fault("has a value twice"));
        }
        points = points.saturating_mul(values.len());
        if points > MOST_POINTS {
            return Err(fault(&format!("makes more than {MOST_POINTS} points: sweep over less")));
        }
        sweep.push((name.clone(), values));
    }
    Ok(sweep)
}

/// A number or a word of a sweep or of a selection.
pub fn sweep_value(tree: &Tree) -> Result<Value, Fault> {
    match &tree.kind {
        Kind::Number(number) => Ok(Value::Number(*number)),
        Kind::Text(word) if !word.contains(['[', ']', ',', '=', '\n']) && !word.is_empty() => {
            Ok(Value::Word(word.clone()))
        }
        Kind::Flag(on) => Ok(Value::Word(on.to_string())),
        _ => Err(Fault::new(tree.line, "a variable is a number or a word without [ ] , and =")),
    }
}

/// Whether a variable or a group may be called so: it stands in expressions.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The settings of all points; variants may be of any value that is `known`.
pub fn settings(root: &Tree, sweep: &Sweep, known: &Sweep) -> Result<Vec<Setting>, Fault> {
    let names = group_names(root)?;
    let variants = variants(root, known, &names)?;
    root.get("content").map_or(Ok(()), |table| table.check_keys("[content]", &CONTENT))?;
    root.get("link").map_or(Ok(()), |table| table.check_keys("[link]", &LINK))?;
    root.get("hierarchy").map_or(Ok(()), |table| table.check_keys("[hierarchy]", &HIERARCHY))?;
    points(sweep)
        .into_iter()
        .map(|point| {
            let here = |variable: &str, value: &str| {
                point.get(variable).is_some_and(|here| here.to_string() == value)
            };
            let changes = variants.iter().filter(|(variable, value, ..)| here(variable, value));
            let changes = changes.map(|(_, _, path, tree)| (path.clone(), *tree)).collect();
            setting(root, &names, &Scope { point: point.clone(), changes })
        })
        .collect()
}

/// Every combination of the variables' values, the last variable changing fastest.
fn points(sweep: &Sweep) -> Vec<BTreeMap<String, Value>> {
    let mut points = vec![BTreeMap::new()];
    for (name, values) in sweep {
        let with = |point: &BTreeMap<String, Value>, value: &Value| {
            let mut point = point.clone();
            point.insert(name.clone(), value.clone());
            point
        };
        points =
            points.iter().flat_map(|point| values.iter().map(|value| with(point, value))).collect();
    }
    points
}

/// The names of the groups, in the order of the file.
fn group_names(root: &Tree) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = Vec::new();
    for table in root.get("group").map_or(&[][..], Tree::items) {
        table.check_keys("[[group]]", &group::KEYS)?;
        let fault = |why: String| Fault::new(table.line, why);
        let name = match table.get("name").map(|tree| &tree.kind) {
            Some(Kind::Text(name)) if is_name(name) => name.clone(),
            Some(_) => {
                return Err(fault("a group's name is a word of letters, digits and _".into()));
            }
            None => return Err(fault("a group has no name: write name = \"peer\"".into())),
        };
        if SECTIONS.contains(&name.as_str()) || SCALARS.contains(&name.as_str()) {
            return Err(fault(format!("no group may be called {name}: --set {name}.. is taken")));
        }
        if names.contains(&name) {
            return Err(fault(format!("two groups are called {name}: give one another name")));
        }
        names.push(name);
        if names.len() > MOST_TABLES {
            return Err(fault(format!("there are more than {MOST_TABLES} groups")));
        }
    }
    Ok(names)
}

/// A variable, its value, and a path with what stands there at such points.
type Variant<'a> = (String, String, String, &'a Tree);

fn variants<'a>(
    root: &'a Tree,
    sweep: &Sweep,
    groups: &[String],
) -> Result<Vec<Variant<'a>>, Fault> {
    let mut found = Vec::new();
    for of_variable in root.get("variant").map_or(&[][..], Tree::entries) {
        let variable = &of_variable.key;
        let Some((_, values)) = sweep.iter().find(|(name, _)| name == variable) else {
            let names: Vec<&str> = sweep.iter().map(|(name, _)| name.as_str()).collect();
            let why = unknown("variable", variable, "[variant]", &names);
            return Err(Fault::new(of_variable.line, why));
        };
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        for of_value in of_variable.value.entries() {
            if !values.contains(&of_value.key) {
                let known: Vec<&str> = values.iter().map(String::as_str).collect();
                let why = unknown("value", &of_value.key, &format!("[variant.{variable}]"), &known);
                return Err(Fault::new(of_value.line, why));
            }
            for (path, line, tree) in leaves(&of_value.value) {
                check_path(&path, groups).map_err(|why| Fault::new(line, why))?;
                found.push((variable.clone(), of_value.key.clone(), path, tree));
            }
        }
    }
    Ok(found)
}

/// All values of a table with their paths: `"peer.slots" = 0` or `peer = { slots = 0 }`.
fn leaves(tree: &Tree) -> Vec<(String, usize, &Tree)> {
    let mut found = Vec::new();
    for entry in tree.entries() {
        match &entry.value.kind {
            Kind::Table(_) => {
                found.extend(entry.value.entries().iter().map(|inner| {
                    (format!("{}.{}", entry.key, inner.key), inner.line, &inner.value)
                }));
            }
            _ => found.push((entry.key.clone(), entry.line, &entry.value)),
        }
    }
    found
}

/// Whether a path names something that may be changed at a point.
fn check_path(path: &str, groups: &[String]) -> Result<(), String> {
    let Some((place, key)) = path.split_once('.') else {
        let known = SCALARS.contains(&path);
        return if known { Ok(()) } else { Err(unknown("key", path, "a variant", &SCALARS)) };
    };
    let keys: &[&str] = match place {
        "content" => &CONTENT,
        "link" => &LINK,
        "hierarchy" => &HIERARCHY,
        name if groups.iter().any(|group| group == name) => &group::KEYS[1..],
        name => {
            let names = groups.iter().map(String::as_str);
            let known: Vec<&str> = names.chain(["content", "link", "hierarchy"]).collect();
            return Err(unknown("group", name, "a variant", &known));
        }
    };
    if keys.contains(&key) { Ok(()) } else { Err(unknown("key", key, place, keys)) }
}

fn setting(root: &Tree, names: &[String], scope: &Scope<'_>) -> Result<Setting, Fault> {
    let top = Fields::new(Some(root), "", scope);
    let model = top.read("model", model)?.unwrap_or_default();
    let link = link(&Fields::new(root.get("link"), "link.", scope))?;
    let content = content(&Fields::new(root.get("content"), "content.", scope), model)?;
    let tables = root.get("group").map_or(&[][..], Tree::items);
    let groups = names.iter().zip(tables).map(|(name, table)| {
        group::group(name, &Fields::new(Some(table), &format!("{name}."), scope), &link)
    });
    let groups: Vec<Group> = groups.collect::<Result<_, _>>()?;
    let limit = top.read("limit", units::time)?.unwrap_or(LIMIT);
    if limit.is_zero() {
        return Err(top.fault("limit is zero: write limit = \"20min\""));
    }
    let setting = Setting {
        point: scope.point.clone(),
        model,
        time_scale: top.read("time_scale", |term| units::number(term, 1e-3, 1e6))?.unwrap_or(1.0),
        limit,
        runs_to_limit: top.read("runs_to_limit", units::flag)?.unwrap_or(false),
        content,
        link,
        events: events(root, scope, &groups, limit)?,
        groups,
        hierarchy: hierarchy(root.get("hierarchy"), model, scope)?,
    };
    check(&setting).map_err(|why| top.fault(format!("{}{why}", at(&setting))))?;
    Ok(setting)
}

/// Which point a sentence is about.
fn at(setting: &Setting) -> String {
    let pairs: Vec<String> =
        setting.point.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if pairs.is_empty() { String::new() } else { format!("at {}: ", pairs.join(", ")) }
}

fn model(term: &Term) -> Result<Model, String> {
    match group::word(term)? {
        "swarm" => Ok(Model::Swarm),
        "rounds" => Ok(Model::Rounds),
        "crowd" => Ok(Model::Crowd),
        "hierarchy" => Ok(Model::Hierarchy),
        _ => Err("expected swarm, rounds, crowd or hierarchy".into()),
    }
}

fn content(fields: &Fields<'_>, model: Model) -> Result<Content, Fault> {
    let piece = fields.read("piece", units::size)?;
    let piece = piece.unwrap_or(256 * 1024);
    if !piece.is_power_of_two() || !(BLOCK..=1 << 28).contains(&piece) {
        return Err(fields.fault(format!(
            "content.piece is {piece} bytes: expected a power of two from 16KiB to 256MiB"
        )));
    }
    if fields.read("block", units::size)?.is_some_and(|block| block != BLOCK) {
        return Err(fields.fault("content.block is always 16KiB: leave it out"));
    }
    fields.read("fill", |term| match term {
        Term::Text(word) if word == "random" => Ok(()),
        _ => Err("expected random, as it always is".into()),
    })?;
    let pieces = fields.read("pieces", |term| units::whole(term, 1, MOST_PIECES as usize))?;
    let size = match (fields.read("size", units::size)?, pieces) {
        (Some(_), Some(_)) => {
            return Err(fields.fault("content has size and pieces: leave one of them out"));
        }
        (Some(size), None) => size,
        (None, Some(pieces)) => pieces as u64 * piece,
        (None, None) if model == Model::Hierarchy => piece,
        (None, None) => {
            return Err(fields.fault("there is no content: write content = { size = \"64MiB\" }"));
        }
    };
    if size.div_ceil(piece) > MOST_PIECES {
        return Err(fields.fault(format!(
            "content has {} pieces, at most {MOST_PIECES} make sense: choose longer pieces",
            size.div_ceil(piece)
        )));
    }
    Ok(Content { size, piece: piece as u32 })
}

fn link(fields: &Fields<'_>) -> Result<LinkSetting, Fault> {
    let time = |key| Ok(fields.read(key, units::time)?.unwrap_or(Duration::ZERO));
    let flag = |key| Ok(fields.read(key, units::flag)?.unwrap_or(true));
    let all = |term: &Term| match term {
        Term::Text(word) if word == "all" => Ok(None),
        term => units::whole(term, 1, group::MOST_PEERS).map(Some),
    };
    let usual = |term: &Term| match term {
        Term::Text(word) if word == "auto" => Ok(None),
        term => units::whole(term, 1, 100_000).map(|depth| Some(depth as u32)),
    };
    Ok(LinkSetting {
        up: fields.read("up", units::rate)?.flatten(),
        down: fields.read("down", units::rate)?.flatten(),
        rtt: time("rtt")?,
        jitter: time("jitter")?,
        loss: fields.read("loss", units::share)?.unwrap_or(0.0),
        queue: fields.read("queue", units::size)?.unwrap_or(LinkSetting::default().queue),
        degree: fields.read("degree", all)?.flatten(),
        refresh: flag("refresh")?,
        pipeline: fields.read("pipeline", usual)?.flatten(),
        endgame: flag("endgame")?,
    })
}

fn events(
    root: &Tree,
    scope: &Scope<'_>,
    groups: &[Group],
    limit: Duration,
) -> Result<Vec<Planned>, Fault> {
    let tables = root.get("event").map_or(&[][..], Tree::items);
    let mut events: Vec<Planned> = Vec::new();
    for table in tables {
        table.check_keys("[[event]]", &event::KEYS)?;
        let found = event::event(&Fields::new(Some(table), "event.", scope), groups)?;
        if let Some(found) = found {
            event::check(std::slice::from_ref(&found), limit)
                .map_err(|why| Fault::new(table.line, why))?;
            events.push(found);
        }
    }
    if events.len() > MOST_TABLES {
        return Err(Fault::new(
            tables[0].line,
            format!("there are more than {MOST_TABLES} events"),
        ));
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}

fn hierarchy(
    table: Option<&Tree>,
    model: Model,
    scope: &Scope<'_>,
) -> Result<Option<HierarchySetting>, Fault> {
    if model != Model::Hierarchy {
        return match table {
            Some(table) => {
                Err(Fault::new(table.line, "[hierarchy] is for model = \"hierarchy\" only"))
            }
            None => Ok(None),
        };
    }
    let fields = Fields::new(table, "hierarchy.", scope);
    let resolve = |term: &Term| match group::word(term)? {
        word if WAYS.contains(&word) => Ok(word.to_owned()),
        _ => Err(format!("expected {}", list(&WAYS))),
    };
    let whole = |term: &Term| units::whole(term, 1, 10_000_000).map(|number| number as u32);
    Ok(Some(HierarchySetting {
        resolve: fields.must("resolve", "\"iterative\"", resolve)?,
        ttl: fields.read("ttl", units::time)?.unwrap_or(Duration::from_secs(30)),
        rate: fields.read("rate", |term| units::number(term, 1e-6, 1e6))?.unwrap_or(1.0),
        questions: fields.read("questions", whole)?.unwrap_or(1),
        keys: fields.read("keys", whole)?.unwrap_or(1),
    }))
}

/// What must hold between the parts of a setting.
fn check(setting: &Setting) -> Result<(), String> {
    if setting.model == Model::Hierarchy {
        return Ok(());
    }
    let peers = setting.groups.iter().fold(0_usize, |sum, group| sum.saturating_add(group.count));
    if peers == 0 {
        return Err("there is no [[group]]: nobody takes part".into());
    }
    if peers > group::MOST_PEERS {
        return Err(format!("{peers} peers are too many: at most {}", group::MOST_PEERS));
    }
    let late = setting.groups.iter().find(|group| match group.joins {
        Joins::At(at) | Joins::Uniform(at, _) => at > setting.limit,
        Joins::Poisson(_) => false,
    });
    match late {
        Some(group) => Err(format!("{} joins after the limit: move one of them", group.name)),
        None => Ok(()),
    }
}
