//! The engine: decides, for one partition of the canonical log, what is to be told about its accounts.
//!
//! Pure and deterministic: the same records give the same state and the same effects, byte for byte. There is no I/O,
//! clock, randomness, logging or locking here, and nothing here can fail on data: a record that cannot be believed
//! becomes an [`effect::Effect::Reject`]. Reading order: [`event`] -> [`input`] -> [`account`] -> [`signals`] ->
//! [`risk`] -> [`alert`] -> [`effect`]; this file joins them.

pub mod account;
pub mod alert;
mod anticipated;
mod cadence;
pub mod census;
mod clock;
mod close;
mod committed;
mod counts;
pub mod dedup;
mod deed;
pub mod effect;
pub mod event;
pub mod exclusions;
pub mod facts;
pub mod fleet;
mod frozen;
pub mod guard;
mod health;
mod index;
pub mod input;
pub mod kpis;
pub mod playbook;
pub mod quality;
pub mod rates;
pub mod risk;
pub mod rules;
pub mod signals;
mod store;
mod sums;
mod timers;
pub mod totals;
pub mod vocabulary;

use std::sync::Arc;

use account::{Account, Urgency};
use alert::correction::{self, Without};
use anticipated::Anticipated;
pub use counts::Counts;
use effect::{Band, Effect, Health, Reject};
use event::{Event, Kind};
use fleet::Fleet;
use fleet::report::FleetReport;
use fleet::sample::Sample;
use guard::Guard;
use input::{Input, Record, SourceReport, SourceTopic};
use quality::Quality;
use risk::{Assessment, assess};
use rules::Rules;
pub use store::ANTICIPATED_MAX;
use store::{Slot, Store};
use sums::Sums;
use timers::Timers;
use totals::Totals;
use vocabulary::Vocabulary;

use crate::units::{Day, Offset, PartitionIndex, Ratio, Span, Timestamp, stable_hash};

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
    sample: Sample,
    /// Reused between records.
    alert_changes: Vec<alert::Change>,
    anticipated: Anticipated,
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
    /// The last day reported on to the fleet's learner.
    pub reported: Option<Day>,
    /// The fleet record in force.
    pub fleet: Arc<Fleet>,
    /// The names of features.
    pub features: Arc<Vocabulary>,
    /// How good the alerts have been.
    pub quality: Box<Quality>,
    /// Whether silence says anything.
    pub guard: Box<Guard>,
}

