//! How good a stream of alerts was, given when accounts really churned.
//!
//! The rules, in full, for an alert at a time t on an account with a [`Label`]:
//! - not **countable** when the account has churned at t already, or neither churns within the horizon after t nor is
//!   observed throughout it;
//! - **folded** when it follows a right alert of its account, or a wrong one within the horizon;
//! - **right** when the account churns within the horizon after it;
//! - **wrong** otherwise.
//!
//! Precision is the share of right ones among right and wrong; recall the share of the churned accounts that had a right
//! alert, of those of which anything was ever told; the lead is the time from the first right alert to the churn. Alerts on accounts without a label are counted
//! apart. Where an account churns later than the horizon after an alert, that alert was wrong.

use std::collections::BTreeMap;

use super::bootstrap::position;
use super::outcome::Label;
use crate::units::{Ratio, Span, Timestamp};

/// An alert that was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// On which account.
    pub account_id: String,
    /// Of which type.
    pub alert_type: &'static str,
    /// When.
    pub at: Timestamp,
    /// Whose account it was, where known.
    pub owner: Option<String>,
}

/// How good the alerts were.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Quality {
    /// Alerts raised on accounts with a label.
    pub raised: u64,
    /// Right ones.
    pub right: u64,
    /// Wrong ones.
    pub wrong: u64,
    /// Folded into another one.
    pub folded: u64,
    /// Neither right nor wrong nor folded.
    pub not_countable: u64,
    /// Alerts on accounts without a label.
    pub unlabelled: u64,
    /// Accounts that churned, but for [`Quality::unheard`].
    pub churned: u64,
    /// Accounts that churned and of which nothing was ever told: nobody could have been warned of them.
    pub unheard: u64,
    /// Those of them that had a right alert.
    pub warned: u64,
    /// Quarter, middle and three-quarter point of the leads in days: the value at the whole part of `share x (n - 1)`
    /// in ascending order. Absent when no account was warned of.
    pub lead_days: Option<[f64; 3]>,
    /// The precision of alerts raised at random on accounts and times that can be judged: what chance alone gives.
    /// Absent where nothing can be judged.
    pub chance: Option<Ratio>,
}

/// Alerts of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Load {
    /// Alerts raised in all.
    pub raised: u64,
    /// Alerts a week, over the whole time.
    pub per_week: f64,
    /// Alerts in the busiest week, Monday to Sunday.
    pub busiest_week: u64,
}

impl Quality {
    /// Share of right ones among the right and wrong; absent when there is none of either.
    #[must_use]
    pub fn precision(&self) -> Option<Ratio> {
        share(self.right, self.right + self.wrong)
    }

    /// Share of the churned accounts that had a right alert; absent when none churned.
    #[must_use]
    pub fn recall(&self) -> Option<Ratio> {
        share(self.warned, self.churned)
    }
}

#[allow(clippy::cast_precision_loss)] // counts of alerts
fn share(part: u64, whole: u64) -> Option<Ratio> {
    (whole > 0).then(|| Ratio::clamped(part as f64 / whole as f64))
}

/// Judges `alerts`, in any order, against `labels` by account; `since` gives the time from which an account is in use, if
/// it ever is, and `occurs` whether anything was ever told of it.
#[must_use]
pub fn judge(
    labels: &BTreeMap<String, Label>,
    since: impl Fn(&str) -> Option<Timestamp>,
    occurs: impl Fn(&str) -> bool,
    alerts: &[Raised],
    horizon: Span,
) -> Quality {
    let mut times: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for alert in alerts {
        times.entry(&alert.account_id).or_default().push(alert.at);
    }
    let mut quality = Quality::default();
    for (account, _) in labels.iter().filter(|(_, label)| label.churned_at.is_some()) {
        if occurs(account) { quality.churned += 1 } else { quality.unheard += 1 }
    }
    let mut leads = Vec::new();
    for (account, mut times) in times {
        let Some(label) = labels.get(account) else {
            quality.unlabelled += u64::try_from(times.len()).unwrap_or(u64::MAX);
            continue;
        };
        times.sort_unstable();
        if let Some(lead) = judge_account(label, &times, horizon, &mut quality) {
            quality.warned += 1;
            leads.push(lead.days());
        }
    }
    leads.sort_by(f64::total_cmp);
    let quartile = |share| leads.get(position(leads.len(), share)).copied().unwrap_or_default();
    quality.lead_days = (!leads.is_empty()).then(|| [0.25, 0.5, 0.75].map(quartile));
    quality.chance = chance(labels, since, horizon);
    quality
}

