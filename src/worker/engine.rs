//! The engine worker: one [`Engine`] per assigned partition, from restore to commit.
//!
//! A partition is `restoring` from its assignment until its changelog has been read and agrees with the group's
//! offset, then `running` until it is revoked. One transaction spans all partitions of the worker. Invariants: the
//! commit record carries the same next offset as the group's commit in the same transaction; what an aborted
//! transaction did to memory is taken back before anything else is stepped; a record below the next offset is never
//! stepped again.

use std::sync::Arc;

use super::changelog::{Changelog, RestoreError};
use super::dead_letter::{DeadLetterTopic, Reason, Stage};
use super::outbox::{OutTopic, Outbox, PART_RECORDS};
use super::policy::{CommitPolicy, Fill, LAGGING_RECORDS_MIN, Moment, Pace};
use super::{RawRecord, Start, Tally};
use crate::engine::effect::{Effect, Transition};
use crate::engine::fleet::Fleet;
use crate::engine::input::Record;
use crate::engine::rules::Rules;
use crate::engine::vocabulary::Vocabulary;
use crate::engine::{ANTICIPATED_MAX, Engine, Journal, PartitionState};
use crate::units::{NextOffset, PartitionIndex, Position, Timestamp};
use crate::wire::state::{self, ACCOUNT_KEY_PREFIX, COMMIT_KEY, CommitRecord, FEATURES_KEY, FLEET_KEY};
use crate::wire::{Decoded, Refusal, alert, canonical, fleet, health};

/// What the machine needs to know besides the records.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// When transactions end.
    pub policy: CommitPolicy,
    /// Name of the canonical log, for dead letters.
    pub events_topic: String,
    /// Where refused records go.
    pub dead_letters: DeadLetterTopic,
}

/// The engine worker's decisions.
#[derive(Debug)]
pub struct EngineMachine {
    settings: Settings,
    rules_hash: u64,
    partitions: Vec<Partition>,
    effects: Vec<Effect>,
    tally: Tally,
    alerts: Vec<AlertTold>,
    last_commit: Moment,
}

#[derive(Debug)]
struct Partition {
    index: PartitionIndex,
    engine: Engine,
    phase: Phase,
    /// Where to read next; `None` before the first record when nothing was ever committed.
    next: Option<NextOffset>,
    committed: Option<NextOffset>,
    transaction: u64,
    /// The fleet record and the names of features as of the last commit.
    kept: (Arc<Fleet>, Arc<Vocabulary>),
    touched: bool,
    lag: Option<u64>,
}

#[derive(Debug)]
enum Phase {
    Restoring(Changelog),
    Running,
}

/// An alert that a committed transaction published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertTold {
    /// Its type.
    pub alert_type: &'static str,
    /// What happened to it.
    pub transition: Transition,
    /// When the record that caused it reached the canonical log.
    pub received_at: Timestamp,
}

/// What a commit made final.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// What was read.
    pub tally: Tally,
    /// What was alerted.
    pub alerts: Vec<AlertTold>,
}

/// What a finished restore found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the canonical log is to be read from.
    pub start: Start,
    /// How many accounts there are.
    pub accounts: usize,
    /// Whether the last commit was made under other rules than those in force.
    pub rules_changed: bool,
}

/// Reads a record's value; one without is no event. `None`: an event of a type that is not known.
fn read<'a>(record: &RawRecord<'a>) -> Result<Option<Record<'a>>, Refusal> {
    let input = match canonical::decode(record.value.ok_or(Refusal::NullPayload)?)? {
        Decoded::Input(input) => input,
        Decoded::UnknownType(_) => return Ok(None),
    };
    let position = Position { partition: record.partition, offset: record.offset };
    // A topic without timestamps cannot tell the future from the past; then every event is believed.
    Ok(Some(Record { position, received_at: record.timestamp.unwrap_or(Timestamp::MAX), input }))
}

impl Partition {
    /// Notes that what has keys of its own in the changelog stands there as the engine has it.
    fn note_kept(&mut self) {
        let PartitionState { fleet, features, .. } = self.engine.partition();
        self.kept = (Arc::clone(fleet), Arc::clone(features));
    }
}

