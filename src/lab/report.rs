//! What came of a scenario, as one page of HTML that needs nothing else: no network, no script.
//!
//! ```text
//! title, what it is about
//! verdicts          every expectation, kept or missed
//! figures           SVG inside the page
//! tables            numbers
//! how to run it again, the machine, the scenario as it ran
//! ```
//! It follows the reader's wish for light or dark, prints, and reads on a telephone. All text is
//! escaped, but the figures, which are [`super::figure::svg`]'s.

use super::figure::text::{escaped, escaped_lines};
use std::fmt::Write;

/// A page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Its heading.
    pub title: String,
    /// What the scenario asks; empty lines part paragraphs.
    pub about: String,
    /// Name and value: the machine, the build, the seeds. The value of one that is named `command`
    /// is how to run it again.
    pub facts: Vec<(String, String)>,
    /// Every expectation.
    pub verdicts: Vec<Verdict>,
    /// Heading and table.
    pub tables: Vec<(String, Table)>,
    /// Caption and SVG; a caption that stands in the SVG is not repeated.
    pub figures: Vec<(String, String)>,
    /// The scenario with everything filled in, as TOML.
    pub scenario: String,
}

/// An expectation, and whether it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What was expected and what came.
    pub text: String,
    /// Whether that is enough; `None` if it was not asked, because nobody ran that.
    pub holds: Option<bool>,
}

/// Rows of cells under a head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// What the columns hold, with units.
    pub head: Vec<String>,
    /// Cells as text; columns of numbers are aligned to the right.
    pub rows: Vec<Vec<String>>,
}

/// How the page looks.
const RULES: &str = include_str!("report/report.css");

/// The name of the fact that says how to run it again.
const COMMAND: &str = "command";

