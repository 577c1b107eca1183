//! The replica thread: takes all that waits, steps, hands appends to the disk thread, carries out the rest.

mod intake;
mod member;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use jute::{TxnRecord, Zxid};
use pipeline::event::Event;
use pipeline::time::Millis;
use replica::{CarryReport, Effect, Level, PeerEffect, Replica, carry_out};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tree::EventKind;

use self::intake::Waits;
use super::alarm::UNEXPECTED;
use super::clients::BatchOutboxes;
use super::digests::{self, Digests};
use super::disk::{Batch, DiskCommand};
use super::parker::Parker;
use super::{Message, Shared, Stage, lock};
use crate::clock;
use crate::metrics::Run;
use crate::quorum::PeerMessage;
use crate::quorum::peers::Peers;
use crate::settings::DigestMismatch;

/// Messages of one batch: what one hold of the state steps through at most.
const BATCH_MAX: usize = 1024;
/// Transactions that one hold of the state for writing applies at most.
const APPLY_MAX: usize = 256;
/// Batches that may wait for the disk thread; it takes all of them at once. A sync of some seconds must not silence a member
/// towards its peers; what waits is bounded by the requests that are let in.
pub(crate) const DISK_QUEUE_MAX: usize = 16 * 1024;
/// A wait that took so much longer than it should was a pause of the process.
const PAUSE_MS: u64 = 1000;

/// What a member of an ensemble has beside.
pub(crate) struct Member {
    pub(crate) peers: Peers,
    pub(crate) inbox: mpsc::Receiver<PeerMessage>,
    /// Taken from the inbox and not yet handled.
    pub(crate) waiting: Vec<PeerMessage>,
    /// Since when it has no leader.
    pub(crate) looking_since: Option<Millis>,
}

/// The thread's own things.
pub(crate) struct ReplicaThread {
    shared: Arc<Shared>,
    runtime: Handle,
    inbox: mpsc::Receiver<Message>,
    disk: SyncSender<DiskCommand>,
    replica: Replica,
    waiting: VecDeque<Message>,
    /// Taken from the inbox just now.
    taken: Vec<Message>,
    member: Option<Member>,
    effects: Vec<Effect>,
    /// What is left of the effects for state, watches and clients.
    work: Vec<Effect>,
    /// As much of it as one hold of the state carries out.
    part: Vec<Effect>,
    durable: Zxid,
    next_tick: Millis,
    next_container_check: Option<Millis>,
    is_stopped: bool,
    digests: Digests,
}

impl ReplicaThread {
    /// `effects` are those of the replica's start.
    pub(crate) fn new(
        shared: Arc<Shared>,
        runtime: Handle,
        inbox: mpsc::Receiver<Message>,
        disk: SyncSender<DiskCommand>,
        replica: Replica,
        effects: Vec<Effect>,
    ) -> Self {
        let now = clock::monotonic();
        Self {
            durable: shared.durable.get(),
            next_tick: now.plus(u64::from(shared.settings.session.tick_ms)),
            next_container_check: shared.settings.containers.interval_ms.map(|interval| now.plus(interval)),
            shared,
            runtime,
            inbox,
            disk,
            replica,
            waiting: VecDeque::new(),
            taken: Vec::new(),
            member: None,
            effects,
            work: Vec::new(),
            part: Vec::new(),
            is_stopped: false,
            digests: Digests::default(),
        }
    }

    /// Makes it the thread of a member of an ensemble.
    pub(crate) fn with_member(self, member: Member) -> Self {
        Self { member: Some(member), ..self }
    }

    /// Runs until the replica has stopped.
    pub(crate) fn run(mut self) {
        let guard = self.shared.alarm.guard("the replica thread");
        let parker = Parker::of_this_thread();
        loop {
            self.carry_out();
            if self.is_stopped || self.shared.alarm.failure().is_some() {
                break;
            }
            self.wait(&parker);
            self.step();
        }
        self.shared.enter(Stage::Closing);
        if let Some(member) = self.member.take() {
            member.peers.close();
        }
        guard.done();
    }

