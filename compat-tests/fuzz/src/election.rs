//! Election messages, and a peer that hears them.

use std::sync::Arc;

use election::{Action, Election, ElectionSettings, Notification, PeerState, Vote};
use ensemble::{LearnerType, ServerId, Verifier};
use jute::Zxid;

use crate::heap::in_proportion;

/// Actions of one event: a vote to each voter, an answer, a decision, and notes.
const ACTIONS_MAX: usize = 16;
const MEMBERSHIPS: [&str; 3] = [
    "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2",
    "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer\nversion=5",
    "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\ngroup.1=1:2:3\nweight.3=0",
];

/// The first byte chooses who we are; events follow: a byte that says what happens or who sends, and with a message its
/// length in two bytes.
pub fn election(input: &[u8]) {
    let Some((choice, mut rest)) = input.split_first() else { return };
    let mut peer = Peer::new(*choice);
    while let Some((event, behind)) = rest.split_first() {
        rest = behind;
        match event % 8 {
            0 => peer.step(|election, now_ms, out| election.on_deadline(now_ms, out)),
            1 => peer.look(*event),
            from => {
                let Some((len, behind)) = rest.split_first_chunk() else { return };
                let len = usize::from(u16::from_be_bytes(*len)).min(behind.len());
                let (message, behind) = behind.split_at(len);
                rest = behind;
                in_proportion(message, || peer.hear(ServerId(i64::from(from) - 1), message));
            }
        }
    }
}

struct Peer {
    me: ServerId,
    voters: Vec<i64>,
    now_ms: u64,
    election: Election,
}

impl Peer {
    fn new(choice: u8) -> Self {
        let [plain, observed, grouped] = MEMBERSHIPS;
        let text = match choice % 3 {
            0 => plain,
            1 => observed,
            _ => grouped,
        };
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let verifier = Verifier::from_pairs(pairs, false).expect("a membership");
        let (me, learner_type) = match choice & 0x80 {
            0 => (ServerId(1), LearnerType::Participant),
            _ => (ServerId(4), LearnerType::Observer),
        };
        let mut settings = ElectionSettings::new(me, learner_type);
        settings.reconfig_enabled = choice & 0x40 != 0;
        let voters = verifier.voters().map(|member| member.id.0).collect();
        Self { me, voters, now_ms: 0, election: Election::new(settings, Arc::new(verifier)) }
    }

    fn look(&mut self, event: u8) {
        let zxid = Zxid(i64::from(event / 8) - 1);
        self.step(|election, now_ms, out| election.look(now_ms, zxid, 1, out));
    }

    fn hear(&mut self, from: ServerId, bytes: &[u8]) {
        let read = Notification::decode(bytes);
        assert_eq!(read.is_ok(), is_message(bytes), "{read:?}");
        let Ok(notification) = read else { return };
        let again = Notification::decode(&notification.encode()).expect("our own message");
        assert_eq!((again.state, again.candidate()), (notification.state, notification.candidate()));
        assert_eq!(again.config.unwrap_or_default(), notification.config.clone().unwrap_or_default());
        assert!(Vote::of(&notification).agrees_with(&Vote::of(&notification)));
        let before = (self.election.state(), self.election.vote().copied());
        self.step(|election, now_ms, out| election.hear(now_ms, from, notification, out));
        if before.0 != PeerState::Looking {
            assert_eq!(
                (self.election.state(), self.election.vote().copied()),
                before,
                "unsettled by a message"
            );
        }
    }

    fn step(&mut self, act: impl FnOnce(&mut Election, u64, &mut Vec<Action>)) {
        self.now_ms += 150;
        let mut out = Vec::new();
        act(&mut self.election, self.now_ms, &mut out);
        assert!(out.len() <= ACTIONS_MAX, "{out:?}");
        for action in &out {
            match action {
                Action::Send { to, .. } => assert_ne!(*to, self.me, "a message to ourselves"),
                Action::Decided(decision) => {
                    assert!(self.voters.contains(&decision.leader.0), "{decision:?}");
                    assert_eq!(
                        decision.role == PeerState::Leading,
                        decision.leader == self.me,
                        "{decision:?}"
                    );
                    assert_eq!(decision.role, self.election.state());
                }
                Action::ConnectAll | Action::NewerConfig(_) | Action::VoterLooks { .. } | Action::Note(_) => {
                }
            }
        }
        let deadline = self.election.next_deadline();
        assert!(deadline.is_none() || self.election.is_looking(), "a settled peer waits");
    }
}

/// Which bytes the reference takes for a message: written down apart from what is tested.
fn is_message(bytes: &[u8]) -> bool {
    let int =
        |at: usize| bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    let is_whole = match bytes.len() {
        ..28 => false,
        28 | 40 => true,
        len => match (int(36), int(40)) {
            (None, _) => false,
            (Some(..=1), _) => true,
            (Some(_), None) => false,
            (Some(_), Some(config_len)) => usize::try_from(config_len).is_ok_and(|config| 44 + config <= len),
        },
    };
    is_whole && int(0).is_some_and(|state| (0..4).contains(&state))
}
