//! `docs/kpis.md`, written from the registry: formula, edge cases, source, metrics, recording rules and panel of each KPI.
//!
//! Holds no facts of its own beyond what is the same for all of them.

use std::fmt::Write;

use super::registry::{Better, KPIS, Kpi, Span};
use crate::engine::facts::book::{Doubt, Flow};

const HEAD: &str = "\
# KPIs

Generated from the registry in `src/engine/kpis/registry.rs`; after a change there, run
`UPDATE_EXPECT=1 cargo test --lib kpis` to write this file anew.

`churnwatch report kpis --input LOG` shows them all, `report cohorts` and `report segments` divide them. The service exports the
sums they are made of (docs/metrics.md); ratios are made by the recording rules in `deploy/prometheus/recording.yml`, whose
names begin with `churnwatch:` and the id. Targets, owners, data sources, the one or two in focus, and benchmarks are
configuration: `[kpis]` in `config/churnwatch.toml`.

## What holds for all of them

- **Customers** are accounts with MRR above 0. A **period** is a calendar month, quarter or year of `kpis.time_zone`; the
  running one ends now: what is told of later months, such as their rates, is not in it before they begin. A quarter is
  reckoned from its own start and end, not from three months added up.
- **One ledger.** Every figure about money follows from the movements of each account: end = start + new + expansion +
  reactivation - contraction - churned + fx, in every period, segment and cohort. A report that finds otherwise prints nothing.
- A movement is one of the **account**: of two subscriptions one that ends is contraction; down to 0 is churned, up from 0
  after having paid is reactivation. All that its subscriptions do at the same instant is one movement, in whatever order
  it is told: where one is swapped for another, that is expansion, contraction or nothing, never an end and a return. At
  one instant, what runs ends, or is paused to be resumed, before anything else; then subscriptions begin, are resumed and
  renewed, change, are scheduled to end, are paused, and what did not run before ends last. Several changes of one kind at one instant hold in an
  order that means nothing, but is the same however they arrive. Pausing is going down to 0, until the
  subscription is resumed, renewed, started anew or changed to a stated MRR. An MRR of 0 told with a pause, a cancellation
  or a scheduled end is what is paid from then on, not the price: who goes on without another MRR pays as before. Refunds
  are cash and move nothing. A movement is dated by its event; `effective_at` says only when an end that is scheduled
  comes, and that end moves nothing until it is told.
- **Late and disordered billing** corrects the months it belongs to. An account keeps its latest 24 changes one by one,
  and eight that only tell seats, plan or interval; of those before, the months, up to 60 lines, and 16 terms. Of longer
  histories the movements of the oldest months count as part of what the account began with: what it paid at their end;
  the oldest terms are in no figure any more. Of more than
  eight that only tell seats, plan or interval, the next change of the subscription tells what they told. Reports and
  `churnwatch_ledger_left_out` tell how many. A change from before those that are kept one by one comes too late: it is
  left out, and counted in `churnwatch_events_too_late_total`.
- **Currencies.** The ledger is kept in the currencies that were told. A month has one rate, that of its first date
  (`rules.rates`); MRR at a moment is at the rates of its month. The movements of a period are all told at the rates with which
  the period began, which are those of its MRR at the start; what rates did since is `fx`, and `fx` is in none of the ratios.
  So the movements of a quarter are those of its months but for rates that changed within it. A subscription that goes over
  to another currency at the same worth, by the rates of that month and within 5 %, moves nothing, which is `fx` as well; at
  another worth it is expansion or contraction in proportion. Movements of a kind are added up by the month: of who goes
  to and fro between currencies more than once within a month, part of what rates did may be in the ratios. **Live amounts**
  (alerts, account health, and the gauges without a period, `churnwatch_mrr_amount` and `churnwatch_revenue_at_risk_amount`
  among them) are all at one rate of each currency, the last of `rules.rates`, even where it is dated later than the log has
  come: so no rate looks like a change of price, but a rate that is entered ahead of its date is in them at once, and they
  differ from the MRR of periods and reports until then. Enter a rate when it comes into force.
