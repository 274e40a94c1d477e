//! `peer remote`: looks at and steers a running peer through its RPC.
//!
//! ```text
//! words, flags -> Errand -> one or two questions (client) -> a table, or the raw facts as JSON
//! ```
//! It speaks to Transmission as well. Nothing is guessed: a word that means no torrent ends it.

mod choose;
mod client;
mod tables;

use super::args::RemoteArgs;
use super::args::remote::{Act, Errand, USUAL_PLACE};
use super::door;
use super::env::Env;
use super::exit::{CliError, Exit};
use super::print;
use super::units::RateLimit;
use super::what::What;
use crate::control::base64;
use crate::metainfo::bencode;
pub(super) use client::Client;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// `peer remote`.
pub fn remote(args: &RemoteArgs, env: &Env) -> Result<(), CliError> {
    let errand = args.errand()?;
    let auth = door::login(args.auth.as_ref(), env)?.map(|login| login.pair());
    let client = Client::new(args.at.as_deref().unwrap_or(USUAL_PLACE), auth);
    let mut errands = Errands { args, env, client };
    match &errand {
        Errand::List => errands.show(&["all".into()], &tables::LIST_FIELDS, tables::list),
        Errand::Info(words) => {
            let fields = [&tables::LIST_FIELDS[..], &tables::INFO_FIELDS[..]].concat();
            errands.show(words, &fields, |torrents| each(torrents, tables::info))
        }
        Errand::Peers(words) => {
            errands.show(words, &["id", "name", "peers"], |torrents| each(torrents, tables::peers))
        }
        Errand::Files(words) => errands.files(words),
        Errand::Add(words) => words.iter().try_for_each(|word| errands.add(word)),
        Errand::Act(act, words) => errands.act(*act, words),
        Errand::Limit(words) => errands.limit(words),
        Errand::Stats => errands.facts("session-stats", tables::stats),
        Errand::Session => errands.facts("session-get", tables::facts),
        Errand::Close => errands.client.ask("session-close", &json!({})).map(drop),
    }
}

/// What an errand needs.
struct Errands<'a> {
    args: &'a RemoteArgs,
    env: &'a Env,
    client: Client,
}

