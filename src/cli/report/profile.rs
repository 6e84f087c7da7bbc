//! The report of the ideal customer: the traits of the best customers against those of the rest.

use super::table::{self, Cell, LeftOut, Table, columns, whole};
use super::{Sums, omitted};
use crate::engine::census::behaviour::BEHAVIOURS;
use crate::engine::census::contrast::{Compared, Contrast, GROUP_MIN, HOLDERS_MIN};
use crate::engine::census::proportions::Portion;
use crate::engine::census::traits::{KEYS_MAX, Origin, TENURE_MONTHS_MIN, VALUES_MAX, Values};
use crate::engine::kpis::registry::Unit;

/// Values of traits that are shown.
const ROWS_MAX: usize = 200;

/// The tables.
pub fn tables(sums: &Sums<'_>) -> Vec<Table> {
    let contrast = sums.report.census.found.traits.contrast();
    vec![groups(sums, contrast.as_ref()), traits(contrast.as_ref()), left_out(sums, contrast.as_ref())]
}

/// Who is compared with whom.
fn groups(sums: &Sums<'_>, contrast: Option<&Contrast>) -> Table {
    let traits = &sums.report.census.found.traits;
    let (best, from_minor) = contrast.map_or((0, None), |contrast| (contrast.best, Some(contrast.best_from_minor)));
    let from = from_minor.map(|minor| Cell::Value(Some(sums.whole_major(minor)), Unit::Amount));
    let row = |group: &str, accounts: u64, from: Option<Cell>, who: &str| {
        vec![Cell::text(group), Cell::count(whole(accounts)), from.unwrap_or(Cell::Empty), Cell::text(who)]
    };
    let mut notes = vec![format!(
        "Compared: accounts that first paid {TENURE_MONTHS_MIN} calendar months ago or earlier, those that have left among them."
    )];
    if contrast.is_some() {
        notes.push(
            "The best are the quarter that pays most, as nearly as prices allow: who pays the same is in the same group."
                .to_owned(),
        );
    } else if let Some(note) = sums.no_billing() {
        notes.push(note);
    } else {
        notes.push("Nobody of that tenure pays and is not at risk: there are no best to compare.".to_owned());
    }
    Table {
        id: "groups",
        title: "The best customers and the rest".to_owned(),
        periods: Vec::new(),
        columns: columns([("group", "group"), ("customers", "customers"), ("mrr_from", "MRR from"), ("who", "")]),
        rows: vec![
            row("best", best, from, "pay, are not at risk, and pay most"),
            row("rest", traits.sound_len() - best, None, "pay less, and are not at risk"),
            row("rest", traits.at_risk, None, "pay, and are at risk or critical"),
            row("rest", traits.gone, None, "pay nothing any more"),
        ],
        notes,
    }
}

/// Each value of each trait among the best and among the rest.
fn traits(contrast: Option<&Contrast>) -> Table {
    let compared = contrast.map(|contrast| contrast.compared.as_slice()).unwrap_or_default();
    let row = |compared: &Compared| {
        let (origin, key) = &compared.key;
        let share = |value: Option<f64>| Cell::Value(value, Unit::Share);
        let portion = |portion: Portion| {
            let [with, of] = [portion.with, portion.of].map(|count| Cell::count(whole(count)));
            [with, of, share(portion.share())]
        };
        let difference = compared.difference;
        let mut row = vec![
            Cell::text(match origin {
                Origin::Stated => "stated",
                Origin::Behaviour => "behaviour",
            }),
            Cell::text(key.as_str()),
            Cell::text(compared.value.as_str()),
        ];
        row.extend(portion(compared.best));
        row.extend(portion(compared.rest));
        row.extend([
            share(difference.map(|difference| difference.value)),
            share(difference.map(|difference| difference.low)),
            share(difference.map(|difference| difference.high)),
            Cell::Value(compared.lift(), Unit::Times),
            Cell::text(match difference {
                None => "too few",
                Some(_) if !compared.holds => "",
                Some(difference) if difference.value > 0.0 => "more among the best",
                Some(_) => "fewer among the best",
            }),
        ]);
        row
    };
    let mut notes = vec![
        "best, rest: customers with the value, of those whose trait is known; a trait is what it is today, or was when they left."
            .to_owned(),
        "difference: best less rest in points of percent, with its 95 % interval (Newcombe's hybrid score); lift: how many times as common."
            .to_owned(),
        "Marked: with 95 % certainty all marks hold at once (Holm). They tell who the best are, not what made them so."
            .to_owned(),
        format!("too few: the trait is known of fewer than {GROUP_MIN} of the best or of the rest."),
    ];
    let behaviours = BEHAVIOURS.iter().filter(|behaviour| compared.iter().any(|row| row.key.1 == behaviour.key));
    notes.extend(behaviours.map(|behaviour| format!("{}: {}.", behaviour.key, behaviour.told)));
    Table {
        id: "traits",
        title: "Traits of the best against the rest, those that tell them apart first".to_owned(),
        periods: Vec::new(),
        columns: columns([
            ("origin", "known by"),
            ("trait", "trait"),
            ("value", "value"),
            ("best", "best"),
            ("best_known", "of"),
            ("best_share", "share"),
            ("rest", "rest"),
            ("rest_known", "of"),
            ("rest_share", "share"),
            ("difference", "difference"),
            ("low", "from"),
            ("high", "to"),
            ("lift", "lift"),
            ("mark", ""),
        ]),
        rows: compared.iter().take(ROWS_MAX).map(row).collect(),
        notes,
    }
}

fn left_out(sums: &Sums<'_>, contrast: Option<&Contrast>) -> Table {
    let traits = &sums.report.census.found.traits;
    let compared = contrast.map_or(0, |contrast| contrast.compared.len());
    let names = traits.keys.iter().filter(|(_, values)| matches!(values, Values::TooMany(_)));
    let mut counts: Vec<LeftOut> = names
        .map(|((_, key), values)| {
            let told =
                format!("customers by trait {key}, of more than {VALUES_MAX} values: a name rather than a trait");
            ("too_many_values", whole(values.len()), told.into())
        })
        .collect();
    counts.extend([
        (
            "young",
            whole(traits.young),
            format!("customers who first paid less than {TENURE_MONTHS_MIN} calendar months ago").into(),
        ),
        (
            "rare",
            whole(contrast.map_or(0, |contrast| contrast.rare)),
            format!("values that fewer than {HOLDERS_MIN} of those compared have").into(),
        ),
        (
            "further_values",
            whole(compared.saturating_sub(ROWS_MAX) as u64),
            format!("values beyond the first {ROWS_MAX} of this list").into(),
        ),
        (
            "further_traits",
            whole(traits.left_out),
            format!("statements of traits beyond the first {KEYS_MAX} by name").into(),
        ),
    ]);
    counts.extend(omitted::events(sums));
    table::left_out(counts)
}
