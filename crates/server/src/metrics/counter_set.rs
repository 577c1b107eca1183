use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::shell::lock;

/// Keys that are counted apart; a client that makes up more of them has the rest counted together.
const KEYS_MAX: usize = 1000;
/// What counts for all keys beyond that.
const OTHERS: &str = "others";

/// A counter for each of a few keys.
// zk: SimpleCounterSet
#[derive(Debug, Default)]
pub(crate) struct CounterSet(Mutex<BTreeMap<String, u64>>);

impl CounterSet {
    /// Counts one more for a key.
    pub(crate) fn add(&self, key: &str) {
        let mut counts = lock(&self.0);
        let key = if counts.len() < KEYS_MAX || counts.contains_key(key) { key } else { OTHERS };
        *counts.entry(key.to_owned()).or_default() += 1;
    }

    pub(super) fn lines(&self, name: &str, out: &mut dyn FnMut(String, String)) {
        for (key, count) in lock(&self.0).iter() {
            out(format!("{key}_{name}"), count.to_string());
        }
    }

    pub(super) fn reset(&self) {
        lock(&self.0).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(set: &CounterSet) -> Vec<(String, String)> {
        let mut shown = Vec::new();
        set.lines("refused", &mut |name, value| shown.push((name, value)));
        shown
    }

    #[test]
    fn each_key_has_a_line_of_its_own() {
        let set = CounterSet::default();
        ["b", "a", "b"].iter().for_each(|key| set.add(key));
        assert_eq!(lines(&set), [("a_refused".into(), "1".into()), ("b_refused".into(), "2".into())]);
        set.reset();
        assert_eq!(lines(&set), []);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let set = CounterSet::default();
        (0..KEYS_MAX + 5).for_each(|key| set.add(&key.to_string()));
        assert_eq!(lines(&set).len(), KEYS_MAX + 1);
        assert!(lines(&set).contains(&("others_refused".into(), "5".into())));
    }
}
