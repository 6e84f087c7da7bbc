//! House rules that a compiler does not hold: module docs, module directions, calls banned from pure code, file sizes.
//!
//! Reads the sources as text, which is enough for rules this plain. What it refuses is named with file and line.

// A test may fail by panicking.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import from the crate. A module that is not listed may import everything but the command line.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("engine", &["units"]),
    ("desk", &["engine", "units"]),
    ("wire", &["desk", "engine", "units"]),
    ("worker", &["desk", "engine", "wire", "units"]),
    ("sim", &["engine", "wire", "units"]),
    ("config", &["desk", "engine", "wire", "units"]),
    ("evaluation", &["engine", "units"]),
];

/// The edges: none of them imports another.
const EDGES: &[&str] = &["kafka", "local", "http"];

/// Modules that decide purely, and what must not occur in them: clocks, waiting, output, order that changes by run.
const PURE: &[&str] = &["units", "engine", "desk", "wire", "worker", "evaluation"];
const BANNED: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "thread::sleep",
    "thread::spawn",
    "println!",
    "eprintln!",
    "dbg!",
    "RandomState",
    "collections::HashMap",
    "collections::HashSet",
];

/// The files that may hold `unsafe` code; the proofs stand beside it.
const UNSAFE: [&str; 2] = ["src/kafka/batch.rs", "src/kafka/flush.rs"];

/// Lines of a file without its tests.
const LINES_MAX: usize = 500;

/// Hosts of package registries: mirrors and proxies are the machine's business, so nothing here names one.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("crates", ".io/"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("repo1", ".maven"),
    concat!("repo", ".maven"),
    concat!("registry.npm", "js"),
    concat!("deb", ".debian.org"),
    concat!("proxy", ".golang.org"),
];

struct Source {
    /// Relative to the repository.
    path: String,
    text: String,
}

impl Source {
    /// The first folder or file name below `src`, without its ending.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        Some(inside.split('/').next()?.trim_end_matches(".rs"))
    }

    fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Numbered lines of code before the file's own tests, comments taken out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folders` of the repository whose names end with one of `endings` (any, when there are none), sorted.
fn sources(folders: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut paths);
    }
    paths.sort();
    paths
        .into_iter()
        .filter(|path| endings.is_empty() || endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?; // what is no text is none of ours
            Some(Source { path: path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(), text })
        })
        .collect()
}

fn walk(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
    } else if let Ok(entries) = fs::read_dir(path) {
        for entry in entries {
            walk(&entry.unwrap().path(), found);
        }
    }
}

fn rust() -> Vec<Source> {
    let sources = sources(&["src", "tests", "benches", "build.rs"], &[".rs"]);
    assert!(sources.len() > 10, "found only {} sources", sources.len());
    sources
}

#[track_caller]
fn refuse(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The names that follow `crate::` in a line of code, those in braces included.
fn imports(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        let list: Vec<&str> = match rest.strip_prefix('{') {
            Some(braced) => braced.split(',').collect(),
            None => vec![rest],
        };
        for item in list {
            let name: String =
                item.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            if !name.is_empty() {
                names.push(name);
            }
        }
    }
    names
}

#[test]
fn every_file_says_what_it_is() {
    let silent = rust().into_iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path);
    refuse(&silent.map(|path| format!("{path}: does not open with `//!`")).collect::<Vec<_>>());
}

#[test]
fn modules_import_in_one_direction() {
    let mut problems = Vec::new();
    for source in rust().iter().filter(|source| !source.is_test()) {
        let Some(module) = source.module().filter(|module| !["lib", "main", "cli"].contains(module)) else { continue };
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        for (number, line) in source.code() {
            for name in imports(line) {
                let refused = match allowed {
                    Some(allowed) => !allowed.contains(&name.as_str()),
                    None => name == "cli" || (EDGES.contains(&module) && EDGES.contains(&name.as_str())),
                };
                if refused && name != module {
                    problems.push(format!("{}:{number}: {module} must not import {name}", source.path));
                }
            }
        }
    }
    refuse(&problems);
}

#[test]
fn pure_code_has_no_clock_no_waiting_no_output_and_no_random_order() {
    let mut problems = Vec::new();
    for source in rust().iter().filter(|source| !source.is_test()) {
        if !source.module().is_some_and(|module| PURE.contains(&module)) {
            continue;
        }
        for (number, line) in source.code() {
            for banned in BANNED.iter().filter(|banned| line.contains(**banned)) {
                problems.push(format!("{}:{number}: {banned} has no place in pure code", source.path));
            }
        }
    }
    refuse(&problems);
}

