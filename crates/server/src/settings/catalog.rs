//! Every setting that the reference's server knows, as data.
//!
//! The table says what a name is for; [`super::check`] says what we make of it. A property that stands in neither table
//! is named in the log when somebody sets it.

/// How much a setting matters to a server that is no JVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Must mean here what it means in the reference.
    Must,
    /// Should mean here what it means in the reference.
    Should,
    /// Means something in a JVM only.
    JvmOnly,
}

/// Where a setting is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A key that the parser of `zoo.cfg` knows by name.
    Key,
    /// A property: `-D`, or in `zoo.cfg` without the prefix `zookeeper.`.
    Property,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name; a trailing `.N` stands for a family.
    pub name: &'static str,
    /// Where it is given.
    pub source: Source,
    /// How much it matters.
    pub class: Class,
    /// Its default, in words.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
}

use Class::{JvmOnly as N, Must as M, Should as S};

const fn key(name: &'static str, class: Class, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, source: Source::Key, class, default, doc }
}

const fn property(name: &'static str, class: Class, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, source: Source::Property, class, default, doc }
}

/// The row of a property, families included: `zookeeper.authProvider.1` is found as `zookeeper.authProvider.N`.
#[must_use]
pub fn find_property(name: &str) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .chain(OWN)
        .filter(|row| row.source == Source::Property)
        .find(|row| row.name == name || is_of_family(row.name, name))
}

fn is_of_family(row: &str, name: &str) -> bool {
    match row.strip_suffix('N') {
        Some(prefix) if prefix.ends_with('.') => name.starts_with(prefix),
        // superUser takes any suffix.
        _ => row == "zookeeper.superUser" && name.starts_with("zookeeper.superUser."),
    }
}

/// Settings that the reference does not have.
pub const OWN: &[Setting] = &[
    property(
        "zookeeper.digest.onMismatch",
        M,
        "alarm",
        "tree digest differs from the txn's: alarm, resync or halt",
    ),
    property(
        "zookeeper.discardLocalData",
        M,
        "false",
        "a leader's history may replace what was written here standalone; --discard-local-data",
    ),
    property("zookeeper.outbox.maxBytes", M, "67108864", "bytes that may wait for a slow reader"),
    property("zookeeper.watches.maxPerConnection", M, "10000000", "watches of one connection"),
    property("zookeeper.multi.maxOps", M, "131072", "operations of one multi"),
    property(
        "zookeeper.election.dialBackStrangers",
        S,
        "true",
        "an address that a server outside the membership names on the election port is dialled back",
    ),
    property("zookeeper.log.level", M, "info", "error, warn, info, debug, trace, or a filter per module"),
    property("zookeeper.log.dir", M, "none", "directory of the log file; without it the log goes to stdout"),
    property("zookeeper.log.file", M, "zookeeper.log", "name of the log file"),
    property("zookeeper.log.maxFileBytes", S, "268435456", "size at which the log file is rotated"),
    property("zookeeper.log.maxFiles", S, "10", "rotated log files that are kept"),
];

