//! Properties of the engine that hold for every stream of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::account::{Account, Judgement};
use super::dedup::Dedup;
use super::effect::Effect;
use super::event::{
    AlertAction, Event, Interval, Kind, LimitUse, PlanFeatures, Role, SubscriptionChange, Survey, Terms, Traits,
};
use super::exclusions::Exclusions;
use super::facts::billing::Billing;
use super::facts::onboarding::Trial;
use super::fleet::Fleet;
use super::fleet::features::{FACTS, FEATURES};
use super::fleet::model::{Model, TrackRecord};
use super::input::{Input, Progress, Record};
use super::rates::{Rate, Rates};
use super::risk::assess;
use super::rules::Rules;
use super::totals::Totals;
use super::{Engine, Journal};
use crate::units::calendar::{Length, Month};
use crate::units::{Currency, DAY_MS, Money, Offset, PartitionIndex, Position, Span, Timestamp};
use crate::wire::state::{ACCOUNT_BYTES_MAX, StateError, decode_account, encode_account};

const DAY_0: i64 = 20_000;

/// With rates of the euro, of which one begins in the middle of what happens.
fn rules() -> Arc<Rules> {
    let mut rates = Rates::default();
    let rate = |month, rate| Rate { from: Month::new(2024, month), rate };
    rates.set(Currency::parse("EUR").unwrap(), vec![rate(1, 1.09), rate(11, 1.17)]);
    Arc::new(Rules { rates, ..Rules::default() })
}

fn record(offset: usize, input: Input<'static>) -> Record<'static> {
    let offset = Offset(i64::try_from(offset).unwrap());
    Record { position: Position { partition: PartitionIndex(3), offset }, received_at: Timestamp::MAX, input }
}

fn progress(ms: i64) -> Input<'static> {
    Input::Progress(Progress { reached: Some(Timestamp::clamped(ms)), ..Progress::default() })
}

/// How many choices [`kind`] knows.
const KINDS: u8 = 31;

/// What happens, drawn at random; `n` makes the details.
fn kind(choice: u8, n: u32) -> Kind<'static> {
    let money = |minor| Money { minor, currency: Currency::parse(["USD", "EUR"][n as usize % 2]).unwrap() };
    let roles = [Role::Champion, Role::Admin, Role::Sponsor, Role::Member];
    let changes = [
        SubscriptionChange::Started,
        SubscriptionChange::Changed,
        SubscriptionChange::Renewed,
        SubscriptionChange::Paused,
        SubscriptionChange::Resumed,
        SubscriptionChange::CancelScheduled,
        SubscriptionChange::Canceled,
    ];
    match choice {
        0..=9 => Kind::FeatureUsed { feature: format!("f{}", n % 12).into(), quantity: n % 3 },
        10 => Kind::SessionStarted { duration_s: None },
        11 => Kind::LimitReached(LimitUse { limit: "seats".into(), used: Some(f64::from(n)), allowed: None }),
        12 => Kind::UserAdded { role: Some(roles[n as usize % 4]), title: None },
        13 => Kind::UserDeactivated,
        14 => Kind::UserRoleChanged { role: Some(roles[n as usize / 4 % 4]), title: None },
        15 => Kind::NpsResponded { score: u8::try_from(n % 11).unwrap() },
        16 => Kind::InvoicePaid { amount: money(100) },
        17 => Kind::PaymentFailed { amount: money(100), attempt: Some(n % 4), next_attempt_at: None },
        18 => Kind::AccountUpdated(Traits {
            name: Some(format!("Acme {n}").into()),
            owner: n.is_multiple_of(2).then(|| format!("owner-{}", n % 3).into()),
            traits: vec![("industry".into(), format!("i{}", n % 4).into())],
            plan_features: n.is_multiple_of(3).then_some(PlanFeatures::Count(12)),
        }),
        22 => Kind::CsatResponded { score: u8::try_from(n % 5 + 1).unwrap() },
        23 => Kind::SurveySent { survey: Survey::ALL[n as usize % 2] },
        24 => Kind::TicketOpened {
            ticket: format!("t{}", n % 9).into(),
            severity: [None, Some("high".into()), Some("P1".into())][n as usize % 3].clone(),
            topic: n.is_multiple_of(2).then(|| format!("topic-{}", n % 4).into()),
        },
        25 => Kind::TicketClosed { ticket: format!("t{}", n % 9).into() },
        26 => Kind::TrialStarted {
            card_on_file: [None, Some(true), Some(false)][n as usize % 3],
            ends_at: n.is_multiple_of(2).then(|| Timestamp::clamped((DAY_0 + i64::from(n % 90)) * DAY_MS)),
        },
        27 => Kind::OnboardingStep { step: format!("step-{}", n % 20).into(), done: n.is_multiple_of(7) },
        _ => Kind::Subscription {
            change: changes[n as usize % changes.len()],
            terms: Terms {
                subscription: format!("s{}", n / 7 % 3).into(),
                plan: Some(["free", "pro"][n as usize / 21 % 2].into()),
                mrr: (!n.is_multiple_of(5)).then(|| money(i64::from(n % 900))),
                seats: n.is_multiple_of(3).then_some(n % 50),
                interval: [None, Some(Interval::Month), Some(Interval::Year)][n as usize % 3],
                term_ends_at: n.is_multiple_of(4).then(|| Timestamp::clamped((DAY_0 + i64::from(n % 200)) * DAY_MS)),
                effective_at: None,
                reason: None,
            },
        },
    }
}

