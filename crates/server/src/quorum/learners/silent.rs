//! Links on which nothing was said yet: who only connects must not keep learners out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use zab::LinkId;

use super::reader::Ending;
use crate::shell::lock;

/// The links without a packet so far, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Silent(Arc<Mutex<BTreeMap<LinkId, Ending>>>);

/// That a link is silent; dropped with its first packet, or its end.
#[derive(Debug)]
pub(super) struct Silence {
    link: LinkId,
    all: Silent,
}

impl Silent {
    pub(super) fn add(&self, link: LinkId, ending: Ending) -> Silence {
        lock(&self.0).insert(link, ending);
        Silence { link, all: self.clone() }
    }

    /// Ends the oldest; false when all have spoken.
    pub(super) fn evict(&self) -> bool {
        let oldest = lock(&self.0).pop_first();
        match oldest {
            Some((_, ending)) => {
                ending.because("it said nothing, and another wants its place".to_owned());
                true
            }
            None => false,
        }
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        lock(&self.all.0).remove(&self.link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_silent_link_gives_way_and_who_has_spoken_stays() {
        let silent = Silent::default();
        let endings: Vec<Ending> = (0..4).map(|_| Ending::default()).collect();
        let mut silences: Vec<Option<Silence>> = (1..)
            .zip(&endings)
            .map(|(link, ending)| Some(silent.add(LinkId(link), ending.clone())))
            .collect();
        // The first speaks, the third ends.
        silences[0] = None;
        silences[2] = None;
        let ended = || endings.iter().map(|ending| ending.why().is_some()).collect::<Vec<_>>();
        assert_eq!(ended(), [false, false, false, false]);
        assert!(silent.evict());
        assert_eq!(ended(), [false, true, false, false]);
        assert!(silent.evict());
        assert_eq!(ended(), [false, true, false, true]);
        assert!(!silent.evict(), "nobody is left who has said nothing");
    }
}
