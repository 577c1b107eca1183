//! The membership as the shell knows it: for words, for links, and in files.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ensemble::{LearnerType, Member, Verifier, files};
use storage::{MembershipFiles, RealDisk};

use crate::settings::EnsembleSettings;

/// What a member of an ensemble knows of the ensemble.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The membership in force.
    pub(crate) current: Arc<Verifier>,
    /// The last one that was proposed.
    pub(crate) last_seen: Arc<Verifier>,
    /// The own line, in force or the last one that was.
    pub(crate) own: Member,
    /// What we are by it; who has no line is a participant that does not vote.
    pub(crate) learner_type: LearnerType,
}

/// The view, and the files that the next start begins with.
#[derive(Debug)]
pub(crate) struct Membership {
    view: RwLock<View>,
    files: Option<MembershipFiles<RealDisk>>,
    /// The disk did not take the one in force.
    is_unwritten: AtomicBool,
}

/// Makes durable what a start found in a dynamic file, before anybody hears of it. A directory that we may not write, or that knows no
/// sync, holds nothing of ours.
pub(crate) fn settle(member: &EnsembleSettings, config: Option<&Path>) -> std::io::Result<()> {
    let Some(files) = files_of(config).filter(|_| member.has_dynamic_file) else { return Ok(()) };
    match files.settle() {
        Err(error) if holds_nothing_of_ours(error.kind()) => {
            tracing::warn!("the directory of the configuration file was not synced: {error}");
            Ok(())
        }
        settled => settled,
    }
}

fn holds_nothing_of_ours(kind: ErrorKind) -> bool {
    [ErrorKind::PermissionDenied, ErrorKind::Unsupported, ErrorKind::InvalidInput].contains(&kind)
}

