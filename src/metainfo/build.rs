//! From a [`Draft`] to a torrent: writes `info` (BEP 3, BEP 47, BEP 52).
//!
//! ```text
//! hybrid, pieces of 32 KiB:   a (70,000) | pad 28,304 | b (empty) | c (5)        v1 `files`
//!                             a          |            | b         | c            v2 `file tree`
//! ```
//! A pad follows every file that does not end with a piece, except empty files and the last one
//! that is not empty. Names are compared one by one, never as joined paths, or libtorrent would
//! find that the two lists disagree. The result is canonical: what [`build`] returns is what
//! [`Metainfo::parse`] reads back. Nothing here does I/O.

use super::bencode::Encoder;
use super::draft::{Draft, DraftFile, Version};
use super::error::MetainfoError;
use super::{FileKind, Metainfo};

/// What a new torrent says beside its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildOptions {
    /// Tracker URLs in tiers (BEP 12).
    pub trackers: Vec<Vec<String>>,
    /// `host:port` of trackers that speak the native dialect.
    pub native_trackers: Vec<String>,
    /// Free text.
    pub comment: Option<String>,
    /// The program that makes it.
    pub created_by: Option<String>,
    /// In seconds of the Unix epoch.
    pub creation_date: Option<i64>,
    /// No peers but the tracker's (BEP 27); changes the info-hashes.
    pub private: bool,
    /// Web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// Where it belongs, for private trackers; changes the info-hashes.
    pub source: Option<String>,
}

/// How BitTorrent clients reach a tracker that speaks the native dialect at `host:port`: the URLs
/// of one tier, because it is one tracker.
pub fn announce_tier(native_tracker: &str) -> Vec<String> {
    ["http", "udp"].iter().map(|scheme| format!("{scheme}://{native_tracker}/announce")).collect()
}

/// Makes a torrent. Fails on a draft that cannot be one: v1 without a byte of content, too many
/// pieces, names of which nothing is left.
pub fn build(draft: &Draft, options: &BuildOptions) -> Result<Metainfo, MetainfoError> {
    let mut metainfo = Metainfo::from_info(&info(draft, options))?;
    let data = metainfo.files.iter_mut().filter(|file| file.kind == FileKind::Data);
    for (file, draft) in data.zip(&draft.files) {
        file.layer.clone_from(&draft.layer);
    }
    metainfo.trackers.clone_from(&options.trackers);
    metainfo.native_trackers.clone_from(&options.native_trackers);
    metainfo.web_seeds.clone_from(&options.web_seeds);
    metainfo.comment.clone_from(&options.comment);
    metainfo.created_by.clone_from(&options.created_by);
    metainfo.creation_date = options.creation_date;
    Metainfo::parse(&metainfo.to_torrent())
}

fn info(draft: &Draft, options: &BuildOptions) -> Vec<u8> {
    let (v1, v2) = (draft.version != Version::V2, draft.version != Version::V1);
    let mut out = Encoder::new();
    out.dict();
    if v2 {
        write_tree(&mut out, &draft.files);
    }
    if v1 && draft.single_file {
        let length = draft.files.first().map_or(0, |file| file.length);
        out.text("length").int(length as i64);
    } else if v1 {
        write_files(&mut out, draft);
    }
    if v2 {
        out.text("meta version").int(2);
    }
    out.text("name").text(&draft.name);
    out.text("piece length").int(draft.piece_length.into());
    if v1 {
        out.text("pieces").bytes(draft.v1_pieces.as_flattened());
    }
    if options.private {
        out.text("private").int(1);
    }
    if let Some(source) = &options.source {
        out.text("source").text(source);
    }
    out.end();
    out.finish()
}

