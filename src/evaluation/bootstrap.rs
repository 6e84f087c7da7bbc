//! How sure the measures are: percentile intervals from resampled accounts.
//!
//! Accounts, not rows, are drawn with replacement, since the rows of one account at several cut-offs resemble each other
//! (the cluster bootstrap; Efron and Tibshirani, *An Introduction to the Bootstrap*, chapters 8 and 13). The dice are a
//! hash of the round and the draw: the same rows give the same intervals on every machine.

use super::measures::{Measure, Measures, Ranking, Subject};
use crate::units::stable_hash;

/// Resamples drawn (500).
pub const ROUNDS: u32 = 500;

/// The share of resamples below and above the interval.
const TAILS: [f64; 2] = [0.025, 0.975];

/// The ends of a 95 % interval of each measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Below it lie 2.5 % of the resamples.
    pub low: Measures,
    /// Above it lie 2.5 % of the resamples.
    pub high: Measures,
}

/// Intervals of what was measured; each is absent where no resample held both classes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Intervals {
    /// Of each cut-off.
    pub cutoffs: Vec<Option<Interval>>,
    /// Of the mean over the cut-offs.
    pub mean: Option<Interval>,
    /// Of all rows ranked together.
    pub pooled: Option<Interval>,
}

/// Draws `rounds` resamples of the `subjects` accounts that stand in `cutoffs`, of which `pooled` is the whole.
#[must_use]
pub fn intervals(cutoffs: &[Ranking], pooled: &Ranking, subjects: u32, rounds: u32) -> Intervals {
    let mut drawn: Vec<Vec<Measures>> = vec![Vec::new(); cutoffs.len()];
    let (mut means, mut pools) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let weights = draw(subjects, round);
        let weight = |subject: Subject| weights.get(subject.0 as usize).copied().unwrap_or_default();
        let mut of_round = Vec::with_capacity(cutoffs.len());
        for (ranking, drawn) in cutoffs.iter().zip(&mut drawn) {
            let measures = ranking.weighted(weight);
            drawn.extend(measures);
            of_round.extend(measures);
        }
        means.extend(Measures::mean(&of_round));
        pools.extend(pooled.weighted(weight));
    }
    Intervals {
        cutoffs: drawn.iter().map(|drawn| interval(drawn)).collect(),
        mean: interval(&means),
        pooled: interval(&pools),
    }
}

/// How often each subject stands in the resample of `round`.
pub(super) fn draw(subjects: u32, round: u32) -> Vec<u32> {
    let mut weights = vec![0_u32; subjects as usize];
    for draw in 0..subjects {
        let bits = stable_hash(&(u64::from(round) << 32 | u64::from(draw)).to_le_bytes());
        // The high half of the hash, scaled to a number below `subjects`.
        let drawn = ((bits >> 32) * u64::from(subjects)) >> 32;
        if let Some(weight) = usize::try_from(drawn).ok().and_then(|index| weights.get_mut(index)) {
            *weight += 1;
        }
    }
    weights
}

/// The ends between which 95 % of what was drawn lie.
pub(super) fn interval(drawn: &[Measures]) -> Option<Interval> {
    let end = |tail: f64| {
        Measures::each(|measure: Measure| {
            let mut values: Vec<f64> = drawn.iter().map(|one| one.get(measure)).collect();
            values.sort_by(f64::total_cmp);
            values.get(position(values.len(), tail)).copied().unwrap_or_default()
        })
    };
    let [low, high] = TAILS;
    (!drawn.is_empty()).then(|| Interval { low: end(low), high: end(high) })
}

/// The index of a quantile among `count` sorted values: the whole part of `share x (count - 1)`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts of values
pub(super) fn position(count: usize, share: f64) -> usize {
    (share * count.saturating_sub(1) as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::measures::Scored;
    use crate::units::Ratio;

    /// `count` accounts; those with an even number churned, at a risk that is right for nine of ten.
    fn ranking(count: u32) -> Ranking {
        let rows = (0..count).map(|number| {
            let churned = number % 2 == 0;
            let risk = if (number % 10 < 9) == churned { 0.8 } else { 0.2 };
            Scored { subject: Subject(number), risk: Ratio::clamped(risk), churned }
        });
        Ranking::new(rows.collect())
    }

    #[test]
    fn every_subject_is_drawn_once_in_the_mean() {
        let weights = draw(1_000, 7);
        assert_eq!(weights.iter().sum::<u32>(), 1_000);
        let left_out = weights.iter().filter(|weight| **weight == 0).count();
        // A share of 1/e is to be expected.
        assert!((320..420).contains(&left_out), "{left_out}");
        assert_ne!(weights, draw(1_000, 8));
    }

    #[test]
    fn intervals_hold_the_measure_and_narrow_with_more_accounts() {
        let width = |count: u32| {
            let ranking = ranking(count);
            let measured = ranking.measures().unwrap();
            let intervals = intervals(std::slice::from_ref(&ranking), &ranking, count, 200);
            let interval = intervals.pooled.unwrap();
            assert_eq!(intervals.cutoffs, [Some(interval)]);
            assert_eq!(intervals.mean, Some(interval));
            for measure in [Measure::Auc, Measure::AveragePrecision] {
                assert!(interval.low.get(measure) < measured.get(measure), "{}", measure.name());
                assert!(interval.high.get(measure) > measured.get(measure), "{}", measure.name());
            }
            interval.high.get(Measure::Auc) - interval.low.get(Measure::Auc)
        };
        assert!(width(2_000) < width(100) / 2.0);
    }

    #[test]
    fn one_class_has_no_interval() {
        let rows = vec![Scored { subject: Subject(0), risk: Ratio::ONE, churned: true }];
        let ranking = Ranking::new(rows);
        let found = intervals(std::slice::from_ref(&ranking), &ranking, 1, 10);
        assert_eq!(found, Intervals { cutoffs: vec![None], mean: None, pooled: None });
    }
}
