//! What the table tells the tasks, and what they hold of it.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ensemble::{HostPort, ServerId};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// What the task of a connection gets.
#[derive(Debug)]
pub(in crate::quorum::mesh) struct Seat {
    /// Which connection it is.
    pub(in crate::quorum::mesh) id: LinkId,
    /// Where the peer is.
    pub(in crate::quorum::mesh) remote: SocketAddr,
    /// There may be something to send.
    pub(in crate::quorum::mesh) wake: Arc<Notify>,
    /// Resolves when the table has let go of the link.
    pub(in crate::quorum::mesh) ended: oneshot::Receiver<Infallible>,
}

/// One of the connections that a peer had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::quorum::mesh) struct LinkId {
    /// The peer, by the id under which its messages go up.
    pub(in crate::quorum::mesh) peer: ServerId,
    /// Which of them.
    pub(in crate::quorum::mesh) number: u64,
}

/// A task to be started: dial this peer until there is a connection or nobody wants one.
#[derive(Debug)]
pub(in crate::quorum::mesh) struct DialOrder {
    /// The peer.
    pub(in crate::quorum::mesh) to: ServerId,
    /// Somebody asks again.
    pub(in crate::quorum::mesh) wake: Arc<Notify>,
    /// A non-member's own word for where it is; one attempt only.
    pub(in crate::quorum::mesh) sent: Option<Vec<HostPort>>,
}

impl DialOrder {
    /// Whether the addresses are those of the configuration.
    pub(in crate::quorum::mesh) fn is_configured(&self) -> bool {
        self.sent.is_none()
    }
}

/// A task to be started: does the address at the other end of this connection still answer, at any of these ports?
#[derive(Debug, PartialEq, Eq)]
pub(in crate::quorum::mesh) struct Check {
    /// The connection.
    pub(in crate::quorum::mesh) id: LinkId,
    /// The address, with each port where the peer listens: which of them belongs to it, only a name would tell.
    pub(in crate::quorum::mesh) places: Vec<SocketAddr>,
}

/// What to do with a connection that said who it is.
#[derive(Debug)]
pub(in crate::quorum::mesh) enum Arrival {
    /// Keep it.
    Keep(Seat),
    /// Close it; we have the larger id and dial. Nothing to start when we already dial.
    DialBack(Option<DialOrder>),
    /// Close it.
    Refuse(Refusal),
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::quorum::mesh) enum Refusal {
    /// It claims our id.
    OurId,
    /// Ids below zero are ours to give.
    NegativeId,
    /// Too many new connections of non-members.
    TooOften,
    /// All places for non-members are being dialled.
    Full,
    /// A non-member whose id says that we dial, and it may not be dialled.
    NoDialBack,
    /// The same, but it did not send an address.
    NoAddress,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OurId => "it has our own id: a copied myid, or a server line that names us",
            Self::NegativeId => "a negative id",
            Self::TooOften => "no member, and too many connections of non-members",
            Self::Full => "no member, and no room for another",
            Self::NoDialBack => "no member with an id below ours, and non-members are not dialled",
            Self::NoAddress => "no member with an id below ours, and it sent no address to dial",
        })
    }
}

/// What a dialling task does now.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::quorum::mesh) enum Attempt {
    /// Try these.
    Now(Vec<HostPort>),
    /// Not before.
    At(Instant),
    /// The order is done with.
    Never,
}

/// The link is no longer the peer's.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::quorum::mesh) struct Gone;
