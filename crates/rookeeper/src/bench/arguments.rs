use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::driver::Pace;
use super::load::Work;

/// What is to be measured, and how.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "A connection that fails ends the run, except in `failover`. The nodes are removed unless --keep is given."
)]
pub(crate) struct Arguments {
    /// The operation.
    #[arg(value_enum)]
    pub(super) what: What,
    /// Servers, host:port, separated by commas; connections take them in turn.
    #[arg(short, long, default_value = "127.0.0.1:2181")]
    pub(super) servers: String,
    /// Connections; in watch-storm the number of watchers.
    #[arg(short, long, default_value_t = 50)]
    pub(super) connections: usize,
    /// Requests under way on each connection.
    #[arg(short, long, default_value_t = 16)]
    pub(super) depth: usize,
    /// Requests a second over all connections, at their times, however many are under way.
    #[arg(long)]
    pub(super) rate: Option<f64>,
    /// Bytes of data in a node.
    #[arg(long, default_value_t = 128)]
    pub(super) size: usize,
    /// Nodes that are read and set; for list the children of the node.
    #[arg(long, default_value_t = 1000)]
    pub(super) nodes: usize,
    /// Seconds that are measured; for what counts see --count.
    #[arg(long, default_value_t = 10.0)]
    pub(super) seconds: f64,
    /// Seconds before them.
    #[arg(long, default_value_t = 2.0)]
    pub(super) warm_up: f64,
    /// Of a hundred operations of mixed, so many write.
    #[arg(long, default_value_t = 10)]
    pub(super) writes: u64,
    /// setData in a multi.
    #[arg(long, default_value_t = 10)]
    pub(super) ops: usize,
    /// Nodes of fill and children, watches of watches (1,000,000); rounds of watch-storm (5).
    #[arg(long)]
    pub(super) count: Option<u64>,
    /// Ephemeral nodes of each session of idle.
    #[arg(long, default_value_t = 0)]
    pub(super) ephemerals: u64,
    /// Addresses of this machine that connections come from in turn, separated by commas: each has ports of its own.
    #[arg(long, value_delimiter = ',')]
    pub(super) sources: Vec<IpAddr>,
    /// Threads of this tool.
    #[arg(long, default_value_t = 1)]
    pub(super) threads: usize,
    /// Session timeout in milliseconds.
    #[arg(long, default_value_t = 30_000)]
    pub(super) timeout: i32,
    /// Processes of the servers, separated by commas: what they use is told too.
    #[arg(long, value_delimiter = ',')]
    pub(super) pid: Vec<u32>,
    /// The node below which everything happens.
    #[arg(long, default_value = "/rookeeper-bench")]
    pub(super) root: String,
    /// Leave the nodes there.
    #[arg(long)]
    pub(super) keep: bool,
    /// The window ends when standard input does, if that is before its time.
    #[arg(long)]
    pub(super) until_eof: bool,
    /// A file for each operation of the window that succeeded: microseconds since 1970 when its reply came, and its latency in
    /// microseconds, one line each.
    #[arg(long)]
    pub(super) replies: Option<PathBuf>,
    /// One JSON object in place of the table.
    #[arg(long)]
    pub(super) json: bool,
}

/// Operations that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum What {
    /// getData.
    Get,
    /// exists.
    Exists,
    /// getChildren2 of a node with --nodes children.
    List,
    /// setData.
    Set,
    /// create2 of persistent nodes.
    Create,
    /// create2 and delete in turn.
    CreateDelete,
    /// A multi of --ops setData.
    Multi,
    /// getData and setData, --writes in a hundred.
    Mixed,
    /// getData with a watch, setData, event.
    Watch,
    /// A connection, its session, closeSession.
    Session,
    /// --connections watchers of one node, which is set once a round.
    WatchStorm,
    /// --count nodes as fast as they can be created.
    Fill,
    /// --count nodes below one.
    Children,
    /// --count watches: each connection has one on as many of the --nodes as that takes, and on none twice.
    Watches,
    /// Writes one after another on each connection, moving from server to server: how long nobody's is acknowledged.
    Failover,
    /// --connections sessions that only ping: what each costs.
    Idle,
    /// For --seconds a server at --servers that answers everything and knows nothing: the limit of the machine.
    #[value(hide = true)]
    Echo,
}

impl What {
    /// Its name as it is given.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Exists => "exists",
            Self::List => "list",
            Self::Set => "set",
            Self::Create => "create",
            Self::CreateDelete => "create-delete",
            Self::Multi => "multi",
            Self::Mixed => "mixed",
            Self::Watch => "watch",
            Self::Session => "session",
            Self::WatchStorm => "watch-storm",
            Self::Fill => "fill",
            Self::Children => "children",
            Self::Watches => "watches",
            Self::Failover => "failover",
            Self::Idle => "idle",
            Self::Echo => "echo",
        }
    }
}

