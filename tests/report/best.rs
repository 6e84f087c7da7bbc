//! Who the best customers are: their traits, the features in use, the strongest accounts of a cohort.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use expect_test::{Expect, expect};
use serde_json::Value;
use tempfile::TempDir;

use super::{churnwatch, succeed};

/// A log that is written event by event.
#[derive(Default)]
struct Story {
    events: String,
    told: usize,
}

impl Story {
    /// Adds an event at noon of `day`; `fields` are the others, as JSON members.
    fn tell(&mut self, day: &str, account: &str, kind: &str, fields: &str) {
        let id = self.told;
        self.told += 1;
        let comma = if fields.is_empty() { "" } else { "," };
        writeln!(
            self.events,
            r#"{{"id":"e{id}","time":"{day}T12:00:00Z","account_id":"{account}","type":"{kind}"{comma}{fields}}}"#
        )
        .unwrap();
    }

    /// Uses `feature` on the 1st, 8th, 15th and 22nd of the months of 2026 from `first` to `last`.
    fn uses(&mut self, account: &str, feature: &str, first: u32, last: u32) {
        for month in first..=last {
            for day in [1, 8, 15, 22] {
                let fields = format!(r#""feature":"{feature}","user_id":"u-{account}""#);
                self.tell(&format!("2026-{month:02}-{day:02}"), account, "feature.used", &fields);
            }
        }
    }

    fn starts(&mut self, day: &str, account: &str, mrr: u32) {
        let fields = format!(r#""subscription":"s-{account}","mrr":{mrr},"plan":"plan {mrr}""#);
        self.tell(day, account, "subscription.started", &fields);
    }

    fn cancels(&mut self, day: &str, account: &str) {
        self.tell(day, account, "subscription.canceled", &format!(r#""subscription":"s-{account}""#));
    }

    fn traits(&mut self, account: &str, traits: &str) {
        self.tell("2026-01-02", account, "account.updated", &format!(r#""traits":{{{traits}}}"#));
    }

    /// As a file in a folder of its own.
    fn written(self) -> (TempDir, PathBuf) {
        let folder = TempDir::with_prefix("churnwatch-report-").unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("events.ndjson"), self.events).unwrap();
        (folder, path)
    }

    fn check(self, arguments: &str, expected: &Expect) {
        let (_held, folder) = self.written();
        expected.assert_eq(&succeed(&folder, &format!("report {arguments} --input events.ndjson")));
    }
}

/// Twelve customers pay 200, ten of them fintechs; of 28 that pay 50, four are, and of four that have left none. All of
/// them first paid in January and are in the EU; two more came in May.
fn customers() -> Story {
    let mut story = Story::default();
    let mut customer = |name: &str, number: u32, mrr: u32, is_fintech: bool| {
        let account = format!("{name}-{number:02}");
        story.starts("2026-01-05", &account, mrr);
        let industry = if is_fintech { "fintech" } else { "retail" };
        story.traits(&account, &format!(r#""industry":"{industry}","region":"EU","crm_id":"{account}""#));
        story.uses(&account, "reports", 1, if name == "left" { 3 } else { 7 });
    };
    (0..12).for_each(|number| customer("big", number, 20_000, number < 10));
    (0..28).for_each(|number| customer("small", number, 5_000, number < 4));
    (0..4).for_each(|number| customer("left", number, 20_000, false));
    (0..4).for_each(|number| story.cancels("2026-04-02", &format!("left-{number:02}")));
    for young in ["young-1", "young-2"] {
        story.starts("2026-05-05", young, 90_000);
        story.uses(young, "reports", 5, 7);
    }
    story
}

#[test]
fn the_best_customers_are_told_from_the_rest_by_their_traits() {
    customers().check("profile --as-of 2026-07-24", &expect![[r#"
        profile of events.ndjson as of the end of 2026-07-24 (UTC), amounts in USD, 46 accounts; the log ends on 2026-07-22, what came later is not known and taken for nothing

        The best customers and the rest
          group  customers  MRR from
          best          12       200  pay, are not at risk, and pay most
          rest          28            pay less, and are not at risk
          rest           0            pay, and are at risk or critical
          rest           4            pay nothing any more
          Compared: accounts that first paid 6 calendar months ago or earlier, those that have left among them.
          The best are the quarter that pays most, as nearly as prices allow: who pays the same is in the same group.

        Traits of the best against the rest, those that tell them apart first
          known by   trait               value       best  of    share  rest  of    share  difference     from       to  lift
          stated     plan                plan 20000    12  12  100.0 %     4  32   12.5 %      87.5 %   58.7 %   95.0 %  8.00  more among the best
          stated     industry            fintech       10  12   83.3 %     4  32   12.5 %      70.8 %   38.7 %   85.0 %  6.67  more among the best
          stated     industry            retail         2  12   16.7 %    28  32   87.5 %     -70.8 %  -85.0 %  -38.7 %  0.19  fewer among the best
          stated     plan                plan 5000      0  12    0.0 %    28  32   87.5 %     -87.5 %  -95.0 %  -58.7 %  0.00  fewer among the best
          stated     region              EU            12  12  100.0 %    32  32  100.0 %       0.0 %  -24.2 %   10.7 %  1.00
          behaviour  active_days_a_week  1             12  12  100.0 %    32  32  100.0 %       0.0 %  -24.2 %   10.7 %  1.00
          behaviour  began_with_trial    no            12  12  100.0 %    32  32  100.0 %       0.0 %  -24.2 %   10.7 %  1.00
          behaviour  features_used       1-2           12  12  100.0 %    32  32  100.0 %       0.0 %  -24.2 %   10.7 %  1.00
          behaviour  users               1             12  12  100.0 %    32  32  100.0 %       0.0 %  -24.2 %   10.7 %  1.00
          best, rest: customers with the value, of those whose trait is known; a trait is what it is today, or was when they left.
          difference: best less rest in points of percent, with its 95 % interval (Newcombe's hybrid score); lift: how many times as common.
          Marked: with 95 % certainty all marks hold at once (Holm). They tell who the best are, not what made them so.
          too few: the trait is known of fewer than 10 of the best or of the rest.
          features_used: distinct features ever used.
          users: distinct users ever seen.
          active_days_a_week: in the four weeks up to the last active day.
          began_with_trial: whether a trial was ever told.

        What was left out or contradicted itself
          what   count  result
          young      2  customers who first paid less than 6 calendar months ago
          rare      44  values that fewer than 5 of those compared have
    "#]]);
}

#[test]
fn a_trait_with_a_value_for_every_account_is_a_name_and_a_few_are_no_group() {
    let mut story = customers();
    for number in 0..300 {
        let account = format!("more-{number}");
        story.starts("2026-01-06", &account, 5_000);
        story.traits(&account, &format!(r#""crm_id":"crm {number}""#));
    }
    for (number, account) in ["big-00", "big-01", "small-00", "small-01", "small-02", "small-03"].iter().enumerate() {
        story.traits(account, &format!(r#""tier":"gold","pet":"pet {number}""#));
    }
    let (_held, folder) = story.written();
    let report = succeed(&folder, "report profile --input events.ndjson --as-of 2026-07-24 --output json");
    let report: Value = serde_json::from_str(&report).unwrap();
    let rows = |table: &str| report[table]["rows"].as_array().unwrap().clone();
    let tier: Vec<_> = rows("traits").into_iter().filter(|row| row["trait"] == "tier").collect();
    assert_eq!(tier.len(), 1);
    assert_eq!((&tier[0]["best"], &tier[0]["rest"], &tier[0]["mark"]), (&2.0.into(), &4.0.into(), &"too few".into()));
    assert!(tier[0]["difference"].is_null() && tier[0]["lift"].is_null(), "{tier:?}");
    assert!(rows("traits").iter().all(|row| row["trait"] != "crm_id" && row["trait"] != "pet"));
    let left_out: Vec<_> = rows("left_out").iter().map(|row| (row["what"].clone(), row["count"].clone())).collect();
    assert_eq!(
        left_out,
        [("too_many_values".into(), 344.0.into()), ("young".into(), 2.0.into()), ("rare".into(), 6.0.into())]
    );
}

#[test]
fn features_are_ranked_by_who_uses_them_lately() {
    let mut story = Story::default();
    for (account, features) in [("try-1", "map list"), ("try-2", "map"), ("try-3", "")] {
        story.tell("2026-07-10", account, "trial.started", r#""ends_at":"2026-08-10T00:00:00Z""#);
        features.split_whitespace().for_each(|feature| story.uses(account, feature, 7, 7));
    }
    // Its trial is over; this one was converted.
    story.tell("2026-06-10", "late", "trial.started", r#""ends_at":"2026-07-10T00:00:00Z""#);
    story.uses("late", "map", 7, 7);
    story.tell("2026-06-10", "won", "trial.started", r#""ends_at":"2026-08-10T00:00:00Z""#);
    for account in ["won", "pays-1", "pays-2", "pays-3"] {
        story.starts("2026-06-12", account, 5_000);
        story.uses(account, "list", 7, 7);
    }
    // In March is not lately.
    story.uses("pays-1", "map", 3, 3);
    story.uses("pays-2", "map", 7, 7);
    // More features than are kept of one account.
    story.starts("2026-06-12", "many", 5_000);
    (0..200).for_each(|number| story.uses("many", &format!("feature {number}"), 7, 7));
    story.check(
        "features --as-of 2026-07-24",
        &expect![[r#"
            features of events.ndjson as of the end of 2026-07-24 (UTC), amounts in USD, 9 accounts; the log ends on 2026-07-22, what came later is not known and taken for nothing

            Features most used by trial accounts
              rank  feature  trial  of   share    from      to  paying  of    share    from       to
                 1  map          2   3  66.7 %  20.8 %  93.9 %       1   4   25.0 %   4.6 %   69.9 %
                 2  list         1   3  33.3 %   6.1 %  79.2 %       4   4  100.0 %  51.0 %  100.0 %
              Trial: a trial that has not ended, was not converted, and nothing is paid.

            Features most used by paying accounts
              rank  feature  paying  of    share    from       to  trial  of   share    from      to
                 1  list          4   4  100.0 %  51.0 %  100.0 %      1   3  33.3 %   6.1 %  79.2 %
                 2  map           1   4   25.0 %   4.6 %   69.9 %      2   3  66.7 %  20.8 %  93.9 %
              Used: this week so far or in the four before it. from, to: the 95 % score interval.

            What was left out or contradicted itself
              what            count  result
              paying_sampled      1  paying accounts of more than 128 features, known in part only
              too_late            4  events too old for activity windows or for a timeline that has moved on
        "#]],
    );
}

/// Two cohorts, of which that of February has left.
fn cohorts() -> Story {
    let mut story = Story::default();
    for (account, mrr) in [("north", 90_000), ("south", 60_000), ("west", 10_000)] {
        story.starts("2026-01-05", account, mrr);
        story.uses(account, "map", 1, 7);
    }
    story.tell("2026-01-06", "south", "account.updated", r#""name":"South & Sons","owner":"kim""#);
    story.tell("2026-03-05", "south", "subscription.changed", r#""subscription":"s-south","mrr":120000"#);
    story.starts("2026-02-05", "gone", 70_000);
    story.cancels("2026-03-05", "gone");
    // Pays most, but was last seen in March.
    story.starts("2026-01-05", "quiet", 121_000);
    story.uses("quiet", "map", 1, 3);
    story
}

#[test]
fn the_strongest_accounts_of_a_cohort_are_those_likely_to_pay_most() {
    cohorts().check("accounts --as-of 2026-07-24 --top 3", &expect![[r#"
        accounts of events.ndjson as of the end of 2026-07-24 (UTC), amounts in USD, 5 accounts; the log ends on 2026-07-22, what came later is not known and taken for nothing

        The strongest accounts by the month in which they first paid
          cohort   account  name          likely MRR    MRR   growth   risk  band     open alerts  users  last seen   owner
          2026-01  south    South & Sons    1,161.88  1,200  100.0 %  3.2 %  healthy                   1  2026-07-22  kim
          2026-01  quiet                    1,133.80  1,210    0.0 %  6.3 %  healthy                   0  2026-03-22  customer-success
          2026-01  north                      843.32    900    0.0 %  6.3 %  healthy                   1  2026-07-22  customer-success
          Strongest: by the MRR that is likely to be there in 28 days, MRR x (1 - risk), by the risk last told.
          growth: MRR against the end of the month in which they first paid, both at the rates of that month. users: seen in the latest 30 days.

        Their cohorts
          cohort   joined  pay now  shown
          2026-02       1        0      0  nobody of them pays any more
          2026-01       4        4      3  more with --top

        What was left out or contradicted itself
          what    count  result
          weaker      1  paying accounts of these cohorts after the strongest; --top shows up to 50
          gone        1  accounts of these cohorts that pay nothing now
    "#]]);
}

#[test]
#[allow(clippy::too_many_lines)] // what is printed
fn what_there_is_none_of_is_said() {
    let mut unbilled = Story::default();
    unbilled.uses("free", "map", 1, 7);
    let mut shown = String::new();
    for (story, arguments) in [
        (cohorts(), "accounts --cohort 2026-02 --output csv"),
        (cohorts(), "accounts --cohort 2031-01"),
        (cohorts(), "accounts --cohort 2026-13"),
        (cohorts(), "accounts --top 51"),
        (cohorts(), "features"),
        (cohorts(), "profile --as-of 2026-02-01"),
        (Story { events: unbilled.events.clone(), told: 0 }, "accounts"),
        (Story { events: unbilled.events.clone(), told: 0 }, "accounts --cohort 2026-01"),
        (Story { events: unbilled.events.clone(), told: 0 }, "features"),
        (unbilled, "profile"),
    ] {
        let (_held, folder) = story.written();
        let output = churnwatch(&folder, &format!("report {arguments} --input events.ndjson"));
        let code = output.status.code();
        let said = [output.stdout, output.stderr].concat();
        writeln!(shown, "# {arguments}: {code:?}\n{}", String::from_utf8(said).unwrap().trim_end()).unwrap();
    }
    expect![[r#"
        # accounts --cohort 2026-02 --output csv: Some(0)
        table,as_of,time_zone,currency,cohort,account,name,likely_mrr,mrr,growth,risk,band,open_alerts,active_users,last_seen,owner

        table,as_of,time_zone,currency,cohort,joined,paying,shown,told
        cohorts,2026-07-22T12:00:00.000Z,UTC,USD,2026-02,1,0,0,nobody of them pays any more

        table,as_of,time_zone,currency,what,count,result
        left_out,2026-07-22T12:00:00.000Z,UTC,USD,other_cohorts,1,cohorts that are not shown; --cohort YYYY-MM shows one
        left_out,2026-07-22T12:00:00.000Z,UTC,USD,gone,1,accounts of these cohorts that pay nothing now
        accounts of events.ndjson as of 2026-07-22 (UTC), amounts in USD, 5 accounts
        accounts: The strongest accounts by the month in which they first paid
          Strongest: by the MRR that is likely to be there in 28 days, MRR x (1 - risk), by the risk last told.
          growth: MRR against the end of the month in which they first paid, both at the rates of that month. users: seen in the latest 30 days.
        cohorts: Their cohorts
        left_out: What was left out or contradicted itself
        # accounts --cohort 2031-01: Some(1)
        churnwatch: no account first paid in 2031-01: there are cohorts from 2026-01 to 2026-02
        # accounts --cohort 2026-13: Some(2)
        error: invalid value '2026-13' for '--cohort <YYYY-MM>': is no month such as 2026-03

        For more information, try '--help'.
        # accounts --top 51: Some(2)
        error: invalid value '51' for '--top <N>': 51 is not in 1..=50

        For more information, try '--help'.
        # features: Some(0)
        features of events.ndjson as of 2026-07-22 (UTC), amounts in USD, 5 accounts

        Features most used by trial accounts
          rank  feature  trial  of  share  from  to  paying  of  share  from  to
          No account is on trial.

        Features most used by paying accounts
          rank  feature  paying  of   share    from      to  trial  of  share  from  to
             1  map           3   4  75.0 %  30.1 %  95.4 %      0   0      -     -   -
          Used: this week so far or in the four before it. from, to: the 95 % score interval.

        What was left out or contradicted itself
          what  count  result
          nothing
        # profile --as-of 2026-02-01: Some(0)
        profile of events.ndjson as of the end of 2026-02-01 (UTC), amounts in USD, 4 accounts

        The best customers and the rest
          group  customers  MRR from
          best           0            pay, are not at risk, and pay most
          rest           0            pay less, and are not at risk
          rest           0            pay, and are at risk or critical
          rest           0            pay nothing any more
          Compared: accounts that first paid 6 calendar months ago or earlier, those that have left among them.
          Nobody of that tenure pays and is not at risk: there are no best to compare.

        Traits of the best against the rest, those that tell them apart first
          known by  trait  value  best  of  share  rest  of  share  difference  from  to  lift
          best, rest: customers with the value, of those whose trait is known; a trait is what it is today, or was when they left.
          difference: best less rest in points of percent, with its 95 % interval (Newcombe's hybrid score); lift: how many times as common.
          Marked: with 95 % certainty all marks hold at once (Holm). They tell who the best are, not what made them so.
          too few: the trait is known of fewer than 10 of the best or of the rest.

        What was left out or contradicted itself
          what   count  result
          young      4  customers who first paid less than 6 calendar months ago
        # accounts: Some(0)
        accounts of events.ndjson as of 2026-07-22 (UTC), amounts in USD, 1 accounts

        The strongest accounts by the month in which they first paid
          cohort  account  name  likely MRR  MRR  growth  risk  band  open alerts  users  last seen  owner
          Strongest: by the MRR that is likely to be there in 28 days, MRR x (1 - risk), by the risk last told.
          growth: MRR against the end of the month in which they first paid, both at the rates of that month. users: seen in the latest 30 days.
          No subscription is known of any account (no billing): nothing can be told by what accounts pay.

        Their cohorts
          cohort  joined  pay now  shown

        What was left out or contradicted itself
          what        count  result
          never_paid      1  accounts that have never paid; customers are those that have
        # accounts --cohort 2026-01: Some(1)
        churnwatch: no account first paid in 2026-01. No subscription is known of any account (no billing): nothing can be told by what accounts pay.
        # features: Some(0)
        features of events.ndjson as of 2026-07-22 (UTC), amounts in USD, 1 accounts

        Features most used by trial accounts
          rank  feature  trial  of  share  from  to  paying  of  share  from  to
          No account is on trial.

        Features most used by paying accounts
          rank  feature  paying  of  share  from  to  trial  of  share  from  to
          No subscription is known of any account (no billing): nothing can be told by what accounts pay.

        What was left out or contradicted itself
          what  count  result
          nothing
        # profile: Some(0)
        profile of events.ndjson as of 2026-07-22 (UTC), amounts in USD, 1 accounts

        The best customers and the rest
          group  customers  MRR from
          best           0            pay, are not at risk, and pay most
          rest           0            pay less, and are not at risk
          rest           0            pay, and are at risk or critical
          rest           0            pay nothing any more
          Compared: accounts that first paid 6 calendar months ago or earlier, those that have left among them.
          No subscription is known of any account (no billing): nothing can be told by what accounts pay.

        Traits of the best against the rest, those that tell them apart first
          known by  trait  value  best  of  share  rest  of  share  difference  from  to  lift
          best, rest: customers with the value, of those whose trait is known; a trait is what it is today, or was when they left.
          difference: best less rest in points of percent, with its 95 % interval (Newcombe's hybrid score); lift: how many times as common.
          Marked: with 95 % certainty all marks hold at once (Holm). They tell who the best are, not what made them so.
          too few: the trait is known of fewer than 10 of the best or of the rest.

        What was left out or contradicted itself
          what  count  result
          nothing
    "#]].assert_eq(&shown);
}
