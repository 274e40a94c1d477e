//! Torrents and folders that want bytes written elsewhere: hostile names, links in a torrent, links
//! planted where the files are to lie, a folder that becomes a link meanwhile.
//!
//! Beside the output folder lies a canary, and afterwards it is as it was.

use crate::harness::process::Process;
use crate::harness::programs::{PEER, create, leecher, quick_tracker, seeder};
use crate::harness::scratch::{Scratch, assert_same, listing};
use crate::harness::{DOWNLOAD, SOON, not_run, together, until};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use swarmlet::metainfo::Metainfo;
use swarmlet::metainfo::bencode::Encoder;

/// Bytes of a piece; no file is longer.
const PIECE: usize = 16 * 1024;

/// What disk errors end with.
const DISK: i32 = 8;

/// What must not change.
fn canary(scratch: &Scratch) -> PathBuf {
    scratch.file("canary/bird", 1000, 99);
    scratch.path().join("canary")
}

fn assert_unharmed(canary: &Path) {
    let fresh = Scratch::new("fresh-canary");
    assert_eq!(listing(canary), ["bird"], "something was put beside the canary");
    assert_same(&canary.join("bird"), &fresh.file("bird", 1000, 99));
}

/// Files by their raw paths, in the order of a tree.
type Files = BTreeMap<Vec<Vec<u8>>, Vec<u8>>;

/// Names that mean harm, on each level of a path.
fn hostile_files() -> Files {
    let long = [b'n'; 400];
    let names: [&[u8]; 14] = [
        b"..",
        b".",
        b"/etc/passwd",
        b"../../canary/bird",
        b"..\\..\\canary\\bird",
        b"a\0b",
        b"\x1b]0;x\x07",
        b"\xc0\xae\xc0\xae",
        "\u{202e}gpj.exe".as_bytes(),
        b"CON",
        b" ",
        b"~",
        &long,
        b"plain",
    ];
    let mut dice = fastrand::Rng::with_seed(3);
    let mut files = Files::new();
    for (n, name) in names.iter().enumerate() {
        let bytes: Vec<u8> = std::iter::repeat_with(|| dice.u8(..)).take(500 * n + 7).collect();
        files.insert(vec![name.to_vec()], bytes.clone());
        files.insert(vec![b"sub".to_vec(), name.to_vec()], bytes.clone());
        files.insert(vec![b"\x01".to_vec(), b"..".to_vec(), b"..".to_vec(), name.to_vec()], bytes);
    }
    files
}

/// A hybrid torrent of files that have a piece each.
fn hybrid(name: &[u8], files: &Files) -> Vec<u8> {
    let mut out = Encoder::new();
    out.dict().text("info").dict().text("file tree").dict();
    let mut open: Vec<&[u8]> = Vec::new();
    for (path, bytes) in files {
        let (leaf, folders) = path.split_last().expect("a path");
        let alike = open.iter().zip(folders).take_while(|(a, b)| **a == **b).count();
        open.drain(alike..).for_each(|_| _ = out.end());
        for folder in &folders[alike..] {
            out.bytes(folder).dict();
            open.push(folder);
        }
        out.bytes(leaf).dict().text("").dict().text("length").int(bytes.len() as i64);
        out.text("pieces root").bytes(&Sha256::digest(bytes)).end().end();
    }
    open.iter().for_each(|_| _ = out.end());
    out.end().text("files").list();
    let mut pieces = Vec::new();
    for (n, (path, bytes)) in files.iter().enumerate() {
        out.dict().text("length").int(bytes.len() as i64).text("path").list();
        path.iter().for_each(|part| _ = out.bytes(part));
        out.end().end();
        let mut piece = bytes.clone();
        if n + 1 < files.len() {
            piece.resize(PIECE, 0);
            let pad = (PIECE - bytes.len()) as i64;
            out.dict().text("attr").text("p").text("length").int(pad).text("path").list();
            out.text(".pad").text(&pad.to_string()).end().end();
        }
        pieces.extend(Sha1::digest(&piece));
    }
    out.end().text("meta version").int(2).text("name").bytes(name);
    out.text("piece length").int(PIECE as i64).text("pieces").bytes(&pieces).end().end();
    out.finish()
}

