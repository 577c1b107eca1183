//! The one task that owns a session: finds servers, connects, and serves one connection after the other.
//!
//! ```text
//!            ┌────────────── lost ───────────────┐
//!            ▼                                   │
//!  start → looking ── connected ──▶ serving (`link`) ── closed, expired, authentication failed ──▶ over
//!            └── expired, closed ────────────────────────────────────────────────────────────────────▲
//! ```

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::address::ConnectString;
use crate::backoff::Rotation;
use crate::call::{Closing, Command, Effect};
use crate::chroot::Chroot;
use crate::error::Error;
use crate::event::{Event, EventKind, SessionState};
use crate::handshake::{self, Established, Refusal, Session, Wish};
use crate::link::{End, Link};
use crate::options::Options;
use crate::outbound::EventQueue;
use crate::status::Status;
use crate::watches::WatchSet;

/// The shortest time one host gets to answer.
const ATTEMPT_MIN: Duration = Duration::from_millis(500);

/// A session and all that outlives a single connection.
pub(crate) struct Driver {
    pub(crate) address: ConnectString,
    pub(crate) options: Options,
    pub(crate) chroot: Chroot,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) closing: mpsc::Receiver<Closing>,
    pub(crate) events: EventQueue,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) session: Session,
    pub(crate) watches: WatchSet,
    pub(crate) auths: Vec<(String, Vec<u8>)>,
    pub(crate) next_xid: i32,
    pub(crate) rotation: Rotation,
}

impl Driver {
    /// Runs until the session is over; afterwards every request fails.
    pub(crate) async fn run(mut self) {
        let end = self.live().await;
        self.enter(end);
        self.commands.close();
        let error = self.status.borrow().final_error();
        while let Some(command) = self.commands.recv().await {
            command.fail(error.clone());
        }
        self.closing.close();
        self.events.flush().await;
    }

    async fn live(&mut self) -> SessionState {
        loop {
            let established = match self.look().await {
                Ok(established) => established,
                Err(end) => return end,
            };
            self.connected(&established);
            match Link::new(self, established).serve().await {
                End::Final(state) => return state,
                End::Lost(why) => {
                    self.status.send_modify(|status| status.last_failure = Some(why));
                    self.enter(SessionState::Disconnected);
                    if let Err(end) = self.pause(self.rotation.lost()).await {
                        return end;
                    }
                }
            }
        }
    }

    /// Tries one host after the other until one takes the session, or the session is over.
    async fn look(&mut self) -> Result<Established, SessionState> {
        loop {
            let pause = match self.attempt().await? {
                Ok(established) => return Ok(established),
                Err(Refusal::Expired) => return Err(SessionState::Expired),
                Err(Refusal::Unreachable(why)) => self.failed(why),
            };
            self.pause(pause).await?;
        }
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), SessionState> {
        tokio::select! {
            () = sleep(pause) => Ok(()),
            _ = self.closing.recv() => Err(SessionState::Closed),
        }
    }

    async fn attempt(&mut self) -> Result<Result<Established, Refusal>, SessionState> {
        let index = self.rotation.next_host();
        let Some(host) = self.address.hosts().get(index) else { return Err(SessionState::Closed) };
        let wish = Wish { session_timeout: self.options.session_timeout, read_only: self.options.read_only };
        let hosts = u32::try_from(self.address.hosts().len()).unwrap_or(u32::MAX);
        let patience = (self.options.session_timeout / hosts).max(ATTEMPT_MIN);
        let attempt = timeout(patience, handshake::attempt(host, &self.session, wish));
        tokio::select! {
            outcome = attempt => Ok(outcome.unwrap_or_else(|_| {
                Err(Refusal::Unreachable(format!("{host}: no answer within {} ms", patience.as_millis())))
            })),
            _ = self.closing.recv() => Err(SessionState::Closed),
        }
    }

    /// Notes a failed attempt; once all hosts had their chance, requests that wait are told.
    fn failed(&mut self, why: String) -> Duration {
        let pause = self.rotation.failed();
        self.status.send_modify(|status| {
            status.last_failure = Some(why);
            status.failed_attempts += 1;
        });
        if self.rotation.went_round() {
            while let Ok(command) = self.commands.try_recv() {
                if let Command::Call(call) = &command {
                    self.forget_locally(&call.effect);
                }
                command.fail(Error::ConnectionLoss);
            }
        }
        pause
    }

    fn connected(&mut self, established: &Established) {
        self.rotation.succeeded();
        self.session.id = established.session;
        self.session.password.clone_from(&established.password);
        let server = established.stream.peer_addr().map(|address| address.to_string()).ok();
        self.status.send_modify(|status| {
            status.session = established.session;
            status.password.clone_from(&established.password);
            status.session_timeout = established.session_timeout;
            status.server = server;
            status.failed_attempts = 0;
        });
        self.enter(if established.read_only {
            SessionState::ConnectedReadOnly
        } else {
            SessionState::SyncConnected
        });
    }

    /// No server can be told to remove these watches: they go here, if the caller wants that.
    pub(crate) fn forget_locally(&mut self, effect: &Effect) {
        if let Effect::Remove { path, which, locally: true } = effect {
            let gone = self.watches.remove(path, *which);
            self.tell_removed(path, gone, SessionState::Disconnected);
        }
    }

    /// The server sends no events for removed watches.
    pub(crate) fn tell_removed(&mut self, path: &str, gone: Vec<EventKind>, state: SessionState) {
        for kind in gone {
            let path = Some(self.chroot.to_caller(path.to_owned()));
            self.events.push(Event { kind, state, path, zxid: -1 });
        }
    }

    fn enter(&mut self, state: SessionState) {
        self.status.send_modify(|status| status.state = state);
        self.events.push(Event::session(state));
    }
}
