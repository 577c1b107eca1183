//! Each crate uses what its row in the design allows, and pure crates are pure.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use toml::Table;

use super::design::{CRATES, EVERYWHERE, IN_TESTS, Row};
use super::{Problems, read};

pub(super) fn check(root: &Path, problems: &mut Problems) -> Result<()> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root.join("crates")).context("reading crates")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    folders.sort();
    for name in folders {
        let Some(row) = CRATES.iter().find(|row| row.name == name) else {
            problems.push(format!("crates/{name}: not in the design's table of crates"));
            continue;
        };
        let manifest = PathBuf::from(format!("crates/{name}/Cargo.toml"));
        let table: Table = read(root, &manifest)?.parse().with_context(|| manifest.display().to_string())?;
        check_manifest(row, &table, problems);
        if row.pure {
            check_purity(row, &read(root, Path::new(&format!("crates/{name}/src/lib.rs")))?, problems);
        }
    }
    Ok(())
}

fn check_manifest(row: &Row, manifest: &Table, problems: &mut Problems) {
    for dependency in names(manifest, "dependencies") {
        if !may_use(row, &dependency) {
            problems.push(format!("crates/{}: the design does not let it use {dependency}", row.name));
        }
    }
    for dependency in names(manifest, "dev-dependencies") {
        let for_tests = [IN_TESTS, row.in_tests].concat().contains(&dependency.as_str());
        if !for_tests && !may_use(row, &dependency) {
            problems.push(format!("crates/{}: the design does not let its tests use {dependency}", row.name));
        }
    }
    for section in ["build-dependencies", "target"] {
        if manifest.contains_key(section) {
            problems.push(format!("crates/{}: has {section}", row.name));
        }
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
    if lints != Some(true) {
        problems.push(format!("crates/{}: does not take the lints of the workspace", row.name));
    }
}

fn may_use(row: &Row, dependency: &str) -> bool {
    [row.ours, row.others, EVERYWHERE].concat().contains(&dependency)
}

/// The names in one section of a manifest.
fn names(manifest: &Table, section: &str) -> Vec<String> {
    let table = manifest.get(section).and_then(|section| section.as_table());
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn check_purity(row: &Row, source: &str, problems: &mut Problems) {
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        if !source.lines().any(|line| line.trim() == attribute) {
            problems.push(format!("crates/{}/src/lib.rs: a pure crate says {attribute}", row.name));
        }
    }
}
