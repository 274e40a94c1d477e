//! A group of pieces hashed where their files lie in memory, without a copy: [`Views`].
//!
//! To read a gibibyte by position costs a core 0.13 s, where SHA-1 in lanes takes 0.16 and SHA-256
//! 0.32; to look at it through a map costs 0.03. A file is mapped for as long as one group is
//! hashed, and of each piece a window is made present at a time, so that a program that hashes a
//! large file does not seem to hold it.
//!
//! ```text
//! piece 0 |window|      |    |      piece 1 |window|      |    |      16 pieces side by side
//!         ^^ chunk                          ^^ chunk                   (see hash::stream)
//! ```
//! Nothing that goes wrong here is an error: what cannot be seen is read by position, and that
//! says what is wrong.

use super::hash::stream::{Buffer, CHUNK, Found, GROUP, Work};
use super::layout::{Layout, Part, Place};
use super::mapped::Mapped;
use crate::ids::Span;

/// The least file that is mapped: below this, opening and mapping it costs more than a copy.
pub(super) const LEAST: u64 = 1 << 20;

/// Bytes of a piece that are made present at a time.
const WINDOW: usize = 512 * 1024;

const _: () = assert!(WINDOW.is_multiple_of(CHUNK), "a chunk lies in one window");

/// The maps that a group of pieces is seen through.
#[derive(Debug)]
pub(super) struct Views {
    /// By the layout's entry; `None` for one that cannot be mapped.
    maps: Vec<(usize, Option<Mapped>)>,
    /// Of each piece: its place in `maps`, and where in the file it lies.
    pieces: Vec<Option<(usize, Part)>>,
}

impl Views {
    /// Maps what `group` lies in; `map` is asked once for each entry. A piece that lies in more
    /// than one file is read by position.
    pub(super) fn new(
        layout: &Layout,
        group: impl Iterator<Item = Span>,
        map: impl Fn(usize) -> Option<Mapped>,
    ) -> Self {
        let mut maps: Vec<(usize, Option<Mapped>)> = Vec::new();
        let pieces = group.map(|span| {
            let mut parts = layout.parts(span);
            let (Some(part), None) = (parts.next(), parts.next()) else { return None };
            let Place::File(entry) = part.place else { return None };
            let known = maps.iter().position(|&(mapped, _)| mapped == entry);
            let at = known.unwrap_or_else(|| {
                maps.push((entry, map(entry)));
                maps.len() - 1
            });
            Some((at, part))
        });
        Self { pieces: pieces.collect(), maps }
    }

