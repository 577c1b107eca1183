//! Scripts with what they should bring about behind them.

use std::path::{Path, PathBuf};

/// Runs every script of a folder, each with a world of its own; folders in it are left out.
///
/// # Panics
/// When something else comes out than the scripts say.
pub fn check_all<S: Default>(folder: &Path, run: impl Fn(&str, &mut S) -> String) {
    let entries = std::fs::read_dir(folder).expect("scripts").map(|entry| entry.expect("entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    assert!(!files.is_empty());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file, &run)).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Runs one file; what differs, if anything.
fn check<S: Default>(file: &Path, run: &impl Fn(&str, &mut S) -> String) -> Option<String> {
    let text = std::fs::read_to_string(file).expect("script");
    let mut script = S::default();
    let mut output = Vec::new();
    for block in text.trim_end().split("\n\n") {
        let commands = block.split_once("\n---").map_or(block, |(commands, _)| commands);
        output.push(format!("{commands}\n---\n{}", run(commands, &mut script)).trim_end().to_string());
    }
    let output = output.join("\n\n") + "\n";
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::write(file, &output).expect("write script");
        return None;
    }
    (output != text).then(|| format!("{}: got\n{output}", file.display()))
}
