//! Watchers and their bounds, over real sockets and at moments that the tests choose.

use super::watchers::{MOST_WAITING, SHOWN_A_TURN};
use super::*;
use crate::protocol::frame::Bin;
use crate::protocol::tracker_native::{Message, Register, hello};
use crate::tracker::TrackerOptions;
use crate::tracker::controls::Controls;
use crate::tracker::live::MOST_WATCHERS;
use socket2::{Domain, Socket, Type};
use std::time::Instant;

/// A tracker's TCP side without its loop.
struct Side {
    readiness: Readiness,
    streams: Streams,
    state: State,
    address: SocketAddr,
    scratch: Vec<u8>,
}

impl Side {
    fn new() -> Self {
        let readiness = Readiness::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = readiness.watch(listener, 1, Interest::Read).unwrap();
        let expire = Duration::from_hours(1);
        let options = TrackerOptions {
            listen: address,
            dashboard: true,
            expire,
            ..TrackerOptions::default()
        };
        Self {
            readiness,
            streams: Streams::new(listener),
            state: State::new(options),
            address,
            scratch: vec![0; 64 * 1024],
        }
    }

    /// One turn at this moment, once a socket is ready or at once.
    fn turn(&mut self, now: Moment) {
        let mut ready = Vec::new();
        self.readiness.wait(&mut ready, Some(Duration::from_millis(5))).unwrap();
        for &key in ready.iter().filter(|&&key| key >= FIRST_STREAM_KEY) {
            self.streams.on_ready(now, key - FIRST_STREAM_KEY, &mut self.state, &mut self.scratch);
        }
        self.streams.on_callers(now, &self.readiness, &mut self.state);
        self.streams.on_tick(now, &mut self.state);
        self.streams.show(now, &mut self.state);
        self.state.on_tick(now, 100);
    }

    /// Turns at this moment until something holds.
    fn turns_until(&mut self, now: Moment, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds(self) {
            assert!(Instant::now() < end, "{what}: never");
            self.turn(now);
        }
    }

    /// Whoever asks for this.
    fn caller(&self, target: &str) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let mut stream: TcpStream = socket.into();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream
    }

    fn watchers(&self) -> usize {
        self.streams.slots.iter().flatten().filter(|one| one.watches.is_some()).count()
    }

    /// Fills the first page with contents of long names.
    fn fill(&mut self) {
        for n in 0..100 {
            let from = SocketAddr::from(([10, 0, 0, n], 4000));
            let mut ask = |bytes: &[u8]| {
                let mut out = Vec::new();
                self.state.on_datagram(Moment::START, from, bytes, &mut out);
                Packet::from_datagram(&out).unwrap().message
            };
            let Message::Cookie(granted) = ask(&hello(1)) else { panic!("a cookie") };
            let register = Register {
                seq: 1,
                cookie: granted.cookie,
                info_hash: Bin([n; 32]),
                peer_id: Bin([1; 20]),
                port: 6881,
                name: "\u{1}".repeat(255), // six bytes each, escaped
                size: 1,
                pieces: 1,
                left: 0,
                uploaded: 0,
                downloaded: 0,
                bittorrent: false,
            };
            assert!(matches!(ask(&Packet::bare(register).datagram()), Message::Ack(_)));
        }
    }
}

fn at(secs: u64) -> Moment {
    Moment::after(Duration::from_secs(secs))
}

