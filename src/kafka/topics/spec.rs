//! What each topic of the product should be, and the judgement of what was found. Pure: nothing here asks a broker.
//!
//! Invariant: a topic created as its [`Spec`] says fits without a warning.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::Config;
use crate::units::Span;

/// The engine looks back this far: a source that keeps less cannot fill it after a new start.
pub const SOURCE_HISTORY: Span = Span::from_days(91);

/// Room for keys, headers and batch framing around the largest record.
const FRAMING_BYTES: usize = 1024 * 1024;

/// What a topic is to the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The canonical log.
    Events,
    /// Alerts.
    Alerts,
    /// Account health.
    Health,
    /// The changelog of the engine's state.
    State,
    /// Records that could not become events.
    DeadLetters,
    /// Reports of the partitions, for the fleet's learner.
    Fleet,
    /// What goes out to owners.
    Deliveries,
    /// The changelog of the desk.
    Desk,
    /// A topic that is read; it belongs to somebody else.
    Source,
}

impl Purpose {
    /// What it is called where people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Events => "canonical log",
            Purpose::Alerts => "alerts",
            Purpose::Health => "account health",
            Purpose::State => "state",
            Purpose::DeadLetters => "dead letters",
            Purpose::Fleet => "fleet reports",
            Purpose::Deliveries => "deliveries",
            Purpose::Desk => "desk state",
            Purpose::Source => "source",
        }
    }
}

/// What a topic should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What it is to the product.
    pub purpose: Purpose,
    /// Its name.
    pub topic: String,
    /// Its partitions.
    pub partitions: Partitions,
    /// Its replicas, when it is created.
    pub replication_factor: i32,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// How many partitions a topic should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitions {
    /// Exactly so many.
    Exactly(i32),
    /// Any number will do; so many when it is created.
    Any(i32),
}

impl Partitions {
    /// The number it is created with.
    #[must_use]
    pub fn wanted(self) -> i32 {
        match self {
            Partitions::Exactly(count) | Partitions::Any(count) => count,
        }
    }
}

/// One setting of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Kafka's name of it.
    pub name: &'static str,
    /// The value it is created with, and what else will do.
    pub wanted: Wanted,
    /// What it means when it is otherwise.
    pub otherwise: Otherwise,
}

/// The value of a setting that will do.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// This one.
    Exactly(&'static str),
    /// This or more; -1, Kafka's word for no limit, is more.
    AtLeast(i64),
    /// This or less.
    AtMost(i64),
    /// This or less, for ratios.
    AtMostRatio(f64),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Exactly(value) => f.write_str(value),
            Wanted::AtLeast(value) | Wanted::AtMost(value) => value.fmt(f),
            Wanted::AtMostRatio(value) => value.fmt(f),
        }
    }
}

/// What it means when a setting is not as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// A guarantee would not hold: the product refuses to run, and this says why.
    Breaks(&'static str),
    /// It works, with this drawback.
    Weakens(&'static str),
    /// Nothing: it only says how the topic is created.
    Fine,
}

/// What a topic was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Found {
    /// Its partitions.
    pub partitions: i32,
    /// All its settings in force, by Kafka's names.
    pub settings: BTreeMap<String, String>,
}

/// One topic as it should be and as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicState {
    /// What it should be.
    pub spec: Spec,
    /// What it is; absent when it does not exist.
    pub found: Option<Found>,
    /// Why the product refuses to run on it.
    pub misfits: Vec<String>,
    /// What works less well than it could.
    pub warnings: Vec<String>,
}

impl TopicState {
    /// Judges what was found by what is wanted.
    #[must_use]
    pub fn judge(spec: Spec, found: Option<Found>) -> TopicState {
        let (mut misfits, mut warnings) = (Vec::new(), Vec::new());
        if let Some(found) = &found {
            if let Partitions::Exactly(wanted) = spec.partitions
                && found.partitions != wanted
            {
                misfits.push(format!(
                    "has {} partitions, wanted {wanted}: accounts are spread over partitions by their number, which must \
                     agree between topics and over time; set topics.partitions to what exists, or name a new topic",
                    found.partitions
                ));
            }
            for setting in &spec.settings {
                let value = found.settings.get(setting.name).map_or("", String::as_str);
                if setting.wanted.fits(value) {
                    continue;
                }
                let (list, why) = match setting.otherwise {
                    Otherwise::Breaks(why) => (&mut misfits, why),
                    Otherwise::Weakens(why) => (&mut warnings, why),
                    Otherwise::Fine => continue,
                };
                list.push(format!("{} is {value}, wanted {}: {why}", setting.name, setting.wanted.in_words()));
            }
        }
        TopicState { spec, found, misfits, warnings }
    }

