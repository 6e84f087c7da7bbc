//! Tail probabilities that keep small counts honest.

/// Probability of at most `count` events where `mean` are expected: the Poisson distribution function.
///
/// Summed exactly up to a mean of 60, by the normal approximation with continuity correction beyond. A fall from two
/// events to one is no alarm, a fall from two thousand to one thousand is:
///
/// ```text
/// poisson_at_most(1, 2)       = 0.41
/// poisson_at_most(1000, 2000) < 1e-12
/// ```
///
/// Source: Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, chapter 4.
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
/// Source: Geisser, *Predictive Inference*, section 2.2.
pub fn gap_survival(gap: f64, count: f64, total: f64) -> f64 {
    if total <= 0.0 { 1.0 } else { libm::exp(-count * libm::log1p(gap / total)) }
}

/// The gap whose [`gap_survival`] is `probability`.
pub fn gap_at(probability: f64, count: f64, total: f64) -> f64 {
    if count <= 0.0 { f64::INFINITY } else { total * libm::expm1(-libm::log(probability) / count) }
}

/// The same where the gaps are as regular as those of a gamma distribution with this `shape`, from 1 (chance) on:
/// what one event in `shape` of a process by chance would show.
///
/// `gap / (gap + total)` has the beta distribution with parameters `shape` and `count x shape`, which for whole shapes is a
/// binomial tail; between whole shapes the logarithms are interpolated. Of ten gaps of ten days each, a silence of 30
/// days has probability 0.073 after gaps by chance, and 0.030 after gaps with shape 2:
///
/// ```text
/// regular_survival(30, 10, 100, 1) = (1 + 0.3)^-10 = 0.073
/// regular_survival(30, 10, 100, 2) = (1 + 0.3)^-21 (1 + 21 x 0.3) = 0.030
/// ```
///
/// Source: Aitchison and Dunsmore, *Statistical Prediction Analysis*, section 2.3.
pub fn regular_survival(gap: f64, count: f64, total: f64, shape: f64) -> f64 {
    let (below, part) = (shape.floor().max(1.0), shape - shape.floor());
    let low = erlang_survival(gap, count, total, below);
    if part <= 0.0 {
        return low;
    }
    let high = erlang_survival(gap, count, total, below + 1.0);
    libm::exp((1.0 - part) * libm::log(low.max(1e-300)) + part * libm::log(high.max(1e-300)))
}

fn erlang_survival(gap: f64, count: f64, total: f64, shape: f64) -> f64 {
    if total <= 0.0 || gap <= 0.0 {
        return 1.0;
    }
    // P(Binomial(trials, x) < shape) with x = gap / (gap + total).
    let trials = shape + count * shape - 1.0;
    let odds = gap / total;
    let mut term = libm::exp(-trials * libm::log1p(odds));
    let mut sum = term;
    let mut k = 1.0;
    while k < shape {
        term *= (trials - k + 1.0) / k * odds;
        sum += term;
        k += 1.0;
    }
    sum.min(1.0)
}

/// The gap whose [`regular_survival`] is `probability`, to half a day.
pub fn regular_gap_at(probability: f64, count: f64, total: f64, shape: f64) -> f64 {
    let mut high = gap_at(probability, count, total);
    let mut low = 0.0;
    // More regular gaps are told sooner than those by chance.
    while shape > 1.0 && high - low > 0.5 && high.is_finite() {
        let middle = f64::midpoint(low, high);
        if regular_survival(middle, count, total, shape) > probability { low = middle } else { high = middle }
    }
    high
}

/// Probability of at least `count` events where a gamma-distributed rate of this `shape` lets expect `mean`: the tail of
/// the negative binomial distribution.
///
/// It is the predictive distribution of a Poisson count whose rate is known only from `shape` events so far: with little
/// known, many events are less surprising. With half an event known and 0.5 expected, four have probability 0.022; with
/// fifty known, 0.0019.
///
/// Source: Johnson, Kemp and Kotz, *Univariate Discrete Distributions*, chapter 5.
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
    fn few_gaps_leave_much_doubt() {
        assert!((gap_survival(42.0, 5.0, 35.0) - 0.0195).abs() < 1e-3);
        assert!(gap_survival(42.0, 50.0, 350.0) < 0.01);
        let gap = gap_at(0.02, 13.0, 91.0);
        assert!((gap_survival(gap, 13.0, 91.0) - 0.02).abs() < 1e-9);
        assert!(gap_at(0.02, 0.0, 0.0).is_infinite());
    }

    #[test]
    fn regular_gaps_are_missed_sooner() {
        // Shape 1 is chance.
        assert!((regular_survival(30.0, 10.0, 100.0, 1.0) - gap_survival(30.0, 10.0, 100.0)).abs() < 1e-12);
        // Shape 2: P(Binomial(21, 3/13) <= 1).
        let beta = (10.0_f64 / 13.0).powi(21) * (1.0 + 21.0 * 0.3);
        assert!((regular_survival(30.0, 10.0, 100.0, 2.0) - beta).abs() < 1e-12);
        let between = regular_survival(30.0, 10.0, 100.0, 1.5);
        assert!((between - (gap_survival(30.0, 10.0, 100.0) * beta).sqrt()).abs() < 1e-12);
        let survivals: Vec<f64> = (0..50).map(|gap| regular_survival(f64::from(gap), 8.0, 80.0, 3.7)).collect();
        assert!(survivals.is_sorted_by(|left, right| left > right), "{survivals:?}");
    }

    #[test]
    fn the_gap_of_a_survival_is_found_to_half_a_day() {
        for shape in [1.0, 2.5, 6.0] {
            let gap = regular_gap_at(0.01, 9.0, 90.0, shape);
            assert!(regular_survival(gap, 9.0, 90.0, shape) <= 0.01 + 1e-12, "{shape}");
            assert!(regular_survival(gap - 0.51, 9.0, 90.0, shape) > 0.01, "{shape}");
        }
        assert!(regular_gap_at(0.01, 0.0, 0.0, 3.0).is_infinite());
    }
}
