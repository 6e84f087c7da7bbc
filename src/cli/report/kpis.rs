//! The report of KPIs: every one against its target, the ledger by month, trials, and what was left out.

use super::table::{self, Cell, Column, LeftOut, Table, columns};
use super::{Sums, omitted};
use crate::engine::facts::book::{Doubt, Flow};
use crate::engine::kpis::days::{Card, Count};
use crate::engine::kpis::figures::Figures;
use crate::engine::kpis::registry::{KPIS, Kpi, Span, Unit};
use crate::engine::kpis::starts::{Trials, trial_conversion};
use crate::units::Day;
use crate::units::calendar::{Length, Period, day_text};

/// Months of the ledger that are shown.
const MONTHS: u16 = 13;

/// The tables.
pub fn tables(sums: &Sums<'_>) -> Vec<Table> {
    let mut tables = vec![kpis(sums), ledger(sums), trials(sums)];
    tables.extend(revisions(sums));
    tables.extend(benchmarks(sums));
    tables.push(left_out(sums));
    tables
}

/// Every KPI, those in focus first.
fn kpis(sums: &Sums<'_>) -> Table {
    let present = sums.present();
    let total = sums.report.census.tables.total();
    let figures = |period: Period| present.figures(&total, period);
    let running = Length::Month.of(sums.month);
    let is_running = sums.month == sums.open;
    let complete = Length::ALL.map(|length| length.of(sums.open).previous());
    let now = figures(running);
    let [month, quarter, year] = complete.map(figures);
    let mut head = columns([("focus", ""), ("kpi", "KPI"), ("title", "")]);
    let so_far = if is_running { "so far" } else { "to its end" };
    let told = [running, complete[0], complete[1], complete[2]].map(|period| period.to_string());
    for (id, title) in ["now", "month", "quarter", "year"].into_iter().zip(told.clone()) {
        head.push(Column::new(id, if id == "now" { format!("{title} {so_far}") } else { title }));
    }
    head.extend(columns([("target", "target"), ("progress", "progress"), ("owner", "owner"), ("source", "data")]));
    let is_in_focus = |kpi: &Kpi| sums.wanted.focus.iter().any(|id| id == kpi.id);
    let ordered = KPIS.iter().filter(|kpi| is_in_focus(kpi)).chain(KPIS.iter().filter(|kpi| !is_in_focus(kpi)));
    let rows = ordered.map(|kpi| {
        let value = |figures: &Figures| Cell::Value((kpi.value)(figures), kpi.unit);
        let of_period = |figures: &Figures| if kpi.span == Span::Period { value(figures) } else { Cell::Empty };
        // A month that has just begun says little of a rate.
        let measured = if kpi.span == Span::Period { &month } else { &now };
        let target = sums.wanted.target(kpi.id, present.today());
        let progress = (kpi.value)(measured)
            .zip(target)
            .map(|(value, target)| kpi.progress(value, target, baseline(sums, kpi, &figures)));
        vec![
            Cell::text(if is_in_focus(kpi) { "*" } else { "" }),
            Cell::text(kpi.id),
            Cell::text(kpi.title),
            value(&now),
            of_period(&month),
            of_period(&quarter),
            of_period(&year),
            target.map_or(Cell::Empty, |target| Cell::Value(Some(target), kpi.unit)),
            progress.map_or(Cell::Empty, |progress| Cell::Value(Some(progress), Unit::Share)),
            Cell::text(sums.wanted.owner(kpi.id).unwrap_or_default()),
            Cell::text(sums.wanted.source(kpi.id).unwrap_or_default()),
        ]
    });
    Table {
        id: "kpis",
        title: "KPIs".to_owned(),
        periods: ["now_is", "month_is", "quarter_is", "year_is"].into_iter().zip(told).collect(),
        columns: head,
        rows: rows.collect(),
        notes: vec![
            "* in focus. - undefined: see docs/kpis.md. Targets are measured by the last complete month, or by the present."
                .to_owned(),
            "ltv and lifetime are told of complete periods only: the churn of a running one is not over.".to_owned(),
            "Progress goes from where the KPI stood when the target was set; where that is not known, it tells how near it is."
                .to_owned(),
        ],
    }
}

/// Where the KPI stood in the month before the target in force was set; `None` where that is not known.
fn baseline(sums: &Sums<'_>, kpi: &Kpi, figures: &dyn Fn(Period) -> Figures) -> Option<f64> {
    let today = sums.present().today();
    let revisions = sums.wanted.targets.get(kpi.id)?;
    let set = revisions.iter().rev().find(|target| target.from <= today).filter(|target| target.from > Day::new(0))?;
    if kpi.span != Span::Period {
        return None;
    }
    let before = sums.report.rules.kpis.time_zone.month(sums.report.rules.kpis.time_zone.start(set.from)).plus(-1);
    (kpi.value)(&figures(Length::Month.of(before)))
}

