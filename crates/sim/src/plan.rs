//! What one run looks like, drawn from its seed.

use std::sync::Arc;

use ensemble::{LearnerType, ServerId, Verifier};
use pipeline::settings::{ContainerSettings, PipelineSettings};
use replica::PeerSettings;

use crate::clock::{Micros, SECOND};
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
        let mut plan = Self {
            seed,
            is_standalone,
            sabotage,
            voters,
            observers,
            clients: usize::try_from(random.between(3, 12)).unwrap_or(3),
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
            pipeline: pipeline_settings(tick_ms),
            moves: 4,
            // By a chance of its own, so that all else of a seed stays what it was.
            has_local_sessions: !is_standalone
                && sabotage == Sabotage::default()
                && Random::stream(seed, "local sessions").chance(200),
            kinds: &[],
            verifier: Arc::new(verifier(voters, observers)),
        };
        sabotage.aim().at(&mut plan);
        plan
    }

    /// Number of servers.
    pub(crate) fn servers(&self) -> usize {
        self.voters + self.observers
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

    pub(crate) fn is_observer(&self, host: usize) -> bool {
        host >= self.voters
    }

    pub(crate) fn peer_settings(&self, host: usize) -> PeerSettings {
        let learner_type =
            if self.is_observer(host) { LearnerType::Observer } else { LearnerType::Participant };
        PeerSettings {
            me: Self::server_id(host),
            learner_type,
            verifier: Arc::clone(&self.verifier),
            last_seen: None,
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
                read_only: false,
            },
            observers: replica::ObserverSettings::default(),
        }
    }

    pub(crate) fn pipeline_settings(&self, host: usize) -> PipelineSettings {
        PipelineSettings { server_id: u8::try_from(host + 1).unwrap_or(u8::MAX), ..self.pipeline.clone() }
    }
}

fn pipeline_settings(tick_ms: u32) -> PipelineSettings {
    let tick = i32::try_from(tick_ms).unwrap_or(i32::MAX);
    PipelineSettings {
        tick_ms,
        min_session_timeout_ms: 2 * tick,
        max_session_timeout_ms: 20 * tick,
        extended_types: true,
        containers: ContainerSettings { check_interval_ms: 5000, ..ContainerSettings::default() },
        ..PipelineSettings::default()
    }
}

fn verifier(voters: usize, observers: usize) -> Verifier {
    let lines: Vec<(String, String)> = (1..=voters + observers)
        .map(|id| {
            let role = if id > voters { "observer" } else { "participant" };
            (format!("server.{id}"), format!("10.0.0.{id}:2888:3888:{role}"))
        })
        .collect();
    Verifier::from_pairs(lines.iter().map(|(key, value)| (key.as_str(), value.as_str())), false)
        .expect("invariant: the lines are written as they should be")
}
