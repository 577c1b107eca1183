//! Packets from several learners, a disk and a clock, and the leader in the middle.

mod model;

use std::sync::Arc;

use bytes::Bytes;
use ensemble::{ServerId, Verifier};
use jute::txn::{ErrorTxn, TxnHeader};
use jute::{OpCode, SessionId, Txn, TxnRecord, Zxid};
use zab::leader::{LeaderStart, Recent};
use zab::stream::FromLearner;
use zab::{Introduction, Leader, LeaderAction, LeaderSettings, LinkId, LogProbe, Packet, Request};

use model::Model;

const MEMBERSHIPS: [&str; 4] = [
    "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2",
    "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2\nserver.6=f:1:2:observer",
    "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\ngroup.1=1:2:3\nweight.2=3",
    "server.1=a:1:2",
];
const EPOCH: i32 = 4;
const FIELD_MAX: usize = 4096;
const LINKS: u8 = 8;
const EVENTS_MAX: usize = 400;
/// Transactions that one event may propose.
const PROPOSALS_MAX: u8 = 4;

/// The first byte chooses the ensemble; events follow: a byte that says what happens and at which link, then what it needs.
pub fn leader(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let mut choices = Choices(rest);
    let mut run = Run::new(*choice);
    for _ in 0..EVENTS_MAX {
        let Some(event) = choices.next() else { break };
        run.event(event, &mut choices);
    }
}

struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    fn int(&mut self) -> i32 {
        i32::from(self.byte())
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Mostly one that means something.
    fn zxid(&mut self) -> Zxid {
        Zxid::from_parts(self.int() % 8, u32::from(self.byte()) % 16)
    }
}

struct Run {
    leader: Leader,
    model: Model,
    now_ms: u64,
    /// The link that stands in each place.
    links: [Option<LinkId>; LINKS as usize],
    connected: u64,
}

impl Run {
    fn new(choice: u8) -> Self {
        let [three, five, weights, one] = MEMBERSHIPS;
        let text = match choice % 4 {
            0 => three,
            1 => five,
            2 => weights,
            _ => one,
        };
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let verifier = Arc::new(Verifier::from_pairs(pairs, false).expect("a membership"));
        let settings = LeaderSettings {
            me: ServerId(1),
            tick_ms: 100,
            init_limit: 5,
            sync_limit: 2,
            forces_snapshot: choice & 0x10 != 0,
            sends_log: choice & 0x20 != 0,
            reconfig_enabled: false,
            epoch_patience_ms: Some(1000),
        };
        let last = Zxid::from_parts(EPOCH, 9);
        let mut recent = Recent::new(3);
        if choice & 0x40 == 0 {
            (4..=9).for_each(|counter| recent.push(record(Zxid::from_parts(EPOCH, counter))));
        }
        let start = LeaderStart {
            accepted_epoch: EPOCH,
            current_epoch: EPOCH,
            last,
            last_processed: if choice & 0x80 == 0 { last } else { Zxid::from_parts(EPOCH + 1, 0) },
            recent,
            last_seen: None,
        };
        let mut out = Vec::new();
        let leader = Leader::new(settings, Arc::clone(&verifier), start, 0, &mut out);
        let mut run = Self { leader, model: Model::new(verifier), now_ms: 0, links: [None; 8], connected: 0 };
        run.watch(&out);
        run
    }

    fn event(&mut self, event: u8, choices: &mut Choices<'_>) {
        let place = event >> 4 & 7;
        let out = &mut Vec::new();
        let now_ms = self.now_ms;
        match event & 0xf {
            0 => self.connect(place, out),
            1 => {
                if let Some(link) = self.link(place).take() {
                    self.model.lost(link);
                    self.leader.on_lost(now_ms, link, out);
                }
            }
            2 => self.wait(choices.int().unsigned_abs(), out),
            3 => {
                self.model.accepted_written();
                self.leader.on_accepted_epoch_written(now_ms, out);
            }
            4 => self.leader.on_current_epoch_written(now_ms, out),
            5 => self.propose(choices.byte() % PROPOSALS_MAX, out),
            6 => {
                let zxid = Zxid::from_parts(EPOCH + 1, u32::from(choices.byte()) % 16);
                self.model.durable(zxid);
                self.leader.on_durable(now_ms, zxid, out);
            }
            7 => {
                if let Some(link) = *self.link(place) {
                    self.leader.on_log_probed(now_ms, link, probe(choices), out);
                }
            }
            8 => {
                let bytes = choices.byte();
                self.raw(place, choices.take(usize::from(bytes)));
            }
            kind => self.packet(place, packet(kind, place, choices), out),
        }
        self.watch(out);
    }

