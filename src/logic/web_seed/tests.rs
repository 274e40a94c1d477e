//! The rules of web seeds.

use super::{Answer, Ask, LONGEST_RUN, Pace, Trouble, asks_of, is_usable, judge, reach_of, url_of};
use crate::clock::Moment;
use crate::ids::{PieceIndex, Span};
use crate::logic::reach::Reach;
use crate::metainfo::Metainfo;
use crate::metainfo::build::{BuildOptions, build};
use crate::metainfo::draft::{Draft, DraftFile, Version};
use crate::protocol::url::Url;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// A v1 torrent, whose pieces go over the ends of files.
fn meta(single_file: bool, files: &[(&[&str], u64)]) -> Metainfo {
    let file = |&(path, length): &(&[&str], u64)| DraftFile {
        path: path.iter().map(|&part| part.to_owned()).collect(),
        length,
        root: None,
        layer: Vec::new(),
    };
    let pieces = files.iter().map(|file| file.1).sum::<u64>().div_ceil(32768);
    let draft = Draft {
        name: if single_file { files[0].0[0] } else { "my folder" }.to_owned(),
        version: Version::V1,
        piece_length: 32768,
        single_file,
        files: files.iter().map(file).collect(),
        v1_pieces: vec![[0; 20]; pieces as usize],
    };
    build(&draft, &BuildOptions::default()).unwrap()
}

fn pieces(from: u32, to: u32) -> Vec<Span> {
    let whole = |piece| Span { piece: PieceIndex(piece), offset: 0, length: 32768 };
    (from..to).map(whole).collect()
}

fn ask(entry: usize, first: u64, length: u64) -> Ask {
    Ask { entry: Some(entry), first, length }
}

#[test]
fn a_run_of_pieces_is_one_range_of_each_file_it_touches() {
    let meta = meta(false, &[(&["a"], 100_000), (&["b"], 10), (&["c"], 80_000)]);
    assert_eq!(asks_of(&meta, &pieces(0, 2)), [ask(0, 0, 65536)]);
    let over = [ask(0, 65536, 34464), ask(1, 0, 10), ask(2, 0, 31062)];
    assert_eq!(asks_of(&meta, &pieces(2, 4)), over);
    assert_eq!(ask(2, 5, 10).range(), (5, 14));
    let end = Span { piece: PieceIndex(5), offset: 0, length: 16170 };
    assert_eq!(asks_of(&meta, &[end]), [ask(2, 63830, 16170)]);
}

#[test]
fn pads_are_zeros_that_nobody_is_asked_for() {
    let info =
        b"d5:filesld6:lengthi30000e4:pathl1:aeed4:attr1:p6:lengthi2768e4:pathl4:.pad4:2768ee\
        d6:lengthi5e4:pathl1:beee4:name1:t12:piece lengthi32768e6:pieces40:\
        0123456789012345678901234567890123456789e";
    let meta = Metainfo::from_info(info).unwrap();
    let zeros = Ask { entry: None, first: 0, length: 2768 };
    let last = Span { piece: PieceIndex(1), offset: 0, length: 5 };
    let run = [pieces(0, 1)[0], last];
    assert_eq!(asks_of(&meta, &run), [ask(0, 0, 30_000), zeros, ask(2, 0, 5)]);
}

#[test]
fn a_single_file_is_the_url_or_stands_in_it() {
    let meta = meta(true, &[(&["näme 1.bin"], 5)]);
    let at = |base| url_of(base, &meta, 0).unwrap();
    assert_eq!(at("http://h/any?x=1"), "http://h/any?x=1");
    assert_eq!(at("http://h/dir/"), "http://h/dir/n%C3%A4me%201.bin");
    assert_eq!(url_of("http://h/", &meta, 1), None);
}

#[test]
fn a_file_of_a_folder_stands_below_the_torrents_name() {
    let meta = meta(false, &[(&["a&b", "100%.txt"], 5), (&["c-d_e.f~"], 1)]);
    let entry = |name: &str| meta.files.iter().position(|f| f.path.ends_with(&[name.to_owned()]));
    let at = |base, name| url_of(base, &meta, entry(name).unwrap()).unwrap();
    for base in ["http://h/pub/", "http://h/pub"] {
        assert_eq!(at(base, "100%.txt"), "http://h/pub/my%20folder/a%26b/100%25.txt");
        assert_eq!(at(base, "c-d_e.f~"), "http://h/pub/my%20folder/c-d_e.f~");
    }
}

#[test]
fn other_schemes_than_http_are_passed_over() {
    for url in ["http://h/", "HTTPS://h", "https://h/a"] {
        assert!(is_usable(url), "{url}");
    }
    for url in ["ftp://h/", "h/a", "", "http:/h", "file:///etc/passwd"] {
        assert!(!is_usable(url), "{url}");
    }
}

#[test]
fn a_query_is_for_servers_outside_our_own_network() {
    let check = |url: &str, expected| {
        assert_eq!(reach_of(&Url::parse(url).unwrap()), expected, "{url}");
    };
    check("http://127.1:9091/rpc?method=torrent-add", Reach::Outside);
    check("https://mirror.example?file=/big.bin", Reach::Outside);
    check("http://127.0.0.1:8080/files/big.bin", Reach::Anywhere);
}

fn answer(status: u16, range: Option<(u64, u64)>, length: Option<u64>) -> Answer {
    Answer { status, range, length, retry_after: None }
}

