//! A TOML file as written: every value with the line it stands on.
//!
//! Here lives reading, not judging: what the keys mean and which values they take is checked elsewhere. No text makes
//! it panic; every syntax error of a file is reported, not only the first.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::problem::{Origin, Problem, nearest};

/// Entries of one table that are left out before it is given up.
const MISFITS_MAX: usize = 100;

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// Text.
    Text(String),
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// `true` or `false`.
    Switch(bool),
    /// A list.
    List(Vec<Node>),
    /// A table, in the order of its lines.
    Table(Vec<(String, Node)>),
    /// Something that no key takes: a date, or a whole number beyond 64 bits, as written.
    Other(String),
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The line of its key, or of itself within a list.
    pub(super) origin: Origin,
    /// The value.
    pub(super) raw: Raw,
}

/// A parsed file.
#[derive(Debug)]
pub(super) struct Document<'t> {
    name: Arc<str>,
    line_starts: Vec<usize>,
    table: DeTable<'t>,
}

/// What a table comes to.
pub(super) struct Fitting<T> {
    /// What its fitting entries say.
    pub(super) value: Option<T>,
    /// The paths of the entries left out, and what is wrong with each.
    pub(super) misfits: Vec<(String, Problem)>,
}

impl<'t> Document<'t> {
    /// Parses `text`, called `name` in problems; or every syntax error.
    pub(super) fn parse(name: &str, text: &'t str) -> Result<Document<'t>, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let document = Document { name: Arc::from(name), line_starts, table: table.into_inner() };
        if errors.is_empty() {
            return Ok(document);
        }
        let problem = |error: &toml::de::Error| {
            let message = error.message().trim().replace('\n', ", ");
            Problem::new(document.origin(error.span().unwrap_or_default()), format!("not valid TOML: {message}"))
        };
        Err(errors.iter().map(problem).collect())
    }

    /// Its top-level entries in the order of their lines.
    pub(super) fn entries(&self) -> Vec<(String, Node)> {
        self.table_entries(&self.table)
    }

    /// Deserializes what fits of the table at `section.name`, so that the rest can be judged too; `None` when there is no
    /// such table, or nothing can be made of it.
    pub(super) fn deserialize<T: Deserialize<'t>>(&self, section: &str, name: &str) -> Fitting<T> {
        let mut fitting = Fitting { value: None, misfits: Vec::new() };
        let entry = self.table.get(section).and_then(|section| section.get_ref().as_table()?.get(name));
        let Some(mut left) = entry.cloned() else { return fitting };
        loop {
            let error = match T::deserialize(ValueDeserializer::from(left.clone())) {
                Ok(value) => {
                    fitting.value = Some(value);
                    return fitting;
                }
                Err(error) => error,
            };
            let span = error.span().unwrap_or(left.span());
            let taken_out = take_out(left.get_mut(), span.start);
            let is_last = taken_out.is_none() || fitting.misfits.len() + 1 >= MISFITS_MAX;
            let (path, value) = taken_out.unwrap_or_else(|| (String::new(), left.get_ref().clone()));
            let key = format!("{section}.{name}.{path}");
            let found = self.raw(item_at(&value, span.start)).shown();
            let problem = misfit(self.origin(span), key.trim_end_matches('.'), error.message(), found);
            fitting.misfits.push((path, problem));
            if is_last {
                return fitting;
            }
        }
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        Origin::Line(Arc::clone(&self.name), self.line_starts.partition_point(|start| *start <= span.start).max(1))
    }

    fn table_entries(&self, table: &DeTable<'_>) -> Vec<(String, Node)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let node = |key: &str, span, value| (key.to_owned(), Node { origin: self.origin(span), raw: self.raw(value) });
        entries.iter().map(|(key, value)| node(key.get_ref(), key.span(), value.get_ref())).collect()
    }

    fn raw(&self, value: &DeValue<'_>) -> Raw {
        match value {
            DeValue::String(text) => Raw::Text(text.clone().into_owned()),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| Raw::Other(integer.to_string()), Raw::Integer),
            DeValue::Float(float) => float.as_str().parse().map_or_else(|_| Raw::Other(float.to_string()), Raw::Number),
            DeValue::Boolean(switch) => Raw::Switch(*switch),
            DeValue::Datetime(datetime) => Raw::Other(datetime.to_string()),
            DeValue::Array(array) => Raw::List(
                array
                    .iter()
                    .map(|item| Node { origin: self.origin(item.span()), raw: self.raw(item.get_ref()) })
                    .collect(),
            ),
            DeValue::Table(table) => Raw::Table(self.table_entries(table)),
        }
    }
}

impl Raw {
    /// The value as a report shows it: quoted text, at most 80 letters.
    pub(super) fn shown(&self) -> String {
        match self {
            Raw::Text(text) if text.chars().count() > 80 => {
                format!("{:?} (cut)", text.chars().take(80).collect::<String>())
            }
            Raw::Text(text) => format!("{text:?}"),
            Raw::Integer(integer) => integer.to_string(),
            Raw::Number(number) => format!("{number:?}"),
            Raw::Switch(switch) => switch.to_string(),
            Raw::List(_) => "a list".to_owned(),
            Raw::Table(_) => "a table".to_owned(),
            Raw::Other(written) => written.clone(),
        }
    }
}

