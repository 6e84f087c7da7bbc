//! What the learner has learned: compact for its own topic, JSON for model files.
//!
//! A model file is what `churnwatch calibrate` writes and a run starts from. It carries a version, what leaving meant
//! when it was learned, and no account.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{FleetForm, LOG_ODDS_MAX, RecordForm, SUM_MAX, day, day_weights, features, is_log_odds, is_sum, scales};
use crate::engine::fleet::Population;
use crate::engine::fleet::calendar::Watch;
use crate::engine::fleet::curve::{BINS, CurveSums, STRATA};
use crate::engine::fleet::features::FEATURES;
use crate::engine::fleet::learner::{Learned, Learner, Waiting};
use crate::engine::fleet::linear::Symmetric;
use crate::engine::rules::Rules;
use crate::units::Day;
use crate::wire::state::{self, StateError};

/// Version of model files.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct LearnerForm {
    closed: Option<u16>,
    /// Cells of the sums by stratum and bin.
    ended: Vec<f64>,
    reached: Vec<f64>,
    watch: (u32, f64, [f64; 7], u32),
    days: Vec<(f64, f64)>,
    learned: Vec<LearnedForm>,
    /// Snapshot day and its accounts.
    snapshots: Vec<(u16, Vec<WaitingForm>)>,
    fleet: FleetForm,
}

/// Account, population, risk, features less their means.
type WaitingForm = (u64, u8, f32, Vec<f32>);

#[derive(Serialize, Deserialize)]
struct LearnedForm {
    weights: Vec<f64>,
    precision: Vec<f64>,
    means: Vec<f64>,
    scales: Option<Vec<f64>>,
    record: RecordForm,
}

#[derive(Serialize, Deserialize)]
struct ModelFile {
    churnwatch_model: u32,
    /// What leaving meant.
    target: String,
    horizon_days: i64,
    learner: LearnerForm,
}

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ModelError {
    /// Not a model file, or one with numbers that no learner writes.
    #[error("not a sound model file: {0}; write it anew with `churnwatch calibrate`")]
    Malformed(String),
    /// Of another version.
    #[error(
        "model file has version {found}, this program reads version {VERSION}; write it anew with `churnwatch calibrate`"
    )]
    Version {
        /// What the file says.
        found: u32,
    },
    /// Learned for something else.
    #[error(
        "model was learned for target `{found}` within {found_days} days, the configuration says `{wanted}` within \
         {wanted_days}; set rules.risk.target and rules.horizon_days to those, or write it anew with `churnwatch calibrate`"
    )]
    Other {
        /// Target of the file.
        found: String,
        /// Horizon of the file.
        found_days: i64,
        /// Target of the configuration.
        wanted: &'static str,
        /// Horizon of the configuration.
        wanted_days: i64,
    },
}

fn horizon_days(rules: &Rules) -> i64 {
    rules.horizon.ms() / crate::units::DAY_MS
}

