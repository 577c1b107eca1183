//! How many bytes of peers' packets may wait for the replica: who has more waits with them, and so does whoever sent them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for one packet; it is free again when this is dropped.
pub(crate) type Room = OwnedSemaphorePermit;

/// The room of all peers together.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    free: Arc<Semaphore>,
    bytes_max: u32,
}

/// Bytes that were read and belong to no packet yet.
#[derive(Debug, Default)]
pub(super) struct Unclaimed(usize);

impl Rooms {
    pub(crate) fn new(bytes_max: u32) -> Self {
        let permits =
            usize::try_from(bytes_max).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(permits)), bytes_max }
    }

    /// Waits for room, in the order of asking. Whatever is larger than all the room gets all of it.
    pub(super) async fn take(&self, bytes: usize) -> Option<Room> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes_max);
        // It is never closed.
        Arc::clone(&self.free).acquire_many_owned(bytes).await.ok()
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.available_permits()
    }
}

impl Unclaimed {
    pub(super) fn read(&mut self, bytes: usize) {
        self.0 += bytes;
    }

    /// What the next packet is counted with: it may bring those behind it along.
    pub(super) fn claim(&mut self) -> usize {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_wait_for_room_and_none_is_too_large() {
        let rooms = Rooms::new(10);
        let (first, second) = (rooms.take(6).await, rooms.take(4).await);
        assert_eq!(rooms.free(), 0);
        let mut third = Box::pin(rooms.take(1000));
        let waits =
            std::future::poll_fn(|context| std::task::Poll::Ready(third.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        drop(second);
        drop(first);
        let third = third.await;
        assert_eq!(rooms.free(), 0, "all of it");
        drop(third);
        assert_eq!(rooms.free(), 10);
    }

    #[test]
    fn what_was_read_counts_once() {
        let mut unclaimed = Unclaimed::default();
        unclaimed.read(3);
        unclaimed.read(4);
        assert_eq!((unclaimed.claim(), unclaimed.claim()), (7, 0));
    }
}
