use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;
use jute::{ErrorCode, OpCode, Record, SessionId, TxnRecord, Zxid, proto};
use pipeline::event::ConnectionId;
use pipeline::outbox::{Answered, CloseReason, OP_NONE, Opened, Outbox, last_op_name};
use pipeline::reply::{self, Ending};
use pipeline::sessions::password;
use pipeline::time::Millis;
use tree::{DigestCheck, DigestMismatch, EventKind, OpResult, State, Trigger, Watches};

use crate::effect::Opening;
use crate::{Effect, HaltReason, LocalReply, Origin, PeerEffect};

/// The outboxes of all connections.
pub trait Outboxes {
    /// Runs `f` on the outbox of a connection; false when the connection is gone.
    fn with(&mut self, connection: ConnectionId, f: impl FnOnce(&mut Outbox)) -> bool;
}

/// What a call of [`carry_out`] did, for metrics, logs and the process.
#[derive(Debug, Default)]
pub struct CarryReport {
    /// Number of transactions applied.
    pub applied: u64,
    /// How many of them proved the tree equal to that of the server that made them.
    pub digests_equal: u64,
    /// The newest of these.
    pub last_digest_equal: Option<Zxid>,
    /// How many watchers each change had that had any, before the look at the ACL; one entry for each table.
    pub fired: Vec<(EventKind, usize)>,
    /// Transactions whose digest is not that of the tree after them.
    pub digest_mismatches: Vec<(Zxid, DigestMismatch)>,
    /// Connections whose outbox got a reply, or was closed; may name one twice.
    pub answered: Vec<ConnectionId>,
    /// Connections whose outbox got an event; may name one twice, and name one that was answered.
    pub told: Vec<ConnectionId>,
    /// A committed transaction could not be applied: the state is of no further use, the process ends.
    pub halt: Option<HaltReason>,
}

/// Carries out what concerns state, watches and clients, in order; leaves the rest for the caller.
///
/// * Events of a transaction stand in an outbox before its reply, and both before whatever a later transaction adds.
/// * After a transaction that cannot be applied nothing more is carried out; events of its first parts may stand in outboxes.
// zk: FinalRequestProcessor.processRequest
pub fn carry_out(
    now: Millis,
    state: &mut State,
    watches: &mut Watches,
    effects: &mut Vec<Effect>,
    outboxes: &mut impl Outboxes,
    report: &mut CarryReport,
) {
    let mut carrier = Carrier { now, state, watches, outboxes, report, told: Vec::new() };
    effects.retain(|effect| {
        if carrier.report.halt.is_some() {
            return true;
        }
        match effect {
            Effect::Apply { record, origin } => carrier.apply(record, *origin),
            Effect::Reply { origin, what } => carrier.reply(origin, what),
            Effect::RefuseSession { connection } => carrier.to(*connection, Outbox::refuse),
            Effect::OpenSession { connection, session, timeout_ms } => {
                carrier.open(*connection, *session, *timeout_ms);
            }
            Effect::Close { connection, why } => carrier.to(*connection, |outbox| outbox.close(*why)),
            Effect::Peer(PeerEffect::ApplyFuzzy { record }) => carrier.apply_fuzzy(record),
            Effect::Peer(PeerEffect::SetLastProcessed { zxid }) => {
                carrier.state.set_last_processed_zxid(*zxid);
            }
            Effect::Append { .. }
            | Effect::Note { .. }
            | Effect::Halt { .. }
            | Effect::Stopped
            | Effect::Peer(_) => return true,
        }
        false
    });
}

struct Carrier<'a, O> {
    now: Millis,
    state: &'a mut State,
    watches: &'a mut Watches,
    outboxes: &'a mut O,
    report: &'a mut CarryReport,
    told: Vec<ConnectionId>,
}

