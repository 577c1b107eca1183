//! A scripted client with the sessions of a real one: handshake, pings, reconnects, watches that are set again.

mod acls;
mod administrator;
mod watching;
mod wire;
mod workload;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use jute::multi::{MultiResponse, MultiResult};
use jute::{OpCode, Reader, Record, SessionId, Zxid, proto, xid};
use pipeline::request::Request;

use crate::agenda::Happening;
use crate::check::{Asked, Failure, Heard, History, Op, OpId, Returned};
use crate::clock::{MS, Micros, SECOND};
use crate::net::{End, Line, WireId};
use crate::plan::ADMINISTRATOR;
use crate::random::Random;
use crate::universe::Universe;
pub(crate) use acls::{address_of, allows};
use administrator::Administrator;
use watching::{Watching, request_again};
use workload::Workload;

/// One client.
pub(crate) struct Client {
    index: usize,
    host: usize,
    random: Random,
    workload: Workload,
    /// Who changes the membership does nothing else.
    administrator: Option<Administrator>,
    /// A server that only serves reads will do for a while.
    may_only_read: bool,
    /// The server of this connection does no more; it is left then.
    only_reads_until: Option<Micros>,
    session: Session,
    link: Link,
    received: BytesMut,
    next_xid: i32,
    outstanding: VecDeque<(i32, Waiting)>,
    watching: Watching,
    last_heard: Micros,
    last_sent: Micros,
    retry_at: Micros,
    asks_next: Micros,
    /// No more operations until a new session; then it is forgotten.
    is_leaving: bool,
    /// When an operation last succeeded.
    pub(crate) served_at: Micros,
}

#[derive(Debug, Clone, Default)]
struct Session {
    id: SessionId,
    password: Bytes,
    timeout: Micros,
    seen: Zxid,
    /// No server that does more knows it.
    is_read_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down,
    Dialing(WireId),
    Greeting(WireId),
    Up(WireId),
}

#[derive(Debug)]
enum Waiting {
    Op(OpId),
    Watches(proto::SetWatches2),
    Ping,
    Auth,
}

/// Time that a connection may take to stand.
const CONNECT_MAX: Micros = SECOND;
/// Time between two looks at the clock, at most.
const LOOK_MAX: Micros = 60 * MS;
/// What a server says that only serves reads.
const NOT_READ_ONLY: i32 = jute::ErrorCode::NotReadOnly.code();
/// Operations under way at once.
const OUTSTANDING_MAX: usize = 4;

impl Client {
    pub(crate) fn new(index: usize, u: &Universe) -> Self {
        let mut random = Random::stream(u.plan.seed, &format!("client {index}"));
        Self {
            index,
            host: u.plan.host_of_client(index),
            workload: Workload::new(index, &mut random),
            administrator: (u.plan.administrator() == Some(index)).then(|| Administrator::new(&mut random)),
            random,
            may_only_read: u.plan.allows_read_only
                && u.plan.administrator() != Some(index)
                && Random::stream(u.plan.seed, &format!("reader {index}")).chance(700),
            only_reads_until: None,
            session: Session::default(),
            link: Link::Down,
            received: BytesMut::new(),
            next_xid: 1,
            outstanding: VecDeque::new(),
            watching: Watching::default(),
            last_heard: 0,
            last_sent: 0,
            retry_at: 0,
            asks_next: 0,
            is_leaving: false,
            served_at: 0,
        }
    }

    /// The session, while there is one.
    pub(crate) fn session(&self) -> Option<SessionId> {
        (self.session.id != SessionId::NONE).then_some(self.session.id)
    }

    /// It looks at its clock.
    pub(crate) fn wake(&mut self, u: &mut Universe, history: &mut History) {
        // Whoever thinks for long must be heard of meanwhile.
        let after = LOOK_MAX.min(u.plan.think);
        u.agenda.plan(u.now + self.random.between(after / 2, after), Happening::Client(self.index));
        let silent = u.now.saturating_sub(self.last_heard);
        match self.link {
            Link::Down if u.now >= self.retry_at => self.connect(u),
            Link::Down => {}
            Link::Dialing(_) | Link::Greeting(_) if silent > CONNECT_MAX => self.disconnect(u, history),
            Link::Dialing(_) | Link::Greeting(_) => {}
            Link::Up(_) if silent > self.session.timeout * 2 / 3 => {
                u.marks.reach("client gave a silent server up");
                self.disconnect(u, history);
            }
            Link::Up(_) if self.only_reads_until.is_some_and(|until| until <= u.now) => {
                u.marks.reach("client left a server that only serves reads");
                self.disconnect(u, history);
            }
            Link::Up(wire) => self.act(u, history, wire),
        }
    }

