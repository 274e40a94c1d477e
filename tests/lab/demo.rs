//! `lab demo` with the real programs: what its controls do, who may use them, what it leaves behind.

use crate::harness::process::Process;
use crate::harness::programs::{LAB, tracker};
use crate::harness::scratch::Scratch;
use crate::harness::watch::Watch;
use crate::harness::{SOON, alone, not_run, pass, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a change may take to be seen: an expiry, a restart, rates that settle, on a busy machine.
const SEEN: Duration = Duration::from_mins(1);

/// A show, and its page.
struct Demo {
    lab: Process,
    at: SocketAddr,
    token: String,
}

impl Demo {
    /// A show of two peers with these flags besides.
    fn start(scratch: &Scratch, flags: &str) -> Self {
        let listen = if flags.contains("--listen") { "" } else { "--listen 127.0.0.1:0" };
        let words = ["demo --peers 2", listen, flags].join(" ");
        let words: Vec<&str> = words.split_whitespace().collect();
        let lab = Process::start("lab", LAB, &words, scratch.path());
        let page = |lines: &[String]| lines.iter().any(|line| line.starts_with("open "));
        let said = lab.wait_plain(0, SEEN, page);
        let at = said[0].strip_prefix("open http://").and_then(|at| at.strip_suffix("/swarm-view"));
        let at = at.and_then(|at| at.parse().ok()).unwrap_or_else(|| panic!("{said:?}"));
        let state = Watch::open(at, "/live").wait("state");
        let token = state["controls"]["token"].as_str().expect("a token").to_owned();
        Self { lab, at, token }
    }

    /// Its swarm as it is told each second, once it has so many nodes.
    fn swarm(&self, nodes: usize) -> Watch {
        let mut all = Watch::open(self.at, "/live");
        let state = all.wait_for("state", |state| state["swarms"][0]["published"] == true);
        let hash = state["swarms"][0]["hash"].as_str().expect("a hash");
        let mut swarm = Watch::open(self.at, &format!("/live?swarm={hash}"));
        wait(&mut swarm, "all nodes", |told| addresses(told).len() == nodes);
        swarm
    }

    /// Gives an order as the page does; it must be taken.
    fn order(&self, order: &Value) {
        let fields = format!("X-Token: {}\r\nOrigin: http://{}\r\n", self.token, self.at);
        let (status, said) = post(self.at, &self.at.to_string(), &fields, &order.to_string());
        assert_eq!((status, said.as_str()), (202, "asked\n"), "{order}");
    }

    /// The sentences on the page.
    fn said(&self) -> Vec<String> {
        let state = Watch::open(self.at, "/live").wait("state");
        let said = state["controls"]["said"].as_array().expect("a list");
        said.iter().map(|one| one["text"].as_str().expect("a text").to_owned()).collect()
    }

    /// Waits until a sentence on the page has these parts.
    fn wait_said(&self, parts: &[&str]) {
        until(&format!("{parts:?} is said"), SEEN, || {
            let said = self.said();
            said.iter().any(|text| parts.iter().all(|part| text.contains(part))).then_some(())
        });
    }

    /// Sends a signal; nothing may be left of the show.
    fn end(mut self, signal: &str, code: i32) {
        let children = children(self.lab.id());
        self.lab.signal(signal);
        self.lab.expect_exit(code, SOON);
        self.leaves_nothing(&children);
    }

    fn leaves_nothing(&self, children: &BTreeSet<u32>) {
        let left: Vec<_> = children.iter().filter(|&&id| is_peer(id)).collect();
        assert!(left.is_empty(), "still running: {left:?}");
        let own = format!("swarmlet-demo-{}-", self.lab.id());
        let names = fs::read_dir(std::env::temp_dir()).expect("a folder").flatten();
        let left =
            names.map(|entry| entry.file_name()).find(|n| n.to_string_lossy().starts_with(&own));
        assert_eq!(left, None);
    }
}

/// A test that fails leaves no process either: killed, the lab could not end its peers.
impl Drop for Demo {
    fn drop(&mut self) {
        if self.lab.is_running() {
            self.lab.signal("TERM");
            let deadline = Instant::now() + SOON;
            while self.lab.is_running() && Instant::now() < deadline {
                pass(Duration::from_millis(20));
            }
        }
    }
}

/// Waits for an event of a swarm; SEEN is longer than one event's patience.
fn wait(swarm: &mut Watch, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    until(what, SEEN, || Some(swarm.wait("swarm")).filter(&is))
}

fn nodes(told: &Value) -> &[Value] {
    told["nodes"].as_array().expect("a list")
}

fn addresses(told: &Value) -> Vec<String> {
    let text = |node: &Value| node["addr"].as_str().expect("an address").to_owned();
    nodes(told).iter().map(text).collect()
}

fn node<'a>(told: &'a Value, addr: &str) -> Option<&'a Value> {
    nodes(told).iter().find(|node| node["addr"] == addr)
}

