//! Who is connected, who is being dialled and what waits for whom: all decisions of the mesh, without sockets.
//!
//! ```text
//!            want                    dialled, we have the larger id
//!   idle ───────────▶ dialling ─────────────────────────────────────▶ linked
//!    ▲                   │  ▲ wait: backoff, or asked again              │ ▲
//!    │   nobody wants it │  └── failed, or dialled with the smaller id   │ │ arrive, they have the larger id:
//!    └───────────────────┘                                               │ └── a later one replaces
//!    ◀───────────────────────────────────────────────────────────────────┘
//!      unlink; or arrive, they have the smaller id: then want
//! ```
//!
//! * At most one link and one dial order for a peer; dropping a [`Link`] ends its connection.
//! * A peer that is no member has an entry only while it is linked or dialled.

mod decision;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ensemble::{HostPort, ServerId};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::budget::Budget;
use super::initial_message::{InitialMessage, OBSERVER_WITHOUT_ID};
use super::settings::{
    ADDRESSES_TRIED_MAX, DIAL_BACK_BURST, DIAL_BACK_EVERY, DIAL_DELAY_MAX, DIAL_DELAY_MIN, MeshSettings,
    NON_MEMBER_BURST, NON_MEMBER_EVERY, NON_MEMBERS_MAX,
};

use crate::own_name::SaidLately;

pub(super) use decision::{Arrival, Attempt, Check, DialOrder, Gone, LinkId, Refusal, Seat};

/// Election addresses of the members, ourselves among them or not.
pub(crate) type Members = BTreeMap<ServerId, Vec<HostPort>>;

/// The table; see the module.
#[derive(Debug)]
pub(super) struct Table {
    me: ServerId,
    dials_back_non_members: bool,
    members: Members,
    peers: BTreeMap<ServerId, Peer>,
    last_link: u64,
    last_anonymous: i64,
    admissions: Budget,
    dial_backs: Budget,
}

#[derive(Debug)]
struct Peer {
    /// The send queue of one.
    pending: Option<Bytes>,
    /// What was sent last, for the beginning of a connection.
    last: Option<Bytes>,
    link: Option<Link>,
    /// Wakes the task that dials, which is there as long as this is.
    dial: Option<Arc<Notify>>,
    /// Somebody asked for a connection since there was one.
    wanted: bool,
    attempted: Option<Instant>,
    delay: Duration,
    failure: Option<String>,
    says_it_is_at: Vec<HostPort>,
    said_of_two: SaidLately,
}

#[derive(Debug)]
struct Link {
    number: u64,
    remote: SocketAddr,
    heard: Instant,
    wake: Arc<Notify>,
    /// Its other end is being looked at.
    is_checked: bool,
    /// Ends the connection when it is dropped.
    _ends: oneshot::Sender<Infallible>,
}

impl Table {
    pub(super) fn new(settings: &MeshSettings, members: Members, now: Instant) -> Self {
        Self {
            me: settings.me,
            dials_back_non_members: settings.dials_back_non_members,
            members,
            peers: BTreeMap::new(),
            last_link: 0,
            last_anonymous: 0,
            admissions: Budget::new(NON_MEMBER_BURST, NON_MEMBER_EVERY, now),
            dial_backs: Budget::new(DIAL_BACK_BURST, DIAL_BACK_EVERY, now),
        }
    }

    /// Replaces what waits for `to`. A non-member without a connection gets nothing.
    // zk: QuorumCnxManager.toSend
    pub(super) fn queue(&mut self, to: ServerId, message: Bytes) -> Option<DialOrder> {
        if !self.members.contains_key(&to) && !self.peers.contains_key(&to) {
            tracing::debug!(peer = %to, "no message for a server that is no member and not connected");
            return None;
        }
        let peer = self.peers.entry(to).or_default();
        peer.pending = Some(message);
        match &peer.link {
            Some(link) => {
                link.wake.notify_one();
                None
            }
            None => self.want(to),
        }
    }

    /// Asks for connections to all members that were ever sent something.
    // zk: QuorumCnxManager.connectAll
    pub(super) fn connect_all(&mut self) -> Vec<DialOrder> {
        let known: Vec<ServerId> = self.peers.keys().copied().collect();
        known.into_iter().filter_map(|to| self.want(to)).collect()
    }

