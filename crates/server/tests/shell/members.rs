//! Three members of an ensemble in one process, each on a loopback address of its own.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says where")]

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use rookeeper_server::settings::Raw;
use rookeeper_server::{ConfigSource, Handle, Settings};

use crate::common::{Client, Dir, until, word};

/// How many there were in this process, each of fewer members than this.
static ENSEMBLES: AtomicU8 = AtomicU8::new(0);
const ENSEMBLE_MAX: u8 = 10;

/// The members, some of which run.
pub(crate) struct Members {
    dirs: Vec<Dir>,
    addresses: Vec<Ipv4Addr>,
    running: Vec<Option<Handle>>,
    more_addresses: &'static str,
    /// What stands on the command line.
    defines: Vec<(String, String)>,
}

impl Members {
    pub(crate) fn start(count: u8) -> Self {
        Self::start_with(count, "", &[])
    }

    /// Directories and addresses of members that do not run yet.
    pub(crate) fn planned(count: u8) -> Self {
        Self::plan(count, "", &[])
    }

    /// Each with more addresses in its server line, as `HOST:PORT:PORT|`.
    pub(crate) fn start_with(count: u8, more_addresses: &'static str, defines: &[(&str, &str)]) -> Self {
        let mut members = Self::plan(count, more_addresses, defines);
        (0..usize::from(count)).for_each(|index| members.launch(index));
        members
    }

    fn plan(count: u8, more_addresses: &'static str, defines: &[(&str, &str)]) -> Self {
        let defines = defines.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        // Tests run side by side, in this process and in others.
        let first = ENSEMBLES.fetch_add(1, Ordering::Relaxed) * ENSEMBLE_MAX + ENSEMBLE_MAX;
        assert!(count < ENSEMBLE_MAX && first < u8::MAX - ENSEMBLE_MAX);
        let [high, low] = u16::try_from(std::process::id() & 0xffff).unwrap().to_be_bytes();
        let mut members = Self { dirs: vec![], addresses: vec![], running: vec![], more_addresses, defines };
        for id in 1..=count {
            members.dirs.push(Dir::new());
            members.addresses.push(Ipv4Addr::new(127, first + id, high, low));
            members.running.push(None);
        }
        members
    }

    /// Starts one on its directory as a server that knows of no others.
    pub(crate) fn launch_alone(&mut self, index: usize) {
        self.running[index] = Some(crate::common::start(&self.dirs[index], ""));
    }

    /// Whether what it holds is marked as written standalone.
    pub(crate) fn is_marked(&self, index: usize) -> bool {
        self.dirs[index].path().join("data/version-2/standalone.mark").exists()
    }

    /// Takes the mark away that the reference does not know.
    pub(crate) fn remove_mark(&self, index: usize) {
        std::fs::remove_file(self.dirs[index].path().join("data/version-2/standalone.mark")).unwrap();
    }

    /// What stands on the command line of those that are launched from now on.
    pub(crate) fn define(&mut self, name: &str, value: &str) {
        self.defines.push((name.into(), value.into()));
    }

    /// Starts a member as the documentation writes its `zoo.cfg`.
    pub(crate) fn launch(&mut self, index: usize) {
        let data = self.dirs[index].path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("myid"), format!("{}\n", index + 1)).unwrap();
        let handle = rookeeper_server::start(self.settings(index, data)).unwrap();
        self.running[index] = Some(handle);
    }

    fn settings(&self, index: usize, data: PathBuf) -> Settings {
        let mut text = format!(
            "tickTime=200\ninitLimit=20\nsyncLimit=10\ndataDir={}\nclientPort=0\nclientPortAddress=127.0.0.1\n\
             preAllocSize=64\n4lw.commands.whitelist=*\nsnapshot.trust.empty=true\nmultiAddress.enabled=true\n",
            data.display()
        );
        for (index, address) in self.addresses.iter().enumerate() {
            text += &format!("server.{}={}{address}:2888:3888\n", index + 1, self.more_addresses);
        }
        let path = self.dirs[index].path().join("zoo.cfg");
        std::fs::write(&path, text).unwrap();
        Settings::check(&Raw::gather(&ConfigSource::File(path), &self.defines, |_| None).unwrap()).unwrap()
    }

    pub(crate) fn get(&self, index: usize) -> &Handle {
        self.running[index].as_ref().unwrap()
    }

    /// Its snapshot files.
    pub(crate) fn snapshots(&self, index: usize) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.dirs[index].path().join("data/version-2")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths.filter(|path| path.to_string_lossy().contains("snapshot.")).collect()
    }

    pub(crate) fn stop(&mut self, index: usize) {
        assert_eq!(self.running[index].take().unwrap().shutdown(), None);
    }

    pub(crate) fn mode(&self, index: usize) -> Option<String> {
        let text = word(self.running[index].as_ref()?, b"srvr");
        text.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
    }

    /// Waits until all that run serve, one of them as the leader; which one that is.
    pub(crate) fn leader(&self) -> usize {
        let running = self.running.iter().flatten().count();
        let mut found = None;
        until("one leader, and all others behind it", || {
            let modes: Vec<_> = (0..self.running.len()).map(|index| self.mode(index)).collect();
            let leads = |index: &usize| modes[*index].as_deref() == Some("leader");
            found = (0..modes.len()).find(leads);
            modes.iter().flatten().count() == running && (0..modes.len()).filter(leads).count() == 1
        });
        found.unwrap()
    }

    /// Waits until all that run have applied the same, with the same digest.
    pub(crate) fn converge(&self) {
        until("equal zxids and digests", || {
            let last = |handle: &Handle| word(handle, b"hash").lines().last().map(str::to_owned);
            let mut positions = self.running.iter().flatten().map(|handle| (zxid(handle), last(handle)));
            let first = positions.next();
            positions.all(|position| Some(position) == first)
        });
    }

    pub(crate) fn client(&self, index: usize) -> Client {
        Client::connect(self.get(index))
    }
}

fn zxid(handle: &Handle) -> Option<String> {
    word(handle, b"srvr").lines().find_map(|line| line.strip_prefix("Zxid: ")).map(str::to_owned)
}
