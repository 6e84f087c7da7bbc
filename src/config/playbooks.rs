//! The playbooks in force: those shipped, and those of the configured folder in their place.
//!
//! Here lives which file counts; what a file may say is in [`read`]. The shipped files under `config/playbooks/` are part
//! of the program, which works without the folder. A playbook of the folder replaces the shipped one of its alert type,
//! and `routing.toml` the shipped routes; the rest stays as shipped.

mod read;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use super::document::Document;
use super::problem::{Origin, Problem, nearest};
use crate::engine::alert;
use crate::engine::playbook::{Playbook, Playbooks, Route};
use read::Content;

/// Files that one folder of playbooks may have.
const FILES_MAX: usize = 64;

/// The shipped files, by name.
const SHIPPED: &[(&str, &str)] = &[
    ("breadth.toml", include_str!("../../config/playbooks/breadth.toml")),
    ("champion_departure.toml", include_str!("../../config/playbooks/champion_departure.toml")),
    ("churn_risk.toml", include_str!("../../config/playbooks/churn_risk.toml")),
    ("contract_decline.toml", include_str!("../../config/playbooks/contract_decline.toml")),
    ("engagement_lag.toml", include_str!("../../config/playbooks/engagement_lag.toml")),
    ("limit_hits.toml", include_str!("../../config/playbooks/limit_hits.toml")),
    ("nps.toml", include_str!("../../config/playbooks/nps.toml")),
    ("onboarding_stall.toml", include_str!("../../config/playbooks/onboarding_stall.toml")),
    ("payment_failures.toml", include_str!("../../config/playbooks/payment_failures.toml")),
    ("routing.toml", include_str!("../../config/playbooks/routing.toml")),
    ("support_issues.toml", include_str!("../../config/playbooks/support_issues.toml")),
    ("usage_frequency.toml", include_str!("../../config/playbooks/usage_frequency.toml")),
];

/// The shipped playbooks, read once. A test holds that they have no problems.
static DEFAULTS: LazyLock<(Playbooks, Vec<Problem>)> = LazyLock::new(|| {
    let (mut folder, mut problems) = (Folder::default(), Vec::new());
    for (name, text) in SHIPPED {
        folder.read(name, text, &mut problems);
    }
    (folder.over(&Folder::default()), problems)
});

/// The playbooks that hold when nothing is configured.
pub(super) fn shipped() -> Playbooks {
    DEFAULTS.0.clone()
}

/// The playbooks of `files`, names and contents, in place of the shipped ones.
pub(super) fn of_files(files: &[(PathBuf, String)], problems: &mut Vec<Problem>) -> Playbooks {
    let (mut own, mut base) = (Folder::default(), Folder::default());
    for (name, text) in SHIPPED {
        base.read(name, text, &mut Vec::new());
    }
    for (path, text) in files {
        own.read(&path.display().to_string(), text, problems);
    }
    own.over(&base)
}

/// The files of a folder that are playbooks, in order of name; a problem where there are too many.
pub(super) fn files_of(
    paths: Vec<PathBuf>,
    folder: &Path,
    origin: &Origin,
    problems: &mut Vec<Problem>,
) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect();
    files.sort();
    let shown = folder.display();
    if files.is_empty() {
        let problem = Problem::new(origin.clone(), format!("`alerts.playbooks`: there is no .toml file in {shown}"));
        problems.push(problem.hint("put playbooks there, or leave the key out: the shipped ones hold then"));
    }
    if files.len() > FILES_MAX {
        let message = format!("`alerts.playbooks`: {shown} has {} files, more than {FILES_MAX}", files.len());
        problems.push(Problem::new(origin.clone(), message).hint("there is one playbook an alert type"));
        files.truncate(FILES_MAX);
    }
    files
}

/// What the files of one folder say.
#[derive(Default)]
struct Folder {
    books: Vec<(Origin, Arc<Playbook>)>,
    routes: Option<(Origin, Vec<Route>)>,
    owner_default: Option<String>,
}

