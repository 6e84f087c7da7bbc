//! What became of an account after a moment, from what is known of its whole life.

use crate::units::{Span, Timestamp};

/// What is known of an account in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// When it churned; absent when it was not seen to.
    pub churned_at: Option<Timestamp>,
    /// Until when it was observed.
    pub observed_until: Timestamp,
}

/// What became of an account within the horizon after a cut-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It churned after the cut-off, at the end of the horizon at the latest.
    Churned,
    /// It was observed throughout the horizon and did not churn.
    Stayed,
    /// It had churned already, at the cut-off at the latest.
    Gone,
    /// It was not observed for long enough to say.
    Unknown,
}

impl Label {
    /// The outcome within `horizon` after `cutoff`.
    ///
    /// ```
    /// use churnwatch::evaluation::outcome::{Label, Outcome};
    /// use churnwatch::units::{Day, Span};
    /// let day = |number: u16| Day::new(20_000 + number).start();
    /// let horizon = Span::from_days(28);
    /// let left = Label { churned_at: Some(day(40)), observed_until: day(40) };
    /// assert_eq!(left.outcome(day(11), horizon), Outcome::Stayed);   // one day too late for the horizon
    /// assert_eq!(left.outcome(day(12), horizon), Outcome::Churned);  // at the very end of it
    /// assert_eq!(left.outcome(day(40), horizon), Outcome::Gone);
    /// let stays = Label { churned_at: None, observed_until: day(40) };
    /// assert_eq!(stays.outcome(day(12), horizon), Outcome::Stayed);
    /// assert_eq!(stays.outcome(day(13), horizon), Outcome::Unknown);
    /// ```
    #[must_use]
    pub fn outcome(&self, cutoff: Timestamp, horizon: Span) -> Outcome {
        let end = cutoff.plus(horizon);
        match self.churned_at {
            Some(at) if at <= cutoff => Outcome::Gone,
            Some(at) if at <= end => Outcome::Churned,
            // Whoever churns later has been there until then.
            Some(_) => Outcome::Stayed,
            None if self.observed_until >= end => Outcome::Stayed,
            None => Outcome::Unknown,
        }
    }
}
