//! The silence guard: when a whole partition goes quiet, the quiet of each account says nothing.
//!
//! An outage of a source looks like everybody leaving at once. Every six hours of the engine's clock the guard counts how
//! many accounts of a sample were active in the last day, and compares with what is usual at that hour of the week. Where
//! far fewer were, timers do not fire: nobody is judged for being silent, bands and alerts stay as they are, and one figure
//! says so. When usage has been back for a day, the timers that have been due fire in their order; accounts that have returned by then are
//! judged with what they did, the others as silent. What happens to an account is judged at once, as always. A partition
//! that stays quiet for longer than the guard may hold is believed.
//!
//! A function of the log alone, part of the partition's state, bounded: one number for each of the 28 times of the week.

use super::PartitionState;
use super::account::Account;
use super::rules::GuardRules;
use crate::units::{HOUR_MS, Span, Timestamp};

/// Looks at the rate come so far apart, by the engine's clock.
const LOOK_EVERY_MS: i64 = 6 * HOUR_MS;
/// Looks of a week.
const SLOTS: usize = 28;
/// Who was active within this time counts.
const WINDOW: Span = Span::from_days(1);
/// Accounts that are looked at.
pub const ACCOUNTS_MAX: usize = 1024;
/// With fewer active accounts than this being usual, chance alone may bring none: nothing is held for that, and what is
/// held goes on being held.
const USUAL_MIN: u16 = 20;
/// Usage is back with at least this share of what is usual.
const RETURNED: f64 = 0.5;
/// Weight of the weeks before in what is usual.
const BEFORE: u32 = 3;

/// What the guard knows of its partition.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Guard {
    /// Sampled accounts usually active in the day before, by time of the week; 0 where nothing is known. Empty before the
    /// first look.
    pub usual: Vec<u16>,
    /// The latest look, in steps of six hours since 1970.
    pub looked: Option<u32>,
    /// Since when timers are held; `None` while they fire.
    pub held_since: Option<Timestamp>,
    /// Since when usage is back while timers are held still, for a day, so that everybody can come back.
    pub returned_at: Option<Timestamp>,
    /// Whether they were held for as long as they may be, and usage is not back yet.
    pub is_given_up: bool,
}

impl Guard {
    /// Looks at the rate when a time to look has come, and holds or releases. `active` counts the sampled accounts that
    /// were active since the time it is given.
    pub fn look(&mut self, clock: Timestamp, rules: &GuardRules, active: impl FnOnce(Timestamp) -> usize) {
        let Ok(look) = u32::try_from(clock.ms() / LOOK_EVERY_MS) else { return };
        if self.looked == Some(look) {
            return;
        }
        self.looked = Some(look);
        self.usual.resize(SLOTS, 0);
        let Some(usual) = self.usual.get_mut(look as usize % SLOTS) else { return };
        let active = u16::try_from(active(clock.minus(WINDOW))).unwrap_or(u16::MAX);
        let is_stirred = self.held_since.is_some() || self.is_given_up;
        let enough = f64::from(*usual) * if is_stirred { RETURNED.max(rules.share) } else { rules.share };
        let is_low = if *usual >= USUAL_MIN { f64::from(active) < enough } else { is_stirred && active < USUAL_MIN };
        // What is usual is not learned from an outage, unless that is what is usual from now on.
        if !is_low || self.is_given_up {
            let mean = (BEFORE * u32::from(*usual) + u32::from(active) + BEFORE.div_ceil(2)) / (BEFORE + 1);
            *usual = if *usual == 0 { active } else { u16::try_from(mean).unwrap_or(u16::MAX) };
        }
        if !is_low {
            self.is_given_up = false;
            // Not all come back in the first hour.
            if self.held_since.is_some() && clock.since(*self.returned_at.get_or_insert(clock)) >= WINDOW {
                self.held_since = None;
            }
            if self.held_since.is_none() {
                self.returned_at = None;
            }
            return;
        }
        self.returned_at = None;
        if !self.is_given_up && clock.since(*self.held_since.get_or_insert(clock)) >= rules.hold_max {
            self.held_since = None;
            self.is_given_up = true;
        }
    }

    /// Whether timers are held.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.held_since.is_some()
    }
}

