//! The process of a server: the real replica, state, watches and connections around a loop that takes what waits.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jute::{SessionId, Zxid};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use replica::{Effect, Event, Mode, Replica, ReplicaSeed};
use tree::{State, Watches};
use zab::Packet;
use zab::learner::Upstream;

use super::boot::Found;
use super::clients::Clients;
use super::disk::DiskThread;
use super::learners::Learners;
use super::membership::Membership;
use super::mesh::Mesh;
use super::snapshots::SnapshotJob;
use super::upstream::Link;
use crate::agenda::{Happening, Life, ServerTurn};
use crate::clock::{Clock, Micros};
use crate::universe::Universe;

/// What the replica thread takes.
pub(crate) enum Input {
    Event(Event),
    /// The state is another one from now on; the event tells why.
    Swap(Box<State>, Event),
}

impl Input {
    pub(crate) fn event(event: pipeline::event::Event) -> Self {
        Self::Event(Event::Server(event))
    }
}

/// How a process ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was asked to.
    Stopped,
    /// The disk failed.
    Disk(String),
    /// It found itself wrong, which no fault of ours can be the reason for.
    Wrong(String),
}

/// A running server.
pub(crate) struct Process {
    pub(crate) host: usize,
    pub(crate) life: Life,
    pub(crate) clock: Clock,
    pub(crate) settings: Arc<PipelineSettings>,
    pub(crate) replica: Replica,
    pub(crate) state: State,
    pub(crate) watches: Watches,
    pub(crate) effects: Vec<Effect>,
    inbox: VecDeque<Input>,
    is_work_planned: bool,
    timer_at: Option<Micros>,
    next_tick: Millis,
    next_container_check: Millis,
    pub(crate) heard: BTreeSet<SessionId>,
    /// As what it serves.
    pub(crate) mode: Option<Mode>,
    pub(crate) clients: Clients,
    pub(crate) mesh: Mesh,
    pub(crate) membership: Membership,
    pub(crate) is_listening: bool,
    pub(crate) learners: Learners,
    pub(crate) upstream: Option<Link>,
    /// The state that came behind SNAP, until it is adopted.
    pub(crate) received: Option<(zab::Attempt, State)>,
    pub(crate) disk: DiskThread,
    pub(crate) sync_max: Micros,
    pub(crate) snapshot: Option<SnapshotJob>,
    /// The state came behind SNAP and is not durable yet.
    pub(crate) is_adopting: bool,
    /// The last record in the state.
    pub(crate) applied: Zxid,
    /// The last record that the log was given.
    pub(crate) tail: Zxid,
    pub(crate) ending: Option<Ending>,
    /// A transaction that a bug keeps for later.
    pub(crate) held_back: Option<Effect>,
}

impl Process {
    /// Starts over what was found.
    pub(crate) fn start(
        host: usize,
        life: Life,
        clock: Clock,
        sync_max: Micros,
        (found, membership): (Found, Membership),
        u: &mut Universe,
    ) -> Self {
        let settings = Arc::new(u.plan.pipeline_settings(host));
        let now = clock.monotonic(u.now);
        let seed = ReplicaSeed { monotonic_ms: now.0, wall_ms: clock.wall_ms(u.now) };
        let mut effects = Vec::new();
        let Found { store, mut state, start, .. } = found;
        if !u.plan.is_standalone {
            membership.set_node(&mut state, clock.wall_ms(u.now));
        }
        let replica =
            start_replica(u, (host, &membership), &settings, start, seed, &state, now, &mut effects);
        let last = state.last_processed_zxid();
        let disk_seed = u.random.next();
        let disk =
            DiskThread::new(store, settings.state(), last, u.plan.snap_count, disk_seed, u.plan.sabotage);
        let interval = settings.containers.check_interval_ms;
        let mut process = Self {
            host,
            life,
            clock,
            replica,
            watches: Watches::new(),
            effects,
            inbox: VecDeque::new(),
            is_work_planned: false,
            timer_at: None,
            next_tick: now.plus(u64::from(settings.tick_ms)),
            next_container_check: now.plus(interval),
            heard: BTreeSet::new(),
            mode: None,
            clients: Clients::default(),
            mesh: Mesh::default(),
            membership,
            is_listening: false,
            learners: Learners::default(),
            upstream: None,
            received: None,
            disk,
            sync_max,
            snapshot: None,
            is_adopting: false,
            applied: u.ledger.record_at(last),
            tail: u.ledger.record_at(last),
            ending: None,
            held_back: None,
            state,
            settings,
        };
        if u.plan.is_standalone {
            process.serve(u, Mode::Standalone);
        }
        process.wake(u);
        process
    }

    /// Something for the replica thread.
    pub(crate) fn push(&mut self, u: &mut Universe, input: Input) {
        self.inbox.push_back(input);
        self.wake(u);
    }

    pub(crate) fn push_event(&mut self, u: &mut Universe, event: impl Into<Event>) {
        self.push(u, Input::Event(event.into()));
    }

    /// One turn of one of its threads.
    pub(crate) fn turn(&mut self, u: &mut Universe, turn: ServerTurn) {
        match turn {
            ServerTurn::Work => {
                self.is_work_planned = false;
                self.work(u);
            }
            // It may be late: the process was stopped.
            ServerTurn::Timer if self.timer_at.is_some_and(|at| at <= u.now) => {
                self.timer_at = None;
                self.work(u);
            }
            // A timer that was set anew.
            ServerTurn::Timer => {}
            ServerTurn::DiskDone => self.disk_done(u),
            ServerTurn::Snapshot => self.snapshot_on(u),
            ServerTurn::Stream(link) => self.stream_on(u, link),
            ServerTurn::Dial(attempt) => self.dial_on(u, attempt),
        }
    }

