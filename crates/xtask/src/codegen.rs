//! Makes `crates/jute/src/generated/` of `jute-schemas/`.
//!
//! [`schema`] parses the `.jute` files, [`overlay`] what they cannot say, [`model`] joins both, [`emit`] writes Rust.

mod emit;
mod model;
mod overlay;
mod schema;
mod strategies;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The modules, each with a file of its own.
const MODULES: [&str; 5] = ["data", "persistence", "proto", "quorum", "txn"];

/// One generated file: where it belongs, seen from the top of the repository, and what is in it.
struct Generated {
    path: String,
    text: String,
}

/// Writes all generated files.
pub(crate) fn write(root: &Path) -> Result<()> {
    for Generated { path, text } in generate(root)? {
        let path = root.join(path);
        let folder = path.parent().context("a generated file lies in a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn generate(root: &Path) -> Result<Vec<Generated>> {
    let schemas = root.join("jute-schemas");
    let read = |name: &str| {
        let path = schemas.join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let overlay = overlay::parse(&read("overlay.txt")?)?;
    let mut modules = Vec::new();
    for name in MODULES {
        modules.push(schema::parse(name, &read(&format!("{name}.jute"))?)?);
    }
    let modules = model::join(&modules, &overlay)?;
    let mut files = Vec::new();
    for module in &modules {
        files.push((format!("crates/jute/src/generated/{}.rs", module.name), emit::module(module)));
    }
    files.push(("crates/jute/src/generated/registry.rs".into(), emit::registry(&modules)));
    files.push(("crates/jute/tests/round_trips/generated.rs".into(), strategies::file(&modules)));
    files.into_iter().map(|(path, text)| Ok(Generated { path, text: format(&text)? })).collect()
}

/// Runs `rustfmt` with the repository's settings.
fn format(text: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=110,use_small_heuristics=Max"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("running rustfmt")?;
    rustfmt.stdin.take().context("rustfmt takes input")?.write_all(text.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refuses the generated code");
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_files_are_fresh() {
        if Command::new("rustfmt").arg("--version").output().is_err() {
            println!("left out: rustfmt is not installed");
            return;
        }
        let root = crate::root();
        let stale: Vec<String> = generate(&root)
            .expect("the schemas are in order")
            .into_iter()
            .filter(|file| fs::read_to_string(root.join(&file.path)).ok().as_ref() != Some(&file.text))
            .map(|file| file.path)
            .collect();
        assert!(stale.is_empty(), "not what the schemas say: {stale:?}; run `cargo xtask codegen`");
    }

    #[test]
    fn rustfmt_is_run_with_the_settings_of_the_repository() {
        let settings = fs::read_to_string(crate::root().join("rustfmt.toml")).expect("rustfmt.toml is there");
        assert_eq!(settings, "max_width = 110\nuse_small_heuristics = \"Max\"\n");
    }
}
