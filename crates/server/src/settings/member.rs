//! What a member of an ensemble obeys.

use std::sync::Arc;
use std::time::Duration;

use ensemble::{LearnerType, Member, ServerId, Verifier};

use super::values::Values;
use super::{Raw, SettingsError};

/// The settings of a member, complete and consistent.
#[derive(Clone, Debug)]
pub struct EnsembleSettings {
    /// The own id, from `myid`.
    pub me: ServerId,
    /// The own server line.
    pub own: Member,
    /// Whether this server votes: what its server line says.
    pub learner_type: LearnerType,
    /// All server, group and weight lines.
    pub verifier: Arc<Verifier>,
    /// A membership that was proposed before the last end of this server and is not known to be in force.
    pub last_seen: Option<Arc<Verifier>>,
    /// The membership stands in a dynamic file.
    pub has_dynamic_file: bool,
    /// Ticks for connecting and synchronisation.
    pub init_limit: u32,
    /// Ticks of silence or lag.
    pub sync_limit: u32,
    /// Ticks for a connection to a leader to stand.
    pub connect_limit: u32,
    /// Election and quorum ports listen on all addresses.
    pub listens_on_all: bool,
    /// Several addresses per member, and the handshake that tells them.
    pub multi_address: bool,
    /// Time for an address of a member with several to answer; none when addresses are not probed.
    pub reachability_probe: Option<Duration>,
    /// Milliseconds for a connection to an election port to stand.
    pub election_connect_ms: u64,
    /// Milliseconds for the handshake on an election port.
    pub election_handshake_ms: u64,
    /// How often binding the election port is tried, a second apart; none for ever.
    pub bind_retries: Option<u32>,
    /// `SO_KEEPALIVE` on election and quorum connections.
    pub keep_alive: bool,
    /// `TCP_NODELAY` of the leader's ends of learner links.
    pub leader_no_delay: bool,
    /// `TCP_NODELAY` of a learner's end.
    pub follower_no_delay: bool,
    /// Milliseconds between attempts to reach a leader.
    pub connect_retry_ms: u64,
    /// A leader serves clients itself.
    pub leader_serves: bool,
    /// New sessions are this server's own.
    pub local_sessions: bool,
    /// A local session that creates an ephemeral becomes one that all servers know.
    pub upgrades_sessions: bool,
    /// Committed transactions kept in memory.
    pub commit_log_count: usize,
    /// Every learner gets a snapshot.
    pub forces_snapshot: bool,
    /// The log may be sent up to this share of the newest snapshot's size; negative: never.
    pub snapshot_size_factor: f64,
    /// Milliseconds after which a leader without an epoch heeds that a voter of its looks again; none: never.
    pub epoch_patience_ms: Option<u64>,
    /// First wait for notifications, in milliseconds.
    pub min_notification_ms: u64,
    /// Longest wait for notifications, in milliseconds.
    pub max_notification_ms: u64,
    /// Where followers serve observers, and observers find them.
    pub observer_master_port: Option<u16>,
    /// Longest pause of an observer before it looks for a leader again, in milliseconds.
    pub observer_election_delay_ms: u64,
    /// The same on top for one that learns from the leader itself.
    pub observer_reconnect_delay_ms: u64,
    /// An address that a stranger names on the election port is dialled back.
    pub dials_back_strangers: bool,
}

/// zk: QuorumPeerConfig.checkValidity, QuorumPeer.start
pub(super) fn check(
    values: &Values<'_>,
    raw: &Raw,
    verifier: Verifier,
    last_seen: Option<Verifier>,
    me: Option<ServerId>,
    tick_ms: u32,
) -> Result<EnsembleSettings, SettingsError> {
    let init_limit = required(values, raw, "initLimit")?;
    let sync_limit = required(values, raw, "syncLimit")?;
    let Some(me) = me else {
        return rule(raw, "myid", "a file `myid` in dataDir that holds this server's id");
    };
    let Some(own) = verifier.members().iter().find(|member| member.id == me).cloned() else {
        return rule(raw, &format!("server.{me}"), &format!("a line for this server, whose myid is {me}"));
    };
    let given_type = values.key_text("peerType").map(str::to_lowercase);
    if given_type.as_deref().is_some_and(|given| given != own.learner_type.as_str()) {
        values.warn(format!("peerType is not that of server.{me}, which is {}", own.learner_type.as_str()));
    }
    match verifier.voters().count() {
        ..=2 => values.warn("no server failure is tolerated: that takes at least 3 servers".to_owned()),
        voters if voters % 2 == 0 => {
            values.warn(format!("{voters} voters tolerate no more failures than {} do", voters - 1));
        }
        _ => {}
    }
    let handshake = values.int("zookeeper.quorumCnxnTimeoutMs", -1);
    let retries = values.int("zookeeper.electionPortBindRetry", 3);
    let connect_limit = values.key_int("connectToLearnerMasterLimit")?.unwrap_or(0);
    warn_of_observer_syncs(values)?;
    Ok(EnsembleSettings {
        learner_type: own.learner_type,
        init_limit,
        sync_limit,
        connect_limit: u32::try_from(connect_limit).ok().filter(|ticks| *ticks > 0).unwrap_or(init_limit),
        listens_on_all: values.key_boolean("quorumListenOnAllIPs", false)?,
        multi_address: multi_address(values)?,
        reachability_probe: reachability_probe(values)?,
        election_connect_ms: milliseconds(values.int("zookeeper.cnxTimeout", 5000)),
        election_handshake_ms: u64::try_from(handshake)
            .ok()
            .filter(|ms| *ms > 0)
            .unwrap_or_else(|| u64::from(tick_ms) * u64::from(sync_limit)),
        bind_retries: u32::try_from(retries).ok().filter(|retries| *retries > 0),
        keep_alive: values.boolean("zookeeper.tcpKeepAlive", false),
        leader_no_delay: values.boolean("leader.nodelay", true),
        follower_no_delay: values.boolean("follower.nodelay", true),
        connect_retry_ms: milliseconds(values.int("zookeeper.leaderConnectDelayDuringRetryMs", 100)),
        leader_serves: values.text("zookeeper.leaderServes") != Some("no"),
        local_sessions: values.key_boolean("localSessionsEnabled", false)?,
        upgrades_sessions: values.key_boolean("localSessionsUpgradingEnabled", false)?,
        commit_log_count: usize::try_from(values.int("zookeeper.commitLogCount", COMMIT_LOG_DEFAULT))
            .ok()
            .filter(|count| *count > 0)
            .unwrap_or(500),
        forces_snapshot: values.boolean("zookeeper.forceSnapshotSync", false),
        snapshot_size_factor: values.double("zookeeper.snapshotSizeFactor", 0.33),
        epoch_patience_ms: u64::try_from(values.int("zookeeper.leader.maxTimeToWaitForEpoch", -1)).ok(),
        min_notification_ms: milliseconds(values.int("zookeeper.fastleader.minNotificationInterval", 200)),
        max_notification_ms: milliseconds(values.int("zookeeper.fastleader.maxNotificationInterval", 60_000)),
        observer_master_port: observer_master_port(values)?,
        observer_election_delay_ms: positive(values.long("zookeeper.observer.election.DelayMs", 200)),
        observer_reconnect_delay_ms: positive(values.long("zookeeper.observer.reconnectDelayMs", 0)),
        dials_back_strangers: values.boolean("zookeeper.election.dialBackStrangers", true),
        me,
        own,
        verifier: Arc::new(verifier),
        last_seen: last_seen.map(Arc::new),
        has_dynamic_file: values.key("dynamicConfigFile").is_some(),
    })
}