/// The reference's settings.
pub const SETTINGS: &[Setting] = &[
    // zoo.cfg keys
    key("dataDir", M, "required", "snapshot/myid dir"),
    key("dataLogDir", M, "= dataDir", "txn log dir"),
    key("clientPort", M, "none", "plaintext client port; absent allowed"),
    key("clientPortAddress", M, "wildcard", "bind host for clientPort; error if clientPort unset"),
    key("secureClientPort", M, "none", "TLS client port (Netty only)"),
    key("secureClientPortAddress", M, "wildcard", "bind host for it"),
    key("observerMasterPort", S, "0", "follower serves observers here"),
    key("clientPortListenBacklog", M, "-1", "accept backlog, -1 = OS default"),
    key("tickTime", M, "3000", "base unit ms; 0 is an error"),
    key("maxClientCnxns", M, "60", "per-IP connection limit, 0 = unlimited"),
    key("minSessionTimeout", M, "2*tickTime", "floor"),
    key("maxSessionTimeout", M, "20*tickTime", "ceiling; min>max is fatal"),
    key("initLimit", M, "0 (fatal in ensemble)", "ticks to connect and sync"),
    key("syncLimit", M, "0 (fatal in ensemble)", "ticks of silence allowed"),
    key("connectToLearnerMasterLimit", M, "0 = use initLimit", "ticks for TCP connect to leader"),
    key("electionAlg", M, "3", "only 3 accepted"),
    key("quorumListenOnAllIPs", M, "false", "bind quorum+election wildcard"),
    key("peerType", M, "participant", "observer/participant; server list wins"),
    key("syncEnabled", M, "true", "observer writes txn log/snapshots"),
    key("localSessionsEnabled", M, "false", "sessions local by default"),
    key("localSessionsUpgradingEnabled", M, "false", "allow upgrade on ephemeral"),
    key("dynamicConfigFile", M, "none", "path of membership file"),
    key("standaloneEnabled", M, "true", "single server line means standalone"),
    key("reconfigEnabled", M, "false", "enable reconfig op"),
    key("server.N", M, "none", "h:q:e[:role][;[h:]client], `|` for multi address"),
    key("group.N", S, "none", "hierarchical groups"),
    key("weight.N", S, "1", "hierarchical weights"),
    key("version", M, "none", "hex, only in dynamic file / .next"),
    key("oraclePath", S, "none", "2-node oracle file"),
    key("autopurge.snapRetainCount", M, "3", "min 3"),
    key("autopurge.purgeInterval", M, "0", "hours, 0 off"),
    key("sslQuorum", M, "false", "TLS on quorum+election"),
    key("portUnification", M, "false", "quorum TLS/plain sniffing"),
    key("sslQuorumReloadCertFiles", S, "false", "watch quorum stores"),
    key("quorum.auth.enableSasl", M, "false", "quorum SASL on"),
    key("quorum.auth.serverRequireSasl", M, "false", "acceptor requires; needs learnerRequireSasl"),
    key("quorum.auth.learnerRequireSasl", M, "false", "dialer requires; needs enableSasl"),
    key("quorum.auth.learner.saslLoginContext", M, "QuorumLearner", "JAAS section"),
    key("quorum.auth.server.saslLoginContext", M, "QuorumServer", "JAAS section"),
    key("quorum.auth.kerberos.servicePrincipal", S, "zkquorum/localhost", "GSSAPI principal, _HOST allowed"),
    key("quorum.cnxn.threads.size", N, "20", "SASL connection threads"),
    key("jvm.pause.monitor", N, "false", "JVM pause detector"),
    key("jvm.pause.warn-threshold.ms", N, "10000", "warn threshold"),
    key("jvm.pause.info-threshold.ms", N, "1000", "info threshold"),
    key("jvm.pause.sleep.time.ms", N, "500", "sampler period"),
    key(
        "metricsProvider.className",
        M,
        "DefaultMetricsProvider",
        "unknown class is fatal; map org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider to built-in",
    ),
    key(
        "metricsProvider.*",
        M,
        "none",
        "passed to provider with prefix stripped (httpHost, httpPort, exportJvmInfo, numWorkerThreads, maxQueueSize, workerShutdownTimeoutMs)",
    ),
    key("multiAddress.enabled", S, "false", "multi address"),
    key("multiAddress.reachabilityCheckTimeoutMs", S, "1000", "probe timeout"),
    key("multiAddress.reachabilityCheckEnabled", S, "true", "probe addresses before use"),
    // Sessions, connections, pipeline
    property("zookeeper.globalOutstandingLimit", M, "1000", "queued-request cap before read throttling"),
    property("zookeeper.maxCnxns", M, "0", "total connections, 0 unlimited"),
    property(
        "zookeeper.serverCnxnFactory",
        M,
        "NIOServerCnxnFactory",
        "Netty class needed for TLS/port unification; accept name, ignore",
    ),
    property("zookeeper.clientTcpKeepAlive", S, "false", "SO_KEEPALIVE on client sockets"),
    property("zookeeper.nio.sessionlessCnxnTimeout", S, "10000", "close connections without session"),
    property("zookeeper.nio.numSelectorThreads", N, "max(sqrt(cores/2),1)", "thread pool"),
    property("zookeeper.nio.numWorkerThreads", N, "2*cores", "thread pool"),
    property("zookeeper.nio.directBufferBytes", N, "65536", "gather-write buffer"),
    property("zookeeper.nio.shutdownTimeout", N, "5000", "worker stop ms"),
    property("zookeeper.netty.advancedFlowControl.enabled", N, "false", "stop reading per message"),
    property("zookeeper.netty.server.outstandingHandshake.limit", S, "-1", "concurrent TLS handshakes cap"),
    property(
        "zookeeper.netty.server.earlyDropSecureConnectionHandshakes",
        S,
        "false",
        "drop TLS conns when server not ready",
    ),
    property("zookeeper.client.portUnification", M, "false", "client port accepts TLS and plain"),
    property("zookeeper.client.certReload", S, "false", "reload client-port stores"),
    property("zookeeper.throttled_op_wait_time", S, "0", "ms in throttler queue before THROTTLEDOP"),
    property("zookeeper.request_throttle_max_requests", S, "0", "in-process cap in throttler"),
    property("zookeeper.request_throttle_stall_time", S, "100", "ms to wait when capped"),
    property("zookeeper.request_throttle_drop_stale", S, "true", "drop stale when capped"),
    property("zookeeper.request_throttler.shutdownTimeout", N, "10000", "drain time"),
    property("zookeeper.request_stale_connection_check", S, "true", "stale = connection gone"),
    property("zookeeper.request_stale_latency_check", S, "false", "stale = older than session timeout"),
    property("zookeeper.connection_throttle_tokens", S, "0", "token bucket size, 0 off"),
    property("zookeeper.connection_throttle_fill_time", S, "1", "ms per fill"),
    property("zookeeper.connection_throttle_fill_count", S, "1", "tokens per fill"),
    property("zookeeper.connection_throttle_freeze_time", S, "-1", "BLUE interval ms"),
    property("zookeeper.connection_throttle_drop_increase", S, "0.02", "BLUE"),
    property("zookeeper.connection_throttle_drop_decrease", S, "0.002", "BLUE"),
    property("zookeeper.connection_throttle_decrease_ratio", S, "0", "BLUE"),
    property("zookeeper.connection_throttle_weight_enabled", S, "false", "session weights"),
    property("zookeeper.connection_throttle_global_session_weight", S, "3", "token cost, new global session"),
    property("zookeeper.connection_throttle_local_session_weight", S, "1", "token cost, new local session"),
    property("zookeeper.connection_throttle_renew_session_weight", S, "2", "token cost, re-attach"),
    property("zookeeper.largeRequestMaxBytes", S, "104857600", "total bytes of large requests in flight"),
    property("zookeeper.largeRequestThreshold", S, "-1", "size that counts as large"),
    property("zookeeper.intBufferStartingSizeBytes", N, "1024", "serialisation buffer (min 32)"),
    property("zookeeper.maxResponseCacheSize", N, "400", "getData reply cache entries"),
    property("zookeeper.maxGetChildrenResponseCacheSize", N, "400", "getChildren2 reply cache"),
    property("zookeeper.commitProcessor.numWorkerThreads", N, "cores", "0 = inline"),
    property("zookeeper.commitProcessor.shutdownTimeout", N, "5000", "worker stop ms"),
    property("zookeeper.commitProcessor.maxReadBatchSize", N, "-1", "reads before checking commits"),
    property("zookeeper.commitProcessor.maxCommitBatchSize", N, "1", "commits per loop"),
    property("zookeeper.flushDelay", S, "0", "ms group-commit delay"),
    property("zookeeper.maxWriteQueuePollTime", S, "flushDelay/3", "ms"),
    property("zookeeper.maxBatchSize", S, "1000", "flush batch"),
    property(
        "readonlymode.enabled",
        M,
        "false",
        "RO server when partitioned; unprefixed: not settable in zoo.cfg",
    ),
    property("jute.maxbuffer", M, "1048575", "frame limit; unprefixed: not settable in zoo.cfg"),
    property("zookeeper.jute.maxbuffer.extrasize", M, "= jute.maxbuffer", "field limit slack (min 1024)"),
    // Data, logs, snapshots
    property("zookeeper.snapCount", M, "100000", "txns per snapshot (min 2)"),
    property("zookeeper.snapSizeLimitInKb", M, "4194304", "log KiB per snapshot"),
    property("zookeeper.txnLogSizeLimitInKb", M, "-1", "roll size"),
    property("zookeeper.preAllocSize", M, "65536", "KiB"),
    property("zookeeper.forceSync", M, "yes", "no disables fsync"),
    property("zookeeper.fsync.warningthresholdms", S, "1000", "also read as fsync.warningthresholdms"),
    property("zookeeper.snapshot.compression.method", M, "", "gz / snappy / empty"),
    property("zookeeper.snapshot.trust.empty", M, "false", "accept logs without snapshot"),
    property("zookeeper.datadir.autocreate", M, "true", "create version-2 dirs"),
    property("zookeeper.db.autocreate", M, "true", "empty DB may vote"),
    property("zookeeper.digest.enabled", M, "true", "digest in txns/snapshots"),
    property("zookeeper.serializeLastProcessedZxid.enabled", M, "true", "third snapshot trailer"),
    property("zookeeper.closeSessionTxn.enabled", M, "true", "path list in closeSession txn"),
    property("zookeeper.commitLogCount", M, "500", "in-memory committed log"),
    property("zookeeper.snapshotSizeFactor", M, "0.33", "txn-log sync budget; <0 off; >1 reset"),
    property("zookeeper.extendedTypesEnabled", M, "false", "TTL nodes"),
    property("zookeeper.emulate353TTLNodes", S, "false", "old TTL encoding"),
    property("znode.container.checkIntervalMs", M, "60000", "unprefixed"),
    property("znode.container.maxPerMinute", M, "10000", "unprefixed"),
    property("znode.container.maxNeverUsedIntervalMs", M, "0", "unprefixed; 0 keeps never-used containers"),
    property("zookeeper.enforceQuota", M, "false", "hard quotas reject"),
    property("zookeeper.skipACL", M, "no", "yes disables ACL checks"),
    property("zookeeper.enableEagerACLCheck", S, "false", "check before proposing"),
    property("zookeeper.watchManagerName", S, "WatchManager", "WatchManagerOptimized alternative"),
    property("zookeeper.watcherCleanThreshold", N, "1000", "optimized manager"),
    property("zookeeper.watcherCleanIntervalInSeconds", N, "600", "optimized manager"),
    property("zookeeper.watcherCleanThreadsNum", N, "2", "optimized manager"),
    property("zookeeper.maxInProcessingDeadWatchers", N, "-1", "optimized manager"),
    property("zookeeper.bitHashCacheSize", N, "10", "optimized manager"),
    // Quorum
    property("zookeeper.leaderServes", M, "yes", "no = leader takes no clients"),
    property("zookeeper.leader.maxConcurrentSnapSyncs", S, "10", "parallel SNAP syncs to observers"),
    property("zookeeper.leader.maxConcurrentDiffSyncs", S, "100", "parallel DIFF syncs to observers"),
    property("zookeeper.leader.maxTimeToWaitForEpoch", S, "-1", "ms leader waits in epoch phase"),
    property("zookeeper.leader.ackLoggingFrequency", N, "1000", "sampling"),
    property("zookeeper.leader.closeSocketAsync", N, "false", "close learner sockets in background"),
    property("zookeeper.learner.closeSocketAsync", N, "false", "close leader socket in background"),
    property("zookeeper.learner.asyncSending", N, "false", "learner sender thread"),
    property("zookeeper.leaderConnectDelayDuringRetryMs", S, "100", "retry pause"),
    property("leader.nodelay", S, "true", "TCP_NODELAY, unprefixed"),
    property("follower.nodelay", S, "true", "TCP_NODELAY, unprefixed"),
    property("zookeeper.forceSnapshotSync", S, "false", "always SNAP (test)"),
    property(
        "zookeeper.forward_learner_requests_to_commit_processor_disabled",
        N,
        "false",
        "leader: skip learner-origin reads of the commit stage",
    ),
    property(
        "zookeeper.follower.skipLearnerRequestToNextProcessor",
        N,
        "false",
        "skip local queueing of learner-origin requests",
    ),
    property("zookeeper.observer.syncEnabled", M, "none", "overrides syncEnabled cfg key"),
    property("zookeeper.observer.reconnectDelayMs", S, "0", "random delay"),
    property("zookeeper.observer.election.DelayMs", S, "200", "wait before observer re-election"),
    property("zookeeper.observerMaster.sizeLimit", S, "33554432", "packet cache bytes"),
    property("zookeeper.fastleader.minNotificationInterval", S, "200", "ms"),
    property("zookeeper.fastleader.maxNotificationInterval", S, "60000", "ms"),
    property("zookeeper.cnxTimeout", M, "5000", "election connect ms"),
    property(
        "zookeeper.quorumCnxnTimeoutMs",
        S,
        "-1 (tickTime*syncLimit)",
        "election handshake read timeout",
    ),
    property("zookeeper.electionPortBindRetry", S, "3", "0 = forever"),
    property("zookeeper.tcpKeepAlive", S, "false", "election sockets"),
    property("zookeeper.multiAddress.enabled", S, "false", "same as cfg key"),
    property("zookeeper.multiAddress.reachabilityCheckEnabled", S, "true", "probe addresses before use"),
    property("zookeeper.multiAddress.reachabilityCheckTimeoutMs", S, "1000", "probe timeout"),
    property("zookeeper.testingonly.initialZxid", N, "none", "test hook"),
    property("zookeeper.test.allowDiscontinuousProposals", N, "false", "test hook"),
    // Admin, 4lw, audit, diagnostics
    property("zookeeper.4lw.commands.whitelist", M, "srvr", "comma list or `*`; isro added when RO enabled"),
    property("zookeeper.admin.enableServer", M, "true", "any value other than false enables"),
    property("zookeeper.admin.serverAddress", M, "0.0.0.0", "bind address"),
    property("zookeeper.admin.serverPort", M, "8080", "port"),
    property("zookeeper.admin.idleTimeout", S, "30000", "ms"),
    property("zookeeper.admin.commandURL", M, "/commands", "URL prefix"),
    property("zookeeper.admin.httpVersion", N, "11", "Jetty code"),
    property("zookeeper.admin.portUnification", S, "false", "HTTP+HTTPS on one port"),
    property("zookeeper.admin.forceHttps", S, "false", "HTTPS only"),
    property("zookeeper.admin.needClientAuth", S, "false", "require client certificate"),
    property("zookeeper.admin.rateLimiterIntervalInMS", S, "300000", "snapshot/restore limiter (see 6.2)"),
    property("zookeeper.admin.snapshot.enabled", M, "true", "allow snapshot command"),
    property("zookeeper.admin.restore.enabled", M, "true", "allow restore command"),
    property("zookeeper.audit.enable", S, "false", "audit log on"),
    property("zookeeper.audit.impl.class", N, "Slf4jAuditLogger", "plug-in class"),
    property("zookeeper.messageTracker.BufferSize", N, "10", "per-learner packet ring"),
    property("zookeeper.messageTracker.Enabled", N, "false", "packet ring on"),
    property("zookeeper.pathStats.enabled", N, "false", "top path statistics log"),
    property("zookeeper.pathStats.slotCapacity", N, "60", "slots kept"),
    property("zookeeper.pathStats.slotDuration", N, "15", "s"),
    property("zookeeper.pathStats.maxDepth", N, "6", "path depth recorded"),
    property("zookeeper.pathStats.sampleRate", N, "0.1", "sampling probability"),
    property("zookeeper.pathStats.initialDelay", N, "5", "min"),
    property("zookeeper.pathStats.delay", N, "5", "min"),
    property("zookeeper.pathStats.topPathMax", N, "20", "paths reported"),
    property("zookeeper.jmx.log4j.disable", N, "false", "skip log4j MBeans"),
    property("zookeeper.jmx.log4j.mbean", N, "log4j:hierarchy=default", "log4j MBean name"),
    property("zookeeper.controllerPort", N, "none", "fault-injection controller (test build)"),
    property("zookeeper.clientPortAddress", N, "none", "controller only"),
    // Auth
    property(
        "zookeeper.authProvider.N",
        M,
        "none",
        "class name; also authProvider.<scheme>; map known classes",
    ),
    property("zookeeper.superUser", M, "none", "SASL super id; any suffix allowed (superUser.1)"),
    property("zookeeper.DigestAuthenticationProvider.enabled", M, "true", "register digest scheme"),
    property("zookeeper.DigestAuthenticationProvider.superDigest", M, "none", "super:base64"),
    property("zookeeper.DigestAuthenticationProvider.digestAlg", M, "SHA1", "any JCA name"),
    property("zookeeper.IPAuthenticationProvider.usexforwardedfor", S, "false", "admin HTTP only"),
    property("zookeeper.X509AuthenticationProvider.superUser", M, "none", "DN"),
    property("zookeeper.SASLAuthenticationProvider.superPassword", M, "none", "password for SASL user super"),
    property("zookeeper.allowSaslFailedClients", M, "false", "continue after SASL failure"),
    property("zookeeper.letAnySaslUserDoX", S, "none", "legacy wildcard reader"),
    property("zookeeper.ensembleAuthName", S, "none", "csv names"),
    property("zookeeper.enforce.auth.enabled", M, "false", "require listed scheme per connection"),
    property("zookeeper.enforce.auth.schemes", M, "none", "csv, must be registered"),
    property("zookeeper.sessionRequireClientSASLAuth", M, "false", "same as enforce with sasl"),
    property("zookeeper.sasl.serverconfig", M, "Server", "JAAS section"),
    property("java.security.auth.login.config", M, "none", "JAAS file path; unprefixed"),
    property("zookeeper.kerberos.removeHostFromPrincipal", S, "false", "drop host in sasl id"),
    property("zookeeper.kerberos.removeRealmFromPrincipal", S, "false", "drop realm in sasl id"),
    property("zookeeper.kerberos.canonicalizeHostNames", S, "false", "quorum GSSAPI"),
    property("zookeeper.kerberos.minReLoginTimeMs", S, "60000", "TGT renew floor"),
    property("zookeeper.security.auth_to_local", S, "DEFAULT", "name mapping rules"),
    property("zookeeper.requireKerberosConfig", S, "false", "fail without krb5.conf"),
    property("zookeeper.server.realm", S, "client realm", "server realm for GSSAPI"),
    property("zookeeper.kinit", N, "/usr/bin/kinit", "ticket-cache renewal"),
    property("sun.security.jgss.native", N, "false", "native GSS library"),
    property(
        "zookeeper.fips-mode",
        M,
        "true",
        "3.9.5: skips custom trust manager, blocks DIGEST-MD5 on clients only",
    ),
    property("zookeeper.ssl.authProvider", M, "x509", "provider for TLS client certs"),
    property("zookeeper.ssl.sslProvider", N, "JDK", "JDK/OPENSSL"),
    property(
        "jdk.tls.rejectClientInitiatedRenegotiation",
        N,
        "true (set by ZK if unset)",
        "block TLS renegotiation",
    ),
    // TLS, client port
    property("zookeeper.ssl.protocol", M, "TLSv1.3 if available else 1.2", "context protocol"),
    property("zookeeper.ssl.enabledProtocols", M, "= protocol value", "list"),
    property("zookeeper.ssl.ciphersuites", M, "GCM, CBC, TLS1.3 list", "list"),
    property("zookeeper.ssl.keyStore.location", M, "none", "path"),
    property("zookeeper.ssl.keyStore.password", M, "none", "password text"),
    property("zookeeper.ssl.keyStore.passwordPath", M, "none", "file with password, wins over password"),
    property("zookeeper.ssl.keyStore.type", M, "by extension", "JKS PEM PKCS12 BCFKS"),
    property("zookeeper.ssl.trustStore.location", M, "none", "path"),
    property("zookeeper.ssl.trustStore.password", M, "none", "password text"),
    property("zookeeper.ssl.trustStore.passwordPath", M, "none", "file with password"),
    property("zookeeper.ssl.trustStore.type", M, "by extension", "as keyStore.type"),
    property("zookeeper.ssl.context.supplier.class", N, "none", "Java plug-in"),
    property("zookeeper.ssl.hostnameVerification", M, "true", "verify peer server name"),
    property(
        "zookeeper.ssl.clientHostnameVerification",
        M,
        "false",
        "verify client cert name, needs hostnameVerification",
    ),
    property("zookeeper.ssl.allowReverseDnsLookup", S, "true", "PTR lookup when matching host names"),
    property("zookeeper.ssl.crl", S, "false", "revocation by CRL"),
    property(
        "zookeeper.ssl.ocsp",
        S,
        "false",
        "revocation by OCSP (3.9.5: either flag turns the revocation checker on)",
    ),
    property("zookeeper.ssl.clientAuth", M, "need", "none/want/need"),
    property("zookeeper.ssl.handshakeDetectionTimeoutMillis", S, "5000", "port unification sniff"),
    // TLS, quorum port
    property("zookeeper.ssl.quorum.protocol", M, "TLSv1.3 if available else 1.2", "context protocol"),
    property("zookeeper.ssl.quorum.enabledProtocols", M, "= protocol value", "list"),
    property("zookeeper.ssl.quorum.ciphersuites", M, "GCM, CBC, TLS1.3 list", "list"),
    property("zookeeper.ssl.quorum.keyStore.location", M, "none", "path"),
    property("zookeeper.ssl.quorum.keyStore.password", M, "none", "password text"),
    property(
        "zookeeper.ssl.quorum.keyStore.passwordPath",
        M,
        "none",
        "file with password, wins over password",
    ),
    property("zookeeper.ssl.quorum.keyStore.type", M, "by extension", "JKS PEM PKCS12 BCFKS"),
    property("zookeeper.ssl.quorum.trustStore.location", M, "none", "path"),
    property("zookeeper.ssl.quorum.trustStore.password", M, "none", "password text"),
    property("zookeeper.ssl.quorum.trustStore.passwordPath", M, "none", "file with password"),
    property("zookeeper.ssl.quorum.trustStore.type", M, "by extension", "as keyStore.type"),
    property("zookeeper.ssl.quorum.context.supplier.class", N, "none", "Java plug-in"),
    property("zookeeper.ssl.quorum.hostnameVerification", M, "true", "verify peer server name"),
    property(
        "zookeeper.ssl.quorum.clientHostnameVerification",
        M,
        "true",
        "verify client cert name, needs hostnameVerification",
    ),
    property("zookeeper.ssl.quorum.allowReverseDnsLookup", S, "false", "PTR lookup when matching host names"),
    property("zookeeper.ssl.quorum.crl", S, "false", "revocation by CRL"),
    property(
        "zookeeper.ssl.quorum.ocsp",
        S,
        "false",
        "revocation by OCSP (3.9.5: either flag turns the revocation checker on)",
    ),
    property("zookeeper.ssl.quorum.clientAuth", M, "need", "none/want/need"),
    property("zookeeper.ssl.quorum.handshakeDetectionTimeoutMillis", S, "5000", "port unification sniff"),
    // Keys of the Prometheus provider
    key("metricsProvider.httpHost", M, "0.0.0.0", "bind address of the metrics port"),
    key("metricsProvider.httpPort", M, "7000", "metrics port"),
    key("metricsProvider.exportJvmInfo", N, "true", "JVM collectors"),
    key("metricsProvider.numWorkerThreads", N, "1", "reporting threads"),
    key("metricsProvider.maxQueueSize", N, "1000000", "reporting queue"),
    key("metricsProvider.workerShutdownTimeoutMs", N, "1000", "reporting threads' stop"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_every_setting_of_the_reference() {
        let count =
            |source, class| SETTINGS.iter().filter(|row| row.source == source && row.class == class).count();
        assert_eq!(SETTINGS.len(), 257);
        assert_eq!([M, S, N].map(|class| count(Source::Key, class)), [38, 9, 9]);
        assert_eq!([M, S, N].map(|class| count(Source::Property, class)), [80, 73, 48]);
    }

    #[test]
    fn names_occur_once() {
        let mut names: Vec<_> = SETTINGS.iter().chain(OWN).map(|row| row.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn finds_members_of_families() {
        for (name, wanted) in [
            ("zookeeper.authProvider.1", Some("zookeeper.authProvider.N")),
            ("zookeeper.superUser.2", Some("zookeeper.superUser")),
            ("jute.maxbuffer", Some("jute.maxbuffer")),
            ("zookeeper.snapCount", Some("zookeeper.snapCount")),
            ("zookeeper.snapcount", None),
            ("tickTime", None),
        ] {
            assert_eq!(find_property(name).map(|row| row.name), wanted, "{name}");
        }
    }
}
