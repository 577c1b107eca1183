//! What can go wrong with a request, and whose fault it was.

use std::fmt;

use jute::{DecodeError, ErrorCode};

use crate::address::InvalidAddress;
use crate::multi::OpResult;
use crate::path::InvalidPath;

/// Why a request has no good answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// The server answered with an error.
    Server {
        /// The error's number on the wire.
        code: i32,
        /// The caller's path, where the request named one.
        path: Option<String>,
    },
    /// One operation of a multi failed, so none was done.
    Multi {
        /// The error's number of the operation that failed.
        code: i32,
        /// Which operation failed, counted from 0.
        index: usize,
        /// What the server said to each operation.
        results: Vec<OpResult>,
    },
    /// The connection broke before the answer came; a write may or may not have happened.
    ConnectionLoss,
    /// The server has forgotten the session.
    SessionExpired,
    /// The server refused an authentication; the client is of no more use.
    AuthFailed,
    /// This client has been closed.
    Closed,
    /// The caller's path cannot name a node.
    InvalidPath(InvalidPath),
    /// The caller's server address cannot be read.
    InvalidAddress(InvalidAddress),
    /// The caller's argument makes no sense.
    InvalidArgument(String),
    /// The server's answer cannot be read.
    BadReply(DecodeError),
}

impl Error {
    /// The error's code, where it has one on the wire or in the reference's clients.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Server { code, .. } | Self::Multi { code, .. } => ErrorCode::from_code(*code),
            Self::ConnectionLoss => Some(ErrorCode::ConnectionLoss),
            Self::SessionExpired | Self::Closed => Some(ErrorCode::SessionExpired),
            Self::AuthFailed => Some(ErrorCode::AuthFailed),
            Self::InvalidPath(_) | Self::InvalidAddress(_) | Self::InvalidArgument(_) => {
                Some(ErrorCode::BadArguments)
            }
            Self::BadReply(_) => Some(ErrorCode::MarshallingError),
        }
    }

    /// The server gave exactly this error.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code() == Some(code)
    }

    /// The path that the failed request named.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Server { path, .. } => path.as_deref(),
            Self::Multi { .. }
            | Self::ConnectionLoss
            | Self::SessionExpired
            | Self::AuthFailed
            | Self::Closed
            | Self::InvalidPath(_)
            | Self::InvalidAddress(_)
            | Self::InvalidArgument(_)
            | Self::BadReply(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { code, path: Some(path) } => write!(f, "{} for {path}", Named(*code)),
            Self::Server { code, path: None } => write!(f, "{}", Named(*code)),
            Self::Multi { code, index, .. } => {
                write!(f, "{} in operation {index} of the multi; none was done", Named(*code))
            }
            Self::ConnectionLoss => f.write_str("the connection to the server was lost"),
            Self::SessionExpired => f.write_str("the session has expired"),
            Self::AuthFailed => f.write_str("the server refused the authentication"),
            Self::Closed => f.write_str("the client is closed"),
            Self::InvalidPath(why) => why.fmt(f),
            Self::InvalidAddress(why) => why.fmt(f),
            Self::InvalidArgument(why) => f.write_str(why),
            Self::BadReply(why) => write!(f, "the server's answer cannot be read: {why}"),
        }
    }
}

/// An error number by its name, if it has one.
struct Named(i32);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ErrorCode::from_code(self.0) {
            Some(code) => write!(f, "{code:?}"),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl std::error::Error for Error {}

impl From<InvalidPath> for Error {
    fn from(why: InvalidPath) -> Self {
        Self::InvalidPath(why)
    }
}

impl From<InvalidAddress> for Error {
    fn from(why: InvalidAddress) -> Self {
        Self::InvalidAddress(why)
    }
}

impl From<DecodeError> for Error {
    fn from(why: DecodeError) -> Self {
        Self::BadReply(why)
    }
}
