//! All records that any log was given, each behind the one it was proposed after, and the path of those that are committed.
//!
//! * A zxid names one record, and one record stands before it: then equal zxids mean equal histories (Z2, Z3).
//! * What a server shows its clients is committed: it lies on the path, or goes on from its end. Nothing leaves the path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jute::{SessionId, Txn, TxnRecord, Zxid};

use super::Failure;
use crate::clock::Micros;

/// What is known of histories.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<Zxid, Entry>,
    /// The committed path, oldest first.
    path: Vec<Zxid>,
    on_path: BTreeSet<Zxid>,
    /// Those on the path that change the membership.
    reconfigs: Vec<Zxid>,
    /// Who was established as leader, by epoch.
    leaders: BTreeMap<i32, usize>,
    /// Who believed itself leader, and when.
    reigns: Vec<Reign>,
    closed: BTreeMap<SessionId, Zxid>,
    heard: BTreeMap<SessionId, Micros>,
    /// The epochs that are durable at each server: accepted and current.
    epochs: Vec<(i64, i64)>,
    /// The end of the history that each epoch's leader begins with.
    begins: BTreeMap<i32, Zxid>,
    /// Digests of states without a record: the beginning.
    first_digest: Option<i64>,
}

/// A leader from its establishment until it stops serving.
#[derive(Debug, Clone, Copy)]
struct Reign {
    server: usize,
    epoch: i32,
    from: Micros,
    until: Micros,
}

#[derive(Debug)]
struct Entry {
    record: Arc<TxnRecord>,
    previous: Zxid,
    digest: Option<i64>,
}

impl Ledger {
    pub(crate) fn new(servers: usize) -> Self {
        Self { epochs: vec![(0, 0); servers], ..Self::default() }
    }

    /// These epochs are durable at a server: neither goes back, and none is joined before it is accepted.
    pub(crate) fn epochs_are(&mut self, server: usize, accepted: i64, current: i64) -> Result<(), Failure> {
        let Some(before) = self.epochs.get_mut(server) else { return Ok(()) };
        if accepted < before.0 || current < before.1 || accepted < current {
            let what =
                format!("epochs of server {} go from {before:?} to {:?}", server + 1, (accepted, current));
            return Err(Failure::new("Z6", what));
        }
        *before = (accepted, current);
        Ok(())
    }

    /// A machine is another one, which has promised nothing.
    pub(crate) fn forgets(&mut self, server: usize) {
        if let Some(epochs) = self.epochs.get_mut(server) {
            *epochs = (0, 0);
        }
    }

    /// One of the epochs is durable.
    pub(crate) fn epoch_written(
        &mut self,
        server: usize,
        accepted: Option<i32>,
        current: Option<i32>,
    ) -> Result<(), Failure> {
        let before = self.epochs.get(server).copied().unwrap_or_default();
        let accepted = accepted.map_or(before.0, i64::from);
        let current = current.map_or(before.1, i64::from);
        self.epochs_are(server, accepted, current)
    }

    /// The record that a state at this zxid ends with: an epoch without a record begins with a zxid of its own.
    pub(crate) fn record_at(&self, zxid: Zxid) -> Zxid {
        if zxid.counter() != 0 || self.entries.contains_key(&zxid) {
            return zxid;
        }
        let below = self.on_path.range(..zxid).next_back();
        below.copied().unwrap_or(Zxid::ZERO)
    }

    /// A log was given a record behind another one.
    pub(crate) fn appended(
        &mut self,
        server: usize,
        previous: Zxid,
        record: &Arc<TxnRecord>,
    ) -> Result<(), Failure> {
        let zxid = record.header.zxid;
        if previous >= zxid {
            let what = format!("server {} appends {zxid} behind {previous}", server + 1);
            return Err(Failure::new("Z3", what));
        }
        let follows = previous.0 + 1 == zxid.0 || (zxid.epoch() > previous.epoch() && zxid.counter() == 1);
        if !follows {
            let what = format!("server {} leaves a hole between {previous} and {zxid}", server + 1);
            return Err(Failure::new("Z9", what));
        }
        match self.entries.get(&zxid) {
            None => {
                self.is_alone(previous, record)?;
                let entry = Entry { record: Arc::clone(record), previous, digest: None };
                self.entries.insert(zxid, entry);
                Ok(())
            }
            Some(entry) if entry.record != *record => {
                let what = format!("two transactions have the zxid {zxid}, one at server {}", server + 1);
                Err(Failure::new("Z5", what))
            }
            Some(entry) if entry.previous != previous => {
                let what = format!(
                    "{zxid} stands behind {} and, at server {}, behind {previous}",
                    entry.previous,
                    server + 1
                );
                Err(Failure::new("Z3", what))
            }
            Some(_) => Ok(()),
        }
    }

