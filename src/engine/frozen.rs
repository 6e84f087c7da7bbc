//! The health of an account that has left: as it was when it left, whatever is told of it later. Where that it has left
//! became known late, its facts are those of when it left, and what the fleet had taught is that of when it became known.
//!
//! Only the risk and the band are kept. What stood behind them is found again from the facts without those
//! of the leaving itself and after: the end of a subscription would else speak no more for leaving. Where the fleet has
//! learned since, the base takes the difference, so that the contributions still add up. Not here: when an account has
//! left, which is for its ledger to say.

use std::borrow::Cow;

use super::account::{Account, Judgement};
use super::alert;
use super::effect::Band;
use super::fleet::Fleet;
use super::risk::{self, Assessment};
use super::rules::{BandRules, Rules};
use crate::units::Timestamp;

/// The account as it was assessed when it left, held to the risk that was told then, once it has been judged since; `None`
/// while it has not left.
pub fn assess(account: &Account, rules: &Rules, fleet: &Fleet) -> Option<Assessment> {
    let left_at = account.left_at()?;
    let assessment = risk::assess(&account.as_it_stood(), left_at, rules, fleet);
    let judgement = &account.judgement;
    let told = judgement.published.filter(|_| judgement.due.is_none());
    Some(told.map_or(assessment, |told| assessment.held_to(told.risk.into())))
}

/// Settles the band of an account that left at `left_at`, as `assessment` found it then. Where it was judged since, at
/// `judged_before`, its leaving became known late: a band that it has come to by the silence since is not how it stood.
pub fn settle_band(
    judgement: &mut Judgement,
    assessment: &Assessment,
    left_at: Timestamp,
    judged_before: Option<Timestamp>,
    rules: &BandRules,
) {
    alert::settle_band(judgement, assessment, rules);
    let had_fallen = judgement.below_since.is_some_and(|since| since < left_at);
    if judged_before > Some(left_at) && assessment.risk.get() < rules.exit(judgement.band) && !had_fallen {
        (judgement.band, judgement.below_since) = (Band::default(), None);
        alert::settle_band(judgement, assessment, rules);
    }
}

impl Account {
    /// The account as it was just before it left; while it has not, as it is.
    #[must_use]
    pub fn as_it_stood(&self) -> Cow<'_, Account> {
        let Some(left_at) = self.left_at() else { return Cow::Borrowed(self) };
        let mut stood = self.clone();
        if let Some(activity) = self.activity.before(left_at) {
            stood.activity = activity;
        }
        if let Some(billing) = &mut stood.billing {
            billing.go_back_before(left_at);
        }
        stood.derive();
        Cow::Owned(stood)
    }
}
