//! What the digests of transactions prove: in the metrics at once, in the log at useful intervals.
//!
//! A digest is that of all paths, data and stats outside `/zookeeper` after its transaction; entries of ACLs, quotas and sessions are not in it.
//! One that is equal therefore proves also what came before it, a leader's snapshot included, which itself comes without a digest over
//! the wire.

use std::fmt;

use jute::Zxid;
use pipeline::time::Millis;
use replica::CarryReport;

use crate::metrics::Metrics;

/// So many transactions found equal are worth a line,
const LINE_EVERY_TXNS: u64 = 10_000;
/// if the last line is at least so old;
const LINE_EVERY_MS: u64 = 60 * 1000;
/// fewer are worth one after this time.
const LINE_AFTER_MS: u64 = 10 * 60 * 1000;

/// The proof since the server last took its state, or its place in the ensemble.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    equal: u64,
    last_equal: Option<Zxid>,
    differs_since: Option<Zxid>,
    said: Option<Said>,
}

#[derive(Debug)]
struct Said {
    equal: u64,
    at: Millis,
}

/// Writes it into the log.
pub(crate) fn log(line: &Line) {
    match line {
        Line::Equal { .. } => tracing::info!("{line}"),
        Line::EqualAgain { .. } => tracing::warn!("{line}"),
        Line::Differs { .. } | Line::StillDiffers { .. } => tracing::error!("{line}"),
    }
}

/// Something for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// All is well: INFO.
    Equal {
        /// Transactions found equal since the beginning.
        compared: u64,
        /// The newest of them.
        up_to: Zxid,
    },
    /// The first difference: ERROR.
    Differs {
        /// The transaction.
        zxid: Zxid,
        /// Its digest.
        expected: i64,
        /// That of our tree.
        actual: i64,
        /// The newest transaction that was found equal before.
        last_equal: Option<Zxid>,
    },
    /// It stays so: ERROR.
    StillDiffers {
        /// The first transaction that differed.
        since: Zxid,
    },
    /// Equal again: WARN.
    EqualAgain {
        /// The newest transaction.
        up_to: Zxid,
        /// The first transaction that differed.
        since: Zxid,
    },
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up_to =
            |zxid: &Option<Zxid>| zxid.map_or_else(|| "none before".to_owned(), |zxid| zxid.to_string());
        match self {
            Self::Equal { compared, up_to } => {
                write!(
                    f,
                    "digests equal up to zxid {up_to}: the tree was compared after {compared} transactions"
                )
            }
            Self::Differs { zxid, expected, actual, last_equal } => write!(
                f,
                "the digest of the tree is not that of the transaction: zxid {zxid} says {expected}, the tree has {actual}; \
                 last equal: {}",
                up_to(last_equal)
            ),
            Self::StillDiffers { since } => {
                write!(f, "the digest of the tree is not that of the transactions since zxid {since}")
            }
            Self::EqualAgain { up_to, since } => {
                write!(f, "digests equal again up to zxid {up_to}, after a difference at {since}")
            }
        }
    }
}

impl Digests {
    /// The state is another, or the server leaves its place: the proof begins anew, and its first success is worth a line.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// A synchronisation is done.
    pub(crate) fn synced(&mut self, now: Millis) -> Option<Line> {
        let up_to = self.last_equal.filter(|_| self.differs_since.is_none())?;
        self.say(now);
        Some(Line::Equal { compared: self.equal, up_to })
    }

    /// Takes in what was applied.
    pub(crate) fn applied(&mut self, now: Millis, report: &CarryReport, metrics: &Metrics) -> Vec<Line> {
        count(report, metrics);
        let mut lines = Vec::new();
        if let Some((zxid, mismatch)) = report.digest_mismatches.first()
            && self.differs_since.is_none()
        {
            self.differs_since = Some(*zxid);
            self.say(now);
            let (expected, actual) = (mismatch.expected, mismatch.actual);
            // Within the batch what was equal came before, for a difference stays, but for rare chance.
            let last_equal = report.last_digest_equal.filter(|equal| equal < zxid).or(self.last_equal);
            lines.push(Line::Differs { zxid: *zxid, expected, actual, last_equal });
        }
        self.equal += report.digests_equal;
        self.last_equal = report.last_digest_equal.or(self.last_equal);
        let last_mismatch = report.digest_mismatches.last().map(|(zxid, _)| *zxid);
        lines.extend(self.line(now, report, last_mismatch));
        lines
    }

    fn line(&mut self, now: Millis, report: &CarryReport, last_mismatch: Option<Zxid>) -> Option<Line> {
        if let Some(since) = self.differs_since {
            let equal =
                report.last_digest_equal.filter(|equal| last_mismatch.is_none_or(|last| last < *equal));
            if let Some(up_to) = equal {
                self.differs_since = None;
                self.say(now);
                return Some(Line::EqualAgain { up_to, since });
            }
            let is_due = last_mismatch.is_some() && self.silent_for(now) >= LINE_AFTER_MS;
            return is_due.then(|| {
                self.say(now);
                Line::StillDiffers { since }
            });
        }
        let up_to = report.last_digest_equal?;
        self.is_due(now).then(|| {
            self.say(now);
            Line::Equal { compared: self.equal, up_to }
        })
    }

