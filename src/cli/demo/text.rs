//! How the demo looks on a terminal: aligned columns, reasons wrapped to the width, colour only where it helps.
//!
//! Pure functions from values and a [`Look`] to text. Nothing is told by colour alone.

use std::fmt::Write as _;

use console::Style;

use super::report::{AlertsOfType, Report};
use crate::engine::effect::{AlertChange, Band, Health, Transition};
use crate::sim::plan::Trap;
use crate::units::{Money, Timestamp};

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// Whether to use colour.
    pub colour: Colour,
}

/// Whether to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Bands and headings.
    On,
    /// `NO_COLOR`, or no terminal.
    Off,
}

/// Columns when there is no terminal to ask.
const WIDTH_DEFAULT: usize = 100;
/// Narrower terminals are treated as this wide, wider ones as [`WIDTH_MAX`]: long lines are hard to read.
const WIDTH_MIN: usize = 40;
const WIDTH_MAX: usize = 120;
/// From this width on the two tables stand beside each other.
const BESIDE_WIDTH_MIN: usize = 97;
/// From this width on they are tables; below, each row is a name with a sentence under it.
const TABLE_WIDTH_MIN: usize = 48;
/// Most lines of reasons for one account; a first sentence that needs more has them.
const REASON_LINES_MAX: usize = 2;

impl Look {
    /// What standard output can do.
    #[must_use]
    pub fn of_terminal() -> Look {
        let columns = console::Term::stdout().size_checked().map_or(WIDTH_DEFAULT, |(_, columns)| usize::from(columns));
        let colour = if console::colors_enabled() { Colour::On } else { Colour::Off };
        Look { width: columns.clamp(WIDTH_MIN, WIDTH_MAX), colour }
    }

    fn paint(&self, style: &Style, text: &str) -> String {
        style.clone().force_styling(self.colour == Colour::On).apply_to(text).to_string()
    }

    fn strong(&self, text: &str) -> String {
        self.paint(&Style::new().bold(), text)
    }

    fn faint(&self, text: &str) -> String {
        self.paint(&Style::new().dim(), text)
    }

    fn band(&self, band: Band, text: &str) -> String {
        let style = match band {
            Band::Critical => Style::new().red().bold(),
            Band::AtRisk => Style::new().yellow(),
            Band::Watch => Style::new().cyan(),
            Band::Healthy => Style::new().green(),
        };
        self.paint(&style, text)
    }
}

/// The report as one screen of text.
#[must_use]
pub fn report(report: &Report, look: &Look) -> String {
    let mut out = String::new();
    let rest = format!(
        " {}, {} days, {} events in {:.1} s",
        counted(report.accounts as u64),
        report.days,
        grouped(report.events),
        report.elapsed.as_secs_f64(),
    );
    headed("churnwatch demo", &rest, look, &mut out);
    out.push('\n');
    at_risk(report, look, &mut out);
    out.push('\n');
    let left = alerts(&report.alerts, look);
    let right = churners(report, look);
    if look.width >= BESIDE_WIDTH_MIN {
        beside(&left, &right, 51, &mut out);
    } else {
        for line in left.iter().chain([&Line::default()]).chain(&right) {
            let _ = writeln!(out, "{}", line.text);
        }
    }
    out.push('\n');
    verdict(report, look, &mut out);
    out
}

/// The line between the report and what follows live.
#[must_use]
pub fn live_title(now: Timestamp, look: &Look) -> String {
    let day = now.to_string();
    let day = day.get(..10).unwrap_or_default();
    let mut out = "\n".to_owned();
    headed("Live", &format!(" from {day}, one hour a second; Ctrl-C ends it"), look, &mut out);
    out.trim_end().to_owned()
}

/// A sentence that begins with `head`, which stands out, in as many lines as it needs.
fn headed(head: &str, rest: &str, look: &Look, out: &mut String) {
    for line in wrap(&format!("{head}{rest}"), look.width) {
        let line = line.strip_prefix(head).map_or_else(|| line.clone(), |rest| look.strong(head) + rest);
        let _ = writeln!(out, "{line}");
    }
}

