//! Configurations as texts: what each leads to, or what is reported about it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::load::{Surroundings, resolve};
use super::{Complaint, Config, Problems, template};

/// Files by name, and variables; the configuration is the file `c.toml`.
fn resolve_texts(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let read = |path: &Path| {
        let text = path.to_str().and_then(|name| files.get(name));
        text.map(|text| (*text).to_owned()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let list = |folder: &Path| {
        let inside: Vec<_> = files.keys().map(PathBuf::from).filter(|path| path.parent() == Some(folder)).collect();
        if inside.is_empty() { Err(io::Error::from(io::ErrorKind::NotFound)) } else { Ok(inside) }
    };
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    resolve(Some(Path::new("c.toml")), &Surroundings { read: &read, list: &list, variables }, &|_| Vec::new())
}

fn report(result: Result<Config, Problems>) -> String {
    result.map_or_else(|problems| problems.to_string(), |_| "valid".to_owned())
}

/// What is reported about the file `c.toml`.
fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&report(resolve_texts(&[("c.toml", text)], &[])));
}

fn same(a: &Config, b: &Config) -> bool {
    let settings = |config: &Config| format!("{:?}", Config { file: None, ..config.clone() });
    settings(a) == settings(b)
}

#[test]
fn the_shipped_file_says_what_holds_without_it() {
    let config = resolve_texts(&[("c.toml", &template::render())], &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(same(&config, &Config::default()));
    let empty = resolve_texts(&[("c.toml", "")], &[]).unwrap();
    assert!(same(&empty, &Config::default()));
}

#[test]
fn the_shipped_mappings_load() {
    let main = "include = [\"mappings/cdnow.toml\", \"mappings/online-retail.toml\"]\n\
                [[sources]]\ntopic = \"a\"\nmapping = \"cdnow\"\n";
    let files = [
        ("c.toml", main),
        ("mappings/cdnow.toml", include_str!("../../config/mappings/cdnow.toml")),
        ("mappings/online-retail.toml", include_str!("../../config/mappings/online-retail.toml")),
    ];
    let config = resolve_texts(&files, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(matches!(config.sources[0].format, crate::wire::Format::Mapped(_)));
}

#[test]
fn syntax_errors_are_all_reported() {
    check(
        "a = \n[rules\nhorizon_days = 1\nhorizon_days = 2\n",
        &expect![[r#"
        c.toml:1: not valid TOML: string values must be quoted, expected literal string
        c.toml:2: not valid TOML: unclosed table, expected `]`
        2 problems in the configuration"#]],
    );
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    check(
        "colour = 1\n[kafka]\nbroker = \"a:1\"\n[rules]\nlateness = 3\nfrobnicate = true\n[rules.band]\nx = 1\n[engine]\n\
         \"work.ers\" = 1\n[rules.bands]\nwhatever = 1\n[[sources]]\ntopic = \"a\"\n\
         mappin = \"x\"\n",
        &expect![[r#"
            c.toml:1: unknown key `colour`; remove it
            c.toml:3: unknown key `kafka.broker`; did you mean `kafka.brokers`?
            c.toml:5: unknown key `rules.lateness`; did you mean `rules.lateness_s`?
            c.toml:6: unknown key `rules.frobnicate`; known here: horizon_days, lateness_s, future_skew_s, dedup_window_s, excluded_users, excluded_sources, excluded_roles, segment_by, segments_max, currency, health_step, bands, silence_guard, alerts, risk, rates
            c.toml:7: unknown key `rules.band`; did you mean `rules.bands`?
            c.toml:10: unknown key `engine."work.ers"`; write the key without quotes
            c.toml:12: unknown key `rules.bands.whatever`; known here: watch_enter, watch_exit, at_risk_enter, at_risk_exit, critical_enter, critical_exit, dwell_hours
            c.toml:15: unknown key `sources.mappin`; did you mean `mapping`?
            8 problems in the configuration"#]],
    );
}

#[test]
fn unknown_signals_and_parameters_are_refused() {
    let report = report(resolve_texts(&[("c.toml", "[signals.no_such_signal]\nweight = 1\n")], &[]));
    assert!(report.starts_with("c.toml:1: unknown key `signals"), "{report}");
    for signal in crate::engine::signals::SIGNALS {
        let text = format!("[signals.{}]\nenabled = false\nno_such_parameter = 1\n", signal.declaration.name);
        let report = self::report(resolve_texts(&[("c.toml", &text)], &[]));
        let expected = format!("c.toml:3: unknown key `signals.{}.no_such_parameter`", signal.declaration.name);
        assert!(report.starts_with(&expected), "{report}");
    }
}

#[test]
fn values_of_the_wrong_type_or_out_of_range_are_refused() {
    check(
        "ingest = 3\n[kafka]\nbrokers = \"localhost\"\n[topics]\nevents = \"my topic\"\npartitions = 0\n\
         replication_factor = \"3\"\n[rules]\nhorizon_days = 1.5\nlateness_s = 99999999999999999999\nbase_logit = nan\n\
         currency = \"XXZ\"\nsegment_by = \"\"\n[log]\nformat = \"xml\"\nlevel = 3\n[http]\nlisten = \"localhost:80\"\n\
         token_sha256 = \"secret\"\n[limits]\nevent_bytes_max = [1]\n[commit]\nevents_max = 2026-01-01\n",
        &expect![[r#"
            c.toml:1: `ingest`: found 3, allowed: a table; write [ingest] above its keys
            c.toml:3: `kafka.brokers`: found "localhost", allowed: HOST:PORT of one or more brokers, separated by commas
            c.toml:5: `topics.events`: found "my topic", allowed: a topic name of 1 to 249 letters, digits, `.`, `_` and `-`
            c.toml:6: `topics.partitions`: found 0, allowed: whole number from 1 to 1000
            c.toml:7: `topics.replication_factor`: found "3", allowed: whole number from 1 to 10; write it without quotes
            c.toml:9: `rules.horizon_days`: found 1.5, allowed: whole number from 1 to 112
            c.toml:10: `rules.lateness_s`: found 99999999999999999999, allowed: whole number from 0 to 604800
            c.toml:11: unknown key `rules.base_logit`; did you mean `rules.risk.subscribed.base_logit`?
            c.toml:12: `rules.currency`: found "XXZ", allowed: three letters of an ISO 4217 currency in use, such as "USD"
            c.toml:13: `rules.segment_by`: found "", allowed: "plan" or the name of a trait, 1 to 64 letters, digits, `.`, `_` and `-`
            c.toml:15: `log.format`: found "xml", allowed: "pretty" or "json"
            c.toml:16: `log.level`: found 3, allowed: error, warn, info, debug, trace or off, or directives such as "info,churnwatch::kafka=debug"; put the text in quotes
            c.toml:18: `http.listen`: found "localhost:80", allowed: IP:PORT, such as 127.0.0.1:9464 or [::1]:9464
            c.toml:19: `http.token_sha256`: found (not shown), allowed: 64 hexadecimal digits, such as `printf %s TOKEN | sha256sum` prints
            c.toml:21: `limits.event_bytes_max`: found a list, allowed: whole number from 1024 to 1000000000
            c.toml:23: `commit.events_max`: found 2026-01-01, allowed: whole number from 1 to 10000000
            16 problems in the configuration"#]],
    );
}

#[test]
fn settings_must_fit_each_other() {
    check(
        "[topics]\nevents = \"x\"\nalerts = \"x\"\n[engine]\ngroup_id = \"churnwatch-ingest\"\n[commit]\n\
         interval_lagging_ms = 20000\n[http]\nlisten = \"0.0.0.0:9464\"\n[limits]\nevent_bytes_max = 100000000\n\
         [rules.bands]\nwatch_enter = 0.6\nat_risk_exit = 0.5\n[rules.alerts]\nexit = 0.9\n[kafka.consumer]\n\
         session.timeout.ms = 10000\n[rules.rates]\nUSD = 1\nEUR = -1\nXXZ = 2\neur = 1.1\nGBP = \"1\"\n\
         CHF = [{ from = \"2026-03-15\", rate = 1.1 }, { from = \"2026-04-01\", rate = 1.2 }]\n\
         [signals.limit_hits]\nhits_start = 9\nhits_full = 3\n",
        &expect![[r#"
            c.toml:3: `topics.alerts` and `topics.events` are both "x"; each of the product's topics needs its own name
            c.toml:5: `ingest.group_id` and `engine.group_id` are both "churnwatch-ingest"; the roles read different topics and need a group each
            c.toml:7: `commit.transaction_timeout_ms` (20000) must be at least twice `commit.interval_lagging_ms` (20000); the broker would abort transactions that are still filling
            c.toml:9: `http.listen` (0.0.0.0:9464) is open to other machines and there is no token; set `http.token_sha256`, or listen on 127.0.0.1
            c.toml:11: `limits.event_bytes_max` (100000000) must not be above `limits.record_bytes_max` (16777216)
            c.toml:13: `rules.bands.watch_enter` (0.6) must be below `rules.bands.at_risk_enter` (0.5); bands follow each other: watch, at_risk, critical
            c.toml:14: `rules.bands.at_risk_exit` (0.5) must be below `rules.bands.at_risk_enter` (0.5); an account near the level would come and go
            c.toml:16: `rules.alerts.exit` (0.9) must be below `rules.alerts.enter` (0.4); an account near the level would come and go
            c.toml:18: `commit.transaction_timeout_ms` (20000) and the broker's scan of 10000 ms must together stay within `session.timeout.ms` (10000); the successor of a dead worker would wait for its transaction to end
            c.toml:20: `rules.rates.USD` is the rate of the reporting currency itself; leave it out: it is worth 1 of itself
            c.toml:21: `rules.rates.EUR`: found -1, allowed: number above 0, at most 1000000000, or a list of such as { from = "2026-01-01", rate = 1.08 }
            c.toml:22: `rules.rates.XXZ` is not a currency; write the three letters of an ISO 4217 currency in use
            c.toml:24: `rules.rates.GBP`: found "1", allowed: number above 0, at most 1000000000, or a list of such as { from = "2026-01-01", rate = 1.08 }
            c.toml:25: `rules.rates.CHF` has two rates that hold from 2026-04 on; leave one of them out
            c.toml:28: `signals.limit_hits.hits_start` (9) must be below `signals.limit_hits.hits_full` (3)
            15 problems in the configuration"#]],
    );
}

#[test]
fn targets_lie_where_their_kpi_can() {
    check(
        "[kpis.targets]\nnrr = 102\ncustomer_churn_rate = 2\ngrr = -5\nmrr = -1\nnps = 130\nquick_ratio = -0.5\n\
         crr = [{ from = \"2026-01-01\", value = 1.01 }, { from = \"2026-07-01\", value = 98 }]\n",
        &expect![[r#"
            c.toml:2: `kpis.targets.nrr`: found 102, allowed: number from 0 to 3; shares are written as such: 0.02, not 2 %
            c.toml:3: `kpis.targets.customer_churn_rate`: found 2, allowed: number from 0 to 1; shares are written as such: 0.02, not 2 %
            c.toml:4: `kpis.targets.grr`: found -5, allowed: number from 0 to 1; shares are written as such: 0.02, not 2 %
            c.toml:5: `kpis.targets.mrr`: found -1, allowed: number from 0 on
            c.toml:6: `kpis.targets.nps`: found 130, allowed: number from -100 to 100
            c.toml:7: `kpis.targets.quick_ratio`: found -0.5, allowed: number from 0 on
            c.toml:8: `kpis.targets.crr`: found 98, allowed: number from 0 to 3; shares are written as such: 0.02, not 2 %
            7 problems in the configuration"#]],
    );
    check(
        "[kpis.targets]\nnrr = 1.2\ncustomer_churn_rate = 0\ngrr = 1\nnet_revenue_churn = -0.05\nmrr = 1e6\nnps = -20\n",
        &expect!["valid"],
    );
}

#[test]
fn one_mistake_is_reported_once() {
    check(
        "[rules.bands]\nwatch_enter = 7\n[commit]\ntransaction_timeout_ms = 1\n",
        &expect![[r#"
        c.toml:2: `rules.bands.watch_enter`: found 7, allowed: number from 0 to 1
        c.toml:4: `commit.transaction_timeout_ms`: found 1, allowed: whole number from 1000 to 900000
        2 problems in the configuration"#]],
    );
}

#[test]
fn sources_are_checked() {
    check(
        "[[sources]]\ntopic = \"a\"\n[[sources]]\ntopic = \"a\"\nformat = \"canonical\"\n[[sources]]\nformat = \"avro\"\n\
         [[sources]]\nformat = \"canonical\"\n[[sources]]\ntopic = \"churnwatch.alerts.v1\"\n[[sources]]\ntopic = \"b/c\"\n\
         [[sources]]\ntopic = \"d\"\nmapping = \"shp\"\n[[sources]]\ntopic = \"e\"\nmapping = \"shop\"\n\
         format = \"canonical\"\n[[sources]]\ntopic = 5\n[mappings.shop]\ntime = \"t\"\naccount = \"a\"\nid = \"i\"\n\
         type = \"y\"\n",
        &expect![[r#"
            c.toml:4: topic "a" is already a source at c.toml:2; its events would count twice
            c.toml:6: a source has no `topic`; say which topic to read
            c.toml:7: `sources.format`: found "avro", allowed: "canonical"; for anything else leave it out and name a `mapping`
            c.toml:8: a source has no `topic`; say which topic to read
            c.toml:11: source topic "churnwatch.alerts.v1" is also `topics.alerts`, which the product writes; reading what it writes never ends; canonical events in the canonical log need no source
            c.toml:13: `sources.topic`: found "b/c", allowed: a topic name of 1 to 249 letters, digits, `.`, `_` and `-`
            c.toml:16: mapping `shp` is not defined; did you mean `shop`?
            c.toml:17: a source has both `format` and `mapping`; leave one of them out
            c.toml:22: `sources.topic`: found 5, allowed: text in quotes
            c.toml:23: `mappings.shop.types`: is empty; say which types of the source become which of ours, or give type_default
            10 problems in the configuration"#]],
    );
    check(
        "sources = \"product.usage\"\n",
        &expect![[r#"
        c.toml:1: `sources` must be a list of tables: found "product.usage"; write [[sources]] above each
        1 problem in the configuration"#]],
    );
    check("sources = []\n", &expect!["valid"]);
}

#[test]
fn problems_of_mappings_have_their_line() {
    check(
        "[mappings.a]\ntime = \"t\"\ncolour = 1\n\n[mappings.b]\nid = \"id\"\ntime = \"t\"\naccount = \"a\"\n\
         type_default = \"feature.usd\"\n\n[mappings.b.fields.\"feature.used\"]\nquantity = { path = \"n\", constant = 1 }\n",
        &expect![[r#"
            c.toml:1: `mappings.a.id`: is missing; give the path of the event's id, or "@hash" where there is none
            c.toml:1: `mappings.a.account`: is missing; give the path of the value in the record
            c.toml:1: `mappings.a.type`: is missing; give the path of the event type, or type_default where there is none
            c.toml:3: unknown key `mappings.a.colour`; known here: format, columns, delimiter, id, time, time_format, account, user, type, types, type_default, skip, fields
            c.toml:9: `mappings.b.type_default`: `feature.usd` is no event type; see docs/schemas/event.schema.json
            c.toml:11: `mappings.b.fields."feature.used"`: no type of the source becomes this one; add it to types or leave this out
            6 problems in the configuration"#]],
    );
}

#[test]
fn values_of_mappings_that_do_not_fit_are_told_in_the_words_of_the_file() {
    check(
        "mappings.x = 5\n[mappings.a]\nformat = \"xml\"\ncolumns = [\"a\", 5]\nid = 1\ntime = \"\"\naccount = [\"a\"]\n\
         tyme_format = \"date\"\ntime_format = 5\ntype = [\"k\", 5]\nskip = \"x\"\n[mappings.a.types]\na = \"feature.used\"\nb = 7\n\
         [mappings.a.fields.\"feature.used\"]\nfeature = \"f\"\nquantity = { path = \"q\", scale = \"big\", abs = 1 }\n\
         source = { constant = [] }\n",
        &expect![[r#"
            c.toml:1: `mappings.x`: found 5, allowed: a table
            c.toml:3: `mappings.a.format`: found "xml", allowed: "json", "columns"
            c.toml:4: `mappings.a.columns`: found 5, allowed: text in quotes
            c.toml:5: `mappings.a.id`: found 1, allowed: a path in quotes, or a list of paths
            c.toml:7: `mappings.a.account`: found a list, allowed: text in quotes
            c.toml:8: unknown key `mappings.a.tyme_format`; did you mean `time_format`?
            c.toml:9: `mappings.a.time_format`: found 5, allowed: text in quotes
            c.toml:10: `mappings.a.type`: found a list, allowed: a path in quotes, or a list of paths
            c.toml:11: `mappings.a.skip`: found "x", allowed: a list
            c.toml:14: `mappings.a.types.b`: found 7, allowed: text in quotes
            c.toml:16: `mappings.a.fields."feature.used".feature`: found "f", allowed: { path = "..." } or { constant = ... }
            c.toml:17: `mappings.a.fields."feature.used".quantity.abs`: found 1, allowed: true or false
            c.toml:17: `mappings.a.fields."feature.used".quantity.scale`: found "big", allowed: a number
            c.toml:18: `mappings.a.fields."feature.used".source.constant`: found a list, allowed: text, a number, true or false
            14 problems in the configuration"#]],
    );
}

#[test]
fn included_files_have_mappings_and_nothing_else() {
    let main = "include = [\"m.toml\", \"none.toml\", 3, \"n.toml\"]\n";
    let mapping = "[kafka]\nbrokers = \"a:1\"\n[mappings.x]\nid = \"i\"\ntime = \"t\"\naccount = \"a\"\n\
                   type_default = \"feature.used\"\nfields.\"feature.used\".feature = { constant = \"x\" }\n";
    let files = [("c.toml", main), ("m.toml", mapping), ("n.toml", mapping)];
    expect![[r#"
        c.toml:1: `include`: none.toml cannot be read: entity not found
        c.toml:1: `include`: found 3, allowed: a list of file names in quotes
        m.toml:1: `kafka` cannot stand in an included file; only [mappings.NAME] can; move it to the main file
        n.toml:1: `kafka` cannot stand in an included file; only [mappings.NAME] can; move it to the main file
        n.toml:3: `mappings.x` is already defined at m.toml:3; rename one of them
        5 problems in the configuration"#]]
    .assert_eq(&report(resolve_texts(&files, &[])));
}

#[test]
fn properties_pass_through() {
    let text = "[kafka.properties]\nsecurity.protocol = \"SASL_SSL\"\n\"sasl.username\" = \"me\"\n\
                sasl.password_file = \"secret\"\nsocket.keepalive.enable = true\n[kafka.consumer]\nfetch.min.bytes = 7\n\
                [kafka.producer]\nlinger.ms = 0.5\nmax.in.flight = 5\n";
    let variables = [
        ("CHURNWATCH__KAFKA__CONSUMER__CLIENT_RACK", "r1"),
        ("CHURNWATCH__KAFKA__PRODUCER__SSL_KEY_PASSWORD_FILE", "key"),
        ("CHURNWATCH__KAFKA__PROPERTIES__SASL_USERNAME", "you"),
    ];
    let files = [("c.toml", text), ("secret", "s3cret\n"), ("key", "k3y\r\n")];
    let kafka = resolve_texts(&files, &variables).unwrap_or_else(|problems| panic!("{problems}")).kafka;
    let values = format!("{:?}\n{:?}\n{:?}", kafka.properties, kafka.consumer, kafka.producer);
    expect![[r#"
        {"sasl.password": "s3cret", "sasl.username": "you", "security.protocol": "SASL_SSL", "socket.keepalive.enable": "true"}
        {"client.rack": "r1", "fetch.min.bytes": "7"}
        {"linger.ms": "0.5", "max.in.flight": "5", "ssl.key.password": "k3y"}"#]].assert_eq(&values);
    let shown = format!("{kafka:?}");
    assert!(shown.contains("sasl.password") && !shown.contains("s3cret") && !shown.contains("k3y"), "{shown}");
}

#[test]
fn properties_that_break_the_guarantees_are_refused() {
    check(
        "[kafka.properties]\nbootstrap.servers = \"a:1\"\nenable.auto.commit = false\nisolation.level = \"read_committed\"\n\
         transactional.id = \"x\"\nrebalance_cb = \"f\"\ntest.mock.num.brokers = 3\nsasl.password = [\"secret\"]\n\
         [kafka.consumer]\ngroup.id = \"g\"\nauto.offset.reset = \"latest\"\ngroup.protocol = \"consumer\"\n\
         session.timeout.ms = 60000\n[kafka.producer]\nacks = 1\npartitioner = \"random\"\nmax.in.flight = 6\n\
         linger.ms = 5\n\"linger.ms\" = 6\nssl.key.password = \"a\"\nssl.key.password_file = \"f\"\nsecurity.protocol = {}\n",
        &expect![[r#"
            c.toml:2: `kafka.properties.bootstrap.servers` cannot be set; set `kafka.brokers` instead
            c.toml:3: `kafka.properties.enable.auto.commit` cannot be set; offsets are committed in the transaction that carries the outputs, never beside it; see `commit.interval_caught_up_ms`
            c.toml:4: `kafka.properties.isolation.level` cannot be set; only committed records may be read: it is always read_committed
            c.toml:5: `kafka.properties.transactional.id` cannot be set; each worker has its own, stable over restarts, so that its dead predecessor is fenced off
            c.toml:6: `kafka.properties.rebalance_cb` cannot be set; callbacks are code
            c.toml:7: `kafka.properties.test.mock.num.brokers` cannot be set; it replaces the brokers by an imitation that guarantees nothing
            c.toml:8: `kafka.properties.sasl.password`: found a list, allowed: text, a number, true or false
            c.toml:10: `kafka.consumer.group.id` cannot be set; each role has its own group: set `ingest.group_id`, `engine.group_id` and `notify.group_id` instead
            c.toml:11: `kafka.consumer.auto.offset.reset` cannot be set; a position that is lost is recovered from the commit record or reported, never guessed: guessing skips or repeats events
            c.toml:12: `kafka.consumer.group.protocol` cannot be set; the workers are static members of a classic group, so that a restart after a crash goes on at once; with the new protocol that is not assured
            c.toml:15: `kafka.producer.acks` cannot be set; transactions need idempotence and acks of all replicas
            c.toml:16: `kafka.producer.partitioner` cannot be set; every producer of the canonical log must agree where an account lives: murmur2 of its id
            c.toml:17: `kafka.producer.max.in.flight`: found 6, allowed: whole number from 1 to 5; beyond 5 requests in flight a broker cannot keep records in order
            c.toml:19: `kafka.producer.linger.ms` is given twice, also at c.toml:18; leave one of them out
            c.toml:21: `kafka.producer.ssl.key.password_file`: f cannot be read: entity not found
            c.toml:22: `kafka.producer.security.protocol`: found a table, allowed: text, a number, true or false
            16 problems in the configuration"#]],
    );
}

#[test]
fn every_refused_property_says_why() {
    for (name, reason) in super::properties::refused() {
        let text = format!("[kafka.properties]\n\"{name}\" = \"x\"\n");
        let problems = resolve_texts(&[("c.toml", &text)], &[]).unwrap_err().to_string();
        let expected = format!("c.toml:2: `kafka.properties.{name}` cannot be set; {reason}\n");
        assert!(problems.starts_with(&expected), "{problems}");
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let text = "[rules]\nlateness_s = 1\n[rules.rates]\nEUR = 1.0\n[kafka]\nbrokers = \"file:1\"\n";
    let token = "0123456789ABCDEF".repeat(4);
    let variables = [
        ("CHURNWATCH__RULES__LATENESS_S", "2"),
        ("CHURNWATCH__RULES__BANDS__WATCH_ENTER", "0.3"),
        ("CHURNWATCH__RULES__RATES__EUR", "1.2"),
        ("CHURNWATCH__KAFKA__BROKERS", "env:1"),
        ("CHURNWATCH__HTTP__LISTEN", "0.0.0.0:80"),
        ("CHURNWATCH__HTTP__TOKEN_SHA256_FILE", "token"),
        ("CHURNWATCH__ENGINE__INSTANCE_ID", "3"),
        ("OTHER", "x"),
    ];
    let config = resolve_texts(&[("c.toml", text), ("token", &token)], &variables).unwrap();
    assert_eq!(config.rules.lateness.ms(), 2_000);
    assert_eq!(format!("{}", config.rules.bands.watch.enter), "0.3");
    let euro = crate::units::Currency::parse("EUR").unwrap();
    assert_eq!(config.rules.rates.latest(euro), Some(1.2));
    assert_eq!(config.kafka.brokers, "env:1");
    assert_eq!(config.http.token_sha256.as_deref(), Some(token.to_lowercase().as_str()));
    assert_eq!(config.engine.instance_id.as_deref(), Some("3"));
}

#[test]
fn the_variables_that_the_readme_gives_are_taken() {
    let readme = include_str!("../../README.md");
    let given =
        readme.split('`').filter_map(|code| code.split_once('=').filter(|(name, _)| name.starts_with("CHURNWATCH__")));
    let variables: Vec<(&str, &str)> = given.collect();
    assert!(variables.iter().any(|(name, _)| *name == "CHURNWATCH__HTTP__LISTEN"), "{variables:?}");
    resolve_texts(&[("c.toml", "")], &variables).unwrap_or_else(|problems| panic!("{problems}"));
}

#[test]
fn problems_of_the_environment_name_the_variable() {
    let variables = [
        ("CHURNWATCH__RULES__LATENES_S", "2"),
        ("CHURNWATCH__RULES__HORIZON_DAYS", "a month"),
        ("CHURNWATCH__X", "2"),
        ("CHURNWATCH__KAFKA__PRODUCER__ACKS", "0"),
        ("CHURNWATCH__HTTP__LISTEN", "0.0.0.0:80"),
        ("CHURNWATCH__HTTP__TOKEN_SHA256_FILE", "none"),
        ("CHURNWATCH__RULES__RATES__EUR", "much"),
    ];
    expect![[r#"
        c.toml:2: unknown key `rules.foo`; known here: horizon_days, lateness_s, future_skew_s, dedup_window_s, excluded_users, excluded_sources, excluded_roles, segment_by, segments_max, currency, health_step, bands, silence_guard, alerts, risk, rates
        CHURNWATCH__HTTP__TOKEN_SHA256_FILE: `http.token_sha256_file`: none cannot be read: entity not found
        CHURNWATCH__KAFKA__PRODUCER__ACKS: `kafka.producer.acks` cannot be set; transactions need idempotence and acks of all replicas
        CHURNWATCH__RULES__HORIZON_DAYS: `rules.horizon_days`: found "a month", allowed: whole number from 1 to 112
        CHURNWATCH__RULES__LATENES_S: unknown environment variable; did you mean CHURNWATCH__RULES__LATENESS_S?
        CHURNWATCH__RULES__RATES__EUR: `rules.rates.EUR`: found "much", allowed: number above 0, at most 1000000000, or a list of such as { from = "2026-01-01", rate = 1.08 }
        CHURNWATCH__X: unknown environment variable; the name is CHURNWATCH__SECTION__KEY, from the section and key of the file
        7 problems in the configuration"#]].assert_eq(&report(resolve_texts(&[("c.toml", "[rules]\nfoo = 1\n")], &variables)));
}

#[test]
fn secrets_are_never_shown() {
    let text = "[http]\ntoken_sha256_file = \"token\"\n[kafka.properties]\nmax.in.flight_file = \"secret\"\n";
    let files = [("c.toml", text), ("token", "t0ken"), ("secret", "s3cret")];
    let shown = report(resolve_texts(&files, &[]));
    assert!(shown.contains("c.toml:2: `http.token_sha256`") && shown.contains("c.toml:4"), "{shown}");
    assert!(!shown.contains("t0ken") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn commands_repeat_the_file_that_was_named() {
    let command = |file: Option<&str>| Config { file: file.map(PathBuf::from), ..Config::default() }.command("topics");
    assert_eq!(command(None), "`churnwatch topics`");
    assert_eq!(command(Some("config/a-1.toml")), "`churnwatch topics --config config/a-1.toml`");
    assert_eq!(command(Some("it's.toml")), r"`churnwatch topics --config 'it'\''s.toml'`");
    assert_eq!(resolve_texts(&[("c.toml", "")], &[]).unwrap().command("topics"), "`churnwatch topics --config c.toml`");
}

#[test]
fn a_missing_file_is_a_problem() {
    expect![[r#"
        c.toml: the configuration cannot be read: entity not found
        1 problem in the configuration"#]]
    .assert_eq(&report(resolve_texts(&[], &[])));
}

#[test]
fn a_further_check_gets_its_line() {
    let text = "[kafka.properties]\nno.such = 1\n";
    let complain = |_: &Config| {
        vec![Complaint {
            path: "kafka.properties.no.such".to_owned(),
            message: "unknown to librdkafka".to_owned(),
            found: None,
            allowed: None,
            hint: None,
        }]
    };
    let read = |_: &Path| Ok(text.to_owned());
    let list = |_: &Path| Ok(Vec::new());
    let surroundings = Surroundings { read: &read, list: &list, variables: Vec::new() };
    let problems = resolve(Some(Path::new("c.toml")), &surroundings, &complain).unwrap_err();
    expect![[r#"
        c.toml:2: `kafka.properties.no.such`: unknown to librdkafka
        1 problem in the configuration"#]]
    .assert_eq(&problems.to_string());
    expect![[r#"[{"file":"c.toml","line":2,"message":"`kafka.properties.no.such`: unknown to librdkafka"}]"#]]
        .assert_eq(&problems.to_json().to_string());
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,400}") {
        let _ = resolve_texts(&[("c.toml", &text)], &[]);
    }

    /// Lines of the shipped file with damage here and there come much further than noise does.
    #[test]
    fn no_damaged_file_panics(cuts in prop::collection::vec((0_usize..20_000, ".{0,6}"), 1..12)) {
        let mut text = template::render().replace("# ", "");
        for (at, with) in cuts {
            let at = text.char_indices().map(|(at, _)| at).nth(at % text.chars().count().max(1)).unwrap_or(0);
            let end = text[at..].char_indices().nth(3).map_or(text.len(), |(len, _)| at + len);
            text.replace_range(at..end, &with);
        }
        let _ = resolve_texts(&[("c.toml", &text)], &[]);
    }

    #[test]
    fn no_value_panics(
        key in prop::sample::select(super::keys::all().into_iter().map(|key| key.path).collect::<Vec<_>>()),
        value in prop::sample::select(vec![
            "0", "-1", "1e400", "nan", "\"\"", "\"x\"", "[]", "{}", "true", "9223372036854775807", "1979-05-27", "inf",
        ]),
    ) {
        let (section, name) = key.rsplit_once('.').unwrap();
        let _ = resolve_texts(&[("c.toml", &format!("[{section}]\n{name} = {value}\n"))], &[]);
    }
}

#[test]
fn lists_of_patterns_are_read_sorted_and_checked_item_by_item() {
    let text = "[rules]\nexcluded_users = [\"svc-*\", \"*@ours.example\", \"svc-*\"]\n";
    let config = resolve_texts(&[("c.toml", text)], &[]).unwrap();
    assert_eq!(config.rules.exclusions.users, ["*@ours.example", "svc-*"]);
    let variables = [("CHURNWATCH__RULES__EXCLUDED_USERS", "bot-*, qa"), ("CHURNWATCH__RULES__EXCLUDED_SOURCES", "")];
    let config = resolve_texts(&[("c.toml", text)], &variables).unwrap();
    assert_eq!(config.rules.exclusions.users, ["bot-*", "qa"]);
    assert!(config.rules.exclusions.sources.is_empty());
    check(
        "[rules]\nexcluded_users = \"svc-*\"\nexcluded_sources = [\n  \"qa\",\n  7,\n]\n",
        &expect![[r#"
            c.toml:2: `rules.excluded_users`: found "svc-*", allowed: a list of at most 100, each 1 to 256 bytes, where `*` stands for any text and `?` for any one byte
            c.toml:5: an item of `rules.excluded_sources`: found 7, allowed: 1 to 256 bytes, where `*` stands for any text and `?` for any one byte
            2 problems in the configuration"#]],
    );
    check(
        "[rules]\nexcluded_users = [\"\"]\n",
        &expect![[r#"
        c.toml:2: an item of `rules.excluded_users`: found "", allowed: 1 to 256 bytes, where `*` stands for any text and `?` for any one byte
        1 problem in the configuration"#]],
    );
}

#[test]
fn playbooks_are_read_from_the_configured_folder() {
    let main = "[alerts]\nplaybooks = \"plays\"\nlink = \"https://crm.example/{account_id}\"\n";
    let book = "alert_type = \"nps\"\nreasons = [\"settled\"]\n[[plays]]\nname = \"call\"\n\
                steps = [{ text = \"Call\", due_days = 1 }]\n";
    let config = resolve_texts(&[("c.toml", main), ("plays/nps.toml", book), ("plays/notes.txt", "x")], &[]);
    let rules = config.unwrap_or_else(|problems| panic!("{problems}")).rules;
    assert_ne!(rules.hash(), Config::default().rules.hash());
    assert_eq!(rules.playbooks.link.as_deref(), Some("https://crm.example/{account_id}"));
    let own = rules.playbooks.books.iter().find(|book| book.alert_type == "nps").unwrap();
    assert_eq!((own.plays.len(), own.reasons.len()), (1, 1));
    assert_eq!(rules.playbooks.routes, Config::default().rules.playbooks.routes);

    let files = [("c.toml", main), ("plays/a.toml", "alert_type = \"np\"\nreasons = []\n"), ("plays/b.toml", "x\n")];
    expect![[r#"
        plays/a.toml: there is no `plays`; write [[plays]] with name, title and steps
        plays/a.toml:1: `alert_type`: there is no alert type "np"; did you mean "nps"?
        plays/a.toml:2: `reasons`: found a list, allowed: 1 to 16 texts
        plays/b.toml:1: not valid TOML: key with no value, expected `=`
        4 problems in the configuration"#]]
    .assert_eq(&report(resolve_texts(&files, &[])));
    let variables = [("CHURNWATCH__ALERTS__PLAYBOOKS", "none")];
    expect![[r#"
        CHURNWATCH__ALERTS__PLAYBOOKS: `alerts.playbooks`: none cannot be read: entity not found; name a folder, or leave the key out: the shipped playbooks hold then
        1 problem in the configuration"#]].assert_eq(&report(resolve_texts(&[("c.toml", main)], &variables)));
    expect![[r#"
        c.toml:2: `alerts.playbooks`: found 3, allowed: the name of a folder; put the text in quotes
        c.toml:3: `alerts.link`: found "x", allowed: an http:// or https:// address without spaces, in which only {account_id} and {alert_id} stand in braces
        2 problems in the configuration"#]].assert_eq(&report(resolve_texts(&[("c.toml", "[alerts]\nplaybooks = 3\nlink = \"x\"\n")], &[])));
}
