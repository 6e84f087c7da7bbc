//! S3, what people say: detractors, poor ratings, falling scores, and surveys that nobody answers any more.
//!
//! The latest answer of each respondent, weighted by age (half-life of `half_life_days`); an NPS of 6 counts a little, 2
//! and below fully; a CSAT rating counts half, since it is about one contact. The weighted mean is shrunk by
//! half an answer of nobody ([`DOUBT`]), so that one voice is not taken for all. Reichheld's classes: detractors 0-6,
//! passives 7-8, promoters 9-10 (*The One Number You Need to Grow*, 2003).
//!
//! Silence is judged against the account's own readiness to answer: with `a` survey rounds answered and `b` not, the
//! chance that the next `k` stay unanswered is the beta-binomial predictive `prod (b + 1 + i) / (a + b + 2 + i)`. Who has
//! never answered says nothing by not answering.

use super::{Case, Declaration, Parameter, Reading, Signal, Telling, all_of, counted, ramp};
use crate::engine::facts::voice::{Answer, Voice, latest};
use crate::units::{Day, Offset, Timestamp};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "nps",
        summary: "detractors and poor ratings, fading with age; falling scores; surveys left unanswered (beta-binomial)",
        weight: 3.9,
        parameters: &[
            Parameter {
                name: "half_life_days",
                summary: "An answer counts half after so many days.",
                default: 45.0,
                min: 7.0,
                max: 365.0,
            },
            Parameter {
                name: "answer_days",
                summary: "A survey counts as unanswered after so many days.",
                default: 14.0,
                min: 1.0,
                max: 90.0,
            },
        ],
    },
    read,
    tell,
};

const HALF_LIFE: usize = 0;
const ANSWER: usize = 1;
/// Answers that have faded below this in sum say nothing any more.
const FADED: f64 = 0.1;
/// Answers of nobody that the mean is shrunk by.
const DOUBT: f64 = 0.5;
/// A CSAT rating against an NPS answer.
const RATING_SHARE: f64 = 0.5;
/// A fall by so many points of ten begins to count, and counts fully.
const FALL_START: f64 = 2.0;
const FALL_FULL: f64 = 7.0;
/// Strength of scores that fall, and of surveys that nobody answers.
const FALLING: f64 = 0.4;
const UNANSWERED: f64 = 0.4;
/// Silence that the account's readiness explains with this chance begins to count, and counts fully.
const SILENCE_START: f64 = 0.3;
const SILENCE_FULL: f64 = 0.03;

/// What the answers say, each part weighted by age.
#[derive(Default)]
struct Answers {
    weights: f64,
    bad: f64,
    /// Points of ten by which the scores of those who answered more than once fell.
    fallen: f64,
    returning: f64,
}

impl Answers {
    fn take(&mut self, case: &Case<'_>, answer: &Answer, before: Option<&Answer>, scale: Scale) {
        let age = case.now.since(answer.stamp.time).days().max(0.0);
        let weight = scale.share * libm::exp2(-age / case.parameter(HALF_LIFE));
        self.weights += weight;
        self.bad += weight * (scale.badness)(answer.score);
        if let Some(before) = before {
            self.returning += weight;
            self.fallen += weight * (f64::from(before.score) - f64::from(answer.score)).max(0.0) * scale.points;
        }
    }

    fn detractors(&self) -> f64 {
        self.bad / (self.weights + DOUBT)
    }

    fn falling(&self) -> f64 {
        let mean = self.fallen / (self.returning + DOUBT);
        FALLING * ramp(mean, FALL_START, FALL_FULL)
    }
}

/// A way to ask.
#[derive(Clone, Copy)]
struct Scale {
    badness: fn(u8) -> f64,
    share: f64,
    /// What one step of it is in points of ten.
    points: f64,
}

const NPS: Scale =
    Scale { badness: |score| (f64::from(7_u8.saturating_sub(score)) / 5.0).min(1.0), share: 1.0, points: 1.0 };
