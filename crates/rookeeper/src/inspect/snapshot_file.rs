//! A snapshot, item by item.

use std::io::Write;

use jute::snapshot::SnapshotItem;
use jute::{SessionId, Zxid};
use serde_json::json;
use storage::{Corruption, RealDisk, StorageError, Trailers};

use super::{Failure, Verdict, render, tell};
use crate::arguments::Inspection;

const ADVICE: &str = "the server passes over a damaged snapshot and takes the next older one and the logs; if there is none, \
                      restore the file from a copy, or, in an ensemble, empty the data directory and let the server \
                      take a snapshot from the leader";

/// Prints what the file holds, unless only the verdict is wanted.
pub(super) fn inspect(what: &Inspection, out: &mut dyn Write) -> Result<Verdict, Failure> {
    let mut printer = Printer { what, out, sessions: Vec::new(), nodes: 0, data_bytes: 0, newest: Zxid(0) };
    match printer.items() {
        Ok(trailers) => {
            printer.end(&trailers)?;
            Ok(Verdict::Sound)
        }
        Err(Failure::Storage(StorageError::Corrupt(corruption))) => {
            printer.damaged(&corruption)?;
            Ok(Verdict::Damaged)
        }
        Err(why) => Err(why),
    }
}

struct Printer<'p> {
    what: &'p Inspection,
    out: &'p mut dyn Write,
    sessions: Vec<(SessionId, i32)>,
    nodes: u64,
    data_bytes: u64,
    newest: Zxid,
}

impl Printer<'_> {
    fn items(&mut self) -> Result<Trailers, Failure> {
        let mut reader = storage::inspect::snapshot(&RealDisk, &self.what.file)?;
        for item in reader.by_ref() {
            self.item(item?)?;
        }
        Ok(reader.trailers())
    }

    fn item(&mut self, item: SnapshotItem) -> Result<(), Failure> {
        let wanted = !self.what.verify;
        match item {
            SnapshotItem::Sessions(sessions) => self.sessions = sessions,
            SnapshotItem::Acls(acls) if wanted && self.what.json => {
                for (key, acl) in acls {
                    writeln!(self.out, "{}", json!({ "aclKey": key, "acl": render::acl(Some(&acl)) }))?;
                }
            }
            SnapshotItem::Acls(_) | SnapshotItem::End => {}
            SnapshotItem::Node { path, node } => {
                self.nodes += 1;
                self.data_bytes += node.data.as_ref().map_or(0, |data| data.len() as u64);
                self.newest = self.newest.max(node.stat.mzxid).max(node.stat.pzxid);
                if wanted && self.what.json {
                    writeln!(self.out, "{}", render::node(&path, &node))?;
                } else if wanted {
                    writeln!(self.out, "{}", render::node_lines(&path, &node))?;
                }
            }
        }
        Ok(())
    }

    // zk: SnapshotFormatter.printDetails: the count of nodes stands at the end here, for it is known only then
    fn end(&mut self, trailers: &Trailers) -> Result<(), Failure> {
        if self.what.json {
            return self.end_json(trailers);
        }
        if !self.what.verify {
            writeln!(self.out, "----\nSession Details (sid, timeout):")?;
            for (session, timeout) in &self.sessions {
                writeln!(self.out, "{:#018x}, {timeout}", session.0)?;
            }
            if let Some(digest) = &trailers.digest {
                writeln!(self.out, "Target zxid digest is: {:x}, {}", digest.zxid.0, digest.digest)?;
            }
            writeln!(self.out, "----\nLast zxid: 0x{:x}", self.last(trailers).0)?;
        }
        writeln!(
            self.out,
            "{} znodes, {} sessions, {} bytes of data, checksums verified, sound",
            self.nodes,
            self.sessions.len(),
            self.data_bytes
        )?;
        Ok(self.out.flush()?)
    }

    fn end_json(&mut self, trailers: &Trailers) -> Result<(), Failure> {
        for (session, timeout) in self.sessions.iter().filter(|_| !self.what.verify) {
            writeln!(self.out, "{}", json!({ "session": render::hex(session.0), "timeout": timeout }))?;
        }
        let digest = trailers.digest.as_ref().map(|digest| {
            json!({ "zxid": render::hex(digest.zxid.0), "version": digest.version, "digest": digest.digest })
        });
        let summary = json!({
            "summary": {
                "file": self.what.file, "nodes": self.nodes, "sessions": self.sessions.len(),
                "dataBytes": self.data_bytes, "last": render::hex(self.last(trailers).0), "digest": digest, "damage": 0,
            }
        });
        writeln!(self.out, "{summary}")?;
        Ok(self.out.flush()?)
    }

    /// The zxid of the picture: the trailer's, or the newest that a node, or the file's name, shows.
    fn last(&self, trailers: &Trailers) -> Zxid {
        let name = self.what.file.file_name().and_then(|name| name.to_str());
        let named = name.and_then(storage::parse_snapshot_name).map_or(Zxid(0), |(zxid, _)| zxid);
        trailers.last_processed.unwrap_or_else(|| self.newest.max(named))
    }

    fn damaged(&mut self, corruption: &Corruption) -> Result<(), Failure> {
        self.out.flush()?;
        eprintln!("{} znodes stand before the damage", self.nodes);
        Ok(tell(self.out, self.what.json, corruption, ADVICE)?)
    }
}
