//! Figures as SVG: theory as lines, simulated runs as small dots, real runs as dots with error bars.
//!
//! ```text
//! title
//! label of y
//!  4 |----------------------     a mark or a line never lies under the legend: that is below,
//!  2 |----------------------     and so is the caption
//!  0 +----------------------
//!    0      10      20     label of x
//!  -- theory   . sim   I proc
//!  caption
//! ```
//! [`svg`] is a function of its figure: the same data give the same bytes on any machine. No font is
//! embedded and none is measured ([`text`]). The picture follows the reader's wish for light or dark.
//! Points that cannot be drawn are left out, and the caption says how many; no text of a figure
//! leaves its element.

/// What an axis spans, and its ticks.
pub mod axis;

/// Colours and shapes.
mod mark;

/// The series inside the axes.
mod series;

/// Text: escaped, measured, wrapped.
pub mod text;

use axis::{Scale, has_place, number};
use mark::{RULES, px};
use std::fmt::Write;
use text::{escaped, shortened, width, wrapped};

/// A plot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figure {
    /// Stands above it.
    pub title: String,
    /// Stands below it: the parameters, how many seeds, what the bars are.
    pub caption: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top; its words are not used.
    pub y: Axis,
    /// In the order of the legend.
    pub series: Vec<Series>,
}

/// One axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit: `time until all have it (s)`.
    pub label: String,
    /// Whether equal steps are equal factors; values that are not positive have no place then.
    pub logarithmic: bool,
    /// Categories: if there are any, a value is an index into them, and the axis is linear.
    pub words: Vec<String>,
}

/// Points that belong together.
///
/// `P2P (theory)` and `P2P (sim)` are the same thing seen twice: series whose names are the same
/// up to the last ` (` and whose styles differ have one colour and one shape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// For the legend; empty if it is not to be there.
    pub name: String,
    /// How it is drawn.
    pub style: Style,
    /// In any order, but for [`Style::Pairs`].
    pub points: Vec<Point>,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// A solid line without marks: theory. Over words, a short line across each.
    #[default]
    Line,
    /// Small dots: simulated runs.
    Dots,
    /// Dots with error bars: real runs.
    Bars,
    /// Dots of which every two, the first and the second, the third and the fourth and so on, are
    /// joined by a thin line: the same seed before and after a change.
    Pairs,
}

/// A value, and how sure it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// On the axis of x; an index if that has words.
    pub x: f64,
    /// On the axis of y.
    pub y: f64,
    /// The lower end of its error bar.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// The width of every figure; it is scaled to where it is shown.
const WIDTH: f64 = 600.0;

/// Around everything.
const MARGIN: f64 = 14.0;

/// From the top of the plot to its bottom.
const HEIGHT: f64 = 300.0;

const FONT: f64 = 14.0;
const TITLE_FONT: f64 = 18.0;
const CAPTION_FONT: f64 = 13.0;
const LINE: f64 = 20.0;

/// Where the plot is, and what its axes span.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        self.left + self.x.share(value) * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - self.y.share(value) * (self.bottom - self.top)
    }
}

/// The figure as a file, or as an element of a page.
pub fn svg(figure: &Figure) -> String {
    let mut body = String::new();
    let mut down = MARGIN;
    lines(&mut body, "title", &figure.title, TITLE_FONT, &mut down);
    lines(&mut body, "label", &figure.y.label, FONT, &mut down);
    if let Some(frame) = frame(figure, down + 8.0) {
        down = axes(&mut body, figure, &frame);
        let looks = series::looks(&figure.series);
        series::draw(&mut body, figure, &looks, &frame);
        down = series::legend(&mut body, &figure.series, &looks, down);
    } else {
        down += 60.0;
        text_at(&mut body, "middle", (WIDTH / 2.0, down), "no data");
        down += 40.0;
    }
    lines(&mut body, "caption", &caption(figure), CAPTION_FONT, &mut down);
    let height = px((down + MARGIN).ceil());
    let (title, about) = (escaped(&figure.title), escaped(&description(figure)));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lab-figure\" role=\"img\" \
         viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
         <title>{title}</title>\n<desc>{about}</desc>\n<style>{RULES}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n"
    )
}

