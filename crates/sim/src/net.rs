//! The network: connections that keep order, between hosts whose ways to each other may be slow, clogged or cut.
//!
//! * What is sent on one connection in one direction arrives in order, or not at all.
//! * A cut way holds back what is sent, as TCP does, until it is mended or the connection is given up.
//! * A host that loses power says nothing to the other end, which learns of it only when it sends something.

use std::collections::BTreeMap;

use crate::agenda::{Agenda, Happening};
use crate::clock::{MS, Micros, SECOND};
use crate::random::Random;

/// A connection; never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WireId(pub(crate) u64);

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Dialer,
    Acceptor,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Election,
    Quorum,
    Client,
}

/// What comes to an end of a connection.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    /// The other end has accepted.
    Opened,
    Bytes(Vec<u8>),
    /// The other end has closed, or the connection broke.
    Closed,
}

/// Where a delivery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// To a process.
    To(usize, Line),
    /// To nobody.
    Nowhere,
}

#[derive(Debug)]
pub(crate) struct Net {
    wires: BTreeMap<WireId, Wire>,
    next: u64,
    cuts: BTreeMap<(usize, usize), u32>,
    clogs: BTreeMap<(usize, usize), u32>,
    slow: BTreeMap<(usize, usize), Micros>,
    random: Random,
}

#[derive(Debug)]
struct Wire {
    line: Line,
    dialer: Side,
    acceptor: Side,
    is_reset: bool,
}

