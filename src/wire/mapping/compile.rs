//! From a declared mapping to one that reads, with everything that is wrong with it.

use std::collections::BTreeMap;

use super::convert::{Conversion, Sign};
use super::read::{Identity, Mapping, Node, Origin, Target, Walk};
use super::spec::{Constant, FieldSpec, Layout, Paths, Problem, Spec, TimeFormat, TypeSpec};
use crate::units::Timestamp;
use crate::wire::Refusal;
use crate::wire::check::build;
use crate::wire::raw::{Field, Found, Raw};
use crate::wire::types::{EventType, Shape, event_type};

/// Most keys of one path; it bounds how deep a record is followed.
const PATH_KEYS_MAX: usize = 16;
/// As a path: the record's own bytes.
const HASH: &str = "@hash";
const TRAIT_PREFIX: &str = "traits.";

impl Spec {
    /// The mapping, ready to read, or everything that is wrong with it.
    pub fn compile(&self) -> Result<Mapping, Vec<Problem>> {
        let mut compiler = Compiler { spec: self, paths: Vec::new(), problems: Vec::new() };
        compiler.layout();
        let mapping = Mapping {
            id: compiler.identity(),
            time_slot: compiler.needed_slot("time", self.time.as_deref()),
            time: Conversion { time_format: self.time_format, ..plain(Shape::Time) },
            account_slot: compiler.needed_slot("account", self.account.as_deref()),
            user_slot: self.user.as_ref().map(|path| compiler.slot("user", path)),
            type_slots: compiler.slots("type", &self.r#type),
            types: compiler.types(),
            type_default: self.type_default.clone(),
            fields: compiler.fields(),
            walk: compiler.walk(),
            paths: compiler.paths,
        };
        if compiler.problems.is_empty() { Ok(mapping) } else { Err(compiler.problems) }
    }
}

struct Compiler<'s> {
    spec: &'s Spec,
    /// Every path asked for, each once; a slot is an index into it.
    paths: Vec<String>,
    problems: Vec<Problem>,
}

