//! Who does not count: automation, service users and our own people, by configuration.
//!
//! What an excluded user does, or an excluded source reports, is no usage, makes nobody a user or a champion, and is no
//! answer and no ticket of the customer's. What is said about the account itself (billing, its record, trials, the
//! closing of tickets, actions on alerts) holds whoever says it.

use super::event::{Event, Kind};

/// Most patterns of a kind.
pub const PATTERNS_MAX: usize = 100;
/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;

/// Who does not count.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Exclusions {
    /// Patterns of user ids, at most [`PATTERNS_MAX`].
    pub users: Vec<String>,
    /// Patterns of sources, likewise.
    pub sources: Vec<String>,
}

impl Exclusions {
    /// Whether `event` is left out.
    #[must_use]
    pub fn is_excluded(&self, event: &Event<'_>) -> bool {
        // Nothing is configured for most: that must cost nothing.
        if self.users.is_empty() && self.sources.is_empty() {
            return false;
        }
        let is_by = |patterns: &[String], text: Option<&str>| {
            text.is_some_and(|text| patterns.iter().any(|pattern| matches(pattern, text)))
        };
        is_personal(&event.kind)
            && (is_by(&self.users, event.user_id.as_deref()) || is_by(&self.sources, event.source.as_deref()))
    }
}

/// Whether it is something that a person does, says or is.
fn is_personal(kind: &Kind<'_>) -> bool {
    kind.is_usage()
        || matches!(
            kind,
            Kind::UserAdded { .. }
                | Kind::UserDeactivated
                | Kind::UserRoleChanged { .. }
                | Kind::NpsResponded { .. }
                | Kind::CsatResponded { .. }
                | Kind::TicketOpened { .. }
        )
}

/// Whether `text` is what `pattern` describes, where `*` stands for any text and `?` for any one byte. Capital letters
/// are told apart.
///
/// ```
/// use churnwatch::engine::exclusions::matches;
/// assert!(matches("svc-*", "svc-sync@acme.example"));
/// assert!(matches("*@ours.example", "kim@ours.example"));
/// assert!(!matches("*@ours.example", "kim@ours.example.com"));
/// assert!(matches("bot-?", "bot-7") && !matches("bot-?", "bot-42"));
/// ```
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken: widened when what follows it does not fit.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(letter) if *letter == b'?' || text.get(seen) == Some(letter) => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((place, taken)) = &mut star else { return false };
                *taken += 1;
                (at, seen) = (*place + 1, *taken);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::event::{Role, Text};
    use crate::units::Timestamp;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, good, bad) in [
            ("a", &["a"][..], &["", "A", "aa", "b"][..]),
            ("*", &["", "a", "äöü"], &[]),
            ("a*b*c", &["abc", "a-b-b-c", "aXbYcc"], &["ab", "acb", "abcd"]),
            ("*bot*", &["bot", "my-bot-7"], &["bo", "BOT"]),
            ("a?c", &["abc", "a*c"], &["ac", "abbc"]),
            ("**", &["", "x"], &[]),
            ("", &[""], &["x"]),
        ] {
            for text in good {
                assert!(matches(pattern, text), "{pattern} {text}");
            }
            for text in bad {
                assert!(!matches(pattern, text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!matches(&"*a".repeat(128), &"a".repeat(127)));
        assert!(matches(&"*a".repeat(128), &"a".repeat(128)));
    }

    fn event(user: Option<&'static str>, source: Option<&'static str>, kind: Kind<'static>) -> Event<'static> {
        Event {
            id: "e".into(),
            time: Timestamp::MIN,
            account_id: "acme".into(),
            user_id: user.map(Text::Borrowed),
            source: source.map(Text::Borrowed),
            kind,
        }
    }

    #[test]
    fn people_are_left_out_and_facts_about_the_account_stay() {
        let exclusions =
            Exclusions { users: vec!["svc-*".to_owned()], sources: vec!["automation".to_owned(), "qa/*".to_owned()] };
        let session = || Kind::SessionStarted { duration_s: None };
        let role = || Kind::UserAdded { role: Some(Role::Champion), title: None };
        for (user, source, kind, expected) in [
            (Some("svc-1"), None, session(), true),
            (Some("svc-1"), None, role(), true),
            (Some("kim"), Some("automation"), session(), true),
            (None, Some("qa/web"), Kind::NpsResponded { score: 1 }, true),
            (Some("kim"), Some("web"), session(), false),
            (None, None, session(), false),
            (Some("svc-1"), None, Kind::TrialConverted, false),
            (Some("svc-1"), Some("automation"), Kind::TicketClosed { ticket: "t".into() }, false),
        ] {
            let event = event(user, source, kind);
            assert_eq!(exclusions.is_excluded(&event), expected, "{event:?}");
            assert!(!Exclusions::default().is_excluded(&event));
        }
    }
}
