//! The tables of the textbook, computed: Kurose and Ross, 8th edition, section 2.5.

use super::super::report::Table;
use super::super::theory;

/// Headings and tables, in the order of the book: the figure, the homework, the interactive example.
pub fn textbook() -> Vec<(String, Table)> {
    vec![
        (
            "Figure 2.23: hours until all have the file; F/u = 1 h, u_s = 10u, d_min >= u_s".into(),
            figure(),
        ),
        (homework_heading("F = 15 Gbit"), homework(15.0, [0.3, 0.7, 2.0])),
        (homework_heading("F = 20 Gbit"), homework(20.0, [0.3, 0.7, 2.0])),
        (homework_heading("F = 15 Gbit, other uplinks"), homework(15.0, [0.5, 1.0, 2.0])),
        (
            "Interactive example: seconds; F = 7 Gbit, u_s = 84, u = 24, 23, 27, 25, 18, 29, 27, \
             d = 27, 20, 22, 39, 32, 33, 17 Mbit/s"
                .into(),
            interactive(),
        ),
    ]
}

fn homework_heading(which: &str) -> String {
    format!("Homework, {which}: seconds; u_s = 30 Mbit/s, d = 2 Mbit/s, 1 Gbit = 1000 Mbit")
}

/// Rows are ways to distribute, columns numbers of peers.
fn figure() -> Table {
    const PEERS: [u32; 9] = [1, 2, 5, 10, 15, 20, 25, 30, 35];
    let alone = PEERS.map(|n| theory::client_server(1.0, n, 10.0, 10.0));
    let together = PEERS.map(|n| theory::peer_to_peer(1.0, 10.0, &vec![1.0; n as usize], 10.0));
    let row = |name: &str, hours: [f64; 9]| {
        [name.to_owned()].into_iter().chain(hours.map(places)).collect()
    };
    Table { head: head(&PEERS), rows: vec![row("D_cs", alone), row("D_p2p", together)] }
}

fn homework(gigabits: f64, ups: [f64; 3]) -> Table {
    const PEERS: [u32; 3] = [10, 100, 1000];
    let size = gigabits * 1000.0;
    let whole = |seconds: f64| format!("{seconds:.0}");
    let row =
        |name: String, seconds: [f64; 3]| [name].into_iter().chain(seconds.map(whole)).collect();
    let alone = PEERS.map(|n| theory::client_server(size, n, 30.0, 2.0));
    let mut rows = vec![row("client-server".into(), alone)];
    for up in ups {
        let together = PEERS.map(|n| theory::peer_to_peer(size, 30.0, &vec![up; n as usize], 2.0));
        let name =
            if up < 1.0 { format!("{:.0} kbit/s", up * 1000.0) } else { format!("{up} Mbit/s") };
        rows.push(row(format!("P2P, u = {name}"), together));
    }
    Table { head: head(&PEERS), rows }
}

fn interactive() -> Table {
    let ups = [24.0, 23.0, 27.0, 25.0, 18.0, 29.0, 27.0];
    let downs = [27.0, 20.0, 22.0, 39.0, 32.0, 33.0, 17.0];
    let least = downs.into_iter().fold(f64::MAX, f64::min);
    let row = |name: &str, seconds: f64| vec![name.to_owned(), format!("{seconds:.2}")];
    Table {
        head: vec![String::new(), "7 peers".into()],
        rows: vec![
            row("client-server", theory::client_server(7000.0, 7, 84.0, least)),
            row("P2P", theory::peer_to_peer(7000.0, 84.0, &ups, least)),
        ],
    }
}

fn head(peers: &[u32]) -> Vec<String> {
    ["N".to_owned()].into_iter().chain(peers.iter().map(u32::to_string)).collect()
}

/// To four places, without zeros at the end but for one.
fn places(hours: f64) -> String {
    let text = format!("{hours:.4}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(at: usize, row: usize, expected: &str) {
        let (heading, table) = &textbook()[at];
        assert_eq!(table.rows[row][1..].join(" "), expected, "{heading}");
        assert_eq!(table.rows[row].len(), table.head.len());
    }

    #[test]
    fn figure_2_23_is_as_printed() {
        assert_eq!(textbook()[0].1.head.join(" "), "N 1 2 5 10 15 20 25 30 35");
        check(0, 0, "0.1 0.2 0.5 1.0 1.5 2.0 2.5 3.0 3.5");
        check(0, 1, "0.1 0.1667 0.3333 0.5 0.6 0.6667 0.7143 0.75 0.7778");
    }

    #[test]
    fn the_homework_is_as_printed() {
        check(1, 0, "7500 50000 500000");
        check(1, 1, "7500 25000 45455");
        check(1, 2, "7500 15000 20548");
        check(1, 3, "7500 7500 7500");
        check(2, 0, "10000 66667 666667");
        check(2, 1, "10000 33333 60606");
        check(2, 2, "10000 20000 27397");
        check(2, 3, "10000 10000 10000");
        check(3, 1, "7500 18750 28302");
        check(3, 2, "7500 11538 14563"); // some print 11539; it is 11538.46
        check(3, 3, "7500 7500 7500");
    }

    #[test]
    fn the_interactive_example_is_as_printed() {
        check(4, 0, "583.33");
        check(4, 1, "411.76");
    }
}
