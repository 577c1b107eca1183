//! A session that only lives: it keeps an ephemeral node and a watch, and answers for both wherever it goes.

use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Run;
use super::roamer::Roamer;
use crate::acls;
use crate::op;
use crate::session::request_frame;
use crate::wire::{Reader, Writer};

pub(super) const EPHEMERALS: &str = "/e";
pub(super) const WATCHED: &str = "/watched";

const LISTEN: Duration = Duration::from_millis(250);
const FLAG_EPHEMERAL: i32 = 1;
const NODE_DATA_CHANGED: i32 = 3;

pub(super) struct Quiet {
    pub(super) number: usize,
    /// What it read after the last event.
    seen: AtomicU64,
    session: AtomicI64,
    /// The session whose ephemeral node is there.
    owner: AtomicI64,
}

impl Quiet {
    pub(super) fn new(number: usize) -> Self {
        Self { number, seen: AtomicU64::new(0), session: AtomicI64::new(0), owner: AtomicI64::new(0) }
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }

    pub(super) fn session(&self) -> i64 {
        self.session.load(Ordering::SeqCst)
    }

    pub(super) fn path(&self, run: &Run) -> String {
        run.path(&format!("{EPHEMERALS}/{}", self.number))
    }

    pub(super) fn live(&self, run: &Run) {
        let mut roamer = Roamer::new(self.number % run.plan.addresses.len());
        let mut spread = 0;
        while !run.ended.load(Ordering::Relaxed) {
            if let Err(error) = self.connected(run, &mut roamer, &mut spread) {
                return run.problem(&format!("quiet session {}: {error}", self.number));
            }
        }
        roamer.close();
    }

    /// Until the connection is gone or the run ends.
    fn connected(
        &self,
        run: &Run,
        roamer: &mut Roamer,
        spread: &mut u64,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let known = roamer.session;
        roamer.open(run)?;
        let again = known == roamer.session;
        self.session.store(roamer.session, Ordering::SeqCst);
        let Ok(()) = self.greet(run, roamer, again) else { return Ok(()) };
        roamer.listen_for(LISTEN)?;
        let ping_every = Duration::from_millis(run.plan.timeout_ms as u64 / 4);
        let (mut heard, mut pinged) = (Instant::now(), Instant::now());
        while !run.ended.load(Ordering::Relaxed) && roamer.is_connected() {
            let wanted = run.spread.load(Ordering::Relaxed);
            if wanted != *spread {
                *spread = wanted;
                roamer.leave_for((self.number + wanted as usize) % run.plan.addresses.len());
                break;
            }
            match roamer.next(run) {
                Ok(answer) => {
                    heard = Instant::now();
                    if answer.xid == op::XID_EVENT {
                        if Reader(&answer.body).int()? == NODE_DATA_CHANGED {
                            let xid = next_xid(roamer);
                            let _ = roamer.send(&watch(run, xid));
                        }
                    } else if answer.xid == 1 && matches!(answer.err, 0 | op::NODE_EXISTS) {
                        self.owner.store(roamer.session, Ordering::SeqCst);
                    } else if answer.xid == 1 {
                        run.problem(&format!("{}: {}", self.path(run), op::error_name(answer.err)));
                    } else if answer.xid > 1 && answer.err == 0 {
                        let text = Reader(&answer.body).string()?;
                        self.seen.fetch_max(text.parse().unwrap_or(0), Ordering::SeqCst);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            if heard.elapsed() > run.plan.patience + ping_every {
                roamer.leave_for(roamer.server + 1);
                break;
            }
            if pinged.elapsed() > ping_every {
                pinged = Instant::now();
                let _ = roamer.send(&request_frame(op::XID_PING, op::PING, &[]));
            }
        }
        Ok(())
    }

    /// The ephemeral node, unless it is known to be there, and the watch.
    fn greet(&self, run: &Run, roamer: &mut Roamer, again: bool) -> io::Result<()> {
        let mut bytes = Vec::new();
        if again {
            let none: &[Vec<u8>] = &[];
            let body = Writer::default()
                .long(roamer.last_zxid)
                .strings(&[run.path(WATCHED).into_bytes()])
                .strings(none)
                .strings(none);
            bytes.extend(request_frame(op::XID_SET_WATCHES, op::SET_WATCHES, &body.0));
        }
        if self.owner.load(Ordering::SeqCst) != roamer.session {
            bytes.extend(self.create(run));
        }
        roamer.xid = roamer.xid.max(1);
        if !again {
            bytes.extend(watch(run, next_xid(roamer)));
        }
        roamer.send(&bytes)
    }

    fn create(&self, run: &Run) -> Vec<u8> {
        let node = acls::write(Writer::default().string(&self.path(run)).string("here"), acls::OPEN)
            .int(FLAG_EPHEMERAL);
        request_frame(1, op::CREATE, &node.0)
    }
}

fn next_xid(roamer: &mut Roamer) -> i32 {
    roamer.xid += 1;
    roamer.xid
}

fn watch(run: &Run, xid: i32) -> Vec<u8> {
    request_frame(xid, op::GET_DATA, &Writer::default().string(&run.path(WATCHED)).boolean(true).0)
}
