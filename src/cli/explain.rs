//! `churnwatch explain`: why an account was judged as it was, at any time in the past.
//!
//! This file arranges: the replay up to the moment, what it tells of the account, how that is printed. The story is
//! collected by [`crate::local::story`] and judged by the engine.

mod text;

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{ConfigArgs, LogArgs, Output};
use crate::config::problem::distance;
use crate::engine::Engine;
use crate::engine::account::Account;
use crate::engine::effect::{Band, Evidence, Health};
use crate::engine::facts::activity::Activity;
use crate::engine::fleet::features;
use crate::local::gate::Gate;
use crate::local::place::Place;
use crate::local::replay::{Found, Replay, Stop};
use crate::local::story::{Moments, Week};
use crate::local::tables::parse_instant;
use crate::units::{Day, Position, Span, Timestamp};
use crate::wire::encode_health;

/// Arguments of `churnwatch explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    pub account: String,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// As of then, by what happened before; without it as of the end of the log.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Timestamp>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// Accounts named where the one asked for is unknown.
const NEAR_MAX: usize = 3;

/// Everything that is told of an account.
#[derive(Debug)]
pub struct Story {
    /// Its health, with the moment judged, all terms of the risk and the evidence.
    pub health: Health,
    /// What adds up to the logit of the risk, with what is behind each.
    pub terms: Vec<Term>,
    /// When the engine had last looked at it, and the band it was in since; absent where it had not.
    pub looked: Option<(Timestamp, Band)>,
    /// What happened to it.
    pub moments: Moments,
}

/// What an engine says of an account.
struct Judged {
    health: Health,
    /// The record of its last usage.
    last_use: Option<Position>,
    looked: Option<(Timestamp, Band)>,
}

impl Judged {
    fn of(engine: &Engine, account: &Account, health: Health) -> Judged {
        let Activity { last_offset: offset, .. } = account.activity;
        let last_use = account.activity.is_used().then_some(Position { partition: engine.partition().index, offset });
        Judged { health, last_use, looked: account.judgement.at.map(|at| (at, account.judgement.band)) }
    }
}

/// One term of the risk.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Its name; `other` for what the terms that are too small to be listed come to.
    pub name: &'static str,
    /// Added to the logit.
    pub logit: f64,
    /// The newest record behind it, where one is.
    pub place: Option<Place>,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match args.config.load() {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let log = args.log.log(&config)?;
    let gate = match args.at {
        Some(at) => {
            let scan = log.scan()?;
            if let Some(last) = scan.last.filter(|last| *last < at) {
                super::tell(&format_args!(
                    "the log ends at {last}: what happened from then to {at} is not in it, and counts as silence"
                ));
            }
            Some(Gate::new(vec![at], |cutoff| scan.last_line_before(cutoff)))
        }
        None => None,
    };
    let found = Found { moments: Some(Moments::of(&args.account)), ..Found::default() };
    let mut judged = None;
    let mut replayed = log.replay(gate, found, &mut |stop: &Stop<'_>| {
        let here = stop.engine.and_then(|engine| Some((engine, engine.account(&args.account)?)));
        match here.zip(args.at) {
            Some(((engine, account), at)) => {
                judged = Some(Judged::of(engine, account, engine.health_at(account, at)));
                ControlFlow::Break(())
            }
            // In another partition, or later.
            None => ControlFlow::Continue(()),
        }
    })?;
    super::tell_rejected(&replayed);
    if replayed.replay.tally().events == 0 {
        return super::no_events(&log);
    }
    let replay = &replayed.replay;
    let moments = replayed.found.moments.take().unwrap_or_else(|| Moments::of(&args.account));
    if args.at.is_none() {
        let here = |engine: &Engine| {
            engine.account(&args.account).map(|account| Judged::of(engine, account, engine.health(account)))
        };
        judged = replay.engines().find_map(here);
    }
    let Some(Judged { health, last_use, looked }) = judged else { bail!(unknown(args, replay, &moments)) };
    let health = as_told(health, &moments);
    let place = |position: Option<Position>| position.map(|position| replay.place(position));
    let story = Story { terms: terms(&health, last_use, &place), health, looked, moments };
    let mut out = io::stdout().lock();
    let place = |evidence: &Evidence| place(evidence.position);
    let printed = match args.output {
        Output::Text => out.write_all(text::story(&story, &place).as_bytes()),
        Output::Json => writeln!(out, "{}", story.json(&place)),
    };
    match printed {
        // Whoever read it has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        printed => printed.map(|()| ExitCode::SUCCESS).context("cannot write the story"),
    }
}

/// Of an account that has left the health that was published last: it stays as it was then. What it was made of cannot be
/// found again from what is known since.
fn as_told(health: Health, moments: &Moments) -> Health {
    let published = moments.published().filter(|published| published.churned_at.is_some());
    match published.filter(|published| published.churned_at == health.churned_at) {
        Some(published) => published.clone(),
        None => health,
    }
}

