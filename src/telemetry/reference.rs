//! `docs/metrics.md`, written from the declarations. Holds no facts of its own beyond how to read the tables.

use super::metric::{Aggregation, Declaration, Kind, Metric, Origin, Unit};

const HEAD: &str = "\
# Metrics

Generated from the declarations in `src/telemetry/metric.rs`; after a change there, run
`UPDATE_EXPECT=1 cargo test --lib telemetry` to write this file anew.

`/metrics` serves the Prometheus text format. How to read it:

- Counters and histograms begin at 0 with the process. Gauges from the state are the same after a restart.
- Gauges of a partition are absent, not 0, until its clock is known: until every source has been heard of.
- Instances add up where the table says `sum`: divide sums by sums, never average ratios of instances. Where it says
  `min`, the slowest decides; where it says `max`, all tell of the same thing.
- Instants are Unix timestamps in seconds, so `time() - churnwatch_clock_timestamp_seconds` is how far the engine is behind.
- Amounts are in major units (dollars, not cents) of the one reporting currency, which is in the `currency` label.
- No label carries an account, a user or the text of an error. While a process holds more partitions or segments than
  the limit, partition series give way to sums and minima and small segments to `other`; `churnwatch_series_omitted` says so.
- On Linux the page also has the customary `process_*` metrics: CPU seconds, resident memory, file descriptors, start time.
";

/// The whole document.
pub(super) fn document() -> String {
    let mut text = HEAD.to_owned();
    for (title, origin) in [
        ("Work done by this process", Origin::Work),
        ("Assignment and progress of this process", Origin::Status),
        ("State of the partitions held", Origin::State),
    ] {
        text.extend(["\n## ", title, "\n\n| metric | kind | unit | labels | instances | meaning |\n"]);
        text.push_str("|---|---|---|---|---|---|\n");
        for declared in Metric::ALL.map(Metric::declaration).iter().filter(|declared| declared.origin == origin) {
            text.push_str(&row(declared));
        }
    }
    text
}

fn row(declared: &Declaration) -> String {
    let labels: Vec<String> = declared.labels.iter().map(|label| format!("`{label}`")).collect();
    format!(
        "| `{}` | {} | {} | {} | {} | {} |\n",
        declared.name,
        match declared.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        },
        match declared.unit {
            Unit::Count => "count",
            Unit::Seconds => "seconds",
            Unit::TimestampSeconds => "Unix time, seconds",
            Unit::Bytes => "bytes",
            Unit::CurrencyAmount => "currency, major units",
            Unit::Ratio => "ratio",
            Unit::Info => "1",
        },
        labels.join(", "),
        match declared.aggregation {
            Aggregation::Sum => "sum",
            Aggregation::Min => "min",
            Aggregation::Max => "max",
            Aggregation::PerInstance => "each",
        },
        declared.help,
    )
}