impl<O: Outboxes> Carrier<'_, O> {
    fn apply(&mut self, record: &TxnRecord, origin: Option<Origin>) {
        let zxid = record.header.zxid;
        let Self { state, watches, outboxes, report, told, .. } = self;
        let mut tell = |trigger: Trigger<'_>| fire(&trigger, watches, *outboxes, report, told);
        let applied = match state.apply(record, &mut tell) {
            Ok(applied) => applied,
            Err(error) => {
                self.report.halt = Some(HaltReason::Apply { zxid, what: error.to_string() });
                return;
            }
        };
        self.report.applied += 1;
        match applied.digest {
            DigestCheck::NotCompared => {}
            DigestCheck::Equal => {
                self.report.digests_equal += 1;
                self.report.last_digest_equal = Some(zxid);
            }
            DigestCheck::Differs(mismatch) => self.report.digest_mismatches.push((zxid, mismatch)),
        }
        if let Some(origin) = origin {
            self.end(&origin, record.header.client_id, &applied.result);
        }
    }

    /// In a fuzzy window nobody is connected.
    fn apply_fuzzy(&mut self, record: &TxnRecord) {
        let zxid = record.header.zxid;
        match self.state.apply_fuzzy(record) {
            Ok(()) => self.report.applied += 1,
            Err(error) => {
                self.report.halt = Some(HaltReason::Apply { zxid, what: error.to_string() });
            }
        }
    }

    /// The reply to a request, or handshake, that became a transaction.
    fn end(&mut self, origin: &Origin, session: SessionId, result: &OpResult<'_>) {
        let zxid = self.state.last_processed_zxid();
        match (reply::ending(result), origin.opens) {
            (Ending::Moved, _) => self.to(origin.connection, |outbox| {
                outbox.complete_one();
                outbox.close(CloseReason::SessionMoved);
            }),
            (Ending::Reply(0), Some(opening)) => {
                self.answered(origin, zxid, last_op_name(origin.op));
                if !opening.is_handshake {
                    self.to(origin.connection, Outbox::complete_one);
                }
                self.open(origin.connection, session, opening.timeout_ms);
            }
            // zk: FinalRequestProcessor.processRequest sends a reply where the client waits for a handshake
            // diverges(refused-create-session): a session that could not begin is refused as one that does not exist
            (Ending::Reply(_), Some(Opening { is_handshake: true, .. })) => {
                self.to(origin.connection, Outbox::refuse);
            }
            (Ending::Reply(err), _) => {
                let op =
                    if matches!(result, OpResult::Error { .. }) { OP_NONE } else { last_op_name(origin.op) };
                let answered = self.as_answered(origin, zxid, op);
                let header = proto::ReplyHeader { xid: origin.xid, zxid, err };
                let config = self.config_for(origin, result);
                self.to(origin.connection, |outbox| {
                    outbox.answered(answered);
                    outbox.reply(header, |out| match &config {
                        Some(reply) => reply.encode(out),
                        None => reply::encode_body(result, out),
                    });
                    outbox.complete_one();
                });
                self.close_after(origin, err);
            }
        }
    }

    /// Who changes the membership gets the new one.
    // zk: FinalRequestProcessor.processRequest, reconfig
    fn config_for(&self, origin: &Origin, result: &OpResult<'_>) -> Option<proto::GetDataResponse> {
        match result {
            OpResult::DataSet { stat, .. } if origin.op == OpCode::Reconfig => {
                let data = self
                    .state
                    .node(tree::path::CONFIG)
                    .and_then(|node| node.data().map(Bytes::copy_from_slice));
                Some(proto::GetDataResponse { data, stat: *stat })
            }
            OpResult::DataSet { .. }
            | OpResult::Error { .. }
            | OpResult::Multi(_)
            | OpResult::SessionCreated { .. }
            | OpResult::SessionClosed(_)
            | OpResult::Created { .. }
            | OpResult::Deleted { .. }
            | OpResult::AclSet { .. }
            | OpResult::Checked { .. } => None,
        }
    }

    /// Closing a session closes the connection behind the reply.
    fn close_after(&mut self, origin: &Origin, err: i32) {
        if origin.op == OpCode::CloseSession && err == ErrorCode::Ok.code() {
            self.to(origin.connection, |outbox| outbox.close(CloseReason::SessionClosed));
        }
    }

    /// A reply without a transaction.
    fn reply(&mut self, origin: &Origin, what: &LocalReply) {
        let zxid = self.state.last_processed_zxid();
        match what {
            LocalReply::Sync { path } => {
                self.answered(origin, zxid, last_op_name(OpCode::Sync));
                let header = proto::ReplyHeader { xid: origin.xid, zxid, err: ErrorCode::Ok.code() };
                let body = proto::SyncResponse { path: path.clone() };
                self.to(origin.connection, |outbox| outbox.reply(header, |out| body.encode(out)));
            }
            // zk: FinalRequestProcessor.processRequest, createSession
            LocalReply::Opened { session, timeout_ms } => {
                self.answered(origin, zxid, last_op_name(origin.op));
                self.open(origin.connection, *session, *timeout_ms);
            }
            LocalReply::Closed => {
                self.answered(origin, zxid, last_op_name(origin.op));
                self.to(origin.connection, |outbox| outbox.reply_code(origin.xid, zxid, ErrorCode::Ok));
                self.to(origin.connection, |outbox| outbox.close(CloseReason::SessionClosed));
            }
            LocalReply::Error(ErrorCode::SessionMoved) => {
                self.to(origin.connection, |outbox| outbox.close(CloseReason::SessionMoved));
            }
            LocalReply::Error(code) => {
                self.answered(origin, zxid, OP_NONE);
                self.to(origin.connection, |outbox| outbox.reply_code(origin.xid, zxid, *code));
            }
            LocalReply::Dropped => return self.to(origin.connection, Outbox::drop_one),
        }
        self.to(origin.connection, Outbox::complete_one);
    }

    fn answered(&mut self, origin: &Origin, zxid: Zxid, op: &'static str) {
        let answered = self.as_answered(origin, zxid, op);
        self.to(origin.connection, |outbox| outbox.answered(answered));
    }

    fn as_answered(&self, origin: &Origin, zxid: Zxid, op: &'static str) -> Answered {
        Answered { xid: origin.xid, zxid, op, received: origin.received, now: self.now }
    }

    fn open(&mut self, connection: ConnectionId, session: SessionId, timeout_ms: i32) {
        let opened = Opened { session, timeout_ms };
        self.to(connection, |outbox| outbox.connected(opened, &password(session)));
    }

    fn to(&mut self, connection: ConnectionId, f: impl FnOnce(&mut Outbox)) {
        if self.outboxes.with(connection, f) && self.report.answered.last() != Some(&connection) {
            self.report.answered.push(connection);
        }
    }
}

/// Tells all who watch what changed.
fn fire(
    trigger: &Trigger<'_>,
    watches: &mut Watches,
    outboxes: &mut impl Outboxes,
    report: &mut CarryReport,
    told: &mut Vec<ConnectionId>,
) {
    let fired = watches.fire(trigger, told);
    let tables = [fired.data, fired.children].into_iter().filter(|count| *count > 0);
    report.fired.extend(tables.map(|count| (trigger.kind, count)));
    for connection in told.drain(..) {
        let tell = |outbox: &mut Outbox| {
            outbox.event(trigger.kind, trigger.path, trigger.zxid, Some(trigger.acl));
        };
        if outboxes.with(connection, tell) {
            report.told.push(connection);
        }
    }
}
