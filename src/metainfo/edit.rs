//! Changes to what stands around `info` in a .torrent: [`Edits`].
//!
//! A .torrent is taken apart at its keys, and only the values under the keys that are to change are
//! written anew: what we do not know, and `info` above all, stays byte for byte as it came.
//!
//! ```text
//! d | announce .. | announce-list .. | comment .. | info .. | x_foreign .. | e   -> new bytes
//!     changed       changed            kept         kept      kept
//! ```
//! [`Edits::source`] is the exception: `source` stands in `info`, so it changes the info-hash.
//! Nothing here does I/O.

use super::bencode::{self, Encoder, Value};
use super::error::MetainfoError;
use super::{Metainfo, torrent};

/// What to change; nothing by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    /// Tracker URLs to add, each list as one tier behind the others. One that is there stays.
    pub add: Vec<Vec<String>>,
    /// `host:port` of trackers that speak the native dialect, to add.
    pub add_native: Vec<String>,
    /// Addresses to remove wherever they stand: trackers, web seeds, native trackers.
    pub delete: Vec<String>,
    /// Parts of tracker and web seed URLs, and what to put in their place.
    pub replace: Vec<(String, String)>,
    /// Web seeds to add.
    pub add_web_seeds: Vec<String>,
    /// The comment; empty removes it.
    pub comment: Option<String>,
    /// The source, for private trackers; empty removes it. Changes the info-hash.
    pub source: Option<String>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It was no torrent to begin with, or would be none afterwards.
    #[error(transparent)]
    Torrent(#[from] MetainfoError),
    /// An address to be removed, or a text to be replaced, that is not there.
    #[error("no tracker or web seed is or has {0}")]
    NotThere(String),
}

impl Edits {
    /// Whether they change nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The .torrent with these changes. What follows its one value is kept as well.
    pub fn apply(&self, file: &[u8]) -> Result<Vec<u8>, EditError> {
        let before = Metainfo::parse(file)?;
        let document =
            bencode::parse_prefix(file, bencode::TORRENT).map_err(MetainfoError::from)?;
        let root = document.root();
        let mut keys = Keys::of(&root);
        self.edit_trackers(&root, &before, &mut keys)?;
        if let Some(comment) = &self.comment {
            keys.remove(b"comment.utf-8");
            keys.set_text(b"comment", comment);
        }
        if let (Some(source), Some(info)) = (&self.source, root.get(b"info")) {
            let mut info = Keys::of(&info);
            info.remove(b"source.utf-8");
            info.set_text(b"source", source);
            keys.set(b"info", info.write());
        }
        let after = [&keys.write()[..], document.rest()].concat();
        Metainfo::parse(&after)?;
        Ok(after)
    }

    fn edit_trackers(
        &self,
        root: &Value<'_>,
        before: &Metainfo,
        keys: &mut Keys,
    ) -> Result<(), EditError> {
        let announce: Vec<String> =
            root.get(b"announce").and_then(|v| torrent::url(&v)).into_iter().collect();
        let mut lists = Lists {
            tiers: before.trackers.clone(),
            announce,
            web_seeds: before.web_seeds.clone(),
            native: before.native_trackers.clone(),
        };
        let old = lists.clone();
        for address in &self.delete {
            lists.delete(address)?;
        }
        for (from, to) in &self.replace {
            lists.replace(from, to)?;
        }
        for tier in &self.add {
            lists.add_tier(tier);
        }
        push_new(&mut lists.native, &self.add_native);
        push_new(&mut lists.web_seeds, &self.add_web_seeds);
        lists.write_changes(&old, root.get(b"announce-list").is_some(), keys);
        Ok(())
    }
}

/// Everything in a .torrent that is an address.
#[derive(Clone, PartialEq, Eq)]
struct Lists {
    tiers: Vec<Vec<String>>,
    /// The one tracker that old clients see, or none.
    announce: Vec<String>,
    web_seeds: Vec<String>,
    native: Vec<String>,
}

impl Lists {
    fn all(&mut self) -> impl Iterator<Item = &mut Vec<String>> {
        self.tiers.iter_mut().chain([&mut self.announce, &mut self.web_seeds, &mut self.native])
    }

    fn delete(&mut self, address: &str) -> Result<(), EditError> {
        let mut gone = false;
        for list in self.all() {
            let before = list.len();
            list.retain(|known| known != address);
            gone |= list.len() < before;
        }
        self.tiers.retain(|tier| !tier.is_empty());
        if gone { Ok(()) } else { Err(EditError::NotThere(address.to_owned())) }
    }

