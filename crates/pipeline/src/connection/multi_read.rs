use alloc::vec::Vec;

use jute::{
    ErrorCode, OpCode, Record,
    multi::{MultiOp, MultiRequest},
    perms, proto, write,
};

use super::local::{Failure, Local, write_children};
use crate::outbox::CloseReason;

/// Stands where a header of a multi has no type.
const NOTHING: i32 = -1;

impl Local<'_> {
    /// Several reads in one reply; each has its own error, and no watch flag counts.
    // zk: FinalRequestProcessor, multiRead; MultiResponse.serialize
    // diverges(multi-read-max): results above what may wait for a client end the connection; the reference builds them all
    pub(super) fn multi_read(&mut self, request: &MultiRequest) -> Result<(), Failure> {
        // All operations are of one kind: the first tells whether they are reads.
        let reads = |op: &MultiOp| matches!(op, MultiOp::GetChildren(_) | MultiOp::GetData(_));
        let header =
            |code: ErrorCode| proto::ReplyHeader { xid: self.xid, zxid: self.zxid(), err: code.code() };
        if request.ops.first().is_some_and(|first| !reads(first)) {
            let header = header(ErrorCode::MarshallingError);
            self.outbox.reply_with_both(header, |out| multi_header(NOTHING, true, NOTHING, out));
            return Ok(());
        }
        let limit = self.outbox.cap_bytes();
        let header = header(ErrorCode::Ok);
        let reader = self.reader();
        let fits = self.outbox.try_reply(header, |out| {
            let start = out.len();
            for op in &request.ops {
                reader.result(op, out);
                if out.len() - start > limit {
                    return false;
                }
            }
            multi_header(NOTHING, true, NOTHING, out);
            true
        });
        if fits { Ok(()) } else { Err(Failure::Close(CloseReason::OutboxFull { limit })) }
    }
}

impl super::local::NodeReader<'_> {
    fn result(&self, op: &MultiOp, out: &mut Vec<u8>) {
        match op {
            MultiOp::GetChildren(request) => match self.readable(&request.path, perms::READ) {
                Ok(node) => {
                    multi_header(OpCode::GetChildren.code(), false, ErrorCode::Ok.code(), out);
                    write_children(&node, out);
                }
                Err(code) => error_result(code, out),
            },
            MultiOp::GetData(request) => match self.readable(&request.path, perms::READ) {
                Ok(node) => {
                    multi_header(OpCode::GetData.code(), false, ErrorCode::Ok.code(), out);
                    write::buffer(out, node.data());
                    node.stat().encode(out);
                }
                Err(code) => error_result(code, out),
            },
            MultiOp::Create(_)
            | MultiOp::Create2(_)
            | MultiOp::CreateContainer(_)
            | MultiOp::CreateTtl(_)
            | MultiOp::Delete(_)
            | MultiOp::SetData(_)
            | MultiOp::Check(_) => error_result(ErrorCode::MarshallingError, out),
        }
    }
}

fn error_result(code: ErrorCode, out: &mut Vec<u8>) {
    multi_header(OpCode::Error.code(), false, code.code(), out);
    write::int(out, code.code());
}

fn multi_header(op_code: i32, done: bool, err: i32, out: &mut Vec<u8>) {
    proto::MultiHeader { op_code, done, err }.encode(out);
}
