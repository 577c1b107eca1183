//! The life of a session, against a server that answers byte by byte what the test says.

#![expect(clippy::unwrap_used, reason = "a test shall fail where it goes wrong")]

mod fake;

use std::time::Duration;

use fake::{FakeServer, PASSWORD, Peer, SESSION};
use jute::data::Stat;
use jute::proto::{
    AuthPacket, CreateResponse, ErrorResponse, ExistsResponse, GetChildrenResponse, GetDataResponse,
    SetWatches, SetWatches2,
};
use jute::{Record, Zxid, xid};
use rookeeper_client::{
    AddWatchMode, Client, CreateMode, Error, ErrorCode, EventKind, Events, Op, OpCode, Options, SessionState,
    WatcherType, open_acl,
};

const TIMEOUT_MS: i32 = 30_000;

fn options() -> Options {
    Options { session_timeout: Duration::from_secs(30), ..Options::default() }
}

async fn connected(server: &FakeServer, chroot: &str) -> (Client, Events, Peer) {
    let address = format!("{}{chroot}", server.address());
    let connecting = tokio::spawn(async move { Client::connect(&address, options()).await.unwrap() });
    let (peer, _) = server.session(TIMEOUT_MS).await;
    let (client, mut events) = connecting.await.unwrap();
    assert_eq!(events.next().await.unwrap().state, SessionState::SyncConnected);
    (client, events, peer)
}

#[tokio::test]
async fn the_handshake_in_bytes() {
    let server = FakeServer::bind().await;
    let address = server.address();
    let connecting = tokio::spawn(async move { Client::connect(&address, options()).await });
    let mut peer = server.accept().await;
    let mut expected = vec![0, 0, 0, 0]; // protocol version
    expected.extend([0; 8]); // last zxid
    expected.extend(30_000_i32.to_be_bytes());
    expected.extend([0; 8]); // session
    expected.extend([0, 0, 0, 16]);
    expected.extend([0; 16]); // password
    expected.push(0); // read-only
    assert_eq!(peer.frame().await, expected);
    peer.grant(12_000, SESSION).await;
    let (client, _events) = connecting.await.unwrap().unwrap();
    let status = client.status();
    assert_eq!((status.session, status.session_timeout), (SESSION, Duration::from_secs(12)));
    assert_eq!(status.password, PASSWORD);
}

#[tokio::test]
async fn requests_go_out_in_order_and_answers_find_their_callers() {
    let server = FakeServer::bind().await;
    let (client, _events, mut peer) = connected(&server, "").await;
    let callers = (0..3).map(|number| {
        let client = client.clone();
        async move { client.get_data(&format!("/{number}"), false).await }
    });
    let callers: Vec<_> = callers.map(tokio::spawn).collect();
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(peer.request().await);
    }
    assert!(requests.windows(2).all(|pair| pair[0].xid + 1 == pair[1].xid));
    for request in &requests {
        let stat = Stat { version: request.xid, ..Stat::default() };
        let data = Some(request.body.clone().into());
        peer.reply(request.xid, 5, 0, &GetDataResponse { data, stat }.to_vec()).await;
    }
    for (number, caller) in callers.into_iter().enumerate() {
        let (data, _) = caller.await.unwrap().unwrap();
        assert_eq!(data.unwrap(), [&[0, 0, 0, 2][..], format!("/{number}").as_bytes(), &[0]].concat());
    }
}

#[tokio::test]
async fn errors_are_typed_and_name_the_callers_path() {
    let server = FakeServer::bind().await;
    let (client, _events, mut peer) = connected(&server, "/root").await;
    let serving = tokio::spawn(async move {
        let request = peer.request().await;
        assert!(request.body.windows(7).any(|window| window == b"/root/a"));
        peer.reply(request.xid, 1, ErrorCode::NodeExists.code(), &[]).await;
        let request = peer.request().await;
        peer.reply(request.xid, 1, ErrorCode::NoNode.code(), &[]).await;
        let request = peer.request().await;
        peer.reply(request.xid, 1, -4711, &[]).await;
        peer
    });
    let error = client.create("/a", None, &open_acl(), CreateMode::Persistent).await.unwrap_err();
    assert!(error.is(ErrorCode::NodeExists));
    assert_eq!(error.path(), Some("/a"));
    assert_eq!(client.exists("/b", false).await, Ok(None));
    let error = client.delete("/c", -1).await.unwrap_err();
    assert_eq!(error, Error::Server { code: -4711, path: Some("/c".into()) });
    assert!(matches!(client.delete("c", -1).await, Err(Error::InvalidPath(_))));
    serving.await.unwrap();
}

