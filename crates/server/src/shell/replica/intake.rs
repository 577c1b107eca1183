//! Which message comes next: the request throttle stalls, drops stale requests and marks those that waited too long.

use pipeline::event::{ClientRequest, Event};
use pipeline::outbox::CloseReason;
use pipeline::request::Request;
use pipeline::time::Millis;

use super::super::{Message, lock};
use super::ReplicaThread;
use crate::metrics::{Metrics, Run};

/// How long the requests of one batch waited.
pub(super) struct Waits<'a>([Run<'a>; 2]);

impl<'a> Waits<'a> {
    pub(super) fn new(metrics: &'a Metrics) -> Self {
        let summaries = [&metrics.prep_processor_queue_time_ms, &metrics.request_throttle_queue_time_ms];
        Self(summaries.map(Run::of))
    }
}

impl ReplicaThread {
    /// Whether the request throttle holds back what waits.
    pub(super) fn is_stalled(&self) -> bool {
        let max = usize::try_from(self.shared.settings.throttle.request_max).unwrap_or(usize::MAX);
        max > 0
            && self.replica.outstanding() >= max
            && matches!(self.waiting.front(), Some(Message::Event(Event::Request(_))))
    }

    /// The next message that may be handled.
    // zk: RequestThrottler.run
    pub(super) fn next_message(&mut self, now: Millis, waits: &mut Waits<'_>) -> Option<Message> {
        loop {
            if self.is_stalled() {
                let stale = self.drops_stale(now);
                if !stale {
                    return None;
                }
                self.waiting.pop_front();
                continue;
            }
            return match self.waiting.pop_front()? {
                Message::Event(Event::Request(request)) => {
                    self.count(&request, now, waits);
                    Some(Message::Event(self.in_time_or_throttled(request, now)))
                }
                other @ (Message::Event(_) | Message::Sessions(_) | Message::Peer(_)) => Some(other),
            };
        }
    }

    /// Whether the first request, which is held back, is dropped for good.
    fn drops_stale(&self, now: Millis) -> bool {
        let Some(Message::Event(Event::Request(request))) = self.waiting.front() else { return false };
        if !self.shared.settings.throttle.drop_stale || !self.is_stale(request, now) {
            return false;
        }
        self.shared.metrics.stale_requests_dropped.add(1);
        if let Some(client) = self.shared.clients.read().get(request.connection) {
            // Later requests of the connection must not overtake the one that is dropped.
            lock(&client.outbox).close(CloseReason::Throttled);
            self.shared.threads.wake(std::iter::once(client));
        }
        true
    }

    // zk: Request.isStale
    fn is_stale(&self, request: &ClientRequest, now: Millis) -> bool {
        let throttle = &self.shared.settings.throttle;
        let clients = self.shared.clients.read();
        let Some(client) = clients.get(request.connection) else { return throttle.stale_connection_check };
        if !throttle.stale_latency_check {
            return false;
        }
        let timeout = lock(&client.outbox).opened().map_or(0, |opened| opened.timeout_ms);
        timeout > 0 && now.since(request.received) > u64::try_from(timeout).unwrap_or(u64::MAX)
    }

    // zk: RequestThrottler.shouldThrottleOp, Request.isThrottlable
    fn in_time_or_throttled(&self, request: ClientRequest, now: Millis) -> Event {
        let is_exempt = matches!(request.request, Request::CloseSession | Request::CreateSession(_));
        let limit = self.shared.settings.throttle.throttled_op_wait_ms.filter(|_| !is_exempt);
        if limit.is_some_and(|limit| now.since(request.received) > limit) {
            self.shared.metrics.throttled_ops.add(1);
            return Event::Throttled(request);
        }
        Event::Request(request)
    }

    fn count(&self, request: &ClientRequest, now: Millis, waits: &mut Waits<'_>) {
        let waited = now.since(request.received);
        waits.0.iter_mut().for_each(|run| run.add(waited));
        if self.is_stale(request, now) {
            self.shared.metrics.stale_requests.add(1);
        }
    }
}