// zk: ZKDatabase.DEFAULT_COMMIT_LOG_COUNT
const COMMIT_LOG_DEFAULT: i32 = 500;

/// The property goes before the key.
// zk: QuorumPeer.getSyncEnabled
fn warn_of_observer_syncs(values: &Values<'_>) -> Result<(), SettingsError> {
    let by_key = values.key_boolean("syncEnabled", true)?;
    if !values.boolean("zookeeper.observer.syncEnabled", by_key) {
        let text = "syncEnabled=false is without effect in this server so far: observers write their log and snapshots";
        values.warn(text.to_owned());
    }
    Ok(())
}

/// A key goes before the property of the same name.
fn reachability_probe(values: &Values<'_>) -> Result<Option<Duration>, SettingsError> {
    let by_property = values.boolean("zookeeper.multiAddress.reachabilityCheckEnabled", true);
    let is_on = values.key_boolean("multiAddress.reachabilityCheckEnabled", by_property)?;
    let by_property = values.int("zookeeper.multiAddress.reachabilityCheckTimeoutMs", PROBE_MS_DEFAULT);
    let limit = values.key_int("multiAddress.reachabilityCheckTimeoutMs")?.unwrap_or(by_property);
    Ok((is_on && multi_address(values)?).then(|| Duration::from_millis(milliseconds(limit))))
}

// zk: MultipleAddresses.DEFAULT_TIMEOUT
const PROBE_MS_DEFAULT: i32 = 1000;

// diverges(multi-address-key): the reference reads lines with several addresses by the property alone
pub(super) fn multi_address(values: &Values<'_>) -> Result<bool, SettingsError> {
    let by_key = values.key_boolean("multiAddress.enabled", false)?;
    Ok(values.boolean("zookeeper.multiAddress.enabled", false) || by_key)
}

fn required(values: &Values<'_>, raw: &Raw, name: &str) -> Result<u32, SettingsError> {
    const EXPECTED: &str = "a number of ticks above 0, which an ensemble needs";
    match values.key_int(name)? {
        None => rule(raw, name, EXPECTED),
        Some(ticks) => match (u32::try_from(ticks), values.key(name)) {
            (Ok(ticks), _) if ticks > 0 => Ok(ticks),
            (_, Some(given)) => Err(SettingsError::bad(given, name, EXPECTED)),
            (_, None) => rule(raw, name, EXPECTED),
        },
    }
}

fn rule<T>(raw: &Raw, missing: &str, expected: &str) -> Result<T, SettingsError> {
    let file = raw.file.as_deref().map_or_else(|| "settings".into(), |path| path.display().to_string());
    Err(SettingsError::Rule(format!("{file}: {missing} is missing: expected {expected}")))
}

fn positive(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// None unless it is above zero.
// zk: QuorumPeerConfig.parseProperties: observerMasterPort
fn observer_master_port(values: &Values<'_>) -> Result<Option<u16>, SettingsError> {
    let name = "observerMasterPort";
    // Nothing has to be kept beside the history: see `zab::master`.
    values.int("zookeeper.observerMaster.sizeLimit", 0);
    let port = values.key_int(name)?.filter(|port| *port > 0);
    let Some((port, given)) = port.zip(values.key(name)) else { return Ok(None) };
    match u16::try_from(port) {
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(SettingsError::bad(given, name, "a port, 0 to 65535")),
    }
}

fn milliseconds(value: i32) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
