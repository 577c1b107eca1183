//! Reads the whole tree as the super user.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;

use crate::op;
use crate::reply::Normal;
use crate::session::{Connection, Hello, call, connect, four_letters};
use crate::wire::{Reader, Writer, escaped};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A node as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) acl: String,
    pub(crate) stat: Stat,
    /// The same as text, with what may differ between equal servers replaced.
    pub(crate) normal: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) zxids: [i64; 3],
    pub(crate) times: [i64; 2],
    pub(crate) versions: [i32; 3],
    pub(crate) owner: i64,
    pub(crate) length: i32,
    pub(crate) children: i32,
}

pub(crate) struct Walker {
    connection: Connection,
    address: SocketAddr,
    xid: i32,
    last_zxid: i64,
}

impl Walker {
    pub(crate) fn begin(address: SocketAddr) -> Result<Self> {
        let (connection, welcome) = connect(address, &Hello::new_session(60_000))?;
        welcome.filter(|welcome| welcome.session != 0).ok_or("no session for the walk")?;
        let mut walker = Self { connection, address, xid: 0, last_zxid: 0 };
        let credentials = Writer::default().int(0).string("digest").string(crate::acls::SUPER);
        let (_, err, _) = call(&mut walker.connection, op::XID_AUTH, op::AUTH, &credentials.0)?;
        if err == 0 { Ok(walker) } else { Err("the super user is refused".into()) }
    }

    pub(crate) fn call(&mut self, op: i32, body: &Writer) -> Result<(i32, Vec<u8>)> {
        self.xid += 1;
        let (zxid, err, body) = call(&mut self.connection, self.xid, op, &body.0)?;
        self.last_zxid = zxid;
        Ok((err, body))
    }

    /// Every node, by path.
    pub(crate) fn tree(&mut self, normal: &Normal) -> Result<BTreeMap<Vec<u8>, Node>> {
        let mut nodes = BTreeMap::new();
        let mut waiting = vec![b"/".to_vec()];
        while let Some(path) = waiting.pop() {
            let (err, children) =
                self.call(op::GET_CHILDREN2, &Writer::default().buffer(Some(&path)).boolean(false))?;
            if err != 0 {
                return Err(format!("getChildren2 {}: {}", escaped(&path), op::error_name(err)).into());
            }
            let mut reader = Reader(&children);
            for _ in 0..reader.int()?.max(0) {
                let name = reader.buffer()?.unwrap_or_default();
                let parent: &[u8] = if path == b"/" { b"" } else { &path };
                waiting.push([parent, b"/", name].concat());
            }
            let node = self.node(normal, &path)?;
            nodes.insert(path, node);
        }
        Ok(nodes)
    }

    fn node(&mut self, normal: &Normal, path: &[u8]) -> Result<Node> {
        let (err, body) = self.call(op::GET_DATA, &Writer::default().buffer(Some(path)).boolean(false))?;
        let frame = Writer::default().int(0).long(0).int(err).raw(&body);
        let mut text = normal.reply(op::GET_DATA, &frame.0)?.text;
        let mut reader = Reader(&body);
        let data = reader.buffer()?.map(<[u8]>::to_vec);
        let stat = stat(&mut reader)?;
        let (err, body) = self.call(op::GET_ACL, &Writer::default().buffer(Some(path)))?;
        let frame = Writer::default().int(0).long(0).int(err).raw(&body);
        text += &normal.reply(op::GET_ACL, &frame.0)?.text;
        let acl = crate::reply::acl(&mut Reader(&body))?;
        Ok(Node { data, acl, stat, normal: text })
    }

    /// Writes to `path` until the server's zxid is one whose digest the server keeps, and returns that digest.
    pub(crate) fn kept_digest(&mut self, path: &[u8]) -> Result<i64> {
        const EVERY: i64 = 128;
        loop {
            let (err, _) =
                self.call(op::SET_DATA, &Writer::default().buffer(Some(path)).string("x").int(-1))?;
            if err != 0 {
                return Err(format!("setData {}: {}", escaped(path), op::error_name(err)).into());
            }
            if self.last_zxid % EVERY == 0 {
                break;
            }
        }
        let answer = four_letters(self.address, "hash")?;
        let line = format!("{:x}: ", self.last_zxid);
        let digest = answer.lines().find_map(|answer| answer.strip_prefix(&line));
        let digest =
            digest.ok_or_else(|| format!("`hash` does not tell zxid {:#x}:\n{answer}", self.last_zxid))?;
        Ok(digest.trim().parse()?)
    }
}

pub(crate) fn stat(reader: &mut Reader<'_>) -> Result<Stat> {
    let (czxid, mzxid) = (reader.long()?, reader.long()?);
    let times = [reader.long()?, reader.long()?];
    let versions = [reader.int()?, reader.int()?, reader.int()?];
    let owner = reader.long()?;
    let (length, children) = (reader.int()?, reader.int()?);
    Ok(Stat { zxids: [czxid, mzxid, reader.long()?], times, versions, owner, length, children })
}

/// The digest that a server with these nodes must have. `hidden_owner` tells the stored owner where clients see 0.
pub(crate) fn digest(nodes: &BTreeMap<Vec<u8>, Node>, hidden_owner: impl Fn(&[u8]) -> i64) -> i64 {
    let counted = nodes.iter().filter(|(path, _)| !path.starts_with(b"/zookeeper/"));
    counted.fold(0_i64, |sum, (path, node)| sum.wrapping_add(node_digest(path, node, hidden_owner(path))))
}

fn node_digest(path: &[u8], node: &Node, hidden_owner: i64) -> i64 {
    let stat = &node.stat;
    let owner = if stat.owner == 0 { hidden_owner } else { stat.owner };
    // Clients are shown twice the creations less the children there are.
    let stored_cversion = stat.versions[1].wrapping_add(stat.children) / 2;
    let [czxid, mzxid, pzxid] = stat.zxids;
    let body = Writer::default().long(czxid).long(mzxid).long(pzxid).long(stat.times[0]).long(stat.times[1]);
    let body = body.int(stat.versions[0]).int(stored_cversion).int(stat.versions[2]).long(owner);
    let mut crc = crc32fast::Hasher::new();
    crc.update(if path == b"/" { b"" } else { path });
    crc.update(node.data.as_deref().unwrap_or_default());
    crc.update(&body.0);
    i64::from(crc.finalize())
}
