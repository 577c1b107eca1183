//! What clients asked and what they heard.

use bytes::Bytes;
use jute::{SessionId, Zxid};
use pipeline::request::Request;

use crate::clock::Micros;

/// Names an operation in its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpId(pub(crate) usize);

/// One operation of a client.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) client: usize,
    pub(crate) session: SessionId,
    pub(crate) xid: i32,
    pub(crate) asked: Asked,
    /// The server of the connection only served reads.
    pub(crate) is_read_only: bool,
    pub(crate) invoked: Micros,
    /// `None`: nobody knows what came of it.
    pub(crate) returned: Option<Returned>,
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request: Request,
}

/// The answer.
#[derive(Debug, Clone)]
pub(crate) struct Returned {
    pub(crate) at: Micros,
    pub(crate) zxid: Zxid,
    pub(crate) err: i32,
    pub(crate) body: Bytes,
}

/// What a client heard on one connection, in order.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// A connection begins.
    Connected,
    /// An answer.
    Reply { op: OpId },
    /// An answer to setWatches.
    WatchesSet { zxid: Zxid, set: jute::proto::SetWatches2 },
    /// A ping came back.
    Pong { zxid: Zxid },
    /// A watch fired.
    Event { kind: i32, path: String, zxid: Zxid },
    /// The connection is gone.
    Lost,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct History {
    ops: Vec<Op>,
    /// What each client heard.
    heard: Vec<Vec<Heard>>,
}

impl History {
    pub(crate) fn new(clients: usize) -> Self {
        Self { ops: Vec::new(), heard: vec![Vec::new(); clients] }
    }

    pub(crate) fn invoke(&mut self, op: Op) -> OpId {
        self.ops.push(op);
        OpId(self.ops.len() - 1)
    }

    pub(crate) fn answer(&mut self, id: OpId, returned: Returned) {
        if let Some(op) = self.ops.get_mut(id.0) {
            op.returned = Some(returned);
        }
    }

    pub(crate) fn hear(&mut self, client: usize, heard: Heard) {
        if let Some(all) = self.heard.get_mut(client) {
            all.push(heard);
        }
    }

    pub(crate) fn ops(&self) -> &[Op] {
        &self.ops
    }

    pub(crate) fn op(&self, id: OpId) -> Option<&Op> {
        self.ops.get(id.0)
    }

    pub(crate) fn heard(&self) -> impl Iterator<Item = (usize, &[Heard])> {
        self.heard.iter().enumerate().map(|(client, heard)| (client, heard.as_slice()))
    }
}
