//! What people say: their latest NPS answers, and when a survey last went out.

use super::Stamp;
use crate::units::{Offset, Span, Timestamp};

/// Latest answers kept, one a respondent.
pub const ANSWERS_MAX: usize = 32;

/// An answer counts in the fleet's NPS classes for this long.
pub const ANSWER_VALID: Span = Span::from_days(180);

/// What people say.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Voice {
    /// The latest answer of each respondent, by respondent; of too many, the latest [`ANSWERS_MAX`].
    pub answers: Vec<Answer>,
    /// When a survey last went out.
    pub survey_sent_at: Option<Timestamp>,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Hash of the respondent; of the event id for anonymous answers.
    pub respondent: u32,
    /// When.
    pub stamp: Stamp,
    /// 0 to 10.
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
    /// Takes in an answer.
    pub fn answer(&mut self, answer: Answer) {
        match self.answers.binary_search_by_key(&answer.respondent, |known| known.respondent) {
            Ok(index) => {
                if let Some(known) = self.answers.get_mut(index)
                    && known.stamp < answer.stamp
                {
                    *known = answer;
                }
            }
            Err(index) => {
                super::insert(&mut self.answers, index, answer);
                if self.answers.len() > ANSWERS_MAX
                    && let Some(oldest) = (0..self.answers.len()).min_by_key(|i| self.answers.get(*i).map(|a| a.stamp))
                {
                    self.answers.remove(oldest);
                }
            }
        }
    }

    /// Notes that a survey went out.
    pub fn survey_sent(&mut self, time: Timestamp) {
        self.survey_sent_at = self.survey_sent_at.max(Some(time));
    }

    /// Promoters (9-10), passives (7-8) and detractors (0-6) among the answers still valid at `now`.
    #[must_use]
    pub fn classes(&self, now: Timestamp) -> [u8; 3] {
        let mut classes = [0; 3];
        for answer in self.answers.iter().filter(|answer| now.since(answer.stamp.time) <= ANSWER_VALID) {
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
