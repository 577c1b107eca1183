//! Repository checks.

use std::path::Path;

use anyhow::{Result, bail};

/// Checks the repository at `root`.
pub(crate) fn check(root: &Path) -> Result<()> {
    if !root.is_dir() {
        bail!("{} is no folder", root.display());
    }
    Ok(())
}
