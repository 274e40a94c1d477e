//! Searches: whose metainfo is taken.

use super::*;
use crate::metainfo::build::{BuildOptions, build};
use crate::metainfo::draft::{Draft, DraftFile, Version};

const HOUR: Duration = Duration::from_hours(1);

fn named(name: &str) -> Metainfo {
    let file =
        DraftFile { path: vec![name.into()], length: 5, root: Some([1; 32]), layer: Vec::new() };
    let draft = Draft {
        name: name.into(),
        version: Version::V2,
        piece_length: 32768,
        single_file: true,
        files: vec![file],
        v1_pieces: Vec::new(),
    };
    build(&draft, &BuildOptions::default()).unwrap()
}

/// The name of what is taken of these answers; `more` says that others are still asked.
fn taken(answers: Vec<Result<Given, NoMetadata>>, grace: Duration, more: bool) -> Option<String> {
    let (sender, heard) = bounded(answers.len());
    let peer = "192.0.2.1:1".parse().unwrap();
    answers.into_iter().for_each(|answer| sender.send((peer, answer)).unwrap());
    let kept = more.then_some(sender);
    let best = best(&heard, grace, |_, _| {}, || false);
    drop(kept);
    best.map(|meta| meta.name)
}

#[test]
fn a_hybrid_with_its_layers_is_preferred_to_one_without() {
    let as_v1 = |name| Ok(Given::AsV1(named(name)));
    let whole = || Ok(Given::Whole(named("whole")));
    let nothing = || Err(NoMetadata::NotOffered);
    let check = |answers, grace, more, expected: Option<&str>| {
        assert_eq!(taken(answers, grace, more).as_deref(), expected);
    };
    check(vec![as_v1("a"), nothing(), whole()], HOUR, true, Some("whole"));
    check(vec![nothing(), whole(), as_v1("a")], HOUR, true, Some("whole"));
    check(vec![as_v1("a"), nothing(), as_v1("b")], HOUR, false, Some("a"));
    check(vec![as_v1("a")], Duration::ZERO, true, Some("a"));
    check(vec![nothing()], HOUR, false, None);
}
