//! Expressions over measures: `D / theory.D`, `mean.rider / mean.peer`, `D[picker=random] / D`.
//!
//! ```text
//! sum     = product (("+" | "-") product)*
//! product = factor (("*" | "/") factor)*
//! factor  = "-" factor | number | "(" sum ")" | function "(" sum, .. ")" | name selection?
//! ```
//! A selection names another point of the sweep, which differs in the variables that it gives. What
//! is parsed is kept in postfix order, so a long expression is evaluated without recursion; how
//! deep brackets go is bounded.

/// Brackets within brackets.
const DEEPEST: usize = 32;

/// Characters of an expression.
const LONGEST: usize = 1000;

/// An expression, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// In postfix order: `a b +`.
    steps: Vec<Step>,
}

/// A measure, at this point of the sweep or at another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it is called.
    pub name: String,
    /// Variables that have another value there, and which.
    pub selection: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Number(f64),
    Name(Reference),
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
    Log2,
    Floor,
}

/// The functions, with how many arguments each takes.
const FUNCTIONS: [(&str, usize, Step); 4] = [
    ("min", 2, Step::Min),
    ("max", 2, Step::Max),
    ("log2", 1, Step::Log2),
    ("floor", 1, Step::Floor),
];

impl Expression {
    /// Understands a text.
    ///
    /// # Errors
    /// What was expected, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("an expression has at most {LONGEST} characters"));
        }
        let mut parser = Parser { text, at: 0, depth: 0, steps: Vec::new() };
        parser.sum()?;
        parser.blank();
        if parser.at < text.len() {
            return Err(parser.expected("+, -, *, / or the end"));
        }
        Ok(Self { steps: parser.steps })
    }

    /// Every measure that it names.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.steps.iter().filter_map(|step| match step {
            Step::Name(reference) => Some(reference),
            _ => None,
        })
    }

    /// Its name, if it is nothing but one.
    pub fn as_name(&self) -> Option<&str> {
        match self.steps.as_slice() {
            [Step::Name(reference)] if reference.selection.is_empty() => Some(&reference.name),
            _ => None,
        }
    }

    /// Its value, if all that it names has one and it is finite.
    pub fn evaluate(&self, value: &dyn Fn(&Reference) -> Option<f64>) -> Option<f64> {
        let mut stack: Vec<f64> = Vec::new();
        for step in &self.steps {
            let result = match step {
                Step::Number(number) => *number,
                Step::Name(reference) => value(reference)?,
                Step::Negate => -stack.pop()?,
                Step::Log2 => stack.pop()?.log2(),
                Step::Floor => stack.pop()?.floor(),
                binary => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    match binary {
                        Step::Add => left + right,
                        Step::Subtract => left - right,
                        Step::Multiply => left * right,
                        Step::Divide => left / right,
                        Step::Min => left.min(right),
                        _ => left.max(right),
                    }
                }
            };
            stack.push(result);
        }
        stack.pop().filter(|result| result.is_finite())
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    steps: Vec<Step>,
}

