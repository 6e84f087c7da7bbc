//! R3: the strongest accounts of each activation cohort, to nurture.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use compact_str::CompactString;

use super::member::Member;
use crate::engine::alert;
use crate::engine::effect::Band;
use crate::units::Timestamp;
use crate::units::calendar::Month;

/// Accounts kept of each cohort.
pub const STRONGEST_MAX: usize = 50;
/// Days of active users.
pub const ACTIVE_DAYS: u16 = 30;

/// A paying account, as far as one needs to know it to nurture it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strong {
    /// Its id.
    pub id: CompactString,
    /// Its display name, where told.
    pub name: Option<CompactString>,
    /// Who is to act on its alerts: its owner, or whom they are routed to.
    pub owner: CompactString,
    /// What it pays a month now, in minor units of the reporting currency.
    pub mrr_minor: i64,
    /// What it paid at the end of the month in which it first paid, likewise; at the rates by which it pays now.
    pub joined_minor: i64,
    /// Its risk as last told, in [0, 1]; `None` while it has not been judged.
    pub risk: Option<f32>,
    /// Its band.
    pub band: Band,
    /// Bit `kind` for open alerts, as [`alert::type_name`] counts them.
    pub alerts: u32,
    /// Users seen in the latest [`ACTIVE_DAYS`] days.
    pub active_users: u64,
    /// Its last usage; `None` while there was none.
    pub last_seen: Option<Timestamp>,
}

/// The accounts that first paid in one month.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CohortOf {
    /// How many they are.
    pub joined: u64,
    /// Those that pay now.
    pub paying: u64,
    /// The strongest of these, strongest first, at most [`STRONGEST_MAX`].
    pub strongest: Vec<Strong>,
}

/// The strongest accounts by the month in which they first paid.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Strongest(pub BTreeMap<Month, CohortOf>);

impl Strong {
    fn of(member: &Member<'_>, activated: Month) -> Strong {
        let account = member.account;
        let profile = account.profile.as_deref();
        let judgement = &account.judgement;
        let open = judgement.alerts.iter().filter(|alert| alert.open.is_some());
        Strong {
            id: account.id.clone(),
            name: profile.and_then(|profile| profile.name.as_ref()).map(|name| name.value.clone()),
            owner: member.rules.playbooks.owner(0, account, member.rules, member.now).into(),
            mrr_minor: member.pays_minor,
            joined_minor: joined_minor(member, activated),
            risk: judgement.published.map(|published| published.risk),
            band: judgement.band,
            alerts: open.fold(0, |mask, alert| mask | 1_u32.checked_shl(alert.kind.into()).unwrap_or(0)),
            active_users: member.active_users(ACTIVE_DAYS),
            last_seen: account.activity.is_used().then_some(account.activity.last_at),
        }
    }

    /// The MRR that is likely to be there when the horizon of the risk has passed: MRR x (1 - risk), in minor units. What
    /// strength means here; all of the MRR while there is no risk to tell.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // amounts are held below 10^13
    pub fn likely_minor(&self) -> i64 {
        (self.mrr_minor as f64 * (1.0 - f64::from(self.risk.unwrap_or(0.0)))).round() as i64
    }

    /// The names of its open alerts.
    pub fn alert_names(&self) -> impl Iterator<Item = &'static str> {
        (0..32_u8).filter(|kind| self.alerts >> kind & 1 == 1).map(alert::type_name)
    }
}

/// What the account paid at the end of the month in which it first paid, without what rates did since: in the proportion that
/// it has, at the rates of that month, to what is paid now.
fn joined_minor(member: &Member<'_>, activated: Month) -> i64 {
    let joined = member.minor_before(activated.plus(1));
    let steady = member.flows.last().map_or(0, |flow| flow.end_steady_minor);
    // In most accounts no rate has a say.
    if steady <= 0 || steady == member.pays_minor {
        return joined;
    }
    let restated = i128::from(joined) * i128::from(member.pays_minor) / i128::from(steady);
    i64::try_from(restated).unwrap_or(i64::MAX)
}

impl CohortOf {
    /// Puts an account at its place. The order is total, so that the order of arrival does not matter.
    fn put(&mut self, strong: Strong) {
        let rank = |strong: &Strong| (Reverse(strong.likely_minor()), strong.id.clone());
        let index = self.strongest.partition_point(|known| rank(known) < rank(&strong));
        if index < STRONGEST_MAX {
            self.strongest.insert(index, strong);
            self.strongest.truncate(STRONGEST_MAX);
        }
    }
}

impl Strongest {
    /// Counts an account, if it ever paid.
    pub fn count(&mut self, member: &Member<'_>) {
        let Some(activated) = member.activated else { return };
        let cohort = self.0.entry(activated).or_default();
        cohort.joined += 1;
        if member.pays_minor > 0 {
            cohort.paying += 1;
            cohort.put(Strong::of(member, activated));
        }
    }

    /// Adds those of another partition.
    pub fn merge(&mut self, other: &Strongest) {
        for (month, others) in &other.0 {
            let cohort = self.0.entry(*month).or_default();
            cohort.joined += others.joined;
            cohort.paying += others.paying;
            others.strongest.iter().cloned().for_each(|strong| cohort.put(strong));
        }
    }
}
