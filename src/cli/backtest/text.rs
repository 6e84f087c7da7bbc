//! How a backtest looks: aligned columns of plain text. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::report::{Comparison, Report, Run, mean_change};
use super::seconds;
use crate::engine::effect::Band;
use crate::evaluation::alerts::{Load, Raised};
use crate::evaluation::measures::Measure;
use crate::evaluation::summary::Estimate;
use crate::units::{Ratio, Timestamp};

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
        let share = |ratio: Option<Ratio>| {
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.1} %", ratio.get() * 100.0))
        };
        let _ = writeln!(
            out,
            "  precision {} (chance {}; {} right, {} wrong, {} folded, {} not countable), recall {} ({} of {} churned)",
            share(quality.precision()),
            share(quality.chance),
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
    let Comparison { other, change: interval, differences, alerts } = comparison;
    let _ = writeln!(out, "against the other rules:");
    for (name, run) in [("rules", base), ("against", other)] {
        line(&format!("  {name:<45}"), run.evaluation.mean.as_ref(), out);
    }
    if let Some(change) = mean_change(base, other) {
        let told = |measure: &Measure| {
            let value = format!("{} {:+.4}", measure.name(), change.get(*measure));
            match interval {
                Some(ends) => {
                    format!("{value} ({:+.4} to {:+.4})", ends.low.get(*measure), ends.high.get(*measure))
                }
                None => value,
            }
        };
        let _ = writeln!(out, "  change of the mean: {}", Measure::ALL.iter().map(told).collect::<Vec<_>>().join(", "));
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

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::evaluation::alerts::Quality;
    use crate::evaluation::cases::Cases;
    use crate::evaluation::compare::{AlertDifferences, Difference, Verdict};
    use crate::evaluation::measures::{Scored, Subject};
    use crate::evaluation::paired;
    use crate::evaluation::summary::evaluate;
    use crate::local::summary::Tally;
    use crate::units::{Day, Span};

    fn at(number: u16) -> Timestamp {
        Day::new(20_000 + number).start()
    }

    /// Ten accounts at two cut-offs, of which the first two churned; the others have the risk `rest`.
    fn run(rest: f64) -> Run {
        let row = |number: u32| {
            let churned = number < 2;
            Scored { subject: Subject(number), risk: Ratio::clamped(if churned { 0.5 } else { rest }), churned }
        };
        let rows = || (0..10).map(row).collect::<Vec<_>>();
        let cutoffs = vec![(at(0), rows()), (at(30), rows()), (at(200), vec![row(5)])];
        let names = (0..10).map(|number| format!("account {number}").into()).collect();
        Run {
            evaluation: evaluate(cutoffs.clone(), 10, 20),
            cases: Cases { cutoffs, names, measured: 21, unscored: 1, unknown: 3, ..Cases::default() },
            scored: vec![12, 11, 9],
            raised: 7,
            quality: Some(Quality {
                right: 2,
                wrong: 2,
                folded: 1,
                not_countable: 1,
                unlabelled: 1,
                churned: 8,
                warned: 2,
                lead_days: Some([3.0, 10.5, 20.0]),
                chance: Some(Ratio::clamped(0.05)),
                ..Quality::default()
            }),
        }
    }

    #[test]
    fn the_report_has_risks_alerts_differences_and_notes() {
        let verdict = |risk, band| Verdict { risk: Ratio::clamped(risk), band };
        let difference = Difference {
            at: at(30),
            account_id: "acme".into(),
            base: verdict(0.25, Band::Watch),
            other: verdict(0.625, Band::AtRisk),
        };
        let raised = Raised { account_id: "acme".to_owned(), alert_type: "nps", at: at(31), owner: None };
        let report = Report {
            input: "log.ndjson".to_owned(),
            first: at(0),
            last: at(100),
            horizon: Span::from_days(28),
            run: run(0.2),
            loads: BTreeMap::from([
                (None, Load { raised: 1, per_week: 0.07, busiest_week: 1 }),
                (Some("kim".to_owned()), Load { raised: 6, per_week: 0.42, busiest_week: 3 }),
            ]),
            tally: Tally { events: 1_000, ..Tally::default() },
            accounts: 12,
            labels_without_events: 4,
            comparison: Some(Comparison {
                change: paired::change(&run(0.2).cases, &run(0.6).cases, 20),
                other: run(0.6),
                differences: vec![difference],
                alerts: AlertDifferences { gained: vec![raised; 16], lost: Vec::new() },
            }),
        };
        expect![[r#"
            backtest of log.ndjson: 1000 events of 12 accounts, 2024-10-04 to 2025-01-12, horizon 28 days

            cut-off                scored measured  churned  AUC                   average precision     top-tenth precision   top lift            calibration error
            2024-10-04T00:00:00Z       12       10        2  1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  5.00 (2.00-10.00)   0.2600 (0.230-0.320)
            2024-11-03T00:00:00Z       11       10        2  1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  5.00 (2.00-10.00)   0.2600 (0.230-0.320)
            2025-04-22T00:00:00Z        9        1        0  not both outcomes: nothing to measure
            mean                                             1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  5.00 (2.00-10.00)   0.2600 (0.230-0.320)
            pooled                                           1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  1.0000 (0.667-1.000)  5.25 (2.20-10.00)   0.2533 (0.221-0.320)

            alerts: 7 raised
              precision 50.0 % (chance 5.0 %; 2 right, 2 wrong, 1 folded, 1 not countable), recall 25.0 % (2 of 8 churned)
              lead 10.5 days in the middle, quartiles 3.0 and 20.0
              kim: 0.42 a week, 3 in the busiest
              (no owner): 0.07 a week, 1 in the busiest

            against the other rules:
              rules                                          1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  1.0000 (1.000-1.000)  5.00 (2.00-10.00)   0.2600 (0.230-0.320)
              against                                        0.0000 (0.000-0.000)  0.2000 (0.100-0.400)  0.0000 (0.000-0.000)  0.00 (0.00-0.00)    0.5800 (0.550-0.590)
              change of the mean: auc -1.0000 (-1.0000 to -1.0000), average_precision -0.8000 (-0.9000 to -0.6000), top_precision -1.0000 (-1.0000 to -1.0000), top_lift -5.0000 (-10.0000 to -2.5000), calibration_error +0.3200 (+0.2000 to +0.3600)
              1 differ in risk or band
                watch to at_risk: 1
                2024-11-03T00:00:00Z acme                     0.250 watch    -> 0.625 at_risk
              alerts gained: 16
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                2024-11-04T00:00:00Z acme                     nps
                and 1 more alerts; --output json lists them all
              alerts lost: 0

            note: cut-off 2024-10-04T00:00:00Z is not after the first event: there is nobody to score
            note: cut-off 2025-04-22T00:00:00Z lies 100 days after the last event of the log: that silence counts against every account
            note: 1 pairs have no event before their cut-off: no risk is written, and they are measured as the lowest
            note: 3 left out: not observed for the whole horizon after the cut-off
            note: 4 labelled accounts never occur in the log; check that the ids are alike
            note: 1 alerts are of accounts without a label: not judged
        "#]].assert_eq(&super::report(&report));
    }
}
