//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::bench;
use crate::status::Question;
use crate::version;

/// What to do, and the `-D` settings that came with it.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Parser)]
#[command(
    name = "rookeeper",
    version = version::FULL,
    about = "A ZooKeeper server; without a command: standalone on 127.0.0.1:2181, data in ./rookeeper-data",
    after_help = "-Dname=value sets a property, anywhere on the command line."
)]
struct Parsed {
    #[command(subcommand)]
    command: Option<Command>,
}

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Run a server: with a zoo.cfg, or with a port and a data directory.
    #[command(override_usage = "rookeeper server [zoo.cfg | port dataDir [tickTime [maxClientCnxns]]]")]
    Server {
        /// A zoo.cfg; or a port, a data directory, the tick time in ms and the connections per address.
        configuration: Vec<String>,
        /// A leader's history may replace what this server wrote standalone.
        #[arg(long)]
        discard_local_data: bool,
    },
    /// Talk to a server: a shell, or a single command.
    #[command(
        override_usage = "rookeeper cli [-server host:port] [-timeout ms] [-r] [-waitforconnection] [command ...]",
        after_help = "`rookeeper cli help` lists the commands of the shell."
    )]
    Cli {
        /// Options in zkCli's spelling, then the command and its words.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Print a transaction log, and say where it is damaged.
    Log(Inspection),
    /// Print a snapshot, and say where it is damaged.
    Snapshot(Inspection),
    /// Ask servers how they are; the exit code tells: 0 all serve, 1 some do not, 2 nobody does.
    Status(Question),
    /// Put load on servers and tell what they bear, and at what cost.
    Bench(bench::Arguments),
    /// Print the version.
    Version,
}

/// A file to look into.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspection {
    /// The file, as it lies in version-2.
    pub(crate) file: PathBuf,
    /// One JSON object a line, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing of what the file holds, only whether it is sound.
    #[arg(long)]
    pub(crate) verify: bool,
}

impl Invocation {
    /// Reads the process's command line; what makes no sense ends it with exit code 2, as the reference does.
    pub(crate) fn parse() -> Self {
        let (properties, rest) = take_properties(std::env::args());
        Self { properties, command: Parsed::parse_from(rest).command }
    }
}

/// Takes the `-D` words out, wherever they stand, but not from a command of the shell.
fn take_properties(words: impl Iterator<Item = String>) -> (Vec<(String, String)>, Vec<String>) {
    let (mut properties, mut rest): (Vec<(String, String)>, Vec<String>) = (Vec::new(), Vec::new());
    let mut shell = ShellCommand::default();
    for word in words {
        match word.strip_prefix("-D").filter(|_| !shell.has_begun()) {
            Some(setting) => {
                // zk: a JVM takes -Dname for an empty value
                let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
                properties.push((name.to_owned(), value.to_owned()));
            }
            None => {
                shell.sees(&word, rest.len());
                rest.push(word);
            }
        }
    }
    (properties, rest)
}

/// How far the words of `cli` have come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ShellCommand {
    #[default]
    NotTheShell,
    Options,
    OptionValue,
    Begun,
}

impl ShellCommand {
    fn has_begun(self) -> bool {
        self == Self::Begun
    }

    fn sees(&mut self, word: &str, position: usize) {
        *self = match *self {
            Self::NotTheShell if position == 1 && word == "cli" => Self::Options,
            Self::NotTheShell => Self::NotTheShell,
            Self::Options if word == "-server" || word == "-timeout" => Self::OptionValue,
            Self::Options if !word.starts_with('-') => Self::Begun,
            Self::Options | Self::OptionValue => Self::Options,
            Self::Begun => Self::Begun,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> (Vec<(String, String)>, String) {
        let (properties, rest) = take_properties(line.split(' ').map(str::to_owned));
        (properties, rest.join(" "))
    }

    #[test]
    fn properties_may_stand_anywhere() {
        for line in ["r -Da.b=c=d server zoo.cfg", "r server -Da.b=c=d zoo.cfg", "r server zoo.cfg -Da.b=c=d"]
        {
            assert_eq!(split(line), (vec![("a.b".into(), "c=d".into())], "r server zoo.cfg".into()));
        }
        assert_eq!(split("r -Dflag").0, [("flag".to_owned(), String::new())]);
    }

    #[test]
    fn the_data_of_a_shell_command_is_left_alone() {
        let (properties, rest) = split("r cli -Da=b -server h:1 -Dc=d set /x -De=f");
        assert_eq!(properties.len(), 2);
        assert_eq!(rest, "r cli -server h:1 set /x -De=f");
    }

    #[test]
    fn commands_are_understood() {
        let parsed = Parsed::try_parse_from(["r", "cli", "-server", "h:1", "get", "-s", "/a"]).unwrap();
        let Some(Command::Cli { words }) = parsed.command else { panic!("not the shell") };
        assert_eq!(words, ["-server", "h:1", "get", "-s", "/a"]);
        let parsed = Parsed::try_parse_from(["r", "server", "2181", "/data", "2000", "60"]).unwrap();
        assert!(
            matches!(parsed.command, Some(Command::Server { configuration, .. }) if configuration.len() == 4)
        );
        assert!(Parsed::try_parse_from(["r", "nonsense"]).is_err_and(|why| why.exit_code() == 2));
    }
}
