//! Targets, owners, data sources and benchmarks of KPIs: tables whose names are the ids of the registry.
//!
//! A target is a number, or a list of numbers with the date from which each holds: its history of revisions. A benchmark
//! is what others reach: it is shown beside a KPI and never decides anything. Every problem is reported.

use std::collections::BTreeMap;

use super::document::{Node, Raw};
use super::problem::{Problem, nearest};
use crate::engine::kpis::registry::{KPIS, Kpi, Unit, find};
use crate::units::Day;
use crate::units::calendar::parse_day;

/// Most revisions of one target.
pub const REVISIONS_MAX: usize = 100;
/// Most benchmarks.
pub const BENCHMARKS_MAX: usize = 50;
/// KPIs that can be in focus at a time.
pub const FOCUS_MAX: usize = 2;

/// The tables of KPIs, with what is written in each.
pub(super) const TABLES: [&str; 4] = ["kpis.targets", "kpis.owners", "kpis.sources", "kpis.benchmarks"];

/// What a company wants of its KPIs.
#[derive(Clone, Debug, PartialEq)]
pub struct Kpis {
    /// Share of revenue that is left after the cost of serving it, in [0, 1]: what lifetime value is reckoned with.
    pub margin: f64,
    /// The one or two that matter most now, by id.
    pub focus: Vec<String>,
    /// The targets by id, each with its revisions in order of their dates.
    pub targets: BTreeMap<String, Vec<Target>>,
    /// Who answers for a KPI, by id, where that is not the registry's.
    pub owners: BTreeMap<String, String>,
    /// Where its data come from, likewise.
    pub sources: BTreeMap<String, String>,
    /// What others reach.
    pub benchmarks: Vec<Benchmark>,
}

impl Default for Kpis {
    fn default() -> Kpis {
        Kpis {
            margin: 0.8,
            focus: Vec::new(),
            targets: BTreeMap::new(),
            owners: BTreeMap::new(),
            sources: BTreeMap::new(),
            benchmarks: Vec::new(),
        }
    }
}

/// A target and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Its first day, in the configured time zone.
    pub from: Day,
    /// The value wanted, in the KPI's unit: shares as such, not in percent.
    pub value: f64,
}

/// What others reach.
#[derive(Clone, Debug, PartialEq)]
pub struct Benchmark {
    /// The KPI's id.
    pub kpi: String,
    /// Its name: a metric label.
    pub name: String,
    /// The value, in the KPI's unit.
    pub value: f64,
    /// Where that is said.
    pub source: String,
}

impl Kpis {
    /// The target of the KPI `id` that holds on `day`; `None` when there is none yet.
    #[must_use]
    pub fn target(&self, id: &str, day: Day) -> Option<f64> {
        let revisions = self.targets.get(id)?;
        let later = revisions.partition_point(|target| target.from <= day);
        revisions.get(later.checked_sub(1)?).map(|target| target.value)
    }

    /// Who answers for the KPI `id`.
    #[must_use]
    pub fn owner<'k>(&'k self, id: &str) -> Option<&'k str> {
        self.owners.get(id).map(String::as_str).or_else(|| find(id).map(|kpi| kpi.owner))
    }

    /// Where its data come from.
    #[must_use]
    pub fn source<'k>(&'k self, id: &str) -> Option<&'k str> {
        self.sources.get(id).map(String::as_str).or_else(|| find(id).map(|kpi| kpi.source))
    }

    /// Takes in what is written in one of [`TABLES`].
    pub(super) fn read(&mut self, table: &str, node: &Node, problems: &mut Vec<Problem>) {
        if table == "kpis.benchmarks" {
            return self.read_benchmarks(node, problems);
        }
        let Raw::Table(entries) = &node.raw else {
            let problem = Problem::new(node.origin.clone(), format!("`{table}`")).found(node.raw.shown());
            return problems.push(problem.allowed("a table of KPIs"));
        };
        for (id, node) in entries {
            let path = format!("{table}.{id}");
            let Some(kpi) = find(id) else {
                problems.push(unknown(&path, id, node));
                continue;
            };
            if table == "kpis.targets" {
                if let Some(targets) = targets(&path, node, problems) {
                    problems.extend(out_of_range(&path, kpi, &targets, node));
                    self.targets.insert(id.clone(), targets);
                }
                continue;
            }
            let texts = if table == "kpis.owners" { &mut self.owners } else { &mut self.sources };
            match &node.raw {
                Raw::Text(text) if is_line(text) => {
                    texts.insert(id.clone(), text.clone());
                }
                raw => {
                    let problem = Problem::new(node.origin.clone(), format!("`{path}`")).found(raw.shown());
                    problems.push(problem.allowed("1 to 200 bytes of text in quotes, on one line"));
                }
            }
        }
    }

    fn read_benchmarks(&mut self, node: &Node, problems: &mut Vec<Problem>) {
        let Raw::List(items) = &node.raw else {
            let problem = Problem::new(node.origin.clone(), "`kpis.benchmarks`").found(node.raw.shown());
            return problems.push(problem.allowed("[[kpis.benchmarks]] tables"));
        };
        if items.len() > BENCHMARKS_MAX {
            let message = format!("`kpis.benchmarks` has {} entries", items.len());
            return problems
                .push(Problem::new(node.origin.clone(), message).allowed(format!("at most {BENCHMARKS_MAX}")));
        }
        for item in items {
            if let Some(benchmark) = benchmark(item, problems) {
                if self.benchmarks.iter().any(|known| (&known.kpi, &known.name) == (&benchmark.kpi, &benchmark.name)) {
                    let message = format!("benchmark {:?} of {} is given twice", benchmark.name, benchmark.kpi);
                    problems.push(Problem::new(item.origin.clone(), message).hint("give each a name of its own"));
                } else {
                    self.benchmarks.push(benchmark);
                }
            }
        }
    }
}

