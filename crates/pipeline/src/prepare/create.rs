use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use jute::data::{Acl, StatPersisted};
use jute::txn::{CreateContainerTxn, CreateTTLTxn, CreateTxn};
use jute::{ErrorCode, Txn, perms, proto};
use tree::ephemeral_owner::{self, OwnerKind};

use super::acl::as_logged;
use super::{Asker, Prepare, Stamp, parent_of, validate_path};
use crate::CreateMode;
use crate::changes::{Data, Node, data_len, listed_bytes};

/// A create of any kind.
pub(super) struct Create {
    kind: Kind,
    path: String,
    data: Option<Bytes>,
    acl: Option<Vec<Acl>>,
    flags: i32,
    in_multi: bool,
}

/// The operation, which alone decides on the transaction; the mode may say something else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Create2,
    Container,
    Ttl { ttl_ms: i64 },
}

/// Bytes of a transaction that closes a session beside its paths: header, length of the list, digest.
const CLOSE_SESSION_BYTES: usize = 32 + 4 + 12;

impl Create {
    pub(super) fn plain(request: proto::CreateRequest) -> Self {
        Self::of(Kind::Create, request)
    }

    pub(super) fn plain2(request: proto::CreateRequest) -> Self {
        Self::of(Kind::Create2, request)
    }

    pub(super) fn container(request: proto::CreateRequest) -> Self {
        Self::of(Kind::Container, request)
    }

    pub(super) fn ttl(request: proto::CreateTTLRequest) -> Self {
        let proto::CreateTTLRequest { path, data, acl, flags, ttl } = request;
        Self { kind: Kind::Ttl { ttl_ms: ttl }, path, data, acl, flags, in_multi: false }
    }

    fn of(kind: Kind, request: proto::CreateRequest) -> Self {
        let proto::CreateRequest { path, data, acl, flags } = request;
        Self { kind, path, data, acl, flags, in_multi: false }
    }

    pub(super) fn in_multi(self) -> Self {
        Self { in_multi: true, ..self }
    }
}

