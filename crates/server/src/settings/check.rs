//! From what was given to what counts: defaults, ranges, rules between settings.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use ensemble::HostPort;

use super::values::Values;
use super::{
    BlueSettings, ClientSettings, Compression, ContainerSettings, DataSettings, DigestMismatch,
    LoggingSettings, Raw, RequestSettings, SessionSettings, Settings, SettingsError, ThrottleSettings,
    WordList, member, quorum, report, security,
};

/// The reference's `jute.maxbuffer`.
const FRAME_MAX_DEFAULT: i32 = 0xf_ffff;
/// No name of a znode is longer: a tree keeps its length beside two flags.
const FRAME_MAX_LIMIT: i32 = (1 << 30) - 1;
/// The least slack that the reference grants.
const FRAME_EXTRA_MIN: i32 = 1024;
/// Fewer snapshots than this are never kept.
const PURGE_RETAIN_MIN: i32 = 3;

impl Settings {
    /// Checks what was given.
    ///
    /// # Errors
    /// [`SettingsError`] for the first thing that stops a start.
    pub fn check(raw: &Raw) -> Result<Self, SettingsError> {
        let values = Values::new(raw);
        let data = data(&values)?;
        let session = session(&values)?;
        let membership = quorum::membership(&values, raw, &data.data_dir, session.tick_ms)?;
        let mut settings = Self {
            config_file: raw.file.clone(),
            client: client(&values, membership.own.as_ref())?,
            session,
            throttle: throttle(&values),
            auth: security::check(&values, raw)?,
            requests: requests(&values)?,
            containers: containers(&values),
            words: words(&values),
            digest_on_mismatch: values.word(
                "zookeeper.digest.onMismatch",
                DigestMismatch::Alarm,
                &[
                    ("alarm", DigestMismatch::Alarm),
                    ("resync", DigestMismatch::Resync),
                    ("halt", DigestMismatch::Halt),
                ],
            ),
            logging: logging(&values),
            data,
            ensemble: membership.ensemble,
            warnings: Vec::new(),
            notes: Vec::new(),
        };
        if settings.ensemble.is_some()
            && settings.digest_on_mismatch == DigestMismatch::Resync
            && let Some(given) = values.property("zookeeper.digest.onMismatch")
        {
            let what =
                "digest.onMismatch=resync: not offered in an ensemble yet; alarm and halt are".to_owned();
            return Err(SettingsError::Later { at: given.origin.to_string(), what });
        }
        metrics_provider(&values)?;
        without_difference(&values);
        let (warnings, read) = values.finish();
        settings.warnings = warnings;
        report::unread(raw, &read, &mut settings);
        Ok(settings)
    }
}

