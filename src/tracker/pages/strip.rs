//! A bitmap as a row of shades: nodes below each other show who has what.
//!
//! ```text
//! ████▓▒░···      one cell per piece, or per run of pieces where there are more than 64
//! ```
//! A cell is full only if all its pieces are there, and empty only if none is.

use crate::bitfield::Bitfield;

/// How many cells the row of so many pieces has.
pub fn cells(pieces: u32) -> u32 {
    pieces.min(Bitfield::PARTS)
}

/// For each cell the share of its pieces that are there, from 0 to 1.
pub fn shares(bits: &Bitfield) -> Vec<f32> {
    bits.parts().map(|(there, of)| there as f32 / of as f32).collect()
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

/// The bar of who has all of so many pieces, see [`Bitfield::bar`].
pub fn full_bar(pieces: u32) -> String {
    "f".repeat(cells(pieces) as usize)
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
        let row = |first: &str| format!("{first}{}", "·".repeat(Bitfield::PARTS as usize - 1));
        for (set, first) in [(0, "·"), (1, "░"), (4, "▒"), (8, "▓"), (9, "▓"), (10, "█")]
        {
            check(&bits(640, |piece| piece < set), &row(first));
        }
    }

    #[test]
    fn the_bar_of_all_pieces_is_that_of_a_full_bitfield() {
        for pieces in [1, 5, 64, 1000] {
            assert_eq!(full_bar(pieces), Bitfield::full(pieces).bar());
        }
    }
}
