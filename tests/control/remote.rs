//! Remote controls as people run them, against a door before a table: our own `peer remote`, and
//! Transmission's `transmission-remote` where it is installed.

use crate::harness::desk::FakeDesk;
use crate::harness::programs::PEER;
use crate::harness::scratch::Scratch;
use serde_json::{Value, json};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output};
use swarmlet::control::http::{Door, DoorOptions};
use swarmlet::control::order::{
    Change, FileChange, LimitChange, Name, Order, Source, Until, Which,
};

/// A door and a table, and the flags that lead there.
struct Opened {
    door: Door,
    table: FakeDesk,
}

fn open(auth: Option<(String, String)>) -> Opened {
    let table = FakeDesk::open();
    let address = (Ipv4Addr::LOCALHOST, 0).into();
    let options = DoorOptions { address, auth, ..DoorOptions::default() };
    Opened { door: Door::open(options, table.desk.clone()).expect("a free port"), table }
}

impl Opened {
    fn at(&self) -> String {
        self.door.address().to_string()
    }

    fn peer(&self, line: &str) -> Output {
        peer(&format!("{line} --at {}", self.at()))
    }

    /// What a command prints that goes well.
    fn says(&self, line: &str) -> String {
        let output = self.peer(line);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), err), (Some(0), ""), "{line}: {out}");
        out.to_owned()
    }

    fn fails(&self, line: &str) -> (Option<i32>, String) {
        let output = self.peer(line);
        assert_eq!(text(&output.stdout), "", "{line}");
        (output.status.code(), text(&output.stderr).to_owned())
    }
}

fn peer(line: &str) -> Output {
    let mut command = Command::new(PEER);
    command.args(line.split_whitespace()).env_remove("RUST_LOG").env_remove("PEER_AUTH");
    command.output().expect("the binary was built for this test")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("programs print UTF-8")
}

fn these(ids: &[u32]) -> Which {
    Which::These(ids.iter().map(|id| Name::Id(*id)).collect())
}

#[test]
fn a_list_is_a_table_or_a_line_of_json_for_each() {
    let open = open(None);
    let golden = "\
ID  DONE  SIZE   ETA      DOWN       UP  RATIO  STATUS     NAME
 1   50%  2 MB   4 s  250 kB/s  50 kB/s   0.50  Up & Down  half
 2  100%  2 MB  done    0 kB/s   0 kB/s   0.50  Seeding    whole
2 torrents, 250 kB/s down, 50 kB/s up
";
    assert_eq!(open.says("remote list"), golden);
    assert_eq!(open.says("remote"), golden);
    let lines = open.says("remote list --json");
    let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["name"]), (2, &json!("whole")));
}

#[test]
fn details_files_and_peers_are_shown() {
    let open = open(None);
    let info = open.says("remote info half");
    for line in [
        "name        half",
        "done        50%, 1 MB of 2 MB",
        "folder      /downloads",
        "tracker     udp://127.0.0.1:6969/announce: Success",
        "comment     two files",
    ] {
        assert!(info.lines().any(|said| said == line), "{line:?} is not in\n{info}");
    }
    let files = open.says("remote files 1");
    assert_eq!(files.lines().count(), 3);
    let wanted = |line: usize| {
        open.says("remote files 1")
            .lines()
            .nth(line)
            .unwrap()
            .split_whitespace()
            .nth(4)
            .unwrap()
            .to_owned()
    };
    open.says("remote files 1 --skip all --want 1");
    let changes = open.table.changes();
    let expected = vec![FileChange::Skip(vec![0, 1]), FileChange::Want(vec![1])];
    assert_eq!(changes.last().unwrap().wanted, expected);
    assert_eq!((wanted(1).as_str(), wanted(2).as_str()), ("no", "yes"));
    let peers = open.says("remote peers 1");
    assert!(peers.contains("127.0.0.2:6881   D"), "{peers}");
    assert!(open.says("remote info all").contains("2: whole\n"));
}

