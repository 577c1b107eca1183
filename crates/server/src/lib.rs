//! The tokio shell: settings, listeners, connections, disk thread, four-letter words.
//!
//! * [`Invocation::settings`] says what the settings come to; [`run`] is a server as a process, [`start`] one inside a
//!   process, with a [`Handle`] to stop it.
//! * [`logging`] is where the log goes; the binary installs the subscriber.

pub mod any;
mod clock;
mod data;
pub mod logging;
mod metrics;
mod own_name;
mod process;
mod quorum;
pub mod settings;
mod shell;
mod start;
mod throttle;
pub mod version;
mod words;

#[cfg(test)]
mod scratch;

pub use process::{INVALID_INVOCATION, Invocation, Ready, main_with, run};
pub use settings::{ConfigSource, Settings, SettingsError};
pub use shell::alarm::Failure;
pub use start::{Handle, StartError, start, start_with_disk};
