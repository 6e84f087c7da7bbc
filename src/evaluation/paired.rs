//! How sure a difference between two sets of rules is: a percentile interval of the change of the mean measures.
//!
//! Both are measured on the same resampled accounts (the paired cluster bootstrap), so that what they have in common, such
//! as an account that is hard for either, falls out of the difference. Their own intervals may overlap widely where this
//! one is far from 0.

use std::collections::BTreeMap;

use super::bootstrap::{Interval, draw, interval};
use super::cases::Cases;
use super::measures::{Measures, Ranking, Subject};

/// The 95 % interval of the change of the mean over the cut-offs from `base` to `other`, from `rounds` resamples of the
/// accounts that occur in either; `None` where no resample held both classes in both, or for no resamples.
#[must_use]
pub fn change(base: &Cases, other: &Cases, rounds: u32) -> Option<Interval> {
    let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
    for name in base.names.iter().chain(&other.names) {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        numbers.entry(name).or_insert(next);
    }
    let (base, other) = (rankings(base, &numbers), rankings(other, &numbers));
    let subjects = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    let mut drawn = Vec::new();
    for round in 0..rounds {
        let weights = draw(subjects, round);
        let mean = |rankings: &[Ranking]| {
            let weight = |subject: Subject| weights.get(subject.0 as usize).copied().unwrap_or_default();
            let measured: Vec<Measures> = rankings.iter().filter_map(|ranking| ranking.weighted(weight)).collect();
            Measures::mean(&measured)
        };
        if let (Some(base), Some(other)) = (mean(&base), mean(&other)) {
            drawn.push(Measures::each(|measure| other.get(measure) - base.get(measure)));
        }
    }
    interval(&drawn)
}

/// The rankings of the cut-offs, their accounts by the numbers that both sides share.
fn rankings(cases: &Cases, numbers: &BTreeMap<&str, u32>) -> Vec<Ranking> {
    let shared: Vec<u32> = cases.names.iter().filter_map(|name| numbers.get(name.as_str()).copied()).collect();
    let rank = |rows: &[super::measures::Scored]| {
        let renamed = rows.iter().filter_map(|row| {
            let subject = Subject(*shared.get(row.subject.0 as usize)?);
            Some(super::measures::Scored { subject, ..*row })
        });
        Ranking::new(renamed.collect())
    };
    cases.cutoffs.iter().map(|(_, rows)| rank(rows)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::bootstrap::intervals;
    use crate::evaluation::measures::{Measure, Scored};
    use crate::units::{Day, Ratio, stable_hash};

    /// `count` accounts, every third of which churned, numbered from the front or from the back. Risks are noise, raised by
    /// `skill` for those who churned.
    fn cases(count: u32, skill: f64, backwards: bool) -> Cases {
        let accounts: Vec<u32> = if backwards { (0..count).rev().collect() } else { (0..count).collect() };
        let row = |(number, account): (u32, &u32)| {
            let churned = account % 3 == 0;
            #[allow(clippy::cast_precision_loss)]
            let noise = (stable_hash(&account.to_le_bytes()) % 1_000) as f64 / 2_000.0;
            let risk = Ratio::clamped(noise + if churned { skill } else { 0.0 });
            Scored { subject: Subject(number), risk, churned }
        };
        Cases {
            names: accounts.iter().map(|account| format!("account {account}").into()).collect(),
            subjects: count,
            cutoffs: vec![(Day::new(20_000).start(), (0..).zip(&accounts).map(row).collect())],
            ..Cases::default()
        }
    }

    fn auc(interval: Interval) -> [f64; 2] {
        [interval.low.get(Measure::Auc), interval.high.get(Measure::Auc)]
    }

    #[test]
    fn the_same_rules_do_not_differ() {
        let same = change(&cases(90, 0.1, false), &cases(90, 0.1, false), 50).unwrap();
        for measure in Measure::ALL {
            assert_eq!((same.low.get(measure), same.high.get(measure)), (0.0, 0.0), "{}", measure.name());
        }
        assert_eq!(change(&Cases::default(), &Cases::default(), 50), None);
        assert_eq!(change(&cases(90, 0.1, false), &cases(90, 0.1, false), 0), None);
    }

    #[test]
    fn accounts_are_paired_by_name_whatever_their_numbers() {
        let base = cases(120, 0.05, false);
        let [forwards, backwards] =
            [false, true].map(|backwards| change(&base, &cases(120, 0.1, backwards), 100).unwrap());
        assert_eq!(forwards, backwards);
    }

    #[test]
    fn a_small_but_steady_gain_is_told_where_the_intervals_of_both_overlap() {
        let (base, other) = (cases(150, 0.05, false), cases(150, 0.09, false));
        let alone = |cases: &Cases| {
            let ranking = Ranking::new(cases.cutoffs[0].1.clone());
            auc(intervals(std::slice::from_ref(&ranking), &ranking, 150, 200).pooled.unwrap())
        };
        assert!(alone(&base)[1] > alone(&other)[0], "the intervals do not overlap: nothing is shown");
        let [low, high] = auc(change(&base, &other, 200).unwrap());
        assert!(low > 0.0 && high > low, "{low} to {high}");
    }
}