impl EngineMachine {
    /// A worker without partitions.
    #[must_use]
    pub fn new(settings: Settings) -> EngineMachine {
        EngineMachine {
            rules_hash: settings.rules.hash(),
            settings,
            partitions: Vec::new(),
            effects: Vec::new(),
            tally: Tally::default(),
            alerts: Vec::new(),
            last_commit: Moment::default(),
        }
    }

    /// Takes on a partition, which is restoring from now on. One that it has already starts over.
    pub fn assign(&mut self, index: PartitionIndex) {
        self.revoke(index);
        self.partitions.push(Partition {
            index,
            engine: Engine::new(Arc::clone(&self.settings.rules), Journal::Keep),
            phase: Phase::Restoring(Changelog::default()),
            next: None,
            committed: None,
            transaction: 0,
            kept: Default::default(),
            touched: false,
            lag: None,
        });
    }

    /// Gives up a partition and its state. Its transaction must have been committed or aborted before.
    pub fn revoke(&mut self, index: PartitionIndex) {
        self.partitions.retain(|partition| partition.index != index);
    }

    /// Takes in one record of the partition's changelog, in offset order.
    pub fn restore(
        &mut self,
        index: PartitionIndex,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), RestoreError> {
        let Some(Phase::Restoring(changelog)) = self.find(index).map(|partition| &mut partition.phase) else {
            return Err(RestoreError::NotRestoring(index));
        };
        changelog.take(index, key.unwrap_or_default(), value)
    }

    /// Ends the restore of a partition: `committed` is the group's offset. On success the partition is running.
    pub fn finish_restore(
        &mut self,
        index: PartitionIndex,
        committed: Option<NextOffset>,
    ) -> Result<Restored, RestoreError> {
        let rules_hash = self.rules_hash;
        let Some(partition) = self.find(index) else { return Err(RestoreError::NotRestoring(index)) };
        let Phase::Restoring(changelog) = &mut partition.phase else { return Err(RestoreError::NotRestoring(index)) };
        let Changelog { accounts, commit, fleet, features } = std::mem::take(changelog);
        let Some(commit) = commit else {
            if let Some(committed) = committed {
                return Err(RestoreError::RecordMissing { partition: index, committed });
            }
            if !accounts.is_empty() {
                return Err(RestoreError::Incomplete { partition: index, accounts: accounts.len() });
            }
            partition.phase = Phase::Running;
            return Ok(Restored { start: Start::Beginning, accounts: 0, rules_changed: false });
        };
        if let Some(committed) = committed
            && committed != commit.next_offset
        {
            return Err(RestoreError::Differs { partition: index, committed, recorded: commit.next_offset });
        }
        for (_, value) in accounts {
            let account =
                state::decode_account(&value).map_err(|source| RestoreError::State { partition: index, source })?;
            partition.engine.restore_account(account);
        }
        partition.engine.restore_partition(PartitionState { fleet, features, ..commit.partition });
        partition.note_kept();
        partition.engine.finish_restore();
        partition.next = Some(commit.next_offset);
        partition.committed = Some(commit.next_offset);
        partition.transaction = commit.transaction;
        partition.phase = Phase::Running;
        Ok(Restored {
            start: Start::At(commit.next_offset),
            accounts: partition.engine.accounts_len(),
            rules_changed: commit.rules_hash != rules_hash,
        })
    }

