//! What the driver believes the tree holds: enough to aim requests, not enough to predict replies.

use std::collections::HashMap;

use crate::wire::Random;

/// A node that a reply said was created.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known {
    at: usize,
    children: usize,
    /// The run's number of the session that owns it.
    pub(crate) session: Option<usize>,
    /// What the server stores as owner where clients are shown 0.
    pub(crate) stored_owner: i64,
}

#[derive(Default)]
pub(crate) struct Model {
    paths: Vec<Vec<u8>>,
    known: HashMap<Vec<u8>, Known>,
}

impl Model {
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    pub(crate) fn known(&self, path: &[u8]) -> Option<&Known> {
        self.known.get(path)
    }

    pub(crate) fn insert(&mut self, path: &[u8], session: Option<usize>, stored_owner: i64) {
        if self.known.contains_key(path) {
            return;
        }
        self.known.insert(path.to_vec(), Known { at: self.paths.len(), children: 0, session, stored_owner });
        self.paths.push(path.to_vec());
        if let Some(parent) = self.known.get_mut(parent(path)) {
            parent.children += 1;
        }
    }

    pub(crate) fn remove(&mut self, path: &[u8]) {
        let Some(gone) = self.known.remove(path) else { return };
        self.paths.swap_remove(gone.at);
        if let Some(moved) = self.paths.get(gone.at)
            && let Some(moved) = self.known.get_mut(moved)
        {
            moved.at = gone.at;
        }
        if let Some(parent) = self.known.get_mut(parent(path)) {
            parent.children -= 1;
        }
    }

    pub(crate) fn close(&mut self, session: usize) {
        let owned = |path: &&Vec<u8>| self.known.get(*path).is_some_and(|node| node.session == Some(session));
        let gone: Vec<Vec<u8>> = self.paths.iter().filter(owned).cloned().collect();
        for path in gone {
            self.remove(&path);
        }
    }

    /// Any node below `prefix`.
    pub(crate) fn any(&self, random: &mut Random) -> Option<&[u8]> {
        (!self.paths.is_empty()).then(|| random.pick(&self.paths).as_slice())
    }

    pub(crate) fn leaf(&self, random: &mut Random) -> Option<&[u8]> {
        self.try_pick(random, |node| node.children == 0)
    }

    pub(crate) fn ephemeral(&self, random: &mut Random) -> Option<&[u8]> {
        self.try_pick(random, |node| node.session.is_some())
    }

    pub(crate) fn with_children(&self, random: &mut Random) -> Option<&[u8]> {
        self.try_pick(random, |node| node.children > 0)
    }

    fn try_pick(&self, random: &mut Random, wanted: impl Fn(&Known) -> bool) -> Option<&[u8]> {
        const TRIES: usize = 24;
        (0..TRIES).filter_map(|_| self.any(random)).find(|path| self.known.get(*path).is_some_and(&wanted))
    }
}

/// All before the last slash.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    &path[..end]
}