/// Up to 120 events of three accounts and six users over `days` days.
fn events(days: i64) -> impl Strategy<Value = Vec<Event<'static>>> {
    let event = (0..3_u8, 0..6_u8, 0..KINDS, any::<u32>(), 0..days * 24 * 60);
    proptest::collection::vec(event, 1..120).prop_map(|drawn| {
        drawn
            .into_iter()
            .enumerate()
            .map(|(index, (account, user, choice, n, minute))| Event {
                id: format!("e{index}").into(),
                time: Timestamp::clamped(DAY_0 * DAY_MS + minute * 60_000),
                account_id: format!("acct-{account}").into(),
                user_id: (user < 5).then(|| format!("user-{user}").into()),
                source: None,
                kind: kind(choice, n),
            })
            .collect()
    })
}

/// The events as a stream in time order, with a progress record each day and one at the end.
fn stream(mut events: Vec<Event<'static>>) -> Vec<Record<'static>> {
    events.sort_by_key(|event| event.time);
    let mut inputs = Vec::new();
    let mut day = DAY_0;
    for event in events {
        while event.time.ms() / DAY_MS > day {
            day += 1;
            inputs.push(progress(day * DAY_MS));
        }
        inputs.push(Input::Event(event));
    }
    inputs.push(progress((day + 120) * DAY_MS));
    inputs.into_iter().enumerate().map(|(offset, input)| record(offset, input)).collect()
}

fn run(engine: &mut Engine, records: &[Record<'static>]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for record in records {
        engine.step(record, &mut effects);
    }
    effects
}

/// What is known of each account, without the history of judgements and the list of ids.
fn facts(engine: &Engine) -> BTreeMap<String, Account> {
    engine
        .accounts()
        .map(|account| {
            let facts = Account { dedup: Dedup::default(), judgement: Judgement::default(), ..account.clone() };
            (account.id.to_string(), facts)
        })
        .collect()
}

fn accounts(engine: &Engine) -> BTreeMap<String, Account> {
    engine.accounts().map(|account| (account.id.to_string(), account.clone())).collect()
}

/// The totals with segments in order of name, those without accounts left out.
fn totals(engine: &Engine) -> Totals {
    let mut totals = engine.totals().clone();
    totals.segments.retain(|segment| segment.accounts.iter().any(|count| *count > 0));
    totals.segments.sort_by(|a, b| a.name.cmp(&b.name));
    totals.open_alerts.resize(super::alert::types_len(), [0; 2]);
    totals
}

/// A second engine from the encoded state of `engine`.
fn restored(engine: &Engine) -> Engine {
    let mut second = Engine::new(rules(), Journal::Keep);
    for account in engine.accounts() {
        let mut bytes = Vec::new();
        encode_account(account, &mut bytes);
        assert!(bytes.len() <= ACCOUNT_BYTES_MAX, "{} bytes", bytes.len());
        let decoded = decode_account(&bytes).unwrap();
        assert_eq!(&decoded, account);
        second.restore_account(decoded);
    }
    second.restore_partition(engine.partition().clone());
    second.finish_restore();
    second
}

/// Effects by account, in order: what the outputs are compared by.
fn by_account(effects: Vec<Effect>) -> BTreeMap<String, Vec<Effect>> {
    let mut accounts: BTreeMap<String, Vec<Effect>> = BTreeMap::new();
    for effect in effects {
        let id = match &effect {
            Effect::Alert(change) => change.health.account_id.clone(),
            Effect::Health(health) => health.account_id.clone(),
            Effect::Reject(_) | Effect::Fleet(_) => String::new(),
        };
        accounts.entry(id).or_default().push(effect);
    }
    accounts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_order_within_the_horizon_gives_the_same_facts(
        (events, order) in events(80).prop_flat_map(|events| {
            let order = Just((0..events.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(events), order)
        })
    ) {
        let mut sorted = Engine::new(rules(), Journal::Off);
        let records: Vec<_> =
            events.into_iter().enumerate().map(|(offset, event)| record(offset, Input::Event(event))).collect();
        run(&mut sorted, &records);
        let mut shuffled = Engine::new(rules(), Journal::Off);
        let disordered: Vec<_> = order.into_iter().map(|index| records[index].clone()).collect();
        run(&mut shuffled, &disordered);
        prop_assert_eq!(facts(&sorted), facts(&shuffled));
    }

    #[test]
    fn duplicates_change_nothing(events in events(120), repeats in proptest::collection::vec(any::<u16>(), 0..40)) {
        let records = stream(events);
        let mut once = Engine::new(rules(), Journal::Off);
        let expected = run(&mut once, &records);
        let mut twice = Engine::new(rules(), Journal::Off);
        let mut effects = Vec::new();
        for (index, record) in records.iter().enumerate() {
            twice.step(record, &mut effects);
            if repeats.iter().any(|repeat| usize::from(*repeat) % records.len() == index) {
                twice.step(record, &mut effects);
            }
        }
        prop_assert_eq!(expected, effects);
        prop_assert_eq!(accounts(&once), accounts(&twice));
        prop_assert_eq!(totals(&once), totals(&twice));
        prop_assert_eq!(once.kpis().normal(), twice.kpis().normal());
    }

    #[test]
    fn rolled_back_work_leaves_no_trace(events in events(120), cuts in proptest::collection::vec(any::<u16>(), 2..6)) {
        let records = stream(events);
        let mut plain = Engine::new(rules(), Journal::Off);
        let expected = run(&mut plain, &records);
        let mut engine = Engine::new(rules(), Journal::Keep);
        let mut effects = Vec::new();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| usize::from(cut) % records.len()).collect();
        cuts.push(records.len());
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts {
            let before = (accounts(&engine), totals(&engine), engine.partition().clone(), *engine.counts());
            let kpis = engine.kpis().normal();
            // First an attempt that is given up, further than the commit will reach; then the commit.
            run(&mut engine, &records[from..records.len().min(cut + 7)]);
            engine.roll_back();
            prop_assert_eq!(&accounts(&engine), &before.0);
            prop_assert_eq!(engine.partition(), &before.2);
            prop_assert_eq!(engine.counts(), &before.3);
            let Totals { users_last_seen: _, active_day: _, ..} = before.1;
            prop_assert_eq!(engine.kpis().normal(), kpis);
            prop_assert_eq!(&totals(&engine).segments, &before.1.segments);
            prop_assert_eq!(&totals(&engine).movements_minor, &before.1.movements_minor);
            effects.extend(run(&mut engine, &records[from..cut]));
            engine.commit();
            prop_assert_eq!(engine.changed_len(), 0);
            from = cut;
        }
        prop_assert_eq!(expected, effects);
        prop_assert_eq!(accounts(&plain), accounts(&engine));
        prop_assert_eq!(totals(&plain), totals(&engine));
    }

    #[test]
    fn encoded_and_decoded_at_any_point_it_goes_on_identically(events in events(120), cut in any::<u16>()) {
        let records = stream(events);
        let cut = usize::from(cut) % records.len();
        let mut engine = Engine::new(rules(), Journal::Off);
        run(&mut engine, &records[..cut]);
        let mut second = restored(&engine);
        prop_assert_eq!(totals(&engine), totals(&second));
        prop_assert_eq!(engine.kpis().normal(), second.kpis().normal());
        let expected = run(&mut engine, &records[cut..]);
        let effects = run(&mut second, &records[cut..]);
        prop_assert_eq!(by_account(expected), by_account(effects));
        prop_assert_eq!(accounts(&engine), accounts(&second));
        prop_assert_eq!(totals(&engine), totals(&second));
        prop_assert_eq!(engine.kpis().normal(), second.kpis().normal());
    }

    #[test]
    fn risk_is_the_sum_of_its_contributions(events in events(120)) {
        let mut engine = Engine::new(rules(), Journal::Off);
        run(&mut engine, &stream(events));
        for health in engine.healths() {
            let logit: f64 = health.contributions.iter().map(|term| term.logit).sum();
            let risk = 1.0 / (1.0 + (-logit).exp());
            prop_assert!((risk - health.risk.get()).abs() < 0.01, "{} against {}", risk, health.risk.get());
        }
    }

    #[test]
    fn the_ledger_identity_holds(events in events(120)) {
        let mut engine = Engine::new(rules(), Journal::Off);
        run(&mut engine, &stream(events));
        let total: i64 = engine.accounts().filter_map(Account::mrr_minor).sum();
        let [new, expansion, contraction, churned, reactivation] = engine.totals().movements_minor;
        prop_assert_eq!(total, new + expansion + reactivation - contraction - churned);
    }
}

#[test]
fn hostile_input_leaves_the_state_bounded() {
    let mut engine = Engine::new(rules(), Journal::Off);
    let mut effects = Vec::new();
    for n in 0..1_000_000_u32 {
        let event = Event {
            id: format!("e{n}").into(),
            time: Timestamp::clamped(DAY_0 * DAY_MS + i64::from(n) * 1_000),
            account_id: "acme".into(),
            user_id: Some(format!("user-{n}").into()),
            source: None,
            kind: if n % 2 == 0 {
                Kind::FeatureUsed { feature: format!("feature-{n}").into(), quantity: u32::MAX }
            } else {
                kind(u8::try_from(n % u32::from(KINDS)).unwrap(), n)
            },
        };
        engine.step(&record(n as usize, Input::Event(event)), &mut effects);
    }
    // Surveys and answers of both kinds on every day that is counted, more than one byte of each.
    for n in 0..(600 * 90_u32) {
        let event = Event {
            id: format!("v{n}").into(),
            time: Timestamp::clamped((DAY_0 + 12 + i64::from(n / 600)) * DAY_MS),
            account_id: "acme".into(),
            user_id: None,
            source: None,
            kind: match n % 4 {
                0 => Kind::SurveySent { survey: Survey::Nps },
                1 => Kind::SurveySent { survey: Survey::Csat },
                2 => Kind::NpsResponded { score: 9 },
                _ => Kind::CsatResponded { score: 5 },
            },
        };
        engine.step(&record(n as usize, Input::Event(event)), &mut effects);
    }
    let account = engine.account("acme").unwrap();
    let mut bytes = Vec::new();
    encode_account(account, &mut bytes);
    assert!(bytes.len() <= ACCOUNT_BYTES_MAX, "{} bytes", bytes.len());
    let voice = account.voice.as_ref().unwrap();
    assert_eq!((voice.sent.len(), voice.answered.len()), (90, 90));
    assert!(account.features.sampled && account.users.sampled);
    assert!((400_000.0..1_000_000.0).contains(&account.features.distinct()), "{}", account.features.distinct());
}

#[test]
fn an_event_ahead_of_its_record_is_refused() {
    let mut engine = Engine::new(rules(), Journal::Off);
    let mut effects = Vec::new();
    let mut early = record(0, progress(DAY_0 * DAY_MS));
    early.received_at = Timestamp::clamped(DAY_0 * DAY_MS);
    let event = |ms: i64| Event {
        id: format!("e{ms}").into(),
        time: Timestamp::clamped(DAY_0 * DAY_MS + ms),
        account_id: "acme".into(),
        user_id: None,
        source: None,
        kind: Kind::SurveySent { survey: Survey::Nps },
    };
    for (ms, refused) in [(3_600_000, 0), (3_600_001, 1)] {
        early.input = Input::Event(event(ms));
        engine.step(&early, &mut effects);
        let rejects = effects.iter().filter(|effect| matches!(effect, Effect::Reject(_))).count();
        assert_eq!(rejects, refused);
    }
}

/// An account of which everything there is to know is known.
fn golden_account() -> Account {
    let mut engine = Engine::new(Arc::new(Rules::default()), Journal::Off);
    let happened = (0..660_u32).map(|index| Event {
        id: format!("e{index}").into(),
        time: Timestamp::clamped(DAY_0 * DAY_MS + i64::from(index) * 8 * 3_600_000),
        account_id: "golden".into(),
        user_id: Some(format!("user-{}", index % 7).into()),
        source: None,
        // The last month is silent but for what is no usage.
        kind: kind(
            u8::try_from(if index < 560 { index % u32::from(KINDS) } else { 15 + index % 12 }).unwrap(),
            index.wrapping_mul(7919),
        ),
    });
    run(&mut engine, &stream(happened.collect()));
    engine.account("golden").unwrap().clone()
}

/// An account that an engine of the first version wrote reads back as what it kept, survives being written anew, and
/// its ledger by month begins with the sums that were kept.
#[test]
fn the_golden_file_of_state_version_1_reads_back() {
    let known = golden_account();
    let account = decode_account(include_bytes!("../../tests/golden/account-v1.bin")).unwrap();
    let mut bytes = Vec::new();
    encode_account(&account, &mut bytes);
    assert_eq!(decode_account(&bytes).unwrap(), account);
    assert_eq!(account.activity, known.activity);
    assert_eq!((&account.users, &account.features), (&known.users, &known.features));
    assert_eq!((&account.limits, &account.people, &account.tickets), (&known.limits, &known.people, &known.tickets));
    assert_eq!((&account.profile, &account.dedup), (&known.profile, &known.dedup));
    let (voice, before) = (account.voice.as_ref().unwrap(), known.voice.as_ref().unwrap());
    assert_eq!((&voice.answers, &voice.ratings, &voice.asked), (&before.answers, &before.ratings, &before.asked));
    let (onboarding, before) = (account.onboarding.as_ref().unwrap(), known.onboarding.as_ref().unwrap());
    assert_eq!((onboarding.trial_at, &onboarding.steps), (before.trial_at, &before.steps));
    assert_eq!(onboarding.trial.as_deref(), Some(&Trial { starts: 1, ..Trial::default() }));
    let (billing, before) = (account.billing.as_ref().unwrap(), known.billing.as_ref().unwrap());
    // It kept fewer changes that tell money.
    let told = |billing: &Billing| {
        let told = billing.changes.iter().filter(|change| change.mrr_minor.is_some());
        told.map(|change| (change.stamp, change.mrr_minor)).collect::<Vec<_>>()
    };
    assert!(told(before).ends_with(&told(billing)));
    assert_eq!(billing.failures, before.failures);
    let mut engine = Engine::new(Arc::new(Rules::default()), Journal::Keep);
    engine.restore_account(account);
    engine.finish_restore();
    let mrr_minor = engine.account("golden").unwrap().billing.as_ref().unwrap().ledger.mrr_minor;
    let latest = Length::Year.of(Month::new(2030, 1));
    assert_eq!(engine.kpis().total().at(latest).mrr_end_minor(), mrr_minor);
    assert!(engine.kpis().left_out > 0);
}

/// An account that an engine of the second version wrote reads back whole, and is written with the same bytes again.
/// `UPDATE_EXPECT=1` writes the file anew, which is allowed only until the version is released.
#[test]
fn the_golden_file_of_state_version_2_reads_back() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/account-v2.bin");
    let known = golden_account();
    assert!(known.limits.is_some() && known.people.is_some() && known.voice.is_some());
    assert!(known.tickets.is_some() && known.onboarding.as_ref().unwrap().trial.is_some());
    assert!(known.profile.is_some() && !known.judgement.alerts.is_empty());
    assert!(!known.billing.as_ref().unwrap().folded.as_ref().unwrap().book.lines.is_empty());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let mut bytes = Vec::new();
        encode_account(&known, &mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
    let golden = std::fs::read(path).unwrap();
    let account = decode_account(&golden).unwrap();
    assert_eq!(account, known);
    let mut bytes = Vec::new();
    encode_account(&account, &mut bytes);
    assert_eq!(golden, bytes);
}

#[test]
fn a_state_whose_volumes_are_not_those_of_its_active_days_is_damaged() {
    let mut account = decode_account(include_bytes!("../../tests/golden/account-v1.bin")).unwrap();
    account.activity.volumes.pop();
    let mut bytes = Vec::new();
    encode_account(&account, &mut bytes);
    assert!(matches!(decode_account(&bytes), Err(StateError::Damaged(_))));
}

/// Events of whom the rules leave out change nothing, as if they had never been sent, and are counted.
#[test]
fn whom_the_rules_leave_out_counts_for_nothing() {
    let exclusions =
        Exclusions { users: vec!["svc-*".to_owned()], sources: vec!["qa".to_owned()], ..Exclusions::default() };
    let rules = Arc::new(Rules { exclusions, ..Rules::default() });
    let (mut engine, mut plain) = (Engine::new(Arc::clone(&rules), Journal::Off), Engine::new(rules, Journal::Off));
    let (mut effects, mut expected) = (Vec::new(), Vec::new());
    for day in 0..60_i64 {
        for (index, (user, source)) in [("ann", None), ("svc-sync", None), ("kim", Some("qa"))].into_iter().enumerate()
        {
            let event = Event {
                id: format!("e{day}-{index}").into(),
                time: Timestamp::clamped((DAY_0 + day) * DAY_MS),
                account_id: if index == 1 && day < 30 { "only-bots" } else { "acme" }.into(),
                user_id: Some(user.into()),
                source: source.map(Into::into),
                kind: kind(u8::try_from(day % 16).unwrap(), u32::try_from(day).unwrap()),
            };
            // People stop after a month; the automation goes on.
            if index == 0 && day < 30 {
                plain.step(&record(0, Input::Event(event.clone())), &mut expected);
            }
            if index > 0 || day < 30 {
                engine.step(&record(0, Input::Event(event)), &mut effects);
            }
        }
        let progress = record(0, progress((DAY_0 + day) * DAY_MS));
        engine.step(&progress, &mut effects);
        plain.step(&progress, &mut expected);
    }
    assert_eq!(effects, expected);
    assert_eq!(accounts(&engine), accounts(&plain));
    assert_eq!(engine.counts().excluded, 120);
    assert!(engine.account("only-bots").is_none());
}

/// What we do to reach a customer is no sign of life of theirs.
#[test]
fn outreach_is_no_engagement() {
    let outreach = [
        Kind::SurveySent { survey: Survey::Nps },
        Kind::TicketClosed { ticket: "t".into() },
        Kind::UserAdded { role: Some(Role::Member), title: None },
        Kind::AlertAction {
            alert: "a".into(),
            action: AlertAction::Acknowledged,
            by: "kim".into(),
            note: Some("called them".into()),
        },
        Kind::AlertAction { alert: "a".into(), action: AlertAction::Commented, by: "kim".into(), note: None },
    ];
    let mut engine = Engine::new(rules(), Journal::Off);
    for (index, kind) in outreach.into_iter().enumerate() {
        let event = Event {
            id: format!("e{index}").into(),
            time: Timestamp::clamped(DAY_0 * DAY_MS),
            account_id: "acme".into(),
            user_id: Some("kim".into()),
            source: None,
            kind,
        };
        engine.step(&record(index, Input::Event(event)), &mut Vec::new());
    }
    let account = engine.account("acme").unwrap();
    assert!(!account.activity.is_used() && account.users.members.is_empty());
    assert_eq!(engine.health(account).last_seen, None);
}

/// A user of two accounts is a user of each: what they do and become in one says nothing about the other.
#[test]
fn a_user_of_two_accounts_is_judged_in_each_by_itself() {
    let mut engine = Engine::new(rules(), Journal::Off);
    let mut effects = Vec::new();
    let mut put = |day: i64, account: &'static str, kind: Kind<'static>| {
        let event = Event {
            id: format!("{account}-{day}-{}", kind.type_name()).into(),
            time: Timestamp::clamped((DAY_0 + day) * DAY_MS),
            account_id: account.into(),
            user_id: Some("ann".into()),
            source: None,
            kind,
        };
        engine.step(&record(0, Input::Event(event)), &mut effects);
    };
    for day in 0..60 {
        for account in ["acme", "other"] {
            if day == 0 {
                put(day, account, Kind::UserAdded { role: Some(Role::Champion), title: None });
            }
            put(day, account, Kind::SessionStarted { duration_s: None });
        }
    }
    put(60, "acme", Kind::UserDeactivated);
    put(61, "acme", Kind::SessionStarted { duration_s: None });
    put(61, "other", Kind::SessionStarted { duration_s: None });
    let departure = |id: &str| {
        let health = engine.health(engine.account(id).unwrap());
        health.evidence.iter().any(|evidence| evidence.signal == "champion_departure")
    };
    assert!(departure("acme") && !departure("other"));
    assert_eq!(engine.account("other").unwrap().users.members.len(), 1);
}

/// What cannot have changed the risk is no reason to judge: people who matter to no signal, payments of who owes nothing, a
/// few hits of a limit.
#[test]
fn news_that_no_signal_reads_are_not_judged() {
    let mut engine = Engine::new(rules(), Journal::Off);
    let mut judged = |second: u32, user: &'static str, kind: Kind<'static>| {
        let event = Event {
            id: format!("e{second}").into(),
            time: Timestamp::clamped(DAY_0 * DAY_MS + i64::from(second) * 1_000),
            account_id: "acme".into(),
            user_id: Some(user.into()),
            source: None,
            kind,
        };
        engine.step(&record(0, progress(event.time.ms())), &mut Vec::new());
        let before = engine.counts().judgements;
        engine.step(&record(second as usize, Input::Event(event)), &mut Vec::new());
        engine.counts().judgements > before
    };
    let money = Money { minor: 9_900, currency: Currency::USD };
    let added = |role| Kind::UserAdded { role: Some(role), title: None };
    let paid = || Kind::InvoicePaid { amount: money };
    let failed = || Kind::PaymentFailed { amount: money, attempt: None, next_attempt_at: None };
    let hit = || Kind::LimitReached(LimitUse { limit: "seats".into(), used: None, allowed: None });
    let expected = [
        ("the first event", "ann", added(Role::Member), true),
        ("a hit of a limit", "ann", hit(), false),
        ("one more", "ann", hit(), false),
        ("as many as count", "ann", hit(), true),
        ("one more user", "bob", added(Role::Member), false),
        ("a user who leaves", "bob", Kind::UserDeactivated, false),
        ("the first payment", "ann", paid(), false),
        ("a payment that fails", "ann", failed(), true),
        ("its success", "ann", paid(), true),
        ("the next payment", "ann", paid(), false),
        ("a champion", "eve", added(Role::Champion), true),
        ("a user, where there is a champion", "kim", added(Role::Member), true),
        ("the champion leaves", "eve", Kind::UserDeactivated, true),
    ];
    for (second, (what, user, kind, is_judged)) in (0..).zip(expected) {
        assert_eq!(judged(second, user, kind), is_judged, "{what}");
    }
}

/// A company whose queue delivers twice after days, beyond what is remembered of ids.
#[test]
fn what_signals_count_one_by_one_counts_once_however_late_it_is_told_again() {
    let mut engine = Engine::new(rules(), Journal::Off);
    let mut put = |offset: usize, id: &'static str, day: i64, kind: Kind<'static>| {
        let event = Event {
            id: id.into(),
            time: Timestamp::clamped((DAY_0 + day) * DAY_MS),
            account_id: "acme".into(),
            user_id: None,
            source: None,
            kind,
        };
        engine.step(&record(offset, Input::Event(event)), &mut Vec::new());
    };
    let amount = Money { minor: 9_900, currency: Currency::USD };
    let failed = || Kind::PaymentFailed { amount, attempt: None, next_attempt_at: None };
    let hit = || Kind::LimitReached(LimitUse { limit: "seats".into(), used: None, allowed: None });
    let opened = || Kind::TicketOpened { ticket: "t1".into(), severity: None, topic: None };
    let answered = || Kind::NpsResponded { score: 3 };
    put(0, "failed", 0, failed());
    put(1, "hit", 0, hit());
    put(2, "opened", 0, opened());
    put(3, "answered", 0, answered());
    for (offset, day) in (4..).zip(1..30) {
        put(offset, if day % 2 == 0 { "even" } else { "odd" }, day, Kind::SessionStarted { duration_s: None });
    }
    put(40, "failed", 0, failed());
    put(41, "hit", 0, hit());
    put(42, "opened", 0, opened());
    put(43, "answered", 0, answered());
    assert_eq!(engine.counts().duplicates, 0, "their ids are forgotten");
    let account = engine.account("acme").unwrap();
    assert_eq!(account.billing.as_ref().unwrap().failures.len(), 1);
    assert_eq!(account.limits.as_ref().unwrap().hits.len(), 1);
    assert_eq!(account.tickets.as_ref().unwrap().openings().count(), 1);
    assert_eq!(account.voice.as_ref().unwrap().answers.len(), 1);
}

/// What is lost is told with the loss, and stands.
#[test]
fn the_health_of_an_account_that_left_says_what_it_paid() {
    let mut engine = Engine::new(rules(), Journal::Off);
    let mut healths = Vec::new();
    let mut put = |day: i64, change: SubscriptionChange, mrr: Option<i64>| {
        let terms = Terms {
            subscription: "s".into(),
            plan: None,
            mrr: mrr.map(|minor| Money { minor, currency: Currency::USD }),
            seats: None,
            interval: None,
            term_ends_at: None,
            effective_at: None,
            reason: None,
        };
        let event = Event {
            id: format!("e{day}").into(),
            time: Timestamp::clamped((DAY_0 + day) * DAY_MS),
            account_id: "acme".into(),
            user_id: None,
            source: None,
            kind: Kind::Subscription { change, terms },
        };
        let mut effects = Vec::new();
        engine.step(&record(0, progress(event.time.ms())), &mut effects);
        engine.step(&record(usize::try_from(day).unwrap(), Input::Event(event)), &mut effects);
        healths.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Health(health) => Some(*health),
            _ => None,
        }));
    };
    put(0, SubscriptionChange::Started, Some(9_900));
    put(40, SubscriptionChange::Canceled, None);
    let last = healths.last().unwrap();
    assert!(last.churned_at.is_some());
    assert_eq!(last.mrr.map(|mrr| mrr.minor), Some(9_900));
    assert!(last.revenue_at_risk.is_some_and(|at_risk| at_risk.minor > 0));
    // And so for whoever asks later.
    let account = engine.account("acme").unwrap();
    let later = Timestamp::clamped((DAY_0 + 200) * DAY_MS);
    assert_eq!(
        engine.verdict_at(account, later),
        engine.verdict_at(account, Timestamp::clamped((DAY_0 + 40) * DAY_MS))
    );
    assert_eq!(engine.totals().segments.iter().map(|segment| segment.paying).sum::<u64>(), 0);
}

