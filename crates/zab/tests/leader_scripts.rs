//! Scripts: what one leader does, one file per behaviour.
//!
//! A file is a list of blocks: commands, `---`, what they bring about, an empty line. `UPDATE_GOLDENFILES=1` writes what comes out
//! into the files; read the difference before you keep it. A zxid is written as epoch and counter: `5.1`. A link has the name of
//! its server, the second one of server 2 is `2/2`.
//!
//! | command | |
//! |---|---|
//! | `leader voters=1,2,3 [observers=4] [last=4.3] [processed=5.0] [accepted=4] [current=4] [recent=4.1,4.2,4.3] [keeps=9]` … | begins |
//! | … `[group.1=1:2] [weight.1=3] [version=1f] [forced] [log] [reconfig] [seen=1,2@5]` | with this membership, and with these settings |
//! | `elected 2 3` | a new leader comes as far as serving with these followers; not shown |
//! | `2 connects`, `2 lost`, `2 > ACK 5.1`, `2 > FOLLOWERINFO 4 [server=9] [protocol=1] [config=1f]` … | a learner does something |
//! | `2 follows 4.3`, `4 observes 4.3` | it connects, introduces itself, accepts the epoch; its history ends there |
//! | `probed 2 floor=4.1 above=4.2 last=4.3 [over]`, `probed 2 WHY` | the own disk answers a probe |
//! | `accepted`, `current`, `durable 5.1` | the own disk answers |
//! | `propose`, `propose 3` | the pipeline has transactions |
//! | `reconfig 1,2,4o` | the pipeline has a transaction that makes these the members; `1:moved` is at another address |
//! | `synced 1,2,4` | whether a quorum of these follows |
//! | `skip-to 4294967290` | the counter of the epoch is that far |
//! | `2 proposes-itself 4 4.3` | the election tells of a voter that looks, of its epoch and the end of its history |
//! | `wait 100`, `deadline` | time passes: so much, or until the deadline |
//! | `learners`, `recent` | what it reports, what the next role gets |
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a script that cannot be read fails the test"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ensemble::{ServerId, Verifier};
use jute::txn::{SetDataTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use rookeeper_zab as zab;
use zab::leader::{LeaderStart, Recent};
use zab::{Introduction, Leader, LeaderAction, LeaderSettings, LinkId, LogProbe, Outgoing, Packet, Request};

#[test]
fn scripts() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/leader");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("scripts").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Runs one file; what differs, if anything.
fn check(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).expect("script");
    let mut script = Script::default();
    let mut output = Vec::new();
    for block in text.trim_end().split("\n\n") {
        let commands = block.split_once("\n---").map_or(block, |(commands, _)| commands);
        output.push(format!("{commands}\n---\n{}", script.run(commands)).trim_end().to_string());
    }
    let output = output.join("\n\n") + "\n";
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(file, &output).expect("write script");
        return None;
    }
    (output != text).then(|| format!("{}: got\n{output}", file.display()))
}

#[derive(Default)]
struct Script {
    leader: Option<Leader>,
    now_ms: u64,
    /// The end of the leader's history when it begins.
    end: String,
}

impl Script {
    fn run(&mut self, commands: &str) -> String {
        let mut lines = Vec::new();
        for command in commands.lines().filter(|line| !line.starts_with('#')) {
            let mut out = Vec::new();
            lines.extend(self.command(command, &mut out));
            lines.extend(out.iter().map(show));
        }
        lines.push(self.state());
        lines.join("\n")
    }

    fn leader(&mut self) -> &mut Leader {
        self.leader.as_mut().expect("a leader")
    }

    fn state(&self) -> String {
        let Some(leader) = &self.leader else { return "= gone".to_string() };
        let Some(deadline) = leader.next_deadline() else { return "= over".to_string() };
        let state = match (leader.epoch(), leader.is_established()) {
            (None, _) => "discovery".to_string(),
            (Some(epoch), false) => format!("epoch {epoch}"),
            (Some(_), true) => {
                let (committed, proposed) = (zxid(leader.committed()), zxid(leader.last_proposed()));
                format!("broadcast, committed {committed}, proposed {proposed}")
            }
        };
        let successor = if leader.has_successor() { ", has a successor" } else { "" };
        format!("= {state}{successor}, due in {} ms", deadline - self.now_ms)
    }

