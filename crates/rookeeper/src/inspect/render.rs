//! Transactions and snapshot items as JSON, from which the text form is made as well.

use client::{Acl, ErrorCode};
use jute::data::StatPersisted;
use jute::snapshot::DataNode;
use jute::{Txn, TxnRecord};
use serde_json::{Map, Value, json};

use crate::text::{date, permissions};

/// A transaction with its header.
pub(super) fn record(record: &TxnRecord, offset: u64) -> Value {
    let header = &record.header;
    let mut value = json!({
        "offset": offset,
        "time": header.time,
        "session": hex(header.client_id.0),
        "cxid": header.cxid,
        "zxid": hex(header.zxid.0),
        "type": record.txn.op_code().name(),
        "txn": txn(&record.txn),
    });
    if let (Some(digest), Value::Object(fields)) = (&record.digest, &mut value) {
        fields.insert("digest".to_owned(), json!({ "version": digest.version, "tree": digest.tree_digest }));
    }
    value
}

fn txn(txn: &Txn) -> Value {
    match txn {
        Txn::CreateSession(session) => json!({ "timeout": session.time_out }),
        Txn::CloseSession(None) => json!({}),
        Txn::CloseSession(Some(session)) => json!({ "paths": session.paths_to_delete }),
        Txn::Create(create) | Txn::Create2(create) => json!({
            "path": create.path,
            "data": data(create.data.as_deref()),
            "acl": acl(create.acl.as_deref()),
            "ephemeral": create.ephemeral,
            "parentCversion": create.parent_cversion,
        }),
        Txn::CreateContainer(create) => json!({
            "path": create.path,
            "data": data(create.data.as_deref()),
            "acl": acl(create.acl.as_deref()),
            "parentCversion": create.parent_cversion,
        }),
        Txn::CreateTtl(create) => json!({
            "path": create.path,
            "data": data(create.data.as_deref()),
            "acl": acl(create.acl.as_deref()),
            "parentCversion": create.parent_cversion,
            "ttl": create.ttl,
        }),
        Txn::Delete(delete) | Txn::DeleteContainer(delete) => json!({ "path": delete.path }),
        Txn::SetData(set) | Txn::Reconfig(set) => {
            json!({ "path": set.path, "data": data(set.data.as_deref()), "version": set.version })
        }
        Txn::SetAcl(set) => {
            json!({ "path": set.path, "acl": acl(set.acl.as_deref()), "version": set.version })
        }
        Txn::Check(check) => json!({ "path": check.path, "version": check.version }),
        Txn::Multi(parts) => Value::Array(parts.iter().map(part).collect()),
        Txn::Error(error) => {
            json!({ "err": error.err, "name": ErrorCode::from_code(error.err).map(ErrorCode::name) })
        }
    }
}

fn part(part: &Txn) -> Value {
    let mut value = json!({ "type": part.op_code().name() });
    if let (Value::Object(fields), Value::Object(own)) = (&mut value, txn(part)) {
        fields.extend(own);
    }
    value
}

/// A node of a snapshot.
pub(super) fn node(path: &str, node: &DataNode) -> Value {
    let path = if path.is_empty() { "/" } else { path };
    let mut value = json!({ "path": path, "data": data(node.data.as_deref()), "aclKey": node.acl_key });
    if let (Value::Object(fields), Value::Object(stat)) = (&mut value, stat(&node.stat)) {
        fields.extend(stat);
    }
    value
}

fn stat(stat: &StatPersisted) -> Value {
    json!({
        "czxid": hex(stat.czxid.0),
        "mzxid": hex(stat.mzxid.0),
        "pzxid": hex(stat.pzxid.0),
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "cversion": stat.cversion,
        "version": stat.version,
        "aversion": stat.aversion,
        "ephemeralOwner": hex(stat.ephemeral_owner),
    })
}

/// An access list, as the shell's setAcl takes it.
pub(super) fn acl(acl: Option<&[Acl]>) -> Value {
    let entry = |entry: &Acl| {
        Value::String(format!("{}:{}:{}", entry.id.scheme, entry.id.id, permissions(entry.perms)))
    };
    acl.map_or(Value::Null, |entries| Value::Array(entries.iter().map(entry).collect()))
}

/// Text as it is; other bytes in an object of their own.
fn data(data: Option<&[u8]>) -> Value {
    let Some(data) = data else { return Value::Null };
    match std::str::from_utf8(data) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => {
            let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex })
        }
    }
}

