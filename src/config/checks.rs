//! What several settings must be together: levels in order, topics apart, time-outs that fit each other.
//!
//! Pure checks over resolved values. A check is left out when one of its values is itself wrong, so that one mistake is
//! reported once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Config;
use super::problem::{Origin, Problem};
use super::sources::Placed;
use crate::engine::signals::SIGNALS;

/// The broker looks for timed-out transactions this often (`transaction.abort.timed.out.transaction.cleanup.interval.ms`).
const ABORT_SCAN: Duration = Duration::from_secs(10);
/// Our default of `session.timeout.ms`: how long the partitions of a process that died wait for another process. Shorter
/// than librdkafka's 45 s, but longer than the pauses of a busy machine, after each of which state would be restored.
pub const SESSION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// What was written where.
#[derive(Debug, Default)]
pub(super) struct Written {
    origins: BTreeMap<String, Origin>,
    wrong: BTreeSet<String>,
}

impl Written {
    /// Remembers that the value at `path` comes from `origin`.
    pub(super) fn set(&mut self, path: &str, origin: Origin) {
        self.wrong.remove(path);
        self.origins.insert(path.to_owned(), origin);
    }

    /// Remembers that what was written at `path` cannot be used.
    pub(super) fn set_wrong(&mut self, path: &str, origin: Origin) {
        self.origins.insert(path.to_owned(), origin);
        self.wrong.insert(path.to_owned());
    }

    /// Where the value at `path` was written; absent for defaults.
    pub(super) fn origin(&self, path: &str) -> Option<&Origin> {
        self.origins.get(path)
    }

    /// A problem of the settings at `paths` together, at the last one written; `None` when one of them is itself wrong.
    fn problem(&self, paths: &[&str], message: String) -> Option<Problem> {
        if paths.iter().any(|path| self.wrong.contains(*path)) {
            return None;
        }
        let origin = paths.iter().filter_map(|path| self.origin(path)).max().cloned().unwrap_or(Origin::Default);
        Some(Problem::new(origin, message))
    }
}

/// Every problem of settings that do not fit each other.
pub(super) fn check(config: &Config, sources: &[Placed], written: &Written) -> Vec<Problem> {
    let mut problems: Vec<Option<Problem>> = Vec::new();
    problems.extend(levels(config, written));
    problems.extend(topics(config, sources, written));
    problems.extend(time_outs(config, written));
    problems.extend(thresholds(config, written));
    problems.push(groups(config, written));
    problems.push(sizes(config, written));
    problems.push(listen(config, written));
    problems.extend(rates(config, written).map(Some));
    problems.into_iter().flatten().collect()
}

fn levels(config: &Config, written: &Written) -> Vec<Option<Problem>> {
    let (bands, rules) = (&config.rules.bands, &config.rules);
    let below = |low: (&str, f64), high: (&str, f64), hint: &str| {
        let message = || format!("`{}` ({}) must be below `{}` ({})", low.0, low.1, high.0, high.1);
        let wrong = low.1 >= high.1;
        wrong.then(|| written.problem(&[low.0, high.0], message()).map(|problem| problem.hint(hint))).flatten()
    };
    let flapping = "an account near the level would come and go";
    let watch = ("rules.bands.watch_enter", bands.watch.enter);
    let at_risk = ("rules.bands.at_risk_enter", bands.at_risk.enter);
    let critical = ("rules.bands.critical_enter", bands.critical.enter);
    vec![
        below(("rules.bands.watch_exit", bands.watch.exit), watch, flapping),
        below(("rules.bands.at_risk_exit", bands.at_risk.exit), at_risk, flapping),
        below(("rules.bands.critical_exit", bands.critical.exit), critical, flapping),
        below(watch, at_risk, "bands follow each other: watch, at_risk, critical"),
        below(at_risk, critical, "bands follow each other: watch, at_risk, critical"),
        below(("rules.alerts.exit", rules.alert_exit), ("rules.alerts.enter", rules.alert_enter), flapping),
    ]
}

