//! Drives connections: one thread, one `epoll`, one write per burst.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use super::connection::{Arrival, Connection, Kind};
use super::load::Asker;
use super::tally::Tally;

/// Between two looks at the clock and at sessions that nobody uses.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Events taken from the system at once.
const EVENTS_MAX: usize = 1024;

/// When something is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// As soon as there are fewer than so many requests under way on a connection.
    Depth(usize),
    /// So many times a second over all connections of this thread, however long replies take.
    Rate(f64),
}

/// What all threads share.
#[derive(Debug)]
pub(super) struct Course {
    /// Times are counted from here.
    pub(super) began: Instant,
    /// When the window begins and ends.
    pub(super) from_ns: u64,
    pub(super) until_ns: u64,
    /// A thread has failed: all end.
    pub(super) is_over: AtomicBool,
    /// Each reply is kept.
    pub(super) keeps_replies: bool,
    /// Replies so far, for those who watch.
    pub(super) done: AtomicU64,
}

/// The connections of a thread.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) seats: Vec<Seat>,
    pub(super) pace: Pace,
    /// So many operations each, and then no more.
    pub(super) limit: Option<u64>,
}

/// A connection and what it asks.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) connection: Connection,
    pub(super) asker: Asker,
    asked: u64,
    is_blocked: bool,
    /// When something came last; a ping is due a third of the session's timeout later.
    quiet_since_ns: u64,
}

impl Course {
    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Seat {
    /// `part` is its place among all seats, from 0 to 1: the pings of many sessions come one by one.
    pub(super) fn new(connection: Connection, asker: Asker, part: f64) -> Self {
        let quiet_since_ns = nanos(ping_after(&connection).mul_f64(part.clamp(0.0, 1.0)));
        Self { connection, asker, asked: 0, is_blocked: false, quiet_since_ns }
    }
}

/// Runs until the window ends, or all that was to be asked is answered. The error is that of the first connection that failed.
pub(super) fn drive(share: &mut Share, course: &Course) -> io::Result<Tally> {
    let outcome = Driver::new(share, course).and_then(Driver::run);
    if outcome.is_err() {
        course.is_over.store(true, Relaxed);
    }
    outcome
}

struct Driver<'a> {
    share: &'a mut Share,
    course: &'a Course,
    poll: rustix::fd::OwnedFd,
    tally: Tally,
    /// When the next request is due, where there is a rate.
    due_ns: u64,
    next_seat: usize,
}

impl<'a> Driver<'a> {
    fn new(share: &'a mut Share, course: &'a Course) -> io::Result<Self> {
        let poll = epoll::create(CreateFlags::CLOEXEC)?;
        for (place, seat) in share.seats.iter().enumerate() {
            epoll::add(&poll, &seat.connection, EventData::new_u64(place as u64), EventFlags::IN)?;
        }
        let due_ns = course.now_ns();
        let tally = Tally::keeping(course.keeps_replies);
        Ok(Self { share, course, poll, tally, due_ns, next_seat: 0 })
    }

