//! What servers, clients and faults share: time, agenda, network, and what is known of the course so far.

use std::sync::Arc;

use crate::agenda::Agenda;
use crate::check::{Failure, Ledger, Memberships};
use crate::clock::Micros;
use crate::marks::Marks;
use crate::net::{End, Line, Net, WireId};
use crate::plan::Plan;
use crate::random::Random;
use crate::trace::Trace;

pub(crate) struct Universe {
    pub(crate) now: Micros,
    pub(crate) plan: Plan,
    pub(crate) agenda: Agenda,
    pub(crate) net: Net,
    pub(crate) random: Random,
    pub(crate) trace: Trace,
    pub(crate) marks: Marks,
    pub(crate) ledger: Ledger,
    pub(crate) memberships: Memberships,
    /// The first thing that went wrong.
    pub(crate) failure: Option<Failure>,
    /// The machine whose disk has lost bits, if there is one.
    pub(crate) rotten: Option<usize>,
    /// When the last fault began or ended.
    pub(crate) quiet_since: Micros,
}

impl Universe {
    pub(crate) fn new(plan: Plan, is_told: bool) -> Self {
        let seed = plan.seed;
        Self {
            now: 0,
            agenda: Agenda::default(),
            net: Net::new(Random::stream(seed, "net")),
            random: Random::stream(seed, "world"),
            trace: Trace::new(is_told),
            marks: Marks::default(),
            ledger: Ledger::new(plan.servers()),
            memberships: Memberships::new(Arc::clone(&plan.verifier), plan.servers()),
            failure: None,
            rotten: None,
            quiet_since: 0,
            plan,
        }
    }

    /// The run has failed; the first failure stays.
    pub(crate) fn fail(&mut self, failure: Failure) {
        let now = self.now;
        self.trace.say(now, || format!("FAILURE {failure}"));
        self.failure.get_or_insert(failure);
    }

    /// Whether this bug was put in.
    pub(crate) fn has_bug(&self, name: &str) -> bool {
        self.plan.sabotage.is(name)
    }

    /// Whether faults have ended for good.
    pub(crate) fn is_healing(&self) -> bool {
        self.now >= self.plan.faulty
    }

    /// Fails unless all is well.
    pub(crate) fn check(&mut self, checked: Result<(), Failure>) {
        if let Err(failure) = checked {
            self.fail(failure);
        }
    }

    pub(crate) fn dial(&mut self, line: Line, from: usize, to: usize) -> WireId {
        self.net.dial(&mut self.agenda, self.now, line, from, to)
    }

    pub(crate) fn send(&mut self, wire: WireId, from: End, bytes: Vec<u8>) {
        self.trace.mark_bytes(&bytes);
        self.net.send(&mut self.agenda, self.now, wire, from, bytes);
    }

    pub(crate) fn close(&mut self, wire: WireId, end: End) {
        self.net.close(&mut self.agenda, self.now, wire, end);
    }
}
