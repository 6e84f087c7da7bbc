//! What the walk over the accounts found, within a census.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::CensusError;
use crate::engine::census::Found;
use crate::engine::census::adoption::{Adoption, Stage};
use crate::engine::census::strongest::{CohortOf, Strong, Strongest};
use crate::engine::census::traits::{Held, Origin, RevenueClass, Traits, Values};
use crate::engine::effect::Band;
use crate::engine::kpis::leavers::{Fate, Leavers, Worth};
use crate::units::Timestamp;
use crate::units::calendar::{Length, Month};

/// Accounts, MRR at the start, gone, months, expanded, active days and users; then users by NPS class.
type WorthForm = ([i64; 7], [i64; 3]);
/// Sound customers by class of revenue, and all others.
type HeldForm = (Vec<(u16, u64)>, u64);

#[derive(Serialize, Deserialize)]
pub struct FoundForm {
    leavers: [[WorthForm; Fate::ALL.len()]; Length::ALL.len()],
    pays_minor: i64,
    billed: u64,
    traits: TraitsForm,
    adoption: AdoptionForm,
    /// Month, joined, paying, the strongest.
    strongest: Vec<(u16, u64, u64, Vec<StrongForm>)>,
}

#[derive(Serialize, Deserialize)]
struct TraitsForm {
    /// Class of revenue, accounts, what one of them pays at least.
    sound: Vec<(u16, u64, i64)>,
    at_risk: u64,
    gone: u64,
    young: u64,
    stated: Vec<(CompactString, ValuesForm)>,
    behaviour: Vec<(CompactString, ValuesForm)>,
    left_out: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ValuesForm {
    Told(Vec<(CompactString, HeldForm)>),
    TooMany(u64),
}

#[derive(Serialize, Deserialize)]
struct AdoptionForm {
    accounts: [u64; Stage::ALL.len()],
    sampled: [u64; Stage::ALL.len()],
    used: Vec<(u32, [u64; Stage::ALL.len()])>,
    is_cut: bool,
}

#[derive(Serialize, Deserialize)]
struct StrongForm {
    id: CompactString,
    name: Option<CompactString>,
    owner: CompactString,
    mrr_minor: i64,
    joined_minor: i64,
    risk: Option<f32>,
    band: CompactString,
    alerts: u32,
    active_users: u64,
    last_seen_ms: Option<i64>,
}

impl FoundForm {
    pub fn of(found: &Found) -> FoundForm {
        let Found { leavers, pays_minor, billed, traits, adoption, strongest } = found;
        let Adoption { accounts, sampled, used, is_cut } = adoption;
        let cohort = |(month, cohort): (&Month, &CohortOf)| {
            let strongest = cohort.strongest.iter().map(StrongForm::of).collect();
            (month.number(), cohort.joined, cohort.paying, strongest)
        };
        FoundForm {
            leavers: leavers.map(|leavers| leavers.0.map(|worth| worth_form(&worth))),
            pays_minor: *pays_minor,
            billed: *billed,
            traits: TraitsForm::of(traits),
            adoption: AdoptionForm {
                accounts: *accounts,
                sampled: *sampled,
                used: used.iter().map(|(hash, accounts)| (*hash, *accounts)).collect(),
                is_cut: *is_cut,
            },
            strongest: strongest.0.iter().map(cohort).collect(),
        }
    }

