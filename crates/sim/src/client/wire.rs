//! Requests as a client sends them.

use jute::{Record, proto, write};
use pipeline::request::Request;

pub(super) fn frame(content: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write::with_length(&mut out, content);
    out
}

pub(super) fn request(xid: i32, request: &Request) -> Vec<u8> {
    frame(|out| {
        proto::RequestHeader { xid, op_code: request.op_code().code() }.encode(out);
        body(request, out);
    })
}

fn body(request: &Request, out: &mut Vec<u8>) {
    match request {
        Request::Create(body) | Request::Create2(body) | Request::CreateContainer(body) => body.encode(out),
        Request::CreateTtl(body) => body.encode(out),
        Request::Delete(body) => body.encode(out),
        Request::DeleteContainer(body) => body.encode(out),
        Request::Exists(body) => body.encode(out),
        Request::GetData(body) => body.encode(out),
        Request::SetData(body) => body.encode(out),
        Request::GetAcl(body) => body.encode(out),
        Request::SetAcl(body) => body.encode(out),
        Request::GetChildren(body) => body.encode(out),
        Request::GetChildren2(body) => body.encode(out),
        Request::Sync(body) => body.encode(out),
        Request::Multi(body) | Request::MultiRead(body) => body.encode(out),
        Request::Reconfig(body) => body.encode(out),
        Request::CheckWatches(body) => body.encode(out),
        Request::RemoveWatches(body) => body.encode(out),
        Request::Auth(body) => body.encode(out),
        Request::SetWatches(body) => body.encode(out),
        Request::SetWatches2(body) => body.encode(out),
        Request::Sasl(body) => body.encode(out),
        Request::GetEphemerals(body) => body.encode(out),
        Request::GetAllChildrenNumber(body) => body.encode(out),
        Request::AddWatch(body) => body.encode(out),
        Request::CreateSession(body) => body.encode(out),
        Request::Ping | Request::Check | Request::WhoAmI | Request::CloseSession => {}
    }
}
