//! A table and how it looks: as aligned text, as JSON, as CSV. Pure.
//!
//! Values keep their unit until they are shown: JSON and CSV have plain numbers, text has percent and grouping. Names and
//! traits are anybody's: in text nothing in them moves the cursor, in CSV no spreadsheet takes them for a formula.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Map, Value, json};
use textwrap::core::display_width;

use crate::engine::kpis::registry::Unit;

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Stable name for programs.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// The periods that it tells of, by name: what people read in its titles, for programs.
    pub periods: Vec<(&'static str, String)>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows: a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Stable name for programs.
    pub id: String,
    /// What people read.
    pub title: String,
    /// Whether its cells are pairs: two columns for programs, whatever its rows have.
    pub is_pair: bool,
}

impl Column {
    /// A column of plain cells.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Column {
        Column { id: id.into(), title: title.into(), is_pair: false }
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text.
    Text(String),
    /// A value in a unit; `None` where it is undefined.
    Value(Option<f64>, Unit),
    /// Customers and revenue retention, side by side.
    Pair(Option<f64>, Option<f64>),
}

impl Cell {
    /// A count.
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
    pub fn count(count: i64) -> Cell {
        Cell::Value(Some(count as f64), Unit::Count)
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    fn is_number(&self) -> bool {
        matches!(self, Cell::Value(..) | Cell::Pair(..))
    }
}

/// A count as tables have it.
pub fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Something that a report leaves out: its stable name, how many there are, and what that leads to.
pub type LeftOut = (&'static str, i64, Cow<'static, str>);

/// What a report leaves out or took with doubt, and why; what there is none of is left out.
pub fn left_out(counts: Vec<LeftOut>) -> Table {
    let counts = counts.into_iter().filter(|(_, count, _)| *count != 0);
    let rows: Vec<_> =
        counts.map(|(name, count, told)| vec![Cell::text(name), Cell::count(count), Cell::text(told)]).collect();
    let notes = if rows.is_empty() { vec!["nothing".to_owned()] } else { Vec::new() };
    Table {
        id: "left_out",
        title: "What was left out or contradicted itself".to_owned(),
        periods: Vec::new(),
        columns: columns([("what", "what"), ("count", "count"), ("result", "result")]),
        rows,
        notes,
    }
}

/// Columns of these ids, with these titles.
pub fn columns<const N: usize>(columns: [(&str, &str); N]) -> Vec<Column> {
    columns.into_iter().map(|(id, title)| Column::new(id, title)).collect()
}

/// A value as people read it.
pub fn shown(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value else { return "-".to_owned() };
    match unit {
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::Times => format!("{value:.2}"),
        Unit::Amount => grouped(value, if value.fract().abs() < 0.005 { 0 } else { 2 }),
        Unit::Count => grouped(value, 0),
        Unit::Months => format!("{value:.1} months"),
        Unit::Points => format!("{value:.0}"),
    }
}

fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, part) = text.split_once('.').map_or((text.as_str(), None), |(whole, part)| (whole, Some(part)));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        out.push('-');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(part) = part {
        out.push('.');
        out.push_str(part);
    }
    out
}

/// Whether a character moves the cursor, ends the line, or turns the direction of what follows without being seen.
fn is_unseen(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text that a spreadsheet takes for text: what it would run as a formula begins with `'` instead.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn cell_text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.replace(is_unseen, "\u{fffd}"),
        Cell::Value(value, unit) => shown(*value, *unit),
        Cell::Pair(customers, revenue) => {
            let percent =
                |share: &Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.0}", share * 100.0));
            format!("{}/{}", percent(customers), percent(revenue))
        }
    }
}

/// Blanks to the left of a table and of what is said about it.
const INDENT: &str = "  ";
/// A column of text is not made narrower than this to have it in its line, ...
const TEXT_MIN: usize = 24;
/// ... nor than this where the terminal leaves no more.
const WORD_MIN: usize = 8;

