//! What may happen to a connection of the run: begin, drop, take over, refusals.

use std::error::Error;

use crate::lockstep::{Run, Slot};
use crate::op;
use crate::request::Request;
use crate::session::{Connection, Hello, Welcome, connect, password_of};
use crate::table::{CLOSED, REFUSED};
use crate::wire::Writer;

const NO_SESSION: [i64; 2] = [0, 0];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

impl Run {
    /// A new session in a new slot.
    pub(crate) fn add_slot(&mut self) -> Result<()> {
        let (connections, ids) = self.new_session()?;
        let wants_super = self.slots.len() == 7;
        let view = crate::generate::SlotView { wants_super, ..Default::default() };
        self.slots.push(Slot::new(connections, ids, self.sessions, view));
        Ok(())
    }

    /// A new session in place of the slot's old one.
    pub(crate) fn begin(&mut self, at: usize) -> Result<()> {
        let (connections, ids) = self.new_session()?;
        let number = self.sessions;
        let slot = &mut self.slots[at];
        (slot.connections, slot.ids, slot.number) = (connections, ids, number);
        (slot.view.users, slot.view.is_super) = (0, false);
        Ok(())
    }

    /// After a difference: go on with a session of which both servers know.
    pub(crate) fn replace(&mut self, at: usize) -> Result<()> {
        self.begin(at)
    }

    fn new_session(&mut self) -> Result<([Connection; 2], [i64; 2])> {
        let timeout_ms =
            *self.random.pick(&[-1, 0, 1000, 59_999, 60_001, 100_000, 599_999, 700_000, i32::MAX]);
        let hello = Hello {
            read_only: *self.random.pick(&[None, Some(false), Some(true)]),
            ..Hello::new_session(timeout_ms)
        };
        let (connections, welcomes) = self.greet("a new session", &hello, NO_SESSION)?;
        let [Some(first), Some(second)] = welcomes else { return Err("no answer to a new session".into()) };
        self.sessions += 1;
        for (side, welcome) in self.sides.iter_mut().zip([&first, &second]) {
            side.normal.sessions.insert(welcome.session, self.sessions);
        }
        Ok((connections, [first.session, second.session]))
    }

    /// Says hello to both servers, with each its own session id, and compares the answers.
    fn greet(
        &mut self,
        what: &str,
        hello: &Hello,
        ids: [i64; 2],
    ) -> Result<([Connection; 2], [Option<Welcome>; 2])> {
        let mut all = Vec::new();
        for (side, id) in self.sides.iter().zip(ids) {
            let mut hello = hello.clone();
            hello.session = id;
            if id != 0 && hello.password.is_empty() {
                hello.password = password_of(id);
            }
            all.push(connect(side.address, &hello)?);
        }
        let texts = [shown(&all[0].1), shown(&all[1].1)];
        let code = match &all[0].1 {
            None => CLOSED,
            Some(welcome) if welcome.session == 0 => REFUSED,
            Some(_) => 0,
        };
        self.table.count("connect", code);
        if texts[0] != texts[1] {
            self.differ(&format!("the answer to {what}: {hello:?}"), &texts.map(|text| vec![text]));
        }
        let mut all = all.into_iter();
        let (Some(first), Some(second)) = (all.next(), all.next()) else {
            return Err("two servers are needed".into());
        };
        Ok(([first.0, second.0], [first.1, second.1]))
    }

    /// A new connection of the slot's session; the old one may still be open.
    pub(crate) fn reattach(&mut self, at: usize) -> Result<()> {
        let ids = self.slots[at].ids;
        let mut hello = Hello::new_session(*self.random.pick(&[1000, 100_000]));
        hello.password.clear();
        hello.last_zxid =
            if self.random.chance(50) && !self.paths.private { self.slots[at].view.last_zxid } else { 0 };
        hello.read_only = *self.random.pick(&[None, Some(false), Some(true)]);
        let (connections, welcomes) = self.greet("a session's return", &hello, ids)?;
        if welcomes.iter().flatten().any(|welcome| welcome.session == 0) {
            return self.begin(at);
        }
        let slot = &mut self.slots[at];
        slot.connections = connections;
        (slot.view.users, slot.view.is_super) = (0, false);
        if self.random.chance(60) {
            let op = *self.random.pick(&[op::SET_WATCHES, op::SET_WATCHES2]);
            let slot = self.slots[at].view;
            let (random, model, paths) = (&mut self.random, &self.model, &self.paths);
            let request = crate::generate::Generator { random, model, paths, slot }.set_watches(op);
            self.exchange(at, &[request])?;
        }
        Ok(())
    }

    /// One of the things that happen to connections.
    pub(crate) fn connection_event(&mut self, at: usize) -> Result<()> {
        self.asked += 1;
        match self.random.below(6) {
            0 | 1 => self.reattach(at),
            2 => {
                // The old connection falls before the password is looked at.
                let hello = Hello { password: vec![7; 16], ..Hello::new_session(100_000) };
                let ids = self.slots[at].ids;
                self.greet("a wrong password", &hello, ids)?;
                let request = Request::new(op::PING, Writer::default(), "(taken over)".to_owned());
                self.expect_close(at, &request)?;
                self.reattach(at)
            }
            3 => {
                let id = 0x0177_0000_0000_0000 | (self.random.next() >> 16) as i64;
                let hello = Hello { password: Vec::new(), ..Hello::new_session(100_000) };
                self.greet("a session that never was", &hello, [id, id]).map(drop)
            }
            4 => {
                let hello = Hello { last_zxid: i64::MAX, ..Hello::new_session(100_000) };
                self.greet("a client that is ahead", &hello, NO_SESSION).map(drop)
            }
            _ => {
                let ids = self.slots[at].ids;
                let hello = Hello { password: vec![1; 3], ..Hello::new_session(100_000) };
                self.greet("a short password", &hello, ids)?;
                let request = Request::new(op::PING, Writer::default(), "(taken over)".to_owned());
                self.expect_close(at, &request)?;
                self.reattach(at)
            }
        }
    }
}

/// All of the answer that does not depend on the id.
fn shown(welcome: &Option<Welcome>) -> String {
    let Some(welcome) = welcome else { return "closed without an answer".to_owned() };
    let password = if welcome.session == 0 {
        welcome.password == [0; 16]
    } else {
        welcome.password == password_of(welcome.session)
    };
    format!(
        "accepted {} timeout {} read only {:?} password as derived {password}",
        welcome.session != 0,
        welcome.timeout_ms,
        welcome.read_only
    )
}
