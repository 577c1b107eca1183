//! The handle that callers hold.

use std::sync::Arc;

use jute::Reader;
use jute::Record;
use jute::proto::ReplyHeader;
use tokio::sync::{mpsc, oneshot, watch};

use crate::address::ConnectString;
use crate::backoff::Rotation;
use crate::call::{Auth, Call, Closing, Command, Effect, Reply};
use crate::chroot::Chroot;
use crate::driver::Driver;
use crate::error::Error;
use crate::event::{Event, SessionState};
use crate::handshake::Session;
use crate::options::Options;
use crate::outbound::EventQueue;
use crate::status::Status;
use crate::watches::WatchSet;

/// A session with a ZooKeeper ensemble. Clones share it; it is closed when the last one goes.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
    pub(crate) chroot: Chroot,
}

#[derive(Debug)]
struct Inner {
    commands: mpsc::Sender<Command>,
    closing: mpsc::Sender<Closing>,
    status: watch::Receiver<Status>,
}

/// What happens on the session, in order.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after the session is over.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// An event that is already there.
    pub fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

impl Client {
    /// Starts a session and waits until a server has taken it, or every host has refused once.
    pub async fn connect(address: &str, options: Options) -> Result<(Self, Events), Error> {
        let address = ConnectString::parse(address)?;
        let hosts = address.hosts().len();
        let (client, events) = Self::start(address, options);
        let mut status = client.inner.status.clone();
        let reached = status
            .wait_for(|status| {
                status.state.is_connected() || status.state.is_final() || status.failed_attempts >= hosts
            })
            .await
            .map(|status| status.clone());
        match reached {
            Ok(status) if status.state.is_connected() => Ok((client, events)),
            Ok(status) if status.state.is_final() => Err(status.final_error()),
            Ok(_) | Err(_) => Err(Error::ConnectionLoss),
        }
    }

    /// Starts a session and returns at once; requests wait until a server has taken it. Needs a tokio runtime.
    pub fn start(address: ConnectString, options: Options) -> (Self, Events) {
        let (commands, command_source) = mpsc::channel(options.backlog_max.max(1));
        let (closing, closing_source) = mpsc::channel(1);
        let (event_sink, events) = mpsc::channel(options.events_max.max(1));
        let (status_sink, status) = watch::channel(Status::new(options.session_timeout));
        let chroot = Chroot::of(&address);
        let session = options.resume.clone().map_or_else(Session::default, |resume| Session {
            id: resume.session,
            password: resume.password,
            last_zxid: resume.last_zxid,
        });
        let driver = Driver {
            rotation: Rotation::new(address.hosts().len()),
            address,
            options,
            chroot: chroot.clone(),
            commands: command_source,
            closing: closing_source,
            events: EventQueue::new(event_sink),
            status: status_sink,
            session,
            watches: WatchSet::default(),
            auths: Vec::new(),
            next_xid: 1,
        };
        tokio::spawn(driver.run());
        (Self { inner: Arc::new(Inner { commands, closing, status }), chroot }, Events(events))
    }

    /// How the session stands now.
    pub fn status(&self) -> Status {
        self.inner.status.borrow().clone()
    }

    /// Waits until the session is connected, or over.
    pub async fn connected(&self) -> Result<(), Error> {
        let mut status = self.inner.status.clone();
        let reached = status.wait_for(|status| status.state.is_connected() || status.state.is_final()).await;
        match reached {
            Ok(status) if status.state.is_connected() => Ok(()),
            Ok(status) => Err(status.final_error()),
            Err(_) => Err(Error::Closed),
        }
    }

    /// Closes the session on the server, after all requests that were submitted before.
    pub async fn close(&self) {
        self.leave(Closing::Session).await;
    }

    /// Drops the connection and leaves the session, with its ephemeral nodes, to its timeout.
    pub async fn abandon(&self) {
        self.leave(Closing::ConnectionOnly).await;
    }

    async fn leave(&self, how: Closing) {
        // A full channel means that somebody else is leaving already.
        let _already_leaving = self.inner.closing.try_send(how);
        let mut status = self.inner.status.clone();
        drop(status.wait_for(|status| status.state.is_final()).await);
    }

    /// Proves an identity to the server, now and on every later connection.
    pub async fn add_auth(&self, scheme: &str, data: &[u8]) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let auth = Auth { scheme: scheme.to_owned(), data: data.to_vec(), reply };
        self.submit(Command::Auth(auth)).await?;
        answer.await.unwrap_or_else(|_| Err(self.over()))
    }

    /// Sends any request and returns the reply's header and the rest of its frame, also when it is an error.
    ///
    /// For tools and tests; paths in the body are the server's.
    pub async fn request_raw(&self, op_code: i32, body: Vec<u8>) -> Result<(ReplyHeader, Vec<u8>), Error> {
        let reply = self.exchange(op_code, body, Effect::None).await?;
        Ok((reply.header, reply.body))
    }

    pub(crate) async fn exchange(&self, op_code: i32, body: Vec<u8>, effect: Effect) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        self.submit(Command::Call(Call { op_code, body, effect, reply })).await?;
        answer.await.unwrap_or_else(|_| Err(self.over()))
    }

    async fn submit(&self, command: Command) -> Result<(), Error> {
        self.inner.commands.send(command).await.map_err(|_| self.over())
    }

    fn over(&self) -> Error {
        self.inner.status.borrow().final_error()
    }
}

impl Reply {
    /// The body of a good answer; an error becomes an [`Error`] that names the caller's path.
    pub(crate) fn decode<R: Record>(&self, path: Option<&str>) -> Result<R, Error> {
        self.ok(path)?;
        Ok(R::decode(&mut self.reader())?)
    }

    /// The body; the frame's own limit is the limit of its fields.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader::from_slice(&self.body).with_limit(self.body.len())
    }

    pub(crate) fn ok(&self, path: Option<&str>) -> Result<(), Error> {
        match self.header.err {
            0 => Ok(()),
            code => Err(Error::Server { code, path: path.map(str::to_owned) }),
        }
    }
}

impl SessionState {
    /// The word for this state in the shell's prompt.
    // zk: ZooKeeper.States
    pub fn word(self) -> &'static str {
        match self {
            Self::Disconnected => "CONNECTING",
            Self::SyncConnected => "CONNECTED",
            Self::ConnectedReadOnly => "CONNECTEDREADONLY",
            Self::AuthFailed => "AUTH_FAILED",
            Self::Expired | Self::Closed => "CLOSED",
        }
    }
}
