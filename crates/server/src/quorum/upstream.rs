//! A learner's end: the connection to its leader.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ensemble::{Member, ServerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tree::snapshot::Builder;
use tree::{State, StateSettings};
use zab::learner::Upstream;
use zab::stream::{FromLeader, Item};
use zab::{Attempt, Packet};

use super::{PeerMessage, PortSettings};

/// Room for one read.
const READ_BYTES: usize = 128 * 1024;
/// Packets that may wait for a leader that does not read; beyond it the connection is of no use.
const WAITING_MAX: usize = 64 * 1024;
/// Attempts to connect, as many as the reference makes.
// zk: Learner.MAX_CONNECT_ATTEMPTS
const ATTEMPTS_MAX: usize = 5;

/// The connection of one attempt to learn from a leader; it closes when this is dropped.
#[derive(Debug)]
pub(crate) struct UpstreamLink {
    attempt: Attempt,
    packets: mpsc::Sender<Bytes>,
    task: JoinHandle<()>,
}

/// What a connection needs to know.
#[derive(Debug)]
pub(crate) struct Dialing {
    pub(crate) attempt: Attempt,
    pub(crate) leader: ServerId,
    pub(crate) within: Duration,
    pub(crate) state: StateSettings,
    pub(crate) settings: Arc<PortSettings>,
    pub(crate) out: mpsc::Sender<PeerMessage>,
}

impl UpstreamLink {
    /// Begins to connect.
    pub(crate) fn dial(runtime: &Handle, dialing: Dialing) -> Self {
        let (packets, waiting) = mpsc::channel(WAITING_MAX);
        let attempt = dialing.attempt;
        Self { attempt, packets, task: runtime.spawn(dialing.run(waiting)) }
    }

    /// Which attempt this is.
    pub(crate) fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Sends an encoded packet.
    pub(crate) fn send(&self, packet: Bytes) {
        if self.packets.try_send(packet).is_err() {
            // Full: the leader does not read. Ended: the task tells.
            self.task.abort();
        }
    }
}

impl Drop for UpstreamLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dialing {
    async fn run(self, waiting: mpsc::Receiver<Bytes>) {
        let ended = Ended { attempt: self.attempt, out: self.out.clone(), why: None };
        let why = match self.connect().await {
            Err(why) => why,
            Ok(stream) => {
                // A failure shows at the first read.
                let _ = stream.set_nodelay(self.settings.follower_no_delay);
                super::keep_alive(&stream, self.settings.keep_alive);
                let (read, write) = stream.into_split();
                if !self.tell(Upstream::Connected).await {
                    return;
                }
                tokio::select! {
                    why = self.read(read) => why,
                    why = write_all(write, waiting) => why,
                }
            }
        };
        ended.because(why).await;
    }

    async fn tell(&self, what: Upstream) -> bool {
        self.out.send(PeerMessage::Upstream { attempt: self.attempt, what }).await.is_ok()
    }

    /// All addresses of the leader at once, names resolved anew, until one answers or the time is over.
    // zk: Learner.connectToLeader, LeaderConnector
    async fn connect(&self) -> Result<TcpStream, String> {
        let until = Instant::now() + self.within;
        let Some(member) = self.settings.members.iter().find(|member| member.id == self.leader) else {
            return Err(format!("server {} is no member", self.leader));
        };
        let mut failure = "no attempt was made".to_owned();
        for attempt in 1..=ATTEMPTS_MAX {
            match tokio::time::timeout_at(until, connect_any(member)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failure = error,
                Err(_) => return Err(format!("not connected in time: {failure}")),
            }
            tracing::debug!(leader = %self.leader, attempt, "not connected: {failure}");
            tokio::time::sleep_until(until.min(Instant::now() + self.settings.connect_retry)).await;
        }
        Err(failure)
    }

