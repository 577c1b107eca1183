//! Starts a server in this process, and stops it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

use ::pipeline::event::Event;
use ::replica::{Effect, Mode, PeerStart, Replica, ReplicaSeed};
use storage::{Disk, RealDisk, Store};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tree::Watches;

use crate::clock;
use crate::data::{self, DataError, Recovery, foreign};
use crate::metrics::Metrics;
use crate::quorum::history::StoreHistory;
use crate::quorum::peers::Peers;
use crate::quorum::{self, PEER_INBOX_MAX};
use crate::settings::{EnsembleSettings, Settings};
use crate::shell::alarm::{Alarm, Failure, UNEXPECTED};
use crate::shell::clients::Clients;
use crate::shell::disk::{DiskAnswers, DiskThread};
use crate::shell::membership::{self, Membership};
use crate::shell::replica::{DISK_QUEUE_MAX, Member, ReplicaThread};
use crate::shell::snapshots::{self, Snapshots};
use crate::shell::threads::ConnectionThreads;
use crate::shell::{Dirs, Durable, INBOX_MAX, Message, ModeCell, Shared, Stage, listener};
use crate::throttle::BlueThrottle;
use crate::words::member::ProposalSizes;

/// How long connections may take to close once everything is answered.
const CLOSE_MAX: Duration = Duration::from_secs(6);

/// Between two looks whether a member has a leader by now, so that it can purge.
const PURGE_RETRY_EVERY: Duration = Duration::from_secs(1);