impl Parser<'_> {
    fn sum(&mut self) -> Result<(), String> {
        self.product()?;
        loop {
            let step = if self.takes('+') {
                Step::Add
            } else if self.takes('-') {
                Step::Subtract
            } else {
                return Ok(());
            };
            self.product()?;
            self.steps.push(step);
        }
    }

    fn product(&mut self) -> Result<(), String> {
        self.factor()?;
        loop {
            let step = if self.takes('*') {
                Step::Multiply
            } else if self.takes('/') {
                Step::Divide
            } else {
                return Ok(());
            };
            self.factor()?;
            self.steps.push(step);
        }
    }

    fn factor(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("brackets go deeper than {DEEPEST}"));
        }
        self.blank();
        let next = self.text[self.at..].chars().next();
        match next {
            Some('-') => {
                self.at += 1;
                self.factor()?;
                self.steps.push(Step::Negate);
            }
            Some('(') => {
                self.at += 1;
                self.sum()?;
                self.must('(', ')')?;
            }
            Some(letter) if letter.is_ascii_digit() || letter == '.' => self.number()?,
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => self.name()?,
            _ => return Err(self.expected("a number, a name or (")),
        }
        self.depth -= 1;
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let word = self.word(|letter| letter.is_ascii_alphanumeric() || letter == '.');
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| format!("{word} is no number"))?;
        self.steps.push(Step::Number(number));
        Ok(())
    }

    fn name(&mut self) -> Result<(), String> {
        let name = self.word(|letter| letter.is_ascii_alphanumeric() || "_.".contains(letter));
        if self.takes('(') {
            return self.call(&name);
        }
        let mut selection = Vec::new();
        if self.takes('[') {
            let end = self.text[self.at..].find(']').ok_or_else(|| self.expected("]"))?;
            let inside = &self.text[self.at..self.at + end];
            for pair in inside.split(',') {
                let (variable, value) = pair.split_once('=').ok_or_else(|| {
                    format!("{name}[{inside}] selects no point: expected {name}[VARIABLE=VALUE]")
                })?;
                selection.push((variable.trim().to_owned(), value.trim().to_owned()));
            }
            self.at += end + 1;
        }
        self.steps.push(Step::Name(Reference { name, selection }));
        Ok(())
    }

    fn call(&mut self, name: &str) -> Result<(), String> {
        let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        let (_, arguments, step) = found
            .ok_or_else(|| format!("no function is called {name}: try min, max, log2 or floor"))?;
        for argument in 0..*arguments {
            if argument > 0 {
                self.must('(', ',')?;
            }
            self.sum()?;
        }
        self.must('(', ')')?;
        self.steps.push(step.clone());
        Ok(())
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = &self.text[self.at..];
        let end = rest.find(|letter| !belongs(letter)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, letter: char) -> bool {
        self.blank();
        let is_next = self.text[self.at..].starts_with(letter);
        self.at += if is_next { letter.len_utf8() } else { 0 };
        is_next
    }

    fn must(&mut self, opened: char, letter: char) -> Result<(), String> {
        if self.takes(letter) {
            return Ok(());
        }
        Err(self.expected(&format!("{letter} after {opened}")))
    }

    fn expected(&self, what: &str) -> String {
        let rest: String = self.text[self.at..].chars().take(12).collect();
        let place = if rest.is_empty() { "at the end".into() } else { format!("at {rest:?}") };
        format!("expected {what} {place} of {:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(reference: &Reference) -> Option<f64> {
        match (reference.name.as_str(), reference.selection.as_slice()) {
            ("D", []) => Some(12.0),
            ("D", [(variable, value)]) if variable == "picker" && value == "random" => Some(24.0),
            ("theory.D", []) => Some(10.0),
            ("mean.peer", []) => Some(3.0),
            _ => None,
        }
    }

    fn check(text: &str, expected: Option<f64>) {
        let expression = Expression::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(expression.evaluate(&value), expected, "{text}");
    }

    #[test]
    fn products_come_before_sums_and_both_go_from_left_to_right() {
        check("1 + 2 * 3", Some(7.0));
        check("8 - 4 - 2", Some(2.0));
        check("8 / 4 / 2", Some(1.0));
        check("2 * (3 + 4)", Some(14.0));
        check("-2 - -3", Some(1.0));
        check("1.5e3", Some(1500.0));
        check("min(3, 2) + max(1, log2(8)) + floor(2.9)", Some(7.0));
    }

    #[test]
    fn names_are_measures_here_or_at_another_point() {
        check("D / theory.D", Some(1.2));
        check("D[picker=random] / D", Some(2.0));
        check("D[ picker = random ]", Some(24.0));
        check("mean.peer*2", Some(6.0));
        check("haves", None);
        check("D / (D - D)", None);
        assert_eq!(Expression::parse("N").unwrap().as_name(), Some("N"));
        assert_eq!(Expression::parse("N+1").unwrap().as_name(), None);
    }

    #[test]
    fn what_is_no_expression_is_answered_with_what_was_expected() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Expression::parse(text).expect_err(text), expected);
        };
        check("D /", "expected a number, a name or ( at the end of \"D /\"");
        check("D D", "expected +, -, *, / or the end at \"D\" of \"D D\"");
        check("(1", "expected ) after ( at the end of \"(1\"");
        check("min(1)", "expected , after ( at \")\" of \"min(1)\"");
        check("sin(1)", "no function is called sin: try min, max, log2 or floor");
        check("D[x", "expected ] at \"x\" of \"D[x\"");
        check("D[x]", "D[x] selects no point: expected D[VARIABLE=VALUE]");
        check("1x", "1x is no number");
        check(&"(".repeat(100), "brackets go deeper than 32");
        check(&"-".repeat(100), "brackets go deeper than 32");
        check(&"1+".repeat(501), "an expression has at most 1000 characters");
        assert!(Expression::parse(&("1+".repeat(490) + "1")).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = Expression::parse(&text).map(|found| found.evaluate(&value));
        }

        #[test]
        fn no_expression_makes_the_evaluation_panic(text in "[-+*/()D1.,mind=\\[\\] ]{0,40}") {
            let _ = Expression::parse(&text).map(|found| found.evaluate(&value));
        }
    }
}