/// Whether a point can be drawn.
fn is_drawn(figure: &Figure, point: &Point) -> bool {
    let words = figure.x.words.len();
    let x = if words == 0 {
        has_place(point.x, figure.x.logarithmic)
    } else {
        point.x >= 0.0 && point.x <= (words - 1) as f64
    };
    x && has_place(point.y, figure.y.logarithmic)
}

/// The ends of a point's error bar, if both can be drawn.
fn bar(figure: &Figure, point: &Point) -> Option<(f64, f64)> {
    let ends = point.low.zip(point.high)?;
    let drawn = |end| has_place(end, figure.y.logarithmic);
    (drawn(ends.0) && drawn(ends.1)).then_some(ends)
}

/// All points that can be drawn.
fn drawn(figure: &Figure) -> impl Iterator<Item = &Point> + Clone {
    let points = figure.series.iter().flat_map(|series| &series.points);
    points.filter(|point| is_drawn(figure, point))
}

/// The axes over all points that can be drawn; none if there are none.
fn frame(figure: &Figure, top: f64) -> Option<Frame> {
    let points = drawn(figure);
    let ends = points.clone().filter_map(|point| bar(figure, point));
    let values = points.clone().map(|point| point.y);
    let values = values.chain(ends.flat_map(|(low, high)| [low, high]));
    let y = Scale::over(values, figure.y.logarithmic)?;
    let x = if figure.x.words.is_empty() {
        Scale::over(points.map(|point| point.x), figure.x.logarithmic)?
    } else {
        Scale::of_words(&figure.x.words)
    };
    let widest = y.ticks.iter().map(|tick| width(&tick.label, FONT)).fold(0.0, f64::max);
    // The last label of x reaches over the end of its axis.
    let over = x.ticks.last().map_or(0.0, |tick| width(&tick.label, FONT) / 2.0);
    let over = if figure.x.words.is_empty() { over.max(4.0) } else { 4.0 };
    let (left, right) = (MARGIN + widest + 10.0, WIDTH - MARGIN - over);
    Some(Frame { left, right, top, bottom: top + HEIGHT, x, y })
}

