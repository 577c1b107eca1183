//! A read is of the tree as it is, for whom may read it.

use jute::{ErrorCode, perms, proto};
use pipeline::request::Request;
use tree::{NodeView, State};

use super::replay::body;
use super::{Failure, Op};
use crate::client::allows;

/// The answer to a read is what the state says.
pub(super) fn read(state: &State, op: &Op) -> Result<(), Failure> {
    let Some(returned) = &op.returned else { return Ok(()) };
    if let Request::GetEphemerals(asked) = &op.asked.request {
        let mut got = body::<proto::GetEphemeralsResponse>(op)?.ephemerals;
        let mut expected: Vec<_> =
            state.ephemerals(op.session).filter(|path| path.starts_with(&asked.prefix_path)).collect();
        got.sort();
        expected.sort();
        return says(op, got == expected, &asked.prefix_path, &format!("{expected:?}"));
    }
    let (path, wanted) = match &op.asked.request {
        Request::GetData(asked) => (&asked.path, perms::READ),
        Request::Exists(asked) => (&asked.path, perms::READ),
        Request::GetChildren2(asked) => (&asked.path, perms::READ),
        Request::GetAcl(asked) => (&asked.path, perms::READ | perms::ADMIN),
        Request::GetAllChildrenNumber(asked) => (&asked.path, perms::READ),
        _ => return Ok(()),
    };
    let node = state.node(path);
    let expected = match &node {
        None => ErrorCode::NoNode,
        Some(node) if !allows(node.acl(), wanted, op.client) => ErrorCode::NoAuth,
        Some(_) => ErrorCode::Ok,
    };
    let is_right = match node {
        _ if returned.err != expected.code() => false,
        Some(node) if expected == ErrorCode::Ok => is_of(&node, op)?,
        Some(_) | None => true,
    };
    let stat = state.node(path).map(|node| node.stat());
    says(op, is_right, path, &format!("{expected:?} {stat:?}"))
}

/// Whether what was read is the znode.
fn is_of(node: &NodeView<'_>, op: &Op) -> Result<bool, Failure> {
    Ok(match &op.asked.request {
        Request::GetData(_) => {
            let got: proto::GetDataResponse = body(op)?;
            got.data.as_deref() == node.data() && got.stat == node.stat()
        }
        Request::Exists(_) => body::<proto::ExistsResponse>(op)?.stat == node.stat(),
        Request::GetChildren2(_) => {
            let mut got: proto::GetChildren2Response = body(op)?;
            let mut children: Vec<_> = node.children().map(ToOwned::to_owned).collect();
            got.children.sort();
            children.sort();
            got.children == children && got.stat == node.stat()
        }
        Request::GetAcl(_) => {
            let got: proto::GetACLResponse = body(op)?;
            got.acl.as_deref() == Some(node.acl()) && got.stat == node.stat()
        }
        Request::GetAllChildrenNumber(_) => {
            let got: proto::GetAllChildrenNumberResponse = body(op)?;
            usize::try_from(got.total_number).is_ok_and(|number| number == below(node))
        }
        _ => true,
    })
}

/// Number of znodes below one.
fn below(node: &NodeView<'_>) -> usize {
    let children = node.children().filter_map(|name| node.child(name));
    children.map(|child| 1 + below(&child)).sum()
}

fn says(op: &Op, is_right: bool, path: &str, expected: &str) -> Result<(), Failure> {
    let returned = op.returned.as_ref().filter(|_| !is_right);
    let Some(returned) = returned else { return Ok(()) };
    let what = format!(
        "client {} xid {} {} {path} at {}: was told {}, the tree says {expected}",
        op.client,
        op.xid,
        op.asked.request.op_code(),
        returned.zxid,
        returned.err
    );
    Err(Failure::new("C7", what))
}
