//! Scripts: what one learner does, one file per behaviour.
//!
//! A file is a list of blocks: commands, `---`, what they bring about, an empty line. `UPDATE_GOLDENFILES=1` writes what comes out
//! into the files; read the difference before you keep it. A zxid is written as epoch and counter: `5.1`.
//!
//! | command | |
//! |---|---|
//! | `follower last=4.3 accepted=4 current=4 [elected=5] [held=1000] [reconfig]`, `observer …` | begins |
//! | `connected`, `receiving`, `received`, `lost WHY` | happens on the way to the leader |
//! | `< PROPOSAL 5.1 [error]`, `< PROPOSAL 5.1 reconfig 1,2 [VERSION]`, `< COMMIT 5.1`, `< NEWLEADER 5 [config]` … | the leader sends a packet |
//! | `accepted`, `current`, `durable 5.1`, `truncated 4.2`, `truncated WHY`, `installed` | the own disk answers |
//! | `wait 100`, `deadline` | time passes: so much, or until the deadline |
//! | `pending` | what the next role has to apply |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ensemble::{ServerId, Verifier};
use jute::txn::{ErrorTxn, SetDataTxn, TxnHeader};
use jute::{SessionId, Txn, TxnRecord, Zxid};
use rookeeper_zab::learner::{LearnerNote, LearnerStart, LearnerState, Upstream};
use rookeeper_zab::{Learner, LearnerAction, LearnerSettings, Packet};

#[test]
fn scripts() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/learner");
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
    learner: Option<Learner>,
    now_ms: u64,
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

    fn state(&self) -> String {
        let Some(learner) = &self.learner else { return "= gone".to_string() };
        let state = match learner.state() {
            LearnerState::Discovery => "discovery".to_string(),
            LearnerState::Synchronization(None) => "synchronization".to_string(),
            LearnerState::Synchronization(Some(mode)) => {
                format!("synchronization - {}", format!("{mode:?}").to_lowercase())
            }
            LearnerState::Broadcast => "broadcast".to_string(),
        };
        let deadline = learner.next_deadline().map(|at| format!(", leaves in {} ms", at - self.now_ms));
        format!("= {state}{}", deadline.unwrap_or_default())
    }

    /// Carries out a command; lines when the answer is no action.
    fn command(&mut self, line: &str, out: &mut Vec<LearnerAction>) -> Vec<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let now_ms = self.now_ms;
        if matches!(verb, "follower" | "observer") {
            self.learner = Some(learner(verb == "observer", rest, now_ms, out));
            return Vec::new();
        }
        if verb == "pending" {
            let pending = self.learner.take().expect("a learner").into_pending();
            return pending.iter().map(|record| format!("pending {}", zxid(record.header.zxid))).collect();
        }
        let learner = self.learner.as_mut().expect("a learner");
        match verb {
            "connected" => learner.on_upstream(now_ms, Upstream::Connected, out),
            "receiving" => learner.on_upstream(now_ms, Upstream::Receiving, out),
            "received" => learner.on_upstream(now_ms, Upstream::SnapshotReceived, out),
            "lost" => learner.on_upstream(now_ms, Upstream::Lost { why: rest.to_string() }, out),
            "<" => learner.on_upstream(now_ms, Upstream::Packet(packet(rest)), out),
            "accepted" => learner.on_accepted_epoch_written(now_ms, out),
            "current" => learner.on_current_epoch_written(now_ms, out),
            "durable" => learner.on_durable(now_ms, parse(rest), out),
            "truncated" => {
                let outcome = if rest.contains(' ') { Err(rest.to_string()) } else { Ok(parse(rest)) };
                learner.on_truncated(now_ms, outcome, out);
            }
            "installed" => learner.on_snapshot_installed(now_ms, out),
            "wait" => {
                self.now_ms += rest.parse::<u64>().expect("milliseconds");
                learner.on_deadline(self.now_ms, out);
            }
            "deadline" => {
                self.now_ms = learner.next_deadline().expect("a deadline");
                learner.on_deadline(self.now_ms, out);
            }
            _ => return vec![format!("no such command: {line}")],
        }
        Vec::new()
    }
}

