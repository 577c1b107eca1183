//! One member: the value of a `server.N=` line.
//!
//! Grammar (zk: QuorumPeer.QuorumServer.initializeWithAddressString):
//! ```text
//! spec    = address *( "|" address ) [ ";" client ]
//! address = host ":" quorum-port ":" election-port [ ":" role ]
//! client  = [ host ":" ] port
//! host    = name / IPv4 / "[" IPv6 "]"
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use nom::branch::alt;
use nom::bytes::complete::{is_not, take_while1};
use nom::character::complete::char;
use nom::combinator::{all_consuming, map_res, opt};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// The id of a server, as `myid` gives it and `server.N` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub i64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a member votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnerType {
    /// Votes and acknowledges.
    Participant,
    /// Only learns what is committed.
    Observer,
}

impl LearnerType {
    /// The word that stands for it in a server line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Observer => "observer",
        }
    }
}

/// A host, not resolved, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// Name or address; an IPv6 address stands without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bracketed(&self.host), self.port)
    }
}

/// One member of the ensemble.
///
/// * `addresses` is never empty.
/// * The quorum port and the election port of an address differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: ServerId,
    /// Where peers reach it, in the order of the line.
    pub addresses: Vec<PeerAddress>,
    /// Where clients reach it, when the line says so.
    pub client: Option<HostPort>,
    /// Whether it votes.
    pub learner_type: LearnerType,
    /// The client address came from `clientPort` of a static file: it is not printed.
    pub client_is_static: bool,
}

/// One address of a member: a host with its two ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Name or address; an IPv6 address stands without brackets.
    pub host: String,
    /// Port of the quorum protocol.
    pub quorum_port: u16,
    /// Port of the leader election.
    pub election_port: u16,
}

/// What is wrong with a server line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberError {
    /// The text does not have the form `host:port:port[:role][;[host:]port]`.
    Form(String),
    /// The role is neither `participant` nor `observer`.
    Role(String),
    /// Quorum and election port are the same.
    SamePorts(ServerId),
    /// More than one address without `multiAddress.enabled`.
    MultiAddressOff(ServerId),
    /// The addresses of one member name different roles.
    MixedRoles(ServerId),
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) => {
                write!(f, "`{text}` is not host:port:port[:participant|observer][;[host:]port]")
            }
            Self::Role(text) => write!(f, "role `{text}` is neither participant nor observer"),
            Self::SamePorts(id) => write!(f, "server.{id}: quorum port and election port must differ"),
            Self::MultiAddressOff(id) => {
                write!(f, "server.{id}: several addresses need multiAddress.enabled=true")
            }
            Self::MixedRoles(id) => write!(f, "server.{id}: its addresses name different roles"),
        }
    }
}

impl core::error::Error for MemberError {}

impl Member {
    /// Parses the value of a `server.N=` line.
    ///
    /// # Errors
    /// [`MemberError`], which says what was expected.
    // zk: QuorumPeer.QuorumServer.initializeWithAddressString
    pub fn parse(id: ServerId, text: &str, multi_address: bool) -> Result<Self, MemberError> {
        let text = text.trim();
        let (_, (parsed, client)) =
            all_consuming(spec).parse(text).map_err(|_| MemberError::Form(text.to_string()))?;
        if parsed.len() > 1 && !multi_address {
            return Err(MemberError::MultiAddressOff(id));
        }
        let mut learner_type = None;
        let mut addresses = Vec::new();
        for (address, role) in parsed {
            if address.quorum_port == address.election_port {
                return Err(MemberError::SamePorts(id));
            }
            if let Some(role) = role {
                let role = parse_role(role)?;
                if learner_type.replace(role).is_some_and(|earlier| earlier != role) {
                    return Err(MemberError::MixedRoles(id));
                }
            }
            addresses.push(address);
        }
        let learner_type = learner_type.unwrap_or(LearnerType::Participant);
        Ok(Self { id, addresses, client, learner_type, client_is_static: false })
    }

    /// Where the quorum protocol reaches it, in the order of hosts.
    #[must_use]
    pub fn quorum_addresses(&self) -> Vec<HostPort> {
        let address = |one: &PeerAddress| HostPort { host: one.host.clone(), port: one.quorum_port };
        let mut addresses: Vec<HostPort> = self.addresses.iter().map(address).collect();
        addresses.sort();
        addresses
    }

    /// Whether it counts in quorums.
    #[must_use]
    pub fn votes(&self) -> bool {
        self.learner_type == LearnerType::Participant
    }
}

