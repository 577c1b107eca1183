//! The sessions behind one link to the leader: those of our own clients, and of the observers that we serve.
//!
//! * The leader's answers come in the order in which it was asked, so who asked is known by the place in a queue.
//! * The leader tells owners of a session apart by their link, and sees only one here: who had the session before it came
//!   back here is refused here.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use jute::proto::DeleteRequest;
use jute::{OpCode, Record, SessionId, Txn, TxnRecord};
use zab::{LinkId, Request};

/// Who is behind the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Clients of our own.
    Clients,
    /// An observer that we serve.
    Observer(LinkId),
}

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct SharedLink {
    /// Sessions that the leader was asked about, oldest first.
    asked: VecDeque<Revalidation>,
    /// Who has a session that an observer has or had. Of others nothing is known: they are ours, or local ones of an observer.
    owners: BTreeMap<SessionId, Owner>,
}

/// Who has a session.
#[derive(Debug, Clone, Copy)]
struct Owner {
    /// Nobody, once the observer that had it is gone: all that others send from now on is late.
    who: Option<Behind>,
    /// Something was asked for, or heard, since it has the session: its client lived when it came.
    has_asked: bool,
    refused: Option<Refused>,
}

/// A request of somebody else was refused.
#[derive(Debug, Clone, Copy)]
struct Refused {
    link: LinkId,
    cxid: i32,
    /// Who waited there has the answer.
    is_answered: bool,
}

impl Owner {
    fn of(who: Behind) -> Self {
        Self { who: Some(who), has_asked: false, refused: None }
    }
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
            Some(owner) => *owner = Owner::of(by),
            None if by != Behind::Clients => {
                self.owners.insert(session, Owner::of(by));
            }
            None => {}
        }
    }

    /// The leader has answered.
    pub(super) fn take(&mut self, session: SessionId, is_valid: bool) -> Option<Revalidation> {
        let place = self.asked.iter().position(|asked| asked.session == session)?;
        let asked = self.asked.remove(place)?;
        if !is_valid && self.owners.get(&session).is_some_and(|owner| owner.who == Some(asked.by)) {
            self.owners.remove(&session);
        }
        Some(asked)
    }

    /// What goes up for a request of an observer's client. Nothing does when the client may live there: where the session came last
    /// nobody has asked for anything, or a client goes on asking that was told of a refusal. It finds another way once its
    /// observer is sent away.
    // diverges(session-behind-an-observer-master): the reference takes late requests of a session that moved between an
    // observer master and its observers, behind requests that the client sent later
    pub(super) fn request(&mut self, link: LinkId, request: Request) -> Option<Request> {
        let behind = Behind::Observer(link);
        if request.op_code == OpCode::CreateSession.code() {
            self.owners.insert(request.session, Owner::of(behind));
        }
        if self.admits(request.session, request.op_code, behind) {
            return Some(request);
        }
        let owner = self.owners.get_mut(&request.session).filter(|owner| owner.has_asked)?;
        let now = Refused { link, cxid: request.cxid, is_answered: false };
        let before = owner.refused.filter(|refused| refused.link == link);
        owner.refused = Some(before.unwrap_or(now));
        before.is_none_or(|refused| !refused.is_answered).then(|| refused(&request))
    }

    /// Whether the session is where its client was seen last. It may be closed from everywhere, and a sync changes nothing.
    // zk: PrepRequestProcessor.pRequest2Txn: closeSession does not ask whose the session is
    pub(super) fn admits(&mut self, session: SessionId, op_code: i32, behind: Behind) -> bool {
        let Some(owner) = self.owners.get_mut(&session) else { return true };
        let has_it = owner.who == Some(behind);
        owner.has_asked |= has_it;
        has_it || [OpCode::CloseSession, OpCode::Sync].iter().any(|op| op.code() == op_code)
    }

    /// Our own clients have said something: those who have their session live here.
    pub(super) fn heard(&mut self, sessions: &[SessionId]) {
        for session in sessions {
            if let Some(owner) =
                self.owners.get_mut(session).filter(|owner| owner.who == Some(Behind::Clients))
            {
                owner.has_asked = true;
            }
        }
    }

    /// A transaction goes down: it may be the answer to what was refused, or the end of a session.
    pub(super) fn committed(&mut self, record: &TxnRecord) {
        let session = record.header.client_id;
        if matches!(record.txn, Txn::CloseSession(_)) {
            self.owners.remove(&session);
        }
        let refused = self.owners.get_mut(&session).and_then(|owner| owner.refused.as_mut());
        if let Some(refused) = refused.filter(|refused| refused.cxid == record.header.cxid) {
            refused.is_answered = true;
        }
    }

    /// An observer is gone, and all that it sent has come. Its clients ask before they go on, wherever they do.
    pub(super) fn lost(&mut self, link: LinkId) {
        self.owners
            .values_mut()
            .filter(|owner| owner.who == Some(Behind::Observer(link)))
            .for_each(|owner| owner.who = None);
    }
}

/// A request that every leader refuses: the observer waits for a transaction that answers the one that came.
fn refused(request: &Request) -> Request {
    let mut body = Vec::new();
    // zk: PrepRequestProcessor.getParentPathAndCheck
    DeleteRequest { path: String::new(), version: -1 }.encode(&mut body);
    Request { op_code: OpCode::Delete.code(), body: body.into(), ..request.clone() }
}
