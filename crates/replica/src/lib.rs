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

mod carry_out;
mod containers;
mod effect;
mod event;
mod note;
mod peer;
mod recover;
mod standalone;

use alloc::sync::Arc;
use alloc::vec::Vec;

use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::State;

pub use carry_out::{CarryReport, Outboxes, carry_out};
pub use effect::{Effect, HaltReason, LocalReply, Mode, Origin, PeerEffect};
pub use event::Event;
pub use note::{Level, Note};
pub use peer::{PeerReport, PeerSettings, PeerStart};
pub use pipeline::event::{ClientRequest, ConnectionId};
pub use pipeline::sessions::SessionReport;
pub use recover::{RecoverError, RecoverSettings, Recovered, Skipped, SnapshotReader, Trailer, recover};
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
    Standalone(Standalone),
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
        Self { role: Role::Standalone(Standalone::new(settings, seed, state, now, out)) }
    }

    /// Handles one event.
    pub fn step(&mut self, now: Millis, event: impl Into<Event>, state: &State, out: &mut Vec<Effect>) {
        match (&mut self.role, event.into()) {
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

    /// When [`Event::Deadline`] is due, if at all.
    pub fn next_deadline(&self) -> Option<Millis> {
        match &self.role {
            Role::Standalone(standalone) => standalone.next_deadline(),
        }
    }

    /// Number of requests that wait for the log.
    pub fn outstanding(&self) -> usize {
        match &self.role {
            Role::Standalone(standalone) => standalone.outstanding(),
        }
    }

    /// When each session expires, for `dump`.
    pub fn sessions_report(&self) -> Vec<SessionReport> {
        match &self.role {
            Role::Standalone(standalone) => standalone.sessions_report(),
        }
    }
}
