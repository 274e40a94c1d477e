//! The methods on torrents: look, change, add, remove, locate.

use super::super::base64;
use super::super::order::{Addition, CatalogueEntry, Detail, Name, Order, Reply, Source, Which};
use super::super::view::TorrentView;
use super::args::{Args, Fault};
use super::names::Spelling;
use super::{Rpc, change, fields};
use serde_json::{Map, Value, json};

/// `torrent-get`.
pub fn get(rpc: &Rpc, args: &Args<'_>, spelling: Spelling) -> Result<Map<String, Value>, Fault> {
    let names = args.texts("fields")?;
    let names = names.ok_or_else(|| Fault::Argument("no fields specified".into()))?;
    let as_table = match args.text("format")? {
        None | Some("objects") => false,
        Some("table") => true,
        Some(_) => return Err(Fault::argument("format", "objects or table")),
    };
    let which = args.which()?;
    let mut asked: Vec<&fields::Field> = Vec::new();
    for field in names.iter().filter_map(|name| fields::field(name)) {
        if !asked.iter().any(|known| known.name == field.name) {
            asked.push(field);
        }
    }
    let is_recent = which == Which::Recent;
    let (torrents, removed) = look(rpc, which, fields::detail(&asked))?;
    let rows = if as_table {
        let head = asked.iter().map(|field| Value::from(spelling.of(field.name))).collect();
        let row = |torrent| asked.iter().map(|field| (field.of)(torrent)).collect();
        std::iter::once(head).chain(torrents.iter().map(row)).collect()
    } else {
        let name = |field: &&fields::Field| field.name.to_owned();
        let object = |torrent| -> Map<String, Value> {
            asked.iter().map(|field| (name(field), (field.of)(torrent))).collect()
        };
        torrents.iter().map(object).map(Value::Object).collect::<Vec<Value>>()
    };
    let mut answer = Map::from_iter([("torrents".to_owned(), Value::Array(rows))]);
    if is_recent {
        answer.insert("removed".into(), removed.into());
    }
    Ok(answer)
}

/// `torrent-set`.
pub fn set(rpc: &Rpc, args: &Args<'_>) -> Result<(), Fault> {
    let which = args.which()?;
    if args.get("location").is_some() {
        return Err(moves_nothing());
    }
    let (change, rest) = change::read(args)?;
    if change != super::super::order::Change::default() {
        rpc.done(Order::Change { which: which.clone(), change: Box::new(change) })?;
    }
    if rest.is_empty() {
        return Ok(());
    }
    let (torrents, _) = look(rpc, which, Detail { trackers: true, ..Detail::default() })?;
    for torrent in torrents {
        let which = Which::These(vec![Name::Id(torrent.id)]);
        rpc.done(Order::Change { which, change: Box::new(rest.of(&torrent)) })?;
    }
    Ok(())
}

/// `torrent-add`.
pub fn add(rpc: &Rpc, args: &Args<'_>) -> Result<Map<String, Value>, Fault> {
    let filename = args.text("filename")?.filter(|name| !name.is_empty());
    let metainfo = args.long_text("metainfo")?.filter(|text| !text.is_empty());
    args.text("cookies")?;
    let seed = args.folder("seed", "path of a file or folder")?;
    let source = match (filename, metainfo) {
        (Some(word), _) => Source::What(word.to_owned()),
        (None, _) if let Some(path) = seed => Source::Seed(path),
        (None, Some(text)) => {
            let bytes = base64::decode(text);
            Source::Torrent(bytes.ok_or_else(|| Fault::argument("metainfo", "base64"))?)
        }
        (None, None) => {
            return Err(Fault::Argument("no filename or metainfo specified".into()));
        }
    };
    let addition = Addition {
        source,
        folder: args.folder("download-dir", "download directory path")?,
        paused: args.flag("paused")?,
        change: change::common(args)?,
    };
    let Reply::Added { torrent, duplicate } = rpc.ask(Order::Add(Box::new(addition)))? else {
        return Err(Fault::Gone);
    };
    let key = if duplicate { "torrent-duplicate" } else { "torrent-added" };
    let added = json!({ "hashString": torrent.hash, "id": torrent.id, "name": torrent.name });
    Ok(Map::from_iter([(key.to_owned(), added)]))
}

/// `torrent-remove`.
pub fn remove(rpc: &Rpc, args: &Args<'_>) -> Result<(), Fault> {
    let with_data = args.flag("delete-local-data")?.unwrap_or(false);
    rpc.done(Order::Remove { which: args.which()?, with_data })
}

/// `torrent-set-location`: finds data, moves none.
pub fn locate(rpc: &Rpc, args: &Args<'_>) -> Result<(), Fault> {
    let which = args.which()?;
    let folder = args.folder("location", "new location path")?;
    let folder = folder.ok_or_else(|| Fault::Argument("no location".into()))?;
    if args.flag("move")?.unwrap_or(false) {
        return Err(moves_nothing());
    }
    rpc.done(Order::Locate { which, folder })
}

/// `torrent-rename-path`.
pub fn rename(args: &Args<'_>) -> Result<(), Fault> {
    args.which()?;
    args.text("path")?;
    args.text("name")?;
    Err(Fault::Refused("names are what the torrent says: this program renames nothing".into()))
}

/// `catalogue`: what the trackers list.
pub fn catalogue(rpc: &Rpc) -> Result<Map<String, Value>, Fault> {
    let Reply::Catalogue(entries) = rpc.ask(Order::Catalogue)? else { return Err(Fault::Gone) };
    let entry = |entry: CatalogueEntry| {
        json!({
            "name": entry.name,
            "infoHash": entry.info_hash,
            "size": entry.size,
            "seeders": entry.seeders,
            "leechers": entry.leechers,
        })
    };
    let entries = entries.into_iter().map(entry).collect::<Vec<_>>();
    Ok(super::session::object(json!({ "entries": entries })))
}

/// `free-space`.
pub fn free_space(rpc: &Rpc, args: &Args<'_>) -> Result<Map<String, Value>, Fault> {
    let path = args.folder("path", "directory path")?;
    let path = path.ok_or_else(|| Fault::argument("path", "a folder"))?;
    let Reply::Room { free, total } = rpc.ask(Order::FreeSpace(path.clone()))? else {
        return Err(Fault::Gone);
    };
    Ok(super::session::object(json!({
        "path": path.to_string_lossy(), "size-bytes": free, "total_size": total,
    })))
}

fn moves_nothing() -> Fault {
    let why = "this program moves no data: move it yourself, then say where it is (--find)";
    Fault::Refused(why.into())
}

fn look(rpc: &Rpc, which: Which, detail: Detail) -> Result<(Vec<TorrentView>, Vec<u32>), Fault> {
    match rpc.ask(Order::Look { which, detail })? {
        Reply::Torrents { torrents, removed } => Ok((torrents, removed)),
        _ => Err(Fault::Gone),
    }
}