fn learner(is_observer: bool, words: &str, now_ms: u64, out: &mut Vec<LearnerAction>) -> Learner {
    let word = |name: &str| words.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let epoch = |name| word(name).map(|text| text.parse::<i32>().expect("an epoch"));
    let settings = LearnerSettings {
        me: Some(ServerId(1)),
        is_observer,
        leader: ServerId(2),
        elected_epoch: epoch("elected"),
        config_version: 0,
        tick_ms: 1000,
        init_limit: 10,
        sync_limit: 5,
        reconfig_enabled: words.split(' ').any(|word| word == "reconfig"),
        multi_address: false,
    };
    let start = LearnerStart {
        accepted_epoch: epoch("accepted").unwrap_or(4),
        current_epoch: epoch("current").unwrap_or(4),
        last: parse(word("last").unwrap_or("4.3")),
        keeps_history: words.split(' ').any(|word| word == "alone"),
    };
    let learner = Learner::new(settings, start, now_ms, out);
    match word("held") {
        Some(bytes) => learner.with_held_bytes_max(bytes.parse().expect("bytes")),
        None => learner,
    }
}

fn parse(text: &str) -> Zxid {
    let (epoch, counter) = text.split_once('.').unwrap_or((text, "0"));
    Zxid::from_parts(epoch.parse().expect("an epoch"), counter.parse().expect("a counter"))
}

fn zxid(zxid: Zxid) -> String {
    format!("{}.{}", zxid.epoch(), zxid.counter())
}

fn record(words: &[&str]) -> Arc<TxnRecord> {
    let is_error = words.last() == Some(&"error");
    let txn = if let [_, "reconfig", members, version @ ..] = words {
        let version = version.first().unwrap_or(&"9");
        let lines: String = members.split(',').map(|id| format!("server.{id}=h{id}:2:3\n")).collect();
        let data = Some(Bytes::from(format!("{lines}version={version}")));
        Txn::Reconfig(SetDataTxn { path: "/zookeeper/config".to_string(), data, version: -1 })
    } else if is_error {
        Txn::Error(ErrorTxn { err: -5 })
    } else {
        Txn::SetData(SetDataTxn { path: "/a".to_string(), data: Some(Bytes::from_static(b"1")), version: 1 })
    };
    let op_code = txn.op_code().code();
    let zxid = parse(words.first().expect("a zxid"));
    let header = TxnHeader { client_id: SessionId(7), cxid: 1, zxid, time: 0, op_code };
    Arc::new(TxnRecord { header, txn, digest: None })
}

fn packet(text: &str) -> Packet {
    let (name, words) = text.split_once(' ').unwrap_or((text, ""));
    let words: Vec<&str> = words.split(' ').collect();
    let words = words.as_slice();
    let first = || parse(words.first().expect("a zxid"));
    match name {
        "LEADERINFO" => Packet::LeaderInfo { zxid: first(), protocol_version: 0x1_0000 },
        "DIFF" => Packet::Diff(first()),
        "TRUNC" => Packet::Trunc(first()),
        "SNAP" => Packet::Snap(first()),
        "PROPOSAL" => Packet::Proposal(record(words)),
        "COMMIT" => Packet::Commit(first()),
        "COMMITANDACTIVATE" => Packet::CommitAndActivate { zxid: first(), leader: 3 },
        "INFORM" => Packet::Inform(record(words)),
        "INFORMANDACTIVATE" => Packet::InformAndActivate { leader: 3, record: record(words) },
        "NEWLEADER" => {
            Packet::NewLeader { zxid: first(), config: words.get(1).map(|text| text.replace(';', "\n")) }
        }
        "UPTODATE" => Packet::UpToDate,
        "PING" => Packet::Ping { zxid: first(), heard: None },
        "SYNC" => Packet::Sync,
        "REVALIDATE" => Packet::Revalidated { session: SessionId(7), is_valid: words == ["yes"] },
        "ACK" => Packet::Ack(first()),
        _ => Packet::Unknown(name.parse().expect("the number of a packet")),
    }
}

