//! The text of each four-letter word, over plain data.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use jute::{SessionId, Zxid};
use pipeline::outbox::{ConnectionStats, Opened, Share};

use crate::clock;
use crate::metrics::{average, java_double};

/// Answer of every word but `ruok`, `envi` and `gtmk` while the server does not serve.
pub(crate) const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// One connection as `cons` and `stat` show it.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLine {
    pub(crate) remote: SocketAddr,
    /// Interest bits of the reference: 1 is reading, 4 is writing.
    pub(crate) interest: u8,
    pub(crate) stats: ConnectionStats,
    pub(crate) opened: Option<Opened>,
    pub(crate) established_ms: i64,
}

impl ConnectionLine {
    // zk: ServerCnxn.dumpConnectionInfo
    pub(crate) fn print(&self, brief: bool, out: &mut String) {
        let stats = &self.stats;
        let _ = write!(
            out,
            " {}[{:x}](queued={},recved={},sent={}",
            java_address(self.remote),
            self.interest,
            stats.outstanding,
            stats.received,
            stats.sent
        );
        if let Some(opened) = self.opened.filter(|_| !brief) {
            let _ = write!(
                out,
                ",sid={},lop={},est={},to={}",
                opened.session, stats.last_op, self.established_ms, opened.timeout_ms
            );
            if stats.last_cxid >= 0 {
                let _ = write!(out, ",lcxid=0x{:x}", stats.last_cxid);
            }
            let _ = write!(
                out,
                ",lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
                stats.last_zxid.0,
                stats.last_response.0,
                stats.last_latency_ms,
                stats.min_latency_ms(),
                stats.avg_latency_ms(),
                stats.max_latency_ms
            );
        }
        out.push_str(")\n");
    }
}

/// The lines that `srvr` and `stat` share.
#[derive(Debug, Clone)]
pub(crate) struct ServerLines {
    pub(crate) share: Share,
    pub(crate) connections: usize,
    pub(crate) outstanding: usize,
    pub(crate) zxid: Zxid,
    pub(crate) node_count: usize,
    pub(crate) mode: &'static str,
}

impl ServerLines {
    // zk: ServerStats.toString
    pub(crate) fn print(&self, out: &mut String) {
        let latency = &self.share.latency;
        let _ = write!(
            out,
            "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\n\
             Zxid: 0x{:x}\nMode: {}\nNode count: {}\n",
            latency.min_ms.unwrap_or(0),
            java_double(average(latency.total_ms, latency.count)),
            latency.max_ms,
            self.share.received,
            self.share.sent,
            self.connections,
            self.outstanding,
            self.zxid.0,
            self.mode,
            self.node_count
        );
    }
}

/// One bin of an expiry queue: when, as wall time, and what.
pub(crate) type Bin = (i64, Vec<String>);

/// `dump`'s queues of sessions and of connections.
// zk: ExpiryQueue.dump
pub(crate) fn expiry_sets(kind: &str, mut bins: Vec<Bin>, out: &mut String) {
    bins.sort();
    let elements: usize = bins.iter().map(|(_, elements)| elements.len()).sum();
    let _ = writeln!(out, "{kind} Sets ({})/({elements}):", bins.len());
    for (at, elements) in bins {
        let _ = writeln!(out, "{} expire at {}:", elements.len(), clock::java_date(at));
        for element in elements {
            let _ = writeln!(out, "\t{element}");
        }
    }
}

/// `dump`'s list of sessions at a server that does not expire them.
// zk: LearnerSessionTracker.dumpSessions
pub(crate) fn global_sessions(sessions: impl Iterator<Item = (SessionId, i32)>, out: &mut String) {
    let sorted: BTreeMap<SessionId, i32> = sessions.collect();
    let _ = writeln!(out, "Global Sessions({}):", sorted.len());
    for (session, timeout_ms) in sorted {
        let _ = writeln!(out, "0x{:x}\t{timeout_ms}ms", session.0);
    }
}

/// A connection among those of `dump`.
// zk: NIOServerCnxn.toString
pub(crate) fn dumped_connection(remote: SocketAddr, session: Option<SessionId>) -> String {
    format!("ip: {} sessionId: 0x{:x}", java_address(remote), session.unwrap_or(SessionId::NONE).0)
}

/// `dump`'s list of ephemerals.
// zk: DataTree.dumpEphemerals
pub(crate) fn ephemerals(owners: &[(SessionId, Vec<String>)], out: &mut String) {
    let _ = writeln!(out, "Sessions with Ephemerals ({}):", owners.len());
    for (session, paths) in owners {
        let _ = writeln!(out, "0x{:x}:", session.0);
        paths.iter().for_each(|path| {
            let _ = writeln!(out, "\t{path}");
        });
    }
}