/// Grid, axes, ticks and the label of x; gives back where the next thing may begin.
fn axes(out: &mut String, figure: &Figure, frame: &Frame) -> f64 {
    let (left, right) = (px(frame.left), px(frame.right));
    let (top, bottom) = (px(frame.top), px(frame.bottom));
    for tick in &frame.y.ticks {
        let y = frame.y(tick.value);
        let at = px(y);
        let _ = writeln!(out, r#"<path class="grid" d="M{left} {at}H{right}"/>"#);
        text_at(out, "end", (frame.left - 8.0, y + 5.0), &tick.label);
    }
    let words = !figure.x.words.is_empty();
    if !words {
        for tick in &frame.x.ticks {
            let at = px(frame.x(tick.value));
            let _ = writeln!(out, r#"<path class="grid" d="M{at} {top}V{bottom}"/>"#);
        }
    }
    let mut down = if words { word_labels(out, frame) } else { number_labels(out, frame) };
    let _ = writeln!(out, r#"<path class="axis" d="M{left} {bottom}H{right}"/>"#);
    for line in wrapped(&figure.x.label, FONT, frame.right - frame.left) {
        down += LINE + 2.0;
        text_at(out, "middle", (f64::midpoint(frame.left, frame.right), down), &line);
    }
    down + 12.0
}

/// The numbers below the axis; one that would touch the one before it is left out.
fn number_labels(out: &mut String, frame: &Frame) -> f64 {
    let down = frame.bottom + LINE;
    let mut free = f64::MIN;
    for tick in &frame.x.ticks {
        let (at, half) = (frame.x(tick.value), width(&tick.label, FONT) / 2.0);
        if at - half >= free {
            text_at(out, "middle", (at, down), &tick.label);
            free = at + half + 6.0;
        }
    }
    down
}

/// The words below the axis: in lines within their slots, or slanted if there is no room.
fn word_labels(out: &mut String, frame: &Frame) -> f64 {
    const MOST: f64 = 150.0;
    let slot = (frame.right - frame.left) / frame.x.ticks.len() as f64;
    let longest =
        |label: &str| label.split_whitespace().map(|word| width(word, FONT)).fold(0.0, f64::max);
    if frame.x.ticks.iter().all(|tick| longest(&tick.label) <= slot - 8.0) {
        let mut most = 0;
        for tick in &frame.x.ticks {
            let rows = wrapped(&tick.label, FONT, slot - 8.0);
            most = most.max(rows.len());
            for (row, line) in rows.iter().enumerate() {
                let down = frame.bottom + LINE + row as f64 * (LINE - 2.0);
                text_at(out, "middle", (frame.x(tick.value), down), line);
            }
        }
        return frame.bottom + LINE + most.saturating_sub(1) as f64 * (LINE - 2.0);
    }
    // Slanted, as many as find room.
    let stride = (LINE / slot).ceil().max(1.0) as usize;
    let mut deepest: f64 = 0.0;
    for tick in frame.x.ticks.iter().step_by(stride) {
        let (x, y) = (px(frame.x(tick.value) + 4.0), px(frame.bottom + 16.0));
        // Its beginning stays inside the figure; the cosine of 35 degrees is 0.82.
        let room = (frame.x(tick.value) - 4.0) / 0.82;
        let label = shortened(&tick.label, FONT, MOST.min(room));
        deepest = deepest.max(width(&label, FONT));
        let label = escaped(&label);
        let turned = format!("rotate(-35 {x} {y})");
        let _ = writeln!(
            out,
            r#"<text x="{x}" y="{y}" text-anchor="end" transform="{turned}">{label}</text>"#
        );
    }
    frame.bottom + 16.0 + deepest * 0.574 - 4.0 // the sine of 35 degrees
}

fn text_at(out: &mut String, anchor: &str, (x, y): (f64, f64), text: &str) {
    let (x, y, text) = (px(x), px(y), escaped(text));
    let _ = writeln!(out, r#"<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#);
}

/// A paragraph over the whole width, which moves `down` below itself.
fn lines(out: &mut String, class: &str, text: &str, size: f64, down: &mut f64) {
    // A title is bold, and wider by that.
    let wider = if class == "title" { 1.15 } else { 1.0 };
    for line in wrapped(text, size * wider, WIDTH - 2.0 * MARGIN) {
        *down += (size * 1.35).round();
        let (x, y, line) = (px(MARGIN), px(*down - 4.0), escaped(&line));
        let _ = writeln!(out, r#"<text class="{class}" x="{x}" y="{y}">{line}</text>"#);
    }
    if !text.is_empty() {
        *down += 4.0;
    }
}

/// The caption, with what had to be left out.
fn caption(figure: &Figure) -> String {
    let all: usize = figure.series.iter().map(|series| series.points.len()).sum();
    match all - drawn(figure).count() {
        0 => figure.caption.clone(),
        1 => format!("{} One point has no place on these axes.", figure.caption),
        left => format!("{} {left} points have no place on these axes.", figure.caption),
    }
}

/// What the figure shows, for those who do not see it.
fn description(figure: &Figure) -> String {
    let mut text = caption(figure);
    let _ = write!(text, " Across: {}. Up: {}.", figure.x.label, figure.y.label);
    for series in &figure.series {
        let points = series.points.iter().filter(|point| is_drawn(figure, point));
        let ys = points.map(|point| point.y);
        let (low, high) =
            ys.clone().fold((f64::MAX, f64::MIN), |(low, high), y| (low.min(y), high.max(y)));
        let count = ys.count();
        let name = if series.name.is_empty() { "points" } else { &series.name };
        let _ = match count {
            0 => write!(text, " {name}: none."),
            _ => write!(text, " {name}: {count}, from {} to {}.", number(low, 4), number(high, 4)),
        };
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
