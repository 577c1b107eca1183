use alloc::collections::{BTreeSet, VecDeque};

use jute::SessionId;

/// So many are remembered; a request that is late by more sessions than that was lost long ago.
const ENDED_MAX: usize = 65_536;

/// The last sessions that ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended {
    known: BTreeSet<SessionId>,
    oldest_first: VecDeque<SessionId>,
}

impl Ended {
    /// Remembers one, and forgets the oldest where there are too many.
    pub(super) fn insert(&mut self, session: SessionId) {
        if !self.known.insert(session) {
            return;
        }
        self.oldest_first.push_back(session);
        if self.oldest_first.len() > ENDED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether it is remembered.
    pub(super) fn contains(&self, session: SessionId) -> bool {
        self.known.contains(&session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered() {
        let mut ended = Ended::default();
        for id in 0..=ENDED_MAX as i64 {
            ended.insert(SessionId(id));
            ended.insert(SessionId(id));
        }
        assert!(!ended.contains(SessionId(0)) && ended.contains(SessionId(1)));
        assert_eq!((ended.known.len(), ended.oldest_first.len()), (ENDED_MAX, ENDED_MAX));
    }
}
