use alloc::{boxed::Box, sync::Arc};
use core::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use jute::data::StatPersisted;

use crate::acl::AclId;
use crate::state::{Node, NodeId, PayloadShape};

const BITS: u32 = 64;

/// Which places a walk need not be told of any more: those it has read, and those that were free when it began.
///
/// The walk marks places while it holds the state for reading, changes look while they hold it for writing; the lock
/// orders the two, so that no ordering is asked of the atomics.
#[derive(Debug)]
pub(crate) struct Settled {
    bits: Box<[AtomicU64]>,
    places: usize,
}

impl Settled {
    pub(crate) fn new(places: usize) -> Self {
        let words = places.div_ceil(BITS as usize);
        Self { bits: (0..words).map(|_| AtomicU64::new(0)).collect(), places }
    }

    pub(crate) fn mark(&self, id: NodeId) {
        if let Some(word) = self.bits.get((id / BITS) as usize) {
            word.fetch_or(1 << (id % BITS), Ordering::Relaxed);
        }
    }

    /// Whether the walk needs nothing of this place; also true for places that were added later.
    fn contains(&self, id: NodeId) -> bool {
        let word = self.bits.get((id / BITS) as usize).map_or(u64::MAX, |word| word.load(Ordering::Relaxed));
        id as usize >= self.places || word & 1 << (id % BITS) != 0
    }
}

/// What one running snapshot has not read and what has changed since it began.
#[derive(Debug)]
pub(crate) struct OldValues {
    settled: Arc<Settled>,
    originals: HashMap<NodeId, Original>,
}

/// A znode as it was. Name and data stay in the arena until they change there.
#[derive(Debug)]
pub(crate) struct Original {
    pub(crate) stat: StatPersisted,
    pub(crate) acl: AclId,
    pub(crate) first_child: NodeId,
    pub(crate) next: NodeId,
    pub(crate) payload: Option<(Box<[u8]>, PayloadShape)>,
}

impl Original {
    pub(crate) fn of(node: &Node) -> Self {
        let (first_child, next) = node.walk_links();
        Self { stat: *node.stat(), acl: node.acl(), first_child, next, payload: None }
    }
}

impl OldValues {
    pub(crate) fn new(settled: Arc<Settled>) -> Self {
        Self { settled, originals: HashMap::new() }
    }

    /// Whether the snapshot is still being read.
    pub(crate) fn is_wanted(&self) -> bool {
        Arc::strong_count(&self.settled) > 1
    }

    pub(crate) fn is_for(&self, settled: &Arc<Settled>) -> bool {
        Arc::ptr_eq(&self.settled, settled)
    }

    pub(crate) fn get(&self, id: NodeId) -> Option<&Original> {
        self.originals.get(&id)
    }

    /// How many znodes are kept.
    pub(crate) fn len(&self) -> usize {
        self.originals.len()
    }

    /// Before the first change of a znode: keeps it, unless the snapshot needs it no more.
    pub(crate) fn keep(&mut self, id: NodeId, original: impl FnOnce() -> Original) {
        if !self.settled.contains(id) {
            self.originals.entry(id).or_insert_with(original);
        }
    }

    /// After a change of name or data, which [`Self::keep`] went before: keeps what was there.
    pub(crate) fn keep_payload(&mut self, id: NodeId, payload: &[u8], shape: PayloadShape) {
        if self.settled.contains(id) {
            return;
        }
        if let Some(original) = self.originals.get_mut(&id)
            && original.payload.is_none()
        {
            original.payload = Some((Box::from(payload), shape));
        }
    }

    /// A new znode takes a free place: when it was free from the beginning, the snapshot does not know of it.
    pub(crate) fn skip(&mut self, id: NodeId) {
        if !self.originals.contains_key(&id) {
            self.settled.mark(id);
        }
    }
}