fn topics(config: &Config, sources: &[Placed], written: &Written) -> Vec<Option<Problem>> {
    let topics = &config.topics;
    let own = [
        ("topics.events", &topics.events),
        ("topics.alerts", &topics.alerts),
        ("topics.health", &topics.health),
        ("topics.state", &topics.state),
        ("topics.dead_letters", &topics.dead_letters),
        ("topics.fleet", &topics.fleet),
        ("topics.deliveries", &topics.deliveries),
        ("topics.desk", &topics.desk),
    ];
    let mut problems = Vec::new();
    for (index, (path, name)) in own.iter().enumerate() {
        if let Some((first, _)) = own.iter().take(index).find(|(_, other)| other == name) {
            let message = format!("`{path}` and `{first}` are both {name:?}");
            let hint = "each of the product's topics needs its own name";
            problems.push(written.problem(&[path, first], message).map(|problem| problem.hint(hint)));
        }
    }
    for (index, Placed { topic, origin, .. }) in sources.iter().enumerate() {
        if let Some(first) = sources.iter().take(index).find(|other| other.topic == *topic) {
            let message = format!("topic {topic:?} is already a source at {}", first.origin);
            problems.push(Some(Problem::new(origin.clone(), message).hint("its events would count twice")));
        }
        if let Some((path, _)) = own.iter().find(|(_, name)| *name == topic) {
            let message = format!("source topic {topic:?} is also `{path}`, which the product writes");
            let hint = "reading what it writes never ends; canonical events in the canonical log need no source";
            problems.push(Some(Problem::new(origin.clone(), message).hint(hint)));
        }
    }
    problems
}

fn time_outs(config: &Config, written: &Written) -> Vec<Option<Problem>> {
    let path = "commit.transaction_timeout_ms";
    let timeout = config.commit.transaction_timeout;
    let intervals = [
        ("commit.interval_caught_up_ms", config.commit.interval_caught_up),
        ("commit.interval_lagging_ms", config.commit.interval_lagging),
    ];
    let mut problems: Vec<Option<Problem>> = Vec::new();
    for (interval_path, interval) in intervals {
        if timeout < interval * 2 {
            let (timeout, interval) = (timeout.as_millis(), interval.as_millis());
            let message = format!("`{path}` ({timeout}) must be at least twice `{interval_path}` ({interval})");
            let hint = "the broker would abort transactions that are still filling";
            problems.push(written.problem(&[path, interval_path], message).map(|problem| problem.hint(hint)));
        }
    }
    let session = property(config, written, "session.timeout.ms");
    let session_path = session.as_ref().map_or("kafka.consumer.session.timeout.ms", |(path, _)| path.as_str());
    let session_timeout = session
        .as_ref()
        .map_or(Some(SESSION_TIMEOUT_DEFAULT), |(_, value)| value.trim().parse().ok().map(Duration::from_millis));
    if session_timeout.is_some_and(|session| timeout + ABORT_SCAN > session) {
        let (timeout, session) = (timeout.as_millis(), session_timeout.unwrap_or_default().as_millis());
        let message = format!(
            "`{path}` ({timeout}) and the broker's scan of 10000 ms must together stay within `session.timeout.ms` ({session})"
        );
        let hint = "the successor of a dead worker would wait for its transaction to end";
        problems.push(written.problem(&[path, session_path], message).map(|problem| problem.hint(hint)));
    }
    let heartbeat = property(config, written, "heartbeat.interval.ms")
        .and_then(|(path, value)| Some((path, Duration::from_millis(value.trim().parse().ok()?))));
    if let Some((path, heartbeat)) = heartbeat
        && let Some(session) = session_timeout.filter(|session| heartbeat > *session / 3)
    {
        let message = format!("`{path}`: the group would take the worker for dead between two heartbeats");
        let (third, session) = ((session / 3).as_millis(), session.as_millis());
        let allowed = format!("at most {third}, a third of session.timeout.ms = {session}");
        let problem = written.problem(&[path.as_str()], message);
        problems.push(problem.map(|problem| problem.found(heartbeat.as_millis().to_string()).allowed(allowed)));
    }
    problems
}

