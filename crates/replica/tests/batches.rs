//! Steps of a batch before their applies decide the same as the same events one by one: same records, same replies.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use jute::data::{Acl, Id};
use jute::multi::{MultiOp, MultiRequest};
use jute::{TxnRecord, proto};
use pipeline::event::Event;
use pipeline::request::Request;
use pipeline::settings::PipelineSettings;
use proptest::collection::vec;
use proptest::prelude::*;
use rookeeper_replica::ConnectionId;
use world::World;

const CLIENTS: u64 = 3;
const TICK_MS: u64 = 3000;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    Ask { client: u64, request: Request },
    Tick { heard: Vec<u64> },
    Containers,
    Connect { client: u64 },
}

/// What is left of a run.
#[derive(Debug, PartialEq)]
struct Outcome {
    log: Vec<Arc<TxnRecord>>,
    digest: i64,
    sent: BTreeMap<ConnectionId, Vec<u8>>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_and_its_events_one_by_one_give_the_same_bytes(
        happenings in vec(happening(), 1..150),
        batches in vec(1_usize..12, 1..40),
    ) {
        let alone = run(&happenings, &[1]);
        let batched = run(&happenings, &batches);
        for (alone, batched) in alone.log.iter().zip(&batched.log) {
            prop_assert_eq!(world::show::record(alone), world::show::record(batched));
        }
        prop_assert_eq!(alone, batched);
    }
}

fn run(happenings: &[Happening], batches: &[usize]) -> Outcome {
    let mut settings =
        PipelineSettings { extended_types: true, enforce_quota: true, ..PipelineSettings::default() };
    // Small enough that the bound on ephemerals is met.
    (settings.jute_max_buffer, settings.jute_extra) = (200, 0);
    let shared = Arc::new(settings.clone());
    let mut world = World::new(settings);
    for client in 0..CLIENTS {
        connect(&mut world, &shared, client);
        world.settle();
    }
    prepare_quota(&mut world);
    let mut sizes = batches.iter().copied().cycle();
    let mut rest = happenings;
    let mut xid = 0;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        rest = later;
        for happening in batch {
            xid += 1;
            happen(&mut world, &shared, happening, xid);
        }
        world.settle();
    }
    let sent =
        world.boxes.0.iter_mut().map(|(connection, outbox)| (*connection, outbox.take_bytes())).collect();
    Outcome { log: world.log, digest: world.state.digest(), sent }
}

/// A quota on `/a` with hard limits, so that what is under way matters.
fn prepare_quota(world: &mut World) {
    const LIMITS: &[u8] = b"count=3,bytes=6=;byteHardLimit=9;countHardLimit=5";
    for (xid, path, data) in [
        (-10, "/a", &b""[..]),
        (-11, "/zookeeper/quota/a", b""),
        (-12, "/zookeeper/quota/a/zookeeper_limits", LIMITS),
        (-13, "/zookeeper/quota/a/zookeeper_stats", b""),
    ] {
        let (path, data, acl) = (path.into(), Some(bytes::Bytes::from_static(data)), Some(tree::acl::open()));
        let request = Request::Create(proto::CreateRequest { path, data, acl, flags: 0 });
        let event = world.request(ConnectionId(0), xid, request, &[]);
        world.step(event);
        world.settle();
    }
}

fn happen(world: &mut World, settings: &Arc<PipelineSettings>, happening: &Happening, xid: i32) {
    match happening {
        Happening::Ask { client, request } => {
            let more = [Id { scheme: "digest".into(), id: format!("{client}:hash") }];
            let event = world.request(ConnectionId(*client), xid, request.clone(), &more);
            world.step(event);
        }
        Happening::Tick { heard } => {
            let sessions =
                heard.iter().filter_map(|client| world.sessions.get(&ConnectionId(*client)).copied());
            let sessions = sessions.collect();
            world.now = world.now.plus(TICK_MS);
            world.step(Event::Heard { sessions });
            let wall_ms = world.wall_ms();
            world.step(Event::Tick { wall_ms });
        }
        Happening::Containers => {
            // Candidates are looked for in the applied state, so both runs must have applied the same.
            world.settle();
            let wall_ms = world.wall_ms();
            world.step(Event::ContainerCheck { wall_ms });
            world.settle();
        }
        Happening::Connect { client } => {
            // The session of a handshake is known to the client once the reply is there.
            world.settle();
            connect(world, settings, *client);
            world.settle();
        }
    }
}

fn connect(world: &mut World, settings: &Arc<PipelineSettings>, client: u64) {
    let connection = ConnectionId(client);
    // An outbox that is there keeps what it sent.
    if !world.boxes.0.contains_key(&connection) {
        world.open(connection, settings);
    }
    let wall_ms = world.wall_ms();
    world.step(Event::NewSession { connection, timeout_ms: 6000, wall_ms });
}

