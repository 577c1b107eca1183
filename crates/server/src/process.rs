//! A server as a process: settings, signals, descriptors, status.

use std::net::SocketAddr;
use std::process::ExitCode;

use storage::RealDisk;
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::{ConfigSource, Raw, Settings, SettingsError};
use crate::shell::alarm::Alarm;
use crate::start::start_on;

/// Status for bad settings.
// zk: ExitCode.INVALID_INVOCATION
pub const INVALID_INVOCATION: u8 = 2;

/// How the server was called.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Where the configuration is.
    pub config: ConfigSource,
    /// `-D` of the command line, in order.
    pub defines: Vec<(String, String)>,
}

/// What is known once a server serves.
#[derive(Clone, Debug)]
pub struct Ready<'a> {
    /// Its client port.
    pub address: Option<SocketAddr>,
    /// Its settings.
    pub settings: &'a Settings,
}

impl Invocation {
    /// The settings that it comes to.
    ///
    /// # Errors
    /// [`SettingsError`], to be shown in one line; the status is then [`INVALID_INVOCATION`].
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let environment = |name: &str| std::env::var(name).ok();
        Settings::check(&Raw::gather(&self.config, &self.defines, environment)?)
    }
}

/// Checks the settings and runs a server until a signal ends it; errors go to the log.
#[must_use]
pub fn main_with(invocation: &Invocation) -> ExitCode {
    match invocation.settings() {
        Ok(settings) => run(settings, |_| {}),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(INVALID_INVOCATION)
        }
    }
}

/// Runs a server until SIGTERM or SIGINT; `on_ready` is called once it serves.
#[must_use]
pub fn run(settings: Settings, on_ready: impl FnOnce(&Ready<'_>)) -> ExitCode {
    settings.notes.iter().for_each(|line| tracing::info!("{line}"));
    settings.warnings.iter().for_each(|line| tracing::warn!("{line}"));
    raise_descriptor_limit();
    let shown = settings.clone();
    let handle = match start_on(RealDisk, settings, Alarm::new(true)) {
        Ok(handle) => handle,
        Err(error) => {
            tracing::error!(status = error.status, "{error}");
            return ExitCode::from(error.status);
        }
    };
    tracing::info!(version = %crate::version::full(), address = handle.address().map(tracing::field::display), "serving");
    on_ready(&Ready { address: handle.address(), settings: &shown });
    handle.run_until(asked_to_end());
    match handle.shutdown() {
        None => ExitCode::SUCCESS,
        Some(failure) => ExitCode::from(failure.status),
    }
}

async fn asked_to_end() {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        tracing::warn!("signals cannot be caught; SIGKILL ends the server without harm to its data");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        _ = interrupt.recv() => tracing::info!("SIGINT"),
    }
}

/// Each connection is a descriptor; who may have more takes them.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("the descriptor limit cannot be raised: {error}");
    }
}