    fn replace(&mut self, from: &str, to: &str) -> Result<(), EditError> {
        let urls = self.tiers.iter_mut().chain([&mut self.announce, &mut self.web_seeds]).flatten();
        let mut found = false;
        for url in urls.filter(|url| url.contains(from)) {
            *url = url.replace(from, to);
            found = true;
        }
        if found { Ok(()) } else { Err(EditError::NotThere(from.to_owned())) }
    }

    fn add_tier(&mut self, tier: &[String]) {
        let known = |url: &&String| !self.tiers.iter().flatten().any(|known| known == *url);
        let new: Vec<String> = tier.iter().filter(known).cloned().collect();
        if !new.is_empty() {
            self.tiers.push(new);
        }
    }

    fn write_changes(mut self, old: &Self, had_list: bool, keys: &mut Keys) {
        let first = self.tiers.iter().flatten().next();
        if self.announce.is_empty() {
            self.announce.extend(first.cloned());
        }
        if self.announce != old.announce {
            keys.set_text(b"announce", self.announce.first().map_or("", String::as_str));
        }
        if self.tiers != old.tiers {
            match self.tiers.iter().flatten().count() {
                0 => keys.remove(b"announce-list"),
                1 if !had_list => {}
                _ => keys.set(b"announce-list", encoded_tiers(&self.tiers)),
            }
        }
        if self.web_seeds != old.web_seeds {
            keys.set_texts(b"url-list", &self.web_seeds);
        }
        if self.native != old.native {
            keys.set_texts(b"native trackers", &self.native);
        }
    }
}

fn push_new(list: &mut Vec<String>, new: &[String]) {
    for text in new {
        if !list.contains(text) {
            list.push(text.clone());
        }
    }
}

fn encoded_tiers(tiers: &[Vec<String>]) -> Vec<u8> {
    let mut out = Encoder::new();
    out.list();
    for tier in tiers {
        write_texts(&mut out, tier);
    }
    out.end();
    out.finish()
}

fn write_texts(out: &mut Encoder, texts: &[String]) {
    out.list();
    for text in texts {
        out.text(text);
    }
    out.end();
}

/// The keys of a dictionary with their values as bencode, in the order in which they came.
struct Keys(Vec<(Vec<u8>, Vec<u8>)>);

impl Keys {
    fn of(dict: &Value<'_>) -> Self {
        let entries = dict.entries().into_iter().flatten();
        Self(entries.map(|(key, value)| (key.to_vec(), value.raw().to_vec())).collect())
    }

    fn remove(&mut self, key: &[u8]) {
        self.0.retain(|(known, _)| known != key);
    }

    /// In the place of the old value, or where the key belongs among keys that rise.
    fn set(&mut self, key: &[u8], value: Vec<u8>) {
        if let Some((_, old)) = self.0.iter_mut().find(|(known, _)| known == key) {
            *old = value;
            return;
        }
        let at = self.0.iter().position(|(known, _)| known.as_slice() > key);
        self.0.insert(at.unwrap_or(self.0.len()), (key.to_vec(), value));
    }

    /// Empty text is no text.
    fn set_text(&mut self, key: &[u8], text: &str) {
        if text.is_empty() {
            return self.remove(key);
        }
        let mut out = Encoder::new();
        out.text(text);
        self.set(key, out.finish());
    }

