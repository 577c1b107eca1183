//! The hot ways of the server, each as one operation without network and sync.
//!
//! ```text
//! hot-ways                  times each way, and the lock protocol with 1 to 16 threads; hot-ways --help lists the options
//! hot-ways --ways           the names of the ways, each with a number of operations that is enough to count instructions
//! hot-ways --count WAY N    sets a way up, does it N times, ends: for `scripts/instructions`
//! ```

mod files;
mod locks;
mod requests;
mod world;

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use divan::counter::ItemsCount;

use locks::{Protocol, THREADS_MAX};

/// A way that is set up: each call is one operation.
type Operation = Box<dyn FnMut()>;

/// A hot way.
struct Way {
    name: &'static str,
    /// Operations of which the instructions are counted: so many that what comes once in a while comes often enough.
    operations: u32,
    set_up: fn() -> Operation,
}

/// All of them. The names are those in `compat-tests/bench/instructions.txt`.
const WAYS: &[Way] = &[
    Way { name: "codec-get", operations: 10_000, set_up: requests::codec },
    Way { name: "read-get-16", operations: 1000, set_up: requests::get_burst },
    Way { name: "read-exists-16", operations: 1000, set_up: requests::exists_burst },
    Way { name: "prepare-set", operations: 2000, set_up: requests::prepare_set },
    Way { name: "apply-set", operations: 2000, set_up: requests::apply_set },
    Way { name: "write-set", operations: 1000, set_up: requests::write_set },
    Way { name: "write-create-delete", operations: 1000, set_up: requests::create_delete },
    Way { name: "write-multi-10", operations: 200, set_up: requests::multi },
    Way { name: "watch-fire-100", operations: 50, set_up: requests::fire },
    Way { name: "log-append-64", operations: 100, set_up: files::append },
    Way { name: "log-decode-1000", operations: 10, set_up: files::decode },
    Way { name: "snapshot-load-10000", operations: 2, set_up: files::load },
];

/// Operations before the first that is timed.
const WARM_UP: usize = 3;
/// Requests of one thread in the lock protocol.
const REQUESTS: usize = 20_000;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["--ways"] => list(),
        ["--count", name, times] => count(name, times.parse().context("the number of operations")?),
        ["--count", ..] => bail!("--count takes the name of a way and a number"),
        _ => {
            divan::Divan::from_args().run_benches();
            Ok(())
        }
    }
}

fn list() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for way in WAYS {
        writeln!(out, "{} {}", way.name, way.operations)?;
    }
    Ok(())
}

fn count(name: &str, times: u32) -> Result<()> {
    let mut operation = set_up(name).with_context(|| format!("no way is called {name}"))?;
    (0..times).for_each(|_| operation());
    Ok(())
}

fn set_up(name: &str) -> Option<Operation> {
    WAYS.iter().find(|way| way.name == name).map(|way| (way.set_up)())
}

#[divan::bench(args = WAYS.iter().map(|way| way.name), min_time = 0.2)]
fn one_operation(bencher: divan::Bencher<'_, '_>, name: &str) {
    let mut operation = set_up(name).expect("invariant: the name is one of the list");
    (0..WARM_UP).for_each(|_| operation());
    bencher.bench_local(operation);
}

/// Threads start together, each with so many requests: enough that they meet even where processors are fewer. The times are
/// of all these in one thread, and the rate is that of one thread.
#[divan::bench(
    args = [Writes(0), Writes(10)],
    threads = [1, 2, 4, 8, THREADS_MAX],
    sample_size = 1,
    sample_count = 64,
)]
fn lock_protocol_20_000_requests(bencher: divan::Bencher<'_, '_>, writes: Writes) {
    let protocol = Protocol::new(writes.0);
    bencher.counter(ItemsCount::new(REQUESTS)).bench(|| (0..REQUESTS).for_each(|_| protocol.operation()));
}

/// How many of a hundred requests are writes.
#[derive(Debug, Clone, Copy)]
struct Writes(usize);

impl std::fmt::Display for Writes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} % writes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_can_be_gone_again_and_again() {
        for way in WAYS {
            let mut operation = (way.set_up)();
            (0..3).for_each(|_| operation());
        }
    }

    #[test]
    fn names_are_there_once() {
        for way in WAYS {
            assert_eq!(WAYS.iter().filter(|other| other.name == way.name).count(), 1, "{}", way.name);
        }
        assert!(count("no-such-way", 1).is_err());
    }

    #[test]
    fn threads_read_and_write_side_by_side() {
        let protocol = Protocol::new(10);
        std::thread::scope(|scope| {
            for _ in 0..THREADS_MAX {
                scope.spawn(|| (0..100).for_each(|_| protocol.operation()));
            }
        });
    }
}
