//! Why a command failed: one line for the user, and the exit code of the one-shot mode.

use std::io;

use client::{Error, ErrorCode};

/// The code of every failure but an unknown command.
// zk: CliException.DEFAULT_EXCEPTION_EXIT_CODE
const EXIT_FAILED: u8 = 1;
// zk: CommandNotFoundException
const EXIT_NO_COMMAND: u8 = 127;

/// What is told and what is returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) exit_code: u8,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: EXIT_FAILED }
    }

    pub(super) fn no_command(name: &str) -> Self {
        Self { message: format!("Command not found: Command not found {name}"), exit_code: EXIT_NO_COMMAND }
    }
}

impl From<io::Error> for Failure {
    fn from(why: io::Error) -> Self {
        Self::new(why.to_string())
    }
}

impl From<Error> for Failure {
    fn from(why: Error) -> Self {
        Self::new(message(&why))
    }
}

/// The reference's words for what a server, or the lack of one, says.
// zk: CliWrapperException.getMessage, KeeperException.getMessage
fn message(error: &Error) -> String {
    if let Error::InvalidPath(_) | Error::InvalidAddress(_) | Error::InvalidArgument(_) | Error::BadReply(_) =
        error
    {
        return error.to_string();
    }
    let path = error.path().unwrap_or("null");
    let code = error.code();
    let known = code.and_then(|code| friendly(code, path));
    known.unwrap_or_else(|| keeper_message(error, code))
}

fn friendly(code: ErrorCode, path: &str) -> Option<String> {
    let prefix = if code == ErrorCode::NoNode {
        "Node does not exist: "
    } else if code == ErrorCode::NoChildrenForEphemerals {
        "Ephemerals cannot have children: "
    } else if code == ErrorCode::NodeExists {
        "Node already exists: "
    } else if code == ErrorCode::NotEmpty {
        "Node not empty: "
    } else if code == ErrorCode::NotReadOnly {
        "Not a read-only call: "
    } else if code == ErrorCode::InvalidAcl {
        "Acl is not valid : "
    } else if code == ErrorCode::NoAuth {
        "Insufficient permission : "
    } else if code == ErrorCode::BadArguments {
        "Arguments are not valid : "
    } else if code == ErrorCode::BadVersion {
        "version No is not valid : "
    } else if code == ErrorCode::QuotaExceeded {
        "Quota has exceeded : "
    } else {
        return reconfiguration(code).map(str::to_owned);
    };
    Some(format!("{prefix}{path}"))
}

fn reconfiguration(code: ErrorCode) -> Option<&'static str> {
    if code == ErrorCode::ReconfigInProgress {
        Some("Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)")
    } else if code == ErrorCode::NewConfigNoQuorum {
        Some(
            "No quorum of new config is connected and up-to-date with the leader of last commmitted config - \
             try invoking reconfiguration after new servers are connected and synced",
        )
    } else {
        None
    }
}

fn keeper_message(error: &Error, code: Option<ErrorCode>) -> String {
    let what = match (code, error) {
        (Some(code), _) => code_words(code),
        (None, Error::Server { code, .. } | Error::Multi { code, .. }) => format!("Unknown error {code}"),
        (None, other) => other.to_string(),
    };
    match error.path() {
        Some(path) => format!("KeeperErrorCode = {what} for {path}"),
        None => format!("KeeperErrorCode = {what}"),
    }
}

/// Most names are the same as ours.
// zk: KeeperException.getCodeMessage
fn code_words(code: ErrorCode) -> String {
    let words = [
        (ErrorCode::ApiError, "APIError"),
        (ErrorCode::InvalidAcl, "InvalidACL"),
        (ErrorCode::NotEmpty, "Directory not empty"),
        (ErrorCode::SessionExpired, "Session expired"),
        (ErrorCode::InvalidCallback, "Invalid callback"),
        (ErrorCode::SessionMoved, "Session moved"),
        (ErrorCode::NotReadOnly, "Not a read-only call"),
        (ErrorCode::EphemeralOnLocalSession, "Ephemeral node on local session"),
        (ErrorCode::NoWatcher, "No such watcher"),
        (ErrorCode::ReconfigDisabled, "Reconfig is disabled"),
        (ErrorCode::SessionClosedRequireSaslAuth, "Session closed because client failed to authenticate"),
        (ErrorCode::QuotaExceeded, "Quota has exceeded"),
        (ErrorCode::ThrottledOp, "Op throttled due to high load"),
    ];
    let found = words.iter().find(|(candidate, _)| *candidate == code);
    found.map_or_else(|| format!("{code:?}"), |(_, words)| (*words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_operators_know() {
        let server = |code: ErrorCode| Error::Server { code: code.code(), path: Some("/a".into()) };
        let rows = [
            (server(ErrorCode::NoNode), "Node does not exist: /a"),
            (server(ErrorCode::NoAuth), "Insufficient permission : /a"),
            (server(ErrorCode::Unimplemented), "KeeperErrorCode = Unimplemented for /a"),
            (server(ErrorCode::NoWatcher), "KeeperErrorCode = No such watcher for /a"),
            (Error::ConnectionLoss, "KeeperErrorCode = ConnectionLoss"),
            (Error::SessionExpired, "KeeperErrorCode = Session expired"),
            (Error::Server { code: -4711, path: None }, "KeeperErrorCode = Unknown error -4711"),
        ];
        for (error, expected) in rows {
            assert_eq!(Failure::from(error), Failure::new(expected));
        }
    }
}
