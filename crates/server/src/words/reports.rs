//! Gathers what the words show from the running server.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use jute::SessionId;
use pipeline::event::ConnectionId;
use pipeline::time::Millis;
use replica::SessionReport;
use tokio::sync::oneshot;
use tree::State;

use super::member;
use super::text::{self, Bin, ConnectionLine, ServerLines};
use crate::clock;
use crate::shell::clients::Client;
use crate::shell::membership::Membership;
use crate::shell::{Message, Shared, lock};

/// Interval of the reference's queue of connections.
const CONNECTION_BIN_MS: u64 = 10_000;

/// The texts that need several parts of the server.
pub(super) trait Reports {
    fn conf(&self) -> String;
    fn connections(&self, brief: bool) -> String;
    fn dir_sizes(&self) -> String;
    async fn dump(&self) -> String;
    fn server_lines(&self) -> String;
    fn watches_by_session(&self) -> String;
    fn watches_by_path(&self) -> String;
}

impl Reports for Shared {
    // zk: ZooKeeperServer.dumpConf
    fn conf(&self) -> String {
        let settings = &self.settings;
        let port = self.client_port.number().map_or(-1, i32::from);
        let id = settings.ensemble.as_ref().map_or(0, |member| member.me.0);
        let mut out = format!(
            "clientPort={port}\nsecureClientPort=-1\ndataDir={}\ndataDirSize={}\ndataLogDir={}\ndataLogSize={}\n\
             tickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\nmaxSessionTimeout={}\n\
             clientPortListenBacklog={}\nserverId={id}\n",
            absolute(&self.dirs.snapshots),
            dir_bytes(&self.dirs.snapshots),
            absolute(&self.dirs.logs),
            dir_bytes(&self.dirs.logs),
            settings.session.tick_ms,
            settings.client.per_address_max,
            settings.session.min_timeout_ms,
            settings.session.max_timeout_ms,
            settings.client.backlog
        );
        let membership = self.membership.as_ref().map(Membership::view);
        let of_ensemble = settings.ensemble.as_ref().zip(membership);
        out.extend(of_ensemble.map(|(member, view)| member::conf(member, &view, self.mode())));
        out
    }

    fn connections(&self, brief: bool) -> String {
        let mut out = String::new();
        for client in self.clients.all() {
            line(&client).print(brief, &mut out);
        }
        out.push('\n');
        out
    }

    fn dir_sizes(&self) -> String {
        format!(
            "datadir_size: {}\nlogdir_size: {}\n",
            dir_bytes(&self.dirs.snapshots),
            dir_bytes(&self.dirs.logs)
        )
    }

    // zk: DumpCommand
    async fn dump(&self) -> String {
        let (ask, answer) = oneshot::channel();
        // Without an answer the server is about to end, and the list is empty.
        let _ = self.inbox.send(Message::Sessions(ask)).await;
        let sessions = answer.await.unwrap_or_default();
        let mut out = "SessionTracker dump:\n".to_owned();
        let has_local = sessions.local.is_some();
        if let Some(local) = sessions.local {
            text::expiry_sets("Local Session", bins(local), &mut out);
        }
        match sessions.global {
            Some(global) if has_local => text::expiry_sets("Global Session", bins(global), &mut out),
            Some(global) => text::expiry_sets("Session", bins(global), &mut out),
            None => text::global_sessions(self.read_state().sessions(), &mut out),
        }
        out.push_str("ephemeral nodes dump:\n");
        text::ephemerals(&ephemerals(&self.read_state()), &mut out);
        out.push_str("Connections dump:\n");
        text::expiry_sets("Connections", connection_bins(self), &mut out);
        out
    }

    fn server_lines(&self) -> String {
        let (zxid, node_count) = {
            let state = self.read_state();
            (state.last_processed_zxid(), state.node_count())
        };
        let lines = ServerLines {
            share: self.clients.share(),
            connections: self.clients.count(),
            outstanding: self.in_process.load(Relaxed),
            zxid,
            node_count,
            mode: member::mode(self.mode()),
        };
        let mut out = String::new();
        lines.print(&mut out);
        member::proposal_line(self, &mut out);
        out
    }

    fn watches_by_session(&self) -> String {
        let watches = lock(&self.watches);
        let by_connection = watches.by_connection();
        let owned = |paths: Vec<&str>| paths.into_iter().map(str::to_owned).collect();
        let table: Vec<_> = by_connection
            .into_iter()
            .map(|(connection, paths)| (session_of(self, connection), owned(paths)))
            .collect();
        text::watch_table(&table)
    }

    fn watches_by_path(&self) -> String {
        let watches = lock(&self.watches);
        let table: Vec<_> = watches
            .by_path()
            .into_iter()
            .map(|(path, who)| (path.to_owned(), who.into_iter().map(|id| session_of(self, id)).collect()))
            .collect();
        text::watch_table(&table)
    }
}

fn bins(reports: Vec<SessionReport>) -> Vec<Bin> {
    let name = |session: &SessionId| format!("0x{:x}", session.0);
    let bin = |report: SessionReport| (at(report.expires), report.sessions.iter().map(name).collect());
    reports.into_iter().map(bin).collect()
}

/// `hash`: the digests that are kept, oldest first.
// zk: DigestCommand
pub(super) fn tree_digests(state: &State) -> String {
    let mut out = String::new();
    for kept in state.digest_history() {
        let _ = writeln!(out, "{:x}: {}", kept.zxid.0, kept.digest);
    }
    out
}

/// Size of all files of a directory; a file that goes meanwhile counts nothing.
pub(super) fn dir_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

fn line(client: &Client) -> ConnectionLine {
    let outbox = lock(&client.outbox);
    ConnectionLine {
        remote: client.remote,
        interest: client.interest.load(Relaxed),
        stats: *outbox.stats(),
        opened: outbox.opened(),
        established_ms: client.established_ms,
    }
}

fn ephemerals(state: &State) -> Vec<(SessionId, Vec<String>)> {
    state.sessions_with_ephemerals().map(|session| (session, state.ephemerals(session).collect())).collect()
}

/// When the reference would close each connection for silence.
fn connection_bins(shared: &Shared) -> Vec<Bin> {
    let mut bins: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for client in shared.clients.all() {
        let opened = lock(&client.outbox).opened();
        let timeout = opened.map_or(shared.settings.client.handshake_ms, |opened| {
            u64::try_from(opened.timeout_ms).unwrap_or(0)
        });
        let silent_at = client.last_read.load(Relaxed) + timeout;
        let bin = (silent_at / CONNECTION_BIN_MS + 1) * CONNECTION_BIN_MS;
        let session = opened.map(|opened| opened.session);
        bins.entry(bin).or_default().push(text::dumped_connection(client.remote, session));
    }
    bins.into_iter().map(|(bin, who)| (at(Millis(bin)), who)).collect()
}

fn session_of(shared: &Shared, connection: ConnectionId) -> String {
    let table = shared.clients.read();
    let session =
        table.get(connection).and_then(|client| lock(&client.outbox).opened()).map(|opened| opened.session);
    format!("0x{:x}", session.unwrap_or(SessionId::NONE).0)
}

/// Wall time of a moment of the monotonic clock.
fn at(moment: Millis) -> i64 {
    let now = clock::monotonic();
    let ahead = i64::try_from(moment.since(now)).unwrap_or(i64::MAX);
    let behind = i64::try_from(now.since(moment)).unwrap_or(i64::MAX);
    clock::wall_ms().saturating_add(ahead).saturating_sub(behind)
}

fn absolute(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}