impl Prepare<'_> {
    // zk: PrepRequestProcessor.pRequest2TxnCreate
    pub(super) fn create(
        &mut self,
        asker: &Asker<'_>,
        stamp: Stamp,
        create: Create,
    ) -> Result<Txn, ErrorCode> {
        let mode = CreateMode::from_flags(create.flags).ok_or(ErrorCode::BadArguments)?;
        self.validate_mode(mode, create.kind)?;
        match mode.is_ephemeral() {
            true => self.check_session_for_ephemerals(asker, create.kind)?,
            false => self.check_session(asker)?,
        }
        let parent_path = String::from(parent_of(&create.path)?);
        let mut acl = self.fix_acl(asker, create.acl.as_deref())?;
        if create.in_multi {
            acl.iter_mut().for_each(as_logged);
        }
        let parent = self.node(&parent_path)?;
        self.check_acl(asker, &parent, perms::CREATE)?;
        let path = match mode.is_sequential() {
            true => tree::path::sequential(&create.path, parent.stat.cversion),
            false => create.path,
        };
        validate_path(&path)?;
        if self.view().exists(&path) {
            return Err(ErrorCode::NodeExists);
        }
        if self.owner_kind(&parent)? == OwnerKind::Session {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        self.check_quota(stamp, &path, data_len(create.data.as_deref()), 1)?;
        let owner = owner(create.kind, mode, asker);
        if owner != 0 && owner == asker.session.0 {
            self.check_ephemerals_fit(asker, &path)?;
        }

        let parent_cversion = parent.stat.cversion.wrapping_add(1);
        let node = Node {
            stat: new_stat(stamp, owner),
            child_count: 0,
            acl: acl.as_slice().into(),
            data: Data::New(create.data.clone()),
        };
        self.put_create(stamp, &parent_path, parent, parent_cversion, &path, node);
        let ephemeral = mode.is_ephemeral();
        let (data, acl) = (create.data, Some(acl));
        Ok(match create.kind {
            Kind::Create => Txn::Create(CreateTxn { path, data, acl, ephemeral, parent_cversion }),
            Kind::Create2 => Txn::Create2(CreateTxn { path, data, acl, ephemeral, parent_cversion }),
            Kind::Container => Txn::CreateContainer(CreateContainerTxn { path, data, acl, parent_cversion }),
            Kind::Ttl { ttl_ms: ttl } => {
                Txn::CreateTtl(CreateTTLTxn { path, data, acl, parent_cversion, ttl })
            }
        })
    }

    /// A session that is local here still was not upgraded: that is not allowed, or this kind of create does not ask for it.
    // zk: LeaderRequestProcessor.processRequest, PrepRequestProcessor.validateCreateRequest
    fn check_session_for_ephemerals(&mut self, asker: &Asker<'_>, kind: Kind) -> Result<(), ErrorCode> {
        if self.sessions.is_local(asker.session) && matches!(kind, Kind::Create | Kind::Create2) {
            return Err(ErrorCode::EphemeralOnLocalSession);
        }
        self.sessions.check_global(asker.session, asker.owner)
    }

    // zk: PrepRequestProcessor.validateCreateRequest
    fn validate_mode(&self, mode: CreateMode, kind: Kind) -> Result<(), ErrorCode> {
        if mode.is_ttl() && !self.settings.extended_types {
            return Err(ErrorCode::Unimplemented);
        }
        let valid = match (mode.is_ttl(), kind) {
            (true, Kind::Ttl { ttl_ms }) => ephemeral_owner::of_ttl(ttl_ms).is_some(),
            (true, Kind::Create | Kind::Create2 | Kind::Container) => false,
            // diverges(create-ttl-other-mode): the reference lets createTTL with another mode and a negative time pass here and fails when it applies
            (false, Kind::Ttl { .. }) => false,
            (false, Kind::Create | Kind::Create2 | Kind::Container) => true,
        };
        valid.then_some(()).ok_or(ErrorCode::BadArguments)
    }

    fn owner_kind(&self, node: &Node) -> Result<OwnerKind, ErrorCode> {
        // zk: EphemeralType.get throws what becomes a marshalling error
        ephemeral_owner::kind(node.stat.ephemeral_owner, &self.settings.state())
            .map_err(|_| ErrorCode::MarshallingError)
    }

    /// Keeps the ephemerals of a session small enough for one log record and one proposal.
    // diverges(ephemerals-fit-the-log): the reference has no such bound; the transaction that closes such a session stops the ensemble for good
    fn check_ephemerals_fit(&mut self, asker: &Asker<'_>, path: &str) -> Result<(), ErrorCode> {
        if !self.settings.close_session_txn {
            return Ok(());
        }
        let listed = self.changes.ephemeral_bytes(self.state, asker.session) + listed_bytes(path);
        let fits = CLOSE_SESSION_BYTES + listed <= self.settings.field_bytes_max();
        fits.then_some(()).ok_or(ErrorCode::QuotaExceeded)
    }

    fn put_create(
        &mut self,
        stamp: Stamp,
        parent_path: &str,
        mut parent: Node,
        parent_cversion: i32,
        path: &str,
        node: Node,
    ) {
        parent.child_count += 1;
        // zk: DataTree.createNode: only a greater version counts, which matters once it wraps.
        // diverges(cversion-wrap-in-flight): the reference's own records count on until they are applied, so that its sequence depends on timing
        if parent_cversion > parent.stat.cversion {
            parent.stat.cversion = parent_cversion;
            parent.stat.pzxid = stamp.zxid;
        }
        self.put(stamp, parent_path, Some(parent));
        self.put(stamp, path, Some(node));
        self.count_create(stamp, path);
    }
}

/// The owner that applying the transaction stores.
// diverges(container-flag-digest): for a create with the container flag the reference computes the digest with another owner than it stores
fn owner(kind: Kind, mode: CreateMode, asker: &Asker<'_>) -> i64 {
    match kind {
        Kind::Container => ephemeral_owner::CONTAINER,
        Kind::Ttl { ttl_ms } => ephemeral_owner::of_ttl(ttl_ms).unwrap_or_default(),
        Kind::Create | Kind::Create2 if mode.is_ephemeral() => asker.session.0,
        Kind::Create | Kind::Create2 => 0,
    }
}

// zk: DataTree.createStat
fn new_stat(stamp: Stamp, ephemeral_owner: i64) -> StatPersisted {
    let Stamp { zxid, wall_ms } = stamp;
    StatPersisted {
        czxid: zxid,
        mzxid: zxid,
        ctime: wall_ms,
        mtime: wall_ms,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner,
        pzxid: zxid,
    }
}
