//! Clocks of machines, which drift and jump; the world itself counts microseconds.

use pipeline::time::Millis;

/// Microseconds of the world since its beginning.
pub(crate) type Micros = u64;

/// A millisecond of the world.
pub(crate) const MS: Micros = 1000;
/// A second of the world.
pub(crate) const SECOND: Micros = 1_000_000;

const MILLION: u64 = 1_000_000;
/// Wall time when the world begins.
const WALL_MS: i64 = 1_700_000_000_000;

/// The clock of one machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// Its microseconds in a second of the world.
    pub(crate) rate: u64,
    /// Its reading when the world begins.
    pub(crate) offset: Micros,
    /// How far its wall time is off.
    pub(crate) wall_off_ms: i64,
}

impl Clock {
    /// The monotonic clock.
    pub(crate) fn monotonic(&self, now: Micros) -> Millis {
        Millis(self.local(now) / MS)
    }

    /// The wall clock.
    pub(crate) fn wall_ms(&self, now: Micros) -> i64 {
        WALL_MS + i64::try_from(now / MS).unwrap_or(i64::MAX) + self.wall_off_ms
    }

    /// When the monotonic clock shows this, at the earliest.
    pub(crate) fn when(&self, at: Millis) -> Micros {
        let local = at.0.saturating_mul(MS).saturating_sub(self.offset);
        let micros = u128::from(local) * u128::from(MILLION) / u128::from(self.rate);
        u64::try_from(micros).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn local(&self, now: Micros) -> Micros {
        let micros = u128::from(now) * u128::from(self.rate) / u128::from(MILLION);
        self.offset.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_reached_when_the_clock_says_so() {
        for rate in [500_000, 999_983, 1_000_000, 1_100_003] {
            let clock = Clock { rate, offset: 77_123, wall_off_ms: 0 };
            for at in [78, 1000, 123_456] {
                let when = clock.when(Millis(at));
                assert!(clock.monotonic(when) >= Millis(at), "{rate} {at}");
                assert!(clock.monotonic(when.saturating_sub(2 * MS + 2)) < Millis(at), "{rate} {at}");
            }
        }
    }
}
