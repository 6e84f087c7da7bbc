//! The shipped rules and configurations, as Prometheus' and Alertmanager's own tools see them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{said, succeed};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

#[test]
fn promtool_finds_the_rules_and_the_example_in_order() {
    succeed(
        Command::new("promtool").args(["check", "config", "--lint-fatal"]).arg(shipped("prometheus/prometheus.yml")),
    );
    let rules = ["prometheus/recording.yml", "prometheus/alerts.yml"].map(shipped);
    succeed(Command::new("promtool").args(["check", "rules", "--lint-fatal"]).args(rules));
}

#[test]
fn the_rules_give_what_their_tests_say() {
    let mut tests: Vec<PathBuf> =
        shipped("prometheus/tests").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    tests.sort();
    assert!(tests.len() > 1, "only {tests:?}");
    let output = succeed(Command::new("promtool").args(["test", "rules"]).args(&tests));
    assert_eq!(said(&output).matches("SUCCESS").count(), tests.len(), "{}", said(&output));
}

#[test]
fn amtool_finds_the_example_in_order() {
    succeed(Command::new("amtool").arg("check-config").arg(shipped("alertmanager/alertmanager.yml")));
}

#[test]
fn alerts_go_to_those_who_can_act_on_them() {
    let routed = |labels: &[&str]| {
        let output = succeed(
            Command::new("amtool")
                .args(["config", "routes", "test", "--config.file"])
                .arg(shipped("alertmanager/alertmanager.yml"))
                .args(labels),
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(routed(&["alertname=ChurnwatchDown", "severity=critical"]), "on-call");
    assert_eq!(routed(&["alertname=ChurnwatchLagging", "severity=warning"]), "platform");
    assert_eq!(routed(&["alertname=ChurnwatchTargetMissed", "severity=info"]), "customer-success");
    assert_eq!(routed(&["alertname=ChurnwatchSeriesOmitted", "severity=info"]), "platform");
}
