use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jute::txn::{CloseSessionTxn, TxnDigest, TxnHeader};
use jute::{ErrorCode, OpCode, Txn, TxnRecord, Zxid};

use super::{ApplyError, ApplyErrorKind, ClosedEphemeral, Creation, OpResult, TxnResult};
use crate::digest::{self, DigestCheck, DigestMismatch};
use crate::state::{NodeId, NodeView, State};
use crate::watches::Trigger;

impl State {
    /// Applies a committed transaction and tells what watches may fire for, in that order, each right after its change.
    ///
    /// * The last zxid moves once, after the whole transaction.
    /// * On `Err` the transaction may be applied, and told of, in part; the state is of no further use.
    // zk: DataTree.processTxn
    // diverges(apply-error-halts): the reference goes on after a transaction that it cannot apply
    pub fn apply<'r>(
        &mut self,
        record: &'r TxnRecord,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<TxnResult<'r>, ApplyError> {
        self.arena_mut().forget_old_values();
        let header = &record.header;
        let result = self.apply_txn(header, &record.txn, tell).map_err(|kind| {
            let path = path_of(&record.txn).to_string();
            ApplyError { zxid: header.zxid, path, kind }
        })?;
        self.advance(header.zxid);
        self.record_digest(header.zxid);
        Ok(TxnResult { result, digest: self.compare_digest(record) })
    }

    fn apply_txn<'r>(
        &mut self,
        header: &TxnHeader,
        txn: &'r Txn,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<OpResult<'r>, ApplyErrorKind> {
        match txn {
            Txn::CreateSession(txn) => {
                self.open_session(header.client_id, txn.time_out);
                Ok(OpResult::SessionCreated { timeout_ms: txn.time_out })
            }
            Txn::CloseSession(txn) => self.apply_close_session(header, txn.as_ref(), tell),
            Txn::Multi(parts) if parts.iter().any(|part| matches!(part, Txn::Error(_))) => {
                Ok(OpResult::Multi(results_of_failed(parts)))
            }
            Txn::Multi(parts) => {
                let results = parts.iter().map(|part| self.apply_part(header, part, tell));
                results.collect::<Result<_, _>>().map(OpResult::Multi)
            }
            Txn::SetAcl(txn) => {
                let id = self.set_acl(&txn.path, txn.acl.as_deref(), txn.version)?;
                Ok(OpResult::AclSet { path: &txn.path, stat: self.stat_of(id) })
            }
            Txn::Reconfig(_)
            | Txn::Create(_)
            | Txn::Create2(_)
            | Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::Delete(_)
            | Txn::DeleteContainer(_)
            | Txn::SetData(_)
            | Txn::Check(_)
            | Txn::Error(_) => self.apply_part(header, txn, tell),
        }
    }

    /// Applies what can also be a part of a multi.
    fn apply_part<'r>(
        &mut self,
        header: &TxnHeader,
        txn: &'r Txn,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<OpResult<'r>, ApplyErrorKind> {
        match txn {
            Txn::Create(txn) => self.apply_create(header, &Creation::of_create(OpCode::Create, txn), tell),
            Txn::Create2(txn) => self.apply_create(header, &Creation::of_create(OpCode::Create2, txn), tell),
            Txn::CreateContainer(txn) => self.apply_create(header, &Creation::of_container(txn), tell),
            Txn::CreateTtl(txn) => self.apply_create(header, &Creation::of_ttl(txn), tell),
            Txn::Delete(txn) | Txn::DeleteContainer(txn) => {
                self.delete(&txn.path, header.zxid, tell)?;
                Ok(OpResult::Deleted { path: &txn.path })
            }
            Txn::SetData(txn) | Txn::Reconfig(txn) => {
                let when = (header.zxid, header.time);
                let id = self.set_data(&txn.path, txn.data.as_deref(), txn.version, when, tell)?;
                Ok(OpResult::DataSet { path: &txn.path, stat: self.stat_of(id) })
            }
            Txn::Check(txn) => Ok(OpResult::Checked { path: &txn.path }),
            Txn::Error(txn) => Ok(OpResult::Error { code: txn.err }),
            Txn::CreateSession(_) | Txn::CloseSession(_) | Txn::SetAcl(_) | Txn::Multi(_) => {
                Err(ApplyErrorKind::InvalidPart)
            }
        }
    }

