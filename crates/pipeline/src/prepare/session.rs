use alloc::vec::Vec;

use jute::txn::{CloseSessionTxn, CreateSessionTxn};
use jute::{ErrorCode, SessionId, Txn};

use super::{Prepare, Stamp};
use crate::sessions::Owner;

impl Prepare<'_> {
    // zk: PrepRequestProcessor.pRequest2Txn, createSession
    pub(super) fn create_session(
        &mut self,
        session: SessionId,
        timeout_ms: i32,
        owner: Owner,
    ) -> Result<Txn, ErrorCode> {
        self.sessions.set_owner(session, owner)?;
        Ok(Txn::CreateSession(CreateSessionTxn { time_out: timeout_ms }))
    }

    /// Closing checks nothing, for expiry closes too and owns no session.
    // zk: PrepRequestProcessor.pRequest2Txn, closeSession
    pub(super) fn close_session(&mut self, session: SessionId, stamp: Stamp) -> Txn {
        let paths = self.view().ephemerals(session);
        for path in &paths {
            let Some((parent_path, _)) = tree::path::split(path) else { continue };
            if let (Some(parent), Some(node)) = (self.view().node(parent_path), self.view().node(path)) {
                self.put_delete(stamp, parent_path, parent, path, &node);
            }
        }
        self.changes.forget_session(session);
        self.sessions.set_closing(session);
        let paths_to_delete: Vec<_> = paths.into_iter().collect();
        Txn::CloseSession(self.settings.close_session_txn.then_some(CloseSessionTxn { paths_to_delete }))
    }
}
