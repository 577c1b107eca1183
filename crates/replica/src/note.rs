use alloc::string::String;
use core::fmt;

use alloc::sync::Arc;
use ensemble::{ServerId, Verifier};
use jute::SessionId;
use pipeline::prepare::QuotaWarning;
use zab::LinkId;

use crate::Mode;

/// How loud a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A human must act.
    Error,
    /// Odd, still serving.
    Warn,
    /// Start, stop, sessions.
    Info,
    /// A decision off the happy path.
    Debug,
}

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A session expired.
    SessionExpired {
        /// The session.
        session: SessionId,
    },
    /// A local session creates an ephemeral: all servers are to know it.
    SessionUpgraded {
        /// The session.
        session: SessionId,
    },
    /// Ephemerals were there without their session; it is closed by a transaction.
    OrphanedEphemerals {
        /// The session.
        session: SessionId,
        /// How many.
        count: usize,
    },
    /// A client showed a wrong password or asked for a session that is gone.
    SessionRefused {
        /// The session.
        session: SessionId,
        /// The password was wrong.
        wrong_password: bool,
    },
    /// A request came for a session that is closing or gone; nobody hears of it.
    RequestDropped {
        /// The session.
        session: SessionId,
        /// Its xid.
        xid: i32,
    },
    /// The server deletes an empty container or an expired TTL znode.
    NodeExpired {
        /// Its path.
        path: String,
    },
    /// A create or a change of data went over a quota.
    Quota(QuotaWarning),
    /// The election says.
    Election(election::Note),
    /// A message on the election port cannot be read.
    BadNotification {
        /// Who sent it.
        from: ServerId,
        /// Why.
        why: election::Ignored,
    },
    /// Another server knows a newer membership.
    NewerConfig {
        /// Its text.
        config: String,
    },
    /// While we lead, this voter looks for a leader.
    VoterLooks {
        /// Who.
        server: ServerId,
    },
    /// An election is over.
    Elected {
        /// Who was elected.
        leader: ServerId,
        /// What we are now.
        role: election::PeerState,
    },
    /// Clients are served from now on.
    Serves {
        /// As what.
        mode: Mode,
        /// In which epoch.
        epoch: i32,
    },
    /// There is no leader for too long: reads are served meanwhile.
    ReadsOnly,
    /// We lead no longer.
    Abdicated {
        /// Why.
        why: zab::leader::Abdication,
    },
    /// We follow no longer.
    LeftLeader {
        /// Whom.
        leader: ServerId,
        /// Why.
        why: String,
    },
    /// A learner's link is gone.
    LearnerLost {
        /// The link.
        link: LinkId,
        /// Why.
        why: String,
    },
    /// The leader side of the protocol says.
    Leader(zab::leader::LeaderNote),
    /// The learner side of the protocol says.
    Learner(zab::learner::LearnerNote),
    /// What log and snapshots hold here is of no use.
    HistoryGivenUp {
        /// Why.
        why: String,
    },
    /// A membership is in force.
    Membership {
        /// Which.
        verifier: Arc<Verifier>,
    },
    /// The leader answered a sync that nobody asked for.
    SyncUnasked,
    /// The leader answered on a session that nobody waits for any longer.
    RevalidationUnasked {
        /// The session.
        session: SessionId,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionExpired { session } => write!(f, "session {session} expired"),
            Self::SessionUpgraded { session } => {
                write!(f, "session {session} creates an ephemeral, all servers are to know it")
            }
            Self::OrphanedEphemerals { session, count } => {
                write!(f, "{count} ephemerals of session {session}, which does not exist; closing it")
            }
            Self::SessionRefused { session, wrong_password: true } => {
                write!(f, "wrong password for session {session}")
            }
            Self::SessionRefused { session, wrong_password: false } => {
                write!(f, "session {session} is gone, probably expired")
            }
            Self::RequestDropped { session, xid } => {
                write!(f, "request {xid} of session {session} dropped, the session is closing or gone")
            }
            Self::NodeExpired { path } => write!(f, "deleting candidate container or TTL znode {path}"),
            Self::Quota(warning) => warning.fmt(f),
            Self::Election(note) => note.fmt(f),
            Self::BadNotification { from, why } => write!(f, "from server {from}: {why}"),
            Self::NewerConfig { config } => write!(f, "a newer membership is known elsewhere: {config:?}"),
            Self::VoterLooks { server } => write!(f, "server {server} looks for a leader while we lead"),
            Self::Elected { leader, role } => write!(f, "server {leader} is elected; {role}"),
            Self::Serves { mode, epoch } => write!(f, "serving clients as {mode} in epoch {epoch}"),
            Self::ReadsOnly => f.write_str("no leader: serving reads only, to clients that accept that"),
            Self::Abdicated { why } => write!(f, "leading no longer: {why}"),
            Self::LeftLeader { leader, why } => write!(f, "following server {leader} no longer: {why}"),
            Self::LearnerLost { link, why } => write!(f, "learner on link {} is gone: {why}", link.0),
            Self::Leader(note) => note.fmt(f),
            Self::Learner(note) => note.fmt(f),
            Self::HistoryGivenUp { why } => write!(f, "giving up our history: {why}"),
            Self::Membership { verifier } => {
                write!(f, "membership {:x} is in force:", verifier.version)?;
                verifier.members().iter().try_for_each(|member| write!(f, " server.{}={member}", member.id))
            }
            Self::SyncUnasked => f.write_str("the leader answered a sync that nobody asked for"),
            Self::RevalidationUnasked { session } => {
                write!(f, "the leader answered on session {session}, which nobody waits for")
            }
        }
    }
}
