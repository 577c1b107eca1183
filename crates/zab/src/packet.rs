//! What travels on the quorum port, typed.
//!
//! * On the wire every packet is a `QuorumPacket`: type, zxid, data, identities; nothing stands in front of it.
//! * A packet of an unknown type is kept as it is: learners and leaders of the reference warn and go on.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use jute::data::Id;
use jute::quorum::{LearnerInfo, QuorumPacket};
use jute::{DecodeError, Reader, Record, SessionId, TxnRecord, Zxid, write};

/// Version of the protocol since epochs are agreed on before they begin.
// zk: Learner.registerWithLeader, LearnerHandler.run
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// A packet of the quorum port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A learner hands on what its client asks for.
    Request(Request),
    /// The leader proposes a transaction to a follower.
    Proposal(Arc<TxnRecord>),
    /// A follower's log holds everything up to here; also the answer to NEWLEADER and to UPTODATE.
    Ack(Zxid),
    /// Everything up to here is committed.
    Commit(Zxid),
    /// Are you there? A learner answers with the sessions that it heard of.
    Ping {
        /// The leader's last proposal; a learner sends back what it was sent.
        zxid: Zxid,
        /// Sessions heard and their timeouts in milliseconds. A leader asks with `None`; a learner answers with `Some`, also
        /// when it heard of none: the reference's leader drops a learner whose answer is `None`.
        heard: Option<Vec<(SessionId, i32)>>,
    },
    /// May the session go on at this learner?
    Revalidate {
        /// The session.
        session: SessionId,
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// The leader's answer to it.
    Revalidated {
        /// The session.
        session: SessionId,
        /// Whether it lives and is the learner's now.
        is_valid: bool,
    },
    /// The oldest sync that the learner asked for has been reached.
    Sync,
    /// The leader tells an observer of a committed transaction.
    Inform(Arc<TxnRecord>),
    /// As COMMIT, and the membership of that transaction is in force.
    CommitAndActivate {
        /// The transaction.
        zxid: Zxid,
        /// Who should lead from now on.
        leader: i64,
    },
    /// As INFORM, and the membership of that transaction is in force.
    InformAndActivate {
        /// Who should lead from now on.
        leader: i64,
        /// The transaction.
        record: Arc<TxnRecord>,
    },
    /// The learner holds the leader's history once it has acknowledged this.
    NewLeader {
        /// First zxid of the epoch, which no transaction has.
        zxid: Zxid,
        /// Text of the membership; old leaders send none.
        config: Option<String>,
    },
    /// A follower introduces itself.
    FollowerInfo(Introduction),
    /// An observer introduces itself.
    ObserverInfo(Introduction),
    /// A quorum has the leader's history: the learner may serve.
    UpToDate,
    /// What follows goes on from the learner's history; the leader has committed up to here.
    Diff(Zxid),
    /// The learner drops what it has above this zxid; then as DIFF.
    Trunc(Zxid),
    /// A snapshot follows, which holds all transactions up to here.
    Snap(Zxid),
    /// The epoch of the leader.
    LeaderInfo {
        /// First zxid of the epoch.
        zxid: Zxid,
        /// The leader's version of the protocol.
        protocol_version: i32,
    },
    /// A learner accepts the epoch and says what it has.
    AckEpoch {
        /// The last zxid in its log.
        last: Zxid,
        /// Its current epoch; `None` (-1 on the wire) when it had accepted this epoch before.
        current_epoch: Option<i32>,
    },
    /// A packet of an unknown type.
    Unknown(i32),
}

/// What a learner's client asks for, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The client's session.
    pub session: SessionId,
    /// The xid of its header.
    pub cxid: i32,
    /// The number of the operation.
    pub op_code: i32,
    /// The body behind the header, not looked at.
    pub body: Bytes,
    /// Who the client is.
    pub identities: Vec<Id>,
}

