//! Reports through the command line: hand-worked tables, three forms of output, and what happens with bad input.

// Helpers of tests may fail as tests do; clippy's own exception covers only the test functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::needless_raw_string_hashes)] // expect-test writes them

#[path = "report/best.rs"]
mod best;

use std::fmt::Write;
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

/// Lines of `DATE ACCOUNT TYPE FIELDS`, as canonical events.
const EVENTS: &str = r#"
2025-11-05 acme subscription.started "subscription":"a","mrr":100000,"plan":"team","term_ends_at":"2026-11-05T00:00:00Z"
2025-11-05 acme account.updated "traits":{"region":"EU","employees":40}
2025-12-10 acme subscription.changed "subscription":"a","mrr":150000
2025-12-20 beta subscription.started "subscription":"b","mrr":200000,"plan":"business","term_ends_at":"2026-02-20T00:00:00Z"
2026-01-07 acme subscription.started "subscription":"a2","mrr":50000,"plan":"addon"
2026-01-15 beta subscription.changed "subscription":"b","mrr":120000
2026-01-20 euro subscription.started "subscription":"x","mrr":100000,"currency":"EUR","plan":"team"
2026-01-31 core subscription.started "subscription":"c","mrr":300000,"plan":"business"
2026-02-03 beta subscription.canceled "subscription":"b"
2026-02-28 acme subscription.canceled "subscription":"a2"
2026-02-10 tria trial.started "card_on_file":true,"ends_at":"2026-02-24T00:00:00Z"
2026-02-20 tria subscription.started "subscription":"t","mrr":10000,"plan":"starter"
2026-02-11 trib trial.started "card_on_file":false,"ends_at":"2026-02-25T00:00:00Z"
2026-03-09 beta subscription.started "subscription":"b3","mrr":80000,"plan":"team"
2026-03-20 core subscription.canceled "subscription":"c"
2026-03-25 core subscription.started "subscription":"c2","mrr":300000,"plan":"business"
2026-04-02 dust subscription.started "subscription":"d","mrr":4000,"plan":"starter"
2026-04-29 dust subscription.canceled "subscription":"d"
2026-04-30 gone subscription.canceled "subscription":"never"
2026-05-02 acme feature.used "feature":"f","user_id":"ann"
"#;

const CONFIG: &str = r#"
[rules.rates]
EUR = [{ from = "2025-01-01", rate = 1.10 }, { from = "2026-03-01", rate = 1.20 }]

[kpis]
focus = ["nrr"]
margin = 0.75

[kpis.targets]
nrr = [{ from = "2026-01-01", value = 1.0 }, { from = "2026-04-01", value = 1.05 }, { from = "2027-01-01", value = 1.1 }]
customer_churn_rate = 0.02
trial_conversion = 0.4

[kpis.owners]
nrr = "kim"

[kpis.sources]
nrr = "the billing system"

[[kpis.benchmarks]]
kpi = "nrr"
name = "peer_median"
value = 1.01
source = "a survey of peers"
"#;

/// A folder with `events.ndjson` and `churnwatch.toml`.
fn company() -> (TempDir, PathBuf) {
    let folder = TempDir::with_prefix("churnwatch-report-").unwrap();
    let path = folder.path().to_owned();
    let mut events = String::new();
    for (index, line) in EVENTS.lines().filter(|line| !line.is_empty()).enumerate() {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap();
        let (day, account, kind, fields) = (word(), word(), word(), word());
        writeln!(
            events,
            r#"{{"id":"e{index}","time":"{day}T12:00:00Z","account_id":"{account}","type":"{kind}",{fields}}}"#
        )
        .unwrap();
    }
    fs::write(path.join("events.ndjson"), events).unwrap();
    fs::write(path.join("churnwatch.toml"), CONFIG).unwrap();
    (folder, path)
}

fn check(arguments: &str, expected: &Expect) {
    let (_held, folder) = company();
    expected
        .assert_eq(&succeed(&folder, &format!("report {arguments} --input events.ndjson --config churnwatch.toml")));
}

