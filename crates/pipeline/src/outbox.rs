//! What waits for one client: frames ready for the socket, and what the connection must learn from replies.
//!
//! The connection writes local replies into it, `carry_out` those of the replica and events. Buffer order is state order.

mod close_reason;
mod stats;

use alloc::{sync::Arc, vec::Vec};

use jute::{ErrorCode, Record, SessionId, Zxid, data::Acl, proto, write, xid};
use tree::EventKind;

pub use close_reason::{CloseReason, Opened};
pub use stats::{Answered, ConnectionStats, Latency, OP_NONE, Share, last_op_name};

use crate::{auth, request::Identities, settings::PipelineSettings};

/// Length of a session password.
pub const PASSWORD_LEN: usize = 16;

/// The only state of a connection that the server tells in events.
const SYNC_CONNECTED: i32 = 3;

/// Frames and notices of one connection.
///
/// * Nothing is appended once `close` is set: what stands before it still goes out, as in the reference.
/// * One frame more than the cap may wait, never two: a single great reply passes, a slow reader does not.
/// * `completed` counts replies to forwarded requests and never goes back.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    cap_bytes: usize,
    completed: u64,
    has_dropped: bool,
    opened: Option<Opened>,
    /// Whether the handshake's reply says if this server is read-only, and if so.
    read_only: Option<bool>,
    close: Option<CloseReason>,
    identities: Identities,
    settings: Arc<PipelineSettings>,
    stats: ConnectionStats,
    share: Share,
}

impl Outbox {
    /// An empty outbox of a new connection; `identities` are those that the address gives.
    pub fn new(settings: Arc<PipelineSettings>, identities: Identities) -> Self {
        Self {
            bytes: Vec::new(),
            cap_bytes: settings.outbox_bytes_max,
            completed: 0,
            has_dropped: false,
            opened: None,
            read_only: None,
            close: None,
            identities,
            settings,
            stats: ConnectionStats::default(),
            share: Share::default(),
        }
    }

    /// Appends a reply; `body` is called only when the header tells of no error.
    // zk: ServerCnxn.serialize
    pub fn reply(&mut self, header: proto::ReplyHeader, body: impl FnOnce(&mut Vec<u8>)) {
        self.try_reply(header, |out| {
            body(out);
            true
        });
    }

    /// Appends a reply unless `body` gives up; then nothing is appended, and the outcome is false.
    pub(crate) fn try_reply(
        &mut self,
        header: proto::ReplyHeader,
        body: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> bool {
        if header.xid > 0 {
            self.stats.outstanding -= 1;
        }
        self.frame(|out| {
            header.encode(out);
            header.err != ErrorCode::Ok.code() || body(out)
        })
    }

    /// Appends a reply with a body beside an error, as the reference does when it had begun with the body.
    pub(crate) fn reply_with_both(&mut self, header: proto::ReplyHeader, body: impl FnOnce(&mut Vec<u8>)) {
        if header.xid > 0 {
            self.stats.outstanding -= 1;
        }
        self.frame(|out| {
            header.encode(out);
            body(out);
            true
        });
    }

    /// Appends a reply without a body.
    pub fn reply_code(&mut self, xid: i32, zxid: Zxid, code: ErrorCode) {
        self.reply(proto::ReplyHeader { xid, zxid, err: code.code() }, |_| ());
    }

    /// Appends a watch event of a transaction unless the identities of the connection may not read the znode.
    // zk: NIOServerCnxn.process: READ is checked when the event is delivered, with the identities of that moment
    pub fn event(&mut self, kind: EventKind, path: &str, zxid: Zxid, acl: Option<&[Acl]>) {
        if auth::may_read(&self.settings, acl, &self.identities) {
            self.unfiltered_event(kind, path, zxid);
        }
    }

    /// Appends a watch event without a look at the ACL, as the catch-up of setWatches does with zxid -1.
    pub fn unfiltered_event(&mut self, kind: EventKind, path: &str, zxid: Zxid) {
        self.frame(|out| {
            proto::ReplyHeader { xid: xid::NOTIFICATION, zxid, err: ErrorCode::Ok.code() }.encode(out);
            write::int(out, kind.code());
            write::int(out, SYNC_CONNECTED);
            write::string(out, path);
            true
        });
    }

    /// Appends the handshake reply of a session that lives, in the layout of the client's request.
    // zk: ZooKeeperServer.finishSessionInit
    pub fn connected(&mut self, opened: Opened, password: &[u8; PASSWORD_LEN]) {
        self.handshake(opened, password);
        self.opened = Some(opened);
    }

    /// Appends the handshake reply for a session that does not exist or a wrong password, and closes.
    pub fn refuse(&mut self) {
        let none = Opened { session: SessionId::NONE, timeout_ms: 0 };
        self.handshake(none, &[0; PASSWORD_LEN]);
        self.close(CloseReason::UnknownSession);
    }

    /// Counts one forwarded request as done.
    pub fn complete_one(&mut self) {
        self.completed += 1;
    }

    /// Counts one forwarded request as done that gets no answer. The connection ends once the requests before it are
    /// answered, for an answer to a later one would be taken for that of this one.
    pub fn drop_one(&mut self) {
        self.has_dropped = true;
        self.complete_one();
    }

    /// Whether a request got no answer.
    pub(crate) fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    /// Number of forwarded requests that are done.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Updates the numbers of the reports; called once per reply to a request, before the reply.
    // zk: FinalRequestProcessor.updateStats
    pub fn answered(&mut self, answered: Answered) {
        self.stats.answered(&answered);
        self.share.answered(&answered);
    }

    /// Ends the connection once what was appended so far is sent; the first reason stays.
    pub fn close(&mut self, reason: CloseReason) {
        self.close.get_or_insert(reason);
    }

    /// Why the connection ends, if it does.
    pub fn closed(&self) -> Option<CloseReason> {
        self.close
    }

    /// The session that the handshake reply announced.
    pub fn opened(&self) -> Option<Opened> {
        self.opened
    }

    /// Who the client is by now.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// Number of bytes that wait for the socket.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits for the socket.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether more bytes wait than may.
    pub fn over_cap(&self) -> bool {
        self.bytes.len() > self.cap_bytes
    }

    /// Takes all bytes that wait.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.bytes)
    }

