//! Watches that stay, and their removal.

use client::{AddWatchMode, WatcherType};

use super::super::catalogue::Entry;
use super::super::failure::Failure;
use super::Context;

// zk: AddWatchCommand.exec
pub(super) async fn add(context: &mut Context<'_>) -> Result<(), Failure> {
    let mode = context.words.value("m").map(str::to_ascii_uppercase);
    let mode = match mode.as_deref() {
        None | Some("PERSISTENT_RECURSIVE") => AddWatchMode::PersistentRecursive,
        Some("PERSISTENT") => AddWatchMode::Persistent,
        Some(_) => {
            return Err(Failure::new(Entry::find("addWatch").map(Entry::usage).unwrap_or_default()));
        }
    };
    Ok(context.client.add_watch(context.word(1), mode).await?)
}

// zk: RemoveWatchesCommand.exec
pub(super) async fn remove(context: &mut Context<'_>) -> Result<(), Failure> {
    let types = [
        ("c", WatcherType::Children),
        ("d", WatcherType::Data),
        ("p", WatcherType::Persistent),
        ("r", WatcherType::PersistentRecursive),
    ];
    let chosen = types.iter().find(|(option, _)| context.words.has(option));
    let which = chosen.map_or(WatcherType::Any, |(_, which)| *which);
    Ok(context.client.remove_watches(context.word(1), which, context.words.has("l")).await?)
}