#[test]
fn kpis_are_told_against_their_targets_and_the_ledger_by_month() {
    check(
        "kpis --as-of 2026-05-01",
        &expect![[r#"
            kpis of events.ndjson as of the end of 2026-05-01 (UTC), amounts in USD, 8 accounts

            KPIs
                 KPI                                               2026-05 so far  2026-04  2026-Q1    2025   target  progress  owner             data
              *  nrr                  Net revenue retention               100.0 %  100.0 %   65.7 %       -  105.0 %     0.0 %  kim               the billing system
                 crr                  Customer retention rate             100.0 %  100.0 %  100.0 %       -                     customer success  subscription events
                 customer_churn_rate  Customer churn rate                   0.0 %    0.0 %    0.0 %       -    2.0 %   100.0 %  customer success  subscription events
                 mrr                  Monthly recurring revenue             6,600    6,600    6,600   3,500                     finance           subscription events
                 arr                  Annual recurring revenue             79,200   79,200   79,200  42,000                     finance           subscription events
                 grr                  Gross revenue retention             100.0 %  100.0 %   65.7 %       -                     customer success  subscription events
                 revenue_churn        Revenue churn                         0.0 %    0.6 %  157.1 %       -                     customer success  subscription events
                 net_revenue_churn    Net revenue churn                     0.0 %    0.6 %   34.3 %       -                     customer success  subscription events
                 arpa                 Average revenue per account           1,320    1,320    1,320   1,750                     finance           subscription events
                 ltv                  Customer lifetime value                   -        -        -       -                     finance           subscription events
                 lifetime             Average customer lifetime                 -        -        -       -                     customer success  subscription events
                 quick_ratio          Quick ratio                               -     1.00     1.55       -                     finance           subscription events
                 dau                  Daily active users                        0                                               product           usage events
                 wau                  Weekly active users                       0                                               product           usage events
                 mau                  Monthly active users                      0                                               product           usage events
                 stickiness           Stickiness                                -                                               product           usage events
                 onboarding_rate      Onboarding rate                       0.0 %                                               product           onboarding steps, usage, trials and subscriptions
                 seven_day_dropoff    Seven-day drop-off                  100.0 %                                               product           usage events
                 renewal_rate         Renewal rate                              -        -    0.0 %       -                     customer success  subscription events with term_ends_at
                 renewal_rate_value   Renewal rate by value                     -        -    0.0 %       -                     customer success  subscription events with term_ends_at
                 trial_conversion     Trial conversion                     50.0 %                             40.0 %   100.0 %  marketing         trial and subscription events
                 nps                  Net promoter score                        -                                               customer success  nps.responded
                 csat                 Customer satisfaction                     -                                               customer success  csat.responded
                 nps_response_rate    NPS response rate                         -                                               customer success  survey.sent, nps.responded
                 csat_response_rate   CSAT response rate                        -                                               customer success  survey.sent with survey csat, csat.responded
              * in focus. - undefined: see docs/kpis.md. Targets are measured by the last complete month, or by the present.
              ltv and lifetime are told of complete periods only: the churn of a running one is not over.
              Progress goes from where the KPI stood when the target was set; where that is not known, it tells how near it is.

            MRR and customers by month
              month    MRR at start    new  expansion  contraction  churned  reactivation   fx  MRR at end  customers  acquired  returned  lost  at end
              2025-11             0  1,000          0            0        0             0    0       1,000          0         1         0     0       1
              2025-12         1,000  2,000        500            0        0             0    0       3,500          1         1         0     0       2
              2026-01         3,500  4,100        500          800        0             0    0       7,300          2         2         0     0       4
              2026-02         7,300    100          0          500    1,200             0    0       5,700          4         1         0     1       4
              2026-03         5,700      0          0            0    3,000         3,800  100       6,600          4         0         1     0       5
              2026-04         6,600     40          0            0       40             0    0       6,600          5         0         0     0       5
              2026-05         6,600      0          0            0        0             0    0       6,600          5         0         0     0       5
              end = start + new + expansion + reactivation - contraction - churned + fx; the last month is still running.

            Trials by whether a card was given
              card     started  ended  converted  conversion  left since  of the converted
              with           1      1          1     100.0 %           0             0.0 %
              without        1      1          0       0.0 %           0                 -
              unknown        0      0          0           -           0                 -

            Targets and their revisions
              KPI                  from         target
              customer_churn_rate                2.0 %  in force
              nrr                  2026-01-01  100.0 %  was
              nrr                  2026-04-01  105.0 %  in force
              nrr                  2027-01-01  110.0 %  to come
              trial_conversion                  40.0 %  in force

            What others reach: for comparison, never a threshold
              KPI  of whom       theirs     ours  in       said by
              nrr  peer_median  101.0 %  100.0 %  2026-04  a survey of peers

            What was left out or contradicted itself
              what                  count  result
              unknown_subscription      1  changes of a subscription that never started; one with an MRR starts it, an end leaves nothing
        "#]],
    );
}

#[test]
fn cohorts_show_customers_and_revenue_side_by_side() {
    check(
        "cohorts --as-of 2026-05-01",
        &expect![[r#"
            cohorts of events.ndjson as of the end of 2026-05-01 (UTC), amounts in USD, 8 accounts

            Customers/revenue by the month of the first payment
              cohort   joined  k0    MRR       k1       k2       k3       k4       k5  k6  k7  k8  k9  k10  k11  k12
              2025-11       1   1  1,000  100/150  100/200  100/150  100/150  100/150
              2025-12       1   1  2,000   100/60      0/0   100/40   100/40
              2026-01       2   2  4,100  100/100  100/100  100/100
              2026-02       1   1    100  100/100  100/100
              2026-04       1   0      0
              k1/... customers/revenue in percent of k0, at the end of the k-th month after the one in which they first paid: k1 is the second month, k11 the twelfth.
              k0 counts those who still pay at the end of that month; `joined` all who first paid in it. Revenue is at the rates of k0.

            Churn and retention by month of life, over all cohorts old enough
              k   month  cohorts  paying before  lost   churn  MRR gone  customers of k0  revenue of k0
              k0  1st          5              6     1  16.7 %        40          100.0 %        100.0 %
              k1  2nd          4              5     0   0.0 %       800          100.0 %         95.8 %
              k2  3rd          4              5     1  20.0 %     1,200           80.0 %         86.1 %
              k3  4th          3              3     0   0.0 %       500          100.0 %         90.1 %
              k4  5th          2              2     0   0.0 %         0          100.0 %         76.7 %
              k5  6th          1              1     0   0.0 %         0          100.0 %        150.0 %
              month-2 retention (k1): 100.0 % of customers, 95.8 % of revenue
              month-12 retention (k11): no cohort is old enough
              months with the worst churn, of 5 customers or more: k2 (3rd month) 20.0 %, k0 (1st month) 16.7 %

            Today's revenue by the month of the first payment, and that of 2025-05
              cohort                                     MRR    share  a year ago  share
              before 2025-05                               0    0.0 %           0      -
              2025-05                                      0    0.0 %           0      -
              2025-06                                      0    0.0 %
              2025-07                                      0    0.0 %
              2025-08                                      0    0.0 %
              2025-09                                      0    0.0 %
              2025-10                                      0    0.0 %
              2025-11                                  1,500   22.7 %
              2025-12                                    800   12.1 %
              2026-01                                  4,200   63.6 %
              2026-02                                    100    1.5 %
              2026-03                                      0    0.0 %
              2026-04                                      0    0.0 %
              2026-05                                      0    0.0 %
              new: first paid in the latest 12 months  6,600  100.0 %           0      -
              old: first paid before                       0    0.0 %           0      -
              a year ago there was no MRR

            What was left out or contradicted itself
              what           count  result
              small_cohorts      4  cohorts of fewer than 5 customers in k0; shown, and too small to be marked
              empty_cohorts      1  cohorts of which nobody paid at the end of the first month; there is no share of them
              never_paid         2  accounts that have never paid; customers are those that have
        "#]],
    );
}

#[test]
fn a_cohort_whose_customers_leave_while_its_revenue_holds_is_marked() {
    let (_held, folder) = company();
    let mut events = String::new();
    let mut tell = |day: &str, account: &str, kind: &str, mrr: u32| {
        let index = events.len();
        writeln!(
            events,
            r#"{{"id":"e{index}","time":"{day}T12:00:00Z","account_id":"{account}","type":"subscription.{kind}","subscription":"s","mrr":{mrr}}}"#
        )
        .unwrap();
    };
    // In January two of six leave and one grows; in February two of six leave.
    for (month, cohort) in [("2026-01", "jan"), ("2026-02", "feb")] {
        (0..6).for_each(|number| tell(&format!("{month}-10"), &format!("{cohort}-{number}"), "started", 1_000));
    }
    for cohort in ["jan", "feb"] {
        (0..2).for_each(|number| tell("2026-03-10", &format!("{cohort}-{number}"), "canceled", 0));
    }
    tell("2026-03-11", "jan-5", "changed", 3_000);
    fs::write(folder.join("events.ndjson"), events).unwrap();
    let report = succeed(&folder, "report cohorts --input events.ndjson --as-of 2026-04-01 --output json");
    let report: Value = serde_json::from_str(&report).unwrap();
    let marks: Vec<_> = report["cohorts"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["cohort"].as_str().unwrap().to_owned(), row["mark"].as_str().unwrap().to_owned()))
        .collect();
    let marked = |cohort: &str, mark: &str| (cohort.to_owned(), mark.to_owned());
    assert_eq!(marks, [marked("2026-01", "customers leave, revenue holds"), marked("2026-02", "")]);
}

/// Customers of 10.00 EUR each, and the report of what is said of them; EUR goes from one rate to another with `changes`.
fn euros(what: &str, changes: &str, rates: [f64; 2], started: &str, count: usize, canceled: &[&str]) -> Value {
    let (_held, folder) = company();
    let [before, after] = rates;
    let from = |month: &str, rate: f64| format!("{{ from = \"{month}-01\", rate = {rate:?} }}");
    let config = format!("[rules.rates]\nEUR = [{}, {}]\n", from("2025-01", before), from(changes, after));
    fs::write(folder.join("churnwatch.toml"), config).unwrap();
    let mut events = String::new();
    let ends = canceled.iter().enumerate().map(|(number, day)| (number, *day, "canceled"));
    for (number, day, kind) in (0..count).map(|number| (number, started, "started")).chain(ends) {
        writeln!(
            events,
            r#"{{"id":"{kind}-{number}","time":"{day}T12:00:00Z","account_id":"a{number}","type":"subscription.{kind}","subscription":"s","mrr":1000,"currency":"EUR"}}"#
        )
        .unwrap();
    }
    fs::write(folder.join("events.ndjson"), events).unwrap();
    let arguments = "--input events.ndjson --config churnwatch.toml --as-of 2026-05-01 --output json";
    serde_json::from_str(&succeed(&folder, &format!("report {what} {arguments}"))).unwrap()
}

#[test]
fn rates_mark_no_cohort_shrink_nobody_and_make_nobody_grow() {
    // Three of ten leave before the rate changes, a fourth after.
    let left = ["2026-02-10", "2026-02-11", "2026-02-12", "2026-04-10"];
    let report = euros("cohorts", "2026-03", [1.0, 1.5], "2026-01-10", 10, &left);
    let row = &report["cohorts"]["rows"][0];
    assert_eq!(row["mark"], "");
    for (month, share) in [("k1", 0.7), ("k2", 0.7), ("k3", 0.6)] {
        assert_eq!(row[month], serde_json::json!({ "customers": share, "revenue": share }), "{month}");
    }
    assert_eq!(report["life"]["rows"][3]["revenue"], 0.6);

    let report = euros("segments", "2026-02", [1.2, 0.9], "2025-12-10", 6, &["2026-03-10"]);
    let told = |fate: usize| {
        let row = &report["leavers"]["rows"][fate];
        format!("{} {} {}", row["fate"], row["accounts"], row["gone"])
    };
    assert_eq!([0, 1, 2].map(told), [r#""stayed" 5.0 0.0"#, r#""shrank" 0.0 0.0"#, r#""left" 1.0 12.0"#]);

    let report = euros("accounts", "2026-02", [1.2, 0.9], "2025-12-10", 1, &[]);
    let row = &report["accounts"]["rows"][0];
    assert_eq!((&row["mrr"], &row["growth"]), (&serde_json::json!(9.0), &serde_json::json!(0.0)));
}

/// One who leaves of four makes no worst month.
#[test]
fn a_month_of_life_of_few_customers_is_not_named_among_the_worst() {
    let is_named = |count| {
        let report = euros("cohorts", "2026-03", [1.0, 1.5], "2026-01-10", count, &["2026-02-10"]);
        report["life"]["notes"].to_string().contains("worst churn")
    };
    assert_eq!([4, 5].map(is_named), [false, true]);
}

#[test]
fn segments_are_told_side_by_side_and_who_leaves() {
    check(
        "segments --as-of 2026-05-01",
        &expect![[r#"
            segments of events.ndjson as of the end of 2026-05-01 (UTC), amounts in USD, 8 accounts

            Segments in 2026-Q1
              trait      segment   customers    MRR   of MRR      ARPA  churn      CRR      GRR      NRR  revenue churn  lifetime  LTV
                         all               5  6,600  100.0 %     1,320  0.0 %  100.0 %   65.7 %   65.7 %        157.1 %         -    -
              channel    unknown           5  6,600  100.0 %     1,320  0.0 %  100.0 %   65.7 %   65.7 %        157.1 %         -    -
              employees  unknown           4  5,100   77.3 %     1,275  0.0 %  100.0 %   40.0 %   40.0 %        250.0 %         -    -
              employees  10-49             1  1,500   22.7 %     1,500  0.0 %  100.0 %  100.0 %  100.0 %         33.3 %         -    -
              industry   unknown           5  6,600  100.0 %     1,320  0.0 %  100.0 %   65.7 %   65.7 %        157.1 %         -    -
              plan       team              3  3,500   53.0 %  1,166.67  0.0 %  100.0 %   65.7 %   65.7 %         71.4 %         -    -
              plan       business          1  3,000   45.5 %     3,000      -        -        -        -              -         -    -
              plan       starter           1    100    1.5 %       100      -        -        -        -              -         -    -
              region     unknown           4  5,100   77.3 %     1,275  0.0 %  100.0 %   40.0 %   40.0 %        250.0 %         -    -
              region     EU                1  1,500   22.7 %     1,500  0.0 %  100.0 %  100.0 %  100.0 %         33.3 %         -    -
              The whole history of an account belongs to its present value. `other` holds values beyond rules.segments_max.

            Who left or pays less in 2026-Q1, of those who paid at its start
                      accounts  of MRR  MRR each before  MRR gone  customers for  had expanded  users each  active days each  NPS
              stayed         1  42.9 %            1,500         0     2.0 months       100.0 %        0.00              0.00    -
              shrank         1  57.1 %            2,000     1,200     1.0 months         0.0 %        0.00              0.00    -
              left           0   0.0 %                -         0              -             -           -                 -    -
              Users, active days and NPS are as of the report.

            What was left out or contradicted itself
              what        count  result
              never_paid      2  accounts that have never paid; customers are those that have
        "#]],
    );
}

#[test]
fn a_report_as_of_a_time_sees_nothing_later() {
    let (_held, folder) = company();
    let report = |name: &str| {
        succeed(
            &folder,
            &format!("report kpis --input {name} --config churnwatch.toml --as-of 2026-03-01 --output csv"),
        )
    };
    let whole = report("events.ndjson");
    let text = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let is_earlier =
        |line: &&str| line[..40].contains("2025-") || line.contains("2026-01-") || line.contains("2026-02-");
    let earlier: String = text.split_inclusive('\n').filter(is_earlier).collect();
    fs::write(folder.join("earlier.ndjson"), earlier).unwrap();
    assert_eq!(whole, report("earlier.ndjson"));
}

#[test]
fn a_date_is_told_as_of_its_end_in_the_configured_time_zone() {
    let (_held, folder) = company();
    let start = |account: &str, time: &str| {
        let line = serde_json::json!({
            "id": account, "time": time, "account_id": account, "type": "subscription.started", "subscription": "s", "mrr": 100,
        });
        format!("{line}\n")
    };
    let events = start("evening", "2026-03-31T21:59:59.999Z") + &start("midnight", "2026-03-31T22:00:00Z");
    fs::write(folder.join("night.ndjson"), events).unwrap();
    let mut shown = String::new();
    for (zone, as_of) in [
        ("UTC", "2026-03-31"),
        ("Europe/Berlin", "2026-03-31"),
        ("Europe/Berlin", "2026-04-01"),
        ("Europe/Berlin", "2026-03-31T22:00:00Z"),
    ] {
        fs::write(folder.join("zone.toml"), format!("[kpis]\ntime_zone = \"{zone}\"\n")).unwrap();
        let report = format!("report kpis --input night.ndjson --config zone.toml --as-of {as_of}");
        let report = succeed(&folder, &report);
        let mut lines = report.lines();
        writeln!(shown, "{as_of}: {}", lines.next().unwrap()).unwrap();
        // The periods that are told: what ends with the date is complete.
        let titles = lines.find(|line| line.contains("2026-Q1")).unwrap();
        writeln!(shown, "{}", titles.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap();
    }
    expect![[r#"
        2026-03-31: kpis of night.ndjson as of the end of 2026-03-31 (UTC), amounts in USD, 2 accounts
        KPI 2026-03 to its end 2026-03 2026-Q1 2025 target progress owner data
        2026-03-31: kpis of night.ndjson as of the end of 2026-03-31 (Europe/Berlin), amounts in USD, 1 accounts
        KPI 2026-03 to its end 2026-03 2026-Q1 2025 target progress owner data
        2026-04-01: kpis of night.ndjson as of the end of 2026-04-01 (Europe/Berlin), amounts in USD, 2 accounts
        KPI 2026-04 so far 2026-03 2026-Q1 2025 target progress owner data
        2026-03-31T22:00:00Z: kpis of night.ndjson as of the end of 2026-03-31 (Europe/Berlin), amounts in USD, 1 accounts
        KPI 2026-03 to its end 2026-03 2026-Q1 2025 target progress owner data
    "#]]
    .assert_eq(&shown);
}

/// The last day of a month is of that month: its rates hold, and a year ago is a year before it.
#[test]
fn the_end_of_a_month_is_told_as_of_that_month() {
    let (_held, folder) = company();
    let report = |what: &str, as_of: &str| -> Value {
        let arguments = "--input events.ndjson --config churnwatch.toml --output json";
        serde_json::from_str(&succeed(&folder, &format!("report {what} {arguments} --as-of {as_of}"))).unwrap()
    };
    for as_of in ["2026-02-28", "2026-03-01T00:00:00Z"] {
        // EUR goes from 1.10 to 1.20 with March.
        let accounts = report("accounts", as_of);
        let rows = accounts["accounts"]["rows"].as_array().unwrap();
        let euro = rows.iter().find(|row| row["account"] == "euro").unwrap();
        assert_eq!((&euro["cohort"], &euro["mrr"]), (&"2026-01".into(), &1_100.0.into()), "{as_of}");
        assert!(rows.iter().any(|row| row["cohort"] == "2026-02"), "{as_of}: a month that is over is complete");
        let kpis = report("kpis", as_of);
        let last = kpis["ledger"]["rows"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["month"], &last["mrr_end"]), (&"2026-02".into(), &5_700.0.into()), "{as_of}");
        let nrr = kpis["kpis"]["rows"].as_array().unwrap().iter().find(|row| row["kpi"] == "nrr").unwrap();
        assert_eq!(nrr["now"], nrr["month"], "{as_of}");
        let cohorts = report("cohorts", as_of);
        let title = cohorts["vintages"]["title"].as_str().unwrap();
        assert!(title.ends_with("that of 2025-02"), "{title}");
    }
}

/// Nothing more comes that a clock would have to wait for: every report counts the last event, and is as of it.
#[test]
fn a_report_is_as_of_the_last_event() {
    let (_held, folder) = company();
    let start = |index: u8, time: &str, account: &str, mrr: i64| {
        let (id, kind) = (format!("e{index}"), "subscription.started");
        let line = serde_json::json!({
            "id": id, "time": time, "account_id": account, "type": kind, "subscription": "s", "mrr": mrr, "currency": "EUR",
        });
        format!("{line}\n")
    };
    let events = start(0, "2026-02-05T12:00:00Z", "a", 10_000) + &start(1, "2026-03-01T00:05:00Z", "b", 5_000);
    fs::write(folder.join("start.ndjson"), events).unwrap();
    for what in ["kpis", "cohorts", "segments", "profile", "features", "accounts"] {
        let shown = succeed(&folder, &format!("report {what} --input start.ndjson --config churnwatch.toml"));
        assert!(shown.contains("as of 2026-03-01 (UTC)") && !shown.contains("incomplete"), "{shown}");
        let unpriced = succeed(&folder, &format!("report {what} --input start.ndjson"));
        let head = unpriced.lines().next().unwrap();
        assert!(
            head.ends_with("; MRR is incomplete: 2 subscription events have no rate or are not believed"),
            "{head}"
        );
    }
    let kpis = succeed(&folder, "report kpis --input start.ndjson --config churnwatch.toml --output json");
    let kpis: Value = serde_json::from_str(&kpis).unwrap();
    let rows = kpis["ledger"]["rows"].as_array().unwrap();
    let [.., february, march] = rows.as_slice() else { panic!("{kpis}") };
    assert_eq!((&february["month"], &february["mrr_end"]), (&"2026-02".into(), &110.0.into()));
    assert_eq!(
        (&march["month"], &march["mrr_end"], &march["customers_end"]),
        (&"2026-03".into(), &180.0.into(), &2.0.into())
    );
}

/// What is told of a day after the end of the log says that nothing is known of it.
#[test]
fn a_report_as_of_a_day_after_the_log_says_where_that_ends() {
    let (_held, folder) = company();
    let head = |as_of: &str| {
        let arguments = "report kpis --input events.ndjson --config churnwatch.toml --as-of";
        succeed(&folder, &format!("{arguments} {as_of}")).lines().next().unwrap().to_owned()
    };
    assert_eq!(
        head("2026-06-30"),
        "kpis of events.ndjson as of the end of 2026-06-30 (UTC), amounts in USD, 8 accounts; the log ends on 2026-05-02, what \
         came later is not known and taken for nothing"
    );
    assert!(head("2026-05-02").ends_with("8 accounts"));
}

/// Columns of programs do not hang on what the log holds, and they name the periods they tell of.
#[test]
fn programs_can_rely_on_columns_and_periods() {
    let (_held, folder) = company();
    let mut shown = String::new();
    for what in ["kpis", "cohorts", "segments"] {
        let arguments = "--input events.ndjson --config churnwatch.toml --as-of 2026-05-01 --output csv";
        let csv = succeed(&folder, &format!("report {what} {arguments}"));
        for block in csv.split("\n\n").take(3) {
            writeln!(shown, "{}", block.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
        }
    }
    expect![[r#"
        table,as_of,time_zone,currency,now_is,month_is,quarter_is,year_is,focus,kpi,title,now,month,quarter,year,target,progress,owner,source
        kpis,2026-05-01T23:59:59.999Z,UTC,USD,2026-05,2026-04,2026-Q1,2025,*,nrr,Net revenue retention,1,1,0.6571428571428571,,1.05,0,kim,the billing system
        table,as_of,time_zone,currency,month,mrr_start,new,expansion,contraction,churned,reactivation,fx,mrr_end,customers_start,acquired,returned,lost,customers_end
        ledger,2026-05-01T23:59:59.999Z,UTC,USD,2025-11,0,1000,0,0,0,0,0,1000,0,1,0,0,1
        table,as_of,time_zone,currency,card,started,ended,converted,conversion,churned,churned_share
        trials,2026-05-01T23:59:59.999Z,UTC,USD,with,1,1,1,1,0,0
        table,as_of,time_zone,currency,cohort,joined,customers_0,mrr_0,k1_customers,k1_revenue,k2_customers,k2_revenue,k3_customers,k3_revenue,k4_customers,k4_revenue,k5_customers,k5_revenue,k6_customers,k6_revenue,k7_customers,k7_revenue,k8_customers,k8_revenue,k9_customers,k9_revenue,k10_customers,k10_revenue,k11_customers,k11_revenue,k12_customers,k12_revenue,mark
        cohorts,2026-05-01T23:59:59.999Z,UTC,USD,2025-11,1,1,1000,1,1.5,1,2,1,1.5,1,1.5,1,1.5,,,,,,,,,,,,,,,
        table,as_of,time_zone,currency,k,month,cohorts,at_risk,lost,churn,gone,customers,revenue
        life,2026-05-01T23:59:59.999Z,UTC,USD,k0,1st,5,6,1,0.16666666666666666,40,1,1
        table,as_of,time_zone,currency,month,year_ago,cohort,mrr,share,mrr_year_ago,share_year_ago
        vintages,2026-05-01T23:59:59.999Z,UTC,USD,2026-05,2025-05,before 2025-05,0,0,0,
        table,as_of,time_zone,currency,period,trait,segment,customers,mrr,share,arpa,customer_churn_rate,crr,grr,nrr,revenue_churn,lifetime,ltv
        segments,2026-05-01T23:59:59.999Z,UTC,USD,2026-Q1,,all,5,6600,1,1320,0,1,0.6571428571428571,0.6571428571428571,1.5714285714285714,,
        table,as_of,time_zone,currency,period,fate,accounts,share,arpa,gone,tenure,expanded,users,active_days,nps
        leavers,2026-05-01T23:59:59.999Z,UTC,USD,2026-Q1,stayed,1,0.42857142857142855,1500,0,2,1,0,0,
        table,as_of,time_zone,currency,what,count,result
        left_out,2026-05-01T23:59:59.999Z,UTC,USD,never_paid,2,accounts that have never paid; customers are those that have
    "#]].assert_eq(&shown);
}

/// Every report that is made of events tells which of them it could not use.
#[test]
fn every_report_tells_what_was_left_out() {
    let (_held, folder) = company();
    let mut events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let twice = events.lines().next_back().unwrap().to_owned();
    events += "no event\n";
    events += &(twice + "\n");
    events += r#"{"id":"bot","time":"2026-05-02T13:00:00Z","account_id":"acme","type":"feature.used","feature":"f","user_id":"bot"}"#;
    events.push('\n');
    events += r#"{"id":"odd","time":"2026-05-02T13:00:00Z","account_id":"acme","type":"weather.changed"}"#;
    fs::write(folder.join("events.ndjson"), events + "\n").unwrap();
    fs::write(folder.join("churnwatch.toml"), "[rules]\nexcluded_users = [\"bot\"]\n").unwrap();
    for what in ["kpis", "cohorts", "segments", "profile", "features", "accounts"] {
        let output =
            churnwatch(&folder, &format!("report {what} --input events.ndjson --config churnwatch.toml --output json"));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let rows = report["left_out"]["rows"].as_array().unwrap();
        for left_out in ["rejected", "unknown_type", "duplicates", "excluded"] {
            let row = rows.iter().find(|row| row["what"] == left_out).unwrap_or_else(|| panic!("{what}: {rows:?}"));
            assert_eq!(row["count"], 1.0, "{what} {left_out}");
        }
    }
}

#[test]
fn programs_get_the_same_numbers_in_json_and_csv() {
    let (_held, folder) = company();
    let json =
        succeed(&folder, "report kpis --input events.ndjson --config churnwatch.toml --output json --as-of 2026-05-01");
    let json: Value = serde_json::from_str(&json).unwrap();
    let rows = json["kpis"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    assert_eq!((&rows[0]["kpi"], &rows[0]["focus"], &rows[0]["owner"]), (&"nrr".into(), &"*".into(), &"kim".into()));
    let output = churnwatch(
        &folder,
        "report kpis --input events.ndjson --config churnwatch.toml --output csv --as-of 2026-05-01",
    );
    let told = String::from_utf8(output.stderr).unwrap();
    for told_apart in
        ["kpis of events.ndjson as of the end of 2026-05-01 (UTC)", "\nkpis: KPIs\n", "\nleft_out: What was left out"]
    {
        assert!(told.contains(told_apart), "{told}");
    }
    let csv = String::from_utf8(output.stdout).unwrap();
    assert!(csv.contains("\nleft_out,2026-05-01T23:59:59.999Z,UTC,USD,unknown_subscription,1,"), "{csv}");
    let first_block = csv.split("\n\n").next().unwrap();
    let mut reader = csv::Reader::from_reader(first_block.as_bytes());
    let head = reader.headers().unwrap().clone();
    let same = ["table", "as_of", "time_zone", "currency", "now_is", "month_is", "quarter_is", "year_is"];
    assert_eq!(head.iter().take(8).collect::<Vec<_>>(), same);
    let periods =
        serde_json::json!({ "now_is": "2026-05", "month_is": "2026-04", "quarter_is": "2026-Q1", "year_is": "2025" });
    assert_eq!((&json["kpis"]["periods"], &json["log_ends"]), (&periods, &"2026-05-02T12:00:00.000Z".into()));
    for (record, row) in reader.records().zip(rows) {
        let record = record.unwrap();
        for (name, value) in head.iter().zip(record.iter()).skip(8) {
            let same = match &row[name] {
                Value::Null => value.is_empty(),
                Value::Number(number) => {
                    let (csv, json) = (value.parse::<f64>().unwrap(), number.as_f64().unwrap());
                    (csv - json).abs() <= f64::EPSILON * json.abs()
                }
                other => other == value,
            };
            assert!(same, "{name} of {}: {value} and {}", row["kpi"], row[name]);
        }
    }
}

#[test]
fn what_cannot_be_reported_is_said() {
    let (_held, folder) = company();
    let said = |arguments: &str| {
        let output = churnwatch(&folder, arguments);
        format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
    };
    fs::write(folder.join("empty.ndjson"), "").unwrap();
    fs::write(folder.join("bad.toml"), "[kpis]\ntime_zone = \"Mars\"\nfocus = [\"nrr\", \"grr\", \"mrr\"]\n[kpis.targets]\nnnr = 1\nnrr = [{ from = \"2026-13-01\", value = 1 }]\n[kpis.owners]\nmrr = 7\n[[kpis.benchmarks]]\nkpi = \"nrr\"\nvalue = \"high\"\n[rules.rates]\nEUR = [{ rate = 1.1 }]\n").unwrap();
    let mut shown = String::new();
    for arguments in [
        "report kpis",
        "report kpis --input events.ndjson --service http://127.0.0.1:9464",
        "report kpis --service http://127.0.0.1:9464 --as-of 2026-03-01",
        "report kpis --service https://me:secret@example.org",
        "report kpis --service http://127.0.0.1:9464 --token-file empty.ndjson",
        "report kpis --input -",
        "report kpis --input missing.ndjson",
        "report kpis --input empty.ndjson",
        "report kpis --input events.ndjson --top 5",
        "report cohorts --input events.ndjson --cohort 2026-01",
        "report accounts --input events.ndjson --period month",
        "report kpis --input events.ndjson --as-of yesterday",
        "report kpis --input events.ndjson --as-of 1980-01-01",
        "report kpis --input events.ndjson --config bad.toml",
    ] {
        writeln!(shown, "{arguments}\n{}", said(arguments).trim_end()).unwrap();
    }
    expect![[r#"
        report kpis
        Some(2) error: the following required arguments were not provided:
          <--input <FILE>|--service <URL>>

        Usage: churnwatch report <--input <FILE>|--service <URL>> <WHAT>

        For more information, try '--help'.
        report kpis --input events.ndjson --service http://127.0.0.1:9464
        Some(2) error: the argument '--input <FILE>' cannot be used with '--service <URL>'

        Usage: churnwatch report <--input <FILE>|--service <URL>> <WHAT>

        For more information, try '--help'.
        report kpis --service http://127.0.0.1:9464 --as-of 2026-03-01
        Some(1) churnwatch: a service knows the present only: leave out --as-of, or dump the canonical log (`churnwatch topics dump churnwatch.events.v1`) and give the file as --input
        report kpis --service https://me:secret@example.org
        Some(1) churnwatch: "example.org" is no address such as http://127.0.0.1:9464: plain http, a host and no path
        report kpis --service http://127.0.0.1:9464 --token-file empty.ndjson
        Some(1) churnwatch: empty.ndjson holds no token: one line of visible characters
        report kpis --input -
        Some(1) churnwatch: the input may be read twice: give --input a file instead of standard input or a pipe
        report kpis --input missing.ndjson
        Some(1) churnwatch: cannot open input missing.ndjson: No such file or directory (os error 2); check the path and its permissions
        report kpis --input empty.ndjson
        Some(1) churnwatch: empty.ndjson has 0 lines and no event; --source names the format of other events
        report kpis --input events.ndjson --top 5
        Some(2) error: --top says nothing of `report kpis`: leave it out; it is for `report accounts` and `report features`
        report cohorts --input events.ndjson --cohort 2026-01
        Some(2) error: --cohort says nothing of `report cohorts`: leave it out; it is for `report accounts`
        report accounts --input events.ndjson --period month
        Some(2) error: --period says nothing of `report accounts`: leave it out; it is for `report segments`
        report kpis --input events.ndjson --as-of yesterday
        Some(2) error: invalid value 'yesterday' for '--as-of <TIME>': is no time such as 2026-03-01T00:00:00Z or 2026-03-01 between 1990-01-01 and 2100-01-01

        For more information, try '--help'.
        report kpis --input events.ndjson --as-of 1980-01-01
        Some(2) error: invalid value '1980-01-01' for '--as-of <TIME>': is no time such as 2026-03-01T00:00:00Z or 2026-03-01 between 1990-01-01 and 2100-01-01

        For more information, try '--help'.
        report kpis --input events.ndjson --config bad.toml
        Some(78) bad.toml:2: `kpis.time_zone`: found "Mars", allowed: the name of a time zone, such as "UTC" or "Europe/Berlin"
        bad.toml:3: `kpis.focus`: found a list, allowed: a list of at most 2, each the id of a KPI, such as "nrr"
        bad.toml:5: `kpis.targets.nnr` is no KPI; did you mean `nrr`?
        bad.toml:6: `kpis.targets.nrr`: found a table, allowed: a number, or a list of such as { from = "2026-01-01", value = 0.95 }
        bad.toml:8: `kpis.owners.mrr`: found 7, allowed: 1 to 200 bytes of text in quotes, on one line
        bad.toml:9: `kpis.benchmarks.name`: found nothing, allowed: 1 to 40 lower-case letters, digits and `_`
        bad.toml:9: `kpis.benchmarks.value`: found "high", allowed: a number
        bad.toml:9: `kpis.benchmarks.source`: found nothing, allowed: 1 to 200 bytes of text: where the value is said
        bad.toml:13: a rate of `rules.rates.EUR`: found no `from`, allowed: from = "YYYY-MM-DD"
        9 problems in the configuration
    "#]].assert_eq(&shown);
}