#[tokio::test]
async fn created_paths_come_back_below_the_chroot() {
    let server = FakeServer::bind().await;
    let (client, _events, mut peer) = connected(&server, "/root").await;
    let serving = tokio::spawn(async move {
        let request = peer.request().await;
        assert_eq!(request.op_code, OpCode::CreateTtl.code());
        let path = "/root/a0000000001".to_owned();
        peer.reply(request.xid, 1, 0, &CreateResponse { path }.to_vec()).await;
        peer
    });
    let mode = CreateMode::PersistentSequentialWithTtl(Duration::from_secs(1));
    assert_eq!(client.create("/a", None, &open_acl(), mode).await.unwrap(), "/a0000000001");
    serving.await.unwrap();
}

#[tokio::test]
async fn an_idle_session_is_kept_alive() {
    let server = FakeServer::bind().await;
    let address = server.address();
    let connecting = tokio::spawn(async move { Client::connect(&address, options()).await.unwrap() });
    let (mut peer, _) = server.session(90).await;
    let _client = connecting.await.unwrap();
    for _ in 0..2 {
        let ping = peer.any_request().await;
        assert_eq!((ping.xid, ping.op_code, ping.body.len()), (xid::PING, OpCode::Ping.code(), 0));
        peer.reply(xid::PING, 1, 0, &[]).await;
    }
}

#[tokio::test]
async fn a_silent_server_is_left() {
    let server = FakeServer::bind().await;
    let address = server.address();
    let connecting = tokio::spawn(async move { Client::connect(&address, options()).await.unwrap() });
    let (_silent, _) = server.session(60).await;
    let (_client, mut events) = connecting.await.unwrap();
    let (_peer, request) = server.session(TIMEOUT_MS).await;
    assert_eq!((request.session_id.0, request.passwd.unwrap().to_vec()), (SESSION, PASSWORD.to_vec()));
    let states = [SessionState::SyncConnected, SessionState::Disconnected, SessionState::SyncConnected];
    for state in states {
        assert_eq!(events.next().await.unwrap().state, state);
    }
}

#[tokio::test]
async fn a_new_connection_gets_the_session_the_identities_and_the_watches() {
    let server = FakeServer::bind().await;
    let (client, mut events, mut peer) = connected(&server, "").await;
    let serving = tokio::spawn(async move {
        let auth = peer.request().await;
        assert_eq!(auth.xid, xid::AUTH);
        peer.reply(xid::AUTH, 0, 0, &[]).await;
        for (zxid, err, body) in [
            (40, 0, ExistsResponse { stat: Stat::default() }.to_vec()),
            (41, ErrorCode::NoNode.code(), Vec::new()),
            (42, 0, GetChildrenResponse { children: Vec::new() }.to_vec()),
        ] {
            let request = peer.request().await;
            peer.reply(request.xid, zxid, err, &body).await;
        }
        // The third request stays without an answer.
        peer.request().await;
    });
    client.add_auth("digest", b"u:p").await.unwrap();
    assert!(client.exists("/there", true).await.unwrap().is_some());
    assert!(client.exists("/missing", true).await.unwrap().is_none());
    assert_eq!(client.get_children("/", true).await.unwrap(), Vec::<String>::new());
    assert_eq!(client.delete("/unanswered", -1).await, Err(Error::ConnectionLoss));
    serving.await.unwrap();

    let (mut peer, request) = server.session(TIMEOUT_MS).await;
    assert_eq!((request.session_id.0, request.last_zxid_seen), (SESSION, Zxid(42)));
    let auth = peer.request().await;
    let expected = AuthPacket { auth_type: 0, scheme: "digest".into(), auth: Some(b"u:p".to_vec().into()) };
    assert_eq!((auth.xid, auth.op_code, auth.body), (xid::AUTH, OpCode::Auth.code(), expected.to_vec()));
    let watches = peer.request().await;
    assert_eq!((watches.xid, watches.op_code), (xid::SET_WATCHES, OpCode::SetWatches.code()));
    let expected = SetWatches {
        relative_zxid: Zxid(42),
        data_watches: vec!["/there".into()],
        exist_watches: vec!["/missing".into()],
        child_watches: vec!["/".into()],
    };
    assert_eq!(SetWatches::from_slice(&watches.body).unwrap(), expected);
    // Events for what happened meanwhile come before the answer to the watches.
    peer.event(1, "/missing", -1).await;
    peer.reply(xid::SET_WATCHES, 50, 0, &[]).await;
    assert_eq!(events.next().await.unwrap().state, SessionState::Disconnected);
    assert_eq!(events.next().await.unwrap().state, SessionState::SyncConnected);
    let event = events.next().await.unwrap();
    assert_eq!((event.kind, event.path.as_deref()), (EventKind::NodeCreated, Some("/missing")));
}

