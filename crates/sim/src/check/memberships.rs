//! Memberships in motion: which came into force, what the files of each server must say, and what a change leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ensemble::{Change, Refused, Rules, Verifier};
use jute::{ErrorCode, Txn, TxnRecord, Zxid, proto};
use tree::State;

use super::replay::body;
use super::{Failure, Ledger, Op};
use crate::clock::Micros;

/// What is known of memberships.
#[derive(Debug)]
pub(crate) struct Memberships {
    /// The one that all begin with.
    first: Arc<Verifier>,
    /// Those that came into force at a server, by their versions.
    in_force: BTreeMap<i64, Arc<Verifier>>,
    /// The committed changes, with the moment in which the first server showed them.
    committed: Vec<(Zxid, Micros, Arc<Verifier>)>,
    /// What the files of each server say, durably.
    files: Vec<Files>,
    /// Servers for which a membership came into force in this event.
    fresh: Vec<(usize, Zxid)>,
    /// Those that came into force at a leader which ended before it could show so.
    unshown: BTreeSet<Zxid>,
}

/// The files of one server.
#[derive(Debug, Clone, Copy, Default)]
struct Files {
    in_force: i64,
    proposed: i64,
    /// Its process ended while it wrote this version.
    cut_at: Option<i64>,
    /// The last one that came into force, and that a disk which failed did not take.
    unwritten: Option<i64>,
}

/// What a start shows of a change that was cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remains {
    /// Nothing was cut short.
    Whole,
    /// The membership from before.
    Old,
    /// The new one.
    New,
}

/// Where the membership stands in the tree.
pub(crate) const CONFIG: &str = "/zookeeper/config";

impl Memberships {
    pub(crate) fn new(first: Arc<Verifier>, servers: usize) -> Self {
        let files = vec![Files::default(); servers];
        Self {
            first,
            in_force: BTreeMap::new(),
            committed: Vec::new(),
            files,
            fresh: Vec::new(),
            unshown: BTreeSet::new(),
        }
    }

    /// Takes what was committed since; the newest change if there is one.
    pub(crate) fn follow(&mut self, ledger: &Ledger, now: Micros) -> Option<Arc<Verifier>> {
        let new = ledger.reconfigs().get(self.committed.len()..).unwrap_or_default();
        for zxid in new {
            let verifier = ledger.record(*zxid).and_then(membership_of);
            let verifier = verifier.unwrap_or_else(|| Arc::clone(&self.first));
            self.committed.push((*zxid, now, verifier));
        }
        (!new.is_empty()).then(|| self.committed.last().map(|(_, _, verifier)| Arc::clone(verifier)))?
    }

    /// R2: one comes into force at a server. A version is one membership.
    pub(crate) fn activated(&mut self, server: usize, verifier: &Arc<Verifier>) -> Result<(), Failure> {
        self.fresh.push((server, Zxid(verifier.version)));
        let known = self.in_force.entry(verifier.version).or_insert_with(|| Arc::clone(verifier));
        if known.has_same_members(verifier) {
            return Ok(());
        }
        let what = format!("server {} has another membership {:x} than others", server + 1, verifier.version);
        Err(Failure::new("R2", what))
    }

    /// R2: what came into force in this event is committed by now, unless its server has ended meanwhile.
    pub(crate) fn are_committed(
        &mut self,
        ledger: &Ledger,
        is_up: impl Fn(usize) -> bool,
    ) -> Result<(), Failure> {
        for (server, version) in std::mem::take(&mut self.fresh) {
            if version.counter() == 0 || ledger.reconfigs().binary_search(&version).is_ok() {
                continue;
            }
            if !is_up(server) {
                self.unshown.insert(version);
            } else if !self.unshown.contains(&version) {
                let what =
                    format!("membership {version} is in force at server {} and not committed", server + 1);
                return Err(Failure::new("R2", what));
            }
        }
        Ok(())
    }

    /// The newest of all that came into force.
    pub(crate) fn newest(&self) -> &Arc<Verifier> {
        self.in_force.last_key_value().map_or(&self.first, |(_, verifier)| verifier)
    }

