//! A stream for the source topics: a small company's usage and billing, with every kind of bad record among them.
//!
//! The same seed and present give the same stream. Each record carries what should become of it in a header `case`, so
//! that a test that reads the sources back knows what to look for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use churnwatch::units::{DAY_MS, HOUR_MS, Timestamp};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{SOON, Site};

/// What should become of a record of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its event stands in the canonical log.
    Event,
    /// It stands in the dead letters, untouched, for this reason.
    DeadLetter(&'static str),
    /// It is counted and passed over.
    Skipped,
}

/// A record to send.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The source: `usage` or `billing`.
    pub source: &'static str,
    /// Its key.
    pub key: Option<String>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// What it is an example of.
    pub case: &'static str,
}

/// Pseudo-random numbers (xorshift): the same from the same seed on every machine.
pub struct Random(u64);

impl Random {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}

/// A new seed from the wall clock; print it, so that a failure can be repeated.
pub fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().to_le_bytes()[..6]
        .iter()
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// The wall clock.
pub fn now() -> Timestamp {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    Timestamp::from_ms(i64::try_from(ms).unwrap()).unwrap()
}

/// What should become of a record of `case`.
pub fn fate(case: &str) -> Fate {
    let (_, fate, _) = CASES.iter().find(|(name, _, _)| *name == case).unwrap_or_else(|| panic!("no case {case}"));
    *fate
}

/// The value of an example: from its number and the present.
type Example = fn(u64, Timestamp) -> Option<Vec<u8>>;

