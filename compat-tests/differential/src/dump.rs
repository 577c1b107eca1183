//! The whole tree as text, one node a line with every field as it is: for comparing two servers on one directory.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;

use crate::reply::Normal;
use crate::walk::Walker;
use crate::wire::escaped;

/// `path data acl stat`, sorted by path; the quota's statistics, which servers keep each for itself, are included.
pub(crate) fn run(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (path, node) in Walker::begin(address)?.tree(&Normal::default())? {
        let data =
            node.data.as_deref().map_or_else(|| "null".to_owned(), |data| format!("\"{}\"", escaped(data)));
        let [czxid, mzxid, pzxid] = node.stat.zxids;
        let [ctime, mtime] = node.stat.times;
        let (owner, length, children) = (node.stat.owner, node.stat.length, node.stat.children);
        writeln!(
            out,
            "{} {data} {} czxid={czxid:#x} mzxid={mzxid:#x} pzxid={pzxid:#x} ctime={ctime} mtime={mtime} versions={:?} \
             owner={owner:#x} length={length} children={children}",
            escaped(&path),
            node.acl,
            node.stat.versions
        )?;
    }
    Ok(out.flush()?)
}