#[test]
fn files_stay_short() {
    let problems: Vec<String> = rust()
        .iter()
        .filter(|source| !source.is_test())
        .filter_map(|source| {
            let lines = source.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
            (lines > LINES_MAX).then(|| format!("{}: {lines} lines without its tests; split it", source.path))
        })
        .collect();
    refuse(&problems);
}

#[test]
fn unsafe_code_stands_in_two_files_with_its_proofs() {
    let mut problems = Vec::new();
    for source in rust().iter().filter(|source| source.path.starts_with("src/")) {
        let allowed = UNSAFE.contains(&source.path.as_str());
        for (number, line) in source.code() {
            if !allowed && (line.contains("unsafe {") || line.contains("allow(unsafe_code)")) {
                problems.push(format!("{}:{number}: unsafe code belongs in {UNSAFE:?}", source.path));
            }
        }
        let count = |mark| source.text.matches(mark).count();
        if allowed && count("SAFETY:") < count("unsafe {") {
            problems.push(format!("{}: an unsafe block without its proof", source.path));
        }
    }
    refuse(&problems);
}

#[test]
fn nothing_is_put_off_or_left_out() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("#[ign", "ore")];
    let mut problems = Vec::new();
    for source in sources(&["src", "tests", "benches", "scripts", "config", "deploy", ".ci"], &[]) {
        for (index, line) in source.text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                problems.push(format!("{}:{}: {mark}", source.path, index + 1));
            }
        }
    }
    refuse(&problems);
}

#[test]
fn no_package_registry_is_named() {
    let mut problems = Vec::new();
    let places = [
        "src",
        "tests",
        "benches",
        "scripts",
        "config",
        "deploy",
        "docs",
        ".ci",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "Cargo.toml",
    ];
    for source in sources(&places, &[]) {
        for (index, line) in source.text.lines().enumerate() {
            for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
                problems.push(format!("{}:{}: {host}", source.path, index + 1));
            }
        }
    }
    refuse(&problems);
}

/// Capabilities that name the very tests which would fail without them.
const PROVEN: [&str; 35] = [
    "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "A1", "A2", "A4", "A5", "A6", "K1", "K2", "K3", "K4",
    "K5", "K6", "K7", "K8", "K9", "K10", "K11", "C1", "C2", "C3", "C4", "C5", "C6", "R1", "R2", "R3",
];

#[test]
fn every_test_that_proves_a_capability_exists() {
    let (sources, table) = (rust(), fs::read_to_string(root().join("docs/capabilities.md")).unwrap());
    let defines = |source: &Source, name: &str| source.text.contains(&format!("fn {name}("));
    let (mut problems, mut proven) = (Vec::new(), Vec::new());
    for (index, line) in table.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let held_by = cells.last().unwrap_or(&"");
        for name in held_by.split('`').skip(1).step_by(2) {
            let found = match name.split_once(".rs::") {
                Some((path, test)) => {
                    proven.push(cells[0].trim().to_owned());
                    let paths = [format!("src/{path}.rs"), format!("{path}.rs")];
                    sources.iter().any(|source| paths.contains(&source.path) && defines(source, test))
                }
                // Names of tests are sentences; what is shorter is a module, a key or a word.
                None if name.matches('_').count() >= 3 && !name.contains([' ', ':', '.', '/']) => {
                    sources.iter().any(|source| defines(source, name))
                }
                None => true,
            };
            if !found {
                problems.push(format!("docs/capabilities.md:{}: there is no test {name}", index + 1));
            }
        }
    }
    let unproven = PROVEN.iter().filter(|row| !proven.iter().any(|proven| proven == *row));
    problems.extend(unproven.map(|row| format!("docs/capabilities.md: {row} names no test as path.rs::name")));
    refuse(&problems);
}

#[test]
fn imports_are_found_as_written() {
    assert_eq!(imports("use crate::units::{Day, Span};"), ["units"]);
    assert_eq!(imports("use crate::{engine, wire::dump};"), ["engine", "wire"]);
    assert_eq!(imports("let a = crate::local::run(crate::http::Server);"), ["local", "http"]);
    assert!(imports("use mycrate::units;").is_empty());
}
