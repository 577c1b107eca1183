//! What will happen, in the order of time; what happens at the same time does so in the order in which it was planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use zab::{Attempt, LinkId};

use crate::clock::Micros;
use crate::faults::Mend;
use crate::net::{Delivery, End, WireId};
use crate::operator::Operation;

/// A server's life: from a start to the next one.
pub(crate) type Life = u64;

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// Someone who dials reaches the other end.
    Ring(WireId),
    /// Something comes to an end of a wire.
    Arrive(WireId, End, Delivery),
    /// A dial came to nothing.
    DialFailed(WireId),
    /// Something of a server, unless it has died meanwhile.
    Server(usize, Life, ServerTurn),
    /// A dead server starts.
    Start(usize),
    /// A paused server goes on.
    Resume(usize),
    /// A client looks at its clock.
    Client(usize),
    /// The next fault.
    Fault,
    /// A fault ends.
    Mend(Mend),
    /// An operator does something with a machine.
    Operate(Operation),
}

/// A turn of a server's threads and timers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerTurn {
    /// The replica thread takes what waits.
    Work,
    /// A deadline or a tick.
    Timer,
    /// The disk thread is done with what it took.
    DiskDone,
    /// The snapshot thread writes on.
    Snapshot,
    /// A learner's snapshot is sent on.
    Stream(LinkId),
    /// Another try to reach the leader.
    Dial(Attempt),
}

/// All that is planned.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Planned>,
    planned: u64,
}

#[derive(Debug)]
struct Planned {
    at: Micros,
    number: u64,
    what: Happening,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: Micros, what: Happening) {
        self.planned += 1;
        self.heap.push(Planned { at, number: self.planned, what });
    }

    pub(crate) fn next(&mut self) -> Option<(Micros, Happening)> {
        self.heap.pop().map(|planned| (planned.at, planned.what))
    }
}

impl Ord for Planned {
    /// The greatest is what happens first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Planned {}
