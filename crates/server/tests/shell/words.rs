//! The four-letter words over the wire.

use crate::common::{Client, Dir, metric, start, until, word};

#[test]
fn every_word_has_its_fields() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let mut client = Client::connect(&server);
    assert_eq!(client.create("/e", b"xyz", 1), 0);
    assert_eq!(client.get("/e", true).0, 0);
    let session = format!("0x{:x}", client.session.0);
    let rows: [(&str, &[&str]); 17] = [
        (
            "conf",
            &["clientPort=", "dataDirSize=", "tickTime=500\n", "maxSessionTimeout=10000\n", "serverId=0\n"],
        ),
        ("cons", &[" /127.0.0.1:", "lop=GETD", &session, ",to=10000,lcxid=0x2,lzxid=0x2,"]),
        ("dirs", &["datadir_size: ", "logdir_size: "]),
        (
            "dump",
            &[
                "Session Sets (1)/(1):",
                "Sessions with Ephemerals (1):",
                "\t/e\n",
                "Connections Sets (1)/(2):",
            ],
        ),
        ("envi", &["Environment:\nzookeeper.version=3.9.5-"]),
        ("gtmk", &["306"]),
        ("hash", &[]),
        ("isro", &["rw"]),
        (
            "mntr",
            &[
                "zk_version\t3.9.5-",
                "zk_server_state\tstandalone\n",
                "zk_znode_count\t6\n",
                "zk_watch_count\t1\n",
            ],
        ),
        ("ruok", &["imok"]),
        ("srvr", &["Zookeeper version: 3.9.5-", "Mode: standalone\nNode count: 6\n", "Zxid: 0x2\n"]),
        ("stat", &["Clients:\n /127.0.0.1:", "\n\nLatency min/avg/max: "]),
        ("wchs", &["1 connections watching 1 paths\nTotal watches:1\n"]),
        ("wchc", &[&session, "\n\t/e\n"]),
        ("wchp", &["/e\n\t", &session]),
        ("crst", &["Connection stats reset.\n"]),
        ("srst", &["Server stats reset.\n"]),
    ];
    for (name, wanted) in rows {
        let text = word(&server, name.as_bytes());
        for part in wanted {
            assert!(text.contains(part), "{name} lacks {part:?}:\n{text}");
        }
    }
    assert_eq!(word(&server, b"stmk\0\0\0\0\0\0\0\x4d"), "77");
    assert_eq!(word(&server, b"gtmk"), "77");
    assert_eq!(word(&server, &[0xff, 0xf4, 0xff, 0xfd]), "");
    assert_eq!(server.shutdown(), None);
}

#[test]
fn resets_are_obeyed() {
    let dir = Dir::new();
    let server = start(&dir, "");
    let mut client = Client::connect(&server);
    assert_eq!(client.create("/a", b"", 0), 0);
    until("the sync is counted", || metric(&server, "cnt_fsynctime") > 0);
    word(&server, b"srst");
    assert_eq!(metric(&server, "cnt_fsynctime"), 0);
    assert!(metric(&server, "packets_received") < 4);
    word(&server, b"crst");
    assert!(word(&server, b"cons").contains("recved=0,sent=0,sid="));
    assert_eq!(server.shutdown(), None);
}

#[test]
fn the_whitelist_holds() {
    let dir = Dir::new();
    let server = start(&dir, "4lw.commands.whitelist=ruok");
    assert_eq!(word(&server, b"ruok"), "imok");
    assert_eq!(word(&server, b"mntr"), "mntr is not executed because it is not in the whitelist.\n");
    assert!(word(&server, b"srvr").contains("Mode: standalone"));
    assert_eq!(server.shutdown(), None);
}
