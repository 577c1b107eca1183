use alloc::boxed::Box;

use pipeline::event::Event;
use pipeline::time::Millis;

use super::read_only::ReadOnly;
use super::refuse;
use super::step::Step;
use crate::PeerEffect;

/// Taking part in an election; when it does not end for a while, serving reads meanwhile.
///
/// * The state is what the log holds, and nothing changes it.
#[derive(Debug, Default)]
pub(super) struct Looking {
    /// When it begins to serve reads, unless a leader is found before.
    serves_from: Option<Millis>,
    read_only: Option<Box<ReadOnly>>,
}

/// The election has at least so much time before reads are served.
// zk: QuorumPeer.run
const GRACE_MIN_MS: u64 = 2_000;

impl Looking {
    pub(super) fn begin(step: &Step<'_>) -> Self {
        let peer = &step.member.peer;
        let grace_ms = GRACE_MIN_MS.max(peer.tick_ms.into());
        let serves_from = peer.modes.read_only.then(|| step.now.plus(grace_ms));
        Self { serves_from, read_only: None }
    }

    /// When there is something to do, beside the election.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.serves_from
    }

    pub(super) fn read_only(&self) -> Option<&ReadOnly> {
        self.read_only.as_deref()
    }

    /// Clients and timers.
    pub(super) fn on_server(&mut self, step: &mut Step<'_>, event: Event) {
        match &mut self.read_only {
            Some(read_only) => read_only.on_server(step, event),
            None => refuse(event, step.out),
        }
    }

    /// The election goes on.
    pub(super) fn proceed(&mut self, step: &mut Step<'_>) {
        if self.serves_from.is_some_and(|from| from <= step.now) {
            self.serves_from = None;
            self.read_only = Some(Box::new(ReadOnly::begin(step)));
        }
    }

    /// The election is over, or the process ends: no clients any longer.
    pub(super) fn end(self, step: &mut Step<'_>) {
        if self.read_only.is_some() {
            step.want(PeerEffect::StopServing);
        }
    }
}
