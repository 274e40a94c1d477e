//! Crowds that do nothing sensible, against the real programs: openings that never end, thousands of
//! connections, readers that read nothing, addresses where nobody is.
//!
//! What is measured is bounded generously where many tests run at once; `scripts/faults/hostile.sh`
//! raises the counts by environment variables, tightens the bounds and prints the figures.

use crate::harness::bittorrent::{BtPeer, any_id, message};
use crate::harness::crowd::{CloseWaits, Crowd, Manner, narrow_from, stranger};
use crate::harness::hostile::{Caller, Content};
use crate::harness::process::say;
use crate::harness::programs::{Listening, create, leecher, quick_tracker, seeder};
use crate::harness::scratch::{Scratch, assert_same};
use crate::harness::{DOWNLOAD, SOON, alone, count, pass, until};
use crossbeam_channel::{TryRecvError, bounded};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::spawn;
use std::time::{Duration, Instant};
use swarmlet::ids::{PeerId, PieceIndex, Span};
use swarmlet::protocol::frame::PEER_MAGIC;
use swarmlet::protocol::handshake::Reserved;
use swarmlet::protocol::message::{Hello, Message, VERSION};

const MIB: u64 = 1024 * 1024;

const PIECE: u32 = 65536;

/// What a program may cost beside its connections.
const GROWTH: u64 = 8 * MIB;

/// What a connection may cost.
const PER_CONNECTION: u64 = 64 * 1024;

/// A file in memory, its .torrent, a tracker, a seeder.
struct Stage {
    scratch: Scratch,
    file: PathBuf,
    torrent: PathBuf,
    content: Arc<Content>,
    tracker: Listening,
    victim: Listening,
}

impl Stage {
    fn new(name: &str, length: u64, flags: &str) -> Self {
        let scratch = Scratch::in_memory(name, 10 * length);
        let file = scratch.file("src/film.bin", length as usize, 5);
        let torrent = scratch.at("film.torrent");
        create(&file, &torrent, "-s 64KiB");
        let content = Content::of(&file, PIECE);
        let tracker = quick_tracker();
        let flags = format!("--piece-length 64KiB {flags}");
        let victim = seeder("victim", tracker.address, &file, &flags);
        Self { scratch, file, torrent, content, tracker, victim }
    }

    /// Somebody honest fetches it; how long that takes.
    fn fetch(&self, name: &str, flags: &str) -> Duration {
        let what = self.torrent.to_str().expect("UTF-8");
        let out = self.scratch.folder(name);
        let flags = format!("--seed-time 0 --peer {} {flags}", self.victim.address);
        let start = Instant::now();
        let mut user = leecher(name, self.tracker.address, what, &out, &flags);
        user.wait_for("done", DOWNLOAD);
        let took = start.elapsed();
        assert_same(&self.file, &out.join("film.bin"));
        user.expect_exit(0, SOON);
        std::fs::remove_dir_all(&out).expect("its folder");
        took
    }

    /// What a native peer says that has nothing and wants everything.
    fn greeting(&self) -> impl Fn(usize) -> Vec<u8> + Send + use<> {
        let info_hash = self.content.info_hash;
        move |n| {
            let mut id = [b'n'; 20];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            let (peer_id, features) = (PeerId(id), Vec::new());
            let mut opening = PEER_MAGIC.to_vec();
            Message::Hello(Hello { version: VERSION, info_hash, peer_id, port: 0, features })
                .put(&mut opening);
            Message::HaveNone.put(&mut opening);
            Message::Interested.put(&mut opening);
            opening
        }
    }
}

/// Openings of one byte in five seconds, in either dialect, and of nothing at all.
#[test]
fn openings_that_never_end_are_cut_off_and_others_are_served_meanwhile() {
    let _turn = alone();
    let stage = Stage::new("slowloris", 4 * MIB, "");
    let callers = count("HOSTILE_SLOW", 100);
    let clean = stage.fetch("clean", "");
    let (watch, close_waits) = (stage.victim.watch(), CloseWaits::watch(stage.victim.id()));
    let openings = [&b"SWP1\0\0\0\x60"[..], b"", b"\x13BitTorrent protocol\0\0"];
    let opening = move |n: usize| openings[n % openings.len()].to_vec();
    let crowd = Crowd::call(
        stage.victim.address,
        callers,
        Manner {
            from: |n| stranger(1, n),
            opening: Box::new(opening),
            drip: Some((Duration::from_secs(5), 0x10)),
        },
    );
    let beside = stage.fetch("beside", "");
    until("all are cut off", SOON, || (crowd.ended() == callers).then_some(()));
    let longest = crowd.end().into_iter().max().unwrap_or_default();
    pass(Duration::from_millis(600)); // the watch looks once more
    let (waits, most) = (close_waits.longest(), watch.most());
    say(&format!(
        "{callers} slow openings, the longest {longest:?}; clean {clean:?}, beside {beside:?}; \
         CLOSE_WAIT {waits:?}; {most:?}"
    ));
    assert!(longest < Duration::from_secs(12), "one lasted {longest:?}");
    assert!(waits < Duration::from_secs(5), "CLOSE_WAIT for {waits:?}");
    assert!(beside < clean * 3 + Duration::from_secs(2), "clean {clean:?}, beside {beside:?}");
}

