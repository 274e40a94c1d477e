//! ARCHITECTURE.md as a test: who may import whom, and what each layer never touches.
//!
//! The sources are read as text. Comments and the insides of strings are blanked first, so that
//! prose may mention what code may not do. Tests inside a file (from its first `#[cfg(test)]` on)
//! are held to the layering too; only the rules that say so exempt them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For every module of the library: the modules it may import. A module may always import itself.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    // Foundations: no I/O.
    ("ids", &[]),
    ("geometry", &["ids"]),
    ("bitfield", &["ids"]),
    ("clock", &[]),
    ("nearest", &[]),
    // Formats.
    ("metainfo", FOUNDATIONS),
    ("protocol", FOUNDATIONS),
    // Decisions: never storage.
    ("logic", &["ids", "geometry", "bitfield", "clock", "metainfo", "protocol"]),
    // What happened and why, as text: of nodes and of simulated worlds.
    ("trace", &["ids", "geometry", "bitfield", "clock", "metainfo", "protocol", "logic"]),
    // The world.
    ("storage", &["ids", "geometry", "bitfield", "clock", "metainfo", "protocol", "threadpool"]),
    ("threadpool", &[]),
    ("readiness", &[]),
    ("config", BELOW_CONFIG),
    // Somebody's program as a strategy.
    ("exec_choker", &["ids", "clock", "logic"]),
    // The programs' bodies: node and tracker never meet.
    ("node", BELOW_PROGRAMS),
    ("tracker", BELOW_PROGRAMS),
    (
        "control",
        &["node", "tracker", "config", "ids", "bitfield", "metainfo", "protocol", "logic", "clock"],
    ),
    // The lab drives the logic that ships; it starts the programs as processes.
    ("lab", BELOW_LAB),
    ("cli", EVERYTHING),
];

const FOUNDATIONS: &[&str] = &["ids", "geometry", "bitfield", "clock", "metainfo", "protocol"];

const BELOW_CONFIG: &[&str] =
    &["ids", "geometry", "bitfield", "clock", "metainfo", "protocol", "logic", "storage"];

const BELOW_LAB: &[&str] = &[
    "ids", "geometry", "bitfield", "clock", "nearest", "metainfo", "protocol", "logic", "trace",
    "config",
];

const BELOW_PROGRAMS: &[&str] = &[
    "ids",
    "geometry",
    "bitfield",
    "clock",
    "metainfo",
    "protocol",
    "logic",
    "trace",
    "storage",
    "threadpool",
    "readiness",
    "config",
    "exec_choker",
];

const EVERYTHING: &[&str] = &[
    "ids",
    "geometry",
    "bitfield",
    "clock",
    "nearest",
    "metainfo",
    "protocol",
    "logic",
    "trace",
    "storage",
    "threadpool",
    "readiness",
    "config",
    "exec_choker",
    "node",
    "tracker",
    "control",
    "lab",
];

/// Text that a layer never contains, and why.
const BANNED: [(&[&str], &[&str], &str); 5] = [
    (
        &[
            "ids", "geometry", "bitfield", "clock", "nearest", "metainfo", "protocol", "logic",
            "trace",
        ],
        &[
            "std::fs",
            "std::thread",
            "std::process",
            "std::env",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ToSocketAddrs",
            "socket2",
            "polling::",
            "memmap2",
            "println!",
        ],
        "foundations, formats and decisions do no I/O",
    ),
    (
        &["logic"],
        &[
            "Mutex",
            "RwLock",
            "Condvar",
            "Atomic",
            "crossbeam",
            "Instant",
            "SystemTime",
            "std::io",
            "Clock",
            "log::",
            "trace!(",
            "debug!(",
            "info!(",
            "warn!(",
            "error!(",
            "fastrand::u",
            "fastrand::bool",
            "fastrand::shuffle",
            "Rng::new()",
        ],
        "decisions take what they need as arguments: no clock, no lock, no log, no unseeded dice",
    ),
    (
        &["storage", "threadpool", "config"],
        &["TcpStream", "TcpListener", "UdpSocket"],
        "what is on disk never meets a socket",
    ),
    (
        &["node", "tracker", "control", "storage", "threadpool"],
        &["println!", "print!(", "eprintln!", "eprint!(", "process::exit"],
        "only the command line talks to people and ends the process",
    ),
    (
        &["tracker"],
        &["thread::Builder", "Mutex", "RwLock"],
        "the tracker is one thread without locks",
    ),
];

