//! What texts in the configuration may look like: topic names, addresses, currencies and the like.
//!
//! Pure checks of one text each. Which key takes which text is said in the registry of keys.

use std::net::SocketAddr;

use crate::engine::exclusions::PATTERN_BYTES_MAX;
use crate::engine::kpis::registry;
use crate::engine::rules::{Learning, Target};
use crate::units::Currency;
use crate::units::calendar::Zone;

/// What a text must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextRule {
    /// For reports and the reference: what is allowed.
    pub(super) allowed: &'static str,
    /// Whether a text is.
    pub(super) accepts: fn(&str) -> bool,
}

/// A name that Kafka allows for a topic.
pub(super) const TOPIC: TextRule =
    TextRule { allowed: "a topic name of 1 to 249 letters, digits, `.`, `_` and `-`", accepts: is_topic };

/// The name of a consumer group or of one of its members.
pub(super) const NAME: TextRule =
    TextRule { allowed: "1 to 200 letters, digits, `.`, `_` and `-`", accepts: |text| is_name(text, 200) };

/// One or more brokers.
pub(super) const BROKERS: TextRule =
    TextRule { allowed: "HOST:PORT of one or more brokers, separated by commas", accepts: is_brokers };

/// An address to listen on.
pub(super) const LISTEN: TextRule = TextRule {
    allowed: "IP:PORT, such as 127.0.0.1:9464 or [::1]:9464",
    accepts: |text| text.parse::<SocketAddr>().is_ok(),
};

/// A SHA-256 in hexadecimal digits.
pub(super) const SHA256: TextRule = TextRule {
    allowed: "64 hexadecimal digits, such as `printf %s TOKEN | sha256sum` prints",
    accepts: |text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
};

/// How log lines look.
pub(super) const LOG_FORMAT: TextRule =
    TextRule { allowed: "\"pretty\" or \"json\"", accepts: |text| text == "pretty" || text == "json" };

/// What leaving means.
pub(super) const TARGET: TextRule = TextRule {
    allowed: "\"auto\", \"cancellation\" or \"silence\"",
    accepts: |text| Target::ALL.into_iter().any(|target| target.name() == text),
};

/// What happens with outcomes.
pub(super) const LEARNING: TextRule = TextRule {
    allowed: "\"on\", \"frozen\" or \"off\"",
    accepts: |text| Learning::ALL.into_iter().any(|learning| learning.name() == text),
};

/// What is logged.
pub(super) const LOG_LEVEL: TextRule = TextRule {
    allowed: "error, warn, info, debug, trace or off, or directives such as \"info,churnwatch::kafka=debug\"",
    accepts: is_log_level,
};

/// A currency.
pub(super) const CURRENCY: TextRule = TextRule {
    allowed: "three letters of an ISO 4217 currency in use, such as \"USD\"",
    accepts: |text| Currency::parse(text).is_some(),
};

/// The name of a trait.
pub(super) const TRAIT: TextRule = TextRule {
    allowed: "\"plan\" or the name of a trait, 1 to 64 letters, digits, `.`, `_` and `-`",
    accepts: |text| is_name(text, 64),
};

/// A time zone.
pub(super) const TIME_ZONE: TextRule = TextRule {
    allowed: "the name of a time zone, such as \"UTC\" or \"Europe/Berlin\"",
    accepts: |text| Zone::parse(text).is_some(),
};

/// The id of a KPI.
pub(super) const KPI: TextRule =
    TextRule { allowed: "the id of a KPI, such as \"nrr\"", accepts: |text| registry::find(text).is_some() };

/// A pattern of texts.
pub(super) const PATTERN: TextRule = TextRule {
    allowed: "1 to 256 bytes, where `*` stands for any text and `?` for any one byte",
    accepts: |text| (1..=PATTERN_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control),
};

/// The name of a folder.
pub(super) const FOLDER: TextRule =
    TextRule { allowed: "the name of a folder", accepts: |text| !text.trim().is_empty() && !text.contains('\0') };

/// An address for people, with places to be filled in.
pub(super) const LINK: TextRule = TextRule {
    allowed: "an http:// or https:// address without spaces, in which only {account_id} and {alert_id} stand in braces",
    accepts: is_link,
};

fn is_link(text: &str) -> bool {
    let plain = text.replace("{account_id}", "").replace("{alert_id}", "");
    let host = plain.strip_prefix("https://").or_else(|| plain.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'))
        && !plain.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "{}<>\"".contains(letter))
}

fn is_topic(text: &str) -> bool {
    is_name(text, 249) && text != "." && text != ".."
}

fn is_name(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn is_brokers(text: &str) -> bool {
    text.split(',').all(|broker| {
        let address = broker.trim().rsplit("://").next().unwrap_or_default();
        address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '/')
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    })
}

fn is_log_level(text: &str) -> bool {
    !text.trim().is_empty() && tracing_subscriber::EnvFilter::builder().parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_accepted_or_refused() {
        let cases: &[(TextRule, &[&str], &[&str])] = &[
            (TOPIC, &["a", "product.usage", "A_b-1"], &["", ".", "..", "a b", "ä", "a/b", &"x".repeat(250)]),
            (
                BROKERS,
                &["localhost:9092", "a:1, b:2", "[::1]:9092", "SASL_SSL://kafka.example.com:9093"],
                &["", "localhost", "localhost:", ":9092", "a:0", "a:99999", "a:1,", "a b:1", "http://a:1/x"],
            ),
            (LISTEN, &["127.0.0.1:0", "[::]:80"], &["localhost:80", "127.0.0.1", "9464", ":9464"]),
            (LOG_LEVEL, &["info", "off", "info,churnwatch::kafka=debug"], &["", " ", "a=b=c", "churnwatch=loud"]),
            (
                LINK,
                &["https://x.example/a", "http://127.0.0.1/{account_id}?a={alert_id}"],
                &["", "x.example", "https://", "https:///x", "https://x/{account}", "https://x/ y", "ftp://x"],
            ),
            (FOLDER, &["playbooks", "/etc/churnwatch/playbooks"], &["", " "]),
            (CURRENCY, &["USD", "eur"], &["", "US", "XXZ", "dollar"]),
            (PATTERN, &["*", "svc-*", "*@ours.example", "Kim Lü"], &["", "a\nb", &"x".repeat(257)]),
            (SHA256, &[&"0aF".repeat(32)[..64]], &["", "abc", &"g".repeat(64)]),
        ];
        for (rule, good, bad) in cases {
            for text in *good {
                assert!((rule.accepts)(text), "{text:?} is {}", rule.allowed);
            }
            for text in *bad {
                assert!(!(rule.accepts)(text), "{text:?} is not {}", rule.allowed);
            }
        }
    }
}