    /// One word for its state.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.found.is_none() {
            Verdict::Missing
        } else if !self.misfits.is_empty() {
            Verdict::Unfit
        } else {
            Verdict::Fits
        }
    }
}

/// Whether a topic can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can; there may be warnings.
    Fits,
    /// It does not exist.
    Missing,
    /// It exists and cannot be used.
    Unfit,
}

impl Verdict {
    /// The word shown for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Fits => "fits",
            Verdict::Missing => "missing",
            Verdict::Unfit => "does not fit",
        }
    }
}

impl Wanted {
    fn fits(&self, value: &str) -> bool {
        match self {
            Wanted::Exactly(wanted) => value == *wanted,
            Wanted::AtLeast(wanted) => value.parse::<i64>().is_ok_and(|value| value == -1 || value >= *wanted),
            Wanted::AtMost(wanted) => value.parse::<i64>().is_ok_and(|value| (0..=*wanted).contains(&value)),
            Wanted::AtMostRatio(wanted) => value.parse::<f64>().is_ok_and(|value| value <= *wanted),
        }
    }

    fn in_words(&self) -> String {
        match self {
            Wanted::Exactly(value) => (*value).to_owned(),
            Wanted::AtLeast(_) => format!("{self} or more"),
            Wanted::AtMost(_) | Wanted::AtMostRatio(_) => format!("{self} or less"),
        }
    }
}

/// Every topic that the product uses, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicReport {
    /// Its own topics first, then the sources in configured order.
    pub topics: Vec<TopicState>,
}

impl TopicReport {
    /// How many partitions `topic` has; `None` when it is not of this report or does not exist.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> Option<i32> {
        self.topics.iter().find(|state| state.spec.topic == topic)?.found.as_ref().map(|found| found.partitions)
    }

    /// Every warning, with its topic.
    pub fn warnings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.topics
            .iter()
            .flat_map(|state| state.warnings.iter().map(|warning| (state.spec.topic.as_str(), warning.as_str())))
    }

    /// Everything that stands in the way of running, one sentence each, with the command that helps; empty when nothing.
    #[must_use]
    pub fn obstacles(&self, config: &Config) -> Vec<String> {
        let missing = |sources: bool| {
            let names: Vec<&str> = self
                .topics
                .iter()
                .filter(|state| state.found.is_none() && (state.spec.purpose == Purpose::Source) == sources)
                .map(|state| state.spec.topic.as_str())
                .collect();
            names.join(", ")
        };
        let mut obstacles = Vec::new();
        let (own, sources) = (missing(false), missing(true));
        if !own.is_empty() {
            obstacles.push(format!("topics {own} do not exist; run {}", config.command("topics create")));
        }
        if !sources.is_empty() {
            obstacles.push(format!(
                "source topics {sources} do not exist; correct [[sources]], or for a trial run {}",
                config.command("topics create --sources")
            ));
        }
        obstacles.extend(self.misfits());
        obstacles
    }

    /// Why topics that exist cannot be used, one sentence each.
    pub fn misfits(&self) -> impl Iterator<Item = String> {
        self.topics
            .iter()
            .flat_map(|state| state.misfits.iter().map(|misfit| format!("topic {}: {misfit}", state.spec.topic)))
    }
}

/// Of a topic that a state is restored from; `otherwise` is what would happen if it were not compacted.
fn changelog(otherwise: &'static str) -> Vec<Setting> {
    let cleanable =
        Setting { name: "min.cleanable.dirty.ratio", wanted: Wanted::AtMostRatio(0.3), otherwise: SLOW_RESTORE };
    let segments = [at_most("segment.bytes", 64 * 1024 * 1024), at_most("segment.ms", 3_600_000)];
    [policy("compact", otherwise)].into_iter().chain(segments).chain([cleanable]).collect()
}

