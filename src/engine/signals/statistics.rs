//! Tail probabilities that keep small counts honest.

/// Probability of at most `count` events where `mean` are expected: the Poisson distribution function.
///
/// Summed exactly up to a mean of 60, by the normal approximation with continuity correction beyond. A fall from two
/// events to one is no alarm, a fall from two thousand to one thousand is:
///
/// ```
/// use churnwatch::engine::signals::statistics::poisson_at_most;
/// assert!((poisson_at_most(1.0, 2.0) - 0.41).abs() < 0.01);
/// assert!(poisson_at_most(1_000.0, 2_000.0) < 1e-12);
/// ```
///
/// Source: Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, chapter 4.
#[must_use]
pub fn poisson_at_most(count: f64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    if mean > 60.0 {
        let z = (count + 0.5 - mean) / mean.sqrt();
        return 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    }
    let mut term = libm::exp(-mean);
    let mut sum = term;
    let mut k = 1.0;
    while k <= count.floor() {
        term *= mean / k;
        sum += term;
        k += 1.0;
    }
    sum.min(1.0)
}

/// Probability that a gap between exponential events lasts longer than `gap`, when `count` gaps of `total` length in
/// all have been seen: the predictive survival `(1 + gap / total)^(-count)`.
///
/// It is the exact Bayesian predictive (Lomax) distribution under the scale-invariant prior, so that few gaps give a
/// heavy tail and no false certainty: with five weekly gaps, six weeks of silence have probability 0.02; with
/// fifty, 0.0035. Irregular accounts count fewer: `count` is divided by their dispersion beforehand.
///
/// ```
/// use churnwatch::engine::signals::statistics::gap_survival;
/// assert!((gap_survival(42.0, 5.0, 35.0) - 0.02).abs() < 0.001);
/// assert!((gap_survival(42.0, 50.0, 350.0) - 0.0035).abs() < 0.0001);
/// ```
///
/// Source: Geisser, *Predictive Inference*, section 2.2.
#[must_use]
pub fn gap_survival(gap: f64, count: f64, total: f64) -> f64 {
    if total <= 0.0 { 1.0 } else { libm::exp(-count * libm::log1p(gap / total)) }
}

/// The gap whose [`gap_survival`] is `probability`.
#[must_use]
pub fn gap_at(probability: f64, count: f64, total: f64) -> f64 {
    if count <= 0.0 { f64::INFINITY } else { total * libm::expm1(-libm::log(probability) / count) }
}

/// Gaps as regular as those of a gamma distribution: what one event in `shape` of a process by chance would show.
#[derive(Clone, Copy, Debug)]
pub struct RegularGaps {
    /// How many have been seen.
    pub count: f64,
    /// Their length in all.
    pub total: f64,
    /// From 1 (chance) on.
    pub shape: f64,
}

impl RegularGaps {
    /// `ln` of the probability that a gap lasts longer than `gap`: [`gap_survival`] for regular gaps.
    ///
    /// `gap / (gap + total)` has the beta distribution with parameters `shape` and `count x shape`, which for whole shapes
    /// is a binomial tail; between whole shapes the logarithms are interpolated. Of ten gaps of ten days each, a silence of
    /// 30 days has probability 0.073 after gaps by chance, and 0.030 after gaps with shape 2:
    ///
    /// ```
    /// use churnwatch::engine::signals::statistics::RegularGaps;
    /// let survival = |shape| RegularGaps { count: 10.0, total: 100.0, shape }.log_survival(30.0).exp();
    /// assert!((survival(1.0) - 1.3_f64.powi(-10)).abs() < 1e-12);
    /// assert!((survival(2.0) - 1.3_f64.powi(-21) * (1.0 + 21.0 * 0.3)).abs() < 1e-12);
    /// ```
    ///
    /// Source: Aitchison and Dunsmore, *Statistical Prediction Analysis*, section 2.3.
    #[must_use]
    pub fn log_survival(&self, gap: f64) -> f64 {
        if self.total <= 0.0 || gap <= 0.0 { 0.0 } else { self.at(libm::log1p(gap / self.total), gap / self.total).0 }
    }

