//! Something to serve or to fetch: [`Item`], as it was named.

use super::what::What;
use crate::ids::InfoHash;
use crate::metainfo::Metainfo;
use crate::metainfo::magnet::Magnet;
use crate::protocol::url::shown;
use std::path::PathBuf;
use std::sync::Arc;

/// Something to serve or to fetch.
#[derive(Debug, Clone)]
pub enum Item {
    /// A path to serve.
    Seed(PathBuf),
    /// Something to fetch.
    Leech(What),
    /// A torrent to fetch, whose metainfo is here.
    Torrent(Arc<Metainfo>),
}

impl Item {
    /// Whether it is to be fetched, not only served.
    pub fn is_download(&self) -> bool {
        !matches!(self, Self::Seed(_))
    }

    /// Its hash, as far as the item itself says: by the v2 one where it has it.
    pub fn info_hash(&self) -> Option<InfoHash> {
        match self {
            Self::Torrent(meta) => Some(meta.info_hash()),
            Self::Leech(What::HashV2(hash)) => Some((*hash).into()),
            Self::Leech(What::HashV1(hash)) => Some((*hash).into()),
            Self::Leech(What::Magnet(link)) => {
                let magnet = link.parse::<Magnet>().ok()?;
                let v1 = magnet.info_hash_v1.map(InfoHash::from);
                magnet.info_hash_v2.map(InfoHash::from).or(v1)
            }
            Self::Seed(_) | Self::Leech(_) => None,
        }
    }

    /// What to call it until its name is known.
    pub fn label(&self) -> String {
        match self {
            Self::Seed(path) => {
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
            Self::Leech(What::Name { name, .. }) => name.clone(),
            Self::Leech(What::Torrent(path)) => path.display().to_string(),
            Self::Leech(What::Magnet(link)) => {
                let name = link.parse::<Magnet>().ok().and_then(|magnet| magnet.name);
                let printable = |name: String| name.chars().filter(|c| !c.is_control()).collect();
                name.map_or_else(|| self.nameless(), printable)
            }
            // The rest of it may hold a passkey, and labels are logged.
            Self::Leech(What::Url(text)) => shown(text),
            Self::Leech(What::HashV2(hash)) => hash.to_string(),
            Self::Leech(What::HashV1(hash)) => hash.to_string(),
            Self::Torrent(meta) => meta.name.clone(),
        }
    }

    /// What a magnet link without a name is called: the link itself may hold a tracker's passkey.
    fn nameless(&self) -> String {
        let hash = self.info_hash();
        hash.map_or_else(|| "a magnet link".to_owned(), |hash| hash.to_string())
    }

    /// The word that names it on the command line again; none for one whose metainfo is here.
    pub fn word(&self) -> Option<String> {
        match self {
            Self::Seed(path) => Some(path.display().to_string()),
            Self::Leech(What::Name { name, hash_prefix }) if !hash_prefix.is_empty() => {
                Some(format!("{name}@{hash_prefix}"))
            }
            Self::Leech(What::Magnet(word) | What::Url(word)) => Some(word.clone()),
            Self::Leech(_) => Some(self.label()),
            Self::Torrent(_) => None,
        }
    }

    /// The item as it stands on the command line.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Seed(path) => format!("--seed {}", path.display()),
            Self::Leech(What::Name { name, hash_prefix }) if !hash_prefix.is_empty() => {
                format!("--leech {name}@{hash_prefix}")
            }
            Self::Leech(_) => format!("--leech {}", self.label()),
            Self::Torrent(_) => self.label(),
        }
    }
}
