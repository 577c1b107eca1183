//! What was received and not yet taken: two short queues that forget their oldest.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use ensemble::ServerId;
use tokio::sync::Notify;

use crate::shell::lock;

/// Messages of members that may wait, as in the reference; the newest of a peer is the one that counts.
pub(super) const MEMBERS_MAX: usize = 100;
/// Messages of non-members that may wait. They have a queue of their own, so that they cannot push out a member's.
pub(super) const NON_MEMBERS_MAX: usize = 20;

type Received = (ServerId, Bytes);

/// The receive queue. Putting never waits.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    queues: Mutex<Queues>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Queues {
    members: VecDeque<Received>,
    non_members: VecDeque<Received>,
}

impl Inbox {
    /// Takes a message in, and gives back the one that had to go for it.
    pub(super) fn put(&self, from: ServerId, message: Bytes, is_member: bool) -> Option<Received> {
        let mut queues = lock(&self.queues);
        let (queue, max) = if is_member {
            (&mut queues.members, MEMBERS_MAX)
        } else {
            (&mut queues.non_members, NON_MEMBERS_MAX)
        };
        let dropped = if queue.len() >= max { queue.pop_front() } else { None };
        queue.push_back((from, message));
        self.ready.notify_one();
        dropped
    }

    /// The next message, members first.
    pub(super) async fn take(&self) -> Received {
        loop {
            if let Some(received) = self.pop() {
                return received;
            }
            self.ready.notified().await;
        }
    }

    fn pop(&self) -> Option<Received> {
        let mut queues = lock(&self.queues);
        queues.members.pop_front().or_else(|| queues.non_members.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_non_members_push_out_only_each_other() {
        let inbox = Inbox::default();
        let number = |n: usize| Bytes::from(n.to_string());
        for n in 0..MEMBERS_MAX {
            assert_eq!(inbox.put(ServerId(1), number(n), true), None);
        }
        for n in 0..NON_MEMBERS_MAX {
            assert_eq!(inbox.put(ServerId(9), number(n), false), None);
        }
        assert_eq!(inbox.put(ServerId(9), number(999), false), Some((ServerId(9), number(0))));
        assert_eq!(inbox.put(ServerId(2), number(999), true), Some((ServerId(1), number(0))));
        let order: Vec<i64> = std::iter::from_fn(|| inbox.pop()).map(|(from, _)| from.0).collect();
        let expected = [vec![1; MEMBERS_MAX - 1], vec![2], vec![9; NON_MEMBERS_MAX]].concat();
        assert_eq!(order, expected);
    }
}