    /// Waits for a message, a durable transaction or a deadline.
    fn wait(&mut self, parker: &Parker) {
        if self.is_stalled() {
            self.shared.metrics.request_throttle_wait_count.add(1);
        }
        let until = self.deadline();
        let left = Duration::from_millis(until.since(clock::monotonic()));
        let room = BATCH_MAX.saturating_sub(self.waiting.len());
        let (inbox, taken, bell) = (&mut self.inbox, &mut self.taken, &self.shared.durable.bell);
        let is_ready = self.durable < self.shared.durable.get() || !self.shared.answers.is_empty();
        let from_peers = member::take(&mut self.member);
        let something = async {
            tokio::select! {
                _ = inbox.recv_many(taken, room), if room > 0 => {}
                () = from_peers => {}
                () = bell.notified() => {}
                () = std::future::ready(()), if is_ready => {}
            }
        };
        // When the time is over, deadlines are looked at like after everything else.
        let _ = parker.wait(left, something);
        while self.taken.len() < room
            && let Ok(message) = self.inbox.try_recv()
        {
            self.taken.push(message);
        }
        self.shared.metrics.prep_processor_queue_size.add(u64::try_from(self.taken.len()).unwrap_or(0));
        self.waiting.extend(self.taken.drain(..));
        let late = clock::monotonic().since(until);
        if late > PAUSE_MS {
            self.shared.metrics.jvm_pause_time_ms.add(late);
            tracing::warn!(late_ms = late, "the process was paused; no session expires within the next tick");
        }
    }

    fn deadline(&self) -> Millis {
        let stall = self
            .is_stalled()
            .then(|| clock::monotonic().plus(self.shared.settings.throttle.request_stall_ms));
        [self.replica.next_deadline(), self.next_container_check, stall]
            .into_iter()
            .flatten()
            .fold(self.next_tick, Millis::min)
    }

