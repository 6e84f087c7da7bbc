//! The life of alerts as stories: what happens to one account, line by line, and what is told of its alerts. Bands and
//! ids by themselves first.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::settle_band;
use crate::engine::account::{Account, Judgement};
use crate::engine::alert::{EPISODES_MAX, alert_id};
use crate::engine::effect::{AlertChange, Band, Effect, Health, Transition};
use crate::engine::event::{AlertAction, Event, Kind, Role, SubscriptionChange, Terms};
use crate::engine::input::{Input, Progress, Record};
use crate::engine::playbook::{Conditions, Play, PlayStep, Playbook, Playbooks, Route};
use crate::engine::risk::assess;
use crate::engine::rules::{DefaultWeights, Rules};
use crate::engine::signals::SIGNALS;
use crate::engine::{Engine, Journal};
use crate::units::{Currency, DAY_MS, HOUR_MS, Money, Offset, PartitionIndex, Position, Ratio, Span, Timestamp};
use crate::wire::state::{
    ACCOUNT_BYTES_MAX, CommitRecord, decode_account, decode_commit, encode_account, encode_commit,
};

const DAY_0: i64 = 20_000;

/// Risks on successive days; shows the band after each.
fn check_bands(risks: &[f64], expected: &Expect) {
    let rules = Rules::default();
    let account = Account::new("acme");
    let fleet = crate::engine::fleet::Fleet::default();
    let mut judgement = Judgement::default();
    let mut shown = String::new();
    for (day, risk) in (0..).zip(risks) {
        let now = Timestamp::MIN.plus(Span::from_days(day));
        let mut assessment = assess(&account, now, &rules, &fleet);
        assessment.risk = Ratio::clamped(*risk);
        settle_band(&mut judgement, &assessment, &rules.bands);
        writeln!(shown, "{risk:.2} {}", judgement.band.name()).unwrap();
    }
    expected.assert_eq(&shown);
}

#[test]
fn a_band_is_entered_at_once_and_left_after_dwelling_below_its_exit() {
    check_bands(
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
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 4);
    assert_eq!(ids[0], alert_id("a", 0, 1));
    assert_eq!(ids[0].len(), 32);
}

/// Two days to acknowledge, a week of cooldown, one reason. The risk follows from failed payments alone: one attempt makes
/// a warning, three make it critical, a payment ends it.
fn rules() -> Arc<Rules> {
    rules_with(10.0, 0.3)
}

/// The same, with the weight of failed payments and the strength of a single one.
fn rules_with(weight: f64, first_ratio: f64) -> Arc<Rules> {
    let book = Playbook {
        alert_type: "churn_risk".to_owned(),
        title: "At risk".to_owned(),
        acknowledge_within: Some(Span::from_days(2)),
        escalate_to: Some("head".to_owned()),
        reasons: vec!["settled".to_owned()],
        plays: vec![Play {
            name: "call".to_owned(),
            title: "Call".to_owned(),
            when: Conditions::default(),
            steps: vec![PlayStep { text: "Call them".to_owned(), due_after: Span::from_days(3) }],
            done_reason: Some("settled".to_owned()),
        }],
        ..Playbook::default()
    };
    let playbooks = Playbooks {
        books: Playbooks::books(&[Arc::new(book)]),
        owner_default: Some("team".to_owned()),
        link: Some("https://crm/{account_id}".to_owned()),
        ..Playbooks::default()
    };
    let mut rules = Rules { playbooks: Arc::new(playbooks), ..Rules::default() };
    // The risk follows from payments alone.
    let payments_alone =
        DefaultWeights { base_logit: -2.2, activity_14: 0.0, activity_182: 0.0, silence: 0.0, signals: 1.0 };
    rules.risk.subscribed = payments_alone;
    rules.risk.unsubscribed = payments_alone;
    for (signal, settings) in SIGNALS.iter().zip(&mut rules.signals) {
        let is_payments = signal.declaration.name == "payment_failures";
        (settings.enabled, settings.weight) = (is_payments, weight);
        if let (true, [first, memory_days, ..]) = (is_payments, &mut settings.parameters) {
            (*first, *memory_days) = (first_ratio, 365.0);
        }
    }
    Arc::new(rules)
}

/// The risk follows from silence alone: the signal's default parameters, and its default weight.
fn rules_of_silence() -> Arc<Rules> {
    let mut rules = Rules::clone(&rules());
    for (signal, settings) in SIGNALS.iter().zip(&mut rules.signals) {
        *settings = signal.declaration.defaults();
        settings.enabled = signal.declaration.name == "engagement_lag";
    }
    Arc::new(rules)
}

/// The same rules with a contract that speaks, at this weight.
fn with_contract(rules: &Rules, weight: f64) -> Arc<Rules> {
    let mut rules = rules.clone();
    for (signal, settings) in SIGNALS.iter().zip(&mut rules.signals) {
        if signal.declaration.name == "contract_decline" {
            (settings.enabled, settings.weight) = (true, weight);
        }
    }
    Arc::new(rules)
}

/// One account's story.
struct Story {
    engine: Engine,
    /// The present, in hours since the story began.
    hour: i64,
    offset: i64,
    told: Vec<AlertChange>,
    /// The records given so far.
    records: Vec<Record<'static>>,
}

impl Story {
    fn new() -> Story {
        Story::under(rules())
    }

    fn under(rules: Arc<Rules>) -> Story {
        Story { engine: Engine::new(rules, Journal::Keep), hour: 0, offset: 0, told: Vec::new(), records: Vec::new() }
    }

    fn time(hour: i64) -> Timestamp {
        Timestamp::clamped(DAY_0 * DAY_MS + hour * HOUR_MS)
    }

    fn give(&mut self, input: Input<'static>) {
        let position = Position { partition: PartitionIndex(0), offset: Offset(self.offset) };
        self.offset += 1;
        let record = Record { position, received_at: Timestamp::MAX, input };
        let mut effects = Vec::new();
        self.engine.step(&record, &mut effects);
        self.records.push(record);
        let mut moved = BTreeSet::new();
        for effect in effects {
            let Effect::Alert(change) = effect else { continue };
            // An alert that moves between bands does so once at one instant.
            if matches!(change.transition, Transition::Raised | Transition::Escalated | Transition::Eased) {
                assert!(moved.insert((change.alert_id.clone(), change.health.as_of)), "{change:?}");
            }
            self.told.push(*change);
        }
    }

