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

    use expect_test::{Expect, expect};

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

    /// What is reported about a file of this text, which is called `c.toml` here.
    fn check(written: &str, expected: &Expect) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(folder.path().join("secret"), "hush").unwrap();
        std::fs::write(&path, written).unwrap();
        let shown = text(&config::load_with(Some(&path), &crate::cli::refused));
        expected.assert_eq(&shown.replace(&format!("{}/", folder.path().display()), ""));
    }

    #[test]
    fn a_problem_of_one_kind_hides_none_of_another() {
        check(
            r#"colour = 1
include = ["none.toml"]
[[sources]]
topic = "a"
mapping = "shop"
[[sources]]
topic = "a"
mapping = "shp"
format = "avro"
[[sources]]
format = "canonical"
[mappings.shop]
id = 7
time = "at..x"
time_format = "iso"
account = "org"
typ = "y"
skip = "test"
type_default = "feature.usd"
[mappings.shop.fields."feature.used"]
quantity = { path = "n", constant = 1 }
feature = { pth = "a" }
[mappings.log]
format = "colums"
columns = ["x"]
id = "i"
time = "t"
account = "a"
type_default = "page.viewed"
[kafka]
brokers = "localhost"
[kafka.properties]
not.a.property = "x"
group.id = "mine"
[kafka.consumer]
fetch.min.bytes = "many"
session.timeout.ms = 999999999
[kafka.producer]
compression.type = "bogus"
retries = 0
enable.gapless.guarantee_file = "secret"
[alerts]
playbooks = "nowhere"
[log]
level = "loud"
[rules]
horizon_days = 0
[rules.bands]
watch_enter = 0.6
[rules.rates]
XXZ = 2
[kpis.targets.nr]
target = 1
"#,
            &expect![[r#"
                c.toml:1: unknown key `colour`; remove it
                c.toml:2: `include`: none.toml cannot be read: No such file or directory (os error 2)
                c.toml:7: topic "a" is already a source at c.toml:4; its events would count twice
                c.toml:8: mapping `shp` is not defined; did you mean `shop`?
                c.toml:9: `sources.format`: found "avro", allowed: "canonical"; for anything else leave it out and name a `mapping`
                c.toml:10: a source has no `topic`; say which topic to read
                c.toml:13: `mappings.shop.id`: found 7, allowed: a path in quotes, or a list of paths
                c.toml:14: `mappings.shop.time`: `at..x` is no path; write keys parted by dots, such as properties.value
                c.toml:15: `mappings.shop.time_format`: found "iso", allowed: "rfc3339", "seconds", "milliseconds", "date"
                c.toml:17: unknown key `mappings.shop.typ`; did you mean `type`?
                c.toml:18: `mappings.shop.skip`: found "test", allowed: a list
                c.toml:19: `mappings.shop.type_default`: `feature.usd` is no event type; see docs/schemas/event.schema.json
                c.toml:20: `mappings.shop.fields."feature.used"`: no type of the source becomes this one; add it to types or leave this out
                c.toml:22: unknown key `mappings.shop.fields."feature.used".feature.pth`; did you mean `path`?
                c.toml:24: `mappings.log.format`: found "colums", allowed: "json", "columns"
                c.toml:29: `mappings.log.type_default`: `page.viewed` is no event type; see docs/schemas/event.schema.json
                c.toml:31: `kafka.brokers`: found "localhost", allowed: HOST:PORT of one or more brokers, separated by commas
                c.toml:33: `kafka.properties.not.a.property`: librdkafka has no such property; correct the name after librdkafka's CONFIGURATION.md, or remove it
                c.toml:34: `kafka.properties.group.id` cannot be set; each role has its own group: set `ingest.group_id`, `engine.group_id` and `notify.group_id` instead
                c.toml:36: `kafka.consumer.fetch.min.bytes`: librdkafka does not take it: found "many", allowed: number from 1 to 100000000
                c.toml:37: `kafka.consumer.session.timeout.ms`: librdkafka does not take it: found "999999999", allowed: number from 1 to 3600000
                c.toml:39: `kafka.producer.compression.type`: librdkafka does not take it: found "bogus", allowed: none, gzip, snappy, lz4, zstd
                c.toml:40: `kafka.producer.retries`: found 0, allowed: whole number from 1 to 2147483647; without retries a record may get lost
                c.toml:41: `kafka.producer.enable.gapless.guarantee`: librdkafka does not take it: found (not shown), allowed: true or false
                c.toml:43: `alerts.playbooks`: nowhere cannot be read: No such file or directory (os error 2); name a folder, or leave the key out: the shipped playbooks hold then
                c.toml:45: `log.level`: log level "loud" is not understood: "loud" is no level; use error, warn, info, debug or trace, or a filter such as info,churnwatch::kafka=debug
                c.toml:47: `rules.horizon_days`: found 0, allowed: whole number from 1 to 112
                c.toml:49: `rules.bands.watch_enter` (0.6) must be below `rules.bands.at_risk_enter` (0.5); bands follow each other: watch, at_risk, critical
                c.toml:51: `rules.rates.XXZ` is not a currency; write the three letters of an ISO 4217 currency in use
                c.toml:52: `kpis.targets.nr` is no KPI; did you mean `nrr`?
                30 problems in the configuration"#]],
        );
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn what_needs_tls_says_how_to_get_it() {
        check(
            "[kafka.properties]\nsecurity.protocol = \"SASL_SSL\"\n",
            &expect![[r#"
                c.toml:2: `kafka.properties.security.protocol`: librdkafka does not take it: found "SASL_SSL"; this build has no TLS; build with `--features tls`
                1 problem in the configuration"#]],
        );
    }

    #[test]
    fn properties_that_make_no_client_together_are_problems() {
        check(
            "[kafka.consumer]\nmax.poll.interval.ms = 60000\nsession.timeout.ms = 70000\n",
            &expect![[r#"
                c.toml:2: `kafka.consumer.max.poll.interval.ms`: librdkafka makes no client of it; Client creation error: `max.poll.interval.ms`must be >= `session.timeout.ms`
                1 problem in the configuration"#]],
        );
    }

    #[test]
    fn a_worker_that_the_group_would_throw_out_is_a_problem() {
        check(
            "[kafka.consumer]\nheartbeat.interval.ms = 20000\n",
            &expect![[r#"
            c.toml:2: `kafka.consumer.heartbeat.interval.ms`: the group would take the worker for dead between two heartbeats: found 20000, allowed: at most 10000, a third of session.timeout.ms = 30000
            1 problem in the configuration"#]],
        );
        check(
            "[kafka.properties]\nheartbeat.interval.ms = 3000\n[kafka.consumer]\nsession.timeout.ms = 6000\n",
            &expect![[r#"
                c.toml:2: `kafka.properties.heartbeat.interval.ms`: the group would take the worker for dead between two heartbeats: found 3000, allowed: at most 2000, a third of session.timeout.ms = 6000
                c.toml:4: `commit.transaction_timeout_ms` (20000) and the broker's scan of 10000 ms must together stay within `session.timeout.ms` (6000); the successor of a dead worker would wait for its transaction to end
                2 problems in the configuration"#]],
        );
        check(
            "[kafka.consumer]\nmax.poll.interval.ms = 40000\nplugin.library.paths = \"x\"\n",
            &expect![[r#"
            c.toml:2: `kafka.consumer.max.poll.interval.ms`: found 40000, allowed: whole number from 60000 to 86400000; a worker that waits for brokers to commit would be taken for one that hangs
            c.toml:3: `kafka.consumer.plugin.library.paths` cannot be set; a plug-in may change what is read and written
            2 problems in the configuration"#]],
        );
    }

    #[test]
    fn problems_are_told_in_both_forms() {
        let result = config::load(Some(Path::new("no/such.toml")));
        assert!(text(&result).starts_with("no/such.toml: "));
        assert_eq!(json(&result)["problems"][0]["file"], "no/such.toml");
    }
}
