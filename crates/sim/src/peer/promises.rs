//! What a server promises when it joins an epoch: its history holds what the leader began with, whatever happens to the machine next.

use jute::Zxid;
use storage::epochs;
use zab::{Attempt, Packet};

use super::boot;
use super::process::Process;
use crate::check::Failure;
use crate::universe::Universe;

/// Of a thousand promises so many are held against what a loss of power would leave.
const LOOKED_AT: u64 = 250;

impl Process {
    /// The current epoch is durable.
    pub(super) fn joined(&mut self, u: &mut Universe, epoch: i32) {
        self.look_at_promise(u, epoch);
    }

    /// An ACK leaves: that of NEWLEADER, and that of UPTODATE, says that this server has all that its leader began with.
    pub(super) fn acknowledges(&mut self, u: &mut Universe, zxid: Zxid) {
        if zxid.counter() == 0 {
            self.look_at_promise(u, zxid.epoch());
        }
        self.look_at_membership(u, zxid);
    }

    /// What bugs make of NEWLEADER.
    pub(super) fn spoil_new_leader(&mut self, u: &mut Universe, attempt: Attempt, zxid: Zxid) {
        if u.has_bug("newleader-acknowledged-early") {
            self.send_to_leader(u, attempt, &Packet::Ack(zxid));
        }
        if u.has_bug("epoch-before-transactions") {
            let (disk, dir) = (self.disk.store.disk().clone(), self.disk.store.snapshot_dir().to_owned());
            if epochs::write_current(&disk, &dir, i64::from(zxid.epoch())).is_ok() {
                self.joined(u, zxid.epoch());
            }
        }
    }

    /// Z9: behind a state that a leader sent no log is left that does not lead to it.
    pub(super) fn look_at_installed(&self, u: &mut Universe) {
        let store = &self.disk.store;
        let newest = store.candidates().ok().and_then(|found| found.iter().map(|found| found.zxid).max());
        let (Some(newest), Ok(records)) = (newest, store.records_above(Zxid::ZERO)) else { return };
        let last = records.map_while(Result::ok).map(|record| record.zxid).last();
        let meant = u.ledger.record_at(newest);
        if u.rotten != Some(self.host) && last.is_some_and(|last| last < meant) {
            let what = format!(
                "server {} has a state at {newest} and, beside it, a log that ends at {last:?}",
                self.host + 1
            );
            u.fail(Failure::new("Z9", what));
        }
    }

    fn look_at_promise(&self, u: &mut Universe, epoch: i32) {
        if !u.random.chance(LOOKED_AT) || u.rotten == Some(self.host) {
            return;
        }
        u.marks.reach("promise looked at");
        let disk = self.disk.store.disk().fork();
        disk.crash(u.random.next());
        let checked = match boot::boot(&disk, &u.plan) {
            Ok(found) if found.start.current_epoch < epoch => Err(Failure::new(
                "Z6",
                format!(
                    "server {} joined epoch {epoch}: {} is durable",
                    self.host + 1,
                    found.start.current_epoch
                ),
            )),
            Ok(found) => u.ledger.promised(self.host, epoch, found.state.last_processed_zxid()),
            Err(why) => {
                Err(Failure::new("Z7", format!("server {} promises and cannot start: {why}", self.host + 1)))
            }
        };
        u.check(checked);
    }
}
