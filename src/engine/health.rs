//! The health of one account as it is told: when it is worth telling again, and the whole story.

use super::account::{Account, Published};
use super::effect::Health;
use super::fleet::Fleet;
use super::risk::Assessment;
use super::rules::Rules;
use crate::units::{Money, PartitionIndex};

/// What would be published now, for comparison with what was.
#[must_use]
pub fn publishable(account: &Account, assessment: &Assessment) -> Published {
    #[allow(clippy::cast_possible_truncation)] // seven digits of a probability
    Published {
        risk: assessment.risk.get() as f32,
        band: account.judgement.band,
        mrr_minor: mrr_minor(account),
        told: account.standing.told,
    }
}

impl Published {
    /// Whether `next` differs enough to be told: anything but the risk at once, the risk from `health_step` on.
    #[must_use]
    pub fn is_outdated_by(&self, next: &Published, rules: &Rules) -> bool {
        let moved = f64::from((next.risk - self.risk).abs()) >= rules.health_step;
        moved || (self.band, self.mrr_minor, self.told) != (next.band, next.mrr_minor, next.told)
    }
}

/// Its MRR in minor units of the reporting currency; of an account that has left, what was last told before: what is lost.
fn mrr_minor(account: &Account) -> Option<i64> {
    let frozen = || account.judgement.published?.mrr_minor;
    account.has_left().then(frozen).flatten().or(account.mrr_minor())
}

fn name_and_owner(account: &Account) -> (Option<&str>, Option<&str>) {
    let profile = account.profile.as_deref();
    let name = profile.and_then(|profile| profile.name.as_ref()).map(|name| name.value.as_str());
    let owner = profile.and_then(|profile| profile.owner.as_ref()).map(|owner| owner.value.as_str());
    (name, owner)
}

/// The whole story of `account` as `assessment` found it.
#[must_use]
pub fn tell(
    account: &Account,
    assessment: &Assessment,
    rules: &Rules,
    fleet: &Fleet,
    partition: PartitionIndex,
) -> Health {
    let (name, owner) = name_and_owner(account);
    let mrr = mrr_minor(account).map(|minor| Money { minor, currency: rules.currency });
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // amounts are held below 10^13
    let at_risk = |mrr: Money| Money { minor: (mrr.minor as f64 * assessment.risk.get()).round() as i64, ..mrr };
    let ledger = account.billing.as_ref().map(|billing| &billing.ledger);
    Health {
        account_id: account.id.to_string(),
        name: name.map(str::to_owned),
        owner: owner.map(str::to_owned),
        segment: account.segment(rules).to_owned(),
        as_of: assessment.now,
        last_seen: account.activity.is_used().then_some(account.activity.last_at),
        band: account.judgement.band,
        risk: assessment.risk,
        contributions: assessment.contributions(),
        evidence: assessment.evidence(&account.as_it_stood(), rules, fleet, partition),
        mrr,
        revenue_at_risk: mrr.map(at_risk),
        renewal_at: ledger.and_then(|ledger| ledger.renewal_after(assessment.now)),
        churned_at: account.left_at(),
        unknown: assessment.unknown(rules),
    }
}
