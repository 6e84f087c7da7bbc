//! Version 1 of the state forms. Frozen once released: what differs from it becomes version 2.

mod billing;
mod people;
mod story;

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use billing::BillingForm;
use people::{LimitsForm, PersonForm, ProfileForm, VoiceForm};
use story::{OnboardingForm, TicketsForm};

use super::{CommitRecord, StateError, Text};
use crate::engine::PartitionState;
use crate::engine::account::{Account, AlertState, ClosedBy, Judgement, Published};
use crate::engine::dedup::{Dedup, Ids};
use crate::engine::effect::{Band, Severity};
use crate::engine::facts::Stamp;
use crate::engine::facts::activity::Activity;
use crate::engine::facts::crowd::{Crowd, Member};
use crate::engine::facts::people::People;
use crate::engine::guard::Guard;
use crate::engine::input::{SourceReport, SourceTopic};
use crate::engine::quality::{LEAD_DAYS_MIN, Quality, REASON_NUMBERS_MAX, Resolutions, TypeQuality};
use crate::units::{Day, NextOffset, Offset, PartitionIndex, Timestamp};

/// An account.
#[derive(Serialize, Deserialize)]
pub struct AccountForm<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    activity: ActivityForm<'a>,
    users: CrowdForm,
    features: CrowdForm,
    limits: Option<LimitsForm>,
    people: Option<Vec<PersonForm>>,
    voice: Option<VoiceForm>,
    tickets: Option<TicketsForm>,
    onboarding: Option<OnboardingForm>,
    billing: Option<BillingForm>,
    profile: Option<ProfileForm>,
    /// Window, hashes, how many of them belong to the window before.
    dedup: (i64, Cow<'a, [u64]>, u8),
    judgement: JudgementForm,
}

/// What closes alerts, in the order of their numbers.
const CLOSED_BY: [ClosedBy; 3] = [ClosedBy::Recovery, ClosedBy::Person, ClosedBy::LateData];

/// Milliseconds and tie.
pub(super) type StampForm = (i64, u64);

#[derive(Serialize, Deserialize)]
struct ActivityForm<'a> {
    first_ms: i64,
    latest_ms: i64,
    last_ms: i64,
    last_offset: i64,
    last_day: u16,
    first_day: u16,
    days: u128,
    active_days: u32,
    uses: u32,
    magnitude: u64,
    others: u32,
    folded: f64,
    folded_day: u16,
    /// Uses on the active days of the last 13 weeks, oldest first.
    volumes: Cow<'a, [u16]>,
}

#[derive(Serialize, Deserialize)]
struct CrowdForm {
    /// Difference of the hash to the one before, last day, weeks.
    members: Vec<(u32, u16, u16)>,
    sampled: bool,
}

#[derive(Serialize, Deserialize)]
struct JudgementForm {
    at_ms: Option<i64>,
    due_ms: Option<i64>,
    patience_days: u8,
    content_days: u8,
    band: u8,
    below_since_ms: Option<i64>,
    /// Risk, band, MRR, hash of what else was told.
    published: Option<(f32, u8, Option<i64>, u32)>,
    alerts: Vec<AlertForm>,
}

#[derive(Serialize, Deserialize)]
struct AlertForm {
    kind: u8,
    episode: u32,
    /// 0 closed, 1 warning, 2 critical.
    open: u8,
    raised_ms: i64,
    closed_ms: i64,
    /// 0 recovery, 1 a person, 2 late data.
    closed_by: u8,
    snoozed_until_ms: Option<i64>,
    /// Acknowledged, overdue, settled: bits 0 to 2. The number of the reason it was resolved for: bits 3 to 7.
    flags: u8,
}

/// A commit record.
#[derive(Serialize, Deserialize)]
pub struct CommitForm {
    next_offset: i64,
    transaction: u64,
    rules_hash: u64,
    partition: i32,
    clock_ms: Option<i64>,
    sources: Vec<(String, i32)>,
    /// Topic, partition, reached, caught up.
    reports: Vec<(String, i32, i64, bool)>,
    /// The last day reported on.
    reported: Option<u16>,
    quality: QualityForm,
    guard: GuardForm,
}

