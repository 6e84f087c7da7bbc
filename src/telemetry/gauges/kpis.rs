//! The gauges that KPIs are reckoned from: periods by segment, cohorts, what is counted by day, and what is wanted.
//!
//! Sums only: ratios are for recording rules. The running period is the one that the furthest clock of this process is in.

use std::collections::BTreeMap;

use super::{OTHER_SEGMENT, Page, major, seconds, shown, whole};
use crate::engine::event::Survey;
use crate::engine::facts::book::{Doubt, Flow};
use crate::engine::kpis::days::{Card, CsatClass, NpsClass};
use crate::engine::kpis::renewals::Renewals;
use crate::engine::kpis::satisfaction::Voices;
use crate::engine::kpis::starts::{SignUps, Trials};
use crate::engine::kpis::tables::{Standing, Tables};
use crate::telemetry::Settings;
use crate::telemetry::metric::Metric;
use crate::units::calendar::{Length, Month, Period};
use crate::units::{Day, Timestamp};

/// Activation cohorts with series of their own, and their months of life.
const COHORTS: u16 = 13;

/// A period shown and what it is called.
type Shown = (Period, &'static str);

/// Adds the gauges of the partitions' `tables`, when the furthest clock is `now`.
pub fn kpis(tables: &[&Tables], now: Timestamp, settings: &Settings, page: &mut Page) {
    let zone = settings.kpi_rules.time_zone;
    let (month, today) = (zone.month(now), zone.day(now));
    let periods: Vec<[Shown; 2]> = Length::ALL
        .into_iter()
        .map(|length| length.of(month))
        .map(|running| [(running, "running"), (running.previous(), "complete")])
        .collect();
    for (period, phase) in periods.iter().flatten() {
        let start = zone.start(period.first.first_day());
        page.gauge(Metric::PeriodStart, &[period.length.name(), phase], seconds(start));
        renewals(tables, *period, phase, today, settings, page);
    }
    for [(running, phase), (complete, complete_phase)] in &periods {
        for (segment, [before, now]) in segments(tables, running.length, month, settings, page) {
            customers(&now, *running, phase, &segment, settings, page);
            customers(&before, *complete, complete_phase, &segment, settings, page);
        }
    }
    cohorts(tables, month, settings, page);
    starts(tables, now, settings, page);
    for doubt in Doubt::ALL {
        let count = tables.iter().filter_map(|tables| tables.doubts.get(doubt as usize)).sum();
        page.gauge(Metric::BillingContradictions, &[doubt.name()], count_of(count));
    }
    let left_out = tables.iter().map(|tables| tables.left_out).sum();
    page.gauge(Metric::LedgerLeftOut, &[], count_of(left_out));
    wanted(today, settings, page);
}

/// Where every segment stands at the period of `length` before the one of `month`, and at that one so far; the smallest ones beyond the limit count as `other`.
fn segments(
    tables: &[&Tables],
    length: Length,
    month: Month,
    settings: &Settings,
    page: &mut Page,
) -> BTreeMap<String, [Standing; 2]> {
    let mut by_name: BTreeMap<String, [Standing; 2]> = BTreeMap::new();
    let add = |by_name: &mut BTreeMap<String, [Standing; 2]>, name: &str, standings: [Standing; 2]| {
        let sums = by_name.entry(name.to_owned()).or_default();
        sums.iter_mut().zip(standings).for_each(|(sum, standing)| sum.add(&standing));
    };
    let groups = tables.iter().filter_map(|tables| tables.dimensions.first()).flat_map(|dimension| &dimension.groups);
    for (name, group) in groups {
        add(&mut by_name, shown(name), group.before_and_at(length, month));
    }
    let room = settings.kpi_segment_series_max.max(1);
    let omitted = if by_name.len() > room { by_name.len() - room + 1 } else { 0 };
    let mut by_size: Vec<(i64, String)> = by_name
        .iter()
        .filter(|(name, _)| *name != OTHER_SEGMENT)
        .map(|(name, [_, now])| (now.mrr_end_minor().max(now.mrr_minor), name.clone()))
        .collect();
    by_size.sort_unstable();
    for (_, name) in by_size.into_iter().take(omitted) {
        if let Some(standings) = by_name.remove(&name) {
            add(&mut by_name, OTHER_SEGMENT, standings);
        }
    }
    if length == Length::Month {
        page.gauge(Metric::SeriesOmitted, &["kpi_segment"], whole(omitted as u64));
    }
    by_name
}

fn customers(at: &Standing, period: Period, phase: &str, segment: &str, settings: &Settings, page: &mut Page) {
    let currency = settings.currency;
    let labels = [period.length.name(), phase, segment];
    for (metric, count) in [
        (Metric::PeriodCustomersStart, at.customers),
        (Metric::PeriodCustomersEnd, at.customers_end()),
        (Metric::PeriodCustomersAcquired, at.cell.acquired),
        (Metric::PeriodCustomersReturned, at.cell.returned),
        (Metric::PeriodCustomersLost, at.cell.lost),
    ] {
        page.gauge(metric, &labels, count_of(count));
    }
    let [length, phase, segment] = labels;
    for (metric, minor) in [
        (Metric::PeriodMrrStart, at.mrr_minor),
        (Metric::PeriodMrrEnd, at.mrr_end_minor()),
        (Metric::PeriodMrrKept, at.kept_minor()),
        (Metric::PeriodOpeningMrrEnd, at.opening_end_minor()),
    ] {
        page.gauge(metric, &[length, phase, segment, currency.code()], major(minor, currency));
    }
    for (flow, minor) in Flow::ALL.into_iter().zip(at.cell.moved_minor) {
        // Sizes; only what rates do has a direction that the name does not tell.
        let minor = if flow == Flow::Fx { minor } else { minor.abs() };
        let labels = [length, phase, segment, flow.name(), currency.code()];
        page.gauge(Metric::PeriodMrrMovements, &labels, major(minor, currency));
    }
}

fn renewals(tables: &[&Tables], period: Period, phase: &str, today: Day, settings: &Settings, page: &mut Page) {
    let mut sum = Renewals::default();
    for tables in tables {
        let own = Renewals::at(&tables.days, period, today);
        sum.due += own.due;
        sum.renewed += own.renewed;
        sum.due_minor += own.due_minor;
        sum.renewed_minor += own.renewed_minor;
    }
    let (length, currency) = (period.length.name(), settings.currency);
    page.gauge(Metric::RenewalsDue, &[length, phase], count_of(sum.due));
    page.gauge(Metric::RenewalsRenewed, &[length, phase], count_of(sum.renewed));
    page.gauge(Metric::RenewalsDueAmount, &[length, phase, currency.code()], major(sum.due_minor, currency));
    page.gauge(Metric::RenewalsRenewedAmount, &[length, phase, currency.code()], major(sum.renewed_minor, currency));
}

fn cohorts(tables: &[&Tables], running: Month, settings: &Settings, page: &mut Page) {
    let currency = settings.currency;
    let oldest = running.plus(-i32::from(COHORTS));
    let mut lives: BTreeMap<Month, Vec<(i64, i64)>> = BTreeMap::new();
    let mut vintages: BTreeMap<Option<Month>, i64> = BTreeMap::new();
    for (activated, group) in tables.iter().flat_map(|tables| &tables.cohorts).filter(|(month, _)| *month <= running) {
        let present = group.at(Length::Month.of(running)).mrr_end_minor();
        *vintages.entry(Some(*activated).filter(|month| *month > oldest)).or_default() += present;
        let complete = running.since(*activated);
        if (1..=COHORTS).contains(&complete) {
            let life = lives.entry(*activated).or_insert_with(|| vec![(0, 0); usize::from(complete)]);
            for (sum, (customers, minor)) in life.iter_mut().zip(group.ends(*activated, complete)) {
                sum.0 += customers;
                sum.1 += minor;
            }
        }
    }
    for (cohort, life) in lives {
        let cohort = cohort.to_string();
        for (month_of_life, (customers, minor)) in life.into_iter().enumerate() {
            let month_of_life = month_of_life.to_string();
            page.gauge(Metric::CohortCustomers, &[&cohort, &month_of_life], count_of(customers));
            page.gauge(Metric::CohortMrr, &[&cohort, &month_of_life, currency.code()], major(minor, currency));
        }
    }
    for (cohort, minor) in vintages {
        let cohort = cohort.map_or_else(|| "older".to_owned(), |month| month.to_string());
        page.gauge(Metric::VintageMrr, &[&cohort, currency.code()], major(minor, currency));
    }
}

fn starts(tables: &[&Tables], now: Timestamp, settings: &Settings, page: &mut Page) {
    let today = settings.kpi_rules.time_zone.day(now);
    let days = || tables.iter().map(|tables| &tables.days);
    let sign_ups: Vec<SignUps> = days().map(|days| SignUps::at(days, now, &settings.kpi_rules)).collect();
    for (metric, of) in [
        (Metric::SignUps, (|known| known.all) as fn(&SignUps) -> i64),
        (Metric::SignUpsOnboardingDue, |known| known.onboarding_due),
        (Metric::SignUpsOnboarded, |known| known.onboarded),
        (Metric::SignUpsDropOffDue, |known| known.drop_off_due),
        (Metric::SignUpsDroppedOff, |known| known.dropped_off),
    ] {
        page.gauge(metric, &[], count_of(sign_ups.iter().map(of).sum()));
    }
    for card in Card::ALL {
        let mut trials = Trials::default();
        days().for_each(|days| trials.add(Trials::at(days, today, card)));
        for (metric, count) in [
            (Metric::TrialsStarted, trials.started),
            (Metric::TrialsEnded, trials.ended),
            (Metric::TrialsConverted, trials.converted),
            (Metric::ConvertedTrialsChurned, trials.churned),
        ] {
            page.gauge(metric, &[card.name()], count_of(count));
        }
    }
    let voices: Vec<Voices> = days().map(|days| Voices::at(days, today)).collect();
    for survey in Survey::ALL {
        let sum = |of: fn(&Voices) -> [i64; 2]| {
            voices.iter().filter_map(|known| of(known).get(survey as usize).copied()).sum()
        };
        page.gauge(Metric::SurveysSent, &[survey.name()], count_of(sum(|known| known.sent)));
        page.gauge(Metric::SurveysAnswered, &[survey.name()], count_of(sum(|known| known.answered)));
    }
    for class in CsatClass::ALL {
        let count = voices.iter().filter_map(|known| known.csat.get(class as usize)).sum();
        page.gauge(Metric::CsatRespondents, &[class.name()], count_of(count));
    }
    for class in NpsClass::ALL {
        let count = voices.iter().filter_map(|known| known.nps.get(class as usize)).sum();
        page.gauge(Metric::NpsRespondents, &[class.name()], count_of(count));
    }
}

/// What is wanted of KPIs: the same for every instance.
fn wanted(today: Day, settings: &Settings, page: &mut Page) {
    let wanted = &settings.kpis;
    page.gauge(Metric::KpiMargin, &[], wanted.margin);
    for id in wanted.targets.keys() {
        if let Some(target) = wanted.target(id, today) {
            page.gauge(Metric::KpiTarget, &[id], target);
        }
    }
    for id in &wanted.focus {
        page.gauge(Metric::KpiFocus, &[id], 1.0);
    }
    for benchmark in &wanted.benchmarks {
        page.gauge(Metric::KpiBenchmark, &[&benchmark.kpi, &benchmark.name, &benchmark.source], benchmark.value);
    }
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^53
fn count_of(count: i64) -> f64 {
    count as f64
}