fn show(action: &LearnerAction) -> String {
    match action {
        LearnerAction::Dial { leader, within_ms } => format!("dial {leader} within {within_ms} ms"),
        LearnerAction::Send(packet) => format!("-> {}", show_packet(packet)),
        LearnerAction::WriteAcceptedEpoch(epoch) => format!("write acceptedEpoch {epoch}"),
        LearnerAction::WriteCurrentEpoch(epoch) => format!("write currentEpoch {epoch}"),
        LearnerAction::Truncate(to) => format!("truncate {}", zxid(*to)),
        LearnerAction::AdoptSnapshot { zxid: at } => format!("adopt {}", zxid(*at)),
        LearnerAction::InstallSnapshot { zxid: at } => format!("install {}", zxid(*at)),
        LearnerAction::Append(record) => format!("append {}", zxid(record.header.zxid)),
        LearnerAction::Apply(record) => format!("apply {}", zxid(record.header.zxid)),
        LearnerAction::ApplyFuzzy(record) => format!("apply fuzzy {}", zxid(record.header.zxid)),
        LearnerAction::Serve { epoch } => format!("serve epoch={epoch}"),
        LearnerAction::AnswerPing { zxid: at } => format!("answer ping {}", zxid(*at)),
        LearnerAction::Revalidated { session, is_valid } => format!("revalidated {session} {is_valid}"),
        LearnerAction::Synced => "synced".to_string(),
        LearnerAction::See(verifier) => format!("see {}", show_membership(verifier)),
        LearnerAction::Activate { verifier, appointed } => {
            let leader =
                appointed.map_or(String::new(), |(leader, by)| format!(", {leader} leads by {}", zxid(by)));
            format!("activate {}{leader}", show_membership(verifier))
        }
        LearnerAction::GiveUpHistory { why } => format!("give up the history: {why}"),
        LearnerAction::Leave { why } => format!("leave: {why}"),
        LearnerAction::Note(note) => format!("note: {}", show_note(note)),
    }
}

fn show_membership(verifier: &Verifier) -> String {
    let ids: Vec<String> = verifier.members().iter().map(|member| member.id.to_string()).collect();
    format!("{}@{:x}", ids.join(","), verifier.version)
}

fn show_note(note: &LearnerNote) -> String {
    match note {
        LearnerNote::Synchronising { how, zxid: at } => format!("{how} {}", zxid(*at)),
        LearnerNote::Synchronised { epoch } => format!("synchronised in epoch {epoch}"),
        LearnerNote::Repeated(at) => format!("repeat of {}", zxid(*at)),
        LearnerNote::Jumped { before, came } => format!("{} behind {}", zxid(*came), zxid(*before)),
        LearnerNote::BadMembership => "membership unreadable".to_string(),
        LearnerNote::Ignored(what) => format!("ignored: {what}"),
        LearnerNote::UnknownPacket(packet_type) => format!("ignored: packet of type {packet_type}"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a learner sends no others")]
fn show_packet(packet: &Packet) -> String {
    match packet {
        Packet::FollowerInfo(introduction) | Packet::ObserverInfo(introduction) => format!(
            "{} epoch={} server={}",
            packet.name(),
            introduction.accepted_epoch,
            introduction.server.unwrap_or_default()
        ),
        Packet::Ack(at) => format!("ACK {}", zxid(*at)),
        Packet::AckEpoch { last, current_epoch } => {
            format!("ACKEPOCH last={} current={}", zxid(*last), current_epoch.unwrap_or(-1))
        }
        other => format!("{other:?}"),
    }
}