#[test]
fn torrents_are_added_from_files_here_and_from_words() {
    let folder = Scratch::new("remote-add");
    let file = folder.at("x.torrent");
    fs::write(&file, "d4:infod4:name1:xee").unwrap();
    let open = open(None);
    let line = format!("remote add {} --paused -w {}", file.display(), folder.path().display());
    assert_eq!(open.says(&line), "added: 3 a torrent of 19 bytes\n");
    let Order::Add(addition) = open.table.last() else { panic!("add") };
    assert_eq!(addition.source, Source::Torrent(b"d4:infod4:name1:xee".to_vec()));
    assert_eq!(
        (addition.paused, addition.folder),
        (Some(true), Some(PathBuf::from(folder.path())))
    );
    assert_eq!(open.says("remote add big.zip"), "added: 4 big.zip\n");
    assert_eq!(open.says("remote add big.zip"), "already there: 4 big.zip\n");
    let line = open.says("remote add big.zip --json");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["duplicate"], true);
    let (code, said) = open.fails("remote add none.torrent");
    assert_eq!(code, Some(8), "{said}");
    let (code, said) = open.fails("remote add nonsense");
    assert_eq!(code, Some(1));
    assert_eq!(said, "peer: the peer refuses: no tracker knows nonsense\n");
}

#[test]
fn torrents_are_steered_by_number_list_hash_and_name() {
    let open = open(None);
    let check = |line: &str, order: Order| {
        assert_eq!(open.says(line), "", "{line}");
        assert_eq!(open.table.last(), order, "{line}");
    };
    check("remote stop all", Order::Stop(these(&[1, 2])));
    check("remote start 1-2", Order::Start(these(&[1, 2])));
    check("remote verify whole", Order::Verify(these(&[2])));
    check("remote announce 1111", Order::Announce(these(&[1])));
    let change = Change {
        down: LimitChange { rate: Some(500_000), on: Some(true) },
        up: LimitChange { rate: None, on: Some(false) },
        ..Change::default()
    };
    let order = Order::Change { which: these(&[1]), change: Box::new(change) };
    check("remote limit 1 -d 500k -u 0", order);
    open.says("remote limit -u 2M");
    let session = open.says("remote session");
    assert!(
        session.lines().any(|l| l.split_whitespace().eq(["speed-limit-up", "2000"])),
        "{session}"
    );
    check("remote remove 2 --with-data", Order::Remove { which: these(&[2]), with_data: true });
    assert_eq!(open.says("remote stop 1 --json"), "{\"id\":1}\n");
    let stats = open.says("remote stats");
    assert!(stats.starts_with("torrents  2 active, 0 stopped\n"), "{stats}");
    check("remote close", Order::Close);
}

