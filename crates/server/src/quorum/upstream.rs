//! A learner's end: the connection to its leader.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use ensemble::{HostPort, ServerId};
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

use super::paths::Paths;
use super::rooms::{Room, Unclaimed};
use super::{PeerMessage, PortSettings};

/// Room for one read.
const READ_BYTES: usize = 128 * 1024;
/// Packets that go into one write.
const BURST_BYTES: usize = 256 * 1024;
/// Packets that may wait for a leader that does not read; beyond it, or beyond the bytes that may wait, the connection is of
/// no use.
const WAITING_MAX: usize = 64 * 1024;
/// Attempts to connect, as many as the reference makes.
// zk: Learner.MAX_CONNECT_ATTEMPTS
const ATTEMPTS_MAX: usize = 5;

/// The connection of one attempt to learn from a leader; it closes when this is dropped.
#[derive(Debug)]
pub(crate) struct UpstreamLink {
    attempt: Attempt,
    packets: Waiting,
    task: JoinHandle<()>,
}

/// What waits for the leader.
#[derive(Debug)]
struct Waiting {
    packets: mpsc::Sender<Bytes>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// The other end: what is to be written.
#[derive(Debug)]
struct ToWrite {
    packets: mpsc::Receiver<Bytes>,
    bytes: Arc<AtomicUsize>,
}

impl Waiting {
    fn new(bytes_max: usize) -> (Self, ToWrite) {
        let (packets, to_write) = mpsc::channel(WAITING_MAX);
        let bytes = Arc::<AtomicUsize>::default();
        (Self { packets, bytes: Arc::clone(&bytes), bytes_max }, ToWrite { packets: to_write, bytes })
    }

    /// False when more waits than may, or nobody writes any more.
    fn put(&self, packet: Bytes) -> bool {
        let len = packet.len();
        self.bytes.fetch_add(len, Relaxed).saturating_add(len) <= self.bytes_max
            && self.packets.try_send(packet).is_ok()
    }
}

impl ToWrite {
    /// Takes all that waits, once there is something; they wait until they are `written`.
    async fn take(&mut self, burst: &mut Vec<u8>) -> bool {
        let Some(packet) = self.packets.recv().await else { return false };
        burst.extend_from_slice(&packet);
        while burst.len() < BURST_BYTES
            && let Ok(more) = self.packets.try_recv()
        {
            burst.extend_from_slice(&more);
        }
        true
    }

    fn written(&self, burst: &mut Vec<u8>) {
        self.bytes.fetch_sub(burst.len(), Relaxed);
        burst.clear();
    }
}

/// What a connection needs to know.
#[derive(Debug)]
pub(crate) struct Dialing {
    pub(crate) attempt: Attempt,
    pub(crate) leader: ServerId,
    pub(crate) door: Door,
    pub(crate) within: Duration,
    pub(crate) state: StateSettings,
    pub(crate) settings: Arc<PortSettings>,
    pub(crate) out: mpsc::Sender<PeerMessage>,
}

/// At which port a learner knocks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// The quorum port of the leader.
    Leader,
    /// The port of a follower for observers.
    ObserverMaster,
}

impl UpstreamLink {
    /// Begins to connect.
    pub(crate) fn dial(runtime: &Handle, dialing: Dialing) -> Self {
        let (packets, waiting) = Waiting::new(dialing.settings.queue_bytes_max);
        let attempt = dialing.attempt;
        Self { attempt, packets, task: runtime.spawn(dialing.run(waiting)) }
    }

