//! `peer create`, `show`, `edit`, `verify`, `magnet`, `scrape` and `list` through the real program,
//! as tables of command lines with what they print, where, and how they end.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PEER: &str = env!("CARGO_BIN_EXE_peer");

/// A folder that goes with the test, in which the commands run.
struct Desk(PathBuf);

impl Desk {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("swarmlet-desk-{}-{n}", std::process::id()));
        fs::create_dir(&path).expect("a temporary folder can be made");
        Self(path)
    }

    /// One with the folder `album`: two files that share a piece, an empty one, and what is left
    /// out by default.
    fn with_album() -> Self {
        let desk = Self::new();
        desk.put("album/a.bin", &b"a".repeat(40_000));
        desk.put("album/sub/b.bin", &b"b".repeat(20_000));
        desk.put("album/empty", b"");
        desk.put("album/.git/config", b"hidden");
        desk.put("album/Thumbs.db", b"junk");
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("below the desk")).expect("room");
        fs::write(path, bytes).expect("room");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    fn run(&self, line: &str) -> Output {
        self.run_with(line, b"")
    }

    /// Runs `peer` with these words; `+` in a word stands for a blank.
    fn run_with(&self, line: &str, stdin: &[u8]) -> Output {
        let words = line.split_whitespace().map(|word| word.replace('+', " "));
        let mut command = Command::new(PEER);
        command.args(words).current_dir(&self.0).env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built for this test");
        // A program that ends without reading is no failure of ours.
        let _ = child.stdin.take().expect("it is piped").write_all(stdin);
        child.wait_with_output().expect("it ends")
    }

    fn check(&self, line: &str, exit: i32, stdout: &str, stderr: &str) {
        let output = self.run(line);
        assert_eq!(text(&output.stderr), stderr, "{line}");
        assert_eq!(text(&output.stdout), stdout, "{line}");
        assert_eq!(output.status.code(), Some(exit), "{line}");
    }

    /// stdout of a command that ends well.
    fn good(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", text(&output.stderr));
        text(&output.stdout).to_owned()
    }

    fn json(&self, line: &str) -> serde_json::Value {
        let said = self.good(line);
        serde_json::from_str(&said).unwrap_or_else(|why| panic!("{line}: {why}: {said}"))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("programs print UTF-8")
}

const ALBUM_V1: &str = "575dd58436807d89bf3021f599938cb9e993c4a0";

#[test]
fn create_says_what_it_made_and_what_it_left_out() {
    let desk = Desk::with_album();
    let said = "album: 2 left out (1 hidden, 1 junk); --dry-run names them\n\
                album.torrent: 3 files, 60 kB, 5 pieces of 16 KiB\n";
    desk.check("create album -s 16", 0, "", said);
    let there =
        "peer: album.torrent is there already: --force replaces it, -o FILE writes another\n";
    desk.check("create album -s 16", 8, "", there);
    desk.check("create album -s 16 --force -q", 0, "", "");
    desk.check("create album -o album.torrent", 8, "", there);
    let all = "b.torrent: 5 files, 60 kB, 7 pieces of 16 KiB\n";
    desk.check("create album --piecesize=16KiB --include-hidden --outfile b.torrent", 0, "", all);
    let none = "peer: no torrent can be made of album/.git: there is no file in it but 1 left out \
                (1 excluded)\n";
    desk.check("create album/.git --exclude conf*", 6, "", none);
    desk.check(
        "create nothing",
        8,
        "",
        "peer: nothing: not found; check the path, or download it first\n",
    );
    let both = "peer: --link and the .torrent cannot both go to stdout: give --output a file\n";
    desk.check("create album -o - --link", 2, "", both);
    assert_eq!(fs::read_dir(&desk.0).expect("a folder").count(), 3, "nothing else was written");
}