    /// The one in which a transaction is committed, and the one before it if it is this very change, for a second after that.
    pub(crate) fn at(&self, zxid: Zxid, now: Micros) -> Vec<Arc<Verifier>> {
        let behind = self.committed.partition_point(|(change, _, _)| *change <= zxid);
        let (before, _) = self.committed.split_at(behind);
        let Some(((change, at, verifier), earlier)) = before.split_last() else {
            return vec![Arc::clone(&self.first)];
        };
        let mut needed = vec![Arc::clone(verifier)];
        if *change == zxid && now < *at + crate::clock::SECOND {
            needed.push(earlier.last().map_or(&self.first, |(_, _, verifier)| verifier).clone());
        }
        needed
    }

    /// R1: a leader is established under the last membership that was committed, or a newer one.
    pub(crate) fn leads(&self, server: usize, version: i64, ledger: &Ledger) -> Result<(), Failure> {
        match ledger.reconfigs().last() {
            Some(last) if version < last.0 => {
                let what = format!(
                    "server {} leads under membership {version:x}, and {last} is committed",
                    server + 1
                );
                Err(Failure::new("R1", what))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The files of a server say this, durably; or its process ended while it wrote them.
    pub(crate) fn written(
        &mut self,
        server: usize,
        proposed: Option<i64>,
        in_force: Option<i64>,
        is_cut: bool,
    ) {
        let Some(files) = self.files.get_mut(server) else { return };
        if is_cut {
            files.cut_at = proposed.or(in_force);
            return;
        }
        if let Some(version) = proposed {
            files.proposed = version;
        }
        if let Some(version) = in_force {
            files.in_force = files.in_force.max(version);
            files.unwritten = None;
        }
    }

    /// A disk did not take a membership that is in force; its server goes on.
    pub(crate) fn not_written(&mut self, server: usize, in_force: i64) {
        if let Some(files) = self.files.get_mut(server) {
            files.unwritten = Some(in_force);
        }
    }

    /// Whether it is for a disk that failed that the files of a server do not say this.
    pub(crate) fn is_unwritten(&self, server: usize, in_force: i64) -> bool {
        self.files.get(server).is_some_and(|files| files.unwritten == Some(in_force))
    }

    /// A machine is another one.
    pub(crate) fn forgets(&mut self, server: usize) {
        if let Some(files) = self.files.get_mut(server) {
            *files = Files::default();
        }
    }

    /// R3: a start finds the membership that was in force, or the one that took its place, and what was proposed last. Where the
    /// configuration file names no dynamic file yet, what was proposed does not count.
    pub(crate) fn found(
        &mut self,
        server: usize,
        current: &Verifier,
        last_seen: &Verifier,
    ) -> Result<Remains, Failure> {
        let Some(files) = self.files.get_mut(server) else { return Ok(Remains::Whole) };
        let wrong = |what: &str| {
            let (at, seen) = (current.version, last_seen.version);
            let what = format!("server {} starts with {at:x}, {seen:x} proposed, and {what}", server + 1);
            Err(Failure::new("R3", what))
        };
        let cut_at = files.cut_at.take();
        let proposed = files.proposed;
        if cut_at.is_some() || current.version == 0 {
            // What was being written may have taken its place; what does not count now is gone with the first dynamic file.
            files.proposed = last_seen.version;
        }
        if current.version < files.in_force {
            return wrong(&format!("{:x} was in force", files.in_force));
        }
        let is_there = current.version >= proposed || last_seen.version == proposed;
        if current.version != 0 && !is_there && cut_at.is_none() {
            return wrong(&format!("{proposed:x} was proposed"));
        }
        if let Some(known) = self.in_force.get(&current.version)
            && !known.has_same_members(current)
        {
            return wrong("that is not what was in force");
        }
        Ok(match cut_at {
            None => Remains::Whole,
            Some(version) if current.version >= version => Remains::New,
            Some(_) => Remains::Old,
        })
    }

    /// What the tree says of the membership is one that came into force, and no older than the tree.
    pub(super) fn reads(&self, ledger: &Ledger, op: &Op) -> Result<(), Failure> {
        let Some(returned) = op.returned.as_ref().filter(|returned| returned.err == 0) else { return Ok(()) };
        let got: proto::GetDataResponse = body(op)?;
        let text = String::from_utf8_lossy(got.data.as_deref().unwrap_or_default()).into_owned();
        let wrong = |why: &str| {
            let what = format!("client {} xid {} at {}: {why}: {text}", op.client, op.xid, returned.zxid);
            Err(Failure::new("R2", what))
        };
        let Ok(verifier) = Verifier::from_text(&text, false) else { return wrong("no membership") };
        let at = ledger.record_at(returned.zxid);
        // Who only serves reads shows what is in force for it: whether the end of its history is agreed on it does not know.
        let is_certain = !op.is_read_only;
        if is_certain && self.committed.iter().any(|(zxid, _, _)| *zxid <= at && zxid.0 > verifier.version) {
            return wrong("an older membership than the tree's");
        }
        match self.in_force.get(&verifier.version) {
            Some(known) if !known.has_same_members(&verifier) => wrong("not the membership of this version"),
            None if verifier.version != 0 => wrong("no membership that was ever in force"),
            Some(_) | None => Ok(()),
        }
    }

    /// The transaction of a change is the one that the membership before it leads to.
    pub(super) fn expect(
        &self,
        (op, asked): (&Op, &proto::ReconfigRequest),
        record: &TxnRecord,
        is_administrator: bool,
    ) -> Result<(), Failure> {
        const IN_PROGRESS: i32 = ErrorCode::ReconfigInProgress.code();
        const NO_QUORUM: i32 = ErrorCode::NewConfigNoQuorum.code();
        let zxid = record.header.zxid;
        let before = self.in_force.range(..zxid.0).next_back().map_or(&self.first, |(_, verifier)| verifier);
        let got = match &record.txn {
            Txn::Error(error) => Some(error.err),
            _ => None,
        };
        // It was under way when this came, so it was not committed before this was asked.
        let may_be_under_way = self
            .committed
            .iter()
            .rev()
            .find(|(change, _, _)| *change < zxid)
            .is_some_and(|(_, at, _)| *at >= op.invoked);
        let changed = changed(before, asked, zxid);
        let expected = match &changed {
            _ if got == Some(IN_PROGRESS) && may_be_under_way => return Ok(()),
            _ if asked.cur_config_id != -1 && asked.cur_config_id != before.version => {
                Some(ErrorCode::BadVersion)
            }
            Err(error) => Some(*error),
            // Who was there when it came is not known.
            Ok(_) if got == Some(NO_QUORUM) => return Ok(()),
            Ok(_) if !is_administrator => Some(ErrorCode::NoAuth),
            Ok(_) => None,
        };
        let is_right = match (&changed, &record.txn) {
            _ if got != expected.map(ErrorCode::code) => false,
            (Ok(changed), Txn::Reconfig(_)) => {
                membership_of(record).is_some_and(|made| is_same(&made, changed))
            }
            _ => true,
        };
        if is_right {
            return Ok(());
        }
        let what = format!(
            "client {} xid {} {asked:?}: the transaction {zxid} says {got:?}, membership {:x} leads to {expected:?}: {:?}",
            op.client, op.xid, before.version, record.txn
        );
        Err(Failure::new("C7", what))
    }
}

/// R4: at rest a server has the newest membership in memory and in its tree.
pub(crate) fn is_told(newest: &Verifier, current: &Verifier, state: &State) -> bool {
    let node = state.node(CONFIG).and_then(|node| node.data().map(|data| data.to_vec()));
    let text = String::from_utf8(node.unwrap_or_default()).unwrap_or_default();
    let told = Verifier::from_text(&text, false);
    is_same(newest, current) && told.is_ok_and(|told| is_same(newest, &told))
}

/// The order of the lines is that of a hash map, which depends on how it came to be.
pub(crate) fn is_same(one: &Verifier, other: &Verifier) -> bool {
    one.version == other.version && one.has_same_members(other)
}

fn changed(before: &Verifier, asked: &proto::ReconfigRequest, zxid: Zxid) -> Result<Verifier, ErrorCode> {
    let change = match asked.new_members.as_deref() {
        Some(members) => Change::Members(members),
        None => Change::Incremental {
            joining: asked.joining_servers.as_deref(),
            leaving: asked.leaving_servers.as_deref(),
        },
    };
    let rules = Rules { standalone_enabled: true, multi_address: false };
    before.changed(change, zxid.0, rules).map_err(|refused| match refused {
        Refused::BadArguments(_) => ErrorCode::BadArguments,
        Refused::Unreadable(_) => ErrorCode::MarshallingError,
    })
}

fn membership_of(record: &TxnRecord) -> Option<Arc<Verifier>> {
    let Txn::Reconfig(txn) = &record.txn else { return None };
    let text = String::from_utf8_lossy(txn.data.as_deref()?).into_owned();
    Verifier::from_text(&text, false).ok().map(Arc::new)
}
