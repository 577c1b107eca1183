//! The same client against a server of flesh and blood, whose address `ROOKEEPER_TEST_SERVER` gives (host:port, with
//! or without a chroot); without it there is nothing to do. The compat tests run it against every server they start.

#![expect(clippy::unwrap_used, reason = "a test shall fail where it goes wrong")]
#![expect(clippy::print_stderr, reason = "whoever runs the tests should know what was left out")]

use std::collections::BTreeSet;
use std::time::Duration;

use rookeeper_client::{
    AddWatchMode, Client, CreateMode, Error, ErrorCode, EventKind, Events, Op, OpResult, Options, ReadOp,
    Resume, SessionState, WatcherType, open_acl,
};

const DATA: Option<&[u8]> = Some(b"data");

/// A client, its events, and an empty node of this test's own.
async fn start(test: &str) -> Option<(Client, Events, String)> {
    let Ok(address) = std::env::var("ROOKEEPER_TEST_SERVER") else {
        eprintln!("skipped: ROOKEEPER_TEST_SERVER is not set");
        return None;
    };
    let (client, mut events) = Client::connect(&address, Options::default()).await.unwrap();
    assert_eq!(events.next().await.unwrap().state, SessionState::SyncConnected);
    let name = format!("/client-{test}-{}-", std::process::id());
    let root = client.create(&name, None, &open_acl(), CreateMode::PersistentSequential).await.unwrap();
    Some((client, events, root))
}

#[tokio::test]
async fn nodes_of_every_kind() {
    let Some((client, _events, root)) = start("nodes").await else { return };
    let path = format!("{root}/a");
    assert_eq!(client.create(&path, DATA, &open_acl(), CreateMode::Persistent).await.as_ref(), Ok(&path));
    let again = client.create(&path, DATA, &open_acl(), CreateMode::Persistent).await.unwrap_err();
    assert!(again.is(ErrorCode::NodeExists));
    let (data, stat) = client.get_data(&path, false).await.unwrap();
    assert_eq!((data.as_deref(), stat.version, stat.data_length), (DATA, 0, 4));
    assert_eq!(client.set_data(&path, None, 0).await.unwrap().version, 1);
    assert_eq!(client.get_data(&path, false).await.unwrap().0, None);
    assert!(client.set_data(&path, DATA, 0).await.unwrap_err().is(ErrorCode::BadVersion));
    let (ephemeral, stat) = client
        .create2(&format!("{root}/e"), None, &open_acl(), CreateMode::EphemeralSequential)
        .await
        .unwrap();
    assert_eq!(stat.ephemeral_owner, client.status().session);
    assert_eq!(client.get_ephemerals(&root).await.unwrap(), [ephemeral]);
    let container = format!("{root}/c");
    assert_eq!(
        client.create(&container, None, &open_acl(), CreateMode::Container).await.as_ref(),
        Ok(&container)
    );
    let ttl = CreateMode::PersistentWithTtl(Duration::from_secs(60));
    match client.create2(&format!("{root}/t"), None, &open_acl(), ttl).await {
        Ok((_, stat)) => assert_eq!(stat.ephemeral_owner, 0),
        // Servers without extended types say so.
        Err(why) => assert!(why.is(ErrorCode::Unimplemented), "{why}"),
    }
    let (children, stat) = client.get_children2(&root, false).await.unwrap();
    assert_eq!(usize::try_from(stat.num_children), Ok(children.len()));
    let names: BTreeSet<String> = client.get_children(&root, false).await.unwrap().into_iter().collect();
    assert_eq!(names, children.into_iter().collect());
    assert_eq!(client.get_all_children_number(&root).await.unwrap(), stat.num_children);
    client.sync(&root).await.unwrap();
    let (acl, _) = client.get_acl(&path).await.unwrap();
    assert_eq!(acl, open_acl());
    assert_eq!(client.set_acl(&path, &open_acl(), -1).await.unwrap().aversion, 1);
    assert!(client.who_am_i().await.unwrap().iter().any(|info| info.auth_scheme == "ip"));
    client.delete(&path, 1).await.unwrap();
    assert_eq!(client.exists(&path, false).await, Ok(None));
    client.close().await;
    assert_eq!(client.get_children("/", false).await, Err(Error::Closed));
}

