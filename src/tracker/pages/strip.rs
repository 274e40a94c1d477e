//! A bitmap as a row of shades: nodes below each other show who has what.
//!
//! ```text
//! ████▓▒░···      one cell per piece, or per run of pieces where there are more than WIDTH
//! ```
//! A cell is full only if all its pieces are there, and empty only if none is.

use crate::bitfield::Bitfield;

/// Cells of a row at most.
pub const WIDTH: u32 = 64;

/// How many cells the row of so many pieces has.
pub fn cells(pieces: u32) -> u32 {
    pieces.min(WIDTH)
}

/// For each cell the share of its pieces that are there, from 0 to 1. One look at each byte.
pub fn shares(bits: &Bitfield) -> Vec<f32> {
    let (pieces, cells) = (bits.pieces(), cells(bits.pieces()));
    let edge = |cell: u32| (u64::from(cell) * u64::from(pieces) / u64::from(cells)) as u32;
    let share = |cell: u32| {
        let (from, to) = (edge(cell), edge(cell + 1));
        count(bits.as_bytes(), from, to) as f32 / (to - from) as f32
    };
    (0..cells).map(share).collect()
}

/// The row of these shares.
pub fn draw(shares: &[f32]) -> String {
    let shade = |share: &f32| match share {
        share if *share <= 0.0 => '·',
        share if *share >= 1.0 => '█',
        share if *share < 1.0 / 3.0 => '░',
        share if *share < 2.0 / 3.0 => '▒',
        _ => '▓',
    };
    shares.iter().map(shade).collect()
}

/// For each cell how many of its pieces are there, as a hexadecimal digit: `0` is none and `f` all.
pub fn bar(bits: &Bitfield) -> String {
    let digit = |share: f32| match share {
        share if share <= 0.0 => '0',
        share if share >= 1.0 => 'f',
        share => char::from(b"123456789abcde"[((share * 14.0) as usize).min(13)]),
    };
    shares(bits).into_iter().map(digit).collect()
}

/// The bar of who has all of so many pieces.
pub fn full_bar(pieces: u32) -> String {
    "f".repeat(cells(pieces) as usize)
}

/// The set bits from `from` to before `to`; piece 0 is the first byte's highest bit (BEP 3).
fn count(bytes: &[u8], from: u32, to: u32) -> u32 {
    let (first, last) = (from as usize / 8, (to as usize).div_ceil(8));
    let ones = |bytes: &[u8]| {
        let (words, rest) = bytes.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones());
        words.sum::<u32>() + rest.iter().map(|byte| byte.count_ones()).sum::<u32>()
    };
    let before = (bytes[first] & !(0xff >> (from % 8))).count_ones();
    let behind = if to.is_multiple_of(8) { 0 } else { bytes[last - 1] & (0xff >> (to % 8)) };
    ones(&bytes[first..last]) - before - behind.count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PieceIndex;

    fn bits(pieces: u32, set: impl Fn(u32) -> bool) -> Bitfield {
        let mut bits = Bitfield::new(pieces);
        for piece in (0..pieces).filter(|piece| set(*piece)) {
            bits.set(PieceIndex(piece));
        }
        bits
    }

    #[test]
    fn a_cell_is_full_only_if_all_its_pieces_are_there_and_empty_only_if_none_is() {
        let check = |bits: &Bitfield, row: &str| assert_eq!(draw(&shares(bits)), row);
        check(&bits(5, |piece| piece < 2), "██···");
        check(&Bitfield::new(0), "");
        let row = |first: &str| format!("{first}{}", "·".repeat(WIDTH as usize - 1));
        for (set, first) in [(0, "·"), (1, "░"), (4, "▒"), (8, "▓"), (9, "▓"), (10, "█")]
        {
            check(&bits(640, |piece| piece < set), &row(first));
        }
    }

    #[test]
    fn a_digit_of_a_bar_is_f_only_if_all_its_pieces_are_there_and_0_only_if_none_is() {
        let check = |set: u32, first: char| {
            let bar = bar(&bits(64_000, |piece| piece < set));
            assert_eq!(bar, format!("{first}{}", "0".repeat(63)), "{set}");
        };
        for (set, first) in [(0, '0'), (1, '1'), (71, '1'), (72, '2'), (500, '8'), (999, 'e')] {
            check(set, first);
        }
        assert_eq!(bar(&bits(64_000, |piece| piece < 1001))[..3], *"f10");
        assert_eq!(bar(&Bitfield::full(5)), full_bar(5));
        assert_eq!((full_bar(5), full_bar(100_000)), ("fffff".to_owned(), "f".repeat(64)));
    }

    #[test]
    fn the_cells_hold_every_piece_once() {
        for pieces in [1, 7, 8, 63, 64, 65, 100, 1000, 12_345] {
            let some = bits(pieces, |piece| piece % 3 == 0);
            let cells = cells(pieces);
            let edge = |cell: u32| cell * pieces / cells;
            let counted = (0..cells).map(|cell| count(some.as_bytes(), edge(cell), edge(cell + 1)));
            assert_eq!(counted.sum::<u32>(), some.count(), "{pieces} pieces");
            assert_eq!(shares(&Bitfield::full(pieces)), vec![1.0; cells as usize]);
        }
    }
}
