//! From what is written to what is in force: the file, the files it includes, the environment, the secrets' files.
//!
//! Every problem is collected before any is reported. The world is reached through [`Surroundings`] only, so that
//! everything here is tested with texts. Order: defaults, then the file, then the environment.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checks::{self, Written};
use super::document::{Document, Node, Raw};
use super::keys::{self, Key};
use super::kpis;
use super::playbooks;
use super::problem::{Complaint, Origin, Problem, Problems, nearest};
use super::properties;
use super::rates;
use super::sources::{self, Mappings, Placed};
use super::{Check, Config, Kafka, Source};
use crate::engine::playbook::Playbooks;
use crate::units::Currency;

/// Files that one configuration may include.
const INCLUDES_MAX: usize = 64;
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Beginning of the environment variables that are read.
const VARIABLE_PREFIX: &str = "CHURNWATCH__";
/// The tables of librdkafka properties.
const PROPERTY_TABLES: [&str; 3] = ["kafka.properties", "kafka.consumer", "kafka.producer"];
/// The table of exchange rates.
const RATES: &str = "rules.rates";
/// Keys that may be given by a file, with `_file` appended.
const FROM_FILE: [&str; 1] = ["http.token_sha256"];
/// Stands in reports where a secret was found.
const NOT_SHOWN: &str = "(not shown)";

/// What a configuration can see of the world.
pub(super) struct Surroundings<'w> {
    /// Reads a file as text.
    pub(super) read: &'w dyn Fn(&Path) -> io::Result<String>,
    /// The paths of what is in a folder, in any order.
    pub(super) list: &'w dyn Fn(&Path) -> io::Result<Vec<PathBuf>>,
    /// The environment.
    pub(super) variables: Vec<(String, String)>,
}

/// Resolves the configuration of the file at `path`, or that of no file.
pub(super) fn resolve(
    path: Option<&Path>,
    surroundings: &Surroundings<'_>,
    check: Check<'_>,
) -> Result<Config, Problems> {
    let mut loader = Loader {
        surroundings,
        keys: keys::all(),
        config: Config { file: path.map(Path::to_owned), ..Config::default() },
        sources: None,
        mappings: Mappings::default(),
        written: Written::default(),
        secrets: BTreeSet::new(),
        problems: Vec::new(),
    };
    if let Some(path) = path {
        loader.file(path);
    }
    loader.environment();
    loader.playbooks(path.and_then(Path::parent).unwrap_or(Path::new("")));
    loader.finish(check)
}

