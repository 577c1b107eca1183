//! Rules for single source files.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;

use super::design::{LINES_MAX, LONG_ALLOWED, UNSAFE_ALLOWED};
use super::{Problems, read, rust_files};

/// Where each deliberate difference from the reference has a row.
const COMPAT: &str = "COMPAT.md";

pub(super) fn check(root: &Path, problems: &mut Problems) -> Result<()> {
    let compat = if root.join(COMPAT).is_file() { read(root, Path::new(COMPAT))? } else { String::new() };
    let mut tags = BTreeSet::new();
    for path in rust_files(root)? {
        let text = read(root, &path)?;
        check_tags(&path, &text, &compat, &mut tags, problems);
        check_unsafe(&path, &text, problems);
        check_length(&path, &text, problems);
    }
    check_rows(&compat, &tags, problems);
    Ok(())
}

/// Each tag is `// diverges(<id>): why`, and `COMPAT.md` has the id in backticks.
fn check_tags(path: &Path, text: &str, compat: &str, tags: &mut BTreeSet<String>, problems: &mut Problems) {
    for (line, number) in text.lines().zip(1..) {
        let (_, comment) = split(line);
        let Some(tag) = comment.trim_start().strip_prefix("diverges") else { continue };
        let place = format!("{}:{number}", path.display());
        match tag.strip_prefix('(').and_then(|rest| rest.split_once("):")) {
            Some((id, _)) => {
                tags.insert(id.to_owned());
                if !compat.contains(&format!("`{id}`")) {
                    problems.push(format!("{place}: {COMPAT} has no row with `{id}`"));
                }
            }
            None if tag.starts_with([':', '(']) => {
                problems.push(format!("{place}: the tag is written diverges(<id>): why"));
            }
            None => {}
        }
    }
}

/// Each row of `COMPAT.md` that begins with an id has a tag in the code.
fn check_rows(compat: &str, tags: &BTreeSet<String>, problems: &mut Problems) {
    for (line, number) in compat.lines().zip(1..) {
        let id = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"));
        if let Some((id, _)) = id
            && !tags.contains(id)
        {
            problems.push(format!("{COMPAT}:{number}: no code says diverges({id})"));
        }
    }
}

fn check_unsafe(path: &Path, text: &str, problems: &mut Problems) {
    if is_listed(path, UNSAFE_ALLOWED) {
        return;
    }
    for (line, number) in text.lines().zip(1..) {
        let (code, _) = split(line);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if code.split(|c| !is_word(c)).any(|word| word == "unsafe") {
            problems.push(format!("{}:{number}: unsafe code outside the list in design.rs", path.display()));
        }
    }
}

fn check_length(path: &Path, text: &str, problems: &mut Problems) {
    let lines = text.lines().count();
    if lines > LINES_MAX && !is_generated_or_test(path) && !is_listed(path, LONG_ALLOWED) {
        problems.push(format!("{}: {lines} lines, more than {LINES_MAX}; split it", path.display()));
    }
}

fn is_generated_or_test(path: &Path) -> bool {
    let exempt = ["generated", "generated.rs", "tests", "tests.rs"].map(OsStr::new);
    path.iter().any(|name| exempt.contains(&name))
}

fn is_listed(path: &Path, list: &[(&str, &str)]) -> bool {
    list.iter().any(|(listed, _)| path == Path::new(listed))
}

/// The code of a line without what stands in quotes, and what its `//` comment says.
fn split(line: &str) -> (String, &str) {
    let mut code = String::new();
    let mut rest = line.chars();
    let mut quoted = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' if quoted => drop(rest.next()),
            '\'' if rest.as_str().starts_with("\"'") => drop(rest.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && rest.as_str().starts_with('/') => {
                return (code, rest.as_str().trim_start_matches(['/', '!']));
            }
            c if !quoted => code.push(c),
            _ => {}
        }
    }
    (code, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_strings_and_comments_are_told_apart() {
        for (line, code, comment) in [
            ("let a = 1; /// say", "let a = 1; ", " say"),
            (r#"f("a // b", c) // d"#, "f(, c) ", " d"),
            (r#"f("a \" // b")"#, "f()", ""),
            (r#"c == '"' // d"#, "c == ' ", " d"),
            ("a / b", "a / b", ""),
        ] {
            assert_eq!(split(line), (code.to_owned(), comment), "{line}");
        }
    }
}
