//! How well a ranking by risk tells those who churned from those who stayed, and whether the risks mean what they say.
//!
//! Tied risks never depend on the order in which they are given: every measure takes the expectation over the orders
//! that the tie allows.

use crate::units::Ratio;

/// Bins of the calibration error.
const CALIBRATION_BINS: f64 = 10.0;
/// The riskiest one in this many make the top tenth.
const TOP_SHARE: f64 = 10.0;

/// An account, by its number in the evaluation: bootstrap draws all its rows together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub u32);

/// The risk of an account at one cut-off, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The account.
    pub subject: Subject,
    /// Its risk.
    pub risk: Ratio,
    /// Whether it churned within the horizon.
    pub churned: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `auc`: the probability that one who churned had a higher risk than one who stayed, ties counting half.
    Auc,
    /// `average_precision`: the mean over those who churned of the precision among all with at least their risk.
    AveragePrecision,
    /// `top_precision`: the share that churned among the `ceil(n/10)` of highest risk.
    TopPrecision,
    /// `top_lift`: that share over the share that churned among all; 1 is chance.
    TopLift,
    /// `calibration_error`: expected calibration error with ten bins of equal count: the mean over the bins of how far
    /// the mean risk lies from the share that churned (Naeini et al. 2015, with equal-mass bins). 0 is best.
    CalibrationError,
}

impl Measure {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Measure; 5] =
        [Measure::Auc, Measure::AveragePrecision, Measure::TopPrecision, Measure::TopLift, Measure::CalibrationError];

    /// Stable snake-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Measure::Auc => "auc",
            Measure::AveragePrecision => "average_precision",
            Measure::TopPrecision => "top_precision",
            Measure::TopLift => "top_lift",
            Measure::CalibrationError => "calibration_error",
        }
    }
}

/// One value for each measure. All but the lift lie in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Measures {
    auc: f64,
    average_precision: f64,
    top_precision: f64,
    top_lift: f64,
    calibration_error: f64,
}

impl Measures {
    /// The value of `measure`.
    #[must_use]
    pub fn get(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Auc => self.auc,
            Measure::AveragePrecision => self.average_precision,
            Measure::TopPrecision => self.top_precision,
            Measure::TopLift => self.top_lift,
            Measure::CalibrationError => self.calibration_error,
        }
    }

    /// Measures whose values `value` gives.
    #[must_use]
    pub fn each(mut value: impl FnMut(Measure) -> f64) -> Measures {
        Measures {
            auc: value(Measure::Auc),
            average_precision: value(Measure::AveragePrecision),
            top_precision: value(Measure::TopPrecision),
            top_lift: value(Measure::TopLift),
            calibration_error: value(Measure::CalibrationError),
        }
    }

    /// The mean of each measure; `None` of nothing.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // a number of cut-offs
    pub fn mean(all: &[Measures]) -> Option<Measures> {
        let count = all.len() as f64;
        let mean = |measure| all.iter().map(|one| one.get(measure)).sum::<f64>() / count;
        (!all.is_empty()).then(|| Measures::each(mean))
    }
}

/// Scored accounts, riskiest first.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    rows: Vec<Scored>,
}

impl Ranking {
    /// Ranks `rows`.
    #[must_use]
    pub fn new(mut rows: Vec<Scored>) -> Ranking {
        rows.sort_by(|a, b| b.risk.get().total_cmp(&a.risk.get()).then(a.subject.cmp(&b.subject)));
        Ranking { rows }
    }

    /// The rows, riskiest first.
    #[must_use]
    pub fn rows(&self) -> &[Scored] {
        &self.rows
    }

