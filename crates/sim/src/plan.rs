//! What one run looks like, drawn from its seed.

use std::sync::Arc;

use ensemble::{ServerId, Verifier};
use pipeline::settings::{AuthSettings, ContainerSettings, DigestAlgorithm, PipelineSettings};
use replica::PeerSettings;

use crate::clock::{Micros, SECOND};
use crate::peer::Membership;
use crate::random::Random;
use crate::run::Options;
use crate::sabotage::Sabotage;

/// The shape of the world.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) is_standalone: bool,
    pub(crate) sabotage: Sabotage,
    pub(crate) voters: usize,
    pub(crate) observers: usize,
    /// Machines that are no members at first, and may become some.
    pub(crate) spares: usize,
    /// The last one is an administrator's where the membership changes.
    pub(crate) clients: usize,
    pub(crate) tick_ms: u32,
    pub(crate) init_limit: u32,
    pub(crate) sync_limit: u32,
    pub(crate) snap_count: u64,
    pub(crate) commit_log_count: usize,
    pub(crate) sends_log: bool,
    pub(crate) forces_snapshot: bool,
    pub(crate) preallocate_bytes: u64,
    pub(crate) log_size_limit: Option<u64>,
    /// How long faults come.
    pub(crate) faulty: Micros,
    /// How long the healed world has to come to rest.
    pub(crate) healing: Micros,
    /// Average time between two faults.
    pub(crate) fault_every: Micros,
    /// Average time between two operations of a client.
    pub(crate) think: Micros,
    /// Of a thousand times that a client looks at its clock, so often it goes to another server.
    pub(crate) moves: u64,
    /// Sessions begin as their server's own, and ephemerals upgrade them.
    pub(crate) has_local_sessions: bool,
    /// The membership changes while the run goes on.
    pub(crate) has_reconfig: bool,
    /// Observers learn from followers.
    pub(crate) has_observer_masters: bool,
    /// Servers without a leader serve reads to clients that want no more.
    pub(crate) allows_read_only: bool,
    /// Only these kinds of faults; all when there are none.
    pub(crate) kinds: &'static [u64],
    pub(crate) pipeline: PipelineSettings,
    pub(crate) verifier: Arc<Verifier>,
}

impl Plan {
    pub(crate) fn draw(options: Options) -> Self {
        let Options { seed, seconds, is_standalone, sabotage, .. } = options;
        let mut random = Random::stream(seed, "plan");
        let voters = if is_standalone { 1 } else { random.pick(&[3, 3, 3, 5, 5, 4]) };
        let observers = if is_standalone { 0 } else { random.pick(&[0, 0, 0, 1]) };
        let (voters, observers) = sabotage.aim().voters.map_or((voters, observers), |voters| (voters, 0));
        let tick_ms = random.pick(&[200, 300, 500]);
        let preallocate_bytes = random.pick(&[0, 4096, 65536]);
        // By chances of their own, so that all else of a seed stays what it was.
        let has_reconfig = !is_standalone
            && !options.is_plain
            && match sabotage == Sabotage::default() {
                true => Random::stream(seed, "reconfig").chance(250),
                false => sabotage.aim().has_reconfig,
            };
        let mut modes = Random::stream(seed, "read only");
        let allows_read_only = !is_standalone
            && !options.is_plain
            && match sabotage == Sabotage::default() {
                true => modes.chance(150),
                false => sabotage.aim().allows_read_only,
            };
        let has_local_sessions = !is_standalone
            && sabotage == Sabotage::default()
            && Random::stream(seed, "local sessions").chance(200);
        let clients = usize::try_from(random.between(3, 12)).unwrap_or(3);
        let mut plan = Self {
            seed,
            is_standalone,
            sabotage,
            voters,
            observers,
            spares: if has_reconfig { POOL.saturating_sub(voters + observers) } else { 0 },
            clients: clients + usize::from(has_reconfig),
            tick_ms,
            init_limit: 10,
            sync_limit: 5,
            snap_count: random.pick(&[5, 20, 60, 200, 1000, 5000]),
            commit_log_count: random.pick(&[2, 10, 50, 500]),
            sends_log: !random.chance(250),
            forces_snapshot: random.chance(60),
            preallocate_bytes,
            log_size_limit: random.pick(&[None, None, Some(2048)]),
            faulty: seconds * SECOND,
            healing: 25 * SECOND,
            fault_every: random.pick(&[SECOND / 2, SECOND, 2 * SECOND, 4 * SECOND]),
            think: random.pick(&[SECOND / 40, SECOND / 10, SECOND / 3]),
            pipeline: pipeline_settings(tick_ms, has_reconfig),
            moves: 4,
            // Without sessions of their own, servers let nobody new in who only reads.
            has_local_sessions: has_local_sessions || (allows_read_only && modes.chance(850)),
            has_reconfig,
            has_observer_masters: !options.is_plain
                && (observers > 0 || has_reconfig)
                && sabotage == Sabotage::default()
                && Random::stream(seed, "observer masters").chance(500),
            allows_read_only,
            kinds: &[],
            verifier: Arc::new(verifier(voters, observers)),
        };
        sabotage.aim().at(&mut plan);
        plan
    }

