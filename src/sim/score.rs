//! How good the alerts were, given what was planted. Pure: subjects and alerts in, counts out.
//!
//! The rules, in full:
//! - An alert counts by the moment it was raised; what happens to it later does not change its verdict.
//! - **Right**: its account leaves within the horizon after it.
//! - **Wrong**: its account was observed for the whole horizon after it and did not leave in that time. An alert that
//!   comes too early on an account that does leave later is wrong as well; those are also counted as **early** when the
//!   planted evidence had already begun.
//! - **Folded**: a further alert of the same account within the horizon after a counted one, or after a right one.
//! - **Open**: none of these, because the window ends before the horizon does, or the account had left already.
//! - A churner is **warned** when an alert was raised between its first evidence and its end; the lead is the time from
//!   the first such alert to the end.

use std::collections::BTreeMap;

use super::plan::{ChurnKind, Trap};
use super::truth::Subject;
use crate::units::{Span, Timestamp};

/// Days of the month by which rates are given.
pub const MONTH_DAYS: f64 = 30.0;

/// An alert that was raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// On which account.
    pub account_id: String,
    /// Of which type.
    pub alert_type: &'static str,
    /// When, in engine time.
    pub at: Timestamp,
}

/// How good the alerts were.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Score {
    /// Accounts observed.
    pub accounts: u64,
    /// Per way of leaving, in the order of [`ChurnKind::ALL`]; kinds that were not planted are left out.
    pub kinds: Vec<KindScore>,
    /// Accounts that left.
    pub churned: u64,
    /// Those of them that were warned of.
    pub warned: u64,
    /// Those of them that had a right alert: one within the horizon before the end.
    pub warned_in_horizon: u64,
    /// Middle lead over all that were warned of, in days; absent when none was.
    pub lead_days: Option<f64>,
    /// Verdicts over the alerts.
    pub verdicts: Verdicts,
    /// Wrong alerts by the trap of their account; accounts that left later are not in it.
    pub wrong_by_trap: BTreeMap<Trap, u64>,
    /// Accounts that did not leave in the window, by their trap.
    pub staying_by_trap: BTreeMap<Trap, u64>,
    /// Verdicts by alert type.
    pub by_type: BTreeMap<&'static str, Verdicts>,
    /// Wrong alerts on accounts that did not leave in the window, per 100 such accounts and month of observation.
    pub false_per_100_account_months: f64,
}

/// Alerts by verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// The account left within the horizon.
    pub right: u64,
    /// It did not.
    pub wrong: u64,
    /// Those of the wrong ones whose account left later, with its evidence already there.
    pub early: u64,
    /// Repeats within the horizon of a counted alert.
    pub folded: u64,
    /// Not to be judged.
    pub open: u64,
}

impl Verdicts {
    /// Right alerts among those judged; absent when none was.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // counts of alerts
    pub fn precision(&self) -> Option<f64> {
        let judged = self.right + self.wrong;
        (judged > 0).then(|| self.right as f64 / judged as f64)
    }
}

/// How one way of leaving was met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KindScore {
    /// The way.
    pub kind: ChurnKind,
    /// Accounts that left so.
    pub churned: u64,
    /// Those that were warned of.
    pub warned: u64,
    /// Middle lead in days; absent when none was warned of.
    pub lead_days: Option<f64>,
}

/// Judges `alerts` (in any order) against `subjects`; alerts on unknown accounts are left out.
#[must_use]
pub fn score(subjects: &[Subject], alerts: &[Raised], horizon: Span) -> Score {
    let mut by_account: BTreeMap<&str, Vec<&Raised>> = BTreeMap::new();
    for alert in alerts {
        by_account.entry(&alert.account_id).or_default().push(alert);
    }
    let mut score = Score::default();
    let mut leads: BTreeMap<ChurnKind, (u64, Vec<f64>)> = BTreeMap::new();
    let (mut false_alerts, mut healthy_days) = (0_u64, 0.0);
    for subject in subjects {
        score.accounts += 1;
        let mut own = by_account.remove(subject.account_id.as_str()).unwrap_or_default();
        own.sort_by_key(|alert| (alert.at, alert.alert_type));
        let wrong_before = score.verdicts.wrong;
        if judge(subject, &own, horizon, &mut score) {
            score.warned_in_horizon += 1;
        }
        let wrong = score.verdicts.wrong - wrong_before;
        if let Some(churn) = subject.churn {
            let (churned, days) = leads.entry(churn.kind).or_default();
            *churned += 1;
            if let Some(first) = own.iter().find(|alert| alert.at >= churn.first_evidence && alert.at < churn.at) {
                days.push(churn.at.since(first.at).days());
            }
        } else {
            // The last horizon of the window cannot be judged, so that it does not count as observed either.
            let judged_until = subject.observed_until.minus(horizon);
            healthy_days += judged_until.since(subject.observed_from).days().max(0.0);
            false_alerts += wrong;
            *score.staying_by_trap.entry(subject.trap).or_default() += 1;
            if wrong > 0 {
                *score.wrong_by_trap.entry(subject.trap).or_default() += wrong;
            }
        }
    }
    summarise(&mut score, leads);
    score.false_per_100_account_months = per_100_account_months(false_alerts, healthy_days);
    score
}

