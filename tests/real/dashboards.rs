//! The shipped rules and dashboards on a real Prometheus that is fed by the service and the demo: every rule evaluates, and every
//! query of every panel, variable and annotation succeeds and is not empty.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::company::{company, kpis, people};
use crate::support::compare::wait_worked_off;
use crate::support::events::{Sent, now, send, stream};
use crate::support::prometheus::Prometheus;
use crate::support::{Membership, SOON, Settings, Site, demo, read_topic, wait};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// The shipped configuration and rules in the folder of `site`, with `service` for the example's target, a second for its
/// intervals, and `demo` as another job.
fn configuration(site: &Site, service: u16, demo: u16) -> PathBuf {
    let mut config = fs::read_to_string(shipped("prometheus/prometheus.yml")).unwrap();
    let here = format!("127.0.0.1:{service}");
    for (example, here) in [("127.0.0.1:9464", here.as_str()), ("_interval: 15s", "_interval: 1s")] {
        assert!(config.contains(example), "the example has no {example}");
        config = config.replace(example, here);
    }
    let _ = writeln!(config, "  - job_name: churnwatch-demo\n    static_configs: [{{targets: ['127.0.0.1:{demo}']}}]");
    for rules in ["recording.yml", "alerts.yml"] {
        fs::copy(shipped(&format!("prometheus/{rules}")), site.path(rules)).unwrap();
    }
    let path = site.path("prometheus.yml");
    fs::write(&path, config).unwrap();
    path
}

/// A query of a dashboard, as Grafana would send it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    /// Where it stands.
    place: String,
    /// What is asked, variables replaced.
    query: String,
    /// Whether one moment is asked for, and not a range.
    is_instant: bool,
}

/// What variables stand for, as regular expressions.
type Values = BTreeMap<String, String>;

fn substituted(text: &str, values: &Values) -> String {
    // Longer names first: one may begin with another.
    let mut names: Vec<&String> = values.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let text = text.replace("$__rate_interval", "1m");
    let text = names.into_iter().fold(text, |text, name| text.replace(&format!("${name}"), &values[name]));
    assert!(!text.contains('$'), "a variable is left in {text}");
    text
}

/// The inner part of `function(…)` around a variable's query.
fn inside<'a>(query: &'a str, function: &str) -> Option<&'a str> {
    query.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

/// The values that a query variable offers.
fn offered(prometheus: &Prometheus, variable: &Value, values: &Values) -> Result<Vec<String>, String> {
    let query = variable["query"]["query"].as_str().unwrap();
    if let Some(arguments) = inside(query, "label_values") {
        let (selector, label) = arguments.rsplit_once(", ").unwrap();
        let selector = substituted(selector, values);
        let data = prometheus.ask(&format!("label/{label}/values"), &[("match[]", &selector)])?;
        return Ok(data.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect());
    }
    let inner = inside(query, "query_result").unwrap_or_else(|| panic!("{query} is of no known kind"));
    // Grafana applies the regular expression to the series as text; ours take out the value of one label.
    let label =
        variable["regex"].as_str().unwrap().strip_prefix('/').and_then(|regex| regex.split_once("=\"([^\"]+)\""));
    let (label, _) = label.unwrap_or_else(|| panic!("{} takes out no label", variable["regex"]));
    let data = prometheus.ask("query", &[("query", &substituted(inner, values))])?;
    let series = data["result"].as_array().unwrap();
    Ok(series.iter().map(|series| series["metric"][label].as_str().unwrap().to_owned()).collect())
}

/// The values of all variables of a dashboard, each a regular expression of everything that it offers; one that takes a
/// single value has its default, which must be among them. `Err` names the first that offers nothing.
fn variables(prometheus: &Prometheus, dashboard: &Value) -> Result<Values, String> {
    let mut values = Values::new();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        if variable["type"] != "query" {
            continue;
        }
        let offered = offered(prometheus, variable, &values).map_err(|error| format!("variable {name}: {error}"))?;
        if offered.is_empty() {
            return Err(format!("variable {name} offers nothing"));
        }
        let value = if variable["multi"].as_bool().unwrap() {
            offered.join("|")
        } else {
            let default = variable["current"]["value"].as_str().unwrap().to_owned();
            if !offered.contains(&default) {
                return Err(format!("variable {name} offers {offered:?}, and not its default"));
            }
            default
        };
        values.insert(name.to_owned(), value);
    }
    Ok(values)
}

/// Every query of a dashboard's panels and annotations. A panel that is repeated asks for each value by itself.
fn queries(file: &str, dashboard: &Value, values: &Values) -> Vec<Asked> {
    let mut asked = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        let each: Vec<Values> = match panel["repeat"].as_str() {
            Some(variable) => {
                let of =
                    |value: &str| values.clone().into_iter().chain([(variable.to_owned(), value.to_owned())]).collect();
                values[variable].split('|').map(of).collect()
            }
            None => vec![values.clone()],
        };
        for (target, values) in panel["targets"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|target| each.iter().map(move |values| (target, values)))
        {
            asked.push(Asked {
                place: format!("{file}: panel {} {}", panel["title"], target["refId"]),
                query: substituted(target["expr"].as_str().unwrap(), values),
                is_instant: target["instant"].as_bool().unwrap_or(false),
            });
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        if let Some(query) = annotation["expr"].as_str() {
            let place = format!("{file}: annotation {}", annotation["name"]);
            asked.push(Asked { place, query: substituted(query, values), is_instant: false });
        }
    }
    asked
}

