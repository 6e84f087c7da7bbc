//! The measures of every cut-off, their mean and those of all rows together, with intervals.

use super::bootstrap::{Interval, intervals};
use super::measures::{Measures, Ranking, Scored};
use crate::units::Timestamp;

/// How good the risks were.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Evaluation {
    /// Each cut-off, in the order given.
    pub cutoffs: Vec<OfCutoff>,
    /// The mean over the cut-offs that have both classes: the headline; absent when none has.
    pub mean: Option<Estimate>,
    /// All rows ranked together; absent unless both classes are there.
    pub pooled: Option<Estimate>,
}

/// How good the risks of one cut-off were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfCutoff {
    /// The cut-off.
    pub at: Timestamp,
    /// Accounts measured.
    pub accounts: usize,
    /// Those that churned within the horizon.
    pub churned: usize,
    /// The measures; absent unless some churned and some stayed.
    pub estimate: Option<Estimate>,
}

/// Measures with how sure they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// As measured.
    pub measures: Measures,
    /// The 95 % interval; absent when none was drawn.
    pub interval: Option<Interval>,
}

/// Evaluates the rows of each cut-off; the numbers of their subjects lie below `subjects`. Intervals come from `rounds`
/// resamples, none for 0.
#[must_use]
pub fn evaluate(cutoffs: Vec<(Timestamp, Vec<Scored>)>, subjects: u32, rounds: u32) -> Evaluation {
    let pooled = Ranking::new(cutoffs.iter().flat_map(|(_, rows)| rows.iter().copied()).collect());
    let (times, rankings): (Vec<Timestamp>, Vec<Ranking>) =
        cutoffs.into_iter().map(|(at, rows)| (at, Ranking::new(rows))).unzip();
    let drawn = intervals(&rankings, &pooled, subjects, rounds);
    let estimate = |measures: Option<Measures>, interval| measures.map(|measures| Estimate { measures, interval });
    let measured: Vec<Option<Measures>> = rankings.iter().map(Ranking::measures).collect();
    let mean = Measures::mean(&measured.iter().flatten().copied().collect::<Vec<_>>());
    let of_cutoff = |(((at, ranking), measures), interval): (((Timestamp, &Ranking), _), &Option<Interval>)| OfCutoff {
        at,
        accounts: ranking.rows().len(),
        churned: ranking.rows().iter().filter(|row| row.churned).count(),
        estimate: estimate(measures, *interval),
    };
    Evaluation {
        mean: estimate(mean, drawn.mean),
        pooled: estimate(pooled.measures(), drawn.pooled),
        cutoffs: times.into_iter().zip(&rankings).zip(measured).zip(&drawn.cutoffs).map(of_cutoff).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::measures::{Measure, Subject};
    use crate::units::{Day, Ratio};

    #[test]
    fn the_mean_leaves_out_cutoffs_with_one_class() {
        let day = |number: u16| Day::new(20_000 + number).start();
        let row = |number, risk, churned| Scored { subject: Subject(number), risk: Ratio::clamped(risk), churned };
        let found = evaluate(
            vec![
                (day(0), vec![row(0, 0.9, true), row(1, 0.1, false)]),
                (day(30), vec![row(0, 0.2, true), row(1, 0.3, false), row(2, 0.1, false)]),
                (day(60), vec![row(2, 0.1, false)]),
            ],
            3,
            20,
        );
        let auc = |estimate: Option<Estimate>| estimate.map(|estimate| estimate.measures.get(Measure::Auc));
        let each: Vec<_> = found.cutoffs.iter().map(|of| (of.accounts, of.churned, auc(of.estimate))).collect();
        assert_eq!(each, [(2, 1, Some(1.0)), (3, 1, Some(0.5)), (1, 0, None)]);
        assert_eq!(auc(found.mean), Some(0.75));
        // Pooled: 0.9 and 0.2 churned; 0.1, 0.3, 0.1, 0.1 stayed: seven of eight pairs in order.
        assert_eq!(auc(found.pooled), Some(0.875));
        assert!(found.mean.is_some_and(|mean| mean.interval.is_some()));
        assert_eq!(evaluate(Vec::new(), 0, 20), Evaluation::default());
    }
}
