//! Cut-offs in a replay: what stands before one, what has to wait for it, and when it is reached.
//!
//! A query at T may see only what happened before T, whatever the order of the lines. So records wait:
//! - An event at or after the next cut-off waits until the cut-off has been looked at; then it goes on in its order.
//! - In **plain events** the cut-off is reached once no earlier event follows, which a first reading of the input has
//!   found ([`super::scan`]). Between two cut-offs, events are taken in in the order of their lines.
//! - In a **dump of the canonical log** positions count too: a partition reaches the cut-off at the progress record that
//!   would move its clock to it. That record waits as well. An event from before the cut-off that the log received after
//!   that was not known then, and is not seen.
//!
//! So nothing with a time at or after a cut-off, and in a dump nothing after its position, can change what is seen at
//! it: it may be changed, added to or taken away. For a log in the order of time nothing waits but a record at each cut-off.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::PartitionState;
use crate::engine::input::{Input, Record};
use crate::engine::rules::Rules;
use crate::units::{PartitionIndex, Position, Timestamp};

/// Bytes that may wait for a cut-off by default (1 GiB); a log that is more out of order has to be sorted first.
pub const HELD_BYTES_MAX: usize = 1 << 30;

/// Plain events are one partition.
const EVENTS: PartitionIndex = PartitionIndex(0);

/// Bytes that a waiting record takes beside its own.
const HELD_OVERHEAD_BYTES: usize = size_of::<Held>();

/// A record that waits.
#[derive(Debug)]
pub struct Held {
    /// Index of its line.
    pub index: u64,
    /// Its position.
    pub position: Position,
    /// When the log received it.
    pub received_at: Timestamp,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// The cut-offs of a replay.
#[derive(Debug)]
pub struct Gate {
    /// In ascending order.
    cutoffs: Vec<Timestamp>,
    /// Of each: the index of the last line of plain events that may stand before it; `None` when there is none.
    last_lines: Vec<Option<u64>>,
    /// The index of the line of plain events read last.
    read: Option<u64>,
    /// The partition of a dump whose clock has come to its cut-off.
    reached: Option<PartitionIndex>,
    lanes: BTreeMap<PartitionIndex, Lane>,
    held_bytes: usize,
    ended: bool,
}

/// One partition.
#[derive(Debug, Default)]
struct Lane {
    /// The cut-off it comes to next.
    next: usize,
    held: VecDeque<Held>,
}

impl Gate {
    /// Stops at `cutoffs`; `last_line` gives the index of the last line that may hold an event from before a time.
    #[must_use]
    pub fn new(mut cutoffs: Vec<Timestamp>, last_line: impl Fn(Timestamp) -> Option<u64>) -> Gate {
        cutoffs.sort_unstable();
        cutoffs.dedup();
        let last_lines = cutoffs.iter().map(|cutoff| last_line(*cutoff)).collect();
        Gate { cutoffs, last_lines, read: None, reached: None, lanes: BTreeMap::new(), held_bytes: 0, ended: false }
    }

    /// The cut-offs, in ascending order.
    #[must_use]
    pub fn cutoffs(&self) -> &[Timestamp] {
        &self.cutoffs
    }

    /// Whether `record` has to wait for the next cut-off of its partition, whose state is `partition`.
    pub(super) fn holds(&mut self, record: &Record<'_>, partition: Option<&PartitionState>, rules: &Rules) -> bool {
        let lane = self.lanes.entry(record.position.partition).or_default();
        let Some(&cutoff) = self.cutoffs.get(lane.next) else { return false };
        match &record.input {
            // The engine is going to refuse what claims to come from the future.
            Input::Event(event) => event.time >= cutoff && event.time <= record.received_at.plus(rules.future_skew),
            Input::Progress(progress) => {
                let mut ahead = partition.cloned().unwrap_or_default();
                ahead.advance(progress, rules);
                let is_there = ahead.clock >= Some(cutoff);
                if is_there {
                    self.reached = Some(record.position.partition);
                }
                is_there
            }
            Input::Fleet(_) => false,
        }
    }

    /// Lets a record wait.
    pub(super) fn hold(&mut self, held: Held) {
        self.held_bytes += held.value.len() + HELD_OVERHEAD_BYTES;
        self.lanes.entry(held.position.partition).or_default().held.push_back(held);
    }

    /// A line of plain events has been read.
    pub(super) fn line_read(&mut self, index: u64) {
        self.read = Some(index);
    }

