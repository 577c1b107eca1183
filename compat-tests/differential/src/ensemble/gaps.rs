//! The longest time without an acknowledged write.

use std::time::{Duration, Instant};

/// Acknowledgements since the last mark.
pub(super) struct Gaps {
    last: Instant,
    marked: Instant,
    longest: Duration,
    count: u64,
}

impl Gaps {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { last: now, marked: now, longest: Duration::ZERO, count: 0 }
    }

    pub(super) fn acknowledged(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
        self.count += 1;
    }

    /// A time without acknowledgement that lasts on is counted up to now, and whole again after the next mark.
    pub(super) fn mark(&mut self) -> String {
        let now = Instant::now();
        let longest = self.longest.max(now - self.last);
        let report = format!(
            "acknowledged={} ms={} gap_ms={:.1}",
            self.count,
            (now - self.marked).as_millis(),
            longest.as_secs_f64() * 1000.0
        );
        (self.marked, self.longest, self.count) = (now, Duration::ZERO, 0);
        report
    }
}
