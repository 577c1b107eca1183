use alloc::vec::Vec;

use jute::{
    ErrorCode, Record, SessionId, Zxid,
    data::{Acl, ClientInfo, Id},
    perms, proto, write, xid,
};
use tree::{
    ConnectionId, NodeView,
    acl::{AclSettings, Provider},
    watches::WatchKind,
};

use super::{StateView, WatchAccess, redact::redacted};
use crate::{
    auth,
    outbox::{Answered, CloseReason, Outbox, last_op_name},
    request::Request,
    settings::PipelineSettings,
    time::Millis,
};

/// One request that is answered from the state, with all that it may look at.
pub(super) struct Local<'a> {
    pub(super) view: StateView<'a>,
    pub(super) watches: &'a dyn WatchAccess,
    pub(super) outbox: &'a mut Outbox,
    pub(super) settings: &'a PipelineSettings,
    pub(super) identities: &'a [Id],
    pub(super) connection: ConnectionId,
    pub(super) session: SessionId,
    pub(super) xid: i32,
    pub(super) received: Millis,
    pub(super) now: Millis,
}

/// Looks at znodes with the eyes of one client.
#[derive(Clone, Copy)]
pub(super) struct NodeReader<'a> {
    view: StateView<'a>,
    settings: &'a PipelineSettings,
    identities: &'a [Id],
}

impl<'a> NodeReader<'a> {
    /// The znode, if it exists and the identities have one of `needed`, checked in this order.
    pub(super) fn readable(&self, path: &str, needed: i32) -> Result<NodeView<'a>, ErrorCode> {
        let node = self.view.state.node(path).ok_or(ErrorCode::NoNode)?;
        self.check_acl(&node, needed)?;
        Ok(node)
    }

    fn check_acl(&self, node: &NodeView<'_>, needed: i32) -> Result<(), ErrorCode> {
        if auth::is_allowed(self.settings, node.acl(), needed, self.identities) {
            Ok(())
        } else {
            Err(ErrorCode::NoAuth)
        }
    }
}