    async fn read(&self, mut socket: OwnedReadHalf) -> String {
        let mut stream = FromLeader::new(self.settings.field_max);
        let mut received = Received::new(self.state);
        let mut told = Instant::now();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let bytes = match socket.read(&mut buffer).await {
                Ok(0) => return "the leader closed the connection".to_owned(),
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(error) => return format!("the connection broke: {error}"),
            };
            stream.feed(bytes);
            loop {
                let item = match stream.next() {
                    Ok(Some(item)) => item,
                    Ok(None) => break,
                    Err(error) => return format!("the leader sent what cannot be read: {error}"),
                };
                match self.take(item, &mut received).await {
                    Ok(true) => {}
                    Ok(false) => return "the server ends".to_owned(),
                    Err(why) => return why,
                }
            }
            if stream.is_in_snapshot() && told.elapsed() >= self.settings.tick {
                told = Instant::now();
                if !self.tell(Upstream::Receiving).await {
                    return "the server ends".to_owned();
                }
            }
        }
    }

    /// Hands one item on; false when nobody listens.
    async fn take(&self, item: Item, received: &mut Received) -> Result<bool, String> {
        match item {
            Item::Packet(packet) => {
                if let Packet::Snap(zxid) = packet {
                    received.begin(zxid);
                }
                Ok(self.tell(Upstream::Packet(packet)).await)
            }
            Item::SnapshotItem(item) => received.push(item).map(|()| true),
            Item::SnapshotEnd => {
                let state = Box::new(received.finish()?);
                let message = PeerMessage::SnapshotReceived { attempt: self.attempt, state };
                Ok(self.out.send(message).await.is_ok())
            }
        }
    }
}

/// The state behind SNAP while it comes.
struct Received {
    settings: StateSettings,
    zxid: jute::Zxid,
    builder: Builder,
}

impl Received {
    fn new(settings: StateSettings) -> Self {
        Self { settings, zxid: jute::Zxid::NONE, builder: Builder::new(settings) }
    }

    fn begin(&mut self, zxid: jute::Zxid) {
        self.zxid = zxid;
        self.builder = Builder::new(self.settings);
    }

    fn push(&mut self, item: jute::snapshot::SnapshotItem) -> Result<(), String> {
        self.builder.push(item).map_err(|error| format!("the leader's snapshot cannot be used: {error}"))
    }

    fn finish(&mut self) -> Result<State, String> {
        let builder = std::mem::replace(&mut self.builder, Builder::new(self.settings));
        builder.finish(self.zxid).map_err(|error| format!("the leader's snapshot cannot be used: {error}"))
    }
}

/// Tells that the connection is gone, also when its task is aborted.
struct Ended {
    attempt: Attempt,
    out: mpsc::Sender<PeerMessage>,
    why: Option<()>,
}

impl Ended {
    async fn because(mut self, why: String) {
        self.why = Some(());
        // The replica thread takes messages until the server has ended.
        let _ = self
            .out
            .send(PeerMessage::Upstream { attempt: self.attempt, what: Upstream::Lost { why } })
            .await;
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if self.why.is_none() {
            let lost = Upstream::Lost { why: "given up".to_owned() };
            // An aborted attempt is one that nobody waits for, unless the leader does not read: then there is room.
            let _ = self.out.try_send(PeerMessage::Upstream { attempt: self.attempt, what: lost });
        }
    }
}

async fn write_all(mut socket: OwnedWriteHalf, mut waiting: mpsc::Receiver<Bytes>) -> String {
    let mut burst = Vec::new();
    while let Some(packet) = waiting.recv().await {
        burst.extend_from_slice(&packet);
        while let Ok(more) = waiting.try_recv() {
            burst.extend_from_slice(&more);
        }
        if let Err(error) = socket.write_all(&burst).await {
            return format!("the connection broke: {error}");
        }
        burst.clear();
    }
    // Dropping the link ends the whole task.
    std::future::pending().await
}

async fn connect_any(member: &Member) -> Result<TcpStream, String> {
    let (sender, mut outcomes) = mpsc::channel(1);
    let mut tasks = tokio::task::JoinSet::new();
    for address in &member.addresses {
        let (host, port, sender) = (address.host.clone(), address.quorum_port, sender.clone());
        tasks.spawn(async move {
            let outcome = connect_name(&host, port).await.map_err(|error| format!("{host}:{port}: {error}"));
            // The first that stands ends the others.
            let _ = sender.send(outcome).await;
        });
    }
    drop(sender);
    let mut failure = "it has no address".to_owned();
    while let Some(outcome) = outcomes.recv().await {
        match outcome {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn connect_name(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await?.collect::<Vec<SocketAddr>>() {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
