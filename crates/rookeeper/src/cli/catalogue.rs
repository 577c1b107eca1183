//! Which commands there are, and what they look like.

use super::flags::Known;

/// A command, by who carries it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// The shell itself.
    Own(Own),
    /// The server, through a session.
    Ask(Ask),
}

/// What the shell does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Close,
    Connect,
    Help,
    History,
    PrintWatches,
    Quit,
    Redo,
}

/// What needs a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    AddAuth,
    AddWatch,
    Config,
    Create,
    DelQuota,
    Delete,
    DeleteAll,
    Get,
    GetAcl,
    GetAllChildrenNumber,
    GetEphemerals,
    ListQuota,
    Ls,
    Multi,
    Reconfig,
    RemoveWatches,
    Set,
    SetAcl,
    SetQuota,
    Stat,
    Sync,
    Version,
    WhoAmI,
}

/// How a command is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) command: Command,
    /// The name, with the reference's capitals.
    pub(super) name: &'static str,
    /// What follows the name.
    pub(super) usage: &'static str,
    pub(super) known: Known,
    /// Words that must be there, the name included.
    pub(super) words_min: usize,
    /// What the options mean, where the reference tells.
    pub(super) options: &'static [(&'static str, &'static str)],
}

/// All commands, by name.
#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    entry(Command::Ask(Ask::AddWatch), "addWatch", "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE", &[], &["m"], 2),
    entry(Command::Ask(Ask::AddAuth), "addauth", "scheme auth", &[], &[], 2),
    entry(Command::Own(Own::Close), "close", "", &[], &[], 1),
    entry(Command::Ask(Ask::Config), "config", "[-c] [-w] [-s]", &["s", "w", "c"], &[], 1),
    entry(Command::Own(Own::Connect), "connect", "host:port", &[], &[], 1),
    entry(Command::Ask(Ask::Create), "create", "[-s] [-e] [-c] [-t ttl] path [data] [acl]", &["e", "s", "c"], &["t"], 2),
    entry(Command::Ask(Ask::Delete), "delete", "[-v version] path", &[], &["v"], 2),
    entry(Command::Ask(Ask::DeleteAll), "deleteall", "path [-b batch size]", &[], &["b"], 2),
    entry(Command::Ask(Ask::DelQuota), "delquota", "[-n|-b|-N|-B] path", &["n", "b", "N", "B"], &[], 2),
    Entry {
        options: &[
            ("-b", "Output data in base64 format"),
            ("-s", "Print znode stats additionally"),
            ("-w", "Watch for changes on the znode"),
            ("-x", "Output data in hexdump format"),
        ],
        ..entry(Command::Ask(Ask::Get), "get", "[-s] [-w] [-b] [-x] path", &["s", "w", "b", "x"], &[], 2)
    },
    entry(Command::Ask(Ask::GetAcl), "getAcl", "[-s] path", &["s"], &[], 2),
    entry(Command::Ask(Ask::GetAllChildrenNumber), "getAllChildrenNumber", "path", &[], &[], 2),
    entry(Command::Ask(Ask::GetEphemerals), "getEphemerals", "path", &[], &[], 1),
    entry(Command::Own(Own::Help), "help", "", &[], &[], 1),
    entry(Command::Own(Own::History), "history", "", &[], &[], 1),
    entry(Command::Ask(Ask::ListQuota), "listquota", "path", &[], &[], 2),
    entry(Command::Ask(Ask::Ls), "ls", "[-s] [-w] [-R] path", &["?", "s", "w", "R"], &[], 2),
    entry(Command::Ask(Ask::Multi), "multi", "command ; command ... # of create, delete, set and check path version: all or none", &[], &[], 2),
    entry(Command::Own(Own::PrintWatches), "printwatches", "on|off", &[], &[], 1),
    entry(Command::Own(Own::Quit), "quit", "", &[], &[], 1),
    entry(Command::Ask(Ask::Reconfig), "reconfig", "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]", &["s"], &["v", "file", "members", "add", "remove"], 1),
    entry(Command::Own(Own::Redo), "redo", "cmdno", &[], &[], 1),
    entry(Command::Ask(Ask::RemoveWatches), "removewatches", "path [-c|-d|-p|-r|-a] [-l]", &["c", "d", "p", "r", "a", "l"], &[], 2),
    Entry {
        options: &[
            ("-b", "Supply data in base64 format"),
            ("-s", "Print znode stats additionally"),
            ("-v <arg>", "Set with an expected version"),
        ],
        ..entry(Command::Ask(Ask::Set), "set", "path data [-s] [-v version] [-b]", &["s", "b"], &["v"], 3)
    },
    entry(Command::Ask(Ask::SetAcl), "setAcl", "[-s] [-v version] [-R] path acl", &["s", "R"], &["v"], 3),
    entry(Command::Ask(Ask::SetQuota), "setquota", "-n|-b|-N|-B val path", &[], &["n", "b", "N", "B"], 2),
    entry(Command::Ask(Ask::Stat), "stat", "[-w] path", &["w"], &[], 2),
    entry(Command::Ask(Ask::Sync), "sync", "path", &[], &[], 2),
    entry(Command::Ask(Ask::Version), "version", "", &[], &[], 1),
    entry(Command::Ask(Ask::WhoAmI), "whoami", "", &[], &[], 1),
];

const fn entry(
    command: Command,
    name: &'static str,
    usage: &'static str,
    plain: &'static [&'static str],
    valued: &'static [&'static str],
    words_min: usize,
) -> Entry {
    Entry { command, name, usage, known: Known { plain, valued }, words_min, options: &[] }
}

impl Entry {
    /// The entry with this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        ENTRIES.iter().find(|entry| entry.name == name)
    }

    /// How to call the command, as shown when it was called differently.
    // zk: CommandUsageHelper.getUsage
    pub(super) fn usage(&self) -> String {
        let width = self.options.iter().map(|(option, _)| option.len()).max().unwrap_or(0);
        let line = format!("{} {}", self.name, self.usage);
        let options = self.options.iter().map(|(option, what)| format!("\n {option:<width$}   {what}"));
        let end = if self.options.is_empty() { None } else { Some("\n".to_owned()) };
        std::iter::once(line).chain(options).chain(end).collect()
    }
}

/// The list of all commands.
// zk: ZooKeeperMain.usage
pub(super) fn overview() -> String {
    let mut text = "rookeeper cli -server host:port -timeout ms -r -waitforconnection cmd args".to_owned();
    let mut entries: Vec<&Entry> = ENTRIES.iter().collect();
    entries.sort_by_key(|entry| entry.name);
    for entry in entries {
        text.push_str(&format!("\n\t{} {}", entry.name, entry.usage));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_command() {
        for entry in ENTRIES {
            assert_eq!(Entry::find(entry.name).unwrap().command, entry.command);
        }
        assert!(Entry::find("LS").is_none());
    }

    #[test]
    fn usage_with_options_is_a_table() {
        let usage = Entry::find("set").unwrap().usage();
        assert_eq!(
            usage,
            "set path data [-s] [-v version] [-b]\n -b         Supply data in base64 format\n -s         \
             Print znode stats additionally\n -v <arg>   Set with an expected version\n"
        );
        assert!(overview().contains("\n\tls [-s] [-w] [-R] path\n"));
    }
}