/// A change of an alert as it happens; nothing for those that only eased.
#[must_use]
pub fn alert(change: &AlertChange, look: &Look) -> String {
    if change.transition == Transition::Eased {
        return String::new();
    }
    let health = &change.health;
    let time = health.as_of.to_string().replace('T', " ");
    let head =
        format!("{}  {:<9}  {:<18}", time.get(..16).unwrap_or_default(), change.transition.name(), change.alert_type);
    let band = format!("{:<8} {:>4}", health.band.name(), percent(health.risk.get()));
    let mrr = health.mrr.map_or_else(String::new, whole_money);
    let name = health.name.as_deref().unwrap_or(&health.account_id);
    let who = format!("{name} ({})", health.account_id);
    let row = format!("{head}  {band}  {mrr:>12}");
    let columns = row.chars().count();
    let is_narrow = columns > look.width;
    let indent = if is_narrow { 4 } else { 18 };
    let mut out = String::new();
    if is_narrow {
        for line in wrap(&format!("{row} {who}"), look.width) {
            let _ = writeln!(out, "{line}");
        }
    } else {
        let fits = columns + 2 + who.chars().count() <= look.width;
        let gap = if fits { "  ".to_owned() } else { format!("\n{}", " ".repeat(indent)) };
        let _ = writeln!(out, "{head}  {}  {mrr:>12}{gap}{who}", look.band(health.band, &band));
    }
    if matches!(change.transition, Transition::Raised | Transition::Escalated) {
        for line in reasons(health, look.width.saturating_sub(indent)) {
            let _ = writeln!(out, "{}{}", " ".repeat(indent), look.faint(&line));
        }
    }
    out
}

fn at_risk(report: &Report, look: &Look, out: &mut String) {
    if report.at_risk.is_empty() {
        let _ = writeln!(out, "No account is at risk.");
        return;
    }
    let shown = match report.at_risk.len() {
        shown if shown == report.at_risk_accounts => String::new(),
        shown => format!("; the first {shown}"),
    };
    let head = format!("{} at risk", counted(report.at_risk_accounts as u64));
    let rest = format!(", {} a month{shown} by revenue at risk", whole_money(report.at_risk_mrr));
    headed(&head, &rest, look, out);
    let about = |health: &Health| {
        [health.name.clone().unwrap_or_default(), health.segment.clone(), health.owner.clone().unwrap_or_default()]
    };
    let rows = report.at_risk.iter().map(|(_, health)| {
        let mut row = vec![health.account_id.clone()];
        row.extend(about(health));
        row.push(health.band.name().to_owned());
        row.extend([percent(health.risk.get()), health.mrr.map_or_else(String::new, whole_money)]);
        row
    });
    let titles = ["account", "name", "segment", "owner", "band", "risk", "MRR"].map(str::to_owned).to_vec();
    let mut lines: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let is_narrow = aligned(&lines).iter().any(|line| line.chars().count() > look.width);
    if is_narrow {
        for line in &mut lines {
            line.drain(1..4);
        }
    }
    let mut lines = aligned(&lines).into_iter();
    let _ = writeln!(out, "{}", look.faint(&lines.next().unwrap_or_default()));
    for (line, (_, health)) in lines.zip(&report.at_risk) {
        let band = format!(" {} ", health.band.name());
        let _ = writeln!(out, "{}", line.replacen(&band, &look.band(health.band, &band), 1));
        let width = look.width.saturating_sub(4);
        let about = is_narrow.then(|| about(health).join(", "));
        let about = about.iter().flat_map(|about| wrap(about, width));
        for line in about.chain(reasons(health, width)) {
            let _ = writeln!(out, "    {line}");
        }
    }
}