/// The links from one node: rate and standing.
fn links(told: &Value, from: &str) -> Vec<(u64, u64)> {
    let number = |value: &Value| value.as_u64().expect("a number");
    let addresses = addresses(told);
    let links = told["links"].as_array().expect("a list").iter();
    let own = links.filter(|link| addresses[number(&link[0]) as usize] == from);
    own.map(|link| (number(&link[2]), number(&link[3]))).collect()
}

fn rate(told: &Value, from: &str) -> u64 {
    links(told, from).iter().map(|(rate, _)| rate).sum()
}

/// One POST to `/control` over a socket of its own: the status and the words.
fn post(at: SocketAddr, host: &str, fields: &str, body: &str) -> (u16, String) {
    let head = format!("Host: {host}\r\n{fields}Content-Length: {}\r\n", body.len());
    ask(at, &format!("POST /control HTTP/1.1\r\n{head}\r\n{body}"))
}

fn ask(at: SocketAddr, request: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(at).expect("the lab listens");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    socket.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert!(!answer.to_lowercase().contains("access-control"), "{answer}");
    let (head, words) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, words.to_owned())
}

/// The processes that a process has started.
fn children(parent: u32) -> BTreeSet<u32> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The name in brackets may hold anything; the parent is the second word behind it.
        let behind = stat.rsplit(')').next().unwrap_or_default();
        behind.split_whitespace().nth(1) == Some(&parent.to_string())
    })
    .collect()
}

/// Whether a process is a peer of a show.
fn is_peer(id: u32) -> bool {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains("daemon\0--json")
}

#[test]
fn a_show_runs_until_everybody_has_everything_and_leaves_nothing_behind() {
    let _turn = alone();
    let scratch = Scratch::new("lab-show");
    let demo = Demo::start(&scratch, "--size 1M --seed-rate 0 --peer-rate 0");
    let mut swarm = demo.swarm(3);
    assert_eq!(children(demo.lab.id()).len(), 3);
    let whole = |told: &Value| nodes(told).iter().all(|node| node["progress"] == 1.0);
    let told = wait(&mut swarm, "everybody has everything", whole);
    assert_eq!((&told["name"], &told["size"]), (&"lecture.bin".into(), &1_000_000.into()));
    demo.wait_said(&["everybody has everything after ", "the show goes on until Ctrl-C"]);
    demo.lab.wait_stderr("that all are whole", SOON, |said| said.contains("everybody has"));
    drop(swarm);
    demo.end("INT", 0);
}

#[test]
fn a_show_may_listen_on_ipv6_and_on_all_addresses() {
    let _turn = alone();
    for listen in ["[::1]:0", "0.0.0.0:0"] {
        if listen.starts_with('[') && TcpListener::bind(listen).is_err() {
            not_run("a show over IPv6", "this machine has no ::1");
            continue;
        }
        let scratch = Scratch::new("lab-listen");
        let flags = format!("--size 300k --seed-rate 0 --peer-rate 0 --listen {listen}");
        let demo = Demo::start(&scratch, &flags);
        demo.wait_said(&["everybody has everything"]);
        let told = demo.swarm(3).wait("swarm");
        let victim = &addresses(&told)[0];
        demo.order(&json!({ "action": "kill", "addr": victim }));
        demo.wait_said(&[victim, "is killed"]);
        demo.end("INT", 0);
    }
}

