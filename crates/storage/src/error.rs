use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use jute::{DecodeError, Zxid};

/// What can go wrong between us and the disk.
#[derive(Debug)]
pub enum StorageError {
    /// The disk refused an operation.
    Io {
        /// File or directory.
        path: PathBuf,
        /// What we were doing, as in "cannot `doing` `path`".
        doing: &'static str,
        /// The answer of the system.
        source: io::Error,
    },
    /// A file holds what no crash can leave behind.
    Corrupt(Corruption),
    /// A data directory is missing, cannot be written or holds files that belong elsewhere.
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There are logs but no snapshot, and empty snapshots are not trusted.
    LogsWithoutSnapshot {
        /// Where the logs are.
        path: PathBuf,
    },
    /// The epoch files contradict each other or the log.
    Epochs {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The history cannot be cut there: no snapshot and gapless log reach that far back.
    CannotTruncate {
        /// Where it should have been cut.
        zxid: Zxid,
    },
    /// A record without content was appended.
    EmptyRecord {
        /// Its zxid.
        zxid: Zxid,
    },
    /// An earlier write or sync failed; nothing more is written.
    Poisoned,
}

/// Damage in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The file.
    pub file: PathBuf,
    /// Where the damaged part begins; in a compressed snapshot counted in the uncompressed content.
    pub offset: u64,
    /// What is wrong.
    pub what: Damage,
}

/// What is wrong with a part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The file does not begin as one of its kind.
    Header,
    /// The stored checksum is not that of the content.
    Checksum,
    /// A record of a log is shorter than a header or does not end as it must, before the end of the log.
    Framing,
    /// The log ends before what was durable in it.
    LostTail,
    /// A record is missing, or comes again.
    Gap {
        /// The zxid before.
        after: Zxid,
        /// The zxid that follows.
        found: Zxid,
    },
    /// A record does not follow its grammar.
    Decode(DecodeError),
    /// The content ends too early, or goes on after its end.
    Length,
    /// The compressed stream is broken or too large.
    Compression,
}

impl StorageError {
    /// Turns an answer of the system into an error that names the path.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), doing, source }
    }

    /// Whether it is the history that is at fault, and not the disk or the settings: a member of an ensemble may give it up
    /// ([`Store::set_aside`](crate::Store::set_aside)) and come back with a leader's; a standalone server must stop.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt(_) | Self::LogsWithoutSnapshot { .. } | Self::CannotTruncate { .. } => true,
            Self::Io { .. }
            | Self::DataDir { .. }
            | Self::Epochs { .. }
            | Self::EmptyRecord { .. }
            | Self::Poisoned => false,
        }
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, what: Damage) -> Self {
        Self::Corrupt(Corruption { file: file.to_owned(), offset, what })
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, doing, source } => write!(f, "cannot {doing} {}: {source}", path.display()),
            Self::Corrupt(corruption) => corruption.fmt(f),
            Self::DataDir { path, what } | Self::Epochs { path, what } => {
                write!(f, "{}: {what}", path.display())
            }
            Self::LogsWithoutSnapshot { path } => write!(
                f,
                "no snapshot found, but there are log entries in {}; \
                 zookeeper.snapshot.trust.empty=true accepts them",
                path.display()
            ),
            Self::CannotTruncate { zxid } => {
                write!(f, "cannot truncate to {zxid}: no snapshot and log reach it without a gap")
            }
            Self::EmptyRecord { zxid } => write!(f, "the log record of {zxid} is empty"),
            Self::Poisoned => write!(f, "the log failed before; nothing more is written"),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupt(_)
            | Self::DataDir { .. }
            | Self::LogsWithoutSnapshot { .. }
            | Self::Epochs { .. }
            | Self::CannotTruncate { .. }
            | Self::EmptyRecord { .. }
            | Self::Poisoned => None,
        }
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at offset {}: {}", self.file.display(), self.offset, self.what)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "not the header of a file of this kind"),
            Self::Checksum => write!(f, "the checksum does not hold"),
            Self::Framing => write!(f, "the record does not begin or end as it must"),
            Self::LostTail => write!(f, "records that were durable are missing"),
            Self::Gap { after, found } => write!(f, "{found} follows {after}"),
            Self::Decode(error) => error.fmt(f),
            Self::Length => write!(f, "the content is shorter or longer than it must be"),
            Self::Compression => write!(f, "the compressed stream is broken"),
        }
    }
}