    /// Something is said to a member with several addresses, over a connection to one of them: is that still there? One
    /// question at a time.
    // zk: QuorumCnxManager.connectOne
    // diverges(reachability-of-one-address): the reference asks for members with one address too
    pub(super) fn begin_check(&mut self, to: ServerId) -> Option<Check> {
        let addresses = self.members.get(&to).filter(|addresses| addresses.len() > 1)?;
        let ports: BTreeSet<u16> = addresses.iter().map(|address| address.port).collect();
        let link = self.peers.get_mut(&to)?.link.as_mut()?;
        if std::mem::replace(&mut link.is_checked, true) {
            return None;
        }
        let id = LinkId { peer: to, number: link.number };
        let places = ports.into_iter().take(ADDRESSES_TRIED_MAX);
        Some(Check { id, places: places.map(|port| SocketAddr::new(link.remote.ip(), port)).collect() })
    }

    /// The answer. A connection whose other end is gone goes, and a new one is asked for.
    pub(super) fn end_check(&mut self, id: LinkId, is_there: bool) -> Option<DialOrder> {
        let link = self.linked(id)?.link.as_mut()?;
        link.is_checked = false;
        if is_there {
            return None;
        }
        self.drop_link(id.peer, "its address no longer answers");
        self.want(id.peer)
    }

    /// Asks for a connection to a member.
    fn want(&mut self, to: ServerId) -> Option<DialOrder> {
        if !self.members.contains_key(&to) || to == self.me {
            return None;
        }
        let peer = self.peers.entry(to).or_default();
        if peer.link.is_some() {
            return None;
        }
        peer.wanted = true;
        peer.order(to, None)
    }

    /// Other members, or other addresses. Connections stay; who is no member any more is now one of the non-members.
    pub(super) fn set_members(&mut self, members: Members) {
        self.members = members;
        let members = &self.members;
        self.peers.retain(|id, peer| peer.link.is_some() || members.contains_key(id));
    }

    /// A connection whose initial message was correct.
    // zk: QuorumCnxManager.handleConnection
    pub(super) fn arrive(&mut self, initial: InitialMessage, remote: SocketAddr, now: Instant) -> Arrival {
        let InitialMessage { sender, addresses } = initial;
        if sender == self.me {
            return Arrival::Refuse(Refusal::OurId);
        }
        if sender.0 < 0 {
            return Arrival::Refuse(Refusal::NegativeId);
        }
        if sender == OBSERVER_WITHOUT_ID {
            // diverges(mesh-observer-without-id): the reference compares the id that it just gave, closes and dials for ever; we keep it
            return self.admit(sender, now).map_or_else(Arrival::Refuse, |()| {
                self.last_anonymous -= 1;
                Arrival::Keep(self.link(ServerId(self.last_anonymous), remote, now))
            });
        }
        self.compare(sender, &addresses, now);
        if sender < self.me {
            return self.dial_back(sender, addresses, now).map_or_else(Arrival::Refuse, Arrival::DialBack);
        }
        match self.admit(sender, now) {
            Ok(()) => Arrival::Keep(self.link(sender, remote, now)),
            Err(refusal) => Arrival::Refuse(refusal),
        }
    }

    /// A member is where it was, or has moved; or two servers have one id.
    fn compare(&mut self, sender: ServerId, addresses: &[HostPort], now: Instant) {
        if addresses.is_empty() || !self.members.contains_key(&sender) {
            return;
        }
        let peer = self.peers.entry(sender).or_default();
        let before = std::mem::replace(&mut peer.says_it_is_at, addresses.to_owned());
        if !before.is_empty() && before != addresses && peer.said_of_two.is_due(now.into_std()) {
            let (before, now) = (text_of(&before), text_of(addresses));
            tracing::warn!(peer = %sender, "it says that it is at {now}, and said {before} before: if both run, two servers have one id");
        }
    }

    /// The peer has the smaller id, so that it has no connection to us, whatever we think: we dial.
    fn dial_back(
        &mut self,
        to: ServerId,
        addresses: Vec<HostPort>,
        now: Instant,
    ) -> Result<Option<DialOrder>, Refusal> {
        if self.members.contains_key(&to) {
            self.drop_link(to, "its server connects anew");
            return Ok(self.want(to));
        }
        if !self.dials_back_non_members {
            return Err(Refusal::NoDialBack);
        }
        if addresses.is_empty() {
            return Err(Refusal::NoAddress);
        }
        if self.peers.get(&to).is_some_and(|peer| peer.dial.is_some()) {
            return Ok(None);
        }
        self.dial_backs.take(now).map_err(|_| Refusal::TooOften)?;
        self.admit(to, now)?;
        self.drop_link(to, "its server connects anew");
        let peer = self.peers.entry(to).or_default();
        peer.wanted = true;
        Ok(peer.order(to, Some(addresses)))
    }

