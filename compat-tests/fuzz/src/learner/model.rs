//! What a learner must not do, whatever it hears.

use std::collections::VecDeque;

use jute::Zxid;
use zab::{LearnerAction, Packet};

/// What a disk was asked for and did, and what the learner said meanwhile.
pub(super) struct Model {
    is_observer: bool,
    accepted_epoch: i32,
    current_epoch: i32,
    /// From the first LEADERINFO.
    epoch: i32,
    is_introduced: bool,
    asked: VecDeque<Asked>,
    /// Where the log began for this learner: what is at or below it is durable.
    base: Zxid,
    /// Appended behind it.
    log: Vec<Zxid>,
    durable: Zxid,
    applied: Zxid,
    /// Between a state that was adopted and the wish to make it durable.
    is_fuzzy: bool,
    /// What came before the first NEWLEADER.
    last_proposal: Option<Zxid>,
    owed_before_epoch: Option<Option<Zxid>>,
    newleader_acked: bool,
    is_serving: bool,
    /// The log does not end where the leader goes on.
    must_leave: bool,
    has_left: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Append(Zxid),
    AcceptedEpoch(i32),
    CurrentEpoch(i32),
    Truncate(Zxid),
    Install(Zxid),
}

/// What the disk says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Durable(Zxid),
    AcceptedEpoch,
    CurrentEpoch,
    Truncated(Result<Zxid, String>),
    Installed,
}

impl Model {
    pub(super) fn new(is_observer: bool, accepted_epoch: i32, current_epoch: i32, last: Zxid) -> Self {
        Self {
            is_observer,
            accepted_epoch,
            current_epoch,
            epoch: accepted_epoch,
            is_introduced: false,
            asked: VecDeque::new(),
            base: last,
            log: Vec::new(),
            durable: last,
            applied: last,
            is_fuzzy: false,
            last_proposal: None,
            owed_before_epoch: None,
            newleader_acked: false,
            is_serving: false,
            must_leave: false,
            has_left: false,
        }
    }

    pub(super) fn leader_epoch(&self) -> i32 {
        self.epoch
    }

    pub(super) fn durable(&self) -> Zxid {
        self.durable
    }

    pub(super) fn has_left(&self) -> bool {
        self.has_left
    }

    pub(super) fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    pub(super) fn next_uncommitted(&self) -> Option<Zxid> {
        self.log.iter().copied().find(|zxid| *zxid > self.applied)
    }

    pub(super) fn appended_and_not_applied(&self) -> Vec<Zxid> {
        self.log.iter().copied().filter(|zxid| *zxid > self.applied).collect()
    }

    pub(super) fn awaits(&self, answer: &Answer) -> bool {
        self.asked.iter().any(|asked| match asked {
            Asked::Append(_) => matches!(answer, Answer::Durable(_)),
            Asked::AcceptedEpoch(_) => *answer == Answer::AcceptedEpoch,
            Asked::CurrentEpoch(_) => *answer == Answer::CurrentEpoch,
            Asked::Truncate(_) => matches!(answer, Answer::Truncated(_)),
            Asked::Install(_) => *answer == Answer::Installed,
        })
    }

    /// A packet is about to be given to the learner.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed owes nothing")]
    pub(super) fn hear(&mut self, packet: &Packet) {
        match packet {
            Packet::Proposal(record) | Packet::Inform(record) | Packet::InformAndActivate { record, .. } => {
                self.last_proposal = self.last_proposal.max(Some(record.header.zxid));
            }
            Packet::NewLeader { .. } if self.owed_before_epoch.is_none() => {
                self.owed_before_epoch = Some(self.last_proposal);
            }
            Packet::LeaderInfo { zxid, .. } if !self.is_introduced => {
                self.epoch = zxid.epoch();
                self.is_introduced = true;
            }
            _ => {}
        }
    }

    /// The disk does what it was asked for first.
    pub(super) fn carry_out(&mut self, choice: u8) -> Option<Answer> {
        Some(match self.asked.pop_front()? {
            Asked::Append(zxid) => {
                self.durable = zxid;
                Answer::Durable(zxid)
            }
            Asked::AcceptedEpoch(epoch) => {
                self.accepted_epoch = epoch;
                Answer::AcceptedEpoch
            }
            Asked::CurrentEpoch(epoch) => {
                self.current_epoch = epoch;
                Answer::CurrentEpoch
            }
            Asked::Truncate(to) => Answer::Truncated(self.truncate(to, choice)),
            Asked::Install(zxid) => {
                self.durable = zxid;
                Answer::Installed
            }
        })
    }

    fn truncate(&mut self, to: Zxid, choice: u8) -> Result<Zxid, String> {
        let end = match choice % 8 {
            1 => {
                self.must_leave = true;
                return Err("no such record".to_string());
            }
            2 => Zxid((to.0 - 1).max(0)),
            3 => Zxid::ZERO,
            4 => self.base.max(to),
            _ => to,
        };
        self.must_leave = end != to;
        self.base = end;
        self.durable = end;
        self.applied = end;
        self.log.clear();
        Ok(end)
    }

    /// What the learner wants done is checked, and remembered.
    pub(super) fn check(&mut self, actions: &[LearnerAction]) {
        for action in actions {
            assert!(!self.has_left, "{action:?} after it has left");
            self.check_one(action);
        }
        assert!(self.has_left || !self.must_leave, "goes on behind a cut that is none");
        assert!(!self.is_fuzzy, "a state was adopted, and nobody makes it durable");
    }

