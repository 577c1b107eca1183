use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A small repository that is tidy, to be spoilt by the tests.
struct Sample {
    root: PathBuf,
}

impl Sample {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xtask-tidy-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let sample = Self { root: std::env::temp_dir().join(name) };
        sample.write("crates/jute/Cargo.toml", &manifest("bytes.workspace = true"));
        sample.write("crates/jute/src/lib.rs", PURE);
        sample.write("crates/server/Cargo.toml", &manifest("jute.workspace = true\ntokio = \"1\""));
        sample.write("crates/server/src/lib.rs", "// diverges(wait-longer): says why\n");
        sample.write("COMPAT.md", "| `wait-longer` | waits longer |\n");
        sample
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn problems(&self) -> Vec<String> {
        match check(&self.root) {
            Ok(()) => Vec::new(),
            Err(error) => error.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect(),
        }
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).expect("the sample can be removed");
    }
}

const PURE: &str = "//! Pure.\n#![no_std]\n#![forbid(unsafe_code)]\n";

fn manifest(dependencies: &str) -> String {
    format!("[package]\nname = \"x\"\n\n[dependencies]\n{dependencies}\n\n[lints]\nworkspace = true\n")
}

#[test]
fn a_tidy_repository_has_no_problems() {
    assert_eq!(Sample::new().problems(), [""; 0]);
}

#[test]
fn each_rule_can_fail() {
    let no_lints = "[dependencies]\n";
    let build = manifest("") + "[build-dependencies]\ncc = \"1\"\n";
    let dev = manifest("") + "[dev-dependencies]\nproptest = \"1\"\nserver = \"1\"\n";
    let unsafe_code = "fn f() {\n    unsafe { g() }\n}\n";
    let tag_without_id = "// diverges: says why\n";
    let long = "\n".repeat(601);
    let cases: &[(&str, &str, &str)] = &[
        (
            "crates/jute/Cargo.toml",
            &manifest("tokio = \"1\""),
            "crates/jute: the design does not let it use tokio",
        ),
        (
            "crates/jute/Cargo.toml",
            &manifest("tree = \"1\""),
            "crates/jute: the design does not let it use tree",
        ),
        (
            "crates/server/Cargo.toml",
            &manifest("client = \"1\""),
            "crates/server: the design does not let it use client",
        ),
        ("crates/jute/Cargo.toml", &dev, "crates/jute: the design does not let its tests use server"),
        ("crates/jute/Cargo.toml", &build, "crates/jute: has build-dependencies"),
        ("crates/jute/Cargo.toml", no_lints, "crates/jute: does not take the lints of the workspace"),
        ("crates/more/Cargo.toml", no_lints, "crates/more: not in the design's table of crates"),
        (
            "crates/jute/src/lib.rs",
            "#![forbid(unsafe_code)]",
            "crates/jute/src/lib.rs: a pure crate says #![no_std]",
        ),
        (
            "crates/jute/src/lib.rs",
            "#![no_std]",
            "crates/jute/src/lib.rs: a pure crate says #![forbid(unsafe_code)]",
        ),
        (
            "crates/server/src/a.rs",
            unsafe_code,
            "crates/server/src/a.rs:2: unsafe code outside the list in design.rs",
        ),
        (
            "crates/server/src/a.rs",
            tag_without_id,
            "crates/server/src/a.rs:1: the tag is written diverges(<id>): why",
        ),
        ("COMPAT.md", "| other |", "crates/server/src/lib.rs:1: COMPAT.md has no row with `wait-longer`"),
        ("crates/server/src/lib.rs", "", "COMPAT.md:1: no code says diverges(wait-longer)"),
        ("crates/server/src/a.rs", &long, "crates/server/src/a.rs: 601 lines, more than 600; split it"),
    ];
    for (path, text, problem) in cases {
        let sample = Sample::new();
        sample.write(path, text);
        assert_eq!(sample.problems(), [*problem], "{path}");
    }
}

#[test]
fn what_only_looks_wrong_is_let_pass() {
    let cases = [
        ("crates/server/src/tests.rs", "\n".repeat(601)),
        ("crates/server/tests/a.rs", "\n".repeat(601)),
        ("crates/server/src/generated/a.rs", "\n".repeat(601)),
        (
            "crates/server/src/a.rs",
            "// unsafe words and what diverges from them\n#![deny(unsafe_code)]\n".into(),
        ),
        ("crates/server/target/a.rs", "// diverges: not ours\n".into()),
        ("crates/server/Cargo.toml", manifest("") + "[dev-dependencies]\nclient = \"1\"\nproptest = \"1\"\n"),
    ];
    for (path, text) in cases {
        let sample = Sample::new();
        sample.write(path, &text);
        assert_eq!(sample.problems(), [""; 0], "{path}");
    }
}

#[test]
fn a_missing_compat_page_is_an_empty_one() {
    let sample = Sample::new();
    fs::remove_file(sample.root.join("COMPAT.md")).unwrap();
    assert_eq!(sample.problems().len(), 1);
}

#[test]
fn edges_of_the_design_point_up_only() {
    use super::design::CRATES;
    let place = |name: &str| CRATES.iter().position(|row| row.name == name).expect(name);
    for row in CRATES.iter().filter(|row| row.pure) {
        for used in row.ours {
            assert!(place(used) < place(row.name), "{} uses {used}", row.name);
            assert!(CRATES[place(used)].pure, "{} is pure and uses {used}", row.name);
        }
    }
}
