//! The source topics and the mappings that they name.
//!
//! Here lives what `[[sources]]` and `[mappings.NAME]` mean; what a mapping itself may say is for `wire::mapping` to
//! judge, whose complaints get their file and line here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use super::document::{Document, Fitting, Node, Raw};
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
            let mapping = read_mapping(document, name, entry, problems);
            if let Some((first, _)) = self.0.get(name) {
                let message = format!("`mappings.{name}` is already defined at {first}");
                problems.push(Problem::new(entry.origin.clone(), message).hint("rename one of them"));
            } else {
                self.0.insert(name.clone(), (entry.origin.clone(), mapping));
            }
        }
    }
}

/// The mapping called `name`, unless it has problems.
fn read_mapping(
    document: &Document<'_>,
    name: &str,
    entry: &Node,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Mapping>> {
    let Fitting { value, misfits } = document.deserialize::<Spec>("mappings", name);
    let compiled = value.map(|spec| spec.compile());
    let (left_out, misfits): (Vec<String>, Vec<Problem>) = misfits.into_iter().unzip();
    problems.extend(misfits);
    match compiled? {
        Ok(mapping) => left_out.is_empty().then(|| Arc::new(mapping)),
        Err(complaints) => {
            let own = complaints.iter().filter(|complaint| !left_out.iter().any(|path| follows(&complaint.path, path)));
            problems.extend(own.map(|complaint| {
                let message = format!("`mappings.{name}.{}`: {}", complaint.path, complaint.message);
                Problem::new(entry.at(&complaint.path).origin.clone(), message)
            }));
            None
        }
    }
}

/// Whether what is said of `path` may be due to nothing but the entry at `left_out` not being there.
fn follows(path: &str, left_out: &str) -> bool {
    let key = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let is_type = path.starts_with("fields.") && path.ends_with('"');
    let is_its_field = !is_type && left_out.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    path == left_out
        || is_its_field
        || match key(left_out).as_str() {
            "format" | "columns" | "delimiter" => !["types", "type_default"].contains(&key(path).as_str()),
            "type" | "types" | "type_default" => path == "type" || path == "types" || is_type,
            "fields" => left_out == "fields" && path.starts_with("fields."),
            _ => false,
        }
}

/// A source topic with where it stands.
pub(super) struct Placed {
    /// The topic.
    pub(super) topic: String,
    /// How it is read; absent where that has problems.
    pub(super) format: Option<Format>,
    /// The line of its topic.
    pub(super) origin: Origin,
}

impl Placed {
    /// The source, unless it has problems.
    pub(super) fn source(self) -> Option<Source> {
        Some(Source { topic: self.topic, format: self.format? })
    }
}

/// The sources of a `sources` entry, without those whose topic has problems.
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
    let format = read_format(format, mapping, mappings, item, problems);
    if !entries.iter().any(|(name, _)| name == "topic") {
        problems.push(Problem::new(item.origin.clone(), "a source has no `topic`").hint("say which topic to read"));
    }
    let (topic, origin) = topic?;
    if !(text::TOPIC.accepts)(topic) {
        let problem = Problem::new(origin.clone(), "`sources.topic`").found(format!("{topic:?}"));
        problems.push(problem.allowed(text::TOPIC.allowed));
        return None;
    }
    Some(Placed { topic: topic.to_owned(), format, origin: origin.clone() })
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
    let wrong = format.filter(|(written, _)| *written != "canonical");
    if let Some((written, origin)) = wrong {
        let problem = Problem::new(origin.clone(), "`sources.format`").found(format!("{written:?}"));
        let hint = "for anything else leave it out and name a `mapping`";
        problems.push(problem.allowed("\"canonical\"").hint(hint));
    }
    let Some((name, origin)) = mapping else { return wrong.is_none().then_some(Format::Canonical) };
    if format.is_some() && wrong.is_none() {
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
