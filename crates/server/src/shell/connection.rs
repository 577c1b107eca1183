//! One connection's task: socket to [`Connection`], its answers back, one write for all of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use pipeline::connection::{Connection, ConnectionAction, StateView, WatchAccess};
use pipeline::event::Event;
use pipeline::outbox::CloseReason;
use pipeline::time::Millis;
use replica::Mode;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tree::Watches;

use super::clients::Client;
use super::{Message, Shared, Stage, lock};
use crate::throttle::Admission;
use crate::{clock, words};

/// Room for a read of a connection of which little comes.
const READ_MIN: usize = 2 * 1024;
/// Room for a read of a busy connection.
const READ_MAX: usize = 64 * 1024;
/// A connection whose reads are so far apart keeps no buffers between them.
const QUIET_MS: u64 = 1000;
/// A write buffer that grew beyond this is given back.
const WRITE_KEPT_BYTES: usize = 256 * 1024;
/// How long a connection that closes may take to receive what waits for it.
const FLUSH_MAX_MS: u64 = 5000;

/// Serves one connection to its end.
pub(crate) async fn serve(shared: Arc<Shared>, stream: io::Result<std::net::TcpStream>, client: Arc<Client>) {
    // The thread that accepted it knew it before this one does.
    let stream = match stream.and_then(TcpStream::from_std) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(remote = %client.remote, "a connection cannot be served: {error}");
            return shared.clients.remove(&client);
        }
    };
    let guard = shared.alarm.guard("a connection task");
    let connection =
        Connection::new(client.id, client.remote, clock::monotonic(), Arc::clone(&shared.pipeline));
    let mut task = Task {
        connection,
        stream,
        actions: Vec::new(),
        writing: Vec::new(),
        written: 0,
        closing: None,
        large_bytes: 0,
        read_bytes: READ_MIN,
        is_quiet: true,
        shared,
        client,
    };
    let reason = task.run().await;
    Box::pin(task.finish(reason)).await;
    guard.done();
}

struct Task {
    shared: Arc<Shared>,
    client: Arc<Client>,
    connection: Connection,
    stream: TcpStream,
    actions: Vec<ConnectionAction>,
    /// What is being written, up to `written`.
    writing: Vec<u8>,
    written: usize,
    closing: Option<(CloseReason, Millis)>,
    /// This connection's part of the server's large requests.
    large_bytes: usize,
    /// Room for the next read; follows what comes.
    read_bytes: usize,
    /// What came last came long after what came before.
    is_quiet: bool,
}

impl Task {
    async fn run(&mut self) -> CloseReason {
        loop {
            let has_more = self.advance();
            if let Some(reason) = self.act().await {
                return reason;
            }
            let flushed = match self.write() {
                Ok(flushed) => flushed,
                Err(error) => return broken(&error),
            };
            if let Some(reason) = self.closed() {
                return reason;
            }
            if has_more || self.was_paused(flushed) {
                tokio::task::yield_now().await;
                continue;
            }
            if let Err(reason) = self.wait().await {
                return reason;
            }
        }
    }

    /// The reason, once nothing more need be sent.
    fn closed(&self) -> Option<CloseReason> {
        let (reason, since) = self.closing?;
        let is_late = clock::monotonic() >= since.plus(FLUSH_MAX_MS);
        let is_slow = matches!(reason, CloseReason::OutboxFull { .. });
        (is_slow || is_late || self.is_flushed()).then_some(reason)
    }

    /// One turn of the machine under the state, with the bytes of earlier turns taken out when the socket is ready.
    fn advance(&mut self) -> bool {
        let state = self.shared.read_state();
        let view = StateView {
            state: &state,
            serving: self.shared.serves_clients(),
            read_only: self.shared.mode() == Some(Mode::ReadOnly),
            throttled: self.shared.is_throttled(),
            large_request_bytes: self.shared.large_bytes.load(Relaxed),
        };
        let mut outbox = lock(&self.client.outbox);
        let has_more = self.connection.advance(
            clock::monotonic(),
            clock::wall_ms(),
            &view,
            &Shells(&self.shared),
            &mut outbox,
            &mut self.actions,
        );
        if self.writing.is_empty() {
            outbox.swap_bytes(&mut self.writing);
        }
        has_more
    }