/// What is wrong with the answer to a query; `None` when it has a number to show.
fn lacking(prometheus: &Prometheus, asked: &Asked) -> Option<String> {
    let data = if asked.is_instant {
        prometheus.ask("query", &[("query", &asked.query)])
    } else {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (start, end) = ((end - 300).to_string(), end.to_string());
        let range = [("query", asked.query.as_str()), ("start", &start), ("end", &end), ("step", "1")];
        prometheus.ask("query_range", &range)
    };
    let data = match data {
        Ok(data) => data,
        Err(error) => return Some(format!("{}: {error}: {}", asked.place, asked.query)),
    };
    let series = data["result"].as_array().unwrap();
    let is_number = |sample: &Value| sample[1].as_str().and_then(|text| text.parse().ok()).is_some_and(f64::is_finite);
    let has_one = series.iter().any(|series| match series.get("values").and_then(Value::as_array) {
        Some(samples) => samples.iter().any(is_number),
        None => is_number(&series["value"]),
    });
    (!has_one).then(|| format!("{}: {} series without a number: {}", asked.place, series.len(), asked.query))
}

/// What stands wrong in a dashboard now.
fn faults(prometheus: &Prometheus, file: &str, dashboard: &Value) -> Vec<String> {
    match variables(prometheus, dashboard) {
        Err(fault) => vec![format!("{file}: {fault}")],
        Ok(values) => queries(file, dashboard, &values).iter().filter_map(|asked| lacking(prometheus, asked)).collect(),
    }
}

/// Rules that do not evaluate, with what Prometheus says of them; how many rules there are.
fn failing_rules(prometheus: &Prometheus) -> (Vec<String>, usize) {
    let data = prometheus.ask("rules", &[]).unwrap();
    let rules: Vec<&Value> =
        data["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let failing = rules.iter().filter(|rule| rule["health"] != "ok");
    (failing.map(|rule| format!("{}: {} {}", rule["name"], rule["health"], rule["lastError"])).collect(), rules.len())
}

#[test]
fn every_rule_evaluates_and_every_query_of_the_dashboards_has_something_to_show() {
    let settings = Settings { head: kpis().to_owned(), ..Settings::default() };
    let site = Site::with_topics("shown", settings);
    let mut service = site.start("one", "ingest,engine,notify,serve", Membership::New);
    // The service works its history off in a few steps; in the demo every day of it is judged on that day, so that the
    // outcomes of alerts are known.
    let mut demo = demo(site.folder.path());
    service.wait_ready();
    let prometheus = Prometheus::start(&configuration(&site, service.port, demo.port), site.folder.path());
    // Rates need the values from before.
    wait("the first scrape", SOON, || prometheus.query("sum(churnwatch_records_read_total{role=\"ingest\"})"));

    let present = now();
    let mut sent: Vec<Sent> = stream(21, present, 60, 10_000, 2);
    sent.extend(company(present));
    send(&site, &sent, |_| ());
    wait_worked_off(&site);
    // People take up some of the alerts that stand now.
    let mut open: BTreeMap<String, Value> = BTreeMap::new();
    for record in read_topic(&site.brokers, &site.topic("alerts")) {
        let alert: Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        open.insert(alert["alert_id"].as_str().unwrap().to_owned(), alert);
    }
    open.retain(|_, alert| ["raised", "escalated"].contains(&alert["transition"].as_str().unwrap()));
    assert!(open.len() > 2, "only {} alerts are open", open.len());
    send(&site, &people(open.values(), present), |_| ());
    wait_worked_off(&site);

    let mut dashboards: Vec<(String, Value)> = Vec::new();
    for entry in shipped("grafana/dashboards").read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        dashboards.push((name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()));
    }
    assert!(dashboards.len() >= 3);
    // Rules are evaluated each second, and some build on others.
    let left = eventually_none(|| dashboards.iter().flat_map(|(file, json)| faults(&prometheus, file, json)).collect());
    assert!(left.is_empty(), "{} queries fail or show nothing:\n{}", left.len(), left.join("\n"));
    let (failing, count) = failing_rules(&prometheus);
    assert!(count > 100, "only {count} rules are loaded");
    assert!(failing.is_empty(), "{}", failing.join("\n"));
    service.stop();
    demo.stop();
}

/// What `find` still finds when it is asked again and again until it finds nothing, or after [`SOON`].
fn eventually_none(mut find: impl FnMut() -> Vec<String>) -> Vec<String> {
    let started = Instant::now();
    loop {
        let found = find();
        if found.is_empty() || started.elapsed() > SOON {
            return found;
        }
        thread::sleep(Duration::from_millis(500));
    }
}