/// Files that may contain `unsafe`, and what for. SECURITY.md names them too.
const MAY_BE_UNSAFE: [&str; 6] = [
    "src/readiness.rs", // a socket that is watched outlives its registration
    "src/storage/hash/sha1_ni.rs", // instructions of some processors
    "src/storage/hash/sha1_x86.rs",
    "src/storage/hash/sha256_x86.rs",
    "src/storage/mapped.rs", // memory that is a file
    "src/storage/sys.rs",    // a fault in such memory
];

fn may_be_unsafe(path: &str) -> bool {
    MAY_BE_UNSAFE.contains(&path)
}

/// Modules that may read the monotonic clock besides `clock`: they wait with deadlines.
const MAY_READ_INSTANT: [&str; 5] = ["clock", "node", "tracker", "control", "cli"];

/// Modules that may ask for the date: a new torrent says when it was made.
const MAY_READ_DATE: [&str; 3] = ["clock", "cli", "control"];

struct Source {
    /// From the crate's root, with slashes.
    path: String,
    /// As it is.
    text: String,
    /// Comments and strings blanked; lines and columns as in `text`.
    code: String,
    /// Whether its parent declares it under `#[cfg(test)]`.
    is_test: bool,
}

impl Source {
    /// The module of the library that the file belongs to; none for `lib.rs` and the programs.
    fn module(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        let name = rest.split(['/', '.']).next()?;
        (!["lib", "bin"].contains(&name)).then_some(name)
    }

    /// The code before the file's tests.
    fn shipped(&self) -> &str {
        if self.is_test {
            return "";
        }
        self.code.split("#[cfg(test)]").next().unwrap_or_default()
    }

    fn line_of(&self, position: usize) -> usize {
        self.code[..position].matches('\n').count() + 1
    }
}

/// All `.rs` files below some folders of the crate.
fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is UTF-8");
                let path = path.strip_prefix(root).expect("below the root");
                let path = path.to_str().expect("our own names").replace('\\', "/");
                files.push(Source { path, code: blanked(&text), text, is_test: false });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!files.is_empty(), "no sources found");
    let tests: Vec<String> = files.iter().flat_map(test_files).collect();
    for file in &mut files {
        file.is_test = tests.contains(&file.path);
    }
    files
}

/// The files that a file declares for its tests alone: `#[cfg(test)] mod suite;`.
fn test_files(source: &Source) -> Vec<String> {
    let folder = source.path.trim_end_matches(".rs").trim_end_matches("/lib");
    let declared = source.code.split("#[cfg(test)]").skip(1).filter_map(|rest| {
        let (name, _) = rest.trim_start().strip_prefix("mod ")?.split_once(';')?;
        Some(format!("{folder}/{name}.rs"))
    });
    declared.filter(|path| !path.contains([' ', '{'])).collect()
}

/// Rust with comments and the insides of strings replaced by spaces, byte for byte.
fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => end_of_line(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => end_of_block_comment(bytes, at),
            b'r' | b'b' | b'"' if !continues_a_word(bytes, at) => {
                end_of_string(bytes, at).unwrap_or(at)
            }
            b'\'' => end_of_char(bytes, at),
            _ => at,
        };
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("whole characters were replaced")
}

fn continues_a_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn end_of_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |found| at + found)
}

fn end_of_block_comment(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut end = at;
    while end < bytes.len() {
        if bytes[end..].starts_with(b"/*") {
            depth += 1;
            end += 2;
        } else if bytes[end..].starts_with(b"*/") {
            depth -= 1;
            end += 2;
            if depth == 0 {
                return end;
            }
        } else {
            end += 1;
        }
    }
    bytes.len()
}

