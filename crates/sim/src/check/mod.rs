//! What must hold, by the names of the reliability notes: Z1-Z10, C1-C7, W1-W6, E1-E4.
//!
//! * [`Ledger`] looks at every step: histories, leaders, epochs, sessions.
//! * [`History`] keeps what clients asked and heard; [`replay`] holds it against the committed transactions, one by one.

mod changes;
mod history;
mod ledger;
mod model;
mod reads;
pub(crate) mod replay;
mod standing;
mod watches;

use std::fmt;

pub(crate) use history::{Asked, Heard, History, Op, OpId, Returned};
pub(crate) use ledger::Ledger;

/// A container that the leader should have deleted by now.
pub(crate) fn container_left(state: &tree::State) -> Option<String> {
    let is_left = |node: &tree::NodeView<'_>| node.child_count() == 0 && node.stat_persisted().cversion > 0;
    state.containers().find(is_left).map(|node| node.path())
}

/// Whether a path is this one or lies below it.
pub(crate) fn is_at_or_below(path: &str, above: &str) -> bool {
    above == "/" || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

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
