//! Patterns of file names: [`Glob`], for what a new torrent leaves out.
//!
//! ```text
//! *.log        any file or folder of that name, at any depth
//! sub/*.tmp    from the folder's top: `*` and `?` never reach over a slash
//! a/**/cache   `**` is any number of folders, none as well
//! /notes.txt   only at the top
//! ```
//! Forty lines of our own instead of a crate: these four forms are what people type, and a match
//! takes time proportional to pattern times name, whatever the pattern. Nothing here does I/O.

use std::str::FromStr;

/// A pattern, taken apart at its slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Vec<char>>);

/// Text that is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a pattern such as *.log, sub/*.tmp or a/**/cache")]
pub struct NoGlob;

const ANY_FOLDERS: [char; 2] = ['*', '*'];

impl FromStr for Glob {
    type Err = NoGlob;

    fn from_str(text: &str) -> Result<Self, NoGlob> {
        let inner = text.strip_suffix('/').unwrap_or(text);
        let (top, inner) = inner.strip_prefix('/').map_or((false, inner), |rest| (true, rest));
        let mut parts: Vec<Vec<char>> =
            inner.split('/').map(|part| part.chars().collect()).collect();
        if parts.iter().any(|part| part.is_empty() || part == &['.'] || part == &['.', '.']) {
            return Err(NoGlob);
        }
        if parts.len() == 1 && !top {
            parts.insert(0, ANY_FOLDERS.to_vec());
        }
        Ok(Self(parts))
    }
}

impl Glob {
    /// Whether it means this path, given by components from the folder's top.
    pub fn matches(&self, path: &[String]) -> bool {
        let names: Vec<Vec<char>> = path.iter().map(|name| name.chars().collect()).collect();
        let is_any = |part: &Vec<char>| part == &ANY_FOLDERS;
        wild(&self.0, &names, is_any, |part, name| {
            wild(part, name, |&c| c == '*', |&p, &c| p == '?' || p == c)
        })
    }
}

/// Whether a pattern with items that stand for any run means the whole of a text. On a mismatch
/// only the last such item is let grow, which is enough and never takes longer than
/// pattern times text.
fn wild<P, T>(
    pattern: &[P],
    text: &[T],
    is_any: impl Fn(&P) -> bool,
    means: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(part) if is_any(part) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(part) if means(part, &text[t]) => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((behind, from)) = retry else { return false };
                retry = Some((behind, from + 1));
                (p, t) = (behind, from + 1);
            }
        }
    }
    pattern[p..].iter().all(is_any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, expected: bool) {
        let glob: Glob = pattern.parse().expect(pattern);
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        assert_eq!(glob.matches(&path), expected, "{pattern} {path:?}");
    }

    #[test]
    fn a_pattern_without_a_slash_means_a_name_at_any_depth() {
        check("*.log", "x.log", true);
        check("*.log", "a/b/x.log", true);
        check("*.log", "x.log.gz", false);
        check("x", "a/x", true);
        check("x", "x/a", false);
        check("?.c", "é.c", true);
        check("?.c", ".c", false);
        check("*", "anything", true);
        check("build/", "a/build", true);
    }

    #[test]
    fn a_pattern_with_a_slash_starts_at_the_top() {
        check("sub/*.tmp", "sub/a.tmp", true);
        check("sub/*.tmp", "sub/deep/a.tmp", false);
        check("sub/*.tmp", "a/sub/a.tmp", false);
        check("/x", "x", true);
        check("/x", "a/x", false);
        check("a/**/c", "a/c", true);
        check("a/**/c", "a/b/b/c", true);
        check("a/**/c", "a/b/c/d", false);
        check("**/c/*", "a/b/c/d", true);
        check("a/**", "a/b/c", true);
    }

    #[test]
    fn a_bracket_is_a_bracket() {
        check("[1].bin", "[1].bin", true);
        check("[1].bin", "1.bin", false);
    }

    #[test]
    fn what_can_mean_no_path_is_refused() {
        for wrong in ["", "/", "a//b", "../x", "./x"] {
            assert_eq!(wrong.parse::<Glob>(), Err(NoGlob), "{wrong:?}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_they_should() {
        let glob: Glob = "*a*a*a*a*a*a*a*a*a*a*a*b".parse().expect("a pattern");
        assert!(!glob.matches(&["a".repeat(20_000)]));
    }
}
