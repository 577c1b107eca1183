use alloc::collections::VecDeque;
use alloc::sync::Arc;

use jute::TxnRecord;

use super::step::Step;
use crate::{Effect, PeerEffect};

/// Between two roles: waits until the disk has all it was given, then makes the state equal to it.
///
/// * What was appended and never committed is applied here: the log holds it, so the vote counts it.
#[derive(Debug)]
pub(super) struct Settling {
    pending: VecDeque<Arc<TxnRecord>>,
}

impl Settling {
    /// `pending` is appended and not applied, oldest first.
    pub(super) fn new(pending: VecDeque<Arc<TxnRecord>>) -> Self {
        Self { pending }
    }

    /// Goes on as far as the disk allows; true when there is no more to wait for.
    pub(super) fn proceed(&mut self, step: &mut Step<'_>) -> bool {
        if !step.member.history.is_settled() {
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

    /// There is no history any longer.
    pub(super) fn on_given_up(&mut self, step: &mut Step<'_>) {
        self.pending.clear();
        step.member.history.on_given_up();
    }
}