impl Folder {
    fn read(&mut self, name: &str, text: &str, problems: &mut Vec<Problem>) {
        let document = match Document::parse(name, text) {
            Ok(document) => document,
            Err(errors) => return problems.extend(errors),
        };
        match read::read(name, &document.entries(), problems) {
            Content::Nothing => {}
            Content::Routing { origin, routes, owner_default } => {
                if let Some((first, _)) = &self.routes {
                    let problem = Problem::new(origin, format!("the routes of all types are already given at {first}"));
                    return problems.push(problem.hint("put all of them into one file"));
                }
                self.routes = Some((origin, routes));
                self.owner_default = owner_default;
            }
            Content::Playbook { origin, playbook } => {
                let same = |known: &&(Origin, Arc<Playbook>)| known.1.alert_type == playbook.alert_type;
                if let Some((first, _)) = self.books.iter().find(same) {
                    let message = format!("`{}` already has a playbook at {first}", playbook.alert_type);
                    return problems.push(Problem::new(origin, message).hint("there is one playbook an alert type"));
                }
                self.books.push((origin, Arc::new(playbook)));
            }
        }
    }

    /// These playbooks, completed by those of `base`.
    fn over(self, base: &Folder) -> Playbooks {
        let mut own: Vec<Arc<Playbook>> = self.books.into_iter().map(|(_, book)| book).collect();
        own.extend(base.books.iter().map(|(_, book)| Arc::clone(book)));
        let routes = self.routes.or_else(|| base.routes.clone()).map(|(_, routes)| routes).unwrap_or_default();
        let owner_default = self.owner_default.or_else(|| base.owner_default.clone());
        Playbooks { books: Playbooks::books(&own), routes, owner_default, link: None }
    }
}

