//! A reply as text in which everything that may differ between two equal servers is replaced by what may not:
//! session ids by the session's number in the run, times by zero or not zero, children sorted.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::op;
use crate::wire::{Reader, Short, escaped};

/// What is replaced on one side.
#[derive(Default)]
pub(crate) struct Normal {
    /// The run's number of each session id of this server.
    pub(crate) sessions: HashMap<i64, usize>,
    /// Leave the reply header's zxid out (requests were pipelined).
    pub(crate) hide_reply_zxids: bool,
    /// Leave out every zxid (several connections were busy at once).
    pub(crate) hide_all_zxids: bool,
}

/// One reply or event.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reply {
    pub(crate) xid: i32,
    pub(crate) zxid: i64,
    pub(crate) err: i32,
    pub(crate) text: String,
    /// Of each operation that succeeded: the path that was created, if one was. Errors of a multi's operations.
    pub(crate) results: Vec<Outcome>,
}

/// The result of one operation, of a multi or alone.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Done,
    Created(Vec<u8>),
    Failed(i32),
}

impl Normal {
    /// Reads the header and, if `op` is that of the request, its body.
    pub(crate) fn reply(&self, op: i32, frame: &[u8]) -> Result<Reply, Short> {
        let mut reader = Reader(frame);
        let xid = reader.int()?;
        let zxid = reader.long()?;
        let err = reader.int()?;
        let mut reply = Reply { xid, zxid, err, ..Reply::default() };
        let hidden = self.hide_all_zxids || (self.hide_reply_zxids && xid != op::XID_EVENT);
        let shown = if hidden { "-".to_owned() } else { format!("{zxid:#x}") };
        reply.text = format!("xid {xid} zxid {shown} err {}", op::error_name(err));
        if xid == op::XID_EVENT {
            self.event(&mut reader, &mut reply)?;
        } else if err == 0 {
            self.body(op, &mut reader, &mut reply)?;
        } else {
            reply.results.push(Outcome::Failed(err));
        }
        if !reader.0.is_empty() {
            let _ = write!(reply.text, " and {} bytes more: {}", reader.0.len(), escaped(reader.0));
        }
        Ok(reply)
    }

    fn event(&self, reader: &mut Reader<'_>, reply: &mut Reply) -> Result<(), Short> {
        let (kind, state, path) = (reader.int()?, reader.int()?, reader.string()?);
        let _ = write!(reply.text, " event {kind} state {state} path {path}");
        Ok(())
    }

    fn body(&self, op: i32, reader: &mut Reader<'_>, reply: &mut Reply) -> Result<(), Short> {
        let text = &mut reply.text;
        match op {
            op::CREATE => {
                let path = reader.buffer()?.unwrap_or_default();
                let _ = write!(text, " path {}", escaped(path));
                reply.results.push(Outcome::Created(path.to_vec()));
                return Ok(());
            }
            op::CREATE2 | op::CREATE_TTL | op::CREATE_CONTAINER => {
                let path = reader.buffer()?.unwrap_or_default();
                let _ = write!(text, " path {} {}", escaped(path), self.stat(reader)?);
                reply.results.push(Outcome::Created(path.to_vec()));
                return Ok(());
            }
            op::EXISTS | op::SET_DATA | op::SET_ACL => {
                let _ = write!(text, " {}", self.stat(reader)?);
            }
            op::GET_DATA => {
                let data = reader.string()?;
                let _ = write!(text, " data {data} {}", self.stat(reader)?);
            }
            op::GET_ACL => {
                let acl = acl(reader)?;
                let _ = write!(text, " acl {acl} {}", self.stat(reader)?);
            }
            op::GET_CHILDREN | op::GET_EPHEMERALS => {
                let _ = write!(text, " {}", sorted(reader)?);
            }
            op::GET_CHILDREN2 => {
                let children = sorted(reader)?;
                let _ = write!(text, " {children} {}", self.stat(reader)?);
            }
            op::SYNC | op::SASL => {
                let _ = write!(text, " {}", reader.string()?);
            }
            op::GET_ALL_CHILDREN_NUMBER | op::ADD_WATCH => {
                let _ = write!(text, " {}", reader.int()?);
            }
            op::WHO_AM_I => {
                let mut ids = Vec::new();
                for _ in 0..reader.int()?.max(0) {
                    ids.push(format!("{}:{}", reader.string()?, reader.string()?));
                }
                ids.sort();
                let _ = write!(text, " {ids:?}");
            }
            op::MULTI | op::MULTI_READ => return self.multi(reader, reply),
            _ => {}
        }
        reply.results.push(Outcome::Done);
        Ok(())
    }

    fn multi(&self, reader: &mut Reader<'_>, reply: &mut Reply) -> Result<(), Short> {
        loop {
            let (kind, done, err) = (reader.int()?, reader.boolean()?, reader.int()?);
            let _ = write!(reply.text, " | {kind} {done} {err}:");
            if done {
                return Ok(());
            }
            if kind == -1 {
                let code = reader.int()?;
                let _ = write!(reply.text, " {}", op::error_name(code));
                reply.results.push(Outcome::Failed(code));
            } else {
                self.body(kind, reader, reply)?;
            }
        }
    }

    fn stat(&self, reader: &mut Reader<'_>) -> Result<String, Short> {
        let (czxid, mzxid) = (reader.long()?, reader.long()?);
        let (ctime, mtime) = (reader.long()?, reader.long()?);
        let versions = [reader.int()?, reader.int()?, reader.int()?];
        let owner = reader.long()?;
        let (length, children, pzxid) = (reader.int()?, reader.int()?, reader.long()?);
        let zxids =
            if self.hide_all_zxids { "-".to_owned() } else { format!("{czxid:x}/{mzxid:x}/{pzxid:x}") };
        // A node that was never changed has one time; every time but the root's is set.
        let times = (ctime != 0, mtime != 0, mtime >= ctime, czxid != mzxid || ctime == mtime);
        let owner = match (owner, self.sessions.get(&owner)) {
            (0, _) => "-".to_owned(),
            (_, Some(number)) => format!("S{number}"),
            (_, None) => format!("{owner:#x}"),
        };
        Ok(format!(
            "stat {zxids} times {times:?} versions {versions:?} owner {owner} length {length} children {children}"
        ))
    }
}

fn sorted(reader: &mut Reader<'_>) -> Result<String, Short> {
    let mut names = reader.strings()?;
    names.sort();
    Ok(format!("{names:?}"))
}

/// The entries in their order, which is part of the value.
pub(crate) fn acl(reader: &mut Reader<'_>) -> Result<String, Short> {
    let count = reader.int()?;
    let mut out = if count < 0 { "null".to_owned() } else { String::new() };
    for _ in 0..count.max(0) {
        let _ = write!(out, "[{} {}:{}]", reader.int()?, reader.string()?, reader.string()?);
    }
    Ok(out)
}
