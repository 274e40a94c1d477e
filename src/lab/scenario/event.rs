//! `[[event]]`: what is done to peers while a setting runs.

use super::super::setting::{Deed, Group, Planned};
use super::fields::Fields;
use super::tree::{Fault, unknown};
use super::units::{self, Term};
use std::time::Duration;

/// The keys of an event.
pub const KEYS: [&str; 6] = ["at", "do", "who", "for", "to", "when"];

/// What may be done, and how a scenario calls it.
const DEEDS: [&str; 7] =
    ["kill", "pause", "partition", "corrupt", "rate", "tracker_down", "freeride"];

/// An event at one point of the sweep; `None` if it is switched off there.
pub fn event(fields: &Fields<'_>, groups: &[Group]) -> Result<Option<Planned>, Fault> {
    if !fields.read("when", units::flag)?.unwrap_or(true) {
        return Ok(None);
    }
    let at = fields.must("at", "\"30s\"", units::time)?;
    let name = fields.must("do", "\"kill\"", |term| match term {
        Term::Text(name) if DEEDS.contains(&name.as_str()) => Ok(name.clone()),
        Term::Text(name) => Err(unknown("deed", name, "", &DEEDS)),
        _ => Err("expected a name".into()),
    })?;
    let takes_time = ["pause", "partition", "tracker_down"].contains(&name.as_str());
    let span = match fields.read("for", units::time)? {
        Some(span) if takes_time && !span.is_zero() => span,
        None if takes_time => {
            return Err(fields.fault(format!("{name} needs a time: write for = \"5s\"")));
        }
        Some(_) if takes_time => return Err(fields.fault("for is zero: write for = \"5s\"")),
        Some(_) => {
            return Err(fields.fault(format!("for means nothing to {name}: leave it out")));
        }
        None => Duration::ZERO,
    };
    let to = fields.read("to", units::rate)?;
    if to.is_some() && name != "rate" {
        return Err(fields.fault(format!("to means nothing to {name}: leave it out")));
    }
    let deed = match name.as_str() {
        "kill" => Deed::Kill,
        "pause" => Deed::Pause(span),
        "partition" => Deed::Partition(span),
        "corrupt" => Deed::Corrupt,
        "tracker_down" => Deed::TrackerDown(span),
        "freeride" => Deed::FreeRide,
        _ => match to.flatten() {
            Some(rate) => Deed::Rate(rate),
            None => return Err(fields.fault("rate needs a rate: write to = \"100kB/s\"")),
        },
    };
    Ok(Some(Planned { at, deed, who: who(fields, deed, groups)? }))
}

/// A group, one of its peers, or the tracker.
fn who(fields: &Fields<'_>, deed: Deed, groups: &[Group]) -> Result<String, Fault> {
    let is_tracker = matches!(deed, Deed::TrackerDown(_));
    let usual = is_tracker.then(|| "tracker".to_owned());
    let Some(who) = fields.read("who", units::text)?.or(usual) else {
        return Err(fields.fault("an event needs who: the name of a group"));
    };
    if is_tracker {
        return match who.as_str() {
            "tracker" => Ok(who),
            _ => Err(fields.fault("tracker_down is done to the tracker: who = \"tracker\"")),
        };
    }
    let (name, place) = match who.split_once('/') {
        Some((name, place)) => (name, Some(place)),
        None => (who.as_str(), None),
    };
    let Some(group) = groups.iter().find(|group| group.name == name) else {
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        return Err(fields.fault(format!("who: {}", unknown("group", name, "", &names))));
    };
    let is_there = |place: &str| place.parse().is_ok_and(|n| (1..=group.count).contains(&n));
    match place {
        Some(place) if !is_there(place) => Err(fields.fault(format!(
            "who: there is no {who}: {name} has peers from {name}/1 to {name}/{}",
            group.count
        ))),
        _ => Ok(who),
    }
}

/// Time is never negative, so an event never lies before the start; one after the end is an error.
pub fn check(events: &[Planned], limit: Duration) -> Result<(), String> {
    match events.iter().find(|event| event.at > limit) {
        Some(late) => Err(format!(
            "an event at {} s comes after the limit of {} s: move one of them",
            late.at.as_secs_f64(),
            limit.as_secs_f64()
        )),
        None => Ok(()),
    }
}
