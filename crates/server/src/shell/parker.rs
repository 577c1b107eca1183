//! Waiting on a thread of our own for what tasks and other threads bring, without a runtime and its timers.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Lets the thread that made it sleep until a future comes to its end, or the time is over.
#[derive(Debug)]
pub(crate) struct Parker(Waker);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

impl Parker {
    pub(crate) fn of_this_thread() -> Self {
        Self(Waker::from(Arc::new(Unpark(std::thread::current()))))
    }

    /// What the future brings; nothing when that takes longer. It is polled at least once, and not when the time is over.
    pub(crate) fn wait<T>(&self, at_most: Duration, future: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let mut future = pin!(future);
        let mut context = Context::from_waker(&self.0);
        loop {
            if let Poll::Ready(out) = future.as_mut().poll(&mut context) {
                return Some(out);
            }
            std::thread::park_timeout(at_most.saturating_sub(began.elapsed()));
            if began.elapsed() >= at_most {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn what_is_there_comes_at_once_even_without_time() {
        assert_eq!(Parker::of_this_thread().wait(Duration::ZERO, async { 7 }), Some(7));
    }

    #[test]
    fn time_ends_a_wait_for_nothing() {
        let parker = Parker::of_this_thread();
        assert_eq!(parker.wait(Duration::from_millis(1), std::future::pending::<()>()), None);
    }

    #[test]
    fn another_thread_ends_it() {
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        let (waits, is_waiting) = std::sync::mpsc::channel();
        let other = std::thread::spawn(move || {
            is_waiting.recv().unwrap();
            tell.blocking_send(7).unwrap();
        });
        let future = std::future::poll_fn(|context| {
            let polled = told.poll_recv(context);
            if polled.is_pending() {
                // Once told, the other thread listens no more.
                let _ = waits.send(());
            }
            polled
        });
        assert_eq!(Parker::of_this_thread().wait(PATIENCE, future), Some(Some(7)));
        other.join().unwrap();
    }
}