    pub fn into_found(self) -> Result<Found, CensusError> {
        let AdoptionForm { accounts, sampled, used, is_cut } = self.adoption;
        let mut strongest = BTreeMap::new();
        for (month, joined, paying, forms) in self.strongest {
            let strong = forms.into_iter().map(StrongForm::into_strong).collect::<Result<_, _>>()?;
            strongest.insert(Month::from_number(month), CohortOf { joined, paying, strongest: strong });
        }
        Ok(Found {
            leavers: self.leavers.map(|leavers| Leavers(leavers.map(worth))),
            pays_minor: self.pays_minor,
            billed: self.billed,
            traits: self.traits.into_traits(),
            adoption: Adoption { accounts, sampled, used: used.into_iter().collect(), is_cut },
            strongest: Strongest(strongest),
        })
    }
}

fn worth_form(worth: &Worth) -> WorthForm {
    let Worth { accounts, start_minor, gone_minor, tenure_months, expanded, active_days, users, nps } = *worth;
    ([accounts, start_minor, gone_minor, tenure_months, expanded, active_days, users], nps)
}

fn worth((sums, nps): WorthForm) -> Worth {
    let [accounts, start_minor, gone_minor, tenure_months, expanded, active_days, users] = sums;
    Worth { accounts, start_minor, gone_minor, tenure_months, expanded, active_days, users, nps }
}

impl TraitsForm {
    fn of(traits: &Traits) -> TraitsForm {
        let of = |wanted: Origin| {
            let keys = traits.keys.iter().filter(move |((origin, _), _)| *origin == wanted);
            keys.map(|((_, key), values)| (key.clone(), ValuesForm::of(values))).collect()
        };
        let sound = traits.sound.iter();
        TraitsForm {
            sound: sound.map(|(class, (accounts, least_minor))| (class.0, *accounts, *least_minor)).collect(),
            at_risk: traits.at_risk,
            gone: traits.gone,
            young: traits.young,
            stated: of(Origin::Stated),
            behaviour: of(Origin::Behaviour),
            left_out: traits.left_out,
        }
    }

    fn into_traits(self) -> Traits {
        let of = |origin: Origin, forms: Vec<(CompactString, ValuesForm)>| {
            forms.into_iter().map(move |(key, form)| ((origin, key), form.into_values()))
        };
        let sound = self.sound.into_iter();
        Traits {
            sound: sound.map(|(class, accounts, least_minor)| (RevenueClass(class), (accounts, least_minor))).collect(),
            at_risk: self.at_risk,
            gone: self.gone,
            young: self.young,
            keys: of(Origin::Stated, self.stated).chain(of(Origin::Behaviour, self.behaviour)).collect(),
            left_out: self.left_out,
        }
    }
}

impl ValuesForm {
    fn of(values: &Values) -> ValuesForm {
        let held = |held: &Held| -> HeldForm {
            (held.sound.iter().map(|(class, accounts)| (class.0, *accounts)).collect(), held.others)
        };
        match values {
            Values::Told(values) => {
                ValuesForm::Told(values.iter().map(|(value, known)| (value.clone(), held(known))).collect())
            }
            Values::TooMany(accounts) => ValuesForm::TooMany(*accounts),
        }
    }

    fn into_values(self) -> Values {
        let held = |(sound, others): HeldForm| Held {
            sound: sound.into_iter().map(|(class, accounts)| (RevenueClass(class), accounts)).collect(),
            others,
        };
        match self {
            ValuesForm::Told(forms) => {
                Values::Told(forms.into_iter().map(|(value, form)| (value, held(form))).collect())
            }
            ValuesForm::TooMany(accounts) => Values::TooMany(accounts),
        }
    }
}

impl StrongForm {
    fn of(strong: &Strong) -> StrongForm {
        StrongForm {
            id: strong.id.clone(),
            name: strong.name.clone(),
            owner: strong.owner.clone(),
            mrr_minor: strong.mrr_minor,
            joined_minor: strong.joined_minor,
            risk: strong.risk,
            band: strong.band.name().into(),
            alerts: strong.alerts,
            active_users: strong.active_users,
            last_seen_ms: strong.last_seen.map(Timestamp::ms),
        }
    }

    fn into_strong(self) -> Result<Strong, CensusError> {
        let damaged = |what: &str| CensusError::Damaged(format!("a {what} that is none"));
        let time = |ms: i64| Timestamp::from_ms(ms).ok_or_else(|| damaged("time"));
        Ok(Strong {
            band: Band::ALL.into_iter().find(|band| band.name() == self.band).ok_or_else(|| damaged("band"))?,
            last_seen: self.last_seen_ms.map(time).transpose()?,
            id: self.id,
            name: self.name,
            owner: self.owner,
            mrr_minor: self.mrr_minor,
            joined_minor: self.joined_minor,
            risk: self.risk,
            alerts: self.alerts,
            active_users: self.active_users,
        })
    }
}
