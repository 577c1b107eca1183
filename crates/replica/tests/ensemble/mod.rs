//! Several replicas with a network and disks that lose nothing but what they are told to lose; time passes when told.

// Each test binary uses another part of this module.
#![allow(dead_code, reason = "shared by test binaries")]
#![allow(unreachable_pub, reason = "a module of test binaries")]
#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a world for tests"
)]

pub mod host;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ensemble::{LearnerType, ServerId, Verifier};
use jute::{Reader, SessionId, TxnRecord, Zxid};
use pipeline::event::Event as ServerEvent;
use pipeline::outbox::{CloseReason, Outbox};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use rookeeper_replica::{
    CarryReport, ConnectionId, Effect, Event, Level, Mode, ObserverSettings, PeerEffect, PeerSettings,
    SessionModes, carry_out,
};
use tree::Watches;
use zab::learner::Upstream;
use zab::packet::From;
use zab::{Attempt, LinkId, Outgoing, Packet};

use crate::world::{WALL_MS, show};
use host::{Dial, Host, Job, copy, restore};

pub const TICK_MS: u32 = 1000;

/// All servers and what is between them.
pub struct Ensemble {
    pub hosts: BTreeMap<i64, Host>,
    pub now: Millis,
    pub settings: Arc<PipelineSettings>,
    /// Clients that say nothing.
    pub silent: BTreeSet<ConnectionId>,
    pub shows_packets: bool,
    pub trace: Vec<String>,
    messages: VecDeque<Message>,
    links: BTreeMap<LinkId, Link>,
    links_so_far: u64,
    cuts: BTreeSet<(i64, i64)>,
    /// Transactions that were committed somewhere, to compare with.
    committed: BTreeMap<Zxid, Arc<TxnRecord>>,
}

struct Message {
    from: i64,
    to: i64,
    link: Option<LinkId>,
    event: Event,
    /// A state that goes with it.
    state: Option<(Attempt, tree::State)>,
}

#[derive(Clone, Copy)]
struct Link {
    leader: i64,
    learner: i64,
    attempt: Attempt,
}

impl Ensemble {
    /// Voters with the ids from 1 on, observers behind them; none is up.
    pub fn new(settings: PipelineSettings, modes: SessionModes, voters: i64, observers: i64) -> Self {
        let settings = Arc::new(settings);
        let lines: Vec<(String, String)> = (1..=voters + observers)
            .map(|id| {
                let role = if id > voters { "observer" } else { "participant" };
                (format!("server.{id}"), format!("h{id}:2888:3888:{role}"))
            })
            .collect();
        let pairs = lines.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let verifier = Arc::new(Verifier::from_pairs(pairs, false).expect("valid"));
        let host = |id: i64| {
            let learner_type = if id > voters { LearnerType::Observer } else { LearnerType::Participant };
            let peer = PeerSettings {
                me: ServerId(id),
                learner_type,
                verifier: Arc::clone(&verifier),
                last_seen: None,
                tick_ms: TICK_MS,
                init_limit: 5,
                sync_limit: 2,
                commit_log_count: 500,
                forces_snapshot: false,
                sends_log: true,
                epoch_patience_ms: None,
                finalize_wait_ms: 200,
                min_notification_ms: 200,
                max_notification_ms: 2000,
                modes,
                observers: ObserverSettings::default(),
            };
            (id, Host::new(Arc::clone(&settings), peer))
        };
        Self {
            hosts: (1..=voters + observers).map(host).collect(),
            now: Millis(0),
            settings: Arc::clone(&settings),
            silent: BTreeSet::new(),
            shows_packets: false,
            trace: Vec::new(),
            messages: VecDeque::new(),
            links: BTreeMap::new(),
            links_so_far: 0,
            cuts: BTreeSet::new(),
            committed: BTreeMap::new(),
        }
    }

