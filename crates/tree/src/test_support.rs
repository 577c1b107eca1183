//! What tests share: records, a naive model of the tree, and random transactions for both.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use jute::data::{Acl, Id, StatPersisted};
use jute::txn::{
    CloseSessionTxn, CreateContainerTxn, CreateSessionTxn, CreateTTLTxn, CreateTxn, DeleteTxn, SetACLTxn,
    SetDataTxn, TxnHeader,
};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use proptest::prelude::*;

use crate::{EventKind, State, StateSettings, Trigger, TxnResult, digest, ephemeral_owner, path};

/// Settings under which every kind of znode exists.
pub(crate) const SETTINGS: StateSettings =
    StateSettings { digest_enabled: true, extended_types_enabled: true, emulate_353_ttl: false };

pub(crate) const SESSION: SessionId = SessionId(7);

pub(crate) fn record(zxid: i64, txn: Txn) -> TxnRecord {
    record_of(SESSION, zxid, txn)
}

pub(crate) fn record_of(client_id: SessionId, zxid: i64, txn: Txn) -> TxnRecord {
    let op_code = txn.op_code().code();
    let header = TxnHeader { client_id, cxid: 1, zxid: Zxid(zxid), time: 1000 + zxid, op_code };
    TxnRecord { header, txn, digest: None }
}

pub(crate) fn create(path: &str, data: &[u8], ephemeral: bool, parent_cversion: i32) -> Txn {
    Txn::Create(CreateTxn {
        path: path.into(),
        data: Some(data.to_vec().into()),
        acl: Some(crate::acl::open()),
        ephemeral,
        parent_cversion,
    })
}

pub(crate) fn delete(path: &str) -> Txn {
    Txn::Delete(DeleteTxn { path: path.into() })
}

pub(crate) fn set_data(path: &str, data: &[u8], version: i32) -> Txn {
    Txn::SetData(SetDataTxn { path: path.into(), data: Some(data.to_vec().into()), version })
}

pub(crate) fn set_acl(path: &str, acl: Vec<Acl>, version: i32) -> Txn {
    Txn::SetAcl(SetACLTxn { path: path.into(), acl: Some(acl), version })
}

pub(crate) fn digest_acl(name: &str) -> Vec<Acl> {
    vec![Acl { perms: 31, id: Id { scheme: "digest".into(), id: format!("{name}:x") } }]
}

/// A trigger, kept.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) kind: EventKind,
    pub(crate) path: String,
    pub(crate) zxid: Zxid,
    pub(crate) acl: Vec<Acl>,
}

/// Applies a transaction that must succeed, and returns what it fired.
pub(crate) fn apply<'r>(state: &mut State, record: &'r TxnRecord) -> (TxnResult<'r>, Vec<Told>) {
    let mut told = Vec::new();
    let mut tell = |trigger: Trigger<'_>| {
        let Trigger { kind, path, zxid, acl } = trigger;
        told.push(Told { kind, path: path.into(), zxid, acl: acl.to_vec() });
    };
    let result = state.apply(record, &mut tell).unwrap();
    (result, told)
}

/// Everything about the tree, in the simplest form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) nodes: BTreeMap<String, ModelNode>,
    pub(crate) sessions: BTreeMap<SessionId, i32>,
    pub(crate) zxid: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelNode {
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) acl: Vec<Acl>,
    pub(crate) stat: StatPersisted,
}

/// A wish; whether and how it comes true depends on the tree it is made for.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Create { path: String, kind: u8, data: Option<Vec<u8>>, acl: u8 },
    Delete { path: String },
    SetData { path: String, data: Option<Vec<u8>> },
    SetAcl { path: String, acl: u8 },
    OpenSession { session: u8 },
    CloseSession { session: u8, listed: bool },
    Multi(Vec<Wish>),
}

pub(crate) fn wishes(max: usize) -> impl Strategy<Value = Vec<Wish>> {
    let simple = simple_wish();
    let multi = prop::collection::vec(simple_wish(), 0..4).prop_map(Wish::Multi);
    prop::collection::vec(prop_oneof![9 => simple, 1 => multi], 0..max)
}