/// Rows in columns, the last two to the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.first().map_or(0, Vec::len);
    let width = |index: usize| rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|index| width(index).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let is_left = index + 2 < count;
            let _ = if is_left { write!(line, "{cell:<width$}  ") } else { write!(line, "{cell:>width$}  ") };
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The evidence sentences, strongest first, as many as fit into [`REASON_LINES_MAX`] lines of `width`.
fn reasons(health: &Health, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for evidence in &health.evidence {
        let sentence = evidence.sentence.trim_end_matches('.');
        let text = lines.join(" ");
        let longer = if text.is_empty() { format!("{sentence}.") } else { format!("{text} {sentence}.") };
        let wrapped = wrap(&longer, width);
        if wrapped.len() > REASON_LINES_MAX && !lines.is_empty() {
            break;
        }
        lines = wrapped;
    }
    if lines.is_empty() {
        lines = wrap("Less active than its own history lets expect.", width);
    }
    lines
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A line of a block that may stand beside another: its text, and its columns without colour.
#[derive(Clone, Debug, Default)]
struct Line {
    text: String,
    columns: usize,
}

impl Line {
    fn plain(text: String) -> Line {
        Line { columns: text.chars().count(), text }
    }

    fn painted(text: &str, paint: impl Fn(&str) -> String) -> Line {
        Line { columns: text.chars().count(), text: paint(text) }
    }
}

fn beside(left: &[Line], right: &[Line], gap_at: usize, out: &mut String) {
    let nothing = Line::default();
    for index in 0..left.len().max(right.len()) {
        let (left, right) = (left.get(index).unwrap_or(&nothing), right.get(index).unwrap_or(&nothing));
        let padding = if right.columns == 0 { 0 } else { gap_at.saturating_sub(left.columns).max(2) };
        let _ = writeln!(out, "{}{}{}", left.text, " ".repeat(padding), right.text);
    }
}

fn alerts(alerts: &[AlertsOfType], look: &Look) -> Vec<Line> {
    let mut lines = vec![Line::painted("Alerts by type", |text| look.strong(text))];
    let is_table = look.width >= TABLE_WIDTH_MIN;
    if is_table {
        lines.push(Line::painted("type               raised   open  right  wrong", |text| look.faint(text)));
    }
    for alerts in alerts {
        let (name, raised, open) = (alerts.alert_type, alerts.raised(), alerts.open);
        let (right, wrong) = (alerts.verdicts.right, alerts.verdicts.wrong);
        if is_table {
            lines.push(Line::plain(format!("{name:<18}  {raised:>5}  {open:>5}  {right:>5}  {wrong:>5}")));
        } else {
            lines.extend(told(name, &format!("{raised} raised, {open} open, {right} right, {wrong} wrong"), look));
        }
    }
    if alerts.is_empty() {
        lines.push(Line::plain("none".to_owned()));
    }
    lines
}

fn churners(report: &Report, look: &Look) -> Vec<Line> {
    let title = wrap("Planted churners, alerted before they left", look.width);
    let mut lines: Vec<Line> = title.iter().map(|line| Line::painted(line, |text| look.strong(text))).collect();
    let is_table = look.width >= TABLE_WIDTH_MIN;
    if is_table {
        lines.push(Line::painted("how they left          left  alerted     lead", |text| look.faint(text)));
    }
    for kind in &report.score.kinds {
        let (left, warned) = (kind.churned, kind.warned);
        let lead = kind.lead_days.map_or_else(|| "-".to_owned(), |days| format!("{days:.0} days"));
        let name = kind.kind.name().replace('_', " ");
        if is_table {
            lines.push(Line::plain(format!("{name:<21}  {left:>4}  {warned:>7}  {lead:>7}")));
        } else {
            lines.extend(told(&name, &format!("{left} left, {warned} alerted, lead {lead}"), look));
        }
    }
    lines
}

/// A name, and under it what would be its row of a table.
fn told(name: &str, row: &str, look: &Look) -> Vec<Line> {
    let row = wrap(row, look.width.saturating_sub(2)).into_iter().map(|line| format!("  {line}"));
    std::iter::once(name.to_owned()).chain(row).map(Line::plain).collect()
}

fn verdict(report: &Report, look: &Look, out: &mut String) {
    let (score, verdicts) = (&report.score, &report.score.verdicts);
    let lead = score.lead_days.map_or_else(String::new, |days| format!(", {days:.0} days ahead in the median"));
    let warned = format!(
        "{} of {} accounts that left were alerted before ({}){lead}.",
        grouped(score.warned),
        grouped(score.churned),
        share(score.warned, score.churned),
    );
    let judged = verdicts.right + verdicts.wrong;
    let wrong = format!(
        "{} of {} judged alerts were wrong ({}), {} of them only early: their account left later.",
        grouped(verdicts.wrong),
        grouped(judged),
        share(verdicts.wrong, judged),
        grouped(verdicts.early),
    );
    let healthy = format!(
        "On accounts that stay: {:.1} false alerts per 100 accounts and month.",
        score.false_per_100_account_months
    );
    let not_judged = format!(
        "Of the others {} are folded into an alert before of their account; {} are not judged: their account had left \
         already, or the horizon is not over yet.",
        grouped(verdicts.folded),
        grouped(verdicts.open),
    );
    let by_trap = score.staying_by_trap.iter().map(|(trap, accounts)| {
        let wrong = score.wrong_by_trap.get(trap).copied().unwrap_or(0);
        let name = if *trap == Trap::None { "no trap".to_owned() } else { trap.name().replace('_', " ") };
        format!("{name} {} ({})", grouped(wrong), grouped(*accounts))
    });
    let traps = format!(
        "Wrong alerts on accounts that stay, by planted trap (of so many accounts): {}.",
        by_trap.collect::<Vec<_>>().join(", ")
    );
    let weeks: Vec<String> =
        report.pauses.iter().map(|pause| format!("{} {}", pause.name, grouped(pause.wrong))).collect();
    let pauses = (!weeks.is_empty())
        .then(|| format!("Wrong alerts in the week from a pause of all accounts on: {}.", weeks.join(", ")));
    let meaning = format!("Here {}.", report.wrong_means());
    let plain = [wrong, not_judged, healthy, traps].into_iter().chain(pauses).map(|told| (told, Style::new()));
    let first = std::iter::once((warned, Style::new().bold()));
    for (sentence, style) in first.chain(plain).chain([(meaning, Style::new().dim())]) {
        for line in wrap(&sentence, look.width) {
            let _ = writeln!(out, "{}", look.paint(&style, &line));
        }
    }
}

fn share(part: u64, whole: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // counts of alerts
    if whole == 0 { "-".to_owned() } else { percent(part as f64 / whole as f64) }
}

fn percent(ratio: f64) -> String {
    format!("{:.0}%", ratio * 100.0)
}

/// Money without its minor units.
fn whole_money(money: Money) -> String {
    let scale = 10_i64.pow(u32::from(money.currency.minor_digits()));
    Money { minor: money.minor / scale * scale, ..money }.to_string()
}

fn counted(accounts: u64) -> String {
    format!("{} account{}", grouped(accounts), if accounts == 1 { "" } else { "s" })
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::super::report::PauseWeek;
    use super::*;
    use crate::engine::effect::{Evidence, Severity};
    use crate::sim::START;
    use crate::sim::plan::ChurnKind;
    use crate::sim::score::{KindScore, Score, Verdicts};
    use crate::units::{Currency, Ratio, Span};

    fn money(major: i64) -> Money {
        Money { minor: major * 100, currency: Currency::USD }
    }

    fn health(account: &str, name: &str, band: Band, risk: f64, sentences: &[&str]) -> Health {
        let evidence = sentences
            .iter()
            .map(|sentence| Evidence {
                signal: "usage_frequency",
                strength: Ratio::clamped(0.8),
                sentence: (*sentence).to_owned(),
                numbers: Vec::new(),
                position: None,
            })
            .collect();
        Health {
            account_id: account.to_owned(),
            name: Some(name.to_owned()),
            owner: Some("nadia.roth".to_owned()),
            segment: "enterprise".to_owned(),
            as_of: START,
            last_seen: None,
            band,
            risk: Ratio::clamped(risk),
            contributions: Vec::new(),
            evidence,
            mrr: Some(money(8_120)),
            revenue_at_risk: None,
            renewal_at: None,
            churned_at: None,
            unknown: Vec::new(),
        }
    }

    fn example() -> Report {
        let first = health(
            "acct-000123",
            "Alderforge Labs",
            Band::Critical,
            0.87,
            &[
                "The champion ada.ito@alderforge.example was deactivated 12 days ago and nobody else has the role",
                "Used on 1 of the last 14 days, where 9.4 would be usual",
                "No session for 11 days; its gaps are shorter than 4 days in 99 of 100 cases",
            ],
        );
        let verdicts = Verdicts { right: 9, wrong: 3, early: 1, folded: 2, open: 1 };
        Report {
            accounts: 2_000,
            days: 180,
            seed: 1,
            events: 712_345,
            elapsed: Duration::from_millis(2_140),
            as_of: START,
            horizon: Span::from_days(28),
            at_risk: vec![
                (money(7_064), first),
                (money(900), health("acct-000007", "Moss Systems", Band::AtRisk, 0.52, &[])),
            ],
            at_risk_accounts: 41,
            at_risk_mrr: money(84_120),
            revenue_at_risk: money(61_003),
            alerts: vec![AlertsOfType {
                alert_type: "churn_risk",
                transitions: [15, 4, 2, 0, 0, 0, 0, 0, 5, 0, 1, 0],
                open: 9,
                verdicts,
            }],
            score: Score {
                accounts: 2_000,
                kinds: vec![KindScore { kind: ChurnKind::BadNps, churned: 20, warned: 11, lead_days: Some(23.6) }],
                churned: 20,
                warned: 11,
                lead_days: Some(23.6),
                verdicts,
                wrong_by_trap: [(Trap::None, 5), (Trap::Vacation, 2)].into(),
                staying_by_trap: [(Trap::None, 1_800), (Trap::Vacation, 109), (Trap::Bot, 61)].into(),
                false_per_100_account_months: 0.42,
                ..Score::default()
            },
            pauses: vec![PauseWeek { name: "outage", wrong: 3 }],
        }
    }

    #[test]
    fn a_report_is_one_screen_of_aligned_text() {
        let look = Look { width: 100, colour: Colour::Off };
        expect![[r#"
            churnwatch demo 2,000 accounts, 180 days, 712,345 events in 2.1 s

            41 accounts at risk, 84,120 USD a month; the first 2 by revenue at risk
            account      name             segment     owner       band      risk        MRR
            acct-000123  Alderforge Labs  enterprise  nadia.roth  critical   87%  8,120 USD
                The champion ada.ito@alderforge.example was deactivated 12 days ago and nobody else has the
                role. Used on 1 of the last 14 days, where 9.4 would be usual.
            acct-000007  Moss Systems     enterprise  nadia.roth  at_risk    52%  8,120 USD
                Less active than its own history lets expect.

            Alerts by type                                     Planted churners, alerted before they left
            type               raised   open  right  wrong     how they left          left  alerted     lead
            churn_risk             15      9      9      3     bad nps                  20       11  24 days

            11 of 20 accounts that left were alerted before (55%), 24 days ahead in the median.
            3 of 12 judged alerts were wrong (25%), 1 of them only early: their account left later.
            Of the others 2 are folded into an alert before of their account; 1 are not judged: their account
            had left already, or the horizon is not over yet.
            On accounts that stay: 0.4 false alerts per 100 accounts and month.
            Wrong alerts on accounts that stay, by planted trap (of so many accounts): no trap 5 (1,800),
            vacation 2 (109), bot 0 (61).
            Wrong alerts in the week from a pause of all accounts on: outage 3.
            Here an alert is wrong when its account does not leave within the 28 days after it; repeats in that
            time count once.
        "#]]
        .assert_eq(&report(&example(), &look));
    }

    #[test]
    fn a_narrow_terminal_gets_the_same_in_more_lines() {
        let one = Report { at_risk_accounts: 1, ..example() };
        let narrow = report(&one, &Look { width: 40, colour: Colour::Off });
        expect![[r#"
            churnwatch demo 2,000 accounts, 180
            days, 712,345 events in 2.1 s

            1 account at risk, 84,120 USD a month;
            the first 2 by revenue at risk
            account      band      risk        MRR
            acct-000123  critical   87%  8,120 USD
                Alderforge Labs, enterprise,
                nadia.roth
                The champion
                ada.ito@alderforge.example was
                deactivated 12 days ago and nobody
                else has the role.
            acct-000007  at_risk    52%  8,120 USD
                Moss Systems, enterprise, nadia.roth
                Less active than its own history
                lets expect.

            Alerts by type
            churn_risk
              15 raised, 9 open, 9 right, 3 wrong

            Planted churners, alerted before they
            left
            bad nps
              20 left, 11 alerted, lead 24 days

            11 of 20 accounts that left were alerted
            before (55%), 24 days ahead in the
            median.
            3 of 12 judged alerts were wrong (25%),
            1 of them only early: their account left
            later.
            Of the others 2 are folded into an alert
            before of their account; 1 are not
            judged: their account had left already,
            or the horizon is not over yet.
            On accounts that stay: 0.4 false alerts
            per 100 accounts and month.
            Wrong alerts on accounts that stay, by
            planted trap (of so many accounts): no
            trap 5 (1,800), vacation 2 (109), bot 0
            (61).
            Wrong alerts in the week from a pause of
            all accounts on: outage 3.
            Here an alert is wrong when its account
            does not leave within the 28 days after
            it; repeats in that time count once.
        "#]]
        .assert_eq(&narrow);
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&narrow).contains(&one.at_risk[0].1.evidence[0].sentence), "{narrow}");
    }

    #[test]
    fn a_change_of_an_alert_fits_a_narrow_terminal() {
        let look = Look { width: 40, colour: Colour::Off };
        let (_, health) = example().at_risk.remove(0);
        let change = AlertChange {
            alert_id: String::new(),
            alert_type: "champion_departure",
            episode: 1,
            transition: Transition::Escalated,
            severity: Severity::Critical,
            is_open: true,
            raised_at: START,
            reason: None,
            act: None,
            is_acknowledged: false,
            snoozed_until: None,
            title: String::new(),
            owner: String::new(),
            escalate_to: None,
            plan: None,
            reasons: Vec::new(),
            link: None,
            health,
            rules: String::new(),
        };
        expect![[r#"
            2026-01-01 00:00  escalated  champion_departure  critical  87%     8,120 USD
                              Alderforge Labs (acct-000123)
                              The champion ada.ito@alderforge.example was deactivated 12 days ago and nobody
                              else has the role. Used on 1 of the last 14 days, where 9.4 would be usual.
        "#]]
        .assert_eq(&alert(&change, &Look { width: 100, ..look }));
        expect![[r#"

            Live from 2026-01-01, one hour a second;
            Ctrl-C ends it
            2026-01-01 00:00 escalated
            champion_departure critical 87% 8,120
            USD Alderforge Labs (acct-000123)
                The champion
                ada.ito@alderforge.example was
                deactivated 12 days ago and nobody
                else has the role.
        "#]]
        .assert_eq(&(live_title(START, &look) + "\n" + &alert(&change, &look)));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let plain = report(&example(), &Look { width: 80, colour: Colour::Off });
        let coloured = report(&example(), &Look { width: 80, colour: Colour::On });
        assert!(coloured.contains("\u{1b}[") && !plain.contains('\u{1b}'));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            stripped.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
        assert!(plain.lines().all(|line| line.chars().count() <= 84), "{plain}");
    }
}