    fn check_one(&mut self, action: &LearnerAction) {
        match action {
            LearnerAction::Append(record) => self.check_append(record.header.zxid),
            LearnerAction::Apply(record) => self.check_apply(record.header.zxid),
            LearnerAction::ApplyFuzzy(record) => {
                assert!(self.is_fuzzy, "applied with tolerance outside of its window");
                assert!(record.header.zxid > self.applied, "applied twice");
                self.applied = record.header.zxid;
            }
            LearnerAction::Send(packet) => self.check_packet(packet),
            LearnerAction::WriteAcceptedEpoch(epoch) => {
                assert!(*epoch > self.accepted_epoch, "an epoch goes forward");
                self.asked.push_back(Asked::AcceptedEpoch(*epoch));
            }
            LearnerAction::WriteCurrentEpoch(epoch) => self.check_current_epoch(*epoch),
            LearnerAction::Truncate(to) => {
                assert!(self.log.is_empty() && self.asked.is_empty(), "cut after it was written");
                assert!(Zxid::ZERO <= *to && *to <= self.base, "cut where there is nothing");
                self.asked.push_back(Asked::Truncate(*to));
            }
            LearnerAction::AdoptSnapshot { zxid } => {
                assert!(self.log.is_empty() && self.asked.is_empty(), "a state behind transactions");
                self.is_fuzzy = true;
                self.applied = *zxid;
            }
            LearnerAction::InstallSnapshot { zxid } => {
                assert!(self.is_fuzzy && *zxid == self.applied, "a snapshot of another state");
                self.is_fuzzy = false;
                self.base = *zxid;
                self.asked.push_back(Asked::Install(*zxid));
            }
            LearnerAction::Serve { epoch } => {
                assert!(
                    self.newleader_acked && !self.is_serving && self.current_epoch == *epoch,
                    "served early"
                );
                self.is_serving = true;
            }
            LearnerAction::See(_) => {}
            LearnerAction::Activate { appointed, .. } => {
                let is_applied = appointed.is_none_or(|(_, zxid)| zxid <= self.applied);
                assert!(is_applied, "in force before it is applied");
            }
            LearnerAction::AnswerPing { .. } | LearnerAction::Revalidated { .. } | LearnerAction::Synced => {
                assert!(self.is_serving, "answered before UPTODATE");
            }
            LearnerAction::GiveUpHistory { .. } => self.log.clear(),
            LearnerAction::Leave { .. } => self.has_left = true,
            LearnerAction::Dial { .. } | LearnerAction::Note(_) => {}
        }
    }

    fn check_append(&mut self, zxid: Zxid) {
        let is_cut = self.asked.iter().any(|asked| matches!(asked, Asked::Truncate(_) | Asked::Install(_)));
        assert!(!is_cut, "appended to a log that is being replaced");
        let last = self.log.last().copied().unwrap_or(self.base);
        let goes_on = zxid.0 == last.0 + 1 || zxid.epoch() > last.epoch();
        assert!(goes_on && zxid.epoch() <= self.epoch, "{zxid} appended behind {last}");
        self.log.push(zxid);
        self.asked.push_back(Asked::Append(zxid));
    }

    fn check_apply(&mut self, zxid: Zxid) {
        assert_eq!(self.next_uncommitted(), Some(zxid), "applied out of order, or without being logged");
        self.applied = zxid;
    }

    fn check_current_epoch(&mut self, epoch: i32) {
        let owed =
            self.owed_before_epoch.expect("the current epoch is written after NEWLEADER").unwrap_or_default();
        let dropped = owed <= self.base;
        assert!(dropped || self.durable >= owed, "{owed} is not durable and the epoch is written");
        assert!(epoch == self.epoch && epoch <= self.accepted_epoch, "an epoch that was not accepted");
        self.asked.push_back(Asked::CurrentEpoch(epoch));
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a learner says nothing else by itself")]
    fn check_packet(&mut self, packet: &Packet) {
        match packet {
            Packet::Ack(zxid) if *zxid == Zxid::from_parts(self.epoch, 0) => {
                assert_eq!(
                    self.current_epoch, self.epoch,
                    "NEWLEADER acknowledged before the epoch is durable"
                );
                self.newleader_acked = true;
            }
            Packet::Ack(zxid) => {
                assert!(self.newleader_acked, "the first ACK is not that of NEWLEADER");
                assert!(!self.is_observer, "an observer acknowledges");
                // The last zxid again is acknowledged again, also when it came before this learner.
                let is_ours = *zxid == self.base || self.log.contains(zxid);
                assert!(*zxid <= self.durable && is_ours, "{zxid} acknowledged, not durable");
            }
            Packet::AckEpoch { last, current_epoch } => {
                assert_eq!(
                    (*last, self.accepted_epoch),
                    (self.base, self.epoch),
                    "an epoch that is not durable"
                );
                assert!(
                    current_epoch.is_none_or(|epoch| epoch == self.current_epoch),
                    "another current epoch"
                );
            }
            Packet::FollowerInfo(_) => {
                assert!(!self.is_observer, "an observer introduces itself as a follower")
            }
            Packet::ObserverInfo(_) => {
                assert!(self.is_observer, "a follower introduces itself as an observer")
            }
            other => unreachable!("a learner says {}", other.name()),
        }
    }
}
