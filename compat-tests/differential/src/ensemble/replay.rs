//! The log replayed on a model tree of its own: what every acknowledged write was told, and every node at the end, must come of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Run;
use super::check::Tree;
use super::logs::Logged;
use super::model::{Ack, Model, Told};
use super::writer::Writer;
use crate::op;
use crate::walk::Stat;
use crate::wire::{Reader, Short, escaped};

pub(super) type History = BTreeMap<i64, Logged>;

const CREATE_SESSION: i32 = -10;
const FAILED: i32 = -1;
/// What servers make of their own and not by the log.
const OWN: &[u8] = b"/zookeeper";

/// A node of the model.
#[derive(Default)]
struct Node {
    data: Option<Vec<u8>>,
    czxid: i64,
    mzxid: i64,
    pzxid: i64,
    ctime: i64,
    mtime: i64,
    version: i32,
    /// Creations below it; clients are shown twice that less the children there are.
    creations: i32,
    owner: i64,
    children: i32,
}

/// What one transaction did to a node.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    Created { path: Vec<u8>, number: Option<u64> },
    Set { path: Vec<u8>, number: Option<u64>, version: i32 },
    Deleted { path: Vec<u8> },
    Nothing,
}

#[derive(Default)]
struct Replay {
    nodes: BTreeMap<Vec<u8>, Node>,
    owned: HashMap<i64, BTreeSet<Vec<u8>>>,
}

