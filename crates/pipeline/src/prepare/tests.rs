extern crate std;

use std::vec;

use jute::multi::{MultiOp, MultiRequest};
use jute::txn::ErrorTxn;
use jute::{Txn, proto};

use super::*;
use crate::time::Millis;

const ALIVE: SessionId = SessionId(1);
const CLOSING: SessionId = SessionId(2);
const ELSEWHERE: SessionId = SessionId(3);
const UNKNOWN: SessionId = SessionId(4);

fn prepare(session: SessionId, request: Request) -> Prepared {
    prepare_with(&PipelineSettings::default(), session, request)
}

fn prepare_with(settings: &PipelineSettings, session: SessionId, request: Request) -> Prepared {
    let state = State::new(settings.state());
    let sessions = [ALIVE, CLOSING, ELSEWHERE].map(|session| (session, 6000));
    let mut sessions = SessionTracker::new(3000, Millis(0), sessions);
    sessions.set_closing(CLOSING);
    sessions.set_owner(ELSEWHERE, Owner::Learner(7)).unwrap();
    let mut prepare = Prepare {
        settings,
        state: &state,
        changes: &mut ChangesInFlight::default(),
        sessions: &mut sessions,
        warnings: &mut vec![],
        ensemble: None,
    };
    let asker = Asker { session, xid: 5, owner: Owner::Here, identities: &[] };
    prepare.request(&asker, Stamp { zxid: Zxid(9), wall_ms: 77 }, request)
}

fn create(flags: i32) -> Request {
    let acl = Some(tree::acl::open());
    Request::Create(proto::CreateRequest { path: "/a".into(), data: None, acl, flags })
}

fn delete() -> Request {
    Request::Delete(proto::DeleteRequest { path: "/zookeeper".into(), version: -1 })
}

fn delete_container() -> Request {
    Request::DeleteContainer(proto::DeleteContainerRequest { path: "/zookeeper/quota".into() })
}

fn in_multi() -> Request {
    let op = MultiOp::Delete(proto::DeleteRequest { path: "/zookeeper".into(), version: -1 });
    Request::Multi(MultiRequest { ops: vec![op] })
}

#[test]
fn the_session_is_looked_at_before_all_else() {
    use ErrorCode::{BadArguments, NoAuth, SessionExpired, SessionMoved, UnknownSession};
    for (request, alive, closing, elsewhere, unknown) in [
        (create(0), None, SessionExpired, SessionMoved, UnknownSession),
        (create(1), None, SessionExpired, SessionMoved, SessionExpired),
        (delete(), Some(BadArguments), SessionExpired, SessionMoved, UnknownSession),
        (delete_container(), Some(NoAuth), SessionExpired, SessionMoved, UnknownSession),
        (in_multi(), Some(BadArguments), SessionExpired, SessionMoved, UnknownSession),
    ] {
        for (session, expected) in
            [(ALIVE, alive), (CLOSING, Some(closing)), (ELSEWHERE, Some(elsewhere)), (UNKNOWN, Some(unknown))]
        {
            assert_eq!(prepare(session, request.clone()).error, expected, "{session} {request:?}");
        }
    }
}

#[test]
fn an_error_transaction_has_its_own_zxid_and_no_digest() {
    let Prepared { record, error } = prepare(ALIVE, delete());
    assert_eq!(error, Some(ErrorCode::BadArguments));
    assert_eq!(record.header, TxnHeader { client_id: ALIVE, cxid: 5, zxid: Zxid(9), time: 77, op_code: -1 });
    assert_eq!(record.txn, Txn::Error(ErrorTxn { err: -8 }));
    assert_eq!(record.digest, None);
}

#[test]
fn a_failed_multi_carries_the_digest_that_nothing_changed() {
    let state = State::new(PipelineSettings::default().state());
    let Prepared { record, .. } = prepare(ALIVE, in_multi());
    assert_eq!(record.header.op_code, jute::OpCode::Multi.code());
    assert_eq!(record.txn, Txn::Multi(vec![Txn::Error(ErrorTxn { err: -8 })]));
    assert_eq!(record.digest.map(|digest| digest.tree_digest), Some(state.digest()));
}

#[test]
fn expected_versions_match_or_are_minus_one_and_wrap() {
    for (current, expected, next) in [
        (0, 0, Ok(1)),
        (5, -1, Ok(6)),
        (5, 4, Err(ErrorCode::BadVersion)),
        (i32::MAX, i32::MAX, Ok(i32::MIN)),
        (-2, -2, Ok(-1)),
        (-1, -1, Ok(0)),
        (-1, 0, Err(ErrorCode::BadVersion)),
    ] {
        assert_eq!(next_version(current, expected), next, "{current} {expected}");
    }
}

#[test]
fn without_digests_no_transaction_carries_one() {
    let settings = PipelineSettings { digest_enabled: false, ..PipelineSettings::default() };
    for request in [create(0), create(1), in_multi(), Request::CloseSession] {
        let record = prepare_with(&settings, ALIVE, request.clone()).record;
        assert_eq!(record.digest, None, "{request:?}");
    }
}
