//! Code generation and repository checks: `cargo xtask <command>`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

mod codegen;
mod tidy;

const USAGE: &str = "usage: cargo xtask codegen | tidy";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["codegen"] => codegen::write(&root()),
        ["tidy"] => tidy::check(&root()),
        _ => bail!(USAGE),
    }
}

/// The top of the repository.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("invariant: this crate lies in crates/xtask").to_owned()
}
