//! The tree as a plain map, changed by the transactions of a log: slow, simple, and nothing shared with the real one.

use std::collections::BTreeMap;

use bytes::Bytes;
use jute::txn::{CreateTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use tree::State;

/// A node, as far as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    data: Option<Bytes>,
    version: i32,
    aversion: i32,
    owner: i64,
    czxid: Zxid,
    mzxid: Zxid,
    pzxid: Zxid,
    children: i32,
}

/// All nodes but the server's own, by path.
#[derive(Debug, Default)]
pub(super) struct Model(BTreeMap<String, Node>);

impl Model {
    pub(super) fn apply(&mut self, record: &TxnRecord) {
        self.apply_part(&record.header, &record.txn);
    }

    fn apply_part(&mut self, header: &TxnHeader, txn: &Txn) {
        match txn {
            Txn::Create(create) | Txn::Create2(create) => {
                let owner = if create.ephemeral { header.client_id.0 } else { 0 };
                self.create(header.zxid, create, owner);
            }
            Txn::CreateContainer(create) => self.create_plain(header.zxid, &create.path, create.data.clone()),
            Txn::CreateTtl(create) => self.create_plain(header.zxid, &create.path, create.data.clone()),
            Txn::Delete(delete) | Txn::DeleteContainer(delete) => self.delete(header.zxid, &delete.path),
            Txn::SetData(set) | Txn::Reconfig(set) => {
                if let Some(node) = self.0.get_mut(&set.path) {
                    (node.data, node.version, node.mzxid) = (set.data.clone(), set.version, header.zxid);
                }
            }
            Txn::SetAcl(set) => {
                if let Some(node) = self.0.get_mut(&set.path) {
                    node.aversion = set.version;
                }
            }
            Txn::CloseSession(_) => self.close(header.zxid, header.client_id),
            // One error stands for all: what was prepared before it is in the log as well.
            Txn::Multi(parts) if parts.iter().any(|part| matches!(part, Txn::Error(_))) => {}
            Txn::Multi(parts) => parts.iter().for_each(|part| self.apply_part(header, part)),
            Txn::CreateSession(_) | Txn::Check(_) | Txn::Error(_) => {}
        }
    }

    fn create(&mut self, zxid: Zxid, create: &CreateTxn, owner: i64) {
        self.create_plain(zxid, &create.path, create.data.clone());
        if let Some(node) = self.0.get_mut(&create.path) {
            node.owner = owner;
        }
    }

    fn create_plain(&mut self, zxid: Zxid, path: &str, data: Option<Bytes>) {
        let node = Node { data, czxid: zxid, mzxid: zxid, pzxid: zxid, ..Node::default() };
        assert!(self.0.insert(path.to_owned(), node).is_none(), "{path} is created twice");
        self.count_child(zxid, path, 1);
    }

    fn delete(&mut self, zxid: Zxid, path: &str) {
        let node = self.0.remove(path);
        assert!(
            node.is_some_and(|node| node.children == 0),
            "{path} is deleted, but is not there or has children"
        );
        self.count_child(zxid, path, -1);
    }

    fn close(&mut self, zxid: Zxid, session: SessionId) {
        let own = self.0.iter().filter(|(_, node)| node.owner == session.0).map(|(path, _)| path.clone());
        for path in own.collect::<Vec<_>>() {
            self.delete(zxid, &path);
        }
    }

    fn count_child(&mut self, zxid: Zxid, path: &str, change: i32) {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if let Some(parent) = self.0.get_mut(parent) {
            parent.children += change;
            parent.pzxid = zxid;
        }
    }

    /// Every node of the model is in the state, with the same stat and data, and there are no others.
    pub(super) fn assert_like(&self, state: &State) {
        for (path, expected) in &self.0 {
            let view = state.node(path).expect("a node is lost");
            let stat = view.stat();
            let found = Node {
                data: view.data().map(Bytes::copy_from_slice),
                version: stat.version,
                aversion: stat.aversion,
                owner: stat.ephemeral_owner,
                czxid: stat.czxid,
                mzxid: stat.mzxid,
                pzxid: stat.pzxid,
                children: stat.num_children,
            };
            if !is_counted_by_the_server(path) {
                assert_eq!(&found, expected, "{path}");
            }
        }
        let own = State::new(*state.settings()).node_count();
        assert_eq!(state.node_count(), self.0.len() + own, "nodes out of nowhere");
    }
}

/// The statistics of a quota, which change with every node that counts.
fn is_counted_by_the_server(path: &str) -> bool {
    path.starts_with("/zookeeper/quota/") && path.ends_with("/zookeeper_stats")
}