/// Days that are reported on at once, when the clock has gone far ahead.
const REPORTED_DAYS_MAX: u16 = 128;

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
            sample: Sample::default(),
            alert_changes: Vec::new(),
            anticipated: Anticipated::default(),
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
                let anticipated = self.anticipated.next(&self.store, &event.account_id);
                if event.time > record.received_at.plus(self.rules.future_skew) {
                    effects.push(Effect::Reject(Reject::FutureTime));
                } else if self.rules.exclusions.is_excluded(event) {
                    self.counts.excluded += 1;
                } else {
                    self.take(event, anticipated, record.position.offset, effects);
                }
            }
            // Ingest never runs ahead of its broker: one wrong record would fire every timer.
            Input::Progress(progress) if progress.is_ahead_of(record.received_at.plus(self.rules.future_skew)) => {
                effects.push(Effect::Reject(Reject::FutureTime));
            }
            Input::Progress(progress) => {
                self.partition.advance(progress, &self.rules);
                let sampled = self.sample.iter().take(guard::ACCOUNTS_MAX).filter_map(|(_, slot)| self.store.get(slot));
                self.partition.guard(&self.rules.guard, sampled);
                self.fire(effects);
                self.report(effects);
            }
            Input::Fleet(fleet) => self.partition.fleet = Arc::clone(fleet),
        }
    }

    /// Takes in an event and judges its account where the event can have changed something.
    fn take(&mut self, event: &Event<'_>, anticipated: Option<Slot>, offset: Offset, effects: &mut Vec<Effect>) {
        if let Kind::AlertAction { .. } = event.kind {
            return self.act(event, effects);
        }
        let known = self.store.len();
        let slot = anticipated.unwrap_or_else(|| self.store.find_or_add(&event.account_id));
        if self.store.len() > known {
            self.sample.consider(stable_hash(event.account_id.as_bytes()), slot);
        }
        let Some(account) = self.store.change(slot) else { return };
        if account.standing.has_people_apart && self.rules.exclusions.is_excluded_by_role(event, account) {
            self.counts.excluded += 1;
            return;
        }
        let event_hash = stable_hash(event.id.as_bytes());
        if account.dedup.is_repeated(event_hash, event.time, self.rules.dedup_window) {
            self.counts.duplicates += 1;
            return;
        }
        let now = account.present(self.partition.clock, &self.rules);
        let is_late = event.time < now && correction::is_late(account, event);
        let without = is_late
            .then(|| Without::new(event, account, now, &self.rules, &self.partition.fleet, self.partition.index));
        let weight = account.users.weight();
        let is_billing = matches!(event.kind, Kind::Subscription { .. });
        let moved = if is_billing { sums::movements(account) } else { Default::default() };
        let parts = kpis::touched(event, account);
        let added = (parts != kpis::Parts::NONE).then(|| kpis::contribution(account, &self.rules, parts));
        let change = account.take(event, event_hash, offset, &self.rules);
        self.counts.accepted += 1;
        self.counts.too_late += u64::from(change.too_late);
        self.counts.unpriced += u64::from(change.unpriced);
        if let Kind::FeatureUsed { feature, .. } = &event.kind
            && change.is_new_feature
            && self.partition.features.lacks(feature)
        {
            Arc::make_mut(&mut self.partition.features).note(feature);
        }
        if let (Some(user_id), true) = (&event.user_id, change.user != facts::crowd::Seen::Known) {
            let hash = facts::crowd::Crowd::hash(user_id);
            self.sums.see_user(&account.users, weight, hash, event.time.day(), change.user);
        }
        if is_billing {
            self.sums.book(moved, account);
        }
        if let Some(before) = added {
            self.sums.contribute(before, account, parts, &self.rules);
        }
        let now = account.present(self.partition.clock, &self.rules);
        let is_known = self.partition.reach(&self.rules).is_some_and(|reach| event.time <= reach);
        match change.urgency {
            Urgency::None => {}
            Urgency::Routine if without.is_none() && !self.is_to_be_judged(slot, now) => {
                self.put_off(slot, now.max(event.time));
            }
            _ if !is_known => self.wait(slot, event.time),
            Urgency::Routine | Urgency::Now => self.judge(slot, now, without.as_ref(), effects),
        }
    }

    /// Whether the account was active once more at a time when that is reason enough to judge it.
    fn is_to_be_judged(&self, slot: Slot, now: Timestamp) -> bool {
        self.store.get(slot).is_some_and(|account| cadence::is_due_on_activity(account, now))
    }

    /// Leaves the judgement of an account to when the clock has come near `time`: until then nobody knows what the sources
    /// that are behind will say about it.
    fn wait(&mut self, slot: Slot, time: Timestamp) {
        let Some(account) = self.store.get(slot) else { return };
        self.sums.recount(slot, account, &self.rules);
        let due = self.within_reach_at(time);
        let is_frozen = account.has_left() && account.judgement.at.is_some() && account.judgement.due.is_none();
        if !is_frozen && account.judgement.due.is_none_or(|known| due < known) {
            self.look_at(slot, due);
        }
    }

    /// The whole hour at which the clock has `time` within its reach.
    fn within_reach_at(&self, time: Timestamp) -> Timestamp {
        timers::round_up(time.minus(self.rules.ahead()))
    }

    /// Makes the account due at `due`, a whole hour.
    fn look_at(&mut self, slot: Slot, due: Timestamp) {
        let Some(account) = self.store.change(slot) else { return };
        account.judgement.due = Some(due);
        self.timers.set(slot, &account.id, due);
    }

    /// Puts off the next look at a healthy account that was active once more: its silence begins anew, and may last as
    /// long as it might when it was judged.
    fn put_off(&mut self, slot: Slot, now: Timestamp) {
        let Some(account) = self.store.get(slot) else { return };
        let later = now.plus(Span::from_days(account.judgement.patience_days.into()));
        let later = alert::due(&account.judgement, &self.rules).map_or(later, |due| due.min(later));
        let is_put_off = |later| account.judgement.due.is_some_and(|due| due < timers::round_up(later));
        if !is_put_off(later) {
            return;
        }
        // What a contract or a champion comes to has its date, however active the account is.
        let dated = risk::appointment(account, now, &self.rules, &self.partition.fleet);
        let later = dated.map_or(later, |dated| dated.min(later));
        if is_put_off(later) {
            self.look_at(slot, timers::round_up(later));
        }
    }

    /// Judges the accounts whose timers are due at the clock, in order of due time, each at its due time; nobody while the
    /// guard holds silence.
    fn fire(&mut self, effects: &mut Vec<Effect>) {
        let times = self.partition.clock.zip(self.partition.reach(&self.rules));
        let Some((clock, reach)) = times.filter(|_| !self.partition.guard.is_holding()) else { return };
        while let Some(due) = self.timers.pop(clock) {
            for some in due.chunks(ANTICIPATED_MAX) {
                self.store.bring_close(some.iter().map(|(_, slot)| *slot));
                for (_, slot) in some {
                    let Some(account) = self.store.get(*slot) else { continue };
                    if let Some(left_at) = account.left_at().filter(|left_at| *left_at > reach) {
                        // It has not left yet.
                        self.look_at(*slot, self.within_reach_at(left_at));
                    } else if let Some(due) = account.judgement.due {
                        self.judge(*slot, due.max(account.activity.latest_at.min(reach)), None, effects);
                    }
                }
            }
            self.timers.give_back(due);
        }
    }

    /// Reports to the fleet's learner on the days that the clock has passed the end of.
    fn report(&mut self, effects: &mut Vec<Effect>) {
        let Some(today) = self.partition.clock.map(Timestamp::day) else { return };
        let Some(reported) = self.partition.reported else {
            // What has happened before is the first day's to tell.
            self.partition.reported = Some(Day::new(today.number().saturating_sub(1)));
            return;
        };
        // After a longer gap the fleet begins anew.
        let days = reported.number().max(today.number().saturating_sub(REPORTED_DAYS_MAX)) + 1..today.number();
        if days.is_empty() {
            return;
        }
        let members: Vec<_> = self.sample.iter().collect();
        for day in days.map(Day::new) {
            let accounts = members.chunks(ANTICIPATED_MAX).flat_map(|some| {
                let known = |member: &(u64, Slot)| self.store.get(member.1).map(|account| (member.0, account));
                some.iter().filter_map(known).for_each(|(_, account)| account.activity.bring_close());
                some.iter().filter_map(known)
            });
            let is_present = day.number() + 1 == today.number();
            let report = FleetReport::on(day, accounts, &self.rules, &self.partition.fleet, is_present);
            effects.push(Effect::Fleet(Box::new(FleetReport { partition: self.partition.index, ..report })));
            self.partition.reported = Some(day);
        }
    }

    /// Judges the account in `slot` at `now`: risk, band, alerts, what is told, when to look again. `without` is what was
    /// known before a late event; `alert_changes` may hold what a person just did.
    fn judge(&mut self, slot: Slot, now: Timestamp, without: Option<&Without>, effects: &mut Vec<Effect>) {
        let rules = &*self.rules;
        let Some(account) = self.store.change(slot) else { return };
        let left = account.has_left();
        let is_known = account.judgement.at.is_some();
        if left && account.judgement.due.is_none() && is_known {
            // Its health is frozen as it was when it left.
            return;
        }
        self.counts.judgements += 1;
        // Needed if the judgement is told, which is known when these have come.
        self.sums.bring_close(slot);
        account.bring_story_close();
        let left_at = account.left_at();
        let assessment = assess(&account.as_it_stood(), left_at.unwrap_or(now), rules, &self.partition.fleet);
        let judged_before = account.judgement.at.replace(now);
        let (quality, changes) = (&mut self.partition.quality, &mut self.alert_changes);
        if left {
            if is_known {
                let left_at = left_at.unwrap_or(now);
                frozen::settle_band(&mut account.judgement, &assessment, left_at, judged_before, &rules.bands);
                alert::outcome::leave(&mut account.judgement, left_at, now, rules, quality, changes);
            }
        } else {
            alert::outcome::fall_silent(account, judged_before, now, rules, quality);
            let correction = without
                .map(|without| without.with(account, &assessment, rules, &self.partition.fleet, self.partition.index));
            if let Some(correction) = &correction {
                correction.retract(&mut account.judgement, rules, changes);
            }
            alert::settle_band(&mut account.judgement, &assessment, &rules.bands);
            alert::settle_alerts(account, &assessment, rules, quality, changes);
            if let Some(correction) = &correction {
                correction.amend(&account.judgement, rules, changes);
            }
        }
        account.judgement.due = if left { None } else { Some(cadence::next_look(account, &assessment, rules)) };
        account.judgement.patience_days = cadence::patience_days(account, now);
        account.judgement.content_days = cadence::content_days(account, &assessment, rules);
        let next = health::publishable(account, &assessment);
        let outdated = account.judgement.published.is_none_or(|published| published.is_outdated_by(&next, rules));
        if outdated {
            account.judgement.published = Some(next);
        }
        let told = outdated || !self.alert_changes.is_empty();
        if told {
            let health = health::tell(account, &assessment, rules, &self.partition.fleet, self.partition.index);
            for change in self.alert_changes.drain(..) {
                let told = alert::tell::tell(account, change, &health, rules, &self.rules_hash);
                effects.push(Effect::Alert(Box::new(told)));
            }
            if outdated {
                effects.push(Effect::Health(Box::new(health)));
            }
        }
        // What is summed up changes with what is told.
        if told {
            self.sums.recount(slot, account, rules);
        }
        match account.judgement.due {
            Some(due) => self.timers.set(slot, &account.id, due),
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

    /// What KPIs are reckoned from.
    #[must_use]
    pub fn kpis(&self) -> &Arc<kpis::tables::Tables> {
        &self.sums.kpis
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
        self.health_at(account, account.present(self.partition.clock, &self.rules))
    }

    /// The health of one of its accounts as it would be judged at `now`, by the facts it has; of one that has left, as of
    /// when it did. Changes nothing.
    #[must_use]
    pub fn health_at(&self, account: &Account, now: Timestamp) -> Health {
        let assessment = self.assess_at(account, now);
        let mut judged = account.clone();
        if !judged.has_left() {
            alert::settle_band(&mut judged.judgement, &assessment, &self.rules.bands);
        }
        health::tell(&judged, &assessment, &self.rules, &self.partition.fleet, self.partition.index)
    }

    /// The risk of one of its accounts and the band that follows, likewise.
    #[must_use]
    pub fn verdict_at(&self, account: &Account, now: Timestamp) -> (Ratio, Band) {
        let assessment = self.assess_at(account, now);
        let mut judgement = account.judgement.clone();
        if !account.has_left() {
            alert::settle_band(&mut judgement, &assessment, &self.rules.bands);
        }
        (assessment.risk, judgement.band)
    }

    fn assess_at(&self, account: &Account, now: Timestamp) -> Assessment {
        frozen::assess(account, &self.rules, &self.partition.fleet)
            .unwrap_or_else(|| assess(account, now, &self.rules, &self.partition.fleet))
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
}

#[cfg(test)]
mod tests;
