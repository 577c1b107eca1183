//! What the disk thread is told, and what it answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use jute::{TxnRecord, Zxid};
use replica::Event;
use tree::State;
use tree::snapshot::View;

use super::super::lock;

/// Transactions on their way to the log.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) records: Vec<Arc<TxnRecord>>,
    pub(crate) queued: Instant,
}

/// What the disk thread does, in the order in which it is told.
#[derive(Debug)]
pub(crate) enum DiskCommand {
    /// Append to the log; the durable zxid tells when it is synced.
    Append(Batch),
    /// Write `acceptedEpoch`.
    AcceptedEpoch(i32),
    /// Write `currentEpoch`.
    CurrentEpoch(i32),
    /// An ensemble serves with this history: it is no longer that of a standalone server.
    ForgetStandalone,
    /// Cut log and snapshots above a zxid and bring the state back.
    Truncate(Zxid),
    /// Write the state as the snapshot that voids what was before.
    InstallSnapshot(Box<View>),
    /// Set everything aside.
    GiveUpHistory(String),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct DiskAnswer {
    /// What the replica is told.
    pub(crate) event: Event,
    /// The state that takes the place of ours before it is told.
    pub(crate) state: Option<Box<State>>,
}

/// Answers that the replica thread has not taken yet. The disk thread never waits for it.
#[derive(Debug, Default)]
pub(crate) struct DiskAnswers(Mutex<VecDeque<DiskAnswer>>);

impl DiskAnswers {
    pub(crate) fn push(&self, answer: DiskAnswer) {
        lock(&self.0).push_back(answer);
    }

    pub(crate) fn pop(&self) -> Option<DiskAnswer> {
        lock(&self.0).pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}
