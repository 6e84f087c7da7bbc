//! Counts by day: what is due when cannot be told by the month, and what is due depends on the clock.
//!
//! An account adds to the days on which something of it began, ended or came due, ahead of the clock too; whoever reads
//! takes the days that have come. So nothing has to be counted anew as time passes. Days are those of the configured time
//! zone. Bounded by the believed range of time: 32 days a block, one block a month or so.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::event::Survey;
use crate::units::Day;

/// Days in one block: a change copies no more.
const BLOCK_DAYS: u16 = 32;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Accounts that signed up, by the day they did.
    SignUps,
    /// Those of them that were through their onboarding in time.
    Onboarded,
    /// Those of them that were active after their first week.
    Stayed,
    /// Those of them that started a trial more than once.
    SignUpsRepeated,
    /// Trials, by the day they began.
    TrialsStarted(Card),
    /// Trials, by the day they ended.
    TrialsEnded(Card),
    /// Those of them that converted, as told or by paying.
    TrialsConverted(Card),
    /// Converted trials that have left since, by the day they did.
    ConvertedChurned(Card),
    /// Trials without a known end that are taken for ended, by the day they are.
    TrialsEndless,
    /// Trials whose end is told for before they began or for too long after, and is not believed, by the day they began.
    TrialsMisdated,
    /// Trials that ended without a start before that, by the day they ended.
    TrialsUnstarted,
    /// Terms, by the day they end.
    RenewalsDue,
    /// Those of them that went on.
    Renewed,
    /// MRR of the terms, in minor units of the reporting currency.
    RenewalsDueMinor,
    /// MRR of those of them that went on, likewise.
    RenewedMinor,
    /// Surveys that went out.
    SurveysSent(Survey),
    /// Answers that came.
    SurveysAnswered(Survey),
    /// Users by the class of their latest rating, by the day they gave it.
    Csat(CsatClass),
    /// Users by the class of their latest NPS answer, by the day they gave it.
    Nps(NpsClass),
}

/// Whether a card was given for a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// It was.
    With,
    /// It was not.
    Without,
    /// Nobody said.
    Unknown,
}

impl Card {
    /// All of them.
    pub const ALL: [Card; 3] = [Card::With, Card::Without, Card::Unknown];

    /// Stable name: metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Card::With => "with",
            Card::Without => "without",
            Card::Unknown => "unknown",
        }
    }
}

/// How satisfied a rating is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsatClass {
    /// 4 or 5.
    Satisfied,
    /// 3.
    Neutral,
    /// 1 or 2.
    Dissatisfied,
}

impl CsatClass {
    /// All of them.
    pub const ALL: [CsatClass; 3] = [CsatClass::Satisfied, CsatClass::Neutral, CsatClass::Dissatisfied];

    /// The class of a rating from 1 to 5.
    #[must_use]
    pub fn of(score: u8) -> CsatClass {
        match score {
            4.. => CsatClass::Satisfied,
            3 => CsatClass::Neutral,
            _ => CsatClass::Dissatisfied,
        }
    }

    /// Stable name: metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CsatClass::Satisfied => "satisfied",
            CsatClass::Neutral => "neutral",
            CsatClass::Dissatisfied => "dissatisfied",
        }
    }
}

/// What an NPS answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NpsClass {
    /// 9 or 10.
    Promoter,
    /// 7 or 8.
    Passive,
    /// 0 to 6.
    Detractor,
}

impl NpsClass {
    /// All of them.
    pub const ALL: [NpsClass; 3] = [NpsClass::Promoter, NpsClass::Passive, NpsClass::Detractor];

    /// The class of an answer from 0 to 10.
    #[must_use]
    pub fn of(score: u8) -> NpsClass {
        match score {
            9.. => NpsClass::Promoter,
            7..=8 => NpsClass::Passive,
            _ => NpsClass::Detractor,
        }
    }

    /// Stable name: metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            NpsClass::Promoter => "promoter",
            NpsClass::Passive => "passive",
            NpsClass::Detractor => "detractor",
        }
    }
}

/// How many things are counted.
const COUNTS: usize = 33;

impl Count {
    /// Its place in a day.
    fn index(self) -> usize {
        match self {
            Count::SignUps => 0,
            Count::Onboarded => 1,
            Count::Stayed => 2,
            Count::SignUpsRepeated => 3,
            Count::TrialsStarted(card) => 4 + card as usize,
            Count::TrialsEnded(card) => 7 + card as usize,
            Count::TrialsConverted(card) => 10 + card as usize,
            Count::ConvertedChurned(card) => 13 + card as usize,
            Count::TrialsEndless => 16,
            Count::RenewalsDue => 17,
            Count::Renewed => 18,
            Count::RenewalsDueMinor => 19,
            Count::RenewedMinor => 20,
            Count::SurveysSent(survey) => 21 + survey as usize,
            Count::SurveysAnswered(survey) => 23 + survey as usize,
            Count::Csat(class) => 25 + class as usize,
            Count::TrialsMisdated => 28,
            Count::TrialsUnstarted => 29,
            Count::Nps(class) => 30 + class as usize,
        }
    }
}

