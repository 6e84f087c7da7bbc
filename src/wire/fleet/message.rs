//! What stands in the fleet topic: the reports of the partitions, and now and then a beginning anew.
//!
//! The key tells them apart. Here lives the beginning, from nothing or from a model; reports are those of
//! [`super::report`]. The topic alone says what the learner knows, so whatever is to change that is written into it.

use super::learner::{self, ModelError};
use super::report;
use crate::engine::fleet::learner::Learner;
use crate::engine::fleet::report::FleetReport;
use crate::engine::rules::Rules;
use crate::wire::state::StateError;

/// Key of the records after which everything is learned anew.
pub const BEGIN_KEY: &[u8] = b"begin";

const BEGIN_VERSION: u8 = 1;

/// A record of the fleet topic.
#[derive(Debug, PartialEq)]
pub enum FleetMessage {
    /// What a partition's accounts have shown on one day.
    Report(Box<FleetReport>),
    /// What was learned before is forgotten; this is where to go on from.
    Begin(Box<Learner>),
}

/// Why a record of the fleet topic cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum MessageError {
    /// The report cannot be read.
    #[error("report: {0}")]
    Report(StateError),
    /// The beginning cannot be read.
    #[error("beginning has version {0}, this program knows {BEGIN_VERSION}; run the newer program")]
    Version(u8),
    /// The model to begin from cannot be used.
    #[error("beginning: {0}")]
    Model(ModelError),
    /// A key that stands for neither.
    #[error("its key is neither that of a report nor that of a beginning")]
    Key,
    /// There is no value.
    #[error("it has no value")]
    Empty,
}

/// Appends the value of a beginning to `out`: from the text of a model file, or from nothing.
pub fn encode_begin(model: Option<&str>, out: &mut Vec<u8>) {
    out.push(BEGIN_VERSION);
    out.extend_from_slice(model.unwrap_or_default().as_bytes());
}

/// The record of the fleet topic with this key and value, for a learner over as many partitions under `rules`.
pub fn decode_message(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    partitions: usize,
    rules: &Rules,
) -> Result<FleetMessage, MessageError> {
    let value = value.ok_or(MessageError::Empty)?;
    match key.unwrap_or_default() {
        [] => report::decode_report(value).map(Box::new).map(FleetMessage::Report).map_err(MessageError::Report),
        BEGIN_KEY => {
            let model = match value.split_first().ok_or(MessageError::Empty)? {
                (&BEGIN_VERSION, model) => model,
                (newer, _) => return Err(MessageError::Version(*newer)),
            };
            let learner = match model {
                [] => Learner::new(partitions),
                text => {
                    let text = String::from_utf8_lossy(text);
                    learner::decode_model(&text, partitions, rules).map_err(MessageError::Model)?.undated()
                }
            };
            Ok(FleetMessage::Begin(Box::new(learner)))
        }
        _ => Err(MessageError::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::Target;
    use crate::units::{Day, PartitionIndex};
    use expect_test::{Expect, expect};

    fn report() -> FleetReport {
        FleetReport { partition: PartitionIndex(3), day: Day::new(20_000), active: 5, ..FleetReport::default() }
    }

    fn begin(model: Option<&str>) -> Vec<u8> {
        let mut value = Vec::new();
        encode_begin(model, &mut value);
        value
    }

    #[test]
    fn reports_and_beginnings_come_back() {
        let rules = Rules::default();
        let mut value = Vec::new();
        report::encode_report(&report(), &mut value);
        let read = decode_message(Some(b""), Some(&value), 4, &rules);
        assert_eq!(read, Ok(FleetMessage::Report(Box::new(report()))));

        let nothing = Learner::new(4);
        let read = decode_message(Some(BEGIN_KEY), Some(&begin(None)), 4, &rules);
        assert_eq!(read, Ok(FleetMessage::Begin(Box::new(nothing.clone()))));

        let mut known = nothing;
        known.closed = Some(Day::new(20_000));
        known.watch.seen = 90;
        known.learned[1].record.outcomes = 500.0;
        let model = learner::encode_model(&known, &rules);
        let read = decode_message(Some(BEGIN_KEY), Some(&begin(Some(&model))), 4, &rules).unwrap();
        let FleetMessage::Begin(read) = read else { panic!("{read:?}") };
        assert_eq!((read.closed, read.watch.seen, read.learned[1].record.outcomes), (None, 90, 500.0));
    }

    fn check(key: &[u8], value: Option<&[u8]>, expected: &Expect) {
        let error = decode_message(Some(key), value, 4, &Rules::default()).unwrap_err();
        expected.assert_eq(&error.to_string());
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        check(b"", None, &expect!["it has no value"]);
        check(b"", Some(b""), &expect!["report: state record is damaged: no bytes"]);
        check(
            b"",
            Some(&[9, 1]),
            &expect!["report: state record has version 9, newer than this program knows; run the newer program"],
        );
        check(b"other", Some(&[1]), &expect!["its key is neither that of a report nor that of a beginning"]);
        check(BEGIN_KEY, Some(b""), &expect!["it has no value"]);
        check(BEGIN_KEY, Some(&[2]), &expect!["beginning has version 2, this program knows 1; run the newer program"]);
        check(
            BEGIN_KEY,
            Some(b"\x01{}"),
            &expect![
                "beginning: not a sound model file: missing field `churnwatch_model` at line 1 column 2; write it anew with `churnwatch calibrate`"
            ],
        );
        let other = Rules {
            risk: crate::engine::rules::RiskRules { target: Target::Silence, ..Rules::default().risk },
            ..Rules::default()
        };
        let model = learner::encode_model(&Learner::new(4), &other);
        check(
            BEGIN_KEY,
            Some(&begin(Some(&model))),
            &expect![
                "beginning: model was learned for target `silence` within 28 days, the configuration says `auto` within 28; set rules.risk.target and rules.horizon_days to those, or write it anew with `churnwatch calibrate`"
            ],
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_it(key in proptest::collection::vec(0_u8.., 0..6), value: Vec<u8>) {
            let _ = decode_message(Some(&key), Some(&value), 4, &Rules::default());
            let _ = decode_message(Some(BEGIN_KEY), Some(&value), 4, &Rules::default());
            let _ = decode_message(None, Some(&value), 4, &Rules::default());
        }
    }
}
