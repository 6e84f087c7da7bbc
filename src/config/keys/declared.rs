//! The keys that are the same for every set of signals, in the order of the shipped configuration.
//!
//! A declaration only: path, range, meaning, and where the value lives in [`Config`]. Durations are whole numbers with
//! the unit in the name.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::{Access, Config, Key};
use crate::config::LogFormat;
use crate::config::text::{self, TextRule};
use crate::engine::exclusions::PATTERNS_MAX;
use crate::units::{Currency, DAY_MS, HOUR_MS, Span};

/// Sections with their meaning.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("kafka", "How the brokers are reached."),
    ("topics", "The topics that the product owns. `churnwatch topics create` makes them with these numbers."),
    ("ingest", "The ingest role: source topics to the canonical log."),
    ("engine", "The engine role: canonical log to alerts, account health and state."),
    ("notify", "The notify role: alerts to what each owner is given one by one, and daily digests."),
    ("commit", "When a transaction ends: at the first of these. Short intervals are prompt, long ones cheap."),
    ("http", "The HTTP server: metrics, health, version."),
    ("log", "Logging, to standard error."),
    ("limits", "Sizes beyond which records are refused."),
    (
        "alerts",
        "What becomes of alerts: who acts on them, by which plan, and how many an owner is given. When they are raised is \
         said in [rules.alerts].",
    ),
    (
        "rules",
        "The rules in force: everything that alerts and account health depend on. Changing one changes the rules' hash, \
         which stands in every commit record and on every alert.",
    ),
    ("rules.bands", "Bands by risk. Each is entered at one level and left below a lower one."),
    (
        "rules.silence_guard",
        "When a whole partition goes quiet, a source is out rather than everybody gone: nobody is judged for being silent then.",
    ),
    (
        "rules.alerts",
        "Alerts that a single signal raises in `watch` or above, while the risk is not below the level at which `watch` is left.",
    ),
];