/// The page.
pub fn html(report: &Report) -> String {
    let title = escaped(&report.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{RULES}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{title}</h1>\n"
    );
    for paragraph in report.about.replace('\r', "").split("\n\n") {
        if !paragraph.trim().is_empty() {
            let _ = writeln!(out, "<p>{}</p>", escaped(paragraph.trim()));
        }
    }
    out.push_str("</header>\n");
    verdicts(&mut out, &report.verdicts);
    figures(&mut out, &report.figures);
    for (at, (heading, table)) in report.tables.iter().enumerate() {
        section(&mut out, heading, |out| {
            table_of(out, &format!("table-{}", at + 1), heading, table);
        });
    }
    again(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn section(out: &mut String, heading: &str, inside: impl FnOnce(&mut String)) {
    let _ = writeln!(out, "<section>\n<h2>{}</h2>", escaped(heading));
    inside(out);
    out.push_str("</section>\n");
}

/// The expectations, the missed ones first and those that were not asked last; how each ended is a
/// sign, a word and a colour.
fn verdicts(out: &mut String, verdicts: &[Verdict]) {
    if verdicts.is_empty() {
        return;
    }
    let (class, summary) = summary(verdicts);
    section(out, "What was expected", |out| {
        let _ =
            writeln!(out, "<p class=\"summary {class}\">{summary}</p>\n<ul class=\"verdicts\">");
        for (holds, class, sign, word) in [
            (Some(false), "missed", '✗', "missed"),
            (Some(true), "kept", '✓', "holds"),
            (None, "open", '–', "not run"),
        ] {
            for verdict in verdicts.iter().filter(|verdict| verdict.holds == holds) {
                let text = escaped(&verdict.text);
                let _ = writeln!(
                    out,
                    "<li class=\"{class}\"><span class=\"sign\"><span aria-hidden=\"true\">\
                     {sign}</span> {word}</span> <span class=\"what\">{text}</span></li>"
                );
            }
        }
        out.push_str("</ul>\n");
    });
}

/// How all of them ended together: its class and a sentence.
fn summary(verdicts: &[Verdict]) -> (&'static str, String) {
    let count = |holds| verdicts.iter().filter(|verdict| verdict.holds == holds).count();
    let (held, missed, open) = (count(Some(true)), count(Some(false)), count(None));
    let (class, mut text) = match (held, missed) {
        (0, 0) => ("open", "Nothing was asked.".to_owned()),
        (1, 0) => ("kept", "The expectation holds.".to_owned()),
        (_, 0) => ("kept", format!("All {held} expectations hold.")),
        _ => ("missed", format!("{missed} of {} expectations missed.", held + missed)),
    };
    if open > 0 {
        let _ = write!(text, " {open} more are about backends that did not run.");
    }
    (class, text)
}

fn figures(out: &mut String, figures: &[(String, String)]) {
    if figures.is_empty() {
        return;
    }
    section(out, if figures.len() == 1 { "Figure" } else { "Figures" }, |out| {
        for (at, (caption, svg)) in figures.iter().enumerate() {
            let _ = writeln!(out, "<figure id=\"figure-{}\">\n{}", at + 1, svg.trim_end());
            let caption = escaped(caption);
            if !caption.is_empty() && !svg.contains(&caption) {
                let _ = writeln!(out, "<figcaption>{caption}</figcaption>");
            }
            out.push_str("</figure>\n");
        }
    });
}

fn table_of(out: &mut String, id: &str, heading: &str, table: &Table) {
    let numeric: Vec<bool> =
        (0..table.head.len()).map(|column| is_numeric(table, column)).collect();
    let class = |column: usize| {
        if numeric.get(column).copied().unwrap_or(false) { " class=\"number\"" } else { "" }
    };
    // A table that is wider than the page scrolls, by keyboard too.
    let name = escaped(heading);
    let _ = writeln!(
        out,
        "<div class=\"wide\" id=\"{id}\" role=\"region\" aria-label=\"{name}\" tabindex=\"0\">\n\
         <table>\n<thead><tr>"
    );
    for (column, cell) in table.head.iter().enumerate() {
        let _ = write!(out, "<th scope=\"col\"{}>{}</th>", class(column), escaped(cell));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(column), escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

/// Whether every cell of a column that says anything is a number, perhaps with a unit behind it.
fn is_numeric(table: &Table, column: usize) -> bool {
    let cells = table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
    let mut told = cells.filter(|cell| !["", "-", "–", "—"].contains(cell)).peekable();
    told.peek().is_some() && told.all(is_number)
}

fn is_number(cell: &str) -> bool {
    let rest = cell.trim_start_matches(['-', '−', '+', '±', '<', '>', '≥', '≤', '~', ' ']);
    let number = rest.split([' ', '\u{a0}']).next().unwrap_or_default();
    let number =
        number.trim_end_matches(|letter: char| letter.is_alphabetic() || "%×/²".contains(letter));
    !number.is_empty() && number.replace(',', "").parse::<f64>().is_ok()
}

/// How to run it again, what it ran on, and the scenario itself.
fn again(out: &mut String, report: &Report) {
    let (commands, facts): (Vec<_>, Vec<_>) =
        report.facts.iter().partition(|(name, _)| name == COMMAND);
    if !commands.is_empty() {
        section(out, "Run it again", |out| {
            for (_, command) in &commands {
                let command = escaped_lines(command);
                let _ = writeln!(out, "<pre class=\"again\"><code>{command}</code></pre>");
            }
        });
    }
    if !facts.is_empty() {
        section(out, "What it ran on", |out| {
            out.push_str("<dl>\n");
            for (name, value) in facts {
                let (name, value) = (escaped(name), escaped(value));
                let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
            }
            out.push_str("</dl>\n");
        });
    }
    if !report.scenario.is_empty() {
        let scenario = escaped_lines(&report.scenario);
        let _ = writeln!(
            out,
            "<details>\n<summary>The scenario as it ran</summary>\n\
             <pre><code>{scenario}</code></pre>\n</details>"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Figure, Point, Series, Style, svg};
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn sample() -> Report {
        let series = Series {
            name: "P2P (theory)".into(),
            style: Style::Line,
            points: vec![Point { x: 1.0, y: 2.0, ..Point::default() }],
        };
        let figure =
            Figure { caption: "Five seeds.".into(), series: vec![series], ..Figure::default() };
        Report {
            title: "Kurose & Ross".into(),
            about: "How long?\n\nIt <depends>.".into(),
            facts: vec![
                ("kernel".into(), "6.1".into()),
                ("command".into(), "lab run 'a & b.toml'".into()),
            ],
            verdicts: vec![
                Verdict { text: "D/theory.D = 1.02, in 1 .. 1.05".into(), holds: Some(true) },
                Verdict { text: "util = 0.5, below 0.9".into(), holds: Some(false) },
            ],
            tables: vec![(
                "Runs".into(),
                Table { head: words(&["mode", "N"]), rows: vec![words(&["p2p", "10"])] },
            )],
            figures: vec![("Five seeds.".into(), svg(&figure)), ("Other".into(), svg(&figure))],
            scenario: "[world]\nN = \"<10>\"\n".into(),
        }
    }

    #[test]
    fn the_page_needs_nothing_but_itself() {
        let page = html(&sample());
        for outside in ["<script", "<link", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        let addresses = page.matches("http").count();
        assert_eq!(addresses, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    }

    #[test]
    fn whether_an_expectation_holds_is_said_in_a_word_and_the_missed_ones_come_first() {
        let page = html(&sample());
        let missed = page.find("</span> missed</span> <span class=\"what\">util").expect("missed");
        let held = page.find("</span> holds</span> <span class=\"what\">D/").expect("held");
        assert!(missed < held);
        assert!(page.contains("1 of 2 expectations missed."));
    }

    #[test]
    fn what_was_not_asked_neither_holds_nor_is_missed() {
        let open = Verdict { text: "D proc".into(), holds: None };
        let held = Verdict { text: "D sim".into(), holds: Some(true) };
        let page = html(&Report { verdicts: vec![open.clone(), held], ..Report::default() });
        assert!(
            page.contains("The expectation holds. 1 more are about backends that did not run.")
        );
        assert!(page.contains("</span> not run</span> <span class=\"what\">D proc"));
        let page = html(&Report { verdicts: vec![open], ..Report::default() });
        assert!(page.contains("<p class=\"summary open\">Nothing was asked."));
    }

    #[test]
    fn all_text_is_escaped_and_the_scenario_keeps_its_lines() {
        let page = html(&sample());
        assert!(
            page.contains(
                "<h1>Kurose &amp; Ross</h1>\n<p>How long?</p>\n<p>It &lt;depends&gt;.</p>"
            )
        );
        assert!(page.contains("<code>[world]\nN = &quot;&lt;10&gt;&quot;\n</code>"));
        assert!(page.contains("<code>lab run &#39;a &amp; b.toml&#39;</code>"));
    }

    #[test]
    fn a_caption_that_stands_in_the_figure_is_not_repeated() {
        let page = html(&sample());
        assert!(!page.contains("<figcaption>Five seeds."));
        assert!(page.contains("<figcaption>Other</figcaption>"));
    }

    #[test]
    fn columns_of_numbers_are_aligned_to_the_right() {
        let page = html(&sample());
        assert!(
            page.contains("<th scope=\"col\">mode</th><th scope=\"col\" class=\"number\">N</th>")
        );
        assert!(page.contains("<td>p2p</td><td class=\"number\">10</td>"));
        for cell in ["1.5", "-2", "−2 s", "1e-9", "95 %", "12s", "1,024", "10 000"] {
            assert!(is_number(cell), "{cell}");
        }
        for cell in ["p2p", "rarest", "10.0.0.1", "3fa2:x"] {
            assert!(!is_number(cell), "{cell}");
        }
    }

    #[test]
    fn an_empty_report_is_a_page_too() {
        let page = html(&Report::default());
        assert!(!page.contains("<section>") && page.ends_with("</html>\n"));
    }
}
