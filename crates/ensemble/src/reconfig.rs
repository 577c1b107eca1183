//! A membership made of another one: whole, or by servers that join and leave; every check that needs no ensemble.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::member::{HostPort, Member, ServerId};
use crate::properties;
use crate::verifier::{ConfigError, Verifier};

/// What a client wants of the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// These lines, separated by commas or line ends, in place of all.
    Members(&'a str),
    /// Servers that join, or change, and servers that leave, each separated by commas.
    Incremental {
        /// `server.N=address;client`.
        joining: Option<&'a str>,
        /// Ids.
        leaving: Option<&'a str>,
    },
}

/// What the server that makes the change allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `standaloneEnabled`: an ensemble has at least two voters.
    pub standalone_enabled: bool,
    /// `multiAddress.enabled`.
    pub multi_address: bool,
}

/// Why a membership cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// BADARGUMENTS: what the reference checks.
    BadArguments(String),
    /// MARSHALLINGERROR: where the reference trips over the text.
    Unreadable(String),
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BadArguments(why) | Self::Unreadable(why) => f.write_str(why),
        }
    }
}

impl Verifier {
    /// The membership after a change.
    ///
    /// # Errors
    /// [`Refused`], which says what was expected.
    // zk: PrepRequestProcessor.pRequest2Txn, reconfig
    pub fn changed(&self, change: Change<'_>, version: i64, rules: Rules) -> Result<Self, Refused> {
        let mut changed = match change {
            Change::Members(lines) => parse_dynamic(&lines.replace(',', "\n"), rules)?,
            Change::Incremental { joining, leaving } => self.step(joining, leaving, rules)?,
        };
        changed.version = version;
        let (voters, needed) = (changed.voters().count(), if rules.standalone_enabled { 2 } else { 1 });
        if voters < needed {
            return Err(Refused::BadArguments(format!(
                "the new membership has {voters} voters, not {needed}"
            )));
        }
        Ok(changed)
    }

    fn step(&self, joining: Option<&str>, leaving: Option<&str>, rules: Rules) -> Result<Self, Refused> {
        if self.is_hierarchical() {
            let why = "servers cannot join or leave one by one where there are groups".to_string();
            return Err(Refused::BadArguments(why));
        }
        let mut members: Vec<Member> = self.members().to_vec();
        for id in split(leaving) {
            let id = number(id)?;
            members.retain(|member| member.id != id);
        }
        for line in split(joining) {
            let joiner = joiner(line, rules)?;
            let others = members.iter().filter(|other| other.id != joiner.id);
            if let Some((address, other)) = others.filter_map(|other| conflict(&joiner, other)).next() {
                let why = format!("{address} of server.{} is also of server.{other}", joiner.id);
                return Err(Refused::BadArguments(why));
            }
            // In a hash map the new value of a key takes the place of the old one.
            match members.iter_mut().find(|member| member.id == joiner.id) {
                Some(member) => *member = joiner,
                None => members.push(joiner),
            }
        }
        Ok(Self::of_map(members, self.members().len()))
    }
}

/// A line of who joins: all three addresses must be there.
fn joiner(line: &str, rules: Rules) -> Result<Member, Refused> {
    let bad = |why: &str| Refused::BadArguments(format!("`{line}`: {why}"));
    let parts: Vec<&str> = split_at(line, '=').collect();
    let [key, spec] = parts[..] else { return Err(bad("expected server.N=host:port:port;port")) };
    let id = number(key.rsplit('.').next().unwrap_or_default())?;
    let member = Member::parse(id, spec, rules.multi_address).map_err(|error| bad(&error.to_string()))?;
    if member.client.is_none() {
        return Err(bad("expected three ports, one of them for clients"));
    }
    Ok(member)
}

/// The lines of a dynamic file, with all checks that the reference makes when it reads one.
// zk: QuorumPeerConfig.parseDynamicConfig
fn parse_dynamic(text: &str, rules: Rules) -> Result<Verifier, Refused> {
    let verifier = Verifier::from_text(text, rules.multi_address).map_err(|error| match error {
        ConfigError::Number(_) => Refused::Unreadable(error.to_string()),
        ConfigError::Member(_)
        | ConfigError::Twice(_)
        | ConfigError::TwoGroups(_)
        | ConfigError::NoGroup(_)
        | ConfigError::Unknown(_) => Refused::BadArguments(error.to_string()),
    })?;
    let voters = verifier.voters().count();
    let has_observers = verifier.members().len() > voters;
    let is_odd = match voters {
        0 => !rules.standalone_enabled || has_observers,
        1 => rules.standalone_enabled && has_observers,
        _ => false,
    };
    match is_odd {
        true => Err(Refused::Unreadable(format!("{voters} voters are no membership"))),
        false => Ok(verifier),
    }
}

/// The first address that two servers share. Wildcards and loopback are everybody's.
// zk: QuorumPeer.QuorumServer.checkAddressDuplicate
// diverges(reconfig-addresses-by-name): the reference compares what the names resolve to
fn conflict(one: &Member, other: &Member) -> Option<(HostPort, ServerId)> {
    let taken: BTreeSet<HostPort> = addresses(other).collect();
    addresses(one).find(|address| taken.contains(address)).map(|address| (address, other.id))
}

fn addresses(member: &Member) -> impl Iterator<Item = HostPort> {
    let of_peers = member.addresses.iter().flat_map(|address| {
        [address.quorum_port, address.election_port].map(|port| HostPort { host: address.host.clone(), port })
    });
    of_peers.chain(member.client.clone()).filter(|address| !is_everybodys(&address.host))
}

fn is_everybodys(host: &str) -> bool {
    ["0.0.0.0", "::", "::1", "localhost", "0:0:0:0:0:0:0:0", "0:0:0:0:0:0:0:1"].contains(&host)
        || host.starts_with("127.")
}

// zk: StringUtils.split
fn split(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.into_iter().flat_map(|list| split_at(list, ','))
}

fn split_at(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|part| !part.is_empty())
}

// zk: Long.parseLong
fn number(text: &str) -> Result<ServerId, Refused> {
    text.parse().map(ServerId).map_err(|_| Refused::Unreadable(format!("`{text}` is not a number")))
}

impl Verifier {
    /// Reads the text of a membership: files, wire, `/zookeeper/config`. Of two lines with one key the later one counts.
    ///
    /// # Errors
    /// [`ConfigError`] for a line that cannot be understood, or does not belong there.
    // zk: QuorumPeer.configFromString, QuorumPeerConfig.parseDynamicConfig
    pub fn from_text(text: &str, multi_address: bool) -> Result<Self, ConfigError> {
        let pairs = properties::parse(text);
        let is_known = |key: &str| {
            ["server.", "group", "weight"].iter().any(|known| key.starts_with(known)) || key == "version"
        };
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !is_known(key)) {
            return Err(ConfigError::Unknown(key.clone()));
        }
        Self::from_pairs(pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())), multi_address)
    }
}

#[cfg(test)]
mod tests;