    /// One more server, which knows of the members that `teacher` knows, and of itself.
    pub fn add(&mut self, id: i64, role: &str, teacher: i64) {
        let teacher = &self.hosts[&teacher].peer;
        let lines = teacher.verifier.with_version(0).to_string();
        let text = format!("server.{id}=h{id}:2888:3888:{role}\n{lines}");
        let verifier = Arc::new(Verifier::from_text(&text, false).expect("valid"));
        let learner_type = verifier.member(ServerId(id)).expect("a line").learner_type;
        let peer =
            PeerSettings { me: ServerId(id), learner_type, verifier, last_seen: None, ..teacher.clone() };
        self.hosts.insert(id, Host::new(Arc::clone(&self.settings), peer));
    }

    /// Writes a proposed membership beside that in force of a server that is down.
    pub fn write_next(&mut self, id: i64, version: &str, joining: impl Iterator<Item = i64>) {
        let peer = &mut self.host(id).peer;
        let mut lines = peer.verifier.with_version(0).to_string();
        lines.push('\n');
        joining.for_each(|id| lines.push_str(&format!("server.{id}=h{id}:2888:3888:participant\n")));
        lines.push_str(&format!("version={version}"));
        peer.last_seen = Some(Arc::new(Verifier::from_text(&lines, false).expect("valid")));
    }

    pub fn wall_ms(&self) -> i64 {
        WALL_MS + i64::try_from(self.now.0).expect("test time is short")
    }

    pub fn host(&mut self, id: i64) -> &mut Host {
        self.hosts.get_mut(&id).expect("a server")
    }

    pub fn start(&mut self, id: i64) {
        let now = self.now;
        self.host(id).start(now);
        self.carry(id);
        self.deliver();
    }

    pub fn crash(&mut self, id: i64) {
        self.host(id).crash();
        self.messages.retain(|message| message.from != id && message.to != id);
        self.close_links(|link| link.leader == id || link.learner == id, "the other end crashed");
    }

    /// Nothing goes from one to the other any longer; connections between them break.
    pub fn cut(&mut self, from: i64, to: i64) {
        self.cuts.extend([(from, to), (to, from)]);
        let between = |a: i64, b: i64| (a, b) == (from, to) || (a, b) == (to, from);
        self.messages.retain(|message| !between(message.from, message.to));
        self.close_links(|link| between(link.leader, link.learner), "the network is cut");
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    pub fn open(&mut self, id: i64, connection: ConnectionId) {
        let identities = pipeline::auth::identities_of([127, 0, 0, 1].into());
        let outbox = Outbox::new(Arc::clone(&self.settings), identities);
        self.host(id).boxes.0.insert(connection, outbox);
    }

    /// One thing happens to a server.
    pub fn step(&mut self, id: i64, event: impl Into<Event>) {
        let now = self.now;
        let host = self.host(id);
        let Some(replica) = &mut host.replica else { return };
        let event = event.into();
        host.events.push((now, event.clone()));
        replica.step(now, event, &host.state, &mut host.effects);
        self.carry(id);
    }

    /// A learner hands on a request whose body cannot be right.
    pub fn hand_on(&mut self, learner: i64, op_code: i32) {
        let found = self.links.iter().find(|(_, link)| link.learner == learner);
        let (link, to) = found.map(|(id, link)| (*id, link.leader)).expect("it follows");
        let (session, body, identities) = (SessionId(1), vec![7].into(), vec![]);
        let packet = Packet::Request(zab::Request { session, cxid: 9, op_code, body, identities });
        self.post(learner, to, Some(link), Event::LearnerPacket { link, packet });
    }

    /// Delivers and writes until nothing moves.
    pub fn deliver(&mut self) {
        const STEPS_MAX: usize = 100_000;
        for _ in 0..STEPS_MAX {
            if !self.deliver_one() {
                return;
            }
        }
        let last = self.trace.len().saturating_sub(14);
        let waiting: Vec<(i64, i64, &Event)> =
            self.messages.iter().take(8).map(|message| (message.from, message.to, &message.event)).collect();
        panic!("it never ends: {:#?}, {waiting:?}", &self.trace[last..]);
    }

    /// Time passes, with all that it brings.
    pub fn wait(&mut self, ms: u64) {
        const MOMENTS_MAX: usize = 10_000;
        let until = self.now.plus(ms);
        for moment in 0.. {
            assert!(moment < MOMENTS_MAX, "time stands still at {}", self.now);
            self.deliver();
            let due = |host: &Host| {
                let deadline = host.replica.as_ref().and_then(rookeeper_replica::Replica::next_deadline);
                let dial = host.dial.map(|dial| dial.until);
                let tick = host.replica.as_ref().map(|_| host.next_tick);
                [deadline, dial, tick].into_iter().flatten().min()
            };
            let Some(next) = self.hosts.values().filter_map(due).min().filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            let ids: Vec<i64> = self.hosts.keys().copied().collect();
            ids.into_iter().for_each(|id| self.pass(id));
        }
        self.now = until;
    }

    /// Whoever is up and serves, with the same transactions and the same tree; true when all that are up do.
    pub fn is_whole(&mut self) -> bool {
        let up: Vec<&Host> = self.hosts.values().filter(|host| host.replica.is_some()).collect();
        let ends: BTreeSet<(Zxid, i64)> =
            up.iter().map(|host| (host.disk.last(), host.state.digest())).collect();
        up.iter().all(|host| host.mode.is_some_and(|mode| mode != Mode::ReadOnly)) && ends.len() == 1
    }

    fn pass(&mut self, id: i64) {
        let (now, wall_ms) = (self.now, self.wall_ms());
        let host = self.host(id);
        if let Some(dial) = host.dial.filter(|dial| dial.until <= now) {
            host.dial = None;
            let what = Upstream::Lost { why: "nobody answers".into() };
            self.step(id, Event::Upstream { attempt: dial.attempt, what });
        }
        let host = self.host(id);
        let Some(replica) = &host.replica else { return };
        if replica.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.step(id, ServerEvent::Deadline { wall_ms });
        }
        let host = self.host(id);
        if host.next_tick <= now {
            host.next_tick = now.plus(u64::from(TICK_MS));
            self.tell_heard(id);
            self.step(id, ServerEvent::Tick { wall_ms });
        }
    }

