//! A member of an ensemble.
//!
//! ```text
//!            elected                      abdicates, loses its link, or the process is to end
//!  Looking ───────────▶ Leading | Following ─────────────────────────────────────────────────▶ Settling
//!  (perhaps                                                                                       │
//!  reads only)                                                                                    │
//!     ▲                                                                                           │
//!     └─────────────────────────── the disk has all, and the state is what it has ────────────────┘
//! ```
//!
//! * Changing the role consumes the old one: nothing of its queues, sessions and links outlives it.
//! * **Memory is the disk:** while we look, the state holds exactly what the log holds.
//! * Every event is handled in every role.

mod following;
mod forwarder;
mod history;
mod leading;
mod looking;
mod observers;
mod read_only;
mod reconfig;
mod report;
mod settings;
mod settling;
mod shared_link;
mod step;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use election::{Decision, Election, ElectionSettings, PeerState};
use ensemble::Verifier;
use pipeline::event::Event as ServerEvent;
use pipeline::outbox::CloseReason;
use pipeline::sessions::SessionIds;
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::State;
use zab::LinkId;

use crate::{Effect, Event, Level, LocalReply, Mode, Note, Origin, PeerEffect, ReplicaSeed, SessionsReport};
use following::Following;
use history::History;
use leading::Leading;
use looking::Looking;
use report::Stage;
use settling::Settling;
use step::{Member, Step, WallClock, spread};

pub use settings::{ObserverSettings, PeerReport, PeerSettings, PeerStart, SessionModes};

/// A member of an ensemble.
#[derive(Debug)]
pub(crate) struct Peer {
    member: Member,
    phase: Phase,
}

/// What it is doing.
#[derive(Debug)]
enum Phase {
    /// It takes part in an election.
    Looking(Looking),
    /// It was elected.
    Leading(Box<Leading>),
    /// Another was elected.
    Following(Box<Following>),
    /// A role has ended.
    Settling(Settling),
    /// The process ends.
    Stopped,
}

impl Peer {
    pub(crate) fn new(
        settings: Arc<PipelineSettings>,
        peer: PeerSettings,
        start: PeerStart,
        seed: ReplicaSeed,
        state: &State,
        now: Millis,
        out: &mut Vec<Effect>,
    ) -> Self {
        let election = ElectionSettings {
            finalize_wait_ms: peer.finalize_wait_ms,
            min_notification_ms: peer.min_notification_ms,
            max_notification_ms: peer.max_notification_ms,
            reconfig_enabled: settings.reconfig_enabled,
            multi_address: settings.multi_address,
            ..ElectionSettings::new(peer.me, peer.learner_type)
        };
        // zk: SessionTrackerImpl.initializeNextSessionId: the low byte of the server's id
        let [.., id_byte] = peer.me.0.to_be_bytes();
        let is_newer = |seen: &&Arc<Verifier>| seen.version > peer.verifier.version;
        let newer = peer.last_seen.as_ref().filter(is_newer).filter(|_| settings.reconfig_enabled);
        // One whose transaction did not reach the log was acknowledged by nobody here, and perhaps proposed to nobody.
        let last_seen = newer.filter(|seen| !reconfig::is_unlogged(seen, state.last_processed_zxid()));
        let forgets_proposed = newer.is_some() && last_seen.is_none();
        let last_seen = Arc::clone(last_seen.unwrap_or(&peer.verifier));
        let mut elections = Election::new(election, Arc::clone(&peer.verifier));
        elections.set_last_seen_verifier(Arc::clone(&last_seen));
        let mut member = Member {
            election: elections,
            last_seen,
            appointment: None,
            history: History::new(start, state.last_processed_zxid(), peer.commit_log_count),
            ids: SessionIds::new(id_byte, seed.monotonic_ms),
            clock: WallClock::new(now, seed.wall_ms),
            attempts: 0,
            // Observers that start together spread.
            next_master: usize::try_from(spread(peer.me, 0, Millis(seed.monotonic_ms), u64::from(u32::MAX)))
                .unwrap_or_default(),
            vain_joins: 0,
            departure: None,
            is_stopping: false,
            settings,
            peer,
        };
        let mut step = Step { now, state, member: &mut member, out, decision: None, looks: None };
        if forgets_proposed {
            let verifier = Arc::clone(&step.member.peer.verifier);
            step.want(PeerEffect::SeeMembership { verifier });
        }
        step.look();
        let mut phase = Phase::Looking(Looking::begin(&step));
        phase.proceed(&mut step);
        Self { member, phase }
    }

    /// Handles one event.
    pub(crate) fn step(&mut self, now: Millis, event: Event, state: &State, out: &mut Vec<Effect>) {
        if let Event::Server(event) = &event
            && let Some(wall_ms) = event.wall_ms()
        {
            self.member.clock = WallClock::new(now, wall_ms);
        }
        let mut step = Step { now, state, member: &mut self.member, out, decision: None, looks: None };
        self.phase.on_event(&mut step, event);
        if let Phase::Leading(leading) = &mut self.phase {
            leading.hand_over(&step);
        }
        self.phase.proceed(&mut step);
    }

