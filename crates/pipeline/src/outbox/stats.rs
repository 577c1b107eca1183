use jute::{OpCode, Zxid};

use crate::time::Millis;

/// What is known of one request at the moment of its reply.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// The xid of its header.
    pub xid: i32,
    /// The zxid in the reply's header.
    pub zxid: Zxid,
    /// Operation as reports show it: [`last_op_name`], or [`OP_NONE`] for an error that comes from no handler.
    pub op: &'static str,
    /// When the request came.
    pub received: Millis,
    /// When the reply was made.
    pub now: Millis,
}

/// Sum, least and greatest of the latencies since the last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Number of replies.
    pub count: u64,
    /// All of them together.
    pub total_ms: u64,
    /// The least; `None` before the first reply.
    pub min_ms: Option<u64>,
    /// The greatest.
    pub max_ms: u64,
}

impl Latency {
    fn add(&mut self, elapsed_ms: u64) {
        self.count += 1;
        self.total_ms = self.total_ms.saturating_add(elapsed_ms);
        self.min_ms = Some(self.min_ms.map_or(elapsed_ms, |min| min.min(elapsed_ms)));
        self.max_ms = self.max_ms.max(elapsed_ms);
    }

    /// Takes in the latencies of another connection.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.total_ms = self.total_ms.saturating_add(other.total_ms);
        self.min_ms = match (self.min_ms, other.min_ms) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.max_ms = self.max_ms.max(other.max_ms);
    }
}

/// A connection's share of the server's counters, reset by `srst`; the server's numbers are the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Frames received, the handshake included.
    pub received: u64,
    /// Frames sent, events included.
    pub sent: u64,
    /// Bytes received in frames, length prefixes included.
    pub bytes_received: u64,
    /// Latency of replies to requests.
    pub latency: Latency,
    /// Length of the largest frame sent, without prefix; zero before the first.
    pub largest_sent: u64,
    /// Length of the least frame sent, without prefix; `None` before the first.
    pub least_sent: Option<u64>,
    /// Length of the last frame sent, without prefix.
    pub last_sent: u64,
}

impl Share {
    /// Takes in the share of another connection.
    pub fn merge(&mut self, other: &Self) {
        self.received += other.received;
        self.sent += other.sent;
        self.bytes_received += other.bytes_received;
        self.latency.merge(&other.latency);
        self.largest_sent = self.largest_sent.max(other.largest_sent);
        self.least_sent = match (self.least_sent, other.least_sent) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        if other.sent > 0 {
            self.last_sent = other.last_sent;
        }
    }
}

/// Counters of one connection as `cons` shows them, reset by `crst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Frames received since the reset.
    pub received: u64,
    /// Frames sent since the reset.
    pub sent: u64,
    /// Requests with a positive xid that have no reply yet; no reset touches it.
    pub outstanding: i64,
    /// Operation of the last reply.
    pub last_op: &'static str,
    /// Last xid that was not negative; -1 for none.
    pub last_cxid: i64,
    /// Zxid of the last reply.
    pub last_zxid: Zxid,
    /// When the last reply was made; zero for never.
    pub last_response: Millis,
    /// Latency of the last reply.
    pub last_latency_ms: u64,
    /// Least latency as shown.
    min_ms: Option<u64>,
    /// Greatest latency.
    pub max_latency_ms: u64,
    count: u64,
    total_ms: u64,
}

impl Default for ConnectionStats {
    // zk: ServerCnxn: fields start at zero and null, so the least latency stays zero until the first reset
    fn default() -> Self {
        Self {
            received: 0,
            sent: 0,
            outstanding: 0,
            last_op: "null",
            last_cxid: 0,
            last_zxid: Zxid::ZERO,
            last_response: Millis(0),
            last_latency_ms: 0,
            min_ms: Some(0),
            max_latency_ms: 0,
            count: 0,
            total_ms: 0,
        }
    }
}

impl ConnectionStats {
    // zk: ServerCnxn.resetStats
    pub(super) fn reset(&mut self) {
        *self = Self {
            outstanding: self.outstanding,
            last_op: OP_NONE,
            last_cxid: -1,
            last_zxid: Zxid::NONE,
            min_ms: None,
            ..Self::default()
        };
    }

    // zk: ServerCnxn.updateStatsForResponse
    pub(super) fn answered(&mut self, answered: &Answered) {
        if answered.xid >= 0 {
            self.last_cxid = i64::from(answered.xid);
        }
        self.last_zxid = answered.zxid;
        self.last_op = answered.op;
        self.last_response = answered.now;
        let elapsed_ms = answered.elapsed_ms();
        self.last_latency_ms = elapsed_ms;
        self.min_ms = Some(self.min_ms.map_or(elapsed_ms, |min| min.min(elapsed_ms)));
        self.max_latency_ms = self.max_latency_ms.max(elapsed_ms);
        self.count += 1;
        self.total_ms = self.total_ms.saturating_add(elapsed_ms);
    }

    /// Least latency since the reset, zero before the first reply.
    pub fn min_latency_ms(&self) -> u64 {
        self.min_ms.unwrap_or(0)
    }

    /// Average latency since the reset, rounded down; zero before the first reply.
    pub fn avg_latency_ms(&self) -> u64 {
        self.total_ms.checked_div(self.count).unwrap_or(0)
    }
}

impl Answered {
    fn elapsed_ms(&self) -> u64 {
        self.now.since(self.received)
    }
}

impl Share {
    pub(super) fn answered(&mut self, answered: &Answered) {
        self.latency.add(answered.elapsed_ms());
    }

    pub(super) fn sent(&mut self, len: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.sent += 1;
        self.last_sent = len;
        self.largest_sent = self.largest_sent.max(len);
        self.least_sent = Some(self.least_sent.map_or(len, |least| least.min(len)));
    }
}

/// What reports show for a reply that no handler made: session errors, failed writes.
pub const OP_NONE: &str = "NA";

/// What reports show for an operation.
// zk: FinalRequestProcessor.processRequest: lastOp
pub const fn last_op_name(op: OpCode) -> &'static str {
    match op {
        OpCode::Ping => "PING",
        OpCode::CreateSession => "SESS",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Create | OpCode::Create2 | OpCode::CreateTtl | OpCode::CreateContainer => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::SetData => "SETD",
        OpCode::Reconfig => "RECO",
        OpCode::SetAcl => "SETA",
        OpCode::CloseSession => "CLOS",
        OpCode::Sync => "SYNC",
        OpCode::Check => "CHEC",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::GetAcl => "GETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::WhoAmI => "HOMI",
        OpCode::GetEphemerals => "GETE",
        OpCode::Notification | OpCode::Auth | OpCode::Sasl | OpCode::Error => OP_NONE,
    }
}
