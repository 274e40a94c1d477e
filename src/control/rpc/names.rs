//! Two spellings of every name: `seedRatioLimit`, `peer-limit` of Transmission up to 4.0, and
//! `seed_ratio_limit`, `peer_limit` of 4.1.
//!
//! Our tables have the older names. [`snake`] makes the newer one of either, so names are compared
//! after it on the way in, and written through it on the way out to whoever speaks the newer
//! dialect. It is the only place that knows how they differ.

use serde_json::{Map, Value};

/// A name as 4.1 spells it: `isUTP` -> `is_utp`, `files-wanted` -> `files_wanted`.
pub fn snake(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            if after_small {
                spelled.push('_');
            }
            spelled.push(letter.to_ascii_lowercase());
        } else {
            spelled.push(if letter == '-' { '_' } else { letter });
        }
        after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
    }
    spelled
}

/// Which spelling is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As in our tables: up to 4.0.
    Mixed,
    /// From 4.1 on.
    Snake,
}

impl Spelling {
    /// A name of our tables as it is written.
    pub fn of(self, name: &str) -> String {
        match self {
            Self::Mixed => name.to_owned(),
            Self::Snake => snake(name),
        }
    }

    /// All names in an answer, however deep they stand; answers of ours are a few levels deep.
    pub fn of_all(self, value: Value) -> Value {
        if self == Self::Mixed {
            return value;
        }
        match value {
            Value::Object(map) => Value::Object(self.of_keys(map)),
            Value::Array(values) => {
                Value::Array(values.into_iter().map(|value| self.of_all(value)).collect())
            }
            plain => plain,
        }
    }

    /// The same of a map.
    pub fn of_keys(self, map: Map<String, Value>) -> Map<String, Value> {
        map.into_iter().map(|(key, value)| (self.of(&key), self.of_all(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_older_name_has_its_newer_one() {
        let check = |older: &str, newer: &str| {
            assert_eq!(snake(older), newer);
            assert_eq!(snake(newer), newer, "what is new stays");
        };
        check("activityDate", "activity_date");
        check("hashString", "hash_string");
        check("peer-limit", "peer_limit");
        check("primary-mime-type", "primary_mime_type");
        check("isUTP", "is_utp");
        check("seedRatioLimited", "seed_ratio_limited");
        check("total_size", "total_size");
        check("recently-active", "recently_active");
        check("lastAnnouncePeerCount", "last_announce_peer_count");
        check("queue-move-top", "queue_move_top");
    }

    #[test]
    fn an_answer_is_respelled_at_every_depth_and_its_values_are_not() {
        let older = json!({"trackerStats": [{"hasAnnounced": true, "host": "a-b.c"}]});
        let newer = json!({"tracker_stats": [{"has_announced": true, "host": "a-b.c"}]});
        assert_eq!(Spelling::Snake.of_all(older.clone()), newer);
        assert_eq!(Spelling::Mixed.of_all(older.clone()), older);
    }
}
