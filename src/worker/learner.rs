//! The learner's worker: reports of the partitions in, fleet records for every partition of the canonical log out.
//!
//! What the fleet teaches is kept nowhere but in the reports themselves: whoever takes their topic on reads it from its
//! beginning. What lies before the group's offset has been spoken for; from there on a closed day is told, in the
//! transaction that commits the offset behind the report that closed it. Invariants: a day is told at most once; an abort
//! changes nothing that was learned, since what was read stays read, and what is still to be told is told again.

use std::sync::Arc;
use std::time::Duration;

use super::outbox::{OutTopic, Outbox};
use super::policy::Moment;
use super::{RawRecord, Tally};
use crate::engine::fleet::Fleet;
use crate::engine::fleet::learner::Learner;
use crate::engine::rules::Rules;
use crate::units::{NextOffset, PartitionIndex};
use crate::wire::canonical::{self, CONTROL_KEY};
use crate::wire::fleet::{BEGIN_KEY, FleetMessage, MessageError, decode_message, encode_begin};

/// The only partition of the topic of reports.
pub const REPORTS: PartitionIndex = PartitionIndex(0);
/// Transactions come at least this far apart: while days close faster, only the newest is told.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// What the machine needs to know besides the records.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// Partitions of the canonical log, at least 1.
    pub canonical_partitions: i32,
    /// Text of the model file to begin from, where the group has never worked before.
    pub model: Option<Arc<str>>,
}

/// The learner's decisions.
#[derive(Debug)]
pub struct LearnerMachine {
    settings: Settings,
    work: Option<Work>,
    tally: Tally,
    last_commit: Option<Moment>,
}

/// The topic of reports as far as it has been read.
#[derive(Debug)]
struct Work {
    learner: Learner,
    /// Where to read next.
    next: NextOffset,
    /// What lies before it has been spoken for.
    committed: NextOffset,
    /// Whether the offset has moved since the last commit, or there is none yet.
    touched: bool,
    /// Whether the model is still to be written into the topic.
    begins: bool,
    /// The newest fleet record that has not been told.
    untold: Option<Arc<Fleet>>,
}

impl LearnerMachine {
    /// A worker without the topic.
    #[must_use]
    pub fn new(settings: Settings) -> LearnerMachine {
        LearnerMachine { settings, work: None, tally: Tally::default(), last_commit: None }
    }

    /// Takes the topic on, which holds the offsets from `low` to `high`; it is to be read from `low`. `committed` is the
    /// group's offset. One beyond the end belongs to a topic that is no more: then nothing has been spoken for.
    pub fn assign(&mut self, low: NextOffset, high: NextOffset, committed: Option<NextOffset>) {
        let committed = committed.filter(|committed| *committed <= high);
        let begins = committed.is_none() && self.settings.model.is_some();
        self.work = Some(Work {
            learner: Learner::new(self.partitions()),
            next: low,
            committed: committed.unwrap_or(low),
            touched: begins,
            begins,
            untold: None,
        });
        self.last_commit = None;
    }

    /// Gives the topic up, and what was learned from it. Its transaction must have been committed or aborted before.
    pub fn revoke(&mut self) {
        self.work = None;
        self.tally = Tally::default();
    }

    /// Whether it has the topic.
    #[must_use]
    pub fn is_assigned(&self) -> bool {
        self.work.is_some()
    }

    /// Takes in one record of the topic. One that cannot be used is passed over; the error says why.
    pub fn step(&mut self, record: &RawRecord<'_>) -> Result<(), MessageError> {
        let partitions = self.partitions();
        let Some(work) = self.work.as_mut().filter(|_| record.partition == REPORTS) else { return Ok(()) };
        if record.offset.0 < work.next.0 {
            return Ok(());
        }
        work.next = record.offset.next();
        let is_new = record.offset.0 >= work.committed.0;
        if is_new {
            work.touched = true;
            self.tally.records += 1;
            self.tally.bytes += record.bytes() as u64;
        }
        let taught = match decode_message(record.key, record.value, partitions, &self.settings.rules) {
            Ok(FleetMessage::Report(report)) => work.learner.take(*report, &self.settings.rules),
            Ok(FleetMessage::Begin(learner)) => {
                work.learner = *learner;
                Some(Arc::new(work.learner.fleet().clone()))
            }
            Err(error) => {
                if is_new {
                    self.tally.reject("unreadable_report");
                }
                return Err(error);
            }
        };
        if is_new && taught.is_some() {
            work.untold = taught;
        }
        Ok(())
    }

    /// Where it reads next; `None` without the topic.
    #[must_use]
    pub fn next_offset(&self) -> Option<NextOffset> {
        self.work.as_ref().map(|work| work.next)
    }

    /// Whether the transaction is to end now.
    #[must_use]
    pub fn commit_due(&self, now: Moment) -> bool {
        let is_dirty = self.work.as_ref().is_some_and(|work| work.touched);
        is_dirty && self.last_commit.is_none_or(|last| now.since(last) >= COMMIT_INTERVAL)
    }