    /// Carries out a command; lines when the answer is no action.
    fn command(&mut self, line: &str, out: &mut Vec<LeaderAction>) -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let now_ms = self.now_ms;
        match (words[0], &words[1..]) {
            ("leader", words) => {
                self.leader = Some(leader(words, now_ms, out));
                self.end = value(words, "last").unwrap_or("4.3").to_string();
            }
            ("elected", servers) => self.elected(servers),
            ("accepted", _) => self.leader().on_accepted_epoch_written(now_ms, out),
            ("current", _) => self.leader().on_current_epoch_written(now_ms, out),
            ("durable", words) => self.leader().on_durable(now_ms, parse(words[0]), out),
            ("skip-to", words) => self.leader().skip_to(words[0].parse().expect("a counter")),
            ("propose", words) => {
                let count = words.first().map_or(1, |count| count.parse().expect("a count"));
                return self.propose(count, out);
            }
            ("reconfig", words) => self.reconfig(words[0], out),
            ("synced", words) => {
                return vec![format!("{}", self.leader().has_synced_quorum(&membership(words[0])))];
            }
            ("probed", words) => {
                let probe = probe(words).ok_or_else(|| words[1..].join(" "));
                self.leader().on_log_probed(now_ms, link(words[0]), probe, out);
            }
            ("wait", words) => {
                self.now_ms += words[0].parse::<u64>().expect("milliseconds");
                let now_ms = self.now_ms;
                self.leader().on_deadline(now_ms, out);
            }
            ("deadline", _) => {
                self.now_ms = self.leader().next_deadline().expect("a deadline");
                let now_ms = self.now_ms;
                self.leader().on_deadline(now_ms, out);
            }
            ("learners", _) => return self.learners(),
            ("recent", _) => {
                let recent = self.leader.take().expect("a leader").into_recent();
                return recent.iter().map(|record| zxid(record.header.zxid)).collect();
            }
            (name, words) => self.learner(name, words, out),
        }
        Vec::new()
    }

    fn learner(&mut self, name: &str, words: &[&str], out: &mut Vec<LeaderAction>) {
        let (now_ms, id) = (self.now_ms, link(name));
        match words[0] {
            "connects" => self.leader().on_accepted(now_ms, id, out),
            "looks" => {
                let server = words[1].parse().map(ServerId).expect("a server");
                self.leader().on_voter_looks(now_ms, server, out);
            }
            "proposes-itself" => {
                let (server, epoch) = (name.parse().map(ServerId), words[1].parse());
                self.leader().on_candidacy(
                    server.expect("a server"),
                    epoch.expect("an epoch"),
                    parse(words[2]),
                );
            }
            "lost" => self.leader().on_lost(now_ms, id, out),
            ">" => self.leader().on_packet(now_ms, id, packet(id, &words[1..]), out),
            "follows" | "observes" => {
                let info = if words[0] == "follows" { "FOLLOWERINFO" } else { "OBSERVERINFO" };
                self.leader().on_accepted(now_ms, id, out);
                self.leader().on_packet(now_ms, id, packet(id, &[info, "4"]), out);
                self.leader().on_packet(now_ms, id, packet(id, &["ACKEPOCH", words[1], "4"]), out);
            }
            other => panic!("{name} {other}"),
        }
    }

    fn elected(&mut self, servers: &[&str]) {
        let (out, end) = (&mut Vec::new(), self.end.clone());
        for server in servers {
            self.learner(server, &["connects"], out);
            self.learner(server, &[">", "FOLLOWERINFO", "4"], out);
        }
        self.command("accepted", out);
        for server in servers {
            self.learner(server, &[">", "ACKEPOCH", &end, "4"], out);
        }
        self.command("current", out);
        for server in servers {
            self.learner(server, &[">", "ACK", "5.0"], out);
        }
        assert!(self.leader().is_established(), "{out:?}");
    }

    fn propose(&mut self, count: u32, out: &mut Vec<LeaderAction>) -> Vec<String> {
        let now_ms = self.now_ms;
        for _ in 0..count {
            match self.leader().next_zxid(out) {
                Some(zxid) => self.leader().propose(now_ms, record(zxid), out),
                None => return vec!["no zxid".to_string()],
            }
        }
        Vec::new()
    }

    fn reconfig(&mut self, members: &str, out: &mut Vec<LeaderAction>) {
        let zxid = self.leader().next_zxid(out).expect("a zxid");
        let verifier = membership(members).with_version(zxid.0);
        let data = Some(Bytes::from(verifier.to_string()));
        let txn = Txn::Reconfig(SetDataTxn { path: "/zookeeper/config".to_string(), data, version: -1 });
        let record = TxnRecord { txn, ..TxnRecord::clone(&record(zxid)) };
        let now_ms = self.now_ms;
        self.leader().propose(now_ms, Arc::new(record), out);
    }

    fn learners(&self) -> Vec<String> {
        let learners = self.leader.as_ref().map(Leader::learners).unwrap_or_default();
        let show = |report: &zab::LearnerReport| {
            let is = |is, what| if is { what } else { "" };
            format!(
                "{}: server={}{}{}{} acked={}",
                name(report.link),
                report.server.map_or("?".to_string(), |server| server.to_string()),
                is(report.is_follower, " follower"),
                is(report.votes, " votes"),
                is(report.is_synced, " synced"),
                zxid(report.acked),
            )
        };
        learners.iter().map(show).collect()
    }
}