/// The keys.
#[allow(clippy::too_many_lines)] // one list, an entry each
pub(super) fn keys() -> Vec<Key> {
    vec![
        text("kafka.brokers", text::BROKERS, "The brokers to begin with.", |c| &mut c.kafka.brokers),
        text("topics.events", text::TOPIC, "The canonical log: every event, keyed by account.", |c| {
            &mut c.topics.events
        }),
        text("topics.alerts", text::TOPIC, "Alerts and their transitions.", |c| &mut c.topics.alerts),
        text("topics.health", text::TOPIC, "Account health, compacted: the latest of each account.", |c| {
            &mut c.topics.health
        }),
        text("topics.state", text::TOPIC, "The changelog of the engine's state, compacted.", |c| &mut c.topics.state),
        text("topics.dead_letters", text::TOPIC, "Records that could not become events, untouched.", |c| {
            &mut c.topics.dead_letters
        }),
        text(
            "topics.fleet",
            text::TOPIC,
            "Daily reports of the partitions, from which the fleet's weights are learned. It has one partition.",
            |c| &mut c.topics.fleet,
        ),
        text(
            "topics.deliveries",
            text::TOPIC,
            "What goes out to owners: alerts one by one within the budget, and digests. It has one partition.",
            |c| &mut c.topics.deliveries,
        ),
        text(
            "topics.desk",
            text::TOPIC,
            "The changelog of what each owner has been given, compacted. It has one partition.",
            |c| &mut c.topics.desk,
        ),
        count(
            "topics.partitions",
            1..=1000,
            "Partitions of each of these topics but the last three. It cannot be changed once the topics hold data: accounts would move.",
            |c| &mut c.topics.partitions,
        ),
        count(
            "topics.replication_factor",
            1..=10,
            "Copies of each partition. Use 3 wherever losing a broker must not lose data.",
            |c| &mut c.topics.replication_factor,
        ),
        span(
            "topics.events_retention_days",
            DAY_MS,
            1..=36_500,
            "How long the canonical log is kept: the history that replay can go back to.",
            |c| &mut c.topics.events_retention,
        ),
        span("topics.alerts_retention_days", DAY_MS, 1..=36_500, "How long alerts and deliveries are kept.", |c| {
            &mut c.topics.alerts_retention
        }),
        span("topics.dead_letters_retention_days", DAY_MS, 1..=36_500, "How long dead letters are kept.", |c| {
            &mut c.topics.dead_letters_retention
        }),
        span(
            "topics.fleet_retention_days",
            DAY_MS,
            30..=36_500,
            "How long the reports are kept: what is learned after a restart goes back so far.",
            |c| &mut c.topics.fleet_retention,
        ),
        text("ingest.group_id", text::NAME, "Consumer group of the ingest role.", |c| &mut c.ingest.group_id),
        count("ingest.workers", 1..=256, "Threads of the ingest role in this process.", |c| &mut c.ingest.workers),
        text("engine.group_id", text::NAME, "Consumer group of the engine role.", |c| &mut c.engine.group_id),
        count(
            "engine.workers",
            1..=256,
            "Threads of the engine role in this process. A thread waits while it commits, so more threads than cores keep \
             the cores busy.",
            |c| &mut c.engine.workers,
        ),
        instance_id(),
        text("notify.group_id", text::NAME, "Consumer group of the notify role.", |c| &mut c.notify.group_id),
        millis(
            "commit.interval_caught_up_ms",
            1..=60_000,
            "This long after the end of the one before, while the worker keeps up.",
            |c| &mut c.commit.interval_caught_up,
        ),
        millis(
            "commit.interval_lagging_ms",
            1..=60_000,
            "This long after the end of the one before, while the worker lags: longer is cheaper, for an account is written once.",
            |c| &mut c.commit.interval_lagging,
        ),
        count("commit.events_max", 1..=10_000_000, "After this many records.", |c| &mut c.commit.events_max),
        count("commit.bytes_max", 65_536..=4_294_967_296, "After this many bytes of input.", |c| {
            &mut c.commit.bytes_max
        }),
        count(
            "commit.accounts_max",
            1_000..=10_000_000,
            "After this many changed accounts. Until the commit the worker keeps what each was before, 1 to 2 KiB; a smaller \
             number writes an account more often while the worker lags.",
            |c| &mut c.commit.accounts_max,
        ),
        millis(
            "commit.transaction_timeout_ms",
            1_000..=900_000,
            "The broker aborts a transaction that is open for longer, such as that of a process that died: until then \
             whoever takes its partitions over must wait. Within the session time-out less the broker's scan of 10 s.",
            |c| &mut c.commit.transaction_timeout,
        ),
        listen(),
        token_sha256(),
        log_format(),
        text("log.level", text::LOG_LEVEL, "What is logged.", |c| &mut c.log.level),
        count(
            "limits.event_bytes_max",
            1_024..=1_000_000_000,
            "Largest event in bytes. Larger ones become dead letters.",
            |c| &mut c.limits.event_bytes_max,
        ),
        count(
            "limits.record_bytes_max",
            65_536..=1_000_000_000,
            "Largest record in bytes, with key and headers, that goes to the dead letters whole; of a larger one the value \
             stays in the source. `max.message.bytes` of the dead-letter topic must allow 1 MiB more, as `topics create` \
             sets it.",
            |c| &mut c.limits.record_bytes_max,
        ),
        playbooks(),
        link(),
        count(
            "alerts.budget_per_owner_week",
            1..=10_000,
            "New alerts that one owner is given in a week. Beyond it, those with the lowest revenue at risk wait in the \
             owner's daily digest.",
            |c| &mut c.alerts.budget_per_owner_week,
        ),
        span(
            "alerts.deliver_max_age_hours",
            HOUR_MS,
            0..=8_760_000,
            "Changes of alerts that are older than this when they become known, as over the history of a first \
             deployment, are not delivered one by one: what is still open comes in one digest an owner.",
            |c| &mut c.alerts.deliver_max_age,
        ),
        span("rules.horizon_days", DAY_MS, 1..=112, "Churn is foretold for this many days ahead.", |c| {
            &mut c.rules.horizon
        }),
        span(
            "rules.lateness_s",
            1_000,
            0..=604_800,
            "The clock stays this far behind what the sources have reached, so that stragglers are not late.",
            |c| &mut c.rules.lateness,
        ),
        span(
            "rules.future_skew_s",
            1_000,
            0..=2_592_000,
            "Events may be this far ahead of their record's timestamp. Further ones become dead letters: one bad clock \
             would fire every timer. Lines of a file that is no dump have no timestamp and count as received when the run \
             begins.",
            |c| &mut c.rules.future_skew,
        ),
        span(
            "rules.dedup_window_s",
            1_000,
            1..=604_800,
            "An event id seen again within this time of its account's activity is a duplicate. Of a window the latest 112 \
             ids are remembered, 8 bytes each: of a busier account, ids are forgotten sooner.",
            |c| &mut c.rules.dedup_window,
        ),
        texts(
            "rules.excluded_users",
            text::PATTERN,
            "Users who do not count: automation, service users, our own people. What they do is no usage, makes nobody a \
             user or a champion, and is no answer and no ticket of the customer's.",
            |c| &mut c.rules.exclusions.users,
        ),
        texts(
            "rules.excluded_sources",
            text::PATTERN,
            "Sources (`source` of the event) whose people do not count, likewise. What is said about the account itself, \
             such as billing, holds whoever says it.",
            |c| &mut c.rules.exclusions.sources,
        ),
        texts(
            "rules.excluded_roles",
            text::ROLE_APART,
            "Roles (`role` of user.added and user.role_changed) whose users do not count, likewise, from the time on at which \
             the role is stated.",
            |c| &mut c.rules.exclusions.roles,
        ),
        text(
            "rules.segment_by",
            text::TRAIT,
            "The trait that splits the accounts into segments; `plan` is the subscription's plan.",
            |c| &mut c.rules.segment_by,
        ),
        count(
            "rules.segments_max",
            1..=500,
            "Segments shown, in order of appearance. Accounts of further ones count as `other`.",
            |c| &mut c.rules.segments_max,
        ),
        currency(),
        number(
            "rules.health_step",
            0.001..=1.0,
            "Account health is published when the risk moved by this much since it was last published.",
            |c| &mut c.rules.health_step,
        ),
        level("rules.bands.watch_enter", "Risk at which `watch` begins.", |c| &mut c.rules.bands.watch.enter),
        level("rules.bands.watch_exit", "Risk below which it ends.", |c| &mut c.rules.bands.watch.exit),
        level("rules.bands.at_risk_enter", "Risk at which `at_risk` begins.", |c| &mut c.rules.bands.at_risk.enter),
        level("rules.bands.at_risk_exit", "Risk below which it ends.", |c| &mut c.rules.bands.at_risk.exit),
        level("rules.bands.critical_enter", "Risk at which `critical` begins.", |c| &mut c.rules.bands.critical.enter),
        level("rules.bands.critical_exit", "Risk below which it ends.", |c| &mut c.rules.bands.critical.exit),
        span(
            "rules.bands.dwell_hours",
            HOUR_MS,
            0..=2_160,
            "A band is left for a better one only after the risk stayed below its exit level for this long.",
            |c| &mut c.rules.bands.dwell,
        ),
        number(
            "rules.silence_guard.share",
            0.0..=0.9,
            "Silence is held while fewer accounts are active than this share of what is usual at that time of the week; 0: never.",
            |c| &mut c.rules.guard.share,
        ),
        span(
            "rules.silence_guard.hold_days_max",
            DAY_MS,
            1..=60,
            "For no longer than this: then the silence is believed.",
            |c| &mut c.rules.guard.hold_max,
        ),
        level(
            "rules.alerts.enter",
            "A signal this strong raises an alert of its own while its account is on watch. In `at_risk` and `critical` the signal that adds most to the risk does, however strong.",
            |c| &mut c.rules.alert_enter,
        ),
        level(
            "rules.alerts.exit",
            "The alert closes when its signal is weaker than this and the account is below `at_risk`.",
            |c| &mut c.rules.alert_exit,
        ),
        span(
            "rules.alerts.cooldown_days",
            DAY_MS,
            0..=365,
            "After closing, an alert of the same type waits this long.",
            |c| &mut c.rules.alert_cooldown,
        ),
    ]
}

