//! The census of an instance as JSON: what its HTTP server answers and `churnwatch report --service` adds up.
//!
//! Sums only, so that instances add up; amounts are whole minor units of the reporting currency. Versioned: a report reads
//! the version that it knows and refuses another.

mod found;
mod tables;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::engine::census::Census;
use crate::engine::kpis::figures::Live;
use crate::engine::rules::{KpiRules, Rules};
use crate::engine::vocabulary::Vocabulary;
use crate::units::calendar::Zone;
use crate::units::{Currency, PartitionIndex, Span, Timestamp};
use found::FoundForm;
use tables::TablesForm;

/// The version written.
const VERSION: u32 = 2;

/// What one instance comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceCensus {
    /// The terms that it counts by.
    pub terms: Terms,
    /// Partitions of the canonical log.
    pub partitions_len: i32,
    /// Those that the instance holds.
    pub partitions: Vec<PartitionIndex>,
    /// As of when accounts were counted.
    pub now: Timestamp,
    /// The census of these partitions.
    pub census: Census,
}

/// What amounts, months and traits mean in a census. Only what was counted by the same rules adds up.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Hash of the rules in force, 16 hexadecimal digits.
    pub rules_hash: String,
    /// The reporting currency.
    pub currency: Currency,
    /// Calendar, traits and days.
    pub kpis: KpiRules,
    /// What the risk looks ahead.
    pub horizon: Span,
}

impl Terms {
    /// Those of `rules`.
    #[must_use]
    pub fn of(rules: &Rules) -> Terms {
        Terms {
            rules_hash: format!("{:016x}", rules.hash()),
            currency: rules.currency,
            kpis: rules.kpis.clone(),
            horizon: rules.horizon,
        }
    }

    /// Rules by which what was counted by these terms is told.
    #[must_use]
    pub fn into_rules(self) -> Rules {
        Rules { currency: self.currency, kpis: self.kpis, horizon: self.horizon, ..Rules::default() }
    }
}

/// Why text is no census.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CensusError {
    /// Another version of the product wrote it.
    #[error(
        "it speaks version {0} of the census and this program version {VERSION}: run the same program on both sides"
    )]
    Version(u32),
    /// Not what any version writes.
    #[error("it is no census: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct InstanceForm {
    version: u32,
    rules_hash: String,
    currency: String,
    time_zone: String,
    dimensions: Vec<String>,
    onboarding_days: u16,
    horizon_ms: i64,
    partitions_len: i32,
    partitions: Vec<i32>,
    now_ms: i64,
    accounts: u64,
    unpriced: u64,
    too_late: u64,
    duplicates: u64,
    excluded: u64,
    is_moving: bool,
    active_users: [i64; 3],
    features: Vec<(u32, CompactString)>,
    tables: TablesForm,
    found: FoundForm,
}

/// The census of an instance as JSON.
#[must_use]
pub fn encode(instance: &InstanceCensus) -> Vec<u8> {
    let Census { tables, live, accounts, unpriced, too_late, duplicates, excluded, features, found, is_moving } =
        &instance.census;
    let form = InstanceForm {
        version: VERSION,
        rules_hash: instance.terms.rules_hash.clone(),
        currency: instance.terms.currency.code().to_owned(),
        time_zone: instance.terms.kpis.time_zone.name().to_owned(),
        dimensions: instance.terms.kpis.dimensions.clone(),
        onboarding_days: instance.terms.kpis.onboarding_days,
        horizon_ms: instance.terms.horizon.ms(),
        partitions_len: instance.partitions_len,
        partitions: instance.partitions.iter().map(|partition| partition.0).collect(),
        now_ms: instance.now.ms(),
        accounts: *accounts,
        unpriced: *unpriced,
        too_late: *too_late,
        duplicates: *duplicates,
        excluded: *excluded,
        is_moving: *is_moving,
        active_users: live.active_users,
        features: features.iter().map(|(hash, name)| (hash, name.clone())).collect(),
        tables: TablesForm::of(tables),
        found: FoundForm::of(found),
    };
    // Forms have text keys and no maps of their own: writing to memory does not fail.
    serde_json::to_vec(&form).unwrap_or_default()
}

/// The census of an instance, as [`encode`] writes it.
pub fn decode(text: &[u8]) -> Result<InstanceCensus, CensusError> {
    let damaged = |error: serde_json::Error| CensusError::Damaged(error.to_string());
    let Head { version } = serde_json::from_slice(text).map_err(damaged)?;
    if version != VERSION {
        return Err(CensusError::Version(version));
    }
    let form: InstanceForm = serde_json::from_slice(text).map_err(damaged)?;
    let mut features = Vocabulary::default();
    form.features.into_iter().for_each(|(hash, name)| features.put(hash, name));
    let none = |what: &str| CensusError::Damaged(format!("a {what} that is none"));
    let now = Timestamp::from_ms(form.now_ms).ok_or_else(|| none("time"))?;
    let kpis = KpiRules {
        time_zone: Zone::parse(&form.time_zone).ok_or_else(|| none("time zone"))?,
        dimensions: form.dimensions,
        onboarding_days: form.onboarding_days,
    };
    Ok(InstanceCensus {
        terms: Terms {
            rules_hash: form.rules_hash,
            currency: Currency::parse(&form.currency).ok_or_else(|| none("currency"))?,
            kpis,
            horizon: Span::from_ms(form.horizon_ms),
        },
        partitions_len: form.partitions_len,
        partitions: form.partitions.into_iter().map(PartitionIndex).collect(),
        now,
        census: Census {
            tables: form.tables.into_tables(),
            live: Live { active_users: form.active_users },
            accounts: form.accounts,
            unpriced: form.unpriced,
            too_late: form.too_late,
            duplicates: form.duplicates,
            excluded: form.excluded,
            features,
            found: form.found.into_found()?,
            is_moving: form.is_moving,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::input::{Input, Record};
    use crate::engine::{Engine, Journal};
    use crate::sim::{Arrival, Options, Population};
    use crate::units::Position;

    #[test]
    fn what_is_written_is_read_back() {
        let options = Options { accounts: 60, days: 260, seed: 7, ..Options::default() };
        let (mut engine, mut population) = (Engine::new(Arc::default(), Journal::Off), Population::new(&options));
        while let Some(Arrival { received_at, event, .. }) = population.next_before(options.end()) {
            let input = Input::Event(event);
            engine.step(&Record { position: Position::default(), received_at, input }, &mut Vec::new());
        }
        let now = options.end();
        let census = Census::of(&engine, now);
        assert!(census.found.traits.compared_len() > 0 && census.features.iter().len() > 0);
        assert!(census.found.strongest.0.values().any(|cohort| !cohort.strongest.is_empty()));
        let instance = InstanceCensus {
            terms: Terms::of(engine.rules()),
            partitions_len: 6,
            partitions: vec![PartitionIndex(2), PartitionIndex(5)],
            now,
            census,
        };
        assert_eq!(decode(&encode(&instance)), Ok(instance));
    }

    #[test]
    fn what_is_no_census_is_refused() {
        let refused = |text: &str| decode(text.as_bytes()).unwrap_err().to_string();
        assert!(refused(r#"{"version":3,"parts":[]}"#).starts_with("it speaks version 3 of the census"));
        assert!(refused(r#"{"version":2}"#).starts_with("it is no census: missing field"));
        assert!(refused("<html>").starts_with("it is no census: "));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = decode(text.as_bytes());
        }
    }
}
