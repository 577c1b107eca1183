//! What the mesh needs to know, and its fixed limits.

use std::time::Duration;

use ensemble::member::PeerAddress;
use ensemble::{HostPort, Member, ServerId, Verifier};

use super::table::Members;
use crate::quorum::paths::Paths;
use crate::settings::EnsembleSettings;

/// Longest message, as the reference has it; a notification is 44 bytes and the text of the membership.
pub(super) const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Connections that have not yet said who they are; beyond it the oldest goes, for honest peers speak at once.
pub(super) const HANDSHAKES_MAX: usize = 64;
/// Non-members with a connection, or being dialled; beyond it the one that was silent longest goes.
pub(super) const NON_MEMBERS_MAX: usize = 32;
/// New connections of non-members: so many at once, and one more in each [`NON_MEMBER_EVERY`].
pub(super) const NON_MEMBER_BURST: u32 = 32;
/// See [`NON_MEMBER_BURST`].
pub(super) const NON_MEMBER_EVERY: Duration = Duration::from_millis(200);
/// Addresses of non-members' choice that we dial: so many at once, and one more in each [`DIAL_BACK_EVERY`].
pub(super) const DIAL_BACK_BURST: u32 = 8;
/// See [`DIAL_BACK_BURST`].
pub(super) const DIAL_BACK_EVERY: Duration = Duration::from_secs(1);
/// Messages from one non-member: so many at once, and one more in each [`NON_MEMBER_MESSAGE_EVERY`]; then its socket
/// waits. An election sends to each server at most every 200 ms.
pub(super) const NON_MEMBER_MESSAGE_BURST: u32 = 20;
/// See [`NON_MEMBER_MESSAGE_BURST`].
pub(super) const NON_MEMBER_MESSAGE_EVERY: Duration = Duration::from_millis(50);
/// Between the beginnings of two attempts to dial one peer, however often somebody asks.
pub(super) const DIAL_DELAY_MIN: Duration = Duration::from_millis(50);
/// The longest wait of our own between two attempts; it doubles from [`DIAL_DELAY_MIN`].
pub(super) const DIAL_DELAY_MAX: Duration = Duration::from_secs(10);
/// Addresses of one peer, and of one name, that one attempt tries.
pub(super) const ADDRESSES_TRIED_MAX: usize = 8;
/// The next address is tried this long after the one before, if that one has not answered.
pub(super) const ADDRESS_STAGGER: Duration = Duration::from_millis(250);
/// Between two attempts to bind the port.
pub(super) const BIND_RETRY_EVERY: Duration = Duration::from_secs(1);
/// Time for the address at the other end of a connection to answer, when it is one of several.
// zk: QuorumCnxManager.SendWorker.asyncValidateIfSocketIsStillReachable
pub(super) const LINK_PROBE: Duration = Duration::from_millis(500);
/// Connections that the kernel holds for us, Java's default.
pub(super) const BACKLOG: i32 = 50;

/// Settings of the mesh. Durations of zero mean no limit, as in Java.
#[derive(Debug, Clone)]
pub(crate) struct MeshSettings {
    /// Our id; `i64::MAX` is an observer without one.
    pub(crate) me: ServerId,
    /// Our election addresses: where we listen, and what we tell whom we dial. Never empty.
    pub(crate) own_addresses: Vec<HostPort>,
    /// `quorumListenOnAllIPs`: listen on these ports of all addresses of the machine.
    pub(crate) listen_on_all_ips: bool,
    /// `multiAddress.enabled`: tell all our addresses; servers before 3.6 refuse that.
    pub(crate) multi_address: bool,
    /// How peers are reached, `multiAddress.reachabilityCheck…`.
    pub(crate) paths: Paths,
    /// `zookeeper.cnxTimeout`, for a name to resolve and again for the connection.
    pub(crate) connect_timeout: Duration,
    /// `zookeeper.quorumCnxnTimeoutMs`, else tickTime × syncLimit: for the initial message, and for a peer to take
    /// what we send.
    pub(crate) handshake_timeout: Duration,
    /// `zookeeper.tcpKeepAlive`.
    pub(crate) tcp_keep_alive: bool,
    /// `zookeeper.electionPortBindRetry`: attempts to bind each address; 0 is for ever.
    pub(crate) bind_attempts: u32,
    /// Whether we dial a server that is no member at the address that it sent. A server that is to join with an id
    /// below ours needs it.
    pub(crate) dials_back_non_members: bool,
}