    /// Appends what the transaction is to hold to `outbox`, and returns the offset to commit with it; `None` when there is
    /// nothing to commit.
    pub fn prepare_commit(&mut self, outbox: &mut Outbox) -> Option<NextOffset> {
        let work = self.work.as_ref().filter(|work| work.touched)?;
        if work.begins {
            let model = self.settings.model.as_deref();
            outbox.push_with(OutTopic::Fleet, REPORTS, &[BEGIN_KEY], |out| encode_begin(model, out));
        }
        if let Some(fleet) = &work.untold {
            let mut value = Vec::new();
            canonical::encode_fleet(fleet, &mut value);
            for index in 0..self.settings.canonical_partitions {
                outbox.push_raw(OutTopic::Events, PartitionIndex(index), Some(CONTROL_KEY), Some(&value));
            }
        }
        Some(work.next)
    }

    /// The transaction is committed.
    pub fn committed(&mut self, now: Moment) -> Tally {
        if let Some(work) = &mut self.work {
            work.committed = work.next;
            work.touched = false;
            work.begins = false;
            work.untold = None;
        }
        self.last_commit = Some(now);
        std::mem::take(&mut self.tally)
    }

    /// The transaction is aborted: it is tried again later.
    pub fn aborted(&mut self, now: Moment) {
        self.last_commit = Some(now);
    }

