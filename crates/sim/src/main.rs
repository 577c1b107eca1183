//! `rookeeper-sim SEED` tells one run; `rookeeper-sim --seeds N --minutes M` makes many.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rookeeper_sim::{MUTANTS, Marks, Mutant, Options, Sabotage, WANTED, WANTED_BEYOND_PLAIN, run};

/// A run is a great many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: rookeeper-sim SEED [--seconds S] [--standalone] [--quiet]
       rookeeper-sim --seeds N [--minutes M [--least N]] [--from SEED] [--seconds S] [--standalone | --plain] [--threads T]
       rookeeper-sim --sabotages                (built with the feature `sabotage`)";

/// What the command line asks for.
#[derive(Debug, Clone)]
struct Asked {
    seed: Option<u64>,
    seeds: u64,
    from: u64,
    minutes: u64,
    /// So many runs are made even when the minutes are over.
    least: u64,
    threads: usize,
    is_quiet: bool,
    sabotages: bool,
    options: Options,
}

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    let Some(asked) = parse(std::env::args().skip(1)) else {
        // Nobody is left to tell when the output is closed.
        let _ = writeln!(out, "{USAGE}");
        return ExitCode::FAILURE;
    };
    std::panic::set_hook(Box::new(|_| {}));
    let is_well = match asked.seed {
        Some(seed) => one(&mut out, &asked, seed),
        None if asked.sabotages => sabotages(&mut out, &asked),
        None => many(&mut out, &asked),
    };
    if is_well.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let options = Options { seconds: 60, ..Options::of(0) };
    let mut asked = Asked {
        seed: None,
        seeds: 0,
        from: 1,
        minutes: u64::MAX,
        least: 0,
        threads: 2,
        is_quiet: false,
        sabotages: false,
        options,
    };
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| parse_number(&text));
        match argument.as_str() {
            "--seeds" => asked.seeds = number()?,
            "--from" => asked.from = number()?,
            "--minutes" => asked.minutes = number()?,
            "--least" => asked.least = number()?,
            "--seconds" => asked.options.seconds = number()?,
            "--threads" => asked.threads = usize::try_from(number()?).ok()?,
            "--standalone" => asked.options.is_standalone = true,
            "--plain" => asked.options.is_plain = true,
            "--sabotages" => asked.sabotages = true,
            "--sabotage" => asked.options.sabotage = Sabotage::named(&arguments.next()?)?,
            "--quiet" => asked.is_quiet = true,
            seed => asked.seed = Some(parse_number(seed)?),
        }
    }
    (asked.seed.is_some() || asked.seeds > 0 || asked.sabotages).then_some(asked)
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn one(out: &mut impl Write, asked: &Asked, seed: u64) -> std::io::Result<bool> {
    let report = run(Options { seed, is_told: !asked.is_quiet, ..asked.options });
    for line in &report.lines {
        writeln!(out, "{line}")?;
    }
    for (mark, count) in report.marks.iter() {
        writeln!(out, "{count:>8}  {mark}")?;
    }
    writeln!(
        out,
        "seed {seed}: {} virtual seconds, {} transactions, {} operations, {} leaders, trace {:016x}",
        report.seconds, report.committed, report.operations, report.leaders, report.hash
    )?;
    match &report.failure {
        Some(failure) => writeln!(out, "FAILED {failure}")?,
        None => writeln!(out, "ok")?,
    }
    Ok(report.failure.is_none())
}

/// Each known bug is put in, and must be seen within its number of seeds.
fn sabotages(out: &mut (impl Write + Send), asked: &Asked) -> std::io::Result<bool> {
    let next = AtomicUsize::new(0);
    let told = Mutex::new((out, 0));
    let look = || {
        while let Some(mutant) = MUTANTS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let seen = look_for(asked, mutant);
            let Ok(mut told) = told.lock() else { return Ok(()) };
            let (out, missed) = &mut *told;
            match seen {
                Some((seed, failure)) => {
                    let failure: String = failure.chars().take(100).collect();
                    writeln!(out, "seen    {:<28} seed {seed:>2}  {failure}", mutant.name)?;
                }
                None => {
                    *missed += 1;
                    writeln!(out, "MISSED  {:<28} {} seeds  {}", mutant.name, mutant.seeds, mutant.what)?;
                }
            }
            out.flush()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..asked.threads).map(|_| scope.spawn(look)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(())));
        joined.collect::<std::io::Result<()>>()
    })?;
    let (out, missed) = told.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    writeln!(out, "{} passed, {missed} failed", MUTANTS.len() - missed)?;
    Ok(missed == 0)
}

