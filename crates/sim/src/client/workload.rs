//! What a client asks for: a small tree on which everybody works, so that much of it meets.

use std::collections::BTreeMap;

use bytes::Bytes;
use jute::multi::{MultiOp, MultiRequest, MultiResponse, MultiResult};
use jute::{ErrorCode, Record, proto};
use pipeline::request::Request;

use super::acls;
use crate::random::Random;

#[derive(Debug)]
pub(super) struct Workload {
    client: usize,
    written: u64,
    versions: BTreeMap<String, i32>,
    timeout_ticks: u64,
}

/// Parents of children.
const PARENTS: u64 = 4;
/// Parents that go when their last child has gone.
const CONTAINERS: u64 = 4;
/// Children of each that have a name.
const CHILDREN: u64 = 3;
/// Flags of create.
const EPHEMERAL: i32 = 1;
const SEQUENTIAL: i32 = 2;

impl Workload {
    pub(super) fn new(client: usize, random: &mut Random) -> Self {
        let timeout_ticks = random.between(2, 12);
        Self { client, written: 0, versions: BTreeMap::new(), timeout_ticks }
    }

    pub(super) fn timeout_ms(&self, tick_ms: u32) -> u64 {
        self.timeout_ticks * u64::from(tick_ms)
    }

    /// The next operation.
    pub(super) fn next(&mut self, random: &mut Random) -> Request {
        match random.below(100) {
            0..18 => Request::Create(self.create(random)),
            18..23 => Request::Create2(self.create(random)),
            23..25 => Request::CreateContainer(self.create_container(random)),
            25..27 => Request::CreateTtl(self.create_ttl(random)),
            27..36 => Request::Delete(self.delete(random)),
            36..52 => Request::SetData(self.set_data(random)),
            52..60 => Request::Multi(self.multi(random)),
            60..62 => Request::SetAcl(Self::set_acl(random)),
            62..71 => {
                Request::GetData(proto::GetDataRequest { path: path(random), watch: random.chance(400) })
            }
            71..77 => Request::Exists(proto::ExistsRequest { path: path(random), watch: random.chance(400) }),
            77..85 => Request::GetChildren2(proto::GetChildren2Request {
                path: parent(random),
                watch: random.chance(400),
            }),
            85 => Request::GetAcl(proto::GetACLRequest { path: path(random) }),
            86 => Request::GetEphemerals(proto::GetEphemeralsRequest { prefix_path: parent(random) }),
            87 => Request::GetAllChildrenNumber(proto::GetAllChildrenNumberRequest { path: parent(random) }),
            88..90 => Request::AddWatch(proto::AddWatchRequest {
                path: if random.chance(100) { "/".to_owned() } else { path(random) },
                mode: i32::from(random.chance(600)),
            }),
            90..92 => Request::RemoveWatches(proto::RemoveWatchesRequest {
                path: path(random),
                watcher_type: random.pick(&[1, 2, 3, 4, 5]),
            }),
            92..99 => Request::Sync(proto::SyncRequest { path: "/".to_owned() }),
            _ if random.chance(150) => Request::CloseSession,
            _ => Request::GetData(proto::GetDataRequest { path: parent(random), watch: false }),
        }
    }

    /// Learns versions from replies.
    pub(super) fn replied(&mut self, request: &Request, err: i32, body: &Bytes) {
        if err != ErrorCode::Ok.code() {
            return;
        }
        match request {
            Request::SetData(asked) => {
                if let Ok(response) = proto::SetDataResponse::from_slice(body) {
                    self.versions.insert(asked.path.clone(), response.stat.version);
                }
            }
            Request::GetData(asked) => {
                if let Ok(response) = proto::GetDataResponse::from_slice(body) {
                    self.versions.insert(asked.path.clone(), response.stat.version);
                }
            }
            Request::Multi(_) => {
                let Ok(response) = MultiResponse::from_slice(body) else { return };
                for result in response.results {
                    if let MultiResult::Create(created) = result {
                        self.versions.insert(created.path, 0);
                    }
                }
            }
            _ => {}
        }
    }