/// The text of a model file: what `learner` has learned under `rules`, without the accounts that wait for outcomes.
#[must_use]
pub fn encode_model(learner: &Learner, rules: &Rules) -> String {
    let file = ModelFile {
        churnwatch_model: VERSION,
        target: rules.risk.target.name().to_owned(),
        horizon_days: horizon_days(rules),
        learner: LearnerForm { snapshots: Vec::new(), ..LearnerForm::of(learner) },
    };
    // Writing plain structs to memory cannot fail.
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

/// The learner of a model file, over as many partitions, under `rules`.
pub fn decode_model(text: &str, partitions: usize, rules: &Rules) -> Result<Learner, ModelError> {
    #[derive(Deserialize)]
    struct Versioned {
        churnwatch_model: u32,
    }
    let malformed = |error: serde_json::Error| ModelError::Malformed(error.to_string());
    let Versioned { churnwatch_model: found } = serde_json::from_str(text).map_err(malformed)?;
    if found != VERSION {
        return Err(ModelError::Version { found });
    }
    let file: ModelFile = serde_json::from_str(text).map_err(malformed)?;
    let (wanted, wanted_days) = (rules.risk.target.name(), horizon_days(rules));
    if (file.target.as_str(), file.horizon_days) != (wanted, wanted_days) {
        return Err(ModelError::Other { found: file.target, found_days: file.horizon_days, wanted, wanted_days });
    }
    file.learner.into_learner(partitions).map_err(ModelError::Malformed)
}

/// Appends the bytes of a learner's state to `out`.
pub fn encode_learner(learner: &Learner, out: &mut Vec<u8>) {
    state::append(&LearnerForm::of(learner), out);
}

/// The learner in `value`, over as many partitions.
pub fn decode_learner(value: &[u8], partitions: usize) -> Result<Learner, StateError> {
    let form: LearnerForm = state::decode_versioned(value)?;
    form.into_learner(partitions).map_err(StateError::Damaged)
}

impl LearnerForm {
    fn of(learner: &Learner) -> LearnerForm {
        let row = |(account, (population, waiting)): (&u64, &(Population, Waiting))| {
            let population = u8::from(*population == Population::Unsubscribed);
            (*account, population, waiting.risk, waiting.centered.to_vec())
        };
        let Watch { seen, level, profile, low_days } = learner.watch;
        LearnerForm {
            closed: learner.closed.map(Day::number),
            ended: learner.curve.ended.as_flattened().to_vec(),
            reached: learner.curve.reached.as_flattened().to_vec(),
            watch: (seen, level, profile, low_days),
            days: learner.days.iter().map(|day| (day.weight, day.missing)).collect(),
            learned: learner.learned.iter().map(LearnedForm::of).collect(),
            snapshots: learner
                .snapshots
                .iter()
                .map(|(day, waiting)| (day.number(), waiting.iter().map(row).collect()))
                .collect(),
            fleet: FleetForm::of(learner.fleet()),
        }
    }

    fn into_learner(self, partitions: usize) -> Result<Learner, String> {
        let mut learner = Learner::new(partitions);
        learner.closed = self.closed.map(day).transpose()?;
        learner.curve = curve_sums(&self.ended, &self.reached)?;
        let (seen, level, profile, low_days) = self.watch;
        if !profile.into_iter().chain([level]).all(is_sum) {
            return Err(format!("what is usual on a day must be from 0 to {SUM_MAX:e}"));
        }
        learner.watch = Watch { seen, level, profile, low_days };
        learner.days = day_weights(self.days)?.into();
        for (learned, form) in learner.learned.iter_mut().zip(self.learned) {
            *learned = form.into_learned()?;
        }
        let mut snapshots = VecDeque::new();
        for (taken, rows) in self.snapshots {
            snapshots.push_back((day(taken)?, waiting(rows)?));
        }
        learner.snapshots = snapshots;
        learner.restore_fleet(self.fleet.into_fleet()?);
        Ok(learner)
    }
}

fn curve_sums(ended: &[f64], reached: &[f64]) -> Result<CurveSums, String> {
    let cells = |values: &[f64]| -> Result<Box<[[f64; BINS]; STRATA]>, String> {
        let mut sums = Box::new([[0.0; BINS]; STRATA]);
        if values.len() != STRATA * BINS || !values.iter().copied().all(is_sum) {
            return Err(format!("sums of the curve must be {} numbers from 0 to {SUM_MAX:e}", STRATA * BINS));
        }
        sums.as_flattened_mut().copy_from_slice(values);
        Ok(sums)
    };
    Ok(CurveSums { ended: cells(ended)?, reached: cells(reached)? })
}

fn waiting(rows: Vec<WaitingForm>) -> Result<BTreeMap<u64, (Population, Waiting)>, String> {
    rows.into_iter()
        .map(|(account, population, risk, values)| {
            let population = Population::ALL.get(usize::from(population)).copied().ok_or("unknown population")?;
            if values.len() > FEATURES || values.iter().any(|value| !value.is_finite()) {
                return Err("features must be finite".to_owned());
            }
            let mut centered = [0.0; FEATURES];
            centered.iter_mut().zip(values).for_each(|(feature, value)| *feature = value);
            Ok((account, (population, Waiting { risk, centered })))
        })
        .collect()
}

impl LearnedForm {
    fn of(learned: &Learned) -> LearnedForm {
        LearnedForm {
            weights: learned.weights.clone(),
            precision: learned.precision.cells().to_vec(),
            means: learned.means.to_vec(),
            scales: learned.scales.map(|scales| scales.to_vec()),
            record: RecordForm::of(&learned.record),
        }
    }

    fn into_learned(self) -> Result<Learned, String> {
        if self.weights.len() != FEATURES + 1 || !self.weights.iter().copied().all(is_log_odds) {
            return Err(format!("a model must have {} weights from -{LOG_ODDS_MAX} to {LOG_ODDS_MAX}", FEATURES + 1));
        }
        let precision =
            Symmetric::of_cells(FEATURES + 1, self.precision).ok_or("a model's precision must be square")?;
        if !precision.is_positive_definite() {
            return Err("a model's precision must be positive definite".to_owned());
        }
        Ok(Learned {
            weights: self.weights,
            precision,
            means: features(&self.means, 0.0)?,
            scales: self.scales.map(|values| scales(&values)).transpose()?,
            record: self.record.into_record()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::fleet::Fleet;
    use crate::engine::fleet::model::{Model, TrackRecord};

    #[test]
    fn a_model_with_a_number_that_no_learner_writes_is_refused() {
        let rules = Rules::default();
        let model = Model {
            intercept: -2.0,
            weights: [0.5; FEATURES],
            means: [0.0; FEATURES],
            scales: [1.0; FEATURES],
            record: TrackRecord::default(),
        };
        let mut learner = Learner::new(1);
        learner.closed = Some(Day::new(20_000));
        learner.restore_fleet(Fleet { models: [Some(model), None], ..Fleet::default() });
        let sound: Value = serde_json::from_str(&encode_model(&learner, &rules)).unwrap();
        assert_eq!(decode_model(&sound.to_string(), 1, &rules), Ok(learner));
        let mut refused = String::new();
        for (path, absurd) in [
            ("closed", json!(60_000)),
            ("fleet/day", json!(60_000)),
            ("fleet/calendar/end", json!(60_000)),
            ("fleet/models/0/intercept", json!(1e308)),
            ("fleet/models/0/weights/2", json!(-701.0)),
            ("fleet/models/0/means/2", json!(701.0)),
            ("fleet/models/0/scales/2", json!(1e-300)),
            ("fleet/models/0/record/outcomes", json!(1e300)),
            ("fleet/prior_14/exposure_days", json!(1e-300)),
            ("learned/0/weights/0", json!(1e308)),
            ("ended/0", json!(1e300)),
            ("watch/1", json!(-1.0)),
        ] {
            let mut file = sound.clone();
            *file.pointer_mut(&format!("/learner/{path}")).unwrap() = absurd;
            let error = decode_model(&file.to_string(), 1, &rules).unwrap_err();
            assert!(error.to_string().ends_with("; write it anew with `churnwatch calibrate`"), "{error}");
            let ModelError::Malformed(problem) = error else { panic!("{path}: {error}") };
            writeln!(refused, "{path}: {problem}").unwrap();
        }
        expect![[r#"
            closed: day 60000 is after 2100-01-01, day 47482
            fleet/day: day 60000 is after 2100-01-01, day 47482
            fleet/calendar/end: day 60000 is after 2100-01-01, day 47482
            fleet/models/0/intercept: the intercept must be from -700 to 700
            fleet/models/0/weights/2: weights, means and scales must be from -700 to 700
            fleet/models/0/means/2: weights, means and scales must be from -700 to 700
            fleet/models/0/scales/2: scales must be 0.1 or above
            fleet/models/0/record/outcomes: counts must be from 0 to 1e12
            fleet/prior_14/exposure_days: shape and exposure_days must be above 0 and at most 1e12
            learned/0/weights/0: a model must have 32 weights from -700 to 700
            ended/0: sums of the curve must be 448 numbers from 0 to 1e12
            watch/1: what is usual on a day must be from 0 to 1e12
        "#]]
        .assert_eq(&refused);
    }
}
