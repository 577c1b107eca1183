use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use jute::Zxid;
use tokio::sync::{mpsc, watch};
use tree::snapshot::View;

/// What a writer task sends, in order.
#[derive(Debug)]
pub(crate) enum Item {
    /// An encoded packet.
    Packet(Bytes),
    /// The state behind a SNAP packet, and the signature.
    Snapshot(Box<View>),
    /// Records of the log behind `after` up to `up_to`, each as PROPOSAL and COMMIT.
    Log {
        /// The first is behind this.
        after: Zxid,
        /// The last is this.
        up_to: Zxid,
    },
    /// Nothing more: close, and say why. A snapshot or log that is on its way is broken off, packets are still sent.
    Close(String),
}

/// The sending end of a learner's stream.
#[derive(Debug)]
pub(crate) struct LinkQueue {
    items: mpsc::UnboundedSender<Item>,
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
    end: watch::Sender<Option<End>>,
}

/// What ends a stream before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// More waits than may.
    Overflow,
    /// It is to close, and why.
    Close(String),
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct LinkItems {
    items: mpsc::UnboundedReceiver<Item>,
    waiting: Arc<AtomicUsize>,
    end: watch::Receiver<Option<End>>,
}

/// A queue that holds at most so many bytes of packets.
pub(super) fn pair(bytes_max: usize) -> (LinkQueue, LinkItems) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(None);
    let waiting = Arc::<AtomicUsize>::default();
    let queue = LinkQueue { items: sender, waiting: Arc::clone(&waiting), bytes_max, end };
    (queue, LinkItems { items: receiver, waiting, end: ended })
}

impl LinkQueue {
    /// Puts an item behind all others. A queue that is too long ends the link.
    pub(super) fn put(&self, item: Item) {
        let len = if let Item::Packet(bytes) = &item { bytes.len() } else { 0 };
        if self.waiting.fetch_add(len, Relaxed) + len > self.bytes_max {
            self.end.send_replace(Some(End::Overflow));
            return;
        }
        if let Item::Close(why) = &item {
            self.end.send_if_modified(|end| {
                let is_first = end.is_none();
                end.get_or_insert_with(|| End::Close(why.clone()));
                is_first
            });
        }
        // A writer that has ended needs nothing.
        let _ = self.items.send(item);
    }
}

/// What a writer does next.
pub(super) enum Next {
    /// Send this.
    Item(Item),
    /// More waits than may.
    Overflow,
    /// Nobody sends any more.
    Ended,
}

impl LinkItems {
    /// What is put in is taken in order; more than may wait is found at once.
    pub(super) async fn next(&mut self) -> Next {
        let mut end = self.end.clone();
        tokio::select! {
            biased;
            Ok(_) = end.wait_for(|end| *end == Some(End::Overflow)) => Next::Overflow,
            item = self.items.recv() => self.taken(item),
        }
    }

    /// Comes back when the stream is to end, whatever waits.
    pub(super) async fn end(&self) -> End {
        let mut end = self.end.clone();
        let ended = end.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        match ended {
            Some(end) => end,
            // Nobody can end it any more.
            None => std::future::pending().await,
        }
    }

    /// What is there already.
    pub(super) fn try_next(&mut self) -> Option<Item> {
        let item = self.items.try_recv().ok()?;
        self.count(&item);
        Some(item)
    }

    fn taken(&self, item: Option<Item>) -> Next {
        match item {
            Some(item) => {
                self.count(&item);
                Next::Item(item)
            }
            None => Next::Ended,
        }
    }

    fn count(&self, item: &Item) {
        if let Item::Packet(bytes) = item {
            self.waiting.fetch_sub(bytes.len(), Relaxed);
        }
    }
}