fn simple_wish() -> impl Strategy<Value = Wish> {
    let data = || prop::option::of(prop::collection::vec(any::<u8>(), 0..5));
    let created = (paths(), 0_u8..6, data(), 0_u8..4);
    let created = created.prop_map(|(path, kind, data, acl)| Wish::Create { path, kind, data, acl });
    prop_oneof![
        6 => created,
        4 => paths().prop_map(|path| Wish::Delete { path }),
        3 => (paths(), data()).prop_map(|(path, data)| Wish::SetData { path, data }),
        1 => (paths(), 0_u8..4).prop_map(|(path, acl)| Wish::SetAcl { path, acl }),
        1 => (0_u8..3).prop_map(|session| Wish::OpenSession { session }),
        1 => (0_u8..3, any::<bool>()).prop_map(|(session, listed)| Wish::CloseSession { session, listed }),
    ]
}

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(0_u8..4, 1..4)
        .prop_map(|names| names.iter().map(|name| format!("/n{name}")).collect())
}

fn acl_of(choice: u8) -> Vec<Acl> {
    match choice {
        0 => crate::acl::open(),
        1 => crate::acl::read_only(),
        choice => digest_acl(&choice.to_string()),
    }
}

fn session_of(choice: u8) -> SessionId {
    SessionId(0x100 + i64::from(choice))
}

impl Model {
    /// The model of a fresh state.
    pub(crate) fn new() -> Self {
        let mut model = Self::default();
        for path in ["", path::ZOOKEEPER, path::QUOTA, path::CONFIG] {
            let acl = if path == path::CONFIG { crate::acl::read_only() } else { crate::acl::open() };
            let aversion = if path == path::CONFIG { -1 } else { 0 };
            let stat = StatPersisted { aversion, ..StatPersisted::default() };
            model.nodes.insert(path.into(), ModelNode { data: Some(Vec::new()), acl, stat });
        }
        model
    }

    /// What a state holds.
    pub(crate) fn of(state: &State) -> Self {
        let nodes = state.subtree(crate::state::ROOT).map(|id| {
            let node = crate::NodeView::new(state, id);
            let data = node.data().map(<[u8]>::to_vec);
            (node.path(), ModelNode { data, acl: node.acl().to_vec(), stat: *node.stat_persisted() })
        });
        Self {
            nodes: nodes.collect(),
            sessions: state.sessions().collect(),
            zxid: state.last_processed_zxid().0,
        }
    }

    pub(crate) fn digest(&self) -> i64 {
        self.nodes.iter().fold(0, |sum, (path, node)| {
            sum.wrapping_add(digest::of_node(path, node.data.as_deref(), &node.stat))
        })
    }

    pub(crate) fn children(&self, path: &str) -> BTreeSet<&str> {
        let below = self.nodes.keys().filter_map(|key| path::split(key));
        below.filter(|(parent, _)| *parent == path).map(|(_, name)| name).collect()
    }

    pub(crate) fn owned_by(&self, session: SessionId) -> Vec<String> {
        let own = self.nodes.iter().filter(|(_, node)| node.stat.ephemeral_owner == session.0);
        own.map(|(path, _)| path.clone()).collect()
    }

    /// The transaction that makes a wish come true, done here already. `None` when it cannot.
    pub(crate) fn grant(&mut self, wish: &Wish) -> Option<TxnRecord> {
        let before = self.clone();
        self.zxid += 1;
        let session = match wish {
            Wish::OpenSession { session } | Wish::CloseSession { session, .. } => session_of(*session),
            Wish::Create { .. }
            | Wish::Delete { .. }
            | Wish::SetData { .. }
            | Wish::SetAcl { .. }
            | Wish::Multi(_) => session_of(0),
        };
        let granted = self.grant_part(wish).map(|txn| record_of(session, self.zxid, txn));
        if granted.is_none() {
            *self = before;
        }
        granted
    }

