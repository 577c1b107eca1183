//! What the words show of a member of an ensemble.

use std::fmt::Write as _;

use ensemble::{LearnerType, PeerAddress};
use replica::{Mode, PeerReport};
use tokio::sync::oneshot;

use crate::clock;
use crate::settings::EnsembleSettings;
use crate::shell::membership::{Membership, View};
use crate::shell::{Message, Shared};

/// What the replica says of itself; nothing for a standalone server, or one that is about to end.
pub(super) async fn report(shared: &Shared) -> Option<PeerReport> {
    shared.settings.ensemble.as_ref()?;
    let (ask, answer) = oneshot::channel();
    shared.inbox.send(Message::Peer(ask)).await.ok()?;
    answer.await.ok()?
}

/// The word for a mode.
// zk: QuorumStats.Provider, ReadOnlyZooKeeperServer.getState
pub(super) fn mode(mode: Option<Mode>) -> &'static str {
    match mode {
        Some(Mode::Leader) => "leader",
        Some(Mode::Follower) => "follower",
        Some(Mode::Observer) => "observer",
        Some(Mode::ReadOnly) => "read-only",
        Some(Mode::Standalone) | None => "standalone",
    }
}

/// What `conf` adds. A server that reads only does not speak of the others.
// zk: QuorumZooKeeperServer.dumpConf, ReadOnlyZooKeeperServer.dumpConf
pub(super) fn conf(member: &EnsembleSettings, view: &View, mode: Option<Mode>) -> String {
    let ports = |port: fn(&PeerAddress) -> u16| {
        let ports: Vec<_> = view.own.addresses.iter().map(|address| port(address).to_string()).collect();
        ports.join("|")
    };
    format!(
        "initLimit={}\nsyncLimit={}\nelectionAlg=3\nelectionPort={}\nquorumPort={}\npeerType={}\n{}",
        member.init_limit,
        member.sync_limit,
        ports(|address| address.election_port),
        ports(|address| address.quorum_port),
        match view.learner_type {
            LearnerType::Participant => 0,
            LearnerType::Observer => 1,
        },
        match mode {
            Some(Mode::ReadOnly) => String::new(),
            _ => format!("membership: \n{}", view.current),
        }
    )
}

/// Sizes of proposals in bytes; -1 before the first.
// zk: BufferStats
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProposalSizes {
    last: i64,
    min: i64,
    max: i64,
}

impl ProposalSizes {
    pub(crate) const NONE: Self = Self { last: -1, min: -1, max: -1 };

    pub(crate) fn add(&mut self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.last = bytes;
        self.min = if self.min == -1 { bytes } else { self.min.min(bytes) };
        self.max = self.max.max(bytes);
    }
}

impl std::fmt::Display for ProposalSizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.last, self.min, self.max)
    }
}

/// The line that `srvr` and `stat` add at a leader.
// zk: StatCommand
pub(super) fn proposal_line(shared: &Shared, out: &mut String) {
    if shared.mode() == Some(Mode::Leader) {
        let _ = writeln!(out, "Proposal sizes last/min/max: {}", *crate::shell::lock(&shared.proposal_sizes));
    }
}

/// The gauges of a member.
// zk: QuorumZooKeeperServer, LeaderZooKeeperServer, FollowerZooKeeperServer: registerMetrics
pub(super) fn gauges(shared: &Shared, report: &PeerReport, put: &mut dyn FnMut(&str, String)) {
    let Some(view) = shared.membership.as_ref().map(Membership::view) else { return };
    if report.mode == Some(Mode::ReadOnly) {
        return;
    }
    put("quorum_size", view.current.members().len().to_string());
    put("peer_state", report.peer_state.to_owned());
    match report.mode {
        Some(Mode::Leader) => {
            let votes = |server: Option<ensemble::ServerId>| {
                server.is_some_and(|server| view.current.is_voter(server))
            };
            let synced = synced(report);
            let followers = synced.clone().filter(|learner| learner.is_follower);
            let sizes = *crate::shell::lock(&shared.proposal_sizes);
            let since = shared.serving_since.load(std::sync::atomic::Ordering::Relaxed);
            put("learners", report.learners.len().to_string());
            put(
                "synced_followers",
                followers.clone().filter(|learner| votes(learner.server)).count().to_string(),
            );
            put(
                "synced_non_voting_followers",
                followers.filter(|learner| !votes(learner.server)).count().to_string(),
            );
            put("synced_observers", synced.filter(|learner| !learner.is_follower).count().to_string());
            put("leader_uptime", clock::monotonic().0.saturating_sub(since).to_string());
            put("last_proposal_size", sizes.last.to_string());
            put("max_proposal_size", sizes.max.to_string());
            put("min_proposal_size", sizes.min.to_string());
        }
        // zk: QuorumPeer.getSynced_observers_metric, Follower.getSyncedObserverSize
        Some(Mode::Follower) => {
            if shared.settings.ensemble.as_ref().is_some_and(|member| member.observer_master_port.is_some()) {
                put("synced_observers", synced(report).count().to_string());
            }
        }
        // zk: ObserverZooKeeperServer.dumpMonitorValues
        Some(Mode::Observer) => {
            put("observer_master_id", report.master.map_or(-1, |master| master.0).to_string());
        }
        Some(Mode::Standalone | Mode::ReadOnly) | None => {}
    }
}

fn synced(report: &PeerReport) -> impl Iterator<Item = &zab::LearnerReport> + Clone {
    report.learners.iter().filter(|learner| learner.is_synced)
}