    fn event(&mut self, account: &str, hour: i64, kind: Kind<'static>) {
        let user_id = kind.is_usage().then(|| "user".into());
        let id = format!("e{}", self.offset).into();
        let (time, account_id) = (Self::time(hour), account.to_owned().into());
        self.give(Input::Event(Event { id, time, account_id, user_id, source: None, kind }));
    }

    fn until(&mut self, hour: i64) {
        for hour in self.hour + 1..=hour {
            // The clock stays behind what has been reached by the lateness allowed for.
            let reached = Some(Self::time(hour).plus(rules().lateness));
            self.give(Input::Progress(Progress { reached, ..Progress::default() }));
        }
        self.hour = self.hour.max(hour);
    }

    fn subscription(&mut self, change: SubscriptionChange, hour: i64, ends_at: Option<Timestamp>) {
        let started = change == SubscriptionChange::Started;
        let terms = Terms {
            subscription: "s".into(),
            plan: None,
            mrr: started.then_some(Money { minor: 10_000, currency: Currency::USD }),
            seats: None,
            interval: None,
            term_ends_at: ends_at,
            effective_at: None,
            reason: None,
        };
        self.event("acme", hour, Kind::Subscription { change, terms });
    }

    /// Does something with the alert that was told of last, or with the one of this id.
    fn act(&mut self, action: AlertAction<'static>, id: Option<String>) {
        let id = id.or_else(|| self.told.last().map(|change| change.alert_id.clone())).unwrap_or_default();
        let kind = Kind::AlertAction { alert: id.into(), action, by: "kim".into(), note: None };
        self.event("acme", self.hour, kind);
    }

    /// One line: `until 80`, `fail 1` (which attempt), `paid`, `use`, `start`, `cancel`, `pause`, `resume`, all but the first
    /// also `at DAY` that has passed; `ending 90`: the end is scheduled for that day; `daily 60`: used every day until then;
    /// `fill 61 79`: used on these days, told now; `acknowledge`, `snooze 5`, `resolve settled`, `comment`, each also `of
    /// ID`.
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let money = Money { minor: 5_000, currency: Currency::USD };
        let (at, id) = match words.as_slice() {
            [.., "at", day] => (day.parse::<i64>().unwrap() * 24, None),
            [.., "of", id] => (self.hour, Some((*id).to_owned())),
            _ => (self.hour, None),
        };
        match words[0] {
            "until" => self.until(words[1].parse::<i64>().unwrap() * 24),
            "daily" => {
                for day in self.hour / 24..words[1].parse().unwrap() {
                    self.line(&format!("until {day}"));
                    self.line("use");
                }
            }
            "fill" => {
                for day in words[1].parse::<i64>().unwrap()..=words[2].parse().unwrap() {
                    self.line(&format!("use at {day}"));
                }
            }
            "fail" => {
                let attempt = Some(words[1].parse().unwrap());
                self.event("acme", at, Kind::PaymentFailed { amount: money, attempt, next_attempt_at: None });
            }
            "paid" => self.event("acme", at, Kind::InvoicePaid { amount: money }),
            "use" => self.event("acme", at, Kind::SessionStarted { duration_s: None }),
            "start" => self.subscription(SubscriptionChange::Started, at, None),
            "cancel" => self.subscription(SubscriptionChange::Canceled, at, None),
            "pause" => self.subscription(SubscriptionChange::Paused, at, None),
            "resume" => self.subscription(SubscriptionChange::Resumed, at, None),
            "ending" => {
                let end = Self::time(words[1].parse::<i64>().unwrap() * 24);
                self.subscription(SubscriptionChange::CancelScheduled, at, Some(end));
            }
            "acknowledge" => self.act(AlertAction::Acknowledged, id),
            "snooze" => {
                let until = Self::time(self.hour + words[1].parse::<i64>().unwrap() * 24);
                self.act(AlertAction::Snoozed { until }, id);
            }
            "resolve" => self.act(AlertAction::Resolved { reason: words[1].to_owned().into() }, id),
            "comment" => self.act(AlertAction::Commented, id),
            word => panic!("{word}"),
        }
    }

    fn shown(&self, from: usize) -> String {
        let mut out = String::new();
        for change in &self.told[from..] {
            let hours = (change.health.as_of.ms() - DAY_0 * DAY_MS) / HOUR_MS;
            let (day, hour) = (hours / 24, hours % 24);
            let AlertChange { alert_type, episode, severity, .. } = change;
            let (transition, severity) = (change.transition.name(), severity.name());
            write!(out, "day {day} {hour:02}h {transition} {alert_type} #{episode} {severity}").unwrap();
            if let Some(reason) = &change.reason {
                write!(out, " ({reason})").unwrap();
            }
            if let Some(act) = &change.act {
                write!(out, " by {}", act.by).unwrap();
                if let Some(given) = &act.reason_given {
                    write!(out, " who said {given}").unwrap();
                }
            }
            if let Some(to) = &change.escalate_to {
                write!(out, " to {to}").unwrap();
            }
            if let Some(until) = &change.snoozed_until {
                write!(out, " until day {}", (until.ms() / DAY_MS) - DAY_0).unwrap();
            }
            writeln!(out, "{}", if change.is_open { "" } else { ", closed" }).unwrap();
        }
        out
    }

    /// How often which action came to which result, where it did.
    fn actions(&self) -> String {
        use crate::engine::alert::action::{ACTIONS, RESULTS};
        let mut out = String::new();
        for (action, results) in ACTIONS.iter().zip(self.engine.counts().alert_actions) {
            for (result, count) in RESULTS.iter().zip(results).filter(|(_, count)| *count > 0) {
                write!(out, " {action} {result} {count};").unwrap();
            }
        }
        out
    }
}

/// Tells what each line of a story leads to.
fn check(story: &str, expected: &Expect) {
    check_under(rules(), story, expected);
}