impl Errands<'_> {
    /// Prints torrents as text, or as one object per line.
    fn show(
        &mut self,
        words: &[String],
        fields: &[&str],
        as_text: impl Fn(&[Value]) -> String,
    ) -> Result<(), CliError> {
        let torrents = if words == ["all"] {
            self.look(&json!({ "fields": fields }))?
        } else {
            let ids = self.choose(words)?;
            self.look(&json!({ "ids": ids, "fields": fields }))?
        };
        self.say(&torrents, as_text)
    }

    fn files(&mut self, words: &[String]) -> Result<(), CliError> {
        let fields = ["id", "name", "files", "wanted", "priorities"];
        let ids = self.choose(words)?;
        let question = json!({ "ids": ids, "fields": fields });
        let torrents = self.look(&question)?;
        let lists = [("files-unwanted", &self.args.skip), ("files-wanted", &self.args.want)];
        let mut changed = false;
        for torrent in &torrents {
            let count = torrent["files"].as_array().map_or(0, Vec::len);
            let mut change = Map::from_iter([("ids".to_owned(), json!([torrent["id"]]))]);
            for (key, list) in lists {
                if let Some(list) = list {
                    change.insert(key.into(), choose::files(list, count)?.into());
                }
            }
            if change.len() > 1 {
                self.client.ask("torrent-set", &Value::Object(change))?;
                changed = true;
            }
        }
        let torrents = if changed { self.look(&question)? } else { torrents };
        self.say(&torrents, |torrents| each(torrents, tables::files))
    }

    fn add(&mut self, word: &str) -> Result<(), CliError> {
        let mut question = Map::new();
        match word.parse::<What>() {
            Ok(What::Torrent(path)) => {
                question.insert("metainfo".into(), base64::encode(&torrent_file(&path)?).into());
            }
            _ => {
                question.insert("filename".into(), word.into());
            }
        }
        if self.args.paused {
            question.insert("paused".into(), true.into());
        }
        if let Some(folder) = &self.args.download_dir {
            let folder = std::path::absolute(folder)
                .map_err(|why| CliError::disk("find", folder, &why, "name it from / on"))?;
            question.insert("download-dir".into(), folder.to_string_lossy().into());
        }
        let mut answer = self.client.ask("torrent-add", &Value::Object(question))?;
        let added = answer.remove("torrent-added");
        let is_new = added.is_some();
        let mut torrent = added.or_else(|| answer.remove("torrent-duplicate")).unwrap_or_default();
        if torrent.is_object() {
            torrent["duplicate"] = (!is_new).into();
        }
        self.say(&[torrent], |torrents| {
            let how = if is_new { "added" } else { "already there" };
            let name = super::style::printable(torrents[0]["name"].as_str().unwrap_or_default());
            format!("{how}: {} {name}\n", torrents[0]["id"])
        })
    }

    fn act(&mut self, act: Act, words: &[String]) -> Result<(), CliError> {
        let ids = self.choose(words)?;
        if ids.is_empty() {
            return Ok(());
        }
        let mut question = json!({ "ids": ids });
        let method = match act {
            Act::Start => "torrent-start",
            Act::Stop => "torrent-stop",
            Act::Verify => "torrent-verify",
            Act::Announce => "torrent-reannounce",
            Act::Remove => {
                question["delete-local-data"] = self.args.with_data.into();
                "torrent-remove"
            }
        };
        self.client.ask(method, &question)?;
        self.done(&ids)
    }

    fn limit(&mut self, words: &[String]) -> Result<(), CliError> {
        let ids = if words.is_empty() { Vec::new() } else { self.choose(words)? };
        let (method, down, up, on) = if words.is_empty() {
            ("session-set", "speed-limit-down", "speed-limit-up", "-enabled")
        } else {
            ("torrent-set", "downloadLimit", "uploadLimit", "ed")
        };
        let mut question = Map::new();
        for (name, limit) in [(down, self.args.downlimit), (up, self.args.uplimit)] {
            let Some(RateLimit(limit)) = limit else { continue };
            question.insert(format!("{name}{on}"), limit.is_some().into());
            if let Some(rate) = limit {
                // The RPC knows whole kB/s; less than one would be no limit at all.
                question.insert(name.into(), (rate / 1000).max(1).into());
            }
        }
        if !words.is_empty() {
            question.insert("ids".into(), json!(ids));
        }
        self.client.ask(method, &Value::Object(question))?;
        self.done(&ids)
    }

    fn facts(
        &mut self,
        method: &str,
        as_text: impl Fn(&Map<String, Value>) -> String,
    ) -> Result<(), CliError> {
        let facts = self.client.ask(method, &json!({}))?;
        let text =
            if self.args.json { format!("{}\n", Value::Object(facts)) } else { as_text(&facts) };
        print(self.env, &text)
    }

    /// The numbers of the torrents that words mean.
    fn choose(&mut self, words: &[String]) -> Result<Vec<u64>, CliError> {
        let list = self.look(&json!({ "fields": ["id", "name", "hashString"] }))?;
        choose::torrents(words, &list)
    }

    fn look(&mut self, question: &Value) -> Result<Vec<Value>, CliError> {
        match self.client.ask("torrent-get", question)?.remove("torrents") {
            Some(Value::Array(torrents)) => Ok(torrents),
            _ => Err(CliError::new(Exit::Failed, "the peer's answer has no torrents in it")),
        }
    }

    /// Says under `--json` which torrents an order was about.
    fn done(&self, ids: &[u64]) -> Result<(), CliError> {
        let objects: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        if self.args.json { print(self.env, &lines(&objects)) } else { Ok(()) }
    }

    fn say(&self, objects: &[Value], as_text: impl Fn(&[Value]) -> String) -> Result<(), CliError> {
        let text: String = if self.args.json { lines(objects) } else { as_text(objects) };
        print(self.env, &text)
    }
}

/// One object on each line.
fn lines(objects: &[Value]) -> String {
    let mut text = String::new();
    for object in objects {
        // A String takes all.
        let _ = writeln!(text, "{object}");
    }
    text
}

/// The texts of several torrents; each is headed by its name if there are more than one.
fn each(torrents: &[Value], as_text: fn(&Value) -> String) -> String {
    let with_head = |torrent: &Value| {
        let name = super::style::printable(torrent["name"].as_str().unwrap_or_default());
        format!("{}: {name}\n{}\n", torrent["id"], as_text(torrent))
    };
    match torrents {
        [one] => as_text(one),
        several => several.iter().map(with_head).collect(),
    }
}

/// The bytes of a .torrent: it lies here, and the peer may be elsewhere.
fn torrent_file(path: &Path) -> Result<Vec<u8>, CliError> {
    let advice = "is it the path of a .torrent?";
    let unreadable = |why| CliError::disk("read", path, &why, advice);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let most = bencode::TORRENT.bytes as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        let path = path.display();
        return Err(CliError::new(Exit::BadTorrent, format!("{path} is too long for a .torrent")));
    }
    Ok(bytes)
}
