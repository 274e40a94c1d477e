//! Which torrents and which files words mean: `1,3-5`, the first digits of a hash, a name, `all`.

use super::super::exit::{CliError, Exit};
use serde_json::Value;
use std::ops::RangeInclusive;

/// The fewest digits that are taken for the beginning of a hash.
const MIN_PREFIX: usize = 4;

/// The numbers of the torrents that some words mean, in the order of the list and each once.
///
/// # Errors
/// [`Exit::NotFound`] when a word means none, or several that it does not tell apart.
pub fn torrents(words: &[String], list: &[Value]) -> Result<Vec<u64>, CliError> {
    let mut chosen = vec![false; list.len()];
    for word in words {
        for place in one(word, list)? {
            chosen[place] = true;
        }
    }
    let numbers = list.iter().zip(chosen).filter(|(_, chosen)| *chosen);
    Ok(numbers.filter_map(|(torrent, _)| torrent["id"].as_u64()).collect())
}

/// The places in the list that a word means.
fn one(word: &str, list: &[Value]) -> Result<Vec<usize>, CliError> {
    if word == "all" {
        return Ok((0..list.len()).collect());
    }
    let places = |is: &dyn Fn(&Value) -> bool| -> Vec<usize> {
        list.iter().enumerate().filter(|(_, torrent)| is(torrent)).map(|(at, _)| at).collect()
    };
    let lower = word.to_ascii_lowercase();
    let begins = |torrent: &Value| {
        torrent["hashString"].as_str().is_some_and(|hash| hash.starts_with(&lower))
    };
    let found = if let Some(ranges) = ranges(word) {
        places(&|torrent| {
            let id = torrent["id"].as_u64();
            id.is_some_and(|id| ranges.iter().any(|range| range.contains(&id)))
        })
    } else {
        places(&|torrent| torrent["name"].as_str() == Some(word))
    };
    let found = if found.is_empty() && word.len() >= MIN_PREFIX { places(&begins) } else { found };
    let is_list = ranges(word).is_some();
    match found.len() {
        0 => Err(CliError::new(
            Exit::NotFound,
            format!("the peer has no torrent {word}: peer remote list shows what it has"),
        )),
        1 => Ok(found),
        _ if is_list && word.len() < 40 && !found.iter().all(|at| begins(&list[*at])) => Ok(found),
        _ => {
            let names: Vec<&str> =
                found.iter().filter_map(|at| list[*at]["hashString"].as_str()).collect();
            let names = names.join(", ");
            Err(CliError::new(Exit::NotFound, format!("{word} means several torrents: {names}")))
        }
    }
}

/// The places of files that a list means, of `count` there are.
///
/// # Errors
/// [`Exit::Usage`] for what is no list, [`Exit::NotFound`] for a file that does not exist.
pub fn files(list: &str, count: usize) -> Result<Vec<u64>, CliError> {
    let count = count as u64;
    if list == "all" {
        return Ok((0..count).collect());
    }
    let ranges = ranges(list)
        .ok_or_else(|| CliError::usage(format!("{list:?} is no list of files: 0,2-4 or all")))?;
    let beyond = ranges.iter().map(|range| *range.end()).find(|last| *last >= count);
    if let Some(last) = beyond {
        let there = format!("it has {count} files, from 0 on");
        return Err(CliError::new(Exit::NotFound, format!("there is no file {last}: {there}")));
    }
    Ok((0..count).filter(|at| ranges.iter().any(|range| range.contains(at))).collect())
}

/// `1,3-5` as ranges; none if it is no such list.
fn ranges(text: &str) -> Option<Vec<RangeInclusive<u64>>> {
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some(number(first)?..=number(last)?).filter(|r| !r.is_empty()),
        None => number(part).map(|number| number..=number),
    };
    text.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list() -> Vec<Value> {
        vec![
            json!({ "id": 1, "name": "big.zip", "hashString": "ab12".repeat(10) }),
            json!({ "id": 3, "name": "twin", "hashString": "ab34".repeat(10) }),
            json!({ "id": 4, "name": "twin", "hashString": "1234".repeat(10) }),
        ]
    }

    fn check(words: &[&str], expected: Result<&[u64], &str>) {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let got = torrents(&words, &list()).map_err(|error| {
            assert_eq!(error.exit, Exit::NotFound);
            error.message
        });
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{words:?}");
    }

    #[test]
    fn torrents_are_meant_by_number_list_name_and_hash() {
        check(&["all"], Ok(&[1, 3, 4]));
        check(&["3"], Ok(&[3]));
        check(&["4", "1", "4"], Ok(&[1, 4]));
        check(&["1,4"], Ok(&[1, 4]));
        check(&["2-9"], Ok(&[3, 4]));
        check(&["big.zip"], Ok(&[1]));
        check(&["AB34"], Ok(&[3]));
        check(&["1234"], Ok(&[4]));
        check(&[&"ab12".repeat(10)], Ok(&[1]));
        check(&[], Ok(&[]));
    }

    #[test]
    fn what_is_not_there_or_not_clear_is_said() {
        let none = "the peer has no torrent 2: peer remote list shows what it has";
        check(&["2"], Err(none));
        check(&["1", "2"], Err(none));
        check(&["ab1"], Err("the peer has no torrent ab1: peer remote list shows what it has"));
        let (a, b) = ("ab34".repeat(10), "1234".repeat(10));
        check(&["twin"], Err(&format!("twin means several torrents: {a}, {b}")));
    }

    #[test]
    fn files_are_meant_by_their_places() {
        let check = |list: &str, expected: Result<Vec<u64>, Exit>| {
            assert_eq!(files(list, 5).map_err(|error| error.exit), expected, "{list}");
        };
        check("all", Ok(vec![0, 1, 2, 3, 4]));
        check("0,2-3,2", Ok(vec![0, 2, 3]));
        check("5", Err(Exit::NotFound));
        check("0-18446744073709551615", Err(Exit::NotFound));
        for odd in ["", "a", "3-1", "-1", "1,", "1-2-3", "99999999999999999999"] {
            check(odd, Err(Exit::Usage));
        }
    }
}
