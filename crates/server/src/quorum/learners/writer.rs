use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jute::Zxid;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tree::snapshot::View;
use zab::{Packet, stream};

use super::queue::{End, Item, LinkItems, Next};
use super::reader::Ending;
use crate::shell::Shared;

/// Packets that go into one write.
const WRITE_BYTES: usize = 256 * 1024;
/// Parts of a snapshot or log on their way from disk or state to the socket.
const PARTS_MAX: usize = 4;
/// Bytes of one part.
const PART_BYTES: usize = 256 * 1024;
/// How long one slice may hold the state.
const SLICE_TIME: Duration = Duration::from_micros(200);
/// Items of the first slice.
const SLICE_ITEMS: usize = 128;
/// Items of a slice at most.
const SLICE_ITEMS_MAX: usize = 4096;

const OVERFLOW: &str = "more waits for it than may";

/// Sends what is put into the queue until the link ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut items: LinkItems,
    socket: OwnedWriteHalf,
    within: Duration,
    ending: Ending,
) {
    let mut socket = Timed { socket, within };
    let why = send_all(&shared, &mut items, &mut socket, &ending).await;
    ending.because(why);
    // The reader sees the end of the other half.
    let _ = socket.socket.shutdown().await;
}

/// A learner that takes nothing for so long is gone.
struct Timed {
    socket: OwnedWriteHalf,
    within: Duration,
}

impl Timed {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        tokio::time::timeout(self.within, self.socket.write_all(bytes))
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it does not take what is sent")))
    }
}

async fn send_all(
    shared: &Arc<Shared>,
    items: &mut LinkItems,
    socket: &mut Timed,
    ending: &Ending,
) -> String {
    let mut burst = Vec::new();
    loop {
        let mut next = match items.next().await {
            Next::Item(item) => Some(item),
            Next::Overflow => return OVERFLOW.to_owned(),
            Next::Ended => return "the leader ends".to_owned(),
        };
        while let Some(item) = next.take() {
            let written = match item {
                Item::Packet(bytes) => {
                    burst.extend_from_slice(&bytes);
                    if burst.len() < WRITE_BYTES {
                        next = items.try_next();
                    }
                    if next.is_some() { Ok(()) } else { flush(socket, &mut burst).await.map_err(broke) }
                }
                Item::Snapshot(view) => match flush(socket, &mut burst).await {
                    Ok(()) => relay(socket, items, ending, |parts| snapshot(shared, *view, &parts)).await,
                    Err(error) => Err(broke(error)),
                },
                Item::Log { after, up_to } => match flush(socket, &mut burst).await {
                    Ok(()) => relay(socket, items, ending, |parts| log(shared, after, up_to, &parts)).await,
                    Err(error) => Err(broke(error)),
                },
                Item::Close(why) => {
                    // What cannot be sent any more is lost with the link.
                    let _ = flush(socket, &mut burst).await;
                    return why;
                }
            };
            if let Err(why) = written {
                return why;
            }
        }
    }
}

async fn flush(socket: &mut Timed, burst: &mut Vec<u8>) -> io::Result<()> {
    if !burst.is_empty() {
        socket.write_all(burst).await?;
        burst.clear();
    }
    Ok(())
}

type Parts = mpsc::Sender<io::Result<Bytes>>;

fn broke(error: io::Error) -> String {
    format!("the connection broke: {error}")
}

/// Sends what a thread of its own produces, unless the link is to end: then why.
async fn relay(
    socket: &mut Timed,
    items: &LinkItems,
    ending: &Ending,
    produce: impl FnOnce(Parts) -> Producer,
) -> Result<(), String> {
    let (sender, mut parts) = mpsc::channel(PARTS_MAX);
    let producer = produce(sender);
    let stream = async {
        let thread = tokio::task::spawn_blocking(producer);
        while let Some(part) = parts.recv().await {
            socket.write_all(&part?).await?;
        }
        thread.await.map_err(io::Error::other)
    };
    tokio::select! {
        biased;
        end = items.end() => return Err(match end {
            End::Overflow => OVERFLOW.to_owned(),
            End::Close(why) => why,
        }),
        streamed = stream => streamed.map_err(broke)?,
    }
    ending.has_streamed();
    Ok(())
}

type Producer = Box<dyn FnOnce() + Send>;

