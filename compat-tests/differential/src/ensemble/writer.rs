//! One session that writes and reads its own nodes, with several requests outstanding.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Run;
use super::model::{Ack, CHILDREN_MAX, Child, Model, NODES, Told};
use super::roamer::{Answer, Roamer};
use crate::acls;
use crate::op;
use crate::session::request_frame;
use crate::walk;
use crate::wire::{Random, Reader, Writer as Body};

/// Of a writer that rests.
const PING_EVERY: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
enum Change {
    Set(usize),
    Create,
    Delete { child: u64, czxid: i64 },
    Read(usize),
}

/// A request without its reply.
struct Waiting {
    xid: i32,
    number: u64,
    change: Change,
    sent_us: u64,
    /// The newest acknowledged zxid when it was sent.
    floor: i64,
}

pub(super) struct Writer<'run> {
    run: &'run Run,
    pub(super) model: Model,
    roamer: Roamer,
    random: Random,
    waiting: VecDeque<Waiting>,
    number: u64,
    spread: u64,
    due: Instant,
}

impl<'run> Writer<'run> {
    pub(super) fn begin(run: &'run Run, number: usize) -> Self {
        let servers = run.plan.addresses.len();
        Self {
            run,
            model: Model::new(&run.plan.base, number, servers),
            roamer: Roamer::new(number % servers),
            random: Random::new(run.plan.seed.wrapping_add(number as u64)),
            waiting: VecDeque::new(),
            number: 0,
            spread: 0,
            due: Instant::now(),
        }
    }

    /// Until told to stop, or the run's writes are used up.
    pub(super) fn work(mut self) -> Self {
        if let Err(error) = self.try_work() {
            self.run.problem(&format!("writer {}: {error}", self.model.number));
        }
        self.lose_waiting();
        self.roamer.close();
        self
    }

    fn try_work(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let folder = self.model.folder.clone();
        self.roamer.create_surely(self.run, &folder, b"")?;
        self.roamer.create_surely(self.run, &format!("{folder}/c"), b"")?;
        for node in 0..NODES {
            let path = self.model.value_path(node);
            self.roamer.create_surely(self.run, &path, self.model.data(0).as_bytes())?;
            if let Some(value) = self.model.values.get_mut(node) {
                value.version = 0;
            }
        }
        let mut first = true;
        while !self.run.is_over() || !self.waiting.is_empty() {
            if !self.roamer.is_connected() {
                self.lose_waiting();
                if self.run.is_over() {
                    break;
                }
                self.roamer.open(self.run)?;
            }
            if self.fill(&mut first).is_err() || self.waiting.is_empty() && self.finished() {
                self.lose_waiting_if_gone();
                if self.finished() && self.waiting.is_empty() {
                    break;
                }
                continue;
            }
            if self.waiting.is_empty() {
                self.pause();
                continue;
            }
            match self.roamer.next(self.run) {
                Ok(answer) => self.learn(&answer),
                // Silence is as bad as an end.
                Err(_) => self.roamer.leave_for(self.roamer.server),
            }
        }
        Ok(())
    }

    fn finished(&self) -> bool {
        self.run.is_over() || self.run.left.load(Ordering::Relaxed) <= 0
    }

    /// Nothing is outstanding, and nothing may be sent.
    fn pause(&mut self) {
        if self.run.paused.load(Ordering::SeqCst) {
            return self.park();
        }
        let spread = self.run.spread.load(Ordering::Relaxed);
        if spread != self.spread {
            self.spread = spread;
            self.roamer.leave_for(self.model.number % self.run.plan.addresses.len());
            return;
        }
        let wait = self.due.saturating_duration_since(Instant::now());
        std::thread::sleep(wait.min(Duration::from_millis(50)));
    }

