//! Many runs on several threads, and what they came to.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rookeeper_sim::{Marks, Options, WANTED, WANTED_BEYOND_PLAIN, run};

use crate::Asked;

/// Seeds that failed once: seed, seconds, what was wrong.
const REGRESSIONS: &str = include_str!("../regressions.txt");

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

/// One seed behind the other.
pub(crate) fn seeds(out: &mut impl Write, asked: &Asked) -> std::io::Result<bool> {
    let count = asked.seeds;
    let course =
        |number| (number < count).then(|| Options { seed: asked.from.wrapping_add(number), ..asked.options });
    all(out, asked, &course)
}

/// Every seed that failed once.
pub(crate) fn regressions(out: &mut impl Write, asked: &Asked) -> std::io::Result<bool> {
    let mut courses = Vec::new();
    for line in REGRESSIONS.lines().filter(|line| !line.starts_with('#')) {
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        let (Some(seed), Some(seconds)) = (numbers.next(), numbers.next()) else {
            writeln!(out, "`{line}` is not SEED SECONDS and a reason")?;
            return Ok(false);
        };
        courses.push(Options { seed, seconds, ..asked.options });
    }
    let course = |number: u64| courses.get(usize::try_from(number).ok()?).copied();
    all(out, asked, &course)
}

fn all(
    out: &mut impl Write,
    asked: &Asked,
    course: &(impl Fn(u64) -> Option<Options> + Sync),
) -> std::io::Result<bool> {
    let until = Instant::now().checked_add(Duration::from_secs(asked.minutes.saturating_mul(60)));
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| work(asked, course, &next, until, &sum));
        }
    });
    let sum = sum.into_inner().unwrap_or_default();
    tell(out, asked, &sum)
}

fn work(
    asked: &Asked,
    course: &impl Fn(u64) -> Option<Options>,
    next: &AtomicU64,
    until: Option<Instant>,
    sum: &Mutex<Sum>,
) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let is_over = until.is_some_and(|until| Instant::now() >= until) && number >= asked.least;
        let Some(options) = course(number).filter(|_| !is_over) else { return };
        let seed = options.seed;
        let began = cpu_time();
        let report = run(options);
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
