//! Where things stand, found by hash: a table of positions with open addressing.
//!
//! ```text
//! cell = high bits of the hash | position        all ones: free
//! ```
//! What is found is kept elsewhere, so an entry costs six to twelve bytes. A position is smaller
//! than the number of cells, and the bits that it leaves over hold a part of the hash, so that
//! hardly anything is looked at in vain. What leaves is followed up by its neighbours: a table
//! that much came to and went from is as quick as a new one.

const FREE: u32 = u32::MAX;

/// Cells at least.
const LEAST: usize = 16;

/// Positions by hash.
pub(super) struct Index {
    cells: Box<[u32]>,
    taken: usize,
}

impl Index {
    /// An empty table with room for `entries`.
    pub fn new(entries: usize) -> Self {
        let cells = (entries * 3 / 2 + 1).next_power_of_two().max(LEAST);
        Self { cells: vec![FREE; cells].into(), taken: 0 }
    }

    /// How many cells there are for each entry.
    pub fn spread(&self) -> usize {
        self.cells.len() / self.taken.max(1)
    }

    /// The position of what has this hash and `is` what is looked for.
    pub fn find(&self, hash: u64, is: impl Fn(usize) -> bool) -> Option<usize> {
        self.cell(hash, is).map(|cell| self.position(cell))
    }

    /// Adds a position; `hash_of` tells the hashes of those that are there.
    pub fn insert(&mut self, hash: u64, position: usize, hash_of: impl Fn(usize) -> u64) {
        if self.taken * 3 >= self.cells.len() * 2 {
            let mut larger = Self::new(self.cells.len());
            for cell in (0..self.cells.len()).filter(|&cell| self.cells[cell] != FREE) {
                larger.put(hash_of(self.position(cell)), self.position(cell));
            }
            *self = larger;
        }
        self.put(hash, position);
    }

    /// What stood at one position stands at another.
    pub fn moved(&mut self, hash: u64, from: usize, to: usize) {
        let cell = self.cell(hash, |position| position == from).expect("it stands in the table");
        self.cells[cell] = self.sign(hash) | to as u32;
    }

    /// Takes a position out; `hash_of` tells the hashes of all that are there.
    pub fn remove(&mut self, hash: u64, position: usize, hash_of: impl Fn(usize) -> u64) {
        let found = self.cell(hash, |other| other == position);
        let mut gap = found.expect("it stands in the table");
        let mask = self.mask();
        let mut next = (gap + 1) & mask;
        while self.cells[next] != FREE {
            let home = hash_of(self.position(next)) as usize;
            let (from_home, from_gap) = (next.wrapping_sub(home), next.wrapping_sub(gap));
            if from_home & mask >= from_gap & mask {
                self.cells[gap] = self.cells[next];
                gap = next;
            }
            next = (next + 1) & mask;
        }
        self.cells[gap] = FREE;
        self.taken -= 1;
    }

    fn put(&mut self, hash: u64, position: usize) {
        debug_assert!(position < self.mask(), "positions are smaller than the table");
        let mut cell = hash as usize & self.mask();
        while self.cells[cell] != FREE {
            cell = (cell + 1) & self.mask();
        }
        self.cells[cell] = self.sign(hash) | position as u32;
        self.taken += 1;
    }

    fn cell(&self, hash: u64, is: impl Fn(usize) -> bool) -> Option<usize> {
        let (mask, sign) = (self.mask(), self.sign(hash));
        let mut cell = hash as usize & mask;
        while self.cells[cell] != FREE {
            if self.cells[cell] & !(mask as u32) == sign && is(self.position(cell)) {
                return Some(cell);
            }
            cell = (cell + 1) & mask;
        }
        None
    }

    fn position(&self, cell: usize) -> usize {
        self.cells[cell] as usize & self.mask()
    }

    fn sign(&self, hash: u64) -> u32 {
        (hash >> 32) as u32 & !(self.mask() as u32)
    }

    fn mask(&self) -> usize {
        self.cells.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes and goes, who is there is found and nobody else, with hashes of which
        /// many are alike.
        #[test]
        fn who_is_there_is_found_and_nobody_else(
            steps in proptest::collection::vec((any::<bool>(), 0..64_u64), 1..400),
        ) {
            let hash = |key: u64| (key / 3) << 33 | (key / 3 * 5);
            let mut keys: Vec<u64> = Vec::new();
            let mut index = Index::new(0);
            for (comes, key) in steps {
                let place = keys.iter().position(|&other| other == key);
                match place {
                    None if comes => {
                        keys.push(key);
                        index.insert(hash(key), keys.len() - 1, |position| hash(keys[position]));
                    }
                    Some(place) if !comes => {
                        let last = keys.len() - 1;
                        index.remove(hash(key), place, |position| hash(keys[position]));
                        if place != last {
                            index.moved(hash(keys[last]), last, place);
                        }
                        keys.swap_remove(place);
                    }
                    _ => {}
                }
                for key in 0..64 {
                    let found = index.find(hash(key), |position| keys[position] == key);
                    prop_assert_eq!(found, keys.iter().position(|&other| other == key));
                }
            }
        }
    }
}