impl fmt::Display for Member {
    /// The value of the line as every server prints it: addresses sorted by host, the role always, the client address
    /// when it came with the line.
    // zk: QuorumPeer.QuorumServer.toString
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&PeerAddress> = self.addresses.iter().collect();
        sorted.sort_by(|a, b| a.host.cmp(&b.host));
        for (index, address) in sorted.into_iter().enumerate() {
            let separator = if index == 0 { "" } else { "|" };
            let PeerAddress { host, quorum_port, election_port } = address;
            write!(f, "{separator}{}:{quorum_port}:{election_port}", Bracketed(host))?;
        }
        write!(f, ":{}", self.learner_type.as_str())?;
        match &self.client {
            Some(client) if !self.client_is_static => write!(f, ";{client}"),
            _ => Ok(()),
        }
    }
}

fn parse_role(text: &str) -> Result<LearnerType, MemberError> {
    match text.trim().to_lowercase().as_str() {
        "participant" => Ok(LearnerType::Participant),
        "observer" => Ok(LearnerType::Observer),
        _ => Err(MemberError::Role(text.to_string())),
    }
}

type Spec<'a> = (Vec<(PeerAddress, Option<&'a str>)>, Option<HostPort>);

fn spec(input: &str) -> IResult<&str, Spec<'_>> {
    (separated_list1(char('|'), address), opt(preceded(char(';'), client))).parse(input)
}

fn address(input: &str) -> IResult<&str, (PeerAddress, Option<&str>)> {
    let (input, host) = host(input)?;
    let (input, quorum_port) = preceded(char(':'), port).parse(input)?;
    let (input, election_port) = preceded(char(':'), port).parse(input)?;
    let (input, role) = opt(preceded(char(':'), is_not("|;:"))).parse(input)?;
    Ok((input, (PeerAddress { host: host.to_string(), quorum_port, election_port }, role)))
}

fn client(input: &str) -> IResult<&str, HostPort> {
    let (input, (host, port)) =
        alt(((host, preceded(char(':'), port)), port.map(|port| ("0.0.0.0", port)))).parse(input)?;
    Ok((input, HostPort { host: host.to_string(), port }))
}

fn host(input: &str) -> IResult<&str, &str> {
    alt((delimited(char('['), is_not("]"), char(']')), is_not(":|;[]"))).parse(input)
}

fn port(input: &str) -> IResult<&str, u16> {
    map_res(take_while1(|c: char| c.is_ascii_digit()), str::parse::<u16>).parse(input)
}

/// A host as it is printed: an IPv6 address in brackets.
struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Member, MemberError> {
        Member::parse(ServerId(1), text, false)
    }

    #[test]
    fn lines_print_as_the_reference_prints_them() {
        let rows = [
            ("a:2888:3888", "a:2888:3888:participant"),
            ("a:2888:3888:Observer", "a:2888:3888:observer"),
            ("a:2888:3888;2181", "a:2888:3888:participant;0.0.0.0:2181"),
            ("a:2888:3888:observer;10.0.0.1:2181", "a:2888:3888:observer;10.0.0.1:2181"),
            ("[::1]:2888:3888;[fe80::1]:2181", "[::1]:2888:3888:participant;[fe80::1]:2181"),
        ];
        for (line, printed) in rows {
            assert_eq!(parse(line).map(|m| m.to_string()).as_deref(), Ok(printed), "{line}");
        }
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        let form = |t: &str| MemberError::Form(t.to_string());
        for line in
            ["", "a", "a:1", "a:1:x", "a:1:2;", "a:1:2;b:c", "a:1:99999", "a:1:2:observer:x", "a:1:2;1;2"]
        {
            assert_eq!(parse(line), Err(form(line)), "{line}");
        }
        assert_eq!(parse("a:1:2:king"), Err(MemberError::Role("king".to_string())));
        assert_eq!(parse("a:1:1"), Err(MemberError::SamePorts(ServerId(1))));
        assert_eq!(parse("a:1:2|b:1:2"), Err(MemberError::MultiAddressOff(ServerId(1))));
    }

    #[test]
    fn several_addresses_are_sorted_by_host_and_agree_on_the_role() {
        let parse = |text| Member::parse(ServerId(3), text, true);
        assert_eq!(parse("b:1:2|a:3:4").map(|m| m.to_string()).as_deref(), Ok("a:3:4|b:1:2:participant"));
        assert_eq!(parse("a:1:2:observer|b:1:2:participant"), Err(MemberError::MixedRoles(ServerId(3))));
    }
}