/// The path and value of a property of consumers: that of `kafka.consumer` counts before that of `kafka.properties`.
fn property<'c>(config: &'c Config, written: &Written, name: &str) -> Option<(String, &'c str)> {
    let tables = [("kafka.consumer", &config.kafka.consumer), ("kafka.properties", &config.kafka.properties)];
    tables.into_iter().find_map(|(table, properties)| {
        let path = format!("{table}.{name}");
        properties.get(name).filter(|_| written.origin(&path).is_some()).map(|value| (path, value.as_str()))
    })
}

fn groups(config: &Config, written: &Written) -> Option<Problem> {
    let learner = config.ingest.learner_group_id();
    let groups = [
        ("ingest.group_id", &config.ingest.group_id, ""),
        ("engine.group_id", &config.engine.group_id, ""),
        ("notify.group_id", &config.notify.group_id, ""),
        ("ingest.group_id", &learner, ", the group of the learner that `ingest.group_id` gives"),
    ];
    let pairs = (0..groups.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    let found = pairs.filter_map(|(first, second)| Some((groups.get(first)?, groups.get(second)?)));
    let (first, second) = found.into_iter().find(|(first, second)| first.1 == second.1)?;
    let message = if second.2.is_empty() {
        format!("`{}` and `{}` are both {:?}", first.0, second.0, first.1)
    } else {
        format!("`{}` is {:?}{}", first.0, first.1, second.2)
    };
    written
        .problem(&[first.0, second.0], message)
        .map(|problem| problem.hint("the roles read different topics and need a group each"))
}

/// Where a signal begins to count and where it counts fully must lie as they do by default.
fn thresholds(config: &Config, written: &Written) -> Vec<Option<Problem>> {
    let mut problems = Vec::new();
    for (signal, settings) in SIGNALS.iter().zip(&config.rules.signals) {
        let declared = signal.declaration.parameters;
        let value = |index: usize| settings.parameters.get(index).copied().unwrap_or_default();
        for (start, from) in declared.iter().enumerate().filter(|(_, from)| from.name.contains("_start")) {
            let full = from.name.replace("_start", "_full");
            let Some((end, to)) = declared.iter().enumerate().find(|(_, to)| to.name == full) else { continue };
            let (begins, counts) = (value(start), value(end));
            let fits = if from.default < to.default { begins < counts } else { begins > counts };
            if !fits {
                let [begin, end] =
                    [from.name, to.name].map(|name| format!("signals.{}.{name}", signal.declaration.name));
                let side = if from.default < to.default { "below" } else { "above" };
                let message = format!("`{begin}` ({begins}) must be {side} `{end}` ({counts})");
                problems.push(written.problem(&[&begin, &end], message));
            }
        }
    }
    problems
}

fn sizes(config: &Config, written: &Written) -> Option<Problem> {
    let (event, record) = (config.limits.event_bytes_max, config.limits.record_bytes_max);
    if event <= record {
        return None;
    }
    let message = format!("`limits.event_bytes_max` ({event}) must not be above `limits.record_bytes_max` ({record})");
    written.problem(&["limits.event_bytes_max", "limits.record_bytes_max"], message)
}

fn listen(config: &Config, written: &Written) -> Option<Problem> {
    if config.http.listen.ip().is_loopback() || config.http.token_sha256.is_some() {
        return None;
    }
    let message = format!("`http.listen` ({}) is open to other machines and there is no token", config.http.listen);
    written
        .problem(&["http.listen", "http.token_sha256"], message)
        .map(|problem| problem.hint("set `http.token_sha256`, or listen on 127.0.0.1"))
}

fn rates<'c>(config: &'c Config, written: &'c Written) -> impl Iterator<Item = Problem> + 'c {
    let own = config.rules.rates.currencies().filter(|currency| *currency == config.rules.currency);
    own.filter_map(|currency| {
        let path = format!("rules.rates.{}", currency.code());
        let message = format!("`{path}` is the rate of the reporting currency itself");
        written
            .problem(&[&path, "rules.currency"], message)
            .map(|problem| problem.hint("leave it out: it is worth 1 of itself"))
    })
}
