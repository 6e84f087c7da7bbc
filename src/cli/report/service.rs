//! The census of a running service: of one instance, or of several whose partitions are added up.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::Report;
use crate::engine::census::Census;
use crate::http::client;
use crate::units::PartitionIndex;
use crate::wire::census::{self, InstanceCensus};

/// Where a census is served.
const PATH: &str = "/api/v1/census";
/// Partitions that are named one by one in a message.
const NAMED_MAX: usize = 10;

/// Asks the instances at `addresses`, with the token in the file at `token` where there is one, and adds up.
pub fn gather(addresses: &[String], token: Option<&Path>) -> anyhow::Result<Report> {
    let token = token.map(read_token).transpose()?;
    let mut answers: Vec<(&str, InstanceCensus)> = Vec::new();
    for address in addresses {
        let text = client::get(address, PATH, token.as_deref())?;
        answers.push((address, census::decode(&text).with_context(|| format!("cannot use what {address} answers"))?));
    }
    add_up(&answers)
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the token in {}", path.display()))?;
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(is_token, "{} holds no token: one line of visible characters", path.display());
    Ok(token.to_owned())
}

/// Adds up the answers of instances that together hold every partition once.
fn add_up(answers: &[(&str, InstanceCensus)]) -> anyhow::Result<Report> {
    let Some((first, InstanceCensus { terms, partitions_len, now, .. })) = answers.first().cloned() else {
        bail!("no service to ask")
    };
    let zone = terms.kpis.time_zone;
    let mut held: BTreeMap<PartitionIndex, &str> = BTreeMap::new();
    let (mut sum, mut latest) = (Census::default(), now);
    for (address, instance) in answers {
        if (&instance.terms, instance.partitions_len) != (&terms, partitions_len) {
            bail!(
                "{first} and {address} run under different rules or on different topics: what they count does not add up"
            );
        }
        if zone.month(instance.now) != zone.month(now) {
            bail!(
                "{first} and {address} stand in different months, {now} and {}: ask again when they have caught up",
                instance.now
            );
        }
        for partition in &instance.partitions {
            if let Some(other) = held.insert(*partition, address) {
                bail!(
                    "{other} and {address} both hold partition {}: name each instance once, or ask again when partitions have moved",
                    partition.0
                );
            }
        }
        latest = latest.max(instance.now);
        sum.merge(&instance.census);
    }
    let missing: Vec<String> = (0..partitions_len)
        .filter(|index| !held.contains_key(&PartitionIndex(*index)))
        .map(|index| index.to_string())
        .collect();
    if let Some(named) = missing.get(..missing.len().min(NAMED_MAX)).filter(|named| !named.is_empty()) {
        let further = if missing.len() > NAMED_MAX { ", ..." } else { "" };
        bail!(
            "{} of {partitions_len} partitions are held by none of these instances ({}{further}): name every instance with --service, or ask again when partitions have moved",
            missing.len(),
            named.join(", ")
        );
    }
    let of = answers.iter().map(|(address, _)| *address).collect::<Vec<_>>().join(", ");
    Ok(Report {
        of,
        census: sum,
        now: latest,
        log_ends: latest,
        open: zone.month(latest),
        refused: None,
        rules: terms.into_rules(),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use expect_test::expect;

    use super::*;
    use crate::engine::rules::Rules;
    use crate::units::Timestamp;
    use crate::wire::census::Terms;

    fn instance(partitions: &[i32]) -> InstanceCensus {
        InstanceCensus {
            terms: Terms::of(&Rules::default()),
            partitions_len: 4,
            partitions: partitions.iter().copied().map(PartitionIndex).collect(),
            now: Timestamp::clamped(1_767_571_200_000),
            census: Census { accounts: partitions.len() as u64, ..Census::default() },
        }
    }

    #[test]
    fn instances_that_hold_every_partition_once_add_up() {
        let report = add_up(&[("http://a", instance(&[0, 3])), ("http://b", instance(&[1, 2]))]).unwrap();
        assert_eq!((report.of.as_str(), report.census.accounts), ("http://a, http://b", 4));
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let mut shown = String::new();
        let later = InstanceCensus { now: Timestamp::clamped(1_770_000_000_000), ..instance(&[1, 2]) };
        let mut other = instance(&[1, 2]);
        other.terms.rules_hash = "0".repeat(16);
        let wide = InstanceCensus { partitions_len: 40, ..instance(&[0]) };
        for answers in [
            vec![("http://a", instance(&[0, 1])), ("http://b", instance(&[1, 2, 3]))],
            vec![("http://a", instance(&[0, 2]))],
            vec![("http://a", wide)],
            vec![("http://a", instance(&[0, 3])), ("http://b", later)],
            vec![("http://a", instance(&[0, 3])), ("http://b", other)],
        ] {
            writeln!(shown, "{}", add_up(&answers).unwrap_err()).unwrap();
        }
        expect![[r#"
            http://a and http://b both hold partition 1: name each instance once, or ask again when partitions have moved
            2 of 4 partitions are held by none of these instances (1, 3): name every instance with --service, or ask again when partitions have moved
            39 of 40 partitions are held by none of these instances (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...): name every instance with --service, or ask again when partitions have moved
            http://a and http://b stand in different months, 2026-01-05T00:00:00.000Z and 2026-02-02T02:40:00.000Z: ask again when they have caught up
            http://a and http://b run under different rules or on different topics: what they count does not add up
        "#]].assert_eq(&shown);
    }
}