/// Where a value of type `T` lives in the configuration.
type Place<T> = fn(&mut Config) -> &mut T;

/// Reads a place: places are given for writing, and reading is rare and from small copies.
fn read<T: Clone>(config: &Config, place: Place<T>) -> T {
    place(&mut config.clone()).clone()
}

pub(super) fn key(path: &str, summary: &str, access: Access) -> Key {
    Key { path: path.to_owned(), summary: summary.to_owned(), example: None, access }
}

fn text(path: &str, rule: TextRule, summary: &str, place: Place<String>) -> Key {
    let get = Box::new(move |config: &Config| Some(read(config, place)));
    key(path, summary, Access::Text { rule, get, set: Box::new(move |config, value| *place(config) = value) })
}

/// A list of patterns.
fn texts(path: &str, rule: TextRule, summary: &str, place: Place<Vec<String>>) -> Key {
    let get = Box::new(move |config: &Config| read(config, place));
    let set = Box::new(move |config: &mut Config, value| *place(config) = value);
    key(path, summary, Access::Texts { rule, count_max: PATTERNS_MAX, get, set })
}

/// A whole number of any integer type that holds the whole `range`.
pub(super) fn count<T>(path: &str, range: RangeInclusive<i64>, summary: &str, place: Place<T>) -> Key
where
    T: TryFrom<i64> + TryInto<i64> + Clone + Debug + 'static,
{
    let (min, max) = range.into_inner();
    let get = Box::new(move |config: &Config| read(config, place).try_into().unwrap_or(min));
    let set = Box::new(move |config: &mut Config, value| {
        if let Ok(value) = T::try_from(value) {
            *place(config) = value;
        }
    });
    key(path, summary, Access::Integer { min, max, get, set })
}

/// A length of time as a whole number of units of `unit_ms` milliseconds.
fn span(path: &str, unit_ms: i64, range: RangeInclusive<i64>, summary: &str, place: Place<Span>) -> Key {
    let (min, max) = range.into_inner();
    let get = Box::new(move |config: &Config| read(config, place).ms() / unit_ms);
    let set = Box::new(move |config: &mut Config, value: i64| {
        *place(config) = Span::from_ms(value.saturating_mul(unit_ms));
    });
    key(path, summary, Access::Integer { min, max, get, set })
}