/// Of an account that has a subscription and never used anything use says nothing, by whichever weights.
#[test]
fn where_use_says_nothing_the_contract_alone_makes_the_risk() {
    let rules = Rules::default();
    let model = Model {
        intercept: -2.0,
        weights: [1.0; FEATURES],
        means: [0.5; FEATURES],
        scales: [1.0; FEATURES],
        record: TrackRecord::default(),
    };
    let learned = Fleet { models: [Some(model.clone()), Some(model)], ..Fleet::default() };
    let terms = |account: &Account, fleet: &Fleet| -> Vec<&'static str> {
        let now = Timestamp::clamped((DAY_0 + 200) * DAY_MS);
        let told = assess(account, now, &rules, fleet).contributions();
        let mut told: Vec<&str> = told.into_iter().map(|one| one.term).filter(|term| FACTS.contains(term)).collect();
        told.sort_unstable();
        told
    };
    let mut account = Account::new("acme");
    let terms_of = Terms {
        subscription: "s".into(),
        plan: None,
        mrr: Some(Money { minor: 9_900, currency: Currency::USD }),
        seats: None,
        interval: None,
        term_ends_at: None,
        effective_at: None,
        reason: None,
    };
    let event = Event {
        id: "e".into(),
        time: Timestamp::clamped(DAY_0 * DAY_MS),
        account_id: "acme".into(),
        user_id: None,
        source: None,
        kind: Kind::Subscription { change: SubscriptionChange::Started, terms: terms_of },
    };
    account.take(&event, 1, Offset(1), &rules);
    assert_eq!(terms(&account, &Fleet::default()), Vec::<&str>::new());
    assert_eq!(terms(&account, &learned), ["other_events", "price", "tenure"]);
}

