use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use pipeline::settings::ContainerSettings;
use pipeline::time::Millis;
use tree::ephemeral_owner::OwnerKind;
use tree::{NodeView, State};

/// Which znodes the server deletes by itself, and how fast.
// zk: ContainerManager
#[derive(Debug, Default)]
pub(crate) struct Containers {
    waiting: VecDeque<String>,
    due: Millis,
}

impl Containers {
    /// Looks for candidates, unless those of an earlier look still wait.
    pub(crate) fn check(&mut self, now: Millis, wall_ms: i64, state: &State, settings: &ContainerSettings) {
        if self.waiting.is_empty() {
            self.waiting = candidates(state, wall_ms, settings).into();
            self.due = now;
        }
    }

    /// The next candidate, when its time has come.
    pub(crate) fn next(&mut self, now: Millis, settings: &ContainerSettings) -> Option<String> {
        const MINUTE_MS: u64 = 60_000;
        if self.waiting.is_empty() || now < self.due {
            return None;
        }
        self.due = now.plus(MINUTE_MS / u64::from(settings.max_per_minute.max(1)));
        self.waiting.pop_front()
    }

    /// When the next candidate is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        (!self.waiting.is_empty()).then_some(self.due)
    }

    /// Forgets the candidates.
    pub(crate) fn stop(&mut self) {
        self.waiting.clear();
    }
}

// zk: ContainerManager.getCandidates
fn candidates(state: &State, wall_ms: i64, settings: &ContainerSettings) -> Vec<String> {
    let patience = settings.max_never_used_interval_ms;
    let containers = state.containers().filter(|node| is_used_up(node, wall_ms, patience));
    let expired = state.ttls().filter(|node| is_expired(node, wall_ms));
    let childless = containers.chain(expired).filter(|node| node.child_count() == 0);
    let mut candidates: Vec<String> = childless.map(|node| node.path()).collect();
    candidates.sort_unstable();
    candidates
}

/// A container counts as used once it had a child; `never_used_ms` is the patience with one that had none.
fn is_used_up(node: &NodeView<'_>, wall_ms: i64, never_used_ms: i64) -> bool {
    let stat = node.stat_persisted();
    stat.cversion > 0 || (never_used_ms != 0 && wall_ms.saturating_sub(stat.mtime) > never_used_ms)
}

fn is_expired(node: &NodeView<'_>, wall_ms: i64) -> bool {
    match node.kind() {
        OwnerKind::Ttl { ttl_ms } => {
            ttl_ms != 0 && wall_ms.saturating_sub(node.stat_persisted().mtime) > ttl_ms
        }
        OwnerKind::Persistent | OwnerKind::Session | OwnerKind::Container => false,
    }
}
