//! Settings that programs ask for and set, and that change nothing here.
//!
//! Their types are checked. Some are kept while the program runs, so that who sets one finds it
//! again; others say how things are (no DHT, no uTP) and stay so whatever is asked.

use super::args::{Args, Fault};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Yes or no, at first so; kept.
    Flag(bool),
    /// Yes or no; this is how it is.
    Fact(bool),
    /// A number up to a limit, at first so; kept.
    Whole(i64, i64),
    /// A text, empty at first; kept.
    Text,
    /// One of some words, of which the first is how it is.
    Word(&'static [&'static str]),
}

/// Name up to 4.0, and what it may be. Times are minutes after midnight, days are bits.
const SETTINGS: [(&str, Kind); 26] = [
    ("alt-speed-time-begin", Kind::Whole(540, 1439)),
    ("alt-speed-time-day", Kind::Whole(127, 127)),
    ("alt-speed-time-enabled", Kind::Flag(false)),
    ("alt-speed-time-end", Kind::Whole(1020, 1439)),
    ("anti-brute-force-enabled", Kind::Fact(true)),
    ("blocklist-enabled", Kind::Flag(false)),
    ("blocklist-url", Kind::Text),
    ("cache-size-mb", Kind::Whole(4, 1 << 20)),
    ("dht-enabled", Kind::Fact(false)),
    ("download-queue-enabled", Kind::Flag(false)),
    ("download-queue-size", Kind::Whole(5, 1 << 20)),
    ("encryption", Kind::Word(&["tolerated", "preferred", "required"])),
    ("incomplete-dir", Kind::Text),
    ("incomplete-dir-enabled", Kind::Flag(false)),
    ("lpd-enabled", Kind::Fact(false)),
    ("peer-port-random-on-start", Kind::Fact(false)),
    ("pex-enabled", Kind::Fact(true)),
    ("port-forwarding-enabled", Kind::Fact(false)),
    ("queue-stalled-enabled", Kind::Flag(false)),
    ("queue-stalled-minutes", Kind::Whole(30, 1 << 20)),
    ("rename-partial-files", Kind::Fact(true)),
    ("reqq", Kind::Whole(2000, 1 << 20)),
    ("seed-queue-enabled", Kind::Flag(false)),
    ("seed-queue-size", Kind::Whole(10, 1 << 20)),
    ("tcp-enabled", Kind::Fact(true)),
    ("utp-enabled", Kind::Fact(false)),
];

/// The most groups, so that they cannot fill the memory.
const MAX_GROUPS: usize = 256;

/// What was set.
#[derive(Debug)]
pub struct Kept {
    values: BTreeMap<&'static str, Value>,
    groups: BTreeMap<String, Value>,
    /// The ratio that holds once seeding is limited by one again.
    pub ratio: f64,
    /// The minutes likewise.
    pub idle_minutes: u64,
}

/// Values that were checked and are not kept yet.
pub type Checked = Vec<(&'static str, Value)>;

/// As nobody set anything.
impl Default for Kept {
    fn default() -> Self {
        Self { values: BTreeMap::new(), groups: BTreeMap::new(), ratio: 2.0, idle_minutes: 30 }
    }
}

impl Kept {
    /// All settings by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Value)> + '_ {
        SETTINGS.iter().map(|(name, kind)| {
            let value = self.values.get(name).cloned();
            (*name, value.unwrap_or_else(|| kind.first()))
        })
    }

    /// Checks what was given; [`Kept::keep`] keeps it.
    pub fn check(args: &Args<'_>) -> Result<Checked, Fault> {
        let mut checked = Vec::new();
        for (name, kind) in &SETTINGS {
            if let Some(value) = kind.read(name, args)? {
                checked.push((*name, value));
            }
        }
        Ok(checked)
    }

    /// Keeps what was checked.
    pub fn keep(&mut self, checked: Checked) {
        self.values.extend(checked);
    }

    /// `group-set`: a group is kept and shown, and limits nothing.
    pub fn set_group(&mut self, args: &Args<'_>) -> Result<(), Fault> {
        let name = args.text("name")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Fault::argument("name", "the name of a group"))?;
        let number = |name: &str| args.whole(name, 0..=i64::MAX / 1000);
        let group = json!({
            "honorsSessionLimits": args.flag("honorsSessionLimits")?.unwrap_or(true),
            "name": name,
            "speed-limit-down": number("speed-limit-down")?.unwrap_or(0),
            "speed-limit-down-enabled": args.flag("speed-limit-down-enabled")?.unwrap_or(false),
            "speed-limit-up": number("speed-limit-up")?.unwrap_or(0),
            "speed-limit-up-enabled": args.flag("speed-limit-up-enabled")?.unwrap_or(false),
        });
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(name) {
            return Err(Fault::Refused(format!("there are {MAX_GROUPS} groups already")));
        }
        self.groups.insert(name.to_owned(), group);
        Ok(())
    }

    /// `group-get`: all groups, or those that are named.
    pub fn groups(&self, args: &Args<'_>) -> Result<Map<String, Value>, Fault> {
        let wanted = match args.get("group") {
            None => None,
            Some(Value::String(name)) => Some(vec![name.clone()]),
            Some(_) => args.texts("group")?,
        };
        let is_wanted = |name: &String| wanted.as_ref().is_none_or(|wanted| wanted.contains(name));
        let groups = self.groups.iter().filter(|(name, _)| is_wanted(name));
        let groups: Vec<Value> = groups.map(|(_, group)| group.clone()).collect();
        Ok(Map::from_iter([("group".to_owned(), groups.into())]))
    }
}

