//! The lock protocol under many threads: connections that read side by side while some of them write.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::world::{Client, World, get, lock, node, set};

/// Most threads at once; each has a connection of its own.
pub(crate) const THREADS_MAX: usize = 16;

/// A server and its connections, one for each thread.
pub(crate) struct Protocol {
    world: World,
    connections: Vec<Mutex<Client>>,
    read: Vec<u8>,
    write: Vec<u8>,
    writes_percent: usize,
}

impl Protocol {
    /// So many operations of a hundred are writes.
    pub(crate) fn new(writes_percent: usize) -> Self {
        let (world, clients) = World::new(THREADS_MAX);
        let connections = clients.into_iter().map(Mutex::new).collect();
        Self { world, connections, read: get(&node(1)), write: set(&node(2)), writes_percent }
    }

    /// One request of the connection of this thread. A read takes the state for reading and its outbox; a write, like all
    /// others in turn, the state for reading, then for writing, then watches and outbox. The connection's own lock, which
    /// the server does not have, is never waited for.
    pub(crate) fn operation(&self) {
        let (place, turn) = turn();
        let Some(connection) = self.connections.get(place) else { return };
        // The threads' writes are spread, so that they do not come together.
        let is_write = (turn * 37 + place * 13) % 100 < self.writes_percent;
        self.world.serve(&mut lock(connection), if is_write { &self.write } else { &self.read });
    }
}

/// Which connection this thread has, and how many operations it did before.
fn turn() -> (usize, usize) {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % THREADS_MAX;
        static TURN: Cell<usize> = const { Cell::new(0) };
    }
    (PLACE.with(|place| *place), TURN.replace(TURN.get().wrapping_add(1) % 100))
}
