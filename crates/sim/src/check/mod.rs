//! What must hold, by the names of the reliability notes: Z1-Z10, C1-C7, W1-W6, E1-E4.
//!
//! * [`Ledger`] looks at every step: histories, leaders, epochs, sessions.
//! * [`History`] keeps what clients asked and heard; [`replay`] holds it against the committed transactions, one by one.

mod history;
mod ledger;
mod model;
pub(crate) mod replay;
pub(crate) mod watches;

use std::fmt;

pub(crate) use history::{Asked, Heard, History, Op, OpId, Returned};
pub(crate) use ledger::Ledger;

/// Something that must hold does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which of the invariants.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

impl Failure {
    pub(crate) fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self { invariant, what: what.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}