fn millis(path: &str, range: RangeInclusive<i64>, summary: &str, place: Place<Duration>) -> Key {
    let (min, max) = range.into_inner();
    let get = Box::new(move |config: &Config| i64::try_from(read(config, place).as_millis()).unwrap_or(max));
    let set = Box::new(move |config: &mut Config, value: i64| {
        *place(config) = Duration::from_millis(value.unsigned_abs());
    });
    key(path, summary, Access::Integer { min, max, get, set })
}

pub(super) fn number(path: &str, range: RangeInclusive<f64>, summary: &str, place: Place<f64>) -> Key {
    let (min, max) = range.into_inner();
    let get = Box::new(move |config: &Config| read(config, place));
    key(path, summary, Access::Number { min, max, get, set: Box::new(move |config, value| *place(config) = value) })
}

/// A probability or strength.
fn level(path: &str, summary: &str, place: Place<f64>) -> Key {
    number(path, 0.0..=1.0, summary, place)
}

fn instance_id() -> Key {
    let access = Access::Text {
        rule: text::NAME,
        get: Box::new(|config| config.engine.instance_id.clone()),
        set: Box::new(|config, value| config.engine.instance_id = Some(value)),
    };
    Key {
        example: Some("churnwatch-0"),
        ..key(
            "engine.instance_id",
            "Name of this process in the group, the same after a restart and unlike that of any other process: a restart \
             within the session time-out (30 s) then moves no partition, and after a crash goes on at once. Without it the \
             process takes the name that it finds in a file under the temporary folder, locked while it lives; set it where \
             that folder does not outlive the process, as in a container. A process that is stopped for good keeps its \
             partitions until the session time-out.",
            access,
        )
    }
}

fn playbooks() -> Key {
    let access = Access::Text {
        rule: text::FOLDER,
        get: Box::new(|config| config.alerts.playbooks.clone()),
        set: Box::new(|config, value| config.alerts.playbooks = Some(value)),
    };
    Key {
        example: Some("playbooks"),
        ..key(
            "alerts.playbooks",
            "Folder of playbooks, one .toml file an alert type: owners, action plans and resolution reasons. Each stands in \
             place of the shipped playbook of its type, and a file with routes in place of the shipped routing.toml; \
             docs/alerts.md tells how they are written. Part of the rules.",
            access,
        )
    }
}

fn link() -> Key {
    let access = Access::Text {
        rule: text::LINK,
        get: Box::new(|config| config.rules.playbooks.link.clone()),
        set: Box::new(|config, value| Arc::make_mut(&mut config.rules.playbooks).link = Some(value)),
    };
    Key {
        example: Some("https://crm.example.com/accounts/{account_id}?alert={alert_id}"),
        ..key(
            "alerts.link",
            "Where a person finds an alert, told with it. `{account_id}` and `{alert_id}` are filled in. Part of the rules.",
            access,
        )
    }
}

fn listen() -> Key {
    let access = Access::Text {
        rule: text::LISTEN,
        get: Box::new(|config| Some(config.http.listen.to_string())),
        set: Box::new(|config, value| {
            if let Ok(listen) = value.parse() {
                config.http.listen = listen;
            }
        }),
    };
    key("http.listen", "Where it listens. Anything but loopback needs a token.", access)
}

fn token_sha256() -> Key {
    let access = Access::Text {
        rule: text::SHA256,
        get: Box::new(|config| config.http.token_sha256.clone()),
        set: Box::new(|config, value| config.http.token_sha256 = Some(value.to_ascii_lowercase())),
    };
    Key {
        example: Some("0000000000000000000000000000000000000000000000000000000000000000"),
        ..key(
            "http.token_sha256",
            "SHA-256 of the bearer token that requests must carry; the token itself is nowhere written down.",
            access,
        )
    }
}

fn log_format() -> Key {
    let access = Access::Text {
        rule: text::LOG_FORMAT,
        get: Box::new(|config| Some(if config.log.format == LogFormat::Json { "json" } else { "pretty" }.to_owned())),
        set: Box::new(|config, value| {
            config.log.format = if value == "json" { LogFormat::Json } else { LogFormat::Pretty };
        }),
    };
    key("log.format", "How lines look: for people, or one JSON object each.", access)
}

fn currency() -> Key {
    let access = Access::Text {
        rule: text::CURRENCY,
        get: Box::new(|config| Some(config.rules.currency.code().to_owned())),
        set: Box::new(|config, value| {
            if let Some(currency) = Currency::parse(&value) {
                config.rules.currency = currency;
            }
        }),
    };
    key("rules.currency", "Money is reported in this currency.", access)
}
