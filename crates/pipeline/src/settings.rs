//! What an operator may set and the pipeline obeys.

use alloc::{collections::BTreeSet, string::String, vec::Vec};

use tree::{StateSettings, acl::AclSettings};

/// Default of `jute.maxbuffer`.
pub const JUTE_MAX_BUFFER_DEFAULT: usize = 0xf_ffff;

/// Settings of the pipeline, checked and complete; shared as an `Arc`.
///
/// `Default` is what the reference does without any setting.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// High byte of the session ids that we give out.
    // zk: ZooKeeperServer.createSessionTracker: a standalone server is 1 whatever its myid
    pub server_id: u8,
    /// `tickTime`.
    pub tick_ms: u32,
    /// `minSessionTimeout`, by default two ticks.
    pub min_session_timeout_ms: i32,
    /// `maxSessionTimeout`, by default twenty ticks.
    pub max_session_timeout_ms: i32,
    /// `zookeeper.extendedTypesEnabled`: TTL znodes.
    pub extended_types: bool,
    /// `zookeeper.emulate353TTLNodes`.
    pub emulate_353_ttl: bool,
    /// `enforceQuota`.
    pub enforce_quota: bool,
    /// `skipACL`, and which schemes exist: `ip`, `digest` unless it is off, and what `authProvider.*` names.
    pub acl: AclSettings,
    /// `zookeeper.closeSessionTxn.enabled`: the txn that closes a session lists its ephemerals.
    pub close_session_txn: bool,
    /// `zookeeper.digest.enabled`.
    pub digest_enabled: bool,
    /// `reconfigEnabled`.
    pub reconfig_enabled: bool,
    /// `standaloneEnabled`: a membership has two voters at least.
    pub standalone_enabled: bool,
    /// `multiAddress.enabled`: a member may have several addresses.
    pub multi_address: bool,
    /// `jute.maxbuffer`: greatest frame from a client.
    pub jute_max_buffer: usize,
    /// `zookeeper.jute.maxbuffer.extrasize`: slack for fields and for records of the log.
    pub jute_extra: usize,
    /// What the schemes check.
    pub auth: AuthSettings,
    /// `zookeeper.watchManagerName` is the optimized one, which knows no persistent watches.
    pub watch_manager_optimized: bool,
    /// Operations that one multi may carry (limit of ours).
    pub multi_ops_max: usize,
    /// Watches of one connection (limit of ours).
    pub watches_per_connection_max: usize,
    /// Bytes that may wait for one slow reader (limit of ours).
    pub outbox_bytes_max: usize,
    /// Time to finish the handshake: `zookeeper.nio.sessionlessCnxnTimeout`.
    pub handshake_timeout_ms: u64,
    /// Large requests.
    pub large_request: LargeRequestSettings,
    /// `stmk` is on `zookeeper.4lw.commands.whitelist`; only then is its mask waited for.
    pub trace_mask_allowed: bool,
    /// `globalOutstandingLimit`: requests that may be in the pipeline before connections are no longer read.
    pub global_outstanding_limit: usize,
    /// When empty containers and expired TTL znodes are deleted.
    pub containers: ContainerSettings,
}

/// `zookeeper.largeRequest*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeRequestSettings {
    /// `zookeeper.largeRequestThreshold`: size above which a request counts as large; `None` turns the limit off.
    pub threshold: Option<usize>,
    /// `zookeeper.largeRequestMaxBytes`: what all large requests under way may have together.
    pub max_bytes: usize,
}

/// `znode.container.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSettings {
    /// `znode.container.checkIntervalMs`.
    pub check_interval_ms: u64,
    /// `znode.container.maxPerMinute`.
    pub max_per_minute: u32,
    /// `znode.container.maxNeverUsedIntervalMs`; zero keeps containers that never had a child.
    pub max_never_used_interval_ms: i64,
}

/// What the schemes check when a client shows credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthSettings {
    /// `zookeeper.DigestAuthenticationProvider.digestAlg`.
    pub digest_algorithm: DigestAlgorithm,
    /// `zookeeper.DigestAuthenticationProvider.superDigest`.
    pub super_digest: Option<String>,
    /// `zookeeper.ensembleAuthName`, split at commas and trimmed.
    pub ensemble_names: Option<BTreeSet<String>>,
    /// `enforce.auth.schemes` when `enforce.auth.enabled`.
    pub enforce: Option<Vec<String>>,
}

/// Message digest of scheme `digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestAlgorithm {
    /// `MD5`.
    Md5,
    /// `SHA1`, `SHA-1` or `SHA`.
    #[default]
    Sha1,
    /// `SHA-224`.
    Sha224,
    /// `SHA-256`.
    Sha256,
    /// `SHA-384`.
    Sha384,
    /// `SHA-512`.
    Sha512,
    /// `SHA-512/224`.
    Sha512Of224,
    /// `SHA-512/256`.
    Sha512Of256,
    /// `SHA3-224`.
    Sha3Of224,
    /// `SHA3-256`.
    Sha3Of256,
    /// `SHA3-384`.
    Sha3Of384,
    /// `SHA3-512`.
    Sha3Of512,
}