/// Whether silence says anything.
#[derive(Serialize, Deserialize)]
struct GuardForm {
    usual: Vec<u16>,
    looked: Option<u32>,
    held_since_ms: Option<i64>,
    returned_ms: Option<i64>,
    is_given_up: bool,
}

/// How good the alerts have been.
#[derive(Serialize, Deserialize)]
struct QualityForm {
    /// Matured, churned, acknowledged, seconds until that, by alert type.
    types: Vec<[u64; 4]>,
    left: u64,
    foretold: [u64; LEAD_DAYS_MIN.len()],
    lead_days: u64,
    /// Alert type, reason, its number, count, churned, retained.
    resolutions: Vec<(u8, Text, u8, [u64; 3])>,
}

impl<'a> AccountForm<'a> {
    pub fn of(account: &'a Account) -> AccountForm<'a> {
        AccountForm {
            id: Cow::Borrowed(&account.id),
            activity: ActivityForm::of(&account.activity),
            users: CrowdForm::of(&account.users),
            features: CrowdForm::of(&account.features),
            limits: account.limits.as_deref().map(LimitsForm::of),
            people: account.people.as_deref().map(|people| people.list.iter().map(PersonForm::of).collect()),
            voice: account.voice.as_deref().map(VoiceForm::of),
            tickets: account.tickets.as_deref().map(TicketsForm::of),
            onboarding: account.onboarding.as_deref().map(OnboardingForm::of),
            billing: account.billing.as_deref().map(BillingForm::of),
            profile: account.profile.as_deref().map(ProfileForm::of),
            dedup: (account.dedup.window, Cow::Borrowed(account.dedup.ids.as_slice()), account.dedup.previous),
            judgement: JudgementForm::of(&account.judgement),
        }
    }

    pub fn into_account(self) -> Result<Account, StateError> {
        let mut account = Account::new(&self.id);
        account.activity = self.activity.into_activity()?;
        account.users = self.users.into_crowd();
        account.features = self.features.into_crowd();
        account.limits = self.limits.map(LimitsForm::into_limits).transpose()?.map(Box::new);
        account.people = match self.people {
            Some(list) => {
                let list = list.into_iter().map(PersonForm::into_person).collect::<Result<_, _>>()?;
                Some(Box::new(People { list }))
            }
            None => None,
        };
        account.voice = self.voice.map(VoiceForm::into_voice).transpose()?.map(Box::new);
        account.tickets = self.tickets.map(TicketsForm::into_tickets).transpose()?.map(Box::new);
        account.onboarding = self.onboarding.map(OnboardingForm::into_onboarding).transpose()?.map(Box::new);
        account.billing = self.billing.map(BillingForm::into_billing).transpose()?.map(Box::new);
        account.profile = self.profile.map(ProfileForm::into_profile).transpose()?.map(Box::new);
        let (window, ids, previous) = self.dedup;
        if usize::from(previous) > ids.len() {
            return Err(damaged("more ids of the window before than ids"));
        }
        account.dedup = Dedup { window, ids: Ids::from(&*ids), previous };
        account.judgement = self.judgement.into_judgement()?;
        account.derive();
        Ok(account)
    }
}

impl<'a> ActivityForm<'a> {
    fn of(activity: &'a Activity) -> ActivityForm<'a> {
        ActivityForm {
            first_ms: activity.first_at.ms(),
            latest_ms: activity.latest_at.ms(),
            last_ms: activity.last_at.ms(),
            last_offset: activity.last_offset.0,
            last_day: activity.last_day.number(),
            first_day: activity.first_day.number(),
            days: activity.days,
            active_days: activity.active_days,
            uses: activity.uses,
            magnitude: activity.magnitude,
            others: activity.others,
            folded: activity.folded,
            folded_day: activity.folded_day.number(),
            volumes: Cow::Borrowed(&activity.volumes),
        }
    }

    fn into_activity(self) -> Result<Activity, StateError> {
        let activity = Activity {
            first_at: time(self.first_ms)?,
            latest_at: time(self.latest_ms)?,
            last_at: time(self.last_ms)?,
            last_offset: Offset(self.last_offset),
            last_day: Day::new(self.last_day),
            first_day: Day::new(self.first_day),
            days: self.days,
            active_days: self.active_days,
            uses: self.uses,
            magnitude: self.magnitude,
            others: self.others,
            folded: self.folded,
            folded_day: Day::new(self.folded_day),
            volumes: self.volumes.into_owned(),
        };
        if activity.volumes.len() != activity.volumes_len() {
            return Err(damaged("volumes of other days than the active ones"));
        }
        Ok(activity)
    }
}

impl CrowdForm {
    fn of(crowd: &Crowd) -> CrowdForm {
        let mut before = 0;
        let members = crowd
            .members
            .iter()
            .map(|member| {
                let difference = member.hash - before;
                before = member.hash;
                (difference, member.last_day.number(), member.weeks)
            })
            .collect();
        CrowdForm { members, sampled: crowd.sampled }
    }