    fn tell_heard(&mut self, id: i64) {
        let silent = self.silent.clone();
        let host = self.host(id);
        let open = |connection: &ConnectionId| {
            host.boxes.0.get(connection).is_some_and(|outbox| outbox.closed().is_none())
        };
        let heard =
            host.sessions.iter().filter(|(connection, _)| !silent.contains(connection) && open(connection));
        let sessions: Vec<SessionId> = heard.map(|(_, session)| *session).collect();
        self.step(id, ServerEvent::Heard { sessions });
    }

    fn deliver_one(&mut self) -> bool {
        if let Some(message) = self.messages.pop_front() {
            self.arrive(message);
            return true;
        }
        let ids: Vec<i64> = self.hosts.keys().copied().collect();
        for id in ids {
            if let Some(event) = self.host(id).write() {
                self.step(id, event);
                return true;
            }
            if let Some(dial) = self.host(id).dial
                && self.connect(id, dial)
            {
                return true;
            }
        }
        false
    }

    fn arrive(&mut self, message: Message) {
        let Message { from, to, link, event, state } = message;
        if link.is_some_and(|link| !self.links.contains_key(&link)) && !is_end(&event) {
            return;
        }
        if self.cuts.contains(&(from, to)) && !is_end(&event) {
            return;
        }
        if let Event::Upstream { what: Upstream::Packet(Packet::Ping { .. }), .. } = &event {
            self.tell_heard(to);
        }
        if let Some(state) = state {
            self.host(to).received = Some(state);
        }
        self.step(to, event);
    }

    fn connect(&mut self, learner: i64, dial: Dial) -> bool {
        let leader = dial.leader;
        let is_there = self.hosts.get(&leader).is_some_and(|host| match dial.is_master {
            true => host.listens_for_observers,
            false => host.is_listening,
        });
        if !is_there || self.cuts.contains(&(learner, leader)) {
            return false;
        }
        self.host(learner).dial = None;
        self.links_so_far += 1;
        let link = LinkId(self.links_so_far);
        self.links.insert(link, Link { leader, learner, attempt: dial.attempt });
        self.post(learner, leader, Some(link), Event::LearnerConnected { link });
        let what = Upstream::Connected;
        self.post(leader, learner, Some(link), Event::Upstream { attempt: dial.attempt, what });
        true
    }

