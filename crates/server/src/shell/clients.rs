//! Who is connected: the outboxes that the replica writes into, and counts by address.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Relaxed,
};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use hashbrown::HashMap;
use jute::SessionId;
use pipeline::event::ConnectionId;
use pipeline::outbox::{Outbox, Share};
use pipeline::time::Millis;
use tokio::sync::Notify;

use super::lock;
use super::threads::Place;

/// One connection, as far as others may touch it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ConnectionId,
    pub(crate) remote: SocketAddr,
    pub(crate) established_ms: i64,
    pub(crate) outbox: Mutex<Outbox>,
    /// Where its task runs.
    pub(crate) place: Place,
    /// Rings when the outbox changed by another hand, or the server came a stage further.
    bell: Notify,
    /// It is to be woken already.
    is_to_be_woken: AtomicBool,
    /// The session that was heard since the last tick, or zero.
    heard: AtomicI64,
    /// When bytes came last.
    pub(crate) last_read: AtomicU64,
    /// What the reference would show as interest: 1 reads, 4 writes.
    pub(crate) interest: AtomicU8,
}

impl Client {
    pub(crate) fn new(
        id: ConnectionId,
        remote: SocketAddr,
        outbox: Outbox,
        place: Place,
        now: Millis,
        wall_ms: i64,
    ) -> Self {
        Self {
            id,
            remote,
            established_ms: wall_ms,
            outbox: Mutex::new(outbox),
            place,
            bell: Notify::new(),
            is_to_be_woken: AtomicBool::new(false),
            heard: AtomicI64::new(0),
            last_read: AtomicU64::new(now.0),
            interest: AtomicU8::new(1),
        }
    }

    pub(crate) fn mark_heard(&self, session: SessionId) {
        self.heard.store(session.0, Relaxed);
    }

    /// Notes that it is to be woken; true when that was not noted already.
    pub(super) fn note_changed(&self) -> bool {
        !self.is_to_be_woken.swap(true, AcqRel)
    }

    /// Wakes its task, on the thread of it.
    pub(super) fn wake(&self) {
        // What was changed before a note that was there already is seen by who is woken now.
        self.is_to_be_woken.swap(false, AcqRel);
        self.bell.notify_one();
    }

    /// Comes back when it was woken.
    pub(super) async fn woken(&self) {
        self.bell.notified().await;
    }

    fn take_heard(&self) -> Option<SessionId> {
        match self.heard.swap(0, Relaxed) {
            0 => None,
            session => Some(SessionId(session)),
        }
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Clients(RwLock<Table>);

/// The table behind the lock.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_id: HashMap<ConnectionId, Arc<Client>>,
    /// By a hash that clients cannot foresee, for they choose what stands here.
    by_address: std::collections::HashMap<IpAddr, usize>,
    last_id: u64,
    /// What connections that are gone have counted.
    departed: Share,
    /// Sessions that connections which are gone have heard since the last tick.
    departed_heard: HashSet<SessionId>,
}

/// Why nobody more is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// `maxCnxns`.
    Total(usize),
    /// `maxClientCnxns`.
    Address(usize),
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Total(max) => write!(f, "too many connections, maxCnxns is {max}"),
            Self::Address(max) => {
                write!(f, "too many connections from this address, maxClientCnxns is {max}")
            }
        }
    }
}

