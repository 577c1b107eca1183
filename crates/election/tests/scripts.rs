//! Scripts: what one peer says and decides, one file per behaviour.
//!
//! A file is a list of blocks: commands, `---`, what they bring about, an empty line. `UPDATE_GOLDENFILES=1` writes
//! what comes out into the files; read the difference before you keep it.
//!
//! | command | |
//! |---|---|
//! | `peer 1 servers=1,2,3,4o [groups=1:2/3:4 weights=3:0 version=5 observer reconfig]` | who we are; `4o` observes |
//! | `look zxid=0x5 epoch=1` | a round begins |
//! | `hear 2 looking leader=3 zxid=0x5 epoch=1 round=1 [version=0 config=1,2 config-version=6]` | a message comes |
//! | `bytes 2 0000…` | bytes come, and are heard when they are a message |
//! | `wait 100`, `deadline` | time passes: so much, or until the deadline |
//! | `members servers=… version=…`, `proposed servers=… version=…` | a membership comes into force, or is proposed |
//! | `settle following leader=3 …`, `established 5` | a reconfiguration names the leader; the epoch is known |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use election::{Action, Candidate, Election, ElectionSettings, Notification, PeerState, Vote};
use ensemble::{LearnerType, ServerId, Verifier};
use jute::Zxid;

#[test]
fn scripts() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
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
    election: Option<Election>,
    now_ms: u64,
}

impl Script {
    fn run(&mut self, commands: &str) -> String {
        let mut lines = Vec::new();
        for command in commands.lines().filter(|line| !line.starts_with('#')) {
            let mut out = Vec::new();
            lines.extend(self.command(command, &mut out));
            lines.extend(show(out));
        }
        let state = self.election().state();
        lines.push(match self.election().next_deadline() {
            Some(at) => {
                let what = if self.election().awaits_better_vote() { "a better vote" } else { "votes" };
                format!("= {state}, {} ms for {what}", at - self.now_ms)
            }
            None => format!("= {state}"),
        });
        lines.join("\n")
    }

    fn election(&mut self) -> &mut Election {
        self.election.as_mut().expect("a peer")
    }

    /// Carries out a command; a line when the answer is no action.
    fn command(&mut self, line: &str, out: &mut Vec<Action>) -> Option<String> {
        let words = Words::of(line);
        let now_ms = self.now_ms;
        match words.first {
            "peer" => self.election = Some(peer(&words)),
            "look" => {
                self.election().look(now_ms, Zxid(words.number("zxid", 0)), words.number("epoch", 0), out)
            }
            "hear" => self.election().hear(now_ms, words.server(), message(&words), out),
            "bytes" => match Notification::decode(&unhex(words.word(1))) {
                Ok(notification) => self.election().hear(now_ms, words.server(), notification, out),
                Err(why) => return Some(format!("ignored: {why}")),
            },
            "wait" => {
                self.now_ms += words.word(0).parse::<u64>().expect("milliseconds");
                let now_ms = self.now_ms;
                self.election().on_deadline(now_ms, out);
            }
            "deadline" => {
                self.now_ms = self.election().next_deadline().expect("a deadline");
                let now_ms = self.now_ms;
                self.election().on_deadline(now_ms, out);
            }
            "members" => {
                let must_look = self.election().set_verifier(verifier(&words));
                return must_look.then(|| "the round is over".into());
            }
            "proposed" => self.election().set_last_seen_verifier(verifier(&words)),
            "settle" => {
                let candidate = candidate(&words);
                self.election().settle(state(words.word(0)), Vote::new(candidate, words.number("round", -1)));
            }
            "established" => {
                self.election().update_settled_epoch(words.word(0).parse().expect("an epoch"));
            }
            unknown => unreachable!("no such command: {unknown}"),
        }
        None
    }
}

/// A line: its first word, other words, and `key=value` pairs.
struct Words<'a> {
    first: &'a str,
    plain: Vec<&'a str>,
    pairs: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let (pairs, plain): (Vec<&str>, Vec<&str>) = words.partition(|word| word.contains('='));
        Self { first, plain, pairs: pairs.iter().filter_map(|pair| pair.split_once('=')).collect() }
    }

    /// The word at a place, behind the first.
    fn word(&self, at: usize) -> &'a str {
        self.plain.get(at).expect("another word")
    }

    fn server(&self) -> ServerId {
        ServerId(self.word(0).parse().expect("a server"))
    }

    fn number(&self, key: &str, default: i64) -> i64 {
        let Some(text) = self.pairs.get(key) else { return default };
        match text.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).expect("a number"),
            None if *text == "none" => i64::MIN,
            None => text.parse().expect("a number"),
        }
    }
}

