//! The report of one partition on one day, as the learner reads it from its topic.

use serde::{Deserialize, Serialize};

use crate::engine::fleet::Population;
use crate::engine::fleet::features::FEATURES;
use crate::engine::fleet::prior::PriorSums;
use crate::engine::fleet::report::{FleetReport, Outcome, Row, SilenceStep};
use crate::units::{Day, PartitionIndex};
use crate::wire::state::{self, StateError};

#[derive(Serialize, Deserialize)]
struct ReportForm {
    partition: i32,
    day: u16,
    active: u32,
    live: u32,
    /// Stratum, expected gaps before and after, ended.
    silences: Vec<(u8, f32, f32, bool)>,
    priors: Option<[[f64; 6]; 2]>,
    rows: Vec<RowForm>,
    /// Account, snapshot, churned.
    outcomes: Vec<(u64, u16, bool)>,
}

#[derive(Serialize, Deserialize)]
struct RowForm {
    account: u64,
    population: u8,
    segment: u32,
    risk: f32,
    features: Vec<f32>,
}

/// Appends the bytes of a report to `out`.
pub fn encode_report(report: &FleetReport, out: &mut Vec<u8>) {
    let sums =
        |s: &PriorSums| [s.accounts, s.active, s.exposure, s.active_squared, s.active_exposure, s.exposure_squared];
    let form = ReportForm {
        partition: report.partition.0,
        day: report.day.number(),
        active: report.active,
        live: report.live,
        silences: report.silences.iter().map(|s| (s.stratum, s.before, s.after, s.ended)).collect(),
        priors: report.priors.as_ref().map(|[short, long]| [sums(short), sums(long)]),
        rows: report.rows.iter().map(row_form).collect(),
        outcomes: report.outcomes.iter().map(|o| (o.account, o.snapshot.number(), o.churned)).collect(),
    };
    state::append(&form, out);
}

fn row_form(row: &Row) -> RowForm {
    RowForm {
        account: row.account,
        population: u8::from(row.population == Population::Unsubscribed),
        segment: row.segment,
        risk: row.risk,
        features: row.features.to_vec(),
    }
}

/// The report in `value`.
pub fn decode_report(value: &[u8]) -> Result<FleetReport, StateError> {
    let form: ReportForm = state::decode_versioned(value)?;
    let sums = |[accounts, active, exposure, active_squared, active_exposure, exposure_squared]: [f64; 6]| PriorSums {
        accounts,
        active,
        exposure,
        active_squared,
        active_exposure,
        exposure_squared,
    };
    let silence = |(stratum, before, after, ended)| SilenceStep { stratum, before, after, ended };
    Ok(FleetReport {
        partition: PartitionIndex(form.partition),
        day: Day::new(form.day),
        active: form.active,
        live: form.live,
        silences: form.silences.into_iter().map(silence).collect(),
        priors: form.priors.map(|[short, long]| [sums(short), sums(long)]),
        rows: form.rows.into_iter().map(row).collect::<Result<_, _>>()?,
        outcomes: form
            .outcomes
            .into_iter()
            .map(|(account, snapshot, churned)| Outcome { account, snapshot: Day::new(snapshot), churned })
            .collect(),
    })
}

fn row(form: RowForm) -> Result<Row, StateError> {
    let damaged = |what: &str| StateError::Damaged(what.to_owned());
    if form.features.len() > FEATURES || form.features.iter().any(|value| !value.is_finite()) {
        return Err(damaged("features of a row"));
    }
    let population = Population::ALL.get(usize::from(form.population)).copied();
    let mut features = [0.0; FEATURES];
    features.iter_mut().zip(form.features).for_each(|(feature, value)| *feature = value);
    Ok(Row {
        account: form.account,
        population: population.ok_or_else(|| damaged("population of a row"))?,
        segment: form.segment,
        risk: form.risk,
        features,
    })
}