/// The terms of the risk with the newest records behind them: those of the signals' evidence, and the last usage for what
/// follows from its use. They add up to the risk's logit, as far as a number can.
fn terms(health: &Health, last_use: Option<Position>, place: &dyn Fn(Option<Position>) -> Option<Place>) -> Vec<Term> {
    let place = |name: &str| match health.evidence.iter().find(|evidence| evidence.signal == name) {
        Some(evidence) => place(evidence.position),
        None if features::is_of_use(name) => place(last_use),
        None => None,
    };
    let listed = health.contributions.iter();
    let mut terms: Vec<Term> =
        listed.map(|term| Term { name: term.term, logit: term.logit, place: place(term.term) }).collect();
    let rest = logit(health.risk.get()) - terms.iter().map(|term| term.logit).sum::<f64>();
    if rest.is_finite() && rest.abs() > ROUNDING {
        terms.push(Term { name: "other", logit: rest, place: None });
    }
    terms
}

/// Differences of logits below this come from rounding.
const ROUNDING: f64 = 1e-9;

fn logit(risk: f64) -> f64 {
    libm::log(risk / (1.0 - risk))
}

/// Why nothing can be told of the account, and what to do.
fn unknown(args: &Args, replay: &Replay, moments: &Moments) -> String {
    let account = &args.account;
    if let (Some(first), Some(at)) = (moments.first(), args.at) {
        return format!("account `{account}` has no event before {at}: its first is at {first}; choose a later --at");
    }
    let ids = replay.engines().flat_map(Engine::accounts).map(|known| known.id.as_str());
    let mut near: Vec<(usize, &str)> = ids.map(|id| (distance(account, id), id)).collect();
    near.sort_unstable();
    let near: Vec<String> = near.iter().take(NEAR_MAX).map(|(_, id)| format!("`{id}`")).collect();
    format!("account `{account}` never occurs in the log; the nearest are {}", near.join(", "))
}

impl Story {
    /// Usage of each week up to the moment judged.
    fn weeks(&self) -> Vec<(Day, Week)> {
        // What happens at that moment is not seen: a week that begins with it has not begun.
        self.moments.weeks(self.health.as_of.minus(Span::from_ms(1)))
    }

    /// The band in which the account was when the engine had last looked, and when that was, where it was another one.
    fn band_before(&self) -> Option<(Timestamp, Band)> {
        self.looked.filter(|(_, band)| *band != self.health.band && self.health.churned_at.is_none())
    }

    /// As one JSON object: the account's health as it would be published, and beside it terms, weeks and moments.
    fn json(&self, place: &dyn Fn(&Evidence) -> Option<Place>) -> Value {
        let mut published = Vec::new();
        encode_health(&self.health, &mut published);
        let at = |place: Option<Place>| place.map(|place| place.to_string());
        let weeks = self.weeks().into_iter().map(|(monday, week)| {
            json!({ "week": day(monday.start()), "uses": week.uses, "active_days": week.active_days() })
        });
        let terms =
            self.terms.iter().map(|term| json!({ "term": term.name, "logit": term.logit, "record": at(term.place) }));
        let evidence = self.health.evidence.iter().map(|evidence| {
            json!({
                "signal": evidence.signal, "strength": evidence.strength.get(), "sentence": evidence.sentence,
                "record": at(place(evidence)),
            })
        });
        let moments = self
            .moments
            .told()
            .map(|moment| json!({ "time": moment.at.to_string(), "what": moment.what, "line": moment.line }));
        json!({
            "account": self.health.account_id,
            "as_of": self.health.as_of.to_string(),
            "risk": self.health.risk.get(),
            "logit": logit(self.health.risk.get()),
            "band": self.health.band.name(),
            "looked_at": self.looked.map(|(at, _)| at.to_string()),
            "band_when_looked_at": self.looked.map(|(_, band)| band.name()),
            "terms": terms.collect::<Vec<_>>(),
            "evidence": evidence.collect::<Vec<_>>(),
            "unknown": self.health.unknown,
            "weeks": weeks.collect::<Vec<_>>(),
            "moments": moments.collect::<Vec<_>>(),
            "moments_left_out": self.moments.left_out(),
            "health": serde_json::from_slice::<Value>(&published).unwrap_or_default(),
        })
    }
}

/// The day of a time.
fn day(time: Timestamp) -> String {
    time.to_string().chars().take(10).collect()
}

fn moment(text: &str) -> Result<Timestamp, String> {
    parse_instant(text).ok_or_else(|| "is no time such as 2026-03-01T00:00:00Z or 2026-03-01".to_owned())
}