    /// Makes room for a non-member, or says why there is none; members need none.
    fn admit(&mut self, id: ServerId, now: Instant) -> Result<(), Refusal> {
        if self.members.contains_key(&id) {
            return Ok(());
        }
        self.admissions.take(now).map_err(|_| Refusal::TooOften)?;
        let others = || self.peers.iter().filter(|(peer, _)| !self.members.contains_key(peer));
        if self.peers.contains_key(&id) || others().count() < NON_MEMBERS_MAX {
            return Ok(());
        }
        // Numbers of links grow, so that of two heard at the same time the older one goes.
        let heard =
            |(id, peer): (&ServerId, &Peer)| peer.link.as_ref().map(|link| (link.heard, link.number, *id));
        let (_, _, silent) = others().filter_map(heard).min().ok_or(Refusal::Full)?;
        self.drop_link(silent, "no member, silent longest, and another one came");
        self.prune(silent);
        Ok(())
    }

    fn drop_link(&mut self, peer: ServerId, why: &str) {
        if let Some(link) = self.peers.get_mut(&peer).and_then(|peer| peer.link.take()) {
            tracing::info!(%peer, remote = %link.remote, "election connection closed: {why}");
        }
    }

    fn link(&mut self, peer: ServerId, remote: SocketAddr, now: Instant) -> Seat {
        self.drop_link(peer, "a newer connection takes its place");
        self.last_link += 1;
        let (ends, ended) = oneshot::channel();
        let wake = Arc::new(Notify::new());
        let link = Link {
            number: self.last_link,
            remote,
            heard: now,
            wake: Arc::clone(&wake),
            is_checked: false,
            _ends: ends,
        };
        let entry = self.peers.entry(peer).or_default();
        entry.link = Some(link);
        entry.wanted = false;
        entry.delay = DIAL_DELAY_MIN;
        entry.failure = None;
        Seat { id: LinkId { peer, number: self.last_link }, remote, wake, ended }
    }

    /// A dialling task asks what to do. Ends the order when there is a connection, or nobody wants one any more.
    pub(super) fn attempt(&mut self, order: &DialOrder, now: Instant) -> Attempt {
        let addresses = order.sent.as_ref().or_else(|| self.members.get(&order.to)).cloned();
        let Some(peer) = self.dialling(order) else { return Attempt::Never };
        let Some(addresses) = addresses.filter(|_| peer.wanted && peer.link.is_none()) else {
            self.end_order(order);
            return Attempt::Never;
        };
        match peer.attempted.map(|at| at + DIAL_DELAY_MIN).filter(|at| *at > now) {
            Some(at) => Attempt::At(at),
            None => {
                peer.attempted = Some(now);
                Attempt::Now(addresses)
            }
        }
    }

    /// Whether a peer that was dialled may be told so: not when its own connection came meanwhile, for telling it
    /// would make it close that one.
    pub(super) fn is_still_wanted(&mut self, order: &DialOrder) -> bool {
        self.dialling(order).is_some_and(|peer| peer.wanted && peer.link.is_none())
    }

    /// A peer was dialled and told who we are. Nothing when it has the larger id: it will dial us.
    // zk: QuorumCnxManager.startConnection
    pub(super) fn dialled(&mut self, order: &DialOrder, remote: SocketAddr, now: Instant) -> Option<Seat> {
        if order.to > self.me || self.dialling(order).is_none() {
            return None;
        }
        let seat = self.link(order.to, remote, now);
        self.end_order(order);
        Some(seat)
    }

    /// An attempt brought no connection. When to try again, or nothing when the order is done with.
    pub(super) fn retry_at(&mut self, order: &DialOrder, now: Instant) -> Option<Instant> {
        let peer = self.dialling(order)?;
        if order.sent.is_some() || peer.link.is_some() {
            self.end_order(order);
            return None;
        }
        let at = peer.attempted.unwrap_or(now) + peer.delay;
        peer.delay = (peer.delay * 2).min(DIAL_DELAY_MAX);
        Some(at)
    }

