//! `scenarios.txt` is true: each test that it names is there, and each bug that concerns an ensemble has one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rookeeper_sim::{MUTANTS, WANTED, WANTED_BEYOND_PLAIN};

/// What was learned of ensembles from the bugs of others: none may lose its test.
const NEEDED: &str = "
    3911 4646 4643 3023 4685 4394 4712 4541 4502 2845 335 975 1419 1420 1492 1653 2354
    L1 L2 L3 L4 L5 L6 L7 L8 L9 L10 L11 L12 L13 L14 L15
    4925 4785 3642 2872 3104 1136 2418 1154 1156 1489 1319 1324 1551 1367 3144 1264 1282 1081 1082 508 582 596 882 2623
    3701 3598 2325 261 3056 3644 3781 3231 2574 2211 1277 1046 1090 1573 4743 2247
    3127 3145 3125 3249 2201 3150 3512 3495 1097
    2307 4269 1387 1343 1191 1192 2959 764 1732 1805 1810 1817 1818 3109 900 2930 3756 2164 4220 2186 3769 4247 4787 1865
    2678 1697 1642
    2355 2926 3471 2725 1147 1496 1208 450 1382 3131 710 907 484 2886 1049 3110 3113 2797 1622 2774 1366 3863
    2172 2865 2819 3829 3814 2212 1783 1784 2014 4708";
/// At least so many bugs, counted by lines.
const LINES_MIN: usize = 60;

struct Scenario<'a> {
    ids: Vec<&'a str>,
    what: &'a str,
    tests: Vec<&'a str>,
}

fn scenarios() -> Vec<Scenario<'static>> {
    let text = include_str!("../scenarios.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &'static str| {
        let mut parts = line.split('|').map(str::trim);
        let mut next = || parts.next().unwrap_or_default();
        let (ids, what, tests) = (next(), next(), next());
        Scenario { ids: ids.split(',').collect(), what, tests: tests.split(';').map(str::trim).collect() }
    };
    lines.map(read).collect()
}

/// What is wrong with a reference to a test.
fn problem(crates: &Path, test: &str) -> Option<String> {
    let problem = |what: &str| Some(format!("{test}: {what}"));
    if let Some(name) = test.strip_prefix("mutant ") {
        let is_there = MUTANTS.iter().any(|mutant| mutant.name == name);
        return if is_there { None } else { problem("no such mutant") };
    }
    if let Some(name) = test.strip_prefix("mark ") {
        let is_there = WANTED.iter().chain(WANTED_BEYOND_PLAIN).any(|mark| *mark == name);
        return if is_there { None } else { problem("no such mark") };
    }
    let (file, function) = test.split_once("::").map_or((test, None), |(file, name)| (file, Some(name)));
    let Ok(text) = std::fs::read_to_string(crates.join(file)) else { return problem("no such file") };
    match function {
        Some(name) if !text.contains(&format!("fn {name}(")) => problem("no such function"),
        None if !file.contains("/tests/scripts/") => problem("neither a script nor a function"),
        Some(_) | None => None,
    }
}

#[test]
fn every_scenario_has_tests_that_are_there() {
    let crates: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let scenarios = scenarios();
    let problems: Vec<String> = scenarios
        .iter()
        .flat_map(|scenario| scenario.tests.iter().filter_map(|test| problem(&crates, test)))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(scenarios.iter().all(|scenario| !scenario.what.is_empty()));
    assert!(scenarios.len() >= LINES_MIN, "{}", scenarios.len());
}

#[test]
fn every_bug_that_concerns_an_ensemble_has_a_scenario() {
    let listed: BTreeSet<&str> = scenarios().iter().flat_map(|scenario| scenario.ids.clone()).collect();
    let missing: Vec<_> = NEEDED.split_whitespace().filter(|id| !listed.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
