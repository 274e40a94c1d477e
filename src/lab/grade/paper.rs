//! What is handed out: contents that differ from student to student, at equal difficulty.
//!
//! All of it follows from the student's id by a hash, so that a grading can be repeated to the byte
//! and nobody's answer fits anybody else's questions.

use crate::geometry::BLOCK_LEN;
use crate::ids::{InfoHashV2, PieceIndex, Sha256Hash, Span};
use crate::metainfo::Metainfo;
use crate::metainfo::build::{BuildOptions, build};
use crate::metainfo::draft::{Draft, DraftFile, Version};
use crate::metainfo::merkle;
use sha2::{Digest, Sha256};

/// The questions for one student.
#[derive(Debug, Clone)]
pub struct Paper {
    student: String,
}

/// A made-up file and what its .torrent says.
#[derive(Debug, Clone)]
pub struct Content {
    /// The file's name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What its .torrent says, piece layer and all.
    pub meta: Metainfo,
}

impl Paper {
    /// The paper of the student with this id.
    pub fn new(student: &str) -> Self {
        Self { student: student.to_owned() }
    }

    /// The number that everything is drawn from.
    pub fn seed(&self) -> u64 {
        self.seed_for("")
    }

    /// The content of a question: `pieces` pieces, the last of them shorter.
    pub fn content(&self, question: &str, pieces: u32, piece_length: u32) -> Content {
        let mut random = fastrand::Rng::with_seed(self.seed_for(question));
        let length = pieces * piece_length - random.u32(1..BLOCK_LEN);
        let mut bytes = vec![0; length as usize];
        random.fill(&mut bytes);
        let word: String = std::iter::repeat_with(|| random.lowercase()).take(5).collect();
        Content::new(format!("{question}-{word}.bin"), bytes, piece_length)
    }

    /// A number below `limit`: who dies, who lies.
    pub fn draw(&self, question: &str, limit: usize) -> usize {
        fastrand::Rng::with_seed(self.seed_for(&format!("{question} draw"))).usize(..limit)
    }

    fn seed_for(&self, question: &str) -> u64 {
        let digest = Sha256::digest(format!("{}\n{question}", self.student));
        let first = digest.first_chunk().expect("a digest has 32 bytes");
        u64::from_be_bytes(*first)
    }
}

impl Content {
    fn new(name: String, bytes: Vec<u8>, piece_length: u32) -> Self {
        let leaves = leaves(&bytes);
        let single = bytes.len() <= piece_length as usize;
        let width = leaves.len().next_power_of_two() as u32;
        let file = DraftFile {
            path: vec![name.clone()],
            length: bytes.len() as u64,
            root: Some(merkle::root_of(&leaves, width)),
            layer: if single { Vec::new() } else { merkle::layer_of(&leaves, piece_length) },
        };
        let draft = Draft {
            name: name.clone(),
            version: Version::V2,
            piece_length,
            single_file: true,
            files: vec![file],
            v1_pieces: Vec::new(),
        };
        let meta = build(&draft, &BuildOptions::default()).expect("a file of random bytes");
        Self { name, bytes, meta }
    }

    /// Its info-hash.
    pub fn hash(&self) -> InfoHashV2 {
        self.meta.info_hash_v2.expect("it was made with v2 hashes")
    }

    /// How many pieces it has.
    pub fn pieces(&self) -> u32 {
        (self.bytes.len() as u32).div_ceil(self.meta.piece_length)
    }

    /// How many blocks of 16 KiB it has.
    pub fn blocks(&self) -> u32 {
        (self.bytes.len() as u32).div_ceil(BLOCK_LEN)
    }

    /// The whole of a piece.
    pub fn piece(&self, piece: u32) -> Span {
        let start = piece * self.meta.piece_length;
        let length = self.meta.piece_length.min(self.bytes.len() as u32 - start);
        Span { piece: PieceIndex(piece), offset: 0, length }
    }

    /// The bytes of a span; none if it leaves its piece.
    pub fn slice(&self, span: Span) -> Option<&[u8]> {
        if span.piece.0 >= self.pieces() || span.end()? > self.piece(span.piece.0).length {
            return None;
        }
        let start = span.piece.at() * self.meta.piece_length as usize + span.offset as usize;
        self.bytes.get(start..start + span.length as usize)
    }

    /// The hashes of some leaves of a piece, zeros beyond the end, if they are such a run.
    pub fn leaf_hashes(&self, index: u32, count: u32) -> Option<Vec<u8>> {
        let most = self.meta.piece_length / BLOCK_LEN;
        if count == 0 || count > most || index.checked_add(count)? > self.pieces() * most {
            return None;
        }
        let start = (index as usize * BLOCK_LEN as usize).min(self.bytes.len());
        let end = (start + count as usize * BLOCK_LEN as usize).min(self.bytes.len());
        let mut hashes = leaves(&self.bytes[start..end]);
        hashes.resize(count as usize, merkle::ZERO_LEAF);
        Some(hashes.as_flattened().to_vec())
    }
}

fn leaves(bytes: &[u8]) -> Vec<Sha256Hash> {
    let blocks: Vec<&[u8]> = bytes.chunks(BLOCK_LEN as usize).collect();
    let mut hashes = vec![[0; 32]; blocks.len()];
    tape_sha256::hash_many(&blocks, &mut hashes);
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paper_is_the_same_again_and_another_for_somebody_else() {
        let content = |student| Paper::new(student).content("alone", 3, 32 * 1024);
        let (one, again, other) = (content("ABC123"), content("ABC123"), content("ABC124"));
        assert_eq!((&one.bytes, one.hash()), (&again.bytes, again.hash()));
        assert_ne!(one.bytes, other.bytes);
        assert_eq!((one.pieces(), other.pieces()), (3, 3));
        let drawn: Vec<usize> =
            (0..20).map(|id| Paper::new(&id.to_string()).draw("lost", 3)).collect();
        assert!((0..3).all(|who| drawn.contains(&who)), "{drawn:?}");
    }

    #[test]
    fn a_content_is_what_its_torrent_says() {
        for (pieces, length) in [(1, 16 * 1024), (1, 64 * 1024), (5, 32 * 1024)] {
            let content = Paper::new("x").content("made", pieces, length);
            assert_eq!(content.pieces(), pieces);
            let exchanged = content.meta.exchange_bytes();
            let read =
                Metainfo::from_exchange(&content.hash(), content.meta.info.len(), &exchanged);
            assert_eq!(read.as_ref(), Ok(&content.meta));
            let last = content.piece(pieces - 1);
            let bytes = content.slice(last).expect("it is there");
            assert!(content.bytes.ends_with(bytes));
            assert_eq!(content.slice(Span { length: last.length + 1, ..last }), None);
            let tree = crate::metainfo::hash_proof::Tree::of(&content.meta.files[0], length);
            if let Some(asked) = tree.and_then(|tree| tree.leaves_request(pieces - 1)) {
                let hashes = content.leaf_hashes(asked.index, asked.count).expect("leaves");
                let (hashes, _) = hashes.as_chunks();
                let root = merkle::root_of(hashes, asked.count);
                let file = &content.meta.files[0];
                assert_eq!(root, file.layer.last().copied().or(file.root).expect("a hash"));
            }
        }
    }
}
