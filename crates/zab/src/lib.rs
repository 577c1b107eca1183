//! The peer protocol: how an epoch begins, how a learner gets the leader's history, how transactions are broadcast.
//!
//! ```text
//! learner ── FOLLOWERINFO ─▶ leader      discovery: a quorum agrees on the next epoch
//!         ◀─ LEADERINFO ──── ── ACKEPOCH ─▶
//!         ◀─ DIFF | TRUNC | SNAP, transactions, NEWLEADER      synchronisation
//!         ── ACK, once all of it is durable ─▶  ◀─ UPTODATE
//!         ◀─ PROPOSAL ── ACK ─▶ ◀─ COMMIT       broadcast
//! ```
//!
//! * [`Leader`], [`Learner`] and [`Master`], which serves observers at a follower, decide; they know neither sockets nor files nor clocks: `now_ms` is a monotonic time.
//! * What must be durable before it is said is asked for by an action and confirmed by a call.
//! * **Invariant:** no hash order, no randomness; every packet is handled in every state.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod leader;
pub mod learner;
mod link;
pub mod master;
pub mod packet;
pub mod stream;
pub mod sync;

pub use leader::{Leader, LeaderAction, LeaderSettings};
pub use learner::{Learner, LearnerAction, LearnerSettings};
pub use link::{Attempt, LearnerReport, LinkId, LogProbe, Outgoing};
pub use master::{Master, MasterAction, MasterSettings};
pub use packet::{Introduction, Packet, PacketError, Request};
