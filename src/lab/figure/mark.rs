//! The marks of the series: which colour, which shape, and how they look in SVG.
//!
//! The colours are those of Okabe and Ito (2008), which people with any kind of colour vision tell
//! apart; the shapes differ too, for print without colours.

use std::fmt::Write;

/// How many colours and shapes there are.
pub const HUES: usize = 7;

/// The rules that a figure carries with it. Media queries and classes are all that it needs, so
/// that a program that knows neither shows the light colours.
pub const RULES: &str = "\
.lab-figure{font-family:system-ui,-apple-system,'Segoe UI','Noto Sans','Liberation Sans',Arial,\
sans-serif;font-size:14px}\
.lab-figure .paper{fill:#fff}\
.lab-figure text{fill:#1f2328}\
.lab-figure .title{font-size:18px;font-weight:600}\
.lab-figure .caption{font-size:13px;fill:#57606a}\
.lab-figure .grid{stroke:#dfe3e8;stroke-width:1}\
.lab-figure .axis{stroke:#6e7781;stroke-width:1.5}\
.lab-figure .line{fill:none;stroke:currentColor;stroke-width:2.5;stroke-linejoin:round;\
stroke-linecap:round}\
.lab-figure .thin{fill:none;stroke:currentColor;stroke-width:1;opacity:.6}\
.lab-figure .bar{fill:none;stroke:currentColor;stroke-width:1.75}\
.lab-figure .mark{fill:currentColor;stroke:#fff;stroke-width:.75}\
.lab-figure .dot{fill:#fff;stroke:currentColor;stroke-width:1.75}\
.lab-figure .h0{color:#0072b2}\
.lab-figure .h1{color:#d55e00}\
.lab-figure .h2{color:#009e73}\
.lab-figure .h3{color:#cc79a7}\
.lab-figure .h4{color:#b87f00}\
.lab-figure .h5{color:#4aa3d8}\
.lab-figure .h6{color:#1f2328}\
@media screen and (prefers-color-scheme:dark){\
.lab-figure .paper{fill:#151b23}\
.lab-figure text{fill:#e6edf3}\
.lab-figure .caption{fill:#9da7b3}\
.lab-figure .grid{stroke:#2b323b}\
.lab-figure .axis{stroke:#8b949e}\
.lab-figure .mark{stroke:#151b23}\
.lab-figure .dot{fill:#151b23}\
.lab-figure .h0{color:#4db5ff}\
.lab-figure .h1{color:#ff8b3d}\
.lab-figure .h2{color:#2fd0a0}\
.lab-figure .h3{color:#eba3cb}\
.lab-figure .h4{color:#f0b429}\
.lab-figure .h5{color:#9fd4f5}\
.lab-figure .h6{color:#e6edf3}\
}";

/// A place or a length in the drawing, to a tenth of a unit.
pub fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, tenth) = (tenths.abs() / 10, tenths.abs() % 10);
    if tenth == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{tenth}") }
}

/// Draws a full mark of a shape around a point; `size` is about its radius.
pub fn mark(out: &mut String, shape: usize, at: (f64, f64), size: f64) {
    draw(out, "mark", shape, at, size);
}

/// Draws a small hollow one, which shows on a line of its own colour.
pub fn dot(out: &mut String, shape: usize, at: (f64, f64)) {
    draw(out, "dot", shape, at, 3.4);
}

fn draw(out: &mut String, class: &str, shape: usize, (x, y): (f64, f64), size: f64) {
    let corners = match shape % HUES {
        0 => {
            let (x, y, r) = (px(x), px(y), px(size));
            let _ = writeln!(out, r#"<circle class="{class}" cx="{x}" cy="{y}" r="{r}"/>"#);
            return;
        }
        1 => scaled(size * 0.9, &[(-1, -1), (1, -1), (1, 1), (-1, 1)]),
        2 => scaled(size * 0.6, &[(0, -2), (2, 1), (-2, 1)]),
        3 => scaled(size * 1.3, &[(0, -1), (1, 0), (0, 1), (-1, 0)]),
        4 => scaled(size * 0.6, &[(0, 2), (-2, -1), (2, -1)]),
        5 => scaled(size * 0.4, &PLUS),
        _ => scaled(size * 0.4, &CROSS),
    };
    let _ = write!(out, r#"<path class="{class}" d=""#);
    for (at, (right, down)) in corners.into_iter().enumerate() {
        let letter = if at == 0 { "M" } else { "L" };
        let _ = write!(out, "{letter}{} {}", px(x + right), px(y + down));
    }
    let _ = writeln!(out, r#"Z"/>"#);
}

const PLUS: [(i8, i8); 12] = [
    (-1, -3),
    (1, -3),
    (1, -1),
    (3, -1),
    (3, 1),
    (1, 1),
    (1, 3),
    (-1, 3),
    (-1, 1),
    (-3, 1),
    (-3, -1),
    (-1, -1),
];

const CROSS: [(i8, i8); 12] = [
    (0, -1),
    (2, -3),
    (3, -2),
    (1, 0),
    (3, 2),
    (2, 3),
    (0, 1),
    (-2, 3),
    (-3, 2),
    (-1, 0),
    (-3, -2),
    (-2, -3),
];

fn scaled(by: f64, corners: &[(i8, i8)]) -> Vec<(f64, f64)> {
    corners.iter().map(|&(x, y)| (f64::from(x) * by, f64::from(y) * by)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_hue_has_a_colour_by_day_and_by_night_and_a_shape_of_its_own() {
        let mut shapes = HashSet::new();
        for hue in 0..HUES {
            assert_eq!(RULES.matches(&format!(".h{hue}{{color:#")).count(), 2);
            let mut drawn = String::new();
            mark(&mut drawn, hue, (10.0, 10.0), 4.0);
            assert!(shapes.insert(drawn));
        }
    }

    #[test]
    fn places_are_written_to_a_tenth_and_never_as_a_negative_zero() {
        for (value, text) in
            [(1.0, "1"), (1.25, "1.3"), (-0.01, "0"), (-0.26, "-0.3"), (99.96, "100")]
        {
            assert_eq!(px(value), text);
        }
    }
}
