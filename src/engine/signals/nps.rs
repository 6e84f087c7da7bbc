//! S3, what people say: detractors, poor ratings, falling scores, and surveys that nobody answers any more.
//!
//! The latest answer of each respondent, weighted by age (half-life of `half_life_days`); an NPS of 6 counts a little, 2
//! and below fully; a CSAT rating counts half, since it is about one contact. The weighted mean is shrunk by
//! half an answer of nobody ([`DOUBT`]), so that one voice is not taken for all. Reichheld's classes: detractors 0-6,
//! passives 7-8, promoters 9-10 (*The One Number You Need to Grow*, 2003).
//!
//! Silence is judged against the account's own readiness to answer: of the surveys since the last answer (else of the last
//! day on which some went out), so few answers have the lower tail of the beta-binomial distribution, with the share
//! answered before as its mean. Many surveys before count as [`READINESS_MAX`], since they come in waves of which one may
//! go astray. Who has never answered says little by not answering: there, one in five is expected to.

use super::statistics::beta_binomial_at_most;
use super::{Case, Declaration, Parameter, Reading, Signal, Telling, ago, all_of, counted, ramp};
use crate::engine::facts::voice::{ANSWERS_MAX, ASKED_MAX, Answer, RATINGS_MAX, Voice, latest};
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
    has_dates: None,
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
/// As how many surveys those before count at most.
const READINESS_MAX: f64 = 12.0;
/// Shapes of the readiness of who has never answered, and of who has, where it is not known how many went out then.
const NEVER_ANSWERED: [f64; 2] = [0.5, 2.0];
const ANSWERED_ONCE: [f64; 2] = [1.0, 2.0];
/// More surveys on a day than this are no more evidence.
const ASKED_A_DAY_MAX: u32 = 100;

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

/// How the surveys of late were answered, against the account's own readiness before.
struct Silence {
    /// Surveys that went out since the last answer, or in the latest round, and how many of them were answered.
    asked: u32,
    answered: u32,
    /// Whether there may have been more than are kept.
    has_more: bool,
    /// Whether it has ever answered, as far as is kept.
    has_answered: bool,
    /// Probability of so few answers.
    chance: f64,
    /// When the next round counts as unanswered.
    due: Option<Timestamp>,
}

/// One day on which surveys went out long enough ago.
struct Round {
    day: Day,
    asked: u32,
    answered: u32,
}

/// The days on which surveys went out, with the answers that came in time and before the next ones went out; ascending.
/// After the last of them no answer is too late.
fn rounds(case: &Case<'_>, voice: &Voice) -> Vec<Round> {
    let (wait, today) = (case.days(ANSWER), case.now.day());
    let is_over = |asked: &&Day| asked.number().saturating_add(wait) < today.number();
    let mut rounds: Vec<Round> = Vec::new();
    for day in voice.asked.iter().filter(is_over) {
        let asked = voice.sent_on(*day).min(ASKED_A_DAY_MAX);
        rounds.push(Round { day: *day, asked, answered: 0 });
    }
    for day in given(voice) {
        let next = rounds.partition_point(|round| round.day <= day);
        let is_last = next == rounds.len();
        let round = next.checked_sub(1).and_then(|index| rounds.get_mut(index));
        if let Some(round) = round.filter(|round| is_last || day.since(round.day) <= wait) {
            round.answered += 1;
        }
    }
    rounds
}

/// The days of all answers kept.
fn given(voice: &Voice) -> impl Iterator<Item = Day> + '_ {
    voice.answers.iter().chain(&voice.ratings).map(|answer| answer.stamp.time.day())
}

/// From when on answers are known: where as many as are kept are there, from the oldest of them.
fn answers_known_from(voice: &Voice) -> Option<Day> {
    let oldest = |list: &[Answer], max: usize| {
        let times = list.iter().map(|answer| answer.stamp.time.day());
        if list.len() >= max { times.min() } else { None }
    };
    oldest(&voice.answers, ANSWERS_MAX).max(oldest(&voice.ratings, RATINGS_MAX))
}

