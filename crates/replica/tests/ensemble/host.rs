//! One server: a replica, its state, a disk whose jobs are done when the world says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jute::snapshot::SnapshotItem;
use jute::{SessionId, TxnRecord, Zxid};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use rookeeper_replica::{ConnectionId, Effect, Event, Mode, PeerSettings, PeerStart, Replica, ReplicaSeed};
use tree::snapshot::{Builder, View};
use tree::{State, Watches};
use zab::{Attempt, LogProbe};

use crate::world::{Boxes, WALL_MS};

/// A server, up or down.
pub struct Host {
    pub settings: Arc<PipelineSettings>,
    pub peer: PeerSettings,
    pub replica: Option<Replica>,
    pub state: State,
    pub watches: Watches,
    pub boxes: Boxes,
    pub sessions: BTreeMap<ConnectionId, SessionId>,
    pub disk: Disk,
    pub effects: Vec<Effect>,
    pub mode: Option<Mode>,
    pub is_listening: bool,
    pub listens_for_observers: bool,
    pub dial: Option<Dial>,
    /// A state that came behind SNAP.
    pub received: Option<(Attempt, State)>,
    pub next_tick: Millis,
    /// Everything that happened to the replica since its start.
    pub events: Vec<(Millis, Event)>,
}

/// An attempt to connect that may still succeed.
#[derive(Clone, Copy)]
pub struct Dial {
    pub attempt: Attempt,
    pub leader: i64,
    /// At the port for observers.
    pub is_master: bool,
    pub until: Millis,
}

/// What survives a crash, and what waits to be written.
pub struct Disk {
    pub base: (Zxid, Vec<SnapshotItem>),
    pub log: Vec<Arc<TxnRecord>>,
    pub accepted_epoch: i32,
    pub current_epoch: i32,
    pub has_history: bool,
    pub is_standalone: bool,
    pub jobs: VecDeque<Job>,
    pub is_held: bool,
}

/// One thing to write.
pub enum Job {
    Append(Arc<TxnRecord>),
    AcceptedEpoch(i32),
    CurrentEpoch(i32),
    Truncate(Zxid),
    Install(Zxid, Vec<SnapshotItem>),
    GiveUp,
}

impl Host {
    pub fn new(settings: Arc<PipelineSettings>, peer: PeerSettings) -> Self {
        let mut state = State::new(settings.state());
        let base = (state.last_processed_zxid(), copy(&mut state));
        Self {
            state,
            settings,
            peer,
            replica: None,
            watches: Watches::default(),
            boxes: Boxes::default(),
            sessions: BTreeMap::new(),
            disk: Disk {
                base,
                log: Vec::new(),
                accepted_epoch: 0,
                current_epoch: 0,
                has_history: true,
                is_standalone: false,
                jobs: VecDeque::new(),
                is_held: false,
            },
            effects: Vec::new(),
            mode: None,
            is_listening: false,
            listens_for_observers: false,
            dial: None,
            received: None,
            next_tick: Millis(0),
            events: Vec::new(),
        }
    }

    /// Starts, from what the disk holds.
    pub fn start(&mut self, now: Millis) {
        self.state = self.recover();
        self.set_config();
        self.events.clear();
        self.next_tick = now.plus(u64::from(self.peer.tick_ms));
        let start = PeerStart {
            accepted_epoch: self.disk.accepted_epoch,
            current_epoch: self.disk.current_epoch,
            has_history: self.disk.has_history,
            is_standalone_history: self.disk.is_standalone,
        };
        let wall_ms = WALL_MS + i64::try_from(now.0).expect("test time is short");
        let seed = ReplicaSeed { monotonic_ms: now.0, wall_ms };
        let (settings, peer) = (Arc::clone(&self.settings), self.peer.clone());
        self.replica = Some(Replica::peer(settings, peer, start, seed, &self.state, now, &mut self.effects));
    }

