//! From the risks of a replay to the rows that are measured: which accounts count at which cut-off, and as what.
//!
//! An account is measured at a cut-off when its outcome within the horizon is known. Without pairs, every account with
//! an event before the cut-off is asked for. With pairs, they say who is asked for and, where they carry a label, what
//! became of it. A pair of an account without an event before its cut-off has no risk; it is measured as if it had the
//! lowest risk of the cut-off, and counted.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::measures::{Scored, Subject};
use super::outcome::{Label, Outcome};
use crate::engine::effect::Band;
use crate::units::{Ratio, Span, Timestamp};

/// What was said of the accounts at one cut-off.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The cut-off.
    pub at: Timestamp,
    /// The accounts with an event before it, by account.
    pub rows: Vec<Row>,
}

/// What was said of one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The account.
    pub account_id: CompactString,
    /// Its risk at the cut-off.
    pub risk: Ratio,
    /// Its band then.
    pub band: Band,
    /// Whether every subscription had ended by then: its risk is that of when it left.
    pub has_left: bool,
}

/// A question: the risk of this account as of then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The account.
    pub account_id: String,
    /// The cut-off.
    pub as_of: Timestamp,
    /// Whether it churned within the horizon; absent where the pair does not say.
    pub churned: Option<bool>,
}

/// The rows that are measured.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Cases {
    /// By cut-off.
    pub cutoffs: Vec<(Timestamp, Vec<Scored>)>,
    /// How many accounts occur; their numbers lie below.
    pub subjects: u32,
    /// The accounts by their numbers.
    pub names: Vec<CompactString>,
    /// Rows that were asked for and measured.
    pub measured: u64,
    /// Asked for, but without a risk, since the account had no event before the cut-off; measured all the same where the
    /// outcome is known.
    pub unscored: u64,
    /// Left out: churned before the cut-off.
    pub gone: u64,
    /// Left out: not observed throughout the horizon.
    pub unknown: u64,
    /// Left out: no label.
    pub unlabelled: u64,
}

impl Sheet {
    /// The row of an account.
    #[must_use]
    pub fn row(&self, account_id: &str) -> Option<&Row> {
        let index = self.rows.binary_search_by(|row| row.account_id.as_str().cmp(account_id)).ok()?;
        self.rows.get(index)
    }

    /// The lowest risk on it; 0 where it has no rows.
    fn lowest(&self) -> Ratio {
        self.rows.iter().map(|row| row.risk).min_by(|a, b| a.get().total_cmp(&b.get())).unwrap_or_default()
    }
}

/// Gives accounts their numbers, in order of appearance.
#[derive(Debug, Default)]
struct Numbers<'a>(BTreeMap<&'a str, u32>);

impl<'a> Numbers<'a> {
    fn of(&mut self, account_id: &'a str) -> Subject {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        Subject(*self.0.entry(account_id).or_insert(next))
    }
}

impl Cases {
    /// Every account on every sheet, by `labels`.
    #[must_use]
    pub fn by_labels(sheets: &[Sheet], labels: &BTreeMap<String, Label>, horizon: Span) -> Cases {
        let (mut cases, mut numbers) = (Cases::default(), Numbers::default());
        for sheet in sheets {
            let mut scored = Vec::new();
            for row in &sheet.rows {
                let outcome = labels.get(row.account_id.as_str()).map(|label| label.outcome(sheet.at, horizon));
                if let Some(churned) = cases.count(outcome) {
                    scored.push(Scored { subject: numbers.of(&row.account_id), risk: row.risk, churned });
                }
            }
            cases.cutoffs.push((sheet.at, scored));
        }
        cases.finish(&numbers)
    }

    /// The accounts of `pairs` at their cut-offs, by what the pairs say or else by `labels`.
    #[must_use]
    pub fn by_pairs(sheets: &[Sheet], pairs: &[Pair], labels: &BTreeMap<String, Label>, horizon: Span) -> Cases {
        let (mut cases, mut numbers) = (Cases::default(), Numbers::default());
        let mut by_cutoff: BTreeMap<Timestamp, Vec<&Pair>> = BTreeMap::new();
        for pair in pairs {
            by_cutoff.entry(pair.as_of).or_default().push(pair);
        }
        for sheet in sheets {
            let lowest = sheet.lowest();
            let mut scored = Vec::new();
            for pair in by_cutoff.remove(&sheet.at).unwrap_or_default() {
                let row = sheet.row(&pair.account_id);
                cases.unscored += u64::from(row.is_none());
                let stated = pair.churned.map(|churned| if churned { Outcome::Churned } else { Outcome::Stayed });
                let derived = || labels.get(&pair.account_id).map(|label| label.outcome(sheet.at, horizon));
                if let Some(churned) = cases.count(stated.or_else(derived)) {
                    let risk = row.map_or(lowest, |row| row.risk);
                    scored.push(Scored { subject: numbers.of(&pair.account_id), risk, churned });
                }
            }
            cases.cutoffs.push((sheet.at, scored));
        }
        cases.finish(&numbers)
    }

