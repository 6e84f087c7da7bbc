//! The engine: decides, for one partition of the canonical log, what is to be told about its accounts.
//!
//! Pure and deterministic: the same records give the same state and the same effects, byte for byte. There is no I/O,
//! clock, randomness, logging or locking here, and nothing here can fail on data: a record that cannot be believed
//! becomes an [`effect::Effect::Reject`]. Reading order: [`event`] -> [`input`] -> [`account`] -> [`signals`] ->
//! [`risk`] -> [`alert`] -> [`effect`]; this file joins them.

pub mod account;
pub mod alert;
mod clock;
pub mod dedup;
pub mod effect;
pub mod event;
pub mod exclusions;
pub mod facts;
mod health;
pub mod input;
pub mod risk;
pub mod rules;
pub mod signals;
mod store;
mod sums;
mod timers;
pub mod totals;

use std::sync::Arc;

use account::{Account, Urgency};
use effect::{AlertChange, Effect, Health, Reject, Transition};
use event::{Event, Kind};
use input::{Fleet, Input, Record, SourceReport, SourceTopic};
use risk::{Assessment, assess};
use rules::Rules;
pub use store::ANTICIPATED_MAX;
use store::{Slot, Store};
use sums::Sums;
use timers::Timers;
use totals::Totals;

use crate::units::{Offset, PartitionIndex, Span, Timestamp, stable_hash};

/// Whether the engine remembers how to take back what it did since the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journal {
    /// Keep pre-images of changed accounts until [`Engine::commit`] or [`Engine::roll_back`].
    Keep,
    /// Changes are final at once (file mode, simulator).
    Off,
}

/// The state of one partition and the function over it.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<Rules>,
    rules_hash: String,
    journal: Journal,
    partition: PartitionState,
    counts: Counts,
    /// What partition and counts were at the last commit, once something has changed since.
    committed: Option<(PartitionState, Counts)>,
    store: Store,
    sums: Sums,
    timers: Timers,
    /// Reused between records.
    alert_changes: Vec<(u8, Transition)>,
}

/// What belongs to the partition rather than to an account; part of the commit record.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PartitionState {
    /// Which partition of the canonical log it is.
    pub index: PartitionIndex,
    /// The engine's clock: everything up to it has been read from every source. `None` until all have reported.
    pub clock: Option<Timestamp>,
    /// The sources that must report.
    pub sources: Vec<SourceTopic>,
    /// The latest report of each source partition, by topic and partition.
    pub reports: Vec<SourceReport>,
    /// The fleet record in force.
    pub fleet: Fleet,
}

/// What the engine has counted since it was created or restored; each becomes a counter metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that changed state.
    pub accepted: u64,
    /// Events seen before.
    pub duplicates: u64,
    /// Events too old for the activity windows or for the billing timeline; the rest of what they say was taken in.
    pub too_late: u64,
    /// Events of users or sources that do not count by configuration.
    pub excluded: u64,
    /// Subscription events whose money is in a currency without a configured rate: their MRR is left as it was.
    pub unpriced: u64,
    /// Times an account was judged.
    pub judgements: u64,
}

/// An account at risk is looked at this often, until it has been silent for [`LONG_QUIET_DAYS`].
const TROUBLED_LOOK: Span = Span::from_days(1);
/// Any other account is looked at this often: on its own activity, by a timer when there is none.
const REGULAR_LOOK: Span = Span::from_days(7);
/// One whose risk is far from any band is looked at this often by its timer.
const SAFE_LOOK: Span = Span::from_days(14);
/// Far from any band: below this share of where `watch` begins.
const SAFE_SHARE: f64 = 0.5;
/// Who has been silent for longer changes slowly.
const LONG_QUIET_DAYS: u16 = 28;
/// No account is looked at again sooner than this by its timer, so that time always moves on.
const SOONEST_LOOK: Span = Span::from_hours(1);

/// Why an account is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Its timer, or one more day of usage.
    Routine,
    /// Something else has happened.
    Facts,
}

