//! The control records of the canonical log: progress of the sources, and the fleet record.
//!
//! Written by the ingest role only; through source formats their types count as unknown, so that no producer of events
//! can move the engine's clock. They carry a `version`; a newer one is refused, never guessed at.

use serde::{Deserialize, Serialize};

use super::check::malformed_time;
use super::fleet::FleetForm;
use super::raw::Found;
use super::refusal::{Refusal, excerpt};
use crate::engine::fleet::Fleet;
use crate::engine::input::{Progress, SourceReport, SourceTopic};
use crate::units::{PartitionIndex, Timestamp};

/// `type` of progress records.
pub(super) const PROGRESS: &str = "source.progress";
/// `type` of fleet records.
pub(super) const FLEET: &str = "fleet.updated";

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct ProgressForm {
    r#type: String,
    version: u32,
    #[serde(default)]
    sources: Vec<SourceForm>,
    #[serde(default)]
    reports: Vec<ReportForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reached: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SourceForm {
    topic: String,
    partitions: i32,
}

#[derive(Serialize, Deserialize)]
struct ReportForm {
    topic: String,
    partition: i32,
    reached: String,
    caught_up: bool,
}

#[derive(Serialize, Deserialize)]
struct FleetRecordForm {
    r#type: String,
    version: u32,
    #[serde(flatten)]
    fleet: FleetForm,
}

/// Appends the JSON of a progress record to `out`.
pub(super) fn encode_progress(progress: &Progress, out: &mut Vec<u8>) {
    let form = ProgressForm {
        r#type: PROGRESS.to_owned(),
        version: VERSION,
        sources: progress
            .sources
            .iter()
            .map(|source| SourceForm { topic: source.topic.clone(), partitions: source.partitions })
            .collect(),
        reports: progress
            .reports
            .iter()
            .map(|report| ReportForm {
                topic: report.topic.clone(),
                partition: report.partition.0,
                reached: report.reached.to_string(),
                caught_up: report.caught_up,
            })
            .collect(),
        reached: progress.reached.map(|reached| reached.to_string()),
    };
    // Writing plain structs to memory cannot fail.
    let _ = serde_json::to_writer(out, &form);
}

/// The progress record in `text`.
pub(super) fn decode_progress(text: &str) -> Result<Progress, Refusal> {
    let form: ProgressForm = serde_json::from_str(text).map_err(|error| damaged(PROGRESS, &error))?;
    check_version(PROGRESS, form.version)?;
    let reports = form.reports.into_iter().map(|report| {
        Ok(SourceReport {
            topic: report.topic,
            partition: PartitionIndex(report.partition),
            reached: instant(&report.reached)?,
            caught_up: report.caught_up,
        })
    });
    Ok(Progress {
        reports: reports.collect::<Result<_, Refusal>>()?,
        sources: form
            .sources
            .into_iter()
            .map(|source| SourceTopic { topic: source.topic, partitions: source.partitions })
            .collect(),
        reached: form.reached.as_deref().map(instant).transpose()?,
    })
}

/// Appends the JSON of a fleet record to `out`.
pub(super) fn encode_fleet(fleet: &Fleet, out: &mut Vec<u8>) {
    let form = FleetRecordForm { r#type: FLEET.to_owned(), version: VERSION, fleet: FleetForm::of(fleet) };
    let _ = serde_json::to_writer(out, &form);
}

/// The fleet record in `text`; what it leaves out keeps the shipped default.
pub(super) fn decode_fleet(text: &str) -> Result<Fleet, Refusal> {
    let form: FleetRecordForm = serde_json::from_str(text).map_err(|error| damaged(FLEET, &error))?;
    check_version(FLEET, form.version)?;
    form.fleet.into_fleet().map_err(|problem| Refusal::ControlRecord { record: FLEET, problem })
}

fn instant(text: &str) -> Result<Timestamp, Refusal> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    let time = parsed.and_then(Timestamp::from_ms);
    time.ok_or_else(|| {
        malformed_time("reached", "an RFC 3339 time within the believed range", &Found::Text(text.into()))
    })
}

fn check_version(record: &'static str, version: u32) -> Result<(), Refusal> {
    if version == VERSION {
        return Ok(());
    }
    let problem = format!("it has version {version}, this program knows {VERSION}; run the newer program");
    Err(Refusal::ControlRecord { record, problem })
}

fn damaged(record: &'static str, error: &serde_json::Error) -> Refusal {
    // The parser quotes what it met, at any length.
    Refusal::ControlRecord { record, problem: excerpt(&error.to_string()) }
}