/// How many transactions were replayed.
pub(super) fn check(run: &Run, writers: &[Writer<'_>], history: &History, tree: &Tree) -> usize {
    let told: HashMap<i64, (&Model, &Ack)> = writers
        .iter()
        .flat_map(|writer| writer.model.acks.iter().map(|ack| (ack.zxid, (&writer.model, ack))))
        .collect();
    let mut replay = Replay::new();
    for (&zxid, logged) in history {
        match replay.apply(zxid, logged) {
            Ok(done) => {
                if let Some((model, ack)) = told.get(&zxid)
                    && !agrees(model, ack, &done)
                {
                    run.problem(&format!("{ack:x?} was told, the log's replay gives {done:x?}"));
                }
            }
            Err(why) => run.problem(&format!("replay of zxid {zxid:#x}: {why}")),
        }
    }
    for wrong in replay.differences(tree) {
        run.problem(&wrong);
    }
    history.len()
}

fn agrees(model: &Model, ack: &Ack, done: &Done) -> bool {
    match (ack.told, done) {
        (Told::Set { node, number, version }, Done::Set { path, number: found, version: made }) => {
            model.value_path(node).as_bytes() == path && *found == Some(number) && *made == version
        }
        (Told::Create { number }, Done::Created { path, number: found }) => {
            model.child_path(number).as_bytes() == path && *found == Some(number)
        }
        (Told::Delete { child }, Done::Deleted { path }) => model.child_path(child).as_bytes() == path,
        (Told::Set { .. } | Told::Create { .. } | Told::Delete { .. }, _) => false,
    }
}

impl Replay {
    /// The tree of a new ensemble, as far as logs change it: an empty root with one child that no creation counted.
    fn new() -> Self {
        let mut new = Self::default();
        new.nodes.insert(b"/".to_vec(), Node { data: Some(Vec::new()), children: 1, ..Node::default() });
        new
    }

    fn apply(&mut self, zxid: i64, logged: &Logged) -> Result<Done, String> {
        let mut reader = Reader(&logged.rest);
        let short = |_: Short| "the record is shorter than its type".to_owned();
        let time = reader.long().map_err(short)?;
        match reader.int().map_err(short)? {
            op::CREATE | op::CREATE2 => {
                let (path, data, ephemeral, creations) = create(&mut reader).map_err(short)?;
                let number = Model::number_in(data.as_deref());
                let owner = if ephemeral { logged.session } else { 0 };
                let node = Node {
                    data,
                    czxid: zxid,
                    mzxid: zxid,
                    pzxid: zxid,
                    ctime: time,
                    mtime: time,
                    owner,
                    ..Node::default()
                };
                self.create(&path, node, creations)?;
                Ok(Done::Created { path, number })
            }
            op::SET_DATA => {
                let path = reader.buffer().map_err(short)?.unwrap_or_default().to_vec();
                let data = reader.buffer().map_err(short)?.map(<[u8]>::to_vec);
                let version = reader.int().map_err(short)?;
                let node = self
                    .nodes
                    .get_mut(&path)
                    .ok_or_else(|| format!("{} is set and is not there", escaped(&path)))?;
                if version != node.version + 1 {
                    return Err(format!("{} gets version {version} after {}", escaped(&path), node.version));
                }
                let number = Model::number_in(data.as_deref());
                (node.data, node.version, node.mzxid, node.mtime) = (data, version, zxid, time);
                Ok(Done::Set { path, number, version })
            }
            op::DELETE => {
                let path = reader.buffer().map_err(short)?.unwrap_or_default().to_vec();
                self.delete(&path, zxid)?;
                Ok(Done::Deleted { path })
            }
            op::CLOSE_SESSION => {
                for path in self.owned.remove(&logged.session).unwrap_or_default() {
                    self.delete(&path, zxid)?;
                }
                Ok(Done::Nothing)
            }
            CREATE_SESSION | FAILED => Ok(Done::Nothing),
            other => Err(format!("a transaction of type {other}, which no session here asks for")),
        }
    }

    fn create(&mut self, path: &[u8], node: Node, creations: i32) -> Result<(), String> {
        if self.nodes.contains_key(path) {
            return Err(format!("{} is created and is there", escaped(path)));
        }
        let parent = self.nodes.get_mut(parent_of(path));
        let parent = parent.ok_or_else(|| format!("{} is created without a parent", escaped(path)))?;
        if creations != parent.creations + 1 {
            return Err(format!("{} is creation {creations} after {}", escaped(path), parent.creations));
        }
        (parent.creations, parent.pzxid) = (creations, node.czxid);
        parent.children += 1;
        if node.owner != 0 {
            self.owned.entry(node.owner).or_default().insert(path.to_vec());
        }
        self.nodes.insert(path.to_vec(), node);
        Ok(())
    }

    fn delete(&mut self, path: &[u8], zxid: i64) -> Result<(), String> {
        let node = self
            .nodes
            .remove(path)
            .ok_or_else(|| format!("{} is deleted and is not there", escaped(path)))?;
        if let Some(owned) = self.owned.get_mut(&node.owner) {
            owned.remove(path);
        }
        if let Some(parent) = self.nodes.get_mut(parent_of(path)) {
            parent.children -= 1;
            parent.pzxid = zxid;
        }
        Ok(())
    }

    /// Against what the servers have.
    fn differences(&self, tree: &Tree) -> Vec<String> {
        let paths: BTreeSet<&Vec<u8>> = self.nodes.keys().chain(tree.keys()).collect();
        let of_clients = paths.into_iter().filter(|path| !path.starts_with(OWN));
        of_clients
            .filter_map(|path| {
                let replayed = self.nodes.get(path).map(|node| (node.data.as_deref(), node.stat()));
                let found = tree.get(path).map(|node| (node.data.as_deref(), node.stat));
                (replayed != found).then(|| {
                    format!(
                        "{}: the servers have {found:x?}, the log's replay gives {replayed:x?}",
                        escaped(path)
                    )
                })
            })
            .collect()
    }
}

impl Node {
    fn stat(&self) -> Stat {
        Stat {
            zxids: [self.czxid, self.mzxid, self.pzxid],
            times: [self.ctime, self.mtime],
            versions: [self.version, 2 * self.creations - self.children, 0],
            owner: self.owner,
            length: self.data.as_ref().map_or(0, Vec::len) as i32,
            children: self.children,
        }
    }
}

/// Path, data, whether it is ephemeral, and the parent's count of creations.
type Creation = (Vec<u8>, Option<Vec<u8>>, bool, i32);

fn create(reader: &mut Reader<'_>) -> Result<Creation, Short> {
    let path = reader.buffer()?.unwrap_or_default().to_vec();
    let data = reader.buffer()?.map(<[u8]>::to_vec);
    for _ in 0..reader.int()?.max(0) {
        reader.int()?;
        reader.buffer()?;
        reader.buffer()?;
    }
    Ok((path, data, reader.boolean()?, reader.int()?))
}

fn parent_of(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(at) => path.get(..at).unwrap_or(b"/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Writer as Body;

    const SESSION: i64 = 0x100;

    fn logged(op: i32, body: &dyn Fn(Body) -> Body) -> Logged {
        Logged { session: SESSION, xid: 1, rest: body(Body::default().long(7).int(op)).0, holders: 3 }
    }

    fn created(path: &str, ephemeral: bool, creations: i32) -> Logged {
        logged(op::CREATE2, &|body| {
            body.string(path).string("1 of 0").int(0).boolean(ephemeral).int(creations)
        })
    }

    fn set(path: &str, version: i32) -> Logged {
        logged(op::SET_DATA, &|body| body.string(path).string("2 of 0").int(version))
    }

    fn deleted(path: &str) -> Logged {
        logged(op::DELETE, &|body| body.string(path))
    }

    #[test]
    fn only_a_log_that_a_server_can_have_written_is_replayed() {
        let table: &[(&str, Vec<Logged>, bool)] = &[
            ("create, set, delete", vec![created("/a", false, 1), set("/a", 1), deleted("/a")], true),
            ("created again", vec![created("/a", false, 1), deleted("/a"), created("/a", false, 2)], true),
            ("below a node", vec![created("/a", false, 1), created("/a/b", false, 1)], true),
            ("created twice", vec![created("/a", false, 1), created("/a", false, 2)], false),
            ("a creation is missing", vec![created("/a", false, 2)], false),
            ("a set is missing", vec![created("/a", false, 1), set("/a", 2)], false),
            ("set before it is there", vec![set("/a", 1)], false),
            ("deleted before it is there", vec![deleted("/a")], false),
            ("without a parent", vec![created("/a/b", false, 1)], false),
            ("cut short", vec![logged(op::SET_DATA, &|body| body.string("/a"))], false),
            ("of a type that nobody asked for", vec![logged(op::SET_ACL, &|body| body)], false),
        ];
        for (name, log, right) in table {
            let mut replay = Replay::new();
            let outcome: Result<Vec<_>, _> =
                (1_i64..).zip(log).map(|(zxid, logged)| replay.apply(zxid, logged)).collect();
            assert_eq!(outcome.is_ok(), *right, "{name}: {outcome:?}");
        }
    }

    #[test]
    fn a_session_takes_its_ephemeral_nodes_along() {
        let mut replay = Replay::new();
        let close = logged(op::CLOSE_SESSION, &|body| body);
        for (zxid, logged) in (1..).zip([created("/a", true, 1), created("/b", false, 2), close]) {
            replay.apply(zxid, &logged).unwrap();
        }
        assert!(!replay.nodes.contains_key(b"/a".as_slice()) && replay.nodes.contains_key(b"/b".as_slice()));
        let root = replay.nodes[b"/".as_slice()].stat();
        assert_eq!((root.zxids[2], root.versions[1], root.children), (3, 2, 2));
    }

    #[test]
    fn a_write_must_be_what_its_client_was_told() {
        let model = Model::new("/load", 0, 3);
        let set = |version| Done::Set { path: b"/load/w0/n3".to_vec(), number: Some(9), version };
        let ack = |told| Ack { zxid: 1, session: SESSION, xid: 1, sent_us: 0, acknowledged_us: 0, told };
        let told = ack(Told::Set { node: 3, number: 9, version: 4 });
        let table = [
            ("as told", told, set(4), true),
            ("another version", told, set(5), false),
            ("another value", ack(Told::Set { node: 3, number: 8, version: 4 }), set(4), false),
            ("another node", ack(Told::Set { node: 2, number: 9, version: 4 }), set(4), false),
            ("another op", ack(Told::Delete { child: 3 }), set(4), false),
            ("nothing", told, Done::Nothing, false),
        ];
        for (name, ack, done, right) in table {
            assert_eq!(agrees(&model, &ack, &done), right, "{name}");
        }
    }
}