    /// The dial was accepted.
    pub(crate) fn opened(&mut self, u: &mut Universe, wire: WireId) {
        if self.link != Link::Dialing(wire) {
            return u.close(wire, End::Dialer);
        }
        self.link = Link::Greeting(wire);
        self.last_heard = u.now;
        // zk: ClientCnxn.SendThread.primeConnection: a session that only one server knows is asked for nowhere else
        let id = if self.session.is_read_only { SessionId::NONE } else { self.session.id };
        let password = if id == SessionId::NONE { vec![0; 16] } else { self.session.password.to_vec() };
        let timeout_ms = i32::try_from(self.workload.timeout_ms(u.plan.tick_ms)).unwrap_or(i32::MAX);
        let request = proto::ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: if u.has_bug("seen-not-looked-at") { Zxid::ZERO } else { self.session.seen },
            time_out: timeout_ms,
            session_id: id,
            passwd: Some(password.into()),
            read_only: Some(self.may_only_read),
        };
        u.send(wire, End::Dialer, wire::frame(|out| request.encode(out)));
    }

    /// The connection, or the dial, is gone.
    pub(crate) fn lost(&mut self, u: &mut Universe, history: &mut History, wire: WireId) {
        if matches!(self.link, Link::Dialing(now) | Link::Greeting(now) | Link::Up(now) if now == wire) {
            self.disconnect(u, history);
        }
    }

    /// Bytes of the server.
    pub(crate) fn bytes(&mut self, u: &mut Universe, history: &mut History, wire: WireId, bytes: &[u8]) {
        if !matches!(self.link, Link::Greeting(now) | Link::Up(now) if now == wire) {
            return;
        }
        self.received.extend_from_slice(bytes);
        self.last_heard = u.now;
        while let Ok(Some(frame)) = jute::frame::split(&mut self.received, jute::frame::FRAME_MAX_DEFAULT) {
            match self.link {
                Link::Greeting(wire) => self.greeted(u, history, wire, &frame),
                Link::Up(_) => self.answered(u, history, &frame),
                Link::Down | Link::Dialing(_) => return,
            }
        }
    }

    fn connect(&mut self, u: &mut Universe) {
        let to = self.random.index(u.plan.servers());
        self.received.clear();
        self.last_heard = u.now;
        self.link = Link::Dialing(u.dial(Line::Client, self.host, to));
    }

    /// Gives the connection up: what is under way has an unknown outcome.
    fn disconnect(&mut self, u: &mut Universe, history: &mut History) {
        if let Link::Dialing(wire) | Link::Greeting(wire) | Link::Up(wire) = self.link {
            u.close(wire, End::Dialer);
        }
        if matches!(self.link, Link::Up(_)) {
            history.hear(self.index, Heard::Lost);
        }
        self.link = Link::Down;
        self.only_reads_until = None;
        if let Some(administrator) = self.administrator.as_mut().filter(|_| !self.outstanding.is_empty()) {
            administrator.lost();
        }
        self.outstanding.clear();
        self.retry_at = u.now + self.random.between(10 * MS, 300 * MS);
        if self.is_leaving {
            self.forget_session();
        }
    }

    fn forget_session(&mut self) {
        self.session = Session::default();
        self.watching = Watching::default();
        self.is_leaving = false;
        self.next_xid = 1;
    }

    /// The answer to the handshake.
    fn greeted(&mut self, u: &mut Universe, history: &mut History, wire: WireId, frame: &Bytes) {
        let Ok(response) = proto::ConnectResponse::from_slice(frame) else {
            return u.fail(Failure::new("C7", "an answer to a handshake cannot be read"));
        };
        if response.session_id == SessionId::NONE {
            u.marks.reach("client heard: session expired");
            self.forget_session();
            return self.disconnect(u, history);
        }
        let only_reads = response.read_only == Some(true);
        if only_reads && !self.may_only_read {
            u.fail(Failure::new("R5", "a client that wants to write got a server that only serves reads"));
        }
        self.only_reads_until = only_reads.then(|| u.now + self.random.between(300 * MS, 2 * SECOND));
        let is_new = self.session.id == SessionId::NONE || self.session.is_read_only;
        self.session.is_read_only = only_reads && is_new;
        if !is_new {
            u.marks.reach("session reattached");
            if self.session.id != response.session_id {
                u.fail(Failure::new("E4", "a client got another session than its own"));
            }
        }
        self.session.id = response.session_id;
        self.session.password = response.passwd.unwrap_or_default();
        self.session.timeout = u64::try_from(response.time_out).unwrap_or(0) * MS;
        self.link = Link::Up(wire);
        let (session, seen) = (self.session.id, self.session.seen);
        history.hear(self.index, Heard::Connected);
        u.trace.say(u.now, || format!("client {}: session {session}", self.index));
        if self.administrator.is_some() {
            let auth = Some(Bytes::from_static(ADMINISTRATOR.as_bytes()));
            let packet = proto::AuthPacket { auth_type: 0, scheme: "digest".to_owned(), auth };
            self.outstanding.push_back((xid::AUTH, Waiting::Auth));
            u.send(wire, End::Dialer, wire::request(xid::AUTH, &Request::Auth(packet)));
        }
        if let Some(watches) = self.watching.again(seen) {
            let bytes = wire::request(xid::SET_WATCHES, &request_again(&watches));
            self.outstanding.push_back((xid::SET_WATCHES, Waiting::Watches(watches)));
            u.send(wire, End::Dialer, bytes);
        }
    }

    /// Sends an operation, or a ping.
    fn act(&mut self, u: &mut Universe, history: &mut History, wire: WireId) {
        if u.now.saturating_sub(self.last_sent) > self.session.timeout / 3 {
            self.last_sent = u.now;
            self.outstanding.push_back((xid::PING, Waiting::Ping));
            u.send(wire, End::Dialer, wire::request(xid::PING, &Request::Ping));
        }
        while u.now >= self.asks_next
            && !self.is_leaving
            && u.now < u.plan.asking_ends()
            && self.outstanding.len() < OUTSTANDING_MAX
        {
            let Some(request) = self.next_request(u) else { break };
            self.ask(u, history, wire, request);
            if !self.random.chance(300) {
                let think = u.plan.think;
                self.asks_next = u.now + self.random.between(think / 4, think * 2);
            }
        }
        if self.random.chance(u.plan.moves) && !u.is_healing() {
            u.marks.reach("client moved");
            return self.disconnect(u, history);
        }
        if self.random.chance(1) && !u.is_healing() {
            // The program dies without a word; its session is left to expire.
            u.marks.reach("session left to expire");
            self.forget_session();
            self.disconnect(u, history);
        }
    }

    fn next_request(&mut self, u: &mut Universe) -> Option<Request> {
        if let Some(administrator) = &mut self.administrator {
            let is_free = self.outstanding.is_empty() || administrator.hurries();
            return is_free.then(|| administrator.next(u, &mut self.random)).flatten();
        }
        if u.plan.has_reconfig && self.random.chance(12) {
            return Some(administrator::outsider(&mut self.random));
        }
        Some(self.workload.next(&mut self.random))
    }

    fn ask(&mut self, u: &mut Universe, history: &mut History, wire: WireId, request: Request) {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.last_sent = u.now;
        self.is_leaving = matches!(request, Request::CloseSession);
        let bytes = wire::request(xid, &request);
        let op = Op {
            client: self.index,
            session: self.session.id,
            xid,
            asked: Asked { request },
            is_read_only: self.only_reads_until.is_some(),
            invoked: u.now,
            returned: None,
        };
        let (client, name) = (self.index, op.asked.request.op_code());
        u.trace.say(u.now, || format!("client {client}: asks {name} xid {xid}"));
        self.outstanding.push_back((xid, Waiting::Op(history.invoke(op))));
        u.send(wire, End::Dialer, bytes);
    }

    /// A frame behind the handshake.
    fn answered(&mut self, u: &mut Universe, history: &mut History, frame: &Bytes) {
        let mut reader = Reader::new(frame);
        let Ok(header) = proto::ReplyHeader::decode(&mut reader) else {
            return u.fail(Failure::new("C7", "the header of a reply cannot be read"));
        };
        let body = reader.rest();
        if header.xid == xid::NOTIFICATION {
            return self.event(u, history, header.zxid, &body);
        }
        let Some((expected, waiting)) = self.outstanding.pop_front() else {
            return u.fail(Failure::new("C2", format!("client {} got a reply nobody waits for", self.index)));
        };
        if expected != header.xid {
            let what = format!("client {} waits for xid {expected} and got {}", self.index, header.xid);
            return u.fail(Failure::new("C2", what));
        }
        if matches!(waiting, Waiting::Auth) {
            return;
        }
        self.see(u, header.zxid);
        match waiting {
            Waiting::Auth => {}
            Waiting::Ping => history.hear(self.index, Heard::Pong { zxid: header.zxid }),
            Waiting::Watches(set) => history.hear(self.index, Heard::WatchesSet { zxid: header.zxid, set }),
            Waiting::Op(id) => self.returned(u, history, id, header, body),
        }
    }

    fn returned(
        &mut self,
        u: &mut Universe,
        history: &mut History,
        id: OpId,
        header: proto::ReplyHeader,
        body: Bytes,
    ) {
        history.hear(self.index, Heard::Reply { op: id });
        history.answer(id, Returned { at: u.now, zxid: header.zxid, err: header.err, body: body.clone() });
        let Some(op) = history.op(id) else { return };
        let request = &op.asked.request;
        u.trace.say(u.now, || {
            format!(
                "client {}: {} xid {} -> {} at {}",
                self.index,
                request.op_code(),
                op.xid,
                header.err,
                header.zxid
            )
        });
        if self.only_reads_until.is_some() {
            u.marks.reach(match header.err {
                NOT_READ_ONLY => "read-only refused a write",
                _ => "read-only served",
            });
        } else if header.err == 0 {
            self.served_at = u.now;
        }
        if let Some(mark) = mark_of(request, header.err, &body) {
            u.marks.reach(mark);
        }
        self.watching.replied(request, header.err);
        self.workload.replied(request, header.err, &body);
        if let Some(administrator) = &mut self.administrator {
            administrator.replied(request, header.err, &body);
        }
    }

    fn event(&mut self, u: &mut Universe, history: &mut History, zxid: Zxid, body: &Bytes) {
        let Ok(event) = proto::WatcherEvent::from_slice(body) else {
            return u.fail(Failure::new("C7", "an event cannot be read"));
        };
        u.marks.reach("watch fired");
        // What setWatches tells is compared as a whole (W4); it may tell of a path once for each of its watches.
        let is_watched = self.watching.fired(event.event_type, &event.path);
        if zxid.0 <= 0 {
            self.watching.caught_up(&event.path);
        } else if !is_watched && !self.watching.is_caught_up(&event.path) {
            let what = format!("client {} is told of {} and does not watch it", self.index, event.path);
            u.fail(Failure::new("W3", what));
        }
        if zxid.0 > 0 {
            self.see(u, zxid);
        }
        history.hear(self.index, Heard::Event { kind: event.event_type, path: event.path, zxid });
    }

    /// C3, C4: what a session sees never goes back.
    fn see(&mut self, u: &mut Universe, zxid: Zxid) {
        if zxid < self.session.seen {
            let what = format!(
                "session {} of client {} saw {} and now {zxid}",
                self.session.id, self.index, self.session.seen
            );
            u.fail(Failure::new("C4", what));
        }
        self.session.seen = self.session.seen.max(zxid);
    }
}

