//! Bytes as a sequence of things that happen to a replica.

use jute::data::{Acl, Id};
use jute::multi::{MultiOp, MultiRequest};
use jute::proto::{
    CheckVersionRequest, CreateRequest, CreateTTLRequest, DeleteContainerRequest, DeleteRequest,
    SetACLRequest, SetDataRequest, SyncRequest,
};
use jute::{OpCode, Reader, perms};
use pipeline::request::{OpClass, Request};
use pipeline::sessions::password;

/// Things that happen in one run.
const HAPPENINGS_MAX: usize = 200;
/// Operations of a multi.
const OPERATIONS_MAX: usize = 5;

const PATHS: [&str; 16] = [
    "/a",
    "/b",
    "/a/x",
    "/a/y",
    "/a/x/z",
    "/b/s-",
    "/a/",
    "/zookeeper/quota/a",
    "/zookeeper/quota/a/zookeeper_limits",
    "/zookeeper/quota/a/zookeeper_stats",
    "/zookeeper/config",
    "/",
    "relative",
    "/a//x",
    "/b/\u{e9}",
    "",
];

const DATA: [Option<&[u8]>; 8] = [
    None,
    Some(b""),
    Some(b"x"),
    Some(b"0123456789"),
    Some(b"count=3,bytes=6=;byteHardLimit=9;countHardLimit=5"),
    Some(b"count=2,bytes=-1"),
    Some(b"count=x"),
    Some(&[0xff; 40]),
];

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// A request of a client.
    Ask { client: u64, request: Request },
    /// A client connects, with a new session or the one it had.
    Connect { client: u64, again: bool },
    /// A connection breaks.
    Lost { client: u64 },
    /// Time passes; these clients were heard.
    Tick { heard: Vec<u64> },
    /// Empty containers are looked for.
    Containers,
    /// All that waits becomes durable.
    Settle,
}

/// Reads a program.
pub(super) fn parse(bytes: &[u8]) -> Vec<Happening> {
    let mut choices = Choices(bytes);
    std::iter::from_fn(|| happening(&mut choices)).take(HAPPENINGS_MAX).collect()
}

/// Bytes to choose with; when they are used up, everything is the first choice.
struct Choices<'b>(&'b [u8]);

impl<'b> Choices<'b> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let index = usize::from(self.next()) % from.len().max(1);
        from.get(index).copied()
    }

    fn take(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

fn happening(choices: &mut Choices<'_>) -> Option<Happening> {
    if choices.0.is_empty() {
        return None;
    }
    let client = u64::from(choices.next() % 3);
    Some(match choices.next() % 32 {
        0..=23 => Happening::Ask { client, request: request(choices) },
        24 => Happening::Connect { client, again: false },
        25 => Happening::Connect { client, again: true },
        26 => Happening::Lost { client },
        27 => {
            let mask = choices.next();
            Happening::Tick { heard: (0..3).filter(|client| mask >> client & 1 == 1).collect() }
        }
        28 => Happening::Containers,
        _ => Happening::Settle,
    })
}

fn request(choices: &mut Choices<'_>) -> Request {
    match choices.next() % 16 {
        0..=2 => Request::Create(create(choices)),
        3 => Request::Create2(create(choices)),
        4 => Request::CreateContainer(create(choices)),
        5 => Request::CreateTtl(create_ttl(choices)),
        6 | 7 => Request::Delete(delete(choices)),
        8 | 9 => Request::SetData(set_data(choices)),
        10 => Request::SetAcl(SetACLRequest {
            path: path(choices),
            acl: acl(choices),
            version: version(choices),
        }),
        11 => {
            let count = usize::from(choices.next()) % (OPERATIONS_MAX + 1);
            Request::Multi(MultiRequest { ops: (0..count).map(|_| operation(choices)).collect() })
        }
        12 => Request::Sync(SyncRequest { path: path(choices) }),
        13 => Request::DeleteContainer(DeleteContainerRequest { path: path(choices) }),
        14 => Request::CloseSession,
        _ => from_the_wire(choices),
    }
}

/// A request as a client may write it, if the replica is the one to answer it.
fn from_the_wire(choices: &mut Choices<'_>) -> Request {
    let op = choices.pick(OpCode::ALL).unwrap_or(OpCode::Sync);
    let len = usize::from(choices.next());
    let body = choices.take(len);
    match Request::decode(op, &mut Reader::from_slice(body)) {
        Ok(request) if request.class() == OpClass::Replica => request,
        Ok(_) | Err(_) => Request::Sync(SyncRequest { path: "/".to_owned() }),
    }
}

fn operation(choices: &mut Choices<'_>) -> MultiOp {
    match choices.next() % 8 {
        0 | 1 => MultiOp::Create(create(choices)),
        2 => MultiOp::Create2(create(choices)),
        3 => MultiOp::CreateContainer(create(choices)),
        4 => MultiOp::CreateTtl(create_ttl(choices)),
        5 => MultiOp::Delete(delete(choices)),
        6 => MultiOp::SetData(set_data(choices)),
        _ => MultiOp::Check(CheckVersionRequest { path: path(choices), version: version(choices) }),
    }
}

fn create(choices: &mut Choices<'_>) -> CreateRequest {
    let (path, data, acl) = (path(choices), data(choices), acl(choices));
    CreateRequest { path, data, acl, flags: i32::from(choices.next() % 8) }
}

fn create_ttl(choices: &mut Choices<'_>) -> CreateTTLRequest {
    let CreateRequest { path, data, acl, flags } = create(choices);
    let ttl = choices.pick(&[1, 10_000, 0, -1, i64::MAX, 0xff_ffff_ffff]).unwrap_or(1);
    CreateTTLRequest { path, data, acl, flags, ttl }
}

fn delete(choices: &mut Choices<'_>) -> DeleteRequest {
    DeleteRequest { path: path(choices), version: version(choices) }
}

fn set_data(choices: &mut Choices<'_>) -> SetDataRequest {
    SetDataRequest { path: path(choices), data: data(choices), version: version(choices) }
}

/// Often one of few, so that requests meet; sequential names and odd ones now and then.
fn path(choices: &mut Choices<'_>) -> String {
    choices.pick(&PATHS).unwrap_or("/").to_owned()
}

fn data(choices: &mut Choices<'_>) -> Option<bytes::Bytes> {
    choices.pick(&DATA).flatten().map(bytes::Bytes::from_static)
}

fn version(choices: &mut Choices<'_>) -> i32 {
    choices.pick(&[-1, -1, 0, 1, 2, i32::MAX, i32::MIN, -2]).unwrap_or(-1)
}

fn acl(choices: &mut Choices<'_>) -> Option<Vec<Acl>> {
    let entry =
        |perms, scheme: &str, id: &str| Acl { perms, id: Id { scheme: scheme.into(), id: id.into() } };
    Some(match choices.next() % 16 {
        0..=8 => vec![entry(perms::ALL, "world", "anyone")],
        9 => vec![entry(perms::READ, "world", "anyone")],
        10 => vec![entry(perms::ALL, "auth", "")],
        11 => vec![entry(perms::ALL, "digest", "u:h"), entry(perms::CREATE, "ip", "127.0.0.0/8")],
        12 => vec![entry(perms::ALL, "nonsense", "x")],
        13 => Vec::new(),
        14 => vec![entry(-1, "ip", "10.0.0.1")],
        _ => return None,
    })
}

/// What a client shows for its session.
pub(super) fn password_of(session: jute::SessionId) -> Vec<u8> {
    password(session).to_vec()
}
