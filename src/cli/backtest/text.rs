//! How a backtest looks: aligned columns of plain text. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::report::{Comparison, Report, Run, mean_change};
use super::seconds;
use crate::engine::effect::Band;
use crate::evaluation::alerts::{Load, Raised};
use crate::evaluation::measures::Measure;
use crate::evaluation::summary::Estimate;
use crate::units::Timestamp;

/// Owners, differences and alerts that are listed; the JSON form has all.
const LISTED_MAX: usize = 15;

/// The report as text.
#[must_use]
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "backtest of {}: {} events of {} accounts, {} to {}, horizon {:.0} days\n",
        report.input,
        report.tally.events,
        report.accounts,
        day(report.first),
        day(report.last),
        report.horizon.days()
    );
    risks(&report.run, &mut out);
    alerts(&report.run, &report.loads, &mut out);
    if let Some(comparison) = &report.comparison {
        compare(&report.run, comparison, &mut out);
    }
    for note in report.notes() {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

fn risks(run: &Run, out: &mut String) {
    let head = format!("{:<20} {:>8} {:>8} {:>8}", "cut-off", "scored", "measured", "churned");
    let names = format!("{:<21} {:<21} {:<21} {:<19}", "AUC", "average precision", "top-tenth precision", "top lift");
    let _ = writeln!(out, "{head}  {names} calibration error");
    for (of, scored) in run.evaluation.cutoffs.iter().zip(&run.scored) {
        let head = format!("{:<20} {scored:>8} {:>8} {:>8}", seconds(of.at), of.accounts, of.churned);
        line(&head, of.estimate.as_ref(), out);
    }
    let several = run.evaluation.cutoffs.len() > 1;
    for (name, estimate) in [("mean", &run.evaluation.mean), ("pooled", &run.evaluation.pooled)] {
        if let Some(estimate) = estimate.as_ref().filter(|_| several) {
            line(&format!("{name:<47}"), Some(estimate), out);
        }
    }
    out.push('\n');
}

fn line(head: &str, estimate: Option<&Estimate>, out: &mut String) {
    let cell = |estimate: &Estimate, measure| {
        let decimals = if measure == Measure::TopLift { 2 } else { 4 };
        let value = format!("{:.decimals$}", estimate.measures.get(measure));
        match &estimate.interval {
            Some(interval) => {
                let decimals = decimals.min(3);
                format!("{value} ({:.decimals$}-{:.decimals$})", interval.low.get(measure), interval.high.get(measure))
            }
            None => value,
        }
    };
    let told = match estimate {
        Some(estimate) => {
            let [auc, precision, top, lift, calibration] = Measure::ALL.map(|measure| cell(estimate, measure));
            format!("{auc:<21} {precision:<21} {top:<21} {lift:<19} {calibration}")
        }
        None => "not both outcomes: nothing to measure".to_owned(),
    };
    let _ = writeln!(out, "{head}  {told}");
}

fn alerts(run: &Run, loads: &BTreeMap<Option<String>, Load>, out: &mut String) {
    let _ = writeln!(out, "alerts: {} raised", run.raised);
    if let Some(quality) = &run.quality {
        let share = |ratio: Option<crate::units::Ratio>| {
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.1} %", ratio.get() * 100.0))
        };
        let _ = writeln!(
            out,
            "  precision {} ({} right, {} wrong, {} folded, {} not countable), recall {} ({} of {} churned)",
            share(quality.precision()),
            quality.right,
            quality.wrong,
            quality.folded,
            quality.not_countable,
            share(quality.recall()),
            quality.warned,
            quality.churned
        );
        if let Some([low, middle, high]) = quality.lead_days {
            let _ = writeln!(out, "  lead {middle:.1} days in the middle, quartiles {low:.1} and {high:.1}");
        }
    }
    let mut by_load: Vec<(&Option<String>, &Load)> = loads.iter().collect();
    by_load.sort_by(|a, b| b.1.raised.cmp(&a.1.raised).then(a.0.cmp(b.0)));
    for (owner, load) in by_load.iter().take(LISTED_MAX) {
        let owner = owner.as_deref().unwrap_or("(no owner)");
        let _ = writeln!(out, "  {owner}: {:.2} a week, {} in the busiest", load.per_week, load.busiest_week);
    }
    more(by_load.len(), "owners", out);
    out.push('\n');
}

fn compare(base: &Run, comparison: &Comparison, out: &mut String) {
    let Comparison { other, differences, alerts } = comparison;
    let _ = writeln!(out, "against the other rules:");
    for (name, run) in [("rules", base), ("against", other)] {
        line(&format!("  {name:<45}"), run.evaluation.mean.as_ref(), out);
    }
    if let Some(change) = mean_change(base, other) {
        let told: Vec<String> =
            Measure::ALL.iter().map(|measure| format!("{} {:+.4}", measure.name(), change.get(*measure))).collect();
        let _ = writeln!(out, "  change of the mean: {}", told.join(", "));
    }
    let mut moves: BTreeMap<(Band, Band), usize> = BTreeMap::new();
    for found in differences.iter().filter(|found| found.base.band != found.other.band) {
        *moves.entry((found.base.band, found.other.band)).or_default() += 1;
    }
    let _ = writeln!(out, "  {} differ in risk or band", differences.len());
    for ((from, to), count) in moves {
        let _ = writeln!(out, "    {} to {}: {count}", from.name(), to.name());
    }
    for found in differences.iter().take(LISTED_MAX) {
        let _ = writeln!(
            out,
            "    {} {:<24} {:.3} {:<8} -> {:.3} {}",
            seconds(found.at),
            found.account_id,
            found.base.risk.get(),
            found.base.band.name(),
            found.other.risk.get(),
            found.other.band.name()
        );
    }
    more(differences.len(), "accounts", out);
    for (name, list) in [("gained", &alerts.gained), ("lost", &alerts.lost)] {
        let _ = writeln!(out, "  alerts {name}: {}", list.len());
        for Raised { account_id, alert_type, at, .. } in list.iter().take(LISTED_MAX) {
            let _ = writeln!(out, "    {} {account_id:<24} {alert_type}", seconds(*at));
        }
        more(list.len(), "alerts", out);
    }
    out.push('\n');
}

fn more(count: usize, what: &str, out: &mut String) {
    if count > LISTED_MAX {
        let _ = writeln!(out, "    and {} more {what}; --output json lists them all", count - LISTED_MAX);
    }
}

fn day(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}
