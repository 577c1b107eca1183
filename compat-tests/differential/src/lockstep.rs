//! Two servers, several sessions, the same requests: one at a time, or in windows on one connection.

use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::net::SocketAddr;

use crate::generate::{Generator, SlotView};
use crate::model::Model;
use crate::op;
use crate::paths::Paths;
use crate::reply::{Normal, Outcome, Reply};
use crate::request::{Change, Request};
use crate::session::{Connection, request_frame};
use crate::table::Table;
use crate::wire::{Random, Writer};

/// The first is the reference, the second the server under test.
pub(crate) const SIDES: [&str; 2] = ["reference", "candidate"];
const DIFFERENCES_MAX: usize = 10;
const JOURNAL_MAX: usize = 12;

pub(crate) struct Side {
    pub(crate) address: SocketAddr,
    pub(crate) normal: Normal,
}

/// A client: the same session, as far as anyone can tell, on both servers.
pub(crate) struct Slot {
    pub(crate) connections: [Connection; 2],
    pub(crate) ids: [i64; 2],
    pub(crate) number: usize,
    pub(crate) next_xid: i32,
    pub(crate) view: SlotView,
    /// Events that the candidate sent while it caught up.
    early: Vec<Reply>,
}

impl Slot {
    pub(crate) fn new(connections: [Connection; 2], ids: [i64; 2], number: usize, view: SlotView) -> Self {
        Self { connections, ids, number, next_xid: 0, view, early: Vec::new() }
    }
}

pub(crate) struct Run {
    pub(crate) sides: [Side; 2],
    pub(crate) slots: Vec<Slot>,
    pub(crate) model: Model,
    pub(crate) paths: Paths,
    pub(crate) random: Random,
    pub(crate) table: Table,
    pub(crate) sessions: usize,
    pub(crate) asked: u64,
    /// Replies with a listed difference.
    pub(crate) passed_over: u64,
    pub(crate) differences: Vec<String>,
    journal: VecDeque<String>,
    closings: HashSet<i64>,
}

/// What came back for one request.
struct Answer {
    events: Vec<Reply>,
    /// `None`: the connection was closed.
    reply: Option<Reply>,
}

impl Run {
    pub(crate) fn new(addresses: [SocketAddr; 2], seed: u64, paths: Paths) -> Self {
        let sides = addresses.map(|address| {
            let normal = Normal { hide_all_zxids: paths.private, ..Normal::default() };
            Side { address, normal }
        });
        Self {
            sides,
            paths,
            slots: Vec::new(),
            model: Model::default(),
            random: Random::new(seed),
            table: Table::default(),
            sessions: 0,
            asked: 0,
            passed_over: 0,
            differences: Vec::new(),
            journal: VecDeque::new(),
            closings: HashSet::new(),
        }
    }

    /// `requests` more, in windows of up to `window`.
    pub(crate) fn go(&mut self, requests: u64, window: usize) -> Result<(), Box<dyn Error>> {
        let end = self.asked + requests;
        while self.asked < end && self.differences.len() < DIFFERENCES_MAX {
            let at = self.random.below(self.slots.len());
            if window == 1 && self.random.below(1000) < 8 {
                self.connection_event(at)?;
                continue;
            }
            let requests = self.window(at, window);
            self.exchange(at, &requests)?;
        }
        Ok(())
    }

    /// What is sent in one go. Nothing in it may cost only one of the servers a zxid; and a setACL ends it: while it is
    /// under way the reference checks against the old list, a moment later against the new one.
    fn window(&mut self, at: usize, most: usize) -> Vec<Request> {
        let count = if most == 1 { 1 } else { 1 + self.random.below(most) };
        let mut requests = Vec::new();
        while requests.len() < count && requests.last().is_none_or(|last: &Request| last.op != op::SET_ACL) {
            let request = self.generate(at, most == 1);
            if most == 1 || !request.undecodable() {
                requests.push(request);
            }
        }
        requests
    }

    fn generate(&mut self, at: usize, alone: bool) -> Request {
        let slot = self.slots[at].view;
        Generator { random: &mut self.random, model: &self.model, paths: &self.paths, slot }.next(alone)
    }