/// Puts the files where an honest peer would have them, so that it serves them.
fn lay_out(torrent: &[u8], files: &Files, folder: &Path) -> Vec<PathBuf> {
    let meta = Metainfo::parse(torrent).expect("hostile names are mended");
    let paths = meta.data_files().map(|file| file.path.iter().collect::<PathBuf>());
    let paths: Vec<PathBuf> = paths.collect();
    for (path, bytes) in paths.iter().zip(files.values()) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("mkdir");
        fs::write(path, bytes).expect("a file");
    }
    paths
}

#[test]
fn whatever_names_say_nothing_outside_the_output_folder_is_opened_for_writing() {
    let _turn = together();
    let test = "whatever_names_say_nothing_outside_the_output_folder_is_opened_for_writing";
    let traces = Command::new("strace").args(["-qq", "-e", "trace=%file", "true"]).output();
    if !traces.is_ok_and(|output| output.status.success()) {
        return not_run(test, "strace does not work here");
    }
    let scratch = Scratch::new("names");
    let canary = canary(&scratch);
    let files = hostile_files();
    let bytes = hybrid(b"../..\x00/canary", &files);
    let torrent = scratch.at("hostile.torrent");
    fs::write(&torrent, &bytes).expect("a torrent");
    let what = torrent.to_str().expect("UTF-8");

    let tracker = quick_tracker();
    let served = scratch.folder("served");
    let paths = lay_out(&bytes, &files, &served);
    let seed = leecher("seed", tracker.address, what, &served, "");
    seed.wait_for("done", DOWNLOAD);

    let (out, log) = (scratch.folder("out"), scratch.at("strace.log"));
    let tracker_address = tracker.address.to_string();
    let words: [&Path; 18] = [
        "-f",
        "-y",
        "-qq",
        "-s",
        "4096",
        "-e",
        "trace=%file",
        "-o",
        log.to_str().expect("UTF-8"),
        PEER,
        "--leech",
        what,
        "--json",
        "--port",
        "0",
        "--seed-time",
        "0",
        "--tracker",
    ]
    .map(Path::new);
    let rest = [Path::new(&tracker_address), Path::new("--download-dir"), &out];
    let mut victim =
        Process::start("traced", "strace", &[&words[..], &rest].concat(), scratch.path());
    victim.wait_for("done", DOWNLOAD);
    victim.expect_exit(0, DOWNLOAD);

    for path in &paths {
        assert_same(&served.join(path), &out.join(path));
    }
    assert_unharmed(&canary);
    let log = String::from_utf8_lossy(&fs::read(&log).expect("a log")).into_owned();
    let written: Vec<PathBuf> =
        log.lines().filter_map(|line| written_path(line, scratch.path())).collect();
    let inside = written.iter().filter(|path| path.starts_with(&out)).count();
    assert!(inside >= files.len(), "{inside} paths of {} files were seen", files.len());
    for path in written {
        let is_null = path == Path::new("/dev/null") || path == Path::new("/dev/tty");
        assert!(path.starts_with(&out) || is_null, "{} was written", path.display());
    }
}

/// Which path a line of strace shows to be opened for writing, made, renamed or removed.
fn written_path(line: &str, home: &Path) -> Option<PathBuf> {
    let (head, rest) = line.split_once('(')?;
    let call = head.rsplit(' ').next()?;
    let changes = match call {
        "open" | "openat" | "openat2" => {
            ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| rest.contains(flag))
        }
        "creat" | "mkdir" | "mkdirat" | "unlink" | "unlinkat" | "rename" | "renameat"
        | "renameat2" | "symlink" | "symlinkat" | "link" | "linkat" | "truncate" | "chmod"
        | "fchmodat" | "chown" | "mknod" | "mknodat" => true,
        _ => false,
    };
    if !changes || rest.contains("= -1 ") {
        return None;
    }
    assert!(!call.contains("link") || call.starts_with("unlink"), "a link is made: {line}");
    // With -y a descriptor is shown with its path: `5</tmp/x/out>, "name"`.
    let (before, quoted) = rest.split_once('"')?;
    let name = &quoted[..quoted.find('"')?];
    let folder = before.split_once('<').and_then(|(_, path)| path.split_once('>'));
    let start = folder.map_or(home, |(path, _)| Path::new(path));
    Some(plain(&start.join(name)))
}

/// A path without `.` and `..`, as far as names tell.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            other => plain.push(other),
        }
        plain
    })
}