/// Of a source topic, whose records are at most so large.
fn source_settings(record_bytes: i64) -> Vec<Setting> {
    let history = Otherwise::Weakens("the engine looks back 91 days; a new start finds less history than that");
    vec![
        Setting {
            name: "cleanup.policy",
            wanted: Wanted::Exactly("delete"),
            otherwise: Otherwise::Weakens("compaction deletes events that have not been read yet"),
        },
        retention(SOURCE_HISTORY, history),
        size_limit("a full partition loses its oldest records, read or not"),
        Setting { name: "max.message.bytes", wanted: Wanted::AtLeast(record_bytes), otherwise: Otherwise::Fine },
    ]
}

/// What every topic should be: the product's own, then the sources in configured order.
#[must_use]
pub fn specs(config: &Config) -> Vec<Spec> {
    let topics = &config.topics;
    let spec = |purpose, topic: &str, partitions, settings| Spec {
        purpose,
        topic: topic.to_owned(),
        partitions,
        replication_factor: topics.replication_factor,
        settings,
    };
    let same = Partitions::Exactly(topics.partitions);
    let any = Partitions::Any(topics.partitions);
    let record_bytes = bytes(config.limits.record_bytes_max.saturating_add(FRAMING_BYTES));
    // A mapped event can be longer than its source record by the names of our fields.
    let event_bytes = bytes(config.limits.event_bytes_max.saturating_mul(2).saturating_add(FRAMING_BYTES));
    let mut specs = vec![
        spec(
            Purpose::Events,
            &topics.events,
            same,
            vec![
                policy("delete", "compaction would delete all but the last event of an account"),
                retention(topics.events_retention, Otherwise::Breaks("the history that replays need would be deleted")),
                size_limit("a full partition loses the history that replays need, however young it is"),
                record_size(event_bytes, "events of the allowed size would be refused"),
            ],
        ),
        spec(
            Purpose::Alerts,
            &topics.alerts,
            same,
            vec![
                policy("delete", "compaction would delete the history of an alert"),
                retention(topics.alerts_retention, Otherwise::Weakens("alerts are gone sooner than configured")),
                size_limit("alerts are gone sooner than configured once a partition is full"),
            ],
        ),
        spec(
            Purpose::Health,
            &topics.health,
            same,
            vec![policy("compact", "the health of quiet accounts would be deleted")],
        ),
        spec(
            Purpose::State,
            &topics.state,
            same,
            changelog("the state of quiet accounts would be deleted and could not be restored"),
        ),
        spec(
            Purpose::DeadLetters,
            &topics.dead_letters,
            any,
            vec![
                policy("delete", "compaction would delete dead letters of the same key"),
                retention(
                    topics.dead_letters_retention,
                    Otherwise::Weakens("dead letters are gone sooner than configured"),
                ),
                size_limit("dead letters are gone sooner than configured once a partition is full"),
                record_size(record_bytes, "large bad records could not be kept"),
            ],
        ),
        spec(
            Purpose::Fleet,
            &topics.fleet,
            // One reader must see the reports of all partitions, in one order.
            Partitions::Exactly(1),
            vec![
                policy("delete", "compaction would delete reports"),
                retention(topics.fleet_retention, Otherwise::Weakens("less is learned anew after a restart")),
                size_limit("less is learned anew after a restart once the partition is full"),
            ],
        ),
        spec(
            Purpose::Deliveries,
            &topics.deliveries,
            // An owner's budget is one for all partitions, so one writer keeps it, in one order.
            Partitions::Exactly(1),
            vec![
                policy("delete", "compaction would delete deliveries to the same owner"),
                retention(topics.alerts_retention, Otherwise::Weakens("deliveries are gone sooner than configured")),
                size_limit("deliveries are gone sooner than configured once the partition is full"),
            ],
        ),
        spec(
            Purpose::Desk,
            &topics.desk,
            Partitions::Exactly(1),
            changelog("what long-open alerts have been given would be forgotten"),
        ),
    ];
    let sources = config.sources.iter();
    specs.extend(sources.map(|source| spec(Purpose::Source, &source.topic, any, source_settings(record_bytes))));
    specs
}

const SLOW_RESTORE: Otherwise =
    Otherwise::Weakens("the active segment is never compacted, so that restores read many times the state");

fn policy(wanted: &'static str, why: &'static str) -> Setting {
    Setting { name: "cleanup.policy", wanted: Wanted::Exactly(wanted), otherwise: Otherwise::Breaks(why) }
}