    /// No line follows.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// The partition that stands at a cut-off, with the number of the cut-off.
    pub(super) fn stop(&self) -> Option<(PartitionIndex, usize)> {
        let left = |(partition, lane): (&PartitionIndex, &Lane)| {
            (lane.next < self.cutoffs.len()).then_some((*partition, lane.next))
        };
        if self.ended {
            return self.lanes.iter().find_map(left);
        }
        if let Some(partition) = self.reached {
            return left((&partition, self.lanes.get(&partition)?));
        }
        let lane = self.lanes.get(&EVENTS)?;
        let last_line = self.last_lines.get(lane.next)?;
        // `None`, no line at all, comes before every line.
        if self.read.is_some() && self.read >= *last_line { Some((EVENTS, lane.next)) } else { None }
    }

    /// The partition that [`Gate::stop`] names goes on: what waited, in its order.
    pub(super) fn go_on(&mut self) -> VecDeque<Held> {
        let Some(lane) = self.stop().and_then(|(partition, _)| self.lanes.get_mut(&partition)) else {
            return VecDeque::new();
        };
        lane.next += 1;
        self.reached = None;
        let held = std::mem::take(&mut lane.held);
        self.held_bytes -= held.iter().map(|held| held.value.len() + HELD_OVERHEAD_BYTES).sum::<usize>();
        held
    }

    /// Bytes of what waits.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{Event, Kind};
    use crate::engine::input::Progress;
    use crate::units::{Day, Offset};

    fn day(number: u16) -> Timestamp {
        Day::new(20_000 + number).start()
    }

    fn record(partition: i32, input: Input<'static>) -> Record<'static> {
        let position = Position { partition: PartitionIndex(partition), offset: Offset(0) };
        Record { position, received_at: day(1_000), input }
    }

    fn event(at: Timestamp) -> Input<'static> {
        let (id, account_id) = ("1".into(), "a".into());
        Input::Event(Event { id, time: at, account_id, user_id: None, source: None, kind: Kind::TrialConverted })
    }

    fn held(index: u64) -> Held {
        let position = Position { partition: PartitionIndex(0), offset: Offset(0) };
        Held { index, position, received_at: day(0), value: vec![0; 100] }
    }

    #[test]
    fn what_waits_is_counted_and_comes_back_in_its_order() {
        let rules = Rules::default();
        let mut gate = Gate::new(vec![day(20), day(10), day(20)], |_| Some(3));
        assert_eq!(gate.cutoffs(), [day(10), day(20)]);
        assert!(!gate.holds(&record(0, event(day(9))), None, &rules));
        for (index, at) in [(1, day(10)), (2, day(30))] {
            assert!(gate.holds(&record(0, event(at)), None, &rules));
            gate.hold(held(index));
        }
        // What the engine is going to refuse is passed on to it.
        assert!(!gate.holds(&record(0, event(day(2_000))), None, &rules));
        assert!(gate.held_bytes() > 200);
        gate.line_read(2);
        assert_eq!(gate.stop(), None);
        gate.line_read(3);
        assert_eq!(gate.stop(), Some((PartitionIndex(0), 0)));
        assert_eq!(gate.go_on().iter().map(|held| held.index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(gate.held_bytes(), 0);
        assert_eq!(gate.stop(), Some((PartitionIndex(0), 1)));
        assert!(gate.go_on().is_empty());
        // No cut-off is left.
        assert!(!gate.holds(&record(0, event(day(30))), None, &rules));
        gate.end();
        assert_eq!(gate.stop(), None);
    }

    #[test]
    fn a_partition_of_a_log_is_there_when_its_clock_would_be() {
        let rules = Rules::default();
        let mut gate = Gate::new(vec![day(10)], |_| Some(0));
        let reached = |at: Timestamp| Input::Progress(Progress { reached: Some(at), ..Progress::default() });
        let cutoff = day(10).plus(rules.lateness);
        assert!(!gate.holds(&record(0, reached(cutoff.minus(crate::units::Span::from_ms(1)))), None, &rules));
        assert_eq!(gate.stop(), None);
        assert!(gate.holds(&record(1, reached(cutoff)), None, &rules));
        assert_eq!(gate.stop(), Some((PartitionIndex(1), 0)));
        gate.go_on();
        assert_eq!(gate.stop(), None);
        gate.end();
        assert_eq!(gate.stop(), Some((PartitionIndex(0), 0)));
    }
}