/// The end of `"..."`, `b"..."`, `r#"..."#` and the like; `None` if none starts here.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut open = at;
    let mut raw = false;
    while matches!(bytes.get(open), Some(b'b' | b'r' | b'c')) {
        raw |= bytes[open] == b'r';
        open += 1;
    }
    let hashes = bytes[open..].iter().take_while(|&&byte| byte == b'#').count();
    if bytes.get(open + hashes) != Some(&b'"') || (hashes > 0 && !raw) {
        return None;
    }
    let mut end = open + hashes + 1;
    let close = [b"\"".as_slice(), "#".repeat(hashes).as_bytes()].concat();
    while end < bytes.len() {
        if !raw && bytes[end] == b'\\' {
            end += 2;
        } else if bytes[end..].starts_with(&close) {
            return Some(end + close.len());
        } else {
            end += 1;
        }
    }
    Some(bytes.len())
}

/// The end of `'x'` or `'\n'`; a lifetime ends where it starts.
fn end_of_char(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at + 1..];
    let closing = match rest.first() {
        Some(b'\\') => rest.iter().skip(2).position(|&byte| byte == b'\'').map(|found| found + 2),
        // One character, of up to four bytes.
        Some(_) => rest.iter().take(5).skip(1).position(|&byte| byte == b'\'').map(|f| f + 1),
        None => None,
    };
    match closing {
        Some(closing) if rest[0] == b'\\' || is_one_char(&rest[..closing]) => at + closing + 2,
        _ => at,
    }
}

fn is_one_char(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

/// The top-level modules of the crate that a file names: `crate::x`, `crate::{x, y::z}`.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(first_of_each(group).into_iter().map(|name| (at, name)));
        } else {
            found.push((at, word(rest)));
        }
    }
    found
}

/// `ids::{A, B}, clock::C}` -> `ids`, `clock`.
fn first_of_each(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut fresh) = (0, true);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            letter if letter.is_alphabetic() && fresh => {
                names.push(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Where `what` stands in the code as a word of its own on its left.
fn uses<'a>(code: &'a str, what: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(what).map(|(at, _)| at).filter(|&at| {
        !what.starts_with(char::is_alphabetic) || !continues_a_word(code.as_bytes(), at)
    })
}

/// Fails with all violations at once, each as `file:line: what`.
fn check_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

#[test]
fn imports_follow_the_layers() {
    let allowed: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    let mut violations = Vec::new();
    for source in sources(&["src"]) {
        let Some(module) = source.module() else { continue };
        let Some(allowed) = allowed.get(module) else {
            violations.push(format!("{}: the module {module} has no layer", source.path));
            continue;
        };
        for (at, name) in imports(&source.code) {
            let is_module = MAY_IMPORT.iter().any(|(known, _)| *known == name);
            if is_module && name != module && !allowed.contains(&name.as_str()) {
                let line = source.line_of(at);
                violations.push(format!("{}:{line}: {module} imports {name}", source.path));
            }
        }
    }
    check_none("a layer imports only those below it", &violations);
}

#[test]
fn the_table_of_layers_has_no_cycle() {
    for (module, allowed) in MAY_IMPORT {
        for below in allowed {
            let (_, further) = MAY_IMPORT.iter().find(|(name, _)| name == below).expect("a module");
            let formats = ["metainfo", "protocol"];
            let both_formats = formats.contains(&module) && formats.contains(below);
            assert!(both_formats || !further.contains(&module), "{module} and {below}");
        }
        assert!(!allowed.contains(&"cli"), "nothing imports cli");
    }
}

#[test]
fn a_module_is_reached_by_its_name_and_not_by_climbing() {
    let mut violations = Vec::new();
    for source in sources(&["src"]) {
        // `super` of a top-level file is the crate's root; below it, that many more are.
        let depth = source.path.matches('/').count() - 1;
        let Some(_) = source.module() else { continue };
        let too_far = "super::".repeat(depth + 1);
        for at in uses(source.shipped(), &too_far) {
            violations.push(format!("{}:{}: {too_far}", source.path, source.line_of(at)));
        }
    }
    check_none("other modules are named from crate::", &violations);
}

#[test]
fn programs_only_call_the_command_line() {
    let mut violations = Vec::new();
    for source in sources(&["src/bin"]) {
        for (at, _) in source.code.match_indices("swarmlet::") {
            let name = word(&source.code[at + "swarmlet::".len()..]);
            if name != "cli" {
                violations.push(format!("{}: imports {name}", source.path));
            }
        }
        if source.text.lines().count() > 30 {
            violations.push(format!("{}: longer than 30 lines", source.path));
        }
    }
    check_none("a program is a few lines around cli", &violations);
}

#[test]
fn no_layer_touches_what_is_not_its_own() {
    let mut violations = Vec::new();
    for source in sources(&["src"]) {
        let Some(module) = source.module() else { continue };
        for (layer, words, why) in BANNED {
            if !layer.contains(&module) {
                continue;
            }
            for word in words {
                // Reading the sources of time is what clock is for.
                let code = if module == "logic" { &source.code } else { source.shipped() };
                for at in uses(code, word) {
                    let line = source.line_of(at);
                    violations.push(format!("{}:{line}: {word} ({why})", source.path));
                }
            }
        }
    }
    check_none("each layer has its ban list", &violations);
}

#[test]
fn logic_knows_addresses_and_no_other_part_of_the_network() {
    const VALUES: [&str; 6] =
        ["SocketAddr", "SocketAddrV4", "SocketAddrV6", "IpAddr", "Ipv4Addr", "Ipv6Addr"];
    let mut violations = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.module() == Some("logic")) {
        for (at, _) in source.code.match_indices("std::net::") {
            let rest = &source.code[at + "std::net::".len()..];
            let names = match rest.strip_prefix('{') {
                Some(group) => first_of_each(group),
                None => vec![word(rest)],
            };
            for name in names.iter().filter(|name| !VALUES.contains(&name.as_str())) {
                let line = source.line_of(at);
                violations.push(format!("{}:{line}: std::net::{name}", source.path));
            }
        }
    }
    check_none("an address is a value; a socket is not", &violations);
}

