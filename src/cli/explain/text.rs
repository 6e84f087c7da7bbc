//! How an account's story looks: plain text, from the verdict to what is behind it. Pure.

use std::fmt::Write as _;

use super::{Story, day};
use crate::engine::effect::Evidence;
use crate::local::place::Place;
use crate::local::story::{Moments, Week};
use crate::units::{Day, Timestamp};

/// Weeks shown: the latest.
const WEEKS_SHOWN: usize = 26;
/// Moments shown: the latest; the JSON form has more.
const MOMENTS_SHOWN: usize = 30;
/// From nothing to the busiest week.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The story as text.
pub fn story(story: &Story, place: &dyn Fn(&Evidence) -> Option<Place>) -> String {
    let mut out = String::new();
    verdict(story, &mut out);
    terms(story, &mut out);
    evidence(story, place, &mut out);
    weeks(&story.weeks(), &mut out);
    moments(&story.moments, &mut out);
    out
}

fn verdict(story: &Story, out: &mut String) {
    let health = &story.health;
    let name = health.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    let frozen = if health.churned_at.is_some() { ", when it left" } else { "" };
    let _ = writeln!(out, "{}{name} as of {}{frozen}", health.account_id, health.as_of);
    let _ = writeln!(
        out,
        "risk {:.1} %, band {}{}, segment {}",
        health.risk.get() * 100.0,
        health.band.name(),
        story.band_before().map_or_else(String::new, |(at, band)| {
            format!(" if looked at now, {} when last looked at ({})", band.name(), minute(at))
        }),
        health.segment
    );
    let told = [
        health.owner.as_ref().map(|owner| format!("owner {owner}")),
        health.mrr.map(|mrr| format!("{mrr} a month")),
        health.revenue_at_risk.map(|money| format!("{money} of it at risk")),
        health.renewal_at.map(|at| format!("renewal {}", day(at))),
        health.last_seen.map(|at| format!("last seen {}", minute(at))),
        health.churned_at.map(|at| format!("left {}", minute(at))),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    if !told.is_empty() {
        let _ = writeln!(out, "{}", told.join(", "));
    }
}

fn terms(story: &Story, out: &mut String) {
    let _ = writeln!(out, "\nwhat the risk is made of (logits, which add up)");
    for term in &story.terms {
        let place = term.place.map_or_else(String::new, |place| format!("  {place}"));
        let _ = writeln!(out, "  {:<26} {:>+9.4}{place}", term.name, term.logit);
    }
    let total: f64 = story.terms.iter().map(|term| term.logit).sum();
    let _ = writeln!(out, "  {:<26} {total:>+9.4}  1 / (1 + e^-x) = {:.4}", "together", story.health.risk.get());
}

fn evidence(story: &Story, place: &dyn Fn(&Evidence) -> Option<Place>, out: &mut String) {
    let _ = writeln!(out, "\nwhat the signals see");
    if story.health.evidence.is_empty() {
        let _ = writeln!(out, "  nothing that speaks for a loss");
    }
    for evidence in &story.health.evidence {
        let place = place(evidence).map_or_else(String::new, |place| format!(" [{place}]"));
        let _ = writeln!(out, "  {:<20} {:.2}  {}{place}", evidence.signal, evidence.strength.get(), evidence.sentence);
    }
    if !story.health.unknown.is_empty() {
        let _ = writeln!(out, "  no data to judge by: {}", story.health.unknown.join(", "));
    }
}

fn weeks(weeks: &[(Day, Week)], out: &mut String) {
    let shown = weeks.get(weeks.len().saturating_sub(WEEKS_SHOWN)..).unwrap_or_default();
    let (Some((first, _)), Some((last, _))) = (shown.first(), shown.last()) else {
        let _ = writeln!(out, "\nnever used");
        return;
    };
    let most = shown.iter().map(|(_, week)| week.uses).max().unwrap_or_default();
    let bars: String = shown.iter().map(|(_, week)| bar(week.uses, most)).collect();
    let _ = writeln!(out, "\nusage by week, {} to {}, at most {most}", day(first.start()), day(last.start()));
    let _ = writeln!(out, "  {bars}");
    let days: String = shown.iter().map(|(_, week)| char::from_digit(week.active_days(), 10).unwrap_or('?')).collect();
    let _ = writeln!(out, "  {days}  active days");
}

/// The height of `uses` where the busiest week has `most`; a dot for none.
fn bar(uses: u64, most: u64) -> char {
    let steps = u64::try_from(BARS.len()).unwrap_or(1);
    let height = usize::try_from((uses * steps).div_ceil(most.max(1))).unwrap_or_default();
    height.checked_sub(1).and_then(|index| BARS.get(index)).copied().unwrap_or('·')
}

fn moments(moments: &Moments, out: &mut String) {
    let told: Vec<_> = moments.told().collect();
    let shown = told.get(told.len().saturating_sub(MOMENTS_SHOWN)..).unwrap_or_default();
    if shown.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nwhat happened");
    let earlier = u64::try_from(told.len() - shown.len()).unwrap_or(0) + moments.left_out();
    if earlier > 0 {
        let _ = writeln!(out, "  {earlier} earlier ones are left out");
    }
    for moment in shown {
        let line = moment.line.map_or_else(String::new, |line| format!("  [line {line}]"));
        let _ = writeln!(out, "  {}  {}{line}", minute(moment.at), moment.what);
    }
}

fn minute(time: Timestamp) -> String {
    time.to_string().replace('T', " ").chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::cli::explain::Term;
    use crate::engine::effect::{Band, Contribution, Health};
    use crate::units::{Currency, Money, Offset, PartitionIndex, Position, Ratio};

    #[test]
    fn a_story_goes_from_the_verdict_to_what_is_behind_it() {
        let time = |hour: i64| Timestamp::clamped(1_772_409_600_000 + hour * 3_600_000);
        let position = Position { partition: PartitionIndex(0), offset: Offset(16) };
        let money = |minor| Some(Money { minor, currency: Currency::USD });
        let health = Health {
            account_id: "acct-7".to_owned(),
            name: Some("Acme".to_owned()),
            owner: Some("kim".to_owned()),
            segment: "pro".to_owned(),
            as_of: time(0),
            last_seen: Some(time(-200)),
            band: Band::AtRisk,
            risk: Ratio::clamped(0.5),
            contributions: vec![Contribution { term: "nps", logit: 1.5 }, Contribution { term: "base", logit: -1.75 }],
            evidence: vec![Evidence {
                signal: "nps",
                strength: Ratio::clamped(0.75),
                sentence: "The last answer was 3.".to_owned(),
                numbers: Vec::new(),
                position: Some(position),
            }],
            mrr: money(490_000),
            revenue_at_risk: money(245_000),
            renewal_at: Some(time(240)),
            churned_at: None,
            unknown: vec!["breadth"],
        };
        let term = |name, logit, place| Term { name, logit, place };
        let terms = vec![term("nps", 1.5, Some(Place::Line(17))), term("base", -1.75, None), term("other", 0.25, None)];
        let looked = Some((time(-5), Band::Watch));
        let story = super::Story { health, terms, looked, moments: Moments::of("acct-7") };
        expect![[r#"
            acct-7 (Acme) as of 2026-03-02T00:00:00.000Z
            risk 50.0 %, band at_risk if looked at now, watch when last looked at (2026-03-01 19:00), segment pro
            owner kim, 4,900 USD a month, 2,450 USD of it at risk, renewal 2026-03-12, last seen 2026-02-21 16:00

            what the risk is made of (logits, which add up)
              nps                          +1.5000  line 17
              base                         -1.7500
              other                        +0.2500
              together                     +0.0000  1 / (1 + e^-x) = 0.5000

            what the signals see
              nps                  0.75  The last answer was 3. [partition 0 offset 16]
              no data to judge by: breadth

            never used
        "#]]
        .assert_eq(&super::story(&story, &|evidence| evidence.position.map(Place::Record)));
    }

    #[test]
    fn the_busiest_week_has_the_full_bar_and_any_usage_has_one() {
        let bars: String = [0, 1, 20, 50, 99, 100].iter().map(|uses| bar(*uses, 100)).collect();
        assert_eq!(bars, "·▁▂▄██");
        assert_eq!(bar(0, 0), '·');
    }
}