impl MeshSettings {
    /// What the settings of a member say.
    pub(crate) fn of(settings: &EnsembleSettings) -> Self {
        Self {
            me: settings.me,
            own_addresses: election_addresses(&settings.own),
            listen_on_all_ips: settings.listens_on_all,
            multi_address: settings.multi_address,
            paths: Paths::new(settings.reachability_probe),
            connect_timeout: Duration::from_millis(settings.election_connect_ms),
            handshake_timeout: Duration::from_millis(settings.election_handshake_ms),
            tcp_keep_alive: settings.keep_alive,
            bind_attempts: settings.bind_retries.unwrap_or(0),
            dials_back_non_members: settings.dials_back_strangers,
        }
    }

    /// The reference's defaults.
    #[cfg(test)]
    pub(crate) fn new(me: ServerId, own_addresses: Vec<HostPort>, handshake_timeout: Duration) -> Self {
        Self {
            me,
            own_addresses,
            listen_on_all_ips: false,
            multi_address: false,
            paths: Paths::default(),
            connect_timeout: Duration::from_secs(5),
            handshake_timeout,
            tcp_keep_alive: false,
            bind_attempts: 3,
            dials_back_non_members: true,
        }
    }
}

/// Where the members of these memberships, the committed one and one that was proposed, hear of elections.
// zk: QuorumCnxManager.connectOne
pub(crate) fn members_of<'a>(memberships: impl IntoIterator<Item = &'a Verifier>) -> Members {
    let mut members = Members::new();
    for member in memberships.into_iter().flat_map(Verifier::members) {
        let known = members.entry(member.id).or_default();
        for address in election_addresses(member) {
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    members
}

pub(super) fn election_addresses(member: &Member) -> Vec<HostPort> {
    let address = |one: &PeerAddress| HostPort { host: one.host.clone(), port: one.election_port };
    member.addresses.iter().map(address).collect()
}

/// A duration for a timer: zero is no limit.
pub(super) fn timer(duration: Duration) -> Duration {
    const FOR_EVER: Duration = Duration::from_secs(86_400 * 365);
    if duration.is_zero() { FOR_EVER } else { duration }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Dir;
    use crate::settings::{ConfigSource, Raw, Settings};

    #[test]
    fn a_member_s_settings_are_those_of_its_mesh() {
        let dir = Dir::new("mesh-settings");
        let path = dir.path().join("zoo.cfg");
        let text = "clientPort=0\ntickTime=1000\ninitLimit=5\nsyncLimit=4\nquorumListenOnAllIPs=true\n\
                    server.1=a:1:2|[::1]:3:4\nserver.2=b:1:2\nserver.3=c:1:2";
        std::fs::write(&path, format!("dataDir={}\n{text}", dir.path().display())).unwrap();
        std::fs::write(dir.path().join("myid"), "1").unwrap();
        let defines = [
            ("zookeeper.multiAddress.enabled", "true"),
            ("zookeeper.cnxTimeout", "7"),
            ("zookeeper.multiAddress.reachabilityCheckTimeoutMs", "8"),
            ("zookeeper.electionPortBindRetry", "0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let raw = Raw::gather(&ConfigSource::File(path), &defines, |_| None).unwrap();
        let member = Settings::check(&raw).unwrap().ensemble.unwrap();
        let settings = MeshSettings::of(&member);
        assert_eq!(settings.me, ServerId(1));
        let own: Vec<String> = settings.own_addresses.iter().map(HostPort::to_string).collect();
        assert_eq!(own, ["a:2", "[::1]:4"]);
        assert!(settings.listen_on_all_ips && settings.multi_address && settings.dials_back_non_members);
        assert!(!settings.tcp_keep_alive);
        assert_eq!(settings.connect_timeout, Duration::from_millis(7));
        assert_eq!(settings.paths.probe, Some(Duration::from_millis(8)));
        assert_eq!(settings.handshake_timeout, Duration::from_secs(4));
        assert_eq!(settings.bind_attempts, 0);

        let proposed = [("server.1", "a:1:2"), ("server.3", "moved:1:2"), ("server.4", "d:1:2")];
        let proposed = Verifier::from_pairs(proposed, true).unwrap();
        let members: Vec<String> = members_of([&*member.verifier, &proposed])
            .into_iter()
            .map(|(id, addresses)| {
                format!("{id} {}", addresses.iter().map(HostPort::to_string).collect::<Vec<_>>().join(" "))
            })
            .collect();
        assert_eq!(members, ["1 a:2 [::1]:4", "2 b:2", "3 c:2 moved:2", "4 d:2"]);
    }
}
