//! One file of playbooks: what it may say, and every problem it has, with its line.
//!
//! A file with `alert_type` is a playbook; one without has the routes that all types share. What is wrong is reported and
//! left out; the rest is read on, so that all problems come at once.

use super::unknown_type;
use crate::config::document::{Node, Raw};
use crate::config::problem::{Origin, Problem, nearest};
use crate::config::text;
use crate::engine::alert;
use crate::engine::playbook::{
    Conditions, PLAYS_MAX, Play, PlayStep, Playbook, REASON_OTHER, REASON_RECOVERED, REASONS_MAX, ROUTES_MAX, Route,
    STEPS_MAX, TEXT_BYTES_MAX, VALUES_MAX,
};
use crate::units::Span;

/// Longest time that a playbook may give: a year.
const DAYS_MAX: i64 = 365;

/// What a playbook may say.
const PLAYBOOK_KEYS: &[&str] =
    &["alert_type", "title", "acknowledge_within_hours", "escalate_to", "cooldown_days", "reasons", "routes", "plays"];

/// What a file of shared routes may say.
const ROUTING_KEYS: &[&str] = &["owner_default", "routes"];

/// The entries of a table.
type Entries = [(String, Node)];

/// What a file says.
pub(super) enum Content {
    /// Nothing that can be used.
    Nothing,
    /// The routes that all types share.
    Routing { origin: Origin, routes: Vec<Route>, owner_default: Option<String> },
    /// The playbook of one alert type.
    Playbook { origin: Origin, playbook: Playbook },
}

/// Reads the file `name` with these entries.
pub(super) fn read(name: &str, entries: &Entries, problems: &mut Vec<Problem>) -> Content {
    let file = Origin::File(name.into());
    let mut reader = Reader { problems };
    let Some((_, node)) = entries.iter().find(|(key, _)| key == "alert_type") else {
        if entries.iter().any(|(key, _)| key != "routes" && PLAYBOOK_KEYS.contains(&key.as_str())) {
            let problem = Problem::new(file, "the playbook has no `alert_type`");
            reader.problems.push(problem.hint("say which alerts it is for, such as alert_type = \"churn_risk\""));
            return Content::Nothing;
        }
        if entries.is_empty() {
            let problem = Problem::new(file, "neither a playbook nor routes");
            reader.problems.push(problem.hint("a playbook needs `alert_type`, routes are written as [[routes]]"));
            return Content::Nothing;
        }
        reader.known(entries, "", ROUTING_KEYS);
        if entries.iter().all(|(key, _)| !ROUTING_KEYS.contains(&key.as_str())) {
            return Content::Nothing;
        }
        let owner_default = reader.optional(entries, "owner_default", Reader::text);
        let routes = reader.routes(entries);
        return Content::Routing { origin: file, routes, owner_default };
    };
    reader.known(entries, "", PLAYBOOK_KEYS);
    let alert_type = reader.text("alert_type", node).unwrap_or_default();
    let reasons = reader.reasons(&file, entries);
    let title = reader.optional(entries, "title", Reader::text);
    let hours = reader
        .optional(entries, "acknowledge_within_hours", |reader, name, node| reader.whole(name, node, 1, DAYS_MAX * 24));
    if let Some((name, node)) = entries.iter().find(|(key, _)| key == "escalate_to")
        && entries.iter().all(|(key, _)| key != "acknowledge_within_hours")
    {
        let message = format!("`{name}`: nothing is escalated without `acknowledge_within_hours`");
        let hint = "say within how many hours an alert is to be acknowledged, or leave it out";
        reader.problems.push(Problem::new(node.origin.clone(), message).hint(hint));
    }
    let days = reader.optional(entries, "cooldown_days", |reader, name, node| reader.whole(name, node, 0, DAYS_MAX));
    let playbook = Playbook {
        title: title.unwrap_or_else(|| alert_type.clone()),
        acknowledge_within: hours.map(Span::from_hours),
        escalate_to: reader.optional(entries, "escalate_to", Reader::text),
        cooldown: days.map(Span::from_days),
        routes: reader.routes(entries),
        plays: reader.plays(&file, entries, &reasons),
        reasons,
        alert_type,
    };
    if !playbook.alert_type.is_empty() && !alert::type_names().any(|name| name == playbook.alert_type) {
        problems.push(unknown_type(&node.origin, &playbook.alert_type));
    }
    Content::Playbook { origin: node.origin.clone(), playbook }
}