/// A risk above the usual has a sentence, also where no signal speaks.
#[test]
fn whatever_raises_the_risk_is_told() {
    let rules = Rules::default();
    let fleet = Fleet::default();
    let (mut alone, mut scarce) = (Vec::new(), Vec::new());
    for gap in [1, 2, 5, 9, 14, 30, 45] {
        let mut account = Account::new("acme");
        for (index, day) in (0_u64..).zip((0..90).step_by(gap)) {
            let event = Event {
                id: format!("e{day}").into(),
                time: Timestamp::clamped((DAY_0 + day) * DAY_MS),
                account_id: "acme".into(),
                user_id: None,
                source: None,
                kind: Kind::SessionStarted { duration_s: None },
            };
            account.take(&event, index, Offset(day), &rules);
        }
        for silence in 0..120 {
            let now = account.activity.last_at.plus(Span::from_days(silence));
            let assessment = assess(&account, now, &rules, &fleet);
            let evidence = assessment.evidence(&account, &rules, &fleet, PartitionIndex(0));
            assert!(assessment.risk.get() < rules.bands.watch.exit || !evidence.is_empty(), "{gap} {silence}");
            let [_, expected_days] = assessment.scarcity.expected_days;
            let told = evidence.into_iter().find(|one| one.signal == "expected_activity");
            let sentences = if expected_days < 1.0 { &mut scarce } else { &mut alone };
            sentences.extend(told.map(|told| told.sentence));
        }
    }
    // What is told goes with a high risk, whether much activity is to be expected or little.
    expect_test::expect![
        "Last active 1 day ago, on 90 days in all: it stays silent for the next 28 days with a probability of 11 %."
    ]
    .assert_eq(&alone[0]);
    expect_test::expect![
        "Last active 81 days ago, on 7 days in all: 1.0 active days are to be expected in the next 28 days."
    ]
    .assert_eq(&scarce[0]);
}

