//! What is wrong with a configuration, where, and what to do about it.
//!
//! Here live the report that every command prints and the guessing of what a misspelt name was meant to be. What is
//! checked lives beside the checks. Invariant: no secret's value ever gets into a problem.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// Where a setting was written. Ordered as a report lists problems: by file, by line, then the environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file as a whole.
    File(Arc<str>),
    /// A line of a file, from 1.
    Line(Arc<str>, usize),
    /// The environment variable of this name.
    Variable(String),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file) => f.write_str(file),
            Origin::Line(file, line) => write!(f, "{file}:{line}"),
            Origin::Variable(name) => f.write_str(name),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What is wrong there, in one sentence without a full stop. Names the key.
    pub message: String,
    /// The value found, as written; absent where no value is at fault and for secrets.
    pub found: Option<String>,
    /// The values allowed.
    pub allowed: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at `origin`.
    #[must_use]
    pub fn new(origin: Origin, message: impl Into<String>) -> Problem {
        Problem { origin, message: message.into(), found: None, allowed: None, hint: None }
    }

    /// The same with the value found.
    #[must_use]
    pub fn found(self, found: impl Into<String>) -> Problem {
        Problem { found: Some(found.into()), ..self }
    }

    /// The same with what is allowed.
    #[must_use]
    pub fn allowed(self, allowed: impl Into<String>) -> Problem {
        Problem { allowed: Some(allowed.into()), ..self }
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }

    fn report(&self) -> ProblemReport<'_> {
        let (file, line, variable) = match &self.origin {
            Origin::File(file) => (Some(&**file), None, None),
            Origin::Line(file, line) => (Some(&**file), Some(*line), None),
            Origin::Variable(name) => (None, None, Some(name.as_str())),
            Origin::Default => (None, None, None),
        };
        ProblemReport {
            file,
            line,
            variable,
            message: &self.message,
            found: self.found.as_deref(),
            allowed: self.allowed.as_deref(),
            hint: self.hint.as_deref(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        if let Some(found) = &self.found {
            write!(f, ": found {found}")?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, ", allowed: {allowed}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// What somebody beside this module finds wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The setting's dotted path, such as `kafka.producer.compression.type`.
    pub path: String,
    /// What is wrong, without the value.
    pub message: String,
    /// The value, where it is at fault. Not told where it is a secret.
    pub found: Option<String>,
    /// The values allowed.
    pub allowed: Option<String>,
    /// What to do, or more about it. May repeat the value, so it is not told either where that is a secret.
    pub hint: Option<String>,
}

/// The JSON form of a problem.
#[derive(Serialize)]
struct ProblemReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variable: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// Why a configuration was refused: every problem found, in order of file and line. Never empty.
#[derive(Clone, Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok` when there are none.
    pub(super) fn check(mut problems: Vec<Problem>) -> Result<(), Problems> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        problems.dedup();
        Err(Problems(problems))
    }

    /// The problems, in order of file and line.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// As a JSON array of objects with `file`, `line`, `variable`, `message`, `found`, `allowed` and `hint`, each where
    /// it applies.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.iter().map(|problem| serde_json::to_value(problem.report()).unwrap_or_default()).collect()
    }
}

impl fmt::Display for Problems {
    /// One problem a line, then how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        match self.0.len() {
            1 => write!(f, "1 problem in the configuration"),
            count => write!(f, "{count} problems in the configuration"),
        }
    }
}

impl std::error::Error for Problems {}

/// The candidate that `name` was most likely meant to be: one that it differs from by few letters, or that it is the
/// beginning or the last part of. `None` when nothing is near.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = 1 + name.chars().count() / 5;
    let last_part = name.rsplit('.').next().unwrap_or(name);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let edits = distance(name, candidate);
            let near = edits <= distance_max
                || (last_part.len() >= 3
                    && (candidate.starts_with(name) || candidate.rsplit('.').next() == Some(last_part)));
            near.then_some((edits, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete or replace to turn `a` into `b` (Levenshtein). Names longer than 200 letters are cut, so
/// that hostile input costs little.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, left) in a.chars().take(200).enumerate() {
        let mut diagonal = line;
        let mut previous = line + 1;
        let mut next = vec![previous];
        for (above, right) in row.iter().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(left != *right);
            previous = replaced.min(previous + 1).min(above + 1);
            diagonal = *above;
            next.push(previous);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("brokers", "brokers"), 0);
    }

    #[test]
    fn guesses_what_was_meant() {
        let keys = ["kafka.brokers", "rules.lateness_s", "rules.horizon_days", "engine.group_id"];
        assert_eq!(nearest("kafka.broker", keys), Some("kafka.brokers"));
        assert_eq!(nearest("rules.lateness", keys), Some("rules.lateness_s"));
        assert_eq!(nearest("group_id", keys), Some("engine.group_id"));
        assert_eq!(nearest("colour", keys), None);
    }
}