    /// When a `Deadline` is due, if at all.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let of_phase = match &self.phase {
            Phase::Leading(leading) => leading.next_deadline(),
            Phase::Following(following) => following.next_deadline(),
            Phase::Settling(settling) => settling.next_deadline(&self.member),
            Phase::Stopped => return None,
            Phase::Looking(looking) => looking.next_deadline(),
        };
        let of_election = self.member.election.next_deadline().map(Millis);
        of_phase.into_iter().chain(of_election).min()
    }

    /// Number of requests of clients that wait.
    pub(crate) fn outstanding(&self) -> usize {
        match &self.phase {
            Phase::Leading(leading) => leading.outstanding(),
            Phase::Following(following) => following.outstanding(),
            Phase::Looking(_) | Phase::Settling(_) | Phase::Stopped => 0,
        }
    }

    /// When each session expires that this server decides on.
    pub(crate) fn sessions_report(&self) -> SessionsReport {
        match &self.phase {
            Phase::Leading(leading) => {
                leading.primary().map(crate::primary::Primary::sessions_report).unwrap_or_default()
            }
            Phase::Looking(looking) => {
                looking.read_only().map(read_only::ReadOnly::sessions_report).unwrap_or_default()
            }
            Phase::Following(following) => {
                following.forwarder().map(forwarder::Forwarder::sessions_report).unwrap_or_default()
            }
            Phase::Settling(_) | Phase::Stopped => SessionsReport::default(),
        }
    }
}

impl Phase {
    fn on_event(&mut self, step: &mut Step<'_>, event: Event) {
        match event {
            Event::Server(event) => self.on_server(step, event),
            Event::Notification { from, message } => {
                if !matches!(self, Self::Stopped) {
                    step.hear(from, &message);
                }
                if let (Self::Leading(leading), Some(looks)) = (self, step.looks.take()) {
                    leading.on_voter_looks(step, looks);
                }
            }
            Event::LearnerConnected { link } => match self {
                Self::Leading(leading) => leading.on_connected(step, link),
                Self::Following(following) => following.on_connected(step, link),
                Self::Looking(_) | Self::Settling(_) | Self::Stopped => send_away(step, link),
            },
            Event::LearnerPacket { link, packet } => match self {
                Self::Leading(leading) => leading.on_packet(step, link, packet),
                Self::Following(following) => following.on_packet(step, link, packet),
                Self::Looking(_) | Self::Settling(_) | Self::Stopped => {}
            },
            Event::LearnerLost { link, why } => match self {
                Self::Leading(leading) => leading.on_lost(step, link, why),
                Self::Following(following) => following.on_lost(step, link, why),
                Self::Looking(_) | Self::Settling(_) | Self::Stopped => {}
            },
            Event::LogProbed { link, outcome } => match self {
                Self::Leading(leading) => leading.on_log_probed(step, link, outcome),
                Self::Following(following) => following.on_log_probed(step, link, outcome),
                Self::Looking(_) | Self::Settling(_) | Self::Stopped => {}
            },
            Event::Upstream { attempt, what } => {
                if let Self::Following(following) = self {
                    following.on_upstream(step, attempt, what);
                }
            }
            Event::AcceptedEpochWritten { .. }
            | Event::CurrentEpochWritten { .. }
            | Event::Truncated { .. }
            | Event::SnapshotInstalled { .. }
            | Event::HistoryGivenUp => self.on_disk(step, event),
        }
    }

    /// What the disk has done. A role ends only once the disk is done with all that the role asked for.
    fn on_disk(&mut self, step: &mut Step<'_>, event: Event) {
        match event {
            Event::AcceptedEpochWritten { epoch } => {
                if !step.member.history.on_accepted_epoch_written(epoch) {
                    return;
                }
                match self {
                    Self::Leading(leading) => leading.on_accepted_epoch_written(step),
                    Self::Following(following) => following.on_accepted_epoch_written(step),
                    Self::Looking(_) | Self::Settling(_) | Self::Stopped => {}
                }
            }
            Event::CurrentEpochWritten { epoch } => {
                if !step.member.history.on_current_epoch_written(epoch) {
                    return;
                }
                match self {
                    Self::Leading(leading) => leading.on_current_epoch_written(step),
                    Self::Following(following) => following.on_current_epoch_written(step),
                    Self::Looking(_) | Self::Settling(_) | Self::Stopped => {}
                }
            }
            Event::Truncated { outcome } => match self {
                Self::Following(following) => following.on_truncated(step, outcome),
                Self::Settling(_) => {
                    step.member.history.on_truncated(&outcome);
                }
                Self::Looking(_) | Self::Leading(_) | Self::Stopped => {}
            },
            Event::SnapshotInstalled { zxid } => match self {
                Self::Following(following) => following.on_snapshot_installed(step, zxid),
                Self::Settling(_) => {
                    step.member.history.on_snapshot_installed(zxid);
                }
                Self::Looking(_) | Self::Leading(_) | Self::Stopped => {}
            },
            Event::HistoryGivenUp => {
                if let Self::Settling(settling) = self {
                    settling.on_given_up(step);
                }
            }
            Event::Server(_)
            | Event::Notification { .. }
            | Event::LearnerConnected { .. }
            | Event::LearnerPacket { .. }
            | Event::LearnerLost { .. }
            | Event::LogProbed { .. }
            | Event::Upstream { .. } => {}
        }
    }