/// How a learner introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Introduction {
    /// The last epoch that it accepted.
    pub accepted_epoch: i32,
    /// Its id; `None` in an empty body: the leader gives it a negative one.
    pub server: Option<i64>,
    /// Its version of the protocol; 1 in a body that has none.
    pub protocol_version: i32,
    /// Version of the membership that it knows; zero in a body that has none.
    pub config_version: i64,
}

/// Numbers of the packets.
// zk: Leader
mod number {
    pub(super) const REQUEST: i32 = 1;
    pub(super) const PROPOSAL: i32 = 2;
    pub(super) const ACK: i32 = 3;
    pub(super) const COMMIT: i32 = 4;
    pub(super) const PING: i32 = 5;
    pub(super) const REVALIDATE: i32 = 6;
    pub(super) const SYNC: i32 = 7;
    pub(super) const INFORM: i32 = 8;
    pub(super) const COMMIT_AND_ACTIVATE: i32 = 9;
    pub(super) const NEW_LEADER: i32 = 10;
    pub(super) const FOLLOWER_INFO: i32 = 11;
    pub(super) const UP_TO_DATE: i32 = 12;
    pub(super) const DIFF: i32 = 13;
    pub(super) const TRUNC: i32 = 14;
    pub(super) const SNAP: i32 = 15;
    pub(super) const OBSERVER_INFO: i32 = 16;
    pub(super) const LEADER_INFO: i32 = 17;
    pub(super) const ACK_EPOCH: i32 = 18;
    pub(super) const INFORM_AND_ACTIVATE: i32 = 19;
}

/// Which end of a link reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// A learner reads what the leader sent.
    Leader,
    /// The leader reads what a learner sent.
    Learner,
}

/// Why a packet cannot be read. The link is of no further use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketError {
    /// The type of the packet; `None` when not even that can be read.
    pub packet_type: Option<i32>,
    /// What is wrong.
    pub what: DecodeError,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet_type {
            Some(packet_type) => write!(f, "packet of type {packet_type}: {}", self.what),
            None => write!(f, "packet: {}", self.what),
        }
    }
}

impl Packet {
    /// Reads one packet; the reader stands behind it afterwards. Fields are bounded by the reader's limit.
    ///
    /// # Errors
    /// [`PacketError`]; `DecodeError` tells whether bytes are missing, so that a stream can wait for more.
    pub fn decode(from: From, reader: &mut Reader<'_>) -> Result<Self, PacketError> {
        let packet = QuorumPacket::decode(reader).map_err(|what| PacketError { packet_type: None, what })?;
        let packet_type = packet.packet_type;
        Self::of(from, packet).map_err(|what| PacketError { packet_type: Some(packet_type), what })
    }

    /// What an envelope means.
    ///
    /// # Errors
    /// The first thing in its data that cannot be read.
    pub fn of(from: From, packet: QuorumPacket) -> Result<Self, DecodeError> {
        let QuorumPacket { packet_type, zxid, data, authinfo } = packet;
        let is_null = data.is_none();
        let data = data.unwrap_or_default();
        let mut reader = Reader::new(&data).with_limit(data.len());
        Ok(match packet_type {
            number::REQUEST => Self::Request(Request {
                session: SessionId(reader.long()?),
                cxid: reader.int()?,
                op_code: reader.int()?,
                body: data.slice(data.len() - reader.remaining()..),
                identities: authinfo.unwrap_or_default(),
            }),
            number::PROPOSAL => Self::Proposal(Arc::new(TxnRecord::decode_from(&mut reader)?)),
            number::ACK => Self::Ack(zxid),
            number::COMMIT => Self::Commit(zxid),
            number::PING if is_null => Self::Ping { zxid, heard: None },
            number::PING => Self::Ping { zxid, heard: Some(heard(&mut reader)?) },
            number::REVALIDATE if from == From::Learner => {
                Self::Revalidate { session: SessionId(reader.long()?), timeout_ms: reader.int()? }
            }
            number::REVALIDATE => {
                Self::Revalidated { session: SessionId(reader.long()?), is_valid: reader.boolean()? }
            }
            number::SYNC => Self::Sync,
            number::INFORM => Self::Inform(Arc::new(TxnRecord::decode_from(&mut reader)?)),
            number::COMMIT_AND_ACTIVATE => Self::CommitAndActivate { zxid, leader: reader.long()? },
            number::NEW_LEADER => Self::NewLeader { zxid, config: config(&data) },
            number::FOLLOWER_INFO => Self::FollowerInfo(Introduction::decode(zxid, &data)?),
            number::UP_TO_DATE => Self::UpToDate,
            number::DIFF => Self::Diff(zxid),
            number::TRUNC => Self::Trunc(zxid),
            number::SNAP => Self::Snap(zxid),
            number::OBSERVER_INFO => Self::ObserverInfo(Introduction::decode(zxid, &data)?),
            number::LEADER_INFO => Self::LeaderInfo { zxid, protocol_version: reader.int()? },
            number::ACK_EPOCH => {
                let epoch = reader.int()?;
                Self::AckEpoch { last: zxid, current_epoch: (epoch != -1).then_some(epoch) }
            }
            number::INFORM_AND_ACTIVATE => Self::InformAndActivate {
                leader: reader.long()?,
                record: Arc::new(TxnRecord::decode_from(&mut reader)?),
            },
            unknown => Self::Unknown(unknown),
        })
    }

