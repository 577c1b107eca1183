//! Events on their way to the caller.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::event::Event;

/// A bounded channel with room for what is already in hand.
///
/// * order is kept;
/// * nothing is lost while the caller holds the other end: when [`EventQueue::is_full`], no more is read from the
///   server, so what waits here is bounded by what one frame can cause.
#[derive(Debug)]
pub(crate) struct EventQueue {
    channel: mpsc::Sender<Event>,
    waiting: VecDeque<Event>,
}

impl EventQueue {
    pub(crate) fn new(channel: mpsc::Sender<Event>) -> Self {
        Self { channel, waiting: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, event: Event) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(event);
            return;
        }
        match self.channel.try_send(event) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(event)) => self.waiting.push_back(event),
        }
    }

    /// The caller has to take some events before more may come.
    pub(crate) fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits until the caller has made room for all that waits. May be cancelled at any time.
    pub(crate) async fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(permit) = self.channel.reserve().await else {
                self.waiting.clear();
                return;
            };
            if let Some(event) = self.waiting.pop_front() {
                permit.send(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SessionState;

    #[tokio::test]
    async fn a_slow_caller_gets_everything_in_order() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut queue = EventQueue::new(sender);
        let states = [SessionState::SyncConnected, SessionState::Disconnected, SessionState::Expired];
        for state in states {
            queue.push(Event::session(state));
        }
        assert!(queue.is_full());
        let taker = tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(event) = receiver.recv().await {
                taken.push(event.state);
            }
            taken
        });
        queue.flush().await;
        assert!(!queue.is_full());
        drop(queue);
        assert_eq!(taker.await.unwrap(), states);
    }

    #[tokio::test]
    async fn a_caller_that_does_not_listen_stops_nothing() {
        let (sender, receiver) = mpsc::channel(1);
        let mut queue = EventQueue::new(sender);
        queue.push(Event::session(SessionState::SyncConnected));
        queue.push(Event::session(SessionState::Disconnected));
        drop(receiver);
        queue.flush().await;
        assert!(!queue.is_full());
    }
}