/// `files` (BEP 3), in a hybrid with pads (BEP 47).
fn write_files(out: &mut Encoder, draft: &Draft) {
    let last = draft.files.iter().rposition(|file| file.length > 0);
    let piece_length = u64::from(draft.piece_length);
    out.text("files").list();
    for (i, file) in draft.files.iter().enumerate() {
        out.dict().text("length").int(file.length as i64).text("path");
        write_path(out, file.path.iter().map(String::as_str));
        out.end();
        let pad = file.length.next_multiple_of(piece_length) - file.length;
        if draft.version == Version::Hybrid && Some(i) != last && pad > 0 {
            out.dict().text("attr").text("p").text("length").int(pad as i64).text("path");
            write_path(out, [".pad", &pad.to_string()]);
            out.end();
        }
    }
    out.end();
}

fn write_path<'a>(out: &mut Encoder, path: impl IntoIterator<Item = &'a str>) {
    out.list();
    for part in path {
        out.text(part);
    }
    out.end();
}

/// `file tree` (BEP 52): folders are opened and closed as the sorted paths go by.
fn write_tree(out: &mut Encoder, files: &[DraftFile]) {
    debug_assert!(files.is_sorted_by(|a, b| a.path < b.path), "a draft is in file tree order");
    out.text("file tree").dict();
    let mut open: &[String] = &[];
    for file in files {
        let Some((name, folder)) = file.path.split_last() else { continue };
        let shared = open.iter().zip(folder).take_while(|(a, b)| a == b).count();
        for _ in shared..open.len() {
            out.end();
        }
        for part in &folder[shared..] {
            out.text(part).dict();
        }
        open = folder;
        write_leaf(out, name, file);
    }
    for _ in open {
        out.end();
    }
    out.end();
}