#[derive(Debug)]
struct Side {
    host: usize,
    state: SideState,
    /// Nothing arrives here before that.
    last: Micros,
    /// What waits for the way to here to be mended.
    held: Vec<Delivery>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SideState {
    Waiting,
    Open,
    Closed,
}

/// How long a dial into a cut way takes to fail.
const DIAL_TIMEOUT: Micros = SECOND;

impl Net {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            wires: BTreeMap::new(),
            next: 0,
            cuts: BTreeMap::new(),
            clogs: BTreeMap::new(),
            slow: BTreeMap::new(),
            random,
        }
    }

    /// Begins a connection; `Happening::Ring` comes to the other host, or `Happening::DialFailed` to this one.
    pub(crate) fn dial(
        &mut self,
        agenda: &mut Agenda,
        now: Micros,
        line: Line,
        from: usize,
        to: usize,
    ) -> WireId {
        self.next += 1;
        let id = WireId(self.next);
        let side = |host, state| Side { host, state, last: now, held: Vec::new() };
        let (dialer, acceptor) = (side(from, SideState::Waiting), side(to, SideState::Waiting));
        self.wires.insert(id, Wire { line, dialer, acceptor, is_reset: false });
        match self.is_cut(from, to) || self.is_cut(to, from) {
            true => agenda.plan(now + DIAL_TIMEOUT, Happening::DialFailed(id)),
            false => agenda.plan(now + self.latency(from, to), Happening::Ring(id)),
        }
        id
    }

    /// Who is rung, and by whom.
    pub(crate) fn rung(&self, id: WireId) -> Option<(usize, usize, Line)> {
        let wire = self.wires.get(&id)?;
        (wire.dialer.state != SideState::Closed).then_some((wire.acceptor.host, wire.dialer.host, wire.line))
    }

    /// The host of an end.
    pub(crate) fn host(&self, id: WireId, end: End) -> Option<usize> {
        self.wires.get(&id).map(|wire| wire.side(end).host)
    }

    /// The host that was rung accepts.
    pub(crate) fn accept(&mut self, agenda: &mut Agenda, now: Micros, id: WireId) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.acceptor.state = SideState::Open;
        }
        self.deliver(agenda, now, id, End::Dialer, Delivery::Opened);
    }

    /// The host that was rung does not answer, or not so.
    pub(crate) fn refuse(&mut self, agenda: &mut Agenda, now: Micros, id: WireId) {
        agenda.plan(now + MS, Happening::DialFailed(id));
    }

    /// A dial failed: the dialer, if it still waits.
    pub(crate) fn dial_failed(&mut self, id: WireId) -> Option<(usize, Line)> {
        let wire = self.wires.remove(&id)?;
        (wire.dialer.state != SideState::Closed).then_some((wire.dialer.host, wire.line))
    }

    pub(crate) fn send(&mut self, agenda: &mut Agenda, now: Micros, id: WireId, from: End, bytes: Vec<u8>) {
        if self.wires.get(&id).is_some_and(|wire| wire.side(from).state == SideState::Open) {
            self.deliver(agenda, now, id, from.other(), Delivery::Bytes(bytes));
        }
    }

    /// Closes one end; the other hears of it behind what was sent before.
    pub(crate) fn close(&mut self, agenda: &mut Agenda, now: Micros, id: WireId, end: End) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        if wire.side(end).state != SideState::Closed {
            wire.side_mut(end).state = SideState::Closed;
            self.deliver(agenda, now, id, end.other(), Delivery::Closed);
        }
    }

    /// One end is gone without a word.
    pub(crate) fn vanish(&mut self, id: WireId, end: End) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.side_mut(end).state = SideState::Closed;
        }
    }

    /// Breaks a connection: what is on its way is lost.
    pub(crate) fn reset(&mut self, agenda: &mut Agenda, now: Micros, id: WireId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.is_reset = true;
        for end in [End::Dialer, End::Acceptor] {
            agenda.plan(now + MS, Happening::Arrive(id, end, Delivery::Closed));
        }
    }

    /// Something arrives: to whom does it go? `is_up` tells whether the process of a host runs.
    pub(crate) fn arrive(
        &mut self,
        agenda: &mut Agenda,
        now: Micros,
        id: WireId,
        end: End,
        what: &Delivery,
        is_up: impl Fn(usize) -> bool,
    ) -> Route {
        let Some(wire) = self.wires.get_mut(&id) else { return Route::Nowhere };
        let (line, is_reset) = (wire.line, wire.is_reset);
        let side = wire.side_mut(end);
        let host = side.host;
        let is_here = match (side.state, what) {
            (SideState::Waiting, Delivery::Opened) => {
                side.state = SideState::Open;
                true
            }
            (SideState::Waiting | SideState::Open, Delivery::Closed) => {
                side.state = SideState::Closed;
                true
            }
            (SideState::Open, Delivery::Bytes(_)) => !is_reset,
            (SideState::Open, Delivery::Opened)
            | (SideState::Waiting, Delivery::Bytes(_))
            | (SideState::Closed, _) => false,
        };
        if is_here {
            return Route::To(host, line);
        }
        if matches!(what, Delivery::Bytes(_)) && !is_reset && is_up(host) {
            // Nobody has this connection any more: the sender hears so.
            self.deliver(agenda, now, id, end.other(), Delivery::Closed);
        }
        self.forget_when_closed(id);
        Route::Nowhere
    }

    /// All connections that a host has an open end of.
    pub(crate) fn wires_of(&self, host: usize) -> Vec<(WireId, End)> {
        let mut found = Vec::new();
        for (id, wire) in &self.wires {
            for end in [End::Dialer, End::Acceptor] {
                let side = wire.side(end);
                if side.host == host && side.state != SideState::Closed {
                    found.push((*id, end));
                }
            }
        }
        found
    }

    /// All connections that stand.
    pub(crate) fn open_wires(&self) -> Vec<WireId> {
        let is_open =
            |wire: &Wire| wire.dialer.state == SideState::Open && wire.acceptor.state == SideState::Open;
        self.wires.iter().filter(|(_, wire)| is_open(wire)).map(|(id, _)| *id).collect()
    }

    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    /// Mends one cut; what was held back goes on its way.
    pub(crate) fn mend(&mut self, agenda: &mut Agenda, now: Micros, from: usize, to: usize) {
        let Some(count) = self.cuts.get_mut(&(from, to)) else { return };
        *count = count.saturating_sub(1);
        if *count > 0 {
            return;
        }
        self.cuts.remove(&(from, to));
        self.free(agenda, now, from, to);
    }

    /// Bytes that are sent are taken and held back, for how long nobody knows.
    pub(crate) fn clog(&mut self, from: usize, to: usize) {
        *self.clogs.entry((from, to)).or_default() += 1;
    }

    /// Ends one clog.
    pub(crate) fn unclog(&mut self, agenda: &mut Agenda, now: Micros, from: usize, to: usize) {
        let Some(count) = self.clogs.get_mut(&(from, to)) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.clogs.remove(&(from, to));
            self.free(agenda, now, from, to);
        }
    }

    /// What was held back goes on its way, in order, or is held back again.
    fn free(&mut self, agenda: &mut Agenda, now: Micros, from: usize, to: usize) {
        let mut freed = Vec::new();
        for (id, wire) in &mut self.wires {
            for end in [End::Dialer, End::Acceptor] {
                if wire.side(end).host == to && wire.side(end.other()).host == from {
                    let held = std::mem::take(&mut wire.side_mut(end).held);
                    freed.extend(held.into_iter().map(|what| (*id, end, what)));
                }
            }
        }
        for (id, end, what) in freed {
            self.deliver(agenda, now, id, end, what);
        }
    }

    /// Mends all.
    pub(crate) fn mend_all(&mut self, agenda: &mut Agenda, now: Micros) {
        self.slow.clear();
        for (from, to) in std::mem::take(&mut self.clogs).into_keys() {
            self.free(agenda, now, from, to);
        }
        for (from, to) in self.cuts.keys().copied().collect::<Vec<_>>() {
            self.cuts.insert((from, to), 1);
            self.mend(agenda, now, from, to);
        }
    }

    /// Makes a way slow, or fast again.
    pub(crate) fn set_extra_latency(&mut self, from: usize, to: usize, extra: Micros) {
        self.slow.insert((from, to), extra);
    }

    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    fn deliver(&mut self, agenda: &mut Agenda, now: Micros, id: WireId, end: End, what: Delivery) {
        let Some(wire) = self.wires.get(&id) else { return };
        let (from, to) = (wire.side(end.other()).host, wire.side(end).host);
        let is_cut = self.is_cut(from, to);
        let is_clogged = self.clogs.contains_key(&(from, to));
        let latency = self.latency(from, to);
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let side = wire.side_mut(end);
        let is_bytes = matches!(what, Delivery::Bytes(_));
        if is_cut || (is_clogged && (is_bytes || !side.held.is_empty())) {
            side.held.push(what);
            return;
        }
        side.last = side.last.max(now + latency);
        agenda.plan(side.last, Happening::Arrive(id, end, what));
    }

    fn latency(&mut self, from: usize, to: usize) -> Micros {
        let extra = self.slow.get(&(from, to)).copied().unwrap_or(0);
        let usual = self.random.between(80, 900);
        let spike = if self.random.chance(5) { self.random.between(MS, 40 * MS) } else { 0 };
        usual + spike + self.random.below(extra + 1)
    }

    fn forget_when_closed(&mut self, id: WireId) {
        let is_closed =
            |wire: &Wire| wire.dialer.state == SideState::Closed && wire.acceptor.state == SideState::Closed;
        if self.wires.get(&id).is_some_and(is_closed) {
            self.wires.remove(&id);
        }
    }
}

impl Wire {
    fn side(&self, end: End) -> &Side {
        match end {
            End::Dialer => &self.dialer,
            End::Acceptor => &self.acceptor,
        }
    }

    fn side_mut(&mut self, end: End) -> &mut Side {
        match end {
            End::Dialer => &mut self.dialer,
            End::Acceptor => &mut self.acceptor,
        }
    }
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Acceptor,
            Self::Acceptor => Self::Dialer,
        }
    }
}
