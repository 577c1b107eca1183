//! What a request should lead to, told from the tree before it: written from the protocol, not from the server.

use std::collections::{BTreeMap, BTreeSet};

use jute::multi::{MultiOp, MultiRequest};
use jute::{ErrorCode, Txn, TxnRecord, perms, proto};
use pipeline::request::Request;
use tree::State;
use tree::ephemeral_owner::OwnerKind;

use super::{Failure, Op};
use crate::client::allows;
use crate::universe::Universe;

const SEQUENTIAL: i32 = 2;
const EPHEMERAL: i32 = 1;

/// The transaction of a request is the one that the tree before it leads to.
pub(super) fn expect(u: &Universe, state: &State, op: &Op, record: &TxnRecord) -> Result<(), Failure> {
    // A session that no transaction began is its server's own: it may all but own something.
    let local = (u.plan.has_local_sessions && !op.asked.request.creates_ephemeral()).then_some(0);
    let expected = match (&op.asked.request, state.session_timeout(op.session).or(local)) {
        (Request::CloseSession, _) => return Ok(()),
        (Request::Multi(multi), None) => {
            let first = multi.ops.first().map(|_| ErrorCode::SessionExpired);
            return says(op, record, first_error(&record.txn), first);
        }
        (_, None) => Some(ErrorCode::SessionExpired),
        (Request::Create(create) | Request::Create2(create) | Request::CreateContainer(create), Some(_)) => {
            creates(&Overlay::of(state, op.client), &create.path, create.flags)
        }
        (Request::CreateTtl(create), Some(_)) => {
            creates(&Overlay::of(state, op.client), &create.path, create.flags)
        }
        (Request::Delete(delete), Some(_)) => deletes(&Overlay::of(state, op.client), delete),
        (Request::SetData(set), Some(_)) => {
            versioned(&Overlay::of(state, op.client), &set.path, set.version, perms::WRITE)
        }
        (Request::SetAcl(set), Some(_)) => sets_acl(state, set, op.client),
        (Request::Multi(multi), Some(_)) => return expect_multi(u, state, multi, op, record),
        (Request::Reconfig(_), Some(_)) if is_moved(u, op, record) => return Ok(()),
        (Request::Reconfig(asked), Some(_)) => {
            let is_administrator = u.plan.administrator() == Some(op.client);
            return u.memberships.expect((op, asked), record, is_administrator);
        }
        _ => return Ok(()),
    };
    if is_moved(u, op, record) {
        return Ok(());
    }
    let got = match &record.txn {
        Txn::Error(error) => Some(error.err),
        _ => None,
    };
    if got == expected.map(ErrorCode::code) {
        return created_name(state, op, record);
    }
    let what = format!(
        "client {} xid {} {:?}: the transaction {} says {got:?}, the tree before it {expected:?}: {:?}",
        op.client, op.xid, op.asked.request, record.header.zxid, record.txn
    );
    Err(Failure::new("C7", what))
}

/// C6: a sequential name ends with the number of children that its parent ever had.
fn created_name(state: &State, op: &Op, record: &TxnRecord) -> Result<(), Failure> {
    let (asked, flags) = match &op.asked.request {
        Request::Create(asked) | Request::Create2(asked) | Request::CreateContainer(asked) => {
            (&asked.path, asked.flags)
        }
        Request::CreateTtl(asked) => (&asked.path, asked.flags),
        _ => return Ok(()),
    };
    let made = match &record.txn {
        Txn::Create(made) | Txn::Create2(made) => &made.path,
        Txn::CreateContainer(made) => &made.path,
        Txn::CreateTtl(made) => &made.path,
        _ => return Ok(()),
    };
    let number = state.node(parent(asked)).map_or(0, |node| node.stat_persisted().cversion);
    let expected = match is_sequential(flags) {
        false => asked.clone(),
        true => format!("{asked}{number:010}"),
    };
    match *made == expected {
        true => Ok(()),
        false => Err(Failure::new("C6", format!("{asked} became {made}, not {expected}"))),
    }
}