impl Engine {
    /// An empty partition under `rules`.
    #[must_use]
    pub fn new(rules: Arc<Rules>, journal: Journal) -> Engine {
        Engine {
            rules_hash: format!("{:016x}", rules.hash()),
            rules,
            journal,
            partition: PartitionState::default(),
            counts: Counts::default(),
            committed: None,
            store: Store::new(journal),
            sums: Sums::default(),
            timers: Timers::default(),
            alert_changes: Vec::new(),
        }
    }

    /// Takes in one record and appends what is to be done about it to `effects`, in order.
    pub fn step(&mut self, record: &Record<'_>, effects: &mut Vec<Effect>) {
        if self.journal == Journal::Keep && self.committed.is_none() {
            self.committed = Some((self.partition.clone(), self.counts));
        }
        self.partition.index = record.position.partition;
        match &record.input {
            Input::Event(event) => {
                if event.time > record.received_at.plus(self.rules.future_skew) {
                    effects.push(Effect::Reject(Reject::FutureTime));
                } else if self.rules.exclusions.is_excluded(event) {
                    self.counts.excluded += 1;
                } else {
                    self.take(event, record.position.offset, effects);
                }
            }
            Input::Progress(progress) => {
                self.partition.advance(progress, &self.rules);
                self.fire(effects);
            }
            Input::Fleet(fleet) => self.partition.fleet = fleet.clone(),
        }
    }

