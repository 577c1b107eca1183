//! Start, stop, restart, and the end of a disk.

use std::net::TcpStream;

use crate::common::{Client, Dir, start, until};
use jute::OpCode;
use storage::SimulatedDisk;
use storage::disk::Fault;

#[test]
fn a_restart_keeps_data_and_counts_on() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let mut client = Client::connect(&server);
    assert_eq!(client.create("/kept", b"data", 0), 0);
    assert_eq!(client.create("/e", b"", 1), 0);
    assert_eq!(server.shutdown(), None);

    let server = start(&dir, "");
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/kept", false), (0, b"data".to_vec()));
    client.send_create("/next", b"", 0);
    // Two sessions, two creates, and the session of this client came before it.
    assert_eq!(client.answer().unwrap().header.zxid.0, 5);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn what_was_accepted_is_answered_before_the_end() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let address = server.address().unwrap();
    let mut client = Client::connect(&server);
    let sent: Vec<_> = (0..50).map(|number| client.send_create(&format!("/n{number}"), b"", 0)).collect();
    until("all of them have come in", || crate::common::metric(&server, "znode_count") >= 5 + 50);
    assert_eq!(server.shutdown(), None);
    for xid in sent {
        assert_eq!(client.answer().unwrap().header.xid, xid);
    }
    assert!(client.is_closed());
    assert!(TcpStream::connect(address).is_err(), "the port is closed");
}

#[test]
fn snapshots_are_taken_while_it_serves() {
    let dir = Dir::new();
    let server = start(&dir, "snapCount=20\nforceSync=no");
    let mut client = Client::connect(&server);
    until("a snapshot is written", || {
        client.send_create("/n", b"", 2);
        assert_eq!(client.answer().unwrap().header.err, 0);
        crate::common::metric(&server, "cnt_snapshottime") > 0
    });
    let count = crate::common::metric(&server, "znode_count");
    assert_eq!(server.shutdown(), None);
    let server = start(&dir, "");
    assert_eq!(crate::common::metric(&server, "znode_count"), count);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_ends_the_server() {
    let dir = Dir::new();
    let disk = SimulatedDisk::new();
    let server = rookeeper_server::start_with_disk(disk.clone(), dir.settings("")).unwrap();
    let mut client = Client::connect(&server);
    assert_eq!(client.create("/durable", b"", 0), 0);
    let next = disk.operations();
    (next..next + 100).for_each(|operation| disk.fail_at(operation, Fault::Eio));
    client.send_create("/lost", b"", 0);
    until("the failure is known", || server.failure().is_some());
    let failure = server.shutdown().unwrap();
    assert_eq!(failure.status, 10);
    assert!(failure.why.contains("transaction log"), "{}", failure.why);
    assert!(client.answer().is_none(), "nothing is acknowledged");

    disk.crash(1);
    let server = rookeeper_server::start_with_disk(disk, dir.settings("")).unwrap();
    let mut client = Client::connect(&server);
    assert_eq!(client.get("/durable", false).0, 0);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn no_record_of_a_standalone_server_is_on_disk_before_its_mark() {
    let dir = Dir::new();
    let prepared = SimulatedDisk::new();
    assert_eq!(
        rookeeper_server::start_with_disk(prepared.clone(), dir.settings("")).unwrap().shutdown(),
        None
    );
    let (mut marks, mut logs) = (0, 0);
    for operation in 0..40 {
        let disk = prepared.fork();
        let server = rookeeper_server::start_with_disk(disk.clone(), dir.settings("")).unwrap();
        disk.fail_at(disk.operations() + operation, Fault::Cut);
        // Its session is the first record.
        let mut client = Client::raw(server.address().unwrap());
        client.hello(None);
        client.stream.set_nonblocking(true).unwrap();
        let has_answer = || client.stream.peek(&mut [0]).is_ok();
        until("an answer, or the cut", || has_answer() || server.failure().is_some());
        server.shutdown();
        disk.crash(operation);
        let path = dir.path().join("data");
        let store = storage::Store::open(disk.clone(), storage::StoreSettings::new(&path)).unwrap();
        let is_marked = store.is_standalone_history().unwrap();
        let records = storage::LogReader::unanchored(&disk, store.log_dir(), jute::Zxid::ZERO).unwrap();
        let has_records = records.count() > 0;
        assert!(is_marked || !has_records, "cut before operation {operation}");
        marks += u32::from(is_marked);
        logs += u32::from(has_records);
    }
    assert!(0 < logs && logs < marks && marks < 40, "{logs} logs, {marks} marks");
}

#[test]
fn data_that_cannot_be_served_is_named() {
    let dir = Dir::new();
    let settings = dir.settings("datadir.autocreate=false");
    let error = rookeeper_server::start(settings).err().unwrap();
    assert_eq!(error.status, 3);
    assert!(error.why.contains("version-2"), "{error}");
}

#[test]
fn a_name_of_the_client_port_may_come_after_the_start() {
    let dir = Dir::new();
    let mut settings = dir.settings("");
    settings.client.address = None;
    settings.client.awaited = Some(ensemble::HostPort { host: "localhost".to_owned(), port: 0 });
    let server = rookeeper_server::start(settings).unwrap();
    until("the port is bound", || server.address().is_some());
    assert_eq!(Client::connect(&server).create("/n", b"", 0), 0);
    assert_eq!(server.shutdown(), None);
}

#[test]
fn a_port_in_use_is_named() {
    let (first, second) = (Dir::new(), Dir::new());
    let server = start(&first, "");
    let mut settings = second.settings("");
    settings.client.address = server.address();
    let error = rookeeper_server::start(settings).err().unwrap();
    assert_eq!(error.status, 1);
    assert!(error.why.contains("client port"), "{error}");
    let mut client = Client::connect(&server);
    client.request(OpCode::CloseSession, |_| {});
    assert_eq!(client.answer().unwrap().header.err, 0);
    assert!(client.is_closed());
    assert_eq!(server.shutdown(), None);
}
