//! Two shares side by side: how sure each is, how sure their difference is, and which of many differences hold.
//!
//! Pure formulas; nothing here knows of accounts.

/// The normal quantile of a two-sided 95 % interval.
pub const Z_95: f64 = 1.959_963_984_540_054;
/// The chance of even one wrong mark among all differences that [`holm`] is given.
pub const LEVEL: f64 = 0.05;

/// How many of a group have something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Portion {
    /// Those that have it.
    pub with: u64,
    /// All of which it is known whether they have it; no fewer.
    pub of: u64,
}

/// By how much one share exceeds another, between what and what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The one less the other, in [-1, 1].
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of it.
    pub high: f64,
}

impl Portion {
    /// The share, in [0, 1]; `None` of nobody.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.with as f64 / self.of as f64)
    }

    /// The score interval of the share for the normal quantile `z`: its lower and its upper end; `None` of nobody.
    ///
    /// `(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)`. Unlike `p -+ z sqrt(p(1-p)/n)` it stays within [0, 1]
    /// and holds its level for small groups and for shares near 0 or 1.
    ///
    /// Source: Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927).
    ///
    /// ```
    /// use churnwatch::engine::census::proportions::{Portion, Z_95};
    /// let [low, high] = Portion { with: 0, of: 10 }.interval(Z_95).unwrap();
    /// assert!(low.abs() < 1e-12 && (high - 0.2775).abs() < 1e-4);
    /// let [low, high] = Portion { with: 81, of: 263 }.interval(Z_95).unwrap();
    /// assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4);
    /// ```
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
    pub fn interval(self, z: f64) -> Option<[f64; 2]> {
        let share = self.share()?;
        let count = self.of as f64;
        let weight = z * z / count;
        let half = z * (share * (1.0 - share) / count + weight / (4.0 * count)).sqrt();
        Some([-half, half].map(|half| ((share + weight / 2.0 + half) / (1.0 + weight)).clamp(0.0, 1.0)))
    }
}

/// By how much the share of `one` exceeds that of `other`, with the hybrid score interval for the normal quantile `z`;
/// `None` where either is of nobody.
///
/// With the score intervals `[l1, u1]` and `[l2, u2]` of the shares `p1` and `p2` it goes from
/// `d - sqrt((p1 - l1)^2 + (u2 - p2)^2)` to `d + sqrt((u1 - p1)^2 + (p2 - l2)^2)`, `d = p1 - p2`.
///
/// Source: Newcombe, *Interval estimation for the difference between independent proportions*, Statistics in Medicine 17
/// (1998), method 10; the example is its table II (a).
///
/// ```
/// use churnwatch::engine::census::proportions::{Portion, Z_95, difference};
/// let found = difference(Portion { with: 56, of: 70 }, Portion { with: 48, of: 80 }, Z_95).unwrap();
/// assert!((found.value - 0.2).abs() < 1e-12);
/// assert!((found.low - 0.0524).abs() < 1e-4 && (found.high - 0.3339).abs() < 1e-4);
/// ```
#[must_use]
pub fn difference(one: Portion, other: Portion, z: f64) -> Option<Difference> {
    let (first, second) = (one.share()?, other.share()?);
    let ([low_1, high_1], [low_2, high_2]) = (one.interval(z)?, other.interval(z)?);
    let value = first - second;
    Some(Difference {
        value,
        low: value - (first - low_1).hypot(high_2 - second),
        high: value + (high_1 - first).hypot(second - low_2),
    })
}

/// The largest quantile that is looked at: beyond, a chance is as good as 0.
const QUANTILE_MAX: f64 = 40.0;
/// Halvings of it: more than the digits of a double.
const HALVINGS: u32 = 60;

/// How likely chance alone makes two groups differ so much that the interval of [`difference`] leaves out 0, in [0, 1]:
/// the level at which the interval just touches 0. 1 where the shares are equal or either is of nobody.
///
/// ```
/// use churnwatch::engine::census::proportions::{Portion, chance};
/// // The 95 % interval from 0.0524 to 0.3339 leaves out 0 by some way.
/// let chance = chance(Portion { with: 56, of: 70 }, Portion { with: 48, of: 80 });
/// assert!((0.005..0.01).contains(&chance), "{chance}");
/// ```
#[must_use]
pub fn chance(one: Portion, other: Portion) -> f64 {
    let leaves_out_0 = |z: f64| difference(one, other, z).is_some_and(|found| found.low > 0.0 || found.high < 0.0);
    let (mut low, mut high) = (0.0, QUANTILE_MAX);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if leaves_out_0(middle) { low = middle } else { high = middle }
    }
    libm::erfc(low / std::f64::consts::SQRT_2)
}

/// Which of several differences hold, given the chance of each: so that the chance of even one wrong among them is at most
/// `level`, however they depend on each other.
///
/// Step by step from the least likely by chance: the `i`-th of `m` holds while its chance is at most `level / (m - i + 1)`.
///
/// Source: Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 6 (1979).
///
/// ```
/// use churnwatch::engine::census::proportions::holm;
/// // 0.01 <= 0.05/4 and 0.015 <= 0.05/3 hold; 0.03 > 0.05/2 ends it.
/// assert_eq!(holm(&[0.03, 0.01, 0.04, 0.015], 0.05), [false, true, false, true]);
/// assert!(holm(&[], 0.05).is_empty());
/// ```
#[must_use]
#[allow(clippy::cast_precision_loss)] // a number of table rows
pub fn holm(chances: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    let chance = |index: &usize| chances.get(*index).copied().unwrap_or(1.0);
    order.sort_by(|one, other| chance(one).total_cmp(&chance(other)));
    let mut holds = vec![false; chances.len()];
    for (rank, index) in order.iter().enumerate() {
        if chance(index) > level / (chances.len() - rank) as f64 {
            break;
        }
        if let Some(holds) = holds.get_mut(*index) {
            *holds = true;
        }
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portion(with: u64, of: u64) -> Portion {
        Portion { with, of }
    }

    #[test]
    fn intervals_are_those_of_the_paper() {
        // Newcombe 1998, table II, method 10: a to h.
        for (one, other, low, high) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((6, 7), (2, 7), 0.0582, 0.8062),
            ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775),
            ((0, 10), (0, 10), -0.2775, 0.2775),
            ((10, 10), (0, 20), 0.6791, 1.0),
            ((10, 10), (0, 10), 0.6075, 1.0),
        ] {
            let found = difference(portion(one.0, one.1), portion(other.0, other.1), Z_95).unwrap();
            assert!((found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4, "{one:?} {other:?} {found:?}");
        }
        assert_eq!(difference(portion(0, 0), portion(1, 2), Z_95), None);
    }

    #[test]
    fn a_chance_below_a_level_is_an_interval_that_leaves_out_0_at_it() {
        for (one, other) in [((30, 40), (20, 40)), ((9, 10), (3, 10)), ((12, 40), (10, 40)), ((2, 50), (12, 40))] {
            let (one, other) = (portion(one.0, one.1), portion(other.0, other.1));
            let found = difference(one, other, Z_95).unwrap();
            assert_eq!(chance(one, other) < 0.05, found.low > 0.0 || found.high < 0.0, "{one:?} {other:?}");
            assert!((chance(one, other) - chance(other, one)).abs() < 1e-9);
        }
        assert!((chance(portion(5, 10), portion(10, 20)) - 1.0).abs() < 1e-12);
        assert!((chance(portion(0, 0), portion(10, 20)) - 1.0).abs() < 1e-12);
        assert!(chance(portion(100_000, 100_000), portion(0, 100_000)) < 1e-12);
    }
}