/// The session had moved to another server when the request came, or had even ended there: nobody hears of it. A follower
/// that serves observers makes the leader say that the arguments are bad.
pub(super) fn is_moved(u: &Universe, op: &Op, record: &TxnRecord) -> bool {
    let is_late = |err: i32| match ErrorCode::from_code(err) {
        Some(ErrorCode::SessionMoved | ErrorCode::SessionExpired) => true,
        Some(ErrorCode::BadArguments) => u.plan.has_observer_masters,
        _ => false,
    };
    let says_moved = match &record.txn {
        Txn::Error(error) => is_late(error.err),
        Txn::Multi(parts) => parts.iter().any(|part| matches!(part, Txn::Error(error) if is_late(error.err))),
        _ => false,
    };
    says_moved && op.returned.is_none()
}

fn expect_multi(
    u: &Universe,
    state: &State,
    multi: &MultiRequest,
    op: &Op,
    record: &TxnRecord,
) -> Result<(), Failure> {
    if is_moved(u, op, record) {
        return Ok(());
    }
    let mut overlay = Overlay::of(state, op.client);
    let mut failed = None;
    for part in &multi.ops {
        let error = match part {
            MultiOp::Create(create) | MultiOp::Create2(create) => {
                let error = creates(&overlay, &create.path, create.flags);
                if error.is_none() {
                    overlay.create(create);
                }
                error
            }
            MultiOp::Delete(delete) => {
                let error = deletes(&overlay, delete);
                if error.is_none() {
                    overlay.delete(&delete.path);
                }
                error
            }
            MultiOp::SetData(set) => {
                let error = versioned(&overlay, &set.path, set.version, perms::WRITE);
                if error.is_none() {
                    overlay.set(&set.path);
                }
                error
            }
            MultiOp::Check(check) => versioned(&overlay, &check.path, check.version, perms::READ),
            _ => None,
        };
        if error.is_some() {
            failed = error;
            break;
        }
    }
    says(op, record, first_error(&record.txn), failed)
}

fn says(op: &Op, record: &TxnRecord, got: Option<i32>, expected: Option<ErrorCode>) -> Result<(), Failure> {
    if got == expected.map(ErrorCode::code) {
        return Ok(());
    }
    let what = format!(
        "client {} xid {} multi: the transaction {} says {got:?}, the tree before it {expected:?}: {:?}",
        op.client, op.xid, record.header.zxid, record.txn
    );
    Err(Failure::new("C5", what))
}

/// The error that a multi, or any other transaction, ends with.
fn first_error(txn: &Txn) -> Option<i32> {
    const UNTOLD: i32 = ErrorCode::RuntimeInconsistency.code();
    match txn {
        Txn::Multi(parts) => parts.iter().filter_map(first_error).find(|err| *err != 0 && *err != UNTOLD),
        Txn::Error(error) => Some(error.err),
        _ => None,
    }
}

fn creates(tree: &Overlay<'_>, path: &str, flags: i32) -> Option<ErrorCode> {
    let Some(above) = tree.node(parent(path)) else { return Some(ErrorCode::NoNode) };
    if !tree.allows(parent(path), perms::CREATE) {
        return Some(ErrorCode::NoAuth);
    }
    let path = match is_sequential(flags) {
        false => path.to_owned(),
        true => format!("{path}{:010}", above.cversion),
    };
    if tree.node(&path).is_some() {
        return Some(ErrorCode::NodeExists);
    }
    above.is_ephemeral.then_some(ErrorCode::NoChildrenForEphemerals)
}

fn deletes(tree: &Overlay<'_>, delete: &proto::DeleteRequest) -> Option<ErrorCode> {
    let above = parent(&delete.path);
    if tree.node(above).is_none() {
        return Some(ErrorCode::NoNode);
    }
    if !tree.allows(above, perms::DELETE) {
        return Some(ErrorCode::NoAuth);
    }
    if let Some(error) = versioned(tree, &delete.path, delete.version, 0) {
        return Some(error);
    }
    let has_children = tree.node(&delete.path).is_some_and(|node| node.children > 0);
    has_children.then_some(ErrorCode::NotEmpty)
}

fn versioned(tree: &Overlay<'_>, path: &str, version: i32, wanted: i32) -> Option<ErrorCode> {
    match tree.node(path) {
        None => Some(ErrorCode::NoNode),
        Some(_) if wanted != 0 && !tree.allows(path, wanted) => Some(ErrorCode::NoAuth),
        Some(node) if version != -1 && node.version != version => Some(ErrorCode::BadVersion),
        Some(_) => None,
    }
}

