//! Golden diagrams, and how they are folded.

use super::*;
use crate::lab::record::{ANN, BEN, in_order};

fn talk(files: &[&str], window: impl FnOnce(&Names) -> Window) -> (Talk, Cast, Names) {
    let (timed, cast, names) = in_order(files);
    let mut gather = Gather::new(&cast, window(&names));
    timed.iter().for_each(|timed| gather.on_event(timed, &names).unwrap());
    let talk = gather.finish();
    (talk, cast, names)
}

fn mermaid(files: &[&str], window: Window) -> String {
    let (talk, cast, names) = talk(files, |_| window);
    mermaid::text(&talk.fold(&cast, &names, mermaid::MOST_ARROWS)).expect("it is short")
}

#[test]
fn a_download_of_a_block_is_drawn_with_its_reasons() {
    let expected = "\
sequenceDiagram
    participant p0 as 10.0.0.1:6881
    participant p1 as 10.0.0.2:6881
    p1->>p0: 100.0000s HELLO
    p0-->>p1: 100.0200s STATE
    p0-->>p1: 100.0200s HAVE_ALL
    p1->>p0: 100.0400s INTERESTED
    Note over p0: 100.0500s unchokes 10.0.0.2: waited 0 s
    p0-->>p1: 100.0500s UNCHOKE
    Note over p1: 100.0650s picks piece 3: rarest, 1 have it, one of 3 such
    p1->>p0: 100.0700s GET 3, 16 KiB
    p0-)p1: 100.0900s CHUNK_DATA 3, 16 KiB
    Note over p1: 100.1500s piece 3 is right
    Note over p1: 100.1500s has everything
    p1->>p0: 100.1900s BYE
";
    assert_eq!(mermaid(&[ANN, BEN], Window::default()), expected);
    assert_eq!(mermaid(&[BEN, ANN], Window::default()), expected, "whichever is read first");
}

#[test]
fn a_window_holds_what_lies_in_it_of_the_messages_that_are_wanted() {
    let window = Window {
        from: Some(Duration::from_millis(100_030)),
        to: Some(Duration::from_secs(150)),
        words: vec!["GET".into(), "BYE".into(), "HELLO".into()],
        ..Window::default()
    };
    let text = mermaid(&[ANN, BEN], window);
    let lines: Vec<&str> = text.lines().skip(3).map(str::trim).collect();
    assert_eq!(lines, ["p1->>p0: 100.0700s GET 3, 16 KiB", "p1->>p0: 100.1900s BYE"]);
}

/// So many lines of one message from Ann to Ben, a millisecond apart.
fn run(word: &str, from: u32, count: u32) -> String {
    let line = |n: u32| {
        format!(
            r#"{{"t":{}.{:03},"n":"10.0.0.1:6881","ev":"send","conn":1,"to":"10.0.0.2:6881","msg":"{word}","kind":"data","seq":{n},"piece":{n},"off":0,"len":16384}}"#,
            n / 1000,
            n % 1000
        ) + "\n"
    };
    (from..from + count).map(line).collect()
}

#[test]
fn a_run_of_a_message_is_one_arrow_until_another_is_said() {
    let text = run("CHUNK_DATA", 0, 64) + &run("HAVE", 64, 1) + &run("CHUNK_DATA", 65, 2);
    let drawn = mermaid(&[&text], Window::default());
    let labels: Vec<&str> = drawn
        .lines()
        .skip(3)
        .filter_map(|line| line.split_once("s ").map(|(_, label)| label))
        .collect();
    assert_eq!(
        labels,
        ["CHUNK_DATA x 64 (1.0 MiB, 63 ms)", "HAVE 64, 16 KiB", "CHUNK_DATA x 2 (32 KiB, 1 ms)"]
    );
}

#[test]
fn what_is_too_much_for_arrows_is_folded_more() {
    // Every second message differs: single arrows would be 400.
    let text: String =
        (0..400).map(|n| run(["HAVE", "CHUNK_DATA"][n as usize % 2], n, 1)).collect();
    let (talk, cast, names) = talk(&[&text], |_| Window::default());
    assert_eq!(talk.fold(&cast, &names, 400).arrows.len(), 400);
    assert_eq!(talk.fold(&cast, &names, 399).arrows.len(), 2);
}

#[test]
fn what_mermaid_does_not_take_is_not_given_to_it() {
    let words = ["CHOKE", "UNCHOKE"];
    let text: String = (0..400).map(|n| run(words[n as usize % 2], 10_000 * n, 1)).collect();
    let (talk, cast, names) = talk(&[&text], |_| Window::default());
    let diagram = talk.fold(&cast, &names, mermaid::MOST_ARROWS);
    if diagram.arrows.len() > mermaid::MOST_ARROWS {
        assert_eq!(mermaid::text(&diagram), None);
    }
    assert!(svg::text(&diagram, "x").is_ok(), "a picture has room");
}

#[test]
fn a_message_that_never_arrived_is_drawn_so() {
    let heard = |line: &&str| !line.contains("CHUNK_DATA");
    let ben = BEN.lines().filter(heard).collect::<Vec<_>>().join("\n");
    let drawn = mermaid(&[ANN, &ben], Window::default());
    assert!(drawn.contains("p0-xp1: 100.0900s CHUNK_DATA"), "{drawn}");
}

#[test]
fn a_picture_is_the_same_every_time_and_holds_everything() {
    let draw = || {
        let (talk, cast, names) = talk(&[ANN, BEN], |_| Window::default());
        svg::text(&talk.fold(&cast, &names, svg::GOOD_ARROWS), "a <talk>").unwrap()
    };
    let picture = draw();
    assert_eq!(picture, draw());
    for part in [
        "a &lt;talk&gt;",
        "GET 3, 16 KiB",
        "CHUNK_DATA 3, 16 KiB",
        "had everything",
        "rarest, 1 have",
    ] {
        assert!(picture.contains(part), "{part}");
    }
    // An arrow points down: it arrives later than it leaves.
    let get = picture.split("GET 3").nth(1).unwrap().split("<line ").nth(1).unwrap();
    let number = |key: &str| -> f64 {
        let rest = get.split(&format!("{key}=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    };
    assert!(number("y2") > number("y1"), "{get}");
}

#[test]
fn the_shipped_trace_becomes_a_diagram_that_pages_can_show() {
    let trace = include_str!("../../../tests/traces/world.jsonl");
    let text = mermaid(&[trace], Window::default());
    assert!(text.lines().filter(|line| line.contains("->>") || line.contains("-)")).count() > 20);
}
