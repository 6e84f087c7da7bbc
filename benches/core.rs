//! What the core costs: JSON bytes to state, risk and effects, against parsing the same bytes alone, on one thread.
//!
//! `cargo bench --bench core` runs 200,000 accounts with 25 events each over 90 days. Options, after `--`:
//! `--accounts N`, `--events-per-account N`, `--commit-every N` (0, the default, is file mode without a journal; the
//! service commits), `--only engine|parse` for a profiler. Events are made in blocks outside the measured time; both
//! sides take each block while it is fresh, in turns as to who is first, so that neither gains from the machine's mood.
//! Time is processor time of the thread, so that other work on the machine counts little. Resident memory is read before
//! the first event and at the end; the blocks are let go before.
//! Prints one figure a line; asserts nothing.

mod process;
mod workload;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use churnwatch::engine::effect::Effect;
use churnwatch::engine::input::{Input, Progress, Record};
use churnwatch::engine::rules::Rules;
use churnwatch::engine::{ANTICIPATED_MAX, Engine, Journal};
use churnwatch::units::{HOUR_MS, Offset, PartitionIndex, Position, Timestamp};
use churnwatch::wire::{Decoded, canonical};
use process::{processor_time, resident_bytes};
use workload::Workload;

// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events made and measured at a time: small enough to stay in the cache that freshly received records are in.
const BLOCK_EVENTS: usize = 5_000;
/// The run is cut into this many repetitions, each with a ratio of its own.
const REPETITIONS: u64 = 20;

/// What to run.
struct Settings {
    accounts: u64,
    events_per_account: u64,
    commit_every: usize,
    only: Option<Side>,
}

/// The two things compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Engine,
    Parse,
}

/// The engine and what has come out of it.
struct Core {
    engine: Engine,
    effects: Vec<Effect>,
    journal: Journal,
    commit_every: usize,
    uncommitted: usize,
    next_offset: i64,
    hour: i64,
    alerts: u64,
    healths: u64,
    rejects: u64,
    reports: u64,
}

fn main() -> Result<()> {
    let Some(settings) = Settings::from_arguments()? else {
        println!("run by `cargo bench --bench core`");
        return Ok(());
    };
    let empty_bytes = resident_bytes()?;
    let mut workload = Workload::new(settings.accounts, settings.accounts * settings.events_per_account);
    let mut core = Core::new(settings.commit_every);
    let mut block = Vec::new();
    let (mut engine_total, mut parse_total, mut bytes_total) = (Duration::ZERO, Duration::ZERO, 0);
    let mut ratios = Vec::new();
    let per_repetition = (settings.accounts * settings.events_per_account).div_ceil(REPETITIONS);
    loop {
        let began_at = workload.written();
        let (mut engine_time, mut parse_time) = (Duration::ZERO, Duration::ZERO);
        let mut turn = 0_u32;
        while workload.written() < began_at + per_repetition {
            let bounds = fill(&mut workload, &mut block);
            if bounds.is_empty() {
                break;
            }
            bytes_total += block.len();
            let order = if turn.is_multiple_of(2) { [Side::Engine, Side::Parse] } else { [Side::Parse, Side::Engine] };
            for side in order.into_iter().filter(|side| settings.only.is_none_or(|only| only == *side)) {
                let began = processor_time()?;
                match side {
                    Side::Engine => core.take(&block, &bounds)?,
                    Side::Parse => parse(&block, &bounds)?,
                }
                *(if side == Side::Engine { &mut engine_time } else { &mut parse_time }) +=
                    processor_time()?.saturating_sub(began);
            }
            turn += 1;
        }
        if turn == 0 {
            break;
        }
        ratios.push(engine_time.as_secs_f64() / parse_time.as_secs_f64().max(1e-12));
        engine_total += engine_time;
        parse_total += parse_time;
    }
    drop(block);
    core.effects = Vec::new();
    report(
        &settings,
        &core,
        bytes_total,
        engine_total,
        parse_total,
        ratios,
        resident_bytes()?.saturating_sub(empty_bytes),
    );
    Ok(())
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // for people to read
fn report(
    settings: &Settings,
    core: &Core,
    bytes: usize,
    engine: Duration,
    parse: Duration,
    mut ratios: Vec<f64>,
    resident: u64,
) {
    let events = (settings.accounts * settings.events_per_account) as f64;
    ratios.sort_by(f64::total_cmp);
    println!("accounts                     {}", core.engine.accounts_len());
    println!("events                       {events}");
    println!("bytes an event               {:.0}", bytes as f64 / events);
    println!("alerts, health, rejected     {}, {}, {}", core.alerts, core.healths, core.rejects);
    println!("fleet reports                {}", core.reports);
    println!("counts                       {:?}", core.engine.counts());
    println!("parse only, events/s         {:.0}", events / parse.as_secs_f64().max(1e-12));
    println!("core, events/s               {:.0}", events / engine.as_secs_f64().max(1e-12));
    println!("core / parse, whole run      {:.2}", engine.as_secs_f64() / parse.as_secs_f64().max(1e-12));
    println!("core / parse, median         {:.2}", ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN));
    println!(
        "core / parse, from to        {:.2} {:.2}",
        ratios.first().copied().unwrap_or(f64::NAN),
        ratios.last().copied().unwrap_or(f64::NAN)
    );
    println!("resident bytes an account    {:.0}", resident as f64 / core.engine.accounts_len().max(1) as f64);
}

