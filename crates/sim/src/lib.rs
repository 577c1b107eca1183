//! A world in one thread: the real replicas and the real storage of an ensemble, with clients, on a network, disks and
//! clocks that go wrong by a seed.
//!
//! ```text
//!            agenda: (time, number) ─▶ what happens next
//!   clients ⇄ wires ⇄ servers: connections ⇄ replica ⇄ state          faults: kill, power loss, pause, cut, slow, …
//!                        │ election, quorum      │ disk thread ─▶ storage on a simulated disk
//!                        ▼                       ▼
//!                     ledger: every record, its place, the committed path ─▶ replay beside a model
//! ```
//!
//! * All that crosses the network is bytes, in the encoding of the real one.
//! * **Invariant:** the same seed gives the same course, byte for byte: no clock, no hash order, no other thread.
//! * Two phases: faults; then all is mended and must come to rest.

#![expect(clippy::wildcard_enum_match_arm, reason = "a checker looks at a few kinds of many")]

mod agenda;
mod check;
mod client;
mod clock;
mod faults;
mod marks;
mod net;
mod operator;
mod peer;
mod plan;
mod random;
mod rest;
mod rot;
mod run;
mod sabotage;
mod trace;
mod universe;
mod world;

pub use check::Failure;
pub use marks::{Marks, WANTED, WANTED_BEYOND_PLAIN};
pub use run::{Options, Report, run};
pub use sabotage::{MUTANTS, Mutant, Sabotage};
