//! How long to wait before the next attempt to connect.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// The longest pause between two rounds over all hosts.
const PAUSE_MAX: Duration = Duration::from_millis(1000);
/// The first pause, doubled with each round that failed.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// Goes round the hosts from a random start, with a growing pause after each full round.
#[derive(Debug)]
pub(crate) struct Rotation {
    hosts: usize,
    next: usize,
    failures: usize,
}

impl Rotation {
    /// `hosts` is at least one.
    pub(crate) fn new(hosts: usize) -> Self {
        let start = usize::try_from(random() % hosts as u64).unwrap_or(0);
        Self { hosts, next: start, failures: 0 }
    }

    /// The index of the host to try now.
    pub(crate) fn next_host(&mut self) -> usize {
        let host = self.next;
        self.next = (self.next + 1) % self.hosts;
        host
    }

    /// An attempt failed; how long to wait before the next one.
    pub(crate) fn failed(&mut self) -> Duration {
        self.failures += 1;
        let rounds = self.failures / self.hosts;
        if !self.failures.is_multiple_of(self.hosts) {
            return Duration::ZERO;
        }
        let doublings = u32::try_from(rounds - 1).unwrap_or(u32::MAX).min(10);
        jitter((PAUSE_FIRST * 2_u32.pow(doublings)).min(PAUSE_MAX))
    }

    /// A connection that served was lost; how long to wait before the next attempt, so that a server which drops its
    /// clients at once is not hammered.
    pub(crate) fn lost(&self) -> Duration {
        jitter(PAUSE_FIRST)
    }

    /// Every host has been tried at least once since the last success.
    pub(crate) fn went_round(&self) -> bool {
        self.failures >= self.hosts
    }

    /// An attempt succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

/// Between half of the pause and all of it, so that many clients do not come back together.
fn jitter(pause: Duration) -> Duration {
    let permille = 500 + random() % 501;
    pause.mul_f64(permille as f64 / 1000.0)
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_gets_its_turn_before_a_pause() {
        let mut rotation = Rotation::new(3);
        let mut seen: Vec<usize> = (0..3).map(|_| rotation.next_host()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
        assert_eq!(rotation.failed(), Duration::ZERO);
        assert_eq!(rotation.failed(), Duration::ZERO);
        assert!(!rotation.went_round());
        assert!(rotation.failed() >= PAUSE_FIRST / 2);
        assert!(rotation.went_round());
    }

    #[test]
    fn the_pause_grows_to_its_limit() {
        let mut rotation = Rotation::new(1);
        let pauses: Vec<Duration> = (0..100).map(|_| rotation.failed()).collect();
        assert!(pauses.iter().all(|pause| *pause <= PAUSE_MAX));
        assert!(pauses[99] >= PAUSE_MAX / 2);
        rotation.succeeded();
        assert!(!rotation.went_round());
    }
}