/// Nothing is measured for longer than a day.
const SECONDS_MAX: f64 = 86_400.0;
/// Nodes of a fill, and what else is counted.
const COUNT_DEFAULT: u64 = 1_000_000;
/// Rounds of a storm.
const ROUNDS_DEFAULT: u64 = 5;

impl Arguments {
    /// The error names the option and what it should be.
    pub(super) fn check(&self) -> Result<(), String> {
        for (option, value) in [
            ("connections", self.connections as u64),
            ("depth", self.depth as u64),
            ("nodes", self.nodes as u64),
            ("ops", self.ops as u64),
            ("threads", self.threads as u64),
        ] {
            if value == 0 {
                return Err(format!("--{option} must be at least 1"));
            }
        }
        for (option, value) in [("rate", self.rate.unwrap_or(1.0)), ("seconds", self.seconds)] {
            if !value.is_finite() || value <= 0.0 {
                return Err(format!("--{option} must be a number above 0"));
            }
        }
        if !self.warm_up.is_finite() || self.warm_up < 0.0 || self.seconds + self.warm_up > SECONDS_MAX {
            return Err("--warm-up and --seconds together may be a day at most".to_owned());
        }
        let is_below_root = self.root.len() > 1 && !self.root.ends_with('/');
        if client::validate_path(&self.root).is_err() || !is_below_root {
            return Err(format!("--root {} is no path of a node below /", self.root));
        }
        if self.writes > 100 {
            return Err("--writes is out of a hundred".to_owned());
        }
        if self.what == What::Watches && self.each().is_some_and(|each| each > self.nodes as u64) {
            return Err("--nodes must be as many as each connection has watches".to_owned());
        }
        Ok(())
    }

    /// What connections ask; none where it is not asked by the drivers.
    pub(super) fn work(&self) -> Option<Work> {
        Some(match self.what {
            What::Get => Work::Get,
            What::Exists => Work::Exists,
            What::List => Work::List,
            What::Set => Work::Set,
            What::Create | What::Fill => Work::Create,
            What::Children => Work::Children,
            What::Watches => Work::Watches,
            What::CreateDelete => Work::CreateDelete,
            What::Multi => Work::Multi(self.ops),
            What::Mixed => Work::Mixed(self.writes),
            What::Watch => Work::Watch,
            What::Session | What::WatchStorm | What::Failover | What::Idle | What::Echo => return None,
        })
    }

    /// The pace of one of so many threads. A connection waits for one event at a time.
    pub(super) fn pace(&self, threads: usize) -> Pace {
        match self.rate {
            _ if self.what == What::Idle => Pace::Depth(0),
            Some(rate) => Pace::Rate(rate / threads as f64),
            None if self.what == What::Watch => Pace::Depth(1),
            None => Pace::Depth(self.depth),
        }
    }

    /// So many operations of each connection, where their number and not the time ends it.
    pub(super) fn each(&self) -> Option<u64> {
        let is_counted = matches!(self.what, What::Fill | What::Children | What::Watches);
        is_counted.then(|| self.count.unwrap_or(COUNT_DEFAULT).div_ceil(self.connections.max(1) as u64))
    }

    /// Rounds of a storm.
    pub(super) fn rounds(&self) -> u64 {
        self.count.unwrap_or(ROUNDS_DEFAULT)
    }

    /// Time that is measured.
    pub(super) fn window(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Time before it.
    pub(super) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (words, option) in [
            ("get", None),
            ("create-delete --rate 0.5", None),
            ("get --depth 0", Some("--depth")),
            ("get --rate=-1", Some("--rate")),
            ("get --rate=nan", Some("--rate")),
            ("get --seconds 0", Some("--seconds")),
            ("get --seconds 1e300", Some("--seconds")),
            ("get --root /", Some("--root")),
            ("get --root a", Some("--root")),
            ("mixed --writes 101", Some("--writes")),
            ("watches --count 1000 --connections 10 --nodes 100", None),
            ("watches --count 1001 --connections 10 --nodes 100", Some("--nodes")),
        ] {
            let words = std::iter::once("bench").chain(words.split(' '));
            let line = Line::try_parse_from(words.clone()).unwrap();
            let why = line.arguments.check().err();
            assert_eq!(why.is_some(), option.is_some(), "{why:?}");
            assert!(option.is_none_or(|option| why.unwrap_or_default().contains(option)));
        }
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for what in <What as clap::ValueEnum>::value_variants() {
            let value = clap::ValueEnum::to_possible_value(what).unwrap();
            assert_eq!(value.get_name(), what.name());
        }
    }
}
