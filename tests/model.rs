//! Learning from a log through the command line: a model comes out, a run starts from it, and what is no model is refused.

// Helpers of tests may fail as tests do; clippy's own exception covers only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expect_test::{Expect, expect};
use serde_json::Value;
use tempfile::TempDir;

/// The built program, without the environment's overrides, in `folder`.
fn churnwatch(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_churnwatch"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHURNWATCH__")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

fn succeed(folder: &Path, arguments: &str) -> String {
    let output = churnwatch(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with the events of a simulated company in `events.ndjson`.
fn company(days: u32) -> (TempDir, PathBuf) {
    let folder = TempDir::with_prefix("churnwatch-model-").unwrap();
    let path = folder.path().to_owned();
    succeed(&path, &format!("simulate --accounts 400 --days {days} --seed 3 --events events.ndjson"));
    (folder, path)
}

#[test]
fn a_log_teaches_a_model_and_a_run_starts_from_it() {
    let (_held, folder) = company(240);
    let told = succeed(&folder, "calibrate --input events.ndjson --model model.json --output json");
    assert_eq!(told, succeed(&folder, "model show model.json --output json"));
    assert_eq!(told, succeed(&folder, "model show --input events.ndjson --output json"));
    let told: Value = serde_json::from_str(&told).unwrap();
    let subscribed = &told["populations"][0];
    assert_eq!((&subscribed["population"], &subscribed["learned"]), (&"subscribed".into(), &true.into()), "{told}");
    assert!(subscribed["outcomes"].as_f64().unwrap() >= 300.0, "{told}");
    let weights: Vec<f64> =
        subscribed["weights"].as_array().unwrap().iter().map(|row| row["weight"].as_f64().unwrap().abs()).collect();
    assert!(weights.len() > 5 && weights.is_sorted_by(|a, b| a >= b), "{weights:?}");

    let health = |model: &str| {
        succeed(&folder, &format!("run --input events.ndjson --alerts alerts.ndjson --health health.ndjson {model}"));
        fs::read_to_string(folder.join("health.ndjson")).unwrap()
    };
    let (plain, started) = (health(""), health("--model model.json"));
    assert_eq!(started, health("--model model.json"));
    let first = |health: &str| health.lines().next().map(str::to_owned);
    assert_ne!(first(&plain), first(&started), "the model is in force from the first line on");
}

fn check(folder: &Path, arguments: &str, code: i32, expected: &Expect) {
    let output = churnwatch(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments}");
    expected.assert_eq(String::from_utf8(output.stderr).unwrap().trim_end());
}

#[test]
fn what_teaches_nothing_makes_no_model() {
    let (_held, folder) = company(20);
    check(
        &folder,
        "calibrate --input events.ndjson --model model.json",
        1,
        &expect![
            "churnwatch: events.ndjson teaches nothing: of subscribed accounts 0 outcomes are known (at least 300 are needed), 0 left and 0 stayed (at least 30 of each); of unsubscribed accounts 0 outcomes are known (at least 300 are needed), 0 left and 0 stayed (at least 30 of each); give a longer log, or one in which more is known"
        ],
    );
    assert!(!folder.join("model.json").exists());
    check(
        &folder,
        "calibrate --input events.ndjson --model events.ndjson",
        1,
        &expect!["churnwatch: events.ndjson is named twice; give the input and the model a file of its own"],
    );
    fs::write(folder.join("frozen.toml"), "[rules.risk]\nlearning = \"frozen\"\n").unwrap();
    check(
        &folder,
        "calibrate -c frozen.toml --input events.ndjson --model model.json",
        1,
        &expect![[
            r#"churnwatch: rules.risk.learning is not "on", so nothing is learned from outcomes; set it to "on" to calibrate"#
        ]],
    );
    fs::write(folder.join("empty.ndjson"), "\n").unwrap();
    check(
        &folder,
        "calibrate --input empty.ndjson --model model.json",
        1,
        &expect!["churnwatch: empty.ndjson has 1 lines and no event; --source names the format of other events"],
    );
    check(
        &folder,
        "model show --input empty.ndjson",
        1,
        &expect!["churnwatch: empty.ndjson has 1 lines and no event; --source names the format of other events"],
    );
}

#[test]
fn what_is_no_model_of_this_configuration_is_refused() {
    let (_held, folder) = company(240);
    succeed(&folder, "calibrate --input events.ndjson --model model.json");
    let text = fs::read_to_string(folder.join("model.json")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("newer.json", &text.replacen("\"churnwatch_model\": 1", "\"churnwatch_model\": 2", 1));
    write("torn.json", &text[..text.len() / 2]);
    write("odd.json", &text.replacen("\"scales\": [", "\"scales\": [0,", 1));
    let mut flat: Value = serde_json::from_str(&text).unwrap();
    for cell in flat["learner"]["learned"][0]["precision"].as_array_mut().unwrap() {
        *cell = 0.0.into();
    }
    write("flat.json", &flat.to_string());
    write("else.json", "{\"name\":\"a\"}");
    write("silence.toml", "[rules.risk]\ntarget = \"silence\"\n[rules]\nhorizon_days = 14\n");
    for command in ["run --input events.ndjson --model", "model show"] {
        let run = |name: &str, code, expected: &Expect| check(&folder, &format!("{command} {name}"), code, expected);
        run(
            "newer.json",
            65,
            &expect![
                "churnwatch: newer.json: model file has version 2, this program reads version 1; write it anew with `churnwatch calibrate`"
            ],
        );
        run(
            "else.json",
            65,
            &expect![
                "churnwatch: else.json: not a sound model file: missing field `churnwatch_model` at line 1 column 12; write it anew with `churnwatch calibrate`"
            ],
        );
        run(
            "flat.json",
            65,
            &expect![
                "churnwatch: flat.json: not a sound model file: a model's precision must be positive definite; write it anew with `churnwatch calibrate`"
            ],
        );
        run(
            "none.json",
            1,
            &expect!["churnwatch: cannot read model none.json: No such file or directory (os error 2)"],
        );
        run(
            "model.json -c silence.toml",
            78,
            &expect![
                "churnwatch: model.json: model was learned for target `auto` within 28 days, the configuration says `silence` within 14; set rules.risk.target and rules.horizon_days to those, or write it anew with `churnwatch calibrate`"
            ],
        );
        for damaged in ["torn.json", "odd.json"] {
            let output = churnwatch(&folder, &format!("{command} {damaged}"));
            assert_eq!(output.status.code(), Some(65), "{command} {damaged}");
        }
    }
    // Nothing is sent anywhere before the file is known to be good.
    check(
        &folder,
        "model reset --model newer.json",
        65,
        &expect![
            "churnwatch: newer.json: model file has version 2, this program reads version 1; write it anew with `churnwatch calibrate`"
        ],
    );
}
