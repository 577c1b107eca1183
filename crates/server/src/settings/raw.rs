//! What was given, and where: nothing is checked yet.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::SettingsError;
use super::catalog::{SETTINGS, Source};
use super::properties::{self, Entry};

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// A `zoo.cfg`.
    File(PathBuf),
    /// The reference's short form: client port, data directory, tick time, connections per address.
    Arguments {
        /// Client port on all addresses.
        client_port: u16,
        /// Data directory.
        data_dir: PathBuf,
        /// Tick time in milliseconds; 3000 without.
        tick_time: Option<i32>,
        /// Connections per client address; unlimited without.
        max_client_cnxns: Option<i32>,
    },
    /// No configuration at all: loopback, data in `./rookeeper-data`.
    BuiltIn,
}

/// Where one value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// `-D` on the command line.
    CommandLine,
    /// `-D` in an environment variable.
    Environment(&'static str),
    /// Set by this program for a start without a file.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => f.write_str(name),
            Self::BuiltIn => f.write_str("built-in"),
        }
    }
}

/// A value and where it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The text.
    pub value: String,
    /// Its origin.
    pub origin: Origin,
}

/// Keys and properties as given. Keys are those that the reference's parser knows by name; all else is a property.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// The file, when there is one.
    pub file: Option<PathBuf>,
    /// Keys of `zoo.cfg`, in the order of the file.
    pub keys: Vec<(String, Given)>,
    /// Properties by full name.
    pub properties: BTreeMap<String, Given>,
    /// `-` flags of `JVMFLAGS` that are no `-D`.
    pub jvm_flags: Vec<String>,
}

impl Raw {
    /// Gathers everything: environment first, then the command line, then the file, each overriding what was before.
    ///
    /// # Errors
    /// [`SettingsError`] when the file cannot be read or is no properties file.
    pub fn gather(
        source: &ConfigSource,
        defines: &[(String, String)],
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let mut raw = Self::default();
        for name in ["SERVER_JVMFLAGS", "JVMFLAGS"] {
            raw.take_flags(name, &environment(name).unwrap_or_default());
        }
        for (name, value) in defines {
            raw.define(name.clone(), value.clone(), Origin::CommandLine);
        }
        match source {
            ConfigSource::File(path) => raw.read_file(path)?,
            ConfigSource::Arguments { client_port, data_dir, tick_time, max_client_cnxns } => {
                raw.key("clientPort", &client_port.to_string());
                raw.key("dataDir", &data_dir.to_string_lossy());
                raw.key("maxClientCnxns", &max_client_cnxns.unwrap_or(0).to_string());
                if let Some(tick_time) = tick_time {
                    raw.key("tickTime", &tick_time.to_string());
                }
            }
            ConfigSource::BuiltIn => {
                raw.key("clientPort", "2181");
                raw.key("clientPortAddress", "127.0.0.1");
                raw.key("dataDir", "./rookeeper-data");
            }
        }
        Ok(raw)
    }

    fn take_flags(&mut self, name: &'static str, flags: &str) {
        for flag in flags.split_whitespace() {
            match flag.strip_prefix("-D") {
                Some(define) => {
                    let (key, value) = define.split_once('=').unwrap_or((define, ""));
                    self.define(key.to_owned(), value.to_owned(), Origin::Environment(name));
                }
                None => self.jvm_flags.push(flag.to_owned()),
            }
        }
    }

    fn define(&mut self, name: String, value: String, origin: Origin) {
        self.properties.insert(name, Given { value, origin });
    }

    fn key(&mut self, name: &str, value: &str) {
        self.keys.push((name.to_owned(), Given { value: value.to_owned(), origin: Origin::BuiltIn }));
    }

    fn read_file(&mut self, path: &Path) -> Result<(), SettingsError> {
        let bytes = std::fs::read(path)
            .map_err(|error| SettingsError::Unreadable { path: path.to_owned(), why: error.to_string() })?;
        let entries = properties::parse(&bytes)
            .map_err(|bad| SettingsError::Unreadable { path: path.to_owned(), why: bad.to_string() })?;
        self.file = Some(path.to_owned());
        for Entry { key, value, line } in entries {
            let given = Given { value, origin: Origin::File { path: path.to_owned(), line } };
            if is_key(&key) {
                self.keys.push((key, given));
            } else {
                // zk: QuorumPeerConfig.parseProperties: an unknown key is a property, and wins over -D
                self.properties.insert(format!("zookeeper.{key}"), given);
            }
        }
        Ok(())
    }
}

/// Whether the reference's parser takes `name` for itself. `version` is a key of the dynamic file only.
fn is_key(name: &str) -> bool {
    const FAMILIES: [&str; 4] = ["server.", "group", "weight", "metricsProvider."];
    FAMILIES.iter().any(|prefix| name.starts_with(prefix))
        || SETTINGS.iter().any(|row| row.source == Source::Key && row.name == name && name != "version")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn with_file(text: &str, defines: &[(&str, &str)], environment: &[(&str, &str)]) -> Raw {
        let dir = crate::scratch::Dir::new("raw");
        let path = dir.path().join("zoo.cfg");
        std::fs::write(&path, text).unwrap();
        let defines: Vec<_> =
            defines.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let environment =
            |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        Raw::gather(&ConfigSource::File(path), &defines, environment).unwrap()
    }

    #[test]
    fn later_places_win_and_the_file_wins_over_all() {
        let raw = with_file(
            "snapCount=4\n",
            &[("zookeeper.snapCount", "3"), ("zookeeper.maxCnxns", "3"), ("zookeeper.preAllocSize", "3")],
            &[
                ("SERVER_JVMFLAGS", "-Xmx1g -Dzookeeper.skipACL=1 -Dzookeeper.flushDelay=1"),
                ("JVMFLAGS", "-Dzookeeper.flushDelay=2 -Dzookeeper.maxCnxns=2 -Dempty"),
            ],
        );
        let value = |name: &str| raw.properties.get(name).map(|given| given.value.as_str());
        let rows = [
            ("zookeeper.snapCount", Some("4")),
            ("zookeeper.maxCnxns", Some("3")),
            ("zookeeper.preAllocSize", Some("3")),
            ("zookeeper.flushDelay", Some("2")),
            ("zookeeper.skipACL", Some("1")),
            ("empty", Some("")),
            ("none", None),
        ];
        for (name, wanted) in rows {
            assert_eq!(value(name), wanted, "{name}");
        }
        assert_eq!(raw.jvm_flags, ["-Xmx1g"]);
    }

    #[test]
    fn unknown_keys_are_properties() {
        let raw = with_file("tickTime=1\njute.maxbuffer=5\nserver.1=x\nversion=7\nfoo=bar\n", &[], &[]);
        let keys: Vec<_> = raw.keys.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(keys, ["tickTime", "server.1"]);
        let names: Vec<_> = raw.properties.keys().map(String::as_str).collect();
        assert_eq!(names, ["zookeeper.foo", "zookeeper.jute.maxbuffer", "zookeeper.version"]);
        let origin = raw.properties.get("zookeeper.foo").unwrap().origin.to_string();
        assert!(origin.ends_with("zoo.cfg:5"), "{origin}");
    }

    #[test]
    fn built_in_listens_on_loopback() {
        let raw = Raw::gather(&ConfigSource::BuiltIn, &[], nothing).unwrap();
        assert!(raw.keys.iter().any(|(key, given)| key == "clientPortAddress" && given.value == "127.0.0.1"));
    }
}