/// Counts the verdicts over one account's alerts, in order of time, and says whether one was right.
fn judge(subject: &Subject, alerts: &[&Raised], horizon: Span, score: &mut Score) -> bool {
    let mut folds_until: Option<Timestamp> = None;
    let mut is_right = false;
    for alert in alerts {
        let left = subject.churn.filter(|churn| churn.at.since(alert.at) <= horizon);
        let observed = subject.observed_until.since(alert.at) >= horizon;
        let mut verdict = Verdicts::default();
        if subject.churn.is_some_and(|churn| alert.at >= churn.at) {
            verdict.open = 1;
        } else if is_right || folds_until.is_some_and(|until| alert.at < until) {
            verdict.folded = 1;
        } else if left.is_some() {
            verdict.right = 1;
            is_right = true;
        } else if subject.churn.is_some() || observed {
            verdict.wrong = 1;
            verdict.early = u64::from(subject.churn.is_some_and(|churn| alert.at >= churn.first_evidence));
            folds_until = Some(alert.at.plus(horizon));
        } else {
            verdict.open = 1;
        }
        score.verdicts = sum(score.verdicts, verdict);
        let of_type = score.by_type.entry(alert.alert_type).or_default();
        *of_type = sum(*of_type, verdict);
    }
    is_right
}

fn sum(left: Verdicts, right: Verdicts) -> Verdicts {
    Verdicts {
        right: left.right + right.right,
        wrong: left.wrong + right.wrong,
        early: left.early + right.early,
        folded: left.folded + right.folded,
        open: left.open + right.open,
    }
}

fn summarise(score: &mut Score, leads: BTreeMap<ChurnKind, (u64, Vec<f64>)>) {
    let mut all = Vec::new();
    for (kind, (churned, days)) in leads {
        let warned = u64::try_from(days.len()).unwrap_or(u64::MAX);
        score.churned += churned;
        score.warned += warned;
        all.extend_from_slice(&days);
        score.kinds.push(KindScore { kind, churned, warned, lead_days: median(days) });
    }
    score.lead_days = median(all);
}