/// What an answer shows that should happen now and then.
fn mark_of(request: &Request, err: i32, body: &Bytes) -> Option<&'static str> {
    const OK: i32 = jute::ErrorCode::Ok.code();
    const NO_AUTH: i32 = jute::ErrorCode::NoAuth.code();
    match (request, err) {
        (Request::Reconfig(_), err) => reconfig_mark(err),
        (_, NO_AUTH) => Some("refused: no permission"),
        (Request::AddWatch(_), OK) => Some("standing watch"),
        (Request::RemoveWatches(_), OK) => Some("watches removed"),
        (Request::CreateContainer(_), OK) => Some("container created"),
        (Request::CreateTtl(_), OK) => Some("TTL znode created"),
        (Request::SetAcl(_), OK) => Some("permissions changed"),
        (Request::GetEphemerals(_), OK) => Some("ephemerals listed"),
        (Request::GetAllChildrenNumber(_), OK) => Some("descendants counted"),
        (Request::Multi(_), OK) => {
            let response = MultiResponse::from_slice(body).ok()?;
            let is_refused = response.results.iter().any(|part| matches!(part, MultiResult::Error(_)));
            is_refused.then_some("multi refused")
        }
        _ => None,
    }
}

fn reconfig_mark(err: i32) -> Option<&'static str> {
    Some(match jute::ErrorCode::from_code(err)? {
        jute::ErrorCode::Ok => "reconfig answered",
        jute::ErrorCode::BadVersion => "reconfig refused: version",
        jute::ErrorCode::BadArguments => "reconfig refused: arguments",
        jute::ErrorCode::NewConfigNoQuorum => "reconfig refused: no quorum",
        jute::ErrorCode::ReconfigInProgress => "reconfig refused: one under way",
        jute::ErrorCode::NoAuth => "reconfig refused: no permission",
        _ => return None,
    })
}

/// Whether an operation changes the tree.
pub(crate) fn is_write(request: &Request) -> bool {
    matches!(
        request.op_code(),
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Multi
            | OpCode::Reconfig
            | OpCode::CloseSession
    )
}