#[tokio::test]
async fn watches_of_every_kind() {
    let Some((client, mut events, root)) = start("watches").await else { return };
    let path = format!("{root}/a");
    assert_eq!(client.exists(&path, true).await, Ok(None));
    client.get_children(&root, true).await.unwrap();
    client.add_watch(&root, AddWatchMode::PersistentRecursive).await.unwrap();
    let created = client.create2(&path, DATA, &open_acl(), CreateMode::Persistent).await.unwrap().1;
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let event = events.next().await.unwrap();
        assert!(event.zxid == created.czxid.0 || event.zxid == -1);
        kinds.push((event.kind, event.path.unwrap()));
    }
    assert_eq!(
        kinds,
        [(EventKind::NodeCreated, path.clone()), (EventKind::NodeChildrenChanged, root.clone())]
    );
    client.check_watches(&root, WatcherType::PersistentRecursive).await.unwrap();
    client.remove_watches(&root, WatcherType::Any, false).await.unwrap();
    assert_eq!(events.next().await.unwrap().kind, EventKind::PersistentWatchRemoved);
    client.set_data(&path, None, -1).await.unwrap();
    assert!(
        client.remove_watches(&root, WatcherType::Any, false).await.unwrap_err().is(ErrorCode::NoWatcher)
    );
    assert_eq!(events.try_next(), None);
}

#[tokio::test]
async fn several_operations_at_once() {
    let Some((client, _events, root)) = start("multi").await else { return };
    let create = |name: &str| Op::Create {
        path: format!("{root}/{name}"),
        data: Some(name.as_bytes().to_vec()),
        acl: open_acl(),
        mode: CreateMode::Persistent,
    };
    let check = Op::Check { path: format!("{root}/b"), version: 0 };
    let results = client.multi(&[create("a"), create("b"), check.clone()]).await.unwrap();
    assert!(matches!(&results[..], [OpResult::Create { .. }, OpResult::Create { .. }, OpResult::Check]));
    let delete = Op::Delete { path: format!("{root}/missing"), version: -1 };
    let Err(Error::Multi { code, index, .. }) =
        client.multi(&[check, create("c"), delete, create("d")]).await
    else {
        panic!("a multi with a failing operation succeeds");
    };
    assert_eq!((code, index), (ErrorCode::NoNode.code(), 2));
    assert_eq!(client.exists(&format!("{root}/c"), false).await, Ok(None));
    let reads = [ReadOp::GetData(format!("{root}/a")), ReadOp::GetChildren(format!("{root}/missing"))];
    let results = client.multi_read(&reads).await.unwrap();
    assert!(
        matches!(&results[..], [OpResult::GetData(Some(data), _), OpResult::Error(-101)] if data == b"a")
    );
    assert_eq!(client.multi(&[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_session_goes_on_in_another_connection() {
    let Some((client, _events, root)) = start("session").await else { return };
    client.add_auth("digest", b"user:password").await.unwrap();
    assert!(client.who_am_i().await.unwrap().iter().any(|info| info.auth_scheme == "digest"));
    let path = format!("{root}/e");
    client.create(&path, None, &open_acl(), CreateMode::Ephemeral).await.unwrap();
    let status = client.status();
    client.abandon().await;
    let resume = Resume { session: status.session, password: status.password, last_zxid: 0 };
    let address = std::env::var("ROOKEEPER_TEST_SERVER").unwrap();
    let options = Options { resume: Some(resume), ..Options::default() };
    let (client, _events) = Client::connect(&address, options).await.unwrap();
    assert_eq!(client.status().session, status.session);
    assert!(client.exists(&path, false).await.unwrap().is_some());
    client.close().await;
    let (client, _events) = Client::connect(&address, Options::default()).await.unwrap();
    assert_eq!(client.exists(&path, false).await, Ok(None));
}

#[tokio::test]
async fn a_thousand_requests_under_way_keep_their_order() {
    let Some((client, _events, root)) = start("pipeline").await else { return };
    client.create(&format!("{root}/n"), None, &open_acl(), CreateMode::Persistent).await.unwrap();
    let sets: Vec<_> = (0..1000)
        .map(|_| {
            let (client, path) = (client.clone(), format!("{root}/n"));
            tokio::spawn(async move { client.set_data(&path, DATA, -1).await.unwrap().version })
        })
        .collect();
    let mut versions = Vec::new();
    for set in sets {
        versions.push(set.await.unwrap());
    }
    assert_eq!(versions, (1..=1000).collect::<Vec<_>>());
}