// zk: QuorumPeerConfig.parseProperties, FileTxnSnapLog, FileTxnLog, FilePadding, SyncRequestProcessor
fn data(values: &Values<'_>) -> Result<DataSettings, SettingsError> {
    let Some(data_dir) = values.key_text("dataDir").map(PathBuf::from) else {
        return Err(SettingsError::Rule("dataDir is not set".to_owned()));
    };
    let data_log_dir = values.key_text("dataLogDir").map_or_else(|| data_dir.clone(), PathBuf::from);
    let retain = values.key_int("autopurge.snapRetainCount")?.unwrap_or(PURGE_RETAIN_MIN);
    if retain < PURGE_RETAIN_MIN {
        values.warn(format!("autopurge.snapRetainCount={retain}: at least {PURGE_RETAIN_MIN} are kept"));
    }
    let snap_count = values.int("zookeeper.snapCount", 100_000);
    if snap_count < 2 {
        values.warn(format!("zookeeper.snapCount={snap_count}: must be 2 or more, taken as 2"));
    }
    let fsync_warning_ms = values
        .property("zookeeper.fsync.warningthresholdms")
        .map_or("fsync.warningthresholdms", |_| "zookeeper.fsync.warningthresholdms");
    let flush_delay_ms = values.long("zookeeper.flushDelay", 0);
    let batch_max = values.int("zookeeper.maxBatchSize", 1000);
    Ok(DataSettings {
        data_dir,
        data_log_dir,
        autocreate: values.boolean("zookeeper.datadir.autocreate", true),
        db_autocreate: values.boolean("zookeeper.db.autocreate", true),
        discards_local_data: values.boolean("zookeeper.discardLocalData", false),
        trust_empty_snapshot: values.boolean("zookeeper.snapshot.trust.empty", false),
        snap_count: u32::try_from(snap_count.max(2)).unwrap_or(2),
        snap_size_limit: positive_kib(values.long("zookeeper.snapSizeLimitInKb", 4_194_304)),
        txn_log_size_limit: positive_kib(values.long("zookeeper.txnLogSizeLimitInKb", -1)),
        pre_alloc_size: positive_kib(values.long("zookeeper.preAllocSize", 65_536)).unwrap_or(0),
        force_sync: values.text("zookeeper.forceSync") != Some("no"),
        fsync_warning_ms: not_negative(values.long(fsync_warning_ms, 1000)),
        compression: compression(values),
        digest_enabled: values.boolean("zookeeper.digest.enabled", true),
        serialize_last_zxid: values.boolean("zookeeper.serializeLastProcessedZxid.enabled", true),
        purge_retain: u32::try_from(retain.max(PURGE_RETAIN_MIN)).unwrap_or(3),
        purge_interval_hours: values
            .key_int("autopurge.purgeInterval")?
            .and_then(|hours| u32::try_from(hours).ok())
            .filter(|hours| *hours > 0),
        flush_delay_ms: not_negative(flush_delay_ms),
        write_queue_poll_ms: not_negative(values.long("zookeeper.maxWriteQueuePollTime", flush_delay_ms / 3)),
        batch_max: usize::try_from(batch_max).ok().filter(|max| *max > 0),
    })
}

/// zk: SnapStream.StreamMode.fromString
fn compression(values: &Values<'_>) -> Compression {
    const NAME: &str = "zookeeper.snapshot.compression.method";
    match values.text(NAME).map(str::to_ascii_lowercase).as_deref() {
        None | Some("") => Compression::None,
        Some("gz") => Compression::Gzip,
        Some("snappy") => Compression::Snappy,
        Some(other) => {
            values.warn(format!(
                "{NAME}={other}: expected gz, snappy or nothing; snapshots are not compressed"
            ));
            Compression::None
        }
    }
}

fn session(values: &Values<'_>) -> Result<SessionSettings, SettingsError> {
    let tick = values.key_int("tickTime")?.unwrap_or(3000);
    let Some(tick_ms) = u32::try_from(tick).ok().filter(|tick| *tick > 0) else {
        return Err(SettingsError::Rule(format!(
            "tickTime={tick}: expected a number of milliseconds above 0"
        )));
    };
    let timeout = |name: &str, ticks: i32| {
        Ok(values.key_int(name)?.filter(|value| *value != -1).unwrap_or(tick.saturating_mul(ticks)))
    };
    let min_timeout_ms = timeout("minSessionTimeout", 2)?;
    let max_timeout_ms = timeout("maxSessionTimeout", 20)?;
    if min_timeout_ms > max_timeout_ms {
        return Err(SettingsError::Rule(format!(
            "minSessionTimeout={min_timeout_ms} must not be larger than maxSessionTimeout={max_timeout_ms}"
        )));
    }
    Ok(SessionSettings { tick_ms, min_timeout_ms, max_timeout_ms })
}

// diverges(frame-max): the reference takes any number
fn frame_max(values: &Values<'_>) -> i32 {
    let wanted = values.int("jute.maxbuffer", FRAME_MAX_DEFAULT);
    if wanted > FRAME_MAX_LIMIT {
        values.warn(format!("jute.maxbuffer={wanted}: at most {FRAME_MAX_LIMIT}, taken as that"));
    }
    wanted.clamp(0, FRAME_MAX_LIMIT)
}

