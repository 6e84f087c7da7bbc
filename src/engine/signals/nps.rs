//! S3, net promoter score: people at the account say that they would not recommend the product.
//!
//! The latest answer of each respondent, weighted by age (half-life of `half_life_days`); a score of 6 counts a little,
//! 2 and below fully. Reichheld's classes: detractors 0-6, passives 7-8, promoters 9-10 (*The One Number You Need to
//! Grow*, 2003).

use super::{Case, Declaration, Parameter, Reading, Signal, Telling, counted};

pub(super) const SIGNAL: Signal = Signal {
    declaration: Declaration {
        name: "nps",
        summary: "detractors among the latest NPS answers, each respondent's latest, fading with age",
        weight: 2.5,
        parameters: &[Parameter {
            name: "half_life_days",
            summary: "An answer counts half after so many days.",
            default: 45.0,
            min: 7.0,
            max: 365.0,
        }],
    },
    read,
    tell,
};

const HALF_LIFE: usize = 0;
/// Answers that have faded below this in sum say nothing any more.
const FADED: f64 = 0.1;

fn read(case: &Case<'_>) -> Reading {
    let Some((_, latest)) = case.account.standing.answered else { return Reading::UNKNOWN };
    // Within three half-lives one answer alone has not faded.
    if !case.account.standing.is_detracted && case.now.since(latest).days() < 3.0 * case.parameter(HALF_LIFE) {
        return Reading::QUIET;
    }
    let Some(voice) = case.account.voice.as_ref().filter(|voice| !voice.answers.is_empty()) else {
        return Reading::UNKNOWN;
    };
    let (mut weights, mut bad) = (0.0, 0.0);
    for answer in &voice.answers {
        let weight = libm::exp2(-case.now.since(answer.stamp.time).days().max(0.0) / case.parameter(HALF_LIFE));
        weights += weight;
        bad += weight * badness(answer.score);
    }
    if weights < FADED {
        return Reading::UNKNOWN;
    }
    // One old answer is weak evidence even when it was the only one: hence the second factor.
    Reading::of(bad / weights * weights.min(1.0))
}

fn badness(score: u8) -> f64 {
    (f64::from(7_u8.saturating_sub(score)) / 5.0).min(1.0)
}

fn tell(case: &Case<'_>) -> Telling {
    let answers = case.account.voice.as_ref().map(|voice| voice.answers.as_slice()).unwrap_or_default();
    let detractors = answers.iter().filter(|answer| answer.is_detractor()).count();
    let latest = answers.iter().filter(|answer| answer.is_detractor()).max_by_key(|answer| answer.stamp);
    let score = latest.map_or(0, |answer| answer.score);
    let days = latest.map_or(0.0, |answer| case.now.since(answer.stamp.time).days().max(0.0));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // small counts
    Telling {
        sentence: format!(
            "{} among {}; the latest gave {score} of 10, {} ago.",
            counted(detractors as u64, "detractor"),
            counted(answers.len() as u64, "NPS respondent"),
            counted(days as u64, "day")
        ),
        numbers: vec![
            ("detractors", detractors as f64),
            ("respondents", answers.len() as f64),
            ("latest_score", f64::from(score)),
        ],
        offset: latest.map(|answer| answer.offset),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use expect_test::expect;

    #[test]
    fn fires_on_detractors_and_fades() {
        check(
            "nps",
            &[
                ("promoter", "nps 110 ann 10"),
                ("detractor", "nps 118 ann 1"),
                ("mild", "nps 118 ann 6"),
                ("mixed", "nps 118 ann 1; nps 118 bob 9"),
                ("changed mind", "nps 100 ann 1; nps 118 ann 9"),
                ("old", "nps 20 ann 1"),
                ("none", "uses 0..120 every 1"),
            ],
            &expect![[r#"
                promoter     quiet
                detractor    0.97 1 detractor among 1 NPS respondent; the latest gave 1 of 10, 2 days ago.
                mild         0.19 1 detractor among 1 NPS respondent; the latest gave 6 of 10, 2 days ago.
                mixed        0.50 1 detractor among 2 NPS respondents; the latest gave 1 of 10, 2 days ago.
                changed mind quiet
                old          0.21 1 detractor among 1 NPS respondent; the latest gave 1 of 10, 100 days ago.
                none         unknown
            "#]],
        );
    }
}