/// The tables as text, aligned, in lines of at most `columns` characters, of which wide ones count twice: columns that do not
/// fit stand in further blocks, each of which begins with what names the rows, and long texts go on below themselves.
pub fn text(head: &str, tables: &[Table], columns: usize) -> String {
    let mut out = String::new();
    paragraph(head, "", columns, &mut out);
    for table in tables {
        out.push('\n');
        paragraph(&table.title, "", columns, &mut out);
        aligned(table, columns, &mut out);
        table.notes.iter().for_each(|note| paragraph(note, INDENT, columns, &mut out));
    }
    out
}

/// What the tables are and what to know about them, where they are given to programs that want nothing but rows.
pub fn notes(head: &str, tables: &[Table]) -> String {
    let mut out = format!("{head}\n");
    for table in tables {
        let _ = writeln!(out, "{}: {}", table.id, table.title);
        table.notes.iter().for_each(|note| paragraph(note, INDENT, usize::MAX, &mut out));
    }
    out
}

fn aligned(table: &Table, columns: usize, out: &mut String) {
    let titles: Vec<String> = table.columns.iter().map(|column| column.title.clone()).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(cell_text).collect()).collect();
    let is_number = |index: usize| table.rows.iter().filter_map(|row| row.get(index)).any(Cell::is_number);
    let placed = (0..titles.len()).map(|index| {
        let cells = rows.iter().chain([&titles]).filter_map(|row| row.get(index));
        Placed { index, width: cells.map(|cell| display_width(cell)).max().unwrap_or(0), is_number: is_number(index) }
    });
    let blocks = blocks(&placed.collect::<Vec<_>>(), keys(&rows), columns);
    for (number, block) in blocks.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        [&titles].into_iter().chain(&rows).for_each(|row| line(row, block, out));
    }
}

/// A column and where it stands.
#[derive(Clone, Copy, Debug)]
struct Placed {
    index: usize,
    width: usize,
    is_number: bool,
}

/// The columns that name the rows: the first or the second where no two rows have the same there, or both.
fn keys(rows: &[Vec<String>]) -> Range<usize> {
    let is_name = |index: usize| {
        let names: BTreeSet<_> = rows.iter().filter_map(|row| row.get(index).filter(|name| !name.is_empty())).collect();
        names.len() == rows.len()
    };
    (0..2).find(|index| is_name(*index)).map_or(0..2, |index| index..index + 1)
}

/// The columns of a table that stand beside each other; those of numbers keep their width. Those of `keys` name the rows, and
/// leave two fifths of the line to what they name.
fn blocks(placed: &[Placed], keys: Range<usize>, columns: usize) -> Vec<Vec<Placed>> {
    let mut blocks: Vec<Vec<Placed>> = vec![Vec::new()];
    let most = (columns / 5).saturating_mul(3) / keys.len();
    let narrow = |column: &Placed| {
        let most = most.saturating_sub(INDENT.len()).max(WORD_MIN);
        Placed { width: if column.is_number { column.width } else { column.width.min(most) }, ..*column }
    };
    for column in placed {
        let room = |block: &[Placed]| {
            let taken: usize = block.iter().map(|known| known.width + INDENT.len()).sum();
            columns.saturating_sub(taken + INDENT.len())
        };
        let fits = |block: &[Placed]| column.width <= room(block) || (!column.is_number && room(block) >= TEXT_MIN);
        if blocks.last().is_some_and(|block| block.len() > keys.len() && !fits(block)) {
            blocks.push(placed.get(keys.clone()).unwrap_or_default().iter().map(narrow).collect());
        }
        if let Some(block) = blocks.last_mut() {
            let width = if column.is_number { column.width } else { column.width.min(room(block).max(WORD_MIN)) };
            block.push(if keys.contains(&column.index) { narrow(column) } else { Placed { width, ..*column } });
        }
    }
    blocks
}