/// Why a server did not start.
#[derive(Debug)]
pub struct StartError {
    /// Status of the process.
    pub status: u8,
    /// The reason, in one line.
    pub why: String,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for StartError {}

impl From<DataError> for StartError {
    fn from(error: DataError) -> Self {
        Self { status: error.status, why: error.why }
    }
}

impl StartError {
    fn system(doing: &str, error: &io::Error) -> Self {
        Self { status: UNEXPECTED, why: format!("cannot {doing}: {error}") }
    }
}

/// A running server. Dropping it stops it as [`Handle::shutdown`] does.
pub struct Handle {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    runtime: Option<Runtime>,
}

/// Starts a server on the real disk. A failure later on does not end the process but is told by [`Handle::failure`].
///
/// # Errors
/// [`StartError`] when the data cannot be served or the port cannot be bound.
pub fn start(settings: Settings) -> Result<Handle, StartError> {
    start_on(RealDisk, settings, Alarm::new(false))
}

/// The same on any disk.
///
/// # Errors
/// As [`start`].
pub fn start_with_disk<D: Disk>(disk: D, settings: Settings) -> Result<Handle, StartError> {
    start_on(disk, settings, Alarm::new(false))
}

pub(crate) fn start_on<D: Disk>(disk: D, settings: Settings, alarm: Alarm) -> Result<Handle, StartError> {
    let bound = match settings.client.address {
        None => None,
        Some(address) => Some(
            listener::bind(&settings.client, address)
                .map_err(|error| StartError::system(&format!("bind the client port {address}"), &error))?,
        ),
    };
    let address = bound.as_ref().and_then(|bound| bound.local_addr().ok());
    if let Some(member) = &settings.ensemble {
        membership::settle(member, settings.config_file.as_deref())
            .map_err(|error| StartError::system("sync the directory of the configuration file", &error))?;
    }
    let began = Instant::now();
    let recovery = data::recover(disk, &settings)?;
    let has_history = recovery.has_history;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("tasks")
        .build()
        .map_err(|error| StartError::system("start the runtime", &error))?;
    let threads = ConnectionThreads::start(&alarm)
        .map_err(|error| StartError::system("start the threads of connections", &error))?;
    let (inbox, messages) = mpsc::channel(INBOX_MAX);
    let (shared, store, is_stale) =
        share(settings, recovery, inbox, threads, runtime.handle().clone(), alarm, address);
    shared.metrics.dbinittime.add(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut handle = Handle { shared, threads: Vec::new(), runtime: Some(runtime) };
    handle.spawn_threads(messages, &store, has_history)?;
    if is_stale && handle.shared.settings.ensemble.is_none() {
        // zk: ZooKeeperServer.loadData takes a snapshot of what it loaded
        // diverges(start-snapshot): only when the log went on behind the snapshot, and while clients are served already
        Snapshots::new(Arc::clone(&handle.shared), store.clone()).start();
    }
    handle.spawn_tasks(bound, store)?;
    Ok(handle)
}

fn share<D: Disk>(
    settings: Settings,
    recovery: Recovery<D>,
    inbox: mpsc::Sender<Message>,
    threads: ConnectionThreads,
    tasks: tokio::runtime::Handle,
    alarm: Alarm,
    address: Option<SocketAddr>,
) -> (Arc<Shared>, Store<D>, bool) {
    let metrics = Metrics::default();
    metrics.startup_snap_load_time.add(recovery.snapshot_ms);
    metrics.startup_txns_loaded.add(recovery.replayed);
    metrics.startup_txns_load_time.add(recovery.replay_ms);
    metrics.digest_mismatches_count.add(recovery.digest_mismatches);
    if recovery.digest_mismatches > 0 {
        let (differ, replayed) = (recovery.digest_mismatches, recovery.replayed);
        tracing::error!(differ, replayed, "the digest of the tree is not that of transactions in the log");
    }
    for skipped in &recovery.skipped {
        tracing::warn!(zxid = %skipped.zxid, "a snapshot could not be used: {}", skipped.why);
    }
    let state = recovery.state;
    tracing::info!(
        zxid = %state.last_processed_zxid(),
        znodes = state.node_count(),
        replayed = recovery.replayed,
        "data loaded"
    );
    let now = clock::monotonic();
    let store = recovery.store;
    let shared = Shared {
        pipeline: Arc::new(settings.pipeline()),
        durable: Durable::new(state.last_processed_zxid()),
        throttle: Mutex::new(BlueThrottle::new(settings.throttle.connection.clone(), now)),
        watches: Mutex::new(Watches::new()),
        clients: Clients::default(),
        threads,
        tasks,
        stage: watch::Sender::new(Stage::Serving),
        mode: ModeCell::new(settings.ensemble.is_none().then_some(Mode::Standalone)),
        answers: DiskAnswers::default(),
        history: Box::new(StoreHistory {
            store: store.clone(),
            size_factor: settings.ensemble.as_ref().map_or(0.0, |member| member.snapshot_size_factor),
        }),
        learner_links: AtomicUsize::new(0),
        proposal_sizes: Mutex::new(ProposalSizes::NONE),
        serving_since: AtomicU64::new(now.0),
        started: now,
        in_process: AtomicUsize::new(0),
        large_bytes: AtomicUsize::new(0),
        trace_mask: AtomicI64::new(crate::words::TRACE_MASK_DEFAULT),
        client_port: client_port(&settings, address),
        membership: settings.ensemble.as_ref().map(|member| {
            let (config, is_enabled) = (settings.config_file.as_deref(), settings.requests.reconfig_enabled);
            Membership::new(member, config, is_enabled)
        }),
        dirs: Dirs { snapshots: store.snapshot_dir().to_owned(), logs: store.log_dir().to_owned() },
        is_purging: AtomicBool::new(false),
        changing_history: Mutex::new(()),
        state: RwLock::new(state),
        metrics,
        inbox,
        alarm,
        settings,
    };
    (Arc::new(shared), store, recovery.replayed > 0)
}

/// The port of the own server line, unless its name is still waited for.
fn client_port(settings: &Settings, bound: Option<SocketAddr>) -> listener::ClientPort {
    let own = settings.ensemble.as_ref().and_then(|member| member.own.client.clone());
    let asked = own.filter(|_| settings.client.address.is_some());
    listener::ClientPort::new(asked, settings.client.address, bound)
}

impl Handle {
    /// The client port as it is bound.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.shared.client_port.address()
    }

    /// Why the server cannot go on, if so.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        self.shared.alarm.failure()
    }