fn leader(words: &[&str], now_ms: u64, out: &mut Vec<LeaderAction>) -> Leader {
    let word = |name| value(words, name);
    let list = |name| word(name).into_iter().flat_map(|list: &str| list.split(','));
    let number = |name, or: i32| word(name).map_or(or, |text| text.parse().expect("a number"));
    let settings = LeaderSettings {
        me: ServerId(1),
        tick_ms: 1000,
        init_limit: 10,
        sync_limit: 5,
        forces_snapshot: words.contains(&"forced"),
        sends_log: words.contains(&"log"),
        reconfig_enabled: words.contains(&"reconfig"),
        epoch_patience_ms: word("patience").map(|text| text.parse().expect("milliseconds")),
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    pairs.extend(list("voters").map(|id| (format!("server.{id}"), format!("h{id}:2:3"))));
    pairs.extend(list("observers").map(|id| (format!("server.{id}"), format!("h{id}:2:3:observer"))));
    let extra = words.iter().filter_map(|word| word.split_once('='));
    pairs.extend(extra.map(|(key, value)| (key.to_string(), value.to_string())));
    let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let verifier = Verifier::from_pairs(pairs, false).expect("a membership");
    let mut recent = Recent::new(usize::try_from(number("keeps", 500)).expect("a count"));
    list("recent").for_each(|zxid| recent.push(record(parse(zxid))));
    let last = parse(word("last").unwrap_or("4.3"));
    let start = LeaderStart {
        accepted_epoch: number("accepted", 4),
        current_epoch: number("current", 4),
        last,
        last_processed: word("processed").map_or(last, parse),
        recent,
        last_seen: word("seen").map(|seen| Arc::new(membership(seen))),
    };
    Leader::new(settings, Arc::new(verifier), start, now_ms, out)
}

/// The value behind `name=`.
fn value<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

/// Links of one server differ by this.
const LINKS: u64 = 1000;

fn link(name: &str) -> LinkId {
    let (server, count) = name.split_once('/').unwrap_or((name, "1"));
    let (server, count): (u64, u64) = (server.parse().expect(name), count.parse().expect(name));
    LinkId(server + LINKS * (count - 1))
}

fn name(link: LinkId) -> String {
    match (link.0 % LINKS, link.0 / LINKS) {
        (server, 0) => server.to_string(),
        (server, count) => format!("{server}/{}", count + 1),
    }
}

fn parse(text: &str) -> Zxid {
    let (epoch, counter) = text.split_once('.').unwrap_or((text, "0"));
    Zxid::from_parts(epoch.parse().expect("an epoch"), counter.parse().expect("a counter"))
}

fn zxid(zxid: Zxid) -> String {
    format!("{}.{}", zxid.epoch(), zxid.counter())
}

fn record(zxid: Zxid) -> Arc<TxnRecord> {
    let txn = Txn::SetData(SetDataTxn { path: "/a".to_string(), data: None, version: 1 });
    let op_code = txn.op_code().code();
    let header = TxnHeader { client_id: SessionId(7), cxid: 1, zxid, time: 0, op_code };
    Arc::new(TxnRecord { header, txn, digest: None })
}

/// `1,2,3o` or `1:moved,2`, and a version behind `@`.
fn membership(text: &str) -> Verifier {
    let (members, version) = text.split_once('@').unwrap_or((text, "0"));
    let line = |member: &str| {
        let (id, role) = member.strip_suffix('o').map_or((member, "participant"), |id| (id, "observer"));
        let (id, host) =
            id.split_once(':').map_or((id, format!("h{id}")), |(id, host)| (id, host.to_string()));
        format!("server.{id}={host}:2:3:{role}\n")
    };
    let lines: String = members.split(',').map(line).collect();
    Verifier::from_text(&format!("{lines}version={version}"), false).expect("a membership")
}

fn show_membership(verifier: &Verifier) -> String {
    let member =
        |member: &ensemble::Member| format!("{}{}", member.id, if member.votes() { "" } else { "o" });
    let members: Vec<String> = verifier.members().iter().map(member).collect();
    format!("{}@{}", members.join(","), zxid(Zxid(verifier.version)))
}

fn probe(words: &[&str]) -> Option<LogProbe> {
    let word = |name| value(words, name);
    Some(LogProbe {
        floor: word("floor").map(parse),
        first_above: word("above").map(parse),
        last: parse(word("last")?),
        is_over: words.contains(&"over"),
    })
}

fn packet(link: LinkId, words: &[&str]) -> Packet {
    let word = |name| value(words, name);
    let introduction = || Introduction {
        accepted_epoch: words[1].parse().expect("an epoch"),
        server: match word("server") {
            Some("none") => None,
            Some(server) => Some(server.parse().expect("an id")),
            None => i64::try_from(link.0 % LINKS).ok(),
        },
        protocol_version: word("protocol").map_or(0x1_0000, |text| text.parse().expect("a number")),
        config_version: word("config")
            .map_or(0, |text| i64::from_str_radix(text, 16).expect("a hexadecimal number")),
    };
    let first = || parse(words[1]);
    match words[0] {
        "FOLLOWERINFO" => Packet::FollowerInfo(introduction()),
        "OBSERVERINFO" => Packet::ObserverInfo(introduction()),
        "ACKEPOCH" => {
            let last = if words[1] == "none" { Zxid::NONE } else { first() };
            Packet::AckEpoch {
                last,
                current_epoch: words.get(2).map(|epoch| epoch.parse().expect("an epoch")),
            }
        }
        "ACK" => Packet::Ack(first()),
        "PING" => Packet::Ping {
            zxid: Zxid::ZERO,
            heard: Some(words[1..].iter().map(|_| (SessionId(7), 6000)).collect()),
        },
        "REVALIDATE" => Packet::Revalidate { session: SessionId(7), timeout_ms: 6000 },
        "REQUEST" => Packet::Request(Request {
            session: SessionId(7),
            cxid: 3,
            op_code: 5,
            body: Bytes::new(),
            identities: Vec::new(),
        }),
        "PROPOSAL" => Packet::Proposal(record(first())),
        "COMMIT" => Packet::Commit(first()),
        "UPTODATE" => Packet::UpToDate,
        "SYNC" => Packet::Sync,
        "LEADERINFO" => Packet::LeaderInfo { zxid: first(), protocol_version: 0x1_0000 },
        number => Packet::Unknown(number.parse().expect("the number of a packet")),
    }
}

fn show(action: &LeaderAction) -> String {
    match action {
        LeaderAction::WriteAcceptedEpoch(epoch) => format!("write acceptedEpoch {epoch}"),
        LeaderAction::WriteCurrentEpoch(epoch) => format!("write currentEpoch {epoch}"),
        LeaderAction::Send { link, what } => format!("-> {} {}", name(*link), show_outgoing(what)),
        LeaderAction::Close { link, why } => format!("close {}: {why}", name(*link)),
        LeaderAction::ProbeLog { link, peer } => format!("probe {} {}", name(*link), zxid(*peer)),
        LeaderAction::Established { first } => format!("established {}", zxid(*first)),
        LeaderAction::Committed { zxid: at } => format!("committed {}", zxid(*at)),
        LeaderAction::See(verifier) => format!("see {}", show_membership(verifier)),
        LeaderAction::Activate { verifier, leader, zxid: at } => {
            format!("activate {} by {}, {leader} leads", show_membership(verifier), zxid(*at))
        }
        LeaderAction::Forwarded { link, request } => {
            format!("forwarded {} session={} cxid={}", name(*link), request.session, request.cxid)
        }
        LeaderAction::Revalidate { link, session, timeout_ms } => {
            format!("revalidate {} session={session} timeout={timeout_ms}", name(*link))
        }
        LeaderAction::Heard { sessions } => format!("heard {sessions:?}"),
        LeaderAction::Abdicate { why } => format!("abdicate: {why}"),
        LeaderAction::Note(note) => format!("note: {note}"),
    }
}

fn show_outgoing(what: &Outgoing) -> String {
    match what {
        Outgoing::Packet(packet) => show_packet(packet),
        Outgoing::Snapshot { zxid: at } => format!("SNAP {} and the state", zxid(*at)),
        Outgoing::Log { after, up_to } => format!("the log above {} up to {}", zxid(*after), zxid(*up_to)),
    }
}

fn show_packet(packet: &Packet) -> String {
    let name = packet.name();
    match packet {
        Packet::Proposal(record) | Packet::Inform(record) => format!("{name} {}", zxid(record.header.zxid)),
        Packet::Commit(at)
        | Packet::Diff(at)
        | Packet::Trunc(at)
        | Packet::Ping { zxid: at, .. }
        | Packet::LeaderInfo { zxid: at, .. } => format!("{name} {}", zxid(*at)),
        Packet::NewLeader { zxid: at, config } => {
            let config = config.as_deref().unwrap_or_default().replace('\n', " ");
            let config = if config.contains("group") || !config.ends_with("version=0") {
                format!(" {config}")
            } else {
                String::new()
            };
            format!("{name} {}{config}", zxid(*at))
        }
        Packet::CommitAndActivate { zxid: at, leader } => format!("{name} {} {leader} leads", zxid(*at)),
        Packet::InformAndActivate { leader, record } => {
            format!("{name} {} {leader} leads", zxid(record.header.zxid))
        }
        Packet::UpToDate => name.to_string(),
        other => format!("{other:?}"),
    }
}