struct Loader<'w> {
    surroundings: &'w Surroundings<'w>,
    keys: Vec<Key>,
    config: Config,
    /// The sources written; absent where the defaults hold.
    sources: Option<Vec<Placed>>,
    mappings: Mappings,
    written: Written,
    /// Paths whose values came out of files of their own.
    secrets: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Loader<'_> {
    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let Some(text) = self.read(path, &Origin::File(name.as_str().into()), "the configuration") else { return };
        let document = match Document::parse(&name, &text) {
            Ok(document) => document,
            Err(problems) => return self.problems.extend(problems),
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        let entries = document.entries();
        let entry = |name: &str| entries.iter().find(|(other, _)| other == name).map(|(_, node)| node);
        if let Some(node) = entry("include") {
            self.includes(node, directory);
        }
        if let Some(node) = entry("mappings") {
            self.mappings.read(&document, node, &mut self.problems);
        }
        if let Some(node) = entry("sources") {
            self.sources = Some(sources::read(node, &self.mappings, &mut self.problems));
        }
        let rest = entries.iter().filter(|(name, _)| !["include", "mappings", "sources"].contains(&name.as_str()));
        self.table("", rest, directory);
    }

    /// Reads the files of an `include` entry: mappings and nothing else.
    fn includes(&mut self, node: &Node, directory: &Path) {
        let Raw::List(items) = &node.raw else {
            let problem = Problem::new(node.origin.clone(), "`include`").found(node.raw.shown());
            return self.problems.push(problem.allowed("a list of file names in quotes"));
        };
        if items.len() > INCLUDES_MAX {
            let message = format!("`include` has {} files, more than {INCLUDES_MAX}", items.len());
            self.problems.push(Problem::new(node.origin.clone(), message).hint("put several mappings into one file"));
        }
        for item in items.iter().take(INCLUDES_MAX) {
            let Raw::Text(file) = &item.raw else {
                let problem = Problem::new(item.origin.clone(), "`include`").found(item.raw.shown());
                self.problems.push(problem.allowed("a list of file names in quotes"));
                continue;
            };
            let path = directory.join(file);
            let Some(text) = self.read(&path, &item.origin, &format!("`include`: {}", path.display())) else {
                continue;
            };
            match Document::parse(&path.display().to_string(), &text) {
                Err(problems) => self.problems.extend(problems),
                Ok(document) => self.included(&document),
            }
        }
    }

    fn included(&mut self, document: &Document<'_>) {
        for (name, node) in document.entries() {
            if name == "mappings" {
                self.mappings.read(document, &node, &mut self.problems);
            } else {
                let problem = Problem::new(node.origin, format!("`{name}` cannot stand in an included file"));
                self.problems.push(problem.hint("only [mappings.NAME] can; move it to the main file"));
            }
        }
    }

    /// Takes in the entries of the table at `prefix`.
    fn table<'n>(&mut self, prefix: &str, entries: impl IntoIterator<Item = &'n (String, Node)>, directory: &Path) {
        for (name, node) in entries {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            if name.contains('.') {
                let problem = Problem::new(node.origin.clone(), format!("unknown key `{prefix}.\"{name}\"`"));
                self.problems.push(problem.hint("write the key without quotes"));
            } else if let Some(table) = PROPERTY_TABLES.into_iter().find(|table| *table == path) {
                self.properties(table, node, directory);
            } else if path == RATES {
                self.rates(node);
            } else if let Some(table) = kpis::TABLES.into_iter().find(|table| *table == path) {
                self.config.kpis.read(table, node, &mut self.problems);
            } else if self.is_section(&path) {
                match &node.raw {
                    Raw::Table(children) => self.table(&path, children, directory),
                    other => {
                        let problem = Problem::new(node.origin.clone(), format!("`{path}`")).found(other.shown());
                        self.problems.push(problem.allowed("a table").hint(format!("write [{path}] above its keys")));
                    }
                }
            } else {
                self.setting(&path, node, directory);
            }
        }
    }

    /// Takes in the value of a key, or of the file that has it.
    fn setting(&mut self, path: &str, node: &Node, directory: &Path) {
        let of_file = path.strip_suffix("_file").filter(|path| FROM_FILE.contains(path));
        let node = match of_file {
            None => node.clone(),
            Some(of_file) => match self.secret(of_file, path, node, directory) {
                Some(text) => Node { origin: node.origin.clone(), raw: Raw::Text(text) },
                None => return,
            },
        };
        let path = of_file.unwrap_or(path);
        if self.is_given_twice(path, &node.origin) {
            return;
        }
        let Some(key) = self.keys.iter().find(|key| key.path == path) else {
            return self.unknown(path, &node.origin);
        };
        match key.apply(&mut self.config, &node) {
            Ok(()) => self.written.set(path, node.origin),
            Err(problem) => {
                // A secret is not shown, whether it came out of its file or was written in place of its hash.
                let problem = if FROM_FILE.contains(&path) { problem.found(NOT_SHOWN) } else { *problem };
                self.written.set_wrong(path, node.origin);
                self.problems.push(problem);
            }
        }
    }

    fn unknown(&mut self, path: &str, origin: &Origin) {
        let problem = Problem::new(origin.clone(), format!("unknown key `{path}`"));
        let sections: Vec<String> = keys::sections().into_iter().map(|section| section.path).collect();
        let tables = PROPERTY_TABLES.into_iter().chain(kpis::TABLES).chain([RATES, "include", "sources", "mappings"]);
        let known: Vec<&str> = self
            .keys
            .iter()
            .map(|key| key.path.as_str())
            .chain(sections.iter().map(String::as_str))
            .chain(tables)
            .collect();
        let parent = path.rsplit_once('.').map(|(parent, _)| format!("{parent}."));
        let siblings: Vec<&str> = known
            .iter()
            .filter_map(|known| known.strip_prefix(parent.as_deref()?))
            .filter(|name| !name.contains('.'))
            .collect();
        self.problems.push(match nearest(path, known.iter().copied()) {
            Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
            None if siblings.is_empty() => problem.hint("remove it"),
            None => problem.hint(format!("known here: {}", siblings.join(", "))),
        });
    }

    fn is_section(&self, path: &str) -> bool {
        self.keys.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Takes in a table of librdkafka properties.
    fn properties(&mut self, table: &'static str, node: &Node, directory: &Path) {
        let Raw::Table(entries) = &node.raw else {
            let problem = Problem::new(node.origin.clone(), format!("`{table}`")).found(node.raw.shown());
            return self.problems.push(problem.allowed("a table of librdkafka properties"));
        };
        for (name, node) in properties::flatten(entries) {
            self.property(table, &name, node, directory);
        }
    }

    fn property(&mut self, table: &'static str, name: &str, node: &Node, directory: &Path) {
        let path = format!("{table}.{name}");
        let (path, name, node, shown) = match name.strip_suffix("_file") {
            None => (path, name, node.clone(), node.raw.shown()),
            Some(of_file) => {
                let of_path = format!("{table}.{of_file}");
                let Some(text) = self.secret(&of_path, &path, node, directory) else { return };
                (of_path, of_file, Node { origin: node.origin.clone(), raw: Raw::Text(text) }, NOT_SHOWN.to_owned())
            }
        };
        if self.is_given_twice(&path, &node.origin) {
            return;
        }
        let problem = |message: String| Problem::new(node.origin.clone(), message);
        match properties::check(name, &node.raw) {
            Ok(value) => {
                property_table(&mut self.config.kafka, table).insert(name.to_owned(), value);
                return self.written.set(&path, node.origin);
            }
            Err(properties::Refusal::Name(reason)) => {
                self.problems.push(problem(format!("`{path}` cannot be set")).hint(reason));
            }
            Err(properties::Refusal::Range { allowed, reason }) => {
                self.problems.push(problem(format!("`{path}`")).found(shown).allowed(allowed).hint(reason));
            }
            Err(properties::Refusal::Type) => {
                let problem = problem(format!("`{path}`")).found(shown);
                self.problems.push(problem.allowed("text, a number, true or false"));
            }
        }
        self.written.set_wrong(&path, node.origin);
    }

    /// The content of the file that the key `path` names for the key `of_path`.
    fn secret(&mut self, of_path: &str, path: &str, node: &Node, directory: &Path) -> Option<String> {
        let content = if let Raw::Text(file) = &node.raw {
            let file = directory.join(file);
            self.read(&file, &node.origin, &format!("`{path}`: {}", file.display()))
        } else {
            let problem = Problem::new(node.origin.clone(), format!("`{path}`")).found(node.raw.shown());
            self.problems.push(problem.allowed("a file name in quotes"));
            None
        };
        self.secrets.insert(of_path.to_owned());
        if content.is_none() {
            self.written.set_wrong(of_path, node.origin.clone());
        }
        content.map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Whether the same place has already said `path`, in its other form. The environment may override the file, but
    /// one place must not say two things.
    fn is_given_twice(&mut self, path: &str, origin: &Origin) -> bool {
        let first = self.written.origin(path).filter(|first| is_same_place(first, origin)).cloned();
        if let Some(first) = &first {
            let message = format!("`{path}` is given twice, also at {first}");
            self.problems.push(Problem::new(origin.clone(), message).hint("leave one of them out"));
        }
        first.is_some()
    }

    /// Takes in the table of exchange rates.
    fn rates(&mut self, node: &Node) {
        let Raw::Table(entries) = &node.raw else {
            let problem = Problem::new(node.origin.clone(), format!("`{RATES}`")).found(node.raw.shown());
            return self.problems.push(problem.allowed("a table of currencies and rates, such as EUR = 1.08"));
        };
        for (code, node) in entries {
            self.rate(code, node);
        }
    }

    fn rate(&mut self, code: &str, node: &Node) {
        let path = format!("{RATES}.{code}");
        let Some(currency) = Currency::parse(code) else {
            let problem = Problem::new(node.origin.clone(), format!("`{path}` is not a currency"));
            return self.problems.push(problem.hint("write the three letters of an ISO 4217 currency in use"));
        };
        let path = format!("{RATES}.{}", currency.code());
        if self.is_given_twice(&path, &node.origin) {
            return;
        }
        match rates::read(&path, node) {
            Ok(rates) => self.config.rules.rates.set(currency, rates),
            Err(problem) => return self.problems.push(*problem),
        }
        self.written.set(&path, node.origin.clone());
    }

    fn environment(&mut self) {
        let surroundings = self.surroundings;
        let mut variables: Vec<_> =
            surroundings.variables.iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)).collect();
        variables.sort();
        for (name, text) in variables {
            self.variable(name, text);
        }
    }

    fn variable(&mut self, name: &str, text: &str) {
        let origin = Origin::Variable(name.to_owned());
        let written = Node { origin: origin.clone(), raw: Raw::Text(text.to_owned()) };
        let here = Path::new("");
        for table in PROPERTY_TABLES {
            if let Some(part) = name.strip_prefix(&format!("{}__", variable_of(table))) {
                return self.property(table, &properties::name_of_variable(part), &written, here);
            }
        }
        if let Some(code) = name.strip_prefix(&format!("{}__", variable_of(RATES))) {
            let raw = text.trim().parse().map_or(written.raw, Raw::Number);
            return self.rate(code, &Node { origin, raw });
        }
        if let Some(path) = FROM_FILE.into_iter().find(|path| name == format!("{}_FILE", variable_of(path))) {
            return self.setting(&format!("{path}_file"), &written, here);
        }
        if let Some(key) = self.keys.iter().find(|key| key.variable() == name) {
            let (path, raw) = (key.path.clone(), key.raw_of_text(text));
            return self.setting(&path, &Node { origin, raw }, here);
        }
        let known: Vec<String> = self.keys.iter().map(Key::variable).collect();
        let problem = Problem::new(origin, "unknown environment variable");
        self.problems.push(match nearest(name, known.iter().map(String::as_str)) {
            Some(meant) => problem.hint(format!("did you mean {meant}?")),
            None => problem.hint("the name is CHURNWATCH__SECTION__KEY, from the section and key of the file"),
        });
    }

    /// Reads the playbooks of the configured folder; a relative name in a file is relative to that file.
    fn playbooks(&mut self, directory: &Path) {
        let key = "alerts.playbooks";
        let (Some(folder), Some(origin)) = (&self.config.alerts.playbooks, self.written.origin(key).cloned()) else {
            return;
        };
        let folder = if matches!(origin, Origin::Variable(_)) { folder.into() } else { directory.join(folder) };
        let paths = match (self.surroundings.list)(&folder) {
            Ok(paths) => playbooks::files_of(paths, &folder, &origin, &mut self.problems),
            Err(error) => {
                let message = format!("`{key}`: {} cannot be read: {error}", folder.display());
                let hint = "name a folder, or leave the key out: the shipped playbooks hold then";
                return self.problems.push(Problem::new(origin, message).hint(hint));
            }
        };
        let read = |path: PathBuf| {
            let text = self.read(&path, &origin, &format!("`{key}`: {}", path.display()))?;
            Some((path, text))
        };
        let files: Vec<(PathBuf, String)> = paths.into_iter().filter_map(read).collect();
        let link = self.config.rules.playbooks.link.clone();
        let read = playbooks::of_files(&files, &mut self.problems);
        self.config.rules.playbooks = Arc::new(Playbooks { link, ..read });
    }

    /// The text of a file, called `what` when it cannot be had.
    fn read(&mut self, path: &Path, origin: &Origin, what: &str) -> Option<String> {
        match (self.surroundings.read)(path) {
            Ok(text) if text.len() <= FILE_BYTES_MAX => Some(text),
            Ok(_) => {
                let message = format!("{what} is larger than {FILE_BYTES_MAX} bytes");
                self.problems.push(Problem::new(origin.clone(), message));
                None
            }
            Err(error) => {
                let message = format!("{what} cannot be read: {error}");
                self.problems.push(Problem::new(origin.clone(), message));
                None
            }
        }
    }

    fn finish(mut self, check: Check<'_>) -> Result<Config, Problems> {
        let sources = self.sources.take().unwrap_or_else(|| {
            let placed = |Source { topic, format }| Placed { topic, format: Some(format), origin: Origin::Default };
            self.config.sources.iter().cloned().map(placed).collect()
        });
        self.problems.extend(checks::check(&self.config, &sources, &self.written));
        self.config.sources = sources.into_iter().filter_map(Placed::source).collect();
        for Complaint { path, message, found, allowed, hint } in check(&self.config) {
            let origin = self.written.origin(&path).cloned().unwrap_or(Origin::Default);
            let message = format!("`{path}`: {message}");
            let is_secret = self.secrets.contains(&path);
            let found = found.map(|found| if is_secret { NOT_SHOWN.to_owned() } else { found });
            let hint = hint.filter(|_| !is_secret);
            self.problems.push(Problem { origin, message, found, allowed, hint });
        }
        Problems::check(self.problems).map(|()| self.config)
    }
}

/// The table of properties of this name.
fn property_table<'k>(kafka: &'k mut Kafka, table: &str) -> &'k mut std::collections::BTreeMap<String, String> {
    match table {
        "kafka.consumer" => &mut kafka.consumer,
        "kafka.producer" => &mut kafka.producer,
        _ => &mut kafka.properties,
    }
}

fn variable_of(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('.', "__").to_uppercase())
}

/// Whether both stand in files or both in the environment.
fn is_same_place(a: &Origin, b: &Origin) -> bool {
    matches!(a, Origin::Variable(_)) == matches!(b, Origin::Variable(_))
}