    /// Stops: no new connections and requests, what was accepted is finished, then connections close.
    pub fn shutdown(mut self) -> Option<Failure> {
        self.stop();
        self.failure()
    }

    /// Waits until `signal` comes or the server fails.
    pub(crate) fn run_until(&self, signal: impl Future<Output = ()>) {
        let Some(runtime) = &self.runtime else { return };
        runtime.block_on(async {
            tokio::select! {
                () = signal => {}
                failure = self.shared.alarm.raised() => tracing::error!("stopping: {}", failure.why),
            }
        });
    }

    fn spawn_threads<D: Disk>(
        &mut self,
        messages: mpsc::Receiver<Message>,
        store: &Store<D>,
        has_history: bool,
    ) -> Result<(), StartError> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let (to_disk, commands) = sync_channel(DISK_QUEUE_MAX);
        let disk = DiskThread::new(Arc::clone(&self.shared), commands, store.clone());
        let member = match &self.shared.settings.ensemble {
            None => None,
            Some(member) => Some(start_member(&self.shared, runtime, member, store, has_history)?),
        };
        let mut effects = Vec::new();
        let replica = self.replica(member.as_ref().map(|(_, start)| *start), &mut effects);
        let mut thread = ReplicaThread::new(
            Arc::clone(&self.shared),
            runtime.handle().clone(),
            messages,
            to_disk,
            replica,
            effects,
        );
        if let Some((member, _)) = member {
            thread = thread.with_member(member);
        }
        self.threads.push(spawn("disk", move || disk.run())?);
        self.threads.push(spawn("replica", move || thread.run())?);
        Ok(())
    }

    fn replica(&self, start: Option<PeerStart>, effects: &mut Vec<Effect>) -> Replica {
        let now = clock::monotonic();
        let seed = ReplicaSeed { monotonic_ms: now.0, wall_ms: clock::wall_ms() };
        let pipeline = Arc::clone(&self.shared.pipeline);
        let state = self.shared.read_state();
        match (&self.shared.settings.ensemble, start) {
            (Some(member), Some(start)) => {
                let settings = quorum::start::peer_settings(member, &self.shared.settings);
                Replica::peer(pipeline, settings, start, seed, &state, now, effects)
            }
            (None, _) | (Some(_), None) => Replica::standalone(pipeline, seed, &state, now, effects),
        }
    }

    fn spawn_tasks<D: Disk>(
        &self,
        bound: Option<std::net::TcpListener>,
        store: Store<D>,
    ) -> Result<(), StartError> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let _entered = runtime.enter();
        if let Some(awaited) = &self.shared.settings.client.awaited {
            listener::move_to(&self.shared, runtime.handle(), awaited);
        }
        if let Some(bound) = bound {
            let listener = TcpListener::from_std(bound)
                .map_err(|error| StartError::system("listen on the client port", &error))?;
            listener::begin(&self.shared, runtime.handle(), listener);
        }
        if let Some(hours) = self.shared.settings.data.purge_interval_hours {
            runtime.spawn(purge_every(Arc::clone(&self.shared), store, hours));
        }
        Ok(())
    }

    fn stop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        tracing::info!("stopping");
        self.shared.enter(Stage::Draining);
        // A replica that has failed takes no messages.
        let _ = self.shared.inbox.blocking_send(Message::Event(Event::Shutdown));
        for thread in self.threads.drain(..) {
            // A thread that died has raised the alarm.
            let _ = thread.join();
        }
        self.shared.enter(Stage::Closing);
        let until = Instant::now() + CLOSE_MAX;
        while self.shared.clients.count() > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.shared.alarm.stand_down();
        self.shared.threads.stop();
        runtime.shutdown_background();
        tracing::info!("stopped");
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Opens the ports for peers, and reads what a member promised before.
fn start_member<D: Disk>(
    shared: &Arc<Shared>,
    runtime: &Runtime,
    member: &EnsembleSettings,
    store: &Store<D>,
    has_history: bool,
) -> Result<(Member, PeerStart), StartError> {
    let refuse = |why: String| StartError { status: UNEXPECTED, why };
    let last = shared.read_state().last_processed_zxid();
    foreign::compare(&shared.read_state(), member);
    shared.write_state().set_config(
        member.verifier.to_string().as_bytes(),
        jute::Zxid(member.verifier.version),
        clock::wall_ms(),
    );
    if shared.settings.data.discards_local_data {
        store.forget_standalone().map_err(|error| refuse(error.to_string()))?;
    }
    let start = quorum::start::peer_start(store, last, has_history).map_err(refuse)?;
    let ports = quorum::start::port_settings(&shared.settings, member);
    let (out, inbox) = mpsc::channel(PEER_INBOX_MAX);
    let mesh = quorum::start::start_mesh(runtime, &shared.alarm, &shared.settings, member, out.clone())
        .map_err(|error| StartError {
            status: quorum::start::CANNOT_BIND,
            why: quorum::start::cannot_bind(&error),
        })?;
    let peers = Peers::new(Arc::clone(shared), runtime.handle().clone(), ports, mesh, out);
    Ok((Member { peers, inbox, waiting: Vec::new(), looking_since: Some(clock::monotonic()) }, start))
}

