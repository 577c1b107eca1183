use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use jute::{ErrorCode, SessionId};

use super::ExpiryQueue;
use super::ended::Ended;
use crate::time::Millis;

/// Which server a session is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This server, on whichever connection.
    // zk: ServerCnxn.me
    Here,
    /// A learner, by the number of its link.
    Learner(u64),
}

/// The sessions of an ensemble as the server that expires them sees them.
///
/// * A session that is closing is never touched and never opens again.
/// * Nothing expires in a tick that came late, nor within one tick after it: what was heard meanwhile may still be unread.
// zk: SessionTrackerImpl
#[derive(Debug, Clone)]
pub struct SessionTracker {
    sessions: BTreeMap<SessionId, Tracked>,
    expiry: ExpiryQueue<SessionId>,
    /// How many of the sessions are local.
    local_count: usize,
    tick_ms: u64,
    last_tick: Millis,
    no_expiry_before: Millis,
    strangers: Strangers,
    /// Sessions that all servers knew, where others may be local elsewhere: their late requests are not taken for such.
    ended: Ended,
}

/// What a session is that the tracker does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strangers {
    /// Unknown: there is nobody else to know it.
    Unknown,
    /// Expired.
    Expired,
    /// Another server's local session, unless its id says that this server gave it out.
    LocalElsewhere { here: i64 },
}

/// One bin of the expiry queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// When the sessions expire.
    pub expires: Millis,
    /// The sessions.
    pub sessions: Vec<SessionId>,
}

#[derive(Debug, Clone)]
struct Tracked {
    timeout_ms: i32,
    closing: bool,
    owner: Option<Owner>,
    /// No other server knows it, and no log: the timeout with which it began.
    local: Option<i32>,
}

impl SessionTracker {
    /// Tracks the sessions of the state; each has its full timeout from now on.
    pub fn new(tick_ms: u32, now: Millis, sessions: impl IntoIterator<Item = (SessionId, i32)>) -> Self {
        let mut tracker = Self {
            sessions: BTreeMap::new(),
            expiry: ExpiryQueue::new(now, tick_ms),
            tick_ms: u64::from(tick_ms),
            last_tick: now,
            no_expiry_before: now,
            local_count: 0,
            strangers: Strangers::Unknown,
            ended: Ended::default(),
        };
        for (session, timeout_ms) in sessions {
            tracker.track(session, timeout_ms, now);
        }
        tracker
    }

    /// The same for a leader: a session that is unknown to it has expired.
    // zk: LeaderSessionTracker.checkSession without local sessions
    #[must_use]
    pub fn of_leader(self) -> Self {
        Self { strangers: Strangers::Expired, ..self }
    }

    /// The same for a leader whose learners may have local sessions; `me` is its id.
    // zk: LeaderSessionTracker.checkSession
    #[must_use]
    pub fn of_leader_among_local_sessions(self, me: i64) -> Self {
        Self { strangers: Strangers::LocalElsewhere { here: me }, ..self }
    }

    /// Tracks a session that all servers are to know, or touches it when it is known. It is local no longer, if it was.
    // zk: SessionTrackerImpl.trackSession
    pub fn track(&mut self, session: SessionId, timeout_ms: i32, now: Millis) {
        let begun = Tracked { timeout_ms, closing: false, owner: None, local: None };
        let tracked = self.sessions.entry(session).or_insert(begun);
        if tracked.local.take().is_some() {
            self.local_count -= 1;
        }
        self.expiry.update(session, now, wait(timeout_ms));
    }

    /// Tracks a new session that is this server's alone.
    // zk: LocalSessionTracker.createSession
    pub fn track_local(&mut self, session: SessionId, timeout_ms: i32, now: Millis) {
        let begun = Tracked { timeout_ms, closing: false, owner: None, local: Some(timeout_ms) };
        let before = self.sessions.insert(session, begun);
        assert!(before.is_none(), "invariant: the id of a new session is not in use");
        self.local_count += 1;
        self.expiry.update(session, now, wait(timeout_ms));
    }

