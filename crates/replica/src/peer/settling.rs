use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;

use jute::{TxnRecord, Zxid};

use super::step::Step;
use crate::{Effect, HaltReason, PeerEffect};

/// Between two roles: waits until the disk has all it was given, then makes the state equal to it.
///
/// * What was appended and never committed is applied here: the log holds it, so the vote counts it.
/// * A state that came from a leader and is not on disk goes.
#[derive(Debug)]
pub(super) struct Settling {
    pending: VecDeque<Arc<TxnRecord>>,
    reload: Reload,
}

/// Whether the state must be read from disk again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reload {
    /// It is what the log says.
    Needless,
    /// It is not, and the disk is not quiet yet.
    Wanted,
    /// It is being read.
    Asked,
}

impl Settling {
    /// `pending` is appended and not applied.
    pub(super) fn new(pending: VecDeque<Arc<TxnRecord>>, reload: Reload) -> Self {
        Self { pending, reload }
    }

    /// Goes on as far as the disk allows; true when there is no more to wait for.
    pub(super) fn proceed(&mut self, step: &mut Step<'_>) -> bool {
        if !step.member.history.is_settled() {
            return false;
        }
        if self.reload == Reload::Wanted {
            self.reload = Reload::Asked;
            // What is read holds all that was appended.
            self.pending.clear();
            step.member.history.reload(step.out);
            return false;
        }
        for record in self.pending.drain(..) {
            step.member.history.recent.push(Arc::clone(&record));
            step.out.push(Effect::Apply { record, origin: None });
        }
        let zxid = step.member.history.last_logged;
        step.want(PeerEffect::SetLastProcessed { zxid });
        true
    }

    /// A cut that the last role asked for, or the state is read again.
    pub(super) fn on_truncated(&mut self, step: &mut Step<'_>, outcome: &Result<Zxid, String>) {
        step.member.history.on_truncated(outcome);
        if let (Reload::Asked, Err(why)) = (self.reload, outcome) {
            let why = HaltReason::Reload { why: why.clone() };
            step.out.push(Effect::Halt { why });
        }
    }

    /// There is no history any longer.
    pub(super) fn on_given_up(&mut self, step: &mut Step<'_>) {
        self.pending.clear();
        step.member.history.on_given_up();
    }
}