/// The status line of an answer that ends.
fn status(side: &mut Side, caller: &TcpStream) -> String {
    caller.set_nonblocking(true).unwrap();
    let mut heard = Vec::new();
    let mut block = [0; 4096];
    side.turns_until(at(0), "an answer", |_| {
        let mut caller = caller;
        match caller.read(&mut block) {
            Ok(n) => heard.extend_from_slice(&block[..n]),
            Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
        }
        heard.windows(2).any(|end| end == b"\r\n")
    });
    let _ = caller.shutdown(Shutdown::Both);
    String::from_utf8(heard).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn a_watcher_that_reads_nothing_keeps_a_bounded_amount_waiting_and_is_closed() {
    let mut side = Side::new();
    side.fill();
    let idle = side.caller("/live");
    side.turns_until(at(0), "it watches", |side| side.watchers() == 1);
    let waiting = |watcher: &Connection| watcher.output.len() - watcher.sent;
    let (mut second, mut full_since) = (0, None);
    while side.watchers() == 1 {
        second += 1;
        assert!(second < 1000, "the system takes no end of events");
        side.turn(at(second));
        let Some(waiting) = side.streams.slots.iter().flatten().next().map(waiting) else { break };
        assert!(waiting <= MOST_WAITING + 200_000, "one event more at most: {waiting}");
        if waiting > MOST_WAITING {
            let (since, full) = full_since.get_or_insert((second, waiting));
            assert!(waiting <= *full, "nothing is added meanwhile: {waiting}, was {full}");
            if waiting < *full {
                (*since, *full) = (second, waiting); // the system had room for some more
            }
            assert!(second - *since < 10, "it is closed ten seconds after it took something");
        }
    }
    assert!(full_since.is_some() && side.streams.open() == 0);
    assert!(side.state.deadline().is_none_or(|due| due > at(second)), "nobody watches");
    drop(idle);
}

#[test]
fn no_more_watch_than_may_and_whoever_hangs_up_makes_room() {
    let mut side = Side::new();
    let mut callers: Vec<_> = (0..MOST_WATCHERS).map(|_| side.caller("/live")).collect();
    side.turns_until(at(0), "all watch", |side| side.watchers() == MOST_WATCHERS);
    let late = side.caller("/live");
    assert_eq!(status(&mut side, &late), "HTTP/1.1 503 Service Unavailable");
    callers.pop();
    side.turns_until(at(0), "one is gone", |side| side.watchers() == MOST_WATCHERS - 1);
    let late = side.caller("/live");
    assert_eq!(status(&mut side, &late), "HTTP/1.1 200 OK");
}

#[test]
fn an_event_goes_to_a_few_watchers_in_each_turn_and_to_all_within_some() {
    let mut side = Side::new();
    let callers: Vec<_> = (0..10).map(|_| side.caller("/live")).collect();
    side.turns_until(at(0), "all watch", |side| side.watchers() == callers.len());
    side.turns_until(at(0), "all were told", |side| side.streams.showing.is_none());
    side.turn(at(1));
    let made = side.streams.showing.as_ref().map(|(_, next)| *next);
    assert_eq!(made, Some(0), "making it was enough for one turn");
    side.turn(at(1));
    let (_, next) = side.streams.showing.as_ref().expect("some wait for the next turn");
    assert!(*next >= SHOWN_A_TURN && side.streams.deadline() == Some(Moment::START));
    side.turns_until(at(1), "all were told", |side| side.streams.showing.is_none());
    drop(callers);
}

#[test]
fn an_order_is_given_a_frame_s_time_to_come_however_it_dribbles_in() {
    let mut side = Side::new();
    let (orders, received) = crossbeam_channel::bounded(1);
    let controls = Controls { token: "t0".into(), actions: &["add"], orders };
    let _sayings = side.state.steer(controls);
    let mut slow = TcpStream::connect(side.address).unwrap();
    slow.write_all(b"POST /control HTTP/1.1\r\nHost: localhost\r\nX-Token: t0\r\n").unwrap();
    side.turns_until(at(0), "it is read", |side| {
        side.streams.slots.iter().flatten().any(|one| !one.input.is_empty())
    });
    slow.write_all(b"Content-Length: 16\r\n\r\n{\"action\"").unwrap();
    side.turns_until(at(4), "more is read", |side| {
        side.streams.slots.iter().flatten().any(|one| one.input.ends_with(b"\"action\""))
    });
    side.turn(at(5));
    assert_eq!(side.streams.open(), 0, "five seconds are over, whatever came meanwhile");
    assert!(received.is_empty());
}