    /// Makes a local session one that all servers know; yields the timeout with which it began, or nothing when it is not local.
    // zk: UpgradeableSessionTracker.upgradeSession
    pub fn upgrade(&mut self, session: SessionId, now: Millis) -> Option<i32> {
        let tracked = self.sessions.get_mut(&session)?;
        let begun_ms = tracked.local.take()?;
        self.local_count -= 1;
        self.expiry.update(session, now, wait(tracked.timeout_ms));
        Some(begun_ms)
    }

    /// Gives a session its timeout anew; false when it is unknown or closing.
    // zk: SessionTrackerImpl.touchSession
    pub fn touch(&mut self, session: SessionId, now: Millis) -> bool {
        let Some(tracked) = self.sessions.get(&session).filter(|tracked| !tracked.closing) else {
            return false;
        };
        self.expiry.update(session, now, wait(tracked.timeout_ms));
        true
    }

    /// The same with another timeout, which later touches keep to; a client may negotiate anew when it comes back.
    pub fn touch_with(&mut self, session: SessionId, timeout_ms: i32, now: Millis) -> bool {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.timeout_ms = timeout_ms;
        }
        self.touch(session, now)
    }

    /// Whether a request of the session from `owner` may go on; the first who asks becomes the owner.
    // zk: SessionTrackerImpl.checkSession
    pub fn check(&mut self, session: SessionId, owner: Owner) -> Result<(), ErrorCode> {
        let Some(tracked) = self.sessions.get_mut(&session) else { return self.check_stranger(session) };
        if tracked.closing {
            return Err(ErrorCode::SessionExpired);
        }
        match *tracked.owner.get_or_insert(owner) == owner {
            true => Ok(()),
            false => Err(ErrorCode::SessionMoved),
        }
    }

    // diverges(ended-session-elsewhere): the reference takes one that has ended for another server's local session
    fn check_stranger(&self, session: SessionId) -> Result<(), ErrorCode> {
        match self.ended.contains(session) {
            true => Err(ErrorCode::SessionExpired),
            false => self.strangers.check(session),
        }
    }

    /// The same for what needs a session that all servers know.
    // zk: SessionTrackerImpl.checkGlobalSession
    pub fn check_global(&mut self, session: SessionId, owner: Owner) -> Result<(), ErrorCode> {
        match self.is_global(session) {
            true => self.check(session, owner),
            false => Err(ErrorCode::SessionExpired),
        }
    }

    /// Attaches a session to a server.
    // zk: SessionTrackerImpl.setOwner
    pub fn set_owner(&mut self, session: SessionId, owner: Owner) -> Result<(), ErrorCode> {
        let tracked = self.sessions.get_mut(&session).filter(|tracked| !tracked.closing);
        tracked.ok_or(ErrorCode::SessionExpired)?.owner = Some(owner);
        Ok(())
    }

    /// Marks a session as ending: its close transaction is under way.
    // zk: SessionTrackerImpl.setSessionClosing
    pub fn set_closing(&mut self, session: SessionId) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.closing = true;
        }
    }

    /// Forgets a session whose close transaction is applied.
    // zk: SessionTrackerImpl.removeSession
    pub fn remove(&mut self, session: SessionId) {
        match self.sessions.remove(&session) {
            Some(Tracked { local: Some(_), .. }) => self.local_count -= 1,
            Some(_) if matches!(self.strangers, Strangers::LocalElsewhere { .. }) => {
                self.ended.insert(session)
            }
            Some(_) | None => {}
        }
        self.expiry.remove(session);
    }

    /// Whether the session is known, closing or not.
    pub fn is_tracked(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Whether the session is known, and known to this server alone.
    pub fn is_local(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|tracked| tracked.local.is_some())
    }

    /// Whether the session is known, and known to all servers.
    pub fn is_global(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|tracked| tracked.local.is_none())
    }

    /// Number of local sessions.
    pub fn local_count(&self) -> usize {
        self.local_count
    }

    /// Whether the session is known and closing.
    pub fn is_closing(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|tracked| tracked.closing)
    }

    /// Number of known sessions.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether no session is known.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// A tick: takes out the sessions that have expired and marks them as closing.
    pub fn on_tick(&mut self, now: Millis) -> Vec<SessionId> {
        if now.since(self.last_tick) * 2 > self.tick_ms * 3 {
            self.no_expiry_before = now.plus(self.tick_ms);
        }
        self.last_tick = now;
        if now < self.no_expiry_before {
            return Vec::new();
        }
        let mut expired = self.expiry.expired(now);
        // A session that a client is closing may run out meanwhile; one close is enough.
        expired.retain(|session| !self.is_closing(*session));
        for session in &expired {
            self.set_closing(*session);
        }
        expired
    }

    /// When each session that all servers know would expire, for `dump`.
    pub fn report(&self) -> Vec<SessionReport> {
        self.report_of(|session| self.is_global(session))
    }

    /// When each local session would expire, for `dump`.
    pub fn local_report(&self) -> Vec<SessionReport> {
        self.report_of(|session| self.is_local(session))
    }

    fn report_of(&self, is_wanted: impl Fn(SessionId) -> bool) -> Vec<SessionReport> {
        let reports = self.expiry.bins().map(|(expires, sessions)| SessionReport {
            expires,
            sessions: sessions.filter(|session| is_wanted(*session)).collect(),
        });
        reports.filter(|report| !report.sessions.is_empty()).collect()
    }
}

