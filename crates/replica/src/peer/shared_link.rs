//! The sessions behind one link to the leader: those of our own clients, and of the observers that we serve.
//!
//! * The leader's answers come in the order in which it was asked, so who asked is known by the place in a queue.
//! * The leader tells owners of a session apart by their link, and sees only one here: who had the session before it came
//!   back here is refused here.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use jute::proto::DeleteRequest;
use jute::{OpCode, Record, SessionId};
use zab::{LinkId, Request};

/// Who is behind the link: an observer, or clients of our own if there is none.
pub(super) type Behind = Option<LinkId>;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct SharedLink {
    /// Sessions that the leader was asked about, oldest first.
    asked: VecDeque<Revalidation>,
    /// Who has a session that an observer has or had. Of others nothing is known: they are ours, or local ones of an observer.
    owners: BTreeMap<SessionId, Behind>,
}

/// A question whether a session may go on here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Revalidation {
    session: SessionId,
    pub(super) timeout_ms: i32,
    pub(super) by: Behind,
}

impl SharedLink {
    /// A session has come back, and the leader is asked.
    pub(super) fn ask(&mut self, session: SessionId, timeout_ms: i32, by: Behind) {
        self.asked.push_back(Revalidation { session, timeout_ms, by });
        match self.owners.get_mut(&session) {
            Some(owner) => *owner = by,
            None if by.is_some() => {
                self.owners.insert(session, by);
            }
            None => {}
        }
    }

    /// The leader has answered.
    pub(super) fn take(&mut self, session: SessionId, is_valid: bool) -> Option<Revalidation> {
        let place = self.asked.iter().position(|asked| asked.session == session)?;
        let asked = self.asked.remove(place)?;
        if !is_valid && self.owners.get(&session) == Some(&asked.by) {
            self.owners.remove(&session);
        }
        Some(asked)
    }

    /// What goes up for a request of an observer's client.
    // diverges(session-behind-an-observer-master): the reference takes late requests of a session that moved between an
    // observer master and its observers, behind requests that the client sent later
    pub(super) fn request(&mut self, link: LinkId, request: Request) -> Request {
        if request.op_code == OpCode::CreateSession.code() {
            self.owners.insert(request.session, Some(link));
        }
        if self.admits(request.session, request.op_code, Some(link)) { request } else { refused(&request) }
    }

    /// Whether the session is where its client was seen last. It may be closed from everywhere.
    // zk: PrepRequestProcessor.pRequest2Txn: closeSession does not ask whose the session is
    pub(super) fn admits(&self, session: SessionId, op_code: i32, behind: Behind) -> bool {
        op_code == OpCode::CloseSession.code()
            || self.owners.get(&session).is_none_or(|owner| *owner == behind)
    }

    /// A session has ended.
    pub(super) fn ended(&mut self, session: SessionId) {
        self.owners.remove(&session);
    }

    /// An observer is gone, and all that it sent has come.
    pub(super) fn lost(&mut self, link: LinkId) {
        self.owners.retain(|_, owner| *owner != Some(link));
    }
}

/// A request that every leader refuses: the observer waits for a transaction that answers the one that came.
fn refused(request: &Request) -> Request {
    let mut body = Vec::new();
    // zk: PrepRequestProcessor.getParentPathAndCheck
    DeleteRequest { path: String::new(), version: -1 }.encode(&mut body);
    Request { op_code: OpCode::Delete.code(), body: body.into(), ..request.clone() }
}