struct Reader<'p> {
    problems: &'p mut Vec<Problem>,
}

impl Reader<'_> {
    fn refuse(&mut self, name: &str, node: &Node, allowed: impl Into<String>) {
        self.problems
            .push(Problem::new(node.origin.clone(), format!("`{name}`")).found(node.raw.shown()).allowed(allowed));
    }

    /// Reports the keys of the table called `table` that are none of `known`.
    fn known(&mut self, entries: &Entries, table: &str, known: &[&str]) {
        for (name, node) in entries.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let problem = Problem::new(node.origin.clone(), format!("unknown key `{table}{name}`"));
            self.problems.push(match nearest(name, known.iter().copied()) {
                Some(meant) => problem.hint(format!("did you mean `{table}{meant}`?")),
                None => problem.hint(format!("known here: {}", known.join(", "))),
            });
        }
    }

    /// What `read` makes of the entry `name`, where there is one.
    fn optional<'n, T>(
        &mut self,
        entries: &'n Entries,
        name: &str,
        read: impl FnOnce(&mut Self, &str, &'n Node) -> Option<T>,
    ) -> Option<T> {
        let (_, node) = entries.iter().find(|(key, _)| key == name)?;
        read(self, name, node)
    }

    fn text(&mut self, name: &str, node: &Node) -> Option<String> {
        match &node.raw {
            Raw::Text(text) if !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX => Some(text.clone()),
            _ => {
                self.refuse(name, node, format!("text of 1 to {TEXT_BYTES_MAX} bytes in quotes"));
                None
            }
        }
    }

    fn whole(&mut self, name: &str, node: &Node, min: i64, max: i64) -> Option<i64> {
        match node.raw {
            Raw::Integer(number) if (min..=max).contains(&number) => Some(number),
            _ => {
                self.refuse(name, node, format!("whole number from {min} to {max}"));
                None
            }
        }
    }

    fn amount(&mut self, name: &str, node: &Node) -> Option<f64> {
        let number = match node.raw {
            Raw::Integer(number) => i32::try_from(number).map_or(f64::NAN, f64::from),
            Raw::Number(number) => number,
            _ => f64::NAN,
        };
        if (0.0..=1e9).contains(&number) {
            return Some(number);
        }
        self.refuse(name, node, "number from 0 to 1000000000");
        None
    }

    /// One text, or a list of texts.
    fn texts(&mut self, name: &str, node: &Node, max: usize) -> Vec<String> {
        let Raw::List(items) = &node.raw else { return self.text(name, node).into_iter().collect() };
        if items.is_empty() || items.len() > max {
            self.refuse(name, node, format!("1 to {max} texts"));
        }
        items.iter().take(max).filter_map(|item| self.text(name, item)).collect()
    }

    /// The tables of a list, at most `max`.
    fn tables<'n>(&mut self, name: &str, node: &'n Node, max: usize) -> Vec<(&'n Origin, &'n Entries)> {
        let Raw::List(items) = &node.raw else {
            self.refuse(name, node, "a list of tables");
            return Vec::new();
        };
        if items.len() > max {
            let message = format!("`{name}` has {} entries, more than {max}", items.len());
            self.problems.push(Problem::new(node.origin.clone(), message).hint("leave some out"));
        }
        let mut tables = Vec::new();
        for item in items.iter().take(max) {
            match &item.raw {
                Raw::Table(entries) => tables.push((&item.origin, entries.as_slice())),
                _ => self.refuse(name, item, "a table"),
            }
        }
        tables
    }

    /// What `read` makes of the entry `name`, which the table at `origin` may not leave out: `hint` says what to write.
    fn needed<'n, T>(
        &mut self,
        (origin, entries): (&Origin, &'n Entries),
        name: &str,
        hint: &str,
        read: impl FnOnce(&mut Self, &str, &'n Node) -> Option<T>,
    ) -> Option<T> {
        if entries.iter().all(|(key, _)| key != name) {
            self.missing(origin, name, hint);
        }
        self.optional(entries, name, read)
    }

    fn missing(&mut self, origin: &Origin, name: &str, hint: &str) {
        self.problems.push(Problem::new(origin.clone(), format!("there is no `{name}`")).hint(hint));
    }

    fn reasons(&mut self, file: &Origin, entries: &Entries) -> Vec<String> {
        let Some((name, node)) = entries.iter().find(|(key, _)| key == "reasons") else {
            self.missing(file, "reasons", "list the reasons for which such an alert may be closed");
            return Vec::new();
        };
        // Names that have problems are kept: what is done with them elsewhere is not wrong too.
        let mut reasons: Vec<String> = Vec::new();
        for reason in self.texts(name, node, REASONS_MAX) {
            let origin = node.origin.clone();
            if !is_name(&reason) {
                let problem = Problem::new(origin, "`reasons`").found(format!("{reason:?}"));
                self.problems.push(problem.allowed("names of lower-case letters, digits and `_`"));
                reasons.push(reason);
            } else if [REASON_OTHER, REASON_RECOVERED].contains(&reason.as_str()) {
                let problem = Problem::new(origin, format!("`reasons`: {reason:?} is always there"));
                self.problems.push(problem.hint("leave it out"));
            } else if reasons.contains(&reason) {
                let problem = Problem::new(origin, format!("`reasons`: {reason:?} stands twice"));
                self.problems.push(problem.hint("leave one of them out"));
            } else {
                reasons.push(reason);
            }
        }
        reasons
    }

    fn routes(&mut self, entries: &Entries) -> Vec<Route> {
        let Some((name, node)) = entries.iter().find(|(key, _)| key == "routes") else { return Vec::new() };
        let mut routes = Vec::new();
        for (origin, table) in self.tables(name, node, ROUTES_MAX) {
            self.known(table, "routes.", &["owner", "when"]);
            let when = self.conditions(table);
            let hint = "say to whom such alerts go";
            if let Some(owner) = self.needed((origin, table), "owner", hint, Reader::text) {
                routes.push(Route { when, owner });
            }
        }
        routes
    }

    fn plays(&mut self, file: &Origin, entries: &Entries, reasons: &[String]) -> Vec<Play> {
        let Some((name, node)) = entries.iter().find(|(key, _)| key == "plays") else {
            self.missing(file, "plays", "write [[plays]] with name, title and steps");
            return Vec::new();
        };
        let problems_before = self.problems.len();
        let tables = self.tables(name, node, PLAYS_MAX);
        let last = tables.last().map(|(origin, _)| (*origin).clone());
        let mut plays: Vec<Play> = Vec::new();
        let mut ends_with_condition = false;
        for (origin, table) in &tables {
            let play = self.play(origin, table, reasons);
            ends_with_condition = play.as_ref().is_some_and(|play| play.when != Conditions::default());
            if let Some(play) = play {
                if plays.iter().any(|known| known.name == play.name) {
                    let problem = Problem::new((*origin).clone(), format!("play {:?} stands twice", play.name));
                    self.problems.push(problem.hint("rename one of them"));
                }
                plays.push(play);
            }
        }
        // Conditions with a problem are wider than they were meant to be.
        if self.problems.len() == problems_before {
            self.never_chosen(&tables, &plays);
        }
        if ends_with_condition {
            let problem = Problem::new(last.unwrap_or_else(|| file.clone()), "the last play has a condition");
            self.problems.push(problem.hint("end with one for all accounts, or some alerts come without a plan"));
        }
        plays
    }

    /// Reports the plays, written in `tables`, that come behind one which fits whenever they do.
    fn never_chosen(&mut self, tables: &[(&Origin, &Entries)], plays: &[Play]) {
        for (index, ((origin, _), play)) in tables.iter().zip(plays).enumerate() {
            if let Some(first) = plays.iter().take(index).find(|first| first.when.include(&play.when)) {
                let message = format!("play {:?} is never chosen: {:?} before it fits as well", play.name, first.name);
                let hint = "the first that fits is taken: put the one with more conditions first, or leave one out";
                self.problems.push(Problem::new((*origin).clone(), message).hint(hint));
            }
        }
    }

    fn play(&mut self, origin: &Origin, table: &Entries, reasons: &[String]) -> Option<Play> {
        self.known(table, "plays.", &["name", "title", "when", "steps", "done_reason"]);
        let when = self.conditions(table);
        let done_reason = self.optional(table, "done_reason", Reader::text);
        if let Some(reason) = done_reason.as_ref().filter(|reason| !reasons.is_empty() && !reasons.contains(reason)) {
            let at = table.iter().find(|(key, _)| key == "done_reason").map_or(origin, |(_, node)| &node.origin);
            let problem = Problem::new(at.clone(), format!("`done_reason`: {reason:?} is none of the `reasons`"));
            self.problems.push(match nearest(reason, reasons.iter().map(String::as_str)) {
                Some(meant) => problem.hint(format!("did you mean {meant:?}?")),
                None => problem.hint("add it there, or name one of them"),
            });
        }
        let steps = self.steps(origin, table);
        let name = self.needed((origin, table), "name", "give the play a name", |reader, key, node| {
            let name = reader.text(key, node)?;
            if !is_name(&name) {
                reader.refuse("plays.name", node, "a name of lower-case letters, digits and `_`");
            }
            Some(name)
        })?;
        let title = self.optional(table, "title", Reader::text).unwrap_or_else(|| name.clone());
        Some(Play { name, title, when, steps, done_reason })
    }

    fn steps(&mut self, origin: &Origin, table: &Entries) -> Vec<PlayStep> {
        let hint = "write steps = [{ text = \"...\", due_days = 1 }]";
        let tables = self.needed((origin, table), "steps", hint, |reader, name, node| {
            if node.raw == Raw::List(Vec::new()) {
                reader.missing(&node.origin, name, hint);
            }
            Some(reader.tables(name, node, STEPS_MAX))
        });
        let mut steps = Vec::new();
        for (origin, table) in tables.into_iter().flatten() {
            self.known(table, "steps.", &["text", "due_days"]);
            let due = self.optional(table, "due_days", |reader, name, node| reader.whole(name, node, 0, DAYS_MAX));
            if let Some(text) = self.needed((origin, table), "text", "say what is to be done", Reader::text) {
                steps.push(PlayStep { text, due_after: Span::from_days(due.unwrap_or(0)) });
            }
        }
        steps
    }

    /// The conditions of the entry `when` of a table.
    fn conditions(&mut self, table: &Entries) -> Conditions {
        let Some((name, node)) = table.iter().find(|(key, _)| key == "when") else { return Conditions::default() };
        let Raw::Table(entries) = &node.raw else {
            self.refuse(name, node, "a table such as { mrr_min = 1000 }");
            return Conditions::default();
        };
        let keys = ["segment", "plan", "mrr_min", "employees_min", "renewal_within_days", "traits"];
        self.known(entries, "when.", &keys);
        let listed = |reader: &mut Self, name: &str| {
            reader.optional(entries, name, |reader, name, node| Some(reader.texts(name, node, VALUES_MAX)))
        };
        let days = self
            .optional(entries, "renewal_within_days", |reader, name, node| reader.whole(name, node, 0, 10 * DAYS_MAX));
        Conditions {
            segments: listed(self, "segment").unwrap_or_default(),
            plans: listed(self, "plan").unwrap_or_default(),
            mrr_min: self.optional(entries, "mrr_min", Reader::amount),
            employees_min: self.optional(entries, "employees_min", Reader::amount),
            renewal_within: days.map(Span::from_days),
            traits: self.optional(entries, "traits", Reader::traits).unwrap_or_default(),
        }
    }

    fn traits(&mut self, name: &str, node: &Node) -> Option<Vec<(String, Vec<String>)>> {
        let Raw::Table(entries) = &node.raw else {
            self.refuse(name, node, "a table of traits and values, such as { region = \"emea\" }");
            return None;
        };
        let mut traits = Vec::new();
        for (key, node) in entries.iter().take(VALUES_MAX) {
            if (text::TRAIT.accepts)(key) {
                traits.push((key.clone(), self.texts(&format!("traits.{key}"), node, VALUES_MAX)));
            } else {
                let problem = Problem::new(node.origin.clone(), "`traits`").found(format!("{key:?}"));
                self.problems.push(problem.allowed("the name of a trait, 1 to 64 letters, digits, `.`, `_` and `-`"));
            }
        }
        Some(traits)
    }
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
