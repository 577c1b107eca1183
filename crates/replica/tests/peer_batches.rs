//! A member of an ensemble: a batch and the same events one by one give the same bytes; and no event, in whatever order,
//! is too much for it.
#![expect(clippy::indexing_slicing, clippy::wildcard_enum_match_arm, reason = "tests")]

mod ensemble;
mod world;

use std::sync::Arc;

use ::ensemble::ServerId;
use bytes::Bytes;
use jute::txn::{ErrorTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid, proto};
use pipeline::event::{ClientRequest, Event as ServerEvent};
use pipeline::outbox::{CloseReason, Outbox};
use pipeline::request::{Identities, Request};
use pipeline::settings::PipelineSettings;
use pipeline::time::Millis;
use proptest::collection::vec;
use proptest::prelude::*;
use rookeeper_replica::{CarryReport, ConnectionId, Effect, Event, PeerEffect, SessionModes, carry_out};
use zab::learner::Upstream;
use zab::{Attempt, LinkId, Packet};

use crate::ensemble::Ensemble;
use crate::ensemble::host::Host;

const SERVERS: i64 = 4;
const CLIENTS: u64 = 6;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    Ask { client: u64, request: Request },
    Move { client: u64, server: i64 },
    Disk { server: i64, is_held: bool },
    Wait { ms: u64 },
}

/// What is left of one server.
#[derive(Debug, PartialEq)]
struct Outcome {
    effects: Vec<Effect>,
    digest: i64,
    sent: Vec<Vec<u8>>,
}

/// A change of what really happened.
#[derive(Debug, Clone)]
enum Mutation {
    Drop,
    Again,
    Swap(usize),
    Insert(Box<Event>),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_and_its_events_one_by_one_give_the_same_bytes(
        happenings in vec(happening(), 1..60),
        with_modes in any::<bool>(),
        batches in vec(1_usize..12, 1..40),
    ) {
        let mut lived = live(&happenings, with_modes);
        for id in 1..=SERVERS {
            let host = lived.host(id);
            let (alone, batched) = (replay(host, &[1]), replay(host, &batches));
            for (alone, batched) in alone.effects.iter().zip(&batched.effects) {
                prop_assert_eq!(alone, batched, "server {}", id);
            }
            prop_assert!(alone == batched, "server {}", id);
        }
    }

    #[test]
    fn no_event_is_too_much(
        happenings in vec(happening(), 1..30),
        with_modes in any::<bool>(),
        mutations in vec((any::<prop::sample::Index>(), mutation()), 1..20),
    ) {
        let mut lived = live(&happenings, with_modes);
        for id in 1..=SERVERS {
            let host = lived.host(id);
            for (index, mutation) in &mutations {
                let index = index.index(host.events.len().max(1));
                mutate(&mut host.events, index, mutation);
            }
            replay(host, &[3]);
        }
    }
}

/// Three voters and an observer; clients at each of them. Somewhere on the way the leader is cut off.
fn live(happenings: &[Happening], with_modes: bool) -> Ensemble {
    let modes =
        SessionModes { local_sessions: with_modes, upgrades_sessions: with_modes, read_only: with_modes };
    let mut ensemble = Ensemble::new(PipelineSettings::default(), modes, 3, 1);
    (1..=SERVERS).for_each(|id| ensemble.start(id));
    ensemble.wait(1000);
    let mut places: Vec<(i64, ConnectionId)> = Vec::new();
    for client in 0..CLIENTS {
        let (server, connection) = (i64::try_from(client).expect("few") % SERVERS + 1, ConnectionId(client));
        ensemble.open(server, connection);
        let wall_ms = ensemble.wall_ms();
        ensemble.step(server, ServerEvent::NewSession { connection, timeout_ms: 6000, wall_ms });
        ensemble.deliver();
        places.push((server, connection));
    }
    let half = happenings.len() / 2;
    for (index, happening) in happenings.iter().enumerate() {
        if index == half {
            (1..3).for_each(|id| ensemble.cut(3, id));
            ensemble.wait(4000);
            ensemble.heal();
        }
        let xid = i32::try_from(index).expect("few") + 1;
        happen(&mut ensemble, &mut places, happening, xid);
    }
    (1..=SERVERS).for_each(|id| ensemble.host(id).disk.is_held = false);
    ensemble.deliver();
    ensemble
}