/// Callers that say nothing, from forty addresses.
#[test]
fn a_flood_of_callers_costs_little_and_somebody_honest_is_served() {
    let _turn = alone();
    let stage = Stage::new("flood", MIB, "");
    let callers = count("HOSTILE_FLOOD", 2000);
    stage.fetch("before", ""); // its buffers are there from here on
    let base = stage.victim.usage();
    let (watch, close_waits) = (stage.victim.watch(), CloseWaits::watch(stage.victim.id()));
    let start = Instant::now();
    let silent =
        Manner { from: |n| stranger(2, n % 40), opening: Box::new(|_| Vec::new()), drip: None };
    let crowd = Crowd::call(stage.victim.address, callers, silent);
    until("half of them have called", DOWNLOAD, || (crowd.called() > callers / 2).then_some(()));
    let beside = stage.fetch("beside", "");
    until("all have called", DOWNLOAD, || (crowd.called() == callers).then_some(()));
    let (flood, most) = (start.elapsed(), watch.most());
    let waits = close_waits.longest();
    drop(crowd);
    let quiet = until("it is quiet again", SOON, || {
        let (before, start) = (stage.victim.usage().cpu, Instant::now());
        pass(Duration::from_millis(500));
        let spent = stage.victim.usage().cpu.saturating_sub(before);
        (spent * 20 < start.elapsed()).then_some(spent)
    });
    let growth = most.memory.saturating_sub(base.memory);
    say(&format!(
        "{callers} callers in {flood:?}: {growth} bytes, {} threads, {} descriptors; somebody \
         honest was served in {beside:?}; CLOSE_WAIT {waits:?}; then {quiet:?} of half a second",
        most.threads, most.descriptors
    ));
    // Sixty-four may be in their opening; many more are on their way out where others use the
    // processor as well.
    assert!(most.threads < base.threads + 500, "{base:?} before, {most:?}");
    assert!(most.descriptors < base.descriptors + 500, "{base:?} before, {most:?}");
    assert!(growth < GROWTH + 500 * PER_CONNECTION, "{base:?} before, {most:?}");
    assert!(waits < Duration::from_secs(5), "CLOSE_WAIT for {waits:?}");
    assert!(beside < Duration::from_secs(10), "somebody honest waited {beside:?}");
}

/// Callers from one network that know the content, want everything and take nothing fill all places
/// of a seeder. Somebody from elsewhere comes in all the same.
#[test]
fn a_crowd_that_fills_all_places_keeps_nobody_from_elsewhere_out() {
    let _turn = alone();
    let places = count("HOSTILE_PLACES", 40);
    // Half of them are served, as far as we are concerned; turns take two seconds.
    let slots = places / 2;
    let flags = format!("--max-peers {places} --upload-slots {slots} --time-scale 30 -v");
    let stage = Stage::new("places", MIB, &flags);
    let (watch, base) = (stage.victim.watch(), stage.victim.usage());
    let greeting = Box::new(stage.greeting());
    let manner = Manner { from: |n| stranger(3, n), opening: greeting, drip: None };
    let crowd = Crowd::call(stage.victim.address, places * 3 / 2, manner);
    until("all places are taken", SOON, || (crowd.ended() >= places / 2).then_some(()));
    let beside = stage.fetch("beside", "");
    let most = watch.most();
    let growth = most.memory.saturating_sub(base.memory);
    say(&format!("beside {places} who fill all places: {beside:?}, {growth} bytes, {most:?}"));
    let log = stage.victim.stderr();
    assert!(log.contains("many are here from its network"), "nobody made way");
    drop(crowd);
    assert!(beside < Duration::from_secs(10), "somebody honest waited {beside:?}");
    let limit = GROWTH + (places as u64 + 8) * PER_CONNECTION;
    assert!(growth < limit, "{base:?} before, {most:?}");
}