#[test]
fn who_is_limited_free_rides_comes_or_is_killed_is_seen_to_be() {
    let _turn = alone();
    let scratch = Scratch::new("lab-controls");
    let demo = Demo::start(&scratch, "--size 60M --seed-rate 2M --peer-rate 300k");
    let mut swarm = demo.swarm(3);
    let told = wait(&mut swarm, "somebody seeds", |told| {
        nodes(told).iter().any(|node| node["progress"] == 1.0)
    });
    let seeds = |node: &&Value| node["progress"] == 1.0;
    let seeder = nodes(&told).iter().find(seeds).expect("it was seen")["addr"].clone();
    let seeder = seeder.as_str().expect("an address");
    let leechers = addresses(&told).into_iter().filter(|addr| addr != seeder);
    let [rider, victim] = leechers.collect::<Vec<_>>().try_into().expect("two fetch");

    wait(&mut swarm, "the seeder is quick", |told| rate(told, seeder) > 600_000);
    demo.order(&json!({ "action": "limit", "addr": seeder, "rate": 100_000 }));
    demo.wait_said(&[seeder, "(seeder) sends at most 100 kB/s"]);
    wait(&mut swarm, "the limit holds", |told| (1..200_000).contains(&rate(told, seeder)));

    demo.order(&json!({ "action": "free-rider", "addr": rider }));
    demo.wait_said(&[&rider, "is a free rider: it serves nobody"]);
    let back = |told: &Value| {
        let node = node(told, &rider);
        node.is_some_and(|node| node["serves"] == 0 && node["progress"].as_f64() > Some(0.0))
    };
    wait(&mut swarm, "it goes on with what it has", back);
    for _ in 0..3 {
        let told = swarm.wait("swarm");
        let served = links(&told, &rider).into_iter().filter(|(_, standing)| *standing > 0);
        assert_eq!(served.count(), 0, "a free rider serves nobody: {told}");
    }

    demo.order(&json!({ "action": "add", "addr": null }));
    demo.wait_said(&["peer 3 is added"]);
    wait(&mut swarm, "the new peer is there", |told| addresses(told).len() == 4);

    let before = children(demo.lab.id());
    demo.order(&json!({ "action": "kill", "addr": victim }));
    demo.wait_said(&[&victim, "is killed, without a goodbye"]);
    wait(&mut swarm, "who was killed is missed", |told| node(told, &victim).is_none());
    let after = children(demo.lab.id());
    assert!(after.is_subset(&before) && after.len() + 1 == before.len(), "{before:?} {after:?}");

    demo.order(&json!({ "action": "kill", "addr": victim }));
    demo.wait_said(&[&format!("not done: no peer listens at {victim}")]);
    drop(swarm);
    demo.end("TERM", 0);
}

