//! People, profile, answers and limits in version 1 of the state.

use serde::{Deserialize, Serialize};

use super::{StampForm, pick, stamp, stamp_form};
use crate::engine::event::Role;
use crate::engine::facts::crowd::Member;
use crate::engine::facts::limits::{Hit, Limits};
use crate::engine::facts::people::Person;
use crate::engine::facts::profile::{Profile, Stated};
use crate::engine::facts::voice::{Answer, Voice};
use crate::units::{Day, Offset};
use crate::wire::state::{StateError, Text};

/// When, limit, used, allowed, offset.
type HitForm = (StampForm, Text, Option<f64>, Option<f64>, i64);

/// A value and when it was stated.
type StatedForm = (StampForm, Text);

#[derive(Serialize, Deserialize)]
pub struct LimitsForm {
    hits: Vec<StampForm>,
    latest: Option<HitForm>,
}

impl LimitsForm {
    pub fn of(limits: &Limits) -> LimitsForm {
        let hit = |hit: &Hit| (stamp_form(hit.stamp), hit.limit.clone(), hit.used, hit.allowed, hit.offset.0);
        LimitsForm {
            hits: limits.hits.iter().copied().map(stamp_form).collect(),
            latest: limits.latest.as_ref().map(hit),
        }
    }

    pub fn into_limits(self) -> Result<Limits, StateError> {
        let latest = match self.latest {
            Some((at, limit, used, allowed, offset)) => {
                Some(Hit { stamp: stamp(at)?, limit, used, allowed, offset: Offset(offset) })
            }
            None => None,
        };
        Ok(Limits { hits: self.hits.into_iter().map(stamp).collect::<Result<_, _>>()?, latest })
    }
}

#[derive(Serialize, Deserialize)]
pub struct PersonForm {
    hash: u32,
    user_id: Text,
    role: Option<(StampForm, u8)>,
    champion_since: Option<StampForm>,
    present: Option<StampForm>,
    deactivated: Option<StampForm>,
    offset: i64,
    activity: Option<(u16, u16)>,
}

impl PersonForm {
    pub fn of(person: &Person) -> PersonForm {
        PersonForm {
            hash: person.hash,
            user_id: person.user_id.clone(),
            role: person.role.map(|(at, role)| (stamp_form(at), role as u8)),
            champion_since: person.champion_since.map(stamp_form),
            present: person.present.map(stamp_form),
            deactivated: person.deactivated.map(stamp_form),
            offset: person.offset.0,
            activity: person.activity.map(|seen| (seen.last_day.number(), seen.weeks)),
        }
    }

    pub fn into_person(self) -> Result<Person, StateError> {
        let role = |(at, role)| Ok((stamp(at)?, pick(role, &ROLES, "role")?));
        let hash = self.hash;
        Ok(Person {
            hash,
            user_id: self.user_id,
            role: self.role.map(role).transpose()?,
            champion_since: self.champion_since.map(stamp).transpose()?,
            present: self.present.map(stamp).transpose()?,
            deactivated: self.deactivated.map(stamp).transpose()?,
            offset: Offset(self.offset),
            activity: self.activity.map(|(day, weeks)| Member { hash, last_day: Day::new(day), weeks }),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub struct VoiceForm {
    answers: Vec<AnswerForm>,
    ratings: Vec<AnswerForm>,
    asked_days: Vec<u16>,
}

/// Respondent, when, score, offset.
type AnswerForm = (u32, StampForm, u8, i64);

impl VoiceForm {
    pub fn of(voice: &Voice) -> VoiceForm {
        let answer = |answer: &Answer| (answer.respondent, stamp_form(answer.stamp), answer.score, answer.offset.0);
        VoiceForm {
            answers: voice.answers.iter().map(answer).collect(),
            ratings: voice.ratings.iter().map(answer).collect(),
            asked_days: voice.asked.iter().map(|day| day.number()).collect(),
        }
    }

    pub fn into_voice(self) -> Result<Voice, StateError> {
        let answer = |(respondent, at, score, offset)| {
            Ok(Answer { respondent, stamp: stamp(at)?, score, offset: Offset(offset) })
        };
        Ok(Voice {
            answers: self.answers.into_iter().map(answer).collect::<Result<_, _>>()?,
            ratings: self.ratings.into_iter().map(answer).collect::<Result<_, _>>()?,
            asked: self.asked_days.into_iter().map(Day::new).collect(),
            sent: Vec::new(),
            answered: Vec::new(),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub struct ProfileForm {
    name: Option<StatedForm>,
    owner: Option<StatedForm>,
    traits: Vec<(Text, StatedForm)>,
    plan_features: Option<(StampForm, u16)>,
}

impl ProfileForm {
    pub fn of(profile: &Profile) -> ProfileForm {
        let stated = |stated: &Stated| (stamp_form(stated.stamp), stated.value.clone());
        ProfileForm {
            name: profile.name.as_ref().map(stated),
            owner: profile.owner.as_ref().map(stated),
            traits: profile.traits.iter().map(|(key, value)| (key.clone(), stated(value))).collect(),
            plan_features: profile.plan_features.map(|(at, count)| (stamp_form(at), count)),
        }
    }

    pub fn into_profile(self) -> Result<Profile, StateError> {
        let stated = |(at, value)| Ok::<_, StateError>(Stated { stamp: stamp(at)?, value });
        let plan_features = match self.plan_features {
            Some((at, count)) => Some((stamp(at)?, count)),
            None => None,
        };
        Ok(Profile {
            name: self.name.map(stated).transpose()?,
            owner: self.owner.map(stated).transpose()?,
            traits: self
                .traits
                .into_iter()
                .map(|(key, value)| Ok((key, stated(value)?)))
                .collect::<Result<_, StateError>>()?,
            plan_features,
        })
    }
}

/// Roles by their number in the forms.
const ROLES: [Role; 6] = [Role::Champion, Role::Admin, Role::Sponsor, Role::Member, Role::Internal, Role::Service];