    /// The measures of this ranking; `None` unless some churned and some stayed.
    ///
    /// ```
    /// use churnwatch::evaluation::measures::{Measure, Ranking, Scored, Subject};
    /// use churnwatch::units::Ratio;
    /// // Four accounts; the one with 0.8 and one of the two with 0.4 churned.
    /// let rows = [(0.8, true), (0.4, true), (0.4, false), (0.1, false)];
    /// let rows = rows.iter().zip(0..).map(|((risk, churned), number)| Scored {
    ///     subject: Subject(number), risk: Ratio::clamped(*risk), churned: *churned,
    /// });
    /// let measures = Ranking::new(rows.collect()).measures().unwrap();
    /// // Of 2 x 2 pairs three are in order and one is tied: 3.5 of 4.
    /// assert_eq!(measures.get(Measure::Auc), 0.875);
    /// // Precision 1 at the first, 2 of 3 at the tied group that holds the second.
    /// assert!((measures.get(Measure::AveragePrecision) - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
    /// // The top tenth of four is one account, which churned; half of all did.
    /// assert_eq!(measures.get(Measure::TopPrecision), 1.0);
    /// assert_eq!(measures.get(Measure::TopLift), 2.0);
    /// // Ten bins of 0.4 accounts, the tied two counting as half churned. Errors of 0.2, 0.1, 0.1 and 0.1, but in the
    /// // eighth bin 0.2 accounts with 0.1 too little and 0.2 accounts with 0.1 too much cancel out.
    /// let error = (0.2 + 0.1 + 0.1 + 0.1 - 2.0 * 0.2 * 0.1) / 4.0;
    /// assert!((measures.get(Measure::CalibrationError) - error).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn measures(&self) -> Option<Measures> {
        self.weighted(|_| 1)
    }

    /// The measures when each subject stands there `weight` times.
    #[must_use]
    pub fn weighted(&self, weight: impl Fn(Subject) -> u32) -> Option<Measures> {
        let mut all = Group::default();
        for row in &self.rows {
            all.add(row, weight(row.subject));
        }
        let (churned, stayed) = (all.churned, all.count - all.churned);
        if churned == 0.0 || stayed == 0.0 {
            return None;
        }
        let top = (all.count / TOP_SHARE).ceil();
        let (mut seen, mut ordered, mut precision, mut top_churned) = (Group::default(), 0.0, 0.0, 0.0);
        let mut bins = Bins::new(all.count / CALIBRATION_BINS);
        for tied in self.rows.chunk_by(|a, b| a.risk == b.risk) {
            let mut group = Group::default();
            for row in tied {
                group.add(row, weight(row.subject));
            }
            let Some(risk) = tied.first().map(|row| row.risk.get()).filter(|_| group.count > 0.0) else { continue };
            ordered += (group.count - group.churned) * (seen.churned + group.churned / 2.0);
            if seen.count < top {
                top_churned += group.churned * group.count.min(top - seen.count) / group.count;
            }
            bins.fill(risk - group.churned / group.count, group.count);
            seen.count += group.count;
            seen.churned += group.churned;
            precision += group.churned / churned * (seen.churned / seen.count);
        }
        Some(Measures {
            auc: ordered / (churned * stayed),
            average_precision: precision,
            top_precision: top_churned / top,
            top_lift: top_churned / top / (churned / all.count),
            calibration_error: bins.gaps() / all.count,
        })
    }
}

/// How many, and how many of them churned.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    count: f64,
    churned: f64,
}

impl Group {
    fn add(&mut self, row: &Scored, weight: u32) {
        self.count += f64::from(weight);
        self.churned += if row.churned { f64::from(weight) } else { 0.0 };
    }
}

/// Bins of equal count, filled one after the other; a group of tied risks may be split between bins.
#[derive(Debug)]
struct Bins {
    size: f64,
    room: f64,
    /// Risk less outcome, summed over the present bin.
    surplus: f64,
    /// Sum of the absolute surpluses of the full bins.
    total: f64,
}

impl Bins {
    /// Rounding may leave a bin this much short of full, as a share of it.
    const SLACK: f64 = 1e-9;

    fn new(size: f64) -> Bins {
        Bins { size, room: size, surplus: 0.0, total: 0.0 }
    }

    /// Adds `count` rows whose risk exceeds their outcome by `surplus` each.
    fn fill(&mut self, surplus: f64, mut count: f64) {
        while count > 0.0 {
            let taken = count.min(self.room);
            self.surplus += surplus * taken;
            self.room -= taken;
            count -= taken;
            if self.room <= self.size * Bins::SLACK {
                self.total += self.surplus.abs();
                (self.surplus, self.room) = (0.0, self.size);
            }
        }
    }

