use alloc::vec;

use bytes::Bytes;
use jute::txn::{ErrorTxn, TxnHeader};
use jute::{OpCode, Txn};

use super::*;
use crate::leader::Recent;

const LINK: LinkId = LinkId(7);
const EPOCH: i32 = 3;
const FIRST: Zxid = Zxid(0x3_0000_0000);
/// The last transaction that the follower has applied.
const LAST: i64 = 0x3_0000_0005;

fn record(zxid: i64) -> Arc<TxnRecord> {
    let header = TxnHeader {
        client_id: SessionId(1),
        cxid: 0,
        zxid: Zxid(zxid),
        time: 0,
        op_code: OpCode::Error.code(),
    };
    Arc::new(TxnRecord { header, txn: Txn::Error(ErrorTxn { err: -1 }), digest: None })
}

struct World {
    master: Master,
    recent: Recent,
    verifier: Verifier,
}

impl World {
    fn new() -> Self {
        let settings = MasterSettings {
            me: ServerId(1),
            epoch: EPOCH,
            tick_ms: 100,
            init_limit: 10,
            sync_limit: 5,
            forces_snapshot: false,
            sends_log: true,
        };
        let mut recent = Recent::new(3);
        (1..=5).for_each(|counter| recent.push(record(FIRST.0 + counter)));
        let text = "server.1=a:1:2:participant\nserver.9=b:1:2:observer\nversion=200000000";
        let verifier = Verifier::from_text(text, false).expect("valid");
        Self { master: Master::new(settings, Zxid(LAST), 0), recent, verifier }
    }

    fn say(&mut self, now_ms: u64, packet: Packet) -> Vec<MasterAction> {
        self.with(|master, follower, out| master.on_packet(now_ms, LINK, packet, follower, out))
    }

