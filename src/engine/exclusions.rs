//! Who does not count: automation, service users and our own people, by configuration.
//!
//! What an excluded user does, or an excluded source reports, is no usage, makes nobody a user or a champion, and is no
//! answer and no ticket of the customer's. What is said about the account itself (billing, its record, trials, the
//! closing of tickets, actions on alerts) holds whoever says it. Users excluded by their role are left out from the time
//! on at which the role is stated; what was taken in before it was known stays.

use super::account::Account;
use super::event::{Event, Kind, Role};
use super::facts::crowd::Crowd;
use super::facts::people::Person;

/// Most patterns of a kind.
pub const PATTERNS_MAX: usize = 100;
/// Longest pattern, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;

/// Who does not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Exclusions {
    /// Patterns of user ids, at most [`PATTERNS_MAX`].
    pub users: Vec<String>,
    /// Patterns of sources, likewise.
    pub sources: Vec<String>,
    /// Names of roles whose users do not count; only such as stand apart from the customer's people.
    pub roles: Vec<String>,
}

impl Default for Exclusions {
    fn default() -> Exclusions {
        let roles = Role::ALL.into_iter().filter(|role| role.is_apart()).map(|role| role.name().to_owned());
        Exclusions { users: Vec::new(), sources: Vec::new(), roles: roles.collect() }
    }
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

impl Exclusions {
    /// Whether `event` is left out since the role of its user in the account is excluded. What is said of the user, such
    /// as another role, is not.
    #[must_use]
    pub fn is_excluded_by_role(&self, event: &Event<'_>, account: &Account) -> bool {
        if event.kind.is_about_user() || !is_personal(&event.kind) {
            return false;
        }
        let (Some(user_id), Some(people)) = (&event.user_id, &account.people) else { return false };
        let hash = Crowd::hash(user_id);
        let person = people.list.iter().find(|person| person.hash == hash && person.user_id == **user_id);
        person.and_then(Person::apart).is_some_and(|(since, role)| {
            since.time <= event.time && self.roles.iter().any(|excluded| excluded == role.name())
        })
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
    use std::fmt::Write;
    use std::sync::Arc;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::engine::event::Text;
    use crate::engine::input::{Input, Record};
    use crate::engine::rules::Rules;
    use crate::engine::{Engine, Journal};
    use crate::units::{Currency, DAY_MS, HOUR_MS, Money, Offset, PartitionIndex, Position, Timestamp};

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
        let exclusions = Exclusions {
            users: vec!["svc-*".to_owned()],
            sources: vec!["automation".to_owned(), "qa/*".to_owned()],
            ..Exclusions::default()
        };
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

    /// Events as `HOUR USER WHAT`; shows which of them count for the engine, and the users it knows in the end.
    fn check_roles(excluded: &[&str], story: &[&str], expected: &Expect) {
        let mut rules = Rules::default();
        rules.exclusions.roles = excluded.iter().map(|role| (*role).to_owned()).collect();
        let mut engine = Engine::new(Arc::new(rules), Journal::Off);
        let mut shown = String::new();
        for (offset, line) in (0..).zip(story) {
            let words: Vec<&str> = line.split(' ').collect();
            let time = Timestamp::clamped(20_000 * DAY_MS + words[0].parse::<i64>().unwrap() * HOUR_MS);
            let named = |name: &str| Role::ALL.into_iter().find(|role| role.name() == name);
            let kind = match words[2] {
                "uses" => Kind::SessionStarted { duration_s: None },
                "answers" => Kind::NpsResponded { score: 1 },
                "opens" => Kind::TicketOpened { ticket: "t".into(), severity: None, topic: None },
                "pays" => Kind::InvoicePaid { amount: Money { minor: 1, currency: Currency::USD } },
                "leaves" => Kind::UserDeactivated,
                role => Kind::UserRoleChanged { role: named(role), title: None },
            };
            let user_id = Some(words[1].to_owned().into());
            let event =
                Event { id: line.to_string().into(), time, account_id: "acme".into(), user_id, source: None, kind };
            let position = Position { partition: PartitionIndex(0), offset: Offset(offset) };
            let record = Record { position, received_at: Timestamp::MAX, input: Input::Event(event) };
            let before = engine.counts().excluded;
            engine.step(&record, &mut Vec::new());
            let verdict = if engine.counts().excluded > before { "left out" } else { "counts" };
            writeln!(shown, "{line}: {verdict}").unwrap();
        }
        let account = engine.account("acme").unwrap();
        writeln!(shown, "{} users, active on {} days", account.users.members.len(), account.activity.active_days)
            .unwrap();
        expected.assert_eq(&shown);
    }

    #[test]
    fn users_are_left_out_from_the_time_on_at_which_their_role_is_stated() {
        let story = [
            "0 kim uses",
            "24 pat internal",
            "25 pat uses",
            "26 pat answers",
            "27 pat opens",
            "28 pat pays",
            "12 pat uses",
            "48 bot service",
            "49 bot uses",
            "72 pat member",
            "73 pat uses",
            "74 pat leaves",
        ];
        check_roles(
            &["internal", "service"],
            &story,
            &expect![[r"
                0 kim uses: counts
                24 pat internal: counts
                25 pat uses: left out
                26 pat answers: left out
                27 pat opens: left out
                28 pat pays: counts
                12 pat uses: counts
                48 bot service: counts
                49 bot uses: left out
                72 pat member: counts
                73 pat uses: counts
                74 pat leaves: counts
                2 users, active on 2 days
            "]],
        );
        check_roles(
            &["service"],
            &story[..4],
            &expect![[r"
                0 kim uses: counts
                24 pat internal: counts
                25 pat uses: counts
                26 pat answers: counts
                2 users, active on 2 days
            "]],
        );
    }

    #[test]
    fn an_own_person_is_nobody_who_matters_to_the_customer() {
        let mut account = Account::new("acme");
        let rules = Rules::default();
        for (n, role) in (0_u64..).zip([Role::Internal, Role::Service]) {
            let event = event(Some("pat"), None, Kind::UserAdded { role: Some(role), title: None });
            account.take(&event, n, Offset(0), &rules);
            assert!(!account.standing.has_key_people && account.standing.has_people_apart);
        }
    }
}