    /// Which attempt this is.
    pub(crate) fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Sends an encoded packet.
    pub(crate) fn send(&self, packet: Bytes) {
        if !self.packets.put(packet) {
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
    async fn run(self, waiting: ToWrite) {
        let ended = Ended { attempt: self.attempt, out: self.out.clone(), why: None };
        let why = match self.connect().await {
            Err(why) => why,
            Ok(stream) => {
                // A failure shows at the first read.
                let _ = stream.set_nodelay(self.settings.follower_no_delay);
                super::keep_alive(&stream, self.settings.keep_alive);
                let (read, write) = stream.into_split();
                if !self.tell(Upstream::Connected, None).await {
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

    async fn tell(&self, what: Upstream, room: Option<Room>) -> bool {
        self.out.send(PeerMessage::Upstream { attempt: self.attempt, what, room }).await.is_ok()
    }

    /// All addresses of the leader that can be reached, at once, until one answers or the time is over.
    // zk: Learner.connectToLeader
    async fn connect(&self) -> Result<TcpStream, String> {
        let Some(member) = self.settings.members.iter().find(|member| member.id == self.leader) else {
            return Err(format!("server {} is no member", self.leader));
        };
        let (paths, pause) = (&self.settings.paths, self.settings.connect_retry);
        let attempt = |_, address| connect_patiently(paths.clone(), address, pause);
        let addresses = match self.door {
            Door::Leader => member.quorum_addresses(),
            Door::ObserverMaster => self.settings.observer_addresses(member),
        };
        let connected = paths.first_of(addresses, attempt);
        match tokio::time::timeout(self.within, connected).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(format!("not connected within {:?}", self.within)),
        }
    }

    async fn read(&self, mut socket: OwnedReadHalf) -> String {
        let mut stream = FromLeader::new(self.settings.field_max);
        let mut received = Received::new(self.state);
        let mut told = Instant::now();
        let mut buffer = vec![0; READ_BYTES];
        let mut unclaimed = Unclaimed::default();
        loop {
            let bytes = match socket.read(&mut buffer).await {
                Ok(0) => return "the leader closed the connection".to_owned(),
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(error) => return format!("the connection broke: {error}"),
            };
            unclaimed.read(bytes.len());
            stream.feed(bytes);
            loop {
                let item = match stream.next() {
                    Ok(Some(item)) => item,
                    Ok(None) => break,
                    Err(error) => return format!("the leader sent what cannot be read: {error}"),
                };
                match self.take(item, unclaimed.claim(), &mut received).await {
                    Ok(true) => {}
                    Ok(false) => return "the server ends".to_owned(),
                    Err(why) => return why,
                }
            }
            if stream.is_in_snapshot() && told.elapsed() >= self.settings.tick {
                told = Instant::now();
                if !self.tell(Upstream::Receiving, None).await {
                    return "the server ends".to_owned();
                }
            }
        }
    }

    /// Hands one item on; false when nobody listens.
    async fn take(&self, item: Item, bytes: usize, received: &mut Received) -> Result<bool, String> {
        match item {
            Item::Packet(packet) => {
                if let Packet::Snap(zxid) = packet {
                    received.begin(zxid);
                }
                let room = self.settings.inbox.take(bytes).await;
                Ok(self.tell(Upstream::Packet(packet), room).await)
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
            .send(PeerMessage::Upstream { attempt: self.attempt, what: Upstream::Lost { why }, room: None })
            .await;
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if self.why.is_none() {
            let lost = Upstream::Lost { why: "given up".to_owned() };
            // An aborted attempt is one that nobody waits for, unless the leader does not read: then there is room.
            let _ =
                self.out.try_send(PeerMessage::Upstream { attempt: self.attempt, what: lost, room: None });
        }
    }
}

async fn write_all(mut socket: OwnedWriteHalf, mut waiting: ToWrite) -> String {
    let mut burst = Vec::new();
    while waiting.take(&mut burst).await {
        if let Err(error) = socket.write_all(&burst).await {
            return format!("the connection broke: {error}");
        }
        waiting.written(&mut burst);
    }
    // Dropping the link ends the whole task.
    std::future::pending().await
}

/// One address, its name resolved anew at each attempt.
// zk: Learner.LeaderConnector
async fn connect_patiently(paths: Paths, address: HostPort, pause: Duration) -> io::Result<TcpStream> {
    let mut attempt = 1;
    loop {
        let failure = match connect_once(&paths, &address).await {
            Ok(stream) => return Ok(stream),
            Err(failure) => failure,
        };
        if attempt == ATTEMPTS_MAX {
            return Err(io::Error::new(failure.kind(), format!("{address}: {failure}")));
        }
        tracing::debug!(%address, attempt, "not connected to the leader: {failure}");
        attempt += 1;
        tokio::time::sleep(pause).await;
    }
}

async fn connect_once(paths: &Paths, address: &HostPort) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in paths.resolve(address).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_bytes_wait_for_a_leader_and_no_more() {
        let (waiting, mut to_write) = Waiting::new(10);
        let packet = || Bytes::from_static(b"1234");
        assert_eq!([waiting.put(packet()), waiting.put(packet())], [true, true]);
        let mut burst = Vec::new();
        assert!(to_write.take(&mut burst).await);
        assert_eq!(burst, b"12341234");
        to_write.written(&mut burst);
        assert_eq!([waiting.put(packet()), waiting.put(packet())], [true, true], "there is room again");
        assert!(!waiting.put(packet()), "also while it is being written");
    }

    #[tokio::test]
    async fn the_name_of_a_leader_is_looked_up_at_each_attempt() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let there = listener.local_addr().unwrap();
        // Nobody listens where it was before.
        let before = (std::net::Ipv4Addr::new(127, 77, 77, 77), there.port()).into();
        let script = crate::quorum::paths::Script::default().name("leader", [before, before, there]);
        let paths = Paths { probe: None, script: Some(Arc::new(script)) };
        let leader = HostPort { host: "leader".to_owned(), port: 1 };
        let stream = connect_patiently(paths, leader, Duration::ZERO).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), there);
    }
}