    async fn act(&mut self) -> Option<CloseReason> {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                ConnectionAction::Heard(session) => self.client.mark_heard(session),
                ConnectionAction::Close(reason) => self.close(reason),
                // Boxed is what hardly ever waits: every connection would keep room for it.
                ConnectionAction::FourLetterWord { word, rest } => {
                    return Some(Box::pin(self.word(word, &rest)).await);
                }
                ConnectionAction::Forward(event) => match self.forward(event) {
                    Ok(None) => {}
                    Ok(Some(message)) => {
                        if Box::pin(self.shared.inbox.send(message)).await.is_err() {
                            return Some(CloseReason::Shutdown);
                        }
                    }
                    Err(reason) => return Some(reason),
                },
            }
        }
        self.actions = actions;
        self.count_large();
        None
    }

    /// Hands it to the replica; back comes what must wait for room.
    fn forward(&self, event: Event) -> Result<Option<Message>, CloseReason> {
        match &event {
            Event::NewSession { .. } => self.admit(self.new_session())?,
            Event::ReopenSession { .. } => self.admit(Admission::Renewed)?,
            Event::Request(_) => {
                self.shared.in_process.fetch_add(1, Relaxed);
                self.shared.metrics.prep_processor_request_queued.add(1);
            }
            Event::Throttled(_)
            | Event::ConnectionLost { .. }
            | Event::Heard { .. }
            | Event::Tick { .. }
            | Event::Deadline { .. }
            | Event::ContainerCheck { .. }
            | Event::Durable { .. }
            | Event::Shutdown => {}
        }
        match self.shared.inbox.try_send(Message::Event(event)) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(message)) => Ok(Some(message)),
            // The replica thread takes messages until the server has ended.
            Err(TrySendError::Closed(_)) => Err(CloseReason::Shutdown),
        }
    }

    fn new_session(&self) -> Admission {
        let member = self.shared.settings.ensemble.as_ref();
        match member.is_some_and(|member| member.local_sessions) {
            true => Admission::Local,
            false => Admission::Global,
        }
    }

    // zk: ZooKeeperServer.processConnectRequest
    fn admit(&self, what: Admission) -> Result<(), CloseReason> {
        let metrics = &self.shared.metrics;
        let now = clock::monotonic();
        let mut throttle = lock(&self.shared.throttle);
        let cost = throttle.cost(what);
        if !throttle.admit(cost, now, dice()) {
            metrics.connection_rejected.add(1);
            return Err(CloseReason::Throttled);
        }
        metrics.connection_token_deficit.add(u64::try_from(throttle.deficit()).unwrap_or(0));
        metrics.connection_request_count.add(1);
        Ok(())
    }

    async fn word(&mut self, word: [u8; 4], rest: &[u8]) -> CloseReason {
        self.client.interest.store(0, Relaxed);
        // Some walk all that there is, which the other connections of this thread must not wait for.
        let (shared, rest) = (Arc::clone(&self.shared), rest.to_vec());
        let answer = self.shared.tasks.spawn(async move { words::answer(&shared, word, &rest).await });
        // Only the end of the process leaves it without an answer.
        self.writing = answer.await.unwrap_or_default();
        self.written = 0;
        self.shared.clients.count_sent();
        self.close(CloseReason::Requested);
        let flush = async {
            while !self.is_flushed() {
                self.stream.writable().await?;
                self.write()?;
            }
            io::Result::Ok(())
        };
        match tokio::time::timeout(Duration::from_millis(FLUSH_MAX_MS), flush).await {
            Ok(Ok(())) | Err(_) => CloseReason::Requested,
            Ok(Err(error)) => broken(&error),
        }
    }

    fn close(&mut self, reason: CloseReason) {
        self.closing.get_or_insert_with(|| (reason, clock::monotonic()));
    }

    fn count_large(&mut self) {
        let now = self.connection.large_request_bytes();
        if now >= self.large_bytes {
            self.shared.large_bytes.fetch_add(now - self.large_bytes, Relaxed);
        } else {
            self.shared.large_bytes.fetch_sub(self.large_bytes - now, Relaxed);
        }
        self.large_bytes = now;
    }

    /// Writes what the socket takes; how much went out when nothing of it is left.
    fn write(&mut self) -> io::Result<usize> {
        while let Some(rest) = self.writing.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.try_write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        let flushed = self.writing.len();
        self.writing.clear();
        self.written = 0;
        if self.writing.capacity() > WRITE_KEPT_BYTES {
            self.writing = Vec::new();
        }
        Ok(flushed)
    }

    /// Whether so much went out that the machine may have waited for it, or more has come meanwhile.
    fn was_paused(&self, flushed: usize) -> bool {
        flushed > self.shared.pipeline.outbox_bytes_max / 4
            || (flushed > 0 && !lock(&self.client.outbox).is_empty())
    }

    fn is_flushed(&self) -> bool {
        self.writing.is_empty() && lock(&self.client.outbox).is_empty()
    }

    async fn wait(&mut self) -> Result<(), CloseReason> {
        if self.is_quiet {
            self.release_buffers();
        }
        let is_reading = self.closing.is_none() && self.connection.wants_more();
        let is_writing = !self.writing.is_empty();
        let deadline = self.deadline();
        self.client.interest.store(u8::from(is_reading) | u8::from(is_writing) << 2, Relaxed);
        if *self.shared.stage.borrow() == Stage::Closing {
            self.close(CloseReason::Shutdown);
            lock(&self.client.outbox).close(CloseReason::Shutdown);
            if !is_writing {
                return Ok(());
            }
        }
        tokio::select! {
            ready = self.stream.readable(), if is_reading => {
                ready.map_err(|error| broken(&error))?;
                self.read().await
            }
            ready = self.stream.writable(), if is_writing => ready.map_err(|error| broken(&error)),
            () = self.client.woken() => Ok(()),
            () = sleep_until(deadline), if deadline.is_some() => Ok(()),
        }
    }

    /// Most sessions do nothing but ping: what they keep in between is what a session costs.
    fn release_buffers(&mut self) {
        self.connection.release_spare();
        self.actions = Vec::new();
        lock(&self.client.outbox).release_spare();
        if self.writing.is_empty() {
            self.writing = Vec::new();
        }
    }

    async fn read(&mut self) -> Result<(), CloseReason> {
        // Polled and not tried: then a read that leaves room tells that there is no more, and saves the one that would.
        let reading = self.stream.read_buf(self.connection.spare(self.read_bytes));
        let mut reading = std::pin::pin!(reading);
        let read = std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
        match read {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(0)) => Err(CloseReason::PeerClosed),
            Poll::Ready(Ok(count)) => {
                let next = if count >= self.read_bytes { self.read_bytes * 4 } else { count * 2 };
                self.read_bytes = next.clamp(READ_MIN, READ_MAX);
                let now = clock::monotonic();
                let before = Millis(self.client.last_read.swap(now.0, Relaxed));
                self.is_quiet = self.connection.session().is_none() || now.since(before) >= QUIET_MS;
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(broken(&error)),
        }
    }

    fn deadline(&self) -> Option<Millis> {
        let flush = self.closing.map(|(_, since)| since.plus(FLUSH_MAX_MS));
        [self.connection.deadline(), flush].into_iter().flatten().min()
    }

    /// Takes everything of the connection away, in an order in which nobody writes to what is gone.
    async fn finish(mut self, reason: CloseReason) {
        lock(&self.client.outbox).close(reason);
        self.shared.clients.remove(&self.client);
        lock(&self.shared.watches).remove_connection(self.client.id);
        let completed = {
            let outbox = lock(&self.client.outbox);
            (outbox.completed(), outbox.opened())
        };
        self.connection.on_outbox_progress(completed.0, completed.1);
        let left = usize::try_from(self.connection.in_flight()).unwrap_or(0);
        self.shared.in_process.fetch_sub(left, Relaxed);
        self.shared.large_bytes.fetch_sub(self.large_bytes, Relaxed);
        let lost = Event::ConnectionLost { connection: self.client.id };
        // Nobody is left to tell once the replica has ended.
        let _ = self.shared.inbox.send(Message::Event(lost)).await;
        self.report(reason);
    }

    fn report(&self, reason: CloseReason) {
        let metrics = &self.shared.metrics;
        metrics.dropped(reason);
        let (remote, session) =
            (self.client.remote, self.connection.session().unwrap_or(jute::SessionId::NONE));
        match reason {
            CloseReason::Requested | CloseReason::SessionClosed | CloseReason::Shutdown => {
                tracing::debug!(%remote, %session, name = reason.name(), "connection closed: {reason}");
            }
            CloseReason::PeerClosed | CloseReason::Peer { .. } => {
                metrics.connection_drop_count.add(1);
                tracing::debug!(%remote, %session, name = reason.name(), "connection closed: {reason}");
            }
            CloseReason::SessionExpired
            | CloseReason::SessionMoved
            | CloseReason::ClientReconnect
            | CloseReason::UnknownSession
            | CloseReason::RequestDropped
            | CloseReason::RoleChanged => {
                tracing::info!(%remote, %session, name = reason.name(), "connection closed: {reason}");
            }
            CloseReason::HandshakeTimeout { .. } => {
                metrics.sessionless_connections_expired.add(1);
                tracing::warn!(%remote, name = reason.name(), "connection dropped: {reason}");
            }
            CloseReason::NotServing => {
                metrics.cnxn_closed_without_zk_server_running.add(1);
                tracing::info!(%remote, %session, name = reason.name(), "connection closed: {reason}");
            }
            CloseReason::LargeRequest { .. } => {
                metrics.large_requests_rejected.add(1);
                tracing::warn!(%remote, %session, name = reason.name(), "connection dropped: {reason}");
            }
            CloseReason::ZxidAhead { .. }
            | CloseReason::NotReadOnlyClient
            | CloseReason::GlobalSessionReadOnly
            | CloseReason::UnknownOp { .. }
            | CloseReason::AuthFailed
            | CloseReason::AuthRequired
            | CloseReason::MalformedFrame { .. }
            | CloseReason::NegativeFrame { .. }
            | CloseReason::FrameTooLong { .. }
            | CloseReason::OutboxFull { .. }
            | CloseReason::TooManyWatches { .. }
            | CloseReason::Throttled => {
                tracing::warn!(%remote, %session, name = reason.name(), "connection dropped: {reason}");
            }
        }
    }
}

/// The watches behind their lock.
struct Shells<'a>(&'a Shared);

impl WatchAccess for Shells<'_> {
    fn with(&self, f: &mut dyn FnMut(&mut Watches)) {
        f(&mut lock(&self.0.watches));
    }
}

async fn sleep_until(deadline: Option<Millis>) {
    let left = deadline.map_or(0, |deadline| deadline.since(clock::monotonic()));
    tokio::time::sleep(Duration::from_millis(left)).await;
}

fn broken(error: &io::Error) -> CloseReason {
    const KNOWN: [(io::ErrorKind, &str); 3] = [
        (io::ErrorKind::ConnectionReset, "reset by the client"),
        (io::ErrorKind::BrokenPipe, "closed by the client while it was written to"),
        (io::ErrorKind::TimedOut, "no answer from the client's host"),
    ];
    let known = KNOWN.iter().find(|(kind, _)| *kind == error.kind());
    let what = known.map_or("error of the socket", |(_, what)| *what);
    CloseReason::Peer { what }
}

/// A number in 0..1 that nobody can foresee.
fn dice() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0u8) >> 32;
    u32::try_from(bits).map_or(0.0, |bits| f64::from(bits) / f64::from(u32::MAX))
}