const CSAT: Scale =
    Scale { badness: |score| (f64::from(4_u8.saturating_sub(score)) / 2.5).min(1.0), share: RATING_SHARE, points: 2.5 };

fn answers(case: &Case<'_>, voice: &Voice) -> Answers {
    let mut sum = Answers::default();
    for (list, scale) in [(&voice.answers, NPS), (&voice.ratings, CSAT)] {
        latest(list).for_each(|(answer, before)| sum.take(case, answer, before, scale));
    }
    sum
}

/// Survey rounds without an answer since the last one that had one.
struct Silence {
    rounds: u32,
    chance: f64,
    /// When the next round counts as unanswered.
    due: Option<Timestamp>,
}

fn silence(case: &Case<'_>, voice: &Voice) -> Silence {
    let wait = case.days(ANSWER);
    let today = case.now.day();
    let given = || voice.answers.iter().chain(&voice.ratings).map(|answer| answer.stamp.time.day());
    let is_answered = |asked: Day| given().any(|day| day >= asked && day.since(asked) <= wait);
    let last_answer = given().max();
    let is_over = |asked: &Day| asked.number().saturating_add(wait) < today.number();
    let (mut answered, mut unanswered, mut rounds) = (0_u32, 0_u32, 0_u32);
    for asked in voice.asked.iter().filter(|asked| is_over(asked)) {
        if last_answer.is_none_or(|day| *asked > day) {
            rounds += 1;
        } else if is_answered(*asked) {
            answered += 1;
        } else {
            unanswered += 1;
        }
    }
    let due = voice
        .asked
        .last()
        .filter(|asked| !is_over(asked))
        .map(|asked| Day::new(asked.number().saturating_add(wait).saturating_add(1)).start());
    let (answered, unanswered) = (f64::from(answered), f64::from(unanswered));
    let chance = if answered > 0.0 {
        (0..rounds).map(f64::from).map(|i| (unanswered + 1.0 + i) / (answered + unanswered + 2.0 + i)).product()
    } else {
        1.0
    };
    Silence { rounds, chance, due }
}

fn read(case: &Case<'_>) -> Reading {
    let standing = &case.account.standing;
    if !standing.is_outspoken {
        // Within three half-lives one answer alone has not faded.
        match standing.answered {
            None => return Reading::UNKNOWN,
            Some((_, latest)) if case.now.since(latest).days() < 3.0 * case.parameter(HALF_LIFE) => {
                return Reading::QUIET;
            }
            Some(_) => {}
        }
    }
    let Some(voice) = case.account.voice.as_deref() else { return Reading::UNKNOWN };
    let said = answers(case, voice);
    let silence = silence(case, voice);
    let reading = if said.weights < FADED && silence.chance >= 1.0 {
        Reading::UNKNOWN
    } else {
        Reading::of(all_of([said.detractors(), said.falling(), unanswered(&silence)]))
    };
    silence.due.filter(|due| *due > case.now).map_or(reading, |due| reading.until(due))
}

