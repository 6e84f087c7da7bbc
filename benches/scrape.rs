//! What a scrape costs: the page for Prometheus from the sums of all partitions, with as many accounts as one process
//! holds.
//!
//! `cargo bench --bench scrape` runs 1,000,000 accounts with three events each through four engines and renders the page
//! 50 times, while one partition publishes anew between any two: what the page is made of is then never still warm.
//! Options, after `--`: `--accounts N`, `--events-per-account N`, `--scrapes N`. Time is processor time of the thread. What
//! a commit pays for being seen is printed too: a copy of the partition's sums. Prints one figure a line; asserts nothing.

mod process;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use churnwatch::config::kpis::Kpis;
use churnwatch::engine::input::{Input, Progress, Record};
use churnwatch::engine::rules::Rules;
use churnwatch::engine::{Engine, Journal};
use churnwatch::telemetry::view::PartitionView;
use churnwatch::telemetry::{Role, Settings, Telemetry};
use churnwatch::units::{HOUR_MS, Offset, PartitionIndex, Position, Timestamp};
use churnwatch::wire::{Decoded, canonical};
use process::processor_time;
use workload::Workload;

// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Partitions of one process.
const PARTITIONS: u64 = 4;

/// What to run.
struct Options {
    accounts: u64,
    events_per_account: u64,
    scrapes: usize,
}

fn main() -> Result<()> {
    let Some(options) = Options::from_arguments()? else {
        println!("run by `cargo bench --bench scrape`");
        return Ok(());
    };
    let rules = Arc::new(Rules::default());
    let mut engines: Vec<Engine> = (0..PARTITIONS).map(|_| Engine::new(Arc::clone(&rules), Journal::Off)).collect();
    fill(&mut engines, &options)?;
    let telemetry = Telemetry::new(Settings::new(&[Role::Engine, Role::Serve], &rules, &Kpis::default()))?;
    for (index, engine) in (0..).map(PartitionIndex).zip(&engines) {
        telemetry.publish(index, PartitionView::of(engine));
    }
    let (mut scrapes, mut publishes, mut page) = (Vec::new(), Vec::new(), String::new());
    for ((index, engine), _) in (0..).map(PartitionIndex).zip(&engines).cycle().zip(0..options.scrapes) {
        let began = processor_time()?;
        telemetry.publish(index, PartitionView::of(engine));
        let shown = processor_time()?;
        page = telemetry.render()?;
        publishes.push(shown.saturating_sub(began));
        scrapes.push(processor_time()?.saturating_sub(shown));
    }
    println!("accounts                     {}", engines.iter().map(Engine::accounts_len).sum::<usize>());
    println!("series                       {}", page.lines().filter(|line| !line.starts_with('#')).count());
    println!("bytes of the page            {}", page.len());
    print_times("cpu ms of a scrape", &mut scrapes);
    print_times("cpu ms of a publication", &mut publishes);
    Ok(())
}

/// Runs the load through the engines.
fn fill(engines: &mut [Engine], options: &Options) -> Result<()> {
    let mut workload = Workload::new(options.accounts, options.accounts * options.events_per_account);
    let (mut effects, mut value, mut hour) = (Vec::new(), Vec::new(), 0);
    loop {
        let now_ms = workload.now_ms();
        value.clear();
        let Some(account) = workload.write_next(&mut value) else { return Ok(()) };
        let Decoded::Input(input) = canonical::decode(&value)? else { bail!("the load holds an unknown type") };
        if now_ms / HOUR_MS > hour {
            hour = now_ms / HOUR_MS;
            let reached = Timestamp::from_ms(hour * HOUR_MS);
            for engine in &mut *engines {
                let progress = Input::Progress(Progress { reached, ..Progress::default() });
                step(engine, now_ms, workload.written(), progress, &mut effects);
            }
        }
        let index = usize::try_from(account % PARTITIONS)?;
        let engine = engines.get_mut(index).context("as many engines as partitions")?;
        step(engine, now_ms, workload.written(), input, &mut effects);
    }
}

fn step(
    engine: &mut Engine,
    now_ms: i64,
    offset: u64,
    input: Input<'_>,
    effects: &mut Vec<churnwatch::engine::effect::Effect>,
) {
    let offset = Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    let position = Position { partition: PartitionIndex(0), offset };
    engine.step(&Record { position, received_at: Timestamp::clamped(now_ms), input }, effects);
    effects.clear();
}

fn print_times(name: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    let ms = |share| at(share).copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!("{name:<28} median {:.3}, p95 {:.3}, most {:.3}", ms(50), ms(95), ms(100));
}

impl Options {
    /// `None` when it is not a benchmark run that is asked for: `cargo test --all-targets` starts this too.
    fn from_arguments() -> Result<Option<Options>> {
        let mut options = Options { accounts: 1_000_000, events_per_account: 3, scrapes: 50 };
        let mut wanted = false;
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--bench" => wanted = true,
                "--accounts" => options.accounts = value()?.parse()?,
                "--events-per-account" => options.events_per_account = value()?.parse()?,
                "--scrapes" => options.scrapes = value()?.parse()?,
                other => bail!("unknown option {other}; the head of benches/scrape.rs lists them"),
            }
        }
        Ok(wanted.then_some(options))
    }
}