    fn run(mut self) -> io::Result<Tally> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        if let Pace::Depth(depth) = self.share.pace {
            let now_ns = self.course.now_ns();
            for place in 0..self.share.seats.len() {
                (0..depth).for_each(|_| self.ask(place, now_ns));
                self.flush(place)?;
            }
        }
        let mut looked_ns = self.course.now_ns();
        loop {
            let now_ns = self.course.now_ns();
            if now_ns >= self.course.until_ns || self.course.is_over.load(Relaxed) || self.is_done() {
                return Ok(self.tally);
            }
            self.keep_the_rate(now_ns)?;
            if now_ns.saturating_sub(looked_ns) >= nanos(LOOK_EVERY) {
                looked_ns = now_ns;
                self.keep_alive(now_ns)?;
            }
            let wait = self.wait(now_ns);
            events.clear();
            epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&wait))?;
            for event in &events {
                let (data, flags) = (event.data, event.flags);
                let place = usize::try_from(data.u64()).unwrap_or(usize::MAX);
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.receive(place)?;
                }
                self.flush(place)?;
            }
        }
    }

    fn receive(&mut self, place: usize) -> io::Result<()> {
        let Some(seat) = self.share.seats.get_mut(place) else { return Ok(()) };
        let (course, tally) = (self.course, &mut self.tally);
        let now_ns = course.now_ns();
        let (mut done, watched_since_ns) = (0, seat.asker.watched_since_ns());
        seat.quiet_since_ns = now_ns;
        seat.connection.receive(|arrival, _| {
            let (kind, since_ns, error) = match arrival {
                Arrival::Reply { kind, since_ns, error } => (kind, since_ns, error),
                Arrival::Event => (Kind::Write, watched_since_ns, 0),
            };
            if let Some(into_ns) = now_ns.checked_sub(course.from_ns) {
                tally.record(kind, now_ns.saturating_sub(since_ns), error, into_ns);
            }
            done += usize::from(kind != Kind::Part);
        })?;
        self.course.done.fetch_add(done as u64, Relaxed);
        if let Pace::Depth(_) = self.share.pace {
            (0..done).for_each(|_| self.ask(place, now_ns));
        }
        Ok(())
    }

    fn ask(&mut self, place: usize, since_ns: u64) {
        let limit = self.share.limit.unwrap_or(u64::MAX);
        let Some(seat) = self.share.seats.get_mut(place).filter(|seat| seat.asked < limit) else { return };
        seat.asked += 1;
        seat.asker.ask(&mut seat.connection, since_ns);
    }

    /// Whether all that was to be asked is answered.
    fn is_done(&self) -> bool {
        self.share.limit.is_some_and(|limit| {
            self.share.seats.iter().all(|seat| seat.asked >= limit && seat.connection.under_way() == 0)
        })
    }

    /// Asks what has become due. A request is late from the moment when it was due, not when it could be sent.
    fn keep_the_rate(&mut self, now_ns: u64) -> io::Result<()> {
        let Pace::Rate(rate) = self.share.pace else { return Ok(()) };
        let every_ns = Duration::from_secs_f64(1.0 / rate).as_nanos();
        let every_ns = u64::try_from(every_ns).unwrap_or(u64::MAX).max(1);
        let first = self.next_seat;
        let mut asked = 0;
        while self.due_ns <= now_ns {
            let place = self.next_seat;
            self.next_seat = (place + 1).checked_rem(self.share.seats.len()).unwrap_or(0);
            self.ask(place, self.due_ns);
            self.due_ns = self.due_ns.saturating_add(every_ns);
            asked += 1;
        }
        let seats = self.share.seats.len();
        for place in (0..asked.min(seats)).filter_map(|step| (first + step).checked_rem(seats)) {
            self.flush(place)?;
        }
        Ok(())
    }

    fn wait(&self, now_ns: u64) -> Timespec {
        let look_ns = now_ns.saturating_add(nanos(LOOK_EVERY));
        let until_ns = match self.share.pace {
            Pace::Depth(_) => look_ns,
            Pace::Rate(_) => self.due_ns.min(look_ns),
        };
        let wait_ns = until_ns.min(self.course.until_ns).saturating_sub(now_ns);
        Timespec { tv_sec: 0, tv_nsec: i64::try_from(wait_ns).unwrap_or(i64::MAX).min(999_999_999) }
    }

    /// Pings for sessions that have nothing to ask.
    fn keep_alive(&mut self, now_ns: u64) -> io::Result<()> {
        for place in 0..self.share.seats.len() {
            let Some(seat) = self.share.seats.get_mut(place) else { continue };
            if now_ns.saturating_sub(seat.quiet_since_ns) >= nanos(ping_after(&seat.connection)) {
                seat.quiet_since_ns = now_ns;
                seat.connection.ping();
                self.flush(place)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, place: usize) -> io::Result<()> {
        let Some(seat) = self.share.seats.get_mut(place) else { return Ok(()) };
        let is_blocked = !seat.connection.flush()?;
        if is_blocked != seat.is_blocked {
            seat.is_blocked = is_blocked;
            let wanted = if is_blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.poll, &seat.connection, EventData::new_u64(place as u64), wanted)?;
        }
        Ok(())
    }
}

/// A third of the session's timeout.
fn ping_after(connection: &Connection) -> Duration {
    Duration::from_millis(u64::from(connection.session().timeout_ms.unsigned_abs()) / 3)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