impl Compiler<'_> {
    fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem { path: path.into(), message: message.into() });
    }

    fn layout(&mut self) {
        let spec = self.spec;
        match spec.format {
            Layout::Json if !spec.columns.is_empty() || spec.delimiter.is_some() => {
                self.problem("format", "columns and delimiter need format = \"columns\"");
            }
            Layout::Columns if spec.columns.is_empty() => {
                self.problem("columns", "format = \"columns\" needs the names of the columns, in order");
            }
            _ => {}
        }
        if spec.delimiter.as_ref().is_some_and(String::is_empty) {
            self.problem("delimiter", "the delimiter is empty; leave it out for columns parted by blanks");
        }
        for (index, column) in spec.columns.iter().enumerate() {
            if spec.columns.iter().take(index).any(|before| before == column) {
                self.problem("columns", format!("column `{column}` is named twice; give each its own name"));
            }
        }
    }

    fn identity(&mut self) -> Identity {
        match self.spec.id.list() {
            [] => {
                self.problem("id", "is missing; give the path of the event's id, or \"@hash\" where there is none");
                Identity::Hash
            }
            [only] if only == HASH => Identity::Hash,
            _ => Identity::Slots(self.slots("id", &self.spec.id)),
        }
    }

    fn slots(&mut self, key: &str, paths: &Paths) -> Vec<usize> {
        paths.list().iter().map(|path| self.slot(key, path)).collect()
    }

    /// The slot of the path that no mapping may leave out.
    fn needed_slot(&mut self, key: &str, path: Option<&str>) -> usize {
        if path.is_none() {
            self.problem(key, "is missing; give the path of the value in the record");
        }
        path.map_or(0, |path| self.slot(key, path))
    }

    /// The slot of `path`, which stands at `key` of the mapping.
    fn slot(&mut self, key: &str, path: &str) -> usize {
        if path.is_empty() {
            self.problem(key, "is empty; give the path of the value in the record");
        } else if self.spec.format == Layout::Columns {
            if !self.spec.columns.iter().any(|column| column == path) {
                let columns = self.spec.columns.join(", ");
                self.problem(key, format!("there is no column `{path}`; the columns are {columns}"));
            }
        } else if path.split('.').any(str::is_empty) || path.starts_with('@') {
            self.problem(key, format!("`{path}` is no path; write keys parted by dots, such as properties.value"));
        } else if path.split('.').count() > PATH_KEYS_MAX {
            self.problem(key, format!("`{path}` has more than {PATH_KEYS_MAX} keys"));
        }
        self.paths.iter().position(|known| known == path).unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        })
    }

    fn types(&mut self) -> BTreeMap<String, Option<String>> {
        let spec = self.spec;
        if spec.r#type.list().is_empty() && spec.type_default.is_none() {
            self.problem("type", "is missing; give the path of the event type, or type_default where there is none");
        } else if spec.types.is_empty() && spec.type_default.is_none() {
            self.problem("types", "is empty; say which types of the source become which of ours, or give type_default");
        }
        if let Some(name) = &spec.type_default {
            self.known_type("type_default", name);
        }
        let mut types = BTreeMap::new();
        for (theirs, ours) in &spec.types {
            if !ours.is_empty() {
                self.known_type(&format!("types.\"{theirs}\""), ours);
            }
            types.insert(theirs.clone(), (!ours.is_empty()).then(|| ours.clone()));
        }
        types.extend(spec.skip.iter().map(|theirs| (theirs.clone(), None)));
        types
    }

    fn known_type(&mut self, key: &str, name: &str) {
        match event_type(name) {
            None => self.problem(key, format!("`{name}` is no event type; see docs/schemas/event.schema.json")),
            Some(known) => {
                let given = self.spec.fields.get(name);
                for field in known.required {
                    if !given.is_some_and(|given| given.contains_key(field.name())) {
                        let path = format!("fields.\"{name}\".{}", field.name());
                        // Several types of the source may become the same of ours; once is enough.
                        if !self.problems.iter().any(|problem| problem.path == path) {
                            self.problem(path, "is missing; every event of this type needs it");
                        }
                    }
                }
            }
        }
    }

    fn fields(&mut self) -> BTreeMap<String, Vec<(Target, Origin)>> {
        let spec = self.spec;
        let mut fields = BTreeMap::new();
        for (name, given) in &spec.fields {
            let key = format!("fields.\"{name}\"");
            let Some(known) = event_type(name) else {
                self.problem(key, format!("`{name}` is no event type; see docs/schemas/event.schema.json"));
                continue;
            };
            if spec.type_default.as_ref() != Some(name) && !spec.types.values().any(|ours| ours == name) {
                self.problem(key, "no type of the source becomes this one; add it to types or leave this out");
                continue;
            }
            fields.insert(name.clone(), self.type_fields(&key, known, given));
        }
        fields
    }

    fn type_fields(&mut self, key: &str, known: &EventType, given: &TypeSpec) -> Vec<(Target, Origin)> {
        let mut fields = Vec::new();
        for (name, field) in given {
            let key = format!("{key}.{name}");
            let Some((target, shape)) = target(known, name) else {
                let names = own_names(known);
                self.problem(
                    key,
                    format!("events of type {} have no such field; they have {}", known.name, names.join(", ")),
                );
                continue;
            };
            if let Some(origin) = self.origin(&key, shape, field) {
                if let Origin::Constant(constant) = &origin
                    && let Some(refusal) = refusal_of(known, &target, constant.clone())
                {
                    self.problem(key, format!("the constant is refused: {refusal}"));
                }
                fields.push((target, origin));
            }
        }
        fields
    }

    fn origin(&mut self, key: &str, shape: Shape, field: &FieldSpec) -> Option<Origin> {
        let is_number = matches!(shape, Shape::Whole | Shape::Measure);
        if (field.scale.is_some() || field.abs) && !(is_number && field.path.is_some()) {
            self.problem(key, "scale and abs are for numbers that are copied from a path");
        }
        if field.scale.is_some_and(|scale| !(scale.is_finite() && scale > 0.0)) {
            self.problem(key, "scale must be above 0; use abs to drop a sign");
        }
        if field.time_format.is_some() && !(shape == Shape::Time && field.path.is_some()) {
            self.problem(key, "time_format is for times that are copied from a path");
        }
        match (&field.path, &field.constant) {
            (Some(path), None) => {
                let conversion = Conversion {
                    shape,
                    scale: field.scale,
                    sign: if field.abs { Sign::Dropped } else { Sign::Kept },
                    time_format: field.time_format.unwrap_or(self.spec.time_format),
                };
                Some(Origin::Slot(self.slot(key, path), conversion))
            }
            (None, Some(constant)) => Some(Origin::Constant(match constant {
                Constant::Bool(value) => Found::Bool(*value),
                Constant::Integer(value) => Found::Integer(*value),
                Constant::Float(value) => Found::Float(*value),
                Constant::Text(text) => Found::Text(text.clone().into()),
            })),
            _ => {
                self.problem(key, "give either path or constant");
                None
            }
        }
    }

    fn walk(&self) -> Walk {
        if self.spec.format == Layout::Columns {
            let slot = |column: &String| self.paths.iter().position(|path| path == column);
            let slots = self.spec.columns.iter().map(slot).collect();
            return Walk::Columns { delimiter: self.spec.delimiter.clone(), slots };
        }
        let mut root = Node::default();
        for (slot, path) in self.paths.iter().enumerate() {
            let end = path.split('.').fold(&mut root, |node, key| node.children.entry(key.to_owned()).or_default());
            end.slot = Some(slot);
        }
        Walk::Json(root)
    }
}

