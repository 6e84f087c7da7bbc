//! The fleet's knowledge as bytes: the fleet record, the reports of the partitions, what the learner has learned.
//!
//! One set of forms for JSON (the record in the canonical log, model files) and for the compact encoding of internal
//! topics. Numbers are checked as they are read: a record that no learner writes is refused, never guessed at. What a
//! record leaves out keeps the shipped default, and features that it does not know yet weigh nothing.

mod learner;
mod message;
mod report;

use serde::{Deserialize, Serialize};

pub use learner::{ModelError, decode_learner, decode_model, encode_learner, encode_model};
pub use message::{BEGIN_KEY, FleetMessage, MessageError, decode_message, encode_begin};
pub use report::{decode_report, encode_report};

use crate::engine::fleet::calendar::{Calendar, DayWeight};
use crate::engine::fleet::curve::{BINS, Curve, STRATA};
use crate::engine::fleet::features::{FEATURES, Features};
use crate::engine::fleet::learner::SCALE_MIN;
use crate::engine::fleet::model::{Model, TrackRecord};
use crate::engine::fleet::prior::GammaPrior;
use crate::engine::fleet::{Fleet, SEGMENTS_MAX};
use crate::units::{Day, Timestamp};

/// Log-odds, weights and means are at most this far from 0: odds beyond `e^709` are no number any more.
const LOG_ODDS_MAX: f64 = 700.0;
/// No fleet adds up to more than this.
const SUM_MAX: f64 = 1e12;

/// The fleet record.
#[derive(Serialize, Deserialize)]
pub(super) struct FleetForm {
    #[serde(default)]
    day: Option<u16>,
    #[serde(default)]
    prior_14: Option<PriorForm>,
    #[serde(default)]
    prior_182: Option<PriorForm>,
    /// Hazards by stratum and bin.
    #[serde(default)]
    curve: Option<Vec<Vec<f64>>>,
    #[serde(default)]
    calendar: Option<CalendarForm>,
    /// By population.
    #[serde(default)]
    models: Vec<Option<ModelForm>>,
    /// Hash and mean scarcity.
    #[serde(default)]
    segments: Vec<(u32, f64)>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct PriorForm {
    shape: f64,
    exposure_days: f64,
}

#[derive(Serialize, Deserialize)]
struct CalendarForm {
    end: u16,
    /// Weight and missing share of each day, oldest first.
    days: Vec<(f64, f64)>,
    profile: [f64; 7],
}

#[derive(Serialize, Deserialize)]
struct ModelForm {
    intercept: f64,
    weights: Vec<f64>,
    means: Vec<f64>,
    scales: Vec<f64>,
    record: RecordForm,
}

#[derive(Serialize, Deserialize)]
struct RecordForm {
    outcomes: f64,
    churned: f64,
    tenths: [[f64; 3]; 10],
}

impl FleetForm {
    pub(super) fn of(fleet: &Fleet) -> FleetForm {
        let prior = |prior: GammaPrior| Some(PriorForm { shape: prior.shape, exposure_days: prior.exposure_days });
        FleetForm {
            day: fleet.day.map(Day::number),
            prior_14: prior(fleet.prior_14),
            prior_182: prior(fleet.prior_182),
            curve: Some(fleet.curve.hazards().iter().map(|row| row.to_vec()).collect()),
            calendar: Some(CalendarForm {
                end: fleet.calendar.end().number(),
                days: fleet.calendar.days().iter().map(|day| (day.weight, day.missing)).collect(),
                profile: fleet.calendar.profile(),
            }),
            models: fleet.models.iter().map(|model| model.as_ref().map(ModelForm::of)).collect(),
            segments: fleet.segments.clone(),
        }
    }

    pub(super) fn into_fleet(self) -> Result<Fleet, String> {
        let shipped = Fleet::default();
        let mut models = [None, None];
        if self.models.len() > models.len() {
            return Err(format!("{} models; this program knows {}", self.models.len(), models.len()));
        }
        for (model, form) in models.iter_mut().zip(self.models) {
            *model = form.map(ModelForm::into_model).transpose()?;
        }
        if self.segments.len() > SEGMENTS_MAX || !self.segments.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(format!("segments must be at most {SEGMENTS_MAX}, by ascending hash"));
        }
        if self.segments.iter().any(|(_, mean)| !is_log_odds(*mean)) {
            return Err(format!("means of segments must be from -{LOG_ODDS_MAX} to {LOG_ODDS_MAX}"));
        }
        Ok(Fleet {
            day: self.day.map(day).transpose()?,
            prior_14: prior(self.prior_14, shipped.prior_14)?,
            prior_182: prior(self.prior_182, shipped.prior_182)?,
            curve: self.curve.map_or(Ok(shipped.curve), |rows| curve(&rows))?,
            calendar: self.calendar.map_or(Ok(shipped.calendar), CalendarForm::into_calendar)?,
            models,
            segments: self.segments,
        })
    }
}

