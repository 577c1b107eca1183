use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::time::Millis;

/// Deadlines in bins of one tick: an element expires with the first whole tick after its deadline.
///
/// * Ticks are counted from the queue's beginning, for that is what who asks for the expired counts from.
/// * Each element is in exactly one bin.
// zk: ExpiryQueue
#[derive(Debug, Clone)]
pub struct ExpiryQueue<E> {
    origin: Millis,
    tick_ms: u64,
    deadlines: BTreeMap<E, Millis>,
    bins: BTreeMap<Millis, BTreeSet<E>>,
}

impl<E: Ord + Copy> ExpiryQueue<E> {
    /// An empty queue with bins of `tick_ms` from `origin` on.
    pub fn new(origin: Millis, tick_ms: u32) -> Self {
        let tick_ms = u64::from(tick_ms.max(1));
        Self { origin, tick_ms, deadlines: BTreeMap::new(), bins: BTreeMap::new() }
    }

    /// Gives an element, new or not, the time `timeout_ms` from now on.
    pub fn update(&mut self, element: E, now: Millis, timeout_ms: u64) {
        let bin = self.bin_of(now.plus(timeout_ms));
        if self.deadlines.get(&element) == Some(&bin) {
            return;
        }
        self.remove(element);
        self.deadlines.insert(element, bin);
        self.bins.entry(bin).or_default().insert(element);
    }

    /// Takes an element out.
    pub fn remove(&mut self, element: E) {
        let Some(bin) = self.deadlines.remove(&element) else { return };
        let Some(elements) = self.bins.get_mut(&bin) else { return };
        elements.remove(&element);
        if elements.is_empty() {
            self.bins.remove(&bin);
        }
    }

    /// Takes out all that has expired by now, the earliest first.
    pub fn expired(&mut self, now: Millis) -> Vec<E> {
        let mut expired = Vec::new();
        while let Some(entry) = self.bins.first_entry()
            && *entry.key() <= now
        {
            expired.extend(entry.remove());
        }
        for element in &expired {
            self.deadlines.remove(element);
        }
        expired
    }

    /// The bins with their elements, the earliest first.
    pub fn bins(&self) -> impl Iterator<Item = (Millis, impl Iterator<Item = E> + '_)> + '_ {
        self.bins.iter().map(|(bin, elements)| (*bin, elements.iter().copied()))
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    // zk: ExpiryQueue.roundToNextInterval
    fn bin_of(&self, deadline: Millis) -> Millis {
        let ticks = deadline.since(self.origin) / self.tick_ms + 1;
        self.origin.plus(ticks.saturating_mul(self.tick_ms))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;

    use super::*;

    #[test]
    fn deadlines_round_up_to_the_next_tick_since_the_beginning() {
        for (now, timeout_ms, alive, dead) in [
            (500, 4000, 6499, 6500),
            (501, 4000, 6499, 6500),
            (500, 3999, 4499, 4500),
            (2499, 4001, 8499, 8500),
        ] {
            let mut queue = ExpiryQueue::new(Millis(500), 2000);
            queue.update(7, Millis(now), timeout_ms);
            assert_eq!(queue.expired(Millis(alive)), vec![], "{now} {timeout_ms}");
            assert_eq!(queue.expired(Millis(dead)), vec![7], "{now} {timeout_ms}");
            assert!(queue.is_empty());
        }
    }

    #[test]
    fn an_update_moves_an_element_and_remove_takes_it_out() {
        let mut queue = ExpiryQueue::new(Millis(0), 10);
        queue.update(1, Millis(0), 10);
        queue.update(2, Millis(0), 10);
        queue.update(1, Millis(15), 10);
        queue.update(3, Millis(0), 10);
        queue.remove(3);
        assert_eq!(queue.expired(Millis(20)), vec![2]);
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.expired(Millis(30)), vec![1]);
    }
}
