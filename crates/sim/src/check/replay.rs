//! The committed transactions, replayed one by one into a fresh tree beside a model of what each request should lead to.
//!
//! * C7: every answer, error or not, is the one that the tree before it leads to; every read is of the tree at its zxid.
//! * C1: the order of zxids respects that of time. C2: and that of each session. Z1: nothing acknowledged is missing.

use std::collections::{BTreeMap, BTreeSet};

use jute::data::Acl;
use jute::{OpCode, Record, SessionId, Txn, TxnRecord, Zxid};
use pipeline::reply::{self, Ending};
use pipeline::request::Request;
use tree::{OpResult, State, Trigger};

use super::changes::{Change, Changes};
use super::watches;
use super::{CONFIG, Failure, Heard, History, Op};
use super::{model, reads};
use crate::client::is_write;
use crate::clock::Micros;
use crate::universe::Universe;

/// Checks a whole run.
pub(crate) fn check(u: &Universe, history: &History) -> Result<(), Failure> {
    let asked = Asked::of(u, history);
    let mut replay = Replay {
        state: State::new(u.plan.pipeline.state()),
        changes: Changes::default(),
        at: Zxid::ZERO,
        is_exact: !u.marks.has("wall clock jumped"),
    };
    let mut begun = BTreeSet::new();
    let mut last_cxid: BTreeMap<SessionId, i32> = BTreeMap::new();
    let mut zxid_of: BTreeMap<(SessionId, i32), Zxid> = BTreeMap::new();
    replay.reads(u, &asked, Zxid::ZERO)?;
    for (record, digest) in u.ledger.path() {
        let header = &record.header;
        let key = (header.client_id, header.cxid);
        let op = asked.writes.get(&key).copied();
        replay.apply(u, record, digest, op)?;
        if matches!(record.txn, Txn::CreateSession(_)) {
            begun.insert(header.client_id);
        }
        if op.is_some() {
            if let Some(before) = zxid_of.insert(key, header.zxid) {
                let what = format!("{} xid {} is committed as {before} and as {}", key.0, key.1, header.zxid);
                return Err(Failure::new("Z5", what));
            }
            let last = last_cxid.entry(key.0).or_insert(0);
            let is_moved = op.is_some_and(|op| model::is_moved(u, op, record));
            if *last >= key.1 && !is_moved {
                let what = format!("{}: xid {} is committed behind {last}", key.0, key.1);
                return Err(Failure::new("C2", what));
            }
            *last = (*last).max(key.1);
        }
        replay.reads(u, &asked, header.zxid)?;
    }
    let is_local = |session: SessionId| u.plan.has_local_sessions && !begun.contains(&session);
    read_only(u, &asked)?;
    acknowledged(&asked, &zxid_of, is_local)?;
    in_real_time(u, history, &zxid_of)?;
    watches::check(history, &replay.changes)
}

/// What clients asked, by where it belongs.
struct Asked<'a> {
    writes: BTreeMap<(SessionId, i32), &'a Op>,
    /// On servers that only served reads.
    readers: Vec<&'a Op>,
    /// By the record that the state ended with.
    reads: BTreeMap<Zxid, Vec<&'a Op>>,
    /// Watches that were set again, by the same.
    set_again: BTreeMap<Zxid, Vec<SetAgain<'a>>>,
}

impl<'a> Asked<'a> {
    fn of(u: &Universe, history: &'a History) -> Self {
        let mut asked = Self {
            writes: BTreeMap::new(),
            readers: Vec::new(),
            reads: BTreeMap::new(),
            set_again: BTreeMap::new(),
        };
        for op in history.ops() {
            if op.is_read_only {
                asked.readers.push(op);
            }
            if is_write(&op.asked.request) {
                if !op.is_read_only {
                    asked.writes.insert((op.session, op.xid), op);
                }
            } else if let Some(returned) = &op.returned {
                asked.reads.entry(u.ledger.record_at(returned.zxid)).or_default().push(op);
            }
        }
        for (client, heard) in history.heard() {
            for (index, heard) in heard.iter().enumerate() {
                if let Heard::WatchesSet { zxid, .. } = heard {
                    let at = u.ledger.record_at(*zxid);
                    asked.set_again.entry(at).or_default().push(((client, index), heard));
                }
            }
        }
        asked
    }
}

/// One setWatches: the client and the place in what it heard, and what stands there.
type SetAgain<'a> = ((usize, usize), &'a Heard);

struct Replay {
    state: State,
    changes: Changes,
    at: Zxid,
    /// No clock of a server has jumped.
    is_exact: bool,
}