fn line(row: &[String], block: &[Placed], out: &mut String) {
    let wrapped = |column: &Placed| {
        let cell = row.get(column.index).map(String::as_str).unwrap_or_default();
        if display_width(cell) <= column.width { vec![Cow::Borrowed(cell)] } else { textwrap::wrap(cell, column.width) }
    };
    let cells: Vec<Vec<Cow<'_, str>>> = block.iter().map(wrapped).collect();
    for number in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
        let mut text = String::new();
        for (Placed { width, is_number, .. }, lines) in block.iter().zip(&cells) {
            let cell = lines.get(number).map(AsRef::as_ref).unwrap_or_default();
            // Formatting would pad by characters, some of which are two columns wide, others none.
            let room = " ".repeat(width.saturating_sub(display_width(cell)));
            let (before, after) = if *is_number { (room.as_str(), "") } else { ("", room.as_str()) };
            let _ = write!(text, "{INDENT}{before}{cell}{after}");
        }
        let _ = writeln!(out, "{}", text.trim_end());
    }
}

fn paragraph(text: &str, indent: &str, columns: usize, out: &mut String) {
    for line in textwrap::wrap(text, columns.saturating_sub(indent.len())) {
        let _ = writeln!(out, "{indent}{line}");
    }
}

/// The tables as one JSON object, each under its id.
pub fn json(head: &Value, tables: &[Table]) -> String {
    let mut object = head.as_object().cloned().unwrap_or_default();
    for table in tables {
        let rows: Vec<Value> = table
            .rows
            .iter()
            .map(|row| {
                let mut members = Map::new();
                for (column, cell) in table.columns.iter().zip(row) {
                    let value = match cell {
                        Cell::Empty => Value::Null,
                        Cell::Text(text) => json!(text),
                        Cell::Value(value, _) => json!(value),
                        Cell::Pair(customers, revenue) => json!({ "customers": customers, "revenue": revenue }),
                    };
                    members.insert(column.id.clone(), value);
                }
                Value::Object(members)
            })
            .collect();
        let periods: Map<_, _> =
            table.periods.iter().map(|(name, period)| ((*name).to_owned(), json!(period))).collect();
        let told = json!({ "title": table.title, "periods": periods, "rows": rows, "notes": table.notes });
        object.insert(table.id.to_owned(), told);
    }
    format!("{:#}\n", Value::Object(object))
}