impl Kind {
    fn first(self) -> Value {
        match self {
            Self::Flag(first) | Self::Fact(first) => first.into(),
            Self::Whole(first, _) => first.into(),
            Self::Text => "".into(),
            Self::Word(words) => words[0].into(),
        }
    }

    /// The new value, if one was given and it is kept.
    fn read(self, name: &str, args: &Args<'_>) -> Result<Option<Value>, Fault> {
        Ok(match self {
            Self::Flag(_) => args.flag(name)?.map(Value::from),
            Self::Fact(_) => args.flag(name)?.and(None),
            Self::Whole(_, most) => args.whole(name, 0..=most)?.map(Value::from),
            Self::Text => args.text(name)?.map(Value::from),
            Self::Word(words) => match args.text(name)? {
                Some(word) if !words.contains(&word) => {
                    return Err(Fault::argument(name, &words.join(", ")));
                }
                _ => None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kept: &mut Kept, arguments: &Value) -> Result<(), Fault> {
        let checked = Kept::check(&Args::new(arguments.as_object()))?;
        kept.keep(checked);
        Ok(())
    }

    fn get(kept: &Kept, name: &str) -> Value {
        kept.all().find(|(known, _)| *known == name).expect("a setting").1
    }

    #[test]
    fn what_is_set_is_found_again_and_facts_stay() {
        let mut kept = Kept::default();
        let arguments = json!({
            "cache-size-mb": 16, "alt_speed_time_enabled": true, "blocklist-url": "http://x",
            "dht-enabled": true, "encryption": "required", "utp-enabled": true,
        });
        set(&mut kept, &arguments).unwrap();
        assert_eq!(get(&kept, "cache-size-mb"), 16);
        assert_eq!(get(&kept, "alt-speed-time-enabled"), true);
        assert_eq!(get(&kept, "blocklist-url"), "http://x");
        assert_eq!(get(&kept, "dht-enabled"), false);
        assert_eq!(get(&kept, "utp-enabled"), false);
        assert_eq!(get(&kept, "encryption"), "tolerated");
    }

    #[test]
    fn every_setting_has_a_type_and_a_wrong_one_is_named() {
        for (name, kind) in SETTINGS {
            let wrong =
                if matches!(kind, Kind::Text | Kind::Word(_)) { json!(1) } else { json!("x") };
            let error = set(&mut Kept::default(), &json!({ name: wrong })).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: expected ")), "{error}");
        }
        let error = set(&mut Kept::default(), &json!({ "encryption": "rot13" })).unwrap_err();
        assert_eq!(error.to_string(), "encryption: expected tolerated, preferred, required");
        assert!(set(&mut Kept::default(), &json!({ "alt-speed-time-end": 1440 })).is_err());
    }

    #[test]
    fn groups_are_kept_by_name_and_bounded() {
        let mut kept = Kept::default();
        let mut add = |group: Value| kept.set_group(&Args::new(group.as_object()));
        for n in 0..MAX_GROUPS {
            add(json!({ "name": format!("g{n}"), "speed-limit-up": n })).unwrap();
        }
        assert!(add(json!({ "name": "one more" })).is_err());
        assert!(add(json!({ "name": "g1", "speed-limit-up": 7 })).is_ok());
        assert!(add(json!({})).is_err() && add(json!({ "name": 1 })).is_err());
        let get =
            |group: Value| kept.groups(&Args::new(group.as_object())).unwrap()["group"].clone();
        assert_eq!(get(json!({})).as_array().unwrap().len(), MAX_GROUPS);
        assert_eq!(get(json!({ "group": "g1" }))[0]["speed-limit-up"], 7);
        assert_eq!(get(json!({ "group": ["g1", "g2", "none"] })).as_array().unwrap().len(), 2);
    }
}
