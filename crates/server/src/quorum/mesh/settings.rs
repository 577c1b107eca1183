//! What the mesh needs to know, and its fixed limits.

use std::time::Duration;

use ensemble::{HostPort, ServerId};

/// Longest message, as the reference has it; a notification is 44 bytes and the text of the membership.
pub(super) const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Connections that have not yet said who they are; beyond it the oldest goes, for honest peers speak at once.
pub(super) const HANDSHAKES_MAX: usize = 64;
/// Non-members with a connection, or being dialled; beyond it the one that was silent longest goes.
pub(super) const NON_MEMBERS_MAX: usize = 32;
/// New connections of non-members: so many at once, and one more in each [`NON_MEMBER_EVERY`].
pub(super) const NON_MEMBER_BURST: u32 = 32;
/// See [`NON_MEMBER_BURST`].
pub(super) const NON_MEMBER_EVERY: Duration = Duration::from_millis(200);
/// Addresses of non-members' choice that we dial: so many at once, and one more in each [`DIAL_BACK_EVERY`].
pub(super) const DIAL_BACK_BURST: u32 = 8;
/// See [`DIAL_BACK_BURST`].
pub(super) const DIAL_BACK_EVERY: Duration = Duration::from_secs(1);
/// Messages from one non-member: so many at once, and one more in each [`NON_MEMBER_MESSAGE_EVERY`]; then its socket
/// waits. An election sends to each server at most every 200 ms.
pub(super) const NON_MEMBER_MESSAGE_BURST: u32 = 20;
/// See [`NON_MEMBER_MESSAGE_BURST`].
pub(super) const NON_MEMBER_MESSAGE_EVERY: Duration = Duration::from_millis(50);
/// Between the beginnings of two attempts to dial one peer, however often somebody asks.
pub(super) const DIAL_DELAY_MIN: Duration = Duration::from_millis(50);
/// The longest wait of our own between two attempts; it doubles from [`DIAL_DELAY_MIN`].
pub(super) const DIAL_DELAY_MAX: Duration = Duration::from_secs(10);
/// Addresses of one peer, and of one name, that one attempt tries.
pub(super) const ADDRESSES_TRIED_MAX: usize = 8;
/// The next address is tried this long after the one before, if that one has not answered.
pub(super) const ADDRESS_STAGGER: Duration = Duration::from_millis(250);
/// Between two attempts to bind the port.
pub(super) const BIND_RETRY_EVERY: Duration = Duration::from_secs(1);
/// Connections that the kernel holds for us, Java's default.
pub(super) const BACKLOG: i32 = 50;

/// Settings of the mesh. Durations of zero mean no limit, as in Java.
#[derive(Debug, Clone)]
pub(crate) struct MeshSettings {
    /// Our id; `i64::MAX` is an observer without one.
    pub(crate) me: ServerId,
    /// Our election addresses: where we listen, and what we tell whom we dial. Never empty.
    pub(crate) own_addresses: Vec<HostPort>,
    /// `quorumListenOnAllIPs`: listen on these ports of all addresses of the machine.
    pub(crate) listen_on_all_ips: bool,
    /// `multiAddress.enabled`: tell all our addresses; servers before 3.6 refuse that.
    pub(crate) multi_address: bool,
    /// `zookeeper.cnxTimeout`, for a name to resolve and again for the connection.
    pub(crate) connect_timeout: Duration,
    /// `zookeeper.quorumCnxnTimeoutMs`, else tickTime × syncLimit: for the initial message, and for a peer to take
    /// what we send.
    pub(crate) handshake_timeout: Duration,
    /// `zookeeper.tcpKeepAlive`.
    pub(crate) tcp_keep_alive: bool,
    /// `zookeeper.electionPortBindRetry`: attempts to bind each address; 0 is for ever.
    pub(crate) bind_attempts: u32,
    /// Whether we dial a server that is no member at the address that it sent. A server that is to join with an id
    /// below ours needs it.
    pub(crate) dials_back_non_members: bool,
}

impl MeshSettings {
    /// The reference's defaults.
    pub(crate) fn new(me: ServerId, own_addresses: Vec<HostPort>, handshake_timeout: Duration) -> Self {
        Self {
            me,
            own_addresses,
            listen_on_all_ips: false,
            multi_address: false,
            connect_timeout: Duration::from_secs(5),
            handshake_timeout,
            tcp_keep_alive: false,
            bind_attempts: 3,
            dials_back_non_members: true,
        }
    }
}

/// A duration for a timer: zero is no limit.
pub(super) fn timer(duration: Duration) -> Duration {
    const FOR_EVER: Duration = Duration::from_secs(86_400 * 365);
    if duration.is_zero() { FOR_EVER } else { duration }
}
