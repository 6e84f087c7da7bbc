//! The people who matter at an account: champions, sponsors, admins, and what became of them.
//!
//! Ordinary users are only counted (see `crowd`). A person is kept here from the first event that speaks of them as a
//! person: added, role changed, deactivated.

use compact_str::CompactString;

use super::crowd::{Crowd, Member};
use super::{Stamp, profile::clip};
use crate::engine::event::Role;
use crate::units::{Day, Offset};

/// Most people kept.
pub const PEOPLE_MAX: usize = 12;

/// The people who matter, by hash of their user id.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct People {
    /// Sorted by hash; of too many, those who ever drove the adoption or stand apart, and then those last spoken of stay.
    pub list: Vec<Person>,
}

/// One person.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Hash of the user id, as in the crowd of users.
    pub hash: u32,
    /// The user id.
    pub user_id: CompactString,
    /// The latest statement of their role.
    pub role: Option<(Stamp, Role)>,
    /// The latest statement that made them champion or sponsor.
    pub champion_since: Option<Stamp>,
    /// When they were last added or given a role.
    pub present: Option<Stamp>,
    /// When they were last deactivated.
    pub deactivated: Option<Stamp>,
    /// The latest record about them.
    pub offset: Offset,
    /// Their activity, where the crowd of users is too large to keep everybody's.
    pub activity: Option<Member>,
}

/// What is said of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// They were added or changed role.
    Role(Option<Role>),
    /// They were deactivated.
    Deactivated,
}

impl Person {
    /// When they stopped being champion: deactivated, or given a lesser role, after having been one.
    #[must_use]
    pub fn departed(&self) -> Option<Stamp> {
        let since = self.champion_since?;
        let gone = self.deactivated.filter(|at| *at > since && self.present.is_none_or(|present| *at > present));
        let demoted = self.role.filter(|(at, role)| *at > since && !is_champion(*role)).map(|(at, _)| at);
        gone.or(demoted)
    }

    /// Whether they are champion or sponsor now.
    #[must_use]
    pub fn is_champion(&self) -> bool {
        self.champion_since.is_some() && self.departed().is_none()
    }

    /// Whether they are, or were, more than a user: champion, sponsor or admin.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.champion_since.is_some() || self.role.is_some_and(|(_, role)| role != Role::Member && !role.is_apart())
    }

    /// The role that sets them apart from the customer's people, and since when it is stated.
    #[must_use]
    pub fn apart(&self) -> Option<(Stamp, Role)> {
        self.role.filter(|(_, role)| role.is_apart())
    }

    /// Whether they are an admin who has not left.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role.is_some_and(|(_, role)| role == Role::Admin)
            && self.deactivated.is_none_or(|at| self.present.is_some_and(|present| present > at))
    }

    /// When they were active, as far as it is known.
    #[must_use]
    pub fn seen(&self, users: &Crowd) -> Option<Member> {
        users.get(self.hash).copied().or(self.activity)
    }

    /// What decides who stays when there are too many.
    fn weight(&self) -> (bool, Option<Stamp>, u32) {
        (self.champion_since.is_some() || self.apart().is_some(), self.present.max(self.deactivated), self.hash)
    }
}

fn is_champion(role: Role) -> bool {
    matches!(role, Role::Champion | Role::Sponsor)
}

impl People {
    /// Takes in a statement about a person.
    pub fn take(&mut self, user_id: &str, statement: Statement, stamp: Stamp, offset: Offset) {
        let hash = Crowd::hash(user_id);
        let index = match self.list.binary_search_by_key(&hash, |person| person.hash) {
            Ok(index) => index,
            Err(index) => {
                super::insert(
                    &mut self.list,
                    index,
                    Person {
                        hash,
                        user_id: clip(user_id),
                        role: None,
                        champion_since: None,
                        present: None,
                        deactivated: None,
                        offset,
                        activity: None,
                    },
                );
                index
            }
        };
        if let Some(person) = self.list.get_mut(index) {
            person.offset = person.offset.max(offset);
            match statement {
                Statement::Deactivated => person.deactivated = person.deactivated.max(Some(stamp)),
                Statement::Role(role) => {
                    person.present = person.present.max(Some(stamp));
                    if let Some(role) = role {
                        if person.role.is_none_or(|(known, _)| known < stamp) {
                            person.role = Some((stamp, role));
                        }
                        if is_champion(role) {
                            person.champion_since = person.champion_since.max(Some(stamp));
                        }
                    }
                }
            }
        }
        if self.list.len() > PEOPLE_MAX
            && let Some(least) = (0..self.list.len()).min_by_key(|i| self.list.get(*i).map(Person::weight))
        {
            self.list.remove(least);
        }
    }

    /// Keeps what the crowd of users knows of the people kept here.
    pub fn keep(&mut self, users: &Crowd) {
        for person in &mut self.list {
            person.activity = users.get(person.hash).copied().or(person.activity);
        }
    }

    /// Notes that a user whom the crowd does not keep was seen on `day`.
    pub fn see(&mut self, hash: u32, day: Day) {
        if let Ok(index) = self.list.binary_search_by_key(&hash, |person| person.hash)
            && let Some(person) = self.list.get_mut(index)
        {
            person.activity.get_or_insert(Member { hash, last_day: day, weeks: 1 }).see(day);
        }
    }
}