    /// R2: no membership is proposed behind another one that is not committed.
    fn is_alone(&self, previous: Zxid, record: &TxnRecord) -> Result<(), Failure> {
        let mut back = previous;
        while matches!(record.txn, Txn::Reconfig(_))
            && !self.on_path.contains(&back)
            && let Some(entry) = self.entries.get(&back)
        {
            if matches!(entry.record.txn, Txn::Reconfig(_)) {
                let what = format!("{} changes the membership, and {back} is under way", record.header.zxid);
                return Err(Failure::new("R2", what));
            }
            back = entry.previous;
        }
        Ok(())
    }

    /// A server without an ensemble starts with a history that ends here: what stood behind is gone and its zxids are free, but
    /// nothing of it may have been shown.
    pub(crate) fn begins_alone(&mut self, at: Zxid) -> Result<(), Failure> {
        if self.end() > at {
            return Err(Failure::new(
                "Z1",
                format!("{} was shown, and the server starts at {at}", self.end()),
            ));
        }
        self.entries.retain(|zxid, _| *zxid <= at);
        Ok(())
    }

    /// A state is at this zxid and has this digest.
    pub(crate) fn applied(&mut self, server: usize, zxid: Zxid, digest: i64) -> Result<(), Failure> {
        let at = self.record_at(zxid);
        let known = match self.entries.get_mut(&at) {
            Some(entry) => entry.digest.get_or_insert(digest),
            None if at == Zxid::ZERO => self.first_digest.get_or_insert(digest),
            None => {
                let what = format!("server {} is at {zxid}, which nobody appended", server + 1);
                return Err(Failure::new("Z5", what));
            }
        };
        if *known == digest {
            return Ok(());
        }
        let what =
            format!("the tree of server {} at {zxid} has digest {digest:#x}, not {known:#x}", server + 1);
        Err(Failure::new("Z2", what))
    }

    /// A server shows this state to clients.
    pub(crate) fn committed(&mut self, server: usize, zxid: Zxid) -> Result<(), Failure> {
        let at = self.record_at(zxid);
        if at == Zxid::ZERO || self.on_path.contains(&at) {
            return Ok(());
        }
        let end = self.path.last().copied().unwrap_or(Zxid::ZERO);
        let mut behind = Vec::new();
        let mut back = at;
        while back != end {
            behind.push(back);
            match self.entries.get(&back) {
                Some(entry) if entry.previous >= end => back = entry.previous,
                Some(_) | None => {
                    let what = format!(
                        "server {} has {zxid}, whose history leaves that committed at {end}; it parts at {back}",
                        server + 1
                    );
                    return Err(Failure::new("Z2", what));
                }
            }
        }
        for zxid in behind.into_iter().rev() {
            self.extend(zxid);
        }
        Ok(())
    }

    /// A leader of an epoch is established with a history that ends here.
    pub(crate) fn leads(&mut self, server: usize, epoch: i32, at: Zxid) -> Result<(), Failure> {
        if let Some(other) = self.leaders.insert(epoch, server)
            && other != server
        {
            let what = format!("servers {} and {} lead epoch {epoch}", other + 1, server + 1);
            return Err(Failure::new("Z4", what));
        }
        // What earlier epochs committed must all be here; what later ones did cannot be.
        let missing =
            self.path.iter().rev().take_while(|later| **later > at).find(|later| later.epoch() < epoch);
        if let Some(missing) = missing {
            let what = format!(
                "server {} leads epoch {epoch} from {at} and has not {missing}, which is committed",
                server + 1
            );
            return Err(Failure::new("Z1", what));
        }
        self.committed(server, at)
    }

    /// A leader is established.
    pub(crate) fn reigns(&mut self, server: usize, epoch: i32, now: Micros) {
        self.reigns.push(Reign { server, epoch, from: now, until: Micros::MAX });
    }

    /// A server leads no longer, if it did.
    pub(crate) fn reign_ends(&mut self, server: usize, now: Micros) {
        let open = |reign: &&mut Reign| reign.server == server && reign.until == Micros::MAX;
        self.reigns.iter_mut().filter(open).for_each(|reign| reign.until = now);
    }

    /// Whether somebody in this time still believed itself leader who had been replaced before: it may answer a sync.
    pub(crate) fn has_stale_leader(&self, begin: Micros, end: Micros) -> bool {
        let newest = self.reigns.iter().filter(|reign| reign.from <= begin).map(|reign| reign.epoch).max();
        self.reigns.iter().any(|reign| {
            reign.from <= end && reign.until >= begin && newest.is_some_and(|newest| reign.epoch < newest)
        })
    }

