//! Events, shown while the user may be typing.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use client::{Event, Events, SessionState};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

/// Where events are shown.
pub(super) type Show = Box<dyn FnMut(&str) + Send>;

/// Shows events as they come, in a task of its own.
pub(super) struct Showing {
    catch_up: mpsc::Sender<oneshot::Sender<()>>,
}

impl Showing {
    /// Begins to show, as long as `wanted`.
    pub(super) fn start(runtime: &Runtime, events: Events, show: Show, wanted: Arc<AtomicBool>) -> Self {
        let (catch_up, requests) = mpsc::channel(1);
        runtime.spawn(show_events(events, show, wanted, requests));
        Self { catch_up }
    }

    /// Returns when all events that came before are shown, so that they stand before what the next command prints.
    pub(super) fn catch_up(&self, runtime: &Runtime) {
        let (done, wait) = oneshot::channel();
        if runtime.block_on(self.catch_up.send(done)).is_ok() {
            // The task ends with the session; then there is nothing more to show.
            let _ended = runtime.block_on(wait);
        }
    }
}

async fn show_events(
    mut events: Events,
    mut show: Show,
    wanted: Arc<AtomicBool>,
    mut requests: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut tell = |event: Event| {
        if wanted.load(Ordering::Relaxed) && !is_farewell(&event) {
            show(&text(&event));
        }
    };
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => tell(event),
                None => return,
            },
            Some(done) = requests.recv() => {
                while let Some(event) = events.try_next() {
                    tell(event);
                }
                let _waiting = done.send(());
            }
        }
    }
}

// zk: ZooKeeperMain.MyWatcher.process
pub(super) fn text(event: &Event) -> String {
    format!("\nWATCHER::\n\n{event}\n")
}

/// The end that the user asked for needs no telling.
fn is_farewell(event: &Event) -> bool {
    event.state == SessionState::Closed
}

/// Shows events when nobody is typing.
pub(super) fn to_stdout() -> Show {
    Box::new(say_as_is)
}

/// Prints text that brings its own line ends.
pub(super) fn say_as_is(text: &str) {
    let _nobody_reads = io::stdout().write_all(text.as_bytes());
}
