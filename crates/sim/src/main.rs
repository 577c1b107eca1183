//! `rookeeper-sim SEED` tells one run; `rookeeper-sim --seeds N --minutes M` makes many.

mod many;
mod sabotages;

use std::io::Write;
use std::process::ExitCode;

use rookeeper_sim::{Options, Sabotage, run};

/// A run is a great many small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: rookeeper-sim SEED [--seconds S] [--standalone] [--quiet]
       rookeeper-sim --seeds N [--minutes M [--least N]] [--from SEED] [--seconds S] [--standalone | --plain] [--threads T]
       rookeeper-sim --regressions              the seeds that failed once
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
    regressions: bool,
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
        None if asked.sabotages => sabotages::all(&mut out, &asked),
        None if asked.regressions => many::regressions(&mut out, &asked),
        None => many::seeds(&mut out, &asked),
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
        regressions: false,
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
            "--regressions" => asked.regressions = true,
            "--sabotages" => asked.sabotages = true,
            "--sabotage" => asked.options.sabotage = Sabotage::named(&arguments.next()?)?,
            "--quiet" => asked.is_quiet = true,
            seed => asked.seed = Some(parse_number(seed)?),
        }
    }
    let is_complete = asked.seed.is_some() || asked.seeds > 0 || asked.regressions || asked.sabotages;
    is_complete.then_some(asked)
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
