//! Where everything stands in the picture: a column for each lane, and time downwards.
//!
//! Where something happens time passes evenly, so that arrows slant by their true delay; a pause is
//! drawn as long as its logarithm, and one that is much longer than what is around it is broken.
//! Nothing stands on something else: where there is no room, time waits.

use super::fold::Diagram;
use std::time::Duration;

/// Pixels of a typical delay.
const DELAY: f64 = 26.0;

/// Up to here pixels are time times the scale.
const EVEN: f64 = 60.0;

/// Pixels more for a pause twice as long.
const DOUBLE: f64 = 9.0;

/// A pause of more than that many pixels, were it even, is shown as broken.
const BROKEN: f64 = 420.0;

/// Between the labels of two arrows, and above a note.
const LABEL: f64 = 17.0;
const GAP: f64 = 5.0;

/// Of a note's text.
pub(super) const NOTE_LINE: f64 = 14.0;
pub(super) const NOTE_LETTERS: usize = 38;
const NOTE_LINES: usize = 4;

/// A place where something is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    pub t: Duration,
    pub y: f64,
}

/// Where an arrow's ends are: of its first message, and of its last.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Place {
    pub first: [f64; 2],
    pub last: [f64; 2],
}

/// Where all of it stands; `y` counts pixels below the heads.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Of each arrow.
    pub arrows: Vec<Place>,
    /// Of each note: its upper edge, and its lines.
    pub notes: Vec<(f64, Vec<String>)>,
    /// All moments, in order.
    pub marks: Vec<Mark>,
    /// Pauses that are broken: where, and how long they are.
    pub breaks: Vec<(f64, Duration)>,
    pub height: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Note(usize),
    Starts(usize),
    Arrives(usize),
    StartsLast(usize),
    ArrivesLast(usize),
}

/// Lays a diagram out.
pub(super) fn layout(diagram: &Diagram) -> Layout {
    let events = events(diagram);
    let scale = scale(diagram, &events);
    let mut out = Layout {
        arrows: vec![Place::default(); diagram.arrows.len()],
        notes: vec![(0.0, Vec::new()); diagram.notes.len()],
        ..Layout::default()
    };
    // What is the lowest on either side of each lane, and inside its column.
    let mut free = vec![[0.0_f64; 2]; diagram.lanes.len()];
    let mut noted = vec![0.0_f64; diagram.lanes.len()];
    let (mut y, mut now) = (0.0_f64, events.first().map_or(Duration::ZERO, |&(t, _)| t));
    for &(t, what) in &events {
        let pause = t.saturating_sub(now);
        let (step, is_broken) = pixels(pause.as_secs_f64() * scale);
        if is_broken {
            out.breaks.push((y + step / 2.0, pause));
        }
        y += step;
        now = t;
        match what {
            What::Note(index) => {
                let lane = diagram.notes[index].lane;
                let lines = wrapped(&diagram.notes[index].text);
                let [left, right] = free[lane];
                y = y.max(left.max(right) + GAP);
                let height = 8.0 + NOTE_LINE * lines.len() as f64;
                out.notes[index] = (y, lines);
                free[lane] = [y + height; 2];
                noted[lane] = y + height + 3.0;
            }
            What::Starts(index) => {
                let arrow = &diagram.arrows[index];
                let side = usize::from(arrow.to > arrow.from);
                y = y.max(free[arrow.from][side] + LABEL).max(noted[arrow.from]);
                free[arrow.from][side] = y;
                out.arrows[index] = Place { first: [y; 2], last: [y; 2] };
            }
            What::Arrives(index) => {
                y = y.max(noted[diagram.arrows[index].to]);
                out.arrows[index].first[1] = y;
                out.arrows[index].last[1] = y;
            }
            What::StartsLast(index) => {
                y = y.max(noted[diagram.arrows[index].from]);
                out.arrows[index].last[0] = y;
            }
            What::ArrivesLast(index) => {
                y = y.max(noted[diagram.arrows[index].to]);
                out.arrows[index].last[1] = y;
            }
        }
        out.marks.push(Mark { t, y });
    }
    let lowest = free.iter().flatten().copied().fold(y, f64::max);
    out.height = lowest + 24.0;
    out
}

