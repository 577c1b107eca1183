//! What a load has measured.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::connection::Kind;

/// From this on latencies are cut off: a minute.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
/// Replies that a thread keeps, which is a gigabyte: an hour at 10,000 a second.
const REPLIES_MAX: usize = 1 << 26;
/// Latencies are kept to a thousandth.
const DIGITS: u8 = 3;

/// The replies of a window.
#[derive(Debug)]
pub(super) struct Tally {
    /// Latencies of reads in nanoseconds.
    pub(super) reads: Histogram<u64>,
    /// Of writes, and of events.
    pub(super) writes: Histogram<u64>,
    /// How often each error code was the reply.
    pub(super) errors: BTreeMap<i32, u64>,
    /// Successful operations in each second of the window.
    pub(super) per_second: Vec<u64>,
    /// Of each successful operation when it came, counted from the window's begin, and its latency, where they are asked for.
    pub(super) replies: Option<Vec<(u64, u64)>>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS)
                .expect("invariant: bounds that are in order")
        };
        let (reads, writes) = (histogram(), histogram());
        Self { reads, writes, errors: BTreeMap::new(), per_second: Vec::new(), replies: None }
    }

    /// The same, which keeps each reply if that is asked for.
    pub(super) fn keeping(replies: bool) -> Self {
        Self { replies: replies.then(Vec::new), ..Self::new() }
    }

    /// A reply came `into_ns` into the window.
    pub(super) fn record(&mut self, kind: Kind, latency_ns: u64, error: i32, into_ns: u64) {
        if error != 0 {
            *self.errors.entry(error).or_default() += 1;
            return;
        }
        match kind {
            Kind::Read => self.reads.saturating_record(latency_ns),
            Kind::Write => self.writes.saturating_record(latency_ns),
            Kind::Part => return,
        }
        if let Some(replies) = self.replies.as_mut().filter(|replies| replies.len() < REPLIES_MAX) {
            replies.push((into_ns, latency_ns));
        }
        let second = usize::try_from(into_ns / NANOS_PER_SECOND).unwrap_or(usize::MAX);
        if self.per_second.len() <= second {
            self.per_second.resize(second.saturating_add(1), 0);
        }
        if let Some(count) = self.per_second.get_mut(second) {
            *count += 1;
        }
    }

    /// Takes in what another thread measured in the same window.
    pub(super) fn add(&mut self, other: &Self) {
        let fits = "invariant: histograms of the same bounds";
        self.reads.add(&other.reads).expect(fits);
        self.writes.add(&other.writes).expect(fits);
        for (error, count) in &other.errors {
            *self.errors.entry(*error).or_default() += count;
        }
        if let Some((replies, others)) = self.replies.as_mut().zip(other.replies.as_ref()) {
            replies.extend(others);
        }
        let seconds = self.per_second.len().max(other.per_second.len());
        self.per_second.resize(seconds, 0);
        for (sum, count) in self.per_second.iter_mut().zip(&other.per_second) {
            *sum += count;
        }
    }

    /// Number of successful operations.
    pub(super) fn count(&self) -> u64 {
        self.reads.len() + self.writes.len()
    }

    /// Number of replies with an error.
    pub(super) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Latencies of all.
    pub(super) fn all(&self) -> Histogram<u64> {
        let mut all = self.reads.clone();
        all.add(&self.writes).expect("invariant: histograms of the same bounds");
        all
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_make_one_tally() {
        let (mut one, mut other) = (Tally::keeping(true), Tally::keeping(true));
        one.record(Kind::Read, 1_000, 0, 0);
        one.record(Kind::Write, 3_000, -101, 0);
        other.record(Kind::Write, 2_000, 0, 2_500_000_000);
        other.record(Kind::Part, 2_000, 0, 0);
        one.add(&other);
        assert_eq!((one.count(), one.failed()), (2, 1));
        assert_eq!(one.per_second, [1, 0, 1]);
        assert_eq!(one.errors, [(-101, 1)].into());
        assert_eq!(one.replies, Some(vec![(0, 1_000), (2_500_000_000, 2_000)]));
        assert_eq!((one.all().min(), one.all().len()), (1_000, 2));
    }
}