impl Strangers {
    // zk: LeaderSessionTracker.getServerIdFromSessionId: with its sign
    fn check(self, session: SessionId) -> Result<(), ErrorCode> {
        const SERVER_SHIFT: u32 = 56;
        match self {
            Self::Unknown => Err(ErrorCode::UnknownSession),
            Self::Expired => Err(ErrorCode::SessionExpired),
            Self::LocalElsewhere { here } if session.0 >> SERVER_SHIFT == here => {
                Err(ErrorCode::SessionExpired)
            }
            Self::LocalElsewhere { .. } => Ok(()),
        }
    }
}

/// A timeout as a time to wait; negative ones come from old databases only.
fn wait(timeout_ms: i32) -> u64 {
    u64::try_from(timeout_ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec;

    use super::*;

    const TICK_MS: u32 = 2000;
    const A: SessionId = SessionId(0xa);
    const B: SessionId = SessionId(0xb);

    fn tracker() -> SessionTracker {
        SessionTracker::new(TICK_MS, Millis(0), [(A, 4000)])
    }

    fn tick_to(tracker: &mut SessionTracker, from: u64, to: u64) -> Vec<SessionId> {
        (from..=to).step_by(2000).flat_map(|now| tracker.on_tick(Millis(now))).collect()
    }

    #[test]
    fn silence_expires_a_session_and_a_touch_saves_it() {
        let mut tracker = tracker();
        assert_eq!(tick_to(&mut tracker, 2000, 4000), vec![]);
        assert!(tracker.touch(A, Millis(4000)));
        assert_eq!(tick_to(&mut tracker, 6000, 8000), vec![]);
        assert_eq!(tick_to(&mut tracker, 10_000, 10_000), vec![A]);
        assert!(!tracker.touch(A, Millis(10_000)), "closing");
        assert_eq!(tracker.check(A, Owner::Here), Err(ErrorCode::SessionExpired));
        tracker.remove(A);
        assert_eq!(tracker.check(A, Owner::Here), Err(ErrorCode::UnknownSession));
        assert_eq!(tracker.check_global(A, Owner::Here), Err(ErrorCode::SessionExpired));
    }

    #[test]
    fn nothing_expires_before_a_full_tick_after_a_pause() {
        let mut tracker = tracker();
        assert_eq!(tracker.on_tick(Millis(60_000)), vec![], "the tick came late");
        assert_eq!(tracker.on_tick(Millis(61_000)), vec![], "half a tick after it");
        assert!(tracker.touch(A, Millis(61_000)));
        assert_eq!(tracker.on_tick(Millis(62_000)), vec![]);
        assert_eq!(tick_to(&mut tracker, 64_000, 66_000), vec![A]);
    }

    #[test]
    fn the_first_to_ask_owns_a_session() {
        let mut tracker = tracker();
        assert_eq!(tracker.check(A, Owner::Here), Ok(()));
        assert_eq!(tracker.check(A, Owner::Learner(2)), Err(ErrorCode::SessionMoved));
        assert_eq!(tracker.set_owner(A, Owner::Learner(2)), Ok(()));
        assert_eq!(tracker.check(A, Owner::Here), Err(ErrorCode::SessionMoved));
        assert_eq!(tracker.set_owner(B, Owner::Here), Err(ErrorCode::SessionExpired));
    }

    #[test]
    fn to_a_leader_an_unknown_session_has_expired() {
        let mut tracker = tracker().of_leader();
        assert_eq!(tracker.check(B, Owner::Here), Err(ErrorCode::SessionExpired));
        assert_eq!(tracker.check(A, Owner::Learner(1)), Ok(()));
    }

    #[test]
    fn a_session_that_comes_back_keeps_its_new_timeout() {
        let mut tracker = tracker();
        assert!(tracker.touch_with(A, 8000, Millis(0)));
        assert_eq!(tick_to(&mut tracker, 2000, 8000), vec![]);
        assert!(tracker.touch(A, Millis(8000)));
        assert_eq!(tick_to(&mut tracker, 10_000, 16_000), vec![]);
        assert_eq!(tick_to(&mut tracker, 18_000, 18_000), vec![A]);
    }

    #[test]
    fn a_local_session_is_no_global_one_until_it_is_upgraded() {
        let mut tracker = tracker().of_leader_among_local_sessions(1);
        tracker.track_local(B, 6000, Millis(0));
        assert!(tracker.touch_with(B, 8000, Millis(0)));
        assert_eq!((tracker.check(B, Owner::Here), tracker.local_count()), (Ok(()), 1));
        assert_eq!(tracker.check_global(B, Owner::Here), Err(ErrorCode::SessionExpired));
        assert_eq!(tracker.local_report().len(), 1);
        assert_eq!(tracker.upgrade(B, Millis(1000)), Some(6000), "the timeout with which it began");
        assert_eq!(tracker.upgrade(B, Millis(1000)), None, "once");
        assert_eq!((tracker.check_global(B, Owner::Here), tracker.local_count()), (Ok(()), 0));
        assert_eq!(tracker.local_report(), vec![]);
        tracker.remove(B);
        tracker.track_local(B, 6000, Millis(1000));
        tracker.track(B, 6000, Millis(1000));
        assert_eq!((tracker.is_global(B), tracker.local_count()), (true, 0), "all are to know it");
    }

    #[test]
    fn to_a_leader_a_stranger_is_a_local_session_of_another_server() {
        let of_server = |server: i64| SessionId(server << 56 | 7);
        for (me, session, outcome) in [
            (1, of_server(2), Ok(())),
            (2, of_server(2), Err(ErrorCode::SessionExpired)),
            // Ids with the highest bit set are negative, which no server id is.
            (200, SessionId(-56 << 56), Ok(())),
        ] {
            let mut tracker = tracker().of_leader_among_local_sessions(me);
            assert_eq!(tracker.check(session, Owner::Learner(1)), outcome, "{me} {session}");
            let global = tracker.check_global(session, Owner::Learner(1));
            assert_eq!(global, Err(ErrorCode::SessionExpired));
        }
    }

    #[test]
    fn a_late_request_of_a_session_that_has_ended_is_not_another_servers() {
        let mut tracker = tracker().of_leader_among_local_sessions(1);
        let (ended, local) = (SessionId(2 << 56 | 7), SessionId(2 << 56 | 8));
        tracker.track(ended, 6000, Millis(0));
        [ended, local].into_iter().for_each(|session| tracker.remove(session));
        assert_eq!(tracker.check(ended, Owner::Learner(1)), Err(ErrorCode::SessionExpired));
        assert_eq!(tracker.check(local, Owner::Learner(1)), Ok(()));
    }

    #[test]
    fn a_session_that_its_client_closes_does_not_expire_too() {
        let mut tracker = tracker();
        tracker.set_closing(A);
        assert_eq!(tick_to(&mut tracker, 2000, 12_000), vec![]);
        assert!(tracker.is_tracked(A));
    }
}
