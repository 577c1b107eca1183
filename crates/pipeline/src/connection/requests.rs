use bytes::Bytes;
use jute::{
    ErrorCode, OpCode, Reader, Record, Zxid,
    proto::{AuthPacket, GetSASLRequest, ReplyHeader, RequestHeader},
    write,
};

use super::{Connection, ConnectionAction, Large, Phase, Progress, Turn, WAITING_MAX, local::Local};
use crate::{
    auth::{self, AuthOutcome},
    event::{ClientRequest, Event},
    outbox::{Answered, CloseReason, OP_NONE, last_op_name},
    request::{Identities, OpClass, Request},
    settings::PipelineSettings,
    time::Millis,
};

/// A request that was read and must be handled in its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    xid: i32,
    what: What,
    identities: Identities,
    received: Millis,
    body: Bytes,
}

#[derive(Debug)]
enum What {
    /// Answered here.
    Local(Request),
    /// Answered by the replica.
    Forwarded(Request),
    /// The body cannot be decoded.
    Malformed { op: OpCode },
    /// The type is none that a client may ask for.
    Unknown { op_code: i32 },
}

impl Connection {
    /// Handles the first request that waits, or reads one more frame.
    pub(super) fn next_request(&mut self, turn: &mut Turn<'_>) -> Result<Progress, CloseReason> {
        if turn.is_used_up() || turn.outbox.len() > turn.outbox.cap_bytes() / 2 {
            return Ok(false);
        }
        if self.waiting.front().is_some_and(|first| self.may_handle(first)) {
            if let Some(first) = self.waiting.pop_front() {
                self.waiting_bytes -= first.body.len();
                self.handle(first, turn)?;
            }
            return Ok(true);
        }
        // zk: ServerCnxn.incrOutstandingAndCheckThrottle: the server stops reading from who has a request under way
        let throttled = turn.view.throttled && self.in_flight() > 0;
        if throttled || self.waiting_bytes >= self.buffered_max() || self.waiting.len() >= WAITING_MAX {
            return Ok(false);
        }
        let Some(frame) = self.next_frame(turn)? else { return Ok(false) };
        self.on_frame(&frame, turn)?;
        Ok(true)
    }

    /// Takes the next frame once all of it is there.
    pub(super) fn next_frame(&mut self, turn: &mut Turn<'_>) -> Result<Option<Bytes>, CloseReason> {
        if let Some(len) = self.input.announce(self.settings.jute_max_buffer)? {
            if !turn.view.serving {
                return Err(CloseReason::NotServing);
            }
            self.check_large(len, turn)?;
        }
        let Some(frame) = self.input.take_frame() else { return Ok(None) };
        turn.outbox.note_received(super::input::PREFIX_LEN + frame.len());
        Ok(Some(frame))
    }

    // zk: ZooKeeperServer.checkRequestSizeWhenReceivingMessage
    fn check_large(&self, len: usize, turn: &Turn<'_>) -> Result<(), CloseReason> {
        let limit = self.settings.large_request.max_bytes;
        if self.is_large(len) && turn.view.large_request_bytes.saturating_add(len) > limit {
            return Err(CloseReason::LargeRequest { len, limit });
        }
        Ok(())
    }

    fn is_large(&self, len: usize) -> bool {
        self.settings.large_request.threshold.is_some_and(|threshold| len > threshold)
    }

    // zk: NIOServerCnxn.readRequest, ZooKeeperServer.processPacket
    fn on_frame(&mut self, frame: &Bytes, turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        let mut reader = Reader::new(frame).with_limit(self.settings.field_bytes_max());
        let header = RequestHeader::decode(&mut reader)
            .map_err(|_| CloseReason::MalformedFrame { what: "RequestHeader" })?;
        turn.outbox.note_request(header.xid);
        let op = OpCode::from_code(header.op_code);
        if op == Some(OpCode::Auth) {
            return self.authenticate(header.xid, &mut reader, turn);
        }
        if op == Some(OpCode::Sasl) {
            return Self::sasl(header.xid, &mut reader, turn);
        }
        self.enforce_authentication(header.xid, turn)?;
        // zk: ZooKeeperServer.submitRequestNow: credentials alone do not keep a session alive
        turn.heard = true;
        // zk: the length of a large request is counted without its header once it has arrived
        let body = frame.slice(frame.len() - reader.remaining()..);
        let request = Waiting {
            xid: header.xid,
            what: decode(&header, op, &mut reader, &self.settings),
            identities: self.identities.clone(),
            received: turn.now,
            body,
        };
        if self.waiting.is_empty() && self.may_handle(&request) {
            return self.handle(request, turn);
        }
        self.waiting_bytes += request.body.len();
        self.waiting.push_back(request);
        Ok(())
    }

    /// Credentials are checked at once, before what waits.
    fn authenticate(
        &mut self,
        xid: i32,
        reader: &mut Reader<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), CloseReason> {
        let packet =
            AuthPacket::decode(reader).map_err(|_| CloseReason::MalformedFrame { what: "AuthPacket" })?;
        let outcome = auth::handle_authentication(
            &self.settings,
            &packet.scheme,
            packet.auth.as_deref(),
            self.remote,
            &mut self.identities,
            turn.view.state,
        );
        match outcome {
            AuthOutcome::Ok => {
                turn.outbox.set_identities(self.identities.clone());
                turn.outbox.reply_code(xid, Zxid::ZERO, ErrorCode::Ok);
                Ok(())
            }
            AuthOutcome::Failed => {
                turn.outbox.reply_code(xid, Zxid::ZERO, ErrorCode::AuthFailed);
                Err(CloseReason::AuthFailed)
            }
            AuthOutcome::Closed => Err(CloseReason::AuthFailed),
        }
    }

