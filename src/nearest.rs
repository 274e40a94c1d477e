//! "Did you mean": the known word that a mistyped one is nearest to.

/// The known word within two slips of `word`, if one is: a slip is a letter added, left out,
/// changed, or swapped with the next. Short words allow one slip only.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.trim_start_matches('-').chars().count();
    let allowed = if letters < 4 { 1 } else { 2 };
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Slips between two words (optimal string alignment), one row of the table at a time.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = usize::from(from[i - 1] != to[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + changed);
            let swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
            if swapped {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_within_two_slips_is_meant() {
        let known = ["--leech", "--seed", "--port", "--peer", "show", "list"];
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, known), expected, "{word}");
        };
        check("--leach", Some("--leech"));
        check("--leehc", Some("--leech"));
        check("--prot", Some("--port"));
        check("--seeed", Some("--seed"));
        check("lits", Some("list"));
        check("sho", Some("show"));
        check("--torrents", None);
        check("x", None);
        check("", None);
    }

    #[test]
    fn a_slip_is_a_letter_added_left_out_changed_or_swapped() {
        let check = |from, to, expected| assert_eq!(distance(from, to), expected, "{from} {to}");
        check("", "", 0);
        check("", "ab", 2);
        check("leech", "leech", 0);
        check("leech", "leach", 1);
        check("leech", "leehc", 1);
        check("leech", "leec", 1);
        check("leech", "seed", 3);
    }
}