    /// Counts a row by its outcome; whether it churned, where it is measured.
    fn count(&mut self, outcome: Option<Outcome>) -> Option<bool> {
        let counter = match outcome {
            Some(Outcome::Churned | Outcome::Stayed) => &mut self.measured,
            Some(Outcome::Gone) => &mut self.gone,
            Some(Outcome::Unknown) => &mut self.unknown,
            None => &mut self.unlabelled,
        };
        *counter += 1;
        match outcome {
            Some(Outcome::Churned) => Some(true),
            Some(Outcome::Stayed) => Some(false),
            _ => None,
        }
    }

    fn finish(mut self, numbers: &Numbers<'_>) -> Cases {
        self.subjects = u32::try_from(numbers.0.len()).unwrap_or(u32::MAX);
        let mut names: Vec<(u32, &str)> = numbers.0.iter().map(|(name, number)| (*number, *name)).collect();
        names.sort_unstable();
        self.names = names.into_iter().map(|(_, name)| name.into()).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::units::Day;

    fn day(number: u16) -> Timestamp {
        Day::new(20_000 + number).start()
    }

    fn sheet(at: u16, rows: &[(&str, f64)]) -> Sheet {
        let row = |(account, risk): &(&str, f64)| Row {
            account_id: (*account).into(),
            risk: Ratio::clamped(*risk),
            band: Band::Healthy,
            has_left: false,
        };
        Sheet { at: day(at), rows: rows.iter().map(row).collect() }
    }

    fn labels() -> BTreeMap<String, Label> {
        let label = |churn: Option<u16>, until| Label { churned_at: churn.map(day), observed_until: day(until) };
        BTreeMap::from([
            ("early".to_owned(), label(Some(5), 5)),
            ("left".to_owned(), label(Some(20), 20)),
            ("lost".to_owned(), label(None, 20)),
            ("stays".to_owned(), label(None, 90)),
        ])
    }

    fn check(cases: &Cases, expected: &Expect) {
        let mut shown = String::new();
        for (at, rows) in &cases.cutoffs {
            write!(shown, "day {}:", at.day().number() - 20_000).unwrap();
            for row in rows {
                write!(shown, " {}={}{}", row.subject.0, row.risk.get(), if row.churned { "!" } else { "" }).unwrap();
            }
            shown.push('\n');
        }
        let Cases { subjects, measured, unscored, gone, unknown, unlabelled, .. } = cases;
        writeln!(shown, "{subjects} subjects, {measured} measured, {unscored} unscored").unwrap();
        writeln!(shown, "{gone} gone, {unknown} unknown, {unlabelled} unlabelled").unwrap();
        expected.assert_eq(&shown);
    }

    #[test]
    fn everybody_with_a_known_outcome_is_measured() {
        let sheets = [
            sheet(10, &[("early", 0.9), ("left", 0.8), ("lost", 0.7), ("new", 0.6), ("stays", 0.1)]),
            sheet(60, &[("left", 0.9), ("stays", 0.2)]),
        ];
        check(
            &Cases::by_labels(&sheets, &labels(), Span::from_days(28)),
            &expect![[r#"
            day 10: 0=0.8! 1=0.1
            day 60: 1=0.2
            2 subjects, 3 measured, 0 unscored
            2 gone, 1 unknown, 1 unlabelled
        "#]],
        );
    }

    #[test]
    fn pairs_choose_and_may_say_the_outcome() {
        let sheets = [sheet(10, &[("early", 0.9), ("left", 0.8), ("stays", 0.1)])];
        let pair = |account: &str, at, churned| Pair { account_id: account.to_owned(), as_of: day(at), churned };
        let pairs = [
            pair("stays", 10, Some(true)),
            pair("left", 10, None),
            pair("early", 10, None),
            pair("unheard", 10, Some(false)),
            pair("unheard-of", 10, None),
        ];
        check(
            &Cases::by_pairs(&sheets, &pairs, &labels(), Span::from_days(28)),
            &expect![[r#"
            day 10: 0=0.1! 1=0.8! 2=0.1
            3 subjects, 3 measured, 2 unscored
            1 gone, 0 unknown, 1 unlabelled
        "#]],
        );
    }
}