/// The share of the time in which an alert could be judged that lies within the horizon before a churn.
fn chance(labels: &BTreeMap<String, Label>, since: impl Fn(&str) -> Option<Timestamp>, horizon: Span) -> Option<Ratio> {
    let (mut right, mut all) = (0.0, 0.0);
    for (account, label) in labels {
        let Some(since) = since(account) else { continue };
        let until = label.churned_at.unwrap_or_else(|| label.observed_until.minus(horizon));
        let days = until.since(since).days().max(0.0);
        all += days;
        right += if label.churned_at.is_some() { days.min(horizon.days()) } else { 0.0 };
    }
    (all > 0.0).then(|| Ratio::clamped(right / all))
}

/// Counts the alerts of one account, in order of time; the lead of the first right one.
fn judge_account(label: &Label, times: &[Timestamp], horizon: Span, quality: &mut Quality) -> Option<Span> {
    let mut lead = None;
    let mut folds_until: Option<Timestamp> = None;
    for &at in times {
        quality.raised += 1;
        let to_churn = label.churned_at.map(|churned_at| churned_at.since(at));
        if to_churn.is_some_and(|span| span <= Span::ZERO) {
            quality.not_countable += 1;
        } else if lead.is_some() || folds_until.is_some_and(|until| at < until) {
            quality.folded += 1;
        } else if let Some(span) = to_churn.filter(|span| *span <= horizon) {
            quality.right += 1;
            lead = Some(span);
        } else if to_churn.is_some() || label.observed_until.since(at) >= horizon {
            quality.wrong += 1;
            folds_until = Some(at.plus(horizon));
        } else {
            quality.not_countable += 1;
        }
    }
    lead
}