impl PartitionState {
    /// Looks at the rate of the sampled `accounts`, where the clock is known.
    pub(super) fn guard<'a>(&mut self, rules: &GuardRules, accounts: impl Iterator<Item = &'a Account>) {
        let Some(clock) = self.clock.filter(|_| rules.share > 0.0) else { return };
        self.guard.look(clock, rules, |since| {
            accounts.filter(|account| account.activity.is_used() && account.activity.last_at >= since).count()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;
    use std::sync::Arc;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::effect::{Effect, Transition};
    use crate::engine::event::{Event, Kind};
    use crate::engine::input::{Input, Progress, Record};
    use crate::engine::rules::Rules;
    use crate::engine::{Engine, Journal};
    use crate::units::{DAY_MS, Offset, PartitionIndex, Position};
    use crate::wire::state::{CommitRecord, decode_account, decode_commit, encode_account, encode_commit};

    /// A Monday.
    const DAY_0: i64 = 20_003;
    const ACCOUNTS: u32 = 60;

    fn at(hour: i64) -> Timestamp {
        Timestamp::clamped(DAY_0 * DAY_MS + hour * HOUR_MS)
    }

    /// A company whose accounts are used every working day. Account 0 is used until `leaves`.
    struct Company {
        engine: Engine,
        offset: i64,
        effects: Vec<Effect>,
        leaves: i64,
    }

    impl Company {
        fn new(share: f64) -> Company {
            let guard = GuardRules { share, hold_max: Span::from_days(21) };
            let rules = Rules { guard, ..Rules::default() };
            Company {
                engine: Engine::new(Arc::new(rules), Journal::Keep),
                offset: 0,
                effects: Vec::new(),
                leaves: i64::MAX,
            }
        }

        fn step(&mut self, input: Input<'static>) {
            self.offset += 1;
            let position = Position { partition: PartitionIndex(0), offset: Offset(self.offset) };
            let record = Record { position, received_at: Timestamp::MAX, input };
            self.engine.step(&record, &mut self.effects);
        }

        /// Lives through the days; an hour apart the clock moves, and on working days each account is used once at an hour
        /// of its own, unless the source is out.
        fn live(&mut self, days: std::ops::Range<i64>, is_out: bool) {
            for hour in days.start * 24..days.end * 24 {
                let is_work = hour / 24 % 7 < 5;
                for account in (0..ACCOUNTS).filter(|account| i64::from(9 + account % 8) == hour % 24) {
                    let stays = account > 0 || hour / 24 < self.leaves;
                    if is_work && !is_out && stays {
                        let account_id = format!("account {account}");
                        let id = format!("{account} {hour}").into();
                        let kind = Kind::SessionStarted { duration_s: None };
                        let time = at(hour);
                        let user_id = Some("u".into());
                        self.step(Input::Event(Event {
                            id,
                            time,
                            account_id: account_id.into(),
                            user_id,
                            source: None,
                            kind,
                        }));
                    }
                }
                self.step(Input::Progress(Progress { reached: Some(at(hour + 1)), ..Progress::default() }));
            }
        }

        /// The accounts about which something was raised since the last call.
        fn raised(&mut self) -> BTreeSet<String> {
            let changes = self.effects.drain(..).filter_map(|effect| match effect {
                Effect::Alert(change) if change.transition == Transition::Raised => Some(change.health.account_id),
                _ => None,
            });
            changes.collect()
        }

        /// The same company after its state has been written and read.
        fn restored(&self) -> Company {
            let mut engine = Engine::new(Arc::clone(self.engine.rules()), Journal::Keep);
            for account in self.engine.accounts() {
                let mut bytes = Vec::new();
                encode_account(account, &mut bytes);
                engine.restore_account(decode_account(&bytes).unwrap());
            }
            let commit = CommitRecord {
                next_offset: Offset(self.offset).next(),
                transaction: 1,
                rules_hash: 0,
                partition: self.engine.partition().clone(),
            };
            let mut bytes = Vec::new();
            encode_commit(&commit, &mut bytes);
            let fleet = Arc::clone(&self.engine.partition().fleet);
            engine.restore_partition(PartitionState { fleet, ..decode_commit(&bytes).unwrap().partition });
            engine.finish_restore();
            Company { engine, offset: self.offset, effects: Vec::new(), leaves: self.leaves }
        }
    }

    #[test]
    fn an_outage_of_the_whole_source_alarms_about_nobody() {
        // Whether it was held, how often anybody was judged after its first day, and how many were alerted on in the end.
        let told = |share: f64, days: i64| {
            let mut company = Company::new(share);
            company.live(0..42, false);
            company.raised();
            company.live(42..43, true);
            let judged = company.engine.counts().judgements;
            company.live(43..42 + days, true);
            let judged = company.engine.counts().judgements - judged;
            let is_held = company.engine.partition().guard.is_holding();
            company.live(42 + days..84, false);
            assert!(!company.engine.partition().guard.is_holding(), "not released");
            (is_held, judged, company.raised().len())
        };
        assert_eq!(told(0.25, 2), (true, 0, 0));
        assert_eq!(told(0.25, 16), (true, 0, 0));
        // Two days make nobody's timer fire whose use is steady; a longer outage does, and alarms, without the guard.
        let (is_held, judged, raised) = told(0.0, 16);
        assert!(!is_held && judged > 0 && raised > ACCOUNTS as usize / 2, "{raised} raised: the outage proves nothing");
    }

    #[test]
    fn the_silence_of_one_account_is_told_as_always() {
        let told = |share: f64| {
            let mut company = Company::new(share);
            company.leaves = 30;
            company.live(0..63, false);
            company.raised()
        };
        assert_eq!(told(0.25), BTreeSet::from(["account 0".to_owned()]));
        assert_eq!(told(0.25), told(0.0));
    }

    #[test]
    fn who_does_not_come_back_after_an_outage_is_told_then() {
        let mut company = Company::new(0.25);
        company.leaves = 42;
        company.live(0..42, false);
        company.raised();
        company.live(42..45, true);
        assert_eq!(company.raised(), BTreeSet::new());
        company.live(45..70, false);
        assert_eq!(company.raised(), BTreeSet::from(["account 0".to_owned()]));
    }

    #[test]
    fn a_partition_that_stays_quiet_is_believed_in_the_end() {
        let mut company = Company::new(0.25);
        company.live(0..42, false);
        company.raised();
        company.live(42..63, true);
        assert_eq!(company.raised().len(), 0);
        company.live(63..66, true);
        assert!(company.engine.partition().guard.is_given_up);
        assert!(company.raised().len() > ACCOUNTS as usize / 2);
        company.live(66..75, false);
        assert_eq!(company.engine.partition().guard.held_since, None);
        assert!(!company.engine.partition().guard.is_given_up);
    }

    #[test]
    fn a_restart_in_the_middle_of_an_outage_changes_nothing() {
        let mut whole = Company::new(0.25);
        whole.live(0..43, false);
        whole.live(43..45, true);
        let mut restored = whole.restored();
        assert_eq!(restored.engine.partition(), whole.engine.partition());
        whole.effects.clear();
        for company in [&mut whole, &mut restored] {
            company.live(45..46, true);
            company.live(46..60, false);
        }
        assert_eq!(whole.effects, restored.effects);
        assert_eq!(whole.engine.partition().guard, restored.engine.partition().guard);
    }

    /// How many of the sampled accounts were active, look by look; shows when timers are held.
    fn check(counts: impl Iterator<Item = usize>, expected: &Expect) {
        let mut guard = Guard::default();
        let mut shown = String::new();
        let mut before = (false, false);
        for (look, active) in (0..).zip(counts) {
            guard.look(at(look * 6), &Rules::default().guard, |_| active);
            let now = (guard.is_holding(), guard.is_given_up);
            if now != before {
                let word = if now.0 {
                    "held"
                } else if now.1 {
                    "given up"
                } else {
                    "released"
                };
                writeln!(shown, "day {} {:02}h {active} active: {word}", look / 4, look % 4 * 6).unwrap();
            }
            before = now;
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn times_of_the_week_are_compared_with_themselves() {
        // Quiet week-ends are usual; a quiet Wednesday is not.
        let usual = |look: usize| if look / 4 % 7 < 5 { 100 } else { 10 };
        let one = |look: usize| if look / 4 == 16 { 5 } else { usual(look) };
        check(
            (0..28 * 4).map(one),
            &expect![[r"
                day 16 00h 5 active: held
                day 18 00h 100 active: released
            "]],
        );
        // A slow decline is no outage.
        check((0..28 * 8).map(|look| usual(look) * (400 - look) / 400), &expect![""]);
        // Too few to tell.
        check((0..28 * 4).map(|look| if look > 60 { 0 } else { 19 }), &expect![""]);
        // For good.
        check(
            (0..28 * 4).map(|look| if look >= 56 { 0 } else { 100 }),
            &expect![[r"
                day 14 00h 0 active: held
                day 21 00h 0 active: given up
            "]],
        );
    }
}
