//! What is asked, and of which nodes.

use std::sync::Arc;

use jute::OpCode;

use super::connection::{Connection, Kind};
use super::wire;

/// Operations of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// getData.
    Get,
    /// exists.
    Exists,
    /// getChildren2 of the node with all the others below it.
    List,
    /// setData.
    Set,
    /// create2 of new nodes.
    Create,
    /// create2 of new nodes that all have one parent.
    Children,
    /// getData with a watch of one node after the other.
    Watches,
    /// create2, then delete of the same node; each counts.
    CreateDelete,
    /// A multi of so many setData.
    Multi(usize),
    /// setData so often out of a hundred times, else getData.
    Mixed(u64),
    /// getData with a watch, and setData, which fires it; the event counts, from the moment when the set was sent.
    Watch,
}

/// The nodes of a load.
#[derive(Debug)]
pub(super) struct Nodes {
    /// Below it is everything.
    pub(super) root: String,
    /// Those that are read and set.
    pub(super) paths: Vec<String>,
    /// What they hold.
    pub(super) data: Vec<u8>,
}

/// What one connection asks for next.
#[derive(Debug)]
pub(super) struct Asker {
    work: Work,
    nodes: Arc<Nodes>,
    random: u64,
    /// The parent of what it creates, or the node that it watches.
    own: String,
    created: u64,
    is_created: bool,
    /// When the set was due whose event is waited for.
    watched_since_ns: u64,
}

impl Nodes {
    pub(super) fn new(root: &str, count: usize, size: usize) -> Self {
        let paths = (0..count).map(|number| format!("{root}/n{number:07}")).collect();
        Self { root: root.to_owned(), paths, data: vec![b'x'; size] }
    }

    /// The node of a connection.
    pub(super) fn own(&self, connection: usize) -> String {
        format!("{}/c{connection:05}", self.root)
    }
}

impl Asker {
    pub(super) fn new(work: Work, nodes: Arc<Nodes>, connection: usize) -> Self {
        let own = nodes.own(connection);
        let random = (connection as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { work, nodes, random, own, created: 0, is_created: false, watched_since_ns: 0 }
    }

    /// Puts the next operation into the connection's burst.
    pub(super) fn ask(&mut self, to: &mut Connection, since_ns: u64) {
        match self.work {
            Work::Get => self.read(to, since_ns, OpCode::GetData),
            Work::Exists => self.read(to, since_ns, OpCode::Exists),
            Work::List => {
                let root = &self.nodes.root;
                to.ask(Kind::Read, since_ns, |out, number| {
                    wire::read(out, number, OpCode::GetChildren2, root, false);
                });
            }
            Work::Set => self.set(to, since_ns),
            Work::Mixed(writes) => match self.draw(100) < writes {
                true => self.set(to, since_ns),
                false => self.read(to, since_ns, OpCode::GetData),
            },
            Work::Create => self.create(to, since_ns, "/"),
            Work::Children => self.create(to, since_ns, "-"),
            Work::Watches => self.add_watch(to, since_ns),
            Work::CreateDelete => self.create_or_delete(to, since_ns),
            Work::Multi(count) => {
                let places: Vec<usize> = (0..count).map(|_| self.place()).collect();
                let nodes = &self.nodes;
                let paths = places.iter().filter_map(|place| nodes.paths.get(*place)).map(String::as_str);
                to.ask(Kind::Write, since_ns, |out, number| {
                    wire::multi_set(out, number, paths, &nodes.data);
                });
            }
            Work::Watch => {
                self.watched_since_ns = since_ns;
                let (own, data) = (&self.own, &self.nodes.data);
                to.ask(Kind::Part, since_ns, |out, number| {
                    wire::read(out, number, OpCode::GetData, own, true);
                });
                to.ask(Kind::Part, since_ns, |out, number| wire::set(out, number, own, data));
            }
        }
    }

    /// Since when the event that came was waited for.
    pub(super) fn watched_since_ns(&self) -> u64 {
        self.watched_since_ns
    }

    /// A node of this connection alone: below its own one, or beside it.
    fn create(&mut self, to: &mut Connection, since_ns: u64, separator: &str) {
        let path = format!("{}{separator}{:09}", self.own, self.created);
        self.created += 1;
        let data = &self.nodes.data;
        to.ask(Kind::Write, since_ns, |out, number| wire::create(out, number, &path, data, 0));
    }

    fn add_watch(&mut self, to: &mut Connection, since_ns: u64) {
        let place = usize::try_from(self.created).unwrap_or(usize::MAX);
        let Some(path) = self.nodes.paths.get(place) else { return };
        self.created += 1;
        to.ask(Kind::Read, since_ns, |out, number| wire::read(out, number, OpCode::GetData, path, true));
    }

    fn read(&mut self, to: &mut Connection, since_ns: u64, op: OpCode) {
        let place = self.place();
        let Some(path) = self.nodes.paths.get(place) else { return };
        to.ask(Kind::Read, since_ns, |out, number| wire::read(out, number, op, path, false));
    }

    fn set(&mut self, to: &mut Connection, since_ns: u64) {
        let place = self.place();
        let Some(path) = self.nodes.paths.get(place) else { return };
        let data = &self.nodes.data;
        to.ask(Kind::Write, since_ns, |out, number| wire::set(out, number, path, data));
    }

    fn create_or_delete(&mut self, to: &mut Connection, since_ns: u64) {
        let path = format!("{}/{:09}", self.own, self.created);
        let data = &self.nodes.data;
        let deletes = self.is_created;
        self.is_created = !deletes;
        self.created += u64::from(deletes);
        to.ask(Kind::Write, since_ns, |out, number| match deletes {
            true => wire::delete(out, number, &path),
            false => wire::create(out, number, &path, data, 0),
        });
    }

    fn place(&mut self) -> usize {
        usize::try_from(self.draw(self.nodes.paths.len() as u64)).unwrap_or(0)
    }

    /// A number below `bound`, by a xorshift.
    fn draw(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.checked_rem(bound).unwrap_or(0)
    }
}
