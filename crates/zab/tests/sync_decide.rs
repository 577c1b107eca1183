//! How a learner gets the history, row by row. A zxid is written as epoch and counter.

use std::sync::Arc;

use jute::txn::{ErrorTxn, TxnHeader};
use jute::{OpCode, SessionId, Txn, TxnRecord, Zxid};
use rookeeper_zab as zab;
use zab::LogProbe;
use zab::leader::Recent;
use zab::sync::{Decision, History, Log, Plan, decide};

type Z = (i32, u32);

/// A leader's history: what it ends with, what a reader of the state sees, what is in memory.
struct Leader {
    end: Z,
    processed: Z,
    recent: Recent,
}

fn zxid((epoch, counter): Z) -> Zxid {
    Zxid::from_parts(epoch, counter)
}

fn record(at: Z) -> Arc<TxnRecord> {
    let header = TxnHeader {
        client_id: SessionId(1),
        cxid: 0,
        zxid: zxid(at),
        time: 0,
        op_code: OpCode::Error.code(),
    };
    Arc::new(TxnRecord { header, txn: Txn::Error(ErrorTxn { err: -1 }), digest: None })
}

fn leader(end: Z, recent: &[Z]) -> Leader {
    let mut kept = Recent::new(500);
    recent.iter().for_each(|at| kept.push(record(*at)));
    Leader { end, processed: end, recent: kept }
}

fn ask(leader: &Leader, peer: Z, log: Log<'_>) -> Decision {
    let history =
        History { end: zxid(leader.end), processed: zxid(leader.processed), recent: &leader.recent };
    decide(zxid(peer), &history, log, false)
}

const SNAP: Decision = Decision::Send(Plan::Snapshot);

fn diff(after: Z) -> Decision {
    Decision::Send(Plan::Transactions { cut: None, log: None, after: zxid(after) })
}

fn trunc(to: Z) -> Decision {
    Decision::Send(Plan::Transactions { cut: Some(zxid(to)), log: None, after: zxid(to) })
}

#[test]
fn what_memory_proves() {
    let busy = || leader((4, 9), &[(3, 6), (3, 7), (4, 1), (4, 2), (4, 9)][..0]);
    let recent = [(3, 6), (3, 7), (4, 1), (4, 2), (4, 3)];
    let rows = [
        ("the same history", (4, 3), diff((4, 3))),
        ("in memory", (4, 1), diff((4, 1))),
        ("the oldest in memory", (3, 6), diff((3, 6))),
        ("the last of an epoch", (3, 7), diff((3, 7))),
        ("more than we, same epoch", (4, 8), trunc((4, 3))),
        ("more than we, epoch unknown here", (5, 1), SNAP),
        ("unknown, in an epoch that went on here", (3, 9), trunc((3, 7))),
        ("an epoch begins here", (4, 0), diff((4, 0))),
        ("an epoch began that we know nothing of", (5, 0), SNAP),
        ("nothing", (0, 0), SNAP),
        ("not even the beginning", (-1, u32::MAX), SNAP),
        ("before memory", (3, 5), Decision::AskLog),
        ("an epoch before memory", (3, 0), Decision::AskLog),
    ];
    for (what, peer, decision) in rows {
        assert_eq!(ask(&leader((4, 3), &recent), peer, Log::Unasked), decision, "{what}");
    }
    assert_eq!(ask(&busy(), (4, 8), Log::Off), SNAP, "no memory, no log");
    assert_eq!(ask(&busy(), (4, 8), Log::Unasked), Decision::AskLog, "no memory");
}

#[test]
fn a_cut_never_crosses_an_epoch() {
    // REFERENCE 2.8: what the learner has of epoch 3 behind 3.7 may follow any transaction of epoch 3 or none of ours.
    let leader = leader((5, 2), &[(3, 6), (3, 7), (5, 1), (5, 2)]);
    assert_eq!(ask(&leader, (4, 1), Log::Off), SNAP);
    assert_eq!(ask(&leader, (5, 7), Log::Off), trunc((5, 2)));
    assert_eq!(ask(&leader, (6, 1), Log::Off), SNAP);
}

#[test]
fn an_epoch_without_transactions() {
    let mut idle = leader((4, 3), &[(4, 2), (4, 3)]);
    idle.processed = (6, 0);
    let rows = [
        ("as we see it", (6, 0), diff((4, 3))),
        ("as our log has it", (4, 3), diff((4, 3))),
        ("an idle epoch between", (5, 0), SNAP),
        ("what we never had", (4, 4), trunc((4, 3))),
    ];
    for (what, peer, decision) in rows {
        assert_eq!(ask(&idle, peer, Log::Off), decision, "{what}");
    }
    // No transaction stands at 5.0, so no log is cut there: the reference leaves the one behind it.
    let begun = leader((5, 0), &[]);
    assert_eq!(ask(&begun, (5, 3), Log::Off), SNAP);
    assert_eq!(ask(&begun, (5, 0), Log::Off), diff((5, 0)));
}

#[test]
fn an_empty_history_of_ours() {
    let empty = leader((0, 0), &[]);
    assert_eq!(ask(&empty, (0, 0), Log::Off), diff((0, 0)));
    assert_eq!(ask(&empty, (-1, u32::MAX), Log::Off), SNAP);
    assert_eq!(ask(&empty, (1, 1), Log::Off), SNAP);
}

#[test]
fn a_snapshot_when_it_is_forced() {
    let leader = leader((4, 3), &[(4, 3)]);
    let history = History { end: zxid((4, 3)), processed: zxid((4, 3)), recent: &leader.recent };
    assert_eq!(decide(zxid((4, 3)), &history, Log::Off, true), SNAP);
}