/// Every kind of record, with an example; `event` is an ordinary one.
const CASES: &[(&str, Fate, Example)] = &[
    ("event", Fate::Event, |n, now| usage(n, now, "")),
    ("duplicate id", Fate::Event, |_, now| usage(0, now.minus(churnwatch::units::Span::from_days(1)), "")),
    ("unknown field", Fate::Event, |n, now| usage(n, now, r#","colour":{"of":["the","sky"]}"#)),
    ("deep nesting", Fate::Event, |n, now| {
        usage(n, now, &format!(r#","deep":{}{}"#, "[".repeat(5_000), "]".repeat(5_000)))
    }),
    ("unknown type", Fate::Skipped, |n, now| with(n, now, "a-1", r#""type":"coffee.brewed""#)),
    ("future time", Fate::DeadLetter("future_time"), |n, now| {
        usage(n, now.plus(churnwatch::units::Span::from_days(30)), "")
    }),
    ("null payload", Fate::DeadLetter("null_payload"), |_, _| None),
    ("empty", Fate::DeadLetter("empty"), |_, _| Some(Vec::new())),
    ("not JSON", Fate::DeadLetter("not_json"), |n, _| bytes(format!("{{\"id\":\"bad-{n}\",,}}"))),
    ("not UTF-8", Fate::DeadLetter("not_utf8"), |n, _| {
        Some([format!("{{\"id\":\"bad-{n}").as_bytes(), &[0xff, 0xfe], b"\"}"].concat())
    }),
    ("5 MiB", Fate::DeadLetter("too_large"), |n, now| usage(n, now, &format!(r#","x":"{}""#, "x".repeat(5 << 20)))),
    ("wrong type", Fate::DeadLetter("wrong_type"), |n, now| {
        with(n, now, "a-1", r#""type":"feature.used","feature":7"#)
    }),
    ("not an object", Fate::DeadLetter("wrong_type"), |n, _| bytes(format!("[{n}]"))),
    ("missing account", Fate::DeadLetter("missing_account"), |n, now| {
        bytes(format!(r#"{{"id":"bad-{n}","time":"{now}","type":"feature.used","feature":"f"}}"#))
    }),
    ("empty account", Fate::DeadLetter("empty_account"), |n, now| {
        with(n, now, "", r#""type":"feature.used","feature":"f""#)
    }),
    ("absurd time", Fate::DeadLetter("absurd_time"), |n, _| {
        bytes(format!(
            r#"{{"id":"bad-{n}","time":"0001-01-01T00:00:00Z","account_id":"a-1","type":"feature.used","feature":"f"}}"#
        ))
    }),
    ("negative money", Fate::DeadLetter("negative_amount"), |n, now| {
        with(n, now, "a-1", r#""type":"invoice.paid","amount":-5,"currency":"USD""#)
    }),
    ("overflowing money", Fate::DeadLetter("amount_too_large"), |n, now| {
        with(n, now, "a-1", r#""type":"invoice.paid","amount":9223372036854775808,"currency":"USD""#)
    }),
    ("unknown currency", Fate::DeadLetter("unknown_currency"), |n, now| {
        with(n, now, "a-1", r#""type":"invoice.paid","amount":5,"currency":"XXZ""#)
    }),
    ("duplicate keys", Fate::DeadLetter("duplicate_key"), |n, now| {
        with(n, now, "a-1", r#""type":"feature.used","feature":"f","account_id":"a-2""#)
    }),
];

#[allow(clippy::unnecessary_wraps)] // an example may have no value
fn bytes(text: String) -> Option<Vec<u8>> {
    Some(text.into_bytes())
}

fn with(n: u64, time: Timestamp, account: &str, fields: &str) -> Option<Vec<u8>> {
    bytes(format!(r#"{{"id":"example-{n}","time":"{time}","account_id":"{account}",{fields}}}"#))
}

fn usage(n: u64, time: Timestamp, more: &str) -> Option<Vec<u8>> {
    with(n, time, &format!("a-{}", n % 7), &format!(r#""type":"feature.used","feature":"search"{more}"#))
}

/// `events_min` good events or a few more of `accounts` accounts over the 75 days up to `now`, in time order, and
/// `examples` examples of every case scattered among them. A third of the accounts falls silent on the way.
pub fn stream(seed: u64, now: Timestamp, accounts: u64, events_min: usize, examples: u64) -> Vec<Sent> {
    let mut random = Random::new(seed);
    let days = 75_u64;
    let steps = days * 24;
    let per_step = (events_min as u64).div_ceil(steps) + 1;
    let start = now.ms() - i64::try_from(days).unwrap() * DAY_MS;
    let mut sent = Vec::with_capacity(events_min);
    let mut number = 0;
    let mut push = |sent: &mut Vec<Sent>, source, account: u64, at: i64, fields: &str| {
        number += 1;
        let time = Timestamp::from_ms(at).unwrap();
        let value = format!(r#"{{"id":"e-{number}","time":"{time}","account_id":"account-{account}",{fields}}}"#);
        let key = (!u64::is_multiple_of(number, 3)).then(|| format!("user-{}", number % 1_000));
        sent.push(Sent { source, key, value: Some(value.into_bytes()), case: "event" });
    };
    for account in 0..accounts {
        let mrr = 1_000 * (1 + account % 90);
        let plan = ["free", "team", "enterprise"][usize::try_from(account % 3).unwrap()];
        let at = start + i64::try_from(account).unwrap();
        let terms = format!(
            r#""type":"subscription.started","subscription":"s-{account}","plan":"{plan}","mrr":{mrr},"currency":"USD","interval":"month""#
        );
        push(&mut sent, "billing", account, at, &terms);
        push(&mut sent, "usage", account, at, r#""type":"user.added","user_id":"u-0","role":"champion""#);
    }
    for step in 0..steps {
        let at = start + i64::try_from(step).unwrap() * HOUR_MS;
        for index in 0..per_step {
            let account = random.below(accounts);
            let quits = account.is_multiple_of(3);
            let quit_day = 20 + account % 40;
            let account = if quits && step / 24 > quit_day { account.saturating_sub(1) } else { account };
            let at = at + i64::try_from(index * 3_000_000 / per_step).unwrap();
            let user = random.below(6);
            match random.below(400) {
                0 => push(
                    &mut sent,
                    "billing",
                    account,
                    at,
                    r#""type":"invoice.payment_failed","amount":4900,"currency":"USD","attempt":2"#,
                ),
                1 => push(&mut sent, "billing", account, at, r#""type":"invoice.paid","amount":4900,"currency":"USD""#),
                2 => {
                    let score = random.below(11);
                    let fields = format!(r#""type":"nps.responded","user_id":"u-{user}","score":{score}"#);
                    push(&mut sent, "usage", account, at, &fields);
                }
                3..=9 => push(
                    &mut sent,
                    "usage",
                    account,
                    at,
                    r#""type":"limit.reached","limit":"seats","used":10,"allowed":10"#,
                ),
                10 if quits => push(&mut sent, "usage", account, at, r#""type":"user.deactivated","user_id":"u-0""#),
                11..=60 => {
                    let fields = format!(r#""type":"session.started","user_id":"u-{user}","duration_s":{}"#, 60 + user);
                    push(&mut sent, "usage", account, at, &fields);
                }
                feature => {
                    let fields =
                        format!(r#""type":"feature.used","user_id":"u-{user}","feature":"feature-{}""#, feature % 12);
                    push(&mut sent, "usage", account, at, &fields);
                }
            }
        }
    }
    for n in 0..examples {
        for (index, (case, _, example)) in CASES.iter().enumerate().skip(1) {
            let value = example(n * 100 + index as u64, now);
            let source = if n % 2 == 0 { "usage" } else { "billing" };
            let key = (n % 2 == 0).then(|| format!("key-{n}"));
            let at = usize::try_from(random.below(sent.len() as u64)).unwrap();
            sent.insert(at, Sent { source, key, value, case });
        }
    }
    sent
}

/// Sends records to the sources of `site` and waits until the broker has all of them. Each calls `after` with how many
/// have been handed over, so that a test can act in mid-stream.
pub fn send(site: &Site, records: &[Sent], mut after: impl FnMut(usize)) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("message.max.bytes", "16777216")
        .set("linger.ms", "5")
        .set("enable.idempotence", "true")
        .create()
        .unwrap();
    for (index, record) in records.iter().enumerate() {
        let topic = site.topic(record.source);
        let headers = OwnedHeaders::new().insert(Header { key: "case", value: Some(record.case) });
        let mut waiting = BaseRecord::<[u8], [u8]>::to(&topic).headers(headers);
        if let Some(key) = &record.key {
            waiting = waiting.key(key.as_bytes());
        }
        if let Some(value) = &record.value {
            waiting = waiting.payload(value);
        }
        while let Err((error, again)) = producer.send(waiting) {
            assert_eq!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), "cannot send");
            producer.poll(Duration::from_millis(10));
            waiting = again;
        }
        if index % 1_000 == 0 {
            producer.poll(Duration::ZERO);
        }
        after(index + 1);
    }
    producer.flush(SOON).unwrap();
}
