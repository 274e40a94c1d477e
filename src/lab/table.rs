//! Tables as text: CSV for programs, columns for people, and numbers for both.

use super::report::Table;

/// A table as CSV (RFC 4180, but with line feeds alone, as on any Unix).
pub fn csv(table: &Table) -> String {
    let mut out = String::new();
    for row in std::iter::once(&table.head).chain(&table.rows) {
        out.push_str(&csv_line(row));
    }
    out
}

/// One row of a CSV file with its line feed.
pub fn csv_line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    cells.join(",") + "\n"
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// A table in columns that are as wide as their longest cell; numbers are aligned to the right.
pub fn columns(table: &Table) -> String {
    let length = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..table.head.len())
        .map(|at| {
            let cells = table.rows.iter().filter_map(|row| row.get(at));
            cells.chain([&table.head[at]]).map(length).max().unwrap_or(0)
        })
        .collect();
    let is_number = |at: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.get(at)).filter(|c| !c.is_empty());
        cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    };
    let right: Vec<bool> = (0..table.head.len()).map(is_number).collect();
    let mut out = String::new();
    for row in std::iter::once(&table.head).chain(&table.rows) {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(&widths).zip(&right) {
            let space = " ".repeat(width.saturating_sub(length(cell)));
            let parts = if *right { [&space, cell.as_str()] } else { [cell.as_str(), &space] };
            line.push_str(&parts.concat());
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A number for people: three digits after the point at most, two at least where it is small.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 1e7 || (size > 0.0 && size < 1e-3) {
        return format!("{value:.3e}");
    }
    if value.fract() == 0.0 && size >= 10.0 {
        return format!("{value:.0}");
    }
    let text = match size {
        1000.0.. => return format!("{value:.0}"),
        100.0.. => return format!("{value:.1}"),
        10.0.. => return format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    text.strip_suffix('0').map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let cells = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect();
        Table {
            head: cells(&["mode", "D"]),
            rows: vec![cells(&["p2p", "12.5"]), cells(&["a,\"b\"", "7"])],
        }
    }

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        assert_eq!(csv(&table()), "mode,D\np2p,12.5\n\"a,\"\"b\"\"\",7\n");
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(columns(&table()), "mode      D\np2p    12.5\na,\"b\"     7\n");
    }

    #[test]
    fn numbers_are_as_long_as_they_are_sure() {
        let check = |value: f64, expected: &str| assert_eq!(short(value), expected);
        check(1.0213, "1.021");
        check(1.0, "1.00");
        check(0.98, "0.98");
        check(45.678, "45.68");
        check(64.0, "64");
        check(456.78, "456.8");
        check(67_108_864.0, "6.711e7");
        check(0.000_12, "1.200e-4");
        check(0.0, "0.00");
        check(-2.5, "-2.50");
    }
}