    /// Brings the accounts of records that will be stepped next close, at most [`ANTICIPATED_MAX`] of them.
    ///
    /// Changes nothing but the time the steps take: with many accounts, a third of it.
    pub fn anticipate<'a>(&self, records: impl Iterator<Item = &'a Input<'a>>) {
        let ids = records.filter_map(|input| match input {
            Input::Event(event) => Some(&*event.account_id),
            Input::Progress(_) | Input::Fleet(_) => None,
        });
        self.store.warm(&self.store.find_all(ids));
    }

    /// Takes in an event and judges its account where the event can have changed something.
    fn take(&mut self, event: &Event<'_>, offset: Offset, effects: &mut Vec<Effect>) {
        let slot = self.store.find_or_add(&event.account_id);
        let Some(account) = self.store.change(slot) else { return };
        let event_hash = stable_hash(event.id.as_bytes());
        if account.dedup.is_repeated(event_hash, event.time, self.rules.dedup_window) {
            self.counts.duplicates += 1;
            return;
        }
        let weight = account.users.weight();
        let is_billing = matches!(event.kind, Kind::Subscription { .. });
        let moved = if is_billing { sums::movements(account) } else { Default::default() };
        let change = account.take(event, event_hash, offset, &self.rules);
        self.counts.accepted += 1;
        self.counts.too_late += u64::from(change.too_late);
        self.counts.unpriced += u64::from(change.unpriced);
        if let (Some(user_id), true) = (&event.user_id, change.user != facts::crowd::Seen::Known) {
            let hash = facts::crowd::Crowd::hash(user_id);
            self.sums.see_user(&account.users, weight, hash, event.time.day(), change.user);
        }
        if is_billing {
            self.sums.book(moved, account);
        }
        let now = account.present(self.partition.clock);
        match change.urgency {
            Urgency::None => {}
            Urgency::Routine if !self.is_to_be_judged(slot, now) => self.put_off(slot, now),
            Urgency::Routine => self.judge(slot, now, Cause::Routine, effects),
            Urgency::Now => self.judge(slot, now, Cause::Facts, effects),
        }
    }

    /// Whether an account that was active once more is judged at once: it is in trouble, or has not been looked at for
    /// some time.
    fn is_to_be_judged(&self, slot: Slot, now: Timestamp) -> bool {
        self.store.get(slot).is_some_and(|account| {
            account.judgement.at.is_none_or(|at| now.since(at) >= REGULAR_LOOK) || account.is_troubled()
        })
    }

    /// Puts off the next look at a healthy account that was active once more: its silence begins anew, and may last as
    /// long as it might when it was judged.
    fn put_off(&mut self, slot: Slot, now: Timestamp) {
        let Some(account) = self.store.change(slot) else { return };
        let later = timers::round_up(now.plus(Span::from_days(account.judgement.patience_days.into())));
        if account.judgement.due.is_some_and(|due| due < later) {
            account.judgement.due = Some(later);
            self.timers.set(slot, stable_hash(account.id.as_bytes()), later);
        }
    }

    /// Judges the accounts whose timers are due at the clock, in order of due time, each at its due time.
    fn fire(&mut self, effects: &mut Vec<Effect>) {
        let Some(clock) = self.partition.clock else { return };
        let mut fired = 0_usize;
        while let Some(slot) = self.timers.pop(clock) {
            if fired.is_multiple_of(ANTICIPATED_MAX) {
                self.store.warm(&self.timers.upcoming());
            }
            fired += 1;
            let Some(account) = self.store.get(slot) else { continue };
            if let Some(due) = account.judgement.due {
                self.judge(slot, due.max(account.activity.latest_at), Cause::Routine, effects);
            }
        }
    }

    /// Judges the account in `slot` at `now`: risk, band, alerts, what is told, when to look again.
    fn judge(&mut self, slot: Slot, now: Timestamp, cause: Cause, effects: &mut Vec<Effect>) {
        let rules = &*self.rules;
        let Some(account) = self.store.change(slot) else { return };
        let left = account.has_left();
        if left && account.judgement.due.is_none() && account.judgement.at.is_some() {
            // Its health is frozen as it was when it left.
            return;
        }
        self.counts.judgements += 1;
        let assessment = assess(account, now, rules, &self.partition.fleet);
        account.judgement.at = Some(now);
        if !left {
            alert::settle_band(&mut account.judgement, &assessment, &rules.bands);
        }
        self.alert_changes.clear();
        alert::settle_alerts(account, &assessment, rules, &mut self.alert_changes);
        account.judgement.due = if left { None } else { Some(next_look(account, &assessment, rules)) };
        account.judgement.patience_days = patience_days(account);
        let next = health::publishable(account, &assessment);
        let outdated = account.judgement.published.is_none_or(|published| published.is_outdated_by(&next, rules));
        if outdated {
            account.judgement.published = Some(next);
        }
        let told = outdated || !self.alert_changes.is_empty();
        if told {
            let health = health::tell(account, &assessment, rules, self.partition.index);
            for (kind, transition) in &self.alert_changes {
                effects.extend(alert_effect(account, *kind, *transition, &health, &self.rules_hash));
            }
            if outdated {
                effects.push(Effect::Health(Box::new(health)));
            }
        }
        // What is summed up changes with what is told, with facts, and as answers grow old.
        if told || cause == Cause::Facts || account.voice.is_some() {
            self.sums.recount(slot, account, rules);
        }
        match account.judgement.due {
            Some(due) => self.timers.set(slot, stable_hash(account.id.as_bytes()), due),
            None => self.timers.clear(slot),
        }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Clock, sources and fleet record.
    #[must_use]
    pub fn partition(&self) -> &PartitionState {
        &self.partition
    }

    /// Sums over its accounts.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.sums.totals
    }

    /// Counters since creation or restore.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many accounts it holds.
    #[must_use]
    pub fn accounts_len(&self) -> usize {
        self.store.len()
    }

    /// The accounts, in no particular order.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.store.iter()
    }

    /// The account of `id`.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.store.get(self.store.find(id)?)
    }

    /// The health of every account as of the clock, in no particular order.
    pub fn healths(&self) -> impl Iterator<Item = Health> + '_ {
        self.store.iter().map(|account| self.health(account))
    }

    /// The health of one of its accounts as of the clock.
    #[must_use]
    pub fn health(&self, account: &Account) -> Health {
        let PartitionState { index, clock, fleet, .. } = &self.partition;
        health::tell_at(account, *clock, &self.rules, fleet, *index)
    }

    /// The accounts changed since the last commit, each once, in order of first change. Needs [`Journal::Keep`].
    pub fn changed(&self) -> impl Iterator<Item = &Account> {
        self.store.changed().filter_map(|slot| self.store.get(slot))
    }

    /// How many accounts have changed since the last commit. Needs [`Journal::Keep`].
    #[must_use]
    pub fn changed_len(&self) -> usize {
        self.store.changed_len()
    }

    /// Makes everything since the last commit final.
    pub fn commit(&mut self) {
        self.store.commit();
        self.committed = None;
    }

    /// Takes back everything since the last commit: accounts, partition state, totals, timers, counts.
    pub fn roll_back(&mut self) {
        let Engine { store, sums, timers, rules, .. } = self;
        while store.roll_back_one(|slot, now, before| {
            sums.subtract(now);
            if let Some(before) = before {
                sums.add(before);
                sums.recount(slot, before, rules);
                match before.judgement.due {
                    Some(due) => timers.set(slot, stable_hash(before.id.as_bytes()), due),
                    None => timers.clear(slot),
                }
            } else {
                sums.remove_last(slot);
                timers.truncate(slot.index());
            }
        }) {}
        if let Some((partition, counts)) = self.committed.take() {
            self.partition = partition;
            self.counts = counts;
        }
    }

    /// Puts back an account from the changelog; a later one of the same id replaces it.
    pub fn restore_account(&mut self, account: Account) {
        self.store.restore(account);
    }

    /// Puts back the partition state from the commit record.
    pub fn restore_partition(&mut self, partition: PartitionState) {
        self.partition = partition;
    }

    /// Ends a restore: derives totals and timers from the accounts.
    pub fn finish_restore(&mut self) {
        for slot in self.store.slots() {
            let Some(account) = self.store.get(slot) else { continue };
            self.sums.add(account);
            self.sums.recount(slot, account, &self.rules);
            if let Some(due) = account.judgement.due {
                self.timers.set(slot, stable_hash(account.id.as_bytes()), due);
            }
        }
    }
}

