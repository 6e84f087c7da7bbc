//! What two sets of rules say differently about the same log, account by account.

use std::cmp::Ordering;

use compact_str::CompactString;

use super::alerts::Raised;
use super::cases::{Row, Sheet};
use crate::engine::effect::Band;
use crate::units::{Ratio, Span, Timestamp};

/// Risks nearer than this are called the same: nobody would see the difference.
const RISK_STEP: f64 = 0.0005;
/// Alerts of the same account and type raised within this time of each other are called the same (7 days).
const SAME_ALERT: Span = Span::from_days(7);

/// An account about which the two differ at a cut-off.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The cut-off.
    pub at: Timestamp,
    /// The account.
    pub account_id: CompactString,
    /// What the first rules say.
    pub base: Verdict,
    /// What the other rules say.
    pub other: Verdict,
}

/// What one set of rules says about an account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Its risk.
    pub risk: Ratio,
    /// Its band.
    pub band: Band,
}

/// Alerts that only one of the two raised.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AlertDifferences {
    /// Raised by the other rules only.
    pub gained: Vec<Raised>,
    /// Raised by the first rules only.
    pub lost: Vec<Raised>,
}

impl Difference {
    /// How much more risk the other rules see; in -1 to 1.
    #[must_use]
    pub fn risk_change(&self) -> f64 {
        self.other.risk.get() - self.base.risk.get()
    }
}

/// The accounts about which `base` and `other`, sheets of the same cut-offs, differ: the largest change of risk first.
/// Those that had left are no question any more.
#[must_use]
pub fn differences(base: &[Sheet], other: &[Sheet]) -> Vec<Difference> {
    let verdict = |row: &Row| Verdict { risk: row.risk, band: row.band };
    let mut found: Vec<Difference> = base
        .iter()
        .zip(other)
        .flat_map(|(base, other)| {
            base.rows.iter().filter(|row| !row.has_left).filter_map(move |row| {
                let against = other.row(&row.account_id)?;
                let account_id = row.account_id.clone();
                Some(Difference { at: base.at, account_id, base: verdict(row), other: verdict(against) })
            })
        })
        .filter(|found| found.risk_change().abs() >= RISK_STEP || found.base.band != found.other.band)
        .collect();
    found.sort_by(|a, b| {
        let by_change = b.risk_change().abs().total_cmp(&a.risk_change().abs());
        by_change.then_with(|| (a.at, &a.account_id).cmp(&(b.at, &b.account_id)))
    });
    found
}

/// The alerts that only `base` or only `other` holds, by account, type and time.
#[must_use]
pub fn alert_differences(base: &[Raised], other: &[Raised]) -> AlertDifferences {
    let (base, other) = (sorted(base), sorted(other));
    let (mut base, mut other) = (base.into_iter().peekable(), other.into_iter().peekable());
    let mut found = AlertDifferences::default();
    while let (Some(left), Some(right)) = (base.peek(), other.peek()) {
        match order(left, right) {
            Ordering::Less => found.lost.extend(base.next().cloned()),
            Ordering::Greater => found.gained.extend(other.next().cloned()),
            Ordering::Equal => {
                base.next();
                other.next();
            }
        }
    }
    found.lost.extend(base.cloned());
    found.gained.extend(other.cloned());
    found
}

fn sorted(alerts: &[Raised]) -> Vec<&Raised> {
    let mut sorted: Vec<&Raised> = alerts.iter().collect();
    sorted.sort_by(|a, b| key(a).cmp(&key(b)).then(a.at.cmp(&b.at)));
    sorted
}

fn key(alert: &Raised) -> (&str, &str) {
    (&alert.account_id, alert.alert_type)
}

/// Equal when they are the same alert, else which comes first.
fn order(left: &Raised, right: &Raised) -> Ordering {
    let apart = left.at.since(right.at).max(right.at.since(left.at));
    let by_time = if apart <= SAME_ALERT { Ordering::Equal } else { left.at.cmp(&right.at) };
    key(left).cmp(&key(right)).then(by_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Day;

    fn day(number: u16) -> Timestamp {
        Day::new(20_000 + number).start()
    }

    fn raised(account: &str, alert_type: &'static str, at: u16) -> Raised {
        Raised { account_id: account.to_owned(), alert_type, at: day(at), owner: None }
    }

    #[test]
    fn the_largest_change_comes_first_and_what_nobody_would_see_is_left_out() {
        let sheet = |rows: &[(&str, f64, Band)]| Sheet {
            at: day(0),
            rows: (rows.iter())
                .map(|(account, risk, band)| Row {
                    account_id: (*account).into(),
                    risk: Ratio::clamped(*risk),
                    band: *band,
                    has_left: *account == "gone",
                })
                .collect(),
        };
        let base = sheet(&[
            ("a", 0.1, Band::Healthy),
            ("b", 0.5, Band::AtRisk),
            ("c", 0.3, Band::Watch),
            ("d", 0.2, Band::Healthy),
            ("gone", 0.2, Band::Healthy),
        ]);
        let other = sheet(&[
            ("a", 0.2, Band::Healthy),
            ("b", 0.1, Band::Healthy),
            ("c", 0.3, Band::AtRisk),
            ("d", 0.2004, Band::Healthy),
            ("gone", 0.9, Band::Critical),
        ]);
        let found = differences(&[base], &[other]);
        let order: Vec<&str> = found.iter().map(|found| found.account_id.as_str()).collect();
        assert_eq!(order, ["b", "a", "c"]);
        assert!((found[0].risk_change() + 0.4).abs() < 1e-12);
    }

    #[test]
    fn alerts_are_the_same_within_a_week() {
        let base = [raised("a", "nps", 0), raised("a", "nps", 40), raised("b", "nps", 5), raised("c", "nps", 9)];
        let other = [raised("c", "nps", 3), raised("a", "nps", 7), raised("a", "breadth", 1), raised("b", "nps", 13)];
        let AlertDifferences { gained, lost } = alert_differences(&base, &other);
        assert_eq!(gained, [raised("a", "breadth", 1), raised("b", "nps", 13)]);
        assert_eq!(lost, [raised("a", "nps", 40), raised("b", "nps", 5)]);
        assert_eq!(alert_differences(&base, &base), AlertDifferences::default());
    }
}
