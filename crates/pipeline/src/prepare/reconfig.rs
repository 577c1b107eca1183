//! Changes of the membership, which only a leader makes.

use alloc::string::ToString;

use bytes::Bytes;
use ensemble::{Change, Refused, Rules, Verifier};
use jute::txn::SetDataTxn;
use jute::{ErrorCode, Txn, perms, proto};

use super::{Asker, Prepare, Stamp};
use crate::changes::Data;

/// What a change of the membership must know of the ensemble; a leader knows it.
pub trait Ensemble {
    /// The membership in force.
    fn current(&self) -> &Verifier;
    /// The last one that was proposed; the one in force when none is under way.
    fn last_seen(&self) -> &Verifier;
    /// Whether a quorum of a membership follows and is up to date.
    fn has_synced_quorum(&self, verifier: &Verifier) -> bool;
}

impl Prepare<'_> {
    // zk: PrepRequestProcessor.pRequest2Txn, reconfig
    pub(super) fn reconfig(
        &mut self,
        asker: &Asker<'_>,
        stamp: Stamp,
        request: &proto::ReconfigRequest,
    ) -> Result<Txn, ErrorCode> {
        if !self.settings.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled);
        }
        self.check_session(asker)?;
        let ensemble = self.ensemble.ok_or(ErrorCode::Unimplemented)?;
        let last_seen = ensemble.last_seen();
        if last_seen.version != ensemble.current().version {
            return Err(ErrorCode::ReconfigInProgress);
        }
        if request.cur_config_id != ANY && request.cur_config_id != last_seen.version {
            return Err(ErrorCode::BadVersion);
        }
        let rules = Rules {
            standalone_enabled: self.settings.standalone_enabled,
            multi_address: self.settings.multi_address,
        };
        let verifier =
            last_seen.changed(change(request), stamp.zxid.0, rules).map_err(|refused| match refused {
                Refused::BadArguments(_) => ErrorCode::BadArguments,
                Refused::Unreadable(_) => ErrorCode::MarshallingError,
            })?;
        if !ensemble.has_synced_quorum(&verifier) {
            return Err(ErrorCode::NewConfigNoQuorum);
        }
        let mut node = self.node(tree::path::CONFIG)?;
        self.check_acl(asker, &node, perms::WRITE)?;
        let data = Some(Bytes::from(verifier.to_string()));
        node.stat.version = ANY_VERSION;
        node.stat.mtime = stamp.wall_ms;
        node.stat.mzxid = stamp.zxid;
        node.data = Data::New(data.clone());
        self.put(stamp, tree::path::CONFIG, Some(node));
        Ok(Txn::Reconfig(SetDataTxn { path: tree::path::CONFIG.to_string(), data, version: ANY_VERSION }))
    }
}

/// The client does not say which membership it wants to change.
const ANY: i64 = -1;
/// The version of the node never changes.
const ANY_VERSION: i32 = -1;

fn change(request: &proto::ReconfigRequest) -> Change<'_> {
    match request.new_members.as_deref() {
        Some(members) => Change::Members(members),
        None => Change::Incremental {
            joining: request.joining_servers.as_deref(),
            leaving: request.leaving_servers.as_deref(),
        },
    }
}

#[cfg(test)]
mod tests;