/// Forty that ask for sixteen blocks each and read nothing, ten for each thread that uploads.
fn check_readers<R>(name: &str, reader: impl Fn(&Stage) -> R) {
    let _turn = alone();
    let stage = Stage::new(name, 16 * MIB, "--upload-slots 60");
    let (mut clean, mut beside) = (Vec::new(), Vec::new());
    let base = stage.victim.usage();
    let watch = stage.victim.watch();
    for _ in 0..count("HOSTILE_BEST_OF", 1) {
        clean.push(stage.fetch("clean", ""));
        let readers: Vec<R> = (0..40).map(|_| reader(&stage)).collect();
        beside.push(stage.fetch("beside", ""));
        drop(readers);
    }
    let most = watch.most();
    let (clean, beside) = (clean.iter().min().expect("one"), beside.iter().min().expect("one"));
    say(&format!("clean {clean:?}, beside forty stalled readers {beside:?}, {most:?}"));
    let loss = count("HOSTILE_LOSS", 100) as u32;
    let most_time = *clean + *clean * loss / 100 + Duration::from_millis(10 * u64::from(loss));
    assert!(*beside < most_time, "clean {clean:?}, beside them {beside:?}");
    assert!(most.memory < base.memory + 2 * GROWTH, "{base:?} before, {most:?}");
    if count("HOSTILE_LONG", 0) > 0 {
        let readers: Vec<R> = (0..40).map(|_| reader(&stage)).collect();
        let start = Instant::now();
        let gone = until("all are let go", Duration::from_mins(1), || {
            // One or two of its own may have come since it began.
            (stage.victim.usage().descriptors < base.descriptors + 5).then(|| start.elapsed())
        });
        say(&format!("forty readers that take nothing were let go after {gone:?}"));
        assert!(gone < Duration::from_secs(36), "they were let go after {gone:?}");
        drop(readers);
    }
}

#[test]
fn forty_stalled_readers_do_not_slow_an_honest_leecher() {
    check_readers("readers", |stage| {
        let caller = Caller::connect_narrow(stage.victim.address).expect("it listens");
        let mut caller = caller.into_interested(stage.content.info_hash).expect("it greets");
        caller.expect(|m| (*m == Message::Unchoke).then_some(())).expect("a slot is free");
        for piece in 0..16 {
            let span = Span { piece: PieceIndex(piece), offset: 0, length: PIECE };
            caller.say(&Message::Get(span)).expect("sent");
        }
        caller
    });
}

#[test]
fn forty_stalled_readers_in_bittorrent_do_not_either() {
    check_readers("bt-readers", |stage| {
        let v1 = stage.content.meta.info_hash_v1.expect("it is hybrid");
        let mut caller = BtPeer::greeted(stage.victim.address, v1).expect("it listens");
        caller.say(&Message::HaveNone).expect("said");
        caller.say(&Message::Interested).expect("said");
        caller.expect(1).expect("a slot is free");
        for n in 0..256_u32 {
            let numbers = [n / 4, n % 4 * 16384, 16384].map(u32::to_be_bytes);
            caller.send(&message(6, numbers.as_flattened())).expect("sent");
        }
        caller
    });
}

