//! The pages as tests: what they say of files, threads and exit codes is what is there.
//!
//! ARCHITECTURE.md has the map of `src/` and the table of threads, README.md the exit codes; a
//! path that a page names exists. PROTOCOL.md has a test of its own, `tests/documents/protocol_doc.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use swarmlet::cli::exit::Exit;

/// The pages that name files of the tree.
const PAGES: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "PROTOCOL.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/cli.md",
    "docs/reliability.md",
];

/// What a path begins with that is kept in the tree.
const FOLDERS: [&str; 8] =
    ["src/", "tests/", "benches/", "scripts/", "docs/", "packaging/", "fuzz/", "experiments/"];

/// Threads that no `Builder` names: the system starts it.
const STARTED_BY_THE_SYSTEM: [&str; 1] = ["main"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

/// All Rust files below `src/`, from the root, with slashes.
fn source_paths() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a folder of sources") {
            let entry = entry.expect("it can be listed");
            let path = folder.join(entry.file_name());
            if entry.file_type().expect("it has a type").is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let names = path.iter().map(|name| name.to_string_lossy());
                found.insert(names.collect::<Vec<_>>().join("/"));
            }
        }
    }
    found
}

/// A file's code before its tests, without the lines that are comments.
fn shipped_code(path: &str) -> String {
    let text = read(path);
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// What stands between backticks on a page, fenced blocks excepted.
fn quoted(page: &str) -> Vec<String> {
    let mut fenced = false;
    let prose = page.lines().filter(|line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let parts = prose.flat_map(|line| line.split('`').skip(1).step_by(2));
    parts.map(str::to_owned).collect()
}

/// The part of a page below a heading, up to the next one of its level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    let rest = &page[start + 1 + heading.len()..];
    let level = heading.split(' ').next().expect("a heading has a level");
    rest.find(&format!("\n{level} ")).map_or(rest, |end| &rest[..end])
}

/// The first cell of each row of the tables in a text, headings excepted.
fn first_cells(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    let cells = rows.filter_map(|row| row.split('|').nth(1)).map(|cell| cell.trim().to_owned());
    cells.collect()
}

/// `peer-{from}` and `peer-<addr>` both become `peer-*`.
fn pattern(name: &str) -> String {
    let mut pattern = String::new();
    let mut depth = 0;
    for letter in name.chars() {
        match letter {
            '{' | '<' => {
                depth += 1;
                pattern.push('*');
            }
            '}' | '>' => depth -= 1,
            letter if depth == 0 => pattern.push(letter),
            _ => {}
        }
    }
    pattern
}

/// The first string literal in some code, if it stands before the statement's end.
fn literal(code: &str) -> Option<&str> {
    let (before, rest) = code.split_once('"')?;
    (!before.contains(';')).then(|| rest.split('"').next())?
}

/// The names of the threads that a file starts, as patterns.
///
/// A thread is named where it is built, or by whoever calls one of the three functions that
/// build threads for others; there the name is an argument.
fn threads_of(path: &str) -> Vec<String> {
    const FOR_OTHERS: [(&str, &str); 3] =
        [(".spawn(\"", ""), ("ThreadPool::new(\"", "-*"), ("run_on(", "-*")];
    let code = shipped_code(path);
    let mut names = Vec::new();
    for (at, call) in code.match_indices(".name(") {
        if !code[..at].trim_end().ends_with("Builder::new()") {
            continue;
        }
        let argument = &code[at + call.len()..];
        let is_passed_on =
            argument.starts_with("name.") || argument.starts_with("format!(\"{name}");
        if !is_passed_on {
            let name = literal(argument).unwrap_or_else(|| panic!("{path}: a nameless thread"));
            names.push(pattern(name));
        }
    }
    for (call, suffix) in FOR_OTHERS {
        for (at, _) in code.match_indices(call) {
            if code[..at].ends_with("fn ") {
                continue;
            }
            let name = literal(&code[at..]).unwrap_or_else(|| panic!("{path}: {call} of what?"));
            names.push(format!("{}{suffix}", pattern(name)));
        }
    }
    names
}

#[test]
fn the_map_names_every_source_file_once_and_no_other() {
    let page = read("ARCHITECTURE.md");
    let map = section(&page, "## The map");
    let entries = map.lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next());
    let entries: Vec<String> = entries.map(str::to_owned).collect();
    let named: BTreeSet<String> = entries.iter().cloned().collect();
    let there = source_paths();
    let missing: Vec<_> = there.difference(&named).collect();
    let stale: Vec<_> = named.difference(&there).collect();
    assert!(missing.is_empty() && stale.is_empty(), "missing: {missing:#?}\nstale: {stale:#?}");
    assert_eq!(entries.len(), named.len(), "a file is named twice");
}