    fn close_links(&mut self, matches: impl Fn(&Link) -> bool, why: &str) {
        let closed: Vec<(LinkId, Link)> =
            self.links.iter().filter(|(_, link)| matches(link)).map(|(id, link)| (*id, *link)).collect();
        for (id, link) in closed {
            let Link { leader, learner, attempt } = link;
            self.post(learner, leader, Some(id), Event::LearnerLost { link: id, why: why.into() });
            let what = Upstream::Lost { why: why.into() };
            self.post(leader, learner, Some(id), Event::Upstream { attempt, what });
            // What was sent before arrives before.
            self.drain(id);
            self.links.remove(&id);
        }
    }

    /// Lets arrive what is on its way on a link.
    fn drain(&mut self, link: LinkId) {
        while let Some(index) = self.messages.iter().position(|message| message.link == Some(link)) {
            let message = self.messages.remove(index).expect("it was there");
            self.arrive(message);
        }
    }

    fn post(&mut self, from: i64, to: i64, link: Option<LinkId>, event: Event) {
        self.messages.push_back(Message { from, to, link, event, state: None });
    }

    /// Carries out what a server wants, in order.
    fn carry(&mut self, id: i64) {
        let effects = std::mem::take(&mut self.host(id).effects);
        for effect in effects {
            self.show(id, &effect);
            match effect {
                Effect::Append { record } => self.host(id).disk.jobs.push_back(Job::Append(record)),
                Effect::Peer(
                    effect @ (PeerEffect::ApplyFuzzy { .. } | PeerEffect::SetLastProcessed { .. }),
                ) => {
                    self.carry_state(id, Effect::Peer(effect));
                }
                Effect::Peer(effect) => self.carry_peer(id, effect),
                Effect::Note { .. } => {}
                Effect::Halt { why } => panic!("server {id}: {why}"),
                Effect::Stopped => {
                    self.close_links(|link| link.leader == id || link.learner == id, "the other end stopped");
                    self.host(id).crash();
                    return;
                }
                effect @ (Effect::Apply { .. }
                | Effect::Reply { .. }
                | Effect::RefuseSession { .. }
                | Effect::OpenSession { .. }
                | Effect::Close { .. }) => self.carry_state(id, effect),
            }
        }
    }

    fn carry_state(&mut self, id: i64, effect: Effect) {
        let now = self.now;
        if let Effect::Apply { record, .. } = &effect
            && self.hosts[&id].mode.is_some()
        {
            let known = self.committed.entry(record.header.zxid).or_insert_with(|| Arc::clone(record));
            assert_eq!(known, record, "server {id} commits something else");
        }
        let host = self.host(id);
        let mut report = CarryReport::default();
        carry_out(now, &mut host.state, &mut host.watches, &mut vec![effect], &mut host.boxes, &mut report);
        assert_eq!(report.halt, None, "server {id}");
        assert_eq!(report.digest_mismatches, vec![], "server {id}");
        for (connection, outbox) in &host.boxes.0 {
            if let Some(opened) = outbox.opened() {
                host.sessions.insert(*connection, opened.session);
            }
        }
    }