fn write_leaf(out: &mut Encoder, name: &str, file: &DraftFile) {
    out.text(name).dict().text("").dict().text("length").int(file.length as i64);
    if let Some(root) = &file.root {
        out.text("pieces root").bytes(root);
    }
    out.end().end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BLOCK_LEN;
    use crate::metainfo::merkle;
    use sha1::Sha1;
    use sha2::{Digest, Sha256};

    fn draft_file(path: &str, content: &[u8], version: Version, piece_length: u32) -> DraftFile {
        let leaves: Vec<_> =
            content.chunks(BLOCK_LEN as usize).map(|block| Sha256::digest(block).into()).collect();
        let has_root = version != Version::V1 && !content.is_empty();
        let padded = merkle::padded_leaves_of(content.len() as u64) as u32;
        let has_layer = has_root && content.len() > piece_length as usize;
        DraftFile {
            path: path.split('/').map(str::to_owned).collect(),
            length: content.len() as u64,
            root: has_root.then(|| merkle::root_of(&leaves, padded)),
            layer: if has_layer { merkle::layer_of(&leaves, piece_length) } else { Vec::new() },
        }
    }

    /// Hashes files that are already in order, in the plainest way.
    fn draft(version: Version, single_file: bool, files: &[(&str, &[u8])]) -> Draft {
        let piece_length = 32768;
        let last = files.iter().rposition(|(_, content)| !content.is_empty());
        let mut stream = Vec::new();
        for (i, (_, content)) in files.iter().enumerate() {
            stream.extend_from_slice(content);
            if version == Version::Hybrid && Some(i) != last {
                stream.resize(stream.len().next_multiple_of(piece_length), 0);
            }
        }
        let pieces = stream.chunks(piece_length).map(|piece| Sha1::digest(piece).into());
        Draft {
            name: if single_file { files[0].0.to_owned() } else { "t".to_owned() },
            version,
            piece_length: piece_length as u32,
            single_file,
            files: files
                .iter()
                .map(|(path, content)| draft_file(path, content, version, piece_length as u32))
                .collect(),
            v1_pieces: if version == Version::V2 { Vec::new() } else { pieces.collect() },
        }
    }

    fn everything_said() -> BuildOptions {
        BuildOptions {
            trackers: vec![vec!["udp://a:1/announce".into(), "http://b/".into()], vec!["c".into()]],
            native_trackers: vec!["127.0.0.1:6969".into()],
            comment: Some("words".into()),
            created_by: Some("swarmlet/0.1.0".into()),
            creation_date: Some(1_700_000_000),
            private: true,
            web_seeds: vec!["http://c/d".into()],
            source: Some("here".into()),
        }
    }

    const A: &[u8] = &[b'a'; 70_000];

    /// Whether it is a single file, and the files.
    type Case = (bool, Vec<(&'static str, &'static [u8])>);

    fn cases() -> Vec<Case> {
        vec![
            (true, vec![("one.bin", A)]),
            (true, vec![("byte", b"x")]),
            (true, vec![("grün 世界", &A[..32768])]),
            (false, vec![("a", A), ("b", b""), ("c", b"12345")]),
            (false, vec![("a", A), ("b", b"12345"), ("c", &A[..32768]), ("d", b""), ("e", b"")]),
            (false, vec![("a/x", A), ("a/y/z", b"1"), ("a.b", b"2"), ("b/y", b"3")]),
        ]
    }

    #[test]
    fn what_is_built_is_what_is_parsed_back() {
        for version in [Version::V1, Version::Hybrid, Version::V2] {
            for (single, files) in cases() {
                for options in [BuildOptions::default(), everything_said()] {
                    let built = build(&draft(version, single, &files), &options).unwrap();
                    assert_eq!(Metainfo::parse(&built.to_torrent()).as_ref(), Ok(&built));
                    assert_eq!(built.info_hash_v1.is_some(), version != Version::V2);
                    assert_eq!(built.info_hash_v2.is_some(), version != Version::V1);
                    assert_eq!(built.data_files().count(), files.len());
                    assert!(built.layers_complete());
                    assert_eq!(
                        (built.private, &built.trackers),
                        (options.private, &options.trackers)
                    );
                }
            }
        }
    }

    #[test]
    fn pads_follow_files_that_cut_a_piece_but_neither_empty_ones_nor_the_last() {
        let files = [("a", A), ("b", b""), ("c", b"12345"), ("d", &A[..32768]), ("e", b"")];
        let built = build(&draft(Version::Hybrid, false, &files), &BuildOptions::default());
        let entries: Vec<String> = built
            .unwrap()
            .files
            .iter()
            .map(|file| format!("{} {}", file.path.join("/"), file.length))
            .collect();
        let expected = [
            "t/a 70000",
            "t/.pad/28304 28304",
            "t/b 0",
            "t/c 5",
            "t/.pad/32763 32763",
            "t/d 32768",
            "t/e 0",
        ];
        assert_eq!(entries, expected);
    }

    /// Written field by field from BEP 52; the root is the SHA-256 of `x`, a tree of one leaf.
    #[test]
    fn the_info_of_a_one_byte_hybrid_is_as_written_by_hand() {
        let built = build(&draft(Version::Hybrid, true, &[("x", b"x")]), &BuildOptions::default());
        let mut expected = b"d9:file treed1:xd0:d6:lengthi1e11:pieces root32:".to_vec();
        expected.extend_from_slice(&Sha256::digest(b"x"));
        expected.extend_from_slice(b"eee6:lengthi1e12:meta versioni2e4:name1:x");
        expected.extend_from_slice(b"12:piece lengthi32768e6:pieces20:");
        expected.extend_from_slice(&Sha1::digest(b"x"));
        expected.push(b'e');
        assert_eq!(built.unwrap().info, expected);
    }

    #[test]
    fn nothing_at_all_is_a_hybrid_or_a_v2_torrent_but_no_v1_torrent() {
        for version in [Version::Hybrid, Version::V2] {
            let built = build(&draft(version, true, &[("e", b"")]), &BuildOptions::default());
            let built = built.unwrap();
            assert_eq!((built.total_size(), built.geometry().pieces()), (0, 0));
        }
        let v1 = build(&draft(Version::V1, true, &[("e", b"")]), &BuildOptions::default());
        assert_eq!(v1, Err(MetainfoError::NoContent));
    }

    #[test]
    fn pieces_know_their_file_and_what_they_must_hash_to() {
        use crate::ids::PieceIndex;
        use crate::metainfo::PieceHash;
        let files = [("a", A), ("b", b"".as_slice()), ("c", b"12345")];
        let hybrid = build(&draft(Version::Hybrid, false, &files), &BuildOptions::default());
        let hybrid = hybrid.unwrap();
        let file = |p| hybrid.file_of_piece(PieceIndex(p)).map(|f| f.path.join("/"));
        assert_eq!(file(0).as_deref(), Some("t/a"));
        assert_eq!(file(2).as_deref(), Some("t/a"));
        assert_eq!(file(3).as_deref(), Some("t/c"));
        assert_eq!(file(4), None);
        let layer = &hybrid.files[0].layer;
        let v2 = |root, leaves| Some(PieceHash::V2 { root, leaves });
        assert_eq!(hybrid.piece_hash(PieceIndex(2)), v2(layer[2], 2));
        assert_eq!(hybrid.piece_hash(PieceIndex(3)), v2(Sha256::digest(b"12345").into(), 1));
        assert_eq!(hybrid.piece_hash(PieceIndex(4)), None);
        let bare = Metainfo::from_info(&hybrid.info).unwrap();
        assert_eq!((bare.layers_complete(), bare.piece_hash(PieceIndex(0))), (false, None));
        let v1 = build(&draft(Version::V1, false, &files), &BuildOptions::default()).unwrap();
        assert_eq!(v1.piece_hash(PieceIndex(1)), Some(PieceHash::V1(v1.v1_pieces[1])));
        assert_eq!(v1.file_of_piece(PieceIndex(2)).map(|f| f.path.join("/")), Some("t/a".into()));
        assert_eq!((v1.piece_hash(PieceIndex(3)), v1.file_of_piece(PieceIndex(3))), (None, None));
    }

    #[test]
    fn an_exchange_is_believed_only_as_far_as_the_hash_goes() {
        let (_, files) = cases().remove(4);
        let built =
            build(&draft(Version::Hybrid, false, &files), &BuildOptions::default()).unwrap();
        let hash = built.info_hash_v2.unwrap();
        let bytes = built.exchange_bytes();
        let read = |length, bytes: &[u8]| Metainfo::from_exchange(&hash, length, bytes);
        assert_eq!(read(built.info.len(), &bytes), Ok(built.clone()));
        assert_eq!(read(built.info.len() - 1, &bytes), Err(MetainfoError::WrongInfoHash));
        assert_eq!(read(usize::MAX, &bytes), Err(MetainfoError::WrongInfoHash));
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 4;
            assert!(read(built.info.len(), &wrong).is_err(), "byte {at}");
        }
        for end in 0..bytes.len() {
            assert!(read(built.info.len(), &bytes[..end]).is_err(), "cut at {end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(read(built.info.len(), &longer).is_err());
    }

    #[test]
    fn the_root_of_a_folder_is_the_hash_of_its_files_roots() {
        let one = build(&draft(Version::V2, true, &[("a", A)]), &BuildOptions::default()).unwrap();
        assert_eq!(one.root(), one.files[0].root);
        let files = [("a", A), ("b", b"".as_slice()), ("c", b"1")];
        let all = build(&draft(Version::V2, false, &files), &BuildOptions::default()).unwrap();
        let roots = [all.files[0].root.unwrap(), all.files[2].root.unwrap()];
        assert_eq!(all.root(), Some(Sha256::digest(roots.as_flattened()).into()));
        let v1 = build(&draft(Version::V1, true, &[("a", A)]), &BuildOptions::default()).unwrap();
        assert_eq!(v1.root(), None);
    }
}
