//! How peers to be served are chosen: by a strategy that ships, or by somebody's program.

use crate::logic::choker::ChokerPolicy;
use std::fmt;
use std::str::FromStr;

/// What `--choker` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChokerChoice {
    /// A strategy that ships.
    Policy(ChokerPolicy),
    /// A command that is told the state and says the decision, a line of JSON each (`exec:CMD`).
    Program(String),
}

impl Default for ChokerChoice {
    fn default() -> Self {
        Self::Policy(ChokerPolicy::default())
    }
}

impl fmt::Display for ChokerChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(policy) => f.write_str(policy.name()),
            Self::Program(command) => write!(f, "exec:{command}"),
        }
    }
}

impl FromStr for ChokerChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("exec:") {
            Some("") => Err("expected a command after exec:".into()),
            Some(command) => Ok(Self::Program(command.into())),
            None => {
                let named = text.parse::<ChokerPolicy>();
                named.map(Self::Policy).map_err(|unknown| format!("{unknown}; or exec:COMMAND"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choker_is_a_name_or_a_command() {
        let check = |text: &str, expected: ChokerChoice| {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
            assert_eq!(expected.to_string(), text);
        };
        check("tft", ChokerChoice::Policy(ChokerPolicy::TitForTat));
        check("exec:./mine.py --x", ChokerChoice::Program("./mine.py --x".into()));
        for wrong in ["", "exec:", "titfortat"] {
            assert!(wrong.parse::<ChokerChoice>().is_err(), "{wrong}");
        }
    }
}