fn retention(wanted: Span, otherwise: Otherwise) -> Setting {
    Setting { name: "retention.ms", wanted: Wanted::AtLeast(wanted.ms()), otherwise }
}

/// No limit by size: what is kept is told by time.
fn size_limit(why: &'static str) -> Setting {
    Setting { name: "retention.bytes", wanted: Wanted::Exactly("-1"), otherwise: Otherwise::Weakens(why) }
}

fn record_size(wanted: i64, why: &'static str) -> Setting {
    Setting { name: "max.message.bytes", wanted: Wanted::AtLeast(wanted), otherwise: Otherwise::Breaks(why) }
}

fn at_most(name: &'static str, wanted: i64) -> Setting {
    Setting { name, wanted: Wanted::AtMost(wanted), otherwise: SLOW_RESTORE }
}

fn bytes(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX).min(i64::from(i32::MAX)) // Kafka's own limit of the setting
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Judges a topic that is as wanted but for `changes`.
    fn check(purpose: Purpose, partitions: i32, changes: &[(&str, &str)], expected: &Expect) {
        let spec = specs(&Config::default()).into_iter().find(|spec| spec.purpose == purpose).unwrap();
        let mut settings: BTreeMap<String, String> =
            spec.settings.iter().map(|setting| (setting.name.to_owned(), setting.wanted.to_string())).collect();
        settings.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let state = TopicState::judge(spec, Some(Found { partitions, settings }));
        let lines: Vec<String> = std::iter::once(state.verdict().name().to_owned())
            .chain(state.misfits.iter().map(|line| format!("misfit: {line}")))
            .chain(state.warnings.iter().map(|line| format!("warning: {line}")))
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_topic_as_created_fits() {
        for spec in specs(&Config::default()) {
            check(spec.purpose, spec.partitions.wanted(), &[], &expect!["fits"]);
        }
    }

    #[test]
    fn more_than_wanted_fits_and_less_does_not() {
        check(Purpose::Events, 4, &[("retention.ms", "-1"), ("max.message.bytes", "99999999")], &expect!["fits"]);
        check(
            Purpose::Events,
            6,
            &[("retention.ms", "604800000"), ("cleanup.policy", "compact,delete")],
            &expect![[r#"
                does not fit
                misfit: has 6 partitions, wanted 4: accounts are spread over partitions by their number, which must agree between topics and over time; set topics.partitions to what exists, or name a new topic
                misfit: cleanup.policy is compact,delete, wanted delete: compaction would delete all but the last event of an account
                misfit: retention.ms is 604800000, wanted 34560000000 or more: the history that replays need would be deleted"#]],
        );
    }

    #[test]
    fn what_only_slows_or_shortens_is_a_warning() {
        check(
            Purpose::State,
            4,
            &[("segment.bytes", "1073741824"), ("min.cleanable.dirty.ratio", "0.5")],
            &expect![[r#"
                fits
                warning: segment.bytes is 1073741824, wanted 67108864 or less: the active segment is never compacted, so that restores read many times the state
                warning: min.cleanable.dirty.ratio is 0.5, wanted 0.3 or less: the active segment is never compacted, so that restores read many times the state"#]],
        );
        check(
            Purpose::Source,
            17,
            &[("retention.ms", "604800000"), ("retention.bytes", "1073741824")],
            &expect![[r#"
                fits
                warning: retention.ms is 604800000, wanted 7862400000 or more: the engine looks back 91 days; a new start finds less history than that
                warning: retention.bytes is 1073741824, wanted -1: a full partition loses its oldest records, read or not"#]],
        );
    }

    #[test]
    fn obstacles_name_the_missing_topics_and_the_command() {
        let config = Config { file: Some("c.toml".into()), ..Config::default() };
        let topics = specs(&config).into_iter().map(|spec| TopicState::judge(spec, None)).collect();
        expect![[r#"
            topics churnwatch.events.v1, churnwatch.alerts.v1, churnwatch.account-health.v1, churnwatch.state.v1, churnwatch.dead-letters.v1, churnwatch.fleet.v1, churnwatch.deliveries.v1, churnwatch.desk.v1 do not exist; run `churnwatch topics create --config c.toml`
            source topics product.usage, billing.events do not exist; correct [[sources]], or for a trial run `churnwatch topics create --sources --config c.toml`"#]]
        .assert_eq(&TopicReport { topics }.obstacles(&config).join("\n"));
    }
}
