//! What transactions and packets cost in memory, near enough for a limit.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use jute::data::Acl;
use jute::{Txn, TxnRecord};

use crate::Packet;

/// What each one costs beside its contents; it also bounds the number of empty ones.
const OVERHEAD: usize = 128;

pub(super) fn of_packet(packet: &Packet) -> usize {
    match packet {
        Packet::Proposal(record) | Packet::Inform(record) | Packet::InformAndActivate { record, .. } => {
            of_record(record)
        }
        Packet::NewLeader { config, .. } => OVERHEAD.saturating_add(config.as_ref().map_or(0, String::len)),
        Packet::Request(request) => OVERHEAD
            .saturating_add(request.body.len())
            .saturating_add(request.identities.len().saturating_mul(OVERHEAD)),
        Packet::Ping { heard, .. } => {
            let sessions = heard.as_ref().map_or(0, Vec::len);
            OVERHEAD.saturating_add(sessions.saturating_mul(size_of::<(i64, i64)>()))
        }
        Packet::Ack(_)
        | Packet::Commit(_)
        | Packet::Revalidate { .. }
        | Packet::Revalidated { .. }
        | Packet::Sync
        | Packet::CommitAndActivate { .. }
        | Packet::FollowerInfo(_)
        | Packet::ObserverInfo(_)
        | Packet::UpToDate
        | Packet::Diff(_)
        | Packet::Trunc(_)
        | Packet::Snap(_)
        | Packet::LeaderInfo { .. }
        | Packet::AckEpoch { .. }
        | Packet::Unknown(_) => OVERHEAD,
    }
}

pub(super) fn of_record(record: &TxnRecord) -> usize {
    OVERHEAD.saturating_add(of_txn(&record.txn))
}

fn of_txn(txn: &Txn) -> usize {
    match txn {
        Txn::Create(txn) | Txn::Create2(txn) => node(&txn.path, txn.data.as_ref(), txn.acl.as_ref()),
        Txn::CreateContainer(txn) => node(&txn.path, txn.data.as_ref(), txn.acl.as_ref()),
        Txn::CreateTtl(txn) => node(&txn.path, txn.data.as_ref(), txn.acl.as_ref()),
        Txn::Delete(txn) | Txn::DeleteContainer(txn) => txn.path.len(),
        Txn::SetData(txn) | Txn::Reconfig(txn) => node(&txn.path, txn.data.as_ref(), None),
        Txn::SetAcl(txn) => node(&txn.path, None, txn.acl.as_ref()),
        Txn::Check(txn) => txn.path.len(),
        Txn::CloseSession(Some(txn)) => {
            txn.paths_to_delete.iter().fold(0, |sum, path| sum.saturating_add(OVERHEAD / 4 + path.len()))
        }
        Txn::Multi(parts) => {
            parts.iter().fold(0, |sum, part| sum.saturating_add(OVERHEAD).saturating_add(of_txn(part)))
        }
        Txn::CreateSession(_) | Txn::CloseSession(None) | Txn::Error(_) => 0,
    }
}

fn node(path: &str, data: Option<&Bytes>, acl: Option<&Vec<Acl>>) -> usize {
    path.len()
        .saturating_add(data.map_or(0, Bytes::len))
        .saturating_add(acl.map_or(0, |acl| acl.len().saturating_mul(OVERHEAD)))
}
