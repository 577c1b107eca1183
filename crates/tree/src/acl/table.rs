use alloc::{sync::Arc, vec, vec::Vec};

use hashbrown::HashMap;
use jute::data::Acl;

use super::AclList;

/// Place of a list in the table.
pub(crate) type AclId = u32;

/// The list that lets everybody do everything; it is never counted.
pub(crate) const OPEN: AclId = 0;
/// The key that stands for it in snapshots.
// zk: ReferenceCountedACLCache.OPEN_UNSAFE_ACL_ID
const OPEN_KEY: i64 = -1;

/// Distinct lists with the keys that snapshots use, and how many znodes use each.
///
/// * A list with no users is not in the table, other than while a snapshot is read.
/// * A key that a snapshot uses but does not define stands for a list that grants nothing.
// zk: ReferenceCountedACLCache
#[derive(Debug)]
pub(crate) struct AclTable {
    entries: Vec<Entry>,
    free: Vec<AclId>,
    by_list: HashMap<AclList, AclId>,
    key_last: i64,
}

#[derive(Debug)]
struct Entry {
    key: i64,
    list: AclList,
    users: u64,
    is_defined: bool,
}

impl AclTable {
    pub(crate) fn new() -> Self {
        let list: AclList = super::open().into();
        let open = Entry { key: OPEN_KEY, list, users: 1, is_defined: true };
        Self { entries: vec![open], free: Vec::new(), by_list: HashMap::new(), key_last: 0 }
    }

    /// Lists other than the open one.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - 1 - self.free.len()
    }

    /// Adds a user to the list, or to the open list when there is none.
    // zk: ReferenceCountedACLCache.convertAcls
    pub(crate) fn acquire(&mut self, acl: Option<&[Acl]>) -> AclId {
        let Some(acl) = acl else { return OPEN };
        let id = match self.by_list.get(acl) {
            Some(id) => *id,
            None => {
                self.key_last += 1;
                self.add(self.key_last, acl.into(), true)
            }
        };
        self.entry_mut(id).users += 1;
        id
    }

    /// Takes a user from the list.
    // zk: ReferenceCountedACLCache.removeUsage
    pub(crate) fn release(&mut self, id: AclId) {
        if id == OPEN {
            return;
        }
        let entry = self.entry_mut(id);
        entry.users = entry.users.saturating_sub(1);
        if entry.users == 0 {
            self.remove(id);
        }
    }

    pub(crate) fn list(&self, id: AclId) -> &AclList {
        &self.entry(id).list
    }

    pub(crate) fn key(&self, id: AclId) -> i64 {
        self.entry(id).key
    }

    /// The keys of all places, and the lists in use, in the order of their keys.
    pub(crate) fn copy(&self) -> (Vec<i64>, Vec<(i64, AclList)>) {
        let keys = self.entries.iter().map(|entry| entry.key).collect();
        let used = self.entries.iter().skip(1).filter(|entry| entry.users > 0);
        let mut lists: Vec<_> = used.map(|entry| (entry.key, entry.list.clone())).collect();
        lists.sort_unstable_by_key(|(key, _)| *key);
        (keys, lists)
    }

    /// Adds a list from a snapshot, without users.
    // zk: ReferenceCountedACLCache.deserialize
    pub(crate) fn define(&mut self, key: i64, acl: &[Acl]) -> AclId {
        self.add(key, acl.into(), true)
    }

    /// Adds a key that a snapshot uses but does not define.
    // diverges(acl-undefined): the reference fails at each use of the znode; here nobody may use it until its ACL is set
    pub(crate) fn leave_undefined(&mut self, key: i64) -> AclId {
        self.add(key, Arc::from([super::of_anyone(0)]), false)
    }

    /// Adds a user to a list of a snapshot.
    pub(crate) fn add_user(&mut self, id: AclId) {
        if id != OPEN {
            self.entry_mut(id).users += 1;
        }
    }

    /// Removes the lists that have no users.
    // zk: ReferenceCountedACLCache.purgeUnused
    pub(crate) fn purge_unused(&mut self) {
        let is_free: hashbrown::HashSet<AclId> = self.free.iter().copied().collect();
        let unused: Vec<AclId> =
            (1..).zip(self.entries.iter().skip(1)).filter(|(_, e)| e.users == 0).map(|(id, _)| id).collect();
        for id in unused.into_iter().filter(|id| !is_free.contains(id)) {
            self.remove(id);
        }
    }

    fn add(&mut self, key: i64, list: AclList, is_defined: bool) -> AclId {
        self.key_last = self.key_last.max(key);
        let entry = Entry { key, list: list.clone(), users: 0, is_defined };
        let id = match self.free.pop() {
            Some(id) => {
                *self.entry_mut(id) = entry;
                id
            }
            None => {
                self.entries.push(entry);
                AclId::try_from(self.entries.len() - 1).expect("invariant: fewer lists than znodes")
            }
        };
        if is_defined {
            self.by_list.insert(list, id);
        }
        id
    }

    fn remove(&mut self, id: AclId) {
        let list = core::mem::replace(&mut self.entry_mut(id).list, Arc::from([]));
        if self.entry(id).is_defined && self.by_list.get(&list) == Some(&id) {
            self.by_list.remove(&list);
        }
        self.free.push(id);
    }

    fn entry(&self, id: AclId) -> &Entry {
        self.entries.get(id as usize).expect("invariant: a znode's list is in the table")
    }

    fn entry_mut(&mut self, id: AclId) -> &mut Entry {
        self.entries.get_mut(id as usize).expect("invariant: a znode's list is in the table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_share_a_key_until_the_last_user_goes() {
        let mut table = AclTable::new();
        let (one, two) = (super::super::read_only(), super::super::open());
        let first = table.acquire(Some(&one));
        assert_eq!(table.acquire(Some(&one)), first);
        let second = table.acquire(Some(&two));
        assert_ne!(second, OPEN, "only an absent list is the open one");
        assert_eq!((table.key(first), table.key(second), table.key(OPEN)), (1, 2, -1));
        table.release(first);
        assert_eq!(table.len(), 2);
        table.release(first);
        assert_eq!(table.len(), 1);
        let again = table.acquire(Some(&one));
        assert_eq!(table.key(again), 3, "keys are not used again");
        assert_eq!(table.acquire(None), OPEN);
    }

    #[test]
    fn what_a_snapshot_defines_and_nobody_uses_is_purged() {
        let mut table = AclTable::new();
        let used = table.define(7, &super::super::read_only());
        table.define(9, &[]);
        table.add_user(used);
        table.purge_unused();
        table.purge_unused();
        assert_eq!(table.copy().1.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [7]);
        let undefined = table.leave_undefined(12);
        assert!(!super::super::check(Some(table.list(undefined)), 31, &[], &Default::default()));
        let new = table.acquire(Some(&[]));
        assert_eq!(table.key(new), 13);
    }
}
