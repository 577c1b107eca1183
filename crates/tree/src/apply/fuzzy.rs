use jute::txn::TxnHeader;
use jute::{OpCode, Txn, TxnRecord};

use super::{ApplyError, ApplyErrorKind, Creation};
use crate::path;
use crate::state::State;
use crate::watches::Trigger;

impl State {
    /// Applies a transaction to a state that may already hold its effects, or those of later ones.
    ///
    /// A snapshot of the reference is taken while transactions go on. Replaying these over it converges: what cannot be
    /// done was done already or will be undone. Digests are neither compared nor recorded, and no watch fires.
    ///
    /// What lies below a znode that is deleted goes with it: it was created later and will be created again.
    // zk: FileTxnSnapLog.processTransaction, DataTree.processTxn
    // diverges(fuzzy-delete-subtree): the reference leaves znodes without a parent behind when it deletes one that has children
    pub fn apply_fuzzy(&mut self, record: &TxnRecord) -> Result<(), ApplyError> {
        self.arena_mut().forget_old_values();
        let header = &record.header;
        match &record.txn {
            Txn::Multi(parts) if parts.iter().any(|part| matches!(part, Txn::Error(_))) => {}
            Txn::Multi(parts) => {
                for part in parts {
                    self.apply_tolerantly(header, part)?;
                }
            }
            txn @ (Txn::CreateSession(_)
            | Txn::CloseSession(_)
            | Txn::Create(_)
            | Txn::Create2(_)
            | Txn::CreateContainer(_)
            | Txn::CreateTtl(_)
            | Txn::Delete(_)
            | Txn::DeleteContainer(_)
            | Txn::SetData(_)
            | Txn::Reconfig(_)
            | Txn::SetAcl(_)
            | Txn::Check(_)
            | Txn::Error(_)) => self.apply_tolerantly(header, txn)?,
        }
        self.advance(header.zxid);
        Ok(())
    }

    fn apply_tolerantly(&mut self, header: &TxnHeader, txn: &Txn) -> Result<(), ApplyError> {
        let mut nobody = |_: Trigger<'_>| ();
        let outcome = match txn {
            Txn::CreateSession(txn) => {
                self.open_session(header.client_id, txn.time_out);
                Ok(())
            }
            Txn::CloseSession(txn) => {
                for path in txn.iter().flat_map(|txn| &txn.paths_to_delete) {
                    self.remove_descendants(path);
                }
                self.apply_close_session(header, txn.as_ref(), &mut nobody).map(drop)
            }
            Txn::Create(txn) => self.create_over(header, &Creation::of_create(OpCode::Create, txn)),
            Txn::Create2(txn) => self.create_over(header, &Creation::of_create(OpCode::Create2, txn)),
            Txn::CreateContainer(txn) => self.create_over(header, &Creation::of_container(txn)),
            Txn::CreateTtl(txn) => self.create_over(header, &Creation::of_ttl(txn)),
            Txn::Delete(txn) | Txn::DeleteContainer(txn) => {
                self.remove_descendants(&txn.path);
                self.delete(&txn.path, header.zxid, &mut nobody)
            }
            Txn::SetData(txn) | Txn::Reconfig(txn) => {
                let when = (header.zxid, header.time);
                self.set_data(&txn.path, txn.data.as_deref(), txn.version, when, &mut nobody).map(drop)
            }
            Txn::SetAcl(txn) => self.set_acl(&txn.path, txn.acl.as_deref(), txn.version).map(drop),
            Txn::Check(_) | Txn::Error(_) => Ok(()),
            Txn::Multi(_) => Err(ApplyErrorKind::InvalidPart),
        };
        match outcome {
            Ok(()) | Err(ApplyErrorKind::NoNode) => Ok(()),
            Err(kind) => {
                Err(ApplyError { zxid: header.zxid, path: super::strict::path_of(txn).into(), kind })
            }
        }
    }

    /// Creates a znode, or brings one that exists as far as the reference does: its ACL is that of this creation, and,
    /// only when it was made by a plain create, its parent notes the creation.
    fn create_over(&mut self, header: &TxnHeader, creation: &Creation<'_>) -> Result<(), ApplyErrorKind> {
        match self.create(&creation.new_node(header)?, &mut |_| ()) {
            Err(ApplyErrorKind::NodeExists) => {}
            outcome => return outcome.map(drop),
        }
        if let Some(id) = self.arena().find(creation.path) {
            self.replace_acl(id, creation.acl);
        }
        if creation.op == OpCode::Create
            && let Some((parent_path, _)) = path::split(creation.path)
            && let Some(parent) = self.arena().find(parent_path)
        {
            self.raise_cversion(parent, parent_path, creation.parent_cversion, header.zxid);
        }
        Ok(())
    }
}
