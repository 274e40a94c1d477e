//! The rules of hash requests. What is right is computed apart, node by node, over whole padded
//! trees.

use super::{BadRange, LayerAssembler, Needs, Tree, WrongHashes, check_answer_under, uncles_in};
use crate::geometry::BLOCK_LEN;
use crate::ids::Sha256Hash;
use crate::metainfo::build::{BuildOptions, build};
use crate::metainfo::draft::{Draft, DraftFile, Version};
use crate::metainfo::{FileEntry, FileKind, Metainfo, MetainfoError, merkle};
use crate::protocol::message::HashRange;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use sha2::{Digest, Sha256};

/// All layers of a padded tree, the leaves first.
fn layers(leaves: &[Sha256Hash]) -> Vec<Vec<Sha256Hash>> {
    let mut row = leaves.to_vec();
    row.resize(leaves.len().next_power_of_two(), [0; 32]);
    let mut all = vec![row];
    while all[all.len() - 1].len() > 1 {
        let below = &all[all.len() - 1];
        all.push(below.chunks(2).map(|two| node(two[0], two[1])).collect());
    }
    all
}

fn node(left: Sha256Hash, right: Sha256Hash) -> Sha256Hash {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

fn leaves(count: u32) -> Vec<Sha256Hash> {
    (0..count).map(|n| Sha256::digest(n.to_be_bytes()).into()).collect()
}

fn file(leaves: &[Sha256Hash], per_piece: u32) -> FileEntry {
    let is_longer = leaves.len() > per_piece as usize;
    let layer = merkle::layer_of(leaves, per_piece * BLOCK_LEN);
    FileEntry {
        path: vec!["f".to_owned()],
        length: leaves.len() as u64 * u64::from(BLOCK_LEN) - 1,
        kind: FileKind::Data,
        root: Some(layers(leaves).last().unwrap()[0]),
        layer: if is_longer { layer } else { Vec::new() },
    }
}

fn tree(file: &FileEntry, per_piece: u32) -> Tree {
    Tree::of(file, per_piece * BLOCK_LEN).unwrap()
}

fn range(tree: &Tree, base: u32, index: u32, count: u32, proof: u32) -> HashRange {
    HashRange { root: tree.root(), base, index, count, proof }
}

/// The answer as BEP 52 words it: the hashes, then for every proof layer the sibling, unless the
/// requested hashes include the layer below whole.
fn by_the_book(leaves: &[Sha256Hash], range: &HashRange) -> Vec<Sha256Hash> {
    let layers = layers(leaves);
    let (at, count) = (range.index as usize, range.count as usize);
    let mut hashes = layers[range.base as usize][at..at + count].to_vec();
    for layer in range.base + 1..=range.base + range.proof {
        let (first, last) = (at >> (layer - range.base), (at + count - 1) >> (layer - range.base));
        if first == last {
            hashes.push(layers[layer as usize][first ^ 1]);
        }
    }
    hashes
}

fn answer(tree: &Tree, file: &FileEntry, all: &[Sha256Hash], range: &HashRange) -> Vec<Sha256Hash> {
    match tree.needs(range) {
        Ok(Needs::Layer) if file.layer.is_empty() => tree.answer_from_layer(range, all),
        Ok(Needs::Layer) => tree.answer_from_layer(range, &file.layer),
        Ok(Needs::Leaves(piece)) => {
            let per_piece = 1 << tree.piece_layer;
            let leaves = all.chunks(per_piece).nth(piece as usize).unwrap();
            tree.answer_from_leaves(range, leaves, &file.layer)
        }
        Err(error) => panic!("{error}"),
    }
    .unwrap_or_else(|| panic!("no answer to {range:?}"))
}

/// Five pieces of two leaves; the last has one. The nodes are put together by hand.
#[test]
fn the_answers_about_five_pieces_are_those_written_by_hand() {
    let all = leaves(9);
    let file = file(&all, 2);
    let tree = tree(&file, 2);
    let zero = [0; 32];
    let pieces = [0, 2, 4, 6].map(|n| node(all[n], all[n + 1]));
    let (last, pad) = (node(all[8], zero), node(zero, zero));
    let (left, right) = (node(pieces[0], pieces[1]), node(pieces[2], pieces[3]));
    let behind = node(node(last, pad), node(pad, pad));
    assert_eq!(tree.root(), node(node(left, right), behind));

    let whole: Vec<_> = tree.layer_requests().collect();
    assert_eq!(whole, [range(&tree, 1, 0, 8, 2)]);
    let [p0, p1, p2, p3] = pieces;
    let cases = [
        (whole[0], vec![p0, p1, p2, p3, last, pad, pad, pad]),
        (range(&tree, 1, 0, 2, 2), vec![p0, p1, right, behind]),
        (range(&tree, 1, 4, 2, 2), vec![last, pad, node(pad, pad), node(left, right)]),
        (range(&tree, 1, 2, 2, 1), vec![p2, p3, left]),
        (range(&tree, 1, 2, 2, 0), vec![p2, p3]),
        (range(&tree, 0, 6, 2, 3), vec![all[6], all[7], p2, left, behind]),
        (range(&tree, 0, 8, 2, 1), vec![all[8], zero, pad]),
        (range(&tree, 0, 8, 2, 0), vec![all[8], zero]),
    ];
    for (range, expected) in cases {
        assert_eq!(answer(&tree, &file, &all, &range), expected, "{range:?}");
    }
}

#[test]
fn what_lies_outside_the_tree_or_between_its_rules_is_refused() {
    let file = file(&leaves(9), 2);
    let tree = tree(&file, 2);
    let cases = [
        ((2, 0, 2, 0), BadRange::Base(2)),
        ((u32::MAX, 0, 2, 0), BadRange::Base(u32::MAX)),
        ((1, 0, 0, 0), BadRange::Count(0)),
        ((1, 0, 3, 0), BadRange::Count(3)),
        ((1, 0, 16384, 0), BadRange::Count(16384)),
        ((1, 1, 2, 0), BadRange::Index { index: 1, count: 2 }),
        ((1, 0, 16, 0), BadRange::BehindTheEnd),
        ((1, 8, 2, 0), BadRange::BehindTheEnd),
        ((1, 6, 2, 0), BadRange::BehindTheEnd),
        ((1, 1 << 31, 1 << 13, 0), BadRange::BehindTheEnd),
        ((0, 10, 2, 0), BadRange::BehindTheEnd),
        ((0, 0, 4, 0), BadRange::SeveralPieces),
        ((1, 0, 2, 3), BadRange::Proof(3)),
        ((0, 0, 2, 4), BadRange::Proof(4)),
        ((0, 0, 2, u32::MAX), BadRange::Proof(u32::MAX)),
    ];
    for ((base, index, count, proof), expected) in cases {
        let range = range(&tree, base, index, count, proof);
        assert_eq!(tree.needs(&range), Err(expected), "{range:?}");
    }
    let other = HashRange { root: [7; 32], ..range(&tree, 1, 0, 2, 0) };
    assert_eq!(tree.needs(&other), Err(BadRange::Root));
}

#[test]
fn every_answer_is_as_the_book_says_and_proves_itself() {
    for count in 1..40 {
        for per_piece in [1, 2, 4, 8] {
            check_all_ranges(&leaves(count), per_piece);
        }
    }
}

fn check_all_ranges(all: &[Sha256Hash], per_piece: u32) {
    let file = file(all, per_piece);
    let tree = tree(&file, per_piece);
    for base in 0..=3 {
        for count in [2, 4, 8, 16] {
            for index in (0..64).step_by(count as usize) {
                for proof in 0..8 {
                    let range = range(&tree, base, index, count, proof);
                    if tree.needs(&range).is_ok() {
                        check_range(&tree, &file, all, &range);
                    }
                }
            }
        }
    }
}

fn check_range(tree: &Tree, file: &FileEntry, all: &[Sha256Hash], range: &HashRange) {
    let mut hashes = answer(tree, file, all, range);
    assert_eq!(hashes, by_the_book(all, range), "{range:?} of {}", all.len());
    let layers = layers(all);
    let up = range.count.ilog2() + uncles_in(range);
    let known = layers[(range.base + up) as usize][(range.index >> up) as usize];
    let base = hashes[..range.count as usize].to_vec();
    assert_eq!(check_answer_under(range, &hashes, &known), Ok(&base[..]));
    if known == tree.root() {
        let whole = HashRange { proof: tree.whole_proof(range.base), ..*range };
        assert_eq!(tree.check_answer(&whole, &hashes), Ok(&base[..]));
    }
    for at in 0..hashes.len() {
        hashes[at][31] ^= 128;
        assert_eq!(check_answer_under(range, &hashes, &known), Err(WrongHashes::Unproved));
        hashes[at][31] ^= 128;
    }
    let (got, wanted) = (hashes.len() - 1, hashes.len());
    assert_eq!(
        check_answer_under(range, &hashes[1..], &known),
        Err(WrongHashes::Count { got, wanted })
    );
}

/// libtorrent asks for one hash when 513, 1025, .. pieces leave one.
#[test]
fn a_single_hash_comes_with_its_sibling() {
    let all = leaves(5);
    let file = file(&all, 1);
    let tree = tree(&file, 1);
    let range = range(&tree, 0, 4, 1, 2);
    let rows = layers(&all);
    let expected = [all[4], [0; 32], rows[1][3], rows[2][0]];
    assert_eq!(tree.answer_from_layer(&range, &file.layer).unwrap(), expected);
    assert_eq!(tree.check_answer(&range, &expected), Ok(&all[4..]));
}

#[test]
fn the_whole_layer_is_asked_for_in_runs_of_512() {
    let requests = |pieces: u32| -> Vec<(u32, u32, u32)> {
        let length = u64::from(pieces - 1) * 65536 + 1;
        let entry = FileEntry { length, ..file(&leaves(1), 4) };
        let requests: Vec<HashRange> = tree(&entry, 4).layer_requests().collect();
        assert!(requests.iter().all(|range| range.base == 2));
        requests.iter().map(|range| (range.index, range.count, range.proof)).collect()
    };
    assert_eq!(requests(1), []);
    assert_eq!(requests(2), [(0, 2, 0)]);
    assert_eq!(requests(3), [(0, 4, 1)]);
    assert_eq!(requests(512), [(0, 512, 8)]);
    assert_eq!(requests(513), [(0, 512, 9), (512, 2, 9)]);
    assert_eq!(requests(1300), [(0, 512, 10), (512, 512, 10), (1024, 512, 10)]);
    assert_eq!(requests(1100), [(0, 512, 10), (512, 512, 10), (1024, 128, 10)]);
}

#[test]
fn the_leaves_of_a_piece_are_asked_for_whole_and_end_at_its_own_hash() {
    let all = leaves(9);
    let long = file(&all, 4);
    let in_pieces = tree(&long, 4);
    let request = |piece| in_pieces.leaves_request(piece).map(|r| (r.index, r.count, r.proof));
    assert_eq!([0, 1, 2].map(request), [(0, 4, 0), (4, 4, 0), (8, 4, 0)].map(Some));
    assert_eq!((request(3), request(u32::MAX)), (None, None));
    let last = in_pieces.leaves_request(2).unwrap();
    let hashes = answer(&in_pieces, &long, &all, &last);
    assert!(check_answer_under(&last, &hashes, &long.layer[2]).is_ok());
    let short = file(&all[..3], 16);
    let short = tree(&short, 16).leaves_request(0).unwrap();
    assert_eq!((short.count, short.proof), (4, 0));
    let single = file(&all[..1], 16);
    assert_eq!(tree(&single, 16).leaves_request(0), None);
}

#[test]
fn the_layer_is_needed_only_for_proofs_that_leave_the_piece_and_its_rows_answer_alike() {
    let all = leaves(19);
    let file = file(&all, 4);
    let tree = tree(&file, 4);
    let rows = tree.rows(&file.layer).unwrap();
    // Layers: leaves 0, pairs 1, pieces 2, then 3 and 4 below the root, which is layer 5.
    let cases = [
        (range(&tree, 2, 0, 2, 0), false),
        (range(&tree, 2, 0, 2, 1), true),
        (range(&tree, 2, 4, 1, 2), true),
        (range(&tree, 0, 4, 4, 1), false),
        (range(&tree, 0, 4, 4, 2), true),
        (range(&tree, 0, 4, 2, 1), false),
        (range(&tree, 0, 4, 2, 4), true),
        (range(&tree, 1, 2, 2, 3), true),
    ];
    for (range, expected) in cases {
        let leaves = match tree.needs(&range).unwrap() {
            Needs::Layer => &[],
            Needs::Leaves(piece) => all.chunks(4).nth(piece as usize).unwrap(),
        };
        assert_eq!(tree.needs_rows(&range), expected, "{range:?}");
        let answered = tree.answer(&range, leaves, &file.layer, Some(&rows));
        assert_eq!(answered, Some(answer(&tree, &file, &all, &range)), "{range:?}");
        // Without the layer there is an answer if and only if it is not needed.
        if let Ok(Needs::Leaves(_)) = tree.needs(&range) {
            assert_eq!(tree.answer(&range, leaves, &[], None).is_none(), expected, "{range:?}");
        }
    }
    assert_eq!(tree.rows(&file.layer[1..]), None);
}

#[test]
fn nothing_is_answered_from_a_part_of_what_is_needed() {
    let all = leaves(9);
    let file = file(&all, 2);
    let tree = tree(&file, 2);
    let of_layer = range(&tree, 1, 0, 2, 2);
    assert_eq!(tree.answer_from_layer(&of_layer, &file.layer[..4]), None);
    assert_eq!(tree.answer_from_leaves(&of_layer, &all[..2], &file.layer), None);
    let of_leaves = range(&tree, 0, 2, 2, 3);
    assert_eq!(tree.answer_from_leaves(&of_leaves, &all[2..3], &file.layer), None);
    assert_eq!(tree.answer_from_leaves(&of_leaves, &all[2..4], &[]), None);
    assert_eq!(tree.answer_from_layer(&of_leaves, &file.layer), None);
    let inside = range(&tree, 0, 2, 2, 0);
    assert!(tree.answer_from_leaves(&inside, &all[2..4], &[]).is_some());
}

fn draft(files: &[(&str, u32)]) -> Draft {
    let of = |&(name, count): &(&str, u32)| {
        let FileEntry { length, root, layer, .. } = file(&leaves(count), 1);
        DraftFile { path: vec![name.to_owned()], length, root, layer }
    };
    Draft {
        name: "t".to_owned(),
        version: Version::V2,
        piece_length: BLOCK_LEN,
        single_file: false,
        files: files.iter().map(of).collect(),
        v1_pieces: Vec::new(),
    }
}

/// Answers requests of the assembler until nothing is missing.
fn feed(assembler: &mut LayerAssembler, files: &[(&str, u32)]) {
    while let Some(range) = assembler.missing().last() {
        let before = assembler.missing_count();
        let entries = files.iter().map(|&(_, count)| file(&leaves(count), 1));
        let entry = entries.into_iter().find(|entry| entry.root == Some(range.root)).unwrap();
        let hashes = tree(&entry, 1).answer_from_layer(&range, &entry.layer).unwrap();
        let mut wrong = hashes.clone();
        wrong[1][1] ^= 1;
        assert_eq!(assembler.on_hashes(&range, &wrong), Err(WrongHashes::Unproved));
        let shorter = HashRange { proof: 0, ..range };
        if range.proof > 0 {
            assert_eq!(assembler.on_hashes(&shorter, &hashes), Err(WrongHashes::NotAsked));
        }
        assert_eq!(assembler.on_hashes(&range, &hashes), Ok(()));
        assert_eq!(assembler.on_hashes(&range, &hashes), Ok(()), "it may come twice");
        assert_eq!(assembler.missing_count(), before - 1);
    }
}

#[test]
fn a_torrent_without_layers_gets_them_from_answers_to_its_requests() {
    let files = [("a", 1300), ("b", 1), ("c", 3), ("copy of c", 3), ("d", 513)];
    let whole = build(&draft(&files), &BuildOptions::default()).unwrap();
    let bare = Metainfo::from_info(&whole.info).unwrap();
    let mut assembler = LayerAssembler::new(&bare);
    assert_eq!((assembler.missing_count(), assembler.is_complete()), (3 + 1 + 2, false));
    feed(&mut assembler, &files);
    assert_eq!(assembler.attach(bare.clone()).as_ref(), Ok(&whole));
    let nothing = LayerAssembler::new(&whole);
    assert!(nothing.is_complete());
    assert_eq!(nothing.attach(whole.clone()), Ok(whole));
    let stranger = HashRange { root: [1; 32], base: 0, index: 0, count: 2, proof: 0 };
    let mut assembler = LayerAssembler::new(&bare);
    assert_eq!(assembler.on_hashes(&stranger, &[[0; 32]; 2]), Err(WrongHashes::NotAsked));
    assert!(matches!(assembler.attach(bare), Err(MetainfoError::PieceLayers(_))));
}

/// The root is right for what was proved, but what should be padding is not.
#[test]
fn a_layer_with_something_behind_its_end_is_refused_at_last() {
    let all = leaves(4);
    let mut lying = draft(&[("a", 4)]);
    lying.files[0].length -= u64::from(BLOCK_LEN);
    let info = build_unchecked(&lying);
    let mut assembler = LayerAssembler::new(&info);
    let range = assembler.missing().next().unwrap();
    assert_eq!(assembler.on_hashes(&range, &all), Ok(()));
    assert!(matches!(assembler.attach(info), Err(MetainfoError::PieceLayers(_))));
}

/// `info` of a draft whose layers do not fit.
fn build_unchecked(draft: &Draft) -> Metainfo {
    let bare = DraftFile { layer: Vec::new(), ..draft.files[0].clone() };
    let draft = Draft { files: vec![bare], ..draft.clone() };
    build(&draft, &BuildOptions::default()).unwrap()
}

proptest! {
    /// Whatever is asked and whatever is answered.
    #[test]
    fn no_request_and_no_answer_panics(
        base in 0..5_u32, index in any::<u32>(), shift in 0..20_u32, proof in 0..9_u32,
        count in any::<u32>(), hashes in 0..40_usize,
    ) {
        let all = leaves(19);
        let file = file(&all, 4);
        let tree = tree(&file, 4);
        for (index, count) in [(index >> shift, 1 << shift), (index % 32, count)] {
            let range = range(&tree, base, index, count, proof);
            let hashes = &vec![[1; 32]; hashes][..];
            prop_assert!(tree.check_answer(&range, hashes).is_err());
            prop_assert!(check_answer_under(&range, hashes, &[2; 32]).is_err());
            prop_assert_eq!(tree.answer_from_layer(&range, &[]), None);
            tree.answer_from_leaves(&range, &all[..4], &file.layer);
        }
    }
}
