//! Memberships as a learner hears of them: proposed, in force, or told with NEWLEADER.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ensemble::{ServerId, Verifier};
use jute::{Txn, TxnRecord};

use super::{Departure, Learner, LearnerAction, LearnerNote};

impl Learner {
    /// A proposal may change the membership; false when we have left because of it.
    // zk: Follower.processPacket, Learner.syncWithLeader: QuorumPeer.setLastSeenQuorumVerifier
    pub(super) fn see(&mut self, record: &TxnRecord, out: &mut Vec<LearnerAction>) -> bool {
        match self.membership_of(record) {
            Ok(verifier) => out.extend(verifier.map(LearnerAction::See)),
            Err(why) => {
                self.leave(why, out);
                return false;
            }
        }
        true
    }

    /// The membership of a transaction is in force, and that server leads.
    pub(super) fn activation(
        &self,
        record: &TxnRecord,
        leader: i64,
    ) -> Result<Option<LearnerAction>, Departure> {
        let appointed = Some((ServerId(leader), record.header.zxid));
        let verifier = self.membership_of(record)?;
        Ok(verifier.map(|verifier| LearnerAction::Activate { verifier, appointed }))
    }

    /// The membership that the leader begins with; it is in force when the leader says UPTODATE.
    // zk: Learner.syncWithLeader, NEWLEADER
    pub(super) fn see_new_leader(&mut self, config: Option<String>, out: &mut Vec<LearnerAction>) {
        let Some(text) = config.filter(|text| self.settings.reconfig_enabled && text.len() > 1) else {
            return;
        };
        match Verifier::from_text(&text, self.settings.multi_address) {
            Ok(verifier) => {
                let verifier = Arc::new(verifier);
                out.push(LearnerAction::See(Arc::clone(&verifier)));
                self.config = Some(verifier);
            }
            Err(_) => out.push(LearnerAction::Note(LearnerNote::BadMembership)),
        }
    }

    /// What a transaction makes the membership, where that may change.
    // zk: QuorumPeer.configFromString
    fn membership_of(&self, record: &TxnRecord) -> Result<Option<Arc<Verifier>>, Departure> {
        let Txn::Reconfig(txn) = &record.txn else { return Ok(None) };
        if !self.settings.reconfig_enabled {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(txn.data.as_deref().unwrap_or_default());
        match Verifier::from_text(&text, self.settings.multi_address) {
            Ok(verifier) => Ok(Some(Arc::new(verifier))),
            Err(_) => Err(Departure::BadMembership(record.header.zxid)),
        }
    }
}
