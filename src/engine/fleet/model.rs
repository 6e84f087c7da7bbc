//! What was learned: the weight of each feature, and the risk that follows.
//!
//! `logit(risk) = intercept + sum of weight x (feature - mean) / scale`, those of the account's shape clipped at 5. Every term is kept, so that the risk
//! decomposes exactly. Not here: how it is learned, which is [`super::learner`].

use super::features::{FACTS, FEATURES, Features, SCARCITY_TERMS};

/// No feature of an account's shape counts for more than this many of its deviations. Scarcity and the signals count in
/// full: they are bounded by themselves, and in a busy fleet their deviations are small and their extremes what matters.
const DEVIATIONS_MAX: f64 = 5.0;

/// What was learned about one population.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Log-odds of churn of the account that is the mean in everything.
    pub intercept: f64,
    /// Log-odds by which one deviation of a feature raises the risk.
    pub weights: Features,
    /// Mean of each feature over the live accounts, when the record was made.
    pub means: Features,
    /// What counts as one deviation of each feature.
    pub scales: Features,
    /// How much it has learned from, and how well it foretold.
    pub record: TrackRecord,
}

/// How much was learned, and how well what was foretold came true before it was learned from.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TrackRecord {
    /// Outcomes learned from.
    pub outcomes: f64,
    /// Those that were churn.
    pub churned: f64,
    /// By tenth of the foretold risk: foretold outcomes, sum of their risks, churned among them; with forgetting.
    pub tenths: [[f64; 3]; 10],
}

impl TrackRecord {
    /// Notes that `risk` was foretold, and whether it came true.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // held to the ten tenths
    pub fn note(&mut self, risk: f64, churned: bool) {
        let tenth = ((risk * 10.0).clamp(0.0, 9.0)) as usize;
        if let Some([count, risks, came]) = self.tenths.get_mut(tenth) {
            *count += 1.0;
            *risks += risk;
            *came += f64::from(u8::from(churned));
        }
    }

    /// Forgets what was foretold, by `factor`.
    pub fn fade(&mut self, factor: f64) {
        self.tenths.as_flattened_mut().iter_mut().for_each(|sum| *sum *= factor);
    }

    /// Expected calibration error: the mean, over the foretold outcomes, of the distance between risk and share churned
    /// in their tenth. `None` before anything was foretold.
    ///
    /// ```
    /// use churnwatch::engine::fleet::model::TrackRecord;
    /// let mut record = TrackRecord::default();
    /// // Of ten accounts with a risk of 0.25, four have left.
    /// (0..10).for_each(|index| record.note(0.25, index < 4));
    /// assert!((record.calibration_error().unwrap() - 0.15).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn calibration_error(&self) -> Option<f64> {
        let count: f64 = self.tenths.iter().map(|[count, ..]| count).sum();
        let off: f64 = self.tenths.iter().map(|[_, risks, came]| (risks - came).abs()).sum();
        (count > 0.0).then(|| off / count)
    }
}

impl Model {
    /// What each feature adds to the log-odds.
    #[must_use]
    pub fn terms(&self, features: &Features) -> Features {
        let mut terms = [0.0; FEATURES];
        terms
            .iter_mut()
            .zip(&self.weights)
            .zip(scale(features, &self.means, &self.scales))
            .for_each(|((term, weight), x)| *term = weight * x);
        terms
    }
}

/// Features as deviations from their means.
#[must_use]
pub fn scale(features: &Features, means: &Features, scales: &Features) -> Features {
    let mut deviations = [0.0; FEATURES];
    let parts = features.iter().zip(means).zip(scales);
    deviations.iter_mut().zip(parts).for_each(|(out, ((value, mean), scale))| *out = (value - mean) / scale);
    let shape = deviations.iter_mut().take(FACTS.len()).skip(SCARCITY_TERMS);
    shape.for_each(|deviation| *deviation = deviation.clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX));
    deviations
}
