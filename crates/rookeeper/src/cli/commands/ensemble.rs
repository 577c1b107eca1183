//! The ensemble's configuration.

use super::super::catalogue::Entry;
use super::super::failure::Failure;
use super::super::print;
use super::Context;

// zk: GetConfigCommand.exec
pub(super) async fn config(context: &mut Context<'_>) -> Result<(), Failure> {
    let (data, stat) = context.client.get_config(context.words.has("w")).await?;
    let data = data.unwrap_or_else(|| b"null".to_vec());
    let text = String::from_utf8_lossy(&data);
    if context.words.has("c") {
        writeln!(context.out, "{}", client_addresses(&text))?;
    } else {
        writeln!(context.out, "{text}")?;
    }
    if context.words.has("s") {
        print::stat(context.out, &stat)?;
    }
    Ok(())
}

/// The configuration's version, and where its servers listen for clients.
// zk: ConfigUtils.getClientConfigStr
fn client_addresses(config: &str) -> String {
    let entries = || config.lines().filter_map(|line| line.split_once('='));
    let version = entries().find(|(key, _)| *key == "version").map(|(_, value)| value).unwrap_or_default();
    let addresses: Vec<&str> = entries()
        .filter(|(key, _)| key.starts_with("server."))
        .filter_map(|(_, value)| Some(value.split_once(';')?.1))
        .collect();
    format!("{version} {}", addresses.join(","))
}

// zk: ReconfigCommand.parse, exec
pub(super) async fn reconfig(context: &mut Context<'_>) -> Result<(), Failure> {
    let [file, members, add, remove] =
        ["file", "members", "add", "remove"].map(|option| context.words.value(option).map(str::to_owned));
    let (whole, step) = (file.is_some() || members.is_some(), add.is_some() || remove.is_some());
    if !whole && !step {
        return Err(Failure::new(Entry::find("reconfig").map(Entry::usage).unwrap_or_default()));
    }
    if whole && step {
        return Err(Failure::new(
            "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental \
             modes is not allowed)",
        ));
    }
    if file.is_some() && members.is_some() {
        return Err(Failure::new(
            "Can't use -file and -members together (conflicting non-incremental modes)",
        ));
    }
    let from_config = match context.words.value("v") {
        None => -1,
        Some(text) => i64::from_str_radix(text, 16)
            .map_err(|_| Failure::new("-v must be followed by a long (configuration version)"))?,
    };
    let members = match file {
        Some(file) => Some(read_members(&file)?),
        None => members.map(|members| members.to_lowercase()),
    };
    let (add, remove) = (add.map(|add| add.to_lowercase()), remove.map(|remove| remove.to_lowercase()));
    let reply = context.client.reconfig(add.as_deref(), remove.as_deref(), members.as_deref(), from_config);
    let (config, stat) = reply.await?;
    writeln!(context.out, "Committed new configuration:\n{}", String::from_utf8_lossy(&config))?;
    if context.words.has("s") {
        print::stat(context.out, &stat)?;
    }
    Ok(())
}

/// The lines of a dynamic configuration; the server checks what they say.
fn read_members(file: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|why| Failure::new(format!("Error processing {file}: {why}")))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_clients_connect() {
        let config =
            "server.1=h1:1:2:participant;0.0.0.0:2181\nserver.2=h2:1:2:observer;h2:2182\nversion=100000000";
        assert_eq!(client_addresses(config), "100000000 0.0.0.0:2181,h2:2182");
        assert_eq!(client_addresses(""), " ");
    }
}