#[tokio::test]
async fn lasting_watches_are_set_again_after_they_fired() {
    let server = FakeServer::bind().await;
    let (client, mut events, mut peer) = connected(&server, "/root").await;
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let request = peer.request().await;
            assert_eq!(request.op_code, OpCode::AddWatch.code());
            peer.reply(request.xid, 9, 0, &ErrorResponse { err: 0 }.to_vec()).await;
        }
        peer.event(3, "/root/p/below", 11).await;
        peer.event(2, "/root", 12).await;
    });
    client.add_watch("/p", AddWatchMode::PersistentRecursive).await.unwrap();
    client.add_watch("/", AddWatchMode::Persistent).await.unwrap();
    serving.await.unwrap();
    let event = events.next().await.unwrap();
    assert_eq!((event.kind, event.path.as_deref()), (EventKind::NodeDataChanged, Some("/p/below")));
    assert_eq!(event.zxid, 11);
    assert_eq!(events.next().await.unwrap().path.as_deref(), Some("/"));
    let (mut peer, _) = server.session(TIMEOUT_MS).await;
    let watches = peer.request().await;
    assert_eq!(watches.op_code, OpCode::SetWatches2.code());
    let watches = SetWatches2::from_slice(&watches.body).unwrap();
    assert_eq!(watches.persistent_watches, ["/root"]);
    assert_eq!(watches.persistent_recursive_watches, ["/root/p"]);
}

#[tokio::test]
async fn removing_watches_tells_so() {
    let server = FakeServer::bind().await;
    let (client, mut events, mut peer) = connected(&server, "").await;
    let serving = tokio::spawn(async move {
        let request = peer.request().await;
        peer.reply(request.xid, 9, 0, &ErrorResponse { err: 0 }.to_vec()).await;
        let request = peer.request().await;
        assert_eq!(request.op_code, OpCode::RemoveWatches.code());
        assert_eq!(request.body, [0, 0, 0, 2, b'/', b'p', 0, 0, 0, 3]);
        peer.reply(request.xid, 9, 0, &[]).await;
        let request = peer.request().await;
        peer.reply(request.xid, 9, ErrorCode::NoWatcher.code(), &[]).await;
        peer
    });
    client.add_watch("/p", AddWatchMode::Persistent).await.unwrap();
    client.remove_watches("/p", WatcherType::Any, false).await.unwrap();
    let event = events.next().await.unwrap();
    assert_eq!((event.kind, event.path.as_deref()), (EventKind::PersistentWatchRemoved, Some("/p")));
    let error = client.remove_watches("/p", WatcherType::Any, false).await.unwrap_err();
    assert!(error.is(ErrorCode::NoWatcher));
    serving.await.unwrap();
}

#[tokio::test]
async fn a_forgotten_session_is_over() {
    let server = FakeServer::bind().await;
    let (client, mut events, peer) = connected(&server, "").await;
    drop(peer);
    let mut peer = server.accept().await;
    peer.frame().await;
    peer.grant(0, 0).await;
    assert_eq!(events.next().await.unwrap().state, SessionState::Disconnected);
    assert_eq!(events.next().await.unwrap().state, SessionState::Expired);
    assert_eq!(events.next().await, None);
    assert_eq!(client.get_data("/", false).await, Err(Error::SessionExpired));
}

#[tokio::test]
async fn a_refused_identity_ends_the_client() {
    let server = FakeServer::bind().await;
    let (client, mut events, mut peer) = connected(&server, "").await;
    let serving = tokio::spawn(async move {
        peer.request().await;
        peer.reply(xid::AUTH, 0, ErrorCode::AuthFailed.code(), &[]).await;
        peer
    });
    assert_eq!(client.add_auth("nonsense", b"").await, Err(Error::AuthFailed));
    assert_eq!(events.next().await.unwrap().state, SessionState::AuthFailed);
    assert_eq!(client.get_data("/", false).await, Err(Error::AuthFailed));
    serving.await.unwrap();
}

