//! The learner's side: followers and observers.
//!
//! ```text
//! Dialling ─▶ Introduced ─▶ AcceptingEpoch ─▶ Awaiting ─┬─ DIFF ────────────────▶ Synchronising ─ NEWLEADER ─▶ Securing
//!                  └────────────────────────────▲       ├─ TRUNC ▶ Truncating ──▶      ▲                          │
//!                   epoch accepted before       ┘       └─ SNAP ─▶ Receiving ────────▶ ┘  └▶ Installing ──────────┤
//!                                                                                                                 ▼
//!                               Broadcasting ◀─ UPTODATE ── Acknowledged ◀─ ACK of NEWLEADER ── WritingEpoch ◀────┘
//! ```
//!
//! * **Invariant:** an ACK names only what is durable here; the ACK of NEWLEADER is the first of all ACKs, and the current epoch
//!   is written only when all that the leader sent before NEWLEADER is durable.
//! * **Invariant:** what is appended goes on from what was appended before: one more, or a newer epoch that is not above the
//!   leader's. In sync and in broadcast the same code appends and applies.
//! * A DIFF or TRUNC is appended as it comes and applied as it is committed, so a sync that ends early leaves a prefix of the
//!   leader's history. A SNAP changes nothing before NEWLEADER: then the state is adopted, what was committed meanwhile is
//!   applied, and the result is made durable, all asked for in one step.
//! * While the own disk is awaited, packets wait in a backlog.

mod action;
mod broadcast;
mod discovery;
mod history;
mod reconfig;
mod sync;
mod weight;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use ensemble::Verifier;
use jute::{TxnRecord, Zxid};

pub use action::{
    DIAL_ATTEMPTS, DIAL_PAUSE_MS, Departure, LearnerAction, LearnerNote, LearnerSettings, LearnerStart,
    Upstream,
};
pub use history::HELD_BYTES_MAX;

use crate::Packet;
use history::History;

/// A learner of one leader, from the election to the end of the link.
#[derive(Debug)]
pub struct Learner {
    settings: LearnerSettings,
    accepted_epoch: i32,
    current_epoch: i32,
    /// The epoch of the leader, from LEADERINFO on.
    epoch: i32,
    phase: Phase,
    mode: Option<SyncMode>,
    history: History,
    keeps_history: bool,
    /// Packets that came while the own disk was awaited.
    backlog: VecDeque<Packet>,
    backlog_bytes: usize,
    held_bytes_max: usize,
    /// The end of the leader's history that DIFF names; the transactions behind it are to lead there.
    diff_end: Zxid,
    /// The membership from NEWLEADER.
    config: Option<Arc<Verifier>>,
    /// When the leader was last heard, or when we last came back from waiting for our own disk.
    heard_ms: u64,
}

#[derive(Debug)]
enum Phase {
    /// The connection does not stand yet.
    Dialling,
    /// FOLLOWERINFO or OBSERVERINFO is sent; LEADERINFO is next.
    Introduced,
    /// The accepted epoch is being written.
    AcceptingEpoch,
    /// ACKEPOCH is sent; DIFF, TRUNC or SNAP is next.
    Awaiting,
    /// The log is being cut.
    Truncating(Zxid),
    /// The state behind SNAP is on its way.
    Receiving(Zxid),
    /// Transactions come, then NEWLEADER.
    Synchronising(Option<Adoption>),
    /// The received state is being made durable.
    Installing,
    /// NEWLEADER came; everything up to here must be durable first.
    Securing(Zxid),
    /// The current epoch is being written.
    WritingEpoch,
    /// NEWLEADER is acknowledged; UPTODATE is next.
    Acknowledged,
    /// Clients are served.
    Broadcasting,
    /// Nothing is of interest any longer.
    Left,
}

/// A received state, before it takes the place of ours.
#[derive(Debug)]
struct Adoption {
    zxid: Zxid,
    /// What to do for what was committed since, in order.
    committed: Vec<LearnerAction>,
    bytes: usize,
    /// Memberships that came into force with them: they wait until the state is on its way to the disk.
    // diverges(reconfig-activates-behind-the-snapshot): the reference leaves at once when its role changes
    activations: Vec<LearnerAction>,
}

/// How the history comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// What is missing.
    Diff,
    /// What is missing, after a cut.
    Trunc,
    /// All of it.
    Snap,
}

/// How far a learner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
// zk: QuorumPeer.ZabState, QuorumPeer.SyncMode
pub enum LearnerState {
    /// An epoch is agreed on.
    Discovery,
    /// The history comes; how, once that is known and until it is here.
    Synchronization(Option<SyncMode>),
    /// Clients are served.
    Broadcast,
}

