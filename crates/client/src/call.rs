//! What callers hand to the driver of the session, and what they get back.

use jute::proto::ReplyHeader;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::watches::{Registration, WatcherType};

/// One thing to do, in the order of submission.
#[derive(Debug)]
pub(crate) enum Command {
    /// A request with a reply of its own.
    Call(Call),
    /// An authentication, repeated on each new connection.
    Auth(Auth),
}

/// A request, encoded but for its header.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) op_code: i32,
    pub(crate) body: Vec<u8>,
    pub(crate) effect: Effect,
    pub(crate) reply: oneshot::Sender<Result<Reply, Error>>,
}

/// What an answer does to the watches of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// A watch counts, if the answer says so.
    Register(Registration),
    /// Watches of the path go; without a server also when `locally`.
    Remove { path: String, which: WatcherType, locally: bool },
}

/// An identity to prove to the server.
#[derive(Debug)]
pub(crate) struct Auth {
    pub(crate) scheme: String,
    pub(crate) data: Vec<u8>,
    pub(crate) reply: oneshot::Sender<Result<(), Error>>,
}

/// A whole answer: header, and the rest of the frame as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) header: ReplyHeader,
    pub(crate) body: Vec<u8>,
}

/// How to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Close the session on the server.
    Session,
    /// Drop the connection and leave the session to its timeout.
    ConnectionOnly,
}

impl Command {
    /// Answers without having asked the server.
    pub(crate) fn fail(self, why: Error) {
        match self {
            // A caller that no longer waits needs no answer.
            Self::Call(call) => drop(call.reply.send(Err(why))),
            Self::Auth(auth) => drop(auth.reply.send(Err(why))),
        }
    }
}
