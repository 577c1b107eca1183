//! Settings: what was given ([`Raw`]), and what it comes to ([`Settings`]), as two types.
//!
//! `zoo.cfg`, `-D` and the environment are gathered as text with their origins, then checked once. After that nothing
//! can be wrong any more, and nothing reads text.

pub mod catalog;
mod check;
mod java;
mod member;
mod pipeline;
pub mod properties;
mod quorum;
pub mod raw;
mod report;
mod security;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ensemble::HostPort;

pub(crate) use check::client_host;
pub use member::EnsembleSettings;
pub use raw::{ConfigSource, Given, Raw};

/// What is wrong with the settings; each prints as one line. The process ends with status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// The file cannot be read or parsed.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// One value is not what it must be.
    Value {
        /// Where it was given.
        at: String,
        /// Its name.
        key: String,
        /// The text.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// Values that do not go together, or one that is missing.
    Rule(String),
    /// Right, but not offered yet.
    Later {
        /// Where it was given.
        at: String,
        /// What was asked for.
        what: String,
    },
}

impl SettingsError {
    fn bad(given: &Given, key: &str, expected: &str) -> Self {
        Self::Value {
            at: given.origin.to_string(),
            key: key.to_owned(),
            value: given.value.clone(),
            expected: expected.to_owned(),
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Value { at, key, value, expected } => write!(f, "{at}: {key}={value}: expected {expected}"),
            Self::Rule(text) => f.write_str(text),
            Self::Later { at, what } => write!(f, "{at}: {what}"),
        }
    }
}

impl std::error::Error for SettingsError {}

/// The checked settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file they came from.
    pub config_file: Option<PathBuf>,
    /// Where data lives.
    pub data: DataSettings,
    /// The client port and its connections.
    pub client: ClientSettings,
    /// Sessions.
    pub session: SessionSettings,
    /// Throttles of connections and requests.
    pub throttle: ThrottleSettings,
    /// Authentication and access.
    pub auth: AuthSettings,
    /// What requests may do.
    pub requests: RequestSettings,
    /// Removal of empty container nodes and expired nodes.
    pub containers: ContainerSettings,
    /// Four-letter words that are answered.
    pub words: WordList,
    /// What to do when a tree digest differs.
    pub digest_on_mismatch: DigestMismatch,
    /// The log of the process itself.
    pub logging: LoggingSettings,
    /// Set when this server is a member of an ensemble.
    pub ensemble: Option<EnsembleSettings>,
    /// Lines for the log: odd values, settings without effect, unknown names.
    pub warnings: Vec<String>,
    /// Lines for the log that need no attention.
    pub notes: Vec<String>,
}

/// Data directories and how they are written.
#[derive(Clone, Debug)]
pub struct DataSettings {
    /// `dataDir`: snapshots, epoch files, `myid`.
    pub data_dir: PathBuf,
    /// `dataLogDir`: transaction logs.
    pub data_log_dir: PathBuf,
    /// Create missing `version-2` directories.
    pub autocreate: bool,
    /// Start with an empty tree when there is nothing on disk.
    pub db_autocreate: bool,
    /// A leader's history may replace what was written here standalone.
    pub discards_local_data: bool,
    /// Accept logs without a snapshot.
    pub trust_empty_snapshot: bool,
    /// Transactions from one snapshot to the next, at most.
    pub snap_count: u32,
    /// Log bytes from one snapshot to the next, at most; none when disabled.
    pub snap_size_limit: Option<u64>,
    /// Size at which the log rolls; none when disabled.
    pub txn_log_size_limit: Option<u64>,
    /// Step of the log's preallocation in bytes.
    pub pre_alloc_size: u64,
    /// Sync the log before a reply.
    pub force_sync: bool,
    /// A sync that takes longer is reported.
    pub fsync_warning_ms: u64,
    /// Compression of snapshots.
    pub compression: Compression,
    /// Write and read digests.
    pub digest_enabled: bool,
    /// Write the last zxid into snapshots.
    pub serialize_last_zxid: bool,
    /// Snapshots that a purge keeps.
    pub purge_retain: u32,
    /// Hours between purges; none when off.
    pub purge_interval_hours: Option<u32>,
    /// Group commit: how long a batch may gather; 0 syncs what is there.
    pub flush_delay_ms: u64,
    /// Group commit: how long to wait for one more write.
    pub write_queue_poll_ms: u64,
    /// Group commit: transactions of one batch; none for no limit.
    pub batch_max: Option<usize>,
}

/// Compression of snapshot files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Plain.
    None,
    /// gzip.
    Gzip,
    /// Snappy, in the framing of the Java library.
    Snappy,
}

/// The client port.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Address to bind; none when `clientPort` is not given, or its name has no address yet.
    pub address: Option<SocketAddr>,
    /// A name that had no address when it was looked up: it is waited for.
    pub awaited: Option<HostPort>,
    /// The host was left open: both address families are served.
    pub any_host: bool,
    /// Accept backlog; the reference's default stands for the system's.
    pub backlog: i32,
    /// Connections of one client address; 0 is unlimited.
    pub per_address_max: usize,
    /// Connections in all; 0 is unlimited.
    pub total_max: usize,
    /// `SO_KEEPALIVE`.
    pub keep_alive: bool,
    /// Time for a connection to open a session.
    pub handshake_ms: u64,
    /// Frame limit (`jute.maxbuffer`).
    pub frame_max: u32,
    /// Slack for fields inside a frame.
    pub frame_extra: u32,
    /// Bytes that may wait for a slow reader; 0 is the default of the pipeline.
    pub outbox_max: usize,
    /// Watches of one connection; 0 is the default of the pipeline.
    pub watches_max: usize,
    /// `readonlymode.enabled`: a member without a leader serves reads.
    pub read_only_mode: bool,
}

