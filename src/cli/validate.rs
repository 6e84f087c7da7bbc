//! `churnwatch validate`: every problem of a configuration at once, or what is in force.
//!
//! Nothing is connected to: whether brokers answer and topics exist is for `churnwatch topics` to say.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{ConfigArgs, EXIT_CONFIG, Output};
use crate::config::{self, Config, Problems};
use crate::wire::Format;

/// Arguments of `churnwatch validate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How the report is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Prints the report to standard output; exits 78 when there are problems.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let result = config::load_with(args.config.config.as_deref(), &super::refused);
    let report = match args.output {
        Output::Text => text(&result),
        Output::Json => json(&result).to_string(),
    };
    writeln!(io::stdout().lock(), "{report}")?;
    Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CONFIG) })
}

fn text(result: &Result<Config, Problems>) -> String {
    let config = match result {
        Ok(config) => config,
        Err(problems) => return problems.to_string(),
    };
    let sources: Vec<String> =
        config.sources.iter().map(|source| format!("{} ({})", source.topic, format_name(&source.format))).collect();
    let topics: Vec<&str> = topics(config).map(|(_, topic)| topic).to_vec();
    format!(
        "configuration is valid\n  brokers     {}\n  sources     {}\n  topics      {}\n  rules hash  {}",
        config.kafka.brokers,
        if sources.is_empty() { "none".to_owned() } else { sources.join(", ") },
        topics.join(", "),
        rules_hash(config)
    )
}

fn json(result: &Result<Config, Problems>) -> Value {
    let config = match result {
        Ok(config) => config,
        Err(problems) => return json!({ "valid": false, "problems": problems.to_json() }),
    };
    let source = |source: &config::Source| json!({ "topic": source.topic, "format": format_name(&source.format) });
    let topics = topics(config).map(|(name, topic)| (name.to_owned(), Value::from(topic)));
    json!({
        "valid": true,
        "brokers": config.kafka.brokers,
        "sources": config.sources.iter().map(source).collect::<Vec<_>>(),
        "topics": topics.into_iter().collect::<serde_json::Map<_, _>>(),
        "rules_hash": rules_hash(config),
    })
}

fn topics(config: &Config) -> [(&'static str, &str); 8] {
    let topics = &config.topics;
    [
        ("events", &topics.events),
        ("alerts", &topics.alerts),
        ("health", &topics.health),
        ("state", &topics.state),
        ("dead_letters", &topics.dead_letters),
        ("fleet", &topics.fleet),
        ("deliveries", &topics.deliveries),
        ("desk", &topics.desk),
    ]
}

fn format_name(format: &Format) -> &'static str {
    match format {
        Format::Canonical => "canonical",
        Format::Mapped(_) => "mapped",
    }
}

fn rules_hash(config: &Config) -> String {
    format!("{:016x}", config.rules.hash())
}

#[cfg(test)]
#[allow(clippy::needless_raw_string_hashes)] // expect-test writes them
mod tests {
    use std::path::Path;

    use expect_test::expect;

    use super::*;

    #[test]
    fn a_valid_configuration_is_told_with_what_is_in_force() {
        let result = Ok(Config::default());
        let hash = rules_hash(&Config::default());
        expect![[r#"
            configuration is valid
              brokers     127.0.0.1:9092
              sources     product.usage (canonical), billing.events (canonical)
              topics      churnwatch.events.v1, churnwatch.alerts.v1, churnwatch.account-health.v1, churnwatch.state.v1, churnwatch.dead-letters.v1, churnwatch.fleet.v1, churnwatch.deliveries.v1, churnwatch.desk.v1
              rules hash  HASH"#]].assert_eq(&text(&result).replace(&hash, "HASH"));
        expect![[r#"{"brokers":"127.0.0.1:9092","rules_hash":"HASH","sources":[{"format":"canonical","topic":"product.usage"},{"format":"canonical","topic":"billing.events"}],"topics":{"alerts":"churnwatch.alerts.v1","dead_letters":"churnwatch.dead-letters.v1","deliveries":"churnwatch.deliveries.v1","desk":"churnwatch.desk.v1","events":"churnwatch.events.v1","fleet":"churnwatch.fleet.v1","health":"churnwatch.account-health.v1","state":"churnwatch.state.v1"},"valid":true}"#]].assert_eq(&json(&result).to_string().replace(&hash, "HASH"));
    }

    #[test]
    fn properties_that_librdkafka_does_not_take_are_problems() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "[kafka.properties]\n\"not.a.property\" = \"x\"\n[kafka.producer]\n\"compression.type\" = \"bogus\"\n",
        )
        .unwrap();
        let result = config::load_with(Some(file.path()), &crate::cli::refused);
        let report = text(&result);
        assert!(report.contains(":2: ") && report.contains("not.a.property"), "{report}");
        assert!(report.contains(":4: ") && report.contains("compression.type"), "{report}");
    }

    #[test]
    fn problems_are_told_in_both_forms() {
        let result = config::load(Some(Path::new("no/such.toml")));
        assert!(text(&result).starts_with("no/such.toml: "));
        assert_eq!(json(&result)["problems"][0]["file"], "no/such.toml");
    }
}
