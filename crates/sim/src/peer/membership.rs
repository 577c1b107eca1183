//! The membership as a server keeps it: in memory, and in files that its next start begins with, as the shell does it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ensemble::{LearnerType, ServerId, Verifier, files};
use jute::Zxid;
use storage::{MembershipFiles, SimulatedDisk};
use tree::State;

/// What a server knows of the membership.
#[derive(Debug)]
pub(crate) struct Membership {
    me: ServerId,
    disk: SimulatedDisk,
    files: MembershipFiles<SimulatedDisk>,
    /// The disk did not take the one in force.
    is_unwritten: bool,
    /// The one in force.
    pub(crate) current: Arc<Verifier>,
    /// The last one that was proposed.
    pub(crate) last_seen: Arc<Verifier>,
}

/// Why a server has no membership to start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoMembership {
    /// It has none of its own lines: an operator must give it others.
    NotMember(i64),
    /// Its files cannot be read.
    Unreadable(String),
}

const CONFIG_DIR: &str = "/conf";
const DYNAMIC_KEY: &str = "dynamicConfigFile=";

/// An operator writes the configuration file of a server, and copies the dynamic file of a membership that was in force; durable
/// on return.
pub(crate) fn install(disk: &SimulatedDisk, verifier: &Verifier) -> io::Result<()> {
    let lines: Vec<String> =
        verifier.members().iter().map(|member| format!("server.{}={member}\n", member.id)).collect();
    let lines = lines.concat();
    let lines = if verifier.version == 0 {
        lines
    } else {
        let dynamic = MembershipFiles::new(disk.clone(), config_file()).dynamic(verifier.version);
        disk.put(&dynamic, lines.as_bytes())?;
        format!("{DYNAMIC_KEY}{}\n", dynamic.display())
    };
    let text = format!("tickTime=1\nreconfigEnabled=true\n{lines}");
    disk.put(&config_file(), text.as_bytes())
}

impl Membership {
    /// What the files say at a start.
    // zk: QuorumPeerConfig.parse, QuorumPeer.start
    pub(crate) fn read(disk: &SimulatedDisk, me: ServerId) -> Result<Self, NoMembership> {
        let unreadable = |why: String| NoMembership::Unreadable(why);
        let text = read(disk, &config_file()).map_err(|error| unreadable(format!("zoo.cfg: {error}")))?;
        let named = text.lines().find_map(|line| line.strip_prefix(DYNAMIC_KEY)).map(PathBuf::from);
        let files = MembershipFiles::new(disk.clone(), config_file());
        let (current, last_seen) = match &named {
            None => (parse(&text, None)?, None),
            Some(dynamic) => {
                let text = read(disk, dynamic)
                    .map_err(|error| unreadable(format!("{}: {error}", dynamic.display())))?;
                let proposed = read(disk, &files.next()).ok().and_then(|text| parse(&text, None).ok());
                (parse(&text, version_of(dynamic))?, proposed)
            }
        };
        if current.member(me).is_none() {
            return Err(NoMembership::NotMember(current.version));
        }
        let current = Arc::new(current);
        let last_seen = last_seen.filter(|seen| seen.version != current.version);
        let last_seen = last_seen.map_or_else(|| Arc::clone(&current), Arc::new);
        Ok(Self { me, disk: disk.clone(), files, is_unwritten: false, current, last_seen })
    }

    /// What a start found is durable on return.
    pub(crate) fn settle(&self) -> io::Result<()> {
        self.files.settle()
    }

    /// What a start does with the files before it serves: a configuration file with a membership of its own is kept.
    pub(crate) fn back_up(&self) {
        let text = read(&self.disk, &config_file()).unwrap_or_default();
        if !text.lines().any(|line| line.starts_with(DYNAMIC_KEY)) {
            // Without the copy the server goes on.
            drop(self.files.back_up());
        }
    }

    /// One is proposed: its file is durable on return.
    pub(crate) fn see(&mut self, verifier: &Arc<Verifier>) -> io::Result<()> {
        if self.is_unwritten {
            self.activate(&Arc::clone(&self.current))?;
        }
        self.last_seen = Arc::clone(verifier);
        self.files.propose(files::dynamic_text(verifier, true).as_bytes())
    }

    /// A bug: what is proposed is written as what is in force is.
    pub(crate) fn see_as_in_force(&mut self, verifier: &Arc<Verifier>) -> io::Result<()> {
        let current = Arc::clone(&self.current);
        let written = self.activate(verifier);
        self.current = current;
        written
    }

    /// A bug: the configuration file first.
    pub(crate) fn name_first(&self, verifier: &Verifier) -> io::Result<()> {
        let dynamic = self.files.dynamic(verifier.version);
        let text = read(&self.disk, &config_file())?;
        let edited = files::static_text(&text, &dynamic.to_string_lossy(), true);
        self.disk.put(&config_file(), edited.as_bytes())
    }

    /// One is in force: its files are durable on return.
    pub(crate) fn activate(&mut self, verifier: &Arc<Verifier>) -> io::Result<()> {
        if self.last_seen.version < verifier.version {
            self.last_seen = Arc::clone(verifier);
        }
        self.current = Arc::clone(verifier);
        self.is_unwritten = true;
        let erases = verifier.member(self.me).is_some_and(|own| own.client.is_some());
        let edit = |old: &[u8], dynamic: &Path| {
            let (old, dynamic) = (String::from_utf8_lossy(old), dynamic.to_string_lossy());
            files::static_text(&old, &dynamic, erases).into_bytes()
        };
        self.files.activate(verifier.version, files::dynamic_text(verifier, false).as_bytes(), edit)?;
        if verifier.version == self.last_seen.version {
            self.files.forget_proposed()?;
        }
        self.is_unwritten = false;
        Ok(())
    }

    /// What this server is by its line; who has none is a participant that does not vote.
    pub(crate) fn learner_type(&self) -> LearnerType {
        self.current.member(self.me).map_or(LearnerType::Participant, |own| own.learner_type)
    }

    /// Whether it votes.
    pub(crate) fn votes(&self) -> bool {
        self.current.is_voter(self.me)
    }

    /// Whether a server is to be talked to.
    pub(crate) fn knows(&self, server: ServerId) -> bool {
        [&self.current, &self.last_seen].iter().any(|verifier| verifier.member(server).is_some())
    }

    /// The membership node is what this server knows.
    pub(crate) fn set_node(&self, state: &mut State, wall_ms: i64) {
        state.set_config(self.current.to_string().as_bytes(), Zxid(self.current.version), wall_ms);
    }
}

fn config_file() -> PathBuf {
    Path::new(CONFIG_DIR).join("zoo.cfg")
}

fn parse(text: &str, version: Option<i64>) -> Result<Verifier, NoMembership> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let verifier = Verifier::from_pairs(pairs, false);
    let verifier = verifier.map_err(|error| NoMembership::Unreadable(error.to_string()))?;
    match version {
        Some(version) => Ok(verifier.with_version(version)),
        None => Ok(verifier),
    }
}

/// The version stands in the name.
fn version_of(dynamic: &Path) -> Option<i64> {
    i64::from_str_radix(dynamic.extension()?.to_str()?, 16).ok()
}

fn read(disk: &SimulatedDisk, path: &Path) -> io::Result<String> {
    let bytes = disk.read(path)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