    /// Sends requests on one session to both servers and compares what comes back.
    pub(crate) fn exchange(&mut self, at: usize, requests: &[Request]) -> Result<(), Box<dyn Error>> {
        let slot = &mut self.slots[at];
        let xids: Vec<i32> = requests.iter().map(|request| request.xid(&mut slot.next_xid)).collect();
        let each = requests.iter().zip(&xids);
        let bytes: Vec<u8> =
            each.flat_map(|(request, xid)| request_frame(*xid, request.op, &request.body)).collect();
        for connection in &mut slot.connections {
            // A server that has closed already is found out when its reply is read.
            let _ = connection.send(&bytes);
        }
        for (request, xid) in requests.iter().zip(xids) {
            self.asked += 1;
            let answers = [self.answer(at, 0, request)?, self.answer(at, 1, request)?];
            if self.is_listed(request, &answers) {
                self.passed_over += 1;
                self.catch_up(at, &answers)?;
            } else {
                self.compare(at, request, xid, &answers);
            }
            let [Answer { reply: Some(reply), .. }, _] = answers else {
                return self.replace(at);
            };
            let closed = self.learn(at, request, &reply);
            if closed || (request.fatal_error && reply.err != 0) {
                self.expect_close(at, request)?;
                return if closed { self.begin(at) } else { self.reattach(at) };
            }
        }
        Ok(())
    }

    fn answer(&mut self, at: usize, side: usize, request: &Request) -> Result<Answer, Box<dyn Error>> {
        let slot = &mut self.slots[at];
        let mut events = if side == 1 { std::mem::take(&mut slot.early) } else { Vec::new() };
        let connection = &mut slot.connections[side];
        loop {
            let frame = connection.frame().map_err(|error| {
                format!(
                    "{}: request {}: {} {}: {error}",
                    SIDES[side],
                    self.asked,
                    op::name(request.op),
                    request.text
                )
            })?;
            let Some(frame) = frame else { return Ok(Answer { events, reply: None }) };
            let reply = self.sides[side].normal.reply(request.op, &frame)?;
            if reply.xid != op::XID_EVENT {
                return Ok(Answer { events, reply: Some(reply) });
            }
            events.push(reply);
        }
    }

    /// A difference that COMPAT.md lists (`undecodable-body`, `null-path`): the candidate answers MARSHALLINGERROR
    /// without a txn, where the reference logs an error txn, or takes null for a path.
    fn is_listed(&self, request: &Request, answers: &[Answer; 2]) -> bool {
        let [Some(reference), Some(candidate)] = answers.each_ref().map(|answer| answer.reply.as_ref())
        else {
            return false;
        };
        let mut texts = answers.each_ref().map(|answer| self.lines(answer));
        let replies = texts.each_mut().map(Vec::pop);
        replies[0] != replies[1]
            && texts[0] == texts[1]
            && request.undecodable()
            && candidate.err == op::MARSHALLING_ERROR
            && (0..=1).contains(&(reference.zxid - candidate.zxid))
            && (reference.err == candidate.err || request.names_null())
    }

    /// Where only the reference used up a zxid, the candidate does so by a delete that fails.
    fn catch_up(&mut self, at: usize, answers: &[Answer; 2]) -> Result<(), Box<dyn Error>> {
        let zxids = answers.each_ref().map(|answer| answer.reply.as_ref().map(|reply| reply.zxid));
        if zxids[0] == zxids[1] {
            return Ok(());
        }
        let nowhere = Writer::default().buffer(Some(&[&self.paths.base[..], b"/nowhere/x"].concat())).int(-1);
        self.slots[at].connections[1].send(&request_frame(i32::MAX, op::DELETE, &nowhere.0))?;
        let request = Request::new(op::DELETE, nowhere, "(catching up)".to_owned());
        self.slots[at].early = self.answer(at, 1, &request)?.events;
        Ok(())
    }