    /// The sum of the absolute surpluses.
    fn gaps(self) -> f64 {
        self.total + self.surplus.abs()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn ranking(rows: &[(f64, bool)]) -> Ranking {
        let scored = rows.iter().zip(0..).map(|((risk, churned), number)| Scored {
            subject: Subject(number),
            risk: Ratio::clamped(*risk),
            churned: *churned,
        });
        Ranking::new(scored.collect())
    }

    /// Risks, those of accounts that churned marked with `!`; shows every measure.
    fn check(rows: &str, expected: &Expect) {
        let rows: Vec<(f64, bool)> = rows
            .split_whitespace()
            .map(|word| (word.trim_end_matches('!').parse().unwrap(), word.ends_with('!')))
            .collect();
        let mut shown = String::new();
        match ranking(&rows).measures() {
            Some(measures) => Measure::ALL
                .iter()
                .for_each(|measure| writeln!(shown, "{} {:.4}", measure.name(), measures.get(*measure)).unwrap()),
            None => shown.push_str("one class only\n"),
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_perfect_ranking() {
        check(
            "0.9! 0.8! 0.2 0.1 0.1",
            &expect![[r#"
            auc 1.0000
            average_precision 1.0000
            top_precision 1.0000
            top_lift 2.5000
            calibration_error 0.1400
        "#]],
        );
    }

    #[test]
    fn a_reversed_ranking() {
        check(
            "0.9 0.8 0.2! 0.1!",
            &expect![[r#"
            auc 0.0000
            average_precision 0.4167
            top_precision 0.0000
            top_lift 0.0000
            calibration_error 0.8500
        "#]],
        );
    }

    #[test]
    fn all_tied_is_chance() {
        check(
            "0.3 0.3! 0.3 0.3 0.3!",
            &expect![[r#"
            auc 0.5000
            average_precision 0.4000
            top_precision 0.4000
            top_lift 1.0000
            calibration_error 0.1000
        "#]],
        );
    }

    #[test]
    fn a_tie_over_the_edge_of_the_top_tenth_counts_by_its_expectation() {
        // Eleven accounts: the top tenth is two; the second place is shared by three, of whom one churned.
        check(
            "0.9! 0.5! 0.5 0.5 0.4 0.4 0.3 0.3 0.2 0.1 0.1",
            &expect![[r#"
            auc 0.9444
            average_precision 0.7500
            top_precision 0.6667
            top_lift 3.6667
            calibration_error 0.2152
        "#]],
        );
    }

    #[test]
    fn ten_bins_of_two() {
        // The first bin: risk 0.9, one of two churned. The others are exact.
        check(
            "0.9! 0.9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
            &expect![[r#"
                auc 0.9737
                average_precision 0.5000
                top_precision 0.5000
                top_lift 10.0000
                calibration_error 0.0400
            "#]],
        );
    }

    #[test]
    fn one_class_gives_nothing() {
        check(
            "0.9 0.1",
            &expect![[r#"
            one class only
        "#]],
        );
        check(
            "0.9!",
            &expect![[r#"
            one class only
        "#]],
        );
        check(
            "",
            &expect![[r#"
            one class only
        "#]],
        );
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_ordered_pairs(
            rows in proptest::collection::vec(((0_u8..8).prop_map(|risk| f64::from(risk) / 8.0), any::<bool>()), 2..40),
        ) {
            let (mut ordered, mut pairs) = (0.0, 0_u32);
            for (high, _) in rows.iter().filter(|row| row.1) {
                for (low, _) in rows.iter().filter(|row| !row.1) {
                    pairs += 1;
                    ordered += if high > low { 1.0 } else if high < low { 0.0 } else { 0.5 };
                }
            }
            let measured = ranking(&rows).measures();
            prop_assert_eq!(measured.is_some(), pairs > 0);
            if let Some(measured) = measured {
                prop_assert!((measured.get(Measure::Auc) - ordered / f64::from(pairs)).abs() < 1e-12);
            }
        }

        #[test]
        fn weights_stand_for_repeated_rows(
            rows in proptest::collection::vec(((0_u8..8).prop_map(|risk| f64::from(risk) / 8.0), any::<bool>(), 0_u32..4), 1..30),
        ) {
            let repeated: Vec<(f64, bool)> = rows
                .iter()
                .flat_map(|(risk, churned, times)| (0..*times).map(|_| (*risk, *churned)))
                .collect();
            let plain: Vec<(f64, bool)> = rows.iter().map(|(risk, churned, _)| (*risk, *churned)).collect();
            let weights: Vec<u32> = rows.iter().map(|(_, _, times)| *times).collect();
            let weighted = ranking(&plain).weighted(|subject| weights[subject.0 as usize]);
            let repeated = ranking(&repeated).measures();
            prop_assert_eq!(weighted.is_some(), repeated.is_some());
            if let (Some(weighted), Some(repeated)) = (weighted, repeated) {
                for measure in Measure::ALL {
                    prop_assert!((weighted.get(measure) - repeated.get(measure)).abs() < 1e-9, "{}", measure.name());
                }
            }
        }
    }
}
