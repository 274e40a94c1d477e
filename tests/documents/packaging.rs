//! What is installed beside the programs: services, the desktop's entry, the image, the script.

use crate::harness::not_run;
use crate::harness::scratch::Scratch;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use swarmlet::cli::args::{self, PEER_COMMANDS};
use swarmlet::cli::exit::CliError;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn files_of(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect()
}

/// What a command line of a service comes to.
fn refused(line: &str) -> Option<CliError> {
    let mut words = line.split_whitespace().map(str::to_owned);
    let program = words.next().expect("a program");
    let words: Vec<String> = words.collect();
    if program.ends_with("tracker") {
        return args::tracker(&words).err();
    }
    let known = PEER_COMMANDS.iter().any(|command| command.name == words[0]);
    let error = args::peer(&words).err();
    // A unit may be there before the command is; then the program says so itself.
    let too_early = error.as_ref().is_some_and(|e| e.message.contains("not available in this"));
    if !known && too_early { None } else { error }
}

#[test]
fn the_services_call_the_programs_with_flags_that_they_know() {
    let mut seen = 0;
    for name in files_of("packaging").iter().filter(|name| name.ends_with(".service")) {
        for line in read(&format!("packaging/{name}")).lines() {
            if let Some(command) = line.strip_prefix("ExecStart=") {
                assert_eq!(refused(command), None, "{name}: {command}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn the_services_of_the_machine_may_do_as_little_as_each_other() {
    let limits = |name: &str| -> BTreeSet<String> {
        let text = read(&format!("packaging/{name}"));
        let strict = ["Protect", "Restrict", "Private", "NoNew", "Lock", "Memory", "SystemCall"];
        let lines = text.lines().filter(|line| strict.iter().any(|word| line.starts_with(word)));
        // How much memory, and which sockets, is each program's own.
        let own = |line: &&str| {
            !line.starts_with("MemoryMax") && !line.starts_with("RestrictAddressFamilies")
        };
        let of_both = lines.filter(own).filter(|line| !line.starts_with("RestartPrevent"));
        of_both.map(str::to_owned).collect()
    };
    let tracker = limits("swarmlet-tracker.service");
    assert!(tracker.len() > 15);
    assert_eq!(limits("swarmlet-daemon.service"), tracker);
}

#[test]
fn the_page_names_every_file_of_the_folder_and_every_line_of_the_profile() {
    let page = read("docs/packaging.md");
    for name in files_of("packaging") {
        assert!(page.contains(&format!("`packaging/{name}`")), "{name}");
    }
    let manifest = read("Cargo.toml");
    let profile = manifest.split("[profile.release]\n").nth(1).expect("the profile");
    let lines: Vec<_> = profile.lines().take_while(|line| !line.is_empty()).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    for line in lines {
        let key = line.split(" =").next().expect("a key");
        assert!(page.contains(&format!("| `{key}")), "{key}");
        assert!(line.contains("# "), "{line}: no reason");
    }
}

#[test]
fn the_image_is_made_of_what_is_in_the_tree() {
    let file = read("packaging/Dockerfile");
    let manifest = read("Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).expect("a version");
    let version = version.split('"').next().expect("its end");
    assert!(file.contains(&format!("FROM rust:{version}-slim")), "{version}");
    assert!(file.contains("USER 65534:65534"), "it runs as nobody");
    for port in [swarmlet::config::TRACKER_PORT, 6881] {
        assert!(file.contains(&format!("{port}/tcp")), "{port}");
    }
}

/// A stand-in for `peer` writes down how it was called.
#[test]
fn a_link_from_the_desktop_is_one_word_whatever_it_holds() {
    let scratch = Scratch::new("open");
    let peer = scratch.at("bin/peer");
    fs::write(&peer, "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 6\n").expect("a script");
    fs::set_permissions(&peer, fs::Permissions::from_mode(0o755)).expect("a script");
    let bin = peer.parent().expect("a folder").display().to_string();
    let open = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/swarmlet-open");
    let check = |words: &[&str], code: i32, expected: &str| {
        let mut command = Command::new(&open);
        command.args(words).env("PATH", format!("{bin}:/usr/bin:/bin")).env("HOME", "/home/me");
        let output = command.env_remove("XDG_CONFIG_HOME").output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{words:?}");
        assert_eq!(output.status.code(), Some(code), "{words:?}");
    };
    let link = "magnet:?xt=urn:btih:00&dn=a b'$(id)\"";
    let expected = format!("--leech={link}\n--download-dir\n/home/me/Downloads\n");
    check(&[link], 6, &expected);
    check(&["--on-done=x"], 6, "--leech=--on-done=x\n--download-dir\n/home/me/Downloads\n");
    check(&[], 2, "");
}

#[test]
fn the_desktop_entry_is_valid() {
    let entry = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/peer.desktop");
    match Command::new("desktop-file-validate").arg(&entry).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => not_run("the desktop's entry", "no desktop-file-validate"),
    }
    let text = read("packaging/peer.desktop");
    assert!(text.contains("MimeType=application/x-bittorrent;x-scheme-handler/magnet;\n"));
    assert!(text.contains("Exec=swarmlet-open %u\n"));
}
