//! A choice of files, as a user types it: `0,2-4`, `3-`, `b/c.txt`, `*.srt`.
//!
//! Files are counted from 0, in the order of `peer show`, as in magnets (`so`, BEP 53). What is no
//! number and no range is a name: of a file, with as many of the folders above it as are given,
//! where `*` stands for any letters and `?` for one. Several are separated by commas; a file whose
//! name has a comma or looks like a number is chosen by its own number. Nothing here does I/O.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// Words of a list that are looked at.
const MOST_WORDS: usize = 10_000;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Vec<Word>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// From one number to another, as it was typed.
    Range(RangeInclusive<usize>, String),
    /// From a number to the last file.
    From(usize, String),
    /// A name or a pattern.
    Name(String),
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let words: Vec<&str> = list.split(',').map(str::trim).collect();
        if words.len() > MOST_WORDS {
            return Err(format!("a list of more than {MOST_WORDS} files: give ranges, as in 0-99"));
        }
        words.into_iter().map(word).collect::<Result<_, _>>().map(Self)
    }
}

fn word(typed: &str) -> Result<Word, String> {
    let bad = |why: &str| Err(format!("{typed:?} {why}: give numbers from 0, as in 0,2-4 or 3-"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (first, last) = match typed.split_once('-') {
        _ if typed.is_empty() => return bad("names no file"),
        None if is_number(typed) => (typed, typed),
        Some((first, last)) if is_number(first) && (last.is_empty() || is_number(last)) => {
            (first, last)
        }
        _ => return Ok(Word::Name(typed.to_owned())),
    };
    let Ok(from) = first.parse() else { return bad("is no number of a file") };
    if last.is_empty() {
        return Ok(Word::From(from, typed.to_owned()));
    }
    match last.parse() {
        Err(_) => bad("is no number of a file"),
        Ok(to) if to < from => bad("is a range that ends before it begins"),
        Ok(to) => Ok(Word::Range(from..=to, typed.to_owned())),
    }
}

impl Selection {
    /// Which of the torrent's data files are chosen; `paths` are theirs, with slashes.
    ///
    /// # Errors
    /// The first word that chooses nothing, and how many files there are.
    pub fn chosen(&self, paths: &[String]) -> Result<Vec<bool>, String> {
        let files = paths.len();
        let has = match files {
            0 => "no files".to_owned(),
            1 => "one file, number 0".to_owned(),
            _ => format!("{files} files, 0 to {}", files - 1),
        };
        let none = |what: String| Err(format!("{what}: the torrent has {has}"));
        let mut chosen = vec![false; files];
        for word in &self.0 {
            let (first, end, typed) = match word {
                Word::Range(range, typed) => (*range.start(), range.end().saturating_add(1), typed),
                Word::From(first, typed) => (*first, files.max(first.saturating_add(1)), typed),
                Word::Name(pattern) => {
                    let fits = |path: &String| is_called(path, pattern);
                    if !paths.iter().any(fits) {
                        return none(format!("no file is called {pattern:?}"));
                    }
                    let all = chosen.iter_mut().zip(paths);
                    all.for_each(|(chosen, path)| *chosen |= fits(path));
                    continue;
                }
            };
            if end > files {
                return none(format!("there is no file {typed}"));
            }
            chosen[first..end].fill(true);
        }
        Ok(chosen)
    }
}

/// Which of so many files the `so` of a magnet chooses; an empty one chooses all, and numbers of
/// files that are not there are passed over, as a stranger wrote them.
pub fn chosen_by_magnet(select_only: &[RangeInclusive<u32>], files: usize) -> Vec<bool> {
    let mut chosen = vec![select_only.is_empty(); files];
    for range in select_only {
        let (first, last) = (*range.start() as usize, *range.end() as usize);
        chosen.iter_mut().take(last.saturating_add(1)).skip(first).for_each(|file| *file = true);
    }
    chosen
}

/// Whether a pattern is the path's end, from the beginning of one of its names on.
fn is_called(path: &str, pattern: &str) -> bool {
    let starts = path.match_indices('/').map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).any(|start| matches(&path[start..], pattern))
}

/// Whether a text is what a pattern with `*` and `?` says; `*` does not leave a folder.
///
/// It goes back to the last `*` only: what came before it fits, however much that one takes.
fn matches(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut next, mut star) = (0, 0, None);
    while at < text.len() {
        let wanted = pattern.get(next);
        if wanted == Some(&'*') {
            star = Some((at, next + 1));
            next += 1;
        } else if wanted == Some(&text[at]) || (wanted == Some(&'?') && text[at] != '/') {
            (at, next) = (at + 1, next + 1);
        } else if let Some((taken, after)) = star.filter(|&(taken, _)| text[taken] != '/') {
            star = Some((taken + 1, after));
            (at, next) = (taken + 1, after);
        } else {
            return false;
        }
    }
    pattern[next..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 5] = ["t/a.bin", "t/b/a.bin", "t/b/c.txt", "t/notes 1.txt", "t/2024"];

    fn chosen(list: &str) -> Result<Vec<usize>, String> {
        let paths = FILES.map(str::to_owned);
        let chosen = list.parse::<Selection>()?.chosen(&paths)?;
        Ok((0..FILES.len()).filter(|&file| chosen[file]).collect())
    }

    #[test]
    fn numbers_ranges_and_open_ranges_choose_files() {
        let check = |list: &str, expected: &[usize]| {
            assert_eq!(chosen(list).as_deref(), Ok(expected), "{list}");
        };
        check("0", &[0]);
        check("0,2-4", &[0, 2, 3, 4]);
        check(" 4 , 0 , 4 ", &[0, 4]);
        check("3-", &[3, 4]);
        check("0-4", &[0, 1, 2, 3, 4]);
    }

    #[test]
    fn names_choose_files_by_the_end_of_their_path() {
        let check = |list: &str, expected: &[usize]| {
            assert_eq!(chosen(list).as_deref(), Ok(expected), "{list}");
        };
        check("a.bin", &[0, 1]);
        check("b/a.bin", &[1]);
        check("t/a.bin,c.txt", &[0, 2]);
        check("*.txt", &[2, 3]);
        check("b/*", &[1, 2]);
        check("notes ?.txt", &[3]);
        check("t/*", &[0, 3, 4]);
        check("t/2024", &[4]);
        check("*a*b*n", &[0, 1]);
    }

    #[test]
    fn what_is_wrong_with_a_list_is_named() {
        let check = |list: &str, expected: &str| {
            assert_eq!(chosen(list), Err(expected.to_owned()), "{list}");
        };
        let give = "give numbers from 0, as in 0,2-4 or 3-";
        check("", &format!("\"\" names no file: {give}"));
        check("1,,2", &format!("\"\" names no file: {give}"));
        check("4-2", &format!("\"4-2\" is a range that ends before it begins: {give}"));
        let huge = "99999999999999999999";
        check(huge, &format!("\"{huge}\" is no number of a file: {give}"));
        check("5", "there is no file 5: the torrent has 5 files, 0 to 4");
        check("0,3-7", "there is no file 3-7: the torrent has 5 files, 0 to 4");
        check("5-", "there is no file 5-: the torrent has 5 files, 0 to 4");
        check("x.bin", "no file is called \"x.bin\": the torrent has 5 files, 0 to 4");
        check("-2", "no file is called \"-2\": the torrent has 5 files, 0 to 4");
        let max = format!("0-{}", usize::MAX);
        check(&max, &format!("there is no file {max}: the torrent has 5 files, 0 to 4"));
        let one = "1".parse::<Selection>().unwrap().chosen(&["a".to_owned()]);
        assert_eq!(one, Err("there is no file 1: the torrent has one file, number 0".to_owned()));
        let none = "0-".parse::<Selection>().unwrap().chosen(&[]);
        assert_eq!(none, Err("there is no file 0-: the torrent has no files".to_owned()));
        assert!(",".repeat(MOST_WORDS).parse::<Selection>().unwrap_err().contains("ranges"));
    }

    #[test]
    fn a_magnet_chooses_what_is_there() {
        assert_eq!(chosen_by_magnet(&[], 3), [true; 3]);
        assert_eq!(chosen_by_magnet(&[1..=1, 2..=u32::MAX], 4), [false, true, true, true]);
        assert_eq!(chosen_by_magnet(&[7..=9], 2), [false; 2]);
    }
}