/// Makes the next block; where each event in it begins and ends.
fn fill(workload: &mut Workload, block: &mut Vec<u8>) -> Vec<(i64, std::ops::Range<usize>)> {
    block.clear();
    let mut bounds = Vec::with_capacity(BLOCK_EVENTS);
    while bounds.len() < BLOCK_EVENTS {
        let (time_ms, begin) = (workload.now_ms(), block.len());
        if workload.write_next(block).is_none() {
            break;
        }
        bounds.push((time_ms, begin..block.len()));
    }
    bounds
}

/// Parses and forgets.
fn parse(block: &[u8], bounds: &[(i64, std::ops::Range<usize>)]) -> Result<()> {
    for (_, range) in bounds {
        let value = block.get(range.clone()).context("bounds are of the block")?;
        black_box(canonical::decode(black_box(value))?);
    }
    Ok(())
}

impl Core {
    fn new(commit_every: usize) -> Core {
        let journal = if commit_every == 0 { Journal::Off } else { Journal::Keep };
        Core {
            engine: Engine::new(Arc::new(Rules::default()), journal),
            effects: Vec::new(),
            journal,
            commit_every,
            uncommitted: 0,
            next_offset: 0,
            hour: 0,
            alerts: 0,
            healths: 0,
            rejects: 0,
            reports: 0,
        }
    }

    /// Takes a block through parser and engine, with a progress record every hour.
    fn take(&mut self, block: &[u8], bounds: &[(i64, std::ops::Range<usize>)]) -> Result<()> {
        for some in bounds.chunks(ANTICIPATED_MAX) {
            let mut records = Vec::with_capacity(some.len());
            for (time_ms, range) in some {
                let value = block.get(range.clone()).context("bounds are of the block")?;
                match canonical::decode(black_box(value))? {
                    Decoded::Input(input) => records.push(self.record(*time_ms, input)),
                    Decoded::UnknownType(name) => bail!("the load holds the unknown type {name}"),
                }
            }
            // As the service and file mode do.
            self.engine.anticipate(records.iter().map(|record| &record.input));
            for record in &records {
                let hour = record.received_at.ms() / HOUR_MS;
                if hour > self.hour {
                    self.hour = hour;
                    let progress = Progress { reached: Timestamp::from_ms(hour * HOUR_MS), ..Progress::default() };
                    let progress = self.record(record.received_at.ms(), Input::Progress(progress));
                    self.step(&progress);
                }
                self.step(record);
            }
        }
        Ok(())
    }

    fn record<'a>(&mut self, time_ms: i64, input: Input<'a>) -> Record<'a> {
        let position = Position { partition: PartitionIndex(0), offset: Offset(self.next_offset) };
        self.next_offset += 1;
        Record { position, received_at: Timestamp::clamped(time_ms), input }
    }

    fn step(&mut self, record: &Record<'_>) {
        self.engine.step(record, &mut self.effects);
        for effect in self.effects.drain(..) {
            match black_box(effect) {
                Effect::Alert(_) => self.alerts += 1,
                Effect::Health(_) => self.healths += 1,
                Effect::Reject(_) => self.rejects += 1,
                Effect::Fleet(_) => self.reports += 1,
            }
        }
        self.uncommitted += 1;
        if self.journal == Journal::Keep && self.uncommitted >= self.commit_every {
            self.uncommitted = 0;
            self.engine.commit();
        }
    }
}

impl Settings {
    /// `None` when it is not a benchmark run that is asked for: `cargo test --all-targets` starts this too.
    fn from_arguments() -> Result<Option<Settings>> {
        let mut settings = Settings { accounts: 200_000, events_per_account: 25, commit_every: 0, only: None };
        let mut wanted = false;
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--bench" => wanted = true,
                "--accounts" => settings.accounts = value()?.parse()?,
                "--events-per-account" => settings.events_per_account = value()?.parse()?,
                "--commit-every" => settings.commit_every = value()?.parse()?,
                "--only" => {
                    settings.only = Some(match value()?.as_str() {
                        "engine" => Side::Engine,
                        "parse" => Side::Parse,
                        other => bail!("--only is engine or parse, not {other}"),
                    });
                }
                other => bail!("unknown option {other}; the head of benches/core.rs lists them"),
            }
        }
        Ok(wanted.then_some(settings))
    }
}