/// The first seed that fails with a bug put in, and how.
fn look_for(asked: &Asked, mutant: &Mutant) -> Option<(u64, String)> {
    let sabotage = Sabotage::named(mutant.name)?;
    (1..=mutant.seeds).find_map(|seed| {
        let failure = run(Options { seed, sabotage, ..asked.options }).failure?;
        Some((seed, failure.to_string()))
    })
}

/// What many runs came to.
#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    failed: Vec<(u64, String)>,
    seconds: u64,
    busy: Duration,
    committed: usize,
    operations: usize,
    marks: Marks,
}

fn many(out: &mut impl Write, asked: &Asked) -> std::io::Result<bool> {
    let until = Instant::now().checked_add(Duration::from_secs(asked.minutes.saturating_mul(60)));
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| work(asked, &next, until, &sum));
        }
    });
    let sum = sum.into_inner().unwrap_or_default();
    tell(out, asked, &sum)
}

fn work(asked: &Asked, next: &AtomicU64, until: Option<Instant>, sum: &Mutex<Sum>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let is_over = until.is_some_and(|until| Instant::now() >= until) && number >= asked.least;
        if is_over || number >= asked.seeds {
            return;
        }
        let seed = asked.from.wrapping_add(number);
        let began = cpu_time();
        let report = run(Options { seed, is_told: false, ..asked.options });
        let Ok(mut sum) = sum.lock() else { return };
        sum.runs += 1;
        sum.busy += cpu_time().saturating_sub(began);
        sum.seconds += report.seconds;
        sum.committed += report.committed;
        sum.operations += report.operations;
        sum.marks.merge(&report.marks);
        // The lines of several threads do not mix: each is one call.
        let mut told = std::io::stderr();
        if let Some(failure) = report.failure {
            let _ = writeln!(told, "seed {seed} FAILED after {} s: {failure}", report.seconds);
            sum.failed.push((seed, failure.to_string()));
        }
        if sum.runs % TOLD_EVERY == 0 {
            let (runs, failed) = (sum.runs, sum.failed.len());
            let _ = writeln!(told, "{runs} runs, {} virtual hours, {failed} failed", sum.seconds / 3600);
        }
    }
}

/// Time that this thread has had a processor, or the time of the day where the system does not tell.
fn cpu_time() -> Duration {
    static BEGAN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let on_cpu = told.and_then(|line| line.split_whitespace().next()?.parse().ok());
    on_cpu.map_or_else(|| BEGAN.elapsed(), Duration::from_nanos)
}

fn tell(out: &mut impl Write, asked: &Asked, sum: &Sum) -> std::io::Result<bool> {
    for (mark, count) in sum.marks.iter() {
        writeln!(out, "{count:>10}  {mark}")?;
    }
    let is_long = sum.runs >= RUNS_LONG && !asked.options.is_standalone;
    let mut missing = if is_long { sum.marks.missing(WANTED) } else { Vec::new() };
    if is_long && !asked.options.is_plain {
        missing.extend(sum.marks.missing(WANTED_BEYOND_PLAIN));
    }
    for mark in &missing {
        writeln!(out, "never reached: {mark}")?;
    }
    let busy_ms = sum.busy.as_millis().max(1);
    let per_second = u128::from(sum.seconds) * 1000 / busy_ms;
    writeln!(
        out,
        "{} runs, {} virtual hours, {per_second} virtual seconds per CPU second, {} transactions, {} operations",
        sum.runs,
        sum.seconds / 3600,
        sum.committed,
        sum.operations
    )?;
    let mut failed = sum.failed.clone();
    failed.sort();
    for (seed, failure) in &failed {
        writeln!(out, "FAILED seed {seed}: {failure}")?;
    }
    writeln!(out, "{} passed, {} failed", sum.runs - failed.len() as u64, failed.len() + missing.len())?;
    Ok(failed.is_empty() && missing.is_empty())
}

/// A session of so many runs must have reached every mark.
const RUNS_LONG: u64 = 300;
/// Runs between two lines of progress.
const TOLD_EVERY: u64 = 200;