fn check_under(rules: Arc<Rules>, story: &str, expected: &Expect) {
    let mut told = Story::under(rules);
    let mut out = String::new();
    for line in story.split('|') {
        let from = told.told.len();
        told.line(line);
        writeln!(out, "> {line}").unwrap();
        out.push_str(&told.shown(from));
    }
    writeln!(out, "actions:{}", told.actions()).unwrap();
    let quality = &told.engine.partition().quality;
    let matured: u64 = quality.types.iter().map(|known| known.matured).sum();
    let churned: u64 = quality.types.iter().map(|known| known.churned).sum();
    writeln!(out, "quality: {churned} of {matured} right, {:?} of {} foretold", quality.foretold, quality.left)
        .unwrap();
    for resolved in &quality.resolutions {
        write!(out, "  resolved {} {}", resolved.reason, resolved.count).unwrap();
        for (outcome, count) in [("churned", resolved.churned), ("retained", resolved.retained)] {
            if count > 0 {
                write!(out, ", {outcome} {count}").unwrap();
            }
        }
        writeln!(out).unwrap();
    }
    expected.assert_eq(&out);
}

#[test]
fn an_alert_that_nobody_acknowledges_is_escalated_once() {
    check(
        "start|until 10|fail 1|until 20|fail 3|until 22",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 20
            day 12 00h escalated payment_failures #1 warning (unacknowledged) to head
            > fail 3
            day 20 00h escalated payment_failures #1 critical (worse)
            > until 22
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn what_happens_to_an_alert_at_one_instant_is_told_as_one() {
    // It is overdue just as its account gets worse, and just as it gets better.
    check(
        "start|until 10|fail 1|until 11|fail 3 at 12|until 13",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > fail 3 at 12
            > until 13
            day 12 00h escalated payment_failures #1 critical (unacknowledged) to head
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
    check_under(
        rules_with(10.0, 0.25),
        "start|until 10|fail 3|paid|until 11|fail 1|until 13",
        &expect![[r#"
            > start
            > until 10
            > fail 3
            day 10 00h raised payment_failures #1 critical
            > paid
            > until 11
            > fail 1
            > until 13
            day 12 00h escalated payment_failures #1 warning (unacknowledged) to head
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn nothing_is_raised_for_a_band_that_only_dwells() {
    let rules = with_contract(&rules(), 0.3);
    // Once it is paid, the end that is scheduled adds most to a risk of 13 %.
    check_under(
        rules,
        "start|until 10|fail 3|paid|ending 20|until 15",
        &expect![[r#"
            > start
            > until 10
            > fail 3
            day 10 00h raised payment_failures #1 critical
            > paid
            > ending 20
            > until 15
            day 12 00h resolved payment_failures #1 warning (recovered), closed
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
              resolved recovered 1
        "#]],
    );
}

#[test]
fn an_alert_is_as_loud_as_the_risk_that_raises_it_and_no_louder_for_a_band_that_dwells() {
    let rules = with_contract(&rules(), 2.5);
    check_under(
        rules,
        "start|until 10|fail 3|paid|ending 20|until 11",
        &expect![[r#"
        > start
        > until 10
        > fail 3
        day 10 00h raised payment_failures #1 critical
        > paid
        > ending 20
        day 10 00h raised contract_decline #1 warning
        > until 11
        actions:
        quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
    "#]],
    );
}

#[test]
fn nobody_else_is_told_of_an_alert_whose_risk_is_gone() {
    let rules = with_contract(&rules_with(0.1, 0.9), 10.0);
    // The payment is still open when two days have passed without an answer.
    check_under(
        rules,
        "start|until 10|fail 1|ending 20|until 11|resume|until 20",
        &expect![[r#"
        > start
        > until 10
        > fail 1
        > ending 20
        day 10 00h raised payment_failures #1 critical
        day 10 00h raised contract_decline #1 critical
        > until 11
        > resume
        > until 20
        day 13 00h eased payment_failures #1 warning
        day 13 00h resolved contract_decline #1 warning (recovered), closed
        actions:
        quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
          resolved recovered 1
    "#]],
    );
}

#[test]
fn who_signs_up_before_the_first_use_is_missed_as_soon_as_anybody() {
    check_under(
        rules_of_silence(),
        "start|until 1|daily 12|until 90",
        &expect![[r#"
        > start
        > until 1
        > daily 12
        > until 90
        day 27 00h raised engagement_lag #1 critical
        day 29 00h escalated engagement_lag #1 critical (unacknowledged) to head
        actions:
        quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
    "#]],
    );
}

#[test]
fn a_champion_who_goes_quiet_is_missed_however_active_the_others_are() {
    let mut story = Story::under(Arc::new(Rules::default()));
    story.line("start");
    let speak = |story: &mut Story, user: &'static str, kind: Kind<'static>| {
        let (id, time) = (format!("e{}", story.offset).into(), Story::time(story.hour));
        let (account_id, user_id) = ("acme".into(), Some(user.into()));
        story.give(Input::Event(Event { id, time, account_id, user_id, source: None, kind }));
    };
    speak(&mut story, "ann", Kind::UserAdded { role: Some(Role::Champion), title: None });
    for day in 0..150 {
        for user in ["ann", "bob"].into_iter().filter(|user| day < 90 || *user == "bob") {
            speak(&mut story, user, Kind::SessionStarted { duration_s: None });
        }
        story.line(&format!("until {}", day + 1));
    }
    // Last seen in the week that begins on day 87; two more without, in which others worked, are too many.
    expect![[r#"
        day 115 00h raised champion_departure #1 critical
        day 129 00h raised usage_frequency #1 critical
    "#]]
    .assert_eq(&story.shown(0));
}

#[test]
fn a_customer_who_comes_back_was_not_silent_while_away() {
    // Away for two months, and not back in use at once.
    check_under(
        Arc::new(Rules::default()),
        "start|daily 60|cancel|until 120|start|until 123|daily 190",
        &expect![[r#"
            > start
            > daily 60
            > cancel
            > until 120
            > start
            > until 123
            > daily 190
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 1 foretold
        "#]],
    );
    // The payment that failed before is no matter any more.
    check_under(
        Arc::new(Rules::default()),
        "start|daily 60|fail 3|cancel|until 80|start|daily 100",
        &expect![[r#"
        > start
        > daily 60
        > fail 3
        day 59 00h raised payment_failures #1 critical
        > cancel
        day 59 00h churned payment_failures #1 critical, closed
        > until 80
        > start
        > daily 100
        actions:
        quality: 1 of 1 right, [1, 0, 0, 0] of 1 foretold
    "#]],
    );
}

#[test]
fn a_paused_account_is_not_silent() {
    check_under(
        Arc::new(Rules::default()),
        "start|daily 60|pause|until 120|resume|until 123|daily 190",
        &expect![[r#"
            > start
            > daily 60
            > pause
            day 59 00h raised contract_decline #1 warning
            > until 120
            > resume
            day 120 00h resolved contract_decline #1 warning (recovered), closed
            > until 123
            > daily 190
            actions:
            quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
              resolved recovered 1
        "#]],
    );
}

#[test]
fn nobody_is_woken_for_a_cause_that_is_gone() {
    check(
        "start|until 10|fail 3|snooze 2|until 11|paid|until 15",
        &expect![[r#"
        > start
        > until 10
        > fail 3
        day 10 00h raised payment_failures #1 critical
        > snooze 2
        day 10 00h snoozed payment_failures #1 critical by kim until day 12
        > until 11
        > paid
        > until 15
        day 13 00h resolved payment_failures #1 warning (recovered), closed
        actions: snoozed taken 1;
        quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
          resolved recovered 1
    "#]],
    );
}

#[test]
fn an_action_on_an_alert_whose_quiet_is_over_does_not_show_it_quiet() {
    let after = |action: AlertAction<'static>| {
        let mut story = Story::new();
        for line in ["start", "until 10", "fail 3"] {
            story.line(line);
        }
        // It would wake with the next full hour.
        let minutes = |minutes: i64| Timestamp::clamped(Story::time(240).ms() + minutes * HOUR_MS / 60);
        story.act(AlertAction::Snoozed { until: minutes(20) }, None);
        let reached = Some(minutes(40).plus(rules().lateness));
        story.give(Input::Progress(Progress { reached, ..Progress::default() }));
        story.act(action, None);
        story.until(11 * 24);
        story.shown(2)
    };
    expect![[r#"
        day 10 00h acknowledged payment_failures #1 critical by kim
    "#]]
    .assert_eq(&after(AlertAction::Acknowledged));
    // Who makes a remark need not look after it: it wakes.
    expect![[r#"
        day 10 00h commented payment_failures #1 critical by kim
        day 10 00h woken payment_failures #1 critical
    "#]]
    .assert_eq(&after(AlertAction::Commented));
}

#[test]
fn a_scheduled_end_is_alerted_in_time_however_active_the_account_is() {
    check_under(
        Arc::new(Rules::default()),
        "start|daily 40|ending 100|daily 80",
        &expect![[r#"
        > start
        > daily 40
        > ending 100
        > daily 80
        day 72 00h raised contract_decline #1 critical
        actions:
        quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
    "#]],
    );
}

#[test]
fn what_is_told_of_who_left_stays_as_it_was() {
    let mut story = Story::under(rules());
    for line in "start|daily 20|fail 3|until 21|cancel|paid|use at 20|comment|until 60|comment".split('|') {
        story.line(line);
    }
    let told: Vec<_> = story.told.iter().filter(|change| change.health.churned_at.is_some()).collect();
    let health = &told[0].health;
    assert!(told.len() == 3 && health.risk.get() > 0.5, "{told:?}");
    let logit: f64 = health.contributions.iter().map(|contribution| contribution.logit).sum();
    assert!((1.0 / (1.0 + (-logit).exp()) - health.risk.get()).abs() < 1e-9, "{health:?}");
    let account = story.engine.account("acme").unwrap();
    for later in told.iter().map(|change| change.health.clone()).chain([story.engine.health(account)]) {
        assert!((later.risk.get() - health.risk.get()).abs() < 1e-6 && later.band == health.band, "{later:?}");
        assert_eq!(later.as_of, health.as_of);
        let terms = |health: &Health| health.contributions.iter().map(|known| known.term).collect::<Vec<_>>();
        assert_eq!(terms(&later), terms(health));
    }
}

#[test]
fn owner_and_plan_of_who_left_stay_those_that_it_had() {
    // It paid 100 a month; who pays nothing would go to the default owner.
    let mut rules = Rules::clone(&rules());
    let playbooks = Arc::make_mut(&mut rules.playbooks);
    let large = Conditions { mrr_min: Some(50.0), ..Conditions::default() };
    playbooks.routes = vec![Route { when: large.clone(), owner: "strategic".to_owned() }];
    for book in &mut playbooks.books {
        let book = Arc::make_mut(book);
        let visit = Play { name: "visit".to_owned(), when: large.clone(), ..book.plays[0].clone() };
        book.plays.insert(0, visit);
    }
    let mut story = Story::under(Arc::new(rules));
    for line in "start|until 10|fail 3|until 11|cancel|until 15|comment".split('|') {
        story.line(line);
    }
    let told = |change: &AlertChange| format!("{} {}", change.transition.name(), change.owner);
    let told: Vec<_> = story.told.iter().map(told).collect();
    assert_eq!(told, ["raised strategic", "churned strategic", "commented strategic"]);
    assert!(story.told.iter().all(|change| change.plan.as_ref().unwrap().play == "visit"), "{:?}", story.told);
}

#[test]
fn the_band_of_who_left_is_that_of_its_leaving_however_late_that_is_known() {
    let band = |lines: &str| {
        let mut story = Story::under(Arc::new(Rules::default()));
        lines.split('|').for_each(|line| story.line(line));
        story.engine.health(story.engine.account("acme").unwrap()).band
    };
    assert_eq!(band("start|daily 40|until 90"), Band::Critical);
    let in_time = band("start|daily 40|until 41|cancel");
    assert!(in_time < Band::AtRisk);
    assert_eq!(band("start|daily 40|until 90|cancel at 41"), in_time);
    // It had been in trouble then.
    assert_eq!(band("start|daily 40|until 88|cancel|until 90"), Band::Critical);
    assert_eq!(band("start|daily 40|until 90|cancel at 88"), Band::Critical);
}

#[test]
fn an_acknowledged_alert_is_not_escalated_for_that() {
    check(
        "start|until 10|fail 1|until 11|acknowledge|acknowledge|comment|until 20",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > acknowledge
            day 11 00h acknowledged payment_failures #1 warning by kim
            > acknowledge
            day 11 00h acknowledged payment_failures #1 warning by kim
            > comment
            day 11 00h commented payment_failures #1 warning by kim
            > until 20
            actions: acknowledged taken 2; commented taken 1;
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn an_alert_gets_worse_better_and_ends_after_dwelling() {
    check(
        "start|until 10|fail 1|acknowledge|until 11|fail 3|until 12|paid|until 20",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > acknowledge
            day 10 00h acknowledged payment_failures #1 warning by kim
            > until 11
            > fail 3
            day 11 00h escalated payment_failures #1 critical (worse)
            > until 12
            > paid
            > until 20
            day 14 00h resolved payment_failures #1 warning (recovered), closed
            actions: acknowledged taken 1;
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
              resolved recovered 1
        "#]],
    );
}

#[test]
fn a_snoozed_alert_is_quiet_and_wakes_on_time_if_its_cause_stands() {
    check(
        "start|until 10|fail 1|snooze 10|until 15|fail 3|until 30",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > snooze 10
            day 10 00h snoozed payment_failures #1 warning by kim until day 20
            > until 15
            > fail 3
            > until 30
            day 20 00h woken payment_failures #1 critical
            actions: snoozed taken 1;
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn a_snooze_is_at_most_so_long() {
    check(
        "start|until 10|fail 1|snooze 300|until 101",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > snooze 300
            day 10 00h snoozed payment_failures #1 warning by kim until day 100
            > until 101
            day 100 00h woken payment_failures #1 warning
            actions: snoozed taken 1;
            quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn a_snoozed_alert_whose_cause_goes_is_closed_and_does_not_wake() {
    check(
        "start|until 10|fail 1|snooze 10|until 12|paid|until 60",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > snooze 10
            day 10 00h snoozed payment_failures #1 warning by kim until day 20
            > until 12
            > paid
            > until 60
            day 14 00h resolved payment_failures #1 warning (recovered), closed
            day 38 00h retained payment_failures #1 warning, closed
            actions: snoozed taken 1;
            quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
              resolved recovered 1, retained 1
        "#]],
    );
}

#[test]
fn a_resolved_alert_waits_for_its_cooldown_and_another_reason_counts_as_other() {
    check(
        "start|until 10|fail 1|until 11|resolve settled|until 17|until 25|resolve moon|until 26",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > resolve settled
            day 11 00h resolved payment_failures #1 warning (settled) by kim, closed
            > until 17
            > until 25
            day 18 00h raised payment_failures #2 warning
            day 20 00h escalated payment_failures #2 warning (unacknowledged) to head
            > resolve moon
            day 25 00h resolved payment_failures #2 warning (other) by kim who said moon, closed
            > until 26
            actions: resolved taken 1; resolved other_reason 1;
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
              resolved other 1
              resolved settled 1
        "#]],
    );
}

#[test]
fn an_alert_whose_account_stays_is_retained_when_the_horizon_has_passed() {
    check(
        "start|until 10|fail 1|until 11|paid|until 40",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > paid
            > until 40
            day 13 00h resolved payment_failures #1 warning (recovered), closed
            day 38 00h retained payment_failures #1 warning, closed
            actions:
            quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
              resolved recovered 1, retained 1
        "#]],
    );
}

#[test]
fn an_alert_whose_cause_stands_outlives_the_horizon() {
    check(
        "start|until 10|fail 1|acknowledge|until 50|paid|until 60",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > acknowledge
            day 10 00h acknowledged payment_failures #1 warning by kim
            > until 50
            > paid
            > until 60
            day 52 00h resolved payment_failures #1 warning (recovered), closed
            actions: acknowledged taken 1;
            quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
              resolved recovered 1
        "#]],
    );
}

#[test]
fn an_alert_that_nothing_would_raise_any_more_ends_with_the_horizon() {
    // A single failure of half strength keeps the alert open, but would not raise one.
    check_under(
        rules_with(2.8, 0.5),
        "start|until 10|fail 3|acknowledge|until 11|paid|until 12|fail 1|until 50",
        &expect![[r#"
            > start
            > until 10
            > fail 3
            day 10 00h raised payment_failures #1 warning
            > acknowledge
            day 10 00h acknowledged payment_failures #1 warning by kim
            > until 11
            > paid
            > until 12
            > fail 1
            > until 50
            actions: acknowledged taken 1;
            quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn an_alert_raised_after_the_account_had_left_is_neither_right_nor_wrong() {
    check(
        "start|until 10|fail 1|cancel at 9|until 60",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > cancel at 9
            day 9 00h churned payment_failures #1 warning, closed
            > until 60
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 1 foretold
        "#]],
    );
}

#[test]
fn an_account_that_leaves_just_after_the_horizon_makes_no_alert_right() {
    // The event is ahead of the clock, so that the horizon has not passed by the clock when the account leaves.
    check(
        "start|until 10|fail 1|acknowledge|until 37|cancel at 39|until 60",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > acknowledge
            day 10 00h acknowledged payment_failures #1 warning by kim
            > until 37
            > cancel at 39
            > until 60
            day 39 00h churned payment_failures #1 warning, closed
            actions: acknowledged taken 1;
            quality: 0 of 1 right, [0, 0, 0, 1] of 1 foretold
        "#]],
    );
}

#[test]
fn every_alert_of_an_account_that_leaves_ends_with_that() {
    check(
        "start|until 10|fail 1|until 11|resolve settled|until 25|cancel|comment|acknowledge|until 90",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > resolve settled
            day 11 00h resolved payment_failures #1 warning (settled) by kim, closed
            > until 25
            day 18 00h raised payment_failures #2 warning
            day 20 00h escalated payment_failures #2 warning (unacknowledged) to head
            > cancel
            day 25 00h churned payment_failures #1 warning, closed
            day 25 00h churned payment_failures #2 warning, closed
            > comment
            day 25 00h commented payment_failures #2 warning by kim, closed
            > acknowledge
            > until 90
            actions: acknowledged closed_alert 1; resolved taken 1; commented taken 1;
            quality: 2 of 2 right, [0, 0, 1, 0] of 1 foretold
              resolved settled 1, churned 1
        "#]],
    );
}

/// What was done and why is joined with what became of the account.
#[test]
fn the_reason_of_a_resolution_is_joined_with_the_outcome() {
    check(
        "start|until 10|fail 1|until 11|resolve settled|until 30|cancel|until 40",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > resolve settled
            day 11 00h resolved payment_failures #1 warning (settled) by kim, closed
            > until 30
            day 18 00h raised payment_failures #2 warning
            day 20 00h escalated payment_failures #2 warning (unacknowledged) to head
            > cancel
            day 30 00h churned payment_failures #1 warning, closed
            day 30 00h churned payment_failures #2 warning, closed
            > until 40
            actions: resolved taken 1;
            quality: 2 of 2 right, [0, 0, 1, 0] of 1 foretold
              resolved settled 1, churned 1
        "#]],
    );
    check(
        "start|until 10|fail 1|until 11|resolve nonsense|until 45",
        &expect![[r#"
        > start
        > until 10
        > fail 1
        day 10 00h raised payment_failures #1 warning
        > until 11
        > resolve nonsense
        day 11 00h resolved payment_failures #1 warning (other) by kim who said nonsense, closed
        > until 45
        day 18 00h raised payment_failures #2 warning
        day 20 00h escalated payment_failures #2 warning (unacknowledged) to head
        day 38 00h retained payment_failures #1 warning, closed
        actions: resolved other_reason 1;
        quality: 0 of 1 right, [0, 0, 0, 0] of 0 foretold
          resolved other 1, retained 1
    "#]],
    );
}

/// Without a subscription, leaving is falling silent for the horizon: counted once, foretold or not; the alert of it ends
/// with its cause.
#[test]
fn an_account_without_a_subscription_leaves_by_falling_silent() {
    check(
        "use|until 10|use|fail 1|until 11|resolve settled|until 60",
        &expect![[r#"
        > use
        > until 10
        > use
        > fail 1
        day 10 00h raised payment_failures #1 warning
        > until 11
        > resolve settled
        day 11 00h resolved payment_failures #1 warning (settled) by kim, closed
        > until 60
        day 18 00h raised payment_failures #2 warning
        day 20 00h escalated payment_failures #2 warning (unacknowledged) to head
        day 38 00h churned payment_failures #1 warning, closed
        actions: resolved taken 1;
        quality: 2 of 2 right, [0, 0, 0, 1] of 1 foretold
          resolved settled 1, churned 1
    "#]],
    );
    check(
        "use|until 10|use|until 12|fail 1|until 60|use|until 62|paid|until 70",
        &expect![[r#"
        > use
        > until 10
        > use
        > until 12
        > fail 1
        day 12 00h raised payment_failures #1 warning
        > until 60
        day 14 00h escalated payment_failures #1 warning (unacknowledged) to head
        > use
        > until 62
        > paid
        > until 70
        day 64 00h resolved payment_failures #1 warning (recovered), closed
        actions:
        quality: 1 of 1 right, [0, 0, 1, 0] of 1 foretold
          resolved recovered 1
    "#]],
    );
    // Used again within the horizon: it has stayed.
    check(
        "use|until 10|use|fail 1|until 11|resolve settled|until 30|use|until 50",
        &expect![[r#"
        > use
        > until 10
        > use
        > fail 1
        day 10 00h raised payment_failures #1 warning
        > until 11
        > resolve settled
        day 11 00h resolved payment_failures #1 warning (settled) by kim, closed
        > until 30
        day 18 00h raised payment_failures #2 warning
        day 20 00h escalated payment_failures #2 warning (unacknowledged) to head
        > use
        > until 50
        day 38 00h retained payment_failures #1 warning, closed
        actions: resolved taken 1;
        quality: 0 of 2 right, [0, 0, 0, 0] of 0 foretold
          resolved settled 1, retained 1
    "#]],
    );
    // Silent without any alert.
    check(
        "use|until 10|use|until 60",
        &expect![[r#"
        > use
        > until 10
        > use
        > until 60
        actions:
        quality: 0 of 0 right, [0, 0, 0, 0] of 1 foretold
    "#]],
    );
}

#[test]
fn an_alert_closed_long_before_did_not_foretell_it() {
    check(
        "start|until 10|fail 1|until 11|paid|until 60|cancel",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > paid
            > until 60
            day 13 00h resolved payment_failures #1 warning (recovered), closed
            day 38 00h retained payment_failures #1 warning, closed
            > cancel
            actions:
            quality: 0 of 1 right, [0, 0, 0, 0] of 1 foretold
              resolved recovered 1, retained 1
        "#]],
    );
}

#[test]
fn an_account_that_leaves_without_an_alert_was_not_foretold() {
    check(
        "start|until 10|cancel|until 60",
        &expect![[r#"
            > start
            > until 10
            > cancel
            > until 60
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 1 foretold
        "#]],
    );
}

#[test]
fn a_late_payment_retracts_the_alert_that_its_lack_had_raised() {
    check(
        "start|until 12|fail 1 at 10|until 14|paid at 11|until 60",
        &expect![[r#"
            > start
            > until 12
            > fail 1 at 10
            day 12 00h raised payment_failures #1 warning
            > until 14
            day 14 00h escalated payment_failures #1 warning (unacknowledged) to head
            > paid at 11
            day 14 00h retracted payment_failures #1 warning, closed
            > until 60
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn a_retracted_alert_may_come_back_without_cooldown() {
    check(
        "start|until 12|fail 1 at 10|until 14|paid at 11|fail 2|until 15",
        &expect![[r#"
            > start
            > until 12
            > fail 1 at 10
            day 12 00h raised payment_failures #1 warning
            > until 14
            day 14 00h escalated payment_failures #1 warning (unacknowledged) to head
            > paid at 11
            day 14 00h retracted payment_failures #1 warning, closed
            > fail 2
            day 14 00h raised payment_failures #2 critical
            > until 15
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn a_late_attempt_amends_the_alert() {
    check(
        "start|until 12|fail 1 at 10|acknowledge|until 14|fail 3 at 11|until 15",
        &expect![[r#"
            > start
            > until 12
            > fail 1 at 10
            day 12 00h raised payment_failures #1 warning
            > acknowledge
            day 12 00h acknowledged payment_failures #1 warning by kim
            > until 14
            > fail 3 at 11
            day 14 00h amended payment_failures #1 critical
            > until 15
            actions: acknowledged taken 1;
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn late_data_that_change_nothing_about_an_alert_are_not_told() {
    check(
        "start|until 12|fail 1 at 10|acknowledge|until 14|paid at 9|start at 9|until 15",
        &expect![[r#"
            > start
            > until 12
            > fail 1 at 10
            day 12 00h raised payment_failures #1 warning
            > acknowledge
            day 12 00h acknowledged payment_failures #1 warning by kim
            > until 14
            > paid at 9
            > start at 9
            > until 15
            actions: acknowledged taken 1;
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn a_silence_that_late_data_fill_retracts_its_alert() {
    // One device was offline, and tells what it did after the account is seen to be back.
    check_under(
        rules_of_silence(),
        "start|daily 60|until 80|use|fill 60 79|until 90",
        &expect![[r#"
            > start
            > daily 60
            > until 80
            day 75 00h raised engagement_lag #1 critical
            day 77 00h escalated engagement_lag #1 critical (unacknowledged) to head
            > use
            > fill 60 79
            day 80 00h retracted engagement_lag #1 warning, closed
            > until 90
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
    // The same, told while nobody has been seen yet.
    check_under(
        rules_of_silence(),
        "start|daily 60|until 80|fill 60 79|until 85",
        &expect![[r#"
            > start
            > daily 60
            > until 80
            day 75 00h raised engagement_lag #1 critical
            day 77 00h escalated engagement_lag #1 critical (unacknowledged) to head
            > fill 60 79
            day 80 00h amended engagement_lag #1 critical
            day 80 00h retracted engagement_lag #1 warning, closed
            > until 85
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn a_silence_that_late_data_shorten_amends_its_alert() {
    check_under(
        rules_of_silence(),
        "start|daily 60|until 80|acknowledge|use at 63|until 81",
        &expect![[r#"
        > start
        > daily 60
        > until 80
        day 75 00h raised engagement_lag #1 critical
        day 77 00h escalated engagement_lag #1 critical (unacknowledged) to head
        > acknowledge
        day 80 00h acknowledged engagement_lag #1 critical by kim
        > use at 63
        day 80 00h amended engagement_lag #1 critical
        > until 81
        actions: acknowledged taken 1;
        quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
    "#]],
    );
}

#[test]
fn a_silence_that_late_data_fill_in_order_to_the_present_retracts_its_alert() {
    check_under(
        rules_of_silence(),
        "start|daily 60|until 84|fill 60 83|use|until 90",
        &expect![[r#"
            > start
            > daily 60
            > until 84
            day 75 00h raised engagement_lag #1 critical
            day 77 00h escalated engagement_lag #1 critical (unacknowledged) to head
            > fill 60 83
            day 84 00h amended engagement_lag #1 critical
            day 84 00h retracted engagement_lag #1 warning, closed
            > use
            > until 90
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn late_data_that_leave_too_little_to_raise_an_alert_retract_it() {
    // What is left would keep one open that was rightly raised.
    check_under(
        rules_of_silence(),
        "start|daily 60|until 75|fill 60 63|until 90",
        &expect![[r#"
            > start
            > daily 60
            > until 75
            day 75 00h raised engagement_lag #1 critical
            > fill 60 63
            day 75 00h retracted engagement_lag #1 warning, closed
            > until 90
            day 79 00h raised engagement_lag #2 critical
            day 81 00h escalated engagement_lag #2 critical (unacknowledged) to head
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
    check_under(
        rules_of_silence(),
        "start|daily 60|until 76|use|fill 60 66|until 90",
        &expect![[r#"
            > start
            > daily 60
            > until 76
            day 75 00h raised engagement_lag #1 critical
            > use
            > fill 60 66
            day 76 00h retracted engagement_lag #1 warning, closed
            > until 90
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
        "#]],
    );
}

#[test]
fn an_alert_of_silence_that_was_right_is_resolved_when_the_account_is_back() {
    check_under(
        rules_of_silence(),
        "start|daily 60|until 80|acknowledge|use|until 90",
        &expect![[r#"
        > start
        > daily 60
        > until 80
        day 75 00h raised engagement_lag #1 critical
        day 77 00h escalated engagement_lag #1 critical (unacknowledged) to head
        > acknowledge
        day 80 00h acknowledged engagement_lag #1 critical by kim
        > use
        > until 90
        day 82 00h resolved engagement_lag #1 warning (recovered), closed
        actions: acknowledged taken 1;
        quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
          resolved recovered 1
    "#]],
    );
    // A late day at the beginning of the silence does not make it wrong.
    check_under(
        rules_of_silence(),
        "start|daily 60|until 80|acknowledge|use|use at 61|until 90",
        &expect![[r#"
        > start
        > daily 60
        > until 80
        day 75 00h raised engagement_lag #1 critical
        day 77 00h escalated engagement_lag #1 critical (unacknowledged) to head
        > acknowledge
        day 80 00h acknowledged engagement_lag #1 critical by kim
        > use
        > use at 61
        > until 90
        day 82 00h resolved engagement_lag #1 warning (recovered), closed
        actions: acknowledged taken 1;
        quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
          resolved recovered 1
    "#]],
    );
}

#[test]
fn a_payment_in_time_resolves_and_never_retracts() {
    check(
        "start|until 10|fail 1|until 11|paid|until 15",
        &expect![[r#"
            > start
            > until 10
            > fail 1
            day 10 00h raised payment_failures #1 warning
            > until 11
            > paid
            > until 15
            day 13 00h resolved payment_failures #1 warning (recovered), closed
            actions:
            quality: 0 of 0 right, [0, 0, 0, 0] of 0 foretold
              resolved recovered 1
        "#]],
    );
}

#[test]
fn actions_without_effect_are_counted_and_do_nothing() {
    let mut story = Story::new();
    for line in ["start", "until 10", "fail 1", "until 11"] {
        story.line(line);
    }
    let first = story.told.first().unwrap().alert_id.clone();
    let told = story.told.len();
    for line in ["acknowledge of 00112233445566778899aabbccddeeff", "snooze -1", "resolve settled of x"] {
        story.line(line);
    }
    assert_eq!(story.told.len(), told);
    // An alert of one account cannot be acted on through another, nor does that make the other known.
    let action = Kind::AlertAction {
        alert: first.clone().into(),
        action: AlertAction::Acknowledged,
        by: "kim".into(),
        note: None,
    };
    story.event("globex", story.hour, action);
    assert!(story.engine.account("globex").is_none());
    story.line(&format!("resolve settled of {first}"));
    for line in ["acknowledge", "snooze 3", "resolve settled", "comment"] {
        story.line(&format!("{line} of {first}"));
    }
    expect![" acknowledged unknown_alert 2; acknowledged closed_alert 1; snoozed closed_alert 1; snoozed past_time 1; resolved taken 1; resolved unknown_alert 1; resolved closed_alert 1; commented taken 1;"].assert_eq(&story.actions());
}

#[test]
fn an_action_is_no_activity_of_the_account() {
    let mut story = Story::new();
    for line in ["start", "until 10", "fail 1", "until 11"] {
        story.line(line);
    }
    let before = story.engine.account("acme").unwrap().clone();
    story.line("acknowledge");
    let after = story.engine.account("acme").unwrap();
    assert_eq!((&before.activity, &before.users), (&after.activity, &after.users));
    assert_ne!(before.judgement, after.judgement);
}

#[test]
fn the_alert_carries_owner_plan_reasons_and_link() {
    let mut story = Story::new();
    for line in ["start", "until 10", "fail 1"] {
        story.line(line);
    }
    let change = story.told.first().unwrap();
    let due = change.plan.as_ref().unwrap().steps[0].due_at;
    assert_eq!(due, change.raised_at.plus(Span::from_days(3)));
    assert_eq!((change.owner.as_str(), change.title.as_str()), ("team", "At risk"));
    assert_eq!(change.reasons, ["settled", "other"]);
    assert_eq!(change.link.as_deref(), Some("https://crm/acme"));
    assert!(change.health.revenue_at_risk.is_some_and(|money| money.minor > 0));
}

/// A second engine from the encoded state of the first.
fn restored(engine: &Engine) -> Engine {
    let mut second = Engine::new(rules(), Journal::Keep);
    for account in engine.accounts() {
        let mut bytes = Vec::new();
        encode_account(account, &mut bytes);
        assert!(bytes.len() <= ACCOUNT_BYTES_MAX, "{} bytes", bytes.len());
        second.restore_account(decode_account(&bytes).unwrap());
    }
    let commit = CommitRecord {
        next_offset: crate::units::NextOffset(0),
        transaction: 1,
        rules_hash: 0,
        partition: engine.partition().clone(),
    };
    let mut bytes = Vec::new();
    encode_commit(&commit, &mut bytes);
    second.restore_partition(decode_commit(&bytes).unwrap().partition);
    second.finish_restore();
    second
}

fn check_bounds(account: &Account) -> Result<(), TestCaseError> {
    let alerts = &account.judgement.alerts;
    prop_assert!(alerts.len() <= EPISODES_MAX);
    for alert in alerts {
        let same = alerts.iter().filter(|other| other.kind == alert.kind);
        prop_assert!(same.clone().filter(|other| other.open.is_some()).count() <= 1, "{:?}", alerts);
        prop_assert!(same.filter(|other| other.episode == alert.episode).count() == 1, "{:?}", alerts);
        prop_assert!(alert.snoozed_until.is_none() || alert.open.is_some());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever people and data do, in whatever order: at most one alert of a type is open, the state is bounded, an
    /// engine that is restored at any point goes on identically, and every episode ends at most once with each outcome.
    #[test]
    fn any_sequence_of_actions_keeps_alerts_sound(
        steps in proptest::collection::vec((0..9_u8, 0..12_u8, any::<u8>()), 1..40),
        cut in any::<u16>(),
    ) {
        let mut story = Story::new();
        story.line("start");
        for (choice, n, pick) in steps {
            let ids: Vec<String> = story.told.iter().map(|change| change.alert_id.clone()).collect();
            let id = ids.get(usize::from(pick) % ids.len().max(1)).cloned().unwrap_or_else(|| alert_id("acme", 0, 1));
            let (n, today) = (i64::from(n), story.hour / 24);
            match choice {
                0 | 1 => story.until(story.hour + n * 24 + 1),
                2 => story.line(&format!("fail {} at {}", n % 4 + 1, (today - n / 4).max(0))),
                3 => story.line(&format!("paid at {}", (today - n).max(0))),
                4 => story.line(&format!("acknowledge of {id}")),
                5 => story.line(&format!("snooze {n} of {id}")),
                6 => story.line(&format!("resolve {} of {id}", ["settled", "moon"][usize::from(pick) % 2])),
                7 => story.line(&format!("comment of {id}")),
                _ if pick % 8 == 0 => story.line("cancel"),
                _ => story.line("start"),
            }
            if let Some(account) = story.engine.account("acme") {
                check_bounds(account)?;
            }
        }
        story.until(story.hour + 60 * 24);
        let mut outcomes = BTreeSet::new();
        for change in story.told.iter().filter(|change| ["churned", "retained"].contains(&change.transition.name())) {
            prop_assert!(outcomes.insert(change.alert_id.clone()), "{} ended twice", change.alert_id);
        }

        let cut = usize::from(cut) % story.records.len();
        let mut engine = Engine::new(rules(), Journal::Keep);
        let mut effects = Vec::new();
        for record in &story.records[..cut] {
            engine.step(record, &mut effects);
        }
        let mut second = restored(&engine);
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        for record in &story.records[cut..] {
            engine.step(record, &mut expected);
            second.step(record, &mut found);
        }
        prop_assert_eq!(&expected, &found);
        prop_assert_eq!(engine.account("acme"), second.account("acme"));
        prop_assert_eq!(engine.partition(), second.partition());
        // And an attempt that is taken back leaves no trace in what is counted.
        engine.commit();
        let before = (engine.partition().clone(), *engine.counts());
        for record in story.records.iter().rev().take(5) {
            engine.step(record, &mut expected);
        }
        engine.roll_back();
        prop_assert_eq!((engine.partition().clone(), *engine.counts()), before);
    }
}