    fn on_server(&mut self, step: &mut Step<'_>, event: ServerEvent) {
        match event {
            ServerEvent::Durable { zxid } => match step.member.history.on_durable(zxid) {
                Ok(true) => {}
                Ok(false) => return,
                Err(why) => return step.out.push(Effect::Halt { why }),
            },
            ServerEvent::Shutdown => {
                step.member.is_stopping = true;
                return match self {
                    Self::Leading(leading) => leading.stop(step),
                    Self::Following(following) => following.stop(),
                    Self::Looking(_) | Self::Settling(_) | Self::Stopped => {}
                };
            }
            ServerEvent::Deadline { .. } => step.wait_is_over(),
            ServerEvent::NewSession { .. }
            | ServerEvent::ReopenSession { .. }
            | ServerEvent::Request(_)
            | ServerEvent::Throttled(_)
            | ServerEvent::ConnectionLost { .. }
            | ServerEvent::Heard { .. }
            | ServerEvent::Tick { .. }
            | ServerEvent::ContainerCheck { .. } => {}
        }
        match self {
            Self::Leading(leading) => leading.on_server(step, event),
            Self::Following(following) => following.on_server(step, event),
            Self::Looking(looking) => looking.on_server(step, event),
            Self::Settling(_) | Self::Stopped => refuse(event, step.out),
        }
    }

    /// Changes the role until it fits what has happened.
    fn proceed(&mut self, step: &mut Step<'_>) {
        loop {
            *self = match core::mem::replace(self, Self::Stopped) {
                Self::Looking(looking) if step.member.is_stopping => {
                    looking.end(step);
                    step.out.push(Effect::Stopped);
                    return;
                }
                Self::Looking(mut looking) => match step.decision.take() {
                    Some(decision) => {
                        looking.end(step);
                        Self::take_up(step, decision)
                    }
                    None => {
                        looking.proceed(step);
                        return *self = Self::Looking(looking);
                    }
                },
                Self::Leading(leading) if leading.has_ended() => Self::Settling(leading.end(step)),
                Self::Following(following) if following.has_ended() => Self::Settling(following.end(step)),
                Self::Settling(mut settling) => {
                    if !settling.proceed(step) {
                        return *self = Self::Settling(settling);
                    }
                    step.decision = None;
                    match step.take_appointment().filter(|_| !step.member.is_stopping) {
                        Some(decision) => Self::take_up(step, decision),
                        None => {
                            if !step.member.is_stopping {
                                step.look();
                            }
                            Self::Looking(Looking::begin(step))
                        }
                    }
                }
                phase @ (Self::Leading(_) | Self::Following(_) | Self::Stopped) => return *self = phase,
            };
        }
    }

    fn take_up(step: &mut Step<'_>, decision: Decision) -> Self {
        let Decision { role, leader, vote } = decision;
        step.note(Level::Info, Note::Elected { leader, role });
        let elected_epoch = i32::try_from(vote.peer_epoch).ok();
        match role {
            PeerState::Leading => Self::Leading(Box::new(Leading::begin(step))),
            PeerState::Following => {
                Self::Following(Box::new(Following::begin(step, leader, Mode::Follower, elected_epoch)))
            }
            PeerState::Observing => {
                Self::Following(Box::new(Following::begin(step, leader, Mode::Observer, elected_epoch)))
            }
            // No election ends so.
            PeerState::Looking => Self::Looking(Looking::begin(step)),
        }
    }
}

/// Nobody learns from us at the moment.
fn send_away(step: &mut Step<'_>, link: LinkId) {
    let why = String::from("this server does not lead");
    step.want(PeerEffect::CloseLearner { link, why });
}

/// Nobody is served at the moment.
fn refuse(event: ServerEvent, out: &mut Vec<Effect>) {
    match event {
        ServerEvent::NewSession { connection, .. } | ServerEvent::ReopenSession { connection, .. } => {
            out.push(Effect::Close { connection, why: CloseReason::NotServing });
        }
        ServerEvent::Request(request) | ServerEvent::Throttled(request) => {
            let op = request.request.op_code();
            let (connection, xid, received) = (request.connection, request.xid, request.received);
            let origin = Origin { connection, xid, op, received, opens: None };
            out.push(Effect::Reply { origin, what: LocalReply::Dropped });
        }
        ServerEvent::ConnectionLost { .. }
        | ServerEvent::Heard { .. }
        | ServerEvent::Tick { .. }
        | ServerEvent::Deadline { .. }
        | ServerEvent::ContainerCheck { .. }
        | ServerEvent::Durable { .. }
        | ServerEvent::Shutdown => {}
    }
}