    /// Takes in records of the canonical log, in offset order within each partition, and appends what they cause to
    /// `outbox`. The same as taking them one by one, but faster: the accounts of many are brought close at once.
    pub fn step_all(&mut self, records: &[RawRecord<'_>], outbox: &mut Outbox) {
        for records in records.chunks(ANTICIPATED_MAX) {
            let said: Vec<_> = records.iter().map(read).collect();
            for partition in &mut self.partitions {
                let theirs = records.iter().zip(&said).filter(|(record, _)| record.partition == partition.index);
                partition.engine.anticipate(theirs.filter_map(|(_, said)| match said {
                    Ok(Some(record)) => Some(&record.input),
                    _ => None,
                }));
            }
            for (record, said) in records.iter().zip(&said) {
                self.step_read(record, said, outbox);
            }
        }
    }

    /// Takes in one record of the canonical log and appends what it causes to `outbox`. Records of partitions that are
    /// not running, and records stepped before, are ignored.
    pub fn step(&mut self, record: &RawRecord<'_>, outbox: &mut Outbox) {
        self.step_read(record, &read(record), outbox);
    }

    fn step_read(&mut self, record: &RawRecord<'_>, said: &Result<Option<Record<'_>>, Refusal>, outbox: &mut Outbox) {
        let Some(partition) = self.partitions.iter_mut().find(|known| known.index == record.partition) else { return };
        let read_before = partition.next.is_some_and(|next| record.offset.0 < next.0);
        if read_before || matches!(partition.phase, Phase::Restoring(_)) {
            return;
        }
        partition.next = Some(record.offset.next());
        partition.touched = true;
        self.tally.records += 1;
        self.tally.bytes += record.bytes() as u64;
        let dead_letters = self.settings.dead_letters;
        let input = match said {
            Ok(Some(input)) => input,
            Ok(None) => {
                self.tally.unknown_types += 1;
                return;
            }
            Err(refusal) => {
                self.tally.reject(refusal.name());
                let reason = Reason { name: refusal.name(), message: &refusal.to_string() };
                dead_letters.push(outbox, &self.settings.events_topic, record, Stage::Engine, reason);
                return;
            }
        };
        partition.engine.step(input, &mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Alert(change) => {
                    let key: &[&[u8]] = &[change.health.account_id.as_bytes()];
                    outbox.push_with(OutTopic::Alerts, record.partition, key, |out| alert::encode_alert(&change, out));
                    self.alerts.push(AlertTold {
                        alert_type: change.alert_type,
                        transition: change.transition,
                        received_at: input.received_at,
                    });
                }
                Effect::Health(told) => {
                    let key: &[&[u8]] = &[told.account_id.as_bytes()];
                    outbox.push_with(OutTopic::Health, record.partition, key, |out| health::encode_health(&told, out));
                }
                Effect::Fleet(report) => {
                    // One reader adds up the reports of all partitions: the topic has one partition.
                    outbox.push_with(OutTopic::Fleet, PartitionIndex(0), &[], |out| fleet::encode_report(&report, out));
                }
                Effect::Reject(reject) => {
                    self.tally.reject(reject.name());
                    let reason = Reason { name: reject.name(), message: reject.message() };
                    dead_letters.push(outbox, &self.settings.events_topic, record, Stage::Engine, reason);
                }
            }
        }
    }

    /// Notes that `lag` records of the partition were still to be read.
    pub fn observe(&mut self, index: PartitionIndex, lag: u64) {
        if let Some(partition) = self.find(index) {
            partition.lag = Some(lag);
        }
    }

    /// Whether the worker keeps up. A partition not yet observed counts as lagging.
    #[must_use]
    pub fn pace(&self) -> Pace {
        if self.partitions.iter().any(|partition| partition.lag.is_none_or(|lag| lag >= LAGGING_RECORDS_MIN)) {
            Pace::Lagging
        } else {
            Pace::CaughtUp
        }
    }