    fn create(&mut self, random: &mut Random) -> proto::CreateRequest {
        let flags = random.pick(&[0, 0, 0, EPHEMERAL, EPHEMERAL, SEQUENTIAL, EPHEMERAL | SEQUENTIAL]);
        let path = match flags {
            0 => path(random),
            EPHEMERAL => child(random),
            // Not in a container, which is to become empty.
            _ => format!("/p{}/s-", random.below(PARENTS)),
        };
        proto::CreateRequest { path, data: self.data(random), acl: Some(tree::acl::open()), flags }
    }

    fn create_container(&mut self, random: &mut Random) -> proto::CreateRequest {
        const CONTAINER: i32 = 4;
        let path = format!("/k{}", random.below(CONTAINERS));
        proto::CreateRequest { path, data: self.data(random), acl: Some(tree::acl::open()), flags: CONTAINER }
    }

    fn create_ttl(&mut self, random: &mut Random) -> proto::CreateTTLRequest {
        const PERSISTENT_WITH_TTL: i32 = 5;
        const SEQUENTIAL_WITH_TTL: i32 = 6;
        let flags = random.pick(&[PERSISTENT_WITH_TTL, SEQUENTIAL_WITH_TTL]);
        let path = format!("{}/t{}", parent(random), random.below(CHILDREN));
        let ttl = i64::try_from(random.between(1, 4000)).unwrap_or(1);
        proto::CreateTTLRequest { path, data: self.data(random), acl: Some(tree::acl::open()), flags, ttl }
    }

    fn set_acl(random: &mut Random) -> proto::SetACLRequest {
        let version = if random.chance(700) { -1 } else { random.pick(&[0, 1, 2]) };
        proto::SetACLRequest { path: path(random), acl: Some(acls::draw(random)), version }
    }

    fn delete(&self, random: &mut Random) -> proto::DeleteRequest {
        let path = match random.chance(300) {
            // One of the sequential ones that somebody else may have made.
            true => format!("{}/s-{:010}", parent(random), random.below(60)),
            false => path(random),
        };
        let version = self.version(&path, random);
        proto::DeleteRequest { path, version }
    }

    fn set_data(&mut self, random: &mut Random) -> proto::SetDataRequest {
        let path = path(random);
        let version = self.version(&path, random);
        proto::SetDataRequest { path, data: self.data(random), version }
    }

    fn multi(&mut self, random: &mut Random) -> MultiRequest {
        let count = random.between(1, 4);
        let ops = (0..count)
            .map(|_| match random.below(10) {
                0..4 => MultiOp::Create(self.create(random)),
                4..6 => MultiOp::Delete(self.delete(random)),
                6..9 => MultiOp::SetData(self.set_data(random)),
                _ => {
                    let path = path(random);
                    let version = if random.chance(300) { 0 } else { self.version(&path, random) };
                    MultiOp::Check(proto::CheckVersionRequest { path, version })
                }
            })
            .collect();
        MultiRequest { ops }
    }

    fn version(&self, path: &str, random: &mut Random) -> i32 {
        match self.versions.get(path) {
            Some(version) if random.chance(400) => *version,
            Some(_) | None => -1,
        }
    }

    /// Data that tell who wrote them.
    fn data(&mut self, random: &mut Random) -> Option<Bytes> {
        self.written += 1;
        let padding = if random.chance(30) { random.below(3000) } else { random.below(20) };
        let padding = usize::try_from(padding).unwrap_or(0);
        Some(Bytes::from(format!("{}-{}{}", self.client, self.written, ".".repeat(padding))))
    }
}

fn parent(random: &mut Random) -> String {
    match random.chance(120) {
        true => format!("/k{}", random.below(CONTAINERS)),
        false => format!("/p{}", random.below(PARENTS)),
    }
}

fn child(random: &mut Random) -> String {
    format!("{}/c{}", parent(random), random.below(CHILDREN))
}

fn path(random: &mut Random) -> String {
    if random.chance(300) { parent(random) } else { child(random) }
}
