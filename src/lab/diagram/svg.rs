//! A diagram as a picture: lifelines, and arrows that slant by the delay of their messages.
//!
//! A run of messages is a band between its first and its last. The picture is one file without
//! fonts, scripts or addresses of others, light or dark as the reader's system is, and the same to
//! the byte for the same diagram.

use super::TooMuch;
use super::fold::{Arrow, Diagram};
use super::layout::{Layout, NOTE_LETTERS, NOTE_LINE, Place, layout};
use super::units::{digits, span};
use crate::lab::figure::text::push_escaped;
use crate::trace::Kind;
use std::fmt::Write;
use std::time::Duration;

/// Arrows of a picture at most.
pub const MOST_ARROWS: usize = 2000;

/// What the picture is folded to, if that goes.
pub const GOOD_ARROWS: usize = 250;

/// Columns of a picture at most.
const MOST_LANES: usize = 200;

/// Left of the first lane: the times.
const TIMES: f64 = 92.0;

/// Width of a letter, about.
const LETTER: f64 = 6.6;

/// Between two lanes.
const NARROW: f64 = 190.0;
const WIDE: f64 = 340.0;

/// Title and legend.
const TOP: f64 = 86.0;

/// Height of a lane's head, and what lies below it.
const HEAD: f64 = 44.0;
const BELOW_HEAD: f64 = 20.0;

const NOTE_WIDTH: f64 = NOTE_LETTERS as f64 * 5.9 + 14.0;

