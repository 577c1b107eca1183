//! The membership as a whole, and which sets of acknowledgements are a quorum of it.
//!
//! Text form (files, wire, `/zookeeper/config`): `server.N=…` lines, then `group.G=…` and `weight.S=…`, then `version=`
//! in lower-case hex without a line end.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::java_order::{sort_by_key, sort_copied_by_key};
use crate::member::{Member, MemberError, ServerId};

/// Members and quorum rule of one configuration version.
///
/// * Every id occurs once.
/// * With groups, every voting member is in exactly one of them and has a weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    members: Vec<Member>,
    groups: Option<Groups>,
    /// The zxid of the reconfiguration that made it; 0 for one that came from a file.
    pub version: i64,
}

/// Groups and weights of a hierarchical quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    group_of: BTreeMap<ServerId, i64>,
    weight_of: BTreeMap<ServerId, i64>,
}

/// What is wrong with a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A `server.N` line.
    Member(MemberError),
    /// A key or a value that must be a number is none.
    Number(String),
    /// Two lines for one server.
    Twice(ServerId),
    /// A server stands in two groups.
    TwoGroups(ServerId),
    /// Groups are in use and a voting server stands in none.
    NoGroup(ServerId),
    /// A key that is no part of a membership.
    Unknown(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(error) => error.fmt(f),
            Self::Number(text) => write!(f, "`{text}` is not a number"),
            Self::Twice(id) => write!(f, "server.{id} is given twice"),
            Self::TwoGroups(id) => write!(f, "server {id} is in more than one group"),
            Self::NoGroup(id) => write!(f, "server {id} is in no group"),
            Self::Unknown(key) => write!(f, "`{key}` is no part of a membership"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl From<MemberError> for ConfigError {
    fn from(error: MemberError) -> Self {
        Self::Member(error)
    }
}

impl Verifier {
    /// Builds a verifier from the `server.`, `group.`, `weight.` and `version` keys among `pairs`; other keys are ignored.
    ///
    /// # Errors
    /// [`ConfigError`] for a line that cannot be understood or a group rule that does not hold.
    // zk: QuorumMaj, QuorumHierarchical.parse
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        multi_address: bool,
    ) -> Result<Self, ConfigError> {
        let mut members: Vec<Member> = Vec::new();
        let mut groups: Option<Groups> = None;
        let mut version = 0;
        for (key, value) in pairs {
            if let Some(id) = key.strip_prefix("server.") {
                let member = Member::parse(ServerId(number(id)?), value, multi_address)?;
                if members.iter().any(|earlier| earlier.id == member.id) {
                    return Err(ConfigError::Twice(member.id));
                }
                members.push(member);
            } else if let Some(group) = key.strip_prefix("group.") {
                groups.get_or_insert_default().add_group(number(group)?, value)?;
            } else if let Some(id) = key.strip_prefix("weight.") {
                groups.get_or_insert_default().weight_of.insert(ServerId(number(id)?), number(value)?);
            } else if key == "version" {
                let value = value.trim();
                version =
                    i64::from_str_radix(value, 16).map_err(|_| ConfigError::Number(value.to_string()))?;
            }
        }
        sort_by_key(&mut members, |member| member.id.0);
        if let Some(groups) = &mut groups {
            groups.complete(&members)?;
        }
        Ok(Self { members, groups, version })
    }

    /// A membership without groups, of members in the order of a Java map that began as a copy of one with `copied` entries.
    pub(crate) fn of_map(mut members: Vec<Member>, copied: usize) -> Self {
        sort_copied_by_key(&mut members, copied, |member| member.id.0);
        Self { members, groups: None, version: 0 }
    }

    /// The same members with another version.
    #[must_use]
    pub fn with_version(&self, version: i64) -> Self {
        Self { version, ..self.clone() }
    }

    /// Whether the two differ in nothing but their versions.
    // zk: QuorumMaj.equals, QuorumHierarchical.equals
    // diverges(election-config-same-members): our client address from a static file is no part of it, nor is a resolved address
    #[must_use]
    pub fn has_same_members(&self, other: &Self) -> bool {
        let sorted = |verifier: &Self| {
            let mut lines: Vec<(i64, String)> =
                verifier.members.iter().map(|member| (member.id.0, member.to_string())).collect();
            lines.sort();
            lines
        };
        self.groups == other.groups && sorted(self) == sorted(other)
    }

    /// Whether groups and weights decide.
    #[must_use]
    pub fn is_hierarchical(&self) -> bool {
        self.groups.is_some()
    }

    /// One member.
    #[must_use]
    pub fn member(&self, id: ServerId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Whether a server votes.
    #[must_use]
    pub fn is_voter(&self, id: ServerId) -> bool {
        self.member(id).is_some_and(Member::votes)
    }

    /// All members, in the order in which they are printed.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The members that vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.votes())
    }

    /// The weight of a server; 1 without groups, 0 for a stranger among groups.
    #[must_use]
    pub fn weight(&self, id: ServerId) -> i64 {
        self.groups.as_ref().map_or(1, |groups| groups.weight(id))
    }

    /// Whether the servers of `acks` are a quorum. Those that do not vote are not counted.
    // zk: QuorumMaj.containsQuorum, QuorumHierarchical.containsQuorum
    #[must_use]
    pub fn contains_quorum(&self, acks: &BTreeSet<ServerId>) -> bool {
        let acked = |member: &&Member| acks.contains(&member.id);
        match &self.groups {
            None => self.voters().filter(acked).count() > self.voters().count() / 2,
            Some(groups) => groups.contains_quorum(self.voters().filter(acked).map(|member| member.id)),
        }
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for member in &self.members {
            writeln!(f, "server.{}={member}", member.id)?;
        }
        if let Some(groups) = &self.groups {
            groups.fmt(f)?;
        }
        write!(f, "version={:x}", self.version)
    }
}

impl Groups {
    fn add_group(&mut self, group: i64, servers: &str) -> Result<(), ConfigError> {
        for id in servers.split(':') {
            let id = ServerId(number(id)?);
            if self.group_of.insert(id, group).is_some() {
                return Err(ConfigError::TwoGroups(id));
            }
        }
        Ok(())
    }

    fn complete(&mut self, members: &[Member]) -> Result<(), ConfigError> {
        for member in members.iter().filter(|member| member.votes()) {
            if !self.group_of.contains_key(&member.id) {
                return Err(ConfigError::NoGroup(member.id));
            }
            self.weight_of.entry(member.id).or_insert(1);
        }
        Ok(())
    }

    fn weight(&self, id: ServerId) -> i64 {
        self.weight_of.get(&id).copied().unwrap_or(0)
    }

    /// More than half of the groups that weigh anything, each with more than half of its own weight.
    fn contains_quorum(&self, acks: impl Iterator<Item = ServerId>) -> bool {
        let mut acked: BTreeMap<i64, i64> = BTreeMap::new();
        for id in acks {
            if let Some(group) = self.group_of.get(&id) {
                *acked.entry(*group).or_default() += self.weight(id);
            }
        }
        let mut total: BTreeMap<i64, i64> = BTreeMap::new();
        for (id, group) in &self.group_of {
            *total.entry(*group).or_default() += self.weight(*id);
        }
        let weighty = total.iter().filter(|(_, weight)| **weight > 0);
        let (mut groups, mut won) = (0, 0);
        for (group, weight) in weighty {
            groups += 1;
            won += usize::from(acked.get(group).is_some_and(|acked| *acked > weight / 2));
        }
        won > groups / 2
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut servers: Vec<(ServerId, i64)> =
            self.group_of.iter().map(|(id, group)| (*id, *group)).collect();
        sort_by_key(&mut servers, |(id, _)| id.0);
        let mut lines: Vec<(i64, String)> = Vec::new();
        for (id, group) in servers {
            match lines.iter_mut().find(|(earlier, _)| *earlier == group) {
                Some((_, line)) => write!(line, ":{id}")?,
                None => lines.push((group, id.to_string())),
            }
        }
        sort_by_key(&mut lines, |(group, _)| *group);
        for (group, line) in lines {
            writeln!(f, "group.{group}={line}")?;
        }
        let mut weights: Vec<(ServerId, i64)> =
            self.weight_of.iter().map(|(id, weight)| (*id, *weight)).collect();
        sort_by_key(&mut weights, |(id, _)| id.0);
        for (id, weight) in weights {
            writeln!(f, "weight.{id}={weight}")?;
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<i64, ConfigError> {
    text.trim().parse().map_err(|_| ConfigError::Number(text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn verifier(pairs: &[(&str, &str)]) -> Result<Verifier, ConfigError> {
        Verifier::from_pairs(pairs.iter().copied(), false)
    }

    fn servers(count: usize) -> Vec<(String, String)> {
        (1..=count).map(|id| (alloc::format!("server.{id}"), alloc::format!("h{id}:1:2"))).collect()
    }

    fn acks(ids: &[i64]) -> BTreeSet<ServerId> {
        ids.iter().copied().map(ServerId).collect()
    }

    #[test]
    fn a_majority_of_voters_is_a_quorum_and_observers_never_count() {
        let config = verifier(&[
            ("server.1", "a:1:2"),
            ("server.2", "b:1:2"),
            ("server.3", "c:1:2"),
            ("server.4", "d:1:2:observer"),
        ])
        .expect("valid");
        let rows = [
            (vec![1], false),
            (vec![1, 4], false),
            (vec![1, 2], true),
            (vec![2, 3, 4], true),
            (vec![9, 8], false),
        ];
        for (ids, quorum) in rows {
            assert_eq!(config.contains_quorum(&acks(&ids)), quorum, "{ids:?}");
        }
    }

    #[test]
    fn groups_need_more_than_half_of_the_groups_each_by_weight() {
        let mut pairs = servers(9);
        for (group, line) in
            [("group.1", "1:2:3"), ("group.2", "4:5:6"), ("group.3", "7:8:9"), ("weight.9", "0")]
        {
            pairs.push((group.to_string(), line.to_string()));
        }
        let config =
            Verifier::from_pairs(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())), false).expect("valid");
        let rows = [
            (vec![1, 2, 4, 5], true),
            (vec![1, 4, 7], false),
            (vec![1, 2, 3, 4, 7], false),
            (vec![7, 9, 1, 2], false),
            (vec![7, 8, 1, 2], true),
        ];
        for (ids, quorum) in rows {
            assert_eq!(config.contains_quorum(&acks(&ids)), quorum, "{ids:?}");
        }
    }

    #[test]
    fn the_text_form_survives_a_round_trip() {
        let text = "server.1=a:1:2:participant\nserver.2=b:1:2:observer;0.0.0.0:2181\ngroup.1=1\nweight.1=1\nversion=1f0";
        let pairs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let config = verifier(&pairs).expect("valid");
        assert_eq!(config.version, 0x1f0);
        assert_eq!(config.to_string(), text);
    }

    #[test]
    fn broken_memberships_are_named() {
        let rows: [(&[(&str, &str)], ConfigError); 4] = [
            (&[("server.x", "a:1:2")], ConfigError::Number("x".to_string())),
            (&[("server.1", "a:1:2"), ("server.1", "b:1:2")], ConfigError::Twice(ServerId(1))),
            (&[("server.1", "a:1:2"), ("group.1", "2")], ConfigError::NoGroup(ServerId(1))),
            (&[("group.1", "2"), ("group.2", "2")], ConfigError::TwoGroups(ServerId(2))),
        ];
        for (pairs, error) in rows {
            assert_eq!(verifier(pairs), Err(error));
        }
    }
}