fn happen(ensemble: &mut Ensemble, places: &mut [(i64, ConnectionId)], happening: &Happening, xid: i32) {
    let (received, wall_ms) = (ensemble.now, ensemble.wall_ms());
    match happening {
        Happening::Ask { client, request } => {
            let (server, connection) = places[usize::try_from(*client).expect("few")];
            let host = ensemble.host(server);
            let session = host.sessions.get(&connection).copied().unwrap_or(SessionId::NONE);
            let (request, body) = (request.clone(), world::language::body(request));
            let identities = Identities::from([]);
            let request =
                ClientRequest { connection, session, xid, request, body, identities, received, wall_ms };
            ensemble.step(server, ServerEvent::Request(request));
        }
        Happening::Move { client, server } => {
            let place = &mut places[usize::try_from(*client).expect("few")];
            let session = ensemble.host(place.0).sessions.get(&place.1).copied().unwrap_or(SessionId(9));
            // Another connection at each server.
            let connection = ConnectionId(100 + client * 10 + u64::try_from(*server).expect("positive"));
            *place = (*server, connection);
            if !ensemble.host(*server).boxes.0.contains_key(&connection) {
                ensemble.open(*server, connection);
            }
            ensemble.host(*server).sessions.insert(connection, session);
            let password = pipeline::sessions::password(session).to_vec();
            let timeout_ms = 6000;
            let event = ServerEvent::ReopenSession { connection, session, password, timeout_ms, wall_ms };
            ensemble.step(*server, event);
        }
        Happening::Disk { server, is_held } => {
            ensemble.host(*server).disk.is_held = *is_held;
        }
        Happening::Wait { ms } => return ensemble.wait(*ms),
    }
    ensemble.deliver();
}

/// Lets a fresh server live through the same again, its effects carried out after each batch.
fn replay(lived: &Host, batches: &[usize]) -> Outcome {
    let mut host = Host::new(Arc::clone(&lived.settings), lived.peer.clone());
    host.start(Millis(0));
    let connections = (0..CLIENTS).chain(100..100 + CLIENTS * 10).map(ConnectionId);
    for connection in connections.clone() {
        let outbox = Outbox::new(Arc::clone(&host.settings), Identities::from([]));
        host.boxes.0.insert(connection, outbox);
    }
    let mut effects = Vec::new();
    let mut sizes = batches.iter().copied().cycle();
    let mut left = 0;
    for (now, event) in &lived.events {
        // The disk answers only what it was asked for.
        if left == 0 || is_of_disk(event) {
            if carry(&mut host, *now, &mut effects).is_none() {
                break;
            }
            left = sizes.next().unwrap_or(1);
        }
        left -= 1;
        let replica = host.replica.as_mut().expect("up");
        replica.step(*now, event.clone(), &host.state, &mut host.effects);
    }
    let now = lived.events.last().map_or(Millis(0), |(now, _)| *now);
    carry(&mut host, now, &mut effects);
    let sent = connections.filter_map(|id| host.boxes.0.get_mut(&id).map(Outbox::take_bytes)).collect();
    Outcome { effects, digest: host.state.digest(), sent }
}

/// Carries out what concerns state and clients; `None` when the server found itself wrong.
fn carry(host: &mut Host, now: Millis, all: &mut Vec<Effect>) -> Option<()> {
    for effect in std::mem::take(&mut host.effects) {
        all.push(effect.clone());
        match effect {
            Effect::Halt { .. } => return None,
            Effect::Peer(PeerEffect::StopServing) => {
                host.boxes.0.values_mut().for_each(|outbox| outbox.close(CloseReason::RoleChanged));
            }
            effect => {
                let mut report = CarryReport::default();
                let Host { state, watches, boxes, .. } = host;
                carry_out(now, state, watches, &mut vec![effect], boxes, &mut report);
                if report.halt.is_some() {
                    return None;
                }
            }
        }
    }
    Some(())
}

fn is_of_disk(event: &Event) -> bool {
    matches!(
        event,
        Event::Server(ServerEvent::Durable { .. })
            | Event::AcceptedEpochWritten { .. }
            | Event::CurrentEpochWritten { .. }
            | Event::Truncated { .. }
            | Event::SnapshotInstalled { .. }
            | Event::HistoryGivenUp
    )
}

