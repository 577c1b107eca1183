use crate::common::{Client, until, word};
use crate::members::Members;

#[test]
fn three_members_elect_and_a_write_through_each_reaches_all() {
    let members = Members::start(3);
    members.leader();
    for index in 0..3 {
        let mut client = members.client(index);
        assert_eq!(client.create(&format!("/through-{index}"), b"value", 0), 0);
    }
    for index in 0..3 {
        let mut client = members.client(index);
        client.sync("/");
        for written in 0..3 {
            assert!(
                client.get(&format!("/through-{written}"), false) == (0, b"value".to_vec()),
                "{written} at {index}"
            );
        }
    }
    members.converge();
}

#[test]
fn a_leader_may_leave_clients_and_words_to_the_others() {
    let members = Members::start_with(3, "", &[("zookeeper.leaderServes", "no")]);
    let answers = || (0..3).filter(|index| members.mode(*index).is_some()).collect::<Vec<_>>();
    until("two serve", || answers().len() == 2);
    let served = answers();
    assert!(served.iter().all(|index| members.mode(*index).as_deref() == Some("follower")));
    let leader = 3 - served.iter().sum::<usize>();
    assert_eq!(
        word(members.get(leader), b"srvr"),
        "This ZooKeeper instance is not currently serving requests\n"
    );
    assert_eq!(members.client(served[0]).create("/n", b"1", 0), 0);
    let mut refused = Client::raw(members.get(leader).address().unwrap());
    refused.hello(Some(false));
    assert!(refused.frame().is_none());
}

#[test]
fn when_the_leader_ends_the_others_elect_and_it_comes_back_as_a_follower() {
    let mut members = Members::start(3);
    let first = members.leader();
    assert_eq!(members.client(first).create("/before", b"1", 0), 0);
    members.stop(first);
    let second = members.leader();
    assert_ne!(first, second);
    assert_eq!(members.client(second).create("/between", b"2", 0), 0);
    members.launch(first);
    members.leader();
    let mut client = members.client(first);
    client.sync("/");
    assert!(client.get("/before", false).0 == 0 && client.get("/between", false).0 == 0);
    members.converge();
}

#[test]
fn members_with_logs_alone_have_snapshots_again_after_the_start() {
    let mut members = Members::start(3);
    let leader = members.leader();
    assert_eq!(members.client(leader).create("/kept", b"1", 0), 0);
    members.converge();
    for index in 0..3 {
        members.stop(index);
        for snapshot in members.snapshots(index) {
            std::fs::remove_file(snapshot).unwrap();
        }
    }
    for index in 0..3 {
        members.launch(index);
        assert_eq!(members.snapshots(index).len(), 1);
    }
    members.leader();
    assert_eq!(members.client(0).get("/kept", false), (0, b"1".to_vec()));
}

#[test]
fn own_addresses_that_cannot_be_used_do_not_matter_when_another_can() {
    // A label that no name has, and an address that no machine has.
    let unusable = "l0123456789012345678901234567890123456789012345678901234567890123456789.invalid:2888:3888|192.0.2.1:2888:3888|";
    let members = Members::start_with(3, unusable, &[]);
    let leader = members.leader();
    assert_eq!(members.client(leader).create("/written", b"1", 0), 0);
    members.converge();
}

#[test]
fn a_member_without_a_leader_serves_reads_to_those_who_accept_that() {
    let defines = [("readonlymode.enabled", "true")];
    let mut members = Members::start_with(3, "", &defines);
    let leader = members.leader();
    assert_eq!(word(members.get(leader), b"isro"), "rw");
    assert_eq!(members.client(leader).create("/kept", b"1", 0), 0);
    members.converge();
    let (left, others) = (leader, [(leader + 1) % 3, (leader + 2) % 3]);
    others.into_iter().for_each(|index| members.stop(index));
    until("reads are served", || word(members.get(left), b"isro") == "ro");
    assert_eq!(members.mode(left).as_deref(), Some("read-only"));
    assert!(word(members.get(left), b"srvr").contains("\nREAD-ONLY mode; serving only read-only clients\n"));
    assert!(!word(members.get(left), b"conf").contains("membership"));
    assert!(!word(members.get(left), b"mntr").contains("quorum_size"));

    let mut refused = Client::raw(members.get(left).address().unwrap());
    refused.hello(Some(false));
    assert!(refused.is_closed());
    members.launch(others[0]);
    members.leader();
    assert_eq!(members.client(left).get("/kept", false), (0, b"1".to_vec()));
}

#[test]
fn one_server_becomes_three_and_keeps_what_it_wrote() {
    let mut members = Members::planned(3);
    members.launch_alone(0);
    assert!(!members.is_marked(0), "it wrote nothing yet");
    assert_eq!(members.client(0).create("/kept", b"1", 0), 0);
    members.stop(0);
    assert!(members.is_marked(0));
    // Two need each other, so the one with the history leads.
    (0..2).for_each(|index| members.launch(index));
    assert_eq!(members.leader(), 0);
    members.launch(2);
    members.leader();
    until("the history is no longer its own alone", || !members.is_marked(0));
    for index in 0..3 {
        let mut client = members.client(index);
        client.sync("/");
        assert_eq!(client.get("/kept", false), (0, b"1".to_vec()));
    }
}

#[test]
fn a_member_that_wrote_nothing_while_it_ran_alone_takes_what_its_leader_sends() {
    let mut members = Members::start_with(3, "", &[("zookeeper.forceSnapshotSync", "true")]);
    let leader = members.leader();
    let other = (leader + 1) % 3;
    assert_eq!(members.client(leader).create("/before", b"1", 0), 0);
    members.converge();
    members.stop(other);
    members.launch_alone(other);
    members.stop(other);
    assert_eq!(members.client(leader).create("/meanwhile", b"1", 0), 0);
    members.launch(other);
    members.leader();
    members.converge();
    assert!(!members.is_marked(other));
}

#[test]
fn what_a_standalone_server_wrote_is_replaced_by_no_leader_until_somebody_says_so() {
    let mut members = Members::planned(3);
    members.launch_alone(0);
    assert_eq!(members.client(0).create("/kept", b"1", 0), 0);
    members.stop(0);
    // As if it had been one of the reference's.
    members.remove_mark(0);
    members.launch(1);
    members.launch(2);
    let leader = members.leader();
    assert_eq!(members.client(leader).create("/other", b"2", 0), 0);
    members.launch(0);
    until("it was sent a snapshot, and another one since it took none", || {
        crate::common::metric(members.get(leader), "snap_count") >= 2
    });
    assert!(members.mode(0).is_none() && members.is_marked(0));
    members.stop(0);
    members.launch_alone(0);
    assert_eq!(members.client(0).get("/kept", false), (0, b"1".to_vec()));
    members.stop(0);
    members.define("zookeeper.discardLocalData", "true");
    members.launch(0);
    members.leader();
    until("it is no longer marked", || !members.is_marked(0));
    let mut client = members.client(0);
    client.sync("/");
    assert_eq!((client.get("/kept", false).0, client.get("/other", false).0), (-101, 0));
}