impl Replay {
    fn apply(
        &mut self,
        u: &Universe,
        record: &TxnRecord,
        digest: Option<i64>,
        op: Option<&Op>,
    ) -> Result<(), Failure> {
        let zxid = record.header.zxid;
        if let Some(op) = op {
            model::expect(u, &self.state, op, record)?;
        }
        model::expires(&self.state, record, self.is_exact)?;
        let before = self.acls_before(record);
        let mut changed = Vec::new();
        let mut note = |trigger: Trigger<'_>| {
            changed.push((trigger.kind, trigger.path.to_owned(), trigger.acl.to_vec()));
        };
        let applied = match self.state.apply(record, &mut note) {
            Ok(applied) => applied,
            Err(error) => {
                return Err(Failure::new("Z2", format!("the committed history does not apply: {error}")));
            }
        };
        self.at = zxid;
        if digest.is_some_and(|digest| digest != self.state.digest()) || applied.digest.mismatch().is_some() {
            let what =
                format!("the replayed tree at {zxid} has digest {:#x}, not {digest:x?}", self.state.digest());
            return Err(Failure::new("Z2", what));
        }
        for (kind, path, told_to) in changed {
            let acl = match &before {
                // In a multi a znode may come and go: then what the tree says counts.
                None => told_to,
                Some(before) => before.get(&path).cloned().unwrap_or_else(|| self.acl_of(&path)),
            };
            self.changes.add(zxid, Change { path, kind, acl });
        }
        if let Some(op) = op {
            answered_as(op, record, &applied.result)?;
        }
        self.sessions(record)
    }

    /// Who may read what a transaction changes, before it does: what is deleted is told to who could read it.
    fn acls_before(&self, record: &TxnRecord) -> Option<BTreeMap<String, Vec<Acl>>> {
        let deleted: Vec<String> = match &record.txn {
            Txn::Multi(_) => return None,
            Txn::Delete(txn) | Txn::DeleteContainer(txn) => vec![txn.path.clone()],
            Txn::CloseSession(_) => self.state.ephemerals(record.header.client_id).collect(),
            _ => Vec::new(),
        };
        Some(deleted.into_iter().map(|path| (path.clone(), self.acl_of(&path))).collect())
    }

    fn acl_of(&self, path: &str) -> Vec<Acl> {
        self.state.node(path).map(|node| node.acl().to_vec()).unwrap_or_default()
    }

    /// E1, E2: ephemerals die with their session, all of them, in its transaction.
    fn sessions(&self, record: &TxnRecord) -> Result<(), Failure> {
        if matches!(record.txn, Txn::CloseSession(_)) {
            let session = record.header.client_id;
            if let Some(left) = self.state.ephemerals(session).next() {
                let what = format!("{left} outlives its session {session}, closed at {}", record.header.zxid);
                return Err(Failure::new("E2", what));
            }
        }
        match self.state.orphaned_sessions().next() {
            Some(session) => {
                let what = format!(
                    "at {} there are ephemerals of {session}, which is not there",
                    record.header.zxid
                );
                Err(Failure::new("E1", what))
            }
            None => Ok(()),
        }
    }

    /// The reads that saw the state as it is now.
    fn reads(&mut self, u: &Universe, asked: &Asked<'_>, at: Zxid) -> Result<(), Failure> {
        for op in asked.reads.get(&at).into_iter().flatten() {
            match &op.asked.request {
                Request::GetData(asked) if asked.path == CONFIG => u.memberships.reads(&u.ledger, op)?,
                _ => reads::read(&self.state, op)?,
            }
        }
        for (key, heard) in asked.set_again.get(&at).into_iter().flatten() {
            self.changes.expect_catch_up(*key, &self.state, heard);
        }
        Ok(())
    }
}

/// A reply carries what its transaction did.
fn answered_as(op: &Op, record: &TxnRecord, result: &OpResult) -> Result<(), Failure> {
    let zxid = record.header.zxid;
    let Some(returned) = &op.returned else { return Ok(()) };
    let Ending::Reply(err) = reply::ending(result) else { return Ok(()) };
    let mut body = Vec::new();
    if err == 0 && op.asked.request.op_code() != OpCode::CloseSession {
        if let Txn::Reconfig(txn) = &record.txn {
            jute::write::buffer(&mut body, txn.data.as_deref());
        }
        reply::encode_body(result, &mut body);
    }
    if returned.zxid != zxid || returned.err != err || returned.body != body {
        let what = format!(
            "client {} xid {} {} was told {} at {}, and its transaction {zxid} says {err}",
            op.client,
            op.xid,
            op.asked.request.op_code(),
            returned.err,
            returned.zxid
        );
        return Err(Failure::new("C7", what));
    }
    Ok(())
}

