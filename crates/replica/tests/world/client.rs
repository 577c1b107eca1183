//! What a client asked for, and the frames that it gets.

use std::collections::BTreeMap;

use jute::data::Id;
use jute::{OpCode, Reader, Record, proto, xid};
use pipeline::outbox::Outbox;

use super::show;

/// A client as a script sees it.
#[derive(Default)]
pub struct Client {
    pub id: u64,
    pub xid: i32,
    pub identities: Vec<Id>,
    /// What each request was, to read its reply.
    pub asked: BTreeMap<i32, OpCode>,
    pub is_closed: bool,
    pub awaits_handshake: bool,
}

/// The frames that wait for a client.
pub fn frames(client: &mut Client, outbox: &mut Outbox) -> Vec<String> {
    let bytes = outbox.take_bytes();
    let mut reader = Reader::from_slice(&bytes);
    let mut frames = Vec::new();
    while !reader.is_empty() {
        let frame = reader.buffer().expect("a frame").expect("a frame");
        let mut frame = Reader::from_slice(&frame);
        if std::mem::take(&mut client.awaits_handshake) {
            let reply = proto::ConnectResponse::decode(&mut frame).expect("a handshake");
            frames.push(format!("session={} timeout={}", reply.session_id, reply.time_out));
            continue;
        }
        let header = proto::ReplyHeader::decode(&mut frame).expect("a header");
        if header.xid == xid::NOTIFICATION {
            let event = proto::WatcherEvent::decode(&mut frame).expect("an event");
            frames.push(format!("event type={} {} zxid={}", event.event_type, event.path, header.zxid));
            continue;
        }
        let op = client.asked.remove(&header.xid).expect("a reply to a request");
        frames.push(show::reply(&header, op, &mut frame));
    }
    frames
}
