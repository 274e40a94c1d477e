//! Maps as numbers, and what changed of them: a hundred thousand pieces are a few runs.
//!
//! ```text
//! runs:    count, value, count, value, ..                       of all pieces from the first on
//! changes: [first, count, value, count, value, ..], ..          of those that changed
//! ```

use crate::control::board::Map;
use crate::ids::PieceIndex;
use serde_json::{Value, json};

/// What stands in a map for web seeds.
const WEB_SEED: &str = "web seed";

/// A map as numbers; what they mean stands in docs/dashboard.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    values: Vec<u16>,
    /// Names of the values from 2 on, if they are sources.
    sources: Option<Vec<String>>,
}

impl Drawn {
    /// The numbers of a map.
    pub fn of(map: &Map) -> Self {
        match map {
            Map::State(states) => {
                let values = states.iter().map(|&state| state as u16).collect();
                Self { values, sources: None }
            }
            Map::Availability(copies) => {
                let values = copies.iter().map(|&count| count.min(255) as u16).collect();
                Self { values, sources: None }
            }
            Map::Source { have, sources, places } => {
                let value = |(piece, place): (usize, &Option<u16>)| match place {
                    _ if !have.has(PieceIndex(piece as u32)) => 0,
                    None => 1,
                    Some(place) => place + 2,
                };
                let values = places.iter().enumerate().map(value).collect();
                let name = |at: &Option<std::net::SocketAddr>| match at {
                    Some(address) => address.to_string(),
                    None => WEB_SEED.to_owned(),
                };
                Self { values, sources: Some(sources.iter().map(name).collect()) }
            }
        }
    }

    /// What tells somebody who knows `before` how it is now: changes, or all of it if that is
    /// shorter; nothing if nothing changed.
    pub fn news(&self, before: Option<&Self>, id: u32, layer: &str) -> Option<Value> {
        if before == Some(self) {
            return None;
        }
        let known = before.filter(|before| before.values.len() == self.values.len());
        let whole = runs(&self.values);
        let changes = known.map(|before| changes(&before.values, &self.values));
        let length = |changes: &Vec<Vec<u32>>| changes.iter().map(Vec::len).sum::<usize>();
        let changes = changes.filter(|changes| length(changes) < whole.len());
        let mut news = json!({
            "id": id, "layer": layer, "pieces": self.values.len(), "sources": self.sources,
        });
        match changes {
            Some(changes) => news["changes"] = json!(changes),
            None => news["runs"] = json!(whole),
        }
        Some(news)
    }
}

/// Count, value, count, value, ..
fn runs(values: &[u16]) -> Vec<u32> {
    let chunks = values.chunk_by(|one, next| one == next);
    chunks.flat_map(|run| [run.len() as u32, run[0].into()]).collect()
}

/// Stretches in which every value changed: the first, then its runs.
fn changes(before: &[u16], now: &[u16]) -> Vec<Vec<u32>> {
    let changed = |at: &usize| before[*at] != now[*at];
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(first) = (at..now.len()).find(changed) {
        let end = (first..now.len()).find(|at| !changed(at)).unwrap_or(now.len());
        let mut stretch = vec![first as u32];
        stretch.extend(runs(&now[first..end]));
        all.push(stretch);
        at = end;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;
    use crate::logic::picker::PieceState::{Asked, Missing, Verified};
    use proptest::prelude::*;

    #[test]
    fn a_map_is_told_whole_at_first_and_then_what_changed() {
        let map = |states: &[_]| Drawn::of(&Map::State(states.to_vec()));
        let first = map(&[Missing; 100]);
        let whole = json!({
            "id": 7, "layer": "state", "pieces": 100, "sources": null, "runs": [100, 0],
        });
        assert_eq!(first.news(None, 7, "state"), Some(whole));
        assert_eq!(first.news(Some(&first.clone()), 7, "state"), None);
        let mut states = [Missing; 100];
        for at in (0..100).step_by(3) {
            states[at] = Asked;
        }
        let before = map(&states);
        (states[9], states[10], states[40]) = (Verified, Asked, Asked);
        let news = map(&states).news(Some(&before), 7, "state").unwrap();
        assert_eq!(news["changes"], json!([[9, 1, 3, 1, 1], [40, 1, 1]]));
        assert_eq!(news.get("runs"), None);
    }

    #[test]
    fn a_source_is_its_place_in_a_list_and_two_numbers_are_taken() {
        let mut have = Bitfield::full(4);
        have.clear(PieceIndex(1));
        let sources = vec![Some("127.0.0.1:7".parse().unwrap()), None];
        let places = vec![Some(1), Some(0), None, Some(0)];
        let news = Drawn::of(&Map::Source { have, sources, places }).news(None, 1, "source");
        let news = news.unwrap();
        assert_eq!(news["sources"], json!(["127.0.0.1:7", "web seed"]));
        assert_eq!(news["runs"], json!([1, 3, 1, 0, 1, 1, 1, 2]));
    }

    proptest! {
        #[test]
        fn changes_lead_from_any_map_to_any_other(
            pair in prop::collection::vec((0_u16..4, 0_u16..4), 0..200),
        ) {
            let (before, now): (Vec<u16>, Vec<u16>) = pair.into_iter().unzip();
            let mut drawn = before.clone();
            for stretch in changes(&before, &now) {
                let mut at = stretch[0] as usize;
                for run in stretch[1..].chunks(2) {
                    drawn[at..at + run[0] as usize].fill(run[1] as u16);
                    at += run[0] as usize;
                }
            }
            prop_assert_eq!(drawn, now);
        }
    }
}