fn sets_acl(state: &State, set: &proto::SetACLRequest, client: usize) -> Option<ErrorCode> {
    let Some(node) = state.node(&set.path) else { return Some(ErrorCode::NoNode) };
    if !allows(node.acl(), perms::ADMIN, client) {
        return Some(ErrorCode::NoAuth);
    }
    let is_other = set.version != -1 && set.version != node.stat_persisted().aversion;
    is_other.then_some(ErrorCode::BadVersion)
}

/// A leader deletes by itself only a container that had children and has none, or what has outlived its time.
/// `is_exact`: no clock has jumped, so that the time of the transaction is the one that was looked at.
pub(super) fn expires(state: &State, record: &TxnRecord, is_exact: bool) -> Result<(), Failure> {
    let Txn::DeleteContainer(deleted) = &record.txn else { return Ok(()) };
    let wrong = |why: &str| {
        let what = format!("{} is deleted at {} by the server, {why}", deleted.path, record.header.zxid);
        Err(Failure::new("C7", what))
    };
    let Some(node) = state.node(&deleted.path) else { return wrong("and is not there") };
    if node.child_count() > 0 {
        return wrong("and has children");
    }
    let stat = node.stat_persisted();
    match node.kind() {
        OwnerKind::Container if stat.cversion == 0 && is_exact => wrong("and was never used"),
        OwnerKind::Ttl { ttl_ms } if is_exact && record.header.time - stat.mtime <= ttl_ms => {
            wrong("before its time")
        }
        OwnerKind::Container | OwnerKind::Ttl { .. } => Ok(()),
        OwnerKind::Persistent | OwnerKind::Session => wrong("though it should stay"),
    }
}

/// Sequential ones are 2 and 3, and 6 with a time to live.
const fn is_sequential(flags: i32) -> bool {
    flags & SEQUENTIAL != 0
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// A tree with the changes of a multi so far.
struct Overlay<'a> {
    state: &'a State,
    client: usize,
    changed: BTreeMap<String, Option<Brief>>,
    created: BTreeSet<String>,
}

/// What of a znode decides.
#[derive(Debug, Clone, Copy)]
struct Brief {
    version: i32,
    cversion: i32,
    children: usize,
    is_ephemeral: bool,
}

impl<'a> Overlay<'a> {
    fn of(state: &'a State, client: usize) -> Self {
        Self { state, client, changed: BTreeMap::new(), created: BTreeSet::new() }
    }

    fn node(&self, path: &str) -> Option<Brief> {
        if let Some(changed) = self.changed.get(path) {
            return *changed;
        }
        self.state.node(path).map(|node| Brief {
            version: node.stat_persisted().version,
            cversion: node.stat_persisted().cversion,
            children: node.child_count(),
            is_ephemeral: node.kind() == OwnerKind::Session,
        })
    }

    /// What a multi creates is open to all, even where something else of that name was before.
    fn allows(&self, path: &str, wanted: i32) -> bool {
        if self.created.contains(path) {
            return true;
        }
        self.state.node(path).is_none_or(|node| allows(node.acl(), wanted, self.client))
    }

    fn create(&mut self, create: &proto::CreateRequest) {
        let up = parent(&create.path).to_owned();
        let Some(mut above) = self.node(&up) else { return };
        let path = match is_sequential(create.flags) {
            false => create.path.clone(),
            true => format!("{}{:010}", create.path, above.cversion),
        };
        self.created.insert(path.clone());
        above.cversion += 1;
        above.children += 1;
        self.changed.insert(up, Some(above));
        let is_ephemeral = create.flags & EPHEMERAL != 0;
        self.changed.insert(path, Some(Brief { version: 0, cversion: 0, children: 0, is_ephemeral }));
    }

    fn delete(&mut self, path: &str) {
        let up = parent(path).to_owned();
        if let Some(mut above) = self.node(&up) {
            above.children = above.children.saturating_sub(1);
            self.changed.insert(up, Some(above));
        }
        self.changed.insert(path.to_owned(), None);
    }

    fn set(&mut self, path: &str) {
        if let Some(mut node) = self.node(path) {
            node.version += 1;
            self.changed.insert(path.to_owned(), Some(node));
        }
    }
}
