//! Requests as bytes, and what is needed of replies.

use jute::data::{Acl, Id};
use jute::proto::ConnectRequest;
use jute::{OpCode, Record, SessionId, Zxid, perms, write, xid};

/// The bytes in front of each frame.
pub(super) const LENGTH_BYTES: usize = 4;
/// xid, zxid and error code.
const REPLY_HEADER_BYTES: usize = 16;

/// A session as its client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) password: Vec<u8>,
    pub(super) timeout_ms: i32,
}

/// What stands in front of every reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) xid: i32,
    pub(super) zxid: Zxid,
    pub(super) error: i32,
}

impl Head {
    /// The head of a frame, and what stands behind it; none when it is too short to have one.
    pub(super) fn split(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (head, body) = frame.split_first_chunk::<REPLY_HEADER_BYTES>()?;
        let (xid, rest) = head.split_first_chunk::<4>()?;
        let (zxid, error) = rest.split_first_chunk::<8>()?;
        let head = Self {
            xid: i32::from_be_bytes(*xid),
            zxid: Zxid(i64::from_be_bytes(*zxid)),
            error: i32::from_be_bytes(error.try_into().ok()?),
        };
        Some((head, body))
    }
}

/// Asks for a new session, or for one that exists.
pub(super) fn connect(out: &mut Vec<u8>, timeout_ms: i32, known: Option<&Session>, seen: Zxid) {
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: seen,
        time_out: timeout_ms,
        session_id: known.map_or(SessionId(0), |session| session.id),
        passwd: Some(known.map_or_else(|| vec![0; 16], |session| session.password.clone()).into()),
        read_only: Some(false),
    };
    write::with_length(out, |out| request.encode(out));
}

/// The session that a handshake gave; none when it has expired.
pub(super) fn connected(frame: &[u8]) -> Option<Session> {
    let mut reader = jute::Reader::from_slice(frame);
    let answer = jute::proto::ConnectResponse::decode(&mut reader).ok()?;
    let password = answer.passwd.map(|bytes| bytes.to_vec()).unwrap_or_default();
    (answer.session_id != SessionId(0)).then_some(Session {
        id: answer.session_id,
        password,
        timeout_ms: answer.time_out,
    })
}

/// A request whose body `body` appends.
pub(super) fn request(out: &mut Vec<u8>, number: i32, op: OpCode, body: impl FnOnce(&mut Vec<u8>)) {
    write::with_length(out, |out| {
        write::int(out, number);
        write::int(out, op.code());
        body(out);
    });
}

/// getData, exists or getChildren2.
pub(super) fn read(out: &mut Vec<u8>, number: i32, op: OpCode, path: &str, watches: bool) {
    request(out, number, op, |out| {
        write::string(out, path);
        write::boolean(out, watches);
    });
}

/// setData of any version.
pub(super) fn set(out: &mut Vec<u8>, number: i32, path: &str, data: &[u8]) {
    request(out, number, OpCode::SetData, |out| set_body(out, path, data));
}

/// create2, open to all; `flags` tell the kind of node.
pub(super) fn create(out: &mut Vec<u8>, number: i32, path: &str, data: &[u8], flags: i32) {
    request(out, number, OpCode::Create2, |out| {
        write::string(out, path);
        write::buffer(out, Some(data));
        let open = Acl { perms: perms::ALL, id: Id { scheme: "world".to_owned(), id: "anyone".to_owned() } };
        write::vector(out, &[open], |acl, out| acl.encode(out));
        write::int(out, flags);
    });
}

/// delete of any version.
pub(super) fn delete(out: &mut Vec<u8>, number: i32, path: &str) {
    request(out, number, OpCode::Delete, |out| {
        write::string(out, path);
        write::int(out, ANY_VERSION);
    });
}

/// A multi of setData on these nodes.
pub(super) fn multi_set<'a>(
    out: &mut Vec<u8>,
    number: i32,
    paths: impl Iterator<Item = &'a str>,
    data: &[u8],
) {
    request(out, number, OpCode::Multi, |out| {
        for path in paths {
            multi_header(out, OpCode::SetData.code(), false);
            set_body(out, path, data);
        }
        multi_header(out, -1, true);
    });
}

/// closeSession.
pub(super) fn close(out: &mut Vec<u8>, number: i32) {
    request(out, number, OpCode::CloseSession, |_| {});
}

/// A ping.
pub(super) fn ping(out: &mut Vec<u8>) {
    request(out, xid::PING, OpCode::Ping, |_| {});
}

const ANY_VERSION: i32 = -1;

fn set_body(out: &mut Vec<u8>, path: &str, data: &[u8]) {
    write::string(out, path);
    write::buffer(out, Some(data));
    write::int(out, ANY_VERSION);
}

fn multi_header(out: &mut Vec<u8>, op_code: i32, is_last: bool) {
    write::int(out, op_code);
    write::boolean(out, is_last);
    write::int(out, -1);
}

#[cfg(test)]
mod tests {
    use jute::proto::{CreateRequest, GetDataRequest, RequestHeader, SetDataRequest};

    use super::*;

    fn parts(frame: &[u8]) -> (RequestHeader, jute::Reader<'_>) {
        let (length, rest) = frame.split_first_chunk::<LENGTH_BYTES>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
        let mut reader = jute::Reader::from_slice(rest);
        (RequestHeader::decode(&mut reader).unwrap(), reader)
    }

    #[test]
    fn requests_are_what_a_server_reads() {
        let mut out = Vec::new();
        read(&mut out, 7, OpCode::GetData, "/a", true);
        let (header, mut reader) = parts(&out);
        assert_eq!((header.xid, header.op_code), (7, OpCode::GetData.code()));
        let get = GetDataRequest::decode(&mut reader).unwrap();
        assert_eq!((get.path.as_str(), get.watch, reader.is_empty()), ("/a", true, true));

        out.clear();
        set(&mut out, 8, "/b", b"x");
        let set = SetDataRequest::decode(&mut parts(&out).1).unwrap();
        assert_eq!((set.path.as_str(), set.data.as_deref(), set.version), ("/b", Some(&b"x"[..]), -1));

        out.clear();
        create(&mut out, 9, "/c", b"", 1);
        let create = CreateRequest::decode(&mut parts(&out).1).unwrap();
        assert_eq!((create.flags, create.acl.map(|acl| acl.len())), (1, Some(1)));

        out.clear();
        multi_set(&mut out, 10, ["/a", "/b"].into_iter(), b"x");
        let multi = jute::multi::MultiRequest::decode(&mut parts(&out).1).unwrap();
        assert_eq!(multi.ops.len(), 2);
    }

    #[test]
    fn the_head_of_a_reply() {
        let mut frame = Vec::new();
        write::int(&mut frame, 3);
        write::long(&mut frame, 0x5);
        write::int(&mut frame, -101);
        frame.push(7);
        let head = Head { xid: 3, zxid: Zxid(5), error: -101 };
        assert_eq!(Head::split(&frame), Some((head, &[7][..])));
        assert_eq!(Head::split(&frame[..15]), None);
    }
}