    /// There is no login: each token gets a null token, without error.
    // zk: ZooKeeperServer.processSasl without a SASL server; a null token is a null pointer there, which closes
    fn sasl(xid: i32, reader: &mut Reader<'_>, turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        let token = GetSASLRequest::decode(reader).ok().and_then(|request| request.token);
        if token.is_none() {
            return Err(CloseReason::MalformedFrame { what: "SASL token" });
        }
        let header = ReplyHeader { xid, zxid: Zxid::ZERO, err: ErrorCode::Ok.code() };
        turn.outbox.reply(header, |out| write::buffer(out, None));
        Ok(())
    }

    // zk: AuthenticationHelper.enforceAuthentication
    fn enforce_authentication(&self, xid: i32, turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        if auth::is_enough(&self.settings, &self.identities) {
            return Ok(());
        }
        turn.outbox.reply_code(xid, Zxid::ZERO, ErrorCode::SessionClosedRequireSaslAuth);
        Err(CloseReason::AuthRequired)
    }

    /// What the replica answers may go at once; everything else waits for what is in flight there.
    fn may_handle(&self, request: &Waiting) -> bool {
        match request.what {
            What::Forwarded(_) => true,
            What::Local(_) | What::Malformed { .. } | What::Unknown { .. } => self.in_flight() == 0,
        }
    }

    fn handle(&mut self, waiting: Waiting, turn: &mut Turn<'_>) -> Result<(), CloseReason> {
        turn.requests_left = turn.requests_left.saturating_sub(1);
        let Waiting { xid, what, identities, received, body } = waiting;
        match what {
            What::Forwarded(request) => {
                let (connection, session, wall_ms) = (self.id, self.session, turn.wall_ms);
                let len = body.len();
                let request =
                    ClientRequest { connection, session, xid, request, body, identities, received, wall_ms };
                self.forward(request, len, turn);
                Ok(())
            }
            // zk: ZooKeeperServer.submitRequestNow: who has no session gets no reply
            What::Local(_) | What::Malformed { .. } | What::Unknown { .. } if !self.has_session(turn) => {
                Ok(())
            }
            What::Local(request) => Local {
                view: turn.view,
                watches: turn.watches,
                outbox: turn.outbox,
                settings: &self.settings,
                identities: &identities,
                connection: self.id,
                session: self.session,
                xid,
                received,
                now: turn.now,
            }
            .answer(&request),
            // zk: ReadOnlyRequestProcessor.run: it is refused before anybody reads its body
            What::Malformed { op } if turn.view.read_only && OpClass::of(op) == OpClass::Replica => {
                let zxid = turn.view.state.last_processed_zxid();
                turn.outbox.reply_code(xid, zxid, ErrorCode::NotReadOnly);
                Ok(())
            }
            // diverges(undecodable-body): the reference logs an error transaction for what would have been a write
            What::Malformed { op } => {
                let zxid = turn.view.state.last_processed_zxid();
                let op = if is_prepared(op) { OP_NONE } else { last_op_name(op) };
                turn.outbox.answered(Answered { xid, zxid, op, received, now: turn.now });
                turn.outbox.reply_code(xid, zxid, ErrorCode::MarshallingError);
                Ok(())
            }
            // zk: UnimplementedRequestProcessor.processRequest: the zxid of a request that was never prepared
            // diverges(unknown-op-in-order): the reference may close before it has sent the replies of earlier requests
            What::Unknown { op_code } => {
                turn.outbox.reply_code(xid, Zxid::NONE, ErrorCode::Unimplemented);
                Err(CloseReason::UnknownOp { op_code })
            }
        }
    }

    /// A learner may not have the session yet, which its leader knows: what was never there is not gone.
    // zk: LearnerSessionTracker.touchSession: a learner does not look
    fn has_session(&mut self, turn: &Turn<'_>) -> bool {
        self.note_session(turn);
        !self.session_was_there || turn.view.state.session_timeout(self.session).is_some()
    }

    /// Remembers that the state has the session.
    pub(super) fn note_session(&mut self, turn: &Turn<'_>) {
        if self.phase == Phase::Established && !self.session_was_there {
            self.session_was_there = turn.view.state.session_timeout(self.session).is_some();
        }
    }

    fn forward(&mut self, request: ClientRequest, len: usize, turn: &mut Turn<'_>) {
        self.forwarded += 1;
        if self.is_large(len) {
            self.large.push_back(Large { number: self.forwarded, len });
            self.large_bytes += len;
        }
        if matches!(request.request, Request::CloseSession) {
            self.phase = Phase::Closing;
        }
        turn.out.push(ConnectionAction::Forward(Event::Request(request)));
    }
}

fn decode(
    header: &RequestHeader,
    op: Option<OpCode>,
    reader: &mut Reader<'_>,
    settings: &PipelineSettings,
) -> What {
    let unknown = What::Unknown { op_code: header.op_code };
    let Some(op) = op else { return unknown };
    let class = OpClass::of(op);
    if class == OpClass::Unimplemented {
        return unknown;
    }
    match Request::decode_bounded(op, reader, settings.multi_ops_max) {
        Ok(request) if class == OpClass::Replica => What::Forwarded(request),
        Ok(request) => What::Local(request),
        Err(_) => What::Malformed { op },
    }
}

/// Whether the reference decodes the body while it prepares a transaction; a failure there is shown as no operation.
const fn is_prepared(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Reconfig
            | OpCode::Multi
            | OpCode::CreateSession
    )
}