#[test]
fn every_line_of_the_map_says_what_its_file_is() {
    let page = read("ARCHITECTURE.md");
    let map = section(&page, "## The map");
    for line in map.lines().filter(|line| line.starts_with("- ")) {
        let (_, what) = line.split_once("`: ").unwrap_or_else(|| panic!("{line}"));
        assert!(what.len() > 10 && what.ends_with('.'), "{line}");
    }
}

#[test]
fn the_table_of_threads_is_the_threads_that_are_started() {
    let page = read("ARCHITECTURE.md");
    let table = section(&page, "## Threads");
    let rows = first_cells(table).into_iter().filter(|cell| cell.starts_with('`'));
    let documented: BTreeSet<String> = rows.map(|cell| pattern(cell.trim_matches('`'))).collect();
    // Tests play servers; what they start is no thread of ours.
    let shipped = source_paths().into_iter().filter(|path| !path.ends_with("/tests.rs"));
    let mut started: BTreeSet<String> = shipped.flat_map(|path| threads_of(&path)).collect();
    started.extend(STARTED_BY_THE_SYSTEM.map(str::to_owned));
    assert_eq!(documented, started);
}

#[test]
fn functions_and_fields_that_the_page_names_are_there() {
    let code: String = source_paths().iter().map(|path| shipped_code(path)).collect();
    let page = read("ARCHITECTURE.md");
    for name in quoted(&page).iter().filter(|name| name.contains("::")) {
        let (owner, last) = name.rsplit_once("::").expect("it contains one");
        let is = |before: &str, after: &str| code.contains(&format!("{before}{last}{after}"));
        let is_there = is("fn ", "(") || is("fn ", "<") || is(" ", ": ") || is("    ", "(");
        assert!(is_there, "{name}: nothing is called {last}");
        let is_type = owner.starts_with(char::is_uppercase);
        let forms = if is_type {
            [format!("struct {owner}"), format!("enum {owner}")]
        } else {
            [format!("mod {owner};"), format!("fn {owner}(")]
        };
        assert!(forms.iter().any(|form| code.contains(form)), "{name}: nothing is called {owner}");
    }
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 150, "{lines} lines");
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut missing = Vec::new();
    for page in PAGES.into_iter().chain(["justfile"]) {
        let text = read(page);
        let between = |c: char| c.is_whitespace() || "`\"'()[]{}|,:;<>".contains(c);
        for word in text.split(between).map(|word| word.trim_end_matches(['.', '?', '!'])) {
            let is_page = word.strip_suffix(".md").is_some_and(|name| !name.contains('/'));
            let is_path = is_page || FOLDERS.iter().any(|folder| word.starts_with(folder));
            if is_path && !word.contains('*') && !root().join(word).exists() {
                missing.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_code() {
    let page = read("README.md");
    let rows = first_cells(section(&page, "## Exit codes"));
    let codes: Vec<u8> = rows.iter().filter_map(|cell| cell.parse().ok()).collect();
    assert_eq!(codes, Exit::ALL.map(Exit::code));
    assert_eq!(rows.len(), codes.len() + 1, "a heading and numbers: {rows:?}");
    let meanings = section(&page, "## Exit codes").lines().filter(|line| line.starts_with("| "));
    let meanings = meanings.skip(1).filter_map(|row| row.split('|').nth(2));
    let meanings: Vec<String> = meanings.map(|cell| cell.trim().replace('`', "")).collect();
    assert_eq!(meanings, Exit::ALL.map(Exit::meaning));
    // `Exit::ALL` itself has all that the enum has.
    let source = shipped_code("src/cli/exit.rs");
    let variants =
        source.lines().filter_map(|line| line.trim().split_once(" = ")?.1.strip_suffix(','));
    let numbers: Vec<u8> = variants.filter_map(|number| number.parse().ok()).collect();
    assert_eq!(numbers, codes);
}

/// `name_of_a_test`, or `the_beginning_of_...`, behind the file it is in.
#[test]
fn every_test_that_the_page_on_reliability_names_is_there() {
    let page = read("docs/reliability.md");
    let mut seen = 0;
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let mut file = String::new();
        for word in quoted(row) {
            if Path::new(&word).extension().is_some_and(|ending| ending == "rs") {
                file = read(&word);
            } else if !word.contains('/') {
                let name = word.strip_suffix("...").unwrap_or(&word);
                assert!(file.contains(&format!("fn {name}")), "{word} is in none: {row}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen} tests are named");
}

#[test]
fn a_line_of_prose_is_a_sentence() {
    for page in PAGES {
        let text = read(page);
        let mut fenced = false;
        for line in text.lines() {
            fenced ^= line.starts_with("```");
            let is_prose = line.starts_with(|c: char| c.is_alphabetic());
            if !fenced && is_prose {
                // A full stop in mid-line begins a second sentence, unless it abbreviates.
                let second = line.match_indices(". ").any(|(at, _)| {
                    line[at + 2..].starts_with(char::is_uppercase) && !line[..at].ends_with('.')
                });
                assert!(!second, "{page}: two sentences on a line: {line}");
                assert!(line.ends_with(['.', ':', '?', '!']), "{page}: no sentence: {line}");
            }
        }
    }
}

/// The packages of Cargo.lock whose lists of dependencies name a package.
fn dependents<'a>(lock: &'a str, package: &str) -> Vec<&'a str> {
    let wanted = format!(" \"{package}\",");
    let entries = lock.split("[[package]]").filter(|entry| entry.lines().any(|l| l == wanted));
    let names = entries.filter_map(|entry| entry.split("name = \"").nth(1)?.split('"').next());
    names.collect()
}

#[test]
fn the_page_on_security_lists_the_unsafe_files_as_the_test_of_the_architecture_does() {
    let rust = |text: &str| -> BTreeSet<String> {
        let words = text.split(['"', '`']).filter(|word| word.starts_with("src/"));
        words.map(str::to_owned).collect()
    };
    let page = read("SECURITY.md");
    let test = read("tests/documents/architecture.rs");
    let list = test.split("const MAY_BE_UNSAFE").nth(1).and_then(|rest| rest.split("];").next());
    assert_eq!(rust(section(&page, "## Unsafe code")), rust(list.expect("the list")));
}

#[test]
fn nothing_in_the_tree_is_compiled_from_c() {
    let lock = read("Cargo.lock");
    // rustls-webpki would use ring if rustls had its feature `ring`, and ring then stood among the
    // dependencies of rustls; cargo writes such a package into the lock and builds it never.
    assert_eq!(dependents(&lock, "ring"), ["rustls-webpki"]);
    assert_eq!(dependents(&lock, "cc"), ["ring"]);
    for builder in ["cmake", "bindgen", "nasm-rs"] {
        let found = lock.lines().any(|line| line == format!("name = \"{builder}\""));
        assert!(!found, "{builder} compiles C");
    }
}

#[test]
fn the_reader_of_pages_sees_names_and_nothing_else() {
    assert_eq!(pattern("peer-{from}"), "peer-*");
    assert_eq!(pattern("peer-<addr>"), "peer-*");
    assert_eq!(quoted("a `b` c `d`\n```\n`e`\n```\n`f`"), ["b", "d", "f"]);
    assert_eq!(first_cells("| x | y |\n|---|---|\n| 1 | 2 |"), ["x", "1"]);
    assert_eq!(section("\n## a\nb\n## c\nd", "## a"), "\nb");
    assert_eq!(literal("(1, \"x\", y)"), Some("x"));
    assert_eq!(literal("(1); \"x\""), None);
}
