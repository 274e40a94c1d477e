//! A quiz on the theory: questions with numbers of their own for every student, and their answers.
//!
//! ```text
//! seed -> questions (text, unit)      answers -> right | wrong, with what was overlooked
//! ```
//! All quizzes of one length ask the same things in the same order, so they are equally hard; the
//! seed decides the numbers alone. Answers are computed by [`super::theory`] and by the formulas
//! that each question names, never typed in.

/// Questions on how long it takes to give a file to all.
mod distribution;

/// Questions on connections, caches and messages.
mod messages;

/// The tables of the textbook.
pub mod tables;

use sha2::{Digest, Sha256};

/// How far an answer may be from the right one, as a share of it; counts must be exact.
pub const TOLERANCE: f64 = 0.005;

/// How many kinds of questions there are.
pub const KINDS: usize = ASKERS.len();

/// Makes a question with numbers of the dice.
type Asker = fn(&mut fastrand::Rng) -> Question;

/// In the order in which they are asked: the first few touch every topic.
const ASKERS: [Asker; 16] = [
    distribution::client_server,
    distribution::peer_to_peer,
    messages::stop_and_wait,
    distribution::rounds,
    messages::hit_ratio,
    messages::bitfield,
    messages::announces_in_turn,
    distribution::twenty_gigabits,
    messages::pipelined,
    messages::piece_traffic,
    distribution::seven_peers,
    distribution::figure,
    messages::depth,
    distribution::doubling,
    messages::upstream,
    messages::first_announce,
];

/// A question, its answer, and how one gets there.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What it is about, in a word or a few.
    pub topic: &'static str,
    /// The question itself, with its numbers.
    pub text: String,
    /// What the answer counts.
    pub unit: &'static str,
    /// Whether the answer is a count, which is right or wrong without a tolerance.
    pub exact: bool,
    /// The right answer.
    pub answer: f64,
    /// The rule, and where it stands.
    pub formula: &'static str,
    /// The rule with the numbers of this question.
    pub working: String,
    /// A wrong answer that is given often, and what it overlooks.
    pub trap: Option<(f64, &'static str)>,
}

/// What is to be said of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mark {
    /// It is right.
    Right,
    /// It is wrong in a way that has a reason.
    Trapped(&'static str),
    /// It is wrong.
    Wrong,
}

impl Question {
    /// Marks an answer.
    pub fn mark(&self, given: f64) -> Mark {
        if self.is_near(given, self.answer) {
            return Mark::Right;
        }
        match self.trap {
            Some((trap, why)) if self.is_near(given, trap) => Mark::Trapped(why),
            _ => Mark::Wrong,
        }
    }

    fn is_near(&self, given: f64, expected: f64) -> bool {
        let tolerance = if self.exact { 1e-9 } else { expected.abs() * TOLERANCE };
        (given - expected).abs() <= tolerance
    }
}

/// So many questions; the numbers of each depend on the seed and on its place.
pub fn questions(seed: u64, count: usize) -> Vec<Question> {
    let mut dice = fastrand::Rng::with_seed(seed);
    ASKERS.iter().cycle().take(count).map(|asker| asker(&mut dice)).collect()
}

/// The seed of a student: the same on every machine, and another one for nearly every id.
pub fn seed_of(student: &str) -> u64 {
    let hash = Sha256::digest(student.trim().as_bytes());
    hash.iter().take(4).fold(0, |seed, &byte| seed << 8 | u64::from(byte))
}

/// Reads an answer: a number with a point, and behind it the unit or nothing.
pub fn number(line: &str, unit: &str) -> Option<f64> {
    let line = line.trim();
    let digits = line.strip_suffix(unit).unwrap_or(line).trim_end();
    // Rust would read "inf" and "nan" too.
    let plain = digits.chars().all(|letter| letter.is_ascii_digit() || "+-.eE".contains(letter));
    digits.parse().ok().filter(|_| plain)
}

/// A number as a question shows it: to at least five significant digits, without useless zeros.
pub fn show(value: f64) -> String {
    let decimals = if value.abs() >= 1000.0 { 1 } else { 4 };
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One of a few.
fn pick<T: Copy>(dice: &mut fastrand::Rng, from: &[T]) -> T {
    from[dice.usize(..from.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_the_numbers_and_nothing_else() {
        assert_eq!(questions(7, 20), questions(7, 20));
        assert_ne!(questions(7, 10), questions(8, 10));
        let topics = |seed| questions(seed, 20).into_iter().map(|q| q.topic).collect::<Vec<_>>();
        assert_eq!(topics(7), topics(8));
        assert_eq!(questions(7, 20)[..5], questions(7, 5));
    }

    #[test]
    fn a_student_has_one_seed_everywhere() {
        assert_eq!(seed_of("ab123"), seed_of(" ab123\n"));
        assert_eq!(seed_of("ab123"), 0x8f40_d1b0, "{:x}", seed_of("ab123"));
        assert_ne!(seed_of("ab123"), seed_of("ab124"));
    }

    #[test]
    fn every_answer_is_a_number_that_is_shown_within_its_own_tolerance() {
        for question in (0..200).flat_map(|seed| questions(seed, KINDS)) {
            assert!(question.answer.is_finite() && question.answer > 0.0, "{question:?}");
            assert!(!question.exact || question.answer.fract() == 0.0, "{question:?}");
            let shown = number(&show(question.answer), question.unit).expect("a number");
            assert_eq!(question.mark(shown), Mark::Right, "{question:?}");
            assert!(question.working.ends_with(&show(question.answer)), "{question:?}");
        }
    }

    #[test]
    fn half_a_percent_is_forgiven_but_not_in_a_count() {
        let question = |exact, trap| Question {
            topic: "",
            text: String::new(),
            unit: "s",
            exact,
            answer: 1000.0,
            formula: "",
            working: String::new(),
            trap,
        };
        let check = |exact, given, mark| assert_eq!(question(exact, None).mark(given), mark);
        check(false, 1004.9, Mark::Right);
        check(false, 995.1, Mark::Right);
        check(false, 1005.1, Mark::Wrong);
        check(true, 1001.0, Mark::Wrong);
        check(true, 1000.0, Mark::Right);
        let trapped = question(false, Some((500.0, "half of it")));
        assert_eq!(trapped.mark(501.0), Mark::Trapped("half of it"));
    }

    #[test]
    fn an_answer_is_a_number_with_its_unit_or_without() {
        for line in ["411.76", " 411.76 s", "411.76s", "4.1176e2", "+411.76"] {
            assert_eq!(number(line, "s"), Some(411.76), "{line}");
        }
        for line in ["", "s", "411,76", "inf", "nan", "about 400", "411.76 h", "0x10"] {
            assert_eq!(number(line, "s"), None, "{line}");
        }
        assert_eq!(number("37.5 %", "%"), Some(37.5));
    }
}