    fn compare(&mut self, at: usize, request: &Request, xid: i32, answers: &[Answer; 2]) {
        if let (op::CLOSE_SESSION, Some(reply)) = (request.op, &answers[0].reply) {
            self.closings.insert(reply.zxid);
        }
        let texts = answers.each_ref().map(|answer| self.lines(answer));
        let asked = format!(
            "request {} of session S{}, xid {xid}: {} {}",
            self.asked,
            self.slots[at].number,
            op::name(request.op),
            request.text
        );
        let wrong_xid = answers[0].reply.as_ref().is_some_and(|reply| reply.xid != xid);
        if texts[0] != texts[1] || wrong_xid {
            self.differ(&format!("{asked}\n  body {}", crate::wire::escaped(&request.body)), &texts);
        }
        let line = format!("{asked}\n    {}", texts[0].last().map_or("closed", String::as_str));
        self.journal.push_back(line);
        if self.journal.len() > JOURNAL_MAX {
            self.journal.pop_front();
        }
    }

    /// Events of one closed session come in the order of a hash table: they are sorted.
    fn lines(&self, answer: &Answer) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut group = (0, 0);
        for event in &answer.events {
            if group.0 != event.zxid || !self.closings.contains(&event.zxid) {
                group = (event.zxid, lines.len());
            }
            lines.push(event.text.clone());
            lines[group.1..].sort();
        }
        lines.push(answer.reply.as_ref().map_or_else(|| "closed".to_owned(), |reply| reply.text.clone()));
        lines
    }

    pub(crate) fn differ(&mut self, what: &str, texts: &[Vec<String>; 2]) {
        let before: Vec<&str> = self.journal.iter().map(String::as_str).collect();
        let show = |side: usize| format!("  {}:\n    {}", SIDES[side], texts[side].join("\n    "));
        let text = format!("before:\n  {}\nDIFFERENT: {what}\n{}\n{}", before.join("\n  "), show(0), show(1));
        println!("{text}\n");
        self.differences.push(text);
    }

    /// Takes over what the reply says; true when the session is closed now.
    fn learn(&mut self, at: usize, request: &Request, reply: &Reply) -> bool {
        self.table.count(op::name(request.op), reply.err);
        let slot = &mut self.slots[at];
        slot.view.last_zxid = slot.view.last_zxid.max(reply.zxid);
        let failed = reply.results.iter().any(|result| matches!(result, Outcome::Failed(_)));
        let mut closed = false;
        for (effect, outcome) in request.effects.iter().zip(&reply.results) {
            if matches!(request.op, op::MULTI | op::MULTI_READ) && reply.err == 0 {
                let code = if let Outcome::Failed(code) = outcome { *code } else { 0 };
                self.table.count(sub_name(effect.op), code);
            }
            if failed {
                continue;
            }
            match (&effect.change, outcome) {
                (Change::Create { ephemeral, stored_owner }, Outcome::Created(path)) => {
                    let session = ephemeral.then_some(slot.number);
                    self.model.insert(path, session, *stored_owner);
                }
                (Change::Delete(path), _) => self.model.remove(path),
                (Change::Authenticated(user), _) if *user == crate::acls::SUPER => slot.view.is_super = true,
                (Change::Authenticated(_), _) => slot.view.users += 1,
                (Change::SessionClosed, _) => {
                    self.model.close(slot.number);
                    closed = true;
                }
                (Change::Nothing | Change::Create { .. }, _) => {}
            }
        }
        closed
    }

    /// Both servers must close the connection, after the same events.
    pub(crate) fn expect_close(&mut self, at: usize, request: &Request) -> Result<(), Box<dyn Error>> {
        let answers = [self.answer(at, 0, request)?, self.answer(at, 1, request)?];
        if answers.iter().any(|answer| answer.reply.is_some())
            || answers[0].events.len() != answers[1].events.len()
        {
            let texts = answers.each_ref().map(|answer| self.lines(answer));
            self.differ(
                &format!("the end of the connection after {} {}", op::name(request.op), request.text),
                &texts,
            );
        }
        Ok(())
    }
}

/// The table's name of an operation inside a multi.
fn sub_name(op: i32) -> &'static str {
    match op {
        op::CREATE => "multi:create",
        op::CREATE2 => "multi:create2",
        op::CREATE_TTL => "multi:createTTL",
        op::CREATE_CONTAINER => "multi:createContainer",
        op::DELETE => "multi:delete",
        op::SET_DATA => "multi:setData",
        op::CHECK => "multi:check",
        op::GET_DATA => "multi:getData",
        _ => "multi:getChildren",
    }
}