    fn grant_part(&mut self, wish: &Wish) -> Option<Txn> {
        let (zxid, time) = (Zxid(self.zxid), 1000 + self.zxid);
        match wish {
            Wish::Create { path, kind, data, acl } => self.grant_create(path, *kind, data.as_ref(), *acl),
            Wish::Delete { path } => {
                self.nodes.get(path).filter(|_| self.children(path).is_empty())?;
                self.remove(path);
                Some(delete(path))
            }
            Wish::SetData { path, data } => {
                let node = self.nodes.get_mut(path)?;
                node.data.clone_from(data);
                let version = node.stat.version.wrapping_add(1);
                node.stat = StatPersisted { mzxid: zxid, mtime: time, version, ..node.stat };
                let data = data.clone().map(Into::into);
                Some(Txn::SetData(SetDataTxn { path: path.clone(), data, version }))
            }
            Wish::SetAcl { path, acl } => {
                let node = self.nodes.get_mut(path)?;
                node.acl = acl_of(*acl);
                node.stat.aversion += 1;
                Some(set_acl(path, acl_of(*acl), node.stat.aversion))
            }
            Wish::OpenSession { session } => {
                self.sessions.insert(session_of(*session), 4000);
                Some(Txn::CreateSession(CreateSessionTxn { time_out: 4000 }))
            }
            Wish::CloseSession { session, listed } => {
                self.sessions.remove(&session_of(*session));
                let paths_to_delete = self.owned_by(session_of(*session));
                paths_to_delete.iter().for_each(|path| self.remove(path));
                Some(Txn::CloseSession(listed.then_some(CloseSessionTxn { paths_to_delete })))
            }
            Wish::Multi(wishes) => Some(Txn::Multi(
                wishes
                    .iter()
                    .filter_map(|wish| match wish {
                        Wish::Create { .. } | Wish::Delete { .. } | Wish::SetData { .. } => {
                            self.grant_part(wish)
                        }
                        Wish::SetAcl { .. }
                        | Wish::OpenSession { .. }
                        | Wish::CloseSession { .. }
                        | Wish::Multi(_) => None,
                    })
                    .collect(),
            )),
        }
    }

    fn grant_create(&mut self, path: &str, kind: u8, data: Option<&Vec<u8>>, acl: u8) -> Option<Txn> {
        let (zxid, time) = (Zxid(self.zxid), 1000 + self.zxid);
        let (parent_path, _) = path::split(path)?;
        if self.nodes.contains_key(path) {
            return None;
        }
        let parent = self.nodes.get_mut(parent_path)?;
        let parent_owner = ephemeral_owner::kind(parent.stat.ephemeral_owner, &SETTINGS).unwrap();
        if parent_owner == ephemeral_owner::OwnerKind::Session {
            return None;
        }
        parent.stat.cversion += 1;
        parent.stat.pzxid = zxid;
        let parent_cversion = parent.stat.cversion;
        let ephemeral_owner = match kind {
            0 => session_of(0).0,
            1 => ephemeral_owner::CONTAINER,
            2 => ephemeral_owner::of_ttl(5).unwrap(),
            _ => 0,
        };
        let stat = StatPersisted {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime: time,
            mtime: time,
            ephemeral_owner,
            ..StatPersisted::default()
        };
        self.nodes.insert(path.into(), ModelNode { data: data.cloned(), acl: acl_of(acl), stat });
        let (path, data, acl) = (path.to_string(), data.cloned().map(Into::into), Some(acl_of(acl)));
        Some(match kind {
            0 => Txn::Create(CreateTxn { path, data, acl, ephemeral: true, parent_cversion }),
            1 => Txn::CreateContainer(CreateContainerTxn { path, data, acl, parent_cversion }),
            2 => Txn::CreateTtl(CreateTTLTxn { path, data, acl, parent_cversion, ttl: 5 }),
            3 => Txn::Create2(CreateTxn { path, data, acl, ephemeral: false, parent_cversion }),
            _ => Txn::Create(CreateTxn { path, data, acl, ephemeral: false, parent_cversion }),
        })
    }

    fn remove(&mut self, path: &str) {
        self.nodes.remove(path);
        if let Some((parent, _)) = path::split(path) {
            let parent = self.nodes.get_mut(parent).unwrap();
            parent.stat.pzxid = parent.stat.pzxid.max(Zxid(self.zxid));
        }
    }
}