fn client(values: &Values<'_>, member: Option<&ensemble::Member>) -> Result<ClientSettings, SettingsError> {
    let ClientAddress { address, any_host, awaited } = client_address(values, member)?;
    let frame_max = frame_max(values);
    let frame_extra = values.int("zookeeper.jute.maxbuffer.extrasize", frame_max).max(FRAME_EXTRA_MIN);
    Ok(ClientSettings {
        address,
        any_host,
        awaited,
        backlog: values.key_int("clientPortListenBacklog")?.unwrap_or(-1),
        per_address_max: limit(values.key_int("maxClientCnxns")?.unwrap_or(60)),
        total_max: limit(values.int("zookeeper.maxCnxns", 0)),
        keep_alive: values.boolean("zookeeper.clientTcpKeepAlive", false),
        handshake_ms: not_negative(i64::from(values.int("zookeeper.nio.sessionlessCnxnTimeout", 10_000))),
        frame_max: u32::try_from(frame_max).unwrap_or(0),
        frame_extra: u32::try_from(frame_extra).unwrap_or(0),
        outbox_max: values.count("zookeeper.outbox.maxBytes", 0),
        watches_max: values.count("zookeeper.watches.maxPerConnection", 0),
        read_only_mode: values.boolean("readonlymode.enabled", false),
    })
}

/// Where clients connect.
#[derive(Default)]
struct ClientAddress {
    address: Option<SocketAddr>,
    any_host: bool,
    awaited: Option<HostPort>,
}

fn client_address(
    values: &Values<'_>,
    member: Option<&ensemble::Member>,
) -> Result<ClientAddress, SettingsError> {
    if let Some(given) = values.key("secureClientPort") {
        return Err(SettingsError::Later {
            at: given.origin.to_string(),
            what: "secureClientPort is reserved: TLS for clients is not offered yet, take the line out"
                .to_owned(),
        });
    }
    if values.key("secureClientPortAddress").is_some() {
        let text = "secureClientPortAddress is set but secureClientPort is not set";
        return Err(SettingsError::Rule(text.to_owned()));
    }
    let port = match values.key("clientPort") {
        None => None,
        Some(given) => Some(
            given
                .value
                .parse::<u16>()
                .map_err(|_| SettingsError::bad(given, "clientPort", "a port number, 0 to 65535"))?,
        ),
    };
    let host = values.key("clientPortAddress");
    // zk: QuorumPeerConfig.setupClientPort: the client address of our own server line
    let (host, port) = match (port, host, member.and_then(|member| member.client.as_ref())) {
        (None, Some(_), _) => {
            let text = "clientPortAddress is set but clientPort is not set";
            return Err(SettingsError::Rule(text.to_owned()));
        }
        (None, None, None) => {
            values.warn("clientPort is not set: no client can connect".to_owned());
            return Ok(ClientAddress::default());
        }
        (None, None, Some(own)) => (client_host(&own.host), own.port),
        (Some(port), host, Some(own)) => {
            let given = host.map(|given| given.value.as_str());
            let is_same = port == own.port && given.is_none_or(|given| is_same_host(given, &own.host));
            if !is_same {
                let text = format!(
                    "clientPort={port} is not the client address {own} of this server's own server line"
                );
                return Err(SettingsError::Rule(text));
            }
            (client_host(&own.host), own.port)
        }
        (Some(port), host, None) => (host.map(|given| given.value.clone()), port),
    };
    match host {
        None => {
            let address = Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
            Ok(ClientAddress { address, any_host: true, awaited: None })
        }
        Some(host) => {
            let address = (host.as_str(), port).to_socket_addrs().ok().and_then(|mut found| found.next());
            if address.is_none() && !can_be_a_name(&host) {
                return Err(SettingsError::Rule(format!(
                    "clientPortAddress={host}: no address of that name"
                )));
            }
            // diverges(waits-for-own-name): the reference does not start
            let awaited = address.is_none().then_some(HostPort { host, port });
            Ok(ClientAddress { address, any_host: false, awaited })
        }
    }
}

