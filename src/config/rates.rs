//! Exchange rates as they are written: one number, or a list of numbers with the date from which each holds.
//!
//! Which currency a rate is of, and that none is given twice, is for [`mod@super::load`].

use super::document::{Node, Raw};
use super::problem::Problem;
use crate::engine::rates::{RATES_MAX, Rate};
use crate::units::calendar::{Month, Zone, parse_day};

/// What may stand in the place of a rate.
const ALLOWED: &str = "number above 0, at most 1000000000, or a list of such as { from = \"2026-01-01\", rate = 1.08 }";

/// The rates written in `node`, which stands at `path`.
pub(super) fn read(path: &str, node: &Node) -> Result<Vec<Rate>, Box<Problem>> {
    if let Raw::List(items) = &node.raw {
        if items.is_empty() || items.len() > RATES_MAX {
            let problem = Problem::new(node.origin.clone(), format!("`{path}` has {} rates", items.len()));
            return Err(Box::new(problem.allowed(format!("1 to {RATES_MAX} rates"))));
        }
        let mut rates: Vec<Rate> = Vec::with_capacity(items.len());
        for item in items {
            let rate = dated(path, item)?;
            if rates.iter().any(|known| known.from == rate.from) {
                let message = format!("`{path}` has two rates that hold from {} on", rate.from);
                return Err(Box::new(Problem::new(item.origin.clone(), message).hint("leave one of them out")));
            }
            rates.push(rate);
        }
        return Ok(rates);
    }
    let rate = number(&node.raw).ok_or_else(|| {
        Box::new(Problem::new(node.origin.clone(), format!("`{path}`")).found(node.raw.shown()).allowed(ALLOWED))
    })?;
    Ok(vec![Rate { from: Month::default(), rate }])
}

/// A rate with its date. It holds from the first whole month on.
fn dated(path: &str, item: &Node) -> Result<Rate, Box<Problem>> {
    let problem = || Problem::new(item.origin.clone(), format!("a rate of `{path}`"));
    let Raw::Table(entries) = &item.raw else {
        return Err(Box::new(problem().found(item.raw.shown()).allowed(ALLOWED)));
    };
    let entry = |name: &str| entries.iter().find(|(known, _)| known == name).map(|(_, node)| node);
    if let Some((name, node)) = entries.iter().find(|(name, _)| name != "from" && name != "rate") {
        let problem = Problem::new(node.origin.clone(), format!("unknown key `{path}.{name}`"));
        return Err(Box::new(problem.hint("a rate has `from` and `rate`")));
    }
    let from = match entry("from").map(|node| &node.raw) {
        Some(Raw::Text(text)) => parse_day(text),
        _ => None,
    };
    let from = from.ok_or_else(|| {
        let found = entry("from").map_or_else(|| "no `from`".to_owned(), |node| node.raw.shown());
        Box::new(problem().found(found).allowed("from = \"YYYY-MM-DD\""))
    })?;
    let rate = entry("rate").and_then(|node| number(&node.raw)).ok_or_else(|| {
        let found = entry("rate").map_or_else(|| "no `rate`".to_owned(), |node| node.raw.shown());
        Box::new(problem().found(found).allowed("rate = a number above 0, at most 1000000000"))
    })?;
    let month = Zone::UTC.month(from.start());
    // One written for a month that has begun holds from the next one: a month has one rate.
    let from = if month.first_day() == from { month } else { month.plus(1) };
    Ok(Rate { from, rate })
}

fn number(raw: &Raw) -> Option<f64> {
    let rate = match raw {
        Raw::Number(rate) => *rate,
        Raw::Integer(rate) => f64::from(i32::try_from(*rate).ok()?),
        _ => return None,
    };
    (rate > 0.0 && rate <= 1e9).then_some(rate)
}
