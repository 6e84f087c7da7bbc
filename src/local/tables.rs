//! Labels, cut-offs and pairs of account and cut-off, from CSV files that people keep.
//!
//! A first row that names the columns is optional; without it they come in the order given here. Further columns are
//! passed over. Files may be compressed. A file with a row that cannot be understood is refused as a whole, with every
//! such row: figures from half of the labels would look like figures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::lines::decompressed;
use crate::evaluation::cases::Pair;
use crate::evaluation::outcome::Label;
use crate::units::Timestamp;

/// Problems of one file that are told.
const PROBLEMS_MAX: usize = 20;

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be opened.
    #[error("cannot open {path}: {source}; check the path and its permissions", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no rows.
    #[error("{path} has no rows; it needs the columns {columns}", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it needs.
        columns: String,
    },
    /// Its first row names some of the columns, but not one that it needs.
    #[error(
        "{path} has no column {missing}: the first row names others; add it, or leave that row out and give {columns} in \
         this order",
        path = path.display()
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// The column, or several.
        missing: String,
        /// What there may be.
        columns: String,
    },
    /// Rows cannot be understood.
    #[error("{path}: {}; correct or remove these rows", problems.join("; "), path = path.display())]
    Rows {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line numbers.
        problems: Vec<String>,
    },
}

/// Reads labels: `account,churn_time,last_observed`, with an empty `churn_time` for an account that was not seen to churn.
pub fn labels(path: &Path) -> Result<BTreeMap<String, Label>, TableError> {
    let mut labels = BTreeMap::new();
    read(
        path,
        &["account", "churn_time", "last_observed"],
        &["account", "last_observed"],
        |[account, churn, last]| {
            let churned_at = if churn.is_empty() { None } else { Some(instant("churn_time", churn)?) };
            let label = Label { churned_at, observed_until: instant("last_observed", last)? };
            if churned_at.is_some_and(|at| at > label.observed_until) {
                return Err(format!("churn_time `{churn}` is after last_observed `{last}`"));
            }
            match labels.insert(named(account)?, label) {
                Some(before) if before != label => Err(format!("account `{account}` is labelled before, differently")),
                _ => Ok(()),
            }
        },
    )?;
    Ok(labels)
}

/// Reads cut-offs: `as_of`.
pub fn cutoffs(path: &Path) -> Result<Vec<Timestamp>, TableError> {
    let mut cutoffs = Vec::new();
    read(path, &["as_of"], &["as_of"], |[as_of]| {
        cutoffs.push(instant("as_of", as_of)?);
        Ok(())
    })?;
    Ok(cutoffs)
}

/// Reads pairs: `account,as_of` and, where the outcome is known, `label`: 1 for churned within the horizon, 0 for stayed.
pub fn pairs(path: &Path) -> Result<Vec<Pair>, TableError> {
    let (mut pairs, mut known) = (Vec::new(), BTreeSet::new());
    read(path, &["account", "as_of", "label"], &["account", "as_of"], |[account, as_of, label]| {
        let churned = match label.parse::<f64>() {
            _ if label.is_empty() => None,
            Ok(1.0) => Some(true),
            Ok(0.0) => Some(false),
            _ => return Err(format!("label `{label}` is neither 0 nor 1")),
        };
        let pair = Pair { account_id: named(account)?, as_of: instant("as_of", as_of)?, churned };
        if !known.insert((pair.account_id.clone(), pair.as_of)) {
            return Err(format!("account `{account}` at {as_of} is asked for before"));
        }
        pairs.push(pair);
        Ok(())
    })?;
    Ok(pairs)
}

/// A time as people and programs write it: RFC 3339, the same without a zone (UTC), a day, or seconds since 1970.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    if let Ok(seconds) = text.parse::<f64>() {
        #[allow(clippy::cast_possible_truncation)] // saturates; the range is checked
        return Timestamp::from_ms((seconds * 1000.0).round() as i64);
    }
    let zoned = chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).ok();
    let local = || FORMS.iter().find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok());
    let day =
        || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(chrono::NaiveTime::MIN));
    let ms = zoned.or_else(|| local().or_else(day).map(|time| time.and_utc().timestamp_millis()))?;
    Timestamp::from_ms(ms)
}