    /// Whether anything was stepped since the last commit.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.partitions.iter().any(|partition| partition.touched)
    }

    /// Whether the transaction is to end now.
    #[must_use]
    pub fn commit_due(&self, now: Moment) -> bool {
        let elapsed = now.since(self.last_commit);
        let changed = self.partitions.iter().map(|partition| partition.engine.changed_len() as u64);
        let fill = Fill { events: self.tally.records, bytes: self.tally.bytes, accounts: changed.sum() };
        self.is_dirty() && self.settings.policy.due(self.pace(), elapsed, fill)
    }

    /// Appends the changelog of the transaction to `outbox`, handing it over whenever a part is full and at the end, and
    /// returns the offsets to commit with it, one for each touched partition. Empty when there is nothing to commit.
    pub fn prepare_commit<E>(
        &mut self,
        outbox: &mut Outbox,
        hand_over: &mut dyn FnMut(&mut Outbox) -> Result<(), E>,
    ) -> Result<Vec<(PartitionIndex, NextOffset)>, E> {
        let mut offsets = Vec::new();
        for partition in self.partitions.iter().filter(|partition| partition.touched) {
            let Some(next_offset) = partition.next else { continue };
            for account in partition.engine.changed() {
                let key: &[&[u8]] = &[&[ACCOUNT_KEY_PREFIX], account.id.as_bytes()];
                outbox.push_with(OutTopic::State, partition.index, key, |out| state::encode_account(account, out));
                if outbox.len() >= PART_RECORDS {
                    hand_over(outbox)?;
                }
            }
            let PartitionState { fleet, features, .. } = partition.engine.partition();
            if !Arc::ptr_eq(fleet, &partition.kept.0) {
                outbox.push_with(OutTopic::State, partition.index, &[FLEET_KEY], |out| state::encode_fleet(fleet, out));
            }
            if !Arc::ptr_eq(features, &partition.kept.1) {
                outbox.push_with(OutTopic::State, partition.index, &[FEATURES_KEY], |out| {
                    state::encode_features(features, out);
                });
            }
            let commit = CommitRecord {
                next_offset,
                transaction: partition.transaction + 1,
                rules_hash: self.rules_hash,
                partition: partition.engine.partition().clone(),
            };
            outbox.push_with(OutTopic::State, partition.index, &[COMMIT_KEY], |out| state::encode_commit(&commit, out));
            offsets.push((partition.index, next_offset));
        }
        hand_over(outbox)?;
        Ok(offsets)
    }

    /// The transaction is committed: everything stepped is final.
    pub fn committed(&mut self, now: Moment) -> Committed {
        for partition in self.partitions.iter_mut().filter(|partition| partition.touched) {
            partition.engine.commit();
            partition.committed = partition.next;
            partition.note_kept();
            partition.transaction += 1;
            partition.touched = false;
        }
        self.last_commit = now;
        Committed { tally: std::mem::take(&mut self.tally), alerts: std::mem::take(&mut self.alerts) }
    }

    /// The transaction is aborted: takes back everything stepped and says where to read again.
    pub fn aborted(&mut self, now: Moment) -> Vec<(PartitionIndex, Start)> {
        let mut seeks = Vec::new();
        for partition in self.partitions.iter_mut().filter(|partition| partition.touched) {
            partition.engine.roll_back();
            partition.next = partition.committed;
            partition.touched = false;
            seeks.push((partition.index, partition.committed.map_or(Start::Beginning, Start::At)));
        }
        self.last_commit = now;
        self.tally = Tally::default();
        self.alerts.clear();
        seeks
    }

    /// The partitions it has, with their engines; those still restoring are left out.
    pub fn running(&self) -> impl Iterator<Item = (PartitionIndex, &Engine)> {
        let running = |partition: &&Partition| matches!(partition.phase, Phase::Running);
        self.partitions.iter().filter(running).map(|partition| (partition.index, &partition.engine))
    }

    /// Where the partition is read next; `None` when it is not assigned or nothing was read yet.
    #[must_use]
    pub fn next_offset(&self, index: PartitionIndex) -> Option<NextOffset> {
        self.partitions.iter().find(|partition| partition.index == index).and_then(|partition| partition.next)
    }

    /// The partitions that still wait for their restore.
    #[must_use]
    pub fn restoring(&self) -> Vec<PartitionIndex> {
        let restoring = |partition: &&Partition| matches!(partition.phase, Phase::Restoring(_));
        self.partitions.iter().filter(restoring).map(|partition| partition.index).collect()
    }

    /// All partitions it has.
    #[must_use]
    pub fn assigned(&self) -> Vec<PartitionIndex> {
        self.partitions.iter().map(|partition| partition.index).collect()
    }

    fn find(&mut self, index: PartitionIndex) -> Option<&mut Partition> {
        self.partitions.iter_mut().find(|partition| partition.index == index)
    }
}
