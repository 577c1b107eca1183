//! From a request to a transaction: every check in the reference's order, against the state and the changes under way.
//!
//! * Each request yields exactly one transaction under the zxid it is given, if only an error transaction.
//! * What a transaction will change is recorded in [`ChangesInFlight`] exactly as applying it leaves it, so its digest
//!   is the digest of the tree afterwards.
//! * Nothing that fails leaves a change behind.
// zk: PrepRequestProcessor

mod acl;
mod create;
mod data;
mod delete;
mod multi;
mod quota;
mod reconfig;
mod session;

use alloc::vec::Vec;

use jute::data::Id;
use jute::txn::{ErrorTxn, TxnDigest, TxnHeader};
use jute::{ErrorCode, SessionId, Txn, TxnRecord, Zxid, perms};
use tree::{State, digest};

use crate::auth;
use crate::changes::{ChangesInFlight, Node, Seen, View};
use crate::request::Request;
use crate::sessions::{Owner, SessionTracker};
use crate::settings::PipelineSettings;

pub use quota::QuotaWarning;
pub use reconfig::Ensemble;

/// All that preparing reads and writes.
pub struct Prepare<'a> {
    /// The settings.
    pub settings: &'a PipelineSettings,
    /// The applied state.
    pub state: &'a State,
    /// What is under way on top of it.
    pub changes: &'a mut ChangesInFlight,
    /// Who is alive.
    pub sessions: &'a mut SessionTracker,
    /// Quotas that a request went over; the log says so, softly or with an error to the client.
    pub warnings: &'a mut Vec<QuotaWarning>,
    /// The ensemble, at its leader.
    pub ensemble: Option<&'a dyn Ensemble>,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The session; zero when the server asks itself.
    pub session: SessionId,
    /// The xid of the request.
    pub xid: i32,
    /// Where the session is attached.
    pub owner: Owner,
    /// Who the client is.
    pub identities: &'a [Id],
}

/// What the transaction is stamped with.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Its zxid.
    pub zxid: Zxid,
    /// Wall time.
    pub wall_ms: i64,
}

/// A transaction, ready for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The transaction.
    pub record: TxnRecord,
    /// What went wrong, in the whole or in a part of a multi.
    pub error: Option<ErrorCode>,
}

impl<'a> Prepare<'a> {
    /// Prepares a client's request.
    ///
    /// Requests that never become a transaction yield an error transaction: the caller does not send them here.
    // zk: PrepRequestProcessor.pRequestHelper, pRequest2Txn
    pub fn request(&mut self, asker: &Asker<'_>, stamp: Stamp, request: Request) -> Prepared {
        let outcome = match request {
            Request::Create(request) => self.create(asker, stamp, create::Create::plain(request)),
            Request::Create2(request) => self.create(asker, stamp, create::Create::plain2(request)),
            Request::CreateContainer(request) => {
                self.create(asker, stamp, create::Create::container(request))
            }
            Request::CreateTtl(request) => self.create(asker, stamp, create::Create::ttl(request)),
            Request::Delete(request) => self.delete(asker, stamp, request),
            Request::DeleteContainer(_) => self.refuse_delete_container(asker),
            Request::SetData(request) => self.set_data(asker, stamp, request),
            Request::SetAcl(request) => self.set_acl(asker, stamp, request),
            Request::Reconfig(request) => self.reconfig(asker, stamp, &request),
            Request::CloseSession => Ok(self.close_session(asker.session, stamp)),
            Request::CreateSession(request) => {
                self.create_session(asker.session, request.time_out, asker.owner)
            }
            Request::Multi(request) => return self.multi(asker, stamp, request),
            Request::Exists(_)
            | Request::GetData(_)
            | Request::GetAcl(_)
            | Request::GetChildren(_)
            | Request::GetChildren2(_)
            | Request::Sync(_)
            | Request::Ping
            | Request::Check
            | Request::MultiRead(_)
            | Request::CheckWatches(_)
            | Request::RemoveWatches(_)
            | Request::Auth(_)
            | Request::SetWatches(_)
            | Request::SetWatches2(_)
            | Request::Sasl(_)
            | Request::GetEphemerals(_)
            | Request::GetAllChildrenNumber(_)
            | Request::AddWatch(_)
            | Request::WhoAmI => Err(ErrorCode::Unimplemented),
        };
        self.finish(asker.session, asker.xid, stamp, outcome)
    }

    /// Deletes a container or TTL znode on the server's own behalf.
    pub fn expire_node(&mut self, path: &str, stamp: Stamp) -> Prepared {
        let outcome = self.delete_container(path, stamp);
        self.finish(SessionId::NONE, 0, stamp, outcome)
    }