/// Sessions.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Tick in milliseconds.
    pub tick_ms: u32,
    /// Shortest session timeout.
    pub min_timeout_ms: i32,
    /// Longest session timeout.
    pub max_timeout_ms: i32,
}

/// Throttles.
#[derive(Clone, Debug)]
pub struct ThrottleSettings {
    /// New sessions.
    pub connection: BlueSettings,
    /// Requests in process; 0 is unlimited.
    pub request_max: u32,
    /// Wait of the request throttle before it looks again.
    pub request_stall_ms: u64,
    /// Drop requests of dead connections while the throttle stalls.
    pub drop_stale: bool,
    /// A request is stale when its connection is gone.
    pub stale_connection_check: bool,
    /// A request is stale when it is older than its session's timeout.
    pub stale_latency_check: bool,
    /// A request that waited longer is answered THROTTLEDOP; none when off.
    pub throttled_op_wait_ms: Option<u64>,
    /// Bytes of large requests in flight.
    pub large_request_max_bytes: u32,
    /// Size from which a request is large; none when off.
    pub large_request_threshold: Option<u32>,
    /// Requests in the server from which connections are not read.
    pub global_outstanding_limit: usize,
}

/// The token bucket with random early refusal for new sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct BlueSettings {
    /// Size of the bucket; 0 turns it off.
    pub tokens: i32,
    /// Milliseconds of one fill.
    pub fill_time_ms: i32,
    /// Tokens of one fill.
    pub fill_count: i32,
    /// Milliseconds between changes of the refusal probability; −1 turns it off.
    pub freeze_time_ms: i32,
    /// Rise of the probability.
    pub drop_increase: f64,
    /// Fall of the probability.
    pub drop_decrease: f64,
    /// Share of the bucket below which it falls.
    pub decrease_ratio: f64,
    /// Sessions cost different numbers of tokens.
    pub weighted: bool,
    /// Cost of a new session.
    pub global_weight: i32,
    /// Cost of a new local session.
    pub local_weight: i32,
    /// Cost of a re-attached session.
    pub renew_weight: i32,
}

/// Authentication.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// Providers beyond `ip` and `digest`, by scheme.
    pub providers: Vec<Provider>,
    /// `digest` is offered.
    pub digest_enabled: bool,
    /// Hash of `digest` identities.
    pub digest_algorithm: ::pipeline::settings::DigestAlgorithm,
    /// `super:<hash>`.
    pub super_digest: Option<String>,
    /// Names of the `ensemble` scheme.
    pub ensemble_names: Option<Vec<String>>,
    /// Name in an ACL that every SASL identity matches.
    pub any_sasl_user: Option<String>,
    /// Subject of a certificate that every ACL of scheme `x509` lets in.
    pub x509_super_user: Option<String>,
    /// Schemes of which each connection must have one.
    pub enforce: Option<Vec<String>>,
    /// No ACL is checked.
    pub skip_acl: bool,
}

/// A provider that a setting can add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// `digest`.
    Digest,
    /// `ip`.
    Ip,
    /// `ensemble`.
    Ensemble,
    /// `key`.
    Key,
    /// `sasl`: ACLs may name it, nobody can log in yet.
    Sasl,
    /// `x509`: ACLs may name it, nobody can log in yet.
    X509,
}

/// What requests may do.
#[derive(Clone, Debug)]
pub struct RequestSettings {
    /// TTL and container nodes.
    pub extended_types: bool,
    /// The owner encoding of 3.5.3.
    pub emulate_353_ttl: bool,
    /// Hard quotas reject.
    pub enforce_quota: bool,
    /// Close-session transactions list their paths.
    pub close_session_txn: bool,
    /// `reconfig` is allowed.
    pub reconfig_enabled: bool,
    /// A membership has two voters at least.
    pub standalone_enabled: bool,
    /// A member may have several addresses.
    pub multi_address: bool,
    /// `WatchManagerOptimized`: no persistent watches.
    pub watch_manager_optimized: bool,
    /// Operations of one multi; 0 is the default of the pipeline.
    pub multi_ops_max: usize,
}

/// Containers and TTL nodes.
#[derive(Clone, Debug)]
pub struct ContainerSettings {
    /// Time between checks; none when off.
    pub interval_ms: Option<u64>,
    /// Deletions a minute.
    pub max_per_minute: u32,
    /// Age from which a container that never had children goes; 0 keeps it.
    pub max_never_used_ms: u64,
}

/// Which four-letter words are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordList {
    /// `*`
    pub all: bool,
    /// The words by name.
    pub words: Vec<String>,
}

impl WordList {
    /// Whether `word` is answered.
    #[must_use]
    pub fn allows(&self, word: &str) -> bool {
        self.all || self.words.iter().any(|listed| listed == word)
    }
}

/// What to do when the tree's digest is not that of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestMismatch {
    /// Log and count.
    Alarm,
    /// Come back by a snapshot of the leader; alone, the same as alarm.
    Resync,
    /// End the process.
    Halt,
}

/// The log of the process.
#[derive(Clone, Debug)]
pub struct LoggingSettings {
    /// Level or filter.
    pub level: String,
    /// File; stdout without.
    pub file: Option<PathBuf>,
    /// Size at which the file is rotated.
    pub file_max_bytes: u64,
    /// Rotated files that are kept.
    pub files_max: u32,
}
