//! FastLeaderElection as a pure machine: which peer leads, decided by votes that every peer tells every other.
//!
//! ```text
//!            look                    quorum for our proposal
//!   settled ──────▶ looking: open ───────────────────────────▶ looking: waiting for a better vote
//!      ▲               │  ▲                                      │                    │
//!      │               │  └───────────── a better vote ──────────┘                    │
//!      │               │ a quorum follows a leader, and it says that it leads         │ silence
//!      └───────────────┴──────────────────────────────────────────────────────────────┘
//! ```
//!
//! * [`notification`]: the message, in its three formats.
//! * [`vote`]: a vote, the order of votes, and when two votes agree.
//! * [`election`]: the machine. Time is an argument in milliseconds, and what is to be done comes out as [`Action`]s.
//!
//! What carries the messages (connections, handshakes, send queues) is not here, nor is the log from which our own vote
//! comes. **Invariant:** only the votes of voting members are ever counted.
// zk: FastLeaderElection, Vote
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod config;
pub mod election;
mod membership;
pub mod notification;
mod round;
mod settings;
pub mod vote;

pub use action::{Action, Decision, Level, Note, Unheeded};
pub use election::Election;
pub use notification::{Ignored, Notification, PeerState};
pub use settings::ElectionSettings;
pub use vote::{Candidate, Vote};