    /// The protocol's name of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Request(_) => "REQUEST",
            Self::Proposal(_) => "PROPOSAL",
            Self::Ack(_) => "ACK",
            Self::Commit(_) => "COMMIT",
            Self::Ping { .. } => "PING",
            Self::Revalidate { .. } | Self::Revalidated { .. } => "REVALIDATE",
            Self::Sync => "SYNC",
            Self::Inform(_) => "INFORM",
            Self::CommitAndActivate { .. } => "COMMITANDACTIVATE",
            Self::NewLeader { .. } => "NEWLEADER",
            Self::FollowerInfo(_) => "FOLLOWERINFO",
            Self::ObserverInfo(_) => "OBSERVERINFO",
            Self::UpToDate => "UPTODATE",
            Self::Diff(_) => "DIFF",
            Self::Trunc(_) => "TRUNC",
            Self::Snap(_) => "SNAP",
            Self::LeaderInfo { .. } => "LEADERINFO",
            Self::AckEpoch { .. } => "ACKEPOCH",
            Self::InformAndActivate { .. } => "INFORMANDACTIVATE",
            Self::Unknown(_) => "a packet of an unknown type",
        }
    }

    /// Appends the packet as it travels.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.to_envelope().encode(out);
    }

    /// The packet as it travels.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    fn to_envelope(&self) -> QuorumPacket {
        let none = Zxid::NONE;
        match self {
            Self::Request(request) => {
                let mut data = Vec::with_capacity(16 + request.body.len());
                write::long(&mut data, request.session.0);
                write::int(&mut data, request.cxid);
                write::int(&mut data, request.op_code);
                data.extend_from_slice(&request.body);
                // The reference has none where it asks on its own behalf: sessions that begin or end.
                let identities = (!request.identities.is_empty()).then(|| request.identities.clone());
                QuorumPacket { authinfo: identities, ..envelope(number::REQUEST, none, Some(data)) }
            }
            Self::Proposal(record) => envelope(number::PROPOSAL, record.header.zxid, Some(record.to_vec())),
            Self::Ack(zxid) => envelope(number::ACK, *zxid, None),
            Self::Commit(zxid) => envelope(number::COMMIT, *zxid, None),
            Self::Ping { zxid, heard: None } => envelope(number::PING, *zxid, None),
            Self::Ping { zxid, heard: Some(heard) } => {
                let mut data = Vec::with_capacity(heard.len() * HEARD_BYTES);
                for (session, timeout_ms) in heard {
                    write::long(&mut data, session.0);
                    write::int(&mut data, *timeout_ms);
                }
                envelope(number::PING, *zxid, Some(data))
            }
            Self::Revalidate { session, timeout_ms } => {
                let mut data = Vec::new();
                write::long(&mut data, session.0);
                write::int(&mut data, *timeout_ms);
                envelope(number::REVALIDATE, none, Some(data))
            }
            Self::Revalidated { session, is_valid } => {
                let mut data = Vec::new();
                write::long(&mut data, session.0);
                write::boolean(&mut data, *is_valid);
                envelope(number::REVALIDATE, none, Some(data))
            }
            Self::Sync => envelope(number::SYNC, Zxid::ZERO, None),
            Self::Inform(record) => envelope(number::INFORM, record.header.zxid, Some(record.to_vec())),
            Self::CommitAndActivate { zxid, leader } => {
                envelope(number::COMMIT_AND_ACTIVATE, *zxid, Some(leader.to_be_bytes().to_vec()))
            }
            Self::InformAndActivate { leader, record } => {
                let mut data = leader.to_be_bytes().to_vec();
                record.encode(&mut data);
                envelope(number::INFORM_AND_ACTIVATE, record.header.zxid, Some(data))
            }
            Self::NewLeader { zxid, config } => {
                envelope(number::NEW_LEADER, *zxid, config.as_ref().map(|text| text.clone().into_bytes()))
            }
            Self::FollowerInfo(introduction) => introduction.envelope(number::FOLLOWER_INFO),
            Self::ObserverInfo(introduction) => introduction.envelope(number::OBSERVER_INFO),
            Self::UpToDate => envelope(number::UP_TO_DATE, none, None),
            Self::Diff(zxid) => envelope(number::DIFF, *zxid, None),
            Self::Trunc(zxid) => envelope(number::TRUNC, *zxid, None),
            Self::Snap(zxid) => envelope(number::SNAP, *zxid, None),
            Self::LeaderInfo { zxid, protocol_version } => {
                envelope(number::LEADER_INFO, *zxid, Some(protocol_version.to_be_bytes().to_vec()))
            }
            Self::AckEpoch { last, current_epoch } => {
                let epoch = current_epoch.unwrap_or(-1);
                envelope(number::ACK_EPOCH, *last, Some(epoch.to_be_bytes().to_vec()))
            }
            Self::Unknown(packet_type) => envelope(*packet_type, none, None),
        }
    }
}

