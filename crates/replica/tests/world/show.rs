//! Records, effects and frames as lines of text.

use jute::multi::{MultiResponse, MultiResult};
use jute::{ErrorCode, OpCode, Reader, Record, Txn, TxnRecord, proto};
use rookeeper_replica::Effect;

/// A record as one line.
pub fn record(record: &TxnRecord) -> String {
    let header = &record.header;
    format!("{} session={} {}", header.zxid, header.client_id, txn(&record.txn))
}

fn txn(txn: &Txn) -> String {
    match txn {
        Txn::CreateSession(txn) => format!("createSession timeout={}", txn.time_out),
        Txn::CloseSession(None) => "closeSession".into(),
        Txn::CloseSession(Some(txn)) => format!("closeSession {:?}", txn.paths_to_delete),
        Txn::Create(create) | Txn::Create2(create) => format!(
            "create{} {} data={} acl={} ephemeral={} parentCversion={}",
            if matches!(txn, Txn::Create2(_)) { "2" } else { "" },
            create.path,
            data(create.data.as_deref()),
            acl(create.acl.as_deref()),
            create.ephemeral,
            create.parent_cversion
        ),
        Txn::CreateContainer(txn) => {
            format!("createContainer {} parentCversion={}", txn.path, txn.parent_cversion)
        }
        Txn::CreateTtl(txn) => {
            format!("createTTL {} ttl={} parentCversion={}", txn.path, txn.ttl, txn.parent_cversion)
        }
        Txn::Delete(txn) => format!("delete {}", txn.path),
        Txn::DeleteContainer(txn) => format!("deleteContainer {}", txn.path),
        Txn::SetData(txn) => {
            format!("setData {} data={} version={}", txn.path, data(txn.data.as_deref()), txn.version)
        }
        Txn::Reconfig(_) => "reconfig".into(),
        Txn::SetAcl(txn) => {
            format!("setACL {} acl={} version={}", txn.path, acl(txn.acl.as_deref()), txn.version)
        }
        Txn::Check(txn) => format!("check {} version={}", txn.path, txn.version),
        Txn::Multi(parts) => {
            format!("multi [{}]", parts.iter().map(self::txn).collect::<Vec<_>>().join("; "))
        }
        Txn::Error(txn) => format!("error {}", code(txn.err)),
    }
}

/// Data, or null.
pub fn data(data: Option<&[u8]>) -> String {
    data.map_or("null".into(), |data| String::from_utf8_lossy(data).into_owned())
}

fn acl(acl: Option<&[jute::data::Acl]>) -> String {
    let entries = acl.unwrap_or_default().iter();
    entries
        .map(|entry| format!("{}:{}:{}", entry.perms, entry.id.scheme, entry.id.id))
        .collect::<Vec<_>>()
        .join(",")
}

/// An error code by its name.
pub fn code(code: i32) -> String {
    ErrorCode::from_code(code).map_or_else(|| code.to_string(), |code| code.to_string())
}

/// An effect as one line; those whose outcome shows in frames are left out.
pub fn effect(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Append { record } => Some(format!("append {}", self::record(record))),
        Effect::Apply { record, .. } => Some(format!("apply {}", record.header.zxid)),
        Effect::Note { level, what } => Some(format!("note {level:?}: {what}")),
        Effect::Halt { why } => Some(format!("halt: {why}")),
        Effect::Stopped => Some("stopped".into()),
        Effect::Reply { .. }
        | Effect::RefuseSession { .. }
        | Effect::OpenSession { .. }
        | Effect::Close { .. } => None,
        Effect::Peer(effect) => Some(format!("{effect:?}")),
    }
}

/// A reply of an operation as one line.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others have no body here")]
pub fn reply(header: &proto::ReplyHeader, op: OpCode, body: &mut Reader<'_>) -> String {
    let head = format!("xid={} zxid={} {}", header.xid, header.zxid, code(header.err));
    if header.err != 0 {
        assert!(body.is_empty(), "an error has no body");
        return head;
    }
    let tail = match op {
        OpCode::Create => proto::CreateResponse::decode(body).map(|reply| format!(" {}", reply.path)),
        OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
            proto::Create2Response::decode(body).map(|reply| format!(" {} {}", reply.path, stat(&reply.stat)))
        }
        OpCode::SetData | OpCode::SetAcl => {
            proto::SetDataResponse::decode(body).map(|reply| format!(" {}", stat(&reply.stat)))
        }
        OpCode::Reconfig => proto::GetDataResponse::decode(body).map(|reply| {
            let text = String::from_utf8_lossy(reply.data.as_deref().unwrap_or_default()).replace('\n', " ");
            format!(" [{text}] {}", stat(&reply.stat))
        }),
        OpCode::Sync => proto::SyncResponse::decode(body).map(|reply| format!(" {}", reply.path)),
        OpCode::Multi => MultiResponse::decode(body).map(|reply| multi(&reply)),
        _ => Ok(String::new()),
    };
    let tail = tail.unwrap_or_else(|error| format!(" undecodable: {error}"));
    assert!(body.is_empty(), "{op}: bytes behind the body");
    head + &tail
}

fn multi(reply: &MultiResponse) -> String {
    let part = |result: &MultiResult| match result {
        MultiResult::Create(reply) => format!("create {}", reply.path),
        MultiResult::Create2(reply) => format!("create2 {} {}", reply.path, stat(&reply.stat)),
        MultiResult::Delete => "delete".into(),
        MultiResult::SetData(reply) => format!("setData {}", stat(&reply.stat)),
        MultiResult::Check => "check".into(),
        MultiResult::Error(error) => format!("error {}", code(*error)),
        MultiResult::GetChildren(_) | MultiResult::GetData(_) => "a read".into(),
    };
    format!(" [{}]", reply.results.iter().map(part).collect::<Vec<_>>().join("; "))
}

fn stat(stat: &jute::data::Stat) -> String {
    format!(
        "czxid={} mzxid={} pzxid={} versions={}/{}/{} owner={:#x} length={} children={}",
        stat.czxid,
        stat.mzxid,
        stat.pzxid,
        stat.version,
        stat.cversion,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children
    )
}