    /// Number of machines that are servers, or may become some.
    pub(crate) fn servers(&self) -> usize {
        self.members() + self.spares
    }

    /// Number of members at first.
    pub(crate) fn members(&self) -> usize {
        self.voters + self.observers
    }

    /// The client that changes the membership.
    pub(crate) fn administrator(&self) -> Option<usize> {
        self.clients.checked_sub(1).filter(|_| self.has_reconfig)
    }

    /// When clients ask for nothing more: what is under way comes to rest.
    pub(crate) fn asking_ends(&self) -> Micros {
        self.faulty + self.healing * 16 / 25
    }

    /// When all is over.
    pub(crate) fn end(&self) -> Micros {
        self.faulty + self.healing
    }

    /// The host of a client.
    pub(crate) fn host_of_client(&self, client: usize) -> usize {
        self.servers() + client
    }

    /// The id of the server on a host.
    pub(crate) fn server_id(host: usize) -> ServerId {
        ServerId(i64::try_from(host + 1).unwrap_or(i64::MAX))
    }

    /// The host of a server.
    pub(crate) fn host_of(&self, server: ServerId) -> Option<usize> {
        let host = usize::try_from(server.0).ok()?.checked_sub(1)?;
        (host < self.servers()).then_some(host)
    }

    /// What a server obeys that starts with a membership, and perhaps one that was proposed beside it.
    pub(crate) fn peer_settings(&self, host: usize, membership: &Membership) -> PeerSettings {
        PeerSettings {
            me: Self::server_id(host),
            learner_type: membership.learner_type(),
            verifier: Arc::clone(&membership.current),
            last_seen: Some(Arc::clone(&membership.last_seen)),
            tick_ms: self.tick_ms,
            init_limit: self.init_limit,
            sync_limit: self.sync_limit,
            commit_log_count: self.commit_log_count,
            forces_snapshot: self.forces_snapshot,
            sends_log: self.sends_log,
            epoch_patience_ms: None,
            finalize_wait_ms: 200,
            min_notification_ms: 200,
            max_notification_ms: 2000,
            modes: replica::SessionModes {
                local_sessions: self.has_local_sessions,
                upgrades_sessions: self.has_local_sessions,
                read_only: self.allows_read_only,
            },
            observers: replica::ObserverSettings {
                uses_masters: self.has_observer_masters,
                election_delay_ms: if self.has_observer_masters { 200 } else { 0 },
                reconnect_delay_ms: 0,
            },
        }
    }

    pub(crate) fn pipeline_settings(&self, host: usize) -> PipelineSettings {
        PipelineSettings { server_id: u8::try_from(host + 1).unwrap_or(u8::MAX), ..self.pipeline.clone() }
    }
}

fn pipeline_settings(tick_ms: u32, has_reconfig: bool) -> PipelineSettings {
    let tick = i32::try_from(tick_ms).unwrap_or(i32::MAX);
    PipelineSettings {
        tick_ms,
        min_session_timeout_ms: 2 * tick,
        max_session_timeout_ms: 20 * tick,
        extended_types: true,
        containers: ContainerSettings { check_interval_ms: 5000, ..ContainerSettings::default() },
        reconfig_enabled: has_reconfig,
        auth: AuthSettings {
            super_digest: Some(pipeline::auth::generate_digest(DigestAlgorithm::Sha1, ADMINISTRATOR)),
            ..AuthSettings::default()
        },
        ..PipelineSettings::default()
    }
}

/// The line of a server. `moves` tells how often it has moved to other ports.
pub(crate) fn line(id: ServerId, role: &str, moves: u16) -> String {
    let (quorum, election) = (2888 + moves, 3888 + moves);
    format!("10.0.0.{id}:{quorum}:{election}:{role};2181")
}

fn verifier(voters: usize, observers: usize) -> Verifier {
    let lines: Vec<(String, String)> = (0..voters + observers)
        .map(|host| {
            let (id, role) = (Plan::server_id(host), if host < voters { "participant" } else { "observer" });
            (format!("server.{id}"), line(id, role, 0))
        })
        .collect();
    Verifier::from_pairs(lines.iter().map(|(key, value)| (key.as_str(), value.as_str())), false)
        .expect("invariant: the lines are written as they should be")
}

/// Machines in a run in which the membership changes.
const POOL: usize = 7;
/// The name and the password of who may change it.
pub(crate) const ADMINISTRATOR: &str = "super:test";