    /// The gap that is outlasted with this probability; infinite where no gap has been seen.
    #[must_use]
    pub fn gap_at(&self, probability: f64) -> f64 {
        let by_chance = -libm::log(probability) / self.count;
        if self.count <= 0.0 || self.shape <= 1.0 {
            return gap_at(probability, self.count, self.total);
        }
        // Newton's method on the logarithms: the survival falls ever faster there, so that every step but the first
        // comes from the right.
        let mut span = by_chance;
        for _ in 0..STEPS_MAX {
            let (log_survival, slope) = self.at(span, libm::expm1(span));
            let step = (log_survival + by_chance * self.count) / slope;
            span = (span - step).max(0.0);
            if step.abs() < CLOSE {
                break;
            }
        }
        self.total * libm::expm1(span)
    }

    /// `ln` of the survival of a gap of `odds x total`, and its derivative by `span = ln(1 + odds)`.
    fn at(&self, span: f64, odds: f64) -> (f64, f64) {
        let (below, part) = (libm::floor(self.shape), self.shape - libm::floor(self.shape));
        let (low, low_slope) = self.erlang(span, odds, below);
        if part <= 0.0 {
            return (low, low_slope);
        }
        let (high, high_slope) = self.erlang(span, odds, below + 1.0);
        (low + part * (high - low), low_slope + part * (high_slope - low_slope))
    }

    /// The same for a whole shape: `P(Binomial(trials, x) < shape)` with `x = odds / (1 + odds)`.
    fn erlang(&self, span: f64, odds: f64, shape: f64) -> (f64, f64) {
        let trials = shape + self.count * shape - 1.0;
        let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
        while k < shape {
            term *= (trials - k + 1.0) / k * odds;
            sum += term;
            k += 1.0;
        }
        (libm::log(sum) - trials * span, -self.count * shape * term / sum)
    }
}

/// So near, as a share of the gaps in all, is near enough.
const CLOSE: f64 = 0.001;
/// Newton's method needs three steps or four.
const STEPS_MAX: u32 = 16;

/// Probability of at least `count` events where a gamma-distributed rate of this `shape` lets expect `mean`: the tail of
/// the negative binomial distribution.
///
/// It is the predictive distribution of a Poisson count whose rate is known only from `shape` events so far: with little
/// known, many events are less surprising. With half an event known and 0.5 expected, four have probability 0.022; with
/// fifty known, 0.0019.
///
/// ```
/// use churnwatch::engine::signals::statistics::negative_binomial_at_least;
/// assert!((negative_binomial_at_least(4, 0.5, 0.5) - 0.022).abs() < 0.001);
/// assert!((negative_binomial_at_least(4, 50.0, 0.5) - 0.0019).abs() < 0.0001);
/// ```
///
/// Source: Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, chapter 5.
#[must_use]
pub fn negative_binomial_at_least(count: u32, shape: f64, mean: f64) -> f64 {
    if shape <= 0.0 || mean <= 0.0 {
        return if count == 0 { 1.0 } else { 0.0 };
    }
    let success = mean / (shape + mean);
    let mut term = libm::exp(-shape * libm::log1p(mean / shape));
    let mut below = 0.0;
    for k in 0..count {
        below += term;
        term *= (shape + f64::from(k)) / (f64::from(k) + 1.0) * success;
    }
    (1.0 - below).clamp(0.0, 1.0)
}

