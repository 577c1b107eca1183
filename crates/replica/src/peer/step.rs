use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use election::{Action, Candidate, Decision, Election, Notification};
use ensemble::{ServerId, Verifier};
use pipeline::sessions::SessionIds;
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use tree::State;
use zab::learner::Departure;

use alloc::sync::Arc;

use super::PeerSettings;
use super::history::History;
use super::reconfig::Appointment;
use crate::{Effect, Level, Note, PeerEffect};

/// What a member of an ensemble has, whatever its role.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) settings: Arc<PipelineSettings>,
    pub(super) peer: PeerSettings,
    pub(super) election: Election,
    pub(super) history: History,
    pub(super) ids: SessionIds,
    pub(super) clock: WallClock,
    /// Attempts to learn so far.
    pub(super) attempts: u64,
    /// Place of the next observer master to try.
    pub(super) next_master: usize,
    /// How many of them in a row ended before a client could be served, since we led.
    pub(super) vain_joins: u32,
    /// Why we left a leader last, if no client was served since: what comes again with every election is said once.
    pub(super) departure: Option<Departure>,
    pub(super) is_stopping: bool,
    /// The last membership that was proposed; the one in force when none is under way.
    // zk: QuorumPeer.lastSeenQuorumVerifier
    pub(super) last_seen: Arc<Verifier>,
    /// What a membership made of us that came into force: taken up when our role has ended.
    // zk: QuorumPeer.reconfigFlag
    pub(super) appointment: Option<Appointment>,
}

/// Wall time, which not every event brings.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallClock {
    wall_ms: i64,
    at: Millis,
}

impl WallClock {
    pub(super) fn new(now: Millis, wall_ms: i64) -> Self {
        Self { wall_ms, at: now }
    }

    /// The time as it was told last, and what has passed since.
    pub(super) fn at(&self, now: Millis) -> i64 {
        self.wall_ms.saturating_add_unsigned(now.since(self.at))
    }
}

/// A number below `max` that differs from server to server and from time to time, to spread what all would do at once.
// zk: Observer.waitForReconnectDelayHelper draws one at random
pub(super) fn spread(me: ServerId, attempts: u64, now: Millis, max: u64) -> u64 {
    // The finalizer of SplitMix64.
    let mut mixed = me.0.cast_unsigned() ^ attempts.rotate_left(32) ^ now.0.rotate_left(16);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).checked_rem(max).unwrap_or(0)
}

/// What one event is handled with.
pub(super) struct Step<'a> {
    pub(super) now: Millis,
    pub(super) state: &'a State,
    pub(super) member: &'a mut Member,
    pub(super) out: &'a mut Vec<Effect>,
    /// How an election ended in this step.
    pub(super) decision: Option<Decision>,
    /// A voter looks while we lead.
    pub(super) looks: Option<VoterLooks>,
}

/// A voter that looks for a leader.
#[derive(Debug, Clone, Copy)]
pub(super) struct VoterLooks {
    pub(super) voter: ServerId,
    /// It is one of those that chose us.
    pub(super) chose_us: bool,
    /// What it would bring, when it proposes itself.
    pub(super) candidacy: Option<Candidate>,
}

impl Step<'_> {
    pub(super) fn wall_ms(&self) -> i64 {
        self.member.clock.at(self.now)
    }

    pub(super) fn want(&mut self, what: PeerEffect) {
        self.out.push(Effect::Peer(what));
    }

    pub(super) fn note(&mut self, level: Level, what: Note) {
        self.out.push(Effect::Note { level, what });
    }

    /// Looks for a leader.
    pub(super) fn look(&mut self) {
        self.member.appointment = None;
        let (vote, epoch) = (self.member.history.vote(), self.member.history.current_epoch());
        let mut actions = Vec::new();
        self.member.election.look(self.now.0, vote, i64::from(epoch), &mut actions);
        self.elect(actions);
    }

    /// A message on the election port, in whatever role.
    pub(super) fn hear(&mut self, from: ServerId, message: &Bytes) {
        let notification = match Notification::decode(message) {
            Ok(notification) => notification,
            Err(why) => return self.note(Level::Warn, Note::BadNotification { from, why }),
        };
        let mut actions = Vec::new();
        self.member.election.hear(self.now.0, from, notification, &mut actions);
        self.elect(actions);
    }

    /// The election's deadline may have come.
    pub(super) fn wait_is_over(&mut self) {
        if self.member.election.next_deadline().is_some_and(|deadline| deadline <= self.now.0) {
            let mut actions = Vec::new();
            self.member.election.on_deadline(self.now.0, &mut actions);
            self.elect(actions);
        }
    }

    fn elect(&mut self, actions: Vec<Action>) {
        let mut begins_anew = false;
        for action in actions {
            match action {
                Action::Send { to, notification } => {
                    self.want(PeerEffect::Notify { to, message: notification.encode().into() });
                }
                Action::ConnectAll => self.want(PeerEffect::ConnectAll),
                Action::Decided(decision) => self.decision = Some(decision),
                Action::NewerConfig(config) => begins_anew |= self.hear_config(config),
                Action::VoterLooks { voter, chose_us, candidacy } => {
                    self.note(Level::Debug, Note::VoterLooks { server: voter });
                    self.looks = Some(VoterLooks { voter, chose_us, candidacy });
                }
                Action::Note(note) => {
                    let level = match note.level() {
                        election::Level::Warn => Level::Warn,
                        election::Level::Info => Level::Info,
                        election::Level::Debug => Level::Debug,
                    };
                    self.note(level, Note::Election(note));
                }
            }
        }
        if begins_anew {
            self.look();
        }
    }

    /// Another server knows a newer membership; true when the election begins anew with it.
    // zk: FastLeaderElection.Messenger.WorkerReceiver.run
    fn hear_config(&mut self, config: String) -> bool {
        let verifier = Verifier::from_text(&config, self.member.settings.multi_address);
        self.note(Level::Info, Note::NewerConfig { config });
        verifier.is_ok_and(|verifier| self.activate(Arc::new(verifier), None, None).ends_round)
    }
}