/// One source is read three months ahead of the other: what has not been read yet is no silence.
#[test]
fn a_source_that_is_ahead_makes_nobody_silent() {
    let mut engine = Engine::new(rules(), Journal::Off);
    let mut raised = Vec::new();
    let mut put = |ms: i64, input: Input<'static>| {
        let mut effects = Vec::new();
        engine.step(&record(usize::try_from(ms / 1_000).unwrap(), input), &mut effects);
        raised.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Alert(change) => Some((change.alert_type, change.health.as_of)),
            _ => None,
        }));
    };
    let event = |day: i64, kind: Kind<'static>| {
        Input::Event(Event {
            id: format!("{}-{day}", kind.type_name()).into(),
            time: Timestamp::clamped((DAY_0 + day) * DAY_MS + 1_000),
            account_id: "acme".into(),
            user_id: Some("ann".into()),
            source: None,
            kind,
        })
    };
    let amount = Money { minor: 9_900, currency: Currency::USD };
    for day in 0..180 {
        let now = (DAY_0 + day) * DAY_MS;
        put(now, progress(now));
        if day == 60 {
            // All of the year's billing at once.
            for ahead in (30..170).step_by(10) {
                put(now, event(ahead, Kind::PaymentFailed { amount, attempt: None, next_attempt_at: None }));
                put(now, event(ahead + 1, Kind::InvoicePaid { amount }));
            }
        }
        put(now, event(day, Kind::SessionStarted { duration_s: None }));
    }
    assert!(raised.iter().all(|(alert_type, _)| *alert_type == "payment_failures"), "{raised:?}");
    let account = engine.account("acme").unwrap();
    assert!(account.judgement.at.unwrap() <= Timestamp::clamped((DAY_0 + 180) * DAY_MS));
}