fn mutate(events: &mut Vec<(Millis, Event)>, index: usize, mutation: &Mutation) {
    let Some((now, event)) = events.get(index).cloned() else { return };
    match mutation {
        Mutation::Drop => drop(events.remove(index)),
        Mutation::Again => events.insert(index, (now, event)),
        Mutation::Swap(by) => {
            let other = (index + by).min(events.len() - 1);
            let moved = events[other].1.clone();
            events[index].1 = moved;
            events[other].1 = event;
        }
        Mutation::Insert(event) => events.insert(index, (now, Event::clone(event))),
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        30 => (0..CLIENTS, request()).prop_map(|(client, request)| Happening::Ask { client, request }),
        4 => (0..CLIENTS, 1..=SERVERS).prop_map(|(client, server)| Happening::Move { client, server }),
        8 => (1..=SERVERS, any::<bool>()).prop_map(|(server, is_held)| Happening::Disk { server, is_held }),
        2 => (100_u64..3000).prop_map(|ms| Happening::Wait { ms }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let path = || prop::sample::select(vec!["/a", "/a/b", "/n-", "/c", "bad"]).prop_map(String::from);
    let create = (path(), 0..4).prop_map(|(path, flags)| {
        let acl = Some(tree::acl::open());
        Request::Create(proto::CreateRequest { path, data: Some(Bytes::from_static(b"x")), acl, flags })
    });
    prop_oneof![
        6 => create,
        3 => path().prop_map(|path| Request::Delete(proto::DeleteRequest { path, version: -1 })),
        4 => (path(), -1..3).prop_map(|(path, version)| {
            Request::SetData(proto::SetDataRequest { path, data: None, version })
        }),
        3 => path().prop_map(|path| Request::Sync(proto::SyncRequest { path })),
        1 => Just(Request::CloseSession),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        3 => Just(Mutation::Drop),
        3 => Just(Mutation::Again),
        3 => (1_usize..40).prop_map(Mutation::Swap),
        9 => nonsense().prop_map(|event| Mutation::Insert(Box::new(event))),
    ]
}

/// Events that come at a wrong moment, or from someone who means no good.
fn nonsense() -> impl Strategy<Value = Event> {
    let zxid =
        || prop::sample::select(vec![-1, 0, 1, 0x1_0000_0000, 0x1_0000_0003, 0x2_0000_0001]).prop_map(Zxid);
    let link = || (0_u64..6).prop_map(LinkId);
    let attempt = || (0_u64..4).prop_map(Attempt);
    prop_oneof![
        (link(), packet()).prop_map(|(link, packet)| Event::LearnerPacket { link, packet }),
        (attempt(), packet())
            .prop_map(|(attempt, packet)| Event::Upstream { attempt, what: Upstream::Packet(packet) }),
        attempt().prop_map(|attempt| Event::Upstream { attempt, what: Upstream::Connected }),
        attempt().prop_map(|attempt| {
            Event::Upstream { attempt, what: Upstream::Lost { why: "nonsense".into() } }
        }),
        link().prop_map(|link| Event::LearnerConnected { link }),
        link().prop_map(|link| Event::LearnerLost { link, why: "nonsense".into() }),
        link().prop_map(|link| Event::LogProbed { link, outcome: Err("nonsense".into()) }),
        (0_i32..4).prop_map(|epoch| Event::AcceptedEpochWritten { epoch }),
        (0_i32..4).prop_map(|epoch| Event::CurrentEpochWritten { epoch }),
        zxid().prop_map(|zxid| Event::SnapshotInstalled { zxid }),
        zxid().prop_map(|zxid| Event::Truncated { outcome: Ok(zxid) }),
        zxid().prop_map(|zxid| Event::Server(ServerEvent::Durable { zxid })),
        Just(Event::HistoryGivenUp),
        Just(Event::Server(ServerEvent::Shutdown)),
        Just(Event::Server(ServerEvent::Deadline { wall_ms: 0 })),
        Just(Event::Server(ServerEvent::Tick { wall_ms: 0 })),
        Just(Event::Server(ServerEvent::ContainerCheck { wall_ms: 0 })),
        (0_i64..5, vec(any::<u8>(), 0..60)).prop_map(|(from, message)| Event::Notification {
            from: ServerId(from),
            message: message.into()
        }),
        (0..CLIENTS).prop_map(|client| {
            Event::Server(ServerEvent::ConnectionLost { connection: ConnectionId(client) })
        }),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let zxid = || {
        prop::sample::select(vec![-1, 0, 1, 0x1_0000_0000, 0x1_0000_0001, 0x1_0000_0004, 0x2_0000_0000])
            .prop_map(Zxid)
    };
    let record = || {
        zxid().prop_map(|zxid| {
            let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: 0, op_code: -1 };
            Arc::new(TxnRecord { header, txn: Txn::Error(ErrorTxn { err: -5 }), digest: None })
        })
    };
    prop_oneof![
        zxid().prop_map(Packet::Ack),
        zxid().prop_map(Packet::Commit),
        zxid().prop_map(Packet::Diff),
        zxid().prop_map(Packet::Trunc),
        zxid().prop_map(Packet::Snap),
        zxid().prop_map(|zxid| Packet::NewLeader { zxid, config: None }),
        zxid().prop_map(|zxid| Packet::LeaderInfo { zxid, protocol_version: 0x1_0000 }),
        (zxid(), prop::option::of(0_i32..3))
            .prop_map(|(last, current_epoch)| Packet::AckEpoch { last, current_epoch }),
        record().prop_map(Packet::Proposal),
        record().prop_map(Packet::Inform),
        Just(Packet::UpToDate),
        Just(Packet::Sync),
        Just(Packet::Unknown(77)),
        (0_i64..3, any::<bool>())
            .prop_map(|(session, is_valid)| Packet::Revalidated { session: SessionId(session), is_valid }),
        (0_i64..3, -2_i32..9000)
            .prop_map(|(session, timeout_ms)| Packet::Revalidate { session: SessionId(session), timeout_ms }),
        (-20_i32..110, vec(any::<u8>(), 0..40)).prop_map(|(op_code, body)| Packet::Request(zab::Request {
            session: SessionId(1),
            cxid: 3,
            op_code,
            body: body.into(),
            identities: vec![],
        })),
        vec((0_i64..3, -2_i32..9000), 0..3).prop_map(|heard| Packet::Ping {
            zxid: Zxid(0),
            heard: Some(heard.into_iter().map(|(id, timeout)| (SessionId(id), timeout)).collect())
        }),
    ]
}