    fn into_crowd(self) -> Crowd {
        let mut hash = 0_u32;
        let members = self.members.into_iter().map(|(difference, last_day, weeks)| {
            hash = hash.wrapping_add(difference);
            Member { hash, last_day: Day::new(last_day), weeks }
        });
        Crowd { members: members.collect(), sampled: self.sampled }
    }
}

impl JudgementForm {
    fn of(judgement: &Judgement) -> JudgementForm {
        let alert = |alert: &AlertState| AlertForm {
            kind: alert.kind,
            episode: alert.episode,
            open: alert.open.map_or(0, |severity| severity as u8 + 1),
            raised_ms: alert.raised_at.ms(),
            closed_ms: alert.closed_at.ms(),
            closed_by: alert.closed_by as u8,
            snoozed_until_ms: alert.snoozed_until.map(Timestamp::ms),
            flags: u8::from(alert.is_acknowledged)
                | u8::from(alert.is_overdue) << 1
                | u8::from(alert.is_settled) << 2
                | alert.reason_number.min(REASON_NUMBERS_MAX) << 3,
        };
        JudgementForm {
            at_ms: judgement.at.map(Timestamp::ms),
            due_ms: judgement.due.map(Timestamp::ms),
            patience_days: judgement.patience_days,
            content_days: judgement.content_days,
            band: judgement.band as u8,
            below_since_ms: judgement.below_since.map(Timestamp::ms),
            published: judgement.published.map(|known| (known.risk, known.band as u8, known.mrr_minor, known.told)),
            alerts: judgement.alerts.iter().map(alert).collect(),
        }
    }

    fn into_judgement(self) -> Result<Judgement, StateError> {
        let alert = |form: AlertForm| {
            Ok(AlertState {
                kind: form.kind,
                episode: form.episode,
                open: match form.open.checked_sub(1) {
                    None => None,
                    Some(severity) => Some(pick(severity, &[Severity::Warning, Severity::Critical], "severity")?),
                },
                raised_at: time(form.raised_ms)?,
                closed_at: time(form.closed_ms)?,
                closed_by: pick(form.closed_by, &CLOSED_BY, "cause of closing")?,
                snoozed_until: maybe_time(form.snoozed_until_ms)?,
                is_acknowledged: form.flags & 1 != 0,
                is_overdue: form.flags & 2 != 0,
                is_settled: form.flags & 4 != 0,
                reason_number: form.flags >> 3,
            })
        };
        let published = match self.published {
            None => None,
            Some((risk, band, mrr_minor, told)) => {
                Some(Published { risk, band: pick(band, &Band::ALL, "band")?, mrr_minor, told })
            }
        };
        Ok(Judgement {
            at: maybe_time(self.at_ms)?,
            due: maybe_time(self.due_ms)?,
            patience_days: self.patience_days,
            content_days: self.content_days,
            band: pick(self.band, &Band::ALL, "band")?,
            below_since: maybe_time(self.below_since_ms)?,
            published,
            alerts: self.alerts.into_iter().map(alert).collect::<Result<_, StateError>>()?,
        })
    }
}

impl CommitForm {
    pub fn of(commit: &CommitRecord) -> CommitForm {
        // The fleet record and the names of features have keys of their own: they are large, and change rarely.
        let PartitionState { index, clock, sources, reports, reported, fleet: _, features: _, quality, guard } =
            &commit.partition;
        CommitForm {
            next_offset: commit.next_offset.0,
            transaction: commit.transaction,
            rules_hash: commit.rules_hash,
            partition: index.0,
            clock_ms: clock.map(Timestamp::ms),
            sources: sources.iter().map(|source| (source.topic.clone(), source.partitions)).collect(),
            reports: reports
                .iter()
                .map(|report| (report.topic.clone(), report.partition.0, report.reached.ms(), report.caught_up))
                .collect(),
            reported: reported.map(Day::number),
            quality: QualityForm::of(quality),
            guard: GuardForm {
                usual: guard.usual.clone(),
                looked: guard.looked,
                held_since_ms: guard.held_since.map(Timestamp::ms),
                returned_ms: guard.returned_at.map(Timestamp::ms),
                is_given_up: guard.is_given_up,
            },
        }
    }

