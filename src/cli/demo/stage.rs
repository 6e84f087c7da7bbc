//! The simulated company on the engine: events and the progress records that move its clock, in one pass.
//!
//! Knows nothing of the planted truth but how to hand over the population for the score.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::effect::{AlertChange, Effect, Transition};
use crate::engine::fleet::learner::Learner;
use crate::engine::fleet::report::FleetReport;
use crate::engine::input::{Input, Progress, Record};
use crate::engine::rules::Rules;
use crate::engine::{Engine, Journal};
use crate::sim::score::Raised;
use crate::sim::{Options, Population, START};
use crate::units::{Offset, PartitionIndex, Position, Span, Timestamp};

/// The company, the engine, and what the engine has said so far.
#[derive(Debug)]
pub struct Stage {
    population: Population,
    engine: Engine,
    learner: Learner,
    rules: Arc<Rules>,
    now: Timestamp,
    next_offset: i64,
    events: u64,
    effects: Vec<Effect>,
    raised: Vec<Raised>,
    changes: BTreeMap<(&'static str, Transition), u64>,
}

impl Stage {
    /// The first instant of the window.
    #[must_use]
    pub fn new(options: &Options, rules: Arc<Rules>) -> Stage {
        Stage {
            population: Population::new(options),
            engine: Engine::new(Arc::clone(&rules), Journal::Off),
            learner: Learner::new(1),
            rules,
            now: START,
            next_offset: 0,
            events: 0,
            effects: Vec::new(),
            raised: Vec::new(),
            changes: BTreeMap::new(),
        }
    }

    /// Lets `span` of simulated time pass, hour by hour, and shows each change of an alert to `watch`.
    pub fn advance(&mut self, span: Span, watch: &mut dyn FnMut(&AlertChange)) {
        let end = self.now.plus(span);
        while self.now < end {
            let until = self.now.plus(Span::from_hours(1)).min(end);
            while let Some(arrival) = self.population.next_before(until) {
                self.events += 1;
                self.step(arrival.received_at, Input::Event(arrival.event));
            }
            // What has arrived until now has been read: the log is caught up at this moment of simulated time.
            self.step(until, Input::Progress(Progress { reached: Some(until), ..Progress::default() }));
            self.now = until;
            self.listen(watch);
        }
    }

    /// The engine as it stands.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The company; its truth is for the score only.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// The moment reached.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Events fed so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Alerts raised so far, in order.
    #[must_use]
    pub fn raised(&self) -> &[Raised] {
        &self.raised
    }

    /// How often alerts of a type went through a transition.
    #[must_use]
    pub fn changes(&self) -> &BTreeMap<(&'static str, Transition), u64> {
        &self.changes
    }

    fn learn(&mut self, report: FleetReport) {
        if let Some(fleet) = self.learner.take(report, &self.rules) {
            self.step(self.now, Input::Fleet(fleet));
        }
    }

    fn step(&mut self, received_at: Timestamp, input: Input<'_>) {
        let position = Position { partition: PartitionIndex(0), offset: Offset(self.next_offset) };
        self.next_offset += 1;
        self.engine.step(&Record { position, received_at, input }, &mut self.effects);
    }

    fn listen(&mut self, watch: &mut dyn FnMut(&AlertChange)) {
        for effect in std::mem::take(&mut self.effects) {
            let change = match effect {
                Effect::Alert(change) => change,
                Effect::Fleet(report) => {
                    self.learn(*report);
                    continue;
                }
                Effect::Health(_) | Effect::Reject(_) => continue,
            };
            *self.changes.entry((change.alert_type, change.transition)).or_default() += 1;
            if change.transition == Transition::Raised {
                self.raised.push(Raised {
                    account_id: change.health.account_id.clone(),
                    alert_type: change.alert_type,
                    at: change.raised_at,
                });
            }
            watch(&change);
        }
    }
}