/// What the log proves: floor, first above, last, more than may be sent.
fn probe(floor: Option<Z>, first_above: Option<Z>, last: Z, is_over: bool) -> LogProbe {
    LogProbe { floor: floor.map(zxid), first_above: first_above.map(zxid), last: zxid(last), is_over }
}

fn from_log(cut: Option<Z>, after: Z, joint: Z) -> Decision {
    Decision::Send(Plan::Transactions {
        cut: cut.map(zxid),
        log: Some((zxid(after), zxid(joint))),
        after: zxid(joint),
    })
}

#[test]
fn what_the_log_proves() {
    let leader = leader((4, 9), &[(4, 7), (4, 8), (4, 9)]);
    let whole = |floor, above| probe(floor, above, (4, 9), false);
    let rows = [
        ("in the log", (4, 2), whole(Some((4, 2)), Some((4, 3))), from_log(None, (4, 2), (4, 7))),
        ("reaches memory, no more", (4, 2), probe(Some((4, 2)), Some((4, 3)), (4, 7), false), {
            from_log(None, (4, 2), (4, 7))
        }),
        // 4.0 is no record: the log is read from the one before it.
        ("an epoch begins in it", (4, 0), whole(Some((3, 8)), Some((4, 1))), from_log(None, (3, 8), (4, 7))),
        ("unknown, in an epoch of the log", (3, 9), whole(Some((3, 8)), Some((4, 1))), {
            from_log(Some((3, 8)), (3, 8), (4, 7))
        }),
        ("unknown, epochs differ", (3, 2), whole(Some((2, 8)), Some((4, 1))), SNAP),
        ("too long", (4, 2), probe(Some((4, 2)), Some((4, 3)), (4, 9), true), SNAP),
        ("it begins later", (4, 2), whole(None, Some((4, 5))), SNAP),
        ("nothing above", (4, 2), probe(Some((4, 2)), None, (4, 2), false), SNAP),
        ("a floor above the learner", (4, 2), whole(Some((4, 3)), Some((4, 4))), SNAP),
        ("the first is none", (4, 2), whole(Some((4, 2)), Some((4, 2))), SNAP),
    ];
    for (what, peer, probe, decision) in rows {
        assert_eq!(ask(&leader, peer, Log::Probed(&probe)), decision, "{what}");
    }
    assert_eq!(ask(&leader, (4, 2), Log::Off), SNAP, "it is not to be sent");
}

#[test]
fn zk_2418_a_log_that_ends_before_memory_begins() {
    let leader = leader((4, 9), &[(4, 7), (4, 8), (4, 9)]);
    let probe = probe(Some((4, 2)), Some((4, 3)), (4, 5), false);
    assert_eq!(ask(&leader, (4, 2), Log::Probed(&probe)), SNAP);
    // Without memory it must reach the end.
    let forgetful = self::leader((4, 9), &[]);
    assert_eq!(ask(&forgetful, (4, 2), Log::Probed(&probe)), SNAP);
    let whole = self::probe(Some((4, 2)), Some((4, 3)), (4, 9), false);
    assert_eq!(ask(&forgetful, (4, 2), Log::Probed(&whole)), from_log(None, (4, 2), (4, 9)));
}

#[test]
fn zk_1154_1156_the_newest_history_was_absent_at_the_election() {
    // Servers with 4.5 elected a leader while the one with 4.7 was away; since then 5.1 was committed. The cut is to the last
    // transaction in common, not to the end, and not to the first one that differs.
    let leader = leader((5, 1), &[(4, 4), (4, 5), (5, 1)]);
    assert_eq!(ask(&leader, (4, 7), Log::Off), trunc((4, 5)));
    assert_eq!(ask(&leader, (4, 6), Log::Off), trunc((4, 5)));
    assert_eq!(ask(&leader, (4, 5), Log::Off), diff((4, 5)));
}

#[test]
fn zk_2846_a_log_that_is_no_prefix() {
    // The log on disk holds other transactions than the learner around its end: the reference sends them all the same.
    let leader = leader((6, 2), &[(6, 1), (6, 2)]);
    let probe = probe(Some((3, 9)), Some((5, 1)), (6, 2), false);
    assert_eq!(ask(&leader, (4, 4), Log::Probed(&probe)), SNAP);
}

#[test]
fn zk_3526_memory_that_ends_elsewhere_is_not_looked_at() {
    // The reference's read-only mode leaves the bounds of the memory crossed: it cuts histories that are in order.
    let mut stale = leader((4, 9), &[(4, 1), (4, 2), (4, 3)]);
    assert_eq!(ask(&stale, (4, 5), Log::Off), SNAP, "not a cut to 4.3");
    assert_eq!(ask(&stale, (4, 2), Log::Unasked), Decision::AskLog, "not 4.3 only");
    assert_eq!(ask(&stale, (4, 9), Log::Off), diff((4, 9)));
    stale.recent.go_on_behind(zxid(stale.end));
    assert_eq!(ask(&stale, (4, 2), Log::Unasked), Decision::AskLog);
}

#[test]
fn zk_4352_an_empty_learner_never_gets_a_part() {
    // With a smallest zxid of 0 in memory the reference sends a learner that has nothing what is in memory, and nothing else.
    let mut begun = leader((4, 3), &[(4, 2), (4, 3)]);
    assert_eq!(ask(&begun, (0, 0), Log::Unasked), SNAP);
    begun.recent.go_on_behind(Zxid::ZERO);
    begun.recent.push(record((4, 1)));
    begun.end = (4, 1);
    assert_eq!(ask(&begun, (0, 0), Log::Unasked), SNAP, "the state at the beginning may hold something");
}