    /// Whether a failure differs from the last one of this peer, so that a dead peer does not fill the log.
    pub(super) fn is_news(&mut self, order: &DialOrder, failure: &str) -> bool {
        let Some(peer) = self.dialling(order) else { return true };
        peer.failure.replace(failure.to_owned()).is_none_or(|before| before != failure)
    }

    /// The peer, if the order is still its own.
    fn dialling(&mut self, order: &DialOrder) -> Option<&mut Peer> {
        let is_own = |peer: &&mut Peer| peer.dial.as_ref().is_some_and(|dial| Arc::ptr_eq(dial, &order.wake));
        self.peers.get_mut(&order.to).filter(is_own)
    }

    fn end_order(&mut self, order: &DialOrder) {
        if let Some(peer) = self.dialling(order) {
            peer.dial = None;
            self.prune(order.to);
        }
    }

    /// What a connection sends next. At its beginning, and with nothing new, what was sent last: it may be lost.
    // zk: QuorumCnxManager.SendWorker.run
    pub(super) fn next_message(&mut self, id: LinkId, is_first: bool) -> Result<Option<Bytes>, Gone> {
        let peer = self.linked(id).ok_or(Gone)?;
        match peer.pending.take() {
            Some(message) => {
                peer.last = Some(message.clone());
                Ok(Some(message))
            }
            None if is_first => Ok(peer.last.clone()),
            None => Ok(None),
        }
    }

    /// A message came. Whether it is a member's.
    pub(super) fn heard(&mut self, id: LinkId, now: Instant) -> Result<bool, Gone> {
        let peer = self.linked(id).ok_or(Gone)?;
        if let Some(link) = &mut peer.link {
            link.heard = now;
        }
        Ok(self.members.contains_key(&id.peer))
    }

    /// A connection ended. Dials again when something still waits.
    pub(super) fn unlink(&mut self, id: LinkId) -> Option<DialOrder> {
        let peer = self.linked(id)?;
        peer.link = None;
        let waits = peer.pending.is_some();
        self.prune(id.peer);
        if waits { self.want(id.peer) } else { None }
    }

    /// Whom there are connections to.
    pub(super) fn linked_peers(&self) -> Vec<ServerId> {
        self.peers.iter().filter(|(_, peer)| peer.link.is_some()).map(|(id, _)| *id).collect()
    }

    fn linked(&mut self, id: LinkId) -> Option<&mut Peer> {
        let is_own = |peer: &&mut Peer| peer.link.as_ref().is_some_and(|link| link.number == id.number);
        self.peers.get_mut(&id.peer).filter(is_own)
    }

    /// Forgets a non-member that is neither linked nor dialled.
    fn prune(&mut self, id: ServerId) {
        let is_idle = |peer: &Peer| peer.link.is_none() && peer.dial.is_none();
        if !self.members.contains_key(&id) && self.peers.get(&id).is_some_and(is_idle) {
            self.peers.remove(&id);
        }
    }

    /// Where the other end of a connection is.
    #[cfg(test)]
    pub(super) fn remote(&self, peer: ServerId) -> Option<SocketAddr> {
        Some(self.peers.get(&peer)?.link.as_ref()?.remote)
    }

    #[cfg(test)]
    pub(super) fn is_connected(&self, peer: ServerId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.link.is_some())
    }

    /// Whether any peer took all that there was for it.
    // zk: QuorumCnxManager.haveDelivered
    #[cfg(test)]
    pub(super) fn has_delivered(&self) -> bool {
        self.peers.values().any(|peer| peer.pending.is_none())
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            pending: None,
            last: None,
            link: None,
            dial: None,
            wanted: false,
            attempted: None,
            delay: DIAL_DELAY_MIN,
            failure: None,
            says_it_is_at: Vec::new(),
            said_of_two: SaidLately::default(),
        }
    }
}

fn text_of(addresses: &[HostPort]) -> String {
    addresses.iter().map(HostPort::to_string).collect::<Vec<_>>().join("|")
}

impl Peer {
    /// A new order, or a knock at the task that has one.
    fn order(&mut self, to: ServerId, sent: Option<Vec<HostPort>>) -> Option<DialOrder> {
        if let Some(wake) = &self.dial {
            wake.notify_one();
            return None;
        }
        let wake = Arc::new(Notify::new());
        self.dial = Some(Arc::clone(&wake));
        Some(DialOrder { to, wake, sent })
    }
}