- **Segments.** The whole history of an account belongs to its present value: when a trait changes, the past is restated.
  Accounts without a value, or with a blank one, are `unknown`; values beyond `rules.segments_max` are `other`, and one that
  says `other` itself is `other (value)`; gauges by period show the largest 20. Values are placed as they come; one that nobody
  has any more gives up its place. Plans need no list: one never seen before is a segment of its own, a change without a plan
  leaves it as it was, and with no plan told at all it is `unknown`.
- **Sign-up** is an account's first usage, trial or subscription, whichever came first. Days of surveys and of their
  answers are UTC; at most 16,383 of a kind count by account and day.
- **Renewals.** A term is due on its last date, as `term_ends_at` told it with anything but an end: when a scheduled end
  comes is no term, since it is told only of those who leave. It was renewed when a renewal is told, when a later term is
  agreed once it is over, or when the subscription simply goes on. It was not when, as the subscription stands 30 days after
  its term, or now where that is earlier, it has ended, is paused, or is to end by then; what it does later says nothing of
  this term. What was up for renewal is its MRR at the end of the term; of one that was renewed or cancelled before, at that
  moment. A changed end before the term is over moves the term. A term of a subscription whose price was 0 is in neither
  number, whatever became of it.
- **Undefined** is not 0: a ratio without a denominator is told as `-` and has no value in Prometheus.

Cohorts are by the month of the first payment. Months of life count from 0: `k1` is the second month. `k0` counts those who
still pay at the end of their first month; only complete months are told. What stays of a cohort's revenue is told, and marked,
at the rates of its first month, account by account: what each pays, in whatever currency, is worth what it would have been
then, and a change of currency at the same worth leaves it as it was. So are the series of cohorts in Prometheus, and the growth
of an account. Who left or pays less is told without `fx` as well. Other amounts are at the rates of each month.

## Billing that contradicts itself

Each case has a result, keeps the ledger whole, and is counted in `churnwatch_billing_contradictions` and in the reports.

| kind | what becomes of it |
|---|---|
";

/// The whole document.
fn document() -> String {
    let mut text = HEAD.to_owned();
    for doubt in Doubt::ALL {
        let _ = writeln!(text, "| `{}` | {} |", doubt.name(), doubt.told());
    }
    text.push_str("\nBesides: an amount in a currency without a rate, or worth more than 10^13 minor units of the reporting currency by the\n");
    text.push_str("latest rate, leaves the MRR as it was (`churnwatch_events_unpriced_total`); a negative, overflowing or malformed one makes the event a dead letter; a second start of a trial is no second sign-up.\n");
    let flows: Vec<&str> = Flow::ALL.iter().map(|flow| flow.name()).collect();
    let _ = writeln!(text, "\nMovements are {}.", flows.join(", "));
    for kpi in KPIS {
        text.push_str(&section(kpi));
    }
    text
}

fn section(kpi: &Kpi) -> String {
    let metrics: Vec<String> = kpi.metrics.iter().map(|metric| format!("`{metric}`")).collect();
    let rows = [
        ("formula", format!("`{}`", kpi.formula)),
        ("unit", kpi.unit.name().to_owned()),
        ("better", if kpi.better == Better::Higher { "higher" } else { "lower" }.to_owned()),
        ("covers", if kpi.span == Span::Period { "a month, quarter or year" } else { "the present" }.to_owned()),
        ("edges", kpi.edges.to_owned()),
        ("source", kpi.source.to_owned()),
        ("owner", kpi.owner.to_owned()),
        ("metrics", metrics.join(", ")),
        ("recording rules", format!("`{}*`", kpi.rule())),
        ("panel", format!("Retention overview: {}", kpi.panel)),
    ];
    let mut text = format!("\n## `{}`: {}\n\n| | |\n|---|---|\n", kpi.id, kpi.title);
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

#[test]
fn the_documentation_follows_the_registry() {
    expect_test::expect_file!["../../../docs/kpis.md"].assert_eq(&document());
}