fn instant(column: &str, text: &str) -> Result<Timestamp, String> {
    parse_instant(text).ok_or_else(|| format!("{column} `{text}` is no time such as 2026-03-01T00:00:00Z"))
}

fn named(account: &str) -> Result<String, String> {
    if account.is_empty() { Err("account is empty".to_owned()) } else { Ok(account.to_owned()) }
}

/// Hands the columns called `names` of each row to `take`, empty where a row has none of the kind.
fn read<const N: usize>(
    path: &Path,
    names: &[&str; N],
    required: &[&str],
    mut take: impl FnMut([&str; N]) -> Result<(), String>,
) -> Result<(), TableError> {
    let open = |source| TableError::Open { path: path.to_owned(), source };
    let input = decompressed(Box::new(File::open(path).map_err(open)?)).map_err(open)?;
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(input);
    let (mut places, mut rows, mut problems) = (None, 0_u64, Vec::new());
    for record in reader.records() {
        let (line, problem) = match record {
            Ok(row) => {
                let lower: Vec<String> = row.iter().map(str::to_lowercase).collect();
                let has = |name: &&str| lower.iter().any(|cell| cell == name);
                let missing: Vec<&str> = required.iter().copied().filter(|name| !has(name)).collect();
                let is_first = places.is_none();
                let is_head = is_first && missing.is_empty();
                let by_order = || std::array::from_fn(Some);
                let places = places.get_or_insert_with(|| {
                    if is_head { names.map(|name| lower.iter().position(|cell| cell == name)) } else { by_order() }
                });
                if is_head || row.iter().all(str::is_empty) {
                    continue;
                }
                rows += 1;
                let cells = places.map(|place| place.and_then(|place| row.get(place)).unwrap_or_default());
                let problem = take(cells).err();
                if is_first && problem.is_some() && names.iter().any(has) {
                    let (missing, columns) = (missing.join(", "), names.join(", "));
                    return Err(TableError::Column { path: path.to_owned(), missing, columns });
                }
                (row.position().map_or(0, csv::Position::line), problem)
            }
            Err(error) => (error.position().map_or(0, csv::Position::line), Some(told(&error))),
        };
        if let Some(problem) = problem {
            problems.push(format!("line {line}: {problem}"));
            if problems.len() >= PROBLEMS_MAX {
                problems.push("and perhaps more".to_owned());
                break;
            }
        }
    }
    match (problems.is_empty(), rows) {
        (true, 0) => Err(TableError::Empty { path: path.to_owned(), columns: names.join(", ") }),
        (true, _) => Ok(()),
        (false, _) => Err(TableError::Rows { path: path.to_owned(), problems }),
    }
}

