//! What a request should lead to, told from the tree before it: written from the protocol, not from the server.

use jute::data::Stat;
use jute::multi::{MultiOp, MultiRequest};
use jute::{ErrorCode, Txn, TxnRecord, proto};
use pipeline::request::Request;
use tree::State;

use super::replay::body;
use super::{Failure, Op};

const SEQUENTIAL: i32 = 2;
const EPHEMERAL: i32 = 1;

/// The transaction of a request is the one that the tree before it leads to.
pub(super) fn expect(state: &State, op: &Op, record: &TxnRecord) -> Result<(), Failure> {
    let expected = match (&op.asked.request, state.session_timeout(op.session)) {
        (Request::CloseSession, _) => return Ok(()),
        (Request::Multi(multi), None) => {
            let first = multi.ops.first().map(|_| ErrorCode::SessionExpired);
            return says(op, record, first_error(&record.txn), first);
        }
        (_, None) => Some(ErrorCode::SessionExpired),
        (Request::Create(create) | Request::Create2(create), Some(_)) => creates(&Overlay::of(state), create),
        (Request::Delete(delete), Some(_)) => deletes(&Overlay::of(state), delete),
        (Request::SetData(set), Some(_)) => versioned(&Overlay::of(state), &set.path, set.version),
        (Request::Multi(multi), Some(_)) => return expect_multi(state, multi, op, record),
        _ => return Ok(()),
    };
    if is_moved(op, record) {
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
    let (Request::Create(asked) | Request::Create2(asked), Txn::Create(made) | Txn::Create2(made)) =
        (&op.asked.request, &record.txn)
    else {
        return Ok(());
    };
    let number = state.node(parent(&asked.path)).map_or(0, |node| node.stat_persisted().cversion);
    let expected = match asked.flags & SEQUENTIAL {
        0 => asked.path.clone(),
        _ => format!("{}{:010}", asked.path, number),
    };
    match made.path == expected {
        true => Ok(()),
        false => Err(Failure::new("C6", format!("{} became {}, not {expected}", asked.path, made.path))),
    }
}

/// The session had moved to another server when the request came, or had even ended there: nobody hears of it.
pub(super) fn is_moved(op: &Op, record: &TxnRecord) -> bool {
    let is_late =
        |err: i32| [ErrorCode::SessionMoved, ErrorCode::SessionExpired].iter().any(|code| code.code() == err);
    let says_moved = match &record.txn {
        Txn::Error(error) => is_late(error.err),
        Txn::Multi(parts) => parts.iter().any(|part| matches!(part, Txn::Error(error) if is_late(error.err))),
        _ => false,
    };
    says_moved && op.returned.is_none()
}

fn expect_multi(state: &State, multi: &MultiRequest, op: &Op, record: &TxnRecord) -> Result<(), Failure> {
    if is_moved(op, record) {
        return Ok(());
    }
    let mut overlay = Overlay::of(state);
    let mut failed = None;
    for part in &multi.ops {
        let error = match part {
            MultiOp::Create(create) | MultiOp::Create2(create) => {
                let error = creates(&overlay, create);
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
                let error = versioned(&overlay, &set.path, set.version);
                if error.is_none() {
                    overlay.set(&set.path);
                }
                error
            }
            MultiOp::Check(check) => versioned(&overlay, &check.path, check.version),
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

fn creates(tree: &Overlay<'_>, create: &proto::CreateRequest) -> Option<ErrorCode> {
    let up = parent(&create.path);
    let Some(parent) = tree.node(up) else { return Some(ErrorCode::NoNode) };
    let path = match create.flags & SEQUENTIAL {
        0 => create.path.clone(),
        _ => format!("{}{:010}", create.path, parent.cversion),
    };
    if tree.node(&path).is_some() {
        return Some(ErrorCode::NodeExists);
    }
    parent.is_ephemeral.then_some(ErrorCode::NoChildrenForEphemerals)
}

fn deletes(tree: &Overlay<'_>, delete: &proto::DeleteRequest) -> Option<ErrorCode> {
    if let Some(error) = versioned(tree, &delete.path, delete.version) {
        return Some(error);
    }
    let has_children = tree.node(&delete.path).is_some_and(|node| node.children > 0);
    has_children.then_some(ErrorCode::NotEmpty)
}

fn versioned(tree: &Overlay<'_>, path: &str, version: i32) -> Option<ErrorCode> {
    match tree.node(path) {
        None => Some(ErrorCode::NoNode),
        Some(node) if version != -1 && node.version != version => Some(ErrorCode::BadVersion),
        Some(_) => None,
    }
}

/// A read is of the tree as it is.
pub(super) fn read(state: &State, op: &Op) -> Result<(), Failure> {
    const OK: i32 = ErrorCode::Ok.code();
    const NO_NODE: i32 = ErrorCode::NoNode.code();
    let Some(returned) = &op.returned else { return Ok(()) };
    let path = match &op.asked.request {
        Request::GetData(asked) => &asked.path,
        Request::Exists(asked) => &asked.path,
        Request::GetChildren2(asked) => &asked.path,
        _ => return Ok(()),
    };
    let is_right = match (state.node(path), returned.err, &op.asked.request) {
        (None, NO_NODE, _) => true,
        (Some(node), OK, Request::GetData(_)) => {
            let got: proto::GetDataResponse = body(op)?;
            got.data.as_deref() == node.data() && got.stat == node.stat()
        }
        (Some(node), OK, Request::Exists(_)) => body::<proto::ExistsResponse>(op)?.stat == node.stat(),
        (Some(node), OK, Request::GetChildren2(_)) => {
            let mut got: proto::GetChildren2Response = body(op)?;
            let mut children: Vec<_> = node.children().map(ToOwned::to_owned).collect();
            got.children.sort();
            children.sort();
            got.children == children && got.stat == node.stat()
        }
        _ => false,
    };
    if is_right {
        return Ok(());
    }
    let stat: Option<Stat> = state.node(path).map(|node| node.stat());
    let what = format!(
        "client {} xid {} {} {path} at {}: was told {}, the tree has {stat:?}",
        op.client,
        op.xid,
        op.asked.request.op_code(),
        returned.zxid,
        returned.err
    );
    Err(Failure::new("C7", what))
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
    changed: std::collections::BTreeMap<String, Option<Brief>>,
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
    fn of(state: &'a State) -> Self {
        Self { state, changed: std::collections::BTreeMap::new() }
    }

    fn node(&self, path: &str) -> Option<Brief> {
        if let Some(changed) = self.changed.get(path) {
            return *changed;
        }
        self.state.node(path).map(|node| Brief {
            version: node.stat_persisted().version,
            cversion: node.stat_persisted().cversion,
            children: node.child_count(),
            is_ephemeral: node.stat_persisted().ephemeral_owner != 0,
        })
    }

    fn create(&mut self, create: &proto::CreateRequest) {
        let up = parent(&create.path).to_owned();
        let Some(mut above) = self.node(&up) else { return };
        let path = match create.flags & SEQUENTIAL {
            0 => create.path.clone(),
            _ => format!("{}{:010}", create.path, above.cversion),
        };
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