    /// Begins a session that the tracker knows already.
    pub fn begin_session(&mut self, session: SessionId, timeout_ms: i32, stamp: Stamp) -> Prepared {
        let outcome = self.create_session(session, timeout_ms, Owner::Here);
        self.finish(session, 0, stamp, outcome)
    }

    /// Refuses a request that another server's client waits for: what was forwarded ends in a transaction, come what may.
    pub fn refuse(&mut self, session: SessionId, xid: i32, stamp: Stamp, code: ErrorCode) -> Prepared {
        self.finish(session, xid, stamp, Err(code))
    }

    /// Ends a session, whoever decided that.
    pub fn end_session(&mut self, session: SessionId, stamp: Stamp) -> Prepared {
        let txn = self.close_session(session, stamp);
        self.finish(session, 0, stamp, Ok(txn))
    }

    fn finish(
        &self,
        session: SessionId,
        xid: i32,
        stamp: Stamp,
        outcome: Result<Txn, ErrorCode>,
    ) -> Prepared {
        match outcome {
            Ok(txn) => {
                let digest = self.digest();
                Prepared { record: record(session, xid, stamp, txn, digest), error: None }
            }
            // zk: an error transaction carries no digest, as none was computed before the check that failed
            Err(code) => {
                let txn = Txn::Error(ErrorTxn { err: code.code() });
                Prepared { record: record(session, xid, stamp, txn, None), error: Some(code) }
            }
        }
    }

    /// The digest of the tree after all that is prepared so far.
    // zk: PrepRequestProcessor.setTxnDigest
    fn digest(&self) -> Option<TxnDigest> {
        let tree_digest = || self.view().tree_digest();
        self.settings
            .digest_enabled
            .then(|| TxnDigest { version: digest::VERSION, tree_digest: tree_digest() })
    }

    fn view(&self) -> View<'_, 'a> {
        self.changes.view(self.state)
    }

    // zk: PrepRequestProcessor.getRecordForPath
    fn node(&self, path: &str) -> Result<Node, ErrorCode> {
        self.view().node(path).ok_or(ErrorCode::NoNode)
    }

    /// The same with what the state has, for who changes it.
    fn look(&self, path: &str) -> Result<Seen<'a>, ErrorCode> {
        self.changes.view(self.state).look(path).ok_or(ErrorCode::NoNode)
    }

    fn put(&mut self, stamp: Stamp, path: &str, node: Option<Node>) {
        self.changes.put(self.state, stamp.zxid, path, node);
    }

    // zk: SessionTracker.checkSession
    fn check_session(&mut self, asker: &Asker<'_>) -> Result<(), ErrorCode> {
        self.sessions.check(asker.session, asker.owner)
    }

    // zk: ZooKeeperServer.checkACL
    fn check_acl(&self, asker: &Asker<'_>, node: &Node, wanted: i32) -> Result<(), ErrorCode> {
        debug_assert!(wanted & perms::ALL == wanted, "a permission that exists");
        let allowed = auth::is_allowed(self.settings, &node.acl, wanted, asker.identities);
        allowed.then_some(()).ok_or(ErrorCode::NoAuth)
    }
}

/// Parent of a path whose last part may still be wrong.
// zk: PrepRequestProcessor.validatePathForCreate, getParentPathAndValidate
fn parent_of(path: &str) -> Result<&str, ErrorCode> {
    let (parent, _) = tree::path::split(path).ok_or(ErrorCode::BadArguments)?;
    (!path.contains('\0')).then_some(parent).ok_or(ErrorCode::BadArguments)
}

fn validate_path(path: &str) -> Result<(), ErrorCode> {
    tree::path::validate(path).map_err(|_| ErrorCode::BadArguments)
}

/// The version after a change, if the client's expectation holds.
// zk: PrepRequestProcessor.checkAndIncVersion: -1 expects nothing, the sum wraps
fn next_version(current: i32, expected: i32) -> Result<i32, ErrorCode> {
    const ANY: i32 = -1;
    match expected == ANY || expected == current {
        true => Ok(current.wrapping_add(1)),
        false => Err(ErrorCode::BadVersion),
    }
}

fn record(session: SessionId, xid: i32, stamp: Stamp, txn: Txn, digest: Option<TxnDigest>) -> TxnRecord {
    let header = TxnHeader {
        client_id: session,
        cxid: xid,
        zxid: stamp.zxid,
        time: stamp.wall_ms,
        op_code: txn.op_code().code(),
    };
    TxnRecord { header, txn, digest }
}

#[cfg(test)]
mod tests;