fn peer(words: &Words<'_>) -> Election {
    let is_observer = words.plain.contains(&"observer");
    let learner_type = if is_observer { LearnerType::Observer } else { LearnerType::Participant };
    let mut settings = ElectionSettings::new(words.server(), learner_type);
    settings.reconfig_enabled = words.plain.contains(&"reconfig");
    Election::new(settings, verifier(words))
}

fn verifier(words: &Words<'_>) -> Arc<Verifier> {
    let text = members(words.pairs.get("servers").expect("servers"), words.number("version", 0), words);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Arc::new(Verifier::from_pairs(pairs, false).expect("a membership"))
}

/// The text of a membership.
fn members(servers: &str, version: i64, words: &Words<'_>) -> String {
    let mut text = String::new();
    for server in servers.split(',') {
        let (id, role) = match server.strip_suffix('o') {
            Some(id) => (id, ":observer"),
            None => (server, ":participant"),
        };
        text += &format!("server.{id}=zoo{id}:2888:3888{role}\n");
    }
    let groups = words.pairs.get("groups").into_iter().flat_map(|groups| groups.split('/'));
    for (group, number) in groups.zip(1..) {
        text += &format!("group.{number}={group}\n");
    }
    if let Some((id, weight)) = words.pairs.get("weights").and_then(|weight| weight.split_once(':')) {
        text += &format!("weight.{id}={weight}\n");
    }
    text + &format!("version={version:x}")
}

fn candidate(words: &Words<'_>) -> Candidate {
    let zxid = Zxid(words.number("zxid", 0));
    Candidate { peer_epoch: words.number("epoch", 0), zxid, leader: words.number("leader", 0) }
}

fn message(words: &Words<'_>) -> Notification {
    let Candidate { peer_epoch, zxid, leader } = candidate(words);
    let version = i32::try_from(words.number("version", 2)).expect("a version");
    let config = words.pairs.get("config").map(|servers| match *servers {
        "rubbish" => "rubbish\nversion=ffff".into(),
        servers => members(servers, words.number("config-version", 0), words),
    });
    let election_epoch = words.number("round", 1);
    Notification { state: state(words.word(1)), leader, zxid, election_epoch, peer_epoch, config, version }
}

fn state(word: &str) -> PeerState {
    let states = [PeerState::Looking, PeerState::Following, PeerState::Leading, PeerState::Observing];
    *states.iter().find(|state| state.to_string() == word).expect("a state")
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(text.get(at..at + 2).expect("two digits"), 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// What comes out; the same message to several servers is one line.
fn show(actions: Vec<Action>) -> Vec<String> {
    let mut lines: Vec<(Option<Notification>, String)> = Vec::new();
    for action in actions {
        let line = match action {
            Action::Send { to, notification } => {
                match lines.last_mut().filter(|(last, _)| last.as_ref() == Some(&notification)) {
                    Some((_, line)) => *line += &format!(",{to}"),
                    None => lines.push((Some(notification), format!("{to}"))),
                }
                continue;
            }
            Action::ConnectAll => "connect all".into(),
            Action::Decided(decision) => {
                format!("decided: {} with {} {}", decision.role, decision.leader, decision.vote)
            }
            Action::NewerConfig(text) => format!("newer membership: {}", text.replace('\n', " ")),
            Action::VoterLooks { voter, chose_us: true, .. } => {
                format!("voter {voter}, which chose us, looks")
            }
            Action::VoterLooks { voter, chose_us: false, .. } => format!("voter {voter} looks"),
            Action::Note(note) => format!("note: {note}"),
        };
        lines.push((None, line));
    }
    let shown = lines.into_iter().map(|(notification, line)| match notification {
        Some(n) => {
            format!("-> {line} {} {} round={}{}", n.state, n.candidate(), n.election_epoch, version_of(&n))
        }
        None => line,
    });
    shown
        .map(|line| line.replace(&i64::MIN.to_string(), "none").replace("0x8000000000000000", "none"))
        .collect()
}

/// The version of the membership in our messages, when it is not that of a file.
fn version_of(notification: &Notification) -> String {
    let text = notification.config.as_deref().expect("our messages have a membership");
    match text.rsplit_once("version=").expect("a version").1 {
        "0" => String::new(),
        version => format!(" membership={version}"),
    }
}