fn silence(case: &Case<'_>, voice: &Voice) -> Silence {
    let rounds = rounds(case, voice);
    let last_answer = given(voice).max();
    // What nobody has answered since, or else the latest round.
    let silent_from = rounds.partition_point(|round| last_answer.is_some_and(|day| round.day <= day));
    let (before, recent) = rounds.split_at_checked(silent_from.min(rounds.len().saturating_sub(1))).unwrap_or_default();
    let asked = recent.iter().map(|round| round.asked).sum();
    let answered = recent.iter().map(|round| round.answered).sum::<u32>().min(asked);
    let known_from = answers_known_from(voice);
    let is_known = |round: &&Round| known_from.is_none_or(|day| round.day >= day);
    // More answers than are kept may have come.
    let is_cut = answered > 0 && !recent.iter().all(|round| is_known(&round));
    let known = || before.iter().filter(is_known);
    let asked_before: u32 = known().map(|round| round.asked).sum();
    let answered_before: u32 = known().map(|round| round.answered).sum::<u32>().min(asked_before);
    let has_answered = last_answer.is_some();
    let [success, failure] = if asked_before > 0 && has_answered {
        let share = f64::from(answered_before) / f64::from(asked_before);
        let weight = f64::from(asked_before).min(READINESS_MAX);
        [1.0 + weight * share, 1.0 + weight * (1.0 - share)]
    } else if has_answered {
        ANSWERED_ONCE
    } else {
        NEVER_ANSWERED
    };
    let chance = if is_cut { 1.0 } else { beta_binomial_at_most(answered, asked, success, failure) };
    let last = voice.asked.last().filter(|asked| rounds.last().is_none_or(|round| round.day < **asked));
    let due = last.map(|asked| Day::new(asked.number().saturating_add(case.days(ANSWER)).saturating_add(1)).start());
    Silence {
        asked,
        answered,
        has_more: before.is_empty() && voice.asked.len() >= ASKED_MAX,
        has_answered,
        chance,
        due,
    }
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
    let reading = if said.weights < FADED && unanswered(&silence) <= 0.0 {
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
            "{} among {}; the latest gave {} of {of}, {}",
            counted(count as u64, noun),
            counted(all as u64, asked),
            worst.score,
            ago(days)
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
        sentences.push(format!("those asked again gave {mean:.1} points of ten less than before"));
        numbers.push(("fallen_points", mean));
    }
    if unanswered(&silence) > 0.0 {
        let Silence { asked, answered, has_more, has_answered, .. } = silence;
        let surveys = format!("{}{}", if has_more { "at least " } else { "" }, counted(asked, "survey"));
        sentences.push(match (has_answered, answered) {
            (false, _) => format!("{surveys}, and never an answer"),
            (true, 0) => format!("{surveys} in a row without an answer, which is unusual here"),
            (true, _) => format!("{answered} of {surveys} answered, which is unusual here"),
        });
        numbers.push(("surveys_unanswered", f64::from(asked - answered)));
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
                ("never, of many", "asked 10 40; asked 90 40"),
                ("all, then none", "asked 10 20; answers 12 20; asked 90 40"),
                ("all, then few", "asked 10 20; answers 12 19; asked 90 40; nps 91 ann 9"),
                ("ever few", "asked 10 40; answers 12 4; asked 50 40; answers 52 3; asked 90 40; answers 92 2"),
                ("forgotten rounds", "answers 12 20; rounds 60..90 2"),
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
                falling      0.33 1 detractor among 2 NPS respondents; the latest gave 4 of 10, 2 days ago; those asked again gave 4.5 points of ten less than before.
                poor ratings 0.58 2 poor ones among 2 CSAT ratings; the latest gave 2 of 5, 4 days ago.
                good ratings quiet
                rated up     quiet
                gone silent  0.40 3 surveys in a row without an answer, which is unusual here.
                not yet      quiet
                answers late quiet
                never does   unknown
                never, of many 0.12 80 surveys, and never an answer.
                all, then none 0.32 40 surveys in a row without an answer, which is unusual here.
                all, then few 0.20 1 of 40 surveys answered, which is unusual here.
                ever few     0.04 2 of 40 surveys answered, which is unusual here.
                forgotten rounds 0.24 At least 24 surveys in a row without an answer, which is unusual here.
                none         unknown
            "#]],
        );
    }
}
