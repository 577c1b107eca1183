//! What the answers to `srvr`, `mntr` and `conf` say.

use ensemble::{LearnerType, Member, ServerId};

/// One server as its answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// `leader`, `follower`, `observer`, `standalone`, `read-only`; none while it serves nobody.
    pub(super) mode: Option<String>,
    /// Last transaction.
    pub(super) zxid: Option<i64>,
    /// As `srvr` prints it, without the date.
    pub(super) version: Option<String>,
    /// Sessions of the whole ensemble, where `mntr` is answered.
    pub(super) sessions: Option<u64>,
    /// Its id, where `conf` is answered.
    pub(super) id: Option<i64>,
    /// The others, where `conf` is answered.
    pub(super) members: Vec<Member>,
}

impl Told {
    /// Reads the three answers; a word that is not allowed there says so in a line that has none of what is looked for.
    pub(super) fn read(srvr: &str, mntr: &str, conf: &str) -> Self {
        let line = |answer: &str, key: &str| {
            answer.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()))
        };
        let version = line(srvr, "Zookeeper version: ");
        let zxid = line(srvr, "Zxid: 0x").and_then(|digits| u64::from_str_radix(&digits, 16).ok());
        Self {
            mode: line(srvr, "Mode: "),
            zxid: zxid.map(u64::cast_signed),
            version: version.map(|version| version.split(',').next().unwrap_or_default().to_owned()),
            sessions: line(mntr, "zk_global_sessions").and_then(|count| count.parse().ok()),
            id: line(conf, "serverId=").and_then(|id| id.parse().ok()),
            members: conf.lines().filter_map(member).collect(),
        }
    }

    /// Whether it is of our kind.
    pub(super) fn is_rookeeper(&self) -> bool {
        self.version.as_deref().is_some_and(|version| version.contains("-rookeeper-"))
    }
}

fn member(line: &str) -> Option<Member> {
    let (key, value) = line.split_once('=')?;
    let id = key.trim().strip_prefix("server.")?.parse().ok()?;
    Member::parse(ServerId(id), value, true).ok()
}

/// Where a member's clients go: a wildcard stands for its own host, and who names no port has that of the server asked.
pub(super) fn client_address(member: &Member, asked_port: u16) -> Option<String> {
    let own = &member.addresses.first()?.host;
    let (host, port) = match &member.client {
        Some(client) if ["0.0.0.0", "::", "0:0:0:0:0:0:0:0"].contains(&client.host.as_str()) => {
            (own, client.port)
        }
        Some(client) => (&client.host, client.port),
        None => (own, asked_port),
    };
    Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// The word for the role that the membership gives.
pub(super) fn role(member: &Member) -> &'static str {
    match member.learner_type {
        LearnerType::Participant => "voter",
        LearnerType::Observer => "observer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRVR: &str = "Zookeeper version: 3.9.5-rookeeper-0.1.0, built on 2026-11-21 00:00 UTC\n\
        Latency min/avg/max: 0/0.0/0\nZxid: 0x200000007\nMode: follower\nNode count: 5\n";

    #[test]
    fn the_answers_are_read() {
        let conf = "clientPort=2181\nserverId=2\nmembership: \nserver.1=a:2888:3888:participant\n\
                    server.2=b:2888:3888:observer;0.0.0.0:2182\nversion=0";
        let told = Told::read(SRVR, "zk_version\t3\nzk_global_sessions\t4\n", conf);
        assert_eq!((told.mode.as_deref(), told.zxid), (Some("follower"), Some(0x2_0000_0007)));
        assert_eq!((told.sessions, told.id, told.is_rookeeper()), (Some(4), Some(2), true));
        let addresses: Vec<_> = told.members.iter().filter_map(|member| client_address(member, 99)).collect();
        assert_eq!(addresses, ["a:99", "b:2182"]);
        assert_eq!(told.members.iter().map(role).collect::<Vec<_>>(), ["voter", "observer"]);
    }

    #[test]
    fn what_is_not_allowed_or_not_serving_leaves_holes() {
        let refused = "mntr is not executed because it is not in the whitelist.";
        let told = Told::read("This ZooKeeper instance is not currently serving requests", refused, refused);
        assert_eq!(told, Told::default());
        let apache = Told::read("Zookeeper version: 3.9.5-abc, built on x\nMode: leader\n", "", "");
        assert_eq!((apache.is_rookeeper(), apache.version.as_deref()), (false, Some("3.9.5-abc")));
    }

    #[test]
    fn an_address_of_version_6_is_bracketed() {
        let member = Member::parse(ServerId(1), "[::1]:2888:3888;2181", true).unwrap();
        assert_eq!(client_address(&member, 1).as_deref(), Some("[::1]:2181"));
    }
}