    fn apply_create<'r>(
        &mut self,
        header: &TxnHeader,
        creation: &Creation<'r>,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<OpResult<'r>, ApplyErrorKind> {
        let id = self.create(&creation.new_node(header)?, tell)?;
        Ok(OpResult::Created { op: creation.op, path: creation.path, stat: self.stat_of(id) })
    }

    /// Ends a session: first the listed znodes, whoever owns them, then those of the session that are not listed.
    ///
    /// A listed znode that is not there is passed over; its parent notes the deletion nevertheless.
    // zk: DataTree.killSession, DataTree.deleteNodes
    pub(super) fn apply_close_session(
        &mut self,
        header: &TxnHeader,
        txn: Option<&CloseSessionTxn>,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<OpResult<'static>, ApplyErrorKind> {
        let own = self.close_session(header.client_id);
        let listed = txn.map(|txn| txn.paths_to_delete.as_slice()).unwrap_or_default();
        let mut closed = Vec::with_capacity(listed.len().max(own.len()));
        for path in listed {
            closed.push(self.close_ephemeral(path, header.zxid, tell)?);
        }
        for path in own.iter().filter(|path| txn.is_none() || self.node(path).is_some()).collect::<Vec<_>>() {
            closed.push(self.close_ephemeral(path, header.zxid, tell)?);
        }
        Ok(OpResult::SessionClosed(closed))
    }

    fn close_ephemeral(
        &mut self,
        path: &str,
        zxid: Zxid,
        tell: &mut dyn FnMut(Trigger<'_>),
    ) -> Result<ClosedEphemeral, ApplyErrorKind> {
        let was_deleted = match self.delete(path, zxid, tell) {
            Ok(()) => true,
            Err(ApplyErrorKind::NoNode) => false,
            Err(error) => return Err(error),
        };
        Ok(ClosedEphemeral { path: String::from(path), was_deleted })
    }

    /// The digest is compared when the leader computed one in the same way.
    // zk: DataTree.compareDigest
    fn compare_digest(&self, record: &TxnRecord) -> DigestCheck {
        let actual = self.digest();
        match record.digest {
            Some(TxnDigest { version, tree_digest: expected })
                if version == digest::VERSION && self.settings().digest_enabled =>
            {
                match expected == actual {
                    true => DigestCheck::Equal,
                    false => DigestCheck::Differs(DigestMismatch { expected, actual }),
                }
            }
            Some(_) | None => DigestCheck::NotCompared,
        }
    }

    fn stat_of(&self, id: NodeId) -> jute::data::Stat {
        NodeView::new(self, id).stat()
    }
}

/// A multi that failed changes nothing. Parts before the first error are told that nothing was wrong with them, those
/// after it that the state is not what they expected.
// zk: DataTree.processTxn: case multi
fn results_of_failed(parts: &[Txn]) -> Vec<OpResult<'static>> {
    let mut code_of_others = ErrorCode::Ok.code();
    let results = parts.iter().map(|part| match part {
        Txn::Error(txn) => {
            code_of_others = ErrorCode::RuntimeInconsistency.code();
            OpResult::Error { code: txn.err }
        }
        Txn::Create(_)
        | Txn::Create2(_)
        | Txn::CreateContainer(_)
        | Txn::CreateTtl(_)
        | Txn::Delete(_)
        | Txn::DeleteContainer(_)
        | Txn::SetData(_)
        | Txn::Reconfig(_)
        | Txn::SetAcl(_)
        | Txn::Check(_)
        | Txn::CreateSession(_)
        | Txn::CloseSession(_)
        | Txn::Multi(_) => OpResult::Error { code: code_of_others },
    });
    results.collect()
}

/// The path of a transaction, for the error that names it.
pub(super) fn path_of(txn: &Txn) -> &str {
    match txn {
        Txn::Create(txn) | Txn::Create2(txn) => &txn.path,
        Txn::CreateContainer(txn) => &txn.path,
        Txn::CreateTtl(txn) => &txn.path,
        Txn::Delete(txn) | Txn::DeleteContainer(txn) => &txn.path,
        Txn::SetData(txn) | Txn::Reconfig(txn) => &txn.path,
        Txn::SetAcl(txn) => &txn.path,
        Txn::Check(txn) => &txn.path,
        Txn::CreateSession(_) | Txn::CloseSession(_) | Txn::Multi(_) | Txn::Error(_) => "",
    }
}