#[test]
fn a_dry_run_lists_and_writes_nothing() {
    let desk = Desk::with_album();
    let listing = "     40 kB  a.bin
       0 B  empty
     20 kB  sub/b.bin
    hidden  .git (left out)
      junk  Thumbs.db (left out)
album: 3 files, 60 kB, 4 pieces of 16 KiB
";
    desk.check("create album --v1 -s 16 --dry-run", 0, listing, "");
    let plan = desk.json("create album --dry-run --json --exclude sub");
    assert_eq!(plan["files"].as_array().map(Vec::len), Some(2));
    assert_eq!(plan["left_out"][2], serde_json::json!({ "path": "sub", "why": "excluded" }));
    assert_eq!((&plan["version"], &plan["pieces"]), (&"hybrid".into(), &1.into()));
    assert_eq!(fs::read_dir(&desk.0).expect("a folder").count(), 1);
}

/// Whatever the time, the machine and the order in which the files were made.
#[test]
fn an_anonymous_torrent_is_the_same_bytes_every_time() {
    let desk = Desk::with_album();
    let flags = "-x -s 16 -t http://t/announce -c c -q";
    desk.good(&format!("create album {flags}"));
    let other = Desk::new();
    other.put("album/empty", b"");
    other.put("album/sub/b.bin", &b"b".repeat(20_000));
    other.put("album/a.bin", &b"a".repeat(40_000));
    other.good(&format!("create {flags} album -o one.torrent"));
    assert!(desk.read("album.torrent") == other.read("one.torrent"));
    let shown = desk.json("show --json album.torrent");
    assert!(shown["created_by"].is_null() && shown["creation_date"].is_null(), "{shown}");
    desk.good("create album -o dated.torrent -q");
    let dated = desk.json("show --json dated.torrent");
    assert!(dated["creation_date"].as_i64() > Some(1_700_000_000), "{dated}");
    assert!(dated["created_by"].as_str().is_some_and(|by| by.starts_with("peer/")), "{dated}");
}

#[test]
fn every_flag_of_create_is_in_the_torrent() {
    let desk = Desk::with_album();
    let made = desk.json(
        "create album --json -q --name other -t http://a/x,udp://b:1 --tier c:7 -w http://w/ -p \
         -c a+comment --source S -s 32KiB --v1",
    );
    assert_eq!(made, desk.json("show --json other.torrent"));
    let expected = serde_json::json!([
        ["http://a/x", "udp://b:1"],
        ["http://c:7/announce", "udp://c:7/announce"],
    ]);
    assert_eq!(made["trackers"], expected);
    assert_eq!(made["native_trackers"], serde_json::json!(["c:7"]));
    assert_eq!(made["web_seeds"], serde_json::json!(["http://w/"]));
    assert_eq!((&made["private"], &made["comment"]), (&true.into(), &"a comment".into()));
    assert_eq!((&made["source"], &made["name"]), (&"S".into(), &"other".into()));
    assert_eq!((&made["piece_length"], &made["pieces"]), (&32768.into(), &2.into()));
    assert_eq!(made["files"][0]["path"], "other/a.bin");
}

