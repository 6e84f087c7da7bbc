//! Bayesian logistic regression, one batch of outcomes at a time.
//!
//! What is believed of the weights before and after a batch is a normal distribution: a mean and a precision. After it,
//! the mean is where the posterior is highest, found by Newton's method with step halving, and the precision is the
//! curvature there (Laplace approximation; see `MacKay` 1992, *The evidence framework applied to classification networks*).
//! Where outcomes come from, and how they are forgotten, is for [`super::learner`].

use super::linear::Symmetric;
use crate::engine::risk::sigmoid;

/// Newton steps.
const STEPS_MAX: usize = 30;

/// One account's features, with what became of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// A 1 for the intercept, then each feature as its deviation from the mean.
    pub values: Vec<f64>,
    /// Whether it left.
    pub churned: bool,
    /// How much it counts, in outcomes.
    pub weight: f64,
}

/// Mean and precision of the weights once `rows` are known, of those believed before.
///
/// The mean `w` makes `sum of weight x (ln(1 + e^z) - churned x z) + (w - m)' P (w - m) / 2` smallest, where `z = w'x` are a
/// row's log-odds, `m` and `P` the mean and precision before; the precision is `P + sum of weight x p (1 - p) x x'` with
/// `p = sigmoid(z)`.
///
/// ```
/// use churnwatch::engine::fleet::{linear::Symmetric, logistic::{Case, posterior}};
/// // An intercept alone, believed to be 0 with a precision of one outcome; then one account leaves. At 0 the slope is
/// // p - 1 = -1/2 and the curvature 1 + p (1 - p) = 5/4, so the first step leads to 2/5; there w = 1 - sigmoid(w) holds
/// // nearly, and at w = 0.40106 it does.
/// let left = Case { values: vec![1.0], churned: true, weight: 1.0 };
/// let (weights, precision) = posterior(&[left.clone()], &[0.0], &Symmetric::diagonal(&[1.0]));
/// assert!((weights[0] - 0.40106).abs() < 1e-5);
/// // p = 1 - 0.40106, so the precision is 1 + 0.59894 x 0.40106.
/// assert!((precision.cells()[0] - 1.24021).abs() < 1e-5);
/// // What is believed more firmly moves less: (1/2) / (100 + 1/4) of the way at first.
/// let (firm, _) = posterior(&[left], &[0.0], &Symmetric::diagonal(&[100.0]));
/// assert!((firm[0] - 0.004988).abs() < 1e-6);
/// ```
#[must_use]
pub fn posterior(rows: &[Case], prior: &[f64], precision: &Symmetric) -> (Vec<f64>, Symmetric) {
    let mut weights = prior.to_vec();
    let mut loss = posterior_loss(rows, &weights, prior, precision);
    for _ in 0..STEPS_MAX {
        let (gradient, hessian) = slope(rows, &weights, prior, precision);
        let Some(direction) = hessian.solve(&gradient) else { break };
        let loss_of = |candidate: &[f64]| posterior_loss(rows, candidate, prior, precision);
        let Some((next, next_loss)) = halve(&weights, &direction, loss, loss_of) else { break };
        let gained = loss - next_loss;
        (weights, loss) = (next, next_loss);
        if gained < 1e-9 {
            break;
        }
    }
    let (_, hessian) = slope(rows, &weights, &weights, precision);
    (weights, hessian)
}

fn log_odds(values: &[f64], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

/// Log-loss of the rows plus the quadratic form of the prior.
fn posterior_loss(rows: &[Case], weights: &[f64], prior: &[f64], precision: &Symmetric) -> f64 {
    let data: f64 = rows
        .iter()
        .map(|row| {
            let z = log_odds(&row.values, weights);
            // ln(1 + e^z) without overflow.
            row.weight * (z.max(0.0) + libm::log1p(libm::exp(-z.abs())) - f64::from(row.churned) * z)
        })
        .sum();
    let away: Vec<f64> = weights.iter().zip(prior).map(|(weight, prior)| weight - prior).collect();
    data + 0.5 * log_odds(&away, &precision.times(&away))
}

/// Gradient and Hessian of [`posterior_loss`].
fn slope(rows: &[Case], weights: &[f64], prior: &[f64], precision: &Symmetric) -> (Vec<f64>, Symmetric) {
    let away: Vec<f64> = weights.iter().zip(prior).map(|(weight, prior)| weight - prior).collect();
    let mut gradient = precision.times(&away);
    let mut hessian = precision.clone();
    for row in rows {
        let p = sigmoid(log_odds(&row.values, weights));
        let error = row.weight * (p - f64::from(row.churned));
        gradient.iter_mut().zip(&row.values).for_each(|(slope, value)| *slope += error * value);
        hessian.add_outer(&row.values, row.weight * p * (1.0 - p));
    }
    (gradient, hessian)
}

/// The step along `direction`, halved until it lowers the loss; `None` when no step does.
fn halve(weights: &[f64], direction: &[f64], loss: f64, loss_of: impl Fn(&[f64]) -> f64) -> Option<(Vec<f64>, f64)> {
    let mut share = 1.0;
    for _ in 0..16 {
        let candidate: Vec<f64> = weights.iter().zip(direction).map(|(weight, step)| weight - share * step).collect();
        let next = loss_of(&candidate);
        if next <= loss {
            return Some((candidate, next));
        }
        share /= 2.0;
    }
    None
}
