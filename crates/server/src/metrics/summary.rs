//! Counters and summaries over plain atomics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// A number that only rises, until it is reset.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The number now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// The newest value; `srst` leaves it.
#[derive(Debug, Default)]
pub(crate) struct Latest(AtomicI64);

impl Latest {
    /// Takes the place of the value before.
    pub(crate) fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    pub(crate) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }

    pub(super) fn lines(&self, name: &str, out: &mut dyn FnMut(String, String)) {
        out(name.to_owned(), self.get().to_string());
    }

    pub(super) fn reset(&self) {}
}

/// Average, least, greatest, count and sum.
// zk: AvgMinMaxCounter
#[derive(Debug)]
pub(crate) struct Summary {
    total: AtomicU64,
    count: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            total: AtomicU64::new(0),
            count: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }
}

impl Summary {
    /// Takes in one value.
    pub(crate) fn add(&self, value: u64) {
        self.add_many(value, 1);
    }

    fn add_many(&self, value: u64, count: u64) {
        self.total.fetch_add(value.wrapping_mul(count), Relaxed);
        self.count.fetch_add(count, Relaxed);
        self.min.fetch_min(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    pub(super) fn lines(&self, name: &str, out: &mut dyn FnMut(String, String)) {
        let (total, count) = (self.total.load(Relaxed), self.count.load(Relaxed));
        let min = self.min.load(Relaxed);
        out(format!("avg_{name}"), java_double(average(total, count)));
        out(format!("min_{name}"), if count == 0 { 0 } else { min }.to_string());
        out(format!("max_{name}"), self.max.load(Relaxed).to_string());
        out(format!("cnt_{name}"), count.to_string());
        out(format!("sum_{name}"), total.to_string());
    }

    pub(super) fn reset(&self) {
        self.total.store(0, Relaxed);
        self.count.store(0, Relaxed);
        self.min.store(u64::MAX, Relaxed);
        self.max.store(0, Relaxed);
    }
}

/// A summary with percentiles over a uniform sample.
// zk: AvgMinMaxPercentileCounter
#[derive(Debug, Default)]
pub(crate) struct Percentiles {
    summary: Summary,
    sample: Mutex<Sample>,
}

/// Values that the percentiles are taken from.
const SAMPLE_MAX: usize = 4096;

/// Values of which each that was seen is one with the same chance. Once it is full, the number of the next one that takes a place
/// is drawn, so that those before it need no dice (Li 1994, algorithm L).
#[derive(Debug, Default)]
struct Sample {
    values: Vec<u64>,
    seen: u64,
    /// How many will have been seen with the next value that is kept.
    next_kept: u64,
    /// The chance of a value to be kept, as far as it is drawn.
    weight: f64,
    dice: u64,
}

impl Percentiles {
    /// Takes in one value.
    pub(crate) fn add(&self, value: u64) {
        self.add_many(value, 1);
    }

    fn add_many(&self, value: u64, count: u64) {
        self.summary.add_many(value, count);
        self.sample.lock().unwrap_or_else(PoisonError::into_inner).add(value, count);
    }

    pub(super) fn lines(&self, name: &str, out: &mut dyn FnMut(String, String)) {
        self.summary.lines(name, out);
        let mut values = self.sample.lock().unwrap_or_else(PoisonError::into_inner).values.clone();
        values.sort_unstable();
        for (label, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)] {
            out(format!("{label}_{name}"), percentile(&values, quantile).to_string());
        }
    }

    pub(super) fn reset(&self) {
        self.summary.reset();
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Sample::default();
    }
}

impl Sample {
    fn add(&mut self, value: u64, count: u64) {
        let mut left = count;
        while left > 0 {
            if self.values.len() < SAMPLE_MAX {
                self.values.push(value);
                (self.seen, left) = (self.seen + 1, left - 1);
                if self.values.len() == SAMPLE_MAX {
                    self.weight = 1.0;
                    self.draw_next();
                }
                continue;
            }
            let step = left.min(self.next_kept - self.seen);
            (self.seen, left) = (self.seen + step, left - step);
            if self.seen == self.next_kept {
                let place = usize::try_from(self.roll()).unwrap_or(0) % SAMPLE_MAX;
                if let Some(kept) = self.values.get_mut(place) {
                    *kept = value;
                }
                self.draw_next();
            }
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number that is drawn"
    )]
    fn draw_next(&mut self) {
        self.weight *= (self.chance().ln() / SAMPLE_MAX as f64).exp();
        let passed = (self.chance().ln() / (-self.weight).ln_1p()).floor();
        self.next_kept = self.seen.saturating_add(passed as u64).saturating_add(1);
    }

    /// Between 0 and 1, and neither.
    #[expect(clippy::cast_precision_loss, reason = "32 bits")]
    fn chance(&mut self) -> f64 {
        ((self.roll() >> 32) as f64 + 0.5) / 2f64.powi(32)
    }

