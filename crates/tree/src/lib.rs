//! The replicated state of one server, and what is read from it.
//!
//! * [`State`]: znodes, sessions, ACL table, quotas and digest; [`State::apply`] is the only way to change it.
//! * [`snapshot`]: a consistent picture of a state while it goes on changing, and a state from such a picture.
//! * [`Watches`]: who wants to hear of what; fired with the [`Trigger`]s of an apply.
//! * [`acl`], [`path`], [`quota`], [`ephemeral_owner`], [`digest`]: rules that reads, preparation and apply share.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod acl;
mod apply;
pub mod digest;
pub mod ephemeral_owner;
pub mod path;
pub mod quota;
pub mod snapshot;
mod state;
#[cfg(test)]
mod test_support;
pub mod watches;

pub use apply::{ApplyError, ApplyErrorKind, ClosedEphemeral, OpResult, TxnResult};
pub use digest::{DigestCheck, DigestMismatch, ZxidDigest};
pub use state::{Children, NodeView, State, StateSettings};
pub use watches::{ConnectionId, EventKind, Trigger, Watches};
