use ::ensemble::ServerId;

use super::*;
use crate::settings::ConfigSource;

fn check(text: &str) -> Result<Settings, SettingsError> {
    check_with(text, &[])
}

fn check_with(text: &str, defines: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let dir = crate::scratch::Dir::new("check");
    let path = dir.path().join("zoo.cfg");
    std::fs::write(&path, format!("dataDir={}\nclientPort=0\n{text}", dir.path().display())).unwrap();
    let defines: Vec<_> = defines.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Settings::check(&Raw::gather(&ConfigSource::File(path), &defines, |_| None)?)
}

#[test]
fn defaults_are_those_of_the_reference() {
    let settings = check("").unwrap();
    assert_eq!(settings.session.tick_ms, 3000);
    assert_eq!((settings.session.min_timeout_ms, settings.session.max_timeout_ms), (6000, 60_000));
    assert_eq!(settings.client.per_address_max, 60);
    assert_eq!(settings.client.frame_max, 1_048_575);
    assert_eq!(settings.client.frame_extra, 1_048_575);
    assert_eq!(settings.data.snap_count, 100_000);
    assert_eq!(settings.data.snap_size_limit, Some(4 << 30));
    assert_eq!(settings.data.pre_alloc_size, 64 << 20);
    assert_eq!(settings.data.batch_max, Some(1000));
    assert!(settings.data.force_sync && settings.data.digest_enabled);
    assert_eq!(settings.throttle.global_outstanding_limit, 1000);
    assert_eq!(settings.data.data_dir, settings.data.data_log_dir);
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn a_client_address_that_is_a_name_without_an_address_is_awaited() {
    let client = check("clientPortAddress=no-such-name.invalid").unwrap().client;
    assert_eq!(client.address, None);
    assert_eq!(client.awaited.unwrap().to_string(), "no-such-name.invalid:0");
}

#[test]
fn bad_values_name_file_line_key_and_expectation() {
    let rows = [
        ("tickTime=abc", "zoo.cfg:3: tickTime=abc: expected an integer"),
        ("tickTime=0x10", "zoo.cfg:3: tickTime=0x10: expected an integer"),
        ("tickTime=0", "tickTime=0: expected a number of milliseconds above 0"),
        ("minSessionTimeout=5\nmaxSessionTimeout=4", "minSessionTimeout=5 must not be larger"),
        ("reconfigEnabled=yes", "zoo.cfg:3: reconfigEnabled=yes: expected true or false"),
        ("electionAlg=2", "zoo.cfg:3: electionAlg=2: expected 3"),
        ("peerType=boss", "zoo.cfg:3: peerType=boss: expected observer or participant"),
        ("secureClientPort=2281", "zoo.cfg:3: secureClientPort is reserved"),
        ("secureClientPortAddress=h", "secureClientPort is not set"),
        ("clientPort=70000", "zoo.cfg:3: clientPort=70000: expected a port number"),
        ("clientPortAddress=no such host", "no address of that name"),
        ("server.1=a:1:2\nserver.2=b:1:2", "zoo.cfg: initLimit is missing: expected a number of ticks"),
        (
            "server.1=a:1:2\nserver.2=b:1:2\ninitLimit=5\nsyncLimit=0",
            "zoo.cfg:6: syncLimit=0: expected a number",
        ),
        ("server.1=a:1:2\nstandaloneEnabled=false\ninitLimit=5\nsyncLimit=2", "zoo.cfg: myid is missing"),
        ("standaloneEnabled=false", "needs at least one participant"),
        ("server.1=a:1:2:observer", "observers without a quorum"),
        ("server.1=a:1", "membership: `a:1` is not host:port:port"),
        ("quorum.auth.learnerRequireSasl=true", "quorum.auth.enableSasl is false"),
        ("sessionRequireClientSASLAuth=true", "zoo.cfg:3: zookeeper.sessionRequireClientSASLAuth=true: SASL"),
        ("enforce.auth.enabled=true", "zookeeper.enforce.auth.schemes must be set"),
        ("enforce.auth.enabled=true\nenforce.auth.schemes=digest,sasl", "authenticate with sasl"),
        ("enforce.auth.enabled=true\nenforce.auth.schemes=what", "scheme what is not available"),
        ("metricsProvider.className=x", "zoo.cfg:3: metricsProvider.className=x: expected"),
        ("a=\\u1", "line 3: `\\u` must be followed by four hex digits"),
    ];
    for (text, wanted) in rows {
        let error = check(text).expect_err(text).to_string();
        assert!(error.contains(wanted), "{text}: {error}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn a_member_reads_its_ensemble_as_the_documentation_writes_it() {
    let text = "tickTime=2000\ninitLimit=5\nsyncLimit=2\nserver.1=zoo1:2888:3888\nserver.2=zoo2:2888:3888\n\
                server.3=zoo3:2888:3888:observer;2181";
    let member = check_member(text, "2\n").unwrap().ensemble.expect("an ensemble");
    assert_eq!((member.me, member.init_limit, member.sync_limit), (ServerId(2), 5, 2));
    assert_eq!((member.connect_limit, member.election_handshake_ms), (5, 4000));
    assert_eq!(member.verifier.voters().count(), 2);
    assert_eq!(
        member.verifier.to_string(),
        "server.1=zoo1:2888:3888:participant\nserver.2=zoo2:2888:3888:participant\n\
         server.3=zoo3:2888:3888:observer;0.0.0.0:2181\nversion=0"
    );
    assert_eq!((member.local_sessions, member.upgrades_sessions), (false, false));
    let text_with_sessions = format!("{text}\nlocalSessionsEnabled=true\nlocalSessionsUpgradingEnabled=TRUE");
    let member = check_member(&text_with_sessions, "2\n").unwrap().ensemble.expect("an ensemble");
    assert_eq!((member.local_sessions, member.upgrades_sessions), (true, true));
    let stranger = check_member(text, "9").unwrap_err().to_string();
    assert!(stranger.contains("server.9 is missing: expected a line for this server"), "{stranger}");
}

#[test]
fn observers_find_followers_at_one_port() {
    let text = "initLimit=5\nsyncLimit=2\nserver.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer";
    let observers = |more: &str| {
        let settings = check_member(&format!("{text}\n{more}"), "3")?;
        let member = settings.ensemble.expect("an ensemble");
        Ok::<_, SettingsError>((
            member.observer_master_port,
            member.observer_election_delay_ms,
            member.observer_reconnect_delay_ms,
        ))
    };
    let delays = "observer.election.DelayMs=30\nobserver.reconnectDelayMs=40";
    for (more, wanted) in [
        ("", (None, 200, 0)),
        ("observerMasterPort=0\nobserver.election.DelayMs=-1", (None, 0, 0)),
        ("observerMasterPort=2191", (Some(2191), 200, 0)),
        (delays, (None, 30, 40)),
    ] {
        assert_eq!(observers(more).unwrap(), wanted, "{more}");
    }
    for wrong in ["70000", "2191x"] {
        let error = observers(&format!("observerMasterPort={wrong}")).unwrap_err().to_string();
        assert!(error.contains(&format!("observerMasterPort={wrong}: expected")), "{error}");
    }
    let unused = "observerMaster.sizeLimit=1000000";
    let warnings = check_member(&format!("{text}\n{unused}"), "3").unwrap().warnings;
    assert!(!warnings.iter().any(|line| line.contains("without effect")), "{warnings:?}");
}

#[test]
fn that_an_observer_writes_its_log_all_the_same_is_said_once() {
    let text = "initLimit=5\nsyncLimit=2\nserver.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer";
    for (more, wanted) in [
        ("", 0),
        ("syncEnabled=true", 0),
        ("syncEnabled=false", 1),
        ("observer.syncEnabled=false", 1),
        ("syncEnabled=false\nobserver.syncEnabled=true", 0),
        ("syncEnabled=false\nobserver.syncEnabled=false", 1),
    ] {
        let warnings = check_member(&format!("{text}\n{more}"), "3").unwrap().warnings;
        let said = warnings.iter().filter(|line| line.contains("without effect")).count();
        assert_eq!(said, wanted, "{more}: {warnings:?}");
    }
}

fn check_member(text: &str, myid: &str) -> Result<Settings, SettingsError> {
    let dir = crate::scratch::Dir::new("member");
    std::fs::write(dir.path().join("myid"), myid).unwrap();
    let path = dir.path().join("zoo.cfg");
    std::fs::write(&path, format!("dataDir={}\n{text}", dir.path().display())).unwrap();
    Settings::check(&Raw::gather(&ConfigSource::File(path), &[], |_| None)?)
}

#[test]
fn odd_properties_mean_the_default_and_one_warning() {
    let rows = [
        ("snapCount=many", "expected an integer, the default counts"),
        ("snapCount=1", "must be 2 or more"),
        ("digest.enabled=yes", "expected true or false, taken as false"),
        ("snapshot.compression.method=zip", "expected gz, snappy or nothing"),
        ("digest.onMismatch=panic", "expected one of alarm, resync, halt"),
        ("autopurge.snapRetainCount=1", "at least 3 are kept"),
        ("authProvider.1=com.example.Mine", "expected a provider class of the reference"),
        ("foo=bar", "zoo.cfg:3: zookeeper.foo=bar: no setting has this name"),
        ("jute.maxbuffer=5", "jute.maxbuffer can only be given with -D"),
        ("initLimit=5\nsyncLimit=2\nlocalSessionsEnabled=true\nadmin.serverPort=80", "admin.serverPort"),
        ("server.1=a:1:2", "only one server line"),
    ];
    for (text, wanted) in rows {
        let warnings = check(text).expect(text).warnings;
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(warnings.iter().all(|line| line.contains(wanted)), "{text}: {warnings:?}");
    }
}

#[test]
fn jvm_settings_are_named_once() {
    let settings =
        check("nio.numWorkerThreads=4\njvm.pause.monitor=true\nquorum.cnxn.threads.size=3").unwrap();
    let wanted = "accepted, but meant for a JVM only: jvm.pause.monitor quorum.cnxn.threads.size \
                  zookeeper.nio.numWorkerThreads";
    assert_eq!(settings.notes, [wanted]);
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn a_frame_is_shorter_than_the_longest_name_that_a_tree_keeps() {
    let settings = check_with("", &[("jute.maxbuffer", "2147483647")]).unwrap();
    assert_eq!(settings.client.frame_max, (1 << 30) - 1);
    assert!(settings.warnings.iter().any(|warning| warning.contains("jute.maxbuffer=2147483647")));
}

#[test]
fn properties_are_read_by_javas_rules() {
    let defines = [
        ("zookeeper.snapCount", "0x10"),
        ("zookeeper.preAllocSize", "010"),
        ("zookeeper.forceSync", "no"),
        ("zookeeper.skipACL", "yes"),
        ("zookeeper.txnLogSizeLimitInKb", "2"),
        ("zookeeper.snapSizeLimitInKb", "0"),
        ("zookeeper.snapshot.compression.method", "GZ"),
        ("fsync.warningthresholdms", "7"),
        ("jute.maxbuffer", "4096"),
        ("zookeeper.flushDelay", "9"),
        ("zookeeper.maxBatchSize", "0"),
    ];
    let settings = check_with("extendedTypesEnabled=TRUE", &defines).unwrap();
    assert_eq!(settings.data.snap_count, 16);
    assert_eq!(settings.data.pre_alloc_size, 8 << 10);
    assert!(!settings.data.force_sync);
    assert!(settings.auth.skip_acl && settings.requests.extended_types);
    assert_eq!(settings.data.txn_log_size_limit, Some(2048));
    assert_eq!(settings.data.snap_size_limit, None);
    assert_eq!(settings.data.compression, Compression::Gzip);
    assert_eq!(settings.data.fsync_warning_ms, 7);
    assert_eq!((settings.client.frame_max, settings.client.frame_extra), (4096, 4096));
    assert_eq!((settings.data.flush_delay_ms, settings.data.write_queue_poll_ms), (9, 3));
    assert_eq!(settings.data.batch_max, None);
}

#[test]
fn the_word_list_follows_the_reference() {
    let rows = [
        ("", "srvr", true),
        ("", "ruok", false),
        ("4lw.commands.whitelist=ruok, stat", "stat", true),
        ("4lw.commands.whitelist=ruok, stat", "mntr", false),
        ("4lw.commands.whitelist=ruok, stat", "srvr", true),
        ("4lw.commands.whitelist=*", "wchp", true),
        ("4lw.commands.whitelist=ruok,*", "wchp", true),
    ];
    for (text, word, wanted) in rows {
        assert_eq!(check(text).unwrap().words.allows(word), wanted, "{text} {word}");
    }
}

#[test]
fn weights_scale_the_connection_throttle() {
    let settings = check("connection_throttle_tokens=10\nconnection_throttle_weight_enabled=true").unwrap();
    let blue = &settings.throttle.connection;
    assert_eq!((blue.tokens, blue.fill_count, blue.global_weight, blue.renew_weight), (30, 3, 3, 2));
}
