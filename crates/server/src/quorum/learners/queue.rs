use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use jute::Zxid;
use tokio::sync::mpsc;
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
    /// Nothing more: close, and say why.
    Close(String),
}

/// The sending end of a learner's stream.
#[derive(Debug)]
pub(crate) struct LinkQueue {
    items: mpsc::UnboundedSender<Item>,
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
    overflow: tokio::sync::watch::Sender<bool>,
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct LinkItems {
    items: mpsc::UnboundedReceiver<Item>,
    waiting: Arc<AtomicUsize>,
    overflow: tokio::sync::watch::Receiver<bool>,
}

/// A queue that holds at most so many bytes of packets.
pub(super) fn pair(bytes_max: usize) -> (LinkQueue, LinkItems) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (overflow, overflowed) = tokio::sync::watch::channel(false);
    let waiting = Arc::<AtomicUsize>::default();
    let queue = LinkQueue { items: sender, waiting: Arc::clone(&waiting), bytes_max, overflow };
    (queue, LinkItems { items: receiver, waiting, overflow: overflowed })
}

impl LinkQueue {
    /// Puts an item behind all others. A queue that is too long ends the link.
    pub(super) fn put(&self, item: Item) {
        let len = if let Item::Packet(bytes) = &item { bytes.len() } else { 0 };
        if self.waiting.fetch_add(len, Relaxed) + len > self.bytes_max {
            self.overflow.send_replace(true);
            return;
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
    pub(super) async fn next(&mut self) -> Next {
        if *self.overflow.borrow() {
            return Next::Overflow;
        }
        tokio::select! {
            biased;
            Ok(()) = self.overflow.changed() => Next::Overflow,
            item = self.items.recv() => self.taken(item),
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