/// What happens, in the order of time: what somebody thinks before what it says, and what begins
/// before it arrives.
fn events(diagram: &Diagram) -> Vec<(Duration, What)> {
    let mut events = Vec::new();
    for (index, arrow) in diagram.arrows.iter().enumerate() {
        let at = arrow.at();
        events.push((at, What::Starts(index)));
        if let [Some(_), Some(heard)] = arrow.first {
            events.push((heard.max(at), What::Arrives(index)));
        }
        if arrow.count > 1 {
            let starts = arrow.last[0].or(arrow.last[1]).unwrap_or(at).max(at);
            events.push((starts, What::StartsLast(index)));
            let heard = arrow.last[1].or(arrow.first[1]);
            if let (Some(_), Some(heard)) = (arrow.last[0], heard) {
                events.push((heard.max(starts), What::ArrivesLast(index)));
            } else {
                events.push((starts, What::ArrivesLast(index)));
            }
        }
    }
    events
        .extend(diagram.notes.iter().enumerate().map(|(index, note)| (note.t, What::Note(index))));
    events.sort_unstable();
    events
}

/// Pixels of a second.
fn scale(diagram: &Diagram, events: &[(Duration, What)]) -> f64 {
    let delays =
        diagram.arrows.iter().filter_map(|arrow| arrow.first[1]?.checked_sub(arrow.first[0]?));
    let mut times: Vec<Duration> = delays.filter(|delay| !delay.is_zero()).collect();
    if times.is_empty() {
        let pauses = events.windows(2).map(|two| two[1].0.saturating_sub(two[0].0));
        times = pauses.filter(|pause| !pause.is_zero()).collect();
    }
    times.sort_unstable();
    let typical = times.get(times.len() / 2).copied().unwrap_or(Duration::from_secs(1));
    DELAY / typical.as_secs_f64()
}

/// How much is drawn of so many even pixels, and whether that is said.
fn pixels(even: f64) -> (f64, bool) {
    if even <= EVEN {
        return (even, false);
    }
    (EVEN + DOUBLE * (even / EVEN).log2(), even > BROKEN)
}

/// A text in lines that fit a note; what is too long ends in dots.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > NOTE_LETTERS {
            if lines.len() == NOTE_LINES {
                lines[NOTE_LINES - 1].push_str(" ..");
                return lines;
            }
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().take(NOTE_LETTERS));
    }
    lines
}

impl Layout {
    /// Where a moment is, between two that are known.
    pub fn y(&self, t: Duration) -> f64 {
        let at = self.marks.partition_point(|mark| mark.t < t);
        let Some(after) = self.marks.get(at) else {
            return self.marks.last().map_or(0.0, |mark| mark.y);
        };
        let Some(before) = at.checked_sub(1).map(|at| self.marks[at]) else { return after.y };
        let all = after.t.saturating_sub(before.t).as_secs_f64();
        if all <= 0.0 {
            return after.y;
        }
        let part = t.saturating_sub(before.t).as_secs_f64() / all;
        before.y + (after.y - before.y) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_pause_is_drawn_short_and_said_to_be_broken() {
        assert_eq!(pixels(30.0), (30.0, false));
        assert_eq!(pixels(120.0), (EVEN + DOUBLE, false));
        let (step, is_broken) = pixels(EVEN * 1024.0);
        assert!(is_broken && step <= EVEN + 10.0 * DOUBLE + 1e-9, "{step}");
    }

    #[test]
    fn a_note_is_wrapped_and_ends_somewhere() {
        let lines = wrapped(&"word ".repeat(100));
        assert_eq!(lines.len(), NOTE_LINES);
        assert!(lines.iter().all(|line| line.chars().count() <= NOTE_LETTERS + 3), "{lines:?}");
        assert!(lines[NOTE_LINES - 1].ends_with(" .."));
        assert_eq!(wrapped(&"x".repeat(99))[0].chars().count(), NOTE_LETTERS);
    }
}
