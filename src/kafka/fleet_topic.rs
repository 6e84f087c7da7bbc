//! The fleet topic from outside the service: what has been learned so far, and the record that makes the learner begin
//! anew. The service's own reader and writer of it is [`super::learner_worker`].

use std::ops::ControlFlow;

use rdkafka::Message;

use super::dump::{self, DumpError, Extent};
use super::source_writer::{SourceWriter, SourceWriterError};
use crate::config::Config;
use crate::engine::fleet::learner::Learner;
use crate::wire::fleet::{BEGIN_KEY, FleetMessage, decode_message, encode_begin};

/// What the reports in the topic teach, over as many partitions as the topics are configured to have. Records that cannot
/// be used are passed over, as the service does.
pub fn learned(config: &Config) -> Result<Learner, DumpError> {
    let rules = &config.rules;
    let partitions = usize::try_from(config.topics.partitions).unwrap_or_default();
    let mut learner = Learner::new(partitions);
    dump::read(config, &config.topics.fleet, None, Extent::Whole, &mut |record| {
        match decode_message(record.key(), record.payload(), partitions, rules) {
            Ok(FleetMessage::Report(report)) => {
                learner.take(*report, rules);
            }
            Ok(FleetMessage::Begin(beginning)) => learner = *beginning,
            Err(error) => tracing::debug!(offset = record.offset(), error = error.to_string(), "record passed over"),
        }
        ControlFlow::Continue(())
    })?;
    Ok(learner)
}

/// Lets the learner of the service begin anew: from the text of a model file, or from nothing.
pub fn begin(config: &Config, model: Option<&str>) -> Result<(), SourceWriterError> {
    let mut value = Vec::new();
    encode_begin(model, &mut value);
    let topic = &config.topics.fleet;
    let writer = SourceWriter::new(config, &[topic])?;
    writer.write(topic, BEGIN_KEY, &value)?;
    writer.finish()
}