#[test]
fn whoever_does_not_answer_is_not_there_or_refuses_is_told_apart() {
    let open = open(None);
    let before = open.table.orders.lock().len();
    let (code, said) = open.fails("remote stop 7");
    let expected = "peer: the peer has no torrent 7: peer remote list shows what it has\n";
    assert_eq!((code, said.as_str()), (Some(4), expected));
    assert_eq!(open.fails("remote files 1 --want 2").0, Some(4));
    assert!(open.table.orders.lock()[before..].iter().all(|o| matches!(o, Order::Look { .. })));
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let output = peer(&format!("remote list --at {free}"));
    let expected =
        format!("peer: no peer answers at {free} (connection refused): is peer daemon running?\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(3), expected.as_str()));
    assert_eq!(open.fails("remote lst").0, Some(2));
}

#[test]
fn a_password_is_asked_for_and_given() {
    let open = open(Some(("me".into(), "secret".into())));
    let (code, said) = open.fails("remote list");
    assert_eq!(code, Some(1));
    assert!(said.contains("wants a user and a password"), "{said}");
    assert!(open.fails("remote list --auth me:wrong").1.contains("takes neither this user nor"));
    assert!(open.says("remote list --auth me:secret").contains("whole"));
    let mut command = Command::new(PEER);
    command.args(["remote", "--at", &open.at()]).env("PEER_AUTH", "me:secret");
    assert!(text(&command.output().unwrap().stdout).contains("whole"));
    for _ in 0..5 {
        open.peer("remote list --auth me:wrong");
    }
    assert!(open.fails("remote list --auth me:secret").1.contains("too many wrong passwords"));
}

// Transmission's own.

/// Runs `transmission-remote`; none where it is not installed.
fn transmission(open: &Opened, line: &str) -> Option<(bool, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let output = Command::new("transmission-remote").arg(open.at()).args(&words).output();
    let Ok(output) = output else {
        eprintln!("transmission-remote is not installed: {line} was not tried");
        return None;
    };
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    Some((output.status.success(), said))
}

#[test]
fn transmission_remote_shows_all_that_it_can() {
    let open = open(None);
    let check = |line: &str, lines: &[&str]| {
        let Some((is_fine, said)) = transmission(&open, line) else { return };
        assert!(is_fine, "{line}: {said}");
        for expected in lines {
            let expected: Vec<&str> = expected.split_whitespace().collect();
            let is_there = said.lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.windows(expected.len().max(1)).any(|part| part == expected)
            });
            assert!(is_there, "{line}: {expected:?} is not in\n{said}");
        }
    };
    check("-l", &["1 50% 1.00 MB 4 sec 50.0 250.0 0.5 Up & Down half", "Idle whole", "Sum:"]);
    check(
        "-t 1 -i",
        &[
            "Name: half",
            "State: Up & Down",
            "Location: /downloads",
            "Percent Done: 50.0%",
            "Have: 1.00 MB (1.00 MB verified)",
            "Availability: 100%",
            "Total size: 2.00 MB (2.00 MB wanted)",
            "Public torrent: Yes",
            "Comment: two files",
            "Creator: swarmlet",
            "Piece Count: 4",
            "Piece Size: 512.0 KiB",
            "Corrupt DL: 16.38 kB",
            "Peers: connected to 2, uploading to 1, downloading from 1",
            "Ratio Limit: Default",
            "Peer limit: 50",
        ],
    );
    check("-t 1 -f", &["half (2 files):", "0: 66% Normal Yes 1.50 MB half/a.txt"]);
    check("-t 1 -ip", &["127.0.0.2 D 50.0", "127.0.0.3 UI 50.0"]);
    check("-t 1 -ic", &["1010"]);
    check("-t 1 -it", &["Tracker 0: 127.0.0.1:6969", "Tracker had 3 seeders and 12 leechers"]);
    check(
        "-si",
        &[
            "Daemon version: swarmlet 0.1.0",
            "RPC version: 17",
            "Configuration directory: /config",
            "Download directory: /downloads",
            "Listenport: 6881",
            "Upload speed limit: 100 kB/s",
            "Peer limit: 200",
            "Distributed hash table enabled: No",
            "Encryption: tolerated",
            "Peer exchange allowed: Yes",
            "Default seed ratio limit: Unlimited",
        ],
    );
    check("-st", &["CURRENT SESSION", "Uploaded: 1.00 MB", "Started 5 times"]);
    check("-pt", &["Port is open: No"]);
}