    fn carry_peer(&mut self, id: i64, effect: PeerEffect) {
        match effect {
            PeerEffect::Notify { to, message } => {
                if self.hosts.get(&to.0).is_some_and(|host| host.replica.is_some()) {
                    self.post(id, to.0, None, Event::Notification { from: ServerId(id), message });
                }
            }
            PeerEffect::ConnectAll => {}
            PeerEffect::Listen => self.host(id).is_listening = true,
            PeerEffect::ListenForObservers => self.host(id).listens_for_observers = true,
            PeerEffect::StopListening => {
                let host = self.host(id);
                (host.is_listening, host.listens_for_observers) = (false, false);
            }
            PeerEffect::Dial { attempt, leader, within_ms } => {
                let until = self.now.plus(within_ms);
                self.host(id).dial = Some(Dial { attempt, leader: leader.0, is_master: false, until });
            }
            PeerEffect::DialMaster { attempt, master, within_ms } => {
                let until = self.now.plus(within_ms);
                self.host(id).dial = Some(Dial { attempt, leader: master.0, is_master: true, until });
            }
            PeerEffect::SendToLeader { attempt, packet } => {
                let found = self.links.iter().find(|(_, link)| link.learner == id && link.attempt == attempt);
                let Some((link, to)) = found.map(|(id, link)| (*id, link.leader)) else { return };
                let packet = travel(From::Learner, &packet);
                self.post(id, to, Some(link), Event::LearnerPacket { link, packet });
            }
            PeerEffect::HangUp { attempt } => {
                self.host(id).dial = None;
                self.close_links(|link| link.learner == id && link.attempt == attempt, "the learner hung up");
            }
            PeerEffect::SendToLearner { link, what } => self.send_to_learner(id, link, what),
            PeerEffect::CloseLearner { link, why } => {
                let Some(found) = self.links.get(&link).copied() else { return };
                let Link { leader, learner, attempt } = found;
                self.post(learner, leader, None, Event::LearnerLost { link, why: why.clone() });
                let what = Upstream::Lost { why };
                self.post(leader, learner, Some(link), Event::Upstream { attempt, what });
            }
            PeerEffect::ProbeLog { link, peer } => {
                let outcome = Ok(self.hosts[&id].probe(peer));
                self.post(id, id, None, Event::LogProbed { link, outcome });
            }
            PeerEffect::WriteAcceptedEpoch { epoch } => {
                self.host(id).disk.jobs.push_back(Job::AcceptedEpoch(epoch));
            }
            PeerEffect::WriteCurrentEpoch { epoch } => {
                self.host(id).disk.jobs.push_back(Job::CurrentEpoch(epoch));
            }
            PeerEffect::Truncate { zxid } => self.host(id).disk.jobs.push_back(Job::Truncate(zxid)),
            PeerEffect::AdoptSnapshot { attempt, zxid } => {
                let host = self.host(id);
                let (of, state) = host.received.take().expect("a state was received");
                assert_eq!((of, state.last_processed_zxid()), (attempt, zxid));
                host.state = state;
                host.set_config();
            }
            PeerEffect::InstallSnapshot { zxid } => {
                let host = self.host(id);
                assert_eq!(host.state.last_processed_zxid(), zxid, "what is installed is what is applied");
                let items = copy(&mut host.state);
                host.disk.jobs.push_back(Job::Install(zxid, items));
            }
            PeerEffect::GiveUpHistory { .. } => self.host(id).disk.jobs.push_back(Job::GiveUp),
            PeerEffect::SeeMembership { verifier } => {
                let before = self.host(id).peer.last_seen.replace(Arc::clone(&verifier));
                if let Some(before) = before.filter(|before| before.version > verifier.version) {
                    self.trace.push(format!("{id}: forgets membership {:x}", before.version));
                }
            }
            PeerEffect::ActivateMembership { verifier, sets_node } => {
                let wall_ms = self.wall_ms();
                let host = self.host(id);
                if let Some(line) = verifier.member(host.peer.me) {
                    host.peer.learner_type = line.learner_type;
                }
                if sets_node {
                    host.state.set_config(verifier.to_string().as_bytes(), Zxid(verifier.version), wall_ms);
                }
                host.peer.verifier = verifier;
            }
            PeerEffect::Serve { mode } => self.host(id).mode = Some(mode),
            PeerEffect::StopServing => {
                let host = self.host(id);
                host.mode = None;
                host.watches = Watches::default();
                host.boxes.0.values_mut().for_each(|outbox| outbox.close(CloseReason::RoleChanged));
            }
            PeerEffect::ApplyFuzzy { .. } | PeerEffect::SetLastProcessed { .. } => {}
        }
    }

