//! Membership lines: one server line still means a standalone server, more than one an ensemble.

use std::path::Path;

use ensemble::{Member, ServerId, Verifier};

use super::values::Values;
use super::{EnsembleSettings, Raw, SettingsError, member};

/// What the server lines come to.
pub(super) struct Membership {
    /// The line of this server, if there is one.
    pub(super) own: Option<Member>,
    /// Set when this server is a member of an ensemble.
    pub(super) ensemble: Option<EnsembleSettings>,
}

// zk: QuorumPeerConfig.parseDynamicConfig, QuorumPeerMain.initializeAndRun
pub(super) fn membership(
    values: &Values<'_>,
    raw: &Raw,
    data_dir: &Path,
    tick_ms: u32,
) -> Result<Membership, SettingsError> {
    checked_keys(values)?;
    let standalone_enabled = values.key_boolean("standaloneEnabled", true)?;
    let mut pairs = member_lines(raw);
    let multi_address = member::multi_address(values)?;
    let mut last_seen = None;
    let dynamic = match values.key("dynamicConfigFile") {
        None => Vec::new(),
        Some(_) if !pairs.is_empty() => {
            let text =
                "server, group and weight lines must be in the dynamic file when dynamicConfigFile is given";
            return Err(SettingsError::Rule(text.to_owned()));
        }
        Some(given) => {
            let path = Path::new(&given.value);
            let mut lines = dynamic_lines(path)?;
            lines.extend(version_of(path).map(|version| ("version".to_owned(), version)));
            last_seen = proposed(values, raw, multi_address);
            lines
        }
    };
    pairs.extend(dynamic.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let verifier = Verifier::from_pairs(pairs, multi_address)
        .map_err(|error| SettingsError::Rule(format!("membership: {error}")))?;
    let voters = verifier.voters().count();
    let observers = verifier.members().len() - voters;
    let my_id = my_id(data_dir)?;
    if voters == 0 && !standalone_enabled {
        return rule("standaloneEnabled=false needs at least one participant among the server lines");
    }
    if voters < 2 && observers > 0 && standalone_enabled {
        return rule("observers without a quorum of participants are not a valid membership");
    }
    if voters > 1 || !standalone_enabled {
        let last_seen = last_seen.filter(|seen| seen.version != verifier.version);
        let ensemble = member::check(values, raw, verifier, last_seen, my_id, tick_ms)?;
        return Ok(Membership { own: Some(ensemble.own.clone()), ensemble: Some(ensemble) });
    }
    if voters == 1 {
        values.warn("only one server line: the server runs standalone and ignores it".to_owned());
    }
    let own = verifier.members().iter().find(|member| Some(member.id) == my_id).cloned();
    Ok(Membership { own, ensemble: None })
}

fn rule<T>(text: &str) -> Result<T, SettingsError> {
    Err(SettingsError::Rule(text.to_owned()))
}

/// Ensemble keys must be well-formed even when nothing reads them.
fn checked_keys(values: &Values<'_>) -> Result<(), SettingsError> {
    for name in [
        "initLimit",
        "syncLimit",
        "connectToLearnerMasterLimit",
        "observerMasterPort",
        "quorum.cnxn.threads.size",
        "multiAddress.reachabilityCheckTimeoutMs",
    ] {
        values.key_int(name)?;
    }
    for name in [
        "quorumListenOnAllIPs",
        "syncEnabled",
        "localSessionsEnabled",
        "localSessionsUpgradingEnabled",
        "sslQuorum",
        "portUnification",
        "sslQuorumReloadCertFiles",
        "jvm.pause.monitor",
        "multiAddress.reachabilityCheckEnabled",
    ] {
        values.key_boolean(name, false)?;
    }
    if let Some(given) = values.key("electionAlg").filter(|given| given.value != "3") {
        return Err(SettingsError::bad(given, "electionAlg", "3, the only election there is"));
    }
    let is_role = |text: &str| ["observer", "participant"].contains(&text.to_lowercase().as_str());
    if let Some(given) = values.key("peerType").filter(|given| !is_role(&given.value)) {
        return Err(SettingsError::bad(given, "peerType", "observer or participant"));
    }
    quorum_sasl(values)
}

fn quorum_sasl(values: &Values<'_>) -> Result<(), SettingsError> {
    let enabled = values.key_boolean("quorum.auth.enableSasl", false)?;
    let server = values.key_boolean("quorum.auth.serverRequireSasl", false)?;
    let learner = values.key_boolean("quorum.auth.learnerRequireSasl", false)?;
    if !enabled && (server || learner) {
        return rule("quorum.auth.enableSasl is false, so SASL cannot be required between servers");
    }
    if server && !learner {
        return rule("quorum.auth.serverRequireSasl needs quorum.auth.learnerRequireSasl");
    }
    Ok(())
}

fn member_lines(raw: &Raw) -> Vec<(&str, &str)> {
    let is_member = |key: &str| ["server.", "group", "weight"].iter().any(|prefix| key.starts_with(prefix));
    raw.keys
        .iter()
        .filter(|(key, _)| is_member(key))
        .map(|(key, given)| (key.as_str(), given.value.as_str()))
        .collect()
}

fn dynamic_lines(path: &Path) -> Result<Vec<(String, String)>, SettingsError> {
    let unreadable = |why: String| SettingsError::Unreadable { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let entries = super::properties::parse(&bytes).map_err(|bad| unreadable(bad.to_string()))?;
    for entry in &entries {
        if entry.key == "version" {
            return Err(unreadable(format!("line {}: a dynamic file has no version inside", entry.line)));
        }
        if !["server.", "group", "weight"].iter().any(|prefix| entry.key.starts_with(prefix)) {
            return Err(unreadable(format!(
                "line {}: {} does not belong in a dynamic file",
                entry.line, entry.key
            )));
        }
    }
    Ok(entries.into_iter().map(|entry| (entry.key, entry.value)).collect())
}

/// The version stands in the name of the file; without one it is 0.
// zk: QuorumPeerConfig.getVersionFromFilename
fn version_of(path: &Path) -> Option<String> {
    let (_, version) = path.to_str()?.rsplit_once('.')?;
    i64::from_str_radix(version, 16).ok().map(|version| format!("{version:x}"))
}

/// A membership that was proposed and not in force when the server ended; one that cannot be read is none.
// zk: QuorumPeerConfig.parse
fn proposed(values: &Values<'_>, raw: &Raw, multi_address: bool) -> Option<Verifier> {
    let config = raw.file.clone()?;
    let mut path = std::fs::canonicalize(&config).unwrap_or(config).into_os_string();
    path.push(".dynamic.next");
    let text = std::fs::read_to_string(&path).ok()?;
    match Verifier::from_text(&text, multi_address) {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            values.warn(format!("{}: {error}; the file is ignored", Path::new(&path).display()));
            None
        }
    }
}

/// zk: QuorumPeerConfig.setupMyId
fn my_id(data_dir: &Path) -> Result<Option<ServerId>, SettingsError> {
    let path = data_dir.join("myid");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let line = text.lines().next().unwrap_or_default();
    match line.parse() {
        Ok(id) => Ok(Some(ServerId(id))),
        Err(_) => rule(&format!("{}: server id `{line}` is not a number", path.display())),
    }
}