/// `wchs`.
pub(crate) fn watch_summary(connections: usize, paths: usize, total: usize) -> String {
    format!("{connections} connections watching {paths} paths\nTotal watches:{total}\n")
}

/// `wchc` and `wchp`: a head line for each entry, then its members.
pub(crate) fn watch_table(table: &[(String, Vec<String>)]) -> String {
    let mut out = String::new();
    for (head, members) in table {
        let _ = writeln!(out, "{head}");
        members.iter().for_each(|member| {
            let _ = writeln!(out, "\t{member}");
        });
    }
    out.push('\n');
    out
}

/// An address as Java prints it.
pub(crate) fn java_address(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => format!("/{address}"),
        SocketAddr::V6(address) => {
            let groups: Vec<_> = address.ip().segments().iter().map(|group| format!("{group:x}")).collect();
            format!("/[{}]:{}", groups.join(":"), address.port())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::outbox::Latency;

    #[test]
    fn server_lines_have_the_shape_of_the_reference() {
        let latency = Latency { count: 11, total_ms: 42, min_ms: Some(0), max_ms: 15 };
        let share = Share { received: 23, sent: 24, latency, ..Share::default() };
        let lines = ServerLines {
            share,
            connections: 3,
            outstanding: 0,
            zxid: Zxid(8),
            node_count: 11,
            mode: "standalone",
        };
        let mut out = String::new();
        lines.print(&mut out);
        assert_eq!(
            out,
            "Latency min/avg/max: 0/3.8182/15\nReceived: 23\nSent: 24\nConnections: 3\nOutstanding: 0\nZxid: 0x8\n\
             Mode: standalone\nNode count: 11\n"
        );
    }

    #[test]
    fn connection_lines_have_the_shape_of_the_reference() {
        let mut stats = ConnectionStats::default();
        stats.received = 1;
        let mut line = ConnectionLine {
            remote: "127.0.0.1:52990".parse().unwrap(),
            interest: 0,
            stats,
            opened: None,
            established_ms: 7,
        };
        let print = |line: &ConnectionLine, brief| {
            let mut out = String::new();
            line.print(brief, &mut out);
            out
        };
        assert_eq!(print(&line, false), " /127.0.0.1:52990[0](queued=0,recved=1,sent=0)\n");
        line.interest = 1;
        line.opened = Some(Opened { session: SessionId(0x0100_0011_3fb8_0001), timeout_ms: 10_000 });
        assert_eq!(print(&line, true), " /127.0.0.1:52990[1](queued=0,recved=1,sent=0)\n");
        assert_eq!(
            print(&line, false),
            " /127.0.0.1:52990[1](queued=0,recved=1,sent=0,sid=0x10000113fb80001,lop=null,est=7,to=10000,lcxid=0x0,\
             lzxid=0x0,lresp=0,llat=0,minlat=0,avglat=0,maxlat=0)\n"
        );
        line.stats.last_cxid = -1;
        line.stats.last_zxid = Zxid::NONE;
        assert!(print(&line, false).contains(",to=10000,lzxid=0xffffffffffffffff,"));
    }

    #[test]
    fn dumps_have_the_shape_of_the_reference() {
        let mut out = String::new();
        expiry_sets("Session", vec![(1_795_245_118_000, vec!["0x1".into(), "0x2".into()])], &mut out);
        ephemerals(&[(SessionId(0x0100_0011_3fb8_0000), vec!["/e".into()])], &mut out);
        assert_eq!(
            out,
            "Session Sets (1)/(2):\n2 expire at Sat Nov 21 07:11:58 UTC 2026:\n\t0x1\n\t0x2\n\
             Sessions with Ephemerals (1):\n0x10000113fb80000:\n\t/e\n"
        );
        assert_eq!(
            dumped_connection("[::1]:9".parse().unwrap(), None),
            "ip: /[0:0:0:0:0:0:0:1]:9 sessionId: 0x0"
        );
    }

    #[test]
    fn a_learner_lists_the_sessions_with_their_timeouts() {
        let mut out = String::new();
        global_sessions([(SessionId(0x20), 4000), (SessionId(0x1f), 30_000)].into_iter(), &mut out);
        assert_eq!(out, "Global Sessions(2):\n0x1f\t30000ms\n0x20\t4000ms\n");
    }

    #[test]
    fn watch_reports_have_the_shape_of_the_reference() {
        assert_eq!(watch_summary(1, 2, 2), "1 connections watching 2 paths\nTotal watches:2\n");
        assert_eq!(watch_table(&[("/a".into(), vec!["0x1".into()])]), "/a\n\t0x1\n\n");
    }
}
