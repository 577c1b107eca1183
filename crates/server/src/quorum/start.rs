//! What a member of an ensemble needs at its start.

use std::sync::Arc;
use std::time::Duration;

use replica::{Event, ObserverSettings, PeerSettings, PeerStart, SessionModes};
use storage::{Disk, Store, epochs};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::mesh::{Mesh, MeshSettings, members_of};
use super::paths::Paths;
use super::rooms::Rooms;
use super::{PEER_INBOX_BYTES_MAX, PeerMessage, PortSettings};
use crate::settings::{EnsembleSettings, Settings};
use crate::shell::alarm::Alarm;

/// Status of the process when the election port cannot be bound.
// zk: ExitCode.UNABLE_TO_BIND_QUORUM_PORT
pub(crate) const CANNOT_BIND: u8 = 14;
/// Notifications that may wait between mesh and replica; the mesh keeps the newest of the others.
const NOTIFICATIONS_MAX: usize = 1;
/// Bytes that may wait for a learner, which gets what it cannot take in time by a new synchronisation; or for a leader.
const QUEUE_BYTES_MAX: usize = 512 << 20;

/// What the replica obeys.
pub(crate) fn peer_settings(member: &EnsembleSettings, settings: &Settings) -> PeerSettings {
    PeerSettings {
        me: member.me,
        learner_type: member.learner_type,
        verifier: Arc::clone(&member.verifier),
        last_seen: member.last_seen.clone(),
        tick_ms: settings.session.tick_ms,
        init_limit: member.init_limit,
        sync_limit: member.sync_limit,
        commit_log_count: member.commit_log_count,
        forces_snapshot: member.forces_snapshot,
        sends_log: member.snapshot_size_factor >= 0.0,
        epoch_patience_ms: member.epoch_patience_ms,
        finalize_wait_ms: FINALIZE_WAIT_MS,
        min_notification_ms: member.min_notification_ms,
        max_notification_ms: member.max_notification_ms,
        modes: SessionModes {
            local_sessions: member.local_sessions,
            upgrades_sessions: member.upgrades_sessions,
            read_only: settings.client.read_only_mode,
        },
        observers: ObserverSettings {
            uses_masters: member.observer_master_port.is_some(),
            election_delay_ms: member.observer_election_delay_ms,
            reconnect_delay_ms: member.observer_reconnect_delay_ms,
        },
    }
}

/// How long a server waits for a better vote.
// zk: FastLeaderElection.finalizeWait
const FINALIZE_WAIT_MS: u64 = 200;

/// What the replica has on disk. Epochs that are missing are written.
pub(crate) fn peer_start<D: Disk>(
    store: &Store<D>,
    last: jute::Zxid,
    has_history: bool,
) -> Result<PeerStart, String> {
    let epochs = epochs::load(store.disk(), store.snapshot_dir(), last).map_err(|error| error.to_string())?;
    if epochs.is_healed {
        tracing::warn!(
            epoch = epochs.current,
            "currentEpoch was behind the log, as a crash leaves it, and is set right"
        );
    }
    let epoch = |epoch: i64, name: &str| {
        i32::try_from(epoch).map_err(|_| format!("{name} holds {epoch}, which is no epoch"))
    };
    Ok(PeerStart {
        accepted_epoch: epoch(epochs.accepted, "acceptedEpoch")?,
        current_epoch: epoch(epochs.current, "currentEpoch")?,
        has_history,
        is_standalone_history: store.is_standalone_history().map_err(|error| error.to_string())?,
    })
}

/// What both ends of quorum links obey.
pub(crate) fn port_settings(settings: &Settings, member: &EnsembleSettings) -> PortSettings {
    let tick = Duration::from_millis(u64::from(settings.session.tick_ms));
    PortSettings {
        own: member.own.clone(),
        listens_on_all: member.listens_on_all,
        members: member.verifier.members().to_vec(),
        leader_no_delay: member.leader_no_delay,
        follower_no_delay: member.follower_no_delay,
        keep_alive: member.keep_alive,
        observer_master_port: member.observer_master_port,
        paths: Paths::new(member.reachability_probe),
        connect_retry: Duration::from_millis(member.connect_retry_ms),
        // zk: BinaryInputArchive: jute.maxbuffer and the extra for what servers add to a client's request
        field_max: field_max(settings),
        queue_bytes_max: QUEUE_BYTES_MAX,
        inbox: Rooms::new(PEER_INBOX_BYTES_MAX),
        sync_time: tick.saturating_mul(member.init_limit),
        tick,
    }
}

fn field_max(settings: &Settings) -> usize {
    let sum = u64::from(settings.client.frame_max) + u64::from(settings.client.frame_extra);
    usize::try_from(sum).unwrap_or(usize::MAX)
}

/// Opens the election port, and hands what comes to `out`. The alarm is raised when it turns out later that it cannot be
/// opened.
pub(crate) fn start_mesh(
    runtime: &Runtime,
    alarm: &Alarm,
    settings: &Settings,
    member: &EnsembleSettings,
    out: mpsc::Sender<PeerMessage>,
) -> std::io::Result<Mesh> {
    let (notifications, mut incoming) = mpsc::channel(NOTIFICATIONS_MAX);
    let seen = member.last_seen.as_deref();
    let members = members_of([member.verifier.as_ref()].into_iter().chain(seen));
    let alarm = alarm.clone();
    let on_failure = move |error| alarm.raise(CANNOT_BIND, cannot_bind(&error));
    let starting = Mesh::start(MeshSettings::of(member), members, notifications, on_failure);
    let mesh = runtime.block_on(starting)?;
    runtime.spawn(async move {
        while let Some((from, message)) = incoming.recv().await {
            let event = Event::Notification { from, message };
            if out.send(PeerMessage::Notification(event)).await.is_err() {
                return;
            }
        }
    });
    tracing::info!(
        id = %member.me,
        members = member.verifier.members().len(),
        tick_ms = settings.session.tick_ms,
        "waiting for other members on the election port"
    );
    Ok(mesh)
}

/// What a server that cannot take part in elections ends with.
pub(crate) fn cannot_bind(error: &std::io::Error) -> String {
    format!("the election port cannot be bound: {error}")
}
