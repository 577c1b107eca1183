//! The throttle of new sessions: a token bucket, and random refusal that rises while the bucket is empty.

use pipeline::time::Millis;

use crate::settings::BlueSettings;

/// Bucket and refusal probability; the caller brings the time and the dice.
///
/// * `tokens` is between 0 and the size of the bucket.
/// * `drop` is a probability.
// zk: BlueThrottle
#[derive(Debug)]
pub(crate) struct BlueThrottle {
    settings: BlueSettings,
    tokens: i32,
    last_fill: Millis,
    last_freeze: Millis,
    drop: f64,
}

/// What a client comes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// A new session that all servers know.
    Global,
    /// A new session that is this server's own.
    Local,
    /// The session that it had.
    Renewed,
}

impl BlueThrottle {
    /// A full bucket.
    #[must_use]
    pub(crate) fn new(settings: BlueSettings, now: Millis) -> Self {
        Self { tokens: settings.tokens, settings, last_fill: now, last_freeze: now, drop: 0.0 }
    }

    /// What it costs to let a client in.
    // zk: ZooKeeperServer.processConnectRequest
    #[must_use]
    pub(crate) fn cost(&self, what: Admission) -> i32 {
        match what {
            _ if !self.settings.weighted => 1,
            Admission::Global => self.settings.global_weight,
            Admission::Local => self.settings.local_weight,
            Admission::Renewed => self.settings.renew_weight,
        }
    }

    /// Takes `need` tokens, or refuses. `dice` is uniform in 0..1.
    // zk: BlueThrottle.checkLimit
    pub(crate) fn admit(&mut self, need: i32, now: Millis, dice: f64) -> bool {
        if self.settings.tokens == 0 {
            return true;
        }
        self.refill(now);
        if self.settings.freeze_time_ms != -1 && !self.admit_by_chance(now, dice) {
            return false;
        }
        if self.tokens < need {
            return false;
        }
        self.tokens -= need;
        true
    }

    /// Tokens that are missing.
    #[must_use]
    pub(crate) fn deficit(&self) -> i32 {
        self.settings.tokens - self.tokens
    }

    /// The refusal probability.
    #[must_use]
    pub(crate) fn drop_chance(&self) -> f64 {
        self.drop
    }

    fn refill(&mut self, now: Millis) {
        let elapsed = i64::try_from(now.since(self.last_fill)).unwrap_or(i64::MAX);
        let fill_time = i64::from(self.settings.fill_time_ms).max(1);
        if elapsed > fill_time {
            let refill = elapsed.saturating_mul(i64::from(self.settings.fill_count)) / fill_time;
            let filled = i64::from(self.tokens).saturating_add(refill).min(i64::from(self.settings.tokens));
            self.tokens =
                i32::try_from(filled).ok().filter(|tokens| *tokens >= 0).unwrap_or(self.settings.tokens);
            self.last_fill = now;
        }
    }

    // zk: BlueThrottle.checkBlue
    fn admit_by_chance(&mut self, now: Millis, dice: f64) -> bool {
        let frozen = u64::try_from(self.settings.freeze_time_ms).unwrap_or(0);
        if now.since(self.last_freeze) > frozen {
            let missing = self.deficit();
            let falls_from = (f64::from(self.settings.tokens) * self.settings.decrease_ratio).round();
            if missing == self.settings.tokens && self.drop < 1.0 {
                self.drop = (self.drop + self.settings.drop_increase).min(1.0);
            } else if f64::from(missing) <= falls_from && self.drop > 0.0 {
                self.drop = (self.drop - self.settings.drop_decrease).max(0.0);
            }
            self.last_freeze = now;
        }
        dice >= self.drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(tokens: i32) -> BlueSettings {
        BlueSettings {
            tokens,
            fill_time_ms: 10,
            fill_count: 2,
            freeze_time_ms: -1,
            drop_increase: 0.5,
            drop_decrease: 0.25,
            decrease_ratio: 0.0,
            weighted: false,
            global_weight: 3,
            local_weight: 1,
            renew_weight: 2,
        }
    }

    #[test]
    fn an_empty_bucket_refuses_until_it_fills() {
        let mut throttle = BlueThrottle::new(settings(2), Millis(0));
        let rows = [
            (0, true),
            (0, true),
            (5, false),
            (10, false),
            (11, true),
            (12, true),
            (13, false),
            (1000, true),
        ];
        for (at, wanted) in rows {
            assert_eq!(throttle.admit(1, Millis(at), 0.5), wanted, "at {at}");
        }
        assert_eq!(throttle.deficit(), 1);
    }

    #[test]
    fn no_tokens_means_no_throttle() {
        let mut throttle = BlueThrottle::new(settings(0), Millis(0));
        assert!((0..1000).all(|_| throttle.admit(5, Millis(0), 0.0)));
    }

    #[test]
    fn refusals_rise_while_the_bucket_is_empty_and_fall_when_it_is_full() {
        let blue = BlueSettings { freeze_time_ms: 1, fill_time_ms: 1_000_000, ..settings(1) };
        let mut throttle = BlueThrottle::new(blue, Millis(0));
        assert!(throttle.admit(1, Millis(1), 0.9));
        for (at, chance) in [(3, 0.5), (6, 1.0), (9, 1.0)] {
            assert!(!throttle.admit(1, Millis(at), 0.9));
            assert!((throttle.drop_chance() - chance).abs() < 1e-9, "at {at}");
        }
        // The next call fills the bucket, so the probability falls.
        assert!(!throttle.admit(1, Millis(3_000_000), 0.7));
        assert!((throttle.drop_chance() - 0.75).abs() < 1e-9);
    }

    #[test]
    fn weights_count_only_when_enabled() {
        let weighted = BlueSettings { weighted: true, ..settings(9) };
        assert_eq!(BlueThrottle::new(settings(9), Millis(0)).cost(Admission::Renewed), 1);
        assert_eq!(BlueThrottle::new(weighted.clone(), Millis(0)).cost(Admission::Global), 3);
        assert_eq!(BlueThrottle::new(weighted.clone(), Millis(0)).cost(Admission::Local), 1);
        assert_eq!(BlueThrottle::new(weighted, Millis(0)).cost(Admission::Renewed), 2);
    }
}