    fn step(&mut self) {
        let started = Instant::now();
        let shared = Arc::clone(&self.shared);
        let now = clock::monotonic();
        let wall_ms = clock::wall_ms();
        self.take_answer(now);
        let state = shared.read_state();
        let durable = shared.durable.get();
        if durable > self.durable {
            self.durable = durable;
            self.replica.step(now, Event::Durable { zxid: durable }, &state, &mut self.effects);
        }
        self.step_peers(now, &state);
        let mut waits = Waits::new(&shared.metrics);
        while let Some(message) = self.next_message(now, &mut waits) {
            match message {
                Message::Peer(answer) => drop(answer.send(self.replica.report())),
                // A caller that went away needs no answer.
                Message::Sessions(answer) => drop(answer.send(self.replica.sessions_report())),
                Message::Event(event) => self.replica.step(now, event, &state, &mut self.effects),
            }
        }
        if self.replica.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.replica.step(now, Event::Deadline { wall_ms }, &state, &mut self.effects);
        }
        if now >= self.next_tick {
            let heard = Event::Heard { sessions: shared.clients.take_heard() };
            self.replica.step(now, heard, &state, &mut self.effects);
            self.replica.step(now, Event::Tick { wall_ms }, &state, &mut self.effects);
            self.next_tick = next_on_grid(self.next_tick, u64::from(shared.settings.session.tick_ms), now);
        }
        if let (Some(at), Some(interval)) =
            (self.next_container_check, shared.settings.containers.interval_ms)
            && now >= at
        {
            self.replica.step(now, Event::ContainerCheck { wall_ms }, &state, &mut self.effects);
            self.next_container_check = Some(now.plus(interval));
        }
        shared.metrics.prep_process_time.add(millis(started));
    }

    /// Carries out what the steps decided, in order, but for the log: it gets its part first where nothing forbids it, so
    /// that the disk works while the rest is carried out.
    fn carry_out(&mut self) {
        let mut records = Vec::new();
        // Lists of these sizes are kept from batch to batch: to grow one anew for each contends for memory with all other threads.
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Append { record } => records.push(record),
                Effect::Note { level, what } => self.note(level, &what),
                Effect::Halt { why } => {
                    // A peer that finds itself wrong says nothing more.
                    return self.shared.alarm.raise(UNEXPECTED, why.to_string());
                }
                Effect::Stopped => self.is_stopped = true,
                Effect::Peer(PeerEffect::ApplyFuzzy { .. } | PeerEffect::SetLastProcessed { .. })
                | Effect::Apply { .. }
                | Effect::Reply { .. }
                | Effect::RefuseSession { .. }
                | Effect::OpenSession { .. }
                | Effect::Close { .. } => self.work.push(effect),
                Effect::Peer(effect) => {
                    if let Some(effect) = self.carry_out_connections(effect) {
                        self.append(std::mem::take(&mut records));
                        self.work();
                        self.carry_out_peer(effect);
                    }
                }
            }
        }
        // What the effects of peers led to stands behind what was there.
        effects.append(&mut self.effects);
        self.effects = effects;
        self.append(records);
        self.work();
    }

    fn append(&self, records: Vec<Arc<TxnRecord>>) {
        if records.is_empty() {
            return;
        }
        let count = u64::try_from(records.len()).unwrap_or(0);
        self.shared.metrics.sync_processor_request_queued.add(count);
        self.count_proposals(count);
        self.tell_disk(DiskCommand::Append(Batch { records, queued: Instant::now() }));
    }

    fn tell_disk(&self, command: DiskCommand) {
        // When the disk thread is gone, its guard has raised the alarm.
        let _ = self.disk.send(command);
    }

    /// Carries out what was put aside, a part under each hold of the state.
    fn work(&mut self) {
        let (mut work, mut part) = (std::mem::take(&mut self.work), std::mem::take(&mut self.part));
        let mut rest = work.drain(..).peekable();
        while rest.peek().is_some() && self.shared.alarm.failure().is_none() {
            take_part(&mut rest, &mut part);
            self.carry_part(&mut part);
            part.clear();
        }
        drop(rest);
        (self.work, self.part) = (work, part);
    }

    fn carry_part(&mut self, part: &mut Vec<Effect>) {
        let metrics = &self.shared.metrics;
        let (now, wall_ms) = (clock::monotonic(), clock::wall_ms());
        let (mut ages, mut latencies) =
            (Run::of(&metrics.propagation_latency), Run::of(&metrics.updatelatency));
        for effect in part.iter() {
            if let Effect::Apply { record, origin } = effect {
                let age = wall_ms.saturating_sub(record.header.time);
                ages.add(u64::try_from(age).unwrap_or(0));
                if let Some(origin) = origin {
                    latencies.add(now.since(origin.received));
                }
            }
        }
        drop((ages, latencies));
        let mut report = CarryReport::default();
        let touched = {
            let mut state = self.shared.write_state();
            let mut watches = lock(&self.shared.watches);
            let mut outboxes = BatchOutboxes::new(self.shared.clients.read(), &self.shared.in_process);
            carry_out(now, &mut state, &mut watches, part, &mut outboxes, &mut report);
            // Who waits for an answer is woken before those who watch, who may be many.
            let table = outboxes.table();
            [&mut report.answered, &mut report.told].map(|connections| {
                connections.sort_unstable();
                connections.dedup();
                connections.iter().filter_map(|id| table.get(*id).cloned()).collect::<Vec<_>>()
            })
        };
        if report.halt.is_none() {
            self.shared.threads.wake(touched.iter().flatten());
        }
        self.check(report);
    }

    fn check(&mut self, report: CarryReport) {
        let metrics = &self.shared.metrics;
        self.count_commits(report.applied);
        for (kind, watchers) in &report.fired {
            let summary = match kind {
                EventKind::Created => &metrics.node_created_watch_count,
                EventKind::Deleted => &metrics.node_deleted_watch_count,
                EventKind::DataChanged => &metrics.node_changed_watch_count,
                EventKind::ChildrenChanged => &metrics.node_children_watch_count,
            };
            summary.add(u64::try_from(*watchers).unwrap_or(u64::MAX));
        }
        self.digests.applied(clock::monotonic(), &report, metrics).iter().for_each(digests::log);
        if let Some((zxid, _)) = report.digest_mismatches.first()
            && self.shared.settings.digest_on_mismatch == DigestMismatch::Halt
        {
            self.shared.alarm.raise(UNEXPECTED, format!("digest mismatch at {zxid}, digest.onMismatch=halt"));
        }
        if let Some(why) = report.halt {
            self.shared.alarm.raise(UNEXPECTED, why.to_string());
        }
    }

    fn note(&mut self, level: Level, what: &replica::Note) {
        self.time_elections(what);
        let metrics = &self.shared.metrics;
        if matches!(what, replica::Note::SessionExpired { .. }) {
            metrics.stale_sessions_expired.add(1);
        }
        if let replica::Note::Quota(warning) = what
            && warning.0.is_hard
            && let Some(namespace) = warning.0.limited.split('/').nth(1)
        {
            metrics.quota_exceeded_error_per_namespace.add(namespace);
        }
        match level {
            Level::Error => tracing::error!("{what}"),
            Level::Warn => tracing::warn!("{what}"),
            Level::Info => tracing::info!("{what}"),
            Level::Debug => tracing::debug!("{what}"),
        }
    }
}

/// Effects with at most [`APPLY_MAX`] transactions among them.
fn take_part(work: &mut impl Iterator<Item = Effect>, part: &mut Vec<Effect>) {
    let mut applies = 0;
    while applies < APPLY_MAX
        && let Some(effect) = work.next()
    {
        applies += usize::from(matches!(effect, Effect::Apply { .. }));
        part.push(effect);
    }
}

/// The first point after `now` of a grid that goes through `at`.
fn next_on_grid(at: Millis, step: u64, now: Millis) -> Millis {
    let step = step.max(1);
    at.plus((now.since(at) / step + 1).saturating_mul(step))
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stay_on_their_grid() {
        for (at, now, wanted) in [(100, 100, 110), (100, 109, 110), (100, 110, 120), (100, 155, 160)] {
            assert_eq!(next_on_grid(Millis(at), 10, Millis(now)), Millis(wanted), "{at} {now}");
        }
    }
}
