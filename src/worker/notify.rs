//! The notify worker: changes of alerts in, what goes out to each owner and the desk's changelog out.
//!
//! An owner's accounts lie in many partitions, so one worker reads all partitions of the alerts. In which order it meets
//! the partitions is chance; so that a desk is a function of what is written, a transaction holds one batch, which is
//! taken in by the time of the records ([`order`]), and the commit record says how far each partition went. Invariants: a
//! change goes out at most once; the commit record equals the group's offsets, and a restore that finds otherwise
//! refuses; after an abort nothing is gone on with from memory, the desk is restored.

use super::outbox::{OutTopic, Outbox};
use super::{RawRecord, Start, Tally};
use crate::desk::{Desk, Outgoing, Settings as DeskSettings, Why};
use crate::units::{NextOffset, PartitionIndex, Timestamp};
use crate::wire::desk::encode_outgoing;
use crate::wire::desk_state::{
    self, ALERT_KEY_PREFIX, COMMIT_KEY, DeskCommit, DeskRecord, DeskStateError, OWNER_KEY_PREFIX,
};
use crate::wire::notice::{NoticeError, decode_notice};

/// The only partition of the desk's changelog and of what goes out.
pub const DESK: PartitionIndex = PartitionIndex(0);

/// What goes out, in the order in which it is counted.
pub const OUTGOING_KINDS: [&str; 5] = ["new", "promoted", "follow_up", "digest", "catch_up"];

/// What the machine needs to know besides the records.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What the desk goes by.
    pub desk: DeskSettings,
    /// Partitions of the alerts, at least 1.
    pub partitions: i32,
}

/// The notify worker's decisions.
#[derive(Debug)]
pub struct NotifyMachine {
    settings: Settings,
    phase: Phase,
    tally: Tally,
    sent: Sent,
}

/// How many records of each kind go out, by [`OUTGOING_KINDS`].
pub type Sent = [u64; OUTGOING_KINDS.len()];

#[derive(Debug)]
enum Phase {
    /// Another worker has the desk.
    Away,
    /// The changelog is being read.
    Restoring { desk: Box<Desk>, commit: Option<DeskCommit>, records: u64 },
    /// At work.
    Running(Box<Work>),
}

#[derive(Debug)]
struct Work {
    desk: Desk,
    /// Where each partition is read next; `None` where nothing has been read yet.
    next: Vec<Option<NextOffset>>,
    /// Whether the transaction has something to say.
    touched: bool,
}

/// What a commit made final.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// What was read.
    pub tally: Tally,
    /// What went out.
    pub sent: Sent,
}

/// Why the desk cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum DeskRestoreError {
    /// A changelog record cannot be read.
    #[error("cannot read the desk's changelog: {0}")]
    State(#[from] DeskStateError),
    /// The group's offsets are not those that the desk stands for.
    #[error(
        "the notify group's committed offset {committed:?} of alerts partition {} differs from {recorded:?} of the desk's \
         commit record; somebody reset the offsets or the changelog was truncated: set the group's offset back, or delete \
         the group and the desk's changelog topic to begin anew from the alerts that are kept", partition.0
    )]
    Differs {
        /// The partition of the alerts.
        partition: PartitionIndex,
        /// What the group says.
        committed: Option<i64>,
        /// What the changelog says.
        recorded: Option<i64>,
    },
    /// The alerts have had another number of partitions.
    #[error(
        "the desk has read {found} partitions of the alerts, which now have {wanted}; the topic cannot be made anew under it"
    )]
    Partitions {
        /// How many it has read.
        found: usize,
        /// How many there are.
        wanted: i32,
    },
    /// It was never assigned or is running already.
    #[error("the desk is not being restored")]
    NotRestoring,
}

impl NotifyMachine {
    /// A worker without the desk.
    #[must_use]
    pub fn new(settings: Settings) -> NotifyMachine {
        NotifyMachine { settings, phase: Phase::Away, tally: Tally::default(), sent: Sent::default() }
    }

