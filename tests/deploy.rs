//! What is shipped for Prometheus and Grafana holds together: rules, their tests, runbooks, dashboards and metrics name
//! nothing that is not there, and leave nothing out.
//!
//! Reads the files as text, which the plain form that they keep allows; whether the servers understand them is tested on
//! the servers (`tests/real`).

// A test may fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use churnwatch::engine::kpis::registry::{Better, KPIS};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files of `folder` whose names end with `ending`, sorted, as (name, text).
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut names: Vec<String> = fs::read_dir(path(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no {ending} in {folder}");
    names.into_iter().map(|name| (name.clone(), text(&format!("{folder}/{name}")))).collect()
}

/// The items of a YAML list whose first key is `key`: their value for it, and their lines.
fn items(yaml: &str, key: &str) -> Vec<(String, String)> {
    let mark = format!("- {key}: ");
    let mut found: Vec<(String, String)> = Vec::new();
    for line in yaml.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if let Some(value) = line.trim_start().strip_prefix(&mark) {
            found.push((value.trim_matches(['\'', '"']).to_owned(), String::new()));
        } else if let Some((_, lines)) = found.last_mut().filter(|_| !line.trim_start().starts_with("- name: ")) {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    found
}

fn alerts() -> Vec<(String, String)> {
    items(&text("deploy/prometheus/alerts.yml"), "alert")
}

/// The recorded series, each once.
fn recorded() -> BTreeSet<String> {
    items(&text("deploy/prometheus/recording.yml"), "record").into_iter().map(|(name, _)| name).collect()
}

/// The dashboards, as (file name, JSON).
fn dashboards() -> Vec<(String, Value)> {
    let files = files("deploy/grafana/dashboards", ".json");
    files.into_iter().map(|(name, text)| (name, serde_json::from_str(&text).unwrap())).collect()
}

/// Names of metrics and recorded series in `text`: words that begin with `churnwatch` and go on with `_` or `:`.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let words = text.split(|letter| !is_part(letter)).map(|word| word.trim_end_matches(':'));
    words.filter(|word| word.starts_with("churnwatch_") || word.starts_with("churnwatch:")).map(str::to_owned).collect()
}

/// Every text in a JSON value that stands under the key `key`.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == key => found.push(text),
                    _ => texts(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

fn texts_of<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    texts(value, key, &mut found);
    found
}

#[track_caller]
fn refuse(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_alert_says_how_bad_it_is_since_when_what_and_where_to_read_on() {
    let alerts = alerts();
    let mut problems = Vec::new();
    for (name, lines) in &alerts {
        for wanted in ["expr: ", "for: ", "keep_firing_for: ", "summary: ", "description: "] {
            if !lines.lines().any(|line| line.trim_start().starts_with(wanted)) {
                problems.push(format!("{name} has no {wanted}"));
            }
        }
        let severity =
            lines.lines().find_map(|line| line.trim().strip_prefix("labels: {severity: ")?.strip_suffix('}'));
        let Some(severity) = severity.filter(|severity| ["critical", "warning", "info"].contains(severity)) else {
            problems.push(format!("{name} has no severity of the three"));
            continue;
        };
        let url = format!("runbook_url: '{{{{ or $externalLabels.runbooks \"docs/runbooks\" }}}}/{name}.md'");
        if !lines.contains(&url) {
            problems.push(format!("{name} does not link to its runbook"));
        }
        let Ok(runbook) = fs::read_to_string(path(&format!("docs/runbooks/{name}.md"))) else {
            problems.push(format!("docs/runbooks/{name}.md does not exist"));
            continue;
        };
        let begin = format!("# {name}\n\nSeverity: {severity}.\n\n## What it means\n");
        if !runbook.starts_with(&begin)
            || !runbook.contains("\n## What to look at\n")
            || !runbook.contains("\n## What to do\n")
        {
            problems.push(format!("docs/runbooks/{name}.md is not of the form of the others, or of another severity"));
        }
    }
    refuse(&problems);
    let distinct: BTreeSet<&String> = alerts.iter().map(|(name, _)| name).collect();
    assert_eq!(distinct.len(), alerts.len(), "two alerts share a name");
}

#[test]
fn every_runbook_is_that_of_an_alert_and_links_to_runbooks_lead_somewhere() {
    let alerts: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    let mut problems = Vec::new();
    for (file, runbook) in files("docs/runbooks", ".md") {
        let name = file.trim_end_matches(".md");
        if !alerts.contains(name) {
            problems.push(format!("docs/runbooks/{file} is of no alert"));
        }
        for link in runbook.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !path(&format!("docs/runbooks/{link}")).exists() {
                problems.push(format!("docs/runbooks/{file} links to {link}, which does not exist"));
            }
        }
    }
    let mut linked = 0;
    for (file, dashboard) in dashboards() {
        for url in texts_of(&dashboard, "url") {
            let Some(place) = url.strip_prefix("${runbooks}/") else { continue };
            linked += 1;
            if !path(&format!("docs/runbooks/{place}")).exists() {
                problems.push(format!("{file} links to {url}, which does not exist"));
            }
        }
    }
    refuse(&problems);
    assert!(linked > 0, "no panel links to a runbook");
}

#[test]
fn every_rule_is_tested_with_a_result_and_without() {
    let tests: Vec<(String, String)> = files("deploy/prometheus/tests", ".yml");
    let mut with = BTreeSet::new();
    let mut without = BTreeSet::new();
    for (_, text) in &tests {
        // An expectation is one line when it is empty, and goes on in further lines when it is not.
        for line in text.lines().map(str::trim) {
            if let Some((expectation, _)) = line.split_once("exp_samples: []").or(line.split_once("exp_alerts: []")) {
                without.extend(names(expectation));
                without.extend(
                    expectation.split("alertname: ").nth(1).and_then(|rest| rest.split(',').next()).map(str::to_owned),
                );
            } else if let Some(rest) = line.strip_prefix("- expr: ") {
                with.extend(names(rest));
            } else if let Some(name) = line.strip_prefix("alertname: ") {
                with.insert(name.to_owned());
            }
        }
    }
    let mut problems = Vec::new();
    for rule in recorded().into_iter().chain(alerts().into_iter().map(|(name, _)| name)) {
        for (tested, how) in [(&with, "with a result"), (&without, "without one")] {
            if !tested.contains(&rule) {
                problems.push(format!("{rule} is not tested {how}"));
            }
        }
    }
    refuse(&problems);
}

#[test]
fn every_metric_that_is_named_exists_and_every_recorded_series_is_used() {
    let reference = text("docs/metrics.md");
    let recorded = recorded();
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut known: BTreeSet<String> = rows.map(str::to_owned).chain(recorded.iter().cloned()).collect();
    for line in reference.lines().filter(|line| line.contains("| histogram |")) {
        let name = line.trim_start_matches("| `").split('`').next().unwrap();
        known.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
    }

    let mut uses: Vec<(String, String)> = Vec::new(); // where, and the text that names metrics
    for file in ["recording", "alerts"] {
        let rules = text(&format!("deploy/prometheus/{file}.yml"));
        // The names of groups and of the series that are recorded are not uses.
        let is_use = |line: &&str| {
            !line.trim_start().starts_with(['#']) && !line.contains("- name: ") && !line.contains("- record: ")
        };
        uses.push((file.to_owned(), rules.lines().filter(is_use).collect::<Vec<_>>().join("\n")));
    }
    for (file, dashboard) in dashboards() {
        for key in ["expr", "query"] {
            uses.extend(texts_of(&dashboard, key).into_iter().map(|text| (file.clone(), text.to_owned())));
        }
    }
    let mentioned: BTreeSet<String> = uses.iter().flat_map(|(_, text)| names(text)).collect();
    let mut problems: Vec<String> = recorded
        .iter()
        .filter(|name| !mentioned.contains(*name))
        .map(|name| format!("{name} is recorded and used nowhere"))
        .collect();
    for (file, text) in files("docs/runbooks", ".md").into_iter().chain(files("deploy/prometheus/tests", ".yml")) {
        uses.push((format!("runbook or test {file}"), text));
    }
    for (place, text) in &uses {
        problems.extend(
            names(text).iter().filter(|name| !known.contains(*name)).map(|name| format!("{place}: no metric {name}")),
        );
    }
    problems.sort();
    problems.dedup();
    refuse(&problems);
}

#[test]
fn a_ratio_is_made_of_sums_over_instances_and_only_in_the_recording_rules() {
    let mut problems = Vec::new();
    for (file, dashboard) in dashboards() {
        for query in texts_of(&dashboard, "expr").into_iter().filter(|query| query.contains(" / ")) {
            problems.push(format!("{file} divides by itself: {query}"));
        }
    }
    for (alert, lines) in alerts() {
        let divides =
            lines.lines().take_while(|line| !line.trim_start().starts_with("for: ")).any(|line| line.contains(" / "));
        if divides {
            problems.push(format!("{alert} divides by itself"));
        }
    }
    for (rule, lines) in items(&text("deploy/prometheus/recording.yml"), "record") {
        if lines.contains("avg") {
            problems.push(format!("{rule} averages, which weighs instances instead of accounts"));
        }
    }
    refuse(&problems);
}

#[test]
fn dashboards_are_found_by_their_names_and_lead_to_each_other() {
    let dashboards = dashboards();
    let uids: Vec<&str> = dashboards.iter().map(|(_, dashboard)| dashboard["uid"].as_str().unwrap()).collect();
    // Links and bookmarks of users hang on these: they never change.
    assert_eq!(uids, ["churnwatch-pipeline", "churnwatch-retention", "churnwatch-alerts"]);
    for (file, dashboard) in &dashboards {
        assert!(texts_of(&dashboard["links"], "type").contains(&"dashboards"), "{file} does not lead to the others");
        assert!(dashboard["tags"].as_array().unwrap().contains(&Value::from("churnwatch")), "{file} cannot be led to");
        let annotations = texts_of(&dashboard["annotations"], "name");
        for wanted in ["Deployments", "Alert bursts"] {
            assert!(annotations.contains(&wanted), "{file} has no annotation {wanted}");
        }
    }
}

/// What others reach is a line beside the own one, named with who says so, and no bound at which anything changes.
#[test]
fn benchmarks_are_lines_with_their_source_and_no_panel_has_a_threshold() {
    let mut problems = Vec::new();
    let mut lines = 0;
    for (file, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            let of = format!("{file}: {}", panel["title"]);
            if panel["fieldConfig"]["defaults"]["thresholds"]["steps"].as_array().is_some_and(|steps| steps.len() > 1) {
                problems.push(format!("{of} has thresholds"));
            }
            let is_benchmark =
                |query: &&Value| query["expr"].as_str().is_some_and(|expr| expr.contains("kpi_benchmark"));
            for query in panel["targets"].as_array().into_iter().flatten().filter(is_benchmark) {
                let is_line = panel["type"] == "timeseries";
                lines += usize::from(is_line);
                if is_line && query["legendFormat"] != "{{benchmark}} ({{source}})" {
                    problems.push(format!("{of} does not say who says so"));
                }
            }
        }
    }
    assert!(lines > 0, "no panel shows benchmarks");
    refuse(&problems);
}