    /// Rests with a living session until the run goes on.
    fn park(&mut self) {
        self.run.parked.fetch_add(1, Ordering::SeqCst);
        let mut pinged = Instant::now();
        while self.run.paused.load(Ordering::SeqCst) && !self.run.is_over() {
            if !self.roamer.is_connected() {
                self.roamer.try_next(self.run);
            } else if pinged.elapsed() > PING_EVERY {
                pinged = Instant::now();
                let alive = self.roamer.send(&request_frame(op::XID_PING, op::PING, &[]));
                if alive.and_then(|()| self.roamer.next(self.run)).is_err() {
                    self.roamer.leave_for(self.roamer.server);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.run.parked.fetch_sub(1, Ordering::SeqCst);
    }

    /// Sends as much as the window and the rate allow.
    fn fill(&mut self, first: &mut bool) -> io::Result<()> {
        let mut bytes = Vec::new();
        let held =
            self.run.spread.load(Ordering::Relaxed) != self.spread || self.run.paused.load(Ordering::SeqCst);
        while self.waiting.len() < self.run.plan.window
            && !held
            && !self.finished()
            && Instant::now() >= self.due
        {
            let change = if *first { Change::Create } else { self.choose() };
            *first = false;
            if !matches!(change, Change::Read(_)) {
                self.run.left.fetch_sub(1, Ordering::Relaxed);
                self.pace();
            }
            self.number += 1;
            self.roamer.xid += 1;
            let (op, body) = self.request(change);
            bytes.extend(request_frame(self.roamer.xid, op, &body.0));
            self.waiting.push_back(Waiting {
                xid: self.roamer.xid,
                number: self.number,
                change,
                sent_us: self.run.since_start(),
                floor: self.run.newest.load(Ordering::SeqCst),
            });
        }
        if bytes.is_empty() { Ok(()) } else { self.roamer.send(&bytes) }
    }

    fn pace(&mut self) {
        if let Some(each) =
            (self.run.plan.writers as u64 * 1_000_000).checked_div(self.run.rate.load(Ordering::Relaxed))
        {
            // After a time without service nothing is made up for.
            let now = Instant::now();
            self.due = self.due.max(now) + Duration::from_micros(each);
        }
    }

    fn choose(&mut self) -> Change {
        let node = self.random.below(NODES);
        match self.random.below(100) {
            0..55 => Change::Set(node),
            55..85 => {
                let oldest = self.model.children.iter().find_map(|(number, child)| match child {
                    Child::Created { czxid } => Some((*number, *czxid)),
                    Child::MayExist | Child::MayBeGone { .. } => None,
                });
                match oldest {
                    Some((child, czxid))
                        if self.model.created() > CHILDREN_MAX / 2 && self.random.chance(60) =>
                    {
                        // Until its reply comes, it may be gone.
                        self.model.children.insert(child, Child::MayBeGone { czxid });
                        Change::Delete { child, czxid }
                    }
                    _ if self.model.created() < CHILDREN_MAX => Change::Create,
                    _ => Change::Set(node),
                }
            }
            _ => Change::Read(node),
        }
    }

    fn request(&self, change: Change) -> (i32, Body) {
        let data = self.model.data(self.number);
        match change {
            Change::Set(node) => {
                (op::SET_DATA, Body::default().string(&self.model.value_path(node)).string(&data).int(-1))
            }
            Change::Create => {
                let body = Body::default().string(&self.model.child_path(self.number)).string(&data);
                (op::CREATE2, acls::write(body, acls::OPEN).int(0))
            }
            Change::Delete { child, .. } => {
                (op::DELETE, Body::default().string(&self.model.child_path(child)).int(-1))
            }
            Change::Read(node) => {
                (op::GET_DATA, Body::default().string(&self.model.value_path(node)).boolean(false))
            }
        }
    }

    fn learn(&mut self, answer: &Answer) {
        if answer.xid < 0 {
            return;
        }
        let Some(request) = self.waiting.pop_front() else {
            return self.run.problem(&format!("a reply to nothing, xid {}", answer.xid));
        };
        let who = format!("session {:#x} xid {} {:?}", self.roamer.session, request.xid, request.change);
        if answer.xid != request.xid {
            self.run.problem(&format!("{who}: the reply has xid {}", answer.xid));
        }
        if answer.err != 0 {
            self.run.problem(&format!("{who}: {}", op::error_name(answer.err)));
            return self.lose(&request);
        }
        match self.take(&request, answer) {
            Ok(Some((zxid, told))) => self.acknowledge(&request, zxid, told, &who),
            Ok(None) => self.model.reads += 1,
            Err(error) => self.run.problem(&format!("{who}: {error}")),
        }
    }

    /// Puts a good reply into the model; the zxid of a write, and what else it was told.
    fn take(
        &mut self,
        request: &Waiting,
        answer: &Answer,
    ) -> Result<Option<(i64, Told)>, Box<dyn std::error::Error>> {
        let mut reader = Reader(&answer.body);
        let number = request.number;
        let (zxid, told) = match request.change {
            Change::Set(node) => {
                let stat = walk::stat(&mut reader)?;
                let wrong = self.model.set(node, number, &stat);
                self.report(wrong);
                (stat.zxids[1], Told::Set { node, number, version: stat.versions[0] })
            }
            Change::Create => {
                reader.string()?;
                let czxid = walk::stat(&mut reader)?.zxids[0];
                self.model.children.insert(number, Child::Created { czxid });
                (czxid, Told::Create { number })
            }
            Change::Delete { child, .. } => {
                self.model.children.remove(&child);
                (answer.zxid, Told::Delete { child })
            }
            Change::Read(node) => {
                let data = reader.buffer()?;
                self.report(self.model.shown(node, data, &walk::stat(&mut reader)?));
                return Ok(None);
            }
        };
        if answer.zxid < zxid {
            return Err(format!("the reply's zxid is {:#x}, the write's {zxid:#x}", answer.zxid).into());
        }
        Ok(Some((zxid, told)))
    }

    fn report(&self, wrong: Option<String>) {
        if let Some(wrong) = wrong {
            self.run.problem(&wrong);
        }
    }

    fn acknowledge(&mut self, request: &Waiting, zxid: i64, told: Told, who: &str) {
        if zxid <= request.floor {
            self.run.problem(&format!(
                "{who}: zxid {zxid:#x}, and {:#x} was acknowledged before it was sent",
                request.floor
            ));
        }
        self.run.newest.fetch_max(zxid, Ordering::SeqCst);
        if let Ok(mut gaps) = self.run.gaps.lock() {
            gaps.acknowledged();
        }
        let previous = self.model.acks.last();
        if let Some(previous) = previous.filter(|previous| previous.zxid >= zxid) {
            self.run.problem(&format!("{who}: zxid {zxid:#x} after the same session's {:#x}", previous.zxid));
        }
        if let Some(count) = self.model.by_server.get_mut(self.roamer.server) {
            *count += 1;
        }
        self.model.acks.push(Ack {
            zxid,
            session: self.roamer.session,
            xid: request.xid,
            sent_us: request.sent_us,
            acknowledged_us: self.run.since_start(),
            told,
        });
    }

    fn lose_waiting_if_gone(&mut self) {
        if !self.roamer.is_connected() {
            self.lose_waiting();
        }
    }

    /// The connection is gone: whatever had no reply may have happened or not.
    fn lose_waiting(&mut self) {
        while let Some(request) = self.waiting.pop_front() {
            self.lose(&request);
        }
    }

    fn lose(&mut self, request: &Waiting) {
        match request.change {
            Change::Set(node) => {
                if let Some(value) = self.model.values.get_mut(node) {
                    value.unknown.push(request.number);
                }
            }
            Change::Create => {
                self.model.children.insert(request.number, Child::MayExist);
                self.model.adrift += 1;
            }
            Change::Delete { child, czxid } => {
                self.model.children.insert(child, Child::MayBeGone { czxid });
                self.model.adrift += 1;
            }
            Change::Read(_) => return,
        }
        self.model.unknown_total += 1;
    }
}