    /// Takes the desk on, which is restoring from now on. One that it has already is forgotten, with what was not
    /// committed.
    pub fn assign(&mut self) {
        self.revoke();
        let desk = Box::new(Desk::kept(self.settings.desk));
        self.phase = Phase::Restoring { desk, commit: None, records: 0 };
    }

    /// Gives the desk up.
    pub fn revoke(&mut self) {
        self.phase = Phase::Away;
        self.tally = Tally::default();
        self.sent = Sent::default();
    }

    /// Whether the desk is being restored.
    #[must_use]
    pub fn is_restoring(&self) -> bool {
        matches!(self.phase, Phase::Restoring { .. })
    }

    /// Takes in one record of the changelog, in offset order. How many have been taken in.
    pub fn restore(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<u64, DeskRestoreError> {
        let Phase::Restoring { desk, commit, records } = &mut self.phase else {
            return Err(DeskRestoreError::NotRestoring);
        };
        *records += 1;
        match desk_state::decode(key.unwrap_or_default(), value)? {
            DeskRecord::Alert(id, kept) => {
                desk.forget_alert(&id);
                if let Some((owner, item)) = kept {
                    desk.restore_alert(&owner, item);
                }
            }
            DeskRecord::Owner(name, Some(memory)) => desk.restore_owner(&name, memory),
            DeskRecord::Owner(name, None) => desk.forget_owner(&name),
            DeskRecord::Commit(found) => *commit = Some(found),
        }
        Ok(*records)
    }

    /// Ends the restore: `committed` are the group's offsets of the alerts, by partition. On success it runs, and says
    /// where each partition is to be read from.
    pub fn finish_restore(&mut self, committed: &[Option<NextOffset>]) -> Result<Vec<Start>, DeskRestoreError> {
        let Phase::Restoring { desk, commit, .. } = &mut self.phase else {
            return Err(DeskRestoreError::NotRestoring);
        };
        let wanted = usize::try_from(self.settings.partitions).unwrap_or_default();
        let commit = commit.take();
        let next = commit.as_ref().map_or_else(|| vec![None; wanted], |commit| commit.next.clone());
        if next.len() != wanted {
            return Err(DeskRestoreError::Partitions { found: next.len(), wanted: self.settings.partitions });
        }
        for ((partition, recorded), committed) in (0..).zip(&next).zip(committed) {
            // An offset that has expired in the group is known from the record.
            if committed.is_some() && committed != recorded {
                let number = |next: &Option<NextOffset>| next.map(|NextOffset(next)| next);
                return Err(DeskRestoreError::Differs {
                    partition: PartitionIndex(partition),
                    committed: number(committed),
                    recorded: number(recorded),
                });
            }
        }
        desk.restore_memory(commit.unwrap_or_default().memory);
        let mut desk = std::mem::replace(&mut **desk, Desk::kept(self.settings.desk));
        desk.take_touched();
        let starts = next.iter().map(|next| next.map_or(Start::Beginning, Start::At)).collect();
        self.phase = Phase::Running(Box::new(Work { desk, next, touched: false }));
        Ok(starts)
    }

    /// Takes in one batch of changes and appends what goes out to `outbox`. Records that are no alerts are passed over;
    /// the errors say where and why.
    pub fn step_all(
        &mut self,
        records: &[RawRecord<'_>],
        outbox: &mut Outbox,
    ) -> Vec<(PartitionIndex, NextOffset, NoticeError)> {
        let mut errors = Vec::new();
        let Phase::Running(work) = &mut self.phase else { return errors };
        let mut outgoing = Vec::new();
        for index in order(records) {
            let Some(record) = records.get(index) else { continue };
            let place = usize::try_from(record.partition.0).ok().and_then(|place| work.next.get_mut(place));
            let Some(next) = place.filter(|next| next.is_none_or(|next| record.offset.0 >= next.0)) else { continue };
            *next = Some(record.offset.next());
            work.touched = true;
            self.tally.records += 1;
            self.tally.bytes += record.bytes() as u64;
            match decode_notice(record.value.unwrap_or_default()) {
                Ok(notice) => {
                    // Where the topic keeps no timestamps, things become known when they happen.
                    let present = record.timestamp.unwrap_or(notice.at);
                    work.desk.tick(present, &mut outgoing);
                    work.desk.change(notice, present, &mut outgoing);
                }
                Err(error) => {
                    self.tally.reject("unreadable_alert");
                    errors.push((record.partition, record.offset.next(), error));
                }
            }
        }
        send(&outgoing, &mut self.sent, outbox);
        errors
    }

    /// Everything that has been written up to `present` has been read: what waits for that goes out.
    pub fn tick(&mut self, present: Timestamp, outbox: &mut Outbox) {
        let Phase::Running(work) = &mut self.phase else { return };
        let mut outgoing = Vec::new();
        let before = work.desk.memory();
        work.desk.tick(present, &mut outgoing);
        work.touched |= work.desk.memory() != before;
        send(&outgoing, &mut self.sent, outbox);
    }

    /// Where it reads `partition` next; `None` before the first record, or without the desk.
    #[must_use]
    pub fn next_offset(&self, partition: PartitionIndex) -> Option<NextOffset> {
        let Phase::Running(work) = &self.phase else { return None };
        usize::try_from(partition.0).ok().and_then(|index| work.next.get(index)).copied().flatten()
    }

    /// Whether the transaction is to end now: as soon as there is something in it.
    #[must_use]
    pub fn commit_due(&self) -> bool {
        matches!(&self.phase, Phase::Running(work) if work.touched)
    }

    /// Appends the changelog of the transaction to `outbox`; the offsets to commit with it, or `None` when there is
    /// nothing to commit.
    pub fn prepare_commit(&mut self, outbox: &mut Outbox) -> Option<Vec<(PartitionIndex, NextOffset)>> {
        let Phase::Running(work) = &mut self.phase else { return None };
        if !work.touched {
            return None;
        }
        let touched = work.desk.take_touched();
        for id in &touched.alerts {
            let key = [&[ALERT_KEY_PREFIX][..], id.as_bytes()];
            match work.desk.alert(id) {
                Some((owner, item)) => {
                    outbox.push_with(OutTopic::Desk, DESK, &key, |out| desk_state::encode_alert(owner, item, out));
                }
                None => outbox.push_raw(OutTopic::Desk, DESK, Some(&key.concat()), None),
            }
        }
        for name in &touched.owners {
            let key = [&[OWNER_KEY_PREFIX][..], name.as_bytes()];
            match work.desk.owner(name) {
                Some(memory) => {
                    outbox.push_with(OutTopic::Desk, DESK, &key, |out| desk_state::encode_owner(&memory, out));
                }
                None => outbox.push_raw(OutTopic::Desk, DESK, Some(&key.concat()), None),
            }
        }
        let commit = DeskCommit { next: work.next.clone(), memory: work.desk.memory() };
        outbox.push_with(OutTopic::Desk, DESK, &[COMMIT_KEY], |out| desk_state::encode_commit(&commit, out));
        Some((0..).zip(&work.next).filter_map(|(index, next)| Some((PartitionIndex(index), (*next)?))).collect())
    }

    /// The transaction is committed.
    pub fn committed(&mut self) -> Committed {
        if let Phase::Running(work) = &mut self.phase {
            work.touched = false;
        }
        Committed { tally: std::mem::take(&mut self.tally), sent: std::mem::take(&mut self.sent) }
    }
}

/// The order in which the records of a batch are taken in: by time, as far as that leaves the order within each partition
/// as it is; equal times by partition.
#[must_use]
pub fn order(records: &[RawRecord<'_>]) -> Vec<usize> {
    let mut latest: Vec<(PartitionIndex, Timestamp)> = Vec::new();
    let mut keyed: Vec<(Timestamp, PartitionIndex, usize)> = Vec::with_capacity(records.len());
    for (index, record) in records.iter().enumerate() {
        let at = record.timestamp.unwrap_or(Timestamp::MIN);
        let known = latest.iter_mut().find(|(partition, _)| *partition == record.partition);
        let at = if let Some((_, latest)) = known {
            *latest = at.max(*latest);
            *latest
        } else {
            latest.push((record.partition, at));
            at
        };
        keyed.push((at, record.partition, index));
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, _, index)| index).collect()
}

/// Appends what goes out, keyed by owner, and counts it.
fn send(outgoing: &[Outgoing], sent: &mut Sent, outbox: &mut Outbox) {
    for outgoing in outgoing {
        let (owner, kind) = match outgoing {
            Outgoing::Delivered(delivery) => (
                &delivery.owner,
                match delivery.why {
                    Why::New => 0,
                    Why::Promoted => 1,
                    Why::FollowUp => 2,
                },
            ),
            Outgoing::Digest(digest) => (&digest.owner, if digest.is_catch_up { 4 } else { 3 }),
        };
        if let Some(count) = sent.get_mut(kind) {
            *count += 1;
        }
        outbox.push_with(OutTopic::Deliveries, DESK, &[owner.as_bytes()], |out| encode_outgoing(outgoing, out));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::effect::{AlertChange, Band, Health, Severity, Transition};
    use crate::units::{Currency, HOUR_MS, Money, Offset, Ratio, Span};
    use crate::wire::encode_alert;
    use crate::worker::NoHeaders;

    const PARTITIONS: i32 = 3;
    /// A Monday.
    const START_MS: i64 = 20_003 * crate::units::DAY_MS;

    fn settings() -> Settings {
        let desk = DeskSettings { budget_per_owner_week: 2, deliver_max_age: Span::from_days(1) };
        Settings { desk, partitions: PARTITIONS }
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::clamped(START_MS + minutes * 60_000)
    }

    /// One record of the alerts: partition, minute at which it was written, and its value.
    #[derive(Clone, Debug)]
    struct Written {
        partition: i32,
        known: i64,
        value: Vec<u8>,
    }

    fn alert(
        partition: i32,
        known: i64,
        happened: i64,
        id: u8,
        owner: u8,
        transition: Transition,
        minor: i64,
    ) -> Written {
        let health = Health {
            account_id: format!("account {id}"),
            name: None,
            owner: None,
            segment: "unknown".to_owned(),
            as_of: at(happened),
            last_seen: None,
            band: Band::AtRisk,
            risk: Ratio::ONE,
            contributions: Vec::new(),
            evidence: Vec::new(),
            mrr: None,
            revenue_at_risk: Some(Money { minor, currency: Currency::USD }),
            renewal_at: None,
            churned_at: None,
            unknown: Vec::new(),
        };
        let change = AlertChange {
            alert_id: format!("alert {id}"),
            alert_type: "churn_risk",
            episode: 1,
            transition,
            severity: Severity::Warning,
            is_open: transition != Transition::Resolved,
            raised_at: at(happened),
            reason: None,
            act: None,
            is_acknowledged: false,
            snoozed_until: None,
            title: "At risk".to_owned(),
            owner: format!("owner {owner}"),
            escalate_to: None,
            plan: None,
            reasons: Vec::new(),
            link: None,
            health,
            rules: String::new(),
        };
        let mut value = Vec::new();
        encode_alert(&change, &mut value);
        Written { partition, known, value }
    }

    /// A broker in small: what is committed of the changelog and of what goes out, and the group's offsets.
    #[derive(Default)]
    struct Broker {
        changelog: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        gone_out: Vec<String>,
        committed: Vec<Option<NextOffset>>,
    }

    impl Broker {
        fn new() -> Broker {
            Broker { committed: vec![None; 3], ..Broker::default() }
        }

        fn restored(&self) -> NotifyMachine {
            let mut machine = NotifyMachine::new(settings());
            machine.assign();
            for (key, value) in &self.changelog {
                machine.restore(Some(key), value.as_deref()).unwrap();
            }
            machine.finish_restore(&self.committed).unwrap();
            machine
        }

        /// Commits what the outbox and the machine hold.
        fn commit(&mut self, machine: &mut NotifyMachine, outbox: &mut Outbox) {
            let Some(offsets) = machine.prepare_commit(outbox) else { return };
            for record in outbox.records() {
                let value = record.value.map(<[u8]>::to_vec);
                if record.topic == OutTopic::Desk {
                    self.changelog.push((record.key.unwrap().to_vec(), value));
                } else {
                    self.gone_out.push(String::from_utf8(value.unwrap()).unwrap());
                }
            }
            outbox.clear();
            for (partition, next) in offsets {
                self.committed[usize::try_from(partition.0).unwrap()] = Some(next);
            }
            machine.committed();
        }
    }

    /// Takes in `written` in batches of the given sizes; after a batch that `fails` says so the worker dies before its
    /// commit, and another goes on from what is committed.
    fn run(written: &[Written], sizes: &[usize], fails: &[bool]) -> Broker {
        let mut broker = Broker::new();
        let mut machine = broker.restored();
        let mut next = BTreeMap::new();
        let offsets: Vec<i64> = written
            .iter()
            .map(|written| {
                let next = next.entry(written.partition).or_insert(0_i64);
                *next += 1;
                *next - 1
            })
            .collect();
        let records: Vec<RawRecord<'_>> = written
            .iter()
            .zip(&offsets)
            .map(|(written, offset)| RawRecord {
                partition: PartitionIndex(written.partition),
                offset: Offset(*offset),
                timestamp: Some(at(written.known)),
                key: None,
                value: Some(&written.value),
                headers: &NoHeaders,
            })
            .collect();
        let (mut place, mut turn) = (0, 0);
        let mut outbox = Outbox::new();
        while place < records.len() {
            let size = sizes[turn % sizes.len()].clamp(1, records.len() - place);
            let batch = &records[place..place + size];
            if fails.get(turn).copied().unwrap_or(false) {
                machine.step_all(batch, &mut outbox);
                machine.prepare_commit(&mut outbox);
                outbox.clear();
                machine = broker.restored();
            }
            machine.step_all(batch, &mut outbox);
            broker.commit(&mut machine, &mut outbox);
            place += size;
            turn += 1;
        }
        machine.tick(at(written.last().map_or(0, |written| written.known) + 60), &mut outbox);
        broker.commit(&mut machine, &mut outbox);
        broker
    }

    fn some_alerts() -> Vec<Written> {
        use Transition::{Escalated, Raised, Resolved};
        vec![
            alert(0, 0, 0, 1, 0, Raised, 10),
            alert(1, 1, 1, 2, 0, Raised, 30),
            alert(2, 2, 2, 3, 0, Raised, 20),
            alert(0, 3, 3, 4, 0, Raised, 40),
            alert(1, 4, 4, 2, 0, Escalated, 35),
            alert(0, 1_500, 1_500, 1, 0, Resolved, 10),
        ]
    }

    #[test]
    fn what_goes_out_keeps_to_the_budget_over_all_partitions() {
        let broker = run(&some_alerts(), &[100], &[]);
        let kinds: Vec<String> = broker
            .gone_out
            .iter()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                match value["record"].as_str().unwrap() {
                    "delivered" => format!("{} {}", value["why"].as_str().unwrap(), value["alert"]["alert_id"]),
                    _ => format!("digest of {}", value["alerts"].as_array().unwrap().len()),
                }
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "new \"alert 1\"",
                "new \"alert 2\"",
                "new \"alert 3\"",
                "new \"alert 4\"",
                "follow_up \"alert 2\"",
                "digest of 4",
                "follow_up \"alert 1\"",
            ]
        );
    }

    #[test]
    fn an_unreadable_record_is_counted_and_passed_over() {
        let mut written = some_alerts();
        written.insert(2, Written { partition: 0, known: 2, value: b"{".to_vec() });
        assert_eq!(run(&written, &[100], &[]).gone_out, run(&some_alerts(), &[100], &[]).gone_out);
    }

    #[test]
    fn offsets_that_do_not_fit_the_desk_are_refused() {
        let mut broker = run(&some_alerts(), &[2], &[]);
        let fits = broker.committed.clone();
        let attempt = |broker: &Broker| {
            let mut machine = NotifyMachine::new(settings());
            machine.assign();
            for (key, value) in &broker.changelog {
                machine.restore(Some(key), value.as_deref()).unwrap();
            }
            machine.finish_restore(&broker.committed)
        };
        assert_eq!(attempt(&broker).unwrap(), fits.iter().map(|next| Start::At(next.unwrap())).collect::<Vec<_>>());
        broker.committed[1] = Some(NextOffset(0));
        let error = attempt(&broker).unwrap_err().to_string();
        assert!(error.contains("partition 1 differs"), "{error}");
        // Expired in the group: the record says it.
        broker.committed = vec![None; 3];
        assert!(attempt(&broker).is_ok());
        broker.changelog.clear();
        broker.committed = fits;
        assert!(attempt(&broker).is_err(), "offsets without a desk");
    }

    #[test]
    fn yesterday_is_told_today_even_when_nothing_more_happens() {
        let mut broker = Broker::new();
        let mut machine = broker.restored();
        let mut outbox = Outbox::new();
        let written = alert(0, 10, 10, 1, 0, Transition::Raised, 10);
        let record = RawRecord {
            partition: PartitionIndex(0),
            offset: Offset(0),
            timestamp: Some(at(10)),
            key: None,
            value: Some(&written.value),
            headers: &NoHeaders,
        };
        machine.step_all(&[record], &mut outbox);
        broker.commit(&mut machine, &mut outbox);
        for minutes in [24 * 60 + 14, 24 * 60 + 15, 24 * 60 + 16] {
            machine.tick(at(minutes), &mut outbox);
            broker.commit(&mut machine, &mut outbox);
        }
        assert_eq!(broker.gone_out.len(), 2, "{:?}", broker.gone_out);
        assert!(broker.gone_out[1].contains(r#""record":"digest""#));
        assert!(!machine.commit_due());
    }

    #[test]
    fn history_is_told_once_when_it_is_over() {
        let hours = HOUR_MS / 60_000;
        let written: Vec<_> = (0..20)
            .map(|n| alert(i32::from(n % 3), i64::from(n), -48 * hours, n, n % 2, Transition::Raised, 10))
            .collect();
        let broker = run(&written, &[3], &[]);
        assert_eq!(broker.gone_out.len(), 2, "{:?}", broker.gone_out);
        assert!(broker.gone_out.iter().all(|line| line.contains(r#""catch_up":true"#)));
    }

    fn any_alerts() -> impl Strategy<Value = Vec<Written>> {
        let step = (0..PARTITIONS, 0..400_i64, 0..3_000_i64, 0..12_u8, 0..3_u8, 0..4_u8, 0..50_i64);
        proptest::collection::vec(step, 1..60).prop_map(|steps| {
            let mut now = 0;
            let transitions = [Transition::Raised, Transition::Escalated, Transition::Eased, Transition::Resolved];
            steps
                .into_iter()
                .map(|(partition, pause, age, id, owner, transition, minor)| {
                    now += pause;
                    let happened = if age > 1_000 { now - age } else { now };
                    alert(partition, now, happened, id, owner, transitions[usize::from(transition)], minor)
                })
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn nothing_is_lost_or_twice_wherever_a_worker_dies(
            written in any_alerts(),
            sizes in proptest::collection::vec(1..9_usize, 1..5),
            fails in proptest::collection::vec(any::<bool>(), 0..20),
        ) {
            let (whole, broken) = (run(&written, &sizes, &[]), run(&written, &sizes, &fails));
            prop_assert_eq!(&whole.gone_out, &broken.gone_out);
            prop_assert_eq!(&whole.changelog, &broken.changelog);
        }

        #[test]
        fn batches_do_not_matter_where_records_come_by_time(written in any_alerts(), sizes in proptest::collection::vec(1..9_usize, 1..5)) {
            // Equal times of several partitions in one batch go by partition: keep them apart.
            let apart: Vec<Written> = (0_i64..).zip(written).map(|(n, one)| Written { known: one.known * 100 + n, ..one }).collect();
            prop_assert_eq!(run(&apart, &[1], &[]).gone_out, run(&apart, &sizes, &[]).gone_out);
        }
    }
}
