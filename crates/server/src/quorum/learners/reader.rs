use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use zab::LinkId;
use zab::stream::FromLearner;

use super::super::rooms::Unclaimed;
use super::super::{PeerMessage, PortSettings};
use super::silent::Silence;
use crate::shell::lock;

/// Room for one read.
const READ_BYTES: usize = 64 * 1024;

/// How a link ends, for both of its tasks: the first reason counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    why: Mutex<Option<String>>,
    bell: Notify,
    /// When a snapshot or log was sent to its end, until the learner says something.
    streamed: Mutex<Option<Instant>>,
    streamed_bell: Notify,
}

impl Ending {
    pub(super) fn because(&self, why: String) {
        lock(&self.0.why).get_or_insert(why);
        self.0.bell.notify_one();
    }

    /// A snapshot or log was sent to its end: the learner is to acknowledge it.
    pub(super) fn has_streamed(&self) {
        lock(&self.0.streamed).replace(Instant::now());
        self.0.streamed_bell.notify_one();
    }

    fn has_answered(&self) {
        lock(&self.0.streamed).take();
    }

    /// Comes back when the learner has not acknowledged in time.
    async fn unanswered(&self, within: Duration) {
        loop {
            let since = *lock(&self.0.streamed);
            match since {
                None => self.0.streamed_bell.notified().await,
                Some(since) if since.elapsed() >= within => return,
                Some(since) => tokio::time::sleep_until(since + within).await,
            }
        }
    }

    pub(super) fn why(&self) -> Option<String> {
        lock(&self.0.why).clone()
    }
}

/// Reads a learner's packets until the link ends, and tells the replica both.
pub(super) async fn run(
    settings: Arc<PortSettings>,
    link: LinkId,
    remote: SocketAddr,
    mut socket: OwnedReadHalf,
    out: mpsc::Sender<PeerMessage>,
    ending: Ending,
    silence: Silence,
) {
    let read = tokio::select! {
        why = read(&settings, link, &mut socket, &out, &ending, silence) => why,
        () = ending.unanswered(settings.sync_time) => "it did not acknowledge the history in time".to_owned(),
        () = ending.0.bell.notified() => String::new(),
    };
    let why = ending.why().unwrap_or(read);
    ending.because(why.clone());
    tracing::info!(%remote, link = link.0, "a learner's link ends: {why}");
    // The replica thread takes messages until the server has ended.
    let _ = out.send(PeerMessage::LearnerLost { link, why }).await;
}

async fn read(
    settings: &PortSettings,
    link: LinkId,
    socket: &mut OwnedReadHalf,
    out: &mpsc::Sender<PeerMessage>,
    ending: &Ending,
    silence: Silence,
) -> String {
    let mut silence = Some(silence);
    let mut stream = FromLearner::new(settings.field_max);
    let mut buffer = vec![0; READ_BYTES];
    let mut unclaimed = Unclaimed::default();
    loop {
        let bytes = match socket.read(&mut buffer).await {
            Ok(0) => return "it closed the connection".to_owned(),
            Ok(count) => buffer.get(..count).unwrap_or_default(),
            Err(error) => return format!("the connection broke: {error}"),
        };
        ending.has_answered();
        unclaimed.read(bytes.len());
        stream.feed(bytes);
        loop {
            match stream.next() {
                Ok(Some(packet)) => {
                    drop(silence.take());
                    let room = settings.inbox.take(unclaimed.claim()).await;
                    if out.send(PeerMessage::LearnerPacket { link, packet, room }).await.is_err() {
                        return "the server ends".to_owned();
                    }
                }
                Ok(None) => break,
                Err(error) => return format!("it sent what is no packet: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use zab::{Packet, Request};

    use super::super::super::rooms::Rooms;
    use super::super::silent::Silent;
    use super::*;

    const PACKETS: usize = 20;
    const BODY_BYTES: usize = 1000;
    const ROOM: u32 = 5000;

    fn settings() -> Arc<PortSettings> {
        Arc::new(PortSettings {
            own: ensemble::Member::parse(ensemble::ServerId(1), "h:1:2", false).unwrap(),
            listens_on_all: false,
            members: vec![],
            observer_master_port: None,
            paths: crate::quorum::paths::Paths::default(),
            leader_no_delay: true,
            follower_no_delay: true,
            keep_alive: false,
            connect_retry: Duration::ZERO,
            field_max: 1 << 20,
            tick: Duration::from_secs(1),
            sync_time: Duration::from_secs(60),
            queue_bytes_max: 1 << 20,
            inbox: Rooms::new(ROOM),
        })
    }

    fn packet() -> Vec<u8> {
        let request = Request {
            session: jute::SessionId(1),
            cxid: 1,
            op_code: 1,
            body: vec![0; BODY_BYTES].into(),
            identities: vec![],
        };
        Packet::Request(request).to_vec()
    }

    #[tokio::test]
    async fn what_a_learner_says_waits_while_the_inbox_is_full_of_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let remote = listener.local_addr().unwrap();
        let mut far = TcpStream::connect(remote).await.unwrap();
        let (socket, _write) = listener.accept().await.unwrap().0.into_split();
        let (settings, (out, mut inbox)) = (settings(), mpsc::channel(2 * PACKETS));
        let silence = Silent::default().add(LinkId(1), Ending::default());
        tokio::spawn(run(Arc::clone(&settings), LinkId(1), remote, socket, out, Ending::default(), silence));
        let (mut held, mut count) = (Vec::new(), 0);
        while count < PACKETS {
            // One by one, so that each is counted with its own bytes.
            far.write_all(&packet()).await.unwrap();
            if settings.inbox.free() < BODY_BYTES {
                assert!(inbox.try_recv().is_err(), "there was no room for it");
                assert!(held.len() <= usize::try_from(ROOM).unwrap() / BODY_BYTES, "{} wait", held.len());
                held.clear();
            }
            held.push(inbox.recv().await.unwrap());
            count += 1;
        }
        assert!(held.len() < PACKETS);
        drop(held);
        assert_eq!(settings.inbox.free(), usize::try_from(ROOM).unwrap());
    }
}
