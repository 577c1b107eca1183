//! `rookeeper` and `rookeeper server`.

use std::process::ExitCode;

/// Without any configuration.
pub(crate) fn built_in(properties: Vec<(String, String)>) -> ExitCode {
    drop(properties);
    ExitCode::FAILURE
}

/// With what follows `server`.
pub(crate) fn configured(configuration: &[String], properties: Vec<(String, String)>) -> ExitCode {
    let _not_yet = (configuration, properties);
    ExitCode::FAILURE
}