impl Clients {
    /// Lets a connection in, unless there are too many; zero is no limit.
    // zk: NIOServerCnxnFactory.AcceptThread.doAccept
    pub(crate) fn admit(
        &self,
        remote: SocketAddr,
        total_max: usize,
        address_max: usize,
        client: impl FnOnce(ConnectionId) -> Client,
    ) -> Result<Arc<Client>, Full> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if total_max > 0 && table.by_id.len() >= total_max {
            return Err(Full::Total(total_max));
        }
        let count = table.by_address.entry(remote.ip()).or_default();
        if address_max > 0 && *count >= address_max {
            return Err(Full::Address(address_max));
        }
        *count += 1;
        table.last_id += 1;
        let id = ConnectionId(table.last_id);
        let client = Arc::new(client(id));
        table.by_id.insert(id, Arc::clone(&client));
        Ok(client)
    }

    /// Lets it go; what it counted stays.
    pub(crate) fn remove(&self, client: &Client) {
        let share = *lock(&client.outbox).share();
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if table.by_id.remove(&client.id).is_none() {
            return;
        }
        table.departed.merge(&share);
        table.departed_heard.extend(client.take_heard());
        if let Some(count) = table.by_address.get_mut(&client.remote.ip()) {
            *count -= 1;
            if *count == 0 {
                table.by_address.remove(&client.remote.ip());
            }
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody, in the order of arrival.
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        let mut all: Vec<_> = self.read().by_id.values().cloned().collect();
        all.sort_by_key(|client| client.id.0);
        all
    }

    pub(crate) fn count(&self) -> usize {
        self.read().by_id.len()
    }

    /// The sessions heard since the last call.
    pub(crate) fn take_heard(&self) -> Vec<SessionId> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut heard = std::mem::take(&mut table.departed_heard);
        heard.extend(table.by_id.values().filter_map(|client| client.take_heard()));
        heard.into_iter().collect()
    }

    /// The sum of what all connections count.
    pub(crate) fn share(&self) -> Share {
        let table = self.read();
        let mut sum = table.departed;
        table.by_id.values().for_each(|client| sum.merge(lock(&client.outbox).share()));
        sum
    }

    /// `srst`
    pub(crate) fn reset_shares(&self) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.departed = Share::default();
        table.by_id.values().for_each(|client| lock(&client.outbox).reset_share());
    }

    /// Counts the answer to a four-letter word, which is in no outbox.
    pub(crate) fn count_sent(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).departed.sent += 1;
    }

    /// `crst`
    pub(crate) fn reset_stats(&self) {
        self.read().by_id.values().for_each(|client| lock(&client.outbox).reset_stats());
    }
}

impl Table {
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Arc<Client>> {
        self.by_id.get(&id)
    }
}

/// The outboxes as the replica's effects reach them, for the time of one batch.
pub(crate) struct BatchOutboxes<'a> {
    table: RwLockReadGuard<'a, Table>,
    in_process: &'a AtomicUsize,
    /// Requests that were answered, which are taken off `in_process` at the end.
    completed: u64,
}

impl<'a> BatchOutboxes<'a> {
    pub(crate) fn new(table: RwLockReadGuard<'a, Table>, in_process: &'a AtomicUsize) -> Self {
        Self { table, in_process, completed: 0 }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }
}

impl replica::Outboxes for BatchOutboxes<'_> {
    fn with(&mut self, connection: ConnectionId, f: impl FnOnce(&mut Outbox)) -> bool {
        let Some(client) = self.table.get(connection) else { return false };
        let mut outbox = lock(&client.outbox);
        let before = outbox.completed();
        f(&mut outbox);
        self.completed += outbox.completed() - before;
        true
    }
}

impl Drop for BatchOutboxes<'_> {
    fn drop(&mut self) {
        self.in_process.fetch_sub(usize::try_from(self.completed).unwrap_or(0), Relaxed);
    }
}

#[cfg(test)]
pub(super) fn test_client(id: u64, remote: SocketAddr, place: Place) -> Client {
    let outbox = Outbox::new(Arc::default(), Arc::new([]));
    Client::new(ConnectionId(id), remote, outbox, place, Millis(0), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(clients: &Clients, remote: &str, total: usize, address: usize) -> Result<Arc<Client>, Full> {
        let remote = remote.parse().unwrap();
        clients.admit(remote, total, address, |id| test_client(id.0, remote, Place::nowhere()))
    }

    #[test]
    fn limits_hold_per_address_and_in_all() {
        let clients = Clients::default();
        let first = admit(&clients, "10.0.0.1:1", 3, 2).unwrap();
        admit(&clients, "10.0.0.1:2", 3, 2).unwrap();
        assert_eq!(admit(&clients, "10.0.0.1:3", 3, 2).err(), Some(Full::Address(2)));
        admit(&clients, "10.0.0.2:1", 3, 2).unwrap();
        assert_eq!(admit(&clients, "10.0.0.3:1", 3, 2).err(), Some(Full::Total(3)));
        clients.remove(&first);
        clients.remove(&first);
        assert_eq!(clients.count(), 2);
        admit(&clients, "10.0.0.1:4", 3, 2).unwrap();
        admit(&clients, "10.0.0.1:5", 0, 0).unwrap();
    }

    #[test]
    fn sessions_heard_are_told_once_even_when_their_connection_is_gone() {
        let clients = Clients::default();
        let (stays, goes) =
            (admit(&clients, "10.0.0.1:1", 0, 0).unwrap(), admit(&clients, "10.0.0.1:2", 0, 0).unwrap());
        stays.mark_heard(SessionId(1));
        goes.mark_heard(SessionId(2));
        clients.remove(&goes);
        let mut heard = clients.take_heard();
        heard.sort_unstable();
        assert_eq!(heard, [SessionId(1), SessionId(2)]);
        assert_eq!(clients.take_heard(), []);
    }
}