impl Learner {
    /// Begins to learn.
    pub fn new(
        settings: LearnerSettings,
        start: LearnerStart,
        now_ms: u64,
        out: &mut Vec<LearnerAction>,
    ) -> Self {
        let within_ms = ticks(&settings, settings.init_limit);
        out.push(LearnerAction::Dial { leader: settings.leader, within_ms });
        Self {
            accepted_epoch: start.accepted_epoch,
            current_epoch: start.current_epoch,
            epoch: start.accepted_epoch,
            phase: Phase::Dialling,
            mode: None,
            history: History::new(start.last),
            keeps_history: start.keeps_history,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            held_bytes_max: HELD_BYTES_MAX,
            diff_end: Zxid::ZERO,
            config: None,
            heard_ms: now_ms,
            settings,
        }
    }

    /// Holds at most so many bytes in place of [`HELD_BYTES_MAX`].
    #[must_use]
    pub fn with_held_bytes_max(self, held_bytes_max: usize) -> Self {
        Self { held_bytes_max, ..self }
    }

    /// Something happened on the way to the leader.
    pub fn on_upstream(&mut self, now_ms: u64, what: Upstream, out: &mut Vec<LearnerAction>) {
        if self.has_left() {
            return;
        }
        if !self.phase.waits_for_own_disk() {
            self.heard_ms = now_ms;
        }
        match what {
            Upstream::Connected => self.on_connected(out),
            Upstream::Packet(packet) => self.on_packet(packet, out),
            Upstream::Receiving => {}
            Upstream::SnapshotReceived => self.on_snapshot_received(out),
            Upstream::Lost { why } => self.leave(Departure::Lost(why), out),
        }
    }

    /// The accepted epoch is durable.
    pub fn on_accepted_epoch_written(&mut self, now_ms: u64, out: &mut Vec<LearnerAction>) {
        if matches!(self.phase, Phase::AcceptingEpoch) {
            self.heard_ms = now_ms;
            self.accepted_epoch = self.epoch;
            self.acknowledge_epoch(Some(self.current_epoch), out);
        }
    }

    /// The current epoch is durable.
    pub fn on_current_epoch_written(&mut self, now_ms: u64, out: &mut Vec<LearnerAction>) {
        if matches!(self.phase, Phase::WritingEpoch) {
            self.heard_ms = now_ms;
            self.current_epoch = self.epoch;
            self.acknowledge_new_leader(out);
        }
    }

    /// The history was cut and ends with this zxid, state included; or it could not be cut.
    pub fn on_truncated(&mut self, now_ms: u64, outcome: Result<Zxid, String>, out: &mut Vec<LearnerAction>) {
        if let Phase::Truncating(to) = self.phase {
            self.heard_ms = now_ms;
            self.go_on_truncated(to, outcome, out);
            self.work_off_backlog(out);
        }
    }

    /// The snapshot is durable and all that was before it is void.
    pub fn on_snapshot_installed(&mut self, now_ms: u64, out: &mut Vec<LearnerAction>) {
        if matches!(self.phase, Phase::Installing) {
            self.heard_ms = now_ms;
            self.go_on_installed(out);
            self.work_off_backlog(out);
        }
    }

    /// The own log holds everything up to here.
    pub fn on_durable(&mut self, now_ms: u64, zxid: Zxid, out: &mut Vec<LearnerAction>) {
        if self.has_left() {
            return;
        }
        self.history.on_durable(zxid);
        match self.phase {
            Phase::Securing(_) => {
                self.heard_ms = now_ms;
                self.secure(out);
            }
            Phase::Acknowledged | Phase::Broadcasting => self.acknowledge_durable(out),
            Phase::Dialling
            | Phase::Introduced
            | Phase::AcceptingEpoch
            | Phase::Awaiting
            | Phase::Truncating(_)
            | Phase::Receiving(_)
            | Phase::Synchronising(_)
            | Phase::Installing
            | Phase::WritingEpoch
            | Phase::Left => {}
        }
    }