fn prior(form: Option<PriorForm>, shipped: GammaPrior) -> Result<GammaPrior, String> {
    match form {
        None => Ok(shipped),
        Some(PriorForm { shape, exposure_days }) if is_positive(shape) && is_positive(exposure_days) => {
            Ok(GammaPrior { shape, exposure_days })
        }
        Some(_) => Err(format!("shape and exposure_days must be above 0 and at most {SUM_MAX:e}")),
    }
}

fn is_positive(number: f64) -> bool {
    (1.0 / SUM_MAX..=SUM_MAX).contains(&number)
}

fn is_sum(number: f64) -> bool {
    (0.0..=SUM_MAX).contains(&number)
}

fn is_log_odds(number: f64) -> bool {
    number.abs() <= LOG_ODDS_MAX
}

/// The day of this number, if a log can tell of it.
fn day(number: u16) -> Result<Day, String> {
    let (day, last) = (Day::new(number), Timestamp::MAX.day());
    if day > last { Err(format!("day {number} is after 2100-01-01, day {}", last.number())) } else { Ok(day) }
}

fn curve(rows: &[Vec<f64>]) -> Result<Curve, String> {
    let mut hazards = Box::new([[0.0; BINS]; STRATA]);
    if rows.len() != STRATA || rows.iter().any(|row| row.len() != BINS) {
        return Err(format!("the curve must have {STRATA} rows of {BINS} hazards"));
    }
    for (hazards, row) in hazards.iter_mut().zip(rows) {
        hazards.copy_from_slice(row);
    }
    if hazards.as_flattened().iter().any(|hazard| !(0.0..=1.0).contains(hazard)) {
        return Err("hazards must be from 0 to 1".to_owned());
    }
    Ok(Curve::of(hazards))
}

impl CalendarForm {
    fn into_calendar(self) -> Result<Calendar, String> {
        if !self.profile.into_iter().all(is_share) {
            return Err("weights of weekdays must be from 0 to 7".to_owned());
        }
        Ok(Calendar::of(day(self.end)?, day_weights(self.days)?, self.profile))
    }
}

fn day_weights(days: Vec<(f64, f64)>) -> Result<Vec<DayWeight>, String> {
    if !days.iter().all(|(weight, missing)| is_share(*weight) && is_share(*missing)) {
        return Err("weights of days must be from 0 to 7".to_owned());
    }
    Ok(days.into_iter().map(|(weight, missing)| DayWeight { weight, missing }).collect())
}

fn is_share(share: f64) -> bool {
    (0.0..=7.0).contains(&share)
}

impl ModelForm {
    fn of(model: &Model) -> ModelForm {
        ModelForm {
            intercept: model.intercept,
            weights: model.weights.to_vec(),
            means: model.means.to_vec(),
            scales: model.scales.to_vec(),
            record: RecordForm::of(&model.record),
        }
    }

    fn into_model(self) -> Result<Model, String> {
        if !is_log_odds(self.intercept) {
            return Err(format!("the intercept must be from -{LOG_ODDS_MAX} to {LOG_ODDS_MAX}"));
        }
        Ok(Model {
            intercept: self.intercept,
            weights: features(&self.weights, 0.0)?,
            means: features(&self.means, 0.0)?,
            scales: scales(&self.scales)?,
            record: self.record.into_record()?,
        })
    }
}

/// The values of as many features as there are; further ones, which the record does not know, get `rest`.
fn features(values: &[f64], rest: f64) -> Result<Features, String> {
    if values.len() > FEATURES {
        return Err(format!("{} features; this program knows {FEATURES}: run the newer program", values.len()));
    }
    if values.iter().any(|value| !is_log_odds(*value)) {
        return Err(format!("weights, means and scales must be from -{LOG_ODDS_MAX} to {LOG_ODDS_MAX}"));
    }
    let mut features = [rest; FEATURES];
    features.iter_mut().zip(values).for_each(|(feature, value)| *feature = *value);
    Ok(features)
}

fn scales(values: &[f64]) -> Result<Features, String> {
    if values.iter().any(|scale| *scale < SCALE_MIN) {
        return Err(format!("scales must be {SCALE_MIN} or above"));
    }
    features(values, 1.0)
}

impl RecordForm {
    fn of(record: &TrackRecord) -> RecordForm {
        RecordForm { outcomes: record.outcomes, churned: record.churned, tenths: record.tenths }
    }

    fn into_record(self) -> Result<TrackRecord, String> {
        let counts = [self.outcomes, self.churned].into_iter().chain(self.tenths.into_iter().flatten());
        if !counts.into_iter().all(is_sum) {
            return Err(format!("counts must be from 0 to {SUM_MAX:e}"));
        }
        Ok(TrackRecord { outcomes: self.outcomes, churned: self.churned, tenths: self.tenths })
    }
}