#[tokio::test]
async fn closing_waits_for_what_was_asked_before() {
    let server = FakeServer::bind().await;
    let (client, mut events, mut peer) = connected(&server, "").await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.delete("/a", -1).await }
    });
    let delete = peer.request().await;
    let closing = tokio::spawn(async move { client.close().await });
    let close = peer.request().await;
    assert_eq!(close.op_code, OpCode::CloseSession.code());
    peer.reply(delete.xid, 1, 0, &[]).await;
    peer.reply(close.xid, 2, 0, &[]).await;
    assert_eq!(asking.await.unwrap(), Ok(()));
    closing.await.unwrap();
    assert_eq!(events.next().await.unwrap().state, SessionState::Closed);
    peer.closed().await;
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_session_and_abandoning_does_not() {
    let server = FakeServer::bind().await;
    let (client, _events, mut peer) = connected(&server, "").await;
    drop(client);
    assert_eq!(peer.request().await.op_code, OpCode::CloseSession.code());
    drop(peer);
    let (client, _events, peer) = connected(&server, "").await;
    client.abandon().await;
    peer.closed().await;
}

#[tokio::test]
async fn a_caller_that_is_slow_to_take_events_loses_none() {
    let server = FakeServer::bind().await;
    let address = server.address();
    let few = Options { events_max: 1, ..options() };
    let connecting = tokio::spawn(async move { Client::connect(&address, few).await.unwrap() });
    let (mut peer, _) = server.session(TIMEOUT_MS).await;
    let (client, mut events) = connecting.await.unwrap();
    let asking = tokio::spawn(async move { client.delete("/a", -1).await });
    let request = peer.request().await;
    for number in 0..50 {
        peer.event(3, &format!("/{number}"), number).await;
    }
    peer.reply(request.xid, 60, 0, &[]).await;
    assert_eq!(events.next().await.unwrap().state, SessionState::SyncConnected);
    for number in 0..50 {
        assert_eq!(events.next().await.unwrap().zxid, number);
    }
    assert_eq!(asking.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn nonsense_from_the_server_costs_the_connection_only() {
    let server = FakeServer::bind().await;
    let (client, _events, mut peer) = connected(&server, "").await;
    peer.reply(77, 1, 0, &[]).await;
    let (mut peer, _) = server.session(TIMEOUT_MS).await;
    client.connected().await.unwrap();
    assert!(client.status().last_failure.unwrap().contains("xid 77"));
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.delete("/a", -1).await }
    });
    let request = peer.request().await;
    peer.reply(request.xid + 1, 1, 0, &[]).await;
    assert_eq!(asking.await.unwrap(), Err(Error::ConnectionLoss));
    let (_peer, request) = server.session(TIMEOUT_MS).await;
    assert_eq!(request.session_id.0, SESSION);
}

#[tokio::test]
async fn a_failed_multi_names_the_cause() {
    let server = FakeServer::bind().await;
    let (client, _events, mut peer) = connected(&server, "").await;
    let serving = tokio::spawn(async move {
        let request = peer.request().await;
        assert_eq!(request.op_code, OpCode::Multi.code());
        let mut body = Vec::new();
        for code in [0, ErrorCode::BadVersion.code(), -2] {
            body.extend((-1_i32).to_be_bytes());
            body.push(0);
            body.extend(code.to_be_bytes());
            body.extend(code.to_be_bytes());
        }
        body.extend([0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);
        peer.reply(request.xid, 3, 0, &body).await;
        peer
    });
    let check = |path: &str| Op::Check { path: path.into(), version: 3 };
    let error = client.multi(&[check("/a"), check("/b"), check("/c")]).await.unwrap_err();
    let Error::Multi { code, index, results } = error else { panic!("{error}") };
    assert_eq!((code, index, results.len()), (ErrorCode::BadVersion.code(), 1, 3));
    serving.await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_said_soon() {
    let server = FakeServer::bind().await;
    let address = server.address();
    drop(server);
    assert_eq!(Client::connect(&address, options()).await.unwrap_err(), Error::ConnectionLoss);
}

#[tokio::test]
async fn watches_can_be_forgotten_without_a_server() {
    let server = FakeServer::bind().await;
    let (client, mut events, mut peer) = connected(&server, "").await;
    let serving = tokio::spawn(async move {
        let request = peer.request().await;
        peer.reply(request.xid, 9, 0, &ErrorResponse { err: 0 }.to_vec()).await;
    });
    client.add_watch("/p", AddWatchMode::Persistent).await.unwrap();
    serving.await.unwrap();
    drop(server);
    assert_eq!(events.next().await.unwrap().state, SessionState::Disconnected);
    let kept = client.remove_watches("/p", WatcherType::Any, false).await;
    assert_eq!(kept, Err(Error::ConnectionLoss));
    assert_eq!(events.try_next(), None);
    client.remove_watches("/p", WatcherType::Any, true).await.unwrap();
    assert_eq!(events.next().await.unwrap().kind, EventKind::PersistentWatchRemoved);
}