#[test]
fn a_link_planted_where_a_torrent_is_to_lie_is_not_followed() {
    let _turn = together();
    let scratch = Scratch::new("planted");
    let canary = canary(&scratch);
    scratch.file("src/album/a/one.bin", 50_000, 1);
    let album = scratch.path().join("src/album");
    let torrent = scratch.at("album.torrent");
    create(&album, &torrent, "-s 16KiB");
    let tracker = quick_tracker();
    let _seed = seeder("seed", tracker.address, &album, "--piece-length 16KiB");
    let what = torrent.to_str().expect("UTF-8");

    for (place, target) in
        [("out1/album", ""), ("out2/album/a", ""), ("out3/album/a/one.bin", "bird")]
    {
        symlink(canary.join(target), scratch.at(place)).expect("a link");
        let folder = scratch.path().join(place.split('/').next().expect("a folder"));
        let mut victim = leecher("victim", tracker.address, what, &folder, "--seed-time 0");
        victim.expect_exit(DISK, SOON);
        assert!(victim.stderr().contains("link"), "{place}: {}", victim.stderr());
        assert_unharmed(&canary);
    }
}

#[test]
fn a_folder_that_becomes_a_link_meanwhile_leads_nowhere() {
    let _turn = together();
    let scratch = Scratch::new("swapped");
    let canary = canary(&scratch);
    for n in 0..4 {
        scratch.file(&format!("src/album/a/{n}.bin"), 300_000, n);
    }
    let album = scratch.path().join("src/album");
    let torrent = scratch.at("album.torrent");
    create(&album, &torrent, "-s 16KiB");
    let tracker = quick_tracker();
    let _seed = seeder("seed", tracker.address, &album, "--piece-length 16KiB");
    let (what, out) = (torrent.to_str().expect("UTF-8"), scratch.folder("out"));
    let flags = "--seed-time 0 --downlimit 400k";
    let mut victim = leecher("victim", tracker.address, what, &out, flags);
    victim.wait_bytes(100_000, DOWNLOAD);
    fs::rename(out.join("album/a"), scratch.path().join("moved")).expect("renamed");
    symlink(&canary, out.join("album/a")).expect("a link");
    let code = victim.wait_exit(DOWNLOAD);
    // Whether it notices is the disk's business; where it writes is ours.
    assert!([0, DISK].contains(&code), "{code}: {}", victim.stderr());
    assert_unharmed(&canary);
    assert!(fs::symlink_metadata(out.join("album/a")).is_ok_and(|meta| meta.is_symlink()));
}

#[test]
fn a_link_that_a_torrent_names_is_never_made() {
    let _turn = together();
    let scratch = Scratch::new("links");
    let canary = canary(&scratch);
    let bytes: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
    let tracker = quick_tracker();
    let mut out = Encoder::new();
    out.dict().text("announce").text(&format!("http://{}/announce", tracker.address));
    out.text("info").dict().text("files").list();
    out.dict().text("attr").text("l").text("length").int(0).text("path").list().text("link").end();
    out.text("symlink path").list().text("..").text("..").text("canary").end().end();
    out.dict().text("length").int(5000).text("path").list().text("link").text("x").end().end();
    out.dict().text("length").int(0).text("path").list().text("y").end().end().end();
    out.text("name").text("album").text("piece length").int(PIECE as i64);
    out.text("pieces").bytes(&Sha1::digest(&bytes)).end().end();
    let torrent = scratch.at("links.torrent");
    fs::write(&torrent, out.finish()).expect("a torrent");
    let what = torrent.to_str().expect("UTF-8");

    let (served, folder) = (scratch.folder("served"), scratch.folder("out"));
    fs::create_dir_all(served.join("album/link")).expect("mkdir");
    fs::write(served.join("album/link/x"), &bytes).expect("a file");
    let seed = leecher("seed", tracker.address, what, &served, "");
    seed.wait_for("done", DOWNLOAD);
    let mut victim = leecher("victim", tracker.address, what, &folder, "--seed-time 0");
    victim.expect_exit(0, DOWNLOAD);
    assert_same(&served.join("album/link/x"), &folder.join("album/link/x"));
    assert_unharmed(&canary);
    until("the folder has its files", Duration::from_secs(1), || {
        folder.join("album/y").exists().then_some(())
    });
    let found = Command::new("find").arg(&folder).args(["-type", "l"]).output().expect("find");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a link was made");
}
