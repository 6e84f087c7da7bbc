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
    fn few_gaps_leave_much_doubt() {
        assert!((gap_survival(42.0, 5.0, 35.0) - 0.0195).abs() < 1e-3);
        assert!(gap_survival(42.0, 50.0, 350.0) < 0.01);
        let gap = gap_at(0.02, 13.0, 91.0);
        assert!((gap_survival(gap, 13.0, 91.0) - 0.02).abs() < 1e-9);
        assert!(gap_at(0.02, 0.0, 0.0).is_infinite());
    }
}