impl DigestAlgorithm {
    /// The algorithm that a JCA name means, in any case of letters.
    pub fn from_jca_name(name: &str) -> Option<Self> {
        const NAMES: &[(&str, DigestAlgorithm)] = &[
            ("MD5", DigestAlgorithm::Md5),
            ("SHA", DigestAlgorithm::Sha1),
            ("SHA1", DigestAlgorithm::Sha1),
            ("SHA-1", DigestAlgorithm::Sha1),
            ("SHA224", DigestAlgorithm::Sha224),
            ("SHA-224", DigestAlgorithm::Sha224),
            ("SHA256", DigestAlgorithm::Sha256),
            ("SHA-256", DigestAlgorithm::Sha256),
            ("SHA384", DigestAlgorithm::Sha384),
            ("SHA-384", DigestAlgorithm::Sha384),
            ("SHA512", DigestAlgorithm::Sha512),
            ("SHA-512", DigestAlgorithm::Sha512),
            ("SHA512/224", DigestAlgorithm::Sha512Of224),
            ("SHA-512/224", DigestAlgorithm::Sha512Of224),
            ("SHA512/256", DigestAlgorithm::Sha512Of256),
            ("SHA-512/256", DigestAlgorithm::Sha512Of256),
            ("SHA3-224", DigestAlgorithm::Sha3Of224),
            ("SHA3-256", DigestAlgorithm::Sha3Of256),
            ("SHA3-384", DigestAlgorithm::Sha3Of384),
            ("SHA3-512", DigestAlgorithm::Sha3Of512),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, algorithm)| *algorithm)
    }
}

impl PipelineSettings {
    /// Greatest string or buffer inside a request, and greatest record of the log.
    // zk: BinaryInputArchive.checkLength
    pub const fn field_bytes_max(&self) -> usize {
        self.jute_max_buffer.saturating_add(self.jute_extra)
    }

    /// The settings of the state.
    pub fn state(&self) -> StateSettings {
        StateSettings {
            digest_enabled: self.digest_enabled,
            extended_types_enabled: self.extended_types,
            emulate_353_ttl: self.emulate_353_ttl,
        }
    }

    /// The timeout that a session gets when a client asks for `timeout_ms`.
    // zk: ZooKeeperServer.processConnectRequest: the lower bound first, then the upper
    pub fn negotiate_timeout(&self, timeout_ms: i32) -> i32 {
        timeout_ms.max(self.min_session_timeout_ms).min(self.max_session_timeout_ms)
    }
}

impl Default for PipelineSettings {
    fn default() -> Self {
        const TICK_MS: u16 = 3000;
        Self {
            server_id: 1,
            tick_ms: u32::from(TICK_MS),
            min_session_timeout_ms: 2 * i32::from(TICK_MS),
            max_session_timeout_ms: 20 * i32::from(TICK_MS),
            extended_types: false,
            emulate_353_ttl: false,
            enforce_quota: false,
            acl: AclSettings::with_default_providers(),
            close_session_txn: true,
            digest_enabled: true,
            reconfig_enabled: false,
            standalone_enabled: true,
            multi_address: false,
            jute_max_buffer: JUTE_MAX_BUFFER_DEFAULT,
            jute_extra: JUTE_MAX_BUFFER_DEFAULT,
            auth: AuthSettings::default(),
            watch_manager_optimized: false,
            multi_ops_max: jute::multi::OPERATIONS_MAX_DEFAULT,
            watches_per_connection_max: 10_000_000,
            outbox_bytes_max: 64 << 20,
            handshake_timeout_ms: 10_000,
            large_request: LargeRequestSettings::default(),
            trace_mask_allowed: false,
            global_outstanding_limit: 1000,
            containers: ContainerSettings::default(),
        }
    }
}

impl Default for LargeRequestSettings {
    fn default() -> Self {
        Self { threshold: None, max_bytes: 100 << 20 }
    }
}

impl Default for ContainerSettings {
    fn default() -> Self {
        Self { check_interval_ms: 60_000, max_per_minute: 10_000, max_never_used_interval_ms: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_is_clamped_between_two_and_twenty_ticks() {
        let settings = PipelineSettings::default();
        for (asked, got) in [(i32::MIN, 6000), (0, 6000), (6000, 6000), (7001, 7001), (60_001, 60_000)] {
            assert_eq!(settings.negotiate_timeout(asked), got, "{asked}");
        }
    }

    #[test]
    fn digest_algorithms_have_their_java_names() {
        for (name, expected) in [
            ("SHA1", Some(DigestAlgorithm::Sha1)),
            ("sha-256", Some(DigestAlgorithm::Sha256)),
            ("SHA3-512", Some(DigestAlgorithm::Sha3Of512)),
            ("SHA-512/256", Some(DigestAlgorithm::Sha512Of256)),
            ("CRC32", None),
        ] {
            assert_eq!(DigestAlgorithm::from_jca_name(name), expected, "{name}");
        }
    }
}