#[test]
fn strangers_order_nothing() {
    let _turn = alone();
    let scratch = Scratch::new("lab-strangers");
    let demo = Demo::start(&scratch, "--size 1M --seed-rate 0 --peer-rate 0");
    demo.wait_said(&["everybody has everything"]);
    let (before, said) = (children(demo.lab.id()), demo.said());
    let (at, host) = (demo.at, demo.at.to_string());
    let add = r#"{"action":"add"}"#;
    let token = format!("X-Token: {}\r\n", demo.token);
    let check = |host: &str, fields: &str, body: &str, status: u16, begins: &str| {
        let (got, words) = post(at, host, fields, body);
        assert_eq!(got, status, "{host} {fields} {body:.40}: {words}");
        assert!(words.starts_with(begins), "{words}");
    };
    check(&host, "", add, 403, "the token is wrong");
    check(&host, "X-Token: 0123\r\n", add, 403, "the token is wrong");
    check(&host, &format!("{token}Origin: http://evil.test\r\n"), add, 403, "a page of somebody");
    check(&host, &format!("{token}Origin: null\r\n"), add, 403, "a page of somebody");
    check(&host, &format!("{token}Sec-Fetch-Site: cross-site\r\n"), add, 403, "a page of somebody");
    check("evil.test", &token, add, 421, "this tracker is not called that");
    check(&format!("evil.test:{}", at.port()), &token, add, 421, "this tracker is not called that");
    check(&host, &token, &format!("{add:1025}"), 413, "the body is too long");
    check(&host, &token, &" ".repeat(200_000), 413, "the body is too long");
    check(&host, &token, r#"{"action":"exec"}"#, 400, "there is no such action");
    check(&host, &token, r#"{"action":"add","path":"/"}"#, 400, "the body is no order");
    check(&host, &token, "action=add", 400, "the body is no order");
    let get = format!("GET /control HTTP/1.1\r\nHost: {host}\r\n{token}Connection: close\r\n\r\n");
    assert_eq!(ask(at, &get).0, 404);
    assert_eq!(ask(at, &format!("OPTIONS /control HTTP/1.1\r\nHost: {host}\r\n\r\n")).0, 405);
    assert_eq!(children(demo.lab.id()), before);
    assert_eq!(demo.said(), said);
    demo.end("INT", 0);
}

#[test]
fn a_tracker_without_a_lab_has_no_controls() {
    let _turn = alone();
    let tracker = tracker("--dashboard");
    let state = Watch::open(tracker.address, "/live").wait("state");
    assert_eq!(state.get("controls"), None);
    let host = tracker.address.to_string();
    let (status, words) = post(tracker.address, &host, "", r#"{"action":"add"}"#);
    assert_eq!((status, words.as_str()), (404, "no lab is steered here\n"));
}

#[test]
fn a_peer_that_dies_by_itself_is_named_and_the_show_goes_on() {
    let _turn = alone();
    let scratch = Scratch::new("lab-death");
    let mut demo = Demo::start(&scratch, "-q --size 1M --seed-rate 0 --peer-rate 0");
    demo.wait_said(&["everybody has everything"]);
    let all = children(demo.lab.id());
    let victim = all.iter().next().expect("a child");
    let kill = std::process::Command::new("sh").args(["-c", &format!("kill -9 {victim}")]).status();
    assert!(kill.expect("a shell").success());
    demo.wait_said(&["ended by itself (signal 9)"]);
    // With -q that is all that is said.
    demo.lab.wait_stderr("who died", SOON, |said| said.contains("ended by itself (signal 9)"));
    assert_eq!(demo.lab.stderr().lines().count(), 1, "{}", demo.lab.stderr());
    assert!(demo.lab.is_running());
    demo.end("INT", 0);
}

#[test]
fn a_second_interrupt_leaves_nothing_behind_either() {
    let _turn = alone();
    let scratch = Scratch::new("lab-impatient");
    let mut demo = Demo::start(&scratch, "--size 1M");
    let all =
        until("all peers run", SOON, || Some(children(demo.lab.id())).filter(|all| all.len() == 3));
    demo.lab.signal("INT");
    demo.lab.signal("HUP");
    // Whichever is quicker: the goodbyes or the second signal.
    let code = demo.lab.wait_exit(SOON);
    assert!([0, 130].contains(&code), "{code}");
    until("nobody is left", SOON, || all.iter().all(|&id| !is_peer(id)).then_some(()));
    demo.leaves_nothing(&all);
}

#[test]
fn a_folder_that_is_named_keeps_the_files_and_the_logs() {
    let _turn = alone();
    let scratch = Scratch::new("lab-dir");
    let demo = Demo::start(&scratch, "--size 300k --seed-rate 0 --peer-rate 0 --dir show");
    demo.wait_said(&["everybody has everything"]);
    demo.end("INT", 0);
    let show = scratch.path().join("show");
    let original = fs::read(show.join("lecture.bin")).expect("the file");
    assert_eq!(original.len(), 300_000);
    for peer in ["peer-1", "peer-2"] {
        assert!(fs::read(show.join(peer).join("lecture.bin")).expect("a copy") == original);
        assert!(show.join(peer).join("log").exists());
    }
    fails(&scratch, "demo --dir show --listen 127.0.0.1:0", 8);
}

/// A command line that ends at once with this code, and one line that says why.
fn fails(scratch: &Scratch, line: &str, code: i32) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut lab = Process::start("lab", LAB, &words, scratch.path());
    lab.expect_exit(code, SOON);
    assert_eq!(lab.stderr().lines().count(), 1, "{line}: {}", lab.stderr());
    assert!(lab.plain().is_empty(), "{line}: {:?}", lab.plain());
    assert!(!Path::new(scratch.path()).join("lecture.bin").exists());
}

#[test]
fn each_mistake_ends_with_its_code() {
    let _turn = alone();
    let scratch = Scratch::new("lab-codes");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it has one");
    fails(&scratch, &format!("demo --listen {address}"), 9);
    for line in ["demo --size 0", "demo --size many", "demo --peers 0", "demo --peers 51", "dmeo"] {
        fails(&scratch, line, 2);
    }
    scratch.file("full/file", 1, 1);
    fails(&scratch, "demo --listen 127.0.0.1:0 --dir full", 8);
    fails(&scratch, "demo --listen 127.0.0.1:0 --size 900000G", 8);
}
