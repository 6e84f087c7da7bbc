//! K10: what people say when they are asked, and how many answer.

use super::days::{Count, CsatClass, Days, NpsClass};
use super::retention::share;
use crate::engine::event::Survey;
use crate::engine::facts::voice::COUNTED_DAYS;
use crate::units::Day;

/// What a user said counts for so many days.
pub const VALID_DAYS: u16 = 180;

/// What was asked and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Voices {
    /// Surveys sent, by [`Survey`].
    pub sent: [i64; 2],
    /// Answers, likewise.
    pub answered: [i64; 2],
    /// Users by the class of their latest rating, by [`CsatClass`].
    pub csat: [i64; 3],
    /// Users by the class of their latest NPS answer, by [`NpsClass`].
    pub nps: [i64; 3],
}

impl Voices {
    /// What `days` say when today is `today`.
    #[must_use]
    pub fn at(days: &Days, today: Day) -> Voices {
        let latest = |count, span: u16| {
            let end = today.number() + 1;
            days.sum(count, Day::new(end.saturating_sub(span))..Day::new(end))
        };
        Voices {
            sent: Survey::ALL.map(|survey| latest(Count::SurveysSent(survey), COUNTED_DAYS)),
            answered: Survey::ALL.map(|survey| latest(Count::SurveysAnswered(survey), COUNTED_DAYS)),
            csat: CsatClass::ALL.map(|class| latest(Count::Csat(class), VALID_DAYS)),
            nps: NpsClass::ALL.map(|class| latest(Count::Nps(class), VALID_DAYS)),
        }
    }
}

/// Net promoter score: `100 x (promoters - detractors) / all`, from -100 to 100. `None` without answers.
///
/// ```
/// use churnwatch::engine::kpis::satisfaction::nps;
/// assert_eq!(nps(50, 30, 20), Some(30.0));
/// assert_eq!(nps(0, 0, 0), None);
/// ```
#[must_use]
pub fn nps(promoters: i64, passives: i64, detractors: i64) -> Option<f64> {
    share(promoters - detractors, promoters + passives + detractors).map(|score| score * 100.0)
}

/// Customer satisfaction: satisfied (4 or 5 of 5) of all who rated, in [0, 1]. `None` without ratings.
///
/// ```
/// use churnwatch::engine::kpis::satisfaction::csat;
/// assert_eq!(csat(8, 1, 1), Some(0.8));
/// ```
#[must_use]
pub fn csat(satisfied: i64, neutral: i64, dissatisfied: i64) -> Option<f64> {
    share(satisfied, satisfied + neutral + dissatisfied)
}

/// Response rate: answers over surveys sent, in [0, 1]; who answers without having been asked makes it no larger than 1.
/// `None` when nobody was asked.
///
/// ```
/// use churnwatch::engine::kpis::satisfaction::response_rate;
/// assert_eq!(response_rate(200, 50), Some(0.25));
/// assert_eq!(response_rate(2, 3), Some(1.0));
/// assert_eq!(response_rate(0, 3), None);
/// ```
#[must_use]
pub fn response_rate(sent: i64, answered: i64) -> Option<f64> {
    share(answered.min(sent), sent)
}