/// Alerts raised in the week from `from` on accounts that do not leave within `horizon` after them.
#[must_use]
pub fn wrong_in_week(subjects: &[Subject], alerts: &[Raised], horizon: Span, from: Timestamp) -> u64 {
    let until = from.plus(Span::from_days(7));
    let stays = |alert: &&Raised| {
        let subject = subjects.iter().find(|subject| subject.account_id == alert.account_id);
        subject.is_some_and(|subject| subject.churn.is_none_or(|churn| churn.at.since(alert.at) > horizon))
    };
    let wrong = alerts.iter().filter(|alert| alert.at >= from && alert.at < until).filter(stays).count();
    u64::try_from(wrong).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // counts of alerts
fn per_100_account_months(alerts: u64, account_days: f64) -> f64 {
    if account_days > 0.0 { alerts as f64 / (account_days / MONTH_DAYS) * 100.0 } else { 0.0 }
}

/// The middle value; of an even number, the mean of the two in the middle.
///
/// ```
/// use churnwatch::sim::score::median;
/// assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
/// assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
/// assert_eq!(median(vec![]), None);
/// ```
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::sim::START;
    use crate::sim::truth::PlantedChurn;

    fn day(number: i64) -> Timestamp {
        START.plus(Span::from_days(number))
    }

    /// Account `a` with an optional end (first evidence, day) in a window of 100 days, and alerts on these days.
    fn check(end: Option<(i64, i64)>, alerts: &[(i64, &'static str)], expected: &Expect) {
        let churn = end.map(|(evidence, at)| PlantedChurn {
            kind: ChurnKind::BadNps,
            at: day(at),
            first_evidence: day(evidence),
        });
        let observed_until = churn.map_or(day(100), |churn| churn.at);
        let account_id = "a".to_owned();
        let subject = Subject { account_id, churn, trap: Trap::Noisy, observed_from: day(0), observed_until };
        let alerts: Vec<Raised> = alerts
            .iter()
            .map(|(at, alert_type)| Raised { account_id: "a".to_owned(), alert_type, at: day(*at) })
            .collect();
        let score = score(&[subject], &alerts, Span::from_days(28));
        let Verdicts { right, wrong, early, folded, open } = score.verdicts;
        let mut told: Vec<String> =
            [("right", right), ("wrong", wrong), ("early", early), ("folded", folded), ("open", open)]
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| format!("{count} {name}"))
                .collect();
        told.push(format!("warned {} of {}", score.warned, score.churned));
        told.extend(score.lead_days.map(|days| format!("lead {days}")));
        if score.false_per_100_account_months > 0.0 {
            told.push(format!("false {:.1} {:?}", score.false_per_100_account_months, score.wrong_by_trap));
        }
        expected.assert_eq(&told.join(", "));
    }

    #[test]
    fn an_alert_within_the_horizon_before_the_end_is_right() {
        check(Some((40, 70)), &[(50, "usage")], &expect!["1 right, warned 1 of 1, lead 20"]);
    }

    #[test]
    fn the_edge_of_the_horizon_still_counts() {
        check(Some((40, 70)), &[(42, "usage")], &expect!["1 right, warned 1 of 1, lead 28"]);
    }

    #[test]
    fn an_alert_too_early_is_wrong_but_warns_when_the_evidence_was_there() {
        check(Some((40, 70)), &[(41, "usage")], &expect!["1 wrong, 1 early, warned 1 of 1, lead 29"]);
        check(Some((40, 70)), &[(20, "usage")], &expect!["1 wrong, warned 0 of 1"]);
    }

    #[test]
    fn alerts_after_the_end_do_not_count() {
        check(Some((40, 70)), &[(70, "usage"), (75, "usage")], &expect!["2 open, warned 0 of 1"]);
    }

    #[test]
    fn repeats_are_folded_into_the_first() {
        check(Some((40, 70)), &[(50, "usage"), (55, "nps")], &expect!["1 right, 1 folded, warned 1 of 1, lead 20"]);
        check(
            None,
            &[(10, "usage"), (37, "usage"), (38, "usage")],
            &expect!["2 wrong, 1 folded, warned 0 of 0, false 83.3 {Noisy: 2}"],
        );
    }

    #[test]
    fn an_alert_on_an_account_that_stays_is_wrong_once_the_horizon_has_passed() {
        check(None, &[(10, "usage")], &expect!["1 wrong, warned 0 of 0, false 41.7 {Noisy: 1}"]);
        check(None, &[(90, "usage")], &expect!["1 open, warned 0 of 0"]);
    }

    #[test]
    fn a_week_counts_its_own_alerts_on_those_who_stay() {
        let leaves = PlantedChurn { kind: ChurnKind::BadNps, at: day(60), first_evidence: day(40) };
        let subject = |id: &str, churn| Subject {
            account_id: id.to_owned(),
            churn,
            trap: Trap::None,
            observed_from: day(0),
            observed_until: day(100),
        };
        let subjects = [subject("stays", None), subject("leaves", Some(leaves))];
        let raised = |id: &str, at| Raised { account_id: id.to_owned(), alert_type: "usage", at: day(at) };
        let alerts = [raised("stays", 50), raised("leaves", 50), raised("stays", 57), raised("gone", 50)];
        assert_eq!(wrong_in_week(&subjects, &alerts, Span::from_days(28), day(50)), 1);
        assert_eq!(wrong_in_week(&subjects, &alerts, Span::from_days(5), day(50)), 2);
    }

    #[test]
    fn a_churner_without_alerts_is_missed() {
        check(Some((40, 70)), &[], &expect!["warned 0 of 1"]);
    }
}