/// How many alerts each owner got in the time from `from` to `until`; accounts without an owner stand under `None`.
///
/// ```
/// use churnwatch::evaluation::alerts::{Raised, loads};
/// use churnwatch::units::Day;
/// let day = |number: u16| Day::new(20_000 + number).start(); // a Monday is 20_004
/// let alert = |number| Raised {
///     account_id: "a".into(), alert_type: "nps", at: day(number), owner: Some("kim".into()),
/// };
/// let loads = loads(&[alert(4), alert(5), alert(11), alert(40)], day(0), day(42));
/// let kim = loads[&Some("kim".to_owned())];
/// assert_eq!((kim.raised, kim.busiest_week), (4, 2));
/// assert!((kim.per_week - 4.0 / 6.0).abs() < 1e-12);
/// ```
#[must_use]
#[allow(clippy::cast_precision_loss)] // counts of alerts
pub fn loads(alerts: &[Raised], from: Timestamp, until: Timestamp) -> BTreeMap<Option<String>, Load> {
    // Less than a week counts as one: a rate from a single day says nothing.
    let weeks = (until.since(from).days() / 7.0).max(1.0);
    let mut by_week: BTreeMap<Option<String>, BTreeMap<u16, u64>> = BTreeMap::new();
    for alert in alerts {
        *by_week.entry(alert.owner.clone()).or_default().entry(alert.at.day().week()).or_default() += 1;
    }
    let load = |counts: BTreeMap<u16, u64>| {
        let raised = counts.values().sum();
        Load { raised, per_week: raised as f64 / weeks, busiest_week: counts.into_values().max().unwrap_or_default() }
    };
    by_week.into_iter().map(|(owner, counts)| (owner, load(counts))).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::units::Day;

    fn day(number: u16) -> Timestamp {
        Day::new(20_000 + number).start()
    }

    /// Account `a`, which churns on a day or is observed for 100 days, and alerts on these days.
    fn check(churn: Option<u16>, alerts: &[u16], expected: &Expect) {
        let label = Label { churned_at: churn.map(day), observed_until: churn.map_or(day(100), day) };
        let labels = BTreeMap::from([("a".to_owned(), label)]);
        let alerts: Vec<Raised> = alerts.iter().map(|at| raised("a", *at)).collect();
        let quality = judge(&labels, |_| None, |_| true, &alerts, Span::from_days(28));
        expected.assert_eq(&told(&quality));
    }

    fn raised(account: &str, at: u16) -> Raised {
        Raised { account_id: account.to_owned(), alert_type: "churn_risk", at: day(at), owner: None }
    }

    fn told(quality: &Quality) -> String {
        let Quality { raised, right, wrong, folded, not_countable, unlabelled, churned, warned, lead_days, .. } =
            quality;
        assert_eq!(*raised, right + wrong + folded + not_countable);
        let counts = [("right", right), ("wrong", wrong), ("folded", folded), ("not countable", not_countable)];
        let mut told: Vec<String> =
            counts.iter().filter(|(_, count)| **count > 0).map(|(name, count)| format!("{count} {name}")).collect();
        told.extend((*unlabelled > 0).then(|| format!("{unlabelled} unlabelled")));
        told.push(format!("warned {warned} of {churned}"));
        told.extend(lead_days.map(|[low, middle, high]| format!("lead {low} {middle} {high}")));
        told.join(", ")
    }

    #[test]
    fn an_alert_is_right_from_the_horizon_before_the_churn_on() {
        check(Some(70), &[42], &expect!["1 right, warned 1 of 1, lead 28 28 28"]);
        check(Some(70), &[41], &expect!["1 wrong, warned 0 of 1"]);
        check(Some(70), &[69, 50], &expect!["1 right, 1 folded, warned 1 of 1, lead 20 20 20"]);
    }

    #[test]
    fn alerts_at_the_churn_or_after_it_do_not_count() {
        check(Some(70), &[70, 75], &expect!["2 not countable, warned 0 of 1"]);
    }

    #[test]
    fn an_alert_on_one_who_stays_is_wrong_once_the_horizon_was_observed() {
        check(None, &[10], &expect!["1 wrong, warned 0 of 0"]);
        check(None, &[72], &expect!["1 wrong, warned 0 of 0"]);
        check(None, &[73], &expect!["1 not countable, warned 0 of 0"]);
    }

    #[test]
    fn repeats_within_the_horizon_are_folded() {
        check(None, &[10, 37, 38], &expect!["2 wrong, 1 folded, warned 0 of 0"]);
        // A wrong alert folds even one that would be right.
        check(Some(70), &[40, 50, 69], &expect!["1 right, 1 wrong, 1 folded, warned 1 of 1, lead 1 1 1"]);
        check(Some(70), &[40, 68], &expect!["1 right, 1 wrong, warned 1 of 1, lead 2 2 2"]);
    }

    #[test]
    fn leads_have_quartiles_and_labels_make_the_recall() {
        let labels = (0..8).chain([1_000]).map(|number: u16| {
            let churned_at = (number != 6 && number != 7).then(|| day(60));
            (format!("a{number}"), Label { churned_at, observed_until: day(60) })
        });
        let alerts: [(&str, u16); 6] = [("a0", 59), ("a1", 50), ("a2", 45), ("a3", 40), ("a6", 20), ("b", 20)];
        let alerts: Vec<Raised> = alerts.iter().map(|(account, at)| raised(account, *at)).collect();
        let since = |account: &str| (account != "a7" && account != "a1000").then(|| day(10));
        let quality = judge(&labels.collect(), since, |account| account != "a1000", &alerts, Span::from_days(28));
        // Six that churn are known for 50 days each; of one that stays, 22 of its 50 days can be judged.
        assert_eq!(quality.chance, Some(Ratio::clamped(6.0 * 28.0 / (6.0 * 50.0 + 22.0))));
        expect!["4 right, 1 wrong, 1 unlabelled, warned 4 of 6, lead 1 10 15"].assert_eq(&told(&quality));
        assert_eq!(quality.precision(), Some(Ratio::clamped(0.8)));
        // One that nobody ever told anything of could not be warned of.
        assert_eq!((quality.recall(), quality.unheard), (Some(Ratio::clamped(4.0 / 6.0)), 1));
        assert_eq!(Quality::default().precision(), None);
    }
}
