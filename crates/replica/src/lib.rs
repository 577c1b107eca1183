//! One peer as a pure state machine: events in, effects out.
//!
//! ```text
//! Event ─▶ Replica::step ─▶ Effect::Append ─▶ (log) ─▶ Event::Durable ─▶ Replica::step ─▶ Effect::Apply ─▶ carry_out
//! ```
//!
//! * [`Replica`] decides; it reads the applied state and never changes it.
//! * [`carry_out`] applies what was decided, writes replies and events into outboxes.
//! * [`recover`] builds the state from snapshots and log.
//! * **Invariant:** no clock, no randomness, no IO, no hash order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod attachments;
mod carry_out;
mod containers;
mod effect;
mod event;
mod note;
mod peer;
mod primary;
mod recover;
mod sessions_report;
mod standalone;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::State;

use peer::Peer;

pub use carry_out::{CarryReport, Outboxes, carry_out};
pub use effect::{Effect, HaltReason, LocalReply, Mode, Origin, PeerEffect};
pub use event::Event;
pub use note::{Level, Note};
pub use peer::{ObserverSettings, PeerReport, PeerSettings, PeerStart, SessionModes};
pub use pipeline::event::{ClientRequest, ConnectionId};
pub use pipeline::sessions::SessionReport;
pub use recover::{RecoverError, RecoverSettings, Recovered, Skipped, SnapshotReader, Trailer, recover};
pub use sessions_report::SessionsReport;
pub use standalone::Standalone;

/// One peer.
#[derive(Debug)]
pub struct Replica {
    role: Role,
}

/// What a peer is at the moment.
#[derive(Debug)]
enum Role {
    /// A server without an ensemble: what is durable here is committed.
    Standalone(Box<Standalone>),
    /// A member of an ensemble.
    Peer(Box<Peer>),
}

/// What a replica cannot know by itself.
#[derive(Debug, Clone, Copy)]
pub struct ReplicaSeed {
    /// Milliseconds of the machine's monotonic clock, the middle of the session ids given out from now on.
    pub monotonic_ms: u64,
    /// Wall time.
    pub wall_ms: i64,
}

impl Replica {
    /// Starts a standalone server over a recovered state.
    ///
    /// The first effects close the sessions whose ephemerals are there without them.
    pub fn standalone(
        settings: Arc<PipelineSettings>,
        seed: ReplicaSeed,
        state: &State,
        now: Millis,
        out: &mut Vec<Effect>,
    ) -> Self {
        Self { role: Role::Standalone(Box::new(Standalone::new(settings, seed, state, now, out))) }
    }

    /// Starts a member of an ensemble over a recovered state, which is all that its log holds.
    ///
    /// It looks for a leader at once.
    pub fn peer(
        settings: Arc<PipelineSettings>,
        peer: PeerSettings,
        start: PeerStart,
        seed: ReplicaSeed,
        state: &State,
        now: Millis,
        out: &mut Vec<Effect>,
    ) -> Self {
        Self { role: Role::Peer(Box::new(Peer::new(settings, peer, start, seed, state, now, out))) }
    }

    /// Handles one event.
    pub fn step(&mut self, now: Millis, event: impl Into<Event>, state: &State, out: &mut Vec<Effect>) {
        match (&mut self.role, event.into()) {
            (Role::Peer(peer), event) => peer.step(now, event, state, out),
            (Role::Standalone(standalone), Event::Server(event)) => standalone.step(now, event, state, out),
            // A server without an ensemble has asked for none of these.
            (
                Role::Standalone(_),
                Event::Notification { .. }
                | Event::LearnerConnected { .. }
                | Event::LearnerPacket { .. }
                | Event::LearnerLost { .. }
                | Event::LogProbed { .. }
                | Event::Upstream { .. }
                | Event::AcceptedEpochWritten { .. }
                | Event::CurrentEpochWritten { .. }
                | Event::Truncated { .. }
                | Event::SnapshotInstalled { .. }
                | Event::HistoryGivenUp,
            ) => {}
        }
    }

    /// When `Event::Deadline` is due, if at all.
    pub fn next_deadline(&self) -> Option<Millis> {
        match &self.role {
            Role::Standalone(standalone) => standalone.next_deadline(),
            Role::Peer(peer) => peer.next_deadline(),
        }
    }

    /// Number of requests that wait for their commit.
    pub fn outstanding(&self) -> usize {
        match &self.role {
            Role::Standalone(standalone) => standalone.outstanding(),
            Role::Peer(peer) => peer.outstanding(),
        }
    }

    /// When each session expires, for `dump`; a learner does not know.
    pub fn sessions_report(&self) -> SessionsReport {
        match &self.role {
            Role::Standalone(standalone) => standalone.sessions_report(),
            Role::Peer(peer) => peer.sessions_report(),
        }
    }

    /// What a member of an ensemble is doing; `None` for a server without one.
    pub fn report(&self) -> Option<PeerReport> {
        match &self.role {
            Role::Standalone(_) => None,
            Role::Peer(peer) => Some(peer.report()),
        }
    }

    /// Whether clients are served.
    pub fn is_serving(&self) -> bool {
        match &self.role {
            Role::Standalone(_) => true,
            Role::Peer(peer) => peer.is_serving(),
        }
    }
}
