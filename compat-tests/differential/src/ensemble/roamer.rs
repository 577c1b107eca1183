//! A session that goes to another server when its own is gone.

use std::error::Error;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Run;
use crate::acls;
use crate::op;
use crate::session::{Connection, Hello, connect_within, request_frame};
use crate::wire::{Reader, Writer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Between two attempts, so that a server that refuses is not asked without pause.
const RETRY: Duration = Duration::from_millis(15);
/// How long an ensemble may serve nobody before a run is given up.
const NOBODY_MAX: Duration = Duration::from_secs(120);

/// A reply or an event.
pub(super) struct Answer {
    pub(super) xid: i32,
    pub(super) zxid: i64,
    pub(super) err: i32,
    pub(super) body: Vec<u8>,
}

/// One session and the connection it has at the moment.
pub(super) struct Roamer {
    pub(super) session: i64,
    password: Vec<u8>,
    pub(super) last_zxid: i64,
    pub(super) xid: i32,
    /// The number of the server it is connected to.
    pub(super) server: usize,
    connection: Option<Connection>,
}

impl Roamer {
    pub(super) fn new(server: usize) -> Self {
        Self { session: 0, password: vec![0; 16], last_zxid: 0, xid: 0, server, connection: None }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Tries the servers in turn, from its own on. An error: nobody served for too long, or the run has ended.
    pub(super) fn open(&mut self, run: &Run) -> Result<()> {
        let began = Instant::now();
        while !self.try_next(run) {
            if began.elapsed() > NOBODY_MAX {
                return Err("no server took the session".into());
            }
        }
        Ok(())
    }

    /// Tries one server; the next one will be tried after it.
    pub(super) fn try_next(&mut self, run: &Run) -> bool {
        let connected = self.try_open(run);
        if !connected {
            self.server = (self.server + 1) % run.plan.addresses.len();
            std::thread::sleep(RETRY);
        }
        connected
    }

    fn try_open(&mut self, run: &Run) -> bool {
        let Some(address) = run.plan.addresses.get(self.server) else { return false };
        let hello = Hello {
            last_zxid: self.last_zxid,
            timeout_ms: run.plan.timeout_ms,
            session: self.session,
            password: self.password.clone(),
            read_only: Some(false),
        };
        let Ok((connection, Some(welcome))) = connect_within(run.plan.patience, *address, &hello) else {
            return false;
        };
        if welcome.session == 0 || welcome.timeout_ms <= 0 {
            run.expired.fetch_add(1, Ordering::Relaxed);
            run.problem(&format!(
                "session {:#x} expired at {:.3} s",
                self.session,
                run.began.elapsed().as_secs_f64()
            ));
            (self.session, self.password) = (0, vec![0; 16]);
            return false;
        }
        if self.session != 0 {
            run.moves.fetch_add(1, Ordering::Relaxed);
        }
        (self.session, self.password) = (welcome.session, welcome.password);
        self.connection = Some(connection);
        true
    }

    /// Drops the connection and goes on with the server of this number.
    pub(super) fn leave_for(&mut self, server: usize) {
        self.connection = None;
        self.server = server;
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let sent = connection.send(bytes);
        if sent.is_err() {
            self.connection = None;
        }
        sent
    }

    pub(super) fn listen_for(&self, patience: Duration) -> io::Result<()> {
        self.connection.as_ref().map_or(Ok(()), |connection| connection.listen_for(patience))
    }

    /// The next frame. Whatever fails but mere silence ends the connection.
    pub(super) fn next(&mut self, run: &Run) -> io::Result<Answer> {
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let frame = match connection.frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => {
                self.connection = None;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.connection = None;
                }
                return Err(error);
            }
        };
        let mut reader = Reader(&frame);
        let mut head = || Ok((reader.int()?, reader.long()?, reader.int()?));
        let (xid, zxid, err) = head().map_err(|short: crate::wire::Short| io::Error::other(short))?;
        if xid != op::XID_EVENT && zxid > 0 {
            if zxid < self.last_zxid {
                run.problem(&format!(
                    "session {:#x}: zxid {zxid:#x} after {:#x}",
                    self.session, self.last_zxid
                ));
            }
            self.last_zxid = zxid;
        }
        Ok(Answer { xid, zxid, err, body: reader.0.to_vec() })
    }

    /// One request and its reply; tries again on other servers. The request must be one that may be repeated.
    pub(super) fn ask(&mut self, run: &Run, op: i32, body: &Writer) -> Result<Answer> {
        let began = Instant::now();
        loop {
            if !self.is_connected() {
                self.open(run)?;
            }
            self.xid += 1;
            let (xid, mut outcome) = (self.xid, self.send(&request_frame(self.xid, op, &body.0)));
            while outcome.is_ok() {
                match self.next(run) {
                    Ok(answer) if answer.xid == xid => return Ok(answer),
                    Ok(_) => {}
                    Err(error) => outcome = Err(error),
                }
            }
            self.connection = None;
            if began.elapsed() > NOBODY_MAX {
                return Err(format!("{} is not answered: {outcome:?}", op::name(op)).into());
            }
        }
    }

    /// Creates a node, or finds that an earlier attempt had done it.
    pub(super) fn create_surely(&mut self, run: &Run, path: &str, data: &[u8]) -> Result<()> {
        let body = acls::write(Writer::default().string(path).buffer(Some(data)), acls::OPEN).int(0);
        match self.ask(run, op::CREATE, &body)?.err {
            0 | op::NODE_EXISTS => Ok(()),
            err => Err(format!("create {path}: {}", op::error_name(err)).into()),
        }
    }

    pub(super) fn set_surely(&mut self, run: &Run, path: &str, data: &[u8]) -> Result<()> {
        let body = Writer::default().string(path).buffer(Some(data)).int(-1);
        match self.ask(run, op::SET_DATA, &body)?.err {
            0 => Ok(()),
            err => Err(format!("setData {path}: {}", op::error_name(err)).into()),
        }
    }

    pub(super) fn count_children(&mut self, run: &Run, path: &str) -> Result<i32> {
        let answer = self.ask(run, op::GET_CHILDREN, &Writer::default().string(path).boolean(false))?;
        if answer.err != 0 {
            return Err(format!("getChildren {path}: {}", op::error_name(answer.err)).into());
        }
        Ok(Reader(&answer.body).int()?)
    }

    /// Closes the session, if it still has a connection.
    pub(super) fn close(&mut self) {
        self.xid += 1;
        if self.send(&request_frame(self.xid, op::CLOSE_SESSION, &[])).is_ok()
            && let Some(connection) = self.connection.as_mut()
        {
            let _ = connection.frame();
        }
        self.connection = None;
    }
}
