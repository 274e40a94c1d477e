//! What holds of every figure.

use super::*;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// Kurose and Ross, figure 2.23, in three points.
fn textbook() -> Figure {
    let points = |ys: [f64; 3]| {
        [1.0, 10.0, 35.0].into_iter().zip(ys).map(|(x, y)| Point { x, y, ..Point::default() })
    };
    let real = points([0.11, 0.52, 0.8]);
    let real = real.map(|p| Point { low: Some(p.y - 0.05), high: Some(p.y + 0.1), ..p });
    let series = |name: &str, style, points| Series { name: name.into(), style, points };
    Figure {
        title: "The time until all have the file".into(),
        caption: "F/u = 1 h, u_s = 10u. Bars: 95 % of the mean of 5 seeds.".into(),
        x: Axis { label: "peers N".into(), ..Axis::default() },
        y: Axis { label: "time (h)".into(), ..Axis::default() },
        series: vec![
            series("client-server (theory)", Style::Line, points([0.1, 1.0, 3.5]).collect()),
            series("P2P (theory)", Style::Line, points([0.1, 0.5, 0.7778]).collect()),
            series("P2P (sim)", Style::Dots, points([0.1, 0.51, 0.79]).collect()),
            series("P2P (proc)", Style::Bars, real.collect()),
        ],
    }
}

fn dots(points: Vec<Point>) -> Figure {
    let series = Series { name: "a <b> & \"c\"".into(), style: Style::Dots, points };
    Figure { series: vec![series], ..Figure::default() }
}

/// Compares with the file of that name; what was drawn instead is in the message.
fn check_golden(name: &str, figure: &Figure) {
    let path = format!("{}/tests/golden/figure/{name}.svg", env!("CARGO_MANIFEST_DIR"));
    let drawn = svg(figure);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept != drawn {
        let beside = std::env::temp_dir().join(format!("swarmlet-{name}.svg"));
        std::fs::write(&beside, &drawn).expect("a temporary file");
        panic!("{path} differs from what is drawn: {}", beside.display());
    }
}

#[test]
fn the_same_data_give_the_same_bytes() {
    check_golden("textbook", &textbook());
}

#[test]
fn words_pairs_and_a_logarithmic_axis_give_the_same_bytes() {
    let point = |x: f64, y: f64| Point { x, y, ..Point::default() };
    let series = |name: &str, style, points| Series { name: name.into(), style, points };
    let words = ["rarest", "random", "sequential"].map(str::to_owned).to_vec();
    check_golden(
        "words",
        &Figure {
            title: "Pickers".into(),
            x: Axis { words, ..Axis::default() },
            y: Axis { label: "rounds".into(), logarithmic: true, ..Axis::default() },
            series: vec![
                series("optimum (theory)", Style::Line, vec![point(0.0, 20.0), point(2.0, 20.0)]),
                series("seeds", Style::Pairs, vec![point(0.0, 21.0), point(1.0, 31.0)]),
                series("others", Style::Dots, vec![point(2.0, 470.0), point(2.0, -1.0)]),
            ],
            ..Figure::default()
        },
    );
}

#[test]
fn without_a_point_that_can_be_drawn_the_figure_says_so() {
    let nothing =
        [Figure::default(), dots(vec![]), dots(vec![Point { x: f64::NAN, ..Point::default() }])];
    for figure in nothing {
        let drawn = svg(&figure);
        assert!(drawn.contains(">no data</text>"), "{drawn}");
        assert_eq!(balance(&drawn), Ok(()));
    }
}

#[test]
fn points_without_a_place_are_counted_in_the_caption() {
    let point = |x: f64, y: f64| Point { x, y, ..Point::default() };
    let mut figure = dots(vec![point(1.0, 1.0), point(f64::INFINITY, 2.0), point(2.0, f64::NAN)]);
    figure.caption = "Two seeds.".into();
    assert!(svg(&figure).contains(">Two seeds. 2 points have no place on these axes.</text>"));
    figure.series[0].points.pop();
    assert!(svg(&figure).contains(">Two seeds. One point has no place on these axes.</text>"));
}

