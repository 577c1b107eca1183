//! Repository checks: crates and their dependencies, tags, unsafe code, long files.

mod crates;
mod design;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Checks the repository at `root`; the error lists all that is wrong.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut problems = Vec::new();
    crates::check(root, &mut problems)?;
    sources::check(root, &mut problems)?;
    if problems.is_empty() {
        return Ok(());
    }
    bail!("not tidy:\n  {}", problems.join("\n  "));
}

/// What one check found; each line names the place and what to do.
type Problems = Vec<String>;

/// Folders at the top of the repository with Rust in them.
const SOURCE_FOLDERS: [&str; 2] = ["crates", "compat-tests"];

/// All `.rs` files, as paths seen from `root`, in order.
fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in SOURCE_FOLDERS {
        if root.join(folder).is_dir() {
            collect(root, Path::new(folder), &mut files)?;
        }
    }
    files.sort();
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder)).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                collect(root, &path, files)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(root: &Path, path: &Path) -> Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests;
