//! What carrying out effects does to outboxes, and when it stops.

mod world;

use std::sync::Arc;

use jute::txn::{DeleteTxn, ErrorTxn, SetDataTxn, TxnHeader};
use jute::{ErrorCode, OpCode, SessionId, Txn, TxnRecord, Zxid};
use pipeline::event::Event;
use pipeline::outbox::CloseReason;
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use rookeeper_replica::{
    CarryReport, ConnectionId, Effect, HaltReason, LocalReply, Origin, Outboxes, carry_out,
};
use tree::watches::WatchKind;
use world::World;

const CONNECTION: ConnectionId = ConnectionId(1);
const ORIGIN: Origin =
    Origin { connection: CONNECTION, xid: 1, op: OpCode::Delete, received: Millis(0), opens: None };

fn world() -> World {
    let mut world = World::new(PipelineSettings::default());
    world.open(CONNECTION, &Arc::new(PipelineSettings::default()));
    world
}

fn record(zxid: i64, txn: Txn) -> Arc<TxnRecord> {
    let header = TxnHeader {
        client_id: SessionId(1),
        cxid: 1,
        zxid: Zxid(zxid),
        time: 0,
        op_code: txn.op_code().code(),
    };
    Arc::new(TxnRecord { header, txn, digest: None })
}

fn carry(world: &mut World, mut effects: Vec<Effect>) -> (Vec<Effect>, CarryReport) {
    let mut report = CarryReport::default();
    carry_out(Millis(5), &mut world.state, &mut world.watches, &mut effects, &mut world.boxes, &mut report);
    (effects, report)
}

/// L14: a committed transaction that cannot be applied ends the server, and nothing behind it is carried out.
#[test]
fn a_transaction_that_cannot_be_applied_halts() {
    let mut world = world();
    let broken = record(1, Txn::Delete(DeleteTxn { path: "/nothing".into() }));
    let error = LocalReply::Error(ErrorCode::NoNode);
    let behind = Effect::Reply { origin: ORIGIN, what: error };
    let effects = vec![Effect::Apply { record: broken, origin: Some(ORIGIN) }, behind.clone()];
    let (left, report) = carry(&mut world, effects);
    assert!(matches!(report.halt, Some(HaltReason::Apply { zxid: Zxid(1), .. })), "{report:?}");
    assert_eq!(left, vec![behind]);
    assert!(world.boxes.with(CONNECTION, |outbox| assert!(outbox.is_empty())));
}

#[test]
fn a_session_that_moved_closes_the_connection_without_a_reply() {
    let moved = ErrorCode::SessionMoved.code();
    let alone = record(1, Txn::Error(ErrorTxn { err: moved }));
    let in_multi = record(1, Txn::Multi(vec![Txn::Error(ErrorTxn { err: moved })]));
    let effects = [
        Effect::Apply { record: alone, origin: Some(ORIGIN) },
        Effect::Apply { record: in_multi, origin: Some(ORIGIN) },
        Effect::Reply { origin: ORIGIN, what: LocalReply::Error(ErrorCode::SessionMoved) },
    ];
    for effect in effects {
        let mut world = world();
        let (left, report) = carry(&mut world, vec![effect]);
        assert_eq!((left, report.answered), (vec![], vec![CONNECTION]));
        assert!(world.boxes.with(CONNECTION, |outbox| {
            assert!(outbox.is_empty());
            assert_eq!(outbox.completed(), 1);
            assert_eq!(outbox.closed(), Some(CloseReason::SessionMoved));
        }));
    }
}

/// Who waits for an answer need not wait for all who watch.
#[test]
fn those_who_are_answered_and_those_who_are_told_are_named_apart() {
    const WATCHER: ConnectionId = ConnectionId(2);
    const GONE: ConnectionId = ConnectionId(3);
    let mut world = world();
    world.open(WATCHER, &Arc::new(PipelineSettings::default()));
    for watcher in [WATCHER, GONE, CONNECTION] {
        world.watches.add("/", watcher, WatchKind::Data);
    }
    let txn = Txn::SetData(SetDataTxn { path: "/".into(), data: None, version: 1 });
    let (_, report) = carry(&mut world, vec![Effect::Apply { record: record(1, txn), origin: Some(ORIGIN) }]);
    assert_eq!((report.answered, report.told), (vec![CONNECTION], vec![WATCHER, CONNECTION]));
}

#[test]
fn a_dropped_request_counts_as_completed() {
    let mut world = world();
    carry(&mut world, vec![Effect::Reply { origin: ORIGIN, what: LocalReply::Dropped }]);
    assert!(world.boxes.with(CONNECTION, |outbox| {
        assert!(outbox.is_empty());
        assert_eq!((outbox.completed(), outbox.closed()), (1, None));
    }));
}

#[test]
fn what_is_not_for_clients_is_left_for_the_caller_in_order() {
    let mut world = world();
    let record = record(1, Txn::Error(ErrorTxn { err: -101 }));
    let append = Effect::Append { record: Arc::clone(&record) };
    let effects = vec![append.clone(), Effect::Apply { record, origin: Some(ORIGIN) }, Effect::Stopped];
    let (left, report) = carry(&mut world, effects);
    assert_eq!(left, vec![append, Effect::Stopped]);
    assert_eq!(report.applied, 1);
}

#[test]
fn a_log_that_claims_too_much_halts() {
    let mut world = world();
    world.step(Event::Durable { zxid: Zxid(1) });
    let why = HaltReason::DurableAhead { durable: Zxid(1), given: Zxid(0) };
    assert_eq!(world.carry_out(), vec![Effect::Halt { why }]);
}