fn can_be_a_name(host: &str) -> bool {
    !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

/// A wildcard leaves the host open.
pub(crate) fn client_host(host: &str) -> Option<String> {
    (!is_wildcard(host)).then(|| host.to_owned())
}

fn is_wildcard(host: &str) -> bool {
    ["0.0.0.0", "::"].contains(&host)
}

/// A wildcard in the file stands for any host of the line.
// zk: QuorumPeerConfig.setupClientPort
fn is_same_host(given: &str, own: &str) -> bool {
    let resolve = |host: &str| (host, 0).to_socket_addrs().ok().and_then(|mut found| found.next());
    is_wildcard(given) || given == own || (resolve(given).is_some() && resolve(given) == resolve(own))
}

fn throttle(values: &Values<'_>) -> ThrottleSettings {
    let large_max = values.int("zookeeper.largeRequestMaxBytes", 104_857_600);
    if large_max <= 0 {
        values
            .warn(format!("zookeeper.largeRequestMaxBytes={large_max}: must be positive, 104857600 counts"));
    }
    let threshold = values.int("zookeeper.largeRequestThreshold", -1);
    if threshold == 0 || threshold < -1 {
        values
            .warn(format!("zookeeper.largeRequestThreshold={threshold}: must be -1 or positive, -1 counts"));
    }
    let positive = |value: i32| u32::try_from(value).ok().filter(|value| *value > 0);
    ThrottleSettings {
        connection: blue(values),
        request_max: positive(values.int("zookeeper.request_throttle_max_requests", 0)).unwrap_or(0),
        request_stall_ms: not_negative(i64::from(values.int("zookeeper.request_throttle_stall_time", 100))),
        drop_stale: values.boolean("zookeeper.request_throttle_drop_stale", true),
        stale_connection_check: values.boolean("zookeeper.request_stale_connection_check", true),
        stale_latency_check: values.boolean("zookeeper.request_stale_latency_check", false),
        throttled_op_wait_ms: positive(values.int("zookeeper.throttled_op_wait_time", 0)).map(u64::from),
        large_request_max_bytes: positive(large_max).unwrap_or(104_857_600),
        large_request_threshold: positive(threshold),
        global_outstanding_limit: limit(values.int("zookeeper.globalOutstandingLimit", 1000)),
    }
}

// zk: BlueThrottle's static initializer
fn blue(values: &Values<'_>) -> BlueSettings {
    let int =
        |name: &str, default: i32| values.int(&format!("zookeeper.connection_throttle_{name}"), default);
    let double =
        |name: &str, default: f64| values.double(&format!("zookeeper.connection_throttle_{name}"), default);
    let weight = |given: i32, default: i32, floor: i32| if given <= 0 { default } else { given.max(floor) };
    let local = int("local_session_weight", 1);
    let global_weight = weight(int("global_session_weight", 3), 3, local);
    let weighted = values.boolean("zookeeper.connection_throttle_weight_enabled", false);
    let scale = if weighted { global_weight } else { 1 };
    BlueSettings {
        tokens: int("tokens", 0).saturating_mul(scale),
        fill_time_ms: int("fill_time", 1),
        fill_count: int("fill_count", 1).saturating_mul(scale),
        freeze_time_ms: int("freeze_time", -1),
        drop_increase: double("drop_increase", 0.02),
        drop_decrease: double("drop_decrease", 0.002),
        decrease_ratio: double("decrease_ratio", 0.0),
        weighted,
        global_weight,
        local_weight: if local <= 0 { 1 } else { local },
        renew_weight: weight(int("renew_session_weight", 2), 2, local),
    }
}

fn requests(values: &Values<'_>) -> Result<RequestSettings, SettingsError> {
    const MANAGER: &str = "zookeeper.watchManagerName";
    let manager = values.text(MANAGER).unwrap_or_default();
    let watch_manager_optimized = manager.ends_with("WatchManagerOptimized");
    if !watch_manager_optimized && !manager.is_empty() && !manager.ends_with("WatchManager") {
        return Err(SettingsError::Rule(format!(
            "{MANAGER}={manager}: expected org.apache.zookeeper.server.watch.WatchManager or WatchManagerOptimized"
        )));
    }
    Ok(RequestSettings {
        extended_types: values.boolean("zookeeper.extendedTypesEnabled", false),
        emulate_353_ttl: values.boolean("zookeeper.emulate353TTLNodes", false),
        enforce_quota: values.boolean("zookeeper.enforceQuota", false),
        close_session_txn: values.boolean("zookeeper.closeSessionTxn.enabled", true),
        reconfig_enabled: values.key_boolean("reconfigEnabled", false)?,
        standalone_enabled: values.key_boolean("standaloneEnabled", true)?,
        multi_address: member::multi_address(values)?,
        watch_manager_optimized,
        multi_ops_max: values.count("zookeeper.multi.maxOps", 0),
    })
}

fn containers(values: &Values<'_>) -> ContainerSettings {
    let interval = values.int("znode.container.checkIntervalMs", 60_000);
    let per_minute = values.int("znode.container.maxPerMinute", 10_000);
    ContainerSettings {
        interval_ms: u64::try_from(interval).ok().filter(|interval| *interval > 0),
        max_per_minute: u32::try_from(per_minute.max(1)).unwrap_or(1),
        max_never_used_ms: not_negative(values.long("znode.container.maxNeverUsedIntervalMs", 0)),
    }
}

// zk: FourLetterCommands.isEnabled
fn words(values: &Values<'_>) -> WordList {
    let listed = values.text("zookeeper.4lw.commands.whitelist").unwrap_or_default();
    let words: Vec<_> =
        listed.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let mut list = WordList { all: words.iter().any(|word| word == "*"), words };
    if values.text("readonlymode.enabled") == Some("true") {
        list.words.push("isro".to_owned());
    }
    list.words.push("srvr".to_owned());
    list
}

fn logging(values: &Values<'_>) -> LoggingSettings {
    let dir = values.text("zookeeper.log.dir").filter(|dir| !dir.is_empty());
    let name = values.text("zookeeper.log.file").filter(|name| !name.is_empty()).unwrap_or("zookeeper.log");
    LoggingSettings {
        level: values.text("zookeeper.log.level").unwrap_or("info").to_owned(),
        file: dir.map(|dir| PathBuf::from(dir).join(name)),
        file_max_bytes: not_negative(values.long("zookeeper.log.maxFileBytes", 256 << 20)).max(4096),
        files_max: u32::try_from(values.int("zookeeper.log.maxFiles", 10).max(0)).unwrap_or(0),
    }
}

/// Choices of the reference that make no difference here: which network library, and whether there is an AdminServer.
fn without_difference(values: &Values<'_>) {
    values.text("zookeeper.serverCnxnFactory");
    values.text("zookeeper.admin.enableServer");
}

fn metrics_provider(values: &Values<'_>) -> Result<(), SettingsError> {
    const KNOWN: [&str; 3] = [
        "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
        "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
        "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
    ];
    let Some(given) = values.key("metricsProvider.className") else { return Ok(()) };
    if !KNOWN.contains(&given.value.as_str()) {
        return Err(SettingsError::bad(
            given,
            "metricsProvider.className",
            "one of the reference's providers",
        ));
    }
    if given.value.ends_with("PrometheusMetricsProvider") {
        values
            .warn(format!("{}: the Prometheus port is not offered yet; mntr has the numbers", given.origin));
    }
    Ok(())
}

fn positive_kib(kib: i64) -> Option<u64> {
    u64::try_from(kib).ok().filter(|kib| *kib > 0).map(|kib| kib.saturating_mul(1024))
}

fn not_negative(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A limit of the reference: 0 and below mean none, which is 0 here.
fn limit(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
