//! From an assessment to bands and alerts: hysteresis, dwell, episodes, cooldown.
//!
//! One open alert an account and type. A signal's alert is raised when the signal leads an account that is at risk, or
//! speaks strongly about one on watch; `churn_risk` speaks for accounts at risk for which no signal's alert is open. An
//! alert is escalated and eased as its severity changes and resolved when its cause is gone.

use super::account::{Account, AlertState, Judgement};
use super::effect::{Band, Severity, Transition};
use super::risk::Assessment;
use super::rules::{BandRules, Rules};
use super::signals::SIGNALS;
use crate::units::{Timestamp, stable_hash};

/// Index of the alert type that no single signal causes.
pub const CHURN_RISK: u8 = 0;

/// The name of the alert type at `kind`: `churn_risk`, or that of the signal `kind - 1`.
#[must_use]
pub fn type_name(kind: u8) -> &'static str {
    match usize::from(kind).checked_sub(1) {
        None => "churn_risk",
        Some(index) => SIGNALS.get(index).map_or("unknown", |signal| signal.declaration.name),
    }
}

/// How many alert types there are.
#[must_use]
pub fn types_len() -> usize {
    SIGNALS.len() + 1
}

/// The names of all alert types, in the order of their index.
pub fn type_names() -> impl Iterator<Item = &'static str> {
    (0..=u8::MAX).take(types_len()).map(type_name)
}

/// The identity of an episode: 32 hexadecimal digits of account, type and episode.
#[must_use]
pub fn alert_id(account_id: &str, kind: u8, episode: u32) -> String {
    let identity = format!("{account_id}\0{}\0{episode}", type_name(kind));
    format!("{:016x}{:016x}", stable_hash(identity.as_bytes()), stable_hash(format!("{identity}\0").as_bytes()))
}

/// Moves the band by the risk: up at once, down after the risk has dwelt below the exit level.
pub fn settle_band(judgement: &mut Judgement, assessment: &Assessment, rules: &BandRules) {
    let risk = assessment.risk.get();
    let entered = Band::ALL.into_iter().filter(|band| risk >= rules.enter(*band)).max().unwrap_or_default();
    if entered >= judgement.band {
        if entered > judgement.band || risk >= rules.exit(judgement.band) {
            judgement.below_since = None;
        }
        judgement.band = entered;
        return;
    }
    if risk >= rules.exit(judgement.band) {
        judgement.below_since = None;
        return;
    }
    let since = *judgement.below_since.get_or_insert(assessment.now);
    if assessment.now.since(since) >= rules.dwell {
        judgement.below_since = None;
        judgement.band = Band::ALL.into_iter().filter(|band| risk >= rules.exit(*band)).max().unwrap_or_default();
    }
}

impl BandRules {
    fn enter(&self, band: Band) -> f64 {
        match band {
            Band::Healthy => 0.0,
            Band::Watch => self.watch.enter,
            Band::AtRisk => self.at_risk.enter,
            Band::Critical => self.critical.enter,
        }
    }

    fn exit(&self, band: Band) -> f64 {
        match band {
            Band::Healthy => 0.0,
            Band::Watch => self.watch.exit,
            Band::AtRisk => self.at_risk.exit,
            Band::Critical => self.critical.exit,
        }
    }
}

/// Moves the alerts of `account` by an assessment that has settled its band; appends the types that changed.
pub fn settle_alerts(
    account: &mut Account,
    assessment: &Assessment,
    rules: &Rules,
    changes: &mut Vec<(u8, Transition)>,
) {
    if account.judgement.band < Band::Watch && account.judgement.alerts.is_empty() {
        return;
    }
    let left = account.has_left();
    let judgement = &mut account.judgement;
    for (index, kind) in (1..).enumerate().take(SIGNALS.len()) {
        let strength = assessment.strength(index);
        let leads = judgement.band >= Band::AtRisk && assessment.leading_signal() == Some(index);
        let speaks = judgement.band >= Band::Watch && strength >= rules.alert_enter;
        let wanted = if leads || speaks {
            Wanted::Open
        } else if strength < rules.alert_exit && judgement.band < Band::AtRisk {
            Wanted::Closed
        } else {
            Wanted::AsIs
        };
        judgement.settle(kind, if left { Wanted::Ended } else { wanted }, assessment.now, rules, changes);
    }
    let explained = judgement.alerts.iter().any(|alert| alert.kind != CHURN_RISK && alert.open.is_some());
    let wanted = match judgement.band {
        _ if left => Wanted::Ended,
        Band::AtRisk | Band::Critical if explained => Wanted::AsIs,
        Band::AtRisk | Band::Critical => Wanted::Open,
        Band::Healthy | Band::Watch => Wanted::Closed,
    };
    judgement.settle(CHURN_RISK, wanted, assessment.now, rules, changes);
}