#[test]
fn time_is_read_by_the_clock_and_by_those_who_wait() {
    let mut violations = Vec::new();
    for source in sources(&["src"]) {
        let Some(module) = source.module() else { continue };
        let rules = [
            ("Instant::now", MAY_READ_INSTANT.contains(&module)),
            ("SystemTime::now", MAY_READ_DATE.contains(&module)),
        ];
        for (call, _) in rules.iter().filter(|(_, allowed)| !allowed) {
            for at in uses(source.shipped(), call) {
                violations.push(format!("{}:{}: {call}", source.path, source.line_of(at)));
            }
        }
    }
    check_none("the others are given a Moment", &violations);
}

#[test]
fn every_file_says_first_what_it_is() {
    let all = sources(&["src", "tests", "benches"]);
    let silent = all.iter().filter(|source| !source.text.starts_with("//! "));
    let violations: Vec<_> = silent.map(|source| source.path.clone()).collect();
    check_none("a file starts with //!", &violations);
}

#[test]
fn unsafe_stands_where_it_is_declared_and_is_justified() {
    let mut violations = Vec::new();
    let all = sources(&["src"]);
    for source in &all {
        for at in uses(&source.code, "unsafe") {
            let after = &source.code[at + "unsafe".len()..];
            if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                continue; // `unsafe_code`, the lint.
            }
            let line = source.line_of(at);
            if !may_be_unsafe(&source.path) {
                violations.push(format!("{}:{line}: unsafe is not declared here", source.path));
            } else if !is_justified(&source.text, line) {
                violations.push(format!("{}:{line}: no SAFETY comment above", source.path));
            }
        }
        let lifts = ["allow(", "expect(", "warn("].iter().any(|word| {
            source.code.match_indices(word).any(|(at, _)| lifts_unsafe(&source.code[at..]))
        });
        if lifts && !may_be_unsafe(&source.path) {
            violations.push(format!("{}: allows unsafe_code", source.path));
        }
    }
    for path in MAY_BE_UNSAFE {
        let source = all.iter().find(|source| source.path == path);
        let has_any = source.is_some_and(|source| uses(&source.code, "unsafe ").count() > 0);
        if !has_any {
            violations.push(format!("{path}: is listed and has no unsafe code any more"));
        }
    }
    check_none("unsafe code is listed here, each block with its SAFETY:", &violations);
}

