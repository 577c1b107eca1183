//! The end of the process when something must not go on: one ERROR line, then out.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::lock;

/// Status of the process after an error that nobody expected.
pub(crate) const UNEXPECTED: u8 = 1;
/// Status after a failure of log or disk.
// zk: ExitCode.TXNLOG_ERROR_TAKING_SNAPSHOT
pub(crate) const LOG_FAILED: u8 = 10;

/// Why the server cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Status of the process.
    pub status: u8,
    /// The reason.
    pub why: String,
}

/// Ends the process, or tells a test that it would.
#[derive(Debug, Clone)]
pub(crate) struct Alarm(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ends_process: bool,
    is_over: AtomicBool,
    first: Mutex<Option<Failure>>,
    bell: Notify,
}

impl Alarm {
    pub(crate) fn new(ends_process: bool) -> Self {
        Self(Arc::new(Inner {
            ends_process,
            is_over: AtomicBool::new(false),
            first: Mutex::new(None),
            bell: Notify::new(),
        }))
    }

    /// Something failed for good. Does not return when it ends the process.
    pub(crate) fn raise(&self, status: u8, why: String) {
        tracing::error!(status, "{why}; the server ends");
        if self.0.ends_process {
            std::process::exit(i32::from(status));
        }
        lock(&self.0.first).get_or_insert(Failure { status, why });
        self.0.bell.notify_waiters();
        self.0.bell.notify_one();
    }

    /// The first failure, if there was one.
    pub(crate) fn failure(&self) -> Option<Failure> {
        lock(&self.0.first).clone()
    }

    /// Comes back when something failed.
    pub(crate) async fn raised(&self) -> Failure {
        loop {
            if let Some(failure) = self.failure() {
                return failure;
            }
            self.0.bell.notified().await;
        }
    }

    /// All work is done: tasks that did not come to their end any more are no failure.
    pub(crate) fn stand_down(&self) {
        self.0.is_over.store(true, Relaxed);
    }

    /// Watches over a thread or task: unless it says that it is done, its end is a failure.
    pub(crate) fn guard(&self, name: &'static str) -> Guard {
        Guard { alarm: self.clone(), name, is_done: false }
    }
}

/// Raises the alarm when it is dropped before [`Guard::done`].
#[derive(Debug)]
pub(crate) struct Guard {
    alarm: Alarm,
    name: &'static str,
    is_done: bool,
}

impl Guard {
    /// The thread or task ends as it should.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_done && !self.alarm.0.is_over.load(Relaxed) {
            self.alarm.raise(UNEXPECTED, format!("{} ended unexpectedly", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_dies_raises_the_alarm() {
        let alarm = Alarm::new(false);
        let guard = alarm.guard("worker");
        let died = std::thread::spawn(move || {
            let _guard = guard;
            panic!("on purpose");
        });
        assert!(died.join().is_err());
        assert_eq!(alarm.failure().unwrap().status, UNEXPECTED);
    }

    #[test]
    fn after_the_work_nobody_is_missed() {
        let alarm = Alarm::new(false);
        let guard = alarm.guard("worker");
        alarm.stand_down();
        drop(guard);
        assert_eq!(alarm.failure(), None);
    }

    #[test]
    fn one_that_is_done_does_not() {
        let alarm = Alarm::new(false);
        alarm.guard("worker").done();
        assert_eq!(alarm.failure(), None);
    }
}