/// What the assessment wants of an alert.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Open,
    AsIs,
    Closed,
    /// Closed since the account has left.
    Ended,
}

impl Judgement {
    /// How loud an alert of an account in this band is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.band == Band::Critical { Severity::Critical } else { Severity::Warning }
    }

    fn settle(&mut self, kind: u8, wanted: Wanted, now: Timestamp, rules: &Rules, changes: &mut Vec<(u8, Transition)>) {
        let severity = self.severity();
        let Some(alert) = self.alerts.iter_mut().find(|alert| alert.kind == kind) else {
            if wanted == Wanted::Open {
                let open = Some(severity);
                let state = AlertState { kind, episode: 1, open, raised_at: now, closed_at: now };
                let end = self.alerts.len();
                super::facts::insert(&mut self.alerts, end, state);
                changes.push((kind, Transition::Raised));
            }
            return;
        };
        match (alert.open, wanted) {
            (None, Wanted::Open) if now.since(alert.closed_at) >= rules.alert_cooldown => {
                *alert = AlertState {
                    episode: alert.episode.saturating_add(1),
                    open: Some(severity),
                    raised_at: now,
                    ..*alert
                };
                changes.push((kind, Transition::Raised));
            }
            (Some(_), Wanted::Closed | Wanted::Ended) => {
                alert.open = None;
                alert.closed_at = now;
                let left = wanted == Wanted::Ended;
                changes.push((kind, if left { Transition::Churned } else { Transition::Resolved }));
            }
            (Some(known), _) if known != severity => {
                alert.open = Some(severity);
                let worse = severity > known;
                changes.push((kind, if worse { Transition::Escalated } else { Transition::Eased }));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Ratio, Span};
    use expect_test::{Expect, expect};
    use std::fmt::Write;

    /// Risks on successive days; shows the band after each.
    fn check(risks: &[f64], expected: &Expect) {
        let rules = Rules::default();
        let account = Account::new("acme");
        let fleet = crate::engine::fleet::Fleet::default();
        let mut judgement = Judgement::default();
        let mut shown = String::new();
        for (day, risk) in (0..).zip(risks) {
            let now = Timestamp::MIN.plus(Span::from_days(day));
            let mut assessment = super::super::risk::assess(&account, now, &rules, &fleet);
            assessment.risk = Ratio::clamped(*risk);
            settle_band(&mut judgement, &assessment, &rules.bands);
            writeln!(shown, "{risk:.2} {}", judgement.band.name()).unwrap();
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn a_band_is_entered_at_once_and_left_after_dwelling_below_its_exit() {
        check(
            &[0.1, 0.3, 0.22, 0.19, 0.21, 0.19, 0.1, 0.1, 0.8, 0.7, 0.6, 0.55, 0.45, 0.3, 0.3],
            &expect![[r"
                0.10 healthy
                0.30 watch
                0.22 watch
                0.19 watch
                0.21 watch
                0.19 watch
                0.10 watch
                0.10 healthy
                0.80 critical
                0.70 critical
                0.60 critical
                0.55 critical
                0.45 at_risk
                0.30 at_risk
                0.30 at_risk
            "]],
        );
    }

    #[test]
    fn ids_differ_by_account_type_and_episode() {
        let ids = [alert_id("a", 0, 1), alert_id("a", 0, 2), alert_id("a", 1, 1), alert_id("b", 0, 1)];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(ids[0], alert_id("a", 0, 1));
        assert_eq!(ids[0].len(), 32);
    }
}