/// The tables as CSV, each with its id in the first column, what is the same for `all` rows behind it, and the periods that it
/// tells of, an empty line between them.
pub fn csv(all: &[(&'static str, String)], tables: &[Table]) -> String {
    let mut out = String::new();
    for (index, table) in tables.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let same = || all.iter().chain(&table.periods);
        let mut head = vec!["table".to_owned()];
        head.extend(same().map(|(name, _)| (*name).to_owned()));
        for column in &table.columns {
            if column.is_pair {
                head.extend([format!("{}_customers", column.id), format!("{}_revenue", column.id)]);
            } else {
                head.push(column.id.clone());
            }
        }
        record(&head, &mut out);
        for row in &table.rows {
            let mut cells = vec![table.id.to_owned()];
            cells.extend(same().map(|(_, value)| value.clone()));
            let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
            for (cell, column) in row.iter().zip(&table.columns) {
                match cell {
                    Cell::Pair(customers, revenue) => cells.extend([number(*customers), number(*revenue)]),
                    Cell::Empty if column.is_pair => cells.extend([String::new(), String::new()]),
                    Cell::Empty => cells.push(String::new()),
                    Cell::Text(text) => cells.push(inert(text)),
                    Cell::Value(value, _) => cells.push(number(*value)),
                }
            }
            record(&cells, &mut out);
        }
    }
    out
}

fn record(cells: &[String], out: &mut String) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            let _ = write!(out, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(cell);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn sample() -> Table {
        Table {
            id: "sample",
            title: "A sample".to_owned(),
            periods: vec![("period", "2026-Q1".to_owned())],
            columns: [("name", "name"), ("mrr", "MRR"), ("month_1", "k1"), ("rate", "rate")]
                .map(|(id, title)| Column { is_pair: id == "month_1", ..Column::new(id, title) })
                .into(),
            rows: vec![
                vec![
                    Cell::text("a, \"b\""),
                    Cell::Value(Some(1_234_567.5), Unit::Amount),
                    Cell::Pair(Some(0.5), Some(1.049)),
                    Cell::Value(Some(-0.0213), Unit::Share),
                ],
                vec![Cell::text("c"), Cell::Value(None, Unit::Amount), Cell::Empty, Cell::Value(None, Unit::Share)],
            ],
            notes: vec!["A note.".to_owned()],
        }
    }

    #[test]
    fn a_table_is_aligned_for_people() {
        expect![[r#"
            head

            A sample
              name             MRR      k1    rate
              a, "b"  1,234,567.50  50/105  -2.1 %
              c                  -               -
              A note.
        "#]]
        .assert_eq(&text("head", &[sample()], usize::MAX));
    }

    /// On a terminal: the column that names the rows is there again, and long texts go on below themselves.
    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let mut wide = sample();
        wide.columns.insert(0, Column::new("focus", ""));
        wide.rows.iter_mut().for_each(|row| row.insert(0, Cell::text("*")));
        wide.columns.push(Column::new("said", "said"));
        wide.rows.iter_mut().for_each(|row| row.push(Cell::text("nothing that anybody could have read in one line")));
        wide.notes = vec!["A note that goes on for longer than a line is.".to_owned()];
        let shown = text("a head that is rather long for a terminal", &[wide], 38);
        expect![[r#"
            a head that is rather long for a
            terminal

            A sample
                 name             MRR      k1
              *  a, "b"  1,234,567.50  50/105
              *  c                  -

              name      rate
              a, "b"  -2.1 %
              c            -

              name    said
              a, "b"  nothing that anybody could
                      have read in one line
              c       nothing that anybody could
                      have read in one line
              A note that goes on for longer than
              a line is.
        "#]]
        .assert_eq(&shown);
        assert!(shown.lines().all(|line| display_width(line) <= 38), "{shown}");
    }

    /// The names of rows leave room for what they name.
    #[test]
    fn long_names_go_on_below_themselves_on_a_narrow_terminal() {
        let table = Table {
            columns: columns([
                ("focus", ""),
                ("kpi", "KPI"),
                ("title", ""),
                ("now", "2026-05 so far"),
                ("owner", "owner"),
            ]),
            rows: vec![
                vec![
                    Cell::text("*"),
                    Cell::text("customer_churn_rate"),
                    Cell::text("Customer churn rate"),
                    Cell::Value(Some(0.0213), Unit::Share),
                    Cell::text("customer success"),
                ],
                vec![
                    Cell::text(""),
                    Cell::text("new: first paid in the latest 12 months"),
                    Cell::Empty,
                    Cell::Empty,
                    Cell::Empty,
                ],
            ],
            ..sample()
        };
        let shown = text("head", &[table], 40);
        expect![[r#"
            head

            A sample
                 KPI
              *  customer_churn_rate
                 new: first paid in the
                 latest 12 months

              KPI
              customer_churn_rate     Customer churn
                                      rate
              new: first paid in the
              latest 12 months

              KPI                     2026-05 so far
              customer_churn_rate              2.1 %
              new: first paid in the
              latest 12 months

              KPI                     owner
              customer_churn_rate     customer
                                      success
              new: first paid in the
              latest 12 months
              A note.
        "#]]
        .assert_eq(&shown);
        assert!(shown.lines().all(|line| display_width(line) <= 40), "{shown}");
    }

    /// Neither the first column nor the second names the rows: both are there again.
    #[test]
    fn rows_are_named_by_as_much_as_tells_them_apart() {
        let row = |segment: [&str; 2], customers: i64| {
            [segment.map(Cell::text).as_slice(), &[Cell::count(customers), Cell::text("as before")]].concat()
        };
        let rows = vec![row(["plan", "team"], 1), row(["plan", "unknown"], 1_000), row(["region", "unknown"], 7)];
        let columns =
            columns([("trait", "trait"), ("segment", "segment"), ("customers", "customers"), ("told", "told")]);
        let shown = text("head", &[Table { columns, rows, ..sample() }], 34);
        expect![[r#"
            head

            A sample
              trait   segment  customers
              plan    team             1
              plan    unknown      1,000
              region  unknown          7

              trait   segment  told
              plan    team     as before
              plan    unknown  as before
              region  unknown  as before
              A note.
        "#]]
        .assert_eq(&shown);
    }

    /// Some characters are two columns wide, some none.
    #[test]
    fn columns_are_aligned_by_what_is_shown() {
        let rows =
            ["日本", "e\u{301}"].map(|name| vec![Cell::text(name), Cell::count(7), Cell::Empty, Cell::Empty]).into();
        let shown = text("head", &[Table { rows, ..sample() }], usize::MAX);
        let numbers: Vec<_> = shown.lines().filter(|line| line.ends_with('7')).map(display_width).collect();
        assert_eq!(numbers, [11, 11], "{shown}");
    }

    #[test]
    fn what_others_wrote_moves_no_cursor() {
        let row = vec![Cell::text("a\u{1b}[2J\nb"), Cell::Empty, Cell::Empty, Cell::Empty];
        let shown = text("head", &[Table { rows: vec![row], ..sample() }], usize::MAX);
        assert!(shown.contains("  a\u{fffd}[2J\u{fffd}b\n"), "{shown}");
    }

    #[test]
    fn what_others_wrote_turns_no_line_around() {
        for unseen in ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            let row = vec![Cell::text(format!("a{unseen}b")), Cell::Empty, Cell::Empty, Cell::Empty];
            let shown = text("head", &[Table { rows: vec![row], ..sample() }], usize::MAX);
            assert!(shown.contains("  a\u{fffd}b\n"), "{shown}");
        }
    }

    #[test]
    fn no_spreadsheet_runs_what_others_wrote() {
        let texts = ["=1+1", "+1", "-1", "@a", "\tb", "\rc", "a=1", "'d"];
        let rows = texts.map(|name| vec![Cell::text(name), Cell::count(-1), Cell::Empty, Cell::Empty]).into();
        expect![[r#"
            table,period,name,mrr,month_1_customers,month_1_revenue,rate
            sample,2026-Q1,'=1+1,-1,,,
            sample,2026-Q1,'+1,-1,,,
            sample,2026-Q1,'-1,-1,,,
            sample,2026-Q1,'@a,-1,,,
            sample,2026-Q1,'<TAB>b,-1,,,
            sample,2026-Q1,"'<CR>c",-1,,,
            sample,2026-Q1,a=1,-1,,,
            sample,2026-Q1,'d,-1,,,
        "#]]
        .assert_eq(&csv(&[], &[Table { rows, ..sample() }]).replace('\t', "<TAB>").replace('\r', "<CR>"));
    }

    #[test]
    fn programs_get_plain_numbers() {
        expect![[r#"
            table,currency,period,name,mrr,month_1_customers,month_1_revenue,rate
            sample,USD,2026-Q1,"a, ""b""",1234567.5,0.5,1.049,-0.0213
            sample,USD,2026-Q1,c,,,,

            table,currency,period,name,mrr,month_1_customers,month_1_revenue,rate
        "#]]
        .assert_eq(&csv(&[("currency", "USD".to_owned())], &[sample(), Table { rows: Vec::new(), ..sample() }]));
        expect![[r#"
            head
            sample: A sample
              A note.
        "#]]
        .assert_eq(&notes("head", &[sample()]));
        expect![[r#"
            {
              "as_of": "now",
              "sample": {
                "notes": [
                  "A note."
                ],
                "periods": {
                  "period": "2026-Q1"
                },
                "rows": [
                  {
                    "month_1": {
                      "customers": 0.5,
                      "revenue": 1.049
                    },
                    "mrr": 1234567.5,
                    "name": "a, \"b\"",
                    "rate": -0.0213
                  },
                  {
                    "month_1": null,
                    "mrr": null,
                    "name": "c",
                    "rate": null
                  }
                ],
                "title": "A sample"
              }
            }
        "#]]
        .assert_eq(&json(&json!({ "as_of": "now" }), &[sample()]));
    }
}