#[test]
fn transmission_remote_steers() {
    let folder = Scratch::new("transmission-remote");
    let file = folder.at("x.torrent");
    fs::write(&file, "d4:infod4:name1:xee").unwrap();
    let open = open(None);
    let check = |line: &str, is_right: &dyn Fn(&Order) -> bool| {
        let Some((is_fine, said)) = transmission(&open, line) else { return };
        assert!(is_fine && said.contains("responded: \"success\""), "{line}: {said}");
        let orders = open.table.orders.lock();
        assert!(orders.iter().rev().take(4).any(is_right), "{line}: {:?}", orders.last());
    };
    let one = || these(&[1]);
    let changes = |is_right: fn(&Change) -> bool| {
        move |order: &Order| match order {
            Order::Change { change, which } => *which == these(&[1]) && is_right(change),
            _ => false,
        }
    };
    let sets = |is_right: fn(&swarmlet::control::order::Settings) -> bool| move |order: &Order| matches!(order, Order::Set(settings) if is_right(settings));
    check(
        &format!("-a {}", file.display()),
        &|order| matches!(order, Order::Add(a) if a.source == Source::Torrent(b"d4:infod4:name1:xee".to_vec())),
    );
    check(
        "-a magnet:?xt=urn:btih:1111111111111111111111111111111111111111 -w /srv --start-paused",
        &|order| matches!(order, Order::Add(a) if a.folder == Some("/srv".into())),
    );
    check("-t 1 -S", &|order| *order == Order::Stop(one()));
    check("-t 1 -s", &|order| *order == Order::Start(one()));
    check("-t 1 -v", &|order| *order == Order::Verify(one()));
    check("-t 1 --reannounce", &|order| *order == Order::Announce(one()));
    check("-t all -s", &|order| *order == Order::Start(Which::All));
    check("-t 1 -d 30 -u 40", &changes(|c| c.down.rate == Some(30_000)));
    check("-t 1 -D", &changes(|c| c.down.on == Some(false)));
    check("-d 500", &sets(|s| s.down == LimitChange { rate: Some(500_000), on: Some(true) }));
    check("-U", &sets(|s| s.up.on == Some(false)));
    check("-as", &sets(|s| s.slow == Some(true)));
    check("-asd 20", &sets(|s| s.slow_down == Some(20_000)));
    check("-gsr 2", &sets(|s| s.seed_ratio == Some(Some(2.0))));
    check("-t 1 -sr 1.5", &changes(|c| c.seed_ratio == Some(Until::At(1.5))));
    check("-t 1 -G all", &changes(|c| c.wanted == [FileChange::Skip(vec![])]));
    check("-t 1 -g 1", &changes(|c| c.wanted == [FileChange::Want(vec![1])]));
    check("-t 1 -ph 0", &changes(|c| !c.wanted.is_empty()));
    check("-t 1 -pr 9", &changes(|c| c.max_peers == Some(9)));
    check("-t 1 -L a,b", &changes(|c| c.labels == Some(vec!["a".into(), "b".into()])));
    check("-t 1 -td udp://x:1/announce", &changes(|c| c.add_trackers == ["udp://x:1/announce"]));
    check("-t 1 -tr 0", &changes(|c| !c.remove_trackers.is_empty()));
    check("-t 1 --find /srv", &|order| {
        *order == Order::Locate { which: one(), folder: "/srv".into() }
    });
    check("-t 2 -r", &|order| *order == Order::Remove { which: these(&[2]), with_data: false });
    check("-t 1 -rad", &|order| *order == Order::Remove { which: one(), with_data: true });
    check("--exit", &|order| *order == Order::Close);
}

#[test]
fn transmission_remote_is_told_what_is_refused() {
    let open = open(Some(("me".into(), "secret".into())));
    let check = |line: &str, expected: &str| {
        let Some((_, said)) = transmission(&open, line) else { return };
        assert!(said.contains(expected), "{line}: {said}");
    };
    let auth = "--auth me:secret";
    check("-l", "401");
    check(&format!("{auth} -l"), "whole");
    check(&format!("{auth} -t 1 --move /srv"), "Error: this program moves no data");
    check(&format!("{auth} --torrent-done-script /bin/sh"), "a program to be run is named on");
    check(&format!("{auth} -a nonsense"), "Error: no tracker knows nonsense");
    check(&format!("{auth} -p 7000"), "the peer listens on 6881 while it runs");
}
