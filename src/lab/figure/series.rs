//! The series inside the axes, and the legend that explains them.

use super::axis::has_place;
use super::mark::{HUES, dot, mark, px};
use super::text::{escaped, shortened, width};
use super::{FONT, Figure, Frame, LINE, MARGIN, Point, Series, Style, WIDTH, bar, is_drawn};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A colour and a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    hue: usize,
    shape: usize,
}

/// Half the width of the end of an error bar.
const CAP: f64 = 5.0;

/// One look for each series: the same for the same thing seen twice.
pub(super) fn looks(series: &[Series]) -> Vec<Look> {
    let mut known: Vec<(&str, Vec<Style>)> = Vec::new();
    let mut looks = Vec::new();
    for one in series {
        let thing = one.name.rsplit_once(" (").map_or(one.name.as_str(), |(thing, _)| thing);
        let same = known.iter().position(|(name, styles)| {
            *name == thing && !thing.is_empty() && !styles.contains(&one.style)
        });
        let at = same.unwrap_or_else(|| {
            known.push((thing, Vec::new()));
            known.len() - 1
        });
        known[at].1.push(one.style);
        // After all colours the shapes are shifted, so that no two series look the same for long.
        looks.push(Look { hue: at % HUES, shape: (at + at / HUES) % HUES });
    }
    looks
}