/// What is wrong with a row, without the position, which is told apart.
fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "row is not UTF-8".to_owned(),
        csv::ErrorKind::Io(source) => format!("cannot be read: {source}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Reads `text` as a table of a kind; shows its rows or what is wrong.
    fn check(kind: &str, text: &str, expected: &Expect) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let time = |time: Timestamp| time.to_string();
        let found: Result<Vec<String>, TableError> = match kind {
            "labels" => labels(&path).map(|labels| {
                let row = |(account, label): (&String, &Label)| {
                    format!("{account} {:?} {}", label.churned_at.map(time), label.observed_until)
                };
                labels.iter().map(row).collect()
            }),
            "pairs" => pairs(&path).map(|pairs| {
                pairs.iter().map(|pair| format!("{} {} {:?}", pair.account_id, pair.as_of, pair.churned)).collect()
            }),
            _ => cutoffs(&path).map(|cutoffs| cutoffs.into_iter().map(time).collect()),
        };
        let shown = match found {
            Ok(rows) => rows.join("\n"),
            Err(error) => error.to_string().replace(directory.path().to_str().unwrap(), ""),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn columns_go_by_name_or_by_order() {
        check(
            "labels",
            "last_observed,x,Account\n2026-03-01,1,\"a,1\"\n",
            &expect!["a,1 None 2026-03-01T00:00:00.000Z"],
        );
        check(
            "labels",
            "a,2026-01-01T10:00:00+01:00,2026-03-01 00:00:00.5\r\nb,,1772323200\r\n\r\n",
            &expect![[r#"
            a Some("2026-01-01T09:00:00.000Z") 2026-03-01T00:00:00.500Z
            b None 2026-03-01T00:00:00.000Z"#]],
        );
        check("cutoffs", "\u{feff}as_of,pairs\n2026-01-01T00:00:00Z,17\n", &expect!["2026-01-01T00:00:00.000Z"]);
        check(
            "pairs",
            "a,2026-01-01\nb,2026-01-01,1\nc,2026-01-01,0.0\n",
            &expect![[r#"
            a 2026-01-01T00:00:00.000Z None
            b 2026-01-01T00:00:00.000Z Some(true)
            c 2026-01-01T00:00:00.000Z Some(false)"#]],
        );
    }

    #[test]
    fn what_cannot_be_understood_is_told_with_its_line() {
        check(
            "labels",
            "account,churn_time,last_observed\na,soon,2026-03-01\nb,,\n,,2026-03-01\n",
            &expect![
                "/table.csv: line 2: churn_time `soon` is no time such as 2026-03-01T00:00:00Z; line 3: last_observed `` is no time such as 2026-03-01T00:00:00Z; line 4: account is empty; correct or remove these rows"
            ],
        );
        check(
            "labels",
            "account,churn_time\na,2026-03-01\n",
            &expect![
                "/table.csv has no column last_observed: the first row names others; add it, or leave that row out and give account, churn_time, last_observed in this order"
            ],
        );
        check(
            "labels",
            "a,2026-03-02,2026-03-01\nb,2026-03-01,2026-03-01\n",
            &expect![
                "/table.csv: line 1: churn_time `2026-03-02` is after last_observed `2026-03-01`; correct or remove these rows"
            ],
        );
        check("labels", "label,,2026-03-01\n", &expect!["label None 2026-03-01T00:00:00.000Z"]);
        check("pairs", "label,2026-03-01\n", &expect!["label 2026-03-01T00:00:00.000Z None"]);
        check(
            "labels",
            "a,,2026-03-01\na,2026-01-01,2026-03-01\n",
            &expect!["/table.csv: line 2: account `a` is labelled before, differently; correct or remove these rows"],
        );
        check(
            "pairs",
            "a,2026-01-01,2\nb,1066-01-01,1\n",
            &expect![
                "/table.csv: line 1: label `2` is neither 0 nor 1; line 2: as_of `1066-01-01` is no time such as 2026-03-01T00:00:00Z; correct or remove these rows"
            ],
        );
        check(
            "pairs",
            "a,2026-01-01,1\na,2026-01-01T00:00:00Z,0\na,2026-01-01,1\na,2026-01-01\n",
            &expect![
                "/table.csv: line 2: account `a` at 2026-01-01T00:00:00Z is asked for before; line 3: account `a` at 2026-01-01 is asked for before; line 4: account `a` at 2026-01-01 is asked for before; correct or remove these rows"
            ],
        );
        check(
            "cutoffs",
            &"never\n".repeat(30),
            &expect![
                "/table.csv: line 1: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 2: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 3: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 4: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 5: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 6: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 7: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 8: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 9: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 10: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 11: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 12: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 13: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 14: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 15: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 16: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 17: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 18: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 19: as_of `never` is no time such as 2026-03-01T00:00:00Z; line 20: as_of `never` is no time such as 2026-03-01T00:00:00Z; and perhaps more; correct or remove these rows"
            ],
        );
        check("cutoffs", "as_of\n", &expect!["/table.csv has no rows; it needs the columns as_of"]);
        check(
            "labels",
            "",
            &expect!["/table.csv has no rows; it needs the columns account, churn_time, last_observed"],
        );
    }

    #[test]
    fn a_missing_table_is_told() {
        let error = cutoffs(Path::new("no/such.csv")).unwrap_err();
        assert!(error.to_string().starts_with("cannot open no/such.csv: "), "{error}");
    }
}
