//! The threads that serve connections, each with a runtime of its own.
//!
//! * A connection stays with one thread for good: what happens to it never moves from one to another.
//! * Nothing that takes long runs here: four-letter words are answered by the runtime of all other tasks.
//! * Who changes outboxes from elsewhere wakes each thread once for all its connections, which the thread then wakes by itself: a
//!   wake-up across threads costs a system call, one within a thread none.

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::alarm::Alarm;
use super::clients::Client;
use super::lock;

/// The threads, each known by its number.
#[derive(Debug)]
pub(crate) struct ConnectionThreads {
    threads: Vec<Arc<Thread>>,
    joins: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    connections: AtomicUsize,
    /// Whose outbox changed since the bell rang last, each once, in the order in which they are to be woken. While it is held no other
    /// lock is taken.
    changed: Mutex<Vec<Arc<Client>>>,
    bell: Notify,
    /// Rings when the thread is to end.
    end: Notify,
}

/// The place of a connection at one of the threads; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    thread: Arc<Thread>,
}

impl ConnectionThreads {
    /// Starts as many as the machine runs at once.
    pub(crate) fn start(alarm: &Alarm) -> io::Result<Self> {
        Self::start_some(alarm, std::thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn start_some(alarm: &Alarm, count: usize) -> io::Result<Self> {
        let mut threads = Self { threads: Vec::new(), joins: Mutex::default() };
        let started = (0..count).try_for_each(|_| threads.add(alarm));
        if started.is_err() {
            threads.stop();
        }
        started.map(|()| threads)
    }

    fn add(&mut self, alarm: &Alarm) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = Arc::new(Thread {
            runtime: runtime.handle().clone(),
            connections: AtomicUsize::new(0),
            changed: Mutex::default(),
            bell: Notify::new(),
            end: Notify::new(),
        });
        let (own, alarm) = (Arc::clone(&thread), alarm.clone());
        let join = std::thread::Builder::new().name("connections".to_owned()).spawn(move || {
            let guard = alarm.guard("a thread of connections");
            runtime.block_on(own.wake_until_end());
            guard.done();
        })?;
        self.threads.push(thread);
        lock(&self.joins).push(join);
        Ok(())
    }

    /// A place at the thread that has the fewest connections.
    pub(crate) fn place(&self) -> Place {
        let least = self.threads.iter().min_by_key(|thread| thread.connections.load(Relaxed));
        let thread = Arc::clone(least.expect("invariant: a machine runs at least one thread"));
        thread.connections.fetch_add(1, Relaxed);
        Place { thread }
    }

    /// Wakes the tasks of these connections, in this order within each thread.
    pub(crate) fn wake<'a>(&self, clients: impl Iterator<Item = &'a Arc<Client>> + Clone) {
        for thread in &self.threads {
            let own = clients.clone().filter(|client| Arc::ptr_eq(&client.place.thread, thread));
            let mut changed = lock(&thread.changed);
            changed.extend(own.filter(|client| client.note_changed()).cloned());
            let has_changed = !changed.is_empty();
            // Who is woken takes it first.
            drop(changed);
            if has_changed {
                thread.bell.notify_one();
            }
        }
    }

    /// Ends the threads; tasks that are left are dropped.
    pub(crate) fn stop(&self) {
        self.threads.iter().for_each(|thread| thread.end.notify_one());
        for join in lock(&self.joins).drain(..) {
            // A thread that panicked has raised the alarm.
            let _ = join.join();
        }
        // Nobody is woken any more, and who is in the list holds the thread.
        self.threads.iter().for_each(|thread| lock(&thread.changed).clear());
    }
}

impl Place {
    /// A place where nothing runs.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let thread = Thread {
            runtime: runtime.handle().clone(),
            connections: AtomicUsize::new(1),
            changed: Mutex::default(),
            bell: Notify::new(),
            end: Notify::new(),
        };
        Self { thread: Arc::new(thread) }
    }

    /// Runs a task at this place.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.thread.runtime.spawn(task)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.thread.connections.fetch_sub(1, Relaxed);
    }
}

impl Thread {
    async fn wake_until_end(&self) {
        let mut woken = Vec::new();
        loop {
            tokio::select! {
                () = self.bell.notified() => {}
                () = self.end.notified() => return,
            }
            std::mem::swap(&mut *lock(&self.changed), &mut woken);
            woken.drain(..).for_each(|client| client.wake());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::shell::clients::test_client;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn threads(count: usize) -> ConnectionThreads {
        ConnectionThreads::start_some(&Alarm::new(false), count).unwrap()
    }

    fn client(threads: &ConnectionThreads, id: u64) -> Arc<Client> {
        let remote: SocketAddr = "10.0.0.1:1".parse().unwrap();
        Arc::new(test_client(id, remote, threads.place()))
    }

    #[test]
    fn connections_are_spread_and_places_come_back() {
        let threads = threads(3);
        let counts = |threads: &ConnectionThreads| -> Vec<_> {
            threads.threads.iter().map(|thread| thread.connections.load(Relaxed)).collect()
        };
        let mut clients: Vec<_> = (0..6).map(|id| client(&threads, id)).collect();
        assert_eq!(counts(&threads), [2, 2, 2]);
        clients.remove(1);
        assert_eq!(counts(&threads), [2, 1, 2]);
        clients.push(client(&threads, 6));
        assert_eq!(counts(&threads), [2, 2, 2]);
        threads.stop();
    }

    #[test]
    fn each_is_woken_once_on_its_own_thread_however_often_it_changed_before() {
        let threads = threads(2);
        let clients: Vec<_> = (0..4).map(|id| client(&threads, id)).collect();
        let (tell, told) = channel();
        // Nobody runs on a thread that waits here, so all changes are there before anybody is woken.
        let (enter, entered) = channel();
        let gates: Vec<_> = threads
            .threads
            .iter()
            .map(|thread| {
                let ((open, gate), enter) = (channel::<()>(), enter.clone());
                thread.runtime.spawn(async move {
                    enter.send(()).unwrap();
                    gate.recv().unwrap();
                });
                open
            })
            .collect();
        gates.iter().for_each(|_| entered.recv_timeout(PATIENCE).unwrap());
        for client in &clients {
            let (tell, own) = (tell.clone(), Arc::clone(client));
            client.place.spawn(async move {
                loop {
                    own.woken().await;
                    tell.send((own.id.0, std::thread::current().id())).unwrap();
                }
            });
        }
        threads.wake(clients.iter().chain(&clients));
        threads.wake(clients.iter());
        gates.into_iter().for_each(|open| open.send(()).unwrap());
        let mut woken: Vec<_> = (0..4).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
        woken.sort_unstable_by_key(|(id, _)| *id);
        let threads_of: Vec<_> = woken.iter().map(|(_, thread)| *thread).collect();
        assert_eq!(woken.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(threads_of[0] == threads_of[2] && threads_of[1] == threads_of[3]);
        assert_ne!(threads_of[0], threads_of[1]);
        // A change after that wakes again, and nothing else came before it.
        threads.wake(clients.iter().take(1));
        assert_eq!(told.recv_timeout(PATIENCE).unwrap().0, 0);
        threads.stop();
    }
}
