//! What is read, what is passed over, and how two clocks become one.

use super::cast::{Cast, Survey};
use super::merge::Merge;
use super::*;
use proptest::prelude::*;

/// A trace as two nodes write it: Ben's began 100 s after Ann's, a message takes 10 ms.
pub const ANN: &str = r#"{"t":0.000000,"n":"10.0.0.1:6881","ev":"start","id":"-SW0100-annannannann","listen":"10.0.0.1:6881"}
{"t":100.020000,"n":"10.0.0.1:6881","ev":"open","conn":4,"to":"10.0.0.2:6881","dialect":"native","dialled":false,"id":"-SW0100-benbenbenben","here":"10.0.0.1:6881","there":"10.0.0.2:40000","torrent":"2406003e"}
{"t":100.010000,"n":"10.0.0.1:6881","ev":"recv","conn":4,"from":"10.0.0.2:6881","msg":"HELLO","kind":"command","seq":0}
{"t":100.020000,"n":"10.0.0.1:6881","ev":"send","conn":4,"to":"10.0.0.2:6881","msg":"STATE","kind":"control","seq":0}
{"t":100.020000,"n":"10.0.0.1:6881","ev":"send","conn":4,"to":"10.0.0.2:6881","msg":"HAVE_ALL","kind":"control","seq":1}
{"t":100.050000,"n":"10.0.0.1:6881","ev":"recv","conn":4,"from":"10.0.0.2:6881","msg":"INTERESTED","kind":"command","seq":1}
{"t":100.050000,"n":"10.0.0.1:6881","ev":"unchoke","conn":4,"to":"10.0.0.2:6881","why":{"rule":"waited","secs":0},"torrent":"2406003e"}
{"t":100.050000,"n":"10.0.0.1:6881","ev":"send","conn":4,"to":"10.0.0.2:6881","msg":"UNCHOKE","kind":"control","seq":2}
{"t":100.080000,"n":"10.0.0.1:6881","ev":"recv","conn":4,"from":"10.0.0.2:6881","msg":"GET","kind":"command","seq":2,"piece":3,"off":0,"len":16384}
{"t":100.090000,"n":"10.0.0.1:6881","ev":"send","conn":4,"to":"10.0.0.2:6881","msg":"CHUNK_DATA","kind":"data","seq":3,"piece":3,"off":0,"len":16384}
{"t":100.200000,"n":"10.0.0.1:6881","ev":"recv","conn":4,"from":"10.0.0.2:6881","msg":"BYE","kind":"command","seq":3}
{"t":100.200000,"n":"10.0.0.1:6881","ev":"close","conn":4,"to":"10.0.0.2:6881","says":"the peer said BYE"}
"#;
/// Ben's side of it.
pub const BEN: &str = r#"{"t":0.000000,"n":"10.0.0.2:6881","ev":"start","id":"-SW0100-benbenbenben","listen":"10.0.0.2:6881"}
{"t":0.030000,"n":"10.0.0.2:6881","ev":"open","conn":1,"to":"10.0.0.1:6881","dialect":"native","dialled":true,"id":"-SW0100-annannannann","here":"10.0.0.2:40000","there":"10.0.0.1:6881","torrent":"2406003e"}
{"t":0.000000,"n":"10.0.0.2:6881","ev":"send","conn":1,"to":"10.0.0.1:6881","msg":"HELLO","kind":"command","seq":0}
{"t":0.030000,"n":"10.0.0.2:6881","ev":"recv","conn":1,"from":"10.0.0.1:6881","msg":"STATE","kind":"control","seq":0}
{"t":0.030000,"n":"10.0.0.2:6881","ev":"recv","conn":1,"from":"10.0.0.1:6881","msg":"HAVE_ALL","kind":"control","seq":1}
{"t":0.040000,"n":"10.0.0.2:6881","ev":"send","conn":1,"to":"10.0.0.1:6881","msg":"INTERESTED","kind":"command","seq":1}
{"t":0.060000,"n":"10.0.0.2:6881","ev":"recv","conn":1,"from":"10.0.0.1:6881","msg":"UNCHOKE","kind":"control","seq":2}
{"t":0.065000,"n":"10.0.0.2:6881","ev":"pick","conn":1,"to":"10.0.0.1:6881","piece":3,"off":0,"len":16384,"why":{"rule":"rarest","avail":1,"ties":3},"torrent":"2406003e"}
{"t":0.070000,"n":"10.0.0.2:6881","ev":"send","conn":1,"to":"10.0.0.1:6881","msg":"GET","kind":"command","seq":2,"piece":3,"off":0,"len":16384}
{"t":0.110000,"n":"10.0.0.2:6881","ev":"recv","conn":1,"from":"10.0.0.1:6881","msg":"CHUNK_DATA","kind":"data","seq":3,"piece":3,"off":0,"len":16384}
{"t":0.150000,"n":"10.0.0.2:6881","ev":"verify","piece":3,"ok":true,"torrent":"2406003e"}
{"t":0.150000,"n":"10.0.0.2:6881","ev":"complete","torrent":"2406003e"}
{"t":0.190000,"n":"10.0.0.2:6881","ev":"send","conn":1,"to":"10.0.0.1:6881","msg":"BYE","kind":"command","seq":3}
{"t":0.190000,"n":"10.0.0.2:6881","ev":"close","conn":1,"to":"10.0.0.1:6881","says":"it ended the connection"}
"#;

