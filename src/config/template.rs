//! The shipped configuration: every key with its meaning, range and default, written from the registry.
//!
//! `config/churnwatch.toml` is this text; a test fails when it drifts and rewrites it with `UPDATE_EXPECT=1`.
//! Invariant: what it says is what holds without it.

use std::fmt::Write;

use super::Config;
use super::keys::{self, Key, Section};
use super::properties;

/// Widest line.
const COLUMNS_MAX: usize = 100;

const HEAD: &str = "\
The configuration of churnwatch, with every key at its default: what is left out holds as it stands here. \
`churnwatch validate --config FILE` reports every problem at once.

An environment variable overrides the key it names: CHURNWATCH__RULES__LATENESS_S overrides `lateness_s` in [rules], \
CHURNWATCH__RULES__RATES__EUR a rate, and CHURNWATCH__KAFKA__PROPERTIES__SASL_USERNAME the librdkafka property \
`sasl.username`, where `_` stands for the `.` of the property's name.

A secret is better kept in a file of its own: `_file` after the name of `http.token_sha256` or of any librdkafka \
property reads the value from that file, such as `sasl.password_file`. File names are relative to this file, or in the \
environment to the working directory.
";

const SOURCES: &str = "\
The topics to read. `format = \"canonical\"` reads canonical JSON; anything else is read by a mapping, defined as \
[mappings.NAME] in this file or in one of `include = [\"mappings/cdnow.toml\"]`, which must stand at the top of this file: \
then write `mapping = \"NAME\"` instead of `format`. With `sources = []` ingest only keeps the clock of the canonical log.
";

const PROPERTIES: &str = "\
librdkafka properties, passed through as they are: those of every client here, those of consumers or producers only in \
[kafka.consumer] and [kafka.producer]. Refused, since they would break what the product guarantees:
";

const RATES: &str = "\
What one major unit of another currency is worth in major units of the reporting currency: a number, or a list of them \
with the date from which each holds. A rate holds for whole months: that in force on a month's first date. Live amounts are \
at the latest rate, even one that is dated later; what a change of rate does to MRR is the movement `fx`.
";

const KPIS: &str = "\
What is wanted of each KPI, by its id (docs/kpis.md lists them): a number, or its revisions with the date from which each \
holds. Shares are written as such: 0.02, not 2 %; what a KPI cannot reach is refused. Then who answers for it and where its data come from, where that is not \
what docs/kpis.md says; and benchmarks, which are shown beside a KPI and decide nothing.
";

/// The shipped configuration.
#[must_use]
pub fn render() -> String {
    let config = Config::default();
    let keys = keys::all();
    let mut out = String::new();
    comment(&mut out, HEAD);
    comment(&mut out, "");
    let _ = writeln!(out, "# include = [\"mappings/cdnow.toml\"]");
    for section in keys::sections() {
        render_section(&mut out, &section, &keys, &config);
        match section.path.as_str() {
            "kafka" => render_properties(&mut out),
            "topics" => render_sources(&mut out, &config),
            "kpis" => {
                out.push('\n');
                comment(&mut out, KPIS);
                let _ = writeln!(
                    out,
                    "[kpis.targets]\n\
                     # nrr = [{{ from = \"2026-01-01\", value = 1.02 }}, {{ from = \"2026-07-01\", value = 1.05 }}]\n\
                     # customer_churn_rate = 0.02\n\
                     \n\
                     [kpis.owners]\n\
                     # nrr = \"head of customer success\"\n\
                     \n\
                     [kpis.sources]\n\
                     # mrr = \"subscriptions in the billing system\"\n\
                     \n\
                     # [[kpis.benchmarks]]\n\
                     # kpi = \"nrr\"\n\
                     # name = \"peer_median\"\n\
                     # value = 1.01\n\
                     # source = \"where this is published, and of whom it is said\""
                );
            }
            "rules" => {
                out.push('\n');
                comment(&mut out, RATES);
                let _ = writeln!(
                    out,
                    "[rules.rates]\n# EUR = 1.08\n# GBP = [{{ from = \"2025-01-01\", rate = 1.25 }}, {{ from = \"2026-01-01\", rate = 1.31 }}]"
                );
            }
            _ => {}
        }
    }
    out
}

fn render_section(out: &mut String, section: &Section, keys: &[Key], config: &Config) {
    out.push('\n');
    comment(out, &section.summary);
    let _ = writeln!(out, "[{}]", section.path);
    for key in keys.iter().filter(|key| key.section() == section.path) {
        out.push('\n');
        comment(out, &key.summary);
        comment(out, &format!("Allowed: {}.", key.allowed()));
        let _ = match key.value(config) {
            Some(value) => writeln!(out, "{} = {value}", key.name()),
            None => writeln!(out, "# {} = {:?}", key.name(), key.example.unwrap_or_default()),
        };
    }
}

fn render_properties(out: &mut String) {
    out.push('\n');
    comment(out, PROPERTIES);
    let names: Vec<&str> = properties::refused().map(|(name, _)| name).collect();
    comment(out, &format!("{}.", names.join(", ")));
    let _ = writeln!(
        out,
        "[kafka.properties]\n\
         # security.protocol = \"SASL_SSL\"\n\
         # sasl.mechanisms = \"SCRAM-SHA-512\"\n\
         # sasl.username = \"churnwatch\"\n\
         # sasl.password_file = \"/run/secrets/kafka-password\"\n\
         \n\
         [kafka.consumer]\n\
         # client.rack = \"eu-central-1a\"\n\
         \n\
         [kafka.producer]\n\
         # compression.type = \"zstd\""
    );
}

fn render_sources(out: &mut String, config: &Config) {
    out.push('\n');
    comment(out, SOURCES);
    for (index, source) in config.sources.iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        let _ = writeln!(out, "{separator}[[sources]]\ntopic = {:?}\nformat = \"canonical\"", source.topic);
    }
}

/// Writes text as comment lines, broken between words. Its paragraphs stay apart.
fn comment(out: &mut String, text: &str) {
    if text.is_empty() {
        out.push_str("#\n");
    }
    for paragraph in text.lines() {
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.len() + 1 + word.len() > COLUMNS_MAX {
                let _ = writeln!(out, "{line}");
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(out, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configuration_is_written_from_the_registry() {
        expect_test::expect_file!["../../config/churnwatch.toml"].assert_eq(&render());
    }

    #[test]
    fn comments_are_broken_between_words() {
        let mut out = String::new();
        comment(&mut out, &"word ".repeat(60));
        assert!(out.lines().all(|line| line.len() <= COLUMNS_MAX && line.starts_with("# word")), "{out}");
        assert_eq!(out.matches("word").count(), 60);
    }
}