#[test]
fn the_same_thing_seen_twice_has_one_colour_and_other_things_have_others() {
    let looks = series::looks(&textbook().series);
    assert_eq!(looks[1], looks[2]);
    assert_eq!(looks[1], looks[3]);
    assert_ne!(looks[0], looks[1]);
    let same = vec![textbook().series[0].clone(); 2];
    let looks = series::looks(&same);
    assert_ne!(looks[0], looks[1], "two lines of one name are told apart");
}

#[test]
fn the_legend_is_below_the_plot_and_the_marks_are_inside() {
    let figure = textbook();
    let looks = series::looks(&figure.series);
    let frame = frame(&figure, 50.0).expect("there are points");
    let (mut marks, mut legend) = (String::new(), String::new());
    series::draw(&mut marks, &figure, &looks, &frame);
    series::legend(&mut legend, &figure.series, &looks, frame.bottom);
    // The second number of every corner, and of every text.
    let downs = |drawn: &str| -> Vec<f64> {
        let parts = drawn.split(['"', 'M', 'L', 'Z']).filter_map(|part| part.split_once(' '));
        let corners = parts.filter_map(|(_, y)| y.split(['H', 'V', 'h']).next()?.parse().ok());
        let texts = drawn.split(" y=\"").skip(1).filter_map(|rest| rest.split('"').next());
        corners.chain(texts.filter_map(|y| y.parse().ok())).collect()
    };
    assert!(downs(&marks).len() > 20 && downs(&legend).len() > 4);
    assert!(downs(&marks).into_iter().all(|y| y <= frame.bottom), "{marks}");
    assert!(downs(&legend).into_iter().all(|y| y > frame.bottom), "{legend}");
}

/// Whether elements are closed in order, attributes are quoted, and text holds no stray sign.
fn balance(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        check_text(&rest[..at])?;
        let end = rest[at..].find('>').ok_or("an element without an end")? + at;
        let inside = &rest[at + 1..end];
        if let Some(name) = inside.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes something else"));
            }
        } else if !inside.ends_with('/') {
            open.push(inside.split(' ').next().unwrap_or_default());
        }
        if inside.contains('<') || !inside.matches('"').count().is_multiple_of(2) {
            return Err(format!("<{inside}> is no element"));
        }
        rest = &rest[end + 1..];
    }
    check_text(rest)?;
    if open.is_empty() { Ok(()) } else { Err(format!("{open:?} stay open")) }
}

fn check_text(text: &str) -> Result<(), String> {
    let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
    let entities = text.split('&').skip(1);
    let stray = |part: &&str| !known.iter().any(|name| part.starts_with(name));
    let control = text.chars().any(|letter| letter.is_control() && letter != '\n');
    if text.contains('>') || control || entities.into_iter().any(|part| stray(&part)) {
        return Err(format!("{text:?} is not escaped"));
    }
    Ok(())
}

fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -1e6..1e6,
        0.0..10.0,
        Just(0.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::MIN_POSITIVE / 4.0),
    ]
}

proptest! {
    #[test]
    fn any_numbers_and_strings_give_well_formed_xml_of_finite_numbers(
        points in proptest::collection::vec((numbers(), numbers(), numbers(), numbers()), 0..12),
        title in ".*", label in ".*", name in any::<String>(),
        words in proptest::collection::vec(any::<String>(), 0..4),
        log_x in any::<bool>(), log_y in any::<bool>(),
    ) {
        let points: Vec<Point> = points.into_iter()
            .map(|(x, y, low, high)| Point { x, y, low: Some(low), high: Some(high) })
            .collect();
        let styles = [Style::Line, Style::Dots, Style::Bars, Style::Pairs];
        let figure = Figure {
            title: title.clone(),
            caption: title,
            x: Axis { label: label.clone(), logarithmic: log_x, words },
            y: Axis { label, logarithmic: log_y, words: Vec::new() },
            series: styles.map(|style| {
                Series { name: name.clone(), style, points: points.clone() }
            }).to_vec(),
        };
        let drawn = svg(&figure);
        prop_assert_eq!(balance(&drawn), Ok(()));
        for attribute in drawn.split('"').skip(1).step_by(2) {
            prop_assert!(!attribute.contains("NaN") && !attribute.contains("inf"), "{}", attribute);
        }
    }
}
