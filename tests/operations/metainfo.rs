//! Any bytes as a .torrent, as a bare `info`, and as a magnet link.
//!
//! What is taken is sound: no path leaves its folder, no two entries share one, the geometry can be
//! made, and what is written of it reads the same.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use swarmlet::ids::PieceIndex;
use swarmlet::metainfo::bencode::Encoder;
use swarmlet::metainfo::edit::Edits;
use swarmlet::metainfo::hash_proof::Tree;
use swarmlet::metainfo::magnet::Magnet;
use swarmlet::metainfo::{FileKind, Metainfo};

/// Looking at every piece of a torrent of two million would be all that is done.
const LOOKS: u32 = 100;

/// Reads the bytes in all three ways.
pub fn run(bytes: &[u8]) {
    if let Ok(magnet) = std::str::from_utf8(bytes).unwrap_or_default().parse::<Magnet>() {
        assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }
    if let Ok(meta) = Metainfo::from_info(bytes) {
        assert_eq!(meta.info, bytes);
        check(&meta);
    }
    let Ok(meta) = Metainfo::parse(bytes) else { return };
    check(&meta);
    assert_eq!(Metainfo::parse(&meta.to_torrent()).as_ref(), Ok(&meta), "written and read again");
    check_edit(&meta, bytes);
    if let Ok(v1) = meta.as_v1() {
        assert!(v1.info_hash_v2.is_none() && meta.info_hash_v1.is_some());
        assert_eq!(v1.info_hash_v1, meta.info_hash_v1);
        check(&v1);
    }
    if let Some(hash) = meta.info_hash_v2.filter(|_| meta.layers_complete()) {
        let given = Metainfo::from_exchange(&hash, meta.info.len(), &meta.exchange_bytes());
        assert_eq!(given.expect("it was whole").files, meta.files);
    }
}

fn check(meta: &Metainfo) {
    check_paths(meta);
    let geometry = meta.geometry();
    let pieces = geometry.pieces();
    assert!(
        meta.v1_pieces.is_empty()
            || meta.v1_pieces.len() as u32 == pieces
            || meta.info_hash_v2.is_some()
    );
    for piece in (0..pieces.min(LOOKS)).chain(pieces.saturating_sub(LOOKS)..pieces).map(PieceIndex)
    {
        let length = geometry.length_of(piece);
        assert!((1..=meta.piece_length).contains(&length));
        assert!((length..=meta.piece_length).contains(&geometry.padded_length_of(piece)));
    }
    let trees = meta.files.iter().filter_map(|file| Tree::of(file, meta.piece_length));
    for tree in trees.take(LOOKS as usize) {
        let requests = tree.layer_requests().take(LOOKS as usize);
        assert!(requests.map(|range| tree.needs(&range)).all(|needs| needs.is_ok()));
    }
}

fn check_paths(meta: &Metainfo) {
    let (mut files, mut folders) = (HashSet::new(), HashSet::new());
    for file in meta.files.iter().filter(|file| file.kind != FileKind::Pad) {
        assert!(!file.path.is_empty());
        for part in &file.path {
            assert!(!matches!(part.as_str(), "" | "." | "..") && part.len() <= 255, "{part:?}");
            assert!(!part.contains(['/', '\\', '\0']) && !part.chars().any(char::is_control));
        }
        assert!(files.insert(&file.path[..]), "two entries at {:?}", file.path);
        folders.extend((1..file.path.len()).map(|n| &file.path[..n]));
    }
    assert!(files.is_disjoint(&folders), "a file where a folder is");
}

/// A change around `info` leaves `info` as it is.
fn check_edit(meta: &Metainfo, bytes: &[u8]) {
    let edits = Edits {
        add: vec![vec!["udp://t/announce".into()]],
        comment: Some("c".into()),
        ..Edits::default()
    };
    // What is as long as may be has no room for it.
    let Ok(edited) = edits.apply(bytes) else { return assert!(bytes.len() > 1 << 23) };
    let edited = Metainfo::parse(&edited).expect("it was read before it was handed out");
    assert_eq!((edited.info_hash(), edited.comment.as_deref()), (meta.info_hash(), Some("c")));
    assert_eq!(edited.info, meta.info);
}

/// A torrent of three files: of version 1, of version 2, or of both.
fn torrent(v1: bool, v2: bool) -> Vec<u8> {
    let layer = [[1_u8; 32], [2; 32]];
    let root: [u8; 32] = Sha256::digest(layer.as_flattened()).into();
    let mut out = Encoder::new();
    out.dict().text("announce").text("udp://t:1/a").text("info").dict();
    if v2 {
        out.text("file tree").dict();
        for (name, length, root) in
            [("a", 40_000, Some(root)), ("b", 0, None), ("c", 5, Some([3; 32]))]
        {
            out.text(name).dict().text("").dict().text("length").int(length);
            if let Some(root) = root {
                out.text("pieces root").bytes(&root);
            }
            out.end().end();
        }
        out.end();
    }
    if v1 {
        out.text("files").list();
        for (name, length, attr) in
            [("a", 40_000, ""), ("25536", 25_536, "p"), ("b", 0, ""), ("c", 5, "")]
        {
            out.dict().text("attr").text(attr).text("length").int(length);
            out.text("path").list().text(name).end().end();
        }
        out.end();
    }
    if v2 {
        out.text("meta version").int(2);
    }
    out.text("name").text("t").text("piece length").int(32_768);
    if v1 {
        out.text("pieces").bytes(&[7; 60]);
    }
    out.end();
    if v2 {
        out.text("piece layers").dict().bytes(&root).bytes(layer.as_flattened()).end();
    }
    out.end();
    out.finish()
}

/// Good bytes.
pub fn seeds() -> Vec<Vec<u8>> {
    let torrents = [torrent(true, false), torrent(false, true), torrent(true, true)];
    let infos = torrents.iter().map(|bytes| Metainfo::parse(bytes).expect("a good one").info);
    let links = torrents.iter().map(|bytes| Metainfo::parse(bytes).expect("a good one").magnet());
    let links: Vec<Vec<u8>> = links.map(|link| link.to_string().into_bytes()).collect();
    infos.chain(links).chain(torrents.iter().cloned()).collect()
}
