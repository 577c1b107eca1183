use jute::txn::{CheckVersionTxn, SetACLTxn, SetDataTxn};
use jute::{ErrorCode, Txn, perms, proto};

use super::{Asker, Prepare, Stamp, next_version, validate_path};
use crate::changes::{Data, Seen, data_len};

impl Prepare<'_> {
    // zk: PrepRequestProcessor.pRequest2Txn, setData
    pub(super) fn set_data(
        &mut self,
        asker: &Asker<'_>,
        stamp: Stamp,
        request: proto::SetDataRequest,
    ) -> Result<Txn, ErrorCode> {
        self.check_session(asker)?;
        let proto::SetDataRequest { path, data, version } = request;
        validate_path(&path)?;
        let Seen { mut node, applied } = self.look(&path)?;
        self.check_acl(asker, &node, perms::WRITE)?;
        let added = match self.settings.enforce_quota {
            true => data_len(data.as_deref()) - data_len(self.view().data(&path, &node)),
            false => 0,
        };
        self.check_quota(stamp, &path, added, 0)?;
        let version = next_version(node.stat.version, version)?;
        node.stat.version = version;
        node.stat.mtime = stamp.wall_ms;
        node.stat.mzxid = stamp.zxid;
        node.data = Data::New(data.clone());
        self.changes.put_over(self.state, stamp.zxid, &path, || applied, Some(node));
        self.count(stamp, &path, added, 0);
        Ok(Txn::SetData(SetDataTxn { path, data, version }))
    }

    // zk: PrepRequestProcessor.pRequest2Txn, setACL
    pub(super) fn set_acl(
        &mut self,
        asker: &Asker<'_>,
        stamp: Stamp,
        request: proto::SetACLRequest,
    ) -> Result<Txn, ErrorCode> {
        self.check_session(asker)?;
        let proto::SetACLRequest { path, acl, version } = request;
        validate_path(&path)?;
        let acl = self.fix_acl(asker, acl.as_deref())?;
        let mut node = self.node(&path)?;
        self.check_acl(asker, &node, perms::ADMIN)?;
        let version = next_version(node.stat.aversion, version)?;
        node.stat.aversion = version;
        // diverges(acl-in-flight): the reference goes on checking against the old list until the new one is applied
        node.acl = acl.as_slice().into();
        self.put(stamp, &path, Some(node));
        Ok(Txn::SetAcl(SetACLTxn { path, acl: Some(acl), version }))
    }

    // zk: PrepRequestProcessor.pRequest2Txn, check
    pub(super) fn check(
        &mut self,
        asker: &Asker<'_>,
        request: proto::CheckVersionRequest,
    ) -> Result<Txn, ErrorCode> {
        self.check_session(asker)?;
        let proto::CheckVersionRequest { path, version } = request;
        validate_path(&path)?;
        let node = self.node(&path)?;
        self.check_acl(asker, &node, perms::READ)?;
        let version = next_version(node.stat.version, version)?;
        Ok(Txn::Check(CheckVersionTxn { path, version }))
    }
}
