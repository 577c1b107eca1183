//! What `cargo xtask codegen` makes of `jute-schemas/`.

pub mod data;
pub mod persistence;
pub(crate) mod proto;
pub mod quorum;
pub(crate) mod registry;
pub mod txn;