#[test]
fn a_torrent_goes_through_pipes() {
    let desk = Desk::with_album();
    let made = desk.run("create album -x -o - -q --v1 -s 16");
    assert_eq!(made.status.code(), Some(0));
    let shown = desk.run_with("show - --json", &made.stdout);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("an object");
    assert_eq!(shown["info_hash_v1"], ALBUM_V1);
    let edited = desk.run_with("edit - -a http://t/announce", &made.stdout);
    assert_eq!(text(&edited.stderr), "-: edited\n");
    let link = desk.run_with("magnet -", &edited.stdout);
    let expected =
        format!("magnet:?xt=urn:btih:{ALBUM_V1}&dn=album&tr=http%3A%2F%2Ft%2Fannounce&xl=60000\n");
    assert_eq!(text(&link.stdout), expected);
    let checked = desk.run_with("verify -", &edited.stdout);
    assert_eq!(text(&checked.stdout), "album: all 4 pieces are right\n", "{checked:?}");
    let none = desk.run_with("show -", b"");
    assert_eq!(none.status.code(), Some(6));
    let both = desk.run_with("edit - --json -c x", &made.stdout);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn link_and_show_go_to_stdout() {
    let desk = Desk::with_album();
    let said = desk.good("create album -x --v1 -s 16 --link --show -q");
    let shown = desk.good("show album.torrent");
    let link = desk.good("magnet album.torrent");
    assert_eq!(said, shown + &link);
}

/// transmission-show 3.00 prints the same info-hash for this file.
#[test]
fn show_has_the_parts_of_transmission_show() {
    let desk = Desk::with_album();
    desk.good(
        "create album -x -q --v1 -s 16 -t http://a/announce -t http://b/announce -w http://w/",
    );
    let parts = [
        "Name: album\nFile: album.torrent\n".to_owned(),
        format!(
            "GENERAL\n\n  Name: album\n  Hash v1: {ALBUM_V1}\n  Piece Count: 4\n  \
             Piece Size: 16 KiB\n  Total Size: 60 kB (60000 bytes)\n  Privacy: Public torrent\n"
        ),
        "TRACKERS\n\n  Tier #1\n  http://a/announce\n\n  Tier #2\n  http://b/announce\n".to_owned(),
        "WEBSEEDS\n\n  http://w/\n".to_owned(),
        "FILES\n\n  album/\n    a.bin  40 kB\n    empty  0 B\n    sub/\n      b.bin  20 kB\n"
            .to_owned(),
    ];
    desk.check("show album.torrent", 0, &parts.join("\n"), "");
    desk.check("show -d album.torrent", 0, &parts[0], "");
    desk.check("show album.torrent -if", 0, &[&parts[1][..], &parts[4]].join("\n"), "");
    desk.check("show album.torrent -DIF", 0, &parts[2..4].join("\n"), "");
    let bytes = "FILES\n\n  album/\n    a.bin  40000\n    empty  0\n    sub/\n      b.bin  20000\n";
    desk.check("show album.torrent --files --bytes", 0, bytes, "");
    let map = "PIECES

  4 pieces of 16 KiB
  █ pieces of this file alone, ▒ shared with another file, · others'

  0-2  ██▒·  album/a.bin
  -    ····  album/empty
  2-3  ··▒█  album/sub/b.bin
";
    desk.check("show album.torrent --pieces -fF", 0, map, "");
    let both = desk.good("show album.torrent album.torrent -d");
    assert_eq!(both, [&parts[0][..], &parts[0]].join("\n"));
    let lines = desk.good("show album.torrent album.torrent --json");
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn a_bad_file_among_good_ones_is_named_and_the_others_are_shown() {
    let desk = Desk::with_album();
    desk.good("create album -q");
    desk.put("bad.torrent", b"d1:ai1e1:ai2ee");
    let output = desk.run("show -d bad.torrent album.torrent none.torrent");
    assert_eq!(text(&output.stdout), "Name: album\nFile: album.torrent\n");
    let said = text(&output.stderr);
    assert!(said.starts_with("peer: bad torrent bad.torrent: "), "{said}");
    assert!(said.lines().nth(1).is_some_and(
        |l| l == "peer: cannot read none.torrent (no such file or directory): check the path"
    ));
    assert_eq!(output.status.code(), Some(6), "the lowest of 6 and 8");
}

#[test]
fn edit_changes_what_it_is_told_and_keeps_every_other_byte() {
    let desk = Desk::new();
    let info = "4:infod6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
    let file = format!("d8:announce10:http://a/p{info}5:otherd1:zi-1eee");
    desk.put("x.torrent", file.as_bytes());
    desk.put("y.torrent", file.replace("http://a/p", "http://q/p").as_bytes());
    fs::set_permissions(desk.at("x.torrent"), fs::Permissions::from_mode(0o600)).expect("ours");
    desk.check("edit x.torrent", 2, "", "peer: nothing to change: give --add, --delete, --replace, --webseed, --comment or --source\n");
    desk.check("edit x.torrent -a http://b/ -c hi", 0, "", "x.torrent: edited\n");
    let added = "13:announce-listll10:http://a/pel9:http://b/ee7:comment2:hi";
    let expected = format!("d8:announce10:http://a/p{added}{info}5:otherd1:zi-1eee");
    assert_eq!(text(&desk.read("x.torrent")), expected);
    desk.check("edit x.torrent -a http://b/", 0, "", "x.torrent: nothing to change\n");
    let mode = fs::metadata(desk.at("x.torrent")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // One of two has no such tracker: it stays, the other is edited all the same.
    let output = desk.run("edit y.torrent x.torrent --delete http://a/p");
    assert_eq!(
        text(&output.stderr),
        "x.torrent: edited\npeer: y.torrent was not changed: no tracker or web seed is or has \
         http://a/p\n"
    );
    assert_eq!(output.status.code(), Some(1));
    let shown = desk.json("edit x.torrent -q --json --replace //b/=//c/ -w http://w/ -c=");
    assert_eq!(shown["trackers"], serde_json::json!([["http://c/"]]));
    assert_eq!(shown["web_seeds"], serde_json::json!(["http://w/"]));
    assert!(shown["comment"].is_null());
    desk.put("bad.torrent", b"de");
    assert_eq!(desk.run("edit bad.torrent -c x").status.code(), Some(6));
    assert_eq!(text(&desk.read("bad.torrent")), "de");
    assert_eq!(desk.run("edit none.torrent -c x").status.code(), Some(8));
}

#[test]
fn a_source_is_another_torrent_and_edit_says_so() {
    let desk = Desk::with_album();
    desk.good("create album -x -q --v1 -s 16");
    let output = desk.run("edit album.torrent --source S --json");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an object");
    let hash = shown["info_hash_v1"].as_str().expect("a hash");
    assert_ne!(hash, ALBUM_V1);
    let said = format!(
        "album.torrent: the source was nothing, is S\nalbum.torrent: that is in the part that the \
         info-hash covers: it was {ALBUM_V1} and is {hash} now, another torrent for all peers\n"
    );
    assert_eq!(text(&output.stderr), said);
    desk.good("create album -x -q --v1 -s 16 --source S -o other.torrent");
    assert!(desk.read("album.torrent") == desk.read("other.torrent"));
    desk.check("verify album.torrent", 0, "album: all 4 pieces are right\n", "");
}

#[test]
fn verify_names_the_file_and_the_pieces_that_differ() {
    let desk = Desk::with_album();
    desk.good("create album -q --v1 -s 16");
    desk.good("create album -q -s 16 -o hybrid.torrent");
    desk.good("create album -q --v2 -s 16 -o v2.torrent");
    desk.check("verify v2.torrent", 0, "album: all 5 pieces are right\n", "");
    desk.check("verify v2.torrent -q", 0, "", "");
    let mut bytes = desk.read("album/a.bin");
    bytes[0] ^= 1;
    bytes[39_999] ^= 1;
    desk.put("album/a.bin", &bytes);
    let last = |right, all, file| {
        format!(
            "peer: album does not match its hashes: {right} of {all} pieces are right; \
             peer --leech {file} fetches the others\n"
        )
    };
    let shared = "album/a.bin: pieces 0, 2 of 4 differ\nalbum/sub/b.bin: piece 2 of 4 differs\n";
    desk.check("verify album.torrent", 5, shared, &last(2, 4, "album.torrent"));
    let own = "album/a.bin: pieces 0, 2 of 5 differ\n";
    desk.check("verify hybrid.torrent", 5, own, &last(3, 5, "hybrid.torrent"));
    fs::remove_file(desk.at("album/sub/b.bin")).expect("it is there");
    fs::remove_file(desk.at("album/empty")).expect("it is there");
    desk.put("album/a.bin", &b"a".repeat(40_000));
    let lacking = "album/a.bin: piece 2 of 4 lacks bytes of other files\nalbum/empty: missing\n\
                   album/sub/b.bin: missing\n";
    desk.check("verify album.torrent -q", 5, lacking, &last(2, 4, "album.torrent"));
    desk.put("album/sub/b.bin", b"short");
    let output = desk.run("verify none.torrent hybrid.torrent v2.torrent --json");
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 2);
    let states: Vec<&str> = lines[0]["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| file["state"].as_str().expect("a word"))
        .collect();
    assert_eq!(states, ["right", "missing", "wrong_size"]);
    assert_eq!(lines[0]["files"][2]["size"], 5);
    assert_eq!((&lines[0]["right"], &lines[0]["wrong"]), (&3.into(), &serde_json::json!([3, 4])));
    let nowhere = "peer: album is not in elsewhere: name its folder with --download-dir\n";
    desk.check("verify album.torrent -w elsewhere", 8, "", nowhere);
}

#[test]
fn magnets_name_peers_and_are_explained() {
    let desk = Desk::with_album();
    desk.good("create album -x -q --v1 -s 16");
    let link = format!("magnet:?xt=urn:btih:{ALBUM_V1}&dn=album&x.pe=127.0.0.1:6881&xl=60000");
    let twice = format!("{link}\n{link}\n");
    desk.check("magnet album.torrent album.torrent --peer 127.0.0.1:6881", 0, &twice, "");
    let told = desk.json(&format!("magnet {link}&so=1,3-4 --json"));
    assert_eq!(told["peers"], serde_json::json!(["127.0.0.1:6881"]));
    assert_eq!((&told["length"], &told["name"]), (&60000.into(), &"album".into()));
    assert_eq!(told["select_only"], serde_json::json!([[1, 1], [3, 4]]));
    assert_eq!(desk.run("magnet magnet:?xt=urn:btih:12").status.code(), Some(6));
    desk.good("create album -p -q -o private.torrent");
    assert_eq!(desk.run("magnet private.torrent --peer 127.0.0.1:1").status.code(), Some(2));
}

#[test]
fn what_a_stranger_wrote_cannot_steer_the_terminal() {
    let desk = Desk::new();
    let evil = "\x1b[2J\u{202e}x";
    let len = evil.len();
    let file = format!(
        "d7:comment{len}:{evil}4:infod6:lengthi1e4:name{len}:{evil}12:piece lengthi16384e6:pieces\
         20:aaaaaaaaaaaaaaaaaaaa6:source{len}:{evil}e8:url-list{len}:{evil}e"
    );
    desk.put("evil.torrent", file.as_bytes());
    for line in ["show evil.torrent --pieces", "verify evil.torrent", "edit evil.torrent -s x"] {
        let output = desk.run(line);
        for bytes in [&output.stdout, &output.stderr] {
            let said = text(bytes);
            assert!(!said.contains('\x1b') && !said.contains('\u{202e}'), "{line}: {said:?}");
        }
    }
}

/// Nothing stands under the torrent's name, and nothing half-written beside it, when the program is
/// stopped while it hashes.
#[test]
fn an_interrupted_create_leaves_no_torrent() {
    let desk = Desk::new();
    let big = fs::File::create(desk.at("big")).expect("room");
    big.set_len(8 << 30).expect("a hole");
    let mut command = Command::new(PEER);
    command.args(["create", "big", "-s", "16MiB", "-q"]).current_dir(&desk.0);
    let mut child = command.spawn().expect("the binary was built for this test");
    let status = format!("/proc/{}/status", child.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    // It hashes once it has threads for it.
    while !fs::read_to_string(&status).is_ok_and(|s| !s.contains("Threads:\t1\n")) {
        assert!(Instant::now() < deadline, "it never began");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().expect("kill is there");
    assert!(killed.success());
    child.wait().expect("it ends");
    let names: Vec<_> = fs::read_dir(&desk.0)
        .expect("a folder")
        .map(|entry| entry.expect("it can be listed").file_name())
        .collect();
    assert_eq!(names, ["big"]);
}

/// A folder has one info-hash, whoever shares it and however.
#[test]
fn seeding_a_folder_shares_the_torrent_that_create_makes() {
    let desk = Desk::with_album();
    let made = desk.json("create album -q --json");
    let mut command = Command::new(PEER);
    command.args(["--seed", "album", "--json", "-p", "0", "--tracker", "127.0.0.1:9"]);
    command.current_dir(&desk.0).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the binary was built for this test");
    let out = child.stdout.take().expect("it is piped");
    let start = std::io::BufRead::lines(std::io::BufReader::new(out))
        .map_while(Result::ok)
        .map(|line| serde_json::from_str::<serde_json::Value>(&line).expect("JSON lines"))
        .find(|event| event["event"] == "seeding");
    let _ = child.kill();
    child.wait().expect("it ends");
    let start = start.expect("it is whole and served");
    assert_eq!(start["info_hash_v2"], made["info_hash_v2"]);
    assert_eq!(start["info_hash_v1"], made["info_hash_v1"]);
}

#[test]
fn scrape_and_list_say_who_does_not_answer() {
    let desk = Desk::with_album();
    desk.good("create album -q -o none.torrent");
    desk.check(
        "scrape none.torrent",
        2,
        "",
        "peer: none.torrent names no http or udp tracker: give one with peer scrape --tracker\n",
    );
    // Nobody listens on port 9 here: refused at once.
    for line in [
        "scrape none.torrent none.torrent -t http://127.0.0.1:9/announce --json",
        "show -s none.torrent",
        "list -t 127.0.0.1:9 --timeout 500ms --json -q",
    ] {
        let output = desk.run(line);
        let exit = if line.starts_with("show") { 2 } else { 3 };
        assert_eq!(output.status.code(), Some(exit), "{line}: {}", text(&output.stderr));
        assert!(!text(&output.stdout).contains('{'), "{line}");
    }
    let link = "magnet:?xt=urn:btih:c0fda1edafdbdbb96443424e0b3899af7159d10e&tr=http://127.0.0.1:9/announce";
    assert_eq!(desk.run(&format!("scrape {link}")).status.code(), Some(3));
}

/// The corpus of other programs' torrents: what is good survives an edit with its hashes, and what
/// is bad is refused and stays as it is.
#[test]
fn every_torrent_of_the_corpus_survives_an_edit_or_is_refused() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("SWARMLET_SHARED").map_or_else(beside, PathBuf::from);
    let Ok(table) = fs::read_to_string(shared.join("corpus/MANIFEST.tsv")) else {
        eprintln!("SKIPPED: no corpus at {} (set SWARMLET_SHARED)", shared.display());
        return;
    };
    let desk = Desk::new();
    for line in table.lines().skip(1) {
        let file = line.split('\t').next().expect("a file");
        let bytes = fs::read(shared.join("corpus").join(file)).expect(file);
        desk.put("x.torrent", &bytes);
        let before = desk.run("show --json x.torrent");
        let edited = desk.run("edit x.torrent -q -a http://new.invalid/announce -c edited");
        assert_eq!(edited.status.code(), before.status.code(), "{file}: {}", text(&edited.stderr));
        if !before.status.success() {
            assert!(desk.read("x.torrent") == bytes, "{file}");
            continue;
        }
        let hash = |output: &Output| {
            let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect(file);
            (shown["info_hash_v1"].clone(), shown["info_hash_v2"].clone(), shown["comment"].clone())
        };
        let (old, new) = (hash(&before), hash(&desk.run("show --json x.torrent")));
        assert_eq!((old.0, old.1, serde_json::json!("edited")), new, "{file}");
        for command in ["show --pieces", "magnet", "show --json --pieces"] {
            assert_eq!(desk.run(&format!("{command} x.torrent")).status.code(), Some(0), "{file}");
        }
    }
}