    /// A moment that [`Learner::next_deadline`] named has come.
    pub fn on_deadline(&mut self, now_ms: u64, out: &mut Vec<LearnerAction>) {
        match self.deadline() {
            Some((deadline, what)) if now_ms >= deadline => self.leave(Departure::TimedOut(what), out),
            Some(_) | None => {}
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadline().map(|(deadline, _)| deadline)
    }

    /// Whether clients are served.
    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Broadcasting)
    }

    /// How far it is.
    pub fn state(&self) -> LearnerState {
        match self.phase {
            Phase::Dialling | Phase::Introduced | Phase::AcceptingEpoch => LearnerState::Discovery,
            Phase::Broadcasting => LearnerState::Broadcast,
            Phase::Acknowledged | Phase::Left => LearnerState::Synchronization(None),
            Phase::Awaiting
            | Phase::Truncating(_)
            | Phase::Receiving(_)
            | Phase::Synchronising(_)
            | Phase::Installing
            | Phase::Securing(_)
            | Phase::WritingEpoch => LearnerState::Synchronization(self.mode),
        }
    }

    /// The leader's epoch; before LEADERINFO the last one that was accepted.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// What was appended to the log and not applied yet, oldest first: the next role begins by applying it.
    #[must_use]
    pub fn into_pending(self) -> Vec<Arc<TxnRecord>> {
        if self.history.appends() { self.history.into_pending() } else { Vec::new() }
    }

    // zk: Socket.setSoTimeout: each read may take so long
    // diverges(learner-waits-for-uptodate): until UPTODATE the leader may be silent for initLimit ticks, also after the ACK of NEWLEADER
    fn deadline(&self) -> Option<(u64, &'static str)> {
        let (limit, what) = match self.phase {
            Phase::Dialling => (self.settings.init_limit, "connecting"),
            Phase::Introduced => (self.settings.init_limit, "LEADERINFO"),
            Phase::Awaiting => (self.settings.init_limit, "DIFF, TRUNC or SNAP"),
            Phase::Receiving(_) => (self.settings.init_limit, "the snapshot"),
            Phase::Synchronising(_) => (self.settings.init_limit, "NEWLEADER"),
            Phase::Acknowledged => (self.settings.init_limit, "UPTODATE"),
            Phase::Broadcasting => (self.settings.sync_limit, "a sign of life"),
            Phase::AcceptingEpoch
            | Phase::Truncating(_)
            | Phase::Installing
            | Phase::Securing(_)
            | Phase::WritingEpoch
            | Phase::Left => return None,
        };
        Some((self.heard_ms.saturating_add(ticks(&self.settings, limit)), what))
    }

    fn has_left(&self) -> bool {
        matches!(self.phase, Phase::Left)
    }

    fn leave(&mut self, why: Departure, out: &mut Vec<LearnerAction>) {
        self.phase = Phase::Left;
        self.backlog = VecDeque::new();
        out.push(LearnerAction::Leave { why });
    }

    fn unexpected(&mut self, what: &'static str, out: &mut Vec<LearnerAction>) {
        self.leave(Departure::Unexpected(what), out);
    }

    fn on_packet(&mut self, packet: Packet, out: &mut Vec<LearnerAction>) {
        match &self.phase {
            Phase::Truncating(_) | Phase::Installing => self.put_into_backlog(packet, out),
            Phase::Introduced => self.on_first_packet(packet, out),
            Phase::Awaiting => self.on_sync_packet(packet, out),
            Phase::Synchronising(_) | Phase::Securing(_) | Phase::WritingEpoch | Phase::Acknowledged => {
                self.on_history_packet(packet, out);
            }
            Phase::Broadcasting => self.on_broadcast_packet(packet, out),
            Phase::Dialling | Phase::AcceptingEpoch | Phase::Receiving(_) => {
                self.unexpected(packet.name(), out);
            }
            Phase::Left => {}
        }
    }

    fn put_into_backlog(&mut self, packet: Packet, out: &mut Vec<LearnerAction>) {
        self.backlog_bytes = self.backlog_bytes.saturating_add(weight::of_packet(&packet));
        self.backlog.push_back(packet);
        if self.backlog_bytes > self.held_bytes_max {
            self.leave(Departure::TooMuchHeld, out);
        }
    }

    fn work_off_backlog(&mut self, out: &mut Vec<LearnerAction>) {
        let backlog = mem::take(&mut self.backlog);
        self.backlog_bytes = 0;
        for packet in backlog {
            self.on_packet(packet, out);
        }
    }
}

impl Phase {
    /// Silence is our own doing then.
    fn waits_for_own_disk(&self) -> bool {
        match self {
            Self::AcceptingEpoch
            | Self::Truncating(_)
            | Self::Installing
            | Self::Securing(_)
            | Self::WritingEpoch => true,
            Self::Dialling
            | Self::Introduced
            | Self::Awaiting
            | Self::Receiving(_)
            | Self::Synchronising(_)
            | Self::Acknowledged
            | Self::Broadcasting
            | Self::Left => false,
        }
    }
}

fn ticks(settings: &LearnerSettings, count: u32) -> u64 {
    u64::from(settings.tick_ms) * u64::from(count)
}
