//! The rules of a .torrent, one by one: a good one is bent in one place and must be refused for
//! that reason, or taken in spite of it.

use sha2::{Digest, Sha256};
use swarmlet::geometry::GeometryError;
use swarmlet::ids::PieceIndex;
use swarmlet::metainfo::bencode::{BencodeError, Encoder};
use swarmlet::metainfo::magnet::Magnet;
use swarmlet::metainfo::path::component_or_substitute;
use swarmlet::metainfo::{FileKind, Metainfo, MetainfoError};

/// A bencode value in the making.
#[derive(Clone)]
enum B {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<B>),
    Dict(Vec<(Vec<u8>, B)>),
}

fn text(text: &str) -> B {
    B::Bytes(text.into())
}

fn dict<const N: usize>(entries: [(&str, B); N]) -> B {
    B::Dict(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

impl B {
    /// The value at a path of keys; list positions are written as numbers. Made when absent.
    fn at(&mut self, path: &str) -> &mut B {
        path.split('/').fold(self, |value, step| match value {
            B::List(items) => &mut items[step.parse::<usize>().expect("a position")],
            B::Dict(entries) => {
                let at = entries.iter().position(|(key, _)| key == step.as_bytes());
                let at = at.unwrap_or_else(|| {
                    entries.push((step.into(), B::Int(0)));
                    entries.len() - 1
                });
                &mut entries[at].1
            }
            _ => panic!("nothing inside at {step}"),
        })
    }

    fn with(mut self, path: &str, value: B) -> B {
        *self.at(path) = value;
        self
    }

    fn without(mut self, folder: &str, key: &str) -> B {
        let B::Dict(entries) = self.at(folder) else { panic!("no dictionary: {folder}") };
        entries.retain(|(name, _)| name != key.as_bytes());
        self
    }

    fn write(&self, out: &mut Encoder) {
        match self {
            B::Int(number) => drop(out.int(*number)),
            B::Bytes(bytes) => drop(out.bytes(bytes)),
            B::List(items) => {
                out.list();
                for item in items {
                    item.write(out);
                }
                out.end();
            }
            B::Dict(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| key);
                out.dict();
                for (key, value) in entries {
                    out.bytes(key);
                    value.write(out);
                }
                out.end();
            }
        }
    }

    fn parse(&self) -> Result<Metainfo, MetainfoError> {
        let mut out = Encoder::new();
        self.write(&mut out);
        Metainfo::parse(&out.finish())
    }
}

fn file(path: &str, length: i64) -> B {
    let path = path.split('/').map(text).collect();
    dict([("length", B::Int(length)), ("path", B::List(path))])
}

fn pad(length: i64) -> B {
    file(&format!(".pad/{length}"), length).with("attr", text("p"))
}

fn v1(files: Vec<B>, pieces: usize) -> B {
    let info = dict([
        ("files", B::List(files)),
        ("name", text("t")),
        ("piece length", B::Int(32768)),
        ("pieces", B::Bytes(vec![7; pieces * 20])),
    ]);
    dict([("info", info)])
}

const LAYER: [[u8; 32]; 2] = [[1; 32], [2; 32]];

fn leaf(length: i64, root: [u8; 32]) -> B {
    dict([("", dict([("length", B::Int(length)), ("pieces root", B::Bytes(root.into()))]))])
}

/// `a` has two pieces and so a layer, `b` is empty, `c` is short.
fn hybrid() -> B {
    let root: [u8; 32] = Sha256::digest(LAYER.as_flattened()).into();
    let empty = dict([("", dict([("length", B::Int(0))]))]);
    let tree = dict([("a", leaf(40_000, root)), ("b", empty), ("c", leaf(5, [3; 32]))]);
    let files = vec![file("a", 40_000), pad(25_536), file("b", 0), file("c", 5)];
    let layers = vec![(root.to_vec(), B::Bytes(LAYER.as_flattened().into()))];
    v1(files, 3)
        .with("info/file tree", tree)
        .with("info/meta version", B::Int(2))
        .with("piece layers", B::Dict(layers))
}

fn v2() -> B {
    hybrid().without("info", "files").without("info", "pieces")
}

fn refused(torrent: &B) -> String {
    torrent.parse().expect_err("a rule is broken").to_string()
}

#[test]
fn the_three_kinds_are_taken_as_they_are() {
    let all = hybrid().parse().unwrap();
    assert!(all.info_hash_v1.is_some() && all.info_hash_v2.is_some() && all.layers_complete());
    assert_eq!((all.total_size(), all.geometry().pieces()), (40_005, 3));
    let v2 = v2().parse().unwrap();
    assert!(v2.info_hash_v1.is_none() && v2.v1_pieces.is_empty() && v2.layers_complete());
    let lengths = |meta: &Metainfo| -> Vec<u32> {
        let geometry = meta.geometry();
        (0..geometry.pieces()).map(|piece| geometry.length_of(PieceIndex(piece))).collect()
    };
    assert_eq!(lengths(&v2), lengths(&all));
    let v1 = v1(vec![file("a", 40_000), file("x/y", 5)], 2).parse().unwrap();
    assert!(v1.info_hash_v2.is_none());
    assert_eq!((v1.total_size(), v1.geometry().pieces()), (40_005, 2));
    assert_eq!(v1.files[1].path, ["t", "x", "y"]);
}

#[test]
fn a_torrent_names_the_key_that_is_missing_or_wrong() {
    let good = || v1(vec![file("a", 5)], 1);
    assert!(good().parse().is_ok());
    let cases = [
        (good().without("info", "name"), "`name` is missing"),
        (good().with("info/name", B::Int(1)), "`name` is not a string"),
        (good().without("info", "pieces"), "`pieces` is missing"),
        (good().with("info/pieces", B::Int(1)), "`pieces` is not a string"),
        (good().without("info", "piece length"), "`piece length` is missing"),
        (good().with("info/piece length", B::Int(0)), "`piece length` is out of range: 0"),
        (good().with("info/piece length", B::Int(-1)), "`piece length` is out of range: -1"),
        (good().with("info/files", B::List(vec![])), "no files"),
        (good().with("info/files", B::Int(1)), "`files` is not a list"),
        (good().with("info/files/0/length", B::Int(-5)), "`length` is out of range: -5"),
        (good().without("info/files/0", "length"), "`length` is missing"),
        (good().without("info/files/0", "path"), "`path` is missing"),
        (good().with("info/files/0/path/0", B::Int(1)), "`path` is not a list of strings"),
        (
            good().with("info/meta version", B::Int(3)),
            "`meta version` is 3; versions 1 and 2 are known",
        ),
        (good().with("info/file tree", B::Dict(vec![])), "`file tree` needs `meta version` 2"),
        (
            good().with("info/files/0/length", B::Int(0)).with("info/pieces", text("")),
            "no bytes of content",
        ),
        (
            good().with("info/pieces", text("x")),
            "`pieces` has 1 bytes where 20 were expected (20 for each piece)",
        ),
        (good().with("info", B::Int(1)), "`info` is not a dictionary"),
        (dict([]), "`info` is missing"),
    ];
    for (torrent, expected) in cases {
        assert_eq!(refused(&torrent), expected);
    }
}

#[test]
fn numbers_beyond_every_limit_are_refused_and_nothing_overflows() {
    let sized = |length: i64, piece: i64| {
        v1(vec![file("a", length)], 1).with("info/piece length", B::Int(piece)).parse()
    };
    let most_pieces = 2_097_152;
    for length in [1 << 48, i64::MAX, most_pieces * 16384 + 1, i64::MIN] {
        for piece in [1, 16384, 1 << 29, i64::MAX, 1 << 32, (1 << 31) - 1] {
            assert!(sized(length, piece).is_err(), "{length} {piece}");
        }
    }
    let longest = (1 << 29) - 16384;
    assert!(sized(5, longest).is_ok());
    assert!(sized(5, longest + 1).is_err());
    let many = vec![file("a", (1 << 48) - 1); 40];
    assert!(v1(many, 1).with("info/piece length", B::Int(longest)).parse().is_err());
}

#[test]
fn what_is_exactly_at_a_limit_is_taken_and_one_more_is_not() {
    let sized = |length: u64, piece: i64| {
        let tree = dict([("a", leaf(length as i64, [3; 32]))]);
        v2().with("piece layers", B::Dict(vec![]))
            .with("info/file tree", tree)
            .with("info/piece length", B::Int(piece))
            .parse()
            .map(|meta| meta.geometry().pieces())
    };
    let most = 2_097_152;
    assert_eq!(sized(u64::from(most) * 16_384 - 1, 16_384), Ok(most));
    assert_eq!(sized(u64::from(most) * 16_384, 16_384), Ok(most));
    let too_many = MetainfoError::Geometry(GeometryError::TooManyPieces);
    assert_eq!(sized(u64::from(most) * 16_384 + 1, 16_384), Err(too_many));
    let longest = (1_u64 << 48) - 1;
    assert_eq!(sized(longest - 1, 1 << 28), Ok(1 << 20));
    assert_eq!(sized(longest, 1 << 28), Ok(1 << 20));
    let value = 1 << 48;
    assert_eq!(
        sized(longest + 1, 1 << 28),
        Err(MetainfoError::OutOfRange { key: "length", value })
    );
}

#[test]
fn a_torrent_of_exactly_16_mib_and_a_million_values_is_taken() {
    let with_comment = |length: usize| {
        let comment = B::Bytes(vec![b'c'; length]);
        let mut out = Encoder::new();
        v1(vec![file("a", 5)], 1).with("comment", comment).write(&mut out);
        out.finish()
    };
    let limit = 16 << 20;
    let around = with_comment(limit - 1000).len() - (limit - 1000);
    let longest = with_comment(limit - around);
    assert_eq!(longest.len(), limit);
    assert!(Metainfo::parse(&longest).is_ok());
    let longer = with_comment(limit - around + 1);
    let refused = MetainfoError::Bencode(BencodeError::TooLong { length: limit + 1, limit });
    assert_eq!(Metainfo::parse(&longer), Err(refused));

    let with_values = |count: usize| {
        let mut out = Encoder::new();
        v1(vec![file("a", 5)], 1).with("x", B::List(vec![B::Int(1); count])).write(&mut out);
        Metainfo::parse(&out.finish())
    };
    // What the torrent has beside the values of its list.
    let others = 19;
    assert!(with_values(1_000_000 - others).is_ok());
    let refused = with_values(1_000_001 - others).expect_err("one more");
    assert!(matches!(refused, MetainfoError::Bencode(BencodeError::TooManyValues { .. })));
}

#[test]
fn a_hybrid_whose_files_end_just_below_two_to_the_64_is_refused_and_nothing_overflows() {
    let lengths = std::iter::repeat_n((1_i64 << 48) - 16_384, 1 << 16);
    let files: Vec<(String, i64)> = lengths
        .chain([(1 << 30) - 1, 0])
        .enumerate()
        .map(|(i, length)| (format!("{i:05}"), length))
        .collect();
    let mut out = Encoder::new();
    out.dict().text("info").dict().text("file tree").dict();
    for (name, length) in &files {
        out.text(name).dict().text("").dict().text("length").int(*length);
        if *length > 0 {
            out.text("pieces root").bytes(&[7; 32]);
        }
        out.end().end();
    }
    out.end().text("files").list();
    for (name, length) in &files {
        out.dict().text("length").int(*length).text("path").list().text(name).end().end();
    }
    out.end().text("meta version").int(2).text("name").text("t").text("piece length").int(16_384);
    out.text("pieces").text("").end().end();
    assert_eq!(Metainfo::parse(&out.finish()), Err(MetainfoError::TooLarge));
}

#[test]
fn both_lists_of_a_hybrid_must_agree() {
    let differ = |about: &str| format!("versions 1 and 2 disagree about {about}");
    let with_files = |files| hybrid().with("info/files", B::List(files));
    let [a, b, c] = [file("a", 40_000), file("b", 0), file("c", 5)];
    let p = pad(25_536);
    let cases = [
        (vec![file("x", 40_000), p.clone(), b.clone(), c.clone()], "a file's path"),
        (vec![a.clone(), p.clone(), c.clone(), b.clone()], "a file's path"),
        (vec![file("a", 39_999), pad(25_537), b.clone(), c.clone()], "a file's length or kind"),
        (vec![a.clone(), b.clone(), c.clone()], "where a file begins"),
        (vec![a.clone(), pad(25_536 + 32_768), b.clone(), c.clone()], "where pads are"),
        (vec![a.clone(), p.clone(), b.clone(), c.clone(), pad(0)], "where pads are"),
        (vec![a.clone(), p.clone(), b.clone()], "how many files there are"),
        (
            vec![a.clone(), p.clone(), b.clone(), c.clone(), file("d", 0)],
            "how many files there are",
        ),
    ];
    for (files, about) in cases {
        assert_eq!(refused(&with_files(files)), differ(about));
    }
    let padded_later = vec![a.clone(), b.clone(), p.clone(), c.clone()];
    assert!(with_files(padded_later).parse().is_ok(), "a pad may stand behind an empty file");
    let padded_end = vec![a, p, b, c, pad(32_763)];
    assert!(with_files(padded_end).parse().is_ok(), "the last file may be padded");
    let half = v2().with("info/length", B::Int(5));
    assert_eq!(refused(&half), differ("a file's path"));
}

#[test]
fn a_file_tree_has_roots_and_no_pads_and_no_file_is_a_folder() {
    let leaf = "info/file tree/c/";
    let at = |path: &str, value| v2().with(path, value);
    let cases = [
        (v2().without(leaf, "pieces root"), "`pieces root` is missing"),
        (
            at(&format!("{leaf}/pieces root"), B::Bytes(vec![0; 32])),
            "`pieces root` is not a hash of 32 bytes",
        ),
        (
            at(&format!("{leaf}/pieces root"), B::Bytes(vec![1; 31])),
            "`pieces root` is not a hash of 32 bytes",
        ),
        (at(&format!("{leaf}/attr"), text("p")), "`file tree` has a pad file"),
        (at("info/file tree/c/d", B::Dict(vec![])), "`file tree` has a file where a folder is"),
        (at("info/file tree/", B::Dict(vec![])), "`file tree` has a file where a folder is"),
        (at("info/file tree/c", B::Int(1)), "`file tree` is not a dictionary"),
        (at("info/file tree", B::Dict(vec![])), "no files"),
        (
            at("info/piece length", B::Int(49_152)),
            "`piece length` of version 2 is not a power of two of at least 16 KiB: 49152",
        ),
        (
            at("info/piece length", B::Int(8192)),
            "`piece length` of version 2 is not a power of two of at least 16 KiB: 8192",
        ),
    ];
    for (torrent, expected) in cases {
        assert_eq!(refused(&torrent), expected);
    }
    let folder = at("info/file tree/hollow", B::Dict(vec![])).parse().unwrap();
    assert_eq!(folder.files.len(), 3, "an empty folder is nothing");
}

#[test]
fn a_layer_must_lead_to_its_root_and_belong_to_a_file() {
    let root = Sha256::digest(LAYER.as_flattened()).to_vec();
    let with = |layers: Vec<(Vec<u8>, B)>| v2().with("piece layers", B::Dict(layers));
    let right = || (root.clone(), B::Bytes(LAYER.as_flattened().into()));
    let wrong = |bytes: Vec<u8>| (root.clone(), B::Bytes(bytes));
    let mut bent = LAYER.as_flattened().to_vec();
    bent[40] ^= 1;
    let cases = [
        (vec![wrong(bent)], "a layer does not lead to its file's root"),
        (vec![wrong(vec![1; 32])], "a layer has not one hash for each piece"),
        (vec![wrong(vec![1; 63])], "a layer has not one hash for each piece"),
        (vec![(root.clone(), B::Int(1))], "a layer is no string"),
        (vec![right(), (vec![3; 32], B::Bytes(vec![3; 32]))], "a layer belongs to no file"),
    ];
    for (layers, expected) in cases {
        assert_eq!(refused(&with(layers)), format!("`piece layers`: {expected}"));
    }
    let missing = with(Vec::new()).parse().unwrap();
    assert!(!missing.layers_complete(), "layers may be asked for later");
    assert_eq!(
        refused(&v2().with("piece layers", B::Int(1))),
        "`piece layers` is not a dictionary"
    );
}

#[test]
fn links_and_pads_are_listed_but_are_no_data() {
    let link =
        file("l", 99).with("attr", text("xl")).with("symlink path", B::List(vec![text("a")]));
    let nameless = dict([("attr", text("p")), ("length", B::Int(32_763))]);
    let torrent = v1(vec![link, file("a", 5), nameless, file("b", 7)], 2).parse().unwrap();
    let kinds: Vec<FileKind> = torrent.files.iter().map(|file| file.kind).collect();
    assert_eq!(kinds, [FileKind::Link, FileKind::Data, FileKind::Pad, FileKind::Data]);
    assert_eq!((torrent.total_size(), torrent.geometry().total()), (12, 32_775));
}

#[test]
fn names_in_utf8_are_preferred_and_dangerous_ones_are_mended() {
    let special = file("GBK", 5).with("path.utf-8", B::List(vec![text("世界"), text("..")]));
    let torrent = v1(vec![special, file("GBK", 5)], 1).with("info/name.utf-8", text("名/.."));
    let torrent = torrent.parse().unwrap();
    assert_eq!(torrent.name, "名..");
    assert_eq!(torrent.files[0].path, ["名..", "世界", "_"]);
    assert_eq!(torrent.files[1].path, ["名..", "GBK"]);
    for name in ["", "..", "/", "\u{202e}", "\0\0"] {
        let nameless = v1(vec![file("a", 5)], 1).with("info/name", text(name));
        assert_eq!(nameless.parse(), Err(MetainfoError::Nameless), "{name:?}");
    }
}

#[test]
fn what_stands_around_info_is_never_the_reason_to_refuse() {
    let torrent = v1(vec![file("a", 5)], 1)
        .with("announce", text("\t udp://a/announce \n"))
        .with("announce-list", B::List(vec![B::List(vec![B::Int(1), text(" ")]), B::Int(2)]))
        .with("url-list", B::List(vec![text("http://w/a b"), B::Int(3), text("http://w/a b")]))
        .with("native trackers", text("h:1"))
        .with("comment", B::Int(5))
        .with("creation date", text("x"));
    let torrent = torrent.parse().unwrap();
    assert_eq!(torrent.trackers, [["udp://a/announce"]]);
    assert_eq!(torrent.web_seeds, ["http://w/a%20b"]);
    assert_eq!(torrent.native_trackers, ["h:1"]);
    assert_eq!((torrent.comment, torrent.creation_date), (None, None));
}

#[test]
fn what_follows_the_torrent_is_passed_over() {
    let mut out = Encoder::new();
    v1(vec![file("a", 5)], 1).write(&mut out);
    let torrent = out.finish();
    let longer = [&torrent[..], b"\n\0e"].concat();
    assert_eq!(Metainfo::parse(&longer), Metainfo::parse(&torrent));
}

#[test]
fn version_2_wants_its_keys_in_order() {
    let mut out = Encoder::new();
    v2().write(&mut out);
    let torrent = String::from_utf8_lossy(&out.finish()).into_owned();
    assert!(torrent.contains("1:bd0:d6:lengthi0eee"));
    let mut out = Encoder::new();
    v2().at("info").write(&mut out);
    let info = out.finish();
    assert!(Metainfo::from_info(&info).is_ok());
    let b = b"1:bd0:d6:lengthi0eee";
    let at = info.windows(b.len()).position(|window| window == b).expect("the file b");
    let (before, after) = (&info[..at], &info[at + b.len()..]);
    let tree = before.windows(10).position(|window| window == b"file treed").expect("the tree");
    let swapped = [&before[..tree + 10], b, &before[tree + 10..], after].concat();
    assert_eq!(Metainfo::from_info(&swapped), Err(MetainfoError::UnsortedKeys));
}

proptest::proptest! {
    #[test]
    fn bytes_that_look_like_bencode_never_panic(text in "[dlei0-9:a-c-]{0,64}") {
        let _ = Metainfo::parse(text.as_bytes());
        let _ = Metainfo::from_info(text.as_bytes());
    }

    #[test]
    fn text_that_looks_like_a_magnet_never_panics_and_good_links_are_read_back(
        query in "(xt=urn:bt[im]h:(1220)?[0-9a-f]{40,64}&)?((dn|tr|x.pe|so|ws)=[a-z%0-9,é:-]{0,9}&){0,4}"
    ) {
        if let Ok(magnet) = format!("magnet:?{query}").parse::<Magnet>() {
            assert_eq!(magnet.to_string().parse(), Ok(magnet));
        }
    }

    #[test]
    fn any_bytes_become_a_name_that_is_safe_to_use(raw in proptest::collection::vec(0_u8.., 0..400)) {
        let name = component_or_substitute(&raw);
        assert!(!matches!(name.as_str(), "" | "." | "..") && name.len() <= 250);
        assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control));
    }
}