    /// Takes all bytes that wait and leaves `spare` in their place, emptied, so that two buffers serve a connection for good.
    pub fn swap_bytes(&mut self, spare: &mut Vec<u8>) {
        spare.clear();
        core::mem::swap(&mut self.bytes, spare);
    }

    /// Gives memory back; for a connection that has been idle for a while.
    pub fn release_spare(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// What `cons` shows.
    pub fn stats(&self) -> &ConnectionStats {
        &self.stats
    }

    /// Starts what `cons` shows anew.
    // zk: ServerCnxn.resetStats
    pub fn reset_stats(&mut self) {
        self.stats.reset();
    }

    /// This connection's share of the server's counters.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// Starts this connection's share of the server's counters anew.
    pub fn reset_share(&mut self) {
        self.share = Share::default();
    }

    /// Counts a frame of `len` bytes, prefix included, as received.
    pub(crate) fn note_received(&mut self, len: usize) {
        self.stats.received += 1;
        self.share.received += 1;
        self.share.bytes_received += u64::try_from(len).unwrap_or(u64::MAX);
    }

    /// Counts a request as waiting for its reply.
    // zk: ServerCnxn.incrOutstandingAndCheckThrottle: only positive xids count
    pub(crate) fn note_request(&mut self, xid: i32) {
        if xid > 0 {
            self.stats.outstanding += 1;
        }
    }

    /// Remembers the layout of the client's handshake, which the reply mirrors: whether a byte tells that we are read-only.
    pub(crate) fn set_handshake_layout(&mut self, read_only: Option<bool>) {
        self.read_only = read_only;
    }

    /// Takes over what the client has become.
    pub(crate) fn set_identities(&mut self, identities: Identities) {
        self.identities = identities;
    }

    /// Bytes that may wait.
    pub(crate) fn cap_bytes(&self) -> usize {
        self.cap_bytes
    }

    // zk: ProtocolManager.serializeConnectResponse
    fn handshake(&mut self, opened: Opened, password: &[u8; PASSWORD_LEN]) {
        let read_only = self.read_only;
        self.frame(|out| {
            write::int(out, 0);
            write::int(out, opened.timeout_ms);
            write::long(out, opened.session.0);
            write::buffer(out, Some(password));
            if let Some(read_only) = read_only {
                write::boolean(out, read_only);
            }
            true
        });
    }

    /// Appends one frame, its length patched in, unless `content` gives up.
    fn frame(&mut self, content: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        if self.close.is_some() {
            return true;
        }
        // diverges(outbox-max): the reference keeps all that a client does not read
        if self.over_cap() {
            self.close(CloseReason::OutboxFull { limit: self.cap_bytes });
            return true;
        }
        let start = self.bytes.len();
        let mut complete = false;
        write::with_length(&mut self.bytes, |out| complete = content(out));
        if !complete {
            self.bytes.truncate(start);
            return false;
        }
        self.share.sent(self.bytes.len() - start - size_of::<i32>());
        self.stats.sent += 1;
        true
    }
}

#[cfg(test)]
mod tests;