fn unanswered(silence: &Silence) -> f64 {
    UNANSWERED * ramp(-libm::log(silence.chance), -libm::log(SILENCE_START), -libm::log(SILENCE_FULL))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // days
fn tell(case: &Case<'_>) -> Telling {
    let Some(voice) = case.account.voice.as_deref() else { return Telling::nothing() };
    let (said, silence) = (answers(case, voice), silence(case, voice));
    let mut sentences = Vec::new();
    let mut numbers = Vec::new();
    let mut offset: Option<Offset> = None;
    for (list, scale, of, asked) in
        [(&voice.answers, NPS, 10, "NPS respondent"), (&voice.ratings, CSAT, 5, "CSAT rating")]
    {
        let bad = || latest(list).map(|(answer, _)| answer).filter(|answer| (scale.badness)(answer.score) > 0.0);
        let Some(worst) = bad().max_by_key(|answer| answer.stamp) else { continue };
        let (count, all) = (bad().count(), latest(list).count());
        let days = case.now.since(worst.stamp.time).days().max(0.0) as u64;
        let noun = if of == 10 { "detractor" } else { "poor one" };
        sentences.push(format!(
            "{} among {}; the latest gave {} of {of}, {} ago",
            counted(count as u64, noun),
            counted(all as u64, asked),
            worst.score,
            counted(days, "day")
        ));
        let [bad_name, all_name, score_name] = if of == 10 {
            ["detractors", "respondents", "latest_score"]
        } else {
            ["poor_ratings", "ratings", "latest_rating"]
        };
        #[allow(clippy::cast_precision_loss)] // at most ANSWERS_MAX
        numbers.extend([(bad_name, count as f64), (all_name, all as f64), (score_name, f64::from(worst.score))]);
        offset = offset.max(Some(worst.offset));
    }
    if said.falling() > 0.0 {
        let mean = said.fallen / said.returning.max(f64::MIN_POSITIVE);
        sentences.push(format!("those asked again gave {mean:.1} points of ten less"));
        numbers.push(("fallen_points", mean));
    }
    if unanswered(&silence) > 0.0 {
        sentences
            .push(format!("{} in a row without an answer, which is unusual here", counted(silence.rounds, "survey")));
        numbers.push(("surveys_unanswered", f64::from(silence.rounds)));
    }
    Telling { sentence: super::sentence(&sentences), numbers, offset }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_on_bad_answers_falling_scores_and_silence() {
        check(
            "nps",
            &[
                ("promoter", "nps 110 ann 10"),
                ("detractor", "nps 118 ann 1"),
                ("mild", "nps 118 ann 6"),
                ("mixed", "nps 118 ann 1; nps 118 bob 9"),
                ("changed mind", "nps 100 ann 1; nps 118 ann 9"),
                ("old", "nps 20 ann 1"),
                ("several", "nps 110 ann 1; nps 112 bob 2; nps 118 eve 4"),
                ("falling", "nps 60 ann 10; nps 118 ann 7; nps 60 bob 10; nps 118 bob 4"),
                ("poor ratings", "csat 110 ann 1; csat 116 bob 2"),
                ("good ratings", "csat 110 ann 5; csat 116 bob 4"),
                ("rated up", "csat 100 ann 1; csat 118 ann 5"),
                (
                    "gone silent",
                    "asked 10; nps 12 ann 9; asked 30; nps 31 ann 9; asked 50; nps 52 ann 8; asked 70; asked 90; asked 104",
                ),
                ("not yet", "asked 10; nps 12 ann 9; asked 30; nps 31 ann 9; asked 50; nps 52 ann 8; asked 106"),
                ("answers late", "asked 10; nps 12 ann 9; asked 30; nps 31 ann 9; asked 60; asked 80; nps 118 ann 9"),
                ("never does", "asked 10; asked 30; asked 50; asked 70; asked 90"),
                ("none", "uses 0..120 every 1"),
            ],
            &expect![[r#"
                promoter     quiet
                detractor    0.66 1 detractor among 1 NPS respondent; the latest gave 1 of 10, 2 days ago.
                mild         0.13 1 detractor among 1 NPS respondent; the latest gave 6 of 10, 2 days ago.
                mixed        0.40 1 detractor among 2 NPS respondents; the latest gave 1 of 10, 2 days ago.
                changed mind quiet
                old          0.30 1 detractor among 1 NPS respondent; the latest gave 1 of 10, 100 days ago.
                several      0.72 3 detractors among 3 NPS respondents; the latest gave 4 of 10, 2 days ago.
                falling      0.33 1 detractor among 2 NPS respondents; the latest gave 4 of 10, 2 days ago; those asked again gave 4.5 points of ten less.
                poor ratings 0.58 2 poor ones among 2 CSAT ratings; the latest gave 2 of 5, 4 days ago.
                good ratings quiet
                rated up     quiet
                gone silent  0.40 3 surveys in a row without an answer, which is unusual here.
                not yet      quiet
                answers late quiet
                never does   unknown
                none         unknown
            "#]],
        );
    }
}
