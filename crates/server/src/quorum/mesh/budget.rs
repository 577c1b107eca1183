//! How often something may happen: a bucket that fills at a steady rate.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens.
///
/// * `tokens` is between 0 and `max`.
#[derive(Debug)]
pub(super) struct Budget {
    tokens: u32,
    max: u32,
    every: Duration,
    filled: Instant,
}

impl Budget {
    /// A full bucket of `max` that gets one back in every `every`.
    pub(super) fn new(max: u32, every: Duration, now: Instant) -> Self {
        Self { tokens: max, max, every, filled: now }
    }

    /// Takes a token, or says when there will be one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        while self.tokens < self.max && self.filled + self.every <= now {
            self.tokens += 1;
            self.filled += self.every;
        }
        if self.tokens == self.max {
            self.filled = now;
        }
        if self.tokens == 0 {
            return Err(self.filled + self.every);
        }
        self.tokens -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut budget = Budget::new(2, second, start);
        let rows = [
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(1000)),
            (999, Err(1000)),
            (1000, Ok(())),
            (1500, Err(2000)),
            (2500, Ok(())),
            (2500, Err(3000)),
            (60_000, Ok(())),
            (60_000, Ok(())),
            (60_000, Err(61_000)),
        ];
        for (at, expected) in rows {
            let after = |ms| start + Duration::from_millis(ms);
            assert_eq!(budget.take(after(at)), expected.map_err(after), "at {at} ms");
        }
    }
}
