use alloc::collections::VecDeque;
use alloc::sync::Arc;

use jute::TxnRecord;

use pipeline::time::Millis;

use super::step::{Member, Step, spread};
use crate::{Effect, PeerEffect};

/// Rest after the second join in a row that came to nothing; twice as long after each further one.
const REST_MS: u64 = 50;
const MAX_REST_MS: u64 = 1_000;

/// Between two roles: waits until the disk has all it was given, then makes the state equal to it.
///
/// * What was appended and never committed is applied here: the log holds it, so the vote counts it.
/// * Who joins a leader again and again in vain rests before the next election: a settled leader may refuse it for ever,
///   and each round is work for all.
#[derive(Debug)]
pub(super) struct Settling {
    pending: VecDeque<Arc<TxnRecord>>,
    rests_until: Millis,
}

impl Settling {
    /// `pending` is appended and not applied, oldest first.
    pub(super) fn new(pending: VecDeque<Arc<TxnRecord>>) -> Self {
        Self { pending, rests_until: Millis(0) }
    }

    /// Rests, when this was not the first join in vain.
    // diverges(rest-after-vain-joins): the reference begins the next election at once, hundreds of times a second
    pub(super) fn after_vain_joins(mut self, count: u32, now: Millis) -> Self {
        if let Some(doublings) = count.checked_sub(2) {
            let rest_ms = 2_u64.saturating_pow(doublings).saturating_mul(REST_MS);
            self.rests_until = now.plus(rest_ms.min(MAX_REST_MS));
        }
        self
    }

    /// An observer rests, so that not all of them come at once.
    // zk: Observer.waitForObserverElectionDelay, waitForReconnectDelay
    // diverges(observer-delays): the reference waits for the second before it connects to the leader, also for the first time
    pub(super) fn after_observing(mut self, member: &Member, now: Millis) -> Self {
        let settings = member.peer.observers;
        let rest = |max_ms, salt| spread(member.peer.me, member.attempts.wrapping_add(salt), now, max_ms);
        let reconnect_ms = if settings.uses_masters { 0 } else { settings.reconnect_delay_ms };
        let rest_ms = rest(settings.election_delay_ms, 0).saturating_add(rest(reconnect_ms, 1 << 32));
        self.rests_until = self.rests_until.max(now.plus(rest_ms));
        self
    }

    /// When the rest is over; none while the disk is what is waited for.
    pub(super) fn next_deadline(&self, member: &Member) -> Option<Millis> {
        member.history.is_settled().then_some(self.rests_until)
    }

    /// Goes on as far as the disk allows; true when there is no more to wait for.
    pub(super) fn proceed(&mut self, step: &mut Step<'_>) -> bool {
        let rests = step.now < self.rests_until && !step.member.is_stopping;
        if rests || !step.member.history.is_settled() {
            return false;
        }
        for record in self.pending.drain(..) {
            step.member.history.recent.push(Arc::clone(&record));
            step.out.push(Effect::Apply { record, origin: None });
        }
        step.forget_unlogged();
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
