//! Names what was given and is not used: JVM-only settings, those without effect here, and unknown ones.

use std::collections::BTreeSet;

use super::catalog::{self, Class, SETTINGS, Setting, Source};
use super::{Given, Raw, Settings};

/// Adds the lines of the log for everything that nothing read.
pub(super) fn unread(raw: &Raw, read: &BTreeSet<String>, settings: &mut Settings) {
    let mut jvm_only: Vec<&str> = raw.jvm_flags.iter().map(String::as_str).collect();
    let mut idle: Vec<&str> = Vec::new();
    for (name, row) in unread_keys(raw, read).chain(unread_properties(raw, read)) {
        match row.class {
            Class::JvmOnly => jvm_only.push(name),
            Class::Must | Class::Should => idle.push(name),
        }
    }
    if !jvm_only.is_empty() {
        settings.notes.push(format!("accepted, but meant for a JVM only: {}", jvm_only.join(" ")));
    }
    if !idle.is_empty() {
        settings.warnings.push(format!("without effect in this server so far: {}", idle.join(" ")));
    }
    for (name, given) in raw.properties.iter().filter(|(name, _)| is_ours(name) && !read.contains(*name)) {
        if catalog::find_property(name).is_none() {
            settings.warnings.push(unknown(name, given));
        }
    }
}

fn unread_keys<'a>(
    raw: &'a Raw,
    read: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a str, &'static Setting)> {
    raw.keys.iter().filter_map(|(name, _)| {
        let row = SETTINGS.iter().find(|row| row.source == Source::Key && row.name == name)?;
        (!read.contains(name) || row.class == Class::JvmOnly).then_some((name.as_str(), row))
    })
}

fn unread_properties<'a>(
    raw: &'a Raw,
    read: &'a BTreeSet<String>,
) -> impl Iterator<Item = (&'a str, &'static Setting)> {
    raw.properties
        .keys()
        .filter(|name| !read.contains(*name))
        .filter_map(|name| Some((name.as_str(), catalog::find_property(name)?)))
}

fn is_ours(name: &str) -> bool {
    name.starts_with("zookeeper.")
}

fn unknown(name: &str, given: &Given) -> String {
    let short = name.strip_prefix("zookeeper.").unwrap_or(name);
    let hint = match SETTINGS.iter().find(|row| row.name == short) {
        Some(_) => format!("{short} can only be given with -D"),
        None => "no setting has this name".to_owned(),
    };
    format!("{}: {name}={}: {hint}; it is ignored", given.origin, given.value)
}
