//! The membership that comes with a message.

use ensemble::Verifier;

/// Most lines of a membership that comes from outside: each member has one, group and weight lines beside it. Server ids
/// are a byte of a session id, so that honest memberships stay far below.
const LINES_MAX: usize = 4096;

/// What a text says of a membership.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gossip {
    /// It is none.
    Unreadable,
    /// It is not newer than ours.
    Known,
    /// It is newer.
    Newer {
        version: i64,
        /// Its members are ours.
        has_same_members: bool,
    },
}

/// Reads the membership of a message; all of it only when its version is newer than that of `ours`.
// zk: QuorumPeer.configFromString, QuorumPeerConfig.parseDynamicConfig
pub(crate) fn read(text: &str, ours: &Verifier, multi_address: bool) -> Gossip {
    let Some(version) = version(text) else { return Gossip::Unreadable };
    if version <= ours.version {
        return Gossip::Known;
    }
    // diverges(election-config-max): a membership of more lines is taken for none
    if text.lines().nth(LINES_MAX).is_some() || !pairs(text).all(|(key, _)| is_known(key)) {
        return Gossip::Unreadable;
    }
    match Verifier::from_pairs(pairs(text), multi_address) {
        Ok(theirs) if theirs.voters().next().is_some() => {
            Gossip::Newer { version, has_same_members: ours.has_same_members(&theirs) }
        }
        Ok(_) | Err(_) => Gossip::Unreadable,
    }
}

/// Whether the membership of a message is older than ours.
pub(crate) fn is_older(text: &str, ours: &Verifier) -> bool {
    version(text).is_some_and(|version| version < ours.version)
}

/// The last line with a version, as later lines win; 0 without one.
fn version(text: &str) -> Option<i64> {
    match pairs(text).filter(|(key, _)| *key == "version").last() {
        None => Some(0),
        Some((_, value)) => i64::from_str_radix(value, 16).ok(),
    }
}

/// The lines `key=value`; a line without `=` is a key without a value.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    lines.map(|line| line.split_once('=').map_or((line, ""), |(key, value)| (key.trim(), value.trim())))
}

fn is_known(key: &str) -> bool {
    ["server.", "group", "weight"].iter().any(|known| key.starts_with(known)) || key == "version"
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    const OURS: &str = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=5";

    fn verifier(text: &str) -> Verifier {
        Verifier::from_pairs(pairs(text), false).expect("valid")
    }

    #[test]
    fn only_a_newer_and_whole_membership_is_news() {
        let many: String = (0..=LINES_MAX).map(|id| alloc::format!("server.{id}=a:1:2\n")).collect();
        let newer = |version, has_same_members| Gossip::Newer { version, has_same_members };
        let rows = [
            (OURS, Gossip::Known),
            ("", Gossip::Known),
            ("server.1=a:1:2", Gossip::Known),
            ("rubbish\nversion=4", Gossip::Known),
            ("server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion=6", newer(6, true)),
            (" server.2 = b:1:2 \r\n#\n\nserver.1=a:1:2\nversion=10", newer(16, true)),
            ("server.1=a:1:2:participant\nversion=6", newer(6, false)),
            ("server.1=a:1:2\nserver.2=b:1:3\nversion=6", newer(6, false)),
            ("server.1=a:1:2\nserver.2=b:1:2:observer\nversion=6", newer(6, false)),
            ("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nversion=6", newer(6, false)),
            ("server.1=a:1:2\nserver.2=b:1:2;2181\nversion=6", newer(6, false)),
            ("server.1=a:1:2|b:1:2\nversion=6", Gossip::Unreadable),
            ("server.1=a:1:2:observer\nversion=6", Gossip::Unreadable),
            ("version=6", Gossip::Unreadable),
            ("server.1=a:1:2\nversion=x", Gossip::Unreadable),
            ("server.1=a\nversion=6", Gossip::Unreadable),
            ("server.1=a:1:2\nclientPort=2181\nversion=6", Gossip::Unreadable),
            (&alloc::format!("{many}version=6"), Gossip::Unreadable),
        ];
        for (text, gossip) in rows {
            assert_eq!(read(text, &verifier(OURS), false), gossip, "{text}");
        }
    }
}