const STYLE: &str = "\
svg{--bg:#fbfbfd;--ink:#1c2333;--dim:#667085;--line:#c3cad6;--head:#eef1f7;--note:#fff6d6;--edge:#e3c56b;--bad:#ffe1de;--bade:#d9534f;\
--command:#1f5fd0;--data:#16824a;--control:#a4540a;background:var(--bg);font:12px system-ui,-apple-system,'Segoe UI',sans-serif}
@media(prefers-color-scheme:dark){svg{--bg:#12151c;--ink:#e6e9f0;--dim:#97a1b3;--line:#3d4657;--head:#1d232f;--note:#3a3317;--edge:#8a7430;--bad:#4a1f1f;--bade:#e57373;\
--command:#7fb0ff;--data:#5fd394;--control:#f2ab62}}
text{fill:var(--ink)}.dim{fill:var(--dim)}.title{font-size:17px;font-weight:600}.head{fill:var(--head);stroke:var(--line)}.name{font-weight:600;text-anchor:middle}.sub{font-size:11px;text-anchor:middle;fill:var(--dim)}
.life{stroke:var(--line);stroke-width:1.5}.life.told{stroke-dasharray:4 4}.time{font-size:11px;text-anchor:end;fill:var(--dim);font-variant-numeric:tabular-nums}.tick{stroke:var(--line)}
.label{font-size:11.5px;paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}.note{fill:var(--note);stroke:var(--edge)}.note.bad{fill:var(--bad);stroke:var(--bade)}.said{font-size:11px}
.command{--c:var(--command)}.data{--c:var(--data)}.control{--c:var(--control)}.a line{stroke:var(--c);stroke-width:1.6}.a .head1{fill:var(--c)}.a text{fill:var(--c)}.a .in{stroke-width:1;opacity:.4}.a .x{stroke-width:2}.band{fill:var(--c);opacity:.08}
.break{fill:none;stroke:var(--dim);stroke-width:1.3}.gap{stroke:var(--bg);stroke-width:3}";

/// The diagram as a picture.
pub fn text(diagram: &Diagram, title: &str) -> Result<String, TooMuch> {
    if diagram.arrows.len() > MOST_ARROWS {
        return Err(TooMuch::Arrows { arrows: diagram.arrows.len(), most: MOST_ARROWS });
    }
    if diagram.lanes.len() > MOST_LANES {
        return Err(TooMuch::Lanes { lanes: diagram.lanes.len(), most: MOST_LANES });
    }
    let layout = layout(diagram);
    let mut picture = Picture { out: String::new(), diagram, layout: &layout, x: columns(diagram) };
    picture.draw(title);
    Ok(picture.out)
}

/// Where each lane is.
fn columns(diagram: &Diagram) -> Vec<f64> {
    let mut widths = vec![NARROW; diagram.lanes.len().saturating_sub(1)];
    for arrow in &diagram.arrows {
        let gap = if arrow.to > arrow.from { arrow.from } else { arrow.from.saturating_sub(1) };
        if let Some(width) = widths.get_mut(gap) {
            let wanted = arrow.label.chars().count() as f64 * LETTER + 34.0;
            *width = width.max(wanted.min(WIDE));
        }
    }
    for note in &diagram.notes {
        // A note lies over its lane; half of it reaches into the gaps at its sides.
        for gap in [note.lane.checked_sub(1), Some(note.lane)].into_iter().flatten() {
            if let Some(width) = widths.get_mut(gap) {
                *width = width.max(NOTE_WIDTH.min(230.0));
            }
        }
    }
    let mut at = TIMES + NOTE_WIDTH / 2.0 + 8.0;
    let mut x = Vec::with_capacity(diagram.lanes.len());
    for lane in 0..diagram.lanes.len() {
        x.push(at);
        at += widths.get(lane).copied().unwrap_or_default();
    }
    x
}

struct Picture<'a> {
    out: String,
    diagram: &'a Diagram,
    layout: &'a Layout,
    x: Vec<f64>,
}

impl Picture<'_> {
    fn put(&mut self, line: std::fmt::Arguments) {
        writeln!(self.out, "{line}").expect("a String takes all");
    }

    fn draw(&mut self, title: &str) {
        let last = self.x.last().copied().unwrap_or(TIMES);
        let width = (last + NOTE_WIDTH / 2.0 + 24.0).max(760.0);
        let foot = TOP + HEAD + BELOW_HEAD + self.layout.height;
        let height = foot + HEAD + 20.0;
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">"
        ));
        self.put(format_args!("<title>{}</title>\n<style>{STYLE}</style>", escaped(title)));
        self.put(format_args!("<text class=\"title\" x=\"20\" y=\"30\">{}</text>", escaped(title)));
        self.legend();
        self.lifelines(foot);
        self.times();
        let place = |at: &usize| self.layout.arrows[*at];
        // Bands lie below all lines, lines below all labels.
        let all: Vec<usize> = (0..self.diagram.arrows.len()).collect();
        let places: Vec<Place> = all.iter().map(place).collect();
        all.iter().for_each(|&at| self.band(at, places[at]));
        all.iter().for_each(|&at| self.lines(at, places[at]));
        self.breaks();
        self.notes();
        all.iter().for_each(|&at| self.label(at, places[at]));
        self.heads(TOP);
        self.heads(foot);
        self.out.push_str("</svg>\n");
    }

    fn legend(&mut self) {
        let entries = [
            ("command", "COMMAND asks"),
            ("data", "DATA brings bulk"),
            ("control", "CONTROL answers"),
        ];
        let mut x = 20.0;
        for (class, text) in entries {
            self.put(format_args!(
                "<g class=\"a {class}\"><line x1=\"{x:.0}\" y1=\"48\" x2=\"{:.0}\" y2=\"48\"/><text x=\"{:.0}\" y=\"52\">{text}</text></g>",
                x + 22.0,
                x + 28.0
            ));
            x += 48.0 + text.len() as f64 * 7.2;
        }
        let mut text = "arrows slant by their true delay; a band is a run of messages".to_owned();
        for (what, count) in &self.diagram.left_out {
            write!(text, "; not shown: {count} {what}").expect("a String takes all");
        }
        self.put(format_args!("<text class=\"dim\" x=\"20\" y=\"71\">{text}</text>"));
    }

    fn heads(&mut self, y: f64) {
        for (lane, x) in self.diagram.lanes.iter().zip(self.x.clone()) {
            let width = (lane.name.chars().count() as f64 * 7.4 + 26.0).clamp(110.0, NARROW - 12.0);
            self.put(format_args!(
                "<rect class=\"head\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEAD}\" rx=\"8\"/>",
                x - width / 2.0
            ));
            let had = match (lane.had, lane.is_traced) {
                (Some(had), _) => had,
                (None, true) => "",
                (None, false) => "not traced",
            };
            let middle = if had.is_empty() { 27.0 } else { 19.0 };
            self.put(format_args!(
                "<text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                y + middle,
                escaped(&cut(&lane.name, 24))
            ));
            if !had.is_empty() {
                self.put(format_args!(
                    "<text class=\"sub\" x=\"{x:.1}\" y=\"{:.1}\">{had}</text>",
                    y + 34.0
                ));
            }
        }
    }

    fn lifelines(&mut self, foot: f64) {
        for (lane, x) in self.diagram.lanes.iter().zip(self.x.clone()) {
            let told = if lane.is_traced { "" } else { " told" };
            self.put(format_args!(
                "<line class=\"life{told}\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{foot:.1}\"/>",
                TOP + HEAD
            ));
        }
    }

    /// The times at the left, where there is room for them.
    fn times(&mut self) {
        let marks = &self.layout.marks;
        let (first, last) = (marks.first(), marks.last());
        let (Some(first), Some(last)) = (first, last) else { return };
        let digits = digits(last.t.saturating_sub(first.t));
        let mut free = f64::NEG_INFINITY;
        let mut shown: Option<Duration> = None;
        for mark in marks.clone() {
            if mark.y < free || shown == Some(mark.t) {
                continue;
            }
            (free, shown) = (mark.y + 17.0, Some(mark.t));
            let y = top(mark.y);
            self.put(format_args!(
                "<text class=\"time\" x=\"{:.0}\" y=\"{:.1}\">{:.digits$} s</text><line class=\"tick\" x1=\"{:.0}\" y1=\"{y:.1}\" x2=\"{TIMES:.0}\" y2=\"{y:.1}\"/>",
                TIMES - 9.0,
                y + 4.0,
                mark.t.as_secs_f64(),
                TIMES - 6.0,
            ));
        }
    }

    fn breaks(&mut self) {
        let Some(&last) = self.x.last() else { return };
        for &(y, pause) in &self.layout.breaks {
            let y = top(y);
            for x in self.x.clone() {
                self.put(format_args!(
                    "<line class=\"gap\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/><path class=\"break\" d=\"M{:.1} {:.1}l5 -4l6 4l5 -4m-16 7l5 -4l6 4l5 -4\"/>",
                    y - 3.0,
                    y + 3.0,
                    x - 8.0,
                    y + 1.0,
                ));
            }
            let text = span(pause);
            let x =
                if self.x.len() > 1 { f64::midpoint(self.x[0], self.x[1]) } else { last + 60.0 };
            self.put(format_args!(
                "<text class=\"sub label\" x=\"{x:.1}\" y=\"{:.1}\">{text} pass</text>",
                y + 4.0
            ));
        }
    }

    fn x_of(&self, arrow: &Arrow) -> [f64; 2] {
        [self.x[arrow.from], self.x[arrow.to]]
    }

    fn band(&mut self, at: usize, place: Place) {
        let arrow = &self.diagram.arrows[at];
        if arrow.count < 2 || arrow.from == arrow.to {
            return;
        }
        let ([from, to], class) = (self.x_of(arrow), class(arrow.kind));
        let Place { first, last } = place;
        self.put(format_args!(
            "<g class=\"{class}\"><path class=\"band\" d=\"M{from:.1} {:.1}L{to:.1} {:.1}L{to:.1} {:.1}L{from:.1} {:.1}Z\"/></g>",
            top(first[0]), top(first[1]), top(last[1]), top(last[0])
        ));
    }

    fn lines(&mut self, at: usize, place: Place) {
        let arrow = &self.diagram.arrows[at];
        let ([from, to], class) = (self.x_of(arrow), class(arrow.kind));
        self.put(format_args!("<g class=\"a {class}\"><title>{}</title>", escaped(&arrow.label)));
        if arrow.from == arrow.to {
            self.put(format_args!(
                "<line x1=\"{from:.1}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\"/></g>",
                top(place.first[0]),
                from + 30.0
            ));
            return;
        }
        for [sent, heard] in arrow.inner.clone() {
            let (sent, heard) = (self.layout.y(sent), self.layout.y(heard));
            self.put(format_args!(
                "<line class=\"in\" x1=\"{from:.1}\" y1=\"{:.1}\" x2=\"{to:.1}\" y2=\"{:.1}\"/>",
                top(sent),
                top(heard)
            ));
        }
        self.arrow([from, to], place.first, arrow.is_lost);
        if arrow.count > 1 {
            self.arrow([from, to], place.last, false);
        }
        self.out.push_str("</g>\n");
    }

    fn arrow(&mut self, [from, to]: [f64; 2], [sent, heard]: [f64; 2], is_lost: bool) {
        let (y1, y2) = (top(sent), top(heard));
        if is_lost {
            let x = from + (to - from) * 0.8;
            self.put(format_args!(
                "<line x1=\"{from:.1}\" y1=\"{y1:.1}\" x2=\"{x:.1}\" y2=\"{y2:.1}\"/><line class=\"x\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/><line class=\"x\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
                x - 4.0, y2 - 4.0, x + 4.0, y2 + 4.0, x - 4.0, y2 + 4.0, x + 4.0, y2 - 4.0
            ));
            return;
        }
        // The head points along the line.
        let (dx, dy) = (to - from, y2 - y1);
        let length = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / length, dy / length);
        let (bx, by) = (to - ux * 9.0, y2 - uy * 9.0);
        self.put(format_args!(
            "<line x1=\"{from:.1}\" y1=\"{y1:.1}\" x2=\"{bx:.1}\" y2=\"{by:.1}\"/><path class=\"head1\" d=\"M{to:.1} {y2:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
            bx - uy * 3.6, by + ux * 3.6, bx + uy * 3.6, by - ux * 3.6
        ));
    }

    /// What is said stands where it is said.
    fn label(&mut self, at: usize, place: Place) {
        let arrow = &self.diagram.arrows[at];
        let ([from, to], class) = (self.x_of(arrow), class(arrow.kind));
        let (x, anchor) = if to >= from { (from + 9.0, "start") } else { (from - 9.0, "end") };
        let letters = (WIDE / LETTER) as usize;
        self.put(format_args!(
            "<g class=\"a {class}\"><text class=\"label\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text></g>",
            top(place.first[0]) - 3.0,
            escaped(&cut(&arrow.label, letters))
        ));
    }

    fn notes(&mut self) {
        for (note, (y, lines)) in self.diagram.notes.iter().zip(&self.layout.notes) {
            let bad = if note.is_bad { " bad" } else { "" };
            let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
            let width = (longest as f64 * 6.1 + 16.0).min(NOTE_WIDTH);
            let (x, y) = (self.x[note.lane], top(*y));
            self.put(format_args!(
                "<g><title>{} at {:.6} s</title><rect class=\"note{bad}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"4\"/>",
                escaped(&note.text),
                note.t.as_secs_f64(),
                x - width / 2.0,
                6.0 + NOTE_LINE * lines.len() as f64
            ));
            for (at, line) in lines.iter().enumerate() {
                self.put(format_args!(
                    "<text class=\"said\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                    y + 14.0 + NOTE_LINE * at as f64,
                    escaped(line)
                ));
            }
            self.out.push_str("</g>\n");
        }
    }
}

/// From below the heads to the picture's own pixels.
fn top(y: f64) -> f64 {
    TOP + HEAD + BELOW_HEAD + y
}

fn class(kind: Kind) -> &'static str {
    kind.name()
}

/// A text that is too long ends in dots.
fn cut(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    text.chars().take(letters - 2).chain("..".chars()).collect()
}

/// Anybody's text in XML 1.0: its signs escaped, and what may not stand there replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|letter| push_escaped(&mut out, letter));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_say_is_no_markup() {
        assert_eq!(
            escaped("<a href='x'>&\"\u{1b}\u{202e}"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}\u{fffd}"
        );
        assert_eq!(cut("abcdef", 4), "ab..");
    }
}
