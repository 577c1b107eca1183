//! `rookeeper log` and `rookeeper snapshot`.

mod render;

use std::process::ExitCode;

use crate::arguments::Inspection;

/// Prints a transaction log.
pub(crate) fn log(what: &Inspection) -> ExitCode {
    let _not_yet = (&what.file, what.json, what.verify);
    ExitCode::FAILURE
}

/// Prints a snapshot.
pub(crate) fn snapshot(what: &Inspection) -> ExitCode {
    log(what)
}
