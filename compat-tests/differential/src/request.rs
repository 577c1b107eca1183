//! A request with what the run has to know about it.

use crate::acls::NULL_LIST;
use crate::op;
use crate::wire::{Writer, escaped};

/// One request, the same for both servers.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) op: i32,
    pub(crate) body: Vec<u8>,
    /// For people: what is asked.
    pub(crate) text: String,
    /// What becomes true when it succeeds, one entry for each operation of a multi.
    pub(crate) effects: Vec<Effect>,
    /// The server closes the connection when it does not succeed.
    pub(crate) fatal_error: bool,
}

/// The code of the operation and what it does to the model.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) op: i32,
    pub(crate) change: Change,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Nothing,
    /// A node whose owner is this session, or which has this stored owner (container, TTL).
    Create {
        ephemeral: bool,
        stored_owner: i64,
    },
    Delete(Vec<u8>),
    Authenticated(&'static str),
    SessionClosed,
}

impl Request {
    pub(crate) fn new(op: i32, body: Writer, text: String) -> Self {
        let effects = vec![Effect { op, change: Change::Nothing }];
        Self { op, body: body.0, text, effects, fatal_error: false }
    }

    pub(crate) fn changing(mut self, change: Change) -> Self {
        self.effects = vec![Effect { op: self.op, change }];
        self
    }

    pub(crate) fn names_null(&self) -> bool {
        self.text.starts_with("<null>")
    }

    /// The body has null for a path, or is a multi that cannot be decoded: parts of both kinds, a type that does
    /// not belong there, a flag that is unknown or that wants a time to live where there is none, no ACL.
    pub(crate) fn undecodable(&self) -> bool {
        const END_OF_MULTI: usize = 9;
        let no_time = |effect: &Effect| match effect.change {
            Change::Create { stored_owner, .. } => {
                effect.op != op::CREATE_TTL && stored_owner < 0 && stored_owner != i64::MIN
            }
            _ => false,
        };
        let malformed =
            self.effects.is_empty() && self.body.len() > END_OF_MULTI || self.text.contains(NULL_LIST);
        self.names_null() || (self.op == op::MULTI && (malformed || self.effects.iter().any(no_time)))
    }

    /// Requests with a fixed xid carry it; others count.
    pub(crate) fn xid(&self, next: &mut i32) -> i32 {
        match self.op {
            op::PING => op::XID_PING,
            op::AUTH => op::XID_AUTH,
            op::SET_WATCHES | op::SET_WATCHES2 => op::XID_SET_WATCHES,
            _ => {
                *next += 1;
                *next
            }
        }
    }
}

/// A request that names only a path.
pub(crate) fn of_path(op: i32, path: Option<&[u8]>) -> Request {
    Request::new(op, Writer::default().buffer(path), shown(path))
}

/// A path for people.
pub(crate) fn shown(path: Option<&[u8]>) -> String {
    path.map_or_else(|| "<null>".to_owned(), escaped)
}
