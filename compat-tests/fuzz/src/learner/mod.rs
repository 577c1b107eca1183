//! Bytes from a leader, and a learner with a disk that hears them.

mod model;

use bytes::Bytes;
use ensemble::ServerId;
use jute::snapshot::SnapshotItem;
use jute::txn::{ErrorTxn, SetDataTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use zab::learner::{LearnerStart, Upstream};
use zab::stream::{FromLeader, Item, encode_signature, encode_snapshot_item};
use zab::{Learner, LearnerSettings, Packet};

use crate::heap::in_proportion_beside;
use model::{Answer, Model};

const FIELD_MAX: usize = 4096;
const HELD_MAX: usize = 8192;
/// What the learner may hold, and the model, whatever the input.
const HEAP_FREE: usize = 256 << 10;
const EVENTS_MAX: usize = 400;

/// The first three bytes choose who we are and what we have; events follow: a byte that says what happens, then what it needs.
pub fn learner(input: &[u8]) {
    in_proportion_beside(HEAP_FREE, input, || {
        let Some(([choice, epoch, counter], rest)) = input.split_first_chunk() else { return };
        let mut run = Run::new(*choice, i32::from(*epoch % 4), u32::from(*counter % 8));
        let mut choices = Choices(rest);
        for _ in 0..EVENTS_MAX {
            let Some(event) = choices.next() else { break };
            run.event(event, &mut choices);
        }
        run.end();
    });
}

struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn or_zero(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Run {
    learner: Learner,
    stream: FromLeader,
    model: Model,
    now_ms: u64,
    /// The zxid that structured packets go on from.
    cursor: Zxid,
}

impl Run {
    fn new(choice: u8, epoch: i32, counter: u32) -> Self {
        let last = Zxid::from_parts(epoch, counter);
        let is_observer = choice & 1 != 0;
        let settings = LearnerSettings {
            me: (choice & 2 == 0).then_some(ServerId(1)),
            is_observer,
            leader: ServerId(2),
            elected_epoch: (choice & 4 != 0).then_some(epoch),
            config_version: 0,
            tick_ms: 1000,
            init_limit: 10,
            sync_limit: 5,
            reconfig_enabled: true,
            multi_address: false,
        };
        let accepted_epoch = epoch + i32::from(choice >> 7);
        let start =
            LearnerStart { accepted_epoch, current_epoch: epoch, last, keeps_history: epoch % 3 == 0 };
        let mut model = Model::new(is_observer, accepted_epoch, epoch, last);
        let mut out = Vec::new();
        let learner = Learner::new(settings, start, 0, &mut out).with_held_bytes_max(HELD_MAX);
        model.check(&out);
        Self { learner, stream: FromLeader::new(FIELD_MAX), model, now_ms: 0, cursor: last }
    }

    fn event(&mut self, event: u8, choices: &mut Choices<'_>) {
        match event % 16 {
            0 => self.upstream(Upstream::Connected),
            1 => {
                let len = usize::from(choices.or_zero());
                self.feed(choices.take(len));
            }
            2 => self.feed(&snapshot()),
            3 => self.disk(choices.or_zero()),
            4 => {
                let mut out = Vec::new();
                self.now_ms = self.learner.next_deadline().unwrap_or(self.now_ms).max(self.now_ms);
                self.learner.on_deadline(self.now_ms, &mut out);
                self.model.check(&out);
            }
            5 if choices.or_zero() > 250 => self.upstream(Upstream::Lost { why: String::new() }),
            5 => self.upstream(Upstream::Receiving),
            6 => self.stray_answer(choices.or_zero()),
            7 | 8 => self.disk(0),
            kind => {
                let (number, shift) = (choices.or_zero(), choices.or_zero());
                let packet = self.packet(if kind > 12 { kind } else { number }, shift);
                self.feed(&packet.to_vec());
            }
        }
    }

    /// A packet that may well come next.
    fn packet(&mut self, number: u8, shift: u8) -> Packet {
        let leader_epoch = self.model.leader_epoch();
        let epoch_zxid = Zxid::from_parts(leader_epoch.wrapping_add(i32::from(shift == 255)), 0);
        let near = Zxid(self.cursor.0.saturating_add(i64::from(shift % 8)).saturating_sub(4));
        match number % 20 {
            0 => Packet::LeaderInfo {
                zxid: Zxid::from_parts(i32::from(shift % 6), 0),
                protocol_version: 0x1_0000,
            },
            1 => Packet::Diff(self.cursor),
            2 => Packet::Trunc(near),
            3 => {
                self.cursor = near;
                Packet::Snap(near)
            }
            4 | 14 => Packet::NewLeader { zxid: epoch_zxid, config: None },
            5 | 15 => Packet::UpToDate,
            6 | 13 => Packet::Proposal(self.record(shift).into()),
            7 => Packet::Inform(self.record(shift).into()),
            8 => Packet::InformAndActivate { leader: 3, record: self.record(shift).into() },
            9 => Packet::Commit(near),
            10 => Packet::CommitAndActivate { zxid: self.cursor, leader: 3 },
            11 => Packet::Commit(self.cursor),
            12 => Packet::Commit(self.model.next_uncommitted().unwrap_or(near)),
            16 => Packet::Ping { zxid: near, heard: None },
            17 => Packet::Revalidated { session: SessionId(1), is_valid: shift < 128 },
            18 => Packet::Sync,
            _ => Packet::Unknown(i32::from(shift)),
        }
    }

    fn record(&mut self, shift: u8) -> TxnRecord {
        self.cursor = match shift % 16 {
            0 => Zxid::from_parts(self.model.leader_epoch(), 1),
            1 => Zxid::from_parts(self.model.leader_epoch().wrapping_add(1), 1),
            2 => Zxid(self.cursor.0.wrapping_add(2)),
            3 => self.cursor,
            _ => Zxid(self.cursor.0.wrapping_add(1)),
        };
        let txn = if shift > 240 {
            Txn::Error(ErrorTxn { err: -5 })
        } else {
            let data = Some(Bytes::from(vec![0; usize::from(shift)]));
            Txn::SetData(SetDataTxn { path: "/a".to_string(), data, version: 1 })
        };
        let op_code = txn.op_code().code();
        let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid: self.cursor, time: 0, op_code };
        TxnRecord { header, txn, digest: None }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.stream.feed(bytes);
        loop {
            match self.stream.next() {
                Ok(Some(Item::Packet(packet))) => {
                    self.model.hear(&packet);
                    self.upstream(Upstream::Packet(packet));
                }
                Ok(Some(Item::SnapshotItem(_))) => {}
                Ok(Some(Item::SnapshotEnd)) => self.upstream(Upstream::SnapshotReceived),
                Ok(None) => return,
                Err(error) => return self.upstream(Upstream::Lost { why: error.to_string() }),
            }
        }
    }

    fn upstream(&mut self, what: Upstream) {
        let mut out = Vec::new();
        self.learner.on_upstream(self.now_ms, what, &mut out);
        self.model.check(&out);
    }

    /// The disk does the next thing that it was asked for.
    fn disk(&mut self, choice: u8) {
        let Some(answer) = self.model.carry_out(choice) else { return };
        let (mut out, now_ms) = (Vec::new(), self.now_ms);
        match answer {
            Answer::Durable(zxid) => self.learner.on_durable(now_ms, zxid, &mut out),
            Answer::AcceptedEpoch => self.learner.on_accepted_epoch_written(now_ms, &mut out),
            Answer::CurrentEpoch => self.learner.on_current_epoch_written(now_ms, &mut out),
            Answer::Truncated(outcome) => self.learner.on_truncated(now_ms, outcome, &mut out),
            Answer::Installed => self.learner.on_snapshot_installed(now_ms, &mut out),
        }
        self.model.check(&out);
    }

    /// The disk answers what nobody asked for, as far as that is no lie.
    fn stray_answer(&mut self, choice: u8) {
        let (mut out, now_ms) = (Vec::new(), self.now_ms);
        match choice % 4 {
            0 if !self.model.awaits(&Answer::AcceptedEpoch) => {
                self.learner.on_accepted_epoch_written(now_ms, &mut out);
            }
            1 if !self.model.awaits(&Answer::CurrentEpoch) => {
                self.learner.on_current_epoch_written(now_ms, &mut out);
            }
            2 if !self.model.awaits(&Answer::Installed) => {
                self.learner.on_snapshot_installed(now_ms, &mut out);
            }
            _ => self.learner.on_durable(now_ms, self.model.durable(), &mut out),
        }
        self.model.check(&out);
    }

    fn end(self) {
        let waits = self.learner.next_deadline().is_some();
        assert!(waits || self.model.has_left() || self.model.is_asked(), "nothing ends this wait");
        let pending = self.learner.into_pending();
        let pending: Vec<Zxid> = pending.iter().map(|record| record.header.zxid).collect();
        assert_eq!(pending, self.model.appended_and_not_applied(), "the next role applies what is logged");
    }
}

fn snapshot() -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in [SnapshotItem::Sessions(Vec::new()), SnapshotItem::Acls(Vec::new()), SnapshotItem::End] {
        encode_snapshot_item(&item, &mut bytes);
    }
    encode_signature(&mut bytes);
    bytes
}