#[test]
fn an_answer_is_the_range_or_the_file_from_its_start() {
    let (start, later) = (ask(0, 0, 100), ask(0, 50, 100));
    let cases = [
        (start, answer(206, Some((0, 99)), Some(100)), Ok(())),
        (later, answer(206, Some((50, 149)), None), Ok(())),
        (later, answer(206, Some((50, 160)), None), Ok(())),
        (later, answer(206, Some((50, 120)), Some(71)), Err(Trouble::OtherLength)),
        (later, answer(206, Some((0, 149)), None), Err(Trouble::NoRanges)),
        (later, answer(206, None, Some(100)), Err(Trouble::NoRanges)),
        (start, answer(200, None, Some(100)), Ok(())),
        (start, answer(200, None, Some(1 << 40)), Ok(())),
        (start, answer(200, None, None), Ok(())),
        (start, answer(200, None, Some(99)), Err(Trouble::OtherLength)),
        (later, answer(200, None, Some(1000)), Err(Trouble::NoRanges)),
        (later, answer(416, None, None), Err(Trouble::OtherLength)),
        (start, answer(404, None, None), Err(Trouble::Gone(404))),
        (start, answer(410, None, None), Err(Trouble::Gone(410))),
        (start, answer(403, None, None), Err(Trouble::Gone(403))),
        (start, answer(500, None, None), Err(Trouble::Status(500))),
        (start, answer(204, None, None), Err(Trouble::Status(204))),
    ];
    for (ask, answer, expected) in cases {
        assert_eq!(judge(&ask, &answer), expected, "{ask:?} {answer:?}");
    }
    let final_ones = [Trouble::Gone(404), Trouble::NoRanges, Trouble::OtherLength];
    assert!(final_ones.iter().all(Trouble::is_final));
    assert!(!Trouble::Status(500).is_final());
}

fn pace() -> Pace {
    Pace::new(MIB as u32, fastrand::Rng::with_seed(1))
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_run_grows_from_a_piece_to_eight_mebibytes_while_it_goes_well() {
    let mut pace = pace();
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(pace.next_run() / MIB);
        pace.on_run(secs(1), pace.next_run());
    }
    assert_eq!(runs, [1, 2, 4, 8, 8]);
    pace.on_run(secs(5), LONGEST_RUN);
    assert_eq!(pace.next_run(), LONGEST_RUN);
    pace.on_run(secs(11), LONGEST_RUN);
    assert_eq!(pace.next_run(), LONGEST_RUN / 2);
    pace.on_run(secs(1), 16384);
    assert_eq!(pace.next_run(), LONGEST_RUN / 2, "a short run says nothing about a long one");
    for _ in 0..9 {
        pace.on_run(secs(11), MIB);
    }
    assert_eq!(pace.next_run(), MIB, "never less than a piece");
}

#[test]
fn pauses_double_with_every_failure_and_differ_from_source_to_source() {
    let mut pace = pace();
    let mut now = Moment::START;
    let mut pauses = Vec::new();
    assert_eq!(pace.next_pause(now), Duration::ZERO);
    for _ in 0..12 {
        assert!(pace.on_trouble(now, &Trouble::Status(500), 0));
        let pause = pace.next_pause(now);
        pauses.push(pause);
        now = now + pause;
        assert_eq!(pace.next_pause(now), Duration::ZERO);
    }
    for (nth, pause) in pauses.iter().enumerate() {
        let middle = secs(5 << nth.min(10)).min(secs(600));
        assert!(*pause >= middle.mul_f64(0.75) && *pause <= middle.mul_f64(1.25), "{nth}");
    }
    let mut other = Pace::new(MIB as u32, fastrand::Rng::with_seed(2));
    other.on_trouble(Moment::START, &Trouble::Status(500), 0);
    assert_ne!(other.next_pause(Moment::START), pauses[0]);
}

#[test]
fn what_came_and_what_went_well_ends_a_row_of_failures() {
    for heal in [true, false] {
        let mut pace = pace();
        let now = Moment::START;
        pace.on_run(secs(1), MIB);
        (0..6).for_each(|_| assert!(pace.on_trouble(now, &Trouble::Broken("cut".into()), 0)));
        assert_eq!(pace.next_run(), MIB, "after trouble it is a piece again");
        if heal {
            pace.on_run(secs(1), MIB);
        }
        pace.on_trouble(now, &Trouble::Broken("late".into()), if heal { 0 } else { 5 });
        assert!(pace.next_pause(now) < secs(7));
    }
}

#[test]
fn a_busy_server_is_left_alone_as_long_as_it_wishes_but_not_forever() {
    let wish = |secs| Trouble::Busy { status: 503, retry_after: Some(Duration::from_secs(secs)) };
    let now = Moment::START;
    for (wished, least, most) in [(120, 120, 120), (0, 3, 7), (1 << 40, 3600, 3600)] {
        let mut pace = pace();
        assert!(pace.on_trouble(now, &wish(wished), 0));
        let pause = pace.next_pause(now);
        assert!(pause >= secs(least) && pause <= secs(most), "{wished}: {pause:?}");
    }
    let answer = Answer { retry_after: Some(secs(9)), ..answer(503, None, None) };
    let busy = Trouble::Busy { status: 503, retry_after: Some(secs(9)) };
    assert_eq!(judge(&ask(0, 0, 1), &answer), Err(busy));
}

#[test]
fn a_source_that_will_never_do_is_given_up() {
    for trouble in [Trouble::Gone(404), Trouble::WrongBytes, Trouble::Unusable("tls".into())] {
        assert!(!pace().on_trouble(Moment::START, &trouble, 5), "{trouble}");
    }
}