    fn is_due(&self, now: Millis) -> bool {
        let Some(said) = &self.said else { return true };
        let silent = self.silent_for(now);
        silent >= LINE_AFTER_MS
            || (silent >= LINE_EVERY_MS && self.equal.saturating_sub(said.equal) >= LINE_EVERY_TXNS)
    }

    fn silent_for(&self, now: Millis) -> u64 {
        self.said.as_ref().map_or(u64::MAX, |said| now.since(said.at))
    }

    fn say(&mut self, now: Millis) {
        self.said = Some(Said { equal: self.equal, at: now });
    }
}

fn count(report: &CarryReport, metrics: &Metrics) {
    let differ = u64::try_from(report.digest_mismatches.len()).unwrap_or(u64::MAX);
    let compared = report.digests_equal.saturating_add(differ);
    metrics.digest_txns_compared.add(compared);
    metrics.digest_txns_equal.add(report.digests_equal);
    metrics.digest_txns_without.add(report.applied.saturating_sub(compared));
    metrics.digest_mismatches_count.add(differ);
    if let Some(zxid) = report.last_digest_equal {
        metrics.digest_last_equal_zxid.set(zxid.0);
    }
    if let Some((zxid, _)) = report.digest_mismatches.last() {
        metrics.digest_last_mismatch_zxid.set(zxid.0);
    }
}

#[cfg(test)]
mod tests {
    use tree::DigestMismatch;

    use super::*;

    fn equal(zxid: i64, count: u64) -> CarryReport {
        CarryReport {
            applied: count,
            digests_equal: count,
            last_digest_equal: Some(Zxid(zxid)),
            ..CarryReport::default()
        }
    }

    fn differs(zxid: i64) -> CarryReport {
        let mismatch = DigestMismatch { expected: 7, actual: -7 };
        CarryReport { applied: 1, digest_mismatches: vec![(Zxid(zxid), mismatch)], ..CarryReport::default() }
    }

    #[test]
    fn the_first_proof_is_told_then_each_ten_thousand_or_what_came_in_ten_minutes() {
        let (mut digests, metrics) = (Digests::default(), Metrics::default());
        let told = |compared, up_to| vec![Line::Equal { compared, up_to: Zxid(up_to) }];
        for (seconds, report, lines) in [
            (0, CarryReport { applied: 2, ..CarryReport::default() }, vec![]),
            (1, equal(3, 1), told(1, 3)),
            (2, equal(20_003, 20_000), vec![]),
            (61, equal(20_004, 1), told(20_002, 20_004)),
            (600, equal(20_005, 1), vec![]),
            (661, equal(20_006, 1), told(20_004, 20_006)),
            (2_000, CarryReport::default(), vec![]),
        ] {
            assert_eq!(digests.applied(Millis(seconds * 1000), &report, &metrics), lines, "{seconds}");
        }
        digests.begin();
        assert_eq!(digests.synced(Millis(661_500)), None);
        assert_eq!(digests.applied(Millis(662_000), &equal(20_007, 1), &metrics), told(1, 20_007));
        assert_eq!(digests.synced(Millis(663_000)), told(1, 20_007).pop());
        let counted =
            [&metrics.digest_txns_compared, &metrics.digest_txns_equal, &metrics.digest_txns_without];
        assert_eq!(counted.map(|counter| counter.get()), [20_005, 20_005, 2]);
        assert_eq!(metrics.digest_last_equal_zxid.get(), 20_007);
    }

    #[test]
    fn a_difference_is_told_with_its_transaction_and_its_end() {
        let (mut digests, metrics) = (Digests::default(), Metrics::default());
        let first = Line::Differs { zxid: Zxid(6), expected: 7, actual: -7, last_equal: Some(Zxid(5)) };
        let mut both = differs(6);
        (both.applied, both.digests_equal, both.last_digest_equal) = (3, 2, Some(Zxid(5)));
        assert_eq!(digests.applied(Millis(0), &both, &metrics), [first]);
        assert_eq!(digests.applied(Millis(1), &differs(7), &metrics), []);
        assert_eq!(
            digests.applied(Millis(600_000), &differs(8), &metrics),
            [Line::StillDiffers { since: Zxid(6) }]
        );
        let again = Line::EqualAgain { up_to: Zxid(9), since: Zxid(6) };
        assert_eq!(digests.applied(Millis(600_001), &equal(9, 1), &metrics), [again]);
        assert_eq!(metrics.digest_mismatches_count.get(), 3);
        assert_eq!(metrics.digest_last_mismatch_zxid.get(), 8);
    }
}