/// Customers and MRR by month: start and movements lead to the end.
fn ledger(sums: &Sums<'_>) -> Table {
    let present = sums.present();
    let total = sums.report.census.tables.total();
    let first = total.first().unwrap_or(sums.month);
    let count = MONTHS.min(sums.month.since(first).saturating_add(1));
    let mut head = columns([("month", "month"), ("mrr_start", "MRR at start")]);
    for flow in Flow::ALL {
        head.push(Column::new(flow.name(), flow.name()));
    }
    head.extend(columns([
        ("mrr_end", "MRR at end"),
        ("customers_start", "customers"),
        ("acquired", "acquired"),
        ("returned", "returned"),
        ("lost", "lost"),
        ("customers_end", "at end"),
    ]));
    let rows = total.over(Length::Month.of(sums.month), count).into_iter().map(|(period, at)| {
        let figures = present.figures(&total, period);
        let amount = |minor| Cell::Value(Some(figures.whole_major(minor)), Unit::Amount);
        let mut row = vec![Cell::text(period.to_string()), amount(at.mrr_minor)];
        row.extend(Flow::ALL.map(|flow| amount(figures.moved_minor(flow))));
        row.push(amount(at.mrr_end_minor()));
        row.extend(
            [at.customers, at.cell.acquired, at.cell.returned, at.cell.lost, at.customers_end()].map(Cell::count),
        );
        row
    });
    Table {
        id: "ledger",
        title: "MRR and customers by month".to_owned(),
        periods: Vec::new(),
        columns: head,
        rows: rows.collect(),
        notes: vec![format!(
            "end = start + new + expansion + reactivation - contraction - churned + fx{}.",
            if sums.month == sums.open { "; the last month is still running" } else { "" }
        )],
    }
}

fn trials(sums: &Sums<'_>) -> Table {
    let (days, today) = (&sums.report.census.tables.days, sums.present().today());
    let rows = Card::ALL.map(|card| {
        let trials = Trials::at(days, today, card);
        vec![
            Cell::text(card.name()),
            Cell::count(trials.started),
            Cell::count(trials.ended),
            Cell::count(trials.converted),
            Cell::Value(trial_conversion(trials.ended, trials.converted), Unit::Share),
            Cell::count(trials.churned),
            Cell::Value(trial_conversion(trials.converted, trials.churned), Unit::Share),
        ]
    });
    Table {
        id: "trials",
        title: "Trials by whether a card was given".to_owned(),
        periods: Vec::new(),
        columns: columns([
            ("card", "card"),
            ("started", "started"),
            ("ended", "ended"),
            ("converted", "converted"),
            ("conversion", "conversion"),
            ("churned", "left since"),
            ("churned_share", "of the converted"),
        ]),
        rows: rows.into(),
        notes: Vec::new(),
    }
}

/// Every target with its revisions.
fn revisions(sums: &Sums<'_>) -> Option<Table> {
    let today = sums.present().today();
    let mut rows = Vec::new();
    for kpi in KPIS {
        let revisions = sums.wanted.targets.get(kpi.id).map(Vec::as_slice).unwrap_or_default();
        for (index, target) in revisions.iter().enumerate() {
            let is_over = revisions.get(index + 1).is_some_and(|next| next.from <= today);
            let state = match target.from {
                from if from > today => "to come",
                _ if is_over => "was",
                _ => "in force",
            };
            let from = if target.from == Day::new(0) { String::new() } else { day_text(target.from) };
            rows.push(vec![
                Cell::text(kpi.id),
                Cell::text(from),
                Cell::Value(Some(target.value), kpi.unit),
                Cell::text(state),
            ]);
        }
    }
    (!rows.is_empty()).then(|| Table {
        id: "targets",
        title: "Targets and their revisions".to_owned(),
        periods: Vec::new(),
        columns: columns([("kpi", "KPI"), ("from", "from"), ("target", "target"), ("state", "")]),
        rows,
        notes: Vec::new(),
    })
}

fn benchmarks(sums: &Sums<'_>) -> Option<Table> {
    let total = sums.report.census.tables.total();
    let present = sums.present();
    let rows: Vec<_> = sums
        .wanted
        .benchmarks
        .iter()
        .filter_map(|benchmark| {
            let kpi = KPIS.iter().find(|kpi| kpi.id == benchmark.kpi)?;
            let period = Length::Month.of(if kpi.span == Span::Period { sums.open.plus(-1) } else { sums.month });
            Some(vec![
                Cell::text(kpi.id),
                Cell::text(&benchmark.name),
                Cell::Value(Some(benchmark.value), kpi.unit),
                Cell::Value((kpi.value)(&present.figures(&total, period)), kpi.unit),
                Cell::text(period.to_string()),
                Cell::text(&benchmark.source),
            ])
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        id: "benchmarks",
        title: "What others reach: for comparison, never a threshold".to_owned(),
        periods: Vec::new(),
        columns: columns([
            ("kpi", "KPI"),
            ("name", "of whom"),
            ("value", "theirs"),
            ("own", "ours"),
            ("month", "in"),
            ("source", "said by"),
        ]),
        rows,
        notes: Vec::new(),
    })
}

/// What the report leaves out or took with doubt, and why.
fn left_out(sums: &Sums<'_>) -> Table {
    let tables = &sums.report.census.tables;
    let until = Day::new(0)..Day::new(sums.present().today().number() + 1);
    let mut counts: Vec<LeftOut> =
        Doubt::ALL.iter().zip(tables.doubts).map(|(doubt, count)| (doubt.name(), count, doubt.told().into())).collect();
    counts.extend(omitted::events(sums));
    counts.extend([
        omitted::long_history(sums),
        (
            "sign_ups_repeated",
            tables.days.sum(Count::SignUpsRepeated, until.clone()),
            "accounts that started a trial again; one sign-up".into(),
        ),
        (
            "endless_trials",
            tables.days.sum(Count::TrialsEndless, until.clone()),
            "trials without a known end, taken for ended after 90 days".into(),
        ),
        (
            "misdated_trials",
            tables.days.sum(Count::TrialsMisdated, until.clone()),
            "trials whose end is told for before they begin, or for more than a year later; without a known end".into(),
        ),
        (
            "unstarted_trials",
            tables.days.sum(Count::TrialsUnstarted, until),
            "trials that convert or expire before any start; taken for begun on that day".into(),
        ),
    ]);
    table::left_out(counts)
}