/// Probability of at most `count` successes in `trials` where the chance of one is beta-distributed with the shapes
/// `success` and `failure`: the lower tail of the beta-binomial distribution.
///
/// It is the predictive distribution where the chance is known only from so many successes and failures. After three of
/// three surveys answered (uniform prior: shapes 4 and 1) three in a row unanswered have probability 0.029; after none known,
/// 0.25.
///
/// ```
/// use churnwatch::engine::signals::statistics::beta_binomial_at_most;
/// assert!((beta_binomial_at_most(0, 3, 4.0, 1.0) - 0.0286).abs() < 0.0001);
/// assert!((beta_binomial_at_most(0, 3, 1.0, 1.0) - 0.25).abs() < 1e-12);
/// ```
///
/// Source: Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, chapter 6.
#[must_use]
pub fn beta_binomial_at_most(count: u32, trials: u32, success: f64, failure: f64) -> f64 {
    if count >= trials {
        return 1.0;
    }
    let at = |index: u32| (failure + f64::from(index)) / (success + failure + f64::from(index));
    let mut term: f64 = (0..trials).map(at).product();
    let mut sum = term;
    for k in 0..count {
        let (done, left) = (f64::from(k), f64::from(trials - k));
        term *= left / (done + 1.0) * (success + done) / (failure + left - 1.0);
        sum += term;
    }
    sum.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_tails_are_those_of_the_tables() {
        assert!((poisson_at_most(1.0, 2.0) - 0.406).abs() < 1e-3);
        assert!((poisson_at_most(0.0, 3.0) - 0.0498).abs() < 1e-4);
        assert!((poisson_at_most(50.0, 60.0) - 0.1077).abs() < 1e-3);
        assert!((poisson_at_most(50.0, 60.01) - 0.1077).abs() < 5e-3, "the two branches meet");
        assert!(poisson_at_most(1000.0, 2000.0) < 1e-12);
        assert!((poisson_at_most(3.0, 0.0) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn few_events_known_leave_many_unsurprising() {
        assert!((negative_binomial_at_least(0, 1.0, 2.0) - 1.0).abs() < 1e-12);
        // Shape 1 is the geometric distribution: P(K >= k) = (m / (1 + m))^k.
        assert!((negative_binomial_at_least(3, 1.0, 2.0) - (2.0_f64 / 3.0).powi(3)).abs() < 1e-12);
        assert!((negative_binomial_at_least(4, 0.5, 0.5) - 0.0222).abs() < 1e-3);
        // A well known rate is nearly Poisson.
        let poisson = 1.0 - poisson_at_most(3.0, 0.5);
        assert!((negative_binomial_at_least(4, 5_000.0, 0.5) - poisson).abs() < 1e-5);
        assert!(negative_binomial_at_least(4, 50.0, 0.5) < negative_binomial_at_least(4, 0.5, 0.5));
    }

    #[test]
    fn few_trials_leave_many_failures_unsurprising() {
        // A uniform chance makes every count as likely as any other.
        for count in 0..=10 {
            let expected = f64::from(count + 1) / 11.0;
            assert!((beta_binomial_at_most(count, 10, 1.0, 1.0) - expected).abs() < 1e-12);
        }
        // A well known chance is nearly binomial: P(at most 2 of 10 at 0.3) = 0.3828.
        assert!((beta_binomial_at_most(2, 10, 30_000.0, 70_000.0) - 0.3828).abs() < 1e-3);
        assert!((beta_binomial_at_most(0, 0, 1.0, 1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn few_gaps_leave_much_doubt() {
        assert!((gap_survival(42.0, 5.0, 35.0) - 0.0195).abs() < 1e-3);
        assert!(gap_survival(42.0, 50.0, 350.0) < 0.01);
        let gap = gap_at(0.02, 13.0, 91.0);
        assert!((gap_survival(gap, 13.0, 91.0) - 0.02).abs() < 1e-9);
        assert!(gap_at(0.02, 0.0, 0.0).is_infinite());
    }

    fn survival(gap: f64, shape: f64) -> f64 {
        RegularGaps { count: 10.0, total: 100.0, shape }.log_survival(gap).exp()
    }

    #[test]
    fn regular_gaps_are_missed_sooner() {
        // Shape 1 is chance.
        assert!((survival(30.0, 1.0) - gap_survival(30.0, 10.0, 100.0)).abs() < 1e-12);
        // Shape 2: P(Binomial(21, 3/13) <= 1).
        let beta = (10.0_f64 / 13.0).powi(21) * (1.0 + 21.0 * 0.3);
        assert!((survival(30.0, 2.0) - beta).abs() < 1e-12);
        assert!((survival(30.0, 1.5) - (gap_survival(30.0, 10.0, 100.0) * beta).sqrt()).abs() < 1e-12);
        let survivals: Vec<f64> = (0..50).map(|gap| survival(f64::from(gap), 3.7)).collect();
        assert!(survivals.is_sorted_by(|left, right| left > right), "{survivals:?}");
        assert!((RegularGaps { count: 0.0, total: 0.0, shape: 3.0 }.log_survival(9.0)).abs() < 1e-12);
    }

    #[test]
    fn the_gap_of_a_survival_is_found() {
        for (count, shape, probability) in [
            (3.0, 1.0, 0.01),
            (9.0, 2.5, 0.01),
            (9.0, 6.0, 0.5),
            (3.0, 1.2, 0.0001),
            (120.0, 6.0, 1e-7),
            (3.0, 6.0, 0.1),
        ] {
            let gaps = RegularGaps { count, total: count * 10.0, shape };
            let gap = gaps.gap_at(probability);
            let found = gaps.log_survival(gap).exp();
            assert!((found / probability - 1.0).abs() < 0.001, "{count} {shape} {probability}: {found} at {gap}");
        }
        assert!(RegularGaps { count: 0.0, total: 0.0, shape: 3.0 }.gap_at(0.01).is_infinite());
    }
}