/// Draws all series, the lines below the dots.
pub(super) fn draw(out: &mut String, figure: &Figure, looks: &[Look], frame: &Frame) {
    let is_line = |series: &Series| series.style == Style::Line;
    let marked: Vec<usize> =
        (0..figure.series.len()).filter(|&at| !is_line(&figure.series[at])).collect();
    for lines in [true, false] {
        for (at, series) in figure.series.iter().enumerate() {
            if is_line(series) != lines {
                continue;
            }
            let _ = writeln!(out, r#"<g class="h{}">"#, looks[at].hue);
            let side = marked.iter().position(|&other| other == at);
            let aside = side.map_or(0.0, |side| aside(figure, frame, side, marked.len()));
            let shape = looks[at].shape;
            match series.style {
                Style::Line if figure.x.words.is_empty() => line(out, figure, series, frame),
                Style::Line => levels(out, figure, series, frame),
                Style::Dots => dots(out, figure, series, frame, (shape, aside)),
                Style::Bars => bars(out, figure, series, frame, (shape, aside)),
                Style::Pairs => pairs(out, figure, series, frame, (shape, aside)),
            }
            let _ = writeln!(out, "</g>");
        }
    }
}

/// How far the marks of a series stand from the middle of a word, so that they do not hide others.
fn aside(figure: &Figure, frame: &Frame, side: usize, of: usize) -> f64 {
    if figure.x.words.is_empty() {
        return 0.0;
    }
    let slot = (frame.right - frame.left) / figure.x.words.len() as f64;
    let gap = (slot / (of + 1) as f64).min(22.0);
    (side as f64 - (of - 1) as f64 / 2.0) * gap
}

/// A line through the points from left to right, with a gap where there is no value.
fn line(out: &mut String, figure: &Figure, series: &Series, frame: &Frame) {
    let placed = |point: &&Point| has_place(point.x, figure.x.logarithmic);
    let mut points: Vec<&Point> = series.points.iter().filter(placed).collect();
    points.sort_by(|one, other| one.x.total_cmp(&other.x));
    let mut path = String::new();
    let mut begun = false;
    for point in points {
        if is_drawn(figure, point) {
            let (x, y) = (px(frame.x(point.x)), px(frame.y(point.y)));
            // A point alone between two gaps is a dot: a line of no length with round ends.
            let _ = if begun { write!(path, "L{x} {y}") } else { write!(path, "M{x} {y}h0") };
            begun = true;
        } else {
            begun = false;
        }
    }
    if !path.is_empty() {
        let _ = writeln!(out, r#"<path class="line" d="{path}"/>"#);
    }
}

/// A short line across each word.
fn levels(out: &mut String, figure: &Figure, series: &Series, frame: &Frame) {
    for point in series.points.iter().filter(|point| is_drawn(figure, point)) {
        let half = (frame.right - frame.left) / figure.x.words.len() as f64 * 0.4;
        let (x, y) = (frame.x(point.x), px(frame.y(point.y)));
        let (from, to) = (px(x - half), px(x + half));
        let _ = writeln!(out, r#"<path class="line" d="M{from} {y}H{to}"/>"#);
    }
}

/// Small dots; those that would hide each other are drawn once.
fn dots(
    out: &mut String,
    figure: &Figure,
    series: &Series,
    frame: &Frame,
    (shape, aside): (usize, f64),
) {
    let mut taken = BTreeSet::new();
    for point in series.points.iter().filter(|point| is_drawn(figure, point)) {
        let (x, y) = (frame.x(point.x) + aside, frame.y(point.y));
        if taken.insert((px(x), px(y))) {
            dot(out, shape, (x, y));
        }
    }
}

fn bars(
    out: &mut String,
    figure: &Figure,
    series: &Series,
    frame: &Frame,
    (shape, aside): (usize, f64),
) {
    for point in series.points.iter().filter(|point| is_drawn(figure, point)) {
        let (x, y) = (frame.x(point.x) + aside, frame.y(point.y));
        if let Some((low, high)) = bar(figure, point) {
            error_bar(out, x, frame.y(low), frame.y(high));
        }
        mark(out, shape, (x, y), 5.0);
    }
}

fn error_bar(out: &mut String, x: f64, low: f64, high: f64) {
    let (left, right) = (px(x - CAP), px(x + CAP));
    let (x, low, high) = (px(x), px(low), px(high));
    let ends = format!("M{left} {low}H{right}M{left} {high}H{right}M{x} {low}V{high}");
    let _ = writeln!(out, r#"<path class="bar" d="{ends}"/>"#);
}

fn pairs(
    out: &mut String,
    figure: &Figure,
    series: &Series,
    frame: &Frame,
    (shape, aside): (usize, f64),
) {
    let place = |point: &Point| (frame.x(point.x) + aside, frame.y(point.y));
    for pair in series.points.chunks_exact(2) {
        if pair.iter().all(|point| is_drawn(figure, point)) {
            let [(x1, y1), (x2, y2)] = [place(&pair[0]), place(&pair[1])];
            let ends = format!("M{} {}L{} {}", px(x1), px(y1), px(x2), px(y2));
            let _ = writeln!(out, r#"<path class="thin" d="{ends}"/>"#);
        }
    }
    for point in series.points.iter().filter(|point| is_drawn(figure, point)) {
        mark(out, shape, place(point), 4.0);
    }
}

/// The legend in rows from `down` on; gives back where the next thing may begin.
pub(super) fn legend(out: &mut String, series: &[Series], looks: &[Look], down: f64) -> f64 {
    const SAMPLE: f64 = 26.0;
    const GAP: f64 = 22.0;
    let (mut right, mut down) = (MARGIN, down + LINE / 2.0);
    let mut any = false;
    for (series, look) in series.iter().zip(looks).filter(|(series, _)| !series.name.is_empty()) {
        let name = shortened(&series.name, FONT, WIDTH - 2.0 * MARGIN - SAMPLE - 8.0);
        let wide = SAMPLE + 8.0 + width(&name, FONT);
        if right > MARGIN && right + wide > WIDTH - MARGIN {
            (right, down) = (MARGIN, down + LINE);
        }
        let _ = writeln!(out, r#"<g class="h{}">"#, look.hue);
        sample(out, series.style, look.shape, (right, down), SAMPLE);
        let _ = writeln!(out, "</g>");
        let (x, y, name) = (px(right + SAMPLE + 8.0), px(down + 5.0), escaped(&name));
        let _ = writeln!(out, r#"<text x="{x}" y="{y}">{name}</text>"#);
        right += wide + GAP;
        any = true;
    }
    if any { down + LINE / 2.0 + 6.0 } else { down - LINE / 2.0 }
}

/// What a series looks like, in small.
fn sample(out: &mut String, style: Style, shape: usize, (x, y): (f64, f64), wide: f64) {
    let middle = x + wide / 2.0;
    match style {
        Style::Line => {
            let (from, to, y) = (px(x), px(x + wide), px(y));
            let _ = writeln!(out, r#"<path class="line" d="M{from} {y}H{to}"/>"#);
        }
        Style::Dots => dot(out, shape, (middle, y)),
        Style::Bars => {
            error_bar(out, middle, y + 8.0, y - 8.0);
            mark(out, shape, (middle, y), 5.0);
        }
        Style::Pairs => {
            let (from, to, at) = (px(x + 5.0), px(x + wide - 5.0), px(y));
            let _ = writeln!(out, r#"<path class="thin" d="M{from} {at}H{to}"/>"#);
            mark(out, shape, (x + 5.0, y), 4.0);
            mark(out, shape, (x + wide - 5.0, y), 4.0);
        }
    }
}