    /// A step of splitmix64: which values stay needs no better dice.
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Takes in values one after another and hands on equal ones at once, the last with its end: within a batch most are equal.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    to: &'a Percentiles,
    value: u64,
    count: u64,
}

impl<'a> Run<'a> {
    /// Values for `to`.
    pub(crate) fn of(to: &'a Percentiles) -> Self {
        Self { to, value: 0, count: 0 }
    }

    /// Takes in one value.
    pub(crate) fn add(&mut self, value: u64) {
        if value != self.value {
            self.hand_on();
            self.value = value;
        }
        self.count += 1;
    }

    fn hand_on(&mut self) {
        if self.count > 0 {
            self.to.add_many(self.value, std::mem::take(&mut self.count));
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.hand_on();
    }
}

/// A quantile by linear interpolation between ranks.
// zk: com.codahale.metrics.UniformSnapshot.getValue
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "ranks are at most 4096, and a percentile is shown rounded"
)]
fn percentile(sorted: &[u64], quantile: f64) -> u64 {
    let position = quantile * (sorted.len() + 1) as f64;
    let rank = position.floor().max(0.0) as usize;
    let (first, last) = (sorted.first().copied().unwrap_or(0), sorted.last().copied().unwrap_or(0));
    if rank < 1 {
        return first;
    }
    match (sorted.get(rank - 1), sorted.get(rank)) {
        (Some(lower), Some(upper)) => {
            (*lower as f64 + (position - position.floor()) * (*upper as f64 - *lower as f64)).round() as u64
        }
        _ => last,
    }
}

/// An average as the reference rounds it.
#[expect(clippy::cast_precision_loss, reason = "an average is shown with four digits")]
#[must_use]
pub(crate) fn average(total: u64, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    (total as f64 / count as f64 * 1e4).round() / 1e4
}

/// A number as Java's `Double.toString` prints it.
#[must_use]
pub(crate) fn java_double(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        let text = format!("{value:E}");
        return match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        };
    }
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(show: impl Fn(&mut dyn FnMut(String, String))) -> Vec<String> {
        let mut lines = Vec::new();
        show(&mut |name, value| lines.push(format!("{name} {value}")));
        lines
    }

    #[test]
    fn summaries_start_at_zero_and_go_back_to_it() {
        let summary = Summary::default();
        let zero = ["avg_x 0.0", "min_x 0", "max_x 0", "cnt_x 0", "sum_x 0"];
        assert_eq!(lines(|out| summary.lines("x", out)), zero);
        [3, 1, 7].into_iter().for_each(|value| summary.add(value));
        assert_eq!(
            lines(|out| summary.lines("x", out)),
            ["avg_x 3.6667", "min_x 1", "max_x 7", "cnt_x 3", "sum_x 11"]
        );
        summary.reset();
        assert_eq!(lines(|out| summary.lines("x", out)), zero);
    }

    #[test]
    fn percentiles_interpolate_as_the_reference_does() {
        let percentiles = Percentiles::default();
        (1..=100).for_each(|value| percentiles.add(value));
        let shown = lines(|out| percentiles.lines("x", out));
        assert_eq!(shown[5..], ["p50_x 51", "p95_x 96", "p99_x 100", "p999_x 100"]);
    }

    #[test]
    fn the_sample_stays_bounded_and_takes_from_all_that_was_seen() {
        let percentiles = Percentiles::default();
        (0..1_000_000).for_each(|value| percentiles.add(value));
        let mut values = percentiles.sample.lock().unwrap().values.clone();
        values.sort_unstable();
        assert_eq!(values.len(), SAMPLE_MAX);
        for (quantile, wanted) in [(0.1, 100_000), (0.5, 500_000), (0.9, 900_000)] {
            assert!(percentile(&values, quantile).abs_diff(wanted) < 30_000, "{quantile}: {values:?}");
        }
    }

    #[test]
    fn equal_values_count_the_same_at_once_and_one_by_one() {
        let (at_once, one_by_one) = (Percentiles::default(), Percentiles::default());
        let mut run = Run::of(&at_once);
        for number in 0..20_000 {
            run.add(number / 7 % 5);
            one_by_one.add(number / 7 % 5);
        }
        drop(run);
        let shown = |percentiles: &Percentiles| lines(|out| percentiles.lines("x", out));
        assert_eq!(shown(&at_once), shown(&one_by_one));
    }

    #[test]
    fn doubles_look_like_javas() {
        for (value, wanted) in [
            (0.0, "0.0"),
            (3.8182, "3.8182"),
            (4.0, "4.0"),
            (1e7, "1.0E7"),
            (1.25e8, "1.25E8"),
            (0.0001, "1.0E-4"),
        ] {
            assert_eq!(java_double(value), wanted);
        }
        assert_eq!(java_double(average(42, 11)), "3.8182");
    }
}
