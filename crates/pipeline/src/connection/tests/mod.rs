extern crate std;

mod handshake;
mod limits;
mod order;
mod reads;
mod split;
mod watches;

use std::{format, string::String, vec::Vec};

use bytes::Bytes;
use jute::{ErrorCode, OpCode, Reader, Record, proto::ReplyHeader, write};

use super::{
    ConnectionAction,
    harness::{Harness, open_acl, request_frame},
};
use crate::{outbox::CloseReason, settings::PipelineSettings};

/// An established connection over `/a` ("data"), `/a/b`, `/a/c` and `/secret`, which only `digest` user `u` may use.
fn harness() -> Harness {
    let mut harness = Harness::established(PipelineSettings::default());
    harness.create("/a", b"data", open_acl());
    harness.create("/a/b", b"", open_acl());
    harness.create("/a/c", b"x", open_acl());
    harness
}

/// The frames in `sent`, without their prefixes.
fn frames(sent: &[u8]) -> Vec<Bytes> {
    let mut reader = Reader::from_slice(sent);
    let mut frames = Vec::new();
    while !reader.is_empty() {
        frames.push(reader.buffer().expect("a whole frame").expect("no null frame"));
    }
    frames
}

/// Each frame as `xid/err`.
fn outline(sent: &[u8]) -> Vec<String> {
    let line = |frame: &Bytes| {
        let header = ReplyHeader::from_slice(frame).expect("a reply header");
        let code = ErrorCode::from_code(header.err).map_or("?", ErrorCode::name);
        format!("{} {code}", header.xid)
    };
    frames(sent).iter().map(line).collect()
}

/// Sends one request and takes the only reply: its header and what follows.
fn ask(harness: &mut Harness, xid: i32, op: OpCode, body: impl FnOnce(&mut Vec<u8>)) -> (ReplyHeader, Bytes) {
    harness.receive(&request_frame(xid, op, body));
    let sent = harness.outbox.take_bytes();
    let frames = frames(&sent);
    assert_eq!(frames.len(), 1, "one reply to {op}");
    let mut reader = Reader::new(&frames[0]);
    let header = ReplyHeader::decode(&mut reader).expect("a reply header");
    (header, reader.rest())
}

/// A body of a path and a watch flag.
fn path_watch(path: &str, watch: bool) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        write::string(out, path);
        write::boolean(out, watch);
    }
}

/// A body of a path and a number.
fn path_int(path: &str, number: i32) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        write::string(out, path);
        write::int(out, number);
    }
}

/// Why the connection was closed, if it was.
fn closed(harness: &Harness) -> Option<CloseReason> {
    let mut reasons = harness.actions.iter().filter_map(|action| match action {
        ConnectionAction::Close(reason) => Some(*reason),
        ConnectionAction::FourLetterWord { .. }
        | ConnectionAction::Forward(_)
        | ConnectionAction::Heard(_) => None,
    });
    let reason = reasons.next();
    assert_eq!(reasons.next(), None, "a connection closes once");
    reason
}