    fn set_texts(&mut self, key: &[u8], texts: &[String]) {
        if texts.is_empty() {
            return self.remove(key);
        }
        let mut out = Encoder::new();
        write_texts(&mut out, texts);
        self.set(key, out.finish());
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.dict();
        for (key, value) in &self.0 {
            out.bytes(key).raw(value);
        }
        out.end();
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str =
        "d6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";

    /// A .torrent with these keys before and behind `info`.
    fn file(before: &str, behind: &str) -> String {
        format!("d{before}4:info{INFO}{behind}e")
    }

    fn check(edits: &Edits, from: &str, to: &str) {
        let edited = edits.apply(from.as_bytes()).expect(from);
        assert_eq!(String::from_utf8_lossy(&edited), to);
    }

    fn refused(edits: &Edits, from: &str) -> EditError {
        edits.apply(from.as_bytes()).expect_err(from)
    }

    fn tiers(tiers: &[&[&str]]) -> Vec<Vec<String>> {
        tiers.iter().map(|tier| tier.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn a_tracker_is_added_behind_the_others_and_the_first_is_announce() {
        let add = |list: &[&[&str]]| Edits { add: tiers(list), ..Edits::default() };
        check(&add(&[&["u"]]), &file("", ""), &file("8:announce1:u", ""));
        check(
            &add(&[&["v", "w"], &["u"]]),
            &file("8:announce1:u", "3:zzzi1e"),
            &file("8:announce1:u13:announce-listll1:uel1:v1:wee", "3:zzzi1e"),
        );
        check(&add(&[&["u"]]), &file("8:announce1:u", ""), &file("8:announce1:u", ""));
    }

    #[test]
    fn a_deleted_address_is_gone_wherever_it_stood() {
        let delete = |urls: &[&str]| Edits {
            delete: urls.iter().map(ToString::to_string).collect(),
            ..Edits::default()
        };
        let both = file("8:announce1:u13:announce-listll1:uel1:vee", "8:url-list1:u");
        check(&delete(&["u"]), &both, &file("8:announce1:v13:announce-listll1:vee", ""));
        check(&delete(&["u", "v"]), &both, &file("", ""));
        assert_eq!(refused(&delete(&["u", "x"]), &both), EditError::NotThere("x".into()));
    }

    #[test]
    fn a_part_of_a_url_is_replaced_in_place() {
        let replace = |from: &str, to: &str| Edits {
            replace: vec![(from.into(), to.into())],
            ..Edits::default()
        };
        let old = file("8:announce3:a/p13:announce-listll3:a/p3:b/pel3:c/qee", "8:url-list4:w/p1");
        let new =
            file("8:announce3:a/r13:announce-listll3:a/r3:b/rel3:c/qee", "8:url-listl4:w/r1e");
        check(&replace("/p", "/r"), &old, &new);
        assert_eq!(refused(&replace("/x", "/r"), &old), EditError::NotThere("/x".into()));
    }

    #[test]
    fn what_is_not_edited_stays_byte_for_byte() {
        let old = file("1:ai-7e7:comment1:c", "5:zebrad1:b0:1:ali1eeei") + "trailing\n";
        let old = old.replace("eei", "ee");
        let comment = |text: &str| Edits { comment: Some(text.into()), ..Edits::default() };
        check(&comment("new"), &old, &old.replace("7:comment1:c", "7:comment3:new"));
        check(&comment(""), &old, &old.replace("7:comment1:c", ""));
        check(&Edits::default(), &old, &old);
        let utf8 = file("7:comment1:c13:comment.utf-81:d", "");
        check(&comment("e"), &utf8, &file("7:comment1:e", ""));
    }

    #[test]
    fn only_a_source_changes_info_and_so_the_hash() {
        let source = |text: &str| Edits { source: Some(text.into()), ..Edits::default() };
        let old = file("", "");
        let new = source("S").apply(old.as_bytes()).unwrap();
        let expected = old.replace("aee", "a6:source1:See");
        assert_eq!(String::from_utf8_lossy(&new), expected);
        let hash = |bytes: &[u8]| Metainfo::parse(bytes).unwrap().info_hash();
        assert_ne!(hash(&new), hash(old.as_bytes()));
        check(&source(""), &expected, &old);
    }

    #[test]
    fn native_trackers_and_web_seeds_are_added_once() {
        let edits = Edits {
            add_native: vec!["h:1".into()],
            add_web_seeds: vec!["http://w/".into(), "http://w/".into()],
            ..Edits::default()
        };
        let new = file("", "15:native trackersl3:h:1e8:url-listl9:http://w/e");
        check(&edits, &file("", ""), &new);
        check(&edits, &new, &new);
    }

    #[test]
    fn what_is_no_torrent_is_refused() {
        let edits = Edits { comment: Some("c".into()), ..Edits::default() };
        for bad in ["", "de", "d4:infodee", "d1:ai1e1:ai1e4:infodee", "le"] {
            assert!(matches!(refused(&edits, bad), EditError::Torrent(_)), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_an_edit_panic(at in 0_usize..120, byte in 0_u8..=255, cut in 0_usize..120) {
            let mut bytes = file("8:announce1:u13:announce-listll1:uee", "8:url-list1:w").into_bytes();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut);
            let edits = Edits {
                add: tiers(&[&["v"]]),
                delete: vec!["u".into()],
                comment: Some("c".into()),
                source: Some("s".into()),
                ..Edits::default()
            };
            let _ = edits.apply(&bytes);
        }
    }
}
