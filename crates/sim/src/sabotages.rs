//! Known bugs, put in one by one.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rookeeper_sim::{MUTANTS, Mutant, Options, Sabotage, run};

use crate::Asked;

/// Each known bug is put in, and must be seen within its number of seeds.
pub(crate) fn all(out: &mut (impl Write + Send), asked: &Asked) -> std::io::Result<bool> {
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
