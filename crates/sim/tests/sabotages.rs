//! Each known bug, put in on purpose, is seen within its number of seeds. Slow without optimisation:
//! `cargo test --profile sim -p rookeeper-sim --features sabotage --test sabotages`, or `scripts/sim --sabotages`.

#![cfg(feature = "sabotage")]

use rookeeper_sim::{MUTANTS, Options, Sabotage, run};

#[test]
fn every_sabotage_is_seen() {
    let is_seen = |name: &str, seeds: u64| {
        let sabotage = Sabotage::named(name).unwrap_or_default();
        (1..=seeds).any(|seed| run(Options { seconds: 30, sabotage, ..Options::of(seed) }).failure.is_some())
    };
    let missed: Vec<_> = MUTANTS.iter().filter(|mutant| !is_seen(mutant.name, mutant.seeds)).collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert!(MUTANTS.len() >= 38);
}