/// R5: a server that only serves reads refuses all else, nothing of it is committed, and what it shows is a history that its log
/// holds, be its end committed or not.
fn read_only(u: &Universe, asked: &Asked<'_>) -> Result<(), Failure> {
    const NOT_READ_ONLY: i32 = jute::ErrorCode::NotReadOnly.code();
    let keys: BTreeSet<_> = asked.readers.iter().map(|op| (op.session, op.xid)).collect();
    for (record, _) in u.ledger.path() {
        if record.header.cxid != 0 && keys.contains(&(record.header.client_id, record.header.cxid)) {
            let what =
                format!("{} comes of a request to a server that only serves reads", record.header.zxid);
            return Err(Failure::new("R5", what));
        }
    }
    let mut tails: BTreeMap<Zxid, Vec<&Op>> = BTreeMap::new();
    for op in &asked.readers {
        let Some(returned) = &op.returned else { continue };
        let writes = match op.asked.request {
            // Without local sessions it has none that it could end.
            Request::CloseSession => !u.plan.has_local_sessions,
            Request::Sync(_) => true,
            _ => is_write(&op.asked.request),
        };
        if writes != (returned.err == NOT_READ_ONLY) {
            let what = format!(
                "client {} xid {} {:?} was told {}",
                op.client, op.xid, op.asked.request, returned.err
            );
            return Err(Failure::new("R5", what));
        }
        let at = u.ledger.record_at(returned.zxid);
        if !writes && !u.ledger.is_committed(at) {
            tails.entry(at).or_default().push(op);
        }
    }
    for (at, ops) in tails {
        let mut state = State::new(u.plan.pipeline.state());
        for record in u.ledger.history_to(at) {
            let applied = state.apply(record, &mut |_| ());
            applied.map_err(|error| {
                Failure::new("R5", format!("the history to {at} does not apply: {error}"))
            })?;
        }
        for op in ops {
            match &op.asked.request {
                Request::GetData(asked) if asked.path == CONFIG => {}
                _ => reads::read(&state, op)?,
            }
        }
    }
    Ok(())
}

/// Z1: what was answered is committed. The end of a session that was its server's own is nobody else's affair.
fn acknowledged(
    asked: &Asked<'_>,
    zxid_of: &BTreeMap<(SessionId, i32), Zxid>,
    is_local: impl Fn(SessionId) -> bool,
) -> Result<(), Failure> {
    for (key, op) in &asked.writes {
        if matches!(op.asked.request, Request::CloseSession) && is_local(op.session) {
            continue;
        }
        if let Some(returned) = &op.returned
            && !zxid_of.contains_key(key)
        {
            let what = format!(
                "{} xid {} {} was answered {} at {} and is lost",
                key.0,
                key.1,
                op.asked.request.op_code(),
                returned.err,
                returned.zxid
            );
            return Err(Failure::new("Z1", what));
        }
    }
    Ok(())
}

/// C1: what was answered before something was asked has the smaller zxid. And a sync reaches all that was answered anywhere
/// before it was asked, unless a leader may have answered it that had been replaced without knowing (ZK-1675).
fn in_real_time(
    u: &Universe,
    history: &History,
    zxid_of: &BTreeMap<(SessionId, i32), Zxid>,
) -> Result<(), Failure> {
    let mut events: BTreeSet<(Micros, bool, usize)> = BTreeSet::new();
    for (index, op) in history.ops().iter().enumerate() {
        let is_sync = matches!(op.asked.request, Request::Sync(_));
        if zxid_of.contains_key(&(op.session, op.xid)) || is_sync {
            events.insert((op.invoked, true, index));
        }
        if let Some(returned) = &op.returned
            && is_write(&op.asked.request)
            && zxid_of.contains_key(&(op.session, op.xid))
        {
            events.insert((returned.at, false, index));
        }
    }
    let mut newest = Zxid::ZERO;
    for (_, is_begin, index) in events {
        let Some(op) = history.ops().get(index) else { continue };
        let Some(zxid) = zxid_of.get(&(op.session, op.xid)).copied() else {
            if let Some(returned) = op.returned.as_ref().filter(|returned| returned.err == 0)
                && u.ledger.record_at(returned.zxid) < newest
                && !u.ledger.has_stale_leader(op.invoked, returned.at)
            {
                let what = format!(
                    "client {} xid {}: sync does not reach {newest}, answered before",
                    op.client, op.xid
                );
                return Err(Failure::new("C1", what));
            }
            continue;
        };
        if !is_begin {
            newest = newest.max(zxid);
        } else if zxid < newest {
            let what =
                format!("client {} xid {} was asked behind {newest} and got {zxid}", op.client, op.xid);
            return Err(Failure::new("C1", what));
        }
    }
    Ok(())
}

/// A reply's body as a record.
pub(super) fn body<R: Record>(op: &Op) -> Result<R, Failure> {
    let body = op.returned.as_ref().map(|returned| &returned.body);
    let decoded = body.map(|body| R::decode(&mut jute::Reader::new(body)));
    match decoded {
        Some(Ok(record)) => Ok(record),
        Some(Err(_)) | None => {
            Err(Failure::new("C7", format!("the reply to {} cannot be read", op.asked.request.op_code())))
        }
    }
}
