//! Records added to the state of a snapshot, with as much tolerance as the snapshot needs.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use jute::txn::TxnDigest;
use jute::{TxnRecord, Zxid};
use tree::{State, digest};

use super::{Recovered, Skipped, Trailer};

/// How far records may already be in the state.
#[derive(Debug)]
enum Fuzzy {
    No,
    To(Trailer),
    /// The trailer's digest does not hold, which is right when a part of the next transaction is in the snapshot already:
    /// the reference notes a digest after the transaction. Then the digest in the next record holds.
    OneMore {
        why: String,
    },
    ToTheEnd,
}

impl Fuzzy {
    /// A trailer from before the snapshot, or from before any transaction, says nothing about it. Nothing was going on
    /// when the snapshot of an empty server was taken.
    // zk: DataTree.deserializeZxidDigest
    fn of(state: &State, trailer: Option<Trailer>) -> Self {
        let snapshot = state.last_processed_zxid();
        match trailer {
            Some(trailer) if trailer.zxid > Zxid::ZERO && trailer.zxid >= snapshot => Self::To(trailer),
            Some(_) | None if is_fresh(state) => Self::No,
            Some(_) | None => Self::ToTheEnd,
        }
    }
}

fn is_fresh(state: &State) -> bool {
    let fresh = State::new(*state.settings());
    state.last_processed_zxid() == Zxid::ZERO
        && state.digest() == fresh.digest()
        && state.node_count() == fresh.node_count()
        && state.sessions().next().is_none()
}

/// A state while records are added to it.
pub(super) struct Replay {
    state: State,
    fuzzy: Fuzzy,
    replayed: u64,
    digest_mismatches: u64,
    /// Newer snapshots, which the log must go through.
    newer: BTreeSet<Zxid>,
}

impl Replay {
    /// Behind a snapshot; `newer` are those that could not be used.
    pub(super) fn of_snapshot(
        state: State,
        trailer: Option<Trailer>,
        newer: impl Iterator<Item = Zxid>,
    ) -> Self {
        let fuzzy = Fuzzy::of(&state, trailer);
        let from = state.last_processed_zxid();
        // No record has the zxid that an epoch begins with, so no log goes through a snapshot at it: a leader may have sent it,
        // with all of an epoch that this server has never logged.
        let newer = newer.filter(|zxid| *zxid > from).collect();
        Self { state, fuzzy, replayed: 0, digest_mismatches: 0, newer }
    }

    /// From the beginning.
    pub(super) fn of_nothing(state: State) -> Self {
        Self { state, fuzzy: Fuzzy::No, replayed: 0, digest_mismatches: 0, newer: BTreeSet::new() }
    }

    pub(super) fn run<E: fmt::Display>(
        &mut self,
        records: impl Iterator<Item = Result<TxnRecord, E>>,
    ) -> Result<(), String> {
        let mut last_digest = None;
        self.check_trailer(self.state.last_processed_zxid(), None)?;
        for record in records {
            let record = record.map_err(|error| error.to_string())?;
            let zxid = record.header.zxid;
            self.check_order(zxid)?;
            self.apply(&record)?;
            self.replayed += 1;
            self.check_trailer(zxid, record.digest)?;
            last_digest = record.digest;
        }
        self.check_end(last_digest)
    }

    /// An error transaction may repeat the zxid before it, as the reference writes them.
    fn check_order(&mut self, zxid: Zxid) -> Result<(), String> {
        let last = self.state.last_processed_zxid();
        if zxid < last {
            return Err(format!("record {zxid} stands behind {last}"));
        }
        match self.newer.first().copied() {
            Some(newer) if newer < zxid => Err(format!(
                "the log goes on with {zxid} behind {last}, though there was a snapshot at {newer}"
            )),
            Some(newer) if newer == zxid => {
                self.newer.remove(&newer);
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn apply(&mut self, record: &TxnRecord) -> Result<(), String> {
        match self.fuzzy {
            Fuzzy::ToTheEnd | Fuzzy::To(_) | Fuzzy::OneMore { .. } => {
                self.state.apply_fuzzy(record).map_err(|error| error.to_string())
            }
            Fuzzy::No => {
                let result = self.state.apply(record, &mut |_| ()).map_err(|error| error.to_string())?;
                self.digest_mismatches += u64::from(result.digest.mismatch().is_some());
                Ok(())
            }
        }
    }

    /// Once the replay has reached the trailer's zxid the tree must have its digest, and is fuzzy no longer.
    // zk: DataTree.compareSnapshotDigests
    fn check_trailer(&mut self, zxid: Zxid, of_record: Option<TxnDigest>) -> Result<(), String> {
        match &self.fuzzy {
            Fuzzy::To(trailer) if zxid >= trailer.zxid => {
                let is_comparable = zxid == trailer.zxid
                    && trailer.version == digest::VERSION
                    && self.state.settings().digest_enabled;
                let (actual, expected) = (self.state.digest(), trailer.digest);
                self.fuzzy = match is_comparable && actual != expected {
                    true => Fuzzy::OneMore {
                        why: format!(
                            "the tree at {zxid} has digest {actual:#x}, the snapshot says {expected:#x}"
                        ),
                    },
                    false => Fuzzy::No,
                };
                Ok(())
            }
            Fuzzy::OneMore { why } if self.has(of_record) != Some(true) => Err(why.clone()),
            Fuzzy::OneMore { .. } => {
                self.fuzzy = Fuzzy::No;
                Ok(())
            }
            Fuzzy::To(_) | Fuzzy::No | Fuzzy::ToTheEnd => Ok(()),
        }
    }

    fn check_end(&mut self, last_digest: Option<TxnDigest>) -> Result<(), String> {
        if let Fuzzy::OneMore { why } = &self.fuzzy {
            return Err(why.clone());
        }
        if let Some(newer) = self.newer.first() {
            let last = self.state.last_processed_zxid();
            return Err(format!("the log ends with {last}, though there was a snapshot at {newer}"));
        }
        if matches!(self.fuzzy, Fuzzy::ToTheEnd) && self.has(last_digest) == Some(false) {
            self.digest_mismatches += 1;
        }
        Ok(())
    }

    /// Whether the tree has this digest, if the two can be compared.
    fn has(&self, expected: Option<TxnDigest>) -> Option<bool> {
        expected
            .filter(|expected| self.state.settings().digest_enabled && expected.version == digest::VERSION)
            .map(|expected| expected.tree_digest == self.state.digest())
    }

    pub(super) fn recovered(self, snapshot: Option<Zxid>, skipped: Vec<Skipped>) -> Recovered {
        let Self { state, fuzzy, replayed, digest_mismatches, .. } = self;
        let uncovered = match fuzzy {
            Fuzzy::To(trailer) => Some(trailer.zxid),
            Fuzzy::ToTheEnd | Fuzzy::OneMore { .. } | Fuzzy::No => None,
        };
        Recovered { state, snapshot, replayed, digest_mismatches, uncovered, skipped }
    }
}