/// The metrics of the program that the rules whose names begin with `rule` are made of, also by way of other rules.
fn sources(rule: &str, expressions: &[(String, String)]) -> BTreeSet<String> {
    let own = expressions.iter().filter(|(name, _)| name.starts_with(rule));
    let named = own.flat_map(|(_, expression)| names(expression));
    let through = |name: String| if name.contains(':') { sources(&name, expressions) } else { BTreeSet::from([name]) };
    named.flat_map(through).collect()
}

#[test]
fn every_kpi_is_recorded_compared_with_its_target_the_right_way_and_shown() {
    let rules = text("deploy/prometheus/recording.yml");
    let recorded = recorded();
    let compared: Vec<String> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("labels: {kpi: ")?.strip_suffix('}').map(str::to_owned))
        .collect();
    assert_eq!(compared, KPIS.iter().map(|kpi| kpi.id).collect::<Vec<_>>());
    let lower: Vec<&str> = KPIS.iter().filter(|kpi| kpi.better == Better::Lower).map(|kpi| kpi.id).collect();
    for operator in ["!~", "=~"] {
        let selector = format!("churnwatch:kpi:value{{kpi{operator}\"{}\"}}", lower.join("|"));
        assert!(rules.contains(&selector), "the rules compare with other KPIs than {selector}");
    }
    let overview = dashboards().into_iter().find(|(file, _)| file == "retention-overview.json").unwrap().1;
    let panels = overview["panels"].as_array().unwrap();
    let expressions = items(&rules, "record");
    let mut problems = Vec::new();
    for kpi in KPIS {
        if !recorded.iter().any(|name| name.starts_with(&kpi.rule())) {
            problems.push(format!("no rule begins with {}", kpi.rule()));
        }
        let made_of = sources(&kpi.rule(), &expressions);
        let named: BTreeSet<String> = kpi.metrics.iter().map(|metric| (*metric).to_owned()).collect();
        if made_of != named {
            problems.push(format!("{} names {named:?} and its rule is made of {made_of:?}", kpi.id));
        }
        let Some(panel) = panels.iter().find(|panel| panel["title"] == kpi.panel) else {
            problems.push(format!("no panel of {}: {}", kpi.id, kpi.panel));
            continue;
        };
        // MRR can be asked by segment, where no ratio is needed.
        let queries = texts_of(panel, "expr").join(" ");
        if !queries.contains(&kpi.rule()) && !kpi.metrics.iter().any(|metric| queries.contains(metric)) {
            problems.push(format!("the panel {} does not show {}", kpi.panel, kpi.id));
        }
    }
    refuse(&problems);
}
