//! Requests as lines of text.

use std::collections::BTreeMap;

use jute::data::{Acl, Id};
use jute::multi::{MultiOp, MultiRequest};
use jute::{Record, proto, txn};
use pipeline::request::Request;

/// `create /path data=… acl=… flags=…` and so on; several joined by ` ; ` are a multi.
pub fn request(text: &str) -> Option<Request> {
    if let Some(ops) = text.strip_prefix("multi") {
        let ops: Option<Vec<MultiOp>> =
            ops.split(';').map(str::trim).filter(|op| !op.is_empty()).map(part).collect();
        return Some(Request::Multi(MultiRequest { ops: ops? }));
    }
    let arguments = Arguments::of(text);
    let path = arguments.path();
    Some(match arguments.op {
        "create" => Request::Create(arguments.create()),
        "create2" => Request::Create2(arguments.create()),
        "createContainer" => Request::CreateContainer(arguments.create()),
        "createTTL" => Request::CreateTtl(arguments.create_ttl()),
        "delete" => Request::Delete(proto::DeleteRequest { path, version: arguments.version() }),
        "deleteContainer" => Request::DeleteContainer(proto::DeleteContainerRequest { path }),
        "setData" => Request::SetData(arguments.set_data()),
        "setACL" => {
            Request::SetAcl(proto::SetACLRequest { path, acl: arguments.acl(), version: arguments.version() })
        }
        "sync" => Request::Sync(proto::SyncRequest { path }),
        "reconfig" => Request::Reconfig(proto::ReconfigRequest {
            joining_servers: arguments.value("joining").map(str::to_string),
            leaving_servers: arguments.value("leaving").map(str::to_string),
            new_members: match arguments.values.is_empty() {
                true => Some("server.1=a:1:2;3".into()),
                false => arguments.value("members").map(str::to_string),
            },
            cur_config_id: arguments.value("version").map_or(-1, number),
        }),
        "closeSession" => Request::CloseSession,
        "createSession" => {
            Request::CreateSession(txn::CreateSessionTxn { time_out: number(arguments.value("timeout")?) })
        }
        "ping" => Request::Ping,
        _ => return None,
    })
}

/// The body of a request as a client sends it.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others have no body, or never reach a replica")]
pub fn body(request: &Request) -> bytes::Bytes {
    let mut out = Vec::new();
    match request {
        Request::Create(record) | Request::Create2(record) | Request::CreateContainer(record) => {
            record.encode(&mut out);
        }
        Request::CreateTtl(record) => record.encode(&mut out),
        Request::Delete(record) => record.encode(&mut out),
        Request::DeleteContainer(record) => record.encode(&mut out),
        Request::SetData(record) => record.encode(&mut out),
        Request::SetAcl(record) => record.encode(&mut out),
        Request::Sync(record) => record.encode(&mut out),
        Request::Reconfig(record) => record.encode(&mut out),
        Request::Multi(record) => record.encode(&mut out),
        Request::CreateSession(record) => record.encode(&mut out),
        request => assert!(request.is_local() || matches!(request, Request::CloseSession), "{request:?}"),
    }
    out.into()
}

fn part(text: &str) -> Option<MultiOp> {
    let arguments = Arguments::of(text);
    let path = arguments.path();
    Some(match arguments.op {
        "create" => MultiOp::Create(arguments.create()),
        "create2" => MultiOp::Create2(arguments.create()),
        "createContainer" => MultiOp::CreateContainer(arguments.create()),
        "createTTL" => MultiOp::CreateTtl(arguments.create_ttl()),
        "delete" => MultiOp::Delete(proto::DeleteRequest { path, version: arguments.version() }),
        "setData" => MultiOp::SetData(arguments.set_data()),
        "check" => MultiOp::Check(proto::CheckVersionRequest { path, version: arguments.version() }),
        "getData" => MultiOp::GetData(proto::GetDataRequest { path, watch: false }),
        _ => return None,
    })
}

struct Arguments<'a> {
    op: &'a str,
    path: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Arguments<'a> {
    fn of(text: &'a str) -> Self {
        let mut words = text.split_whitespace();
        let op = words.next().unwrap_or_default();
        let (values, rest): (Vec<_>, Vec<_>) = words.partition(|word| word.contains('='));
        let values = values.into_iter().filter_map(|word| word.split_once('=')).collect();
        Self { op, path: rest.first().copied().unwrap_or_default(), values }
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied()
    }

    fn path(&self) -> String {
        // An empty path cannot be a word.
        self.path.trim_matches('"').replace("\\0", "\0")
    }

    fn version(&self) -> i32 {
        self.value("version").map_or(-1, number)
    }

    fn data(&self) -> Option<bytes::Bytes> {
        self.value("data").map(|data| bytes::Bytes::copy_from_slice(data.as_bytes()))
    }

    /// Open unless it is given; `null` and `none` are what they say.
    fn acl(&self) -> Option<Vec<Acl>> {
        let entry = |text: &str| {
            let (perms, id) = text.split_once(':').expect("perms:scheme:id");
            Acl { perms: number(perms), id: identity(id) }
        };
        match self.value("acl") {
            None => Some(tree::acl::open()),
            Some("null") => None,
            Some("none") => Some(Vec::new()),
            Some(list) => Some(list.split(',').map(entry).collect()),
        }
    }

    fn create(&self) -> proto::CreateRequest {
        let flags = self.value("flags").map_or(0, number);
        proto::CreateRequest { path: self.path(), data: self.data(), acl: self.acl(), flags }
    }

    fn create_ttl(&self) -> proto::CreateTTLRequest {
        let proto::CreateRequest { path, data, acl, flags } = self.create();
        proto::CreateTTLRequest { path, data, acl, flags, ttl: self.value("ttl").map_or(-1, number) }
    }

    fn set_data(&self) -> proto::SetDataRequest {
        proto::SetDataRequest { path: self.path(), data: self.data(), version: self.version() }
    }
}

/// `scheme:id`.
pub fn identity(text: &str) -> Id {
    let (scheme, id) = text.split_once(':').expect("scheme:id");
    Id { scheme: scheme.into(), id: id.into() }
}

/// A number of any type.
pub fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| unreadable(text))
}

/// Ends the test.
#[expect(clippy::panic, reason = "a script that cannot be read fails the test")]
pub fn unreadable<T>(text: &str) -> T {
    panic!("cannot read {text:?}")
}