/// Ten for two slots, or as many as are said for a tenth of that: each waits for a slot, asks for
/// everything and reads nothing of it; one in three calls again three seconds later, the others when
/// they are let go. Somebody honest comes last.
fn check_returning<R: Send>(
    name: &str,
    wait: impl Fn(TcpStream, &Content) -> io::Result<R> + Copy + Send + 'static,
    ask: impl Fn(&mut R, &Content) -> io::Result<()> + Copy + Send + 'static,
) {
    let _turn = alone();
    let readers = count("HOSTILE_READERS", 10);
    let slots = (readers / 10).max(2);
    let stage = Stage::new(name, 4 * MIB, &format!("--upload-slots {slots}"));
    let (came, served) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (stop, stopped) = bounded::<()>(0);
    let start = |n| {
        let (address, content) = (stage.victim.address, stage.content.clone());
        let (stopped, came, served) = (stopped.clone(), came.clone(), served.clone());
        spawn(move || {
            while stopped.try_recv() != Err(TryRecvError::Disconnected) {
                let reader = narrow_from(stranger(9, n), address).and_then(|s| wait(s, &content));
                let Ok(mut reader) = reader else { continue };
                came.fetch_add(1, Ordering::Relaxed);
                let is_late = |e: &io::Error| e.kind() == io::ErrorKind::WouldBlock;
                let mut asked = ask(&mut reader, &content);
                while asked.as_ref().is_err_and(is_late) {
                    asked = ask(&mut reader, &content); // it has no slot yet, and waits on
                }
                if asked.is_ok() {
                    served.fetch_add(1, Ordering::Relaxed);
                    let stays = if n % 3 == 0 { 3 } else { 30 };
                    let _ = stopped.recv_timeout(Duration::from_secs(stays));
                }
            }
        })
    };
    let threads: Vec<_> = (0..readers).map(start).collect();
    let counted = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    let all = || (counted(&came) >= readers && counted(&served) >= slots).then_some(());
    until("all wait, and have all slots", SOON, all);
    let took = stage.fetch("honest", "");
    let had = counted(&served);
    say(&format!("beside {readers} for {slots} slots, who had {had} of them: {took:?}"));
    drop(stop);
    drop(stage); // whoever waits for a slot hears that the seeder is gone
    threads.into_iter().for_each(|thread| thread.join().expect("a reader does not panic"));
    assert!(took < Duration::from_secs(20), "somebody honest waited {took:?}");
}

#[test]
fn readers_that_call_again_and_again_leave_a_slot_to_who_reads() {
    check_returning(
        "returning",
        |stream, content| Caller::over(stream)?.into_interested(content.info_hash),
        |caller, content| {
            caller.expect(|m| (*m == Message::Unchoke).then_some(()))?;
            (0..content.pieces).map(PieceIndex).try_for_each(|piece| {
                caller.say(&Message::Get(Span { piece, offset: 0, length: PIECE }))
            })
        },
    );
}

#[test]
fn readers_that_call_again_and_again_in_bittorrent_do_so_too() {
    check_returning(
        "bt-returning",
        |stream, content| {
            let mut caller = BtPeer::over(stream)?;
            let v1 = content.meta.info_hash_v1.expect("it is hybrid");
            caller.shake_hands(Reserved::ours(), v1, any_id())?;
            caller.say_all(&[Message::HaveNone, Message::Interested])?;
            Ok(caller)
        },
        |caller, content| {
            caller.expect(1)?;
            (0..4 * content.pieces).try_for_each(|n| {
                let numbers = [n / 4, n % 4 * 16384, 16384].map(u32::to_be_bytes);
                caller.send(&message(6, numbers.as_flattened()))
            })
        },
    );
}

/// A listener that takes no calls: who dials waits until it gives up.
struct Silent {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Silent {
    fn start(n: usize) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&SocketAddr::new(stranger(4, n), 0).into()).expect("a port");
        socket.listen(0).expect("it listens");
        let listener: TcpListener = socket.into();
        let address = listener.local_addr().expect("it listens");
        let call = |_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let waiting = (0..4).filter_map(call).collect();
        Self { listener, _waiting: waiting }
    }
}

/// Five hundred addresses where nobody is, eight of which do not even refuse, and one seeder behind
/// them all.
#[test]
fn five_hundred_dead_addresses_do_not_keep_a_live_one_waiting() {
    let _turn = alone();
    let stage = Stage::new("dead", MIB, "");
    let silent: Vec<_> = (0..8).map(Silent::start).collect();
    let silent = silent.iter().map(|s| s.listener.local_addr().expect("it listens"));
    // Port 9 throws away what it hears, where it is there at all.
    let closed = (0..492).map(|n| SocketAddr::new(stranger((5 + n / 250) as u8, n), 9));
    let dead: Vec<_> = silent.chain(closed).map(|at| format!(" --peer {at}")).collect();
    let dead = dead.concat();
    let what = stage.torrent.to_str().expect("UTF-8");
    let out = stage.scratch.folder("out");
    let nowhere = SocketAddr::from((Ipv4Addr::new(127, 77, 7, 1), 9));
    let flags = format!("--seed-time 0{dead} --peer {}", stage.victim.address);
    let start = Instant::now();
    let mut user = leecher("user", nowhere, what, &out, &flags);
    user.wait_for("done", Duration::from_secs(30));
    say(&format!("behind 500 dead addresses: {:?}", start.elapsed()));
    assert_same(&stage.file, &out.join("film.bin"));
    user.expect_exit(0, SOON);
}
