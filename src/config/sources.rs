//! The source topics and the mappings that they name.
//!
//! Here lives what `[[sources]]` and `[mappings.NAME]` mean; what a mapping itself may say is for `wire::mapping` to
//! judge, whose complaints get their file and line here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use super::document::{Document, Node, Raw};
use super::problem::{Origin, Problem, nearest};
use super::text;
use crate::wire::Format;
use crate::wire::mapping::{Mapping, Spec};

/// The mappings read so far, by name: where each stands, and itself unless it has problems.
#[derive(Default)]
pub(super) struct Mappings(BTreeMap<String, (Origin, Option<Arc<Mapping>>)>);

impl Mappings {
    /// Takes in the mappings of a document. `node` is its `mappings` entry.
    pub(super) fn read(&mut self, document: &Document<'_>, node: &Node, problems: &mut Vec<Problem>) {
        let Raw::Table(entries) = &node.raw else {
            let problem = Problem::new(node.origin.clone(), "`mappings` must be tables");
            return problems.push(problem.found(node.raw.shown()).hint("write [mappings.NAME] above each"));
        };
        for (name, entry) in entries {
            if let Some((first, _)) = self.0.get(name) {
                let message = format!("`mappings.{name}` is already defined at {first}");
                problems.push(Problem::new(entry.origin.clone(), message).hint("rename one of them"));
                continue;
            }
            let mapping = match document.deserialize::<Spec>("mappings", name) {
                None => None,
                Some(Err(problem)) => {
                    problems.push(*problem);
                    None
                }
                Some(Ok(spec)) => match spec.compile() {
                    Ok(mapping) => Some(Arc::new(mapping)),
                    Err(complaints) => {
                        problems.extend(complaints.iter().map(|complaint| {
                            let path =
                                if complaint.path.is_empty() { String::new() } else { format!(".{}", complaint.path) };
                            let message = format!("`mappings.{name}{path}`: {}", complaint.message);
                            Problem::new(entry.at(&complaint.path).origin.clone(), message)
                        }));
                        None
                    }
                },
            };
            self.0.insert(name.clone(), (entry.origin.clone(), mapping));
        }
    }
}

/// A source with where it stands.
pub(super) struct Placed {
    /// The source.
    pub(super) source: Source,
    /// The line of its topic.
    pub(super) origin: Origin,
}

/// The sources of a `sources` entry, without those that have problems.
pub(super) fn read(node: &Node, mappings: &Mappings, problems: &mut Vec<Problem>) -> Vec<Placed> {
    let Raw::List(items) = &node.raw else {
        let problem = Problem::new(node.origin.clone(), "`sources` must be a list of tables").found(node.raw.shown());
        problems.push(problem.hint("write [[sources]] above each"));
        return Vec::new();
    };
    items.iter().filter_map(|item| read_one(item, mappings, problems)).collect()
}

fn read_one(item: &Node, mappings: &Mappings, problems: &mut Vec<Problem>) -> Option<Placed> {
    let Raw::Table(entries) = &item.raw else {
        problems.push(Problem::new(item.origin.clone(), "`sources` must be a list of tables").found(item.raw.shown()));
        return None;
    };
    let count_before = problems.len();
    let (mut topic, mut format, mut mapping) = (None, None, None);
    for (name, node) in entries {
        let slot = match name.as_str() {
            "topic" => &mut topic,
            "format" => &mut format,
            "mapping" => &mut mapping,
            _ => {
                let problem = Problem::new(node.origin.clone(), format!("unknown key `sources.{name}`"));
                problems.push(match nearest(name, ["topic", "format", "mapping"]) {
                    Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                    None => problem.hint("known here: topic, format, mapping"),
                });
                continue;
            }
        };
        match &node.raw {
            Raw::Text(text) => *slot = Some((text.as_str(), &node.origin)),
            other => {
                let problem = Problem::new(node.origin.clone(), format!("`sources.{name}`")).found(other.shown());
                problems.push(problem.allowed("text in quotes"));
            }
        }
    }
    if let Some((topic, origin)) = topic.filter(|(topic, _)| !(text::TOPIC.accepts)(topic)) {
        let problem = Problem::new(origin.clone(), "`sources.topic`").found(format!("{topic:?}"));
        problems.push(problem.allowed(text::TOPIC.allowed));
    }
    let format = read_format(format, mapping, mappings, item, problems);
    if problems.len() > count_before {
        return None;
    }
    let Some((topic, origin)) = topic else {
        problems.push(Problem::new(item.origin.clone(), "a source has no `topic`").hint("say which topic to read"));
        return None;
    };
    Some(Placed { source: Source { topic: topic.to_owned(), format: format? }, origin: origin.clone() })
}

/// A text of a source and where it stands.
type Setting<'n> = Option<(&'n str, &'n Origin)>;

/// How records are read; canonical when nothing is said. `None` for a mapping whose problems are already reported.
fn read_format(
    format: Setting<'_>,
    mapping: Setting<'_>,
    mappings: &Mappings,
    item: &Node,
    problems: &mut Vec<Problem>,
) -> Option<Format> {
    if let Some((written, origin)) = format.filter(|(written, _)| *written != "canonical") {
        let problem = Problem::new(origin.clone(), "`sources.format`").found(format!("{written:?}"));
        let hint = "for anything else leave it out and name a `mapping`";
        problems.push(problem.allowed("\"canonical\"").hint(hint));
        return None;
    }
    let Some((name, origin)) = mapping else { return Some(Format::Canonical) };
    if format.is_some() {
        let message = "a source has both `format` and `mapping`";
        problems.push(Problem::new(item.origin.clone(), message).hint("leave one of them out"));
    }
    if let Some((_, mapping)) = mappings.0.get(name) {
        return mapping.as_ref().map(|mapping| Format::Mapped(Arc::clone(mapping)));
    }
    let problem = Problem::new(origin.clone(), format!("mapping `{name}` is not defined"));
    problems.push(match nearest(name, mappings.0.keys().map(String::as_str)) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint(format!("add [mappings.{name}], or `include` the file that has it")),
    });
    None
}