/// Why there is no reply with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The reply carries this code.
    Code(ErrorCode),
    /// There is no reply.
    Close(CloseReason),
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl<'a> Local<'a> {
    // zk: FinalRequestProcessor.processRequest
    pub(super) fn answer(mut self, request: &Request) -> Result<(), CloseReason> {
        self.outbox.answered(Answered {
            xid: self.xid,
            zxid: self.zxid(),
            op: last_op_name(request.op_code()),
            received: self.received,
            now: self.now,
        });
        match self.run(request) {
            Ok(()) => Ok(()),
            Err(Failure::Code(code)) => {
                self.outbox.reply_code(self.xid, self.zxid(), code);
                Ok(())
            }
            Err(Failure::Close(reason)) => Err(reason),
        }
    }

    fn run(&mut self, request: &Request) -> Result<(), Failure> {
        match request {
            Request::Ping => self.outbox.reply_code(xid::PING, self.zxid(), ErrorCode::Ok),
            Request::Exists(request) => return self.exists(request),
            Request::GetData(request) => return self.get_data(request),
            Request::GetAcl(request) => return self.get_acl(request),
            Request::GetChildren(request) => return self.get_children(request),
            Request::GetChildren2(request) => return self.get_children2(request),
            Request::GetAllChildrenNumber(request) => return self.get_all_children_number(request),
            Request::GetEphemerals(request) => self.get_ephemerals(request),
            Request::MultiRead(request) => return self.multi_read(request),
            Request::SetWatches(request) => return self.set_watches(request),
            Request::SetWatches2(request) => return self.set_watches2(request),
            Request::AddWatch(request) => return self.add_watch(request),
            Request::CheckWatches(request) => return self.check_watches(request),
            Request::RemoveWatches(request) => return self.remove_watches(request),
            Request::WhoAmI => self.who_am_i(),
            Request::Create(_)
            | Request::Create2(_)
            | Request::CreateContainer(_)
            | Request::CreateTtl(_)
            | Request::Delete(_)
            | Request::DeleteContainer(_)
            | Request::SetData(_)
            | Request::SetAcl(_)
            | Request::Sync(_)
            | Request::Check
            | Request::Multi(_)
            | Request::Reconfig(_)
            | Request::Auth(_)
            | Request::Sasl(_)
            | Request::CreateSession(_)
            | Request::CloseSession => unreachable!("invariant: Request::is_local told them apart"),
        }
        Ok(())
    }

    /// A watch is left even on what does not exist.
    fn exists(&mut self, request: &proto::ExistsRequest) -> Result<(), Failure> {
        let path = &request.path;
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments.into());
        }
        let node = self.view.state.node(path);
        if let Some(node) = &node {
            self.reader().check_acl(node, perms::READ)?;
        }
        if request.watch {
            self.watch(&[(WatchKind::Data, path)])?;
        }
        let stat = node.ok_or(ErrorCode::NoNode)?.stat();
        self.ok(|out| stat.encode(out));
        Ok(())
    }

    fn get_data(&mut self, request: &proto::GetDataRequest) -> Result<(), Failure> {
        let node = self.reader().readable(&request.path, perms::READ)?;
        if request.watch {
            self.watch(&[(WatchKind::Data, &request.path)])?;
        }
        self.ok(|out| {
            write::buffer(out, node.data());
            node.stat().encode(out);
        });
        Ok(())
    }

    /// Without ADMIN only READ is there: then what would let somebody in is hidden.
    fn get_acl(&mut self, request: &proto::GetACLRequest) -> Result<(), Failure> {
        let node = self.reader().readable(&request.path, perms::READ | perms::ADMIN)?;
        let show_all = self.reader().check_acl(&node, perms::ADMIN).is_ok();
        self.ok(|out| {
            write::vector(out, node.acl(), |entry: &Acl, out| {
                write::int(out, entry.perms);
                write::string(out, &entry.id.scheme);
                if !show_all && entry.id.scheme == "digest" {
                    write::string(out, &redacted(&entry.id.id));
                } else {
                    write::string(out, &entry.id.id);
                }
            });
            node.stat().encode(out);
        });
        Ok(())
    }

    fn get_children(&mut self, request: &proto::GetChildrenRequest) -> Result<(), Failure> {
        let node = self.reader().readable(&request.path, perms::READ)?;
        if request.watch {
            self.watch(&[(WatchKind::Children, &request.path)])?;
        }
        self.ok(|out| write_children(&node, out));
        Ok(())
    }

    fn get_children2(&mut self, request: &proto::GetChildren2Request) -> Result<(), Failure> {
        let node = self.reader().readable(&request.path, perms::READ)?;
        if request.watch {
            self.watch(&[(WatchKind::Children, &request.path)])?;
        }
        self.ok(|out| {
            write_children(&node, out);
            node.stat().encode(out);
        });
        Ok(())
    }

    fn get_all_children_number(
        &mut self,
        request: &proto::GetAllChildrenNumberRequest,
    ) -> Result<(), Failure> {
        self.reader().readable(&request.path, perms::READ)?;
        let number = self.view.state.all_children_number(&request.path);
        self.ok(|out| write::int(out, i32::try_from(number).unwrap_or(i32::MAX)));
        Ok(())
    }

    /// The session's own ephemerals; the prefix is compared as text, not by path components.
    fn get_ephemerals(&mut self, request: &proto::GetEphemeralsRequest) {
        let paths = self.view.state.ephemerals_with_prefix(self.session, &request.prefix_path);
        self.ok(|out| counted(out, |out| paths.map(|path| write::string(out, &path)).count()));
    }

    // zk: AuthUtil.getClientInfos
    fn who_am_i(&mut self) {
        let settings = &self.settings.acl;
        let infos: Vec<ClientInfo> = self
            .identities
            .iter()
            .map(|id| ClientInfo { auth_scheme: id.scheme.clone(), user: user_name(settings, id).into() })
            .collect();
        self.ok(|out| write::vector(out, &infos, |info, out| info.encode(out)));
    }

    pub(super) fn reader(&self) -> NodeReader<'a> {
        NodeReader { view: self.view, settings: self.settings, identities: self.identities }
    }

    /// Appends the reply of success.
    pub(super) fn ok(&mut self, body: impl FnOnce(&mut Vec<u8>)) {
        let header = proto::ReplyHeader { xid: self.xid, zxid: self.zxid(), err: ErrorCode::Ok.code() };
        self.outbox.reply(header, body);
    }

    pub(super) fn zxid(&self) -> Zxid {
        self.view.state.last_processed_zxid()
    }
}

/// Appends the names of the children as a vector.
pub(super) fn write_children(node: &NodeView<'_>, out: &mut Vec<u8>) {
    node.children().write(out);
}

/// Appends a vector whose items are written before their number is known; `items` tells it.
fn counted(out: &mut Vec<u8>, items: impl FnOnce(&mut Vec<u8>) -> usize) {
    let start = out.len();
    write::int(out, 0);
    let count = i32::try_from(items(out)).expect("invariant: far fewer items than 2^31 fit in memory");
    if let Some(place) = out.get_mut(start..start + size_of::<i32>()) {
        place.copy_from_slice(&count.to_be_bytes());
    }
}

/// The user that an id names: all of it, for a digest what stands before the colon; none where the scheme has no provider.
// zk: AuthUtil.getUser, AuthenticationProvider.getUserName
fn user_name<'a>(settings: &AclSettings, id: &'a Id) -> &'a str {
    match settings.provider(&id.scheme) {
        None => "",
        Some(Provider::Digest) => id.id.split(':').next().unwrap_or_default(),
        Some(_) => &id.id,
    }
}