/// What to say of an alert type that there is not.
fn unknown_type(origin: &Origin, name: &str) -> Problem {
    let problem = Problem::new(origin.clone(), format!("`alert_type`: there is no alert type {name:?}"));
    match nearest(name, alert::type_names()) {
        Some(meant) => problem.hint(format!("did you mean {meant:?}?")),
        None => problem.hint(format!("known: {}", alert::type_names().collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::{Expect, expect};

    use super::*;

    fn report(problems: &[Problem]) -> String {
        problems.iter().fold(String::new(), |report, problem| report + &problem.to_string() + "\n")
    }

    /// What is reported about one file, `p.toml`.
    fn check(text: &str, expected: &Expect) {
        let mut problems = Vec::new();
        of_files(&[("p.toml".into(), text.to_owned())], &mut problems);
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        expected.assert_eq(&report(&problems));
    }

    #[test]
    fn the_shipped_folder_is_what_the_program_carries() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/playbooks");
        let mut there: Vec<(String, String)> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
            })
            .collect();
        there.sort();
        let carried: Vec<(String, String)> =
            SHIPPED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(there, carried);
    }

    #[test]
    fn the_shipped_playbooks_have_no_problem_but_types_that_are_to_come() {
        expect![""].assert_eq(&report(&DEFAULTS.1));
    }

    #[test]
    fn every_alert_type_has_an_owner_a_plan_reasons_and_its_own_playbook() {
        let playbooks = shipped();
        assert!(playbooks.owner_default.is_some());
        let mut without = Vec::new();
        for (kind, name) in (0..).zip(alert::type_names()) {
            let book = playbooks.of(kind).unwrap();
            assert!(book.reasons.len() >= 3, "{name}");
            assert!(book.plays.iter().all(|play| play.steps.len() >= 2), "{name}");
            assert!(book.acknowledge_within.is_some(), "{name}");
            if book.alert_type != name {
                without.push(name);
            }
        }
        // These go by the playbook of `churn_risk`.
        expect![[r#"
            []
        "#]]
        .assert_debug_eq(&without);
    }

    #[test]
    fn the_plays_that_customer_success_asks_for_are_shipped() {
        let mut plays = BTreeSet::new();
        for (name, text) in SHIPPED {
            let document = Document::parse(name, text).unwrap();
            if let Content::Playbook { playbook, .. } = read::read(name, &document.entries(), &mut Vec::new()) {
                plays.extend(playbook.plays.into_iter().map(|play| play.name));
            }
        }
        expect![[r#"
            call_large_account
            early_access
            feature_training
            feedback_call
            find_new_champion
            health_check
            payment_rescue
            renewal_incentive
            restart_onboarding
            upgrade_offer
            usage_based_offer"#]]
        .assert_eq(&plays.into_iter().collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_playbook_of_the_folder_replaces_the_shipped_one_of_its_type() {
        let text = "alert_type = \"nps\"\nreasons = [\"settled\"]\n[[plays]]\nname = \"call\"\ntitle = \"Call\"\n\
                    steps = [{ text = \"Call\", due_days = 1 }]\n";
        let routing = "owner_default = \"sam\"\n";
        let mut problems = Vec::new();
        let files = [("a.toml".into(), text.to_owned()), ("b.toml".into(), routing.to_owned())];
        let playbooks = of_files(&files, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(playbooks.owner_default.as_deref(), Some("sam"));
        assert!(playbooks.routes.is_empty());
        for (kind, name) in (0..).zip(alert::type_names()) {
            let book = playbooks.of(kind).unwrap();
            let shipped = shipped();
            if name == "nps" {
                assert_eq!((book.plays.len(), book.reasons.as_slice()), (1, &["settled".to_owned()][..]));
            } else {
                assert_eq!(book, shipped.of(kind).unwrap());
            }
        }
    }

    #[test]
    fn every_problem_of_a_playbook_has_its_line_and_what_to_do() {
        check(
            "alert_type = \"nsp\"\nacknowledge_within_hours = 0\ncolour = 1\nreasons = [\"a\", \"a\", \"Two words\", \"other\"]\n\
             [[routes]]\nowner = \"\"\nwhen = { segmnt = \"x\", traits = { \"a b\" = \"c\" } }\n[[routes]]\n\
             [[plays]]\nname = \"x\"\ntitle = \"X\"\ndone_reason = \"b\"\nwhen = { mrr_min = -1 }\nsteps = []\n[[plays]]\n\
             name = \"x\"\nsteps = [{ text = \"y\", due_days = 400 }, { due_days = \"1\" }]\nwhen = { mrr_min = 1 }\n",
            &expect![[r#"
                p.toml:1: `alert_type`: there is no alert type "nsp"; known: churn_risk, usage_frequency, breadth, nps, champion_departure, limit_hits, engagement_lag, payment_failures, contract_decline, onboarding_stall, support_issues
                p.toml:2: `acknowledge_within_hours`: found 0, allowed: whole number from 1 to 8760
                p.toml:3: unknown key `colour`; known here: alert_type, title, acknowledge_within_hours, escalate_to, cooldown_days, reasons, routes, plays
                p.toml:4: `reasons`: "a" stands twice; leave one of them out
                p.toml:4: `reasons`: found "Two words", allowed: names of lower-case letters, digits and `_`
                p.toml:4: `reasons`: "other" is always there; leave it out
                p.toml:6: `owner`: found "", allowed: text of 1 to 512 bytes in quotes
                p.toml:7: unknown key `when.segmnt`; did you mean `when.segment`?
                p.toml:7: `traits`: found "a b", allowed: the name of a trait, 1 to 64 letters, digits, `.`, `_` and `-`
                p.toml:8: there is no `owner`; say to whom such alerts go
                p.toml:12: `done_reason`: "b" is none of the `reasons`; did you mean "a"?
                p.toml:13: `mrr_min`: found -1, allowed: number from 0 to 1000000000
                p.toml:14: there is no `steps`; write steps = [{ text = "...", due_days = 1 }]
                p.toml:15: play "x" stands twice; rename one of them
                p.toml:15: the last play has a condition; end with one for all accounts, or some alerts come without a plan
                p.toml:17: `due_days`: found 400, allowed: whole number from 0 to 365
                p.toml:17: `due_days`: found "1", allowed: whole number from 0 to 365
                p.toml:17: there is no `text`; say what is to be done
            "#]],
        );
        check(
            "[[routes]]\n[[routes]]\nowner = \"\"\nwhen = { mrr_min = \"a\" }\n",
            &expect![[r#"
            p.toml:1: there is no `owner`; say to whom such alerts go
            p.toml:3: `owner`: found "", allowed: text of 1 to 512 bytes in quotes
            p.toml:4: `mrr_min`: found "a", allowed: number from 0 to 1000000000
        "#]],
        );
        check(
            "alert_type = \"nps\"\nreasons = [\"Two words\"]\n[[plays]]\nname = \"x\"\nwhen = { mrr_min = 1 }\n\
             done_reason = \"Two words\"\nsteps = [{ text = \"\" }]\n[[plays]]\nname = \"\"\nsteps = 5\n",
            &expect![[r#"
                p.toml:2: `reasons`: found "Two words", allowed: names of lower-case letters, digits and `_`
                p.toml:7: `text`: found "", allowed: text of 1 to 512 bytes in quotes
                p.toml:9: `name`: found "", allowed: text of 1 to 512 bytes in quotes
                p.toml:10: `steps`: found 5, allowed: a list of tables
            "#]],
        );
        check(
            "cooldown_days = 3\n",
            &expect![[r#"
            p.toml: the playbook has no `alert_type`; say which alerts it is for, such as alert_type = "churn_risk"
        "#]],
        );
        check(
            "onwer_default = \"kim\"\n",
            &expect![[r#"
            p.toml:1: unknown key `onwer_default`; did you mean `owner_default`?
        "#]],
        );
        check(
            "",
            &expect![[r#"
            p.toml: neither a playbook nor routes; a playbook needs `alert_type`, routes are written as [[routes]]
        "#]],
        );
        check(
            "alert_type = \"nps\"\n",
            &expect![[r#"
            p.toml: there is no `reasons`; list the reasons for which such an alert may be closed
            p.toml: there is no `plays`; write [[plays]] with name, title and steps
        "#]],
        );
        check(
            "reasons = [\"a\"]\nroutes = 3\n",
            &expect![[r#"
            p.toml: the playbook has no `alert_type`; say which alerts it is for, such as alert_type = "churn_risk"
        "#]],
        );
    }

    #[test]
    fn plays_that_are_never_chosen_and_escalations_that_never_come_are_named() {
        let play = |name: &str, when: &str| {
            format!("[[plays]]\nname = \"{name}\"\nwhen = {{ {when} }}\nsteps = [{{ text = \"Call\" }}]\n")
        };
        let plays = [
            play("large", "mrr_min = 1000"),
            play("larger", "mrr_min = 2000, plan = \"pro\""),
            play("smaller", "mrr_min = 500"),
            play("two", "plan = [\"Pro\", \"team\"], traits = { region = [\"us\", \"eu\"] }"),
            play("one", "plan = \"pro\", traits = { region = \"EU\", size = \"s\" }"),
            play("elsewhere", "plan = \"pro\", traits = { region = \"asia\" }"),
            play("soon", "renewal_within_days = 30"),
            play("sooner", "renewal_within_days = 14"),
            play("later", "renewal_within_days = 60"),
            play("all", ""),
            play("rest", ""),
        ];
        let file = format!("alert_type = \"nps\"\nescalate_to = \"kim\"\nreasons = [\"a\"]\n{}", plays.concat());
        check(
            &file,
            &expect![[r#"
            p.toml:2: `escalate_to`: nothing is escalated without `acknowledge_within_hours`; say within how many hours an alert is to be acknowledged, or leave it out
            p.toml:8: play "larger" is never chosen: "large" before it fits as well; the first that fits is taken: put the one with more conditions first, or leave one out
            p.toml:20: play "one" is never chosen: "two" before it fits as well; the first that fits is taken: put the one with more conditions first, or leave one out
            p.toml:32: play "sooner" is never chosen: "soon" before it fits as well; the first that fits is taken: put the one with more conditions first, or leave one out
            p.toml:44: play "rest" is never chosen: "all" before it fits as well; the first that fits is taken: put the one with more conditions first, or leave one out
        "#]],
        );
    }

    #[test]
    fn two_playbooks_of_one_type_and_two_routings_are_refused() {
        let book = SHIPPED.iter().find(|(name, _)| *name == "nps.toml").unwrap().1;
        let routing = "owner_default = \"kim\"\n";
        let file = |name: &str, text: &str| (PathBuf::from(name), text.to_owned());
        let mut problems = Vec::new();
        of_files(
            &[file("a.toml", book), file("b.toml", book), file("c.toml", routing), file("d.toml", routing)],
            &mut problems,
        );
        expect![[r#"
            b.toml:2: `nps` already has a playbook at a.toml:2; there is one playbook an alert type
            d.toml: the routes of all types are already given at c.toml; put all of them into one file
        "#]]
        .assert_eq(&report(&problems));
    }
}