/// When an account that has just been judged is to be looked at again if nothing happens.
fn next_look(account: &Account, assessment: &Assessment, rules: &Rules) -> Timestamp {
    let now = assessment.now;
    let long_quiet = account.activity.quiet_days(now) > LONG_QUIET_DAYS;
    let look = if account.judgement.band >= effect::Band::AtRisk && !long_quiet {
        TROUBLED_LOOK
    } else if !account.is_troubled() && assessment.risk.get() < rules.bands.watch.enter * SAFE_SHARE {
        SAFE_LOOK
    } else {
        REGULAR_LOOK
    };
    let mut due = now.plus(look);
    for reading in assessment.readings.iter().filter_map(|reading| reading.next_due) {
        due = due.min(reading);
    }
    if let Some(since) = account.judgement.below_since {
        due = due.min(since.plus(rules.bands.dwell));
    }
    timers::round_up(due.max(now.plus(SOONEST_LOOK)))
}

/// How many days after the last activity the account is due.
fn patience_days(account: &Account) -> u8 {
    let due_day = account.judgement.due.map_or(0, |due| due.day().number());
    u8::try_from(due_day.saturating_sub(account.activity.last_day.number()).max(1)).unwrap_or(u8::MAX)
}

fn alert_effect(
    account: &Account,
    kind: u8,
    transition: Transition,
    health: &Health,
    rules_hash: &str,
) -> Option<Effect> {
    let state = account.alert(kind)?;
    Some(Effect::Alert(Box::new(AlertChange {
        alert_id: alert::alert_id(&account.id, kind, state.episode),
        alert_type: alert::type_name(kind),
        episode: state.episode,
        transition,
        severity: state.open.unwrap_or(account.judgement.severity()),
        raised_at: state.raised_at,
        health: health.clone(),
        rules: rules_hash.to_owned(),
    })))
}

#[cfg(test)]
mod tests;
