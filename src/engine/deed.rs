//! What people do with alerts, as it comes from the log: found, done, counted, told.
//!
//! What each action means is in `alert::action`. An action is no fact about its account: it is no activity, and it does not
//! make an account known.

use super::alert::action::{self, ActionResult, Deed};
use super::effect::Effect;
use super::event::{Event, Kind};
use super::risk::Assessment;
use super::store::Slot;
use super::{Engine, alert, frozen, health};
use crate::units::stable_hash;

impl Engine {
    /// Does what a person did with an alert, and tells of it with the account's story at that moment.
    pub(super) fn act(&mut self, event: &Event<'_>, effects: &mut Vec<Effect>) {
        let Kind::AlertAction { alert, action, by, note } = &event.kind else { return };
        let slot = self.store.find(&event.account_id);
        let Some((slot, account)) = slot.and_then(|slot| Some((slot, self.store.change(slot)?))) else {
            return action::count(&mut self.counts.alert_actions, action, ActionResult::UnknownAlert);
        };
        if account.dedup.is_repeated(stable_hash(event.id.as_bytes()), event.time, self.rules.dedup_window) {
            self.counts.duplicates += 1;
            return;
        }
        self.counts.accepted += 1;
        let now = account.present(self.partition.clock, &self.rules);
        let deed = Deed { alert, action, by, note: note.as_deref() };
        let result = action::act(account, deed, now, &self.rules, &mut self.partition.quality, &mut self.alert_changes);
        action::count(&mut self.counts.alert_actions, action, result);
        if self.alert_changes.is_empty() {
            return;
        }
        let is_judged = account.judgement.at.is_some();
        match is_judged.then(|| frozen::assess(account, &self.rules, &self.partition.fleet)).flatten() {
            Some(assessment) => self.tell_frozen(slot, &assessment, effects),
            None => self.judge(slot, now, None, effects),
        }
    }

    /// Tells of the alerts of an account that has left: its health stays as it was judged then.
    fn tell_frozen(&mut self, slot: Slot, assessment: &Assessment, effects: &mut Vec<Effect>) {
        let Some(account) = self.store.get(slot) else { return };
        let health = health::tell(account, assessment, &self.rules, &self.partition.fleet, self.partition.index);
        for change in self.alert_changes.drain(..) {
            let told = alert::tell::tell(account, change, &health, &self.rules, &self.rules_hash);
            effects.push(Effect::Alert(Box::new(told)));
        }
    }
}