impl Introduction {
    // zk: LearnerHandler.run: bodies of 20, 12 and 8 bytes
    fn decode(zxid: Zxid, data: &Bytes) -> Result<Self, DecodeError> {
        let mut found =
            Self { accepted_epoch: zxid.epoch(), server: None, protocol_version: 1, config_version: 0 };
        let mut reader = Reader::new(data);
        if data.len() >= 8 {
            found.server = Some(reader.long()?);
        }
        if data.len() >= 12 {
            found.protocol_version = reader.int()?;
        }
        if data.len() >= 20 {
            found.config_version = reader.long()?;
        }
        Ok(found)
    }

    fn envelope(&self, packet_type: i32) -> QuorumPacket {
        let zxid = Zxid::from_parts(self.accepted_epoch, 0);
        let data = self.server.map(|server_id| {
            let info = LearnerInfo {
                server_id,
                protocol_version: self.protocol_version,
                config_version: self.config_version,
            };
            let mut data = Vec::new();
            info.encode(&mut data);
            data
        });
        envelope(packet_type, zxid, data)
    }
}

const HEARD_BYTES: usize = 12;

// zk: LearnerHandler.run: reads pairs while there are bytes
fn heard(reader: &mut Reader<'_>) -> Result<Vec<(SessionId, i32)>, DecodeError> {
    let mut heard = Vec::with_capacity(reader.remaining() / HEARD_BYTES);
    while !reader.is_empty() {
        heard.push((SessionId(reader.long()?), reader.int()?));
    }
    Ok(heard)
}

fn config(data: &Bytes) -> Option<String> {
    (!data.is_empty()).then(|| String::from_utf8_lossy(data).into_owned())
}

fn envelope(packet_type: i32, zxid: Zxid, data: Option<Vec<u8>>) -> QuorumPacket {
    QuorumPacket { packet_type, zxid, data: data.map(Bytes::from), authinfo: None }
}