    fn send_to_learner(&mut self, id: i64, link: LinkId, what: Outgoing) {
        let Some(Link { learner, attempt, .. }) = self.links.get(&link).copied() else { return };
        let upstream = |packet| Event::Upstream { attempt, what: Upstream::Packet(packet) };
        match what {
            Outgoing::Packet(packet) => {
                let packet = travel(From::Leader, &packet);
                self.post(id, learner, Some(link), upstream(packet));
            }
            Outgoing::Snapshot { zxid } => {
                let host = self.host(id);
                assert_eq!(host.state.last_processed_zxid(), zxid, "the state is what is committed");
                let items = copy(&mut host.state);
                let state = restore(&host.settings, zxid, items);
                self.post(id, learner, Some(link), upstream(Packet::Snap(zxid)));
                let event = Event::Upstream { attempt, what: Upstream::SnapshotReceived };
                let (from, to, link, state) = (id, learner, Some(link), Some((attempt, state)));
                self.messages.push_back(Message { from, to, link, event, state });
            }
            Outgoing::Log { after, up_to } => {
                let records: Vec<Arc<TxnRecord>> = self.hosts[&id].disk.log.clone();
                for record in records {
                    let zxid = record.header.zxid;
                    if zxid > after && zxid <= up_to {
                        self.post(id, learner, Some(link), upstream(Packet::Proposal(record)));
                        self.post(id, learner, Some(link), upstream(Packet::Commit(zxid)));
                    }
                }
            }
        }
    }

    fn show(&mut self, id: i64, effect: &Effect) {
        let line = match effect {
            Effect::Peer(effect) if self.shows_packets => self.show_packet(effect),
            Effect::Peer(PeerEffect::Serve { .. } | PeerEffect::StopServing) => show::effect(effect),
            Effect::Peer(_) => None,
            Effect::Note { level: Level::Debug | Level::Info, what } => match what {
                rookeeper_replica::Note::Election(_)
                | rookeeper_replica::Note::Leader(zab::leader::LeaderNote::Introduced { .. })
                | rookeeper_replica::Note::LearnerLost { .. }
                | rookeeper_replica::Note::Serves { .. } => None,
                _ => show::effect(effect),
            },
            effect => show::effect(effect),
        };
        self.trace.extend(line.map(|line| format!("{id}: {line}")));
    }

    fn show_packet(&self, effect: &PeerEffect) -> Option<String> {
        match effect {
            PeerEffect::SendToLeader { packet: Packet::Ping { .. }, .. }
            | PeerEffect::SendToLearner { what: Outgoing::Packet(Packet::Ping { .. }), .. }
            | PeerEffect::Notify { .. }
            | PeerEffect::ConnectAll => None,
            PeerEffect::SendToLeader { packet, .. } => Some(format!("→ leader {}", packet_line(packet))),
            PeerEffect::SendToLearner { link, what } => {
                let to = self.links.get(link).map_or(0, |link| link.learner);
                Some(match what {
                    Outgoing::Packet(packet) => format!("→ {to} {}", packet_line(packet)),
                    what => format!("→ {to} {what:?}"),
                })
            }
            effect => Some(format!("{effect:?}")),
        }
    }
}

/// The end of a link arrives however the link ended.
fn is_end(event: &Event) -> bool {
    matches!(
        event,
        Event::LearnerLost { .. }
            | Event::Upstream { what: Upstream::Lost { .. }, .. }
            | Event::LogProbed { .. }
    )
}

/// A packet as it comes out at the other end.
fn travel(from: From, packet: &Packet) -> Packet {
    let bytes = packet.to_vec();
    Packet::decode(from, &mut Reader::from_slice(&bytes)).expect("what we write can be read")
}

fn packet_line(packet: &Packet) -> String {
    match packet {
        Packet::Proposal(record) | Packet::Inform(record) => {
            format!("{} {}", packet.name(), show::record(record))
        }
        Packet::Request(request) => {
            format!("REQUEST session={} cxid={} op={}", request.session, request.cxid, request.op_code)
        }
        Packet::NewLeader { zxid, .. } => format!("NEWLEADER {zxid}"),
        packet => format!("{packet:?}"),
    }
}
