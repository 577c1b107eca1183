//! The tokio shell: settings, listeners, connections, disk thread, four-letter words.

mod clock;
pub mod logging;
mod metrics;
pub mod settings;
mod throttle;
pub mod version;
mod words;

#[cfg(test)]
mod scratch;
