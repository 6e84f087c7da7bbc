//! What people say when they are asked: NPS answers, CSAT ratings, and the days on which surveys went out.

use super::Stamp;
use crate::engine::event::Survey;
use crate::units::{Day, Offset, Span, Timestamp};

/// Latest NPS answers kept.
pub const ANSWERS_MAX: usize = 20;
/// Latest CSAT ratings kept.
pub const RATINGS_MAX: usize = 12;
/// Latest days kept on which surveys went out.
pub const ASKED_MAX: usize = 12;
/// Latest days and kinds kept of which it is known how many surveys went out.
pub const SENT_MAX: usize = 12;

/// An answer counts in the fleet's NPS classes for this long.
pub const ANSWER_VALID: Span = Span::from_days(180);

/// What people say.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Voice {
    /// The latest NPS answers (0 to 10), by respondent and time, at most [`ANSWERS_MAX`].
    pub answers: Vec<Answer>,
    /// The latest CSAT ratings (1 to 5), by respondent and time, at most [`RATINGS_MAX`].
    pub ratings: Vec<Answer>,
    /// Days on which surveys went out, ascending, the latest [`ASKED_MAX`].
    pub asked: Vec<Day>,
    /// How many went out of each kind, by day and kind, the latest [`SENT_MAX`].
    pub sent: Vec<Sent>,
}

/// How many surveys of a kind went out on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The day.
    pub day: Day,
    /// Which survey.
    pub survey: Survey,
    /// How many.
    pub count: u16,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Hash of the respondent; of the event id for anonymous answers.
    pub respondent: u32,
    /// When.
    pub stamp: Stamp,
    /// As given.
    pub score: u8,
    /// The record that told it.
    pub offset: Offset,
}

impl Answer {
    /// Whether it is a detractor's: 0 to 6.
    #[must_use]
    pub fn is_detractor(&self) -> bool {
        self.score <= 6
    }
}

impl Voice {
    /// Takes in an NPS answer.
    pub fn answer(&mut self, answer: Answer) {
        keep(&mut self.answers, answer, ANSWERS_MAX);
    }

    /// Takes in a CSAT rating.
    pub fn rate(&mut self, rating: Answer) {
        keep(&mut self.ratings, rating, RATINGS_MAX);
    }

    /// Notes that a survey went out.
    pub fn survey_sent(&mut self, time: Timestamp, survey: Survey) {
        let day = time.day();
        match self.sent.binary_search_by_key(&(day, survey), |sent| (sent.day, sent.survey)) {
            Ok(index) => {
                if let Some(sent) = self.sent.get_mut(index) {
                    sent.count = sent.count.saturating_add(1);
                }
            }
            Err(index) => {
                super::insert(&mut self.sent, index, Sent { day, survey, count: 1 });
                if self.sent.len() > SENT_MAX {
                    self.sent.remove(0);
                }
            }
        }
        if let Err(index) = self.asked.binary_search(&time.day()) {
            super::insert(&mut self.asked, index, time.day());
            if self.asked.len() > ASKED_MAX {
                self.asked.remove(0);
            }
        }
    }

    /// How many surveys went out on `day`, of all kinds; one where only the day is known.
    #[must_use]
    pub fn sent_on(&self, day: Day) -> u32 {
        let own = self.sent.iter().filter(|sent| sent.day == day);
        own.map(|sent| u32::from(sent.count)).sum::<u32>().max(1)
    }

    /// Whether anything of it may speak for churn: a detractor, a score below the one before, a rating, a survey that may be
    /// left unanswered.
    #[must_use]
    pub fn is_outspoken(&self) -> bool {
        !self.ratings.is_empty()
            || !self.asked.is_empty()
            || latest(&self.answers)
                .any(|(answer, before)| answer.is_detractor() || before.is_some_and(|known| known.score > answer.score))
    }

    /// Promoters (9-10), passives (7-8) and detractors (0-6) among the latest answers still valid at `now`.
    #[must_use]
    pub fn classes(&self, now: Timestamp) -> [u8; 3] {
        let mut classes = [0; 3];
        for (answer, _) in latest(&self.answers) {
            if now.since(answer.stamp.time) > ANSWER_VALID {
                continue;
            }
            let class = match answer.score {
                9.. => 0,
                7..=8 => 1,
                _ => 2,
            };
            if let Some(count) = classes.get_mut(class) {
                *count += 1;
            }
        }
        classes
    }
}

/// Keeps the latest `max` of the answers, sorted by respondent and time.
fn keep(list: &mut Vec<Answer>, answer: Answer, max: usize) {
    if super::insert_new(list, answer, |known| (known.respondent, known.stamp))
        && list.len() > max
        && let Some(oldest) = (0..list.len()).min_by_key(|index| list.get(*index).map(|known| known.stamp))
    {
        list.remove(oldest);
    }
}

/// The latest answer of each respondent, and the one they gave before.
pub fn latest(list: &[Answer]) -> impl Iterator<Item = (&Answer, Option<&Answer>)> {
    list.chunk_by(|one, next| one.respondent == next.respondent).filter_map(|own| match own {
        [.., before, latest] => Some((latest, Some(before))),
        [latest] => Some((latest, None)),
        [] => None,
    })
}