/// Whether the list of lints that starts here, as `allow(a, b)`, has `unsafe_code` in it.
fn lifts_unsafe(code: &str) -> bool {
    let lints = code.split(')').next().unwrap_or_default();
    lints.split(['(', ',', ' ', '\n']).any(|lint| lint == "unsafe_code")
}

/// Whether the comment above the statement of line `line` (from 1) holds a safety argument.
fn is_justified(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line).map(str::trim).collect();
    let is_comment = |line: &str| line.starts_with("//");
    let says_why = |line: &str| line.contains("SAFETY:") || line.contains("# Safety");
    if lines.last().is_some_and(|line| says_why(line)) {
        return true;
    }
    // The statement, its attributes and its first lines; then the comment.
    let above = lines.iter().rev().skip(1);
    let code =
        above.clone().take_while(|line| !is_comment(line) && !ends_a_statement(line)).count();
    above.skip(code).take_while(|line| is_comment(line)).any(|line| says_why(line))
}

fn ends_a_statement(line: &str) -> bool {
    line.is_empty() || line.ends_with(';') || line.ends_with('}')
}

#[test]
fn nothing_is_left_for_later_and_no_thread_is_nameless_or_asleep() {
    const EVERYWHERE: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];
    const SHIPPED: [&str; 4] = ["thread::spawn(", "thread::sleep", "sleep_ms", "dbg!"];
    let mut violations = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        let in_src = source.path.starts_with("src/");
        let banned = EVERYWHERE.iter().chain(SHIPPED.iter().filter(|_| in_src));
        for what in banned {
            for at in uses(&source.code, what) {
                violations.push(format!("{}:{}: {what}", source.path, source.line_of(at)));
            }
        }
    }
    check_none("named threads that wait on something, and nothing unfinished", &violations);
}

#[test]
fn imports_are_named_one_by_one() {
    let mut violations = Vec::new();
    for source in sources(&["src"]) {
        for (at, _) in source.code.match_indices("::*") {
            let before = &source.code[..at];
            let in_tests = at >= source.shipped().len();
            let allowed = in_tests && (before.ends_with("super") || before.ends_with("prelude"));
            let is_use = before.lines().next_back().is_some_and(|line| line.contains("use "));
            let is_kernel = may_be_unsafe(&source.path);
            if is_use && !allowed && !is_kernel {
                violations.push(format!("{}:{}: a glob", source.path, source.line_of(at)));
            }
        }
    }
    check_none("the use lines are the dependency diagram", &violations);
}

#[test]
fn no_async_runtime_is_in_the_tree() {
    const RUNTIMES: [&str; 8] = [
        "tokio",
        "async-std",
        "smol",
        "async-io",
        "async-executor",
        "futures-executor",
        "mio",
        "hyper",
    ];
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).expect("Cargo.lock is kept");
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let found: Vec<_> = names.filter(|name| RUNTIMES.contains(name)).map(String::from).collect();
    check_none("threads and blocking sockets only", &found);
}

#[test]
fn the_reader_of_sources_sees_code_and_nothing_else() {
    let check = |text: &str, expected: &str| assert_eq!(blanked(text), expected, "{text}");
    check("a // b\nc", "a     \nc");
    check("a /* b /* c */ d */ e", "a                   e");
    check(r#"f("x // y", 'z')"#, r"f(        ,    )");
    check(r##"r#"a "b" c"# d"##, "             d");
    check(r#"b"\"" x"#, "      x");
    check(r"'\'' 'a 'é' x<'a>", "     'a      x<'a>");
    assert_eq!(first_of_each("ids::{A, B}, clock::C};"), ["ids", "clock"]);
    let found: Vec<_> = imports("use crate::{ids, clock::X}; crate::node::f()")
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert_eq!(found, ["ids", "clock", "node"]);
    assert!(
        lifts_unsafe("allow(dead_code, unsafe_code)]") && lifts_unsafe("expect(unsafe_code, r)")
    );
    assert!(!lifts_unsafe("allow(dead_code)] unsafe_code"));
    assert!(is_justified("// SAFETY: x\n// y\nlet a =\n    unsafe { b }", 4));
    assert!(!is_justified("// SAFETY: x\nlet a = unsafe { b };\nunsafe { c }", 3));
}