pub(super) fn hex(number: i64) -> String {
    format!("0x{number:x}")
}

/// One line for a transaction, in the order of the reference's log tool.
// zk: TxnLogToolkit.printTxn
pub(super) fn record_line(record: &TxnRecord) -> String {
    let header = &record.header;
    format!(
        "{} session {} cxid 0x{:x} zxid {} {} {}",
        date(header.time),
        hex(header.client_id.0),
        header.cxid,
        hex(header.zxid.0),
        record.txn.op_code().name(),
        fields(&txn(&record.txn))
    )
}

/// The fields of an object, `name=value` each; of a list, one element after the other.
fn fields(value: &Value) -> String {
    match value {
        Value::Object(object) => object_fields(object),
        Value::Array(parts) => parts.iter().map(fields).collect::<Vec<_>>().join("; "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// The type without its name, then the path, then the rest.
fn object_fields(object: &Map<String, Value>) -> String {
    let first = ["type", "path"].into_iter().filter_map(|name| object.get_key_value(name));
    let rest = object.iter().filter(|(name, _)| !["type", "path"].contains(&name.as_str()));
    let fields = first
        .map(|(name, value)| (name.as_str(), value))
        .chain(rest.map(|(name, value)| (name.as_str(), value)));
    let shown = |(name, value)| {
        let value = shown(name, value);
        if name == "type" { value } else { format!("{name}={value}") }
    };
    fields.map(shown).collect::<Vec<_>>().join(" ")
}

/// Names and paths without quotes, data with them, so that its line ends stay within.
fn shown(name: &str, value: &Value) -> String {
    let plain = value.as_str().filter(|text| name != "data" && !text.contains(char::is_whitespace));
    plain.map_or_else(|| value.to_string(), str::to_owned)
}

/// A node in the lines of the reference's snapshot tool.
// zk: SnapshotFormatter.printZnode, printStat
pub(super) fn node_lines(path: &str, node: &DataNode) -> String {
    let path = if path.is_empty() { "/" } else { path };
    let stat = &node.stat;
    format!(
        "----\n{path}\n  cZxid = {:#018x}\n  ctime = {}\n  mZxid = {:#018x}\n  mtime = {}\n  pZxid = {:#018x}\n  cversion = {}\n  \
         dataVersion = {}\n  aclVersion = {}\n  ephemeralOwner = {:#018x}\n  dataLength = {}",
        stat.czxid.0,
        date(stat.ctime),
        stat.mzxid.0,
        date(stat.mtime),
        stat.pzxid.0,
        stat.cversion,
        stat.version,
        stat.aversion,
        stat.ephemeral_owner,
        node.data.as_ref().map_or(0, |data| data.len())
    )
}

#[cfg(test)]
mod tests {
    use jute::txn::{CheckVersionTxn, DeleteTxn, TxnHeader};
    use jute::{SessionId, Zxid};

    use super::*;

    fn sample(txn: Txn) -> TxnRecord {
        let op_code = txn.op_code().code();
        let header = TxnHeader { client_id: SessionId(0x10), cxid: 3, zxid: Zxid(0x20), time: 0, op_code };
        TxnRecord { header, txn, digest: None }
    }

    #[test]
    fn a_line_holds_what_the_reference_prints_and_the_names_of_the_fields() {
        let delete = Txn::Delete(DeleteTxn { path: "/a".into() });
        let prefix = "Thu Jan 01 00:00:00 UTC 1970 session 0x10 cxid 0x3 zxid 0x20";
        assert_eq!(record_line(&sample(delete.clone())), format!("{prefix} delete path=/a"));
        let check = Txn::Check(CheckVersionTxn { path: "/b c".into(), version: 1 });
        assert_eq!(
            record_line(&sample(Txn::Multi(vec![delete, check]))),
            format!("{prefix} multi delete path=/a; check path=\"/b c\" version=1")
        );
    }

    #[test]
    fn data_is_text_where_it_can_be() {
        assert_eq!(data(Some(b"a\nb")), json!("a\nb"));
        assert_eq!(data(Some(&[0xff, 0])), json!({ "hex": "ff00" }));
        assert_eq!(data(None), Value::Null);
        assert_eq!(acl(Some(&client::open_acl())), json!(["world:anyone:cdrwa"]));
    }
}
