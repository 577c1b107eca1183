use bytes::Bytes;
use jute::data::StatPersisted;
use jute::snapshot::{DataNode, SnapshotDecoder, SnapshotItem};
use jute::{Reader, SessionId, Zxid, any};

use super::{acl, hex, named};

const VECTORS: &str = include_str!("../vectors/snapshot.txt");

/// Session of the ephemeral in the recorded tree.
const SESSION: SessionId = SessionId(0x100_0000_0000_0001);

fn items() -> Vec<SnapshotItem> {
    let bytes = Bytes::from(named(VECTORS, "small"));
    let mut reader = Reader::new(&bytes);
    let mut decoder = SnapshotDecoder::new();
    let items = std::iter::from_fn(|| decoder.next(&mut reader).expect("the reference wrote it")).collect();
    assert!(decoder.is_finished() && reader.is_empty());
    items
}

#[test]
fn a_snapshot_is_read_and_written_as_the_reference_does() {
    let mut out = Vec::new();
    items().iter().for_each(|item| item.encode(&mut out));
    assert_eq!(hex(&out), hex(&named(VECTORS, "small")));
    assert_eq!(any::decode_any_snapshot(&out).as_ref(), Some(&out));
}

#[test]
fn what_the_recorded_snapshot_holds() {
    let items = items();
    let [SnapshotItem::Sessions(sessions), SnapshotItem::Acls(acls), nodes @ .., SnapshotItem::End] =
        items.as_slice()
    else {
        panic!("sessions, ACLs, nodes and an end");
    };
    assert_eq!(sessions, &[(SESSION, 30_000)]);
    let keys: Vec<i64> = acls.iter().filter(|(_, list)| *list == acl()).map(|(key, _)| *key).collect();
    let [acl_key] = keys.as_slice() else { panic!("one key for the ACL") };
    let stat = StatPersisted {
        czxid: Zxid(0x1_0000_0003),
        mzxid: Zxid(0x1_0000_0004),
        ctime: 1_600_000_000_002,
        mtime: 1_600_000_000_003,
        version: 1,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: 0,
        pzxid: Zxid(0x1_0000_0003),
    };
    let node = DataNode { data: Some(Bytes::from_static(&[1, 2])), acl_key: *acl_key, stat };
    assert!(nodes.contains(&SnapshotItem::Node { path: "/a/f".into(), node }));
    let paths: Vec<&str> = nodes.iter().map(path).collect();
    assert_eq!(paths.first(), Some(&""));
    for path in &paths {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let place = |path: &str| paths.iter().position(|other| *other == path);
        assert!(place(parent) <= place(path), "{path} comes before its parent");
    }
    let owner = nodes.iter().find(|item| path(item) == "/a/e").map(|item| match item {
        SnapshotItem::Node { node, .. } => node.stat.ephemeral_owner,
        SnapshotItem::Sessions(_) | SnapshotItem::Acls(_) | SnapshotItem::End => 0,
    });
    assert_eq!(owner, Some(SESSION.0));
}

fn path(item: &SnapshotItem) -> &str {
    match item {
        SnapshotItem::Node { path, .. } => path,
        SnapshotItem::Sessions(_) | SnapshotItem::Acls(_) | SnapshotItem::End => panic!("a node"),
    }
}
