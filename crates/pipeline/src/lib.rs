//! The request processors: decode, check, prepare to a transaction, reply; sessions; one client connection.
//!
//! A request passes through these types, each of its own stage:
//!
//! ```text
//! frame ─ request::Request ─ prepare::Prepared (jute::TxnRecord) ─ tree::TxnResult ─ reply bytes in an outbox::Outbox
//! ```
//!
//! * **Invariant:** no clock, no randomness, no IO; `now` and wall time are arguments.
//! * **Invariant:** nothing here changes [`tree::State`]; what is decided but not yet applied stands in [`changes::ChangesInFlight`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod auth;
pub mod changes;
pub mod connection;
mod create_mode;
pub mod event;
pub mod outbox;
pub mod prepare;
pub mod reply;
pub mod request;
pub mod sessions;
pub mod settings;
pub mod time;

pub use create_mode::CreateMode;