/// The field or trait called `name` of events of type `known`.
fn target(known: &EventType, name: &str) -> Option<(Target, Shape)> {
    if let Some(name) = name.strip_prefix(TRAIT_PREFIX) {
        let is_allowed = known.optional.contains(&Field::Traits) && !name.is_empty() && name != "plan_features";
        return is_allowed.then(|| (Target::Trait(name.to_owned()), Shape::Text));
    }
    let field = Field::parse(name)?;
    let is_own = known.required.contains(&field) || known.optional.contains(&field) || field == Field::Source;
    (is_own && field != Field::Traits).then_some((Target::Field(field), field.shape()))
}

/// The fields of events of type `known`, as a mapping writes them.
fn own_names(known: &EventType) -> Vec<&'static str> {
    let name = |field: &Field| if *field == Field::Traits { "\"traits.NAME\"" } else { field.name() };
    known.required.iter().chain(known.optional).chain(&[Field::Source]).map(name).collect()
}

fn plain(shape: Shape) -> Conversion {
    Conversion { shape, scale: None, sign: Sign::Kept, time_format: TimeFormat::Rfc3339 }
}

/// Why an event of type `known` that has `constant` at `target` would be refused, though it is right in all else.
fn refusal_of(known: &EventType, target: &Target, constant: Found<'static>) -> Option<Refusal> {
    let mut raw = Raw::default();
    raw.put(Field::Type, Found::Text(known.name.into()));
    // Amounts are there wherever they may be: a currency is read with one only.
    let others = [Field::Id, Field::Time, Field::AccountId, Field::Amount, Field::Mrr];
    for field in known.required.iter().chain(&others) {
        raw.put(
            *field,
            match field.shape() {
                Shape::Time => Found::Instant(Timestamp::MIN.ms()),
                Shape::Whole => Found::Integer(1),
                _ => Found::Text("x".into()),
            },
        );
    }
    target.put(&mut raw, constant);
    // The constant has replaced another value on purpose.
    raw.duplicate = None;
    build(&mut raw).err()
}
