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
/// Of days that are less than so many older than the latest, and of the latest [`ASKED_MAX`], it is known how many surveys went
/// out; and how many answers came, likewise.
pub const COUNTED_DAYS: u16 = 90;
/// No more are counted of a day and kind.
pub const COUNT_MAX: u16 = 16_383;

/// A promoter vouches for an account for this long.
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
    /// How many went out, by day, ascending.
    pub sent: Vec<Counted>,
    /// How many answers came, likewise.
    pub answered: Vec<Counted>,
}

/// How many surveys went out on a day, or were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The day.
    pub day: Day,
    /// How many, by [`Survey`], at most [`COUNT_MAX`] each.
    pub counts: [u16; Survey::ALL.len()],
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
        if keep(&mut self.answers, answer, ANSWERS_MAX) {
            count(&mut self.answered, answer.stamp.time.day(), Survey::Nps);
        }
    }

    /// Takes in a CSAT rating.
    pub fn rate(&mut self, rating: Answer) {
        if keep(&mut self.ratings, rating, RATINGS_MAX) {
            count(&mut self.answered, rating.stamp.time.day(), Survey::Csat);
        }
    }

    /// Notes that a survey went out.
    pub fn survey_sent(&mut self, time: Timestamp, survey: Survey) {
        let day = time.day();
        count(&mut self.sent, day, survey);
        if let Err(index) = self.asked.binary_search(&day) {
            super::insert(&mut self.asked, index, day);
            if self.asked.len() > ASKED_MAX {
                self.asked.remove(0);
            }
        }
    }

    /// How many surveys went out on `day`, of all kinds; one where only the day is known.
    #[must_use]
    pub fn sent_on(&self, day: Day) -> u32 {
        let own = self.sent.iter().filter(|sent| sent.day == day);
        own.flat_map(|sent| sent.counts).map(u32::from).sum::<u32>().max(1)
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
}

/// Counts one more of `survey` on `day`. What is old is let go, whatever the order of arrival.
fn count(list: &mut Vec<Counted>, day: Day, survey: Survey) {
    let index = list.partition_point(|known| known.day < day);
    if list.get(index).is_none_or(|known| known.day != day) {
        super::insert(list, index, Counted { day, counts: [0; Survey::ALL.len()] });
    }
    if let Some(count) = list.get_mut(index).and_then(|known| known.counts.get_mut(survey as usize)) {
        *count = count.saturating_add(1).min(COUNT_MAX);
    }
    let latest = list.last().map_or(day, |latest| latest.day);
    let old = list.partition_point(|known| latest.since(known.day) >= COUNTED_DAYS);
    list.drain(..old.min(list.len().saturating_sub(ASKED_MAX)));
}

/// Keeps the latest `max` of the answers, sorted by respondent and time. Whether it is new: one that is kept already is not.
fn keep(list: &mut Vec<Answer>, answer: Answer, max: usize) -> bool {
    let is_new = super::insert_new(list, answer, |known| (known.respondent, known.stamp));
    if list.len() > max
        && let Some(oldest) = (0..list.len()).min_by_key(|index| list.get(*index).map(|known| known.stamp))
    {
        list.remove(oldest);
    }
    is_new
}

/// The latest answer of each respondent, and the one they gave before.
pub fn latest(list: &[Answer]) -> impl Iterator<Item = (&Answer, Option<&Answer>)> {
    list.chunk_by(|one, next| one.respondent == next.respondent).filter_map(|own| match own {
        [.., before, latest] => Some((latest, Some(before))),
        [latest] => Some((latest, None)),
        [] => None,
    })
}