impl Node {
    /// The node at `path` below this one: names of tables, quoted or not, and indices of lists, separated by dots. As
    /// far as the path leads: where a part is missing, the node it is missing from.
    pub(super) fn at(&self, path: &str) -> &Node {
        let mut node = self;
        let mut rest = path;
        while !rest.is_empty() {
            let step = match &node.raw {
                // Names may contain dots themselves, so the longest that fits is taken.
                Raw::Table(entries) => entries
                    .iter()
                    .filter_map(|(name, child)| Some((after(rest, name)?, child)))
                    .min_by_key(|(left, _)| left.len()),
                Raw::List(items) => {
                    let (index, left) = rest.split_once('.').unwrap_or((rest, ""));
                    index.parse::<usize>().ok().and_then(|index| items.get(index)).map(|child| (left, child))
                }
                _ => None,
            };
            let Some((left, child)) = step else { break };
            (rest, node) = (left, child);
        }
        node
    }
}

/// What is wrong with the entry `key` with the value `found`, of which deserialization says `message`, in the words of
/// those who write files.
fn misfit(origin: Origin, key: &str, message: &str, found: String) -> Problem {
    let quoted = |names: &str| names.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let value = |allowed: String| Problem::new(origin.clone(), format!("`{key}`")).found(found).allowed(allowed);
    match message.split_once("expected ") {
        Some((before, names)) if before.starts_with("unknown field ") => {
            let (known, problem) = (quoted(names), Problem::new(origin, format!("unknown key `{key}`")));
            let written = quoted(before).pop().unwrap_or_default();
            match nearest(&written, known.iter().map(String::as_str)) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint(format!("known here: {}", known.join(", "))),
            }
        }
        Some((before, names)) if before.starts_with("unknown variant ") => {
            value(quoted(names).iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
        }
        Some((before, wanted)) if before.is_empty() || before.starts_with("invalid type: ") => value(match wanted {
            "f64" => "a number".to_owned(),
            "a string" => "text in quotes".to_owned(),
            "a boolean" => "true or false".to_owned(),
            "a sequence" => "a list".to_owned(),
            "a map" => "a table".to_owned(),
            other => other.to_owned(),
        }),
        None if message == "wanted string or table" => value("text in quotes".to_owned()),
        _ => Problem::new(origin, format!("`{key}`: {}", message.trim().replace('\n', ", "))),
    }
}

/// The innermost item of the lists in `value` that stands at `at`; without lists the value itself.
fn item_at<'v, 't>(value: &'v DeValue<'t>, at: usize) -> &'v DeValue<'t> {
    let item = value.as_array().and_then(|items| items.iter().find(|item| item.span().contains(&at)));
    item.map_or(value, |item| item_at(item.get_ref(), at))
}

/// Takes the innermost entry whose key or value stands at `at` out of `value`, and gives its path and value.
fn take_out<'t>(value: &mut DeValue<'t>, at: usize) -> Option<(String, DeValue<'t>)> {
    let DeValue::Table(table) = value else { return None };
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let (stands, is_table) = (value.span().contains(&at), value.get_ref().is_table());
        let inner = take_out(value.get_mut(), at);
        let name = key.get_ref();
        let shown = if name.contains('.') { format!("\"{name}\"") } else { name.to_string() };
        if let Some((inner, value)) = inner {
            return Some((format!("{shown}.{inner}"), value));
        }
        if key.span().contains(&at) || stands {
            found = Some((name.to_string(), shown));
            // A table's own span may be no more than its heading.
            if !is_table {
                break;
            }
        }
    }
    let (name, shown) = found?;
    Some((shown, table.remove(name.as_str())?.into_inner()))
}

/// What follows `name` in the dotted `path`, when it begins with that name, quoted or not.
fn after<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let quoted = || path.strip_prefix('"')?.strip_prefix(name)?.strip_prefix('"');
    let rest = quoted().or_else(|| path.strip_prefix(name))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syntax_error_has_its_line() {
        let errors = Document::parse("c.toml", "a = 1\nb = \nc = 3\nd = [1,\n").unwrap_err();
        let mut lines: Vec<String> = errors.iter().map(|problem| problem.origin.to_string()).collect();
        lines.sort();
        assert_eq!(lines, ["c.toml:2", "c.toml:4"]);
    }

    #[test]
    fn paths_lead_as_far_as_they_go() {
        let document = Document::parse("c.toml", "[m]\n\"a.b\" = 1\n[[m.list]]\nx = 1\n[[m.list]]\nx = 2\n").unwrap();
        let root = Node { origin: Origin::Default, raw: Raw::Table(document.entries()) };
        let line = |path: &str| root.at(path).origin.to_string();
        assert_eq!(line("m.a.b"), "c.toml:2");
        assert_eq!(line("m.\"a.b\""), "c.toml:2");
        assert_eq!(line("m.list.1.x"), "c.toml:6");
        assert_eq!(line("m.list.1.y"), "c.toml:5");
        assert_eq!(line("m.none"), "c.toml:1");
    }
}