    /// Hashes the group; `read(n, offset, bytes)` fills in what cannot be seen of the `n`th.
    ///
    /// # Errors
    /// What `read` says.
    pub(super) fn hash<E>(
        &self,
        buffer: &mut Buffer,
        group: &[Work],
        mut read: impl FnMut(usize, u32, &mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<Found>, E> {
        let mut windows: [&[u8]; GROUP] = [&[]; GROUP];
        let found = buffer.hash(group, |n, offset, bytes| {
            match self.chunk(&mut windows[n], n, offset as usize, bytes.len()) {
                Some(seen) => Ok(Some(seen)),
                None => read(n, offset, bytes).map(|()| None),
            }
        });
        if self.maps.iter().flat_map(|(_, map)| map).all(|map| map.sound().is_ok()) {
            return found;
        }
        // A file was cut while we looked: what was hashed was not its bytes.
        buffer.hash(group, |n, offset, bytes| read(n, offset, bytes).map(|()| None))
    }

    /// Some bytes of the `n`th piece, out of its `window`, which moves on when they start one.
    fn chunk<'v>(
        &'v self,
        window: &mut &'v [u8],
        n: usize,
        offset: usize,
        length: usize,
    ) -> Option<&'v [u8]> {
        let (at, part) = self.pieces[n]?;
        let map = self.maps[at].1.as_ref()?;
        let within = offset % WINDOW;
        if within == 0 {
            let length = part.length.saturating_sub(offset).min(WINDOW);
            *window = map.view(part.offset + offset as u64, length).unwrap_or_default();
        }
        window.get(within..within + length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Order;
    use super::super::scratch::Scratch;
    use super::*;
    use crate::ids::PieceIndex;
    use crate::metainfo::FileKind;
    use sha1::{Digest, Sha1};
    use std::cell::Cell;
    use std::fs::File;

    const PIECE: u32 = (WINDOW + 3 * CHUNK) as u32;
    const LENGTH: u64 = 2 * PIECE as u64 + 12345;

    fn file() -> (Scratch, File, Vec<u8>) {
        let scratch = Scratch::new();
        let path = scratch.path().join("f");
        let mut bytes = vec![0; LENGTH as usize];
        fastrand::Rng::with_seed(5).fill(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let file = File::options().read(true).write(true).open(path).unwrap();
        (scratch, file, bytes)
    }

    /// The three pieces of a file, and what must be found of them.
    fn group(bytes: &[u8]) -> (Layout, Vec<Span>, Vec<Work>, Vec<Found>) {
        let layout = Layout::new(Order::Contiguous, PIECE, [(LENGTH, FileKind::Data)]);
        let chunks = || bytes.chunks(PIECE as usize);
        let length = |chunk: &[u8]| chunk.len() as u32;
        let span = |(n, chunk)| Span { piece: PieceIndex(n), offset: 0, length: length(chunk) };
        let work = |chunk: &[u8]| Work { sha1: Some(length(chunk)), ..Work::default() };
        let found = |chunk| Found { sha1: Some(Sha1::digest(chunk).into()), root: None };
        let spans = (0..).zip(chunks()).map(span).collect();
        (layout, spans, chunks().map(work).collect(), chunks().map(found).collect())
    }

    #[test]
    fn what_is_seen_is_not_read() {
        let (_scratch, file, bytes) = file();
        let (layout, spans, works, expected) = group(&bytes);
        let asked = Cell::new(0);
        let views = Views::new(&layout, spans.into_iter(), |entry| {
            asked.set(asked.get() + 1);
            assert_eq!(entry, 0);
            Mapped::new(&file, LENGTH).ok()
        });
        let found = views.hash(&mut Buffer::default(), &works, |n, _, _| Err(n));
        assert_eq!(found, Ok(expected));
        assert_eq!(asked.get(), 1, "one file, one map");
    }

    #[test]
    fn what_cannot_be_seen_is_read() {
        let (_scratch, file, bytes) = file();
        let (layout, spans, works, expected) = group(&bytes);
        let read = |n: usize, offset: u32, room: &mut [u8]| {
            let start = n * PIECE as usize + offset as usize;
            room.copy_from_slice(&bytes[start..][..room.len()]);
            Ok::<(), ()>(())
        };
        let none = Views::new(&layout, spans.clone().into_iter(), |_| None);
        assert_eq!(none.hash(&mut Buffer::default(), &works, read), Ok(expected.clone()));
        let views = Views::new(&layout, spans.into_iter(), |_| Mapped::new(&file, LENGTH).ok());
        file.set_len(PIECE.into()).unwrap();
        assert_eq!(views.hash(&mut Buffer::default(), &works, read), Ok(expected));
    }

    #[test]
    fn a_group_whose_file_is_cut_meanwhile_is_hashed_again_by_position() {
        let (_scratch, file, bytes) = file();
        let (_, spans, _, _) = group(&bytes);
        // One window of each, so that the cut file is not asked for another.
        let works = [Work { sha1: Some(WINDOW as u32), ..Work::default() }; 2];
        // Of two entries one is mapped; reading the other cuts the first under our eyes.
        let entries = [(u64::from(PIECE), FileKind::Data), (LENGTH, FileKind::Data)];
        let layout = Layout::new(Order::Contiguous, PIECE, entries);
        let map = |entry| (entry == 0).then(|| Mapped::new(&file, LENGTH).unwrap());
        let views = Views::new(&layout, spans[..2].iter().copied(), map);
        let found = views.hash(&mut Buffer::default(), &works, |n, _, _| {
            file.set_len(0).unwrap();
            if n == 0 { Err("it is shorter") } else { Ok(()) }
        });
        assert_eq!(found, Err("it is shorter"));
    }
}