    fn link(&mut self, place: u8) -> &mut Option<LinkId> {
        self.links.get_mut(usize::from(place % LINKS)).expect("a place")
    }

    fn connect(&mut self, place: u8, out: &mut Vec<LeaderAction>) {
        if self.link(place).is_none() {
            let link = LinkId(self.connected);
            self.connected += 1;
            *self.link(place) = Some(link);
            self.model.connected(link);
            self.leader.on_accepted(self.now_ms, link, out);
        }
    }

    fn wait(&mut self, ms: u32, out: &mut Vec<LeaderAction>) {
        self.now_ms += u64::from(ms);
        if self.leader.next_deadline().is_some_and(|deadline| deadline <= self.now_ms) {
            self.leader.on_deadline(self.now_ms, out);
            let next = self.leader.next_deadline();
            assert!(next.is_none_or(|next| next > self.now_ms), "what was due is done");
        }
    }

    fn propose(&mut self, count: u8, out: &mut Vec<LeaderAction>) {
        for _ in 0..count {
            let Some(zxid) = self.leader.next_zxid(out) else { return };
            self.model.proposed(zxid);
            self.leader.propose(self.now_ms, record(zxid), out);
        }
    }

    /// Bytes as they come from a socket.
    fn raw(&mut self, place: u8, bytes: &[u8]) {
        let mut stream = FromLearner::new(FIELD_MAX);
        stream.feed(bytes);
        while let Ok(Some(packet)) = stream.next() {
            let mut out = Vec::new();
            self.packet(place, packet, &mut out);
            self.watch(&out);
        }
    }

    fn packet(&mut self, place: u8, packet: Packet, out: &mut Vec<LeaderAction>) {
        if let Some(link) = *self.link(place) {
            self.model.heard(link, &packet);
            self.leader.on_packet(self.now_ms, link, packet, out);
        }
    }

    fn watch(&mut self, out: &[LeaderAction]) {
        for action in out {
            self.model.watch(action);
            if let LeaderAction::Close { link, .. } = action {
                self.links.iter_mut().filter(|place| **place == Some(*link)).for_each(|place| *place = None);
            }
        }
        self.model.agree(&self.leader);
    }
}

fn packet(kind: u8, place: u8, choices: &mut Choices<'_>) -> Packet {
    // Links have the id of their place but for some.
    let introduction = |choices: &mut Choices<'_>| {
        let byte = choices.byte();
        Introduction {
            accepted_epoch: i32::from(byte % 8),
            server: if byte & 0x80 == 0 { Some(i64::from(place)) } else { None },
            protocol_version: 0x1_0000 - i32::from(byte & 0x40 != 0),
            config_version: i64::from(byte & 0x20),
        }
    };
    match kind {
        9 => Packet::FollowerInfo(introduction(choices)),
        10 => Packet::ObserverInfo(introduction(choices)),
        11 => {
            let epoch = choices.int() % 8;
            Packet::AckEpoch { last: choices.zxid(), current_epoch: (epoch != 7).then_some(epoch) }
        }
        12 => Packet::Ack(Zxid::from_parts(EPOCH + 1, u32::from(choices.byte()) % 16)),
        13 => Packet::Ack(choices.zxid()),
        14 => Packet::Ping { zxid: Zxid::ZERO, heard: Some(Vec::new()) },
        _ => Packet::Request(Request {
            session: SessionId(1),
            cxid: choices.int(),
            op_code: choices.int(),
            body: Bytes::new(),
            identities: Vec::new(),
        }),
    }
}

fn probe(choices: &mut Choices<'_>) -> Result<LogProbe, String> {
    let byte = choices.byte();
    if byte & 1 != 0 {
        return Err("unreadable".to_string());
    }
    Ok(LogProbe {
        floor: (byte & 2 == 0).then(|| choices.zxid()),
        first_above: (byte & 4 == 0).then(|| choices.zxid()),
        last: choices.zxid(),
        is_over: byte & 8 != 0,
    })
}

fn record(zxid: Zxid) -> Arc<TxnRecord> {
    let header = TxnHeader { client_id: SessionId(1), cxid: 0, zxid, time: 0, op_code: OpCode::Error.code() };
    Arc::new(TxnRecord { header, txn: Txn::Error(ErrorTxn { err: -1 }), digest: None })
}
