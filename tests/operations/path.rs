//! Any bytes as the names in a list of paths.
//!
//! Every name is one that a file system takes and a terminal shows, no two entries get one path,
//! no file stands where a folder is, and nothing leaves the folder it is put into.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use swarmlet::metainfo::path::{Namer, component, component_or_substitute};

/// Bytes that end a path, and a name in it.
const END: u8 = 0xfe;
const SEPARATOR: u8 = 0xfd;

/// How often a name may be taken already before a torrent is refused.
const MOST_RENAMED: usize = 50;

/// Takes the bytes apart at two bytes that UTF-8 does not have.
pub fn run(bytes: &[u8]) {
    let paths = bytes
        .split(|&byte| byte == END)
        .map(|path| path.split(|&byte| byte == SEPARATOR).map(<[u8]>::to_vec).collect::<Vec<_>>());
    check(&paths.collect::<Vec<_>>());
}

/// The same of paths as a stranger's torrent has them.
pub fn check(paths: &[Vec<Vec<u8>>]) {
    let safe = |path: &Vec<Vec<u8>>| -> Vec<String> {
        path.iter().map(|name| checked_name(name)).collect()
    };
    let paths: Vec<Vec<String>> = paths.iter().map(safe).filter(|path| !path.is_empty()).collect();
    let (mut namer, mut files, mut folders) = (Namer::default(), HashSet::new(), HashSet::new());
    for path in &paths {
        let Ok(renamed) = namer.claim(path) else {
            let all: usize = paths.iter().map(Vec::len).sum();
            return assert!(all > MOST_RENAMED, "{all} names cannot clash more often");
        };
        let path = renamed.unwrap_or_else(|| path.clone());
        assert!(path.iter().all(|name| is_safe(name)), "{path:?}");
        let under: PathBuf = Path::new("/root").join(path.iter().collect::<PathBuf>());
        let parts: Vec<Component<'_>> = under.components().collect();
        assert!(parts[2..].iter().all(|part| matches!(part, Component::Normal(_))));
        assert_eq!(parts.len(), 2 + path.len(), "{} leaves its folder", under.display());
        folders.extend((1..path.len()).map(|n| path[..n].to_vec()));
        assert!(files.insert(path.clone()), "two entries at {path:?}");
    }
    assert!(files.is_disjoint(&folders), "a file where a folder is");
}

fn checked_name(raw: &[u8]) -> String {
    let name = component_or_substitute(raw);
    assert!(is_safe(&name), "{raw:?} became {name:?}");
    assert_eq!(component(name.as_bytes()).as_deref(), Some(&name[..]), "what is safe stays");
    name
}

fn is_safe(name: &str) -> bool {
    !matches!(name, "" | "." | "..")
        && name.len() <= 255
        && !name.contains(['/', '\\', '\0', '\u{202e}', '\u{2066}'])
        && !name.chars().any(char::is_control)
}

/// Good bytes, and some that are not.
pub fn seeds() -> Vec<Vec<u8>> {
    let list = |paths: &[&str]| {
        let paths = paths.iter().map(|path| path.as_bytes().to_vec()).collect::<Vec<_>>();
        let mut bytes = paths.join(&END);
        bytes.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = SEPARATOR);
        bytes
    };
    vec![
        list(&["a/b", "a/b", "a", "a/b/c", "../..", "./x"]),
        list(&["\u{202e}gpj.exe", "CON", "a\\b", "é.1", "é", "é"]),
        list(&["x.1", "x", "x", "x.1", "x.2/y", "x"]),
        "n".repeat(600).into_bytes(),
    ]
}