/// What one account adds to one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The day.
    pub day: Day,
    /// What is counted.
    pub count: Count,
    /// How many, or how much.
    pub amount: i64,
}

type Block = [[i64; COUNTS]; BLOCK_DAYS as usize];

/// The counts of all days, zero where nothing was added.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Days {
    /// By number, ascending.
    blocks: Vec<(u16, Arc<Block>)>,
}

impl Days {
    /// Adds (`sign` 1) or takes out (-1) what an account adds.
    pub fn apply(&mut self, tallies: &[Tally], sign: i64) {
        for tally in tallies {
            self.add(tally.day, tally.count.index(), tally.amount.wrapping_mul(sign));
        }
    }

    /// What is counted on which day, as [`Days::add`] takes it; what there is none of is left out.
    pub fn iter(&self) -> impl Iterator<Item = (Day, usize, i64)> + '_ {
        self.blocks.iter().flat_map(|(number, block)| {
            (number * BLOCK_DAYS..).zip(block.iter()).flat_map(|(day, counts)| {
                let some = counts.iter().enumerate().filter(|(_, amount)| **amount != 0);
                some.map(move |(index, amount)| (Day::new(day), index, *amount))
            })
        })
    }

    /// Adds `amount` to what is counted at `index` of `day`; past the last, nothing.
    pub fn add(&mut self, day: Day, index: usize, amount: i64) {
        let number = day.number() / BLOCK_DAYS;
        let place = match self.blocks.binary_search_by_key(&number, |(known, _)| *known) {
            Ok(place) => place,
            Err(place) => {
                self.blocks.insert(place, (number, Arc::new([[0; COUNTS]; BLOCK_DAYS as usize])));
                place
            }
        };
        let Some((_, block)) = self.blocks.get_mut(place) else { return };
        let counts = Arc::make_mut(block).get_mut(usize::from(day.number() % BLOCK_DAYS));
        if let Some(sum) = counts.and_then(|counts| counts.get_mut(index)) {
            *sum = sum.wrapping_add(amount);
        }
    }

    /// Adds those of another partition.
    pub fn merge(&mut self, other: &Days) {
        other.iter().for_each(|(day, index, amount)| self.add(day, index, amount));
    }

    /// The sum of `count` over `days`.
    #[must_use]
    pub fn sum(&self, count: Count, days: Range<Day>) -> i64 {
        let (from, to) = (days.start.number(), days.end.number());
        let index = count.index();
        let blocks =
            self.blocks.iter().filter(|(number, _)| number * BLOCK_DAYS < to && (number + 1) * BLOCK_DAYS > from);
        blocks
            .flat_map(|(number, block)| (number * BLOCK_DAYS..).zip(block.iter()))
            .filter(|(day, _)| (from..to).contains(day))
            .filter_map(|(_, counts)| counts.get(index))
            .fold(0, |sum, amount| sum.wrapping_add(*amount))
    }

    /// The same without blocks of nothing.
    #[must_use]
    pub fn normal(&self) -> Days {
        let is_something = |block: &Block| block.iter().flatten().any(|amount| *amount != 0);
        Days { blocks: self.blocks.iter().filter(|(_, block)| is_something(block)).cloned().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_a_place_of_its_own() {
        let mut counts = vec![
            Count::SignUps,
            Count::Onboarded,
            Count::Stayed,
            Count::SignUpsRepeated,
            Count::TrialsEndless,
            Count::TrialsMisdated,
            Count::TrialsUnstarted,
            Count::RenewalsDue,
            Count::Renewed,
            Count::RenewalsDueMinor,
            Count::RenewedMinor,
        ];
        for card in Card::ALL {
            counts.extend([Count::TrialsStarted(card), Count::TrialsEnded(card), Count::TrialsConverted(card)]);
            counts.push(Count::ConvertedChurned(card));
        }
        counts.extend(
            Survey::ALL.into_iter().flat_map(|survey| [Count::SurveysSent(survey), Count::SurveysAnswered(survey)]),
        );
        counts.extend(CsatClass::ALL.map(Count::Csat));
        counts.extend(NpsClass::ALL.map(Count::Nps));
        let mut places: Vec<usize> = counts.iter().map(|count| count.index()).collect();
        places.sort_unstable();
        assert_eq!(places, (0..COUNTS).collect::<Vec<_>>());
    }

    #[test]
    fn days_are_summed_where_they_lie() {
        let mut days = Days::default();
        let tally = |day, amount| Tally { day: Day::new(day), count: Count::SignUps, amount };
        days.apply(&[tally(31, 1), tally(32, 2), tally(63, 4), tally(64, 8)], 1);
        let sum = |days: &Days, from, to| days.sum(Count::SignUps, Day::new(from)..Day::new(to));
        assert_eq!((sum(&days, 0, 1000), sum(&days, 32, 64), sum(&days, 31, 32), sum(&days, 65, 90)), (15, 6, 1, 0));
        days.apply(&[tally(31, 1), tally(32, 2), tally(63, 4), tally(64, 8)], -1);
        assert_eq!(days.normal(), Days::default());
    }
}