/// The events of some files, who is in them, and what they are called.
pub fn traces(files: &[&str]) -> (Vec<Vec<Event>>, Cast, Names) {
    let mut names = Names::default();
    let mut survey = Survey::new(files.len());
    let mut all = Vec::new();
    for (file, text) in files.iter().enumerate() {
        let events = text.lines().filter_map(|line| read(line.as_bytes(), &mut names).expect(line));
        let events: Vec<Event> = events.collect();
        events.iter().for_each(|event| survey.on_event(file, event).unwrap());
        all.push(events);
    }
    let cast = survey.finish(&names);
    (all, cast, names)
}

/// The same in the order of time.
pub fn in_order(files: &[&str]) -> (Vec<merge::Timed>, Cast, Names) {
    let (events, cast, names) = traces(files);
    let sources = events.into_iter().zip(&cast.offsets).map(|(events, offset)| {
        (events.into_iter().map(Ok::<_, Wrong>), offset.unwrap_or_default())
    });
    let timed = Merge::new(sources.collect::<Vec<_>>()).map(Result::unwrap).collect();
    (timed, cast, names)
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

#[test]
fn two_clocks_become_one_by_the_quickest_message_each_way() {
    assert_eq!(traces(&[ANN, BEN]).1.offsets, [Some(Duration::ZERO), Some(micros(100_000_000))]);
    assert_eq!(traces(&[BEN, ANN]).1.offsets, [Some(micros(100_000_000)), Some(Duration::ZERO)]);
    let alone = r#"{"t":1,"n":"10.0.0.3:6881","ev":"start","listen":"10.0.0.3:6881"}"#;
    assert_eq!(traces(&[ANN, BEN, alone]).1.offsets[2], None, "nothing ties it to the others");
}

#[test]
fn the_two_ends_of_a_socket_are_one_connection() {
    let (_, cast, names) = traces(&[ANN, BEN]);
    assert_eq!(cast.others, [Some(1), Some(0)]);
    let peers: Vec<&str> = cast.peers.iter().map(|peer| names.text(peer.unwrap())).collect();
    assert_eq!(peers, ["10.0.0.2:6881", "10.0.0.1:6881"]);
    assert_eq!(cast.direction(0, Way::Out), (0, true));
    assert_eq!(cast.direction(1, Way::In), (0, true), "it is the same message");
    assert_eq!(cast.direction(1, Way::Out), (0, false));
    assert!(cast.is_told_by_sender(1, 3) && !cast.is_told_by_sender(1, 4));
}

#[test]
fn the_ends_of_a_connection_in_a_world_share_its_number_and_it_may_have_several() {
    let open = |n: u32, to: u32, conn: u32| {
        format!(
            r#"{{"t":0,"n":"10.0.0.{n}:6881","ev":"open","conn":{conn},"to":"10.0.0.{to}:6881","dialect":"native","dialled":{},"here":"10.0.0.{n}:6881","there":"10.0.0.{to}:6881"}}"#,
            n > to
        )
    };
    let text = [open(2, 1, 0), open(1, 2, 0), open(3, 1, 1), open(1, 3, 1)].join("\n");
    let (_, cast, _) = traces(&[&text]);
    assert_eq!(cast.others, [Some(1), Some(0), Some(3), Some(2)]);
    assert_eq!(cast.everybody.len(), 3);
}

#[test]
fn first_words_that_stand_late_in_a_file_come_when_they_were_said() {
    let (timed, ..) = in_order(&[ANN, BEN]);
    assert!(timed.is_sorted_by_key(|timed| timed.t));
    let words = timed.iter().filter_map(|timed| match &timed.event.what {
        What::Said(said) => Some((timed.t.as_millis(), said.way, said.seq)),
        _ => None,
    });
    let words: Vec<_> = words.take(4).collect();
    assert_eq!(
        words,
        [
            (100_000, Way::Out, 0),
            (100_010, Way::In, 0),
            (100_020, Way::Out, 0),
            (100_020, Way::Out, 1)
        ]
    );
}

#[test]
fn a_line_that_is_no_event_says_what_is_wrong_with_it() {
    let check = |line: &str, expected: &str| {
        let error = read(line.as_bytes(), &mut Names::default()).expect_err(line);
        assert_eq!(error.to_string(), expected, "{line}");
    };
    check("", "EOF while parsing a value at column 0");
    check(r#"{"t":1,"#, "EOF while parsing a value at column 7");
    check(r#"{"t":1,"n":"a"}"#, "missing field `ev` at column 15");
    check(r#"{"t":-1,"n":"a","ev":"start"}"#, "t makes no sense");
    check(r#"{"t":1e300,"n":"a","ev":"start"}"#, "t makes no sense");
    check(
        r#"{"t":1,"n":"a","ev":"send","conn":1,"msg":"GET","kind":"command"}"#,
        "send without seq",
    );
    check(r#"{"t":1,"n":"a","ev":"close"}"#, "close without conn");
    check(
        r#"{"t":1,"n":"a","ev":"recv","conn":1,"seq":1,"msg":"GET","kind":"x"}"#,
        "kind makes no sense",
    );
    check(&format!("{{\"t\":1,\"n\":\"{}\"", "a".repeat(MOST_LINE)), "longer than 65536 bytes");
}

#[test]
fn events_and_fields_that_are_not_known_are_passed_over() {
    let read = |line: &str| read(line.as_bytes(), &mut Names::default()).unwrap();
    assert_eq!(read(r#"{"t":1,"n":"a","ev":"dial","to":"b","why":{"rule":"given"}}"#), None);
    assert_eq!(read(r#"{"t":1,"n":"a","ev":"brand-new","x":[{"y":1}]}"#), None);
    assert!(read(r#"{"t":1,"n":"a","ev":"start","mood":{"good":true}}"#).is_some());
}

/// Every event that the writer knows is read back, or passed over by intent.
#[test]
fn what_a_world_writes_is_read() {
    let (events, cast, names) = traces(&[include_str!("../../../tests/traces/dialects.jsonl")]);
    let said = |word: &str| {
        let is = |event: &&Event| matches!(&event.what, What::Said(said) if names.text(said.word) == word);
        events[0].iter().filter(is).count()
    };
    assert!(said("GET") > 0 && said("REQUEST") > 0 && said("EXTENDED_HANDSHAKE") > 0);
    assert!(cast.others.iter().all(Option::is_some), "both ends of all connections are told of");
    assert_eq!(cast.traced.len(), 3);
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, &mut Names::default());
    }

    /// A line of a trace with a byte changed is an event or an error, and so is what is made of it.
    #[test]
    fn changed_lines_never_panic(line in 0..14_usize, at in any::<usize>(), byte in 0x20..0x7f_u8) {
        let mut names = Names::default();
        let mut survey = Survey::new(1);
        let mut kept = Vec::new();
        for (index, text) in BEN.lines().enumerate() {
            let mut bytes = text.as_bytes().to_vec();
            if index == line {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            if let Ok(Some(event)) = read(&bytes, &mut names) {
                survey.on_event(0, &event).unwrap();
                kept.push(event);
            }
        }
        let cast = survey.finish(&names);
        let offset = cast.offsets[0].unwrap_or_default();
        let source = (kept.into_iter().map(Ok::<_, Wrong>), offset);
        let mut capture = crate::lab::capture::Capture::new(&cast);
        let mut gather = crate::lab::diagram::Gather::new(&cast, crate::lab::diagram::Window::default());
        let mut out = Vec::new();
        for timed in Merge::new([source]) {
            let timed = timed.unwrap();
            capture.on_event(&timed, &names, &mut out);
            gather.on_event(&timed, &names).unwrap();
        }
        let diagram = gather.finish().fold(&cast, &names, 150);
        crate::lab::diagram::mermaid::text(&diagram);
        crate::lab::diagram::svg::text(&diagram, "x").unwrap();
    }
}