    fn with(
        &mut self,
        run: impl FnOnce(&mut Master, &Follower<'_>, &mut Vec<MasterAction>),
    ) -> Vec<MasterAction> {
        let history = History { end: Zxid(LAST), processed: Zxid(LAST), recent: &self.recent };
        let follower = Follower { history, verifier: &self.verifier };
        let mut out = Vec::new();
        run(&mut self.master, &follower, &mut out);
        out.retain(|action| !matches!(action, MasterAction::Note(_)));
        out
    }

    fn connect(&mut self) {
        self.master.on_accepted(0, LINK);
    }

    /// Up to the acknowledgement of the epoch, by an observer whose history ends so.
    fn join(&mut self, last: i64) -> Vec<MasterAction> {
        self.connect();
        self.say(0, Packet::ObserverInfo(introduction(9)));
        self.say(0, Packet::AckEpoch { last: Zxid(last), current_epoch: Some(2) })
    }

    fn serve(&mut self) {
        self.join(LAST);
        self.say(0, Packet::Ack(FIRST));
    }
}

fn introduction(server: i64) -> Introduction {
    Introduction {
        accepted_epoch: 2,
        server: Some(server),
        protocol_version: PROTOCOL_VERSION,
        config_version: 0,
    }
}

fn sent(packet: Packet) -> MasterAction {
    MasterAction::Send { link: LINK, what: Outgoing::Packet(packet) }
}

fn closed(why: Refusal) -> Vec<MasterAction> {
    vec![MasterAction::Close { link: LINK, why }]
}

fn new_leader(world: &World) -> MasterAction {
    sent(Packet::NewLeader { zxid: FIRST, config: Some(world.verifier.to_string()) })
}

#[test]
fn the_epoch_is_that_of_the_follower() {
    let mut world = World::new();
    world.connect();
    let info = Packet::LeaderInfo { zxid: FIRST, protocol_version: PROTOCOL_VERSION };
    assert_eq!(world.say(0, Packet::ObserverInfo(introduction(9))), [sent(info)]);
}

#[test]
fn who_may_not_observe_here_is_sent_away() {
    let newer = Introduction { config_version: 0x2_0000_0001, ..introduction(9) };
    let old = Introduction { protocol_version: 1, ..introduction(9) };
    for (packet, why) in [
        (Packet::FollowerInfo(introduction(9)), Refusal::NoObserver),
        (Packet::ObserverInfo(newer), Refusal::NewerConfig(0x2_0000_0001)),
        (Packet::ObserverInfo(old), Refusal::OldProtocol(1)),
        (Packet::ObserverInfo(introduction(1)), Refusal::OwnId),
        (Packet::Sync, Refusal::Unexpected(Packet::Sync.name())),
    ] {
        let mut world = World::new();
        world.connect();
        assert_eq!(world.say(0, packet), closed(why));
        assert_eq!(world.master.learners(), []);
    }
}

#[test]
fn the_history_comes_as_a_leader_sends_it() {
    let proposal = |zxid| sent(Packet::Proposal(record(zxid)));
    let diff = sent(Packet::Diff(Zxid(LAST)));
    let mut world = World::new();
    assert_eq!(world.join(LAST), [diff.clone(), new_leader(&world)]);

    let mut world = World::new();
    let commit = sent(Packet::Commit(Zxid(LAST)));
    assert_eq!(world.join(LAST - 1), [diff, proposal(LAST), commit, new_leader(&world)]);

    let mut world = World::new();
    let ahead = world.join(LAST + 3);
    assert_eq!(ahead, [sent(Packet::Trunc(Zxid(LAST))), new_leader(&world)], "it gets them again");

    let mut world = World::new();
    let peer = Zxid(0x2_0000_0004);
    assert_eq!(world.join(peer.0), [MasterAction::ProbeLog { link: LINK, peer }]);
    let snapshot = MasterAction::Send { link: LINK, what: Outgoing::Snapshot { zxid: Zxid(LAST) } };
    let unreadable = Err("the disk is gone".to_string());
    let found = world.with(|master, follower, out| master.on_log_probed(0, LINK, unreadable, follower, out));
    assert_eq!(found, [snapshot, new_leader(&world)]);
}

#[test]
fn only_what_is_committed_is_told_and_once() {
    let mut world = World::new();
    world.connect();
    let next = record(LAST + 1);
    let tell = |world: &mut World, leader| world.with(|master, _, out| master.commit(&next, leader, out));
    assert_eq!(tell(&mut world, None), [], "it is part of the history that comes later");
    world.say(0, Packet::ObserverInfo(introduction(9)));
    world.say(0, Packet::AckEpoch { last: Zxid(LAST), current_epoch: Some(2) });
    assert_eq!(tell(&mut world, None), [sent(Packet::Inform(Arc::clone(&next)))], "behind NEWLEADER");
    assert_eq!(world.say(0, Packet::Ack(FIRST)), [sent(Packet::UpToDate)]);
    let activate = Packet::InformAndActivate { leader: 2, record: Arc::clone(&next) };
    assert_eq!(tell(&mut world, Some(2)), [sent(activate)]);
    assert_eq!(world.say(0, Packet::Ack(FIRST)), [], "the answer to UPTODATE");
    assert_eq!(world.say(0, Packet::Ack(Zxid(LAST + 2))), closed(Refusal::WrongAck(Zxid(LAST + 2))));
}

#[test]
fn what_clients_of_observers_want_goes_up() {
    let mut world = World::new();
    world.serve();
    let session = SessionId(5);
    let revalidate = Packet::Revalidate { session, timeout_ms: 8 };
    assert_eq!(world.say(0, revalidate), [MasterAction::Revalidate { link: LINK, session, timeout_ms: 8 }]);
    let request = Request { session, cxid: 1, op_code: 9, body: Bytes::new(), identities: vec![] };
    assert_eq!(
        world.say(0, Packet::Request(request.clone())),
        [MasterAction::Forwarded { link: LINK, request }]
    );
    let heard = |sessions| Packet::Ping { zxid: FIRST, heard: Some(sessions) };
    assert_eq!(world.say(0, heard(vec![])), []);
    let sessions = vec![(session, 8)];
    assert_eq!(world.say(0, heard(sessions.clone())), [MasterAction::Heard { sessions }]);
    let answer =
        |world: &mut World, link| world.with(|master, _, out| master.answer(link, Packet::Sync, out));
    assert_eq!(answer(&mut world, LINK), [sent(Packet::Sync)]);
    assert_eq!(answer(&mut world, LinkId(8)), [], "who asked is gone");
}

#[test]
fn observers_are_asked_each_half_tick_and_left_when_they_are_silent() {
    let mut world = World::new();
    assert_eq!(world.master.next_deadline(), None);
    world.serve();
    let ping = || sent(Packet::Ping { zxid: Zxid(LAST), heard: None });
    let wait = |world: &mut World, now_ms| world.with(|master, _, out| master.on_deadline(now_ms, out));
    assert_eq!(world.master.next_deadline(), Some(50));
    assert_eq!(wait(&mut world, 50), [ping()]);
    assert_eq!(wait(&mut world, 51), []);
    world.say(450, Packet::Ping { zxid: FIRST, heard: Some(vec![]) });
    assert_eq!(wait(&mut world, 949), [ping()]);
    assert_eq!(wait(&mut world, 950), closed(Refusal::TimedOut("nothing was heard of it")));

    let mut world = World::new();
    world.connect();
    assert_eq!(wait(&mut world, 1000), closed(Refusal::TimedOut("no introduction")));
}

#[test]
fn an_observer_that_comes_again_takes_the_place_of_its_older_link() {
    let mut world = World::new();
    world.serve();
    let later = LinkId(8);
    world.master.on_accepted(0, later);
    let hello = Packet::ObserverInfo(introduction(9));
    let actions = world.with(|master, follower, out| master.on_packet(0, later, hello, follower, out));
    assert_eq!(actions.first(), closed(Refusal::Replaced).first());
    assert_eq!(world.master.learners().len(), 1);
}