    fn partitions(&self) -> usize {
        usize::try_from(self.settings.canonical_partitions).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::engine::fleet::report::FleetReport;
    use crate::units::{Day, Offset};
    use crate::wire::fleet::{encode_model, encode_report};
    use crate::wire::{Decoded, fleet};
    use crate::worker::NoHeaders;

    const PARTITIONS: i32 = 2;

    /// What is read back of an outbox: offset, then `partition:day` of each fleet record, `begin` of each beginning.
    struct Bench {
        machine: LearnerMachine,
        log: Vec<(Vec<u8>, Vec<u8>)>,
        seconds: u64,
    }

    impl Bench {
        fn new(model: Option<String>) -> Bench {
            let settings = Settings {
                rules: Arc::new(Rules::default()),
                canonical_partitions: PARTITIONS,
                model: model.map(Arc::from),
            };
            Bench { machine: LearnerMachine::new(settings), log: Vec::new(), seconds: 0 }
        }

        /// The log holds a report of each `partition@day`; `!` is an unreadable record.
        fn write(&mut self, records: &str) {
            for word in records.split_whitespace() {
                let mut value = Vec::new();
                if let Some((partition, day)) = word.split_once('@') {
                    let partition = PartitionIndex(partition.parse().unwrap());
                    let day = Day::new(20_000 + day.parse::<u16>().unwrap());
                    encode_report(&FleetReport { partition, day, ..FleetReport::default() }, &mut value);
                } else {
                    value.push(b'!');
                }
                self.log.push((Vec::new(), value));
            }
        }

        fn end(&self) -> NextOffset {
            NextOffset(i64::try_from(self.log.len()).unwrap())
        }

        fn assign(&mut self, committed: Option<i64>) {
            let high = self.end();
            self.machine.assign(NextOffset(0), high, committed.map(NextOffset));
        }

        /// Reads the log to its end; how many records were unreadable.
        fn read(&mut self) -> usize {
            let mut errors = 0;
            for (offset, (key, value)) in (0_i64..).zip(&self.log) {
                let record = RawRecord {
                    partition: REPORTS,
                    offset: Offset(offset),
                    timestamp: None,
                    key: Some(key),
                    value: Some(value),
                    headers: &NoHeaders,
                };
                errors += usize::from(self.machine.step(&record).is_err());
            }
            errors
        }

        /// What a transaction would hold now: the offset, then `partition:day` of each fleet record.
        fn prepare(&mut self) -> String {
            self.seconds += 1;
            if !self.machine.commit_due(Moment(Duration::from_secs(self.seconds))) {
                return "nothing".to_owned();
            }
            let mut outbox = Outbox::new();
            let Some(offset) = self.machine.prepare_commit(&mut outbox) else { return "nothing".to_owned() };
            let mut shown = format!("offset {}", offset.0);
            for record in outbox.records() {
                let value = record.value.unwrap();
                if record.topic == OutTopic::Fleet {
                    self.log.push((record.key.unwrap().to_vec(), value.to_vec()));
                    shown += " begin";
                    continue;
                }
                assert_eq!(record.key, Some(CONTROL_KEY));
                let Ok(Decoded::Input(crate::engine::input::Input::Fleet(fleet))) = canonical::decode(value) else {
                    panic!("no fleet record");
                };
                let day = fleet.day.map_or("shipped".to_owned(), |day| (day.number() - 20_000).to_string());
                let _ = write!(shown, " {}:{day}", record.partition.0);
            }
            shown
        }

        fn commit(&mut self) -> String {
            let shown = self.prepare();
            if shown != "nothing" {
                self.machine.committed(Moment(Duration::from_secs(self.seconds)));
            }
            shown
        }
    }

    #[test]
    fn a_day_that_all_partitions_have_reported_on_is_told_to_all_of_them_once() {
        let mut bench = Bench::new(None);
        bench.assign(None);
        assert_eq!(bench.commit(), "nothing");
        bench.write("0@1");
        bench.read();
        assert_eq!(bench.commit(), "offset 1");
        bench.write("1@1");
        bench.read();
        assert_eq!(bench.commit(), "offset 2 0:2 1:2");
        assert_eq!(bench.commit(), "nothing");
    }

    #[test]
    fn of_days_that_close_together_only_the_newest_is_told() {
        let mut bench = Bench::new(None);
        bench.assign(None);
        bench.write("0@1 0@2 0@3 0@4 1@1 1@2 1@3");
        bench.read();
        assert_eq!(bench.commit(), "offset 7 0:4 1:4");
    }

    #[test]
    fn partitions_that_begin_on_different_days_hold_nothing_up() {
        let mut bench = Bench::new(None);
        bench.assign(None);
        bench.write("0@1 0@2 1@2");
        bench.read();
        assert_eq!(bench.commit(), "offset 3 0:3 1:3");
    }

    #[test]
    fn what_lies_before_the_offset_is_learned_and_not_told() {
        let mut whole = Bench::new(None);
        whole.assign(None);
        whole.write("0@1 1@1 0@2");
        whole.read();
        whole.commit();

        let mut bench = Bench::new(None);
        bench.write("0@1 1@1 0@2");
        bench.assign(Some(3));
        bench.read();
        assert_eq!(bench.commit(), "nothing");
        bench.write("1@2");
        bench.read();
        assert_eq!(bench.commit(), "offset 4 0:3 1:3");

        whole.write("1@2");
        whole.read();
        let learner = |bench: &Bench| bench.machine.work.as_ref().unwrap().learner.clone();
        assert_eq!(learner(&whole), learner(&bench));
    }

    #[test]
    fn what_an_abort_took_back_is_told_again() {
        let mut bench = Bench::new(None);
        bench.assign(None);
        bench.write("0@1 1@1");
        bench.read();
        assert_eq!(bench.prepare(), "offset 2 0:2 1:2");
        bench.machine.aborted(Moment(Duration::from_secs(bench.seconds)));
        bench.write("0@2 1@2");
        bench.read();
        assert_eq!(bench.commit(), "offset 4 0:3 1:3");
    }

    #[test]
    fn the_offset_of_a_topic_that_is_no_more_speaks_for_nothing() {
        let mut bench = Bench::new(None);
        bench.write("0@1 1@1");
        bench.assign(Some(70));
        bench.read();
        assert_eq!(bench.commit(), "offset 2 0:2 1:2");
    }

    #[test]
    fn an_unreadable_report_is_counted_and_passed_over() {
        let mut bench = Bench::new(None);
        bench.assign(None);
        bench.write("0@1 ! 1@1");
        assert_eq!(bench.read(), 1);
        assert_eq!(bench.prepare(), "offset 3 0:2 1:2");
        let tally = bench.machine.committed(Moment::default());
        assert_eq!((tally.records, tally.rejected), (3, vec![("unreadable_report", 1)]));
    }

    #[test]
    fn transactions_come_a_second_apart() {
        let mut bench = Bench::new(None);
        bench.assign(None);
        bench.write("0@1 1@1");
        bench.read();
        bench.commit();
        bench.write("0@2 1@2");
        bench.read();
        let soon = Moment(Duration::from_secs(bench.seconds) + Duration::from_millis(900));
        assert!(!bench.machine.commit_due(soon));
        assert_eq!(bench.commit(), "offset 4 0:3 1:3");
    }

    /// A model that has seen 90 days.
    fn model() -> String {
        let rules = Rules::default();
        let mut learner = Learner::new(1);
        learner.watch.seen = 90;
        encode_model(&learner, &rules)
    }

    fn days_seen(bench: &Bench) -> u32 {
        bench.machine.work.as_ref().unwrap().learner.watch.seen
    }

    #[test]
    fn a_group_that_has_never_worked_begins_from_the_model() {
        let mut bench = Bench::new(Some(model()));
        bench.write("0@1");
        bench.assign(None);
        assert_eq!(bench.commit(), "offset 0 begin");
        bench.read();
        assert_eq!((bench.commit(), days_seen(&bench)), ("offset 2 0:shipped 1:shipped".to_owned(), 90));
        // Another time, the model stands in the topic.
        bench.assign(Some(2));
        assert_eq!(days_seen(&bench), 0);
        bench.read();
        assert_eq!((bench.commit(), days_seen(&bench)), ("nothing".to_owned(), 90));
    }

    #[test]
    fn a_beginning_from_nothing_makes_it_forget_and_says_so() {
        let mut bench = Bench::new(None);
        bench.assign(None);
        bench.write("0@1 1@1");
        bench.read();
        bench.commit();
        let mut value = Vec::new();
        fleet::encode_begin(None, &mut value);
        bench.log.push((BEGIN_KEY.to_vec(), value));
        bench.read();
        assert_eq!(bench.commit(), "offset 3 0:shipped 1:shipped");
        bench.write("0@2 1@2");
        bench.read();
        assert_eq!(bench.commit(), "offset 5 0:3 1:3");
    }
}
