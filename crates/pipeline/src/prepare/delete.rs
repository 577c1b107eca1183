use alloc::string::String;

use jute::txn::DeleteTxn;
use jute::{ErrorCode, Txn, perms, proto};
use tree::ephemeral_owner::{self, OwnerKind};

use super::{Asker, Prepare, Stamp, next_version, parent_of};
use crate::changes::{Node, data_len};

impl Prepare<'_> {
    // zk: PrepRequestProcessor.pRequest2Txn, delete
    pub(super) fn delete(
        &mut self,
        asker: &Asker<'_>,
        stamp: Stamp,
        request: proto::DeleteRequest,
    ) -> Result<Txn, ErrorCode> {
        self.check_session(asker)?;
        let proto::DeleteRequest { path, version } = request;
        let parent_path = parent_of_deletable(&path)?;
        let parent = self.node(parent_path)?;
        self.check_acl(asker, &parent, perms::DELETE)?;
        let node = self.node(&path)?;
        next_version(node.stat.version, version)?;
        if node.child_count > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.put_delete(stamp, parent_path, parent, &path, &node);
        Ok(Txn::Delete(DeleteTxn { path }))
    }

    /// A client may not do what the server does by itself.
    // diverges(delete-container-by-client): the reference deletes any empty znode for any client, without a look at session or ACL
    pub(super) fn refuse_delete_container(&mut self, asker: &Asker<'_>) -> Result<Txn, ErrorCode> {
        self.check_session(asker)?;
        Err(ErrorCode::NoAuth)
    }

    // zk: PrepRequestProcessor.pRequest2Txn, deleteContainer
    pub(super) fn delete_container(&mut self, path: &str, stamp: Stamp) -> Result<Txn, ErrorCode> {
        let parent_path = parent_of_deletable(path)?;
        let node = self.node(path)?;
        if node.child_count > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        let kind = ephemeral_owner::kind(node.stat.ephemeral_owner, &self.settings.state());
        if kind.map_err(|_| ErrorCode::MarshallingError)? == OwnerKind::Session {
            return Err(ErrorCode::BadVersion);
        }
        let parent = self.node(parent_path)?;
        self.put_delete(stamp, parent_path, parent, path, &node);
        Ok(Txn::DeleteContainer(DeleteTxn { path: String::from(path) }))
    }

    pub(super) fn put_delete(
        &mut self,
        stamp: Stamp,
        parent_path: &str,
        mut parent: Node,
        path: &str,
        node: &Node,
    ) {
        parent.child_count = parent.child_count.saturating_sub(1);
        parent.stat.pzxid = parent.stat.pzxid.max(stamp.zxid);
        let bytes = match self.settings.enforce_quota {
            true => data_len(self.view().data(path, node)),
            false => 0,
        };
        self.put(stamp, parent_path, Some(parent));
        self.put(stamp, path, None);
        self.count(stamp, path, -bytes, -1);
    }
}

// zk: PrepRequestProcessor.getParentPathAndValidate
pub(super) fn parent_of_deletable(path: &str) -> Result<&str, ErrorCode> {
    let parent = parent_of(path)?;
    (!tree::path::is_special(path)).then_some(parent).ok_or(ErrorCode::BadArguments)
}