    pub fn into_commit(self) -> Result<CommitRecord, StateError> {
        let report = |(topic, partition, reached, caught_up)| {
            Ok(SourceReport { topic, partition: PartitionIndex(partition), reached: time(reached)?, caught_up })
        };
        Ok(CommitRecord {
            next_offset: NextOffset(self.next_offset),
            transaction: self.transaction,
            rules_hash: self.rules_hash,
            partition: PartitionState {
                index: PartitionIndex(self.partition),
                clock: maybe_time(self.clock_ms)?,
                sources: self
                    .sources
                    .into_iter()
                    .map(|(topic, partitions)| SourceTopic { topic, partitions })
                    .collect(),
                reports: self.reports.into_iter().map(report).collect::<Result<_, StateError>>()?,
                reported: self.reported.map(Day::new),
                fleet: Arc::default(),
                features: Arc::default(),
                quality: Box::new(self.quality.into_quality()),
                guard: Box::new(Guard {
                    usual: self.guard.usual,
                    looked: self.guard.looked,
                    held_since: maybe_time(self.guard.held_since_ms)?,
                    returned_at: maybe_time(self.guard.returned_ms)?,
                    is_given_up: self.guard.is_given_up,
                }),
            },
        })
    }
}

impl QualityForm {
    fn of(quality: &Quality) -> QualityForm {
        let of_type =
            |known: &TypeQuality| [known.matured, known.churned, known.acknowledged, known.acknowledge_seconds];
        QualityForm {
            types: quality.types.iter().map(of_type).collect(),
            left: quality.left,
            foretold: quality.foretold,
            lead_days: quality.lead_days,
            resolutions: quality
                .resolutions
                .iter()
                .map(|known| {
                    let counts = [known.count, known.churned, known.retained];
                    (known.kind, known.reason.clone(), known.number, counts)
                })
                .collect(),
        }
    }

    fn into_quality(self) -> Quality {
        let of_type = |[matured, churned, acknowledged, acknowledge_seconds]: [u64; 4]| TypeQuality {
            matured,
            churned,
            acknowledged,
            acknowledge_seconds,
        };
        let resolutions = self.resolutions.into_iter().map(|(kind, reason, number, [count, churned, retained])| {
            Resolutions { kind, reason, count, number, churned, retained }
        });
        Quality {
            types: self.types.into_iter().map(of_type).collect(),
            left: self.left,
            foretold: self.foretold,
            lead_days: self.lead_days,
            resolutions: resolutions.collect(),
        }
    }
}

pub(super) fn pick<T: Copy>(number: u8, values: &[T], what: &str) -> Result<T, StateError> {
    values.get(usize::from(number)).copied().ok_or_else(|| damaged(&format!("{what} number {number}")))
}

pub(super) fn stamp_form(stamp: Stamp) -> StampForm {
    (stamp.time.ms(), stamp.tie)
}

pub(super) fn stamp((ms, tie): StampForm) -> Result<Stamp, StateError> {
    Ok(Stamp { time: time(ms)?, tie })
}

pub(super) fn maybe_time(ms: Option<i64>) -> Result<Option<Timestamp>, StateError> {
    ms.map(time).transpose()
}

pub(super) fn time(ms: i64) -> Result<Timestamp, StateError> {
    Timestamp::from_ms(ms).ok_or_else(|| damaged("a time out of range"))
}

pub(super) fn damaged(what: &str) -> StateError {
    StateError::Damaged(what.to_owned())
}