/// The first purge comes at once, as in the reference; a member waits until it has a leader.
async fn purge_every<D: Disk>(shared: Arc<Shared>, store: Store<D>, hours: u32) {
    let mut timer = tokio::time::interval(Duration::from_secs(u64::from(hours) * 3600));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        // What a member holds without a leader need not be committed.
        while !shared.is_committed() {
            tokio::time::sleep(PURGE_RETRY_EVERY).await;
        }
        let (shared, store) = (Arc::clone(&shared), store.clone());
        // A purge that panics has ended the process.
        let _ = tokio::task::spawn_blocking(move || snapshots::purge(&shared, &store)).await;
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|error| StartError::system(&format!("start the {name} thread"), &error))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use ensemble::HostPort;

    use super::*;
    use crate::settings::{ConfigSource, Raw};

    #[test]
    fn clients_are_accepted_where_they_were_until_the_name_of_the_next_place_has_an_address() {
        let dir = crate::scratch::Dir::new("moves");
        let path = dir.path().join("zoo.cfg");
        let lines = format!("dataDir={}\nclientPort=0\nadmin.enableServer=false", dir.path().display());
        std::fs::write(&path, lines).unwrap();
        let raw = Raw::gather(&ConfigSource::File(path), &[], |_| None).unwrap();
        let handle = start(Settings::check(&raw).unwrap()).unwrap();
        let go_to = |host: &str| {
            let client = HostPort { host: host.to_owned(), port: 0 };
            listener::move_to(&handle.shared, handle.runtime.as_ref().unwrap().handle(), &client);
        };
        let first = handle.address().unwrap();
        go_to("no-such-name.invalid");
        assert_eq!(handle.address(), Some(first));
        TcpStream::connect(("127.0.0.1", first.port())).unwrap();
        go_to("localhost");
        let until = Instant::now() + Duration::from_secs(30);
        let next = loop {
            assert!(Instant::now() < until, "it does not move");
            if let Some(next) = handle.address().filter(|address| *address != first) {
                break next;
            }
            std::thread::yield_now();
        };
        TcpStream::connect(next).unwrap();
        go_to("localhost");
        assert_eq!(handle.address(), Some(next));
        TcpStream::connect(next).unwrap();
        assert_eq!(handle.shutdown(), None);
    }
}
