//! A whole .torrent: `info` and what stands around it, read and written.
//!
//! What stands around `info` is not covered by its hash: a wrong type there is passed over, as
//! other clients do, and never the reason to refuse a torrent. Nothing here does I/O.

use super::bencode::{self, Encoder, Value};
use super::error::MetainfoError;
use super::{Metainfo, info, layers};
use std::collections::{BTreeMap, HashSet};

impl Metainfo {
    /// Reads a .torrent. What follows its one value is passed over: files in the wild end in
    /// line feeds and worse, and no hash covers it.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        let document = bencode::parse_prefix(bytes, bencode::TORRENT)?;
        let root = document.root();
        if !root.is_dict() {
            return Err(MetainfoError::NotADictionary);
        }
        let mut metainfo = info::read(&root.get(b"info").ok_or(MetainfoError::Missing("info"))?)?;
        if let Some(found) = root.get(b"piece layers").filter(|_| metainfo.info_hash_v2.is_some()) {
            layers::attach(&mut metainfo, &found)?;
        }
        metainfo.trackers = trackers(&root);
        metainfo.native_trackers = texts(root.get(b"native trackers"));
        metainfo.web_seeds = web_seeds(root.get(b"url-list"));
        metainfo.comment = text(&root, b"comment.utf-8").or_else(|| text(&root, b"comment"));
        metainfo.created_by = text(&root, b"created by");
        metainfo.creation_date = root.get(b"creation date").and_then(|date| date.as_int());
        Ok(metainfo)
    }

    /// Reads a bare `info` dictionary, as a magnet's peers send it: no layers, no trackers.
    pub fn from_info(info: &[u8]) -> Result<Self, MetainfoError> {
        info::parse(info)
    }

    /// A hybrid taken as a v1 torrent: where nobody has its piece layers, its v1 pieces still can
    /// be checked.
    pub fn as_v1(&self) -> Result<Self, MetainfoError> {
        let v1 = info::parse_v1(&self.info)?;
        Ok(Self {
            trackers: self.trackers.clone(),
            native_trackers: self.native_trackers.clone(),
            web_seeds: self.web_seeds.clone(),
            comment: self.comment.clone(),
            created_by: self.created_by.clone(),
            creation_date: self.creation_date,
            ..v1
        })
    }

    /// Writes a .torrent: the same bytes for the same value, and `info` as it came.
    pub fn to_torrent(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.dict();
        self.write_trackers(&mut out);
        write_text(&mut out, "comment", self.comment.as_deref());
        write_text(&mut out, "created by", self.created_by.as_deref());
        if let Some(date) = self.creation_date {
            out.text("creation date").int(date);
        }
        out.text("info").raw(&self.info);
        write_texts(&mut out, "native trackers", &self.native_trackers);
        self.write_layers(&mut out);
        write_texts(&mut out, "url-list", &self.web_seeds);
        out.end();
        out.finish()
    }

    /// `announce` for all clients, `announce-list` when there is more to say (BEP 12).
    fn write_trackers(&self, out: &mut Encoder) {
        let Some(first) = self.trackers.iter().flatten().next() else { return };
        out.text("announce").text(first);
        if self.trackers.iter().flatten().nth(1).is_none() {
            return;
        }
        out.text("announce-list").list();
        for tier in &self.trackers {
            out.list();
            for url in tier {
                out.text(url);
            }
            out.end();
        }
        out.end();
    }

    /// Version 2 always has `piece layers`, be it empty (BEP 52).
    fn write_layers(&self, out: &mut Encoder) {
        if self.info_hash_v2.is_none() {
            return;
        }
        let layered = self.files.iter().filter(|file| !file.layer.is_empty());
        let by_root: BTreeMap<_, _> = layered.map(|file| (file.root, &file.layer)).collect();
        out.text("piece layers").dict();
        for (root, layer) in by_root {
            out.bytes(&root.expect("a file with a layer has a root")).bytes(layer.as_flattened());
        }
        out.end();
    }
}

fn write_text(out: &mut Encoder, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        out.text(key).text(text);
    }
}

fn write_texts(out: &mut Encoder, key: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    out.text(key).list();
    for text in texts {
        out.text(text);
    }
    out.end();
}

/// The text under a key; what is no UTF-8 becomes U+FFFD.
fn text(root: &Value<'_>, key: &[u8]) -> Option<String> {
    root.get(key)?.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A string that is not empty once its white space is gone.
pub(super) fn url(value: &Value<'_>) -> Option<String> {
    let text = std::str::from_utf8(value.as_bytes()?).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// One string or a list of them, each once.
fn texts(value: Option<Value<'_>>) -> Vec<String> {
    let Some(value) = value else { return Vec::new() };
    let mut seen = HashSet::new();
    let all =
        url(&value).into_iter().chain(value.items().into_iter().flatten().filter_map(|v| url(&v)));
    all.filter(|text| seen.insert(text.clone())).collect()
}

/// `url-list` (BEP 19), with its blanks escaped.
fn web_seeds(value: Option<Value<'_>>) -> Vec<String> {
    texts(value).into_iter().map(|url| url.replace(' ', "%20")).collect()
}

/// The tiers of `announce-list`, or `announce` when there are none (BEP 12).
fn trackers(root: &Value<'_>) -> Vec<Vec<String>> {
    let list = root.get(b"announce-list").and_then(|list| list.items()).into_iter().flatten();
    let tiers = list.map(|tier| texts(Some(tier)));
    let tiers: Vec<Vec<String>> = tiers.filter(|tier| !tier.is_empty()).collect();
    if !tiers.is_empty() {
        return tiers;
    }
    root.get(b"announce")
        .and_then(|announce| url(&announce))
        .map(|url| vec![url])
        .into_iter()
        .collect()
}
