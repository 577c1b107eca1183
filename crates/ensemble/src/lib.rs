//! Who is a member of the ensemble, and what is a quorum of it.
//!
//! * [`acks`]: who has acknowledged what, and how far a quorum has come.
//! * [`files`]: the text of the files that hold a membership.
//! * [`member`]: one `server.N=` line, parsed and printed as the reference does.
//! * [`reconfig`]: a membership made of another one, and all that may be wrong with it.
//! * [`verifier`]: the membership as a whole, its text form, majorities, weights and groups.
//!
//! Pure: nothing here resolves a name, opens a socket or reads a clock.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod acks;
pub mod files;
mod java_order;
pub mod member;
mod properties;
pub mod reconfig;
pub mod verifier;

pub use acks::{Acks, Quorums};
pub use member::{HostPort, LearnerType, Member, MemberError, PeerAddress, ServerId};
pub use reconfig::{Change, Refused, Rules};
pub use verifier::{ConfigError, Groups, Verifier};
