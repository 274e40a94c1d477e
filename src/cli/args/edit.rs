//! The flags of `peer edit`.

use super::super::exit::CliError;
use super::create::tier;
use super::web_url;
use crate::metainfo::build::announce_tier;
use crate::metainfo::edit::Edits;
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;
use std::str::FromStr;

/// Change the trackers and other facts of .torrent files, and nothing else in them.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "peer edit *.torrent --replace old.org=new.org")]
pub struct EditArgs {
    /// the .torrent files, each replaced; - reads stdin and writes stdout
    #[argh(positional)]
    pub file: Vec<PathBuf>,

    /// a tracker to add, as for peer create: a tier of its own; repeatable
    #[argh(option, short = 'a', arg_name = "url", from_str_fn(tier))]
    pub add: Vec<Vec<String>>,

    /// a tracker or web seed to remove; repeatable
    #[argh(option, short = 'd', arg_name = "url")]
    pub delete: Vec<String>,

    /// a part of tracker and web seed URLs, and what to put in its place; repeatable
    #[argh(option, short = 'r', arg_name = "old=new")]
    pub replace: Vec<Replace>,

    /// a web seed to add; repeatable
    #[argh(option, short = 'w', arg_name = "url", from_str_fn(web_url))]
    pub webseed: Vec<String>,

    /// the comment; empty removes it
    #[argh(option, short = 'c', arg_name = "text")]
    pub comment: Option<String>,

    /// the source; empty removes it. Changes the info-hash: it is another torrent then
    #[argh(option, short = 's', arg_name = "text")]
    pub source: Option<String>,

    /// one JSON object per file: what it says now
    #[argh(switch)]
    pub json: bool,

    /// say nothing of what was done
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}

/// `OLD=NEW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// What is there.
    pub old: String,
    /// What is to be there.
    pub new: String,
}

impl FromStr for Replace {
    type Err = String;

    /// Where both sides have equals signs of their own, the middle one parts them.
    fn from_str(text: &str) -> Result<Self, String> {
        let signs: Vec<usize> = text.match_indices('=').map(|(at, _)| at).collect();
        let middle = signs.get(signs.len() / 2).filter(|_| signs.len() % 2 == 1);
        let (old, new) = middle.map(|&at| (&text[..at], &text[at + 1..])).unwrap_or_default();
        if old.is_empty() {
            return Err("expected OLD=NEW, with as many = in OLD as in NEW".into());
        }
        Ok(Self { old: old.to_owned(), new: new.to_owned() })
    }
}

impl EditArgs {
    /// What is to be changed.
    pub fn edits(&self) -> Result<Edits, CliError> {
        let is_url = |word: &str| word.contains("://");
        let expanded = |word: &String| {
            if is_url(word) { vec![word.clone()] } else { announce_tier(word) }
        };
        let native = self.add.iter().flatten().filter(|word| !is_url(word));
        let edits = Edits {
            add: self.add.iter().map(|tier| tier.iter().flat_map(expanded).collect()).collect(),
            add_native: native.cloned().collect(),
            delete: self.delete.clone(),
            replace: self.replace.iter().map(|r| (r.old.clone(), r.new.clone())).collect(),
            add_web_seeds: self.webseed.clone(),
            comment: self.comment.clone(),
            source: self.source.clone(),
        };
        if edits.is_empty() {
            return Err(CliError::usage(
                "nothing to change: give --add, --delete, --replace, --webseed, --comment or \
                 --source",
            ));
        }
        Ok(edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_sign_parts_the_old_from_the_new() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let parted = text.parse::<Replace>().ok().map(|r| (r.old, r.new));
            let expected = expected.map(|(old, new)| (old.to_owned(), new.to_owned()));
            assert_eq!(parted, expected, "{text}");
        };
        check("a=b", Some(("a", "b")));
        check("a=", Some(("a", "")));
        check("key=1=key=2", Some(("key=1", "key=2")));
        for wrong in ["", "a", "=b", "a=b=c"] {
            check(wrong, None);
        }
    }
}