// zk: QuorumPeerConfig.editStaticConfig: File.getCanonicalPath
fn files_of(config: Option<&Path>) -> Option<MembershipFiles<RealDisk>> {
    let config = config.map(|path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
    config.map(|config| MembershipFiles::new(RealDisk, config))
}

impl Membership {
    /// As the settings say; a configuration file whose membership may move into a dynamic file is kept.
    // zk: QuorumPeerConfig.parseProperties: backupOldConfig
    pub(crate) fn new(member: &EnsembleSettings, config: Option<&Path>, reconfig_enabled: bool) -> Self {
        let files = files_of(config);
        if let Some(files) = &files
            && reconfig_enabled
            && !member.has_dynamic_file
            && let Err(error) = files.back_up()
        {
            tracing::error!("the configuration file could not be copied: {error}");
        }
        let view = View {
            current: Arc::clone(&member.verifier),
            last_seen: Arc::clone(member.last_seen.as_ref().unwrap_or(&member.verifier)),
            own: member.own.clone(),
            learner_type: member.learner_type,
        };
        Self { view: RwLock::new(view), files, is_unwritten: AtomicBool::new(false) }
    }

    pub(crate) fn view(&self) -> View {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One is proposed. Its file is durable on return; without it nobody may acknowledge the proposal. The next start finds it
    /// only behind the one in force, which is written now if the disk did not take it then.
    // zk: QuorumPeer.setLastSeenQuorumVerifier
    // diverges(reconfig-proposed-not-written): the reference goes on, and acknowledges what its next start does not know
    pub(crate) fn see(&self, verifier: &Arc<Verifier>) -> std::io::Result<View> {
        if self.is_unwritten.load(Ordering::Relaxed) {
            self.write(&self.view())?;
        }
        self.change(|view| view.last_seen = Arc::clone(verifier));
        if let Some(files) = &self.files {
            files.propose(files::dynamic_text(verifier, true).as_bytes())?;
        }
        Ok(self.view())
    }

    /// One is in force. Its files are durable on return.
    // zk: QuorumPeer.setQuorumVerifier
    pub(crate) fn activate(&self, verifier: &Arc<Verifier>) -> View {
        self.change(|view| {
            if view.last_seen.version < verifier.version {
                view.last_seen = Arc::clone(verifier);
            }
            let own = verifier.member(view.own.id);
            view.learner_type = own.map_or(LearnerType::Participant, |own| own.learner_type);
            if let Some(own) = own {
                view.own = own.clone();
            }
            view.current = Arc::clone(verifier);
        });
        let view = self.view();
        if let Err(error) = self.write(&view) {
            tracing::error!(
                "the membership could not be written, the next start may find an older one: {error}"
            );
        }
        view
    }

    fn write(&self, view: &View) -> std::io::Result<()> {
        let Some(files) = &self.files else { return Ok(()) };
        self.is_unwritten.store(true, Ordering::Relaxed);
        let verifier = &view.current;
        // zk: QuorumPeer.needEraseClientInfoFromStaticConfig
        let erases = verifier.member(view.own.id).is_some_and(|own| own.client.is_some());
        let edit = |old: &[u8], dynamic: &Path| {
            let (old, dynamic) = (String::from_utf8_lossy(old), dynamic.to_string_lossy());
            files::static_text(&old, &dynamic, erases).into_bytes()
        };
        files.activate(verifier.version, files::dynamic_text(verifier, false).as_bytes(), edit)?;
        if verifier.version == view.last_seen.version {
            files.forget_proposed()?;
        }
        self.is_unwritten.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.view.write().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Dir;
    use crate::settings::{ConfigSource, Raw, Settings};

    fn settings(dir: &Dir) -> Settings {
        let path = dir.path().join("zoo.cfg");
        Settings::check(&Raw::gather(&ConfigSource::File(path), &[], |_| None).unwrap()).unwrap()
    }

    fn start(dir: &Dir) -> (Membership, Settings) {
        let settings = settings(dir);
        let member = settings.ensemble.clone().unwrap();
        (Membership::new(&member, settings.config_file.as_deref(), true), settings)
    }

    #[test]
    fn the_next_start_finds_the_membership_in_force_and_the_proposed_one() {
        let dir = Dir::new("membership-files");
        let data = dir.path().display().to_string();
        let text = format!(
            "# ours\ndataDir={data}\nclientPort=7\ninitLimit=5\nsyncLimit=2\nreconfigEnabled=true\n\
             server.1=127.0.0.1:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"
        );
        std::fs::write(dir.path().join("zoo.cfg"), &text).unwrap();
        std::fs::write(dir.path().join("myid"), "1").unwrap();
        let (membership, _) = start(&dir);
        assert_eq!(std::fs::read_to_string(dir.path().join("zoo.cfg.bak")).unwrap(), text);
        let first = membership.view().current.with_version(0x1_0000_0000);
        membership.see(&Arc::new(first.clone())).unwrap();
        membership.activate(&Arc::new(first));

        let (membership, found) = start(&dir);
        assert_eq!(found.ensemble.as_ref().unwrap().verifier.version, 0x1_0000_0000);
        assert_eq!(found.client.address.map(|address| address.port()), Some(7));
        let lines = "server.1=127.0.0.1:1:2:participant;0.0.0.0:9\nserver.2=b:1:2\nversion=200000005";
        let second = Arc::new(Verifier::from_text(lines, false).unwrap());
        membership.see(&second).unwrap();
        let found = settings(&dir).ensemble.unwrap();
        assert_eq!(found.verifier.version, 0x1_0000_0000);
        assert_eq!(found.last_seen.map(|seen| seen.version), Some(0x2_0000_0005));

        membership.activate(&second);
        let found = settings(&dir);
        assert_eq!(found.client.address.map(|address| address.port()), Some(9));
        let member = found.ensemble.unwrap();
        assert_eq!((member.verifier.version, member.verifier.members().len()), (0x2_0000_0005, 2));
        assert!(member.last_seen.is_none() && member.has_dynamic_file);
        let now = std::fs::read_to_string(dir.path().join("zoo.cfg")).unwrap();
        let dynamic = dir.path().canonicalize().unwrap().join("zoo.cfg.dynamic.200000005");
        let expected = format!(
            "# ours\ndataDir={data}\ninitLimit=5\nsyncLimit=2\nreconfigEnabled=true\ndynamicConfigFile={}\n",
            dynamic.display()
        );
        assert_eq!(now, expected);
    }

    /// A server of three whose configuration file has their lines.
    fn start_of_three(dir: &Dir) -> Membership {
        let data = dir.path().display();
        let text = format!(
            "dataDir={data}\nclientPort=7\ninitLimit=5\nsyncLimit=2\nserver.1=127.0.0.1:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"
        );
        std::fs::write(dir.path().join("zoo.cfg"), text).unwrap();
        std::fs::write(dir.path().join("myid"), "1").unwrap();
        start(dir).0
    }

    #[test]
    fn a_proposed_membership_that_cannot_be_written_is_said() {
        let dir = Dir::new("membership-not-written");
        let membership = start_of_three(&dir);
        std::fs::create_dir(dir.path().join("zoo.cfg.dynamic.next.tmp")).unwrap();
        assert!(membership.see(&Arc::new(membership.view().current.with_version(5))).is_err());
    }

    #[test]
    fn a_membership_that_the_disk_did_not_take_is_written_before_the_next_one() {
        let dir = Dir::new("membership-written-late");
        let membership = start_of_three(&dir);
        let versioned = |version| Arc::new(membership.view().current.with_version(version));
        let obstacle = dir.path().join("zoo.cfg.dynamic.5.tmp");
        std::fs::create_dir(&obstacle).unwrap();
        membership.activate(&versioned(5));
        assert!(membership.see(&versioned(6)).is_err());
        std::fs::remove_dir(&obstacle).unwrap();
        membership.see(&versioned(6)).unwrap();
        let found = settings(&dir).ensemble.unwrap();
        assert_eq!(found.verifier.version, 5);
        assert_eq!(found.last_seen.map(|seen| seen.version), Some(6));
    }
}
