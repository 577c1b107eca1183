//! One run from its seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::check::Failure;
use crate::clock::SECOND;
use crate::marks::Marks;
use crate::plan::Plan;
use crate::sabotage::Sabotage;
use crate::world::World;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// All chance of the run.
    pub seed: u64,
    /// Virtual seconds in which faults come.
    pub seconds: u64,
    /// Whether the report has lines that tell the course.
    pub is_told: bool,
    /// One server without an ensemble.
    pub is_standalone: bool,
    /// Memberships never change, no server serves reads without a leader, and observers learn from the leader.
    pub is_plain: bool,
    /// A bug put in on purpose.
    pub sabotage: Sabotage,
}

impl Options {
    /// An ensemble for a minute.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self {
            seed,
            seconds: 60,
            is_told: false,
            is_standalone: false,
            is_plain: false,
            sabotage: Sabotage::default(),
        }
    }
}

/// How a run went.
#[derive(Debug)]
pub struct Report {
    /// What was wrong first.
    pub failure: Option<Failure>,
    /// A number that stands for the whole course.
    pub hash: u64,
    /// The marks that were reached.
    pub marks: Marks,
    /// Virtual seconds.
    pub seconds: u64,
    /// Committed transactions.
    pub committed: usize,
    /// Operations of clients.
    pub operations: usize,
    /// Leaders that were established.
    pub leaders: usize,
    /// The course in words, when it was asked for.
    pub lines: Vec<String>,
}

/// Runs a world to its end. A panic of a server is a failure like any other.
#[must_use]
pub fn run(options: Options) -> Report {
    let plan = Plan::draw(options);
    let mut world = World::new(plan, options.is_told);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| world.run())) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        world.universe.fail(Failure { invariant: "panic", what: text.to_owned() });
    }
    let u = &mut world.universe;
    if u.ledger.leader_count() > 1 {
        u.marks.reach("another leader");
    }
    Report {
        failure: u.failure.take(),
        hash: u.trace.hash(),
        marks: u.marks.clone(),
        seconds: u.now / SECOND,
        committed: u.ledger.committed_count(),
        operations: world.history.ops().len(),
        leaders: u.ledger.leader_count(),
        lines: u.trace.take_lines(),
    }
}
