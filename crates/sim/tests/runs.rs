//! Short runs: the same seed twice, a server alone. The seeds that failed once take an optimised build: `scripts/sim --regressions`.

#![expect(clippy::panic, reason = "a test that panics fails")]

use rookeeper_sim::{Options, Report, run};

fn passes(options: Options) -> Report {
    let report = run(options);
    if let Some(failure) = &report.failure {
        panic!(
            "seed {} fails: {failure}; `scripts/sim {} --seconds {}` tells it",
            options.seed, options.seed, options.seconds
        );
    }
    report
}

#[test]
fn the_same_seed_gives_the_same_course() {
    let options = Options { seconds: 6, ..Options::of(42) };
    let (first, second) = (passes(options), passes(options));
    assert_eq!((first.hash, first.committed, first.marks), (second.hash, second.committed, second.marks));
    assert_ne!(passes(Options { seed: 43, ..options }).hash, first.hash);
    assert!(first.committed > 50);
}

#[test]
fn a_server_alone_keeps_what_it_acknowledged() {
    let options = Options { seconds: 10, is_standalone: true, ..Options::of(5) };
    assert!(passes(options).committed > 50);
}