/// The state as it was when the view began, then the signature.
fn snapshot(shared: &Arc<Shared>, mut view: View, parts: &Parts) -> Producer {
    let (shared, parts) = (Arc::clone(shared), parts.clone());
    Box::new(move || {
        let began = Instant::now();
        let mut items_max = SLICE_ITEMS;
        let mut part = Vec::with_capacity(PART_BYTES);
        while !view.is_finished() {
            let (items, took) = {
                let state = shared.read_state();
                let began = Instant::now();
                (view.next_slice(&state, items_max), began.elapsed())
            };
            items_max =
                if took > SLICE_TIME { items_max / 2 } else { items_max * 2 }.clamp(1, SLICE_ITEMS_MAX);
            let Ok(items) = items else {
                let lost = io::Error::other("the state was replaced while it was sent");
                // A link that is gone needs no reason.
                let _ = parts.blocking_send(Err(lost));
                return;
            };
            items.iter().for_each(|item| item.encode(&mut part));
            if part.len() >= PART_BYTES && !hand_over(&parts, &mut part) {
                return;
            }
        }
        stream::encode_signature(&mut part);
        hand_over(&parts, &mut part);
        tracing::info!(zxid = %view.zxid(), ms = began.elapsed().as_millis(), "a snapshot was sent to a learner");
    })
}

/// Records of the log, each as PROPOSAL and COMMIT.
fn log(shared: &Arc<Shared>, after: Zxid, up_to: Zxid, parts: &Parts) -> Producer {
    let (shared, parts) = (Arc::clone(shared), parts.clone());
    Box::new(move || {
        let mut part = Vec::with_capacity(PART_BYTES);
        let mut send = |record: jute::TxnRecord| {
            let zxid = record.header.zxid;
            Packet::Proposal(Arc::new(record)).encode(&mut part);
            Packet::Commit(zxid).encode(&mut part);
            part.len() < PART_BYTES || hand_over(&parts, &mut part)
        };
        match shared.history.records_between(after, up_to, &mut send) {
            Ok(()) => {
                hand_over(&parts, &mut part);
            }
            Err(why) => {
                // A link that is gone needs no reason.
                let _ = parts.blocking_send(Err(io::Error::other(why)));
            }
        }
    })
}

/// False when nobody takes parts any more.
fn hand_over(parts: &Parts, part: &mut Vec<u8>) -> bool {
    let bytes = Bytes::from(std::mem::replace(part, Vec::with_capacity(PART_BYTES)));
    parts.blocking_send(Ok(bytes)).is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::super::queue;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    async fn pair() -> (TcpStream, OwnedWriteHalf) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (far, listener.accept().await.unwrap().0.into_split().1)
    }

    /// Parts without end, until nobody takes them.
    fn endless(parts: Parts) -> Producer {
        Box::new(move || while parts.blocking_send(Ok(Bytes::from(vec![0; PART_BYTES]))).is_ok() {})
    }

    #[tokio::test]
    async fn a_snapshot_on_its_way_does_not_hold_up_the_end_of_the_link() {
        for (name, ends, why) in [
            ("closed", Item::Close("the role ends".into()), "the role ends"),
            ("too much waits", Item::Packet(Bytes::from_static(b"12345")), OVERFLOW),
        ] {
            let (far, socket) = pair().await;
            let (queue, items) = queue::pair(4);
            let mut socket = Timed { socket, within: PATIENCE };
            let ending = Ending::default();
            // The other end takes nothing.
            let sending = relay(&mut socket, &items, &ending, endless);
            let told = async {
                tokio::task::yield_now().await;
                queue.put(ends);
            };
            let (outcome, ()) =
                tokio::time::timeout(PATIENCE / 2, async { tokio::join!(sending, told) }).await.expect(name);
            assert_eq!(outcome, Err(why.to_owned()), "{name}");
            drop(far);
        }
    }

    #[tokio::test]
    async fn packets_before_the_end_are_sent_and_nothing_behind_it() {
        let (queue, mut items) = queue::pair(100);
        for item in [
            Item::Packet(Bytes::from_static(b"1")),
            Item::Close("first".into()),
            Item::Close("second".into()),
        ] {
            queue.put(item);
        }
        assert!(matches!(items.next().await, Next::Item(Item::Packet(_))));
        assert!(matches!(items.next().await, Next::Item(Item::Close(why)) if why == "first"));
        assert_eq!(items.end().await, End::Close("first".into()));
    }
}