    pub(crate) fn plan(&self, u: &mut Universe, after: Micros, turn: ServerTurn) {
        u.agenda.plan(u.now + after, Happening::Server(self.host, self.life, turn));
    }

    pub(crate) fn now(&self, u: &Universe) -> Millis {
        self.clock.monotonic(u.now)
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    fn wake(&mut self, u: &mut Universe) {
        if !self.is_work_planned {
            self.is_work_planned = true;
            let after = u.random.below(200);
            self.plan(u, after, ServerTurn::Work);
        }
    }

    /// Takes what waits, or a part of it, steps, carries out.
    fn work(&mut self, u: &mut Universe) {
        let mut batch = if u.random.chance(200) { 1 } else { self.inbox.len() };
        while batch > 0 && self.ending.is_none() {
            batch -= 1;
            match self.inbox.pop_front() {
                Some(Input::Event(event)) => self.step(u, event),
                Some(Input::Swap(state, event)) => {
                    // What was decided before belongs to the old state.
                    self.carry_out(u);
                    self.state = *state;
                    self.set_membership_node(u);
                    self.tail = u.ledger.record_at(self.state.last_processed_zxid());
                    self.applied = self.tail;
                    self.is_adopting = false;
                    self.step(u, event);
                }
                None => break,
            }
        }
        self.timers(u);
        self.carry_out(u);
        if !self.inbox.is_empty() {
            self.wake(u);
        }
        self.plan_timer(u);
    }

    fn step(&mut self, u: &mut Universe, event: Event) {
        if matches!(event, Event::Upstream { what: Upstream::Packet(Packet::Ping { .. }), .. }) {
            self.hand_over_heard(u);
        }
        let now = self.now(u);
        self.replica.step(now, event, &self.state, &mut self.effects);
    }

    fn timers(&mut self, u: &mut Universe) {
        let (now, wall_ms) = (self.now(u), self.clock.wall_ms(u.now));
        if self.replica.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.step(u, pipeline::event::Event::Deadline { wall_ms }.into());
        }
        if now >= self.next_tick {
            self.hand_over_heard(u);
            self.step(u, pipeline::event::Event::Tick { wall_ms }.into());
            let tick = u64::from(self.settings.tick_ms);
            let passed = now.since(self.next_tick) / tick + 1;
            self.next_tick = self.next_tick.plus(passed * tick);
        }
        if now >= self.next_container_check {
            self.step(u, pipeline::event::Event::ContainerCheck { wall_ms }.into());
            self.next_container_check = now.plus(self.settings.containers.check_interval_ms);
        }
    }

    fn hand_over_heard(&mut self, u: &mut Universe) {
        let mut sessions: Vec<_> = std::mem::take(&mut self.heard).into_iter().collect();
        if u.has_bug("heartbeats-unheard") {
            sessions.clear();
        }
        let now = self.now(u);
        let heard = pipeline::event::Event::Heard { sessions };
        self.replica.step(now, heard, &self.state, &mut self.effects);
    }

    fn plan_timer(&mut self, u: &mut Universe) {
        let next = [self.replica.next_deadline(), Some(self.next_container_check)]
            .into_iter()
            .flatten()
            .fold(self.next_tick, Millis::min);
        let at = self.clock.when(next).max(u.now + 1);
        if self.timer_at.is_none_or(|planned| at < planned || planned <= u.now) {
            self.timer_at = Some(at);
            u.agenda.plan(at, Happening::Server(self.host, self.life, ServerTurn::Timer));
        }
    }

    /// The disk thread is done, or its disk has failed.
    fn disk_done(&mut self, u: &mut Universe) {
        let done = match self.disk.finish() {
            Ok(done) => done,
            Err(error) => return self.end(Ending::Disk(error.to_string())),
        };
        if done.committed > 1 {
            u.marks.reach("group commit");
        }
        if done.was_truncated {
            u.marks.reach("history truncated");
        }
        if done.was_installed {
            u.marks.reach("snapshot installed");
            self.look_at_installed(u);
            self.is_adopting = false;
        }
        if let Some(was_sealed) = done.sealed {
            self.snapshot_sealed(u, was_sealed);
        }
        for input in &done.inputs {
            let written = match input {
                Input::Event(Event::AcceptedEpochWritten { epoch }) => {
                    u.ledger.epoch_written(self.host, Some(*epoch), None)
                }
                Input::Event(Event::CurrentEpochWritten { epoch }) => {
                    u.ledger.epoch_written(self.host, None, Some(*epoch))
                }
                Input::Event(_) | Input::Swap(..) => Ok(()),
            };
            u.check(written);
            if let Input::Event(Event::CurrentEpochWritten { epoch }) = input {
                self.joined(u, *epoch);
            }
        }
        for input in done.inputs {
            self.push(u, input);
        }
        if self.disk.is_snapshot_due() {
            self.snapshot_begin(u);
        }
        self.disk_begin(u);
    }

    /// Lets the disk thread take what waits.
    pub(crate) fn disk_begin(&mut self, u: &mut Universe) {
        if self.disk.begin() {
            let after = u.random.between(50, self.sync_max);
            self.plan(u, after, ServerTurn::DiskDone);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a constructor takes what a replica needs, once")]
fn start_replica(
    u: &Universe,
    (host, membership): (usize, &Membership),
    settings: &Arc<PipelineSettings>,
    start: replica::PeerStart,
    seed: ReplicaSeed,
    state: &State,
    now: Millis,
    effects: &mut Vec<Effect>,
) -> Replica {
    let settings = Arc::clone(settings);
    match u.plan.is_standalone {
        true => Replica::standalone(settings, seed, state, now, effects),
        false => {
            Replica::peer(settings, u.plan.peer_settings(host, membership), start, seed, state, now, effects)
        }
    }
}