fn happening() -> impl Strategy<Value = Happening> {
    let client = 0..CLIENTS;
    prop_oneof![
        60 => (client.clone(), request()).prop_map(|(client, request)| Happening::Ask { client, request }),
        2 => vec(client.clone(), 1..6).prop_map(|heard| Happening::Tick { heard }),
        1 => Just(Happening::Containers),
        1 => client.clone().prop_map(|client| Happening::Ask { client, request: Request::CloseSession }),
        3 => client.prop_map(|client| Happening::Connect { client }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        9 => create().prop_map(Request::Create),
        4 => create().prop_map(Request::Create2),
        2 => create().prop_map(Request::CreateContainer),
        2 => (create(), -1_i64..3)
            .prop_map(|(create, ttl)| Request::CreateTtl(with_ttl(create, ttl))),
        6 => delete().prop_map(Request::Delete),
        6 => set_data().prop_map(Request::SetData),
        2 => (path(), acl(), version())
            .prop_map(|(path, acl, version)| Request::SetAcl(proto::SetACLRequest { path, acl, version })),
        1 => path().prop_map(|path| Request::Sync(proto::SyncRequest { path })),
        5 => vec(part(), 0..5).prop_map(|ops| Request::Multi(MultiRequest { ops })),
        1 => path().prop_map(|path| Request::DeleteContainer(proto::DeleteContainerRequest { path })),
    ]
}

fn part() -> impl Strategy<Value = MultiOp> {
    prop_oneof![
        4 => create().prop_map(MultiOp::Create),
        2 => create().prop_map(MultiOp::Create2),
        1 => create().prop_map(MultiOp::CreateContainer),
        1 => (create(), 1_i64..3).prop_map(|(create, ttl)| MultiOp::CreateTtl(with_ttl(create, ttl))),
        3 => delete().prop_map(MultiOp::Delete),
        3 => set_data().prop_map(MultiOp::SetData),
        2 => (path(), version())
            .prop_map(|(path, version)| MultiOp::Check(proto::CheckVersionRequest { path, version })),
    ]
}

fn create() -> impl Strategy<Value = proto::CreateRequest> {
    (path(), data(), acl(), flags()).prop_map(|(path, data, acl, flags)| proto::CreateRequest {
        path,
        data,
        acl,
        flags,
    })
}

fn flags() -> impl Strategy<Value = i32> {
    prop_oneof![5 => Just(0), 4 => 1..4, 1 => 4..8]
}

fn with_ttl(create: proto::CreateRequest, ttl: i64) -> proto::CreateTTLRequest {
    let proto::CreateRequest { path, data, acl, flags } = create;
    proto::CreateTTLRequest { path, data, acl, flags: if flags < 5 { 5 } else { flags }, ttl }
}

fn delete() -> impl Strategy<Value = proto::DeleteRequest> {
    (path(), version()).prop_map(|(path, version)| proto::DeleteRequest { path, version })
}

fn set_data() -> impl Strategy<Value = proto::SetDataRequest> {
    (path(), data(), version()).prop_map(|(path, data, version)| proto::SetDataRequest {
        path,
        data,
        version,
    })
}

/// Few paths, so that requests meet; among them those of sequential znodes, quotas and nonsense.
fn path() -> impl Strategy<Value = String> {
    const PATHS: &[&str] = &[
        "/",
        "/a",
        "/a",
        "/b",
        "/a/a",
        "/a/a",
        "/a/b",
        "/a/b",
        "/a/c",
        "/a/c",
        "/b/a",
        "/a/a/a",
        "/a/n-",
        "/a/n-",
        "/a/n-0000000000",
        "/a/n-0000000001",
        "/zookeeper/quota/a",
        "/zookeeper/quota/a/zookeeper_limits",
        "/zookeeper/quota/a/zookeeper_stats",
        "/zookeeper/quota/a/a",
        "/zookeeper/config",
        "/zookeeper",
        "/nowhere/x",
        "/a/",
        "",
        "a",
    ];
    prop::sample::select(PATHS).prop_map(String::from)
}

fn data() -> impl Strategy<Value = Option<bytes::Bytes>> {
    const DATA: &[&[u8]] =
        &[b"", b"x", b"xyz", b"count=3,bytes=9=;byteHardLimit=5;countHardLimit=4", b"count=1,bytes=1"];
    prop::option::weighted(0.8, prop::sample::select(DATA).prop_map(bytes::Bytes::from_static))
}

fn acl() -> impl Strategy<Value = Option<Vec<Acl>>> {
    let entry =
        |perms, scheme: &str, id: &str| Acl { perms, id: Id { scheme: scheme.into(), id: id.into() } };
    prop_oneof![
        30 => Just(Some(tree::acl::open())),
        1 => Just(Some(vec![entry(1, "world", "anyone")])),
        1 => Just(Some(vec![entry(31, "auth", "")])),
        1 => Just(Some(vec![entry(31, "digest", "1:hash"), entry(5, "world", "anyone")])),
        1 => Just(None),
    ]
}

fn version() -> impl Strategy<Value = i32> {
    prop_oneof![6 => Just(-1), 1 => 0..3]
}