    /// A leader joins its own epoch with a history that ends here.
    pub(crate) fn begins(&mut self, epoch: i32, tail: Zxid) {
        self.begins.insert(epoch, tail);
    }

    /// Z7: who promises an epoch, by its currentEpoch or by its ACK of NEWLEADER, holds what the leader of that epoch began with,
    /// even when the power goes now. `last` is the end of the history that would then be left.
    pub(crate) fn promised(&self, server: usize, epoch: i32, last: Zxid) -> Result<(), Failure> {
        let Some(begin) = self.begins.get(&epoch).copied() else { return Ok(()) };
        if begin == Zxid::ZERO || self.holds(last, begin) {
            return Ok(());
        }
        let what = format!(
            "server {} promises epoch {epoch}, which begins with {begin}, and what is durable ends at {last}",
            server + 1
        );
        Err(Failure::new("Z7", what))
    }

    /// A client has its old session again.
    pub(crate) fn opened(&self, server: usize, session: SessionId, zxid: Zxid) -> Result<(), Failure> {
        match self.closed.get(&session) {
            Some(closed) if *closed <= zxid => {
                let what =
                    format!("server {} at {zxid} opens {session}, which ended at {closed}", server + 1);
                Err(Failure::new("E4", what))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The record that stands before this one.
    pub(crate) fn before(&self, zxid: Zxid) -> Option<Zxid> {
        self.entries.get(&zxid).map(|entry| entry.previous)
    }

    /// A record.
    pub(crate) fn record(&self, zxid: Zxid) -> Option<&TxnRecord> {
        self.entries.get(&zxid).map(|entry| &*entry.record)
    }

    /// The committed changes of the membership, oldest first.
    pub(crate) fn reconfigs(&self) -> &[Zxid] {
        &self.reconfigs
    }

    /// Whether a record is committed, as far as anybody has shown.
    pub(crate) fn is_committed(&self, zxid: Zxid) -> bool {
        zxid == Zxid::ZERO || self.on_path.contains(&zxid)
    }

    /// The history that ends with a record, oldest first.
    pub(crate) fn history_to(&self, zxid: Zxid) -> Vec<&TxnRecord> {
        let mut back = zxid;
        let mut records = Vec::new();
        while let Some(entry) = self.entries.get(&back) {
            records.push(&*entry.record);
            back = entry.previous;
        }
        records.reverse();
        records
    }

    /// When a record was made, by the clock on its leader's wall.
    pub(crate) fn time_of(&self, zxid: Zxid) -> Option<i64> {
        self.entries.get(&zxid).map(|entry| entry.record.header.time)
    }

    /// Whether any log was given this record.
    pub(crate) fn knows(&self, zxid: Zxid) -> bool {
        self.entries.contains_key(&zxid)
    }

    /// A session was heard of by a server.
    pub(crate) fn heard(&mut self, session: SessionId, now: Micros) {
        self.heard.insert(session, now);
    }

    /// When it was last heard of.
    pub(crate) fn last_heard(&self, session: SessionId) -> Option<Micros> {
        self.heard.get(&session).copied()
    }

    /// The committed records, oldest first, each with the digest of the tree behind it.
    pub(crate) fn path(&self) -> impl Iterator<Item = (&Arc<TxnRecord>, Option<i64>)> {
        self.path.iter().filter_map(|zxid| self.entries.get(zxid)).map(|entry| (&entry.record, entry.digest))
    }

    /// Whether a history that ends with `last` holds this record.
    pub(crate) fn holds(&self, last: Zxid, zxid: Zxid) -> bool {
        let mut at = self.record_at(last);
        if self.on_path.contains(&at) {
            return zxid <= at && self.on_path.contains(&zxid);
        }
        while at > zxid {
            match self.entries.get(&at) {
                Some(entry) => at = entry.previous,
                None => return false,
            }
        }
        at == zxid
    }

    /// The last committed record.
    pub(crate) fn end(&self) -> Zxid {
        self.path.last().copied().unwrap_or(Zxid::ZERO)
    }

    /// Number of committed records.
    pub(crate) fn committed_count(&self) -> usize {
        self.path.len()
    }

    /// Number of leaders.
    pub(crate) fn leader_count(&self) -> usize {
        self.leaders.len()
    }

    fn extend(&mut self, zxid: Zxid) {
        self.path.push(zxid);
        self.on_path.insert(zxid);
        if let Some(entry) = self.entries.get(&zxid)
            && matches!(entry.record.txn, Txn::CloseSession(_))
        {
            self.closed.insert(entry.record.header.client_id, zxid);
        }
        if self.entries.get(&zxid).is_some_and(|entry| matches!(entry.record.txn, Txn::Reconfig(_))) {
            self.reconfigs.push(zxid);
        }
    }
}