fn unknown(path: &str, id: &str, node: &Node) -> Problem {
    let problem = Problem::new(node.origin.clone(), format!("`{path}` is no KPI"));
    match nearest(id, KPIS.iter().map(|kpi| kpi.id)) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint("docs/kpis.md lists them"),
    }
}

/// The targets that the KPI cannot sensibly have.
fn out_of_range(path: &str, kpi: &Kpi, targets: &[Target], node: &Node) -> Vec<Problem> {
    let range = &kpi.targets;
    let allowed = match (*range.start(), *range.end()) {
        (from, to) if to.is_finite() => format!("number from {from} to {to}"),
        (from, _) => format!("number from {from} on"),
    };
    let wrong = targets.iter().filter(|target| !range.contains(&target.value));
    let told = wrong.map(|target| {
        let problem = Problem::new(node.origin.clone(), format!("`{path}`")).found(target.value.to_string());
        let problem = problem.allowed(allowed.clone());
        if kpi.unit == Unit::Share { problem.hint("shares are written as such: 0.02, not 2 %") } else { problem }
    });
    told.collect()
}

/// The revisions of a target, in order of their dates.
fn targets(path: &str, node: &Node, problems: &mut Vec<Problem>) -> Option<Vec<Target>> {
    let refuse = |node: &Node, found: String| {
        let problem = Problem::new(node.origin.clone(), format!("`{path}`")).found(found);
        problem.allowed("a number, or a list of such as { from = \"2026-01-01\", value = 0.95 }")
    };
    let Raw::List(items) = &node.raw else {
        let value = number(&node.raw);
        if value.is_none() {
            problems.push(refuse(node, node.raw.shown()));
        }
        return value.map(|value| vec![Target { from: Day::new(0), value }]);
    };
    if items.is_empty() || items.len() > REVISIONS_MAX {
        problems.push(refuse(node, format!("{} revisions", items.len())));
        return None;
    }
    let mut revisions: Vec<Target> = Vec::with_capacity(items.len());
    for item in items {
        let entries = if let Raw::Table(entries) = &item.raw { entries.as_slice() } else { &[] };
        let entry = |name: &str| entries.iter().find(|(known, _)| known == name).map(|(_, node)| &node.raw);
        let from = entry("from").and_then(|raw| if let Raw::Text(text) = raw { parse_day(text) } else { None });
        match (from, entry("value").and_then(number), entries.len()) {
            (Some(from), Some(_), 2) if revisions.iter().any(|known| known.from == from) => {
                problems.push(refuse(item, "two revisions of one date".to_owned()));
            }
            (Some(from), Some(value), 2) => revisions.push(Target { from, value }),
            _ => problems.push(refuse(item, item.raw.shown())),
        }
    }
    revisions.sort_by_key(|target| target.from);
    (revisions.len() == items.len()).then_some(revisions)
}

fn benchmark(item: &Node, problems: &mut Vec<Problem>) -> Option<Benchmark> {
    let Raw::Table(entries) = &item.raw else {
        let problem = Problem::new(item.origin.clone(), "an entry of `kpis.benchmarks`").found(item.raw.shown());
        problems.push(problem.allowed("a table with kpi, name, value and source"));
        return None;
    };
    let before = problems.len();
    for (name, node) in entries.iter().filter(|(name, _)| !["kpi", "name", "value", "source"].contains(&name.as_str()))
    {
        let problem = Problem::new(node.origin.clone(), format!("unknown key `kpis.benchmarks.{name}`"));
        problems.push(problem.hint("known here: kpi, name, value, source"));
    }
    let raw = |name: &str| entries.iter().find(|(known, _)| known == name).map(|(_, node)| &node.raw);
    let text = |name: &str| if let Some(Raw::Text(text)) = raw(name) { Some(text.as_str()) } else { None };
    let mut want = |name: &str, is_right: bool, allowed: &str| {
        if !is_right {
            let found = raw(name).map_or_else(|| "nothing".to_owned(), Raw::shown);
            let problem = Problem::new(item.origin.clone(), format!("`kpis.benchmarks.{name}`")).found(found);
            problems.push(problem.allowed(allowed));
        }
    };
    want("kpi", text("kpi").is_some_and(|id| find(id).is_some()), "the id of a KPI");
    want("name", text("name").is_some_and(is_name), "1 to 40 lower-case letters, digits and `_`");
    want("value", raw("value").and_then(number).is_some(), "a number");
    want("source", text("source").is_some_and(is_line), "1 to 200 bytes of text: where the value is said");
    if problems.len() > before {
        return None;
    }
    Some(Benchmark {
        kpi: text("kpi")?.to_owned(),
        name: text("name")?.to_owned(),
        value: number(raw("value")?)?,
        source: text("source")?.to_owned(),
    })
}

fn number(raw: &Raw) -> Option<f64> {
    match raw {
        Raw::Number(value) if value.is_finite() && value.abs() <= 1e15 => Some(*value),
        Raw::Integer(value) => i32::try_from(*value).ok().map(f64::from),
        _ => None,
    }
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 200 && !text.contains(char::is_control)
}

fn is_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