    /// The membership node is what the server knows, wherever the state comes from.
    pub fn set_config(&mut self) {
        if self.settings.reconfig_enabled {
            let verifier = &self.peer.verifier;
            self.state.set_config(verifier.to_string().as_bytes(), Zxid(verifier.version), WALL_MS);
        }
    }

    /// Ends without a word; what was not written is lost.
    pub fn crash(&mut self) {
        self.replica = None;
        self.disk.jobs.clear();
        self.effects.clear();
        self.mode = None;
        self.is_listening = false;
        self.listens_for_observers = false;
        self.dial = None;
        self.received = None;
        self.watches = Watches::default();
        self.boxes.0.clear();
    }

    /// The state that the disk holds.
    pub fn recover(&self) -> State {
        let mut state = restore(&self.settings, self.disk.base.0, self.disk.base.1.clone());
        for record in &self.disk.log {
            state.apply(record, &mut |_| ()).expect("a sound log");
        }
        state
    }

    /// Does the oldest job of the disk; what it tells.
    pub fn write(&mut self) -> Option<Event> {
        if self.disk.is_held {
            return None;
        }
        Some(match self.disk.jobs.pop_front()? {
            Job::Append(record) => {
                let zxid = record.header.zxid;
                assert!(self.disk.last() < zxid, "appended in order");
                self.disk.log.push(record);
                Event::Server(pipeline::event::Event::Durable { zxid })
            }
            Job::AcceptedEpoch(epoch) => {
                assert!(epoch > self.disk.accepted_epoch, "a promise is kept");
                self.disk.accepted_epoch = epoch;
                Event::AcceptedEpochWritten { epoch }
            }
            Job::CurrentEpoch(epoch) => {
                assert!(epoch >= self.disk.current_epoch && epoch <= self.disk.accepted_epoch);
                self.disk.current_epoch = epoch;
                Event::CurrentEpochWritten { epoch }
            }
            Job::Truncate(zxid) => {
                if zxid < self.disk.base.0 {
                    return Some(Event::Truncated { outcome: Err("the snapshot is above it".into()) });
                }
                self.disk.log.retain(|record| record.header.zxid <= zxid);
                self.state = self.recover();
                self.set_config();
                Event::Truncated { outcome: Ok(self.disk.last()) }
            }
            Job::Install(zxid, items) => {
                self.disk.base = (zxid, items);
                self.disk.log.clear();
                Event::SnapshotInstalled { zxid }
            }
            Job::GiveUp => {
                self.state = State::new(self.settings.state());
                self.disk.base = (Zxid::ZERO, copy(&mut self.state));
                self.disk.log.clear();
                self.disk.has_history = false;
                Event::HistoryGivenUp
            }
        })
    }

    /// What the log proves; snapshots are not looked at.
    pub fn probe(&self, peer: Zxid) -> LogProbe {
        let zxids: Vec<Zxid> = self.disk.log.iter().map(|record| record.header.zxid).collect();
        let floor = zxids.iter().rev().find(|zxid| **zxid <= peer).copied();
        let first_above = zxids.iter().find(|zxid| **zxid > peer).copied();
        LogProbe { floor, first_above, last: self.disk.last(), is_over: false }
    }
}

impl Disk {
    pub fn last(&self) -> Zxid {
        self.log.last().map_or(self.base.0, |record| record.header.zxid)
    }
}

/// A state as items.
pub fn copy(state: &mut State) -> Vec<SnapshotItem> {
    let mut view = View::begin(state);
    let mut items = Vec::new();
    while !view.is_finished() {
        items.extend(view.next_slice(state, 100).expect("the same state"));
    }
    items
}

/// A state from items.
pub fn restore(settings: &PipelineSettings, zxid: Zxid, items: Vec<SnapshotItem>) -> State {
    let mut builder = Builder::new(settings.state());
    for item in items {
        builder.push(item).expect("a sound snapshot");
    }
    builder.finish(zxid).expect("a whole snapshot")
}
